"""Is this traveller the subject of a notice? Names aligned token by token, then the evidence of the other fields. Pure.

`match` takes the candidates of the index, aligns their names with the traveller's, adds points for birth date, sex,
nationality and document, and grades the sum. Every point leaves a reason in plain words.

Dates on lists err, so a date is evidence and never a gate: a rare name that agrees wholly stays possible whatever the
year. The grades are provisional and were set on invented persons (see tests/bench): thresholds belong to a list's size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from failsafe.agent import countries
from failsafe.agent.alignment import align, name_reasons, plain_weight, reason_of
from failsafe.agent.index import Index
from failsafe.agent.likeness import MATCH_FROM, score_names
from failsafe.agent.names import fold
from failsafe.sync.records import ListedDocument, MatchedDocument, MatchedNotice, MatchReason, Notice

Grade = Literal["none", "possible", "strong"]

__all__ = [
    "MATCH_FROM",
    "Grade",
    "Lookup",
    "PersonFinding",
    "Traveller",
    "compare_births",
    "fold_number",
    "match",
    "score_names",
]

# --- what the scores mean ------------------------------------------------------------------------------------

_NAME_FROM: Final = 0.62  # names less alike than this are not looked at further
_SAME_NAME: Final = 0.96
_POSSIBLE_FROM: Final = 2.0
_STRONG_FROM: Final = 4.5
_MOST_NOTICES: Final = 10

# A match of names is worth 20 points for each unit above this score.
_NAME_ZERO: Final = 0.8
_NAME_POINTS: Final = 20.0
# -ln of the chance that two random persons share the tokens that met: about 13 for two ordinary tokens.
_ORDINARY_RARITY: Final = 13.0
_RARITY_STEP: Final = 6.0
_MOST_RARITY: Final = 1.5
_LEAST_BIRTH_OF_SAME_NAME: Final = -2.5

_NUMBER_LETTERS: Final = re.compile(r"[^A-Z0-9]+")
_SHORTEST_NUMBER: Final = 4


# --- what is asked, and what is answered -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Traveller:
    """The person as the document or the officer gave them.

    Attributes:
        birth_date: partial ISO 8601 (`YYYY`, `YYYY-MM`, `YYYY-MM-DD`) or None.
        sex: M or F; anything else says nothing.
        nationality, issuing_country: two or three letters, as printed; None where they are not known.
        number_candidates: what the document number may be where it was not surely read.
        number_sure: the number stands as read, or could be repaired in one way only.
        name_cut: the zone had no room for the whole name.
    """

    surname: str = ""
    given_names: str = ""
    birth_date: str | None = None
    sex: str | None = None
    nationality: str | None = None
    document_number: str = ""
    number_candidates: tuple[str, ...] = ()
    number_sure: bool = True
    issuing_country: str | None = None
    name_cut: bool = False


class Lookup(Protocol):
    """What matching asks of the mirror; numbers go in folded (capitals and digits)."""

    def notice(self, entity_id: str) -> Notice | None: ...

    def notices_by_document(self, number: str) -> tuple[Notice, ...]: ...

    def listed(self, number: str) -> tuple[ListedDocument, ...]: ...


@dataclass(frozen=True, slots=True)
class PersonFinding:
    """The best grade, the graded candidates (best first), and the listed documents that were presented."""

    grade: Grade
    candidates: tuple[MatchedNotice, ...] = ()
    listed: tuple[MatchedDocument, ...] = ()

    @property
    def listed_grade(self) -> Literal["sure", "unsure", "none"]:
        """The listed documents as the table of verdicts has them."""
        if any(document.sure for document in self.listed):
            return "sure"
        return "unsure" if self.listed else "none"

    @property
    def nuclear(self) -> bool:
        """One of the candidates is of the radiological/nuclear tier."""
        return any(candidate.tier == "rn" for candidate in self.candidates)


# --- the other fields ------------------------------------------------------------------------------------------


def compare_births(query: str, candidate: str) -> tuple[float, str]:
    """Points for two partial ISO dates, with the reason: +3 for the same day down to -4.5 for another generation."""
    asked, held = _parts(query), _parts(candidate)
    if not asked or not held:
        return 0.0, "no date to compare"
    gap = abs(asked[0] - held[0])
    if gap == 0:
        return _within_year(asked, held)
    if gap == 1:
        return 0.7, "one year apart"
    if gap == 2:
        return 0.0, "two years apart"
    points = -1.5 if gap <= 5 else -3.0 if gap <= 10 else -4.5
    return points, f"{gap} years apart"


def _within_year(asked: tuple[int, ...], held: tuple[int, ...]) -> tuple[float, str]:
    if len(asked) == 3 and len(held) == 3:
        if asked == held:
            return 3.0, "the same day"
        if asked[1:] == (held[2], held[1]):
            return 2.0, "day and month exchanged"
    if len(asked) > 1 and len(held) > 1 and asked[1] == held[1]:
        return 2.0, "the same month"
    return 1.5, "the same year"


def _parts(date: str) -> tuple[int, ...]:
    """Year, month, day as far as they are known; a month or day of 00 is not known."""
    parts = []
    for text in re.split(r"[-/]", date.strip())[:3]:
        if not text.isdecimal() or int(text) == 0:
            break
        parts.append(int(text))
    return tuple(parts)


def _birth_reason(traveller: Traveller, births: Iterable[str]) -> MatchReason | None:
    """The notice's date that speaks most for it; None where one of the two sides has none."""
    if not traveller.birth_date or not _parts(traveller.birth_date):
        return None
    ways = [(*compare_births(traveller.birth_date, birth), birth) for birth in births if _parts(birth)]
    if not ways:
        return None
    points, why, birth = max(ways)
    return reason_of("birth_date", traveller.birth_date, birth, why, points)


def _field_reasons(traveller: Traveller, notice: Notice) -> Iterator[MatchReason]:
    if traveller.sex in ("M", "F") and notice.sex in ("M", "F"):
        same = traveller.sex == notice.sex
        yield reason_of("sex", traveller.sex, notice.sex, "the same" if same else "differs", 0.2 if same else -2.0)
    nationality = countries.alpha_2(traveller.nationality)
    theirs = [code for code in map(countries.alpha_2, notice.nationalities) if code]
    if nationality and theirs:  # people change it and lists omit some: little for, less against
        same = nationality in theirs
        why = "the same" if same else "not among the notice's"
        yield reason_of("nationality", nationality, " ".join(theirs), why, 0.7 if same else -0.5)


# --- documents -------------------------------------------------------------------------------------------------


def fold_number(number: str) -> str:
    """A document number as it is compared: capitals and digits, nothing else."""
    return _NUMBER_LETTERS.sub("", number.upper())


def _numbers(traveller: Traveller) -> dict[str, bool]:
    """Every number the document may have, and whether that one was surely read."""
    read = fold_number(traveller.document_number)
    numbers = {read: traveller.number_sure}
    for candidate in map(fold_number, traveller.number_candidates):
        numbers.setdefault(candidate, False)
    return {number: sure for number, sure in numbers.items() if len(number) >= _SHORTEST_NUMBER}


def _listed(traveller: Traveller, lookup: Lookup) -> Iterator[MatchedDocument]:
    issuing = countries.alpha_2(traveller.issuing_country)
    for number, sure in _numbers(traveller).items():
        for document in lookup.listed(number):
            same = _same_country(issuing, traveller.issuing_country, document.issuing_country)
            if same is not False:
                yield MatchedDocument(
                    number=document.number,
                    issuing_country=document.issuing_country,
                    document_type=document.document_type,
                    fraud_type=document.fraud_type,
                    sure=sure and same is True,
                )


def _same_country(read: str | None, printed: str | None, listed: str | None) -> bool | None:
    """Whether two issuers are one; None where the document's or the list's is not known."""
    theirs = countries.alpha_2(listed)
    if read is not None and theirs is not None:
        return read == theirs
    if printed and listed:  # organisations have no two letters: XPO is XPO, UNO is UNO
        mine, other = printed.strip("< ").upper(), listed.strip("< ").upper()
        if mine == other:
            return True
        if mine in countries.NO_COUNTRY or other in countries.NO_COUNTRY:
            return False
    return None


def _by_document(traveller: Traveller, lookup: Lookup) -> dict[str, tuple[Notice, MatchReason]]:
    """Notices whose subject holds the presented document."""
    found: dict[str, tuple[Notice, MatchReason]] = {}
    issuing = countries.alpha_2(traveller.issuing_country)
    for number, sure in _numbers(traveller).items():
        for notice in lookup.notices_by_document(number):
            for document in notice.documents:
                if fold_number(document.number) != number:
                    continue
                same = _same_country(issuing, traveller.issuing_country, document.country)
                reason = _document_reason(number, document.number, sure=sure, same=same)
                if notice.entity_id not in found or reason.points > found[notice.entity_id][1].points:
                    found[notice.entity_id] = (notice, reason)
    return found


def _document_reason(number: str, held: str, *, sure: bool, same: bool | None) -> MatchReason:
    if same is False:  # numbers repeat from country to country
        return reason_of("document_number", number, held, "the same number, of another country", 1.0)
    if not sure:
        return reason_of("document_number", number, held, "one reading of the number agrees", 3.0)
    if same is None:
        return reason_of("document_number", number, held, "the same number, issuing country unknown", 4.0)
    return reason_of("document_number", number, held, "the same document", 8.0)


# --- the person ------------------------------------------------------------------------------------------------


def match(traveller: Traveller, index: Index, lookup: Lookup) -> PersonFinding:
    """Everything the notices say of this traveller.

    Args:
        traveller: the person as read. A name that folds to nothing is compared with no name; the numbers are.
        index: names of the notices that `lookup` holds.
        lookup: the mirror.
    """
    tokens = fold(f"{traveller.surname} {traveller.given_names}")
    by_document = _by_document(traveller, lookup)
    matched = []
    for entity_id, name in _names_to_weigh(tokens, traveller, index).items():
        notice = by_document[entity_id][0] if entity_id in by_document else lookup.notice(entity_id)
        if notice is None:
            continue  # withdrawn since the index was built
        document = by_document[entity_id][1] if entity_id in by_document else None
        matched.append(_grade(traveller, notice, name, document))
    named = {candidate.entity_id for candidate in matched if candidate is not None}
    for entity_id, (notice, reason) in by_document.items():
        if entity_id not in named:
            matched.append(_grade(traveller, notice, None, reason))
    graded = sorted(filter(None, matched), key=_order)[:_MOST_NOTICES]
    grade: Grade = graded[0].grade if graded else "none"
    return PersonFinding(grade, tuple(graded), tuple(_listed(traveller, lookup)))


@dataclass(frozen=True, slots=True)
class _NameFinding:
    """A notice's name beside the traveller's: its score, its points with rarity, and the reasons."""

    score: float
    points: float
    reasons: tuple[MatchReason, ...]


def _order(candidate: MatchedNotice) -> tuple[bool, bool, float]:
    return candidate.grade != "strong", candidate.tier != "rn", -candidate.score


def _names_to_weigh(tokens: tuple[str, ...], traveller: Traveller, index: Index) -> dict[str, _NameFinding]:
    """The candidates whose names are worth a look at the other fields."""
    births = [traveller.birth_date] if traveller.birth_date else []
    weights = {token: _weight(token, index) for token in tokens}

    def weight(token: str) -> float:
        if token not in weights:
            weights[token] = _weight(token, index)
        return weights[token]

    found: dict[str, _NameFinding] = {}
    for each in index.search(tokens, births, cut=traveller.name_cut):
        for name in (each.name, *each.others):
            score, pairs = align(tokens, name.tokens, weight, cut=traveller.name_cut)
            if score < max(_NAME_FROM, found[name.entity_id].score if name.entity_id in found else 0.0):
                continue
            rarity = sum(pair.close * index.rarity(tokens[place]) for pair in pairs for place in pair.query)
            points = _name_points(score, rarity, name.kind)
            if name.entity_id not in found or points > found[name.entity_id].points:
                reasons = tuple(name_reasons(tokens, name.tokens, pairs, weight))
                found[name.entity_id] = _NameFinding(score, points, reasons)
    return found


def _weight(token: str, index: Index) -> float:
    """A token's plain weight, down to half of it where everybody bears it."""
    share = min(index.rarity(token) / max(math.log(len(index) + 1.0), 1.0), 1.0)
    return plain_weight(token) * (0.5 + 0.5 * share)


def _name_points(score: float, rarity: float, kind: str) -> float:
    extra = max(-_MOST_RARITY, min((rarity - _ORDINARY_RARITY) / _RARITY_STEP, _MOST_RARITY))
    return _NAME_POINTS * (score - _NAME_ZERO) + extra - (0.5 if kind == "low_alias" else 0.0)


def _grade(
    traveller: Traveller, notice: Notice, name: _NameFinding | None, document: MatchReason | None
) -> MatchedNotice | None:
    """The candidate with its grade and reasons; None if the sum is too small."""
    birth = _birth_reason(traveller, notice.births)
    fields = list(_field_reasons(traveller, notice))
    points = sum(reason.points for reason in fields)
    if birth is not None:
        same_name = name is not None and name.score >= _SAME_NAME
        points += max(birth.points, _LEAST_BIRTH_OF_SAME_NAME) if same_name else birth.points
        fields.insert(0, birth)
    if name is not None:
        points += name.points
    if document is not None:
        fields.append(document)
        # What the paper says of itself is not undone by a date or a sex that differ: those are what a forger changes.
        points = max(points, 0.0) + document.points
    if points < _POSSIBLE_FROM:
        return None
    return MatchedNotice(
        entity_id=notice.entity_id,
        tier=notice.tier,
        grade="strong" if points >= _STRONG_FROM and _corroborated(birth, document) else "possible",
        score=round(1.0 / (1.0 + math.exp(-(points - 3.5))), 3),
        reasons=(*(name.reasons if name else ()), *fields),
    )


def _corroborated(birth: MatchReason | None, document: MatchReason | None) -> bool:
    """A name alone, however rare, is never a strong candidate."""
    return (birth is not None and birth.points > 0) or (document is not None and document.points >= 3.0)
