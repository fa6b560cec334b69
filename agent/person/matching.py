"""Is this traveller the subject of a notice? Names laid side by side and weighed, then the other fields' say. Pure.

`match` takes the candidates of the index, aligns their names with the traveller's, weighs the best ones with care
(`likeness`), adds the points of birth date, sex, nationality and document (`evidence`), and grades the sum by a budget
of false referrals (`grading`). Every point leaves a reason in plain words.

Dates on lists err, so a date is evidence and never a gate: a rare name that agrees wholly, with sex and nationality,
stays possible whatever the year, but on very long lists.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import msgspec

from failsafe.agent.person import cognates, countries
from failsafe.agent.person.alignment import Pair, Weight, align, plain_weight
from failsafe.agent.person.evidence import (
    TELLING_BIRTH,
    birth_points,
    birth_reason,
    compare_births,
    field_reasons,
    sex_points,
)
from failsafe.agent.person.grading import Grade, thresholds
from failsafe.agent.person.index import Index, NoticeName
from failsafe.agent.person.likeness import MATCH_FROM, grown, score_names
from failsafe.agent.person.measures import Tokens, hear_tokens, measures
from failsafe.agent.person.names import fold
from failsafe.agent.person.reasons import PAPER, AskedName, reason_of
from failsafe.sync.records import ListedDocument, NameRow, Notice
from failsafe.sync.reports import MatchedDocument, MatchedNotice, MatchReason

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

_NAME_FROM: Final = 0.5  # names less alike than this are not looked at further
_DATED_NAME_FROM: Final = 0.3  # than this, where the day of birth agrees: a word of two letters may have a wrong one
_TELLING_DAY: Final = 4.0
# Names less alike than this are two, unless the trees take them for one.
_ALIKE_FROM: Final = 0.62
# The same two of the nuclear tier, whose budget is ten times as large: ln 10 below where strangers begin to be rare.
_NUCLEAR_NAME_FROM: Final = 0.3
_NUCLEAR_ODDS: Final = -2.3
_SAME_NAME: Final = 0.96
_MOST_NOTICES: Final = 10
# So many candidates are weighed with care, the best by a quick look; of the nuclear tier so many.
_WEIGHED: Final = 10
_NUCLEAR_WEIGHED: Final = 20
_NAMES_WEIGHED: Final = 2  # of each candidate

# A name's points are the trees' odds, and a little of the aligner's score above this one: the tenth part of what a
# quick look gives it. Of what was tried, this mix sent the fewest innocents to the second line (docs/matching.md).
_NAME_ZERO: Final = 0.8
_GLANCED_POINTS: Final = 20.0
_ALIGNED_POINTS: Final = 2.0
_ODDS_POINTS: Final = 0.45
_MOST_ODDS: Final = 6.5
# What nationality may add, and what sex may take, to what a quick look has seen.
_MOST_ELSE: Final = 0.7
_LEAST_SEX: Final = 0.2
# Rarity is -ln of the chance that a name of the list bears the tokens that met: 13 for two ordinary tokens. A long list
# knows rarer ones, so that there it is what so many tokens weigh that nobody else bears.
_ORDINARY_RARITY: Final = 13.0
_ORDINARY_TOKENS: Final = 1.44
_RARITY_STEP: Final = 2.5
_LEAST_RARITY, _MOST_RARITY = -2.0, 2.0
_BY_NAME_POINTS: Final = -0.5
_LEAST_BIRTH_OF_SAME_NAME: Final = -2.5
_NO_POINTS: Final = 3.5  # a candidate of so many points is as likely as not

_NUMBER_LETTERS: Final = re.compile(r"[^A-Z0-9]+")
_SHORTEST_NUMBER: Final = 4
# Points of a document from which it corroborates a name, and from which it is enough alone.
_TELLING_DOCUMENT: Final = 3.0
_SURE_DOCUMENT: Final = 8.0


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
    """The best grade, the graded candidates (best first), and the listed documents that were presented.

    `overtaken`: the index named a notice that the mirror has no more, for a step was taken whose index is still being
    made. Who stands in place of that notice cannot be found until it is, so nobody is cleared on this finding.
    """

    grade: Grade
    candidates: tuple[MatchedNotice, ...] = ()
    listed: tuple[MatchedDocument, ...] = ()
    overtaken: bool = False

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
    found = names_to_weigh(tokens, traveller, index, by_document) if tokens else {}
    matched, notices, overtaken = [], {}, False
    for entity_id in [*found, *(by_document.keys() - found.keys())]:
        held, document = by_document.get(entity_id, (None, None))
        notice = held or lookup.notice(entity_id)
        if notice is None:  # withdrawn since the index was built
            overtaken = True
        else:
            notices[entity_id] = notice
            matched.append(_grade(traveller, notice, found.get(entity_id), document, len(index)))
    graded = sorted(filter(None, matched), key=_order)[:_MOST_NOTICES]
    if graded:  # names are put into words only for those whom an officer will see
        asked = AskedName.of(traveller.surname, traveller.given_names, tokens, _weights(tokens, index))
        graded = [_with_name(each, notices[each.entity_id], found.get(each.entity_id), asked) for each in graded]
    grade: Grade = graded[0].grade if graded else "none"
    return PersonFinding(grade, tuple(graded), tuple(_listed(traveller, lookup)), overtaken)


def _order(candidate: MatchedNotice) -> tuple[bool, bool, float]:
    return candidate.grade != "strong", candidate.tier != "rn", -candidate.score


@dataclass(frozen=True, slots=True)
class _Glance:
    """A notice's name beside the traveller's, as a quick look has it: laid side by side, with the index's evidence."""

    name: NoticeName
    score: float
    pairs: Sequence[Pair]
    extra: float
    promise: float


@dataclass(frozen=True, slots=True)
class NameFinding:
    """A notice's name beside the traveller's, weighed.

    Attributes:
        same: the whole name agrees.
        points: of its words, of how rare they are, and of the kind of name.
        extra: what of the points is not the words'.
    """

    same: bool
    points: float
    extra: float
    name: NoticeName
    pairs: Sequence[Pair]


def names_to_weigh(
    tokens: Tokens,
    traveller: Traveller,
    index: Index,
    presented: Container[str] | None = None,
    *,
    least: float = -math.inf,
) -> dict[str, NameFinding]:
    """The best candidates by name, each with the best of its names.

    Args:
        presented: notices that hold the presented document. If given, others that cannot reach a grade whatever the
            trees say are left out; None leaves in everybody who can reach `least`, for calibration.
        least: points.
    """
    weight = _weights(tokens, index)
    glanced = _glances(tokens, traveller, index, weight)
    if presented is not None:
        glanced = (each for each in glanced if each.name.entity_id in presented or _may_be_graded(each, len(index)))
    elif least > -math.inf:
        glanced = (each for each in glanced if _most_points(each) >= least)
    glances = _best_glances(glanced)
    if not glances:
        return {}
    cut = traveller.name_cut
    rows = [measures(tokens, each.name.tokens, hear_tokens(tokens, each.name.tokens), cut=cut) for each in glances]
    found: dict[str, NameFinding] = {}
    for each, odds in zip(glances, grown().weigh(rows).tolist(), strict=True):
        if each.score < _ALIKE_FROM and odds < (_NUCLEAR_ODDS if each.name.tier == "rn" else 0.0):
            continue
        aligned = _ALIGNED_POINTS * (each.score - _NAME_ZERO)
        points = aligned + _ODDS_POINTS * min(odds, _MOST_ODDS) + each.extra
        best = found.get(each.name.entity_id)
        if best is None or points > best.points:
            found[each.name.entity_id] = NameFinding(
                each.score >= _SAME_NAME, points, each.extra, each.name, each.pairs
            )
    return found


def _of_rarity(rarity: float, names: int) -> float:
    ordinary = max(_ORDINARY_RARITY, _ORDINARY_TOKENS * math.log(names + 1.0))
    return max(_LEAST_RARITY, min((rarity - ordinary) / _RARITY_STEP, _MOST_RARITY))


def _of_kind(name: NoticeName) -> float:
    return _BY_NAME_POINTS if name.kind == "low_alias" else 0.0


def _weights(tokens: Tokens, index: Index) -> Weight:
    """A token's plain weight, down to half of it where everybody bears it."""
    known: dict[str, float] = {}
    scale = max(math.log(len(index) + 1.0), 1.0)

    def weight(token: str) -> float:
        if token not in known:
            known[token] = plain_weight(token) * (0.5 + 0.5 * min(index.rarity(token) / scale, 1.0))
        return known[token]

    return weight


def _glances(tokens: Tokens, traveller: Traveller, index: Index, weight: Weight) -> Iterator[_Glance]:
    for name in _names_nearby(tokens, traveller, index):
        score, pairs = align(tokens, name.tokens, weight, cut=traveller.name_cut)
        if score < _DATED_NAME_FROM or _one_common_word(tokens, name.tokens, pairs):
            continue
        evidence = birth_points(traveller.birth_date, name.births) + (sex_points(traveller.sex, name.sex) or 0.0)
        if score < (_NUCLEAR_NAME_FROM if name.tier == "rn" else _name_from(evidence)):
            continue
        rarity = sum(pair.close * index.rarity(tokens[place]) for pair in pairs for place in pair.query)
        extra = _of_rarity(rarity, len(index)) + _of_kind(name)
        yield _Glance(name, score, pairs, extra, _GLANCED_POINTS * score + extra + evidence)


def _names_nearby(tokens: Tokens, traveller: Traveller, index: Index) -> Iterator[NoticeName]:
    """What the index finds, and of the nuclear tier, of which every name is looked at, what it has not found."""
    births = [traveller.birth_date] if traveller.birth_date else []
    found = set()
    for each in index.search(tokens, births, cut=traveller.name_cut):
        for name in (each.name, *each.others):
            found.add((name.entity_id, name.tokens))
            yield name
    for name in index.nuclear.nearest(tokens, traveller.birth_date, cut=traveller.name_cut, most=_NUCLEAR_WEIGHED):
        if (name.entity_id, name.tokens) not in found:
            yield name


def _name_from(evidence: float) -> float:
    return _DATED_NAME_FROM if evidence >= _TELLING_DAY else _NAME_FROM


def _may_be_graded(each: _Glance, names: int) -> bool:
    """Whether the best odds and the best of the other fields could make it a candidate."""
    return _most_points(each) >= thresholds(names, each.name.tier).possible


def _most_points(each: _Glance) -> float:
    evidence = each.promise - _GLANCED_POINTS * each.score - each.extra
    if each.score >= _SAME_NAME:
        evidence = max(evidence, _LEAST_BIRTH_OF_SAME_NAME + _LEAST_SEX)
    named = _ALIGNED_POINTS * (each.score - _NAME_ZERO) + _ODDS_POINTS * _MOST_ODDS + each.extra
    return named + evidence + _MOST_ELSE


def _one_common_word(query: Tokens, candidate: Tokens, pairs: Sequence[Pair]) -> bool:
    """All that met is one name that many bear, and one of the two says more."""
    if len(pairs) != 1 or len(query) == len(candidate) == 1:
        return False
    return all(cognates.groups(query[place]) for place in pairs[0].query)


def _best_glances(glances: Iterable[_Glance]) -> list[_Glance]:
    """Of the most promising candidates the most promising names."""
    kept: list[_Glance] = []
    names: Counter[str] = Counter()
    weighed: Counter[bool] = Counter()
    for each in sorted(glances, key=lambda glance: -glance.promise):
        nuclear, new = each.name.tier == "rn", each.name.entity_id not in names
        if names[each.name.entity_id] == _NAMES_WEIGHED:
            continue
        if new and weighed[nuclear] == (_NUCLEAR_WEIGHED if nuclear else _WEIGHED):
            continue
        weighed[nuclear] += new
        names[each.name.entity_id] += 1
        kept.append(each)
    return kept


def _grade(
    traveller: Traveller, notice: Notice, name: NameFinding | None, document: MatchReason | None, names: int
) -> MatchedNotice | None:
    """The candidate with its grade and reasons; None if the sum is too small."""
    points, birth, fields = points_of(traveller, notice, name)
    if document is not None:
        # What the paper says of itself is not undone by a date or a sex that differ: those are what a forger changes.
        if points < 0.0:
            fields.append(reason_of("document_number", document.query, document.candidate, PAPER, -points))
        fields.append(document)
        points = max(points, 0.0) + document.points
    grade = thresholds(names, notice.tier).grade(points, corroborated=_corroborated(birth, document))
    if document is not None and document.points >= _TELLING_DOCUMENT:
        surely = document.points >= _SURE_DOCUMENT or (name is not None and grade == "strong")
        grade = "strong" if surely else "possible"
    elif name is None:
        grade = "none"  # the number of another country's document is no more than a hint
    if grade == "none":
        return None
    return MatchedNotice(
        entity_id=notice.entity_id,
        tier=notice.tier,
        grade=grade,
        score=round(1.0 / (1.0 + math.exp(-(points - _NO_POINTS))), 3),
        reasons=tuple(fields),
    )


def _with_name(candidate: MatchedNotice, notice: Notice, name: NameFinding | None, asked: AskedName) -> MatchedNotice:
    """With the lines about its name before the others."""
    if name is None:
        lines = asked.unlike(notice)
    else:
        form = NameRow(notice.entity_id, " ".join(name.name.tokens), name.name.kind)
        words, rarity = name.points - name.extra, name.extra - _of_kind(name.name)
        lines = asked.lines(notice, form, name.pairs, words=words, extra=name.extra, rarity=rarity)
    return msgspec.structs.replace(candidate, reasons=(*lines, *candidate.reasons))


def points_of(
    traveller: Traveller, notice: Notice, name: NameFinding | None
) -> tuple[float, MatchReason | None, list[MatchReason]]:
    """Points of name and fields, documents left out; the reason of the birth date; the reasons of all fields."""
    birth = birth_reason(traveller.birth_date, notice.births)
    fields = list(field_reasons(traveller.sex, traveller.nationality, notice))
    points = sum(reason.points for reason in fields) + (name.points if name else 0.0)
    if birth is not None:
        # Lists err in dates: a whole name is not undone by one.
        if name and name.same and birth.points < _LEAST_BIRTH_OF_SAME_NAME:
            birth = msgspec.structs.replace(birth, points=_LEAST_BIRTH_OF_SAME_NAME)
        fields.insert(0, birth)
        points += birth.points
    return points, birth, fields


def _corroborated(birth: MatchReason | None, document: MatchReason | None) -> bool:
    """A name alone, however rare, is never a strong candidate, nor with a date that errs in the year."""
    dated = birth is not None and birth.points >= TELLING_BIRTH
    return dated or (document is not None and document.points >= _TELLING_DOCUMENT)
