"""What two states write in their own way: Cyrillic in code, and numbers that stand in two places. Pure.

The Russian internal passport keeps every Cyrillic letter apart: those that no single Latin letter stands for are
written with digits and with letters that Russian has no use for. Its number has ten digits: the first three of the
series stand before the six of the number, the fourth is the first place of the optional data.
"""

from __future__ import annotations

from typing import Final

from failsafe.drivers.layouts import CHE_DL, FILLER, RUS_INTERNAL, Layout
from failsafe.drivers.zone import Names

_CYRILLIC: Final = str.maketrans(
    "ABVGDE2JZIQKLMNOPRSTUFHC34WXY9678",
    "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ",
)
_SERIES: Final = 3
_PASSPORT_DIGITS: Final = 9


def cyrillic(layout: Layout, names: Names) -> Names | None:
    """The names of a Russian internal passport in their own script; None for every other layout."""
    if layout is not RUS_INTERNAL:
        return None
    return Names(names.surname.translate(_CYRILLIC), names.given.translate(_CYRILLIC))


def listed_number(layout: Layout, number: str, optional: str) -> str:
    """The number as lists of lost documents have it: a Russian passport's ten digits, else the number as printed."""
    digit = optional[:1]
    if layout is RUS_INTERNAL and digit.isdecimal() and len(number) == _PASSPORT_DIGITS:
        return number[:_SERIES] + digit + number[_SERIES:]
    return number


def further_numbers(layout: Layout, number: str, optional: str) -> tuple[str, ...]:
    """What else the document may be listed by: a Swiss licence without its version, and its blank."""
    if layout is not CHE_DL:
        return ()
    return tuple([part for part in (number[:_PASSPORT_DIGITS], optional.strip(FILLER)) if part])
