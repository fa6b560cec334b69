"""Figures that stand beside what they are compared with: one row each, for programs and for people. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.table import Table

Figure = dict[str, Any]
_COLUMNS: Final = ("name", "value", "unit", "against", "ratio", "n")

# What is promised of a booth with fifty thousand notices, and of an alert's way; shown beside the figures, never
# asserted: no more than the first, no less than the second.
TARGETS: Final[Mapping[str, float]] = {
    "verdict_p99@50000": 25.0,
    "alert_p99@50000": 50.0,
    "first_verdict@50000": 5.0,
    "core_memory_peak@50000": 160.0,
    "core_memory_intake_peak@50000": 200.0,
    "core_memory_delta_peak@50000": 160.0,
    "verdict_p99@1000000": 30.0,
    "first_verdict@1000000": 5.0,
    "core_memory_peak@1000000": 480.0,
    "delta_searchable@1000000": 1.0,
    "snapshot_applied@1000000": 60.0,
    "snapshot_searchable@1000000": 180.0,
    "index_search_with_birth_p99@50000": 4.0,
    "index_search_name_only_p99@50000": 4.0,
    "index_search_with_birth_p50@1000000": 3.0,
    "index_search_with_birth_p99@1000000": 8.0,
    "index_search_name_only_p99@1000000": 20.0,
    "index_and_core_memory@50000": 160.0,
    "index_and_core_memory@1000000": 480.0,
    "index_delta_of_1000@1000000": 1.0,
    "enqueue_p99": 25.0,
    "feed_delta_of_1000@50000": 60_000.0,
    "feed_delta_of_1000@1000000": 60_000.0,
    "feed_unchanged_cpu@1000000": 20.0,
    "feed_unchanged_bodies@1000000": 1000.0,
    "refresh_unchanged_cpu": 20.0,
    "refresh_unchanged_bodies": 1000.0,
    "refresh_new_timestamp_cpu": 20.0,
    "refresh_new_timestamp_bodies": 1000.0,
    "verdict_to_ccc_p95": 2.0,
    "mrz_parse_p50": 80.0,
    "zone_repair_p50": 1000.0,
    "zone_number_wrong": 0.5,
    "zone_two_confusions_wrong": 5.0,
    "false_alarms_gamma_open_lane_upper95": 1.5e-3,
    "false_alarms_gamma_vehicle_lane_upper95": 1.5e-3,
    "false_alarms_neutron_upper95": 1.5e-4,
    "found_gamma_250cps": 70.0,
    "found_neutron_2cps_1e-3": 7.8,
    "found_neutron_2cps_1e-4": 9.2,
    "replay_of_a_day_cpu": 60.0,
    "innocents_referred@5000": 80.0,
    "innocents_strong@5000": 10.0,
    "names_strangers_matched": 0.1,
}
RATE_TARGETS: Final[Mapping[str, float]] = {
    "hq_ingest_batches_of_50": 800.0,
    "index_recall@50000": 99.9,
    "index_recall@1000000": 99.9,
    "zone_dates_repaired": 99.0,
    "zone_number_inside": 99.0,
    "zone_number_first": 80.0,
    "disguised_found@5000": 98.5,
    "names_auc": 0.86,
    "names_recall_at_1pc_false": 0.34,
    "names_cases_f1": 0.87,
    "names_strong_cases_as_labelled": 100.0,
    "names_original_script_auc": 0.97,
    "names_hebrew_auc": 0.92,
    "names_korean_auc": 0.87,
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
    """The rows for people, with the targets that are set."""
    shown = Table("figure", *_COLUMNS[1:], "target", title="Fail Safe Edge, measured")
    for row in rows:
        shown.add_row(*("" if row[key] is None else str(row[key]) for key in _COLUMNS), _reached(row))
    return shown


def _reached(row: Figure) -> str:
    name, value = row["name"], row["value"]
    if name in TARGETS:
        return f"{TARGETS[name]:g}: {'reached' if value <= TARGETS[name] else 'not reached'}"
    if name in RATE_TARGETS:
        return f"{RATE_TARGETS[name]:g}: {'reached' if value >= RATE_TARGETS[name] else 'not reached'}"
    return ""


def short(value: float) -> float:
    """Four digits that mean something."""
    return float(f"{value:.4g}")
