"""Every fault of a serial line, over real pseudo-terminals, as the running booth meets it.

What holds for all of them: the core lives and answers, status and page name the fault and what to do, nobody is
cleared on a portal that is silent or lost, and when the line is good again the booth is too, by itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial

from failsafe.agent.radiation.passage import advice
from failsafe.drivers.driver import LineAbsent, LineLocked, LineLost
from failsafe.drivers.line import READ_MOST
from failsafe.drivers.simulator import Pty, zone_frame
from failsafe.drivers.tsa import LATE_S
from tests.story.journey import WINDOWS, Event, Journey, await_true, innocent, wanted

READER, PORTAL = "passport-1", "portal-1"
GONE = ("ABSENT", "LOST")
GONE_ADVICE = (LineAbsent.usual_advice, LineLost.usual_advice)
SCAN = b"GS,000076,000077,000080,000072\r\n"
MOST_GROWTH_KIB = 64 * 1024
LONG_FLOOD = 4_000  # lines
MOST_WAITED_BEHIND = 2_000


@pytest.fixture
def booth(running: Journey) -> Iterator[Journey]:
    """The module's booth, sound before the test and, whatever was done to its lines, sound after it."""
    running.await_ready()
    running.listener.catch_up()
    core = running.core
    yield running
    assert running.core is core and running.is_alive()
    status = running.await_ready()
    assert status["faults"] == []
    running.verdicts_go_on()
    assert "fault of its own" not in running.log()


def shown_detector(booth: Journey, name: str, *states: str) -> Event:
    """What the page's head says of a device, once it is in one of `states`."""

    def find(view) -> Event | None:
        found = (one for one in view["header"]["detectors"] if one["name"] == name and one["state"] in states)
        return next(found, None)

    found = find(booth.page.await_view(lambda view: find(view) is not None, f"{name} in {states}"))
    assert found is not None
    return found


def check_told(booth: Journey, name: str, states: tuple[str, ...], what_to_do: tuple[str, ...]) -> None:
    """Status and page name the state and say the same thing to do about it."""
    booth.await_device(name, *states)
    told = next(one for one in booth.told()["detectors"] if one["name"] == name)
    assert told["state"] in states and told["advice"] in what_to_do
    shown = shown_detector(booth, name, *states)
    assert shown["advice"] in what_to_do


def judged_without_portal(booth: Journey) -> Event:
    """An innocent's last verdict, who was not monitored; nothing on the way there was CLEAR."""
    booth.listener.catch_up()
    start = len(booth.listener.heard)
    booth.reader.present(innocent(booth.next_number()))
    last = booth.listener.await_verdict(lambda verdict: "RADIATION_SCREEN" in verdict["actions"], "not monitored")
    assert last["word"] == "CANNOT CLEAR" and "REFER_SECONDARY" in last["actions"]
    assert all(verdict["word"] == "CANNOT CLEAR" for verdict in booth.listener.heard[start:])
    return last


# --- at the start --------------------------------------------------------------------------------------------------


def hold(path: str | Path) -> serial.Serial:
    """Another program that has the port open for itself, as a terminal program has."""
    return serial.Serial(os.fspath(path), exclusive=True)


def test_a_start_with_a_locked_reader_and_no_portal(begin: Callable[..., Journey]) -> None:
    booth = begin()
    booth.plug_in()
    booth.portal.stop()
    booth.portal_line.unplug()
    other = hold(booth.reader_port)
    booth.start_core()
    check_told(booth, READER, ("LOCKED",), (LineLocked.usual_advice,))
    check_told(booth, PORTAL, ("ABSENT",), (LineAbsent.usual_advice,))
    assert booth.status()["mirror"]["state"] == "FRESH"  # the rest of the booth did not wait for them
    other.close()
    booth.await_device(READER, "OK")
    judged_without_portal(booth)
    booth.portal_line.plug()
    booth.new_portal()
    booth.await_ready()
    booth.verdicts_go_on()


# --- the reader ----------------------------------------------------------------------------------------------------


def test_the_reader_is_unplugged_and_back(booth: Journey) -> None:
    booth.reader.pty.unplug()
    check_told(booth, READER, GONE, GONE_ADVICE)
    assert booth.device(PORTAL)["state"] == "OK"
    booth.reader.pty.plug()
    check_told(booth, READER, ("OK",), ("",))


def test_the_reader_is_unplugged_in_the_middle_of_a_frame(booth: Journey) -> None:
    booth.reader.half_frame(wanted(booth.next_number()))
    booth.reader.pty.unplug()
    booth.await_device(READER, *GONE)
    booth.reader.pty.plug()
    booth.await_device(READER, "OK")
    # Were the first half still there, this traveller's frame would end it.
    assert booth.clear_innocent()["word"] == "CLEAR"
    assert not any(verdict["alerts"] for verdict in booth.listener.catch_up())


def test_another_program_takes_the_readers_port(booth: Journey, tmp_path: Path) -> None:
    booth.reader.pty.unplug()
    booth.await_device(READER, *GONE)
    with Pty(tmp_path / "spare") as spare, hold(spare.link) as other:
        booth.reader_port.symlink_to(spare.link)
        check_told(booth, READER, ("LOCKED",), (LineLocked.usual_advice,))
        other.close()
        booth.await_device(READER, "OK")
    booth.reader_port.unlink()
    booth.await_device(READER, *GONE)
    booth.reader.pty.plug()


@pytest.mark.parametrize("seed", range(3))
def test_the_reader_talks_garbage(booth: Journey, seed: int) -> None:
    """Noise is no traveller: it opens no crossing, and the zone behind it is read."""
    booth.reader.garbage(READ_MOST // 2, seed)
    hit = booth.meet_wanted()
    assert hit["word"] == "STOP"
    assert {verdict["crossing"] for verdict in booth.listener.heard[-1:]} == {hit["crossing"]}
    assert booth.device(READER)["state"] == "OK"


def test_half_a_frame_and_then_a_whole_one(booth: Journey) -> None:
    booth.reader.half_frame(innocent(booth.next_number()))
    before = len(booth.listener.heard)
    hit = booth.meet_wanted()
    assert hit["word"] == "STOP"
    assert {verdict["crossing"] for verdict in booth.listener.heard[before:]} == {hit["crossing"]}


# --- the portal ----------------------------------------------------------------------------------------------------


def test_the_portal_is_unplugged_and_back(booth: Journey) -> None:
    booth.portal_line.unplug()
    check_told(booth, PORTAL, GONE, GONE_ADVICE)
    judged_without_portal(booth)
    assert booth.meet_wanted()["word"] == "STOP"  # a hit needs no portal
    booth.portal_line.plug()
    check_told(booth, PORTAL, ("OK",), ("",))


def test_the_portal_is_unplugged_while_somebody_is_in_it(booth: Journey) -> None:
    crossing = booth.meet_innocent()["crossing"]
    for line in list(booth.portal.script.passage(seconds=1.0))[:6]:
        booth.portal_line.write(line.text)
    booth.portal_line.unplug()
    last = booth.listener.await_verdict(lambda verdict: "RADIATION_SCREEN" in verdict["actions"], "not monitored")
    assert (last["word"], last["crossing"]) == ("CANNOT CLEAR", crossing)
    booth.portal_line.plug()
    booth.await_ready()
    assert all(verdict["word"] != "CLEAR" for verdict in booth.listener.catch_up())


def test_an_alarm_is_not_lost_with_the_line_behind_it(booth: Journey) -> None:
    crossing = booth.meet_innocent()["crossing"]
    booth.portal.say("GS,000080,000080,000080,000080")
    booth.portal.say("GA,000800,000800,000800,000800")
    alarm = booth.listener.await_verdict(lambda verdict: bool(verdict["alerts"]), "an alarm")
    booth.portal_line.unplug()
    assert (alarm["word"], alarm["crossing"]) == ("STOP", crossing)
    assert [alert["kind"] for alert in alarm["alerts"]] == ["radiation_alarm"]
    booth.await_device(PORTAL, *GONE)
    assert booth.page.await_view(lambda view: True, "anything")["lanes"][0]["verdict"]["word"] == "STOP"
    booth.portal_line.plug()


def test_the_portal_falls_silent(booth: Journey) -> None:
    """The line is open and nothing comes: after some seconds that is a fault of its own, and clears nobody."""
    booth.portal.stop()
    judged_without_portal(booth)
    assert WINDOWS.after_s < LATE_S
    check_told(booth, PORTAL, ("LATE", "LINK_DOWN"), (advice("LATE"), advice("LINK_DOWN")))
    first = judged_without_portal(booth)
    assert "WAIT_PORTAL" not in first["actions"]  # nobody is told to wait for a portal that does not answer
    booth.new_portal()
    check_told(booth, PORTAL, ("OK",), ("",))


def test_the_portal_talks_garbage(booth: Journey) -> None:
    """No noise is a passage: the innocent waits until the window is over, and is not cleared."""
    booth.meet_innocent()
    noise = os.urandom(READ_MOST).replace(b",", b"")
    booth.portal_line.write(noise + b"\r\n")
    last = booth.listener.await_verdict(lambda verdict: "RADIATION_SCREEN" in verdict["actions"], "not monitored")
    assert last["word"] == "CANNOT CLEAR"
    assert all(verdict["word"] != "CLEAR" for verdict in booth.listener.catch_up())


def test_a_line_of_the_portal_is_torn_in_a_passage(booth: Journey) -> None:
    """What was torn may have been an alarm: that passage clears nobody, the next one does."""
    crossing = booth.meet_innocent()["crossing"]
    script = [line.text for line in booth.portal.script.passage(seconds=1.0)]
    middle = len(script) // 2
    booth.portal_line.write(b"".join([*script[:middle], script[middle][:7] + b"\r\n", *script[middle + 1 :]]))
    last = booth.listener.await_verdict(lambda verdict: "RADIATION_SCREEN" in verdict["actions"], "not monitored")
    assert (last["word"], last["crossing"]) == ("CANNOT CLEAR", crossing)


# --- floods --------------------------------------------------------------------------------------------------------


@pytest.fixture
def flooded(begin: Callable[..., Journey]) -> Journey:
    """A booth of its own: what a flood leaves behind is no other test's."""
    booth = begin()
    booth.plug_in()
    booth.start_core()
    booth.await_ready()
    return booth


def memory_kib(booth: Journey) -> int:
    assert booth.core is not None
    lines = Path(f"/proc/{booth.core.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def pour(line: Pty, what: bytes) -> None:
    """Send all of it, as fast as it is read."""
    sent = 0
    while sent < len(what):
        sent += line.write(what[sent : sent + READ_MOST])


def test_both_lines_flood_one_after_the_other(flooded: Journey) -> None:
    """More scans than a portal sends in an hour, megabytes of noise, more documents than anybody could hold up."""
    before = memory_kib(flooded)
    pour(flooded.portal_line, SCAN * 20_000 + b"GX,000001,003000,000000,000000\r\n")
    assert flooded.meet_wanted()["word"] == "STOP"
    pour(flooded.reader.pty, bytes(range(256)).replace(b"\x02", b"") * 4096)
    for _ in range(200):
        pour(flooded.reader.pty, zone_frame(innocent(flooded.next_number())))
    assert flooded.meet_wanted()["word"] == "STOP"
    assert flooded.page.get("/healthz")[0] == 200
    assert memory_kib(flooded) - before < MOST_GROWTH_KIB
    assert flooded.await_ready()["faults"] == []
    flooded.verdicts_go_on()


def test_a_hit_does_not_wait_behind_a_flood(flooded: Journey) -> None:
    """What lies between a document and its verdict is bounded by what the booth lets queue, not by the flood."""
    for _ in range(200):  # crossings still kept make each of the portal's lines dear
        pour(flooded.reader.pty, zone_frame(innocent(flooded.next_number())))
    flooded.meet_wanted()
    poured, ending = [], threading.Event()

    def flood() -> None:
        while not ending.is_set():
            pour(flooded.portal_line, SCAN * 100)
            poured.append(100)

    flooding = threading.Thread(target=flood, daemon=True)
    flooding.start()
    try:
        await_true(lambda: sum(poured) >= LONG_FLOOD, "a flood")
        before = sum(poured)
        assert flooded.meet_wanted()["word"] == "STOP"
        waited_behind = sum(poured) - before
    finally:
        ending.set()
        flooding.join()
    assert waited_behind < MOST_WAITED_BEHIND
