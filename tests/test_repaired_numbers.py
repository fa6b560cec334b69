"""A number that was mended is looked for everywhere and never stops anybody by itself: CHECK, and why is said."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from failsafe.agent.commands.screening import Shelf
from failsafe.agent.person.matching import match
from failsafe.agent.traveller import from_zone
from failsafe.drivers.specimens import td1, td3
from failsafe.sync.records import IdentityDocument, ListedDocument, Notice, PersonName
from tests.bench.zones import misread
from tests.test_post import Booth

STOLEN = ListedDocument(number="ZX4610923", issuing_country="PL", document_type="P", fraud_type="stolen")
LOST_CARD = ListedDocument(number="600001795015", issuing_country="BE", document_type="ID", fraud_type="lost")
ZONE = td3("UNLUCKY", "URSULA", "ZX4610923", "POL", "660101", "F", "310101")
CARD = td1("UNLUCKY", "URSULA", "600001795015", "BEL", "660101", "F", "310101")
# Place and character of what was misread, and whether the booth may take the document for surely read all the same.
MISREADINGS = {
    "a letter among digits, by the form": (ZONE, (1, 5), "O"),
    "a rejected digit, by the form": (ZONE, (1, 4), "?"),
    "a rejected letter, one of several": (ZONE, (1, 0), "?"),
    "its check digit rejected": (ZONE, (1, 9), "?"),
    "a G for the 6, which no check digit sees": (ZONE, (1, 3), "G"),
    "a digit of a long number": (CARD, (0, 6), "O"),
    "the rest of a long number": (CARD, (0, 16), "I"),
    "the filler before the rest of a long number": (CARD, (0, 14), "K"),
}


def judged(lines: Sequence[str]) -> tuple[list[str], list[bool]]:
    booth = Booth(detector=False)
    booth.shift.shelf = Shelf((), (STOLEN, LOST_CARD))
    booth.show(lines)
    return booth.words, [document.sure for alert in booth.shift.recorded for document in alert.listed]


@pytest.mark.parametrize("lines", [ZONE, CARD])
def test_a_listed_document_surely_read_stops(lines: tuple[str, ...]) -> None:
    assert judged(lines) == (["STOP"], [True])


@pytest.mark.parametrize("name", MISREADINGS)
def test_a_listed_document_by_a_mended_number_is_checked_and_said_to_be_unsure(name: str) -> None:
    lines, place, char = MISREADINGS[name]
    assert lines[place[0]][place[1]] != char
    assert judged(misread(lines, place, char)) == (["CHECK"], [False])


def test_every_single_misreading_of_a_listed_number_is_found_or_read_again() -> None:
    """No confusion of a listed document's number is clear, and none stops."""
    for lines in (ZONE, CARD):
        row = 1 if len(lines) == 2 else 0
        for place in range(5 * (row == 0), 19 if row == 0 else 10):
            for pair in ("O0", "I1", "B8", "S5", "Z2", "G6", "K<", "C<"):
                char = lines[row][place]
                if char in pair:
                    words, _ = judged(misread(lines, (row, place), pair.replace(char, "")))
                    assert words in (["CHECK"], ["CANNOT CLEAR"]), (place, char)


def test_a_date_mended_leaves_a_number_that_was_read_sure() -> None:
    assert judged(misread(ZONE, (1, 14), "G")) == (["STOP"], [True])


def test_a_notices_document_met_by_a_mended_number_says_so() -> None:
    held = IdentityDocument(number="ZX4610923", country="PL")
    names = (PersonName(surname="OTHERWISE", given="OTTO"),)
    notice = Notice(entity_id="2026/1", tier="rn", names=names, documents=(held,))
    shelf = Shelf((notice,), ())
    traveller = from_zone(misread(ZONE, (1, 5), "O"), 2026).traveller
    assert traveller is not None
    (found,) = match(traveller, shelf.index, shelf).candidates
    reasons = {reason.field: reason.why for reason in found.reasons}
    assert (found.grade, reasons["document_number"]) == ("possible", "one reading of the number agrees")
