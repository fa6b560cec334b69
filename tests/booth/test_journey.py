"""Core and link as services: alerts reach headquarters whatever is cut, killed or hung on the way."""

from __future__ import annotations

import json
import signal
from collections import Counter

import pytest

from tests.booth.machine import UNITS, WATCHDOG_S, Machine


def undelivered(machine: Machine) -> int:
    return int(machine.status()["ledger"]["alerts"])


def assert_all_once(machine: Machine) -> None:
    """Headquarters holds every alert that was ever raised, each once, and the booth has its receipts."""
    machine.await_at_headquarters(machine.raised)
    machine.await_status(lambda status: status["ledger"]["alerts"] == 0, "receipts for every alert")
    assert Counter(machine.ids_at_headquarters()) == Counter(set(machine.raised))


# --- at work -------------------------------------------------------------------------------------------------


def test_both_services_say_how_they_are(machine, lane):
    def say(unit: str, sentence: str) -> bool:
        return machine.shown(unit, "StatusText")["StatusText"] == sentence

    ready = machine.status()["ready"]
    told = " ".join([f"{ready['word']}.", *ready["why"]])
    machine.await_true(lambda: say("failsafe-core", told), f"a core whose service says: {told}")
    machine.await_true(lambda: say("failsafe-link", "up."), "a link whose service says: up.")
    for unit in UNITS:
        shown = machine.shown(unit, "ActiveState", "SubState", "NRestarts")
        assert shown == {"ActiveState": "active", "SubState": "running", "NRestarts": "0"}


def test_the_page_is_served_through_the_socket_unit(machine, lane):
    status, _, body = machine.get("/healthz").partition(" ")
    assert status == "200"
    assert json.loads(body)["ok"] is True
    listening = machine.inside("systemctl", "show", "failsafe-core.socket", "--property=Listen,NAccepted,SubState")
    assert "SubState=running" in listening


def test_an_alert_reaches_headquarters(machine, lane):
    lane.present_wanted()
    assert_all_once(machine)


# --- the cable -----------------------------------------------------------------------------------------------


def test_a_cut_cable_loses_and_doubles_nothing(machine, lane):
    machine.cut_cable()
    try:
        kept = [lane.present_wanted() for _ in range(5)]
        machine.await_status(lambda status: status["link"]["state"] == "down", "a line that is down")
        assert undelivered(machine) == len(kept)
        assert not set(kept) & set(machine.ids_at_headquarters())
    finally:
        machine.mend_cable()
    assert_all_once(machine)


# --- kill -9 -------------------------------------------------------------------------------------------------


def test_a_killed_core_is_back_with_all_it_had_recorded(machine, lane):
    machine.cut_cable()
    try:
        lane.present_wanted()
        before = machine.restarts("failsafe-core")
        machine.send("failsafe-core", signal.SIGKILL)
        # Asked while there is no core: systemd holds the socket and the new core answers.
        assert machine.get("/healthz").startswith("200 ")
        machine.await_restart("failsafe-core", before)
        machine.await_status(lambda status: status["mirror"]["state"] == "FRESH", "fresh notices")
        assert undelivered(machine) == 1
    finally:
        machine.mend_cable()
    assert_all_once(machine)


def test_a_killed_link_is_back_and_delivers(machine, lane):
    before = machine.restarts("failsafe-link")
    machine.send("failsafe-link", signal.SIGKILL)
    lane.present_wanted()
    machine.await_restart("failsafe-link", before)
    assert_all_once(machine)


# --- the watchdog --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS)
def test_a_service_that_hangs_is_started_anew(machine, lane, unit):
    assert machine.shown(unit, "WatchdogUSec")["WatchdogUSec"] == f"{WATCHDOG_S}s"
    before = machine.restarts(unit)
    machine.send(unit, signal.SIGSTOP)
    machine.await_restart(unit, before)
    assert "watchdog" in machine.journal(unit).casefold()
    machine.await_ready()
    assert_all_once(machine)


def test_a_service_at_work_is_left_alone(machine, lane):
    """Its watchdog is fed again and again, with alerts on the way, and nobody is started anew."""
    before = [machine.restarts(unit) for unit in UNITS]
    for _ in range(5):
        lane.present_wanted()
        machine.await_fed()
    assert [machine.restarts(unit) for unit in UNITS] == before


# --- power ---------------------------------------------------------------------------------------------------


def test_a_power_cut_loses_nothing(machine, lane):
    machine.cut_cable()
    try:
        kept = lane.present_wanted()
        machine.cut_power()
        machine.boot()
        # The booth works before there is a network, and without one.
        machine.await_status(lambda status: status["ledger"]["alerts"] == 1, "what it had recorded")
        assert kept not in machine.ids_at_headquarters()
        machine.await_ready()
    finally:
        machine.mend_cable()
    assert_all_once(machine)


def test_a_clock_of_1970_and_no_network_clear_nobody_and_silence_nobody(machine):
    """The clock's battery is empty and the line is down: the booth opens all the same and says what it cannot."""
    library = machine.inside("sh", "-c", "echo /usr/lib/*/faketime/libfaketime.so.1").strip()
    machine.drop_in(
        "failsafe-core",
        "clock",
        f"Environment=LD_PRELOAD={library} FAKETIME='@1970-01-01 00:05:00' FAKETIME_DONT_FAKE_MONOTONIC=1",
    )
    machine.cut_cable()
    try:
        machine.inside("systemctl", "daemon-reload")
        machine.inside("systemctl", "restart", "failsafe-core")
        status = machine.await_status(lambda status: not status["clock"]["trusted"], "a clock that is not trusted")
        assert status["clock"]["wall"].startswith("1970-")
        assert status["ready"]["word"] == "CANNOT CLEAR"
        assert machine.shown("failsafe-core", "StatusText")["StatusText"].startswith("CANNOT CLEAR.")
    finally:
        machine.drop_in("failsafe-core", "clock", "")
        machine.inside("systemctl", "daemon-reload")
        machine.inside("systemctl", "restart", "failsafe-core")
        machine.mend_cable()
    # A clock that went back is believed again on headquarters' next word, which would come within ten minutes.
    machine.hq("publish")
    machine.await_ready()
    assert_all_once(machine)
