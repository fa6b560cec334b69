"""A far end for the link: headquarters' own door behind real TLS, and in its place whatever is to go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from failsafe.agent.keys import LINK_KEY
from failsafe.hq.door import BoothProtocol, Door
from failsafe.hq.server import tls_context
from failsafe.sync import delivery
from failsafe.sync.link import Settings
from failsafe.sync.records import encode
from failsafe.sync.reports import Envelope, alert_file
from failsafe.sync.spool import Spool
from tests import publishing, sending


class FarEnd:
    """Headquarters with one booth enrolled, and its server on a free port of loopback.

    `requests` are the (method, path, answered status) of all requests, `sent` the bytes of bodies by path; `instead`
    is an ASGI application that takes the door's place while it is set.
    """

    def __init__(self, folder: Path, *, serial: int = 1) -> None:
        self.hq = publishing.Desk(folder / "hq")
        if serial:
            self.hq.publish(serial)
        self.booth = sending.Booth(self.hq, folder / "keys")
        self.spool_in, self.out = Spool(folder / "spool" / "in"), Spool(folder / "spool" / "out")
        for spool in (self.spool_in, self.out):
            spool.root.mkdir(parents=True)
        self.spool_in.write("welcome.json", encode(self.booth.welcome))
        self.hq.spool.write(f"keys/base/1/{self.booth.name}", b"sealed for this booth")
        self.desk = sending.open_desk(self.hq)
        self.door = Door(self.desk, self.hq.public, publishing.now).app()
        self.instead: ASGIApp | None = None
        self.requests: list[tuple[str, str, int]] = []
        self.sent: Counter[str] = Counter()
        self.folder = folder

    def settings(self, url: str, **changes) -> Settings:
        given = {
            "url": url,
            "booth": self.booth.name,
            "feeds": ("base",),
            "spool": self.folder / "spool",
            "state": self.folder / "link",
            "key": self.booth.folder / LINK_KEY,
            "root_sha256": hashlib.sha256(self.hq.root()).hexdigest(),
        }
        return Settings(**given | changes)

    def put(self, envelope: Envelope, sequence: int) -> str:
        """Put an envelope into `spool/out` as the core does; the file's name."""
        name = alert_file(envelope.urgency, sequence, envelope.id)
        self.out.write(name, encode(envelope))
        return name

    def fill(self, number: int, *, urgent: bool = False) -> list[str]:
        """Put new alerts into `spool/out`; the files' names."""
        entries = [self.booth.alert(urgent=urgent) for _ in range(number)]
        return [self.put(self.booth.seal(entry), entry.sequence) for entry in entries]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.requests.append((scope["method"], scope["path"], message["status"]))
            self.sent[scope["path"]] += len(message.get("body", b""))
            await send(message)

        await (self.instead or self.door)(scope, receive, noted)

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.requests]

    @contextlib.contextmanager
    def served(self, context: ssl.SSLContext | None = None) -> Iterator[str]:
        """Serve with headquarters' certificate, or another one; the address."""
        with serving(self, context or tls_context(self.hq.keys, publishing.now())) as port:
            yield f"https://127.0.0.1:{port}"

    def publication(self) -> dict[str, bytes]:
        """What of headquarters' publication belongs into the spool of this booth."""
        names = [name for name in self.hq.spool.names() if not name.startswith("keys/") or name.endswith("/ZZ-ONE")]
        return {name: self.hq.spool.read(name, delivery.METADATA_LIMIT) for name in names}

    def brought(self) -> dict[str, bytes]:
        """What of a publication lies in the spool."""
        names = [name for name in self.spool_in.names() if name.startswith(("metadata/", "targets/", "keys/"))]
        return {name: self.spool_in.read(name, delivery.METADATA_LIMIT) for name in names}


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def serving(app: ASGIApp, context: ssl.SSLContext, port: int = 0) -> Iterator[int]:
    """An HTTPS server in a thread, until the end of the context; its port."""
    config = uvicorn.Config(
        app,
        port=port,
        http=BoothProtocol,
        log_config=None,
        lifespan="off",
        ws="none",
        ssl_context_factory=lambda _config, _default: context,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    started = threading.Event()

    async def serve() -> None:
        running = asyncio.create_task(server.serve())
        while not server.started and not running.done():
            await asyncio.sleep(0.005)
        started.set()
        await running

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(20) and server.started
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
