"""Machine-readable zones of travel documents: from lines of text to what they say. Pure, and total: no text raises.

Layout and check digits are facts and decide `valid`; everything that is policy (unknown codes, impossible dates) is
a warning and refuses nobody. Layouts: ICAO Doc 9303 parts 3 to 7, positions counted from 1 there and from 0 here.

Repair is honest rather than clever. A check digit cannot tell characters apart whose values are equal modulo ten, so
one wrong character of a document number usually leaves several numbers that fit: all of them are given, and more
than one error in a zone is never mended, since that invents numbers (one time in four, measured): read it again.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, Literal

from failsafe.drivers.layouts import (
    ALPHABET,
    FILLER,
    SIZES,
    STATES,
    TD1,
    TD2,
    Format,
    Layout,
    Span,
    check_digit,
    has_zone_size,
    layout_of,
)

CheckName = Literal["document_number", "birth_date", "expiry_date", "optional", "composite"]
RepairStatus = Literal["none", "unique", "ambiguous", "reread"]


@dataclass(frozen=True, slots=True)
class Checks:
    """Whether each check digit holds; None where the layout has none."""

    document_number: bool | None = None
    birth_date: bool | None = None
    expiry_date: bool | None = None
    optional: bool | None = None
    composite: bool | None = None

    def failed(self) -> tuple[CheckName, ...]:
        """The names of those that do not hold, in the order of the zone."""
        names: tuple[CheckName, ...] = ("document_number", "birth_date", "expiry_date", "optional", "composite")
        return tuple(name for name in names if getattr(self, name) is False)


@dataclass(frozen=True, slots=True, repr=False)
class Repair:
    """What can be done about a zone that was read badly.

    Attributes:
        status: `none` nothing to mend, `unique` sure, `ambiguous` one of the candidates, `reread` read it again.
        field: the field concerned, None where there is none.
        best: the first guess, given whenever there are candidates.
        candidates: every reading of the field that the check digits allow; for a valid zone whose number holds a G, a
            6, a filler inside or a K at its end, the number as read and those that no check digit can tell from it.
    """

    status: RepairStatus = "none"
    field: str | None = None
    best: Mapping[str, str] | None = None
    candidates: tuple[Mapping[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Repair({self.status}, {len(self.candidates)} candidates)"


@dataclass(frozen=True, slots=True, repr=False)
class Zone:
    """What a zone says. Fillers are stripped from values, inner fillers of names are spaces, dates stay YYMMDD as
    printed, fillers included. A rejected character stays in its value as the reader marked it.

    Attributes:
        valid: a known layout, every character of the zone's alphabet, every check digit right.
        issuing_state, nationality: as printed, `D` for Germany.
        optional: the optional data fields in the order of the zone, two for TD1, one for the others.
        warnings: words for policy, see `_warnings`.
        name_cut: the name fills its field to the last place, so it may be cut: match it by prefix.
    """

    format: Format | None = None
    valid: bool = False
    document_code: str = ""
    issuing_state: str = ""
    document_number: str = ""
    nationality: str = ""
    birth_date: str = ""
    sex: str = ""
    expiry_date: str = ""
    optional: tuple[str, ...] = ()
    surname: str = ""
    given_names: str = ""
    checks: Checks = Checks()
    warnings: tuple[str, ...] = ()
    repair: Repair = Repair("reread")
    name_cut: bool = False

    def __repr__(self) -> str:
        return f"Zone({self.format}, {'valid' if self.valid else 'not valid'})"


def parse(lines: Sequence[str]) -> Zone:
    """Read a zone from its lines; other line lengths than a known layout's give a zone without format."""
    rows = tuple(row for line in lines if (row := line.strip()))
    layout = layout_of(rows)
    if layout is None:
        return Zone(warnings=("layout_unknown",))
    if _old_french(layout, rows):
        return Zone(warnings=("national_layout",))
    zone = _fields(layout, rows)
    rejected = _rejected(layout, rows)
    zone = replace(zone, valid=not zone.checks.failed() and not rejected)
    return replace(zone, warnings=_warnings(layout, rows, zone), repair=_repair(layout, rows, zone, rejected))


def split(text: str) -> tuple[str, ...]:
    """The lines of a zone that was typed, or sent without line ends.

    Lower case, spaces and guillemets for fillers are put right. Text whose length fits no layout comes back by its
    own line ends, so that `parse` can say that the layout is unknown.
    """
    typed = text.upper().replace("«", "<<").replace("‹", FILLER)
    lines = tuple(line for part in re.split(r"[\r\n]+", typed) if (line := re.sub(r"\s+", "", part)))
    if has_zone_size(lines):
        return lines
    run = "".join(lines)
    for rows, length in SIZES:
        if len(run) == rows * length:
            return tuple(run[start : start + length] for start in range(0, len(run), length))
    return lines


def zone_json(zone: Zone) -> dict[str, Any]:
    """The zone in the shape of `failsafe mrz`, without the `id` that the caller echoes."""
    checks, repair = zone.checks, zone.repair
    return {
        "format": zone.format,
        "valid": zone.valid,
        "document_code": zone.document_code,
        "issuing_state": zone.issuing_state,
        "document_number": zone.document_number,
        "nationality": zone.nationality,
        "birth_date": zone.birth_date,
        "sex": zone.sex,
        "expiry_date": zone.expiry_date,
        "optional": list(zone.optional),
        "surname": zone.surname,
        "given_names": zone.given_names,
        "checks": {
            "document_number": checks.document_number,
            "birth_date": checks.birth_date,
            "expiry_date": checks.expiry_date,
            "optional": checks.optional,
            "composite": checks.composite,
        },
        "warnings": list(zone.warnings),
        "repair": {
            "status": repair.status,
            "field": repair.field,
            "best": dict(repair.best) if repair.best is not None else None,
            "candidates": [dict(candidate) for candidate in repair.candidates],
        },
    }


def _old_french(layout: Layout, rows: Sequence[str]) -> bool:
    """The French identity card before 2021 has TD2's size and its own order: no nationality and no expiry.

    Its number has twelve characters, with the check digit behind them where TD2 ends the nationality.
    """
    if layout is not TD2 or not rows[0].startswith("IDFRA"):
        return False
    return _holds(rows[1][:12], rows[1][12]) and not _holds(rows[1][:9], rows[1][9])


# --- fields --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Number:
    value: str
    holds: bool
    optional: str  # the optional field without the part that belongs to the number
    warning: str | None = None


def _fields(layout: Layout, rows: Sequence[str]) -> Zone:
    number = _number(layout, rows)
    surname, given = _names(layout.name.of(rows))
    sex = layout.sex.of(rows)
    rest = tuple(_stripped(span.of(rows)) for span in layout.optional[1:])
    return Zone(
        format=layout.format,
        document_code=_stripped(rows[0][:2]),
        issuing_state=_stripped(rows[0][2:5]),
        document_number=number.value,
        nationality=_stripped(layout.nationality.of(rows)),
        birth_date=layout.birth.of(rows),
        sex=sex if sex in ("M", "F", "X") else "",
        expiry_date=layout.expiry.of(rows),
        optional=(_stripped(number.optional), *rest),
        surname=surname,
        given_names=given,
        checks=_checks(layout, rows, number),
        name_cut=not layout.name.of(rows).endswith(FILLER),
    )


def _checks(layout: Layout, rows: Sequence[str], number: _Number) -> Checks:
    last = rows[1][-1]
    covered = "".join(span.of(rows) for span in layout.composite)
    return Checks(
        document_number=number.holds,
        birth_date=_span_holds(layout.birth, rows),
        expiry_date=_span_holds(layout.expiry, rows),
        optional=_optional_holds(layout.optional[0], rows) if layout.optional_has_check else None,
        composite=_holds(covered, last) if covered else None,
    )


def _holds(text: str, digit: str) -> bool:
    return digit.isascii() and digit.isdigit() and check_digit(text) == int(digit)


def _span_holds(span: Span, rows: Sequence[str]) -> bool:
    return _holds(span.of(rows), rows[span.row][span.end])


def _optional_holds(span: Span, rows: Sequence[str]) -> bool:
    # An empty field may have a filler for its check digit (Doc 9303 part 4, 4.2.2).
    empty = not span.of(rows).strip(FILLER)
    return (empty and rows[span.row][span.end] == FILLER) or _span_holds(span, rows)


def _number(layout: Layout, rows: Sequence[str]) -> _Number:
    """The document number. One too long for its field goes on in the optional data, behind a filler where its check
    digit would stand (Doc 9303 part 5, note j). States compute that digit with or without the filler: both hold.
    """
    field, optional = layout.number.of(rows), layout.optional[0].of(rows)
    mark = rows[layout.number.row][layout.number.end]
    plain = _Number(_printed(field), bool(field.strip(FILLER)) and _holds(field, mark), optional)
    rest, _, behind = optional.partition(FILLER)
    if layout not in (TD1, TD2) or mark != FILLER or field.endswith(FILLER) or len(rest) < 2:
        return plain
    number, digit = field + rest[:-1], rest[-1]
    without, with_filler = _holds(number, digit), _holds(f"{field}{FILLER}{rest[:-1]}", digit)
    warning = {
        (True, True): "long_number",
        (True, False): "long_number_without_filler",
        (False, True): "long_number_with_filler",
        (False, False): "long_number",
    }[without, with_filler]
    return _Number(_printed(number), without or with_filler, behind, warning)


def _printed(number: str) -> str:
    return number.strip(FILLER).replace(FILLER, " ")


def _names(field: str) -> tuple[str, str]:
    """Surname and given names: a field without `<<` is all surname, a leading one means there is no surname."""
    surname, _, given = field.rstrip(FILLER).partition(FILLER * 2)
    return _stripped(surname), _stripped(given)


def _stripped(text: str) -> str:
    return re.sub(f"{FILLER}+", " ", text.strip(FILLER))


# --- warnings ------------------------------------------------------------------------------------------------


def _warnings(layout: Layout, rows: Sequence[str], zone: Zone) -> tuple[str, ...]:
    """Everything a person may want to know of a zone that its check digits do not say; words, never values."""
    field = layout.name.of(rows)
    long_number = _number(layout, rows).warning
    found = {
        "rejected_characters": any(char not in ALPHABET for row in rows for char in row),
        "issuing_state_unknown": zone.issuing_state not in STATES,
        "nationality_unknown": zone.nationality not in STATES,
        **_date_warnings("birth_date", zone.birth_date),
        **_date_warnings("expiry_date", zone.expiry_date),
        "sex_unusual": layout.sex.of(rows) not in ("M", "F", "X", FILLER),
        "surname_empty": not zone.surname,
        "given_names_empty": not zone.given_names,
        "name_cut": zone.name_cut,
        # Russian internal passports write Cyrillic letters as digits: those are no reading errors.
        "cyrillic_as_digits": rows[0].startswith("PNRUS"),
        "digit_in_name": any(char.isdigit() for char in field) and not rows[0].startswith("PNRUS"),
    }
    return (*([long_number] if long_number else []), *(word for word, holds in found.items() if holds))


def _date_warnings(name: str, date: str) -> dict[str, bool]:
    """Dates are judged part by part, since a part may be unknown (`<<` or `00`); centuries are the caller's."""
    year, month, day = date[:2], date[2:4], date[4:]
    unknown = [part in ("<<", "00") for part in (month, day)]
    printed = bool(re.fullmatch(r"([0-9]{2}|<<){3}", date, re.ASCII))
    return {
        f"{name}_unknown": printed and year == "<<" and all(unknown),
        f"{name}_partial": printed and year != "<<" and any(unknown),
        f"{name}_impossible": not printed or _beyond(month, 12) or _beyond(day, _days(month)),
    }


def _beyond(part: str, most: int) -> bool:
    return part.isdigit() and int(part) > most


def _days(month: str) -> int:
    return {"02": 29, "04": 30, "06": 30, "09": 30, "11": 30}.get(month, 31)


# --- repair --------------------------------------------------------------------------------------------------

# What optical readers take for one another in OCR-B; each pair both ways.
_CONFUSED: Final = ("O0", "Q0", "I1", "B8", "S5", "Z2", "G6", "<K", "<C")
# Confused and of equal value, so that no check digit sees it; a filler inside a number (a space by now) may be a K.
_TWINS: Final = {"G": "6", "6": "G", " ": "K"}


def _rejected(layout: Layout, rows: Sequence[str]) -> tuple[tuple[str, int, int], ...]:
    """Field, line and place of each character that is not of the zone's alphabet."""
    return tuple(
        (_field_at(layout, row, place), row, place)
        for row, text in enumerate(rows)
        for place, char in enumerate(text)
        if char not in ALPHABET
    )


def _field_at(layout: Layout, row: int, place: int) -> str:
    spans = {
        "document_number": replace(layout.number, end=layout.number.end + 1),
        "birth_date": replace(layout.birth, end=layout.birth.end + 1),
        "expiry_date": replace(layout.expiry, end=layout.expiry.end + 1),
        "sex": layout.sex,
        "nationality": layout.nationality,
        "name": layout.name,
    }
    for name, span in spans.items():
        if span.row == row and span.start <= place < span.end:
            return name
    if row == 0 and place < 5:
        return "document_code" if place < 2 else "issuing_state"
    return "composite" if layout.composite and (row, place) == (1, layout.composite[-1].end) else "optional"


def _repair(layout: Layout, rows: tuple[str, ...], zone: Zone, rejected: Sequence[tuple[str, int, int]]) -> Repair:
    if zone.valid:
        return _twins_of(zone.document_number)
    wrong = {name for name in zone.checks.failed() if name != "composite"} | {name for name, _, _ in rejected}
    if wrong == {"document_number"} and len(rejected) < 2:
        numbers = tuple(dict.fromkeys(_numbers(layout, rows, rejected)))
        if numbers:
            return _candidates(numbers, "unique" if len(numbers) == 1 else "ambiguous")
    return Repair("reread", min(wrong) if len(wrong) == 1 else None if wrong else "composite")


def _twins_of(number: str) -> Repair:
    numbers = (number, *_swapped_twins(number))
    return _candidates(numbers, "none") if len(numbers) > 1 else Repair()


def _candidates(numbers: Sequence[str], status: RepairStatus) -> Repair:
    candidates = tuple({"document_number": number} for number in numbers)
    return Repair(status, "document_number", candidates[0], candidates)


def _swapped_twins(number: str) -> Iterator[str]:
    for place, char in enumerate(number):
        if char in _TWINS:
            yield number[:place] + _TWINS[char] + number[place + 1 :]
    if number.endswith("K"):  # or that K is the filler behind the number
        yield number[:-1].rstrip()


def _numbers(layout: Layout, rows: tuple[str, ...], rejected: Sequence[tuple[str, int, int]]) -> Iterator[str]:
    """Numbers that differ in one place from what was read and make every check digit hold, then their twins.

    Where the check digit itself was misread, the number is the one that was read.
    """
    row = layout.number.row
    places = [place for _, _, place in rejected] or range(layout.number.start, layout.number.end + 1)
    found = [
        number.value
        for place in places
        for char in _alternatives(rows[row][place])
        if (number := _number_with(layout, rows, place, char)) is not None
    ]
    found.sort(key=_strangeness)
    yield from found
    for value in found:
        yield from _swapped_twins(value)


def _strangeness(number: str) -> tuple[int, int]:
    """How unlike a real number: these change seldom between letters and digits, and most hold more digits."""
    kinds = [char.isdigit() for char in number]
    return sum(kind != after for kind, after in pairwise(kinds)), kinds.count(False)


def _alternatives(char: str) -> str:
    if char not in ALPHABET:  # nothing is known of a rejected place
        return string.digits + string.ascii_uppercase + FILLER
    return "".join(pair.replace(char, "") for pair in _CONFUSED if char in pair)


def _number_with(layout: Layout, rows: tuple[str, ...], place: int, char: str) -> _Number | None:
    row = layout.number.row
    line = rows[row][:place] + char + rows[row][place + 1 :]
    changed = (*rows[:row], line, *rows[row + 1 :])
    number = _number(layout, changed)
    plausible = not re.search(f"^{FILLER}|{FILLER}.*[^{FILLER}]", layout.number.of(changed))
    return number if plausible and not _checks(layout, changed, number).failed() else None
