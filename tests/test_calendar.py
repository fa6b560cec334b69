"""Work by the calendar, with a wall clock that is set forward, back, and back and forth."""

from __future__ import annotations

import datetime as dt
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.sync.calendar import JITTER, STEP_S, Calendar, ClockStep

HOUR = 3600.0


@pytest.mark.parametrize("step", [-HOUR, HOUR, 2 * 86_400.0, -5.1, 5.1])
def test_a_step_is_seen_once_and_by_its_size(step):
    clock = ClockStep(1000.0, 10.0)
    assert clock.seen(1000.25, 10.25) == 0.0
    assert clock.seen(1000.5 + step, 10.5) == pytest.approx(step)
    assert clock.seen(1000.75 + step, 10.75) == 0.0


@given(st.lists(st.floats(-4e-4, 4e-4), max_size=50))
def test_the_slow_pace_of_a_clock_that_is_being_corrected_is_no_step(paces):
    clock = ClockStep(0.0, 0.0)
    wall = monotonic = 0.0
    for pace in paces:
        monotonic += 60.0
        wall += 60.0 * (1 + pace)
        assert clock.seen(wall, monotonic) == 0.0


def test_many_small_steps_that_add_up_are_one():
    clock = ClockStep(0.0, 0.0)
    seen = [clock.seen(4.0 * n, 0.25 * n) for n in range(1, 4)]
    assert seen[0] == 0.0 and sum(1 for step in seen if step) == 1
    assert max(seen) > STEP_S


def now() -> float:
    return dt.datetime.now(dt.UTC).timestamp()


def test_work_is_called_in_the_schedulers_thread():
    called = threading.Event()
    with Calendar(called.set, 1.0, now(), time.monotonic()):
        assert called.wait(20)


@pytest.mark.parametrize("step", [-HOUR, HOUR, 2 * 86_400.0])
def test_after_a_step_work_comes_when_its_monotonic_time_has_come(step):
    """The calendar was planned `step` ago by the wall, 100 s by the monotonic clock, and 500 s are left."""
    every_s = 600.0
    with Calendar(lambda: None, every_s, now() - step, 0.0) as calendar:
        assert calendar.watch(now(), 100.0) == pytest.approx(step - 100.0, abs=1.0)
        left = calendar.next_wall() - now()
        assert 490.0 <= left <= 500.0 + every_s * JITTER
        assert calendar.watch(now(), 100.0) == 0.0


def test_a_clock_that_hops_again_and_again_does_not_put_the_work_off_for_ever():
    """Each step plans anew from the last run, so that hops within the interval only bring the work nearer."""
    every_s = 600.0
    with Calendar(lambda: None, every_s, now() - HOUR, 0.0) as calendar:
        lefts = []
        for monotonic in (100.0, 300.0, 500.0, 599.0, 900.0):
            # As `now` cannot be set here, the clock before is what differs.
            calendar.watch(now() + (HOUR if len(lefts) % 2 else 0.0), monotonic)
            lefts.append(calendar.next_wall() - now() - (HOUR if len(lefts) % 2 else 0.0))
        assert lefts[-1] <= 1.0 + every_s * JITTER + 1.0
        assert lefts[0] > lefts[2] > lefts[4]


def test_a_run_that_somebody_else_asked_for_counts():
    every_s = 600.0
    with Calendar(lambda: None, every_s, now() - HOUR, 0.0) as calendar:
        calendar.ran(400.0)
        calendar.watch(now(), 500.0)
        assert calendar.next_wall() - now() == pytest.approx(500.0, abs=every_s * JITTER + 1)


def test_work_goes_on_after_a_step():
    called = threading.Event()
    with Calendar(called.set, 1.0, now() - HOUR, time.monotonic()) as calendar:
        assert calendar.watch(now(), time.monotonic()) > STEP_S
        called.clear()
        assert called.wait(20)
