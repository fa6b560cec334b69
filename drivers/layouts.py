"""Where the fields of machine-readable zones lie, their check digit, and the codes of states. Pure.

Layouts: ICAO Doc 9303 parts 4 to 7, positions are counted from 1 there and from 0 here; and five national ones.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

FILLER: Final = "<"
ALPHABET: Final = frozenset(string.ascii_uppercase + string.digits + FILLER)

Format = Literal["TD1", "TD2", "TD3", "MRVA", "MRVB", "FRA_ID", "FRA_DL", "CHE_DL", "SVK_ID", "RUS_INTERNAL"]
CheckName = Literal["document_number", "birth_date", "expiry_date", "optional", "composite"]
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Span:
    """A field: its line and its first place and the place behind its last, both from 0."""

    row: int
    start: int
    end: int

    def of(self, rows: Sequence[str]) -> str:
        return rows[self.row][self.start : self.end]


@dataclass(frozen=True, slots=True)
class Check:
    """A check digit: what it is the digit of, the fields it covers in their order, and where it stands."""

    name: CheckName
    covers: tuple[Span, ...]
    at: Place

    def covered(self, rows: Sequence[str]) -> str:
        """The covered text in one piece."""
        if len(self.covers) == 1:
            (span,) = self.covers
            return rows[span.row][span.start : span.end]
        return "".join([rows[span.row][span.start : span.end] for span in self.covers])


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the fields of a format lie; None where the layout has no such field.

    Attributes:
        given: where the given names have a field of their own; else they stand behind `<<` in `name`.
        head: the line that begins with document code and issuing state.
        long_number: a number too long for its field goes on in the first optional field.
    """

    format: Format
    name: Span
    number: Span
    nationality: Span | None
    birth: Span | None
    sex: Span | None
    expiry: Span | None
    optional: tuple[Span, ...]
    checks: tuple[Check, ...]
    given: Span | None = None
    head: int = 0
    long_number: bool = False

    @property
    def optional_check(self) -> Check | None:
        """The check digit of the optional data alone, which only passports have."""
        return next((check for check in self.checks if check.name == "optional"), None)


def _own(name: CheckName, span: Span) -> Check:
    """A check digit right behind the one field it covers."""
    return Check(name, (span,), (span.row, span.end))


TD1: Final = Layout(
    "TD1",
    name=Span(2, 0, 30),
    number=Span(0, 5, 14),
    nationality=Span(1, 15, 18),
    birth=Span(1, 0, 6),
    sex=Span(1, 7, 8),
    expiry=Span(1, 8, 14),
    optional=(Span(0, 15, 30), Span(1, 18, 29)),
    checks=(
        _own("document_number", Span(0, 5, 14)),
        _own("birth_date", Span(1, 0, 6)),
        _own("expiry_date", Span(1, 8, 14)),
        Check("composite", (Span(0, 5, 30), Span(1, 0, 7), Span(1, 8, 15), Span(1, 18, 29)), (1, 29)),
    ),
    long_number=True,
)


def _two_lines(name: Format, length: int, optional_end: int, composite_end: int | None = None) -> Layout:
    number, birth, expiry = Span(1, 0, 9), Span(1, 13, 19), Span(1, 21, 27)
    optional = Span(1, 28, optional_end)
    checks = [_own("document_number", number), _own("birth_date", birth), _own("expiry_date", expiry)]
    if name == "TD3":
        checks.append(_own("optional", optional))
    if composite_end:
        covers = (Span(1, 0, 10), Span(1, 13, 20), Span(1, 21, composite_end))
        checks.append(Check("composite", covers, (1, composite_end)))
    return Layout(
        name,
        name=Span(0, 5, length),
        number=number,
        nationality=Span(1, 10, 13),
        birth=birth,
        sex=Span(1, 20, 21),
        expiry=expiry,
        optional=(optional,),
        checks=tuple(checks),
        long_number=name == "TD2",
    )


TD2: Final = _two_lines("TD2", 36, 35, 35)
TD3: Final = _two_lines("TD3", 44, 42, 43)
MRVA: Final = _two_lines("MRVA", 44, 44)
MRVB: Final = _two_lines("MRVB", 36, 36)

# The national layouts are not ICAO's; read from specimens and from the readers of several public libraries.

# Slovak identity cards before 2013: as TD2, two places shorter, without the composite.
SVK_ID: Final = _two_lines("SVK_ID", 34, 34)

# French identity cards before 2021. The number begins with year, month and office of issue; given names have a field
# of their own; there is neither nationality nor expiry; the last digit covers everything before it.
FRA_ID: Final = Layout(
    "FRA_ID",
    name=Span(0, 5, 30),
    given=Span(1, 13, 27),
    number=Span(1, 0, 12),
    nationality=None,
    birth=Span(1, 27, 33),
    sex=Span(1, 34, 35),
    expiry=None,
    optional=(Span(0, 30, 36),),
    checks=(
        _own("document_number", Span(1, 0, 12)),
        _own("birth_date", Span(1, 27, 33)),
        Check("composite", (Span(0, 0, 36), Span(1, 0, 35)), (1, 35)),
    ),
)

# French driving licences: one line, the surname cut to eight letters. The number's digit covers code and state too,
# the last one everything; the expiry has none of its own.
FRA_DL: Final = Layout(
    "FRA_DL",
    name=Span(0, 21, 29),
    number=Span(0, 5, 14),
    nationality=None,
    birth=None,
    sex=None,
    expiry=Span(0, 15, 21),
    optional=(),
    checks=(
        Check("document_number", (Span(0, 0, 14),), (0, 14)),
        Check("composite", (Span(0, 0, 29),), (0, 29)),
    ),
)

# Swiss driving licences: nine characters (number of the blank and language), then two lines of thirty, and not one
# check digit. The number of the licence has nine digits and a version of three.
CHE_DL: Final = Layout(
    "CHE_DL",
    name=Span(2, 0, 30),
    number=Span(1, 5, 17),
    nationality=None,
    birth=Span(1, 19, 25),
    sex=None,
    expiry=None,
    optional=(Span(0, 0, 9),),
    checks=(),
    head=1,
)
_SWISS_LICENCE: Final = re.compile(r"[A-Z]{3}[0-9]{3}[A-Z]<<\nF.CHE[0-9]{12}<<[0-9]{6}<{5}\n[A-Z<]{30}")

# The Russian internal passport is a TD3 whose names are Cyrillic written in code, which never expires, and whose
# number leaves its fourth digit to the optional data.
RUS_INTERNAL: Final = replace(TD3, format="RUS_INTERNAL")
RUSSIAN_HEAD: Final = "PNRUS"

_SIZES: Final[dict[tuple[int, ...], Layout]] = {
    (44, 44): TD3,
    (36, 36): TD2,
    (30, 30, 30): TD1,
    (34, 34): SVK_ID,
    (30,): FRA_DL,
    (9, 30, 30): CHE_DL,
}
# How many lines of which length a zone may have that came in one run; where two fit, the commoner stands first.
RUNS: Final = ((44, 44), (36, 36), (30, 30, 30), (34, 34), (9, 30, 30), (30,))
_DIGITS: Final = {digit: int(digit) for digit in string.digits}
_NO_VALUE: Final = 255
# The value of each character as a table from byte to byte: sums of bytes are quick.
_VALUES: Final = bytes(
    0 if char == FILLER else int(char, 36) if char in ALPHABET else _NO_VALUE for char in map(chr, range(256))
)


def layout_of(rows: Sequence[str]) -> Layout | None:
    """The layout by number and length of the lines, and by how they begin; None where there is no such layout."""
    found = _SIZES.get(tuple([len(row) for row in rows]))
    if found is TD3:
        return MRVA if rows[0][0] == "V" else RUS_INTERNAL if rows[0].startswith(RUSSIAN_HEAD) else TD3
    if found is TD2:
        return MRVB if rows[0][0] == "V" else FRA_ID if _old_french(rows) else TD2
    if found is TD1 or found is None:
        return found
    head = rows[found.head]
    begins = {"SVK_ID": head[2:5] == "SVK", "FRA_DL": head[0] == "D" and head[2:5] == "FRA"}
    return found if begins.get(found.format, head[0] == "F" and head[2:5] == "CHE") else None


def _old_french(rows: Sequence[str]) -> bool:
    """A French card of TD2's size is the old one unless TD2's digits, and not the old ones, are right."""
    if rows[0][0] != "I" or rows[0][2:5] != "FRA":
        return False
    old, new = (sum(holds(check, rows) for check in layout.checks) for layout in (FRA_ID, TD2))
    return old >= new


def has_zone_size(lines: Sequence[str]) -> bool:
    """Whether number and length of the lines are those of a known layout."""
    return layout_of(lines) is not None


def form_holds(layout: Layout, rows: Sequence[str]) -> bool:
    """Whether a layout without any check digit has digits, letters and fillers where they belong."""
    return layout is not CHE_DL or _SWISS_LICENCE.fullmatch("\n".join(rows)) is not None


def holds(check: Check, rows: Sequence[str]) -> bool:
    """Whether a check digit is right. An empty optional field may have a filler for it (Doc 9303 part 4, 4.2.2)."""
    row, place = check.at
    digit, text = rows[row][place], check.covered(rows)
    if digit == FILLER and check.name == "optional":
        return not text.strip(FILLER)
    return _DIGITS.get(digit, -1) == check_digit(text)


def digit_holds(text: str, digit: str) -> bool:
    """Whether a digit is the check digit of a text."""
    return _DIGITS.get(digit, -1) == check_digit(text)


def check_digit(text: str) -> int | None:
    """The 7-3-1 check digit of Doc 9303 part 3; None where a character has no value."""
    values = text.encode("ascii", "replace").translate(_VALUES)
    if _NO_VALUE in values:
        return None
    return (7 * sum(values[::3]) + 3 * sum(values[1::3]) + sum(values[2::3])) % 10


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
