"""Names as a Korean ear takes them down, so that Hangul meets Latin: `제임스` and `James` are both JAMS. Pure.

Hangul writes foreign names by sound, with few sounds: f, v and b are one, z, j and ch another, an r that closes a
syllable is silent, and consonants that stand together get a vowel, ㅡ, between them. A key keeps the consonants that
Hangul can tell apart, and A for any vowels. Latin names are brought to the same by the usual rules of English
spelling, which also evens out how Latin names themselves are written.

Sources: the composition of Hangul syllables is that of the Unicode Standard, section 3.12; the rest is our own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from rapidfuzz.distance import OSA

from failsafe.agent.person.names import fold

Keys = tuple[str, ...]

# By a syllable's number: first consonant, vowel (18 is ㅡ), closing consonant.
_FIRST: Final = ("K", "K", "N", "T", "T", "L", "M", "P", "P", "S", "S", "", "J", "J", "J", "K", "T", "P", "")
_CLOSING: Final = (
    *("", "K", "K", "K", "N", "N", "N", "T", "L", "K", "M", "P", "L", "L"),
    *("P", "L", "M", "P", "P", "T", "T", "N", "T", "T", "K", "T", "P", "T"),
)
_FIRST_SYLLABLE: Final = 0xAC00
_SYLLABLES: Final = 11_172
_CLOSINGS: Final = 28
_VOWELS: Final = 21
_SILENT_VOWEL: Final = 18
_HANGUL: Final = re.compile("[\uac00-\ud7a3]+")
_DOUBLED: Final = re.compile(r"(.)\1+")
# Family names that Latin letters spell with a consonant that Hangul no longer writes, or the other way round.
_FAMILY_NAMES: Final = {"이": ("LA", "A"), "임": ("LAM", "AM"), "유": ("LA", "A"), "노": ("NA", "LA"), "박": ("PAK",)}
_LONGEST_KOREAN_NAME: Final = 4

_ENGLISH: Final = tuple(
    (re.compile(pattern), by_ear)
    for pattern, by_ear in (
        (r"^PS", "S"),
        (r"^KN", "N"),
        (r"^WR", "R"),
        (r"TSCH|TCH", "J"),
        (r"SCH", "S"),
        (r"CH(?=[LR])", "K"),
        (r"CH", "J"),
        (r"SH|TH", "S"),
        (r"PH", "P"),
        (r"GH(?=T)", ""),
        (r"(?<=[AEIOU])GH$", ""),
        (r"GH|CK|QU?", "K"),
        (r"C(?=[EIY])", "S"),
        (r"C", "K"),
        (r"DG|G(?=[EIY])|Z", "J"),
        (r"X", "KS"),
        (r"(?<=[AEIOUY])R(?=[^AEIOUYR]|$)", ""),
        (r"R", "L"),
        (r"NG", "N"),
        (r"[VFB]", "P"),
        (r"D", "T"),
        (r"G", "K"),
        (r"[WH]", ""),
        (r"(?<=[A-Z][A-Z])E$", ""),
        (r"ES$", "S"),
        (r"[AEIOUY]+", "A"),
        (r"(.)\1+", r"\1"),
    )
)


@lru_cache(maxsize=8192)
def latin_key(token: str) -> str:
    """The key of a folded token; may be empty."""
    for pattern, by_ear in _ENGLISH:
        token = pattern.sub(by_ear, token)
    return token


def hangul_key(syllables: str) -> str:
    """The key of a run of Hangul syllables."""
    parts = []
    for sign in syllables:
        number = ord(sign) - _FIRST_SYLLABLE
        if 0 <= number < _SYLLABLES:
            vowel = number // _CLOSINGS % _VOWELS
            parts += [_FIRST[number // (_CLOSINGS * _VOWELS)], "" if vowel == _SILENT_VOWEL else "A"]
            parts.append(_CLOSING[number % _CLOSINGS])
    return _DOUBLED.sub(r"\1", "".join(parts))


def is_hangul(text: str) -> bool:
    """Whether Hangul stands in the text."""
    return _HANGUL.search(text) is not None


def keys(text: str) -> tuple[Keys, ...]:
    """Every way a name may be heard, each a key a word; a Korean family name may be heard in two ways."""
    words = _HANGUL.findall(unicodedata.normalize("NFC", text))
    if not words:
        return (tuple(map(latin_key, fold(text))),)
    if len(words) == 1 and 2 <= len(words[0]) <= _LONGEST_KOREAN_NAME:
        family, given = words[0][0], words[0][1:]
        return tuple((first, hangul_key(given)) for first in _FAMILY_NAMES.get(family, (hangul_key(family),)))
    return (tuple(map(hangul_key, words)),)


def alike(first: Sequence[Keys], second: Sequence[Keys]) -> tuple[float, float]:
    """How alike two names sound, 0 to 1: word by word in any order, and as one run in any rotation."""
    words = max((by_words(mine, theirs) for mine in first for theirs in second), default=0.0)
    runs = max((_as_a_run(mine, theirs) for mine in first for theirs in second), default=0.0)
    return words, runs


def _as_a_run(first: Keys, second: Keys) -> float:
    """The best of both ways round, so that the order of the two names says nothing."""
    ways = [("".join(first), "".join(turned)) for turned in _rotations(second)]
    ways += [("".join(turned), "".join(second)) for turned in _rotations(first)]
    return max((_similar(mine, theirs) for mine, theirs in ways), default=0.0)


def _rotations(words: Keys) -> list[Keys]:
    return [words[place:] + words[:place] for place in range(len(words))]


def by_words(first: Sequence[str], second: Sequence[str]) -> float:
    """The squares of the similarities of words that meet, each word once, by their lengths; 0 to 1."""
    ways = sorted(
        (
            (_similar(mine, theirs) * min(len(mine), len(theirs)), i, j)
            for i, mine in enumerate(first)
            for j, theirs in enumerate(second)
        ),
        key=lambda way: (-way[0], min(way[1:]), max(way[1:])),
    )
    met = whole = 0.0
    left_first, left_second = set(range(len(first))), set(range(len(second)))
    for worth, i, j in ways:
        if worth > 0.0 and i in left_first and j in left_second:
            longer = max(len(first[i]), len(second[j]))
            met += longer * _similar(first[i], second[j]) ** 2
            whole += longer
            left_first.remove(i)
            left_second.remove(j)
    left = max(sum(len(first[i]) for i in left_first), sum(len(second[j]) for j in left_second))
    return met / (whole + 0.35 * left) if whole else 0.0


def _similar(first: str, second: str) -> float:
    return OSA.normalized_similarity(first, second) if first and second else 0.0
