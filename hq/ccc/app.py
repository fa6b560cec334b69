"""The command centre's page: one HTML page and its event stream, served on loopback.

The desk is behind `ListDesk`; the page only draws what it says. Every answer carries a strict Content-Security-Policy.
Loopback is not authentication: `Host` and `Origin` must be ours, and a token that is new with each process stands in
the HTML and must come back before anything is told. That keeps out other web sites (they cannot read our HTML), not
another program of the same machine.

The stream is asked for by POST: neither the token nor a name that is searched for ever stands in an address, where
proxies and histories keep it.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from failsafe.hq.ccc.stream import Held, ListDesk, ListStream, Streams, TooMany
from failsafe.hq.ccc.words import TABLES

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

DEFAULT_PORT: Final = 8700
MOST_LINES: Final = 1000
LONGEST_SEARCH: Final = 200
_BODY_LIMIT: Final = 4 * 1024

_SHELF: Final = {
    "ccc.css": "text/css",
    "alarm.js": "text/javascript",
    "booths.js": "text/javascript",
    "ccc.js": "text/javascript",
    "detail.js": "text/javascript",
    "draw.js": "text/javascript",
    "say.js": "text/javascript",
    "table.js": "text/javascript",
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
_LOG: Final = logging.getLogger("failsafe.ccc")


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /events: what a page wants to see."""

    search: Annotated[str, msgspec.Meta(max_length=LONGEST_SEARCH)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_LINES)] = 200


class Answer(msgspec.Struct, frozen=True):
    """The body of every refusal: what went wrong, and what the officer does next."""

    error: str
    advice: str


class Refused(Exception):
    """A request the page does not serve, with its HTTP status."""

    def __init__(self, status: int, error: str, advice: str) -> None:
        super().__init__(error)
        self.status = status
        self.answer = Answer(error, advice)


def make_app(desk: ListDesk, *, port: int = DEFAULT_PORT) -> Starlette:
    """The page as an ASGI application that answers at 127.0.0.1:`port` and localhost:`port` only.

    Whoever serves it otherwise than by `CccServer` calls `app.state.streams.end()` when the server is to stop.
    """
    page = _Page(desk)
    routes = [
        Route("/", page.html, methods=["GET"]),
        *(Route(path, page.static, methods=["GET"]) for path in (*(f"/{name}" for name in _SHELF), _WORDS)),
        Route("/events", page.events, methods=["POST"]),
        Route("/healthz", page.health, methods=["GET"]),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Gate, port=port)],
        exception_handlers={Refused: _refusal, TooMany: _crowded, HTTPException: _no_such_thing},
    )
    app.state.streams = page.streams
    return app


class CccServer(uvicorn.Server):
    """uvicorn with one addition: open event streams end when the server stops, not when its patience does."""

    def __init__(self, app: Starlette, *, port: int = DEFAULT_PORT) -> None:
        """`port` is bound on 127.0.0.1 unless `serve` is given a socket."""
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
            limit_concurrency=128,
            timeout_graceful_shutdown=2,
        )
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
        except ClientDisconnect:
            return
        except Exception as error:
            # Neither text nor traceback: both may quote a person.
            _LOG.error("The command centre's page could not answer: %s.", type(error).__name__)
            if not started:
                await _json(_BROKEN, 500)(scope, receive, send_with_headers)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            raise Refused(400, "The request names no host.", "Open the page at its address of this machine.")
        if hosts[0] not in self._hosts:
            raise Refused(421, "This page is not served under that name.", "Open http://127.0.0.1 with its port.")
        origins = headers.getlist("origin")
        wanted = origins == [f"http://{hosts[0]}"]
        if not wanted and (origins or scope["method"] not in ("GET", "HEAD")):
            raise Refused(403, "The request comes from another page.", "Use the command centre's own page.")


class _Page:
    """The endpoints over one desk."""

    def __init__(self, desk: ListDesk) -> None:
        self._desk = desk
        self._token = secrets.token_urlsafe(32)
        self.streams = Streams()
        folder = resources.files("failsafe.hq.ccc")
        self._shelf = {f"/{name}": (folder.joinpath(name).read_bytes(), kind) for name, kind in _SHELF.items()}
        self._shelf[_WORDS] = (_words(), "text/javascript")
        build = hashlib.sha256(b"".join(content for content, _ in self._shelf.values())).hexdigest()[:16]
        html = folder.joinpath("ccc.html").read_text(encoding="utf-8")
        self._html = html.replace("@@TOKEN@@", self._token).replace("@@BUILD@@", build)

    async def html(self, _request: Request) -> Response:
        return Response(self._html, media_type="text/html")

    async def static(self, request: Request) -> Response:
        content, kind = self._shelf[request.url.path]
        return Response(content, media_type=kind)

    async def events(self, request: Request) -> ListStream:
        asked = await self._asked(request)
        return ListStream(self._desk, self.streams, Held(asked.limit, asked.search.strip()))

    async def health(self, _request: Request) -> Response:
        try:
            view = await run_in_threadpool(self._desk.list, 1, "")
        except Exception:
            raise Refused(503, "The desk gives no list.", "Look at headquarters' log, then restart it.") from None
        return _json({"ok": True, "number": view.number})

    async def _asked(self, request: Request) -> Asked:
        """The body of a POST, after token, type and size were checked."""
        if not secrets.compare_digest(request.headers.get("x-page-token", "").encode(), self._token.encode()):
            raise Refused(403, "The page's token is missing or old.", "Reload the page.")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "The request is not JSON.", "Use the command centre's own page.")
        try:
            return msgspec.json.decode(await _body(request), type=Asked)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Refused(400, "The request is not in the form of this version.", "Reload the page.") from None


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_LIMIT:
            raise Refused(413, "The search is too long.", "Search for fewer words.")
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
    return _json(Answer(f"{error.detail}.", "Open the command centre's list at /."), error.status_code)


_BROKEN: Final = Answer("Headquarters could not answer.", "Try again; if it stays, look at headquarters' log.")
