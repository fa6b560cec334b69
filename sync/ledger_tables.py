"""The ledger's tables, and what stands in their rows beside the records of sync/reports.py."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from failsafe.sync.records import Record
from failsafe.sync.reports import ChainEntry, Urgency
from failsafe.sync.store import Migrations


class SettingNote(Record, frozen=True, kw_only=True):
    """What a lane watches for radiation with, from this moment on; of `key NAME`, when that key was exchanged."""

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
    accepted timestamp, which the mirror may have lost or been robbed of; `root` and `keys` say by whom that one is
    signed: the version of the root, and a digest of the keys that it names.
    """

    wall: float
    elapsed_s: float
    boottime: float | None = None
    stepped_back: bool = False
    version: int = 0
    signed_at: float = 0.0
    root: int = 0
    keys: str = ""


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


@MIGRATIONS()
def what_was_purged(tables: Any) -> None:  # noqa: ANN401
    """The last receipt of each feed's purges; like reports of health they are no alerts that wait."""
    for statement in (
        "CREATE TABLE purged (feed TEXT PRIMARY KEY, number INTEGER NOT NULL REFERENCES record) STRICT, WITHOUT ROWID",
        "CREATE INDEX record_of_purge ON record (number) WHERE kind = 'purge'",
    ):
        tables.execute(statement)


@MIGRATIONS()
def whose_key_the_clock_follows(tables: Any) -> None:  # noqa: ANN401
    """Where headquarters has taken the timestamp's key from a thief, what he signed with it is no floor any more."""
    for column in ("root INTEGER NOT NULL DEFAULT 0", "keys TEXT NOT NULL DEFAULT ''"):
        tables.execute(f"ALTER TABLE clock ADD COLUMN {column}")
