"""What the booth holds of one channel's background: its mean, and how surely it is known. Pure.

A portal tells a running mean every 5 s (gamma: over 20 s; neutrons: over 120 s, older firmware with the decimals cut
off). The booth averages these on, so that the mean is known better than the last line tells it, and forgets so that
it follows the weather: after `memory_s` seconds a count weighs a third. Bodies hide no neutrons, so that quiet
occupancies count as neutron background too: they mend what cut decimals take away.

What was held before a restart may help again, once the device has told a mean that agrees with it; alone it is nothing.
A technician's measurement (`Measured`) is a reference: a background far from it is HIGH_BG or LOW_BG.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

PERIOD_S: Final = 5.0
GAMMA_MEMORY_S: Final = 60.0
NEUTRON_MEMORY_S: Final = 300.0
# The first line told is a mean already.
_TOLD_AT_ONCE_S: Final = 20.0
# Of a mean whose decimals were cut off anything up to one is missing; rather more than half is added, since a
# background held too low alarms at nothing.
_CUT_OFF: Final = 0.7


# What was counted before a restart weighs no more than a minute: what is counted now soon counts for more.
_KEPT_AT_MOST_S: Final = 60.0
# Standard errors within which two backgrounds are the same, and beyond which they surely are not.
AGREES_WITHIN: Final = 4.0
SURELY_BEYOND: Final = 5.0
# How far from its reference a background is no weather any more. Rain washes out what gives half as much gamma again
# for an hour, a lorry beside the lane takes a quarter; neutrons follow the air's pressure by some per cent, and of so
# few the factor must be wide.
FAR: Final[dict[str, tuple[float, float]]] = {"gamma": (0.6, 1.6), "neutron": (0.5, 2.0)}


@dataclass(frozen=True, slots=True)
class Measured:
    """A background as a technician had it measured.

    Attributes:
        means: of each panel, counts per second (dose rates: nSv/h).
        errors: their standard errors.
        seconds: how long was measured.
        at: wall time, ISO 8601 UTC.
    """

    means: tuple[float, ...]
    errors: tuple[float, ...]
    seconds: float
    at: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """A background: counts per second of each panel, and the seconds of counting that this is worth."""

    panels_cps: tuple[float, ...]
    counted_s: float

    @property
    def cps(self) -> float:
        """All panels together."""
        return sum(self.panels_cps)


class BackgroundBook:
    """The background of one channel, as told and as counted in quiet occupancies.

    Args:
        memory_s: time after which a count weighs a third.
        whole: told means may have lost their decimals (neutrons of older firmware).
    """

    def __init__(self, memory_s: float, *, whole: bool = False) -> None:
        self._memory_s = memory_s
        self._whole = whole
        self._fine = False
        self._counts: list[float] = []
        self._seconds = 0.0
        self._kept: Known | None = None

    @property
    def known(self) -> Known | None:
        """What is held; None before anything was told."""
        if not self._seconds:
            return None
        return Known(tuple(counts / self._seconds for counts in self._counts), self._seconds)

    def told(self, panels_cps: Sequence[float]) -> None:
        """The device told its mean."""
        cut = self._whole and all(float(cps).is_integer() for cps in panels_cps)
        if cut and self._fine:
            return  # the same mean comes with its decimals too
        self._fine |= self._whole and not cut
        # A panel of zero beside others has no tube; where all are zero each may have lost its decimals.
        means = [cps + _CUT_OFF if cut and (cps or not any(panels_cps)) else cps for cps in panels_cps]
        kept, self._kept = self._kept, None
        if kept is not None and not self._seconds and _agree(kept, means):
            seconds = min(kept.counted_s, _KEPT_AT_MOST_S)
            self._counts, self._seconds = [cps * seconds for cps in kept.panels_cps], seconds
        self._add([cps * PERIOD_S for cps in means], PERIOD_S)

    def told_together(self, cps: float) -> None:
        """The device told the mean of all panels in one figure, with its decimals; they share it as they were told."""
        if not self._counts:
            return
        held = sum(self._counts)
        shares = [counts / held if held else 1.0 / len(self._counts) for counts in self._counts]
        if not self._fine:  # what was told without decimals is worth nothing beside it
            self._fine, self._counts = True, []
        self._add([share * cps * PERIOD_S for share in shares], PERIOD_S)

    def counted(self, panels: Sequence[int], seconds: float) -> None:
        """A quiet occupancy counted this; only where bodies hide nothing."""
        if self._seconds and len(panels) == len(self._counts):
            self._add(panels, seconds)

    def recall(self, kept: Known) -> None:
        """This was held before a restart: it counts once the device tells a mean that agrees with it."""
        if not self._seconds:
            self._kept = kept

    def forget(self) -> None:
        """The line was lost: whatever stood here may be over."""
        self._counts, self._seconds, self._fine = [], 0.0, False

    def _add(self, counts: Sequence[float], seconds: float) -> None:
        if len(counts) != len(self._counts):
            weight = _TOLD_AT_ONCE_S / seconds
            self._counts, self._seconds = [weight * count for count in counts], _TOLD_AT_ONCE_S
            return
        fades = math.exp(-seconds / self._memory_s)
        self._counts = [held * fades + new for held, new in zip(self._counts, counts, strict=True)]
        self._seconds = self._seconds * fades + seconds


def _agree(kept: Known, means: Sequence[float]) -> bool:
    """Whether a first mean may be of the background that was kept; a mean without decimals is a whole count off."""
    if len(kept.panels_cps) != len(means) or kept.counted_s <= 0.0 or any(cps < 0.0 for cps in kept.panels_cps):
        return False
    pairs = zip(kept.panels_cps, means, strict=True)
    return all(abs(held - told) <= 1.0 + AGREES_WITHIN * math.sqrt(held / _TOLD_AT_ONCE_S) for held, told in pairs)


def apart(one: Measured, other: Measured) -> tuple[float, ...]:
    """Panel by panel, how many standard errors `one` lies above `other`; empty where the panels are not the same."""
    if len(one.means) != len(other.means):
        return ()
    pairs = zip(one.means, other.means, one.errors, other.errors, strict=True)
    return tuple((a - b) / max(math.hypot(da, db), 1e-9) for a, b, da, db in pairs)


def far(channel: str, held: Known, reference: Measured) -> Literal["HIGH_BG", "LOW_BG"] | None:
    """Whether a background is another one than was measured: by a factor that no weather brings, and surely.

    Gamma is held panel by panel against the reference, so that a dead panel shows; neutrons all panels together.
    """
    now = _as_measured(held.panels_cps if channel == "gamma" else (held.cps,), held.counted_s)
    then = reference if channel == "gamma" else together(reference)
    if len(now.means) < len(then.means):
        return "LOW_BG"  # a panel is not told any more
    low, high = FAR[channel]
    states: set[Literal["HIGH_BG", "LOW_BG"]] = set()
    for mean, was, errors in zip(now.means, then.means, apart(now, then), strict=False):
        if mean > high * was and errors > SURELY_BEYOND:
            states.add("HIGH_BG")
        elif mean < low * was and errors < -SURELY_BEYOND:
            states.add("LOW_BG")
    return "HIGH_BG" if "HIGH_BG" in states else next(iter(states), None)


def _as_measured(cps: tuple[float, ...], seconds: float) -> Measured:
    return Measured(cps, tuple(math.sqrt(max(one, 0.0) / seconds) for one in cps), seconds)


def together(one: Measured) -> Measured:
    """The panels' sum."""
    return Measured((sum(one.means),), (math.hypot(*one.errors),), one.seconds, one.at)
