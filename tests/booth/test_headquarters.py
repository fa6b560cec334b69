"""Headquarters as a service: its unit, its two sockets, and its sandbox."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.booth.machine import HQ_EXTRA, PREFIX, Machine

UNIT = "failsafe-hq"
SERVING = "Serving booths and the command centre."


@pytest.fixture(scope="module")
def headquarters(machine: Machine) -> Machine:
    """A headquarters on the same machine, which no real one is: installed, with keys and a first publication."""
    machine.inside("/srv/systemd/install", "hq")
    environment = (f"PYTHONPATH=/{HQ_EXTRA}", "FAILSAFE_HQ_PASSPHRASE=invented")
    invented = "/var/lib/failsafe-hq/invented.jsonl"
    commands = (
        ["keys", "init", "--name", "hq.example"],
        ["invent", "5", "--out", invented],
        ["import", invented],
        ["publish"],
    )
    for command in commands:
        program = f"/{PREFIX}/bin/failsafe-hq"
        machine.inside("runuser", "-u", "failsafe-hq", "--", "env", *environment, program, *command)
    machine.drop_in(UNIT, "container", f"Environment=PYTHONPATH=/{HQ_EXTRA}")
    machine.inside("systemctl", "daemon-reload")
    machine.inside("systemctl", "enable", "--now", "-q", "failsafe-hq.socket", "failsafe-hq-page.socket", UNIT)
    return machine


def test_it_is_ready_and_says_so(headquarters):
    assert headquarters.shown(UNIT, "ActiveState", "StatusText") == {"ActiveState": "active", "StatusText": SERVING}
    assert headquarters.get("/", 8700).startswith("200 ")


def test_booths_find_it_where_its_socket_says(headquarters):
    """It answers by TLS 1.3, and shows the certificate of its own authority to whoever comes."""
    script = (
        "import socket,ssl;c=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT);c.check_hostname=False;c.verify_mode=0;"
        "print(c.wrap_socket(socket.create_connection(('127.0.0.1',8643),timeout=20)).version())"
    )
    assert headquarters.inside(f"/{PREFIX}/bin/python", "-c", script).strip() == "TLSv1.3"


def test_killed_it_is_back_and_who_asked_meanwhile_is_answered(headquarters):
    before = headquarters.restarts(UNIT)
    headquarters.send(UNIT, signal.SIGKILL)
    assert headquarters.get("/", 8700).startswith("200 ")
    headquarters.await_restart(UNIT, before)


def test_its_offline_keys_are_out_of_its_reach(headquarters):
    pid = headquarters.shown(UNIT, "MainPID")["MainPID"]
    seen = Path("/proc", pid, "root", "var", "lib", "failsafe-hq", "offline")
    assert headquarters.inside("stat", "-c", "%a", str(seen)).strip() == "0"
