"""From a withdrawal at headquarters to the booth's signed word that nothing of it is left. All persons are invented."""

from __future__ import annotations

import datetime as dt
import queue
import threading
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from failsafe.agent import notices, purging
from failsafe.agent.notices import Notices
from failsafe.agent.purging import Purged, Turns, noting
from failsafe.hq.desk.desk import Desk
from failsafe.hq.desk.tables import open_file, open_register
from failsafe.hq.feeds import publish
from failsafe.sync.errors import StoreBroken
from failsafe.sync.feed import Floor
from failsafe.sync.ledger import Ledger
from failsafe.sync.mirror import Mirror
from failsafe.sync.reports import ALERTS_FOLDER, Envelope, Moment, Place, PurgeReceipt
from failsafe.sync.spool import Spool
from tests.publishing import now
from tests.test_checks import Core
from tests.test_notices import DOCUMENT, PATIENCE_S, House, entry, found
from tests.test_purging import plain, unpacked

FLOOR = Floor("first", 4, 10, 3)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(notices, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(purging, "AGAIN_S", 0.05)


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    made.put_out(entry(1), entry(2, "IMAGINARIEVA"), entry(3, "GRIMBLESNATCH"), listed=[DOCUMENT])
    made.carry()
    yield made
    made.end()
    made.register.close()


@pytest.fixture
def purged(house) -> queue.SimpleQueue[Purged]:
    """What the notices' side, which has begun, tells of purges."""
    told: queue.SimpleQueue[Purged] = queue.SimpleQueue()
    running = Notices(house.configuration, house.keys, lambda: house.floors, house.news.put, told.put)
    house.running.append(running)
    running.load()
    running.watch()
    return told


def withdraw(house, *numbers: int, later_s: float = 0.0) -> None:
    for number in numbers:
        assert house.register.withdraw_notice(f"2026/{number}")
    publish.publish(house.register, house.desk.repository, now=now() + dt.timedelta(seconds=later_s))
    house.carry(welcome=False)


# --- from the disk -----------------------------------------------------------------------------------------------


def test_a_withdrawn_notice_leaves_the_disk_by_itself(house, purged):
    first = purged.get(timeout=PATIENCE_S)
    assert first.floors["base"].removed == 0 and not first.followed and first.set_aside == 0
    withdraw(house, 2)
    last = purged.get(timeout=PATIENCE_S)
    assert last.floors["base"].removed == 1 and last.followed
    with house.open() as mirror:
        assert not mirror.owes_purge() and mirror.bound().gone == ()
        places = (plain(house.mirror, house.keys.mirror), unpacked(mirror))
    for word in (b"IMAGINARIEVA", b"2026/2"):
        assert not any(word in place for place in places)
    assert all(b"GRIMBLESNATCH" in place for place in places)


def test_an_expired_notice_leaves_it_too(house, purged):
    purged.get(timeout=PATIENCE_S)
    soon = msgspec.structs.replace(entry(4, "SOONGONE").notice, expires_at="2126-01-01T00:00:00Z")
    house.put_out(type(entry(4))(soon))
    house.carry(welcome=False)
    purged.get(timeout=PATIENCE_S)
    assert b"SOONGONE" in plain(house.mirror, house.keys.mirror)
    soon = msgspec.structs.replace(soon, expires_at="2026-01-01T00:00:00Z")
    house.put_out(type(entry(4))(soon))
    house.carry(welcome=False)
    assert purged.get(timeout=PATIENCE_S).floors["base"].removed == 1
    with house.open() as mirror:
        assert b"SOONGONE" not in plain(house.mirror, house.keys.mirror) + unpacked(mirror)


def test_verdicts_go_on_from_an_index_of_those_who_stay(house, purged):
    withdraw(house, 2)
    while purged.get(timeout=PATIENCE_S).floors["base"].removed == 0:
        pass
    edition = None
    while not house.news.empty():
        edition = house.news.get().edition or edition
    assert found(edition, "IMAGINARIEVA") == set() and found(edition, "GRIMBLESNATCH") == {"2026/3"}


def test_a_disk_that_has_no_room_is_told_without_names_and_the_old_index_serves(house, purged, monkeypatch):
    purged.get(timeout=PATIENCE_S)
    real, tries = Mirror.purge, threading.Semaphore(0)

    def full(mirror, put_off):
        tries.release()
        raise StoreBroken("mirror.db has no room left.")

    monkeypatch.setattr(notices, "PURGE_AGAIN_S", 0.2)
    monkeypatch.setattr(Mirror, "purge", full)
    with capture_logs() as logs:
        withdraw(house, 2)
        for _ in range(2):
            assert tries.acquire(timeout=PATIENCE_S)
    with house.open() as mirror:
        assert mirror.owes_purge() and purged.empty()
    monkeypatch.setattr(Mirror, "purge", real)
    assert purged.get(timeout=PATIENCE_S).floors["base"].removed == 1
    assert "removed notices not purged yet" in {log["event"] for log in logs} and "IMAGINARIEVA" not in repr(logs)


def test_a_mirror_set_aside_is_told_of(house, purged):
    purged.get(timeout=PATIENCE_S)
    for name in ("mirror.db.damaged-1", "mirror.db.damaged-1-wal", "mirror.db.damaged-2"):
        house.mirror.with_name(name).write_bytes(b"")
    withdraw(house, 2)
    assert purged.get(timeout=PATIENCE_S).set_aside == 2


# --- when --------------------------------------------------------------------------------------------------------


def test_a_small_list_is_purged_at_once_and_a_large_one_when_it_has_been_quiet():
    assert Turns().due(0.0, 0)
    turns = Turns()
    turns.stirred(0.0)
    assert not turns.due(1.0, 1_000_000) and not turns.due(149.0, 1_000_000) and turns.due(151.0, 1_000_000)


def test_removals_that_never_end_wait_an_hour_at_most():
    turns = Turns()
    for second in range(0, 3600, 10):
        turns.stirred(float(second))
        assert not turns.due(float(second), 1_000_000)
    assert turns.due(3600.0, 1_000_000)
    turns.done(3600.0, 3700.0)
    turns.stirred(3701.0)
    assert not turns.due(3701.0, 1_000_000)


def test_it_takes_a_twentieth_of_the_time_at_most():
    turns = Turns()
    assert turns.due(0.0, 100)
    turns.done(0.0, 10.0)
    assert not turns.due(20.0, 100) and not turns.due(209.0, 100) and turns.due(211.0, 100)


def test_what_was_delayed_is_tried_again_later():
    turns = Turns()
    assert turns.due(0.0, 10)
    turns.delayed(0.0, 600.0)
    assert not turns.due(599.0, 10) and turns.due(600.0, 10)


# --- what headquarters is told -----------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "ledger.db", bytes(range(64, 96))) as ledger:
        yield ledger


class Scribe:
    """Notes purges in a ledger, each receipt with an id of its own."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._count = 0

    def __call__(self, *, followed: bool = True, set_aside: int = 0, **floors: Floor) -> list[PurgeReceipt]:
        """The receipts that came of it; tried twice, as the recorder may."""
        before = self._ledger.sequence()
        for feed, floor in floors.items():
            self._ledger.note_floor(feed, floor)
        task = noting(Purged(floors, followed, set_aside), self._receipt)
        task(self._ledger)
        task(self._ledger)
        return [one.body for one in self._ledger.entries(before) if isinstance(one.body, PurgeReceipt)]

    def _receipt(self, **step) -> PurgeReceipt:
        self._count += 1
        at = Moment(wall="2026-01-01T00:00:00.000Z", monotonic_s=1.0, trusted=True)
        place = Place(booth="ZZ-TEST-01", country="ZZ", crossing_point="Invented Gate")
        return PurgeReceipt(id=f"019aa000-0000-7000-8000-{self._count:012d}", at=at, place=place, **step)


@pytest.fixture
def scribe(ledger) -> Scribe:
    return Scribe(ledger)


def test_one_receipt_for_a_step_however_often_it_is_tried(scribe):
    (receipt,) = scribe(base=FLOOR)
    assert (receipt.feed, receipt.lineage, receipt.serial, receipt.count, receipt.removed) == (
        "base",
        "first",
        4,
        10,
        3,
    )
    assert receipt.purged == 3 and receipt.held
    assert scribe(base=FLOOR) == []
    assert scribe(base=Floor("first", 5, 12, 3)) == []
    (receipt,) = scribe(base=Floor("first", 6, 10, 5))
    assert (receipt.serial, receipt.removed, receipt.purged) == (6, 5, 2)


def test_a_list_of_which_nothing_was_removed_says_nothing(scribe):
    assert scribe(base=Floor("first", 1, 10, 0), followed=False) == []
    (receipt,) = scribe(base=Floor("first", 2, 10, 0))  # something was removed here, as by an amendment
    assert receipt.purged == 0


def test_a_new_lineage_is_a_new_account(scribe):
    scribe(base=FLOOR)
    (receipt,) = scribe(base=Floor("second", 1, 8, 0))
    assert (receipt.lineage, receipt.serial, receipt.purged) == ("second", 1, 0)


def test_a_supplement_that_is_this_booths_no_longer_is_gone_whole(scribe):
    assert [one.feed for one in scribe(base=FLOOR, spare=Floor("first", 2, 5, 1))] == ["base", "spare"]
    (receipt,) = scribe(base=FLOOR)
    assert (receipt.feed, receipt.held, receipt.serial, receipt.purged) == ("spare", False, 2, 5)
    assert scribe(base=FLOOR) == []
    (receipt,) = scribe(base=FLOOR, spare=Floor("first", 7, 2, 4))  # and it comes back
    assert receipt.feed == "spare" and receipt.held


def test_a_mirror_set_aside_that_was_deleted_since_is_news(scribe):
    (receipt,) = scribe(base=FLOOR, set_aside=1)
    assert receipt.set_aside == 1
    (receipt,) = scribe(base=FLOOR, followed=False)
    assert (receipt.set_aside, receipt.purged) == (0, 0)


def test_a_booth_tells_headquarters_once_and_names_nobody(house):
    with Core(house) as core:
        core.wait(lambda: core.state() == "FRESH")
        withdraw(house, 2)
        core.wait(lambda: core.booth._knowledge.edition.floors["base"].removed == 1)
        core.wait(lambda: _receipts(house))
    with Core(house) as core:
        core.wait(lambda: core.state() == "FRESH")
    told = _receipts(house)
    assert [(one.feed, one.serial, one.removed, one.purged, one.held) for one in told] == [("base", 2, 1, 1, True)]
    assert "IMAGINARIEVA" not in repr(told) and "2026/2" not in repr(told)


def _receipts(house) -> list[PurgeReceipt]:
    with Ledger.open(house.state / "ledger.db", house.keys.ledger) as ledger:
        ledger.check()
        return [one.body for one in ledger.entries() if isinstance(one.body, PurgeReceipt)]


def test_headquarters_is_owed_a_purge_until_the_booth_has_signed_it(house, tmp_path):
    desk = Desk(open_file(tmp_path / "desk.sqlite"), house.desk.keys, open_register(tmp_path / "register.sqlite"))

    def brought() -> bool:
        """What a stick would bring from the booth's spool, and whether the purge is confirmed then."""
        out = Spool(house.spool.parent / "out")
        names = out.names(f"{ALERTS_FOLDER}/") if out.root.is_dir() else []
        desk.take([msgspec.json.decode(out.read(name, 1 << 20), type=Envelope) for name in names], now())
        return [line.state for line in desk.purges("base", 2)] == ["confirmed"]

    with Core(house) as core:
        core.wait(lambda: core.state() == "FRESH")
        withdraw(house, 2)
        assert [line.state for line in desk.purges("base")] == ["owed"]
        core.wait(brought)
    (line,) = desk.purges("base")
    assert (line.serial, line.why) == (2, "")
    desk.close()
