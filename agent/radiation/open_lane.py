"""Own tests where bodies hide little of the background: all neutrons, gamma of pedestrian lanes. Pure.

Two kinds of test look at the counts of all panels as they come, interval by interval:

- *windows* of 1, 2 and 4 seconds against exact thresholds (`budget.threshold`), which take a fixed part of the budget;
- *sums*: two cumulative sums of the likelihood ratio of "background and a source" to "background". They remember as
  long as a source takes to pass, fast or slow. Their threshold is calibrated by simulation to the rest of the budget.

The sums work on arrays too, so that the calibration runs the very code that judges at the booth.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from failsafe.agent.radiation import budget
from failsafe.agent.radiation.background import Known

WINDOWS_S: Final = (1.0, 2.0, 4.0)
# The sources looked for, in standard deviations of one second of background.
SOURCES: Final = (3.0, 6.0)
# What the windows may take of the budget, and how many independent looks an occupancy of 12 s gives them.
WINDOWS_SHARE: Final = 0.3
_LOOKS: Final = 3.0
OCCUPANCY_S: Final = 12.0


@dataclass(frozen=True, slots=True)
class Weights:
    """One cumulative sum: what a count adds, and what an interval takes."""

    gain: float
    loss: float


def weights(background_cps: float, interval_s: float) -> tuple[Weights, ...]:
    """The sums for a background; without any counts a tenth of a count a second is assumed."""
    cps = max(background_cps, 0.1)
    excesses = [source / math.sqrt(cps) for source in SOURCES]
    return tuple(Weights(math.log1p(excess), excess * cps * interval_s) for excess in excesses)


def window_alarms(per_occupancy: float, window_s: float) -> float:
    """False alarms allowed to a single window, so that all of an occupancy's keep their share."""
    looks = _LOOKS * OCCUPANCY_S / window_s
    return per_occupancy * WINDOWS_SHARE / len(WINDOWS_S) / looks


def longer(elapsed_s: float) -> float:
    """What the threshold of the sums grows by in an occupancy longer than usual, so that its budget holds."""
    return 2.0 * math.log(max(elapsed_s / OCCUPANCY_S, 1.0))


@dataclass(frozen=True, slots=True)
class Look:
    """The strongest of the tests after an interval: counts in a window, or a sum's value."""

    test: str
    strength: float
    threshold: float

    @property
    def is_alarm(self) -> bool:
        """Whether it reached its threshold."""
        return self.strength >= self.threshold


class OpenLane:
    """One channel through one occupancy.

    Args:
        background: what is known of it when the occupancy begins.
        interval_s: of the scans.
        per_occupancy: false alarms allowed.
        sums_at: threshold of the sums for this background.
    """

    def __init__(self, background: Known, interval_s: float, per_occupancy: float, sums_at: float) -> None:
        self._interval_s = interval_s
        self._sums_at = sums_at
        self._weights = weights(background.cps, interval_s)
        self._sums = [0.0] * len(self._weights)
        self._elapsed_s = 0.0
        self._lengths = [max(1, round(window_s / interval_s)) for window_s in WINDOWS_S]
        self._thresholds = [
            budget.threshold(background.cps, background.counted_s, window_s, window_alarms(per_occupancy, window_s))
            for window_s in WINDOWS_S
        ]
        self._window: deque[int] = deque(maxlen=self._lengths[-1])

    def scan(self, counts: int) -> Look:
        """The next interval, all panels summed."""
        self._elapsed_s += self._interval_s
        self._window.append(counts)
        self._sums = [
            max(0.0, held + weight.gain * counts - weight.loss)
            for held, weight in zip(self._sums, self._weights, strict=True)
        ]
        looks = [Look("sums", max(self._sums), self._sums_at + longer(self._elapsed_s))]
        latest = list(self._window)
        for length, reached in zip(self._lengths, self._thresholds, strict=True):
            if len(latest) >= length:
                counted = float(sum(latest[-length:]))
                looks.append(Look(f"window of {length * self._interval_s:.0f} s", counted, float(reached)))
        return max(looks, key=lambda look: look.strength / max(look.threshold, 1e-9))


def peaks(
    counts: npt.NDArray[np.integer], background_cps: npt.NDArray[np.float64], interval_s: float
) -> npt.NDArray[np.float64]:
    """The highest value of the sums in each of many occupancies.

    Args:
        counts: (occupancies, intervals), all panels summed.
        background_cps: as held, (occupancies,).
    """
    cps = np.maximum(background_cps, 0.1)
    highest = np.zeros(len(counts))
    for source in SOURCES:
        excess = source / np.sqrt(cps)
        gain, loss = np.log1p(excess), excess * cps * interval_s
        held = np.zeros(len(counts))
        for interval in range(counts.shape[1]):
            held = np.maximum(0.0, held + gain * counts[:, interval] - loss)
            highest = np.maximum(highest, held)
    return highest


def window_flags(
    counts: npt.NDArray[np.integer],
    background_cps: npt.NDArray[np.float64],
    counted_s: float,
    interval_s: float,
    per_occupancy: float,
) -> npt.NDArray[np.bool_]:
    """Which of many occupancies the windows flag; backgrounds as `peaks` takes them."""
    flagged = np.zeros(len(counts), dtype=bool)
    held, number = np.unique(background_cps, return_inverse=True)
    sums = np.concatenate([np.zeros((len(counts), 1), dtype=np.int64), np.cumsum(counts, axis=1)], axis=1)
    for window_s in WINDOWS_S:
        length = max(1, round(window_s / interval_s))
        if length >= sums.shape[1]:
            continue
        allowed = window_alarms(per_occupancy, window_s)
        reached = np.array([budget.threshold(float(cps), counted_s, window_s, allowed) for cps in held])[number]
        flagged |= (sums[:, length:] - sums[:, :-length]).max(1) >= reached
    return flagged
