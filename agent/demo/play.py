"""The demonstration: headquarters, a booth and twenty crossings on one machine, the cable pulled for the middle third.

Only the people and the devices are invented: a simulated reader and portal speak their protocols over
pseudo-terminals to a real core in a process of its own, which took its notices from a publication that headquarters,
in processes of its own, has signed.
"""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from failsafe.agent.control import CoreUnreachable, Visitor
from failsafe.agent.demo.cast import ACTS, LISTED, PERSONS, Act, Stage
from failsafe.agent.demo.house import DemoFailed, House
from failsafe.agent.demo.wire import Programme, Wire, programme
from failsafe.drivers.simulator import DocumentReader, Portal, Pty

NOTICES: Final = 1_000
_PACE: Final = 0.25
_DRAIN_S: Final = 60.0

_MARKS: Final = {
    "STOP": "[bright_white on dark_red] ■ STOP ",
    "CHECK": "[black on yellow3] ▲ CHECK ",
    "CLEAR": "[bright_white on deep_sky_blue4] ● CLEAR ",
    "CANNOT CLEAR": "[bright_white on grey37] ◌ CANNOT CLEAR ",
}
_MARK_WIDTH: Final = 16  # of the longest


@dataclass(slots=True)
class Outcome:
    """What one act came to: the last word, every verdict on the way, the alerts raised."""

    act: Act
    verdicts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def word(self) -> str:
        return str(self.verdicts[-1]["word"]) if self.verdicts else "nothing"

    @property
    def alerts(self) -> list[dict[str, str]]:
        return [alert for verdict in self.verdicts for alert in verdict["alerts"]]

    @property
    def latency_us(self) -> int | None:
        return next((verdict["verdict_us"] for verdict in self.verdicts if "verdict_us" in verdict), None)

    @property
    def right(self) -> bool:
        return self.word in self.act.ends


def perform(act: Act, house: House, stage: Stage, heard: queue.SimpleQueue[dict[str, Any]]) -> Outcome:
    """Play one act and listen until its word is one of those it may end with, or patience ends."""
    outcome = Outcome(act)
    time.sleep(house.windows.before_s + 0.2)  # the passage before is nobody's any more
    act.play(stage)
    deadline = time.monotonic() + house.windows.after_s + 4.0  # noqa: TID251
    settles_at = float("inf")
    while (now := time.monotonic()) < min(deadline, settles_at):  # noqa: TID251
        try:
            outcome.verdicts.append(heard.get(timeout=max(0.01, min(deadline, settles_at) - now)))
        except queue.Empty:
            break
        # A word may still change (an alarm follows a hit): what is right is given a moment to be overtaken.
        settles_at = time.monotonic() + 0.5 if outcome.right else float("inf")  # noqa: TID251
    return outcome


@dataclass(slots=True)
class Delivery:
    """What became of the alerts: ids raised, ids at headquarters before the line returned and after, who was told."""

    raised: list[str]
    before: list[str]
    after: list[str]
    told: dict[str, int]

    @property
    def lost(self) -> int:
        """Alerts that the booth raised and headquarters does not hold."""
        return len(set(self.raised) - set(self.after))

    @property
    def doubled(self) -> int:
        """Alerts that headquarters holds more than once, or that the booth never raised."""
        return len(self.after) - len(set(self.after)) + len(set(self.after) - set(self.raised))


def play(*, once: bool, as_json: bool, port: int) -> int:
    """Set everything up and play the script; 0 if every word was right and no alert was lost or doubled."""
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # a way out that clears up behind itself
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="failsafe-demo-")))
        house = House(folder, port)
        stack.callback(house.stop)
        try:
            outcomes, delivery = _play(house, console, stack)
        except (DemoFailed, CoreUnreachable) as error:
            console.print(f"The demonstration stopped. {error}", markup=False)
            return 1
        if as_json:
            print(json.dumps(_summary(outcomes, delivery)))
        wrong = [outcome for outcome in outcomes if not outcome.right]
        console.print(f"\n{len(outcomes)} crossings, {len(wrong)} with another verdict than expected.")
        console.print(
            f"{len(delivery.raised)} alerts raised, {len(delivery.after)} at headquarters, {delivery.lost} lost, "
            f"{delivery.doubled} doubled; the CBRNE programme was told of {len(delivery.told)}."
        )
        if not once:
            console.print("Booth, link and headquarters go on until Ctrl-C.")
            _wait_for_interrupt()
        return 1 if wrong or delivery.lost or delivery.doubled else 0


def _play(house: House, console: Console, stack: ExitStack) -> tuple[list[Outcome], Delivery]:
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("", total=5)

        def step(what: str) -> None:
            progress.update(bar, description=what, advance=1)

        told = stack.enter_context(programme())
        wire = _found_headquarters(house, told, step)
        stack.callback(wire.close)
        step("the booth starts")
        reader = DocumentReader(stack.enter_context(Pty(house.reader_port)))
        portal = Portal(stack.enter_context(Pty(house.portal_port)), pace=_PACE)
        house.start_core()
        house.start_link()
        listener = stack.enter_context(house.visit(timeout_s=None))
        step("the notices come, the devices are plugged in")
        portal.start()
        stack.callback(portal.stop)
        mirror = house.await_ready()["mirror"]
    console.print(f"Officer's page:  [bold]http://127.0.0.1:{house.port}[/bold]")
    console.print(f"Command centre:  [bold]http://127.0.0.1:{house.ccc_port}[/bold]")
    console.print(f"{mirror['notices']} notices, {mirror['listed_documents']} listed documents, {mirror['state']}.\n")
    outcomes = _shift(house, Stage(reader, portal), wire, _listen(listener), console)
    return outcomes, _drain(house, outcomes, wire, told, console)


def _found_headquarters(house: House, told: Programme, step: Callable[[str], None]) -> Wire:
    """Headquarters with its notices, its server running and the booth enrolled; the wire to it."""
    step(f"headquarters makes its keys and imports {NOTICES} invented notices")
    house.hq("keys", "init")
    house.tell_programme(f"http://127.0.0.1:{told.port}/cbrne")
    invented = map(json.loads, house.hq("invent", str(NOTICES)).splitlines())
    house.take_notices([*invented, *PERSONS, *LISTED])
    step("the booth makes its keys and is enrolled; headquarters publishes")
    house.enrol()
    house.hq("publish")
    house.serve_headquarters()
    wire = Wire(house.hq_port)
    house.link_url = f"https://127.0.0.1:{wire.port}"
    house.configure(house.root_sha256)
    return wire


def _shift(
    house: House, stage: Stage, wire: Wire, heard: queue.SimpleQueue[dict[str, Any]], console: Console
) -> list[Outcome]:
    """Every act of the script; the cable is out for the second third of them, and stays out."""
    outcomes = []
    for number, act in enumerate(ACTS, 1):
        if number == len(ACTS) // 3 + 1:
            wire.cut()
            console.print("    [dim]── the network is cut ──[/dim]")
        outcome = perform(act, house, stage, heard)
        outcomes.append(outcome)
        _print_outcome(console, number, outcome)
        if number == 2 * len(ACTS) // 3:
            waiting = house.status()["ledger"]["undelivered"]
            house.held_before = [line["alert"]["id"] for line in house.alerts_at_headquarters()]
            wire.mend()
            console.print(f"    [dim]── the line returns; {waiting} records wait at the booth ──[/dim]")
    return outcomes


def _drain(house: House, outcomes: Sequence[Outcome], wire: Wire, told: Programme, console: Console) -> Delivery:
    """Wait until the booth has a receipt for everything and the programme was told; what then stands where."""
    raised = [alert["id"] for outcome in outcomes for alert in outcome.alerts]
    with console.status("the queue drains"):
        house.await_status(lambda status: status["ledger"]["undelivered"] == 0, "an empty queue", _DRAIN_S)
        held = house.alerts_at_headquarters()
        deadline = time.monotonic() + _DRAIN_S  # noqa: TID251
        while time.monotonic() < deadline and _still_telling(held):  # noqa: TID251
            time.sleep(0.2)
            held = house.alerts_at_headquarters()
    after = [line["alert"]["id"] for line in held]
    with told.lock:  # it is told of measurements too, under ids of their own
        tellings = {key: times for key, times in told.told.items() if key in after}
    return Delivery(raised, house.held_before, after, tellings)


def _still_telling(held: Sequence[dict[str, Any]]) -> bool:
    return any(telling["state"] in ("waiting", "failing") for line in held for telling in line.get("tellings", ()))


def _listen(listener: Visitor) -> queue.SimpleQueue[dict[str, Any]]:
    heard: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    listener.tell("verdicts")
    listener.next()  # ready

    def listen() -> None:
        try:
            while True:
                heard.put(listener.next())
        except (CoreUnreachable, ValueError, OSError):
            pass  # the core ended, or the demonstration did

    threading.Thread(target=listen, name="listener", daemon=True).start()
    return heard


def _print_outcome(console: Console, number: int, outcome: Outcome) -> None:
    mark = _MARKS.get(outcome.word, "[bold] no verdict ")
    latency = f"{outcome.latency_us / 1000:.1f} ms" if outcome.latency_us is not None else ""
    alerts = ", ".join(alert["kind"] for alert in outcome.alerts).replace("_", " ")
    surprise = "" if outcome.right else f"  [bold]expected {' or '.join(outcome.act.ends)}[/bold]"
    rest = " " * (_MARK_WIDTH - Text.from_markup(mark).cell_len)
    console.print(f"{number:2}  {outcome.act.title:<40}{mark}[/]{rest} {latency:>9}  {alerts}{surprise}")


def _summary(outcomes: Sequence[Outcome], delivery: Delivery) -> dict[str, Any]:
    latencies = sorted(outcome.latency_us for outcome in outcomes if outcome.latency_us is not None)
    return {
        "crossings": len(outcomes),
        "verdicts": dict(Counter(outcome.word for outcome in outcomes)),
        "unexpected": sum(not outcome.right for outcome in outcomes),
        "alerts_raised": len(delivery.raised),
        "alerts_at_hq_before": len(delivery.before),
        "alerts_at_hq_after": len(delivery.after),
        "cbrne_notified": len(delivery.told),
        "lost": delivery.lost,
        "doubled": delivery.doubled,
        "latency_us": {"p50": _quantile(latencies, 0.5), "p99": _quantile(latencies, 0.99)},
    }


def _quantile(values: Sequence[int], share: float) -> int | None:
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


def _wait_for_interrupt() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
