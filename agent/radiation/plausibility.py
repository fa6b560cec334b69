"""Whether what a detector says can be true: stuck counts, a setting that changed, a word against its own rule. Pure.

A detector that repeats itself, or that stays silent where its own rule would alarm, looks healthy from outside. What is
found here makes its passages "not monitored":

- STUCK: a panel's gamma counts did not change for 25 intervals, which chance does not bring about once in a year, or
  all backgrounds stood still for five minutes. It is over when the panel counts differently again, or tells another
  background than before;
- DISAGREE: over an occupancy the portal and the shadow of its rule say different things. It is over when three
  occupancies in a row agree;
- CONFIG_CHANGED: a set-up line differs from the one the booth first heard, before a restart or after. It is over when
  the old setting is back or a technician accepts the new one.
"""

from __future__ import annotations

from typing import Final, Literal

from failsafe.agent.radiation.vendor_rule import INTERVAL_S, Comparison, Judged, VendorRule
from failsafe.drivers.reading import Alarm, Background, Malformed, Occupancy, Reading, Scan, SetUp

Doubt = Literal["STUCK", "DISAGREE", "CONFIG_CHANGED"]
SetUpLines = dict[str, tuple[float | str, ...]]  # the fields of each set-up line, by its tag

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
        self._accepted: SetUpLines = {}
        self._told: SetUpLines = {}
        self._background: tuple[float, ...] = ()
        self._same_backgrounds = 0
        self._counts: tuple[int, ...] = ()
        self._same_counts: list[int] = []
        self._stuck: set[int] = set()

    @property
    def nsigma(self) -> float | None:
        """The factor of the portal's gamma alarm, once it is known."""
        return self._rule.nsigma

    @property
    def setup(self) -> tuple[SetUpLines, SetUpLines]:
        """The set-up lines that are accepted, and those last told."""
        return dict(self._accepted), dict(self._told)

    def recall(self, accepted: SetUpLines, told: SetUpLines, nsigma: float | None) -> None:
        """Hold the device against what was known of its set-up before a restart; what it told since is newer."""
        self._accepted |= accepted
        self._told = {**told, **self._told}
        self._accepted = {**self._told, **self._accepted}
        if self._rule.nsigma is None:
            self._rule.nsigma = nsigma
        self._tell_changed()

    def accept_setup(self) -> SetUpLines:
        """A technician takes the set-up last told as the right one; the lines that were other before, as they were.

        A factor other than the configured one stays a doubt: the configuration is to say the new one.
        """
        were = {tag: self._accepted[tag] for tag, fields in self._told.items() if fields != self._accepted[tag]}
        self._accepted |= self._told
        self._tell_changed()
        return were

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
        self._accepted.setdefault(told.tag, told.fields)
        self._told[told.tag] = told.fields
        if told.nsigma is not None:
            self._rule.nsigma = told.nsigma  # the portal alarms by what it is set to, known or not
        self._tell_changed()

    def _tell_changed(self) -> None:
        other = any(fields != self._accepted[tag] for tag, fields in self._told.items())
        # A factor is configured for a portal that does not tell its own; where it tells another, one of them is wrong.
        if other or (self._configured and self._rule.nsigma and self._rule.nsigma != self._configured):
            self.doubts.add("CONFIG_CHANGED")
        else:
            self.doubts.discard("CONFIG_CHANGED")
