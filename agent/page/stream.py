"""What a stream of the officer's page says: `view` (a `View`) at each change, `beat` every two seconds between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from failsafe.screens.streams import BEAT_S

if TYPE_CHECKING:
    from failsafe.agent.page.view import View
    from failsafe.screens.streams import Line

# A portal sends five lines a second; a flood is drawn no faster than this, while the first change goes at once.
_REST_S: Final = 0.04
# A first line, a second line, and their reloads; more is a fault or an attack on the loop.
STREAM_LIMIT: Final = 16


class Source(Protocol):
    """What a stream asks of the booth; see `Desk` in app.py."""

    def view(self) -> View: ...

    async def changed(self, after: int) -> None: ...


async def tell(source: Source, line: Line) -> None:
    """Fill one browser's line until it is over; what the booth raises ends it."""
    seen: int | None = None
    await line.retry(1000)
    while not line.over:
        view = source.view()
        if view.number == seen:
            await line.say("beat", b"%d" % seen)
        else:
            seen = view.number
            await line.say("view", msgspec.json.encode(view))
            await line.rest(_REST_S)
        change = asyncio.ensure_future(source.changed(seen))
        try:
            await line.wait(change, BEAT_S)
        finally:
            change.cancel()
