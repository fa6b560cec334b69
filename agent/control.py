"""The core's own door for the command line: a UNIX socket that speaks JSON lines.

Who may open it is a matter of the file's owner and mode (0660, the technicians' group). A request is one object with
`ask`; the answer is one object, or for `verdicts` and `watch` one after the other until the caller leaves. No answer
carries a person that the caller did not send; only who watches a specimen sees what is on the reader as it is.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Final, Protocol

_MAX_LINE: Final = 64 * 1024
_ASKED: Final = ("status", "screen", "verdicts", "watch", "background", "accept-setup", "recorder", "detector")
Answer = dict[str, Any]


class Core(Protocol):
    """What the door can ask of the running core."""

    def status(self) -> Answer:
        """What `failsafe status --json` prints."""
        ...

    def screen(self, person: Mapping[str, Any]) -> Answer:
        """What `failsafe screen --mirror` prints for one person; blocks until judged."""
        ...

    def verdicts(self) -> AsyncIterator[Answer]:
        """Every verdict from now on, without identity."""
        ...

    def background(self, device: str, *, seconds: float, store: bool) -> AsyncGenerator[Answer, None]:
        """Measure a detector's background: how far that is, and at the end what was measured."""
        ...

    def accept_setup(self, device: str, *, relearn: bool) -> Answer:
        """Take a detector's changed set-up as the right one, and perhaps learn anew; blocks until done."""
        ...

    def recorder(self) -> Answer:
        """Whether the ledger's writer answers: blocks until it has written."""
        ...

    def detector(self, device: str) -> Answer:
        """What is known of a radiation detector this moment (`live.glance`); blocks until the booth has looked."""
        ...

    def watch(self, device: str, *, specimen: bool) -> AsyncIterator[Answer]:
        """All that a device says from now on; persons in it are masked unless a specimen is watched."""
        ...


class CoreUnreachable(Exception):
    """No core answers; the text says what to do."""


async def serve(core: Core, path: Path) -> asyncio.Server:
    """Open the door at `path`; the caller closes the server it is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_socket():  # left by a core that was killed; anything else there is somebody's file
        path.unlink()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _converse(core, reader, lambda reply: _send(writer, reply))
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass  # the caller left, or sent no lines
        except asyncio.CancelledError:
            pass  # the core stops while somebody listens; asyncio would log that as a fault
        finally:
            writer.close()

    server = await asyncio.start_unix_server(answer, path=str(path), limit=_MAX_LINE)
    path.chmod(0o660)
    return server


async def _send(writer: asyncio.StreamWriter, reply: Answer) -> None:
    writer.write(json.dumps(reply, ensure_ascii=False).encode() + b"\n")
    await writer.drain()


async def _converse(core: Core, reader: asyncio.StreamReader, send: Callable[[Answer], Awaitable[None]]) -> None:
    while line := await reader.readline():
        try:
            request = json.loads(line)
            asked = request["ask"]
        except (ValueError, TypeError, KeyError, RecursionError):
            await send({"error": "not a request", "advice": 'Send one JSON object a line, with "ask".'})
            continue
        person = request.get("person")
        if asked == "status":
            await send(core.status())
        elif asked == "screen" and isinstance(person, dict):
            await send(await asyncio.to_thread(core.screen, person))
        elif asked == "screen":
            await send({"error": "nobody to screen", "advice": 'Send "person", an object as `failsafe screen` reads.'})
        elif asked == "watch":
            async for seen in core.watch(str(request.get("device")), specimen=request.get("specimen") is True):
                await send(seen)
        elif asked == "background":
            seconds = request.get("seconds")
            seconds = float(seconds) if isinstance(seconds, int | float) else 0.0
            device, store = str(request.get("device")), request.get("store") is True
            async with aclosing(core.background(device, seconds=seconds, store=store)) as answers:
                async for answer in answers:
                    await send(answer)
        elif asked == "accept-setup":
            device, relearn = str(request.get("device")), request.get("relearn") is True
            await send(await asyncio.to_thread(core.accept_setup, device, relearn=relearn))
        elif asked == "detector":
            await send(await asyncio.to_thread(core.detector, str(request.get("device"))))
        elif asked == "recorder":
            await send(await asyncio.to_thread(core.recorder))
        elif asked == "verdicts":
            async for verdict in core.verdicts():
                await send(verdict)
        else:
            await send({"error": f"unknown: {asked!r}"[:80], "advice": f"Ask for one of: {', '.join(_ASKED)}."})


class Visitor:
    """The command line's side of the door.

    Raises:
        CoreUnreachable: from `__init__`, `ask`, `tell` and `next`, when no core answers.
    """

    def __init__(self, path: Path, timeout_s: float | None = 5.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise CoreUnreachable(
                f"No running core at {path} ({error.strerror or error}). Start it with `failsafe run` or "
                "`systemctl start failsafe-core`, or give its configuration with --config."
            ) from error
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that still reads, which would hold the buffer
        self._lines.close()
        self._socket.close()

    def ask(self, what: str, **more: object) -> Answer:
        """The core's answer to one request."""
        self.tell(what, **more)
        return self.next()

    def tell(self, what: str, **more: object) -> None:
        """Send a request without waiting for its answer."""
        try:
            self._socket.sendall(json.dumps({"ask": what, **more}).encode() + b"\n")
        except OSError as error:
            raise CoreUnreachable(f"The core does not listen ({error}). Look at its log.") from error

    def next(self) -> Answer:
        """The next line the core sends."""
        try:
            line = self._lines.readline()
        except OSError as error:
            raise CoreUnreachable(f"The core did not answer ({error}). Look at its log.") from error
        if not line:
            raise CoreUnreachable("The core closed the connection. Look at its log.")
        try:
            return dict(json.loads(line))
        except (ValueError, TypeError) as error:
            raise CoreUnreachable("This is no answer of a core. Check `socket` in [core].") from error
