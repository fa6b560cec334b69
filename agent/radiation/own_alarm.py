"""The booth's own alarm tests on one detector: backgrounds and scans in, alarms with strength and threshold out. Pure.

Which tests run follows from the kind of lane. Gamma on a vehicle lane: `vehicle_lane`, the window as the counts come,
contrast and filter when the occupancy ends, or every 30 s while a vehicle stands. Everything else: `open_lane`, as the
counts come. Gamma and neutrons have budgets of their own, and each budget is split over the tests that share it.

Thresholds are the shipped tables' (`alarm_tables`), drawn up by simulation. A lane of its own teaches them: where its
quiet occupancies lie higher or lower than simulated ones, or farther apart, the thresholds follow, within bounds. Real
vehicles hide one panel more than another, so that contrast and filter wait until then at higher thresholds. A lane
beyond the bounds is not what the tables were made for: it is UNCALIBRATED.
"""

from __future__ import annotations

import bisect
import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from failsafe.agent.radiation import alarm_tables, budget, vehicle_lane
from failsafe.agent.radiation.background import GAMMA_MEMORY_S, NEUTRON_MEMORY_S, BackgroundBook, Known
from failsafe.agent.radiation.open_lane import OCCUPANCY_S, OpenLane, window_alarms
from failsafe.agent.radiation.vendor_rule import VendorRule
from failsafe.drivers.reading import Alarm, Background, Channel, Malformed, Occupancy, Reading, Scan

LaneKind = Literal["vehicle", "pedestrian", "static"]

# Quiet occupancies before a lane teaches anything, and how many it remembers.
TAUGHT_AFTER: Final = 30
REMEMBERS: Final = 200
# How far a lane may move the thresholds, in standard deviations: less is taken back than is added. Shadows differ
# more than counting does, and the window feels them with the square root of the background.
_MAY_SINK: Final = (1.0, 0.3, 0.3)
_MAY_RISE: Final = (3.0, 1.0, 1.0)
_UNCALIBRATED_BEYOND: Final = 2.0
# Before a lane has taught, it may be as uneven as the real one that was recorded for a day: 700 vehicles, whose
# contrast lay a deviation higher and nearly three times as far apart as simulated.
_UNTAUGHT: Final = (0.0, 2.5, 1.0)
# From the median of simulated occupancies to their upper quartile, whatever background and length; the window's lies
# in the background's fluctuation and is not followed.
_SIMULATED_SPREADS: Final = (math.inf, 0.33, 0.39)
_MAY_WIDEN: Final = 3.0
_LEARNT_ALL_THE_SAME: Final[frozenset[tuple[Channel, str]]] = frozenset(
    ("gamma", test) for test in vehicle_lane.TESTS[1:]
)


@dataclass(frozen=True, slots=True)
class Budget:
    """False alarms allowed in one occupancy."""

    gamma: float = budget.GAMMA_PER_OCCUPANCY
    neutron: float = budget.NEUTRON_PER_OCCUPANCY


@dataclass(frozen=True, slots=True)
class OwnAlarm:
    """A test reached its threshold.

    Attributes:
        at: monotonic time of the interval that did it.
        panels: the group of panels, counted from 1.
    """

    at: float
    channel: Channel
    test: str
    strength: float
    threshold: float
    panels: tuple[int, ...]


class Lessons:
    """What a lane's quiet occupancies teach about the three tests of a vehicle lane."""

    def __init__(self) -> None:
        self._excesses: deque[tuple[float, ...]] = deque(maxlen=REMEMBERS)
        self._medians = (0.0,) * len(vehicle_lane.TESTS)
        self._widths = (1.0,) * len(vehicle_lane.TESTS)

    def learn(self, strengths: Sequence[float], medians: Sequence[float]) -> None:
        """A quiet occupancy had these strengths where simulated ones have these medians."""
        if all(map(math.isfinite, strengths)):
            excesses = (strength - median for strength, median in zip(strengths, medians, strict=True))
            self._excesses.append(tuple(excesses))
        self._settle()

    def _settle(self) -> None:
        if not self.taught:
            return
        columns = [statistics.quantiles(column, n=4) for column in zip(*self._excesses, strict=True)]
        self._medians = tuple(median for _, median, _ in columns)
        spreads = (upper - median for _, median, upper in columns)
        widths = (spread / simulated for spread, simulated in zip(spreads, _SIMULATED_SPREADS, strict=True))
        self._widths = tuple(min(max(width, 1.0), _MAY_WIDEN) for width in widths)

    @property
    def taught(self) -> bool:
        """Whether enough occupancies were learnt."""
        return len(self._excesses) >= TAUGHT_AFTER

    def applied(self, thresholds: Sequence[float], medians: Sequence[float]) -> list[float]:
        """The thresholds of this lane, from the tables' and the medians that belong to them."""
        if not self.taught:
            return [at + more for at, more in zip(thresholds, _UNTAUGHT, strict=True)]
        columns = zip(thresholds, medians, self.shifts, self._widths, strict=True)
        return [median + shift + (at - median) * width for at, median, shift, width in columns]

    @property
    def excesses(self) -> tuple[tuple[float, ...], ...]:
        """What was learnt, oldest first: to be kept, and learnt again after a restart."""
        return tuple(self._excesses)

    def recall(self, excesses: Sequence[Sequence[float]]) -> None:
        """This was learnt before a restart, and comes before what was learnt since."""
        since = tuple(self._excesses)
        self._excesses.clear()
        self._excesses.extend(tuple(one) for one in (*excesses, *since))
        self._settle()

    @property
    def shifts(self) -> tuple[float, ...]:
        """What to add to each threshold."""
        bounds = zip(self._medians, _MAY_SINK, _MAY_RISE, strict=True)
        return tuple(min(max(median, -sink), rise) for median, sink, rise in bounds)

    @property
    def calibrated(self) -> bool:
        """Whether the lane is still what the tables were made for: shares and courses, whatever the shadows' depth."""
        return all(abs(median) <= _UNCALIBRATED_BEYOND for median in self._medians[1:])


class OwnTests:
    """One detector's tests. A reading is to be given as it comes; what alarms is told once a test and an occupancy.

    Args:
        kind: of the lane.
        allowed: false alarms.
    """

    def __init__(self, kind: LaneKind = "vehicle", allowed: Budget | None = None) -> None:
        self.kind: LaneKind = kind
        self._allowed = allowed or Budget()
        self._books: dict[Channel, BackgroundBook] = {
            "gamma": BackgroundBook(GAMMA_MEMORY_S),
            "neutron": BackgroundBook(NEUTRON_MEMORY_S, whole=True),
        }
        self._lessons = Lessons()
        self._open: dict[Channel, OpenLane] = {}
        self._vehicle: _Vehicle | None = None
        self._neutrons: list[Scan] = []
        self._seen: set[tuple[Channel, str]] = set()
        self._spoilt = False

    @property
    def calibrated(self) -> bool:
        """Whether the tables fit this lane."""
        return self._lessons.calibrated

    def factor(self, background_cps: float) -> float:
        """Where a second's gamma alarms: so many roots of the background above it, as NSIGMA is for a portal."""
        if self.kind == "vehicle":
            return vehicle_thresholds(background_cps, self._allowed.gamma)[1][0] + self._lessons.shifts[0]
        allowed = window_alarms(self._allowed.gamma, 1.0)
        reached = budget.threshold(background_cps, GAMMA_MEMORY_S, 1.0, allowed)
        return (reached - background_cps) / math.sqrt(max(background_cps, 1.0))

    def receive(self, reading: Reading) -> list[OwnAlarm]:
        """Take one reading; the alarms that it brings about."""
        match reading:
            case Background():
                # It comes from an empty detector: where the end of an occupancy was lost, this is it.
                alarms = self._end() if reading.channel == "gamma" else []
                self._books[reading.channel].told(reading.panels_cps)
                return alarms
            case Occupancy(phase="began"):
                self._begin()
            case Occupancy():
                alarms = self._end()
                if reading.neutron_cps is not None:
                    self._books["neutron"].told_together(reading.neutron_cps)
                return alarms
            case Scan():
                return self._fresh(self._scan(reading))
            case Alarm() | Malformed():
                self._spoilt = True  # neither background nor a quiet occupancy is to be learned from it
            case _:
                pass
        return []

    @property
    def excesses(self) -> tuple[tuple[float, ...], ...]:
        """What the lane's quiet occupancies taught, for `recall` after a restart."""
        return self._lessons.excesses

    def recall(self, excesses: Sequence[Sequence[float]], neutron: Known | None) -> None:
        """What was learnt before a restart; a background counts once the device has told one that agrees with it."""
        self._lessons.recall(excesses)
        if neutron is not None:
            self._books["neutron"].recall(neutron)

    def relearn(self) -> None:
        """Forget what the lane taught: something about it is other than it was."""
        self._lessons = Lessons()

    def background(self, channel: Channel) -> Known | None:
        """What is held of a channel's background."""
        return self._books[channel].known

    def forget(self) -> None:
        """The line was lost."""
        self._begin()
        for book in self._books.values():
            book.forget()

    def _begin(self) -> None:
        self._open, self._vehicle, self._neutrons, self._spoilt = {}, None, [], False
        self._seen = set()

    def _scan(self, scan: Scan) -> list[OwnAlarm]:
        if scan.channel == "neutron":
            self._neutrons = [*self._neutrons[-59:], scan]
        known = self._books[scan.channel].known
        if known is None or len(known.panels_cps) != len(scan.counts):
            return []
        vehicle = scan.channel == "gamma" and self.kind == "vehicle"
        if not vehicle or scan.interval_s != vehicle_lane.INTERVAL_S:
            return self._look(scan, known)
        if self._vehicle is None:
            self._vehicle = _Vehicle(known, self._allowed.gamma, self._lessons)
        return self._vehicle.scan(scan)

    def _look(self, scan: Scan, known: Known) -> list[OwnAlarm]:
        lane = self._open.get(scan.channel)
        if lane is None:
            gamma = scan.channel == "gamma"
            allowed = self._allowed.gamma if gamma else self._allowed.neutron
            table = alarm_tables.GAMMA if gamma else alarm_tables.NEUTRON
            reached = sums_threshold(table, known, allowed)
            lane = self._open[scan.channel] = OpenLane(known, scan.interval_s, allowed, reached)
        look = lane.scan(sum(scan.counts))
        panels = tuple(range(1, len(scan.counts) + 1))
        alarm = OwnAlarm(scan.at, scan.channel, look.test, look.strength, look.threshold, panels)
        return [alarm] if look.is_alarm else []

    def _end(self) -> list[OwnAlarm]:
        alarms = self._fresh(self._vehicle.end()) if self._vehicle else []
        if not self._spoilt and not self._seen:
            for scan in self._neutrons:
                self._books["neutron"].counted(scan.counts, scan.interval_s)
        # What contrast and filter found is learnt too: a lane on which they alarm at nothing would never be taught.
        # Medians and quartiles do not mind the few that were sources.
        if self._vehicle and not self._spoilt and self._seen <= _LEARNT_ALL_THE_SAME:
            self._vehicle.teach(self._lessons)
        self._begin()
        return alarms

    def _fresh(self, alarms: list[OwnAlarm]) -> list[OwnAlarm]:
        fresh = [alarm for alarm in alarms if (alarm.channel, alarm.test) not in self._seen]
        self._seen |= {(alarm.channel, alarm.test) for alarm in alarms}
        return fresh


class _Vehicle:
    """Gamma of one occupancy on a vehicle lane."""

    def __init__(self, known: Known, allowed: float, lessons: Lessons) -> None:
        self._background = np.array([[max(cps, 0.1) for cps in known.panels_cps]])
        self._medians, thresholds = vehicle_thresholds(known.cps, allowed)
        self._thresholds = lessons.applied(thresholds, self._medians)
        # The portal's rule with a threshold of ours.
        self._window = VendorRule(self._thresholds[0])
        self._window.background(self._background[0].tolist())
        self._counts: list[tuple[int, ...]] = []
        self._pieces = 0
        self._at = 0.0
        self._strengths: Sequence[float] = ()

    def scan(self, scan: Scan) -> list[OwnAlarm]:
        """One interval: the window at once, the others when a vehicle has stood long enough."""
        self._counts.append(scan.counts)
        self._at = scan.at
        judged = self._window.scan(scan.counts)
        alarms = self._alarm(0, judged.strength, judged.panels) if judged else []
        if len(self._counts) >= vehicle_lane.LONGEST:
            alarms += self._whole()
            self._counts, self._pieces = self._counts[-vehicle_lane.LONGEST // 2 :], self._pieces + 1
        return alarms

    def end(self) -> list[OwnAlarm]:
        """The occupancy is over."""
        return self._whole() if len(self._counts) >= vehicle_lane.SHORTEST else []

    def teach(self, lessons: Lessons) -> None:
        """The occupancy was quiet."""
        if self._strengths and not self._pieces:
            lessons.learn(self._strengths, self._medians)

    def _whole(self) -> list[OwnAlarm]:
        counts = np.array([self._counts])
        self._strengths = [float(one) for one in vehicle_lane.strengths(counts, self._background)[0]]
        group = int(vehicle_lane.contrast(counts)[1][0])
        groups = vehicle_lane.contrast_groups(counts.shape[2])
        every = tuple(range(1, counts.shape[2] + 1))
        strongest = tuple(panel + 1 for panel in groups[group]) if groups else every
        alarms = self._alarm(1, self._strengths[1], strongest)
        return alarms + self._alarm(2, self._strengths[2], every)

    def _alarm(self, test: int, strength: float, panels: tuple[int, ...]) -> list[OwnAlarm]:
        if strength < self._thresholds[test]:
            return []
        longer = (self._pieces * 0.5 + 1.0) * len(self._counts) * vehicle_lane.INTERVAL_S / OCCUPANCY_S
        reached = math.sqrt(self._thresholds[test] ** 2 + 2.0 * math.log(max(longer, 1.0)))
        if strength < reached:
            return []
        return [OwnAlarm(self._at, "gamma", vehicle_lane.TESTS[test], strength, reached, panels)]


def vehicle_thresholds(cps: float, allowed: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Medians and thresholds of the three tests for a background; beyond the table its ends hold."""
    low, high, part = _between(sorted(alarm_tables.VEHICLE), cps)
    rows = []
    for below, above in zip(alarm_tables.VEHICLE[low], alarm_tables.VEHICLE[high], strict=True):
        rows.append(tuple(one + part * (other - one) for one, other in zip(below, above, strict=True)))
    medians, *reached = rows
    # Tails of a Gaussian kind: squares of thresholds against the logarithm of the budget.
    squares = [[at * at for at in row] for row in reached]
    thresholds = tuple(math.sqrt(max(_at_budget(column, allowed), 1.0)) for column in zip(*squares, strict=True))
    return medians, thresholds


def sums_threshold(table: Mapping[tuple[float, float], tuple[float, ...]], known: Known, allowed: float) -> float:
    """The threshold of the cumulative sums for a background; one counted for a shorter time takes the higher."""
    counted = sorted({counted_s for _, counted_s in table})
    held = counted[max(bisect.bisect_right(counted, known.counted_s) - 1, 0)]
    low, high, part = _between(sorted({cps for cps, _ in table}), known.cps)
    pairs = zip(table[low, held], table[high, held], strict=True)
    return _at_budget([one + part * (other - one) for one, other in pairs], allowed)


def _between(grid: Sequence[float], cps: float) -> tuple[float, float, float]:
    """The grid's neighbours of `cps`, and how far between them it lies, in logarithms."""
    place = bisect.bisect_right(grid, cps)
    if place == 0 or place == len(grid):
        end = grid[min(place, len(grid) - 1)]
        return end, end, 0.0
    low, high = grid[place - 1], grid[place]
    return low, high, math.log(cps / low) / math.log(high / low)


def _at_budget(reached: Sequence[float], allowed: float) -> float:
    """Between and beyond the budgets of the table, along the logarithm."""
    first, second = (math.log(one) for one in alarm_tables.BUDGETS)
    return reached[0] + (reached[1] - reached[0]) * (math.log(allowed) - first) / (second - first)
