"""Travellers of kinds that the plain population hides, each kind by itself: found, or referred though innocent. Seeded.

    python -m tests.bench.kinds [--persons N] [--each N]

Listed persons whose zone had no room for their name, who travel under an alias of low quality, or on a listed document
under another name; and innocents who are near a listed one: a brother or sister, whoever bears the same whole name, and
whoever has the family name and the year of birth of one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from failsafe.agent.commands.bench import standard_error
from failsafe.agent.commands.figures import Figure, Rival, figure, table
from failsafe.agent.person import matching
from failsafe.agent.person.matching import Traveller
from failsafe.agent.person.names import fold
from failsafe.sync.records import IdentityDocument, Notice, PersonName
from tests.bench.peoples import Drawn
from tests.grades import List, World, bounds, traveller

SEED = 78
PERSONS, EACH = 5_000, 3_000
CARD_LINE = 30  # letters of a card's line of names
_WITH_FATHERS = ("RU", "SA", "EG")  # whose given names go on with the father's


@dataclass(frozen=True)
class Stage:
    """A list of which everybody has a document, and an alias of low quality that is somebody else's name."""

    world: World
    others: dict[int, list[Drawn]]  # persons who are not listed, by people

    @classmethod
    def of(cls, seed: int, persons: int) -> Stage:
        plain = World.of(seed, persons)
        others = defaultdict(list)
        for other in plain.people.persons(max(persons, 2_000), persons + 1):
            others[other.people].append(other)
        stage = cls(plain, others)
        notices = [_with(plain.held.of(person), stage.other(person)) for person in plain.persons]
        return replace(stage, world=replace(plain, held=List(notices)))

    def other(self, person: Drawn) -> Drawn:
        """Somebody of the same people."""
        return self.world.rng.choice(self.others.get(person.people) or [person])


def _with(notice: Notice, other: Drawn) -> Notice:
    alias = PersonName(kind="low_alias", surname=other.surname, given=other.given)
    number = f"K{notice.entity_id.rpartition('/')[2]:>08}"
    passport = IdentityDocument(number=number, type="passport", country=other.nationality)
    return msgspec.structs.replace(notice, names=(*notice.names, alias), documents=(passport,))


Kind = Callable[[Stage, Drawn], Traveller | None]

# --- listed persons ----------------------------------------------------------------------------------------------


def cut(stage: Stage, person: Drawn) -> Traveller | None:
    """On a card whose line ends before the name does; None where there is room."""
    family, given = (" ".join(fold(text)) for text in (person.surname, person.given))
    room = CARD_LINE - 2 - len(family)
    if not 3 <= room < len(given):
        return None
    return replace(traveller(person), surname=family, given_names=given[:room].strip(), name_cut=True)


def under_low_alias(stage: Stage, person: Drawn) -> Traveller | None:
    """Under the alias of low quality, with the own date of birth."""
    alias = stage.world.held.of(person).names[-1]
    return replace(traveller(person), surname=alias.surname or "", given_names=alias.given or "")


def on_document(stage: Stage, person: Drawn) -> Traveller | None:
    """On the listed document, with another's name and date."""
    document = stage.world.held.of(person).documents[0]
    return replace(traveller(stage.other(person)), document_number=document.number, issuing_country=document.country)


def on_unsure_document(stage: Stage, person: Drawn) -> Traveller | None:
    """The same, where the reader could not tell the last figure of the number."""
    asked = on_document(stage, person)
    assert asked is not None
    head, last = asked.document_number[:-1], asked.document_number[-1]
    ways = tuple(f"{head}{way}" for way in sorted({last, "0", "8"}))
    return replace(asked, document_number=f"{head}X", number_candidates=ways, number_sure=False)


# --- innocents ---------------------------------------------------------------------------------------------------


def sibling(stage: Stage, person: Drawn) -> Traveller | None:
    """The same family name and father's, one to five years older or younger, another first name."""
    other = stage.other(person)
    fathers = person.given.split()[1:] if person.nationality in _WITH_FATHERS and person.sex == other.sex else []
    given = " ".join([other.given.split()[0], *fathers])
    year = int(person.birth[:4]) + stage.world.rng.choice((-5, -4, -3, -2, -1, 1, 2, 3, 4, 5))
    asked = replace(traveller(person), given_names=given, birth_date=_in_year(other, year), sex=other.sex)
    return asked if fold(given)[:1] != fold(person.given)[:1] else None


def namesake(stage: Stage, person: Drawn) -> Traveller | None:
    """The same whole name, of another year."""
    birth = stage.other(person).birth
    return replace(traveller(person), birth_date=birth) if birth[:4] != person.birth[:4] else None


def of_family_and_year(stage: Stage, person: Drawn) -> Traveller | None:
    """The same family name, born in the same year on another day, another first name."""
    other = stage.other(person)
    birth = _in_year(other, int(person.birth[:4]))
    if fold(other.given)[:1] == fold(person.given)[:1] or birth == person.birth:
        return None
    return replace(traveller(person), given_names=other.given, birth_date=birth, sex=other.sex)


def _in_year(other: Drawn, year: int) -> str:
    return f"{year}-{other.birth[5:7]}-{min(int(other.birth[8:]), 28):02}"


LISTED: dict[str, Kind] = {
    "cut_name_found": cut,
    "low_alias_found": under_low_alias,
    "document_found": on_document,
    "unsure_document_found": on_unsure_document,
}
INNOCENT: dict[str, Kind] = {
    "siblings_referred": sibling,
    "namesakes_referred": namesake,
    "family_and_year_referred": of_family_and_year,
}

# --- measuring ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """The grade, and whether the notice that was meant is among the candidates."""

    grade: str
    found: bool


_stage: Stage | None = None


def _answer(question: tuple[str, Traveller]) -> Answer:
    assert _stage is not None
    entity_id, asked = question
    held = _stage.world.held
    finding = matching.match(asked, held.index, held)
    return Answer(finding.grade, any(each.entity_id == entity_id for each in finding.candidates))


def answers(stage: Stage, kind: Kind, each: int) -> list[Answer]:
    """Of up to so many listed persons, or innocents beside them."""
    global _stage
    _stage = stage  # what a forked process sees of it
    questions = [
        (person.entity_id, asked) for person in stage.world.persons if (asked := kind(stage, person)) is not None
    ]
    with multiprocessing.get_context("fork").Pool() as pool:
        return pool.map(_answer, questions[:each], chunksize=50)


def figures(persons: int = PERSONS, each: int = EACH, seed: int = SEED) -> Iterator[Figure]:
    """A line for each kind: how many are found, and how many innocents are referred; beside it, how many strongly."""
    stage = Stage.of(seed, persons)
    for name, kind in LISTED.items():
        found = answers(stage, kind, each)
        part, strong = (_percent([test(one) for one in found]) for test in (_found, _strong))
        yield from figure(f"{name}@{persons}", part, "%", len(found), Rival("of them strong", strong))
    for name, kind in INNOCENT.items():
        found = answers(stage, kind, each)
        part, strong = (_percent([test(one) for one in found]) for test in (_referred, _strong))
        most = bounds(sum(map(_referred, found)), len(found))[1] / 1e3
        yield from figure(f"{name}@{persons}", part, "%", len(found), Rival("of them strong", strong))
        yield from figure(f"{name}_upper95@{persons}", most, "%", len(found), Rival("everybody", 100.0))


def _found(answer: Answer) -> bool:
    return answer.found


def _strong(answer: Answer) -> bool:
    return answer.grade == "strong"


def _referred(answer: Answer) -> bool:
    return answer.grade != "none"


def _percent(values: Sequence[bool]) -> float:
    return 100.0 * sum(values) / max(len(values), 1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--persons", type=int, default=PERSONS, help="On the list.")
    options.add_argument("--each", type=int, default=EACH, help="Of each kind at most.")
    chosen = options.parse_args(arguments)
    standard_error().print(table(list(figures(chosen.persons, chosen.each))))


if __name__ == "__main__":
    sys.exit(main())
