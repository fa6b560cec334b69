"""The index's question answered by comparing everything with everything, written apart from the index.

No keys, no postings, no filters: each word of the traveller is laid beside every distinct sound, and each name beside
the traveller's. It is what the index's recall is measured against.

What must be found: names that share two words, or one and the day of birth, or one that hardly anybody bears. Two
words meet that sound alike, that are one or two letters off, or of which the one is two of the other name joined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

from failsafe.agent.person.names import PARTICLES, consonants, squash

MOST = 30
RARE = 12


class Exhaustive:
    """All names of `rows`, as `Index.build` takes them."""

    def __init__(self, rows: Iterable[Sequence]) -> None:
        self._rows = [row for row in rows if row[2]]
        self._entities = np.array([row[0] for row in self._rows])
        self._nuclear = np.array([row[1] == "rn" for row in self._rows])
        years = [[int(birth[:4]) for birth in row[4]] for row in self._rows]
        self._first = np.array([min(each, default=-9999) for each in years])
        self._last = np.array([max(each, default=-9999) for each in years])
        numbers: dict[str, int] = {}
        borne = []
        for row in self._rows:
            tokens = row[2].split()
            spelled = [*map(_sound, tokens), *(_sound(pair) for pair in _pairs(tokens))]
            borne.append([numbers.setdefault(text, len(numbers)) for text in spelled])
        self._sounds = list(numbers)
        self._upper = np.array([text.isupper() for text in self._sounds], np.bool_)
        self._bones = np.array([consonants(text).encode() if text.isupper() else b"" for text in self._sounds], "S")
        self._tokens_of: dict[str, set[str]] = {}
        for row in self._rows:
            tokens = row[2].split()
            for token in [*tokens, *_pairs(tokens)]:
                self._tokens_of.setdefault(_sound(token), set()).add(token)
        bearers = Counter(number for row in borne for number in set(row))
        scale = np.log(len(self._rows) + 2.0)
        self._weights = np.array(
            [
                25
                if text.islower()
                else round(62 + 188 * float(np.log((len(self._rows) + 1) / bearers[number]) / scale))
                for number, text in enumerate(self._sounds)
            ]
            + [0],
            np.int32,
        )
        width = max(map(len, borne), default=0)
        self._short = [
            (token, numbers[text])
            for text, tokens in self._tokens_of.items()
            for token in sorted(tokens)
            if 1 < len(token) <= 5 and text.isupper()
        ]
        days = [[_number(*birth.split("-")) for birth in row[4] if len(birth) == 10] for row in self._rows]
        most = max(map(len, days), default=0)
        self._days = np.array([each + [0] * (most - len(each)) for each in days], np.int32)
        matrix = np.array([row + [-1] * (width - len(row)) for row in borne], np.int32)
        self._columns = [np.ascontiguousarray(column) for column in matrix.T]
        self._whole = np.array(
            [
                sum(self._weights[numbers[_sound(token)]] for token in dict.fromkeys(row[2].split()))
                for row in self._rows
            ]
        )
        self._bearers = bearers
        self._number = numbers

    def search(self, tokens: Sequence[str], births: Sequence[str] = (), *, cut: bool = False) -> dict[str, float]:
        """The best share of each of the best notices; of those as good as the last, all."""
        words = [(token, 1) for token in dict.fromkeys(tokens) if len(token) > 1]
        words += [(pair, 2) for pair in dict.fromkeys(_pairs(tokens, longest=99))]
        gained = np.zeros(len(self._rows), np.int64)
        met = np.zeros(len(self._rows), np.int64)
        free = np.zeros(len(self._rows), np.bool_)
        alone = sum(len(token) > 1 and token not in PARTICLES for token in tokens) <= 1
        only_particles = all(word in PARTICLES for word, _ in words)
        for word, times in words:
            close = self._close(word, cut=cut and times == 1, joined=times == 2)
            gains = self._most(close * self._weights)
            gained += times * gains
            touched = gains > 0
            if word in PARTICLES and times == 1 and not only_particles:
                continue
            met += times * touched
            if alone or sum(self._bearers[number] for number in np.flatnonzero(close[:-1]).tolist()) <= RARE:
                free |= touched
        for token in dict.fromkeys(tokens):
            for place in range(5, len(token) - 4):
                head, tail = _sound(token[:place]), _sound(token[place:])
                if head in self._number and tail in self._number:
                    both = self._bears(self._number[head]) & self._bears(self._number[tail])
                    gained += both * 100 * (self._weights[self._number[head]] + self._weights[self._number[tail]])
                    met += 2 * both
                    free |= both & alone
        same_day = np.zeros(len(self._rows), np.bool_)
        if not alone:
            same_day = np.isin(self._days, [day for birth in births for day in _days(birth)]).any(axis=1)
            met += same_day
        asked = sum(self._asked(token) for token in dict.fromkeys(tokens))
        smaller, larger = np.minimum(self._whole, asked), np.maximum(self._whole, asked)
        share = np.minimum(3 * gained / (100 * (2 * smaller + larger)), 1.0)
        share += self._bonus(births) + 0.15 * same_day
        best: dict[str, float] = {}
        for row in np.flatnonzero((met >= 2) | free):
            entity = str(self._entities[row])
            best[entity] = max(best.get(entity, 0.0), float(share[row]))
        floor = sorted(best.values(), reverse=True)[:MOST][-1] if best else 0.0
        return {entity: each for entity, each in best.items() if each >= floor}

    def _most(self, gains: np.ndarray) -> np.ndarray:
        """Of each name the most that one of its sounds brings."""
        most = np.zeros(len(self._rows), np.int32)
        for column in self._columns:
            np.maximum(most, gains.take(column), out=most)  # -1 is the last place, which brings nothing
        return most

    def _bears(self, number: int) -> np.ndarray:
        return np.logical_or.reduce([column == number for column in self._columns])

    def _close(self, word: str, *, cut: bool, joined: bool) -> np.ndarray:
        """How close each sound is, 0 to 100; the last place is for no sound."""
        asked = _sound(word)
        close = np.zeros(len(self._sounds) + 1, np.int32)
        if asked.isupper():
            edits = 0 if len(asked) < 2 else 1 if len(asked) < 7 else 2
            distances = _distances(asked, self._sounds, edits)
            for number in np.flatnonzero((distances <= edits) & self._upper).tolist():
                if len(asked) == 2 != len(self._sounds[number]):
                    continue
                close[number] = 100 - 100 * int(distances[number]) // max(len(asked), len(self._sounds[number]))
            bones = consonants(asked)
            if len(bones) >= 3 and not joined:
                close[:-1] = np.where(self._bones == bones.encode(), np.maximum(close[:-1], 75), close[:-1])
            if len(word) <= 5 and not joined and self._short:
                distances = _distances(word, [token for token, _ in self._short], 1)
                for place in np.flatnonzero(distances <= 1).tolist():
                    token, number = self._short[place]
                    if len(word) > 2 or len(token) == 2:
                        longer = max(len(word), len(token))
                        close[number] = max(close[number], 100 - 100 * int(distances[place]) // longer)
            if cut and len(word) >= 3:
                for number, text in enumerate(self._sounds):
                    if any(token.startswith(word) for token in self._tokens_of[text]):
                        close[number] = max(close[number], 85)
        if asked in self._number:
            close[self._number[asked]] = 100
        if joined:
            close[close < 84] = 0
        return close

    def _asked(self, token: str) -> int:
        number = self._number.get(_sound(token))
        if number is not None and len(token) > 1:
            return int(self._weights[number])
        return 25 if token in PARTICLES or len(token) < 2 else 250

    def _bonus(self, births: Sequence[str]) -> np.ndarray:
        bonus = np.where(self._nuclear, 0.1, 0.0)
        for year in [int(birth[:4]) for birth in births]:
            gap = np.maximum(self._first - year, year - self._last)
            bonus += np.where(gap <= 1, 0.1, np.where(gap <= 3, 0.05, 0.0))
        return bonus


def _distances(word: str, others: Sequence[str], most: int) -> np.ndarray:
    """Letters to change from a word to each of the others; of more than `most` only that they are more."""
    return cdist([word], others, scorer=OSA.distance, dtype=np.uint8, score_cutoff=most)[0]


def missed(found: dict[str, float], held: dict[str, float]) -> tuple[int, int]:
    """How many of the notices that must be found (those better than the last) were not, and how many they are."""
    floor = min(held.values(), default=0.0)
    must = {entity for entity, share in held.items() if share > floor or len(held) <= MOST}
    return len(must - found.keys()), len(must)


def _sound(token: str) -> str:
    return token.lower() if token in PARTICLES else squash(token)


def _pairs(tokens: Sequence[str], longest: int = 4) -> list[str]:
    return [
        one + two
        for one, two in pairwise(tokens)
        if 1 < min(len(one), len(two)) <= longest and not {one, two} <= PARTICLES
    ]


def _days(birth: str) -> list[int]:
    if len(birth) != 10:
        return []
    year, month, day = birth.split("-")
    others = [_number(str(int(year) + off), month, day) for off in (-1, 0, 1)]
    return [*others, _number(year, day, month)]


def _number(year: str, month: str, day: str) -> int:
    return int(year + month + day)
