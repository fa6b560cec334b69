"""`make bench`: the booth as `failsafe bench` measures it, its parts beside their rivals, and headquarters.

Rows go to standard output, one JSON object a line as they are measured; progress and one table to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.progress import Progress

from failsafe.agent import bench
from failsafe.agent.figures import Figure, table
from tests.bench import headquarters, parts
from tests.bench.crowd import gather


def measure(sizes: Sequence[int], crossings: int, step: Callable[[str], None]) -> Iterator[Figure]:
    """Every figure at every size; `step` is told what is measured next."""
    yield from bench.measure(sizes, crossings, gather, step=step)
    with _folder() as folder:
        step("ledger and zones")
        yield from parts.figures_without_size(Path(folder))
    for size in sizes:
        for part, figures in (("mirror and matching", parts.figures), ("headquarters", headquarters.figures)):
            with _folder() as folder:
                step(f"{size} notices: {part}")
                yield from figures(Path(folder), size)


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="failsafe-bench-", dir=bench.lasting_folder())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    options.add_argument("--persons", type=int, action="append", help="Size of the notice base; may be repeated.")
    options.add_argument("--crossings", type=int, default=bench.CROSSINGS, help="Travellers at each size.")
    chosen = options.parse_args(arguments)
    sizes = tuple(chosen.persons or bench.SIZES)
    console = bench.standard_error()
    rows = []
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(sizes) * (bench.STEPS + 2) + 1)
        for row in measure(sizes, chosen.crossings, lambda what: progress.update(bar, description=what, advance=1)):
            rows.append(row)
            print(json.dumps(row), flush=True)
    console.print(table(rows))


if __name__ == "__main__":
    sys.exit(main())
