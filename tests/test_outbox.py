"""What goes into the outbox, once and with its alert, and what the command centre's list is told of it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.pool import StaticPool

from failsafe.hq.cbrne import outbox
from failsafe.hq.cbrne.outbox import NONE_CONFIGURED, OUTBOX
from failsafe.hq.feeds.tables import SCHEMA
from failsafe.sync.records import encode
from failsafe.sync.reports import Alert, HealthChange, MatchedNotice
from tests.programme_side import RECEIVED, alert, entry

BOTH = {"webhook": False, "e-mail": False}
AT = "2026-11-21T12:00:10Z"


def database(channels=None):
    engine = create_engine("sqlite://", poolclass=StaticPool)
    SCHEMA.create_all(engine)
    with engine.begin() as connection:
        outbox.declare(connection, BOTH if channels is None else channels)
    return engine


@pytest.fixture
def engine():
    return database()


def put(engine, *alerts, at=RECEIVED):
    with engine.begin() as connection:
        for body in alerts:
            outbox.enqueue(connection, entry(body), at)


def rows(engine):
    with engine.connect() as connection:
        return connection.execute(select(OUTBOX).order_by(OUTBOX.c.alert_id, OUTBOX.c.channel)).all()


def waiting(engine, channel="webhook"):
    with engine.connect() as connection:
        return outbox.waiting(connection, channel)


def tellings(engine, *ids):
    with engine.connect() as connection:
        return outbox.tellings(connection, ids)


def claim(engine, row, at=AT):
    with engine.begin() as connection:
        return outbox.claim(connection, row, at)


def notice(tier):
    return MatchedNotice(entity_id="2026-99002", tier=tier, grade="possible", score=0.8)


# --- which ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "concerns"),
    [
        ({}, True),
        ({"urgency": "routine"}, True),
        ({"notices": (notice("red"),)}, False),
        ({"notices": (notice("red"), notice("rn"))}, True),
        ({"notices": ()}, False),
        ({"kind": "listed_document", "notices": ()}, False),
        ({"kind": "listed_document"}, True),
        ({"kind": "radiation_alarm", "notices": (), "person": None}, True),
        ({"kind": "person_and_radiation", "notices": (notice("red"),)}, True),
        ({"kind": "exercise"}, False),
    ],
)
def test_the_programme_is_told_of_what_is_radiological_or_nuclear(changes, concerns):
    assert outbox.concerns_cbrne(alert(**changes)) is concerns


def test_what_concerns_nobody_there_leaves_no_row(engine):
    put(engine, alert(notices=(notice("red"),)))
    assert rows(engine) == [] and tellings(engine, alert().id) == {}


def test_a_change_of_health_is_no_alert(engine):
    body = HealthChange(id=alert().id, at=alert().at, place=alert().place, part="portal-1", was="OK", now="LINK_DOWN")
    put(engine, body)
    assert rows(engine) == []


# --- once, and with its alert ---------------------------------------------------------------------------------


def test_a_row_for_each_configured_channel(engine):
    put(engine, alert())
    assert [(row.alert_id, row.channel) for row in rows(engine)] == [(alert().id, "e-mail"), (alert().id, "webhook")]
    assert {row.body for row in rows(engine)} == {encode(alert())}


def test_a_channel_that_is_not_configured_gets_none():
    engine = database({"e-mail": False})
    put(engine, alert())
    assert [row.channel for row in rows(engine)] == ["e-mail"]


def test_the_same_alert_again_changes_nothing(engine):
    put(engine, alert())
    claim(engine, waiting(engine)[0])
    put(engine, alert(), at="2026-11-22T00:00:00Z")
    assert [(row.tries, row.received_at) for row in rows(engine)] == [(0, RECEIVED), (1, RECEIVED)]


def test_what_was_sent_is_not_put_in_again(engine):
    put(engine, alert())
    with engine.begin() as connection:
        outbox.mark_sent(connection, waiting(engine)[0], AT)
    put(engine, alert())
    assert waiting(engine) == [] and len(rows(engine)) == 2


def test_rows_come_and_go_with_the_callers_transaction(engine):
    with pytest.raises(RuntimeError), engine.begin() as connection:
        outbox.enqueue(connection, entry(alert()), RECEIVED)
        assert connection.execute(select(func.count()).select_from(OUTBOX)).scalar_one() == 2
        raise RuntimeError("the desk could not store the alert")
    assert rows(engine) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 6), max_size=20))
def test_however_often_and_in_whatever_order_each_is_there_once(numbers):
    engine = database()
    for number in numbers:
        put(engine, alert(number))
    expected = sorted((alert(number).id, channel) for number in set(numbers) for channel in BOTH)
    assert sorted((row.alert_id, row.channel) for row in rows(engine)) == expected


def test_exercises_go_only_where_that_is_configured():
    engine = database({"webhook": True, "e-mail": False})
    put(engine, alert(kind="exercise"))
    assert [row.channel for row in rows(engine)] == ["webhook"]
    silent = database()
    put(silent, alert(kind="exercise"))
    assert rows(silent) == []


def test_exercises_do_not_wait_for_a_channel_to_be_configured():
    engine = database({})
    put(engine, alert(kind="exercise"))
    assert rows(engine) == []


def test_postgresql_is_asked_for_the_same_thing():
    class Connection:
        dialect = postgresql.dialect()

    statement = str(outbox._insert_once(Connection()).compile(dialect=postgresql.dialect()))
    assert statement.endswith("ON CONFLICT DO NOTHING")


# --- in which order -------------------------------------------------------------------------------------------


def test_urgent_ones_first_then_the_less_tried_then_the_older(engine):
    put(engine, alert(1, urgency="routine"), alert(2), alert(3), alert(4), at="2026-11-21T12:00:05Z")
    put(engine, alert(5), at="2026-11-21T11:00:00Z")
    claim(engine, waiting(engine)[1])  # alert 2
    assert [int(row.alert_id[-1]) for row in waiting(engine)] == [5, 3, 4, 2, 1]


def test_each_channel_sees_its_own(engine):
    put(engine, alert())
    with engine.begin() as connection:
        outbox.mark_sent(connection, waiting(engine, "webhook")[0], AT)
    assert waiting(engine, "webhook") == []
    assert [row.channel for row in waiting(engine, "e-mail")] == ["e-mail"]


# --- claims ---------------------------------------------------------------------------------------------------


def test_a_claim_is_counted_and_gives_what_is_to_be_sent(engine):
    put(engine, alert())
    letter = claim(engine, waiting(engine)[0])
    assert msgspec.json.decode(letter.body, type=Alert) == alert()
    assert (letter.alert_id, letter.received_at, letter.told) == (alert().id, RECEIVED, ())
    assert [row.tries for row in waiting(engine)] == [1]


def test_two_who_saw_the_same_row_do_not_both_get_it(engine):
    put(engine, alert())
    seen = waiting(engine)[0]
    assert claim(engine, seen) is not None
    assert claim(engine, seen) is None
    assert [row.tries for row in waiting(engine)] == [1]


def test_who_comes_after_a_crash_gets_it_again(engine):
    put(engine, alert())
    first = claim(engine, waiting(engine)[0])
    again = claim(engine, waiting(engine)[0])
    assert again == first and [row.tries for row in waiting(engine)] == [2]


def test_what_is_sent_is_not_claimed(engine):
    put(engine, alert())
    row = waiting(engine)[0]
    with engine.begin() as connection:
        outbox.mark_sent(connection, row, AT)
    assert claim(engine, row) is None


def test_a_late_failure_does_not_undo_a_success(engine):
    put(engine, alert())
    row = waiting(engine)[0]
    with engine.begin() as connection:
        outbox.mark_sent(connection, row, AT)
        outbox.mark_failed(connection, row, "The webhook answered 500.", ())
    assert waiting(engine) == []
    assert tellings(engine, alert().id)[alert().id][0].state == "sent"


def test_nothing_of_the_person_stays_once_it_is_sent(engine):
    put(engine, alert())
    for channel in BOTH:
        with engine.begin() as connection:
            outbox.mark_sent(connection, waiting(engine, channel)[0], AT)
    assert {row.body for row in rows(engine)} == {b""}


def test_addresses_that_have_it_are_kept_for_the_next_try(engine):
    put(engine, alert())
    with engine.begin() as connection:
        outbox.mark_failed(connection, waiting(engine, "e-mail")[0], "refused", ["a@ccc.example", "b@ccc.example"])
    letter = claim(engine, waiting(engine, "e-mail")[0])
    assert letter.told == ("a@ccc.example", "b@ccc.example")


def test_a_letter_does_not_show_what_is_in_it(engine):
    put(engine, alert())
    assert "ZORVEKARIO" not in repr(claim(engine, waiting(engine)[0]))


# --- the list -------------------------------------------------------------------------------------------------


def told(engine, number=1):
    return {one.channel: one for one in tellings(engine, alert(number).id).get(alert(number).id, ())}


def test_the_list_sees_waiting_failing_and_sent(engine):
    put(engine, alert())
    assert {one.state for one in told(engine).values()} == {"waiting"}
    row = waiting(engine)[0]
    claim(engine, row)
    assert (told(engine)["webhook"].state, told(engine)["webhook"].tries) == ("waiting", 1)
    with engine.begin() as connection:
        outbox.mark_failed(connection, row, "The webhook answered 500.", ())
    failing = told(engine)["webhook"]
    assert (failing.state, failing.tries, failing.at, failing.trouble) == (
        "failing",
        1,
        AT,
        "The webhook answered 500.",
    )
    assert told(engine)["e-mail"].state == "waiting"
    with engine.begin() as connection:
        outbox.mark_sent(connection, row, "2026-11-21T12:01:00Z")
    sent = told(engine)["webhook"]
    assert (sent.state, sent.at, sent.trouble) == ("sent", "2026-11-21T12:01:00Z", "")


def test_the_list_asks_for_thousands_at_once(engine):
    put(engine, *(alert(number) for number in range(1, 1301)))
    found = tellings(engine, *(alert(number).id for number in range(1, 2001)))
    assert len(found) == 1300 and {len(one) for one in found.values()} == {2}


def test_with_no_channel_configured_alerts_wait_and_the_list_says_why():
    engine = database({})
    put(engine, alert())
    assert {(one.state, one.trouble) for one in told(engine).values()} == {("waiting", NONE_CONFIGURED)}
    with engine.begin() as connection:
        outbox.declare(connection, {"webhook": False})
    assert {(one.channel, one.state, one.trouble) for one in told(engine).values()} == {("webhook", "waiting", "")}
    assert len(waiting(engine)) == 1


def test_a_channel_taken_out_shows_only_what_it_had_told(engine):
    put(engine, alert(1), alert(2))
    with engine.begin() as connection:
        outbox.mark_sent(connection, waiting(engine, "e-mail")[0], AT)
        outbox.declare(connection, {"webhook": False})
    assert sorted(told(engine, 1)) == ["e-mail", "webhook"]
    assert sorted(told(engine, 2)) == ["webhook"]
