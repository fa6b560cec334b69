"""The portal's rule beside the portal: its groups, its edge, what it does not judge, and when both disagree."""

from __future__ import annotations

import pytest

from failsafe.agent.radiation.vendor_rule import NOT_JUDGED, ROUNDING, Comparison, Judged, VendorRule

QUIET = (20, 20, 20, 20)  # 100 cps a panel


def ready(nsigma=4.0, background=(100.0, 100.0, 100.0, 100.0)):
    rule = VendorRule(nsigma)
    rule.background(background)
    rule.began()
    return rule


def last(rule, *scans):
    return [rule.scan(counts) for counts in scans][-1]


def test_the_first_four_intervals_are_not_judged():
    rule = ready()
    judged = [rule.scan((90, 90, 90, 90)) for _ in range(NOT_JUDGED + 1)]
    assert judged[:NOT_JUDGED] == [None] * 4
    assert judged[NOT_JUDGED].is_alarm


def test_a_window_never_reaches_back_into_another_occupancy():
    rule = ready()
    last(rule, *[(90, 90, 90, 90)] * 5)
    rule.began()
    assert last(rule, *[QUIET] * 4) is None
    assert rule.scan(QUIET).strength == 0.0


@pytest.mark.parametrize(
    ("loud", "panels"),
    [((28, 28, 28, 28), (1, 2, 3, 4)), ((40, 40, 20, 20), (1, 2)), ((20, 20, 40, 40), (3, 4))],
)
def test_the_strongest_group_is_named(loud, panels):
    assert last(ready(), *[loud] * 5).panels == panels


def test_the_edge_belongs_to_the_alarm():
    # 400 cps in all, so one deviation is 20 counts of the four panels in a second.
    at_edge = [(36, 36, 36, 36), *[(36, 36, 36, 36)] * 4]
    assert last(ready(16.0), *at_edge).is_alarm
    assert not last(ready(16.01), *at_edge).is_alarm


def test_without_factor_or_background_nothing_is_judged():
    assert last(ready(None), *[QUIET] * 5) is None
    bare = VendorRule(4.0)
    assert last(bare, *[QUIET] * 5) is None
    assert last(ready(background=(100.0, 100.0)), *[QUIET] * 5) is None


def test_other_numbers_of_panels_are_judged_by_their_sum():
    judged = last(ready(background=(100.0, 100.0)), *[(60, 60)] * 5)
    assert (judged.panels, judged.is_alarm) == ((1, 2), True)


def test_a_panel_without_background_gives_no_group():
    assert last(ready(background=(0.0, 0.0, 0.0, 0.0)), *[QUIET] * 5).strength == float("-inf")


@pytest.mark.parametrize(
    ("strengths", "alarmed", "agree"),
    [
        ((1.0, 2.0), (False, False), True),
        ((1.0, 9.0), (False, True), True),
        ((1.0, 9.0, 5.0), (False, True, False), True),  # single lines at the edge decide nothing
        ((1.0, 9.0), (False, False), False),
        ((1.0, 2.0), (False, True), False),
        ((4.0 + ROUNDING / 2,), (False,), True),
        ((4.0 - ROUNDING / 2,), (True,), True),
    ],
)
def test_portal_and_shadow_over_an_occupancy(strengths, alarmed, agree):
    comparison = Comparison()
    for strength, flag in zip(strengths, alarmed, strict=True):
        comparison.line(Judged(strength, (1, 2), strength >= 4.0), 4.0, alarmed=flag)
    assert comparison.agree() is agree


def test_a_comparison_begins_anew_with_each_occupancy():
    comparison = Comparison()
    assert comparison.agree() is None
    comparison.line(Judged(9.0, (1, 2), True), 4.0, alarmed=False)
    assert comparison.agree() is False
    comparison.began()
    assert comparison.agree() is None
    comparison.line(None, 4.0, alarmed=True)
    assert comparison.agree() is None
