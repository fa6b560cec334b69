"""Every key of headquarters is exchanged while booths follow, and the old key's word counts no more."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
from collections.abc import Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest
from tuf.api.metadata import Metadata

from failsafe.agent import keys as booth_keys
from failsafe.hq.enrol import enrol
from failsafe.hq.feeds import published
from failsafe.hq.feeds.register import BoothRefused, Register
from failsafe.hq.feeds.repository import Repository
from failsafe.hq.keyring.keys import KeyMissing, KeyStore, PassphraseWrong
from failsafe.hq.keyring.rotation import Ceremonies, Exchange
from failsafe.sync import envelope, seal
from failsafe.sync.errors import Missing, NotForThisBooth, Older, Unsigned
from failsafe.sync.records import HqKeys, Statement, encode
from failsafe.sync.reports import Receipt
from failsafe.sync.rounds import Link
from failsafe.sync.seal import SealSecret
from failsafe.sync.trust import Publication, read_publication
from tests.far_end import FarEnd
from tests.publishing import LINEAGE, PASSPHRASE, Desk, now
from tests.sending import REGISTER_FILE, Booth, open_desk

ONLINE = ("snapshot", "timestamp", "bureau-main", "receipt", "seal")
ROLES = [*((f"{role}-{number}",) for role in ("root", "targets") for number in (1, 2, 3)), *((one,) for one in ONLINE)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "hq")
    made.publish(1)
    return made


class Reader:
    """A booth's core, as far as it believes publications."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk, self.folder = desk, folder
        self.root = desk.root()
        self.held: dict[str, bytes] = {}
        folder.mkdir()

    def read(self) -> Publication:
        found = read_publication(self.desk.spool, self.held, self.root, self.folder)
        self.held = dict(found.metadata)
        return found


@pytest.fixture
def reader(desk: Desk, tmp_path: Path) -> Reader:
    made = Reader(desk, tmp_path / "booth")
    made.read()
    return made


def exchange(
    desk: Desk, *names: str, stolen: bool = False, media: Sequence[Path] = (), into: Path | None = None
) -> None:
    shares = tuple(name for name in names if name.rpartition("-")[0] in ("root", "targets"))
    what = Exchange(shares, tuple(name for name in names if name not in shares), stolen, into)
    store = Ceremonies(desk.home, KeyStore.open(desk.home, media)).exchange(what, passphrase=PASSPHRASE, now=now())
    desk.keys = store
    desk.repository = Repository(desk.home, store)


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# --- booths follow -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [*ROLES, ("root-1", "root-2", "root-3", "targets-2", *ONLINE)], ids="+".join)
def test_a_booth_follows_and_so_does_a_new_one(desk: Desk, reader: Reader, tmp_path: Path, names: tuple[str, ...]):
    exchange(desk, *names)
    assert reader.read().heads["base"].serial == 1
    desk.publish(2)
    assert reader.read().heads["base"].serial == 2
    late = Reader(desk, tmp_path / "late")
    assert late.read().heads["base"].serial == 2
    assert reader.read().hq_keys == late.read().hq_keys == desk.keys.hq_keys()


def test_a_booth_that_was_off_follows_many_roots_in_a_row(desk: Desk, reader: Reader):
    for step, names in enumerate([("root-1",), ("timestamp",), ("root-4", "targets-1"), ("snapshot",), ("root-2",)], 2):
        exchange(desk, *names)
        desk.publish(step)
    found = reader.read()
    assert found.heads["base"].serial == 6
    assert Metadata.from_bytes(found.metadata["root.json"]).signed.version == 6


def test_a_statement_can_be_signed_after_it(desk: Desk, reader: Reader):
    exchange(desk, "targets-1")
    statement = Statement(feed="base", lineage=LINEAGE, may_shrink_at=(2,))
    desk.repository.sign_statement(statement, passphrase=PASSPHRASE, now=now())
    assert reader.read().statements["base"] == statement


def test_root_and_targets_are_renewed_without_a_new_key(desk: Desk, reader: Reader):
    before = published.load(desk.spool, desk.keys)
    later = now() + dt.timedelta(days=100)
    Ceremonies(desk.home, desk.keys).exchange(Exchange(), passphrase=PASSPHRASE, now=later)
    after = published.load(desk.spool, desk.keys)
    assert after.root.signed.expires - before.root.signed.expires >= dt.timedelta(days=99)
    assert after.targets.signed.expires - before.targets.signed.expires >= dt.timedelta(days=99)
    assert after.root.signed.keys == before.root.signed.keys
    assert reader.read().heads["base"].serial == 1


def test_a_link_that_runs_brings_each_exchange_to_its_core(tmp_path: Path):
    """Over TLS, through the link's own checks, into the spool, and through the core's."""
    far = FarEnd(tmp_path)
    held: dict[str, bytes] = {}

    def taken(serial: int) -> bool:
        nonlocal held
        try:
            found = read_publication(far.spool_in, held, far.hq.root(), tmp_path)
        except (Missing, Unsigned):  # the link has just put the new root in place, and its timestamp comes last
            return False
        held = dict(found.metadata)
        return found.heads["base"].serial == serial and found.hq_keys == far.hq.keys.hq_keys()

    async def follow(url: str) -> None:
        link = Link(far.settings(url, refresh_every_s=0.1))
        working = asyncio.create_task(link.work())
        try:
            for serial, names in enumerate([("timestamp",), ("snapshot", "root-1"), ("bureau-main",), ("seal",)], 2):
                exchange(far.hq, *names)
                far.hq.publish(serial)
                async with asyncio.timeout(30):
                    while not taken(serial):
                        await asyncio.sleep(0.05)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    with far.served() as url:
        asyncio.run(follow(url))
    assert Metadata.from_bytes(held["root.json"]).signed.version == 3


# --- the old key's word --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["snapshot", "timestamp", "bureau-main"])
def test_what_the_old_online_key_signs_is_refused_afterwards(desk: Desk, reader: Reader, tmp_path: Path, role: str):
    """The thief has the old key alone, and signs the next version of its role."""
    thief = desk.keys.online_signer(role)
    exchange(desk, role)
    reader.read()
    publication = published.load(desk.spool, desk.keys)
    stolen = {"snapshot": publication.snapshot, "timestamp": publication.timestamp, **publication.bureaus}[role]
    stolen.signed.version += 1
    stolen.signatures.clear()
    stolen.sign(thief)
    if role == "bureau-main":
        desk.repository._write_out(publication, [role], now())
    elif role == "snapshot":
        (desk.public / "metadata" / f"{stolen.signed.version}.snapshot.json").write_bytes(stolen.to_bytes())
        publication.timestamp.signed.snapshot_meta.version = stolen.signed.version
        publication.timestamp.signed.snapshot_meta.length = publication.timestamp.signed.snapshot_meta.hashes = None
        desk.repository._write_timestamp(publication.timestamp, now())
    else:
        (desk.public / "metadata" / "timestamp.json").write_bytes(stolen.to_bytes())
    held = dict(reader.held)
    with pytest.raises(Unsigned):
        reader.read()
    assert reader.held == held


def test_versions_that_a_thief_drove_up_do_not_bind_after_the_exchange(desk: Desk, reader: Reader):
    """With the timestamp key a thief makes booths believe a version that headquarters will not reach for years."""
    desk.forge_timestamp(lambda signed: setattr(signed, "version", 2_000_000_000))
    reader.read()
    desk.forge_timestamp(lambda signed: setattr(signed, "version", 7))
    with pytest.raises(Older):
        reader.read()
    exchange(desk, "timestamp", stolen=True)
    desk.publish(2)
    assert reader.read().heads["base"].serial == 2


def test_two_offline_shares_that_went_sign_nothing_any_more(desk: Desk, reader: Reader):
    stolen = desk.keys.targets_signers(PASSPHRASE)[:2]
    exchange(desk, "targets-1", "targets-2", stolen=True)
    reader.read()
    desk.forge("targets", lambda signed: signed.targets.pop("statements/base.json"), stolen)
    with pytest.raises(Unsigned):
        reader.read()


def test_a_root_of_the_old_shares_is_no_successor(desk: Desk, reader: Reader):
    old = desk.keys.root_signers(PASSPHRASE)
    exchange(desk, "root-1", "root-2", stolen=True)
    reader.read()
    forged = Metadata.from_bytes(reader.held["root.json"])
    forged.signed.version += 1
    forged.signatures.clear()
    for signer in old[:2]:
        forged.sign(signer, append=True)
    desk.spool.write("metadata/3.root.json", forged.to_bytes())
    with pytest.raises(Unsigned):
        reader.read()


# --- offline shares ------------------------------------------------------------------------------------------------


def test_a_lost_share_is_replaced_by_the_two_that_are_left(desk: Desk, reader: Reader, tmp_path: Path):
    """The custodians' media: each has its own shares, the third is lost."""
    media = []
    for number in (1, 2):
        medium = tmp_path / f"stick-{number}"
        medium.mkdir()
        shutil.copy(desk.home / "offline" / "salt", medium)
        for role in ("root", "targets"):
            shutil.copy(desk.home / "offline" / f"{role}-{number}.pem", medium)
        media.append(medium)
    shutil.rmtree(desk.home / "offline")
    replacement = tmp_path / "stick-3"
    shutil.copytree(media[0], replacement, ignore=lambda _, names: [name for name in names if name != "salt"])
    exchange(desk, "root-3", "targets-3", stolen=True, media=[*media, replacement], into=replacement)
    assert sorted(file.name for file in replacement.iterdir()) == ["root-4.pem", "salt", "targets-4.pem"]
    assert sorted(desk.keys.layout.shares) == ["root-1", "root-2", "root-4", "targets-1", "targets-2", "targets-4"]
    desk.publish(2)
    assert reader.read().heads["base"].serial == 2
    exchange(desk, "root-1", media=[media[1], replacement])  # and the new share counts
    assert reader.read().heads["base"].serial == 2


def test_an_old_share_left_on_another_medium_does_not_count(desk: Desk, tmp_path: Path):
    shutil.copytree(desk.home / "offline", tmp_path / "copy")
    exchange(desk, "targets-1", "targets-2")
    (tmp_path / "copy" / "targets-3.pem").unlink()
    with pytest.raises(KeyMissing, match="0 that count"):
        exchange(desk, "targets-3", media=[tmp_path / "copy"])


@pytest.mark.parametrize(
    ("names", "passphrase", "fault"),
    [
        (("root-9",), PASSPHRASE, KeyMissing),
        (("root-1",), "another", PassphraseWrong),
        (("seal",), "another", PassphraseWrong),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    desk: Desk, names: tuple[str, ...], passphrase: str, fault: type[Exception]
):
    before = files(desk.home)
    shares = tuple(name for name in names if name.startswith("root"))
    what = Exchange(shares, tuple(name for name in names if name not in shares))
    with pytest.raises(fault):
        Ceremonies(desk.home, desk.keys).exchange(what, passphrase=passphrase, now=now())
    assert files(desk.home) == before


def test_too_few_shares_change_nothing(desk: Desk):
    for number in (2, 3):
        (desk.home / "offline" / f"root-{number}.pem").unlink()
    before = files(desk.home)
    with pytest.raises(KeyMissing, match="2 root keys must sign, and 1"):
        exchange(desk, "timestamp")
    assert files(desk.home) == before


# --- broken off ----------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Nobody catches it, and nothing tidies up after it: what runs afterwards is another process."""


class Doomed(Ceremonies):
    """An exchange that is killed at its write number `last`, and leaves things as a killed process does."""

    def __init__(self, home: Path, keys: KeyStore, last: int) -> None:
        super().__init__(home, keys)
        self.left = last
        self.public.write = self._counted(self.public.write)

    def _counted(self, write):
        def counted(*content):
            self.left -= 1
            if self.left == 0:
                raise Killed
            return write(*content)

        return counted

    def _settled(self):
        return self._counted(super()._settled)()

    @contextmanager
    def _prepared(self, roles):
        for role in roles:
            self._counted(self.keys.prepare)(role)
        yield

    @contextmanager
    def _made(self, what, going, passphrase):
        yield [self._make_share(name, what.into, passphrase) for name in going]


@pytest.mark.parametrize(
    "names", [("timestamp",), ("snapshot", "bureau-main"), ("receipt", "seal"), ("root-1", "targets-1")], ids="+".join
)
def test_killed_at_any_write_the_next_act_ends_it(desk: Desk, tmp_path: Path, names: tuple[str, ...]):
    """At each write of the exchange in turn: a booth reads before and after, headquarters publishes and goes on."""
    shares = tuple(name for name in names if name.startswith(("root", "targets")))
    what = Exchange(shares, tuple(name for name in names if name not in shares))
    for last in range(1, 30):
        other = desk.again(tmp_path / f"hq-{last}")
        reader = Reader(other, tmp_path / f"booth-{last}")
        reader.read()
        doomed = Doomed(other.home, other.keys, last)
        try:
            doomed.exchange(what, passphrase=PASSPHRASE, now=now())
        except Killed:
            assert last < 25
        assert reader.read().heads["base"].serial == 1
        other.repository.touch_timestamp(now=now())
        other.publish(2)
        found = reader.read()
        assert found.heads["base"].serial == 2 and found.hq_keys == other.keys.hq_keys()
        assert other.keys.coming() == []
        if doomed.left > 0:
            break
    assert last > 6, "every write was tried, and the moments before the exchange is settled"


# --- alerts on their way -------------------------------------------------------------------------------------------


def test_alerts_sealed_to_the_old_key_open_until_it_is_forgotten(desk: Desk, tmp_path: Path):
    booth = Booth(desk, tmp_path)
    running = open_desk(desk)
    waiting = booth.alerts(2)
    old = desk.keys.hq_keys().seal.key_id
    exchange(desk, "seal")
    assert len(running.take(waiting[:1], now()).receipts) == 1, "a desk that runs takes notice of the new key"
    booth.public = desk.keys.hq_keys()
    assert booth.public.seal.key_id != old
    assert len(running.take(booth.alerts(1), now()).receipts) == 1
    assert desk.keys.former("seal").keys() == {old}
    desk.keys.forget("seal", old)
    answer = running.take(waiting[1:], now())
    assert [one.reason for one in answer.refused] == ["not-for-this-booth"]
    assert len(running.take([booth.seal(booth.entries[1])], now()).receipts) == 1, "sealed anew, nothing is lost"
    running.close()


@pytest.mark.parametrize("stolen", [False, True])
def test_receipts_of_the_old_key(desk: Desk, tmp_path: Path, stolen: bool):
    booth = Booth(desk, tmp_path)
    running = open_desk(desk)
    sent = booth.alerts(1)
    in_flight = running.take(sent, now()).receipts[0]
    exchange(desk, "receipt", stolen=stolen)
    keys = desk.keys.hq_keys()
    if stolen:
        with pytest.raises(Unsigned):
            envelope.check_receipt(in_flight, booth.entries[0], keys)
    else:
        envelope.check_receipt(in_flight, booth.entries[0], keys)
    again = running.take(sent, now()).receipts[0]
    envelope.check_receipt(again, booth.entries[0], HqKeys(receipt=keys.receipt, seal=keys.seal))
    assert msgspec.structs.replace(again, signature=b"") == msgspec.structs.replace(in_flight, signature=b"")
    running.close()


def test_a_forged_receipt_of_a_stolen_key_counts_no_more(desk: Desk, reader: Reader, tmp_path: Path):
    booth = Booth(desk, tmp_path)
    thief = desk.keys.receipt_secret()
    exchange(desk, "receipt", stolen=True)
    entry = booth.alert()
    said = Receipt(id=entry.body.id, booth=booth.name, digest=entry.digest(), received_at="2026-11-22T00:00:00Z")
    with pytest.raises(Unsigned):
        envelope.check_receipt(envelope.sign_receipt(said, thief), entry, reader.read().hq_keys)


def test_the_old_sealing_key_opens_nothing_new(desk: Desk, tmp_path: Path):
    booth = Booth(desk, tmp_path)
    thief = desk.keys.seal_secret()
    exchange(desk, "seal", stolen=True)
    booth.public = desk.keys.hq_keys()
    sealed = booth.alerts(1)[0]
    with pytest.raises(NotForThisBooth):
        envelope.open_entry(sealed, thief, seal.signing_public(booth.keys.signing))


# --- a booth's own keys --------------------------------------------------------------------------------------------


def test_a_booth_that_renews_its_keys_goes_on_with_its_chain(desk: Desk, tmp_path: Path):
    """What the old key signed is refused afterwards; what the booth signs anew is taken, and no gap is marked."""
    booth = Booth(desk, tmp_path)
    running = open_desk(desk)
    assert len(running.take(booth.alerts(2), now()).receipts) == 2
    waiting = booth.seal(booth.alert())
    booth.enrolment = booth_keys.renew(tmp_path / "new", booth.name, "ZZ")
    with closing(Register.in_file(desk.home / REGISTER_FILE)) as register:
        content = encode(booth.enrolment)
        enrol(content, register, desk.keys, desk.repository, now=now(), renews=True)
        with pytest.raises(BoothRefused, match="revoked"):  # the keys that ended come never again
            old = booth_keys.load(tmp_path / booth.name)
            again = msgspec.structs.replace(booth.enrolment, signing=seal.signing_public(old.signing), proof=b"")
            again = msgspec.structs.replace(again, proof=seal.prove_enrolment(again, old.signing))
            enrol(encode(again), register, desk.keys, desk.repository, now=now(), renews=True)
    assert [one.reason for one in running.take([waiting], now()).refused] == ["unsigned"]
    renewed = {name: (tmp_path / "new" / name).read_bytes() for name in ("signing.key", "sealing.key")}
    old = booth.keys
    booth.keys = booth_keys.BoothKeys(
        old.mirror, old.ledger, renewed["signing.key"], SealSecret(renewed["sealing.key"])
    )
    again = [booth.seal(entry) for entry in booth.entries] + [booth.seal(booth.alert())]
    assert len(running.take(again, now()).receipts) == 4
    marks = {line.sequence: line.chain for line in running.list(100, "").alerts}
    assert marks == dict.fromkeys((1, 2, 3, 4), "whole")
    running.close()


def test_a_chain_of_renewed_keys_with_a_gap_says_so(desk: Desk, tmp_path: Path):
    booth = Booth(desk, tmp_path)
    running = open_desk(desk)
    running.take(booth.alerts(1), now())
    booth.alert()  # never arrives
    enrolment = booth_keys.renew(tmp_path / "new", booth.name, "ZZ")
    with closing(Register.in_file(desk.home / REGISTER_FILE)) as register:
        enrol(encode(enrolment), register, desk.keys, desk.repository, now=now(), renews=True)
    signing = (tmp_path / "new" / "signing.key").read_bytes()
    entry = booth.alert()
    sealed = envelope.close(entry, "routine", booth.name, signing, booth.public)
    running.take([sealed], now())
    assert {line.sequence: line.chain for line in running.list(100, "").alerts} == {1: "whole", 3: "gap before"}
    running.close()
