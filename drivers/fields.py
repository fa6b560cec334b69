"""The fields of a zone that need more than cutting: its number, its names, its check digits. Pure.

A document number too long for its field goes on in the optional data, behind a filler where its check digit would
stand (ICAO Doc 9303 part 5, note j). States compute that digit with or without the filler: both hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from failsafe.drivers.layouts import FILLER, RUS_INTERNAL, Check, Layout, Place, digit_holds, holds
from failsafe.drivers.zone import Checks, Names

_FILLERS: Final = re.compile(f"{FILLER}+")


@dataclass(frozen=True, slots=True, repr=False)
class Number:
    """A document number.

    Attributes:
        value: without fillers at its ends; one inside is a space.
        holds: whether its check digit does; None where the layout has none.
        optional: the first optional field without the part that belongs to the number.
        field: its own field as read, fillers included.
        long: how many places of that field do, the check digit with them; 0 for a number that fits its own field.
        warning: which convention a long number follows.
    """

    value: str
    holds: bool | None
    field: str = ""
    optional: str = ""
    long: int = 0
    warning: str | None = None

    def __repr__(self) -> str:
        return f"Number({self.holds})"


def read_number(layout: Layout, rows: Sequence[str]) -> Number:
    """The document number of a zone, wherever it ends."""
    span = layout.number
    line = rows[span.row]
    field = line[span.start : span.end]
    optional = layout.optional[0].of(rows) if layout.optional else ""
    if layout.long_number and line[span.end] == FILLER and not field.endswith(FILLER):
        rest, _, behind = optional.partition(FILLER)
        if len(rest) > 1:
            return _long(field, rest, behind)
    check = layout.checks[0] if layout.checks else None
    if check is None:
        return Number(printed(field), None, field, optional)
    return Number(printed(field), bool(field.strip(FILLER)) and holds(check, rows), field, optional)


def _long(field: str, rest: str, behind: str) -> Number:
    number, digit = field + rest[:-1], rest[-1]
    without, with_filler = digit_holds(number, digit), digit_holds(f"{field}{FILLER}{rest[:-1]}", digit)
    warning = "long_number"
    if without != with_filler:
        warning = "long_number_without_filler" if without else "long_number_with_filler"
    return Number(printed(number), without or with_filler, field, behind, len(rest), warning)


def checks_of(layout: Layout, rows: Sequence[str], number: Number) -> Checks:
    """Every check digit, judged by itself."""
    found: dict[str, bool | None] = {check.name: holds(check, rows) for check in layout.checks[1:]}
    if layout is RUS_INTERNAL and not _filled(layout.checks[2], rows):
        found["expiry_date"] = None  # it never expires, and has fillers for date and digit
    told = found.get
    return Checks(number.holds, told("birth_date"), told("expiry_date"), told("optional"), told("composite"))


def _filled(check: Check, rows: Sequence[str]) -> str:
    """What a check digit covers and the digit, without their fillers."""
    return (check.covered(rows) + rows[check.at[0]][check.at[1]]).replace(FILLER, "")


def fields_of(layout: Layout) -> list[tuple[str, int, int, int]]:
    """Name, line, first place and the place behind the last of each field, check digits with theirs."""
    spans = {
        "document_number": layout.number,
        "birth_date": layout.birth,
        "expiry_date": layout.expiry,
        "sex": layout.sex,
        "nationality": layout.nationality,
    }
    found = [(name, span.row, span.start, span.end) for name, span in spans.items() if span]
    names = [span for span in (layout.name, layout.given) if span]
    found += [("name", span.row, span.start, span.end) for span in names]
    found += [(check.name, check.at[0], check.at[1], check.at[1] + 1) for check in layout.checks]
    return [*found, ("document_code", layout.head, 0, 2), ("issuing_state", layout.head, 2, 5)]


def field_at(layout: Layout, place: Place) -> str:
    """Which field a place belongs to; `optional` where it is no other's."""
    for name, row, start, end in fields_of(layout):
        if row == place[0] and start <= place[1] < end:
            return name
    return "optional"


def printed(number: str) -> str:
    """A number without the fillers at its ends; those inside are spaces."""
    return number.strip(FILLER).replace(FILLER, " ")


def stripped(text: str) -> str:
    """A value without the fillers at its ends; those inside are spaces."""
    text = text.strip(FILLER)
    return _FILLERS.sub(" ", text) if FILLER in text else text


def read_names(layout: Layout, rows: Sequence[str]) -> Names:
    """Surname and given names: a field without `<<` is all surname, a leading one means there is no surname."""
    field = layout.name.of(rows)
    if layout.given is not None:
        return Names(stripped(field), stripped(layout.given.of(rows)))
    surname, _, given = field.rstrip(FILLER).partition(FILLER * 2)
    return Names(stripped(surname), stripped(given))
