"""Somebody else's JSON file, taken apart object by object and field by field. Pure.

A `Part` never stops at the first fault: each accessor answers with a usable value (or none) and notes what is wrong,
so that whoever corrects the file sees everything at once. A fault names the field and never quotes a person's name,
a document's number or any other value that identifies.
"""

from __future__ import annotations

import calendar
import contextlib
import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NoReturn

SPECIAL_COUNTRIES: Final = frozenset({"914", "916", "922", "UNK"})
EARLIEST_YEAR: Final = 1850
LATEST_YEAR: Final = 2100

_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_DATE: Final = re.compile(r"(\d{4})(?:[/-](\d{1,2})(?:[/-](\d{1,2}))?)?")
_CODE: Final = re.compile(r"[A-Z0-9_]{1,40}")
_HALF: Final = re.compile("[\ud800-\udfff]")
_NUMBER_WORDS: Final = {"", "-", "none", "null"}
_COUNTRY_ADVICE: Final = "Write the two-letter ISO code, or 914, 916, 922 or UNK."
_NOBODY: Final = frozenset({"", "-"})


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in one place of a file, and what to do about it.

    `line` counts from 1; `column` is known where the JSON itself is broken.
    """

    line: int
    field: str
    wrong: str
    advice: str
    entity_id: str | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = f"line {self.line}" + (f", column {self.column}" if self.column else "")
        whose = f", notice {self.entity_id}" if self.entity_id else ""
        what = f", {self.field}" if self.field else ""
        return f"{place}{whose}{what}: {self.wrong} {self.advice}"


@dataclass(slots=True)
class Findings:
    """What was found wrong (`faults`) or only odd (`remarks`) in one object of the file."""

    line: int
    entity_id: str | None = None
    faults: list[Fault] = field(default_factory=list)
    remarks: list[Fault] = field(default_factory=list)

    def fault(self, place: str, wrong: str, advice: str) -> None:
        """Note what keeps this object out."""
        self.faults.append(Fault(self.line, place, wrong, advice, self.entity_id))

    def remark(self, place: str, wrong: str, advice: str) -> None:
        """Note what does not keep it out, and should still be looked at."""
        self.remarks.append(Fault(self.line, place, wrong, advice, self.entity_id))


def clean(text: str) -> str:
    """`text` composed (NFC), with plain line ends, without control characters and outer white space."""
    if text.isprintable():  # most are, and need no look at each character
        return unicodedata.normalize("NFC", text).strip()
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept = ("".join(c for c in line if unicodedata.category(c) != "Cc" or c == "\t").strip() for line in lines)
    return "\n".join(kept).strip()


def has_letter(text: str) -> bool:
    """Whether anything in `text` is a letter of any script."""
    return any(character.isalpha() for character in text)


def has_latin(number: str) -> bool:
    """Whether a document number has what numbers are compared by: a Latin letter or a digit."""
    return any(character.isascii() and character.isalnum() for character in number)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "nothing")


@dataclass(frozen=True, slots=True)
class Part:
    """An object of the file, `place` being the path to it ("aliases[1]."), and where its faults go."""

    fields: Mapping[str, object]
    findings: Findings
    place: str = ""

    def fault(self, name: str, wrong: str, advice: str) -> None:
        self.findings.fault(self.place + name, wrong, advice)

    def text(self, name: str) -> str | None:
        """The cleaned text of a field; None where it is missing, null, empty or a lone dash."""
        return self._text(name, self.fields.get(name))

    def _text(self, name: str, value: object) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str):
            self.fault(name, f"It is {_kind(value)}, not text.", "Write text in quotation marks, or null.")
            return None
        if _HALF.search(value):
            self.fault(name, "It holds half of a character.", "Export the file again as UTF-8.")
            return None
        found = clean(value)
        return None if found in _NOBODY else found

    def name(self, name: str) -> str | None:
        """A part of a person's name, on one line; a name without any letter is a fault."""
        found = self.text(name)
        if found is None:
            return None
        if not has_letter(found):
            self.fault(name, "The name has no letter in any script.", "Write the name, or null where there is none.")
            return None
        return " ".join(found.split())

    def items(self, name: str) -> Iterator[tuple[str, object]]:
        """Place and value of each item of a list; null, a missing field and null items are no items."""
        value = self.fields.get(name)
        if value is None:
            return
        if not isinstance(value, list):
            self.fault(name, f"It is {_kind(value)}, not a list.", "Write a list in square brackets, or null.")
            return
        yield from ((f"{name}[{index}]", item) for index, item in enumerate(value) if item is not None)

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of a list, without empty ones."""
        found = (self._text(place, item) for place, item in self.items(name))
        return tuple(text for text in found if text is not None)

    def parts(self, name: str) -> Iterator[Part]:
        """The objects of a list."""
        for place, item in self.items(name):
            if isinstance(item, dict):
                yield Part(item, self.findings, f"{self.place}{place}.")
            else:
                self.fault(place, f"It is {_kind(item)}, not an object.", "Write an object in braces.")

    def part(self, name: str) -> Part | None:
        """The object in a field, or None."""
        value = self.fields.get(name)
        if isinstance(value, dict):
            return Part(value, self.findings, f"{self.place}{name}.")
        if value is not None:
            self.fault(name, f"It is {_kind(value)}, not an object.", "Write an object in braces, or null.")
        return None

    def country(self, name: str) -> str | None:
        """A country: ISO 3166-1 alpha-2 (former ones too) or one of INTERPOL's special codes."""
        return self._country(name, self.fields.get(name))

    def _country(self, place: str, value: object) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)  # 914 comes with and without quotation marks
        found = self._text(place, value)
        if found is None:
            return None
        code = found.upper()
        if _COUNTRY.fullmatch(code) or code in SPECIAL_COUNTRIES:
            return code
        self.fault(place, "It is no country code of notices.", _COUNTRY_ADVICE)
        return None

    def countries(self, name: str) -> tuple[str, ...]:
        """The countries of a list, each once."""
        found = (self._country(place, item) for place, item in self.items(name))
        return tuple(dict.fromkeys(code for code in found if code is not None))

    def codes(self, name: str) -> tuple[str, ...]:
        """The code words of a list, in capitals, each once."""
        found: dict[str, None] = {}
        for place, item in self.items(name):
            word = self._text(place, item)
            if word is not None and _CODE.fullmatch(word.upper()):
                found[word.upper()] = None
            elif word is not None:
                self.fault(place, "It is no code word.", "Write letters, digits and underscores only.")
        return tuple(found)

    def date(self, name: str) -> str | None:
        """A person's date, as partial ISO 8601: a month or day of zero is unknown, a year of zero is no date."""
        value = self.fields.get(name)
        found = self._text(name, str(value) if type(value) is int else value)
        if found is None:
            return None
        match = _DATE.fullmatch(found)
        if match is None:
            self.fault(name, "It is no date.", "Write YYYY, YYYY/MM or YYYY/MM/DD.")
            return None
        year, month, day = (int(digits or 0) for digits in match.groups())
        return self._day(name, year, month, day)

    def _day(self, name: str, year: int, month: int, day: int) -> str | None:
        if year == 0:
            return None
        if not EARLIEST_YEAR <= year <= LATEST_YEAR:
            self.fault(name, f"No person's year is {year:04}.", "Correct the year.")
            return None
        if month > 12:
            self.fault(name, f"There is no month {month}.", "Write year, month and day in this order.")
            return None
        if month == 0:
            return f"{year:04}"
        if day > calendar.monthrange(year, month)[1]:
            self.fault(name, f"There is no day {day} in that month.", "Correct the day, or write 00 for unknown.")
            return None
        return f"{year:04}-{month:02}" + (f"-{day:02}" if day else "")

    def measure(self, name: str, least: float, most: float, unit: str) -> float | None:
        """A measure of a body; 0, null and "None" all mean that it is unknown."""
        value = self.fields.get(name)
        if value is None or (isinstance(value, str) and value.strip().lower() in _NUMBER_WORDS):
            return None
        found = math.nan
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            with contextlib.suppress(ValueError, OverflowError):
                found = float(value)
        if found == 0:
            return None
        if not least <= found <= most:
            self.fault(name, f"It is no measure in {unit}.", f"Write {least:g} to {most:g} {unit}, or null.")
            return None
        return found

    def moment(self, name: str) -> str | None:
        """A moment, as UTC in ISO 8601 with `Z`; a date alone means its beginning."""
        found = self.text(name)
        if found is None:
            return None
        try:
            moment = datetime.fromisoformat(found)
        except ValueError:
            self.fault(name, "It is no moment.", "Write it as 2026-03-02T00:00:00Z.")
            return None
        zone = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return zone.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- the file ------------------------------------------------------------------------------------------------


def objects(text: str) -> Iterator[tuple[int, object]]:
    """Line and value of each object; a Fault where the JSON is broken."""
    if not text.strip():
        yield 1, Fault(1, "", "The file is empty.", "Export it again.")
        return
    whole = _parse(text, 1)
    if isinstance(whole, Fault) and _is_json_lines(text, whole):
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                value = _parse(line, number)
                yield from _unwrapped(value, line, number)
        return
    yield from _unwrapped(whole, text, 1)


def _is_json_lines(text: str, fault: Fault) -> bool:
    """Whether a text that is not one JSON document is meant as a document a line.

    The first line of an indented document never stands alone, and of its lines only the first begins with a brace.
    """
    if text.lstrip().startswith("["):
        return False
    lines = [line for line in text.split("\n") if line.strip()]
    braces = sum(line.startswith("{") for line in lines)
    return len(lines) > 1 and (braces > 1 or not isinstance(_parse(lines[0], fault.line), Fault))


def _unwrapped(value: object, text: str, line: int) -> Iterator[tuple[int, object]]:
    """The objects inside a document, each with its own line."""
    embedded = value.get("_embedded") if isinstance(value, dict) else None
    inner = embedded.get("notices") if isinstance(embedded, dict) else value
    if not isinstance(inner, list):
        yield line, (value if inner is None else inner)
        return
    start = re.search(r'"notices"\s*:\s*\[' if inner is not value else r"\[", text)
    yield from zip(_lines_of(inner, text, start.end() if start else 0, line), inner, strict=True)


def _lines_of(items: list[object], text: str, position: int, line: int) -> Iterator[int]:
    """The line on which each item of a list begins, the list's first item standing behind `position`."""
    decoder, seen = json.JSONDecoder(), 0
    for _ in items:
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        line += text.count("\n", seen, position)
        seen = position
        yield line
        try:
            _, position = decoder.raw_decode(text, position)
        except ValueError:  # another "notices" stood before the list: the rest keeps this line
            position = len(text)


def _parse(text: str, line: int) -> object:
    """The value of a JSON text, or a Fault with line and column."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        advice = "Correct the line, or export the file again."
        return Fault(line + error.lineno - 1, "", f"This is no JSON: {error.msg}.", advice, column=error.colno)
    except (ValueError, RecursionError):
        return Fault(line, "", "This is no JSON that can be read.", "Export the file again.")


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)
