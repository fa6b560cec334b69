"""Own gamma tests of a vehicle lane, where every vehicle hides a part of the background. Pure.

A lorry between the panels takes the background to three quarters of what it was, and a source must fill that gap
before any test against the background sees it. Three tests look at a whole occupancy (intervals of 0.2 s):

- *window*: the portal's own rule with a threshold of ours: one second against the background, in all panels or a pair;
- *contrast*: whether one group of panels has too large a share of the counts for a while. What the vehicle hides, it
  hides from all panels, so that the shares stay; a source stands nearer to some of them;
- *filter*: the course of the counts against the courses that sources make in passing, weighed with how shadows
  fluctuate from vehicle to vehicle (a whitened matched filter). The level of the shadow itself is left open.

All work on arrays of occupancies, so that the calibration runs the very code that judges at the booth.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

INTERVAL_S: Final = 0.2
TESTS: Final = ("window", "contrast", "filter")
SHORTEST: Final = 15  # intervals: shorter occupancies are judged by the window alone
LONGEST: Final = 150  # intervals: a vehicle that stands is judged in pieces

WINDOW: Final = 5  # intervals: one second

_CONTRAST_WINDOWS: Final = (5, 10, 15)
_GROUPS: Final = ((0,), (1,), (2,), (3,), (0, 1), (2, 3), (0, 2), (1, 3))
_PAIRS: Final = ((0, 1, 2, 3), (0, 1), (2, 3))

# How shadows fluctuate, measured: autocovariance of (counts / background) at 0, 1, 2, 3 and 5 s is .0084, .0061,
# .0040, .0032 and .0031. A part that lasts as long as the vehicle, and a part that fades within two seconds.
LASTING: Final = 0.0031
FADING: Final = 0.0053
FADES_S: Final = 1.39
FADES_POWER: Final = 1.7
# The mean course of a shadow: from a little at both ends to its depth within 1.5 s.
DEPTH: Final = 0.72
AT_ENDS: Final = 0.92
RAMP_S: Final = 1.5
# How much depth and ramps may differ from lane to lane.
_LEVEL_SD: Final = 0.15

# A source on a vehicle: 2.2 m/s past a panel 2.5 m away, and nearer or farther.
SPEED_M_S: Final = 2.2
DISTANCES_M: Final = (1.75, 2.5, 3.75)
_CENTRE_EVERY: Final = 2


def strengths(counts: npt.NDArray[np.integer], background_cps: Floats) -> Floats:
    """The strength of each test on each occupancy: (occupancies, 3), in standard deviations.

    Args:
        counts: (occupancies, intervals, panels).
        background_cps: (occupancies, panels), all above 0.
    """
    found = np.full((len(counts), len(TESTS)), -math.inf)
    if counts.shape[1] >= WINDOW:
        found[:, 0] = window(counts, background_cps)[0]
    if counts.shape[1] >= SHORTEST:
        found[:, 1] = contrast(counts)[0]
        found[:, 2] = course(counts, background_cps)
    return found


def window(counts: npt.NDArray[np.integer], background_cps: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Strength of the strongest second, and which of `window_groups` it was."""
    sums = _windows(counts, WINDOW)
    best = []
    for group in window_groups(counts.shape[2]):
        expected = background_cps[:, group].sum(1)
        best.append((sums[:, :, group].sum(2).max(1) - expected) / np.sqrt(np.maximum(expected, 1.0)))
    return _strongest(best)


def contrast(counts: npt.NDArray[np.integer]) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Strength of the largest share that a group of panels had beyond its own, and which of `contrast_groups`."""
    groups = contrast_groups(counts.shape[2])
    if not groups:
        return np.full(len(counts), -math.inf), np.zeros(len(counts), dtype=np.intp)
    members = np.zeros((counts.shape[2], len(groups)))
    for number, group in enumerate(groups):
        members[list(group), number] = 1.0
    best = np.full((len(groups), len(counts)), -math.inf)
    whole = counts.sum(1, dtype=np.float64)
    for length in _CONTRAST_WINDOWS:
        if length * 2 > counts.shape[1]:
            break
        inside = _windows(counts, length).astype(np.float64)
        total = inside.sum(2)
        outside = np.maximum(whole.sum(1)[:, None] - total, 1.0)
        factor = 1.0 + total / outside
        part = inside @ members
        share = np.clip(((whole @ members)[:, None, :] - part) / outside[:, :, None], 1e-3, 1.0 - 1e-3)
        spread = np.sqrt(np.maximum(total * factor, 1.0))[:, :, None] * np.sqrt(share * (1.0 - share))
        best = np.maximum(best, ((part - total[:, :, None] * share) / spread).max(1).T)
    return _strongest(list(best))


def course(counts: npt.NDArray[np.integer], background_cps: Floats) -> Floats:
    """Strength of the source whose passing fits the course of all panels' counts best."""
    total_cps = background_cps.sum(1)
    seen = counts.sum(2) / (total_cps[:, None] * INTERVAL_S)
    # Filters change little with the background: one for each tenth of its logarithm.
    rungs = np.round(np.log(np.maximum(total_cps, 1.0)) * 10.0).astype(np.int64)
    found = np.empty(len(counts))
    for rung in np.unique(rungs):
        of = rungs == rung
        filters = _filters(counts.shape[1], int(rung))
        found[of] = ((seen[of] - mean_course(counts.shape[1])) @ filters).max(1)
    return found


def window_groups(panels: int) -> tuple[tuple[int, ...], ...]:
    """The groups of panels that `window` looks at."""
    return _PAIRS if panels == len(_PAIRS[0]) else (tuple(range(panels)),)


def contrast_groups(panels: int) -> tuple[tuple[int, ...], ...]:
    """The groups of panels that `contrast` looks at; none where there is nothing to compare."""
    if panels == len(_PAIRS[0]):
        return _GROUPS
    return tuple((panel,) for panel in range(panels)) if panels > 1 else ()


def mean_course(intervals: int) -> Floats:
    """The mean part of the background that is left, interval by interval."""
    at_s = (np.arange(intervals) + 0.5) * INTERVAL_S
    to_end_s = np.minimum(at_s, intervals * INTERVAL_S - at_s)
    left: Floats = AT_ENDS + (DEPTH - AT_ENDS) * np.minimum(to_end_s / RAMP_S, 1.0)
    return left


def shadow_covariance(intervals: int) -> Floats:
    """How shadows fluctuate about their mean course, (intervals, intervals)."""
    at_s = np.arange(intervals) * INTERVAL_S
    lag_s = np.abs(at_s[:, None] - at_s[None, :])
    covariance: Floats = LASTING + FADING * np.exp(-((lag_s / FADES_S) ** FADES_POWER))
    return covariance


def passing(at_s: Floats, centre_s: Floats | float, distance_m: float) -> Floats:
    """The course of a source of strength 1 that passes at `centre_s`."""
    return 1.0 / (1.0 + (SPEED_M_S * (at_s - centre_s) / distance_m) ** 2)


@lru_cache(maxsize=256)
def _filters(intervals: int, rung: int) -> Floats:
    """Whitened filters (intervals, sources) for a background of exp(rung / 10) cps, each of variance 1."""
    at_s: Floats = (np.arange(intervals, dtype=np.float64) + 0.5) * INTERVAL_S
    mean = mean_course(intervals)
    shadow = shadow_covariance(intervals) + np.diag(mean / (math.exp(rung / 10.0) * INTERVAL_S))
    level, ramps = np.ones(intervals), (mean - DEPTH) / (AT_ENDS - DEPTH)
    shadow += _LEVEL_SD**2 * (np.outer(level, level) + np.outer(ramps, ramps))
    centres = at_s[::_CENTRE_EVERY]
    sources = np.stack([passing(at_s, centre, far) for far in DISTANCES_M for centre in centres], axis=1)
    whitened = np.linalg.solve(shadow, sources)
    filters: Floats = whitened / np.sqrt((sources * whitened).sum(0))
    return filters


def _windows(counts: npt.NDArray[np.integer], length: int) -> npt.NDArray[np.int64]:
    """Sums over every window of `length` intervals, (occupancies, windows, panels)."""
    sums = np.cumsum(counts, axis=1, dtype=np.int64)
    sums[:, length:] -= sums[:, :-length].copy()
    return sums[:, length - 1 :]


def _strongest(best: list[Floats]) -> tuple[Floats, npt.NDArray[np.intp]]:
    stacked = np.stack(best)
    return stacked.max(0), stacked.argmax(0)
