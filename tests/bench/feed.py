"""The feed in bytes and seconds: a large list over a line that breaks, a thousand changes, and a look for nothing new.

Headquarters' server is a process of its own behind a cable that is pulled at chosen moments; the link's looking is done
in this process, so that its processor time can be told from everybody else's.

    python -m tests.bench.feed --persons 1000000      the list that the product is meant for, some ten minutes
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import zstandard

from failsafe.agent.commands import bench
from failsafe.agent.commands.figures import Figure, Rival, figure, table
from failsafe.agent.demo.house import House
from failsafe.agent.demo.wire import Wire as Cable
from failsafe.sync.errors import LineDown
from failsafe.sync.link import ThreadSource, Wire, read_welcome
from failsafe.sync.records import Head, PutNotice
from failsafe.sync.refresh import Brought, Refresher
from failsafe.sync.reports import FeedState, Want
from failsafe.sync.shape import read
from failsafe.sync.spool import Spool
from tests.bench.crowd import People
from tests.bench.line import LOOKS, Anew, Sender, background_loop, open_headquarters, plain_look, sender_of

PERSONS = 50_000
CHANGED = 1_000
CUTS = 10
SEED = 8
_LOOK_EVERY_S = 0.0005


def figures(folder: Path, persons: int = PERSONS) -> Iterator[Figure]:
    """One headquarters with `persons` notices, and a booth of which only the link's looking runs."""
    people = People(persons)
    house = House(folder, bench.free_port())
    try:
        open_headquarters(house, people.records())
        cable = Cable(house.hq_port)
        with background_loop() as loop:
            sender = sender_of(house)
            looker = _Looker(sender, cable, loop)
            yield from _snapshot(house, looker, persons)
            yield from _unchanged(looker, sender, persons)
            yield from _delta(house, looker, people, persons)
        cable.close()
    finally:
        house.stop()


class _Looker:
    """What the link does when it looks for news, over a cable that can be pulled."""

    def __init__(self, sender: Sender, cable: Cable, loop: asyncio.AbstractEventLoop) -> None:
        self.cable, self._loop, self._context = cable, loop, sender.context
        self.settings = dataclasses.replace(sender.settings, url=f"https://127.0.0.1:{cable.port}")
        self.received = 0
        self._source = Anew()
        root = read_welcome(self.settings).root
        self._refresher = Refresher(self._source, self.spool(), self.settings.state, root, self.settings.booth)

    def look(self, held: tuple[FeedState, ...] = ()) -> Brought:
        """One look; bytes of all bodies are added to `received`, whether it went well or not."""
        settings = self.settings
        wire = Wire(settings.url, self._context)
        self._source.through = ThreadSource(wire, self._loop)
        try:
            return self._refresher.refresh(Want(booth=settings.booth, feeds=settings.feeds, held=held))
        finally:
            self.received += wire.received
            asyncio.run_coroutine_threadsafe(wire.__aexit__(), self._loop).result()

    def spool(self) -> Spool:
        """`spool/in`."""
        return Spool(self.settings.spool / "in")

    def held(self) -> tuple[FeedState, ...]:
        """What a core that has taken the newest publication holds."""
        head = self.head()
        return (FeedState(feed=head.feed, lineage=head.lineage, serial=head.serial),)

    def head(self) -> Head:
        """The newest head in the spool."""
        found = [
            msgspec.json.decode(self.spool().read(name, 1 << 20), type=Head)
            for name in self.spool().names("targets/feed/")
            if name.endswith(".head.json")
        ]
        return max(found, key=lambda head: head.serial)


def _snapshot(house: House, looker: _Looker, persons: int) -> Iterator[Figure]:
    """The whole list over a cable that is pulled on the way; the metadata of each new look counts as well.

    The second figure's `n` is the number of breaks and the look that went well.
    """
    length = max(file.stat().st_size for file in (house.folder / "hq" / "public" / "targets").rglob("*.snapshot"))
    over = threading.Event()
    puller = threading.Thread(target=_pull, args=(looker, length, over), name="puller", daemon=True)
    puller.start()
    looks = 1
    while not _arrived(looker):
        looks += 1
    over.set()
    puller.join()
    a_notice = Rival("bytes a notice", length / persons)
    yield from figure(f"feed_snapshot@{persons}", length, "bytes", persons, a_notice)
    alone = Rival("the payload alone", float(length))
    yield from figure(f"feed_snapshot_received@{persons}", looker.received, "bytes", looks, alone)


def _arrived(looker: _Looker) -> bool:
    try:
        looker.look()
    except LineDown:
        return False
    return True


def _pull(looker: _Looker, length: int, over: threading.Event) -> None:
    """Pull the cable and put it back at once, each time that so much of the payload has come."""
    partial = looker.settings.state / "partial"
    chance = random.Random(SEED)
    for mark in sorted(chance.random() * length for _ in range(CUTS)):
        while not over.is_set() and _come(partial) < mark:
            time.sleep(_LOOK_EVERY_S)
        looker.cable.cut()
        looker.cable.mend()


def _come(partial: Path) -> int:
    """Bytes of the longest file that is still coming."""
    sizes = [0]
    for file in partial.glob("*"):
        with contextlib.suppress(FileNotFoundError):  # it is whole, and has its place
            sizes.append(file.stat().st_size)
    return max(sizes)


def _unchanged(looker: _Looker, sender: Sender, persons: int) -> Iterator[Figure]:
    """Looks for news where there is none: processor time of all threads, and bodies."""
    plain = [plain_look(sender) for _ in range(LOOKS)]
    looks = []
    for _ in range(LOOKS):
        looker.received, began = 0, time.process_time()
        assert looker.look(looker.held()).files == 0
        looks.append(((time.process_time() - began) * 1e3, float(looker.received)))
    ours, rivals = ([statistics.median(column) for column in zip(*some, strict=True)] for some in (looks, plain))
    for what, unit, value, rival in zip(("cpu", "bodies"), ("ms", "bytes"), ours, rivals, strict=True):
        against = Rival("a plain httpx GET of the timestamp", rival)
        yield from figure(f"feed_unchanged_{what}@{persons}", value, unit, LOOKS, against)


def _delta(house: House, looker: _Looker, people: People, persons: int) -> Iterator[Figure]:
    """A thousand notices with another summary: what is published, and what comes over the line."""
    held = looker.held()
    records = random.Random(SEED).sample(list(people.records()), min(CHANGED, persons))
    records = [{**record, "summary": "Changed by headquarters."} for record in records]
    house.take_notices(records)
    house.hq("publish")
    looker.received = 0
    looker.look(held)
    (delta,) = looker.head().deltas
    notices = read("\n".join(json.dumps(record) for record in records)).notices
    lines = b"\n".join(msgspec.json.encode(PutNotice(notice=entry.notice)) for entry in notices)
    packed = Rival("zstd at its highest of the same lines", len(zstandard.ZstdCompressor(level=19).compress(lines)))
    named = f"feed_delta_of_{len(records)}"
    yield from figure(f"{named}@{persons}", delta.length, "bytes", 1, packed)
    yield from figure(f"{named}_received@{persons}", looker.received, "bytes", 1, Rival("the payload", delta.length))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.feed", description=__doc__)
    options.add_argument("--persons", type=int, default=PERSONS, help="Notices in the list.")
    chosen = options.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory(prefix="failsafe-bench-", dir=bench.lasting_folder()) as folder:
        for row in (*bench.load("load_of_the_feed"), *figures(Path(folder), chosen.persons)):
            rows.append(row)
            print(json.dumps(row), flush=True)
    bench.standard_error().print(table(rows))


if __name__ == "__main__":
    main()
