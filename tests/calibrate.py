"""`make calibrate`: writes agent/radiation/alarm_tables.py, the thresholds of the own tests, by seeded Monte Carlo.

python -m tests.calibrate [--quick]
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from failsafe.agent.radiation import open_lane, vehicle_lane
from tests.occupancies import Stretch, every

SEED = 6
VEHICLE_CPS = (100, 200, 400, 700, 1000, 1500, 2500, 5000, 10000)
GAMMA_CPS = (30, 100, 300, 1000, 3000, 10000)
NEUTRON_CPS = (0.2, 0.5, 1, 2, 4, 8, 16, 40, 100)
GAMMA_COUNTED_S = (20, 60)
NEUTRON_COUNTED_S = (20, 60, 300)
BUDGETS = (1e-3, 1e-4)
# Of the budget of a vehicle lane; what is left over after the three overlap is given back to all of them.
SHARES = (0.2, 0.4, 0.4)
TARGET = Path(__file__).parent.parent / "agent" / "radiation" / "alarm_tables.py"


def vehicle(cps: float, number: int) -> tuple[tuple[float, ...], ...]:
    """Medians of the three tests over quiet occupancies, then their thresholds at each budget."""
    stretch = Stretch(cps, 0.2, 60.0, shadowed=True)
    found = every(stretch, number, SEED, vehicle_lane.strengths)
    return (tuple(np.median(found, axis=0)), *(_shared(found, budget) for budget in BUDGETS))


def _shared(found: np.ndarray, budget: float) -> tuple[float, ...]:
    """Thresholds by shares, scaled until all three together keep the budget."""
    low, high = budget, 5.0 * budget
    for _ in range(30):
        middle = math.sqrt(low * high)
        reached = _quantiles(found, middle)
        low, high = (low, middle) if (found >= reached).any(1).mean() > budget else (middle, high)
    return tuple(_quantiles(found, low))


def _quantiles(found: np.ndarray, budget: float) -> np.ndarray:
    return np.array([_upper(found[:, test], budget * share) for test, share in enumerate(SHARES)])


def _upper(values: np.ndarray, part: float) -> float:
    """The value that `part` of all reach. Beyond a hundred exceedances it is drawn on along the tail, which falls like
    a Gaussian's: squares against the logarithm of the part are a straight line."""
    part_seen = max(part, 100.0 / len(values))
    value = float(np.quantile(values, 1.0 - part_seen))
    if part_seen == part:
        return value
    wider = float(np.quantile(values, 1.0 - 10.0 * part_seen))
    slope = max((value * abs(value) - wider * abs(wider)) / math.log(10.0), 1.0)
    square = value * abs(value) + slope * math.log(part_seen / part)
    return math.copysign(math.sqrt(abs(square)), square)


def sums(cps: float, counted_s: float, interval_s: float, number: int) -> tuple[float, ...]:
    """The threshold of the cumulative sums at each budget, beside windows that take their share first."""
    stretch = Stretch(cps, interval_s, counted_s)
    reached = []
    for budget in BUDGETS:

        def judge(counts: np.ndarray, held: np.ndarray, budget: float = budget) -> np.ndarray:
            total, cps_held = counts.sum(2), held.sum(1)
            highest = open_lane.peaks(total, cps_held, interval_s)
            flags = open_lane.window_flags(total, cps_held, counted_s, interval_s, budget)
            return np.where(flags, np.inf, highest)

        found = every(stretch, number, SEED, judge)
        seen = max(budget, 60.0 / number)
        value = float(np.quantile(found, 1.0 - seen, method="higher"))
        # The tail of a likelihood ratio falls at least exponentially.
        reached.append(value + math.log(seen / budget))
    return tuple(reached)


def main() -> None:
    """Simulate and write."""
    options = argparse.ArgumentParser(prog="python -m tests.calibrate", description=__doc__)
    options.add_argument("--quick", action="store_true", help="A twentieth of the occupancies: to try it out.")
    part = 20 if options.parse_args().quick else 1
    console = Console(stderr=True)
    steps: list[tuple[str, object, Callable[[], object]]] = [
        ("VEHICLE", cps, lambda cps=cps: vehicle(cps, 200_000 // part)) for cps in VEHICLE_CPS
    ]
    for name, grid, counted, interval_s, number in (
        ("GAMMA", GAMMA_CPS, GAMMA_COUNTED_S, 0.2, 200_000),
        ("NEUTRON", NEUTRON_CPS, NEUTRON_COUNTED_S, 1.0, 2_000_000),
    ):
        steps += [
            (name, (cps, counted_s), lambda cps=cps, s=counted_s, i=interval_s, n=number: sums(cps, s, i, n // part))
            for cps in grid
            for counted_s in counted
        ]
    tables: dict[str, dict[object, object]] = {"VEHICLE": {}, "GAMMA": {}, "NEUTRON": {}}
    with Progress(console=console, transient=True) as progress:
        for name, key, step in progress.track(steps, description="Calibrating"):
            tables[name][key] = step()
    TARGET.write_text(written(tables), encoding="utf-8")
    console.print(f"{TARGET.name} is written.")


def written(tables: dict[str, dict[object, object]]) -> str:
    """The tables as a module."""
    return f'''"""Thresholds of the own tests, made by `make calibrate` (seeded Monte Carlo). Do not edit: run it again.

BUDGETS: false alarms per occupancy, in the order of the thresholds. VEHICLE: by background (cps) the medians of
window, contrast and filter over quiet occupancies, then their thresholds at each budget. GAMMA, NEUTRON: by background
(cps) and the seconds it was counted for, the threshold of the cumulative sums at each budget.
"""

from typing import Final

Row = tuple[float, ...]

BUDGETS: Final[Row] = {BUDGETS}
VEHICLE: Final[dict[float, tuple[Row, ...]]] = {{
{_rows(tables["VEHICLE"])}}}
GAMMA: Final[dict[tuple[float, float], Row]] = {{
{_rows(tables["GAMMA"])}}}
NEUTRON: Final[dict[tuple[float, float], Row]] = {{
{_rows(tables["NEUTRON"])}}}
'''


def _rows(table: dict[object, object]) -> str:
    return "".join(f"    {key}: {_rounded(row)},\n" for key, row in table.items())


def _rounded(row: object) -> object:
    return tuple(map(_rounded, row)) if isinstance(row, tuple) else round(float(row), 3)


if __name__ == "__main__":
    sys.exit(main())
