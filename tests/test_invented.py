"""The invented notices are in the public shape, repeatable, and as uneven as real ones."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.hq.invented import SCRIPTS, invent
from failsafe.sync import shape


@pytest.fixture(scope="module")
def lines():
    return [json.dumps(line, ensure_ascii=False) for line in invent(1000)]


@pytest.fixture(scope="module")
def reading(lines):
    return shape.read("\n".join(lines))


def test_a_thousand_pass_the_import(reading):
    assert reading.faults == () and reading.remarks == ()
    assert len(reading.notices) == 1000
    assert len(reading.listed) == 100


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**64), st.integers(1, 60))
def test_every_seed_passes_the_import(seed, number):
    found = shape.read("\n".join(json.dumps(line) for line in invent(number, seed)))
    assert found.faults == () and len(found.notices) == number


def test_the_same_seed_invents_the_same_persons(lines):
    assert [json.dumps(line, ensure_ascii=False) for line in invent(1000)] == lines
    assert [json.dumps(line, ensure_ascii=False) for line in invent(1000, seed=2)] != lines


def test_about_one_in_fifty_is_of_the_nuclear_tier(reading):
    tiers = Counter(entry.notice.tier for entry in reading.notices)
    assert 8 <= tiers["rn"] <= 40
    assert len(tiers) >= 5
    materials = [entry.notice.materials for entry in reading.notices if entry.notice.tier == "rn"]
    assert all(materials)


def test_names_come_in_every_script(reading):
    originals = {
        unicodedata.name(character).split()[0]
        for entry in reading.notices
        for name in entry.notice.names
        if name.original_script
        for character in (name.surname or "")
    }
    assert {"CYRILLIC", "ARABIC", "HEBREW", "GREEK", "CJK", "HANGUL", "GEORGIAN"} <= originals


def test_a_script_comes_with_its_own_latin_spelling():
    """Syllable by syllable, so that matching across scripts has something true to find."""
    by_name = {script.name: script for script in SCRIPTS}
    georgian = dict(by_name["Georgian"].syllables) | dict(by_name["Georgian"].endings)
    pairs = [
        (notice["name_in_original_script"], notice["name"])
        for notice in islice(invent(400), 400)
        if "GE" in notice["nationalities"]
    ]
    assert pairs
    for original, latin in pairs:
        spelt = latin
        while original:
            syllable = next(one for one in sorted(georgian, key=len, reverse=True) if original.startswith(one))
            assert spelt.startswith(georgian[syllable])
            original, spelt = original.removeprefix(syllable), spelt.removeprefix(georgian[syllable])
        assert spelt == ""


def test_few_names_are_frequent_and_most_are_rare(reading):
    counts = Counter(entry.notice.names[0].surname for entry in reading.notices).most_common()
    assert counts[0][1] >= 10
    assert sum(1 for _, times in counts if times <= 2) > len(counts) / 2


def test_the_traps_of_real_data_are_among_them(lines):
    raw = [json.loads(line) for line in lines[:1000]]
    assert {"-", None} <= {notice["forename"] for notice in raw}
    assert {0, None, "None"} <= {notice["height"] for notice in raw}
    assert any((notice["date_of_birth"] or "").endswith("/00") for notice in raw)
    assert any("YELBD" in (notice["hairs_id"] or ()) for notice in raw)
    assert any(notice["aliases"] is None for notice in raw)
    assert any(len(notice["nationalities"]) > 1 for notice in raw)


def test_ids_and_listed_numbers_are_each_their_own(lines, reading):
    assert len({entry.notice.entity_id for entry in reading.notices}) == 1000
    assert len({document.number for document in reading.listed}) == 100


def test_the_nuclear_tier_stays_small_however_long_the_list():
    tier = sum("fse" in line for line in invent(40_000, seed=4))
    assert 400 <= tier <= 600
