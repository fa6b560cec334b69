"""The notifier: rests, one channel whose clock is moved by hand, its threads, and its death in the worst moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from failsafe.hq.cbrne import notify, outbox
from failsafe.hq.cbrne.notify import CHANNEL_REST, ROW_REST, Notifier, Rest
from failsafe.hq.cbrne.programme import NotifyTable, Programme, ProgrammeFault
from tests.conftest import PROJECT
from tests.programme_side import PATIENCE_S, MailServer, WebServer, alert, closing, free_port

# --- rests ----------------------------------------------------------------------------------------------------


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_rest_grows_to_its_limit_and_never_ends_waiting(failures, chance):
    rest = Rest(first_s=2.0, most_s=300.0)
    assert 1.0 <= rest.after(failures, chance) <= 300.0
    assert rest.after(failures, chance) <= rest.after(failures + 1, chance)
    assert rest.after(failures, 1.0) == pytest.approx(rest.after(failures, 0.0) / 2)


@given(st.integers(1, 100), st.floats(0, 1))
def test_a_row_rests_no_less_than_its_channel(failures, chance):
    assert ROW_REST.after(failures, 1.0) >= CHANNEL_REST.after(failures, 0.0)
    assert ROW_REST.after(failures, chance) >= CHANNEL_REST.after(failures, chance)


# --- one channel, its clock moved by hand -----------------------------------------------------------------------


def test_500_then_200_is_one_alert_under_one_key(house):
    with closing(WebServer(500)) as server:
        messenger = house.messenger(house.configure(web=server.port))
        house.put(alert())
        messenger.step()
        assert (house.told("webhook").state, house.told("webhook").trouble) == ("failing", "The webhook answered 500.")
        messenger.step()
        assert len(server.arrivals.queue) == 1  # it rests
        house.times.pass_by(ROW_REST.after(1, 0.0))
        messenger.step()
        assert (house.told("webhook").state, house.told("webhook").tries) == ("sent", 2)
        first, second = server.all()
        assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"] == alert().id
        assert first.body == second.body
        house.times.pass_by(10_000)
        messenger.step()
        assert server.all() == []


def test_dropped_after_the_text_is_sent_again_under_the_same_id(house):
    with closing(MailServer(house.authority, "drop", "drop")) as server:
        messenger = house.messenger(house.configure(mail=server.port))
        house.put(alert())
        for _ in range(3):
            messenger.step()
            house.times.pass_by(600)
        came = server.all()
        assert [one.message["Message-ID"] for one in came] == [f"<{alert().id}@ccc.example>"] * 3
        assert len({one.content for one in came}) == 1
        assert (house.told("e-mail").state, house.told("e-mail").tries) == ("sent", 3)


def test_a_line_that_is_down_is_not_knocked_at_for_every_alert(house):
    port = free_port()
    messenger = house.messenger(house.configure(web=port))
    house.put(*(alert(number) for number in range(1, 31)))
    rest = messenger.step()
    assert 0 < rest <= CHANNEL_REST.first_s
    tried = [number for number in range(1, 31) if house.told("webhook", number).tries]
    assert tried == [1]
    messenger.step()
    assert sum(house.told("webhook", number).tries for number in range(1, 31)) == 1
    with closing(WebServer(port=port)) as server:
        house.times.pass_by(CHANNEL_REST.first_s)
        while messenger.step() == 0:
            pass
        assert len(server.all()) == 29
        house.times.pass_by(ROW_REST.first_s)
        messenger.step()
        assert [call.headers["Idempotency-Key"] for call in server.all()] == [alert(1).id]


def test_it_never_gives_up(house):
    port = free_port()
    messenger = house.messenger(house.configure(web=port))
    house.put(alert())
    for tries in range(1, 41):
        messenger.step()
        assert (house.told("webhook").state, house.told("webhook").tries) == ("failing", tries)
        house.times.pass_by(ROW_REST.most_s)
    with closing(WebServer(port=port)) as server:
        messenger.step()
        assert house.told("webhook").state == "sent" and len(server.all()) == 1


def test_a_message_that_kills_the_other_side_does_not_stand_before_the_others(house):
    class Fragile(WebServer):
        def obey(self, request, order):
            super().obey(request, "drop" if request.headers["Idempotency-Key"] == alert(1).id else order)

    with closing(Fragile()) as server:
        messenger = house.messenger(house.configure(web=server.port))
        house.put(alert(1), alert(2, urgency="routine"), alert(3, urgency="routine"))
        for _ in range(4):
            house.times.pass_by(messenger.step())
        assert {number: house.told("webhook", number).state for number in (1, 2, 3)} == {
            1: "failing",
            2: "sent",
            3: "sent",
        }


def test_even_many_such_urgent_messages_do_not_starve_a_routine_one(house):
    class Fragile(WebServer):
        def obey(self, request, order):
            super().obey(request, order if request.headers["Idempotency-Key"] == alert(50).id else "drop")

    with closing(Fragile()) as server:
        messenger = house.messenger(house.configure(web=server.port))
        house.put(*(alert(number) for number in range(1, 13)), alert(50, urgency="routine"))
        for _ in range(13):
            house.times.pass_by(messenger.step())
        assert house.told("webhook", 50).state == "sent"


def test_a_refused_one_does_not_rest_the_channel(house):
    with closing(WebServer(400)) as server:
        messenger = house.messenger(house.configure(web=server.port))
        house.put(alert(1), alert(2))
        messenger.step()
        assert (house.told("webhook", 1).state, house.told("webhook", 2).state) == ("failing", "sent")


def test_an_urgent_one_overtakes_what_waits(house, web):
    messenger = house.messenger(house.configure(web=web.port))
    house.put(*(alert(number, urgency="routine") for number in range(1, 10)))
    assert messenger.step() == 0
    house.put(alert(99))
    assert messenger.step() == 0
    assert [call.headers["Idempotency-Key"] for call in web.all()][4] == alert(99).id


def test_what_the_database_could_not_mark_is_marked_later_and_not_sent_twice(house, web):
    messenger = house.messenger(house.configure(web=web.port))
    house.put(alert())
    with house.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER full BEFORE UPDATE ON outbox WHEN NEW.sent_at IS NOT NULL "
                "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
        )
    for _ in range(5):
        messenger.step()
    assert len(web.all()) == 1 and house.told("webhook").state == "waiting"
    with house.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER full"))
    messenger.step()
    assert house.told("webhook").state == "sent" and web.all() == []


def test_a_lost_key_is_said_on_the_list_and_mended_without_a_restart(house, web):
    settings = house.configure(web=web.port)
    messenger = house.messenger(settings)
    key = house.home / "online/notify.key"
    kept = key.read_bytes()
    key.unlink()
    house.put(alert())
    messenger.step()
    assert "failsafe-hq notify key" in house.told("webhook").trouble
    key.write_bytes(kept)
    house.times.pass_by(60)
    messenger.step()
    assert house.told("webhook").state == "sent"


def test_partly_refused_mails_are_finished_by_the_same_message(house):
    with closing(MailServer(house.authority, refuses={"night@cbrne.example": "452 full"})) as server:
        messenger = house.messenger(house.configure(mail=server.port))
        house.put(alert())
        messenger.step()
        assert house.told("e-mail").state == "failing"
        server.refuses.clear()
        house.times.pass_by(60)
        messenger.step()
        assert house.told("e-mail").state == "sent"
        first, second = server.all()
        assert (first.recipients, second.recipients) == (["duty@cbrne.example"], ["night@cbrne.example"])
        assert first.message["Message-ID"] == second.message["Message-ID"]


def test_a_body_that_cannot_be_read_harms_no_other(house, mail):
    messenger = house.messenger(house.configure(mail=mail.port))
    house.put(alert(1), alert(2))
    with house.engine.begin() as connection:
        connection.execute(text("UPDATE outbox SET body = x'00' WHERE alert_id LIKE '%1'"))
    messenger.step()
    assert "unexpected fault (DecodeError)" in house.told("e-mail", 1).trouble
    assert house.told("e-mail", 2).state == "sent"


# --- the notifier's threads -------------------------------------------------------------------------------------


def test_both_channels_are_told_and_a_dead_one_holds_up_nobody(house, web):
    settings = house.configure(web=web.port, mail=free_port())
    notifier = Notifier(house.engine, settings)
    notifier.start()
    try:
        house.put(alert())
        notifier.wake()
        assert web.arrived().headers["Idempotency-Key"] == alert().id
    finally:
        notifier.stop()
    assert house.told("webhook").state == "sent"
    assert house.told("e-mail").state in ("waiting", "failing")


def test_what_waited_before_the_start_is_told_at_the_start(house, web):
    settings = house.configure(web=web.port)
    house.put(alert(1), alert(2))
    notifier = Notifier(house.engine, settings)
    notifier.start()
    try:
        assert {web.arrived().headers["Idempotency-Key"] for _ in range(2)} == {alert(1).id, alert(2).id}
    finally:
        notifier.stop()


def test_alerts_from_before_the_first_configuration_are_told(house, web):
    notify.prepare(house.engine, Programme(house.home, NotifyTable()))
    house.put(alert())
    notifier = Notifier(house.engine, house.configure(web=web.port))
    notifier.start()
    try:
        assert web.arrived().headers["Idempotency-Key"] == alert().id
    finally:
        notifier.stop()
    assert house.told("webhook").state == "sent"


def test_with_nobody_configured_it_starts_and_stops(house):
    notifier = Notifier(house.engine, house.configure())
    notifier.start()
    notifier.wake()
    notifier.stop()
    house.put(alert())
    assert house.told("webhook").trouble == outbox.NONE_CONFIGURED


def test_a_database_that_cannot_be_opened_is_said(tmp_path):
    (tmp_path / "register.sqlite").mkdir()
    engine = create_engine(f"sqlite:///{tmp_path / 'register.sqlite'}")
    with pytest.raises(ProgrammeFault, match="outbox cannot be opened"):
        Notifier(engine, Programme(tmp_path, NotifyTable()))


# --- killed -----------------------------------------------------------------------------------------------------

_SERVE = """
import sys, threading
from pathlib import Path
from sqlalchemy import create_engine
from failsafe.hq.cbrne import programme
from failsafe.hq.cbrne.notify import Notifier
home = Path(sys.argv[1])
Notifier(create_engine(f"sqlite:///{home / 'register.sqlite'}"), programme.load(home)).start()
threading.Event().wait()
"""


def _killed_while_sending(house, server):
    process = subprocess.Popen([sys.executable, "-c", _SERVE, str(house.home)], cwd=PROJECT)
    try:
        came = server.arrived()
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)
    return came


def test_killed_between_call_and_mark_it_calls_again_under_the_same_key(house):
    with closing(WebServer("hang", "hang")) as server:
        settings = house.configure(web=server.port)
        house.put(alert())
        calls = [_killed_while_sending(house, server) for _ in range(2)]
        assert (house.told("webhook").state, house.told("webhook").tries) == ("waiting", 2)
        server.released.set()
        notifier = Notifier(house.engine, settings)
        notifier.start()
        calls.append(server.arrived())
        notifier.stop()
        assert {call.headers["Idempotency-Key"] for call in calls} == {alert().id}
        assert len({call.body for call in calls}) == 1
        assert (house.told("webhook").state, house.told("webhook").tries) == ("sent", 3)
        assert server.all() == []


def test_killed_between_mail_and_mark_it_mails_again_under_the_same_id(house):
    with closing(MailServer(house.authority, "hang")) as server:
        settings = house.configure(mail=server.port)
        house.put(alert())
        first = _killed_while_sending(house, server)
        server.released.set()
        notifier = Notifier(house.engine, settings)
        notifier.start()
        second = server.arrived()
        notifier.stop()
        assert first.content == second.content
        assert second.message["Message-ID"] == f"<{alert().id}@ccc.example>"
        assert (house.told("e-mail").state, house.told("e-mail").tries) == ("sent", 2)
