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
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from failsafe.hq.ccc.view import AlertLine, ChangesView, KeyExchange, ListView, MeasurementFile
from failsafe.hq.desk import changes, duty, exchanges, measured, purges
from failsafe.hq.desk.last_words import LastWords
from failsafe.hq.desk.listing import alert_lines, list_view
from failsafe.hq.desk.rows import Batch, Opened, entry_row, held, keep_heartbeat, write
from failsafe.hq.desk.tables import DeskFault, Watch, reading
from failsafe.hq.feeds.publish import moment
from failsafe.hq.feeds.tables import Booth, booths, supplement
from failsafe.hq.keyring.keys import KeyStore
from failsafe.sync import envelope as envelopes_of
from failsafe.sync.errors import BytesRefused, Malformed
from failsafe.sync.records import BOOTH_ID, encode
from failsafe.sync.reports import ENTRY_ID, Answer, Envelope, Heartbeat, Receipt, Refusal

log = structlog.get_logger(__name__)


class HeartbeatRefused(BytesRefused):
    reason = "refused"
    usual_advice = "Ask headquarters whether this booth is enrolled."


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)  # noqa: TID251 - a list says when it was made


def signer_id(booth: Booth) -> str:
    """16 hexadecimal digits that name a booth's signing key."""
    return hashlib.sha256(booth.enrolment.signing).hexdigest()[:16]


class Desk:
    """Takes alerts and heartbeats, and lists them. Every method may be called from any thread.

    Args:
        engine: of `tables.open_database`.
        keys: headquarters' keys; the receipt and sealing secrets are read anew when they were changed.
        register: where the enrolled booths are; the desk's own database if None.
        clock: says when a list was made and an alert acknowledged; nothing else here depends on it.

    Raises:
        KeyMissing: one of the two keys is not there.
        DeskFault: the database refuses.
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
        self._keys = keys
        self._publications = purges.Publications()
        self._last_words = LastWords()
        self._secrets = keys.secrets()
        self._bell = _Bell()
        self._watch = Watch(engine)
        self._watching = threading.Lock()
        self._seen: object = None
        self._writing = threading.Lock()
        changes.fill(engine)

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

    def may_read(self, name: str, feed: str) -> bool:
        """Whether the booth called `name` is of a country that a supplement is for.

        Raises:
            DeskFault: the register cannot be read.
        """
        with reading(self._register) as connection:
            asked, booth = supplement(connection, feed), next(iter(booths(connection, name)), None)
        return asked is not None and booth is not None and asked.admits(booth.country)

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
        self._secrets = self._secrets.fresh(self._keys)
        senders = {name: self.booth(name) for name in {envelope.booth for envelope in batch}}
        opened = [
            found for envelope in batch if (found := self._open(envelope, senders[envelope.booth], refused)) is not None
        ]
        done = self._store_alone(opened, moment(now)) if opened else Batch()
        for refusal in refused:
            log.warning("envelope refused", reason=refusal.reason)
        if done.entries or done.forks:
            self._bell.ring()
        return Answer(receipts=tuple(done.receipts), refused=(*refused, *done.refused))

    def _open(self, envelope: Envelope, booth: Booth | None, refused: list[Refusal]) -> Opened | None:
        try:
            if not ENTRY_ID.fullmatch(envelope.id):
                raise Malformed("An envelope's id is not an alert's.")
            if booth is None or booth.revoked_at is not None:
                refused.append(Refusal(id=envelope.id, reason="revoked" if booth else "unknown-booth"))
                return None
            entry = envelopes_of.open_entry(envelope, self._secrets.for_(envelope.recipient), booth.enrolment.signing)
        except BytesRefused as error:
            refused.append(Refusal(id=envelope.id, reason=error.reason))
            return None
        return Opened(entry, booth.name, signer_id(booth), entry.digest())

    def _store_alone(self, opened: Sequence[Opened], received_at: str) -> Batch:
        with self._writing:
            try:
                return self._store(opened, received_at)
            except IntegrityError:  # another process stored one of them in between: now it is found there
                return self._store(opened, received_at)

    def _store(self, opened: Sequence[Opened], received_at: str) -> Batch:
        """One transaction; it has been committed when this returns."""
        batch = Batch()
        try:
            with self._engine.begin() as connection:
                known = held(connection, opened)
                for item in opened:
                    self._place(batch, known, item, received_at)
                write(connection, batch, received_at)
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise DeskFault(f"The desk's database refused ({type(error).__name__}).") from error
        return batch

    def _place(
        self, batch: Batch, known: Mapping[tuple[str, str], tuple[str, bytes]], item: Opened, received_at: str
    ) -> None:
        """Decide what one entry is: new, the same again, or a fork."""
        key = (item.booth, item.entry.body.id)
        row = batch.entries.get(key)
        found = (row["digest"], row["receipt"]) if row else known.get(key)
        if found is None:
            receipt = self._receipt(item, received_at)
            batch.entries[key] = entry_row(item, receipt)
            batch.new.append(item)
            batch.receipts.append(receipt)
        elif found[0] == item.digest:
            batch.receipts.append(self._signed(msgspec.json.decode(found[1], type=Receipt)))
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

    def _receipt(self, item: Opened, received_at: str) -> Receipt:
        receipt = Receipt(id=item.entry.body.id, booth=item.booth, digest=item.digest, received_at=received_at)
        return self._signed(receipt)

    def _signed(self, receipt: Receipt) -> Receipt:
        """The receipt signed with the key that counts now; with the same key the signature is the same."""
        return envelopes_of.sign_receipt(receipt, self._secrets.receipt)

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
        self._secrets = self._secrets.fresh(self._keys)
        heartbeat = envelopes_of.open_heartbeat(
            envelope, self._secrets.for_(envelope.recipient), booth.enrolment.signing
        )
        try:
            with self._writing, self._engine.begin() as connection:
                changed = keep_heartbeat(connection, heartbeat, signer_id(booth), moment(now))
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
        at = moment(self._clock())
        with reading(self._register) as register, reading(self._engine) as connection:
            return list_view(
                connection,
                register,
                self._publications,
                self._last_words,
                limit=limit,
                search=search,
                number=number,
                at=at,
            )

    def alerts(self, limit: int, search: str) -> Iterator[AlertLine]:
        """The list's alerts alone, in its order, however many; `limit` and `search` as for `list`.

        Raises:
            DeskFault: the database refuses.
        """
        with reading(self._engine) as connection:
            yield from alert_lines(connection, limit=limit, search=search)

    def measurement(self, number: int) -> MeasurementFile | None:
        """The document of a measurement by its number in the list; None where there is none to be read.

        Raises:
            DeskFault: the database refuses.
        """
        with reading(self._engine) as connection:
            return measured.document(connection, number)

    def changes(self, booth: str, limit: int) -> ChangesView:
        """What changed at `booth`: its newest `limit` changes, and what is not OK there now.

        Raises:
            DeskFault: the database refuses.
        """
        with reading(self._engine) as connection:
            return changes.changes_view(connection, booth, limit)

    def purges(self, feed: str, serial: int | None = None) -> Sequence[purges.PurgeLine]:
        """Which booths confirm that nothing is left of what `feed` removed up to `serial` (None: up to its newest).

        Raises:
            PurgesUnknown: the feed has no such step.
            DeskFault: the database refuses.
        """
        with reading(self._register) as register, reading(self._engine) as connection:
            return purges.lines(connection, register, feed, serial)

    def exchanges(self) -> Mapping[str, tuple[KeyExchange, ...]]:
        """The last exchange of each of its disk's keys that each booth told of; booths that take part, by name.

        Raises:
            DeskFault: the database refuses.
        """
        with reading(self._register) as register, reading(self._engine) as connection:
            told = exchanges.last(self._last_words.look(connection))
            return {booth.name: told.get(booth.name, ()) for booth in booths(register) if booth.revoked_at is None}

    def acknowledge(self, numbers: Sequence[int], officer: str) -> int:
        """Write into the duty log that `officer` has seen these urgent alerts; how many nobody had seen before.

        Raises:
            DeskFault: nothing was written.
        """
        try:
            with self._writing, self._engine.begin() as connection:
                done = duty.acknowledge(connection, numbers, officer, moment(self._clock()))
        except SQLAlchemyError as error:
            raise DeskFault(f"The desk's database refused ({type(error).__name__}).") from error
        if done:
            self._bell.ring()
        return done

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
