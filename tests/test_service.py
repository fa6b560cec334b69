"""What a process says to systemd: a real datagram socket listens, and real descriptors are inherited."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections import Counter

import pytest

from failsafe.sync.service import Pulse, Service, inherited

TURNS = {"readings": 10, "ledger": 4}


@pytest.fixture
def manager(tmp_path):
    """The service manager's end of the notification socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(10)
        listening.bind(str(tmp_path / "notify"))
        yield listening


def service_of(manager: socket.socket, **more: str) -> Service:
    return Service({"NOTIFY_SOCKET": manager.getsockname(), **more})


# --- the pulse -----------------------------------------------------------------------------------------------


def test_it_feeds_when_every_part_has_moved():
    beat = Pulse(TURNS, 0.0).look({"readings": 11, "ledger": 5}, 5.0)
    assert beat.feed
    assert not beat.still


@pytest.mark.parametrize("part", TURNS)
def test_one_part_that_stands_still_keeps_it_from_feeding(part):
    turned = {name: count + 1 for name, count in TURNS.items()} | {part: TURNS[part]}
    beat = Pulse(TURNS, 0.0).look(turned, 5.0)
    assert not beat.feed
    assert beat.still == {part: 5.0}


def test_parts_may_move_at_different_looks():
    pulse = Pulse(TURNS, 0.0)
    assert not pulse.look({"readings": 11, "ledger": 4}, 5.0).feed
    assert pulse.look({"readings": 11, "ledger": 5}, 10.0).feed, "both have moved since the last feeding"


def test_after_a_feeding_each_must_move_anew():
    pulse = Pulse(TURNS, 0.0)
    moved = {"readings": 11, "ledger": 5}
    assert pulse.look(moved, 5.0).feed
    assert pulse.look({"readings": 12, "ledger": 5}, 10.0).still == {"ledger": 5.0}


def test_it_tells_how_long_a_part_has_stood_still():
    pulse = Pulse(TURNS, 0.0)
    for now in (5.0, 10.0, 15.0):
        still = pulse.look({"readings": 10 + int(now), "ledger": 4}, now).still
    assert still == {"ledger": 15.0}


def test_a_part_that_has_gone_stands_still():
    assert "ledger" in Pulse(TURNS, 0.0).look({"readings": 11}, 5.0).still


def test_a_part_that_came_later_must_move_too():
    pulse = Pulse(TURNS, 0.0)
    turned = {"readings": 11, "ledger": 5, "portal-1": 0}
    assert pulse.look(turned, 5.0).feed
    assert pulse.look({"readings": 12, "ledger": 6, "portal-1": 0}, 10.0).still == {"portal-1": 5.0}


# --- what is said --------------------------------------------------------------------------------------------


def test_ready_status_and_stopping(manager):
    service = service_of(manager)
    service.ready("Two devices OK.")
    service.stopping()
    assert manager.recv(4096) == b"READY=1\nSTATUS=Two devices OK."
    assert manager.recv(4096).startswith(b"STOPPING=1")


def test_the_same_status_is_not_said_twice(manager):
    service = service_of(manager)
    service.ready("Good.")
    service.status("Good.")
    service.status("Better.")
    assert manager.recv(4096).startswith(b"READY=1")
    assert manager.recv(4096) == b"STATUS=Better."


def test_a_status_cannot_say_anything_else(manager):
    """A line of its own would be an order to the service manager."""
    service_of(manager).status("Good.\nMAINPID=1")
    assert manager.recv(4096) == b"STATUS=Good. MAINPID=1"


def test_an_abstract_address_is_understood():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(10)
        listening.bind("")  # the kernel chooses an abstract name
        Service({"NOTIFY_SOCKET": "@" + listening.getsockname()[1:].decode()}).feed()
        assert listening.recv(4096) == b"WATCHDOG=1"


def test_without_a_manager_nothing_happens():
    service = Service({})
    service.ready("Good.")
    service.feed()
    service.stopping()
    asyncio.run(asyncio.wait_for(service.keep(dict, str), timeout=10))


def test_a_manager_that_has_gone_ends_nobody(tmp_path):
    Service({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).feed()


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_whose_watchdog_it_is(environment, wanted):
    assert Service(environment, pid=7).watchdog_s == wanted


# --- keeping it fed ------------------------------------------------------------------------------------------


def kept(manager: socket.socket, turns, status=lambda: "Good.") -> list[bytes]:
    """What a service says that is kept with a watchdog of 40 ms until `turns` raises StopIteration."""
    said = []

    async def keep() -> None:
        with pytest.raises(StopIteration):
            try:
                await service_of(manager, WATCHDOG_USEC="40000").keep(turns, status)
            except RuntimeError as error:  # so a coroutine wraps a StopIteration
                raise error.__cause__ or error from None

    asyncio.run(keep())
    manager.setblocking(False)
    while True:
        try:
            said.append(manager.recv(4096))
        except BlockingIOError:
            return said


def test_it_feeds_while_everything_moves(manager):
    turns = iter([{"readings": count, "ledger": count} for count in range(5)])
    assert Counter(kept(manager, lambda: next(turns))) == {b"WATCHDOG=1": 4, b"STATUS=Good.": 1}


def test_it_does_not_feed_while_a_part_is_blocked(manager):
    turns = iter([{"readings": count, "ledger": 1} for count in range(5)])
    assert b"WATCHDOG=1" not in kept(manager, lambda: next(turns))


def test_it_feeds_again_when_the_part_moves_again(manager):
    turns = iter([{"readings": count, "ledger": max(1, count - 2)} for count in range(6)])
    assert kept(manager, lambda: next(turns)).count(b"WATCHDOG=1") == 2


# --- inherited sockets ---------------------------------------------------------------------------------------

HEIR = """
import os, sys
from failsafe.sync.service import inherited
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
found = inherited()
print(*(f"{name} {one.getsockname()[1]}" for name, one in found.items()))
print(os.get_inheritable(3))
"""


def test_a_socket_comes_by_its_name():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        environment = {**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "page"}
        words = [sys.executable, "-c", HEIR, str(listening.fileno())]
        done = subprocess.run(
            words, env=environment, pass_fds=[listening.fileno()], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["page", str(listening.getsockname()[1]), "False"]


@pytest.mark.parametrize(
    "environment",
    [{}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_FDS": "all", "LISTEN_PID": "7"}, {"LISTEN_PID": "7"}],
)
def test_what_is_meant_for_another_process_is_not_taken(environment):
    assert inherited({"LISTEN_FDNAMES": "page", **environment}, pid=7) == {}
