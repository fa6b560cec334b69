"""Each way a publication can be wrong, brought to a running booth: it is refused, said everywhere, and harms nothing.

The booth holds serial 2. Every test forges one thing on a copy of headquarters, with the keys a thief would need for
it, brings that to the spool as courier or link would, and then looks at what an officer, a technician and the journal
are told, and at what the booth still holds.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from securesystemslib.signer import CryptoSigner

from failsafe.agent.demo.house import BOOTH, DemoFailed
from failsafe.hq import courier as export
from failsafe.hq.feeds import publish
from failsafe.hq.feeds.register import Register
from failsafe.hq.feeds.repository import Repository
from failsafe.hq.keyring.keys import KeyStore
from failsafe.sync import errors
from failsafe.sync.errors import BytesRefused, SyncError
from failsafe.sync.records import KEYS_FOLDER, METADATA_FOLDER, TIMESTAMP_FILE, Head, Payload
from failsafe.sync.spool import Spool
from failsafe.sync.store import SIDE_FILES
from tests.publishing import Desk, now
from tests.story.conftest import LATE_NOTICE, NEIGHBOUR
from tests.story.journey import Journey, Kept, await_true

BUREAU = "bureau-main"
NAME = str(LATE_NOTICE["name"])


class Thief(Desk):
    """Headquarters' own folder in the hands of somebody who may use some of its keys."""

    def __init__(self, home: Path) -> None:  # the folder is there already: nothing is made anew
        self.home = home
        self.keys = KeyStore.open(home)
        self.repository = Repository(home, self.keys)
        self.public = home / "public"
        self.spool = Spool(self.public)

    def head(self) -> Head:
        found = self.repository.head("base")
        assert found is not None
        return found

    def publish_head(self, **changes: object) -> None:
        """With the bureau's key: a new serial whose head says something else than it should."""
        content = b"whatever lies here is not reached" * 100
        digest = hashlib.sha256(content).hexdigest()
        serial = int(str(changes.get("serial", self.head().serial + 1)))
        payload = Payload(path="feed/base/forged.snapshot", serial=serial, length=len(content), sha256=digest)
        head = msgspec.structs.replace(self.head(), **{"serial": serial, "snapshot": payload, "deltas": ()} | changes)
        self.repository.publish(head, {payload.path: content}, now=now())

    def publish_honestly(self, *, new_epoch: bool = False) -> Head:
        """What headquarters itself would publish next: one notice less."""
        register = Register.in_file(self.home / "register.sqlite")
        try:
            assert register.withdraw_notice(str(LATE_NOTICE["entity_id"]))
            outcome = publish.publish(register, self.repository, now=now(), new_epoch=new_epoch)
        finally:
            register.close()
        assert outcome.head is not None
        return outcome.head

    def export(self, to: Path) -> Path:
        export.export(self.spool, to)
        return to


@pytest.fixture
def thief(headquarters: Path) -> Thief:
    return Thief(headquarters)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    return tmp_path / "stick"


@pytest.fixture
def booth(running: Journey) -> Journey:
    """The module's booth; no file that an earlier test brought can stand in for one that this test leaves out."""
    running.empty_spool()
    return running


def link_brings(publication: Path, booth: Journey) -> None:
    """What a link that checks nothing would do: every file as it stands, the timestamp last."""
    source, spool = Spool(publication), booth.spool()
    timestamp = f"{METADATA_FOLDER}/{TIMESTAMP_FILE}"
    for name in [*(name for name in source.names() if name != timestamp), timestamp]:
        spool.write(name, source.read(name, 10_000_000))


def check_refused(booth: Journey, bring: Callable[[], None], refusal: type[SyncError], advice: str = "") -> None:
    """Bring it; the booth refuses it, says so in every place, holds what it held, and goes on judging by that."""
    advice = advice or refusal.usual_advice
    before = booth.kept()
    line = booth.await_refusal(bring)
    assert f"reason={refusal.reason}" in line and advice in line
    told = booth.told()["mirror"]
    assert (told["refused"], told["advice"]) == (refusal.reason, advice)
    assert (told["state"], told["feeds"]["base"]["serial"]) == ("FRESH", 2)
    head = booth.page.await_view(lambda view: bool(view["header"]["refused"]), "a refusal")["header"]
    assert head["refused"].startswith(f"{refusal.reason}: ") and advice in head["refused"]
    assert (head["mirror"], head["notices"]) == ("FRESH", before.counts.notices)
    check_unharmed(before, booth.kept())
    booth.verdicts_go_on()
    assert NAME not in booth.log()


def check_unharmed(before: Kept, after: Kept) -> None:
    """Mirror and floor are byte for byte what they were; the ledger only tells of changes of health besides."""
    assert (after.serials, after.counts) == (before.serials, before.counts)
    assert after.metadata == before.metadata
    assert after.floors == before.floors
    assert after.alerts == before.alerts
    assert after.health[: len(before.health)] == before.health
    assert after.records - before.records == len(after.health) - len(before.health)


# --- signatures --------------------------------------------------------------------------------------------------


def test_a_timestamp_without_a_signature(booth: Journey, thief: Thief, stick: Path) -> None:
    file = thief.public / METADATA_FOLDER / TIMESTAMP_FILE
    timestamp = msgspec.json.decode(file.read_bytes())
    timestamp["signatures"] = []
    file.write_bytes(msgspec.json.encode(timestamp))
    check_refused(booth, lambda: booth.bring(thief.export(stick)), errors.Unsigned)


def test_a_feed_that_its_bureau_did_not_sign(booth: Journey, thief: Thief, stick: Path) -> None:
    thief.forge(BUREAU, lambda bureau: None, signers=[])
    check_refused(booth, lambda: booth.bring(thief.export(stick)), errors.Unsigned)


def test_a_feed_signed_by_somebody_else(booth: Journey, thief: Thief, stick: Path) -> None:
    thief.forge(BUREAU, lambda bureau: None, signers=[CryptoSigner.generate_ed25519()])
    check_refused(booth, lambda: booth.bring(thief.export(stick)), errors.Unsigned)


def test_one_of_two_signatures(booth: Journey, founded: Journey, thief: Thief, stick: Path) -> None:
    signers = thief.keys.targets_signers(founded._hq_environment["FAILSAFE_HQ_PASSPHRASE"])
    assert len(signers) == 3
    thief.forge("targets", lambda targets: None, signers=signers[:1])
    check_refused(booth, lambda: booth.bring(thief.export(stick)), errors.Unsigned)


def test_the_publication_of_another_headquarters(booth: Journey, tmp_path: Path, stick: Path) -> None:
    foreign = Desk(tmp_path / "foreign")
    foreign.publish(3)
    export.export(foreign.spool, stick)
    check_refused(booth, lambda: booth.bring(stick), errors.Unsigned)


# --- put back ----------------------------------------------------------------------------------------------------


def test_an_older_publication(booth: Journey) -> None:
    check_refused(booth, lambda: booth.bring(booth.folder / "old-stick"), errors.Older)


def test_an_older_serial_under_new_signatures(booth: Journey, thief: Thief, stick: Path) -> None:
    thief.publish_head(serial=1)
    check_refused(booth, lambda: booth.bring(thief.export(stick)), errors.Older)


def test_another_lineage(booth: Journey, thief: Thief, stick: Path) -> None:
    thief.publish_head(lineage="a-lineage-nobody-signed")
    check_refused(booth, lambda: booth.bring(thief.export(stick)), errors.ForeignLineage)


# --- less than there was -----------------------------------------------------------------------------------------


def test_an_empty_list(booth: Journey, thief: Thief, stick: Path) -> None:
    head = thief.head()
    thief.publish_head(count=0, removed=head.count + head.removed)
    check_refused(booth, lambda: booth.bring(thief.export(stick)), errors.Shrunken)


def test_a_list_that_lost_notices_without_a_word(booth: Journey, thief: Thief, stick: Path) -> None:
    thief.publish_head(count=thief.head().count - 1)
    check_refused(booth, lambda: booth.bring(thief.export(stick)), errors.Shrunken)


# --- not whole ---------------------------------------------------------------------------------------------------


def payloads(publication: Path) -> list[Path]:
    """Everything of the newest serial that a booth may read."""
    found = [*publication.rglob("*00000003.snapshot"), *publication.rglob("*00000003.delta")]
    assert len(found) == 2
    return found


def test_a_truncated_payload(booth: Journey, thief: Thief, stick: Path) -> None:
    thief.publish_honestly()
    for payload in payloads(thief.export(stick)):
        payload.write_bytes(payload.read_bytes()[:-1])
    with pytest.raises(DemoFailed, match="truncated") as refused:  # the courier notices it while copying
        booth.bring(stick)
    assert errors.Truncated.usual_advice in str(refused.value)
    check_refused(booth, lambda: link_brings(stick, booth), errors.Truncated)


def test_a_foreign_file_of_the_same_length(booth: Journey, thief: Thief, stick: Path) -> None:
    thief.publish_honestly()
    for payload in payloads(thief.export(stick)):
        payload.write_bytes(b"x" * payload.stat().st_size)
    with pytest.raises(DemoFailed, match="truncated"):
        booth.bring(stick)
    check_refused(booth, lambda: link_brings(stick, booth), errors.Truncated)


def test_a_missing_payload(booth: Journey, thief: Thief, stick: Path) -> None:
    thief.publish_honestly()
    for payload in payloads(thief.export(stick)):
        payload.unlink()
    check_refused(booth, lambda: booth.bring(stick), errors.Missing)


def test_a_missing_snapshot_of_the_metadata(booth: Journey, thief: Thief, stick: Path) -> None:
    thief.publish_honestly()
    newest = max(thief.export(stick).rglob("*.snapshot.json"), key=lambda file: int(file.name.split(".")[0]))
    newest.unlink()
    check_refused(booth, lambda: booth.bring(stick), errors.Missing)


# --- another booth's ---------------------------------------------------------------------------------------------


def neighbours_bundle(thief: Thief, stick: Path) -> Path:
    """A publication under a new content key, and the neighbour's copy of that key alone."""
    assert thief.publish_honestly(new_epoch=True).epoch == 2
    thief.export(stick)
    for key in stick.glob(f"{KEYS_FOLDER}/base/2/*"):
        if key.name != NEIGHBOUR:
            key.unlink()
    assert (stick / KEYS_FOLDER / "base" / "2" / NEIGHBOUR).is_file()
    return stick


def test_another_booths_bundle(booth: Journey, thief: Thief, stick: Path) -> None:
    neighbours_bundle(thief, stick)
    check_refused(booth, lambda: booth.bring(stick), errors.NotForThisBooth)


def test_another_booths_key_under_our_name(booth: Journey, thief: Thief, stick: Path) -> None:
    keys = neighbours_bundle(thief, stick) / KEYS_FOLDER / "base" / "2"
    shutil.copy(keys / NEIGHBOUR, keys / BOOTH)
    check_refused(booth, lambda: booth.bring(stick), errors.NotForThisBooth)


def test_another_booths_welcome(booth: Journey, founded: Journey) -> None:
    """A welcome alone is no publication: the command itself refuses it, and the spool keeps ours."""
    ours = booth.spool().read("welcome.json", 1_000_000)
    with pytest.raises(DemoFailed, match="not-for-this-booth"):
        booth.bring(founded.folder / f"{NEIGHBOUR}.welcome.json")
    assert booth.spool().read("welcome.json", 1_000_000) == ours


# --- a mirror that was wiped ---------------------------------------------------------------------------------------


def wipe_mirror(booth: Journey) -> None:
    for side in ("", *SIDE_FILES):
        (booth.folder / "state" / f"mirror.db{side}").unlink(missing_ok=True)


def test_a_wiped_mirror_and_an_older_publication(begin: Callable[..., Journey]) -> None:
    """With the mirror TUF's floor is gone too, and the old publication is well signed: the ledger knows better."""
    booth = begin()
    before = booth.kept()
    wipe_mirror(booth)
    booth.empty_spool()
    booth.bring(booth.folder / "old-stick")
    booth.plug_in()
    line = booth.await_refusal(booth.start_core)
    assert f"reason={errors.Older.reason}" in line and errors.Older.usual_advice in line
    told = booth.told()["mirror"]
    assert (told["state"], told["notices"], told["feeds"]) == ("EMPTY", 0, {})
    assert (told["refused"], told["advice"]) == ("older", errors.Older.usual_advice)
    assert booth.kept().floors == before.floors
    check_nobody_is_cleared(booth)
    booth.bring(booth.folder / "stick")
    booth.await_ready()
    assert booth.kept().serials == before.serials == {"base": 2}
    booth.verdicts_go_on()


def check_nobody_is_cleared(booth: Journey) -> None:
    crossing = booth.meet_innocent()["crossing"]
    booth.portal.passage(seconds=1.0)
    last = booth.listener.await_verdict(
        lambda verdict: verdict["crossing"] == crossing and "WAIT_PORTAL" not in verdict["actions"], "final"
    )
    assert last["word"] == "CANNOT CLEAR" and "TELEPHONE_CCC" in last["actions"]
    assert all(verdict["word"] != "CLEAR" for verdict in booth.listener.heard)


# --- and then the right one ----------------------------------------------------------------------------------------


def test_the_next_good_publication_is_taken_after_a_refusal(begin: Callable[..., Journey]) -> None:
    booth = begin()
    booth.plug_in()
    booth.start_core()
    booth.await_ready()
    booth.await_refusal(lambda: booth.bring(booth.folder / "old-stick"))
    assert booth.status()["mirror"]["refused"] == "older"
    before = booth.kept()
    booth.hq("withdraw", str(LATE_NOTICE["entity_id"]))
    booth.carry()
    mirror = booth.await_status(lambda status: status["mirror"]["refused"] is None, "no refusal")["mirror"]
    assert (mirror["state"], mirror["feeds"]["base"]["serial"]) == ("FRESH", 3)
    after = booth.kept()
    assert after.counts.notices == before.counts.notices - 1
    assert after.alerts == before.alerts
    assert (
        booth.page.await_view(lambda view: not view["header"]["refused"], "no refusal")["header"]["mirror"] == "FRESH"
    )
    booth.verdicts_go_on()


def test_two_of_two_signatures_are_believed(
    begin: Callable[..., Journey], founded: Journey, thief: Thief, stick: Path
) -> None:
    """The forgery of `test_one_of_two_signatures` with one signature more: it is the missing one that was refused."""
    booth = begin()
    booth.start_core()
    before = booth.kept().metadata
    signers = thief.keys.targets_signers(founded._hq_environment["FAILSAFE_HQ_PASSPHRASE"])
    thief.forge("targets", lambda targets: None, signers=signers[:2])
    booth.bring(thief.export(stick))
    await_true(lambda: booth.kept().metadata["targets.json"] != before["targets.json"], "the newer metadata")
    assert booth.status()["mirror"]["refused"] is None and booth.refusals() == []


def test_every_refusal_has_a_word_and_advice_of_its_own() -> None:
    """The tests above tell refusals apart by their words; that works only while no two share one."""
    kinds = BytesRefused.__subclasses__()
    assert len({kind.reason for kind in kinds}) == len({kind.usual_advice for kind in kinds}) == len(kinds) > 8
