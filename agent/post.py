"""One lane's post: from readings to the verdict its officer sees and the alerts it raises.

The post owns the lane's crossings and detectors and what is known of each traveller. It asks its surroundings (the
booth) for matches, for the notices' state and for records in the ledger, and takes every time as an argument, so that
a whole shift can be played in a test without a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from failsafe.agent import alerts, fusion
from failsafe.agent.crossing import Changes, Lane, LaneSettings
from failsafe.agent.fusion import AlertCall, Findings, MirrorState, Verdict
from failsafe.agent.page.passages import passage_view
from failsafe.agent.page.view import (
    AlertView,
    CandidateView,
    DetectorHealth,
    LaneView,
    PassageView,
    PastCrossing,
    RadiationView,
    SecondView,
    VerdictView,
)
from failsafe.agent.person.matching import PersonFinding
from failsafe.agent.radiation.attachments import Attachments, Due
from failsafe.agent.radiation.detector import LaneMonitor
from failsafe.agent.radiation.n42_record import Draft, Recorded
from failsafe.agent.radiation.passage import Health, Passage, advice
from failsafe.agent.traveller import Presented
from failsafe.drivers.reading import Reading
from failsafe.sync.records import Notice
from failsafe.sync.reports import Alert, FeedState, PersonAsRead, RadiationSummary, SearchLine

HISTORY: Final = 12
_NO_FINDING: Final = PersonFinding(grade="none", candidates=(), listed=())


class Surroundings(Protocol):
    """What a post needs of its booth."""

    def match(self, presented: Presented) -> PersonFinding:
        """Ask the notices about a person; nothing found is a finding too."""
        ...

    def notice(self, entity_id: str) -> Notice | None:
        """A notice for second line."""
        ...

    def mirror(self) -> tuple[MirrorState, float | None, tuple[FeedState, ...]]:
        """State and age of the notices, and the serials they stand at."""
        ...

    def circumstances(self, lane: str) -> alerts.Circumstances:
        """When and where, for an alert raised now."""
        ...

    def new_id(self) -> str:
        """A fresh UUID version 7."""
        ...

    def recording(self) -> bool:
        """Whether the ledger takes records."""
        ...

    def record(self, raised: Sequence[Alert], search: SearchLine) -> bool:
        """Commit; False if that did not succeed in the time a verdict may wait. It is then tried again by itself."""
        ...

    def attach(self, draft: Draft) -> None:
        """Record what was counted in an alert's passage; nobody waits for it."""
        ...

    def shift(self) -> str:
        """The shift's name for the search log."""
        ...


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert as far as everybody may know of it."""

    id: str
    kind: str
    urgency: str


@dataclass(frozen=True, slots=True)
class Issued:
    """A verdict as it was issued: what the command line, the demonstration and the bench see; no identity."""

    lane: str
    crossing: str | None
    verdict: Verdict
    recorded: bool
    reissued: bool
    arrived_at: float | None  # monotonic time of the document's last byte; None where no document caused it
    alerts: tuple[Raised, ...] = ()


@dataclass(slots=True)
class _Record:
    """What the post knows of one crossing; `identity` None stands for an alarm that belongs to nobody."""

    crossing: str | None
    presented: Presented | None = None
    finding: PersonFinding = _NO_FINDING
    verdict: Verdict | None = None
    recorded: bool = True
    reissued: bool = False
    at: str = ""
    raised: dict[tuple[object, ...], str] = field(default_factory=dict)
    last_alert: str | None = None
    alerts: list[AlertView] = field(default_factory=list)
    passages: tuple[Passage, ...] = ()


class Post:
    """A lane with its detectors, crossings and verdicts. Not thread-safe: one thread drives it.

    Args:
        name, settings: the lane's.
        monitors: its radiation detectors by name.
        around: the booth, as far as a post needs it.
        issued: called with each verdict as it goes to the page.
    """

    def __init__(
        self,
        name: str,
        settings: LaneSettings,
        monitors: Mapping[str, LaneMonitor],
        around: Surroundings,
        issued: Callable[[Issued], None],
    ) -> None:
        self.name = name
        self.lane = Lane(name, settings)
        self.monitors = dict(monitors)
        self._around = around
        self._issued = issued
        self._records: dict[str, _Record] = {}
        self._shown: _Record | None = None
        self._history: list[tuple[_Record, str]] = []
        self._alarms_told: dict[str, frozenset[str]] = {}
        self._nobodys: dict[str, list[AlertView]] = {}  # by passage: alerts raised before a document stood beside it
        self._attachments = Attachments()

    # --- what comes in -------------------------------------------------------------------------------------------

    def present(self, presented: Presented, now: float, arrived_at: float | None = None) -> str:
        """A document was read or an entry typed; returns the id of the crossing it belongs to."""
        crossing, changes = self.lane.present(self._around.new_id(), now, presented.token)
        for monitor in self.monitors.values():
            monitor.presented(crossing.id, now)
        self._advance(now)  # a device on the desk may have seen the traveller come
        record = self._records.setdefault(crossing.id, _Record(crossing.id))
        if presented.person is not None or record.presented is None:
            record.presented = presented
            if presented.person is not None:  # what a bad reading already found is not forgotten for a better one
                record.finding = _better(record.finding, self._around.match(presented))
        self._shown = record
        self._judge(record, now, arrived_at)
        self._follow(changes, now)
        return crossing.id

    def receive(self, detector: str, reading: Reading, now: float) -> None:
        """A reading of one of the lane's radiation detectors."""
        self.monitors[detector].receive(reading, now)
        self._advance(now)

    def line(self, detector: str, up: bool, now: float) -> None:
        """The line of one of the lane's detectors opened or was lost."""
        self.monitors[detector].line(up, now)
        self._advance(now)

    def tick(self, now: float) -> None:
        """Let time pass."""
        for monitor in self.monitors.values():
            monitor.advance(now)
        self._advance(now)

    def close(self, now: float) -> None:
        """The officer is done with what the post shows."""
        self._follow(self.lane.close(now), now)
        self._shown = None

    def finish(self, now: float) -> None:
        """The booth stops: what was counted so far is written down."""
        self._attach(now, stopping=True)

    def judge_again(self, now: float) -> None:
        """The notices or the ledger changed: what is open is judged again, with what is known now."""
        current = self.lane.current
        record = self._records.get(current.id) if current else None
        if record is not None and record.presented is not None:
            if record.presented.person is not None:
                record.finding = _better(record.finding, self._around.match(record.presented))
            self._judge(record, now)

    # --- from news to verdicts -----------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        self._follow(self.lane.advance(now, self._passages(), self.health(now)), now)
        self._attach(now)

    def _follow(self, changes: Changes, now: float) -> None:
        for crossing_id in changes.rejudge:
            record = self._records.get(crossing_id)
            if record is not None:
                self._judge(record, now)
        for passage in changes.unclaimed:
            self._tell_unclaimed(passage, now)
        for crossing_id in changes.closed:
            record = self._records.get(crossing_id)
            if self._shown is record and self.lane.current is None and not _must_be_seen(record):
                self._shown = None
        for crossing_id in [known for known in self._records if not self.lane.keeps(known)]:
            del self._records[crossing_id]
        passages = {passage.id for passage in self._passages()}
        self._alarms_told = {known: told for known, told in self._alarms_told.items() if known in passages}
        self._nobodys = {known: raised for known, raised in self._nobodys.items() if known in passages}

    def _tell_unclaimed(self, passage: Passage, now: float) -> None:
        """An alarm beside which no document stands is shown and told all the same."""
        record = _Record(None, passages=(passage,))
        self._shown = record if self.lane.current is None else self._shown
        self._judge(record, now)

    def _judge(self, record: _Record, now: float, arrived_at: float | None = None) -> None:
        if record.crossing is not None:
            record.passages = self.lane.passages_of(record.crossing)
            self._adopt(record)
        verdict = fusion.judge(self._findings(record, recording=self._around.recording()))
        calls = [call for call in verdict.alerts if self._is_news(record, call)]
        if record.verdict is not None and not calls and _same(record.verdict, verdict):
            record.verdict = verdict  # its notes may have changed: a portal that has spoken is not to be waited for
            return
        raised = self._compose(record, verdict, calls, now)
        recorded = self._around.record(raised, self._search_line(verdict))
        self._mark(record, calls, raised, now)
        if not recorded:
            verdict = fusion.judge(self._findings(record, recording=False))
        self._issue(record, verdict, recorded, raised, arrived_at)

    def _findings(self, record: _Record, *, recording: bool) -> Findings:
        state, age_s, _ = self._around.mirror()
        finding = record.finding
        radiation: fusion.Radiation = "alarm"
        if record.crossing is not None:
            radiation = self.lane.column(record.crossing)
        listed: fusion.Listed = "none"
        if finding.listed:
            listed = "sure" if any(document.sure for document in finding.listed) else "unsure"
        return Findings(
            person=self._person(record),
            listed=listed,
            radiation=radiation,
            mirror="UNKNOWN" if finding.overtaken else state,
            mirror_age_s=None if finding.overtaken else age_s,
            recording=recording,
            nuclear=any(candidate.tier == "rn" for candidate in finding.candidates),
            hint_only=record.presented is not None and record.presented.hint_only,
        )

    def _person(self, record: _Record) -> fusion.Person:
        if record.finding.grade != "none":
            return record.finding.grade
        read = record.presented is not None and record.presented.surely_read
        return "none" if read or record.crossing is None else "unreadable"

    def _is_news(self, record: _Record, call: AlertCall) -> bool:
        """Whether an alert of this kind, about these notices and alarms, has not been raised yet."""
        if call.kind == "radiation_alarm":
            return any(passage.alarms - self._alarms_told.get(passage.id, frozenset()) for passage in record.passages)
        return self._key(record, call) not in record.raised

    def _key(self, record: _Record, call: AlertCall) -> tuple[object, ...]:
        about = frozenset(candidate.entity_id for candidate in record.finding.candidates)
        papers = frozenset(document.number for document in record.finding.listed)
        alarms = frozenset((passage.id, channel) for passage in record.passages for channel in passage.alarms)
        return (call.kind, about, papers, alarms if call.kind == "person_and_radiation" else None)

    def _compose(self, record: _Record, verdict: Verdict, calls: Sequence[AlertCall], now: float) -> list[Alert]:
        known = alerts.Known(
            crossing=record.crossing,
            person=record.presented.person if record.presented else None,
            notices=record.finding.candidates,
            listed=record.finding.listed,
            radiation=self._summary(record, now),
        )
        around = self._around.circumstances(self.name)
        raised: list[Alert] = []
        for call in calls:
            follows = raised[-1].id if raised else record.last_alert
            raised.append(alerts.compose(self._around.new_id(), call, verdict.word, known, around, follows))
        return raised

    def _mark(self, record: _Record, calls: Sequence[AlertCall], raised: Sequence[Alert], now: float) -> None:
        """What has gone to the ledger is not raised again; before that, a fault of ours must not make it count."""
        for call, alert in zip(calls, raised, strict=True):
            record.raised[self._key(record, call)] = record.last_alert = alert.id
            view = AlertView(id=alert.id, kind=alert.kind, urgency=alert.urgency, at=alert.at.wall)
            record.alerts.append(view)
            for passage in record.passages if record.crossing is None else ():
                self._nobodys.setdefault(passage.id, []).append(view)
            if call.kind == "radiation_alarm":
                self._alarms_told |= {passage.id: frozenset(passage.alarms) for passage in record.passages}
            if call.kind in ("radiation_alarm", "person_and_radiation"):
                self._attachments.raised(alert.id, record.passages, now)

    def _attach(self, now: float, *, stopping: bool = False) -> None:
        for due in self._attachments.due(self._passage, now, stopping=stopping):
            for monitor in self.monitors.values():
                self._write_down(monitor, due, now)

    def _write_down(self, monitor: LaneMonitor, due: Due, now: float) -> None:
        course, passage = monitor.course(due.passage.id), due.passage
        if course is None:
            return
        around = self._around.circumstances(self.name)
        health = monitor.health(now) if passage.ended_at is None and passage.monitored else passage.health
        recorded = Recorded(
            id=self._around.new_id(),
            detector=monitor.detector,
            instrument=monitor.settings.instrument,
            course=course,
            own=passage.own,
            health=health,
            advice=advice(health),
            wall_less_monotonic_s=datetime.fromisoformat(around.at.wall).timestamp() - around.at.monotonic_s,
            portal=monitor.settings.kind != "static",
            ends=due.ends,
        )
        self._around.attach(Draft(recorded, around.at, around.place, due.alerts, monitor.summary(now, passage)))

    def _adopt(self, record: _Record) -> None:
        """An alarm that was nobody's is this crossing's too once it reaches it: what is found goes under its alert."""
        for passage in record.passages:
            record.alerts += [alert for alert in self._nobodys.get(passage.id, ()) if alert not in record.alerts]

    def _issue(
        self, record: _Record, verdict: Verdict, recorded: bool, raised: Sequence[Alert], arrived_at: float | None
    ) -> None:
        record.reissued = record.verdict is not None
        record.verdict, record.recorded = verdict, recorded
        record.at = self._around.circumstances(self.name).at.wall
        if self._shown is None and _must_be_seen(record):
            self._shown = record
        self._history = [(known, at) for known, at in self._history if known is not record][-HISTORY + 1 :]
        self._history.append((record, record.at))
        self._issued(
            Issued(
                lane=self.name,
                crossing=record.crossing,
                verdict=verdict,
                recorded=recorded,
                reissued=record.reissued,
                arrived_at=arrived_at,
                alerts=tuple(Raised(alert.id, alert.kind, alert.urgency) for alert in raised),
            )
        )

    def _search_line(self, verdict: Verdict) -> SearchLine:
        around = self._around.circumstances(self.name)
        return SearchLine(
            at=around.at.wall,
            lane=self.name,
            shift=self._around.shift(),
            mirror=around.mirror,
            verdict=verdict.word,
        )

    # --- the lane's detectors ------------------------------------------------------------------------------------

    def health(self, now: float) -> Health:
        """The worst of the lane's detectors; UNKNOWN where it has none."""
        states = [monitor.health(now) for monitor in self.monitors.values()]
        return next((state for state in states if state != "OK"), "OK" if states else "UNKNOWN")

    def _passages(self) -> list[Passage]:
        return [passage for monitor in self.monitors.values() for passage in monitor.passages()]

    def _passage(self, passage_id: str) -> Passage | None:
        return next((passage for passage in self._passages() if passage.id == passage_id), None)

    def _summary(self, record: _Record, now: float) -> RadiationSummary | None:
        """The alarming passage's detector if there is one, else the last passage's, else the lane's first detector."""
        ranked = sorted(record.passages, key=lambda passage: (bool(passage.alarms), passage.began_at))
        for passage in reversed(ranked):
            for monitor in self.monitors.values():
                if monitor.passage(passage.id) is not None:
                    return monitor.summary(now, passage)
        return next((monitor.summary(now) for monitor in self.monitors.values()), None)

    def person(self, crossing: str) -> PersonAsRead | None:
        """The traveller of a crossing as read, for as long as the lane remembers the crossing or shows it."""
        record = self._records.get(crossing)
        if record is None and self._shown is not None and self._shown.crossing == crossing:
            record = self._shown
        return record.presented.person if record is not None and record.presented is not None else None

    # --- what is shown -------------------------------------------------------------------------------------------

    def view(self, now: float) -> LaneView:
        """The lane for the first line: no name, no reason that identifies."""
        record = self._shown
        return LaneView(
            lane=self.name,
            radiation=self._radiation_view(record, now),
            crossing=record.crossing if record else None,
            verdict=_verdict_view(record) if record else None,
            history=tuple(
                PastCrossing(at=at, lane=self.name, word=known.verdict.word)
                for known, at in reversed(self._history)
                if known.verdict is not None
            ),
        )

    def second(self, now: float) -> SecondView:
        """The crossing shown, with its candidates and reasons."""
        record = self._shown
        if record is None:
            return SecondView(lane=self.name)
        cards = []
        for candidate in record.finding.candidates:
            notice = self._around.notice(candidate.entity_id)
            if notice is not None:
                cards.append(CandidateView(match=candidate, notice=notice))
        return SecondView(
            lane=self.name,
            crossing=record.crossing,
            verdict=_verdict_view(record),
            person=record.presented.person if record.presented else None,
            candidates=tuple(cards),
            listed=record.finding.listed,
            radiation=self._radiation_view(record, now),
            detectors=tuple(self._detector_health(monitor, now) for monitor in self.monitors.values()),
            passages=self._passage_views(record, now),
            alerts=tuple(record.alerts),
            attachable=_nobody_named(record),
        )

    def _detector_health(self, monitor: LaneMonitor, now: float) -> DetectorHealth:
        health = monitor.health(now)
        return DetectorHealth(detector=monitor.detector, health=health, advice=advice(health))

    def _passage_views(self, record: _Record, now: float) -> tuple[PassageView, ...]:
        """The passages of a crossing as their detectors know them now; as the crossing last knew them after that."""
        tied = self.lane.passages_of(record.crossing) if record.crossing is not None else ()
        wall = self._around.circumstances(self.name).at.wall
        views = []
        for passage in tied or record.passages:
            monitor = next((one for one in self.monitors.values() if one.passage(passage.id) is not None), None)
            known = monitor.passage(passage.id) if monitor is not None else None
            views.append(passage_view(known or passage, monitor or next(iter(self.monitors.values())), now, wall))
        return tuple(views)

    def _radiation_view(self, record: _Record | None, now: float) -> RadiationView:
        state: fusion.Radiation
        if record is not None:
            state = "alarm" if record.crossing is None else self.lane.column(record.crossing)
        elif not self.lane.settings.detector:
            state = "none declared"
        else:
            state = "awaited" if self.health(now) == "OK" else "not monitored"
        monitor = next(iter(self.monitors.values()), None)
        if monitor is None:
            return RadiationView(state=state)
        return RadiationView(
            state=state,
            background_cps=monitor.background_cps(),
            threshold=monitor.line_drawn(),
            strip=monitor.strip(now),
            neutron=monitor.strip(now, "neutron"),
        )


def _nobody_named(record: _Record) -> bool:
    """Whether the alerts carry no identity though the traveller is known: second line may attach it."""
    known = record.crossing is not None and record.presented is not None and record.presented.person is not None
    return known and bool(record.alerts) and all(alert.kind == "radiation_alarm" for alert in record.alerts)


def _must_be_seen(record: _Record | None) -> bool:
    """Whether a verdict stays on the page though its crossing closed by itself: an officer must have seen it."""
    return record is not None and record.verdict is not None and record.verdict.word in ("STOP", "CHECK")


def _same(one: Verdict, other: Verdict) -> bool:
    """Alike for the officer: notes that only tell a growing age do not make a verdict another one."""
    return (one.word, one.actions) == (other.word, other.actions)


def _better(held: PersonFinding, fresh: PersonFinding) -> PersonFinding:
    """What was once found for a crossing stays found, even when its notice was withdrawn meanwhile."""
    return fresh if fresh.grade != "none" or fresh.listed or (held.grade == "none" and not held.listed) else held


def _verdict_view(record: _Record) -> VerdictView | None:
    if record.verdict is None:
        return None
    return VerdictView(
        word=record.verdict.word,
        actions=record.verdict.actions,
        notes=record.verdict.notes,
        recorded=record.recorded,
        at=record.at,
        reissued=record.reissued,
    )
