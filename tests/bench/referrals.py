"""Innocents referred and disguised persons found, by the booth's grading and by the one it had before. Seeded.

    python -m tests.bench.referrals [--innocents N] [--more N] [--persons N] [--seed N] [--plots docs/pictures]

The population is invented (tests/bench/peoples.py), of another seed than the calibration's. The rival is the aligner
alone with the evidence points and thresholds that had been set by hand, on the same candidates. Of `--more` innocents
only the grade is asked, so that rates of a few in 100,000 get bounds.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from failsafe.agent.commands.bench import standard_error
from failsafe.agent.commands.figures import Figure, Rival, figure, table
from failsafe.agent.person import matching
from failsafe.agent.person.alignment import align, plain_weight
from failsafe.agent.person.evidence import birth_reason
from failsafe.agent.person.grading import thresholds
from failsafe.agent.person.index import Index
from failsafe.agent.person.names import fold
from tests.bench import kinds, papers
from tests.bench.curves import Chart, Curve, charts
from tests.bench.peoples import Drawn
from tests.grades import World, bounds, traveller

SEED = 77  # another than the calibration's
PERSONS, INNOCENTS, DISGUISED = 5_000, 20_000, 3_000
OLD_POSSIBLE, OLD_STRONG = 2.0, 4.5
RIVAL = "aligner alone, points set by hand"


@dataclass(frozen=True)
class Judged:
    """Points of each candidate by both gradings, and what became of it."""

    points: dict[str, float]
    rival: dict[str, float]
    rival_strong: bool
    grade: str
    candidates: tuple[str, ...]


_world: World | None = None


def judge(person: Drawn) -> Judged:
    """What both say of a person; the list is the one of this process."""
    assert _world is not None
    asked, held = traveller(person), _world.held
    tokens = fold(f"{asked.surname} {asked.given_names}")
    found = matching.names_to_weigh(tokens, asked, held.index)
    points = {
        entity_id: matching.points_of(asked, notice, name)[0]
        for entity_id, name in found.items()
        if (notice := held.notice(entity_id))
    }
    finding = matching.match(asked, held.index, held)
    rival, strong = _old(asked, tokens)
    return Judged(points, rival, strong, finding.grade, tuple(each.entity_id for each in finding.candidates))


def _old(asked: matching.Traveller, tokens: tuple[str, ...]) -> tuple[dict[str, float], bool]:
    """The grading before: the aligner alone, its points set by hand; and whether one is strong by it."""
    assert _world is not None
    held, index, strong = _world.held, _world.held.index, False
    found: dict[str, float] = {}
    for each in index.search(tokens, [asked.birth_date or ""]):
        notice = held.notice(each.name.entity_id)
        for name in (each.name, *each.others):
            score, pairs = align(tokens, name.tokens, lambda token: _old_weight(token, index))
            if notice is None or score < 0.62:
                continue
            rarity = sum(pair.close * index.rarity(tokens[place]) for pair in pairs for place in pair.query)
            extra = max(-1.5, min((rarity - 13.0) / 6.0, 1.5)) - (0.5 if name.kind == "low_alias" else 0.0)
            birth = birth_reason(asked.birth_date, notice.births)
            dated = 0.0 if birth is None else _old_date(birth.why)
            points = 20.0 * (score - 0.8) + extra + (max(dated, -2.5) if score >= 0.96 else dated)
            if asked.sex in ("M", "F") and notice.sex in ("M", "F"):
                points += 0.2 if asked.sex == notice.sex else -2.0
            if notice.nationalities:
                points += 0.7 if asked.nationality in notice.nationalities else -0.5
            found[notice.entity_id] = max(points, found.get(notice.entity_id, -math.inf))
            strong = strong or (points >= OLD_STRONG and dated > 0.0)
    return found, strong


_OLD_DATES = {
    "the same day": 3.0,
    "day and month exchanged": 2.0,
    "the same month": 2.0,
    "the same year": 1.5,
    "the same day of another month": 1.5,
    "one year apart": 0.7,
    "the same day and month, one year apart": 0.7,
    "the same day and month, one digit of the year differs": -3.0,  # of years, mostly ten apart
    "two years apart": 0.0,
}


def _old_date(why: str) -> float:
    if why in _OLD_DATES:
        return _OLD_DATES[why]
    years = int(why.split()[0])
    return -1.5 if years <= 5 else -3.0 if years <= 10 else -4.5


def _old_weight(token: str, index: Index) -> float:
    share = min(index.rarity(token) / max(math.log(len(index) + 1.0), 1.0), 1.0)
    return plain_weight(token) * (0.5 + 0.5 * share)


def grade_of(person: Drawn) -> str:
    """The grade alone; the list is the one of this process."""
    assert _world is not None
    return matching.match(traveller(person), _world.held.index, _world.held).grade


@dataclass(frozen=True)
class Measured:
    """Innocents, and disguised listed persons with their entity ids: single errors of papers, and several at once.

    `grades` are those of the innocents and of more of them.
    """

    names: int
    innocents: list[Judged]
    disguised: list[tuple[str, Judged]]
    hard: list[tuple[str, Judged]]
    grades: Sequence[str] = ()


def measure(
    persons: int = PERSONS, innocents: int = INNOCENTS, disguised: int = DISGUISED, seed: int = SEED, more: int = 0
) -> Measured:
    """Ask them all, on as many cores as there are."""
    global _world
    world = _world = World.of(seed, persons)
    strangers = list(world.people.persons(innocents, persons + 1))
    others = world.people.persons(more, persons + innocents + 1)
    some = world.persons[:disguised]
    other = [papers.disguised(world.rng, person) for person in some]
    hard = [papers.disguised_hard(world.rng, person) for person in some[: disguised // 3]]
    with multiprocessing.get_context("fork").Pool() as pool:
        judged = pool.map(judge, [*strangers, *other, *hard], chunksize=100)
        grades = pool.map(grade_of, others, chunksize=500)
    ids = [person.entity_id for person in some]
    rest = judged[len(strangers) :]
    return Measured(
        len(world.held.index),
        judged[: len(strangers)],
        list(zip(ids, rest[: len(other)], strict=True)),
        list(zip(ids, rest[len(other) :], strict=False)),
        [*(each.grade for each in judged[: len(strangers)]), *grades],
    )


def figures(persons: int = PERSONS, innocents: int = INNOCENTS) -> Iterator[Figure]:
    """Referrals in 100,000 and the parts found, beside the grading before; kinds of travellers by themselves."""
    yield from figures_of(measure(persons, innocents, min(DISGUISED, innocents)), persons)
    yield from kinds.figures(persons, min(kinds.EACH, innocents))


def figures_of(found: Measured, persons: int) -> Iterator[Figure]:
    """The same of what was measured."""
    of, all_of = len(found.innocents), len(found.grades)
    possible = sum(_best(each.rival) >= OLD_POSSIBLE for each in found.innocents)
    strong = sum(each.rival_strong for each in found.innocents)
    for grade, grades, rival, budget in (
        ("referred", ("possible", "strong"), possible, Rival("most that is promised", 80.0)),
        ("strong", ("strong",), strong, Rival("most that is promised", 10.0)),
    ):
        count = sum(each in grades for each in found.grades)
        before, unit = Rival(RIVAL, 1e5 * rival / of), "of 100,000"
        yield from figure(f"innocents_{grade}@{persons}", 1e5 * count / all_of, unit, all_of, before)
        yield from figure(f"innocents_{grade}_upper95@{persons}", bounds(count, all_of)[1], unit, all_of, budget)
    for name, some in (("disguised_found", found.disguised), ("disguised_hard_found", found.hard)):
        rival_part = _mean([_own(pair) >= OLD_POSSIBLE for pair in some])
        part = _mean([entity_id in each.candidates for entity_id, each in some])
        yield from figure(f"{name}@{persons}", 100.0 * part, "%", len(some), Rival(RIVAL, 100.0 * rival_part))
        rival_strong = _mean([each.rival_strong for _, each in some])
        surely = _mean([each.grade == "strong" for _, each in some])
        yield from figure(
            f"{name}_strong@{persons}", 100.0 * surely, "%", len(some), Rival(RIVAL, 100.0 * rival_strong)
        )


def _own(pair: tuple[str, Judged]) -> float:
    entity_id, judged = pair
    return judged.rival.get(entity_id, -math.inf)


def _best(points: dict[str, float]) -> float:
    return max(points.values(), default=-math.inf)


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values)


# --- pictures ----------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and draw if asked to."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--persons", type=int, default=PERSONS, help="On the list.")
    options.add_argument("--innocents", type=int, default=INNOCENTS, help="Who are asked for and are not on it.")
    options.add_argument("--more", type=int, default=0, help="Innocents of whom the grade alone is asked.")
    options.add_argument("--seed", type=int, default=SEED, help="Of the population.")
    options.add_argument("--plots", type=Path, help="Folder that takes referrals.svg.")
    chosen = options.parse_args(arguments)
    found = measure(chosen.persons, chosen.innocents, seed=chosen.seed, more=chosen.more)
    standard_error().print(table(list(figures_of(found, chosen.persons))))
    if chosen.plots:
        (chosen.plots / "referrals.svg").write_text(drawing(found), encoding="utf-8")


def drawing(found: Measured) -> str:
    """Distributions of points with thresholds and budgets, and the frontier of referrals against recall, as an SVG."""
    limits = thresholds(found.names, "red")
    innocents = [_best(each.points) for each in found.innocents]
    weighed = [points for each in found.innocents for points in each.points.values()]
    true = [each.points.get(entity_id, -math.inf) for entity_id, each in found.disguised]
    kinds = (
        ("innocents, each one's best candidate", innocents),
        ("disguised listed persons", true),
        ("strangers that were weighed", weighed),
    )
    lying = Chart(
        "Share that reaches so many points",
        [Curve(name, _reaching(points)) for name, points in kinds],
        across=(-6.0, 12.0),
        up=(1e-5, 1.0),
        across_ticks=range(-6, 13, 3),
        up_ticks=(1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0),
        up_log=True,
        across_name="points",
        marks=[(limits.possible, "possible"), (limits.strong, "strong")],
        levels=[(promised / 1e5, f"{promised} of 100,000") for promised in PROMISED],
    )
    old = [_best(each.rival) for each in found.innocents], [_own(pair) for pair in found.disguised]
    frontier = Chart(
        "Innocents referred of 100,000, by disguised persons found",
        [Curve("booth", _frontier(innocents, true)), Curve(RIVAL, _frontier(*old))],
        across=(0.9, 1.0),
        up=(10.0, 1000.0),
        across_ticks=(0.9, 0.92, 0.94, 0.96, 0.98, 1.0),
        up_ticks=(10, 30, 100, 300, 1000),
        up_log=True,
        across_name="part of disguised persons found",
        levels=[(PROMISED[0], f"at most {PROMISED[0]} are promised")],
    )
    return charts("Points of innocents and of disguised persons, and referrals against recall", (lying, frontier))


PROMISED = (80, 10)  # innocents of 100,000 who are possible, and strong candidates
_GRID = [-6.0 + step / 10 for step in range(181)]


def _reaching(points: Sequence[float]) -> list[tuple[float, float]]:
    shares = [(least, _part(points, least)) for least in _GRID]
    return [(least, share) for least, share in shares if share > 0.0]


def _frontier(innocents: Sequence[float], true: Sequence[float]) -> list[tuple[float, float]]:
    ways = [(_part(true, points), 1e5 * _part(innocents, points)) for points in _GRID]
    return [(found, referred) for found, referred in ways if found >= 0.9 and 10.0 <= referred <= 1000.0]


def _part(values: Sequence[float], points: float) -> float:
    return sum(value >= points for value in values) / len(values)


if __name__ == "__main__":
    sys.exit(main())
