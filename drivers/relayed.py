"""A line that comes through a relay: a UNIX socket, and behind it a device's TCP connection.

The core has no network. `failsafe line NAME` (agent/line_relay.py) has, and hands on what a portal says over TCP, both
ways and byte by byte. Its socket is always there, the device is not: so it greets who opens it with one word, and a
line is never taken for open while nothing is behind it. When the device goes, the connection is closed.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import termios
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from failsafe.drivers.driver import LineAbsent, LineDenied, LineFault, LineLocked

SCHEME: Final = "unix:"
# The greeting: what follows is the device's own; or nothing follows, since another listens or the device is not there.
READY: Final = b"ready\n"
HELD: Final = b"held\n"
AWAY: Final = b"away\n"
_LONGEST_GREETING: Final = 16
# A relay answers at once or hangs; its watchdog ends one that hangs.
_GREETING_WAIT_S: Final = 2.0

_GROUP_ADVICE: Final = "Add the service's user to the group failsafe-line, then restart the service."
_RELAY_ADVICE: Final = "Its relay does not run: `systemctl status failsafe-line@NAME` says why."
_AWAY_ADVICE: Final = (
    "Check the device's power and its network cable; `systemctl status failsafe-line@NAME` says what its relay sees."
)


def is_relayed(port: str) -> bool:
    """Whether `port` names a relay's socket, `unix:/path`."""
    return port.startswith(SCHEME)


class RelayedPort:
    """The opened socket of a relay, with what a serial line needs of a port.

    Args:
        port: `unix:` and the path of the relay's socket.
        read_wait_s: how long a read waits for a first byte.
        write_wait_s: how long a write waits until it is taken.

    Raises:
        LineAbsent: no relay runs there, or it does not answer, or the device is not there.
        LineLocked: another program listens already.
        LineDenied: this user may not open the socket.
    """

    def __init__(self, port: str, read_wait_s: float, write_wait_s: float) -> None:
        self._read_wait_s = read_wait_s
        self._write_wait_s = write_wait_s
        self._socket = _connected(port)
        try:
            _be_greeted(self._socket, port)
        except BaseException:
            self._socket.close()
            raise

    def read(self, size: int = 1, /) -> bytes:
        """Up to `size` bytes as soon as there are any; empty after a silence of `read_wait_s`.

        Raises:
            ConnectionResetError: the relay has closed the line: the device is gone, or the relay is.
        """
        self._socket.settimeout(self._read_wait_s)
        try:
            chunk = self._socket.recv(size)
        except TimeoutError:
            return b""
        if not chunk:
            raise ConnectionResetError(errno.ECONNRESET, "the relay has closed the line")
        return chunk

    @property
    def in_waiting(self) -> int:
        """How many bytes can be read at once."""
        (waiting,) = struct.unpack("i", fcntl.ioctl(self._socket, termios.FIONREAD, bytes(4)))
        return int(waiting)

    def write(self, message: bytes, /) -> int:
        """Send all of `message`; a relay that does not take it in time raises TimeoutError."""
        self._socket.settimeout(self._write_wait_s)
        self._socket.sendall(message)
        return len(message)

    def close(self) -> None:
        """Leave the line to the next one; may be called twice."""
        with closing(self._socket), suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def _connected(port: str) -> socket.socket:
    path = str(Path(port.removeprefix(SCHEME)))
    way = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    way.settimeout(_GREETING_WAIT_S)
    try:
        way.connect(path)
    except OSError as error:
        way.close()
        if error.errno in (errno.EACCES, errno.EPERM):
            raise LineDenied(f"This user may not open {port}.", _GROUP_ADVICE) from error
        raise LineAbsent(f"{port} is not there.", _RELAY_ADVICE) from error
    return way


def _be_greeted(way: socket.socket, port: str) -> None:
    """Wait for the relay's word.

    Raises:
        LineFault: it is another one than READY, or there is none.
    """
    heard = b""
    with suppress(OSError):
        # Byte by byte: what follows the greeting is the device's.
        while not heard.endswith(b"\n") and len(heard) < _LONGEST_GREETING and (byte := way.recv(1)):
            heard += byte
    if heard != READY:
        raise _said(heard, port)


def _said(heard: bytes, port: str) -> LineFault:
    if heard == HELD:
        return LineLocked(f"{port} is held by another program.")
    if heard == AWAY:
        return LineAbsent(f"The device behind {port} is not there.", _AWAY_ADVICE)
    return LineAbsent(f"Nothing answers at {port} as a relay does.", _RELAY_ADVICE)
