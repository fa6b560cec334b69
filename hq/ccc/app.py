"""The command centre's page: one HTML page, its event stream, one order and one file, served on loopback.

The desk is behind `ListDesk`; the page only draws what it says. Gate, token, streams and shelf are those of
`failsafe.screens`.

The stream is asked for by POST: neither the token nor a name that is searched for ever stands in an address, where
proxies and histories keep it.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import Response as PlainResponse
from starlette.routing import Route

from failsafe.hq.ccc.stream import STREAM_LIMIT, Held, ListDesk, in_time, tell
from failsafe.hq.ccc.view import LateTimestamp
from failsafe.hq.ccc.words import TABLES
from failsafe.screens.gate import Answer, Gate, Refused, json_answer, order, refusals
from failsafe.screens.server import ScreenServer
from failsafe.screens.shelf import Shelf
from failsafe.screens.streams import EventStream, Line, Streams
from failsafe.sync.records import BOOTH_ID

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

DEFAULT_PORT: Final = 8700
CONNECTIONS: Final = 128
MOST_LINES: Final = 1000
MOST_CHANGES: Final = 1000
LONGEST_SEARCH: Final = 200
LONGEST_OFFICER: Final = 80
MOST_AT_ONCE: Final = 200
_BODY_LIMIT: Final = 4 * 1024
_NOWHERE: Final = "Open the command centre's list at /."
_BROKEN: Final = Answer("Headquarters could not answer.", "Try again; if it stays, look at headquarters' log.")
_TOO_LONG: Final = Answer("The search is too long.", "Search for fewer words.")
_LOG: Final = logging.getLogger("failsafe.ccc")
_T = TypeVar("_T")


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /events: what a page wants to see; `booth` is the one that is open there, with its changes."""

    search: Annotated[str, msgspec.Meta(max_length=LONGEST_SEARCH)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_LINES)] = 200
    booth: Annotated[str, msgspec.Meta(pattern=f"^({BOOTH_ID.pattern})?$")] = ""
    changes: Annotated[int, msgspec.Meta(ge=1, le=MOST_CHANGES)] = 50


class Acknowledging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /acknowledge: who has seen which alerts, by their numbers in the list.

    Only what the screen showed is named, so that an alert that arrives in this moment goes on ringing.
    """

    officer: Annotated[str, msgspec.Meta(max_length=LONGEST_OFFICER)]
    alerts: Annotated[tuple[Annotated[int, msgspec.Meta(ge=1, le=2**53)], ...], msgspec.Meta(max_length=MOST_AT_ONCE)]


class AskedFor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /measurement: the number that the list gives to a measurement."""

    number: Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class Acknowledged(msgspec.Struct, frozen=True):
    """The body that answers POST /acknowledge: how many nobody had acknowledged before."""

    acknowledged: int


def make_app(
    desk: ListDesk, *, port: int = DEFAULT_PORT, late: Callable[[], LateTimestamp | None] = in_time
) -> Starlette:
    """The page as an ASGI application that answers at 127.0.0.1:`port` and localhost:`port` only.

    `late` says whether booths are still told that their notices are current; it is asked in worker threads.
    Whoever serves it otherwise than by `CccServer` calls `app.state.streams.end()` when the server is to stop.
    """
    page = _Page(desk, late)
    routes = [
        *page.shelf.routes(),
        Route("/events", page.events, methods=["POST"]),
        Route("/acknowledge", page.acknowledge, methods=["POST"]),
        Route("/measurement", page.measurement, methods=["POST"]),
        Route("/healthz", page.health, methods=["GET"]),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Gate, port=port, log=_LOG, broken=_BROKEN)],
        exception_handlers=refusals(_NOWHERE),
    )
    app.state.streams = page.streams
    return app


class CccServer(ScreenServer):
    """The page's server: more screens than a booth has."""

    def __init__(self, app: Starlette, *, port: int = DEFAULT_PORT) -> None:
        """`port` is bound on 127.0.0.1 unless `serve` is given a socket."""
        super().__init__(app, port=port, connections=CONNECTIONS)


class _Page:
    """The endpoints over one desk."""

    def __init__(self, desk: ListDesk, late: Callable[[], LateTimestamp | None]) -> None:
        self._desk = desk
        self._late = late
        self.shelf = Shelf("failsafe.hq.ccc", pages={"/": "ccc.html"}, words=TABLES)
        self.streams = Streams(STREAM_LIMIT)

    async def events(self, request: Request) -> EventStream:
        asked = await self._order(request, Asked)
        return EventStream(self.streams, partial(self._tell, asked), _LOG)

    async def _tell(self, asked: Asked, line: Line) -> None:
        held = Held(asked.limit, asked.search.strip(), asked.booth, asked.changes, self._late)
        await tell(line, self._desk, held)

    async def acknowledge(self, request: Request) -> Response:
        asked = await self._order(request, Acknowledging)
        officer = asked.officer.strip()
        if not officer or any(unicodedata.category(one) == "Cc" for one in officer):
            raise Refused(422, "The duty officer's name is missing.", "Give your name, then acknowledge again.")
        try:
            done = await run_in_threadpool(self._desk.acknowledge, asked.alerts, officer)
        except Exception as error:
            # Neither text nor traceback: both may quote a person.
            _LOG.error("An acknowledgement could not be written down: %s.", type(error).__name__)
            raise Refused(
                503,
                "Headquarters could not write the acknowledgement down: the signal goes on.",
                "Try again; if it stays, look at headquarters' log.",
            ) from None
        return json_answer(Acknowledged(done))

    async def measurement(self, request: Request) -> Response:
        asked = await self._order(request, AskedFor)
        try:
            file = await run_in_threadpool(self._desk.measurement, asked.number)
        except Exception as error:
            _LOG.error("A measurement could not be read: %s.", type(error).__name__)
            raise Refused(503, "Headquarters could not read the measurement.", "Try again in a minute.") from None
        if file is None:
            raise Refused(404, "Headquarters holds no measurement of this number that can be read.", "Reload the page.")
        named = {"content-disposition": f'attachment; filename="{file.name}"'}
        return PlainResponse(file.content, media_type="application/xml", headers=named)

    async def health(self, _request: Request) -> Response:
        try:
            view = await run_in_threadpool(self._desk.list, 1, "")
        except Exception:
            raise Refused(503, "The desk gives no list.", "Look at headquarters' log, then restart it.") from None
        return json_answer({"ok": True, "number": view.number})

    async def _order(self, request: Request, shape: type[_T]) -> _T:
        return await order(request, shape, token=self.shelf.token, limit=_BODY_LIMIT, too_long=_TOO_LONG)
