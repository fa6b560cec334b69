"""`make bench`: the booth as `failsafe bench` measures it, its parts beside their rivals, headquarters, and the line.

Rows go to standard output, one JSON object a line as they are measured; progress and one table to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from rich.progress import Progress

from failsafe.agent.commands import bench
from failsafe.agent.commands.figures import Figure, table
from tests.bench import alarms as radiation
from tests.bench import (
    epochs,
    feed,
    headquarters,
    hq_ingest,
    indexing,
    journey,
    keeping,
    line,
    pairs,
    parts,
    portal,
    referrals,
)
from tests.bench.crowd import gather

INGESTED = 4  # times the backlog
STEPS_ONCE = 10
STEPS_A_SIZE = 2


def measure(
    sizes: Sequence[int],
    crossings: int,
    alerts: int,
    occupancies: int,
    indexed: Sequence[int],
    innocents: int,
    strangers: int,
    booths: int,
    step: Callable[[str], None],
) -> Iterator[Figure]:
    """Every figure at every size, `alerts` in a backlog; `step` is told what is measured next."""
    yield from bench.measure(sizes, crossings, gather, step=step)
    once: tuple[tuple[str, Callable[[Path], Iterator[Figure]]], ...] = (
        ("ledger and zones", parts.figures_without_size),
        ("alerts on their way to the command centre", lambda place: journey.figures(place, min(sizes), crossings)),
        ("the line", lambda place: line.figures(place, alerts)),
        ("a portal's alarm on its way to the page", lambda place: portal.figures(place, crossings)),
        ("radiation alarms, some minutes", lambda place: radiation.figures(occupancies)),
        *(
            (f"an index of {persons} persons, some minutes", partial(indexing.figures, persons=persons))
            for persons in indexed
        ),
        ("pairs of names, beside rivals", lambda place: pairs.figures(strangers=strangers)),
        ("innocents referred, disguised persons found", lambda place: referrals.figures(innocents=innocents)),
        ("the feed over a cable that is pulled", lambda place: feed.figures(place, max(sizes))),
        ("a list that comes again, and what was withdrawn", lambda place: keeping.figures(place, max(sizes))),
        ("a new epoch for many booths", lambda place: epochs.figures(place, booths)),
        ("headquarters' desk", lambda place: hq_ingest.figures(place, INGESTED * alerts)),
    )
    for what, figures in once:
        with _folder() as folder:
            step(what)
            yield from figures(Path(folder))
    yield from bench.load("load_of_the_line")
    for size in sizes:
        for part, sized in (("mirror and matching", parts.figures), ("headquarters", headquarters.figures)):
            with _folder() as folder:
                step(f"{size} notices: {part}")
                yield from sized(Path(folder), size)


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="failsafe-bench-", dir=bench.lasting_folder())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    options.add_argument("--persons", type=int, action="append", help="Size of the notice base; may be repeated.")
    options.add_argument("--crossings", type=int, default=bench.CROSSINGS, help="Travellers at each size.")
    options.add_argument("--alerts", type=int, default=line.ALERTS, help="Alerts of a backlog.")
    options.add_argument("--occupancies", type=int, default=radiation.OCCUPANCIES, help="Quiet ones, simulated.")
    options.add_argument("--indexed", type=int, action="append", help="Persons in an index alone; may be repeated.")
    options.add_argument("--innocents", type=int, default=referrals.INNOCENTS, help="Travellers who are on no list.")
    options.add_argument("--strangers", type=int, default=pairs.STRANGERS, help="Unrelated pairs of names.")
    options.add_argument("--booths", type=int, default=epochs.BOOTHS_USUAL, help="Booths of an epoch.")
    chosen = options.parse_args(arguments)
    sizes = tuple(chosen.persons or bench.SIZES)
    indexed = tuple(chosen.indexed or indexing.SIZES)
    console = bench.standard_error()
    rows = []
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(sizes) * (bench.STEPS + STEPS_A_SIZE) + STEPS_ONCE + len(indexed))

        def step(what: str) -> None:
            progress.update(bar, description=what, advance=1)

        numbers = chosen.crossings, chosen.alerts, chosen.occupancies, indexed, chosen.innocents
        for row in measure(sizes, *numbers, chosen.strangers, chosen.booths, step):
            rows.append(row)
            print(json.dumps(row), flush=True)
    console.print(table(rows))


if __name__ == "__main__":
    sys.exit(main())
