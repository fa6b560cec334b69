"""The command centre's words and colours: no code without words, no state without a shape, nothing unreadable."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import get_args

import msgspec
import pytest

from failsafe.hq.ccc import words
from failsafe.hq.ccc.view import AlertLine, NoticeState, Telling
from failsafe.screens import words as shared_words
from failsafe.sync.records import Tier
from failsafe.sync.reports import AlertKind, ChannelSummary, MatchedNotice, PersonAsRead, Urgency
from tests.ccc_page import Served, serving, three


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
    assert set(words.CHANNELS) == allowed(Telling, "channel")
    assert set(words.RADIATION_CHANNELS) == allowed(ChannelSummary, "channel")
    assert set(words.SOURCES) == allowed(PersonAsRead, "source")
    assert all(row[2].endswith(".") for row in (*words.CHAINS.values(), *words.TELLINGS.values()))


def test_states_are_marked_by_a_shape_the_page_can_draw(served: Served) -> None:
    drawn = served.client.get("/draw.js").text
    table = drawn[drawn.index("const SHAPES = {") : drawn.index("};")]
    tables = (words.URGENCIES, words.GRADES, shared_words.DETECTORS, words.MIRRORS, words.CHAINS, words.TELLINGS)
    for shape in {row[0] for table in tables for row in table.values()}:
        assert f"{shape}: [" in table or f'"{shape}": [' in table
    # Only what is in order carries the circle.
    assert [state for rows in tables for state, row in rows.items() if row[0] == "CLEAR"] == [
        "OK",
        "FRESH",
        "whole",
        "sent",
    ]


def test_words_reach_the_browser_as_they_are(served: Served) -> None:
    text = served.client.get("/words.js").text
    sent = dict(re.findall(r"^export const (\w+) = (.*);$", text, re.MULTILINE))
    assert {name: json.loads(table) for name, table in sent.items()} == json.loads(json.dumps(words.TABLES))


def test_every_word_table_a_script_imports_is_there() -> None:
    for file in resources.files("failsafe.hq.ccc").iterdir():
        if file.name.endswith(".js"):
            for names in re.findall(r'import \{([^}]*)\} from "\./words\.js"', file.read_text(encoding="utf-8")):
                assert {name.strip() for name in names.split(",")} <= set(words.TABLES), file.name


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast of two colours written #rrggbb."""

    def light(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    brighter, darker = sorted((light(one), light(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_colours_can_be_read(served: Served) -> None:
    colour = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", served.client.get("/frame.css").text))
    assert contrast(colour["stop"], "#ffffff") > 8
    assert contrast(colour["stop"], colour["blush"]) > 7
    for ground in ("ground", "paper", "blush", "cream"):
        assert contrast(colour["ink"], colour[ground]) > 8
        assert contrast(colour["soft"], colour[ground]) > 6
    assert contrast(colour["unknown"], colour["paper"]) > 6
