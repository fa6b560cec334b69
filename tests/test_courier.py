"""From a stick into the spool: what is taken, in which order, and what is left or refused."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from failsafe.sync.courier import Carried, import_folder
from failsafe.sync.delivery import METADATA_LIMIT
from failsafe.sync.errors import Malformed, Missing, NotForThisBooth, SpoolFault, SyncError, Truncated
from failsafe.sync.records import Welcome, encode
from failsafe.sync.spool import Spool
from failsafe.sync.trust import read_publication
from tests.publishing import Desk, Watched

BOOTH = "DEMO-1"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path / "hq")
    desk.publish(1)
    for booth in (BOOTH, "DEMO-2", "DEMO-10"):
        desk.spool.write(f"keys/base/1/{booth}", f"sealed for {booth}".encode())
    return desk


@pytest.fixture
def stick(desk: Desk, tmp_path: Path) -> Path:
    shutil.copytree(desk.public, tmp_path / "stick")
    return tmp_path / "stick"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    (tmp_path / "in").mkdir()
    return Spool(tmp_path / "in")


def welcome(booth: str = BOOTH) -> bytes:
    root = b"{}"
    return encode(
        Welcome(booth=booth, root=root, root_sha256=hashlib.sha256(root).hexdigest(), certificate="", authority="")
    )


def contents(spool: Spool) -> dict[str, bytes]:
    return {name: spool.read(name, 10_000_000) for name in spool.names()}


def refuses(kind: type[SyncError], source: Path, spool: Spool) -> None:
    """The import is refused as `kind` and the spool is as it was, with nothing half-copied in it."""
    before, everything = contents(spool), sorted(spool.root.rglob("*"))
    with pytest.raises(SyncError) as caught:
        import_folder(source, spool, BOOTH)
    assert type(caught.value) is kind, repr(caught.value)
    assert contents(spool) == before
    assert sorted(spool.root.rglob("*")) == everything


# --- what is taken -----------------------------------------------------------------------------------------------


def test_a_publication_arrives_whole_and_is_believed(desk: Desk, stick: Path, spool: Spool, tmp_path: Path):
    carried = import_folder(stick, spool, BOOTH)
    assert (carried.metadata, carried.targets, carried.keys, carried.welcome) == (7, 4, 1, False)
    arrived = contents(spool)
    there = {n: c for n, c in contents(Spool(stick)).items() if not n.startswith("keys/") or n.endswith(f"/{BOOTH}")}
    assert arrived == there
    assert carried.bytes == sum(len(content) for content in arrived.values())
    publication = read_publication(spool, {}, desk.root(), tmp_path)
    assert publication.payload(publication.heads["base"].snapshot).startswith(b"snapshot 1")


def test_key_files_of_other_booths_stay_on_the_stick(stick: Path, spool: Spool):
    assert import_folder(stick, spool, BOOTH).keys == 1
    assert spool.names("keys/") == [f"keys/base/1/{BOOTH}"]
    assert spool.read(f"keys/base/1/{BOOTH}", 100) == b"sealed for DEMO-1"


def test_files_are_readable_by_the_group(stick: Path, spool: Spool):
    import_folder(stick, spool, BOOTH)
    for path in spool.root.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o750 if path.is_dir() else 0o640)


def test_progress_goes_from_nothing_to_all(desk: Desk, stick: Path, spool: Spool):
    seen: list[tuple[int, int]] = []
    carried = import_folder(stick, spool, BOOTH, lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {total for _, total in seen} == {carried.bytes}
    assert seen[-1] == (carried.bytes, carried.bytes)


def test_a_second_stick_brings_what_is_new(desk: Desk, stick: Path, spool: Spool, tmp_path: Path):
    import_folder(stick, spool, BOOTH)
    desk.publish(2)
    shutil.copytree(desk.public, tmp_path / "stick2")
    second = import_folder(tmp_path / "stick2", spool, BOOTH)
    assert second.targets == 2, "the new head and the new snapshot"
    assert second.present == 4, "the others are known by the hash in their name"
    assert second.bytes < sum(path.stat().st_size for path in (tmp_path / "stick2").rglob("*") if path.is_file())
    assert read_publication(spool, {}, desk.root(), tmp_path).heads["base"].serial == 2


def test_a_target_that_was_damaged_in_the_spool_is_copied_again(stick: Path, spool: Spool):
    import_folder(stick, spool, BOOTH)
    whole = contents(spool)
    name = next(name for name in whole if name.endswith(".snapshot-1"))
    spool.write(name, bytes(len(whole[name])))
    assert import_folder(stick, spool, BOOTH).targets == 1
    assert contents(spool) == whole


def test_what_an_operating_system_leaves_is_passed_over(stick: Path, spool: Spool):
    plain = import_folder(stick, spool, BOOTH)
    shutil.rmtree(spool.root)
    spool.root.mkdir()
    for dropping in (".Trash-1000", "System Volume Information", "holiday.jpg", "metadata/.DS_Store", "targets/._x"):
        (stick / dropping).write_bytes(b"x")
    assert import_folder(stick, Spool(spool.root), BOOTH) == plain


# --- order -------------------------------------------------------------------------------------------------------


def test_the_timestamp_is_last_and_roots_are_late(stick: Path, spool: Spool):
    watched = Watched(spool.root)
    (stick / "welcome.json").write_bytes(welcome())
    import_folder(stick, watched, BOOTH)
    assert watched.order[-2:] == ["metadata/1.root.json", "metadata/timestamp.json"]
    first_metadata = next(at for at, name in enumerate(watched.order) if name.startswith("metadata/"))
    assert all(name.startswith("metadata/") for name in watched.order[first_metadata:])


@pytest.mark.parametrize("stop_after", range(1, 9))
def test_an_import_that_breaks_off_leaves_the_old_publication(
    desk: Desk, stick: Path, spool: Spool, tmp_path: Path, stop_after: int
):
    import_folder(stick, spool, BOOTH)
    held = dict(read_publication(spool, {}, desk.root(), tmp_path).metadata)
    desk.publish(2)
    shutil.copytree(desk.public, tmp_path / "stick2")

    def pull_the_stick(done: int, total: int) -> None:
        nonlocal stop_after
        stop_after -= 1
        if stop_after == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_folder(tmp_path / "stick2", spool, BOOTH, pull_the_stick)
    assert read_publication(spool, held, desk.root(), tmp_path).heads["base"].serial == 1
    import_folder(tmp_path / "stick2", spool, BOOTH)
    assert read_publication(spool, held, desk.root(), tmp_path).heads["base"].serial == 2


# --- welcome files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["welcome.json", f"{BOOTH}.welcome.json"])
def test_a_welcome_file_beside_a_publication(stick: Path, spool: Spool, name: str):
    (stick / name).write_bytes(welcome())
    (stick / "DEMO-2.welcome.json").write_bytes(welcome("DEMO-2"))
    assert import_folder(stick, spool, BOOTH).welcome
    assert spool.read("welcome.json", 10_000) == welcome()


def test_a_folder_with_a_welcome_file_alone(spool: Spool, tmp_path: Path):
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / f"{BOOTH}.welcome.json").write_bytes(welcome())
    assert import_folder(tmp_path / "stick", spool, BOOTH) == Carried(welcome=True, bytes=len(welcome()))


@pytest.mark.parametrize("name", ["welcome.json", "for booth (1).txt"])
def test_a_single_welcome_file(spool: Spool, tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(welcome())
    assert import_folder(tmp_path / name, spool, BOOTH) == Carried(welcome=True, bytes=len(welcome()))
    assert spool.names() == ["welcome.json"]


def test_single_files_that_are_not_this_booths_welcome(spool: Spool, tmp_path: Path):
    for content, kind in ((welcome("DEMO-2"), NotForThisBooth), (b"{}", Malformed), (b"", Malformed)):
        (tmp_path / "file").write_bytes(content)
        refuses(kind, tmp_path / "file", spool)


def test_another_booths_welcome_does_not_replace_ours(stick: Path, spool: Spool):
    spool.write("welcome.json", welcome())
    (stick / "welcome.json").write_bytes(welcome("DEMO-2"))
    assert not import_folder(stick, spool, BOOTH).welcome
    assert spool.read("welcome.json", 10_000) == welcome()


# --- what is refused ---------------------------------------------------------------------------------------------


def test_nothing_here(spool: Spool, tmp_path: Path):
    refuses(Missing, tmp_path / "nowhere", spool)
    (tmp_path / "empty").mkdir()
    refuses(Missing, tmp_path / "empty", spool)
    with pytest.raises(Malformed):
        import_folder(tmp_path / "empty", spool, "demo")


def test_a_publication_without_its_timestamp(stick: Path, spool: Spool):
    (stick / "metadata" / "timestamp.json").unlink()
    refuses(Missing, stick, spool)
    (stick / "welcome.json").write_bytes(welcome())
    refuses(Missing, stick, spool)


@pytest.mark.parametrize(
    "place", ["metadata/9.root.json", "targets/feed/x", "metadata", "targets", f"keys/base/2/{BOOTH}", "keys"]
)
def test_a_link(stick: Path, spool: Spool, tmp_path: Path, place: str):
    """A stick with a real file system could point at this machine's own files."""
    if (stick / place).is_dir():
        (stick / place).rename(tmp_path / "moved")
        (stick / place).symlink_to(tmp_path / "moved")
    else:
        (stick / place).parent.mkdir(parents=True, exist_ok=True)
        (stick / place).symlink_to("/etc/hostname")
    refuses(Malformed, stick, spool)


def test_a_link_in_place_of_a_welcome_file_is_not_taken(stick: Path, spool: Spool, tmp_path: Path):
    (tmp_path / "elsewhere").write_bytes(welcome())
    (stick / "welcome.json").symlink_to(tmp_path / "elsewhere")
    assert not import_folder(stick, spool, BOOTH).welcome


def test_a_pipe(stick: Path, spool: Spool):
    os.mkfifo(stick / "metadata" / "9.root.json")
    refuses(Malformed, stick, spool)


@pytest.mark.parametrize("name", ["metadata/a b.json", "targets/feed/\u0430", "targets/feed/-x", "targets/a/b/c/d/e"])
def test_a_name_no_publication_has(stick: Path, spool: Spool, name: str):
    (stick / name).parent.mkdir(parents=True, exist_ok=True)
    (stick / name).write_bytes(b"x")
    refuses(Malformed, stick, spool)


def test_too_many_files(stick: Path, tmp_path: Path):
    (tmp_path / "small").mkdir()
    refuses(Malformed, stick, Spool(tmp_path / "small", max_files=4))


def test_too_large_a_file(stick: Path, spool: Spool):
    with (stick / "metadata" / "9.bureau-main.json").open("wb") as file:
        file.truncate(METADATA_LIMIT + 1)
    refuses(Malformed, stick, spool)


def test_too_large_a_publication(stick: Path, tmp_path: Path):
    (tmp_path / "small").mkdir()
    refuses(Malformed, stick, Spool(tmp_path / "small", max_bytes=3000))


@pytest.mark.parametrize("cut", [True, False])
def test_a_target_that_was_not_copied_whole_onto_the_stick(
    desk: Desk, stick: Path, spool: Spool, tmp_path: Path, cut: bool
):
    import_folder(stick, spool, BOOTH)
    desk.publish(2)
    shutil.copytree(desk.public, tmp_path / "stick2")
    file = next((tmp_path / "stick2").rglob("*.snapshot-2"))
    file.write_bytes(file.read_bytes()[:-5] if cut else file.read_bytes()[:-5] + b"other")
    timestamp = spool.read("metadata/timestamp.json", 10_000)
    with pytest.raises(Truncated):
        import_folder(tmp_path / "stick2", spool, BOOTH)
    assert spool.read("metadata/timestamp.json", 10_000) == timestamp
    assert not any(name.endswith(".snapshot-2") for name in spool.names())
    assert read_publication(spool, {}, desk.root(), tmp_path).heads["base"].serial == 1


def test_a_spool_that_is_not_there(stick: Path, tmp_path: Path):
    with pytest.raises(SpoolFault):
        import_folder(stick, Spool(tmp_path / "nowhere"), BOOTH)


# --- room --------------------------------------------------------------------------------------------------------


def test_old_publications_make_room_for_the_new_one(desk: Desk, stick: Path, spool: Spool, tmp_path: Path):
    needed = import_folder(stick, spool, BOOTH)
    spool.write("welcome.json", welcome())
    for serial in range(2, 12):
        desk.publish(serial)
        shutil.rmtree(tmp_path / "stick")
        shutil.copytree(desk.public, tmp_path / "stick")
        tight = Spool(spool.root, max_bytes=2 * needed.bytes + len(welcome()))
        import_folder(tmp_path / "stick", tight, BOOTH)
        publication = read_publication(tight, {}, desk.root(), tmp_path)
        assert publication.payload(publication.heads["base"].snapshot).startswith(f"snapshot {serial} ".encode())
        assert tight.usage().bytes <= tight.max_bytes
    assert spool.read("welcome.json", 10_000) == welcome(), "the welcome file stays"
    assert not any(name.endswith(".snapshot-1") for name in spool.names())
