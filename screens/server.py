"""The server of a page: uvicorn on loopback, whose open event streams end when it stops."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import socket

    from starlette.applications import Starlette

    from failsafe.screens.streams import Streams


class ScreenServer(uvicorn.Server):
    """uvicorn with one addition: open event streams end when the server stops, not when its patience does.

    The application's `state.streams` are ended; its lines of requests are not logged, for they may hold the token.
    """

    def __init__(self, app: Starlette, *, port: int, connections: int = 64) -> None:
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
            limit_concurrency=connections,
            timeout_graceful_shutdown=2,
        )
        # `access_log` only takes its handlers away; whoever adds one again would log the token.
        logging.getLogger("uvicorn.access").disabled = True
        super().__init__(config)
        self._streams: Streams = app.state.streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.end()
        await super().shutdown(sockets)
