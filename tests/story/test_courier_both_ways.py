"""Where there is no network at all: alerts out and receipts back by stick, by the commands that people use.

The stick is trusted by nobody: what somebody else has put on it, or changed on it, does no harm at either end.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from failsafe.agent import keys as booth_keys
from failsafe.agent.demo.house import BOOTH, DemoFailed
from failsafe.hq.keyring.keys import KeyStore
from failsafe.sync import envelope
from failsafe.sync.mailbag import BOOTHS_FOLDER
from failsafe.sync.records import WELCOME_FILE, encode
from failsafe.sync.reports import (
    ALERTS_FOLDER,
    RECEIPTS_FOLDER,
    Alert,
    ChainEntry,
    Envelope,
    Moment,
    Place,
    Receipt,
    alert_file,
)
from tests.story.both_ends import BothEnds, check_same
from tests.story.conftest import NEIGHBOUR
from tests.story.journey import Journey, await_true


@pytest.fixture(scope="module")
def house(founded: Journey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothEnds]:
    """A booth without any line; headquarters is not even running."""
    begun = BothEnds.begin(founded, tmp_path_factory.mktemp("courier"))
    try:
        begun.plug_in()
        begun.start_core()
        begun.await_ready()
        yield begun
    finally:
        begun.end()


@pytest.fixture
def booth(house: BothEnds, tmp_path: Path) -> BothEnds:
    """Nothing waits."""
    settle(house, tmp_path / "before")
    return house


def settle(booth: BothEnds, sticks: Path) -> None:
    """Everything that waits is carried to headquarters, and its receipts back.

    A part of the booth may change its health at any time, so this is done until nothing waits.
    """
    for number in range(5):
        carried = waiting_ids(booth)
        if not carried:
            return
        stick = sticks / f"round-{number}"
        booth.await_laid_out(carried)
        booth.booth("courier", "export", str(stick))
        booth.hq("courier", "import", str(stick))
        booth.booth("courier", "import", str(stick))
        await_taken(booth, carried)
    raise AssertionError("the booth's health does not come to rest")


def await_taken(booth: BothEnds, ids: set[str]) -> None:
    """Return once the core has taken the receipts of these."""
    await_true(lambda: not ids & (booth.ids_laid_out() | waiting_ids(booth)), "receipts taken")


def waiting_ids(booth: BothEnds) -> set[str]:
    with booth.open_ledger() as ledger:
        return {one.id for one in ledger.waiting()}


# --- there and back ----------------------------------------------------------------------------------------------


def test_alerts_go_out_and_receipts_come_back(booth: BothEnds, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    raised = booth.raise_alerts(4) | {alert["id"] for alert in booth.meet_thief()["alerts"]}
    booth.await_laid_out(raised)
    booth.booth("courier", "export", str(stick))
    assert raised <= booth.ids_laid_out(), "an export deletes nothing"
    assert booth.status()["ledger"]["undelivered"] >= len(raised)
    assert not raised & set(booth.arrived().alerts)

    carried = len(list((stick / BOOTHS_FOLDER / BOOTH / ALERTS_FOLDER).iterdir()))
    assert f"{carried} alerts are receipted" in booth.hq("courier", "import", str(stick))
    again = booth.hq("courier", "import", str(stick))
    assert f"{carried} alerts are receipted" in again, "the same receipts, for the same alerts"
    assert raised <= set(booth.arrived().alerts)
    assert booth.status()["ledger"]["undelivered"] >= len(raised), "only a receipt at the booth ends it"

    booth.booth("courier", "import", str(stick))
    await_taken(booth, raised)
    booth.booth("courier", "import", str(stick))  # once too often: nothing waits for these receipts any more
    booth.hq("courier", "import", str(stick))
    assert_same(booth, raised, tmp_path)


def test_a_stick_visits_late_and_in_the_wrong_order(booth: BothEnds, tmp_path: Path) -> None:
    """The second stick overtakes the first: a gap shows, and closes when the first arrives."""
    early, late = tmp_path / "early", tmp_path / "late"
    first = booth.raise_alerts(2)
    booth.await_laid_out(first)
    booth.booth("courier", "export", str(early))
    second = booth.raise_alerts(2)
    booth.await_laid_out(second)
    booth.booth("courier", "export", str(late))
    for file in (late / BOOTHS_FOLDER / BOOTH / ALERTS_FOLDER).iterdir():
        if file.name[len("0-000000000000-") : -len(".json")] in first:
            file.unlink()
    booth.hq("courier", "import", str(late))
    chains = {line.alert.id: line.chain for line in booth.arrived().view.alerts}
    assert {chains[one] for one in second} == {"whole", "gap before"}
    booth.booth("courier", "import", str(late))
    await_taken(booth, second)
    assert first <= booth.ids_laid_out()
    booth.hq("courier", "import", str(early))
    booth.booth("courier", "import", str(early))
    await_taken(booth, first)
    assert_same(booth, first | second, tmp_path)


def test_a_publication_and_receipts_on_one_stick(booth: BothEnds, tmp_path: Path) -> None:
    """The courier brings both at once, and the core takes both."""
    stick = tmp_path / "stick"
    raised = booth.raise_alerts(2)
    booth.await_laid_out(raised)
    booth.booth("courier", "export", str(stick))
    booth.hq("courier", "import", str(stick))
    before = booth.status()["mirror"]["feeds"]["base"]["serial"]
    notice = {"entity_id": "2026/91777", "notice_type": "GREEN", "name": "THIRDOV", "forename": "STICKBEK"}
    purposes = ["Warning about a person's criminal activities; possible threat to public safety"]
    booth.take_notices([{**notice, "date_of_birth": "1982/01/30", "nationalities": ["UT"], "purposes": purposes}])
    booth.hq("publish")
    booth.hq("courier", "export", str(stick))
    booth.booth("courier", "import", str(stick))
    await_taken(booth, raised)
    booth.await_status(lambda status: status["mirror"]["feeds"]["base"]["serial"] > before, "the newer serial")
    assert_same(booth, raised, tmp_path)


# --- a hostile stick at headquarters -----------------------------------------------------------------------------


def test_a_hostile_stick_at_headquarters(booth: BothEnds, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    raised = booth.raise_alerts(3)
    booth.await_laid_out(raised)
    booth.booth("courier", "export", str(stick))
    own = stick / BOOTHS_FOLDER / BOOTH
    good = next(iter(sorted((own / ALERTS_FOLDER).iterdir())))
    for stranger in (NEIGHBOUR, "NOBODY-1"):
        shutil.copytree(own, stick / BOOTHS_FOLDER / stranger)
    (stick / BOOTHS_FOLDER / "ZZ-LINKED").symlink_to(own)
    for name in ("lower-case", "X" * 200):
        shutil.copytree(own, stick / BOOTHS_FOLDER / name)
    alter(good, own / ALERTS_FOLDER)
    put_rubbish(own / ALERTS_FOLDER, tmp_path / "elsewhere.json")

    before = tree(booth.folder / "hq")
    assert "Traceback" not in booth.hq("courier", "import", str(stick))
    arrived = booth.arrived()
    assert raised <= set(arrived.alerts)
    assert {line.alert.place.booth for line in arrived.view.alerts} == {BOOTH}
    assert tree(booth.folder / "hq") == before, "no file came, went or was renamed at headquarters"
    assert (tmp_path / "elsewhere.json").read_text() == "untouched"
    receipts = sorted(file.stem for file in (stick / RECEIPTS_FOLDER).iterdir())
    assert raised <= set(receipts) <= {one.name[15:-5] for one in (own / ALERTS_FOLDER).iterdir()}
    booth.booth("courier", "import", str(stick))
    await_taken(booth, raised)
    assert_same(booth, raised, tmp_path)


def put_rubbish(folder: Path, elsewhere: Path) -> None:
    """Everything but an envelope under names of envelopes, and names that no envelope has."""
    elsewhere.write_text("untouched")
    name = "0-{0:012}-{0:08x}-0000-4000-8000-000000000000.json".format
    (folder / name(900_001)).symlink_to(elsewhere)
    (folder / name(900_002)).symlink_to("/proc/self/environ")
    os.mkfifo(folder / name(900_003))
    (folder / name(900_004)).mkdir()
    with (folder / name(900_005)).open("wb") as huge:
        huge.truncate(2**34)
    (folder / name(900_006)).write_bytes(b"[" * 100_000)
    (folder / name(900_007)).write_bytes(b"")
    (folder / ("0-" + "9" * 240)).write_bytes(b"{}")
    (folder / "new\nline $(reboot).json").write_bytes(b"{}")
    (folder / os.fsdecode(b"\xff\xfe.json")).write_bytes(b"{}")


def alter(good: Path, folder: Path) -> None:
    """Genuine envelopes with one thing changed: the id, the sealed content, the booth."""
    genuine = msgspec.json.decode(good.read_bytes(), type=Envelope)
    for number, changes in enumerate(
        (
            {"id": str(uuid.uuid4())},
            {"id": str(uuid.uuid4()), "sealed": genuine.sealed[::-1]},
            {"id": str(uuid.uuid4()), "booth": NEIGHBOUR},
        )
    ):
        changed = msgspec.structs.replace(genuine, **changes)
        (folder / Path(alert_file("urgent", 800_000 + number, changed.id)).name).write_bytes(encode(changed))


def tree(folder: Path) -> set[str]:
    """Names below headquarters' folder, without the databases' own companions."""
    found = {str(file.relative_to(folder)) for file in folder.rglob("*")}
    return {name for name in found if not name.startswith("desk.sqlite")}


def test_receipts_are_written_nowhere_else(booth: BothEnds, tmp_path: Path) -> None:
    """A stick whose folder of receipts points into headquarters' own machine."""
    stick, elsewhere = tmp_path / "stick", tmp_path / "elsewhere"
    elsewhere.mkdir()
    raised = booth.raise_alerts(1)
    booth.await_laid_out(raised)
    booth.booth("courier", "export", str(stick))
    (stick / RECEIPTS_FOLDER).symlink_to(elsewhere)
    with pytest.raises(DemoFailed) as said:
        booth.hq("courier", "import", str(stick))
    assert "Traceback" not in str(said.value)
    assert not list(elsewhere.iterdir())
    (stick / RECEIPTS_FOLDER).unlink()
    booth.hq("courier", "import", str(stick))
    booth.booth("courier", "import", str(stick))
    await_taken(booth, raised)
    assert_same(booth, raised, tmp_path)


def test_another_booths_bundle_on_the_same_stick(booth: BothEnds, founded: Journey, tmp_path: Path) -> None:
    """Each booth's alerts count as its own, and each takes only its own receipts back."""
    stick = tmp_path / "stick"
    raised = booth.raise_alerts(2)
    booth.await_laid_out(raised)
    booth.booth("courier", "export", str(stick))
    theirs = neighbours_alert(founded.folder / "neighbour-keys", booth.folder / "hq", stick)
    booth.hq("courier", "import", str(stick))
    at_hq = {line.alert.id: line.alert.place.booth for line in booth.arrived().view.alerts}
    assert at_hq[theirs] == NEIGHBOUR and {at_hq[one] for one in raised} == {BOOTH}
    assert (stick / RECEIPTS_FOLDER / f"{theirs}.json").is_file()
    shutil.copy(founded.folder / f"{NEIGHBOUR}.welcome.json", stick / WELCOME_FILE)
    welcome = (booth.folder / "spool" / "in" / WELCOME_FILE).read_bytes()
    booth.booth("courier", "import", str(stick))
    await_taken(booth, raised)
    assert not (booth.receipts / f"{theirs}.json").exists()
    assert (booth.folder / "spool" / "in" / WELCOME_FILE).read_bytes() == welcome


def neighbours_alert(keys: Path, hq: Path, stick: Path) -> str:
    """An alert of the other booth, genuine, put on the stick as its own export does; its id."""
    place = Place(booth=NEIGHBOUR, country="ZZ", crossing_point="Southgate", lane="1")
    body = Alert(
        id=str(uuid.uuid4()),
        kind="radiation_alarm",
        urgency="routine",
        at=Moment(wall="2026-11-21T12:00:00.000Z", monotonic_s=1.0, trusted=True),
        place=place,
        verdict="STOP",
    )
    entry = ChainEntry(sequence=1, previous="0" * 64, body=body)
    sealed = envelope.close(entry, "routine", NEIGHBOUR, booth_keys.load(keys).signing, KeyStore.open(hq).hq_keys())
    file = stick / BOOTHS_FOLDER / NEIGHBOUR / alert_file("routine", 1, body.id)
    file.parent.mkdir(parents=True)
    file.write_bytes(encode(sealed))
    return body.id


# --- a hostile stick at the booth --------------------------------------------------------------------------------


def other_digest(receipt: Receipt) -> bytes:
    return encode(msgspec.structs.replace(receipt, digest="0" * 64))


def own_signature(receipt: Receipt) -> bytes:
    return encode(envelope.sign_receipt(receipt, bytes(32)))


def other_time(receipt: Receipt) -> bytes:
    return encode(msgspec.structs.replace(receipt, received_at="2026-01-01T00:00:00Z"))


def no_signature(receipt: Receipt) -> bytes:
    return encode(msgspec.structs.replace(receipt, signature=b""))


@pytest.mark.parametrize("forge", [other_digest, own_signature, other_time, no_signature])
def test_a_forged_receipt(booth: BothEnds, tmp_path: Path, forge: Callable[[Receipt], bytes]) -> None:
    stick = tmp_path / "stick"
    raised = booth.raise_alerts(1)
    booth.await_laid_out(raised)
    booth.booth("courier", "export", str(stick))
    booth.hq("courier", "import", str(stick))
    genuine = {file: file.read_bytes() for file in (stick / RECEIPTS_FOLDER).iterdir()}
    for file, content in genuine.items():
        file.write_bytes(forge(msgspec.json.decode(content, type=Receipt)))
    said = booth.log().count('event="receipt refused"')
    booth.booth("courier", "import", str(stick))
    await_true(lambda: booth.log().count('event="receipt refused"') >= said + len(genuine), "refused receipts")
    assert raised <= booth.ids_laid_out()
    for file, content in genuine.items():
        file.write_bytes(content)
    booth.booth("courier", "import", str(stick))
    await_taken(booth, raised)
    assert_same(booth, raised, tmp_path)


def test_a_hostile_stick_at_the_booth(booth: BothEnds, tmp_path: Path) -> None:
    """Links, pipes, holes of 16 GB and names of nobody where receipts lie; the one good receipt is taken."""
    stick = tmp_path / "stick"
    raised = booth.raise_alerts(3)
    booth.await_laid_out(raised)
    booth.booth("courier", "export", str(stick))
    booth.hq("courier", "import", str(stick))
    receipts = stick / RECEIPTS_FOLDER
    linked, piped, good = sorted(raised)
    kept = {one: (receipts / f"{one}.json").read_bytes() for one in raised}
    for one in (linked, piped):
        (receipts / f"{one}.json").unlink()
    (receipts / f"{linked}.json").symlink_to(booth.folder / "keys" / "signing.key")
    os.mkfifo(receipts / f"{piped}.json")
    for number in range(200):
        (receipts / f"{uuid.uuid4()}.json").write_bytes(kept[good])
        (receipts / f"{number}{'n' * 200}").write_bytes(b"{}")
    with (receipts / f"{uuid.uuid4()}.json").open("wb") as huge:
        huge.truncate(2**34)
    (receipts / "deep" / "deeper").mkdir(parents=True)
    booth.booth("courier", "import", str(stick))
    await_taken(booth, {good})
    assert {linked, piped} <= booth.ids_laid_out()
    assert {file.stem for file in booth.receipts.iterdir()} <= set(kept)

    shutil.rmtree(receipts)
    receipts.symlink_to(booth.folder / "keys")
    with pytest.raises(DemoFailed) as said:
        booth.booth("courier", "import", str(stick))
    assert "Traceback" not in str(said.value)
    receipts.unlink()
    receipts.mkdir()
    for one, content in kept.items():
        (receipts / f"{one}.json").write_bytes(content)
    booth.booth("courier", "import", str(stick))
    await_taken(booth, raised)
    assert_same(booth, raised, tmp_path)


def test_a_stick_that_cannot_be_written(booth: BothEnds, tmp_path: Path) -> None:
    """A file where the booth's folder belongs: said in words, and nothing is lost by it."""
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / BOOTHS_FOLDER).write_text("a file")
    raised = booth.raise_alerts(1)
    booth.await_laid_out(raised)
    with pytest.raises(DemoFailed) as said:
        booth.booth("courier", "export", str(stick))
    assert "Traceback" not in str(said.value)
    with pytest.raises(DemoFailed) as said:
        booth.hq("courier", "import", str(stick))
    assert "Traceback" not in str(said.value)
    assert raised <= booth.ids_laid_out()
    assert_same(booth, raised, tmp_path)


# --- what came of it ---------------------------------------------------------------------------------------------


def assert_same(booth: BothEnds, raised: set[str], sticks: Path) -> None:
    """Ledger and headquarters hold the same of this booth; the ledger is read beside the core, from a copy."""
    settle(booth, sticks / "after")
    at_hq = booth.arrived()
    kept = booth.kept(booth.set_down(booth.folder / "state", booth.folder / "copy"))
    own = [line for line in at_hq.view.alerts if line.alert.place.booth == BOOTH]
    theirs = at_hq.view.total - len(own)
    view = msgspec.structs.replace(at_hq.view, alerts=tuple(own), total=len(own))
    check_same(kept, type(at_hq)(view, at_hq.entries - theirs, at_hq.forks), raised)
