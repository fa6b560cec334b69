"""Figures that stand beside what they are compared with: one row each, for programs and for people. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.table import Table

Figure = dict[str, Any]
_COLUMNS: Final = ("name", "value", "unit", "against", "ratio", "n")

# What the first issue promises of a booth with fifty thousand notices; shown beside the figures, never asserted.
TARGETS: Final[Mapping[str, float]] = {
    "verdict_p99@50000": 25.0,
    "alert_p99@50000": 50.0,
    "first_verdict@50000": 5.0,
    "core_memory_peak@50000": 200.0,
    "core_memory_intake_peak@50000": 200.0,
    "core_memory_delta_peak@50000": 200.0,
}


@dataclass(frozen=True, slots=True)
class Rival:
    """What a figure stands beside: measured in this run, or computed from a wire's speed. Its unit is the figure's."""

    name: str
    value: float


def figure(name: str, value: float, unit: str, n: int, *rivals: Rival) -> Iterator[Figure]:
    """One row a rival, or one without any: `name`, `value`, `unit`, `against`, `ratio` (value by rival), `n`."""
    for rival in rivals or (None,):
        yield {
            "name": name,
            "value": short(value),
            "unit": unit,
            "against": f"{rival.name}, {short(rival.value)} {unit}" if rival else None,
            "ratio": short(value / rival.value) if rival and rival.value else None,
            "n": n,
        }


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def p50_p99(name: str, values: Sequence[float], unit: str, *rivals: tuple[str, Sequence[float]]) -> Iterator[Figure]:
    """Two figures, each beside the same quantile of the rivals; `@` and what follows stay at the end of the name."""
    stem, at, size = name.partition("@")
    for share in (0.5, 0.99):
        theirs = [
            Rival(f"{rival}, p{share * 100:.0f} of {len(found)}", quantile(found, share)) for rival, found in rivals
        ]
        yield from figure(f"{stem}_p{share * 100:.0f}{at}{size}", quantile(values, share), unit, len(values), *theirs)


def table(rows: Sequence[Figure]) -> Table:
    """The rows for people, with the targets that this issue sets."""
    shown = Table("figure", *_COLUMNS[1:], "target", title="Fail Safe Edge, measured")
    for row in rows:
        limit = TARGETS.get(row["name"])
        reached = "" if limit is None else f"{limit:g}: {'reached' if row['value'] <= limit else 'not reached'}"
        shown.add_row(*("" if row[key] is None else str(row[key]) for key in _COLUMNS), reached)
    return shown


def short(value: float) -> float:
    """Four digits that mean something."""
    return float(f"{value:.4g}")
