"""A part of the index: the names of some notices in arrays, with no object for each of them. Pure.

A segment is built once from rows and never changed. What stands in it by position:

- token: a distinct folded token or two neighbours written as one; tokens stand in the order of the alphabet;
- sound: a distinct form by which tokens meet, with its weight and the rows that bear it (a *posting*);
- row: one name of one notice, as its tokens in their order, then its joined neighbours, where one of them is short:
  longer ones are looked for as joined or parted where a traveller's are;
- notice: the ids, births, tier and sex that rows share, by the number that the mirror gave it.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from failsafe.agent.person.names import PARTICLES
from failsafe.agent.person.vocabulary import (
    SPELLED_UP_TO,
    Buckets,
    Closeness,
    Ids,
    Texts,
    Vocabulary,
    beginnings,
    merged_near,
    sound,
    sounds_of,
    spelled_keys,
    spelled_near,
)

IndexRow = tuple[str, str, str, str, Sequence[str], str]  # entity_id, tier, tokens, kind, births, sex

# Weights lie between these: of a particle or a token that everybody bears, and of one that nobody shares.
PARTICLE_WEIGHT: Final = 25
LEAST_WEIGHT: Final = 62
MOST_WEIGHT: Final = 250
PREFIX_FROM: Final = 3
PREFIX_CLOSENESS: Final = 85
JOINED_CLOSENESS: Final = 84  # below it the aligner takes them for two
NO_YEAR: Final = -9999
_MOST_TOKENS: Final = 255
_JOINED_UP_TO: Final = 4  # letters of a syllable that scripts and clerks join to its neighbour
_PART_FROM: Final = _JOINED_UP_TO + 1  # letters of each of two names written as one that stand apart on the notice
_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)")


@dataclass(frozen=True, slots=True)
class NoticeName:
    """One name of a notice as the index holds it; `tokens` are folded."""

    entity_id: str
    tier: str
    tokens: tuple[str, ...]
    kind: str
    births: tuple[str, ...]
    sex: str


def joined(tokens: Sequence[str]) -> list[str]:
    """Neighbours written as one, where one of them is short enough that clerks do so (Xi Jin Ping, Abd Allah).

    Two particles in a row are no name: everybody of a country may bear them.
    """
    return [
        first + second
        for first, second in pairwise(tokens)
        if 1 < min(len(first), len(second)) <= _JOINED_UP_TO and not (first in PARTICLES and second in PARTICLES)
    ]


def neighbours(tokens: Sequence[str]) -> list[str]:
    """All neighbours of a traveller's name written as one, however long."""
    return [
        first + second
        for first, second in pairwise(tokens)
        if min(len(first), len(second)) > 1 and not (first in PARTICLES and second in PARTICLES)
    ]


def partings(token: str) -> list[tuple[str, str]]:
    """The ways to read a long token as two names of which the index holds no joined form."""
    return [(token[:place], token[place:]) for place in range(_PART_FROM, len(token) - _PART_FROM + 1)]


def weigh(bearers: NDArray[Any], names: int) -> NDArray[np.uint8]:
    """The weight of sounds that so many of `names` names bear."""
    rarity = np.log((names + 1.0) / np.maximum(bearers, 1)) / np.log(names + 2.0)
    weights = LEAST_WEIGHT + (MOST_WEIGHT - LEAST_WEIGHT) * rarity
    clipped: NDArray[np.uint8] = np.clip(np.rint(weights), LEAST_WEIGHT, MOST_WEIGHT).astype(np.uint8)
    return clipped


@dataclass(frozen=True, slots=True)
class Segment:
    """Names of notices by their sounds; make one with `Segment.build`."""

    tokens: Texts
    bearers: NDArray[np.uint32]  # rows, of each token
    sound_of: Ids  # of each token
    spelled: Buckets  # short tokens
    vocabulary: Vocabulary
    weights: NDArray[np.uint8]  # of each sound
    posting: NDArray[np.uint32]
    rows_of: Ids  # rows_of[posting[s]:posting[s + 1]] bear sound s
    row_start: NDArray[np.uint32]
    cells: Ids  # cells[row_start[r]:row_start[r + 1]] are the tokens of row r
    row_own: NDArray[np.uint8]  # how many of them are its own, not joined
    row_weight: NDArray[np.uint16]
    row_kind: NDArray[np.uint8]
    row_notice: Ids
    entity_ids: Texts
    births: Texts  # of each notice, parted by blanks
    first_year: NDArray[np.int16]
    last_year: NDArray[np.int16]
    tier: NDArray[np.uint8]
    sex: NDArray[np.uint8]
    number: NDArray[np.int64]  # that the mirror gave the notice
    days: NDArray[np.uint64]  # of birth, as 20261122 << 32 | notice, sorted
    words: Texts  # what kinds, tiers and sexes are called
    notice_start: NDArray[np.uint32] = field(init=False)  # of each notice's rows; follows from `row_notice`

    def __post_init__(self) -> None:
        bounds = np.flatnonzero(np.diff(self.row_notice, prepend=-1, append=len(self.number)))
        object.__setattr__(self, "notice_start", bounds.astype(np.uint32))

    @classmethod
    def build(cls, rows: Iterable[tuple[int, IndexRow]], beside: Segment | None = None) -> Segment:
        """A segment over names as `Mirror.numbered()` gives them; a name without tokens is left out.

        Args:
            rows: names with their notices' numbers; those of one notice stand together.
            beside: the segment that this one will be searched with; what is common there is common here.
        """
        return _Builder(beside).take(rows).finish()

    def __len__(self) -> int:
        return len(self.row_own)

    def token(self, text: str) -> int | None:
        """The number of a token."""
        asked = text.encode()
        first = next(beginnings(self.tokens, asked), None)
        return first if first is not None and self.tokens[first] == asked else None

    def borne_by(self, text: str) -> int:
        """How many names bear this token."""
        number = self.token(text)
        return 0 if number is None else int(self.bearers[number])

    def near(self, token: str, *, cut: bool, joined: bool = False) -> tuple[Ids, Closeness]:
        """The sounds that may be `token` written otherwise; with `cut`, also those it may be the beginning of.

        Of neighbours that are `joined` the consonants alone say nothing, and two letters little: one of the two may
        have no more.
        """
        ids, close = self.vocabulary.near(sound(token), by_consonants=not joined)
        if joined:
            near = close >= JOINED_CLOSENESS
            return ids[near], close[near]
        if len(token) <= SPELLED_UP_TO and token not in PARTICLES:
            spelled, closer = spelled_near(self.tokens, self.spelled, token)
            ids, close = merged_near(ids, close, self.sound_of[spelled], closer)
        if cut and len(token) >= PREFIX_FROM and token not in PARTICLES:
            longer = np.fromiter(beginnings(self.tokens, token.encode()), np.int32)
            ids, close = merged_near(ids, close, self.sound_of[longer], PREFIX_CLOSENESS)
        return ids, close

    def parts(self, head: str, tail: str) -> tuple[int, int] | None:
        """The sounds of two names, where both are borne by somebody."""
        first = self.vocabulary.find(sound(head))
        second = None if first is None else self.vocabulary.find(sound(tail))
        return None if first is None or second is None else (first, second)

    def bearing_both(self, first: int, second: int) -> Ids:
        """The rows that bear two sounds."""
        rarer, other = sorted(
            (self.rows_of[self.posting[each] : self.posting[each + 1]] for each in (first, second)), key=len
        )
        place = np.minimum(np.searchsorted(other, rarer), len(other) - 1)
        return rarer[other[place] == rarer] if len(other) else rarer

    def born_on(self, days: Iterable[int]) -> Ids:
        """The rows of all notices with one of these dates of birth (20261122)."""
        bounds = np.array([(day << 32, (day + 1) << 32) for day in days], np.uint64).reshape(-1, 2)
        places = np.searchsorted(self.days, bounds).tolist()
        born = np.concatenate([self.days[first:last] for first, last in places] or [self.days[:0]])
        return self._rows(born.astype(np.uint32).view(np.int32))

    def _rows(self, notices: NDArray[Any]) -> Ids:
        """A notice's rows stand together, and notices in the order of their rows."""
        first = self.notice_start[notices].astype(np.int64)
        counts = self.notice_start[notices + 1] - first
        begins = np.cumsum(counts) - counts
        rows: NDArray[np.int64] = np.arange(int(counts.sum())) + np.repeat(first - begins, counts)
        return rows.astype(np.int32)

    def bearing(self, sounds: Ids) -> Ids:
        """The rows of some sounds; a row that bears two of them comes twice."""
        parts = [
            self.rows_of[first:last]
            for first, last in zip(self.posting[sounds].tolist(), self.posting[sounds + 1].tolist(), strict=True)
        ]
        return np.concatenate(parts) if parts else self.rows_of[:0]

    def mass(self, sounds: Ids) -> int:
        """How many rows `bearing` would give."""
        return int((self.posting[sounds + 1] - self.posting[sounds]).sum(dtype=np.int64))

    def nuclear(self) -> int | None:
        """What stands in `tier` for the nuclear one."""
        return next((place for place in range(len(self.words)) if self.words[place] == b"rn"), None)

    def entity_id(self, row: int) -> str:
        """Of the notice whose name stands in this row."""
        return self.entity_ids[self.row_notice[row]].decode()

    def name(self, row: int) -> NoticeName:
        """One row, read."""
        notice = self.row_notice[row]
        start = int(self.row_start[row])
        return NoticeName(
            entity_id=self.entity_ids[notice].decode(),
            tier=self.words[self.tier[notice]].decode(),
            tokens=tuple(
                token.decode() for token in self.tokens.several(self.cells[start : start + int(self.row_own[row])])
            ),
            kind=self.words[self.row_kind[row]].decode(),
            births=tuple(self.births[notice].decode().split()),
            sex=self.words[self.sex[notice]].decode(),
        )

    def names_of(self, notices: NDArray[np.bool_]) -> int:
        """How many names the marked notices have."""
        marked = np.flatnonzero(notices)
        return int((self.notice_start[marked + 1] - self.notice_start[marked]).sum())

    def nuclear_names(self, gone: NDArray[np.bool_] | None = None) -> Iterator[NoticeName]:
        """The names of the nuclear tier's notices, without those that are gone."""
        notices = np.flatnonzero(self.tier == self.nuclear()) if self.nuclear() is not None else np.empty(0, np.intp)
        if gone is not None:
            notices = notices[~gone[notices]]
        yield from map(self.name, self._rows(notices).tolist())

    def rows(self, gone: NDArray[np.bool_] | None = None) -> Iterator[tuple[int, IndexRow]]:
        """What the segment was built from, without the notices that are gone: for the merge of two segments."""
        for row in range(len(self)):
            notice = self.row_notice[row]
            if gone is None or not gone[notice]:
                name = self.name(row)
                line = (name.entity_id, name.tier, " ".join(name.tokens), name.kind, name.births, name.sex)
                yield int(self.number[notice]), line


def years(births: Sequence[str]) -> list[int]:
    """The years of partial ISO dates."""
    return [int(birth[:4]) for birth in births if birth[:4].isdecimal()]


def days(births: Iterable[str]) -> Iterator[tuple[int, int, int]]:
    """Year, month and day of those ISO dates that have all three."""
    for birth in births:
        if whole := _DATE.fullmatch(birth):
            year, month, day = map(int, whole.groups())
            yield year, month, day


def day_number(year: int, month: int, day: int) -> int:
    """20261122: how `Segment.born_on` is asked."""
    return (year * 100 + month) * 100 + day


class _Builder:
    """Rows go in one by one, arrays come out."""

    def __init__(self, beside: Segment | None) -> None:
        self._beside = beside
        self._numbers: dict[str, int] = {}  # of tokens, as they came
        self._words: dict[str, int] = {}
        self._cells, self._row_start, self._row_own = array("i"), array("I", [0]), array("B")
        self._row_kind, self._row_notice = array("B"), array("i")
        self._twice: list[tuple[int, int]] = []  # row, token that the row's name has once more
        self._entity_ids, self._births = bytearray(), bytearray()
        self._entity_start, self._births_start = array("I", [0]), array("I", [0])
        self._first, self._last = array("h"), array("h")
        self._tier, self._sex, self._number = array("B"), array("B"), array("q")
        self._days = array("Q")
        self._dated: dict[str, tuple[bytes, list[int], int, int]] = {}  # births: written, days, first and last year

    def take(self, rows: Iterable[tuple[int, IndexRow]]) -> _Builder:
        before: object = None
        for number, (entity_id, tier, text, kind, births, sex) in rows:
            tokens = text.split()[:_MOST_TOKENS]
            if not tokens:
                continue
            notice = (number, entity_id, tier, births, sex)
            if notice != before:
                self._add_notice(*notice)
                before = notice
            self._add_row(tokens, kind)
        return self

    def _add_notice(self, number: int, entity_id: str, tier: str, births: Sequence[str], sex: str) -> None:
        written = " ".join(births)
        dated = self._dated.get(written)
        if dated is None:  # a hundred years have fewer days than a large list has dates
            dated = self._dated[written] = _dated(births)
        letters, whole, first, last = dated
        self._days.extend([day << 32 | len(self._number) for day in whole])
        self._number.append(number)
        self._entity_ids += entity_id.encode()
        self._entity_start.append(len(self._entity_ids))
        self._births += letters
        self._births_start.append(len(self._births))
        self._first.append(first)
        self._last.append(last)
        self._tier.append(self._word(tier))
        self._sex.append(self._word(sex))

    def _add_row(self, tokens: Sequence[str], kind: str) -> None:
        numbers = self._numbers
        own = [numbers.setdefault(token, len(numbers)) for token in tokens]
        if len(set(own)) < len(own):
            row = len(self._row_own)
            self._twice += [(row, number) for place, number in enumerate(own) if number in own[:place]]
        self._cells.extend(own)
        if min(map(len, tokens)) <= _JOINED_UP_TO:
            self._cells.extend([numbers.setdefault(pair, len(numbers)) for pair in joined(tokens)])
        self._row_own.append(len(tokens))
        self._row_start.append(len(self._cells))
        self._row_kind.append(self._word(kind))
        self._row_notice.append(len(self._number) - 1)

    def _word(self, text: str) -> int:
        return self._words.setdefault(text, len(self._words))

    def finish(self) -> Segment:
        tokens, place = self._alphabetical()
        cells = place[_array(self._cells)] if len(place) else _array(self._cells)
        self._cells = array("i")
        row_start, row_own = _array(self._row_start), _array(self._row_own)
        sound_of, sounds = _heard(tokens)
        vocabulary = Vocabulary.of(sounds)
        lengths = np.diff(row_start)
        posting, rows_of = _invert(sound_of[cells], lengths, len(sounds))
        bearers = np.diff(_invert(cells, lengths, len(tokens))[0])
        weights = self._weigh(sounds, np.diff(posting))
        return Segment(
            tokens=tokens,
            bearers=bearers,
            sound_of=sound_of,
            spelled=spelled_keys(tokens),
            vocabulary=vocabulary,
            weights=weights,
            posting=posting,
            rows_of=rows_of,
            row_start=row_start,
            cells=cells,
            row_own=row_own,
            row_weight=self._weigh_rows(weights[sound_of[cells]], row_start, row_own, weights, sound_of[place]),
            row_kind=_array(self._row_kind),
            row_notice=_array(self._row_notice),
            entity_ids=Texts(bytes(self._entity_ids), _array(self._entity_start)),
            births=Texts(bytes(self._births), _array(self._births_start)),
            first_year=_array(self._first),
            last_year=_array(self._last),
            tier=_array(self._tier),
            sex=_array(self._sex),
            number=_array(self._number),
            days=np.sort(_array(self._days)),
            words=Texts.of(word.encode() for word in self._words),
        )

    def _alphabetical(self) -> tuple[Texts, Ids]:
        """The tokens in order, and where each went; the sort runs outside the interpreter, so that verdicts go on."""
        if not self._numbers:
            return Texts.of(()), np.empty(0, np.int32)
        spelled = np.array([token.encode() for token in self._numbers], "S")
        self._numbers = {}  # of a million notices it is a fifth of all memory
        order = np.argsort(spelled, kind="stable")
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        return Texts.of(spelled[order].tolist()), place

    def _weigh(self, sounds: Sequence[bytes], bearers: NDArray[np.uint32]) -> NDArray[np.uint8]:
        names = len(self._row_own)
        if self._beside is not None and len(self._beside):
            names += len(self._beside)
            beside, found = self._beside.posting, self._beside.vocabulary.find_all(Texts.of(sounds))
            bearers = bearers + np.where(found < 0, 0, beside[found + 1] - beside[found]).astype(np.uint32)
        weights = weigh(bearers, names)
        weights[[number for number, text in enumerate(sounds) if text.islower()]] = PARTICLE_WEIGHT
        return weights

    def _weigh_rows(
        self,
        of_cells: NDArray[np.uint8],
        row_start: NDArray[np.uint32],
        row_own: NDArray[np.uint8],
        weights: NDArray[np.uint8],
        sound_as_came: Ids,
    ) -> NDArray[np.uint16]:
        """The weight of each name: of its own tokens, each once."""
        total = np.zeros(len(of_cells) + 1, np.int64)
        np.cumsum(of_cells, out=total[1:])
        first = row_start[:-1].astype(np.int64)
        row_weight: NDArray[np.int64] = total[first + row_own] - total[first]
        for row, number in self._twice:
            row_weight[row] -= weights[sound_as_came[number]]
        return row_weight.astype(np.uint16)


def _dated(births: Sequence[str]) -> tuple[bytes, list[int], int, int]:
    known = years(births) or [NO_YEAR]
    return " ".join(births).encode(), [day_number(*day) for day in days(births)], min(known), max(known)


def _heard(tokens: Texts) -> tuple[Ids, list[bytes]]:
    """The sound of each token by its number, and the sounds, each once, in the order of the tokens."""
    numbers: dict[str, int] = {}
    heard = sounds_of([token.decode() for token in tokens.several(np.arange(len(tokens), dtype=np.int32))])
    sound_of = np.fromiter((numbers.setdefault(each, len(numbers)) for each in heard), np.int32, len(tokens))
    return sound_of, [each.encode() for each in numbers]


def _array(held: array[int]) -> NDArray[Any]:
    return np.frombuffer(held, np.dtype(held.typecode))


def _invert(values: Ids, lengths: NDArray[np.uint32], distinct: int) -> tuple[NDArray[np.uint32], Ids]:
    """Rows by what they bear, each once: start of each value's rows, and the rows."""
    packed = values.astype(np.uint64) << np.uint64(32)
    packed |= np.repeat(np.arange(len(lengths), dtype=np.uint32), lengths)
    packed.sort()
    first = np.ones(len(packed), np.bool_)
    first[1:] = packed[1:] != packed[:-1]
    packed = packed[first]
    start = np.zeros(distinct + 1, np.uint32)
    np.cumsum(np.bincount((packed >> np.uint64(32)).astype(np.int32), minlength=distinct), out=start[1:])
    return start, packed.astype(np.uint32).view(np.int32)
