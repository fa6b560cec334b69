"""The gate before a page: who may ask, how an order is read, and the headers of every answer.

Loopback is not authentication: `Host` and `Origin` must be ours, and a token that is new with each process stands in
the HTML and must come back with everything that is not a static file. That keeps out other web sites (they cannot
read our HTML), not another program of the same machine.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from failsafe.screens.streams import TooMany

if TYPE_CHECKING:
    import logging

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = {
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
_T = TypeVar("_T")


class Answer(msgspec.Struct, frozen=True):
    """The body of every refusal: what went wrong, and what the person before the screen does next."""

    error: str
    advice: str


class Refused(Exception):
    """A request the page does not serve, with its HTTP status."""

    def __init__(self, status: int, error: str, advice: str) -> None:
        super().__init__(error)
        self.status = status
        self.answer = Answer(error, advice)


class Token:
    """A word that is new with each process; a page that holds it has been served by this one."""

    def __init__(self) -> None:
        self.text = secrets.token_urlsafe(32)

    def check(self, given: str | None) -> None:
        """Raise `Refused` unless `given` is the token."""
        if not secrets.compare_digest((given or "").encode(), self.text.encode()):
            raise Refused(403, "The page's token is missing or old.", "Reload the page.")


class Gate:
    """Pure ASGI middleware: refuses foreign `Host` and `Origin`, sets the headers of every answer, hides faults.

    Args:
        app: what stands behind the gate.
        port: the page answers at 127.0.0.1:`port` and localhost:`port` only.
        log: told of a fault by its class alone.
        broken: what a person is told when the page itself fails.
    """

    def __init__(self, app: ASGIApp, *, port: int, log: logging.Logger, broken: Answer) -> None:
        self._app = app
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        self._log = log
        self._broken = broken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, send_with_headers)
        except Refused as refused:
            await json_answer(refused.answer, refused.status)(scope, receive, send_with_headers)
        except ClientDisconnect:
            return
        except Exception as error:
            # Neither text nor traceback: both may quote a person.
            self._log.error("The page could not answer %s: %s.", scope["path"], type(error).__name__)
            if not started:
                await json_answer(self._broken, 500)(scope, receive, send_with_headers)

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
            raise Refused(403, "The request comes from another page.", "Use the page of this machine.")


async def order(request: Request, shape: type[_T], *, token: Token, limit: int, too_long: Answer) -> _T:
    """The body of a POST as `shape`, after token, type and size (at most `limit` bytes) were checked.

    Raises:
        Refused: the order cannot be taken; it says why and what to do.
    """
    token.check(request.headers.get("x-page-token"))
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "The order is not JSON.", "Use the page of this machine.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Refused(413, too_long.error, too_long.advice)
    try:
        return msgspec.json.decode(bytes(body), type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused(400, "The order is not in the form of this version.", "Reload the page.") from None


def json_answer(content: object, status: int = 200) -> Response:
    """`content` as JSON."""
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")


def refusals(nowhere: str) -> dict[Any, Any]:
    """Starlette's exception handlers: every refusal is an `Answer`; `nowhere` says where the pages are."""

    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return json_answer(error.answer, error.status)

    async def crowded(_request: Request, _error: Exception) -> Response:
        return json_answer(Answer("No further page can be connected.", "Close pages that are not needed."), 503)

    async def no_such_thing(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return json_answer(Answer(f"{error.detail}.", nowhere), error.status_code)

    return {Refused: refused, TooMany: crowded, HTTPException: no_such_thing}
