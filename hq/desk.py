"""Headquarters' desk: sealed alerts in, signed receipts out; what the command centre's page shows. Knows no HTTP.

A receipt is a promise that the alert cannot be lost any more, so it leaves this file only after the commit that made
the alert, its receipt and the CBRNE programme's notice durable together. Whoever sends the same alert again gets the
very same receipt. Nothing that a booth sends is dropped for being odd: gaps and forks are stored, marked and shown.

Refusal reasons: those of `sync.errors` (`not-for-this-booth`, `unsigned`, `malformed`), and `unknown-booth`, `revoked`
and `fork`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import Connection, Engine, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from failsafe.hq import chain, outbox
from failsafe.hq.ccc.view import ListView
from failsafe.hq.chain import Link, Pulse
from failsafe.hq.desk_list import list_view, search_words
from failsafe.hq.desk_tables import ENTRIES, FAULTS, FORKS, HEARTBEATS, DeskFault, Watch, reading
from failsafe.hq.keys import KeyStore
from failsafe.hq.publish import moment
from failsafe.hq.tables import Booth, booths
from failsafe.sync import envelope as envelopes_of
from failsafe.sync.errors import BytesRefused, Malformed
from failsafe.sync.records import (
    BOOTH_ID,
    ENTRY_ID,
    Alert,
    Answer,
    ChainEntry,
    Envelope,
    Heartbeat,
    Receipt,
    Refusal,
    encode,
)

log = structlog.get_logger(__name__)
_FAULT_WORDS: Final = {
    "rewound": "rewound ledger",  # a disk was put back to an earlier day, or records were cut off
    "rewritten": "rewritten ledger",  # as long as before, with another content
}


class HeartbeatRefused(BytesRefused):
    reason = "refused"
    usual_advice = "Ask headquarters whether this booth is enrolled."


@dataclass(frozen=True, slots=True)
class _Opened:
    """An envelope whose content is believed."""

    entry: ChainEntry
    booth: str
    signer: str
    digest: str


@dataclass(slots=True)
class _Batch:
    """What one transaction will write."""

    entries: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)  # rows by booth and id
    new: list[_Opened] = field(default_factory=list)  # the same, as they came
    forks: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)  # noqa: TID251 - a list says when it was made


def signer_id(booth: Booth) -> str:
    """16 hexadecimal digits that name a booth's signing key."""
    return hashlib.sha256(booth.enrolment.signing).hexdigest()[:16]


class Desk:
    """Takes alerts and heartbeats, and lists them. Every method may be called from any thread.

    Args:
        engine: of `desk_tables.open_database`.
        keys: headquarters' keys; the receipt and sealing secrets are read once.
        register: where the enrolled booths are; the desk's own database if None.
        clock: says when a list was made; nothing else here depends on it.

    Raises:
        KeyMissing: one of the two keys is not there.
    """

    def __init__(
        self,
        engine: Engine,
        keys: KeyStore,
        register: Engine | None = None,
        *,
        clock: Callable[[], dt.datetime] = _utc_now,
    ) -> None:
        self._engine = engine
        self._register = register or engine
        self._clock = clock
        self._seal = keys.seal_secret()
        self._receipt_secret = keys.receipt_secret()
        self._bell = _Bell()
        self._watch = Watch(engine)
        self._watching = threading.Lock()
        self._seen: object = None
        self._writing = threading.Lock()

    # --- booths ----------------------------------------------------------------------------------------------

    def booth(self, name: str) -> Booth | None:
        """The enrolled booth called `name`, revoked or not; None if there is none.

        Raises:
            DeskFault: the register cannot be read.
        """
        if not BOOTH_ID.fullmatch(name):
            return None
        with reading(self._register) as connection:
            return next(iter(booths(connection, name)), None)

    # --- alerts ----------------------------------------------------------------------------------------------

    def take(self, batch: Sequence[Envelope], now: dt.datetime) -> Answer:
        """Store what is good of a batch and answer for each envelope, receipts and refusals each in its order.

        Args:
            batch: as the booth or its courier sent it; one bad envelope harms no other.
            now: UTC.

        Raises:
            DeskFault: nothing was stored; the same batch may be sent again.
        """
        refused: list[Refusal] = []
        senders = {name: self.booth(name) for name in {envelope.booth for envelope in batch}}
        opened = [
            found for envelope in batch if (found := self._open(envelope, senders[envelope.booth], refused)) is not None
        ]
        done = self._store_alone(opened, moment(now)) if opened else _Batch()
        for refusal in refused:
            log.warning("envelope refused", reason=refusal.reason)
        if done.entries or done.forks:
            self._bell.ring()
        return Answer(receipts=tuple(done.receipts), refused=(*refused, *done.refused))

    def _open(self, envelope: Envelope, booth: Booth | None, refused: list[Refusal]) -> _Opened | None:
        try:
            if not ENTRY_ID.fullmatch(envelope.id):
                raise Malformed("An envelope's id is not an alert's.")
            if booth is None or booth.revoked_at is not None:
                refused.append(Refusal(id=envelope.id, reason="revoked" if booth else "unknown-booth"))
                return None
            entry = envelopes_of.open_entry(envelope, self._seal, booth.enrolment.signing)
        except BytesRefused as error:
            refused.append(Refusal(id=envelope.id, reason=error.reason))
            return None
        return _Opened(entry, booth.name, signer_id(booth), entry.digest())

    def _store_alone(self, opened: Sequence[_Opened], received_at: str) -> _Batch:
        with self._writing:
            try:
                return self._store(opened, received_at)
            except IntegrityError:  # another process stored one of them in between: now it is found there
                return self._store(opened, received_at)

    def _store(self, opened: Sequence[_Opened], received_at: str) -> _Batch:
        """One transaction; it has been committed when this returns."""
        batch = _Batch()
        try:
            with self._engine.begin() as connection:
                known = _held(connection, opened)
                for item in opened:
                    self._place(batch, known, item, received_at)
                _write(connection, batch, received_at)
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise DeskFault(f"The desk's database refused ({type(error).__name__}).") from error
        return batch

    def _place(
        self, batch: _Batch, known: Mapping[tuple[str, str], tuple[str, bytes]], item: _Opened, received_at: str
    ) -> None:
        """Decide what one entry is: new, the same again, or a fork."""
        key = (item.booth, item.entry.body.id)
        row = batch.entries.get(key)
        held = (row["digest"], row["receipt"]) if row else known.get(key)
        if held is None:
            receipt = self._receipt(item, received_at)
            batch.entries[key] = _row(item, receipt)
            batch.new.append(item)
            batch.receipts.append(receipt)
        elif held[0] == item.digest:
            batch.receipts.append(msgspec.json.decode(held[1], type=Receipt))
        else:
            batch.forks[(*key, item.digest)] = {
                "booth": item.booth,
                "id": item.entry.body.id,
                "digest": item.digest,
                "signer": item.signer,
                "entry": encode(item.entry),
                "received_at": received_at,
            }
            batch.refused.append(Refusal(id=item.entry.body.id, reason="fork"))

    def _receipt(self, item: _Opened, received_at: str) -> Receipt:
        receipt = Receipt(id=item.entry.body.id, booth=item.booth, digest=item.digest, received_at=received_at)
        return envelopes_of.sign_receipt(receipt, self._receipt_secret)

    # --- heartbeats ------------------------------------------------------------------------------------------

    def hear(self, envelope: Envelope, now: dt.datetime) -> Heartbeat:
        """Keep a booth's heartbeat; a ledger that is shorter or other than it was is raised as a fault.

        Raises:
            BytesRefused: it is not believed.
            DeskFault: it could not be stored.
        """
        booth = self.booth(envelope.booth)
        if booth is None or booth.revoked_at is not None:
            raise HeartbeatRefused("A heartbeat comes from a booth that does not take part.")
        heartbeat = envelopes_of.open_heartbeat(envelope, self._seal, booth.enrolment.signing)
        try:
            with self._writing, self._engine.begin() as connection:
                changed = _keep_heartbeat(connection, heartbeat, signer_id(booth), moment(now))
        except SQLAlchemyError as error:
            raise DeskFault(f"The desk's database refused ({type(error).__name__}).") from error
        if changed:
            self._bell.ring()
        return heartbeat

    # --- for the page ----------------------------------------------------------------------------------------

    def list(self, limit: int, search: str) -> ListView:
        """The command centre's list: urgent first, then newest first.

        Args:
            limit: most lines.
            search: words that must all stand in an alert (anywhere, whatever their case); empty: every alert.

        Raises:
            DeskFault: the database refuses.
        """
        number = self._bell.number  # before reading: a change during it rings again
        with reading(self._register) as connection:
            enrolled = [booth for booth in booths(connection) if booth.revoked_at is None]
        with reading(self._engine) as connection:
            return list_view(connection, enrolled, limit=limit, search=search, number=number, at=moment(self._clock()))

    @property
    def number(self) -> int:
        """Of the newest state; grows with each change while this desk lives, and starts anywhere."""
        return self._bell.number

    async def changed(self, after: int) -> None:
        """Return when the list's number is another than `after`."""
        await self._bell.rung(after)

    def ring(self) -> None:
        """Say that what the list shows has changed: the notifier does."""
        self._bell.ring()

    def look(self) -> bool:
        """Ring if anybody has changed what is stored since the last look, this process or another; whether so.

        An import from a stick stores alerts in a process of its own, and the notifier keeps its tries here.
        """
        with self._watching:
            found = self._watch.seen()
            changed, self._seen = found != self._seen, found
        if changed:
            self._bell.ring()
        return changed

    def close(self) -> None:
        """Let go of what the desk holds open; the engines are their makers'."""
        with self._watching:
            self._watch.close()


class _Bell:
    """A number that grows, and the loops that wait for it to."""

    def __init__(self) -> None:
        self.number = secrets.randbelow(2**40)  # a page that outlives the server must not take an old state for new
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def ring(self) -> None:
        with self._lock:
            self.number += 1
            waiting, self._waiting = self._waiting, set()
            for loop, event in waiting:
                with contextlib.suppress(RuntimeError):  # that loop has closed: nobody is left to be woken
                    loop.call_soon_threadsafe(event.set)

    async def rung(self, after: int) -> None:
        waiter = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            if self.number != after:
                return
            self._waiting.add(waiter)
        try:
            await waiter[1].wait()
        finally:
            with self._lock:
                self._waiting.discard(waiter)


# --- rows --------------------------------------------------------------------------------------------------------


def _row(item: _Opened, receipt: Receipt) -> dict[str, Any]:
    entry, body = item.entry, item.entry.body
    return {
        "booth": item.booth,
        "signer": item.signer,
        "id": body.id,
        "sequence": entry.sequence,
        "previous": entry.previous,
        "digest": item.digest,
        "mark": "whole",  # until `_mark` has looked around it
        "disputed": False,
        "is_alert": isinstance(body, Alert),
        "urgent": isinstance(body, Alert) and body.urgency == "urgent",
        "entry": encode(entry),
        "words": search_words(body) if isinstance(body, Alert) else "",
        "received_at": receipt.received_at,
        "receipt": encode(receipt),
    }


def _held(connection: Connection, opened: Iterable[_Opened]) -> dict[tuple[str, str], tuple[str, bytes]]:
    """Digest and receipt of those entries that are stored already, by booth and id."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for item in opened:
        ids[item.booth].append(item.entry.body.id)
    table = ENTRIES.c
    return {
        (booth, row.id): (row.digest, row.receipt)
        for booth, wanted in ids.items()
        for row in connection.execute(
            select(table.id, table.digest, table.receipt).where(table.booth == booth, table.id.in_(wanted))
        )
    }


def _write(connection: Connection, batch: _Batch, received_at: str) -> None:
    if batch.entries:
        connection.execute(insert(ENTRIES), list(batch.entries.values()))
    _keep_aside(connection, batch.forks)
    for item in batch.new:
        outbox.enqueue(connection, item.entry, received_at)
    _mark(connection, batch)


def _keep_aside(connection: Connection, forks: Mapping[tuple[str, str, str], dict[str, Any]]) -> None:
    for (booth, entry_id, digest), row in forks.items():
        same = (FORKS.c.booth == booth, FORKS.c.id == entry_id)
        if connection.execute(select(FORKS.c.id).where(*same, FORKS.c.digest == digest)).first() is None:
            connection.execute(insert(FORKS), row)
            disputed = (ENTRIES.c.booth == booth, ENTRIES.c.id == entry_id)
            connection.execute(update(ENTRIES).where(*disputed).values(disputed=True, mark="fork"))
            log.warning("fork: an alert's id came with another content", booth=booth)


def _mark(connection: Connection, batch: _Batch) -> None:
    """Mark the new entries, and those held ones that they heal or contradict."""
    came: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for row in batch.entries.values():
        came[row["booth"], row["signer"]].add(row["sequence"])
    table = ENTRIES.c
    for (booth, signer), sequences in came.items():
        in_chain = (table.booth == booth, table.signer == signer, table.sequence.in_(chain.around(sequences)))
        columns = (table.id, table.sequence, table.previous, table.digest, table.disputed, table.mark)
        rows = connection.execute(select(*columns).where(*in_chain)).all()
        links = [Link(row.id, row.sequence, row.previous, row.digest, row.disputed) for row in rows]
        found = chain.marks(links, chain.touched(sequences))
        changed = [{"i": row.id, "m": found[row.id]} for row in rows if found.get(row.id, row.mark) != row.mark]
        if any(one["m"] == "fork" for one in changed):
            log.warning("fork: the links of an alert chain contradict each other", booth=booth)
        if changed:
            named = (table.booth == booth, table.id == bindparam("i"))
            connection.execute(update(ENTRIES).where(*named).values(mark=bindparam("m")), changed)


def _keep_heartbeat(connection: Connection, heartbeat: Heartbeat, signer: str, heard_at: str) -> bool:
    """Store a heartbeat, and the fault it shows; False if it is an old one that came late."""
    named = HEARTBEATS.c.booth == heartbeat.booth
    last = connection.execute(select(HEARTBEATS).where(named)).first()
    before = Pulse(last.latest_wall, last.ledger_length, last.ledger_head) if last and last.signer == signer else None
    pulse = Pulse(heartbeat.at.wall, heartbeat.ledger_length, heartbeat.ledger_head)
    went = chain.progress(before, pulse)
    if went == "late":
        return False
    row = {
        "booth": heartbeat.booth,
        "signer": signer,
        "latest_wall": max(pulse.wall, before.wall) if before else pulse.wall,
        "ledger_length": pulse.length,
        "ledger_head": pulse.head,
        "mirror_state": heartbeat.mirror_state,
        "mirror_age_s": heartbeat.mirror_age_s,
        "undelivered": heartbeat.undelivered,
        "heartbeat": encode(heartbeat),
        "heard_at": heard_at,
    }
    connection.execute(update(HEARTBEATS).where(named).values(row) if last else insert(HEARTBEATS).values(row))
    if word := _FAULT_WORDS.get(went):
        fault = {"booth": heartbeat.booth, "signer": signer, "word": word, "at": heard_at}
        connection.execute(insert(FAULTS), fault)
        log.error("a booth's ledger is not what it was", booth=heartbeat.booth, fault=word)
    return True
