"""Alerts on a stick to headquarters and receipts back, and what a hostile stick can do at either end: nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from failsafe.agent.cli import failsafe
from failsafe.sync import courier, mailbag
from failsafe.sync.errors import Malformed, Missing, NotForThisBooth, SpoolFault, SyncError
from failsafe.sync.mailbag import Exported, Mail, export_folder, read_mail, write_receipts
from failsafe.sync.records import encode
from failsafe.sync.reports import Receipt, Want, alert_file, receipt_file
from failsafe.sync.spool import Spool
from tests import publishing
from tests.far_end import FarEnd


@pytest.fixture
def far(tmp_path: Path) -> FarEnd:
    return FarEnd(tmp_path)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    return tmp_path / "stick"


def read(stick: Path) -> tuple[list[Mail], list[tuple[str, SyncError]]]:
    refused: list[tuple[str, SyncError]] = []
    return list(read_mail(stick, lambda name, error: refused.append((name, error)))), refused


def receipt(entry_id: str, booth: str = "ZZ-ONE") -> Receipt:
    return Receipt(id=entry_id, booth=booth, digest="0" * 64, received_at="2026-11-21T12:00:00Z", signature=b"x" * 64)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# --- out of the booth --------------------------------------------------------------------------------------------


def test_all_that_waits_goes_urgent_first_and_stays_in_the_spool(far: FarEnd, stick: Path):
    far.fill(3)
    far.fill(1, urgent=True)
    far.out.write("heartbeat.json", encode(far.booth.heartbeat(1, 4)))
    far.out.write("want.json", encode(Want(booth="ZZ-ONE", feeds=("base",))))
    before = everything(far.out.root)
    seen: list[tuple[int, int]] = []
    assert export_folder(far.out, stick, "ZZ-ONE", lambda *told: seen.append(told)) == Exported(4, 0, True)
    assert everything(far.out.root) == before
    assert everything(stick / "booths" / "ZZ-ONE") == before
    assert seen == [(done, 6) for done in range(1, 7)]


def test_a_stick_that_is_pulled_out_early_has_the_urgent_one(far: FarEnd, stick: Path):
    far.fill(3)
    (urgent,) = far.fill(1, urgent=True)

    def pull(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_folder(far.out, stick, "ZZ-ONE", pull)
    assert list(everything(stick)) == [f"booths/ZZ-ONE/{urgent}"]
    assert export_folder(far.out, stick, "ZZ-ONE") == Exported(3, 1, False)


def test_a_booth_with_nothing_to_say_makes_an_empty_stick(far: FarEnd, stick: Path):
    assert export_folder(far.out, stick, "ZZ-ONE") == Exported()
    assert everything(stick) == {}


def test_faults_of_an_export(far: FarEnd, stick: Path, tmp_path: Path):
    far.fill(1)
    with pytest.raises(Malformed):
        export_folder(far.out, stick, "../other")
    with pytest.raises(SpoolFault):
        export_folder(Spool(tmp_path / "nowhere"), stick, "ZZ-ONE")
    stick.write_bytes(b"a file where the stick should be")
    with pytest.raises(SpoolFault):
        export_folder(far.out, stick, "ZZ-ONE")


def test_an_export_follows_no_link_on_the_stick(far: FarEnd, stick: Path, tmp_path: Path):
    far.fill(1)
    (tmp_path / "elsewhere").mkdir()
    stick.mkdir()
    (stick / "booths").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Malformed):
        export_folder(far.out, stick, "ZZ-ONE")
    assert everything(tmp_path / "elsewhere") == {}


# --- into headquarters -------------------------------------------------------------------------------------------


def test_two_booths_share_a_stick(far: FarEnd, stick: Path):
    names = far.fill(2) + far.fill(1, urgent=True)
    far.out.write("heartbeat.json", encode(far.booth.heartbeat(1, 4)))
    export_folder(far.out, stick, "ZZ-ONE")
    shutil.copytree(stick / "booths" / "ZZ-ONE", stick / "booths" / "ZZ-TWO")
    mail, refused = read(stick)
    assert [(one.kind, one.name) for one in mail] == [
        *(("alert", f"booths/ZZ-ONE/{name}") for name in sorted(names)),
        ("heartbeat", "booths/ZZ-ONE/heartbeat.json"),
    ]
    assert mail[0].envelope.urgency == "urgent"
    assert {type(error) for _, error in refused} == {NotForThisBooth}
    assert len(refused) == 4


def test_nothing_on_a_stick(stick: Path):
    with pytest.raises(Missing):
        read(stick)
    stick.mkdir()
    with pytest.raises(Missing):
        read(stick)
    (stick / "booths" / "not a booth").mkdir(parents=True)
    (stick / "booths" / "ZZ-FILE").write_bytes(b"")
    with pytest.raises(Missing):
        read(stick)


def test_a_hostile_stick_is_passed_over_file_by_file(far: FarEnd, stick: Path, tmp_path: Path):
    good = far.fill(1)[0]
    export_folder(far.out, stick, "ZZ-ONE")
    alerts = stick / "booths" / "ZZ-ONE" / "alerts"
    content = (alerts.parent / good).read_bytes()

    def name(number: int) -> Path:
        entry_id = f"00000000-0000-0000-0000-{number:012d}"
        return stick / "booths" / "ZZ-ONE" / alert_file("routine", number, entry_id)

    name(1).write_bytes(b"\x00" * (mailbag.ENVELOPE_LIMIT + 1))
    name(2).write_bytes(b"[" * 100_000)
    name(3).write_bytes(content)  # another id inside than outside
    name(4).write_bytes(content.replace(b'"urgency"', b'"unknown"'))
    name(5).symlink_to("/etc/passwd")
    os.mkfifo(name(6))
    name(7).mkdir()
    (alerts / ("n" * 200)).write_bytes(content)
    (alerts / "odd\nname.json").write_bytes(content)
    (stick / "booths" / "ZZ-TWO").symlink_to(tmp_path)
    (stick / "booths" / "ZZ-ONE" / "heartbeat.json").write_bytes(b"{}")
    mail, refused = read(stick)
    assert [one.name for one in mail] == [f"booths/ZZ-ONE/{good}"]
    assert [path.rpartition("-")[2] for path, _ in refused[:-1]] == [f"{number:012d}.json" for number in (1, 2, 3, 4)]
    assert refused[-1][0] == "booths/ZZ-ONE/heartbeat.json"
    for _, error in refused:
        assert "ZORVEKARIO" not in str(error) and error.advice


@pytest.mark.parametrize("place", ["booths", "booths/ZZ-ONE", "booths/ZZ-ONE/alerts"])
def test_a_link_in_place_of_a_folder_is_not_followed(far: FarEnd, stick: Path, tmp_path: Path, place: str):
    far.fill(2)
    export_folder(far.out, stick, "ZZ-ONE")
    (stick / place).rename(tmp_path / "moved")
    (stick / place).symlink_to(tmp_path / "moved")
    try:
        mail, _ = read(stick)
    except Missing:
        mail = []
    assert mail == []


@pytest.mark.parametrize(
    ("made", "chosen", "advice"),
    [
        ("", "", "folder that holds `booths`"),
        ("", "not there", "that `failsafe courier export` was given"),
        ("booths/", "", "export again"),
        ("booths/ZZ-ONE/", "booths", "the folder above"),
        ("booths/ZZ-ONE/", "booths/ZZ-ONE", "the folder above"),
        ("booths", "", "Move it off the medium"),
        ("metadata/", "", "folder that holds `booths`"),
    ],
)
def test_what_to_do_about_a_medium_without_mail(stick: Path, made: str, chosen: str, advice: str):
    stick.mkdir()
    if made.endswith("/"):
        (stick / made).mkdir(parents=True)
    elif made:
        (stick / made).write_bytes(b"a file of somebody")
    with pytest.raises(Missing) as refused:
        read(stick / chosen)
    assert advice in refused.value.advice


def test_a_link_where_the_booths_belong_is_said(stick: Path, tmp_path: Path):
    stick.mkdir()
    (stick / "booths").symlink_to(tmp_path)
    with pytest.raises(Missing, match="A link stands"):
        read(stick)


# --- there and back ----------------------------------------------------------------------------------------------


def test_a_whole_round_by_stick(far: FarEnd, stick: Path):
    names = far.fill(3)
    export_folder(far.out, stick, "ZZ-ONE")
    mail, _ = read(stick)
    answer = far.desk.take([one.envelope for one in mail], publishing.now())
    assert write_receipts(stick, answer.receipts) == 3
    assert write_receipts(stick, answer.receipts) == 0, "what is there is not written again"
    carried = courier.import_folder(stick, far.spool_in, "ZZ-ONE", out=far.out)
    assert (carried.receipts, carried.metadata, carried.targets) == (3, 0, 0)
    for entry, name in zip(far.booth.entries, names, strict=True):
        held = msgspec.json.decode(far.spool_in.read(receipt_file(entry.body.id), 4096), type=Receipt)
        assert held.digest == entry.digest() and far.out.holds(name)


def test_a_stick_whose_receipts_have_all_been_taken_is_no_fault(far: FarEnd, stick: Path):
    """It was brought twice, or a line was there meanwhile: nothing is missing, so nothing is said to be."""
    stick.mkdir()
    write_receipts(stick, [receipt("00000000-0000-0000-0000-000000000001")])
    assert courier.import_folder(stick, far.spool_in, "ZZ-ONE", out=far.out) == courier.Carried()
    with pytest.raises(Missing):  # without a tray no receipts are looked for, and there is nothing else
        courier.import_folder(stick, far.spool_in, "ZZ-ONE")


def test_a_stick_that_has_not_been_at_headquarters_says_where_to_go_first(far: FarEnd, stick: Path):
    far.fill(1)
    export_folder(far.out, stick, "ZZ-ONE")
    with pytest.raises(Missing) as refused:
        courier.import_folder(stick, far.spool_in, "ZZ-ONE", out=far.out)
    assert "failsafe-hq courier import" in refused.value.advice
    write_receipts(stick, ())  # headquarters had nothing to receipt: a heartbeat alone, or nothing that it believed
    assert courier.import_folder(stick, far.spool_in, "ZZ-ONE", out=far.out) == courier.Carried()


def test_only_receipts_for_what_waits_are_taken(far: FarEnd, stick: Path, tmp_path: Path):
    far.fill(5)
    ids = [entry.body.id for entry in far.booth.entries]
    stick.mkdir()
    write_receipts(stick, [receipt(ids[0]), receipt("00000000-0000-0000-0000-000000000001")])
    place = stick / "receipts"
    (place / f"{ids[1]}.json").write_bytes(encode(receipt(ids[1], "ZZ-TWO")))
    (place / f"{ids[2]}.json").write_bytes(encode(receipt(ids[2])) + b" " * 5000)
    (place / f"{ids[3]}.json").write_bytes(encode(receipt(ids[0])))
    (tmp_path / "elsewhere").write_bytes(encode(receipt(ids[4])))
    (place / f"{ids[4]}.json").symlink_to(tmp_path / "elsewhere")
    (place / "very odd name.json").write_bytes(b"x")
    assert courier.import_folder(stick, far.spool_in, "ZZ-ONE", out=far.out).receipts == 1
    assert far.spool_in.names("receipts/") == [receipt_file(ids[0])]


def test_without_the_outgoing_folder_no_receipt_is_taken(far: FarEnd, stick: Path):
    far.fill(1)
    stick.mkdir()
    write_receipts(stick, [receipt(far.booth.entries[0].body.id)])
    with pytest.raises(Missing):
        courier.import_folder(stick, far.spool_in, "ZZ-ONE")


def test_receipts_whose_envelope_is_gone_are_cleared_away(far: FarEnd, stick: Path):
    names = far.fill(2)
    ids = [entry.body.id for entry in far.booth.entries]
    stick.mkdir()
    write_receipts(stick, map(receipt, ids))
    courier.import_folder(stick, far.spool_in, "ZZ-ONE", out=far.out)
    far.out.remove(names[0])  # as the core does when it has verified the receipt
    courier.import_folder(stick, far.spool_in, "ZZ-ONE", out=far.out)
    assert far.spool_in.names("receipts/") == [receipt_file(ids[1])]


def test_a_link_in_place_of_the_receipts_is_refused(far: FarEnd, stick: Path, tmp_path: Path):
    far.fill(1)
    stick.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (stick / "receipts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Malformed):
        courier.import_folder(stick, far.spool_in, "ZZ-ONE", out=far.out)
    with pytest.raises(Malformed):
        write_receipts(stick, [receipt(far.booth.entries[0].body.id)])
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_commands_of_a_booth(far: FarEnd, stick: Path, tmp_path: Path):
    far.fill(2)
    config = tmp_path / "booth.toml"
    config.write_text(
        '[booth]\nid = "ZZ-ONE"\ncountry = "ZZ"\ncrossing_point = "Invented Gate"\n'
        f'[folders]\nspool = "{tmp_path / "spool"}"\n[[lanes]]\nname = "1"\nradiation = "none"\n'
    )
    done = CliRunner().invoke(failsafe, ["courier", "export", "--config", str(config), str(stick)])
    assert done.exit_code == 0 and "2 new alerts" in done.output
    mail, _ = read(stick)
    write_receipts(stick, far.desk.take([one.envelope for one in mail], publishing.now()).receipts)
    done = CliRunner().invoke(failsafe, ["courier", "import", "--config", str(config), str(stick)])
    assert done.exit_code == 0 and "2 files" in done.output
    assert len(far.spool_in.names("receipts/")) == 2
