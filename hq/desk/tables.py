"""The desk's tables, and the database they lie in.

`entries` has every alert, finding, measurement, health change and receipt of a purge that was receipted, each with its
receipt; `findings` which of its booth's alerts a finding speaks of, `measurements` to which a measurement belongs;
`changes` which part a health change is about; `last_words` each booth's last receipt of a purge of each feed, and its
last word on each of its disk's keys; `forks` what came under a taken id with other content; `heartbeats` each booth's
last; `faults` what a booth's heartbeats gave away. The database is not the register's: an import of a million notices
holds the register's file for long, and alerts do not wait for it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from failsafe.hq.cbrne.outbox import OUTBOX
from failsafe.hq.feeds.tables import BOOTH_KEYS, BOOTHS, EPOCHS, HELD, PUBLICATIONS, SCHEMA
from failsafe.hq.keyring.keys import HeadquartersError

DESK_FILE: Final = "desk.sqlite"
# A disk that syncs slowly, or a stick's import beside the server, makes others wait so long; then the booth retries.
_BUSY_MS: Final = 20_000
_ADVISORY_LOCK: Final = 0x46534531  # a number that nobody else in this database uses
_READING: Final = "failsafe_reading"

ENTRIES: Final = Table(
    "entries",
    SCHEMA,
    Column("number", Integer, primary_key=True, autoincrement=True),  # grows with arrival
    Column("booth", String(32), nullable=False),
    Column("signer", String(16), nullable=False),  # which key of the booth: a new one starts a new chain
    Column("id", String(36), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("mark", String(10), nullable=False),  # chain.Mark
    Column("disputed", Boolean, nullable=False),
    Column("is_alert", Boolean, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Column("words", String, nullable=False),  # what the page's search looks through, casefolded
    Column("received_at", String(20), nullable=False),
    Column("receipt", LargeBinary, nullable=False),
    # An id is another booth's to choose only at that booth: nobody can take it before its owner comes.
    UniqueConstraint("booth", "id"),
    Index("entries_in_chain", "booth", "signer", "sequence"),
    Index("entries_by_mark", "mark", "booth"),
    Index("entries_as_listed", "is_alert", "urgent", "number"),
    sqlite_autoincrement=True,
)
FINDINGS: Final = Table(
    "findings",
    SCHEMA,
    Column("booth", String(32), primary_key=True),
    Column("alert", String(36), primary_key=True),  # it may come after its finding, by a stick for instance
    Column("finding", String(36), primary_key=True),
)
MEASUREMENTS: Final = Table(
    "measurements",
    SCHEMA,
    Column("booth", String(32), primary_key=True),
    Column("alert", String(36), primary_key=True),
    Column("measurement", String(36), primary_key=True),
    Column("outline", LargeBinary, nullable=False),  # the record without its document
)
CHANGES: Final = Table(
    "changes",
    SCHEMA,
    Column("booth", String(32), primary_key=True),
    Column("id", String(36), primary_key=True),
    Column("signer", String(16), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("part", String, nullable=False),
    Column("first", Boolean, nullable=False),  # told at a start, when the booth knew nothing of the part yet
    Index("changes_in_chain", "booth", "signer", "sequence"),
)
LAST_WORDS: Final = Table(
    "last_words",
    SCHEMA,
    Column("number", Integer, primary_key=True, autoincrement=True),  # a newer word has a higher one
    Column("subject", String, nullable=False),  # "purge base", "key mirror"
    Column("booth", String(32), nullable=False),
    Column("signer", String(16), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", String(20), nullable=False),
    UniqueConstraint("subject", "booth"),
    sqlite_autoincrement=True,
)
FORKS: Final = Table(
    "forks",
    SCHEMA,
    Column("booth", String(32), primary_key=True),
    Column("id", String(36), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("signer", String(16), nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Column("received_at", String(20), nullable=False),
)
HEARTBEATS: Final = Table(
    "heartbeats",
    SCHEMA,
    Column("booth", String(32), primary_key=True),
    Column("signer", String(16), nullable=False),
    Column("latest_wall", String(40), nullable=False),
    Column("ledger_length", Integer, nullable=False),
    Column("ledger_head", String(64), nullable=False),
    Column("mirror_state", String(32), nullable=False),
    Column("mirror_age_s", Float),
    Column("undelivered", Integer, nullable=False),
    Column("heartbeat", LargeBinary, nullable=False),
    Column("heard_at", String(20), nullable=False),
)
FAULTS: Final = Table(
    "faults",
    SCHEMA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("booth", String(32), nullable=False, index=True),
    Column("signer", String(16), nullable=False),
    Column("word", String(80), nullable=False),
    Column("at", String(20), nullable=False),
)
_REGISTERS: Final = (HELD, BOOTHS, BOOTH_KEYS, EPOCHS, PUBLICATIONS)


class DeskFault(HeadquartersError):
    """The desk's database cannot be used; what a booth sent stays with the booth until it can."""

    usual_advice = "Check the database, its owner and the free space; booths keep their alerts and send them again."


def open_database(address: str) -> Engine:
    """The desk's database, its tables made where they are missing.

    On SQLite a commit is on the disk when it returns (WAL, synchronous=FULL), and a transaction that writes takes the
    writer's place at once, so that what it reads first cannot be overtaken.

    Args:
        address: of SQLAlchemy, `sqlite:////var/lib/failsafe-hq/desk.sqlite` for instance.

    Raises:
        DeskFault: it cannot be opened.
    """
    try:
        # Without `hide_parameters` an error's text would quote the alert it failed on.
        engine = create_engine(address, hide_parameters=True)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _prepare)
            event.listen(engine, "begin", _begin)
        elif engine.dialect.name == "postgresql":
            event.listen(engine, "begin", _begin_alone)
        SCHEMA.create_all(engine, tables=[table for table in SCHEMA.sorted_tables if table not in _REGISTERS])
    except (SQLAlchemyError, ImportError) as error:
        raise DeskFault(f"The desk's database cannot be opened ({type(error).__name__}).") from error
    return engine


def open_file(path: Path) -> Engine:
    """The desk's database in an SQLite file, made with mode 0600 if it is not there."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise DeskFault(f"The desk's file cannot be opened ({error.strerror}).") from error
    return open_database(f"sqlite:///{path}")


def open_register(path: Path) -> Engine:
    """The register's booths, to be read while other commands write: they are met in WAL, so nobody waits."""
    engine = create_engine(f"sqlite:///{path}", hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection
    connection.isolation_level = None  # the driver would begin too late: only before the first write
    # The wait comes first: turning to WAL needs a moment in which nobody else is there.
    for pragma in (f"busy_timeout={_BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _begin_alone(connection: Connection) -> None:
    """One writer at a time on PostgreSQL too: two that see nothing of each other would leave a healed gap marked."""
    if not connection.get_execution_options().get(_READING, False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads, and waits for no writer.

    Raises:
        DeskFault: the database refuses.
    """
    try:
        with engine.connect().execution_options(**{_READING: True}) as connection, connection.begin():
            yield connection
    except SQLAlchemyError as error:
        raise DeskFault(f"The database refused ({type(error).__name__}).") from error


class Watch:
    """Tells whether a database was changed since one looked last. Not for two threads at once.

    SQLite counts its commits for us; elsewhere the newest of each table is asked for.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def seen(self) -> object:
        """Something that is another thing after each change; equal things mean that nothing changed.

        Raises:
            DeskFault: the database refuses.
        """
        try:
            if self._connection is None:  # SQLite's count is one connection's own
                self._connection = self._engine.connect().execution_options(**{_READING: True})
            with self._connection.begin():
                return self._mark(self._connection)
        except SQLAlchemyError as error:
            self.close()
            raise DeskFault(f"The database refused ({type(error).__name__}).") from error

    def close(self) -> None:
        """Let go of the connection; the next look opens another."""
        if self._connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                self._connection.close()
            self._connection = None

    def _mark(self, connection: Connection) -> object:
        if self._engine.dialect.name == "sqlite":
            return connection.exec_driver_sql("PRAGMA data_version").scalar_one()
        newest = (
            *(func.max(column) for column in (ENTRIES.c.number, FAULTS.c.number, HEARTBEATS.c.heard_at)),
            *(func.max(column) for column in (OUTBOX.c.tried_at, OUTBOX.c.sent_at, FORKS.c.received_at)),
        )
        return tuple(connection.execute(select(column)).scalar_one() for column in newest)
