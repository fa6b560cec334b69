"""A passage of which something is missing clears nobody: lost intervals, torn beginnings, dead panels, no counts."""

from __future__ import annotations

import itertools

import pytest

from failsafe.agent.radiation.coverage import Coverage
from failsafe.agent.radiation.detector import DetectorSettings, LaneMonitor
from failsafe.drivers import tsa
from failsafe.drivers.reading import Background, Malformed, Occupancy, Scan

GAMMA = (100.0, 100.0, 100.0, 100.0)
NEUTRON = (0.8, 0.0, 0.8, 0.0)
COUNTS = itertools.cycle([(20, 21, 19, 20), (21, 19, 20, 22), (18, 20, 21, 19)])


def monitor(*, neutron=True):
    """One that has just heard its backgrounds."""
    made = LaneMonitor("P1", "r1", DetectorSettings())
    for channel, panels_cps in (("gamma", GAMMA), ("neutron", NEUTRON)):
        if channel == "gamma" or neutron:
            made.receive(Background(0.0, channel, panels_cps), 0.0)
    return made


def passage(monitor, *, seconds=6.0, lost=(), neutron=(1, 0, 0, 0), panels=lambda counts: counts, end=None, before=()):
    """A passage told interval by interval, but for those that begin within `lost`."""
    for reading in before:
        monitor.receive(reading, reading.at)
    monitor.receive(Occupancy(10.0, "began"), 10.0)
    for step in range(round(seconds / 0.2)):
        at = 10.0 + step * 0.2
        if not lost or not lost[0] <= at < lost[1]:
            monitor.receive(Scan(at, "gamma", panels(next(COUNTS)), 0.2), at)
        if neutron and step % 5 == 4:
            monitor.receive(Scan(at, "neutron", neutron, 1.0), at)
    end = end or Occupancy(10.0 + seconds, "ended")
    monitor.receive(end, 10.0 + seconds)
    (only,) = monitor.passages()
    assert only.ended_at is not None
    return only


def test_a_whole_passage_is_quiet():
    assert passage(monitor()).quiet
    assert passage(monitor(neutron=False), neutron=()).quiet


@pytest.mark.parametrize(("lost", "whole"), [((12.0, 12.7), True), ((12.0, 13.7), False), ((10.0, 11.7), False)])
def test_lost_intervals_are_missed(lost, whole):
    """Bytes that are lost from one line's end to another's leave no torn line."""
    told = passage(monitor(), lost=lost)
    assert (told.quiet, told.health) == (whole, "OK" if whole else "LATE")


def test_an_end_that_comes_late_hides_what_was_lost_before_it():
    assert passage(monitor(), lost=(14.4, 16.0)).health == "LATE"


def test_a_burst_after_a_pause_is_nothing_lost():
    """A booth that stood still for a moment gets everything at once."""
    held = monitor()
    held.receive(Occupancy(10.0, "began"), 10.0)
    for step in range(30):
        at = 10.0 + step * 0.2 if step < 10 else 15.8
        held.receive(Scan(at, "gamma", next(COUNTS), 0.2), at)
        if step % 5 == 4:
            held.receive(Scan(at, "neutron", (1, 0, 1, 0), 1.0), at)
    held.receive(Occupancy(16.0, "ended"), 16.0)
    assert held.passages()[0].quiet


def test_an_occupancy_without_a_count_is_none_that_was_measured():
    held = monitor()
    held.receive(Occupancy(10.0, "began"), 10.0)
    held.receive(Occupancy(10.5, "ended"), 10.5)
    assert (held.passages()[0].monitored, held.passages()[0].health) == (False, "LATE")


def test_neutrons_that_are_not_told_any_more_are_missed():
    assert passage(monitor(), neutron=()).health == "LATE"
    assert passage(monitor(), seconds=2.0, neutron=()).quiet, "too short for one of them"


def test_a_torn_line_may_have_been_the_first_of_a_passage():
    torn = Malformed(9.9, "no line of this device", 12)
    assert passage(monitor(), before=[torn]).health == "DEVICE"
    assert passage(monitor(), before=[torn, Background(9.95, "gamma", GAMMA)]).quiet, "nobody was in it then"


@pytest.mark.parametrize(
    ("seconds", "panels", "health"),
    [
        (6.0, lambda counts: (0, *counts[1:]), "STUCK"),
        (6.0, lambda counts: (0, 0, 0, 0), "STUCK"),
        (3.0, lambda counts: tuple(count // 3 for count in counts), "OK"),
    ],
    ids=["one panel", "all", "a deep shadow"],
)
def test_a_panel_that_counts_nothing_is_dead(seconds, panels, health):
    assert passage(monitor(), seconds=seconds, panels=panels).health == health


@pytest.mark.parametrize(
    ("seconds", "panels", "health"),
    [
        (2.4, lambda counts: (20, *counts[1:]), "STUCK"),
        (2.4, lambda counts: (20, 20, 20, 20), "STUCK"),
        (1.2, lambda counts: (20, *counts[1:]), "OK"),
    ],
    ids=["one panel", "all", "chance"],
)
def test_a_panel_that_stands_still_for_a_whole_passage_is_no_witness(seconds, panels, health):
    """It is shorter than the run of intervals that makes the detector itself STUCK."""
    assert passage(monitor(), seconds=seconds, panels=panels).health == health


def test_neutrons_that_were_told_and_count_nothing_are_dead():
    whole = passage(monitor(), seconds=30.0, neutron=(0, 0, 0, 0))
    assert whole.health == "STUCK"
    end = Occupancy(18.0, "ended", neutron_cps=2.6)
    assert passage(monitor(), seconds=8.0, neutron=(0, 0, 0, 0), end=end).health == "STUCK"
    assert passage(monitor(), seconds=8.0, neutron=(0, 0, 0, 0)).quiet, "13 are too few to be sure"


def test_one_passages_gap_is_not_the_next_ones():
    coverage = Coverage()
    for reading in (Malformed(1.0, "x", 1), Occupancy(1.1, "began"), Scan(1.2, "gamma", (1, 2), 0.2)):
        coverage.receive(reading)
    assert coverage.gap(1.3, {"gamma": ()}) == "DEVICE"
    for reading in (Occupancy(1.3, "ended"), Occupancy(9.0, "began"), Scan(9.1, "gamma", (1, 2), 0.2)):
        coverage.receive(reading)
    assert coverage.gap(9.2, {"gamma": ()}) is None


@pytest.mark.parametrize("name", ["S2-C0-NONE", "S2-C3-NORM2"])
def test_of_real_portals_nothing_is_missing_unless_it_is_taken_out(shared, name):
    lines = (shared / "data" / "rpm" / f"{name}.csv").read_bytes().splitlines()
    assert _doubtful(lines) == 0
    starts = [number for number, line in enumerate(lines) if line.startswith(b"GX")]
    holes = {number for start in starts[1:4] for number in range(start - 120, start - 20)}
    assert _doubtful([line for number, line in enumerate(lines) if number not in holes]) == 3


def _doubtful(lines):
    held, decoder, seen = LaneMonitor("P1", "r1"), tsa.TsaDecoder(), {}
    for line in lines:
        now = tsa.stamp_of(line)
        for reading in decoder.receive(tsa.strip_stamp(line), now):
            held.receive(reading, now)
        seen.update({one.id: one for one in held.passages()})
    assert len(seen) == 25
    return sum(not one.monitored for one in seen.values())
