"""What one detector counted in its last passages, interval by interval, within bounds. Pure.

A passage may last seconds or, with somebody standing in the detector, hours: a full strip of intervals is halved by
summing neighbours, and goes on in intervals twice as long. No count is lost by that, only when in the interval it came.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Final, TypeVar

from failsafe.drivers.reading import Alarm, Background, Channel, Dose, Identification, Rate, Reading, Scan

# Two minutes at five intervals a second; twice as many are never written.
MOST_INTERVALS: Final = 600
# A passage is reported when it has ended; those behind it wait for documents that come late.
_MOST_COURSES: Final = 16
_MOST_NUCLIDES: Final = 32


@dataclass(frozen=True, slots=True)
class Instrument:
    """What is told of a detector beside its name: its driver, that driver's makes, and this program's version."""

    driver: str = ""
    makes: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Interval:
    """Counts of each panel between two monotonic times; `live_s` is less than their distance where lines were lost."""

    began_at: float
    ended_at: float
    live_s: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """The highest dose rate (nSv/h) or mean rate (counts a second) told between two monotonic times."""

    began_at: float
    ended_at: float
    highest: float


_Held = Interval | Level


@dataclass(frozen=True, slots=True)
class Told:
    """The device's own alarms of one channel: when the first and the last came, and how many."""

    first_at: float
    last_at: float
    times: int


@dataclass(frozen=True, slots=True)
class Course:
    """One passage as counted. Strips are in the order of time; `summed` of the device's intervals are one in them."""

    gamma: tuple[Interval, ...] = ()
    neutron: tuple[Interval, ...] = ()
    doses: tuple[Level, ...] = ()
    rates: tuple[tuple[Channel, Level], ...] = ()  # the highest of each channel
    backgrounds: tuple[tuple[Channel, Background], ...] = ()
    alarms: tuple[tuple[Channel, Told], ...] = ()
    nuclides: tuple[Identification, ...] = ()
    summed: int = 1

    def coarser(self) -> Course:
        """The same with half as many intervals."""
        return replace(
            self,
            gamma=_halved(self.gamma),
            neutron=_halved(self.neutron),
            doses=tuple(_higher(*pair) for pair in _pairs(self.doses)),
            summed=self.summed * 2,
        )

    @property
    def intervals(self) -> int:
        """How many there are of all kinds."""
        return len(self.gamma) + len(self.neutron) + len(self.doses)


_T = TypeVar("_T")


def _pairs(strip: Sequence[_T]) -> list[Sequence[_T]]:
    return [strip[place : place + 2] for place in range(0, len(strip), 2)]


def _halved(strip: tuple[Interval, ...]) -> tuple[Interval, ...]:
    return tuple(_sum(*pair) for pair in _pairs(strip))


def _sum(one: Interval, other: Interval | None = None) -> Interval:
    if other is None:
        return one
    counts = tuple(map(sum, zip_longest(one.counts, other.counts, fillvalue=0)))
    began_at, ended_at = min(one.began_at, other.began_at), max(one.ended_at, other.ended_at)
    return Interval(began_at, ended_at, one.live_s + other.live_s, counts)


def _higher(one: Level, other: Level | None = None) -> Level:
    if other is None:
        return one
    return Level(min(one.began_at, other.began_at), max(one.ended_at, other.ended_at), max(one.highest, other.highest))


@dataclass(slots=True)
class _Strip:
    """Intervals of one kind, at most `MOST_INTERVALS`."""

    held: list[_Held] = field(default_factory=list)
    each: int = 1
    _taken: int = 0

    def add(self, one: _Held) -> None:
        if self._taken % self.each:
            self.held[-1] = _joined(self.held[-1], one)
        else:
            self.held.append(one)
        self._taken += 1
        if len(self.held) == MOST_INTERVALS and self._taken % self.each == 0:
            self.held = [_joined(*pair) for pair in _pairs(self.held)]
            self.each *= 2


def _joined(one: _Held, other: _Held | None = None) -> _Held:
    if isinstance(one, Interval):
        return _sum(one, other if isinstance(other, Interval) else None)
    return _higher(one, other if isinstance(other, Level) else None)


@dataclass(slots=True)
class _Passage:
    """A passage that is being counted."""

    backgrounds: dict[Channel, Background]
    strips: dict[str, _Strip] = field(default_factory=dict)
    rates: dict[Channel, Level] = field(default_factory=dict)
    alarms: dict[Channel, Told] = field(default_factory=dict)
    nuclides: list[Identification] = field(default_factory=list)

    def take(self, reading: Reading) -> None:
        match reading:
            case Scan():
                counted = Interval(reading.at - reading.interval_s, reading.at, reading.interval_s, reading.counts)
                self._strip(reading.channel).add(counted)
            case Dose(nsv_h=nsv_h) if math.isfinite(nsv_h):
                self._strip("dose").add(Level(reading.at, reading.at, nsv_h))
            case Rate(cps=cps) if math.isfinite(cps):
                held, level = self.rates.get(reading.channel), Level(reading.at, reading.at, cps)
                self.rates[reading.channel] = _higher(held, level) if held else level
            case Alarm():
                told = self.alarms.get(reading.channel, Told(reading.at, reading.at, 0))
                self.alarms[reading.channel] = replace(told, last_at=reading.at, times=told.times + 1)
            case Identification() if len(self.nuclides) < _MOST_NUCLIDES:
                if all(reading.nuclide != held.nuclide for held in self.nuclides):
                    self.nuclides.append(reading)
            case _:
                pass

    def _strip(self, name: str) -> _Strip:
        return self.strips.setdefault(name, _Strip())

    def course(self) -> Course:
        gamma, neutron, doses = (self.strips.get(name, _Strip()) for name in ("gamma", "neutron", "dose"))
        return Course(
            gamma=tuple(one for one in gamma.held if isinstance(one, Interval)),
            neutron=tuple(one for one in neutron.held if isinstance(one, Interval)),
            doses=tuple(one for one in doses.held if isinstance(one, Level)),
            rates=tuple(self.rates.items()),
            backgrounds=tuple(self.backgrounds.items()),
            alarms=tuple(self.alarms.items()),
            nuclides=tuple(self.nuclides),
            summed=max(gamma.each, neutron.each, doses.each),
        )


class Courses:
    """The courses of one detector's last passages, by the passage's id."""

    def __init__(self) -> None:
        self._backgrounds: dict[Channel, Background] = {}
        self._passages: OrderedDict[str, _Passage] = OrderedDict()

    def receive(self, reading: Reading, passage: str | None) -> None:
        """Take one reading; `passage` is the detector's last one, if there was any."""
        if isinstance(reading, Background):
            self._backgrounds[reading.channel] = reading
            return
        if passage is None:
            return
        if passage not in self._passages:
            self._passages[passage] = _Passage(dict(self._backgrounds))
            while len(self._passages) > _MOST_COURSES:
                self._passages.popitem(last=False)
        self._passages[passage].take(reading)

    def course(self, passage: str) -> Course | None:
        """The passage as counted so far; None where it is too long ago."""
        held = self._passages.get(passage)
        return held.course() if held is not None else None
