"""The link: the booth's one process that talks to the network, and can read nothing of what it carries.

It holds its own TLS client key and headquarters' public root. The feed comes into `spool/in` (sync/refresh.py, when
sync/calendar.py says so), what lies in `spool/out` goes to headquarters' desk (sync/dispatch.py), both over one wire
(sync/link.py). A line that fails is no fault of the process: it says so in `spool/in/link.json` and goes on trying.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
import structlog

from failsafe.sync import renewal
from failsafe.sync.calendar import GUARD_EVERY_S, Calendar
from failsafe.sync.dispatch import Dispatch, Standing
from failsafe.sync.errors import BytesRefused, LineDown, Malformed, Missing, SpoolFault, SyncError, TlsRefused
from failsafe.sync.journal import whereabouts
from failsafe.sync.link import Settings, ThreadSource, Wire, read_welcome, tls_context
from failsafe.sync.outbox import Backoff
from failsafe.sync.records import UNREADABLE, WELCOME_FILE, Welcome, encode
from failsafe.sync.refresh import Refresher
from failsafe.sync.reports import WANT_FILE, Want
from failsafe.sync.service import Service, until_signalled
from failsafe.sync.spool import Spool

_WANT_LIMIT: Final = 64 * 1024
_LOOK_AGAIN_S: Final = 2.0
_GLANCE_S: Final = 0.05
# A round may take hours over a slow line; one in which not a byte comes for so long is blocked: each request of it has
# a deadline, and none is as long.
_SILENT_ROUND_S: Final = 900.0

_log = structlog.get_logger("link")
T = TypeVar("T")


def run(settings: Settings) -> None:
    """Run the link until SIGTERM or SIGINT.

    Raises:
        SpoolFault: the spool or the link's own folder is not there or not the link's.
    """
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    link = Link(settings)
    service = Service()
    await until_signalled(service, link.work(), _keep(link, service))


async def _keep(link: Link, service: Service) -> None:
    """Say that the link is ready once it has told its state, then feed the watchdog while every part moves."""
    while not link.turns()["state"]:
        await asyncio.sleep(_GLANCE_S)
    service.ready(link.sentence())
    await service.keep(link.turns, link.sentence)


class Link:
    """The link's tasks and what they share; `work` runs until it is cancelled."""

    def __init__(self, settings: Settings) -> None:
        try:
            settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            (settings.spool / "in").mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            advice = "Check `spool` in [folders] and `state` in [link], and who owns those folders."
            raise SpoolFault(f"A folder of the link cannot be made ({error.strerror}).", advice) from error
        self.standing = Standing(_wall)
        self._settings = settings
        self._out = Spool(settings.spool / "out")
        self._dispatch = Dispatch(self._out, Spool(settings.spool / "in"), self.standing, _monotonic)
        self._refresh_due = asyncio.Event()
        self._refreshed = asyncio.Event()
        self._waits = 0
        self._rounds = 0
        self._refreshing = False
        self._received: tuple[int, float] = (0, _monotonic())

    def turns(self) -> dict[str, int]:
        """How often each part has turned; one whose number stays is blocked."""
        told, sent = self._dispatch.turns["state"], self._dispatch.turns["alerts"]
        return {"state": told, "alerts": sent + self._waits, "notices": self._rounds + self._waits}

    def sentence(self) -> str:
        """How the link stands."""
        state = self.standing.state()
        return f"{state.state}. {state.detail}".strip()

    async def work(self) -> None:
        """Serve the spool until cancelled; whatever fails outside is said and tried again."""
        telling = asyncio.create_task(self._dispatch.tell())
        try:
            while True:
                await self._work_with_welcome()
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            await self._dispatch.tell_now(self.standing.stopped())

    async def _work_with_welcome(self) -> None:
        """Work with the welcome file that lies in the spool now, until another one is there."""
        before = self._welcome_stamp()
        self._waits += 1
        try:
            welcome = read_welcome(self._settings)
            context = tls_context(self._settings, welcome)
        except SyncError as error:
            self.standing.blocked("welcome", error)
            await asyncio.sleep(_LOOK_AGAIN_S)
            return
        self.standing.idle("welcome")
        async with Wire(self._settings.url, context) as wire:
            tasks = [
                asyncio.create_task(work)
                for work in (
                    self._dispatch.upload(wire),
                    self._dispatch.beat(wire),
                    self._refresh(wire, welcome),
                    self._watch(wire),
                    self._until_another_welcome(before),
                    self._renew(wire, welcome),
                )
            ]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _welcome_stamp(self) -> tuple[int, ...]:
        try:
            about = (self._settings.spool / "in" / WELCOME_FILE).lstat()
        except OSError:
            return ()
        return (about.st_ino, about.st_mtime_ns, about.st_size)

    async def _until_another_welcome(self, before: tuple[int, ...]) -> None:
        while self._welcome_stamp() == before:
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _renew(self, wire: Wire, welcome: Welcome) -> None:
        """Ask now and then whether headquarters has a newer certificate for this link, and put it into the spool."""
        refused = ""
        while True:
            try:
                newer = None if self._settings.certificate else await renewal.ask(wire, welcome)
                if newer is not None:
                    tls_context(self._settings, newer)  # only one that fits the link's own key
                    content = encode(newer)
                    await asyncio.to_thread(Spool(self._settings.spool / "in").write, WELCOME_FILE, content)
                    _log.info("headquarters has renewed this link's certificate")
            except (BytesRefused, TlsRefused) as error:
                if not isinstance(error, Missing) and error.reason != refused:  # an older headquarters gives none
                    _log.warning("a new welcome is refused", reason=error.reason, detail=error.detail)
                    refused = error.reason
            except LineDown:
                pass  # the refresh says so
            await asyncio.sleep(self._settings.refresh_every_s)

    async def _watch(self, wire: Wire) -> None:
        """Plan the refreshes, guard that plan against steps of the clock, and see when the core wants more."""
        loop = asyncio.get_running_loop()
        every_s = self._settings.refresh_every_s
        wanted = self._want()
        due = lambda: loop.call_soon_threadsafe(self._refresh_due.set)  # noqa: E731 - called in another thread
        with Calendar(due, every_s, _wall(), _monotonic()) as calendar:
            while True:
                await asyncio.sleep(GUARD_EVERY_S)
                self._count_round(wire.received, _monotonic())
                if self._refreshed.is_set():
                    self._refreshed.clear()
                    calendar.ran(_monotonic())
                step = calendar.watch(_wall(), _monotonic())
                if step:
                    _log.warning("the wall clock was set", seconds=round(step))
                before, wanted = wanted, self._want()
                if asks_more(before, wanted):
                    self._refresh_due.set()

    def _count_round(self, received: int, now: float) -> None:
        """Count a turn of the refresh: it rests, or bytes have come not too long ago."""
        if not self._refreshing or received != self._received[0]:
            self._received = (received, now)
        if now - self._received[1] < _SILENT_ROUND_S:
            self._rounds += 1

    async def _refresh(self, wire: Wire, welcome: Welcome) -> None:
        """Refresh when it is due, and sooner after a failure, until cancelled."""
        spool = Spool(self._settings.spool / "in")
        source = ThreadSource(wire, asyncio.get_running_loop())
        refresher = Refresher(source, spool, self._settings.state, welcome.root, self._settings.booth)
        backoff = Backoff(random.random)
        while True:
            self._refresh_due.clear()
            self._refreshing = True
            try:
                brought = await in_thread(lambda: refresher.refresh(self._want()), source.stop)
            except SyncError as error:
                backoff.failed(_monotonic())
                self.standing.fault("feed", error)
            except Exception as error:  # whatever a hostile publication sets off here, alerts go on
                _log.error("unexpected fault of the refresh", fault=type(error).__name__, where=whereabouts(error))
                backoff.failed(_monotonic())
                self.standing.fault("feed", Malformed("The publication set off a fault of the link itself."))
            else:
                backoff.went_well()
                self.standing.well("feed")
                if brought.files:
                    _log.info("publication", files=brought.files, bytes=brought.bytes, pruned=brought.pruned)
            self._refreshing = False
            self._refreshed.set()
            await self._until_due(backoff)

    async def _until_due(self, backoff: Backoff) -> None:
        """Wait for the calendar, or after a failure for the back-off; a calendar that is late is not waited for."""
        late_s = 2 * self._settings.refresh_every_s
        wait_s = min(max(1.0, backoff.due() - _monotonic()), late_s) if backoff.has_failed else late_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._refresh_due.wait()

    def _want(self) -> Want:
        """What the core wants; what the configuration says as long as the core has said nothing for this booth."""
        usual = Want(booth=self._settings.booth, feeds=self._settings.feeds)
        try:
            want = msgspec.json.decode(self._out.read(WANT_FILE, _WANT_LIMIT), type=Want)
        except (SyncError, *UNREADABLE):
            return usual
        return want if want.booth == usual.booth and want.feeds else usual


def asks_more(before: Want, after: Want) -> bool:
    """Whether the core now wants what it had or did not want before; only falling behind counts, not coming along."""
    if before.feeds != after.feeds:
        return True
    held = {state.feed: state for state in after.held}
    for state in before.held:
        now = held.get(state.feed)
        if now is None or now.lineage != state.lineage or now.serial < state.serial:
            return True
    return False


async def in_thread(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """Run `work` in a thread; when cancelled, `stop` makes it end, and it has ended when this returns."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop()
        await asyncio.wait({running})
        running.exception()  # being broken off is what it was asked for: nobody's news, and no traceback in the log
        raise


def _wall() -> float:
    return time.time()  # noqa: TID251 - for people's eyes and the step guard; nothing else is timed by it


def _monotonic() -> float:
    return time.monotonic()  # noqa: TID251 - the link's timers are an edge
