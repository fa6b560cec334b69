"""Innocents referred and disguised persons found, by the booth's grading and by the one it had before. Seeded.

    python -m tests.bench.referrals [--innocents N] [--persons N] [--plots docs/pictures]

The population is invented (tests/bench/peoples.py), of another seed than the calibration's. The rival is the aligner
alone with the evidence points and thresholds that had been set by hand, on the same candidates.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from failsafe.agent import matching
from failsafe.agent.alignment import align, plain_weight
from failsafe.agent.bench import standard_error
from failsafe.agent.evidence import birth_reason
from failsafe.agent.figures import Figure, Rival, figure, table
from failsafe.agent.grading import thresholds
from failsafe.agent.index import Index
from failsafe.agent.names import fold
from tests.bench import papers
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


@dataclass(frozen=True)
class Measured:
    """Innocents, and disguised listed persons with their entity ids: single errors of papers, and several at once."""

    names: int
    innocents: list[Judged]
    disguised: list[tuple[str, Judged]]
    hard: list[tuple[str, Judged]]


def measure(
    persons: int = PERSONS, innocents: int = INNOCENTS, disguised: int = DISGUISED, seed: int = SEED
) -> Measured:
    """Ask them all, on as many cores as there are."""
    global _world
    world = _world = World.of(seed, persons)
    strangers = list(world.people.persons(innocents, persons + 1))
    some = world.persons[:disguised]
    other = [papers.disguised(world.rng, person) for person in some]
    hard = [papers.disguised_hard(world.rng, person) for person in some[: disguised // 3]]
    with multiprocessing.get_context("fork").Pool() as pool:
        judged = pool.map(judge, [*strangers, *other, *hard], chunksize=100)
    ids = [person.entity_id for person in some]
    rest = judged[len(strangers) :]
    return Measured(
        len(world.held.index),
        judged[: len(strangers)],
        list(zip(ids, rest[: len(other)], strict=True)),
        list(zip(ids, rest[len(other) :], strict=False)),
    )


def figures(persons: int = PERSONS, innocents: int = INNOCENTS) -> Iterator[Figure]:
    """Referrals in 100,000 and the parts found, beside the grading before."""
    yield from figures_of(measure(persons, innocents, min(DISGUISED, innocents)), persons)


def figures_of(found: Measured, persons: int) -> Iterator[Figure]:
    """The same of what was measured."""
    of = len(found.innocents)
    possible = sum(_best(each.rival) >= OLD_POSSIBLE for each in found.innocents)
    strong = sum(each.rival_strong for each in found.innocents)
    for grade, grades, rival, budget in (
        ("referred", ("possible", "strong"), possible, Rival("most that is promised", 80.0)),
        ("strong", ("strong",), strong, Rival("most that is promised", 10.0)),
    ):
        count = sum(each.grade in grades for each in found.innocents)
        unit = "of 100,000"
        yield from figure(f"innocents_{grade}@{persons}", 1e5 * count / of, unit, of, Rival(RIVAL, 1e5 * rival / of))
        yield from figure(f"innocents_{grade}_upper95@{persons}", bounds(count, of)[1], unit, of, budget)
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
    options.add_argument("--plots", type=Path, help="Folder that takes referrals.svg.")
    chosen = options.parse_args(arguments)
    found = measure(chosen.persons, chosen.innocents)
    standard_error().print(table(list(figures_of(found, chosen.persons))))
    if chosen.plots:
        (chosen.plots / "referrals.svg").write_text(drawing(found), encoding="utf-8")


def drawing(found: Measured) -> str:
    """Score distributions with the thresholds, and the frontier of referrals against recall, as an SVG."""
    limits = thresholds(found.names, "red")
    innocents = [_best(each.points) for each in found.innocents]
    strangers = [points for each in found.innocents for points in each.points.values()]
    true = [each.points.get(entity_id, -math.inf) for entity_id, each in found.disguised]
    old_true = [_own(pair) for pair in found.disguised]
    old_innocents = [_best(each.rival) for each in found.innocents]
    bars = (("innocents, best candidate", innocents), ("strangers that were weighed", strangers))
    shown = ((*bars[0], INK[0]), (*bars[1], INK[2]), ("disguised listed persons", true, INK[1]))
    return svg(
        _distributions(shown, (("possible", limits.possible), ("strong", limits.strong))),
        _frontiers((("booth", innocents, true, INK[0]), ("aligner alone, by hand", old_innocents, old_true, INK[1]))),
    )


INK = ("#0b4f7d", "#8f1d14", "#6b7680")
_WIDTH, _HEIGHT = 360, 180
_LEAST, _MOST = -6.0, 12.0
_Shown = tuple[str, Sequence[float], str]


def svg(*panels: str) -> str:
    """Panels side by side."""
    drawn = "".join(
        f'<g transform="translate({60 + 440 * place} 40)">{panel}</g>\n' for place, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {440 * len(panels)} 300" font-family="sans-serif" '
        'font-size="11" fill="#1c2227">\n<title>Points of innocents and of disguised persons, and referrals against '
        f'recall</title>\n<rect width="100%" height="100%" fill="#fff"/>\n{drawn}</svg>\n'
    )


def _distributions(shown: Sequence[_Shown], marks: Sequence[tuple[str, float]]) -> str:
    """The share of each that reaches so many points, on a logarithmic scale down to 1 in 100,000."""
    lines = [_title("Share that reaches so many points")]
    for power in range(6):
        at = _HEIGHT * power / 5
        lines.append(_line(0, at, _WIDTH, at, "#c9ced3") + _text(-6, at + 4, f"1e-{power}" if power else "1", "end"))
    for points in range(int(_LEAST), int(_MOST) + 1, 3):
        lines.append(_text(_across(points), _HEIGHT + 16, f"{points}", "middle"))
    for place, (name, points) in enumerate(marks):
        at = _across(points)
        beside = _text(at + 4, 14, name, "start") if place else _text(at - 4, 14, name, "end")
        lines.append(_line(at, 0, at, _HEIGHT, "#1c2227", ' stroke-dasharray="3 3"') + beside)
    for place, (name, values, colour) in enumerate(shown):
        grid = [_LEAST + (_MOST - _LEAST) * step / 120 for step in range(121)]
        of = len(values)
        shares = [(points, sum(value >= points for value in values) / of) for points in grid]
        lines.append(_curve([(_across(x), _down(y)) for x, y in shares if y > 0], colour))
        lines.append(_key(place, name, colour))
    return "\n".join(lines)


def _frontiers(shown: Sequence[tuple[str, Sequence[float], Sequence[float], str]]) -> str:
    """Of 100,000 innocents so many referred, against the part of disguised persons found."""
    lines = [_title("Innocents referred of 100,000, over disguised persons found")]
    for part in (0.9, 0.92, 0.94, 0.96, 0.98, 1.0):
        lines.append(_text(_recall(part), _HEIGHT + 16, f"{part:g}", "middle"))
    for referred in (10, 30, 80, 200, 500, 1000):
        at = _referred(referred)
        lines.append(_line(0, at, _WIDTH, at, "#c9ced3") + _text(-6, at + 4, str(referred), "end"))
    for place, (name, innocents, true, colour) in enumerate(shown):
        grid = [_LEAST + (_MOST - _LEAST) * step / 180 for step in range(181)]
        ways = [(_part(true, points), 1e5 * _part(innocents, points)) for points in grid]
        lines.append(_curve([(_recall(x), _referred(y)) for x, y in ways if x >= 0.9 and 10 <= y <= 1000], colour))
        lines.append(_key(place, name, colour))
    return "\n".join(lines)


def _part(values: Sequence[float], points: float) -> float:
    return sum(value >= points for value in values) / len(values)


def _across(points: float) -> float:
    return _WIDTH * (points - _LEAST) / (_MOST - _LEAST)


def _down(share: float) -> float:
    return min(-math.log10(share) / 5, 1.0) * _HEIGHT


def _recall(part: float) -> float:
    return _WIDTH * (part - 0.9) / 0.1


def _referred(count: float) -> float:
    return _HEIGHT * (1.0 - math.log10(count / 10) / 2)


def _title(text: str) -> str:
    return f'<text y="-26" font-weight="bold">{text}</text>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, dash: str = "") -> str:
    return f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" stroke="{colour}"{dash}/>'


def _curve(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _key(place: int, name: str, colour: str) -> str:
    y = _HEIGHT + 34 + 15 * place
    return _line(0, y, 14, y, colour) + _text(18, y + 4, name, "start")


if __name__ == "__main__":
    sys.exit(main())
