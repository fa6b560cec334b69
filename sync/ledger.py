"""The ledger: everything the booth has to answer for, in an encrypted file to which rows are only ever added.

Two chains run through it. The alert chain (`ChainEntry`) runs over alerts, their measurements, the second line's
findings and changes of health alone, and headquarters checks it. The ledger's own chain runs over every record in the
order it was made (alert, measurement, finding, health, search, setting, floor); its head goes out with the heartbeats,
so that a ledger that was shortened or put back shows.
What may change later (receipts, sealed bytes, the clock's mark) lies in tables of its own, outside the chain.
A commit is on the disk when its call returns: whoever shows a verdict may rely on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple

import msgspec

from failsafe.sync.errors import Malformed, Older, StoreDamaged
from failsafe.sync.feed import Floor
from failsafe.sync.records import HqKeys, Record, encode
from failsafe.sync.reports import Alert, Body, ChainEntry, Finding, Measurement, SearchLine, Urgency
from failsafe.sync.store import Migrations, Store, StoreSettings

# A verdict waits at most half a second for its record, so a lock may not cost more than half of that.
SETTINGS: Final = StoreSettings(wait_ms=250, cache_kib=2048)
NOTHING: Final = "0" * 64  # the digest before the first
_DOMAIN: Final = b"failsafe-edge/ledger/1\0"
_ENTRY: Final = msgspec.json.Decoder(ChainEntry)
_SEARCH: Final = msgspec.json.Decoder(SearchLine)

RecordKind = Literal["alert", "measurement", "finding", "health", "search", "setting", "floor"]


class SettingNote(Record, frozen=True, kw_only=True):
    """What a lane watches for radiation with, from this moment on."""

    at: str
    lane: str
    detector: str


class FloorNote(Record, frozen=True, kw_only=True):
    """A step of a feed that this booth has accepted."""

    feed: str
    lineage: str
    serial: int
    count: int
    removed: int


_SETTING: Final = msgspec.json.Decoder(SettingNote)
_FLOOR: Final = msgspec.json.Decoder(FloorNote)


_WAITING: Final = "SELECT count(*), min(number) FROM delivery WHERE receipt IS NULL"
_WAITING_ALERTS: Final = (
    f"{_WAITING} AND NOT EXISTS (SELECT 1 FROM record INDEXED BY record_of_health"
    " WHERE record.kind = 'health' AND record.number = delivery.number)"
)


class Undelivered(NamedTuple):
    """How many entries headquarters has not yet signed for, and the wall time of the oldest (ISO 8601, UTC)."""

    entries: int
    oldest: str | None


class Waiting(NamedTuple):
    """An entry without a receipt; `sealed` tells whether it was sealed already."""

    id: str
    urgency: Urgency
    sequence: int
    sealed: bool


class Kept(NamedTuple):
    """An entry of the alert chain, and when headquarters' receipt for it was taken (wall time; None: it waits)."""

    entry: ChainEntry
    delivered_at: str | None


class ClockMark(NamedTuple):
    """What is persisted of time: UTC seconds since 1970, and seconds that were lived.

    `wall` is the newest of the wall clock and of the accepted timestamp's `signed_at`, `elapsed_s` what was lived since
    a timestamp was accepted, `boottime` the running time of the device when it was written (None: an older version's).
    `stepped_back` tells that the wall clock was seen behind itself since. `version` and `signed_at` are those of the
    accepted timestamp, which the mirror may have lost or been robbed of.
    """

    wall: float
    elapsed_s: float
    boottime: float | None = None
    stepped_back: bool = False
    version: int = 0
    signed_at: float = 0.0


MIGRATIONS: Final = Migrations("ledger")


@MIGRATIONS()
def first_tables(tables: Any) -> None:  # noqa: ANN401
    """The triggers make the record what it is said to be: a mistake in this program cannot change or drop a row."""
    for statement in (
        "CREATE TABLE record (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL,"
        " sequence INTEGER UNIQUE, body BLOB NOT NULL, head BLOB NOT NULL) STRICT",
        "CREATE UNIQUE INDEX entry_by_id ON record (subject) WHERE sequence IS NOT NULL",
        "CREATE INDEX record_by_subject ON record (kind, subject, number) WHERE kind IN ('setting', 'floor')",
        "CREATE TABLE delivery (number INTEGER PRIMARY KEY REFERENCES record, id TEXT NOT NULL UNIQUE,"
        " urgency TEXT NOT NULL, wall TEXT NOT NULL, sealed BLOB, receipt BLOB, delivered_at TEXT) STRICT",
        "CREATE INDEX delivery_waiting ON delivery (urgency, number) WHERE receipt IS NULL",
        "CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), wall REAL NOT NULL, elapsed REAL NOT NULL) STRICT",
        "CREATE TRIGGER record_stays BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'append only'); END",
        "CREATE TRIGGER record_holds BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT, 'append only'); END",
        "CREATE TRIGGER delivery_stays BEFORE DELETE ON delivery BEGIN SELECT RAISE(ABORT, 'append only'); END",
    ):
        tables.execute(statement)


@MIGRATIONS()
def keys_of_headquarters(tables: Any) -> None:  # noqa: ANN401
    """Public keys, of which only the newest count."""
    tables.execute("CREATE TABLE headquarters (id INTEGER PRIMARY KEY CHECK (id = 1), keys BLOB NOT NULL) STRICT")


@MIGRATIONS()
def what_waits_in_an_index(tables: Any) -> None:  # noqa: ANN401
    """The list of what waits is read with each alert: from the index alone, so that no row is decrypted for it."""
    for statement in (
        "ALTER TABLE delivery ADD COLUMN in_chain INTEGER",
        "UPDATE delivery SET in_chain = (SELECT sequence FROM record WHERE record.number = delivery.number)",
        "DROP INDEX delivery_waiting",
        "CREATE INDEX delivery_waiting ON delivery (urgency, number, id, in_chain, sealed IS NOT NULL, receipt)"
        " WHERE receipt IS NULL",
    ):
        tables.execute(statement)


@MIGRATIONS()
def which_are_of_health(tables: Any) -> None:  # noqa: ANN401
    """Alerts that wait are counted apart from reports of health, again without decrypting a row."""
    tables.execute("CREATE INDEX record_of_health ON record (number) WHERE kind = 'health'")


@MIGRATIONS()
def what_was_found(tables: Any) -> None:  # noqa: ANN401
    """Which findings speak of an alert: the page asks for an alert's."""
    for statement in (
        "CREATE TABLE finding (number INTEGER NOT NULL REFERENCES record, alert TEXT NOT NULL,"
        " PRIMARY KEY (number, alert)) STRICT, WITHOUT ROWID",
        "CREATE INDEX finding_by_alert ON finding (alert, number)",
        "CREATE TRIGGER finding_stays BEFORE DELETE ON finding BEGIN SELECT RAISE(ABORT, 'append only'); END",
        "CREATE TRIGGER finding_holds BEFORE UPDATE ON finding BEGIN SELECT RAISE(ABORT, 'append only'); END",
    ):
        tables.execute(statement)


@MIGRATIONS()
def what_detectors_taught(tables: Any) -> None:  # noqa: ANN401
    """One row a detector, replaced as it learns: it is no record of anything, and no chain runs over it."""
    tables.execute("CREATE TABLE detector (name TEXT PRIMARY KEY, memory BLOB NOT NULL) STRICT, WITHOUT ROWID")


@MIGRATIONS()
def with_which_keys_it_is_sealed(tables: Any) -> None:  # noqa: ANN401
    """What waits is sealed anew when headquarters' sealing key or the booth's signing key is another."""
    tables.execute("CREATE TABLE sealing (id INTEGER PRIMARY KEY CHECK (id = 1), keys TEXT NOT NULL) STRICT")


@MIGRATIONS()
def whose_word_the_clock_follows(tables: Any) -> None:  # noqa: ANN401
    """An old mirror put back must not make an old timestamp a new one."""
    for column in (
        "boottime REAL",
        "stepped_back INTEGER NOT NULL DEFAULT 0",
        "version INTEGER NOT NULL DEFAULT 0",
        "signed_at REAL NOT NULL DEFAULT 0.0",
    ):
        tables.execute(f"ALTER TABLE clock ADD COLUMN {column}")


def higher(mirror: Mapping[str, Floor], ledger: Mapping[str, Floor]) -> dict[str, Floor]:
    """The floors that hold: of each feed the higher serial; where the lineages differ, the ledger's.

    The ledger notes a step after the mirror has taken it. Where only the lineage differs, either a crash came between
    (then the ledger's floor binds nothing of the new lineage, and the held TUF files still do), or an old mirror was
    put back (then the ledger is right).
    """
    floors = {**mirror, **ledger}
    for feed in mirror.keys() & ledger.keys():
        if mirror[feed].lineage == ledger[feed].lineage and mirror[feed].serial > ledger[feed].serial:
            floors[feed] = mirror[feed]
    return floors


class Ledger:
    """One connection to the ledger; it belongs to the thread that opened it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def open(cls, path: Path, key: bytes) -> Ledger:
        """Open the ledger, or begin one where there is none; one that does not open is never replaced.

        Args:
            path: its file.
            key: 32 bytes, not the mirror's.

        Raises:
            WrongKey: the key is another file's, or the file is damaged from its first page.
            StoreDamaged: the file is damaged or gone from beside its log.
            StoreBroken: disk, folder, owner or mode forbid it.
        """
        return cls(Store.open(path, key, SETTINGS, MIGRATIONS))

    def close(self) -> None:
        """Close this connection."""
        self._store.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # --- what is recorded ------------------------------------------------------------------------------------

    def append(self, body: Body) -> ChainEntry:
        """Record what headquarters is to have as the alert chain's next entry; on the disk on return.

        The same body again gives the entry it got first, so a caller in doubt may repeat itself.

        Raises:
            ValueError: its id was recorded with another body.
            StoreBroken: the disk did not take it; nothing was recorded.
        """
        with self._store.transaction():
            held = self._entry(body.id)
            if held is not None:
                if held.body != body:
                    raise ValueError("an id of an entry was used twice, for two bodies")
                return held
            last = self._last_entry()
            entry = ChainEntry(
                sequence=last.sequence + 1 if last else 1, previous=last.digest() if last else NOTHING, body=body
            )
            number = self._record(_kind(body), body.id, encode(entry), entry.sequence)
            if isinstance(body, Finding):
                for alert in dict.fromkeys(body.alerts):
                    self._store.run("INSERT INTO finding (number, alert) VALUES (?, ?)", (number, alert))
            urgency: Urgency = body.urgency if isinstance(body, Alert) else "routine"
            self._store.run(
                "INSERT INTO delivery (number, id, urgency, wall, in_chain) VALUES (?, ?, ?, ?, ?)",
                (number, body.id, urgency, body.at.wall, entry.sequence),
            )
        return entry

    def log_search(self, line: SearchLine) -> None:
        """Record that somebody was looked for: when, where, on which word of headquarters, never who.

        Raises:
            StoreBroken: the disk did not take it.
        """
        with self._store.transaction():
            self._record("search", line.lane, encode(line))

    def note_setting(self, at: str, lane: str, detector: str) -> bool:
        """Record what a lane watches for radiation with, if that is not what was recorded last.

        Args:
            at: wall time, ISO 8601 UTC.
            lane: the lane's name.
            detector: the detector's name and driver, or a word for having none.

        Returns:
            Whether it was a change: the caller then lets headquarters know.
        """
        with self._store.transaction():
            if self.settings().get(lane) == detector:
                return False
            self._record("setting", lane, encode(SettingNote(at=at, lane=lane, detector=detector)))
        return True

    def note_floor(self, feed: str, floor: Floor) -> None:
        """Record the step of a feed that the mirror has taken; the same step again records nothing.

        Raises:
            Older: below what was recorded, in the same lineage.
        """
        with self._store.transaction():
            held = self.floors().get(feed)
            if held == floor:
                return
            if held and held.lineage == floor.lineage and floor.serial < held.serial:
                raise Older(f"Feed {feed} serial {floor.serial} comes after {held.serial} was recorded.")
            note = FloorNote(
                feed=feed, lineage=floor.lineage, serial=floor.serial, count=floor.count, removed=floor.removed
            )
            self._record("floor", feed, encode(note))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make the records of a block one commit (an alert and its search line cost one write to the disk)."""
        with self._store.transaction():
            yield

    def _record(self, kind: RecordKind, subject: str, body: bytes, sequence: int | None = None) -> int:
        """Add one record at the end of the ledger's chain; returns its number, counted from 1."""
        last = self._store.row("SELECT number, head FROM record ORDER BY number DESC LIMIT 1")
        number, before = (last[0] + 1, last[1]) if last else (1, bytes.fromhex(NOTHING))
        head = _next_head(before, number, kind, subject, body)
        self._store.run(
            "INSERT INTO record (number, kind, subject, sequence, body, head) VALUES (?, ?, ?, ?, ?, ?)",
            (number, kind, subject, sequence, body, head),
        )
        return int(number)

    # --- what is asked of it ---------------------------------------------------------------------------------

    def head(self) -> str:
        """The digest over every record so far, in hexadecimal; sixty-four zeros before the first."""
        row = self._store.row("SELECT head FROM record ORDER BY number DESC LIMIT 1")
        return row[0].hex() if row else NOTHING

    def length(self) -> int:
        """How many records there are."""
        row = self._store.row("SELECT max(number) FROM record")
        return int(row[0] or 0) if row else 0

    def sequence(self) -> int:
        """The sequence of the alert chain's last entry; 0 before the first."""
        last = self._last_entry()
        return last.sequence if last else 0

    def entries(self, after: int = 0) -> Iterator[ChainEntry]:
        """The alert chain's entries with a sequence above `after`, in order."""
        for (body,) in self._store.rows(
            "SELECT body FROM record WHERE sequence > ? ORDER BY sequence",
            (after,),
        ):
            yield _read(_ENTRY, body)

    def searches(self) -> Iterator[SearchLine]:
        """The search log, oldest first."""
        for (body,) in self._store.rows("SELECT body FROM record WHERE kind = 'search' ORDER BY number"):
            yield _read(_SEARCH, body)

    def settings(self) -> dict[str, str]:
        """What each lane was last recorded to watch for radiation with."""
        return {note.lane: note.detector for note in self._latest("setting", _SETTING)}

    def floors(self) -> dict[str, Floor]:
        """The last recorded step of each feed."""
        notes = self._latest("floor", _FLOOR)
        return {note.feed: Floor(note.lineage, note.serial, note.count, note.removed) for note in notes}

    def check(self) -> None:
        """Read every page of the file, then both chains.

        Raises:
            StoreDamaged: something is not as it was written.
        """
        self._store.check()
        self.verify()

    def verify(self, after: int = 0) -> int:
        """Walk both chains and return how many records there are.

        Args:
            after: the number of a record up to which the chains were verified before; 0 walks from the start.

        Raises:
            StoreDamaged: the chain breaks; the text names the record's number.
        """
        chain = _Walk(*self._before(after))
        for row in self._store.rows(
            "SELECT number, kind, subject, sequence, body, head, id,"
            " (SELECT count(*) FROM finding WHERE finding.number = record.number) FROM record"
            " LEFT JOIN delivery USING (number) WHERE number > ? ORDER BY number",
            (after,),
        ):
            chain.step(*row)
        return chain.number

    def _before(self, after: int) -> tuple[int, bytes, ChainEntry | None]:
        row = self._store.row("SELECT head FROM record WHERE number = ?", (after,))
        if row is None and after:
            raise StoreDamaged(f"Record {after} of the ledger is missing.")
        return after, row[0] if row else bytes.fromhex(NOTHING), self._last_entry(after)

    def _entry(self, entry_id: str) -> ChainEntry | None:
        row = self._store.row("SELECT body FROM record WHERE subject = ? AND sequence IS NOT NULL", (entry_id,))
        return None if row is None else _read(_ENTRY, row[0])

    def _last_entry(self, number: int | None = None) -> ChainEntry | None:
        """The alert chain's last entry (at or before record `number`)."""
        row = self._store.row(
            "SELECT body FROM record WHERE sequence IS NOT NULL AND number <= ifnull(?, number)"
            " ORDER BY sequence DESC LIMIT 1",
            (number,),
        )
        return None if row is None else _read(_ENTRY, row[0])

    def _latest(self, kind: RecordKind, decoder: msgspec.json.Decoder[Any]) -> list[Any]:
        rows = self._store.rows(
            "SELECT body FROM record WHERE number IN"
            # The first term is that of the partial index, word for word: only so does SQLite use it.
            f" (SELECT max(number) FROM record WHERE kind IN ('setting', 'floor') AND kind = '{kind}' GROUP BY subject)"
            " ORDER BY subject"
        )
        return [_read(decoder, body) for (body,) in rows]

    # --- on its way to headquarters --------------------------------------------------------------------------

    def undelivered(self, *, only_alerts: bool = False) -> Undelivered:
        """How many entries have no receipt, and when the oldest of them was made; reports of health too, or not."""
        row = self._store.row(_WAITING_ALERTS if only_alerts else _WAITING)
        count, oldest = row or (0, None)
        made = self._store.row("SELECT wall FROM delivery WHERE number = ?", (oldest,))
        return Undelivered(count, made[0] if made else None)

    def waiting(self) -> Iterator[Waiting]:
        """The entries without a receipt, urgent ones first, then in the order they were made."""
        # Of the two words, `urgent` is the later one in the alphabet.
        for entry_id, urgency, sequence, sealed in self._store.rows(
            "SELECT id, urgency, in_chain, sealed IS NOT NULL FROM delivery INDEXED BY delivery_waiting"
            " WHERE receipt IS NULL ORDER BY urgency DESC, number"
        ):
            yield Waiting(entry_id, urgency, sequence, bool(sealed))

    def entry(self, entry_id: str) -> ChainEntry | None:
        """The alert chain's entry of this id, or None."""
        return self._entry(entry_id)

    def kept(self, entry_id: str) -> Kept | None:
        """The alert chain's entry of this id with how far it has come, or None."""
        row = self._store.row(
            "SELECT body, delivered_at FROM record JOIN delivery USING (number)"
            " WHERE subject = ? AND sequence IS NOT NULL",
            (entry_id,),
        )
        return None if row is None else Kept(_read(_ENTRY, row[0]), row[1])

    def findings(self, alerts: Sequence[str]) -> Iterator[Kept]:
        """The findings that speak of any of these alerts, oldest first."""
        marks = ", ".join("?" * len(alerts))
        for body, delivered_at in self._store.rows(
            "SELECT body, delivered_at FROM record JOIN delivery USING (number) WHERE number IN"
            f" (SELECT number FROM finding WHERE alert IN ({marks})) ORDER BY number",
            tuple(alerts),
        ):
            yield Kept(_read(_ENTRY, body), delivered_at)

    def sealed(self, entry_id: str) -> bytes | None:
        """The bytes an entry was sealed to, or None."""
        row = self._store.row("SELECT sealed FROM delivery WHERE id = ?", (entry_id,))
        return row[0] if row else None

    def keep_sealed(self, entry_id: str, sealed: bytes) -> bytes:
        """Keep the bytes an entry was sealed to; returns the bytes that are kept, which are those kept first.

        What is wiped on its way is written again with the same bytes; only `seal_anew` gives an entry another form.

        Raises:
            Malformed: there is no such entry.
        """
        with self._store.transaction():
            self._store.run("UPDATE delivery SET sealed = ? WHERE id = ? AND sealed IS NULL", (sealed, entry_id))
            held = self.sealed(entry_id)
        if held is None:
            raise Malformed("Sealed bytes came for an entry that the ledger does not hold.")
        return held

    def sealing(self) -> str | None:
        """The keys with which what waits is sealed, as `seal_anew` was told; None if nobody has said."""
        row = self._store.row("SELECT keys FROM sealing")
        return row[0] if row else None

    def seal_anew(self, keys: str) -> None:
        """Forget in which form everything that waits was sealed, since `keys` (ids, public) count from now on."""
        with self._store.transaction():
            self._store.run("UPDATE delivery SET sealed = NULL WHERE receipt IS NULL")
            self._store.run("INSERT OR REPLACE INTO sealing (id, keys) VALUES (1, ?)", (keys,))

    def mark_delivered(self, entry_id: str, receipt: bytes, at: str) -> None:
        """Keep headquarters' verified receipt; a second one for the same entry changes nothing.

        Args:
            entry_id: of the alert or health change.
            receipt: the receipt's bytes, verified by the caller.
            at: wall time, ISO 8601 UTC.

        Raises:
            Malformed: there is no such entry.
        """
        with self._store.transaction():
            self._store.run(
                "UPDATE delivery SET receipt = ?, delivered_at = ? WHERE id = ? AND receipt IS NULL",
                (receipt, at, entry_id),
            )
            if self._store.row("SELECT 1 FROM delivery WHERE id = ?", (entry_id,)) is None:
                raise Malformed("A receipt names an entry that the ledger does not hold.")

    def keep_hq_keys(self, keys: HqKeys) -> None:
        """Keep headquarters' keys for alerts, so that a booth that starts without notices can still seal to them."""
        self._store.run("INSERT OR REPLACE INTO headquarters (id, keys) VALUES (1, ?)", (encode(keys),))

    def hq_keys(self) -> HqKeys | None:
        """Headquarters' keys as last kept, or None."""
        row = self._store.row("SELECT keys FROM headquarters")
        return msgspec.json.decode(row[0], type=HqKeys) if row else None

    # --- what detectors taught -------------------------------------------------------------------------------

    def keep_detector(self, name: str, memory: bytes) -> None:
        """Keep what a detector has taught, instead of what was kept of it."""
        self._store.run("INSERT OR REPLACE INTO detector (name, memory) VALUES (?, ?)", (name, memory))

    def detectors(self) -> dict[str, bytes]:
        """What was kept of each detector."""
        return dict(self._store.rows("SELECT name, memory FROM detector ORDER BY name"))

    # --- the clock's mark ------------------------------------------------------------------------------------

    def remember_clock(
        self,
        wall: float,
        elapsed_s: float,
        boottime: float | None = None,
        stepped_back: bool = False,
        version: int = 0,
        signed_at: float = 0.0,
    ) -> None:
        """Persist what a `ClockMark` holds, in its order and units."""
        self._store.run(
            "INSERT OR REPLACE INTO clock (id, wall, elapsed, boottime, stepped_back, version, signed_at)"
            " VALUES (1, ?, ?, ?, ?, ?, ?)",
            (wall, elapsed_s, boottime, int(stepped_back), version, signed_at),
        )

    def clock(self) -> ClockMark | None:
        """What was last remembered of the clock, or None."""
        row = self._store.row("SELECT wall, elapsed, boottime, stepped_back, version, signed_at FROM clock")
        if row is None:
            return None
        wall, elapsed_s, boottime, stepped_back, version, signed_at = row
        return ClockMark(wall, elapsed_s, boottime, bool(stepped_back), version, signed_at)


class _Walk:
    """The state of a walk along both chains."""

    def __init__(self, number: int, head: bytes, entry: ChainEntry | None) -> None:
        self.number = number
        self._head = head
        self._sequence = entry.sequence if entry else 0
        self._digest = entry.digest() if entry else NOTHING

    def step(
        self,
        number: int,
        kind: str,
        subject: str,
        sequence: int | None,
        body: bytes,
        head: bytes,
        waiting: str | None,
        found: int,
    ) -> None:
        if number != self.number + 1:
            raise StoreDamaged(f"Record {self.number + 1} of the ledger is missing.")
        if head != _next_head(self._head, number, kind, subject, body):
            raise StoreDamaged(f"Record {number} of the ledger does not follow the one before it.")
        if kind in ("alert", "measurement", "finding", "health"):
            entry = _read(_ENTRY, body, number)
            if (entry.sequence, entry.previous, entry.body.id) != (self._sequence + 1, self._digest, subject):
                raise StoreDamaged(f"Record {number} of the ledger does not follow the alert before it.")
            if (sequence, waiting) != (entry.sequence, subject):
                raise StoreDamaged(f"Record {number} of the ledger has lost its place on the way to headquarters.")
            if isinstance(entry.body, Finding) and found != len(set(entry.body.alerts)):
                raise StoreDamaged(f"Record {number} of the ledger, a finding, has lost the alerts it speaks of.")
            self._sequence, self._digest = entry.sequence, entry.digest()
        self.number, self._head = number, head


def _kind(body: Body) -> RecordKind:
    if isinstance(body, Alert):
        return "alert"
    if isinstance(body, Measurement):
        return "measurement"
    return "finding" if isinstance(body, Finding) else "health"


def _next_head(before: bytes, number: int, kind: str, subject: str, body: bytes) -> bytes:
    """SHA-256 over the head before and the record, each part behind its length."""
    parts = (before, str(number).encode(), kind.encode(), subject.encode(), body)
    return hashlib.sha256(_DOMAIN + b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()


def _read(decoder: msgspec.json.Decoder[Any], body: bytes, number: int | None = None) -> Any:  # noqa: ANN401
    try:
        return decoder.decode(body)
    except msgspec.DecodeError:  # its text may quote the record: it is not repeated, not even as the cause
        if number is None:
            raise StoreDamaged("A record of the ledger is not in a shape this version reads.") from None
        raise StoreDamaged(f"Record {number} of the ledger is not in a shape this version reads.") from None
