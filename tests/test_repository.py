"""The signed publication: what each act changes, what it needs, and what stays for readers."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import threading
from pathlib import Path

import msgspec
import pytest
from tuf.api.metadata import Metadata

from failsafe.hq.feeds.repository import Repository, RepositoryFault
from failsafe.hq.keyring import keys
from failsafe.hq.keyring.keys import KeyMissing, PassphraseWrong
from failsafe.sync.errors import SyncError
from failsafe.sync.records import Head, HqKeys, Payload, Statement
from failsafe.sync.spool import Spool
from failsafe.sync.trust import read_publication
from tests.publishing import LINEAGE, PASSPHRASE, Desk, now


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "hq")


def files(desk: Desk) -> dict[str, bytes]:
    return {name: (desk.public / name).read_bytes() for name in desk.spool.names()}


def names(desk: Desk) -> set[str]:
    """Published names without their hashes."""
    short = set()
    for name in desk.spool.names():
        folder, _, file = name.rpartition("/")
        hashed, _, rest = file.partition(".")
        short.add(f"{folder}/{rest}" if len(hashed) == 64 else name)
    return short


def payload(path: str, content: bytes, serial: int, base: int | None = None) -> Payload:
    return Payload(
        path=path,
        serial=serial,
        base_serial=base,
        length=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def head(snapshot: Payload, *deltas: Payload, feed: str = "base", serial: int | None = None) -> Head:
    return Head(
        feed=feed,
        lineage=LINEAGE,
        serial=serial or snapshot.serial,
        epoch=1,
        count=10,
        removed=0,
        content_key_sha256="0" * 64,
        snapshot=snapshot,
        deltas=deltas,
        published_at="2026-11-21T00:00:00Z",
    )


def read(desk: Desk, tmp_path: Path, held: dict[str, bytes] | None = None, *feeds: str):
    return read_publication(desk.spool, held or {}, desk.root(), tmp_path, feeds or ("base",))


# --- the first ceremony ------------------------------------------------------------------------------------------


def test_the_first_publication_has_statements_and_keys_and_no_head(desk: Desk):
    assert names(desk) == {
        "metadata/1.root.json",
        "metadata/1.targets.json",
        "metadata/1.bureau-main.json",
        "metadata/1.snapshot.json",
        "metadata/timestamp.json",
        "targets/hq/keys.json",
        "targets/statements/base.json",
    }
    assert desk.repository.head("base") is None
    assert desk.repository.statement("base") == Statement(feed="base", lineage=LINEAGE)
    assert desk.repository.statement("north") is None
    keys_file = desk.file("*.keys.json").read_bytes()
    assert msgspec.json.decode(keys_file, type=HqKeys) == desk.keys.hq_keys()


def test_roles_thresholds_and_expiries(desk: Desk):
    root = Metadata.from_bytes(desk.root()).signed
    assert {role: (len(of.keyids), of.threshold) for role, of in root.roles.items()} == {
        "root": (3, 2),
        "targets": (3, 2),
        "snapshot": (1, 1),
        "timestamp": (1, 1),
    }
    assert root.consistent_snapshot
    delegated = Metadata.from_bytes(desk.file("1.targets.json").read_bytes()).signed.delegations.roles["bureau-main"]
    paths = ["feed/base/*", "feed/base-????????????/*"]
    assert (delegated.threshold, delegated.terminating, delegated.paths) == (1, True, paths)
    days = {
        name: round((Metadata.from_bytes(desk.file(name).read_bytes()).signed.expires - now()) / dt.timedelta(days=1))
        for name in ("1.root.json", "1.targets.json", "1.bureau-main.json", "1.snapshot.json", "timestamp.json")
    }
    assert list(days.values()) == [730, 365, 90, 30, 30]


def test_what_is_published_can_be_served_by_another_user(desk: Desk):
    desk.publish(1)
    for path in desk.public.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)


def test_a_second_first_publication_is_refused(desk: Desk):
    before = files(desk)
    with pytest.raises(RepositoryFault):
        desk.repository.create([], passphrase=PASSPHRASE, now=now())
    assert files(desk) == before


def test_the_first_ceremony_needs_every_offline_key(tmp_path: Path):
    store = keys.init(tmp_path / "hq", passphrase=PASSPHRASE, now=now())
    repository = Repository(tmp_path / "hq", store)
    (tmp_path / "hq" / "offline" / "root-3.pem").unlink()
    with pytest.raises(RepositoryFault, match="every offline key"):
        repository.create([Statement(feed="base", lineage=LINEAGE)], passphrase=PASSPHRASE, now=now())
    with pytest.raises(PassphraseWrong):
        repository.create([], passphrase="another", now=now())
    with pytest.raises(RepositoryFault, match="Nothing is published"):
        repository.root_bytes()


def test_feeds_of_several_bureaus(tmp_path: Path):
    store = keys.init(tmp_path / "hq", passphrase=PASSPHRASE, now=now(), bureaus=["main", "north"])
    repository = Repository(tmp_path / "hq", store)
    stated = [Statement(feed=feed, lineage=LINEAGE) for feed in ("base", "fjord")]
    repository.create(stated, passphrase=PASSPHRASE, now=now(), bureau_of={"fjord": "north"})
    content = b"a snapshot"
    step = payload("feed/fjord/1", content, 1)
    repository.publish(head(step, feed="fjord"), {step.path: content}, now=now())
    metadata = tmp_path / "hq" / "public" / "metadata"
    assert step.path in Metadata.from_bytes((metadata / "2.bureau-north.json").read_bytes()).signed.targets
    assert not (metadata / "2.bureau-main.json").exists()
    assert repository.head("fjord") == head(step, feed="fjord")


# --- every day ---------------------------------------------------------------------------------------------------


def test_publishing_needs_no_offline_key(desk: Desk, tmp_path: Path):
    shutil.rmtree(desk.home / "offline")
    desk.publish(1)
    desk.repository.touch_timestamp(now=now())
    assert read(desk, tmp_path).heads["base"].serial == 1
    with pytest.raises(KeyMissing):
        desk.repository.sign_statement(Statement(feed="base", lineage="lineage-2"), passphrase=PASSPHRASE, now=now())


def test_a_publication_carries_its_head_and_payloads(desk: Desk, tmp_path: Path):
    snapshot, delta = b"a snapshot", b"a delta"
    first = payload("feed/base/1", snapshot, 1)
    desk.repository.publish(head(first), {first.path: snapshot}, now=now())
    step = payload("feed/base/1-2", delta, 2, base=1)
    second = head(first, step, serial=2)
    desk.repository.publish(second, {step.path: delta}, now=now())  # the snapshot was published before
    assert desk.repository.head("base") == second
    publication = read(desk, tmp_path)
    assert publication.heads["base"] == second
    assert [publication.payload(one) for one in (first, step)] == [snapshot, delta]


@pytest.mark.parametrize(
    "path", ["feed/north/1", "hq/keys.json", "feed/base/head.json", "feed/base/a/b", "../1", "feed/base/../x"]
)
def test_a_payload_lies_in_its_feeds_folder(desk: Desk, path: str):
    before = files(desk)
    step = payload(path, b"x", 1)
    with pytest.raises(RepositoryFault):
        desk.repository.publish(head(step), {path: b"x"}, now=now())
    assert files(desk) == before


def test_a_payload_that_is_not_the_one_named_is_not_published(desk: Desk, tmp_path: Path):
    desk.publish(1)
    step = payload("feed/base/2", b"what was meant", 2)
    for given in ({step.path: b"what was given"}, {}):
        with pytest.raises(RepositoryFault):
            desk.repository.publish(head(step), given, now=now())
    assert desk.repository.head("base").serial == 1
    assert read(desk, tmp_path).heads["base"].serial == 1


def test_a_feed_without_a_statement_cannot_be_published(desk: Desk):
    step = payload("feed/north/1", b"x", 1)
    with pytest.raises(RepositoryFault, match="offline"):
        desk.repository.publish(head(step, feed="north"), {step.path: b"x"}, now=now())
    with pytest.raises(RepositoryFault):
        desk.repository.head("north")


def test_a_new_timestamp_changes_nothing_else(desk: Desk, tmp_path: Path):
    desk.publish(1)
    before = files(desk)
    held = read(desk, tmp_path).metadata
    later = now() + dt.timedelta(minutes=10)
    version = desk.repository.touch_timestamp(now=later)
    after = files(desk)
    assert {name for name in after if after[name] != before.get(name)} == {"metadata/timestamp.json"}
    assert json.loads(after["metadata/timestamp.json"])["signed"]["signed_at"] == later.strftime("%Y-%m-%dT%H:%M:%SZ")
    publication = read(desk, tmp_path, dict(held))
    assert (publication.timestamp_version, publication.signed_at) == (version, later.timestamp())


def test_signed_at_is_utc_whatever_the_zone(desk: Desk):
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    desk.repository.touch_timestamp(now=dt.datetime(2027, 1, 1, 2, tzinfo=zone))
    signed = json.loads(desk.file("timestamp.json").read_bytes())["signed"]
    assert signed["signed_at"] == "2026-12-31T20:30:00Z"
    assert signed["expires"] == "2027-01-30T20:30:00Z"


def test_metadata_is_signed_again_before_it_expires(desk: Desk):
    """Nothing is published for a hundred days, only the timestamp goes on: no booth may see expired metadata."""
    start = now()
    desk.publish(1, at=start)
    for day in range(0, 100, 5):
        at = start + dt.timedelta(days=day)
        desk.repository.touch_timestamp(now=at)
        held = desk.held()
        for name in ("timestamp.json", "snapshot.json", "bureau-main.json"):
            assert Metadata.from_bytes(held[name]).signed.expires > at + dt.timedelta(days=10), (name, day)
    assert desk.repository.head("base").serial == 1


# --- statements --------------------------------------------------------------------------------------------------


def test_a_statement_replaces_the_one_before(desk: Desk, tmp_path: Path):
    desk.publish(1)
    smaller = Statement(feed="base", lineage=LINEAGE, may_shrink_at=(2,))
    desk.repository.sign_statement(smaller, passphrase=PASSPHRASE, now=now())
    assert desk.repository.statement("base") == smaller
    publication = read(desk, tmp_path)
    assert publication.statements["base"] == smaller
    assert publication.heads["base"].serial == 1, "the feed itself is as it was"


def test_a_statement_on_a_new_feed_lets_its_bureau_publish_it(desk: Desk, tmp_path: Path):
    desk.repository.sign_statement(Statement(feed="north", lineage=LINEAGE), passphrase=PASSPHRASE, now=now())
    desk.publish(1)
    desk.publish(1, "north")
    assert set(read(desk, tmp_path, None, "base", "north").heads) == {"base", "north"}


def test_a_statement_with_two_of_three_keys(desk: Desk, tmp_path: Path):
    (desk.home / "offline" / "targets-1.pem").unlink()
    desk.publish(1)
    desk.repository.sign_statement(Statement(feed="base", lineage="lineage-2"), passphrase=PASSPHRASE, now=now())
    assert read(desk, tmp_path).statements["base"].lineage == "lineage-2"


@pytest.mark.parametrize(("feed", "bureau"), [("../base", None), ("Base", None), ("", None), ("north", "nobody")])
def test_statements_that_cannot_be(desk: Desk, feed: str, bureau: str | None):
    before = files(desk)
    with pytest.raises(RepositoryFault):
        desk.repository.sign_statement(
            Statement(feed=feed, lineage=LINEAGE), passphrase=PASSPHRASE, now=now(), bureau=bureau
        )
    assert {name: content for name, content in files(desk).items() if name in before} == before
    assert desk.repository.statement("base") == Statement(feed="base", lineage=LINEAGE)


# --- what readers still find -------------------------------------------------------------------------------------


def test_a_reader_one_publication_behind_finds_every_file(desk: Desk, tmp_path: Path):
    desk.publish(1)
    behind = (desk.public / "metadata" / "timestamp.json").read_bytes()
    desk.publish(2)
    desk.spool.write("metadata/timestamp.json", behind)
    publication = read(desk, tmp_path)
    assert publication.heads["base"].serial == 1
    assert publication.payload(publication.heads["base"].snapshot)


def test_what_is_older_than_the_previous_snapshot_goes(desk: Desk):
    for serial in range(1, 6):
        desk.publish(serial)
    assert {name for name in names(desk) if name.startswith("metadata/")} == {
        "metadata/1.root.json",
        "metadata/1.targets.json",
        *(f"metadata/{n}.{role}.json" for n in (5, 6) for role in ("bureau-main", "snapshot")),
        "metadata/timestamp.json",
    }
    assert {name for name in names(desk) if "feed" in name} == {
        "targets/feed/base/head.json",
        "targets/feed/base/snapshot-4",
        "targets/feed/base/snapshot-5",
    }
    assert len(list(desk.public.rglob("*.head.json"))) == 2


def test_key_files_are_not_pruned(desk: Desk):
    desk.repository.public.write("keys/base/1/DEMO-1", b"sealed")
    for serial in range(1, 4):
        desk.publish(serial)
    assert desk.spool.read("keys/base/1/DEMO-1", 100) == b"sealed"


def test_an_interrupted_publication_is_not_seen_and_the_next_one_passes(desk: Desk, tmp_path: Path):
    desk.publish(1)
    timestamp = (desk.public / "metadata" / "timestamp.json").read_bytes()
    held = dict(read(desk, tmp_path).metadata)
    desk.publish(2)
    # As if the power had gone before the last file.
    desk.spool.write("metadata/timestamp.json", timestamp)
    assert read(desk, tmp_path, held).heads["base"].serial == 1
    desk.publish(3)
    assert read(desk, tmp_path, held).heads["base"].serial == 3


def test_readers_during_publications_see_one_or_the_other(desk: Desk, tmp_path: Path):
    desk.publish(1)
    done = threading.Event()
    seen: list[int] = []
    faults: list[Exception] = []

    def look() -> None:
        held: dict[str, bytes] = {}
        while not done.is_set():
            try:
                publication = read_publication(desk.spool, held, desk.root(), tmp_path)
                content = publication.payload(publication.heads["base"].snapshot)
                assert content.startswith(f"snapshot {publication.heads['base'].serial} ".encode())
            except SyncError as error:
                # A reader that is overtaken twice misses a file, and reads again; nothing else may happen.
                if error.reason != "missing":
                    faults.append(error)
            except Exception as error:
                faults.append(error)
            else:
                held = dict(publication.metadata)
                seen.append(publication.heads["base"].serial)

    reader = threading.Thread(target=look)
    reader.start()
    for serial in range(2, 25):
        desk.publish(serial)
    done.set()
    reader.join()
    assert faults == []
    assert seen == sorted(seen)
    assert read(desk, tmp_path).heads["base"].serial == 24


def test_two_publishers_do_not_lose_each_other(desk: Desk, tmp_path: Path):
    desk.publish(1)
    start = read(desk, tmp_path).timestamp_version

    def touch() -> None:
        repository = Repository(desk.home, desk.keys)
        for _ in range(5):
            repository.touch_timestamp(now=now())

    threads = [threading.Thread(target=touch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for serial in range(2, 6):
        desk.publish(serial)
    for thread in threads:
        thread.join()
    publication = read(desk, tmp_path)
    assert publication.timestamp_version == start + 15 + 4
    assert publication.heads["base"].serial == 5


# --- headquarters signs again only what it signed itself ---------------------------------------------------------


@pytest.mark.parametrize("pattern", ["timestamp.json", "2.snapshot.json", "2.bureau-main.json", "1.targets.json"])
def test_metadata_that_somebody_changed_is_not_signed_again(desk: Desk, pattern: str):
    desk.publish(1)
    file = desk.file(pattern)
    changed = json.loads(file.read_bytes())
    changed["signed"]["spec_version"] = "1.0.30"
    file.write_text(json.dumps(changed))
    before = files(desk)
    for act in (lambda: desk.publish(2), lambda: desk.repository.touch_timestamp(now=now())):
        with pytest.raises(RepositoryFault, match="signed by this headquarters"):
            act()
    assert files(desk).keys() >= before.keys()
    assert all(files(desk)[name] == content for name, content in before.items())


def test_another_headquarters_publication_is_not_signed(desk: Desk, tmp_path: Path):
    other = Desk(tmp_path / "other", ("main", "foreign"))
    shutil.rmtree(desk.public)
    shutil.copytree(other.public, desk.public)
    with pytest.raises(RepositoryFault, match="another headquarters"):
        desk.repository.touch_timestamp(now=now())


def test_a_published_record_that_was_changed_is_not_read_back(desk: Desk):
    desk.publish(1)
    file = desk.file("*.head.json")
    file.write_bytes(file.read_bytes().replace(b'"serial":1', b'"serial":9', 1))
    with pytest.raises(RepositoryFault):
        desk.repository.head("base")


def test_nothing_published_yet(tmp_path: Path):
    store = keys.init(tmp_path / "hq", passphrase=PASSPHRASE, now=now())
    repository = Repository(tmp_path / "hq", store)
    for act in (repository.root_bytes, lambda: repository.head("base"), lambda: repository.touch_timestamp(now=now())):
        with pytest.raises(RepositoryFault) as fault:
            act()
        assert "offline keys" in fault.value.advice
    assert Spool(tmp_path / "hq" / "public").names() == []
