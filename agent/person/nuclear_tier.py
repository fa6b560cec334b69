"""The names of the radiological/nuclear tier, of which there are a few thousand: every one is looked at. Pure.

The index gives who shares a token, or nearly one; whoever is disguised in each of his tokens shares none. The tier is
small and what it stands for is not, so that each of its names is laid beside the traveller's in a cheap way, all at
once: each token against each distinct token of the tier by its letters, by its consonants and as an ear takes it down,
in any order, alone or joined with its neighbour, an initial as such. `matching` weighs the best with care.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

from failsafe.agent.person.alignment import plain_weight
from failsafe.agent.person.ear import latin_key
from failsafe.agent.person.evidence import birth_points
from failsafe.agent.person.names import skeleton, squash
from failsafe.agent.person.segment import NoticeName

MOST_NUCLEAR: Final = 20
_NAMES_A_NOTICE: Final = 2
# So many names go on to be ordered by their birth dates too; a point of evidence is worth so much of likeness.
_ORDERED: Final = 120
_EVIDENCE: Final = 0.05
# Names less alike than this are not worth a careful look, and tokens less alike say nothing of each other.
_LOOKED_AT_FROM: Final = 0.6
_ALIKE_FROM: Final = 0.4
_INITIAL: Final = 0.75
_CUT_SHORT: Final = 0.9
_CUT_FROM: Final = 3  # letters
# By what tokens are compared, what such a likeness is worth, and from how many letters on it says anything.
_FORMS: Final[tuple[tuple[Callable[[str], str], float, int], ...]] = (
    (squash, 1.0, 1),
    (latin_key, 0.92, 3),
    (skeleton, 0.88, 2),
)
_JOINED_UP_TO: Final = 4  # letters
_MOST_TOKENS: Final = 12

Likeness = NDArray[np.float32]


class NuclearTier:
    """All names of the tier, made to be compared with one name in two milliseconds. Nothing of it ever changes."""

    def __init__(self, names: Iterable[NoticeName]) -> None:
        self._names = [name for name in names if name.tokens]
        words: dict[str, int] = {}
        own = [[words.setdefault(token, len(words)) for token in _kept(name.tokens)] for name in self._names]
        joined = [
            [words.setdefault(pair, len(words)) if pair else -1 for pair in _joined(name.tokens)]
            for name in self._names
        ]
        self._words = list(words)
        self._forms = [[form(word) for word in words] for form, _, _ in _FORMS]
        self._long = [np.array([len(text) >= least for text in held], np.bool_) for held, least in self._measured()]
        self._first = np.array([ord(word[0]) for word in words], np.uint8)
        self._single = np.array([len(word) == 1 for word in words], np.bool_)
        # The place behind the last word, which is also place -1, is nobody's: what stands there is like nothing.
        width = max(map(len, own), default=1)
        self._own, self._joined = (_table(rows, width, len(words)) for rows in (own, joined))
        self._runs = [_run(name.tokens) for name in self._names]
        weights = np.array([*map(plain_weight, words), 0.0], np.float32)
        self._weights = weights[self._own]
        self._whole = np.maximum(self._weights.sum(axis=1), np.float32(1e-6))

    def __len__(self) -> int:
        return len(self._names)

    def nearest(
        self, tokens: Sequence[str], birth: str | None = None, *, cut: bool = False, most: int = MOST_NUCLEAR
    ) -> list[NoticeName]:
        """The names most like a traveller's, best first, at most two of each notice.

        Args:
            tokens: the traveller's folded name.
            birth: partial ISO date of birth; orders names that are alike and leaves none out.
            cut: the zone had no room for the whole name.
            most: how many notices at most.
        """
        if not tokens or not self._names:
            return []
        share = self._shares(_kept(tokens), cut=cut)
        best = np.argsort(-share, kind="stable")[:_ORDERED]
        ordered = self._by_promise(best[share[best] >= _LOOKED_AT_FROM].tolist(), share, birth)
        found: dict[str, list[NoticeName]] = {}
        for name in ordered:
            if name.entity_id in found or len(found) < most:
                kept = found.setdefault(name.entity_id, [])
                if len(kept) < _NAMES_A_NOTICE:
                    kept.append(name)
        return [name for kept in found.values() for name in kept]

    def _by_promise(self, places: Sequence[int], share: Likeness, birth: str | None) -> list[NoticeName]:
        names = [self._names[place] for place in places]
        points = {births: _EVIDENCE * birth_points(birth, births) for births in {name.births for name in names}}
        promise = [float(share[place]) + points[name.births] for place, name in zip(places, names, strict=True)]
        return [names[number] for number in sorted(range(len(names)), key=lambda number: -promise[number])]

    def _measured(self) -> Iterable[tuple[list[str], int]]:
        return ((held, least) for held, (_, _, least) in zip(self._forms, _FORMS, strict=True))

    # --- how much two names share --------------------------------------------------------------------------------

    def _shares(self, tokens: Sequence[str], *, cut: bool) -> Likeness:
        """Of each name how much of it and of the traveller's has met, 0 to 1; the longer may say more."""
        pairs = _joined(tokens)
        near = self._near([*tokens, *pairs], cut=cut)
        theirs = near.max(axis=0)
        met = theirs[self._joined]
        cover = np.maximum(theirs[self._own], met)
        cover[:, 1:] = np.maximum(cover[:, 1:], met[:, :-1])
        held = (cover * self._weights).sum(axis=1) / self._whole
        # Of each of the traveller's words the best of a name's, alone or joined.
        best = np.maximum.reduce([near[:, place] for place in (*self._own.T, *self._joined.T)])
        mine, both = best[: len(tokens)], best[len(tokens) :]
        if len(pairs):
            mine[:-1] = np.maximum(mine[:-1], both)
            mine[1:] = np.maximum(mine[1:], both)
        weights = np.array([plain_weight(token) for token in tokens], np.float32)
        asked = weights @ mine / weights.sum()
        share: Likeness = (2.0 * np.maximum(held, asked) + np.minimum(held, asked)) / 3.0
        runs = cdist([_run(tokens), _run(tokens[::-1])], self._runs, scorer=OSA.normalized_similarity, dtype=np.float32)
        either: Likeness = np.maximum(share, runs.max(axis=0) ** 1.5)
        return either

    def _near(self, words: Sequence[str], *, cut: bool) -> Likeness:
        """How near each word is to each word of the tier; the last column is nobody's."""
        near = np.zeros((len(words), len(self._words) + 1), np.float32)
        known = near[:, :-1]
        for (form, worth, least), held, long in zip(_FORMS, self._forms, self._long, strict=True):
            asked = [form(word) if word else "" for word in words]
            alike = cdist(asked, held, scorer=OSA.normalized_similarity, dtype=np.float32, score_cutoff=_ALIKE_FROM)
            alike[[place for place, text in enumerate(asked) if len(text) < least]] = 0.0
            np.maximum(known, worth * alike * long, out=known)
        for place, word in enumerate(words):
            if not word:
                known[place] = 0.0
            elif len(word) == 1:
                known[place] = np.where(self._first == ord(word), np.maximum(known[place], _INITIAL), 0.0)
            else:
                known[place, self._single] = np.where(self._first[self._single] == ord(word[0]), _INITIAL, 0.0)
            if cut and len(word) >= _CUT_FROM:
                longer = [number for number, held in enumerate(self._words) if held.startswith(word)]
                known[place, longer] = np.maximum(known[place, longer], _CUT_SHORT)
        return near**1.5


def _kept(tokens: Sequence[str]) -> Sequence[str]:
    return tokens[:_MOST_TOKENS]


def _joined(tokens: Sequence[str]) -> list[str]:
    """Neighbours written as one, where one of them is not long; all of a name as one is compared by itself."""
    return [
        first + second if min(len(first), len(second)) <= _JOINED_UP_TO else ""
        for first, second in pairwise(_kept(tokens))
    ]


def _run(tokens: Sequence[str]) -> str:
    """All tokens as one word, for names that are parted elsewhere."""
    return "".join(map(squash, _kept(tokens)))


def _table(rows: Sequence[Sequence[int]], width: int, nobody: int) -> NDArray[Any]:
    """Rows of one length, filled up with what is nobody's."""
    table = np.full((len(rows), width), nobody, np.int32)
    for number, row in enumerate(rows):
        table[number, : len(row)] = row
    return table
