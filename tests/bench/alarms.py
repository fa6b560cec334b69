"""The own radiation tests: false alarms against their budget, what they find, and the cost of a day of lines. Seeded.

    python -m tests.bench.alarms [--quick] [--curves docs/pictures/detection.svg]

Occupancies are simulated (`tests.occupancies` says how). Beside each figure stands plain k sigma over one second, or
the portal's rule on a vehicle lane, with k set for the same false-alarm rate on the same occupancies.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from failsafe.agent.commands.bench import standard_error
from failsafe.agent.commands.figures import Figure, Rival, figure, table
from failsafe.agent.crossing import Lane, LaneSettings
from failsafe.agent.radiation import open_lane, own_alarm, vehicle_lane
from failsafe.agent.radiation.background import Known
from failsafe.agent.radiation.detector import DetectorSettings, LaneMonitor
from failsafe.drivers import tsa
from failsafe.drivers.reading import Occupancy
from tests.bench import curves, desk
from tests.occupancies import EVEN, Stretch, every

SEED = 66  # another than the calibration's
GAMMA = Stretch(250.0, 0.2, 60.0)
NEUTRON = Stretch(2.0, 1.0, 300.0)
VEHICLE = Stretch(1000.0, 0.2, 60.0, shadowed=True)
SKEWED = (0.43, 0.03, 0.49, 0.05)
ONE_PANEL = (0.70, 0.10, 0.15, 0.05)
# Of the capture of a day whose length was published.
DAY_LINES, DAY_OCCUPANCIES = 77_888, 700

OCCUPANCIES = 100_000

Judge = Callable[[np.ndarray, np.ndarray], np.ndarray]


def open_flags(stretch: Stretch, budget: float) -> Judge:
    """Which occupancies the own tests of an open lane flag; what is judged is `OpenLane` over arrays."""
    counts_table = own_alarm.alarm_tables.GAMMA if stretch.interval_s < 1.0 else own_alarm.alarm_tables.NEUTRON
    reached = own_alarm.sums_threshold(counts_table, Known((stretch.cps,), stretch.counted_s), budget)

    def judge(counts: np.ndarray, held: np.ndarray) -> np.ndarray:
        total, cps = counts.sum(2), held.sum(1)
        flags = open_lane.window_flags(total, cps, stretch.counted_s, stretch.interval_s, budget)
        return flags | (open_lane.peaks(total, cps, stretch.interval_s) >= reached)

    return judge


def vehicle_flags(stretch: Stretch, budget: float) -> Judge:
    """The same on a vehicle lane."""
    reached = np.array(own_alarm.vehicle_thresholds(stretch.cps, budget)[1])
    return lambda counts, held: (vehicle_lane.strengths(counts, held) >= reached).any(1)


def plain(stretch: Stretch) -> Judge:
    """The rival's strength: the highest second over the background, in sigmas."""
    length = round(1.0 / stretch.interval_s)

    def judge(counts: np.ndarray, held: np.ndarray) -> np.ndarray:
        sums = np.cumsum(counts.sum(2), axis=1)
        sums[:, length:] -= sums[:, :-length].copy()
        return (sums[:, length - 1 :].max(1) - held.sum(1)) / np.sqrt(held.sum(1))

    return judge


def portal(counts: np.ndarray, held: np.ndarray) -> np.ndarray:
    """The rival on a vehicle lane: the portal's own rule."""
    return vehicle_lane.window(counts, held)[0]


def detected(stretch: Stretch, source_cps: float, flags: Judge, number: int, split: tuple[float, ...] = EVEN) -> float:
    """Part of the sources that are found."""
    with_source = replace(stretch, source_cps=source_cps, split=split)
    return float(every(with_source, number, SEED + 1, flags).mean())


def strength_for(
    stretch: Stretch, flags: Judge, number: int, start_cps: float, split: tuple[float, ...] = EVEN
) -> float:
    """Peak net counts per second of a source that is found nine times in ten."""
    low, high = start_cps / 4.0, start_cps * 4.0
    for _ in range(11):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if detected(stretch, middle, flags, number, split) >= 0.9 else (middle, high)
    return math.sqrt(low * high)


def upper_bound(alarms: int, number: int) -> float:
    """The rate that so few alarms exclude with 95 % (Poisson, one-sided): the sum of its tail falls to .05."""
    low, high = float(alarms), alarms + 10.0 + 5.0 * math.sqrt(alarms + 1.0)
    for _ in range(60):
        middle = (low + high) / 2.0
        term = below = math.exp(-middle)
        for count in range(1, alarms + 1):
            term *= middle / count
            below += term
        low, high = (middle, high) if below > 0.05 else (low, middle)
    return high / number


def false_alarms(name: str, stretch: Stretch, budget: float, flags: Judge, number: int) -> Iterator[Figure]:
    """The rate over quiet occupancies and its upper bound, each beside the budget."""
    alarms = int(every(stretch, number, SEED, flags).sum())
    promised = Rival("budget", budget)
    yield from figure(f"false_alarms_{name}", alarms / number, "an occupancy", number, promised)
    yield from figure(f"false_alarms_{name}_upper95", upper_bound(alarms, number), "an occupancy", number, promised)


def found_nine_in_ten(
    name: str,
    stretch: Stretch,
    flags: Judge,
    rival: tuple[str, Judge],
    rate: float,
    sizes: tuple[int, int],
    split: tuple[float, ...],
) -> Iterator[Figure]:
    """The strength found nine times in ten, beside the rival's at the false-alarm rate `rate`."""
    quiet, number = sizes
    strengths = every(stretch, quiet, SEED + 2, rival[1])
    k = float(np.quantile(strengths, 1.0 - rate, method="higher"))
    # Counts are whole: of two neighbouring k the one that does not alarm more often.
    k = k if (strengths >= k).mean() <= rate else float(strengths[strengths > k].min())
    start = 5.0 * math.sqrt(stretch.cps) * (3.0 if stretch.shadowed else 1.0)
    theirs = strength_for(stretch, lambda counts, held: rival[1](counts, held) >= k, number, start, split)
    ours = strength_for(stretch, flags, number, start, split)
    yield from figure(name, ours, "net cps at .90", number, Rival(f"{rival[0]}, k = {k:.2f}", theirs))


def figures(occupancies: int = OCCUPANCIES) -> Iterator[Figure]:
    """All figures over so many quiet occupancies of gamma and ten times as many of neutrons."""
    gamma, neutron, found = occupancies, 10 * occupancies, occupancies // 5
    open3, neutron3, neutron4 = open_flags(GAMMA, 1e-3), open_flags(NEUTRON, 1e-3), open_flags(NEUTRON, 1e-4)
    shadowed = vehicle_flags(VEHICLE, 1e-3)
    yield from false_alarms("gamma_open_lane", GAMMA, 1e-3, open3, gamma)
    yield from false_alarms("gamma_vehicle_lane", VEHICLE, 1e-3, shadowed, gamma)
    yield from false_alarms("neutron", NEUTRON, 1e-4, neutron4, neutron)
    sigma, rule = "plain 1 s k sigma", ("the portal's rule", portal)
    sizes = (gamma, found)
    yield from found_nine_in_ten("found_gamma_250cps", GAMMA, open3, (sigma, plain(GAMMA)), 1e-3, sizes, EVEN)
    for name, flags, rate in (("1e-3", neutron3, 1e-3), ("1e-4", neutron4, 1e-4)):
        rival = (sigma, plain(NEUTRON))
        yield from found_nine_in_ten(f"found_neutron_2cps_{name}", NEUTRON, flags, rival, rate, (neutron, found), EVEN)
    for name, split in (("skewed", SKEWED), ("even", EVEN), ("one_panel", ONE_PANEL)):
        sizes = (gamma, max(found // 4, 500))
        yield from found_nine_in_ten(f"found_vehicle_1000cps_{name}", VEHICLE, shadowed, rule, 1e-3, sizes, split)
    yield from desk.figures(occupancies / OCCUPANCIES, upper_bound)
    yield from day(occupancies / OCCUPANCIES)


def day(part: float = 1.0) -> Iterator[Figure]:
    """A day of a portal's lines, or a part of it, through driver, monitor and lane, one traveller a vehicle."""
    stream = list(day_lines(max(round(DAY_OCCUPANCIES * part), 1), round(DAY_LINES * part)))
    began = time.process_time()
    Replay().play(stream)
    spent = time.process_time() - began
    yield from figure("replay_of_a_day_cpu", spent, "s", len(stream), Rival("promised", 60.0 * part))
    yield from figure("replay_of_a_day_a_line", spent / len(stream) * 1e6, "us", len(stream), Rival("promised", 200.0))


class Replay:
    """A vehicle lane without a clock: what its lines mean, as the booth's own thread works it out.

    Attributes:
        columns: how many travellers ended in each column of the verdict's table.
    """

    def __init__(self) -> None:
        self.decoder = tsa.TsaDecoder()
        self.monitor = LaneMonitor("portal-1", "bench", DetectorSettings())
        self.lane = Lane("1", LaneSettings())
        self.columns: Counter[str] = Counter()
        self.now = 0.0
        self._travellers = 0
        self._open = ""

    def play(self, stream: Iterable[tuple[float, bytes]]) -> None:
        """So many seconds after the one before comes each line."""
        for after_s, line in stream:
            self.now += after_s
            for reading in self.decoder.receive(line, self.now):
                if isinstance(reading, Occupancy) and reading.phase == "began":
                    self._document()
                self.monitor.receive(reading, self.now)
                self.lane.advance(self.now, self.monitor.passages(), self.monitor.health(self.now))
                if isinstance(reading, Occupancy) and reading.phase == "ended":
                    self.columns[self.lane.column(self._open)] += 1

    def _document(self) -> None:
        self._travellers += 1
        self._open = f"crossing-{self._travellers}"
        self.lane.present(self._open, self.now, self._open)


def day_lines(occupancies: int, lines: int) -> Iterator[tuple[float, bytes]]:
    """(seconds after the line before, line): vehicles spread over the day, and backgrounds between them."""
    random = np.random.default_rng(SEED)
    quiet = Stretch(1500.0, 0.2, 60.0, shadowed=True)
    counts = every(quiet, occupancies, SEED, lambda counts, held: counts)
    between = (lines - occupancies * (counts.shape[1] + 13) - 1) // (2 * occupancies)
    yield 0.0, b"SG1,003000,000050,000005,000010,04.0\r\n"
    for number, occupancy in enumerate(counts, 1):
        for _ in range(between):
            yield 5.0, _line("NB", (3, 0, 2, 0))
            yield 0.0, _line("GB", random.poisson(375 * 20, 4) // 20)
        for step, panels in enumerate(occupancy):
            yield 0.2 if step >= 6 else 0.0, _line("GS", panels)
            if step % 5 == 0:
                yield 0.0, _line("NS", random.poisson((3.5, 0.0, 2.5, 0.0)))
        yield 0.2, b"GX,%06d,006000,000000,000000\r\n" % number


def _line(tag: str, panels: object) -> bytes:
    return (",".join([tag, *(f"{int(panel):06d}" for panel in panels)]) + "\r\n").encode("ascii")  # type: ignore[attr-defined]


def drawn_curves(part: int = 1) -> str:
    """The detection curves as a picture."""
    number = max(4_000 // part, 200)

    def curve(
        stretch: Stretch, flags: Judge, strengths: np.ndarray, split: tuple[float, ...] = EVEN
    ) -> list[tuple[float, float]]:
        return [(float(cps), detected(stretch, float(cps), flags, number, split)) for cps in strengths]

    def at_rate(stretch: Stretch, judge: Judge, rate: float, quiet: int) -> Judge:
        strengths = np.sort(every(stretch, quiet // part, SEED + 2, judge))
        k = strengths[-max(int(rate * len(strengths)), 1)]
        return lambda counts, held: judge(counts, held) >= k

    gamma, neutron, vehicle = np.arange(0, 121, 8), np.arange(0, 17), np.arange(0, 801, 50)
    k_gamma = at_rate(GAMMA, plain(GAMMA), 1e-3, 60_000)
    k_neutron = at_rate(NEUTRON, plain(NEUTRON), 1e-4, 500_000)
    rule, own = at_rate(VEHICLE, portal, 1e-3, 60_000), vehicle_flags(VEHICLE, 1e-3)
    panels = (
        curves.Panel(
            "Gamma, open lane, 250 cps, one false alarm in 1,000",
            "own tests", curve(GAMMA, open_flags(GAMMA, 1e-3), gamma),
            "1 s k sigma", curve(GAMMA, k_gamma, gamma),
        ),
        curves.Panel(
            "Neutrons, 2 cps, one false alarm in 10,000",
            "own tests", curve(NEUTRON, open_flags(NEUTRON, 1e-4), neutron),
            "1 s k sigma", curve(NEUTRON, k_neutron, neutron),
        ),
        curves.Panel(
            "Gamma, vehicle lane, 1,000 cps, source on one side",
            "own tests", curve(VEHICLE, own, vehicle, SKEWED),
            "portal's rule", curve(VEHICLE, rule, vehicle, SKEWED),
        ),
        curves.Panel(
            "Gamma, vehicle lane, 1,000 cps, source in the middle",
            "own tests", curve(VEHICLE, own, vehicle),
            "portal's rule", curve(VEHICLE, rule, vehicle),
        ),
    )  # fmt: skip
    return curves.drawing(panels)


def main() -> None:
    """Measure, or draw."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.alarms", description=__doc__)
    options.add_argument("--quick", action="store_true", help="A tenth of the occupancies.")
    options.add_argument("--curves", type=Path, help="Draw the detection curves into this file instead.")
    chosen = options.parse_args()
    if chosen.curves:
        chosen.curves.write_text(drawn_curves(10 if chosen.quick else 1), encoding="utf-8")
        return
    rows = []
    for row in figures(OCCUPANCIES // 10 if chosen.quick else OCCUPANCIES):
        rows.append(row)
        print(json.dumps(row), flush=True)
    standard_error().print(table(rows))


if __name__ == "__main__":
    sys.exit(main())
