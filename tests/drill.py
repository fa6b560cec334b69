"""Lessons made by rule: what clerks make of a name, and what makes it another person's.

The development pairs are few, and most of their true pairs are by-names that no spelling explains. These lessons say
what every clerk knows: a slip, a second spelling, a name left out or turned round is the same person; another family
name, given name or father is another one. All of them are invented; the persons are those of `tests.bench.peoples`.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from rapidfuzz.distance import OSA

from tests.bench.papers import in_own_script
from tests.bench.peoples import PEOPLES, Drawn, Humanity

Words = list[str]
Change = Callable[[random.Random, Words], Words]
Lesson = tuple[str, str, bool]

_LATIN: Final = "AEIOUBCDFGHKLMNPRSTVYZ"
_SOUNDS: Final = """
OU-U SH-CH KH-H J-DJ EE-I OO-U Y-I II-Y EI-EY V-W K-C PH-F Z-S Q-K CK-K TH-T DH-D GH-G AI-AY IU-YU IA-YA E-I O-U E-A
TS-C ZH-J X-KS
"""
_LIKE_SOUNDS: Final = tuple(pair.split("-") for pair in _SOUNDS.split())
_TITLES: Final = ("DR", "HAJI", "SHEIKH", "MR", "PRESIDENT", "GENERAL", "COLONEL", "PROF", "ENGINEER", "MULLAH")
# Another name has at least so many letters that are others.
_LEAST_APART: Final = 3
_DRAWN: Final = 6_000
_OWN_SCRIPT: Final = 0.3  # of those whose people have one, so many lessons are in it


def drill(number: int, seed: int) -> Iterator[Lesson]:
    """`number` lessons: two names, and whether they are one person's; about as many true ones as others.

    Raises:
        ValueError: so many cannot be made.
    """
    rng = random.Random(seed)
    persons = list(Humanity(seed, 1_500, 150).persons(_DRAWN))
    names = _Names(persons)
    made = 0
    for person in persons:
        if made == number:
            return
        lesson = _in_own_script(rng, person, names) if rng.random() < _OWN_SCRIPT else None
        lesson = lesson or _in_latin(rng, person, names)
        if lesson is not None and lesson[0] != lesson[1]:
            made += 1
            yield lesson
    if made < number:
        raise ValueError(f"{number} lessons are more than {_DRAWN} persons give.")


def _in_latin(rng: random.Random, person: Drawn, names: _Names) -> Lesson | None:
    words = _words(person)
    if rng.random() < 0.5:
        return " ".join(words), " ".join(_as_clerks_write(rng, words)), True
    other = _another(rng, person, words, names)
    return other and (" ".join(words), " ".join(other), False)


def _words(person: Drawn) -> Words:
    return f"{person.given} {person.surname}".upper().replace("-", " ").split()


# --- the same person -------------------------------------------------------------------------------------------


def _as_clerks_write(rng: random.Random, words: Words) -> Words:
    changed = _way(rng)(rng, words)
    return _way(rng)(rng, changed) if rng.random() < 0.25 else changed


def _slip(rng: random.Random, word: str, letters: str = _LATIN) -> str:
    """One letter lost, added, exchanged, doubled, or two that changed places; one in four may be the first."""
    place = rng.randrange(0 if rng.random() < 0.25 else 1, len(word))
    match rng.choice(("lost", "added", "another", "exchanged", "doubled")):
        case "lost" if len(word) > 3:
            return word[:place] + word[place + 1 :]
        case "added":
            return word[:place] + rng.choice(letters) + word[place:]
        case "exchanged" if place + 1 < len(word):
            return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        case "doubled":
            return word[:place] + word[place] + word[place:]
        case _:
            return word[:place] + rng.choice(letters.replace(word[place], "")) + word[place + 1 :]


def _slipped(rng: random.Random, words: Words, letters: str = _LATIN) -> Words:
    long = [place for place, word in enumerate(words) if len(word) > 3]
    if not long:
        return words
    place = rng.choice(long)
    return [*words[:place], _slip(rng, words[place], letters), *words[place + 1 :]]


def _slipped_twice(rng: random.Random, words: Words) -> Words:
    long = [place for place, word in enumerate(words) if len(word) > 5]
    if not long:
        return _slipped(rng, words)
    place = rng.choice(long)
    return [*words[:place], _slip(rng, _slip(rng, words[place])), *words[place + 1 :]]


def _respelt(rng: random.Random, words: Words) -> Words:
    """One or two of the words as another office spells their sounds."""
    changed = list(words)
    for place in rng.sample(range(len(words)), min(2, len(words))):
        ways = [(old, new) for pair in _LIKE_SOUNDS for old, new in (pair, pair[::-1]) if old in words[place]]
        if ways and len(words[place]) > 2:
            changed[place] = words[place].replace(*rng.choice(ways), 1)
    return changed


def _turned(rng: random.Random, words: Words) -> Words:
    place = rng.randrange(len(words))
    return words[place:] + words[:place]


def _left_out(rng: random.Random, words: Words) -> Words:
    if len(words) < 3:
        return _respelt(rng, words)
    place = rng.randrange(1, len(words) - 1)
    return words[:place] + words[place + 1 :]


def _initial(_: random.Random, words: Words) -> Words:
    return [words[0][0], *words[1:]] if len(words) > 1 and len(words[-1]) > 2 else words


def _joined(rng: random.Random, words: Words) -> Words:
    if len(words) < 2:
        return words
    place = rng.randrange(len(words) - 1)
    return [*words[:place], words[place] + words[place + 1], *words[place + 2 :]]


def _titled(rng: random.Random, words: Words) -> Words:
    return [rng.choice(_TITLES), *words]


_WAYS: Final[tuple[tuple[Change, int], ...]] = (
    (_respelt, 4),
    (_slipped, 3),
    (_left_out, 3),
    (_slipped_twice, 2),
    (_turned, 2),
    (_initial, 1),
    (_joined, 1),
    (_titled, 1),
)


def _way(rng: random.Random) -> Change:
    ways, weights = zip(*_WAYS, strict=True)
    return rng.choices(ways, weights)[0]


# --- another person --------------------------------------------------------------------------------------------


class _Names:
    """Names of each people, to exchange one for another."""

    def __init__(self, persons: Sequence[Drawn]) -> None:
        self._families: dict[int, dict[str, None]] = defaultdict(dict)
        self._givens: dict[int, dict[str, None]] = defaultdict(dict)
        for person in persons:
            *_, family = person.surname.upper().replace("-", " ").split()
            self._families[person.people][family] = None
            self._givens[person.people].update(dict.fromkeys(person.given.upper().replace("-", " ").split()))

    def other(self, rng: random.Random, person: Drawn, word: str, *, family: bool) -> str | None:
        """Another name of the same people and kind: any one, or of sixty the most similar that is another."""
        names = list((self._families if family else self._givens)[person.people])
        drawn = rng.sample(names, min(len(names), rng.choice((3, 60))))
        others = [name for name in drawn if OSA.distance(name, word) >= _LEAST_APART]
        return min(others, key=lambda name: OSA.distance(name, word), default=None)


def _another(rng: random.Random, person: Drawn, words: Words, names: _Names) -> Words | None:
    """The words with one name for another, now and then spelt, turned or shortened besides; or father for son."""
    if PEOPLES[person.people].shape == "arabic" and len(words) > 2 and rng.random() < 0.25:
        words[1:1] = ["BIN"]
        return [words[2], "BIN", words[0], *words[3:]] if words[0] != words[2] else None
    place = len(words) - 1 if rng.random() < 0.45 else rng.randrange(max(1, len(words) - 1))
    other = names.other(rng, person, words[place], family=place == len(words) - 1)
    if other is None:
        return None
    changed = [*words[:place], other, *words[place + 1 :]]
    ways: list[Change | None] = [_respelt, _respelt, _turned, None, None, None, None, None, None]
    if place in (0, len(words) - 1) and len(words) > 3:
        ways.append(_left_out)
    way = rng.choice(ways)
    return changed if way is None else way(rng, changed)


# --- in the script of their people -----------------------------------------------------------------------------


def _in_own_script(rng: random.Random, person: Drawn, names: _Names) -> Lesson | None:
    """One name in the people's own script, the other in it or in Latin; syllables of Han and Hangul slip nowhere."""
    own = in_own_script(person)
    if own is None or not all(own):
        return None
    family, given = own
    whole = f"{family}{given}" if person.syllables else f"{given} {family}"
    latin = _words(person)
    match rng.choice(("slip", "latin", "other latin", "other")):
        case "slip" if not person.syllables:
            words = whole.split()
            return whole, " ".join(_slipped(rng, words, "".join(sorted(set(whole) - {" "})))), True
        case "latin":
            return whole, " ".join(rng.choice((latin, _turned(rng, latin), _respelt(rng, latin)))), True
        case "other latin":
            other = _another(rng, person, latin, names)
            return other and (whole, " ".join(other), False)
        case _:
            return _another_in_script(rng, person, whole, names)


def _another_in_script(rng: random.Random, person: Drawn, whole: str, names: _Names) -> Lesson | None:
    *rest, last = person.syllables or person.given.split()
    other = names.other(rng, person, last.upper(), family=False)
    if other is None:
        return None
    given = [*rest, other.lower()]
    stranger = Drawn(
        person.number, person.people, person.surname, " ".join(given), person.birth, person.sex, person.nationality,
        tuple(given) if person.syllables else (),
    )  # fmt: skip
    own = in_own_script(stranger)
    if own is None or not all(own):
        return None
    written = f"{own[0]}{own[1]}" if person.syllables else f"{own[1]} {own[0]}"
    return whole, written, False
