"""Whether a detector told the whole of a passage. Pure.

A passage that is quiet because nothing was heard of it must clear nobody. Bytes that are lost between two lines leave
no torn line behind, a document may hold an occupancy without a count, and a dead panel counts nothing at all: all of
them look like peace. So the intervals that were told are held against the time that the passage took, and the counts
against the background:

- each channel that has a background must have told its intervals, but for a second (or two intervals and a half);
- a torn line just before a passage may have been its first;
- a panel that counts nothing where hundreds are to be expected is dead. A vehicle never hides more than three quarters
  of the background;
- a panel that tells one and the same number in every interval stands still, if chance would do that less than once in
  a hundred million passages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from failsafe.drivers.reading import Background, Channel, Malformed, Occupancy, Reading, Scan

Gap = Literal["LATE", "DEVICE", "STUCK"]

# The look-back is told in five intervals or six, and the end comes with the next interval: real portals stay below .5.
_MAY_LACK_S: Final = 1.0
_MAY_LACK_INTERVALS: Final = 2.5
# Clocks of portals and booths do not run alike.
_MAY_LACK_PART: Final = 0.02
_LONGEST_INTERVAL_S: Final = 1.0  # of a channel that told none: neutrons come once a second
# Nothing was counted where so many were to be expected: less than once in a hundred million passages.
_DEAD_FROM: Final = 20.0
_LEFT_BY_SHADOW: Final = 0.25
_UNLIKELY: Final = math.log(1e8)


@dataclass(slots=True)
class _Told:
    """What came of one channel in one passage."""

    seconds: float = 0.0
    interval_s: float = 0.0
    counts: list[int] = field(default_factory=list)
    intervals: int = 0
    same: list[int | None] = field(default_factory=list)  # what a panel told each time; None: not always the same

    def add(self, scan: Scan) -> None:
        self.seconds += scan.interval_s
        self.interval_s = max(self.interval_s, scan.interval_s)
        if len(self.counts) != len(scan.counts):
            self.counts = [0] * len(scan.counts)
            self.same = list(scan.counts)
        self.intervals += 1
        self.same = [now if now == before else None for before, now in zip(self.same, scan.counts, strict=True)]
        self.counts = [before + now for before, now in zip(self.counts, scan.counts, strict=True)]


class Coverage:
    """What one detector told of the passage that is under way."""

    def __init__(self) -> None:
        self._told: dict[Channel, _Told] = {}
        self._began_at: float | None = None
        self._torn = False

    def receive(self, reading: Reading) -> None:
        """Take one reading; at the end of a passage ask for its `gap` first."""
        match reading:
            case Malformed():
                self._torn = True
            case Background(channel="gamma") | Occupancy(phase="ended"):
                self.forget()  # nobody is in the detector
            case Occupancy():
                self._told, self._began_at = {}, reading.at
            case Scan():
                self._begin(reading.at - reading.interval_s)
                self._told.setdefault(reading.channel, _Told()).add(reading)
            case _:
                pass

    def forget(self) -> None:
        """The passage is over, or lost."""
        self._told, self._began_at, self._torn = {}, None, False

    def gap(self, ended_at: float, expected: Mapping[Channel, tuple[float, ...]]) -> Gap | None:
        """What is missing of the passage that ends now.

        Args:
            ended_at: on the clock of the readings.
            expected: the background of each channel that must have been told, counts per second of each panel; no
                panels where it is not known.

        Returns:
            DEVICE: a line was torn before it began; LATE: intervals are missing; STUCK: a panel is dead.
        """
        if self._torn:
            return "DEVICE"
        elapsed_s = ended_at - (ended_at if self._began_at is None else self._began_at)
        told = {channel: self._told.get(channel, _Told()) for channel in expected}
        if not self._told or any(_lacks(channel, elapsed_s) for channel in told.values()):
            return "LATE"
        if any(_dead(channel, told[channel], panels_cps) for channel, panels_cps in expected.items()):
            return "STUCK"
        if "gamma" in told and _stands_still(told["gamma"]):
            return "STUCK"
        return None

    def _begin(self, at: float) -> None:
        self._began_at = at if self._began_at is None else min(self._began_at, at)


def _lacks(told: _Told, elapsed_s: float) -> bool:
    intervals_s = _MAY_LACK_INTERVALS * (told.interval_s or _LONGEST_INTERVAL_S)
    return elapsed_s - told.seconds > max(_MAY_LACK_S, intervals_s) + _MAY_LACK_PART * elapsed_s


def _stands_still(told: _Told) -> bool:
    """Whether a panel told one number each time, though chance would have moved it."""
    counts = [count for count in told.same if count]
    # The commonest number of a Poisson law comes once in sqrt(2 pi count) intervals, all others more seldom.
    return any((told.intervals - 1) * 0.5 * math.log(math.tau * count) > _UNLIKELY for count in counts)


def _dead(channel: Channel, told: _Told, panels_cps: tuple[float, ...]) -> bool:
    """Whether a panel of gamma, or all of neutrons together, counted nothing at all."""
    if channel == "neutron":  # some panels have no tube
        return not any(told.counts) and sum(panels_cps) * told.seconds > _DEAD_FROM
    if len(told.counts) != len(panels_cps):
        return False
    pairs = zip(told.counts, panels_cps, strict=True)
    return any(not counts and cps * told.seconds * _LEFT_BY_SHADOW > _DEAD_FROM for counts, cps in pairs)
