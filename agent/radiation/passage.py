"""A detector's view of one passage, the states a detector is in, and what an alert says of both. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from failsafe.agent.radiation.own_alarm import OwnAlarm
from failsafe.drivers.reading import Channel
from failsafe.sync.reports import ChannelSummary, OwnTest, RadiationSummary

Health = Literal[
    "OK",
    "LATE",
    "LINK_DOWN",
    "HIGH_BG",
    "LOW_BG",
    "TAMPER",
    "DEVICE",
    "UNKNOWN",
    "STUCK",
    "DISAGREE",
    "CONFIG_CHANGED",
    "UNCALIBRATED",
]

_MOST: Final = 1e6

_ADVICE: Final[dict[Health, str]] = {
    "OK": "",
    "LATE": "The detector pauses: look whether its cable sits; the booth goes on listening.",
    "LINK_DOWN": "No word from the detector: check cable and power; screen by hand until it is back.",
    "HIGH_BG": "Its background is high: look for a source, freight or a patient standing near the portal.",
    "LOW_BG": "Its background is low: a panel may be shielded or have failed; call the technician.",
    "TAMPER": "Its cabinet is open: send somebody to look at the portal.",
    "DEVICE": "It reports a fault of its own: call the technician.",
    "UNKNOWN": "Its background is not known yet: wait some seconds, with a device on the desk some minutes.",
    "STUCK": "Its counts stand still: screen by hand and call the technician.",
    "DISAGREE": "It alarms otherwise than its own rule says: screen by hand and call the technician.",
    "CONFIG_CHANGED": "Its settings were changed: ask who changed them; the technician accepts them or puts them back.",
    "UNCALIBRATED": "It counts otherwise than its tables expect: screen by hand and call the technician.",
}


def advice(health: Health) -> str:
    """What the officer does about a detector in this state; empty for OK."""
    return _ADVICE[health]


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest interval of one channel: counts of all panels summed, and panel by panel."""

    counts: int
    interval_s: float
    panels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """The detector's view of one passage.

    `ended_at` None: somebody is in the detector now. `alarms` are the channels on which the device or a test of the
    booth alarmed: `told` are the device's own, `own` the booth's, the first of each test. `nuclides` are what the
    device recognised, in its own words. `monitored` turns false, for good, with the first doubt about the detector
    while the passage lasted. `crossing` is set where the passage was measured for one, on a desk.
    """

    id: str
    began_at: float
    ended_at: float | None = None
    alarms: frozenset[Channel] = frozenset()
    monitored: bool = True
    health: Health = "OK"  # the worst that was seen first
    peaks: tuple[tuple[Channel, Peak], ...] = ()
    backgrounds: tuple[tuple[Channel, float], ...] = ()
    told: frozenset[Channel] = frozenset()
    own: tuple[OwnAlarm, ...] = ()
    nuclides: tuple[str, ...] = ()
    crossing: str = ""

    @property
    def quiet(self) -> bool:
        """It ended, nothing of it was lost, and no channel alarmed."""
        return self.ended_at is not None and self.monitored and not self.alarms


def summarised(detector: str, health: Health, passage: Passage | None, now: float) -> RadiationSummary:
    """What an alert says of the radiation at `now`; without a passage, the detector's health alone."""
    if passage is None:
        return RadiationSummary(detector=detector, health=health)
    ended_at = now if passage.ended_at is None else passage.ended_at
    return RadiationSummary(
        detector=detector,
        health=health if passage.ended_at is None and passage.monitored else passage.health,
        occupancy=passage.id,
        duration_s=max(ended_at - passage.began_at, 0.0),
        channels=tuple(_channel_summaries(passage)),
        own=tuple(map(_own_test, passage.own)),
        nuclides=passage.nuclides,
    )


def _own_test(alarm: OwnAlarm) -> OwnTest:
    return OwnTest(
        channel=alarm.channel,
        test=alarm.test,
        strength=_figure(alarm.strength),
        threshold=_figure(alarm.threshold),
        panels=alarm.panels,
    )


def _figure(value: float) -> float:
    """A strength for a record: JSON has no infinity, and a record that cannot be read is an alert that is lost."""
    return 0.0 if math.isnan(value) else round(min(max(value, -_MOST), _MOST), 2)


def _channel_summaries(passage: Passage) -> Iterator[ChannelSummary]:
    peaks, backgrounds = dict(passage.peaks), dict(passage.backgrounds)
    channels: tuple[Channel, ...] = ("gamma", "neutron")
    for channel in channels:
        peak = peaks.get(channel)
        if peak is None and channel not in passage.alarms:
            continue
        yield ChannelSummary(
            channel=channel,
            alarm=channel in passage.alarms,
            peak=float(peak.counts) if peak else 0.0,
            interval_s=peak.interval_s if peak else 0.0,
            background_cps=backgrounds.get(channel),
            panels=peak.panels if peak else (),
        )
