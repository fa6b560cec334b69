"""`make calibrate`: writes agent/person/grade_tables.py, from which points a candidate is possible or strong. Seeded.

python -m tests.grades [--quick]

Innocents are drawn from an invented population (tests/bench/peoples.py), asked against lists of several sizes drawn
from the same one; none of them is listed. A threshold is the quantile of the best points of any candidate, so that
of 100,000 innocents no more than the budget reaches it. The bounds of 95 % are of the count that reached it.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from failsafe.agent.person import matching
from failsafe.agent.person.evidence import TELLING_BIRTH
from failsafe.agent.person.index import Index, IndexRow
from failsafe.agent.person.matching import Traveller
from failsafe.agent.person.names import fold, forms
from failsafe.sync.records import Notice
from tests.bench.papers import listed
from tests.bench.peoples import Drawn, Humanity

SEED = 707
# The budget of innocents in 100,000, with room for a population that is not this one.
POSSIBLE, STRONG, NUCLEAR = 30.0, 5.0, 300.0
# Persons, innocents, and points: who cannot reach so many is not weighed, as the booth weighs nobody below its own.
SIZES = ((500, 40_000, 0.5), (5_000, 40_000, 2.0), (50_000, 40_000, 2.5))
# Whatever the budget allows, a candidate has more for it than against it, and a strong one is more likely than not.
LEAST_POSSIBLE, LEAST_STRONG, LEAST_NUCLEAR = 1.0, 5.0, 0.5
NUCLEAR_PERSONS, NUCLEAR_LIST, NUCLEAR_INNOCENTS = 500, 5_000, 15_000
TARGET = Path(__file__).parent.parent / "agent" / "person" / "grade_tables.py"


class List:
    """Notices in memory, and their index; the questions that matching asks of the mirror."""

    def __init__(self, notices: Sequence[Notice]) -> None:
        self._notices = {notice.entity_id: notice for notice in notices}
        self._numbers: dict[str, list[Notice]] = {}
        for notice in notices:
            for document in notice.documents:
                self._numbers.setdefault(matching.fold_number(document.number), []).append(notice)
        self.index = Index.build(self.rows())

    def rows(self) -> Iterator[IndexRow]:
        """The names as the index holds them."""
        for notice in self._notices.values():
            for row in forms(notice):
                yield notice.entity_id, notice.tier, row.tokens, row.kind, notice.births, notice.sex

    def notice(self, entity_id: str) -> Notice | None:
        return self._notices.get(entity_id)

    def of(self, person: Drawn) -> Notice:
        """The notice of a listed person."""
        return self._notices[person.entity_id]

    def notices_by_document(self, number: str) -> tuple[Notice, ...]:
        return tuple(self._numbers.get(number, ()))

    def listed(self, number: str) -> tuple[()]:
        return ()


@dataclass(frozen=True)
class World:
    """A list, the persons on it, and the source of more of them."""

    people: Humanity
    persons: tuple[Drawn, ...]
    held: List
    rng: random.Random

    @classmethod
    def of(cls, seed: int, persons: int, nuclear: int = 0) -> World:
        people, rng = Humanity(seed), random.Random(seed)
        drawn = tuple(people.persons(persons))
        notices = [listed(rng, one, "rn" if place < nuclear else "red") for place, one in enumerate(drawn)]
        return cls(people, drawn, List(notices), rng)


def traveller(person: Drawn) -> Traveller:
    """As a zone prints the person."""
    return Traveller(
        surname=person.surname,
        given_names=person.given,
        birth_date=person.birth,
        sex=person.sex,
        nationality=person.nationality,
    )


@dataclass(frozen=True)
class Best:
    """Points of the best candidate, of the best that has more than the name for it, and of the best nuclear one."""

    any: float
    corroborated: float
    nuclear: float


def best_points(person: Drawn, held: List, least: float) -> Best:
    """What an innocent comes to; -inf where nobody is found who may reach `least`."""
    asked = traveller(person)
    tokens = fold(f"{asked.surname} {asked.given_names}")
    found = matching.names_to_weigh(tokens, asked, held.index, least=least)
    best = corroborated = nuclear = -math.inf
    for entity_id, name in found.items():
        notice = held.notice(entity_id)
        if notice is None:
            continue
        points, birth, _ = matching.points_of(asked, notice, name)
        best = max(best, points)
        if birth is not None and birth.points >= TELLING_BIRTH:
            corroborated = max(corroborated, points)
        if notice.tier == "rn":
            nuclear = max(nuclear, points)
    return Best(best, corroborated, nuclear)


def threshold(points: Sequence[float], budget: float, least: float) -> tuple[float, tuple[float, float]]:
    """The points that so many of 100,000 pass, and the bounds of 95 % of how many do."""
    ordered = sorted(points, reverse=True)
    value = max(ordered[int(budget * len(ordered) / 1e5)] + 0.005, least)
    return value, bounds(sum(each >= value for each in ordered), len(ordered))


def bounds(count: int, of: int) -> tuple[float, float]:
    """The 95 % bounds of a rate in 100,000 of which `count` were seen (Wilson)."""
    z, part = 1.96, count / of
    middle = part + z * z / (2 * of)
    spread = z * math.sqrt(part * (1 - part) / of + z * z / (4 * of * of))
    low, high = (1e5 * max(each / (1 + z * z / of), 0.0) for each in (middle - spread, middle + spread))
    return low, high


_world: World | None = None


def _best(least: float, person: Drawn) -> Best:
    assert _world is not None
    return best_points(person, _world.held, least)


def asked_all(world: World, innocents: Sequence[Drawn], least: float) -> list[Best]:
    """The best points of each innocent, on as many cores as there are."""
    global _world
    _world = world  # what a forked process sees of it
    with multiprocessing.get_context("fork").Pool() as pool:
        return pool.map(partial(_best, least), innocents, chunksize=250)


def main(arguments: Sequence[str] | None = None) -> None:
    """Calibrate and write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="A tenth of the innocents: to try it out.")
    part = 10 if options.parse_args(arguments).quick else 1
    rows = [_size(persons, innocents // part, least) for persons, innocents, least in SIZES]
    world = World.of(SEED + 1, NUCLEAR_LIST, NUCLEAR_PERSONS)
    innocents = NUCLEAR_INNOCENTS // part
    found = asked_all(world, list(world.people.persons(innocents, NUCLEAR_LIST + 1)), LEAST_NUCLEAR)
    nuclear, spread = threshold([each.nuclear for each in found], NUCLEAR, LEAST_NUCLEAR)
    note = f"NUCLEAR: {NUCLEAR_PERSONS} persons, {innocents:,} innocents, {_spread(spread)}"
    print(note)
    TARGET.write_text(written(rows, nuclear, note), encoding="utf-8")


def _size(persons: int, innocents: int, least: float) -> tuple[int, float, float, str]:
    """Names on the list, its thresholds, and how they were found; the thresholds are above `least`."""
    world = World.of(SEED, persons)
    found = asked_all(world, list(world.people.persons(innocents, persons + 1)), least)
    possible, first = threshold([each.any for each in found], POSSIBLE, LEAST_POSSIBLE)
    strong, second = threshold([each.corroborated for each in found], STRONG, LEAST_STRONG)
    note = f"{persons:,} persons, {innocents:,} innocents: possible {_spread(first)}, strong {_spread(second)}"
    print(note, possible, strong)
    return len(world.held.index), possible, strong, note


def _spread(rate: tuple[float, float]) -> str:
    return f"{rate[0]:.0f} to {rate[1]:.0f}"


def written(rows: Sequence[tuple[int, float, float, str]], nuclear: float, note: str) -> str:
    """The tables as a module."""
    sizes, possible, strong, notes = zip(*rows, strict=True)
    lines = "\n".join(f"    {each}" for each in _sentences((*notes, note)))
    return f'''"""Points from which a candidate is possible or strong, by `make calibrate`. Do not edit: run it again.

Of 100,000 innocents {POSSIBLE:g} may become possible, {STRONG:g} strong, {NUCLEAR:g} possible by the nuclear tier, and
fewer where the least points are reached first. Seed {SEED}. With 95 % bounds came, of 100,000:
{lines}
NAMES: spellings on the list. POSSIBLE, STRONG: points for that size. NUCLEAR: points for the nuclear tier.
"""

from typing import Final

NAMES: Final = {tuple(sizes)}
POSSIBLE: Final = {tuple(round(value, 2) for value in possible)}
STRONG: Final = {tuple(round(value, 2) for value in strong)}
NUCLEAR: Final = {round(nuclear, 2)}
'''


def _sentences(notes: Sequence[str]) -> Iterator[str]:
    return (f"- {note}" for note in notes)


if __name__ == "__main__":
    sys.exit(main())
