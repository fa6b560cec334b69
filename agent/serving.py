"""A booth as a service: its page and its control socket, under systemd or started by hand, until a signal."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from failsafe.agent import control
from failsafe.agent.booth import Booth
from failsafe.agent.config import Configuration
from failsafe.agent.page.app import make_app
from failsafe.screens.server import ScreenServer
from failsafe.sync.service import Service, inherited

_OPENING_LOOK_S: Final = 0.05

_log = structlog.get_logger("booth")


class PortTaken(Exception):
    """The page's port is in use; the text says what to do."""


def serve(booth: Booth, configuration: Configuration) -> None:
    """Start, serve page and control socket until a signal, stop.

    Raises:
        PortTaken: another program has the page's port, or systemd gives another socket than the page's.
    """
    page_socket = _given() or _bind(configuration.page.port)
    booth.page_port = page_socket.getsockname()[1]
    service = Service()
    booth.start()
    try:
        asyncio.run(_serve(booth, page_socket, Path(configuration.core.socket), service))
    finally:
        service.stopping()
        booth.stop()


async def _serve(booth: Booth, page_socket: socket.socket, control_socket: Path, service: Service) -> None:
    port = booth.page_port
    server = ScreenServer(make_app(booth, port=port), port=port)
    door = await control.serve(booth, control_socket)
    _log.info("the booth is open", page=f"http://127.0.0.1:{port}")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    kept = asyncio.create_task(_be_kept(booth, service, lambda: server.started))
    try:
        await server.serve(sockets=[page_socket])
    finally:
        kept.cancel()
        door.close()


async def _be_kept(booth: Booth, service: Service, serves: Callable[[], bool]) -> None:
    """Say that the booth is ready once it is, then feed the watchdog while every part moves."""
    while not (serves() and booth.is_open()):
        await asyncio.sleep(_OPENING_LOOK_S)
    service.ready(booth.sentence())
    await service.keep(booth.turns, booth.sentence)


def _given() -> socket.socket | None:
    """The page's socket from systemd; None where the process was started by hand."""
    sockets = inherited()
    if not sockets:
        return None
    page = sockets.get("page")
    if page is None or page.getsockname()[0] != "127.0.0.1":
        raise PortTaken(
            "systemd gives no socket named `page` on 127.0.0.1. Put failsafe-core.socket back as it was installed; "
            "only its port may be another one."
        )
    return page


def _bind(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise PortTaken(
            f"The page cannot be served on port {port} ({os.strerror(error.errno or 0)}). Is another core running? "
            "Stop it, or set another `port` in the configuration's page table."
        ) from error
    listening.listen(128)
    return listening
