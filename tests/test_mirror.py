"""The mirror on real files: a step of a feed whole or not at all, its floor with it, and never a silent emptiness."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.sync.errors import BytesRefused, Malformed, Older, StoreBroken, StoreDamaged, WrongKey
from failsafe.sync.feed import Change, Floor
from failsafe.sync.filing import fold_number
from failsafe.sync.mirror import Counts, Mirror, NameLine, set_aside
from failsafe.sync.records import (
    IdentityDocument,
    ListedDocument,
    NameRow,
    Notice,
    Operation,
    PersonName,
    PutListed,
    PutNotice,
    RemoveListed,
    RemoveNotice,
)
from failsafe.sync.store import Store

KEY = bytes(range(32, 64))
METADATA = {"timestamp.json": b"timestamp 1", "root.json": b"root 1"}


def notice(number: int, surname: str = "Quillfeather", **more) -> Notice:
    return Notice(
        entity_id=f"1900/{number}",
        tier=more.pop("tier", "green"),
        names=(PersonName(surname=surname, given="Zzyzxbert"), PersonName(surname="Bumblethorp", kind="good_alias")),
        sex="M",
        births=("1901-02-03", "1904"),
        documents=more.pop("documents", (IdentityDocument(number=f"zz {number:04d}-7", country="FR"),)),
        summary="Invented for a test.",
        **more,
    )


def listed(number: str, country: str = "FR", sort: str = "P", fraud: str = "stolen") -> ListedDocument:
    return ListedDocument(number=number, issuing_country=country, document_type=sort, fraud_type=fraud)


def derive(of: Notice) -> Iterable[NameRow]:
    for name in of.names:
        tokens = " ".join(part.upper() for part in (name.surname, name.given) if part)
        yield NameRow(of.entity_id, tokens, name.kind)


def change(
    operations: Iterable[Operation], serial: int = 1, base: int | None = None, count: int | None = None, **more
) -> Change:
    operations = tuple(operations)
    if count is None:
        count = sum(isinstance(one, PutNotice | PutListed) for one in operations)
    return Change(
        feed=more.get("feed", "base"),
        lineage=more.get("lineage", "first"),
        serial=serial,
        base_serial=base,
        epoch=more.get("epoch", 4),
        count=count,
        removed=more.get("removed", 0),
        signed_at=more.get("signed_at", 1000.0 + serial),
        operations=operations,
        metadata=more.get("metadata", METADATA),
    )


def state(mirror: Mirror) -> tuple[object, ...]:
    """Everything the mirror tells, to compare before and after."""
    return (
        mirror.floors(),
        mirror.epochs(),
        mirror.held_metadata(),
        mirror.signed_at(),
        mirror.counts(),
        sorted(mirror.names()),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mirror.db"


@pytest.fixture
def mirror(path: Path) -> Iterator[Mirror]:
    with Mirror.open(path, KEY) as mirror:
        yield mirror


@pytest.fixture
def held(mirror: Mirror) -> Mirror:
    """A mirror with twenty notices and two listed documents, at serial 5."""
    puts = [*(PutNotice(notice=notice(number)) for number in range(20))]
    listings = [PutListed(document=listed("X-12 34")), PutListed(document=listed("x1234", "DE", "ID", "lost"))]
    mirror.apply(change([*puts, *listings], serial=5), derive)
    return mirror


# --- emptiness ---------------------------------------------------------------------------------------------------


def test_a_new_mirror_has_no_feeds_and_says_that_it_holds_no_notices(mirror: Mirror) -> None:
    assert state(mirror) == ({}, {}, {}, None, Counts(0, 0, 0), [])
    assert not mirror.holds_notices()
    assert mirror.edition() is None


def test_a_wiped_mirror_is_a_new_one_and_not_an_empty_list(held: Mirror, path: Path) -> None:
    assert held.holds_notices()
    held.close()
    os.truncate(path, 0)
    with Mirror.open(path, KEY) as wiped:
        assert not wiped.holds_notices()
        assert wiped.floors() == {}
        wiped.check()


def test_listed_documents_alone_are_no_notices(mirror: Mirror) -> None:
    mirror.apply(change([PutListed(document=listed("A1"))]), derive)
    assert not mirror.holds_notices()
    assert mirror.counts() == Counts(0, 1, 0)


# --- what it tells -----------------------------------------------------------------------------------------------


def test_a_snapshot_is_there_again_after_a_restart(held: Mirror, path: Path) -> None:
    before = state(held)
    held.close()
    with Mirror.open(path, KEY) as again:
        assert state(again) == before
        assert again.floors() == {"base": Floor("first", 5, 22, 0)}
        assert again.epochs() == {"base": 4}
        assert again.held_metadata() == METADATA
        assert again.signed_at() == 1005.0
        assert again.counts() == Counts(20, 2, 40)
        again.check()


def test_a_notice_comes_back_as_it_was(held: Mirror) -> None:
    assert held.notice("1900/7") == notice(7)
    assert held.notice("1900/99") is None


def test_names_carry_what_the_index_needs_in_the_order_of_derivation(held: Mirror) -> None:
    names = list(held.names())
    assert names[:2] == [
        NameLine("1900/0", "green", "QUILLFEATHER ZZYZXBERT", "main", ("1901-02-03", "1904"), "M"),
        NameLine("1900/0", "green", "BUMBLETHORP", "good_alias", ("1901-02-03", "1904"), "M"),
    ]
    assert len(names) == 40


@pytest.mark.parametrize("written", ["zz 0007-7", "ZZ00077", "Zz.0007/7", " z z 0 0 0 7 7 "])
def test_a_subjects_document_is_found_however_its_number_is_written(held: Mirror, written: str) -> None:
    assert [found.entity_id for found in held.notices_by_document(written)] == ["1900/7"]


def test_one_subject_with_a_number_twice_is_found_once(mirror: Mirror) -> None:
    papers = (IdentityDocument(number="Q1", country="FR"), IdentityDocument(number="q-1", country="DE"))
    mirror.apply(change([PutNotice(notice=notice(1, documents=papers))]), derive)
    assert mirror.notices_by_document("Q1") == (notice(1, documents=papers),)


@pytest.mark.parametrize("written", ["X1234", "x-1234", "X 12 34"])
def test_listed_documents_of_one_number_all_come_with_their_country_and_type(held: Mirror, written: str) -> None:
    assert held.listed(written) == (listed("X-12 34"), listed("x1234", "DE", "ID", "lost"))


@pytest.mark.parametrize("written", ["", " ", "---", "<<<<", "№"])
def test_a_number_without_letters_and_digits_finds_nothing(mirror: Mirror, written: str) -> None:
    empty_papers = (IdentityDocument(number="--"),)
    operations = [PutNotice(notice=notice(1, documents=empty_papers)), PutListed(document=listed("<<"))]
    mirror.apply(change(operations), derive)
    assert mirror.listed(written) == ()
    assert mirror.notices_by_document(written) == ()


@given(st.text(max_size=30))
def test_folding_a_number_again_changes_nothing(number: str) -> None:
    folded = fold_number(number)
    assert fold_number(folded) == folded
    assert folded.isascii() and (folded == "" or folded.isalnum()) and folded == folded.upper()


def test_a_notice_in_two_feeds_is_kept_twice_and_the_nuclear_tier_is_shown(held: Mirror) -> None:
    supplement = change([PutNotice(notice=notice(3, tier="rn"))], feed="supplement")
    held.apply(supplement, derive)
    assert held.notice("1900/3") == notice(3, tier="rn")
    assert sorted(line.tier for line in held.names() if line.entity_id == "1900/3") == ["green", "green", "rn", "rn"]
    assert [found.tier for found in held.notices_by_document("ZZ00037")] == ["rn"]
    held.apply(change([RemoveNotice(entity_id="1900/3")], 6, 5, count=21), derive)
    assert held.notice("1900/3") == notice(3, tier="rn")
    held.check()


# --- how it changes ----------------------------------------------------------------------------------------------


def test_a_delta_puts_changes_and_removes(held: Mirror) -> None:
    operations = [
        PutNotice(notice=notice(100)),
        PutNotice(notice=notice(2, surname="Otherwise")),
        RemoveNotice(entity_id="1900/0"),
        RemoveListed(number="X-12 34", issuing_country="FR", document_type="P"),
        PutListed(document=listed("x1234", "DE", "ID", "stolen")),
    ]
    held.apply(change(operations, 6, 5, count=21, removed=2, epoch=5, metadata={"timestamp.json": b"2"}), derive)
    assert held.floors() == {"base": Floor("first", 6, 21, 2)}
    assert held.epochs() == {"base": 5}
    assert held.notice("1900/100") == notice(100)
    assert held.notice("1900/2") == notice(2, surname="Otherwise")
    assert held.listed("X1234") == (listed("x1234", "DE", "ID", "stolen"),)
    assert "OTHERWISE ZZYZXBERT" in {line.tokens for line in held.names()}
    assert held.held_metadata() == {"timestamp.json": b"2", "root.json": b"root 1"}
    held.check()


def test_removing_a_notice_takes_its_names_and_documents_with_it(held: Mirror) -> None:
    held.apply(change([RemoveNotice(entity_id="1900/7")], 6, 5, count=21), derive)
    assert held.notice("1900/7") is None
    assert held.notices_by_document("ZZ00077") == ()
    assert "1900/7" not in {line.entity_id for line in held.names()}
    assert held.counts() == Counts(19, 2, 38)


def test_a_snapshot_replaces_its_own_feed_and_no_other(held: Mirror) -> None:
    held.apply(change([PutNotice(notice=notice(500))], feed="supplement"), derive)
    held.apply(change([PutNotice(notice=notice(1))], serial=9), derive)
    assert held.counts() == Counts(2, 0, 4)
    assert held.notice("1900/500") == notice(500)
    assert held.notice("1900/2") is None
    assert held.floors() == {"base": Floor("first", 9, 1, 0), "supplement": Floor("first", 1, 1, 0)}
    held.check()


def test_a_new_lineage_may_start_below_with_a_snapshot(held: Mirror) -> None:
    held.apply(change([PutNotice(notice=notice(1))], serial=1, lineage="second"), derive)
    assert held.floors() == {"base": Floor("second", 1, 1, 0)}


def test_the_snapshot_that_is_held_may_come_again(held: Mirror) -> None:
    again = change([PutNotice(notice=notice(8))], serial=5)
    held.apply(again, derive)
    before = state(held)
    held.apply(again, derive)
    assert state(held) == before


@pytest.mark.parametrize(
    ("step", "error", "says"),
    [
        (change([], 4, None, count=0), Older, "5 was accepted"),
        (change([], 4, 3, count=22), Older, "5 was accepted"),
        (change([], 8, 7, count=22), Malformed, "starts at 7, and 5 is held"),
        (change([], 6, 4, count=22), Malformed, "starts at 4, and 5 is held"),
        (change([], 6, 5, count=22, lineage="second"), Malformed, "another lineage"),
        (change([], 6, 5, count=22, feed="supplement"), Malformed, "not held"),
        (change([PutNotice(notice=notice(77))], 6, 5, count=22), Malformed, "would hold 23 rows; its head says 22"),
        (change([RemoveNotice(entity_id="1900/999")], 6, 5, count=21), Malformed, "would hold 22"),
        (change([PutNotice(notice=notice(0))] * 2, 6, None, count=2), Malformed, "would hold 1 rows"),
    ],
)
def test_a_step_that_does_not_follow_is_refused_and_changes_nothing(
    held: Mirror, step: Change, error: type[BytesRefused], says: str
) -> None:
    before = state(held)
    with pytest.raises(error, match=says) as caught:
        held.apply(step, derive)
    assert state(held) == before
    assert caught.value.reason in ("older", "malformed") and caught.value.advice
    held.check()


def test_a_derivation_that_fails_half_way_leaves_the_old_step(held: Mirror) -> None:
    before = state(held)

    def stumble(of: Notice) -> Iterator[NameRow]:
        yield from derive(of)
        if of.entity_id == "1900/30":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        held.apply(change([PutNotice(notice=notice(number)) for number in range(25, 35)], 6, 5, count=32), stumble)
    assert state(held) == before


def test_a_newer_timestamp_without_a_new_serial_is_kept_and_no_file_is_lost(held: Mirror) -> None:
    held.acknowledge({"timestamp.json": b"timestamp 2"}, 5000.5)
    assert held.held_metadata() == {"timestamp.json": b"timestamp 2", "root.json": b"root 1"}
    assert held.signed_at() == 5000.5
    assert held.floors()["base"].serial == 5


def test_names_are_derived_anew_for_newer_rules(held: Mirror) -> None:
    held.rederive(lambda of: [NameRow(of.entity_id, "ONE", "main")], "2")
    assert held.edition() == "2"
    assert held.counts().names == 20
    assert {line.tokens for line in held.names()} == {"ONE"}
    assert held.notice("1900/7") == notice(7)
    held.check()


IDS = st.integers(0, 5)
OPERATIONS = st.one_of(
    st.builds(lambda number, name: PutNotice(notice=notice(number, name)), IDS, st.sampled_from(["Aa", "Bb", "Cc"])),
    st.builds(lambda number: RemoveNotice(entity_id=f"1900/{number}"), IDS),
    st.builds(lambda number, fraud: PutListed(document=listed(f"L{number}", fraud=fraud)), IDS, st.sampled_from("sl")),
    st.builds(lambda number: RemoveListed(number=f"L{number}", issuing_country="FR", document_type="P"), IDS),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.lists(OPERATIONS, max_size=8)), min_size=1, max_size=5))
def test_any_chain_of_steps_gives_what_a_dictionary_gives(steps: list[tuple[bool, list[Operation]]]) -> None:
    notices: dict[str, Notice] = {}
    listings: dict[str, ListedDocument] = {}
    with tempfile.TemporaryDirectory() as folder, Mirror.open(Path(folder) / "m.db", KEY) as mirror:
        for serial, (whole, operations) in enumerate(steps, 1):
            if whole or serial == 1:
                notices.clear()
                listings.clear()
            for one in operations:
                match one:
                    case PutNotice(notice=put):
                        notices[put.entity_id] = put
                    case RemoveNotice(entity_id=entity_id):
                        notices.pop(entity_id, None)
                    case PutListed(document=document):
                        listings[document.number] = document
                    case RemoveListed(number=number):
                        listings.pop(number, None)
            base = None if whole or serial == 1 else serial - 1
            mirror.apply(change(operations, serial, base, count=len(notices) + len(listings)), derive)
            assert mirror.counts() == Counts(len(notices), len(listings), 2 * len(notices))
            for number in range(6):
                assert mirror.notice(f"1900/{number}") == notices.get(f"1900/{number}")
                assert mirror.listed(f"L{number}") == ((listings[f"L{number}"],) if f"L{number}" in listings else ())
            expected = sorted((row.entity_id, row.tokens) for one in notices.values() for row in derive(one))
            assert sorted((line.entity_id, line.tokens) for line in mirror.names()) == expected
        mirror.check()


# --- several connections -----------------------------------------------------------------------------------------


def test_a_reader_keeps_its_list_while_a_writer_replaces_it(held: Mirror, path: Path) -> None:
    with Mirror.open(path, KEY) as reader:
        streaming = reader.names()
        first = next(streaming)
        held.apply(change([PutNotice(notice=notice(1))], serial=6), derive)
        assert first.entity_id == "1900/0"
        assert len(list(streaming)) == 39
        assert len(list(reader.names())) == 2


def test_what_is_asked_at_one_moment_is_of_one_step(held: Mirror, path: Path) -> None:
    """A verdict that asks for two notices is told of both or of neither."""
    with Mirror.open(path, KEY) as reader:
        with reader.at_one_moment():
            assert reader.notice("1900/1") is not None
            held.apply(change([RemoveNotice(entity_id=f"1900/{number}") for number in (1, 2)], 6, 5, 20), derive)
            assert reader.notice("1900/2") is not None
        assert reader.notice("1900/1") is None and reader.notice("1900/2") is None


# --- secrecy and damage ------------------------------------------------------------------------------------------


def test_nothing_of_a_notice_is_readable_in_the_files(held: Mirror, path: Path) -> None:
    held.acknowledge({"timestamp.json": b"Zzyzxbert"}, 1.0)  # so that the log holds something too
    files = sorted(path.parent.iterdir())
    assert [file.suffix for file in files] == [".db", ".db-shm", ".db-wal"]
    for file in files:
        raw = file.read_bytes().upper()
        for word in (b"QUILLFEATHER", b"ZZYZXBERT", b"BUMBLETHORP", b"1900/", b"X1234", b"ZZ00077", b"INVENTED"):
            assert word not in raw, file.name


def test_a_wrong_key_opens_nothing_and_harms_nothing(held: Mirror, path: Path) -> None:
    before = state(held)
    held.close()
    raw = path.read_bytes()
    with pytest.raises(WrongKey):
        Mirror.open(path, bytes(32))
    assert path.read_bytes() == raw
    with Mirror.open(path, KEY) as again:
        assert state(again) == before


def test_a_damaged_mirror_is_found_set_aside_and_begun_anew(held: Mirror, path: Path) -> None:
    held.close()
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes(raw)
    damaged = Mirror.open(path, KEY)
    with pytest.raises(StoreDamaged):
        damaged.check()
    damaged.close()
    aside = set_aside(path)
    assert aside.read_bytes() == bytes(raw)
    with Mirror.open(path, KEY) as fresh:
        assert fresh.floors() == {}
        assert not fresh.holds_notices()


def test_rows_that_the_signed_head_does_not_account_for_are_found(held: Mirror) -> None:
    held._store.run("DELETE FROM notice WHERE entity_id = '1900/4'")
    with pytest.raises(StoreDamaged, match="number of rows"):
        held.check()


def test_a_step_that_comes_while_the_mirror_is_read_through_is_no_damage(
    held: Mirror, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_through = Store.check

    def overtaken(store: Store) -> None:
        read_through(store)
        with Mirror.open(path, KEY) as writer:
            writer.apply(change([PutNotice(notice=notice(99))], 6, 5, count=23, lineage="first"), derive)

    monkeypatch.setattr(Store, "check", overtaken)
    held.check()
    assert held.notice("1900/99") is not None
    # What the step could not fold, since it was being read beside, is folded when the reading is over.
    assert path.with_name(path.name + "-wal").stat().st_size == 0


def test_sizes_are_those_of_the_counts(held: Mirror) -> None:
    assert held.sizes() == held.counts()[:2] == (20, 2)


def test_a_body_of_another_version_is_damage_and_is_not_quoted(held: Mirror) -> None:
    held._store.run("UPDATE body SET bytes = ?", (b'{"entity_id":"1900/4","tier":"Zzyzxbert","names":[]}',))
    with pytest.raises(StoreDamaged) as caught:
        held.notice("1900/4")
    assert "Zzyzxbert" not in str(caught.value) and caught.value.__cause__ is None


def test_a_disk_that_fills_while_a_step_is_applied_leaves_the_old_step(path: Path) -> None:
    with Mirror.open(path, KEY) as mirror:
        mirror.apply(change([PutNotice(notice=notice(number)) for number in range(20)], serial=5), derive)
        before = state(mirror)
    done = run_child(
        """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
try:
    mirror.apply(step(6, range(20, 4020), 4020), derive)
except StoreBroken as refusal:
    print(refusal.reason)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert mirror.counts().notices == 20
mirror.check()
""",
        path,
    )
    assert done.stdout == b"store\n", done.stderr
    with Mirror.open(path, KEY) as mirror:
        assert state(mirror) == before


# --- killed at any moment ----------------------------------------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
from failsafe.sync.errors import StoreBroken
from failsafe.sync.feed import Change
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import NameRow, Notice, PersonName, PutNotice

def say(*words):
    print(*words, flush=True)

def step(serial, numbers, count):
    puts = [PutNotice(notice=Notice(entity_id=f"1900/{n}", tier="green", names=(PersonName(surname=f"S{serial}"),)))
            for n in numbers]
    trusted = {"timestamp.json": b"%d" % serial}
    return Change("base", "first", serial, serial - 1, 4, count, 0, 1000.0 + serial, puts, trusted)

def derive(notice):
    return [NameRow(notice.entity_id, notice.names[0].surname, "main")]

mirror = Mirror.open(Path(sys.argv[1]), bytes(range(32, 64)))
"""

ENDLESS = """
def telling(notice):
    if notice.entity_id == "1900/%s":
        say("within")
    return derive(notice)

serial = mirror.floors()["base"].serial
while True:
    serial += 1
    mirror.apply(step(serial, range(300), 300), telling)
    say("done", serial)
"""


def run_child(body: str, path: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", CHILD + body, str(path)]
    return subprocess.run(command, capture_output=True, check=False, timeout=60)


def kill_within(path: Path, steps: int, place: int, pause_s: float) -> int:
    """Let a child apply steps and kill it within (or just after) one; returns the last serial it said was done."""
    command = [sys.executable, "-c", CHILD + ENDLESS % place, str(path)]
    done = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            word, *serial = line.split()
            if word == "done":
                done = int(serial[0])
                steps -= 1
            elif steps <= 0:
                break
        try:
            child.wait(pause_s)  # it runs on until it is killed: this only moves the moment
        except subprocess.TimeoutExpired:
            child.kill()
        for line in child.stdout:
            if line.startswith("done") and line.endswith("\n"):
                done = int(line.split()[1])
    return done


def test_a_mirror_killed_at_any_moment_is_at_the_old_step_or_the_new_one(path: Path) -> None:
    chance = random.Random(20261121)
    with Mirror.open(path, KEY) as mirror:
        mirror.apply(change([PutNotice(notice=notice(number)) for number in range(300)]), derive)
    for _ in range(6):
        done = kill_within(path, chance.randrange(3), chance.randrange(300), chance.choice([0, 0.001, 0.01, 0.03]))
        with Mirror.open(path, KEY) as mirror:
            mirror.check()
            serial = mirror.floors()["base"].serial
            assert serial >= done
            if serial > 1:
                assert {line.tokens for line in mirror.names()} == {f"S{serial}"}
                assert mirror.signed_at() == 1000.0 + serial
                assert mirror.held_metadata()["timestamp.json"] == str(serial).encode()
            assert mirror.counts() == Counts(300, 0, 300 if serial > 1 else 600)


def test_what_a_refused_step_leaves_behind_can_be_followed(held: Mirror) -> None:
    with pytest.raises(Malformed):
        held.apply(change([PutNotice(notice=notice(60))], 6, 5, count=99), derive)
    held.apply(change([PutNotice(notice=notice(60))], 6, 5, count=23, lineage="first"), derive)
    assert held.floors()["base"] == Floor("first", 6, 23, 0)


def test_a_folder_that_is_missing_is_the_lines_fault_not_the_bytes(tmp_path: Path) -> None:
    with pytest.raises(StoreBroken) as caught:
        Mirror.open(tmp_path / "nowhere" / "mirror.db", KEY)
    assert not isinstance(caught.value, BytesRefused)
    with pytest.raises(StoreBroken):
        set_aside(tmp_path / "mirror.db")
