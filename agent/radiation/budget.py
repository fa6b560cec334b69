"""Exact alarm thresholds from a false-alarm budget. Pure.

"Background plus k sigma" promises nothing: k = 5 gives 0.5 false alarms in 10,000 occupancies at 250 cps of gamma and
31 at 2 cps of neutrons. Here the promise comes first: a share of false alarms, and the threshold follows from the
distribution of the counts. The background itself was only counted for a while; with m counts in T seconds the counts of
a window of w seconds follow a negative binomial law (Poisson with a Gamma-distributed mean), a little wider than
Poisson's.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

GAMMA_PER_OCCUPANCY: Final = 1e-3
NEUTRON_PER_OCCUPANCY: Final = 1e-4

# Terms of a tail smaller than this part of the first change no threshold.
_NEGLIGIBLE: Final = 1e-9
_HALF: Final = 0.5  # Jeffreys' prior: a background of no counts at all is still no certainty of none


@lru_cache(maxsize=4096)
def threshold(background_cps: float, counted_s: float, window_s: float, false_alarms: float) -> int:
    """The smallest count that a quiet window reaches with a probability of at most `false_alarms`.

    Args:
        background_cps: mean of the background, counts per second.
        counted_s: for how many seconds it was counted.
        window_s: length of the window.
        false_alarms: between 0 and 1, for this one window.
    """
    shape = background_cps * counted_s + _HALF
    odds = window_s / (counted_s + window_s)
    mean = shape * window_s / counted_s
    spread = math.sqrt(mean * (1.0 + window_s / counted_s))
    z = NormalDist().inv_cdf(1.0 - false_alarms)
    guess = max(0, math.ceil(mean + z * spread + (z * z - 1.0) / 6.0))
    tail, term = _tail(guess, shape, odds)
    while tail > false_alarms:
        tail -= term
        guess, term = guess + 1, term * _ratio(guess, shape, odds)
    while guess > 0:
        below = term / _ratio(guess - 1, shape, odds)
        if tail + below > false_alarms:
            break
        guess, term, tail = guess - 1, below, tail + below
    return guess


def exceeds(count: int, background_cps: float, counted_s: float, window_s: float) -> float:
    """The probability that a quiet window counts `count` or more."""
    shape = background_cps * counted_s + _HALF
    return min(1.0, _tail(count, shape, window_s / (counted_s + window_s))[0])


def _tail(count: int, shape: float, odds: float) -> tuple[float, float]:
    """P(X >= count) and P(X = count), summed upwards from `count`."""
    first = math.exp(
        math.lgamma(count + shape)
        - math.lgamma(shape)
        - math.lgamma(count + 1.0)
        + shape * math.log1p(-odds)
        + count * math.log(odds)
    )
    total, term = first, first
    while True:
        ratio = _ratio(count, shape, odds)
        term *= ratio
        total += term
        count += 1
        if ratio < 1.0 and term < _NEGLIGIBLE * total:
            return total, first


def _ratio(count: int, shape: float, odds: float) -> float:
    """P(X = count + 1) / P(X = count)."""
    return (count + shape) / (count + 1.0) * odds
