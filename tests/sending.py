"""An enrolled booth for tests: real keys, a chain of invented alerts, envelopes as the core makes them."""

from __future__ import annotations

import datetime as dt
import ssl
import uuid
import zlib
from pathlib import Path

import httpx

from failsafe.agent import keys as booth_keys
from failsafe.hq.desk import tables
from failsafe.hq.desk.desk import Desk
from failsafe.hq.enrol import enrol
from failsafe.hq.feeds.register import Register
from failsafe.sync import envelope
from failsafe.sync.records import Welcome, encode
from failsafe.sync.reports import (
    Alert,
    Body,
    ChainEntry,
    Envelope,
    Finding,
    HealthChange,
    Heartbeat,
    MatchedNotice,
    Measurement,
    Moment,
    PartState,
    PersonAsRead,
    Place,
    RadiationSummary,
)
from tests import publishing

REGISTER_FILE = "register.sqlite"
AT = dt.datetime(2026, 11, 21, 12, 0, 0, tzinfo=dt.UTC)


def wall(second: int) -> Moment:
    at = AT + dt.timedelta(seconds=second)
    return Moment(wall=at.strftime("%Y-%m-%dT%H:%M:%S.000Z"), monotonic_s=float(second), trusted=True)


class Booth:
    """A booth with its keys, enrolled at `desk`'s headquarters."""

    def __init__(self, hq: publishing.Desk, folder: Path, name: str = "ZZ-ONE") -> None:
        self.name, self.hq, self.folder = name, hq, folder / name
        self.enrolment = booth_keys.make(self.folder, name, "ZZ")
        self.keys = booth_keys.load(self.folder)
        self.public = hq.keys.hq_keys()
        self.entries: list[ChainEntry] = []
        self.welcome = self.enrol()

    def enrol(self) -> Welcome:
        register = Register.in_file(self.hq.home / REGISTER_FILE)
        _, welcome = enrol(encode(self.enrolment), register, self.hq.keys, self.hq.repository, now=publishing.now())
        register.close()
        return welcome

    def revoke(self) -> None:
        register = Register.in_file(self.hq.home / REGISTER_FILE)
        register.revoke(self.name, "2026-11-21T12:00:00Z")
        register.close()

    def place(self) -> Place:
        return Place(booth=self.name, country="ZZ", crossing_point="Northgate", lane="1")

    def alert(self, *, urgent: bool = False, surname: str = "ZORVEKARIO", tier: str = "red", **fields) -> ChainEntry:
        """The next alert of the chain."""
        body = Alert(
            id=fields.pop("id", None) or str(uuid.uuid4()),
            kind=fields.pop("kind", "notice_hit"),
            urgency="urgent" if urgent else "routine",
            at=wall(len(self.entries)),
            place=self.place(),
            verdict="STOP",
            person=fields.pop("person", PersonAsRead(source="zone", surname=surname, given="LIMTUSK")),
            notices=fields.pop(
                "notices", (MatchedNotice(entity_id="2026/7000001", tier=tier, grade="strong", score=0.97),)
            ),
            **fields,
        )
        return self.append(body)

    def health(self, part: str = "portal-1", was: str = "OK", now: str = "LOST", detail: str = "") -> ChainEntry:
        """The next entry of the chain, a change of health."""
        return self.append(
            HealthChange(
                id=str(uuid.uuid4()),
                at=wall(len(self.entries)),
                place=self.place(),
                part=part,
                was=was,
                now=now,
                detail=detail,
            )
        )

    def finding(self, *alerts: ChainEntry, text: str = "Papers and face agree.", **fields) -> ChainEntry:
        """The next entry of the chain, a finding about these alerts."""
        return self.append(
            Finding(
                id=fields.pop("id", None) or str(uuid.uuid4()),
                at=wall(len(self.entries)),
                place=self.place(),
                alerts=fields.pop("about", None) or tuple(alert.body.id for alert in alerts),
                text=text,
                **fields,
            )
        )

    def measurement(self, *alerts: ChainEntry, content: bytes = b"<invented/>", **fields) -> ChainEntry:
        """The next entry of the chain, a measurement of the passage of these alerts."""
        return self.append(
            Measurement(
                id=fields.pop("id", None) or str(uuid.uuid4()),
                at=wall(len(self.entries)),
                place=self.place(),
                alerts=fields.pop("about", None) or tuple(alert.body.id for alert in alerts),
                radiation=RadiationSummary(detector="portal-1", health="OK", occupancy="portal-1-7", duration_s=12.4),
                size=len(content),
                document=fields.pop("document", None) or zlib.compress(content),
                **fields,
            )
        )

    def append(self, body: Body) -> ChainEntry:
        previous = self.entries[-1].digest() if self.entries else "0" * 64
        entry = ChainEntry(sequence=len(self.entries) + 1, previous=previous, body=body)
        self.entries.append(entry)
        return entry

    def seal(self, entry: ChainEntry) -> Envelope:
        urgency = entry.body.urgency if isinstance(entry.body, Alert) else "routine"
        return envelope.close(entry, urgency, self.name, self.keys.signing, self.public)

    def alerts(self, number: int) -> list[Envelope]:
        """The next alerts of the chain, sealed."""
        return [self.seal(self.alert()) for _ in range(number)]

    def heartbeat(self, second: int, length: int, head: str = "a", **fields) -> Envelope:
        """A heartbeat made at `second`, of a ledger of `length` records."""
        beat = Heartbeat(
            booth=self.name,
            at=wall(second),
            version="0",
            ledger_head=head * 64,
            ledger_length=length,
            sequence=len(self.entries),
            undelivered=fields.pop("undelivered", 0),
            mirror=fields.pop("mirror", ()),
            mirror_state="FRESH",
            mirror_age_s=60.0,
            parts=(PartState(part="portal-1", state="OK"), PartState(part="passport-1", state="LOST")),
            **fields,
        )
        return envelope.close_heartbeat(beat, self.keys.signing, self.public)

    def tls(self) -> ssl.SSLContext:
        """What the link trusts and shows."""
        context = ssl.create_default_context(cadata=self.welcome.authority)
        certificate = self.folder / "link.crt"
        certificate.write_text(self.welcome.certificate)
        context.load_cert_chain(certificate, self.folder / booth_keys.LINK_KEY)
        return context

    def line(self, url: str, context: ssl.SSLContext | None = None) -> httpx.Client:
        """A line to headquarters' server."""
        return httpx.Client(base_url=url, verify=context or self.tls(), timeout=20, trust_env=False)


def open_desk(hq: publishing.Desk) -> Desk:
    """The desk of a headquarters, on real files."""
    Register.in_file(hq.home / REGISTER_FILE).close()
    return Desk(
        tables.open_file(hq.home / tables.DESK_FILE),
        hq.keys,
        tables.open_register(hq.home / REGISTER_FILE),
        clock=lambda: AT,
    )
