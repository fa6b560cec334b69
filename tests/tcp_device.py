"""A device at the end of a TCP line, as a portal's own port or a serial converter is: one client at a time.

It stands in for a `Pty` where a simulated device is given one.
"""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import struct
import threading
from types import TracebackType

WAIT_S = 20.0
_GLANCE_S = 0.05
# SO_LINGER on, for no time: what is closed so is answered by RST.
_AT_ONCE = struct.pack("ii", 1, 0)


class TcpDevice:
    """Listens at an address; what is sent while nobody is connected is lost.

    Args:
        port: to listen on; 0 is a free one.
        host: the address; loopback if not given.
        refusing: who comes is sent away at once, as a second client is.
        deaf: nothing that is sent to it is read.
    """

    def __init__(self, port: int = 0, host: str = "127.0.0.1", *, refusing: bool = False, deaf: bool = False) -> None:
        self._host = host
        self._listening = socket.create_server((host, port))
        self.port: int = self._listening.getsockname()[1]
        self._refusing = refusing
        self._deaf = deaf
        self._client: socket.socket | None = None
        self.calls: queue.Queue[int] = queue.Queue()
        self.heard: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._accept, name="tcp device", daemon=True).start()

    def __enter__(self) -> TcpDevice:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    @property
    def address(self) -> str:
        return f"{self._host}:{self.port}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if self._refusing:
                    client.close()
                else:
                    self._client = client
                    if not self._deaf:
                        threading.Thread(target=self._listen, args=(client,), daemon=True).start()
                self.calls.put(1)

    def _listen(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                # A thread that waits in `recv` would keep a closed connection open.
                ready, _, _ = select.select([client], [], [], _GLANCE_S)
                if ready:
                    if not (chunk := client.recv(4096)):
                        return
                    self.heard.put(chunk)

    def await_call(self) -> None:
        """Wait until the device is called once more."""
        self.calls.get(timeout=WAIT_S)

    def write(self, message: bytes, baud: int | None = None) -> int:
        """Say something; the answer is how much of it went, which is nothing where nobody is connected."""
        client = self._client
        if client is None:
            return 0
        try:
            client.sendall(message)
        except OSError:
            return 0
        return len(message)

    def hang_up(self) -> None:
        """Close the connection in order; the next one is accepted."""
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)
        self._leave()

    def reset(self) -> None:
        """Close it as a device does whose power was gone: what is still sent to it is answered by RST."""
        if self._client is not None:
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._leave()

    def unplug(self) -> None:
        """No connection, and nobody listens any more."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.hang_up()

    def _leave(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
