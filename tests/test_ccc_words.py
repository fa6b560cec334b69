"""The command centre's words and colours: no code without words, no state without a shape, nothing unreadable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from typing import get_args

import msgspec
import pytest

from failsafe.hq.ccc import words
from failsafe.hq.ccc.view import AlertLine, NoticeState, PurgeState, Telling
from failsafe.screens import words as shared_words
from failsafe.sync.records import Tier
from failsafe.sync.reports import AlertKind, ChannelSummary, MatchedNotice, PersonAsRead, Urgency
from tests.ccc_page import Served, serving, three
from tests.screen import check_words, colours, contrast


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(*three()) as page:
        yield page


def allowed(struct: type[msgspec.Struct], name: str) -> set[str]:
    """The values that a Literal field of a struct allows."""
    found = {one.name: one.type for one in msgspec.structs.fields(struct)}
    return set(get_args(found[name]))


def test_every_code_has_words() -> None:
    assert set(shared_words.KINDS) == set(get_args(AlertKind))
    assert set(words.URGENCIES) == set(get_args(Urgency))
    assert set(shared_words.TIERS) == set(get_args(Tier))
    assert set(words.GRADES) == allowed(MatchedNotice, "grade")
    assert set(words.CHAINS) == allowed(AlertLine, "chain")
    assert set(words.TELLINGS) == set(get_args(NoticeState))
    assert set(words.PURGES) == allowed(PurgeState, "state")
    assert set(words.CHANNELS) == allowed(Telling, "channel")
    assert set(words.RADIATION_CHANNELS) == allowed(ChannelSummary, "channel")
    assert set(words.SOURCES) == allowed(PersonAsRead, "source")
    assert all(row[2].endswith(".") for row in (*words.CHAINS.values(), *words.TELLINGS.values()))


def test_states_are_marked_by_a_shape_the_page_can_draw(served: Served) -> None:
    drawn = served.client.get("/draw.js").text
    table = drawn[drawn.index("const SHAPES = {") : drawn.index("};")]
    tables = (
        words.URGENCIES,
        words.GRADES,
        shared_words.DETECTORS,
        words.MIRRORS,
        words.CHAINS,
        words.TELLINGS,
        words.PURGES,
    )
    for shape in {row[0] for table in tables for row in table.values()}:
        assert f"{shape}: [" in table or f'"{shape}": [' in table
    # Only what is in order carries the circle.
    assert [state for rows in tables for state, row in rows.items() if row[0] == "CLEAR"] == [
        "OK",
        "FRESH",
        "whole",
        "sent",
        "confirmed",
    ]


def test_words_reach_the_browser_as_they_are(served: Served) -> None:
    check_words(served, words)


def test_every_word_table_a_script_imports_is_there() -> None:
    for file in resources.files("failsafe.hq.ccc").iterdir():
        if file.name.endswith(".js"):
            for names in re.findall(r'import \{([^}]*)\} from "\./words\.js"', file.read_text(encoding="utf-8")):
                assert {name.strip() for name in names.split(",")} <= set(words.TABLES), file.name


def test_colours_can_be_read(served: Served) -> None:
    colour = colours(served)
    assert contrast(colour["stop"], "#ffffff") > 8
    assert contrast(colour["stop"], colour["blush"]) > 7
    for ground in ("ground", "paper", "blush", "cream"):
        assert contrast(colour["ink"], colour[ground]) > 8
        assert contrast(colour["soft"], colour[ground]) > 6
    assert contrast(colour["unknown"], colour["paper"]) > 6
