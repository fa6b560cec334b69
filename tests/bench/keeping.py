"""A list over its life in a booth: it comes, comes again, is another; what was withdrawn goes, the key is exchanged.

All of it in this process, without travellers: `failsafe bench` measures what these mean to a booth that works.

    python -m tests.bench.keeping --persons 1000000      the list that the product is meant for, some ten minutes
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import msgspec
import zstandard

from failsafe.agent.commands import bench
from failsafe.agent.commands.figures import Figure, Rival, figure, table
from failsafe.agent.demo.station import memory_mb
from failsafe.agent.person import names, pages
from failsafe.agent.person.segment import Segment
from failsafe.sync import exchange, shape
from failsafe.sync.binding import Numbered
from failsafe.sync.feed import Change, Operations
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import Notice, PutNotice
from tests.bench.crowd import People
from tests.bench.parts import timed

PERSONS = 50_000
CHANGED = 1_000  # and of a small list a tenth at most
WITHDRAWN = 100
_AT_ONCE = 5_000  # notices as objects


def figures(folder: Path, persons: int = PERSONS) -> Iterator[Figure]:
    """One booth's mirror of `persons` notices, and what happens to it."""
    key, path = os.urandom(32), folder / "mirror.db"
    changed, withdrawn = min(CHANGED, persons // 10), min(WITHDRAWN, persons // 10)
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # the peak of memory counts from here
    with Mirror.open(path, key, cache_kib=128 * 1024) as held:
        first = _packed(_notices(persons))
        first_s = timed(lambda: _take(held, first, 1, persons))
        yield from figure(f"list_taken@{persons}", first_s, "s", 1, _plain_rows(folder, first))
        again = _packed(_again(_notices(persons), changed, withdrawn))
        again_s = timed(lambda: _take(held, again, 2, persons - withdrawn))
        nothing_held = Rival("the list where nothing is held", first_s)
        yield from figure(f"list_taken_again@{persons}", again_s, "s", 1, nothing_held)
        yield from _purged(held, path, persons)
        yield from figure(f"read_through@{persons}", timed(held.check), "s", 1, Rival("its bytes", _read_s(path)))
        others = _packed(_others(_notices(persons)))
        others_s = timed(lambda: _take(held, others, 3, persons))
        yield from figure(f"list_of_others_taken@{persons}", others_s, "s", 1, nothing_held)
    peak_mb, _ = memory_mb(Path("/proc/self/status").read_text("ascii"))
    yield from figure(f"keeping_memory_peak@{persons}", peak_mb, "MB", 1, Rival("the file", path.stat().st_size / 1e6))
    copied = Rival("a copy of the file, made durable", _copy_s(path))
    exchanged_s = timed(lambda: exchange.exchange(path, key, os.urandom(32), "2026-11-22T00:00:00Z"))
    yield from figure(f"mirror_key_exchanged@{persons}", exchanged_s, "s", 1, copied)


def _purged(held: Mirror, path: Path, persons: int) -> Iterator[Figure]:
    """The index's pages forget who was withdrawn, then the file is written anew and its log folded in."""
    copied = Rival("a copy of the file, made durable", _copy_s(path))
    yield from figure(f"index_bound_again@{persons}", timed(lambda: held.bind(_bind)), "s", 1, copied)
    yield from figure(f"withdrawn_purged@{persons}", timed(lambda: _whole(held.purge)), "s", 1, copied)


def _whole(act: Callable[[], bool]) -> None:
    if not act():
        raise RuntimeError("It was not done.")


def _take(held: Mirror, operations: Operations, serial: int, count: int) -> None:
    """A snapshot, as the intake hands it to the mirror."""
    step = Change("base", "bench", serial, None, 1, count, 0, time.time(), operations, {"timestamp.json": b"{}"})
    held.apply(step, names.forms, _bind)


def _bind(lines: Iterator[Numbered]) -> Iterable[bytes]:
    return pages.written(Segment.build(lines))


# --- lists -----------------------------------------------------------------------------------------------------


def _notices(persons: int) -> Iterator[Notice]:
    records = People(persons).records()
    while lot := list(islice(records, _AT_ONCE)):
        yield from (entry.notice for entry in shape.read("\n".join(map(json.dumps, lot))).notices)


def _again(notices: Iterable[Notice], changed: int, withdrawn: int) -> Iterator[Notice]:
    """As headquarters publishes it some days later: a few withdrawn, a few changed, the rest as it was."""
    for place, notice in enumerate(notices):
        if place >= withdrawn + changed:
            yield notice
        elif place >= withdrawn:
            yield msgspec.structs.replace(notice, summary="Changed by headquarters.")


def _others(notices: Iterable[Notice]) -> Iterator[Notice]:
    """The same number of persons, none of whom was listed before."""
    for place, notice in enumerate(notices):
        yield msgspec.structs.replace(notice, entity_id=f"1999/{place}")


def _packed(notices: Iterable[Notice]) -> Operations:
    """A list as a payload holds it: a million notices as objects would be gigabytes."""
    packed = io.BytesIO()
    with zstandard.ZstdCompressor(level=3).stream_writer(packed, closefd=False) as lines:
        lines.write(b"{}\n")
        for notice in notices:
            lines.write(msgspec.json.encode(PutNotice(notice=notice)) + b"\n")
    return Operations(packed.getvalue())


# --- rivals ----------------------------------------------------------------------------------------------------


def _plain_rows(folder: Path, operations: Operations) -> Rival:
    """The same notices as plain lines in a file: what it costs to unpack and write them, with nothing derived."""

    def written() -> None:
        with (folder / "plain.jsonl").open("wb") as file:
            for operation in operations:
                file.write(msgspec.json.encode(operation) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    taken_s = timed(written)
    (folder / "plain.jsonl").unlink()
    return Rival("its lines unpacked, read and written plainly", taken_s)


def _copy_s(path: Path) -> float:
    copy = path.with_name("copy")

    def copied() -> None:
        with path.open("rb") as old, copy.open("wb") as new:
            shutil.copyfileobj(old, new, 1 << 20)
            new.flush()
            os.fsync(new.fileno())

    copied_s = timed(copied)
    copy.unlink()
    return copied_s


def _read_s(path: Path) -> float:
    def read() -> None:
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass

    return timed(read)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.keeping", description=__doc__)
    options.add_argument("--persons", type=int, default=PERSONS, help="Notices of the list.")
    chosen = options.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory(prefix="failsafe-bench-", dir=bench.lasting_folder()) as folder:
        for row in chain(bench.load("load_of_the_keeping"), figures(Path(folder), chosen.persons)):
            rows.append(row)
            print(json.dumps(row), flush=True)
    bench.standard_error().print(table(rows))


if __name__ == "__main__":
    main()
