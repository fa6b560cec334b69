"""An alert's way in figures: from the verdict into the outgoing tray, and on to the command centre's page.

A real core with a real reader's line, the real link, and headquarters' server, each a process of its own on loopback.
The tray is filled first without a link, alert after alert; then each alert goes its whole way before the next is
raised, since a queue's figures would only tell how long it was.
"""

from __future__ import annotations

import contextlib
import os
import queue
import random
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import cycle, islice
from pathlib import Path

import httpx
import msgspec

from failsafe.agent.commands import bench
from failsafe.agent.commands.figures import Figure, Rival, figure, p50_p99, quantile
from failsafe.agent.demo.house import DemoFailed
from failsafe.agent.demo.station import Crowd, Ear, Station, Timings, Zone
from failsafe.drivers.simulator import Portal, Pty
from failsafe.hq.ccc.stream import Push
from failsafe.hq.ccc.view import AlertLine
from failsafe.sync import envelope
from failsafe.sync.ledger import Ledger
from failsafe.sync.records import HqKeys, encode
from failsafe.sync.reports import ALERTS_FOLDER, alert_file
from failsafe.sync.spool import Spool
from tests import publishing
from tests.bench.crowd import gather
from tests.bench.line import body_of, open_headquarters, post, second_booth
from tests.bench.parts import alert, each_us

BOOTH = "ZZ-BENCH-01"
_ONE_IN = 5  # so many verdicts are only laid out for each alert that goes its whole way
_GAP_S = 0.03
_POLL_S = 0.0005
_COARSE_NS = 20_000_000
_PATIENCE_S = 20.0
_TOKEN = re.compile(r'name="page-token" content="([^"]+)"')
_BARE = "a bare SQLCipher insert and commit, synchronous=FULL"


def figures(folder: Path, persons: int, crossings: int) -> Iterator[Figure]:
    """The tray alone, then a whole booth with its headquarters; everything lies in `folder`."""
    commits = bench.bare_commits_ms(folder, crossings)
    yield from _tray_alone(folder, crossings, commits)
    with ExitStack() as stack:
        station = Station(folder, bench.free_port())
        stack.callback(station.stop)
        yield from _Day(station, gather(None, persons, persons), stack).figures(crossings, commits)


# --- the tray alone ------------------------------------------------------------------------------------------------


def _tray_alone(folder: Path, number: int, commits: Sequence[float]) -> Iterator[Figure]:
    """The three steps of laying out, and with the ledger's commit before them, one after another in one thread."""
    alerts = [alert(each) for each in range(number)]
    signing, public = os.urandom(32), _headquarters_keys(folder / "keys-only")
    out = Spool(folder / "tray")
    out.root.mkdir()
    with closing(Ledger.open(folder / "tray.db", os.urandom(32))) as ledger:
        committed_us = each_us(ledger.append, alerts)

        def lay_out(entry_id: str) -> None:
            entry = ledger.entry(entry_id)
            assert entry is not None
            closed = encode(envelope.close(entry, "urgent", BOOTH, signing, public))
            out.write(alert_file("urgent", entry.sequence, entry_id), ledger.keep_sealed(entry_id, closed))

        laid_out_us = each_us(lay_out, [one.id for one in alerts])
    laid_out = [us / 1e3 for us in laid_out_us]
    both = [(first + second) / 1e3 for first, second in zip(committed_us, laid_out_us, strict=True)]
    yield from p50_p99("seal_keep_write", laid_out, "ms", (_BARE, commits))
    yield from p50_p99("commit_seal_keep_write", both, "ms", (_BARE, commits))


def _headquarters_keys(home: Path) -> HqKeys:
    return publishing.Desk(home).keys.hq_keys()


# --- the whole way -------------------------------------------------------------------------------------------------


class _Day:
    """A booth's day: first nothing goes out, then each alert goes its whole way."""

    def __init__(self, station: Station, crowd: Crowd, stack: ExitStack) -> None:
        self._station, self._crowd, self._stack = station, crowd, stack
        self._chance = random.Random(1)
        self._sought: Iterator[Zone] = cycle(crowd.sought)
        self._tray = station.folder / "spool" / "out" / ALERTS_FOLDER

    def figures(self, crossings: int, commits: Sequence[float]) -> Iterator[Figure]:
        self._open()
        waits = [self._raise()[0] for _ in range(crossings)]
        bare = (_BARE, commits)
        yield from p50_p99("enqueue", waits, "ms", bare)
        self._station.start_link()
        self._await_empty()
        page = Page(self._station.ccc_port)
        self._stack.callback(page.close)
        number = max(2, crossings // _ONE_IN)
        posts = list(islice(self._bare_posts(page), number))
        on_line, whole = zip(*(self._follow(page) for _ in range(number)), strict=True)
        yield from p50_p99("enqueue_with_link", on_line, "ms", bare)
        for share, name in ((0.5, "p50"), (0.95, "p95")):
            alone = Rival(f"a bare post of one alert to its push, {name} of {number}", quantile(posts, share))
            yield from figure(f"verdict_to_ccc_{name}", quantile(whole, share), "s", number, alone)

    def _open(self) -> None:
        station = self._station
        open_headquarters(station, self._crowd.records)
        station.carry()
        _, second, line = (
            self._stack.enter_context(Pty(port))
            for port in (station.reader_port, station.second_port, station.portal_port)
        )
        self._reader = second  # of the lane without a detector: a document alone decides
        portal = Portal(line)
        station.start_core()
        portal.start()
        self._stack.callback(portal.stop)
        station.await_fresh()
        station.await_ready()
        self._ear = Ear(self._stack.enter_context(station.visit(timeout_s=None)))

    def _raise(self) -> tuple[float, float, str]:
        """The next traveller who raises an alert.

        Returns:
            Milliseconds from the verdict to the envelope's file, when the verdict was heard, and the alert's id.
        """
        timings = Timings()
        while True:
            time.sleep(_GAP_S)
            heard_at, verdict = timings.cross(self._reader, self._ear, next(self._sought))
            if verdict["alerts"] and verdict["recorded"]:
                break
        entry_id = str(verdict["alerts"][0]["id"])
        return (self._appeared(entry_id) - heard_at) * 1e3, heard_at, entry_id

    def _appeared(self, entry_id: str) -> float:
        """When the envelope's file was first seen in the tray; a folder whose time stands still is not listed again."""
        deadline = time.perf_counter() + _PATIENCE_S
        looked = -1
        while time.perf_counter() < deadline:
            changed = self._tray.stat().st_mtime_ns if self._tray.is_dir() else -1
            if changed != looked and any(entry_id in file.name for file in self._tray.iterdir()):
                return time.perf_counter()
            # The system's clock of files is coarse: a change within one of its steps may not show, so not for long.
            looked = changed if time.time_ns() - changed > _COARSE_NS else -1
            time.sleep(_POLL_S)
        raise DemoFailed(f"An alert was not laid out:\n{self._station.log()[-2000:]}")

    def _follow(self, page: Page) -> tuple[float, float]:
        """One alert on its whole way: milliseconds to the tray, seconds to the page; nothing waits before it."""
        self._await_empty()
        time.sleep(self._chance.uniform(0.0, 0.5))  # the parts look twice a second and oftener: any moment of theirs
        waited_ms, heard_at, entry_id = self._raise()
        return waited_ms, page.told(entry_id) - heard_at

    def _await_empty(self) -> None:
        self._station.await_status(
            lambda status: status["ledger"]["undelivered"] == 0, "an empty queue", patience_s=60.0
        )

    def _bare_posts(self, page: Page) -> Iterator[float]:
        """Seconds from a bare post of one alert to the page, of another booth and without a spool."""
        sender = second_booth(self._station)
        with sender.line() as line:
            while True:
                (sent,) = sender.seal(1)
                body = body_of([sent])
                time.sleep(self._chance.uniform(0.0, 0.5))
                began_at = time.perf_counter()
                post(line, body)
                yield page.told(sent[1].id) - began_at


class Page:
    """A command centre's page that notes when it is told of an alert.

    Args:
        port: of the page, on loopback.
    """

    def __init__(self, port: int) -> None:
        origin = f"http://127.0.0.1:{port}"
        self._client = httpx.Client(base_url=origin, trust_env=False, timeout=None)
        found = _TOKEN.search(self._client.get("/").raise_for_status().text)
        assert found is not None
        self._headers = {"origin": origin, "x-page-token": found[1], "content-type": "application/json"}
        self._told: queue.SimpleQueue[tuple[float, frozenset[str]]] = queue.SimpleQueue()
        self._answer = self._client.send(
            self._client.build_request("POST", "/events", content=b"{}", headers=self._headers), stream=True
        )
        self._answer.raise_for_status()
        threading.Thread(target=self._listen, name="page", daemon=True).start()

    def close(self) -> None:
        """Close the page."""
        self._client.close()

    def told(self, entry_id: str) -> float:
        """When the page was first told of an alert.

        Raises:
            DemoFailed: it was not.
        """
        deadline = time.perf_counter() + _PATIENCE_S
        while True:
            try:
                at, ids = self._told.get(timeout=max(0.0, deadline - time.perf_counter()))
            except queue.Empty:
                raise DemoFailed("The command centre's page was not told of an alert.") from None
            if entry_id in ids:
                return at

    def _listen(self) -> None:
        with contextlib.suppress(httpx.HTTPError, httpx.StreamError, OSError):
            for text in self._answer.iter_lines():
                at = time.perf_counter()
                if text.startswith("data: ") and (ids := _told(text)):
                    self._told.put((at, ids))


def _told(text: str) -> frozenset[str]:
    """The ids of the alerts that a line of the stream brings; none for a beat."""
    data = text.removeprefix("data: ")
    push = msgspec.json.decode(data, type=Push) if len(data) > len("{}") else None
    lines = push.lines if push is not None else ()
    return frozenset(msgspec.json.decode(bytes(raw), type=AlertLine).alert.id for raw in lines)
