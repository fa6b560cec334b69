"""The officer's page: a word for each code, a shape for each state, colours that can be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import get_args

import msgspec
import pytest

from failsafe.agent.page import words
from failsafe.agent.page.view import (
    HeaderView,
    RadiationView,
    Word,
)
from failsafe.agent.radiation.passage import Health
from failsafe.drivers.line import LineWord
from failsafe.screens import words as shared_words
from failsafe.sync.records import Tier
from failsafe.sync.reports import LinkWord
from tests.officer_page import Served
from tests.screen import check_words, colours, contrast

# What design.md allows, and what is waited for after a start; the page must have words for each.
ACTION_CODES = {
    "PROCEED",
    "WAIT_PORTAL",
    "WAIT_NOTICES",
    "REREAD",
    "REFER_SECONDARY",
    "RADIATION_SCREEN",
    "NOTIFY_CCC",
    "DO_NOT_DETAIN_ON_NOTICE_ALONE",
    "TELEPHONE_CCC",
}


@pytest.fixture
def served() -> Iterator[Served]:
    with closing(Served()) as page:
        yield page


def test_every_code_has_words() -> None:
    assert set(words.ACTIONS) == ACTION_CODES
    assert set(words.RADIATION) == set(literal_values(RadiationView, "state"))
    assert set(words.MIRROR) == set(literal_values(HeaderView, "mirror"))
    assert set(shared_words.TIERS) == set(get_args(Tier))
    assert set(words.LINK) == set(get_args(LinkWord))
    assert set(shared_words.DETECTORS) == {"STARTING", *get_args(Health), *get_args(LineWord)}
    assert set(shared_words.VERDICTS) == set(get_args(Word))
    assert all(text.endswith(".") for text in words.ACTIONS.values())


def literal_values(struct: type[msgspec.Struct], name: str) -> tuple[str, ...]:
    """The values a Literal field of a struct allows."""
    found = {one.name: one.type for one in msgspec.structs.fields(struct)}
    return tuple(get_args(found[name]))


def test_states_are_marked_by_a_shape_the_page_can_draw() -> None:
    shapes = {*get_args(Word), "NONE"}
    for table in (words.RADIATION, words.MIRROR, shared_words.DETECTORS, words.LINK):
        assert {row[0] for row in table.values()} <= shapes
    # Only what vouches for something carries the circle of CLEAR.
    assert [state for state, row in shared_words.DETECTORS.items() if row[0] == "CLEAR"] == ["OK"]
    assert [state for state, row in words.LINK.items() if row[0] == "CLEAR"] == ["up"]
    assert [state for state, row in words.MIRROR.items() if row[0] == "CLEAR"] == ["FRESH"]
    assert [state for state, row in words.RADIATION.items() if row[0] == "CLEAR"] == ["quiet"]


def test_words_reach_the_browser_as_they_are(served: Served) -> None:
    check_words(served, words)


def test_colours_can_be_read(served: Served) -> None:
    colour = colours(served)
    assert (colour["stop"], colour["check"]) == ("#8f1d14", "#f2b705")
    assert (colour["clear"], colour["unknown"]) == ("#0b4f7d", "#59636b")
    assert contrast(colour["stop"], "#ffffff") > 8
    assert contrast(colour["check"], colour["ink"]) > 8
    assert contrast(colour["clear"], "#ffffff") > 8
    assert contrast(colour["unknown"], colour["paper"]) > 6
    assert contrast(colour["soft"], colour["ground"]) > 6
