"""Folders of whole files: nothing half-written, nothing followed, nothing too large."""

from __future__ import annotations

import errno
import multiprocessing
import os
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from failsafe.sync.errors import Malformed, Missing, SpoolFault, Truncated
from failsafe.sync.spool import Spool, Usage, check_name


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    (tmp_path / "in").mkdir()
    return Spool(tmp_path / "in")


def modes(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*")}


# --- writing and reading -----------------------------------------------------------------------------------------


def test_what_is_written_is_read(spool: Spool):
    assert spool.write("metadata/1.root.json", b"root") == 4
    assert spool.read("metadata/1.root.json", 4) == b"root"
    assert spool.size("metadata/1.root.json") == 4
    assert b"".join(spool.chunks("metadata/1.root.json")) == b"root"


def test_pieces_are_joined(spool: Spool):
    assert spool.write("a", (bytes([n]) * 1000 for n in range(5))) == 5000
    assert spool.read("a", 5000) == b"".join(bytes([n]) * 1000 for n in range(5))


def test_an_empty_file_is_a_file(spool: Spool):
    assert spool.write("empty", b"") == 0
    assert spool.read("empty", 0) == b""
    assert spool.holds("empty")


def test_a_file_is_replaced_whole(spool: Spool):
    spool.write("a", b"a long first version")
    reader = spool.chunks("a")
    spool.write("a", b"short")
    assert spool.read("a", 100) == b"short"
    assert b"".join(reader) == b"short"


def test_a_reader_keeps_the_version_it_opened(spool: Spool):
    first = b"x" * 600_000  # more than one piece
    spool.write("a", first)
    reader = spool.chunks("a")
    start = next(reader)
    spool.write("a", b"y" * 600_000)
    assert start + b"".join(reader) == first


def test_modes_do_not_depend_on_the_umask(tmp_path: Path):
    before = os.umask(0o077)
    try:
        for name, wanted in (("open", (0o640, 0o750)), ("private", (0o600, 0o700))):
            (tmp_path / name).mkdir()
            spool = Spool(tmp_path / name, file_mode=wanted[0], folder_mode=wanted[1])
            spool.write("metadata/a", b"")
            assert modes(tmp_path / name) == {"metadata/a": wanted[0], "metadata": wanted[1]}
    finally:
        os.umask(before)


def test_the_group_of_the_folder_is_inherited(tmp_path: Path):
    root = tmp_path / "in"
    root.mkdir()
    root.chmod(0o2750)
    Spool(root).write("metadata/a", b"")
    assert modes(root)["metadata"] == 0o2750


def test_names_are_sorted_and_by_prefix(spool: Spool):
    for name in ("targets/b", "metadata/2", "metadata/10", "welcome.json"):
        spool.write(name, b"x")
    assert spool.names() == ["metadata/10", "metadata/2", "targets/b", "welcome.json"]
    assert spool.names("metadata/") == ["metadata/10", "metadata/2"]
    assert spool.names("metadata/1") == ["metadata/10"]
    assert spool.names("none/") == []
    with pytest.raises(Malformed):
        spool.names("../")


def test_removing(spool: Spool):
    spool.write("targets/a", b"x")
    spool.remove("targets/a")
    assert not spool.holds("targets/a")
    spool.remove("targets/a")
    spool.remove("nowhere/at/all")


def test_the_root_itself_may_be_a_link(tmp_path: Path, spool: Spool):
    (tmp_path / "linked").symlink_to(spool.root)
    linked = Spool(tmp_path / "linked")
    linked.write("a/b", b"x")
    assert linked.names() == spool.names() == ["a/b"]
    assert linked.usage() == Usage(1, 1)


# --- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("", "/", "/etc/passwd", "..", "../a", "a/../b", "a//b", "a/", ".hidden", "a/.b", "a b", "a\0b", "a\n"),
        *("\u0430", "a/" * 8 + "b", "x" * 193, "a\\b", "-rf", "~", "*"),
    ],
)
def test_names_that_no_publication_uses(spool: Spool, name: str):
    for use in (lambda: spool.read(name, 10), lambda: spool.write(name, b""), lambda: spool.remove(name)):
        with pytest.raises(Malformed):
            use()
    assert list(spool.root.iterdir()) == []


@given(name=st.text(max_size=40))
def test_a_name_that_passes_stays_below_the_root(name: str):
    try:
        parts = check_name(name)
    except Malformed:
        return
    assert "/".join(parts) == name
    assert os.path.normpath(name) == name
    assert not name.startswith(("/", "."))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.from_regex(r"[a-z0-9_][a-z0-9._%-]{0,20}", fullmatch=True), min_size=1, max_size=4),
    content=st.binary(max_size=300),
)
def test_any_safe_name_holds_any_content(spool: Spool, parts: list[str], content: bytes):
    name = "/".join(["folder", *parts[:-1], f"{parts[-1]}_file"])
    try:
        spool.write(name, content)
    except Malformed:  # an earlier example's file stands where this one needs a folder, or the other way round
        return
    assert spool.read(name, 300) == content
    assert name in spool.names()


# --- what is not followed ----------------------------------------------------------------------------------------


def test_a_link_is_not_read(spool: Spool, tmp_path: Path):
    (tmp_path / "secret").write_bytes(b"secret")
    (spool.root / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(Malformed):
        spool.read("link", 100)
    assert not spool.holds("link")
    assert spool.names() == []


def test_a_linked_folder_is_not_entered(spool: Spool, tmp_path: Path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a").write_bytes(b"secret")
    (spool.root / "metadata").symlink_to(tmp_path / "outside")
    with pytest.raises(Malformed):
        spool.read("metadata/a", 100)
    with pytest.raises(Malformed):
        spool.write("metadata/b", b"x")
    with pytest.raises(Malformed):
        spool.remove("metadata/a")
    with pytest.raises(Malformed):
        spool.names("metadata/")
    assert spool.names() == []
    assert [p.name for p in (tmp_path / "outside").iterdir()] == ["a"]


def test_writing_over_a_link_leaves_what_it_points_to(spool: Spool, tmp_path: Path):
    (tmp_path / "precious").write_bytes(b"precious")
    (spool.root / "a").symlink_to(tmp_path / "precious")
    spool.write("a", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert spool.read("a", 10) == b"new"


def test_pipes_sockets_and_folders_are_not_read(spool: Spool, monkeypatch: pytest.MonkeyPatch):
    os.mkfifo(spool.root / "pipe")
    (spool.root / "folder").mkdir()
    monkeypatch.chdir(spool.root)  # a socket's path has to be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        for name in ("pipe", "folder", "socket"):
            with pytest.raises(Malformed):
                spool.read(name, 100)


def test_a_file_where_a_folder_belongs(spool: Spool):
    spool.write("metadata", b"x")
    with pytest.raises(Malformed):
        spool.read("metadata/a", 10)
    with pytest.raises(Malformed):
        spool.write("metadata/a", b"y")


def test_a_folder_where_a_file_belongs(spool: Spool):
    spool.write("metadata/a", b"x")
    with pytest.raises(Malformed):
        spool.write("metadata", b"y")
    assert spool.usage() == Usage(1, 1)


# --- limits ------------------------------------------------------------------------------------------------------


def test_more_than_the_limit_is_not_read(spool: Spool):
    spool.write("a", b"12345")
    with pytest.raises(Truncated):
        spool.read("a", 4)
    assert spool.read("a", 5) == b"12345"


def test_a_missing_file_and_a_missing_folder(spool: Spool, tmp_path: Path):
    with pytest.raises(Missing):
        spool.read("a", 10)
    with pytest.raises(Missing):
        spool.read("metadata/a", 10)
    nowhere = Spool(tmp_path / "nowhere")
    for use in (lambda: nowhere.read("a", 10), lambda: nowhere.write("a", b""), nowhere.names, nowhere.usage):
        with pytest.raises(SpoolFault) as fault:
            use()
        assert os.strerror(errno.ENOENT) in fault.value.detail


def test_the_quota_on_files(tmp_path: Path):
    spool = Spool(tmp_path, max_files=2)
    spool.write("a", b"1")
    spool.write("b", b"1")
    with pytest.raises(SpoolFault):
        spool.write("c", b"1")
    spool.write("a", b"22")  # replacing is not a new file
    spool.remove("b")
    spool.write("c", b"1")
    assert spool.names() == ["a", "c"]


def test_the_quota_on_bytes(tmp_path: Path):
    spool = Spool(tmp_path, max_bytes=10)
    spool.write("a", b"123456")
    with pytest.raises(SpoolFault) as fault:
        spool.write("b", [b"123", b"45"])
    assert "quota" in fault.value.advice
    assert [p.name for p in tmp_path.iterdir()] == ["a"], "a refused file leaves nothing"
    spool.write("a", b"1234567890")
    with pytest.raises(SpoolFault):
        spool.write("a", b"12345678901")
    assert spool.read("a", 100) == b"1234567890"


def test_the_quota_counts_what_was_there_before(tmp_path: Path):
    Spool(tmp_path).write("old", b"123456")
    with pytest.raises(SpoolFault):
        Spool(tmp_path, max_bytes=10).write("new", b"12345")
    with pytest.raises(SpoolFault):
        Spool(tmp_path, max_files=1).write("new", b"")


@given(lengths=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 30)), max_size=12))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_usage_it_remembers_is_the_usage_it_counts(spool: Spool, lengths: list[tuple[str, int]]):
    spool.usage()
    for name, length in lengths:
        if length == 0:
            spool.remove(name)
        else:
            spool.write(name, b"x" * length)
    remembered = spool._usage
    assert remembered == spool.usage()
    assert remembered == Usage(len(spool.names()), sum(spool.size(name) for name in spool.names()))


# --- interruption ------------------------------------------------------------------------------------------------


def test_a_writer_that_fails_leaves_the_old_file(spool: Spool):
    spool.write("a", b"old")

    def breaks():
        yield b"new, but"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        spool.write("a", breaks())
    assert spool.read("a", 10) == b"old"
    assert [p.name for p in spool.root.iterdir()] == ["a"]


def _write_and_die(root: Path) -> None:
    def dies():
        yield b"half of it"
        os._exit(9)

    Spool(root).write("metadata/a", dies())


def test_what_a_killed_writer_left_has_no_name_and_is_swept(spool: Spool):
    spool.write("metadata/a", b"old")
    process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(spool.root,))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert len(list((spool.root / "metadata").iterdir())) == 2
    assert spool.names() == ["metadata/a"]
    assert spool.usage().files == 2, "the quota counts it"
    assert spool.sweep() == 1
    assert spool.usage() == Usage(1, 3)
    assert spool.read("metadata/a", 10) == b"old"


def test_sweeping_leaves_a_living_writer_alone(spool: Spool):
    def pieces():
        yield b"first "
        assert Spool(spool.root).sweep() == 0
        yield b"second"

    spool.write("a", pieces())
    assert spool.read("a", 100) == b"first second"


# --- many at once ------------------------------------------------------------------------------------------------


def test_many_files_are_whole_and_counted(tmp_path):
    spool = Spool(tmp_path, file_mode=0o640)
    spool.write("keys/base/1/OLD", b"old")
    files = {f"ZZ-{number}": os.urandom(1000 + number) for number in range(200)}
    assert spool.write_many("keys/base/1", files.items()) == 200
    assert {name: spool.read(f"keys/base/1/{name}", 2000) for name in files} == files
    counted = spool._usage
    assert counted == spool.usage() and counted.files == 201
    assert not list(tmp_path.rglob(".*.part"))
    assert stat.S_IMODE((tmp_path / "keys" / "base" / "1" / "ZZ-7").stat().st_mode) == 0o640


def test_many_files_over_the_quota_are_refused_and_none_is_half(tmp_path):
    spool = Spool(tmp_path, max_files=50)
    with pytest.raises(SpoolFault):
        spool.write_many("keys", ((f"ZZ-{number}", b"x" * 100) for number in range(500)))
    assert {file.stat().st_size for file in (tmp_path / "keys").iterdir()} == {100}
    assert not list(tmp_path.rglob(".*.part"))


@pytest.mark.parametrize("name", ["../up", ".hidden", "a/../../b", ""])
def test_a_name_that_is_not_safe_is_none_of_many(tmp_path, name):
    with pytest.raises(Malformed):
        Spool(tmp_path).write_many("keys", [("ZZ-1", b"good"), (name, b"bad")])
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == ["ZZ-1"]


def test_many_files_are_removed_and_those_that_are_not_there_are_fine(tmp_path):
    spool = Spool(tmp_path)
    spool.write_many("keys/base/1", [(f"ZZ-{number}", b"x") for number in range(20)])
    spool.write("keys/base/2/ZZ-1", b"x")
    spool.write("keys/stays", b"x")
    names = spool.names("keys/base/")
    assert spool.remove_many([*names, "keys/base/1/ZZ-NOBODY"]) == 21
    assert spool.names() == ["keys/stays"]


# --- a folder of which only some is asked ------------------------------------------------------------------------


def test_stamps_are_of_plain_files_that_are_asked_for(spool: Spool, tmp_path: Path):
    spool.write("receipts/a", b"1")
    spool.write("receipts/b", b"2")
    (spool.root / "receipts/folder").mkdir()
    (spool.root / "receipts/link").symlink_to(tmp_path)
    found = spool.stamps("receipts", ["a", "none", "folder", "link"])
    assert found.keys() == {"a"}
    spool.write("receipts/a", b"1")
    assert spool.stamps("receipts", ["a"]) != found, "the same content, another file"
    assert spool.stamps("nowhere", ["a"]) == {} and spool.beside("nowhere", (), 9) == []
    assert spool.drop("nowhere", []) == spool.drop("nowhere", ["a"]) == 0


def test_a_folder_is_counted_no_further_than_asked(spool: Spool):
    for name in ("a", "b", "c"):
        spool.write(f"receipts/{name}", b"")
    assert spool.exceeds("receipts", 2) and not spool.exceeds("receipts", 3)
    assert not spool.exceeds("nowhere", 0)


def test_a_link_in_a_folders_place_is_neither_asked_nor_counted_nor_cleared(spool: Spool, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    (spool.root / "receipts").symlink_to(tmp_path / "elsewhere")
    for use in (
        lambda: spool.stamps("receipts", ["kept"]),
        lambda: spool.exceeds("receipts", 0),
        lambda: spool.beside("receipts", (), 9),
        lambda: spool.drop("receipts", ["kept"]),
    ):
        with pytest.raises(Malformed):
            use()
    assert (tmp_path / "elsewhere" / "kept").exists()


def test_what_lies_beside_what_is_known_is_cleared_bit_by_bit(spool: Spool, tmp_path: Path):
    for name in ("known", "x", "y"):
        spool.write(f"receipts/{name}", b"")
    place = spool.root / "receipts"
    (tmp_path / "outside").touch()
    (place / "link").symlink_to(tmp_path / "outside")
    (place / "empty").mkdir()
    (place / "full").mkdir()
    (place / "full" / "inner").touch()
    (place / "no name of ours \udcff").touch()
    (place / ".unfinished").touch()
    assert len(spool.beside("receipts", {"known"}, 2)) == 2
    found = spool.beside("receipts", {"known"}, 99)
    assert spool.drop("receipts", found) == 5
    assert {entry.name for entry in place.iterdir()} == {"known", ".unfinished", "full"}
    assert spool.drop("receipts", found) == 0 and (tmp_path / "outside").exists()
    assert spool.usage() == Usage(3, 0)
