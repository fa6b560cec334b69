"""Telling the programme over real lines: a web server and a mail server on loopback that do not always behave."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from failsafe.hq.cbrne import channels, notify, outbox, programme
from failsafe.hq.cbrne.channels import Mail, Patience, Webhook, make_key
from failsafe.hq.cbrne.notify import CHANNEL_REST, ROW_REST, Clock, Messenger, Notifier, Rest
from failsafe.hq.cbrne.outbox import Letter
from failsafe.hq.cbrne.programme import NotifyTable, Programme, ProgrammeFault, WebhookTable
from failsafe.hq.cli import main
from failsafe.sync.records import encode
from failsafe.sync.reports import Alert
from failsafe.sync.seal import signing_public
from tests.programme_side import (
    PATIENCE_S,
    RECEIVED,
    Authority,
    MailServer,
    WebServer,
    alert,
    closing,
    entry,
    free_port,
)
from tests.publishing import Desk
from tests.test_telling import check_call

PROJECT = Path(__file__).resolve().parent.parent
SHORT = Patience(step_s=0.4, total_s=1.0)
NOW = dt.datetime(2026, 11, 21, 12, 0, 10, tzinfo=dt.UTC)
RECIPIENTS = ["duty@cbrne.example", "night@cbrne.example"]


class Times:
    """A clock that a test moves."""

    def __init__(self):
        self.monotonic_s = 1000.0

    def clock(self):
        return Clock(lambda: NOW, lambda: self.monotonic_s)

    def pass_by(self, seconds):
        self.monotonic_s += seconds


class House:
    """Headquarters' folder, database and settings."""

    def __init__(self, home):
        self.home = home
        (home / "online").mkdir(parents=True)
        self.engine = create_engine(f"sqlite:///{home / 'register.sqlite'}", hide_parameters=True)
        self.authority = Authority(home)
        self.times = Times()

    def configure(self, *, web=None, mail=None, exercises=False, secure=False, **changes):
        """Write hq.toml for these servers, and read it as headquarters does."""
        lines = ["[notify]", f"exercises = {str(exercises).lower()}"]
        if web is not None:
            address = f"https://localhost:{web}" if secure else f"http://127.0.0.1:{web}"
            lines += ["[notify.webhook]", f'url = "{address}/cbrne"', *(['ca_file = "ca.pem"'] if secure else [])]
        if mail is not None:
            table = {
                "host": "localhost",
                "port": mail,
                "security": "starttls",
                "sender": "desk@ccc.example",
                "recipients": RECIPIENTS,
                "ca_file": "ca.pem",
                **changes,
            }
            lines += ["[notify.mail]", *(f"{key} = {json.dumps(value)}" for key, value in table.items() if value)]
        (self.home / "hq.toml").write_text("\n".join(lines))
        settings = programme.load(self.home)
        make_key(settings, settings.table.webhook or WebhookTable(url=""))
        notify.prepare(self.engine, settings)
        return settings

    def put(self, *alerts):
        with self.engine.begin() as connection:
            for body in alerts:
                outbox.enqueue(connection, entry(body), RECEIVED)

    def told(self, channel, number=1):
        with self.engine.connect() as connection:
            found = outbox.tellings(connection, [alert(number).id]).get(alert(number).id, ())
        return next(one for one in found if one.channel == channel)

    def messenger(self, settings, patience=SHORT):
        (sender,) = channels.senders(settings)
        sender._patience = patience
        return Messenger(self.engine, sender, self.times.clock())


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "hq")
    yield made
    made.engine.dispose()


@pytest.fixture
def web():
    with closing(WebServer()) as server:
        yield server


@pytest.fixture
def mail(house):
    with closing(MailServer(house.authority)) as server:
        yield server


def send(sender, told=()):
    return sender.send(Letter(alert().id, encode(alert()), RECEIVED, tuple(told)), NOW)


def webhook(settings, patience=SHORT):
    return Webhook(settings, settings.table.webhook, patience)


def mailer(settings, patience=SHORT):
    return Mail(settings, settings.table.mail, patience)


# --- the webhook ----------------------------------------------------------------------------------------------


def test_a_call_carries_the_alert_and_can_be_checked(house, web):
    settings = house.configure(web=web.port)
    assert send(webhook(settings)).trouble == ""
    call = web.arrived()
    assert call.path == "/cbrne"
    assert msgspec.json.decode(call.body, type=Alert) == alert()
    assert call.headers["Idempotency-Key"] == alert().id
    check_call(call.headers, call.body, signing_public((house.home / "online/notify.key").read_bytes()))


def test_over_tls_with_an_authority_of_ones_own(house):
    with closing(WebServer(authority=house.authority)) as server:
        assert send(webhook(house.configure(web=server.port, secure=True))).trouble == ""
        assert len(server.all()) == 1


def test_a_stranger_with_another_certificate_gets_nothing(house, tmp_path):
    with closing(WebServer(authority=Authority(tmp_path / "stranger"))) as server:
        outcome = send(webhook(house.configure(web=server.port, secure=True)))
        assert "certificate is not trusted" in outcome.trouble and outcome.is_line_down
        assert server.all() == []


@pytest.mark.parametrize(
    ("order", "said", "is_line_down"),
    [
        (400, "answered 400", False),
        (500, "answered 500", False),
        (503, "answered 503", True),
        (429, "answered 429", True),
        (301, "answered 301. Redirects are not followed", False),
        (307, "answered 307. Redirects are not followed", False),
        ("drop", "The connection broke", True),
        ("hang", "No answer in time", True),
        ("drip", "No answer in time", True),
    ],
)
def test_whatever_is_no_success_is_said(house, order, said, is_line_down):
    with closing(WebServer(order)) as server:
        outcome = send(webhook(house.configure(web=server.port)))
        assert said in outcome.trouble and outcome.is_line_down is is_line_down
        assert len(server.all()) == 1  # a redirect was not followed


def test_nobody_there_and_no_such_name(house):
    assert "Nobody listens there" in send(webhook(house.configure(web=free_port()))).trouble
    settings = house.configure()
    table = WebhookTable(url="https://nowhere.invalid/")
    assert send(Webhook(settings, table, SHORT)).is_line_down


def test_proxies_of_the_environment_are_not_asked(house, web, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert send(webhook(house.configure(web=web.port))).trouble == ""


@pytest.mark.parametrize("content", [None, b"short", b""])
def test_without_a_key_nothing_is_sent(house, web, content):
    settings = house.configure(web=web.port)
    file = house.home / "online/notify.key"
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(ProgrammeFault, match="notify key"):
        send(webhook(settings))
    assert web.all() == []


def test_the_key_is_made_once_and_is_the_owners_alone(house):
    settings = house.configure()
    first = make_key(settings, WebhookTable(url=""))
    assert make_key(settings, WebhookTable(url="")) == first
    assert stat.S_IMODE((house.home / "online/notify.key").stat().st_mode) == 0o600
    with pytest.raises(ProgrammeFault, match="cannot be written"):
        make_key(settings, WebhookTable(url="", key_file="nowhere/notify.key"))


# --- mail -----------------------------------------------------------------------------------------------------


def test_a_mail_goes_over_starttls_to_everybody(house, mail):
    assert send(mailer(house.configure(mail=mail.port))).trouble == ""
    came = mail.arrived()
    assert came.was_secret and came.sender == "desk@ccc.example" and came.recipients == RECIPIENTS
    assert came.message["Message-ID"] == f"<{alert().id}@ccc.example>"
    assert "Surname: ZORVEKARIO" in came.message.get_content()


def test_a_mail_goes_over_tls_from_the_first_byte(house):
    with closing(MailServer(house.authority, security="tls")) as server:
        assert send(mailer(house.configure(mail=server.port, security="tls"))).trouble == ""
        assert server.arrived().was_secret


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_server_with_another_certificate_gets_nothing(house, tmp_path, security):
    with closing(MailServer(Authority(tmp_path / "stranger"), security=security)) as server:
        outcome = send(mailer(house.configure(mail=server.port, security=security)))
        assert "certificate is not trusted" in outcome.trouble and outcome.is_line_down
        assert server.all() == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_for_another_name_is_not_enough(house, security):
    with closing(MailServer(house.authority, security=security)) as server:
        outcome = send(mailer(house.configure(mail=server.port, security=security, host="127.0.0.2")))
        assert outcome.is_line_down and server.all() == []


def test_a_server_without_starttls_gets_nothing(house):
    with closing(MailServer(None)) as server:
        outcome = send(mailer(house.configure(mail=server.port)))
        assert "does not offer" in outcome.trouble and outcome.is_line_down
        assert server.all() == []


def test_it_signs_in_once_the_line_is_secret(house):
    (house.home / "mail.password").write_text("invented word\n")
    with closing(MailServer(house.authority, password="invented word")) as server:
        settings = house.configure(mail=server.port, username="desk", password_file="mail.password")
        assert send(mailer(settings)).trouble == ""
        assert server.arrived().user == "desk"
        (house.home / "mail.password").write_text("another word\n")
        outcome = send(mailer(settings))
        assert "refused user or password (535)" in outcome.trouble and outcome.is_line_down
        assert server.all() == []


def test_a_lost_password_or_authority_file_is_said(house, mail):
    settings = house.configure(mail=mail.port, username="desk", password_file="lost.password")
    with pytest.raises(ProgrammeFault, match=r"lost\.password cannot be read"):
        send(mailer(settings))
    for ca_file in ("lost.pem", "hq.toml"):
        with pytest.raises(ProgrammeFault, match="cannot be read as certificates"):
            send(mailer(house.configure(mail=mail.port, ca_file=ca_file)))
    assert mail.all() == []


@pytest.mark.parametrize(
    ("order", "said", "is_line_down"),
    [
        (451, "answered 451", False),
        (554, "answered 554", False),
        (421, "answered 421", True),
        ("drop", "The connection broke", True),
        ("hang", "No answer in time", True),
        ("drip", "No answer in time", True),
    ],
)
def test_whatever_happens_after_the_text_is_said(house, order, said, is_line_down):
    with closing(MailServer(house.authority, order)) as server:
        outcome = send(mailer(house.configure(mail=server.port)))
        assert said in outcome.trouble and outcome.is_line_down is is_line_down
        assert len(server.all()) == 1


def test_a_servers_words_are_not_repeated(house):
    with closing(MailServer(house.authority, refuses={"duty@cbrne.example": "550 ZORVEKARIO is unknown"})) as server:
        assert "ZORVEKARIO" not in send(mailer(house.configure(mail=server.port))).trouble


def test_who_has_it_is_not_asked_again(house):
    with closing(MailServer(house.authority, refuses={"night@cbrne.example": "452 full"})) as server:
        settings = house.configure(mail=server.port)
        outcome = send(mailer(settings))
        assert (outcome.trouble, outcome.told) == (
            "The mail server refused 1 of the recipients (452).",
            ("duty@cbrne.example",),
        )
        assert server.arrived().recipients == ["duty@cbrne.example"]
        outcome = send(mailer(settings), told=outcome.told)
        assert outcome.told == ("duty@cbrne.example",) and outcome.trouble  # nobody took it this time
        server.refuses.clear()
        assert send(mailer(settings), told=outcome.told).trouble == ""
        again = server.arrived()
        assert again.recipients == ["night@cbrne.example"]
        assert again.message["To"] == ", ".join(RECIPIENTS)


def test_all_have_it_already(house):
    settings = house.configure(mail=free_port())
    assert send(mailer(settings), told=RECIPIENTS).trouble == ""


def test_nobody_there_and_a_server_of_another_kind(house):
    assert "Nobody listens there" in send(mailer(house.configure(mail=free_port()))).trouble
    with closing(WebServer()) as server:
        assert send(mailer(house.configure(mail=server.port))).is_line_down


def test_a_server_that_greets_with_a_refusal_is_asked_nothing(house):
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            line, _ = listener.accept()
            with line:
                line.sendall(b"554 no service here\r\n")
                heard.append(line.recv(1000))

        thread = threading.Thread(target=refuse)
        thread.start()
        outcome = send(mailer(house.configure(mail=listener.getsockname()[1])))
        thread.join(PATIENCE_S)
    assert outcome.trouble == "The mail server answered 554." and outcome.is_line_down
    assert heard == [b""]


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


# --- the command line -------------------------------------------------------------------------------------------


def type_in(home, *words, code=0):
    result = CliRunner().invoke(main, ["--home", str(home), *words], env={"COLUMNS": "400"})
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def test_the_exercise_goes_by_each_channel_and_says_so(house, web, mail):
    house.configure(web=web.port, mail=mail.port)
    output = type_in(house.home, "notify", "test").output
    call, came = web.arrived(), mail.arrived()
    sent = msgspec.json.decode(call.body, type=Alert)
    assert (sent.kind, sent.person, call.headers["Idempotency-Key"]) == ("exercise", None, sent.id)
    assert came.message["Subject"].startswith("EXERCISE: ")
    assert f"webhook: sent as {sent.id}." in output
    assert f"e-mail: sent as {came.message['X-Failsafe-Alert']}." in output


def test_the_exercise_says_which_channel_did_not_take_it(house, mail):
    house.configure(web=free_port(), mail=mail.port)
    (house.home / "online/notify.key").unlink()
    output = type_in(house.home, "notify", "test", code=1).output
    assert "webhook: NOT sent." in output and "failsafe-hq notify key" in output
    assert "e-mail: sent as " in output
    assert "1 of 2 channels" in output


def test_an_exercise_needs_a_channel_and_right_settings(house):
    assert "No channel is configured" in type_in(house.home, "notify", "test", code=1).output
    (house.home / "hq.toml").write_text("[notify.webhook]\nurl = 1\n")
    assert "webhook.url" in type_in(house.home, "notify", "test", code=1).output


def test_the_key_for_the_programme_is_printed_the_same_each_time(tmp_path):
    home = Desk(tmp_path / "hq").home
    first = type_in(home, "notify", "key")
    assert type_in(home, "notify", "key").output == first.output
    public = load_pem_public_key(first.stdout.encode()).public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert public == signing_public((home / "online/notify.key").read_bytes())
    assert channels.telling.key_id(public) in first.stderr


def test_a_key_is_not_made_where_there_is_no_headquarters(tmp_path):
    assert "keys init" in type_in(tmp_path / "nowhere", "notify", "key", code=1).output
    assert not (tmp_path / "nowhere").exists()
