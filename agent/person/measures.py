"""Two names measured against each other: what met, what is left over, how both sound as a whole. Pure.

Each measure has a direction: whether more of it makes two names more alike or less. `likeness` weighs them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA, JaroWinkler

from failsafe.agent.person import cognates, ear
from failsafe.agent.person.alignment import Pair, align, plain_weight
from failsafe.agent.person.compounds import SLIGHT, parted
from failsafe.agent.person.names import skeleton, squash

Tokens = tuple[str, ...]

# Name and direction of each measure: 1, more is more alike; -1, less so; 0, says only which kind of names these are.
MEASURES: Final = (
    ("aligned", 1),
    ("conflict", -1),  # weight that neither side can place in the other, against the lighter name's
    ("rare conflict", -1),  # the same by rarity
    ("heaviest left", -1),
    ("words in conflict", -1),
    ("more of one left", -1),
    ("less of one left", -1),
    ("gained", 1),
    ("met", 1),
    ("rare met", 1),
    ("more of one met", 1),
    ("less of one met", 1),
    ("nearest of the left", 1),
    ("farthest pair", 1),
    ("farthest that met", 1),
    ("mean that met", 1),
    ("heaviest that met", 1),
    ("run of letters", 1),
    ("run of letters from the front", 1),
    ("run of sounds", 1),
    ("run of consonants", 1),
    ("best part", 1),
    ("heard by words", 1),
    ("heard as a run", 1),
    ("own letters", 1),
    ("letters to change", -1),
    ("most letters to change", -1),
    ("words exchanged", -1),
    ("begun alike", 1),
    ("letters", 0),
    ("words of the shorter", 0),
    ("words of the longer", 0),
    ("difference in words", 0),
    ("a by-name", 0),
    ("by table", 0),
    ("scripts", 0),
)
_SLIGHT_WEIGHT: Final = 0.3
# Letters to change that an initial, another first letter, a sound written otherwise, and a cognate count as.
_AN_INITIAL: Final = 0.5
_NO_INITIAL: Final = 2.0
_BY_SOUND: Final = 0.3
_A_COGNATE: Final = 0.8
_PATRONYMIC: Final = frozenset({"BIN", "IBN", "BEN"})
_VOWELS: Final = re.compile("[AEIOUY]+")
_DOUBLED: Final = re.compile(r"(.)\1+")
_CONFOUNDED: Final = str.maketrans("BPVFGKDTZSXJLR", "PPPPKKTTSSSSLL")
_OWN_SCRIPTS: Final = re.compile("[\u0400-\u04ff\u0590-\u06ff\u3040-\u9fff\uac00-\ud7a3]")


@dataclass(frozen=True, slots=True)
class Heard:
    """What only the names as they were written can say, not their folded tokens.

    Attributes:
        by_words, as_a_run: see `ear.alike`.
        own_letters: likeness of two names in one script other than Latin, letter by letter; 1 where it is not so.
        scripts: of two that are not in the same script, the place of the other than Latin in `_SCRIPTS`, from 1.
    """

    by_words: float
    as_a_run: float
    own_letters: float = 1.0
    scripts: int = 0


def hear(query: str, candidate: str) -> Heard:
    """The names as they were written."""
    by_words, as_a_run = ear.alike(ear.keys(query), ear.keys(candidate))
    return Heard(by_words, as_a_run, _own_letters(query, candidate), _scripts(query, candidate))


def hear_tokens(query: Tokens, candidate: Tokens) -> Heard:
    """The same where only folded tokens are known."""
    return Heard(*ear.alike((tuple(map(ear.latin_key, query)),), (tuple(map(ear.latin_key, candidate)),)))


def _own_letters(query: str, candidate: str) -> float:
    if not (_OWN_SCRIPTS.search(query) and _OWN_SCRIPTS.search(candidate)):
        return 1.0
    if _script(query) != _script(candidate):
        return 1.0
    words = [unicodedata.normalize("NFD", text.upper()).split() for text in sorted((query, candidate))]
    return ear.by_words(*words)


_SCRIPTS: Final = ("CYRILLIC", "GREEK", "ARABIC", "HEBREW", "HANGUL", "CJK", "KATAKANA")


def _scripts(query: str, candidate: str) -> int:
    two = {_script(query), _script(candidate)}
    if len(two) < 2:
        return 0
    return max((_SCRIPTS.index(script) + 1 for script in two if script in _SCRIPTS), default=8)


def _script(text: str) -> str:
    letter = next((sign for sign in text if sign.isalpha()), " ")
    return unicodedata.name(letter, "?").split()[0]


# --- measures --------------------------------------------------------------------------------------------------


def measures(
    query: Tokens, candidate: Tokens, heard: Heard, *, by_table: bool = False, cut: bool = False
) -> list[float]:
    """The measures of two folded names, in the order of `MEASURES`; the same whichever of them is asked for.

    Args:
        query, candidate: at least one token each.
        heard: of both.
        by_table: one of them is as a table prints its script, not by ear.
        cut: a query token may be the beginning of a longer one.
    """
    if cut:
        query = _lengthened(query, candidate)
    first, second = sorted((parted(query), parted(candidate)))
    score, pairs = align(first, second, _light)
    left = _Left.of(first, second, pairs)
    masses = [(max(_mass(first, pair.query), _mass(second, pair.candidate)), pair.close) for pair in pairs]
    met = sum(mass for mass, _ in masses)
    gained = sum(mass * close**2 for mass, close in masses)
    whole = _mass(first, range(len(first))), _mass(second, range(len(second)))
    missing = sorted((left.first_mass, left.second_mass))
    parts = sorted((left.first_mass / whole[0], left.second_mass / whole[1]))
    shares = sorted((gained / whole[0], gained / whole[1]))
    closes = [close for _, close in masses]
    near = [worth for worth, _, _ in left.nearest(first, second)]
    return [
        score,
        missing[0] / (min(whole) + 0.1),
        min(left.rarity(first, left.first), left.rarity(second, left.second)),
        left.heaviest(first, second),
        float(min(len(left.first), len(left.second)) + left.exchanged),
        parts[1],
        parts[0],
        gained / (met + 1.5 * missing[0] + 0.35 * (missing[1] - missing[0]) + 1e-9),
        met,
        sum(max(_rarity(first[place]) for place in pair.query) * pair.close**3 for pair in pairs),
        shares[1],
        shares[0],
        max(near, default=0.0),
        min(near, default=min(closes, default=0.0)),
        min(closes, default=0.0),
        sum(mass * close for mass, close in masses) / met if met else 0.0,
        max((mass * close for mass, close in masses), default=0.0),
        *_as_runs(first, second),
        heard.by_words,
        heard.as_a_run,
        heard.own_letters,
        *_changes(first, second, pairs, left),
        float(min(len("".join(first)), len("".join(second)))),
        float(min(len(first), len(second))),
        float(max(len(first), len(second))),
        float(abs(len(first) - len(second))),
        float("ABU" in first or "ABU" in second),
        float(by_table),
        float(heard.scripts),
    ]


def _light(token: str) -> float:
    return _SLIGHT_WEIGHT if token in SLIGHT else plain_weight(token)


def _changes(first: Tokens, second: Tokens, pairs: Sequence[Pair], left: _Left) -> tuple[float, float, float, float]:
    """Letters to change in all and in one word, words that changed places, and the part that begins alike."""
    met = [(_joined(first, pair.query), _joined(second, pair.candidate), pair) for pair in pairs]
    changes = [_to_change(mine, theirs) for mine, theirs, _ in met]
    changes += [_to_change(first[i], second[j]) for _, i, j in left.nearest(first, second)]
    begun = sum(
        min(_mass(first, pair.query), _mass(second, pair.candidate))
        for mine, theirs, pair in met
        if _soft(mine)[:1] == _soft(theirs)[:1]
    )
    lighter = min(_mass(first, range(len(first))), _mass(second, range(len(second))))
    return sum(changes), max(changes, default=0.0), float(_turned(pairs)), begun / lighter


def _joined(tokens: Tokens, places: Sequence[int]) -> str:
    return tokens[places[0]] if len(places) == 1 else "".join(tokens[place] for place in sorted(places))


@lru_cache(maxsize=16384)
def _to_change(first: str, second: str) -> float:
    """Letters to change from one token to the other, by print or, for a little more, by sound."""
    if first == second:
        return 0.0
    if min(len(first), len(second)) == 1:
        return _AN_INITIAL if first[0] == second[0] else _NO_INITIAL
    changed = min(OSA.distance(first, second), OSA.distance(squash(first), squash(second)) + _BY_SOUND)
    return float(min(changed, _A_COGNATE) if cognates.compare(first, second) else changed)


def _turned(pairs: Sequence[Pair]) -> int:
    """How many pairs of tokens stand the other way round; turning the whole name round, as lists do, costs nothing."""
    order = [min(pair.candidate) for pair in sorted(pairs, key=lambda pair: pair.query)]
    ways = (order[place:] + order[:place] for place in range(len(order)))
    return min((sum(after < before for before, after in combinations(way, 2)) for way in ways), default=0)


def resemblance(query: Tokens, candidate: Tokens) -> float:
    """What tells, at little cost, in which of several folded forms two names are most alike."""
    first, second = sorted((parted(query), parted(candidate)))
    score, pairs = align(first, second, _light)
    whole = min(_mass(first, range(len(first))), _mass(second, range(len(second))))
    met = sum(min(_mass(first, pair.query), _mass(second, pair.candidate)) * pair.close**2 for pair in pairs)
    letters = OSA.normalized_similarity("".join(map(squash, first)), "".join(map(squash, second)))
    return score + met / whole + letters + OSA.normalized_similarity(_sound(first), _sound(second))


def _sound(tokens: Tokens) -> str:
    return "".join(map(_soft, tokens))


def _as_runs(first: Tokens, second: Tokens) -> tuple[float, float, float, float, float]:
    letters = "".join(map(squash, first)), "".join(map(squash, second))
    return (
        OSA.normalized_similarity(*letters),
        JaroWinkler.similarity(*letters),
        OSA.normalized_similarity(_sound(first), _sound(second)),
        _similar("".join(map(skeleton, first)), "".join(map(skeleton, second))),
        fuzz.WRatio(" ".join(first), " ".join(second)) / 100.0,
    )


@dataclass(frozen=True, slots=True)
class _Left:
    """Places that met nothing, and their weight; `exchanged`: a father and a son changed places."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    first_mass: float
    second_mass: float
    exchanged: bool

    @classmethod
    def of(cls, first: Tokens, second: Tokens, pairs: Sequence[Pair]) -> _Left:
        mine = tuple(sorted(set(range(len(first))) - {place for pair in pairs for place in pair.query}))
        theirs = tuple(sorted(set(range(len(second))) - {place for pair in pairs for place in pair.candidate}))
        exchanged = _exchanged(first, second)
        return cls(mine, theirs, _mass(first, mine) + exchanged, _mass(second, theirs) + exchanged, exchanged)

    def nearest(self, first: Tokens, second: Tokens) -> list[tuple[float, int, int]]:
        """How near left-over tokens are to one another, and which they are; nearest first, each once."""
        ways = sorted((-_near(first[i], second[j]), i, j) for i in self.first for j in self.second)
        found, used_first, used_second = [], set(), set()
        for worth, i, j in ways:
            if i not in used_first and j not in used_second:
                found.append((-worth, i, j))
                used_first.add(i)
                used_second.add(j)
        return found

    def heaviest(self, first: Tokens, second: Tokens) -> float:
        """The heaviest token left on the side whose heaviest is lighter; 0 where one side has nothing left."""
        sides = (
            max((_weight(side[place]) for place in places), default=0.0) for side, places in self._sides(first, second)
        )
        return min(sides)

    def _sides(self, first: Tokens, second: Tokens) -> tuple[tuple[Tokens, tuple[int, ...]], ...]:
        return (first, self.first), (second, self.second)

    @staticmethod
    def rarity(tokens: Tokens, places: Sequence[int]) -> float:
        return sum(_rarity(tokens[place]) for place in places)


def _mass(tokens: Tokens, places: Sequence[int]) -> float:
    return sum(_weight(tokens[place]) for place in places)


def _lengthened(query: Tokens, candidate: Tokens) -> Tokens:
    """The query with each token that was cut short as the candidate has it whole."""
    whole = list(query)
    for pair in align(query, candidate, cut=True)[1]:
        if pair.why == "cut short":
            whole[pair.query[0]] = candidate[pair.candidate[0]]
    return tuple(whole)


def _exchanged(first: Tokens, second: Tokens) -> bool:
    """Whether A BIN B stands in one name and B BIN A in the other."""
    return any(
        _near(son, theirs[1]) > 0.8 and _near(father, theirs[0]) > 0.8 and _near(son, theirs[0]) < 0.8
        for son, father in _sons(first)
        for theirs in _sons(second)
    )


def _sons(tokens: Tokens) -> list[tuple[str, str]]:
    return [
        (tokens[place - 1], tokens[place + 1]) for place in range(1, len(tokens) - 1) if tokens[place] in _PATRONYMIC
    ]


@lru_cache(maxsize=16384)
def _near(first: str, second: str) -> float:
    """How near two tokens are that are not near enough to meet, 0 to 1."""
    if min(len(first), len(second)) < 2:
        return 0.5 * (first[0] == second[0])
    sounds = squash(first), squash(second)
    letters = 0.35 * OSA.normalized_similarity(*sounds) + 0.15 * JaroWinkler.similarity(*sounds)
    vowels = 0.2 * OSA.normalized_similarity(_VOWELS.sub("A", sounds[0]), _VOWELS.sub("A", sounds[1]))
    soft = 0.15 * OSA.normalized_similarity(_soft(first), _soft(second))
    bones = skeleton(first), skeleton(second)
    certain = 1.0 if min(map(len, bones)) > 1 else 0.6
    near = letters + vowels + soft + 0.15 * certain * _similar(*bones)
    return near if cognates.compare(first, second) is not False else 0.75 * near


@lru_cache(maxsize=8192)
def _soft(token: str) -> str:
    """The token with sounds as one that scripts confound: b and p, g and k, all vowels."""
    soft = _VOWELS.sub("A", squash(token).translate(_CONFOUNDED))
    return _DOUBLED.sub(r"\1", soft.replace("H", "")) or squash(token)


@lru_cache(maxsize=8192)
def _weight(token: str) -> float:
    if token in SLIGHT:
        return _SLIGHT_WEIGHT
    if len(token) == 1:
        return 0.4
    return (0.75 if cognates.common(token) else 1.0) + 0.05 * min(len(token), 8)


def _rarity(token: str) -> float:
    many = token in SLIGHT or cognates.common(token)
    return (0.3 if many else 1.0) * min(len(token), 8) / 6


def _similar(first: str, second: str) -> float:
    return OSA.normalized_similarity(first, second) if first and second else 0.0
