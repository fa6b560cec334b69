"""`failsafe-hq serve`: one process with two listeners and a clock.

Booths come over TLS 1.3 with their certificates; the command centre's page is plain HTTP on this machine's loopback
address only. The timestamp is signed anew every ten minutes of monotonic time, so that booths can tell a quiet
headquarters from one they have lost. Publishing goes on beside this process: it only serves what lies in the folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import signal
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from sqlalchemy import Engine
from starlette.applications import Starlette

from failsafe.hq import upkeep
from failsafe.hq.cbrne import notify, programme
from failsafe.hq.ccc.app import CccServer, make_app
from failsafe.hq.desk.desk import Desk
from failsafe.hq.desk.tables import DESK_FILE, DeskFault, open_database, open_file, open_register
from failsafe.hq.door import BoothProtocol, Clock, Door
from failsafe.hq.feeds import published
from failsafe.hq.feeds.register import Register
from failsafe.hq.feeds.repository import Repository
from failsafe.hq.keyring.keys import HeadquartersError, KeyFault, KeyStore
from failsafe.sync.errors import SyncError
from failsafe.sync.service import Service, inherited

DEFAULT_PORT: Final = 8643
DEFAULT_CCC_PORT: Final = 8700
LOOPBACK: Final = "127.0.0.1"
TIMESTAMP_EVERY_S: Final = 600.0
_TRY_AGAIN_S: Final = 30.0
_LOOK_EVERY_S: Final = 1.0
_STOP_S: Final = 3
_GLANCE_S: Final = 0.01
_RENEW_SERVER: Final = "Make a new one: `failsafe-hq keys rotate server`."
_RENEW_BEFORE: Final = dt.timedelta(days=30)

log = structlog.get_logger(__name__)


class ServerFault(HeadquartersError):
    """The server does not start."""

    usual_advice = "Choose another port, or stop the program that has it."


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running server listens."""

    booths: str
    ccc: str


@contextlib.contextmanager
def desk_of(home: Path, register_file: str, database: str | None = None) -> Iterator[tuple[Desk, Engine]]:
    """The desk of the headquarters in `home`, and its database.

    Args:
        home: headquarters' folder.
        register_file: the register's name in it; made if it is not there.
        database: address of SQLAlchemy; `home/desk.sqlite` if None.

    Raises:
        KeyMissing: there are no keys.
        HeadquartersError: a database cannot be opened.
    """
    keys = KeyStore.open(home)
    Register.in_file(home / register_file).close()
    register = open_register(home / register_file)
    engine = open_database(database) if database else open_file(home / DESK_FILE)
    desk = Desk(engine, keys, register)
    try:
        # Whoever stores alerts must know first by which channels the CBRNE programme is told.
        notify.prepare(engine, programme.load(home))
        yield desk, engine
    finally:
        desk.close()
        engine.dispose()
        register.dispose()


def serve(
    home: Path,
    register_file: str,
    clock: Clock,
    *,
    database: str | None = None,
    host: str = LOOPBACK,
    port: int = DEFAULT_PORT,
    ccc_port: int = DEFAULT_CCC_PORT,
    ready: Callable[[Addresses], None] = lambda addresses: None,
) -> None:
    """Run headquarters in `home`, its desk, page and notifier, until a signal comes; arguments as `desk_of`, `run`."""
    with desk_of(home, register_file, database) as (desk, engine):
        server = Server(desk, Repository(home, KeyStore.open(home)), clock)
        notifier = notify.Notifier(engine, programme.load(home))
        try:
            server.run(host=host, port=port, ccc_port=ccc_port, ready=ready, started=notifier.start)
        finally:
            notifier.stop()


@dataclass(frozen=True, slots=True)
class Server:
    """Headquarters' server; `run` ends on SIGTERM or SIGINT.

    Args:
        desk: what booths leave alerts at.
        repository: the publication, and who signs its timestamp.
        clock: UTC.
    """

    desk: Desk
    repository: Repository
    clock: Clock

    def run(
        self,
        *,
        host: str = LOOPBACK,
        port: int = DEFAULT_PORT,
        ccc_port: int = DEFAULT_CCC_PORT,
        ready: Callable[[Addresses], None] = lambda addresses: None,
        started: Callable[[], None] = lambda: None,
    ) -> None:
        """Serve until a signal comes.

        Args:
            host: address that booths come to.
            port: theirs; 0 for a free one.
            ccc_port: of the page, on loopback; 0 for a free one.
            ready: told the addresses when both accept connections.
            started: called when nothing stands in the way any more.

        Raises:
            KeyMissing: the server has no certificate.
            RepositoryFault: nothing is published, or it is not this headquarters'.
            ServerFault: a port is taken, or the certificate has ended.
        """
        published.load(self.repository.public, self.repository.keys)
        context = tls_context(self.repository.keys, self.clock())
        given = _given()
        with (
            _listening(given.get("booths"), host, port) as booths,
            _listening(given.get("ccc"), LOOPBACK, ccc_port) as ccc,
        ):
            started()
            asyncio.run(self._serve(context, booths, ccc, ready))

    async def _serve(
        self, context: ssl.SSLContext, booths: socket.socket, ccc: socket.socket, ready: Callable[[Addresses], None]
    ) -> None:
        door = Door(self.desk, self.repository.public.root, self.clock).app()
        late = lambda: upkeep.late(self.repository, self.clock())  # noqa: E731 - it has no other name
        page = make_app(self.desk, port=ccc.getsockname()[1], late=late)
        servers: list[uvicorn.Server] = [
            _BoothServer(_for_booths(door, context)),
            _PageServer(page, port=ccc.getsockname()[1]),
        ]
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, servers)
        running = [
            asyncio.create_task(server.serve(sockets=[listening]))
            for server, listening in zip(servers, (booths, ccc), strict=True)
        ]
        service, condition = Service(), _Condition()
        beside = [asyncio.create_task(self._sign_timestamps(condition)), asyncio.create_task(self._look(condition))]
        beside.append(asyncio.create_task(_tell(servers, booths, ccc, ready)))
        beside.append(asyncio.create_task(self._follow_certificates(context, condition)))
        tell = partial(condition.is_so, "upkeep")
        beside.append(asyncio.create_task(upkeep.keep_up(self.repository, self.clock, tell)))
        beside.append(asyncio.create_task(_keep(service, condition, servers)))
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            service.stopping()
            _stop(servers)
            for task in beside:
                task.cancel()
            ended = await asyncio.gather(*running, return_exceptions=True)
            await asyncio.gather(*beside, return_exceptions=True)
        if any(isinstance(fault, Exception) for fault in ended):
            kinds = ", ".join(sorted({type(fault).__name__ for fault in ended if fault is not None}))
            raise ServerFault(f"The server broke down ({kinds}).", "Start it again; report it if it happens again.")

    async def _sign_timestamps(self, condition: _Condition) -> None:
        while True:
            try:
                await asyncio.to_thread(self.repository.touch_timestamp, now=self.clock())
                wait_s = TIMESTAMP_EVERY_S
                condition.troubles.pop("timestamp", None)
            except (HeadquartersError, SyncError, OSError) as error:
                log.error("the timestamp is not signed: booths will call their notices old", fault=str(error))
                wait_s = _TRY_AGAIN_S
                condition.troubles["timestamp"] = "The timestamp is not signed: booths will call their notices old."
            await asyncio.sleep(wait_s)

    async def _follow_certificates(self, context: ssl.SSLContext, condition: _Condition) -> None:
        """Show the newest certificate, and believe links of a new authority, from the next connection on."""
        authority = self.repository.keys.authority
        before = _stamps(authority.file(), authority.server_file())
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now = _stamps(authority.file(), authority.server_file())
            if now == before:
                continue
            try:
                load_certificates(context, self.repository.keys)
                condition.troubles.pop("certificates", None)
                log.info("the certificates were loaded anew")
            except HeadquartersError as error:
                log.error("the certificates cannot be loaded", detail=error.detail, advice=error.advice)
                condition.troubles["certificates"] = "The certificates cannot be loaded."
            before = now

    async def _look(self, condition: _Condition) -> None:
        """Notice what other processes put into the desk's database."""
        while True:
            try:
                await asyncio.to_thread(self.desk.look)
                condition.troubles.pop("database", None)
            except DeskFault as fault:
                log.error("the desk's database cannot be read", fault=fault.detail)
                condition.troubles["database"] = "The desk's database cannot be read."
            condition.looks += 1
            await asyncio.sleep(_LOOK_EVERY_S)


@dataclass(slots=True)
class _Condition:
    """What the service manager hears: how often the database has answered, and what is wrong by whom it concerns."""

    looks: int = 0
    troubles: dict[str, str] = field(default_factory=dict)

    def is_so(self, part: str, trouble: str | None) -> None:
        """Keep what is wrong with a part, or that nothing is."""
        if trouble is None:
            self.troubles.pop(part, None)
        else:
            self.troubles[part] = trouble

    def sentence(self) -> str:
        return " ".join(self.troubles.values()) or "Serving booths and the command centre."


async def _keep(service: Service, condition: _Condition, servers: Sequence[uvicorn.Server]) -> None:
    """Say that headquarters is ready once it is, then feed the watchdog while the database answers."""
    while not all(server.started for server in servers) or not condition.looks:
        await asyncio.sleep(_GLANCE_S)
    service.ready(condition.sentence())
    await service.keep(lambda: {"database": condition.looks}, condition.sentence)


class _BoothServer(uvicorn.Server):
    """One of two servers in a process: signals are the process's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _PageServer(CccServer):
    """The other one."""

    capture_signals = _BoothServer.capture_signals


def _for_booths(door: Starlette, context: ssl.SSLContext) -> uvicorn.Config:
    return uvicorn.Config(
        door,
        http=BoothProtocol,
        ssl_context_factory=lambda _config, _default: context,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        timeout_graceful_shutdown=_STOP_S,
    )


def _stop(servers: Sequence[uvicorn.Server]) -> None:
    for server in servers:
        server.should_exit = True


async def _tell(
    servers: Sequence[uvicorn.Server], booths: socket.socket, ccc: socket.socket, ready: Callable[[Addresses], None]
) -> None:
    named = Addresses(f"https://{_address(booths)}", f"http://{_address(ccc)}")
    while not all(server.started for server in servers):
        await asyncio.sleep(_GLANCE_S)
    ready(named)


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _given() -> dict[str, socket.socket]:
    """The sockets that systemd has opened, by name: `booths`, `ccc` or both."""
    given = inherited()
    if given.keys() - {"booths", "ccc"}:
        raise ServerFault(
            "systemd gives a socket of an unknown name.",
            "Put failsafe-hq.socket and failsafe-hq-page.socket back as they were installed; addresses may be others.",
        )
    if "ccc" in given and given["ccc"].getsockname()[0] != LOOPBACK:
        raise ServerFault(
            "The command centre's page would be open to a network.",
            f"Have failsafe-hq-page.socket listen on {LOOPBACK}.",
        )
    return given


@contextlib.contextmanager
def _listening(given: socket.socket | None, host: str, port: int) -> Iterator[socket.socket]:
    if given is not None:
        with given:
            yield given
        return
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServerFault(f"There is no address {host}.", "Give an address of this machine with --host.") from error
    with listening:
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(1024)
        except OSError as error:
            raise ServerFault(f"{host} port {port} cannot be listened at ({error.strerror}).") from error
        yield listening


def tls_context(keys: KeyStore, now: dt.datetime) -> ssl.SSLContext:
    """TLS for booths: this server's certificate, and nobody without one of the booths' authority.

    Raises:
        KeyMissing: the server has no certificate.
        ServerFault: it has ended.
        KeyFault: it cannot be used.
    """
    ends = keys.authority.server_certificate().not_valid_after_utc
    if ends <= now:
        raise ServerFault("The server's certificate has ended; no booth would believe it.", _RENEW_SERVER)
    if ends - now < _RENEW_BEFORE:
        log.warning("the server's certificate ends soon", ends=ends.isoformat(), advice=_RENEW_SERVER)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    load_certificates(context, keys)
    return context


def load_certificates(context: ssl.SSLContext, keys: KeyStore) -> None:
    """Show the server's certificate and believe its authority, also in a context that is in use.

    Raises:
        KeyFault: they cannot be used.
    """
    try:
        context.load_cert_chain(keys.authority.server_file())
        context.load_verify_locations(cafile=keys.authority.file())
    except (ssl.SSLError, OSError) as error:
        raise KeyFault("The server's certificate cannot be used.", _RENEW_SERVER) from error


def _stamps(*files: Path) -> list[tuple[int, int]]:
    return [(about.st_ino, about.st_mtime_ns) for about in (file.stat() for file in files if file.exists())]
