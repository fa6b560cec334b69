"""The forms that states give their document numbers, and how unlike a number a reading is. Pure.

A form tells where letters stand and where digits, so that it betrays an O among digits that no check digit can place.
Forms come from published specimens and are never complete, and states change them: they support or rank readings of a
zone whose check digit has failed, they never refuse a number.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

# L a letter, D a digit, the number behind it how often. G, N and F are German, Dutch and French places: letters and
# digits, without those letters that the state leaves out because readers take them for digits or for one another.
_SETS: Final = {
    "L": "[A-Z]",
    "D": "[0-9]",
    "G": "[0-9CFGHJKLMNPRTVWXYZ]",
    "N": "[0-9A-NP-Z]",
    "F": "[0-9ACDEFGHKLMNPRTUVWXYZ]",
}
_FORMS: Final = """
AFG LD8; ALB L2D7; ARE D9 LD7 L2D7; ARG L3D6 D8; ARM L2D7 D9; AUS LD7 L2D7; AUT LD7 L2D7; AZE LD8 L2D7;
BEL L2D6 D12 D9; BGD L2D7 LD8; BGR D9 L2D7; BIH LD7; BLR L2D7; BOL D7 D8; BRA L2D6; BWA L2D7;
CAN L2D6 LD6L2; CHE LD7; CHL LD8 D9; CHN LD8 L2D7; COL L2D6 L3D6; CUB LD6; CYP LD8; CZE D8 D9 D6L2D2;
D LG8 D9 LD7; DNK D9; DOM L2D7; DZA D9; ECU LD7 D10; EGY LD8; ESP L3D6 L2D6; EST L2D7; ETH L2D7;
FIN L2D7 D9; FRA D2L2D5 F9 D12 L3D7; GBR D9 L2D7 L3D6; GEO D2L2D5 D9; GHA LD7 LD8; GRC L2D7; HKG LD8 L2D7; HRV D9;
HUN L2D7 L2D6 D6L2; IDN LD7 L2D7; IND LD7; IRL L2D7 LD8; IRN LD8; IRQ LD8; ISL LD7; ISR D8 D9; ITA L2D7 L2D5L2;
JOR LD6 L2D6; JPN L2D7; KAZ LD8 D9; KEN LD7 L2D7; KGZ L2D7 LD8; KOR LD8 LD3LD4; KWT LD8 D9; LBN L2D7 L2D6;
LIE LD5 L2D7; LKA LD7; LTU D8; LVA L2D7; MAR L2D7 LD6; MDA L2D7 LD8; MEX LD8 D11; MKD LD7; MLT D7 D7L; MNG LD7;
MYS LD8 LD7; NGA LD8; NLD L2N6D; NOR D8 L3D6; NPL D8; NZL L2D6 LD6; PAK L2D7 D13; PER D9; PHL LD7L L2D7; POL L2D7 L3D6;
PRT L2D6 LD6 D9L2D; QAT D8; ROU D9 D8 L2D6; RUS D9; SAU LD6 LD8; SGP LD7L; SRB D9; SVK L2D7 L2D6; SVN L2D7 D9;
SWE D8 L2D7; SYR D9 LD8; THA L2D7 LD6; TJK D9 LD8; TKM LD7 L2D7; TUN LD6; TUR LD8 LD2LD5; TWN D9; UKR L2D6 D9;
USA D9 LD8; UZB L2D7; VEN D9; VNM LD7 LD8 D9; YEM D8; ZAF LD8 D9; ZWE L2D6
"""


def _compiled(form: str) -> str:
    return re.sub(r"([A-Z])([0-9]*)", lambda part: f"{_SETS[part[1]]}{{{part[2] or 1}}}", form)


_OF_STATE: Final = {
    state: re.compile("|".join(map(_compiled, forms)))
    for state, *forms in (entry.split() for entry in _FORMS.replace("\n", " ").split(";"))
}

# What readers take for one another in OCR-B; each pair both ways, likelier pairs first.
CONFUSED: Final = ("O0", "Q0", "OQ", "I1", "B8", "S5", "Z2", "G6", "<K", "<C")
LOOKS_LIKE: Final = {
    char: "".join(pair.replace(char, "") for pair in CONFUSED if char in pair)
    for char in dict.fromkeys("".join(CONFUSED))
}

# What a reading of a number costs, in steps from the likeliest: most numbers are digits behind a few letters, change
# seldom between the two, and avoid the letters that look like digits.
_CHANGE: Final = 2.0
_LETTER: Final = 0.4
_DOUBTFUL: Final = {"O": 1.5, "I": 1.2, "Q": 1.2}
_INNER_FILLER: Final = 4.0
_NO_FORM: Final = 6.0


def has_forms(state: str) -> bool:
    """Whether anything is known of this state's numbers."""
    return state in _OF_STATE


def fits(state: str, number: str) -> bool:
    """Whether a number has one of its state's forms; a state of which none is known fits nothing."""
    forms = _OF_STATE.get(state)
    return forms is not None and forms.fullmatch(number) is not None


def strangeness(state: str, number: str) -> float:
    """How unlike a number of this state a reading is; 0 is the likeliest. For ranking, never for refusing."""
    kinds = [char.isdigit() for char in number]
    cost = _CHANGE * sum(kind != after for kind, after in pairwise(kinds)) + _LETTER * kinds.count(False)
    cost += sum(_DOUBTFUL.get(char, 0.0) for char in number) + _INNER_FILLER * number.count(" ")
    return cost + (_NO_FORM if has_forms(state) and not fits(state, number) else 0.0)
