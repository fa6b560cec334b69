"""What the officer's page shows, as values: the booth makes a `View`, the page only draws it.

`View` is for the first line: colour, word, action code, no name and no reason that identifies. `SecondView` opens at
second line: the document, the candidates and why they match. Both cross to the browser as JSON.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from failsafe.sync.records import Notice
from failsafe.sync.reports import Category, Explanation, MatchedDocument, MatchedNotice, PersonAsRead

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

    `state` is a word of `reports.LinkWord`, `detail` says what was seen and what to do next. `since` and `last_contact`
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
    mirror: Literal["FRESH", "STALE", "EXPIRED", "EMPTY", "UNKNOWN", "CHECKING"]
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


class OwnTestView(msgspec.Struct, frozen=True, kw_only=True):
    """A test of the booth's own that alarmed, on which panels (counted from 1)."""

    test: str
    strength: float
    threshold: float
    panels: tuple[int, ...] = ()


class ChannelView(msgspec.Struct, frozen=True, kw_only=True):
    """One channel of a passage: its highest interval (None: none came), and what that stood against.

    `peak_counts` is of all panels together, `panels` of each; `background_cps` as the passage began;
    `threshold_counts` for an interval of this length, where the portal's factor is known. `alarm`: by the device
    (`told`) or by tests of the booth's (`own`).
    """

    channel: Literal["gamma", "neutron"]
    alarm: bool
    told: bool = False
    peak_counts: int | None = None
    interval_s: float | None = None
    background_cps: float | None = None
    times_background: float | None = None
    threshold_counts: float | None = None
    panels: tuple[int, ...] = ()
    own: tuple[OwnTestView, ...] = ()


class PassageView(msgspec.Struct, frozen=True, kw_only=True):
    """A detector's view of one passage, by the wall clock; `ended_at` empty: somebody is in the detector.

    `monitored` is false where the detector was not well the whole time; `health` is then what was wrong first.
    `nuclides` are what the device says it recognised, in its own words.
    """

    detector: str
    began_at: str
    ended_at: str = ""
    duration_s: float
    monitored: bool
    health: str
    channels: tuple[ChannelView, ...] = ()
    nuclides: tuple[str, ...] = ()


class DetectorHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One of the lane's radiation detectors now, and what to do if it is not OK."""

    detector: str
    health: str
    advice: str = ""


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """An alert of a crossing, without anything of the person."""

    id: str
    kind: str
    urgency: str
    at: str


class SecondView(msgspec.Struct, frozen=True, kw_only=True):
    """The second line's page for the current crossing of a lane.

    `attachable`: its alerts name nobody, and the document is known, so that an officer may attach it.
    """

    lane: str
    crossing: str | None = None
    verdict: VerdictView | None = None
    person: PersonAsRead | None = None
    candidates: tuple[CandidateView, ...] = ()
    listed: tuple[MatchedDocument, ...] = ()
    radiation: RadiationView | None = None
    detectors: tuple[DetectorHealth, ...] = ()
    passages: tuple[PassageView, ...] = ()
    alerts: tuple[AlertView, ...] = ()
    attachable: bool = False


class FindingOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the second line writes down about a crossing that raised alerts; `id` (UUID version 7) makes a repetition
    of the same order harmless.

    Of radiation: `category`, and with a medical one `nuclide` and `days_since`. With `attach` the document of the
    crossing goes with it, `text` being the reason.
    """

    id: str
    lane: str
    alerts: tuple[str, ...]
    text: str
    crossing: str | None = None
    category: Category | None = None
    nuclide: str | None = None
    days_since: float | None = None
    attach: bool = False


class FindingView(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that is in the ledger; `delivered_at` empty: headquarters has not signed for it yet.

    `plausible` is what the booth says of a medical explanation; `attached`: the traveller's document went with it.
    """

    id: str
    at: str
    text: str
    shift: str = ""
    delivered_at: str = ""
    category: Category | None = None
    nuclide: str | None = None
    days_since: float | None = None
    plausible: Explanation | None = None
    attached: bool = False


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How far alerts have come, and what was found about them.

    `recorded` are the ids that the ledger holds, `delivered` when headquarters' receipt for an id was taken.
    """

    recorded: tuple[str, ...] = ()
    delivered: dict[str, str] = msgspec.field(default_factory=dict)
    findings: tuple[FindingView, ...] = ()


class FindingRefused(Exception):
    """A finding was not recorded: why, and what to do; `booth` is true where the booth, not the text, is at fault."""

    def __init__(self, text: str, advice: str, *, booth: bool = False) -> None:
        super().__init__(text)
        self.advice = advice
        self.booth = booth


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
