"""The ledger is read through beside the booth's work; what is damaged is told and stays where it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from failsafe.agent import checks, health, notices
from failsafe.agent.checks import EVERY_S, LedgerChecks
from failsafe.sync.errors import LedgerDamaged, StoreBroken, StoreDamaged
from failsafe.sync.ledger import Ledger
from failsafe.sync.store import PAGE_BYTES
from tests.ledgers import KEY, alert, fill, search
from tests.test_checks import Core
from tests.test_notices import PATIENCE_S, House, entry

PAGES = Ledger.check_pages


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(checks, "_LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr(checks, "_REST_S", 0.0)
    monkeypatch.setattr(notices, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(health, "COALESCE_S", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    """Some hundred records, open as the recorder has them."""
    with Ledger.open(path, KEY) as ledger:
        fill(ledger)
        with ledger.together():
            for number in range(7, 400):
                ledger.log_search(search(number % 50))
        yield ledger


@pytest.fixture
def reading(path: Path) -> Iterator[LedgerChecks]:
    made = LedgerChecks(lambda: Ledger.open(path, KEY))
    yield made
    made.stop()


def run(reading: LedgerChecks, now: float = 0.0) -> None:
    reading.repeat(now)
    reading.wait(PATIENCE_S)


def spoil(path: Path, page: int) -> None:
    """One byte of a page is another."""
    with path.open("r+b") as file:
        file.seek(page * PAGE_BYTES + 100)
        (byte,) = file.read(1)
        file.seek(page * PAGE_BYTES + 100)
        file.write(bytes([byte ^ 1]))


def test_a_whole_ledger_is_walked_to_its_end_and_nothing_is_told(ledger, reading):
    with capture_logs() as logs:
        run(reading)
    assert reading.walked == ledger.length() == 399 and reading.fault is None and logs == []


def test_it_is_read_again_after_a_day_and_not_before(ledger, reading):
    run(reading)
    ledger.log_search(search(1))
    run(reading, EVERY_S - 1.0)
    assert reading.walked == 399
    run(reading, EVERY_S)
    assert reading.walked == 400


def test_a_commit_waits_for_no_piece_of_it(ledger, reading, monkeypatch):
    """A writer with 250 ms of patience commits while the pages are read and while the chain is walked."""
    reached, go = threading.Event(), threading.Event()

    def slow(held: Ledger) -> None:
        held._store.copy_log()
        with held._store.snapshot():
            reached.set()
            assert go.wait(PATIENCE_S)
            held._store.check()

    monkeypatch.setattr(Ledger, "check_pages", slow)
    reading.repeat(0.0)
    assert reached.wait(PATIENCE_S)
    for number in range(400, 420):
        ledger.append(alert(number))
    go.set()
    for number in range(420, 440):
        ledger.append(alert(number))
    reading.wait(PATIENCE_S)
    assert reading.fault is None and reading.walked >= 419
    ledger.check()


def test_many_commits_beside_it_are_no_damage(ledger, reading):
    stop = threading.Event()

    def write() -> None:
        with Ledger.open(ledger._store.path, KEY) as own:
            number = 1000
            while not stop.is_set():
                own.append(alert(number))
                number += 1

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for day in range(6):
            run(reading, day * EVERY_S)
    finally:
        stop.set()
        writing.join()
    assert reading.fault is None and reading.walked > 399


@pytest.mark.parametrize("page", [0, 5, -1])
def test_a_page_that_went_bad_is_told_with_advice_and_stays_where_it_is(ledger, reading, path, page):
    ledger._store.fold_log()
    last = path.stat().st_size // PAGE_BYTES - 1
    spoil(path, last if page < 0 else page)
    before = sorted(found.name for found in path.parent.iterdir())
    with capture_logs() as logs:
        run(reading)
    assert isinstance(reading.fault, LedgerDamaged) and "technician" in reading.fault.advice
    assert [log["event"] for log in logs] == ["ledger is damaged"] and logs[0]["log_level"] == "error"
    assert sorted(found.name for found in path.parent.iterdir()) == before
    spoil(path, last if page < 0 else page)  # a disk that reads well again is not believed before a start
    run(reading, 2 * EVERY_S)
    assert reading.fault is not None


def test_a_chain_that_breaks_is_found_and_the_record_is_named_by_its_number(ledger, reading):
    ledger._store.run("DROP TRIGGER record_holds")
    ledger._store.run("UPDATE record SET body = X'7B7D' WHERE number = 300")
    run(reading)
    assert isinstance(reading.fault, LedgerDamaged) and "300" in reading.fault.detail


def test_a_page_that_looks_damaged_once_is_looked_at_again(ledger, reading, monkeypatch):
    looks = []

    def torn(held: Ledger) -> None:
        looks.append(held)
        if len(looks) < 3:
            raise StoreDamaged("A page was being written.")
        PAGES(held)

    monkeypatch.setattr(Ledger, "check_pages", torn)
    run(reading)
    assert len(looks) == 3 and reading.fault is None and reading.walked == 399


@pytest.mark.parametrize("error", [StoreBroken("The disk is busy."), ZeroDivisionError()])
def test_what_cannot_be_read_is_not_called_damaged_and_is_tried_within_the_hour(ledger, reading, monkeypatch, error):
    tries = []

    def refuse(held: Ledger) -> None:
        tries.append(held)
        raise error

    monkeypatch.setattr(Ledger, "check_pages", refuse)
    with capture_logs() as logs:
        run(reading)
        run(reading, 10.0)
        run(reading, 3000.0)
        assert len(tries) == 1
        run(reading, 10.0 + checks.AGAIN_S)
    assert len(tries) == 2 and reading.fault is None and len(logs) == 2


def test_a_stop_waits_for_no_long_walk(ledger, reading, monkeypatch):
    monkeypatch.setattr(checks, "_PIECE", 1)
    monkeypatch.setattr(checks, "_REST_S", 3600.0)
    reading.repeat(0.0)
    reading.stop()
    assert not reading._thread.is_alive() and reading.walked <= 1


# --- the whole booth ---------------------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    made.put_out(entry(1), entry(2, "IMAGINARIEVA"))
    made.carry()
    yield made
    made.end()
    made.register.close()


def test_a_booth_with_a_damaged_ledger_clears_nobody_says_why_and_goes_on_recording(house):
    with Core(house) as core:
        core.wait(lambda: core.state() == "FRESH")
        core.enter("ZZYZWICK", "UNSOUGHT")
        core.wait(lambda: core.verdict().word == "CLEAR")
    path = house.state / "ledger.db"
    with Ledger.open(path, house.keys.ledger) as ledger:
        ledger._store.run("DROP TRIGGER record_holds")
        ledger._store.run("UPDATE record SET head = zeroblob(32) WHERE number = 2")
    with Core(house) as core:
        core.wait(lambda: core.booth._knowledge.ledger_fault is not None)
        core.wait(lambda: core.booth.status()["ready"]["word"] == "CANNOT CLEAR")
        status = core.booth.status()
        assert "The ledger is damaged." in status["ready"]["why"]
        assert any(fault.startswith("The ledger is damaged. Telephone") for fault in status["faults"])
        core.enter("ZZYZWICK", "UNSOUGHT")
        assert core.verdict().word == "CANNOT CLEAR"
        core.enter("QUILLFEATHER")
        assert core.verdict().word in ("STOP", "CHECK") and "TELEPHONE_CCC" in core.verdict().actions
        core.wait(lambda: core.booth._book.state("ledger") == "DAMAGED")
    assert not [found.name for found in house.state.iterdir() if "damaged" in found.name]
    with Ledger.open(path, house.keys.ledger) as ledger:
        bodies = [one.body for one in ledger.entries()]
    assert [one.now for one in bodies if getattr(one, "part", "") == "ledger"][-1:] == ["DAMAGED"]
    assert any(getattr(one, "kind", "") == "notice_hit" for one in bodies)
