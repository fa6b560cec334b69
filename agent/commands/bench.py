"""`failsafe bench`: the booth measured from outside, each figure beside something measured in the same run.

A real core in a process of its own takes a real publication of headquarters and hears document readers over
pseudo-terminals; its verdicts are timed where the command line hears them, on the control socket. Lane 2 has no
detector, so that a document's whole way is one verdict; lane 1 has a portal that is scanning meanwhile.
Everything lies in one folder on a disk that keeps what is written: commits to a memory disk would cost nothing.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import queue
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress

from failsafe.agent import keys
from failsafe.agent.commands.figures import Figure, Rival, figure, p50_p99, table
from failsafe.agent.demo.house import DemoFailed, Windows
from failsafe.agent.demo.station import Crowd, Ear, Gather, Station, Timings, Zone, invented, memory_mb
from failsafe.agent.notices import LOOK_EVERY_S
from failsafe.drivers.simulator import BITS_A_BYTE, DocumentReader, Portal, Pty, zone_frame
from failsafe.sync.records import METADATA_FOLDER, TIMESTAMP_FILE, encode
from failsafe.sync.store import Migrations, Store, StoreSettings

SIZES: Final = (1_000, 50_000)
CROSSINGS: Final = 300
STEPS: Final = 9  # of what is told of the progress at each size
BAUD: Final = 9600

_STARTS: Final = 3
_PACED: Final = 10
_PORTAL_SHARE: Final = 10  # one crossing with a scanning portal for so many without
_BETWEEN_CROSSINGS_S: Final = 0.03
_RESERVE: Final = 150  # travellers beside the crossings and those of the scanning portal: for starts and paced wire
_NOTICES_A_TRAVELLER: Final = 500  # a larger intake and merge take longer, and more travellers come meanwhile
_FIRST_PATIENCE_S: Final = 120.0
_LOOK_AGAIN_S: Final = 0.02
_DELTA: Final = 1_000
_DELTAS: Final = 3
# So many notices changed are merged into the index's large segment: see agent/holding.py.
_GROWN_SHARE: Final = 0.011
_GROWN_LEAST: Final = 5_001
_MERGED: Final = "index merged"
_OUT_OF_THE_BACK_ROOM: Final = re.compile(r"back room done\b.*?peak_mb\W+(\d+)")
_OTHER_BOOTH: Final = "ZZ-BENCH-02"
_ALERT_BYTES: Final = 2048  # about what an alert with two candidates takes in the ledger
_CORE_IMPORTS: Final = "import failsafe.agent.cli, failsafe.agent.booth"
_BARE_IMPORT: Final = "Python with the same imports"
_NO_TABLES: Final = Migrations("bench")


def run(sizes: Sequence[int] = SIZES, crossings: int = CROSSINGS) -> Iterator[Figure]:
    """`failsafe bench`: rows as they are measured, with a bar and at last a table on standard error.

    Raises:
        DemoFailed: headquarters' or the booth's programs did not do what they were asked.
    """
    console = standard_error()
    rows = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(sizes) * STEPS)
        for row in measure(sizes, crossings, step=lambda what: progress.update(bar, description=what, advance=1)):
            rows.append(row)
            yield row
    console.print(table(rows))


def measure(
    sizes: Sequence[int], crossings: int, gather: Gather = invented, *, step: Callable[[str], None] = lambda what: None
) -> Iterator[Figure]:
    """Measure a booth at each size of the notice base.

    Args:
        sizes: numbers of notices.
        crossings: travellers at each size; every other one is sought.
        gather: who is sought and who comes.
        step: told what is done next, `STEPS` times a size.

    Raises:
        DemoFailed: headquarters' or the booth's programs did not do what they were asked.
    """
    for place, size in enumerate(sizes):
        with ExitStack() as stack:
            folder = tempfile.TemporaryDirectory(prefix="failsafe-bench-", dir=lasting_folder())
            measured = _Run(Path(stack.enter_context(folder)), size, crossings, step, stack)
            yield from measured.figures(gather, first=place == 0)


def standard_error() -> Console:
    """Where people look; a file gets lines as wide as the table needs."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 170)


def lasting_folder() -> Path | None:
    """/var/tmp, which outlives a reboot and so is no memory disk, as /tmp may be; None: what the system says."""
    place = Path("/var/tmp")
    return place if os.access(place, os.W_OK) else None


def free_port() -> int:
    """For the page: the bench may run beside a working core."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def machine(folder: Path) -> Iterator[Figure]:
    """The first row: how busy the machine is before anything is measured, and what the figures were made with."""
    with closing(Store.open(folder / "version.db", os.urandom(32), StoreSettings(), _NO_TABLES)) as store:
        (cipher,) = store.row("PRAGMA cipher_version") or ("unknown",)
    versions = (
        f"Python {platform.python_version()}, SQLCipher {cipher}, rapidfuzz {importlib.metadata.version('rapidfuzz')}"
    )
    for row in load("machine"):
        yield {**row, "against": f"{os.cpu_count()} cores, {platform.machine()}, {versions}"}


def load(name: str) -> Iterator[Figure]:
    """The mean number of processes that ran or wanted to in the last minute, ours among them, beside the cores."""
    yield from figure(name, os.getloadavg()[0], "load", 1, Rival("cores", os.cpu_count() or 1))


class _Run:
    """One size: a station is set up, taken through its day, and ended by the caller's stack."""

    def __init__(self, folder: Path, size: int, crossings: int, step: Callable[[str], None], stack: ExitStack) -> None:
        self.station = Station(folder, free_port(), Windows(before_s=0.5, after_s=1.0))
        self.timings = Timings()
        self._arrivals: Iterator[Zone] = iter(())
        self._size = size
        self._crossings = crossings
        self._step = step
        self._stack = stack
        self._changes = 0
        self._stick = folder / "stick"
        stack.callback(self.station.stop)

    def figures(self, gather: Gather, *, first: bool) -> Iterator[Figure]:
        self._step(f"{self._size} notices: headquarters imports and publishes")
        if first:
            yield from machine(self.station.folder)
        crowd = self._set_up(gather)
        self._arrivals = crowd.arrivals()
        one, two = (
            self._stack.enter_context(Pty(port)) for port in (self.station.reader_port, self.station.second_port)
        )
        portal = Portal(self._stack.enter_context(Pty(self.station.portal_port)))
        self._step("a core takes the publication")
        yield from self._intake()
        self._step("cores start with the notices they hold")
        yield from self._starts(two)
        portal.start()
        self._stack.callback(portal.stop)
        ear = Ear(self._stack.enter_context(self.station.visit(timeout_s=None)))
        self._step("travellers cross")
        yield from self._cross(two, ear)
        self._step("travellers cross while a portal scans")
        yield from self._cross_scanned(one, portal, ear)
        self._step("memory")
        yield from self._memory()
        self._step("travellers cross while the core takes a delta")
        yield from self._cross_meanwhile(two, ear, crowd)
        self._step("travellers cross while the core merges its index")
        yield from self._cross_merging(two, ear, crowd)
        self._step("travellers cross while the core takes the whole list anew")
        yield from self._cross_anew(two, ear, crowd)
        yield from load(self._named("load"))

    def _set_up(self, gather: Gather) -> Crowd:
        self.station.hq("keys", "init")
        crowd = gather(self.station, self._size, 2 * self._crossings + _RESERVE + self._size // _NOTICES_A_TRAVELLER)
        self.station.take_notices(crowd.records)
        self.station.enrol()
        self.station.carry()
        return crowd

    def _named(self, figure_name: str) -> str:
        return f"{figure_name}@{self._size}"

    def _intake(self) -> Iterator[Figure]:
        """A core that takes the snapshot holds operations, rows and a new index at once: its peak is a figure too."""
        began_at = _now()
        self.station.start_core()
        self.station.await_fresh()
        took_s = _now() - began_at
        peak, _ = self.station.memory_mb()
        cpu_s = self.station.cpu_s()
        self.station.stop()
        bare, _ = bare_memory_mb()
        yield from figure(self._named("intake"), took_s, "s", 1, Rival("of it the processor's", cpu_s))
        yield from figure(self._named("core_memory_intake_peak"), peak, "MB", 1, Rival(_BARE_IMPORT, bare))
        yield from self._backroom("intake", bare)

    def _backroom(self, what: str, bare: float) -> Iterator[Figure]:
        """The most memory that the core's second process took the last time; none was needed for a small list."""
        if peaks := _OUT_OF_THE_BACK_ROOM.findall(self.station.log()):
            alone = Rival(_BARE_IMPORT, bare)
            yield from figure(self._named(f"backroom_memory_{what}_peak"), float(peaks[-1]), "MB", 1, alone)

    def _come(self, number: int) -> list[Zone]:
        """The next travellers."""
        come = list(islice(self._arrivals, number))
        if len(come) < number:
            raise DemoFailed("The crowd is too small for so many crossings: give more persons, or fewer crossings.")
        return come

    def _starts(self, reader: Pty) -> Iterator[Figure]:
        """Process start to first verdict, of persons who are sought; the core of the last start stays."""
        took, checked = [], []
        for zone in self._come(2 * _STARTS)[::2]:
            self.station.stop()
            began_at = _now()
            self.station.start_core()
            with self.station.visit(timeout_s=None) as visitor:
                took.append(self._first(reader, Ear(visitor), zone) - began_at)
            while self.station.status()["mirror"]["state"] != "FRESH":
                if _now() - began_at > _FIRST_PATIENCE_S:
                    raise DemoFailed(f"The notices were not found whole:\n{self.station.log()[-2000:]}")
                time.sleep(_LOOK_AGAIN_S)
            checked.append(_now() - began_at)
        yield from figure(
            self._named("first_verdict"),
            statistics.median(took),
            "s",
            len(took),
            Rival("python -c pass", bare_start_s("pass")),
            Rival("a bare import of the core", bare_start_s(_CORE_IMPORTS)),
        )
        first = Rival("to the first STOP or CHECK", statistics.median(took))
        yield from figure(self._named("may_clear"), statistics.median(checked), "s", len(checked), first)

    def _first(self, reader: Pty, ear: Ear, zone: Zone) -> float:
        """When the first STOP or CHECK was heard.

        The line may not be open yet, and what is sent to a closed port is lost: the document is laid down again.
        """
        deadline = _now() + _FIRST_PATIENCE_S
        while _now() < deadline:
            reader.write(zone_frame(zone))
            try:
                heard_at, verdict = ear.heard.get(timeout=0.25)
            except queue.Empty:
                continue
            if verdict["word"] in ("STOP", "CHECK"):
                return heard_at
        raise DemoFailed(f"The core stopped nobody who is sought:\n{self.station.log()[-2000:]}")

    def _cross(self, reader: Pty, ear: Ear) -> Iterator[Figure]:
        zones = self._come(self._crossings)
        for zone in zones:
            self.timings.cross(reader, ear, zone)
            time.sleep(_BETWEEN_CROSSINGS_S)
        commits = bare_commits_ms(self.station.folder, len(zones))
        computed = [len(zone_frame(zone)) * BITS_A_BYTE / BAUD * 1e3 for zone in zones]
        wire = [_paced_ms(reader, ear, zone) for zone in self._come(_PACED)]
        words = ", ".join(f"{number} {word}" for word, number in self.timings.words.most_common())
        (row,) = figure(self._named("crossings"), len(zones), "crossings", len(zones))
        yield {**row, "against": words}
        yield from p50_p99(
            self._named("verdict"),
            self.timings.verdicts,
            "ms",
            ("a TD3 frame at 9600 baud, computed", computed),
            ("a TD3 frame at 9600 baud, simulated", wire),
        )
        if self.timings.alerts:
            bare = ("a bare SQLCipher insert and commit, synchronous=FULL", commits)
            yield from p50_p99(self._named("alert"), self.timings.alerts, "ms", bare)

    def _cross_scanned(self, reader: Pty, portal: Portal, ear: Ear) -> Iterator[Figure]:
        scanned = Timings()
        for zone in self._come(max(2, self._crossings // _PORTAL_SHARE)):
            passing = threading.Thread(target=portal.passage, kwargs={"seconds": 1.0}, name="passage")
            passing.start()
            scanned.cross(reader, ear, zone)
            passing.join()
        alone = ("lane without a portal", self.timings.verdicts)
        yield from p50_p99(self._named("verdict_beside_portal"), scanned.verdicts, "ms", alone)

    def _cross_meanwhile(self, reader: Pty, ear: Ear, crowd: Crowd) -> Iterator[Figure]:
        """A running core holds its old index while it builds the new one, and both ask for the same processor.

        The slowest of some deltas counts, and the verdicts of all of them: while one is taken few travellers come.
        """
        took_s, meanwhile = [], Timings()
        for _ in range(_DELTAS):
            self._change(crowd, _DELTA)
            took_s.append(self._bring(reader, ear, meanwhile, self._taken()))
        every = Rival("the core looks into the spool every", LOOK_EVERY_S)
        yield from figure(self._named("delta_searchable"), max(took_s), "s", len(took_s), every)
        alone = ("nothing to take", self.timings.verdicts)
        yield from p50_p99(self._named("verdict_during_intake"), meanwhile.verdicts, "ms", alone)
        peak, _ = self.station.memory_mb()
        bare, _ = bare_memory_mb()
        yield from figure(self._named("core_memory_delta_peak"), peak, "MB", 1, Rival(_BARE_IMPORT, bare))

    def _change(self, crowd: Crowd, number: int) -> None:
        """Headquarters changes so many notices and publishes that on a stick."""
        notices = islice((one for one in crowd.records if "notice_type" in one), number)
        self._changes += 1
        self.station.take_notices({**one, "summary": f"Changed by headquarters, {self._changes}."} for one in notices)
        self._publish()

    def _publish(self) -> None:
        self.station.hq("publish")
        self.station.hq("courier", "export", str(self._stick))

    def _taken(self) -> Callable[[], bool]:
        """Asks whether the core holds another step than now."""
        held = self.station.serials()
        return lambda: self.station.serials() != held

    def _bring(self, reader: Pty, ear: Ear, meanwhile: Timings, over: Callable[[], bool]) -> float:
        """Travellers cross while the stick is read and until it is over; seconds since its last file had come."""
        over_at = None
        with ThreadPoolExecutor(1) as hand:
            bringing = hand.submit(self.station.booth, "courier", "import", str(self._stick))
            while over_at is None or not bringing.done():
                meanwhile.cross(reader, ear, *self._come(1))
                time.sleep(_BETWEEN_CROSSINGS_S)
                if over_at is None and over():
                    over_at = _now()
                if bringing.done():
                    bringing.result()  # what it has to complain of
        return over_at - self._came_at()

    def _came_at(self) -> float:
        """When the publication's last file was written to the spool."""
        file = self.station.folder / "spool" / "in" / METADATA_FOLDER / TIMESTAMP_FILE
        return _now() - (time.time() - file.stat().st_mtime)  # noqa: TID251 - files are dated by this clock

    def _cross_merging(self, reader: Pty, ear: Ear, crowd: Crowd) -> Iterator[Figure]:
        """A delta so large that the core makes its index anew, as it does by itself once enough has come."""
        if self._size < _GROWN_LEAST:
            return  # so few are never merged
        self._change(crowd, max(_GROWN_LEAST, int(_GROWN_SHARE * self._size)))
        meanwhile, cpu_s = Timings(), self.station.cpu_s()
        took_s = self._bring(reader, ear, meanwhile, lambda: _MERGED in self.station.log())
        cpu_s = self.station.cpu_s() - cpu_s
        yield from figure(self._named("merge"), took_s, "s", 1, Rival("of it the processor's, travellers too", cpu_s))
        alone = ("nothing to merge", self.timings.verdicts)
        yield from p50_p99(self._named("verdict_during_merge"), meanwhile.verdicts, "ms", alone)
        peak, _ = self.station.memory_mb()
        bare, _ = bare_memory_mb()
        yield from figure(self._named("core_memory_merge_peak"), peak, "MB", 1, Rival(_BARE_IMPORT, bare))
        yield from self._backroom("merge", bare)

    def _cross_anew(self, reader: Pty, ear: Ear, crowd: Crowd) -> Iterator[Figure]:
        """The whole list replaces the one that serves: what a booth takes that was away for too long."""
        if self._size < _GROWN_LEAST:
            return  # so few are taken at once
        self._publish_anew(crowd)
        done, taken = self._rooms_done(), self._taken()
        applied_at: list[float] = []

        def searched() -> bool:
            if not applied_at and self._rooms_done() > done:
                applied_at.append(_now())
            return taken()

        meanwhile, cpu_s = Timings(), self.station.cpu_s()
        took_s = self._bring(reader, ear, meanwhile, searched)
        applied_s = applied_at[0] - self._came_at() if applied_at else took_s
        cpu_s = self.station.cpu_s() - cpu_s
        cost = Rival("the processor's till it was searched, travellers too", cpu_s)
        yield from figure(self._named("snapshot_applied"), applied_s, "s", 1, cost)
        yield from figure(self._named("snapshot_searchable"), took_s, "s", 1, cost)
        alone = ("nothing to take", self.timings.verdicts)
        yield from p50_p99(self._named("verdict_during_snapshot"), meanwhile.verdicts, "ms", alone)
        peak, _ = self.station.memory_mb()
        bare, _ = bare_memory_mb()
        yield from figure(self._named("core_memory_snapshot_peak"), peak, "MB", 1, Rival(_BARE_IMPORT, bare))
        if applied_at:
            yield from self._backroom("snapshot", bare)

    def _rooms_done(self) -> int:
        return len(_OUT_OF_THE_BACK_ROOM.findall(self.station.log()))

    def _publish_anew(self, crowd: Crowd) -> None:
        """A change that this booth misses, then another booth's revocation: no delta leads to the new epoch."""
        other = self.station.folder / f"{_OTHER_BOOTH}.enrol"
        other.write_bytes(encode(keys.make(self.station.folder / "other", _OTHER_BOOTH, "ZZ")))
        self.station.hq("booths", "enrol", str(other), "--out", str(self.station.folder))
        notice = next(one for one in crowd.records if "notice_type" in one)
        self.station.take_notices([{**notice, "summary": "Changed while the booth was away."}])
        self.station.hq("publish")
        self.station.hq("booths", "revoke", _OTHER_BOOTH, "--yes")
        self._publish()

    def _memory(self) -> Iterator[Figure]:
        bare_peak, bare_own = bare_memory_mb()
        peak, own = self.station.memory_mb()
        yield from figure(self._named("core_memory_peak"), peak, "MB", 1, Rival(_BARE_IMPORT, bare_peak))
        yield from figure(self._named("core_memory_own"), own, "MB", 1, Rival(_BARE_IMPORT, bare_own))


def bare_start_s(code: str, times: int = _STARTS) -> float:
    """Median seconds of a Python that runs `code` and ends; the first run only warms the disk's cache."""
    took = []
    for _ in range(times + 1):
        began_at = _now()
        subprocess.run([sys.executable, "-c", code], check=True)
        took.append(_now() - began_at)
    return statistics.median(took[1:])


def bare_memory_mb() -> tuple[float, float]:
    """What a Python takes that only imports what the core imports: peak and own memory in MB."""
    code = f"{_CORE_IMPORTS}; print(open('/proc/self/status').read())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return memory_mb(done.stdout)


def bare_commits_ms(folder: Path, times: int) -> list[float]:
    """Milliseconds of inserts of an alert's size, each a commit of its own, as the ledger's file is kept."""
    took = []
    body = os.urandom(_ALERT_BYTES)
    with closing(Store.open(folder / "bare.db", os.urandom(32), StoreSettings(), _NO_TABLES)) as store:
        store.run("CREATE TABLE record (number INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")
        for _ in range(times):
            began_at = _now()
            store.run("INSERT INTO record (body) VALUES (?)", (body,))
            took.append((_now() - began_at) * 1e3)
    return took


def _paced_ms(reader: Pty, ear: Ear, zone: Zone) -> float:
    """How long the simulated wire takes for a frame."""
    began_at = _now()
    DocumentReader(reader, BAUD).present(zone)
    took = (_now() - began_at) * 1e3
    ear.next()
    return took


def _now() -> float:
    return time.perf_counter()
