"""`failsafe watch` for a detector: what the booth judges by, as it stands this moment, drawn for a terminal.

The picture is made of two things: a glance at the lane's monitor, which is the running core's own where a core runs,
and what the device says meanwhile, panel by panel.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from failsafe.agent import lanes
from failsafe.agent.commands.terminal import MARKS, plain
from failsafe.agent.commands.watching import told
from failsafe.agent.control import CoreUnreachable, Visitor
from failsafe.agent.radiation.detector import STRIP_S, LaneMonitor
from failsafe.agent.radiation.passage import Passage, advice
from failsafe.agent.tables import LaneTable
from failsafe.drivers.driver import Driver, LineSettings
from failsafe.drivers.line import LineState, SerialLine
from failsafe.drivers.reading import Reading
from failsafe.screens.words import DETECTORS

Answer = dict[str, Any]

NO_DETECTOR: Final = {"error": "This booth has no such detector.", "advice": "`failsafe status` names those it has."}

_LAST_PASSAGES: Final = 5
_AGAIN_S: Final = 0.25
_ROWS: Final = 4
_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
# Who tells passages of its own accord; all others are taken for instruments on a desk where no lane is configured.
_PORTALS: Final = ("tsa", "n42")


# --- at a glance -----------------------------------------------------------------------------------------------


def monitor_of(name: str, driver: Driver, lane: LaneTable | None, nsigma: float | None = None) -> LaneMonitor:
    """A monitor as the booth would have it for this detector; without a lane, for the lane it is usual in."""
    usual = LaneTable(name="watch", kind="vehicle" if driver.name in _PORTALS else "static")
    return lanes.monitor(lane or usual, name, driver, "watch", nsigma)


def glance(monitor: LaneMonitor, line: LineState | None, now: float) -> Answer:
    """What a monitor knows at `now`; counts a second, times in seconds before now."""
    monitor.advance(now)
    health = monitor.health(now)
    strips = {"gamma": monitor.strip(now), "neutron": monitor.strip(now, "neutron")}
    return {
        "detector": monitor.detector,
        "lane_kind": monitor.settings.kind,
        "line": None if line is None else {"state": line.state, "detail": line.detail, "advice": line.advice},
        "health": health,
        "advice": advice(health),
        "background_cps": {"gamma": monitor.background_cps(), "neutron": monitor.background_cps("neutron")},
        "threshold_cps": monitor.line_drawn(1.0),
        "strip": {channel: [[round(ago, 2), *rest] for ago, *rest in strip] for channel, strip in strips.items()},
        "passages": [_of_passage(passage, now) for passage in monitor.passages()[-_LAST_PASSAGES:]],
    }


def _of_passage(passage: Passage, now: float) -> Answer:
    return {
        "began_s": round(now - passage.began_at, 1),
        "ended_s": None if passage.ended_at is None else round(now - passage.ended_at, 1),
        "alarms": sorted(passage.alarms),
        "own": [alarm.test for alarm in passage.own],
        "monitored": passage.monitored,
        "health": passage.health,
    }


@dataclass(slots=True)
class Spoken:
    """What the device says, from the objects of `failsafe watch --json`: the last of each kind, and how many."""

    panels: dict[str, Sequence[float]] = field(default_factory=dict)
    backgrounds: dict[str, Sequence[float]] = field(default_factory=dict)
    doses: deque[float] = field(default_factory=lambda: deque(maxlen=240))
    rate: float | None = None
    nuclide: str = ""
    said: str = ""
    kinds: Counter[str] = field(default_factory=Counter)

    def take(self, told: Mapping[str, Any]) -> None:
        """One object."""
        kind = str(told.get("kind"))
        self.kinds[kind] += 1
        if kind in ("gamma", "neutron"):
            self.panels[kind] = tuple(told["counts"])
        elif kind == "background":
            self.backgrounds[str(told["channel"])] = tuple(told["panels_cps"])
        elif kind == "dose":
            self.doses.append(float(told["nsv_h"]))
        elif kind == "rate":
            self.rate = float(told["cps"])
        elif kind == "identification":
            self.nuclide = str(told["nuclide"])
        elif kind == "health" and told["detail"]:
            self.said = str(told["detail"])


# --- from where ------------------------------------------------------------------------------------------------

Look = Callable[[], tuple[Answer, Spoken]]


@contextmanager
def by_core(socket: Path, name: str) -> Iterator[Look]:
    """Looks at a detector of the running core.

    Raises:
        CoreUnreachable: there is none, or it ended; also from the look.
    """
    spoken = Spoken()
    with Visitor(socket, timeout_s=None) as stream, Visitor(socket) as core:
        first = stream.ask("watch", device=name, specimen=False)

        def hear() -> None:
            with suppress(CoreUnreachable):
                while "error" not in first:
                    spoken.take(stream.next())

        threading.Thread(target=hear, name="watch", daemon=True).start()
        yield lambda: (core.ask("detector", device=name), spoken)


@contextmanager
def by_port(port: str, settings: LineSettings, driver: Driver, monitor: LaneMonitor) -> Iterator[Look]:
    """Looks at the detector of a port that nobody else holds, by a monitor of its own."""
    spoken, states, turn = Spoken(), deque[LineState](maxlen=1), threading.Lock()

    def deliver(reading: Reading) -> None:
        with turn:
            monitor.receive(reading, _now())
            spoken.take(told(reading, specimen=False))

    def report(state: LineState) -> None:
        with turn:
            states.append(state)
            monitor.line(state.state == "OK", _now())

    def look() -> tuple[Answer, Spoken]:
        with turn:
            return glance(monitor, states[-1] if states else None, _now()), spoken

    line = SerialLine("watch", port, driver, settings, deliver=deliver, report=report)
    line.start()
    try:
        yield look
    finally:
        line.stop()


def _now() -> float:
    return time.monotonic()  # noqa: TID251  the line's own clock


def show(look: Look, console: Console) -> None:
    """Draw what a look shows, several times a second, until Ctrl-C."""

    def picture() -> Group:
        seen, spoken = look()
        if "error" in seen:
            raise click.ClickException(f"{seen['error']} {seen.get('advice', '')}".strip())
        return draw(seen, spoken, console)

    with Live(picture(), console=console, auto_refresh=False) as shown, suppress(KeyboardInterrupt):
        while True:
            time.sleep(_AGAIN_S)
            shown.update(picture(), refresh=True)


# --- drawn -----------------------------------------------------------------------------------------------------


def draw(seen: Answer, spoken: Spoken, console: Console) -> Group:
    """The picture of this moment, as wide as the console."""
    rows: list[Any] = [*_head(seen, spoken, console), _panels(seen, spoken)]
    width = max(20, min(console.width, 120) - 2)
    for channel in ("gamma", "neutron"):
        strip = seen["strip"][channel]
        if strip:
            rows += _chart(channel, strip, seen["threshold_cps"] if channel == "gamma" else None, width, console)
    if spoken.doses and not seen["strip"]["gamma"]:
        rows += _doses(spoken.doses, width, console)
    return Group(*rows, *_passages(seen["passages"]), _counted(spoken))


def _head(seen: Answer, spoken: Spoken, console: Console) -> Iterator[Text]:
    state = seen["health"]
    line = seen["line"]
    if line is not None and line["state"] != "OK":
        state = line["state"]
    mark, word = DETECTORS.get(state, ("CHECK", state))
    sign, stand_in, style = MARKS[mark]
    shown = sign if console.encoding.lower().startswith("utf") else stand_in
    told = "" if word.upper() == state else f" ({state})"
    yield Text.assemble((shown, style), " ", (f"{word}{told}", style), "  ", (plain(seen["detector"]), "bold"))
    if line is not None and line["state"] != "OK":
        yield Text(plain(f"{line['detail']} {line['advice']}"))
    elif seen["advice"]:
        yield Text(plain(seen["advice"]))
    if spoken.said:
        yield Text(plain(f"The device says: {spoken.said}"), "dim")


def _panels(seen: Answer, spoken: Spoken) -> Table:
    """A row a channel: background, threshold, and the panels' last counts."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("", "background/s", "alarm from/s", "panels, background/s", "panels, last counts"):
        table.add_column(heading, justify="left" if not heading else "right", overflow="fold")
    for channel in ("gamma", "neutron"):
        background = seen["background_cps"][channel]
        if background is None and channel not in spoken.panels and channel not in spoken.backgrounds:
            continue
        threshold = seen["threshold_cps"] if channel == "gamma" else None
        table.add_row(
            channel,
            _figure(background),
            _figure(threshold),
            " ".join(map(_figure, spoken.backgrounds.get(channel, ()))),
            " ".join(map(_figure, spoken.panels.get(channel, ()))),
        )
    if spoken.doses:
        table.add_row("dose rate", "", "", "", f"{spoken.doses[-1]:,.0f} nSv/h")
    if spoken.rate is not None:
        table.add_row("mean rate", "", "", "", f"{_figure(spoken.rate)}/s")
    if spoken.nuclide:
        table.add_row("recognised", "", "", "", Text(plain(spoken.nuclide)))
    return table


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def _chart(
    channel: str, strip: Sequence[Sequence[Any]], threshold_cps: float | None, width: int, console: Console
) -> Iterator[Text]:
    """The last minute: the highest interval of each column, alarms in red; the newest is on the right."""
    columns, alarms, interval_s = [0.0] * width, [False] * width, _interval(strip)
    for ago, counts, alarm in strip:
        place = width - 1 - min(int(ago / STRIP_S * width), width - 1)
        columns[place] = max(columns[place], counts / interval_s)
        alarms[place] = alarms[place] or bool(alarm)
    top = max(*columns, threshold_cps or 0.0, 1.0)
    about = "" if threshold_cps is None else f", alarm from {_figure(threshold_cps)}/s"
    yield Text(f"{channel}, last {STRIP_S:.0f} s, up to {_figure(top)}/s{about}", "dim")
    level = None if threshold_cps is None else int(threshold_cps / top * _ROWS * 8 - 1) // 8
    yield from _bars(columns, alarms, top, level, console)


def _interval(strip: Sequence[Sequence[Any]]) -> float:
    """Seconds between two counts, as most of them lie apart."""
    gaps = sorted(round(before[0] - after[0], 2) for before, after in pairwise(strip))
    usual = gaps[len(gaps) // 2] if gaps else 1.0
    return max(usual, 0.1)


def _doses(doses: Sequence[float], width: int, console: Console) -> Iterator[Text]:
    columns = [*doses][-width:]
    top = max(*columns, 1.0)
    yield Text(f"dose rate, last {len(columns)} readings, up to {top:,.0f} nSv/h", "dim")
    yield from _bars(columns, [False] * len(columns), top, None, console)


def _bars(
    columns: Sequence[float], alarms: Sequence[bool], top: float, level: int | None, console: Console
) -> Iterator[Text]:
    blocks = console.encoding.lower().startswith("utf")
    for row in reversed(range(_ROWS)):
        text = Text()
        for value, alarm in zip(columns, alarms, strict=True):
            eighths = min(max(round(value / top * _ROWS * 8) - 8 * row, 0), 8)
            if not eighths and row == level:
                text.append("┄" if blocks else "-", "yellow")
            else:
                text.append(
                    _EIGHTHS[eighths] if blocks else "#" if eighths >= 4 else " ", "bold red" if alarm else "blue"
                )
        yield text


def _passages(passages: Sequence[Answer]) -> Iterator[Text]:
    for passage in passages:
        if passage["ended_s"] is None:
            when = f"for {passage['began_s']:.0f} s"
        else:
            when = f"{passage['ended_s']:.0f} s ago, for {passage['began_s'] - passage['ended_s']:.0f} s"
        if passage["alarms"]:
            own = f" (own test: {', '.join(passage['own'])})" if passage["own"] else ""
            yield Text(f"passage {when}: ALARM {', '.join(passage['alarms'])}{own}", "bold red")
        elif not passage["monitored"]:
            yield Text(f"passage {when}: not monitored ({passage['health']})", "yellow")
        else:
            yield Text(f"passage {when}: {'quiet so far' if passage['ended_s'] is None else 'quiet'}")


def _counted(spoken: Spoken) -> Text:
    kinds = (f"{number} {kind}" for kind, number in sorted(spoken.kinds.items()) if kind != "line")
    return Text(f"heard: {', '.join(kinds) or 'nothing yet'}    Ctrl-C ends", "dim")
