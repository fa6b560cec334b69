"""A detector's passage as the second line reads it: by the wall clock, with what each peak stood against. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from failsafe.agent.page.view import ChannelView, OwnTestView, PassageView
from failsafe.agent.radiation.detector import LaneMonitor
from failsafe.agent.radiation.passage import Passage, Peak
from failsafe.drivers.reading import Channel


def passage_view(passage: Passage, monitor: LaneMonitor, now: float, wall: str) -> PassageView:
    """What second line sees of one passage.

    Args:
        passage: of a crossing.
        monitor: of the detector that saw it.
        now: monotonic seconds, on the clock of the passage.
        wall: the wall time at `now`, ISO 8601 UTC.
    """
    until = now if passage.ended_at is None else passage.ended_at
    return PassageView(
        detector=monitor.detector,
        began_at=_moved(wall, passage.began_at - now),
        ended_at="" if passage.ended_at is None else _moved(wall, passage.ended_at - now),
        duration_s=round(max(until - passage.began_at, 0.0), 1),
        monitored=passage.monitored,
        health=passage.health,
        channels=tuple(_channels(passage, monitor)),
        nuclides=passage.nuclides,
    )


def _channels(passage: Passage, monitor: LaneMonitor) -> Iterator[ChannelView]:
    """Channels of which anything came; a channel that says nothing is not made up."""
    peaks, backgrounds = dict(passage.peaks), dict(passage.backgrounds)
    channels: tuple[Channel, ...] = ("gamma", "neutron")
    for channel in channels:
        peak = peaks.get(channel)
        if peak is None and channel not in passage.alarms:
            continue
        background = backgrounds.get(channel)
        yield ChannelView(
            channel=channel,
            alarm=channel in passage.alarms,
            told=channel in passage.told,
            peak_counts=peak.counts if peak else None,
            interval_s=peak.interval_s if peak else None,
            background_cps=background,
            times_background=_times(peak, background),
            threshold_counts=monitor.threshold(peak.interval_s) if peak and channel == "gamma" else None,
            panels=peak.panels if peak else (),
            own=tuple(
                OwnTestView(
                    test=alarm.test,
                    strength=round(alarm.strength, 1),
                    threshold=round(alarm.threshold, 1),
                    panels=alarm.panels,
                )
                for alarm in passage.own
                if alarm.channel == channel
            ),
        )


def _times(peak: Peak | None, background_cps: float | None) -> float | None:
    if peak is None or not background_cps or peak.interval_s <= 0:
        return None
    return round(peak.counts / (background_cps * peak.interval_s), 1)


def _moved(wall: str, by_s: float) -> str:
    moved = datetime.fromisoformat(wall) + timedelta(seconds=by_s)
    return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")
