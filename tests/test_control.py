"""The core's door: a real socket, a real event loop, and a core that is a few lines long."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from failsafe.agent import control
from failsafe.agent.control import CoreUnreachable, Visitor

PATIENCE_S = 60.0
PERSON = {"surname": "QUILLFEATHER", "birth_date": "1970-01-01"}


class SmallCore:
    """What the door asks of a core, with answers that show what was asked."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.screened_on: list[str] = []
        self.listening: list[asyncio.Queue[dict]] = []
        self.heard = threading.Event()
        self.left = threading.Event()

    def status(self) -> dict:
        return {"booth": "ZZ-TEST-01", "faults": ["Größe"]}

    def screen(self, person) -> dict:
        self.screened_on.append(threading.current_thread().name)
        return {"verdict": "CLEAR", "fields": sorted(person)}

    def recorder(self) -> dict:
        return {"recorded": True, "ms": 1.5}

    def accept_setup(self, device: str, *, relearn: bool) -> dict:
        return {"device": device, "forgotten": 7 if relearn else 0}

    async def background(self, device: str, *, seconds: float, store: bool) -> AsyncIterator[dict]:
        yield {"elapsed_s": 0.0, "of_s": seconds}
        yield {"device": device, "stored": store}

    async def verdicts(self) -> AsyncIterator[dict]:
        waiting: asyncio.Queue[dict] = asyncio.Queue()
        self.listening.append(waiting)
        try:
            yield {"ready": True}
            self.heard.set()
            while True:
                yield await waiting.get()
        finally:
            self.left.set()

    def say(self, word: str) -> None:
        """A verdict, to everybody who listens."""
        for waiting in list(self.listening):
            self.loop.call_soon_threadsafe(waiting.put_nowait, {"word": word})


class Door:
    """The door of a `SmallCore`, served by a loop in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.core = SmallCore()
        self._open = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="door")

    def __enter__(self) -> Door:
        self._thread.start()
        assert self._open.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.core.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(PATIENCE_S)

    async def _serve(self) -> None:
        self.core.loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        server = await control.serve(self.core, self.path)
        self._open.set()
        await self._end.wait()
        server.close()

    def raw(self) -> socket.socket:
        """A connection that says what it likes."""
        caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        caller.settimeout(PATIENCE_S)
        caller.connect(str(self.path))
        return caller


@pytest.fixture
def door(tmp_path) -> Iterator[Door]:
    with Door(tmp_path / "run" / "core.sock") as opened:
        yield opened


def replies(door: Door, *lines: bytes) -> list[dict]:
    """The answers to lines sent as they are."""
    with door.raw() as caller, caller.makefile("rb") as answers:
        caller.sendall(b"".join(line + b"\n" for line in lines))
        return [json.loads(answers.readline()) for _ in lines]


# --- asking --------------------------------------------------------------------------------------------------


def test_status_in_words_of_every_script(door):
    with Visitor(door.path) as core:
        assert core.ask("status") == {"booth": "ZZ-TEST-01", "faults": ["Größe"]}


def test_one_visit_asks_many_things_and_is_answered_in_order(door):
    with Visitor(door.path) as core:
        for number in range(20):
            core.tell("screen", person={f"field-{number}": ""})
        assert [core.next()["fields"] for _ in range(20)] == [[f"field-{number}"] for number in range(20)]


def test_the_core_gets_the_person_as_it_was_sent_and_not_on_the_loops_thread(door):
    with Visitor(door.path) as core:
        assert core.ask("screen", person=PERSON) == {"verdict": "CLEAR", "fields": ["birth_date", "surname"]}
    assert door.core.screened_on and "door" not in door.core.screened_on  # judging must not stop the page


def test_two_visitors_at_once(door):
    with Visitor(door.path) as one, Visitor(door.path) as other:
        one.tell("status")
        assert other.ask("screen", person={})["verdict"] == "CLEAR"
        assert one.next()["booth"] == "ZZ-TEST-01"


def test_a_technicians_requests_reach_the_core_as_they_were_sent(door):
    with Visitor(door.path) as core:
        assert core.ask("recorder")["recorded"] is True
        assert core.ask("accept-setup", device="portal-1") == {"device": "portal-1", "forgotten": 0}
        assert core.ask("accept-setup", device="portal-1", relearn=True)["forgotten"] == 7
        assert core.ask("background", device="portal-1", seconds=30, store="yes")["of_s"] == 30.0
        assert core.next() == {"device": "portal-1", "stored": False}  # only `true` stores
        assert core.ask("background", device="portal-1", seconds="long", store=True)["of_s"] == 0.0
        assert core.next() == {"device": "portal-1", "stored": True}


def test_verdicts_come_until_the_visitor_leaves(door):
    with Visitor(door.path, timeout_s=PATIENCE_S) as core:
        assert core.ask("verdicts") == {"ready": True}
        assert door.core.heard.wait(PATIENCE_S)
        door.core.say("STOP")
        door.core.say("CLEAR")
        assert [core.next()["word"], core.next()["word"]] == ["STOP", "CLEAR"]
    while not door.core.left.wait(0.01):  # seen at the next verdict that finds nobody
        door.core.say("CHECK")
    with Visitor(door.path) as core:
        assert core.ask("status")["booth"] == "ZZ-TEST-01"


# --- what is no request --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"{",
        b"[]",
        b"3",
        b"null",
        b'"status"',
        b"{}",
        b'{"question": "status"}',
        b'{"ask": "\xff"}',
        b"[" * 30_000,
    ],
)
def test_a_line_that_is_no_request_is_told_so_and_the_next_is_answered(door, line):
    first, second = replies(door, line, b'{"ask": "status"}')
    assert first["error"] == "not a request" and '"ask"' in first["advice"]
    assert second["booth"] == "ZZ-TEST-01"


@pytest.mark.parametrize("asked", ["open", "", None, 3, ["status"], {"ask": "status"}, "x" * 1000])
def test_what_cannot_be_asked_is_told_briefly(door, asked):
    (answer,) = replies(door, json.dumps({"ask": asked}).encode())
    assert answer["error"].startswith("unknown") and len(answer["error"]) <= 80
    assert "status" in answer["advice"]


@pytest.mark.parametrize("request_", [{}, {"person": None}, {"person": "QUILLFEATHER"}, {"person": [PERSON]}])
def test_a_screening_of_nobody(door, request_):
    first, second = replies(door, json.dumps({"ask": "screen", **request_}).encode(), b'{"ask": "status"}')
    assert '"person"' in first["advice"] and "QUILLFEATHER" not in json.dumps(first)
    assert second["booth"] == "ZZ-TEST-01"
    assert door.core.screened_on == []


def test_a_line_without_end_ends_the_visit_and_nothing_else(door):
    with door.raw() as caller:
        try:
            caller.sendall(b"x" * 1_000_000)
            answer = caller.recv(1)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
        assert answer == b""
    with Visitor(door.path) as core:
        assert core.ask("status")["booth"] == "ZZ-TEST-01"


def test_half_a_line_and_gone(door):
    with door.raw() as caller:
        caller.sendall(b'{"ask": "sta')
    with Visitor(door.path) as core:
        assert core.ask("status")["booth"] == "ZZ-TEST-01"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=60).filter(lambda line: b"\n" not in line))
def test_every_line_is_answered_with_one(door, line):
    answer, after = replies(door, line, b'{"ask": "status"}')
    assert answer["error"] and answer["advice"]
    assert after["booth"] == "ZZ-TEST-01"


# --- the socket ----------------------------------------------------------------------------------------------


def test_only_owner_and_group_may_open_the_door(door):
    mode = door.path.stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660


def test_a_socket_that_a_killed_core_left_is_replaced(tmp_path):
    path = tmp_path / "core.sock"
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(path))
    left.close()
    with pytest.raises(CoreUnreachable):
        Visitor(path)
    with Door(path), Visitor(path) as core:
        assert core.ask("status")["booth"] == "ZZ-TEST-01"


# --- no core, or one that does not answer --------------------------------------------------------------------


def test_no_core_at_all_says_how_to_start_one(tmp_path):
    with pytest.raises(CoreUnreachable) as unreachable:
        Visitor(tmp_path / "core.sock")
    told = str(unreachable.value)
    assert "failsafe run" in told and "--config" in told and str(tmp_path) in told


def test_a_path_too_long_for_a_socket(tmp_path):
    with pytest.raises(CoreUnreachable):
        Visitor(tmp_path / ("x" * 200))


@pytest.fixture
def listener(tmp_path) -> Iterator[tuple[Path, socket.socket]]:
    """Something that accepts calls on the core's path and is no core."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "core.sock"))
        listening.listen()
        yield tmp_path / "core.sock", listening


def test_a_core_that_hangs(listener):
    path, _ = listener
    with Visitor(path, timeout_s=0.05) as core, pytest.raises(CoreUnreachable, match="did not answer"):
        core.ask("status")


def test_a_core_that_ends_in_the_middle(listener):
    path, listening = listener
    with Visitor(path) as core:
        core.tell("status")
        called, _ = listening.accept()
        called.recv(1000)
        called.close()
        with pytest.raises(CoreUnreachable, match="closed the connection"):
            core.next()


def test_a_core_that_ended_before_it_was_asked(listener):
    path, listening = listener
    with Visitor(path) as core:
        called, _ = listening.accept()
        called.close()
        with pytest.raises(CoreUnreachable):
            core.ask("status")


@pytest.mark.parametrize("line", [b"220 mail ready", b"3", b'["status"]', b"\xff"])
def test_a_core_that_says_something_else(listener, line):
    path, listening = listener
    with Visitor(path) as core:
        called, _ = listening.accept()
        called.sendall(line + b"\n")
        with pytest.raises(CoreUnreachable, match="no answer of a core"):
            core.ask("status")
        called.close()


def test_leaving_wakes_a_thread_that_still_reads(door):
    core = Visitor(door.path, timeout_s=None)
    core.ask("verdicts")
    ended = threading.Event()

    def listen() -> None:
        try:
            core.next()
        except (CoreUnreachable, ValueError):
            ended.set()

    thread = threading.Thread(target=listen)
    thread.start()
    with core:
        pass
    assert ended.wait(PATIENCE_S)
    thread.join(PATIENCE_S)


def test_a_core_that_stops_while_somebody_listens_logs_no_fault(tmp_path, caplog):
    door = Door(tmp_path / "core.sock").__enter__()
    with Visitor(door.path, timeout_s=PATIENCE_S) as listener:
        listener.tell("verdicts")
        assert listener.next() == {"ready": True}
        door.__exit__()
        with pytest.raises(CoreUnreachable):
            listener.next()
    assert door.core.left.is_set()
    assert caplog.records == []
