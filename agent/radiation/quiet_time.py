"""What one kind of a desk device's readings was in quiet time, and where it would alarm. Pure.

**Counts** follow the exact law of `budget`. **Rates and doses** are means whose making the device keeps to itself:
their law is not known, and neighbours overlap. What is learnt is how means of so many readings spread in quiet time; a
mean m that spreads with the variance v is taken for m * m / v counts, times v / m. A device that smooths over 30 s so
gets the few independent readings that it has, and whatever its spread, the threshold is never below 1.3 times the
background: rain and people standing near move that much.

**Learning** follows the quiet time slowly, and so a source that is brought nearer bit by bit would become background.
Therefore the background of the first ten minutes is held against what is learnt later: beyond 1.5 times of it the
background is HIGH_BG, below half of it LOW_BG, and either is "not monitored". Until the ten minutes are over, the
lowest background learnt so far stands for it, with two standard errors.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from failsafe.agent.radiation import budget
from failsafe.drivers.reading import Channel

Floats = npt.NDArray[np.float64]

WINDOWS_S: Final = (1.0, 2.0, 4.0, 10.0)
LOOK_BACK_S: Final = 5.0  # the traveller stood there before the document was read
BETWEEN_S: Final = 3600.0
RISES: Final = 1.5
SINKS: Final = 0.5
ANCHORED_AFTER_S: Final = 600.0
_CHANCE: Final = 2.0  # standard errors by which the first background may be too low
FLOOR: Final = 1.3
# A device that smooths is measured with for as long as it smooths, but not longer than this.
LONGEST_S: Final = 60.0
HIGH_NSV_H: Final = 1000.0  # no place where people work has this as background

_MEMORY_S: Final = 600.0
_LEARNT_AFTER_S: Final = 60.0
_LEARNT_COUNTS: Final = 30.0
_REMEMBERS: Final = 1800
_MEANS_AFTER_S: Final = 60.0
_INDEPENDENT: Final = 20.0
_CHANGES: Final = 10
_LEARNS_EVERY: Final = 10
_MOST_COUNTS: Final = 1e4  # a spread below one in a hundred is not believed, and the floor is above it anyway
_IMPOSSIBLE: Final = math.log(1e9)
FIRST_GUESS_S: Final = 1.0

State = Literal["OK", "UNKNOWN", "HIGH_BG", "LOW_BG", "STUCK"]
Unit = Literal["counts", "rate", "dose"]


@dataclass(frozen=True, slots=True)
class Look:
    """One test after one reading.

    Attributes:
        strength: counts of the window; of means, their own unit (cps or nSv/h).
        threshold: for a traveller who is being measured.
        between: for the time between travellers.
    """

    at: float
    channel: Channel
    test: str
    strength: float
    threshold: float
    between: float

    def between_travellers(self) -> Look:
        """The same look when nobody is being measured."""
        return replace(self, threshold=self.between)


class _Anchor:
    """The background of the first ten minutes, and whether a later one is still near it.

    Until they are over, the lowest background learnt so far stands for them, with what it may be off by chance: a
    source that is laid on the desk soon after the start must not become the background of all that follows.
    """

    def __init__(self) -> None:
        self._held = 0.0
        self._rises = math.inf
        self._settled = False

    def judge(self, mean: float, learnt_s: float, error: float) -> State:
        """The state of a background that was learnt in so many seconds, with its relative standard error."""
        if not self._settled and (not self._held or mean < self._held):
            self._held, self._rises = mean, RISES * (1.0 + _CHANCE * error)
        if mean > self._rises * self._held:
            return "HIGH_BG"
        if not self._settled:
            if learnt_s >= ANCHORED_AFTER_S:
                self._held, self._rises, self._settled = mean, RISES, True
            return "OK"
        return "LOW_BG" if mean < SINKS * self._held else "OK"

    def bounded(self, mean: float) -> float:
        """The background that thresholds may rest on: a source that was learnt must not raise them without end."""
        return min(mean, self._rises * self._held) if self._held else mean


class Counts:
    """Counts of intervals that follow one another.

    Args:
        channel: whose counts.
        allowed: false alarms of one measurement, and of one hour between.
        measured_s: how long one measurement is, with what is looked back at.
    """

    def __init__(self, channel: Channel, allowed: float, measured_s: float) -> None:
        self.spoke_at = -math.inf
        self.smooths_s = 0.0
        self._channel = channel
        self._allowed = allowed
        self._measured_s = measured_s
        self._recent: deque[tuple[float, float]] = deque(maxlen=256)
        self._counts = self._seconds = self._lived_s = 0.0
        self._anchor = _Anchor()
        self._level: State = "UNKNOWN"
        self._same, self._last = 0, -1.0
        self._thresholds: dict[tuple[float, float], tuple[float, float]] = {}
        self._since = 0

    @property
    def background(self) -> float | None:
        """Counts per second; None until enough was learnt."""
        return None if self._level == "UNKNOWN" else self._counts / self._seconds

    @property
    def state(self) -> State:
        """What is to be thought of the device."""
        return "STUCK" if self._stands_still() else self._level

    @property
    def learnt_s(self) -> float:
        """What the background is worth, in seconds of counting."""
        return self._seconds

    def threshold(self, interval_s: float) -> float | None:
        """Counts of one interval that alarm while a traveller is measured."""
        return None if self._level == "UNKNOWN" else self._reached(interval_s, interval_s)[0]

    def take(self, at: float, value: float, seconds: float) -> list[Look]:
        """The looks that one more interval brings."""
        self.spoke_at = at
        self._same = self._same + 1 if value == self._last else 1
        self._last = value
        self._recent.append((value, seconds))
        if self._level == "UNKNOWN":
            return []
        return [self._look(at, window, seconds) for window in self._windows()]

    def quiet(self, value: float, seconds: float) -> None:
        """Learn an interval of quiet time."""
        fades = math.exp(-seconds / _MEMORY_S)
        self._counts = self._counts * fades + value
        self._seconds = self._seconds * fades + seconds
        self._lived_s += seconds
        self._since += 1
        if self._since < _LEARNS_EVERY:
            return
        self._since = 0
        self._thresholds.clear()
        enough = self._counts >= _LEARNT_COUNTS or self._channel == "neutron"
        if self._seconds >= _LEARNT_AFTER_S and enough:
            error = 1.0 / math.sqrt(max(self._counts, 1.0))
            self._level = self._anchor.judge(self._counts / self._seconds, self._lived_s, error)

    def forget(self) -> None:
        """The line was lost: all but the first background must be learnt anew."""
        self._recent.clear()
        self._counts = self._seconds = 0.0
        self._level, self._same = "UNKNOWN", 0

    def _windows(self) -> list[tuple[float, float, float]]:
        """(name, counts, seconds) of the last readings, for each window that is full; none twice."""
        found: list[tuple[float, float, float]] = []
        counts = long_s = 0.0
        wanted = list(WINDOWS_S)
        for value, seconds in reversed(self._recent):
            counts, long_s = counts + value, long_s + seconds
            full = [window_s for window_s in wanted if long_s >= window_s - seconds / 2]
            if full:
                found.append((full[-1], counts, long_s))
                wanted = wanted[len(full) :]
            if not wanted:
                break
        return found

    def _look(self, at: float, window: tuple[float, float, float], every_s: float) -> Look:
        name_s, counts, long_s = window
        window_s = math.ceil(long_s * 20.0) / 20.0
        held = self._thresholds.get((window_s, every_s))
        if held is None:
            held = self._thresholds[window_s, every_s] = self._reached(window_s, every_s)
        return Look(at, self._channel, f"window of {name_s:.0f} s", counts, *held)

    def _reached(self, window_s: float, every_s: float) -> tuple[float, float]:
        measured, between = _shares(self._allowed, self._measured_s, every_s)
        cps = self._anchor.bounded(self._counts / self._seconds)
        return (
            float(budget.threshold(cps, self._seconds, window_s, measured)),
            float(budget.threshold(cps, self._seconds, window_s, between)),
        )

    def _stands_still(self) -> bool:
        """The same number again and again, as chance brings it about less than once in a billion."""
        if self._level == "UNKNOWN" or not self._recent:
            return False
        expected = self._counts / self._seconds * self._recent[-1][1]
        mode = math.floor(expected)
        often = math.exp(-expected + mode * math.log(max(expected, 1e-9)) - math.lgamma(mode + 1.0))
        return self._channel == "gamma" and self._same * -math.log(min(often, 0.999)) > _IMPOSSIBLE


class Means:
    """Count rates or dose rates, of which each may overlap with those before it. Arguments as `Counts` takes them."""

    def __init__(self, unit: Unit, channel: Channel, allowed: float, measured_s: float) -> None:
        self.spoke_at = -math.inf
        self.told_s = 0.0  # the time of its means, where the device tells it
        self._learnt_smooths_s = 0.0
        self._unit = unit
        self._channel = channel
        self._allowed = allowed
        self._measured_s = measured_s
        self._recent: deque[float] = deque(maxlen=64)
        self._every_s = FIRST_GUESS_S
        self._learnt: deque[float] = deque(maxlen=_REMEMBERS)
        self._lived_s, self._since = 0.0, 0
        self._anchor = _Anchor()
        self._level: State = "UNKNOWN"
        self._mean = 0.0
        # By the number of readings that are averaged: the window's name and the two thresholds.
        self._thresholds: dict[int, tuple[float, float, float]] = {}
        self._unchanged = 1.0
        self._same = 0

    @property
    def background(self) -> float | None:
        """In the unit of the readings; None until enough was learnt."""
        return None if self._level == "UNKNOWN" else self._mean

    @property
    def state(self) -> State:
        """What is to be thought of the device."""
        still = self._level != "UNKNOWN" and self._same / 2.0 * -math.log(self._unchanged) > _IMPOSSIBLE
        return "STUCK" if still else self._level

    @property
    def smooths_s(self) -> float:
        """Over which time the device averages: as it tells, or as its neighbouring readings betray."""
        return max(self.told_s, self._learnt_smooths_s)

    def threshold(self, interval_s: float) -> float | None:
        """Of a rate: counts of one interval that alarm while a traveller is measured. Doses are no counts."""
        lowest = min((measured for _, measured, _ in self._thresholds.values()), default=None)
        return None if lowest is None or self._unit == "dose" else lowest * interval_s

    def take(self, at: float, value: float, seconds: float) -> list[Look]:
        """The looks that one more reading brings; `seconds` are those since the one before."""
        self.spoke_at = at
        self._same = self._same + 1 if self._recent and value == self._recent[-1] else 0
        self._recent.append(value)
        if self._level == "UNKNOWN":
            return []
        latest = list(self._recent)
        return [self._look(at, latest[-length:], *held) for length, held in self._thresholds.items()]

    def quiet(self, value: float, seconds: float) -> None:
        """Learn a reading of quiet time."""
        self._learnt.append(value)
        self._lived_s += seconds
        self._every_s += 0.05 * (seconds - self._every_s)
        self._since += 1
        if self._since >= _LEARNS_EVERY:
            self._since = 0
            self._settle()

    def forget(self) -> None:
        """The line was lost: all but the first background must be learnt anew."""
        self._recent.clear()
        self._learnt.clear()
        self._level, self._same, self._thresholds = "UNKNOWN", 0, {}

    def _settle(self) -> None:
        values = np.array(self._learnt)
        changes = int(np.count_nonzero(np.diff(values)))
        if len(values) * self._every_s < _MEANS_AFTER_S or changes < _CHANGES:
            return
        self._unchanged = (len(values) - changes + 1.0) / (len(values) + 2.0)
        values = _without_outliers(values)
        smooths = _smooths(values)
        independent = len(values) / smooths
        if independent < _INDEPENDENT or values.mean() <= 0.0:
            return
        self._mean = float(values.mean())
        self._learnt_smooths_s = smooths * self._every_s if smooths > 2.0 else 0.0
        error = float(values.std()) / math.sqrt(independent) / self._mean
        self._level = self._anchor.judge(self._mean, self._lived_s, error)
        if self._unit == "dose" and self._mean > HIGH_NSV_H:
            self._level = "HIGH_BG"
        self._draw_up(values, smooths)

    def _draw_up(self, values: Floats, smooths: float) -> None:
        """The thresholds, from how means of so many readings spread."""
        mean = self._anchor.bounded(self._mean)
        measured_s = max(self._measured_s, min(self.smooths_s, LONGEST_S) + LOOK_BACK_S)
        measured, between = _shares(self._allowed, measured_s, self._every_s)
        sums = np.concatenate([[0.0], np.cumsum(values)])
        self._thresholds = {}
        for window_s in WINDOWS_S:
            length = max(1, round(window_s / self._every_s))
            variance = float(((sums[length:] - sums[:-length]) / length).var())
            independent = len(values) / (smooths + length - 1.0)
            first, second = (_reached(mean, variance, independent, part) for part in (measured, between))
            self._thresholds[length] = window_s, max(first, FLOOR * mean), max(second, FLOOR * mean)

    def _look(self, at: float, latest: list[float], window_s: float, measured: float, between: float) -> Look:
        mean = sum(latest) / len(latest)
        return Look(at, self._channel, f"{self._unit} of {window_s:.0f} s", mean, measured, between)


def _shares(allowed: float, measured_s: float, every_s: float) -> tuple[float, float]:
    """What each look may take of the budget of one measurement, and of one hour between."""
    looks = len(WINDOWS_S) * (math.ceil(measured_s / every_s) + 1)
    return allowed / looks, allowed / (len(WINDOWS_S) * math.ceil(BETWEEN_S / every_s))


def _reached(mean: float, variance: float, independent: float, false_alarms: float) -> float:
    """The mean of some readings that a quiet device reaches with a probability of at most `false_alarms`."""
    # A variance was only measured: one standard error is added.
    upper = variance * (1.0 + math.sqrt(2.0 / independent))
    counts = min(mean * mean / max(upper, 1e-12), _MOST_COUNTS)
    return mean / counts * budget.threshold(float(f"{counts:.4g}"), round(independent, 1), 1.0, false_alarms)


def _without_outliers(values: Floats) -> Floats:
    """Values drawn in to five standard deviations about their median, the deviation itself taken from quantiles."""
    low, middle, high = np.quantile(values, (0.16, 0.5, 0.84))
    steps = np.diff(np.unique(values))
    reach = 5.0 * ((high - low) / 2.0 + (float(steps.min()) if len(steps) else 0.0))
    drawn_in: Floats = np.clip(values, middle - reach, middle + reach)
    return drawn_in


def _smooths(values: Floats) -> float:
    """Over how many readings the device smooths, by how alike neighbours are; 1 where they are not."""
    about = values - values.mean()
    whole = float(about @ about)
    alike = float(about[1:] @ about[:-1]) / whole if whole else 0.0
    return max(1.0, -2.0 / math.log(alike)) if 0.05 < alike < 1.0 else 1.0
