"""Innocents referred and disguised persons found where lists and travellers are not as the calibration's. Seeded.

    python -m tests.bench.shapes [--persons N] [--innocents N] [--only NAME]

Thresholds were set on one invented population. Here everybody is of one people and bears one of its commonest names;
most notices have a year of birth alone, or none; notices have many aliases; all come from a few countries; innocents
bear the list's own names, put together otherwise; or the list is of the world and all travellers are of one people that
it hardly knows, with its commonest names. The thresholds are the booth's, as it ships.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from failsafe.agent.commands.bench import standard_error
from failsafe.agent.commands.figures import Figure, Rival, figure, table
from failsafe.agent.person import matching
from failsafe.sync.records import Notice, PersonName
from tests.bench import papers
from tests.bench.peoples import PEOPLES, VIETNAM, Drawn, Humanity, People
from tests.grades import List, World, bounds, traveller

SEED = 79
PERSONS, INNOCENTS, DISGUISED = 5_000, 10_000, 1_500

Listing = Callable[[random.Random, Drawn], Notice]


@dataclass(frozen=True)
class Shape:
    """How a list is made, and who comes.

    Attributes:
        name: of its rows.
        people: whom there are, of a seed.
        listed: a person's notice.
        visitors: of whom the innocents are, where not of the same.
        recombined: innocents bear the family name of one listed person, the given name of another of that people, and
            the date of birth of a third.
    """

    name: str
    people: Callable[[int], Humanity] = Humanity
    listed: Listing = papers.listed
    visitors: Callable[[int], Humanity] | None = None
    recombined: bool = False


def _only(*nationalities: str) -> tuple[People, ...]:
    return tuple(people for people in PEOPLES if people.nationality in nationalities)


def _common(*peoples: People) -> Callable[[int], Humanity]:
    """Nobody bears a name that is not among the commonest."""
    return lambda seed: Humanity(seed, 0, 0, peoples)


_NASAB = tuple(replace(people, shape="ism and nasab") for people in _only("SA", "EG"))


def _hardly_dated(rng: random.Random, person: Drawn) -> Notice:
    """Five in nine have a year alone, three none."""
    births = rng.choice(((),) * 3 + ((person.birth[:4],),) * 5 + ((person.birth,),))
    return msgspec.structs.replace(papers.listed(rng, person), births=births)


def _of_many_names(rng: random.Random, person: Drawn) -> Notice:
    """Four to eight aliases: other spellings, shorter ones, and in one of four a single name."""
    notice = papers.listed(rng, person)
    aliases = []
    for _ in range(rng.randint(4, 8)):
        other = papers.disguised(rng, person)
        kind = "low_alias" if rng.random() < 0.25 else "good_alias"
        alone = kind == "low_alias" and rng.random() < 0.5
        aliases.append(PersonName(kind=kind, surname=None if alone else other.surname, given=other.given))
    return msgspec.structs.replace(notice, names=(*notice.names, *aliases))


def _world(seed: int) -> Humanity:
    """All peoples that there are; few of them are Vietnamese."""
    return Humanity(seed, peoples=(*PEOPLES, replace(VIETNAM, share=2)))


SHAPES = (
    Shape("as_calibrated"),
    Shape("korean", _common(*_only("KR"))),
    Shape("vietnamese", _common(VIETNAM)),
    Shape("chinese", _common(*_only("CN"))),
    Shape("spanish", _common(*_only("ES", "MX"))),
    Shape("arabic", _common(*_NASAB)),
    Shape("russian", _common(*_only("RU"))),
    Shape("few_countries", lambda seed: Humanity(seed, peoples=_only("SA", "IR", "PK"))),
    Shape("hardly_dated", listed=_hardly_dated),
    Shape("many_names", listed=_of_many_names),
    Shape("recombined", recombined=True),
    Shape("booth_in_korea", visitors=_common(*_only("KR"))),
    Shape("booth_in_vietnam", _world, visitors=_common(VIETNAM)),
    Shape("booth_in_china", visitors=_common(*_only("CN"))),
    Shape("booth_in_spain", visitors=_common(*_only("ES"))),
    Shape("booth_in_arabia", visitors=_common(*_only("SA"))),
)


@dataclass(frozen=True)
class Stage:
    """A list, who is on it, innocents, and listed persons on other papers: with an error, and with two or three."""

    world: World
    innocents: tuple[Drawn, ...]
    disguised: tuple[Drawn, ...]
    hard: tuple[Drawn, ...]

    @classmethod
    def of(cls, shape: Shape, persons: int, innocents: int, disguised: int, seed: int = SEED) -> Stage:
        people, rng = shape.people(seed), random.Random(seed)
        drawn = tuple(people.persons(persons))
        world = World(people, drawn, List([shape.listed(rng, one) for one in drawn]), rng)
        visitors = people if shape.visitors is None else shape.visitors(seed)
        come = _recombined(rng, drawn, innocents) if shape.recombined else visitors.persons(innocents, persons + 1)
        some = drawn[:disguised]
        other = tuple(papers.disguised(rng, person) for person in some)
        hard = tuple(papers.disguised_hard(rng, person) for person in some[: disguised // 3])
        return cls(world, tuple(come), other, hard)


def _recombined(rng: random.Random, listed: Sequence[Drawn], count: int) -> Iterator[Drawn]:
    """Persons put together of three listed ones of one people; none has the whole name of one of them."""
    names = {(one.surname, one.given) for one in listed}
    others: dict[tuple[int, str], list[Drawn]] = {}
    for one in listed:
        others.setdefault((one.people, one.sex), []).append(one)
    number = len(listed)
    while number < len(listed) + count:
        one = rng.choice(listed)
        second, third = rng.choices(others[one.people, one.sex], k=2)
        if (one.surname, second.given) not in names:
            number += 1
            yield replace(second, number=number, surname=one.surname, birth=third.birth)


@dataclass(frozen=True)
class Answer:
    """The grade, and which notices are candidates."""

    grade: str
    candidates: tuple[str, ...]


_held: List | None = None


def _answer(person: Drawn) -> Answer:
    assert _held is not None
    finding = matching.match(traveller(person), _held.index, _held)
    return Answer(finding.grade, tuple(each.entity_id for each in finding.candidates))


def answers(stage: Stage, come: Sequence[Drawn]) -> list[Answer]:
    """What the booth says of each, on as many cores as there are."""
    global _held
    _held = stage.world.held  # what a forked process sees of it
    with multiprocessing.get_context("fork").Pool() as pool:
        return pool.map(_answer, come, chunksize=50)


def figures(shape: Shape, persons: int = PERSONS, innocents: int = INNOCENTS) -> Iterator[Figure]:
    """Of 100,000 innocents how many are referred and how many strongly, and the parts of disguised persons found."""
    stage = Stage.of(shape, persons, innocents, min(DISGUISED, innocents, persons))
    found = answers(stage, stage.innocents)
    for grade, grades, most in (("referred", ("possible", "strong"), 80.0), ("strong", ("strong",), 10.0)):
        count = sum(each.grade in grades for each in found)
        low, high = bounds(count, len(found))
        spread = Rival(f"{low:.0f} to {high:.0f}; most that is promised", most)
        yield from figure(f"{shape.name}_{grade}@{persons}", 1e5 * count / len(found), "of 100,000", len(found), spread)
    for what, some in (("found", stage.disguised), ("hard_found", stage.hard)):
        judged = [(one.entity_id, each) for one, each in zip(some, answers(stage, some), strict=True)]
        strong = 100.0 * sum(each.grade == "strong" for _, each in judged) / len(judged)
        part = 100.0 * sum(entity_id in each.candidates for entity_id, each in judged) / len(judged)
        yield from figure(f"{shape.name}_{what}@{persons}", part, "%", len(judged), Rival("of them strong", strong))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.shapes", description=__doc__)
    options.add_argument("--persons", type=int, default=PERSONS, help="On the list.")
    options.add_argument("--innocents", type=int, default=INNOCENTS, help="Of each shape.")
    options.add_argument("--only", choices=[shape.name for shape in SHAPES], action="append", help="May be repeated.")
    chosen = options.parse_args(arguments)
    rows: list[Figure] = []
    for shape in SHAPES:
        if not chosen.only or shape.name in chosen.only:
            rows += figures(shape, chosen.persons, chosen.innocents)
    standard_error().print(table(rows))


if __name__ == "__main__":
    sys.exit(main())
