"""What a technician asks of a running core: what is refused, what is broken off, what is stored and told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import numpy as np
import pytest

from failsafe.agent import inspection
from failsafe.agent.health import Change
from failsafe.agent.inspection import Inspection
from failsafe.agent.radiation.detector import DetectorSettings, LaneMonitor
from failsafe.agent.radiation.static_monitor import StaticMonitor
from failsafe.drivers.reading import Alarm, Background, DeviceHealth, Occupancy, Scan, SetUp

AT = "2026-11-22T06:00:00Z"


class Lane:
    """What an inspection needs of a booth: one detector, and a clock that goes as its device speaks."""

    def __init__(self, monitor: LaneMonitor) -> None:
        self._monitor = monitor
        self.now = 0.0
        self.occupied = False
        self.noted: list[Change] = []
        self.inspection = Inspection(self)
        self.spoken: Callable[[], None] = lambda: None

    def ask(self, act):
        self.spoken()
        return act(self.now)

    def monitor(self, device):
        return self._monitor if device == self._monitor.detector else None

    def is_occupied(self, device):
        return self.occupied

    def note(self, change):
        self.noted.append(change)

    def wall(self):
        return AT

    def hear(self, *readings):
        for reading in readings:
            self.now = max(self.now, reading.at)
            self._monitor.receive(reading, self.now)
            self.inspection.receive(self._monitor.detector, reading)


def told(at, *panels):
    return Background(at, "gamma", tuple(map(float, panels or (380, 371, 407, 371))))


@pytest.fixture
def lane(monkeypatch) -> Lane:
    monkeypatch.setattr(inspection, "GLANCE_S", 0.0)  # its clock is the device's
    made = Lane(LaneMonitor("portal-1", "r1"))
    made.hear(SetUp(0.0, "SG1", (4.0,), 4.0), told(0.0))
    made.spoken = lambda: made.hear(told(made.now + 5.0, *np.random.default_rng(int(made.now)).poisson(380, 4)))
    return made


def measured(lane: Lane, seconds: float = 60.0, *, store: bool = False, device: str = "portal-1") -> list[dict]:
    async def all_of_it() -> list[dict]:
        return [one async for one in lane.inspection.background(device, seconds=seconds, store=store)]

    return asyncio.run(all_of_it())


def test_progress_comes_until_the_time_is_over_and_then_what_was_measured(lane):
    *progress, last = measured(lane)
    assert [one["elapsed_s"] for one in progress] == sorted(one["elapsed_s"] for one in progress)
    assert progress[-1]["elapsed_s"] < 60.0 and {one["of_s"] for one in progress} == {60.0}
    assert last["background"][0]["readings"] == 12 and last["stored"] is False
    assert lane.noted == [] and lane.monitor("portal-1").references == {}


def test_what_is_stored_is_the_reference_and_headquarters_hears_both(lane):
    measured(lane, store=True)
    before = lane.monitor("portal-1").references["gamma"]
    assert before.at == AT
    (last,) = measured(lane, store=True)[-1:]
    assert last["background"][0]["panels"][0]["stored"] == pytest.approx(before.means[0], abs=0.001)
    first, second = lane.noted
    assert (first.part, first.detail.startswith("was: none; is: gamma")) == ("portal-1 background", True)
    assert f"was: gamma {before.means[0]:.1f}" in second.detail


def test_a_short_measurement_measures_nothing_and_an_endless_one_is_bounded(lane):
    lane.spoken = lambda: setattr(lane, "now", lane.now + 1.0)
    assert "told no background" in measured(lane, 0.0)[-1]["error"]
    lane.spoken = lambda: lane.hear(told(lane.now + 5.0))
    assert measured(lane, 1e9)[0]["of_s"] == inspection.LONGEST_S


@pytest.mark.parametrize(
    ("reading", "word"),
    [
        (Occupancy(1.0, "began"), "Somebody"),
        (Alarm(1.0, "gamma", (90, 90, 90, 90)), "Somebody"),
        (DeviceHealth(1.0, "TAMPER", False), "TAMPER"),
        (DeviceHealth(1.0, "HIGH_BG", False), "HIGH_BG"),
    ],
)
def test_it_is_refused_where_it_would_be_worth_nothing(lane, reading, word):
    lane.spoken = lambda: None
    lane.hear(reading)
    (refused,) = measured(lane, store=True)
    assert "not measured" in refused["error"] and word in refused["advice"]
    assert lane.noted == []


def test_a_silent_detector_is_not_measured(lane):
    lane.spoken = lambda: setattr(lane, "now", 100.0)
    (refused,) = measured(lane)
    assert "LINK_DOWN" in refused["advice"]


def test_somebody_who_comes_breaks_it_off_and_nothing_is_stored(lane):
    async def until_disturbed() -> dict:
        async with aclosing(lane.inspection.background("portal-1", seconds=600.0, store=True)) as answers:
            assert "elapsed_s" in await anext(answers)
            lane.hear(Occupancy(lane.now + 1.0, "began"), Occupancy(lane.now + 2.0, "ended"))
            return await anext(answers)

    broken = asyncio.run(until_disturbed())
    assert "broken off" in broken["error"] and lane.noted == []


def test_a_high_background_by_its_reference_can_be_measured_anew(lane):
    measured(lane, store=True)
    lane.spoken = lambda: lane.hear(told(lane.now + 5.0, 900, 900, 900, 900))
    for _ in range(20):
        lane.spoken()
    assert lane.monitor("portal-1").health(lane.now) == "HIGH_BG"
    assert all(panel["differs"] for panel in measured(lane, store=True)[-1]["background"][0]["panels"])
    assert lane.monitor("portal-1").health(lane.now) == "OK"


def test_whoever_leaves_is_measured_for_no_longer(lane):
    async def leave() -> None:
        async with aclosing(lane.inspection.background("portal-1", seconds=60.0, store=True)) as answers:
            await anext(answers)

    asyncio.run(leave())
    lane.hear(told(lane.now + 5.0))
    assert lane.inspection._courses == [] and lane.noted == []


def test_nobody_else_has_a_background(lane):
    assert "no such detector" in measured(lane, device="passport-1")[0]["error"]
    assert "no such detector" in lane.inspection.accept_setup("passport-1", relearn=True)["error"]


def test_a_device_on_the_desk_is_measured_by_its_counts_while_nobody_stands_there(monkeypatch):
    monkeypatch.setattr(inspection, "GLANCE_S", 0.0)
    desk = Lane(StaticMonitor("desk-1", "r1", DetectorSettings(late_s=3.5, down_s=10.0, kind="static")))
    random = np.random.default_rng(3)
    desk.spoken = lambda: desk.hear(Scan(desk.now + 1.0, "gamma", (int(random.poisson(30)),), 1.0))
    for _ in range(200):
        desk.spoken()
    (last,) = measured(desk, store=True, device="desk-1")[-1:]
    assert last["background"][0]["panels"][0]["mean"] == pytest.approx(30.0, rel=0.1)
    assert desk.monitor("desk-1").health(desk.now) == "OK"
    desk.occupied = True
    assert "Somebody" in measured(desk, device="desk-1")[0]["advice"]


# --- the set-up ------------------------------------------------------------------------------------------------


def test_a_changed_set_up_is_accepted_once_and_told(lane):
    assert "Nothing" in lane.inspection.accept_setup("portal-1", relearn=False)["error"]
    lane.hear(SetUp(lane.now, "SG1", (9.0, "A"), 9.0))
    answer = lane.inspection.accept_setup("portal-1", relearn=False)
    assert answer["accepted"] == [{"tag": "SG1", "was": [4.0], "is": [9.0, "A"]}]
    assert [change.detail for change in lane.noted] == ["SG1: 4 is now 9 A"]
    assert "Nothing" in lane.inspection.accept_setup("portal-1", relearn=False)["error"]


def test_a_lane_that_teaches_anew_is_told_too(lane):
    assert lane.inspection.accept_setup("portal-1", relearn=True)["forgotten"] == 0
    assert [change.detail for change in lane.noted] == ["0 lessons forgotten"]


def test_another_factor_than_the_configured_one_stays_a_doubt():
    lane = Lane(LaneMonitor("portal-1", "r1", DetectorSettings(nsigma=5.0)))
    lane.hear(SetUp(0.0, "SG1", (4.0,), 4.0), told(0.0))
    assert lane.monitor("portal-1").health(0.0) == "CONFIG_CHANGED"
    assert "nsigma" in lane.inspection.accept_setup("portal-1", relearn=False)["advice"]
    assert lane.monitor("portal-1").health(0.0) == "CONFIG_CHANGED"
