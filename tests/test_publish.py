"""From the register to a booth's mirror, with real keys on both sides."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil

import msgspec
import pytest

from failsafe.agent import keys as booth_keys
from failsafe.hq import courier, enrol
from failsafe.hq.enrol import EnrolmentRefused
from failsafe.hq.feeds import publish
from failsafe.hq.feeds.publish import PublishRefused
from failsafe.hq.feeds.register import BoothRefused, Register
from failsafe.hq.keyring.keys import HeadquartersError, RequestRefused
from failsafe.sync import courier as booth_courier
from failsafe.sync import intake, seal, trust
from failsafe.sync.errors import NotForThisBooth, Older, Shrunken, SyncError
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import (
    Enrolment,
    ListedDocument,
    Notice,
    PersonName,
    Statement,
    encode,
    key_file,
)
from failsafe.sync.shape import Entry, Restrictions
from failsafe.sync.spool import Spool
from tests.publishing import PASSPHRASE, Desk, now

DOCUMENT = ListedDocument(number="ZX0001", issuing_country="GE", document_type="passport", fraud_type="stolen")


def entry(number=1, restrictions=Restrictions(), **fields):  # noqa: B008 - frozen
    names = (PersonName(surname="ZORVEKARIO"),)
    return Entry(Notice(entity_id=f"2026/{number}", tier="red", names=names, **fields), restrictions)


def timestamp_version(hq):
    return json.loads(hq.held()["timestamp.json"])["signed"]["version"]


class Hq(Desk):
    """The desk with a register."""

    def __init__(self, home):
        super().__init__(home)
        self.register = Register.in_file(home / "register.sqlite")

    def publish_register(self, **options):
        return publish.publish(self.register, self.repository, now=now(), **options)

    def enrol(self, enrolment: Enrolment):
        return enrol.enrol(encode(enrolment), self.register, self.keys, self.repository, now=now())


class Booth:
    """A booth with its own keys and mirror, that takes what lies on a stick."""

    def __init__(self, folder, name="GE-ONE"):
        self.name = name
        self.folder = folder
        self.enrolment = booth_keys.make(folder / "keys", name, "GE")
        self.keys = booth_keys.load(folder / "keys")
        self.spool = Spool(folder / "in")
        (folder / "in").mkdir()
        (folder / "trust").mkdir()

    def mirror(self):
        return Mirror.open(self.folder / "mirror.db", self.keys.mirror)

    def take(self, stick, root):
        booth_courier.import_folder(stick, self.spool, self.name)
        reader = intake.Reader(self.name, ["base"], self.keys.sealing, root, self.folder / "trust")
        with self.mirror() as mirror:
            return intake.take(self.spool, mirror, {}, reader, lambda notice: ())

    def counts(self):
        with self.mirror() as mirror:
            return tuple(mirror.counts())[:2]

    def holds(self, entity_id):
        with self.mirror() as mirror:
            return mirror.notice(entity_id)


@pytest.fixture
def hq(tmp_path):
    made = Hq(tmp_path / "hq")
    yield made
    made.register.close()


@pytest.fixture
def booth(tmp_path, hq):
    made = Booth(tmp_path / "booth")
    hq.enrol(made.enrolment)
    return made


# --- the journey ---------------------------------------------------------------------------------------------


def test_what_is_imported_is_what_a_booth_holds(hq, booth):
    hq.register.take([entry(1, summary="Invented."), entry(2)], [DOCUMENT])
    outcome = hq.publish_register()
    assert (outcome.head.serial, outcome.head.count, outcome.head.removed, outcome.sealed) == (1, 3, 0, 1)
    booth.take(hq.public, hq.root())
    assert booth.counts() == (2, 1)
    assert booth.holds("2026/1") == entry(1, summary="Invented.").notice


def test_a_booth_follows_the_deltas(hq, booth):
    hq.register.take([entry(number) for number in range(300)])
    hq.publish_register()
    booth.take(hq.public, hq.root())
    hq.register.withdraw_notice("2026/7")
    hq.publish_register()
    hq.register.take([entry(8, summary="Changed.")])
    outcome = hq.publish_register()
    assert [(delta.base_serial, delta.serial) for delta in outcome.head.deltas] == [(2, 3), (1, 2)]
    assert outcome.delta_bytes < outcome.snapshot_bytes / 3
    for name in hq.spool.names("targets/feed/base/"):
        if name.endswith(".snapshot"):
            hq.spool.remove(name)  # so that only the deltas can have led there
    booth.take(hq.public, hq.root())
    assert booth.counts()[0] == 299
    assert booth.holds("2026/7") is None
    assert booth.holds("2026/8").summary == "Changed."


def test_nothing_changed_is_a_new_timestamp_only(hq, booth):
    hq.register.take([entry(1)])
    hq.publish_register()
    before = set(hq.spool.names())
    held = timestamp_version(hq)
    outcome = hq.publish_register()
    assert (outcome.head, outcome.sealed) == (None, 0)
    assert set(hq.spool.names()) == before
    assert timestamp_version(hq) == held + 1


def test_the_same_content_again_is_no_change(hq, booth):
    hq.register.take([entry(1)], [DOCUMENT])
    hq.publish_register()
    hq.register.take([entry(1)], [DOCUMENT])
    assert hq.publish_register().head is None


def test_no_name_is_readable_on_the_way(hq, booth):
    hq.register.take([entry(number) for number in range(5)], [DOCUMENT])
    hq.publish_register()
    for name in hq.spool.names():
        content = hq.spool.read(name, 2**20)
        assert b"ZORVEKARIO" not in content and b"ZX0001" not in content


def test_at_most_thirty_deltas(hq):
    for number in range(publish.MAX_DELTAS + 3):
        hq.register.take([entry(number)])
        head = hq.publish_register().head
    assert len(head.deltas) == publish.MAX_DELTAS
    named = {payload.path for payload in (head.snapshot, *head.deltas)}
    stored = {name.rpartition("/")[2].partition(".")[2] for name in hq.spool.names("targets/feed/base/")}
    assert {path.rpartition("/")[2] for path in named} <= stored


def test_notices_for_nobody_stay_at_headquarters(hq, booth):
    hq.register.take([entry(1), entry(2, Restrictions(allow=()))])
    assert hq.publish_register().supplements == ()
    booth.take(hq.public, hq.root())
    assert booth.holds("2026/1") and booth.holds("2026/2") is None


def test_an_expired_notice_is_taken_back_unasked(hq, booth):
    soon = (now() + dt.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    hq.register.take([entry(1, expires_at=soon), entry(2)])
    assert hq.publish_register().head.count == 2
    outcome = publish.publish(hq.register, hq.repository, now=now() + dt.timedelta(days=2))
    assert (outcome.head.count, outcome.head.removed) == (1, 1)


# --- an empty list, a restored register, a crash -------------------------------------------------------------


def test_an_empty_list_is_refused_with_the_way_out(hq, booth):
    with pytest.raises(PublishRefused) as refused:
        hq.publish_register()
    assert "failsafe-hq statement" in refused.value.advice
    assert hq.repository.head("base") is None


def test_a_signed_statement_lets_the_list_be_empty(hq, booth):
    hq.register.take([entry(1)])
    hq.publish_register()
    booth.take(hq.public, hq.root())
    hq.register.withdraw_notice("2026/1")
    with pytest.raises(PublishRefused):
        hq.publish_register()
    statement = publish.next_statement(hq.register, hq.repository, now=now())
    assert statement.may_shrink_at == (2,)
    hq.repository.sign_statement(statement, passphrase=PASSPHRASE, now=now())
    assert hq.publish_register().head.count == 0
    booth.take(hq.public, hq.root())
    assert booth.counts() == (0, 0)


def test_a_refused_publication_keeps_the_changes_for_the_next(hq, booth):
    hq.register.take([entry(1)])
    hq.publish_register()
    hq.register.withdraw_notice("2026/1")
    with pytest.raises(PublishRefused):
        hq.publish_register()
    hq.register.take([entry(2)])
    head = hq.publish_register().head
    assert (head.serial, head.count, head.removed) == (2, 1, 1)


def test_an_older_register_does_not_give_a_serial_out_twice(hq, booth, tmp_path):
    hq.register.take([entry(1)])
    hq.publish_register()
    shutil.copy(hq.home / "register.sqlite", tmp_path / "backup")
    hq.register.take([entry(2)])
    hq.publish_register()
    booth.take(hq.public, hq.root())
    hq.register.close()
    shutil.copy(tmp_path / "backup", hq.home / "register.sqlite")
    hq.register.take([entry(3)])
    with pytest.raises(PublishRefused, match="older copy") as refused:
        hq.publish_register()
    assert "--new-lineage" in refused.value.advice
    hq.repository.sign_statement(Statement(feed="base", lineage="lineage-2"), passphrase=PASSPHRASE, now=now())
    head = hq.publish_register().head
    assert (head.lineage, head.serial, head.deltas) == ("lineage-2", 1, ())
    booth.take(hq.public, hq.root())
    assert booth.holds("2026/3") and booth.holds("2026/2") is None


def test_a_bureau_without_its_key_records_nothing(hq, booth):
    hq.register.take([entry(1)])
    hq.publish_register()
    hq.register.take([entry(2)])
    key = hq.home / "online" / "bureau-main.pem"
    key.rename(hq.home / "away")
    with pytest.raises(HeadquartersError):
        hq.publish_register()
    (hq.home / "away").rename(key)
    head = hq.publish_register().head
    assert (head.serial, len(head.deltas)) == (2, 1)


def test_a_failure_after_the_register_costs_only_the_deltas(hq, booth):
    hq.register.take([entry(1)])
    hq.publish_register()
    booth.take(hq.public, hq.root())
    hq.register.take([entry(2)])
    hq.register.withdraw_notice("2026/1")
    place = hq.public / "keys" / "base" / "2"
    place.write_text("a file in a folder's place")
    with pytest.raises((SyncError, HeadquartersError)):
        hq.publish_register(new_epoch=True)
    assert hq.repository.head("base").serial == 1
    place.unlink()
    head = hq.publish_register().head
    assert (head.serial, head.count, head.removed, head.deltas) == (3, 1, 1, ())
    booth.take(hq.public, hq.root())
    assert booth.holds("2026/2") and booth.holds("2026/1") is None


class PowerCut(Register):
    """A register whose machine loses power when the publication is out and not yet noted."""

    def finish(self, head):
        raise KeyboardInterrupt


def test_a_crash_after_the_timestamp_never_repeats_a_serial(hq, booth):
    hq.register.take([entry(1)])
    dying = PowerCut.in_file(hq.home / "register.sqlite")
    with pytest.raises(KeyboardInterrupt):
        publish.publish(dying, hq.repository, now=now())
    dying.close()
    booth.take(hq.public, hq.root())
    assert hq.publish_register().head.serial == 2
    booth.take(hq.public, hq.root())
    assert hq.publish_register().head is None


def test_without_the_sealing_key_the_register_opens_nothing(hq, booth):
    hq.register.take([entry(1)])
    hq.publish_register()
    with hq.register.step("base", "lineage-1", "2026-11-21T00:00:00Z") as step:
        epoch = step.epoch()
    assert epoch is not None and len(epoch.sealed_key) > 1000
    (hq.home / "online" / "seal.key").write_bytes(seal.SealSecret.generate().secret)
    hq.register.take([entry(2)])
    with pytest.raises(PublishRefused, match="does not open"):
        hq.publish_register()
    assert hq.publish_register(new_epoch=True).head.epoch == 2


# --- booths come and go --------------------------------------------------------------------------------------


def test_a_booth_enrolled_later_gets_its_key_without_a_new_serial(hq, booth, tmp_path):
    hq.register.take([entry(1)])
    hq.publish_register()
    second = Booth(tmp_path / "second", "GE-TWO")
    with pytest.raises(NotForThisBooth):
        second.take(hq.public, hq.root())
    hq.enrol(second.enrolment)
    outcome = hq.publish_register()
    assert (outcome.head, outcome.sealed) == (None, 1)
    second.take(hq.public, hq.root())
    assert second.counts() == (1, 0)


class Noting(Spool):
    """A folder that notes in which order it is written."""

    def __init__(self, root):
        super().__init__(root, file_mode=0o644, folder_mode=0o755)
        self.written = []

    def write(self, name, content):
        self.written.append(name)
        return super().write(name, content)

    def write_many(self, folder, files):
        files = list(files)
        self.written += [f"{folder}/{name}" for name, _ in files]
        return super().write_many(folder, files)


def test_key_files_are_in_place_before_the_timestamp_that_needs_them(hq, booth):
    hq.register.take([entry(1)])
    hq.repository.public = noting = Noting(hq.public)
    hq.publish_register()
    assert noting.written[0] == key_file("base", 1, "GE-ONE")
    assert noting.written[-1] == "metadata/timestamp.json"


def test_a_revoked_booth_reads_nothing_more(hq, booth, tmp_path):
    other = Booth(tmp_path / "other", "GE-TWO")
    hq.enrol(other.enrolment)
    hq.register.take([entry(1)])
    hq.publish_register()
    for each in (booth, other):
        each.take(hq.public, hq.root())
    hq.register.revoke("GE-TWO", "2026-11-21T12:00:00Z")
    outcome = hq.publish_register()
    assert (outcome.head.serial, outcome.head.epoch, outcome.sealed) == (2, 2, 1)
    hq.register.take([entry(2)])
    hq.publish_register()
    booth.take(hq.public, hq.root())
    assert booth.holds("2026/2")
    with pytest.raises(NotForThisBooth):
        other.take(hq.public, hq.root())
    assert other.counts() == (1, 0)


def test_deltas_do_not_reach_back_into_an_older_epoch(hq, booth):
    for number in range(3):
        hq.register.take([entry(number)])
        hq.publish_register()
    head = hq.publish_register(new_epoch=True).head
    assert [delta.base_serial for delta in head.deltas] == [3]
    booth.take(hq.public, hq.root())
    assert booth.counts() == (3, 0)


def test_key_files_of_long_gone_epochs_are_removed(hq, booth):
    hq.register.take([entry(1)])
    for _ in range(4):
        hq.publish_register(new_epoch=True)
    assert hq.spool.names("keys/") == [key_file("base", epoch, "GE-ONE") for epoch in (3, 4)]


def test_an_older_publication_is_refused_after_a_newer(hq, booth, tmp_path):
    hq.register.take([entry(1)])
    hq.publish_register()
    hq.copy(tmp_path / "old")
    hq.register.take([entry(2)])
    hq.publish_register()
    booth.take(hq.public, hq.root())
    with pytest.raises(Older):
        booth.take(tmp_path / "old", hq.root())
    assert booth.counts() == (2, 0)


def test_a_booth_does_not_believe_an_empty_list_without_the_statement(hq, booth):
    """The desk refuses to make one; a stolen online key might."""
    hq.register.take([entry(1)])
    head = hq.publish_register().head
    booth.take(hq.public, hq.root())
    forged = msgspec.structs.replace(head, serial=2, count=0, removed=1, deltas=())
    hq.repository.publish(forged, {}, now=now())
    with pytest.raises(Shrunken):
        booth.take(hq.public, hq.root())
    assert booth.counts() == (1, 0)


# --- enrolment -----------------------------------------------------------------------------------------------


def test_the_welcome_is_what_the_booth_pins(hq, tmp_path):
    booth = Booth(tmp_path / "booth")
    _, welcome = hq.enrol(booth.enrolment)
    booth.spool.write("welcome.json", enrol.welcome_bytes(welcome))
    assert trust.root_from_welcome(booth.spool, welcome.root_sha256, "GE-ONE") == hq.root()
    assert hashlib.sha256(welcome.root).hexdigest() == welcome.root_sha256
    assert "BEGIN CERTIFICATE" in welcome.certificate and "BEGIN CERTIFICATE" in welcome.authority


def _proven(enrolment, folder, **changes):
    changed = msgspec.structs.replace(enrolment, **changes)
    secret = (folder / "keys" / "signing.key").read_bytes()
    return msgspec.structs.replace(changed, proof=seal.prove_enrolment(changed, secret))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"booth": "ge/one"}, "id"),
        ({"booth": "../KEYS"}, "id"),
        ({"country": "Georgia"}, "country"),
        ({"seal": seal.SealPublic(mlkem=b"short", x25519=b"short")}, "length"),
        ({"seal": seal.SealPublic(mlkem=b"\xff" * 1184, x25519=b"\x09" * 32)}, "sealed"),
    ],
)
def test_enrolments_that_are_proven_and_still_wrong(tmp_path, hq, changes, words):
    booth = Booth(tmp_path / "booth")
    with pytest.raises(EnrolmentRefused, match=words):
        hq.enrol(_proven(booth.enrolment, booth.folder, **changes))
    assert hq.register.booths() == []


@pytest.mark.parametrize("changes", [{"country": "MD"}, {"proof": b""}, {"booth": "GE-TWO"}, {"signing": b"\x01" * 32}])
def test_a_changed_enrolment_is_not_proven(tmp_path, hq, changes):
    booth = Booth(tmp_path / "booth")
    with pytest.raises(EnrolmentRefused, match="proof"):
        hq.enrol(msgspec.structs.replace(booth.enrolment, **changes))


def test_a_request_that_is_none(tmp_path, hq):
    booth = Booth(tmp_path / "booth")
    with pytest.raises(RequestRefused):
        hq.enrol(_proven(booth.enrolment, booth.folder, certificate_request="no request"))
    assert hq.register.booths() == []


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[]", b" " * (enrol.ENROLMENT_LIMIT + 1)])
def test_files_that_are_no_enrolment(content):
    with pytest.raises(EnrolmentRefused) as refused:
        enrol.read_enrolment(content)
    assert "failsafe keys init" in refused.value.advice


def test_the_fingerprint_tells_keys_apart(tmp_path):
    one, two = Booth(tmp_path / "one"), Booth(tmp_path / "two")
    assert enrol.fingerprint(one.enrolment) != enrol.fingerprint(two.enrolment)
    assert len(enrol.fingerprint(one.enrolment)) == 39


def test_a_copied_machine_is_not_enrolled(tmp_path, hq, booth):
    copy = _proven(booth.enrolment, booth.folder, booth="GE-TWO")
    with pytest.raises(BoothRefused, match="another booth"):
        hq.enrol(copy)


# --- by hand -------------------------------------------------------------------------------------------------


def test_a_stick_carries_everything_to_a_new_booth(hq, booth, tmp_path):
    hq.register.take([entry(1)])
    hq.publish_register()
    welcome = hq.register.booth("GE-ONE").welcome
    steps = []
    files = courier.export(hq.spool, tmp_path / "stick", welcome=welcome, progress=lambda *at: steps.append(at))
    assert steps[-1] == (files, files)
    booth.take(tmp_path / "stick", trust_root := hq.root())
    assert booth.counts() == (1, 0)
    assert trust.root_from_welcome(booth.spool, welcome.root_sha256, "GE-ONE") == trust_root


def test_a_stick_for_one_booth_has_no_other_booths_keys(hq, booth, tmp_path):
    hq.enrol(Booth(tmp_path / "other", "GE-TWO").enrolment)
    hq.register.take([entry(1)])
    hq.publish_register()
    stick = Spool(tmp_path / "stick")
    courier.export(hq.spool, stick.root, welcome=hq.register.booth("GE-ONE").welcome)
    assert stick.names("keys/") == [key_file("base", 1, "GE-ONE")]
    courier.export(hq.spool, stick.root, welcome=hq.register.booth("GE-TWO").welcome)
    assert stick.names("keys/") == [key_file("base", 1, "GE-ONE"), key_file("base", 1, "GE-TWO")]


def test_exporting_again_leaves_the_publication_and_what_is_not_ours(hq, booth, tmp_path):
    stick = Spool(tmp_path / "stick")
    (stick.root / "keys").mkdir(parents=True)
    mine = [stick.root / "holiday.json", stick.root / "keys" / "house.txt"]
    for file in mine:
        file.write_text("not headquarters'")
    for number in range(4):
        hq.register.take([entry(number)])
        hq.publish_register()
        courier.export(hq.spool, stick.root)
    assert all(file.read_text() == "not headquarters'" for file in mine)
    assert set(stick.names()) - {"holiday.json", "keys/house.txt"} == set(hq.spool.names())


def test_a_medium_that_refuses_is_said_so(hq, booth, tmp_path):
    hq.register.take([entry(1)])
    with pytest.raises(courier.CourierFault, match="Nothing is published"):
        courier.export(Spool(tmp_path / "booth"), tmp_path / "stick")
    hq.publish_register()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(courier.CourierFault, match="cannot be written"):
        courier.export(hq.spool, tmp_path / "file" / "stick")
