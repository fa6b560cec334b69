"""The booth's core: composed here, and its loop.

One thread (the booth's) drives the lanes' posts and owns the verdicts; serial lines, page, intake and ledger each run
on threads of their own and reach it through one bounded queue. What the page shows is an immutable view that the
booth's thread replaces.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import os
import queue
import secrets
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from failsafe.agent import alerts, control, screening
from failsafe.agent.alerts import Circumstances, utc
from failsafe.agent.config import Configuration, DeviceTable, LaneTable
from failsafe.agent.crossing import LaneSettings
from failsafe.agent.fusion import MirrorState
from failsafe.agent.health import Change, Chronicle, HealthBook, mirror_age_s, mirror_state
from failsafe.agent.keys import BoothKeys
from failsafe.agent.matching import PersonFinding, match
from failsafe.agent.notices import Edition, News, Notices, same_index
from failsafe.agent.page.app import PageServer, make_app
from failsafe.agent.page.stream import Bell
from failsafe.agent.page.view import DetectorView, EntryRefused, HeaderView, ManualEntry, SecondView, View
from failsafe.agent.post import Issued, Post
from failsafe.agent.radiation import DetectorSettings, LaneMonitor, advice
from failsafe.agent.recorder import Recorder
from failsafe.agent.traveller import UNREAD, Presented, from_entry, from_zone
from failsafe.drivers import driver as drivers
from failsafe.drivers.line import LineState, SerialLine
from failsafe.drivers.reading import DocumentRead, Reading
from failsafe.sync.errors import SyncError
from failsafe.sync.feed import Floor
from failsafe.sync.ledger import Ledger
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import Alert, FeedState, HealthChange, Moment, Notice, Place, SearchLine

COMMIT_WAIT_S: Final = 0.5  # design: the ledger commit is tried before the verdict shows, at most this long
TICK_S: Final = 0.25
SHOW_EVERY_S: Final = 0.2
REMEMBER_CLOCK_S: Final = 60.0
STANDSTILL_S: Final = 3.0
_QUEUE_PLACES: Final = 10_000

_log = structlog.get_logger("booth")


class PortTaken(Exception):
    """The page's port is in use; the text says what to do."""


@dataclass(slots=True)
class _Device:
    """A reader or portal as the header shows it."""

    table: DeviceTable
    driver: drivers.Driver
    line: LineState | None = None


class Booth:
    """The running core.

    It is the `Surroundings` of its posts, the `Desk` of its page and the `Core` behind its control socket.
    """

    def __init__(self, configuration: Configuration, keys: BoothKeys) -> None:
        self._configuration = configuration
        self._keys = keys
        self._events: queue.Queue[Callable[[float], None]] = queue.Queue(maxsize=_QUEUE_PLACES)
        self._state = Path(configuration.folders.state)
        self._ledger_path = self._state / "ledger.db"
        self._recorder = Recorder(self._open_ledger)
        self._notices = Notices(configuration, keys, self._floors, lambda news: self._post(self._on_news, news))
        self._edition: Edition
        self._mirror: Mirror | None = None
        self._mirror_fault: SyncError | None = None
        self._refusal: SyncError | None = None
        self._ledger_floors: dict[str, Floor] = {}
        self._chronicle = Chronicle(last_wall=float("inf"))
        self._lived_at = _boottime()
        self._remembered_at = float("-inf")
        self._book = HealthBook()
        self._devices = self._make_devices()
        self._posts = {lane.name: self._make_post(lane) for lane in configuration.lanes}
        self._lines = [self._make_line(device) for device in self._devices.values()]
        self._bell = Bell()
        self._listeners: set[Callable[[Issued], None]] = set()
        self._number = 0
        self._seconds: dict[str, SecondView] = {}
        self._shown_at = float("-inf")
        self._alive_at = _monotonic()
        self._was_recording = True
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="booth", daemon=True)

    # --- composition ---------------------------------------------------------------------------------------------

    def _make_devices(self) -> dict[str, _Device]:
        tables = (*self._configuration.readers, *self._configuration.portals)
        return {table.name: _Device(table, drivers.find(table.driver)) for table in tables}

    def _make_post(self, lane: LaneTable) -> Post:
        run = secrets.token_hex(3)
        monitors = {
            device.table.name: LaneMonitor(
                device.table.name,
                run,
                DetectorSettings(late_s=device.driver.late_s or 7.5, down_s=device.driver.down_s or 15.0),
            )
            for device in self._devices.values()
            if device.driver.role == "radiation" and device.table.lane == lane.name
        }
        settings = LaneSettings(
            detector=lane.radiation == "portal",
            before_s=lane.window_before_s,
            after_s=lane.window_after_s,
            closes_after_s=lane.close_after_s,
        )
        return Post(lane.name, settings, monitors, self)

    def _make_line(self, device: _Device) -> SerialLine:
        name = device.table.name
        return SerialLine(
            name,
            device.table.port,
            device.driver,
            device.table.line(device.driver.line),
            deliver=lambda reading: self._post(self._on_reading, name, reading),
            report=lambda state: self._post(self._on_line, name, state),
        )

    def _open_ledger(self) -> Ledger:
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Ledger.open(self._ledger_path, self._keys.ledger)

    def start(self) -> None:
        """Open what is kept, then let the lines speak. Nothing here waits for a network or a device."""
        self._remember()
        self._edition = self._notices.start()
        self._recorder.start()
        self._declare_lanes()
        self._thread.start()
        for line in self._lines:
            line.start()

    def _remember(self) -> None:
        """What the ledger knows of time and floors; without it the age is unknown and nobody is cleared."""
        try:
            with self._open_ledger() as ledger:
                mark = ledger.clock()
                self._ledger_floors = ledger.floors()
        except (SyncError, OSError) as error:
            _log.error("ledger does not open", error=type(error).__name__)
            return
        self._chronicle = Chronicle(mark.wall, mark.elapsed_s) if mark else Chronicle()

    def _declare_lanes(self) -> None:
        at = utc(_wall())
        for lane in self._configuration.lanes:
            portals = [portal.name for portal in self._configuration.portals if portal.lane == lane.name]
            watch = " ".join(portals) if lane.radiation == "portal" else "none declared"
            self._recorder.submit(_noting_setting(at, lane.name, watch))

    def stop(self) -> None:
        """End lines, loop, intake and ledger, in this order; what was recorded stays."""
        for line in self._lines:
            line.stop()
        self._stopping = True
        self._post(lambda now: None)
        self._thread.join(timeout=5)
        self._notices.stop()
        self._keep_clock()
        self._recorder.stop()

    # --- the loop ------------------------------------------------------------------------------------------------

    def _post(self, act: Callable[..., None], *about: object) -> None:
        """Have the booth's thread call `act(now, *about)`; blocks when the queue is full, which holds a flood back."""
        self._events.put(lambda now: act(now, *about))

    def _run(self) -> None:
        next_tick = _monotonic()
        while not self._stopping:
            act: Callable[[float], None] | None = None
            with contextlib.suppress(queue.Empty):
                act = self._events.get(timeout=max(0.0, next_tick - _monotonic()))
            now = _monotonic()
            try:
                if act is not None:
                    act(now)
                if now >= next_tick:
                    next_tick = now + TICK_S
                    self._tick(now)
                self._show_when_due(now)
            except Exception:  # one bad event must not silence the booth; the fault is seen on the page and in the log
                _log.exception("the booth met a fault of its own")
                self._book.observe("booth", "FAULT")
            self._alive_at = _monotonic()
        if self._mirror is not None:
            self._mirror.close()

    def _tick(self, now: float) -> None:
        for post in self._posts.values():
            post.tick(now)
        self._live(now)
        self._observe(now)
        if self._recorder.healthy != self._was_recording:
            self._was_recording = self._recorder.healthy
            self._judge_again(now)

    def _live(self, now: float) -> None:
        boottime = _boottime()
        self._chronicle = self._chronicle.lived(boottime - self._lived_at, _wall())
        self._lived_at = boottime
        if now - self._remembered_at >= REMEMBER_CLOCK_S:
            self._remembered_at = now
            self._keep_clock()

    def _keep_clock(self) -> None:
        kept = self._chronicle
        if kept.last_wall != float("inf"):
            self._recorder.submit(lambda ledger: ledger.remember_clock(kept.last_wall, kept.elapsed_s), keep=False)

    def _observe(self, now: float) -> None:
        state, _, _ = self.mirror()
        self._book.observe("mirror", state)
        self._book.observe("feed", f"refused {self._refusal.reason}" if self._refusal else "OK")
        self._book.observe("clock", "OK" if self._chronicle.trusts(_wall()) else "NOT TRUSTED")
        self._book.observe("ledger", "OK" if self._recorder.healthy else "CANNOT RECORD")
        for view in self._detectors(now):
            self._book.observe(view.name, view.state)
        for change in self._book.due(now):
            self._record_health(change)

    def _record_health(self, change: Change) -> None:
        around = self.circumstances(None)
        body = HealthChange(
            id=self.new_id(),
            at=around.at,
            place=around.place,
            part=change.part,
            was=change.was,
            now=change.now,
            detail=change.detail,
        )
        self._recorder.submit(lambda ledger: ledger.append(body))

    # --- events --------------------------------------------------------------------------------------------------

    def _on_reading(self, now: float, name: str, reading: Reading) -> None:
        device = self._devices[name]
        post = self._posts[device.table.lane]
        if device.driver.role == "radiation":
            post.receive(name, reading, now)
        elif isinstance(reading, DocumentRead):
            presented = from_zone(reading.lines, self._year()) if reading.lines else UNREAD
            post.present(presented, now, reading.at)

    def _on_line(self, now: float, name: str, state: LineState) -> None:
        device = self._devices[name]
        if device.line is None or device.line.state != state.state:
            _log.info("line", device=name, state=state.state, advice=state.advice)
        device.line = state
        if device.driver.role == "radiation":
            self._posts[device.table.lane].line(name, state.state == "OK", now)

    def _on_news(self, now: float, news: News) -> None:
        self._refusal = news.refusal
        if news.edition is not None:
            self._edition = same_index(self._edition, news.edition)
            self._mirror_fault = None
            if self._mirror is not None:
                self._mirror.close()
                self._mirror = None
        if news.taken is not None:
            if news.taken.newer:
                self._chronicle = Chronicle.accepted(news.taken.signed_at)
                self._keep_clock()
            for feed, floor in news.taken.floors.items():
                self._ledger_floors[feed] = floor
                self._recorder.submit(_noting_floor(feed, floor))
        self._judge_again(now)

    def _judge_again(self, now: float) -> None:
        for post in self._posts.values():
            post.judge_again(now)

    def _floors(self) -> Mapping[str, Floor]:
        return dict(self._ledger_floors)

    def _year(self) -> int:
        """The present year for the century of a birth; never before this software was built."""
        return max(datetime.fromtimestamp(_wall(), UTC).year, 2026)

    # --- what the posts ask (Surroundings) -----------------------------------------------------------------------

    def match(self, presented: Presented) -> PersonFinding:
        """Ask index and mirror about a person; a mirror that cannot be read answers nothing and clears nobody."""
        if presented.traveller is None:
            return PersonFinding(grade="none", candidates=(), listed=())
        try:
            return match(presented.traveller, self._edition.index, self._held())
        except SyncError as error:
            self._mirror_failed(error)
            return PersonFinding(grade="none", candidates=(), listed=())

    def notice(self, entity_id: str) -> Notice | None:
        """The whole notice, for second line."""
        try:
            return self._held().notice(entity_id)
        except SyncError as error:
            self._mirror_failed(error)
            return None

    def _held(self) -> Mirror:
        if self._mirror is None:
            self._mirror = self._notices.connect()
        return self._mirror

    def _mirror_failed(self, error: SyncError) -> None:
        _log.error("mirror cannot be read", reason=error.reason, advice=error.advice)
        self._mirror_fault = error
        self._mirror = None
        self._notices.mistrust()

    def mirror(self) -> tuple[MirrorState, float | None, tuple[FeedState, ...]]:
        """State and age of the notices now, and their serials."""
        limits = self._configuration.mirror
        age_s = mirror_age_s(self._edition.signed_at, self._chronicle, _wall())
        state = mirror_state(
            held=self._mirror_fault is None and self._edition.holds(self._configuration.hq.feeds),
            age_s=age_s,
            stale_after_s=limits.stale_after_h * 3600,
            expired_after_s=limits.expired_after_h * 3600,
        )
        return state, age_s, self._edition.feeds()

    def circumstances(self, lane: str | None) -> Circumstances:
        """When and where, for a record made now."""
        booth = self._configuration.booth
        wall = _wall()
        _, age_s, feeds = self.mirror()
        return Circumstances(
            at=Moment(wall=utc(wall), monotonic_s=round(_monotonic(), 3), trusted=self._chronicle.trusts(wall)),
            place=Place(
                booth=booth.id,
                country=booth.country,
                crossing_point=booth.crossing_point,
                lane=lane,
                latitude=booth.latitude,
                longitude=booth.longitude,
            ),
            mirror=feeds,
            mirror_age_s=age_s,
        )

    def new_id(self) -> str:
        """A fresh UUID version 7."""
        return alerts.uuid7(_wall(), secrets.token_bytes(10))

    def recording(self) -> bool:
        """Whether the ledger takes records."""
        return self._recorder.healthy

    def record(self, raised: Sequence[Alert], search: SearchLine) -> bool:
        """Commit alerts and search line together; False if that did not come about within half a second."""

        def write(ledger: Ledger) -> None:
            with ledger.together():
                for alert in raised:
                    ledger.append(alert)
                ledger.log_search(search)

        return self._recorder.submit(write).wait(COMMIT_WAIT_S)

    def shift(self) -> str:
        """The shift's name for the search log."""
        return self._configuration.page.shift

    def issued(self, event: Issued) -> None:
        """Show a verdict at once, and tell who listens."""
        now = _monotonic()
        self._show(now)
        _log.info(
            "verdict",
            lane=event.lane,
            word=event.verdict.word,
            actions=list(event.verdict.actions),
            recorded=event.recorded,
            reissued=event.reissued,
            alerts=[kind for kind, _ in event.alerts],
        )
        for listener in tuple(self._listeners):
            listener(event)

    # --- what is shown (Desk) ------------------------------------------------------------------------------------

    def _show_when_due(self, now: float) -> None:
        if now - self._shown_at >= SHOW_EVERY_S:
            self._show(now)

    def _show(self, now: float) -> None:
        self._shown_at = now
        self._number += 1
        self._seconds = {name: post.second(now) for name, post in self._posts.items()}
        self._view = View(
            number=self._number,
            at=utc(_wall()),
            header=self._header(now),
            lanes=tuple(post.view(now) for post in self._posts.values()),
        )
        self._bell.ring()

    _view: View | None = None

    def _header(self, now: float) -> HeaderView:
        state, age_s, _ = self.mirror()
        booth = self._configuration.booth
        count, oldest = self._recorder.undelivered
        return HeaderView(
            booth=booth.id,
            crossing_point=booth.crossing_point,
            mirror=state,
            mirror_age_s=age_s,
            notices=self._edition.notices,
            listed_documents=self._edition.listed,
            refused=str(self._refusal) if self._refusal else "",
            undelivered=count,
            oldest_undelivered_s=_seconds_since(oldest),
            recording=self._recorder.healthy,
            clock_trusted=self._chronicle.trusts(_wall()),
            detectors=tuple(self._detectors(now)),
            faults=tuple(self._faults()),
            telephone=booth.telephone,
        )

    def _detectors(self, now: float) -> list[DetectorView]:
        views = []
        for name, device in self._devices.items():
            state: str = device.line.state if device.line else "STARTING"
            what_to_do = device.line.advice if device.line and device.line.state != "OK" else ""
            if device.driver.role == "radiation" and state == "OK":
                health = self._posts[device.table.lane].monitors[name].health(now)
                state, what_to_do = health, advice(health)
            views.append(
                DetectorView(name=name, lane=device.table.lane, role=device.driver.role, state=state, advice=what_to_do)
            )
        return views

    def _faults(self) -> list[str]:
        faults = []
        if self._recorder.fault is not None:
            faults.append(f"The ledger cannot record. {self._recorder.fault.advice}")
        if self._mirror_fault is not None:
            faults.append(f"The notices cannot be read. {self._mirror_fault.advice}")
        if not self._chronicle.trusts(_wall()):
            faults.append("The booth's clock is behind the last time known. Set it, or bring a newer publication.")
        if self._book.state("booth") == "FAULT":
            faults.append("The booth met a fault of its own. Telephone the technician; the log names it.")
        return faults

    def view(self) -> View:
        """What the first line sees.

        Raises:
            RuntimeError: the booth's loop stands still: the page must not go on showing an old verdict.
        """
        if self._view is None or _monotonic() - self._alive_at > STANDSTILL_S:
            raise RuntimeError("the booth's loop stands still")
        return self._view

    def second(self, lane: str) -> SecondView:
        """The crossing a lane shows, for second line."""
        return self._seconds.get(lane) or SecondView(lane=lane)

    async def changed(self, after: int) -> None:
        """Return once there is a newer view than `after`."""
        await self._bell.past(after, lambda: self._view.number if self._view else 0)

    def enter(self, entry: ManualEntry) -> str:
        """Open a crossing from what the officer typed.

        Raises:
            EntryRefused: it cannot be used, or the booth did not answer.
        """
        presented = from_entry(entry, self._year())
        return str(self._ask(lambda now: self._posts[entry.lane].present(presented, now, now)))

    def close(self, lane: str) -> None:
        """Close what a lane shows."""
        self._ask(lambda now: self._close(lane, now))

    def _close(self, lane: str, now: float) -> None:
        self._posts[lane].close(now)
        self._show(now)

    def _ask(self, act: Callable[[float], object]) -> object:
        """Run `act` on the booth's thread and wait for what it gives."""
        answer: Future[object] = Future()

        def run(now: float) -> None:
            try:
                answer.set_result(act(now))
            except Exception as error:
                answer.set_exception(error)

        self._post(run)
        try:
            return answer.result(timeout=STANDSTILL_S)
        except TimeoutError as error:
            raise EntryRefused("The booth did not answer. Telephone the CCC and the technician.") from error

    # --- what the command line asks (Core) -----------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """`failsafe status --json`, see docs/commands.md."""
        now = _monotonic()
        state, age_s, _ = self.mirror()
        count, oldest = self._recorder.undelivered
        return {
            "version": importlib.metadata.version("failsafe-edge"),
            "booth": self._configuration.booth.id,
            "mirror": {
                "state": state,
                "age_s": None if age_s is None else round(age_s, 1),
                "notices": self._edition.notices,
                "listed_documents": self._edition.listed,
                "refused": None if self._refusal is None else self._refusal.reason,
                "advice": None if self._refusal is None else self._refusal.advice,
                "feeds": {
                    name: {
                        "serial": floor.serial,
                        "lineage": floor.lineage,
                        "age_s": None if age_s is None else round(age_s, 1),
                        "state": state,
                        "notices": floor.count,
                    }
                    for name, floor in self._edition.floors.items()
                },
            },
            "ledger": {
                "recording": self._recorder.healthy,
                "undelivered": count,
                "oldest_s": _seconds_since(oldest),
                "head": self._recorder.head,
            },
            "detectors": [
                {"name": view.name, "lane": view.lane, "role": view.role, "state": view.state, "advice": view.advice}
                for view in self._detectors(now)
            ],
            "clock": {"wall": utc(_wall()), "trusted": self._chronicle.trusts(_wall())},
            "faults": self._faults(),
            "page": f"http://127.0.0.1:{self._configuration.page.port}",
        }

    def screen(self, person: Mapping[str, Any]) -> dict[str, Any]:
        """`failsafe screen --mirror` for one person: judged like a traveller, raising no alert."""
        state, age_s, _ = self.mirror()

        def judge(_now: float) -> dict[str, Any]:
            return screening.screen(person, self._edition.index, self._held(), mirror=state, mirror_age_s=age_s)

        try:
            answer = self._ask(judge)
        except (SyncError, EntryRefused) as error:
            return {"error": str(error)}
        assert isinstance(answer, dict)
        return answer

    async def verdicts(self) -> AsyncIterator[dict[str, Any]]:
        """Every verdict from now on, without identity."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        def listen(event: Issued) -> None:
            loop.call_soon_threadsafe(waiting.put_nowait, _told(event, _monotonic()))

        self._listeners.add(listen)
        try:
            yield {"ready": True}
            while True:
                yield await waiting.get()
        finally:
            self._listeners.discard(listen)

    # --- serving -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Start, serve page and control socket until a signal, stop.

        Raises:
            PortTaken: another program has the page's port.
        """
        page_socket = _bind(self._configuration.page.port)
        self.start()
        try:
            asyncio.run(self._serve(page_socket))
        finally:
            self.stop()

    async def _serve(self, page_socket: socket.socket) -> None:
        port = self._configuration.page.port
        server = PageServer(make_app(self, port=port), port=port)
        door = await control.serve(self, Path(self._configuration.core.socket))
        _log.info("the booth is open", page=f"http://127.0.0.1:{port}")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
        try:
            await server.serve(sockets=[page_socket])
        finally:
            door.close()


def _told(event: Issued, shown_at: float) -> dict[str, Any]:
    told: dict[str, Any] = {
        "lane": event.lane,
        "crossing": event.crossing,
        "word": event.verdict.word,
        "actions": list(event.verdict.actions),
        "notes": list(event.verdict.notes),
        "recorded": event.recorded,
        "reissued": event.reissued,
        "alerts": [{"kind": kind, "urgency": urgency} for kind, urgency in event.alerts],
    }
    if event.arrived_at is not None:
        told["verdict_us"] = round((shown_at - event.arrived_at) * 1e6)
    return told


def _noting_setting(at: str, lane: str, watch: str) -> Callable[[Ledger], object]:
    return lambda ledger: ledger.note_setting(at, lane, watch)


def _noting_floor(feed: str, floor: Floor) -> Callable[[Ledger], object]:
    return lambda ledger: ledger.note_floor(feed, floor)


def _bind(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise PortTaken(
            f"The page cannot be served on port {port} ({os.strerror(error.errno or 0)}). Is another core running? "
            "Stop it, or set another `port` in [page]."
        ) from error
    listening.listen(128)
    return listening


def _seconds_since(moment: str | None) -> float | None:
    if moment is None:
        return None
    return max(0.0, round(_wall() - datetime.fromisoformat(moment).timestamp(), 1))


def _monotonic() -> float:
    return time.monotonic()  # noqa: TID251 - the booth is where time comes from


def _wall() -> float:
    return time.time()  # noqa: TID251 - the booth is where time comes from


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)  # goes on while the device sleeps
