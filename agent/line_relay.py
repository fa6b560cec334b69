"""The relay of a portal that speaks over TCP: it has the network that the core has not, and nothing else.

It holds neither keys nor notices and understands not a byte of what it hands on. It calls one address and nobody calls
it; the core opens its UNIX socket, where drivers/relayed.py greets and is greeted. What comes while nobody listens is
thrown away, as on a wire: an old reading must not come as a new one. Nothing here grows: who does not take what is sent
is let go.

A connection that is dead without having been closed is found by TCP's own probes; one whose device has fallen silent
is called anew after a while, for the silence may be the connection's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import structlog

from failsafe.drivers.relayed import AWAY, HELD, READY
from failsafe.sync.service import Service, until_signalled

_CONNECT_S: Final = 5.0
FIRST_RETRY_S: Final = 0.2
LONGEST_RETRY_S: Final = 5.0
# Portals serve one at a time, and close at once on who comes second: not there, rather than there and gone.
_SETTLE_S: Final = 0.3
# TCP's probes: a dead connection is found after 5 + 3 * 2 s, before the core's own word for a silent portal (15 s).
_PROBE_AFTER_S: Final = 5
_PROBE_EVERY_S: Final = 2
_PROBES: Final = 3
# Every driver's device says something at least each ten seconds.
SILENT_S: Final = 60.0
_GLANCE_S: Final = 1.0
_BITE: Final = 4096
# What one end has said and the other not yet taken: a burst waits at its sender, and who takes nothing is let go.
_MOST_WAITING: Final = 64 * 1024
_SOCKET_BUFFER: Final = 16 * 1024
_UNTAKEN_S: Final = 5.0

_log = structlog.get_logger("line")
Word = Literal["starting", "away", "connected"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the relay needs of the booth's configuration.

    Attributes:
        name: the portal's.
        host: its address, in digits: no name is looked up.
        port: its TCP port.
        socket: where the core opens the line.
        silent_s: after how long a silence the portal is called anew.
    """

    name: str
    host: str
    port: int
    socket: Path
    silent_s: float = SILENT_S


class SocketTaken(Exception):
    """The relay's socket cannot be opened; the text says what to do."""


def run(settings: Settings) -> None:
    """Run the relay until SIGTERM or SIGINT.

    Raises:
        SocketTaken: another relay runs for this portal, or the socket's folder is not ours.
    """
    asyncio.run(_run(settings))


def drop_in(name: str, host: str) -> str:
    """The drop-in of systemd by which the portal's relay may call this address, and no other."""
    return (
        f"# Made by `failsafe line {name} --drop-in`; make it anew when the portal's address changes.\n"
        f"[Service]\nIPAddressAllow={host}\n"
    )


async def _run(settings: Settings) -> None:
    relay = Relay(settings)
    service = Service()
    door = await relay.open()
    try:
        await until_signalled(service, relay.work(), _keep(relay, service))
    finally:
        door.close()
        settings.socket.unlink(missing_ok=True)


async def _keep(relay: Relay, service: Service) -> None:
    """Ready is who can be asked: a portal that is not there is no fault of the relay's."""
    service.ready(relay.sentence())
    await service.keep(relay.turns, relay.sentence)


class Relay:
    """One portal's connection and the one listener at the socket; `work` runs until it is cancelled."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._state: Word = "starting"
        self._detail = ""
        self._peer: asyncio.StreamWriter | None = None
        self._listener: asyncio.StreamWriter | None = None
        self._has_spoken = False
        self._turns = 0

    def turns(self) -> dict[str, int]:
        """How often it has turned; where the number stays, it is blocked."""
        return {"portal": self._turns}

    def sentence(self) -> str:
        """How the relay stands."""
        if self._state != "connected":
            return f"{self._state}. {self._detail}".strip()
        heard = "The core listens." if self._listener is not None else "Nobody listens."
        return f"connected. {heard}"

    # --- the core's side -----------------------------------------------------------------------------------------

    async def open(self) -> asyncio.Server:
        """Open the socket; the caller closes the server it is given.

        Raises:
            SocketTaken: see `run`.
        """
        path = self._settings.socket
        _make_room(path)
        try:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            door = await asyncio.start_unix_server(self._answer, path=path, limit=_BITE)
            path.chmod(0o660)
        except OSError as error:
            raise SocketTaken(
                f"{path} cannot be opened ({_word(error)}). Run the relay as its service, "
                f"failsafe-line@{self._settings.name}, or see who owns its folder."
            ) from error
        return door

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Greet who has come, and hand its bytes to the portal until one of them leaves."""
        greeting = self._greeting()
        writer.write(greeting)
        if greeting != READY:
            writer.close()
            return
        self._listener = writer
        writer.transport.set_write_buffer_limits(high=_MOST_WAITING)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
        try:
            while chunk := await reader.read(_BITE):
                await self._send_to_portal(chunk)
        except (OSError, asyncio.CancelledError):
            pass  # the listener is gone, or the relay ends; asyncio would log the latter as a fault
        finally:
            if self._listener is writer:
                self._listener = None
            writer.transport.abort()

    def _greeting(self) -> bytes:
        if self._peer is None:
            return AWAY
        return READY if self._listener is None else HELD

    async def _send_to_listener(self, chunk: bytes) -> None:
        listener = self._listener
        if listener is not None and not await _taken(listener, chunk) and listener is self._listener:
            _log.warning("the listener does not read and is let go", device=self._settings.name)
            self._let_go()

    def _let_go(self) -> None:
        """Close the line to the core: it sees that the line is lost."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.transport.abort()

    # --- the portal's side ---------------------------------------------------------------------------------------

    async def work(self) -> None:
        """Call the portal, hand on what it says, and call it anew when it has gone, until cancelled."""
        retry_s = FIRST_RETRY_S
        while True:
            self._turns += 1
            if await self._one_connection():
                retry_s = FIRST_RETRY_S
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    async def _one_connection(self) -> bool:
        """One connection from its beginning to its end; true if the portal said anything."""
        settings = self._settings
        self._has_spoken = False
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_connection(settings.host, settings.port, limit=_BITE)
        except OSError as error:
            self._become("away", f"It does not answer ({_word(error)}); is its address allowed to this unit?")
            return False
        try:
            _have_it_probed(writer.get_extra_info("socket"))
            await self._settle(reader)
            writer.transport.set_write_buffer_limits(high=_MOST_WAITING)
            self._peer = writer
            self._become("connected", "")
            await self._hand_on(reader)
        except OSError as error:
            self._become("away", f"The connection is lost ({_word(error)}).")
        finally:
            self._peer = None
            self._let_go()
            writer.transport.abort()
        return self._has_spoken

    async def _settle(self, reader: asyncio.StreamReader) -> None:
        """Wait a moment whether the portal stays; to what it says meanwhile nobody can listen yet.

        Raises:
            OSError: it does not.
        """
        try:
            async with asyncio.timeout(_SETTLE_S):
                first = await reader.read(_BITE)
        except TimeoutError as error:
            if error.errno is not None:  # the connection's own
                raise
            return
        if not first:
            raise ConnectionResetError(errno.ECONNRESET, "closed at once")
        self._has_spoken = True

    async def _hand_on(self, reader: asyncio.StreamReader) -> None:
        """Hand on what the portal says until the connection ends, which is always an error.

        Raises:
            OSError: how it ended.
        """
        clock = asyncio.get_running_loop().time
        heard_at = clock()
        while True:
            self._turns += 1
            try:
                async with asyncio.timeout(_GLANCE_S):
                    chunk = await reader.read(_BITE)
            except TimeoutError as error:
                if error.errno is not None:
                    raise
                if clock() - heard_at > self._settings.silent_s:
                    raise TimeoutError(errno.ETIME, "silent") from None
                continue
            if not chunk:
                raise ConnectionResetError(errno.ECONNRESET, "closed")
            heard_at, self._has_spoken = clock(), True
            await self._send_to_listener(chunk)

    async def _send_to_portal(self, chunk: bytes) -> None:
        peer = self._peer
        if peer is not None and not await _taken(peer, chunk):
            _log.warning("the portal takes nothing and is called anew", device=self._settings.name)
            peer.transport.abort()

    def _become(self, state: Word, detail: str) -> None:
        if state != self._state:
            _log.info("line", device=self._settings.name, state=state, detail=detail)
        self._state, self._detail = state, detail


async def _taken(writer: asyncio.StreamWriter, chunk: bytes) -> bool:
    """Send, and wait while too much is on its way; false if it is not taken. Its reader sees that one has gone."""
    writer.write(chunk)
    with contextlib.suppress(ConnectionError):
        try:
            async with asyncio.timeout(_UNTAKEN_S):
                await writer.drain()
        except TimeoutError as error:
            return error.errno is not None
    return True


def _make_room(path: Path) -> None:
    """Take away the socket of a relay that was killed.

    Raises:
        SocketTaken: somebody answers at it.
    """
    if not path.is_socket():  # what else lies there is somebody's file
        return
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as way:
        try:
            way.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise SocketTaken(f"A relay runs at {path} already. Stop it first, or leave this one out.")


def _have_it_probed(way: socket.socket) -> None:
    """Let TCP find out by itself that the other end is gone, whether something is being sent or not."""
    way.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    way.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER_S)
    way.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_EVERY_S)
    way.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    allowed_s = _PROBE_AFTER_S + _PROBES * _PROBE_EVERY_S
    way.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * allowed_s)
    way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _word(error: OSError) -> str:
    """The kind of an error, without its text."""
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
