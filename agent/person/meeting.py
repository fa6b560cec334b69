"""How two words of names met, in words that an officer reads. Pure."""

from __future__ import annotations

from typing import Final

from rapidfuzz.distance import OSA, Levenshtein

from failsafe.agent.person.alignment import Pair
from failsafe.agent.person.names import skeleton, squash
from failsafe.agent.person.spelling import VOWELLESS, Written, plain

SAME: Final = "the same"
TRANSLITERATION: Final = "transliteration"
BY_EAR: Final = "the same by ear"
MISREAD: Final = "misreading of letters that look alike"
ONE_LETTER: Final = "one letter apart"
EXCHANGED: Final = "two neighbouring letters exchanged"
CONSONANTS: Final = "the same consonants"
SHORTER: Final = "a shorter form"
NEARLY: Final = "nearly the same"
INITIAL: Final = "initial"
CUT: Final = "cut off by the zone"
JOINED: Final = "written as one word"
OTHER_LANGUAGE: Final = "the other language's form of the name"
ACROSS_ONE_LETTER: Final = "transliteration, one letter apart"
ACROSS_VOWELS: Final = "transliteration, vowels not written"
ACROSS_NEARLY: Final = "transliteration, nearly the same"

# What the aligner has told already.
_TOLD: Final = {
    "initial": INITIAL,
    "cut short": CUT,
    "written as one": JOINED,
    "the same name in another language": OTHER_LANGUAGE,
}
_ACROSS: Final = {
    SAME: TRANSLITERATION,
    BY_EAR: TRANSLITERATION,
    ONE_LETTER: ACROSS_ONE_LETTER,
    EXCHANGED: ACROSS_ONE_LETTER,
    CONSONANTS: ACROSS_NEARLY,
    NEARLY: ACROSS_NEARLY,
    SHORTER: ACROSS_NEARLY,
}
# Each group looks alike on a worn zone or under glare; only what readers confuse is named.
_ALIKE: Final = ("OQD", "ILT", "IJL", "CG", "EF", "PR", "PF", "BR", "HN", "MN", "KX", "VY", "UV")
_ALIKE_PAIRS: Final = frozenset({frozenset((a, b)) for group in _ALIKE for a in group for b in group if a != b})
_DIGITS: Final = str.maketrans("0158264", "OISBZGA")
_MOST_MISREAD: Final = 2


def meeting(pair: Pair, query: Written, candidate: Written, *, across: bool) -> str:
    """How the words of a pair met, in plain words.

    Args:
        across: the two sides stand in different scripts.
    """
    first = "".join(query.tokens[place] for place in pair.query)
    second = "".join(candidate.tokens[place] for place in pair.candidate)
    if _digits_for_letters(query.word(pair.query), second) or _digits_for_letters(
        candidate.word(pair.candidate), first
    ):
        return MISREAD
    told = _TOLD.get(pair.why)
    if told == JOINED and query.words(pair.query) == candidate.words(pair.candidate) == 1:
        told = None  # one word on either side: only its transliteration has more tokens
    vowelless = bool({query.script(pair.query), candidate.script(pair.candidate)} & VOWELLESS)
    if across and told == OTHER_LANGUAGE and OSA.distance(squash(first), squash(second)) <= 1:
        told = None  # spelled otherwise, and no more
    # One name, and only its vowels differ: what the script hides is not another language's.
    if across and vowelless and told in (None, OTHER_LANGUAGE) and _hidden_vowels(first, second):
        return ACROSS_VOWELS
    if told:
        return told
    way = _by_letters(first, second, pair.why)
    if way == BY_EAR and (query.could_be(pair.query, second) or candidate.could_be(pair.candidate, first)):
        return TRANSLITERATION
    return _ACROSS.get(way, way) if across else way


def _by_letters(first: str, second: str, found: str) -> str:
    if first == second:
        return SAME
    if squash(first) == squash(second):
        return BY_EAR
    if _look_alike(first, second):
        return MISREAD
    if OSA.distance(first, second) == 1 or OSA.distance(squash(first), squash(second)) == 1:
        exchanged = OSA.distance(first, second) == 1 < Levenshtein.distance(first, second)
        return EXCHANGED if exchanged else ONE_LETTER
    if min(len(first), len(second)) > 2 and (first.startswith(second) or second.startswith(first)):
        return SHORTER
    return CONSONANTS if found == CONSONANTS else NEARLY


def _hidden_vowels(first: str, second: str) -> bool:
    return first[0] == second[0] and squash(first) != squash(second) and skeleton(first) == skeleton(second) != ""


def _look_alike(first: str, second: str) -> bool:
    """Whether all that differs is one or two letters for others that look like them."""
    if len(first) != len(second):
        return first.replace("RN", "M") == second.replace("RN", "M")
    other = [frozenset(pair) for pair in zip(first, second, strict=True) if pair[0] != pair[1]]
    return 0 < len(other) <= min(_MOST_MISREAD, len(first) // 3) and _ALIKE_PAIRS.issuperset(other)


def _digits_for_letters(word: str, other: str) -> bool:
    """Whether a word with digits in it is the other one as soon as they are read as the letters they look like."""
    shown = plain(word)
    return any(map(str.isdigit, shown)) and shown.translate(_DIGITS).replace(" ", "") == other
