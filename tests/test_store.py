"""What an encrypted file promises, tried on real files: unreadable, whole, durable, and honest where it is not."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from failsafe.sync.errors import StoreBroken, StoreDamaged, WrongKey
from failsafe.sync.store import PAGE_BYTES, Migrations, Store, StoreSettings, set_aside

KEY = bytes(range(32))
SECRET_WORD = "Zzyzxbert Quillfeather"
SETTINGS = StoreSettings(purge=True, wait_ms=100)

LINES = Migrations("lines")


@LINES()
def lines(tables):
    tables["line"].create({"id": int, "text": str}, pk="id")


def open_lines(path: Path, key: bytes = KEY) -> Store:
    return Store.open(path, key, SETTINGS, LINES)


def fill(store: Store, count: int, text: str = SECRET_WORD) -> None:
    with store.transaction():
        for number in range(count):
            store.run("INSERT INTO line (text) VALUES (?)", (f"{text} {number} " + "." * 200,))


def count(store: Store) -> int:
    row = store.row("SELECT count(*) FROM line")
    assert row is not None
    return row[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def closed(path: Path) -> Path:
    """A file of about a hundred pages, closed, so that no log lies beside it."""
    store = open_lines(path)
    fill(store, 1500)
    store.close()
    assert not path.with_name("store.db-wal").exists()
    return path


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = open_lines(path)
    yield store
    store.close()


def decrypted_pages(path: Path) -> Iterator[bytes]:
    """Every page of a SQLCipher 4 file, free ones too: AES-256-CBC, the IV and an HMAC in the last 80 bytes.

    Its own reading of the format, since a query shows no free page.
    """
    raw = path.read_bytes()
    for start in range(0, len(raw), PAGE_BYTES):
        page = raw[start : start + PAGE_BYTES]
        body = page[16 if start == 0 else 0 : -80]
        decryptor = Cipher(algorithms.AES(KEY), modes.CBC(page[-80:-64])).decryptor()
        yield decryptor.update(body) + decryptor.finalize()


# --- what lies on the disk ---------------------------------------------------------------------------------------


def test_what_is_stored_is_there_again_with_its_key(closed: Path) -> None:
    store = open_lines(closed)
    assert count(store) == 1500
    assert [text.split(" .")[0] for (text,) in store.rows("SELECT text FROM line LIMIT 1")] == [f"{SECRET_WORD} 0"]
    store.close()


def test_no_byte_of_the_content_or_the_layout_is_readable_beside_an_open_store(store: Store, path: Path) -> None:
    fill(store, 200)
    files = sorted(path.parent.glob("store.db*"))
    assert [file.name for file in files] == ["store.db", "store.db-shm", "store.db-wal"]
    for file in files:
        raw = file.read_bytes()
        for word in (b"Zzyzxbert", b"Quillfeather", b"CREATE TABLE", b"SQLite format", KEY, KEY.hex().encode()):
            assert word not in raw, file.name


def test_files_belong_to_the_owner_alone_even_where_they_were_open_to_others(path: Path) -> None:
    open_lines(path).close()
    path.chmod(0o644)
    store = open_lines(path)
    fill(store, 1)
    modes_found = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("store.db*")}
    assert modes_found == {"store.db": 0o600, "store.db-shm": 0o600, "store.db-wal": 0o600}
    store.close()


def test_what_is_deleted_is_in_no_page_any_more(store: Store, path: Path) -> None:
    fill(store, 300, "Ruritanian kept")
    store.run("INSERT INTO line (text) VALUES (?)", (SECRET_WORD,))
    assert store.fold_log()
    assert any(SECRET_WORD.encode() in page for page in decrypted_pages(path))
    store.run("DELETE FROM line WHERE text = ?", (SECRET_WORD,))
    assert store.fold_log()
    pages = list(decrypted_pages(path))
    assert not any(SECRET_WORD.encode() in page for page in pages)
    assert any(b"Ruritanian kept" in page for page in pages)
    assert path.with_name("store.db-wal").stat().st_size == 0


def test_every_promise_is_set_on_the_connection(store: Store) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "temp_store": 2, "secure_delete": 1}
    assert {name: (store.row(f"PRAGMA {name}") or ("",))[0] for name in wanted} == wanted


# --- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [bytes(32), KEY[::-1], KEY[:31] + b"\xff"])
def test_a_wrong_key_is_said_and_the_file_stays_as_it_was(closed: Path, key: bytes) -> None:
    before = closed.read_bytes()
    with pytest.raises(WrongKey) as caught:
        open_lines(closed, key)
    assert "do not delete" in caught.value.advice
    assert closed.read_bytes() == before
    open_lines(closed).close()


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_makes_no_file(path: Path, length: int) -> None:
    with pytest.raises(WrongKey):
        open_lines(path, KEY[:1] * length)
    assert not path.exists()


def test_no_key_in_what_may_be_printed(closed: Path) -> None:
    store = open_lines(closed)
    texts = [repr(store), repr(vars(store))]
    store.close()
    with pytest.raises(WrongKey) as caught:
        open_lines(closed, KEY[::-1])
    error: BaseException | None = caught.value
    while error is not None:
        texts += [str(error), repr(error)]
        error = error.__cause__
    for text in texts:
        assert KEY.hex() not in text and KEY[::-1].hex() not in text and repr(KEY) not in text


# --- damage ------------------------------------------------------------------------------------------------------


def test_a_whole_file_passes_the_check(closed: Path) -> None:
    store = open_lines(closed)
    store.check()
    store.close()


@pytest.mark.parametrize("share", [0.15, 0.4, 0.7, 0.99])
def test_one_flipped_bit_on_any_page_is_found(closed: Path, share: float) -> None:
    raw = bytearray(closed.read_bytes())
    raw[int(len(raw) * share)] ^= 0x10
    closed.write_bytes(raw)
    store = open_lines(closed)
    with pytest.raises(StoreDamaged):
        store.check()
    with pytest.raises(StoreDamaged):
        list(store.rows("SELECT text FROM line"))
    store.close()


def test_a_first_page_that_is_damaged_reads_as_a_wrong_key(closed: Path) -> None:
    raw = bytearray(closed.read_bytes())
    raw[100] ^= 1
    closed.write_bytes(raw)
    with pytest.raises(WrongKey):
        open_lines(closed)


@pytest.mark.parametrize("pages", [1, 2, 40])
def test_a_file_cut_at_a_page_boundary_is_found(closed: Path, pages: int) -> None:
    os.truncate(closed, closed.stat().st_size - pages * PAGE_BYTES)
    with pytest.raises(StoreDamaged):  # opening or the check: whichever sees it first
        store = open_lines(closed)
        store.check()


def test_rows_without_their_owner_are_found(path: Path) -> None:
    owned = Migrations("owned")

    @owned()
    def tables(tables):
        tables.execute("CREATE TABLE owner (id INTEGER PRIMARY KEY)")
        tables.execute("CREATE TABLE owned (owner INTEGER REFERENCES owner)")

    store = Store.open(path, KEY, SETTINGS, owned)
    store.run("PRAGMA foreign_keys = OFF")
    store.run("INSERT INTO owned VALUES (7)")
    with pytest.raises(StoreDamaged, match="owner"):
        store.check()
    store.close()


@pytest.mark.parametrize("what", ["gone", "emptied"])
def test_a_file_that_vanished_from_beside_its_log_is_not_begun_anew(path: Path, what: str) -> None:
    store = open_lines(path)
    fill(store, 50)
    log = path.with_name("store.db-wal")
    kept = log.read_bytes()
    store.close()
    log.write_bytes(kept)
    if what == "gone":
        path.unlink()
    else:
        os.truncate(path, 0)
    with pytest.raises(StoreDamaged):
        open_lines(path)
    assert log.read_bytes() == kept


def test_setting_aside_renames_everything_and_deletes_nothing(closed: Path) -> None:
    log = closed.with_name("store.db-wal")
    seen = []
    for content in (b"first", b"second"):
        closed.write_bytes(content)
        log.write_bytes(content + b" log")
        aside = set_aside(closed)
        seen.append(aside.name)
        assert aside.read_bytes() == content
        assert aside.with_name(aside.name + "-wal").read_bytes() == content + b" log"
    assert seen == ["store.db.damaged-1", "store.db.damaged-2"]
    assert not closed.exists() and not log.exists()
    log.write_bytes(b"a log alone")
    assert set_aside(closed).name == "store.db.damaged-3"
    assert not log.exists()
    with pytest.raises(StoreBroken, match="set aside"):
        set_aside(closed)


# --- transactions, threads, connections --------------------------------------------------------------------------


def test_a_block_that_fails_leaves_nothing_and_the_connection_goes_on(store: Store) -> None:
    fill(store, 3)
    with pytest.raises(KeyError), store.transaction():
        fill(store, 5)
        raise KeyError
    assert count(store) == 3
    fill(store, 1)
    assert count(store) == 4


def test_an_inner_block_that_fails_leaves_the_outer_one(store: Store) -> None:
    with store.transaction():
        fill(store, 2)
        with pytest.raises(KeyError), store.transaction():
            fill(store, 5)
            raise KeyError
    assert count(store) == 2


def test_a_statement_alone_is_committed_at_once(store: Store, path: Path) -> None:
    store.run("INSERT INTO line (text) VALUES ('alone')")
    other = open_lines(path)
    assert count(other) == 1
    other.close()


def test_a_reader_in_another_thread_sees_one_state_while_a_writer_works(store: Store, path: Path) -> None:
    fill(store, 1000)
    began, go_on = threading.Event(), threading.Event()

    def read() -> list[int]:
        reader = open_lines(path)
        rows = reader.rows("SELECT id FROM line ORDER BY id")
        found = [next(rows)[0]]
        began.set()
        assert go_on.wait(30)
        found += [row[0] for row in rows]
        reader.close()
        return found

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        assert began.wait(30)
        store.run("DELETE FROM line WHERE id > 1")
        assert not store.fold_log()  # the reader still needs it
        go_on.set()
        assert reading.result() == list(range(1, 1001))
    assert store.fold_log()
    assert count(store) == 1


def test_a_connection_of_another_thread_is_refused_as_a_bug(store: Store) -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="misused"):
        pool.submit(count, store).result()


def test_a_writer_that_never_ends_is_said_with_advice(store: Store, path: Path) -> None:
    other = open_lines(path)
    with store.transaction():
        with pytest.raises(StoreBroken) as caught:
            fill(other, 1)
        assert "another process" in caught.value.detail
    fill(other, 1)
    assert count(store) == 1
    other.close()


def test_a_statement_that_breaks_a_rule_tells_no_value(store: Store) -> None:
    store.run("CREATE UNIQUE INDEX one ON line (text)")
    store.run("INSERT INTO line (text) VALUES (?)", (SECRET_WORD,))
    with pytest.raises(RuntimeError) as caught:
        store.run("INSERT INTO line (text) VALUES (?)", (SECRET_WORD,))
    assert "Quillfeather" not in str(caught.value) + str(caught.value.__cause__)


def test_sqlite_utils_speaks_of_the_same_exceptions_as_sqlcipher(store: Store) -> None:
    from sqlcipher3 import dbapi2
    from sqlite_utils.utils import OperationalError

    assert OperationalError is dbapi2.OperationalError
    assert [row["text"] for row in store.tables["line"].rows] == []


def test_a_migration_that_fails_leaves_the_file_at_its_old_tables(closed: Path) -> None:
    newer = Migrations("lines")
    newer()(lines)

    @newer()
    def more(tables):
        tables.execute("ALTER TABLE line ADD COLUMN seen TEXT")
        tables.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(RuntimeError):
        Store.open(closed, KEY, SETTINGS, newer)
    store = open_lines(closed)
    assert [column.name for column in store.tables["line"].columns] == ["id", "text"]
    assert count(store) == 1500
    store.close()


# --- a disk that does not do its part ----------------------------------------------------------------------------


def test_a_missing_folder_is_said_with_advice(tmp_path: Path) -> None:
    with pytest.raises(StoreBroken) as caught:
        open_lines(tmp_path / "nowhere" / "store.db")
    assert "folder" in caught.value.advice


def test_a_link_or_a_folder_in_the_files_place_is_not_followed(closed: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(closed)
    (tmp_path / "folder.db").mkdir()
    for name in ("link.db", "folder.db"):
        with pytest.raises(StoreBroken):
            open_lines(tmp_path / name)


CHILD = """
import sys
from pathlib import Path
from failsafe.sync.errors import StoreBroken
from failsafe.sync.store import Migrations, Store, StoreSettings

tables = Migrations("lines")

@tables()
def lines(tables):
    tables["line"].create({"id": int, "text": str}, pk="id")

path = Path(sys.argv[1])

def open_it():
    return Store.open(path, bytes(range(32)), StoreSettings(), tables)

def write_until_refused(store):
    written = 0
    try:
        while True:
            store.run("INSERT INTO line (text) VALUES (?)", ("Zzyzxbert " * 100,))
            written += 1
    except StoreBroken as refusal:
        return written, refusal

def report(store, written, refusal):
    store.check()
    assert store.row("SELECT count(*) FROM line") == (written,), "acknowledged rows and held rows differ"
    assert "Zzyzxbert" not in str(refusal) + str(refusal.__cause__)
    print(refusal.reason, "|", refusal.detail, "|", refusal.advice)
"""


def run_child(body: str, path: Path, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", CHILD + body, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_file_that_may_not_grow_loses_nothing_and_takes_on_when_it_may(path: Path) -> None:
    body = """
import resource
store = open_it()
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
written, refusal = write_until_refused(store)
assert written > 50
report(store, written, refusal)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for _ in range(500):
    store.run("INSERT INTO line (text) VALUES ('again')")
store.check()
store.close()
"""
    done = run_child(body, path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("store | ") and "free space" in done.stdout
    store = open_lines(path)
    assert count(store) > 550
    store.close()


IN_ITS_OWN_DISK = """
import subprocess
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path.parent)], check=True)
"""


def test_a_full_disk_is_called_full_and_every_acknowledged_row_stays(path: Path, own_mounts: list[str]) -> None:
    body = IN_ITS_OWN_DISK + "store = open_it()\nreport(store, *write_until_refused(store))\n"
    done = run_child(body, path, *own_mounts)
    assert done.returncode == 0, done.stderr
    assert "no room left" in done.stdout and "Free space" in done.stdout


def test_a_disk_gone_read_only_is_called_that(path: Path, own_mounts: list[str]) -> None:
    body = (
        IN_ITS_OWN_DISK
        + """
store = open_it()
store.run("INSERT INTO line (text) VALUES ('before')")
store.close()
subprocess.run(["mount", "-o", "remount,ro", str(path.parent)], check=True)
try:
    open_it()
except StoreBroken as refusal:
    print(refusal.reason, refusal.advice)
"""
    )
    done = run_child(body, path, *own_mounts)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("store ") and "read-only" in done.stdout


def test_a_process_killed_while_it_makes_the_file_leaves_one_that_opens(path: Path) -> None:
    body = "import os, signal\nopen_it()\nos.kill(os.getpid(), signal.SIGKILL)\n"
    assert run_child(body, path).returncode == -9
    store = open_lines(path)
    store.check()
    assert count(store) == 0
    store.close()
