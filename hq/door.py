"""The door that booths come to: the publication to fetch, alerts and heartbeats to leave. HTTP only; the desk decides.

TLS has let in only who holds a certificate of the booths' authority. That authority has signed for years past, so every
request is held against the register as well: the booth must take part still, and with this very key.

    GET  /metadata/... /targets/... /keys/...   the publication (hq/static.py)
    GET  /welcome                               the booth's own records.Welcome, its certificate renewed -> 200 | 304
    POST /alerts                                reports.Upload -> 200 reports.Answer | 400 | 413 | 503
    POST /heartbeat                             reports.Envelope -> 204 | 400 | 413 | 503

Errors are `{"error", "advice"}`; 403 is for who does not take part.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from failsafe.hq.desk.desk import Desk, signer_id
from failsafe.hq.desk.tables import DeskFault
from failsafe.hq.static import Publication
from failsafe.sync import delivery, renewal
from failsafe.sync.errors import BytesRefused
from failsafe.sync.records import encode
from failsafe.sync.reports import Envelope, Upload

MOST_ENVELOPES: Final = 50
BODY_LIMIT: Final = 4 * 1024 * 1024
# An upload's bytes lie in memory until they are stored; more booths than this wait for their turn.
_UPLOADS_AT_ONCE: Final = 24
_BODY_TIME_S: Final = 60.0
_UPLOAD: Final = msgspec.json.Decoder(Upload)
_ENVELOPE: Final = msgspec.json.Decoder(Envelope)
_TOO_LARGE: Final = f"Send at most {MOST_ENVELOPES} envelopes and {BODY_LIMIT} bytes at a time."
_NOT_READ: Final = "Send the records of this version; if the booth is newer than headquarters, update headquarters."
_NO_PART: Final = "Enrol the booth again at headquarters: `failsafe-hq booths enrol FILE`."

log = structlog.get_logger(__name__)
R = TypeVar("R")
Clock = Callable[[], dt.datetime]


class Refused(Exception):
    """A request that is answered with an error; `word` is stable, `advice` for the person who reads it."""

    def __init__(self, status: int, word: str, advice: str) -> None:
        super().__init__(word)
        self.status, self.word, self.advice = status, word, advice


class BoothProtocol(H11Protocol):
    """HTTP/1.1 whose requests know the certificate (DER, as `state["certificate"]`) that their connection showed."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base does
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        self.app_state = {**self.app_state, "certificate": certificate}


class Door:
    """The booths' application.

    Args:
        desk: takes what they bring.
        public: the publication's folder.
        clock: UTC.
    """

    def __init__(self, desk: Desk, public: Path, clock: Clock) -> None:
        self._desk = desk
        self._publication = Publication(public)
        self._clock = clock
        self._uploads = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    def app(self) -> Starlette:
        """The ASGI application; serve it by `BoothProtocol` over TLS, or it lets nobody in."""
        routes = [
            Route("/alerts", self._answering(self._alerts), methods=["POST"]),
            Route("/heartbeat", self._answering(self._heartbeat), methods=["POST"]),
            Route(f"/{renewal.PATH}", self._answering(self._welcome), methods=["GET"]),
            Route("/{path:path}", self._answering(self._file), methods=["GET"]),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _http_error})

    def _answering(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """The handler for booths that take part, with an answer for whatever goes wrong and no content in the log."""

        async def answer(request: Request) -> Response:
            try:
                await run_in_threadpool(self._admit, getattr(request.state, "certificate", None))
                return await handler(request)
            except Refused as refused:
                return _error(refused.status, refused.word, refused.advice)
            except DeskFault as fault:
                log.error("the desk cannot store", fault=fault.detail)
                return _error(503, "unavailable", fault.advice)
            except ClientDisconnect:
                return Response(status_code=400)
            except Exception as error:  # its text could quote an alert
                log.error("unexpected fault at the booths' door", fault=type(error).__name__, at=_place(error))
                return _error(500, "fault", "Tell headquarters; the booth keeps what it wanted to send.")

        return answer

    def _admit(self, certificate: bytes | None) -> None:
        if certificate is None:
            raise Refused(403, "no-certificate", _NO_PART)
        name, key = _identity(certificate)
        booth = self._desk.booth(name)
        if booth is None:
            raise Refused(403, "unknown-booth", _NO_PART)
        if booth.revoked_at is not None:
            raise Refused(403, "revoked", _NO_PART)
        if key != _certified_key(booth.welcome.certificate):
            log.warning("a certificate of another key than the enrolled one", booth=booth.name, signer=signer_id(booth))
            raise Refused(403, "other-key", _NO_PART)

    async def _welcome(self, request: Request) -> Response:
        """The booth's own welcome, with its newest certificate; 304 where it has that."""
        name, _ = _identity(request.state.certificate)
        booth = await run_in_threadpool(self._desk.booth, name)
        if booth is None:
            raise Refused(403, "unknown-booth", _NO_PART)
        headers = {"ETag": renewal.etag(booth.welcome), "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(encode(booth.welcome), media_type="application/json", headers=headers)

    async def _file(self, request: Request) -> Response:
        """A file of the publication; of a supplement only for booths of its countries, though it is sealed anyway."""
        feed = delivery.supplement_in(str(request.scope["path"]).removeprefix("/"))
        if feed is not None:
            name, _ = _identity(request.state.certificate)
            if not await run_in_threadpool(self._desk.may_read, name, feed):
                return Response(status_code=404)
        return await self._publication.answer(request)

    async def _alerts(self, request: Request) -> Response:
        async with self._uploads:
            upload = _decoded(_UPLOAD, await _body(request))
            if len(upload.envelopes) > MOST_ENVELOPES:
                raise Refused(413, "too-large", _TOO_LARGE)
            answer = await run_in_threadpool(self._desk.take, upload.envelopes, self._clock())
        return _json(encode(answer))

    async def _heartbeat(self, request: Request) -> Response:
        async with self._uploads:
            envelope = _decoded(_ENVELOPE, await _body(request))
            try:
                await run_in_threadpool(self._desk.hear, envelope, self._clock())
            except BytesRefused as refused:
                raise Refused(400, refused.reason, refused.advice) from refused
        return Response(status_code=204)


# --- bytes in, bytes out -----------------------------------------------------------------------------------------


async def _body(request: Request) -> bytes:
    """The request's body, of `BODY_LIMIT` bytes at most, however slowly or without end it comes."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > BODY_LIMIT:
        raise Refused(413, "too-large", _TOO_LARGE)
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIME_S):
            async for piece in request.stream():
                body += piece
                if len(body) > BODY_LIMIT:
                    raise Refused(413, "too-large", _TOO_LARGE)
    except TimeoutError as error:
        raise Refused(408, "too-slow", "Send less at a time over this line.") from error
    return bytes(body)


def _decoded(decoder: msgspec.json.Decoder[R], body: bytes) -> R:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, "malformed", _NOT_READ) from error


def _json(content: bytes, status: int = 200) -> Response:
    return Response(content, status_code=status, media_type="application/json", headers={"Cache-Control": "no-store"})


def _error(status: int, word: str, advice: str) -> Response:
    return _json(msgspec.json.encode({"error": word, "advice": advice}), status)


def _http_error(_request: Request, error: Any) -> Response:  # noqa: ANN401 - Starlette's own signature
    return _error(
        error.status_code,
        "no-such-request",
        "Use the requests of this version; update the older of booth and headquarters.",
    )


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "nowhere"


# --- certificates ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _identity(certificate: bytes) -> tuple[str, bytes]:
    """Booth and key of a certificate that TLS has verified."""
    loaded = x509.load_der_x509_certificate(certificate)
    names = loaded.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return (str(names[0].value) if len(names) == 1 else "", _key(loaded))


@lru_cache(maxsize=4096)
def _certified_key(pem: str) -> bytes:
    return _key(x509.load_pem_x509_certificate(pem.encode()))


def _key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
