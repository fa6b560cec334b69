"""The event streams of the command centre's page: what each page holds already, who wakes them, how they end.

A stream says `view` (a `Push`) where something has changed and `beat` every two seconds between, so that a page
hears soon that nobody speaks any more. A line crosses once, and again only where it has changed: each arrival
costs its own line and the ids of the list's order. A stream that gets no list says `stopped` and ends.

A search narrows what is shown, never what is watched: the urgent alerts come with every push.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool

from failsafe.hq.ccc.view import AlertLine, ListView

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

# A page that hears nothing for 6 s (wire.js) says so.
BEAT_S: Final = 2.0
# Every so many beats the list is asked for though nobody rang: a desk that cannot read its register shows.
BEATS_A_LOOK: Final = 5
# A queue that drains brings hundreds of alerts a second; the list is read no oftener than this, the first at once.
_REST_S: Final = 0.2
STREAM_LIMIT: Final = 32
# The urgent alerts that every page watches: the newest of them.
WATCHED: Final = 200
_LOG: Final = logging.getLogger("failsafe.ccc")
_K = TypeVar("_K", bound=Hashable)


class ListDesk(Protocol):
    """Headquarters' desk as the page sees it."""

    def list(self, limit: int, search: str) -> ListView:
        """At most `limit` alerts in which `search` is found ("" finds all), urgent first, then newest arrival first.

        Called in worker threads, several at a time. `number` grows with every change of alerts, tellings or booths.
        """
        ...

    async def changed(self, after: int) -> None:
        """Return as soon as the list's number is above `after`; cancelled when nobody waits any more (see `Bell`)."""
        ...


class TooMany(Exception):
    """No stream can be opened: too many are open, or the server stops."""


class Bell:
    """Wakes the page's streams, on their event loop, from any thread. A `ListDesk` may keep one.

    Example:
        `async def changed(self, after): await self.bell.past(after, lambda: self.number)`, and `bell.ring()` after
        each commit.
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


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """What a page is told at once: the order of all it shows, and only the lines it does not hold yet.

    Attributes:
        at: headquarters' clock when the list was made.
        total: alerts in which the search is found; `all` counts every alert there is.
        order: ids of the alerts to show, in the list's order.
        urgent: ids of the newest urgent alerts, whatever the search; their lines come too.
        lines: `AlertLine` of each alert that is new to this page or has changed.
        booths: `BoothLine` likewise; `gone` names booths that are listed no more.
    """

    number: int
    at: str
    total: int
    all: int
    order: tuple[str, ...]
    urgent: tuple[str, ...]
    lines: tuple[msgspec.Raw, ...]
    booths: tuple[msgspec.Raw, ...]
    gone: tuple[str, ...] = ()


@dataclass(slots=True)
class Held:
    """What one page holds, as told so far. Pure: lists go in, pushes come out."""

    limit: int
    search: str = ""
    number: int | None = None
    _lines: dict[str, int] = field(default_factory=dict)
    _booths: dict[str, int] = field(default_factory=dict)
    _rest: tuple[object, ...] = ()

    def look(self, desk: ListDesk) -> Push | None:
        """Ask the desk and tell what is new; None where nothing is."""
        everything = desk.list(max(self.limit, WATCHED), "")
        found = desk.list(self.limit, self.search) if self.search else everything
        return self.take(everything, found)

    def take(self, everything: ListView, found: ListView) -> Push | None:
        """The difference between what the page holds and the two lists: all alerts, and those of its search."""
        shown = found.alerts[: self.limit]
        urgent = [line for line in everything.alerts if line.alert.urgency == "urgent"][:WATCHED]
        lines = _encoded({line.alert.id: line for line in (*urgent, *shown)})
        booths = _encoded({booth.booth: booth for booth in everything.booths})
        gone = tuple(self._booths.keys() - booths.keys())
        order, watched = tuple(_id(line) for line in shown), tuple(_id(line) for line in urgent)
        rest = (order, watched, found.total, everything.total)
        new_lines, new_booths = _news(self._lines, lines), _news(self._booths, booths)
        # The older of the two: what came between them is asked for again.
        first, self.number = self.number is None, min(everything.number, found.number)
        if not (first or new_lines or new_booths or gone or rest != self._rest):
            return None
        self._rest = rest
        return Push(
            number=self.number,
            at=everything.at,
            total=found.total,
            all=everything.total,
            order=order,
            urgent=watched,
            lines=new_lines,
            booths=new_booths,
            gone=gone,
        )


def _id(line: AlertLine) -> str:
    return line.alert.id


def _encoded(items: Mapping[_K, msgspec.Struct]) -> dict[_K, bytes]:
    return {key: msgspec.json.encode(item) for key, item in items.items()}


def _news(held: dict[_K, int], now: Mapping[_K, bytes]) -> tuple[msgspec.Raw, ...]:
    """What of `now` is not held in these bytes; afterwards it is, and nothing else."""
    marks = {key: hash(content) for key, content in now.items()}
    news = tuple(msgspec.Raw(now[key]) for key, mark in marks.items() if held.get(key) != mark)
    held.clear()
    held.update(marks)
    return news


class ListStream:
    """One browser's stream, an ASGI answer: event `view` at each change, `beat` every two seconds between."""

    def __init__(self, desk: ListDesk, streams: Streams, held: Held) -> None:
        self._desk = desk
        self._streams = streams
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._streams.place() as closing:
            headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            ended: set[asyncio.Future[Any]] = {
                asyncio.ensure_future(closing.wait()),
                asyncio.ensure_future(_gone(receive)),
            }
            try:
                await self._run(send, ended)
            except OSError:
                return  # the browser went away in the middle of a line
            except Exception as error:
                # Neither text nor traceback: both may quote a person or a search.
                _LOG.error("The desk gave the command centre's page no list: %s.", type(error).__name__)
                await _say(send, b"event: stopped\ndata: {}\n\n")
            finally:
                for task in ended:
                    task.cancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _run(self, send: Send, ended: set[asyncio.Future[Any]]) -> None:
        while not any(task.done() for task in ended):
            push = await _looked(self._held, self._desk)
            if push is None:
                await _say(send, b"event: beat\ndata: {}\n\n")
            else:
                await _say(send, b"event: view\ndata: " + msgspec.json.encode(push) + b"\n\n")
            await asyncio.wait(ended, timeout=_REST_S, return_when=asyncio.FIRST_COMPLETED)
            await self._wait(send, ended)

    async def _wait(self, send: Send, ended: set[asyncio.Future[Any]]) -> None:
        """Beat until something changes, the stream ends, or it is time to look again."""
        assert self._held.number is not None
        change = asyncio.ensure_future(self._desk.changed(self._held.number))
        try:
            for turn in range(BEATS_A_LOOK):
                if turn:
                    await _say(send, b"event: beat\ndata: {}\n\n")
                await asyncio.wait({change, *ended}, timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED)
                if change.done():
                    return change.result()
                if any(task.done() for task in ended):
                    return None
        finally:
            change.cancel()


class _DeskFault(Exception):
    """The desk raised an OSError; kept apart from those of the browser's connection."""


async def _looked(held: Held, desk: ListDesk) -> Push | None:
    try:
        return await run_in_threadpool(held.look, desk)
    except OSError as error:
        raise _DeskFault from error


async def _say(send: Send, text: bytes) -> None:
    await send({"type": "http.response.body", "body": text, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
