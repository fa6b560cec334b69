"""`failsafe screen` and `failsafe names`: the booth's own matching, asked from the command line.

It judges the person only: a lane that declares no detector, notices that are fresh (or as the booth's own are), a
ledger that records. It raises no alert and stores nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from failsafe.agent.fusion import Findings, MirrorState, Person, judge
from failsafe.agent.person import names
from failsafe.agent.person.index import Index
from failsafe.agent.person.matching import Lookup, PersonFinding, Traveller, fold_number, match, score_names
from failsafe.sync import shape
from failsafe.sync.fields import Fault
from failsafe.sync.records import ListedDocument, Notice

# As notices write dates: a month or day of 00 is not known.
_BIRTH_DATE: Final = re.compile(r"[0-9]{4}([-/][0-9]{2}([-/][0-9]{2})?)?")


class Shelf:
    """Notices and listed documents from a file, held in memory as the mirror would hold them."""

    def __init__(self, notices: tuple[Notice, ...], listed: tuple[ListedDocument, ...]) -> None:
        self._notices = {notice.entity_id: notice for notice in notices}
        self._by_number: dict[str, list[Notice]] = {}
        for notice in notices:
            for document in notice.documents:
                self._by_number.setdefault(fold_number(document.number), []).append(notice)
        self._listed: dict[str, list[ListedDocument]] = {}
        for paper in listed:
            self._listed.setdefault(fold_number(paper.number), []).append(paper)
        self.index = Index.build(
            (notice.entity_id, notice.tier, form.tokens, form.kind, notice.births, notice.sex)
            for notice in notices
            for form in names.forms(notice)
        )

    @classmethod
    def read(cls, path: Path) -> Shelf:
        """The notices of a file in the public shape.

        Raises:
            shape.FaultyNotices: with every fault of the file.
        """
        content = path.read_bytes()
        try:
            reading = shape.read(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            fault = Fault(line, "", "The file is not UTF-8 from here on.", "Export it again as UTF-8.")
            raise shape.FaultyNotices(path.name, [fault]) from None
        if reading.faults:
            raise shape.FaultyNotices(path.name, reading.faults)
        return cls(tuple(entry.notice for entry in reading.notices), reading.listed)

    def notice(self, entity_id: str) -> Notice | None:
        """The notice of this id."""
        return self._notices.get(entity_id)

    def notices_by_document(self, number: str) -> tuple[Notice, ...]:
        """Notices whose subject holds a document of this folded number."""
        return tuple(self._by_number.get(number, ()))

    def listed(self, number: str) -> tuple[ListedDocument, ...]:
        """Listed documents of this folded number."""
        return tuple(self._listed.get(number, ()))


def screen_on_shelf(person: Mapping[str, Any], shelf: Shelf) -> dict[str, Any]:
    """The answer of `failsafe screen --notices` to one line."""
    return screen(person, shelf.index, shelf, mirror="FRESH", mirror_age_s=0.0)


def screen(
    person: Mapping[str, Any], index: Index, lookup: Lookup, *, mirror: MirrorState, mirror_age_s: float | None
) -> dict[str, Any]:
    """The answer of `failsafe screen` to one line, in the shape of the commands' documentation."""
    traveller = _traveller(person)
    if isinstance(traveller, str):
        return {"error": traveller}
    began = time.perf_counter_ns()
    finding = match(traveller, index, lookup)
    verdict = judge(
        Findings(
            person=_person(traveller, finding),
            listed=finding.listed_grade,
            radiation="none declared",
            mirror="UNKNOWN" if finding.overtaken else mirror,
            mirror_age_s=None if finding.overtaken else mirror_age_s,
            recording=True,
            nuclear=finding.nuclear,
        )
    )
    elapsed_us = (time.perf_counter_ns() - began) // 1000
    return {
        "verdict": verdict.word,
        "actions": list(verdict.actions),
        "candidates": _candidates(finding),
        "listed": [msgspec.to_builtins(document) for document in finding.listed],
        "elapsed_us": elapsed_us,
    }


def _person(traveller: Traveller, finding: PersonFinding) -> Person:
    """As at a lane: who gives no name that can be looked for is found or not found by a number, and never cleared."""
    named = names.fold(f"{traveller.surname} {traveller.given_names}")
    return "unreadable" if finding.grade == "none" and not named else finding.grade


def _candidates(finding: PersonFinding) -> list[dict[str, Any]]:
    return [
        {
            "entity_id": candidate.entity_id,
            "score": candidate.score,
            "grade": candidate.grade,
            "reasons": [msgspec.to_builtins(reason) for reason in candidate.reasons],
        }
        for candidate in finding.candidates
    ]


def _traveller(person: Mapping[str, Any]) -> Traveller | str:
    """The person of a line, or what to correct in it."""
    texts: dict[str, str] = {}
    for key in (
        "name",
        "surname",
        "given_names",
        "birth_date",
        "sex",
        "nationality",
        "document_number",
        "issuing_state",
    ):
        value = person.get(key)
        if value is not None and not isinstance(value, str):
            return f'"{key}" must be text or null.'
        texts[key] = (value or "").strip()
    if not any(texts[key] for key in ("name", "surname", "given_names", "document_number")):
        return 'Give "name", or "surname" and "given_names", or "document_number".'
    if texts["birth_date"] and not _BIRTH_DATE.fullmatch(texts["birth_date"]):
        return 'Write "birth_date" as YYYY, YYYY-MM or YYYY-MM-DD.'
    return Traveller(
        surname=texts["surname"] or texts["name"],
        given_names=texts["given_names"],
        birth_date=texts["birth_date"] or None,
        sex=texts["sex"] or None,
        nationality=texts["nationality"] or None,
        document_number=texts["document_number"],
        issuing_country=texts["issuing_state"] or None,
    )


def compare_names(query: str, candidate: str, *, cut: bool = False) -> dict[str, Any]:
    """The answer of `failsafe names` to one line; `cut`: the query's words may be the beginnings of longer ones."""
    scored = score_names(query, candidate, cut=cut)
    reasons = [
        {"query": reason.query, "candidate": reason.candidate, "why": reason.why, "points": reason.points}
        for reason in scored.reasons
    ]
    return {"score": round(scored.score, 4), "match": scored.match, "reasons": reasons}
