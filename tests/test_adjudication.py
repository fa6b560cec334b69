"""What second line is told: a medical explanation by its half-life, and advice that lets nobody go."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.page.words import TABLES
from failsafe.agent.radiation.adjudication import GUIDANCE, MEDICINES, NEUTRONS, SEEN_PER_S, explained
from failsafe.screens.words import CATEGORIES, EXPLAINED
from failsafe.sync.reports import Category, Explanation

# Half-lives in days, from a second hand: hours where they are told in hours.
HALF_LIVES_D = {
    "Tc-99m": 6.007 / 24,
    "F-18": 109.8 / 1440,
    "I-131": 8.02,
    "I-123": 13.2 / 24,
    "Tl-201": 73.1 / 24,
    "Ga-67": 78.3 / 24,
    "Ga-68": 67.7 / 1440,
    "In-111": 67.3 / 24,
    "Lu-177": 6.65,
    "Ra-223": 11.43,
    "Sm-153": 46.3 / 24,
    "Y-90": 64.1 / 24,
    "I-125": 59.4,
    "Se-75": 119.8,
}


def test_the_half_lives_are_those_of_physics():
    assert {name: one.half_life_d for name, one in MEDICINES.items()} == pytest.approx(HALF_LIVES_D, rel=0.005)


@pytest.mark.parametrize("name", MEDICINES)
def test_at_the_last_day_so_much_is_left_as_is_said_to_be_seen(name):
    alone = dataclasses.replace(MEDICINES[name], published_d=None)
    left = alone.activity_mbq * 1e6 * alone.photons * 2 ** (-alone.latest_d / alone.half_life_d)
    assert left == pytest.approx(SEEN_PER_S)
    kept = alone.activity_mbq * 1e6 * alone.photons * 2 ** (-alone.usual_d / alone.effective_d)
    assert kept == pytest.approx(SEEN_PER_S) and alone.usual_d <= alone.latest_d


@pytest.mark.parametrize("name", [name for name, one in MEDICINES.items() if one.published_d])
def test_the_formula_comes_near_to_what_was_published_and_never_shortens_it(name):
    medicine = MEDICINES[name]
    computed = dataclasses.replace(medicine, published_d=None).latest_d
    assert 0.4 < computed / medicine.published_d < 2.5
    assert medicine.usual_d >= medicine.published_d


@pytest.mark.parametrize(
    ("nuclide", "days", "says"),
    [
        ("Tc-99m", 1, "plausible"),
        ("Tc-99m", 10, "implausible"),
        ("F-18", 0, "plausible"),
        ("F-18", 3, "implausible"),
        ("I-131", 90, "plausible"),
        ("I-131", 125, "unusual"),
        ("I-131", 200, "implausible"),
        ("Lu-177", 60, "unusual"),
    ],
)
def test_an_explanation_is_judged_by_its_day(nuclide, days, says):
    assert explained(nuclide, days) == says


def test_what_is_not_in_the_table_is_not_judged():
    assert explained("Cs-137", 1) is None


@given(st.sampled_from(sorted(MEDICINES)), st.floats(0, 4000), st.floats(0, 4000))
def test_more_days_never_make_it_more_plausible(nuclide, one, other):
    order = get_args(Explanation)
    assert order == ("plausible", "unusual", "implausible")
    early, late = sorted((one, other))
    assert order.index(explained(nuclide, early)) <= order.index(explained(nuclide, late))
    assert explained(nuclide, early, neutrons=True) == "implausible"


def test_the_page_judges_by_the_same_days():
    for name, (_, _, usual, latest, published) in TABLES["MEDICINES"].items():
        medicine = MEDICINES[name]
        assert (usual, latest, published) == (medicine.usual_d, medicine.latest_d, medicine.published_d)
        assert math.isfinite(latest)


def test_every_category_has_its_name_and_its_advice_and_no_advice_lets_anybody_go():
    assert set(get_args(Category)) == GUIDANCE.keys() == CATEGORIES.keys()
    assert set(get_args(Explanation)) == EXPLAINED.keys()
    said = [text for one in GUIDANCE.values() for text in (one.means, one.ask, one.look, one.then)] + [NEUTRONS]
    assert all(text.endswith((".", "?")) for text in said)
    assert not [
        text for text in said if re.search(r"\b(releas|let (them|him|her|it) |proceed|clear\b|may go)", text.lower())
    ]
    assert all("CCC" in one.then for one in GUIDANCE.values()) and "CCC" in NEUTRONS


@pytest.mark.parametrize("text", [GUIDANCE["nuclear"].then, NEUTRONS])
def test_of_neutrons_is_said_distance_and_telephone(text):
    assert "keep everybody away" in text.lower() and "telephone the CCC now" in text and "open nothing" in text
