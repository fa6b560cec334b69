"""A detector on the desk: the same view of it as of a portal, for a device that knows no passages. Pure.

The traveller's document begins a passage, which is the traveller's alone; it ends when the device has told readings for
the measuring time, and any alarm in it is over. Several may last at once, since the next traveller may come before
that. What alarms in between belongs to nobody's measurement and opens a passage of its own, as long as the alarm lasts.

What makes the detector OK are its readings (`static_lane`): fresh ones, and enough quiet ones before them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from failsafe.agent.radiation.background import Known
from failsafe.agent.radiation.detector import FAULTS_BY_WEIGHT, DetectorSettings, LaneMonitor
from failsafe.agent.radiation.own_alarm import OwnAlarm
from failsafe.agent.radiation.passage import Health, Passage, Peak
from failsafe.agent.radiation.quiet_time import LOOK_BACK_S, Look
from failsafe.agent.radiation.static_lane import WAITS_S, StaticTests
from failsafe.drivers.reading import (
    Alarm,
    Background,
    Channel,
    DeviceHealth,
    Dose,
    Identification,
    Malformed,
    Rate,
    Reading,
    Scan,
)

# An alarm is over when nothing alarmed for so long.
_OVER_S: Final = 5.0
# The one who was measured goes.
_LEAVES_S: Final = 2.0


class StaticMonitor(LaneMonitor):
    """The state of one detector on a desk; arguments as `LaneMonitor` takes them."""

    def __init__(self, detector: str, run: str, settings: DetectorSettings | None = None) -> None:
        super().__init__(detector, run, settings)
        allowed = self.settings.budget
        self._tests = StaticTests(allowed.gamma, allowed.neutron, self.settings.measuring_s)
        self._due: dict[str, float] = {}  # passages that are measured, and until when
        self._alarmed_at = float("-inf")

    # --- what comes in -------------------------------------------------------------------------------------------

    def presented(self, crossing: str, now: float) -> None:
        """A traveller's document came: the measurement begins, with a look back. Known crossings are passed over."""
        if any(passage.crossing == crossing for passage in self._passages):
            return
        passage = self._begin(now - LOOK_BACK_S)
        self._keep(replace(passage, crossing=crossing))
        self._due[passage.id] = now + self._tests.measuring_s
        self._tests.disturbed(now - LOOK_BACK_S, self._due[passage.id])
        for look in self._tests.looked_back(now):
            self._take_looks([look], [self._passages[-1]])
        self._doubt_if_unwell(now)
        if self.health(now) == "LINK_DOWN":
            self._over(now, self._passages[-1])

    def advance(self, now: float) -> None:
        """Let time pass: what no reading ends in good time was not measured."""
        super().advance(now)
        lasting = self._lasting()
        if len(self._due) > len(lasting):  # a flood of documents has pushed some out
            self._due = {passage.id: self._due[passage.id] for passage in lasting if passage.id in self._due}
        for passage in lasting:
            until = max(self._due.get(passage.id, 0.0), self._alarmed_at + _OVER_S)
            if now - until >= self.settings.down_s:
                self._doubt("LATE")
                self._over(now, passage)

    def receive(self, reading: Reading, now: float) -> None:
        """Take one reading that arrived at `now`; a device's word on occupancies means nothing on a desk."""
        self.advance(now)
        if isinstance(reading, Malformed):
            self._doubt("DEVICE")
            return
        self._heard_at = now
        looks = self._tests.receive(reading, measuring=bool(self._due))
        if (looks or isinstance(reading, Alarm)) and not self._lasting():
            self._begin(reading.at)
        for passage in self._lasting():  # the reading that ends a passage is its last
            self._courses.receive(reading, passage.id)
        match reading:
            case Scan() | Rate() | Dose():
                self._take_measured(reading, looks, now)
            case Alarm():
                self._take_told(reading)
            case DeviceHealth():
                self._take_fault(reading)
            case Identification():
                self._take_nuclide(reading)
            case _:
                pass
        self._doubt_if_unwell(now)

    # --- what it knows -------------------------------------------------------------------------------------------

    def health(self, now: float) -> Health:
        """The detector's state at `now`: silence, faults, then what its readings are worth."""
        if not self._line_up or self._heard_at is None or now - self._heard_at >= self.settings.down_s:
            return "LINK_DOWN"
        for fault in FAULTS_BY_WEIGHT:
            if fault in self._faults:
                return fault
        spoke_at = self._tests.spoke_at
        if spoke_at is None:
            return "UNKNOWN"
        if now - spoke_at >= self.settings.late_s:
            return "LATE"
        state = self._tests.state
        return state if state != "OK" else self._off_reference() or "OK"

    def background_cps(self, channel: Channel = "gamma") -> float | None:
        """The background that was learnt, in counts per second; None also where the device tells doses."""
        return self._backgrounds.get(channel)

    def background(self, channel: Channel) -> Known | None:
        """What was learnt of a channel, where the device tells counts."""
        return self._tests.known(channel)

    def threshold(self, interval_s: float = 0.2) -> float | None:
        """None: there is no rule of the device's own."""
        return None

    def line_drawn(self, interval_s: float = 0.2) -> float | None:
        """Where an interval alarms while a traveller is measured."""
        return self._tests.threshold("gamma", interval_s)

    # --- inside --------------------------------------------------------------------------------------------------

    def _take_measured(self, reading: Scan | Rate | Dose, looks: list[Look], now: float) -> None:
        self._background_at = now
        self._keep_level(reading)
        self._take_looks(looks, self._lasting())
        for passage in self._lasting():
            # One that alarmed lasts as long as the alarm: the windows still hold what was seen.
            alarming = bool(passage.alarms) and reading.at - self._alarmed_at < _OVER_S
            if not alarming and reading.at >= self._due.get(passage.id, self._alarmed_at):
                self._over(reading.at, passage)

    def _over(self, at: float, passage: Passage) -> None:
        self._due.pop(passage.id, None)
        self._tests.disturbed(at, at + _LEAVES_S)
        held = self.passage(passage.id) or passage
        self._replace(replace(held, ended_at=max(at, passage.began_at)))

    def _keep_level(self, reading: Scan | Rate | Dose) -> None:
        """What the chart and the peaks show; a dose rate is no count, and stands with the alarm alone."""
        channels: tuple[Channel, ...] = ("gamma", "neutron")
        held = {channel: self._tests.background(channel) for channel in channels}
        self._backgrounds = {channel: one[0] for channel, one in held.items() if one is not None and one[1] != "dose"}
        for channel, cps in self._backgrounds.items():
            self._courses.receive(Background(reading.at, channel, (cps,)), None)
        if isinstance(reading, Dose):
            return
        scan = isinstance(reading, Scan)
        counts = reading.counts if isinstance(reading, Scan) else (round(reading.cps),)
        peak = Peak(sum(counts), reading.interval_s if isinstance(reading, Scan) else 1.0, counts)
        if scan or self._tests.judges(reading.channel, "rate"):
            self._draw(reading.channel, reading.at, peak)

    def _draw(self, channel: Channel, at: float, peak: Peak) -> None:
        self._add_to_strip(channel, at, peak)
        for passage in self._lasting():
            peaks = dict(passage.peaks)
            if channel not in peaks or peak.counts > peaks[channel].counts:
                peaks[channel] = peak
                self._replace(replace(passage, peaks=tuple(peaks.items())))

    def _take_looks(self, looks: Iterable[Look], concerned: list[Passage]) -> None:
        for look in looks:
            alarm = OwnAlarm(look.at, look.channel, look.test, look.strength, look.threshold, (1,))
            self._alarm_times.append((look.channel, look.at))
            self._alarmed_at = max(self._alarmed_at, look.at)
            for one in concerned:
                passage = self.passage(one.id) or one
                known = {(held.channel, held.test) for held in passage.own}
                own = passage.own if (alarm.channel, alarm.test) in known else (*passage.own, alarm)
                self._replace(replace(passage, alarms=passage.alarms | {alarm.channel}, own=own))

    def _take_told(self, reading: Alarm) -> None:
        """The device's own alarm: everybody's who is being measured, else a passage of its own."""
        self._alarmed_at = reading.at
        self._alarm_times.append((reading.channel, reading.at))
        self._tests.disturbed(reading.at - WAITS_S, reading.at + _OVER_S)
        for passage in self._lasting():
            told = passage.told | {reading.channel}
            self._replace(replace(passage, alarms=passage.alarms | told, told=told))

    def _lasting(self) -> list[Passage]:
        return [passage for passage in self._passages if passage.ended_at is None]

    def _replace(self, passage: Passage) -> None:
        for place, held in enumerate(self._passages):
            if held.id == passage.id:
                self._passages[place] = passage

    def _doubt(self, health: Health) -> None:
        for passage in self._lasting():
            if passage.monitored:
                self._replace(replace(passage, monitored=False, health=health))

    def _end(self, at: float, doubt: Health | None) -> None:
        if doubt is not None:
            self._doubt(doubt)
        self._due.clear()
        for passage in self._lasting():
            self._replace(replace(passage, ended_at=max(at, passage.began_at)))

    def _lose(self, now: float) -> None:
        super()._lose(now)
        self._tests.forget()
