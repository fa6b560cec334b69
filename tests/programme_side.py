"""The programme's side for tests: a real mail server and a real web server on loopback, with orders how to behave."""

from __future__ import annotations

import asyncio
import datetime as dt
import email
import ipaddress
import queue
import socket
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from failsafe.sync.reports import (
    Alert,
    ChainEntry,
    ChannelSummary,
    FeedState,
    MatchedNotice,
    MatchReason,
    Moment,
    PersonAsRead,
    Place,
    RadiationSummary,
)

RECEIVED = "2026-11-21T12:00:05Z"
PATIENCE_S = 60.0  # for what a test waits for; nothing waits that long unless the test fails


def alert(number=1, **changes):
    """An alert for CBRNE: a notice of the rn tier hit by an invented person."""
    fields = {
        "id": f"01900000-0000-7000-8000-{number:012d}",
        "kind": "notice_hit",
        "urgency": "urgent",
        "at": Moment(wall="2026-11-21T12:00:00.000Z", monotonic_s=5.0, trusted=True),
        "place": Place(
            booth="ZZ-1", country="ZZ", crossing_point="Northgate", lane="2", latitude=41.5, longitude=44.25
        ),
        "verdict": "STOP",
        "crossing": "c-1",
        "person": PersonAsRead(source="zone", surname="ZORVEKARIO", given="LIMTUSK", birth_date="1971-02-03"),
        "notices": (
            MatchedNotice(
                entity_id="2026-99001",
                tier="rn",
                grade="strong",
                score=0.97,
                reasons=(
                    MatchReason(field="name", query="ZORVEKARIO", candidate="ZORVEKARYO", why="one letter", points=0.9),
                ),
            ),
        ),
        "radiation": RadiationSummary(
            detector="portal-1",
            health="OK",
            duration_s=4.2,
            channels=(
                ChannelSummary(
                    channel="gamma", alarm=True, peak=900.0, interval_s=0.2, background_cps=812.5, panels=(1, 3)
                ),
            ),
        ),
        "mirror": (FeedState(feed="base", lineage="invented", serial=7),),
        "mirror_age_s": 5400.0,
    }
    return Alert(**{**fields, **changes})


def entry(body):
    return ChainEntry(sequence=1, previous="0" * 64, body=body)


# --- certificates ---------------------------------------------------------------------------------------------


def _certificate(name, issuer, key, signer, *, authority):
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


class Authority:
    """A certificate authority made for one test, and a server's certificate for `localhost` and 127.0.0.1."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Invented authority")])
        own, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.file = folder / "ca.pem"
        self.file.write_bytes(_certificate(name, name, own, own, authority=True).public_bytes(Encoding.PEM))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        certificate = _certificate(subject, name, server, own, authority=False)
        self._pair = folder / "server.pem"
        self._pair.write_bytes(
            server.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM)
        )

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._pair)
        return context


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- orders ---------------------------------------------------------------------------------------------------


@dataclass
class Orders:
    """What the next requests meet, first in first out; afterwards everything is taken.

    A number is an answer's code; `drop` hangs up without an answer; `hang` answers nothing until `release`; `drip`
    sends a byte now and then and comes to no end.
    """

    plan: list = field(default_factory=list)
    arrivals: queue.Queue = field(default_factory=queue.Queue)
    released: threading.Event = field(default_factory=threading.Event)

    def next(self, usual):
        return self.plan.pop(0) if self.plan else usual

    def arrived(self):
        """The next thing that came, awaited."""
        return self.arrivals.get(timeout=PATIENCE_S)

    def all(self):
        """What has come and was not looked at yet."""
        found = []
        while not self.arrivals.empty():
            found.append(self.arrivals.get())
        return found


# --- web ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    path: str
    headers: dict
    body: bytes


class WebServer(Orders):
    """A receiver of webhooks."""

    def __init__(self, *plan, authority=None, port=0):
        super().__init__(list(plan))
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        if authority is not None:
            self._server.socket = authority.server_context().wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(outer):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.arrivals.put(Call(self.path, dict(self.headers.items()), body))
                outer.obey(self, outer.next(204))

            def log_message(self, *_):
                pass

        return Handler

    def obey(self, request, order):
        if order == "hang":
            self.released.wait(PATIENCE_S)
        if order == "drip":
            self._drip(request)
        if order in ("drop", "hang", "drip"):
            request.close_connection = True
            return
        request.send_response(order)
        if 300 <= order < 400:
            request.send_header("Location", f"http://127.0.0.1:{self.port}/elsewhere")
        request.send_header("Content-Length", "0")
        request.end_headers()

    def _drip(self, request):
        try:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self.released.wait(0.05):
                request.wfile.write(b".")
        except OSError:
            pass  # they hung up, as they should


# --- mail -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Delivery:
    """One message as the server got it; `was_secret`: over TLS."""

    sender: str
    recipients: list
    content: bytes
    was_secret: bool
    user: str | None

    @property
    def message(self):
        return email.message_from_bytes(self.content, policy=policy.default)


class MailServer(Orders):
    """A mail server; `refuses` maps an address to the answer it gets."""

    def __init__(self, authority, *plan, security="starttls", port=0, refuses=None, password=None):
        super().__init__(list(plan))
        self.refuses = refuses or {}
        self.port = port or free_port()
        context = authority.server_context() if authority else None
        options = {"ssl_context": context} if security == "tls" else {"tls_context": context}
        if security == "starttls" and context:
            options["require_starttls"] = True
        if password is not None:
            options |= {"auth_required": True, "auth_require_tls": security == "starttls"}
            options["authenticator"] = lambda _server, _session, _envelope, _kind, data: AuthResult(
                success=data.password == password.encode(), handled=False, auth_data=data.login.decode()
            )
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        self._controller.start()

    def close(self):
        self.released.set()
        self._controller.stop()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.arrivals.put(
            Delivery(
                envelope.mail_from,
                list(envelope.rcpt_tos),
                envelope.content,
                session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None,
                session.auth_data if session.authenticated else None,
            )
        )
        order = self.next(250)
        if order == "hang":
            await asyncio.get_running_loop().run_in_executor(None, self.released.wait, PATIENCE_S)
        if order in ("hang", "drop"):
            server.transport.abort()
        if order == "drip":
            await self._drip(server)
        return f"{order} as ordered" if isinstance(order, int) else "250 OK"

    async def _drip(self, server):
        while not (self.released.is_set() or server.transport.is_closing()):
            server.transport.write(b"2")
            await asyncio.sleep(0.05)


@contextmanager
def closing(*servers):
    """The servers, closed at the end."""
    try:
        yield servers if len(servers) > 1 else servers[0]
    finally:
        for server in servers:
            server.close()
