"""The notices' names in memory, made to be asked: a few candidates for a traveller in a few milliseconds. Pure.

How a name is found: each of its tokens is compared with the distinct tokens of all notices (a 64-bit letter signature
first, then the edit distance of what is left), each token found brings its names, and a name collects the weight of
the tokens that met. Rare tokens weigh more. The best names by shared weight go to `matching`, which judges them.

The index is built whole and never changed: a new generation of notices builds a new one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

from failsafe.agent.names import PARTICLES, consonants, skeleton, squash

IndexRow = tuple[str, str, str, str, Sequence[str], str]  # entity_id, tier, tokens, kind, births, sex

MOST_CANDIDATES: Final = 30
# A token of this many letters may differ by one, by two letters; shorter ones must be equal when squashed.
_ONE_EDIT_FROM: Final = 3
_TWO_EDITS_FROM: Final = 7
_SKELETON_FROM: Final = 3  # consonants; shorter skeletons belong to everybody
_SKELETON_CLOSENESS: Final = 0.75
_PREFIX_FROM: Final = 3
_PREFIX_CLOSENESS: Final = 0.85
_PARTICLE_WEIGHT: Final = 0.1
_JOINED_UP_TO: Final = 4  # letters of a syllable that scripts and clerks join to its neighbour
# Of each notice so many names and spellings are kept for the aligner.
_ROWS_A_NOTICE: Final = 5
# A single shared token is a candidate among several only where few names bear it.
_RARE_NAMES: Final = 12
_NO_YEAR: Final = -9999
_BITS: Final = {letter: 1 << place for place, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}

_Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class NoticeName:
    """One name of a notice as the index holds it; `tokens` are folded."""

    entity_id: str
    tier: str
    tokens: tuple[str, ...]
    kind: str
    births: tuple[str, ...]
    sex: str


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate: the name that met, and the share of both names' weight that did (0 to 1).

    `others` are further names and spellings of the same notice that met too, best first: which of them is nearest is
    for the aligner to say.
    """

    name: NoticeName
    share: float
    others: tuple[NoticeName, ...] = ()


class Index:
    """Names of notices by their tokens; make one with `Index.build`."""

    def __init__(self, rows: list[IndexRow]) -> None:
        self._rows = rows
        self._number: dict[str, int] = {}
        self._by_row, self._posting = self._invert()
        self._tokens = list(self._number)
        self._squashed = [squash(token) for token in self._tokens]
        self._signatures = np.fromiter(map(_signature, self._squashed), np.uint64, len(self._tokens))
        self._lengths = np.fromiter(map(len, self._squashed), np.int16, len(self._tokens))
        self._alphabetical = sorted(range(len(self._tokens)), key=self._tokens.__getitem__)
        self._spelled = [self._tokens[number] for number in self._alphabetical]
        self._by_skeleton = self._group_skeletons()
        self._weights = self._weigh()
        self._row_weights = self._weigh_rows()
        years = [_years(row[4]) or [_NO_YEAR] for row in rows]
        self._first_year = np.fromiter(map(min, years), np.int16, len(rows))
        self._last_year = np.fromiter(map(max, years), np.int16, len(rows))
        self._nuclear = np.fromiter((row[1] == "rn" for row in rows), np.bool_, len(rows))

    @classmethod
    def build(cls, rows: Iterable[IndexRow]) -> Index:
        """An index over names as `Mirror.names()` gives them; a name without tokens is left out."""
        return cls([row for row in rows if row[2]])

    def __len__(self) -> int:
        return len(self._rows)

    def rarity(self, token: str) -> float:
        """-ln of the share of names that bear this token; a token of no notice counts as borne by one."""
        number = self._number.get(token)
        bearers = 1 if number is None else max(len(self._bearers(number)), 1)
        return float(np.log((len(self._rows) + 1) / bearers))

    def search(
        self, tokens: Sequence[str], births: Sequence[str] = (), *, cut: bool = False, most: int = MOST_CANDIDATES
    ) -> list[Found]:
        """The names nearest to a traveller's, best first, one for each notice.

        Args:
            tokens: the traveller's folded name.
            births: partial ISO dates of birth; they order candidates of like names and leave none out.
            cut: the zone had no room for the whole name, so any token may be the beginning of a longer one.
            most: how many notices at most.
        """
        if not tokens or not self._rows:
            return []
        shared = np.zeros(len(self._rows), np.float32)
        met = np.zeros(len(self._rows), np.uint8)
        rare = np.zeros(len(self._rows), np.bool_)
        for token in dict.fromkeys(tokens):
            self._collect(token, shared, met, rare, cut=cut)
        for pair in _joined(tokens):
            self._collect(pair, shared, met, rare, cut=False, joined=True)
        asked = sum(self._weight_of(token) for token in dict.fromkeys(tokens))
        return self._best(shared, met, rare, asked, len(tokens), births, most)

    # --- search --------------------------------------------------------------------------------------------------

    def _collect(
        self,
        token: str,
        shared: NDArray[np.float32],
        met: NDArray[np.uint8],
        rare: NDArray[np.bool_],
        *,
        cut: bool,
        joined: bool = False,
    ) -> None:
        """Add what the names share with one token: the closest of their tokens counts, once."""
        if len(token) < 2:
            return  # an initial brings half the world; the aligner counts it among candidates found otherwise
        near = self._near(token, cut=cut)
        if not near:
            return
        numbers = sorted(near, key=near.__getitem__)  # the closest is written last and stays
        bearers = [self._bearers(number) for number in numbers]
        rows = np.concatenate(bearers)
        gains = np.repeat(
            np.array([near[number] * self._weights[number] for number in numbers], np.float32),
            [len(each) for each in bearers],
        )
        best = np.zeros(len(self._rows), np.float32)
        best[rows] = gains
        if joined:  # two tokens that met as one
            best *= 2.0
        touched = best > 0
        shared += best
        met[touched] += np.uint8(1 if token not in PARTICLES else 0) + np.uint8(joined)
        if len(rows) <= _RARE_NAMES:
            rare[rows] = True

    def _near(self, token: str, *, cut: bool) -> dict[int, float]:
        """The distinct tokens that may be `token` written otherwise, with how close they are (0 to 1)."""
        near: dict[int, float] = {}
        if token in PARTICLES:
            number = self._number.get(token)
            return {} if number is None else {number: 1.0}
        squashed = squash(token)
        bones = skeleton(token)
        if len(bones) >= _SKELETON_FROM:
            near.update(dict.fromkeys(self._by_skeleton.get(bones, ()), _SKELETON_CLOSENESS))
        if cut and len(token) >= _PREFIX_FROM:
            near.update(dict.fromkeys(self._beginning(token), _PREFIX_CLOSENESS))
        near.update(self._edited(squashed))
        if token in self._number:
            near[self._number[token]] = 1.0
        return near

    def _edited(self, squashed: str) -> dict[int, float]:
        length = len(squashed)
        edits = 2 if length >= _TWO_EDITS_FROM else 1 if length >= _ONE_EDIT_FROM else 0
        # One edit changes at most two bits of the signature, and the length by at most one.
        bits = np.bitwise_count(self._signatures ^ np.uint64(_signature(squashed)))
        like = np.flatnonzero((bits <= 2 * edits) & (np.abs(self._lengths - length) <= edits))
        if not len(like):
            return {}
        choices = [self._squashed[number] for number in like.tolist()]
        distances = cdist([squashed], choices, scorer=OSA.distance, score_cutoff=edits, dtype=np.uint8)[0]
        kept = distances <= edits
        return {
            number: 1.0 - distance / max(length, len(self._squashed[number]))
            for number, distance in zip(like[kept].tolist(), distances[kept].tolist(), strict=True)
        }

    def _beginning(self, prefix: str) -> list[int]:
        first = bisect_left(self._spelled, prefix)
        last = bisect_left(self._spelled, prefix + "[")  # the sign behind Z
        return self._alphabetical[first:last]

    def _best(
        self,
        shared: NDArray[np.float32],
        met: NDArray[np.uint8],
        rare: NDArray[np.bool_],
        asked: float,
        tokens: int,
        births: Sequence[str],
        most: int,
    ) -> list[Found]:
        rows = np.flatnonzero((met >= 2) | ((met == 1) & (rare | (tokens == 1))))
        if not len(rows):
            return []
        # The longer name may say more than the other: what is extra weighs a third of what is missing.
        weights = self._row_weights[rows]
        smaller, larger = np.minimum(weights, asked), np.maximum(weights, asked)
        share = np.minimum(shared[rows] / (smaller + (larger - smaller) / 3 + 1e-6), 1.0)
        share += np.where(self._nuclear[rows], 0.1, 0.0)  # a tier of a few dozen: none of them is crowded out
        return self._distinct(rows, share + self._born_alike(rows, births), most)

    def _born_alike(self, rows: NDArray[Any], births: Sequence[str]) -> NDArray[np.float32]:
        """A little for a like year of birth, to order namesakes; the rest of the evidence is `matching`'s."""
        bonus = np.zeros(len(rows), np.float32)
        for year in _years(births):
            gap = np.maximum(self._first_year[rows] - year, year - self._last_year[rows])
            bonus = np.maximum(bonus, np.where(gap <= 1, 0.1, np.where(gap <= 3, 0.05, 0.0)).astype(np.float32))
        return bonus

    def _distinct(self, rows: NDArray[Any], share: NDArray[Any], most: int) -> list[Found]:
        order = np.argsort(-share, kind="stable")[: most * _ROWS_A_NOTICE]
        found: dict[str, list[NoticeName]] = {}
        shares: dict[str, float] = {}
        for place in order.tolist():
            entity_id, tier, tokens, kind, births, sex = self._rows[rows[place]]
            if entity_id not in found and len(found) == most:
                continue
            names = found.setdefault(entity_id, [])
            shares.setdefault(entity_id, min(float(share[place]), 1.0))
            if len(names) < _ROWS_A_NOTICE:
                names.append(NoticeName(entity_id, tier, tuple(tokens.split()), kind, tuple(births), sex))
        return [Found(first, shares[first.entity_id], tuple(others)) for first, *others in found.values()]

    # --- build ---------------------------------------------------------------------------------------------------

    def _invert(self) -> tuple[_Ids, NDArray[np.int64]]:
        """Rows by token: `_by_row[_posting[t]:_posting[t + 1]]` are the names that bear token `t`."""
        numbers: list[int] = []
        bearers: list[int] = []
        for row, (_, _, text, _, _, _) in enumerate(self._rows):
            tokens = text.split(" ")
            for token in {*tokens, *_joined(tokens)}:
                numbers.append(self._number.setdefault(token, len(self._number)))
                bearers.append(row)
        of = np.array(numbers, np.int32)
        order = np.argsort(of, kind="stable")
        starts = np.searchsorted(of[order], np.arange(len(self._number) + 1))
        return np.array(bearers, np.int32)[order], starts.astype(np.int64)

    def _bearers(self, number: int) -> _Ids:
        return self._by_row[self._posting[number] : self._posting[number + 1]]

    def _group_skeletons(self) -> dict[str, list[int]]:
        groups: dict[str, list[int]] = {}
        for number, bones in enumerate(map(consonants, self._squashed)):
            if len(bones) >= _SKELETON_FROM:
                groups.setdefault(bones, []).append(number)
        return groups

    def _weigh(self) -> NDArray[np.float32]:
        """Between .25 for a token that everybody bears and 1 for one that nobody shares; particles less."""
        bearers = np.maximum(np.diff(self._posting), 1)
        scale = np.log(len(self._rows) + 1.0) if self._rows else 1.0
        weights = 0.25 + 0.75 * np.log((len(self._rows) + 1.0) / bearers) / scale
        for particle in PARTICLES & self._number.keys():
            weights[self._number[particle]] = _PARTICLE_WEIGHT
        return np.clip(weights, _PARTICLE_WEIGHT, 1.0).astype(np.float32)

    def _weight_of(self, token: str) -> float:
        number = self._number.get(token)
        if number is not None:
            return float(self._weights[number])
        return _PARTICLE_WEIGHT if token in PARTICLES or len(token) < 2 else 1.0

    def _weigh_rows(self) -> NDArray[np.float32]:
        weights = (sum(map(self._weight_of, set(row[2].split(" ")))) for row in self._rows)
        return np.fromiter(weights, np.float32, len(self._rows))


def _signature(squashed: str) -> int:
    """One bit for each letter that occurs, one for each that occurs twice or more."""
    once = twice = 0
    for letter in squashed:
        bit = _BITS.get(letter, 0)
        twice |= once & bit
        once |= bit
    return once | twice << 26


def _years(births: Sequence[str]) -> list[int]:
    return [int(birth[:4]) for birth in births if birth[:4].isdecimal()]


def _joined(tokens: Sequence[str]) -> list[str]:
    """Neighbours written as one, where one of them is short enough that clerks do so (Xi Jin Ping, Abd Allah)."""
    return [
        first + second
        for first, second in pairwise(tokens)
        if min(len(first), len(second)) <= _JOINED_UP_TO and min(len(first), len(second)) > 1
    ]
