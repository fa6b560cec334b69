"""What is posted next, and when: pure choices on names and an injected monotonic clock."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.sync.outbox import (
    BATCH,
    LONGEST_DELAY_S,
    LONGEST_PATIENCE_S,
    PATIENCE_S,
    URGENT_DELAY_S,
    Backoff,
    Outbox,
    waiting,
)
from failsafe.sync.reports import alert_file


def names(number: int, *, urgent: int = 0) -> list[str]:
    """So many files in the spool, the last of them urgent."""
    return [
        alert_file("urgent" if at >= number - urgent else "routine", at + 1, str(uuid.UUID(int=at + 1)))
        for at in range(number)
    ]


def outbox(files: list[str], chance: float = 1.0) -> Outbox:
    box = Outbox(lambda: chance)
    box.look(files, {}, 0.0)
    return box


# --- names -------------------------------------------------------------------------------------------------------


def test_a_name_says_urgency_and_id():
    entry_id = str(uuid.uuid4())
    found = waiting(alert_file("urgent", 7, entry_id))
    assert found is not None and (found.id, found.urgent) == (entry_id, True)


@pytest.mark.parametrize(
    "name",
    [
        "heartbeat.json",
        "alerts/2-000000000001-00000000-0000-0000-0000-000000000001.json",
        "alerts/0-1-00000000-0000-0000-0000-000000000001.json",
        "alerts/0-000000000001-../../../../etc/passwd.json",
        "alerts/0-000000000001-00000000-0000-0000-0000-000000000001.json\n",
    ],
)
def test_other_names_are_no_envelopes(name):
    assert waiting(name) is None
    assert outbox([name]).batch(0.0) == ()


# --- order -------------------------------------------------------------------------------------------------------


def test_the_urgent_go_first_and_alone():
    files = names(5, urgent=2)
    box = outbox(files)
    first = box.batch(0.0)
    assert [one.name for one in first] == files[3:]
    box.answered(first, {one.id: (1,) for one in first}, 0.0)
    assert [one.name for one in box.batch(0.0)] == files[:3]


def test_a_batch_has_fifty_at_most_in_the_chains_order():
    files = names(120)
    batch = outbox(list(reversed(files))).batch(0.0)
    assert [one.name for one in batch] == files[:BATCH]


def test_an_urgent_one_that_comes_meanwhile_preempts_a_routine_batch_only():
    files = names(3)
    box = outbox(files)
    batch = box.batch(0.0)
    assert not box.preempts(batch, 0.0)
    box.look([*files, alert_file("urgent", 9, str(uuid.UUID(int=9)))], {}, 0.1)
    assert box.preempts(batch, 0.1)
    assert not box.preempts(box.batch(0.1), 0.1), "an urgent batch is let finish"


# --- back-off ----------------------------------------------------------------------------------------------------


def test_delays_double_to_a_minute_and_a_success_forgets_them():
    backoff = Backoff(lambda: 1.0)
    assert backoff.due() <= 0.0
    delays = []
    for _ in range(9):
        backoff.failed(100.0)
        delays.append(backoff.due() - 100.0)
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    backoff.went_well()
    assert backoff.due() <= 0.0 and not backoff.has_failed
    backoff.failed(200.0)
    assert backoff.due() == 201.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=2000), st.booleans())
def test_no_delay_is_longer_than_its_limit_however_often_it_failed(chances, urgent):
    drawn = iter(chances)
    backoff = Backoff(lambda: next(drawn))
    longest = URGENT_DELAY_S if urgent else LONGEST_DELAY_S
    now = 0.0
    for _ in chances:
        backoff.failed(now)
        assert now <= backoff.due(longest) <= now + longest
        now += 10.0


def test_an_urgent_one_shortens_a_wait_that_has_begun():
    files = names(1)
    box = outbox(files)
    for _ in range(10):
        box.failed(0.0)
    assert box.batch(59.9) == ()
    assert [one.name for one in box.batch(60.0)] == files
    urgent = alert_file("urgent", 2, str(uuid.UUID(int=2)))
    box.look([*files, urgent], {}, 1.0)
    assert box.batch(14.9) == ()
    assert [one.name for one in box.batch(15.0)] == [urgent]


def test_one_that_headquarters_cannot_take_waits_alone():
    files = names(3)
    box = outbox(files)
    batch = box.batch(0.0)
    box.answered(batch, {batch[0].id: (1,)}, 0.0)
    assert box.batch(0.5) == (), "two gave no receipt and wait a second"
    assert [one.id for one in box.batch(1.0)] == [one.id for one in batch[1:]]
    late = alert_file("routine", 9, str(uuid.UUID(int=9)))
    box.look([*files, late], {batch[0].id: (1,)}, 0.6)
    assert [one.name for one in box.batch(0.6)] == [late], "the line itself did not fail"


def test_a_batch_that_is_too_much_is_halved_until_the_odd_one_stands_alone():
    box = outbox(names(8))
    sizes = []
    while (batch := box.batch(0.0)) and len(sizes) < 10:
        sizes.append(len(batch))
        box.too_much(batch, 0.0)
    assert sizes[:4] == [8, 4, 2, 1]
    assert len(sizes) > 4, "the others go on without it"


def test_after_good_batches_they_grow_again():
    box = outbox(names(100))
    for _ in range(6):
        box.too_much(box.batch(0.0)[:2], 0.0)
    assert len(box.batch(0.0)) == 1
    grown = []
    for _ in range(7):
        batch = box.batch(0.0)
        grown.append(len(batch))
        box.answered(batch, {one.id: (1,) for one in batch}, 0.0)
    assert grown[:4] == [1, 2, 4, 8]


# --- receipts ----------------------------------------------------------------------------------------------------


def test_a_receipted_one_is_left_to_the_core_for_a_minute_and_longer_each_time():
    files = names(1)
    box = outbox(files)
    now, waits = 0.0, []
    for stamp in range(10):
        batch = box.batch(now)
        assert len(batch) == 1
        box.answered(batch, {batch[0].id: (stamp,)}, now)
        box.look(files, {batch[0].id: (stamp,)}, now + 1)
        wait = next(wait for wait in (60, 120, 240, 480, 960, 1920, 3600) if box.batch(now + wait))
        assert box.batch(now + wait - 1) == ()
        waits.append(wait)
        now += wait
    assert waits[0] == PATIENCE_S and waits[-1] == LONGEST_PATIENCE_S and waits == sorted(waits)


def test_a_receipt_that_is_gone_while_its_envelope_waits_is_asked_for_again():
    files = names(1)
    box = outbox(files)
    (one,) = box.batch(0.0)
    box.answered([one], {one.id: (1,)}, 0.0)
    box.look(files, {one.id: (1,)}, 1.0)
    assert box.batch(1.0) == ()
    box.look(files, {}, 2.0)
    assert box.batch(2.0) == (one,)


def test_a_receipt_of_an_earlier_run_counts():
    files = names(2)
    box = Outbox(lambda: 1.0)
    entry_id = str(uuid.UUID(int=1))
    box.look(files, {entry_id: (5,)}, 0.0)
    assert [one.name for one in box.batch(0.0)] == files[1:]
    assert [one.name for one in box.batch(60.0)] == files


def test_receipts_without_an_envelope_hold_nothing_back():
    box = Outbox(lambda: 1.0)
    box.look([], {str(uuid.UUID(int=1)): (1,), "other": (2,)}, 0.0)
    assert len(box) == 0
    box.look(names(1), {str(uuid.UUID(int=2)): (1,)}, 0.0)
    assert [one.name for one in box.batch(0.0)] == names(1)


@given(st.data())
def test_nothing_that_waits_is_ever_forgotten(data):
    """Whatever the line and headquarters do, each envelope that still waits is posted again within the hour."""
    files = names(data.draw(st.integers(1, 60)), urgent=data.draw(st.integers(0, 1)))
    box = outbox(files)
    receipts: dict[str, tuple[int, ...]] = {}
    now = 0.0
    for step in range(data.draw(st.integers(0, 12))):
        now += data.draw(st.floats(0, 100))
        batch = box.batch(now)
        match data.draw(st.sampled_from(["failed", "too much", "some"])):
            case "failed":
                box.failed(now)
            case "too much" if batch:
                box.too_much(batch, now)
            case "some":
                receipts |= {one.id: (step,) for one in batch if data.draw(st.booleans())}
                box.answered(batch, {one.id: receipts[one.id] for one in batch if one.id in receipts}, now)
        box.look(files, receipts, now)
    posted = set()
    for later in range(200):
        moment = now + LONGEST_PATIENCE_S + later
        batch = box.batch(moment)
        posted |= {one.name for one in batch}
        box.answered(batch, {one.id: (99,) for one in batch}, moment)
    assert posted == set(files)
