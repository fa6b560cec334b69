"""Thresholds by list size, the points of evidence, and the population they are set on. All persons are invented."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.person.evidence import compare_births, field_reasons, sex_points
from failsafe.agent.person.grade_tables import NAMES, NUCLEAR, POSSIBLE, STRONG
from failsafe.agent.person.grading import Thresholds, thresholds
from failsafe.sync.records import Notice, PersonName
from tests.bench import papers
from tests.bench.peoples import Humanity
from tests.grades import bounds

SIZES = st.integers(0, 5_000_000)


@pytest.mark.parametrize(("place", "names"), list(enumerate(NAMES)))
def test_the_table_says_what_it_says_at_its_sizes(place, names):
    found = thresholds(names, "red")
    assert (found.possible, found.strong) == pytest.approx((min(POSSIBLE[place], STRONG[place]), STRONG[place]))


@given(SIZES, SIZES)
def test_a_longer_list_asks_for_no_fewer_points(first, second):
    shorter, longer = (thresholds(names, "red") for names in sorted((first, second)))
    assert shorter.possible <= longer.possible + 1e-9
    assert shorter.strong <= longer.strong + 1e-9


@given(SIZES)
def test_strong_asks_for_no_fewer_points_than_possible(names):
    for tier in ("rn", "red"):
        found = thresholds(names, tier)
        assert found.possible <= found.strong


def test_the_nuclear_tier_asks_for_fewer_points():
    assert thresholds(NAMES[1], "rn").possible == NUCLEAR < thresholds(NAMES[1], "red").possible


def test_without_corroboration_nothing_is_strong():
    limits = Thresholds(2.0, 4.0)
    assert limits.grade(99.0, corroborated=False) == "possible"
    assert [limits.grade(points, corroborated=True) for points in (1.9, 2.0, 3.9, 4.0)] == [
        "none",
        "possible",
        "possible",
        "strong",
    ]


# --- evidence ----------------------------------------------------------------------------------------------------


def test_dates_that_agree_more_never_count_less():
    best_first = ("1975-03-14", "1975-03", "1975-03-20", "1975-08-14", "1976", "1975-08-01", "1976-08-01", "1977")
    points = [compare_births("1975-03-14", held)[0] for held in (*best_first, "1977-08-01", "1980", "1984", "1999")]
    assert points == sorted(points, reverse=True)


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        ("1975-03-12", "1975-12-03"),
        ("1975-03-14", "1976-03-14"),
        ("1975-03-14", "1965-03-14"),
        ("1975-03-14", "1975-05-14"),
    ],
)
def test_one_slip_of_a_date_speaks_for_it(asked, held):
    assert compare_births(asked, held)[0] == compare_births(held, asked)[0] > 1.0
    assert compare_births("1975-03-14", "1986-03-14")[0] < -3.0


def test_years_alone_say_less_the_further_they_are_apart():
    best_first = ("1975", "1976", "1977", "1980", "1985", "1999")
    points = [compare_births("1975-03-14", held)[0] for held in best_first]
    assert points == sorted(points, reverse=True)


def test_sex_counts_only_where_both_sides_say_it():
    assert sex_points("M", "U") is None and sex_points(None, "F") is None
    assert sex_points("M", "F") < 0 < sex_points("F", "F")


@pytest.mark.parametrize(
    ("nationality", "why"),
    [("UKR", "the same"), ("GEO", "the notice's country of birth"), ("POL", "not among the notice's"), (None, None)],
)
def test_nationality_and_country_of_birth(nationality, why):
    notice = Notice(
        entity_id="2026/1", tier="red", names=(PersonName(surname="X"),), nationalities=("UA",), birth_country="GE"
    )
    assert [reason.why for reason in field_reasons(None, nationality, notice)] == ([why] if why else [])


# --- the population they are set on --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def persons():
    return list(Humanity(1, families=4_000).persons(20_000))


@pytest.mark.parametrize(
    ("nationality", "least", "most"),
    [("RU", 0.004, 0.02), ("DE", 0.006, 0.025), ("CN", 0.05, 0.09), ("KR", 0.17, 0.26)],
)
def test_the_commonest_family_name_is_as_common_as_in_life(persons, nationality, least, most):
    families = [person.surname for person in persons if person.nationality == nationality]
    assert least <= Counter(families).most_common(1)[0][1] / len(families) <= most


def test_most_family_names_are_borne_by_one_or_two(persons):
    bearers = Counter(person.surname for person in persons if person.nationality == "DE")
    assert sum(count <= 2 for count in bearers.values()) > 0.8 * len(bearers)


def test_a_name_in_its_own_script_is_of_that_script(persons):
    scripts = {"RU": ("Ѐ", "ӿ"), "SA": ("\u0600", "ۿ"), "CN": ("一", "鿿"), "KR": ("가", "힣")}
    for nationality, (first, last) in scripts.items():
        own = [papers.in_own_script(person) for person in persons if person.nationality == nationality]
        letters = "".join("".join(name) for name in own if name).replace(" ", "")
        assert letters and all(first <= letter <= last for letter in letters)


def test_papers_change_a_person_and_leave_them_that_person(persons):
    rng = random.Random(5)
    others = [(person, papers.disguised(rng, person)) for person in persons[:500]]
    assert all(one.entity_id == other.entity_id and one.sex == other.sex for one, other in others)
    assert sum(one != other for one, other in others) > 450
    assert 40 < sum(one.birth != other.birth for one, other in others) < 130


def test_bounds_hold_the_rate_between_them():
    low, high = bounds(9, 20_000)
    assert low < 45.0 < high < 100.0
    assert bounds(0, 20_000)[0] == 0.0 < bounds(0, 20_000)[1] < 25.0
