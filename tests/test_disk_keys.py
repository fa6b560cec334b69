"""The keys of mirror and ledger are exchanged: killed, on a full disk, and beside somebody who has the files open.

Whatever ends an exchange, the booth opens both files afterwards with what lies there, holds what it held, and the old
key opens nothing any more once the new one is in force. FAILSAFE_KILLS=200 is the night's size.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from failsafe.agent import disk_keys, keys
from failsafe.agent.keys import BoothKeys, KeysRefused
from failsafe.sync import exchange
from failsafe.sync.errors import StoreBroken, WrongKey
from failsafe.sync.feed import Change
from failsafe.sync.ledger import Ledger
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import NameRow, Notice, PutNotice
from failsafe.sync.reports import HealthChange, Moment, Place
from failsafe.sync.store import PAGE_BYTES, fits
from tests.far_hq import notice

KILLS = int(os.environ.get("FAILSAFE_KILLS", "25"))
SEED = 20261122
NOTICES = 1500
ENTRIES = 200
AT = "2026-11-22T00:00:00.000Z"
SECRET = "Quillfeather"  # stands in every record, so that it stands in pages of both files
PROCESSES = multiprocessing.get_context("fork")
PROJECT = Path(__file__).resolve().parent.parent


def derive(one: Notice) -> list[NameRow]:
    return [NameRow(one.entity_id, one.names[0].surname, "main")]


def change(number: int) -> HealthChange:
    at = Moment(wall="2026-11-22T00:00:00.000Z", monotonic_s=1.0, trusted=True)
    place = Place(booth="ZZ-TEST-01", country="ZZ", crossing_point=f"{SECRET} Gate")
    return HealthChange(id=f"0190-{number}", at=at, place=place, part="feed", was="", now="OK")


@dataclass(frozen=True, slots=True)
class Stock:
    """A booth's keys and databases in a folder."""

    place: Path
    state: Path

    @classmethod
    def made(cls, folder: Path, *, notices: int = NOTICES) -> Stock:
        place, state = folder / "keys", folder / "state"
        state.mkdir(parents=True)
        keys.make(place, "ZZ-TEST-01", "ZZ")
        made = cls(place, state)
        held = made.held()
        puts = [PutNotice(notice=notice(number)) for number in range(notices)]
        trusted = {"timestamp.json": SECRET.encode()}
        with Mirror.open(state / "mirror.db", held.mirror) as mirror:
            mirror.apply(Change("base", "first", 1, None, 1, notices, 0, 1000.0, puts, trusted), derive)
        with Ledger.open(state / "ledger.db", held.ledger) as ledger, ledger.together():
            for number in range(ENTRIES):
                ledger.append(change(number))
        return made

    def held(self) -> BoothKeys:
        return keys.load(self.place)

    def settled(self) -> BoothKeys:
        """As the core's start has it."""
        return disk_keys.settle(self.held(), self.place, self.state)

    def contents(self, held: BoothKeys) -> tuple[object, ...]:
        """Every row that a booth asks for, and both files checked."""
        with Mirror.open(self.state / "mirror.db", held.mirror) as mirror:
            mirror.check()
            names = sorted(line.entity_id for line in mirror.names())
            notices = [mirror.notice(entity_id) for entity_id in names]
            seen = (mirror.floors(), mirror.held_metadata(), mirror.signed_at(), names, notices)
        with Ledger.open(self.state / "ledger.db", held.ledger) as ledger:
            ledger.check()
            ledger.verify()
            return (*seen, list(ledger.entries()))

    def beside(self) -> set[str]:
        return {file.name for file in self.state.iterdir()}


@pytest.fixture
def stock(tmp_path: Path) -> Stock:
    return Stock.made(tmp_path)


def readable(folder: Path, key: bytes) -> list[str]:
    """The files with a page that a key decrypts to what was written: its own reading of the format, log and all."""
    found = []
    for file in folder.iterdir():
        raw = file.read_bytes()
        # A log has a head of 32 bytes, and 24 before each page.
        step, first = (PAGE_BYTES + 24, 56) if file.name.endswith("-wal") else (PAGE_BYTES, 0)
        for start in range(first, len(raw) - PAGE_BYTES + 1, step):
            page = raw[start : start + PAGE_BYTES]
            for head in (0, 16):  # the first page of a file begins with the salt
                decryptor = Cipher(algorithms.AES(key), modes.CBC(page[-80:-64])).decryptor()
                if SECRET.encode() in decryptor.update(page[head:-80]) + decryptor.finalize():
                    found.append(file.name)
    return sorted(set(found))


# --- an exchange -----------------------------------------------------------------------------------------------------


def test_the_next_start_puts_both_keys_to_use(stock: Stock) -> None:
    before, contents = stock.held(), stock.contents(stock.held())
    keys.renew_disk_keys(stock.place)
    coming = stock.held()
    assert coming.next_mirror and coming.next_ledger
    settled = stock.settled()
    assert (settled.mirror, settled.ledger) == (coming.next_mirror, coming.next_ledger)
    assert stock.held() == settled, "the new keys lie in the old ones' place"
    assert (settled.signing, settled.sealing) == (before.signing, before.sealing)
    assert stock.contents(settled) == contents
    assert stock.beside() == {"mirror.db", "ledger.db"}
    for opens, path in ((Mirror, "mirror.db"), (Ledger, "ledger.db")):
        for old in (before.mirror, before.ledger):
            with pytest.raises(WrongKey):
                opens.open(stock.state / path, old)
    assert stock.settled() == settled, "a start without next keys changes nothing"


def test_one_key_may_go_alone(stock: Stock) -> None:
    before = stock.held()
    keys.renew_disk_keys(stock.place, ["ledger.key"])
    settled = stock.settled()
    assert settled.mirror == before.mirror and settled.ledger != before.ledger
    stock.contents(settled)


def test_no_page_of_the_old_key_is_left(stock: Stock) -> None:
    before = stock.held()
    shutil.copy(stock.state / "mirror.db", stock.state / "mirror.db.damaged-1")
    # As a killed core leaves it: what was committed last stands in the log alone.
    process = PROCESSES.Process(target=_leave_a_log, args=(stock.state / "ledger.db", before.ledger))
    process.start()
    process.join()
    assert "ledger.db-wal" in readable(stock.state, before.ledger)
    assert {"mirror.db", "mirror.db.damaged-1"} <= set(readable(stock.state, before.mirror))
    keys.renew_disk_keys(stock.place)
    settled = stock.settled()
    assert readable(stock.state, before.mirror) == readable(stock.state, before.ledger) == []
    assert readable(stock.state, settled.mirror) == ["mirror.db"] and stock.beside() == {"mirror.db", "ledger.db"}
    with Ledger.open(stock.state / "ledger.db", settled.ledger) as ledger:
        assert ledger.length() == ENTRIES + 1
    for file in stock.place.iterdir():
        assert before.mirror not in file.read_bytes() and before.ledger not in file.read_bytes()


def _leave_a_log(path: Path, key: bytes) -> None:
    ledger = Ledger.open(path, key)
    ledger.append(change(ENTRIES))
    os.kill(os.getpid(), 9)


def test_a_booth_without_files_begins_with_the_next_keys(tmp_path: Path) -> None:
    keys.make(tmp_path / "keys", "ZZ-TEST-01", "ZZ")
    keys.renew_disk_keys(tmp_path / "keys")
    (tmp_path / "state").mkdir()
    stock = Stock(tmp_path / "keys", tmp_path / "state")
    assert stock.settled().mirror != b"" and not stock.held().next_mirror


def test_what_another_process_has_open_is_not_exchanged(stock: Stock) -> None:
    contents = stock.contents(stock.held())
    keys.renew_disk_keys(stock.place)
    begun, ended = PROCESSES.Event(), PROCESSES.Event()
    process = PROCESSES.Process(target=_hold, args=(stock.state / "mirror.db", stock.held().mirror, begun, ended))
    process.start()
    assert begun.wait(30)
    settled = stock.settled()
    assert settled.mirror == stock.held().mirror, "the running one would have written into what is thrown away"
    assert stock.held().next_mirror and not stock.held().next_ledger
    ended.set()
    process.join()
    assert process.exitcode == 0
    assert stock.contents(settled) == contents
    assert stock.settled().mirror != settled.mirror, "the next start does it"


def _hold(path: Path, key: bytes, begun: Any, ended: Any) -> None:
    with Mirror.open(path, key) as mirror:
        assert mirror.floors()
        begun.set()
        assert ended.wait(60)
        mirror.check()


def test_a_damaged_file_is_left_as_it_is(stock: Stock) -> None:
    path = stock.state / "ledger.db"
    with path.open("r+b") as file:
        file.seek(5 * PAGE_BYTES + 100)
        file.write(b"?" * 16)
    before = path.read_bytes()
    held = stock.held()
    with pytest.raises(StoreBroken):
        exchange.exchange(path, held.ledger, bytes(32), AT)
    assert path.read_bytes()[PAGE_BYTES:] == before[PAGE_BYTES:]  # the first page says that there is no log now
    assert fits(path, held.ledger)
    assert exchange.in_force(path, (held.ledger, bytes(32))) == held.ledger and stock.beside() == {
        "mirror.db",
        "ledger.db",
    }


def test_a_torn_first_page_is_read_through_the_log(stock: Stock) -> None:
    """A power cut while the log was folded in: which key it is stands in the log, and a wrong one harms nothing."""
    path, held = stock.state / "ledger.db", stock.held()
    process = PROCESSES.Process(target=_leave_a_log, args=(path, held.ledger))
    process.start()
    process.join()
    with Ledger.open(path, held.ledger) as ledger:  # the first page goes into the log
        ledger.append(change(ENTRIES + 1))
        log = (path.with_name("ledger.db-wal")).read_bytes()
    raw = path.read_bytes()
    path.write_bytes(raw[:512] + os.urandom(512) + raw[1024:])
    path.with_name("ledger.db-wal").write_bytes(log)
    wrong = bytes(32)
    assert not fits(path, held.ledger)
    assert exchange.in_force(path, (wrong, held.ledger)) == held.ledger
    with Ledger.open(path, held.ledger) as ledger:
        ledger.check()
        assert ledger.length() == ENTRIES + 2


# --- killed ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def killed(stock: Stock) -> Iterator[Any]:
    running: list[Any] = []

    def start() -> Any:
        running.append(PROCESSES.Process(target=stock.settled))
        running[-1].start()
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.join()


def test_a_kill_at_any_moment_leaves_a_booth_that_opens(stock: Stock, killed: Any) -> None:
    """Each round but the last is killed somewhere: in the copy, the encryption or the renames."""
    chance = random.Random(SEED)
    contents, began = stock.contents(stock.held()), stock.held()
    keys.renew_disk_keys(stock.place)
    clock = time.monotonic()
    assert stock.settled() != began
    longest_s = time.monotonic() - clock
    left: set[str] = set()
    cut = 0
    for _ in range(KILLS):
        old = stock.held()
        if not old.next_mirror and not old.next_ledger:
            keys.renew_disk_keys(stock.place)
        process = killed()
        process.join(chance.uniform(0, longest_s))
        cut += process.is_alive()
        longest_s *= 1.15 if process.is_alive() else 0.75  # the machine may be busier than it was, or less
        process.kill()
        process.join()
        left |= stock.beside()
        held = stock.held()
        opened = disk_keys.in_force(held, stock.state)
        assert stock.contents(opened) == contents
        for name, gone in (("mirror.db", old.mirror), ("ledger.db", old.ledger)):
            now = opened.mirror if name == "mirror.db" else opened.ledger
            assert fits(stock.state / name, now) and fits(stock.state / name, gone) == (now == gone)
    assert cut > KILLS // 4 and any(name.endswith(".coming") for name in left), (cut, left)
    last = stock.settled()
    assert stock.contents(last) == contents and stock.beside() == {"mirror.db", "ledger.db"}
    assert not stock.held().next_mirror and not stock.held().next_ledger
    assert readable(stock.state, began.mirror) == readable(stock.state, began.ledger) == []


@pytest.mark.parametrize("step", ["link", "rename", "tidy"])
def test_every_step_of_putting_it_in_place_may_be_the_last(stock: Stock, step: str) -> None:
    """The moments between two names, which a random kill seldom meets."""
    contents, old = stock.contents(stock.held()), stock.held()
    keys.renew_disk_keys(stock.place)
    coming = stock.held()
    process = PROCESSES.Process(target=_stop_at, args=(stock, step))
    process.start()
    process.join()
    assert process.exitcode == -9
    assert (stock.state / "mirror.db.going").exists() == (step != "link")
    settled = stock.settled()
    assert settled.mirror == coming.next_mirror and stock.contents(settled) == contents
    assert readable(stock.state, old.mirror) == [] and stock.beside() == {"mirror.db", "ledger.db"}


def _stop_at(stock: Stock, step: str) -> None:
    """Killed before the step is taken."""

    def stop(*_: object) -> None:
        os.kill(os.getpid(), 9)

    if step == "link":
        os.link = stop
    elif step == "rename":
        Path.rename = stop  # type: ignore[assignment, method-assign]  # a child of its own, killed at once
    else:
        exchange._overwrite = stop
    stock.settled()


# --- no room ---------------------------------------------------------------------------------------------------------


def test_a_full_disk_keeps_the_old_key_until_there_is_room(own_mounts: list[str], tmp_path: Path) -> None:
    Stock.made(tmp_path / "made")
    body = """
import os, shutil, subprocess, sys
from pathlib import Path
from failsafe.agent import keys
from tests.test_disk_keys import Stock, readable
folder = Path(sys.argv[1])
disk = folder / "disk"
disk.mkdir()
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=True)
for part in ("keys", "state"):
    shutil.copytree(folder / "made" / part, disk / part)
stock = Stock(disk / "keys", disk / "state")
contents, old = stock.contents(stock.held()), stock.held()
keys.renew_disk_keys(stock.place)
length = (stock.state / "mirror.db").stat().st_size
hog = disk / "hog"
for room in (0, length // 3, length - 8192):
    with hog.open("wb", buffering=0) as filling:
        try:
            while filling.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass
    os.truncate(hog, max(0, hog.stat().st_size // 4096 * 4096 - room))
    held = stock.settled()
    assert held.mirror == old.mirror, room
    assert not list(stock.state.glob("*.coming")) and not list(stock.state.glob("*.going"))
    hog.unlink()
    assert stock.contents(held) == contents
settled = stock.settled()
assert settled.mirror != old.mirror and settled.ledger != old.ledger
assert stock.contents(settled) == contents and readable(stock.state, old.mirror) == []
"""
    done = subprocess.run(
        [*own_mounts, sys.executable, "-c", body, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]


# --- next keys -------------------------------------------------------------------------------------------------------


def test_a_next_key_is_never_made_twice(stock: Stock) -> None:
    """The first may open a file by now."""
    keys.renew_disk_keys(stock.place, ["mirror.key"])
    before = {file.name: file.read_bytes() for file in stock.place.iterdir()}
    with pytest.raises(KeysRefused, match=r"next_mirror\.key.*nothing was changed"):
        keys.renew_disk_keys(stock.place)
    assert {file.name: file.read_bytes() for file in stock.place.iterdir()} == before


@pytest.mark.parametrize("content", [b"none", b"", bytes(31)])
def test_a_word_in_a_next_keys_place_is_no_key(stock: Stock, content: bytes) -> None:
    """systemd gives the service a word where there is no next key; a file that was cut off is none either."""
    (stock.place / "next_mirror.key").write_bytes(content)
    assert stock.held().next_mirror is None
    stock.contents(stock.settled())


def test_systemds_folder_is_left_to_seal_keys(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    keys.renew_disk_keys(stock.place)
    before = {file.name: file.read_bytes() for file in stock.place.iterdir()}
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(stock.place))
    settled = stock.settled()
    assert {file.name: file.read_bytes() for file in stock.place.iterdir()} == before
    assert settled.mirror == before["next_mirror.key"] and settled.ledger == before["next_ledger.key"]
    stock.contents(settled)
    assert stock.settled() == settled, "and so at each start, until the next keys are in the others' place"
    assert repr(stock.held()) == "BoothKeys(...)"
