"""The booth's core: composed here, and its loop.

One thread (the booth's) drives the lanes' posts and owns the verdicts; serial lines, page, intake and ledger each run
on threads of their own and reach it through one bounded queue. What the page shows is an immutable view that the
booth's thread replaces.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import secrets
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from failsafe.agent import bulletin, lanes
from failsafe.agent.bulletin import Condition
from failsafe.agent.commands import live, screening
from failsafe.agent.commands.watching import Watchers
from failsafe.agent.config import Configuration, DeviceTable, LaneTable, PortalTable
from failsafe.agent.findings import Findings
from failsafe.agent.health import Change, HealthBook
from failsafe.agent.inspection import Inspection
from failsafe.agent.keys import BoothKeys
from failsafe.agent.knowledge import Knowledge, monotonic, wall_clock
from failsafe.agent.notebook import Notebook
from failsafe.agent.page.view import (
    DetectorView,
    EntryRefused,
    FindingOrder,
    FindingRefused,
    ManualEntry,
    SecondView,
    Told,
    View,
)
from failsafe.agent.post import Issued, Post
from failsafe.agent.radiation import remembered
from failsafe.agent.radiation.detector import LaneMonitor
from failsafe.agent.radiation.passage import advice
from failsafe.agent.recorder import whereabouts
from failsafe.agent.traveller import from_entry, from_reading
from failsafe.agent.tray import Tray
from failsafe.drivers import driver as drivers
from failsafe.drivers.line import LineState, SerialLine
from failsafe.drivers.reading import DeviceHealth, DocumentRead, Reading
from failsafe.screens.streams import Bell
from failsafe.sync.errors import SyncError
from failsafe.sync.ledger import Ledger
from failsafe.sync.reports import Heartbeat, PersonAsRead, Want, utc

TICK_S: Final = 0.25
SHOW_EVERY_S: Final = 0.2
STANDSTILL_S: Final = 3.0
# A document waits behind what is queued: few places, so that a flood is held back in its own line's thread.
_QUEUE_PLACES: Final = 256

_log = structlog.get_logger("booth")


@dataclass(slots=True)
class _Device:
    """A reader or portal, and how its line is."""

    table: DeviceTable
    driver: drivers.Driver
    line: LineState | None = None
    fault: str = ""  # of itself, as a reader tells it

    @property
    def nsigma(self) -> float | None:
        """The factor of its own alarm, where it is configured."""
        return self.table.nsigma if isinstance(self.table, PortalTable) else None


class Booth:
    """The running core: the `Desk` of its page, and the `Core` behind its control socket.

    `page_port` is where the page is served.
    """

    def __init__(self, configuration: Configuration, keys: BoothKeys) -> None:
        self._configuration = configuration
        self._events: queue.Queue[Callable[[float], None]] = queue.Queue(maxsize=_QUEUE_PLACES)
        self._knowledge = Knowledge(configuration, keys, self._events.put)
        self._tray = Tray(
            Path(configuration.folders.spool),
            configuration.booth.id,
            keys.signing,
            self._knowledge.open_ledger,
            self._knowledge.recorder,
            self._heartbeat,
            self._want,
            lambda: utc(wall_clock()),
        )
        self._findings = Findings(
            self._knowledge.recorder, self._knowledge.open_ledger, self._knowledge.circumstances, self._knowledge.shift
        )
        self._book = HealthBook()
        self._notebook = Notebook(self._knowledge.recorder, self._events.put)
        self._devices = self._make_devices()
        self._posts = {lane.name: self._make_post(lane) for lane in configuration.lanes}
        self._lines = [self._make_line(device) for device in self._devices.values()]
        self._bell = Bell()
        self._listeners: set[Callable[[Issued], None]] = set()
        self._watchers = Watchers()
        self._inspection = Inspection(self)
        self._view: View | None = None
        self._seconds: dict[str, SecondView] = {}
        self._shown_at = float("-inf")
        self._alive_at = monotonic()
        self._judged_on: tuple[object, ...] = ()
        self._own_fault = False
        self._stopping = False
        self._turns = 0
        self._thread = threading.Thread(target=self._run, name="booth", daemon=True)
        self.page_port = configuration.page.port

    # --- composition ---------------------------------------------------------------------------------------------

    def _make_devices(self) -> dict[str, _Device]:
        tables = (*self._configuration.readers, *self._configuration.portals)
        return {table.name: _Device(table, drivers.find(table.driver)) for table in tables}

    def _make_post(self, lane: LaneTable) -> Post:
        run = secrets.token_hex(3)
        monitors = {
            device.table.name: lanes.monitor(lane, device.table.name, device.driver, run, device.nsigma)
            for device in self._devices.values()
            if device.driver.role == "radiation" and device.table.lane == lane.name
        }
        for name, monitor in monitors.items():
            table = self._devices[name].table
            learnt_with = remembered.learnt_with(
                table.driver, self._configuration.port_of(table), monitor.settings.kind
            )
            self._notebook.follow(name, monitor, learnt_with)
        return Post(lane.name, lanes.crossings(lane), monitors, self._knowledge, self._issued)

    def _make_line(self, device: _Device) -> SerialLine:
        name = device.table.name
        return SerialLine(
            name,
            self._configuration.port_of(device.table),
            device.driver,
            device.table.line(device.driver.line),
            deliver=lambda reading: self._events.put(lambda now: self._on_reading(now, name, reading)),
            report=lambda state: self._events.put(lambda now: self._on_line(now, name, state)),
        )

    def start(self) -> None:
        """Open what is kept, then let the lines speak. Nothing here waits for a network or a device."""
        self._notebook.open()  # before the ledger tells the time: until then nobody is cleared
        self._knowledge.open(self._judge_again)
        self._thread.start()
        self._tray.start()
        for line in self._lines:
            line.start()

    def stop(self) -> None:
        """End lines, loop, intake and ledger, in this order; what was recorded stays."""
        for line in self._lines:
            line.stop()
        self._stopping = True
        self._events.put(lambda now: None)
        self._thread.join(timeout=5)
        self._tray.stop()
        self._notebook.write(monotonic())
        self._knowledge.close()

    # --- the loop ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        next_tick = monotonic()
        while not self._stopping:
            act: Callable[[float], None] | None = None
            with contextlib.suppress(queue.Empty):
                act = self._events.get(timeout=max(0.0, next_tick - monotonic()))
            now = monotonic()
            try:
                if act is not None:
                    act(now)
                if now >= next_tick:
                    next_tick = now + TICK_S
                    self._tick(now)
                if now - self._shown_at >= SHOW_EVERY_S:
                    self._show(now)
            except Exception as error:  # one bad event must not silence the booth: page, log and HQ see the fault
                self._confess(error)
            self._alive_at = monotonic()
            self._turns += 1
        for post in self._posts.values():
            post.finish(monotonic())
        self._knowledge.release()

    def _confess(self, error: Exception) -> None:
        _log.error("the booth met a fault of its own", fault=type(error).__name__, where=whereabouts(error))
        self._own_fault = True
        self._book.observe("booth", "FAULT")

    def _tick(self, now: float) -> None:
        for post in self._posts.values():
            post.tick(now)
        self._knowledge.live(now)
        self._notebook.tick(now)
        self._condition(now).observe(self._book)
        for change in self._book.due(now):
            self._knowledge.record_health(change)
            self._tray.beat()
        if self._judged_on != self._grounds():
            self._judge_again()

    def _grounds(self) -> tuple[object, ...]:
        """What a verdict rests on beside person and radiation; when it changes by itself, verdicts do."""
        return (self._knowledge.recording(), self._knowledge.mirror()[0])

    def _judge_again(self) -> None:
        self._judged_on = self._grounds()
        now = monotonic()
        for post in self._posts.values():
            post.judge_again(now)

    # --- events --------------------------------------------------------------------------------------------------

    def _on_reading(self, now: float, name: str, reading: Reading) -> None:
        device = self._devices[name]
        post = self._posts[device.table.lane]
        if device.driver.role == "radiation":
            post.receive(name, reading, now)
        elif isinstance(reading, DocumentRead):
            post.present(from_reading(reading, self._knowledge.year()), now, reading.at)
        elif isinstance(reading, DeviceHealth):
            device.fault = "" if reading.ok else reading.detail
        self._watchers.tell(name, reading)
        self._inspection.receive(name, reading)

    def _on_line(self, now: float, name: str, state: LineState) -> None:
        device = self._devices[name]
        if device.line is None or device.line.state != state.state:
            _log.info("line", device=name, state=state.state, detail=state.detail, advice=state.advice)
        device.line, device.fault = state, ""
        self._watchers.tell(name, state)
        if device.driver.role == "radiation":
            self._posts[device.table.lane].line(name, state.state == "OK", now)

    def _issued(self, event: Issued) -> None:
        """A verdict is shown at once, and told to who listens."""
        now = monotonic()
        self._show(now)
        _log.info(
            "verdict",
            lane=event.lane,
            word=event.verdict.word,
            actions=" ".join(event.verdict.actions),
            recorded=event.recorded,
            reissued=event.reissued,
            alerts=" ".join(alert.kind for alert in event.alerts),
        )
        for listener in tuple(self._listeners):
            listener(event)
        if event.alerts:
            self._tray.hurry()

    # --- what headquarters hears (on the tray's thread) ------------------------------------------------------

    def _heartbeat(self, ledger: Ledger) -> Heartbeat:
        at = self._knowledge.circumstances(None).at
        return bulletin.heartbeat(self._condition(monotonic()), ledger, at, lanes.version())

    def _want(self) -> Want:
        feeds = self._knowledge.feeds()
        return Want(booth=self._configuration.booth.id, feeds=feeds, held=self._knowledge.edition.feeds())

    # --- what is shown (Desk) ------------------------------------------------------------------------------------

    def _show(self, now: float) -> None:
        self._shown_at = now
        self._seconds = {name: post.second(now) for name, post in self._posts.items()}
        self._view = View(
            number=self._view.number + 1 if self._view else 1,
            at=utc(wall_clock()),
            header=bulletin.header(self._condition(now)),
            lanes=tuple(post.view(now) for post in self._posts.values()),
        )
        self._bell.ring()

    def _condition(self, now: float) -> Condition:
        known = self._knowledge
        state, age_s, _ = known.mirror()
        return Condition(
            booth=self._configuration.booth,
            wall=wall_clock(),
            clock_trusted=known.clock_trusted,
            mirror=state,
            mirror_age_s=age_s,
            edition=known.edition,
            refusal=known.refusal,
            mirror_fault=known.mirror_fault,
            ledger_fault=known.ledger_fault,
            tray_fault=self._tray.fault,
            undelivered=known.recorder.undelivered,
            alerts_waiting=known.recorder.alerts_waiting,
            ledger_head=known.recorder.head,
            detectors=tuple(self._detector_views(now)),
            own_fault=self._own_fault,
            stands_still=now - self._alive_at > STANDSTILL_S,
            lanes=self._configuration.lanes,
            link=self._tray.link,
            link_floods=self._tray.receipts.flooded,
        )

    def _detector_views(self, now: float) -> Iterator[DetectorView]:
        for name, device in self._devices.items():
            state: str = device.line.state if device.line else "STARTING"
            what_to_do = device.line.advice if device.line else ""
            if device.driver.role == "radiation" and state == "OK":
                health = self._posts[device.table.lane].monitors[name].health(now)
                state, what_to_do = health, advice(health)
            elif device.fault and state == "OK":
                state = "DEVICE"
                what_to_do = " ".join((device.fault, f"Check its power and cable: `failsafe watch {name}`."))
            yield DetectorView(
                name=name, lane=device.table.lane, role=device.driver.role, state=state, advice=what_to_do
            )

    def view(self) -> View:
        """What the first line sees.

        Raises:
            RuntimeError: the booth's loop stands still: the page must not go on showing an old verdict.
        """
        if self._view is None or monotonic() - self._alive_at > STANDSTILL_S:
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
        presented = from_entry(entry, self._knowledge.year())
        return str(self._ask(lambda now: self._posts[entry.lane].present(presented, now, now)))

    def close(self, lane: str) -> None:
        """Close what a lane shows."""

        def close(now: float) -> None:
            self._posts[lane].close(now)
            self._show(now)

        self._ask(close)

    def find(self, order: FindingOrder) -> str:
        """Record what second line found out; on the page's thread, for the lane does not wait for it.

        Raises:
            FindingRefused: it is not recorded.
        """
        finding = self._findings.record(order, self._traveller(order) if order.attach else None)
        self._tray.hurry()
        return finding

    def _traveller(self, order: FindingOrder) -> PersonAsRead | None:
        """Whom an officer attaches to an alert; None once the lane has forgotten them."""
        try:
            found = self._ask(lambda now: self._posts[order.lane].person(order.crossing or ""))
        except EntryRefused:
            raise FindingRefused(
                "The booth has not answered yet.", "Send it again: it will be recorded once.", booth=True
            ) from None
        assert found is None or isinstance(found, PersonAsRead)
        return found

    def told(self, alerts: Sequence[str]) -> Told:
        """How far these alerts have come, and what was found about them.

        Raises:
            FindingRefused: the ledger cannot be read.
        """
        return self._findings.told(alerts)

    def _ask(self, act: Callable[[float], object]) -> object:
        """Run `act` on the booth's thread and wait for what it gives."""
        answer: Future[object] = Future()

        def run(now: float) -> None:
            try:
                answer.set_result(act(now))
            except Exception as error:
                answer.set_exception(error)

        self._events.put(run)
        try:
            return answer.result(timeout=STANDSTILL_S)
        except TimeoutError as error:
            raise EntryRefused("The booth did not answer. Telephone the CCC and the technician.") from error

    # --- what the command line asks (Core) -----------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """`failsafe status --json`, see docs/commands.md."""
        page = f"http://127.0.0.1:{self.page_port}"
        return bulletin.status(self._condition(monotonic()), lanes.version(), page)

    def screen(self, person: Mapping[str, Any]) -> dict[str, Any]:
        """`failsafe screen --mirror` for one person: judged like a traveller, raising no alert."""
        known = self._knowledge
        state, age_s, _ = known.mirror()

        def judge(_now: float) -> dict[str, Any]:
            held = known.held()
            with held.at_one_moment():
                return screening.screen(person, known.edition.index, held, mirror=state, mirror_age_s=age_s)

        try:
            answer = self._ask(judge)
        except (SyncError, EntryRefused) as error:
            return {"error": str(error)}
        assert isinstance(answer, dict)
        return answer

    def background(self, device: str, *, seconds: float, store: bool) -> AsyncGenerator[dict[str, Any], None]:
        """`failsafe background`, see docs/commands.md."""
        return self._inspection.background(device, seconds=seconds, store=store)

    def accept_setup(self, device: str, *, relearn: bool) -> dict[str, Any]:
        """`failsafe accept-setup`: blocks until the booth has accepted it."""
        return self._inspection.accept_setup(device, relearn=relearn)

    def recorder(self) -> dict[str, Any]:
        """Whether the ledger's writer answers; blocks until it has written, or for some seconds."""
        return self._knowledge.try_recorder(STANDSTILL_S)

    def detector(self, device: str) -> dict[str, Any]:
        """What is known of a radiation detector this moment; blocks until the booth has looked."""
        monitor = self.monitor(device)
        if monitor is None:
            return dict(live.NO_DETECTOR)
        return self.ask(lambda now: live.glance(monitor, self._devices[device].line, now))

    # --- what an inspection asks -----------------------------------------------------------------------------------

    def ask(self, act: Callable[[float], dict[str, Any]]) -> dict[str, Any]:
        """Run `act` on the booth's thread; a booth that does not answer is an answer, too."""
        try:
            answer = self._ask(act)
        except EntryRefused as refused:
            return {"error": str(refused), "advice": ""}
        assert isinstance(answer, dict)
        return answer

    def monitor(self, device: str) -> LaneMonitor | None:
        """The monitor of a radiation detector of this name."""
        found = self._devices.get(device)
        return self._posts[found.table.lane].monitors.get(device) if found else None

    def is_occupied(self, device: str) -> bool:
        """Whether a traveller stands before a detector on a desk, which measures nobody else."""
        post = self._posts[self._devices[device].table.lane]
        return post.monitors[device].settings.kind == "static" and post.lane.current is not None

    def note(self, change: Change) -> None:
        """Record a change for headquarters, and write down what the detectors remember."""
        self._knowledge.record_health(change)
        self._notebook.write(monotonic())
        self._tray.beat()

    def wall(self) -> str:
        """The wall time, ISO 8601 UTC."""
        return utc(wall_clock())

    async def verdicts(self) -> AsyncIterator[dict[str, Any]]:
        """Every verdict from now on, without identity."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        def listen(event: Issued) -> None:
            loop.call_soon_threadsafe(waiting.put_nowait, _told(event, monotonic()))

        self._listeners.add(listen)
        try:
            yield {"ready": True}
            while True:
                yield await waiting.get()
        finally:
            self._listeners.discard(listen)

    async def watch(self, device: str, *, specimen: bool) -> AsyncIterator[dict[str, Any]]:
        """All that a device says from now on; see `control.Core`."""
        if device not in self._devices:
            names = ", ".join(self._devices) or "none"
            yield {"error": "This booth has no such device.", "advice": f"Name one of: {names}."}
            return
        _log.info("watched", device=device, specimen=specimen)
        async with contextlib.aclosing(self._watchers.listen(device, specimen=specimen)) as heard:
            async for seen in heard:
                yield seen

    # --- whoever keeps it running ----------------------------------------------------------------------------------

    def is_open(self) -> bool:
        """Whether every part has begun; one that is broken has, too, and the page says so."""
        return self._view is not None and self._knowledge.recorder.begun.is_set() and all(self.turns().values())

    def turns(self) -> dict[str, int]:
        """How often each part has turned; one whose number stays is blocked."""
        lines = {f"line {line.name}": line.turns for line in self._lines}
        return {"readings": self._turns, "ledger": self._knowledge.recorder.turns, **lines}

    def sentence(self) -> str:
        """How the booth is, as `failsafe status` begins."""
        ready = self._condition(monotonic()).readiness()
        return " ".join((f"{ready.word}.", *ready.why))


def _told(event: Issued, shown_at: float) -> dict[str, Any]:
    told: dict[str, Any] = {
        "lane": event.lane,
        "crossing": event.crossing,
        "word": event.verdict.word,
        "actions": list(event.verdict.actions),
        "notes": list(event.verdict.notes),
        "recorded": event.recorded,
        "reissued": event.reissued,
        "alerts": [{"id": one.id, "kind": one.kind, "urgency": one.urgency} for one in event.alerts],
    }
    if event.arrived_at is not None:
        told["verdict_us"] = round((shown_at - event.arrived_at) * 1e6)
    return told
