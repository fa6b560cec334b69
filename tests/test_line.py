"""Serial lines over real pseudo-terminals: every fault a plug, a port and a device can have, and the way back."""

from __future__ import annotations

import errno
import queue
import socket
import termios
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import serial

from failsafe.drivers import cute, tsa
from failsafe.drivers.driver import (
    Driver,
    LineAbsent,
    LineDenied,
    LineLocked,
    LineSettings,
    built_in,
    find,
)
from failsafe.drivers.line import LineState, SerialLine, open_fault
from failsafe.drivers.reading import Background, DocumentRead, Malformed, Occupancy, Reading, Scan, Unknown
from failsafe.drivers.simulator import DocumentReader, Pty

ZONE = (
    "P<UTONOBODY<<IMAGINED<PERSON<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
)
# How long a test waits for an event that must come; it never sleeps for it.
PATIENCE_S = 20.0


class Listener:
    """A line under test with everything it said, in order, as events to wait for."""

    def __init__(self, port: str, driver: Driver = cute.DRIVER, settings: LineSettings | None = None) -> None:
        self.readings: queue.Queue[Reading] = queue.Queue()
        self.states: queue.Queue[LineState] = queue.Queue()
        self.refuse: set[type] = set()
        self.line = SerialLine("reader", port, driver, settings, deliver=self._deliver, report=self.states.put)

    def _deliver(self, reading: Reading) -> None:
        if type(reading) in self.refuse:
            self.refuse.clear()
            raise RuntimeError("NOBODY L898902C3")
        self.readings.put(reading)

    def state(self) -> LineState:
        return self.states.get(timeout=PATIENCE_S)

    def until(self, word: str) -> LineState:
        while (state := self.state()).state != word:
            pass
        return state

    def document(self) -> DocumentRead:
        while not isinstance(reading := self.readings.get(timeout=PATIENCE_S), DocumentRead):
            pass
        return reading


@pytest.fixture
def pty(tmp_path: Path) -> Iterator[Pty]:
    with Pty(tmp_path / "reader") as pty:
        yield pty


@pytest.fixture
def listener(pty: Pty) -> Iterator[Listener]:
    listener = Listener(str(pty.link))
    listener.line.start()
    assert listener.state().state == "OK"
    yield listener
    listener.line.stop()


@pytest.fixture
def reader(pty: Pty) -> DocumentReader:
    return DocumentReader(pty, baud=None)


def test_a_document_is_read(listener: Listener, reader: DocumentReader) -> None:
    reader.present(ZONE)
    assert listener.document().lines == ZONE


def test_bytes_paced_as_on_a_wire_are_one_document(listener: Listener, pty: Pty) -> None:
    DocumentReader(pty, baud=115200).present(ZONE)
    assert listener.document().lines == ZONE
    assert listener.readings.empty()


def test_a_pulled_plug_is_lost_then_absent_and_comes_back(listener: Listener, reader: DocumentReader, pty: Pty) -> None:
    reader.present(ZONE)
    listener.document()
    pty.unplug()
    lost, absent = listener.state(), listener.state()
    assert (lost.state, absent.state) == ("LOST", "ABSENT")
    assert "cable" in lost.advice and "Plug the device in" in absent.advice
    pty.plug()
    back = listener.state()
    assert (back.state, back.advice) == ("OK", "")
    assert back.at >= absent.at >= lost.at
    reader.present(ZONE)
    assert listener.document().lines == ZONE


def test_half_a_frame_before_the_plug_was_pulled_does_not_spoil_the_next(
    listener: Listener, reader: DocumentReader, pty: Pty
) -> None:
    reader.half_frame(ZONE)
    pty.unplug()
    listener.until("ABSENT")
    pty.plug()
    listener.until("OK")
    reader.present(ZONE)
    assert listener.document().lines == ZONE


def test_half_a_frame_and_silence_is_malformed_without_any_further_byte(
    listener: Listener, reader: DocumentReader
) -> None:
    reader.half_frame(ZONE)
    reading = listener.readings.get(timeout=PATIENCE_S)
    assert isinstance(reading, Malformed)
    assert reading.detail == "half a frame"
    reader.present(ZONE)
    assert listener.document().lines == ZONE


def test_garbage_is_told_and_the_next_document_is_read(listener: Listener, reader: DocumentReader) -> None:
    reader.garbage(500, seed=3)
    reader.present(ZONE)
    first = listener.readings.get(timeout=PATIENCE_S)
    assert isinstance(first, Malformed)
    assert first.length == 500
    assert listener.document().lines == ZONE


def test_a_flood_is_worked_off_in_bounded_bites(pty: Pty) -> None:
    """Three megabytes without a frame: each bite the decoder sees is small, and the document behind it is read."""
    bites: list[int] = []

    class Measured(cute.CuteDecoder):
        def receive(self, chunk: bytes, now: float) -> list[Reading]:
            bites.append(len(chunk))
            return super().receive(chunk, now)

    listener = Listener(str(pty.link), replace(cute.DRIVER, decoder=Measured))
    listener.line.start()
    listener.until("OK")
    flood = bytes(range(64, 128)) * 16_384
    for _ in range(3):
        assert pty.write(flood) == len(flood)
    DocumentReader(pty, baud=None).present(ZONE)
    told = 0
    while not isinstance(reading := listener.readings.get(timeout=PATIENCE_S), DocumentRead):
        assert isinstance(reading, Malformed)
        told += reading.length
    listener.line.stop()
    assert told == 3 * len(flood)
    assert reading.lines == ZONE
    assert max(bites) <= 4096
    assert listener.states.empty()


def test_a_port_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    listener = Listener(str(tmp_path / "reader"))
    listener.line.start()
    absent = listener.state()
    assert (absent.name, absent.state) == ("reader", "ABSENT")
    assert "configuration" in absent.advice
    with Pty(tmp_path / "reader") as pty:
        assert listener.state().state == "OK"
        DocumentReader(pty, baud=None).present(ZONE)
        assert listener.document().lines == ZONE
        listener.line.stop()


def test_a_port_held_by_another_program_is_locked_until_that_ends(pty: Pty, reader: DocumentReader) -> None:
    with serial.Serial(str(pty.link), exclusive=True):
        listener = Listener(str(pty.link))
        listener.line.start()
        locked = listener.state()
        assert locked.state == "LOCKED"
        assert "other program" in locked.advice
    assert listener.state().state == "OK"
    reader.present(ZONE)
    assert listener.document().lines == ZONE
    listener.line.stop()


def test_our_own_port_is_exclusive(listener: Listener, pty: Pty) -> None:
    with pytest.raises(serial.SerialException) as refused:
        serial.Serial(str(pty.link), exclusive=True)
    assert isinstance(open_fault(refused.value, "x"), LineLocked)


def test_a_stopped_line_gives_the_port_free(listener: Listener, pty: Pty) -> None:
    listener.line.stop()
    with serial.Serial(str(pty.link), exclusive=True) as other:
        assert other.is_open
    listener.line.stop()


def test_a_file_is_no_port(tmp_path: Path) -> None:
    port = tmp_path / "reader"
    port.write_text("no device")
    listener = Listener(str(port))
    listener.line.start()
    state = listener.state()
    listener.line.stop()
    assert state.state == "ABSENT"
    assert "no serial port" in state.detail
    assert "Correct `port`" in state.advice
    assert port.read_text() == "no device"


def test_settings_no_port_can_have_are_told_as_such(pty: Pty) -> None:
    listener = Listener(str(pty.link), settings=LineSettings(baud=-1))
    listener.line.start()
    state = listener.state()
    listener.line.stop()
    assert state.state == "ABSENT"
    assert "baud" in state.advice


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), LineDenied),
        (serial.SerialException(errno.EACCES, "could not open port"), LineDenied),
        (serial.SerialException(errno.EPERM, "could not open port"), LineDenied),
        (serial.SerialException(errno.EAGAIN, "Could not exclusively lock port"), LineLocked),
        (OSError(errno.EBUSY, "Device or resource busy"), LineLocked),
        (FileNotFoundError(errno.ENOENT, "No such file"), LineAbsent),
        (OSError(errno.EIO, "Input/output error"), LineAbsent),
        (serial.SerialException("Could not configure port: (25, 'x')"), LineAbsent),
        (termios.error(errno.EIO, "Input/output error"), LineAbsent),
        (ValueError("Not a valid parity: 'Q'"), LineAbsent),
    ],
)
def test_every_fault_of_opening_has_its_kind_and_advice(error: Exception, fault: type) -> None:
    told = open_fault(error, "/dev/reader")
    assert type(told) is fault
    assert "/dev/reader" in told.detail
    assert told.advice


def test_a_reading_that_is_not_taken_is_told_without_its_content_and_the_line_goes_on(
    listener: Listener, reader: DocumentReader
) -> None:
    listener.refuse.add(DocumentRead)
    reader.present(ZONE)
    lost = listener.state()
    assert lost.state == "LOST"
    assert "RuntimeError" in lost.detail
    assert "NOBODY" not in f"{lost}" and "L898902C3" not in f"{lost}"
    reader.present(ZONE)
    assert listener.document().lines == ZONE
    assert listener.state().state == "OK"


def test_a_report_that_fails_does_not_end_the_line(pty: Pty, reader: DocumentReader) -> None:
    listener, reported = Listener(str(pty.link)), threading.Event()

    def report(state: LineState) -> None:
        reported.set()
        raise RuntimeError("the page is not up yet")

    line = SerialLine("reader", str(pty.link), cute.DRIVER, deliver=listener.readings.put, report=report)
    line.start()
    assert reported.wait(PATIENCE_S)
    reader.present(ZONE)
    assert listener.document().lines == ZONE
    line.stop()


class Asking:
    """A decoder of a device that must be asked: it sends a question until the answer came."""

    def __init__(self) -> None:
        self.answered = False

    def receive(self, chunk: bytes, now: float) -> Sequence[Reading]:
        self.answered = self.answered or b"!" in chunk
        if b"#" in chunk:
            raise ArithmeticError("a bug")
        return [Unknown(now, "answer")] if chunk else []

    def to_send(self, now: float) -> bytes:
        return b"" if self.answered else b"?"


ASKING = Driver("asking", "invented", "radiation", LineSettings(), "from documents, no hardware", Asking)


def test_what_the_device_must_be_told_is_sent(pty: Pty) -> None:
    listener = Listener(str(pty.link), ASKING)
    listener.line.start()
    listener.until("OK")
    pty.write(b"!")
    assert listener.readings.get(timeout=PATIENCE_S).kind == "unknown"
    assert set(pty.read()) == {ord("?")}
    listener.line.stop()


def test_a_decoder_that_fails_is_replaced(pty: Pty) -> None:
    listener = Listener(str(pty.link), ASKING)
    listener.line.start()
    listener.until("OK")
    pty.write(b"#")
    lost = listener.state()
    assert lost.state == "LOST"
    assert "asking failed (ArithmeticError)" in lost.detail
    assert listener.state().state == "OK"
    pty.write(b"!")
    assert listener.readings.get(timeout=PATIENCE_S).kind == "unknown"
    listener.line.stop()


def test_time_passes_for_the_decoder_while_the_line_is_silent(pty: Pty) -> None:
    times: queue.Queue[float] = queue.Queue()

    class Clock(Asking):
        def receive(self, chunk: bytes, now: float) -> Sequence[Reading]:
            times.put(now)
            return []

    listener = Listener(str(pty.link), replace(ASKING, decoder=Clock))
    listener.line.start()
    seen = [times.get(timeout=PATIENCE_S) for _ in range(5)]
    listener.line.stop()
    assert seen == sorted(seen)
    assert seen[0] < seen[-1]


def test_a_portal_over_tcp_is_lost_and_found_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(f"socket://127.0.0.1:{server.getsockname()[1]}", tsa.DRIVER)
        listener.line.start()
        device, _ = server.accept()
        listener.until("OK")
        device.sendall(b"GB,000380,000383,000403,000361\r\n")
        assert isinstance(listener.readings.get(timeout=PATIENCE_S), Background)
        device.close()
        listener.until("LOST")
        device, _ = server.accept()
        listener.until("OK")
        device.sendall(b"GS,000079,000071,000096,000069\r\n")
        assert isinstance(listener.readings.get(timeout=PATIENCE_S), Occupancy)
        assert isinstance(listener.readings.get(timeout=PATIENCE_S), Scan)
        listener.line.stop()
        device.close()


def test_nobody_at_the_other_end_of_tcp_is_absent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    listener = Listener(f"socket://127.0.0.1:{port}", tsa.DRIVER)
    listener.line.start()
    assert listener.state().state == "ABSENT"
    listener.line.stop()


def test_a_line_may_be_stopped_by_what_it_calls(pty: Pty, reader: DocumentReader) -> None:
    done = threading.Event()

    def deliver(reading: Reading) -> None:
        line.stop()
        done.set()

    listener = Listener(str(pty.link))
    line = SerialLine("reader", str(pty.link), cute.DRIVER, deliver=deliver, report=listener.states.put)
    line.start()
    listener.until("OK")
    reader.present(ZONE)
    assert done.wait(PATIENCE_S)


@pytest.mark.parametrize("driver", built_in(), ids=lambda driver: driver.name)
def test_every_built_in_driver_opens_a_terminal_with_its_own_settings(driver: Driver, pty: Pty) -> None:
    listener = Listener(str(pty.link), find(driver.name))
    listener.line.start()
    assert listener.state().state == "OK"
    listener.line.stop()


@pytest.mark.parametrize("driver", [tsa.DRIVER, find("radeye")], ids=["8O1", "7E2"])
def test_a_simulated_device_can_be_listened_to_again(driver: Driver, pty: Pty) -> None:
    """The C library refuses to set a terminal to a parity that it does not have, from the second time on."""
    for _ in range(3):
        listener = Listener(str(pty.link), driver)
        listener.line.start()
        assert listener.state().state == "OK"
        listener.line.stop()


def test_an_unknown_driver_names_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"bgeigie, cute, elyctis, .*, radpro, tsa"):
        find("cutte")
