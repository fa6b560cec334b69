"""Attacks on what a booth is brought: one thing is changed, one refusal follows, and nothing else.

Each goes the whole way from `spool/in` to the verdict. After each the booth is as it was, row by row, stops and clears
whom it did, and takes the next honest publication by itself. What is kept and the clock: test_attacks_kept.py.
"""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import TargetFile

from failsafe.sync.errors import Missing, SyncError, Truncated
from failsafe.sync.records import METADATA_FOLDER, Payload, Statement, encode, head_target, key_file
from failsafe.sync.refresh import Fetched, Refresher
from failsafe.sync.reports import FeedState, Want
from failsafe.sync.seal import SealSecret, seal
from failsafe.sync.spool import Spool
from tests.attacked import BOOTH, Attacked, fed, only_refused, quickly
from tests.far_hq import BUREAU, FEED, LINEAGE, TIMESTAMP, FarHq, Files, lay, now

SOUGHT, NOBODY = 1, 4711
ENDLESS = 1 << 40
quick = pytest.fixture(autouse=True)(quickly)


@pytest.fixture
def booth(tmp_path: Path) -> Iterator[Attacked]:
    """It has taken two steps: notice 1 in the first, 2 and 3 in the second."""
    with fed(tmp_path) as booth:
        yield booth


@pytest.fixture
def thief(booth: Attacked) -> FarHq:
    """Who has whatever of headquarters an attack needs."""
    return booth.hq.stolen()


def refused(
    booth: Attacked,
    reason: str,
    attack: Files | Callable[[], object],
    before_honesty: Callable[[], object] = lambda: None,
) -> None:
    """The attack is refused as `reason`, changes nothing, and the next honest publication is taken by itself."""
    before, serial = booth.rows(), booth.serial()
    if callable(attack):
        attack()
    else:
        by_the_link(booth, reason, attack)
        booth.bring(attack)
    told = booth.wait(lambda told: told["mirror"]["refused"])
    assert told["mirror"]["refused"] == reason, told["mirror"]["detail"]
    assert told["mirror"]["advice"] and booth.serial() == serial
    booth.wait(lambda _: booth.health()[-1] == ("feed", f"refused {reason}"))
    only_refused(before, booth.rows(), reason)
    assert (booth.word(SOUGHT), booth.word(NOBODY)) == ("STOP", "CLEAR")
    before_honesty()
    booth.fed(5)
    assert (booth.word(SOUGHT), booth.word(5), booth.word(NOBODY)) == ("STOP", "STOP", "CLEAR")


# What only who opens the key files and knows the floors can see; for the rest the link keeps it from the spool.
ONLY_THE_CORE = ("older", "malformed", "shrunken", "foreign-lineage", "not-for-this-booth")


class Published:
    """Headquarters' address, or who stands there in its place, as a `refresh.Source`."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def get(self, path: str, limit: int, etag: str | None = None) -> Fetched:
        content = self._files.get(path)
        if content is None:
            raise Missing("not there")
        if len(content) > limit:
            raise Truncated("longer than it may be")
        return Fetched(content)

    def resume(self, path: str, length: int, file: Path) -> None:
        file.write_bytes(self.get(path, length).content or b"")


def by_the_link(booth: Attacked, reason: str, attack: Files) -> None:
    """The same over the line: the link refuses it as the core does, and its spool stays as it was."""
    with tempfile.TemporaryDirectory() as folder:
        spool, state = Spool(Path(folder) / "in"), Path(folder) / "state"
        spool.root.mkdir()
        want = Want(booth=BOOTH, feeds=(FEED,), held=(FeedState(feed=FEED, lineage=LINEAGE, serial=booth.serial()),))
        for files in (booth.honest, attack):
            there = {name: spool.read(name, 1 << 20) for name in spool.names()}
            try:
                Refresher(Published(files), spool, state, booth.welcome.root, BOOTH).refresh(want)
            except SyncError as refusal:
                assert files is attack and refusal.reason == reason, refusal
                assert {name: spool.read(name, 1 << 20) for name in spool.names()} == there
                return
    assert reason in ONLY_THE_CORE or BOOTH in the_changed(booth, attack), "the link takes it for a publication"


def the_changed(booth: Attacked, attack: Files) -> str:
    """The names of files that are not as headquarters made them last."""
    return " ".join(name for name, content in attack.items() if booth.honest.get(name) != content)


def without(files: Files, name: str) -> Files:
    return {other: content for other, content in files.items() if other != name}


def the(files: Files, ending: str) -> str:
    """The newest file whose name ends so."""
    return max((name for name in files if name.endswith(ending)), key=lambda name: (len(name), name))


def fresh(files: Files, booth: Attacked, ending: str) -> str:
    """The file of that ending which the booth has not seen yet."""
    if ending == "timestamp.json":
        return TIMESTAMP
    return the({name: content for name, content in files.items() if name not in booth.hq.files()}, ending)


def spoken(hq: FarHq, role: str) -> Any:
    """The signed part of a role, in its next version as far as nothing else is said."""
    return {"targets": hq.targets, "snapshot": hq.snapshot, "timestamp": hq.timestamp, **hq.bureaus}[role]


# --- older ---------------------------------------------------------------------------------------------------------


def test_an_older_publication_whole(booth: Attacked, thief: FarHq):
    booth.fed(4)
    refused(booth, "older", thief.files())


@pytest.mark.parametrize("role", ["targets", BUREAU, "snapshot"])
def test_an_older_role_under_newer_signatures(booth: Attacked, role: str):
    """Who has stolen the keys of snapshot and timestamp cannot bring back what a role said before."""
    booth.hq.targets.version += 1
    booth.fed(4)
    thief = booth.hq.stolen()
    thief.step()
    spoken(thief, role).version = 1
    refused(booth, "older", thief.files())


def test_a_role_that_has_gone_from_the_snapshot(booth: Attacked, thief: FarHq):
    thief.step()
    thief.files()
    thief.bureaus.clear()
    del thief.snapshot.meta[f"{BUREAU}.json"]
    refused(booth, "malformed", thief.files())


def test_an_older_serial_under_newer_signatures(booth: Attacked, thief: FarHq):
    """The bureau's own key is stolen: the list of the first step again, every signature new."""
    thief.put_out(withdrawn=[2, 3], serial=1)
    refused(booth, "older", thief.files())


def test_an_older_timestamp_over_the_newest_files(booth: Attacked, thief: FarHq):
    booth.fed(4)
    refused(booth, "older", {**booth.hq.files(), TIMESTAMP: thief.files()[TIMESTAMP]})


# --- frozen --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", BUREAU])
def test_a_role_past_its_expiry(booth: Attacked, thief: FarHq, role: str):
    thief.targets.version += 1
    thief.put_out(4)
    spoken(thief, role).expires = now() - dt.timedelta(days=1)
    refused(booth, "expired", thief.files(renew=False))


def test_a_root_past_its_expiry(booth: Attacked, thief: FarHq):
    thief.root.version += 1
    thief.root.expires = now() - dt.timedelta(days=1)
    thief.seal_root(renew=False)
    thief.step()
    refused(booth, "expired", thief.files())


# --- mixed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["snapshot.json", "targets.json", f"{BUREAU}.json"])
def test_files_of_two_publications_mixed(booth: Attacked, thief: FarHq, ending: str):
    """Each was signed by whom it should have been, and not with the others."""
    old = thief.files()
    thief.targets.version += 1
    thief.put_out(4)
    new = thief.files()
    refused(booth, "truncated", {**new, the(new, ending): old[the(old, ending)]})


@pytest.mark.parametrize("ending", [".3-2", ".head.json"])
def test_a_target_of_another_step_in_its_place(booth: Attacked, thief: FarHq, ending: str):
    old = booth.hq.files()
    thief.put_out(4)
    new = thief.files()
    (name,) = [name for name in new if name.endswith(ending) and name not in old]
    other = next(content for held, content in old.items() if held.endswith(".2-1" if "3" in ending else ending))
    refused(booth, "truncated", {**new, name: other})


def test_a_payload_that_its_head_takes_for_another_step(booth: Attacked, thief: FarHq):
    """The bureau's key is stolen: an old payload, rightly signed, under the number of a new one."""
    head = thief.head
    assert head is not None
    thief.put_out(4, deltas=(), snapshot=head.snapshot)
    refused(booth, "malformed", thief.files())


# --- by whom it is signed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["one key of two", "one key twice", "strange keys", "nobody"])
@pytest.mark.parametrize("role", ["targets", "root"])
def test_too_few_signatures_that_count(booth: Attacked, thief: FarHq, role: str, how: str):
    first, second, _ = thief.signers[role]
    strangers = [CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519(), second]
    signers = {"one key of two": [first], "one key twice": [first] * 2, "strange keys": strangers, "nobody": []}[how]
    thief.step()
    if role == "targets":
        thief.targets.version += 1
        refused(booth, "unsigned", thief.files(targets=signers))
    else:
        thief.root.version += 1
        thief.seal_root(signers)
        refused(booth, "unsigned", thief.files())


def test_a_root_of_another_threshold_needs_the_signatures_of_the_old_one(booth: Attacked, thief: FarHq):
    strangers = [CryptoSigner.generate_ed25519()]
    thief.entrust("root", strangers, threshold=1)
    thief.root.version += 1
    thief.seal_root(strangers)
    thief.step()
    refused(booth, "unsigned", thief.files())


@pytest.mark.parametrize("role", [BUREAU, "snapshot", "timestamp"])
def test_an_online_role_signed_by_a_strange_key(booth: Attacked, thief: FarHq, role: str):
    thief.put_out(withdrawn=[SOUGHT])
    refused(booth, "unsigned", thief.files(**{role.replace("-", "_"): [CryptoSigner.generate_ed25519()]}))


def test_a_root_that_skips_a_version(booth: Attacked, thief: FarHq):
    """It lies where the next root belongs, and says it is the one after."""
    thief.root.version += 2
    content = thief.seal_root()
    thief.step()
    files = thief.files()
    refused(booth, "older", {**files, f"{METADATA_FOLDER}/2.root.json": content})


def test_a_root_that_is_withheld(booth: Attacked):
    """Its key was changed: without the new root nothing newer is believed, and with it all is well."""
    booth.hq.change_key("timestamp")
    booth.hq.step()
    refused(booth, "unsigned", without(booth.hq.files(), f"{METADATA_FOLDER}/2.root.json"))


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_a_revoked_key_signs_on(booth: Attacked, role: str):
    stolen = booth.hq.signers[role]
    booth.hq.change_key(role)
    booth.fed(4)
    thief = booth.hq.stolen()
    thief.put_out(withdrawn=[SOUGHT])
    refused(booth, "unsigned", thief.files(**{role: stolen}))


def test_another_headquarters(booth: Attacked):
    other = FarHq()
    other.booths, other.content_keys = booth.hq.booths, booth.hq.content_keys
    other.boxes = booth.hq.boxes
    for number in (4, 5, 6):
        other.put_out(number)
    refused(booth, "unsigned", other.files())


# --- who speaks of what --------------------------------------------------------------------------------------------


def test_a_bureau_speaks_of_another_bureaus_feed(booth: Attacked):
    """Its key is real and its role is for other paths: what it says of this feed is not asked for."""
    booth.hq.delegate("bureau-other", ["feed/other/*"])
    booth.hq.targets.version += 1
    booth.fed(4)
    thief = booth.hq.stolen()
    head = thief.put_out(withdrawn=[SOUGHT])
    del thief.bureaus[BUREAU].targets[head_target(FEED)]
    thief.add(thief.bureaus["bureau-other"], head_target(FEED), encode(head))
    thief.bureaus["bureau-other"].version += 1
    refused(booth, "missing", thief.files())


def test_a_lineage_that_the_targets_keys_do_not_name(booth: Attacked, thief: FarHq):
    thief.put_out(lineage="elsewhere")
    refused(booth, "foreign-lineage", thief.files())


@pytest.mark.parametrize("head", [{"count": 0}, {"count": 2, "removed": 0}])
def test_a_list_that_shrinks_without_a_word(booth: Attacked, thief: FarHq, head: dict[str, int]):
    thief.put_out(withdrawn=[SOUGHT], **head)
    refused(booth, "shrunken", thief.files())


def test_a_list_of_another_length_than_its_head_says(booth: Attacked, thief: FarHq):
    """Found only when all is applied: the whole transaction is undone."""
    thief.put_out(4, count=9)
    refused(booth, "malformed", thief.files())


def test_a_statement_that_speaks_of_another_feed(booth: Attacked, thief: FarHq):
    thief.add(thief.targets, f"statements/{FEED}.json", encode(Statement(feed="other", lineage=LINEAGE)))
    thief.targets.version += 1
    thief.step()
    refused(booth, "malformed", thief.files())


# --- too much, too little ------------------------------------------------------------------------------------------


def newer(thief: FarHq) -> Files:
    thief.targets.version += 1
    thief.put_out(4)
    return thief.files()


@pytest.mark.parametrize(
    "ending", ["timestamp.json", ".snapshot.json", ".targets.json", f".{BUREAU}.json", "2.root.json", ".3-2", BOOTH]
)
def test_a_file_without_end(booth: Attacked, thief: FarHq, ending: str):
    """A terabyte of nothing, which costs the attacker no room: it is not read beyond what it may have."""
    if ending == BOOTH:
        thief.new_epoch()
    files = newer(thief)
    name = f"{METADATA_FOLDER}/2.root.json" if "root" in ending else the(files, ending)

    def attack() -> None:
        last = files.pop(TIMESTAMP)
        for other, content in files.items():
            booth.spool.write(other, content)
        endless = booth.spool.root / name
        beside = endless.with_name(".endless")
        beside.write_bytes(b"{")
        os.truncate(beside, ENDLESS)
        beside.rename(endless)
        if name != TIMESTAMP:
            booth.spool.write(TIMESTAMP, last)

    refused(booth, "truncated", attack)


def test_a_payload_beyond_all_measure(booth: Attacked, thief: FarHq):
    """The bureau's key is stolen: a file as long as its head says would fill the memory before it is hashed."""
    path = f"feed/{FEED}/endless"
    thief.bureaus[BUREAU].targets[path] = TargetFile(ENDLESS, {"sha256": 64 * "a"}, path)
    endless = Payload(path=path, serial=3, length=ENDLESS, sha256=64 * "a")
    thief.put_out(4, deltas=(), snapshot=endless)

    def attack() -> None:
        place = booth.spool.root / f"targets/feed/{FEED}/{64 * 'a'}.endless"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        os.truncate(place, ENDLESS)
        lay(booth.spool, thief.files(), instead=False)

    refused(booth, "malformed", attack)


@pytest.mark.parametrize("depth", [100, 5_000])
def test_metadata_that_is_nested_without_end(booth: Attacked, thief: FarHq, depth: int):
    refused(booth, "truncated", {**newer(thief), TIMESTAMP: b'{"signed":' + depth * b"[" + depth * b"]" + b"}"})


@pytest.mark.parametrize(
    "ending", ["timestamp.json", ".snapshot.json", ".targets.json", f".{BUREAU}.json", ".3-2", ".head.json"]
)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_file_cut_short(booth: Attacked, thief: FarHq, ending: str, share: float):
    files = newer(thief)
    name = fresh(files, booth, ending)
    refused(booth, "truncated", {**files, name: files[name][: int(len(files[name]) * share)]})


@pytest.mark.parametrize("ending", [".snapshot.json", ".targets.json", f".{BUREAU}.json", ".3-2", ".head.json"])
def test_a_file_that_is_not_there(booth: Attacked, thief: FarHq, ending: str):
    files = newer(thief)
    name = fresh(files, booth, ending)
    refused(booth, "missing", without(files, name))


# --- key files -----------------------------------------------------------------------------------------------------


def _key(thief: FarHq, booth: Attacked) -> tuple[str, bytes]:
    """A new epoch's key file for this booth, whose head is published."""
    epoch = thief.new_epoch()
    thief.put_out(4)
    name = key_file(FEED, epoch, BOOTH)
    return name, thief.boxes[name]


@pytest.mark.parametrize("how", ["cut within the KEM", "cut within the box", "one bit", "empty", "8 KiB more"])
def test_a_key_file_that_is_not_as_it_was_sealed(booth: Attacked, thief: FarHq, how: str):
    name, box = _key(thief, booth)
    content = {
        "cut within the KEM": box[:600],
        "cut within the box": box[:-1],
        "one bit": box[:-1] + bytes([box[-1] ^ 1]),
        "empty": b"",
        "8 KiB more": box + bytes(8192),
    }[how]
    reason = "truncated" if how == "8 KiB more" else "not-for-this-booth"
    refused(booth, reason, {**thief.files(), name: content})


def test_no_key_file(booth: Attacked, thief: FarHq):
    name, _ = _key(thief, booth)
    refused(booth, "not-for-this-booth", without(thief.files(), name))


def test_another_booths_key_file(booth: Attacked, thief: FarHq):
    name, _ = _key(thief, booth)
    key = thief.content_keys[2]
    other = seal(key, SealSecret.generate().public(), purpose="content-key", booth="ZZ-OTHER-02", about=f"{FEED}/2")
    refused(booth, "not-for-this-booth", {**thief.files(), name: other})


@pytest.mark.parametrize("about", [f"{FEED}/1", "other/2"])
def test_a_key_sealed_for_another_place(booth: Attacked, thief: FarHq, about: str):
    """The right key for the right booth, sealed for another epoch or feed."""
    name, _ = _key(thief, booth)
    box = seal(thief.content_keys[2], booth.seal, purpose="content-key", booth=BOOTH, about=about)
    refused(booth, "not-for-this-booth", {**thief.files(), name: box})


def test_a_key_of_the_attackers_own(booth: Attacked, thief: FarHq):
    """Whoever knows the booth's public key can seal to it; the signed head says which key it must be."""
    name, _ = _key(thief, booth)
    box = seal(bytes(32), booth.seal, purpose="content-key", booth=BOOTH, about=f"{FEED}/2")
    refused(booth, "not-for-this-booth", {**thief.files(), name: box})


def test_an_epoch_that_comes_again(booth: Attacked):
    """A booth that was revoked knows the first epoch's key: who has the bureau's key cannot go back to it."""
    booth.hq.new_epoch()
    booth.fed(4)
    thief = booth.hq.stolen()
    del thief.content_keys[2]
    thief.put_out(6)
    refused(booth, "older", thief.files())


@pytest.mark.parametrize("what", ["symlink", "fifo", "folder"])
@pytest.mark.parametrize("ending", ["key", "timestamp.json", ".3-2"])
def test_something_that_is_no_file(booth: Attacked, thief: FarHq, what: str, ending: str):
    """A link to what the core can read and the link cannot; a pipe that would hold the core up for ever."""
    name, _ = _key(thief, booth) if ending == "key" else ("", b"")
    files = thief.files() if name else newer(thief)
    name = name or the(files, ending)

    def attack() -> None:
        booth.bring(without(files, TIMESTAMP))
        place = booth.spool.root / name
        real = place.with_name("real")
        real.write_bytes(files[name])
        beside = place.with_name(".beside")
        if what == "symlink":
            beside.symlink_to(real)
        elif what == "fifo":
            os.mkfifo(beside)
        else:
            beside.mkdir()
            place.unlink(missing_ok=True)
        beside.rename(place)
        if name != TIMESTAMP:
            booth.spool.write(TIMESTAMP, files[TIMESTAMP])

    def taken_away() -> None:
        """Nobody but the spool's owner can make a folder there, and nothing that is put in place removes one."""
        if what == "folder":
            (booth.spool.root / name).rmdir()

    refused(booth, "malformed", attack, taken_away)
