"""Likeness of two names: what it measures, and what the trees that weigh the measures may and may not do."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.person import cognates, ear
from failsafe.agent.person.likeness import MATCH_FROM, Forest, Trees, grown, lay, score_names
from failsafe.agent.person.measures import MEASURES, hear_tokens, measures
from tests.grow import lessons, strangers

DIRECTIONS = np.array([direction for _, direction in MEASURES])


def measured(rng: random.Random) -> list[float]:
    """Measures of the size that names have, in any combination."""
    return [rng.choice((0.0, 1.0, rng.random(), 12 * rng.random())) for _ in MEASURES]


def test_the_more_alike_in_any_measure_the_higher_the_score():
    """Over many pairs of rows: one is at least as alike as the other in each measure, and like it in kind."""
    rng = random.Random(1)
    forest = grown()
    rows = np.array([measured(rng) for _ in range(4_000)])
    steps = np.array([[rng.choice((0.0, rng.random(), 5.0)) for _ in MEASURES] for _ in rows])
    lower, higher = forest.weigh(rows), forest.weigh(rows + steps * DIRECTIONS)
    assert (higher >= lower - 1e-9).all()
    assert (higher > lower).mean() > 0.5


def test_many_rows_are_weighed_as_each_by_itself():
    rng = random.Random(2)
    rows = [measured(rng) for _ in range(50)]
    together = grown().weigh(rows)
    assert together == pytest.approx([grown().weigh([row])[0] for row in rows])


def test_strangers_hardly_ever_match(shared):
    """At most one in a thousand pairs of names of one script that were drawn at random, other draws than taught."""
    drawn = strangers(lessons(shared), 8_000, seed=99)
    matched = sum(score_names(one.query, one.candidate).match for one in drawn)
    print(f"{matched} of {len(drawn)} strangers match")
    assert matched <= len(drawn) / 1000


@pytest.mark.parametrize(
    ("query", "candidate"),
    [
        ("Ivanka Beispielova", "IVANKA BEISPIELOVA"),
        ("Muhammad Exemplari", "EXEMPLARI MOHAMED"),
        ("Joseph Muestrovich", "Yusuf Muestrovich"),
        ("Beispielenko Oleksandr Petrovych", "Aleksandr Beispielenko"),
        ("제임스 베이스필", "James Beispeel"),
        ("Абдулла Примеров", "ABDULLAH PRIMEROV"),
    ],
)
def test_one_person_in_two_spellings(query, candidate):
    assert score_names(query, candidate).match


@pytest.mark.parametrize(
    ("query", "candidate"),
    [
        ("Daniel Musterov", "Donald Beispielov"),
        ("Olga Beispielova", "Petra Muster"),
        ("Muhammad Ali", "Muhammad Hassan"),
        ("Muhammad", "Muhammad Hassan Exemplari"),
        ("Li Wei", "Wang Wei"),
    ],
)
def test_two_persons(query, candidate):
    assert not score_names(query, candidate).match


def test_two_names_that_everybody_knows_are_two_however_alike():
    closer = score_names("Daniel Beispielov", "Danijel Beispielov").score
    other = score_names("Daniel Beispielov", "Donald Beispielov").score
    assert cognates.compare("DANIEL", "DONALD") is False
    assert cognates.compare("DANIEL", "DANYLO") is True
    assert cognates.compare("DANIEL", "BEISPIELOV") is None
    assert closer > MATCH_FROM > other


def test_a_father_and_a_son_are_not_one_person():
    apart = score_names("AHMAD BIN HASAN AL BEISPIELI", "HASAN BIN AHMAD AL BEISPIELI").score
    same = score_names("AHMAD BIN HASAN AL BEISPIELI", "AL BEISPIELI AHMAD BIN HASAN").score
    assert apart < same


@pytest.mark.parametrize(
    ("hangul", "latin"),
    [("제임스", "JAMES"), ("스미스", "SMITH"), ("아서", "ARTHUR"), ("폭스", "FOX"), ("케이트", "KATE")],
)
def test_hangul_and_latin_names_meet_by_ear(hangul, latin):
    assert ear.hangul_key(hangul) == ear.latin_key(latin)


def test_a_korean_family_name_is_heard_both_ways():
    assert {keys[0] for keys in ear.keys("이바다")} == {"LA", "A"}
    assert ear.alike(ear.keys("이바다"), ear.keys("Lee Bada"))[1] == 1.0


def test_a_name_of_one_own_script_is_compared_by_its_letters():
    """By ear these are nearly one name; their letters say two."""
    row = lay("김종은", "김정은")
    assert row is not None
    places = [name for name, _ in MEASURES]
    assert row.measures[places.index("own letters")] < 1.0
    assert score_names("김종은", "김정은").score < 1.0


def test_a_name_that_was_cut_is_compared_as_far_as_it_goes():
    query, candidate = ("BEISPIELOVSKAYA", "ALEXAN"), ("BEISPIELOVSKAYA", "ALEXANDRINA")
    heard = hear_tokens(query, candidate)
    whole = grown().weigh([measures(query, candidate, heard)])[0]
    cut = grown().weigh([measures(query, candidate, heard, cut=True)])[0]
    assert cut > whole


# --- single measures ---------------------------------------------------------------------------------------------


def measure(name: str, query: str, candidate: str) -> float:
    asked, held = tuple(query.split()), tuple(candidate.split())
    return measures(asked, held, hear_tokens(asked, held))[[name for name, _ in MEASURES].index(name)]


# Each is one letter farther from BEISPIELOV than the one before.
EVER_FARTHER = ("BEISPIELOV", "BEISPIELOM", "BEISPITLOM", "BUISPITLOM", "BUISPITKOM", "BUIGPITKOM")


@pytest.mark.parametrize("name", ["letters to change", "most letters to change"])
def test_letters_to_change_are_counted(name):
    changes = [measure(name, "IVANKA BEISPIELOV", f"IVANKA {other}") for other in EVER_FARTHER]
    assert changes == sorted(changes)
    assert changes[0] == 0.0
    assert changes[-1] >= 4.0


def test_letters_to_change_count_in_all_words_and_in_the_worst():
    two = ("IVANKA BEISPIELOV", "IVANGA BEISPIELOM")
    assert measure("letters to change", *two) > measure("most letters to change", *two) > 0.0


def test_a_sound_written_otherwise_is_less_than_a_letter_to_change():
    assert 0.0 < measure("letters to change", "IVANKA MUSTERSHI", "IVANKA MUSTERSKHI") <= 1.0
    assert measure("letters to change", "JOSEPH MUSTER", "YUSUF MUSTER") < 1.0


def test_turning_a_whole_name_round_costs_nothing_exchanging_words_does():
    name = "IVANKA PETRA BEISPIELOVA"
    assert measure("words exchanged", name, "BEISPIELOVA IVANKA PETRA") == 0.0
    assert measure("words exchanged", name, "PETRA IVANKA BEISPIELOVA") > 0.0


def test_words_that_begin_otherwise_are_told():
    assert measure("begun alike", "IVANKA BEISPIELOV", "IVANKA BEISPIELOM") == 1.0
    assert measure("begun alike", "IVANKA BEISPIELOV", "IVANKA MEISPIELOV") < 1.0


def test_a_closer_name_never_scores_less():
    for given_name in ("IVANKA", "MUHAMMAD", "PETRA MARIA"):
        scores = [score_names(f"{given_name} BEISPIELOV", f"{given_name} {other}").score for other in EVER_FARTHER]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] > MATCH_FROM > scores[-1]


@pytest.mark.parametrize(
    ("query", "candidate"), [("Al", "Al Testi"), ("Haji", "Haji Testi"), ("Muhammad", "Haji Muhammad Testi")]
)
def test_one_word_that_many_bear_is_no_match_whichever_is_asked_for(query, candidate):
    assert not score_names(query, candidate).match
    assert not score_names(candidate, query).match


@pytest.mark.parametrize(("query", "candidate"), [("B.B.", "Ivanka Beispielova"), ("I B", "Ivanka Beispielova")])
def test_initials_alone_are_no_match(query, candidate):
    assert not score_names(query, candidate).match
    assert score_names("I. Beispielova", candidate).match


def test_trees_are_walked_as_they_were_grown():
    """Two trees by hand: one asks the first measure, then the second; one is a leaf alone."""
    trees = Trees(
        measures=("first", "second"),
        zero=0.25,
        measure=((0, -1, 1, -1, -1), (-1,)),
        threshold=((0.5, 0.0, 2.0, 0.0, 0.0), (0.0,)),
        left=((1, 0, 3, 0, 0), (0,)),
        right=((2, 0, 4, 0, 0), (0,)),
        value=((0.0, -1.0, 0.0, 1.0, 3.0), (0.5,)),
    )
    weighed = Forest(trees).weigh([[0.5, 9.0], [0.6, 2.0], [0.6, 2.1], [float("nan"), float("nan")]])
    assert weighed == pytest.approx([-0.75, 1.25, 3.25, 3.25])


def test_two_known_names_do_not_meet_by_their_consonants():
    """AHMED and MOHAMED have the same consonants once the doubled one is dropped."""
    assert measure("words in conflict", "AHMED BEISPIELI", "MOHAMED BEISPIELI") == 1.0


def test_of_two_ways_to_fold_the_more_alike_is_weighed():
    """Documents print ae for the umlaut, by ear it is a."""
    for candidate in ("BAECKER ANNA", "BACKER ANNA"):
        row = lay("Anna Bäcker", candidate)
        assert row is not None
        assert row.query in {("ANNA", "BACKER"), ("ANNA", "BAECKER")}
        assert row.measures[[name for name, _ in MEASURES].index("letters to change")] <= 0.3


TOKENS = st.lists(st.text("ABDEIKLMNORSTU", min_size=1, max_size=9), min_size=1, max_size=5).map(tuple)


@given(TOKENS, TOKENS)
def test_measures_are_finite_and_the_same_both_ways(first, second):
    there = measures(first, second, hear_tokens(first, second))
    back = measures(second, first, hear_tokens(second, first))
    assert np.isfinite(there).all()
    assert there == pytest.approx(back)
    assert len(there) == len(MEASURES)
