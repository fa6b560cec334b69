"""A device on the desk: false alarms of its own tests against their budget, and what they find. Seeded.

A traveller comes every forty seconds and is measured for ten; a source stands there all that time. What is judged is
`StaticTests`, reading by reading, as at the booth. The rival is one reading against k standard deviations of quiet
time, with k set for a false alarm with one traveller in 1,000.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from failsafe.agent.commands.figures import Figure, Rival, figure
from failsafe.agent.radiation.quiet_time import LOOK_BACK_S
from failsafe.agent.radiation.static_lane import StaticTests
from failsafe.drivers.reading import Dose, Reading, Scan

SEED = 77
TRAVELLERS = 10_000
BUDGET = 1e-3
MEASURING_S = 10.0
BETWEEN = 30
LEARNS = 900

Upper = Callable[[int, int], float]


@dataclass(frozen=True)
class Device:
    """One device of a kind.

    Attributes:
        cps: background.
        smooths_s: its mean forgets with this time; 0: it tells counts.
        nsv_h_a_cps: what it makes of a count rate, in tens of nSv/h.
    """

    name: str
    cps: float
    smooths_s: float = 0.0
    nsv_h_a_cps: float = 3.0


DEVICES = (
    Device("tube", 0.35),
    Device("counts", 30.0),
    Device("dose", 30.0, smooths_s=3.0),
)


class Shift:
    """A shift at one desk: quiet time first, then travellers."""

    def __init__(self, device: Device, seed: int) -> None:
        self.device = device
        self.tests = StaticTests(BUDGET, 1e-4, MEASURING_S)
        self._random = np.random.default_rng(seed)
        self._at = 0.0
        self._mean = device.cps
        quiet = np.array([self._second(0.0, measuring=False)[0] for _ in range(LEARNS)])
        self._middle, self._spread = float(quiet.mean()), max(float(quiet.std()), 1e-9)
        assert self.tests.state == "OK"

    def traveller(self, source_cps: float = 0.0) -> tuple[bool, float]:
        """Whether the own tests alarm, and the rival's strength."""
        for _ in range(BETWEEN):
            self._second(0.0, measuring=False)
        self.tests.disturbed(self._at - LOOK_BACK_S, self._at + MEASURING_S)
        alarmed = bool(self.tests.looked_back(self._at))
        strongest = -math.inf
        for _ in range(math.ceil(self.tests.measuring_s)):
            value, looks = self._second(source_cps, measuring=True)
            alarmed |= looks > 0
            strongest = max(strongest, (value - self._middle) / self._spread)
        self._mean = self.device.cps if source_cps else self._mean  # who is found is searched, and the meter rests
        return alarmed, strongest

    def _second(self, source_cps: float, *, measuring: bool) -> tuple[float, int]:
        self._at += 1.0
        counts = float(self._random.poisson(self.device.cps + source_cps))
        reading: Reading = Scan(self._at, "gamma", (int(counts),), 1.0)
        if self.device.smooths_s:
            self._mean += (1.0 - math.exp(-1.0 / self.device.smooths_s)) * (counts - self._mean)
            counts = round(self._mean * self.device.nsv_h_a_cps / 10.0) * 10.0
            reading = Dose(self._at, counts)
        return counts, len(self.tests.receive(reading, measuring=measuring))


def met(device: Device, number: int, seed: int, source_cps: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """(own alarm, rival's strength) of so many travellers."""
    shift = Shift(device, seed)
    seen = [shift.traveller(source_cps) for _ in range(number)]
    return np.array([alarmed for alarmed, _ in seen]), np.array([strength for _, strength in seen])


def strength_for(device: Device, number: int, finds: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
    """Net counts per second of a source that is found nine times in ten."""
    start = 4.0 * math.sqrt(device.cps + 1.0)
    low, high = start / 8.0, start * 4.0
    for _ in range(8):
        middle = math.sqrt(low * high)
        found = finds(*met(device, number, SEED + 1, middle)).mean()
        low, high = (low, middle) if found >= 0.9 else (middle, high)
    return math.sqrt(low * high)


def figures(part: float, upper: Upper) -> Iterator[Figure]:
    """All figures, with a part of the travellers; `upper` gives the 95 % bound of a rate."""
    number, found = max(round(TRAVELLERS * part), 1000), max(round(500 * part), 100)
    promised = Rival("budget", BUDGET)
    for device in DEVICES:
        alarmed, strengths = met(device, number, SEED)
        alarms = int(alarmed.sum())
        name = f"desk_{device.name}"
        yield from figure(f"false_alarms_{name}", alarms / number, "a traveller", number, promised)
        yield from figure(f"false_alarms_{name}_upper95", upper(alarms, number), "a traveller", number, promised)
        k = float(np.quantile(strengths, 1.0 - BUDGET, method="higher"))
        if (strengths >= k).mean() > BUDGET:  # readings come in steps: the next one above
            k = float(min(strengths[strengths > k], default=np.nextafter(k, math.inf)))
        theirs = strength_for(device, found, lambda _, strength, k=k: strength >= k)
        ours = strength_for(device, found, lambda alarmed, _: alarmed)
        rival = Rival(f"one reading, k sigma, k = {k:.2f}", theirs)
        yield from figure(f"found_{name}", ours, "net cps at .90", found, rival)
