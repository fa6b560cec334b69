"""The outgoing tray over a real ledger and real folders: written again when wiped, emptied by true receipts only."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from failsafe.agent import tray
from failsafe.agent.recorder import Recorder
from failsafe.agent.tray import Tray
from failsafe.sync import envelope, seal
from failsafe.sync.errors import NotForThisBooth, Unsigned
from failsafe.sync.ledger import Ledger
from failsafe.sync.records import HqKeys, encode
from failsafe.sync.reports import (
    Alert,
    Body,
    ChainEntry,
    Envelope,
    FeedState,
    Finding,
    HealthChange,
    Heartbeat,
    Moment,
    PersonAsRead,
    Place,
    Receipt,
    Urgency,
    Want,
    receipt_file,
)
from failsafe.sync.seal import SealSecret
from failsafe.sync.spool import MAX_BYTES

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


class Booth:
    """A booth's ledger, recorder and outgoing tray in one folder, with headquarters' keys in the test's hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "spool" / "in").mkdir(parents=True)
        self.recorder = Recorder(self.open_ledger)
        self.recorder.start()
        self.tray = self.make_tray()

    def open_ledger(self) -> Ledger:
        return Ledger.open(self.folder / "ledger.db", KEY)

    def make_tray(self, signing: bytes = SIGNING) -> Tray:
        tray = Tray(
            self.folder / "spool",
            "ZZ-1",
            signing,
            self.open_ledger,
            self.recorder,
            self.heartbeat,
            lambda: Want(booth="ZZ-1", feeds=("base",), held=(FeedState(feed="base", lineage="one", serial=3),)),
            lambda: AT.wall,
        )
        tray.start()
        return tray

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

    def enrolled(self) -> Booth:
        assert self.recorder.submit(lambda ledger: ledger.keep_hq_keys(KEYS)).wait(PATIENCE_S)
        return self

    def record(self, body: Body) -> ChainEntry:
        kept: list[ChainEntry] = []
        assert self.recorder.submit(lambda ledger: kept.append(ledger.append(body))).wait(PATIENCE_S)
        self.tray.hurry()
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
def booth(tmp_path: Path) -> Iterator[Booth]:
    made = Booth(tmp_path)
    yield made
    made.tray.stop()
    made.recorder.stop()


def test_an_alert_lies_in_the_tray_sealed_for_headquarters(booth: Booth) -> None:
    entry = booth.enrolled().record(alert(1))
    until(lambda: len(booth.files) == 1)
    assert booth.opened(booth.files[0]) == entry
    assert booth.files[0].name == f"0-000000000001-{entry_id(1)}.json"
    content = booth.files[0].read_bytes()
    assert b"EXAMPLOV" not in content and b"GE1000003" not in content and b"notice_hit" not in content


def test_before_headquarters_keys_are_known_the_ledger_keeps_everything(booth: Booth) -> None:
    entry = booth.record(alert(1))
    until(lambda: (booth.folder / "spool" / "out" / "want.json").exists())
    assert booth.files == []
    booth.enrolled().tray.hurry()
    until(lambda: len(booth.files) == 1)
    assert booth.opened(booth.files[0]) == entry


def test_what_is_wiped_is_written_again_with_the_same_bytes(booth: Booth) -> None:
    booth.enrolled().record(alert(1))
    until(lambda: len(booth.files) == 1)
    before = booth.files[0].read_bytes()
    (booth.folder / "spool" / "out").rename(booth.folder / "wiped")  # at one stroke: the tray may write meanwhile
    until(lambda: len(booth.files) == 1)
    assert booth.files[0].read_bytes() == before


def test_a_restart_lays_out_the_same_bytes(booth: Booth) -> None:
    booth.enrolled().record(alert(1))
    until(lambda: len(booth.files) == 1)
    before = booth.files[0].read_bytes()
    booth.tray.stop()
    shutil.rmtree(booth.folder / "spool" / "out")
    booth.tray = booth.make_tray()
    until(lambda: len(booth.files) == 1)
    assert booth.files[0].read_bytes() == before


@pytest.mark.parametrize("when", ["running", "at the next start"])
def test_what_waits_is_sealed_anew_for_another_key_of_headquarters(booth: Booth, when: str) -> None:
    entries = [booth.enrolled().record(alert(1)), booth.record(alert(2))]
    until(lambda: len(booth.files) == 2)
    coming = SealSecret.generate()
    if when != "running":
        booth.tray.stop()
    newer = HqKeys(receipt=KEYS.receipt, seal=coming.public())
    assert booth.recorder.submit(lambda ledger: ledger.keep_hq_keys(newer)).wait(PATIENCE_S)
    if when != "running":
        booth.tray = booth.make_tray()

    def recipients() -> list[str]:
        found = []
        for file in booth.files:
            with suppress(FileNotFoundError):  # it has just been taken away
                found.append(msgspec.json.decode(file.read_bytes(), type=Envelope).recipient)
        return found

    until(lambda: recipients() == [coming.public().key_id] * 2)
    for file, entry in zip(booth.files, entries, strict=True):
        sealed = msgspec.json.decode(file.read_bytes(), type=Envelope)
        assert envelope.open_entry(sealed, coming, seal.signing_public(SIGNING)) == entry
        with pytest.raises(NotForThisBooth):
            envelope.open_entry(sealed, HQ, seal.signing_public(SIGNING))


def test_what_waits_is_signed_anew_by_the_booths_own_renewed_key(booth: Booth) -> None:
    entry = booth.enrolled().record(alert(1))
    until(lambda: len(booth.files) == 1)
    before = booth.files[0].read_bytes()
    booth.tray.stop()
    renewed = secrets.token_bytes(32)
    booth.tray = booth.make_tray(renewed)
    until(lambda: len(booth.files) == 1 and booth.files[0].read_bytes() != before)
    sealed = msgspec.json.decode(booth.files[0].read_bytes(), type=Envelope)
    assert envelope.open_entry(sealed, HQ, seal.signing_public(renewed)) == entry
    with pytest.raises(Unsigned):
        booth.opened(booth.files[0])


def test_receipts_of_a_former_key_count_while_headquarters_says_so(booth: Booth) -> None:
    entry = booth.enrolled().record(alert(1))
    until(lambda: len(booth.files) == 1)
    coming = HqKeys(receipt=seal.signing_public(secrets.token_bytes(32)), seal=KEYS.seal)
    assert booth.recorder.submit(lambda ledger: ledger.keep_hq_keys(coming)).wait(PATIENCE_S)
    booth.answer(entry)
    until(lambda: booth.tray.receipts.refused == 1)
    with_former = msgspec.structs.replace(coming, former_receipts=(KEYS.receipt,))
    assert booth.recorder.submit(lambda ledger: ledger.keep_hq_keys(with_former)).wait(PATIENCE_S)
    until(lambda: booth.files == [])
    assert booth.undelivered() == 0


def test_a_verified_receipt_and_nothing_else_empties_the_tray(booth: Booth) -> None:
    entry = booth.enrolled().record(alert(1))
    until(lambda: len(booth.files) == 1)
    booth.answer(entry)
    until(lambda: booth.files == [])
    assert booth.undelivered() == 0


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
    booth: Booth, secret: bytes, changes: dict[str, str]
) -> None:
    entry = booth.enrolled().record(alert(1))
    until(lambda: len(booth.files) == 1)
    booth.answer(entry, secret, **changes)
    until(lambda: booth.tray.receipts.refused == 1)
    assert len(booth.files) == 1 and booth.undelivered() == 1
    booth.answer(entry)  # the true one comes after all
    until(lambda: booth.files == [])


def test_a_receipt_full_of_noise_is_left_where_it_is(booth: Booth) -> None:
    entry = booth.enrolled().record(alert(1))
    place = booth.folder / "spool" / "in" / receipt_file(entry.body.id)
    place.parent.mkdir()
    place.write_bytes(secrets.token_bytes(100_000))
    second = booth.record(alert(2))
    until(lambda: len(booth.files) == 2)
    booth.answer(second)
    until(lambda: len(booth.files) == 1)
    assert place.exists() and booth.undelivered() == 1


def test_urgent_alerts_sort_before_routine_ones_and_health(booth: Booth) -> None:
    booth.enrolled().record(alert(1, "routine"))
    booth.record(HealthChange(id=entry_id(2), at=AT, place=PLACE, part="portal-1", was="OK", now="LATE"))
    booth.record(alert(3, "urgent"))
    until(lambda: len(booth.files) == 3)
    assert [booth.opened(file).sequence for file in booth.files] == [3, 1, 2]


def test_a_finding_goes_out_like_any_entry_and_leaves_with_its_receipt(booth: Booth) -> None:
    hit = booth.enrolled().record(alert(1, "urgent"))
    found = booth.record(Finding(id=entry_id(2), at=AT, place=PLACE, alerts=(hit.body.id,), text="Not the subject."))
    until(lambda: len(booth.files) == 2)
    assert booth.opened(booth.files[1]) == found and booth.files[1].name.startswith("1-"), "after what is urgent"
    booth.answer(found)
    until(lambda: len(booth.files) == 1)
    with booth.open_ledger() as ledger:
        (kept,) = ledger.findings([hit.body.id])
        assert kept.delivered_at == AT.wall


def test_a_foreign_file_in_the_tray_is_taken_away(booth: Booth) -> None:
    booth.enrolled().record(alert(1))
    until(lambda: len(booth.files) == 1)
    (booth.folder / "spool" / "out" / "alerts" / "left-over.json").write_text("{}")
    until(lambda: len(booth.files) == 1 and booth.files[0].name.startswith("0-"))


def test_what_the_trays_folder_cannot_tell_is_seen_with_the_next_whole_walk(
    booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tray, "_LOOKS_BETWEEN_WALKS", 2)
    booth.record(alert(1))
    booth.enrolled()
    until(lambda: len(booth.files) == 1)
    inner = booth.folder / "spool" / "out" / "alerts" / "inner"
    inner.mkdir()
    foreign = inner / "foreign.json"
    foreign.write_bytes(b"not ours")
    until(lambda: not foreign.exists())
    (kept,) = booth.files
    kept.unlink()
    until(lambda: booth.files == [kept])


def test_a_foreign_file_that_fills_the_tray_stops_neither_alerts_nor_the_word_to_the_link(booth: Booth) -> None:
    """Larger than the folder's quota (a file with holes): until it is gone, nothing else could be written."""
    booth.tray.stop()
    foreign = booth.folder / "spool" / "out" / "alerts" / f"0-000000000009-{entry_id(9)}.json"
    foreign.parent.mkdir(parents=True, exist_ok=True)
    with foreign.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    (booth.folder / "spool" / "out" / "want.json").unlink(missing_ok=True)
    booth.tray = booth.enrolled().make_tray()
    booth.record(alert(1))
    until(lambda: [file.name for file in booth.files] == [f"0-000000000001-{entry_id(1)}.json"])
    until(lambda: (booth.folder / "spool" / "out" / "want.json").exists())
    until(lambda: booth.tray.fault is None)


def test_a_heartbeat_says_what_the_ledger_holds(booth: Booth) -> None:
    booth.enrolled().record(alert(1))
    until(lambda: len(booth.files) == 1)
    booth.tray.beat()
    file = booth.folder / "spool" / "out" / "heartbeat.json"

    def told() -> bool:
        if not file.exists():
            return False
        wrapped = msgspec.json.decode(file.read_bytes(), type=Envelope)
        beat = envelope.open_heartbeat(wrapped, HQ, seal.signing_public(SIGNING))
        with booth.open_ledger() as ledger:
            return (beat.ledger_head, beat.sequence, beat.undelivered) == (ledger.head(), 1, 1)

    until(told)


def test_the_link_is_told_what_to_fetch(booth: Booth) -> None:
    file = booth.folder / "spool" / "out" / "want.json"
    until(file.exists)
    assert msgspec.json.decode(file.read_bytes(), type=Want).feeds == ("base",)
    file.unlink()
    until(file.exists)


def test_a_tray_that_cannot_be_written_is_said_and_heals(booth: Booth) -> None:
    until(lambda: (booth.folder / "spool" / "out" / "want.json").exists())
    shutil.rmtree(booth.folder / "spool" / "out")
    (booth.folder / "spool" / "out").write_text("a file where a folder belongs")
    booth.enrolled().record(alert(1))
    until(lambda: booth.tray.fault is not None)
    (booth.folder / "spool" / "out").unlink()
    until(lambda: len(booth.files) == 1 and booth.tray.fault is None)
