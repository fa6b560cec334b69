"""The portal's own gamma rule, computed beside it. Pure.

Recovered from captures of TSA/Rapiscan portals: the portal alarms when, in any of the groups {all four panels, panels 1
and 2, panels 3 and 4}, (counts of the last five intervals - GB) / sqrt(GB) reaches NSIGMA. GB is the group's last
background in counts per second, and five intervals are one second. On two captures the rule repeats the portal's
flags on 2,807 of 2,809 judged scan lines with NSIGMA 4.0; the two others missed the threshold by less than 0.01.

The rule decides nothing: the portal's word counts. Where both disagree by more than rounding explains, the portal or
what is known of its setting has changed, and that is a fault of health.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WINDOW: Final = 5
INTERVAL_S: Final = 0.2
# The portal looks back, so the first window is full with the fifth interval.
NOT_JUDGED: Final = WINDOW - 1
# The portal computes with a background that has decimals and tells it without them.
ROUNDING: Final = 0.25

_FOUR: Final[tuple[tuple[int, ...], ...]] = ((0, 1, 2, 3), (0, 1), (2, 3))


@dataclass(frozen=True, slots=True)
class Judged:
    """One interval judged by the rule.

    Attributes:
        strength: of the strongest group, in standard deviations of its background.
        panels: the group, counted from 1.
        is_alarm: whether the portal ought to alarm.
    """

    strength: float
    panels: tuple[int, ...]
    is_alarm: bool


class VendorRule:
    """The rule over one portal's lines.

    Args:
        nsigma: the portal's factor; None, until it is known, judges nothing.
    """

    def __init__(self, nsigma: float | None = None) -> None:
        self.nsigma = nsigma
        self._background: tuple[float, ...] = ()
        self._window: deque[tuple[int, ...]] = deque(maxlen=WINDOW)

    def background(self, panels_cps: Sequence[float]) -> None:
        """The portal told its gamma background, which it does only when nobody is in it."""
        self._background = tuple(panels_cps)
        self._window.clear()

    def began(self) -> None:
        """An occupancy began: nothing of the one before it counts."""
        self._window.clear()

    def scan(self, counts: Sequence[int]) -> Judged | None:
        """The next gamma interval of 0.2 s; None where nothing can be said of it."""
        self._window.append(tuple(counts))
        if self.nsigma is None or len(self._window) < WINDOW or len(counts) != len(self._background):
            return None
        strengths = [self._strength(group) for group in _groups(len(counts))]
        strength, group = max(strengths)
        return Judged(strength, tuple(panel + 1 for panel in group), strength >= self.nsigma)

    def _strength(self, group: tuple[int, ...]) -> tuple[float, tuple[int, ...]]:
        background = sum(self._background[panel] for panel in group)
        counted = sum(counts[panel] for counts in self._window for panel in group)
        return ((counted - background) / background**0.5 if background > 0 else float("-inf")), group


def _groups(panels: int) -> tuple[tuple[int, ...], ...]:
    """The groups that are judged; of other numbers of panels than four only their sum is known."""
    return _FOUR if panels == len(_FOUR[0]) else (tuple(range(panels)),)


class Comparison:
    """Portal and shadow over one occupancy after the other: do they say the same, rounding left aside?

    An occupancy disagrees when, on the lines that were judged, one of the two alarmed and the other was never near it.
    Single lines at the edge of an alarm decide nothing: both say "alarm" of the same passage.
    """

    def __init__(self) -> None:
        self._strongest = float("-inf")
        self._nsigma = 0.0
        self._alarmed = False
        self._judged = False

    def began(self) -> None:
        """A new occupancy."""
        self._strongest, self._alarmed, self._judged = float("-inf"), False, False

    def line(self, judged: Judged | None, nsigma: float | None, *, alarmed: bool) -> None:
        """One scan line: what the rule says of it, and whether the portal flagged it."""
        if judged is None or nsigma is None:
            return
        self._judged = True
        self._nsigma = nsigma
        self._strongest = max(self._strongest, judged.strength)
        self._alarmed |= alarmed

    def agree(self) -> bool | None:
        """Whether both agree on the occupancy so far; None where nothing was judged."""
        if not self._judged:
            return None
        if self._alarmed:
            return self._strongest >= self._nsigma - ROUNDING
        return self._strongest < self._nsigma + ROUNDING
