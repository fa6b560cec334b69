"""The name on a boarding pass, from its barcode. Pure.

A bar-coded boarding pass (IATA resolution 792) begins with M, the number of legs, a name of 20 places as
`SURNAME/GIVEN`, and one letter for an electronic ticket; then come booking, airports and flight. It has no birth date
and no document number, anybody can print one, and titles are glued to given names: it tells whom to look for and
clears nobody.
"""

from __future__ import annotations

import re
from typing import Final

from failsafe.drivers.reading import BoardingPass

# Legs, name, ticket, booking of 7 places, airports from and to.
_PASS: Final = re.compile(r"M[1-4](?P<name>[A-Z][A-Z' ./-]{19})[A-Z ][A-Z0-9 ]{7}[A-Z]{6}")
_TITLE: Final = re.compile(r"(?<=[A-Z]{2})[ .]?(MRS|MISS|MSTR|MS|MR|DR)\.?$")


def boarding_pass(text: str) -> BoardingPass | None:
    """The pass whose barcode holds `text`; None if it is no boarding pass."""
    found = _PASS.match(text.lstrip())
    if found is None:
        return None
    surname, _, given = found["name"].strip().partition("/")
    return BoardingPass(surname.strip(), _TITLE.sub("", given.strip()).strip())
