"""Invented populations for measuring: heavy-tailed names, listed persons, travellers, and known disguises.

The disguises are made by rules of clerks and keyboards, written apart from the matcher's own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

_ONSET_WORDS = "b br ch d dr f g gh h j k kh kr l m n p r s sh sht t ts v w y z zh"
_ONSETS = _ONSET_WORDS.split()
_VOWELS = ["a", "a", "a", "e", "e", "i", "i", "o", "o", "u", "ou", "ie", "ya"]
_CODAS = ["", "", "", "n", "r", "l", "m", "s", "k", "t", "d", "sh", "v", "ng"]
_ENDINGS = ["", "", "ov", "ev", "ian", "i", "zadeh", "enko", "ez", "sson", "ullah", "uddin"]
_SOUNDS = [
    ("kh", "h"),
    ("sh", "sch"),
    ("ou", "u"),
    ("v", "w"),
    ("y", "i"),
    ("i", "y"),
    ("k", "q"),
    ("zh", "j"),
    ("ie", "ye"),
]


@dataclass(frozen=True)
class Invented:
    """An invented person."""

    entity_id: str
    surname: str
    given: str
    birth: str
    sex: str
    tier: str = "red"

    @property
    def tokens(self) -> str:
        """The name folded as the mirror keeps it."""
        return f"{self.surname} {self.given}".upper().replace("-", " ")


class Population:
    """Names of two heavy-tailed sets, so that some are everybody's and most are nearly nobody's."""

    def __init__(self, seed: int, surnames: int = 30_000, givens: int = 8_000) -> None:
        self._random = random.Random(seed)
        self._surnames = self._words(surnames, endings=True)
        self._givens = self._words(givens, endings=False)
        self._by_surname = list(accumulate(1 / (place + 20) for place in range(surnames)))
        self._by_given = list(accumulate(1 / (place + 8) for place in range(givens)))

    @classmethod
    def large(cls, seed: int, persons: int) -> Population:
        """As many different names as a list of so many persons has: a surname for four, a given name for sixteen."""
        return cls(seed, max(persons // 4, 400), max(persons // 16, 100))

    def persons(self, count: int, prefix: str = "2026/") -> list[Invented]:
        """`count` persons; about one in seven hundred is of the nuclear tier."""
        return [self._person(f"{prefix}{number}") for number in range(count)]

    def disguise(self, person: Invented) -> Invented:
        """The same person as another clerk wrote them: another spelling, an order, a date that errs."""
        surname, given, birth = person.surname, person.given, person.birth
        for _ in range(self._random.choice((1, 1, 2))):
            match self._random.randrange(6):
                case 0 | 1:
                    surname = self._respell(surname)
                case 2:
                    given = self._respell(given)
                case 3:
                    surname, given = given, surname
                case 4:
                    given = given.split()[0]
                case 5:
                    surname = surname.replace(" ", "") if " " in surname else self._slip(surname)
        if self._random.random() < 0.2:
            birth = birth[:4] if self._random.random() < 0.5 else f"{int(birth[:4]) + 1}{birth[4:]}"
        return replace(person, surname=surname, given=given, birth=birth)

    def rows(self, persons: list[Invented]) -> Iterator[tuple[str, str, str, str, tuple[str, ...], str]]:
        """Rows of the mirror, an alias for each person: twice as many names as persons."""
        for person in persons:
            yield person.entity_id, person.tier, person.tokens, "main", (person.birth,), person.sex
            alias = replace(person, surname=self._respell(person.surname))
            yield person.entity_id, person.tier, alias.tokens, "good_alias", (person.birth,), person.sex

    def _person(self, entity_id: str) -> Invented:
        given = self._pick(self._givens, self._by_given)
        if self._random.random() < 0.4:
            given += " " + self._pick(self._givens, self._by_given)
        surname = self._pick(self._surnames, self._by_surname)
        if self._random.random() < 0.15:
            surname = self._random.choice(("al", "de", "van", "bin")) + " " + surname
        year = int(self._random.triangular(1940, 2008, 1985))
        birth = f"{year}-{self._random.randint(1, 12):02}-{self._random.randint(1, 28):02}"
        tier = "rn" if self._random.random() < 0.0015 else self._random.choice(("red", "green", "blue"))
        return Invented(entity_id, surname, given, birth, self._random.choice("MF"), tier)

    def _words(self, count: int, *, endings: bool) -> list[str]:
        words: dict[str, None] = {}
        while len(words) < count:
            syllables = (
                self._random.choice(_ONSETS) + self._random.choice(_VOWELS) + self._random.choice(_CODAS)
                for _ in range(self._random.choice((1, 2, 2, 3) if not endings else (1, 2, 2)))
            )
            word = "".join(syllables) + (self._random.choice(_ENDINGS) if endings else "")
            if len(word) > 2:
                words[word] = None
        return list(words)

    def _pick(self, words: list[str], weights: list[float]) -> str:
        return self._random.choices(words, cum_weights=weights)[0]

    def _respell(self, word: str) -> str:
        rules = [(old, new) for old, new in _SOUNDS if old in word]
        if not rules:
            return self._slip(word)
        old, new = self._random.choice(rules)
        return word.replace(old, new, 1)

    def _slip(self, word: str) -> str:
        if len(word) < 5:
            return word
        place = self._random.randrange(1, len(word) - 1)
        match self._random.randrange(3):
            case 0:
                return word[:place] + word[place + 1 :]
            case 1:
                return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
            case _:
                return word[:place] + word[place] + word[place:]
