"""The wire between the link and headquarters: HTTP over mutual TLS, and the only file of a booth that imports httpx.

Only headquarters' authority is believed, no redirect is followed, no proxy comes from the environment, and every answer
is bounded in length and in time, however slowly its bytes come. What fails is said in the words of sync/errors.py; what
is done about it is the link's business (sync/rounds.py).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import hashlib
import hmac
import ssl
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import httpx
import msgspec

from failsafe.sync.delivery import WELCOME_LIMIT
from failsafe.sync.dispatch import Reply
from failsafe.sync.errors import (
    HqRefuses,
    LineDown,
    LineSlow,
    Malformed,
    Missing,
    NotForThisBooth,
    SpoolFault,
    SyncError,
    TlsRefused,
    Truncated,
    Unsigned,
)
from failsafe.sync.records import UNREADABLE, WELCOME_FILE, Welcome
from failsafe.sync.refresh import Fetched
from failsafe.sync.spool import Spool

# One step of an exchange (connecting, one read, one write), and a whole metadata file.
_STEP_S: Final = 15.0
_WHOLE_S: Final = 30.0
# Slower than this nothing arrives before its successor is published; counted after the first seconds.
_SLOWEST_BYTES_S: Final = 256
_METADATA_BYTES_S: Final = 4096
_CONNECT_S: Final = 10.0
_KEPT_OPEN_S: Final = 4.0  # below the five seconds after which uvicorn closes an idle connection
_CERTIFICATE_FILE: Final = "client.pem"
_GOOD_POSTS: Final = frozenset({200, 204, 400, 408, 413})
_NEW_WELCOME: Final = "Ask headquarters for this booth's welcome file and import it: failsafe courier import FILE."
_COMPARE_ROOT: Final = "Compare `root_sha256` in the configuration with what headquarters printed at the enrolment."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the link needs of the booth's configuration.

    Args:
        url: headquarters' address, `https://...`, without a slash at the end.
        booth: this booth's id.
        feeds: what is fetched until the core says what it wants.
        spool: the folder that holds `in` and `out`.
        state: the link's own folder.
        key: file of the TLS client key, PEM.
        certificate: file of its certificate, PEM; None: the welcome file's.
        root_sha256: hash of the root that the configuration pins; empty: the welcome file's root is taken.
        refresh_every_s: seconds between two looks for a new publication.
    """

    url: str
    booth: str
    feeds: tuple[str, ...]
    spool: Path
    state: Path
    key: Path
    certificate: Path | None = None
    root_sha256: str = ""
    refresh_every_s: float = 600.0


def read_welcome(settings: Settings) -> Welcome:
    """The welcome file in the spool, if it is this booth's and holds the pinned root.

    Raises:
        Missing, Malformed: it is not there, or no welcome file.
        NotForThisBooth, Unsigned: it is another booth's, or holds another root.
        SpoolFault: the spool cannot be read.
    """
    try:
        content = Spool(settings.spool / "in").read(WELCOME_FILE, WELCOME_LIMIT)
        welcome = msgspec.json.decode(content, type=Welcome)
    except Missing as error:
        raise Missing("This booth has no welcome file yet.", _NEW_WELCOME) from error
    except UNREADABLE as error:
        raise Malformed("The welcome file cannot be read.", _NEW_WELCOME) from error
    if welcome.booth != settings.booth:
        raise NotForThisBooth("The welcome file is another booth's.", _NEW_WELCOME)
    found = hashlib.sha256(welcome.root).hexdigest()
    if settings.root_sha256 and not hmac.compare_digest(found, settings.root_sha256):
        raise Unsigned("The welcome file holds another root than the configuration pins.", _COMPARE_ROOT)
    return welcome


def tls_context(settings: Settings, welcome: Welcome) -> ssl.SSLContext:
    """TLS 1.3 by which only headquarters' authority is believed and this booth shows its certificate.

    Raises:
        TlsRefused: certificate or key are missing, or do not belong together.
        SpoolFault: the link's own folder cannot be written.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    certificate = settings.certificate
    if certificate is None:
        Spool(settings.state, file_mode=0o600).write(_CERTIFICATE_FILE, welcome.certificate.encode())
        certificate = settings.state / _CERTIFICATE_FILE
    try:
        context.load_verify_locations(cadata=welcome.authority)
        context.load_cert_chain(certificate, settings.key)
    except FileNotFoundError as error:
        advice = "Make the keys with `failsafe keys init`, or check `key` and `certificate` in [link]."
        raise TlsRefused("The link's TLS key or certificate is not there.", advice) from error
    except (ssl.SSLError, OSError, ValueError) as error:
        advice = "Check the files' owner and mode; if they are right, enrol the booth again with new keys."
        raise TlsRefused("The link's TLS key and certificate cannot be used together.", advice) from error
    return context


# --- the wire ------------------------------------------------------------------------------------------------------


class Wire:
    """HTTP to headquarters over mutual TLS; use it as a context. `received` counts the bytes of all bodies.

    Args:
        url: headquarters' address.
        context: TLS with the link's certificate.
    """

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        self._url = url.rstrip("/")
        self.received = 0
        self._client = httpx.AsyncClient(
            verify=context,
            http2=False,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(_STEP_S, connect=_CONNECT_S),
            limits=httpx.Limits(max_connections=8, keepalive_expiry=_KEPT_OPEN_S),
            # Bodies are counted and hashed as they come: nothing may unpack to more than was sent.
            headers={"Accept-Encoding": "identity", "User-Agent": "failsafe-link"},
        )

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(self, *about: object) -> None:
        await self._client.aclose()

    async def post(self, path: str, body: bytes, limit: int) -> Reply:
        """See `dispatch.Desk`."""
        within_s = _WHOLE_S + len(body) / _SLOWEST_BYTES_S
        async with self._exchange("POST", path, within_s, {"Content-Type": "application/json"}, body) as response:
            if response.status_code not in _GOOD_POSTS:
                raise _said_no(response.status_code)
            content = b"" if response.status_code >= 400 else await self._body(response, limit)
            return Reply(response.status_code, content)

    async def get(self, path: str, limit: int, etag: str | None) -> Fetched:
        """See `refresh.Source`."""
        headers = {"If-None-Match": etag} if etag else {}
        within_s = _WHOLE_S + limit / _METADATA_BYTES_S
        async with self._exchange("GET", path, within_s, headers) as response:
            if response.status_code == 304 and etag:
                return Fetched(None, etag)
            _check_found(response.status_code, {200})
            return Fetched(await self._body(response, limit), response.headers.get("etag"))

    async def resume(self, path: str, length: int, file: Path) -> None:
        """See `refresh.Source`: the beginning of `file` is kept if headquarters still has the file it began with."""
        tag = file.with_name(f"{file.name}.etag")
        have = _begun(file, tag, length)
        if have == length:
            return
        headers = {"Range": f"bytes={have}-", "If-Range": tag.read_text("ascii")} if have else {}
        async with self._exchange("GET", path, None, headers) as response:
            _check_found(response.status_code, {200, 206} if have else {200})
            if response.status_code == 206 and not _goes_on(response, have):
                file.unlink()
                raise HqRefuses("Headquarters sends another part of a file than was asked for.")
            await self._append(response, file, tag, length, have if response.status_code == 206 else 0)

    async def _append(self, response: httpx.Response, file: Path, tag: Path, length: int, have: int) -> None:
        etag = response.headers.get("etag", "")
        # Only a strong ETag names bytes (RFC 9110, 8.8.1); without one the next attempt begins anew.
        if etag.startswith('"') and etag.isascii():
            tag.write_text(etag, "ascii")
        else:
            tag.unlink(missing_ok=True)
        done, began = have, _monotonic()
        with _own_disk(), file.open("ab" if have else "wb") as opened:
            async for piece in response.aiter_raw():
                self.received += len(piece)
                done += len(piece)
                if done > length:
                    break
                opened.write(piece)
                _check_pace(done - have, _monotonic() - began)
        if done > length:
            file.unlink()
            raise Truncated("A file is longer than the length that was signed.")
        if done < length:
            raise LineDown("A transfer broke off; it goes on where it broke.")

    async def _body(self, response: httpx.Response, limit: int) -> bytes:
        body = bytearray()
        async for piece in response.aiter_raw():
            self.received += len(piece)
            body += piece
            if len(body) > limit:
                raise Truncated(f"Headquarters' answer is longer than the {limit} bytes it may have.")
        return bytes(body)

    @contextlib.asynccontextmanager
    async def _exchange(
        self, method: str, path: str, within_s: float | None, headers: dict[str, str], body: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        """One request and the beginning of its answer; `within_s` bounds the whole of it, None only its beginning."""
        try:
            async with asyncio.timeout(within_s or _WHOLE_S) as deadline:
                async with self._client.stream(method, f"{self._url}/{path}", headers=headers, content=body) as answer:
                    if within_s is None:
                        deadline.reschedule(None)
                    yield answer
        except SyncError:
            raise
        except (httpx.TimeoutException, TimeoutError) as error:
            raise LineSlow("Headquarters does not answer in time.") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ssl.SSLError, OSError) as error:
            raise line_fault(error) from error


@contextlib.contextmanager
def _own_disk() -> Iterator[None]:
    """The disk's errors are not the line's: httpx has errors of its own kind."""
    try:
        yield
    except (TimeoutError, ssl.SSLError):
        raise
    except OSError as error:
        raise SpoolFault(
            f"A file that is being fetched cannot be written ({error.strerror}).",
            "Check the free space of the folder that `state` in [link] names.",
        ) from error


def _begun(file: Path, tag: Path, length: int) -> int:
    """How many bytes of a file are here already; a beginning whose ETag is not known is worth nothing."""
    try:
        have = file.stat().st_size
    except FileNotFoundError:
        return 0
    return have if have == length or (have < length and tag.is_file()) else 0


def _goes_on(response: httpx.Response, have: int) -> bool:
    return str(response.headers.get("content-range", "")).startswith(f"bytes {have}-")


def _check_pace(received: int, seconds: float) -> None:
    if seconds > _WHOLE_S and received / seconds < _SLOWEST_BYTES_S:
        raise LineSlow("A transfer is too slow to be worth its line; it goes on later.")


def _check_found(status: int, good: set[int]) -> None:
    if status in (404, 410):
        raise Missing("A file is not at headquarters' address.")
    if status not in good:
        raise _said_no(status)


def _said_no(status: int) -> HqRefuses:
    if status in (401, 403):
        return HqRefuses(
            f"Headquarters does not let this booth in ({status}).",
            "Ask headquarters whether this booth is enrolled, and not revoked; alerts are kept until it is.",
        )
    if 300 <= status < 400:
        return HqRefuses(
            f"Headquarters sends the link elsewhere ({status}), and it does not go.",
            "Check `url` in [link]; something else than headquarters' desk answers there.",
        )
    return HqRefuses(f"Headquarters answers {status}.")


# OpenSSL's numbers, X509_V_ERR_...: https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/
_NOT_YET_VALID, _HAS_EXPIRED, _WRONG_PURPOSE, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 26, 62, 64


def line_fault(error: BaseException) -> LineDown:
    """What a failed exchange says in words for a technician; the innermost cause knows best."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _not_believed(cause.verify_code)
        if isinstance(cause, ssl.SSLError) and "ALERT" in (cause.reason or ""):
            advice = "Check the booth's clock; then ask headquarters whether this booth's certificate still counts."
            return TlsRefused("Headquarters does not accept this booth's certificate.", advice)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return LineDown("Headquarters' address cannot be reached.")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return LineDown("Headquarters' address is none.", "Correct `url` in [link].")
    if isinstance(error, httpx.RemoteProtocolError):
        # So a TLS 1.3 server turns a client's certificate down when its alert is lost with the connection.
        return LineDown(
            "What answers at headquarters' address breaks off, or does not speak HTTP.",
            "Check `url` in [link]; if it is right, ask headquarters whether this booth's certificate still counts.",
        )
    return LineDown(  # and so too, when the connection is torn down before the alert was read
        "The connection to headquarters broke.",
        "Check cable and modem; if it always breaks, ask headquarters whether this booth's certificate still counts.",
    )


def _not_believed(code: int) -> TlsRefused:
    if code in (_NOT_YET_VALID, _HAS_EXPIRED):
        return TlsRefused(
            "The server's certificate does not count at this booth's time.",
            "Set the booth's clock; if it is right, headquarters' certificate must be renewed.",
        )
    if code in (_OTHER_NAME, _OTHER_ADDRESS):
        return TlsRefused(
            "The server's certificate is for another address.",
            "Check `url` in [link]: it must be one of the names in headquarters' certificate.",
        )
    if code == _WRONG_PURPOSE:
        return TlsRefused("What answers shows a certificate that is no server's.")
    return TlsRefused("The server's certificate is not signed by headquarters' authority.")


class ThreadSource:
    """The wire for the refresh's thread: each call runs in the loop, so that its deadline holds whatever is sent."""

    def __init__(self, wire: Wire, loop: asyncio.AbstractEventLoop) -> None:
        self._wire = wire
        self._loop = loop
        self._stopped = False
        self._running: concurrent.futures.Future[Any] | None = None

    def stop(self) -> None:
        """Break off what runs, and refuse what the thread would still ask; called in the loop."""
        self._stopped = True
        if self._running is not None:
            self._running.cancel()

    def get(self, path: str, limit: int, etag: str | None = None) -> Fetched:
        """See `refresh.Source`."""
        return self._ask(self._wire.get(path, limit, etag))

    def resume(self, path: str, length: int, file: Path) -> None:
        """See `refresh.Source`."""
        self._ask(self._wire.resume(path, length, file))

    def _ask(self, exchange: Coroutine[Any, Any, T]) -> T:
        running = self._running = asyncio.run_coroutine_threadsafe(exchange, self._loop)
        if self._stopped:
            running.cancel()
        try:
            return cast(T, running.result())
        except concurrent.futures.CancelledError as error:
            raise LineDown("The link stops.") from error


def _monotonic() -> float:
    return time.monotonic()  # noqa: TID251 - how fast bytes come is the wire's business
