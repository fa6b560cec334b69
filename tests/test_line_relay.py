"""A portal over TCP through its relay: real sockets, the real command, and every way the line can fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from failsafe.agent import line_relay
from failsafe.agent.cli import failsafe
from failsafe.agent.demo.house import program
from failsafe.drivers import driver as drivers
from failsafe.drivers import relayed, tsa
from failsafe.drivers.driver import Driver, LineAbsent, LineDenied, LineLocked
from failsafe.drivers.line import LineState, SerialLine
from failsafe.drivers.reading import Background, Malformed, Reading, Unknown
from failsafe.drivers.relayed import RelayedPort
from tests.tcp_device import TcpDevice

PATIENCE_S = 60.0
BACKGROUND = b"GB,000380,000383,000403,000361\r\n"
NAME = "portal-1"


class Core:
    """The core's end: a line under test, with what it says and what goes over it."""

    def __init__(self, path: Path, driver: Driver = tsa.DRIVER) -> None:
        self.states: queue.Queue[LineState] = queue.Queue()
        self.readings: queue.Queue[Reading] = queue.Queue()
        self.taken: queue.Queue[bytes] = queue.Queue()
        self.line = SerialLine(
            NAME,
            f"unix:{path}",
            driver,
            deliver=self.readings.put,
            report=self.states.put,
            tap=lambda content, from_device: self.taken.put(content) if from_device else None,
        )

    def __enter__(self) -> Core:
        self.line.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.line.stop()

    def until(self, word: str) -> LineState:
        while (state := self.states.get(timeout=PATIENCE_S)).state != word:
            pass
        return state

    def next_background(self) -> Background:
        while not isinstance(reading := self.readings.get(timeout=PATIENCE_S), Background):
            pass
        return reading

    def take(self, length: int) -> bytes:
        taken = b""
        while len(taken) < length:
            taken += self.taken.get(timeout=PATIENCE_S)
        return taken


class Command:
    """`failsafe line`, run as its unit runs it."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.path = folder / NAME / "line.sock"
        self.configuration = folder / "booth.toml"
        self.configuration.write_text(
            f"""
            booth = {{id = "ZZ-TEST-01", country = "ZZ", crossing_point = "Invented Gate"}}
            folders = {{lines = "{folder}"}}
            lanes = [{{name = "1"}}]
            portals = [{{name = "{NAME}", lane = "1", driver = "tsa", address = "{address}"}}]
            """
        )
        self.log = folder / "line.log"
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            words = [program("failsafe"), "line", NAME, "--config", str(self.configuration)]
            return subprocess.Popen(words, stderr=log)

    def start_again(self) -> None:
        self.process = self._started()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(PATIENCE_S)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: the system lets no socket have a long one."""
    with tempfile.TemporaryDirectory(prefix="failsafe-") as made:
        yield Path(made)


@pytest.fixture
def device() -> Iterator[TcpDevice]:
    with TcpDevice() as device:
        yield device


@pytest.fixture
def relay(folder: Path, device: TcpDevice) -> Iterator[Command]:
    command = Command(folder, device.address)
    try:
        device.await_call()
        yield command
    finally:
        command.end()


@pytest.fixture
def core(relay: Command) -> Iterator[Core]:
    with Core(relay.path) as core:
        core.until("OK")
        yield core


@contextlib.contextmanager
def own_relay(folder: Path, device: TcpDevice, silent_s: float) -> Iterator[line_relay.Relay]:
    """A relay in this process, with a patience of its own."""
    settings = line_relay.Settings(NAME, "127.0.0.1", device.port, folder / "line.sock", silent_s)
    relay, loop = line_relay.Relay(settings), asyncio.new_event_loop()
    door = loop.run_until_complete(relay.open())
    work = loop.create_task(relay.work())

    def turn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(work)

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield relay
    finally:
        loop.call_soon_threadsafe(work.cancel)
        thread.join(PATIENCE_S)
        loop.run_until_complete(asyncio.sleep(0))
        door.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def opened(path: Path) -> RelayedPort:
    """The relay's socket, once the portal is behind it."""
    waiting = threading.Event()
    for _ in range(200):
        try:
            return RelayedPort(f"unix:{path}", PATIENCE_S, PATIENCE_S)
        except LineAbsent:
            waiting.wait(0.05)
    raise AssertionError("the relay never had its portal")


def await_socket(command: Command) -> None:
    waiting = threading.Event()
    while not command.path.is_socket():
        assert command.process.poll() is None
        waiting.wait(0.05)


# --- what goes through -----------------------------------------------------------------------------------------


def test_what_the_portal_says_arrives_byte_for_byte(core: Core, device: TcpDevice, shared: Path) -> None:
    said = (shared / "data" / "rpm" / "S2-C0-NONE.csv").read_bytes()[:200_000]
    speaking = threading.Thread(target=device.write, args=(said,))
    speaking.start()
    assert core.take(len(said)) == said
    speaking.join(PATIENCE_S)
    assert core.states.empty()


def test_a_reading_comes_and_what_a_driver_asks_goes_out(relay: Command, device: TcpDevice) -> None:
    with Core(relay.path, drivers.find("gmc")) as core:
        core.until("OK")
        assert device.heard.get(timeout=PATIENCE_S).startswith(b"<")
    with Core(relay.path) as core:
        core.until("OK")
        device.write(BACKGROUND)
        assert core.next_background().panels_cps == (380.0, 383.0, 403.0, 361.0)


def test_what_comes_while_nobody_listens_is_never_heard(folder: Path, device: TcpDevice) -> None:
    """An old reading must not come as a new one."""
    with own_relay(folder, device, 60.0) as relay:
        first = opened(folder / "line.sock")
        first.close()
        device.write(b"OLD\r\n")
        # It has been read once the relay has turned over it.
        turned = relay.turns()["portal"] + 3
        waiting = threading.Event()
        while relay.turns()["portal"] < turned:
            waiting.wait(0.01)
        second = opened(folder / "line.sock")
        device.write(b"NEW\r\n")
        assert second.read(100) == b"NEW\r\n"
        second.close()


def test_a_stranger_at_the_address_is_no_portal(core: Core, device: TcpDevice) -> None:
    """Its bytes are handed on as they are, and no driver makes a background of them."""
    device.write(b"HTTP/1.1 400 Bad Request\r\n\x00\xff\xfe" * 50 + b"\r\n")
    told = [core.readings.get(timeout=PATIENCE_S) for _ in range(10)]
    assert all(isinstance(one, Malformed | Unknown) for one in told), told


def test_nothing_that_goes_through_is_logged(relay: Command, core: Core, device: TcpDevice) -> None:
    device.write(BACKGROUND)
    core.next_background()
    device.reset()
    core.until("LOST")
    relay.end()
    log = relay.log.read_text("utf-8")
    assert "state=connected" in log and "state=away" in log
    assert "GB" not in log and "0003" not in log


# --- the portal's end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["hang_up", "reset"])
def test_a_portal_that_closes_is_lost_and_found_again(core: Core, device: TcpDevice, how: str) -> None:
    getattr(device, how)()
    lost = core.until("LOST")
    assert "cable" in lost.advice
    core.until("OK")
    device.write(BACKGROUND)
    assert core.next_background()


def test_a_portal_without_power_is_absent_and_found_again(core: Core, device: TcpDevice) -> None:
    device.unplug()
    core.until("LOST")
    absent = core.until("ABSENT")
    assert "network cable" in absent.advice
    with TcpDevice(device.port) as again:
        core.until("OK")
        again.write(BACKGROUND)
        assert core.next_background()


def test_a_portal_that_never_answered_is_absent_and_never_ok(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    command = Command(folder, address)
    try:
        await_socket(command)
        with Core(command.path) as core:
            assert "network cable" in core.until("ABSENT").advice
            moved = core.line.turns + 3
            waiting = threading.Event()
            while core.line.turns < moved:
                waiting.wait(0.05)
            assert core.states.empty(), "it was never anything else"
    finally:
        command.end()


def test_a_portal_that_sends_everybody_away_is_never_ok(folder: Path) -> None:
    """It has another client: there and gone each time would be OK and lost each time."""
    with TcpDevice(refusing=True) as device:
        command = Command(folder, device.address)
        try:
            with Core(command.path) as core:
                for _ in range(4):
                    device.await_call()
                states = [core.states.get(timeout=PATIENCE_S).state]
                while not core.states.empty():
                    states.append(core.states.get().state)
                assert set(states) == {"ABSENT"}
        finally:
            command.end()


def test_a_silent_portal_is_called_anew_and_the_core_sees_the_line_lost(folder: Path, device: TcpDevice) -> None:
    with own_relay(folder, device, 1.5), Core(folder / "line.sock") as core:
        device.await_call()
        core.until("OK")
        core.until("LOST")
        device.await_call()
        core.until("OK")
        device.write(BACKGROUND)
        assert core.next_background()


def test_a_dead_connection_is_looked_for_by_tcp_itself(device: TcpDevice) -> None:
    """The cut cable itself is tried in tests/booth."""
    with socket.create_connection(("127.0.0.1", device.port)) as way:
        line_relay._have_it_probed(way)
        assert way.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        after, every, probes = (
            way.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        unanswered_ms = way.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert after + every * probes < tsa.DRIVER.down_s
    assert unanswered_ms == 1000 * (after + every * probes)


# --- the relay itself ------------------------------------------------------------------------------------------


def test_a_killed_relay_is_a_lost_line_until_it_is_started_again(core: Core, relay: Command, device: TcpDevice) -> None:
    relay.kill()
    assert relay.path.is_socket(), "the new one finds the old one's socket"
    core.until("LOST")
    assert "relay does not run" in core.until("ABSENT").advice
    relay.start_again()
    core.until("OK")
    device.write(BACKGROUND)
    assert core.next_background()


def test_a_relay_that_ends_takes_its_socket_away(relay: Command, core: Core) -> None:
    relay.signal(signal.SIGTERM)
    assert relay.process.wait(PATIENCE_S) == 0
    core.until("LOST")
    core.until("ABSENT")
    assert not relay.path.exists()
    assert "Traceback" not in relay.log.read_text("utf-8") and "level=error" not in relay.log.read_text("utf-8")


def test_a_relay_that_hangs_is_no_line(relay: Command) -> None:
    """The system accepts for it; nothing is taken for open that has not greeted."""
    opened(relay.path).close()
    relay.signal(signal.SIGSTOP)
    with Core(relay.path) as core:
        assert core.states.get(timeout=PATIENCE_S).state == "ABSENT"
        relay.signal(signal.SIGCONT)
        assert core.states.get(timeout=PATIENCE_S).state == "OK"


def test_a_second_relay_for_the_same_portal_refuses(relay: Command, core: Core, device: TcpDevice) -> None:
    words = [program("failsafe"), "line", NAME, "--config", str(relay.configuration)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "already" in done.stderr and "Traceback" not in done.stderr
    device.write(BACKGROUND)
    assert core.next_background(), "the first one goes on"


def test_somebodys_file_is_left_alone(folder: Path, device: TcpDevice) -> None:
    file = folder / NAME / "line.sock"
    file.parent.mkdir()
    file.write_text("mine")
    command = Command(folder, device.address)
    assert command.process.wait(PATIENCE_S) == 1
    assert file.read_text() == "mine"
    assert NAME in command.log.read_text("utf-8")


# --- who listens -----------------------------------------------------------------------------------------------


def test_one_listens_at_a_time(core: Core, relay: Command, device: TcpDevice) -> None:
    with Core(relay.path) as second:
        locked = second.until("LOCKED")
        assert "other program" in locked.advice
        device.write(BACKGROUND)
        assert core.next_background()
        assert second.readings.empty()
        core.line.stop()
        second.until("OK")
        device.write(BACKGROUND)
        assert second.next_background()


def test_only_the_owner_and_its_group_may_open_it(relay: Command) -> None:
    opened(relay.path).close()
    assert relay.path.stat().st_mode & 0o777 == 0o660


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_stranger_is_denied_and_told_which_group(relay: Command, folder: Path) -> None:
    opened(relay.path).close()
    folder.chmod(0o755)
    relay.path.parent.chmod(0o755)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        with pytest.raises(LineDenied) as denied:
            RelayedPort(f"unix:{relay.path}", 1.0, 1.0)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
    assert "failsafe-line" in denied.value.advice


def resident_kib(pid: int) -> int:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def test_a_listener_that_does_not_read_is_let_go(relay: Command, device: TcpDevice) -> None:
    port = opened(relay.path)
    before = resident_kib(relay.process.pid)
    line = BACKGROUND * 1000
    for _ in range(1000):
        assert device.write(line) == len(line), "the relay goes on reading"
    assert resident_kib(relay.process.pid) - before < 8 * 1024, "32 MB have come, and none of it is kept"
    taken = 0
    with pytest.raises(ConnectionResetError):
        while chunk := port.read(65536):
            taken += len(chunk)
    assert taken < 512 * 1024
    port.close()
    assert "does not read" in relay.log.read_text("utf-8")
    with Core(relay.path) as core:
        core.until("OK")
        device.write(BACKGROUND)
        assert core.next_background()


def test_a_portal_that_takes_nothing_is_called_anew(folder: Path) -> None:
    with TcpDevice(deaf=True) as device:
        command = Command(folder, device.address)
        try:
            device.await_call()
            port = opened(command.path)
            before = resident_kib(command.process.pid)
            with pytest.raises(OSError):
                for _ in range(4000):
                    port.write(bytes(16_384))
            port.close()
            assert resident_kib(command.process.pid) - before < 16 * 1024
            device.await_call()
        finally:
            command.end()


# --- the socket's other faults -----------------------------------------------------------------------------------


def test_a_relay_that_is_not_there_is_told_as_such(folder: Path) -> None:
    with pytest.raises(LineAbsent) as absent:
        RelayedPort(f"unix:{folder}/line.sock", 1.0, 1.0)
    assert "systemctl status" in absent.value.advice
    with pytest.raises(LineAbsent):
        RelayedPort(f"unix:{folder}/{'x' * 200}", 1.0, 1.0)


@pytest.mark.parametrize(
    ("greeting", "fault"),
    [
        (relayed.HELD, LineLocked),
        (relayed.AWAY, LineAbsent),
        (b"GB,000380,000383\r\n", LineAbsent),
        (b"ready", LineAbsent),
        (b"", LineAbsent),
    ],
)
def test_only_the_right_greeting_opens_a_line(folder: Path, greeting: bytes, fault: type) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "line.sock"))
        server.listen()

        def greet() -> None:
            client, _ = server.accept()
            client.sendall(greeting)
            client.close()

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(fault) as told:
            RelayedPort(f"unix:{folder}/line.sock", 1.0, 1.0)
        assert told.value.advice


def test_bytes_right_behind_the_greeting_are_the_devices(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "line.sock"))
        server.listen()

        def greet() -> None:
            client, _ = server.accept()
            client.sendall(relayed.READY + BACKGROUND)
            shutil.copyfileobj(client.makefile("rb"), open(os.devnull, "wb"))  # noqa: SIM115, PTH123 - until it leaves

        threading.Thread(target=greet, daemon=True).start()
        port = RelayedPort(f"unix:{folder}/line.sock", PATIENCE_S, PATIENCE_S)
        assert port.read(1) == BACKGROUND[:1]
        assert port.in_waiting == len(BACKGROUND) - 1
        assert port.read(4096) == BACKGROUND[1:]
        port.close()
        port.close()


# --- the technician --------------------------------------------------------------------------------------------------


def test_a_technician_watches_the_portal_through_its_relay(relay: Command, device: TcpDevice) -> None:
    """Where no core runs; with one, the core tells."""
    words = [program("failsafe"), "watch", NAME, "--count", "1", "--json", "--config", str(relay.configuration)]
    watching = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert watching.stdout is not None
    state = json.loads(watching.stdout.readline())
    while state["state"] != "OK":  # the relay has not its portal yet
        state = json.loads(watching.stdout.readline())
    device.write(BACKGROUND)
    seen = json.loads(watching.stdout.readline())
    assert (seen["kind"], seen["panels_cps"]) == ("background", [380.0, 383.0, 403.0, 361.0])
    assert watching.wait(PATIENCE_S) == 0


# --- the command -----------------------------------------------------------------------------------------------


def test_the_command_knows_the_portals_on_the_network(relay: Command) -> None:
    done = CliRunner().invoke(failsafe, ["line", "portal-9", "--config", str(relay.configuration)])
    assert done.exit_code == 2
    assert f"there are: {NAME}" in done.output
    done = CliRunner().invoke(failsafe, ["line", NAME, "--drop-in", "--config", str(relay.configuration)])
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == "IPAddressAllow=127.0.0.1"
