"""Why two persons may be one, in words that an officer reads: which word met which, how, and for how many points. Pure.

Page, alert, `failsafe screen` and `failsafe names` show these same lines. Words stand as the document and as the notice
write them, with their Latin reading beside another script. **The points of all lines together are those that the grade
was given for**: those of a name are shared among its words, each word on either side standing in one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Final

from rapidfuzz.distance import OSA

from failsafe.agent.person.alignment import Pair, Weight, align
from failsafe.agent.person.meeting import meeting
from failsafe.agent.person.names import folds, squash
from failsafe.agent.person.spelling import Written, beside, script, written
from failsafe.sync.records import NameRow, Notice, PersonName
from failsafe.sync.reports import MatchReason

# The fields of lines about words of a name, and about the whole of it.
WORD, WHOLE = "name", "whole_name"

FURTHER: Final = "further words that met"
NOT_IN_NOTICE: Final = "not in the notice's name"
NOT_IN_DOCUMENT: Final = "not in the traveller's name"
# An alert of ten candidates with endless names must still fit into its envelope of 64 KiB.
_MOST_LINES: Final = 8
_LONGEST: Final = 100  # characters of a side of a line
_PUT_TOGETHER_FROM: Final = 0.6

# --- the lines about a name ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """A name of a notice as it was compared, and the same name in the notice's own script, if it has one.

    Attributes:
        whole: `SURNAME, GIVEN` as the notice writes it.
        own_places: for each token of `name`, which tokens of `own` are the same word.
    """

    name: Written
    whole: str = ""
    own: Written | None = None
    own_places: Sequence[tuple[int, ...]] = ()

    def own_word(self, places: Sequence[int]) -> str:
        """The words in the notice's own script; empty where it has none for all of them."""
        if self.own is None or not all(self.own_places[place] for place in places):
            return ""
        return self.own.word(chain.from_iterable(self.own_places[place] for place in places))

    def shown(self, places: Sequence[int]) -> str:
        """The words as the notice writes them: `يوسف (YUSUF)`."""
        own = self.own_word(places)
        return beside(own, self.name.word(places)) if own else self.name.shown(places)


def word_lines(
    query: Written, held: Held, pairs: Sequence[Pair], weight: Weight, points: float
) -> tuple[MatchReason, ...]:
    """A line for each pair of words that met, the weightiest first, and one for what either side has left over.

    Args:
        pairs: as `align` gives them, each token at most once.
        weight: of a token.
        points: of all these lines together.
    """
    pairs = _of_whole_words(query, held.name, pairs)
    pairs = [*pairs, *_put_together(query, held.name, pairs)]
    ranked = sorted(pairs, key=lambda pair: -_worth(pair, query, held, weight))
    told = [
        (
            query.shown(pair.query),
            held.shown(pair.candidate),
            meeting(pair, query, held.name, across=_across(pair, query, held)),
        )
        for pair in ranked[:_MOST_LINES]
    ]
    met = [_worth(pair, query, held, weight) for pair in ranked]
    if further := ranked[_MOST_LINES:]:
        asked, found = (list(chain.from_iterable(places)) for places in zip(*map(_places, further), strict=True))
        told.append((query.shown(asked), held.shown(found), FURTHER))
        met[_MOST_LINES:] = [sum(met[_MOST_LINES:])]
    over = (_left(query, [pair.query for pair in pairs]), _left(held.name, [pair.candidate for pair in pairs]))
    told += [(query.shown(over[0]), "", NOT_IN_NOTICE)] if over[0] else []
    told += [("", held.shown(over[1]), NOT_IN_DOCUMENT)] if over[1] else []
    sides = zip((query, held.name), over, strict=True)
    left = [sum(weight(side.tokens[place]) for place in places) for side, places in sides if places]
    lines = zip(told, shared(points, met, left), strict=True)
    return tuple(reason_of(WORD, *words, part) for words, part in lines)


def shared(points: float, met: Sequence[float], left: Sequence[float]) -> list[float]:
    """Points shared among lines, to the hundredth: what is left over takes its weight away, what met has the rest.

    Where that would be less than nothing, what met adds nothing.
    """
    rest = points + sum(left)
    if met and (rest >= 0.0 or not left):
        parts = [rest * one / sum(met) for one in met] + [-one for one in left]
    else:
        parts = [0.0] * len(met) + [points * one / sum(left) for one in left]
    rounded = [round(part, 2) for part in parts]
    if rounded:
        most = max(range(len(rounded)), key=lambda place: abs(rounded[place]))
        rounded[most] += round(points, 2) - sum(rounded)
    return rounded


def _places(pair: Pair) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return pair.query, pair.candidate


def _of_whole_words(query: Written, candidate: Written, pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs whose tokens are of one word that cannot be parted, as one pair: a word stands in one line."""
    whole: list[Pair] = []
    for pair in pairs:
        of_one = [
            one
            for one in whole
            if _share(query, one.query, pair.query) or _share(candidate, one.candidate, pair.candidate)
        ]
        for one in of_one:
            whole.remove(one)
            asked, held = (*one.query, *pair.query), (*one.candidate, *pair.candidate)
            pair = Pair(asked, held, min(one.close, pair.close), "written as one")
        whole.append(pair)
    return whole


def _share(name: Written, places: Sequence[int], others: Sequence[int]) -> bool:
    return bool(name.spans) and not {name.spans[place] for place in places}.isdisjoint(
        name.spans[place] for place in others
    )


def _put_together(query: Written, candidate: Written, pairs: Sequence[Pair]) -> Iterator[Pair]:
    """What is left over on both sides and is one word on one of them: the aligner puts two words together, not three.

    It changes no score: the trees weigh such names by other measures too, and an officer must not read that half of a
    name is not there.
    """
    left = _left(query, [pair.query for pair in pairs]), _left(candidate, [pair.candidate for pair in pairs])
    if min(map(len, left)) == 0 or max(map(len, left)) > _MOST_LINES:
        return
    free = set(left[0]), set(left[1])
    for asked, held in product(_neighbours(left[0]), _neighbours(left[1])):
        one_word = min(len(asked), len(held)) == 1 < max(len(asked), len(held))
        if one_word and free[0].issuperset(asked) and free[1].issuperset(held):
            first = squash("".join(query.tokens[place] for place in asked))
            second = squash("".join(candidate.tokens[place] for place in held))
            close = 1.0 - OSA.distance(first, second) / max(len(first), len(second))
            if close >= _PUT_TOGETHER_FROM:
                free[0].difference_update(asked)
                free[1].difference_update(held)
                yield Pair(asked, held, close, "written as one")


def _neighbours(places: Sequence[int]) -> list[tuple[int, ...]]:
    """Runs of neighbouring places, the longest first."""
    runs = [tuple(places[i:j]) for i in range(len(places)) for j in range(i + 1, min(len(places), i + 4) + 1)]
    return sorted((run for run in runs if run[-1] - run[0] == len(run) - 1), key=len, reverse=True)


def _worth(pair: Pair, query: Written, held: Held, weight: Weight) -> float:
    """How much of a name's points is this pair's, as the aligner counts it."""
    weights = (
        sum(weight(query.tokens[place]) for place in pair.query),
        sum(weight(held.name.tokens[place]) for place in pair.candidate),
    )
    return float(max(weights) * pair.close**1.5)


def _left(name: Written, used: Sequence[Sequence[int]]) -> list[int]:
    gone = set(chain.from_iterable(used))
    return [place for place in range(len(name.tokens)) if place not in gone]


def _across(pair: Pair, query: Written, held: Held) -> bool:
    """Whether the words stand in different scripts; equal Latin letters are the same whatever the notice's own are."""
    asked = query.script(pair.query)
    if asked != held.name.script(pair.candidate):
        return True
    if [query.tokens[place] for place in pair.query] == [held.name.tokens[place] for place in pair.candidate]:
        return False
    own = held.own_word(pair.candidate)
    return bool(own) and script(own) != asked


# --- the lines about a notice's name -------------------------------------------------------------------------

FEW: Final = "Few bear these words."
MANY: Final = "Many bear these words."
ORDINARY: Final = "Its words are neither rare nor common."
NOT_ALIKE: Final = "The names are not alike enough to count."
PAPER: Final = "What differs does not count against the paper itself."
_KINDS: Final = {
    "main": "The notice's name.",
    "at_birth": "The notice's name at birth.",
    "good_alias": "An alias.",
    "low_alias": "An alias of low quality.",
}
_TELLING: Final = 0.5  # points from which rarity is worth a word


@dataclass(frozen=True, slots=True)
class AskedName:
    """The traveller's name, to be put beside names of notices.

    Attributes:
        whole: `SURNAME, GIVEN` as the document has it.
        weight: of a token.
    """

    whole: str
    written: Written
    weight: Weight

    @classmethod
    def of(cls, surname: str, given: str, tokens: Sequence[str], weight: Weight) -> AskedName:
        """The name whose folded form is `tokens`."""
        return cls(", ".join(filter(None, (surname, given))), written(f"{surname} {given}", tokens), weight)

    def lines(
        self, notice: Notice, form: NameRow, pairs: Sequence[Pair], *, words: float, extra: float, rarity: float
    ) -> tuple[MatchReason, ...]:
        """The whole name with how rare its words are, then the words.

        Args:
            form: the notice's, that was compared.
            words: points of all words.
            extra: points of rarity and of the kind of name.
            rarity: those of rarity alone.
        """
        held = held_name(notice, form)
        rare = FEW if rarity >= _TELLING else MANY if rarity <= -_TELLING else ORDINARY
        whole = reason_of(WHOLE, self.whole, held.whole, f"{_KINDS[form.kind]} {rare}", extra)
        return whole, *word_lines(self.written, held, pairs, self.weight, words)

    def unlike(self, notice: Notice) -> tuple[MatchReason, ...]:
        """The line about a name that did not lead to the notice."""
        if not self.written.tokens or not notice.names:
            return ()
        return (reason_of(WHOLE, self.whole, _spelled(notice.names[0]), NOT_ALIKE, 0.0),)


# --- names of a notice ---------------------------------------------------------------------------------------


def held_name(notice: Notice, form: NameRow) -> Held:
    """The name of a notice that has this form (`names.forms`), with its own script."""
    tokens = tuple(form.tokens.split())
    fitting = [name for name in notice.names if tokens in folds(_whole(name))]
    name = next((one for one in fitting if one.kind == form.kind), fitting[0] if fitting else None)
    if name is None:  # the index is of an older state of the notice
        return Held(written("", tokens), form.tokens)
    compared, original = written(_whole(name), tokens), _original(name, notice.names)
    if original is None:
        reading = "" if script(_spelled(name)) == "LATIN" else form.tokens
        return Held(compared, beside(_spelled(name), reading))
    return _in_both(compared, name, original)


def _original(name: PersonName, names: Sequence[PersonName]) -> PersonName | None:
    """The original spelling of a Latin name: it stands behind it in a notice."""
    after = names[names.index(name) + 1 :]
    if name.original_script or not after or not after[0].original_script or after[0].kind != name.kind:
        return None
    return after[0]


def _in_both(compared: Written, name: PersonName, original: PersonName) -> Held:
    """A Latin name beside its original, word by word; what the aligner does not bring together stays Latin."""
    whole = beside(_spelled(original), _spelled(name))
    laid = [(*align(compared.tokens, form), form) for form in folds(_whole(original))]
    if not laid:
        return Held(compared, whole)
    _, pairs, form = max(laid, key=lambda one: one[0])
    places: list[tuple[int, ...]] = [()] * len(compared.tokens)
    for pair in pairs:
        for place in pair.query:
            places[place] = pair.candidate
    return Held(compared, whole, written(_whole(original), form), places)


def _whole(name: PersonName) -> str:
    return f"{name.surname or ''} {name.given or ''}"


def _spelled(name: PersonName) -> str:
    return ", ".join(filter(None, (name.surname, name.given)))


def reason_of(field: str, query: str, candidate: str, why: str, points: float) -> MatchReason:
    """A line: both sides as written, why they meet or do not, and the points it adds or takes."""
    asked, held = (text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…" for text in (query, candidate))
    return MatchReason(field=field, query=asked, candidate=held, why=why, points=round(points, 2) + 0.0)
