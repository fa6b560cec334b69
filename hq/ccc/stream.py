"""What the command centre's pages hold already, and what each is told next.

A stream says `view` (a `Push`) where something has changed and `beat` every two seconds between. A line crosses once,
and again only where it has changed: each arrival costs its own line and the numbers of the list's order.

A search narrows what is shown, never what rings: the urgent alerts that nobody has acknowledged come with every push.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool

from failsafe.hq.ccc.view import ChangesView, LateTimestamp, ListView, MeasurementFile
from failsafe.screens import streams
from failsafe.screens.streams import Line

# Every so many beats the list is asked for though nobody rang: a desk that cannot read its register shows.
BEATS_A_LOOK: Final = 5
# A queue that drains brings hundreds of alerts a second; the list is read no oftener than this, the first at once.
_REST_S: Final = 0.2
STREAM_LIMIT: Final = 32
_K = TypeVar("_K", bound=Hashable)


class ListDesk(Protocol):
    """Headquarters' desk as the page sees it. Its methods are called in worker threads, several at a time."""

    def list(self, limit: int, search: str) -> ListView:
        """At most `limit` alerts in which `search` is found ("" finds all), urgent first, then newest arrival first.

        `number` grows with every change of alerts, tellings, acknowledgements or booths.
        """
        ...

    def acknowledge(self, numbers: Sequence[int], officer: str) -> int:
        """Write down that `officer` has seen these urgent alerts; how many nobody had acknowledged before."""
        ...

    def measurement(self, number: int) -> MeasurementFile | None:
        """The document of a measurement by its number; None where there is none to be read."""
        ...

    def changes(self, booth: str, limit: int) -> ChangesView:
        """At most `limit` changes of a booth's health, newest first, and what is not OK there now."""
        ...

    async def changed(self, after: int) -> None:
        """Return as soon as the list's number is above `after`; cancelled when nobody waits any more (see `Bell`)."""
        ...


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """What a page is told at once: the order of all it shows, and only the lines it does not hold yet.

    Attributes:
        at: headquarters' clock when the list was made.
        total: alerts in which the search is found; `all` counts every alert there is.
        order: numbers of the alerts to show, in the list's order.
        waiting: numbers of the newest urgent alerts that nobody has acknowledged, whatever the search, of
            `waiting_total`; their lines come too.
        lines: `AlertLine` of each alert that is new to this page or has changed.
        booths: `BoothLine` likewise; `gone` names booths that are listed no more.
        changes: the `ChangesView` of the booth that is open at this page, where it is new or has changed.
        late: booths are told no more that their notices are current; None while they are.
    """

    number: int
    at: str
    total: int
    all: int
    order: tuple[int, ...]
    waiting: tuple[int, ...]
    waiting_total: int
    lines: tuple[msgspec.Raw, ...]
    booths: tuple[msgspec.Raw, ...]
    gone: tuple[str, ...] = ()
    changes: msgspec.Raw | None = None
    late: LateTimestamp | None = None


def in_time() -> LateTimestamp | None:
    """Nothing is late: what a page is told whose server signs no timestamps."""
    return None


@dataclass(slots=True)
class Held:
    """What one page holds, as told so far. Pure: lists go in, pushes come out.

    Attributes:
        booth: the one that is open at this page; "": none, and nothing is read of any.
        most: at most so many of its changes are shown.
        late: says whether the timestamp is; asked at each look.
    """

    limit: int
    search: str = ""
    booth: str = ""
    most: int = 0
    late: Callable[[], LateTimestamp | None] = in_time
    number: int | None = None
    _lines: dict[int, int] = field(default_factory=dict)
    _booths: dict[str, int] = field(default_factory=dict)
    _rest: tuple[object, ...] = ()
    _changes: int = 0

    def look(self, desk: ListDesk) -> Push | None:
        """Ask the desk and tell what is new; None where nothing is."""
        found = desk.list(self.limit, self.search)
        everything = desk.list(1, "").total if self.search else found.total
        changes = desk.changes(self.booth, self.most) if self.booth else None
        return self.take(found, everything, changes, self.late())

    def take(
        self,
        found: ListView,
        everything: int,
        changes: ChangesView | None = None,
        late: LateTimestamp | None = None,
    ) -> Push | None:
        """The difference between what the page holds and what its search finds among `everything` there is."""
        shown = found.alerts[: self.limit]
        lines = _encoded({line.number: line for line in (*found.waiting, *shown)})
        booths = _encoded({booth.booth: booth for booth in found.booths})
        gone = tuple(self._booths.keys() - booths.keys())
        order, waiting = tuple(line.number for line in shown), tuple(line.number for line in found.waiting)
        rest = (order, waiting, found.waiting_total, found.total, everything, late)
        new_lines, new_booths = _news(self._lines, lines), _news(self._booths, booths)
        first, self.number = self.number is None, found.number
        new_changes = self._new_changes(changes)
        if not (first or new_lines or new_booths or gone or new_changes or rest != self._rest):
            return None
        self._rest = rest
        return Push(
            number=found.number,
            at=found.at,
            total=found.total,
            all=everything,
            order=order,
            waiting=waiting,
            waiting_total=found.waiting_total,
            lines=new_lines,
            booths=new_booths,
            gone=gone,
            changes=new_changes,
            late=late,
        )

    def _new_changes(self, changes: ChangesView | None) -> msgspec.Raw | None:
        if changes is None:
            return None
        content = msgspec.json.encode(changes)
        before, self._changes = self._changes, hash(content)
        return msgspec.Raw(content) if self._changes != before else None


def _encoded(items: Mapping[_K, msgspec.Struct]) -> dict[_K, bytes]:
    return {key: msgspec.json.encode(item) for key, item in items.items()}


def _news(held: dict[_K, int], now: Mapping[_K, bytes]) -> tuple[msgspec.Raw, ...]:
    """What of `now` is not held in these bytes; afterwards it is, and nothing else."""
    marks = {key: hash(content) for key, content in now.items()}
    news = tuple(msgspec.Raw(now[key]) for key, mark in marks.items() if held.get(key) != mark)
    held.clear()
    held.update(marks)
    return news


async def tell(line: Line, desk: ListDesk, held: Held) -> None:
    """Tell one page of the list until its line is over."""
    while not line.over:
        push = await run_in_threadpool(held.look, desk)
        if push is None:
            await line.say("beat")
        else:
            await line.say("view", msgspec.json.encode(push))
        await line.rest(_REST_S)
        await _wait(line, desk, held)


async def _wait(line: Line, desk: ListDesk, held: Held) -> None:
    """Beat until something changes, the stream ends, or it is time to look again."""
    assert held.number is not None
    change = asyncio.ensure_future(desk.changed(held.number))
    try:
        for turn in range(BEATS_A_LOOK):
            if turn:
                await line.say("beat")
            if await line.wait(change, streams.BEAT_S) or line.over:
                return
    finally:
        change.cancel()
