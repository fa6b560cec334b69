"""The index of names alone, as large as asked: memory, speed on a fixed mix of hard questions, recall, load, delta.

    python -m tests.bench.indexing [--persons N] [--recalled N]

Each question is asked best of three; first with nothing remembered of it, then again. rapidfuzz lays it beside every
name of the list by three of its scorers, in the same run: once, and as many questions as there is time for.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from rapidfuzz import fuzz, process

from failsafe.agent.commands.bench import standard_error
from failsafe.agent.commands.figures import Figure, Rival, figure, p50_p99, table
from failsafe.agent.person import pages
from failsafe.agent.person.index import Index
from failsafe.agent.person.names import fold
from failsafe.agent.person.segment import IndexRow, Segment
from failsafe.sync.mirror import Mirror
from tests.bench.exhaustive import Exhaustive, missed
from tests.bench.population import Population

SIZES = (50_000, 1_000_000)
QUESTIONS = 1_000
# Questions compared with everything: each takes seconds at a million persons, hence the fewest there.
RECALLED = 60
RECALLED_NAMES = 30_000_000
# Questions to rapidfuzz over all names: at a million persons each takes seconds, hence the fewest.
WHOLE_LIST = 5
WHOLE_LIST_NAMES = 5_000_000  # laid beside a question, all questions together
RIVALS = (
    ("rapidfuzz ratio", fuzz.ratio),
    ("rapidfuzz token_sort_ratio", fuzz.token_sort_ratio),
    ("rapidfuzz WRatio", fuzz.WRatio),
)
DELTA = 1_000

Question = tuple[tuple[str, ...], list[str]]

_RSS = """
import sys
from pathlib import Path
from failsafe.agent import booth
from failsafe.agent.person import pages
from failsafe.sync.mirror import Mirror
def rss():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1]) / 1024
if sys.argv[2] == "load":
    with Mirror.open(Path(sys.argv[1]), bytes(32)) as held:
        segment = pages.read(held.pages())
print(rss())
"""


def figures(folder: Path, persons: int = SIZES[0], recalled: int | None = None) -> Iterator[Figure]:
    """Everything about an index of so many persons, of whom each has two names."""
    population = Population.large(31, persons)
    listed = population.persons(persons)
    rows = list(population.rows(listed))
    asked = questions(population, listed)
    began_at = time.perf_counter()
    segment = Segment.build((number // 2 + 1, row) for number, row in enumerate(rows))
    build_s = time.perf_counter() - began_at
    began_at = time.perf_counter()
    distinct = len({token for row in rows for token in row[2].split()})
    split = Rival(f"the {distinct} different tokens collected", time.perf_counter() - began_at)
    yield from figure(f"index_build_of_rows@{persons}", build_s, "s", 1, split)
    yield from _searched(segment, rows, asked, persons)
    few = recalled or max(RECALLED, min(RECALLED_NAMES // len(rows), len(asked)))
    yield from _recall(Index(segment), rows, asked[:: max(1, len(asked) // few)], persons)
    yield from _kept(folder / "mirror.db", segment, rows, build_s)


def questions(population: Population, listed: Sequence) -> list[Question]:
    """The fixed mix: three in five are listed persons as another clerk wrote them, the rest innocents of like names."""
    sought = [population.disguise(one) for one in listed[:: max(1, len(listed) * 5 // (3 * QUESTIONS))]]
    come = [*sought, *population.persons(QUESTIONS - min(len(sought), QUESTIONS), "innocent/")]
    return [(fold(f"{one.surname} {one.given}"), [one.birth]) for one in come[:QUESTIONS]]


def best_ms(
    act: Callable[[Question], object], asked: Sequence[Question], before: Callable[[], object], times: int = 3
) -> list[float]:
    """Milliseconds of each question, best of three."""
    took = np.full(len(asked), np.inf)
    for _ in range(times):
        for place, question in enumerate(asked):
            before()
            began_at = time.perf_counter()
            act(question)
            took[place] = min(took[place], 1e3 * (time.perf_counter() - began_at))
    return took.tolist()


def _searched(segment: Segment, rows: Sequence[IndexRow], asked: list[Question], persons: int) -> Iterator[Figure]:
    spelled = [row[2] for row in rows]
    few = max(WHOLE_LIST, min(WHOLE_LIST_NAMES // len(spelled), len(asked) // 10))
    sampled = asked[:: max(1, len(asked) // few)][:few]
    whole = [(f"{name} over all {len(spelled)} names", _whole_ms(scorer, spelled, sampled)) for name, scorer in RIVALS]
    index = Index(segment)
    for name, births in (("with_birth", True), ("name_only", False)):
        ours = best_ms(lambda one, b=births: index.search(one[0], one[1] if b else ()), asked, index.forget)
        again = best_ms(lambda one, b=births: index.search(one[0], one[1] if b else ()), asked, lambda: None)
        yield from p50_p99(f"index_search_{name}@{persons}", ours, "ms", *whole, ("the same asked again", again))


def _whole_ms(scorer: Callable, spelled: Sequence[str], asked: Sequence[Question]) -> list[float]:
    """Milliseconds of each question, asked once, for the ten names that the scorer likes best."""
    took = []
    for tokens, _ in asked:
        began_at = time.perf_counter()
        process.extract(" ".join(tokens), spelled, scorer=scorer, limit=10)
        took.append(1e3 * (time.perf_counter() - began_at))
    return took


def _recall(index: Index, rows: Sequence[IndexRow], asked: list[Question], persons: int) -> Iterator[Figure]:
    """Of the notices that a comparison of everything with everything gives, how many the index gives too."""
    everything = Exhaustive(rows)
    lost = held = 0
    for tokens, births in asked:
        found = {each.name.entity_id: each.share for each in index.search(tokens, births)}
        less, more = missed(found, everything.search(tokens, births))
        lost, held = lost + less, held + more
    yield from figure(
        f"index_recall@{persons}",
        100 * (1 - lost / max(held, 1)),
        "%",
        held,
        Rival("everything compared with everything", 100.0),
    )


def _kept(path: Path, segment: Segment, rows: Sequence[IndexRow], build_s: float) -> Iterator[Figure]:
    with closing(Mirror.open(path, bytes(32))) as held:
        held.bind(lambda _: pages.written(segment))
        began_at = time.perf_counter()
        size = sum(map(len, held.pages()))
        plain = Rival("the pages read, not unpacked", time.perf_counter() - began_at)
        began_at = time.perf_counter()
        pages.read(held.pages())
        load_s = time.perf_counter() - began_at
    persons = len(segment.number)
    file = Rival("the mirror's file with nothing else in it", path.stat().st_size / 1e6)
    yield from figure(f"index_load@{persons}", load_s, "s", 1, plain)
    yield from figure(f"index_in_the_mirror@{persons}", size / 1e6, "MB", 1, file)
    bare, whole = (float(_child(path, what)) for what in ("bare", "load"))
    yield from figure(f"index_and_core_memory@{persons}", whole, "MB", 1, Rival("the core's imports alone", bare))
    anew = Rival("the large segment built anew", build_s)
    came = [(10 * len(rows) + number // 2, row) for number, row in enumerate(rows[: 2 * DELTA])]
    began_at = time.perf_counter()
    recent = Segment.build(came, beside=segment)
    index = Index(segment, recent, np.arange(len(segment.number)) < DELTA)
    assert index.search(rows[0][2].split())
    yield from figure(f"index_delta_of_{DELTA}@{persons}", time.perf_counter() - began_at, "s", 1, anew)


def _child(path: Path, what: str) -> str:
    done = subprocess.run([sys.executable, "-c", _RSS, str(path), what], check=True, capture_output=True, text=True)
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each size and print one table."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.indexing", description=__doc__)
    options.add_argument("--persons", type=int, action="append", help=f"On the list; may be repeated. {SIZES}")
    options.add_argument("--recalled", type=int, help="Questions compared with everything.")
    chosen = options.parse_args(arguments)
    rows: list[Figure] = []
    for persons in chosen.persons or SIZES:
        with tempfile.TemporaryDirectory(prefix="failsafe-bench-") as folder:
            rows += figures(Path(folder), persons, chosen.recalled)
    standard_error().print(table(rows))


if __name__ == "__main__":
    sys.exit(main())
