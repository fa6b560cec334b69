"""The event streams of a page: who listens, what wakes them, how they end.

A page that hears nothing for a few seconds says so and shows nothing old: whoever fills a stream beats every `BEAT_S`
seconds while nothing changes. A stream that has nothing more to say because of a fault says `stopped` and ends.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import logging

    from starlette.types import Receive, Scope, Send

# A page says that it hears nothing after two missed beats (its wire.js, which looks twice a second).
BEAT_S: Final = 2.0


class TooMany(Exception):
    """No stream can be opened: too many are open, or the server stops."""


class Bell:
    """Wakes a page's streams, on their event loop, from any thread.

    Example:
        `async def changed(self, after): await self.bell.past(after, lambda: self.number)`, and `bell.ring()` after
        each change.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def ring(self) -> None:
        """Wake everyone who waits; from any thread."""
        with self._lock:
            waiting = list(self._waiting)
        for place in waiting:
            loop, event = place
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # that loop has closed: nobody is left to be woken
                with self._lock:
                    self._waiting.discard(place)

    async def past(self, after: int, number: Callable[[], int]) -> None:
        """Return as soon as `number()` is above `after`; it is asked once at first and after each ring."""
        event = asyncio.Event()
        place = (asyncio.get_running_loop(), event)
        with self._lock:
            self._waiting.add(place)
        try:
            while number() <= after:
                await event.wait()
                event.clear()
        finally:
            with self._lock:
                self._waiting.discard(place)


class Streams:
    """The open event streams: how many, and the word that ends them all. Belongs to one event loop."""

    def __init__(self, limit: int) -> None:
        """`limit`: more open pages than this are a fault or an attack on the loop."""
        self.open = 0
        self._limit = limit
        self._closing = asyncio.Event()

    def end(self) -> None:
        """Let every stream finish its answer; later ones are refused."""
        self._closing.set()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[asyncio.Event]:
        """A place for one stream; what it gives is set when the server stops.

        Raises:
            TooMany: there are too many already, or the server stops.
        """
        if self.open >= self._limit or self._closing.is_set():
            raise TooMany
        self.open += 1
        try:
            yield self._closing
        finally:
            self.open -= 1


class Line:
    """One browser's open stream, as the one who fills it sees it."""

    def __init__(self, send: Send, ended: set[asyncio.Future[Any]]) -> None:
        self._send = send
        self._ended = ended

    @property
    def over(self) -> bool:
        """The browser has gone, or the server stops: nothing more need be said."""
        return any(task.done() for task in self._ended)

    async def say(self, event: str, data: bytes = b"{}") -> None:
        """Send one event; `data` is one line, as JSON is."""
        await self._write(b"event: %s\ndata: %s\n\n" % (event.encode(), data))

    async def retry(self, after_ms: int) -> None:
        """Tell the browser when it may come back after a break."""
        await self._write(b"retry: %d\n\n" % after_ms)

    async def rest(self, seconds: float) -> None:
        """Wait, unless the stream ends."""
        await asyncio.wait(self._ended, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    async def wait(self, change: asyncio.Future[Any], seconds: float) -> bool:
        """Wait for `change` at most so long; True when it has come. What it raised is raised here."""
        await asyncio.wait({change, *self._ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if change.done():
            change.result()
        return change.done()

    async def _write(self, text: bytes) -> None:
        try:
            await self._send({"type": "http.response.body", "body": text, "more_body": True})
        except OSError as error:
            raise _Gone from error


class _Gone(Exception):
    """The browser went away in the middle of a line; kept apart from faults of the one who fills the stream."""


class EventStream:
    """One browser's stream, an ASGI answer: `fill` speaks on the line until the line is over.

    A fault of `fill` is logged by its class alone and ends the stream with the event `stopped`.
    """

    def __init__(self, streams: Streams, fill: Callable[[Line], Awaitable[None]], log: logging.Logger) -> None:
        self._streams = streams
        self._fill = fill
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._streams.place() as closing:
            headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            ended: set[asyncio.Future[Any]] = {
                asyncio.ensure_future(closing.wait()),
                asyncio.ensure_future(_gone(receive)),
            }
            line = Line(send, ended)
            try:
                await self._filled(line)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            except (OSError, _Gone):
                return
            finally:
                for task in ended:
                    task.cancel()

    async def _filled(self, line: Line) -> None:
        try:
            await self._fill(line)
        except _Gone:
            raise
        except Exception as error:
            # Neither text nor traceback: both may quote a person.
            self._log.error("A page could be told nothing more: %s.", type(error).__name__)
            await line.say("stopped")


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
