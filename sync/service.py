"""A process under systemd: ready, one sentence of how it is, the watchdog, and the sockets that wait for it.

The protocols are small and documented: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3). Started by hand, a
process has none of it and all of this does nothing.

The watchdog is fed only while every part of a process moves: each counts its turns, and `Pulse` compares. A part that
waits counts too; one that is blocked does not, and then systemd ends the process and starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

_FIRST_DESCRIPTOR: Final = 3  # SD_LISTEN_FDS_START
_LOOK_EVERY_S: Final = 5.0  # where no watchdog sets the pace, for the status alone
_SEND_WAIT_S: Final = 2.0
_LONGEST_STATUS: Final = 300

_log = structlog.get_logger("service")
Turns = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Beat:
    """What one look at the parts came to.

    Attributes:
        feed: every part has moved since the last feeding.
        still: the parts that have not, with the seconds since they were last seen to move.
    """

    feed: bool
    still: Mapping[str, float]


class Pulse:
    """Which parts of a process move, from how often each has turned. Pure: time comes in.

    Args:
        turns: how often each part had turned when the watch began.
        now: monotonic seconds.
    """

    def __init__(self, turns: Turns, now: float) -> None:
        self._fed = dict(turns)
        self._seen = {part: (count, now) for part, count in turns.items()}

    def look(self, turns: Turns, now: float) -> Beat:
        """Compare with the last feeding; where every part has moved since, this look is the next one.

        A part that has gone counts as standing still: nothing ends by itself while the process runs.
        """
        for part, count in turns.items():
            if part not in self._seen or self._seen[part][0] != count:
                self._seen[part] = (count, now)
        still = {
            part: now - seen_at
            for part, (_, seen_at) in self._seen.items()
            if part not in turns or turns[part] == self._fed.get(part)
        }
        if not still:
            self._fed = dict(turns)
        return Beat(not still, still)


class Service:
    """The way to the service manager; every call is harmless where there is none.

    Args:
        environment: the process's own, as systemd set it.
        pid: of this process; the watchdog may be meant for another.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ, pid: int | None = None) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environment, pid or os.getpid())
        self._said = ""

    def ready(self, status: str) -> None:
        """The service works: who waits for it need not wait any longer."""
        self._said = status
        self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def starting(self, status: str, within_s: float) -> None:
        """The service is not ready yet and will be within this time: whoever waits shall not end it before."""
        self._said = status
        self._send(f"EXTEND_TIMEOUT_USEC={round(within_s * 1e6)}\nSTATUS={_one_line(status)}")

    def status(self, text: str) -> None:
        """One sentence for `systemctl status`; said when it is another one."""
        if text != self._said:
            self._said = text
            self._send(f"STATUS={_one_line(text)}")

    def stopping(self) -> None:
        """The service has begun to end."""
        self._send("STOPPING=1\nSTATUS=Stopping.")

    def feed(self) -> None:
        """Every part moves."""
        self._send("WATCHDOG=1")

    async def keep(
        self, turns: Callable[[], Turns], status: Callable[[], str], clock: Callable[[], float] | None = None
    ) -> None:
        """Feed the watchdog and tell the status until cancelled. It runs on an event loop, which it so proves to turn.

        Args:
            turns: how often each part has turned by now; called here, so it must not wait.
            status: one sentence.
            clock: monotonic seconds.
        """
        if not self._address:
            return
        clock = clock or _monotonic
        # Four looks an interval: a part that is slow once costs no feeding that would be missed.
        every_s = self.watchdog_s / 4 if self.watchdog_s else _LOOK_EVERY_S
        pulse = Pulse(turns(), clock())
        while True:
            await asyncio.sleep(every_s)
            beat = pulse.look(turns(), clock())
            if beat.feed and self.watchdog_s:
                self.feed()
            elif any(seconds >= 2 * every_s for seconds in beat.still.values()):
                named = ", ".join(f"{part} for {seconds:.0f} s" for part, seconds in beat.still.items())
                _log.warning("a part does not move", still=named)
            try:
                self.status(status())
            except Exception as error:  # what cannot be told must not end what works
                _log.error("the status cannot be told", fault=type(error).__name__)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is an abstract one, whose first byte is zero.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as way:
            way.settimeout(_SEND_WAIT_S)
            try:
                way.sendto(message.encode(), address)
            except OSError as error:
                _log.warning("the service manager does not listen", fault=os.strerror(error.errno or 0))


def inherited(environment: Mapping[str, str] = os.environ, pid: int | None = None) -> dict[str, socket.socket]:
    """The listening sockets that systemd opened for this process, by the name their socket unit gives them.

    They keep what arrives while the process is started anew. Empty where systemd opened none.
    """
    if environment.get("LISTEN_PID") != str(pid or os.getpid()) or not environment.get("LISTEN_FDS", "").isdecimal():
        return {}
    count = int(environment["LISTEN_FDS"])
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    found = {}
    for number, name in zip(range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + count), names, strict=False):
        os.set_inheritable(number, False)
        found[name] = socket.socket(fileno=number)
    return found


def _watchdog_s(environment: Mapping[str, str], pid: int) -> float | None:
    """The watchdog's interval; None where there is none, or it is another process's."""
    interval_us = environment.get("WATCHDOG_USEC", "")
    if environment.get("WATCHDOG_PID", str(pid)) != str(pid) or not interval_us.isdecimal():
        return None
    return int(interval_us) / 1e6 or None


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_STATUS]


def _monotonic() -> float:
    return time.monotonic()  # noqa: TID251 - the watchdog's pace is an edge


async def until_signalled(service: Service, work: Coroutine[Any, Any, None], keep: Coroutine[Any, Any, None]) -> None:
    """Work until SIGTERM or SIGINT cancels it, kept alive beside, and tell systemd that it ends."""
    working = asyncio.create_task(work)
    kept = asyncio.create_task(keep)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, working.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await working
    finally:
        service.stopping()
        kept.cancel()
