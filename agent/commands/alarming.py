"""`failsafe alarms`: what portal, shadow and the booth's own tests say of a device's bytes, line by line."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

from failsafe.agent.radiation.own_alarm import Budget, LaneKind, OwnAlarm, OwnTests
from failsafe.agent.radiation.static_lane import StaticTests
from failsafe.agent.radiation.vendor_rule import INTERVAL_S, Judged, VendorRule
from failsafe.drivers import tsa
from failsafe.drivers.driver import Driver
from failsafe.drivers.reading import Alarm, Background, Dose, Malformed, Occupancy, Rate, Reading, Scan, SetUp

_LONGEST: Final = 4096
_LONG_AFTER_S: Final = 3600.0
_MEASURING_S: Final = 10.0
_SAME_ALARM_S: Final = 10.0
# A device that tells no counts speaks once a second, unless it says otherwise.
_A_SECOND: Final = 1.0

Answer = dict[str, Any]


def alarms(
    driver: Driver,
    source: IO[bytes],
    *,
    nsigma: float | None = None,
    stamped: bool = False,
    lane: LaneKind = "vehicle",
    heard: Callable[[Reading, float], None] | None = None,
) -> Iterator[Answer]:
    """The decisions on a device's raw bytes, then a summary.

    Args:
        driver: whose decoder reads them.
        source: the bytes as they came over the line.
        nsigma: the factor of the shadow rule; None takes it from the device's set-up lines.
        lane: its kind; says which of the booth's own tests run.
        stamped: each line ends in a recorder's time stamp; without it the time is counted from the readings.
        heard: is told each reading too, and when it was heard.
    """
    decoder = driver.decoder()
    referee = _Referee(nsigma, lane)
    number, now = 0, 0.0
    ended = True
    for piece in iter(lambda: source.readline(_LONGEST), b""):
        number += ended
        ended = piece.endswith(b"\n")
        stamp = tsa.stamp_of(piece, now) if stamped else None
        now = now if stamp is None else stamp
        for reading in decoder.receive(piece if stamp is None else tsa.strip_stamp(piece), now):
            yield from referee.take(reading, number)
            if heard is not None:
                heard(reading, now)
            now += 0.0 if stamped else _passes_s(reading, now)
        yield from referee.line_done(number)
    for reading in decoder.receive(b"", now + _LONG_AFTER_S):
        yield from referee.take(reading, number)
        if heard is not None:
            heard(reading, now)
    yield from referee.line_done(number)
    yield referee.summary(number)


def _passes_s(reading: Reading, now: float) -> float:
    """Seconds that pass with a reading, where nobody wrote the time down: intervals and periods follow one another."""
    if isinstance(reading, Background) and reading.channel == "gamma":
        return tsa.BACKGROUND_EVERY_S
    if reading.at < now:
        return 0.0  # what a device sends back-dated, or with a count before it, is told at one moment
    if isinstance(reading, Dose | Rate):
        return _A_SECOND
    return reading.interval_s if isinstance(reading, Scan) and reading.channel == "gamma" else 0.0


class _DeskTests:
    """The tests of a static lane when nobody is being measured; an alarm that lasts is told once."""

    def __init__(self) -> None:
        allowed = Budget()
        self._tests = StaticTests(allowed.gamma, allowed.neutron, _MEASURING_S)
        self._alarmed: dict[tuple[str, str], float] = {}

    def receive(self, reading: Reading) -> list[OwnAlarm]:
        """Take one reading; the alarms that it brings about."""
        fresh = []
        for look in self._tests.receive(reading, measuring=False):
            test = look.channel, look.test
            if look.at - self._alarmed.get(test, -math.inf) > _SAME_ALARM_S:
                fresh.append(OwnAlarm(look.at, look.channel, look.test, look.strength, look.threshold, (1,)))
            self._alarmed[test] = look.at
        return fresh


class _Referee:
    """Judges readings in their order, and counts."""

    def __init__(self, nsigma: float | None, lane: LaneKind) -> None:
        self._own: OwnTests | _DeskTests = _DeskTests() if lane == "static" else OwnTests(lane)
        self._crossed: list[OwnAlarm] = []
        self._told = nsigma is None
        self._rule = VendorRule(nsigma)
        self._counts: Counter[tuple[str, str]] = Counter()
        self._scan: tuple[Scan, Judged | None] | None = None
        self._flagged: Alarm | None = None
        self._scan_lines = self._judged = self._malformed = self._occupancies = 0
        self._vendor_only = self._shadow_only = 0

    def take(self, reading: Reading, number: int) -> Iterator[Answer]:
        """One reading of the line `number`; a scan is decided when what follows it is known."""
        if isinstance(reading, Scan):
            yield from self.line_done(number)
        self._crossed += self._own.receive(reading)
        match reading:
            case SetUp(nsigma=float(nsigma)) if self._told:
                self._rule.nsigma = nsigma
            case Background(channel="gamma"):
                self._rule.background(reading.panels_cps)
            case Occupancy(phase="began"):
                self._occupancies += 1
                self._rule.began()
            case Scan():
                self._scan_lines += reading.channel == "gamma"
                gamma = reading.channel == "gamma" and reading.interval_s == INTERVAL_S
                self._scan = (reading, self._rule.scan(reading.counts) if gamma else None)
            case Alarm():
                self._flagged = reading
            case Malformed():
                self._malformed += 1
            case _:
                pass

    def line_done(self, number: int) -> Iterator[Answer]:
        """All readings of a line have come: what was decided on it."""
        scan, judged = self._scan or (None, None)
        alarm, self._scan, self._flagged = self._flagged, None, None
        if alarm is not None:
            yield self._answer("vendor", alarm, number, judged)
        if scan is not None and judged is not None:
            self._judged += 1
            self._vendor_only += alarm is not None and not judged.is_alarm
            self._shadow_only += alarm is None and judged.is_alarm
            if judged.is_alarm:
                yield self._answer("shadow", scan, number, judged)
        crossed, self._crossed = self._crossed, []
        for own in crossed:
            yield self._own_answer(own, number)

    def _own_answer(self, own: OwnAlarm, number: int) -> Answer:
        self._counts["own", own.channel] += 1
        return {
            "kind": "own",
            "line": number,
            "channel": own.channel,
            "at": round(own.at, 3),
            "strength": round(own.strength, 4),
            "threshold": round(own.threshold, 4),
            "panels": list(own.panels),
        }

    def _answer(self, kind: str, seen: Scan | Alarm, number: int, judged: Judged | None) -> Answer:
        self._counts[kind, seen.channel] += 1
        return {
            "kind": kind,
            "line": number,
            "channel": seen.channel,
            "at": round(seen.at, 3),
            "strength": None if judged is None else round(judged.strength, 4),
            "threshold": None if judged is None else self._rule.nsigma,
            "panels": list(range(1, len(seen.counts) + 1)) if judged is None else list(judged.panels),
        }

    def summary(self, lines: int) -> Answer:
        """Everything counted; `disagreements` are judged scan lines on which portal and shadow differ."""
        told = {kind: {channel: self._counts[kind, channel] for channel in ("gamma", "neutron")} for kind in _KINDS}
        return {
            "kind": "summary",
            "lines": lines,
            "malformed": self._malformed,
            "occupancies": self._occupancies,
            "scan_lines": self._scan_lines,
            "judged": self._judged,
            "k": self._rule.nsigma,
            **told,
            "disagreements": self._vendor_only + self._shadow_only,
            "vendor_only": self._vendor_only,
            "shadow_only": self._shadow_only,
        }


_KINDS: Final = ("vendor", "shadow", "own")
