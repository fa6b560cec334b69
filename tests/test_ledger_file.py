"""The ledger's file: unreadable, never replaced, one chain for two writers, whole after a kill and on a full disk."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from failsafe.sync.errors import StoreBroken, StoreDamaged, WrongKey
from failsafe.sync.ledger import Ledger
from tests.ledgers import (
    KEY,
    alert,
    fill,
    new_ledger,  # noqa: F401 - a fixture
    path_of_ledger,  # noqa: F401 - a fixture
)


def test_nothing_of_an_alert_is_readable_in_the_files(ledger: Ledger, path: Path) -> None:
    fill(ledger)
    ledger._store.fold_log()
    ledger.append(alert(7))
    files = sorted(path.parent.iterdir())
    assert [file.suffix for file in files] == [".db", ".db-shm", ".db-wal"]
    for file in files:
        raw = file.read_bytes().upper()
        for word in (b"QUILLFEATHER", b"ZZYZXBERT", b"QUILLBRIDGE", b"ALERT-", b"STOP", b"PORTAL"):
            assert word not in raw, file.name


def test_a_ledger_that_does_not_open_is_never_replaced(ledger: Ledger, path: Path) -> None:
    fill(ledger)
    ledger.close()
    raw = path.read_bytes()
    with pytest.raises(WrongKey):
        Ledger.open(path, bytes(32))
    assert path.read_bytes() == raw
    broken = b"\0" * 4096 + raw[4096:]
    path.write_bytes(broken)
    with pytest.raises(WrongKey) as caught:
        Ledger.open(path, KEY)
    assert path.read_bytes() == broken
    assert "do not delete" in caught.value.advice


def test_a_ledger_that_lost_its_last_pages_is_found(ledger: Ledger, path: Path) -> None:
    for number in range(30):
        ledger.append(alert(number))
    ledger.close()
    os.truncate(path, path.stat().st_size - 2 * 4096)
    with pytest.raises(StoreDamaged), Ledger.open(path, KEY) as cut:
        cut.check()


def test_two_writers_make_one_chain(ledger: Ledger, path: Path) -> None:
    with Ledger.open(path, KEY) as other:
        for number in range(10):
            (ledger if number % 2 else other).append(alert(number))
        with other.together(), pytest.raises(StoreBroken, match="another process"):
            ledger.append(alert(10))
        assert [entry.sequence for entry in other.entries()] == list(range(1, 11))
    assert ledger.verify() == 10


CHILD = """
import os, sys
from pathlib import Path
from failsafe.sync.errors import StoreBroken
from failsafe.sync.ledger import Ledger
from failsafe.sync.reports import Alert, Moment, Place, SearchLine

def alert(number):
    place = Place(booth="ZZ-TEST-1", country="ZZ", crossing_point="Quillbridge")
    at = Moment(wall="2026-01-01T00:00:00Z", monotonic_s=0.0, trusted=True)
    return Alert(id=f"alert-{number}", kind="exercise", urgency="routine", at=at, place=place, verdict="STOP",
                 crossing="x" * 400)

ledger = Ledger.open(Path(sys.argv[1]), bytes(range(64, 96)))
number = ledger.undelivered().entries
"""

ENDLESS = """
while True:
    entry = ledger.append(alert(number))
    print(entry.sequence, entry.digest(), flush=True)
    number += 1
    ledger.log_search(SearchLine(at="", lane="L1", shift="", mirror=(), verdict="STOP"))
"""


def kill_after(path: Path, entries: int, pause_s: float) -> dict[int, str]:
    """Let a child append, kill it, and return every entry that it was told is recorded."""
    told = []
    command = [sys.executable, "-c", CHILD + ENDLESS, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            told.append(line)
            if len(told) >= entries:
                break
        try:
            child.wait(pause_s)  # it runs on until it is killed: this only moves the moment
        except subprocess.TimeoutExpired:
            child.kill()
        told += child.stdout
    return {int(line.split()[0]): line.split()[1] for line in told if line.endswith("\n")}


def test_no_acknowledged_entry_is_lost_when_the_process_is_killed(path: Path) -> None:
    chance = random.Random(20261121)
    told: dict[int, str] = {}
    for _ in range(6):
        told |= kill_after(path, chance.randrange(1, 40), chance.random() * 0.02)
        with Ledger.open(path, KEY) as ledger:
            ledger.check()
            held = {entry.sequence: entry.digest() for entry in ledger.entries()}
            assert told.items() <= held.items()
            assert sorted(held) == list(range(1, len(held) + 1))
            assert ledger.undelivered().entries == len(held)
    assert len(told) > 20


def test_a_full_disk_records_nothing_it_does_not_acknowledge_and_takes_on_later(path: Path) -> None:
    body = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
try:
    while True:
        ledger.append(alert(number))
        number += 1
except StoreBroken as refusal:
    assert refusal.reason == "store" and refusal.advice
assert ledger.verify() == number > 5
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
entry = ledger.append(alert(number))
assert entry.sequence == number + 1, "the chain does not go on"
print(number + 1)
"""
    command = [sys.executable, "-c", CHILD + body, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    with Ledger.open(path, KEY) as ledger:
        ledger.check()
        assert ledger.length() == int(done.stdout)
