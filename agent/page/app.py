"""The officer's page: two HTML pages, their event stream and two orders, served on loopback.

The booth is behind `Desk`; the page only draws what it says. Every answer carries a strict Content-Security-Policy.
Loopback is not authentication: `Host` and `Origin` must be ours, and a token that is new with each process stands
in the HTML and must come back with everything that is not a static file. That keeps out other web sites (they
cannot read our HTML), not another program of the same machine.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from importlib import resources
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from failsafe.agent.page.stream import EventStream, Streams, TooMany
from failsafe.agent.page.view import EntryRefused, ManualEntry, SecondView, View
from failsafe.agent.page.words import TABLES

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

DEFAULT_PORT: Final = 8600
_BODY_LIMIT: Final = 8 * 1024

_PAGES: Final = {"/": "first.html", "/second": "second.html"}
_SHELF: Final = {
    "page.css": "text/css",
    "draw.js": "text/javascript",
    "entry.js": "text/javascript",
    "first.js": "text/javascript",
    "say.js": "text/javascript",
    "second.js": "text/javascript",
    "strip.js": "text/javascript",
    "wire.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_WORDS: Final = "/words.js"
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=(), serial=(), clipboard-read=()",
}
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
        """Return as soon as `view().number > after`; cancelled when nobody waits any more (see `stream.Bell`)."""
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


class CloseOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /close."""

    lane: str


class Answer(msgspec.Struct, frozen=True):
    """The body of every refusal: what went wrong, and what the officer does next."""

    error: str
    advice: str


class Opened(msgspec.Struct, frozen=True):
    """The body that answers POST /enter."""

    crossing: str


class Refused(Exception):
    """A request the page does not serve, with its HTTP status."""

    def __init__(self, status: int, error: str, advice: str) -> None:
        super().__init__(error)
        self.status = status
        self.answer = Answer(error, advice)


def make_app(desk: Desk, *, port: int = DEFAULT_PORT) -> Starlette:
    """The page as an ASGI application that answers at 127.0.0.1:`port` and localhost:`port` only."""
    page = _Page(desk)
    routes = [
        *(Route(path, page.html, methods=["GET"]) for path in _PAGES),
        *(Route(path, page.static, methods=["GET"]) for path in (*(f"/{name}" for name in _SHELF), _WORDS)),
        Route("/events", page.events, methods=["GET"]),
        Route("/second.json", page.second, methods=["GET"]),
        Route("/healthz", page.health, methods=["GET"]),
        Route("/enter", page.enter, methods=["POST"]),
        Route("/close", page.close, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Gate, port=port)],
        exception_handlers={Refused: _refusal, TooMany: _crowded, HTTPException: _no_such_thing},
    )
    app.state.streams = page.streams
    return app


class PageServer(uvicorn.Server):
    """uvicorn with one addition: open event streams end when the server stops, not when its patience does."""

    def __init__(self, app: Starlette, *, port: int = DEFAULT_PORT) -> None:
        """`port` is bound on 127.0.0.1 unless `serve` is given a socket. Request lines are not logged: they hold
        the page's token."""
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            http="h11",
            h11_max_incomplete_event_size=16 * 1024,
            limit_concurrency=64,
            timeout_graceful_shutdown=2,
        )
        # `access_log` only takes its handlers away; whoever adds one again would log the token.
        logging.getLogger("uvicorn.access").disabled = True
        super().__init__(config)
        self._streams: Streams = app.state.streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.end()
        await super().shutdown(sockets)


class Gate:
    """Pure ASGI middleware: refuses foreign `Host` and `Origin`, sets the headers of every answer, hides faults."""

    def __init__(self, app: ASGIApp, *, port: int) -> None:
        self._app = app
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, send_with_headers)
        except Refused as refused:
            await _json(refused.answer, refused.status)(scope, receive, send_with_headers)
        except Exception as error:
            # Neither text nor traceback: both may quote a traveller.
            _LOG.error("The page could not answer %s: %s.", scope["path"], type(error).__name__)
            if not started:
                await _json(_BROKEN, 500)(scope, receive, send_with_headers)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            raise Refused(400, "The request names no host.", "Open the page at its address of this booth.")
        if hosts[0] not in self._hosts:
            raise Refused(421, "This page is not served under that name.", "Open http://127.0.0.1 with its port.")
        origins = headers.getlist("origin")
        wanted = origins == [f"http://{hosts[0]}"]
        if not wanted and (origins or scope["method"] not in ("GET", "HEAD")):
            raise Refused(403, "The request comes from another page.", "Use the booth's own page.")


class _Page:
    """The endpoints over one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._token = secrets.token_urlsafe(32)
        self.streams = Streams()
        folder = resources.files("failsafe.agent.page")
        self._shelf = {f"/{name}": (folder.joinpath(name).read_bytes(), kind) for name, kind in _SHELF.items()}
        self._shelf[_WORDS] = (_words(), "text/javascript")
        build = hashlib.sha256(b"".join(content for content, _ in self._shelf.values())).hexdigest()[:16]
        self._html = {
            path: folder.joinpath(name)
            .read_text(encoding="utf-8")
            .replace("@@TOKEN@@", self._token)
            .replace("@@BUILD@@", build)
            for path, name in _PAGES.items()
        }

    async def html(self, request: Request) -> Response:
        return Response(self._html[request.url.path], media_type="text/html")

    async def static(self, request: Request) -> Response:
        content, kind = self._shelf[request.url.path]
        return Response(content, media_type=kind)

    async def events(self, request: Request) -> EventStream:
        self._require(request.query_params.get("token"))
        return EventStream(self._desk, self.streams)

    async def second(self, request: Request) -> Response:
        self._require(request.query_params.get("token"))
        return _json(self._desk.second(self._lane(request.query_params.get("lane", ""))))

    async def health(self, _request: Request) -> Response:
        try:
            number = self._desk.view().number
        except Exception:
            raise Refused(503, "The booth gives no view.", "Restart the booth's service.") from None
        return _json({"ok": True, "number": number})

    async def enter(self, request: Request) -> Response:
        entry = await self._order(request, ManualEntry)
        self._lane(entry.lane)
        try:
            crossing = await run_in_threadpool(self._desk.enter, entry)
        except EntryRefused as refused:
            raise Refused(422, str(refused), "Correct the entry and send it again.") from None
        return _json(Opened(crossing))

    async def close(self, request: Request) -> Response:
        order = await self._order(request, CloseOrder)
        await run_in_threadpool(self._desk.close, self._lane(order.lane))
        return _json({})

    def _require(self, token: str | None) -> None:
        if not secrets.compare_digest((token or "").encode(), self._token.encode()):
            raise Refused(403, "The page's token is missing or old.", "Reload the page.")

    def _lane(self, name: str) -> str:
        if all(lane.lane != name for lane in self._desk.view().lanes):
            raise Refused(404, "This booth has no such lane.", "Reload the page and choose one of its lanes.")
        return name

    async def _order(self, request: Request, shape: type[_T]) -> _T:
        """The body of a POST as `shape`, after token, type and size were checked."""
        self._require(request.headers.get("x-page-token"))
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "The order is not JSON.", "Use the booth's own page.")
        try:
            return msgspec.json.decode(await _body(request), type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Refused(400, "The order is not in the form of this version.", "Reload the page.") from None


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_LIMIT:
            raise Refused(413, "The entry is too long.", "Type only the lines of the zone, or the fields asked for.")
    return bytes(body)


def _words() -> bytes:
    """The tables of words.py as a module of the page."""
    return b"".join(
        b"export const %s = %s;\n" % (name.encode(), msgspec.json.encode(table)) for name, table in TABLES.items()
    )


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")


async def _refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _json(error.answer, error.status)


async def _crowded(_request: Request, _error: Exception) -> Response:
    return _json(Answer("No further page can be connected.", "Close pages that are not needed."), 503)


async def _no_such_thing(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json(
        Answer(f"{error.detail}.", "Open the first line at / or the second line at /second."), error.status_code
    )


_BROKEN: Final = Answer("The booth could not answer.", "Try again; if it stays, telephone the CCC and the technician.")
