"""What can be mended of a zone that was read badly, honestly rather than cleverly. Pure.

- One place that cannot hold what was read (a letter in a date or where a check digit stands, a character the reader
  rejected) is put right by the type of its field, if then every check digit holds.
- One wrong character of a document number leaves several numbers that fit, since a check digit cannot tell characters
  apart whose values are equal modulo ten, and the composite has the same weights on the number. All are given. The
  repair is called sure only where the form of the issuing state's numbers shows the place.
- More than one error is never mended, since that invents numbers (one time in four, measured): read it again.
"""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from failsafe.drivers import numbers
from failsafe.drivers.fields import Number, checks_of, field_at, read_number, stripped
from failsafe.drivers.layouts import ALPHABET, FILLER, MRVA, MRVB, RUS_INTERNAL, STATES, Layout, Place, Span, holds
from failsafe.drivers.numbers import LOOKS_LIKE
from failsafe.drivers.zone import Checks, Repair, RepairStatus

MOST_CANDIDATES: Final = 16
# Confused and of equal value, so that no check digit sees it; a filler inside a number (a space by now) may be a K.
_TWINS: Final = {"G": "6", "6": "G", " ": "K"}
_HAS_TWIN: Final = re.compile("[G6 ]|K$")
_HIDDEN: Final = re.compile(f"^{FILLER}|{FILLER}[^{FILLER}]")  # a filler before or inside a number
# Digits that readers take for one another.
_LIKE_DIGITS: Final = {frozenset(pair) for pair in ("17", "38", "56", "68", "69", "08", "35", "06", "89", "49", "12")}
_NOTHING: Final = Repair()
_DATES: Final = ("birth_date", "expiry_date")


@dataclass(frozen=True, slots=True, repr=False)
class Spoilt:
    """A zone to be mended: its layout and lines, which check digits hold, and the issuing state for forms."""

    layout: Layout
    rows: tuple[str, ...]
    checks: Checks
    state: str
    number: Number

    def char(self, place: Place) -> str:
        return self.rows[place[0]][place[1]]

    def with_char(self, place: Place, char: str) -> tuple[str, ...]:
        row, column = place
        line = self.rows[row]
        return (*self.rows[:row], line[:column] + char + line[column + 1 :], *self.rows[row + 1 :])


def repair(layout: Layout, rows: tuple[str, ...], checks: Checks, number: Number, *, rejected: bool) -> Repair:
    """What can be done about a zone, whose number was read as `number`; `rejected` if it has a rejected character."""
    codes = _codes(layout, rows)
    failed = checks.failed()
    clean = not (failed or rejected) and _dates_typed(layout, rows)
    if clean and not codes and len(twins(number.value, number.field)) == 1:
        return _NOTHING
    state = dict(codes).get("issuing_state", (stripped(rows[layout.head][2:5]),))[0]
    if layout is MRVA or layout is MRVB:
        state = ""  # a visa's number has other forms than its state's passports, and none is known
    spoilt = Spoilt(layout, rows, checks, state, number)
    suspects = set() if clean else _suspects(spoilt)
    if len(suspects) > 1:
        return _read_again({field_at(layout, place) for place in suspects})
    if suspects:
        return _at_place(spoilt, suspects.pop())
    if not failed:
        return _codes_mended(codes, spoilt) if codes else _candidates(spoilt, twins(number.value, number.field), "none")
    wrong = {name for name in failed if name != "composite"}
    if wrong == {"document_number"} or (number.long and not wrong):  # a long number may hold by the wrong convention
        return _misread_number(spoilt)
    if len(wrong) == 1 and wrong <= set(_DATES):
        return _misread_date(spoilt, wrong.pop())
    return _read_again(wrong or {"composite"})


def _read_again(fields: Collection[str]) -> Repair:
    return Repair("reread", next(iter(fields)) if len(fields) == 1 else None)


def _dates_typed(layout: Layout, rows: Sequence[str]) -> bool:
    birth, expiry = layout.birth, layout.expiry
    return (birth is None or birth.of(rows).isdigit()) and (expiry is None or expiry.of(rows).isdigit())


def _suspects(spoilt: Spoilt) -> set[Place]:
    """Places that the reader rejected, and letters where only digits stand."""
    rows = enumerate(spoilt.rows)
    found = {(row, place) for row, text in rows for place, char in enumerate(text) if char not in ALPHABET}
    return found | {place for place in _typed(spoilt.layout) if spoilt.char(place).isalpha()}


def _typed(layout: Layout) -> Iterator[Place]:
    """Places that hold a digit or a filler: dates and check digits."""
    for span in (layout.birth, layout.expiry):
        if span is not None:
            yield from ((span.row, place) for place in range(span.start, span.end))
    yield from (check.at for check in layout.checks)


# --- a known place ---------------------------------------------------------------------------------------------


def _at_place(spoilt: Spoilt, place: Place) -> Repair:
    """One place is known to be wrong: whatever may stand there and makes every check digit hold."""
    field, typed = field_at(spoilt.layout, place), place in set(_typed(spoilt.layout))
    if not typed and place in set(_number_places(spoilt)):
        return _number_at(spoilt, place)
    in_doubt = {field, *(name for name in spoilt.checks.failed() if name != "composite")}
    if not typed:
        return _read_again(in_doubt)
    known = spoilt.char(place) in LOOKS_LIKE
    tries = [spoilt.with_char(place, option) for option in _options(spoilt, place)]
    fitting = [rows for rows in tries if _all_hold(spoilt.layout, rows)]
    values = list(dict.fromkeys(_value(spoilt.layout, field, place, rows) for rows in fitting))
    if not values or _hides_another(spoilt, values[0] if field == "document_number" else spoilt.number.value):
        return _read_again(in_doubt)
    # A place of which nothing is known is solved by its own check digit; only the composite says that it was right.
    sure = len(values) == 1 and (known or _has_composite(spoilt.layout))
    if field != "document_number":
        return _named(field, values, "unique" if sure else "ambiguous")
    every = [twin for value in values for twin in twins(value)]
    sure = sure and (len(every) == 1 or numbers.fits(spoilt.state, values[0]))
    return _named(field, values if sure else every, "unique" if sure else "ambiguous")


def _has_composite(layout: Layout) -> bool:
    return any(check.name == "composite" for check in layout.checks)


def _hides_another(spoilt: Spoilt, number: str) -> bool:
    """Whether the number has no form of its state's and a twin of it has: then that place was misread too."""
    others = twins(number)[1:]
    return any(numbers.fits(spoilt.state, twin) for twin in others) and not numbers.fits(spoilt.state, number)


def _options(spoilt: Spoilt, place: Place) -> str:
    """What may stand at a place that holds a digit: what the letter looks like, or any digit where it is rejected.

    A filler may where a date is partly unknown, where a long number goes on, or for the digit of empty data.
    """
    char, layout = spoilt.char(place), spoilt.layout
    alike = "".join(each for each in LOOKS_LIKE.get(char, "") if each.isdigit() or each == FILLER)
    if alike:
        return alike
    own = [check for check in layout.checks if check.at == place]
    filler = own[0].name in ("document_number", "optional") if own else FILLER in _beside(spoilt, place)
    return string.digits + (FILLER if filler else "")


def _beside(spoilt: Spoilt, place: Place) -> str:
    """The other half of the part of a date that a place belongs to."""
    span = next(span for span in (spoilt.layout.birth, spoilt.layout.expiry) if span and _within(span, place))
    return spoilt.char((place[0], span.start + ((place[1] - span.start) ^ 1)))


def _within(span: Span, place: Place) -> bool:
    return span.row == place[0] and span.start <= place[1] < span.end


def _value(layout: Layout, field: str, place: Place, rows: Sequence[str]) -> str:
    spans = {"birth_date": layout.birth, "expiry_date": layout.expiry}
    if field == "document_number":
        return read_number(layout, rows).value
    span = spans.get(field)
    if span is not None:
        return span.of(rows)
    return stripped(layout.optional[0].of(rows)) if field == "optional" else rows[place[0]][place[1]]


def _number_at(spoilt: Spoilt, place: Place) -> Repair:
    """A rejected character of the number: every character that fits, fewer where the form of the number tells."""
    found = [
        value
        for char in string.digits + string.ascii_uppercase + FILLER
        if (value := _number_with(spoilt, place, char))
    ]
    return _ranked(spoilt, found)


def _all_hold(layout: Layout, rows: Sequence[str]) -> bool:
    return not checks_of(layout, rows, read_number(layout, rows)).failed()


# --- a place to be found ---------------------------------------------------------------------------------------


def _misread_number(spoilt: Spoilt) -> Repair:
    """Numbers that differ in one place from what was read and make every check digit hold.

    Where the check digit itself was misread as another digit, nothing fits and it must be read again.
    """
    found = [
        value
        for place in _number_places(spoilt)
        for char in LOOKS_LIKE.get(spoilt.char(place), "")
        if (value := _number_with(spoilt, place, char))
    ]
    return _ranked(spoilt, found)


def _number_places(spoilt: Spoilt) -> Iterator[Place]:
    layout = spoilt.layout
    span = layout.number
    for place in range(span.start, span.end + 1):
        yield span.row, place
    if layout.long_number and spoilt.char((span.row, span.end)) == FILLER:
        optional = layout.optional[0]
        text = optional.of(spoilt.rows)
        end = text.find(FILLER) + 1 or len(text)
        for place in range(optional.start, optional.start + end):
            yield optional.row, place


def _number_with(spoilt: Spoilt, place: Place, char: str) -> str | None:
    """The number with another character at a place, if then every check digit holds."""
    rows = spoilt.with_char(place, char)
    number = read_number(spoilt.layout, rows)
    if not number.holds or _HIDDEN.search(spoilt.layout.number.of(rows)):
        return None
    return None if checks_of(spoilt.layout, rows, number).failed() else number.value


def _ranked(spoilt: Spoilt, found: Sequence[str]) -> Repair:
    """Candidates, the likeliest first; sure where only one has a form of the state's and what was read has none."""
    if not found:
        return _read_again({"document_number"})
    every = [*found, *(twin for value in found for twin in twins(value)[1:])]
    every = sorted(
        dict.fromkeys(every), key=lambda value: (numbers.strangeness(spoilt.state, value), value not in found)
    )
    fitting = [value for value in every if numbers.fits(spoilt.state, value)]
    if len(fitting) == 1 and not numbers.fits(spoilt.state, spoilt.number.value):
        return _named("document_number", fitting, "unique")
    return _named("document_number", every, "ambiguous")


def twins(number: str, field: str = "") -> tuple[str, ...]:
    """The number, and what no check digit can tell from it; a filler before it, in its field, may be a K."""
    if not _HAS_TWIN.search(number) and field[:1] != FILLER:
        return (number,)
    found = [number]
    for place, char in enumerate(number):
        if char in _TWINS:
            found.append(number[:place] + _TWINS[char] + number[place + 1 :])
    if number.endswith("K"):  # or that K is the filler behind the number
        found.append(number[:-1].rstrip())
    if number and field[:1] == FILLER:
        found.append(f"K{number}")
    return tuple(found)


def _candidates(spoilt: Spoilt, found: Sequence[str], status: RepairStatus) -> Repair:
    """A number that holds, with its twins. A twin goes first only where it alone has a form of the state's."""
    if len(found) < 2 and status == "none":
        return Repair()
    fitting = [value for value in found if numbers.fits(spoilt.state, value)]
    first = fitting if len(fitting) == 1 else found
    return _named("document_number", list(dict.fromkeys([*first, *found])), status)


def _named(field: str, values: Sequence[str], status: RepairStatus) -> Repair:
    candidates = tuple({field: value} for value in values[:MOST_CANDIDATES])
    return Repair(status, field, candidates[0], candidates)


def _misread_date(spoilt: Spoilt, field: str) -> Repair:
    """A digit read as another: own check digit and composite have different weights, so that together they leave few
    places. Sure only where one date is left that is possible and whose digits are known to be taken for each other.
    """
    check = next(check for check in spoilt.layout.checks if check.name == field)
    (span,) = check.covers
    found: dict[str, bool] = {}
    for place in (*((span.row, each) for each in range(span.start, span.end)), check.at):
        read = spoilt.char(place)
        for digit in string.digits:
            rows = spoilt.with_char(place, digit)
            date = span.of(rows)
            if digit != read and possible(date) and holds(check, rows) and _all_hold(spoilt.layout, rows):
                found[date] = found.get(date, False) or frozenset(digit + read) in _LIKE_DIGITS
    if not found or _hides_another(spoilt, spoilt.number.value):
        return _read_again({field})
    values = sorted(found, key=lambda date: not found[date])
    sure = len(values) == 1 and found[values[0]] and _has_composite(spoilt.layout)
    return _named(field, values, "unique" if sure else "ambiguous")


_SHORT_MONTHS: Final = {"02": 29, "04": 30, "06": 30, "09": 30, "11": 30}


def possible(date: str) -> bool:
    """Whether YYMMDD may be printed: each part two digits or two fillers, month and day 00 where unknown."""
    _, month, day = parts = (date[:2], date[2:4], date[4:])
    if date.isdigit() and date.isascii() and "01" <= month <= "12" and "00" <= day <= "28":
        return True
    if not all(part == FILLER * 2 or (part.isascii() and part.isdigit()) for part in parts):
        return False
    most = _SHORT_MONTHS.get(month, 31)
    return not (month.isdigit() and int(month) > 12) and not (day.isdigit() and int(day) > most)


# --- codes of states, letters in names ---------------------------------------------------------------------------


def _codes(layout: Layout, rows: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Codes of states that no state has, with those that one misread character would make of them."""
    found = []
    for name, span in (("issuing_state", _HEADS[layout.head]), ("nationality", layout.nationality)):
        code = span.of(rows) if span else ""
        if span and code.rstrip(FILLER) not in STATES:
            tries = {code[:at] + char + code[at + 1 :] for at in range(3) for char in LOOKS_LIKE.get(code[at], "")}
            known = tuple(sorted(text.rstrip(FILLER) for text in tries if text.rstrip(FILLER) in STATES))
            if known:
                found.append((name, known))
    return found


_HEADS: Final = (Span(0, 2, 5), Span(1, 2, 5))


def _codes_mended(codes: Sequence[tuple[str, tuple[str, ...]]], spoilt: Spoilt) -> Repair:
    """A zone whose check digits hold and whose codes were misread; no check digit covers those."""
    if len(codes) > 1:
        return _read_again({name for name, _ in codes})
    ((name, known),) = codes
    return _named(name, known, "unique" if len(known) == 1 else "ambiguous")


_LETTERS: Final = str.maketrans({"0": "O", "1": "I", "8": "B", "5": "S", "2": "Z", "6": "G"})


_DIGIT: Final = re.compile("[0-9]")


def asked_name(layout: Layout, field: str) -> str:
    """A name with digits put right that stand for letters: no name has digits, except in the Russian passport."""
    if layout is RUS_INTERNAL or field.isalpha() or not _DIGIT.search(field):
        return field
    return field.translate(_LETTERS)
