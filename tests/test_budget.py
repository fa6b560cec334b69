"""Exact thresholds: against the distribution added up term by term, and against counts that were drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.radiation import budget


def tail_from_zero(count, cps, counted_s, window_s):
    """1 - P(X < count), by the probabilities from 0 up."""
    shape, odds = cps * counted_s + 0.5, window_s / (counted_s + window_s)
    term = math.exp(shape * math.log1p(-odds))
    below = 0.0
    for number in range(count):
        below += term
        term *= (number + shape) / (number + 1.0) * odds
    return 1.0 - below


@pytest.mark.parametrize("cps", [0.0, 0.3, 2.0, 12.0])
@pytest.mark.parametrize("counted_s", [20.0, 300.0])
@pytest.mark.parametrize("count", [0, 1, 5, 12])
def test_the_tail_is_the_distributions(cps, counted_s, count):
    found = budget.exceeds(count, cps, counted_s, 1.0)
    assert found == pytest.approx(tail_from_zero(count, cps, counted_s, 1.0), rel=1e-6, abs=1e-12)


@given(
    st.floats(0.0, 20_000.0),
    st.sampled_from([20.0, 60.0, 300.0]),
    st.sampled_from([0.2, 1.0, 4.0]),
    st.sampled_from([1e-2, 1e-3, 1e-5, 1e-7]),
)
def test_the_threshold_is_the_smallest_that_keeps_the_promise(cps, counted_s, window_s, allowed):
    reached = budget.threshold(cps, counted_s, window_s, allowed)
    assert budget.exceeds(reached, cps, counted_s, window_s) <= allowed * (1 + 1e-6)
    assert reached == 0 or budget.exceeds(reached - 1, cps, counted_s, window_s) > allowed * (1 - 1e-6)


def test_a_background_counted_briefly_costs_counts():
    surely, hardly = (budget.threshold(250.0, counted_s, 4.0, 1e-4) for counted_s in (100_000.0, 20.0))
    assert hardly > surely


@pytest.mark.parametrize(("cps", "counted_s", "allowed"), [(2.0, 20.0, 1e-3), (250.0, 20.0, 1e-3)])
def test_drawn_windows_keep_the_promise(cps, counted_s, allowed):
    # The booth holds one count of the background; what the true mean then is has a Gamma distribution.
    random = np.random.default_rng(1)
    number = 400_000
    truths = random.gamma(cps * counted_s + 0.5, 1.0 / counted_s, number)
    alarms = (random.poisson(truths) >= budget.threshold(cps, counted_s, 1.0, allowed)).sum()
    assert alarms <= allowed * number + 4.0 * math.sqrt(allowed * number)
    assert alarms >= 0.3 * allowed * number
