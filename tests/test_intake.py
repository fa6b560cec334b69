"""From a publication to the mirror, with a real headquarters: what is refused leaves the mirror as it was."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import msgspec
import pytest

from failsafe.agent import keys as booth_keys
from failsafe.agent.person import names
from failsafe.hq import enrol
from failsafe.hq.feeds import publish
from failsafe.hq.feeds.register import Register
from failsafe.sync import intake
from failsafe.sync.errors import (
    Expired,
    ForeignLineage,
    Missing,
    NotForThisBooth,
    Older,
    Shrunken,
    SyncError,
    Truncated,
    Unsigned,
)
from failsafe.sync.feed import Floor
from failsafe.sync.intake import Taken
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import ListedDocument, Notice, PersonName, Statement, encode, key_file
from failsafe.sync.seal import seal
from failsafe.sync.shape import Entry
from failsafe.sync.spool import Spool
from tests.publishing import PASSPHRASE, Desk, now

DOCUMENT = ListedDocument(number="ZX0001", issuing_country="GE", document_type="passport", fraud_type="stolen")


def entry(number: int, surname: str = "QUILLFEATHER") -> Entry:
    return Entry(Notice(entity_id=f"2026/{number}", tier="red", names=(PersonName(surname=surname, given="NOONE"),)))


class Hq(Desk):
    """Headquarters with a register of invented notices."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.register = Register.in_file(home / "register.sqlite")

    def put_out(self, *notices: Entry, listed=(), withdrawn=(), **options):
        self.register.take(notices, listed, withdrawn)
        return publish.publish(self.register, self.repository, now=now(), **options).head

    def enrol(self, enrolment):
        enrol.enrol(encode(enrolment), self.register, self.keys, self.repository, now=now())


class Booth:
    """A booth's mirror, and what it takes from a spool."""

    def __init__(self, folder: Path, name: str = "ZZ-TEST-01") -> None:
        self.name, self.folder = name, folder
        self.enrolment = booth_keys.make(folder / "keys", name, "ZZ")
        self.keys = booth_keys.load(folder / "keys")
        self.path = folder / "mirror.db"
        (folder / "trust").mkdir()

    def mirror(self) -> Mirror:
        return Mirror.open(self.path, self.keys.mirror)

    def take(self, spool: Spool, root: bytes, ledger=None, feeds=("base",)) -> Taken:
        reader = intake.Reader(self.name, feeds, self.keys.sealing, root, self.folder / "trust")
        with self.mirror() as mirror:
            return intake.take(spool, mirror, ledger or {}, reader, names.forms)

    def holds(self) -> tuple[object, ...]:
        """All that a refusal must leave as it is; and the mirror is whole."""
        with self.mirror() as mirror:
            mirror.check()
            return (mirror.floors(), mirror.held_metadata(), mirror.signed_at(), list(mirror.names()), mirror.counts())


@pytest.fixture
def hq(tmp_path):
    made = Hq(tmp_path / "hq")
    yield made
    made.register.close()


@pytest.fixture
def booth(tmp_path, hq) -> Booth:
    made = Booth(tmp_path / "booth")
    hq.enrol(made.enrolment)
    return made


@pytest.fixture
def fed(hq, booth) -> Booth:
    """The booth, after it has taken two notices and a listed document as serial 1."""
    hq.put_out(entry(1), entry(2), listed=[DOCUMENT])
    booth.take(hq.spool, hq.root())
    return booth


def refused(hq: Hq, booth: Booth, kind: type[SyncError], **options) -> SyncError:
    """The refusal of what lies in the public folder; the mirror is as before."""
    before = booth.holds()
    with pytest.raises(SyncError) as refusal:
        booth.take(options.pop("spool", hq.spool), hq.root(), **options)
    assert type(refusal.value) is kind, refusal.value
    assert refusal.value.advice and "QUILLFEATHER" not in str(refusal.value)
    assert booth.holds() == before
    return refusal.value


# --- what is taken -------------------------------------------------------------------------------------------


def test_the_first_take_fills_the_mirror_and_says_so(hq, booth):
    hq.put_out(entry(1), entry(2), listed=[DOCUMENT])
    taken = booth.take(hq.spool, hq.root())
    assert dict(taken.floors) == {"base": Floor(hq.repository.statement("base").lineage, 1, 3, 0)}
    assert taken.newer and abs(taken.signed_at - now().timestamp()) < 600
    with booth.mirror() as mirror:
        assert mirror.floors() == dict(taken.floors) and mirror.signed_at() == taken.signed_at
        assert mirror.held_metadata() == hq.held()
        assert tuple(mirror.counts())[:2] == (2, 1)
        assert {line.tokens for line in mirror.names()} == {"QUILLFEATHER NOONE"}
        assert mirror.listed("zx 0001") == (DOCUMENT,)


def test_a_delta_is_taken_without_the_snapshot(hq, fed):
    many = [entry(number) for number in range(3, 300)]
    hq.put_out(*many)
    fed.take(hq.spool, hq.root())
    head = hq.put_out(entry(1, "SOMEBODYELSE"), withdrawn=["2026/2"])
    assert head.deltas[0].length < head.snapshot.length
    for name in hq.spool.names("targets/feed/base/"):
        if name.endswith(".snapshot"):
            hq.spool.remove(name)
    taken = fed.take(hq.spool, hq.root())
    assert (taken.floors["base"].serial, taken.floors["base"].count, taken.floors["base"].removed) == (3, 299, 1)
    with fed.mirror() as mirror:
        assert mirror.notice("2026/2") is None
        assert mirror.notice("2026/1").names[0].surname == "SOMEBODYELSE"
        tokens = {line.tokens for line in mirror.names() if line.entity_id == "2026/1"}
        assert tokens == {"SOMEBODYELSE NOONE"}


def test_several_deltas_are_one_step(hq, fed):
    hq.put_out(*[entry(number) for number in range(3, 200)])
    fed.take(hq.spool, hq.root())
    for number in range(200, 203):
        hq.put_out(entry(number))
    assert fed.take(hq.spool, hq.root()).floors["base"].serial == 5
    with fed.mirror() as mirror:
        assert mirror.counts().notices == 202


def test_the_same_serial_under_a_newer_timestamp_is_only_younger(hq, fed):
    before = fed.holds()
    later = now() + dt.timedelta(seconds=30)
    hq.repository.touch_timestamp(now=later)
    taken = fed.take(hq.spool, hq.root())
    assert taken.newer and not taken.floors
    after = fed.holds()
    assert after[2] == later.timestamp() == taken.signed_at > before[2]
    assert after[1] != before[1] and (after[0], after[3:]) == (before[0], before[3:])


def test_the_same_publication_again_is_nothing(hq, fed):
    before = fed.holds()
    taken = fed.take(hq.spool, hq.root())
    assert not taken.newer and not taken.floors
    assert fed.holds() == before


def test_a_new_epoch_comes_with_a_new_key(hq, fed):
    head = hq.put_out(entry(3), new_epoch=True)
    assert head.epoch == 2
    fed.take(hq.spool, hq.root())
    with fed.mirror() as mirror:
        assert mirror.epochs() == {"base": 2} and mirror.counts().notices == 3


def test_what_a_wiped_mirror_takes_says_its_version_for_the_ledger_to_judge(hq, fed):
    with fed.mirror() as mirror:
        floors = mirror.floors()
        held = json.loads(mirror.held_metadata()["timestamp.json"])["signed"]
    fed.path.unlink()
    taken = fed.take(hq.spool, hq.root(), ledger=floors)
    assert taken.floors == floors and taken.newer
    assert taken.timestamp_version == held["version"]


# --- keys ----------------------------------------------------------------------------------------------------


def test_a_booth_that_was_not_enrolled_has_no_key(hq, booth, tmp_path):
    hq.put_out(entry(1))
    stranger = Booth(tmp_path / "stranger", "ZZ-TEST-02")
    told = refused(hq, stranger, NotForThisBooth)
    assert "epoch 1" in told.detail and "enrolled" in told.advice


def test_another_booths_key_file_does_not_open(hq, booth, tmp_path):
    other = Booth(tmp_path / "other", "ZZ-TEST-02")
    hq.enrol(other.enrolment)
    hq.put_out(entry(1))
    box = hq.spool.read(key_file("base", 1, "ZZ-TEST-02"), 10_000)
    hq.spool.write(key_file("base", 1, "ZZ-TEST-01"), box)
    refused(hq, booth, NotForThisBooth)
    assert other.take(hq.spool, hq.root()).floors


def test_a_key_that_the_head_does_not_commit_to(hq, booth):
    """Who can write the public folder can seal a key of their own to the booth; the signed head refuses it."""
    hq.put_out(entry(1))
    box = seal(bytes(32), booth.enrolment.seal, purpose="content-key", booth="ZZ-TEST-01", about="base/1")
    hq.spool.write(key_file("base", 1, "ZZ-TEST-01"), box)
    assert "commits to" in refused(hq, booth, NotForThisBooth).detail


def test_a_key_of_another_epoch(hq, fed):
    old = hq.spool.read(key_file("base", 1, "ZZ-TEST-01"), 10_000)
    hq.put_out(entry(3), new_epoch=True)
    hq.spool.write(key_file("base", 2, "ZZ-TEST-01"), old)
    refused(hq, fed, NotForThisBooth)


def test_a_key_file_that_is_far_too_long(hq, booth):
    hq.put_out(entry(1))
    hq.spool.write(key_file("base", 1, "ZZ-TEST-01"), bytes(9000))
    refused(hq, booth, Truncated)


# --- what is older, smaller or of elsewhere ------------------------------------------------------------------


def test_an_older_publication_is_refused_by_what_is_held(hq, fed, tmp_path):
    old = hq.copy(tmp_path / "old")
    hq.put_out(entry(3))
    fed.take(hq.spool, hq.root())
    refused(hq, fed, Older, spool=old)


def test_an_older_serial_is_refused_by_the_ledger_when_the_mirror_was_wiped(hq, fed, tmp_path):
    old = hq.copy(tmp_path / "old")
    hq.put_out(entry(3))
    floors = fed.take(hq.spool, hq.root()).floors
    fed.path.unlink()
    told = refused(hq, fed, Older, spool=old, ledger=floors)
    assert "serial 1" in told.detail and "2 was accepted" in told.detail
    assert fed.take(hq.spool, hq.root(), ledger=floors).floors == floors


def test_a_list_that_lost_notices_without_a_word(hq, fed):
    head = hq.repository.head("base")
    shrunk = msgspec.structs.replace(head, serial=2, count=2)
    hq.repository.publish(shrunk, {}, now=now())
    assert "lost notices" in refused(hq, fed, Shrunken).detail


def test_an_empty_list(hq, fed):
    empty = msgspec.structs.replace(hq.repository.head("base"), serial=2, count=0, removed=3)
    hq.repository.publish(empty, {}, now=now())
    refused(hq, fed, Shrunken)


def test_a_lineage_that_the_targets_do_not_name(hq, fed):
    foreign = msgspec.structs.replace(hq.repository.head("base"), serial=9, lineage="elsewhere")
    hq.repository.publish(foreign, {}, now=now())
    refused(hq, fed, ForeignLineage)


def test_a_head_that_says_another_number_than_its_payload(hq, fed):
    """The bureau's own error: the transaction is rolled back whole."""
    hq.register.take([entry(3)])
    honest = publish.publish(hq.register, hq.repository, now=now()).head
    hq.repository.publish(msgspec.structs.replace(honest, serial=3, count=9), {}, now=now())
    before = fed.holds()
    with pytest.raises(SyncError):
        fed.take(hq.spool, hq.root())
    assert fed.holds() == before


# --- files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "change", "kind"),
    [
        ("*.snapshot", lambda content: content[:-1], Truncated),
        ("*.snapshot", lambda content: content[:-1] + bytes([content[-1] ^ 1]), Truncated),
        ("*.snapshot", None, Missing),
        ("*.head.json", lambda content: content + b" ", Truncated),
        ("*.head.json", None, Missing),
        ("timestamp.json", None, Missing),
        ("timestamp.json", lambda content: content.replace(b'"sig":"', b'"sig":"00', 1), Unsigned),
    ],
)
def test_a_file_that_is_not_as_it_was_signed(hq, booth, pattern, change, kind):
    hq.put_out(entry(1), listed=[DOCUMENT])
    file = hq.file(pattern)
    content = file.read_bytes()
    if change is None:
        file.unlink()
    else:
        file.write_bytes(change(content))
    refused(hq, booth, kind)
    file.write_bytes(content)
    assert booth.take(hq.spool, hq.root()).floors["base"].count == 2


def test_a_publication_past_its_expiry(hq, fed):
    hq.repository.touch_timestamp(now=now() - dt.timedelta(days=400))
    refused(hq, fed, Expired)


def test_another_headquarters(hq, fed, tmp_path):
    """Everything signed and in order, by keys that this booth's root does not name."""
    desk = Desk(tmp_path / "elsewhere", ("elsewhere",))
    desk.publish(5)
    refused(hq, fed, Unsigned, spool=desk.spool)


# --- several feeds -------------------------------------------------------------------------------------------


def test_no_feed_is_taken_while_another_is_refused(hq, booth):
    """The first feed's transaction would keep the metadata, and the refused feed would count as fresh."""
    hq.repository.sign_statement(Statement(feed="extra", lineage="extra-1"), passphrase=PASSPHRASE, now=now())
    hq.put_out(entry(1))
    base = hq.repository.head("base")
    alone = msgspec.structs.replace(
        base, feed="extra", lineage="extra-1", snapshot=msgspec.structs.replace(base.snapshot, path="feed/extra/one")
    )
    content = hq.file("*.snapshot").read_bytes()
    hq.repository.publish(alone, {"feed/extra/one": content}, now=now())
    assert "extra" in refused(hq, booth, NotForThisBooth, feeds=("base", "extra")).detail
    assert booth.take(hq.spool, hq.root()).floors["base"].count == 1
