"""The simulators speak what the drivers understand, and behave like plugs and wires."""

from __future__ import annotations

import itertools
import os
import queue
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers import tsa
from failsafe.drivers.cute import CuteDecoder
from failsafe.drivers.line import LineState, SerialLine
from failsafe.drivers.reading import Alarm, Background, DocumentRead, Malformed, Occupancy, Reading, Scan
from failsafe.drivers.simulator import DocumentReader, Portal, PortalScript, Pty, Unplugged, zone_frame
from failsafe.drivers.tsa import TsaDecoder

ZONE = (
    "P<UTONOBODY<<IMAGINED<PERSON<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
)
PATIENCE_S = 20.0
SEEDS = st.integers(0, 10_000)


@pytest.fixture
def pty(tmp_path: Path) -> Iterator[Pty]:
    with Pty(tmp_path / "device") as pty:
        yield pty


@pytest.fixture
def far_end(pty: Pty) -> Iterator[int]:
    end = os.open(pty.link, os.O_RDWR | os.O_NOCTTY)
    yield end
    os.close(end)


def played(script: PortalScript, **passage: bool | float) -> list[Reading]:
    """Background and one passage through the driver, at the portal's own times."""
    decoder, now, readings = TsaDecoder(), 100.0, []
    for line in (*script.setup(), *script.background(), *script.passage(**passage)):  # type: ignore[arg-type]
        now += line.after_s
        readings += decoder.receive(line.text, now)
    return readings


def kinds(readings: list[Reading]) -> Counter[str]:
    return Counter(reading.kind for reading in readings)


# --- plugs ---------------------------------------------------------------------------------------------------


def test_the_path_survives_unplugging(pty: Pty) -> None:
    before = pty.link.readlink()
    held = os.open(before, os.O_RDWR | os.O_NOCTTY)  # keeps the terminal's number from being given again
    pty.unplug()
    assert not pty.link.is_symlink() and not pty.plugged
    pty.plug()
    assert pty.plugged
    assert pty.link.readlink() != before
    assert pty.link.exists()
    os.close(held)


def test_plugging_twice_and_unplugging_twice_change_nothing(pty: Pty) -> None:
    terminal = pty.link.readlink()
    pty.plug()
    assert pty.link.readlink() == terminal
    pty.unplug()
    pty.unplug()
    assert not pty.plugged


def test_who_held_the_terminal_is_hung_up(pty: Pty, far_end: int) -> None:
    pty.unplug()
    assert os.read(far_end, 10) == b""
    with pytest.raises(OSError, match="Input/output"):
        os.write(far_end, b"x")


def test_an_unplugged_device_says_so(pty: Pty) -> None:
    pty.unplug()
    with pytest.raises(Unplugged, match="plug"):
        pty.write(b"x")


def test_bytes_pass_unchanged_both_ways(pty: Pty, far_end: int) -> None:
    every = bytes(range(256))
    assert pty.write(every) == 256
    assert os.read(far_end, 1000) == every
    assert pty.read() == b""
    os.write(far_end, every)
    assert pty.read() == every


def test_what_nobody_reads_is_lost_and_the_device_goes_on(pty: Pty) -> None:
    sent = pty.write(b"x" * 1_000_000)
    assert 0 < sent < 1_000_000


# --- documents -----------------------------------------------------------------------------------------------


def test_a_paced_document_is_the_same_bytes(pty: Pty, far_end: int) -> None:
    DocumentReader(pty, baud=460800).present(ZONE)
    frame = zone_frame(ZONE)
    heard = b""
    while len(heard) < len(frame):  # it comes in pieces, as over a line
        heard += os.read(far_end, 1000)
    assert heard == frame


def test_what_the_reader_sends_is_what_the_driver_reads(pty: Pty, far_end: int) -> None:
    reader, decoder, readings = DocumentReader(pty, baud=None), CuteDecoder(), []
    acts = (
        lambda: reader.present(ZONE),
        reader.present_unreadable,
        lambda: reader.present_barcode("".join(ZONE)),
        lambda: reader.half_frame(ZONE),
        lambda: reader.present(ZONE),
        lambda: reader.garbage(300, seed=7),
        lambda: reader.present(ZONE),
    )
    for act in acts:
        act()
        readings += decoder.receive(os.read(far_end, 4096), 1.0)
    document = DocumentRead(1.0, ZONE)
    half = len(zone_frame(ZONE)) // 2
    assert readings == [
        document,
        DocumentRead(1.0, ()),
        DocumentRead(1.0, ZONE, "barcode"),
        Malformed(1.0, "half a frame", half),
        document,
        Malformed(1.0, "no frame", 300),
        document,
    ]


@given(SEEDS, st.integers(1, 500))
def test_garbage_never_holds_a_document(seed: int, length: int) -> None:
    class Caught(Pty):
        def __init__(self) -> None:
            self.said = b""

        def write(self, message: bytes, baud: int | None = None) -> int:
            self.said += message
            return len(message)

    caught = Caught()
    DocumentReader(caught).garbage(length, seed)
    assert len(caught.said) == length
    assert all(isinstance(reading, Malformed) for reading in CuteDecoder().receive(caught.said, 1.0))


# --- portals -------------------------------------------------------------------------------------------------


@given(SEEDS)
def test_a_quiet_passage_has_a_beginning_an_end_and_no_alarm(seed: int) -> None:
    readings = played(PortalScript(seed), seconds=3.0)
    assert [reading.phase for reading in readings if isinstance(reading, Occupancy)] == ["began", "ended"]
    assert kinds(readings)["alarm"] == 0
    assert kinds(readings)["malformed"] == 0
    assert kinds(readings)["gamma"] == 6 + 15
    assert kinds(readings)["neutron"] == 1 + 3


@given(SEEDS)
def test_a_gamma_source_alarms_in_the_vendors_way(seed: int) -> None:
    """GA stands where the rule recovered from captures holds, so that a shadow of it agrees."""
    readings = played(PortalScript(seed), gamma_alarm=True)
    (background,) = [reading for reading in readings if isinstance(reading, Background) and reading.channel == "gamma"]
    scans = [reading for reading in readings if isinstance(reading, Scan) and reading.channel == "gamma"]
    alarms = {reading.at for reading in readings if isinstance(reading, Alarm)}
    assert alarms
    for index in range(4, len(scans)):
        second = [sum(panel) for panel in zip(*(scan.counts for scan in scans[index - 4 : index + 1]), strict=True)]
        groups = ((0, 1, 2, 3), (0, 1), (2, 3))
        holds = any(
            sum(second[panel] - background.panels_cps[panel] for panel in group)
            >= 4.0 * sum(background.panels_cps[panel] for panel in group) ** 0.5
            for group in groups
        )
        assert holds == (scans[index].at in alarms)


@given(SEEDS)
def test_a_neutron_source_alarms_on_neutrons_alone(seed: int) -> None:
    alarms = [reading for reading in played(PortalScript(seed), neutron_alarm=True) if isinstance(reading, Alarm)]
    assert {alarm.channel for alarm in alarms} == {"neutron"}


def test_the_same_seed_says_the_same() -> None:
    first, again, other = (list(PortalScript(seed).passage(gamma_alarm=True)) for seed in (5, 5, 6))
    assert first == again != other


def test_scans_come_as_often_as_a_portals() -> None:
    readings = played(PortalScript(), seconds=2.0)
    ats = [reading.at for reading in readings if isinstance(reading, Scan) and reading.channel == "gamma"]
    assert [after - before for before, after in itertools.pairwise(ats)] == pytest.approx([0.2] * (len(ats) - 1))
    ended = next(reading for reading in readings if isinstance(reading, Occupancy) and reading.phase == "ended")
    assert ended.at == pytest.approx(ats[-1] + 0.2)
    assert ended.speed_m_s == pytest.approx(8.07 / 3.6)


class Heard:
    """A portal's line, listened to by the real driver."""

    def __init__(self, pty: Pty) -> None:
        self.readings: queue.Queue[Reading] = queue.Queue()
        self.states: queue.Queue[LineState] = queue.Queue()
        self.line = SerialLine("portal", str(pty.link), tsa.DRIVER, deliver=self.readings.put, report=self.states.put)
        self.line.start()
        assert self.states.get(timeout=PATIENCE_S).state == "OK"

    def until(self, kind: type[Reading]) -> list[Reading]:
        readings = [self.readings.get(timeout=PATIENCE_S)]
        while not isinstance(readings[-1], kind):
            readings.append(self.readings.get(timeout=PATIENCE_S))
        return readings

    def passage(self) -> list[Reading]:
        """Everything up to the end of the next occupancy."""
        readings = self.until(Occupancy)
        return readings + self.until(Occupancy)


def test_a_portal_tells_backgrounds_by_itself_and_passages_on_demand(pty: Pty) -> None:
    heard, portal = Heard(pty), Portal(pty, pace=0.001)
    portal.start()
    for _ in range(3):
        heard.until(Background)
    portal.passage(gamma_alarm=True, seconds=2.0)
    readings = heard.passage()
    portal.stop()
    portal.stop()
    heard.line.stop()
    assert kinds(readings)["alarm"] > 0
    inside = readings[next(i for i, reading in enumerate(readings) if isinstance(reading, Occupancy)) :]
    assert kinds(inside)["background"] == 0  # none while it is occupied
    assert kinds(readings)["malformed"] == 0


def test_a_portal_that_is_unplugged_goes_on_and_is_heard_again(pty: Pty) -> None:
    heard, portal = Heard(pty), Portal(pty, pace=0.001)
    portal.start()
    heard.until(Background)
    pty.unplug()
    assert heard.states.get(timeout=PATIENCE_S).state == "LOST"
    portal.passage(seconds=1.0)
    pty.plug()
    while heard.states.get(timeout=PATIENCE_S).state != "OK":
        pass
    portal.passage(seconds=1.0)
    assert heard.passage()[-1].kind == "occupancy"
    portal.stop()
    heard.line.stop()


def test_a_portal_says_a_fault_as_it_stands(pty: Pty) -> None:
    heard, portal = Heard(pty), Portal(pty, pace=0.0)
    portal.say("TT,000000,000000,000000,000000")
    assert heard.readings.get(timeout=PATIENCE_S).kind == "health"
    heard.line.stop()
