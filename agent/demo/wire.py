"""A network cable that can be pulled: relays TCP between the booth's link and headquarters.

And the far end of the CBRNE programme's webhook, which counts what it is told.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_PIECE: Final = 64 * 1024


class Wire:
    """Listens on a port of its own and passes everything on to `port`, both on loopback, until it is cut."""

    def __init__(self, port: int) -> None:
        self._far = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._cut = False
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, name="wire", daemon=True).start()

    def cut(self) -> None:
        """Every connection breaks, and none is made any more."""
        with self._lock:
            self._cut = True
            open_now, self._open = self._open, set()
        for end in open_now:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """The cable is back in."""
        with self._lock:
            self._cut = False

    def close(self) -> None:
        """Take the wire away."""
        self.cut()
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                near, _ = self._listening.accept()
                self._connect(near)

    def _connect(self, near: socket.socket) -> None:
        try:
            if self._cut:
                raise OSError("cut")
            far = socket.create_connection(self._far, timeout=5)
            far.settimeout(None)
        except OSError:
            near.close()
            return
        with self._lock:
            self._open |= {near, far}
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                sink.sendall(piece)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open -= {source, sink}


class Programme:
    """The CBRNE programme's receiver: remembers under which key each telling came, and how often."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.told: dict[str, int] = {}
        self.lock = threading.Lock()

    def take(self, key: str) -> None:
        """One telling came."""
        with self.lock:
            self.told[key] = self.told.get(key, 0) + 1


@contextmanager
def programme() -> Iterator[Programme]:
    """A receiver on a free port of loopback while the block lasts."""
    receiver: Programme

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            receiver.take(self.headers.get("Idempotency-Key", ""))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Programme(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, name="programme", daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
