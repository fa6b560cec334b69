"""The event streams of the page: who listens, what wakes them, how they end.

A stream sends the event `view` (a `View` as JSON) at each change and `beat` every two seconds between, so that a page
hears within five seconds that nobody speaks any more. A stream that gets no view says `stopped` and ends.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from failsafe.agent.page.view import View

# A page that hears nothing for 4 s (wire.js, which looks twice a second) says so: within the 5 s that are promised.
BEAT_S: Final = 2.0
# A portal sends five lines a second; a flood is drawn no faster than this, while the first change goes at once.
_REST_S: Final = 0.04
# A first line, a second line, and their reloads; more is a fault or an attack on the loop.
STREAM_LIMIT: Final = 16
_LOG: Final = logging.getLogger("failsafe.page")


class Source(Protocol):
    """What a stream asks of the booth; see `Desk` in app.py."""

    def view(self) -> View: ...

    async def changed(self, after: int) -> None: ...


class TooMany(Exception):
    """No stream can be opened: too many are open, or the server stops."""


class Bell:
    """Wakes the page's streams, on their event loop, from the booth's thread. A `Desk` may keep one.

    Example:
        `async def changed(self, after): await self.bell.past(after, lambda: self.view().number)`, and `bell.ring()`
        after each change.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def ring(self) -> None:
        """Wake everyone who waits; from any thread."""
        with self._lock:
            waiting = list(self._waiting)
        for loop, event in waiting:
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # that loop has closed: nobody is left to be woken
                with self._lock:
                    self._waiting.discard((loop, event))

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

    def __init__(self) -> None:
        self.open = 0
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
        if self.open >= STREAM_LIMIT or self._closing.is_set():
            raise TooMany
        self.open += 1
        try:
            yield self._closing
        finally:
            self.open -= 1


class EventStream:
    """One browser's stream, an ASGI answer: event `view` at each change, `beat` every two seconds between."""

    def __init__(self, source: Source, streams: Streams) -> None:
        self._source = source
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._streams.place() as closing:
            headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await _say(send, b"retry: 1000\n\n")
            ended: set[asyncio.Future[Any]] = {
                asyncio.ensure_future(closing.wait()),
                asyncio.ensure_future(_gone(receive)),
            }
            try:
                await self._run(send, ended)
            except OSError:
                return  # the browser went away in the middle of a line
            except Exception as error:
                _LOG.error("The booth gave the page no view: %s.", type(error).__name__)
                await _say(send, b"event: stopped\ndata: {}\n\n")
            finally:
                for task in ended:
                    task.cancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _run(self, send: Send, ended: set[asyncio.Future[Any]]) -> None:
        seen: int | None = None
        while not any(task.done() for task in ended):
            view = self._source.view()
            if view.number == seen:
                await _say(send, b"event: beat\ndata: %d\n\n" % seen)
            else:
                seen = view.number
                await _say(send, b"event: view\ndata: " + msgspec.json.encode(view) + b"\n\n")
                await asyncio.wait(ended, timeout=_REST_S, return_when=asyncio.FIRST_COMPLETED)
            change = asyncio.ensure_future(self._source.changed(seen))
            try:
                await asyncio.wait({change, *ended}, timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED)
                if change.done():
                    change.result()
            finally:
                change.cancel()


async def _say(send: Send, text: bytes) -> None:
    await send({"type": "http.response.body", "body": text, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
