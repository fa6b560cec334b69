"""What the officer's page shows, as values: the booth makes a `View`, the page only draws it.

`View` is for the first line: colour, word, action code, no name and no reason that identifies. `SecondView` opens at
second line: the document, the candidates and why they match. Both cross to the browser as JSON.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from failsafe.sync.records import MatchedDocument, MatchedNotice, Notice, PersonAsRead

Word = Literal["STOP", "CHECK", "CLEAR", "CANNOT CLEAR"]


class DetectorView(msgspec.Struct, frozen=True, kw_only=True):
    """One reader or radiation detector: `state` is OK or the health state, `advice` what to do if it is not OK."""

    name: str
    lane: str
    role: Literal["document", "radiation"]
    state: str
    advice: str = ""


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """How the link to headquarters stands, in its own words; nobody signs it, so it is shown and never acted on.

    `state` is a word of `records.LinkWord`, `detail` says what was seen and what to do next. `since` and `last_contact`
    (headquarters' last good answer) are UTC by the link's clock, `since_s` and `last_contact_s` their ages in seconds;
    None where there is none, or the booth's clock cannot say.
    """

    state: str
    detail: str = ""
    since: str = ""
    since_s: float | None = None
    last_contact: str | None = None
    last_contact_s: float | None = None


class HeaderView(msgspec.Struct, frozen=True, kw_only=True):
    """What the booth knows of itself. `faults` are sentences for people, each with its advice.

    `undelivered` are all records without headquarters' receipt: the alerts among them are `alerts_waiting`, the rest
    reports of the booth's own health. `link` is None until the link has said anything, and where there is none.
    """

    booth: str
    crossing_point: str
    mirror: Literal["FRESH", "STALE", "EXPIRED", "EMPTY", "UNKNOWN"]
    mirror_age_s: float | None
    notices: int
    listed_documents: int
    refused: str = ""  # why the last publication was refused, with advice; empty when it was taken
    undelivered: int = 0
    oldest_undelivered_s: float | None = None
    alerts_waiting: int = 0
    oldest_alert_s: float | None = None
    link: LinkView | None = None
    recording: bool = True
    clock_trusted: bool = True
    detectors: tuple[DetectorView, ...] = ()
    faults: tuple[str, ...] = ()
    telephone: str = ""


class RadiationView(msgspec.Struct, frozen=True, kw_only=True):
    """The lane's radiation: the fusion column, and the last minute of the portal for the strip chart.

    `strip` holds (seconds before now, counts in the interval, alarm) of gamma; neutron likewise.
    """

    state: Literal["quiet", "none declared", "awaited", "alarm", "not monitored"]
    background_cps: float | None = None
    threshold: float | None = None
    strip: tuple[tuple[float, int, bool], ...] = ()
    neutron: tuple[tuple[float, int, bool], ...] = ()


class VerdictView(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on the first line: `notes` are non-identifying sentences ("person only", "not monitored")."""

    word: Word
    actions: tuple[str, ...]
    notes: tuple[str, ...] = ()
    recorded: bool = True
    at: str = ""
    reissued: bool = False


class PastCrossing(msgspec.Struct, frozen=True, kw_only=True):
    """One line of this shift's history: no identity."""

    at: str
    lane: str
    word: Word


class LaneView(msgspec.Struct, frozen=True, kw_only=True):
    """One lane; `verdict` None: waiting for a traveller."""

    lane: str
    radiation: RadiationView
    crossing: str | None = None
    verdict: VerdictView | None = None
    history: tuple[PastCrossing, ...] = ()


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The whole first-line page; `number` grows with every change."""

    number: int
    at: str
    header: HeaderView
    lanes: tuple[LaneView, ...]


class CandidateView(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate with its notice and why it matches."""

    match: MatchedNotice
    notice: Notice


class SecondView(msgspec.Struct, frozen=True, kw_only=True):
    """The second line's page for the current crossing of a lane."""

    lane: str
    crossing: str | None = None
    verdict: VerdictView | None = None
    person: PersonAsRead | None = None
    candidates: tuple[CandidateView, ...] = ()
    listed: tuple[MatchedDocument, ...] = ()
    radiation: RadiationView | None = None
    alerts: tuple[str, ...] = ()


class ManualEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an officer typed: the lines of a zone, or the fields of a person."""

    lane: str
    zone: str = ""
    surname: str = ""
    given_names: str = ""
    birth_date: str = ""
    sex: str = ""
    nationality: str = ""
    document_number: str = ""
    issuing_state: str = ""


class EntryRefused(Exception):
    """A manual entry cannot be used; the text says what to correct."""
