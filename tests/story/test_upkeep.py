"""A technician measures, stores and accepts at a running booth; what he did outlives a restart, and is recorded."""

from __future__ import annotations

import json
import subprocess

import pytest

from failsafe.agent.demo.house import program
from tests.story.journey import Journey

SET_ANEW = "SG1,003000,000050,000005,000010,009.0"


def call(booth: Journey, *words: str) -> subprocess.CompletedProcess[str]:
    command = [program("failsafe"), *words, "--config", str(booth.configuration)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def measure(booth: Journey, *options: str) -> dict:
    done = call(booth, "background", "portal-1", "--seconds", "2.5", "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def booth(begin) -> Journey:
    journey = begin()
    journey.plug_in()
    journey.start_core()
    journey.await_ready()
    return journey


def test_a_background_is_measured_stored_and_compared(booth: Journey):
    first = {one["quantity"]: one for one in measure(booth, "--store")["background"]}
    means = [panel["mean"] for panel in first["gamma"]["panels"]]
    assert means == pytest.approx(booth.portal.script.gamma_cps, rel=0.05)
    assert {"spread", "error"} < set(first["gamma"]["panels"][0]) and first["gamma"]["stored_at"] is None
    again = {one["quantity"]: one for one in measure(booth)["background"]}
    assert [panel["stored"] for panel in again["gamma"]["panels"]] == means
    assert not any(panel["differs"] for panel in again["gamma"]["panels"])
    booth.stop_core()
    noted = [one for one in booth.kept().health if one.part == "portal-1 background"]
    assert [one.now for one in noted] == ["stored anew"]
    assert f"is: gamma {means[0]:.1f}" in noted[0].detail

    booth.start_core()
    booth.await_device("portal-1", "OK")
    booth.portal.script.gamma_cps = tuple(2 * cps for cps in booth.portal.script.gamma_cps)
    assert booth.await_device("portal-1", "HIGH_BG")["advice"]
    words = call(booth, "background", "portal-1", "--seconds", "2.5")
    assert words.returncode == 0 and "more than counting explains" in words.stdout


def test_a_changed_set_up_outlives_a_restart_until_it_is_accepted(booth: Journey):
    assert "Nothing in its set-up has changed" in call(booth, "accept-setup", "portal-1").stderr
    booth.portal.background()  # with its set-up: what it said before the core listened is lost
    booth.portal.say(SET_ANEW)
    booth.await_device("portal-1", "CONFIG_CHANGED")
    booth.stop_core()
    booth.start_core()
    booth.await_device("portal-1", "CONFIG_CHANGED")
    assert booth.meet_innocent()["word"] == "CANNOT CLEAR"
    accepted = call(booth, "accept-setup", "portal-1")
    assert accepted.returncode == 0 and "SG1: 3000 50 5 10 4" in accepted.stdout
    booth.await_device("portal-1", "OK")
    booth.cut_down()
    booth.start_core()
    booth.await_device("portal-1", "OK")
    booth.stop_core()
    noted = [one.detail for one in booth.kept().health if one.part == "portal-1 set-up"]
    assert noted == ["SG1: 3000 50 5 10 4 is now 3000 50 5 10 9"]


def test_nothing_is_measured_while_somebody_passes(booth: Journey):
    with booth.visit() as core:
        core.tell("background", device="portal-1", seconds=30.0, store=True)
        assert core.next()["of_s"] == 30.0
        booth.portal.passage(seconds=1.0)
        answer = core.next()
        while "elapsed_s" in answer:
            answer = core.next()
        assert "broken off" in answer["error"] and "nobody passes" in answer["advice"]
        assert "no such detector" in core.ask("background", device="passport-1", seconds=2.0)["error"]
        booth.portal.say("TT,000000,000000,000000,000000")
        booth.await_device("portal-1", "TAMPER")
        assert "TAMPER" in core.ask("background", device="portal-1", seconds=2.0)["advice"]
        assert core.ask("recorder")["recorded"] is True


def test_where_no_core_runs_the_port_is_measured_and_nothing_stored(booth: Journey):
    booth.stop_core()
    done = call(booth, "background", "portal-1", "--seconds", "2.5", "--json")
    assert "measuring at" in done.stderr
    assert {one["quantity"] for one in json.loads(done.stdout)["background"]} == {"gamma", "neutron"}
    refused = call(booth, "background", "portal-1", "--seconds", "2.5", "--store")
    assert refused.returncode == 1 and "only it keeps a reference" in refused.stderr
    assert call(booth, "background", "passport-1").returncode == 2
    booth.portal_line.unplug()
    gone = call(booth, "background", "portal-1", "--seconds", "2.5")
    assert gone.returncode == 1 and "The line is ABSENT" in gone.stderr


def test_a_running_booth_tests_itself_and_names_what_is_wrong(booth: Journey):
    def tested() -> tuple[int, dict[str, dict]]:
        done = call(booth, "selftest", "--json")
        told = json.loads(done.stdout)
        return done.returncode, {line["name"]: line for line in told["lines"]}

    code, lines = tested()
    assert code == 0, [line for line in lines.values() if line["word"] == "FAULT"]
    for name in ("core", "keys", "notices", "ledger", "recorder", "clock", "matching", "alarms, lane 1"):
        assert lines[name]["word"] == "OK", lines[name]
    assert lines["portal portal-1, lane 1"]["word"] == "OK"
    alerts = booth.status()["ledger"]["alerts"]
    booth.portal_line.unplug()
    booth.await_device("portal-1", "ABSENT", "DOWN", "LINK_DOWN")
    code, lines = tested()
    assert code == 1 and lines["portal portal-1, lane 1"]["word"] == "FAULT"
    assert booth.status()["ledger"]["alerts"] == alerts
