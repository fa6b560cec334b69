"""A booth whose disk is full, and a booth whose mirror is damaged: nobody is cleared, no alert is lost, both heal."""

from __future__ import annotations

import contextlib
import errno
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from failsafe.agent.fusion import NOT_RECORDED
from failsafe.sync.errors import WrongKey
from failsafe.sync.store import SIDE_FILES
from tests.story.journey import Event, Journey, Kept, await_true

DISK_MIB = 8
# Becomes the core: a small disk in the state folder's place, seen by the core alone, with what the folder held.
IN_A_SMALL_DISK = f"""\
mount -t tmpfs -o size={DISK_MIB}m,mode=700 tmpfs "$1.small" && cp -a "$1/." "$1.small/" &&
mount --move "$1.small" "$1" && shift && exec "$@"
"""
IN_A_FULL_DISK = IN_A_SMALL_DISK.replace("&& shift", '&& { cat /dev/zero > "$1/filler" 2>&-; shift; }')


class SmallDisk:
    """The core's state folder on a disk of a few megabytes, reached through the core's own view of mounts."""

    def __init__(self, journey: Journey) -> None:
        assert journey.core is not None
        self._journey = journey
        self.state = Path(f"/proc/{journey.core.pid}/root{journey.folder}/state")
        self._filler = self.state / "filler"

    def kept(self) -> Kept:
        """From a copy: SQLite would follow the core's `root` back to the folder that everybody else sees."""
        return self._journey.kept(self._journey.set_down(self.state, self._journey.folder / "copy"))

    def fill(self) -> None:
        """Leave not a byte."""
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        assert self.free() == 0

    def empty(self) -> None:
        """Somebody made room."""
        self._filler.unlink()
        assert self.free() > 0

    def free(self) -> int:
        room = os.statvfs(self.state)
        return room.f_bavail * room.f_frsize


@pytest.fixture
def booth(begin: Callable[..., Journey], own_mounts: list[str]) -> Journey:
    """A booth at work on a small disk."""
    journey = begin()
    journey.plug_in()
    state = journey.folder / "state"
    state.with_name("state.small").mkdir()
    journey.start_core_behind(*own_mounts, "sh", "-c", IN_A_SMALL_DISK, "sh", str(state))
    journey.await_ready()
    return journey


def final_verdict(booth: Journey, crossing: str) -> Event:
    """The crossing's word once its passage through the portal is known."""
    return booth.listener.await_verdict(
        lambda verdict: verdict["crossing"] == crossing and "WAIT_PORTAL" not in verdict["actions"], "final"
    )


def check_nobody_is_cleared(booth: Journey) -> None:
    """An innocent who walks through a quiet portal is not cleared, and the command centre is called."""
    booth.await_device("portal-1", "OK")
    first = booth.meet_innocent()
    booth.portal.passage(seconds=1.0)
    last = final_verdict(booth, first["crossing"])
    assert last["word"] == "CANNOT CLEAR" and {"REFER_SECONDARY", "TELEPHONE_CCC"} <= set(last["actions"])


def test_a_full_disk_stops_whom_it_must_and_forgets_no_alert(booth: Journey) -> None:
    disk = SmallDisk(booth)
    booth.verdicts_go_on()
    before = disk.kept()
    disk.fill()

    hit = booth.meet_wanted()
    assert (hit["word"], hit["recorded"]) == ("STOP", False)
    assert "TELEPHONE_CCC" in hit["actions"] and NOT_RECORDED in hit["notes"]
    (alert,) = hit["alerts"]
    assert (alert["kind"], alert["urgency"]) == ("notice_hit", "urgent")
    view = booth.page.await_view(lambda view: not view["header"]["recording"], "NOT RECORDED")
    assert view["lanes"][0]["verdict"]["recorded"] is False
    assert any("Free space" in fault for fault in view["header"]["faults"])
    told = booth.told()
    assert told["ledger"]["recording"] is False and any("Free space" in fault for fault in told["faults"])
    assert 'event="ledger cannot record"' in booth.log()

    first = booth.meet_innocent()
    assert (first["word"], first["recorded"]) == ("CANNOT CLEAR", False)
    booth.portal.passage(seconds=1.0)
    last = final_verdict(booth, first["crossing"])
    assert last["word"] == "CANNOT CLEAR" and "TELEPHONE_CCC" in last["actions"]
    second = booth.meet_wanted()
    assert (second["word"], second["recorded"]) == ("STOP", False)

    disk.empty()
    booth.await_status(lambda status: bool(status["ledger"]["recording"]), "a ledger that records")
    booth.verdicts_go_on()
    after = disk.kept()
    assert after.alerts[: len(before.alerts)] == before.alerts
    told_of = Counter(alert.crossing for alert in after.alerts)
    assert told_of[hit["crossing"]] == told_of[second["crossing"]] == 1
    assert [kept.id for kept in after.alerts].count(alert["id"]) == 1
    assert set(told_of.values()) == {1} and first["crossing"] not in told_of
    assert booth.told()["faults"] == []


def test_the_first_hit_of_a_run_comes_on_a_full_disk_and_the_core_is_killed(booth: Journey) -> None:
    """An alert that waited for room is lost with the process, and its officer was told so: NOT RECORDED."""
    disk = SmallDisk(booth)
    before = disk.kept()
    disk.fill()
    unrecorded = booth.meet_wanted()
    assert unrecorded["recorded"] is False
    left = booth.set_down(disk.state, booth.folder / "left")
    booth.cut_down()
    after = booth.kept(left)  # nothing that had been acknowledged went with it
    assert after.alerts == before.alerts and after.serials == before.serials
    assert unrecorded["crossing"] not in {alert.crossing for alert in after.alerts}


def test_a_start_on_a_full_disk(begin: Callable[..., Journey], own_mounts: list[str]) -> None:
    """Nothing can be opened; the booth is there all the same, says so, clears nobody, and needs no restart."""
    booth = begin()
    before = booth.kept()
    booth.plug_in()
    state = booth.folder / "state"
    state.with_name("state.small").mkdir()
    booth.start_core_behind(*own_mounts, "sh", "-c", IN_A_FULL_DISK, "sh", str(state))
    disk = SmallDisk(booth)
    assert disk.free() == 0
    status = booth.await_status(lambda status: bool(status["faults"]), "its faults")
    assert status["ledger"]["recording"] is False and status["mirror"]["state"] != "FRESH"
    check_nobody_is_cleared(booth)
    disk.empty()
    booth.await_status(lambda status: status["faults"] == [], "no faults")
    booth.await_ready()
    booth.verdicts_go_on()
    after = disk.kept()
    assert (after.serials, after.counts) == (before.serials, before.counts)
    assert after.records > before.records


def test_a_link_that_fills_the_spools_disk_stops_no_verdict_and_no_record(
    begin: Callable[..., Journey], own_mounts: list[str]
) -> None:
    """Alerts are recorded and shown, and laid out as soon as there is room: the ledger has them."""
    booth = begin()
    booth.plug_in()
    spool = booth.folder / "spool"
    spool.with_name("spool.small").mkdir()
    booth.start_core_behind(*own_mounts, "sh", "-c", IN_A_SMALL_DISK, "sh", str(spool))
    booth.await_ready()
    booth.verdicts_go_on()
    assert booth.core is not None
    inside = Path(f"/proc/{booth.core.pid}/root{spool}")
    filler = inside / "in" / "receipts" / "filler"
    filler.parent.mkdir(exist_ok=True)
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass

    hit = booth.meet_wanted()
    assert (hit["word"], hit["recorded"]) == ("STOP", True)
    told = booth.await_status(lambda status: status["faults"] != [], "a fault")
    assert told["ledger"]["recording"] is True
    assert any("Alerts cannot be laid out for the link" in fault for fault in told["faults"])
    booth.verdicts_go_on()

    filler.unlink()
    booth.await_status(lambda status: status["faults"] == [], "no faults")
    (alert,) = hit["alerts"]
    with booth.open_ledger() as ledger:
        waiting = {one.id for one in ledger.waiting()}
    assert alert["id"] in waiting
    await_true(
        lambda: {file.stem.split("-", 2)[2] for file in (inside / "out" / "alerts").glob("*.json")} == waiting,
        "all that waits in the tray",
    )


# --- the mirror ----------------------------------------------------------------------------------------------------


def cut_in_the_middle(mirror: Path) -> None:
    with mirror.open("r+b") as file:
        file.truncate(mirror.stat().st_size // 2)


def overwrite_a_page(mirror: Path) -> None:
    with mirror.open("r+b") as file:
        file.seek(mirror.stat().st_size // 2)
        file.write(b"\0" * 4096)


def empty(mirror: Path) -> None:
    mirror.write_bytes(b"")


def remove(mirror: Path) -> None:
    for side in ("", *SIDE_FILES):
        mirror.with_name(mirror.name + side).unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("harm", "is_kept"),
    [
        (cut_in_the_middle, True),
        (overwrite_a_page, True),
        (empty, False),
        (remove, False),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_mirror_harmed_while_the_core_is_down(
    begin: Callable[..., Journey], harm: Callable[[Path], None], is_kept: bool
) -> None:
    """It is set aside, not trusted and not deleted; nobody is cleared until a fresh import has healed it."""
    booth = begin()
    before = booth.kept()
    mirror = booth.folder / "state" / "mirror.db"
    harm(mirror)
    harmed = mirror.read_bytes() if mirror.exists() else b""
    timestamp = booth.spool().root / "metadata" / "timestamp.json"
    timestamp.unlink()  # else the core would heal itself from the spool before anybody looked
    booth.plug_in()
    booth.start_core()
    mirror_told = booth.await_status(lambda status: status["mirror"]["state"] == "EMPTY", "an EMPTY mirror")["mirror"]
    assert (mirror_told["notices"], mirror_told["listed_documents"]) == (0, 0)
    # With it goes what the core, which finds the harm while it works, has beside it.
    aside = [file for file in booth.folder.glob("state/mirror.db.damaged-*") if not file.name.endswith(SIDE_FILES)]
    assert [file.read_bytes() for file in aside] == ([harmed] if is_kept else [])
    check_nobody_is_cleared(booth)
    head = booth.page.await_view(lambda view: view["header"]["mirror"] == "EMPTY", "EMPTY")["header"]
    assert head["notices"] == 0

    booth.bring(booth.folder / "stick")
    booth.await_ready()
    after = booth.kept()
    assert (after.serials, after.counts) == (before.serials, before.counts)
    assert after.alerts == before.alerts
    booth.verdicts_go_on()


def test_a_mirror_that_its_key_does_not_open_is_left_where_it_is(begin: Callable[..., Journey]) -> None:
    """It may be the wrong key, so nothing is set aside; put right, it is taken again without a restart."""
    booth = begin()
    before = booth.kept()
    mirror = booth.folder / "state" / "mirror.db"
    first_page = mirror.read_bytes()[:4096]
    overwrite(mirror, os.urandom(4096))
    booth.plug_in()
    booth.start_core()
    told = booth.await_status(lambda status: status["mirror"]["refused"] is not None, "a refusal")["mirror"]
    assert (told["state"], told["refused"], told["advice"]) == ("EMPTY", WrongKey.reason, WrongKey.usual_advice)
    check_nobody_is_cleared(booth)
    assert not sorted(booth.folder.glob("state/mirror.db.damaged-*"))
    overwrite(mirror, first_page)
    booth.await_ready()
    assert booth.kept().serials == before.serials
    booth.verdicts_go_on()


def overwrite(mirror: Path, page: bytes) -> None:
    with mirror.open("r+b") as file:
        file.write(page)


def test_errno_of_a_full_disk_is_what_the_small_disk_gives(booth: Journey) -> None:
    """The tests above mean a full disk and not, say, a folder that may not be written."""
    disk = SmallDisk(booth)
    disk.fill()
    with pytest.raises(OSError) as refused:
        (disk.state / "one-more").write_bytes(b"x")
    assert refused.value.errno == errno.ENOSPC
