"""What the watchdog hears of real parts: one that rests or fails moves, one that is blocked does not."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from failsafe.agent import keys
from failsafe.agent.demo.house import program
from failsafe.agent.recorder import Recorder
from failsafe.drivers import cute
from failsafe.drivers.line import LineState, SerialLine
from failsafe.drivers.simulator import DocumentReader, Pty
from failsafe.drivers.specimens import td3
from failsafe.sync import rounds
from failsafe.sync.ledger import Ledger
from failsafe.sync.link import Settings
from failsafe.sync.service import Pulse

PATIENCE_S = 60.0
ZONE = td3("SAMPLE", "ANNA", "AA0000001", "FRA", "740812", "F", "310101")


def await_true(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not look():
        assert time.monotonic() < deadline, f"never came to {what}"
        time.sleep(0.01)


def assert_moves(turns: Callable[[], int]) -> None:
    before = turns()
    await_true(lambda: turns() > before, "another turn")


# --- the ledger's thread ---------------------------------------------------------------------------------------


@contextmanager
def recording(path: Path) -> Iterator[Recorder]:
    recorder = Recorder(lambda: Ledger.open(path, bytes(32)))
    recorder.start()
    try:
        yield recorder
    finally:
        recorder.stop()


def test_a_ledger_without_work_moves(tmp_path):
    with recording(tmp_path / "ledger.db") as recorder:
        assert_moves(lambda: recorder.turns)


def test_a_ledger_that_cannot_write_moves(tmp_path):
    """A full disk is no standstill: it shows on the page, and a new start would not mend it."""
    with recording(tmp_path / "missing" / "ledger.db") as recorder:
        recorder.submit(lambda ledger: None)
        assert recorder.begun.wait(PATIENCE_S), "what is broken has begun, too: the service is ready and says so"
        assert recorder.fault is not None
        assert_moves(lambda: recorder.turns)


def test_a_blocked_ledger_does_not_move(tmp_path):
    entered, go_on = threading.Event(), threading.Event()

    def block(_ledger: Ledger) -> None:
        entered.set()
        go_on.wait(PATIENCE_S)

    with recording(tmp_path / "ledger.db") as recorder:
        recorder.submit(block)
        assert entered.wait(PATIENCE_S)
        pulse = Pulse({"ledger": recorder.turns}, 0.0)
        assert pulse.look({"ledger": recorder.turns}, 30.0).still == {"ledger": 30.0}
        go_on.set()
        await_true(lambda: pulse.look({"ledger": recorder.turns}, 31.0).feed, "a ledger that moves again")


# --- a serial line's thread ------------------------------------------------------------------------------------


@contextmanager
def lining(port: Path, deliver: Callable[[object], None] = lambda reading: None) -> Iterator[SerialLine]:
    opened = threading.Event()

    def report(state: LineState) -> None:
        if state.state == "OK":
            opened.set()

    line = SerialLine("reader", str(port), cute.DRIVER, deliver=deliver, report=report)
    line.start()
    if port.exists():
        assert opened.wait(PATIENCE_S), "what is said before the port is open is lost"
    try:
        yield line
    finally:
        line.stop()


def test_a_line_without_its_device_moves(tmp_path):
    with lining(tmp_path / "nowhere") as line:
        assert_moves(lambda: line.turns)


def test_a_silent_line_moves(tmp_path):
    with Pty(tmp_path / "reader") as pty, lining(pty.link) as line:
        assert_moves(lambda: line.turns)


def test_a_line_whose_reading_nobody_takes_does_not_move(tmp_path):
    entered, go_on = threading.Event(), threading.Event()

    def deliver(_reading: object) -> None:
        entered.set()
        go_on.wait(PATIENCE_S)

    with Pty(tmp_path / "reader") as pty, lining(pty.link, deliver) as line:
        DocumentReader(pty, None).present(ZONE)
        assert entered.wait(PATIENCE_S)
        pulse = Pulse({"reader": line.turns}, 0.0)
        assert not pulse.look({"reader": line.turns}, 30.0).feed
        go_on.set()
        assert_moves(lambda: line.turns)


# --- the link ------------------------------------------------------------------------------------------------


def link_in(folder: Path) -> rounds.Link:
    settings = Settings(
        url="https://127.0.0.1:9",
        booth="ZZ-TEST-01",
        feeds=("base",),
        spool=folder / "spool",
        state=folder / "link",
        key=folder / "link-tls.key",
        certificate=None,
        root_sha256="",
        refresh_every_s=600.0,
    )
    return rounds.Link(settings)


def test_a_link_that_waits_for_its_welcome_moves(tmp_path):
    async def run() -> None:
        link = link_in(tmp_path)
        working = asyncio.create_task(link.work())
        pulse = Pulse(link.turns(), 0.0)
        async with asyncio.timeout(PATIENCE_S):
            while not pulse.look(link.turns(), 1.0).feed:
                await asyncio.sleep(0.01)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    asyncio.run(run())


def test_a_round_is_blocked_when_not_a_byte_comes(tmp_path):
    link = link_in(tmp_path)
    link._refreshing = True

    def moves(received: int, now: float) -> bool:
        before = link.turns()["notices"]
        link._count_round(received, now)
        return link.turns()["notices"] > before

    began = link._received[1]
    assert moves(10, began + 1)
    assert moves(10, began + rounds._SILENT_ROUND_S)
    assert not moves(10, began + rounds._SILENT_ROUND_S + 2)
    assert moves(11, began + rounds._SILENT_ROUND_S + 3), "a slow line is no blocked one"
    link._refreshing = False
    assert moves(11, began + 9 * rounds._SILENT_ROUND_S), "a link with nothing to fetch rests"


# --- the core as a service -------------------------------------------------------------------------------------


class Managed:
    """The core started as systemd starts it: the page's socket as descriptor 3, and somebody who hears what it says."""

    def __init__(self, folder: Path, name: str = "page") -> None:
        self._folder = folder
        (folder / "booth.toml").write_text(
            f"""
            booth = {{id = "ZZ-TEST-01", country = "ZZ", crossing_point = "Invented Gate"}}
            folders = {{state = "{folder}/state", spool = "{folder}/spool", keys = "{folder}/keys"}}
            core = {{socket = "{folder}/core.sock"}}
            lanes = [{{name = "1", radiation = "none"}}]
            readers = [{{name = "passport-1", lane = "1", driver = "cute", port = "{folder}/nowhere"}}]
            """
        )
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.settimeout(PATIENCE_S)
        self.manager.bind(str(folder / "notify"))
        self.page = socket.create_server(("127.0.0.1", 0))
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "24000000",  # a lost line turns each five seconds
            "LISTEN_FDS": "1",
            "LISTEN_FDNAMES": name,
        }
        command = f"exec {program('failsafe')} run --config {folder}/booth.toml"
        number = self.page.fileno()
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec 3<&{number}; export LISTEN_PID=$$; {command}"],
            env=environment,
            pass_fds=[number],
            stderr=subprocess.PIPE,
            text=True,
        )

    def hear(self, wanted: str) -> str:
        """The next message that begins with `wanted`."""
        while not (message := self.manager.recv(4096).decode()).startswith(wanted):
            pass
        return message

    def get(self, path: str) -> bytes:
        port = self.page.getsockname()[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as answer:
            body: bytes = answer.read()
            return body

    def end(self) -> str:
        """What it said on standard error."""
        self.process.terminate()
        _, said = self.process.communicate(timeout=PATIENCE_S)
        self.manager.close()
        self.page.close()
        return said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.make(tmp_path / "keys", "ZZ-TEST-01", "ZZ")
    (tmp_path / "spool" / "in").mkdir(parents=True)
    return tmp_path


def test_a_core_is_ready_fed_and_serves_the_page_it_was_given(folder):
    core = Managed(folder)
    try:
        assert "STATUS=CANNOT CLEAR. No notices are held." in core.hear("READY=1")
        assert json.loads(core.get("/healthz"))["ok"] is True
        core.hear("WATCHDOG=1")
        core.process.terminate()
        core.hear("STOPPING=1")
        assert core.process.wait(PATIENCE_S) == 0
    finally:
        core.end()


def test_a_core_with_a_damaged_mirror_is_ready_and_clears_nobody(folder):
    (folder / "state").mkdir()
    (folder / "state" / "mirror.db").write_bytes(os.urandom(8192))
    core = Managed(folder)
    try:
        assert "STATUS=CANNOT CLEAR." in core.hear("READY=1")
    finally:
        core.end()


def test_a_core_that_cannot_record_is_ready_and_says_so(folder):
    (folder / "state").mkdir()
    (folder / "state" / "ledger.db").mkdir()
    core = Managed(folder)
    try:
        assert re.search(r"STATUS=CANNOT CLEAR\..*The ledger cannot record\.", core.hear("READY=1"))
    finally:
        core.end()


def test_a_socket_of_another_name_is_not_taken_for_the_page(folder):
    core = Managed(folder, name="booths")
    try:
        assert core.process.wait(PATIENCE_S) == 1
    finally:
        said = core.end()
    assert "no socket named `page`" in said
