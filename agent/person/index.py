"""The notices' names in memory, made to be asked: a few candidates for a traveller in a few milliseconds. Pure.

How a name is found: each of its tokens is compared with the distinct sounds of all notices, each sound found brings
its names, and a name collects the weight of the tokens that met. Rare tokens weigh more. A date of birth that agrees
stands for one token that met, so that whoever was born on the day is found by one other. The best names by shared
weight go to `matching`, which judges them.

The index is one large segment, and a small one of the notices that came since, searched together; of notices that
were changed or withdrawn, what the large one says is passed over. Nothing of it ever changes: a new generation of
notices is a new `Index` over the same large segment.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from failsafe.agent.person.names import PARTICLES
from failsafe.agent.person.nuclear_tier import NuclearTier
from failsafe.agent.person.segment import (
    MOST_WEIGHT,
    PARTICLE_WEIGHT,
    IndexRow,
    NoticeName,
    Segment,
    day_number,
    days,
    neighbours,
    partings,
    years,
)
from failsafe.agent.person.vocabulary import Closeness, Ids

__all__ = ["MOST_CANDIDATES", "Found", "Index", "IndexRow", "NoticeName"]

MOST_CANDIDATES: Final = 30
# Of each notice so many names and spellings are kept for the aligner.
_ROWS_A_NOTICE: Final = 5
# A single shared token is a candidate among several only where few names bear it.
_RARE_NAMES: Final = 12
_SURE: Final = 100  # the closeness of a sound to itself
_SAME_DAY: Final = 0.15  # beside a year's bonus: about what it says beside a name
_MOST_WORDS: Final = 30  # tokens of one traveller that are looked for
_MOST_WAYS: Final = 60  # with what they are joined or parted to; each of them and the date has a bit
_REMEMBERED_ROWS: Final = 2_000  # of a parted token; of more they are looked up again
# So many rows are compared exactly at once; of more, the others only if they may still be among the best.
_EXACT_AT_ONCE: Final = 2_000
_EXACT_AT_MOST: Final = 12_000  # where tokens of one name are near each other, that may be a tenth of all names
_MOST_REMEMBERED: Final = 4_096  # words with their neighbours, some 2 MB
# One bit for each word and one for the day of birth.
_FLAGS: Final = (np.uint8, np.uint16, np.uint32, np.uint64)


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate: the name that met, and the share of both names' weight that did (0 to 1).

    `others` are further names and spellings of the same notice that met too, best first: which of them is nearest is
    for the aligner to say.
    """

    name: NoticeName
    share: float
    others: tuple[NoticeName, ...] = ()


@dataclass(frozen=True, slots=True)
class _Word:
    """What is looked for: a token, two neighbours written as one, or the two parts of a token.

    The last two count as two tokens that met. Of a parted token both parts must meet in one name, as they are.
    """

    token: str
    joined: bool = False
    parts: tuple[str, str] | None = None

    @property
    def double(self) -> bool:
        return self.joined or self.parts is not None

    @property
    def particle(self) -> bool:
        return self.token in PARTICLES and not self.double


@dataclass(frozen=True, slots=True, eq=False)
class _Near:
    """A word in one segment: the sounds near it, how close they are, and how many rows they bring.

    Of a parted token the two sounds, and the rows that bear both.
    """

    word: _Word
    ids: Ids
    close: Closeness
    mass: int
    rows: Ids | None = None


class Index:
    """Names of notices by their tokens; make one with `Index.build`."""

    def __init__(self, main: Segment, recent: Segment | None = None, gone: NDArray[np.bool_] | None = None) -> None:
        self._segments = [main] if recent is None or not len(recent) else [main, recent]
        self._gone = gone if gone is not None and gone.any() else None
        self._names = sum(map(len, self._segments)) - (main.names_of(gone) if gone is not None and len(main) else 0)

        self._slates = [_Slate() for _ in self._segments]
        self._borne: dict[str, int] = {}
        self._remembered: dict[tuple[int, _Word, bool], _Near] = {}

    @classmethod
    def build(cls, rows: Iterable[IndexRow]) -> Index:
        """An index over names as `Mirror.names()` gives them; a name without tokens is left out."""
        return cls(Segment.build((0, row) for row in rows))

    def __len__(self) -> int:
        return self._names

    @cached_property
    def nuclear(self) -> NuclearTier:
        """The names of the nuclear tier, to be looked at one and all."""
        gone = (self._gone, None)
        return NuclearTier(
            name
            for segment, without in zip(self._segments, gone, strict=False)
            for name in segment.nuclear_names(without)
        )

    def rarity(self, token: str) -> float:
        """-ln of the share of names that bear this token; a token of no notice counts as borne by one."""
        bearers = self._borne.get(token)
        if bearers is None:
            bearers = sum(segment.borne_by(token) for segment in self._segments)
            if len(self._borne) >= _MOST_REMEMBERED:
                self._borne.clear()
            self._borne[token] = bearers
        return math.log((self._names + 1) / max(bearers, 1))

    def forget(self) -> None:
        """Remember no token that was asked for."""
        self._remembered.clear()
        self._borne.clear()

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
        words = list(islice(_words(tokens), _MOST_WAYS))
        near = [[self._look(place, word, cut=cut) for word in words] for place in range(len(self._segments))]
        if not words or not self._names:
            return []
        alone = sum(len(token) > 1 and token not in PARTICLES for token in tokens) <= 1
        rare = [sum(each.mass for each in across) <= _RARE_NAMES for across in zip(*near, strict=True)]
        best = []
        for place, segment in enumerate(self._segments):
            gone = self._gone if place == 0 else None
            asked = self._asked(tokens, near, place)
            search = _Search(segment, near[place], rare, asked, alone, gone, self._slates[place])
            rows, share = search.best(births, most * _ROWS_A_NOTICE)
            best += [(-each, place, row) for each, row in zip(share.tolist(), rows.tolist(), strict=True)]
        return self._distinct(sorted(best), most)

    def _look(self, place: int, word: _Word, *, cut: bool) -> _Near:
        """A word in one segment. Single tokens are remembered for speed; the names of travellers are not."""
        key = (place, word, cut)
        near = self._remembered.get(key)
        if near is None:
            near = _near(self._segments[place], word, cut=cut)
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            if near.rows is None or near.mass <= _REMEMBERED_ROWS:
                self._remembered[key] = near
        return near

    def _asked(self, tokens: Sequence[str], near: Sequence[Sequence[_Near]], place: int) -> int:
        """The weight of the traveller's name, each token once: as one segment has it, or else as another has."""
        weights: dict[str, int] = {}
        others = [other for other in range(len(self._segments)) if other != place]
        for at in (place, *others):
            for each in near[at]:
                own = each.ids[each.close == _SURE]
                if len(own) and not each.word.double:
                    weights.setdefault(each.word.token, int(self._segments[at].weights[own].max()))
        return sum(weights.get(token, _unseen(token)) for token in dict.fromkeys(tokens))

    def _distinct(self, best: Sequence[tuple[float, int, int]], most: int) -> list[Found]:
        found: dict[str, list[NoticeName]] = {}
        shares: dict[str, float] = {}
        for worth, place, row in best[: most * _ROWS_A_NOTICE]:
            entity_id = self._segments[place].entity_id(row)
            if entity_id not in found and len(found) == most:
                continue
            names = found.setdefault(entity_id, [])
            shares.setdefault(entity_id, min(-worth, 1.0))
            if len(names) < _ROWS_A_NOTICE:
                names.append(self._segments[place].name(row))
        return [Found(first, shares[first.entity_id], tuple(others)) for first, *others in found.values()]


def _words(tokens: Sequence[str]) -> Iterator[_Word]:
    """Tokens, joined neighbours and parted tokens, each once.

    An initial brings half the world; the aligner counts it among candidates found otherwise.
    """
    distinct = [token for token in dict.fromkeys(tokens) if len(token) > 1][:_MOST_WORDS]
    yield from map(_Word, distinct)
    yield from (_Word(pair, joined=True) for pair in dict.fromkeys(neighbours(tokens[:_MOST_WORDS])))
    for token in distinct:
        yield from (_Word(token, parts=parts) for parts in partings(token))


def _near(segment: Segment, word: _Word, *, cut: bool) -> _Near:
    if word.parts is None:
        ids, close = segment.near(word.token, cut=cut and not word.joined, joined=word.joined)
        return _Near(word, ids, close, segment.mass(ids))
    both = segment.parts(*word.parts)
    rows = np.empty(0, np.int32) if both is None else segment.bearing_both(*both)
    sounds = np.array(both or (), np.int32)
    return _Near(word, sounds, np.full(len(sounds), _SURE, np.uint8), len(rows), rows)


def _days(births: Iterable[str]) -> set[int]:
    """The days that a date of birth may be: itself, with day and month exchanged, a year before and after."""
    found = set()
    for year, month, day in days(births):
        found |= {day_number(each, month, day) for each in (year - 1, year, year + 1)}
        found.add(day_number(year, day, month))
    return found


def _unseen(token: str) -> int:
    return PARTICLE_WEIGHT if token in PARTICLES or len(token) < 2 else MOST_WEIGHT


class _Slate:
    """Where a search marks, for each row of a segment, which words it bears: wiped after use, since a new one for each
    search would be millions of bytes that the system has to clear."""

    def __init__(self) -> None:
        self._clean: list[NDArray[Any]] = []

    def take(self, kind: type[np.generic], rows: int) -> NDArray[Any]:
        """One that nobody else has at hand; all of it is 0."""
        for place, slate in enumerate(self._clean):
            if slate.dtype == kind:
                return self._clean.pop(place)
        return np.zeros(rows, kind)

    def give(self, slate: NDArray[Any]) -> None:
        """Have it back, wiped."""
        self._clean.append(slate)


class _Search:
    """One question to one segment."""

    def __init__(
        self,
        segment: Segment,
        near: Sequence[_Near],
        rare: Sequence[bool],
        asked: int,
        alone: bool,
        gone: NDArray[np.bool_] | None,
        slate: _Slate,
    ) -> None:
        self._segment = segment
        self._slate = slate
        self._near = [each for each in near if each.mass]
        self._particles = all(each.word.particle for each in near)  # then they are all there is to look for
        self._rare = {each.word for each in compress(near, rare)}
        self._asked = asked
        self._alone = alone
        self._gone = gone

    def best(self, births: Sequence[str], most: int) -> tuple[Ids, NDArray[np.float64]]:
        """The best rows and their shares, best first, with those that are as good as the last."""
        rows, could, dated = self._candidates(births)
        if not len(rows):
            return rows, could
        bonus = self._bonus(rows, births) + np.where(dated, _SAME_DAY, 0.0)
        could += bonus
        if len(rows) > _EXACT_AT_ONCE:
            order = np.argsort(-could, kind="stable")
            rows, could, bonus = rows[order], could[order], bonus[order]
        share = self._shares(rows[:_EXACT_AT_ONCE]) + bonus[:_EXACT_AT_ONCE]
        if len(rows) > _EXACT_AT_ONCE:
            floor = np.partition(share, -most)[-most]
            end = int(np.searchsorted(-could, -floor, side="right"))
            more = slice(_EXACT_AT_ONCE, min(max(end, _EXACT_AT_ONCE), _EXACT_AT_MOST))
            share = np.concatenate((share, self._shares(rows[more]) + bonus[more]))
            rows = rows[: len(share)]
        return _top(rows, share, most)

    # --- who comes into question ---------------------------------------------------------------------------------

    def _candidates(self, births: Sequence[str]) -> tuple[Ids, NDArray[np.float64], NDArray[np.bool_]]:
        """Rows that share two tokens, one and the day of birth, or one that is rare or the only one.

        With the most that they may share, and whether the day agrees.
        """
        words = sorted(
            (each for each in self._near if self._particles or not each.word.particle), key=lambda each: each.mass
        )
        if not words:
            return np.empty(0, np.int32), np.empty(0), np.empty(0, np.bool_)
        flags = next(kind for kind in _FLAGS if len(words) < 8 * kind().itemsize)
        met = self._slate.take(flags, len(self._segment))
        # Who shares two tokens shares one other than the commonest, whose rows are looked at only where one has met.
        last = (
            None
            if self._alone
            else max((place for place, each in enumerate(words) if not each.word.double), default=None)
        )
        dated = flags(1 << len(words))
        brought = [] if self._alone else [self._segment.born_on(_days(births))]
        for rows in brought:
            met[rows] |= dated
        for place, each in enumerate(words):
            if place != last:
                rows = self._segment.bearing(each.ids) if each.rows is None else each.rows
                met[rows] |= flags(1 << place)
                brought.append(rows)
        if last is not None:
            rows = self._segment.bearing(words[last].ids)
            if words[last].word in self._rare:
                met[rows] |= flags(1 << last)
                brought.append(rows)
            else:
                met[rows[met[rows] > 0]] |= flags(1 << last)
        every = np.concatenate(brought) if brought else np.empty(0, np.int32)
        rows = self._counting(every, met, words, flags)
        seen = met[rows]
        met[every] = 0
        self._slate.give(met)
        return rows, self._most(rows, seen, words), (seen & dated) != 0

    def _counting(self, rows: Ids, met: NDArray[Any], words: Sequence[_Near], flags: type[np.generic]) -> Ids:
        """Of the rows that were brought, each once, those that share enough."""
        seen = met[rows]
        if not self._alone:
            double = _flags(each.word.double for each in words)
            single = _flags(each.word in self._rare for each in words)
            enough = (np.bitwise_count(seen) >= 2) | ((seen & flags(double | single)) != 0)
            rows = rows[enough]
        rows = np.sort(rows)
        first = np.ones(len(rows), np.bool_)
        first[1:] = rows[1:] != rows[:-1]
        rows = rows[first]
        return rows if self._gone is None else rows[~self._gone[self._segment.row_notice[rows]]]

    def _most(self, rows: Ids, seen: NDArray[Any], words: Sequence[_Near]) -> NDArray[np.float64]:
        """The words that met, eight at a time: what each byte of the flags is worth stands in a table."""
        gained = np.full(len(rows), sum(self._gain(each) for each in self._near if each not in words), np.int64)
        bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1, bitorder="little")
        for place, flags in enumerate(seen.view(np.uint8).reshape(len(rows), seen.itemsize).T):
            gains = [self._gain(each) for each in words[8 * place : 8 * place + 8]]
            if gains:
                gained += (bits[:, : len(gains)] @ np.array(gains, np.int64))[flags]
        return self._share(rows, gained)

    def _gain(self, each: _Near) -> int:
        """The most that a row gains by this word."""
        gains = each.close.astype(np.int64) * self._segment.weights[each.ids]
        return int(gains.sum()) if each.word.parts else int(gains.max()) * (2 if each.word.joined else 1)

    # --- how much they share -------------------------------------------------------------------------------------

    def _shares(self, rows: Ids) -> NDArray[np.float64]:
        """What each row shares: of every word the closest of its sounds, by weight."""
        gained = np.zeros(len(rows), np.int64)
        if not len(rows):
            return gained.astype(np.float64)
        segment = self._segment
        start = segment.row_start[rows].astype(np.int64)
        lengths = segment.row_start[rows + 1] - start
        first = np.cumsum(lengths) - lengths
        cells = segment.cells[np.arange(int(lengths.sum())) + np.repeat(start - first, lengths)]
        sounds = segment.sound_of[cells]
        weights = segment.weights[sounds].astype(np.int64)
        table = np.zeros(len(segment.weights), np.uint8)
        for each in self._near:
            if each.rows is not None:
                gained += np.where(np.isin(rows, each.rows), self._gain(each), 0)
                continue
            table[each.ids] = each.close
            gains = np.maximum.reduceat(table[sounds] * weights, first)
            gained += 2 * gains if each.word.joined else gains
            table[each.ids] = 0
        return self._share(rows, gained)

    def _share(self, rows: Ids, gained: NDArray[np.int64]) -> NDArray[np.float64]:
        # The longer name may say more than the other: what is extra weighs a third of what is missing.
        weights = self._segment.row_weight[rows].astype(np.int64)
        smaller, larger = np.minimum(weights, self._asked), np.maximum(weights, self._asked)
        share: NDArray[np.float64] = np.minimum(3 * gained / (_SURE * (2 * smaller + larger)), 1.0)
        return share

    def _bonus(self, rows: Ids, births: Sequence[str]) -> NDArray[np.float64]:
        """A little for a like year of birth, to order namesakes, the rest of the evidence is `matching`'s; and for the
        nuclear tier, of which there are a few dozen: none of them is crowded out."""
        segment = self._segment
        notices = segment.row_notice[rows]
        bonus = np.zeros(len(rows))
        for year in years(births):
            gap = np.maximum(segment.first_year[notices] - year, year - segment.last_year[notices])
            bonus = np.maximum(bonus, np.where(gap <= 1, 0.1, np.where(gap <= 3, 0.05, 0.0)))
        if (nuclear := segment.nuclear()) is not None:
            bonus += np.where(segment.tier[notices] == nuclear, 0.1, 0.0)
        return bonus


def _top(rows: Ids, share: NDArray[np.float64], most: int) -> tuple[Ids, NDArray[np.float64]]:
    if len(rows) > most:
        kept = share >= np.partition(share, -most)[-most]
        rows, share = rows[kept], share[kept]
    order = np.lexsort((rows, -share))
    return rows[order], share[order]


def _flags(where: Iterable[bool]) -> int:
    return sum(1 << place for place, there in enumerate(where) if there)
