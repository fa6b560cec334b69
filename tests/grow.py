"""`make calibrate`: grows the trees of agent/person/likeness.json on pairs of names, strangers and lessons by rule.

python -m tests.grow [--measure]

The pairs are outside data (names/dev_pairs.jsonl of the shared folder) and stay there; what is written is thresholds
and weights. `--measure` only tells how well trees do on pairs that they were not grown on: five folds, pairs that
share a name in one fold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from failsafe.agent.person.likeness import Forest, Trees, lay
from failsafe.agent.person.measures import MEASURES
from tests.drill import drill

TARGET = Path(__file__).parent.parent / "agent" / "person" / "likeness.json"
STRANGERS = 12_000
# So many strangers teach, at half a pair's weight: more of them would teach that nobody bears two names.
TEACHING = 2_250
STRANGER_WEIGHT = 0.5
# Lessons made by rule (tests/drill.py), at a third of a pair's weight: more of them would teach spelling only.
DRILLED = 4_000
DRILL_WEIGHT = 0.35
DRILL_SEED = 11
JUDGED_WEIGHT = 3.0
# The part of strangers that may be called a match, half of what is promised.
STRANGERS_MATCHED = 0.0005
SEED = 7
ROUNDS = 220
GROWTH: dict[str, Any] = {
    "objective": "binary",
    "num_leaves": 16,
    "learning_rate": 0.055,
    "min_child_samples": 20,
    "lambda_l2": 5.0,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "monotone_constraints": [direction for _, direction in MEASURES],
    "monotone_constraints_method": "intermediate",
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Lesson:
    """Two names, whether they are one person's, where from, and the group of pairs that share names with it."""

    query: str
    candidate: str
    same: bool
    category: str
    quality: str
    group: int

    @property
    def trust(self) -> float:
        """The weight of its label: people judged the cases, the others follow from lists."""
        return JUDGED_WEIGHT if self.quality else 1.0


def lessons(shared: Path) -> list[Lesson]:
    """The development pairs."""
    lines = (shared / "data" / "names" / "dev_pairs.jsonl").read_text(encoding="utf-8").splitlines()
    pairs = [json.loads(line) for line in lines]
    groups = _groups([(pair["query"], pair["candidate"]) for pair in pairs])
    return [
        Lesson(pair["query"], pair["candidate"], pair["is_match"], pair["category"], pair["quality"] or "", group)
        for pair, group in zip(pairs, groups, strict=True)
    ]


def _groups(pairs: Sequence[tuple[str, str]]) -> list[int]:
    """A number for each pair; pairs that share a name, or others that do, have one number."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for query, candidate in pairs:
        parent[root(query.strip().upper())] = root(candidate.strip().upper())
    roots = [root(query.strip().upper()) for query, _ in pairs]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(roots))}
    return [numbers[name] for name in roots]


def strangers(known: Sequence[Lesson], number: int = STRANGERS, seed: int = SEED) -> list[Lesson]:
    """Pairs drawn at random from names of one script that share no group; `group` is the query's."""
    rng = random.Random(seed)
    by_script: dict[str, list[tuple[str, int]]] = {}
    for one in known:
        for name in (one.query, one.candidate):
            by_script.setdefault(_script(name), []).append((name, one.group))
    scripts = [script for script in sorted(by_script) if len(by_script[script]) > 40]
    sizes = [len(by_script[script]) for script in scripts]
    drawn: list[Lesson] = []
    while len(drawn) < number:
        script = rng.choices(scripts, sizes)[0]
        (query, group), (candidate, other) = rng.choices(by_script[script], k=2)
        if group != other:
            drawn.append(Lesson(query, candidate, False, "strangers", "", group))
    return drawn


def _script(name: str) -> str:
    letter = next((sign for sign in name if sign.isalpha()), " ")
    return unicodedata.name(letter, "?").split()[0]


def rows(taught: Sequence[Lesson]) -> Rows:
    """Their measures, as `score_names` takes them; NaN where a name folds to nothing."""
    nothing = [float("nan")] * len(MEASURES)
    ways = (lay(one.query, one.candidate) for one in taught)
    return np.array([nothing if way is None else way.measures for way in ways]).reshape(-1, len(MEASURES))


def grow(table: Rows, same: NDArray[np.bool_], weights: NDArray[np.float64], seed: int = SEED) -> Trees:
    """Trees, with `zero` still at 0."""
    import lightgbm

    told = lightgbm.Dataset(table, same.astype(int), weight=weights)
    grown = lightgbm.train({**GROWTH, "seed": seed}, told, ROUNDS)
    walks = [_Walk(tree["tree_structure"]) for tree in grown.dump_model()["tree_info"]]
    return Trees(
        measures=tuple(name for name, _ in MEASURES),
        zero=0.0,
        measure=tuple(tuple(walk.measure) for walk in walks),
        threshold=tuple(tuple(walk.threshold) for walk in walks),
        left=tuple(tuple(walk.left) for walk in walks),
        right=tuple(tuple(walk.right) for walk in walks),
        value=tuple(tuple(walk.value) for walk in walks),
    )


class _Walk:
    """A tree's nodes in the order of a walk from its root."""

    def __init__(self, structure: dict[str, Any]) -> None:
        self.measure: list[int] = []
        self.threshold: list[float] = []
        self.left: list[int] = []
        self.right: list[int] = []
        self.value: list[float] = []
        self._visit(structure)

    def _visit(self, node: dict[str, Any]) -> int:
        place = len(self.measure)
        inner = "split_feature" in node
        self.measure.append(node["split_feature"] if inner else -1)
        self.threshold.append(float(f"{node['threshold']:.6g}") if inner else 0.0)
        self.left.append(0)
        self.right.append(0)
        self.value.append(0.0 if inner else round(node["leaf_value"], 5))
        if inner:
            self.left[place] = self._visit(node["left_child"])
            self.right[place] = self._visit(node["right_child"])
        return place


def apart(known: Sequence[Lesson], folds_: int = 5, seed: int = 0) -> NDArray[np.int64]:
    """A fold for each group, of nearly equal sizes; the largest groups first."""
    sizes = np.bincount([one.group for one in known])
    order = sorted(range(len(sizes)), key=lambda group: (-sizes[group], (group * 2_654_435_761 + seed) % 2**32))
    filled = [0] * folds_
    fold_of = np.zeros(len(sizes), np.int64)
    for group in order:
        fold_of[group] = filled.index(min(filled))
        filled[fold_of[group]] += sizes[group]
    return fold_of


@dataclass(frozen=True)
class Measured:
    """Scores of pairs by trees that had not seen them, and of strangers by such that had seen neither name's group."""

    known: list[Lesson]
    scores: Rows
    strangers: Rows


@dataclass(frozen=True)
class Taught:
    """What trees are grown on: measures, whether they are one person's, and how much each counts."""

    table: Rows
    same: NDArray[np.bool_]
    weights: Rows

    def __add__(self, other: Taught) -> Taught:
        return Taught(
            np.vstack([self.table, other.table]),
            np.concatenate([self.same, other.same]),
            np.concatenate([self.weights, other.weights]),
        )

    def only(self, which: NDArray[np.int64]) -> Taught:
        return Taught(self.table[which], self.same[which], self.weights[which])

    def grow(self, seed: int = SEED) -> Trees:
        return grow(self.table, self.same, self.weights, seed)


def drilled() -> Taught:
    """The lessons made by rule; nobody in them exists, so that they teach every fold."""
    made = [Lesson(first, second, same, "drill", "", -1) for first, second, same in drill(DRILLED, DRILL_SEED)]
    return _taught(rows(made), made, DRILL_WEIGHT)


def _taught(table: Rows, of: Sequence[Lesson], weight: float) -> Taught:
    trust = np.array([one.trust * weight for one in of])
    return Taught(table, np.array([one.same for one in of], bool), trust)


def cross_validated(known: list[Lesson], others: list[Lesson], *, seeds: Sequence[int] = (SEED,)) -> Measured:
    """Each fold's pairs, scored by trees grown on the other four."""
    table, strange = rows(known), rows(others)
    pairs, apart_ones, by_rule = _taught(table, known, 1.0), _taught(strange, others, STRANGER_WEIGHT), drilled()
    fold_of = apart(known)
    fold = fold_of[[one.group for one in known]]
    strange_fold = fold_of[[one.group for one in others]]
    scores, strange_scores = np.zeros(len(known)), np.zeros(len(others))
    for held in range(5):
        teaching = np.flatnonzero(strange_fold != held)[:TEACHING]
        shown = pairs.only(np.flatnonzero(fold != held)) + apart_ones.only(teaching) + by_rule
        for seed in seeds:
            forest = Forest(shown.grow(seed))
            scores[fold == held] += forest.weigh(table[fold == held]) / len(seeds)
            strange_scores[strange_fold == held] += forest.weigh(strange[strange_fold == held]) / len(seeds)
    return Measured(known, scores, strange_scores)


def out_of_fold(shared: Path) -> Measured:
    """Scores of each development pair, and of strangers, by trees that saw neither; what every table tells of."""
    known = lessons(shared)
    return cross_validated(known, strangers(known))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="measure only; write nothing")
    asked = parser.parse_args(arguments)
    known = lessons(Path(os.environ["FAILSAFE_SHARED"]))
    others = strangers(known)
    measured = cross_validated(known, others)
    for line in told(measured):
        print(line)
    if asked.measure:
        return
    zero = float(np.quantile(measured.strangers, 1.0 - STRANGERS_MATCHED))
    some = others[:TEACHING]
    trees = (_taught(rows(known), known, 1.0) + _taught(rows(some), some, STRANGER_WEIGHT) + drilled()).grow()
    TARGET.write_bytes(msgspec.json.encode(msgspec.structs.replace(trees, zero=round(zero, 5))) + b"\n")
    print(f"{TARGET.name}: {len(trees.measure)} trees, {TARGET.stat().st_size} bytes, zero at {zero:.3f}")


def told(measured: Measured) -> Iterator[str]:
    """The figures, in words."""
    same = np.array([one.same for one in measured.known])
    category = np.array([one.category for one in measured.known])
    quality = np.array([one.quality for one in measured.known])
    scores = measured.scores
    yield f"all: AUC {area(scores[same], scores[~same]):.3f}, recall at 1 % false {recall_at(scores, same, 0.01):.3f}"
    cases = np.char.startswith(category, "nk_")
    yield f"cases: best F1 {best_f1(scores[cases], same[cases]):.3f}, AUC {_area_of(scores, same, cases):.3f}"
    for name in ("un_original_script", "wikidata_hebrew", "wikidata_korean", "ofac_alias", "un_alias_good"):
        yield f"{name}: AUC {_area_of(scores, same, category == name):.3f}"
    zero = float(np.quantile(measured.strangers, 1.0 - STRANGERS_MATCHED))
    strong = quality == "STRONG"
    wrong = int(((scores[strong] >= zero) != same[strong]).sum())
    yield f"{strong.sum()} cases called strong, {wrong} decided otherwise"
    yield f"of all true pairs {np.mean(scores[same] >= zero):.3f} match"


def _area_of(scores: Rows, same: NDArray[np.bool_], which: NDArray[np.bool_]) -> float:
    return area(scores[which & same], scores[which & ~same])


def area(positive: Rows, negative: Rows) -> float:
    """Area under the curve: how often a true pair scores above a false one, ties counting half."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return float(below.sum() / 2 / len(positive) / len(ordered))


def recall_at(scores: Rows, same: NDArray[np.bool_], false: float) -> float:
    """The part of true pairs above the score that `false` of the others exceed."""
    ordered = np.sort(scores[~same])[::-1]
    return float(np.mean(scores[same] > ordered[int(false * len(ordered))]))


def best_f1(scores: Rows, same: NDArray[np.bool_]) -> float:
    """The best harmonic mean of precision and recall over all thresholds."""
    best = 0.0
    for threshold in np.unique(scores):
        called = scores >= threshold
        best = max(best, 2 * float((called & same).sum()) / float(called.sum() + same.sum()))
    return best


if __name__ == "__main__":
    main()
