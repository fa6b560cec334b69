"""Whether what a detector says can be true: stuck counts, a setting that changed, a word against its own rule. Pure.

A detector that repeats itself, or that stays silent where its own rule would alarm, looks healthy from outside. What is
found here makes its passages "not monitored":

- STUCK: a panel's gamma counts did not change for 25 intervals, which chance does not bring about once in a year, or
  all backgrounds stood still for five minutes. It is over when the panel counts differently again, or tells another
  background than before;
- DISAGREE: over an occupancy the portal and the shadow of its rule say different things. It is over when three
  occupancies in a row agree;
- CONFIG_CHANGED: a set-up line differs from the one the booth first heard. It is over when the old setting is back or
  the service is restarted, which takes the new one as known.
"""

from __future__ import annotations

from typing import Final, Literal

from failsafe.agent.vendor_rule import INTERVAL_S, Comparison, Judged, VendorRule
from failsafe.drivers.reading import Alarm, Background, Malformed, Occupancy, Reading, Scan, SetUp

Doubt = Literal["STUCK", "DISAGREE", "CONFIG_CHANGED"]

STUCK_SCANS: Final = 25
STUCK_BACKGROUNDS: Final = 60
AGREE_AGAIN: Final = 3
# Where fewer counts are expected in an interval, the same number comes again and again by chance.
_ENOUGH_COUNTS: Final = 5.0


class Plausibility:
    """What one detector has said that cannot be true.

    Args:
        nsigma: the factor of its gamma alarm, where it is configured; else its set-up lines tell it.
    """

    def __init__(self, nsigma: float | None = None) -> None:
        self.doubts: set[Doubt] = set()
        self._configured = nsigma
        self._rule = VendorRule(nsigma)
        self._comparison = Comparison()
        self._judged: Judged | None = None
        self._spoilt = False
        self._agreed = 0
        self._setup: dict[str, tuple[float, ...]] = {}
        self._changed: set[str] = set()
        self._background: tuple[float, ...] = ()
        self._same_backgrounds = 0
        self._counts: tuple[int, ...] = ()
        self._same_counts: list[int] = []
        self._stuck: set[int] = set()

    @property
    def nsigma(self) -> float | None:
        """The factor of the portal's gamma alarm, once it is known."""
        return self._rule.nsigma

    def receive(self, reading: Reading) -> None:
        """Take one reading."""
        match reading:
            case Background(channel="gamma"):
                self._take_background(reading)
            case Occupancy(phase="began"):
                self._begin()
            case Occupancy():
                self._compare()
            case Scan(channel="gamma"):
                self._take_scan(reading)
            case Alarm(channel="gamma"):
                self._comparison.line(self._judged, self.nsigma, alarmed=True)
            case SetUp():
                self._take_setup(reading)
            case Malformed():
                self._spoilt = True  # the lost line may have been the alarm
            case _:
                pass

    def _begin(self) -> None:
        self._rule.began()
        self._comparison.began()
        self._judged, self._spoilt = None, False

    def _compare(self) -> None:
        agree = None if self._spoilt else self._comparison.agree()
        if agree is False:
            self._agreed = 0
            self.doubts.add("DISAGREE")
        elif agree:
            self._agreed += 1
            if self._agreed >= AGREE_AGAIN:
                self.doubts.discard("DISAGREE")
        self._begin()

    def _take_scan(self, scan: Scan) -> None:
        self._judged = self._rule.scan(scan.counts) if scan.interval_s == INTERVAL_S else None
        self._comparison.line(self._judged, self.nsigma, alarmed=False)
        if len(self._counts) != len(scan.counts):
            self._same_counts = [0] * len(scan.counts)
        else:
            pairs = zip(self._same_counts, scan.counts, self._counts, strict=True)
            self._same_counts = [same + 1 if now == before else 0 for same, now, before in pairs]
        self._counts = scan.counts
        # `same` counts repetitions: a run of 25 equal intervals repeats 24 times.
        panels = enumerate(zip(self._same_counts, self._background, strict=False))
        self._stuck = {
            panel
            for panel, (same, cps) in panels
            if same >= STUCK_SCANS - 1 and cps * scan.interval_s >= _ENOUGH_COUNTS
        }
        self._tell_stuck()

    def _take_background(self, told: Background) -> None:
        moved = {
            panel for panel, (now, was) in enumerate(zip(told.panels_cps, self._background, strict=False)) if now != was
        }
        self._same_backgrounds = 0 if moved or not any(told.panels_cps) else self._same_backgrounds + 1
        self._stuck -= moved
        self._background = told.panels_cps
        self._rule.background(told.panels_cps)
        self._tell_stuck()

    def _tell_stuck(self) -> None:
        if self._stuck or self._same_backgrounds >= STUCK_BACKGROUNDS:
            self.doubts.add("STUCK")
        else:
            self.doubts.discard("STUCK")

    def _take_setup(self, told: SetUp) -> None:
        first = self._setup.setdefault(told.tag, told.fields)
        self._changed.discard(told.tag)
        if told.fields != first or (told.nsigma and self._configured and told.nsigma != self._configured):
            self._changed.add(told.tag)
        if told.nsigma is not None:
            self._rule.nsigma = told.nsigma  # the portal alarms by what it is set to, known or not
        if self._changed:
            self.doubts.add("CONFIG_CHANGED")
        else:
            self.doubts.discard("CONFIG_CHANGED")
