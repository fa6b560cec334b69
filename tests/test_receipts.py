"""Receipts come back through a folder that a hostile link fills: what lies there costs the core nothing."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from failsafe.agent import receipts, tray
from failsafe.agent.health import HealthBook
from failsafe.agent.receipts import READ_AT_ONCE, Receipts
from failsafe.sync.ledger import Ledger
from failsafe.sync.reports import RECEIPTS_FOLDER, receipt_file
from failsafe.sync.spool import MAX_FILES, Spool
from tests.test_status import WELL
from tests.test_tray import KEYS, Booth, alert, entry_id, until


class Counting(Spool):
    """A spool that counts what it is asked."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked = self.read_files = 0

    def stamps(self, folder, files):
        files = list(files)
        self.asked += len(files)
        return super().stamps(folder, files)

    def read(self, name, limit):
        self.read_files += 1
        return super().read(name, limit)


class Desk:
    """A ledger with so many alerts, the receipts' folder, and a taker of receipts that is turned by hand."""

    def __init__(self, booth: Booth, alerts: int) -> None:
        self.booth = booth
        self.entries = [booth.record(alert(number + 1, "routine")) for number in range(alerts)]
        self.spool = Counting(booth.folder / "spool" / "in")
        self.ledger = booth.open_ledger()
        self.receipts = Receipts(self.spool, self.note)

    def note(self, entry: str, content: bytes) -> bool:
        self.ledger.mark_delivered(entry, content, "2026-11-22T12:00:00Z")
        return True

    def turn(self) -> bool:
        return self.receipts.take(tuple(self.ledger.waiting()), self.ledger, KEYS)

    @property
    def waiting(self) -> int:
        return self.ledger.undelivered().entries


@pytest.fixture
def booth(tmp_path: Path) -> Iterator[Booth]:
    made = Booth(tmp_path)
    yield made
    made.tray.stop()
    made.recorder.stop()


@pytest.fixture
def silent(booth: Booth) -> Booth:
    """Its tray stands still, so that receipts are taken by hand."""
    booth.enrolled().tray.stop()
    return booth


def litter(booth: Booth, number: int) -> Path:
    """So many receipts that nobody waits for; names of one file, since nobody is to open them."""
    place = booth.folder / "spool" / "in" / RECEIPTS_FOLDER
    place.mkdir(exist_ok=True)
    first = place / f"{uuid.UUID(int=10**9)}.json"
    first.write_bytes(b"{}")
    for at in range(1, number):
        os.link(first, place / f"{uuid.UUID(int=10**9 + at)}.json")
    return place


def test_a_true_receipt_among_more_than_any_link_lays_down_is_taken_and_the_flood_told(
    booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "_LOOKS_BETWEEN_COUNTS", 0)
    first, second = booth.enrolled().record(alert(1)), booth.record(alert(2))
    until(lambda: len(booth.files) == 2)
    with capture_logs() as logs:
        place = litter(booth, MAX_FILES + 1)
        booth.answer(second)
        until(lambda: len(booth.files) == 1)
        until(lambda: booth.tray.receipts.flooded)
        booth.answer(first)
        until(lambda: booth.files == [])
    assert booth.undelivered() == 0 and booth.tray.fault is None
    assert [line["event"] for line in logs] == ["the link floods the spool"]
    shutil.rmtree(place)
    until(lambda: booth.tray.receipts.flooded is False)


def test_headquarters_hears_of_a_flood_once_and_of_its_end() -> None:
    book = HealthBook()

    def observe(flooded: bool | None, now: float) -> list[tuple[str, str, str]]:
        replace(WELL, link_floods=flooded).observe(book)
        return [(one.part, one.was, one.now) for one in book.due(now) if one.part == "spool"]

    assert observe(None, 0.0) == [], "nobody has looked yet"
    assert observe(True, 100.0) == [("spool", "unknown", "FLOODED")]
    assert observe(True, 200.0) == []
    assert observe(False, 300.0) == [("spool", "FLOODED", "OK")]


def test_what_lies_there_does_not_change_what_is_asked_and_read(silent: Booth) -> None:
    desk = Desk(silent, 3)
    litter(silent, 500)
    assert not desk.turn()
    before, read = desk.spool.asked, desk.spool.read_files
    litter_more = silent.folder / "spool" / "in" / RECEIPTS_FOLDER / "sub"
    litter_more.mkdir()
    assert not desk.turn()
    assert desk.spool.asked - before == before == 2 * 3 and read == desk.spool.read_files == 0


def test_receipts_written_anew_again_and_again_neither_keep_a_true_one_waiting_nor_fill_the_log(
    silent: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every receipt but the last is a forgery, another one at each look."""
    monkeypatch.setattr(receipts, "ASKED_AT_ONCE", 50)
    number = 2 * READ_AT_ONCE + 60
    desk = Desk(silent, number)
    silent.answer(desk.entries[-1])
    turns = 0
    with capture_logs() as logs:
        while desk.waiting == number:
            turns += 1
            assert turns <= number // READ_AT_ONCE + 2, "its turn does not come"
            for entry in desk.entries[:-1]:
                silent.answer(entry, digest=uuid.uuid4().hex * 2)
            before = desk.spool.read_files
            desk.turn()
            assert desk.spool.read_files - before <= 2 * READ_AT_ONCE
    assert desk.waiting == number - 1
    assert [line["event"] for line in logs] == ["receipt refused"]


def test_a_forgery_that_stays_as_it_is_is_read_once(silent: Booth) -> None:
    desk = Desk(silent, 2)
    silent.answer(desk.entries[0], digest="0" * 64)
    desk.turn()
    desk.turn()
    assert (desk.spool.read_files, desk.receipts.refused) == (1, 1)
    silent.answer(desk.entries[0])
    assert desk.turn() and desk.waiting == 1 and desk.receipts.refused == 0


def test_a_receipt_that_the_ledger_could_not_note_is_taken_later(silent: Booth) -> None:
    desk = Desk(silent, 1)
    silent.answer(desk.entries[0])
    stuck = Receipts(desk.spool, lambda entry, content: False)
    with silent.open_ledger() as ledger:
        assert not stuck.take(tuple(ledger.waiting()), ledger, KEYS) and stuck.refused == 0
    assert desk.turn() and desk.waiting == 0


def test_each_of_a_backlog_has_its_receipt_taken_once(silent: Booth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "ASKED_AT_ONCE", 7)
    monkeypatch.setattr(receipts, "READ_AT_ONCE", 3)
    desk = Desk(silent, 40)
    for entry in reversed(desk.entries):
        silent.answer(entry)
    while desk.waiting:
        assert desk.turn(), "nothing was taken, and something waits"
    assert desk.spool.read_files == 40


def test_an_urgent_alert_finds_room_in_a_tray_that_a_backlog_fills(
    booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that delivers nothing for weeks: the rest waits in the ledger until its turn comes."""
    monkeypatch.setattr(tray, "_LAID_OUT_AT_MOST", 3)
    routine = [booth.enrolled().record(alert(number, "routine")) for number in range(1, 6)]
    until(lambda: [booth.opened(file).sequence for file in booth.files] == [1, 2, 3])
    kept = booth.files[2].read_bytes()
    urgent = booth.record(alert(6, "urgent"))
    until(lambda: [file.name[:14] for file in booth.files] == ["0-000000000006", "1-000000000001", "1-000000000002"])
    booth.answer(routine[4])  # a stick's, for one that is not laid out
    until(lambda: booth.undelivered() == 5)
    booth.answer(urgent)
    until(lambda: [file.name[:14] for file in booth.files] == [f"1-00000000000{number}" for number in (1, 2, 3)])
    assert booth.files[2].read_bytes() == kept, "the same bytes, however often it comes and goes"
    for entry in routine[:4]:
        booth.answer(entry)
    until(lambda: booth.files == [] and booth.undelivered() == 0)


def test_the_names_that_are_asked_for_are_those_that_a_link_writes(silent: Booth) -> None:
    desk = Desk(silent, 1)
    Ledger.check_pages(desk.ledger)
    desk.spool.write(receipt_file(entry_id(1)), b"{}")
    desk.turn()
    assert desk.receipts.refused == 1
