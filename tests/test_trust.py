"""What the booth's core believes of a publication, and what it refuses: change one thing, name the refusal."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import os
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, TargetFile

from failsafe.hq.feeds import published
from failsafe.sync.errors import (
    Expired,
    Malformed,
    Missing,
    NotForThisBooth,
    Older,
    SpoolFault,
    StoreDamaged,
    SyncError,
    Truncated,
    Unsigned,
)
from failsafe.sync.records import Statement, Welcome, encode
from failsafe.sync.spool import Spool
from failsafe.sync.trust import TOP_LEVEL, Publication, read_publication, root_from_welcome
from tests.publishing import LINEAGE, PASSPHRASE, Desk, now


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path / "hq")
    desk.publish(1)
    return desk


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def refused(kind: type[SyncError], spool: Spool, held: dict[str, bytes], root: bytes, workplace: Path, *feeds) -> str:
    """The read is refused as `kind`, and neither what is held nor the workplace is changed by it."""
    before = dict(held)
    with pytest.raises(SyncError) as caught:
        read_publication(spool, held, root, workplace, feeds or ("base",))
    assert type(caught.value) is kind, repr(caught.value)
    assert held == before
    assert list(workplace.iterdir()) == []
    return str(caught.value)


# --- what is believed --------------------------------------------------------------------------------------------


def test_a_first_read_starts_from_the_pinned_root(desk: Desk, workplace: Path):
    publication = read_publication(desk.spool, {}, desk.root(), workplace)
    assert publication.heads["base"].serial == 1
    assert publication.statements["base"] == Statement(feed="base", lineage=LINEAGE)
    assert publication.hq_keys == desk.keys.hq_keys()
    assert publication.payload(publication.heads["base"].snapshot).startswith(b"snapshot 1 of base")
    assert set(publication.metadata) == {*TOP_LEVEL, "bureau-main.json"}
    assert dict(publication.metadata) == desk.held()
    assert list(workplace.iterdir()) == []


def test_signed_at_is_the_time_headquarters_gave(desk: Desk, workplace: Path):
    at = now() - dt.timedelta(hours=30)
    version = desk.repository.touch_timestamp(now=at)
    publication = read_publication(desk.spool, {}, desk.root(), workplace)
    assert publication.signed_at == at.timestamp()
    assert publication.timestamp_version == version


def test_the_next_publication_follows_from_the_held_one(desk: Desk, workplace: Path):
    first = read_publication(desk.spool, {}, desk.root(), workplace)
    desk.publish(2)
    second = read_publication(desk.spool, first.metadata, desk.root(), workplace)
    assert second.heads["base"].serial == 2
    assert second.timestamp_version > first.timestamp_version
    assert second.metadata["targets.json"] == first.metadata["targets.json"]


def test_the_same_publication_may_be_read_again(desk: Desk, workplace: Path):
    first = read_publication(desk.spool, {}, desk.root(), workplace)
    again = read_publication(desk.spool, first.metadata, b"not even looked at", workplace)
    assert again.metadata == first.metadata
    assert again.signed_at == first.signed_at


def test_a_held_timestamp_that_has_expired_does_not_stop_a_newer_one(desk: Desk, workplace: Path):
    desk.repository.touch_timestamp(now=now() - dt.timedelta(days=40))
    held = desk.held()
    desk.publish(2)
    assert read_publication(desk.spool, held, desk.root(), workplace).heads["base"].serial == 2


def test_two_feeds_of_two_bureaus(tmp_path: Path, workplace: Path):
    desk = Desk(tmp_path / "hq", ("main", "second"))
    desk.repository.sign_statement(
        Statement(feed="north", lineage=LINEAGE), passphrase=PASSPHRASE, now=now(), bureau="second"
    )
    desk.publish(1)
    desk.publish(5, "north")
    publication = read_publication(desk.spool, {}, desk.root(), workplace, ["base", "north"])
    assert {feed: head.serial for feed, head in publication.heads.items()} == {"base": 1, "north": 5}
    assert set(publication.metadata) == {*TOP_LEVEL, "bureau-main.json", "bureau-second.json"}
    for head in publication.heads.values():
        assert len(publication.payload(head.snapshot)) == head.snapshot.length


def test_metadata_of_a_bureau_that_was_not_asked_is_not_given_out(tmp_path: Path, workplace: Path):
    desk = Desk(tmp_path / "hq", ("main", "second"))
    desk.publish(1)
    held = desk.held()
    assert "bureau-second.json" in held
    publication = read_publication(desk.spool, held, desk.root(), workplace)
    assert set(publication.metadata) == {*TOP_LEVEL, "bureau-main.json"}


def test_what_a_killed_read_left_is_removed(desk: Desk, workplace: Path):
    (workplace / "trust-left").mkdir()
    (workplace / "trust-left" / "root.json").write_bytes(b"{}")
    (workplace / "another's").mkdir()
    read_publication(desk.spool, {}, desk.root(), workplace)
    assert [left.name for left in workplace.iterdir()] == ["another's"]


# --- signatures --------------------------------------------------------------------------------------------------


def test_an_unsigned_timestamp(desk: Desk, workplace: Path):
    file = desk.public / "metadata" / "timestamp.json"
    unsigned = json.loads(file.read_bytes())
    unsigned["signatures"] = []
    file.write_text(json.dumps(unsigned))
    refused(Unsigned, desk.spool, {}, desk.root(), workplace)


def test_a_timestamp_changed_after_signing(desk: Desk, workplace: Path):
    held = desk.held()
    file = desk.public / "metadata" / "timestamp.json"
    changed = json.loads(file.read_bytes())
    changed["signed"]["version"] += 1
    changed["signed"]["signed_at"] = "2031-01-01T00:00:00Z"
    file.write_text(json.dumps(changed))
    refused(Unsigned, desk.spool, held, desk.root(), workplace)


@pytest.mark.parametrize("count", [0, 1])
def test_targets_with_fewer_than_two_signatures(desk: Desk, workplace: Path, count: int):
    held = desk.held()
    signers = desk.keys.targets_signers(PASSPHRASE)[:count]
    desk.forge("targets", lambda signed: signed.targets.pop("statements/base.json"), signers)
    refused(Unsigned, desk.spool, held, desk.root(), workplace)
    refused(Unsigned, desk.spool, {}, desk.root(), workplace)


def test_two_signatures_of_one_key_count_once(desk: Desk, workplace: Path):
    held = desk.held()
    signer = desk.keys.targets_signers(PASSPHRASE)[0]
    desk.forge("targets", lambda signed: None, [signer, signer])
    refused(Unsigned, desk.spool, held, desk.root(), workplace)


def test_two_of_three_signatures_are_enough(desk: Desk, workplace: Path):
    held = desk.held()
    desk.forge("targets", lambda signed: None, desk.keys.targets_signers(PASSPHRASE)[1:])
    assert read_publication(desk.spool, held, desk.root(), workplace).heads["base"].serial == 1


def test_the_online_keys_cannot_sign_a_statement(desk: Desk, workplace: Path):
    online = [desk.keys.online_signer(role) for role in ("snapshot", "timestamp", "bureau-main")]
    held = desk.held()
    desk.forge("targets", lambda signed: None, online)
    refused(Unsigned, desk.spool, held, desk.root(), workplace)


def test_another_headquarters(desk: Desk, tmp_path: Path, workplace: Path):
    other = _other_desk(tmp_path)
    refused(Unsigned, other.spool, desk.held(), desk.root(), workplace)
    refused(Unsigned, other.spool, {}, desk.root(), workplace)


def _other_desk(tmp_path: Path) -> Desk:
    other = Desk(tmp_path / "other", ("main", "foreign"))  # another template, so other keys
    for serial in range(1, 6):
        other.publish(serial)
    return other


def test_a_bureau_cannot_speak_for_another_bureaus_feed(tmp_path: Path, workplace: Path):
    desk = Desk(tmp_path / "hq", ("main", "second"))
    desk.repository.sign_statement(
        Statement(feed="north", lineage=LINEAGE), passphrase=PASSPHRASE, now=now(), bureau="second"
    )
    head = msgspec.structs.replace(desk.publish(1), feed="north")

    def overreach(signed) -> None:
        target = TargetFile.from_data("feed/north/head.json", encode(head), ["sha256"])
        signed.targets[target.path] = target
        desk.spool.write(f"targets/feed/north/{target.hashes['sha256']}.head.json", encode(head))

    desk.forge("bureau-main", overreach, [desk.keys.online_signer("bureau-main")])
    assert "feed/north/head.json" in refused(Missing, desk.spool, {}, desk.root(), workplace, "north")
    assert read_publication(desk.spool, {}, desk.root(), workplace).heads["base"].serial == 1


@pytest.mark.parametrize("path", ["hq/keys.json", "statements/base.json"])
def test_a_bureau_cannot_replace_what_the_targets_role_says(desk: Desk, workplace: Path, path: str):
    def overreach(signed) -> None:
        signed.targets[path] = TargetFile.from_data(path, b"{}", ["sha256"])

    desk.forge("bureau-main", overreach, [desk.keys.online_signer("bureau-main")])
    publication = read_publication(desk.spool, {}, desk.root(), workplace)
    assert publication.hq_keys == desk.keys.hq_keys()
    assert publication.statements["base"].lineage == LINEAGE


# --- roots -------------------------------------------------------------------------------------------------------


def rotated_root(desk: Desk, old_signers: int) -> bytes:
    """A second root with one root key replaced, signed by the new key and some of the old ones."""
    root = Metadata.from_bytes(desk.root())
    old = desk.keys.root_signers(PASSPHRASE)
    signer = CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    root.signed.revoke_key(old[0].public_key.keyid, "root")
    root.signed.add_key(signer.public_key, "root")
    root.signed.version = 2
    root.signatures.clear()
    for one in [signer, *old[1 : 1 + old_signers]]:
        root.sign(one, append=True)
    return root.to_bytes()


def test_a_root_signed_by_the_threshold_of_the_old_one_is_followed(desk: Desk, workplace: Path):
    held = desk.held()
    first_root = desk.root()
    rotated = rotated_root(desk, old_signers=2)
    desk.spool.write("metadata/2.root.json", rotated)
    desk.publish(2)
    publication = read_publication(desk.spool, held, first_root, workplace)
    assert publication.metadata["root.json"] == rotated
    assert read_publication(desk.spool, publication.metadata, first_root, workplace).heads["base"].serial == 2


def test_a_root_signed_by_too_few_of_the_old_one(desk: Desk, workplace: Path):
    held = desk.held()
    first_root = desk.root()
    desk.spool.write("metadata/2.root.json", rotated_root(desk, old_signers=1))
    refused(Unsigned, desk.spool, held, first_root, workplace)


def test_a_root_that_skips_a_version(desk: Desk, workplace: Path):
    root = Metadata.from_bytes(desk.root())
    root.signed.version = 3
    root.signatures.clear()
    for signer in desk.keys.root_signers(PASSPHRASE):
        root.sign(signer, append=True)
    held = desk.held()
    first_root = desk.root()
    desk.spool.write("metadata/2.root.json", root.to_bytes())
    refused(Older, desk.spool, held, first_root, workplace)


def test_a_root_that_is_none(desk: Desk, workplace: Path):
    refused(Truncated, desk.spool, {}, b"{}", workplace)


# --- rollback ----------------------------------------------------------------------------------------------------


def test_an_older_publication_is_refused_because_of_what_is_held(desk: Desk, tmp_path: Path, workplace: Path):
    old = desk.copy(tmp_path / "old")
    desk.publish(2)
    held = dict(read_publication(desk.spool, {}, desk.root(), workplace).metadata)
    refused(Older, old, held, desk.root(), workplace)
    # The root alone, as TUF is left with when its other files are emptied, would have taken it.
    assert read_publication(old, {}, desk.root(), workplace).heads["base"].serial == 1


def test_an_older_publication_is_refused_even_if_the_held_timestamp_has_expired(
    desk: Desk, tmp_path: Path, workplace: Path
):
    old = desk.copy(tmp_path / "old")
    desk.publish(2)
    desk.repository.touch_timestamp(now=now() - dt.timedelta(days=31))
    held = desk.held()
    refused(Older, old, held, desk.root(), workplace)


def test_a_new_timestamp_over_an_older_snapshot(desk: Desk, workplace: Path):
    before = published.load(desk.spool, desk.keys).timestamp.signed.snapshot_meta
    desk.publish(2)
    held = desk.held()

    def roll_back(signed) -> None:
        signed.snapshot_meta = before

    desk.forge_timestamp(roll_back)
    refused(Older, desk.spool, held, desk.root(), workplace)


@pytest.mark.parametrize("role", ["targets", "bureau-main"])
def test_a_new_snapshot_over_an_older_role(desk: Desk, workplace: Path, role: str):
    before = published.load(desk.spool, desk.keys)
    old_meta = before.snapshot.signed.meta[f"{role}.json"]
    desk.repository.sign_statement(Statement(feed="base", lineage="lineage-2"), passphrase=PASSPHRASE, now=now())
    desk.publish(2)
    held = desk.held()
    publication = published.load(desk.spool, desk.keys)
    publication.snapshot.signed.meta[f"{role}.json"] = old_meta
    desk.repository._write_out(publication, [], now())
    refused(Older, desk.spool, held, desk.root(), workplace)


def test_a_role_that_vanished_from_the_snapshot(desk: Desk, workplace: Path):
    held = desk.held()
    publication = published.load(desk.spool, desk.keys)
    del publication.snapshot.signed.meta["bureau-main.json"]
    del publication.bureaus["bureau-main"]
    desk.repository._write_out(publication, [], now())
    refused(Malformed, desk.spool, held, desk.root(), workplace)


def test_what_is_held_must_be_whole(desk: Desk, workplace: Path):
    for name in TOP_LEVEL:
        held = desk.held()
        del held[name]
        refused(StoreDamaged, desk.spool, held, desk.root(), workplace)


def test_what_is_held_must_be_readable(desk: Desk, workplace: Path):
    for name in desk.held():
        held = desk.held()
        held[name] = held[name][:-20]
        refused(StoreDamaged, desk.spool, held, desk.root(), workplace)


def test_what_is_held_has_plain_names(desk: Desk, workplace: Path):
    held = desk.held() | {"../outside.json": desk.held()["bureau-main.json"]}
    refused(StoreDamaged, desk.spool, held, desk.root(), workplace)
    assert not (workplace / "outside.json").exists()


# --- time --------------------------------------------------------------------------------------------------------


def test_an_expired_timestamp(desk: Desk, workplace: Path):
    held = desk.held()
    desk.repository.touch_timestamp(now=now() - dt.timedelta(days=31))
    refused(Expired, desk.spool, held, desk.root(), workplace)


def test_an_expired_bureau(desk: Desk, workplace: Path):
    held = desk.held()
    desk.publish(2, at=now() - dt.timedelta(days=100))
    desk.forge("targets", lambda signed: None, desk.keys.targets_signers(PASSPHRASE))  # snapshot and timestamp anew
    refused(Expired, desk.spool, held, desk.root(), workplace)


@pytest.mark.parametrize("value", [None, 17, "yesterday", "2026-11-21T00:00:00"])
def test_a_timestamp_that_does_not_say_when(desk: Desk, workplace: Path, value):
    held = desk.held()

    def forget(signed) -> None:
        signed.unrecognized_fields = {} if value is None else {"signed_at": value}

    desk.forge_timestamp(forget)
    refused(Malformed, desk.spool, held, desk.root(), workplace)


# --- files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["*.head.json", "*.keys.json", "*.base.json"])
@pytest.mark.parametrize("cut", [True, False])
def test_a_record_that_is_not_the_signed_one(desk: Desk, workplace: Path, pattern: str, cut: bool):
    held = desk.held()
    file = desk.file(pattern)
    content = file.read_bytes()
    file.write_bytes(content[:-1] if cut else content[:-1] + b" ")
    refused(Truncated, desk.spool, held, desk.root(), workplace)


@pytest.mark.parametrize("pattern", ["*.head.json", "*.keys.json", "*.base.json", "timestamp.json"])
def test_a_file_that_is_not_there(desk: Desk, workplace: Path, pattern: str):
    held = desk.held()
    desk.file(pattern).unlink()
    refused(Missing, desk.spool, held, desk.root(), workplace)


@pytest.mark.parametrize("role", ["snapshot", "bureau-main"])
def test_metadata_that_is_not_there(desk: Desk, workplace: Path, role: str):
    held = desk.held()
    desk.publish(2)
    newest = max(desk.public.rglob(f"*.{role}.json"), key=lambda file: int(file.name.split(".")[0]))
    newest.unlink()
    refused(Missing, desk.spool, held, desk.root(), workplace)


@pytest.mark.parametrize("role", ["snapshot", "bureau-main"])
def test_metadata_that_was_cut(desk: Desk, workplace: Path, role: str):
    held = desk.held()
    desk.publish(2)
    newest = max(desk.public.rglob(f"*.{role}.json"), key=lambda file: int(file.name.split(".")[0]))
    newest.write_bytes(newest.read_bytes()[:-30])
    refused(Truncated, desk.spool, held, desk.root(), workplace)


def test_a_payload_is_compared_when_it_is_asked_for(desk: Desk, workplace: Path):
    file = desk.file("*.snapshot-1")
    content = file.read_bytes()
    publication = read_publication(desk.spool, {}, desk.root(), workplace)
    payload = publication.heads["base"].snapshot
    file.write_bytes(content[:-1])
    with pytest.raises(Truncated):
        publication.payload(payload)
    file.write_bytes(content + b"x")
    with pytest.raises(Truncated):
        publication.payload(payload)
    file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(Truncated):
        publication.payload(payload)
    file.unlink()
    with pytest.raises(Missing):
        publication.payload(payload)
    file.write_bytes(content)
    assert publication.payload(payload) == content


def test_a_payload_no_head_names(desk: Desk, workplace: Path):
    publication = read_publication(desk.spool, {}, desk.root(), workplace)
    stranger = msgspec.structs.replace(publication.heads["base"].snapshot, path="hq/keys.json")
    with pytest.raises(Malformed):
        publication.payload(stranger)


def test_a_link_is_not_followed(desk: Desk, workplace: Path, tmp_path: Path):
    held = desk.held()
    file = desk.file("*.head.json")
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    refused(Malformed, desk.spool, held, desk.root(), workplace)


def test_a_pipe_is_not_waited_for(desk: Desk, workplace: Path):
    file = desk.public / "metadata" / "timestamp.json"
    held = desk.held()
    file.unlink()
    os.mkfifo(file)
    refused(Malformed, desk.spool, held, desk.root(), workplace)


def test_a_record_in_another_shape(desk: Desk, workplace: Path):
    content = b'{"receipt":"","seal":{},"new_field":1}'
    target = TargetFile.from_data("hq/keys.json", content, ["sha256"])
    desk.spool.write(f"targets/hq/{target.hashes['sha256']}.keys.json", content)
    signers = desk.keys.targets_signers(PASSPHRASE)
    desk.forge("targets", lambda signed: signed.targets.update({target.path: target}), signers)
    refused(Malformed, desk.spool, {}, desk.root(), workplace)


def test_a_feed_nobody_publishes(desk: Desk, workplace: Path):
    said = refused(Missing, desk.spool, desk.held(), desk.root(), workplace, "base", "north")
    assert "Ask headquarters" in said


def test_an_empty_spool(desk: Desk, tmp_path: Path, workplace: Path):
    (tmp_path / "in").mkdir()
    refused(Missing, Spool(tmp_path / "in"), desk.held(), desk.root(), workplace)


def test_a_spool_or_workplace_that_is_not_there(desk: Desk, tmp_path: Path, workplace: Path):
    refused(SpoolFault, Spool(tmp_path / "nowhere"), desk.held(), desk.root(), workplace)
    with pytest.raises(SpoolFault):
        read_publication(desk.spool, {}, desk.root(), tmp_path / "nowhere")


# --- whatever byte changes ---------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_byte_is_refused_or_says_the_same(desk: Desk, workplace: Path, data):
    files = sorted(file for file in desk.public.rglob("*") if file.is_file())
    file = data.draw(st.sampled_from(files))
    whole = file.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    root = desk.root()
    expected = _said(read_publication(desk.spool, {}, root, workplace))
    held = desk.held()
    try:
        file.write_bytes(changed)
        for start in ({}, held):
            try:
                publication = read_publication(desk.spool, start, root, workplace)
                said = _said(publication)
            except SyncError as error:
                assert error.advice
            else:
                assert said == expected
    finally:
        file.write_bytes(whole)


def _said(publication: Publication) -> tuple[object, ...]:
    payloads = [publication.payload(head.snapshot) for head in publication.heads.values()]
    return (publication.heads, publication.statements, publication.hq_keys, publication.signed_at, payloads)


# --- the welcome file --------------------------------------------------------------------------------------------


@pytest.fixture
def welcomed(tmp_path: Path) -> tuple[Spool, bytes]:
    (tmp_path / "in").mkdir()
    spool = Spool(tmp_path / "in")
    root = b'{"an": "invented root"}'
    welcome = Welcome(
        booth="DEMO-1",
        root=root,
        root_sha256=hashlib.sha256(root).hexdigest(),
        certificate="",
        authority="",
    )
    spool.write("welcome.json", encode(welcome))
    return spool, root


def test_the_root_of_the_welcome_file(welcomed: tuple[Spool, bytes]):
    spool, root = welcomed
    digest = hashlib.sha256(root).hexdigest()
    assert root_from_welcome(spool, digest, "DEMO-1") == root
    assert root_from_welcome(spool, f" {digest.upper()}\n", "DEMO-1") == root


def test_a_root_other_than_the_pinned_one(welcomed: tuple[Spool, bytes]):
    spool, _ = welcomed
    with pytest.raises(Unsigned, match="root_sha256"):
        root_from_welcome(spool, "0" * 64, "DEMO-1")


def test_the_file_cannot_vouch_for_itself(welcomed: tuple[Spool, bytes]):
    spool, root = welcomed
    forged = json.loads(spool.read("welcome.json", 10_000))
    forged["root"] = base64.b64encode(b'{"another": "root"}').decode()
    forged["root_sha256"] = hashlib.sha256(root).hexdigest()
    spool.write("welcome.json", json.dumps(forged).encode())
    with pytest.raises(Unsigned):
        root_from_welcome(spool, hashlib.sha256(root).hexdigest(), "DEMO-1")


def test_another_booths_welcome(welcomed: tuple[Spool, bytes]):
    spool, root = welcomed
    with pytest.raises(NotForThisBooth):
        root_from_welcome(spool, hashlib.sha256(root).hexdigest(), "DEMO-2")


def test_no_welcome_and_a_broken_one(welcomed: tuple[Spool, bytes]):
    spool, root = welcomed
    spool.write("welcome.json", b"{")
    with pytest.raises(Malformed):
        root_from_welcome(spool, hashlib.sha256(root).hexdigest(), "DEMO-1")
    spool.remove("welcome.json")
    with pytest.raises(Missing):
        root_from_welcome(spool, hashlib.sha256(root).hexdigest(), "DEMO-1")
