"""The technician's commands: `failsafe watch`, `failsafe record`, `failsafe replay`.

What they show or write holds no traveller: letters and digits of documents are masked unless `--specimen` says that
only specimens lie on the reader.
"""

from __future__ import annotations

import json
import queue
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import click
from rich.console import Console

from failsafe.agent import config
from failsafe.agent.commands import watching
from failsafe.agent.config import ConfigurationRefused
from failsafe.agent.control import CoreUnreachable, Visitor
from failsafe.agent.tables import LaneTable, PortalTable
from failsafe.drivers import driver as drivers
from failsafe.drivers import simulator, transcript
from failsafe.drivers.driver import Driver, LineSettings
from failsafe.drivers.line import LineState, SerialLine
from failsafe.drivers.recording import Recorder
from failsafe.drivers.transcript import TranscriptRefused

# What follows a detector counts with numpy; the link and the commands that draw nothing start without it.
if TYPE_CHECKING:
    from failsafe.agent.commands.live import Look
    from failsafe.agent.radiation.detector import LaneMonitor

_GLANCE_S: Final = 0.1
_Went = queue.Queue[tuple[bytes, bool, float]]  # bytes, whether from the device, when

with_driver = click.option("--driver", help="Of the device; the configuration's if it has the port, else cute.")
with_baud = click.option("--baud", type=click.IntRange(300, 4_000_000), help="Speed of the line, if not the driver's.")
with_specimen = click.option("--specimen", is_flag=True, help="Only specimens lie on the reader: mask nothing.")
with_config = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=config.DEFAULT_PATH,
    show_default=True,
    help="The booth's configuration.",
)


@dataclass(frozen=True, slots=True)
class _Device:
    """What is to be heard: `name` where the configuration knows it."""

    name: str | None
    port: str
    driver: Driver
    settings: LineSettings
    socket: Path | None
    lane: LaneTable | None = None
    nsigma: float | None = None

    def monitor(self) -> LaneMonitor:
        """As the booth would have it."""
        from failsafe.agent.commands import live

        return live.monitor_of(self.name or self.port, self.driver, self.lane, self.nsigma)


def _device(word: str, path: Path, driver: str | None, baud: int | None) -> _Device:
    """The device called `word` in the configuration, or the one at the port `word`."""
    is_port = "/" in word
    try:
        known = config.load(path)
    except ConfigurationRefused:
        if not is_port:
            raise
        known = None
    tables = (*known.readers, *known.portals) if known else ()
    table = next((one for one in tables if word in (one.name, one.place)), None)
    if table is None and not is_port:
        names = ", ".join(one.name for one in tables) or "none"
        raise click.UsageError(f"There is no device {word!r}; there are: {names}. A port is a path with a slash.")
    found = _driver(driver or (table.driver if table else "cute"))
    settings = table.line(found.line) if table else found.line
    if baud is not None:
        settings = replace(settings, baud=baud)
    socket = Path(known.core.socket) if known else None
    if known is None or table is None:
        return _Device(None, word, found, settings, socket)
    lane = next((one for one in known.lanes if one.name == table.lane), None)
    nsigma = table.nsigma if isinstance(table, PortalTable) else None
    return _Device(table.name, known.port_of(table), found, settings, socket, lane, nsigma)


def _driver(name: str) -> Driver:
    try:
        return drivers.find(name)
    except KeyError as error:
        raise click.UsageError(str(error.args[0])) from error


# --- watch -----------------------------------------------------------------------------------------------------


@click.command()
@with_config
@click.argument("device")
@with_driver
@with_baud
@with_specimen
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for programs.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many readings.")
def watch(
    path: Path, device: str, driver: str | None, baud: int | None, specimen: bool, as_json: bool, count: int | None
) -> None:
    """Show what DEVICE (a configured name, or a port) sends: documents with their check digits, a detector drawn."""
    found = _device(device, path, driver, baud)
    console = Console()
    if found.driver.role == "radiation" and console.is_terminal and not as_json and count is None:
        from failsafe.agent.commands import live

        with _looked_at(found) as look:
            live.show(look, console)
        return
    seen = 0
    with suppress(KeyboardInterrupt), closing(_heard(found, specimen)) as heard:
        for one in heard:
            click.echo(json.dumps(one, ensure_ascii=False) if as_json else watching.in_words(one))
            seen += one["kind"] != "line"
            if seen == count:
                return


@contextmanager
def _looked_at(found: _Device) -> Iterator[Look]:
    """The same of a detector, for the picture on a terminal."""
    from failsafe.agent.commands import live

    with ExitStack() as stack:
        if found.name is not None and found.socket is not None:
            try:
                look = stack.enter_context(live.by_core(found.socket, found.name))
            except CoreUnreachable:
                click.echo(f"No core is running; listening to {found.port} here.", err=True)
            else:
                yield look
                return
        yield stack.enter_context(live.by_port(found.port, found.settings, found.driver, found.monitor()))


def _heard(found: _Device, specimen: bool) -> Generator[watching.Told, None, None]:
    """By the running core where there is one that has this device, else by the port itself."""
    if found.name is not None and found.socket is not None:
        try:
            core = Visitor(found.socket, timeout_s=None)
        except CoreUnreachable:
            click.echo(f"No core is running; listening to {found.port} here.", err=True)
        else:
            with core:
                yield from _from_core(core, found.name, specimen)
            return
    with closing(watching.port_readings(found.driver, found.port, found.settings, specimen=specimen)) as heard:
        yield from heard


def _from_core(core: Visitor, name: str, specimen: bool) -> Generator[watching.Told, None, None]:
    first = core.ask("watch", device=name, specimen=specimen)
    if "error" in first:
        raise click.ClickException(f"{first['error']} {first.get('advice', '')}".strip())
    click.echo(f"The core is listening to {name}.", err=True)
    while True:
        yield core.next()


# --- record ----------------------------------------------------------------------------------------------------


@click.command()
@with_config
@click.argument("port")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@with_driver
@with_baud
@with_specimen
@click.option("--seconds", type=click.FloatRange(min=0.1), help="End after so long; else at Ctrl-C.")
def record(
    path: Path,
    port: str,
    file: Path,
    driver: str | None,
    baud: int | None,
    specimen: bool,
    seconds: float | None,
) -> None:
    """Record what goes over PORT (or a named device's) into the new FILE, for `failsafe replay` and for help."""
    found = _device(port, path, driver, baud)
    recorder = Recorder(found.driver, found.settings.baud, specimen=specimen)
    try:
        text = file.open("x", encoding="ascii")
    except FileExistsError as error:
        raise click.ClickException(f"{file} is there already. Name a new file; recordings are not mixed.") from error
    with text, suppress(KeyboardInterrupt):
        text.write(recorder.head)
        _record(found, recorder, text, seconds)
    click.echo(f"Recorded into {file}.", err=True)


def _record(found: _Device, recorder: Recorder, file: IO[str], seconds: float | None) -> None:
    """Write what goes over the line until the time is over or the keyboard interrupts, and then what was held."""
    went: _Went = queue.Queue()
    line = SerialLine(
        "record",
        found.port,
        found.driver,
        found.settings,
        deliver=lambda reading: None,
        report=_say_state,
        tap=lambda content, from_device: went.put((content, from_device, _now())),
    )
    line.start()
    try:
        _write(went, recorder, file, None if seconds is None else _now() + seconds)
    finally:
        line.stop()
        while not went.empty():
            file.write(recorder.add(*went.get()))
        file.write(recorder.rest())


def _write(
    went: queue.Queue[tuple[bytes, bool, float]], recorder: Recorder, file: IO[str], until: float | None
) -> None:
    while until is None or _now() < until:
        try:
            file.write(recorder.add(*went.get(timeout=_GLANCE_S)))
        except queue.Empty:
            file.write(recorder.idle(_now()))
        file.flush()


def _say_state(state: LineState) -> None:
    held = " The running service may hold it: stop it first." if state.state == "LOCKED" else ""
    click.echo(f"line {state.state}: {state.detail} {state.advice}{held}".rstrip(), err=True)


def _now() -> float:
    return time.monotonic()  # noqa: TID251  the recording's own clock


# --- replay ----------------------------------------------------------------------------------------------------


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--port", type=click.Path(path_type=Path), help="Path of the port to make; a new one if not given.")
@click.option("--after", type=click.FloatRange(min=0), default=3.0, show_default=True, help="Seconds to wait first.")
@click.option("--pace", type=click.FloatRange(min=0), default=1.0, show_default=True, help="0 plays without pauses.")
@click.option("--repeat", type=click.IntRange(min=0), default=1, show_default=True, help="How often; 0 until Ctrl-C.")
def replay(file: IO[bytes], port: Path | None, after: float, pace: float, repeat: int) -> None:
    """Play a recording on a new port, at its own times: a device for `failsafe watch` or a booth to listen to."""
    try:
        played = transcript.parse(file.read().decode("latin-1").replace("\r\n", "\n"))
    except TranscriptRefused as refused:
        raise click.ClickException(f"{file.name}: {refused}") from refused
    if port is not None and (port.exists() or port.is_symlink()):
        raise click.ClickException(f"{port} is there already. Name a path that is not, or leave --port out.")
    stopping = threading.Event()
    with tempfile.TemporaryDirectory(prefix="failsafe-") as folder:
        link = port or Path(folder) / "device"
        with simulator.Pty(link) as pty, suppress(KeyboardInterrupt):
            click.echo(f"{link} speaks as {played.driver} at {played.baud} baud in {after:g} s.")
            stopping.wait(after)
            rounds = 0
            while not stopping.is_set() and (repeat == 0 or rounds < repeat):
                simulator.play(played, pty, stopping, pace)
                rounds += 1
                stopping.wait(_GLANCE_S)
