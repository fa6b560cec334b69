"""How likely two names are one person's: their measures, weighed by boosted trees. Pure.

`make calibrate` grew the trees on public pairs of names and on pairs of strangers (tests/grow.py). **They are
monotone**: where two names grow more alike in any measure, the score never falls. Trees without that bond are better
on the pairs they were grown on; on kinds of names that nobody taught they may do anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from failsafe.agent.person import cognates
from failsafe.agent.person.alignment import align, plain_weight
from failsafe.agent.person.compounds import SLIGHT, parted
from failsafe.agent.person.measures import MEASURES, Tokens, hear, measures, resemblance
from failsafe.agent.person.names import folds
from failsafe.agent.person.reasons import Held, word_lines
from failsafe.agent.person.spelling import written
from failsafe.sync.reports import MatchReason

MATCH_FROM: Final = 0.5  # at most one in a thousand random pairs of one script reaches it
_NO_MATCH: Final = 0.49
_HEARD_ALIKE: Final = 0.85  # whole names that sound so alike have met, whatever their words say
_BY_TABLE: Final = 0.97  # of a name that meets only as a table prints it: unpointed Hebrew makes many alike
_PLACES: Final = {name: place for place, (name, _) in enumerate(MEASURES)}


@dataclass(frozen=True, slots=True)
class NameScore:
    """How alike two names are: 0 to 1, and whether that counts as a match."""

    score: float
    match: bool
    names: tuple[str, str] = ("", "")
    forms: tuple[Tokens, Tokens] = ((), ())  # in which they were compared
    cut: bool = False

    @property
    def reasons(self) -> tuple[MatchReason, ...]:
        """Why, word by word; the points of all lines together are the logarithm of the score's odds."""
        (query, candidate), (asked, held) = self.names, self.forms
        pairs = align(asked, held, cut=self.cut)[1] if asked and held else []
        points = score_to_odds(self.score)
        return word_lines(written(query, asked), Held(written(candidate, held)), pairs, plain_weight, points)


@dataclass(frozen=True, slots=True)
class Laid:
    """Two names in the folded forms in which they are most alike, with their measures."""

    query: Tokens
    candidate: Tokens
    measures: list[float]


def score_names(query: str, candidate: str, *, cut: bool = False) -> NameScore:
    """How alike two names are, in any script and order; `cut`: the zone had no room for the whole of the first.

    A name that folds to nothing is like no other, not even itself. A name of another script than Latin is compared in
    every way documents may print it.
    """
    way = lay(query, candidate, cut=cut)
    if way is None:
        alone = (*folds(query), ())[0], (*folds(candidate), ())[0]
        return NameScore(0.0, match=False, names=(query, candidate), forms=alone)
    score = 1.0 if _the_same(way) else odds_to_score(float(grown().weigh([way.measures])[0]))
    if _one_common_word(way, cut=cut):
        score = min(score, _NO_MATCH)
    return NameScore(score, score >= MATCH_FROM, (query, candidate), (way.query, way.candidate), cut)


def _the_same(way: Laid) -> bool:
    """The same tokens in any order, and nothing that says otherwise."""
    told = way.measures[_PLACES["own letters"]] >= 1.0 and way.measures[_PLACES["conflict"]] <= 0.0
    return told and sorted(way.query) == sorted(way.candidate)


def _one_common_word(way: Laid, *, cut: bool = False) -> bool:
    """All that met is one name that many bear, initials, or words that say nothing, and one of the two says more."""
    asked, held = parted(way.query), parted(way.candidate)
    told = [sum(token not in SLIGHT for token in tokens) for tokens in (asked, held)]
    if told == [1, 1] or way.measures[_PLACES["heard as a run"]] >= _HEARD_ALIKE:
        return False
    pairs = align(asked, held, cut=cut)[1]
    met = [{asked[i] for i in pair.query} | {held[j] for j in pair.candidate} for pair in pairs]
    telling = [tokens - SLIGHT for tokens in met if tokens - SLIGHT]
    if all(pair.why == "initial" for pair, tokens in zip(pairs, met, strict=True) if tokens - SLIGHT):
        return True
    return len(telling) < 2 and all(cognates.groups(token) for tokens in telling for token in tokens)


def odds_to_score(odds: float) -> float:
    """The score of a logarithm of odds: 0.5 where strangers begin to be rare."""
    return 1.0 / (1.0 + math.exp(-odds))


def score_to_odds(score: float) -> float:
    """The other way round, as far as four digits of a score tell it: 0 and 1 would be without end."""
    told = min(max(score, 1e-4), 1.0 - 1e-4)
    return math.log(told / (1.0 - told))


def lay(query: str, candidate: str, *, cut: bool = False) -> Laid | None:
    """The two names as they are most alike; None if one of them folds to nothing."""
    asked, held = folds(query), folds(candidate)
    if not asked or not held:
        return None
    i, j = _most_alike(asked, held)
    found = measures(asked[i], held[j], hear(query, candidate), by_table=bool(i or j), cut=cut)
    return Laid(asked[i], held[j], found)


def _most_alike(asked: Sequence[Tokens], held: Sequence[Tokens]) -> tuple[int, int]:
    """Which of the folded forms of two names resemble each other most; the first of equals."""
    ways = [(i, j) for i in range(len(asked)) for j in range(len(held))]
    if len(ways) == 1:
        return ways[0]
    return max(ways, key=lambda way: resemblance(asked[way[0]], held[way[1]]) * (_BY_TABLE if any(way) else 1.0))


# --- trees -----------------------------------------------------------------------------------------------------


class Trees(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Grown trees, each as equally long rows: the node's measure, threshold, its left and right node, its value.

    At a node with measure -1 the walk ends. `zero` is what is taken from the sum, so that it is 0 where one pair of
    strangers in two thousand stands.
    """

    measures: tuple[str, ...]
    zero: float
    measure: tuple[tuple[int, ...], ...]
    threshold: tuple[tuple[float, ...], ...]
    left: tuple[tuple[int, ...], ...]
    right: tuple[tuple[int, ...], ...]
    value: tuple[tuple[float, ...], ...]


class Forest:
    """Trees made ready to weigh many pairs at a time: all nodes in one row, in which a leaf leads to itself."""

    def __init__(self, trees: Trees) -> None:
        sizes = [len(nodes) for nodes in trees.measure]
        self._roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
        first = np.repeat(self._roots, sizes)
        measure = np.concatenate(trees.measure)
        leaf = measure < 0
        here = np.arange(len(measure))
        ways = [np.where(leaf, here, first + np.concatenate(way)) for way in (trees.left, trees.right)]
        self._zero = trees.zero
        self._measure = np.where(leaf, 0, measure).astype(np.intp)
        self._threshold = np.concatenate(trees.threshold)
        self._ways = np.stack(ways, 1).astype(np.intp).ravel()
        self._value = np.concatenate(trees.value)
        self._depth = max(_depth(*tree) for tree in zip(trees.measure, trees.left, trees.right, strict=True))

    def weigh(self, rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
        """The logarithm of the odds of each row of measures, 0 where strangers begin to be rare."""
        table = np.asarray(rows, np.float64)
        cells = table.ravel()
        begin = np.repeat(np.arange(len(table)) * table.shape[1], len(self._roots))
        node = np.tile(self._roots, len(table))
        for _ in range(self._depth):
            goes_right = ~(cells[begin + self._measure[node]] <= self._threshold[node])
            node = self._ways[2 * node + goes_right]
        return np.asarray(self._value[node].reshape(len(table), -1).sum(1) - self._zero)


def _depth(measure: Sequence[int], left: Sequence[int], right: Sequence[int], node: int = 0) -> int:
    """Steps from a node to its farthest leaf."""
    if measure[node] < 0:
        return 0
    return 1 + max(_depth(measure, left, right, way) for way in (left[node], right[node]))


@lru_cache(maxsize=1)
def grown() -> Forest:
    """The trees that come with the house."""
    return Forest(msgspec.json.decode((files("failsafe.agent.person") / "likeness.json").read_bytes(), type=Trees))
