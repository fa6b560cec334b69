"""Own tests of a device on the desk, which tells counts, count rates or dose rates without end. Pure.

Such a device knows no occupancies. The booth measures each traveller for some seconds, and looks at every reading
between two travellers too. A look compares the sum or mean of the last readings (1, 2, 4 and 10 s of them) with the
background of the quiet time before (`quiet_time`). Two promises, each kept by sharing it out over all looks, so that
it holds however readings hang together:

- one traveller: all looks of one measurement together alarm falsely no more often than the budget says;
- the time between: all looks of one hour do.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from failsafe.agent.radiation.background import Known
from failsafe.agent.radiation.quiet_time import FIRST_GUESS_S, LONGEST_S, LOOK_BACK_S, Counts, Look, Means, State, Unit
from failsafe.drivers.reading import Channel, Dose, Rate, Reading, Scan

# Readings wait so long before they are learnt: by then it is known whether they belong to a traveller or an alarm.
WAITS_S: Final = 20.0


class StaticTests:
    """All readings of one device on a desk.

    Args:
        gamma, neutron: false alarms allowed to one measurement, and to one hour between measurements.
        measuring_s: how long a traveller is measured.
    """

    def __init__(self, gamma: float, neutron: float, measuring_s: float) -> None:
        self._allowed: dict[Channel, float] = {"gamma": gamma, "neutron": neutron}
        self._measuring_s = measuring_s
        self._streams: dict[tuple[Channel, Unit], Counts | Means] = {}
        self._waiting: deque[tuple[float, Counts | Means, float, float]] = deque(maxlen=4096)
        self._looks: deque[Look] = deque(maxlen=1024)
        self._quiet_from = -math.inf

    @property
    def measuring_s(self) -> float:
        """How long a traveller is measured: as configured, or as long as the device smooths."""
        smooths = [stream.smooths_s for stream in self._judged().values()]
        return max([self._measuring_s, *(min(one, LONGEST_S) for one in smooths)])

    @property
    def spoke_at(self) -> float | None:
        """When the device last told what is judged, of the channel that is silent longest; None before that."""
        return min((stream.spoke_at for stream in self._judged().values()), default=None)

    @property
    def state(self) -> State:
        """UNKNOWN until enough quiet readings were heard."""
        judged = self._judged()
        states = [stream.state for stream in judged.values()]
        return next((state for state in states if state != "OK"), "OK" if "gamma" in judged else "UNKNOWN")

    def background(self, channel: Channel) -> tuple[float, Unit] | None:
        """What was learnt of a channel, and in which unit; None before that."""
        for unit in _BY_WORTH:
            stream = self._streams.get((channel, unit))
            if stream is not None:
                held = stream.background
                return None if held is None else (held, unit)
        return None

    def known(self, channel: Channel) -> Known | None:
        """The background of a channel that is told in counts."""
        stream = self._streams.get((channel, "counts"))
        held = stream.background if stream else None
        return None if held is None or not isinstance(stream, Counts) else Known((held,), stream.learnt_s)

    def judges(self, channel: Channel, unit: Unit) -> bool:
        """Whether a channel is judged by this unit: by counts before rates before doses."""
        return (channel, unit) in self._streams and self._judged()[channel] is self._streams[channel, unit]

    def threshold(self, channel: Channel, interval_s: float) -> float | None:
        """Counts of an interval that alarm while a traveller is measured; None before they are known."""
        stream = self._judged().get(channel)
        return None if stream is None else stream.threshold(interval_s)

    def receive(self, reading: Reading, *, measuring: bool) -> list[Look]:
        """Take one reading; the looks that alarm.

        Args:
            reading: of any kind; what is no measurement is passed over.
            measuring: a traveller is being measured: stricter looks, and nothing is learnt.
        """
        told = _told(reading)
        if told is None:
            return []
        channel, unit, at, value, seconds = told
        stream = self._streams.get((channel, unit)) or self._make(channel, unit)
        if isinstance(stream, Means):
            stream.told_s = seconds
            seconds = min(at - stream.spoke_at, LONGEST_S) if math.isfinite(stream.spoke_at) else FIRST_GUESS_S
        looks = stream.take(at, value, seconds)
        if stream is not self._judged()[channel]:
            looks = []
        self._looks.extend(looks)
        alarms = [look if measuring else look.between_travellers() for look in looks]
        alarms = [look for look in alarms if look.strength >= look.threshold]
        if alarms:
            self.disturbed(at - WAITS_S, at + LOOK_BACK_S)
        elif not measuring and at >= self._quiet_from:
            self._waiting.append((at, stream, value, seconds))
        self._learn(at)
        return alarms

    def looked_back(self, at: float) -> list[Look]:
        """A traveller is to be measured from `at` on: what was seen just before alarms by the stricter thresholds."""
        return [look for look in self._looks if at - LOOK_BACK_S <= look.at <= at and look.strength >= look.threshold]

    def disturbed(self, since: float, until: float) -> None:
        """Somebody is at the desk, or it alarms: what is heard in this time is not background."""
        while self._waiting and self._waiting[-1][0] >= since:
            self._waiting.pop()
        self._quiet_from = max(self._quiet_from, until)

    def forget(self) -> None:
        """The line was lost."""
        self._waiting.clear()
        self._looks.clear()
        for stream in self._streams.values():
            stream.forget()

    def _make(self, channel: Channel, unit: Unit) -> Counts | Means:
        allowed, measured_s = self._allowed[channel], self._measuring_s + LOOK_BACK_S
        known = (channel, allowed, measured_s)
        stream: Counts | Means = Counts(*known) if unit == "counts" else Means(unit, *known)
        self._streams[channel, unit] = stream
        return stream

    def _judged(self) -> dict[Channel, Counts | Means]:
        """The stream of each channel that has the best law: counts before rates before doses."""
        judged: dict[Channel, Counts | Means] = {}
        for unit in _BY_WORTH:
            for (channel, kind), stream in self._streams.items():
                if kind == unit:
                    judged.setdefault(channel, stream)
        return judged

    def _learn(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now - WAITS_S:
            _, stream, value, seconds = self._waiting.popleft()
            stream.quiet(value, seconds)


_BY_WORTH: Final[tuple[Unit, ...]] = ("counts", "rate", "dose")


def _told(reading: Reading) -> tuple[Channel, Unit, float, float, float] | None:
    """(channel, unit, at, value, seconds) of a reading that measures."""
    match reading:
        case Scan():
            return reading.channel, "counts", reading.at, float(sum(reading.counts)), reading.interval_s
        case Rate():
            return reading.channel, "rate", reading.at, reading.cps, reading.window_s or 0.0
        case Dose():
            return "gamma", "dose", reading.at, reading.nsv_h, 0.0
        case _:
            return None
