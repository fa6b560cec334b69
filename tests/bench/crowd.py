"""A population as headquarters and document readers see it: public notices, and zones of those who come."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from failsafe.agent.demo.station import Crowd, Zone
from failsafe.agent.person.matching import Traveller
from failsafe.drivers.specimens import td3
from tests.bench.population import Invented, Population

SEED = 20
_COUNTRIES = (("FR", "FRA"), ("GE", "GEO"), ("MD", "MDA"), ("ES", "ESP"), ("UZ", "UZB"), ("PT", "PRT"))
_COLOURS = {"rn": "GREEN", "red": "RED", "green": "GREEN", "blue": "BLUE"}


class People:
    """`count` persons with notices, and as many others as are asked for, of one population."""

    def __init__(self, count: int) -> None:
        self._population = Population(SEED)
        self._chance = random.Random(SEED)
        self.listed = self._population.persons(count)

    def records(self) -> Iterator[dict[str, object]]:
        """The notices in the public shape, each with an alias that another clerk wrote."""
        for number, person in enumerate(self.listed):
            yield _record(number, person, self._population.disguise(person))

    def sought(self, number: int) -> list[Invented]:
        """Up to `number` subjects of notices: every other one as another clerk wrote them, with errors."""
        drawn = self._chance.sample(self.listed, min(number, len(self.listed)))
        return [self._population.disguise(one) if place % 2 else one for place, one in enumerate(drawn)]

    def innocent(self, number: int) -> list[Invented]:
        """`number` persons without a notice, of the same names."""
        return self._population.persons(number, "innocent/")


def gather(_house: object, persons: int, travellers: int) -> Crowd:
    """See `failsafe.agent.demo.station.Gather`."""
    people = People(persons)
    return Crowd(
        records=list(people.records()),
        sought=[zone(one, f"S{number}") for number, one in enumerate(people.sought(travellers))],
        innocent=[zone(one, f"I{number}") for number, one in enumerate(people.innocent(travellers))],
    )


def zone(person: Invented, number: str) -> Zone:
    """A passport's zone; a date of birth of which only the year is known has fillers."""
    born = person.birth.replace("-", "")[2:].ljust(6, "<")
    return td3(person.surname, person.given, number, _country(person)[1], born, person.sex, "351231")


def traveller(person: Invented) -> Traveller:
    """The same person as the matcher asks."""
    return Traveller(
        surname=person.surname.upper(),
        given_names=person.given.upper(),
        birth_date=person.birth,
        sex=person.sex,
        nationality=_country(person)[1],
        document_number="ZZ9999999",
        issuing_country=_country(person)[1],
    )


def _record(number: int, person: Invented, alias: Invented) -> dict[str, object]:
    record: dict[str, object] = {
        "entity_id": person.entity_id,
        "notice_type": _COLOURS[person.tier],
        "name": person.surname.upper(),
        "forename": person.given.upper(),
        "date_of_birth": person.birth.replace("-", "/"),
        "sex_id": person.sex,
        "nationalities": [_country(person)[0]],
        "aliases": [{"qualification": "Good", "name": alias.surname.upper(), "forename": alias.given.upper()}],
        "identity_documents": [
            {"type": "Passport", "nr": f"ZQ{number:07}", "issuing_country_id": _country(person)[0]},
        ],
        "purposes": ["Warning about a person's criminal activities; possible threat to public safety"],
    }
    if person.tier == "rn":
        record["fse"] = {"schema": 1, "programme": ["FAIL_SAFE", "RN"], "topics": ["rn_trafficking"]}
    return record


def _country(person: Invented) -> Sequence[str]:
    return _COUNTRIES[int(person.entity_id.rpartition("/")[2]) % len(_COUNTRIES)]
