"""An encrypted SQLite file, opened so that what it acknowledges is on the disk and what it holds is unreadable.

The only file that imports sqlcipher3 and sqlite_utils. The file is a SQLCipher 4 database under a raw 256-bit key, in
WAL with synchronous=FULL: an acknowledged commit outlives kill -9 and a power cut (with NORMAL all were lost when the
page cache was dropped). A missing or empty file opens as a valid empty database and passes every check, so whoever
opens one must ask for the rows that prove content.
A connection belongs to the thread that opened it; several connections, in several threads, may share one file.
Sources: https://www.zetetic.net/sqlcipher/sqlcipher-api/ , https://sqlite.org/wal.html , https://sqlite.org/rescode.html
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlcipher3
from sqlcipher3 import dbapi2

from failsafe.sync.errors import StoreBroken, StoreDamaged, WrongKey

# sqlite-utils looks for pysqlite3 when it is first imported; unless it finds SQLCipher under that name, its own
# `except` clauses name the exceptions of another library and never catch ours.
sys.modules["pysqlite3"] = sqlcipher3
sys.modules["pysqlite3.dbapi2"] = dbapi2

import sqlite_utils  # noqa: E402  (it must come after the two lines above)
from sqlite_utils.migrations import Migrations  # noqa: E402

__all__ = [
    "KEY_LENGTH",
    "Migrations",
    "Store",
    "StoreSettings",
    "encrypt_anew",
    "exchanged_at",
    "fits",
    "held_alone",
    "refusal",
    "set_aside",
    "sync_folder",
]

KEY_LENGTH: Final = 32
FILE_MODE: Final = 0o600
# The unit that is read, written and authenticated; it never changes for a file that exists. Pages of 64 KiB load
# blobs of megabytes faster, but rows here are small: with 50,000 notices they made no scan faster, a look-up five
# times slower (141 us against 26 us) and would write at least 64 KiB for each alert.
PAGE_BYTES: Final = 4096
# SQLite's two side files; they belong to the database and travel with it.
SIDE_FILES: Final = ("-wal", "-shm")

# SQLite's primary result codes (the low byte of an extended one).
_PERM, _BUSY, _LOCKED, _READONLY, _IOERR, _CORRUPT, _FULL, _CANTOPEN, _NOTADB = 3, 5, 6, 8, 10, 11, 13, 14, 26
_INTERRUPT: Final = 9
_ASK_EVERY: Final = 100_000  # steps of SQLite's machine, some milliseconds
_EXCHANGE: Final = (
    "CREATE TABLE IF NOT EXISTS exchange (id INTEGER PRIMARY KEY CHECK (id = 1), at TEXT NOT NULL) STRICT"
)
_ADVICE: Final = {
    _PERM: "Check the owner and mode of the file and its folder.",
    _BUSY: "Stop the other process that has this file open, then try again.",
    _LOCKED: "Restart the service.",
    _READONLY: "Check whether the disk was mounted read-only, then look for disk errors.",
    _IOERR: "Check the disk and its free space; replace the disk if errors go on.",
    _FULL: "Free space on the disk; nothing recorded before is lost.",
    _CANTOPEN: "Check that its folder is there and belongs to the service's user.",
}


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """How one kind of file is kept.

    Args:
        purge: overwrite what is deleted (secure_delete), so that a removed row is in no free page.
        wait_ms: how long to wait for another connection's write before giving up.
        cache_kib: memory for decrypted pages.
    """

    purge: bool = False
    wait_ms: int = 5000
    cache_kib: int = 8192


class Store:
    """One connection to one encrypted file."""

    def __init__(self, path: Path, connection: Any, wait_ms: int) -> None:  # noqa: ANN401  (it carries no types)
        self.path = path
        self._wait_ms = wait_ms
        self._connection = connection
        self.tables = sqlite_utils.Database(connection, execute_plugins=False)

    def __repr__(self) -> str:
        return f"Store({self.path.name!r})"

    @classmethod
    def open(cls, path: Path, key: bytes, settings: StoreSettings, migrations: Migrations) -> Store:
        """Open the file, make it if it is missing, and bring its tables up to date.

        Args:
            path: where the database lies; its folder must be there.
            key: 32 raw bytes; kept by SQLCipher for the connection, and by nothing here.
            settings: purging, waiting, memory.
            migrations: the tables this file is to have.

        Raises:
            WrongKey: the key does not open the file, or the file is damaged from its first page.
            StoreDamaged: the file is gone or empty, and its write-ahead log is still there.
            StoreBroken: folder, disk, owner or mode forbid it.
        """
        if len(key) != KEY_LENGTH:
            raise WrongKey(f"The key for {path.name} has {len(key)} bytes, not {KEY_LENGTH}.")
        _claim(path)
        with _told(path, opening=True):
            connection = dbapi2.connect(str(path), isolation_level=None, timeout=settings.wait_ms / 1000)
            try:
                _configure(connection, key, settings)
                store = cls(path, connection, settings.wait_ms)
                if migrations.pending(store.tables):
                    with store.transaction():
                        migrations.apply(store.tables)
            except BaseException:
                connection.close()
                raise
        return store

    def close(self) -> None:
        """Close the connection; the last one to close folds the write-ahead log into the file."""
        with self.told():
            self._connection.close()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn the database's own errors into ours, with advice.

        Raises:
            StoreDamaged: a page does not authenticate, or the structure is broken.
            StoreBroken: disk full, read-only, failing, or held by another process.
        """
        with _told(self.path):
            yield

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and on the disk when the block is left; nested blocks are savepoints of the outer one.

        The write lock is taken at once, so that what the block reads cannot change before it writes.
        """
        with self.told():
            if self._connection.in_transaction:
                with self.tables.atomic():
                    yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """What is asked in the block is answered as of one moment, whatever is written meanwhile; nothing waits."""
        with self.told():
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._roll_back()

    def _roll_back(self) -> None:
        # A full disk or an I/O error may have rolled back already; then there is nothing left to undo.
        if self._connection.in_transaction:
            with suppress(dbapi2.Error):
                self._connection.execute("ROLLBACK")

    def run(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run one statement that writes; returns how many rows it changed."""
        try:
            return int(self._connection.execute(statement, values).rowcount)
        except dbapi2.Error as error:
            raise _named(self.path, error) from error

    def run_many(self, statement: str, rows: Iterable[Sequence[object]]) -> int:
        """Run one statement that writes with each row of values; returns how many rows all of them changed.

        Several times faster than one by one.
        """
        try:
            return max(0, int(self._connection.executemany(statement, rows).rowcount))  # -1 where there was no row
        except dbapi2.Error as error:
            raise _named(self.path, error) from error

    def rows(self, question: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The answers to one question, streamed from a snapshot that later writes do not disturb."""
        with self.told():
            yield from self._connection.execute(question, values)

    def row(self, question: str, values: Sequence[object] = ()) -> tuple[Any, ...] | None:
        """The first answer, or None."""
        try:
            found: tuple[Any, ...] | None = self._connection.execute(question, values).fetchone()
        except dbapi2.Error as error:
            raise _named(self.path, error) from error
        return found

    def check(self) -> None:
        """Read every page: its authentication, then the structure they form.

        Both are needed: a file cut at a page boundary authenticates, and only the structure shows the loss.

        Raises:
            StoreDamaged: something is not as it was written.
        """
        with self.told(), self.snapshot():
            broken = self._connection.execute("PRAGMA cipher_integrity_check").fetchall()
            if broken:
                raise StoreDamaged(f"{len(broken)} or more pages of {self.path.name} do not authenticate.")
            (verdict,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise StoreDamaged(f"The structure of {self.path.name} is broken.")
            if self._connection.execute("PRAGMA foreign_key_check").fetchone():
                raise StoreDamaged(f"{self.path.name} holds rows whose owner is missing.")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read within belongs together, whatever others write; no checkpoint changes the file meanwhile."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN")
        try:
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # a read begins it
            yield
        finally:
            self._roll_back()

    def write_anew(self, put_off: Callable[[], bool] = lambda: False) -> bool:
        """Write every row into fresh pages: no gap and no free page then holds anything of rows removed before.

        It needs the file's size once more beside it, for a copy, which is encrypted as the file is, and for the log.

        Args:
            put_off: asked again and again whether it is to be given up; the file is then as it was.

        Returns:
            Whether it was done.

        Raises:
            StoreBroken: there is no room; the file is as it was.
        """
        # That copy may be as large as the file, so it is not kept in memory; spills of sorts there are none.
        self.row("PRAGMA temp_store = FILE")
        self._connection.set_progress_handler(put_off, _ASK_EVERY)
        try:
            self._connection.execute("VACUUM")
        except dbapi2.Error as error:
            if getattr(error, "sqlite_errorcode", None) == _INTERRUPT:
                return False
            raise _named(self.path, error) from error
        finally:
            self._connection.set_progress_handler(None, 0)
            self.row("PRAGMA temp_store = MEMORY")
        return True

    def copy_log(self) -> None:
        """Copy of the write-ahead log into the file what nobody need wait for; the log stays."""
        self.row("PRAGMA wal_checkpoint(PASSIVE)")

    def fold_log(self) -> bool:
        """Move the write-ahead log into the file and empty it.

        False where that must wait, for a reader or for room on the disk: what was committed stays committed in the
        log, so neither is a failure of the write before, and neither is waited for.
        """
        self.row("PRAGMA busy_timeout = 0")
        try:
            row = self.row("PRAGMA wal_checkpoint(TRUNCATE)")
        except StoreDamaged:
            raise
        except StoreBroken:
            return False
        finally:
            self.row(f"PRAGMA busy_timeout = {self._wait_ms}")
        return row is not None and row[0] == 0


def set_aside(path: Path) -> Path:
    """Rename a damaged database and its side files to the first free name; nothing is deleted.

    Every connection to it must be closed before. Returns the database's new path.

    Raises:
        StoreBroken: the folder cannot be written, or there is nothing to set aside.
    """
    parts = [side for side in (*SIDE_FILES, "") if path.with_name(path.name + side).exists()]
    if not parts:
        raise StoreBroken(f"There is no {path.name} to set aside.")
    number = 1
    while any(_beside(path, number, side).exists() for side in ("", *SIDE_FILES)):
        number += 1
    try:
        # Side files first: a crash in between leaves a database without its log, never a log that a fresh database
        # would find beside it.
        for side in parts:
            path.with_name(path.name + side).rename(_beside(path, number, side))
        sync_folder(path.parent)
    except OSError as error:
        raise StoreBroken(f"{path.name} cannot be set aside: {error.strerror}.") from error
    return _beside(path, number, "")


def _beside(path: Path, number: int, side: str) -> Path:
    return path.with_name(f"{path.name}.damaged-{number}{side}")


def _claim(path: Path) -> None:
    """Make sure of a regular file of ours with mode 0600, durable in its folder, before SQLite sees it."""
    try:
        log = path.with_name(path.name + SIDE_FILES[0])
        made = not path.exists()
        if (made or path.stat().st_size == 0) and log.exists() and log.stat().st_size:
            raise StoreDamaged(f"{path.name} is gone or empty, and its write-ahead log is still there.")
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise StoreBroken(f"{path.name} is no regular file.", "Remove what stands in its place.")
            if stat.S_IMODE(os.fstat(handle).st_mode) != FILE_MODE:
                os.fchmod(handle, FILE_MODE)
        finally:
            os.close(handle)
        if made:
            sync_folder(path.parent)
    except OSError as error:
        raise StoreBroken(f"{path.name} cannot be opened: {error.strerror}.", _ADVICE[_code(error)]) from error


def sync_folder(folder: Path) -> None:
    """Make what was named, renamed or removed in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _code(error: OSError) -> int:
    known = {errno.EROFS: _READONLY, errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EACCES: _PERM, errno.EIO: _IOERR}
    return known.get(error.errno or 0, _CANTOPEN)


def refusal(path: Path, error: OSError) -> StoreBroken:
    """What the operating system says of a file, in the words that SQLite's own troubles have."""
    return StoreBroken(_trouble(path.name, _code(error)), _ADVICE[_code(error)])


# --- another key ---------------------------------------------------------------------------------------------------


def fits(path: Path, key: bytes, *, with_log: bool = False) -> bool:
    """Whether a key opens a file that holds something.

    Args:
        path: the file; it is there and is not empty.
        key: 32 bytes.
        with_log: read through the write-ahead log too. Without it neither the file nor one beside it is touched,
            whoever has it open; a first page that a power cut has torn then fits no key.

    Raises:
        StoreBroken: disk, owner or mode forbid it.
    """
    address = f"{path.absolute().as_uri()}?{'mode=rw' if with_log else 'immutable=1'}"
    try:
        with closing(dbapi2.connect(address, uri=True, isolation_level=None, timeout=0)) as connection:
            _unlock(connection, key)
    except dbapi2.Error as error:
        found = _named(path, error, opening=True)
        if isinstance(found, WrongKey | StoreDamaged):
            return False
        raise found from error
    return True


@contextmanager
def held_alone(path: Path, key: bytes) -> Iterator[None]:
    """Nobody else has the file within, and all that was ever committed is in it: there is no log beside it.

    The locks are the process's: whoever reads the file within must not close it before the block is left.

    Raises:
        WrongKey: the key does not open it.
        StoreBroken: somebody has it open, or the log cannot be folded in.
    """
    _claim(path)
    with _told(path, opening=True), closing(dbapi2.connect(str(path), isolation_level=None, timeout=0)) as connection:
        _unlock(connection, key)
        # It leaves the log only when this connection is the last one, and folds it in before.
        if connection.execute("PRAGMA journal_mode = DELETE").fetchone() != ("delete",):
            raise StoreBroken(_trouble(path.name, _BUSY), _ADVICE[_BUSY])
        connection.execute("BEGIN EXCLUSIVE")
        yield


def exchanged_at(path: Path, key: bytes) -> str | None:
    """The moment that a file's key was exchanged at, as `encrypt_anew` wrote it there; None where it never was.

    Raises:
        WrongKey: the key does not open it.
        StoreBroken: disk, owner or mode forbid it.
    """
    if not path.exists():
        return None
    address = f"{path.absolute().as_uri()}?mode=rw"
    with _told(path, opening=True), closing(dbapi2.connect(address, uri=True, isolation_level=None)) as connection:
        _unlock(connection, key)
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'exchange'").fetchone():
            return None
        row = connection.execute("SELECT at FROM exchange").fetchone()
    return None if row is None else str(row[0])


def encrypt_anew(path: Path, key: bytes, coming: bytes, at: str) -> None:
    """Encrypt a copy, which may be lost, under another key, and prove that every page of it is.

    The moment, `at`, stands in it: so it is known of every file that took its place, whatever was cut off behind that.

    Raises:
        StoreDamaged: it is not wholly under the new key; drop it.
        StoreBroken: the disk failed.
    """
    with _told(path), closing(dbapi2.connect(str(path), isolation_level=None)) as connection:
        _unlock(connection, key)
        for name, value in (("journal_mode", "OFF"), ("synchronous", "OFF")):
            connection.execute(f"PRAGMA {name} = {value}")
        connection.execute(_EXCHANGE)
        connection.execute("INSERT OR REPLACE INTO exchange (id, at) VALUES (1, ?)", (at,))
        pages = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA rekey = \"x'{coming.hex()}'\"")
    # SQLCipher's rekey reports no failure of its own (sqlcipher issue 616), so the outcome is looked at.
    with _told(path), closing(dbapi2.connect(str(path), isolation_level=None)) as connection:
        _unlock(connection, coming)
        whole = connection.execute("PRAGMA page_count").fetchone() == pages
        if not whole or connection.execute("PRAGMA cipher_integrity_check").fetchone():
            raise StoreDamaged(f"A page of {path.name} is not as it was written.")


def _unlock(connection: Any, key: bytes) -> None:  # noqa: ANN401
    # A damaged page would otherwise flood standard error.
    connection.execute("PRAGMA cipher_log_level = NONE")
    # A raw key opens in a millisecond; a passphrase would cost 220 ms of key derivation and add nothing to 256 bits.
    connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
    connection.execute(f"PRAGMA cipher_page_size = {PAGE_BYTES}")
    # The first read: here a wrong key shows.
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _configure(connection: Any, key: bytes, settings: StoreSettings) -> None:  # noqa: ANN401
    _unlock(connection, key)
    if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise StoreBroken("A store cannot keep a write-ahead log where it lies.", "Put it on a local disk.")
    for name, value in (
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        # Spills of sorts and savepoints stay in memory: SQLCipher does not encrypt temporary files.
        ("temp_store", "MEMORY"),
        ("secure_delete", "ON" if settings.purge else "OFF"),
        ("cache_size", f"-{settings.cache_kib}"),
        # A write-ahead log that grew with a whole snapshot gives the disk back at the next checkpoint.
        ("journal_size_limit", str(8 * 1024 * 1024)),
    ):
        connection.execute(f"PRAGMA {name} = {value}")


@contextmanager
def _told(path: Path, opening: bool = False) -> Iterator[None]:
    try:
        yield
    except dbapi2.Error as error:
        raise _named(path, error, opening) from error


def _named(path: Path, error: Exception, opening: bool = False) -> StoreBroken | RuntimeError:
    """Our error for SQLite's result code, whose own text is not repeated; a misuse is a bug, so a RuntimeError."""
    extended = getattr(error, "sqlite_errorcode", None)
    if extended is None:
        return RuntimeError(f"A connection to {path.name} was misused ({type(error).__name__}).")
    code = extended & 0xFF
    if code == _NOTADB and opening:
        return WrongKey(f"{path.name} does not open with the key given.")
    if code in (_NOTADB, _CORRUPT):
        return StoreDamaged(f"A page of {path.name} is not as it was written.")
    if code in _ADVICE:
        return StoreBroken(_trouble(path.name, code), _ADVICE[code])
    return RuntimeError(f"{path.name} was asked for something it cannot do (SQLite {extended})")


def _trouble(name: str, code: int) -> str:
    """What SQLite's result code says of a file: whole sentences, so that a page finds them in its language."""
    return {
        _PERM: f"{name} may not be used by this user.",
        _BUSY: f"{name} is held by another process.",
        _LOCKED: f"{name} is held by another connection of this process.",
        _READONLY: f"{name} cannot be written.",
        _IOERR: f"{name} met a disk error.",
        _FULL: f"{name} has no room left.",
        _CANTOPEN: f"{name} cannot be opened.",
    }[code]
