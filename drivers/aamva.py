"""Driving licences and identity cards of North America, from their PDF417 barcode. Pure.

The AAMVA card design standard: `@ LF RS CR`, "ANSI ", the issuer's six digits, versions, a table of subfiles, then
elements of three letters and a value, each ended by LF and each subfile by CR. Read here are the elements that tell
who holds which card; elements that are missing, or hold NONE or UNAVL, are empty.

Habits of real cards: the table's offsets are often wrong, so elements are found by their names; versions 1 writes the
whole name in DAA, version 2 and 3 all given names in DCT; dates are MMDDCCYY in the United States and CCYYMMDD in
Canada, and old cards of both write the other.
"""

from __future__ import annotations

import re
from typing import Final

from failsafe.drivers.reading import Licence

# What is before the first element is never longer: a head of 21 places and ten for each of ten subfiles.
_HEAD_MOST: Final = 160
_DOUBLED_MOST: Final = 4
_START: Final = re.compile(r"\s*@\s*\x1e?\s*(ANSI |AAMVA)")
_FIRST: Final = re.compile(r"(?:DL|ID|EN)(?=D[A-D][A-Z])")
_ELEMENT: Final = re.compile(r"(D[A-D][A-Z])(.*)", flags=re.DOTALL)
_SEXES: Final = {"1": "M", "2": "F", "9": "X", "M": "M", "F": "F", "X": "X"}
_ABSENT: Final = {"NONE", "UNAVL", "UNAVAIL", "N/A"}
# Issuers' numbers of Canadian provinces, for cards that leave the country out.
_CANADIAN: Final = re.compile("60442[6-9]|60443[234]|63601[2367]|636028|636044|636048")


def is_card(text: str) -> bool:
    """Whether a barcode's text begins as one of these cards do."""
    return _START.match(text) is not None


def licence(text: str) -> Licence | None:
    """The card whose barcode holds `text`; None if nothing about its holder can be read."""
    start = _START.match(text)
    if start is None:
        return None
    elements = _elements(text[start.end() :])
    surname, given = _names(elements)
    number = _value(elements, "DAQ")
    if not surname and not given and not number:
        return None
    country = _country(elements, text[start.end() : start.end() + 6])
    return Licence(
        surname=surname,
        given_names=given,
        birth_date=_date(_value(elements, "DBB"), country),
        sex=_SEXES.get(_value(elements, "DBC"), ""),
        expiry_date=_date(_value(elements, "DBA"), country),
        number=number,
        country=country,
    )


def is_whole(text: str) -> bool:
    """Whether the card's table of subfiles says that all of it is there, and its holder is in it.

    A few places may be missing: line ends that came doubled are one.
    """
    start = _START.match(text)
    if start is None or not text.endswith("\r"):
        return False
    table = re.findall(r"(?:DL|ID|Z[A-Z]|EN)(\d{4})(\d{4})", text[start.end() : start.end() + _HEAD_MOST])
    ends = [int(offset) + int(length) for offset, length in table]
    elements = _elements(text[start.end() :])
    return bool(ends) and len(text) + _DOUBLED_MOST >= max(ends) and {"DAQ", "DBB"} <= elements.keys()


def _elements(text: str) -> dict[str, str]:
    """Element -> value; the first of each counts, since a second subfile may repeat an identifier."""
    first = _FIRST.search(text)
    found: dict[str, str] = {}
    for part in re.split(r"[\n\r\x1e]", text[first.end() :] if first else text):
        element = _ELEMENT.fullmatch(re.sub(r"^(?:DL|ID|EN)(?=D[A-D][A-Z])", "", part))
        if element is not None:
            found.setdefault(element[1], element[2].strip())
    return found


def _value(elements: dict[str, str], *names: str) -> str:
    """The first of these elements that says something."""
    for name in names:
        value = elements.get(name, "").strip()
        if value and value.upper() not in _ABSENT:
            return value.upper()
    return ""


def _names(elements: dict[str, str]) -> tuple[str, str]:
    surname = _value(elements, "DCS", "DAB")
    given = " ".join(filter(None, (_value(elements, "DAC", "DCT"), _value(elements, "DAD"))))
    if not surname:
        surname, _, rest = _value(elements, "DAA").partition(",")
        given = given or rest
    return surname.strip(), " ".join(given.replace(",", " ").split())


def _country(elements: dict[str, str], issuer: str) -> str:
    told = _value(elements, "DCG")
    if told in ("USA", "CAN", "MEX"):
        return told
    return "CAN" if _CANADIAN.fullmatch(issuer) else "USA"


def _date(digits: str, country: str) -> str:
    """ISO date of eight digits in the country's order, or in the other's where only that one is a date."""
    orders = (digits[4:8], digits[:2], digits[2:4]), (digits[:4], digits[4:6], digits[6:8])
    for year, month, day in orders if country != "CAN" else orders[::-1]:
        if re.fullmatch(r"(1[89]|2[01])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", f"{year}-{month}-{day}"):
            return f"{year}-{month}-{day}"
    return ""
