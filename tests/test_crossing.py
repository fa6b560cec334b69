"""Crossings of a lane: opening, closing, whose passage it is, the fusion column, and alarms that cannot vanish."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.crossing import Lane, LaneSettings
from failsafe.agent.radiation.passage import Passage

SETTINGS = LaneSettings(before_s=20.0, after_s=60.0, closes_after_s=120.0, reread_s=20.0)
ON_FOOT = replace(SETTINGS, shared=False)


def passage(number, began_at, ended_at=None, *alarms, monitored=True):
    return Passage(f"p{number}", began_at, ended_at, frozenset(alarms), monitored)


def lane(settings=SETTINGS, now=0.0):
    """A lane with a healthy detector and nobody in it."""
    fresh = Lane("L1", settings)
    fresh.advance(now, [], "OK")
    return fresh


# --- opening and closing ---------------------------------------------------------------------------------------


def test_a_document_opens_and_the_next_one_closes():
    booth = lane()
    first, changes = booth.present("a", 1.0, "doc-a")
    assert (first.id, booth.current, changes.closed) == ("a", first, ())
    second, changes = booth.present("b", 2.0, "doc-b")
    assert booth.current == second
    assert changes.closed == ("a",)


def test_the_same_document_again_is_the_same_crossing():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    again, changes = booth.present("b", 90.0, "doc-a")
    assert (again.id, again.opened_at, again.touched_at) == ("a", 1.0, 90.0)
    assert changes.closed == ()
    assert booth.current == again and not booth.keeps("b")


def test_a_document_soon_after_an_unreadable_one_is_the_same_traveller():
    booth = lane()
    booth.present("a", 1.0, None)
    read, _ = booth.present("b", 20.0, "doc-a")
    assert (read.id, read.document) == ("a", "doc-a")


def test_a_document_long_after_an_unreadable_one_is_another_traveller():
    booth = lane()
    booth.present("a", 1.0, None)
    assert booth.present("b", 21.5, "doc-a")[0].id == "b"


def test_an_unreadable_document_after_a_read_one_is_another_traveller():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    assert booth.present("b", 2.0, None)[0].id == "b"


def test_the_same_document_after_the_officer_closed_is_a_new_crossing():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    assert booth.close(2.0).closed == ("a",)
    assert booth.current is None
    assert booth.present("b", 3.0, "doc-a")[0].id == "b"


def test_closing_without_a_crossing_is_nothing():
    assert lane().close(1.0).closed == ()


def test_time_closes_what_nobody_touches():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    assert booth.advance(120.9, [], "OK").closed == ()
    assert booth.due() == 121.0
    assert booth.advance(121.0, [], "OK").closed == ("a",)
    assert booth.current is None


def test_time_does_not_close_while_the_traveller_is_in_the_detector():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    assert booth.advance(200.0, [passage(1, 50.0)], "OK").closed == ()
    assert booth.advance(201.0, [passage(1, 50.0, 200.5)], "OK").closed == ("a",)


# --- the columns -----------------------------------------------------------------------------------------------


def test_document_first_awaited_then_quiet():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    assert booth.column("a") == "awaited"
    assert booth.advance(5.0, [passage(1, 5.0)], "OK").rejudge == ()  # in the detector: still awaited
    assert booth.column("a") == "awaited"
    assert booth.advance(9.0, [passage(1, 5.0, 8.0)], "OK").rejudge == ("a",)
    assert booth.column("a") == "quiet"
    assert [each.id for each in booth.passages_of("a")] == ["p1"]


def test_portal_first_is_quiet_at_once():
    booth = lane()
    booth.advance(10.0, [passage(1, 5.0, 8.0)], "OK")
    booth.present("a", 12.0, "doc-a")
    assert booth.column("a") == "quiet"


def test_a_passage_too_long_ago_is_not_this_travellers():
    booth = lane()
    booth.advance(10.0, [passage(1, 5.0, 8.0)], "OK")
    booth.present("a", 28.5, "doc-a")
    assert booth.column("a") == "awaited"


def test_a_document_read_in_the_detector():
    booth = lane()
    booth.advance(5.0, [passage(1, 4.0)], "OK")
    booth.present("a", 6.0, "doc-a")
    assert booth.column("a") == "awaited"
    booth.advance(8.0, [passage(1, 4.0, 7.0)], "OK")
    assert booth.column("a") == "quiet"


def test_a_window_that_closes_without_a_passage_is_not_monitored():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    assert booth.due() == 61.0
    assert booth.advance(61.0, [], "OK").rejudge == ()
    assert booth.advance(61.1, [], "OK").rejudge == ("a",)
    assert booth.column("a") == "not monitored"


@pytest.mark.parametrize(
    "health", ["LATE", "LINK_DOWN", "HIGH_BG", "LOW_BG", "TAMPER", "DEVICE", "UNKNOWN", "SOMETHING NEW"]
)
def test_a_detector_that_is_not_ok_does_not_monitor(health):
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    assert booth.advance(2.0, [], health).rejudge == ("a",)
    assert booth.column("a") == "not monitored"
    assert booth.advance(3.0, [], "OK").rejudge == ("a",)
    assert booth.column("a") == "awaited"


def test_a_fault_after_a_quiet_passage_takes_nothing_back():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    booth.advance(9.0, [passage(1, 5.0, 8.0)], "OK")
    assert booth.advance(10.0, [passage(1, 5.0, 8.0)], "LINK_DOWN").rejudge == ()
    assert booth.column("a") == "quiet"


def test_a_passage_with_a_doubt_stays_not_monitored():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    booth.advance(9.0, [passage(1, 5.0, 8.0, monitored=False)], "OK")
    assert booth.column("a") == "not monitored"


def test_an_alarm_beats_all_else():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    doubtful = passage(1, 5.0, None, "gamma", monitored=False)
    assert booth.advance(6.0, [doubtful], "LINK_DOWN").rejudge == ("a",)
    assert booth.column("a") == "alarm"


def test_a_second_channel_is_news_too():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    booth.advance(6.0, [passage(1, 5.0, None, "gamma")], "OK")
    assert booth.advance(7.0, [passage(1, 5.0, None, "gamma")], "OK").rejudge == ()
    assert booth.advance(8.0, [passage(1, 5.0, None, "gamma", "neutron")], "OK").rejudge == ("a",)


def test_a_lane_without_a_detector_says_so():
    booth = lane(LaneSettings(detector=False))
    booth.present("a", 1.0, "doc-a")
    assert booth.column("a") == "none declared"
    assert booth.advance(500.0, [], "LINK_DOWN").rejudge == ()


def test_an_alarm_on_a_lane_declared_without_detector_still_counts():
    booth = lane(LaneSettings(detector=False))
    booth.present("a", 1.0, "doc-a")
    booth.advance(3.0, [passage(1, 2.0, None, "gamma")], "UNKNOWN")
    assert booth.column("a") == "alarm"


def test_declaring_a_detector_judges_again():
    booth = lane(LaneSettings(detector=False))
    booth.present("a", 1.0, "doc-a")
    assert booth.configure(SETTINGS, 2.0).rejudge == ("a",)
    assert booth.column("a") == "awaited"


def test_a_crossing_that_nobody_knows_is_not_monitored():
    assert lane().column("nobody") == "not monitored"
    assert lane(LaneSettings(detector=False)).column("nobody") == "none declared"


# --- several in one passage ------------------------------------------------------------------------------------


def test_all_of_one_car_share_its_passage():
    booth = lane()
    for number, at in enumerate((1.0, 4.0, 7.0)):
        booth.present(f"c{number}", at, f"doc-{number}")
    changes = booth.advance(20.0, [passage(1, 15.0, None, "gamma")], "OK")
    assert changes.rejudge == ("c0", "c1", "c2")
    assert {booth.column(f"c{number}") for number in range(3)} == {"alarm"}


def test_a_second_document_within_one_passage_is_a_second_crossing():
    booth = lane()
    booth.advance(5.0, [passage(1, 4.0)], "OK")
    assert booth.present("a", 5.0, "doc-a")[0].id == "a"
    assert booth.present("b", 6.0, "doc-b")[0].id == "b"
    booth.advance(9.0, [passage(1, 4.0, 8.0)], "OK")
    assert (booth.column("a"), booth.column("b")) == ("quiet", "quiet")


def test_a_car_that_went_through_first_is_shared_too():
    booth = lane()
    booth.advance(9.0, [passage(1, 4.0, 8.0)], "OK")
    booth.present("a", 12.0, "doc-a")
    booth.present("b", 20.0, "doc-b")
    assert (booth.column("a"), booth.column("b")) == ("quiet", "quiet")


def test_the_next_traveller_does_not_live_on_the_last_ones_passage():
    booth = lane()
    booth.present("a", 0.5, "doc-a")
    booth.advance(9.0, [passage(1, 4.0, 8.0)], "OK")
    booth.present("b", 12.0, "doc-b")
    assert (booth.column("a"), booth.column("b")) == ("quiet", "awaited")


def test_the_portal_first_lane_gives_each_its_own():
    booth = lane()
    first, second = passage(1, 1.0, 4.0), passage(2, 12.0, 15.0, "gamma")
    booth.advance(5.0, [first], "OK")
    booth.present("a", 6.0, "doc-a")
    booth.close(10.0)
    booth.advance(16.0, [first, second], "OK")
    booth.present("b", 18.0, "doc-b")
    assert (booth.column("a"), booth.column("b")) == ("quiet", "alarm")


def test_on_foot_one_passage_answers_for_one():
    booth = lane(ON_FOOT)
    booth.present("a", 1.0, "doc-a")
    booth.present("b", 3.0, "doc-b")
    booth.advance(9.0, [passage(1, 5.0, 8.0)], "OK")
    assert (booth.column("a"), booth.column("b")) == ("quiet", "awaited")
    booth.advance(15.0, [passage(1, 5.0, 8.0), passage(2, 10.0, 13.0)], "OK")
    assert booth.column("b") == "quiet"


def test_on_foot_a_document_read_during_anothers_passage_waits_for_its_own():
    booth = lane(ON_FOOT)
    booth.present("a", 1.0, "doc-a")
    booth.advance(5.0, [passage(1, 4.0)], "OK")
    booth.present("b", 6.0, "doc-b")
    booth.advance(9.0, [passage(1, 4.0, 8.0)], "OK")
    assert (booth.column("a"), booth.column("b")) == ("quiet", "awaited")


def test_on_foot_an_alarm_reaches_all_who_may_have_been_it():
    booth = lane(ON_FOOT)
    booth.present("a", 1.0, "doc-a")
    booth.present("b", 3.0, "doc-b")
    booth.advance(9.0, [passage(1, 5.0, 8.0, "neutron")], "OK")
    assert (booth.column("a"), booth.column("b")) == ("alarm", "alarm")
    assert [each.id for each in booth.passages_of("b")] == ["p1"]


def test_a_known_order_tries_only_its_own_way():
    portal_first = lane(replace(SETTINGS, order="portal first"))
    portal_first.present("a", 1.0, "doc-a")
    assert portal_first.column("a") == "not monitored"  # nobody went through: no waiting for what cannot come
    portal_first.close(2.0)
    portal_first.advance(9.0, [passage(1, 5.0, 8.0)], "OK")
    portal_first.present("b", 10.0, "doc-b")
    assert (portal_first.column("a"), portal_first.column("b")) == ("not monitored", "quiet")
    document_first = lane(replace(SETTINGS, order="document first"))
    document_first.advance(9.0, [passage(1, 5.0, 8.0)], "OK")
    document_first.present("a", 10.0, "doc-a")
    assert document_first.column("a") == "awaited"


# --- alarms ----------------------------------------------------------------------------------------------------


def test_an_alarm_after_clear_comes_back_to_the_one_who_is_still_there():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    quiet = passage(1, 3.0, 4.0)
    booth.advance(5.0, [quiet], "OK")
    assert booth.column("a") == "quiet"
    changes = booth.advance(7.0, [quiet, passage(2, 6.0, None, "gamma")], "OK")
    assert changes.rejudge == ("a",)
    assert changes.unclaimed == ()
    assert booth.column("a") == "alarm"


def test_an_alarm_after_the_officer_is_done_with_an_answered_crossing_is_unclaimed():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    quiet = passage(1, 3.0, 4.0)
    booth.advance(5.0, [quiet], "OK")
    booth.close(5.5)
    loud = passage(2, 6.0, None, "gamma")
    changes = booth.advance(7.0, [quiet, loud], "OK")
    assert (changes.rejudge, changes.unclaimed) == ((), (loud,))


def test_the_alarm_of_one_who_left_the_booth_for_the_portal_is_his():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    booth.close(5.0)
    changes = booth.advance(10.0, [passage(1, 9.0, None, "gamma")], "OK")
    assert (changes.rejudge, changes.unclaimed) == (("a",), ())


def test_an_alarm_without_anybody_is_told_once_and_again_for_the_other_channel():
    booth = lane()
    loud = passage(1, 5.0, None, "gamma")
    assert booth.advance(6.0, [loud], "OK").unclaimed == (loud,)
    assert booth.advance(7.0, [loud], "OK").unclaimed == ()
    louder = passage(1, 5.0, 9.0, "gamma", "neutron")
    assert booth.advance(9.0, [louder], "OK").unclaimed == (louder,)


def test_an_unclaimed_alarm_stops_whoever_comes_with_a_document_next():
    booth = lane()
    loud = passage(1, 5.0, 9.0, "gamma")
    booth.advance(9.0, [loud], "OK")
    booth.present("a", 15.0, "doc-a")
    assert booth.column("a") == "alarm"
    assert booth.advance(16.0, [loud], "OK").unclaimed == ()


def test_an_alarm_in_doubt_reaches_the_next_one_too():
    booth = lane()
    booth.present("a", 0.5, "doc-a")
    booth.advance(9.0, [passage(1, 4.0, 8.0, "gamma")], "OK")
    booth.present("b", 12.0, "doc-b")
    assert (booth.column("a"), booth.column("b")) == ("alarm", "alarm")


def test_an_alarm_told_with_a_crossing_is_not_told_again_when_that_one_is_forgotten():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    loud = passage(1, 5.0, 8.0, "gamma")
    booth.advance(9.0, [loud], "OK")
    booth.present("b", 400.0, "doc-b")
    booth.close(401.0)
    booth.present("c", 700.0, "doc-c")
    changes = booth.advance(701.0, [loud], "OK")
    assert not booth.keeps("a")
    assert changes.unclaimed == ()


def test_what_was_said_stands_when_the_detectors_memory_ends():
    booth = lane()
    booth.present("a", 1.0, "doc-a")
    booth.advance(9.0, [passage(1, 5.0, 8.0)], "OK")
    booth.close(10.0)
    assert booth.advance(100.0, [], "OK").rejudge == ()
    assert booth.column("a") == "quiet"


def test_crossings_are_forgotten_but_never_the_open_one():
    booth = lane()
    for number in range(400):
        booth.present(f"c{number}", number * 0.5, f"doc-{number}")
    assert booth.current.id == "c399"
    assert not booth.keeps("c0")
    booth.close(200.0)
    booth.present("last", 900.0, "doc")
    assert not booth.keeps("c399")
    assert booth.current.id == "last"


# --- whatever comes, in whatever order -------------------------------------------------------------------------

LANES = st.builds(
    LaneSettings,
    order=st.sampled_from(["either", "document first", "portal first"]),
    shared=st.booleans(),
    before_s=st.floats(0.0, 30.0),
    after_s=st.floats(1.0, 60.0),
)


@st.composite
def days(draw):
    """Documents and passages of one busy hour: passages do not overlap."""
    at, passages = 0.0, []
    for number in range(draw(st.integers(0, 6))):
        began = at + draw(st.floats(0.1, 30.0))
        at = began + draw(st.floats(0.5, 20.0))
        alarms = draw(st.frozensets(st.sampled_from(["gamma", "neutron"]), max_size=1))
        passages.append(Passage(f"p{number}", began, at, alarms, draw(st.booleans())))
    documents = sorted(draw(st.lists(st.floats(0.0, 200.0), max_size=6, unique=True)))
    return documents, passages


@given(LANES, days())
def test_every_alarm_reaches_somebody_or_is_unclaimed(settings, day):
    documents, passages = day
    booth = lane(settings)
    unclaimed = set()
    events = sorted([(at, None) for at in documents] + [(each.ended_at, each) for each in passages], key=lambda e: e[0])
    known, crossings = [], []
    for at, event in events:
        if event is None:
            crossing, changes = booth.present(f"c{at}", at, f"doc{at}")
            crossings.append(crossing.id)
        else:
            known.append(event)
            changes = booth.advance(at, known, "OK")
        unclaimed |= {each.id for each in changes.unclaimed}
        for each in known:
            if each.alarms:
                reached = [crossing for crossing in crossings if each in booth.passages_of(crossing)]
                assert each.id in unclaimed or reached
                assert all(booth.column(crossing) == "alarm" for crossing in reached)


@given(LANES, days(), st.randoms(use_true_random=False))
def test_whose_passage_it_is_does_not_hang_on_the_order_of_news(settings, day, shuffler: random.Random):
    documents, passages = day
    end = max([0.0, *documents, *(each.ended_at for each in passages)])

    def columns(order):
        booth = lane(settings)
        for at in documents:
            booth.present(f"c{at}", at, f"doc{at}")
        booth.advance(end, order, "OK")
        return {at: booth.column(f"c{at}") for at in documents}

    shuffled = list(passages)
    shuffler.shuffle(shuffled)
    assert columns(passages) == columns(shuffled)


@given(LANES, days())
def test_quiet_always_has_a_monitored_passage_of_its_own(settings, day):
    documents, passages = day
    booth = lane(settings)
    for at in documents:
        booth.present(f"c{at}", at, f"doc{at}")
    booth.advance(max([0.0, *documents, *(each.ended_at for each in passages)]), passages, "OK")
    for at in documents:
        if booth.column(f"c{at}") == "quiet":
            own = booth.passages_of(f"c{at}")
            assert own
            assert all(each.quiet for each in own)
            for each in own:
                assert each.began_at - settings.after_s <= at <= each.ended_at + settings.before_s
