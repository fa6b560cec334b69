"""Zones of invented documents, printed as Doc 9303 says: for simulated readers, the demonstration and tests. Pure."""

from __future__ import annotations

import re
from typing import Final

from failsafe.drivers.layouts import FILLER, check_digit

_NUMBER: Final = 9


def td3(
    surname: str,
    given: str,
    number: str,
    state: str,
    birth_date: str,
    sex: str,
    expiry_date: str,
    nationality: str | None = None,
    optional: str = "",
) -> tuple[str, str]:
    """A passport's zone.

    Args:
        surname, given: names in Latin letters; spaces and hyphens become fillers, apostrophes go.
        number: up to nine characters.
        state: issuing state as printed, `D` for Germany.
        birth_date, expiry_date: YYMMDD.
        sex: M, F, X or `<`.
        nationality: the issuing state where it is not given.
        optional: up to fourteen characters.

    Raises:
        ValueError: a field is too long or holds a character no zone has.
    """
    lower = _holder(number, state, birth_date, sex, expiry_date, nationality) + _checked(optional, 14)
    covered = lower[:10] + lower[13:20] + lower[21:43]
    return _field(f"P<{_field(state, 3)}{_name(surname, given, 39)}", 44), lower + _digit(covered)


def td2(
    surname: str,
    given: str,
    number: str,
    state: str,
    birth_date: str,
    sex: str,
    expiry_date: str,
    nationality: str | None = None,
    optional: str = "",
) -> tuple[str, str]:
    """The zone of a card of the larger size; arguments as for `td3`, at most seven optional characters."""
    lower = _holder(number, state, birth_date, sex, expiry_date, nationality) + _field(optional, 7)
    covered = lower[:10] + lower[13:20] + lower[21:35]
    return _field(f"I<{_field(state, 3)}{_name(surname, given, 31)}", 36), lower + _digit(covered)


def td1(
    surname: str,
    given: str,
    number: str,
    state: str,
    birth_date: str,
    sex: str,
    expiry_date: str,
    nationality: str | None = None,
    optional: str = "",
) -> tuple[str, str, str]:
    """The zone of a card; arguments as for `td3`. A number longer than nine goes on in the optional data."""
    head, rest = number[:_NUMBER], number[_NUMBER:]
    long = f"{head}{FILLER}{rest}{_digit(number)}{FILLER if optional else ''}" if rest else _checked(head, _NUMBER)
    upper = f"I<{_field(state, 3)}{_field(long + optional, 25)}"
    middle = f"{_checked(birth_date, 6)}{_field(sex, 1)}{_checked(expiry_date, 6)}{_field(nationality or state, 3)}"
    middle = _field(middle, 29)
    covered = upper[5:] + middle[:7] + middle[8:15] + middle[18:]
    return upper, middle + _digit(covered), _name(surname, given, 30)


def _holder(number: str, state: str, birth_date: str, sex: str, expiry_date: str, nationality: str | None) -> str:
    """What the second lines of TD2 and TD3 begin with."""
    return (
        f"{_checked(number, _NUMBER)}{_field(nationality or state, 3)}"
        f"{_checked(birth_date, 6)}{_field(sex, 1)}{_checked(expiry_date, 6)}"
    )


def _name(surname: str, given: str, length: int) -> str:
    """The name field; what does not fit is cut, as it is on real documents."""
    parts = [re.sub(r"[\s-]+", FILLER, part.upper().replace("'", "")) for part in (surname, given)]
    return _field((FILLER * 2).join(parts)[:length], length)


def _field(text: str, length: int) -> str:
    if len(text) > length or check_digit(text) is None:
        raise ValueError(f"A field of {length} places was given {len(text)} characters or one that no zone has.")
    return text.ljust(length, FILLER)


def _checked(text: str, length: int) -> str:
    field = _field(text, length)
    return field + _digit(field)


def _digit(text: str) -> str:
    value = check_digit(text)
    if value is None:
        raise ValueError("A check digit covers a character that no zone has.")
    return str(value)
