"""What the booth holds of one channel's background: its mean, and how surely it is known. Pure.

A portal tells a running mean every 5 s (gamma: over 20 s; neutrons: over 120 s, older firmware with the decimals cut
off). The booth averages these on, so that the mean is known better than the last line tells it, and forgets so that
it follows the weather: after `memory_s` seconds a count weighs a third. Bodies hide no neutrons, so that quiet
occupancies count as neutron background too: they mend what cut decimals take away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

PERIOD_S: Final = 5.0
GAMMA_MEMORY_S: Final = 60.0
NEUTRON_MEMORY_S: Final = 300.0
# The first line told is a mean already.
_TOLD_AT_ONCE_S: Final = 20.0
# Of a mean whose decimals were cut off anything up to one is missing; rather more than half is added, since a
# background held too low alarms at nothing.
_CUT_OFF: Final = 0.7


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
        means = [cps + _CUT_OFF if cut and cps else cps for cps in panels_cps]
        self._add([cps * PERIOD_S for cps in means], PERIOD_S)

    def counted(self, panels: Sequence[int], seconds: float) -> None:
        """A quiet occupancy counted this; only where bodies hide nothing."""
        if self._seconds and len(panels) == len(self._counts):
            self._add(panels, seconds)

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
