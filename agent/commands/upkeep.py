"""The technician's commands for a detector's background and set-up: `failsafe background`, `failsafe accept-setup`.

The running core measures by itself, since it holds the port and knows who is in the detector; where none runs, the port
is opened here, and nothing is stored.
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from failsafe.agent import config
from failsafe.agent.control import CoreUnreachable, Visitor
from failsafe.agent.tables import Configuration, DeviceTable
from failsafe.drivers import driver as drivers
from failsafe.drivers.line import LineState, SerialLine
from failsafe.drivers.reading import Malformed, Reading

_GLANCE_S: Final = 0.2
# The core speaks four times a second while it measures; one that is silent for so long stands still.
_PATIENCE_S: Final = 15.0

Answer = dict[str, Any]
Show = Callable[[float, float], None]

with_config = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=config.DEFAULT_PATH,
    show_default=True,
    help="The booth's configuration.",
)
with_json = click.option("--json", "as_json", is_flag=True, help="One JSON object for programs.")


@click.command()
@with_config
@click.argument("name")
@click.option(
    "--seconds",
    type=click.FloatRange(2.0, 3600.0),
    default=60.0,
    show_default=True,
    help="How long to measure.",
)
@click.option("--store", is_flag=True, help="Keep it as the reference; headquarters sees that.")
@with_json
def background(path: Path, name: str, seconds: float, store: bool, as_json: bool) -> None:
    """Measure the background of the detector NAME: mean and spread of each panel, and whether it has changed."""
    configuration = config.load(path)
    table = _portal(configuration, name)
    with _bar(f"Background of {name}") as show:
        try:
            core = Visitor(Path(configuration.core.socket), timeout_s=_PATIENCE_S)
        except CoreUnreachable:
            if store:
                raise click.ClickException(
                    "No core is running, and only it keeps a reference. Start it, or measure without --store."
                ) from None
            click.echo(f"No core is running; measuring at {configuration.port_of(table)} here.", err=True)
            answer = _by_port(configuration, table, seconds, show)
        else:
            with core:
                answer = _by_core(core, name, seconds, store, show)
    if "error" in answer:
        raise click.ClickException(f"{answer['error']} {answer.get('advice', '')}".strip())
    if as_json:
        click.echo(json.dumps({"device": name, **answer}, ensure_ascii=False))
        return
    show_background(answer, Console())
    if store:
        click.echo("Stored as the reference; headquarters is told.", err=True)


@click.command("accept-setup")
@with_config
@click.argument("name")
@click.option("--relearn", is_flag=True, help="Forget what the lane has taught, too: it is another than it was.")
@with_json
def accept_setup(path: Path, name: str, relearn: bool, as_json: bool) -> None:
    """Accept the set-up that the detector NAME tells now, after looking at it: it is CONFIG_CHANGED no more."""
    configuration = config.load(path)
    _portal(configuration, name)
    with Visitor(Path(configuration.core.socket), timeout_s=_PATIENCE_S) as core:
        answer = core.ask("accept-setup", device=name, relearn=relearn)
    if "error" in answer:
        raise click.ClickException(f"{answer['error']} {answer.get('advice', '')}".strip())
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    for line in answer["accepted"]:
        was, now = (" ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in line[key]) for key in _SIDES)
        click.echo(f"{line['tag']}: {was}\n{' ' * len(line['tag'])}  is now {now}")
    if relearn:
        click.echo(f"Forgotten what {answer['forgotten']} quiet occupancies taught; the lane teaches anew.")
    click.echo("Accepted; headquarters is told.", err=True)


_SIDES: Final = ("was", "is")


def _portal(configuration: Configuration, name: str) -> DeviceTable:
    portals = {portal.name: portal for portal in configuration.portals}
    if name not in portals:
        there = ", ".join(portals) or "none"
        raise click.UsageError(f"There is no detector {name!r} in the configuration; there are: {there}.")
    return portals[name]


@contextmanager
def _bar(label: str) -> Iterator[Show]:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


# --- measuring -----------------------------------------------------------------------------------------------------


def _by_core(core: Visitor, name: str, seconds: float, store: bool, show: Show) -> Answer:
    core.tell("background", device=name, seconds=seconds, store=store)
    while True:
        answer = core.next()
        if "elapsed_s" not in answer:
            return answer
        show(answer["elapsed_s"], answer["of_s"])


def _by_port(configuration: Configuration, table: DeviceTable, seconds: float, show: Show) -> Answer:
    driver = drivers.find(table.driver)
    heard: queue.Queue[Reading | LineState] = queue.Queue()
    line = SerialLine(
        table.name,
        configuration.port_of(table),
        driver,
        table.line(driver.line),
        deliver=heard.put,
        report=heard.put,
    )
    line.start()
    try:
        return _measured(heard, seconds, show)
    finally:
        line.stop()


def _measured(heard: queue.Queue[Reading | LineState], seconds: float, show: Show) -> Answer:
    from failsafe.agent.radiation import (
        measurement,  # with what it needs, which other commands need not wait for
    )

    measured = measurement.Measurement()
    began, begun = _now(), False
    while (elapsed_s := _now() - began) < seconds:
        show(elapsed_s, seconds)
        try:
            seen = heard.get(timeout=_GLANCE_S)
        except queue.Empty:
            continue
        if not isinstance(seen, LineState):
            begun = begun or not isinstance(seen, Malformed)  # the port was opened in the midst of a line
            if begun:
                measured.receive(seen)
        elif seen.state != "OK":
            return {"error": f"The line is {seen.state}: {seen.detail}", "advice": seen.advice}
        if measured.disturbed:
            return {"error": "The measurement was broken off.", "advice": measured.disturbed}
    outcomes = measured.outcomes()
    if not outcomes:
        return {"error": "The device told no background.", "advice": "Measure for longer, or look with failsafe watch."}
    return {"background": measurement.told(outcomes, {}), "stored": False}


def _now() -> float:
    return time.monotonic()  # noqa: TID251  how long a person wants to measure


# --- showing -------------------------------------------------------------------------------------------------------


def show_background(answer: Answer, console: Console) -> None:
    """What was measured: a table on a terminal, plain lines elsewhere."""
    from failsafe.agent.radiation.measurement import SPREAD_ADVICE

    rows = [(told, panel) for told in answer["background"] for panel in told["panels"]]
    if console.is_terminal:
        table = Table("", "panel", "mean", "stored", "against it", "spread", box=None, pad_edge=False)
        for told, panel in rows:
            stored = f"{panel['stored']:.1f}" if "stored" in panel else "none"
            word = against(panel).partition(",")[0] if "stored" in panel else ""
            table.add_row(told["quantity"], str(panel["panel"]), _mean(told, panel), stored, word, panel["spread"])
        console.print(table)
        for told in answer["background"]:
            if told["stored_at"]:
                when = told["stored_at"][:16].replace("T", " ")
                click.echo(
                    f"Stored of {told['quantity']}: {when} UTC. Higher and lower: by more than counting explains."
                )
    else:
        for told, panel in rows:
            click.echo(
                f"{told['quantity']}, panel {panel['panel']}: {_mean(told, panel)}; {_stored(told, panel)}; "
                f"{against(panel)}; spread {panel['spread']}"
            )
    for advice in dict.fromkeys(SPREAD_ADVICE[panel["spread"]] for _, panel in rows):
        if advice:
            click.echo(advice, err=True)


def _mean(told: Answer, panel: Answer) -> str:
    return f"{panel['mean']:.1f} ± {panel['error']:.1f} {told['unit']}"


def _stored(told: Answer, panel: Answer) -> str:
    if "stored" not in panel:
        return "none stored"
    return f"stored {panel['stored']:.1f} of {told['stored_at'][:10]}"


def against(panel: Answer) -> str:
    """A panel against what was stored of it, in words."""
    if "stored" not in panel:
        return "nothing to compare with"
    if not panel["differs"]:
        return "the same as stored"
    off = (panel["mean"] / panel["stored"] - 1.0) * 100.0 if panel["stored"] else 0.0
    part = f" by {abs(off):.0f} %" if off else ""
    return f"{'higher' if panel['apart'] > 0 else 'lower'}{part}, more than counting explains"
