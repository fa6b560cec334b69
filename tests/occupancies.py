"""Occupancies by the hundred thousand: counts with and without a source, behind a vehicle's shadow or without. Seeded.

The model of a vehicle's shadow is that of agent/radiation/vehicle_lane.py: a mean course with the fluctuations that
were measured. A source passes at 2.2 m/s, 2.5 m from the panels, somewhere in the middle two fifths of the occupancy.
The background that the booth holds was counted, too: for `counted_s` seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from failsafe.agent.radiation import vehicle_lane

SECONDS = 12.0
DISTANCE_M = 2.5
EVEN = (0.25, 0.25, 0.25, 0.25)
PIECE = 10_000


@dataclass(frozen=True)
class Stretch:
    """Occupancies of one kind.

    Attributes:
        cps: background of all panels.
        interval_s: of the scans.
        counted_s: for how long the held background was counted.
        shadowed: whether vehicles hide background.
        source_cps: peak net count rate of a source.
        split: of the source over the panels; background is spread evenly.
    """

    cps: float
    interval_s: float
    counted_s: float
    shadowed: bool = False
    source_cps: float = 0.0
    split: tuple[float, ...] = EVEN
    seconds: float = SECONDS

    @property
    def intervals(self) -> int:
        return round(self.seconds / self.interval_s)


def drawn(stretch, number, seed):
    """(counts by panel, held background by panel) of `number` occupancies, in pieces; without shadow one panel stands
    for all of them."""
    random = np.random.default_rng(seed)
    panels = len(stretch.split) if stretch.shadowed else 1
    while number > 0:
        piece = min(number, PIECE if stretch.interval_s < 1.0 else 20 * PIECE)
        number -= piece
        yield _counts(stretch, piece, panels, random), _held(stretch, piece, panels, random)


def _counts(stretch, piece, panels, random):
    shape = (piece, stretch.intervals, panels)
    rate = stretch.cps * stretch.interval_s / panels
    if not stretch.shadowed and not stretch.source_cps:
        return random.poisson(rate, shape)
    rates = np.full(shape, rate)
    if stretch.shadowed:
        rates *= _shadows(piece, stretch.intervals, random)[:, :, None]
    if stretch.source_cps:
        at_s = (np.arange(stretch.intervals) + 0.5) * stretch.interval_s
        centre_s = random.uniform(0.3, 0.7, (piece, 1)) * stretch.seconds
        course = vehicle_lane.passing(at_s[None], centre_s, DISTANCE_M) * stretch.source_cps * stretch.interval_s
        rates += course[:, :, None] * (np.array(stretch.split) if stretch.shadowed else 1.0)
    return random.poisson(rates)


def _shadows(piece, intervals, random):
    spread = np.linalg.cholesky(vehicle_lane.shadow_covariance(intervals) + 1e-9 * np.eye(intervals))
    drawn = vehicle_lane.mean_course(intervals) + random.standard_normal((piece, intervals)) @ spread.T
    return np.clip(drawn, 0.05, None)


def _held(stretch, piece, panels, random):
    held = random.poisson(stretch.cps * stretch.counted_s / panels, (piece, panels)) / stretch.counted_s
    # Thresholds are exact for each background: a thousandth apart is near enough.
    return held if panels > 1 else np.round(held * 1000.0 / stretch.cps) * stretch.cps / 1000.0


def every(stretch, number, seed, judge) -> Iterator[np.ndarray]:
    """`judge(counts, held)` over all pieces, put together."""
    return np.concatenate([judge(counts, held) for counts, held in drawn(stretch, number, seed)])
