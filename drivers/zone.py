"""What a machine-readable zone says, which of its check digits hold, and what may be mended: the nouns. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from failsafe.drivers.layouts import CheckName, Format

RepairStatus = Literal["none", "unique", "ambiguous", "reread"]
CHECK_NAMES: Final[tuple[CheckName, ...]] = ("document_number", "birth_date", "expiry_date", "optional", "composite")


@dataclass(frozen=True, slots=True)
class Checks:
    """Whether each check digit holds; None where the layout has none."""

    document_number: bool | None = None
    birth_date: bool | None = None
    expiry_date: bool | None = None
    optional: bool | None = None
    composite: bool | None = None

    def failed(self) -> tuple[CheckName, ...]:
        """The names of those that do not hold, in the order of the zone."""
        if self.hold:
            return ()
        return tuple([name for name in CHECK_NAMES if getattr(self, name) is False])

    @property
    def hold(self) -> bool:
        """Whether none fails."""
        return not (
            self.document_number is False
            or self.birth_date is False
            or self.expiry_date is False
            or self.optional is False
            or self.composite is False
        )


@dataclass(frozen=True, slots=True, repr=False)
class Repair:
    """What can be done about a zone that was read badly.

    Attributes:
        status: `none` nothing to mend, `unique` sure, `ambiguous` one of the candidates, `reread` read it again.
        field: the field concerned, None where there is none.
        best: the first guess, given whenever there are candidates.
        candidates: every reading of the field that the check digits allow, the first guess first, at most sixteen; for
            a valid zone whose number holds a G, a 6, a filler inside or a K at its end, the number as read and those
            that no check digit can tell from it.
    """

    status: RepairStatus = "none"
    field: str | None = None
    best: Mapping[str, str] | None = None
    candidates: tuple[Mapping[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Repair({self.status}, {len(self.candidates)} candidates)"


@dataclass(frozen=True, slots=True, repr=False)
class Names:
    """Surname and given names."""

    surname: str = ""
    given: str = ""

    def __repr__(self) -> str:
        return "Names()"


@dataclass(frozen=True, slots=True, repr=False)
class Zone:
    """What a zone says. Fillers are stripped from values, inner fillers of names are spaces, dates stay YYMMDD as
    printed, fillers included. A rejected character stays in its value as the reader marked it.

    Attributes:
        valid: a known layout, every character of the zone's alphabet, every check digit right.
        issuing_state, nationality: as printed, `D` for Germany.
        optional: the optional data fields in the order of the zone: two for TD1, none for a French licence, else one.
        warnings: words for policy: what a person may want to know that no check digit says.
        name_cut: the name fills its field to the last place, so it may be cut: match it by prefix.
        cyrillic: the names as the Russian internal passport writes them in code; None elsewhere.
        asked: the names to look for: Cyrillic where the zone has them, digits that stand for letters put right.
        listed_number: the number as lists of lost documents have it; the printed one, but for the Russian passport.
        other_numbers: what the document's number may also be, or is also known by; for matching only.
    """

    format: Format | None = None
    valid: bool = False
    document_code: str = ""
    issuing_state: str = ""
    document_number: str = ""
    nationality: str = ""
    birth_date: str = ""
    sex: str = ""
    expiry_date: str = ""
    optional: tuple[str, ...] = ()
    surname: str = ""
    given_names: str = ""
    checks: Checks = Checks()
    warnings: tuple[str, ...] = ()
    repair: Repair = Repair("reread")
    name_cut: bool = False
    cyrillic: Names | None = None
    asked: Names = Names()
    listed_number: str = ""
    other_numbers: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Zone({self.format}, {'valid' if self.valid else 'not valid'})"
