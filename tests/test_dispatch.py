"""The outgoing tray over a real ledger and real folders: written again when wiped, emptied by true receipts only."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from failsafe.agent.dispatch import Dispatch
from failsafe.agent.recorder import Recorder
from failsafe.sync import envelope, seal
from failsafe.sync.ledger import Ledger
from failsafe.sync.records import (
    Alert,
    ChainEntry,
    Envelope,
    FeedState,
    HealthChange,
    Heartbeat,
    HqKeys,
    Moment,
    PersonAsRead,
    Place,
    Receipt,
    Urgency,
    Want,
    encode,
    receipt_file,
)
from failsafe.sync.seal import SealSecret

KEY = secrets.token_bytes(32)
SIGNING = secrets.token_bytes(32)
RECEIPTS = secrets.token_bytes(32)
HQ = SealSecret.generate()
KEYS = HqKeys(receipt=seal.signing_public(RECEIPTS), seal=HQ.public())
AT = Moment(wall="2026-11-21T12:00:00.000Z", monotonic_s=5.0, trusted=True)
PLACE = Place(booth="ZZ-1", country="ZZ", crossing_point="Northgate", lane="1")
PATIENCE_S = 20.0


def entry_id(number: int) -> str:
    return f"01900000-0000-7000-8000-{number:012d}"


def alert(number: int, urgency: Urgency = "urgent") -> Alert:
    return Alert(
        id=entry_id(number),
        kind="notice_hit",
        urgency=urgency,
        at=AT,
        place=PLACE,
        verdict="STOP",
        person=PersonAsRead(source="zone", surname="EXAMPLOV", given="TESTIMIR", document_number="GE1000003"),
    )


class Tray:
    """A booth's ledger, recorder and dispatch in one folder, with headquarters' keys in the test's hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "spool" / "in").mkdir(parents=True)
        self.recorder = Recorder(self.open_ledger)
        self.recorder.start()
        self.dispatch = self.make_dispatch()

    def open_ledger(self) -> Ledger:
        return Ledger.open(self.folder / "ledger.db", KEY)

    def make_dispatch(self) -> Dispatch:
        dispatch = Dispatch(
            self.folder / "spool",
            "ZZ-1",
            SIGNING,
            self.open_ledger,
            self.recorder,
            self.heartbeat,
            lambda: Want(booth="ZZ-1", feeds=("base",), held=(FeedState(feed="base", lineage="one", serial=3),)),
            lambda: AT.wall,
        )
        dispatch.start()
        return dispatch

    def heartbeat(self, ledger: Ledger) -> Heartbeat:
        return Heartbeat(
            booth="ZZ-1",
            at=AT,
            version="0",
            ledger_head=ledger.head(),
            ledger_length=ledger.length(),
            sequence=ledger.sequence(),
            undelivered=ledger.undelivered().entries,
            mirror=(),
            mirror_state="FRESH",
            mirror_age_s=1.0,
        )

    def enrolled(self) -> Tray:
        assert self.recorder.submit(lambda ledger: ledger.keep_hq_keys(KEYS)).wait(PATIENCE_S)
        return self

    def record(self, body: Alert | HealthChange) -> ChainEntry:
        kept: list[ChainEntry] = []
        assert self.recorder.submit(lambda ledger: kept.append(ledger.append(body))).wait(PATIENCE_S)
        self.dispatch.hurry()
        return kept[0]

    @property
    def files(self) -> list[Path]:
        return sorted((self.folder / "spool" / "out" / "alerts").glob("*.json"))

    def opened(self, file: Path) -> ChainEntry:
        return envelope.open_entry(
            msgspec.json.decode(file.read_bytes(), type=Envelope), HQ, seal.signing_public(SIGNING)
        )

    def answer(self, entry: ChainEntry, secret: bytes = RECEIPTS, **changes: str) -> None:
        said = {"id": entry.body.id, "booth": "ZZ-1", "digest": entry.digest(), "received_at": AT.wall, **changes}
        receipt = envelope.sign_receipt(Receipt(**said), secret)
        place = self.folder / "spool" / "in" / receipt_file(entry.body.id)
        place.parent.mkdir(exist_ok=True)
        place.with_suffix(".part").write_bytes(encode(receipt))
        place.with_suffix(".part").rename(place)

    def undelivered(self) -> int:
        with self.open_ledger() as ledger:
            return ledger.undelivered().entries


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.02)


@pytest.fixture
def tray(tmp_path: Path) -> Iterator[Tray]:
    made = Tray(tmp_path)
    yield made
    made.dispatch.stop()
    made.recorder.stop()


def test_an_alert_lies_in_the_tray_sealed_for_headquarters(tray: Tray) -> None:
    entry = tray.enrolled().record(alert(1))
    until(lambda: len(tray.files) == 1)
    assert tray.opened(tray.files[0]) == entry
    assert tray.files[0].name == f"0-000000000001-{entry_id(1)}.json"
    content = tray.files[0].read_bytes()
    assert b"EXAMPLOV" not in content and b"GE1000003" not in content and b"notice_hit" not in content


def test_before_headquarters_keys_are_known_the_ledger_keeps_everything(tray: Tray) -> None:
    entry = tray.record(alert(1))
    until(lambda: (tray.folder / "spool" / "out" / "want.json").exists())
    assert tray.files == []
    tray.enrolled().dispatch.hurry()
    until(lambda: len(tray.files) == 1)
    assert tray.opened(tray.files[0]) == entry


def test_what_is_wiped_is_written_again_with_the_same_bytes(tray: Tray) -> None:
    tray.enrolled().record(alert(1))
    until(lambda: len(tray.files) == 1)
    before = tray.files[0].read_bytes()
    shutil.rmtree(tray.folder / "spool" / "out")
    until(lambda: len(tray.files) == 1)
    assert tray.files[0].read_bytes() == before


def test_a_restart_lays_out_the_same_bytes(tray: Tray) -> None:
    tray.enrolled().record(alert(1))
    until(lambda: len(tray.files) == 1)
    before = tray.files[0].read_bytes()
    tray.dispatch.stop()
    shutil.rmtree(tray.folder / "spool" / "out")
    tray.dispatch = tray.make_dispatch()
    until(lambda: len(tray.files) == 1)
    assert tray.files[0].read_bytes() == before


def test_a_verified_receipt_and_nothing_else_empties_the_tray(tray: Tray) -> None:
    entry = tray.enrolled().record(alert(1))
    until(lambda: len(tray.files) == 1)
    tray.answer(entry)
    until(lambda: tray.files == [])
    assert tray.undelivered() == 0


@pytest.mark.parametrize(
    ("secret", "changes"),
    [
        (secrets.token_bytes(32), {}),
        (RECEIPTS, {"digest": "0" * 64}),
        (RECEIPTS, {"booth": "ZZ-2"}),
    ],
    ids=["a stranger's key", "other bytes", "another booth"],
)
def test_a_receipt_that_is_not_headquarters_word_on_this_entry_changes_nothing(
    tray: Tray, secret: bytes, changes: dict[str, str]
) -> None:
    entry = tray.enrolled().record(alert(1))
    until(lambda: len(tray.files) == 1)
    tray.answer(entry, secret, **changes)
    until(lambda: tray.dispatch._refused != {})
    assert len(tray.files) == 1 and tray.undelivered() == 1
    tray.answer(entry)  # the true one comes after all
    until(lambda: tray.files == [])


def test_a_receipt_full_of_noise_is_left_where_it_is(tray: Tray) -> None:
    entry = tray.enrolled().record(alert(1))
    place = tray.folder / "spool" / "in" / receipt_file(entry.body.id)
    place.parent.mkdir()
    place.write_bytes(secrets.token_bytes(100_000))
    second = tray.record(alert(2))
    until(lambda: len(tray.files) == 2)
    tray.answer(second)
    until(lambda: len(tray.files) == 1)
    assert place.exists() and tray.undelivered() == 1


def test_urgent_alerts_sort_before_routine_ones_and_health(tray: Tray) -> None:
    tray.enrolled().record(alert(1, "routine"))
    tray.record(HealthChange(id=entry_id(2), at=AT, place=PLACE, part="portal-1", was="OK", now="LATE"))
    tray.record(alert(3, "urgent"))
    until(lambda: len(tray.files) == 3)
    assert [tray.opened(file).sequence for file in tray.files] == [3, 1, 2]


def test_a_foreign_file_in_the_tray_is_taken_away(tray: Tray) -> None:
    tray.enrolled().record(alert(1))
    until(lambda: len(tray.files) == 1)
    (tray.folder / "spool" / "out" / "alerts" / "left-over.json").write_text("{}")
    until(lambda: len(tray.files) == 1 and tray.files[0].name.startswith("0-"))


def test_a_heartbeat_says_what_the_ledger_holds(tray: Tray) -> None:
    tray.enrolled().record(alert(1))
    until(lambda: len(tray.files) == 1)
    tray.dispatch.beat()
    file = tray.folder / "spool" / "out" / "heartbeat.json"

    def told() -> bool:
        if not file.exists():
            return False
        wrapped = msgspec.json.decode(file.read_bytes(), type=Envelope)
        beat = envelope.open_heartbeat(wrapped, HQ, seal.signing_public(SIGNING))
        with tray.open_ledger() as ledger:
            return (beat.ledger_head, beat.sequence, beat.undelivered) == (ledger.head(), 1, 1)

    until(told)


def test_the_link_is_told_what_to_fetch(tray: Tray) -> None:
    file = tray.folder / "spool" / "out" / "want.json"
    until(file.exists)
    assert msgspec.json.decode(file.read_bytes(), type=Want).feeds == ("base",)
    file.unlink()
    until(file.exists)


def test_a_tray_that_cannot_be_written_is_said_and_heals(tray: Tray) -> None:
    until(lambda: (tray.folder / "spool" / "out" / "want.json").exists())
    shutil.rmtree(tray.folder / "spool" / "out")
    (tray.folder / "spool" / "out").write_text("a file where a folder belongs")
    tray.enrolled().record(alert(1))
    until(lambda: tray.dispatch.fault is not None)
    (tray.folder / "spool" / "out").unlink()
    until(lambda: len(tray.files) == 1 and tray.dispatch.fault is None)
