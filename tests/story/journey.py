"""A booth for whole journeys: the demonstration's house with its devices, and an ear at each place it speaks from."""

from __future__ import annotations

import http.client
import json
import queue
import random
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from failsafe.agent.control import CoreUnreachable
from failsafe.agent.demo.house import BOOTH, DemoFailed, House, Windows, program
from failsafe.drivers.simulator import DocumentReader, Portal, Pty
from failsafe.drivers.specimens import td3
from failsafe.sync import courier
from failsafe.sync.ledger import Ledger
from failsafe.sync.mirror import Counts, Mirror
from failsafe.sync.records import METADATA_FOLDER, TIMESTAMP_FILE, WELCOME_FILE
from failsafe.sync.reports import Alert, HealthChange, Measurement
from failsafe.sync.spool import Spool

PATIENCE_S = 60.0
LOOK_AGAIN_S = 0.03
PASSPHRASE_FILE = "passphrase"  # of the offline keys of an invented headquarters
WINDOWS = Windows(before_s=0.2, after_s=2.5)
PACE = 0.05  # the portal's seconds in ours; its passages then take about 0.1 s

Event = dict[str, Any]
Told = Mapping[str, Any]


def free_port() -> int:
    """A port that nobody listens on now, below those that systems give to who connects: nobody takes it meanwhile."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wanted(number: int) -> tuple[str, str]:
    """The zone of the subject of a notice, each time on another document, so that each is a crossing of its own."""
    return td3("EXAMPLOV", "TESTIMIR", f"GE{number:07}", "GEO", "690417", "M", "310101")


def innocent(number: int) -> tuple[str, str]:
    """The zone of an invented person about whom there is no notice."""
    return td3("SAMPLE", "ANNA", f"AA{number:07}", "FRA", "740812", "F", "310101")


class Listener:
    """Hears every verdict of one run of the core, until that run ends."""

    def __init__(self, house: House) -> None:
        self._visitor = house.visit(timeout_s=None)
        self._visitor.tell("verdicts")
        self._visitor.next()  # ready: nothing issued from here on is missed
        self._fresh: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.heard: list[Event] = []
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            while True:
                event = self._visitor.next()
                self.heard.append(event)
                self._fresh.put(event)
        except (CoreUnreachable, ValueError, OSError):
            pass  # the core ended; what it had sent before was read

    def await_verdict(self, holds: Callable[[Event], bool], what: str) -> Event:
        """The first verdict not yet looked at of which `holds` is true; those before it count as looked at."""
        deadline = time.monotonic() + PATIENCE_S
        passed: list[str] = []
        while True:
            try:
                event = self._fresh.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"No verdict came that is {what}; there came {passed}.") from None
            if holds(event):
                return event
            passed.append(f"{event['word']} {event['notes']}")

    def catch_up(self) -> list[Event]:
        """The verdicts that came and were not yet looked at."""
        events: list[Event] = []
        while not self._fresh.empty():
            events.append(self._fresh.get())
        return events

    def close(self) -> None:
        """Stop listening."""
        self._visitor.__exit__()
        self._thread.join()

    def drain(self) -> list[Event]:
        """After the core's end: everything it said before."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the core is gone and its socket still open"
        self._visitor.__exit__()
        return self.heard


class Page:
    """The officer's page as a browser hears it."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def token(self) -> str:
        """What stands in the HTML and must come back with the event stream."""
        found = re.search(rb'name="page-token" content="([^"]+)"', self.get("/")[1])
        assert found is not None, "the page's HTML holds no token"
        return found[1].decode()

    def views(self) -> Iterator[Told]:
        """The views that the event stream brings, until the caller leaves it."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        try:
            connection.request("GET", f"/events?token={self.token()}")
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            name = b""
            while line := answer.readline():
                field, _, value = line.rstrip(b"\n").partition(b": ")
                if field == b"event":
                    name = value
                elif field == b"data" and name == b"view":
                    yield json.loads(value)
        finally:
            connection.close()

    def await_view(self, holds: Callable[[Told], bool], what: str) -> Told:
        """The first view of which `holds` is true."""
        deadline = time.monotonic() + PATIENCE_S
        for view in self.views():
            if holds(view):
                return view
            assert time.monotonic() < deadline, f"The page never showed {what}; its head: {view['header']}"
        raise AssertionError(f"The event stream ended before it showed {what}.")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a booth holds at one moment, read from its own files beside it."""

    serials: Mapping[str, int]
    counts: Counts
    metadata: Mapping[str, bytes]
    floors: Mapping[str, object]
    alerts: tuple[Alert, ...]
    health: tuple[HealthChange, ...]
    measurements: tuple[Measurement, ...]
    records: int  # of every kind


class Journey(House):
    """One booth, with headquarters beside it, in a folder of its own."""

    def __init__(self, folder: Path, windows: Windows = WINDOWS) -> None:
        super().__init__(folder, free_port(), windows)
        self.page = Page(self.port)
        self._listener: Listener | None = None
        self._stack = ExitStack()
        self._number = 0

    @classmethod
    def begin(cls, founded: Journey, folder: Path, windows: Windows = WINDOWS) -> Self:
        """A booth that stands where `founded` stands, and goes its own way from there."""
        for name in ("hq", "keys", "state", "spool", "stick", "old-stick"):
            shutil.copytree(founded.folder / name, folder / name)
        shutil.copy(founded.folder / f"{BOOTH}.welcome.json", folder)
        (folder / "core.log").touch()
        journey = cls(folder, windows)
        journey._hq_environment = dict(founded._hq_environment)
        journey.root_sha256 = json.loads((folder / f"{BOOTH}.welcome.json").read_bytes())["root_sha256"]
        journey.configure(journey.root_sha256)
        return journey

    def put_down(self) -> None:
        """Leave it as it stands, to be begun from by whoever looks at it again."""
        self.end()
        (self.folder / "core.log").unlink()
        (self.folder / PASSPHRASE_FILE).write_text(self._hq_environment["FAILSAFE_HQ_PASSPHRASE"])

    @classmethod
    def at(cls, folder: Path) -> Self:
        """What was put down there, perhaps by another worker of this run."""
        journey = cls(folder)
        journey._hq_environment["FAILSAFE_HQ_PASSPHRASE"] = (folder / PASSPHRASE_FILE).read_text()
        return journey

    def end(self) -> None:
        """End everything that was started, whatever state it is in."""
        with self._stack:
            if self._listener is not None:
                self._listener.close()
                self._listener = None
            self.stop()

    # --- the core ------------------------------------------------------------------------------------------------

    def start_core(self) -> None:
        """Start it, and listen to it."""
        super().start_core()
        self._listener = Listener(self)

    def start_core_behind(self, *before: str) -> None:
        """Start it by another program, which must become it by exec."""
        self.launch(*before)
        await_true(lambda: self.listen_if_open() is not None, "an answering core")

    def launch(self, *before: str) -> None:
        """Start it and do not wait."""
        with (self.folder / "core.log").open("ab") as log:
            self.core = subprocess.Popen([*before, *self.core_command()], stdout=log, stderr=log)

    def listen_if_open(self) -> Event | None:
        """Listen to the core if it answers by now; the first it says of itself."""
        assert self.is_alive(), f"the core ended:\n{self.log()[-2000:]}"
        try:
            self._listener = Listener(self)
            return self.status()
        except CoreUnreachable:
            self._forget_listener()
            return None

    def core_command(self) -> list[str]:
        return [program("failsafe"), "run", "--config", str(self.configuration)]

    def stop_core(self) -> None:
        """End the core as systemd would, and go on without it."""
        self.stop()
        self._forget_listener()

    def cut_down(self) -> list[Event]:
        """kill -9; every verdict that had left the core before."""
        self.kill_core()
        listener, self._listener = self._listener, None
        return listener.drain() if listener is not None else []

    def _forget_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    @property
    def listener(self) -> Listener:
        assert self._listener is not None, "the core was not started"
        return self._listener

    def told(self) -> Event:
        """What `failsafe status --json` prints."""
        answer: Event = json.loads(self.booth("status", "--json"))
        return answer

    def is_open(self) -> bool:
        """Whether somebody listens to a living core."""
        return self._listener is not None and self.is_alive()

    def is_alive(self) -> bool:
        return self.core is not None and self.core.poll() is None

    # --- devices -------------------------------------------------------------------------------------------------

    def plug_in(self) -> None:
        """Both devices, the portal talking."""
        self.reader = DocumentReader(self._stack.enter_context(Pty(self.reader_port)), baud=None)
        self.portal_line = self._stack.enter_context(Pty(self.portal_port))
        self.new_portal()

    def new_portal(self) -> Portal:
        """A portal that talks at the portal's plug; the one before must have been stopped."""
        self.portal = Portal(self.portal_line, pace=PACE)
        self._stack.callback(self.portal.stop)
        self.portal.start()
        return self.portal

    def device(self, name: str) -> Event:
        """What the core says of one device."""
        return next(one for one in self.status()["detectors"] if one["name"] == name)

    def await_device(self, name: str, *states: str) -> Event:
        """The same, once its state is one of `states`."""
        await_true(lambda: self.device(name)["state"] in states, f"{name} in {states}")
        return self.device(name)

    # --- travellers ----------------------------------------------------------------------------------------------

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def meet_wanted(self) -> Event:
        """The subject of a notice lays down a document never seen before; the verdict that raised the alert."""
        self.reader.present(wanted(self.next_number()))
        return self.listener.await_verdict(lambda verdict: bool(verdict["alerts"]), "an alert")

    def meet_innocent(self) -> Event:
        """A person about whom there is nothing; the first verdict of that crossing."""
        known = {verdict["crossing"] for verdict in self.listener.heard}
        self.reader.present(innocent(self.next_number()))
        return self.listener.await_verdict(lambda verdict: verdict["crossing"] not in known, "of a new crossing")

    def clear_innocent(self) -> Event:
        """The same, who then goes through the portal and is cleared.

        Of the crossing before, another verdict may come late: theirs is the one that is new and CLEAR.
        """
        known = {verdict["crossing"] for verdict in self.listener.heard}
        first = self.meet_innocent()
        if first["word"] == "CLEAR":  # on a passage that ended just before
            return first
        self.portal.passage(seconds=1.0)
        return self.listener.await_verdict(
            lambda verdict: verdict["word"] == "CLEAR" and verdict["crossing"] not in known, "CLEAR"
        )

    def verdicts_go_on(self) -> None:
        """A hit is stopped and recorded, an innocent is cleared."""
        hit = self.meet_wanted()
        assert (hit["word"], hit["recorded"]) == ("STOP", True)
        assert self.clear_innocent()["actions"] == ["PROCEED"]

    # --- publications --------------------------------------------------------------------------------------------

    def spool(self) -> Spool:
        return Spool(self.folder / "spool" / "in")

    def empty_spool(self) -> None:
        """Take everything out but welcome and timestamp: while those stay, the core sees no reason to look again."""
        spool = self.spool()
        for name in spool.names():
            if name not in (WELCOME_FILE, f"{METADATA_FOLDER}/{TIMESTAMP_FILE}"):
                spool.remove(name)

    def bring(self, stick: Path) -> None:
        """Import a stick by the command a courier uses."""
        self.booth("courier", "import", str(stick))

    def bring_quickly(self, stick: Path) -> None:
        """The same without a process for it."""
        courier.import_folder(stick, self.spool(), BOOTH)

    def refusals(self) -> list[str]:
        """The log's lines about publications that were refused."""
        return [line for line in self.log().splitlines() if 'event="publication refused"' in line]

    def await_refusal(self, bring: Callable[[], None]) -> str:
        """Have a publication brought; the line by which the log refuses it."""
        before = len(self.refusals())
        bring()
        await_true(lambda: len(self.refusals()) > before, "a refusal in the log")
        return self.refusals()[before]

    # --- its files -----------------------------------------------------------------------------------------------

    def key(self, name: str) -> bytes:
        return (self.folder / "keys" / f"{name}.key").read_bytes()

    @contextmanager
    def open_mirror(self, state: Path | None = None) -> Iterator[Mirror]:
        with Mirror.open((state or self.folder / "state") / "mirror.db", self.key("mirror")) as mirror:
            yield mirror

    @contextmanager
    def open_ledger(self, state: Path | None = None) -> Iterator[Ledger]:
        with Ledger.open((state or self.folder / "state") / "ledger.db", self.key("ledger")) as ledger:
            yield ledger

    def set_down(self, state: Path, copy: Path) -> Path:
        """A copy of both databases as they lie there, to be examined without touching what the core will find."""
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for name in ("mirror.db", "ledger.db", "mirror.db-wal", "ledger.db-wal"):
            if (state / name).exists():
                shutil.copy(state / name, copy / name)
        return copy

    def kept(self, state: Path | None = None) -> Kept:
        """What mirror and ledger hold, after both were examined from end to end."""
        with self.open_mirror(state) as mirror, self.open_ledger(state) as ledger:
            mirror.check()
            records = ledger.verify()
            bodies = [entry.body for entry in ledger.entries()]
            return Kept(
                serials={feed: floor.serial for feed, floor in mirror.floors().items()},
                counts=mirror.counts(),
                metadata=mirror.held_metadata(),
                floors=ledger.floors(),
                alerts=tuple(body for body in bodies if isinstance(body, Alert)),
                health=tuple(body for body in bodies if isinstance(body, HealthChange)),
                measurements=tuple(body for body in bodies if isinstance(body, Measurement)),
                records=records,
            )


def await_true(holds: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Return once `holds`; what a process of its own does can only be asked for again and again."""
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            raise DemoFailed(f"In {patience_s} s there came no sign of {what}.")
        time.sleep(LOOK_AGAIN_S)
