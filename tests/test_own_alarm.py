"""The booth's own tests: what they find, what they leave alone, and that the calibrated code is the one that judges."""

from __future__ import annotations

import numpy as np
import pytest

from failsafe.agent.radiation import alarm_tables, open_lane, vehicle_lane
from failsafe.agent.radiation.background import Known
from failsafe.agent.radiation.detector import DetectorSettings, LaneMonitor
from failsafe.agent.radiation.open_lane import OpenLane
from failsafe.agent.radiation.own_alarm import (
    REMEMBERS,
    TAUGHT_AFTER,
    Budget,
    Lessons,
    OwnTests,
    sums_threshold,
    vehicle_thresholds,
)
from failsafe.agent.radiation.vendor_rule import VendorRule
from failsafe.drivers.reading import Alarm, Background, Occupancy, Scan
from tests.occupancies import EVEN, Stretch, drawn

SHADOWED = Stretch(1000.0, 0.2, 60.0, shadowed=True)
SKEWED = (0.43, 0.03, 0.49, 0.05)


def some(stretch, number, seed=3):
    ((counts, held),) = drawn(stretch, number, seed)
    return counts, held


def told(tests, gamma=(250.0,) * 4, neutron=(1.0, 0.0, 1.0, 0.0)):
    for _ in range(100):
        tests.receive(Background(0.0, "gamma", gamma))
        tests.receive(Background(0.0, "neutron", tuple(cps + 0.001 for cps in neutron)))


def passes(tests, gamma=(), neutron=(), at=0.0):
    """Alarms of one occupancy: (channel, test, time since its beginning)."""
    alarms = tests.receive(Occupancy(at, "began"))
    for step, counts in enumerate(gamma):
        alarms += tests.receive(Scan(at + step * 0.2, "gamma", tuple(map(int, counts)), 0.2))
    for step, counts in enumerate(neutron):
        alarms += tests.receive(Scan(at + step, "neutron", tuple(map(int, counts)), 1.0))
    alarms += tests.receive(Occupancy(at + 12.0, "ended"))
    return alarms


# --- vehicle lanes ---------------------------------------------------------------------------------------------


def test_a_source_on_one_side_behind_a_shadow_is_found_and_its_panels_are_named():
    counts, _ = some(Stretch(1000.0, 0.2, 60.0, shadowed=True, source_cps=900.0, split=SKEWED), 1)
    tests = OwnTests()
    told(tests)
    alarms = {alarm.test: alarm for alarm in passes(tests, counts[0])}
    assert set(alarms) >= {"contrast", "filter"}
    assert alarms["contrast"].panels == (1, 3)
    assert alarms["contrast"].strength >= alarms["contrast"].threshold
    assert all(alarm.channel == "gamma" for alarm in alarms.values())


def test_quiet_vehicles_stay_quiet():
    counts, _ = some(SHADOWED, 300)
    tests = OwnTests()
    told(tests)
    alarmed = sum(bool(passes(tests, occupancy)) for occupancy in counts)
    assert alarmed <= 4  # of 300 at one in a thousand; five and more come once in 25,000 lots
    assert tests.calibrated


def test_an_even_shadow_however_deep_is_no_alarm():
    random = np.random.default_rng(4)
    for depth in (1.0, 0.9, 0.75, 0.6, 0.5):
        tests = OwnTests()
        told(tests)
        counts = random.poisson(np.full((60, 4), 50.0 * depth))
        assert passes(tests, counts) == []


def test_the_window_alarms_while_the_vehicle_is_there():
    tests = OwnTests()
    told(tests)
    tests.receive(Occupancy(0.0, "began"))
    found = [tests.receive(Scan(step * 0.2, "gamma", (150,) * 4, 0.2)) for step in range(6)]
    assert [bool(alarms) for alarms in found] == [False] * 4 + [True, False]  # told once
    assert found[4][0].at == pytest.approx(0.8)


def test_a_vehicle_that_stands_is_judged_in_pieces():
    # The source stands in the tenth second of a minute.
    counts = np.full((300, 4), 40)
    counts[::2] += 1
    counts[45:60, (0, 2)] += 30
    tests = OwnTests()
    told(tests)
    tests.receive(Occupancy(0.0, "began"))
    when = [
        (step, alarm.test)
        for step, row in enumerate(counts)
        for alarm in tests.receive(Scan(step * 0.2, "gamma", tuple(row.tolist()), 0.2))
    ]
    assert (vehicle_lane.LONGEST - 1, "contrast") in when


def test_the_stream_and_the_arrays_see_the_same_window():
    counts, held = some(SHADOWED, 40)
    strength, group = vehicle_lane.window(counts, held)
    for occupancy, cps, best, which in zip(counts, held, strength, group, strict=True):
        rule = VendorRule(99.0)
        rule.background(cps.tolist())
        judged = [found for found in (rule.scan(row.tolist()) for row in occupancy) if found]
        assert max(one.strength for one in judged) == pytest.approx(best)
        panels = tuple(panel + 1 for panel in vehicle_lane.window_groups(4)[which])
        assert max(judged, key=lambda one: one.strength).panels == panels


def test_contrast_is_the_conditional_binomial():
    counts, _ = some(SHADOWED, 1)
    occupancy = counts[0].astype(float)
    best = -np.inf
    for length in (5, 10, 15):
        for start in range(len(occupancy) - length + 1):
            inside = occupancy[start : start + length].sum(0)
            outside = occupancy.sum(0) - inside
            for group in vehicle_lane.contrast_groups(4):
                seen, total, out = inside[list(group)].sum(), inside.sum(), outside.sum()
                share = outside[list(group)].sum() / out
                best = max(best, (seen - total * share) / np.sqrt(total * share * (1 - share) * (1 + total / out)))
    assert vehicle_lane.contrast(counts)[0][0] == pytest.approx(best)


def test_filters_of_pure_shadow_have_variance_one():
    counts, held = some(SHADOWED, 3000)
    seen = counts.sum(2) / (held.sum(1)[:, None] * 0.2) - vehicle_lane.mean_course(60)
    filtered = seen @ vehicle_lane._filters(60, round(np.log(1000.0) * 10))
    assert filtered.std(0) == pytest.approx(1.0, abs=0.12)


def test_short_occupancies_are_judged_by_the_window_alone():
    counts, held = some(SHADOWED, 5)
    assert np.isfinite(vehicle_lane.strengths(counts[:, :10], held)).tolist() == [[True, False, False]] * 5
    assert not np.isfinite(vehicle_lane.strengths(counts[:, :4], held)).any()


def test_other_numbers_of_panels_have_tests_too():
    assert vehicle_lane.contrast_groups(1) == ()
    random = np.random.default_rng(5)
    for panels in (1, 2, 6):
        tests = OwnTests()
        told(tests, gamma=(1000.0 / panels,) * panels)
        quiet = random.poisson(np.full((60, panels), 160.0 / panels))
        assert passes(tests, quiet) == []
        assert passes(tests, quiet * 2)


# --- open lanes and neutrons ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("interval_s", "cps"), [(0.2, 250.0), (1.0, 2.0)])
def test_the_stream_and_the_arrays_see_the_same_sums_and_windows(interval_s, cps):
    counts, held = some(Stretch(cps, interval_s, 60.0, source_cps=2.5 * cps**0.5), 200)
    total, backgrounds = counts.sum(2), held.sum(1)
    peaks = open_lane.peaks(total, backgrounds, interval_s)
    flags = open_lane.window_flags(total, backgrounds, 60.0, interval_s, 1e-2)
    for occupancy, background, peak, flag in zip(total, backgrounds, peaks, flags, strict=True):
        lane = OpenLane(Known((background,), 60.0), interval_s, 1e-2, sums_at=1e9)
        looks = [lane.scan(int(row)) for row in occupancy]
        assert any(look.is_alarm for look in looks) == flag
        lane = OpenLane(Known((background,), 60.0), interval_s, 1e-2, sums_at=1e-9)
        sums = [look.strength for look in map(lane.scan, occupancy) if look.test == "sums"]
        assert max(sums, default=0.0) == pytest.approx(peak)
    assert 0 < flags.sum() < 200


def test_neutrons_are_found_within_the_second():
    tests = OwnTests()
    told(tests)
    neutron = [(1, 0, 1, 0)] * 5 + [(8, 0, 8, 0)] + [(1, 0, 1, 0)] * 5
    (alarm, *_) = passes(tests, neutron=neutron)
    assert (alarm.channel, alarm.at, alarm.panels) == ("neutron", 5.0, (1, 2, 3, 4))
    assert passes(tests, neutron=[(1, 0, 1, 0), (2, 0, 1, 0)] * 6) == []


@pytest.mark.parametrize("kind", ["pedestrian", "static"])
def test_open_lanes_find_less_gamma_than_a_vehicle_lane_needs(kind):
    random = np.random.default_rng(6)
    gamma = random.poisson(np.full((60, 4), 50.0))
    gamma[25:35] = random.poisson(np.full((10, 4), 62.0))
    tests = OwnTests(kind)
    told(tests)
    assert {alarm.channel for alarm in passes(tests, gamma)} == {"gamma"}
    assert passes(tests, random.poisson(np.full((60, 4), 50.0))) == []


def test_a_long_wait_raises_the_bar():
    assert open_lane.longer(1.0) == open_lane.longer(12.0) == 0.0
    assert open_lane.longer(120.0) > open_lane.longer(60.0) > 0.0


# --- budgets, tables, lessons -----------------------------------------------------------------------------------


def test_a_smaller_budget_never_lowers_a_threshold():
    known = Known((60.0,) * 4, 60.0)
    for allowed in (1e-2, 1e-3, 1e-4, 1e-5):
        looser, tighter = (vehicle_thresholds(1000.0, part * allowed)[1] for part in (1.0, 0.5))
        assert all(one < other for one, other in zip(looser, tighter, strict=True))
        for table in (alarm_tables.GAMMA, alarm_tables.NEUTRON):
            assert sums_threshold(table, known, allowed) < sums_threshold(table, known, allowed / 2.0)


def test_tables_are_read_at_their_rows_between_them_and_beyond():
    cps, (_, reached, _) = next(iter(alarm_tables.VEHICLE.items()))
    assert vehicle_thresholds(cps, alarm_tables.BUDGETS[0])[1] == pytest.approx(reached)
    assert vehicle_thresholds(cps / 50.0, 1e-3) == vehicle_thresholds(cps, 1e-3)
    low, high = (vehicle_thresholds(at, 1e-3)[1][0] for at in (5000.0, 10000.0))
    assert low < vehicle_thresholds(7000.0, 1e-3)[1][0] < high
    # A background counted for 59 s is treated like one of 20 s, whose threshold is the higher.
    row = alarm_tables.GAMMA[100, 20]
    assert sums_threshold(alarm_tables.GAMMA, Known((100.0,), 59.0), 1e-3) == pytest.approx(row[0])


def test_a_budget_reaches_its_channel():
    neutron = [(1, 0, 1, 0)] * 5 + [(4, 0, 4, 0)] + [(1, 0, 1, 0)] * 5
    strict, lax = OwnTests(allowed=Budget(neutron=1e-7)), OwnTests(allowed=Budget(neutron=5e-2))
    for tests in (strict, lax):
        told(tests)
    assert (bool(passes(strict, neutron=neutron)), bool(passes(lax, neutron=neutron))) == (False, True)


def test_a_lane_teaches_within_bounds():
    lessons = Lessons()
    for _ in range(TAUGHT_AFTER - 1):
        lessons.learn((9.0, 9.0, 9.0), (0.0, 0.0, 0.0))
    assert (lessons.shifts, lessons.calibrated) == ((0.0, 0.0, 0.0), True)
    lessons.learn((9.0, 9.0, 9.0), (0.0, 0.0, 0.0))
    assert lessons.shifts == (3.0, 1.0, 1.0)
    assert not lessons.calibrated
    for _ in range(REMEMBERS):
        lessons.learn((-5.0, 2.8, 1.9), (0.0, 3.0, 1.8))
    assert lessons.shifts == pytest.approx((-1.0, -0.2, 0.1))
    assert lessons.calibrated


def test_thresholds_wait_higher_until_the_lane_has_taught():
    lessons = Lessons()
    assert lessons.applied((8.0, 5.0, 4.3), (-1.5, 3.0, 1.9)) == pytest.approx([8.0, 7.5, 5.3])
    random = np.random.default_rng(8)
    for _ in range(REMEMBERS):  # an upper quartile as far off as in simulation
        lessons.learn((-1.5, 3.0 + random.normal(0, 0.49), 1.9 + random.normal(0, 0.58)), (-1.5, 3.0, 1.9))
    assert lessons.applied((8.0, 5.0, 4.3), (-1.5, 3.0, 1.9)) == pytest.approx([8.0, 5.0, 4.3], abs=0.45)


def test_a_lane_whose_shares_lie_farther_apart_alarms_higher():
    """One vehicle hides its engine's panel, the next one none: that is no source."""
    lessons, random = Lessons(), np.random.default_rng(9)
    for _ in range(REMEMBERS):
        lessons.learn((-1.5, 4.0 + random.normal(0, 1.3), 1.9 + random.normal(0, 0.58)), (-1.5, 3.0, 1.9))
    window, contrast, _ = lessons.applied((8.0, 5.0, 4.3), (-1.5, 3.0, 1.9))
    assert window == 8.0 and 8.0 < contrast <= 10.0
    for _ in range(REMEMBERS):
        lessons.learn((-1.5, 4.0 + random.normal(0, 50.0), 1.9), (-1.5, 3.0, 1.9))
    assert lessons.applied((8.0, 5.0, 4.3), (-1.5, 3.0, 1.9))[1] <= 10.0, "it follows within bounds"


@pytest.mark.parametrize(("loud", "taught"), [("contrast", True), ("window", False)])
def test_what_contrast_alone_flags_still_teaches(loud, taught):
    """A lane on which contrast alarms at nothing would never be taught otherwise; a real source teaches nothing."""
    tests = OwnTests()
    told(tests)
    panels = (100, 20, 50, 30) if loud == "contrast" else (150, 150, 150, 150)
    for _ in range(TAUGHT_AFTER):
        found = passes(tests, [(50, 50, 50, 50)] * 40 + [panels] * 5 + [(50, 50, 50, 50)] * 15)
        assert loud in {alarm.test for alarm in found}
    assert tests._lessons.taught is taught


def test_an_occupancy_that_alarmed_teaches_nothing():
    counts, _ = some(SHADOWED, TAUGHT_AFTER)
    tests = OwnTests()
    told(tests)
    for occupancy in counts:
        tests.receive(Alarm(0.0, "gamma", (1, 2, 3, 4)))
        tests.receive(Occupancy(0.0, "began"))
        tests.receive(Alarm(0.0, "gamma", (1, 2, 3, 4)))
        for row in occupancy:
            tests.receive(Scan(0.0, "gamma", tuple(row.tolist()), 0.2))
        tests.receive(Occupancy(0.0, "ended"))
    assert tests._lessons.shifts == (0.0, 0.0, 0.0)


# --- in the lane's monitor ---------------------------------------------------------------------------------------


def monitored(kind="vehicle"):
    monitor = LaneMonitor("P1", "r1", DetectorSettings(kind=kind))
    for at in range(0, 100, 5):
        monitor.receive(Background(float(at), "gamma", (250.0,) * 4), float(at))
    return monitor


def test_an_own_alarm_counts_like_the_devices():
    monitor = monitored()
    monitor.receive(Occupancy(96.0, "began"), 96.0)
    for step in range(5):
        at = 96.0 + step * 0.2
        monitor.receive(Scan(at, "gamma", (150 + step,) * 4, 0.2), at)
    (passage,) = monitor.passages()
    assert (passage.alarms, passage.monitored) == ({"gamma"}, True)
    assert [(alarm.test, alarm.at) for alarm in passage.own] == [("window", pytest.approx(96.8))]
    assert monitor.strip(97.0)[-1][2]


def test_an_own_alarm_at_the_end_belongs_to_the_passage_that_ends():
    counts, _ = some(Stretch(1000.0, 0.2, 60.0, shadowed=True, source_cps=450.0, split=SKEWED), 1)
    monitor = monitored()
    monitor.receive(Occupancy(96.0, "began"), 96.0)
    for step, row in enumerate(counts[0]):
        monitor.receive(Scan(96.0 + step * 0.2, "gamma", tuple(row.tolist()), 0.2), 96.0 + step * 0.2)
    monitor.receive(Occupancy(108.0, "ended"), 108.0)
    (passage,) = monitor.passages()
    assert passage.ended_at == 108.0
    assert "contrast" in {alarm.test for alarm in passage.own}
    assert not passage.quiet


def test_an_ordinary_passage_stays_quiet():
    counts, _ = some(Stretch(1000.0, 0.2, 60.0, shadowed=True, split=EVEN), 3)
    monitor = monitored()
    for number, occupancy in enumerate(counts):
        began = 96.0 + 20.0 * number
        monitor.receive(Occupancy(began, "began"), began)
        for step, row in enumerate(occupancy):
            monitor.receive(Scan(began + step * 0.2, "gamma", tuple(row.tolist()), 0.2), began + step * 0.2)
        monitor.receive(Occupancy(began + 12.0, "ended"), began + 12.0)
    assert [passage.quiet for passage in monitor.passages()] == [True, True, True]
