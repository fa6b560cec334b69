"""Machine-readable zones of travel documents: from lines of text to what they say. Pure, and total: no text raises.

Layout and check digits are facts and decide `valid`; everything that is policy (unknown codes, impossible dates) is
a warning and refuses nobody. Layouts: ICAO Doc 9303 parts 3 to 7 and five national ones, positions counted from 1 there
and from 0 here. What may be mended of a zone that was read badly is told in `repair.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from failsafe.drivers.fields import Number, checks_of, read_names, read_number, stripped
from failsafe.drivers.layouts import (
    ALPHABET,
    CHE_DL,
    FILLER,
    RUNS,
    RUS_INTERNAL,
    STATES,
    Layout,
    Span,
    form_holds,
    has_zone_size,
    layout_of,
)
from failsafe.drivers.national import cyrillic, further_numbers, listed_number
from failsafe.drivers.repair import asked_name, possible, repair, twins
from failsafe.drivers.zone import CHECK_NAMES, Checks, Names, Repair, Zone

__all__ = ["MASKED", "Checks", "Repair", "Zone", "parse", "possible", "split", "without_citizen_number", "zone_json"]

# Stands for a character that is not kept: in no zone's alphabet, and not the mark of a rejected place either.
MASKED: Final = "*"

_UNSEEN: Final = "\ufeff\u200b\u200e\u200f\u2060 \t\r\n\f\v\x00\xa0"
_UNKNOWN: Final = Zone(warnings=("layout_unknown",))


def parse(lines: Sequence[str]) -> Zone:
    """Read a zone from its lines; lines that fit no known layout give a zone without format.

    Blanks and marks of byte order around a line are nothing. Lines that fit no layout as they are, are tried joined,
    broken anew and in capitals (see `split`), since a zone may come in one run, or typed.
    """
    rows = tuple([row for line in lines if (row := line.strip(_UNSEEN))])
    layout = layout_of(rows)
    if layout is None or rows[0].islower():
        rows = split("\n".join(rows))
        layout = layout_of(rows)
    return _UNKNOWN if layout is None else _zone(layout, rows)


def split(text: str) -> tuple[str, ...]:
    """The lines of a zone that was typed, or sent without line ends.

    Lower case, spaces and guillemets for fillers are put right. Text whose length fits no layout comes back by its
    own line ends, so that `parse` can say that the layout is unknown.
    """
    typed = _capitals(text).replace("«", "<<").replace("‹", FILLER)
    lines = tuple([line for part in re.split(r"[\r\n]+", typed) if (line := _BLANKS.sub("", part))])
    if has_zone_size(lines):
        return lines
    run = "".join(lines)
    for lengths in RUNS:
        if len(run) == sum(lengths):
            starts = [sum(lengths[:line]) for line in range(len(lengths))]
            broken = tuple([run[start : start + length] for start, length in zip(starts, lengths, strict=True)])
            if has_zone_size(broken):
                return broken
    return lines


_BLANKS: Final = re.compile(f"[{_UNSEEN}\\s]+")


def _capitals(text: str) -> str:
    """A to Z alone: no other letter may become two characters, or one of the alphabet."""
    return "".join([char.upper() if char.isascii() else char for char in text])


def without_citizen_number(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines as they may be stored and shown: the optional data masked, since many states print a citizen's number
    there and nobody needs it to know a document. The part of it that belongs to the document's number stays.

    Lines keep their lengths. Where something is masked, the optional data's check digit and the composite are too,
    since they tell of it. Lines of no known layout are masked whole.
    """
    rows = tuple([row for line in lines if (row := line.strip(_UNSEEN))])
    layout = layout_of(rows)
    if layout is None:
        return tuple(MASKED * len(row) for row in rows)
    masked = [list(row) for row in rows]
    kept = _kept(layout, rows)
    for span in layout.optional:
        for place in range(span.start + kept, span.end):
            if rows[span.row][place] != FILLER:
                masked[span.row][place] = MASKED
        kept = 0
    if any(MASKED in row for row in masked):
        for check in layout.checks:
            if check.name in ("optional", "composite"):
                masked[check.at[0]][check.at[1]] = MASKED
    return tuple("".join(row) for row in masked)


def _kept(layout: Layout, rows: Sequence[str]) -> int:
    """How many places of the first optional field belong to the number of the document."""
    if layout is CHE_DL:
        return len(rows[0])
    if layout is RUS_INTERNAL:
        return 1
    number = read_number(layout, rows)
    return number.long if number.holds else 0


def zone_json(zone: Zone) -> dict[str, Any]:
    """The zone in the shape of `failsafe mrz`, without the `id` that the caller echoes.

    A zone whose names are written in code has `cyrillic` beside it.
    """
    repaired = zone.repair
    told: dict[str, Any] = {
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
        "checks": {name: getattr(zone.checks, name) for name in CHECK_NAMES},
        "warnings": list(zone.warnings),
        "repair": {
            "status": repaired.status,
            "field": repaired.field,
            "best": dict(repaired.best) if repaired.best is not None else None,
            "candidates": [dict(candidate) for candidate in repaired.candidates],
        },
    }
    if zone.cyrillic is not None:
        told["cyrillic"] = {"surname": zone.cyrillic.surname, "given_names": zone.cyrillic.given}
    return told


# --- fields --------------------------------------------------------------------------------------------------


def _zone(layout: Layout, rows: tuple[str, ...]) -> Zone:
    number = read_number(layout, rows)
    names = read_names(layout, rows)
    native = cyrillic(layout, names)
    checks = checks_of(layout, rows, number)
    rejected = not ALPHABET.issuperset("".join(rows))
    valid = not rejected and checks.hold and form_holds(layout, rows)
    mending = (
        Repair("reread") if not (valid or layout.checks) else repair(layout, rows, checks, number, rejected=rejected)
    )
    head = rows[layout.head]
    sex = _of(layout.sex, rows)
    rest = [stripped(span.of(rows)) for span in layout.optional[1:]]
    return Zone(
        format=layout.format,
        valid=valid,
        document_code=stripped(head[:2]),
        issuing_state=stripped(head[2:5]),
        document_number=number.value,
        nationality=stripped(_of(layout.nationality, rows)),
        birth_date=_of(layout.birth, rows),
        sex=sex if sex in ("M", "F", "X") else "",
        expiry_date=_of(layout.expiry, rows),
        optional=(stripped(number.optional), *rest) if layout.optional else (),
        surname=names.surname,
        given_names=names.given,
        checks=checks,
        warnings=_warnings(layout, rows, number, names, rejected=rejected),
        repair=mending,
        name_cut=not layout.name.of(rows).endswith(FILLER) or _of(layout.given, rows)[-1:] not in ("", FILLER),
        cyrillic=native,
        asked=native or Names(asked_name(layout, names.surname), asked_name(layout, names.given)),
        listed_number=listed_number(layout, number.value, number.optional),
        other_numbers=_other_numbers(layout, number, mending),
    )


def _of(span: Span | None, rows: Sequence[str]) -> str:
    return "" if span is None else rows[span.row][span.start : span.end]


def _other_numbers(layout: Layout, number: Number, mending: Repair) -> tuple[str, ...]:
    further, same = further_numbers(layout, number.value, number.optional), twins(number.value, number.field)
    if not further and not mending.candidates and len(same) == 1:
        return ()
    candidates = [value for each in mending.candidates if (value := each.get("document_number"))]
    others = [*further, *candidates, *same[1:]]
    return tuple(dict.fromkeys([other for other in others if other != number.value]))


# --- warnings ------------------------------------------------------------------------------------------------


def _warnings(layout: Layout, rows: Sequence[str], number: Number, names: Names, *, rejected: bool) -> tuple[str, ...]:
    """Everything a person may want to know of a zone that its check digits do not say; words, never values."""
    found = [number.warning] if number.warning else []
    if rejected:
        found.append("rejected_characters")
    if stripped(rows[layout.head][2:5]) not in STATES:
        found.append("issuing_state_unknown")
    if layout.nationality is not None and stripped(layout.nationality.of(rows)) not in STATES:
        found.append("nationality_unknown")
    for name, span in (("birth_date", layout.birth), ("expiry_date", layout.expiry)):
        if span is not None and (word := _date_word(span.of(rows))):
            found.append(f"{name}_{word}")
    if layout.sex is not None and layout.sex.of(rows) not in ("M", "F", "X", FILLER):
        found.append("sex_unusual")
    if not names.surname:
        found.append("surname_empty")
    if not names.given:
        found.append("given_names_empty")
    if not layout.name.of(rows).endswith(FILLER):
        found.append("name_cut")
    if layout is RUS_INTERNAL:  # its digits are letters, and no reading errors
        found.append("cyrillic_as_digits")
    elif _DIGIT.search(names.surname) or _DIGIT.search(names.given):
        found.append("digit_in_name")
    return tuple(found)


_DIGIT: Final = re.compile("[0-9]")


def _date_word(date: str) -> str | None:
    """Dates are judged part by part, since a part may be unknown (`<<` or `00`); centuries are the caller's."""
    if not possible(date):
        return "impossible"
    if date.isdigit() and date[2:4] != "00" != date[4:]:
        return None
    unknown = [part in ("<<", "00") for part in (date[2:4], date[4:])]
    if date[:2] == "<<":
        return "unknown" if all(unknown) else None
    return "partial" if any(unknown) else None
