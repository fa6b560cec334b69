"""A portal on the network: its relay as a service beside the core, and what it may and may not do."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from failsafe.agent.demo.house import DemoFailed
from failsafe.drivers.simulator import Portal
from failsafe.drivers.specimens import td3
from tests.booth.conftest import Lane
from tests.booth.machine import HQ_ADDRESS, PREFIX, WATCHDOG_S, Machine
from tests.booth.test_sandbox import assert_allowed, assert_denied, probed
from tests.tcp_device import TcpDevice

UNIT = "failsafe-line@portal-1"
SERIAL = 'port = "/dev/portal-1"\nparity = "N"\n'
SOCKET = "/run/failsafe-line/portal-1/line.sock"


@dataclass(slots=True)
class Network:
    """The booth whose portal is on the network, and that portal."""

    machine: Machine
    device: TcpDevice
    portal: Portal

    def await_detector(self, *states: str) -> None:
        def is_there(status: Mapping[str, Any]) -> bool:
            return any(one["name"] == "portal-1" and one["state"] in states for one in status["detectors"])

        self.machine.await_status(is_there, f"a portal that is {' or '.join(states)}")

    def await_sentence(self, sentence: str) -> None:
        def says() -> bool:
            return self.machine.shown(UNIT, "StatusText")["StatusText"].startswith(sentence)

        self.machine.await_true(says, f"a relay that says: {sentence}")


@pytest.fixture(scope="module")
def network(machine: Machine) -> Iterator[Network]:
    """The booth's portal moves from its serial line to the network, as docs/installation.md says, and back."""
    before = machine.configuration.read_text("utf-8")
    assert SERIAL in before
    with TcpDevice(host=HQ_ADDRESS) as device:
        portal = Portal(device, pace=0.25)
        portal.start()
        machine.configuration.write_text(before.replace(SERIAL, f'address = "{device.address}"\n'), "utf-8")
        machine.drop_in(UNIT, "container", f"WatchdogSec={WATCHDOG_S}s")
        machine.inside("/srv/systemd/install", "line", "portal-1")
        machine.inside("systemctl", "enable", "--now", "-q", UNIT)
        machine.inside("systemctl", "restart", "failsafe-core")
        try:
            yield Network(machine, device, portal)
        finally:
            machine.configuration.write_text(before, "utf-8")
            machine.inside("systemctl", "disable", "--now", "-q", UNIT)
            machine.inside("systemctl", "restart", "failsafe-core")
            portal.stop()
            machine.await_ready()


@pytest.fixture
def at_work(network: Network) -> Network:
    network.machine.await_ready()
    return network


@pytest.fixture(scope="module")
def filtering(network: Network) -> None:
    """A kernel that keeps to the addresses of a unit; not every one that runs containers does."""
    call = f"import socket; socket.create_connection(('{HQ_ADDRESS}', {network.machine.hq_port}), timeout=3)"
    script = f"try:\n {call}\nexcept OSError:\n raise SystemExit(7)"
    words = ("systemd-run", "-q", "--wait", "-p", "IPAddressDeny=any", f"/{PREFIX}/bin/python", "-c", script)
    try:
        network.machine.inside(*words)
    except DemoFailed:
        return
    pytest.skip("here systemd filters no addresses for a unit, as in most containers; boot a machine of its own")


def present_innocent(machine: Machine) -> None:
    machine.travellers += 1
    assert machine.reader is not None
    machine.reader.present(td3("SAMPLE", "ANNA", f"AA{machine.travellers:07}", "FRA", "740812", "F", "310101"))


# --- at work -------------------------------------------------------------------------------------------------


def test_the_relay_says_how_it_is(at_work):
    at_work.await_sentence("connected. The core listens.")
    shown = at_work.machine.shown(UNIT, "ActiveState", "User")
    assert shown == {"ActiveState": "active", "User": "failsafe-line"}


def test_an_alarm_that_came_over_the_network_stops_and_is_reported(at_work):
    lane = Lane(at_work.machine)
    present_innocent(at_work.machine)
    at_work.portal.passage(gamma_alarm=True)
    event = lane.ear.hear_alert()
    assert event["word"] == "STOP"
    assert "radiation" in event["alerts"][0]["kind"]
    at_work.machine.await_at_headquarters(at_work.machine.raised)


def test_nothing_but_the_address_of_the_portal_is_allowed(at_work):
    shown = at_work.machine.shown(UNIT, "IPAddressAllow", "IPAddressDeny")
    assert shown["IPAddressAllow"] == f"{HQ_ADDRESS}/32"
    assert set(shown["IPAddressDeny"].split()) == {"0.0.0.0/0", "::/0"}


# --- what goes wrong -----------------------------------------------------------------------------------------


def test_a_cut_cable_is_found_though_nothing_closes_the_connection(at_work):
    machine = at_work.machine
    machine.cut_cable()
    try:
        at_work.await_detector("ABSENT")
        at_work.await_sentence("away.")
        assert machine.status()["ready"]["word"] == "CANNOT CLEAR"
    finally:
        machine.mend_cable()
    at_work.await_detector("OK")


def test_a_killed_relay_is_back_and_the_core_has_its_line_again(at_work):
    before = at_work.machine.restarts(UNIT)
    at_work.machine.send(UNIT, signal.SIGKILL)
    at_work.machine.await_restart(UNIT, before)
    at_work.await_detector("OK")


def test_a_relay_that_hangs_is_started_anew(at_work):
    before = at_work.machine.restarts(UNIT)
    at_work.machine.send(UNIT, signal.SIGSTOP)
    at_work.machine.await_restart(UNIT, before)
    assert "watchdog" in at_work.machine.journal(UNIT).casefold()
    at_work.await_detector("OK")


def test_a_core_that_is_started_anew_finds_its_line(at_work):
    before = at_work.machine.restarts("failsafe-core")
    at_work.machine.send("failsafe-core", signal.SIGKILL)
    at_work.machine.await_restart("failsafe-core", before)
    at_work.await_detector("OK")
    at_work.await_sentence("connected. The core listens.")


def test_a_relay_without_its_address_reaches_nobody_and_nobody_is_cleared(at_work, filtering):
    machine = at_work.machine
    allowed = machine.root / f"etc/systemd/system/{UNIT}.service.d/address.conf"
    text = allowed.read_text("utf-8")
    allowed.unlink()
    try:
        machine.inside("systemctl", "daemon-reload")
        machine.inside("systemctl", "restart", UNIT)
        at_work.await_sentence("away. It does not answer")
        at_work.await_detector("ABSENT")
    finally:
        allowed.write_text(text, "utf-8")
        machine.inside("systemctl", "daemon-reload")
        machine.inside("systemctl", "restart", UNIT)
    at_work.await_detector("OK")


# --- the sandbox ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def relay(network: Network) -> Mapping[str, Any]:
    network.machine.await_ready()
    return probed(network.machine, "failsafe-line@", f"IPAddressAllow={HQ_ADDRESS}")


def test_the_relay_reaches_its_portal_and_reads_its_configuration(relay):
    assert_allowed(relay, "configuration", "headquarters")  # which stands where the portal does


def test_the_relay_sees_nothing_of_core_and_link(relay):
    assert_denied(relay, "core state", "link state", "spool in", "spool out", "read spool in", "read spool out")
    assert_denied(relay, "core credentials", "link credentials", "sealed keys", "plain keys", "control folder")
    assert relay["credentials"] == []


def test_the_relay_reaches_no_device(relay):
    assert_denied(relay, "reader", "packet socket")


def test_the_relay_calls_nobody_else_and_nobody_calls_it(relay, filtering):
    assert_denied(relay, "page", "bind")


def test_the_relay_cannot_change_the_machine_or_itself(relay):
    assert_denied(relay, "write configuration", "write program", "home", "kernel settings")
    assert_denied(relay, "executable memory", "namespace", "root", "mount")
    assert relay["processes"] == 1, "sees other processes than its own"


def test_nobody_but_the_core_may_open_the_line(at_work):
    asked = f"import socket; socket.socket(socket.AF_UNIX).connect('{SOCKET}')"
    script = f"try:\n {asked}\nexcept PermissionError:\n print('denied')"
    words = ("runuser", "-u", "failsafe-link", "--", f"/{PREFIX}/bin/python", "-c", script)
    assert at_work.machine.inside(*words).strip() == "denied"
    seen = at_work.machine.inside("stat", "-c", "%U %G %a", SOCKET).split()
    assert seen == ["failsafe-line", "failsafe-line", "660"]
