"""The person before the officer, as a document or the officer's own typing gives them. Pure.

What could not be read surely is not hidden: it is searched for as far as it goes, and `surely_read` stays False, which
is never clear.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from failsafe.agent.page.view import EntryRefused, ManualEntry
from failsafe.agent.person.countries import NO_COUNTRY, alpha_2
from failsafe.agent.person.matching import Traveller
from failsafe.agent.person.names import fold
from failsafe.drivers import mrz
from failsafe.drivers.reading import BoardingPass, DocumentRead, Licence
from failsafe.drivers.zone import Names, Zone
from failsafe.sync.reports import PersonAsRead

_MONTH: Final = "0[1-9]|1[0-2]"
_DAY: Final = "0[1-9]|[12][0-9]|3[01]"
_NO_NATIONALITY: Final = "The nationality is a country code of two or three letters, such as FR or FRA."
_NO_ISSUING_STATE: Final = "The issuing state is a country code of two or three letters, such as FR or FRA."
_PARTIAL_DATE: Final = re.compile(rf"[0-9]{{4}}(-({_MONTH})(-({_DAY}))?)?")


@dataclass(frozen=True, slots=True, repr=False)
class Presented:
    """What was presented once.

    Attributes:
        person: as read, for an alert; None where nothing at all could be read.
        traveller: the same as the matcher asks for it.
        token: tells this document from others without saying whose it is; None where nothing was read. A zone that
            was read badly has one too: another document is another traveller's until it is shown to be the same.
        surely_read: a traveller about whom nothing is found may be cleared on this.
        hint_only: no travel document, only a paper with a name on it.
    """

    person: PersonAsRead | None
    traveller: Traveller | None
    token: str | None
    surely_read: bool
    hint_only: bool = False

    def __repr__(self) -> str:
        return f"Presented({'read' if self.surely_read else 'not surely read'})"


UNREAD: Final = Presented(None, None, None, surely_read=False)


def from_reading(reading: DocumentRead, year: int) -> Presented:
    """What a reader gave: a zone, a driving licence, a boarding pass, or a document it could not read."""
    match reading.holder:
        case Licence() as licence:
            return from_licence(licence)
        case BoardingPass() as seen:
            return from_boarding_pass(seen)
    return from_zone(reading.lines, year) if reading.lines else UNREAD


def from_licence(licence: Licence) -> Presented:
    """The holder of a driving licence; it says nothing of nationality.

    Its number is never sure to be a listed document's: states of one country number alike, and licences as passports.
    """
    fields = dataclasses.astuple(licence)
    return Presented(
        person=PersonAsRead(
            source="zone",
            surname=licence.surname or None,
            given=licence.given_names or None,
            birth_date=licence.birth_date or None,
            sex=licence.sex or None,
            document_number=licence.number or None,
            issuing_state=licence.country or None,
        ),
        traveller=Traveller(
            surname=licence.surname,
            given_names=licence.given_names,
            birth_date=licence.birth_date or None,
            sex=licence.sex or None,
            document_number=licence.number,
            number_sure=False,
            issuing_country=licence.country or None,
        ),
        token=_token(*fields),
        surely_read=_can_be_asked(licence.surname, licence.given_names) and bool(licence.birth_date and licence.number),
    )


def from_boarding_pass(seen: BoardingPass) -> Presented:
    """The name on a boarding pass: whom to look for. Nobody is cleared on it."""
    return Presented(
        person=PersonAsRead(source="zone", surname=seen.surname or None, given=seen.given_names or None),
        traveller=Traveller(surname=seen.surname, given_names=seen.given_names, name_cut=True),
        token=_token(seen.surname, seen.given_names),
        surely_read=False,
        hint_only=True,
    )


def _token(*fields: str) -> str:
    return hashlib.sha256("\x1f".join(fields).encode()).hexdigest()[:16]


def from_zone(lines: Sequence[str], year: int) -> Presented:
    """What a zone's lines say; `year` is the present one, for the century of a birth."""
    zone = mrz.parse(lines)
    if zone.format is None:
        return UNREAD
    unique = zone.repair.status == "unique"
    mended = dict(zone.repair.best or {}) if unique else {}
    number = mended.get("document_number", zone.listed_number)
    born = birth_date(mended.get("birth_date", zone.birth_date), year)
    nationality = mended.get("nationality", zone.nationality) or None
    issuing = mended.get("issuing_state", zone.issuing_state) or None
    shown = zone.cyrillic or Names(zone.surname, zone.given_names)
    person = PersonAsRead(
        source="zone",
        surname=shown.surname or None,
        given=shown.given or None,
        birth_date=born,
        sex=zone.sex or None,
        nationality=nationality,
        document_number=number or None,
        issuing_state=issuing,
        zone=mrz.without_citizen_number(lines),
        repaired=unique,
    )
    return Presented(
        person=person,
        traveller=Traveller(
            surname=zone.asked.surname,
            given_names=zone.asked.given,
            birth_date=born,
            sex=zone.sex or None,
            nationality=nationality,
            document_number=number,
            number_candidates=zone.other_numbers,
            number_sure=_number_sure(zone),
            issuing_country=issuing,
            name_cut=zone.name_cut,
        ),
        token=hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16],
        surely_read=_can_be_asked(zone.asked.surname, zone.asked.given) and _surely_read(zone),
    )


def _surely_read(zone: Zone) -> bool:
    """A valid zone may still hold what no check digit covers, misread in more ways than one: codes, a G for 6."""
    return zone.repair.status == "unique" or (zone.valid and zone.repair.status == "none")


def _number_sure(zone: Zone) -> bool:
    """The number stands as it was read, its own check digit holds, and nothing else of the zone is in doubt."""
    untouched = zone.repair.status == "none" or zone.repair.field != "document_number"
    return zone.checks.document_number is True and untouched and _surely_read(zone)


def _can_be_asked(surname: str, given: str) -> bool:
    """Whether the name has letters to be looked for by; "..." and "1234" are found nowhere and clear nobody."""
    return bool(fold(f"{surname} {given}"))


def birth_date(printed: str, year: int) -> str | None:
    """A zone's YYMMDD as a partial ISO date; unknown parts (`<`, 00) are left out; None without a year.

    The zone has no century: it is the latest that does not lie in the future (ICAO Doc 9303 leaves it open).
    """
    if not re.fullmatch(r"[0-9]{2}[0-9<]{4}", printed):
        return None
    full = int(printed[:2]) + (year // 100) * 100
    if full > year:
        full -= 100
    month, day = printed[2:4], printed[4:6]
    if not re.fullmatch(_MONTH, month):
        return f"{full:04d}"
    return f"{full:04d}-{month}-{day}" if re.fullmatch(_DAY, day) else f"{full:04d}-{month}"


def from_entry(entry: ManualEntry, year: int) -> Presented:
    """What an officer typed: a zone, or fields.

    Raises:
        EntryRefused: the entry says too little or contradicts its form; the text says what to correct.
    """
    if entry.zone.strip():
        return _typed_zone(entry.zone, year)
    if not (entry.surname.strip() or entry.given_names.strip() or entry.document_number.strip()):
        raise EntryRefused("Type a surname, given names or a document number, or the lines of the zone.")
    born = entry.birth_date.strip()
    if born and not _PARTIAL_DATE.fullmatch(born):
        raise EntryRefused("Type the date of birth as YYYY-MM-DD, YYYY-MM or YYYY.")
    sex = entry.sex.strip().upper()
    if sex not in ("", "M", "F", "X"):
        raise EntryRefused("Sex is M, F or X, or left empty.")
    countries = [_country(entry.nationality, _NO_NATIONALITY), _country(entry.issuing_state, _NO_ISSUING_STATE)]
    number = entry.document_number.strip().upper()
    fields = (entry.surname.strip(), entry.given_names.strip(), born, sex, number, *(c or "" for c in countries))
    return Presented(
        person=PersonAsRead(
            source="manual",
            surname=fields[0] or None,
            given=fields[1] or None,
            birth_date=born or None,
            sex=sex or None,
            nationality=countries[0],
            document_number=number or None,
            issuing_state=countries[1],
        ),
        traveller=Traveller(
            surname=fields[0],
            given_names=fields[1],
            birth_date=born or None,
            sex=sex or None,
            nationality=countries[0],
            document_number=number,
            issuing_country=countries[1],
        ),
        token=_token(*fields),
        surely_read=_can_be_asked(fields[0], fields[1]),
    )


def _typed_zone(text: str, year: int) -> Presented:
    presented = from_zone(mrz.split(text), year)
    if presented.person is None:
        raise EntryRefused("These are not the lines of a zone: type 2 lines of 44 or 36 characters, or 3 lines of 30.")
    return presented


def _country(text: str, refusal: str) -> str | None:
    code = text.strip().upper()
    if not code:
        return None
    found = alpha_2(code) or (code if code in NO_COUNTRY else None)  # organisations and the stateless keep theirs
    if found is None:
        raise EntryRefused(refusal)
    return found
