"""The age rule and the coalescing of health changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.health import COALESCE_S, Change, Chronicle, HealthBook, mirror_age_s, mirror_state

HOUR = 3600.0
SIGNED = 1_790_000_000.0


def state(age: float | None, *, held: bool = True) -> str:
    return mirror_state(held=held, age_s=age, stale_after_s=24 * HOUR, expired_after_s=48 * HOUR)


def test_age_is_the_wall_clocks_when_it_is_the_older() -> None:
    chronicle = Chronicle.accepted(SIGNED).lived(60, SIGNED + 5 * HOUR)
    assert mirror_age_s(SIGNED, chronicle, SIGNED + 5 * HOUR) == 5 * HOUR


def test_age_is_the_time_lived_when_the_wall_clock_was_held_back() -> None:
    chronicle = Chronicle.accepted(SIGNED)
    for _ in range(30):  # thirty hours by the monotonic clock while the wall clock stands still
        chronicle = chronicle.lived(HOUR, SIGNED + 10)
    assert mirror_age_s(SIGNED, chronicle, SIGNED + 10) == 30 * HOUR


def test_a_clock_behind_what_was_written_down_makes_the_age_unknown() -> None:
    chronicle = Chronicle.accepted(SIGNED).lived(HOUR, SIGNED + HOUR)
    assert mirror_age_s(SIGNED, chronicle, 0.0) is None
    assert mirror_age_s(SIGNED, chronicle, SIGNED + HOUR - 60) is None
    assert mirror_age_s(SIGNED, chronicle, SIGNED + HOUR - 1) == HOUR  # a slew


def test_a_clock_set_to_2040_and_back_heals_with_the_next_signed_timestamp() -> None:
    far = SIGNED + 14 * 365 * 24 * HOUR
    chronicle = Chronicle.accepted(SIGNED).lived(60, far)
    assert state(mirror_age_s(SIGNED, chronicle, far)) == "EXPIRED"
    assert mirror_age_s(SIGNED, chronicle, SIGNED + HOUR) is None
    assert mirror_age_s(SIGNED, chronicle.lived(60, SIGNED + HOUR), far) is None  # nor is it believed there again
    newer = SIGNED + HOUR
    chronicle = Chronicle.accepted(newer)
    assert mirror_age_s(newer, chronicle, newer + 30) == 30


def test_a_clock_that_went_back_is_not_believed_when_it_has_come_up_again() -> None:
    """It has told a wrong time once; only headquarters' word says how late it is."""
    chronicle = Chronicle.accepted(SIGNED).lived(60, SIGNED + HOUR).lived(60, SIGNED + HOUR - 60)
    assert mirror_age_s(SIGNED, chronicle.lived(2 * HOUR, SIGNED + 3 * HOUR), SIGNED + 3 * HOUR) is None
    assert mirror_age_s(SIGNED + HOUR, Chronicle.accepted(SIGNED + HOUR, 2), SIGNED + 2 * HOUR) == HOUR


def test_a_clock_slower_than_headquarters_is_believed_as_soon_as_it_has_come_up() -> None:
    """Else each timestamp of a booth whose clock is slow would put it in doubt until the next one does."""
    chronicle = Chronicle.accepted(SIGNED).lived(1, SIGNED - 70)
    assert mirror_age_s(SIGNED, chronicle, SIGNED - 70) is None
    chronicle = chronicle.lived(71, SIGNED + 1)
    assert mirror_age_s(SIGNED, chronicle, SIGNED + 1) == 72


def test_a_clock_slower_by_a_minute_at_most_is_believed_and_the_age_counts_what_was_lived() -> None:
    chronicle = Chronicle.accepted(SIGNED).lived(5, SIGNED - 60)
    assert chronicle.trusts(SIGNED - 60) and mirror_age_s(SIGNED, chronicle, SIGNED - 60) == 5
    assert not chronicle.trusts(SIGNED - 61)
    passed = chronicle.lived(70, SIGNED + 10)
    assert not passed.trusts(SIGNED + 5), "what it has shown itself it may not go behind"


def test_a_ledger_that_was_put_back_does_not_make_a_late_word_young() -> None:
    """The mirror remembers a later time than the ledger does."""
    assert mirror_age_s(SIGNED + 48 * HOUR, Chronicle.accepted(SIGNED), SIGNED + HOUR) is None


def test_a_ledger_that_was_lost_leaves_no_age() -> None:
    assert mirror_age_s(SIGNED, Chronicle().lived(1, SIGNED + 1), SIGNED + 1) is None


@pytest.mark.parametrize(
    ("written_at", "now", "lived"),
    [(1000.0, 1600.0, 600.0), (1000.0, 400.0, 400.0), (1000.0, 1000.0, 0.0), (None, 400.0, 0.0)],
)
def test_what_passed_while_the_core_did_not_run_was_lived_too(
    written_at: float | None, now: float, lived: float
) -> None:
    """Since the mark was written, or since a new start of the device: both are the least that it can have been."""
    chronicle = Chronicle(SIGNED + 60, 60.0, version=3, signed_at=SIGNED)
    assert chronicle.slept(written_at, now) == Chronicle(SIGNED + 60, 60.0 + lived, version=3, signed_at=SIGNED)


def test_which_word_is_newer_than_the_last() -> None:
    accepted = Chronicle.accepted(SIGNED, 7)
    assert not accepted.is_surpassed_by(7, SIGNED)
    assert not accepted.is_surpassed_by(6, SIGNED - HOUR)
    assert accepted.is_surpassed_by(8, SIGNED - HOUR)  # headquarters' clock was wrong, and is set right
    assert accepted.is_surpassed_by(1, SIGNED + HOUR)  # headquarters changed the timestamp's key


def test_what_a_thief_signed_is_no_floor_under_headquarters_next_key() -> None:
    stolen = Chronicle.accepted(SIGNED + 10_000 * HOUR, 1_000_000, root=2, keys="stolen")
    assert stolen.is_surpassed_by(8, SIGNED, root=3, keys="new")
    assert not stolen.is_surpassed_by(8, SIGNED, root=3, keys="stolen")
    assert not stolen.is_surpassed_by(8, SIGNED, root=2, keys="other")
    mended = Chronicle.accepted(SIGNED, 8, root=3, keys="new")
    assert not mended.is_surpassed_by(7, SIGNED - HOUR, root=3, keys="new")
    assert not mended.is_surpassed_by(7, SIGNED - HOUR, root=2, keys="stolen")
    unknown = Chronicle.accepted(SIGNED, 8)  # as an older version of this software wrote it
    assert not unknown.is_surpassed_by(7, SIGNED - HOUR, root=3, keys="new")


def test_no_timestamp_is_no_age() -> None:
    assert mirror_age_s(None, Chronicle(), SIGNED) is None


def test_states_at_their_limits() -> None:
    assert state(24 * HOUR) == "FRESH"
    assert state(24 * HOUR + 1) == "STALE"
    assert state(48 * HOUR) == "STALE"
    assert state(48 * HOUR + 1) == "EXPIRED"


@pytest.mark.parametrize(
    ("held", "age_s", "word"),
    [
        (True, 0.0, "CHECKING"),
        (True, 30 * HOUR, "CHECKING"),
        (True, 49 * HOUR, "EXPIRED"),
        (True, None, "UNKNOWN"),
        (False, 0.0, "EMPTY"),
    ],
)
def test_what_is_not_checked_is_waited_for_only_where_it_would_be_current(held, age_s, word):
    limits = {"stale_after_s": 24 * HOUR, "expired_after_s": 48 * HOUR}
    assert mirror_state(held=held, age_s=age_s, checked=False, **limits) == word
    assert state(None) == "UNKNOWN"
    assert state(0.0, held=False) == "EMPTY"


@given(st.lists(st.tuples(st.floats(-100, 5000), st.floats(0, 4e9)), max_size=30), st.floats(0, 4e9))
def test_the_age_never_falls_below_what_was_lived(steps: list[tuple[float, float]], wall: float) -> None:
    chronicle = Chronicle.accepted(SIGNED)
    lived = 0.0
    for seconds, shown in steps:
        chronicle = chronicle.lived(seconds, shown)
        lived += max(0.0, seconds)
    age = mirror_age_s(SIGNED, chronicle, wall)
    assert age is None or age >= lived


def test_a_change_is_recorded_once() -> None:
    book = HealthBook()
    book.observe("portal-1", "OK")
    assert book.due(0.0) == (Change("portal-1", "unknown", "OK"),)
    book.observe("portal-1", "OK")
    assert book.due(100.0) == ()


def test_flapping_is_coalesced_and_its_last_state_is_kept() -> None:
    book = HealthBook()
    book.observe("portal-1", "OK")
    book.due(0.0)
    for second in range(1, 20):
        book.observe("portal-1", "LINK_DOWN" if second % 2 else "OK", "no bytes")
        assert book.due(float(second)) == ()
    assert book.due(COALESCE_S) == (Change("portal-1", "OK", "LINK_DOWN", "no bytes"),)
    assert book.state("portal-1") == "LINK_DOWN"
