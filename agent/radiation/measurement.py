"""A background measured on purpose: mean and spread of each panel, and how far it lies from an earlier one. Pure.

A portal tells its background as a running mean; a device on a desk tells counts, or a rate or a dose rate that overlaps
with those before. Counts follow Poisson's law: what spreads more is disturbed, what spreads less is smoothed or
repeats itself. For rates and dose rates no law is known: their error comes from how parts of the measurement differ.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from failsafe.agent.radiation.background import AGREES_WITHIN, BackgroundBook, Measured, apart
from failsafe.agent.radiation.remembered import Quantity
from failsafe.drivers.reading import (
    Alarm,
    Background,
    DeviceHealth,
    Dose,
    Malformed,
    Occupancy,
    Rate,
    Reading,
    Scan,
)

# Over how long a portal's told mean is taken.
_TOLD_OVER_S: Final[dict[str, float]] = {"gamma": 20.0, "neutron": 120.0}
# A spread this many standard deviations from Poisson's is another one.
_OTHER_SPREAD: Final = 3.0
_ENOUGH: Final = 2.0  # degrees of freedom below which nothing is said of a spread
_PARTS: Final = 5  # of a measurement without a counting law

Spread = Literal["as counting explains", "more than counting explains", "less than counting explains", "unknown"]

SPREAD_ADVICE: Final[dict[Spread, str]] = {
    "as counting explains": "",
    "more than counting explains": "Something moved near it, or supply and cable disturb it: measure again, alone.",
    "less than counting explains": "The device smooths its counts or repeats itself: compare with its display.",
    "unknown": "Too short, too coarse or smoothed by the device: nothing can be said of the spread.",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured of one quantity; `spreads` are panel by panel, `readings` how many there were."""

    measured: Measured
    spreads: tuple[Spread, ...]
    readings: int


class Measurement:
    """Readings in, backgrounds out. `disturbed` says why it is of no use, once something came between."""

    def __init__(self) -> None:
        self.disturbed = ""
        self._books = {
            "gamma": BackgroundBook(math.inf),
            "neutron": BackgroundBook(math.inf, whole=True),
        }
        self._told: dict[str, list[tuple[float, ...]]] = {}
        self._scans: dict[str, list[Scan]] = {}
        self._rates: dict[Quantity, list[float]] = {}
        self._began_at: float | None = None
        self._latest_at = 0.0

    def receive(self, reading: Reading) -> None:
        """Take one reading."""
        self._disturb(reading)
        match reading:
            case Background():
                if not self._told.get(reading.channel) or len(reading.panels_cps) == len(
                    self._told[reading.channel][0]
                ):
                    self._told.setdefault(reading.channel, []).append(reading.panels_cps)
                    self._books[reading.channel].told(reading.panels_cps)
            case Scan():
                held = self._scans.setdefault(reading.channel, [])
                if not held or (len(held[0].counts), held[0].interval_s) == (len(reading.counts), reading.interval_s):
                    held.append(reading)
            case Rate():
                self._rates.setdefault(reading.channel, []).append(reading.cps)
            case Dose():
                self._rates.setdefault("dose", []).append(reading.nsv_h)
            case _:
                return
        self._began_at = reading.at if self._began_at is None else self._began_at
        self._latest_at = reading.at

    def _disturb(self, reading: Reading) -> None:
        match reading:
            case Alarm():
                self.disturbed = "The device alarms. Look for what is near it first."
            case Occupancy():
                self.disturbed = "Somebody is in the detector. Measure when nobody passes."
            case DeviceHealth(ok=False):
                self.disturbed = "The device reports a fault of its own. Mend that first."
            case Malformed():
                self.disturbed = "Some of what it said could not be read. Check speed, parity and cable."
            case _:
                pass

    def outcomes(self) -> dict[Quantity, Outcome]:
        """Each quantity that was told at least twice."""
        found: dict[Quantity, Outcome] = {}
        channels: tuple[Quantity, ...] = ("gamma", "neutron")
        for channel in channels:
            told, scans = self._told.get(channel, []), self._scans.get(channel, [])
            if len(told) > 1:
                found[channel] = self._of_told(channel, told)
            elif len(scans) > 1:
                found[channel] = _of_scans(scans)
        for quantity, rates in self._rates.items():
            if quantity not in found and len(rates) > 1:
                found[quantity] = _of_rates(rates, self._latest_at - (self._began_at or 0.0))
        return found

    def _of_told(self, channel: str, told: Sequence[tuple[float, ...]]) -> Outcome:
        known = self._books[channel].known
        assert known is not None
        errors = tuple(math.sqrt(max(cps, 1.0 / known.counted_s) / known.counted_s) for cps in known.panels_cps)
        window_s = _TOLD_OVER_S[channel]
        spreads = tuple(_spread_of_means(means, window_s, known.counted_s) for means in zip(*told, strict=True))
        return Outcome(Measured(known.panels_cps, errors, known.counted_s), spreads, len(told))


def _of_scans(scans: Sequence[Scan]) -> Outcome:
    seconds = sum(scan.interval_s for scan in scans)
    panels = list(zip(*(scan.counts for scan in scans), strict=True))
    means = tuple(sum(panel) / seconds for panel in panels)
    errors = tuple(math.sqrt(max(sum(panel), 1)) / seconds for panel in panels)
    spreads = tuple(_spread_of_counts(panel) for panel in panels)
    return Outcome(Measured(means, errors, seconds), spreads, len(scans))


def _of_rates(rates: Sequence[float], seconds: float) -> Outcome:
    """Neighbours overlap: the error is that of the means of parts, which hardly do."""
    mean = statistics.fmean(rates)
    size = len(rates) // _PARTS
    parts = [statistics.fmean(rates[size * part : size * (part + 1)]) for part in range(_PARTS)] if size else [*rates]
    error = statistics.stdev(parts) / math.sqrt(len(parts))
    return Outcome(Measured((mean,), (error,), max(seconds, 0.0)), ("unknown",), len(rates))


def _spread_of_counts(counts: Sequence[int]) -> Spread:
    mean = statistics.fmean(counts)
    if mean <= 0.0:
        return "unknown"
    return _spread(sum((count - mean) ** 2 for count in counts) / mean, len(counts) - 1.0)


def _spread_of_means(means: Sequence[float], window_s: float, seconds: float) -> Spread:
    """Of running means: as many are independent as windows fit into the time, and they are told to a whole count."""
    mean = statistics.fmean(means)
    variance = mean / window_s
    freedom = seconds / window_s - 1.0
    if freedom <= 0.0 or (variance < 1.0 and all(one.is_integer() for one in map(float, means))):
        return "unknown"
    scatter = statistics.fmean((one - mean) ** 2 for one in means)
    return _spread(scatter / (variance * (1.0 - window_s / seconds)) * freedom, freedom)


def _spread(chi_square: float, freedom: float) -> Spread:
    """Chi-square against its law, by Wilson and Hilferty's cube root."""
    if freedom < _ENOUGH:
        return "unknown"
    part = 2.0 / (9.0 * freedom)
    z = ((chi_square / freedom) ** (1.0 / 3.0) - (1.0 - part)) / math.sqrt(part)
    if abs(z) <= _OTHER_SPREAD:
        return "as counting explains"
    return "more than counting explains" if z > 0.0 else "less than counting explains"


# --- as it is told -------------------------------------------------------------------------------------------------

UNITS: Final[dict[Quantity, str]] = {"gamma": "cps", "neutron": "cps", "dose": "nSv/h"}


def told(outcomes: Mapping[Quantity, Outcome], stored: Mapping[Quantity, Measured]) -> list[dict[str, Any]]:
    """The outcomes as objects for programs, with what was stored before of each."""
    return [_told(quantity, one, stored.get(quantity)) for quantity, one in outcomes.items()]


def _told(quantity: Quantity, one: Outcome, stored: Measured | None) -> dict[str, Any]:
    # A dose that hardly moves has an error of next to nothing: a hundredth of it is no other background.
    floor = replace(one.measured, errors=tuple(max(error, 0.01 * mean) for mean, error in _pairs(one.measured)))
    off = apart(floor if quantity == "dose" else one.measured, stored) if stored else ()
    panels = []
    for number, (mean, error) in enumerate(_pairs(one.measured)):
        panel: dict[str, Any] = {
            "panel": number + 1,
            "mean": round(mean, 3),
            "error": round(error, 3),
            "spread": one.spreads[number],
        }
        if stored is not None and number < len(off):
            panel |= {"stored": round(stored.means[number], 3), "apart": round(off[number], 1)}
            panel["differs"] = abs(off[number]) > AGREES_WITHIN
        panels.append(panel)
    return {
        "quantity": quantity,
        "unit": UNITS[quantity],
        "seconds": round(one.measured.seconds, 1),
        "readings": one.readings,
        "stored_at": stored.at if stored else None,
        "panels": panels,
    }


def _pairs(one: Measured) -> list[tuple[float, float]]:
    return list(zip(one.means, one.errors, strict=True))


def in_short(references: Mapping[Quantity, Measured]) -> str:
    """Backgrounds in a line, for a record that headquarters reads."""
    parts = []
    for quantity, one in references.items():
        means = " ".join(f"{mean:.1f}" for mean in one.means)
        parts.append(f"{quantity} {means} {UNITS[quantity]}")
    return ", ".join(parts) or "none"
