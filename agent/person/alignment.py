"""Two names laid beside each other, token by token, whatever script and order they came in. Pure.

Each token is used once, spellings of one sound meet, tokens may be joined, split, cut or an initial, and what is left
over costs. What is made of it in words, `reasons` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from rapidfuzz.distance import OSA

from failsafe.agent.person import cognates
from failsafe.agent.person.names import PARTICLES, skeleton, squash

Weight = Callable[[str], float]

_CLOSE_FROM: Final = 0.6  # tokens less alike than this are different tokens
_COGNATE: Final = 0.93
_TWO_NAMES: Final = 0.8
_JOINED: Final = 0.95
_JOINED_FROM: Final = 0.8


@dataclass(frozen=True, slots=True)
class Pair:
    """Tokens that met: their places on both sides, how alike they are, and in which way."""

    query: tuple[int, ...]
    candidate: tuple[int, ...]
    close: float
    why: str


def plain_weight(token: str) -> float:
    """The weight of a token where nothing is known of how many bear it."""
    if token in PARTICLES:
        return 0.25
    return 0.3 if len(token) == 1 else 0.75 if len(token) <= 3 else 1.0


def align(
    query: Sequence[str], candidate: Sequence[str], weight: Weight = plain_weight, *, cut: bool = False
) -> tuple[float, list[Pair]]:
    """The best way (nearly) to lay two folded names beside each other.

    Args:
        query, candidate: folded tokens.
        weight: of a token, 0 to 1.
        cut: a query token may be the beginning of a longer one.

    Returns:
        A score from 0 to 1, and the pairs of tokens that met. What both sides have left over counts fully against it,
        what only one side has more (a second given name, a father's) counts a third.
    """
    weights = [weight(token) for token in query], [weight(token) for token in candidate]
    pairs = _choose(_possible_pairs(query, candidate, cut=cut), *weights)
    met = gained = 0.0
    left_query, left_candidate = set(range(len(query))), set(range(len(candidate)))
    for pair in pairs:
        heavier = max(_weigh(weights[0], pair.query), _weigh(weights[1], pair.candidate))
        met += heavier
        gained += heavier * pair.close**1.5  # two letters off cost more than twice one letter
        left_query -= set(pair.query)
        left_candidate -= set(pair.candidate)
    left = sorted((_weigh(weights[0], left_query), _weigh(weights[1], left_candidate)))
    whole = met + 1.5 * left[0] + 0.35 * (left[1] - left[0])
    score = gained / whole if whole else 0.0
    if len(pairs) == 1 and max(len(query), len(candidate)) > 1 and (left_query or left_candidate):
        score *= 0.85  # one word in common is not a name in common
    return score, pairs


def _weigh(weights: Sequence[float], places: Iterable[int]) -> float:
    return sum([weights[place] for place in places])


def _possible_pairs(query: Sequence[str], candidate: Sequence[str], *, cut: bool) -> Iterator[Pair]:
    for i, asked in enumerate(query):
        for j, held in enumerate(candidate):
            close, why = _closeness(asked, held)
            if cut and close < 0.9 and len(asked) >= 3 and held.startswith(asked):
                close, why = 0.9, "cut short"
            if close:
                yield Pair((i,), (j,), close, why)
    for i, j, close in _written_as_one(query, candidate):
        yield Pair((i, i + 1), (j,), close, "written as one")
    for j, i, close in _written_as_one(candidate, query):
        yield Pair((i,), (j, j + 1), close, "written as one")


def _written_as_one(parts: Sequence[str], wholes: Sequence[str]) -> Iterator[tuple[int, int, float]]:
    """Where two neighbours of one name stand as one token in the other: the first's place, the token's, how alike."""
    for i, (first, second) in enumerate(pairwise(parts)):
        length = len(first) + len(second)
        for j, whole in enumerate(wholes):
            if len(whole) >= 4 and -2 <= length - len(whole) <= 2:
                close = _JOINED * _closeness(first + second, whole)[0]
                if close > _JOINED_FROM:
                    yield i, j, close


def _choose(pairs: Iterable[Pair], query: Sequence[float], candidate: Sequence[float]) -> list[Pair]:
    """Closest and heaviest first, each token once. On names of a few tokens this is the best sum but for odd cases.

    Args:
        pairs: to choose from.
        query, candidate: the weights of the tokens.
    """

    def worth(pair: Pair) -> float:
        return pair.close * min(_weigh(query, pair.query), _weigh(candidate, pair.candidate))

    chosen = []
    used_query: set[int] = set()
    used_candidate: set[int] = set()
    for pair in sorted(pairs, key=worth, reverse=True):
        if used_query.isdisjoint(pair.query) and used_candidate.isdisjoint(pair.candidate):
            chosen.append(pair)
            used_query.update(pair.query)
            used_candidate.update(pair.candidate)
    return chosen


@lru_cache(maxsize=16384)
def _closeness(first: str, second: str) -> tuple[float, str]:
    """How alike two folded tokens are, and in which way; symmetric, 1 only for equal ones, 0 below the cut."""
    if first == second:
        return 1.0, "the same"
    if len(first) == 1 or len(second) == 1:
        return (0.75, "initial") if first[0] == second[0] else (0.0, "")
    sounds = squash(first), squash(second)
    if sounds[0] == sounds[1]:
        return 0.97, "the same sound written otherwise"
    close = 1.0 - OSA.distance(*sounds) / max(map(len, sounds))
    one_name = cognates.compare(first, second)
    if one_name is False:  # two names that everybody knows, and that are two: their consonants say nothing
        close *= _TWO_NAMES
        return (close, "nearly the same") if close >= _CLOSE_FROM else (0.0, "")
    best, why = max((close, "nearly the same"), (_by_consonants(first, second), "the same consonants"))
    if one_name and best < _COGNATE:
        return _COGNATE, "the same name in another language"
    return (best, why) if best >= _CLOSE_FROM else (0.0, "")


def _by_consonants(first: str, second: str) -> float:
    bones = skeleton(first), skeleton(second)
    if not all(bones):
        return 0.0
    vowelless = _lacks_vowels(first) or _lacks_vowels(second)
    if bones[0] == bones[1]:
        length = len(bones[0])
        return 0.95 if vowelless and length > 1 else 0.88 if length > 2 else 0.76 if length > 1 else 0.0
    if not vowelless:
        return 0.0
    return 0.85 * (1.0 - OSA.distance(*bones) / max(map(len, bones)))


def _lacks_vowels(token: str) -> bool:
    """Arabic and Hebrew words come without most of their vowels."""
    vowels = sum(letter in "AEIOU" for letter in token)
    return vowels == 0 or (len(token) > 3 and vowels / len(token) < 0.2)
