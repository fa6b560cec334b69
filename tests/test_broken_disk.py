"""A disk that says EIO when something is to be made durable: fsync fails for real, below Python and below SQLCipher.

A shim in C stands before the C library's fsync and fdatasync (LD_PRELOAD), since a device that fails on demand
(dm-flakey) needs a kernel module. It fails for files whose path ends as a file says, while that file is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int broken(int fd) {
    char link[64], path[4096], word[256];
    const char *trigger = getenv("FAILSAFE_BROKEN");
    int file = trigger ? open(trigger, O_RDONLY) : -1;
    if (file < 0) return 0;
    ssize_t length = read(file, word, sizeof word - 1);
    close(file);
    if (length <= 0) return 0;
    word[length] = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    size_t rest = strlen(path), ending = strlen(word);
    return rest >= ending && strcmp(path + rest - ending, word) == 0;
}

#define SHIM(name) int name(int fd) { \
    static int (*real)(int); \
    if (broken(fd)) { errno = EIO; return -1; } \
    if (!real) real = (int (*)(int)) dlsym(RTLD_NEXT, #name); \
    return real(fd); }
SHIM(fsync)
SHIM(fdatasync)
"""

BEGIN = """
import os, sys
from pathlib import Path
folder = Path(sys.argv[1])
trigger = Path(os.environ["FAILSAFE_BROKEN"])

def break_disk(word):
    beside = trigger.with_suffix(".new")
    beside.write_text(word)
    beside.rename(trigger)

def mend_disk():
    trigger.unlink()

def refused(act, kind):
    try:
        act()
    except kind as refusal:
        return refusal
    raise AssertionError("nothing was refused")
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory, missing_part: Callable[[str], None]) -> Path:
    """The compiled shim."""
    compiler = shutil.which("cc")
    if compiler is None:
        missing_part("needs a C compiler: apt install gcc libc6-dev")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    made = folder / "shim.so"
    command = [str(compiler), "-shared", "-fPIC", "-o", str(made), str(folder / "shim.c"), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return made


@pytest.fixture
def on_it(shim: Path, tmp_path: Path) -> Callable[[str], None]:
    """Run a text of Python on the broken disk; its assertions are this test's."""

    def run(body: str) -> None:
        environment = os.environ | {"LD_PRELOAD": str(shim), "FAILSAFE_BROKEN": str(tmp_path / "broken")}
        done = subprocess.run(
            [sys.executable, "-c", BEGIN + body, str(tmp_path)],
            env=environment | {"PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-3000:]

    return run


def test_the_shim_is_what_fails(on_it: Callable[[str], None]):
    on_it("""
import errno
file = (folder / "watched").open("wb")
os.fsync(file.fileno())
break_disk("watched")
assert refused(lambda: os.fsync(file.fileno()), OSError).errno == errno.EIO
mend_disk()
os.fsync(file.fileno())
""")


def test_a_spool_file_that_cannot_be_made_durable_does_not_replace_the_old_one(on_it: Callable[[str], None]):
    on_it("""
from failsafe.sync.errors import SpoolFault
from failsafe.sync.spool import Spool
(folder / "in").mkdir()
spool = Spool(folder / "in")
spool.write("metadata/timestamp.json", b"old")
break_disk(".part")
refused(lambda: spool.write("metadata/timestamp.json", b"new"), SpoolFault)
refused(lambda: spool.write("metadata/other.json", b"new"), SpoolFault)
assert spool.read("metadata/timestamp.json", 9) == b"old"
assert [file.name for file in (folder / "in" / "metadata").iterdir()] == ["timestamp.json"]
mend_disk()
spool.write("metadata/timestamp.json", b"new")
assert spool.read("metadata/timestamp.json", 9) == b"new" and spool.usage() == spool.usage()
""")


STEPS = """
from failsafe.sync.errors import StoreBroken
from failsafe.sync.feed import Change
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import NameRow, PutNotice
from tests.far_hq import notice

def step(serial, count):
    puts = [PutNotice(notice=notice(1000 * serial + number)) for number in range(50)]
    trusted = {"timestamp.json": b"%d" % serial}
    return Change("base", "first", serial, serial - 1 or None, 1, count, 0, 1000.0 + serial, puts, trusted)

def derive(one):
    return [NameRow(one.entity_id, one.names[0].surname, "main")]

def serials(mirror):
    return {int(line.entity_id[5:]) // 1000 for line in mirror.names()}

path, key = folder / "mirror.db", bytes(range(32))
"""


def test_a_step_that_cannot_be_made_durable_is_not_taken(on_it: Callable[[str], None]):
    on_it(
        STEPS
        + """
with Mirror.open(path, key) as mirror, Mirror.open(path, key) as reader:
    mirror.apply(step(1, 50), derive)
    break_disk("mirror.db-wal")
    assert "disk" in refused(lambda: mirror.apply(step(2, 100), derive), StoreBroken).advice
    assert serials(reader) == serials(mirror) == {1}
    mend_disk()
    mirror.apply(step(2, 100), derive)
    mirror.check()
    assert serials(reader) == {1, 2}
with Mirror.open(path, key) as again:
    again.check()
    assert again.floors()["base"].serial == 2
"""
    )


def test_a_step_stays_taken_where_only_the_log_can_be_made_durable(on_it: Callable[[str], None]):
    """It is committed in the log; folding that into the file waits for a better day."""
    on_it(
        STEPS
        + """
with Mirror.open(path, key) as mirror:
    mirror.apply(step(1, 50), derive)
    break_disk("mirror.db")
    mirror.apply(step(2, 100), derive)
    assert path.with_name("mirror.db-wal").stat().st_size > 0
    mend_disk()
    mirror.apply(step(3, 150), derive)
    assert path.with_name("mirror.db-wal").stat().st_size == 0
    mirror.check()
    assert serials(mirror) == {1, 2, 3}
"""
    )


def test_a_core_killed_behind_the_error_finds_a_whole_step(on_it: Callable[[str], None], tmp_path: Path):
    """What the disk kept of the refused step nobody knows: it is there whole, or not at all."""
    on_it(
        STEPS
        + """
import signal
mirror = Mirror.open(path, key)
mirror.apply(step(1, 50), derive)
break_disk("mirror.db-wal")
refused(lambda: mirror.apply(step(2, 100), derive), StoreBroken)
if os.fork() == 0:
    os.kill(os.getpid(), signal.SIGKILL)  # without closing
os.wait()
os._exit(0)
"""
    )
    on_it(
        STEPS
        + """
trigger.unlink()
with Mirror.open(path, key) as mirror:
    mirror.check()
    serial = mirror.floors()["base"].serial
    assert serials(mirror) == set(range(1, serial + 1)) and serial in (1, 2)
    if serial == 1:
        mirror.apply(step(2, 100), derive)
    mirror.check()
"""
    )


def test_an_entry_that_cannot_be_made_durable_is_not_recorded(on_it: Callable[[str], None]):
    on_it("""
from failsafe.sync.errors import StoreBroken
from failsafe.sync.ledger import Ledger
from failsafe.sync.reports import HealthChange, Moment, Place

def change(number):
    at = Moment(wall="2026-11-22T00:00:00.000Z", monotonic_s=1.0, trusted=True)
    place = Place(booth="ZZ-TEST-01", country="ZZ", crossing_point="Invented Gate")
    return HealthChange(id=f"0190-{number}", at=at, place=place, part="feed", was="", now="OK")

path, key = folder / "ledger.db", bytes(range(32))
with Ledger.open(path, key) as ledger:
    ledger.append(change(1))
    break_disk("ledger.db-wal")
    refused(lambda: ledger.append(change(2)), StoreBroken)
    assert ledger.length() == 1
    mend_disk()
    ledger.append(change(2))
    ledger.append(change(3))
    ledger.check()
    ledger.verify()
    assert [entry.body.id for entry in ledger.entries()] == ["0190-1", "0190-2", "0190-3"]
""")


def test_a_whole_booth_goes_on_and_takes_what_came_when_the_disk_is_well_again(on_it: Callable[[str], None]):
    """Mirror: verdicts go on from the old list. Ledger: nobody is cleared. Nobody lends a hand."""
    on_it("""
import pytest
from failsafe.agent import notices, recorder
from tests.attacked import fed, quickly
patch = pytest.MonkeyPatch()
quickly(patch)
patch.setattr(notices, "TRY_AGAIN_S", 0.05)
patch.setattr(recorder, "RETRY_S", 0.05)
with fed(folder) as booth:
    break_disk("mirror.db-wal")
    head = booth.hq.put_out(5)
    booth.bring()
    told = booth.wait(lambda told: told["mirror"]["refused"])
    assert told["mirror"]["refused"] == "store" and booth.serial() == 2
    assert (booth.word(1), booth.word(4711), booth.word(5)) == ("STOP", "CLEAR", "CLEAR")
    mend_disk()
    booth.holds(head.serial)
    assert (booth.word(1), booth.word(4711), booth.word(5)) == ("STOP", "CLEAR", "STOP")
    break_disk("ledger.db-wal")
    booth.word(1)
    booth.wait(lambda told: not told["ledger"]["recording"])
    assert (booth.word(1), booth.word(4711)) == ("STOP", "CANNOT CLEAR")
    mend_disk()
    booth.wait(lambda told: told["ledger"]["recording"])
    booth.wait(lambda _: booth.word(4711) == "CLEAR")
patch.undo()
""")


def test_a_step_is_taken_and_its_floor_noted_when_the_ledger_writes_again(on_it: Callable[[str], None]):
    """The mirror has the step, the ledger cannot: nobody is cleared until it can, and then it knows the floor."""
    on_it("""
import pytest
from failsafe.agent import recorder
from failsafe.sync.ledger import Ledger
from tests.attacked import fed, quickly
patch = pytest.MonkeyPatch()
quickly(patch)
patch.setattr(recorder, "RETRY_S", 0.05)

def noted():
    with Ledger.open(booth.state / "ledger.db", booth.keys.ledger) as ledger:
        ledger.check()
        ledger.verify()
        return ledger.floors()["base"].serial

with fed(folder) as booth:
    break_disk("ledger.db-wal")
    head = booth.hq.put_out(5)
    booth.bring()
    booth.wait(lambda told: booth.serial() == head.serial and not told["ledger"]["recording"])
    assert (booth.word(1), booth.word(5), booth.word(4711)) == ("STOP", "STOP", "CANNOT CLEAR")
    mend_disk()
    booth.wait(lambda told: told["ledger"]["recording"] and noted() == head.serial)
    booth.wait(lambda _: booth.word(4711) == "CLEAR")
patch.undo()
""")


def test_a_floor_that_was_never_noted_is_noted_by_the_next_start(on_it: Callable[[str], None]):
    """The power goes while the ledger cannot write: the mirror alone knows the step, and lets nothing older in."""
    on_it("""
import pytest
from failsafe.agent import recorder
from tests.attacked import fed, quickly
patch = pytest.MonkeyPatch()
quickly(patch)
patch.setattr(recorder, "RETRY_S", 0.05)
with fed(folder) as booth:
    old = booth.hq.files()
    break_disk("ledger.db-wal")
    head = booth.hq.put_out(5)
    booth.bring()
    booth.wait(lambda told: booth.serial() == head.serial and not told["ledger"]["recording"])
    booth.stop()
    mend_disk()
    booth.bring(old)
    booth.start()
    booth.wait(lambda told: told["mirror"]["refused"] == "older")
    assert booth.serial() == head.serial and booth.word(5) == "STOP"
    head = booth.hq.put_out(6)
    booth.bring()
    booth.holds(head.serial)
    booth.rows()
    assert (booth.word(6), booth.word(4711)) == ("STOP", "CLEAR")
patch.undo()
""")


def test_an_alert_that_cannot_be_laid_out_is_laid_out_later(on_it: Callable[[str], None]):
    """It is in the ledger all the while; the page says that the link cannot have it."""
    on_it("""
import pytest
from tests.attacked import fed, quickly
from tests.test_attacks_link import lies_there, waiting
patch = pytest.MonkeyPatch()
quickly(patch)
with fed(folder) as booth:
    booth.wait(lambda _: lies_there(booth) == waiting(booth))
    there = lies_there(booth)
    break_disk(".part")
    assert booth.word(1) == "STOP"
    booth.wait(lambda _: any("cannot be laid out" in fault for fault in booth.header().faults))
    assert lies_there(booth) == there < waiting(booth)
    assert not [file for file in (booth.spool.root.parent / "out").rglob("*.part")]
    mend_disk()
    booth.wait(lambda _: lies_there(booth) == waiting(booth) > there)
    booth.wait(lambda _: not booth.header().faults)
patch.undo()
""")


@pytest.mark.parametrize("word", ["ledger.db", "ledger.db-wal", "ledger.db.coming", "ledger.db.going", "/state"])
def test_a_key_that_cannot_be_exchanged_durably_leaves_a_file_that_opens(on_it: Callable[[str], None], word: str):
    """Whatever fails, one of the two keys opens the whole ledger; once the disk is well the exchange goes through."""
    on_it(
        f"""
word = {word!r}
from failsafe.sync import exchange
from failsafe.sync.errors import StoreBroken, SyncError
from failsafe.sync.ledger import Ledger
from failsafe.sync.feed import Floor
state = folder / "state"
state.mkdir()
path, old, new = state / "ledger.db", bytes(range(32)), bytes(range(1, 33))
with Ledger.open(path, old) as ledger:
    for serial in range(1, 200):
        ledger.note_floor("base", Floor("first", serial, 10, 0))
    head = ledger.head()

def whole(key):
    with Ledger.open(path, key) as ledger:
        ledger.check()
        ledger.verify()
        return ledger.head() == head and ledger.floors()["base"].serial == 199

break_disk(word)
failed = None
try:
    exchange.exchange(path, old, new, "2026-11-22T00:00:00.000Z")
except SyncError as error:
    failed = error
    assert error.advice
mend_disk()
assert failed is not None or word in ("ledger.db", "ledger.db-wal", "ledger.db.going")
found = exchange.in_force(path, (old, new))
assert found in (old, new) and whole(found)
if found == old:
    exchange.exchange(path, old, new, "2026-11-22T00:00:00.000Z")
assert exchange.in_force(path, (old, new)) == new and whole(new)
assert sorted(file.name for file in state.iterdir() if not file.name.endswith(("-wal", "-shm"))) == ["ledger.db"]
"""
    )


def test_a_full_disk_under_the_link_keeps_the_old_publication_whole(own_mounts: list[str], tmp_path: Path) -> None:
    """Real blocks run out while files are put in place; with room again the next refresh brings what was missing."""
    body = """
import subprocess
from failsafe.sync import trust
from failsafe.sync.errors import SyncError
from failsafe.sync.reports import Want
from failsafe.sync.refresh import Refresher
from failsafe.sync.spool import Spool
from tests.far_hq import FarHq, lay
from tests.test_killed_updates import Folder

disk = folder / "disk"
for made in (disk, folder / "public", folder / "state", folder / "work"):
    made.mkdir()
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=True)
hq, spool = FarHq(), Spool(disk)
refresher = Refresher(Folder(folder / "public"), spool, folder / "state", hq.root_bytes(), "ZZ-TEST-01")
want = Want(booth="ZZ-TEST-01", feeds=("base",))

def serial():
    return trust.read_publication(spool, {}, hq.root_bytes(), folder / "work").heads["base"].serial

def publish(*numbers):
    hq.put_out(*numbers)
    lay(Spool(folder / "public"), hq.files(), instead=False)

publish(*range(50))
refresher.refresh(want)
assert serial() == 1
hog = disk / "hog"
refusals = 0
for room in range(0, 40_000, 2_000):  # each time it runs out at another file
    with hog.open("wb", buffering=0) as filling:
        try:
            while filling.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass
    os.truncate(hog, max(0, hog.stat().st_size // 4096 * 4096 - room))
    publish(1000 + room)
    try:
        refresher.refresh(want)
    except SyncError as refused:
        refusals += 1
        assert refused.advice
    held = serial()
    hog.unlink()
    assert held >= 1 and not [one for one in disk.rglob(".*")]
    refresher.refresh(want)
    assert serial() == hq.head.serial
assert refusals > 3, refusals
"""
    done = subprocess.run(
        [*own_mounts, sys.executable, "-c", BEGIN + body, str(tmp_path)],
        env=os.environ | {"FAILSAFE_BROKEN": str(tmp_path / "broken"), "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
