"""A serial line that is always being listened to: opened, read, lost, opened again, for as long as the booth runs.

A relay's socket (drivers/relayed.py) is a port like any other here. The only file that imports serial. One daemon
thread a line: it hands bytes to the driver's decoder at once, lets time pass for the decoder while the line is silent,
and calls back with readings and with changes of the line's state.
Modem lines are never needed: pseudo-terminals and many USB adapters have none.
"""

from __future__ import annotations

import errno
import logging
import os
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import serial
from serial.tools import list_ports

from failsafe.drivers.driver import (
    Decoder,
    Driver,
    LineAbsent,
    LineDenied,
    LineFault,
    LineLocked,
    LineLost,
    LineSettings,
)
from failsafe.drivers.reading import Reading
from failsafe.drivers.relayed import RelayedPort, is_relayed

LineWord = Literal["OK", "ABSENT", "LOCKED", "DENIED", "LOST"]

# How long one read waits for a first byte: time passes for the decoder more than five times a second.
READ_WAIT_S: Final = 0.15
# More than a full kernel buffer; a flood is worked off in such bites, so it cannot grow our memory.
READ_MOST: Final = 4096
# A device that takes no bytes for so long is gone, or its simulator hangs.
WRITE_WAIT_S: Final = 1.0
FIRST_RETRY_S: Final = 0.2
LONGEST_RETRY_S: Final = 5.0
STOP_WAIT_S: Final = 3.0

# Everything pyserial lets through when a port goes wrong (its own SerialException is an OSError); at the opening also
# ValueError, for settings that a port cannot have.
_PORT_FAULTS: Final = (OSError, termios.error)
_OPENING_FAULTS: Final = (*_PORT_FAULTS, ValueError)
_ABSENT: Final = {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO, errno.ECONNREFUSED}
_DENIED: Final = {errno.EACCES, errno.EPERM}
_LOCKED: Final = {errno.EAGAIN, errno.EBUSY}
_WORDS: Final[dict[type[LineFault], LineWord]] = {
    LineAbsent: "ABSENT",
    LineLocked: "LOCKED",
    LineDenied: "DENIED",
    LineLost: "LOST",
}

_log: Final = logging.getLogger(__name__)


class _Port(Protocol):
    """What a line needs of what it has opened."""

    @property
    def in_waiting(self) -> int: ...

    def read(self, size: int = 1, /) -> bytes: ...

    def write(self, message: bytes, /) -> int | None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LineState:
    """How a line is.

    Attributes:
        name: the line's configured name.
        state: OK; ABSENT, LOCKED, DENIED: it could not be opened; LOST: it was open and went away, or something that
            came over it was lost on the way.
        detail: what was seen, for the technician.
        advice: what to do next; empty for OK.
        at: monotonic time in seconds.
    """

    name: str
    state: LineWord
    detail: str
    advice: str
    at: float


class SerialLine:
    """One device's line.

    Args:
        name: the configured name, for states and logs.
        port: a path (best a stable link such as those in /dev/serial/by-id), `unix:` and the path of a relay's socket,
            or a `socket://host:port` address.
        driver: whose decoder reads the bytes; each opening of the port gets a new decoder.
        settings: the line's settings where they are not the driver's own.
        deliver: called with each reading, in this line's thread; it must not block for long.
        report: called with each change of state, in this line's thread.
        tap: called with the bytes as they go over the line, and whether they came from the device; for recordings.

    `turns` grows a few times a second while the port is read and each few seconds while it is waited for; when it
    stays, the thread is blocked.
    """

    def __init__(
        self,
        name: str,
        port: str,
        driver: Driver,
        settings: LineSettings | None = None,
        *,
        deliver: Callable[[Reading], None],
        report: Callable[[LineState], None],
        tap: Callable[[bytes, bool], None] | None = None,
    ) -> None:
        self.name = name
        self.port = port
        self.driver = driver
        self.settings = settings or driver.line
        self._deliver = deliver
        self._report = report
        self._tap = tap
        self._state: LineWord | None = None
        self._stopping = threading.Event()
        self.turns = 0
        self._thread = threading.Thread(target=self._run, name=f"line {name}", daemon=True)

    def start(self) -> None:
        """Begin to listen; a port that is not there yet is waited for."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port and end the thread; may be called twice, and from the callbacks."""
        self._stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(STOP_WAIT_S)

    # --- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        retry_s = FIRST_RETRY_S
        while not self._stopping.is_set():
            try:
                port = _opened(self.port, self.settings)
            except LineFault as fault:
                self._fault(fault)
            except _OPENING_FAULTS as error:
                self._fault(open_fault(error, self.port))
            else:
                if self._listen(port):
                    retry_s = FIRST_RETRY_S
            self.turns += 1
            self._stopping.wait(retry_s)
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    def _listen(self, port: _Port) -> bool:
        """Read until the line is lost or the stop; true if it worked at all."""
        decoder = self.driver.decoder()
        worked = False
        try:
            while not self._stopping.is_set():
                self.turns += 1
                chunk = _read(port)
                if not worked:
                    worked = True
                    self._become("OK", f"{self.driver.name} on {self.port}", "")
                if chunk and self._tap is not None:
                    self._tap(chunk, True)
                self._take(decoder, chunk)
                self._send(decoder, port)
        except _PORT_FAULTS as error:
            self._fault(LineLost(f"{self.port} went away ({_word(error)})."))
        except Exception as error:  # a fault of the decoder: the line goes on with a new one
            self._fault(LineLost(f"The driver {self.driver.name} failed ({_word(error)}).", _REPORT_ADVICE))
        finally:
            _close(port)
        return worked

    def _take(self, decoder: Decoder, chunk: bytes) -> None:
        for reading in decoder.receive(chunk, time.monotonic()):  # noqa: TID251
            try:
                self._deliver(reading)
            except Exception as error:
                # Its text may hold what was read: the kind of error is all that may leave.
                self._fault(LineLost(f"A reading of {self.name} was not taken ({_word(error)}).", _REPORT_ADVICE))
            else:
                self._become("OK", f"{self.driver.name} on {self.port}", "")

    def _send(self, decoder: Decoder, port: _Port) -> None:
        message = decoder.to_send(time.monotonic())  # noqa: TID251
        if message:
            port.write(message)
            if self._tap is not None:
                self._tap(message, False)

    def _fault(self, fault: LineFault) -> None:
        self._become(_WORDS[type(fault)], fault.detail, fault.advice)

    def _become(self, state: LineWord, detail: str, advice: str) -> None:
        if state == self._state:
            return
        self._state = state
        try:
            self._report(LineState(self.name, state, detail, advice, time.monotonic()))  # noqa: TID251
        except Exception as error:
            _log.error("The state %s of line %s could not be reported (%s).", state, self.name, _word(error))


def listed_ports() -> tuple[tuple[str, str], ...]:
    """The serial devices of this machine, each with what its adapter says of itself, empty where it says nothing."""
    return tuple((found.device, _said(found.description)) for found in list_ports.comports())


def _said(description: str | None) -> str:
    return "" if description in (None, "n/a") else str(description)


def open_fault(error: BaseException, port: str) -> LineFault:
    """What an error at the opening of `port` means for the technician."""
    number = _number(error)
    if number in _DENIED:
        return LineDenied(f"This user may not open {port}.")
    if number in _LOCKED:
        return LineLocked(f"{port} is held by another program.")
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return LineAbsent(f"{port} does not take these line settings.", _SETTINGS_ADVICE)
    if number in _ABSENT or "://" in port:
        return LineAbsent(f"{port} is not there.")
    return LineAbsent(f"{port} is no serial port ({_word(error)}).", _NO_PORT_ADVICE)


_REPORT_ADVICE: Final = "Send the technician this line and the log; the booth goes on listening."
_SETTINGS_ADVICE: Final = "Correct baud, byte size, parity and stop bits of this line in the configuration."
_NO_PORT_ADVICE: Final = "Correct `port` in the configuration: it names something that is not a serial device."


def _opened(port: str, settings: LineSettings) -> _Port:
    if is_relayed(port):
        return RelayedPort(port, READ_WAIT_S, WRITE_WAIT_S)
    # A pseudo-terminal has neither parity nor seven bits. The C library lets that pass once and refuses it (EINVAL)
    # when a second program sets the same again: a simulated device could not be listened to twice.
    is_pseudo = os.path.realpath(port).startswith("/dev/pts/")
    return serial.serial_for_url(
        port,
        baudrate=settings.baud,
        bytesize=8 if is_pseudo else settings.byte_size,
        parity="N" if is_pseudo else settings.parity,
        stopbits=settings.stop_bits,
        timeout=READ_WAIT_S,
        write_timeout=WRITE_WAIT_S,
        exclusive=True,
    )


def _read(port: _Port) -> bytes:
    """The bytes that are there, or the first that comes, at once; empty after `READ_WAIT_S` of silence."""
    first = port.read(1)
    if not first:
        return b""
    waiting = min(port.in_waiting, READ_MOST - 1)
    return first + port.read(waiting) if waiting else first


def _close(port: _Port) -> None:
    try:
        port.close()
    except _PORT_FAULTS as error:
        _log.warning("A port did not close cleanly (%s); it is opened anew all the same.", _word(error))


def _number(error: BaseException) -> int | None:
    """The system's number of an error; termios tells it in a way of its own."""
    number = error.args[0] if isinstance(error, termios.error) and error.args else getattr(error, "errno", None)
    return number if isinstance(number, int) else None


def _word(error: BaseException) -> str:
    """The kind of an error, without its text."""
    name = errno.errorcode.get(_number(error) or 0)
    return f"{type(error).__name__} {name}" if name else type(error).__name__
