"""A measured background: means, errors and spreads against counts that are drawn, and what breaks a measurement off."""

from __future__ import annotations

import numpy as np
import pytest

from failsafe.agent.radiation import measurement
from failsafe.agent.radiation.background import Measured
from failsafe.agent.radiation.measurement import Measurement
from failsafe.drivers.reading import Alarm, Background, DeviceHealth, Dose, Malformed, Occupancy, Rate, Scan, Unknown


def measured(*readings):
    made = Measurement()
    for reading in readings:
        made.receive(reading)
    return made


def backgrounds(cps, number, *, running=True, seed=1, channel="gamma"):
    """Lines of a portal whose background is Poisson's: means over 20 s, told every 5 s."""
    random = np.random.default_rng(seed)
    counts = random.poisson(cps * 5.0, (number + 3, 4))
    sums = counts[:-3] + counts[1:-2] + counts[2:-1] + counts[3:] if running else counts[3:] * 4
    return [Background(5.0 * n, channel, tuple((row // 20).astype(float).tolist())) for n, row in enumerate(sums)]


def scans(cps, number, *, scatter=0.0, seed=1):
    random = np.random.default_rng(seed)
    means = np.maximum(random.normal(cps, scatter, number), 0.0)
    return [Scan(float(n), "gamma", (int(count),), 1.0) for n, count in enumerate(random.poisson(means))]


def test_a_portals_background_has_mean_error_and_poissons_spread():
    out = measured(*backgrounds(380.0, 24)).outcomes()["gamma"]
    assert out.measured.means == pytest.approx((380.0,) * 4, rel=0.03)
    assert out.measured.errors == pytest.approx(((380.0 / 135.0) ** 0.5,) * 4, rel=0.05)
    assert (out.readings, out.measured.seconds) == (24, 135.0)
    assert set(out.spreads) == {"as counting explains"}


def test_poissons_law_is_hardly_ever_denied():
    denied = 0
    for seed in range(200):
        counted = measured(*scans(20.0, 60, seed=seed)).outcomes()["gamma"].spreads[0]
        told = measured(*backgrounds(380.0, 24, seed=seed)).outcomes()["gamma"].spreads
        denied += (counted != "as counting explains") + sum(one != "as counting explains" for one in told)
    assert denied <= 20  # of 1,000; three standard deviations leave 3, running means are not quite what is assumed


def test_what_moves_and_what_is_smoothed_is_seen():
    assert measured(*scans(20.0, 120, scatter=10.0)).outcomes()["gamma"].spreads == ("more than counting explains",)
    smooth = [Scan(float(n), "gamma", (20 + n % 2,), 1.0) for n in range(120)]
    assert measured(*smooth).outcomes()["gamma"].spreads == ("less than counting explains",)
    stuck = [Background(5.0 * n, "gamma", (380.0, 371.0)) for n in range(40)]
    assert set(measured(*stuck).outcomes()["gamma"].spreads) == {"less than counting explains"}


def test_of_a_short_or_coarse_measurement_no_spread_is_told():
    assert set(measured(*backgrounds(380.0, 3)).outcomes()["gamma"].spreads) == {"unknown"}
    coarse = [Background(5.0 * n, "neutron", (3.0, 0.0, 2.0, 0.0)) for n in range(60)]
    out = measured(*coarse).outcomes()["neutron"]
    assert set(out.spreads) == {"unknown"} and out.measured.means == pytest.approx((3.7, 0.0, 2.7, 0.0))


def test_one_reading_is_no_measurement():
    assert measured(*backgrounds(380.0, 1), Unknown(0.0, "NC")).outcomes() == {}


def test_rates_and_doses_have_no_law_and_the_error_of_their_parts():
    random = np.random.default_rng(4)
    doses = [Dose(float(n), 95.0 + float(random.normal(0, 4))) for n in range(100)]
    rates = [Rate(float(n), "gamma", 12.0, 10.0) for n in range(100)]
    out = measured(*doses, *rates).outcomes()
    assert out["dose"].measured.means == pytest.approx((95.0,), abs=1.5)
    assert 0.05 < out["dose"].measured.errors[0] < 1.5
    assert (out["gamma"].measured.means, out["gamma"].spreads) == ((12.0,), ("unknown",))


@pytest.mark.parametrize(
    ("reading", "word"),
    [
        (Alarm(9.0, "gamma", (90,)), "alarms"),
        (Occupancy(9.0, "began"), "Somebody"),
        (DeviceHealth(9.0, "TAMPER", False), "fault"),
        (Malformed(9.0, "torn", 3), "read"),
    ],
)
def test_what_comes_between_breaks_it_off(reading, word):
    assert word in measured(*backgrounds(380.0, 3), reading).disturbed
    assert not measured(*backgrounds(380.0, 3), DeviceHealth(9.0, "TAMPER", True)).disturbed


def test_it_is_compared_panel_by_panel_with_what_was_stored():
    stored = Measured((380.0, 380.0, 420.0, 380.0), (1.0,) * 4, 60.0, "2026-11-01T08:00:00Z")
    (told,) = measurement.told(measured(*backgrounds(380.0, 24)).outcomes(), {"gamma": stored})
    assert [panel["differs"] for panel in told["panels"]] == [False, False, True, False]
    assert (told["panels"][2]["apart"] < -4.0, told["stored_at"]) == (True, "2026-11-01T08:00:00Z")
    (alone,) = measurement.told(measured(*backgrounds(380.0, 24)).outcomes(), {})
    assert "stored" not in alone["panels"][0] and alone["stored_at"] is None


def test_a_dose_that_hardly_moves_is_not_another_one_for_that():
    still = measured(*(Dose(float(n), 100.0) for n in range(50))).outcomes()
    stored = {"dose": Measured((102.0,), (0.0,), 60.0)}
    assert measurement.told(still, stored)[0]["panels"][0]["differs"] is False
    stored = {"dose": Measured((150.0,), (0.0,), 60.0)}
    assert measurement.told(still, stored)[0]["panels"][0]["differs"] is True


def test_panels_that_are_not_the_same_break_nothing():
    readings = [*backgrounds(380.0, 3), Background(20.0, "gamma", (1.0,)), Background(25.0, "gamma", (380.0,) * 4)]
    out = measured(*readings).outcomes()["gamma"]
    assert (out.readings, len(out.measured.means)) == (4, 4)
    stored = {"gamma": Measured((380.0,), (1.0,), 60.0)}
    assert "stored" not in measurement.told({"gamma": out}, stored)[0]["panels"][0]


def test_a_line_for_headquarters():
    references = {"gamma": Measured((380.04, 371.0), (1.0, 1.0), 60.0), "dose": Measured((95.0,), (1.0,), 60.0)}
    assert measurement.in_short(references) == "gamma 380.0 371.0 cps, dose 95.0 nSv/h"
    assert measurement.in_short({}) == "none"
