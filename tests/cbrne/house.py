"""Headquarters' folder, outbox and settings, and what it tells the programme by."""

from __future__ import annotations

import datetime as dt
import json

from sqlalchemy import create_engine

from failsafe.hq.cbrne import channels, notify, outbox, programme
from failsafe.hq.cbrne.channels import Mail, Patience, Webhook, make_key
from failsafe.hq.cbrne.notify import Clock, Messenger
from failsafe.hq.cbrne.outbox import Letter
from failsafe.hq.cbrne.programme import WebhookTable
from failsafe.sync.records import encode
from tests.programme_side import RECEIVED, Authority, alert, entry

STEADY = Patience(step_s=60.0, total_s=60.0)  # on a busy machine, too
SHORT = Patience(step_s=1.0, total_s=2.5)  # with a server that will never answer
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

    def messenger(self, settings, patience=STEADY):
        (sender,) = channels.senders(settings)
        sender._patience = patience
        return Messenger(self.engine, sender, self.times.clock())


def send(sender, told=()):
    return sender.send(Letter(alert().id, encode(alert()), RECEIVED, tuple(told)), NOW)


def webhook(settings, patience=STEADY):
    return Webhook(settings, settings.table.webhook, patience)


def mailer(settings, patience=STEADY):
    return Mail(settings, settings.table.mail, patience)
