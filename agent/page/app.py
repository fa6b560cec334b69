"""The officer's page: two HTML pages, their event stream and three orders, served on loopback.

The booth is behind `Desk`; the page only draws what it says. Gate, token, streams and shelf are those of
`failsafe.screens`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.routing import Route

from failsafe.agent.page.stream import STREAM_LIMIT, tell
from failsafe.agent.page.view import (
    EntryRefused,
    FindingOrder,
    FindingRefused,
    ManualEntry,
    SecondView,
    Told,
    View,
)
from failsafe.agent.page.words import TABLES
from failsafe.screens.gate import Answer, Gate, Refused, json_answer, order, refusals
from failsafe.screens.shelf import Shelf
from failsafe.screens.streams import EventStream, Streams

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

DEFAULT_PORT: Final = 8600
_BODY_LIMIT: Final = 8 * 1024
_FINDING_LIMIT: Final = 32 * 1024  # 2,000 characters of any script, however JSON escapes them
_PAGES: Final = {"/": "first.html", "/second": "second.html"}
_NOWHERE: Final = "Open the first line at / or the second line at /second."
_BROKEN: Final = Answer("The booth could not answer.", "Try again; if it stays, telephone the CCC and the technician.")
_TOO_LONG: Final = Answer("The entry is too long.", "Type only the lines of the zone, or the fields asked for.")
_TOO_MUCH: Final = Answer("The finding is too long.", "Shorten it, or write a second one.")
_LOG: Final = logging.getLogger("failsafe.page")
_T = TypeVar("_T")


class Desk(Protocol):
    """The booth as the page sees it. Every method may be called while the booth's own thread works.

    `view` and `second` are called on the page's event loop and must only hand out what is there. A booth whose own
    loop stands still must raise in `view`: the page then says that it has no connection and shows no old verdict.
    """

    def view(self) -> View:
        """What the first line sees now; its `number` grows with every change."""
        ...

    def second(self, lane: str) -> SecondView:
        """The current crossing of a lane with its candidates; only lanes that `view` names are asked for."""
        ...

    async def changed(self, after: int) -> None:
        """Return as soon as `view().number > after`; cancelled when nobody waits any more (see `streams.Bell`)."""
        ...

    def enter(self, entry: ManualEntry) -> str:
        """Open a crossing from what the officer typed, in a worker thread.

        Returns:
            The crossing's id.

        Raises:
            EntryRefused: the entry cannot be used; its text tells the officer what to correct.
        """
        ...

    def close(self, lane: str) -> None:
        """Close the lane's open crossing, in a worker thread; nothing happens where none is open."""
        ...

    def find(self, order: FindingOrder) -> str:
        """Record what second line found out about a crossing, in a worker thread; the same order again is harmless.

        Returns:
            The finding's id.

        Raises:
            FindingRefused: it is not recorded; it says why and what to do.
        """
        ...

    def told(self, alerts: Sequence[str]) -> Told:
        """How far these alerts have come and what was found about them, in a worker thread.

        Raises:
            FindingRefused: the ledger cannot be read.
        """
        ...


class CloseOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /close."""

    lane: str


class Found(msgspec.Struct, frozen=True):
    """The body that answers POST /finding."""

    finding: str


class Opened(msgspec.Struct, frozen=True):
    """The body that answers POST /enter."""

    crossing: str


def make_app(desk: Desk, *, port: int = DEFAULT_PORT) -> Starlette:
    """The page as an ASGI application that answers at 127.0.0.1:`port` and localhost:`port` only."""
    page = _Page(desk)
    routes = [
        *page.shelf.routes(),
        Route("/events", page.events, methods=["GET"]),
        Route("/second.json", page.second, methods=["GET"]),
        Route("/healthz", page.health, methods=["GET"]),
        Route("/told.json", page.told, methods=["GET"]),
        Route("/finding", page.finding, methods=["POST"]),
        Route("/enter", page.enter, methods=["POST"]),
        Route("/close", page.close, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Gate, port=port, log=_LOG, broken=_BROKEN)],
        exception_handlers=refusals(_NOWHERE),
    )
    app.state.streams = page.streams
    return app


class _Page:
    """The endpoints over one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.shelf = Shelf("failsafe.agent.page", pages=_PAGES, words=TABLES)
        self.streams = Streams(STREAM_LIMIT)

    async def events(self, request: Request) -> EventStream:
        self._told_token(request)
        return EventStream(self.streams, partial(tell, self._desk), _LOG)

    async def second(self, request: Request) -> Response:
        self._told_token(request)
        return json_answer(self._desk.second(self._lane(request.query_params.get("lane", ""))))

    async def told(self, request: Request) -> Response:
        self._told_token(request)
        try:
            return json_answer(await run_in_threadpool(self._desk.told, request.query_params.getlist("alert")))
        except FindingRefused as refused:
            raise _refusal(refused) from None

    async def finding(self, request: Request) -> Response:
        wanted = await self._order(request, FindingOrder, limit=_FINDING_LIMIT, too_long=_TOO_MUCH)
        self._lane(wanted.lane)
        try:
            return json_answer(Found(await run_in_threadpool(self._desk.find, wanted)))
        except FindingRefused as refused:
            raise _refusal(refused) from None

    async def health(self, _request: Request) -> Response:
        try:
            number = self._desk.view().number
        except Exception:
            raise Refused(503, "The booth gives no view.", "Restart the booth's service.") from None
        return json_answer({"ok": True, "number": number})

    async def enter(self, request: Request) -> Response:
        entry = await self._order(request, ManualEntry)
        self._lane(entry.lane)
        try:
            crossing = await run_in_threadpool(self._desk.enter, entry)
        except EntryRefused as refused:
            raise Refused(422, str(refused), "Correct the entry and send it again.") from None
        return json_answer(Opened(crossing))

    async def close(self, request: Request) -> Response:
        closing = await self._order(request, CloseOrder)
        await run_in_threadpool(self._desk.close, self._lane(closing.lane))
        return json_answer({})

    def _told_token(self, request: Request) -> None:
        self.shelf.token.check(request.query_params.get("token"))

    def _lane(self, name: str) -> str:
        if all(lane.lane != name for lane in self._desk.view().lanes):
            raise Refused(404, "This booth has no such lane.", "Reload the page and choose one of its lanes.")
        return name

    async def _order(
        self, request: Request, shape: type[_T], *, limit: int = _BODY_LIMIT, too_long: Answer = _TOO_LONG
    ) -> _T:
        return await order(request, shape, token=self.shelf.token, limit=limit, too_long=too_long)


def _refusal(refused: FindingRefused) -> Refused:
    return Refused(503 if refused.booth else 422, str(refused), refused.advice)
