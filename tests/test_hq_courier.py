"""Alerts that come to headquarters on a stick: the same checks as on the line, and receipts to bring back."""

from __future__ import annotations

import os
import shutil

import msgspec
import pytest

from failsafe.hq.courier import take_mail
from failsafe.sync import courier, envelope, seal
from failsafe.sync.errors import Missing
from failsafe.sync.mailbag import BOOTHS_FOLDER, export_folder
from failsafe.sync.records import encode
from failsafe.sync.reports import HEARTBEAT_FILE, Envelope, Receipt, alert_file, receipt_file
from failsafe.sync.spool import Spool
from tests.publishing import Desk as Headquarters
from tests.sending import AT, Booth, open_desk


@pytest.fixture
def hq(tmp_path):
    return Headquarters(tmp_path / "hq")


@pytest.fixture
def desk(hq):
    made = open_desk(hq)
    yield made
    made.close()


@pytest.fixture
def stick(tmp_path):
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


class Sender(Booth):
    """A booth with a spool, whose export is the real one."""

    def __init__(self, hq, folder, name="ZZ-ONE"):
        super().__init__(hq, folder, name)
        (self.folder / "out").mkdir()
        self.out = Spool(self.folder / "out")

    def queue(self, number):
        for _ in range(number):
            entry = self.alert()
            sealed = self.seal(entry)
            self.out.write(alert_file(sealed.urgency, entry.sequence, entry.body.id), encode(sealed))

    def export(self, stick):
        export_folder(self.out, stick, self.name)


@pytest.fixture
def sender(hq, tmp_path):
    return Sender(hq, tmp_path)


def receipts(stick):
    return {file.name: file.read_bytes() for file in (stick / "receipts").glob("*.json")}


def test_a_stick_brings_alerts_and_takes_receipts_back(desk, sender, stick):
    sender.queue(120)
    sender.out.write(HEARTBEAT_FILE, encode(sender.heartbeat(10, 300)))
    sender.export(stick)
    taken = take_mail(stick, desk, AT)
    assert (taken.receipts, taken.heartbeats, taken.refused) == (120, 1, {})
    for entry in sender.entries:
        receipt = msgspec.json.decode((stick / receipt_file(entry.body.id)).read_bytes(), type=Receipt)
        envelope.check_receipt(receipt, entry, sender.public)
    view = desk.list(1000, "")
    assert view.total == 120 and {line.chain for line in view.alerts} == {"whole"}


def test_the_same_stick_again_changes_nothing(desk, sender, stick):
    sender.queue(3)
    sender.export(stick)
    take_mail(stick, desk, AT)
    before = receipts(stick)
    shutil.rmtree(stick / "receipts")
    assert take_mail(stick, desk, AT).receipts == 3
    assert receipts(stick) == before and desk.list(1, "").total == 3


def test_what_came_by_the_line_already_gets_the_same_receipt_on_the_stick(desk, sender, stick):
    sender.queue(2)
    sender.export(stick)
    by_line = desk.take([sender.seal(entry) for entry in sender.entries], AT)
    take_mail(stick, desk, AT)
    assert receipts(stick) == {f"{one.id}.json": encode(one) for one in by_line.receipts}


def test_one_stick_for_many_booths(hq, desk, stick, tmp_path):
    senders = [Sender(hq, tmp_path, name) for name in ("ZZ-ONE", "ZZ-TWO", "ZZ-GONE")]
    for one in senders:
        one.queue(2)
        one.export(stick)
    senders[2].revoke()
    taken = take_mail(stick, desk, AT)
    assert taken.receipts == 4 and taken.refused == {"revoked": 2}
    assert {line.booth for line in desk.list(1, "").booths} == {"ZZ-ONE", "ZZ-TWO"}


def test_a_hostile_stick_harms_nothing(hq, desk, sender, stick, tmp_path):
    sender.queue(4)
    sender.export(stick)
    alerts = stick / BOOTHS_FOLDER / sender.name / "alerts"
    first, second, third, fourth = sorted(alerts.iterdir())
    first.write_bytes(b"{" * 1000)
    second.write_bytes(b"x" * 10_000_000)
    third.unlink()
    third.symlink_to(hq.home / "online" / "seal.key")
    os.mkfifo(alerts / "0-000000000009-01900000-0000-7000-8000-000000000009.json")
    (alerts / "..hidden").write_bytes(b"")
    thief = Sender(hq, tmp_path, "ZZ-THIEF")
    stolen = stick / BOOTHS_FOLDER / thief.name / "alerts"
    stolen.mkdir(parents=True)
    shutil.copy(fourth, stolen / fourth.name)
    (stick / BOOTHS_FOLDER / "no booth").mkdir()
    (stick / BOOTHS_FOLDER / "ZZ-LINK").symlink_to(hq.home)
    taken = take_mail(stick, desk, AT)
    assert taken.receipts == 1 and sum(taken.refused.values()) >= 3
    assert list(receipts(stick)) == [f"{sender.entries[3].body.id}.json"]
    assert desk.list(10, "").total == 1


@pytest.mark.parametrize("plain", [b"", b'{"sequence":1,"entry":"\xff"}', b'{"\xff":0}', b'{"sequence":' + 4000 * b"["])
def test_what_anybody_may_seal_for_headquarters_spoils_no_stick(desk, sender, stick, plain):
    """The sealing key is public: whoever has the stick may put text of their own among true alerts."""
    sender.queue(2)
    sender.export(stick)
    place, public = stick / BOOTHS_FOLDER / sender.name, sender.public.seal
    for purpose, about in (("alert", "01900000-0000-7000-8000-000000000009"), ("heartbeat", "2026-11-22T08:00:00Z")):
        box = seal.seal(plain, public, purpose=purpose, booth=sender.name, about=about)
        forged = Envelope(id=about, booth=sender.name, urgency="urgent", recipient=public.key_id, sealed=box)
        file = alert_file("urgent", 1, about) if purpose == "alert" else HEARTBEAT_FILE
        (place / file).write_bytes(encode(forged))
    taken = take_mail(stick, desk, AT)
    assert (taken.receipts, taken.heartbeats) == (2, 0) and sum(taken.refused.values()) == 2
    assert desk.list(10, "").total == 2


def test_receipts_are_not_written_through_a_link(desk, sender, stick, tmp_path):
    sender.queue(1)
    sender.export(stick)
    (tmp_path / "elsewhere").mkdir()
    (stick / "receipts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="link"):
        take_mail(stick, desk, AT)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (stick / "receipts").unlink()
    assert take_mail(stick, desk, AT).receipts == 1


def test_a_stick_without_any_booth_on_it(desk, stick):
    with pytest.raises(Missing, match="No booth"):
        take_mail(stick, desk, AT)


def test_a_stick_with_a_heartbeat_alone_goes_there_and_back(hq, desk, sender, stick):
    """A booth without a network and without a hit: its word that it is alive, and no refusal when it comes back."""
    sender.out.write(HEARTBEAT_FILE, encode(sender.heartbeat(1, 1)))
    sender.export(stick)
    taken = take_mail(stick, desk, AT)
    assert (taken.receipts, taken.heartbeats, taken.refused) == (0, 1, {})
    spool = sender.folder / "in"
    spool.mkdir()
    assert courier.import_folder(stick, Spool(spool), sender.name, out=sender.out) == courier.Carried()


def test_a_forged_heartbeat_is_counted_as_refused(hq, desk, sender, stick, tmp_path):
    other = Booth(hq, tmp_path, "ZZ-TWO")
    forged = msgspec.structs.replace(other.heartbeat(10, 5), booth=sender.name)
    sender.out.write(HEARTBEAT_FILE, encode(forged))
    sender.export(stick)
    taken = take_mail(stick, desk, AT)
    assert taken.heartbeats == 0 and taken.refused.total() == 1
    assert desk.list(1, "").booths[0].heard_at is None
