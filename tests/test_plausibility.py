"""What a detector says is held against itself: stuck counts, its rule, its settings."""

from __future__ import annotations

import pytest

from failsafe.agent.radiation.plausibility import AGREE_AGAIN, STUCK_BACKGROUNDS, STUCK_SCANS, Plausibility
from failsafe.drivers.reading import Alarm, Background, Malformed, Occupancy, Scan, SetUp

PANELS = (100.0, 100.0, 100.0, 100.0)
QUIET = ((20, 19, 21, 20), (19, 21, 20, 21))
LOUD = ((60, 61, 62, 63), (61, 60, 63, 62))


def ready(nsigma=4.0):
    plausible = Plausibility()
    if nsigma:
        plausible.receive(SetUp(0.0, "SG1", (5.0, nsigma), nsigma))
    plausible.receive(Background(0.0, "gamma", PANELS))
    return plausible


def passes(plausible, counts=QUIET, *, alarm=False, lost=False, number=12):
    plausible.receive(Occupancy(1.0, "began"))
    for step in range(number):
        plausible.receive(Scan(1.0, "gamma", counts[step % 2], 0.2))
        if alarm and step >= 5:
            plausible.receive(Alarm(1.0, "gamma", counts[step % 2]))
    if lost:
        plausible.receive(Malformed(1.0, "torn", 9))
    plausible.receive(Occupancy(2.0, "ended"))


def test_an_ordinary_detector_is_plausible():
    plausible = ready()
    for step in range(100):
        plausible.receive(Background(0.0, "gamma", (100.0 + step % 2, 100.0, 100.0, 100.0)))
        passes(plausible)
        passes(plausible, LOUD, alarm=True)
    assert plausible.doubts == set()


@pytest.mark.parametrize(("counts", "alarm"), [(LOUD, False), (QUIET, True)], ids=["silent", "unfounded"])
def test_portal_and_shadow_that_disagree_are_no_detector(counts, alarm):
    plausible = ready()
    passes(plausible, counts, alarm=alarm)
    assert plausible.doubts == {"DISAGREE"}
    for _ in range(AGREE_AGAIN - 1):
        passes(plausible)
    assert plausible.doubts == {"DISAGREE"}
    passes(plausible)
    assert plausible.doubts == set()


def test_without_factor_or_with_a_lost_line_nothing_is_compared():
    unknown = ready(nsigma=None)
    passes(unknown, LOUD)
    torn = ready()
    passes(torn, LOUD, lost=True)
    assert unknown.doubts == torn.doubts == set()


def test_a_panel_that_repeats_itself_is_stuck_until_it_moves():
    plausible = ready()
    stuck = tuple((20, *counts[1:]) for counts in QUIET)
    passes(plausible, stuck, number=STUCK_SCANS - 1)
    plausible.receive(Scan(1.0, "gamma", (21, 20, 20, 20), 0.2))
    assert plausible.doubts == set()
    passes(plausible, stuck, number=STUCK_SCANS)
    assert plausible.doubts == {"STUCK"}
    plausible.receive(Background(0.0, "gamma", (100.0, 101.0, 99.0, 101.0)))  # the others moved
    assert plausible.doubts == {"STUCK"}
    plausible.receive(Background(0.0, "gamma", (101.0, 101.0, 99.0, 101.0)))
    assert plausible.doubts == set()


def test_few_counts_repeat_by_chance():
    plausible = ready()
    plausible.receive(Background(0.0, "gamma", (4.0, 100.0, 100.0, 100.0)))
    passes(plausible, tuple((1, *counts[1:]) for counts in QUIET), number=100)
    assert plausible.doubts == set()


def test_a_dead_panel_is_stuck():
    plausible = ready()
    passes(plausible, tuple((0, *counts[1:]) for counts in QUIET), number=STUCK_SCANS)
    assert plausible.doubts == {"STUCK"}


def test_backgrounds_that_stand_still_are_stuck():
    plausible = ready()
    for _ in range(STUCK_BACKGROUNDS):
        plausible.receive(Background(0.0, "gamma", PANELS))
    assert plausible.doubts == {"STUCK"}
    plausible.receive(Background(0.0, "gamma", (101.0, *PANELS[1:])))
    assert plausible.doubts == set()


def test_a_changed_setting_is_a_doubt_until_it_is_back():
    plausible = ready()
    plausible.receive(SetUp(1.0, "SG1", (5.0, 4.0), 4.0))
    assert plausible.doubts == set()
    plausible.receive(SetUp(1.0, "SG1", (5.0, 9.0), 9.0))
    plausible.receive(SetUp(1.0, "SN1", (60.0,)))
    assert (plausible.doubts, plausible.nsigma) == ({"CONFIG_CHANGED"}, 9.0)
    plausible.receive(SetUp(1.0, "SG1", (5.0, 4.0), 4.0))
    assert (plausible.doubts, plausible.nsigma) == (set(), 4.0)


def test_a_setting_other_than_the_configured_one_is_a_doubt():
    plausible = Plausibility(nsigma=4.0)
    assert plausible.nsigma == 4.0
    plausible.receive(SetUp(1.0, "SG1", (5.0, 6.0), 6.0))
    assert plausible.doubts == {"CONFIG_CHANGED"}
