"""The picture of a detector that a technician watches: what the booth judges by, panel by panel, on any terminal."""

from __future__ import annotations

import io
import os
import pty as terminals
import re
import subprocess
import threading
from collections.abc import Iterator

import click
import pytest
from rich.console import Console

from failsafe.agent.commands import live, watching
from failsafe.agent.commands.live import Spoken, by_core, by_port, draw, glance, monitor_of
from failsafe.agent.commands.watching import Watchers
from failsafe.agent.control import CoreUnreachable
from failsafe.agent.radiation.detector import LaneMonitor
from failsafe.agent.radiation.static_monitor import StaticMonitor
from failsafe.agent.tables import LaneTable
from failsafe.drivers.detectors import Detector
from failsafe.drivers.driver import find
from failsafe.drivers.families import FAMILIES
from failsafe.drivers.line import LineState
from failsafe.drivers.reading import Background, Dose, Identification, Rate
from failsafe.drivers.simulator import Pty
from tests.test_faults import Bench
from tests.test_simulator import PATIENCE_S
from tests.test_technician import COMMAND, served

UP = LineState("portal-1", "OK", "", "", 1.0)


class Watched(Bench):
    """A detector on a turned clock, with what a watcher hears of it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.spoken = Spoken()

    def _take(self, reading) -> None:
        super()._take(reading)
        self.spoken.take(watching.told(reading, specimen=False))

    def passes(self, source_cps: float) -> None:
        for line in self.detector.family.passage(self.detector.cps, source_cps, 8.0, stuck=False):
            self.now += line.after_s
            self.detector._tell(line.text)
            self._hear()

    def drawn(self, line: LineState | None = UP, width: int = 100, encoding: str = "utf-8") -> str:
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        console = Console(file=file, width=width, force_terminal=True, color_system=None)
        console.print(draw(glance(self.monitor, line, self.now), self.spoken, console))
        file.flush()
        return file.buffer.getvalue().decode(encoding)


@pytest.fixture
def portal() -> Watched:
    portal = Watched("tsa")
    portal.live(30)
    return portal


# --- at a glance -------------------------------------------------------------------------------------------------


def test_a_glance_says_what_the_monitor_judges_by(portal):
    portal.passes(0.0)
    portal.live(12)
    portal.passes(900.0)
    seen = glance(portal.monitor, UP, portal.now)
    assert (seen["health"], seen["lane_kind"]) == (portal.health, "vehicle") == ("OK", "vehicle")
    assert seen["background_cps"]["gamma"] == portal.monitor.background_cps()
    assert seen["threshold_cps"] == portal.monitor.line_drawn(1.0)
    assert len(seen["strip"]["gamma"]) == len(portal.monitor.strip(portal.now))
    quiet, alarmed = seen["passages"]
    assert (quiet["alarms"], quiet["monitored"]) == ([], True)
    assert alarmed["alarms"] == ["gamma"] and "window" in alarmed["own"]
    assert alarmed["began_s"] > alarmed["ended_s"] >= 0.0


def test_a_glance_lets_time_pass(portal):
    assert glance(portal.monitor, UP, portal.now + 60.0)["health"] == "LINK_DOWN"


def test_a_monitor_is_of_its_lane_or_of_the_usual_one():
    lane = LaneTable(name="1", kind="pedestrian", false_alarms_gamma=2e-3)
    settings = monitor_of("x", find("tsa"), lane, 4.5).settings
    assert (settings.kind, settings.budget.gamma, settings.nsigma) == ("pedestrian", 2e-3, 4.5)
    assert type(monitor_of("x", find("tsa"), None)) is LaneMonitor
    assert type(monitor_of("x", find("radeye"), None)) is StaticMonitor


# --- drawn -------------------------------------------------------------------------------------------------------


def test_the_picture_shows_panels_strip_and_passages(portal):
    portal.passes(900.0)
    text = portal.drawn()
    for said in ("OK", "background/s", "alarm from", "gamma, last 60 s", "neutron, last 60 s", "ALARM gamma", "\u2588"):
        assert said in text
    assert " ".join(str(round(one)) for one in portal.spoken.panels["gamma"]) in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_each_state_says_what_to_do(portal):
    portal.detector.trouble()
    portal.live(1)
    assert "tampered with (TAMPER)" in portal.drawn() and "send somebody to look" in portal.drawn()
    lost = LineState("portal-1", "LOST", "It went away.", "Check the cable.", 1.0)
    assert "connection lost (LOST)" in portal.drawn(lost) and "Check the cable." in portal.drawn(lost)


def test_a_passage_that_was_not_monitored_is_told_so(portal):
    portal.detector.trouble()
    portal.passes(0.0)
    assert "not monitored (TAMPER)" in portal.drawn()


def test_a_narrow_terminal_without_signs_shows_it_too(portal):
    portal.passes(900.0)
    text = portal.drawn(width=40, encoding="ascii")
    assert "ALARM gamma" in text and "#" in text and "?" not in text


def test_before_anything_was_heard_it_can_be_drawn():
    assert "nothing yet" in Watched("gmc").drawn(None)


def test_doses_rates_and_nuclides_are_shown():
    meter = Watched("radeye")
    for reading in (Dose(1.0, 120.0), Rate(1.0, "gamma", 2.5, 60.0), Identification(1.0, "Cs-137\x1b[2J")):
        meter._take(reading)
    text = meter.drawn()
    assert "120 nSv/h" in text and "2.50/s" in text and "Cs-137" in text and "\x1b[2J" not in text


# --- from where --------------------------------------------------------------------------------------------------


@pytest.fixture
def pty(tmp_path) -> Iterator[Pty]:
    with Pty(tmp_path / "portal") as pty:
        detector = Detector(pty, FAMILIES["tsa"](), pace=0.05)
        detector.start()
        yield pty
        detector.stop()


def until(look: live.Look, holds) -> dict:
    """Look until it holds, and what was seen then."""
    for _ in range(round(PATIENCE_S / 0.05)):
        seen, spoken = look()
        if holds(seen, spoken):
            return seen
        threading.Event().wait(0.05)
    raise AssertionError("it was never seen")


def test_a_port_is_looked_at_with_a_monitor_of_its_own(pty):
    tsa = find("tsa")
    with by_port(str(pty.link), tsa.line, tsa, monitor_of("portal-1", tsa, None)) as look:
        seen = until(look, lambda seen, spoken: seen["health"] == "OK" and "gamma" in spoken.backgrounds)
        assert seen["line"]["state"] == "OK"
        pty.unplug()
        assert until(look, lambda seen, _: seen["line"]["state"] == "LOST")["health"] == "LINK_DOWN"


class LookedAtCore:
    """The part of a core that is looked at."""

    def __init__(self, portal: Watched) -> None:
        self.watchers = Watchers()
        self.portal = portal

    def watch(self, device: str, *, specimen: bool):
        return self.watchers.listen(device, specimen=specimen)

    def detector(self, device: str):
        if device != "portal-1":
            return live.NO_DETECTOR
        return glance(self.portal.monitor, UP, self.portal.now)


def test_the_running_core_is_looked_at_by_its_own_monitor(tmp_path, portal):
    core, path = LookedAtCore(portal), tmp_path / "core.sock"
    with served(core, path), by_core(path, "portal-1") as look:
        core.watchers.tell("portal-1", Background(1.0, "gamma", (7.0, 8.0)))
        seen = until(look, lambda _, spoken: spoken.backgrounds.get("gamma") == (7.0, 8.0))
        assert seen["background_cps"]["gamma"] == portal.monitor.background_cps()


def test_a_core_without_that_detector_and_no_core_are_told(tmp_path, portal):
    path = tmp_path / "core.sock"
    told = pytest.raises(click.ClickException, match=r"no such detector\. `failsafe status`")
    with served(LookedAtCore(portal), path), by_core(path, "portal-9") as look, told:
        live.show(look, Console(file=io.StringIO()))
    with pytest.raises(CoreUnreachable), by_core(path, "portal-1"):
        pass


def test_on_a_terminal_the_command_draws_it(pty):
    ours, theirs = terminals.openpty()
    command = [COMMAND, "watch", "--config", "/nowhere", str(pty.link), "--driver", "tsa"]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"}) as child:
        os.close(theirs)
        seen = b""
        while b"background/s" not in seen or not re.search(rb"heard: [0-9]+ background ", seen):
            seen += os.read(ours, 4096)
        child.terminate()
    os.close(ours)
