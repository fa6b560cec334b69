"""Which word of a name, as it is written, each of its folded tokens comes from. Pure.

Names are compared as Latin capitals; an officer compares what stands in the passport with what stands in the notice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from failsafe.agent.person.names import fold
from failsafe.agent.person.transliteration import ways
from failsafe.agent.person.vowels import by_ear

Span = tuple[int, int]
# As `script` calls them.
VOWELLESS: Final = frozenset({"ARABIC", "HEBREW"})

_CHUNK: Final = re.compile(r"\S+")
_LONGEST_CHUNK: Final = 60  # a longer run without a space is no word, and not taken apart


@dataclass(frozen=True, slots=True)
class Written:
    """A folded name beside its own letters.

    Attributes:
        tokens: as they are compared.
        text: the name as it is written.
        spans: for each token, where in `text` it stands; empty where that cannot be told.
    """

    tokens: tuple[str, ...]
    text: str = ""
    spans: tuple[Span, ...] = ()

    def word(self, places: Iterable[int]) -> str:
        """What is written for these tokens; the tokens themselves where that cannot be told."""
        wanted = sorted(set(places))
        if not self.spans or self.shares(wanted):
            return " ".join(self.tokens[place] for place in wanted)
        words: list[Span] = []
        for run in _runs(wanted):
            begin, end = self.spans[run[0]][0], self.spans[run[-1]][1]
            if not words or begin >= words[-1][1]:  # one word may have given several tokens
                words.append((begin, end))
        return " ".join(_bare(self.text[begin:end]) or self.text[begin:end] for begin, end in words)

    def shares(self, places: Iterable[int]) -> bool:
        """Whether these tokens' words gave other tokens too, and cannot be parted."""
        wanted = set(places)
        words = {self.spans[place] for place in wanted} if self.spans else set()
        return any(span in words and place not in wanted for place, span in enumerate(self.spans))

    def script(self, places: Iterable[int]) -> str:
        """In which script these tokens are written."""
        return script(self.word(places) if self.spans and not self.shares(places) else self.text)

    def shown(self, places: Iterable[int]) -> str:
        """The word, with its Latin reading in brackets where it does not show by itself: `يوسف (YUSUF)`."""
        wanted = sorted(set(places))
        word = self.word(wanted)
        if any(map(str.isdecimal, word)):  # a misread letter: what is left of the word says less than the word
            return word
        return beside(word, _by_ear(word) or " ".join(self.tokens[place] for place in wanted))

    def words(self, places: Iterable[int]) -> int:
        """Of how many words these tokens are."""
        return len(self.word(places).split())

    def could_be(self, places: Iterable[int], token: str) -> bool:
        """Whether some document prints these tokens' word so."""
        return (token,) in _forms(self.word(places))


def written(text: str, tokens: Sequence[str]) -> Written:
    """A name beside the form in which it is compared, which must be one of its `folds`."""
    whole = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text))  # as `fold` begins
    chunks = [(found.start(), found[0]) for found in _CHUNK.finditer(whole)]
    spans = _placed(chunks, tuple(tokens))
    return Written(tuple(tokens), whole, tuple(spans) if spans is not None else ())


def beside(word: str, reading: str) -> str:
    """`word (READING)`, or the word alone where it reads so by itself."""
    return word if not reading or plain(word) == plain(reading) else f"{word} ({reading})"


def plain(word: str) -> str:
    """A word in capitals without marks and signs."""
    bare = "".join(one for one in unicodedata.normalize("NFD", word) if not unicodedata.combining(one))
    return " ".join(re.sub(r"[’‘'ʼ`´]", "", bare).upper().replace("-", " ").split())


def script(word: str) -> str:
    """The script of a word's first letter, as Unicode calls it; empty if it has none."""
    letter = next(filter(str.isalpha, word), "")
    return unicodedata.name(letter, "").split(" ")[0] if letter else ""


def _by_ear(word: str) -> str:
    """How a word sounds whose script leaves vowels out; letter by letter nobody could read it. Empty for others."""
    return " ".join(fold(by_ear(word))) if script(word) in VOWELLESS else ""


def _bare(word: str) -> str:
    """Without signs at its ends and without brackets, which stand around readings."""
    ours = [place for place, char in enumerate(word) if unicodedata.category(char)[0] in "LNM"]
    return " ".join(re.sub(r"[()]", " ", word[ours[0] : ours[-1] + 1]).split()) if ours else ""


def _runs(places: Sequence[int]) -> Iterator[list[int]]:
    """Neighbouring places together."""
    run: list[int] = []
    for place in places:
        if run and place != run[-1] + 1:
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _placed(chunks: Sequence[tuple[int, str]], tokens: tuple[str, ...]) -> list[Span] | None:
    """A span for each token, the chunks giving them one after another; None if they do not."""
    spans: list[Span] = []
    at = 0
    for begin, chunk in chunks:
        given = next((form for form in _forms(chunk) if form and tokens[at : at + len(form)] == form), None)
        if given is None and not fold(chunk):
            continue
        if given is None:
            rest = tokens[at:]  # of an endless name only the beginning is compared
            return spans if not rest else None
        spans += _within(begin, chunk, given)
        at += len(given)
    return spans if at == len(tokens) else None


def _forms(chunk: str) -> Iterator[tuple[str, ...]]:
    """Every form that a chunk may have as a part of a name; some may come twice."""
    yield fold(f"A {chunk}")[1:]  # not as a whole name of two or three characters
    yield fold(chunk)
    for way in ways(chunk):
        yield fold(f"A {way}")[1:]


def _within(begin: int, chunk: str, tokens: tuple[str, ...]) -> list[Span]:
    """Where in one chunk each of its tokens stands: its part, or else the whole of it."""
    whole = [(begin, begin + len(chunk))] * len(tokens)
    if len(tokens) < 2 or len(chunk) > _LONGEST_CHUNK:
        return whole
    for cut in range(1, len(chunk)):
        if (tokens[0],) in _forms(chunk[:cut]) and tokens[1:] in _forms(chunk[cut:]):
            rest = _within(begin + cut, chunk[cut:], tokens[1:])
            return [(begin, begin + cut), *rest]
    return whole
