"""Where the fields of machine-readable zones lie, their check digit, and the codes of states. Pure.

Layouts: ICAO Doc 9303 parts 4 to 7; positions are counted from 1 there and from 0 here.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

FILLER: Final = "<"
ALPHABET: Final = frozenset(string.ascii_uppercase + string.digits + FILLER)

Format = Literal["TD1", "TD2", "TD3", "MRVA", "MRVB"]


@dataclass(frozen=True, slots=True)
class Span:
    """A field: its line and its first place and the place behind its last, both from 0."""

    row: int
    start: int
    end: int

    def of(self, rows: Sequence[str]) -> str:
        return rows[self.row][self.start : self.end]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the fields of a format lie. A check digit stands right behind its field."""

    format: Format
    name: Span
    number: Span
    nationality: Span
    birth: Span
    sex: Span
    expiry: Span
    optional: tuple[Span, ...]
    optional_has_check: bool = False
    composite: tuple[Span, ...] = ()  # what it covers, in order; the digit is the last place of the second line


TD1: Final = Layout(
    "TD1",
    name=Span(2, 0, 30),
    number=Span(0, 5, 14),
    nationality=Span(1, 15, 18),
    birth=Span(1, 0, 6),
    sex=Span(1, 7, 8),
    expiry=Span(1, 8, 14),
    optional=(Span(0, 15, 30), Span(1, 18, 29)),
    composite=(Span(0, 5, 30), Span(1, 0, 7), Span(1, 8, 15), Span(1, 18, 29)),
)


def _two_lines(name: Format, length: int, optional_end: int, composite_end: int | None) -> Layout:
    return Layout(
        name,
        name=Span(0, 5, length),
        number=Span(1, 0, 9),
        nationality=Span(1, 10, 13),
        birth=Span(1, 13, 19),
        sex=Span(1, 20, 21),
        expiry=Span(1, 21, 27),
        optional=(Span(1, 28, optional_end),),
        optional_has_check=name == "TD3",
        composite=(Span(1, 0, 10), Span(1, 13, 20), Span(1, 21, composite_end)) if composite_end else (),
    )


TD2: Final = _two_lines("TD2", 36, 35, 35)
TD3: Final = _two_lines("TD3", 44, 42, 43)
MRVA: Final = _two_lines("MRVA", 44, 44, None)
MRVB: Final = _two_lines("MRVB", 36, 36, None)

SIZES: Final[dict[tuple[int, int], tuple[Layout, Layout]]] = {
    (2, 44): (TD3, MRVA),  # the second is for visas, whose code begins with V
    (2, 36): (TD2, MRVB),
    (3, 30): (TD1, TD1),
}
_VALUES: Final = {
    FILLER: 0,
    **{digit: int(digit) for digit in string.digits},
    **{letter: 10 + place for place, letter in enumerate(string.ascii_uppercase)},
}


def _size(rows: Sequence[str]) -> tuple[int, int]:
    lengths = {len(row) for row in rows}
    return (len(rows), lengths.pop()) if len(lengths) == 1 else (0, 0)


def layout_of(rows: Sequence[str]) -> Layout | None:
    pair = SIZES.get(_size(rows))
    return pair and pair[rows[0].startswith("V")]


def has_zone_size(lines: Sequence[str]) -> bool:
    """Whether number and length of the lines are those of a known layout."""
    return _size(lines) in SIZES


def check_digit(text: str) -> int | None:
    """The 7-3-1 check digit of Doc 9303 part 3; None where a character has no value."""
    total = 0
    for place, char in enumerate(text):
        value = _VALUES.get(char)
        if value is None:
            return None
        total += value * (7, 3, 1)[place % 3]
    return total % 10


# ISO 3166-1 alpha-3 and the codes of Doc 9303 part 3, section 5, with those seen on real documents beside them.
_STATE_CODES: Final = (
    "ABW AFG AGO AIA ALA ALB AND ARE ARG ARM ASM ATA ATF ATG AUS AUT AZE BDI BEL BEN BES BFA BGD BGR BHR BHS BIH BLM "
    "BLR BLZ BMU BOL BRA BRB BRN BTN BVT BWA CAF CAN CCK CHE CHL CHN CIV CMR COD COG COK COL COM CPV CRI CUB CUW CXR "
    "CYM CYP CZE DJI DMA DNK DOM DZA ECU EGY ERI ESH ESP EST ETH FIN FJI FLK FRA FRO FSM GAB GBR GEO GGY GHA GIB GIN "
    "GLP GMB GNB GNQ GRC GRD GRL GTM GUF GUM GUY HKG HMD HND HRV HTI HUN IDN IMN IND IOT IRL IRN IRQ ISL ISR ITA JAM "
    "JEY JOR JPN KAZ KEN KGZ KHM KIR KNA KOR KWT LAO LBN LBR LBY LCA LIE LKA LSO LTU LUX LVA MAC MAF MAR MCO MDA MDG "
    "MDV MEX MHL MKD MLI MLT MMR MNE MNG MNP MOZ MRT MSR MTQ MUS MWI MYS MYT NAM NCL NER NFK NGA NIC NIU NLD NOR NPL "
    "NRU NZL OMN PAK PAN PCN PER PHL PLW PNG POL PRI PRK PRT PRY PSE PYF QAT REU ROU RUS RWA SAU SDN SEN SGP SGS SHN "
    "SJM SLB SLE SLV SMR SOM SPM SRB SSD STP SUR SVK SVN SWE SWZ SXM SYC SYR TCA TCD TGO THA TJK TKL TKM TLS TON TTO "
    "TUN TUR TUV TWN TZA UGA UKR UMI URY USA UZB VAT VCT VEN VGB VIR VNM VUT WLF WSM YEM ZAF ZMB ZWE "
    "D GBD GBN GBO GBP GBS EUE UNO UNA UNK RKS XXK XOM XPO XXA XXB XXC XXX XBA XIM XCC XCE XCO XEC XES XMP XDC"
)
STATES: Final = frozenset(_STATE_CODES.split())
