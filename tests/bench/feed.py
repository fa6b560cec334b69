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
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
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
_PIECE = 16 * 1024


def figures(folder: Path, persons: int = PERSONS) -> Iterator[Figure]:
    """One headquarters with `persons` notices, and a booth of which only the link's looking runs."""
    people = People(persons)
    house = House(folder, bench.free_port())
    try:
        open_headquarters(house, people.records())
        cable = _Cable(house.hq_port)
        with background_loop() as loop:
            sender = sender_of(house)
            looker = _Looker(sender, cable, loop)
            yield from _snapshot(house, looker, persons)
            looker.take_cable_away(house.hq_port)
            yield from _unchanged(looker, sender, persons)
            yield from _delta(house, looker, people, persons)
        cable.close()
    finally:
        house.stop()


class _Cable(Cable):
    """A cable that counts what comes from headquarters, and is pulled and put back at given counts."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._hq_port, self.passed = port, 0
        self._marks: list[float] = []
        self._counting = threading.Lock()

    def pull_at(self, marks: Iterable[float]) -> None:
        """Pull it each time that so many bytes more than now have come."""
        self._marks = sorted(self.passed + mark for mark in marks)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            from_hq = source.getpeername()[1] == self._hq_port
            while piece := source.recv(_PIECE):
                sink.sendall(piece)
                if from_hq and self._is_pulled(len(piece)):
                    self.cut()
                    self.mend()
        super()._pass_on(source, sink)  # nothing more comes: it closes both ends

    def _is_pulled(self, more: int) -> bool:
        with self._counting:
            self.passed += more
            due = bool(self._marks) and self.passed >= self._marks[0]
            if due:
                self._marks.pop(0)
            return due


class _Looker:
    """What the link does when it looks for news, over a cable that can be pulled."""

    def __init__(self, sender: Sender, cable: _Cable, loop: asyncio.AbstractEventLoop) -> None:
        self.cable, self._loop, self._context = cable, loop, sender.context
        self.settings = dataclasses.replace(sender.settings, url=f"https://127.0.0.1:{cable.port}")
        self.received = 0
        self.of_snapshots = 0
        self._source = _Counted()
        root = read_welcome(self.settings).root
        self._refresher = Refresher(self._source, self.spool(), self.settings.state, root, self.settings.booth)

    def look(self, held: tuple[FeedState, ...] = ()) -> Brought:
        """One look; bytes of all bodies are added to `received`, whether it went well or not."""
        settings = self.settings
        wire = Wire(settings.url, self._context)
        self._source.begin(wire, self._loop)
        try:
            return self._refresher.refresh(Want(booth=settings.booth, feeds=settings.feeds, held=held))
        finally:
            self.received += wire.received
            self.of_snapshots += self._source.of_snapshots
            asyncio.run_coroutine_threadsafe(wire.__aexit__(), self._loop).result()

    def take_cable_away(self, port: int) -> None:
        """Look at headquarters' own port: a cable is threads of this process, whose time is not the link's."""
        self.settings = dataclasses.replace(self.settings, url=f"https://127.0.0.1:{port}")

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


class _Counted(Anew):
    """A source that counts the bytes of snapshots' bodies, those that were lost with the line too."""

    def begin(self, wire: Wire, loop: asyncio.AbstractEventLoop) -> None:
        """Another look begins."""
        self._wire, self.through, self.of_snapshots = wire, ThreadSource(wire, loop), 0

    def resume(self, path: str, length: int, file: Path) -> None:
        before = self._wire.received
        try:
            super().resume(path, length, file)
        finally:
            if path.endswith(".snapshot"):
                self.of_snapshots += self._wire.received - before


def _snapshot(house: House, looker: _Looker, persons: int) -> Iterator[Figure]:
    """The whole list over a cable that is pulled on the way; the metadata of each new look counts in the second figure.

    The others' `n` is the number of breaks and the look that went well. The third figure is what taking the transfer up
    again costs, in bytes of the list that came more than once; the fourth is all that came over the cable, with TLS,
    its handshakes and the records that were lost with the line.
    """
    length = max(file.stat().st_size for file in (house.folder / "hq" / "public" / "targets").rglob("*.snapshot"))
    chance = random.Random(SEED)
    looker.cable.pull_at(0.95 * chance.random() * length for _ in range(CUTS))
    looks = 1
    while not _arrived(looker):
        looks += 1
    assert looks > CUTS // 2, "too few breaks fell into a transfer"  # one between two is made good by a new connection
    a_notice = Rival("bytes a notice", length / persons)
    yield from figure(f"feed_snapshot@{persons}", length, "bytes", persons, a_notice)
    alone = Rival("the payload alone", float(length))
    yield from figure(f"feed_snapshot_received@{persons}", looker.received, "bytes", looks, alone)
    yield from figure(f"feed_snapshot_resumed@{persons}", looker.of_snapshots, "bytes", looks, alone)
    yield from figure(f"feed_snapshot_cable@{persons}", looker.cable.passed, "bytes", looks, alone)


def _arrived(looker: _Looker) -> bool:
    try:
        looker.look()
    except LineDown:
        return False
    return True


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
        for row in chain(bench.load("load_of_the_feed"), figures(Path(folder), chosen.persons)):
            rows.append(row)
            print(json.dumps(row), flush=True)
    bench.standard_error().print(table(rows))


if __name__ == "__main__":
    main()
