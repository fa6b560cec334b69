"""The demonstration: headquarters, a booth and twenty crossings on one machine.

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
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress

from failsafe.agent.control import CoreUnreachable, Visitor
from failsafe.agent.demo.cast import ACTS, LISTED, PERSONS, Act, Stage
from failsafe.agent.demo.house import DemoFailed, House
from failsafe.drivers.simulator import DocumentReader, Portal, Pty

NOTICES: Final = 1_000
_PACE: Final = 0.25

_MARKS: Final = {
    "STOP": "[white on dark_red] ■ STOP ",
    "CHECK": "[black on yellow3] ▲ CHECK ",
    "CLEAR": "[white on deep_sky_blue4] ● CLEAR ",
    "CANNOT CLEAR": "[white on grey37] ◌ CANNOT CLEAR ",
}


@dataclass(slots=True)
class Outcome:
    """What one act came to: the last word, every verdict on the way, the alerts raised."""

    act: Act
    verdicts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def word(self) -> str:
        return str(self.verdicts[-1]["word"]) if self.verdicts else "nothing"

    @property
    def alerts(self) -> list[str]:
        return [alert["kind"] for verdict in self.verdicts for alert in verdict["alerts"]]

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


def play(*, once: bool, as_json: bool, port: int) -> int:
    """Set everything up, play the script, print one line a crossing; 0 if every word was right."""
    console = Console(stderr=as_json, highlight=False)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # a way out that clears up behind itself
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="failsafe-demo-")))
        house = House(folder, port)
        stack.callback(house.stop)
        try:
            outcomes = _play(house, console, stack)
        except (DemoFailed, CoreUnreachable) as error:
            console.print(f"The demonstration stopped. {error}", markup=False)
            return 1
        status = house.status()
        if as_json:
            print(json.dumps(_summary(outcomes, status)))
        wrong = [outcome for outcome in outcomes if not outcome.right]
        console.print(f"\n{len(outcomes)} crossings, {len(wrong)} with another verdict than expected.")
        if not once:
            console.print(f"The booth goes on at http://127.0.0.1:{port} until Ctrl-C.")
            _wait_for_interrupt()
        return 1 if wrong else 0


def _play(house: House, console: Console, stack: ExitStack) -> list[Outcome]:
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("", total=5)

        def step(what: str) -> None:
            progress.update(bar, description=what, advance=1)

        step(f"headquarters makes its keys and imports {NOTICES} invented notices")
        house.hq("keys", "init")
        invented = map(json.loads, house.hq("invent", str(NOTICES)).splitlines())
        house.take_notices([*invented, *PERSONS, *LISTED])
        step("the booth makes its keys and is enrolled")
        house.enrol()
        step("headquarters publishes, the courier carries")
        house.carry()
        step("the booth starts")
        reader = DocumentReader(stack.enter_context(Pty(house.reader_port)))
        portal = Portal(stack.enter_context(Pty(house.portal_port)), pace=_PACE)
        house.start_core()
        listener = stack.enter_context(house.visit(timeout_s=None))
        step("its devices are plugged in")
        portal.start()
        stack.callback(portal.stop)
        mirror = house.await_ready()["mirror"]
    console.print(f"Officer's page: [bold]http://127.0.0.1:{house.port}[/bold]")
    console.print(f"{mirror['notices']} notices, {mirror['listed_documents']} listed documents, {mirror['state']}.\n")
    heard = _listen(listener)
    outcomes = []
    for number, act in enumerate(ACTS, 1):
        outcome = perform(act, house, Stage(reader, portal), heard)
        outcomes.append(outcome)
        _print_outcome(console, number, outcome)
    return outcomes


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
    alerts = ", ".join(outcome.alerts).replace("_", " ")
    surprise = "" if outcome.right else f"  [bold]expected {' or '.join(outcome.act.ends)}[/bold]"
    console.print(f"{number:2}  {outcome.act.title:<40}{mark}[/] {latency:>9}  {alerts}{surprise}")


def _summary(outcomes: Sequence[Outcome], status: dict[str, Any]) -> dict[str, Any]:
    latencies = sorted(outcome.latency_us for outcome in outcomes if outcome.latency_us is not None)
    words: dict[str, int] = {}
    for outcome in outcomes:
        words[outcome.word] = words.get(outcome.word, 0) + 1
    return {
        "crossings": len(outcomes),
        "verdicts": words,
        "alerts_raised": sum(len(outcome.alerts) for outcome in outcomes),
        "undelivered": status["ledger"]["undelivered"],
        "unexpected": sum(not outcome.right for outcome in outcomes),
        "latency_us": {"p50": _quantile(latencies, 0.5), "p99": _quantile(latencies, 0.99)},
    }


def _quantile(values: Sequence[int], share: float) -> int | None:
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


def _wait_for_interrupt() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
