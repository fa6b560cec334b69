"""A device on the desk: what it learns in quiet time, where it alarms, and when it is not believed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from failsafe.agent.radiation import budget
from failsafe.agent.radiation.quiet_time import FLOOR, HIGH_NSV_H, LOOK_BACK_S, RISES, WINDOWS_S
from failsafe.agent.radiation.static_lane import WAITS_S, StaticTests
from failsafe.drivers.reading import Alarm, Background, Dose, Rate, Reading, Scan

MEASURING_S = 10.0


class Desk:
    """A device that speaks once a second, and the tests on it. `tell` makes the reading of a second."""

    def __init__(self, tell: Callable[[float, float], Reading], **allowed: float) -> None:
        self.tests = StaticTests(**{"gamma": 1e-3, "neutron": 1e-4, "measuring_s": MEASURING_S, **allowed})
        self.tell = tell
        self.at = 0.0

    def hear(self, seconds: int, cps: float, *, measuring: bool = False) -> int:
        """So many seconds at this rate: in how many of them it alarmed."""
        alarms = 0
        for _ in range(seconds):
            self.at += 1.0
            alarms += bool(self.tests.receive(self.tell(self.at, cps), measuring=measuring))
        return alarms

    def state(self) -> str:
        return self.tests.state


def counting(seed: int = 1, channel="gamma") -> Callable[[float, float], Reading]:
    random = np.random.default_rng(seed)
    return lambda at, cps: Scan(at, channel, (int(random.poisson(cps)),), 1.0)


def dosing(seed: int = 1, smooths_s: float = 0.0, nsv_h_a_cps: float = 3.0) -> Callable[[float, float], Reading]:
    """A meter that tells tens of nSv/h of a mean that forgets with `smooths_s`."""
    random = np.random.default_rng(seed)
    held: list[float] = []

    def tell(at: float, cps: float) -> Reading:
        fresh = float(random.poisson(cps))
        part = 1.0 - math.exp(-1.0 / smooths_s) if smooths_s else 1.0
        held[:] = [held[0] + part * (fresh - held[0]) if held else cps]
        return Dose(at, round(held[0] * nsv_h_a_cps / 10.0) * 10.0)

    return tell


def learnt(tell: Callable[[float, float], Reading], cps: float, seconds: int = 900) -> Desk:
    desk = Desk(tell)
    desk.hear(seconds, cps)
    assert desk.state() == "OK"
    return desk


# --- learning --------------------------------------------------------------------------------------------------


def test_nothing_is_known_before_enough_quiet_readings():
    desk = Desk(counting())
    assert (desk.tests.spoke_at, desk.state(), desk.tests.background("gamma")) == (None, "UNKNOWN", None)
    desk.hear(59, 30.0)
    assert desk.state() == "UNKNOWN"
    desk.hear(60, 30.0)
    assert desk.state() == "OK"
    assert desk.tests.background("gamma") == (pytest.approx(30.0, rel=0.1), "counts")


def test_a_tube_that_counts_nothing_is_never_known():
    desk = Desk(counting())
    assert desk.hear(3600, 0.0) == 0
    assert desk.state() == "UNKNOWN"


def test_a_meter_that_always_tells_the_same_is_never_known():
    desk = Desk(lambda at, cps: Dose(at, 90.0))
    desk.hear(3600, 30.0)
    assert desk.state() == "UNKNOWN"


def test_neutrons_alone_clear_nobody():
    desk = Desk(counting(channel="neutron"))
    desk.hear(900, 1.0)
    assert desk.state() == "UNKNOWN"


def test_what_is_heard_while_somebody_is_measured_is_not_learnt():
    desk = learnt(counting(), 30.0)
    before = desk.tests.background("gamma")
    desk.tests.disturbed(desk.at - LOOK_BACK_S, desk.at + 600.0)
    desk.hear(600, 33.0, measuring=True)
    after = desk.tests.background("gamma")
    assert before is not None and after is not None
    # Only what waited from before is learnt meanwhile: the seconds before the look back.
    assert after[0] == pytest.approx(before[0], abs=0.3)


def test_the_seconds_before_a_document_are_not_learnt_either():
    one, other = learnt(counting(2), 30.0), learnt(counting(2), 30.0)
    for desk in (one, other):
        counts, desk.tell = desk.tell, lambda at, cps: Scan(at, "gamma", (40,), 1.0)
        assert desk.hear(5, 40.0) == 0
        desk.tell = counts
    one.tests.disturbed(one.at - LOOK_BACK_S, one.at)
    for desk in (one, other):
        desk.hear(60, 30.0)
    assert one.tests.background("gamma")[0] < other.tests.background("gamma")[0]


def test_a_slow_rise_is_learnt_up_to_a_bound_and_then_not_monitored():
    desk = learnt(counting(), 100.0)
    for step in range(1, 200):
        assert desk.hear(240, 100.0 + step) == 0
        if desk.state() == "HIGH_BG":
            break
    assert desk.state() == "HIGH_BG"
    background = desk.tests.background("gamma")
    assert background is not None and RISES * 95.0 < background[0] < RISES * 110.0
    desk.hear(3000, 100.0)  # the source is taken away
    assert desk.state() == "OK"


@pytest.mark.parametrize(("tell", "cps"), [(counting(31), 0.5), (counting(32), 20.0), (dosing(33), 30.0)])
def test_a_source_laid_down_soon_after_the_start_does_not_become_the_background(tell, cps):
    """Four times the background from the third minute on: at no time is that OK for longer than it takes to notice."""
    desk = Desk(tell)
    desk.hear(150, cps)
    believed = longest = 0
    for _ in range(1500):
        alarmed = desk.hear(1, 4 * cps)
        believed = 0 if alarmed or desk.state() != "OK" else believed + 1
        longest = max(longest, believed)
    assert desk.state() == "HIGH_BG" or desk.hear(60, 4 * cps) > 0
    assert longest <= 240


def test_a_source_that_was_learnt_raises_thresholds_no_further_than_the_bound():
    desk = learnt(counting(), 100.0)
    for step in range(1, 80):
        desk.hear(240, 100.0 + step)
    assert desk.state() == "HIGH_BG"
    reached = desk.tests.threshold("gamma", 1.0)
    assert reached is not None and reached < budget.threshold(RISES * 106.0, 600.0, 1.0, 1e-6)


def test_a_background_that_falls_by_half_is_low():
    desk = learnt(counting(), 100.0)
    desk.hear(1800, 40.0)
    assert desk.state() == "LOW_BG"


def test_a_dose_rate_that_no_workplace_has_is_high_from_the_beginning():
    desk = Desk(dosing(nsv_h_a_cps=50.0))
    desk.hear(900, 30.0)
    assert HIGH_NSV_H < 30.0 * 50.0
    assert desk.state() == "HIGH_BG"


def test_after_a_loss_all_but_the_first_background_is_learnt_anew():
    desk = learnt(counting(), 100.0)
    desk.tests.forget()
    assert desk.state() == "UNKNOWN"
    desk.hear(300, 180.0)  # it was plugged in again, beside a source
    assert desk.state() == "HIGH_BG"


# --- not believed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cps", [0.4, 30.0])
def test_counts_that_stand_still_are_stuck(cps):
    desk = learnt(counting(), cps)
    told = int(cps)
    desk.tell = lambda at, cps: Scan(at, "gamma", (told,), 1.0)
    desk.hear(120, cps)
    assert desk.state() == "STUCK"
    desk.tell = counting(3)
    desk.hear(12, cps + 5)
    assert desk.state() == "OK"


def test_a_meter_that_stands_still_is_stuck():
    desk = learnt(dosing(smooths_s=4.0), 30.0)
    desk.tell = lambda at, cps: Dose(at, 90.0)
    desk.hear(600, 30.0)
    assert desk.state() == "STUCK"


@pytest.mark.parametrize("tell", [counting(4), dosing(4), dosing(4, smooths_s=10.0)])
def test_a_quiet_day_is_neither_stuck_nor_high(tell):
    desk = learnt(tell, 10.0)
    states = set()
    for _ in range(24 * 6):
        desk.hear(60, 10.0)
        states.add(desk.state())
    assert states == {"OK"}


def test_a_rise_too_quick_to_be_learnt_alarms():
    desk = learnt(counting(), 100.0)
    assert sum(desk.hear(60, 100.0 + 4 * minute) for minute in range(1, 15))


# --- alarms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tell", "strength"), [(counting(5), 30.0), (dosing(5), 30.0), (dosing(5, 3.0), 30.0)])
def test_a_source_alarms_while_somebody_is_measured(tell, strength):
    desk = learnt(tell, 30.0)
    assert desk.hear(20, 30.0, measuring=True) == 0
    assert desk.hear(10, 30.0 + strength, measuring=True)


def test_between_travellers_more_is_wanted():
    desk = learnt(counting(), 30.0)
    strict = desk.tests.threshold("gamma", 1.0)
    assert strict is not None
    desk.tell = lambda at, cps: Scan(at, "gamma", (round(strict),), 1.0)
    assert desk.hear(1, 30.0) == 0
    assert desk.hear(1, 30.0, measuring=True) == 1
    desk.tell = lambda at, cps: Scan(at, "gamma", (round(strict * 1.5),), 1.0)
    assert desk.hear(1, 30.0) == 1


def test_looking_back_is_strict():
    desk = learnt(counting(), 30.0)
    desk.hear(5, 30.0)
    strict = desk.tests.threshold("gamma", 1.0)
    assert strict is not None and desk.tests.looked_back(desk.at) == []
    desk.tell = lambda at, cps: Scan(at, "gamma", (round(strict),), 1.0)
    desk.hear(1, 30.0)
    seen = desk.tests.looked_back(desk.at + 3.0)
    assert {look.at for look in seen} == {desk.at}
    assert desk.tests.looked_back(desk.at + LOOK_BACK_S + 0.1) == []


def test_a_dose_below_the_floor_never_alarms_however_still_the_meter_is():
    steady = iter(90.0 + (step // 7 % 2) for step in range(10_000))
    desk = learnt(lambda at, cps: Dose(at, next(steady)), 30.0)
    desk.tell = lambda at, cps: Dose(at, cps)
    assert desk.hear(5, 90.5 * FLOOR - 1.0, measuring=True) == 0
    assert desk.hear(5, 90.5 * FLOOR + 1.0, measuring=True)


def test_an_alarm_is_not_learnt():
    desk = learnt(dosing(), 30.0)
    before = desk.tests.background("gamma")
    assert desk.hear(1200, 90.0)
    assert desk.hear(1, 90.0) == 1  # a source that stays on the desk goes on alarming
    assert desk.tests.background("gamma") == before


def test_weak_sources_are_found_by_the_longer_windows():
    desk = learnt(counting(6), 100.0)
    tests = set()
    for _ in range(30):
        for _ in range(10):
            desk.at += 1.0
            tests |= {look.test for look in desk.tests.receive(desk.tell(desk.at, 125.0), measuring=True)}
    assert f"window of {WINDOWS_S[-1]:.0f} s" in tests


# --- what is judged --------------------------------------------------------------------------------------------


def both(counts: int, nsv_h: float) -> Callable[[float], Iterator[Reading]]:
    return lambda at: iter((Scan(at, "gamma", (counts,), 1.0), Dose(at, nsv_h)))


def test_counts_are_judged_before_doses():
    desk = learnt(counting(), 30.0)
    desk.tests.receive(Dose(desk.at, 90.0), measuring=False)
    assert desk.tests.receive(Dose(desk.at, 9_000.0), measuring=True) == []
    assert desk.tests.judges("gamma", "counts") and not desk.tests.judges("gamma", "dose")


def test_neutrons_beside_gamma_have_their_own_budget():
    desk = learnt(counting(), 30.0)
    random = np.random.default_rng(7)
    assert desk.state() == "OK"
    for _ in range(300):
        desk.hear(1, 30.0)
        desk.tests.receive(Scan(desk.at, "neutron", (int(random.poisson(0.05)),), 1.0), measuring=False)
    assert desk.state() == "OK"
    found = desk.tests.receive(Scan(desk.at, "neutron", (7,), 1.0), measuring=True)
    assert {look.channel for look in found} == {"neutron"}


def test_a_channel_that_falls_silent_is_seen():
    desk = learnt(counting(), 30.0)
    desk.tests.receive(Scan(desk.at, "neutron", (0,), 1.0), measuring=False)
    silent_since = desk.at
    desk.hear(30, 30.0)
    assert desk.tests.spoke_at == silent_since


def test_rates_over_a_told_time_are_judged():
    random = np.random.default_rng(8)
    desk = learnt(lambda at, cps: Rate(at, "gamma", float(random.poisson(cps * 5)) / 5, 5.0), 20.0)
    assert desk.tests.background("gamma") == (pytest.approx(20.0, rel=0.1), "rate")
    assert desk.hear(10, 20.0, measuring=True) == 0
    assert desk.hear(10, 40.0, measuring=True)


def test_a_meter_that_smooths_is_measured_with_for_longer():
    quick, slow = learnt(dosing(9), 30.0), learnt(dosing(9, 15.0, nsv_h_a_cps=30.0), 30.0, seconds=1800)
    assert quick.tests.measuring_s == MEASURING_S
    assert 15.0 < slow.tests.measuring_s <= 60.0


def test_a_rate_of_a_told_time_is_waited_for():
    random = np.random.default_rng(10)
    desk = Desk(lambda at, cps: Rate(at, "gamma", float(random.poisson(cps * 30)) / 30, 30.0))
    desk.hear(1, 5.0)
    assert desk.tests.measuring_s == 30.0


def test_readings_that_measure_nothing_are_passed_over():
    desk = Desk(counting())
    for reading in (Alarm(1.0, "gamma", ()), Background(1.0, "gamma", (30.0,))):
        assert desk.tests.receive(reading, measuring=True) == []
    assert desk.tests.spoke_at is None


# --- the promise -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tell", "cps"),
    [(counting(11), 0.35), (counting(12), 8.0), (counting(13), 300.0), (dosing(14), 30.0), (dosing(15, 5.0), 30.0)],
)
def test_quiet_travellers_alarm_as_seldom_as_promised(tell, cps):
    """0.01 here, so that a thousand travellers say something; `make bench` measures the real budget."""
    desk = Desk(tell, gamma=0.01)
    desk.hear(900, cps)
    alarmed = 0
    for _ in range(1000):
        desk.hear(round(WAITS_S) + 10, cps)
        desk.tests.disturbed(desk.at - LOOK_BACK_S, desk.at + MEASURING_S)
        seen = bool(desk.tests.looked_back(desk.at))
        alarmed += bool(desk.hear(round(desk.tests.measuring_s), cps, measuring=True)) or seen
    assert alarmed <= 17  # 10 are promised; 18 or more come about once in a hundred
