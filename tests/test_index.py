"""The index: who is found under which spelling, who is not, and that the best stand first. All persons are invented."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.person.index import Index
from failsafe.agent.person.names import fold
from failsafe.agent.person.segment import Segment
from failsafe.agent.person.vocabulary import Texts
from tests.bench import papers
from tests.bench.exhaustive import Exhaustive, missed
from tests.bench.population import Population
from tests.grades import World


def row(entity_id, tokens, *, tier="red", births=("1975-03-14",), kind="main", sex="M"):
    return (entity_id, tier, tokens, kind, births, sex)


def found(index, name, **options):
    return [each.name.entity_id for each in index.search(fold(name), **options)]


SMALL = Index.build(
    [
        row("1", "BEISPIELOV IVAN PETROVICH"),
        row("2", "MUHAMMAD AHMAD AL TESTI"),
        row("3", "MUHAMMAD HASSAN EXEMPLARI"),
        row("4", "MUHAMMAD ALI PROBANDI"),
        row("5", "XI YANGBEN"),
        row("6", "KHRUSTALEVSKY ANATOLY"),
        row("7", "SUKARTONO"),
        row("8", "ABDALLAH MODELI"),
        row("9", "GRZMOTOWSKA ALICJA", sex="F"),
        row("10", "MUHAMMAD MUHAMMAD"),
    ]
)


@pytest.mark.parametrize(
    ("name", "entity_id"),
    [
        ("Beispielov, Ivan Petrovich", "1"),
        ("IVAN BEISPIELOV", "1"),
        ("Beyspielow Iwan", "1"),
        ("Beispielof Ivan", "1"),
        ("Бейспилов Иван", "1"),
        ("Mohamed Ahmed Testi", "2"),
        ("Hrustalevskij Anatolij", "6"),
        ("Xiyangben", "5"),
        ("Xi Yang Ben", "5"),
        ("Sukartono", "7"),
        ("Abd Allah Modeli", "8"),
        ("Gzrmotowska Alicja", "9"),
    ],
)
def test_spellings_find_the_notice_first(name, entity_id):
    assert found(SMALL, name)[0] == entity_id


CLERKS = Index.build(
    [
        row("1", "MUSTEROV DMITRII VLADIMIROVICH"),
        row("2", "EXEMPLOV DMITRIIVLADIMIROVICH"),
        row("3", "WU WENLIANG"),
        row("4", "KILIC FATMA"),
        row("5", "LEE CHAN"),
        row("6", "ABDULRAHMAN SPECIMENI"),
        row("7", "PROBANDOV ANATOLII", births=("1961-02-03",)),
        *(row(f"x{number}", f"{name} {word}") for name in ("FATMA", "CHAN", "LEE", "ANATOLII") for number, word in
          enumerate(("MUSTERA", "PROBSKA", "TESTYANO", "BEISPILLA", "MODELSON", "VORLAGE", "EXEMPLUM", "SPECIMA",
                     "UNBEKANNT", "NIEMANDA", "JEMANDT", "ANONYMUS", "PERSONA"))),
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "entity_id"),
    [
        ("Musterov DmitriiVladimirovich", "1"),  # whose two names are one word
        ("DmitriiVladimirovich", "1"),
        ("Exemplov Dmitrii Vladimirovich", "2"),  # whose one word is two names
        ("Wo Wenliang", "3"),  # one wrong letter of two
        ("Kiic Fatma", "4"),  # one letter less, and squashed to two less
        ("Ler Chan", "5"),  # one wrong letter, and squashed another word
        ("Abdul Rahman Specimeni", "6"),
    ],
)
def test_short_and_joined_names_with_one_slip_find_the_notice(name, entity_id):
    assert entity_id in found(CLERKS, name)


@pytest.mark.parametrize("birth", ["1961-02-03", "1961-03-02", "1960-02-03", "1962-02-03"])
def test_whoever_was_born_on_the_day_is_found_by_one_common_token(birth):
    assert found(CLERKS, "Ganzanders Anatolii", births=[birth]) == ["7"]


@pytest.mark.parametrize("births", [[], ["1961"], ["1961-02-04"], ["1963-02-03"], ["1961-02"]])
def test_another_day_is_no_token(births):
    assert found(CLERKS, "Ganzanders Anatolii", births=births) == []


def test_a_day_alone_finds_nobody():
    assert found(CLERKS, "Ganzanders Allein", births=["1961-02-03"]) == []
    assert found(CLERKS, "Ganzanders", births=["1961-02-03"]) == []


def test_a_parted_word_needs_both_names_in_one():
    assert found(CLERKS, "Dmitriianatolii Nadieswelt") == []


def test_one_common_token_is_no_hit_where_the_name_has_more():
    common = Index.build([row(str(number), f"MUHAMMAD {word}") for number, word in enumerate(words(200))])
    assert found(common, "Muhammad Nadieswelt") == []


def test_one_rare_token_is_a_hit_for_the_aligner_to_judge():
    assert found(SMALL, "Grzmotowska Beata") == ["9"]


def test_a_name_of_one_token_finds_names_that_bear_it():
    assert "7" in found(SMALL, "Sukartono")
    assert set(found(SMALL, "Muhammad")) == {"2", "3", "4", "10"}


def test_a_name_said_twice_counts_once():
    many = Index.build([row(str(number), f"MUHAMMAD {word}") for number, word in enumerate(words(200))])
    assert found(many, "Muhammad Muhammad") == []


def test_initials_alone_find_nobody():
    assert found(SMALL, "I P") == []


def test_nothing_is_found_by_nothing():
    assert SMALL.search(()) == []
    assert Index.build([]).search(("TESTOV",)) == []
    assert len(Index.build([row("1", "")])) == 0


def test_a_cut_name_finds_the_longer_one():
    assert found(SMALL, "KHRUSTAL ANATO", cut=True) == ["6"]
    assert "6" not in found(SMALL, "KHRUSTAL ANATO")


def test_each_notice_comes_once_with_the_name_that_met_best():
    index = Index.build(
        [row("1", "BEISPIELOV IVAN"), row("1", "MALER IWAN", kind="low_alias"), row("1", "BEISPILOW IVAN")]
    )
    hits = index.search(fold("Beispielov Ivan"))
    assert [hit.name.entity_id for hit in hits] == ["1"]
    assert hits[0].name.tokens == ("BEISPIELOV", "IVAN")
    assert hits[0].share == 1.0


def test_a_like_birth_orders_namesakes():
    twins = Index.build([row(str(year), "BEISPIELOV IVAN", births=(f"{year}-01-01",)) for year in range(1930, 2010)])
    assert found(twins, "Beispielov Ivan", births=["1971-06-01"], most=3)[0] in {"1970", "1971", "1972"}
    assert len(found(twins, "Beispielov Ivan", births=["1971-06-01"])) == 30


def test_dates_never_leave_anybody_out():
    assert found(SMALL, "Sukartono", births=["2004-01-01"]) == ["7"]
    assert found(SMALL, "Sukartono", births=["not a date"]) == ["7"]


def test_the_nuclear_tier_is_not_crowded_out():
    crowd = [row(str(number), "BEISPIELOV IVAN") for number in range(100)]
    index = Index.build([*crowd, row("rn", "BEISPIELOV IWAN", tier="rn")])
    assert "rn" in found(index, "Beispielov Ivan")


def test_rarity_falls_with_the_number_of_bearers():
    assert SMALL.rarity("MUHAMMAD") < SMALL.rarity("SUKARTONO") == SMALL.rarity("NOBODYS")


def words(count):
    """Invented words no two of which are near each other."""
    rng = random.Random(7)
    return ["".join(rng.choices("BDFGKLMNPRSTVZ", k=9)) for _ in range(count)]


@given(st.lists(st.text("ABEIKMNORSTUV", min_size=2, max_size=9), min_size=1, max_size=4, unique=True))
def test_whoever_is_in_it_is_found_under_his_own_name(tokens):
    index = Index.build([*ROWS, row("own", " ".join(tokens))])
    assert "own" in [each.name.entity_id for each in index.search(tokens)]


@given(st.lists(st.text("ABEIKMNORSTUV", max_size=9), max_size=5), st.booleans())
def test_shares_are_ordered_and_between_nothing_and_all(tokens, cut):
    shares = [each.share for each in SMALL.search(tokens, cut=cut)]
    assert all(0.0 < share <= 1.0 for share in shares)
    assert shares == sorted(shares, reverse=True)


@given(st.permutations(["BEISPIELOV", "IVAN", "PETROVICH"]))
def test_the_order_of_a_name_changes_nothing(tokens):
    assert found(SMALL, " ".join(tokens)) == found(SMALL, "BEISPIELOV IVAN PETROVICH")


POPULATION = Population(5, surnames=4_000, givens=1_500)
PERSONS = POPULATION.persons(4_000)
ROWS = list(POPULATION.rows(PERSONS))


def test_disguises_are_found_among_thousands():
    index = Index.build(ROWS)
    assert len(index) == 8_000
    disguised = [POPULATION.disguise(person) for person in PERSONS[:600]]
    hits = sum(
        person.entity_id in found(index, f"{person.surname} {person.given}", births=[person.birth])
        for person in disguised
    )
    assert hits >= 0.98 * len(disguised)


def test_innocents_bring_few_candidates():
    index = Index.build(ROWS)
    strangers = Population(99).persons(300)
    counts = [len(found(index, f"{person.surname} {person.given}")) for person in strangers]
    assert sum(counts) / len(counts) < 5


def test_recall_against_everything_compared_with_everything():
    index, everything = Index.build(ROWS), Exhaustive(ROWS)
    lost = asked = 0
    for number, person in enumerate(PERSONS[:250]):
        other = POPULATION.disguise(person)
        tokens = fold(f"{other.surname} {other.given}"[: 12 if number % 5 == 0 else None])
        options = {"births": [other.birth] if number % 2 else [], "cut": number % 5 == 0}
        held = everything.search(tokens, **options)
        found = {each.name.entity_id: each.share for each in index.search(tokens, **options)}
        assert all(found[each] == pytest.approx(min(held[each], 1.0)) for each in found)
        less, more = missed(found, held)
        lost, asked = lost + less, asked + more
    assert asked > 700 and lost <= 0.001 * asked


@pytest.fixture(scope="module")
def world():
    """A list of many peoples, which takes seconds to draw."""
    return World.of(6, 1_500)


@pytest.mark.parametrize(("papers_make", "least"), [(papers.disguised, 0.995), (papers.disguised_hard, 0.98)])
def test_what_papers_make_of_a_person_is_found(world, papers_make, least):
    rng = random.Random(8)
    others = [papers_make(rng, person) for person in world.persons[:600]]
    hits = [
        other.entity_id in found_by(world.held.index, f"{other.surname} {other.given}", [other.birth])
        for other in others
    ]
    assert sum(hits) >= least * len(hits)


def found_by(index, name, births):
    return {each.name.entity_id: each.share for each in index.search(fold(name), births)}


def test_recall_of_what_papers_make_against_everything_compared_with_everything(world):
    rng = random.Random(9)
    everything = Exhaustive(list(world.held.rows()))
    lost = asked = 0
    for number, person in enumerate(world.persons[:150]):
        other = papers.disguised_hard(rng, person)
        name, births = f"{other.surname} {other.given}", [other.birth] if number % 3 else []
        held, hits = everything.search(fold(name), births), found_by(world.held.index, name, births)
        assert all(hits[each] == pytest.approx(min(held[each], 1.0)) for each in hits)
        less, more = missed(hits, held)
        lost, asked = lost + less, asked + more
    assert asked > 300 and lost <= 0.001 * asked


@pytest.mark.slow
def test_recall_among_fifty_thousand_sampled():
    population = Population.large(31, 50_000)
    persons = population.persons(50_000)
    rows = list(population.rows(persons))
    index, everything = Index.build(rows), Exhaustive(rows)
    lost = asked = 0
    for number, person in enumerate([*map(population.disguise, persons[::1_000]), *population.persons(30, "other/")]):
        tokens, births = fold(f"{person.surname} {person.given}"), [person.birth] if number % 2 else []
        found = {each.name.entity_id: each.share for each in index.search(tokens, births)}
        less, more = missed(found, everything.search(tokens, births))
        lost, asked = lost + less, asked + more
    assert asked > 100 and lost <= 0.001 * asked


def test_a_particle_weighs_little_and_its_namesake_does_not():
    index = Index.build([row(str(number), f"VAN DER {word}") for number, word in enumerate(words(200))])
    assert found(index, "Van Der Nadieswelt") == []
    assert (
        found(Index.build([row("1", "WAN XIAO"), *(row("x", f"VAN {word}") for word in words(200))]), "Wan Xiao")[0]
        == "1"
    )


def test_an_article_does_not_hide_a_common_name():
    index = Index.build([row(str(number), "AL HASSAN") for number in range(20)])
    assert len(found(index, "Al Hassan")) == 20


# --- a small segment beside the large one ------------------------------------------------------------------------


def numbered(rows, first=1):
    return [(first + place, each) for place, each in enumerate(rows)]


def beside(main_rows, recent_rows, gone=()):
    """An index over two segments; `gone` are numbers of notices of the first."""
    main = Segment.build(numbered(main_rows))
    recent = Segment.build(numbered(recent_rows, 1_000_000), beside=main)
    return Index(main, recent, np.isin(main.number, gone))


def test_both_segments_are_searched_and_the_best_stands_first():
    index = beside(
        [row("1", "BEISPIELOV ANATOLY"), row("2", "MODELI MARIA")], [row("3", "BEISPIELOV ANATOLI PROBANDI")]
    )
    assert found(index, "Beispielov Anatoly") == ["1", "3"]
    assert found(index, "Beispielov Anatoly Probandi") == ["3", "1"]
    assert len(index) == 3


def test_what_is_gone_from_the_large_one_is_not_found():
    index = beside([row("1", "BEISPIELOV IVAN"), row("2", "MODELI ANNA")], [row("1", "PROBANDI ANTON")], gone=[1])
    assert found(index, "Beispielov Ivan") == [] and found(index, "Probandi Anton") == ["1"]
    assert found(index, "Modeli Anna") == ["2"] and len(index) == 2


def test_a_common_token_is_no_rare_one_because_it_came_lately():
    common = [row(str(number), f"MUHAMMAD {word}") for number, word in enumerate(words(200))]
    index = beside(common, [row("new", "MUHAMMAD NEULING")])
    assert found(index, "Muhammad Nadieswelt") == [] and found(index, "Muhammad Neuling")[0] == "new"
    assert index.rarity("MUHAMMAD") == Index.build([*common, row("new", "MUHAMMAD NEULING")]).rarity("MUHAMMAD")


def test_two_segments_find_whom_one_would():
    whole, parted = Index.build(ROWS), beside(ROWS[:7_400], ROWS[7_400:])
    for person in [*PERSONS[:60], *PERSONS[-60:]]:
        other = POPULATION.disguise(person)
        options = {"births": [other.birth]}
        name = f"{other.surname} {other.given}"
        assert set(found(whole, name, **options)) == set(found(parted, name, **options))


def test_a_segment_gives_back_the_rows_it_was_built_from():
    rows = numbered(ROWS[:400])
    assert list(Segment.build(rows).rows()) == rows


def test_tokens_near_each_other_do_not_cost_a_second():
    """GHOSH and KOS: whoever bears one meets both, so that every bearer is a candidate."""
    index = Index.build([row(str(number), f"KOS {word}") for number, word in enumerate(words(20_000))])
    assert len(found(index, "Ghosh Kos")) == 30


def test_many_sounds_are_found_as_each_is():
    vocabulary = Segment.build(numbered(ROWS[:200])).vocabulary
    asked = [vocabulary.sounds[number] for number in range(0, len(vocabulary), 3)] + [b"NOBODIS", b"KS", b"von"]
    found = [vocabulary.find(each.decode()) for each in asked]
    assert vocabulary.find_all(Texts.of(asked)).tolist() == [-1 if number is None else number for number in found]
    assert vocabulary.find_all(Texts.of(())).tolist() == []
