"""One lane's radiation detector: its health, the passages it saw, and the last minute for the officer's page. Pure.

A passage is what the detector calls an occupancy. `LaneMonitor` takes the readings of a driver and the time, and
keeps passages for ten minutes so that `crossing.Lane` can tie them to travellers. Two rules stand above all others:
the device's own alarm always counts, whatever its health; and a passage is *monitored* only if the detector was OK
from its first interval to its last and nothing of it was lost. The booth's own tests (`own_alarm`) run beside the
device's, and an alarm of theirs counts like one of the device's. What a detector says is held against itself
(`plausibility`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from failsafe.agent.radiation.background import Known, Measured, far
from failsafe.agent.radiation.course import Course, Courses, Instrument
from failsafe.agent.radiation.coverage import Coverage
from failsafe.agent.radiation.own_alarm import Budget, LaneKind, OwnAlarm, OwnTests
from failsafe.agent.radiation.passage import Health, Passage, Peak, summarised
from failsafe.agent.radiation.plausibility import Doubt, Plausibility, SetUpLines
from failsafe.agent.radiation.remembered import Quantity, Remembered
from failsafe.drivers.reading import (
    Alarm,
    Background,
    Channel,
    DeviceFault,
    DeviceHealth,
    Dose,
    Identification,
    Malformed,
    Occupancy,
    Reading,
    Scan,
)
from failsafe.sync.reports import RadiationSummary

STRIP_S: Final = 60.0
KEEP_PASSAGES_S: Final = 600.0
# Two panels pairs at five scans a second fill 300 places a minute; a flood of lines must not grow the memory.
_STRIP_PLACES: Final = 1024
_KEEP_PASSAGES: Final = 200
_KEEP_NUCLIDES: Final = 8
_NUCLIDE_WITHIN_S: Final = 60.0  # later it is somebody else's: devices measure for a minute at most
FAULTS_BY_WEIGHT: Final[tuple[DeviceFault, ...]] = ("TAMPER", "DEVICE", "HIGH_BG", "LOW_BG")
_DOUBTS_BY_WEIGHT: Final[tuple[Doubt, ...]] = ("STUCK", "DISAGREE", "CONFIG_CHANGED")

_USUAL_BUDGET: Final = Budget()
_NO_INSTRUMENT: Final = Instrument()


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """A detector as configured.

    Attributes:
        late_s, down_s: silence of the line after which it is LATE and LINK_DOWN (the driver's own times).
        channels: whose background must have been heard before the detector counts as OK.
        nsigma: the portal's own alarm factor where it is configured; else its set-up lines tell it. It draws the
            threshold and is what the portal's word is held against.
        kind: of the lane; says which of the booth's own tests run.
        measuring_s: how long a device on a desk measures each traveller.
        budget: false alarms allowed to the booth's own tests in one occupancy.
        instrument: what is told of it to whoever judges an alarm.
    """

    late_s: float = 7.5
    down_s: float = 15.0
    channels: tuple[Channel, ...] = ("gamma",)
    nsigma: float | None = None
    kind: LaneKind = "vehicle"
    budget: Budget = _USUAL_BUDGET
    measuring_s: float = 10.0
    instrument: Instrument = _NO_INSTRUMENT


@dataclass(frozen=True, slots=True)
class _Interval:
    at: float
    counts: int
    interval_s: float


class LaneMonitor:
    """The state of one detector, built from its readings.

    Args:
        detector: its configured name.
        run: text that differs at each start of the booth, so that ids of passages never come twice.
        settings: how the detector is configured.
    """

    def __init__(self, detector: str, run: str, settings: DetectorSettings | None = None) -> None:
        self.detector = detector
        self.settings = settings or DetectorSettings()
        self._run = run
        self._number = 0
        self._line_up = True
        self._heard_at: float | None = None
        self._background_at: float | None = None
        self._backgrounds: dict[Channel, float] = {}
        self._faults: set[DeviceFault] = set()
        self._passages: deque[Passage] = deque(maxlen=_KEEP_PASSAGES)
        self._strips: dict[Channel, deque[_Interval]] = {
            "gamma": deque(maxlen=_STRIP_PLACES),
            "neutron": deque(maxlen=_STRIP_PLACES),
        }
        self._own = OwnTests(self.settings.kind, self.settings.budget)
        self._plausibility = Plausibility(self.settings.nsigma)
        self._alarm_times: deque[tuple[Channel, float]] = deque(maxlen=_STRIP_PLACES)
        self._courses = Courses()
        self._coverage = Coverage()
        self.references: dict[Quantity, Measured] = {}
        self._neutron: Known | None = None  # as last held, or as remembered: it outlives a lost line

    # --- what comes in -------------------------------------------------------------------------------------------

    def receive(self, reading: Reading, now: float) -> None:
        """Take one reading that arrived at `now`; readings of documents are nobody's here and are passed over."""
        self.advance(now)
        self._plausibility.receive(reading)
        own = self._own.receive(reading)
        if isinstance(reading, Malformed):  # noise is no sign of life, and the lost line may have been the alarm
            self._coverage.receive(reading)
            self._doubt("DEVICE")
            return
        self._heard_at = now
        if not isinstance(reading, Scan):  # what a test finds at the end of a passage is still this passage's
            self._take_own(own)
            self._doubt_if_implausible()
        match reading:
            case Background():
                self._take_background(reading, now)
            case Scan():
                self._take_scan(reading)
                self._take_own(own)
            case Alarm():
                self._take_alarm(reading)
            case Occupancy():
                self._take_occupancy(reading)
            case DeviceHealth():
                self._take_fault(reading)
            case Identification():
                self._take_nuclide(reading)
            case Dose():
                pass  # without occupancies nothing clears a lane that is passed; a desk has `StaticMonitor`
        self._coverage.receive(reading)
        self._courses.receive(reading, self._passages[-1].id if self._passages else None)
        self._doubt_if_unwell(now)

    def presented(self, crossing: str, now: float) -> None:
        """A traveller's document came: nothing to a portal, which sees by itself who passes."""

    def line(self, up: bool, now: float) -> None:
        """The port opened or was lost; after a loss nothing counts until a background has come again."""
        if not up:
            self._lose(now)
        self._line_up = up

    def advance(self, now: float) -> None:
        """Let time pass: silence makes the detector late, then down."""
        health = self.health(now)
        if health == "LINK_DOWN" and self._background_at is not None:
            self._lose(now)
        self._doubt_if_unwell(now)
        while self._passages and _stale(self._passages[0], now):
            self._passages.popleft()

    # --- what it knows -------------------------------------------------------------------------------------------

    def health(self, now: float) -> Health:
        """The detector's state at `now`; anything but OK is "not monitored"."""
        if not self._line_up or self._heard_at is None:
            return "LINK_DOWN"
        silence_s = now - self._heard_at
        if silence_s >= self.settings.down_s:
            return "LINK_DOWN"
        for fault in FAULTS_BY_WEIGHT:
            if fault in self._faults:
                return fault
        if silence_s >= self.settings.late_s:
            return "LATE"
        if not all(channel in self._backgrounds for channel in self.settings.channels):
            return "UNKNOWN"
        if self._background_overdue(now):
            return "LATE"
        return self._off_reference() or self._implausible() or ("OK" if self._own.calibrated else "UNCALIBRATED")

    def passages(self) -> tuple[Passage, ...]:
        """The passages of the last ten minutes in the order they began."""
        return tuple(self._passages)

    def passage(self, passage_id: str) -> Passage | None:
        """The passage with this id, as long as it is kept."""
        return next((passage for passage in self._passages if passage.id == passage_id), None)

    def course(self, passage_id: str) -> Course | None:
        """What was counted in one of the last passages, interval by interval."""
        return self._courses.course(passage_id)

    def background_cps(self, channel: Channel = "gamma") -> float | None:
        """The last background, all panels summed, in counts per second."""
        return self._backgrounds.get(channel)

    def threshold(self, interval_s: float = 0.2) -> float | None:
        """Counts in one interval of `interval_s` at which the portal's own gamma rule would alarm, for drawing only.

        The portal compares one second with background + NSIGMA * sqrt(background) (recovered from captures, see
        docs); the line is that second's threshold, scaled to the interval.
        """
        background, nsigma = self._backgrounds.get("gamma"), self._plausibility.nsigma
        if background is None or nsigma is None:
            return None
        return float((background + nsigma * background**0.5) * interval_s)

    def line_drawn(self, interval_s: float = 0.2) -> float | None:
        """The threshold of the strip chart: the portal's, or the booth's own where it has not told its factor."""
        background = self._backgrounds.get("gamma")
        told = self.threshold(interval_s)
        if told is not None or background is None:
            return told
        return float((background + self._own.factor(background) * background**0.5) * interval_s)

    def strip(self, now: float, channel: Channel = "gamma") -> tuple[tuple[float, int, bool], ...]:
        """The last 60 s: (seconds before now, counts of all panels in the interval, alarm), oldest first."""
        alarms = {at for alarm_channel, at in self._alarm_times if alarm_channel == channel}
        return tuple(
            (max(now - interval.at, 0.0), interval.counts, interval.at in alarms)
            for interval in self._strips[channel]
            if now - interval.at <= STRIP_S
        )

    def summary(self, now: float, passage: Passage | None = None) -> RadiationSummary:
        """What an alert says of the radiation; without a passage, the detector's health alone."""
        return summarised(self.detector, self.health(now), passage, now)

    # --- what is kept over a restart -----------------------------------------------------------------------------

    def remembered(self, detector: str) -> Remembered:
        """What this detector has taught; `detector` says what it is, see `remembered.learnt_with`."""
        accepted, told = self._plausibility.setup
        return Remembered(
            detector=detector,
            accepted=accepted,
            told=told,
            nsigma=self._plausibility.nsigma,
            excesses=tuple((window, contrast, course) for window, contrast, course in self._own.excesses),
            neutron=self._own.background("neutron") or self._neutron,
            references=dict(self.references),
        )

    def recall(self, memory: Remembered) -> None:
        """What was remembered before a restart: for comparison, and never in place of fresh readings."""
        self._plausibility.recall(memory.accepted, memory.told, memory.nsigma)
        self._own.recall(memory.excesses, memory.neutron)
        self._neutron = memory.neutron
        self.references = {**memory.references, **self.references}

    def accept_setup(self) -> tuple[SetUpLines, SetUpLines]:
        """Take the set-up last told as the right one: the changed lines as they were, and as they are."""
        were = self._plausibility.accept_setup()
        told = self._plausibility.setup[1]
        return were, {tag: told[tag] for tag in were}

    def relearn(self) -> int:
        """Forget what quiet occupancies taught, so that the lane teaches anew; how many they were."""
        taught = len(self._own.excesses)
        self._own.relearn()
        return taught

    @property
    def setup(self) -> tuple[SetUpLines, SetUpLines]:
        """The set-up lines that are accepted, and those last told."""
        return self._plausibility.setup

    @property
    def faults(self) -> frozenset[DeviceFault]:
        """What the device itself reports of itself."""
        return frozenset(self._faults)

    def background(self, channel: Channel) -> Known | None:
        """What is held of a channel's background, panel by panel."""
        return self._own.background(channel)

    # --- inside --------------------------------------------------------------------------------------------------

    def _background_overdue(self, now: float) -> bool:
        # Backgrounds are silent while somebody is in the detector: the time is counted from the end of that.
        if self._background_at is None or self._open() is not None:
            return False
        ended_at = max((passage.ended_at or 0.0 for passage in self._passages), default=0.0)
        return now - max(self._background_at, ended_at) >= self.settings.down_s

    def _take_background(self, reading: Background, now: float) -> None:
        self._backgrounds[reading.channel] = sum(reading.panels_cps)
        if reading.channel == "gamma":
            self._background_at = now
            # A background comes only from an empty detector: the end of the passage before it was lost.
            self._end(reading.at, "DEVICE")

    def _take_scan(self, reading: Scan) -> None:
        peak = Peak(sum(reading.counts), reading.interval_s, reading.counts)
        self._add_to_strip(reading.channel, reading.at, peak)
        passage = self._open() or self._begin(reading.at)
        peaks = dict(passage.peaks)
        held = peaks.get(reading.channel)
        if held is None or peak.counts > held.counts:
            peaks[reading.channel] = peak
            self._keep(replace(passage, peaks=tuple(peaks.items())))

    def _add_to_strip(self, channel: Channel, at: float, seen: Peak) -> None:
        self._strips[channel].append(_Interval(at, seen.counts, seen.interval_s))

    def _take_alarm(self, reading: Alarm) -> None:
        passage = self._alarmed(reading.channel, reading.at)
        told = passage.told | {reading.channel}
        self._keep(replace(passage, alarms=passage.alarms | told, told=told))

    def _take_own(self, alarms: list[OwnAlarm]) -> None:
        for alarm in alarms:
            passage = self._alarmed(alarm.channel, alarm.at)
            self._keep(replace(passage, alarms=passage.alarms | {alarm.channel}, own=(*passage.own, alarm)))

    def _alarmed(self, channel: Channel, at: float) -> Passage:
        self._alarm_times.append((channel, at))
        # An alarm outside any passage opens one of its own: it must belong to something that can be reported.
        return self._open() or self._just_ended(at) or self._begin(at)

    def _take_occupancy(self, reading: Occupancy) -> None:
        if reading.phase == "ended":
            self._end(reading.at, self._coverage.gap(reading.at, dict(self._expected(reading))))
            return
        self._end(reading.at, "DEVICE")  # two beginnings: the end between them was lost
        self._begin(reading.at)

    def _take_nuclide(self, reading: Identification) -> None:
        """A nuclide belongs to the passage that lasts or has just been; without one it is nobody's."""
        last = self._passages[-1] if self._passages else None
        if last is None or (last.ended_at is not None and reading.at - last.ended_at > _NUCLIDE_WITHIN_S):
            return
        if reading.nuclide not in last.nuclides:
            self._keep(replace(last, nuclides=(*last.nuclides, reading.nuclide)[:_KEEP_NUCLIDES]))

    def _expected(self, end: Occupancy) -> Iterator[tuple[Channel, tuple[float, ...]]]:
        """The channels that must have been told of a passage, with the background of each."""
        gamma = self.background("gamma")
        yield "gamma", gamma.panels_cps if gamma else ()
        if "neutron" in self._backgrounds or "neutron" in self.settings.channels:
            yield "neutron", (max(self._backgrounds.get("neutron", 0.0), end.neutron_cps or 0.0),)

    def _take_fault(self, reading: DeviceHealth) -> None:
        if reading.ok:
            self._faults.discard(reading.fault)
        else:
            self._faults.add(reading.fault)

    def _open(self) -> Passage | None:
        return self._passages[-1] if self._passages and self._passages[-1].ended_at is None else None

    def _just_ended(self, at: float) -> Passage | None:
        last = self._passages[-1] if self._passages else None
        return last if last is not None and last.ended_at is not None and at <= last.ended_at else None

    def _begin(self, at: float) -> Passage:
        self._number += 1
        passage = Passage(
            f"{self.detector}-{self._run}-{self._number}", at, backgrounds=tuple(self._backgrounds.items())
        )
        self._passages.append(passage)
        return passage

    def _end(self, at: float, doubt: Health | None) -> None:
        if doubt is not None:
            self._doubt(doubt)
        passage = self._open()
        if passage is not None:
            self._keep(replace(passage, ended_at=max(at, passage.began_at)))

    def _keep(self, passage: Passage) -> None:
        self._passages[-1] = passage

    def _doubt(self, health: Health) -> None:
        passage = self._open()
        if passage is not None and passage.monitored:
            self._keep(replace(passage, monitored=False, health=health))

    def _off_reference(self) -> Literal["HIGH_BG", "LOW_BG"] | None:
        """Whether a background is far from the one that a technician measured."""
        channels: tuple[Channel, ...] = ("gamma", "neutron")
        for channel in channels:
            reference, held = self.references.get(channel), self.background(channel)
            state = far(channel, held, reference) if reference is not None and held is not None else None
            if state is not None:
                return state
        return None

    def _implausible(self) -> Doubt | None:
        return next((doubt for doubt in _DOUBTS_BY_WEIGHT if doubt in self._plausibility.doubts), None)

    def _doubt_if_implausible(self) -> None:
        doubt = self._implausible()
        if doubt is not None:
            self._doubt(doubt)

    def _doubt_if_unwell(self, now: float) -> None:
        health = self.health(now)
        if health != "OK":
            self._doubt(health)

    def _mark_loss(self, now: float) -> None:
        """A passage of no length that nobody saw: who passed unseen must not live on the passage before it."""
        if self._open() is None and self._background_at is not None and self.settings.kind != "static":
            self._begin(now)
        self._end(now, "LINK_DOWN")

    def _lose(self, now: float) -> None:
        """The line is gone: what was open is cut off unmonitored, and the background must be heard again."""
        self._mark_loss(now)
        self._backgrounds.clear()
        self._background_at = None
        self._neutron = self._own.background("neutron") or self._neutron
        self._own.forget()
        self._coverage.forget()
        # Device faults stay: only the device itself says that its cabinet is closed again.


def _stale(passage: Passage, now: float) -> bool:
    return passage.ended_at is not None and now - passage.ended_at > KEEP_PASSAGES_S
