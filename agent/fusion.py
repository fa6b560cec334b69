"""The verdict: what the person and the radiation of one crossing say together. Pure, and nothing but this table.

The first row that holds decides; only the bottom row knows CLEAR, and only in two of its cells.

| person / radiation         | quiet        | none declared      | awaited            | alarm          | not monitored |
|----------------------------|--------------|--------------------|--------------------|----------------|---------------|
| strong; listed surely read | STOP         | STOP               | STOP               | STOP, top tier | STOP          |
| possible; listed, repaired | CHECK        | CHECK              | CHECK              | STOP           | CHECK         |
| unreadable; mirror; ledger | CANNOT CLEAR | CANNOT CLEAR       | CANNOT CLEAR       | STOP           | CANNOT CLEAR  |
| nothing; mirror usable     | CLEAR        | CLEAR, person only | CANNOT CLEAR, wait | STOP, screen   | CANNOT CLEAR  |
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from failsafe.sync.reports import AlertKind, Urgency

Person = Literal["strong", "possible", "unreadable", "none"]
Listed = Literal["sure", "unsure", "none"]
Radiation = Literal["quiet", "none declared", "awaited", "alarm", "not monitored"]
MirrorState = Literal["FRESH", "STALE", "EXPIRED", "EMPTY", "UNKNOWN", "CHECKING"]
Word = Literal["STOP", "CHECK", "CLEAR", "CANNOT CLEAR"]
Action = Literal[
    "PROCEED",
    "WAIT_PORTAL",
    "WAIT_NOTICES",
    "REREAD",
    "REFER_SECONDARY",
    "RADIATION_SCREEN",
    "NOTIFY_CCC",
    "DO_NOT_DETAIN_ON_NOTICE_ALONE",
    "TELEPHONE_CCC",
]

PERSON_ONLY: Final = "Person only: this lane has no radiation detector."
NOT_MONITORED: Final = "Radiation not monitored."
WAIT_FOR_PORTAL: Final = "Wait for the portal."
RADIATION_ALARM: Final = "Radiation alarm."
UNREADABLE: Final = "The document could not be read."
HINT_ONLY: Final = "Boarding pass only: read the travel document."
NOT_RECORDED: Final = "NOT RECORDED: telephone the CCC."

_MIRROR_NOTES: Final[dict[str, str]] = {
    "EXPIRED": "The notices are too old to clear anyone.",
    "EMPTY": "This booth holds no notices.",
    "UNKNOWN": "The age of the notices is unknown.",
    "CHECKING": "The notices are being checked; wait.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that a verdict rests on.

    Attributes:
        person: the best grade; `unreadable` only where nothing could be asked of the notices. A candidate found from
            a zone that was only partly read is `possible` or `strong`, not `unreadable`.
        listed: whether a listed document was presented, and whether its number was surely read.
        radiation: the column of this crossing, from `crossing.Lane`.
        mirror: state of the notices; CHECKING where they would be current, and are not yet known to be whole.
        mirror_age_s: their age; None (or no finite, positive number) is an unknown age, whatever `mirror` says.
        recording: the ledger can take (or has taken) the record of this crossing.
        nuclear: one of the candidates is of the `rn` tier.
        hint_only: what was read is a name on a paper that is no travel document.
    """

    person: Person
    listed: Listed
    radiation: Radiation
    mirror: MirrorState
    mirror_age_s: float | None
    recording: bool
    nuclear: bool = False
    hint_only: bool = False


@dataclass(frozen=True, slots=True)
class AlertCall:
    """An alert that this verdict calls for; whoever raises it leaves out what this crossing has raised before."""

    kind: AlertKind
    urgency: Urgency


@dataclass(frozen=True, slots=True)
class Verdict:
    """Word and action codes for the first line, notes that identify nobody, and the alerts to raise."""

    word: Word
    actions: tuple[Action, ...]
    notes: tuple[str, ...] = ()
    alerts: tuple[AlertCall, ...] = ()


def judge(findings: Findings) -> Verdict:
    """The verdict of the table above for one crossing, as things stand."""
    word = _word(findings)
    return Verdict(word, _actions(findings, word), _notes(findings, word), _alerts(findings))


def _word(findings: Findings) -> Word:
    if _surely_found(findings):
        return "STOP"
    if _perhaps_found(findings):
        return "STOP" if findings.radiation == "alarm" else "CHECK"
    if findings.radiation == "alarm":
        return "STOP"
    # CLEAR is what must be earned, word by word: a value nobody foresaw falls through to CANNOT CLEAR.
    named = findings.person == "none" and not findings.hint_only
    asked = named and findings.listed == "none" and _mirror_answers(findings)
    if asked and findings.recording is True and findings.radiation in ("quiet", "none declared"):
        return "CLEAR"
    return "CANNOT CLEAR"


def _surely_found(findings: Findings) -> bool:
    return findings.person == "strong" or findings.listed == "sure"


def _perhaps_found(findings: Findings) -> bool:
    return findings.person == "possible" or findings.listed == "unsure"


def _mirror_answers(findings: Findings) -> bool:
    return findings.mirror in ("FRESH", "STALE") and _is_age(findings.mirror_age_s)


def _is_age(age_s: float | None) -> bool:
    return age_s is not None and 0.0 <= age_s < math.inf


def _actions(findings: Findings, word: Word) -> tuple[Action, ...]:
    if word == "CLEAR":
        return ("PROCEED",)
    found = _surely_found(findings) or _perhaps_found(findings)
    on_notice = findings.person in ("strong", "possible")
    alone = word == "CANNOT CLEAR"  # no finding: the traveller may be cleared once the reason is gone
    waits = findings.mirror == "CHECKING" and _is_age(findings.mirror_age_s)
    usable = findings.recording and (waits or _mirror_answers(findings))
    wanted: dict[Action, bool] = {
        "REREAD": findings.person == "unreadable" and not found,
        "WAIT_PORTAL": alone and findings.radiation == "awaited",
        "WAIT_NOTICES": alone and waits,
        "REFER_SECONDARY": not alone or findings.radiation == "not monitored" or not usable,
        "RADIATION_SCREEN": findings.radiation in ("alarm", "not monitored"),
        "NOTIFY_CCC": word == "STOP",
        "DO_NOT_DETAIN_ON_NOTICE_ALONE": on_notice,
        "TELEPHONE_CCC": not findings.recording or (alone and not (waits or _mirror_answers(findings))),
    }
    # Nothing is left without a next step, not even a value nobody foresaw.
    return tuple(action for action, holds in wanted.items() if holds) or ("REFER_SECONDARY",)


def _notes(findings: Findings, word: Word) -> tuple[str, ...]:
    notes = []
    if findings.hint_only:
        notes.append(HINT_ONLY)
    elif findings.person == "unreadable":
        notes.append(UNREADABLE)
    notes.extend(_radiation_note(findings))
    if not findings.recording:
        notes.append(NOT_RECORDED)
    if not _mirror_answers(findings):
        notes.append(_MIRROR_NOTES.get(findings.mirror, _MIRROR_NOTES["UNKNOWN"]))
    elif word == "CLEAR" and findings.mirror_age_s is not None:
        notes.append(age_note(findings.mirror_age_s, stale=findings.mirror == "STALE"))
    return tuple(notes)


def _radiation_note(findings: Findings) -> tuple[str, ...]:
    match findings.radiation:
        case "quiet":
            return ()
        case "none declared":
            return (PERSON_ONLY,)
        case "awaited":
            return (WAIT_FOR_PORTAL,)
        case "alarm":
            return (RADIATION_ALARM,)
        case _:
            return (NOT_MONITORED,)


def age_note(age_s: float, *, stale: bool = False) -> str:
    """The age of the notices as a sentence; what is stale says so."""
    hours, minutes = divmod(int(max(age_s, 0.0)) // 60, 60)
    age = f"{hours} h {minutes} min" if hours else f"{minutes} min"
    return f"Notices are {age} old{', and stale' if stale else ''}."


def _alerts(findings: Findings) -> tuple[AlertCall, ...]:
    found = _surely_found(findings) or _perhaps_found(findings)
    alarm = findings.radiation == "alarm"
    top = findings.nuclear or (alarm and _surely_found(findings))
    if alarm and found:
        return (AlertCall("person_and_radiation", "urgent" if top else "routine"),)
    if alarm:  # carries no identity: most alarms are patients, and they are innocent
        return (AlertCall("radiation_alarm", "routine"),)
    calls = []
    if findings.person in ("strong", "possible"):
        calls.append(AlertCall("notice_hit", "urgent" if top else "routine"))
    if findings.listed in ("sure", "unsure"):
        calls.append(AlertCall("listed_document", "routine"))
    return tuple(calls)
