"""Names put together of several words: one form however they are written, and words that say nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.person.compounds import SLIGHT, parted
from failsafe.agent.person.likeness import score_names


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("ABDUL RAHMAN", "ABD RAHMAN"),
        ("ABD AL RAHMAN", "ABD RAHMAN"),
        ("ABD AR RAHMAN", "ABD RAHMAN"),
        ("ABDURRAHMAN", "ABD RAHMAN"),
        ("ABDELRAHMAN", "ABD RAHMAN"),
        ("ABDERAHMANE", "ABD RAHMANE"),
        ("NUR AL DIN", "NUR DIN"),
        ("NUREDDINE", "NUR DIN"),
        ("NURUDDIN BIN SALIH", "NUR DIN BIN SALIH"),
        ("MATI UR REHMAN", "MATI REHMAN"),
    ],
)
def test_spellings_of_one_compound_come_to_one_form(written, form):
    assert parted(tuple(written.split())) == tuple(form.split())


@pytest.mark.parametrize("name", ["ABDULLAH", "ABDALLA", "ABDOULAYE", "ABDULLAHI", "ABDI", "MARTIN", "GORDIN", "AL"])
def test_names_that_only_look_like_compounds_stay(name):
    assert parted((name,)) == (name,)


def test_an_article_goes_only_with_what_it_belongs_to():
    assert parted(("AMIN", "AL", "BEISPIELI")) == ("AMIN", "AL", "BEISPIELI")
    assert parted(("KIM", "AN", "NAM")) == ("KIM", "AN", "NAM")


@given(st.lists(st.text("ABDELRUINMS", min_size=1, max_size=9), min_size=1, max_size=6).map(tuple))
def test_a_name_never_vanishes(tokens):
    once = parted(tokens)
    assert once
    assert all(once)


def test_the_servant_says_little_and_whose_servant_he_is_says_more():
    same = score_names("Abdul Rahman Beispieli", "BEISPIELI ABDURRAHMAN")
    other = score_names("Abdul Rahman Beispieli", "Abdul Manan Beispieli")
    assert same.match
    assert not other.match


@pytest.mark.parametrize("title", ["HAJI", "DR", "SHEIKH", "PRESIDENT"])
def test_a_title_more_or_less_is_the_same_person(title):
    assert title in SLIGHT
    assert score_names(f"{title} Ivanka Beispielova", "Ivanka Beispielova").match
    assert not score_names(f"{title} Ivanka Beispielova", f"{title} Petra Musterova").match
