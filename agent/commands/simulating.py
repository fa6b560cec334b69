"""`failsafe simulate`: a device that is not there, on a port of its own, to try a configuration without hardware."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import click

from failsafe.drivers import driver as drivers
from failsafe.drivers import scripts
from failsafe.drivers.detectors import Detector
from failsafe.drivers.driver import Driver
from failsafe.drivers.families import FAMILIES
from failsafe.drivers.readers import READERS, Reader
from failsafe.drivers.scripts import Act, ScriptRefused
from failsafe.drivers.simulator import Pty

_FAULTS: Final = tuple(dict.fromkeys((*scripts.DETECTOR_FAULTS, *scripts.READER_FAULTS)))
# How such a fault ends, for those that can end.
_ENDS: Final = {
    "silence": "talk",
    "garbage": "clear",
    "tamper": "mend",
    "stuck": "loose",
    "high-background": "background 1",
    "unplug": "plug",
}
# Somebody with a source that no detector of the family overlooks, every so often.
_EVERY_S: Final = 20.0
_PASSAGE_S: Final = 4.0


@click.command()
@click.argument("driver")
@click.option("--port", type=click.Path(path_type=Path), help="Path of the port to make; a new one if not given.")
@click.option("--fault", type=click.Choice(_FAULTS), help="What goes wrong.")
@click.option("--after", type=click.FloatRange(min=0), default=10.0, show_default=True, help="Seconds until the fault.")
@click.option("--lasts", type=click.FloatRange(min=0), help="Seconds that the fault lasts; for good if not given.")
@click.option(
    "--source", type=click.FloatRange(min=0), default=0.0, help="Counts per second that passages bring along."
)
@click.option(
    "--every",
    type=click.FloatRange(min=0),
    default=_EVERY_S,
    show_default=True,
    help="Seconds from one to the next; 0: none.",
)
@click.option("--script", "file", type=click.File("r", encoding="utf-8"), help="What happens instead, line by line.")
@click.option(
    "--pace", type=click.FloatRange(min=0.001), default=1.0, show_default=True, help="0.1 plays ten times faster."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Another gives other counts.")
@click.option("--seconds", type=click.FloatRange(min=0), help="End after so long; else at Ctrl-C.")
def simulate(
    driver: str,
    port: Path | None,
    fault: str | None,
    after: float,
    lasts: float | None,
    source: float,
    every: float,
    file: IO[str] | None,
    pace: float,
    seed: int,
    seconds: float | None,
) -> None:
    """Play a device of DRIVER on a new port, with passages or documents and a fault, until Ctrl-C."""
    found = _driver(driver)
    acts = _script(file, found) if file else _usual(found, source, every)
    trouble = _fault(found, fault, after, lasts) if fault else ()
    if port is not None and (port.exists() or port.is_symlink()):
        raise click.ClickException(f"{port} is there already. Name a path that is not, or leave --port out.")
    with tempfile.TemporaryDirectory(prefix="failsafe-") as folder, Pty(port or Path(folder) / driver) as pty:
        device = _device(pty, found, seed, pace)
        click.echo(f"{pty.link} speaks as {driver}. Try: failsafe watch {pty.link} --driver {driver}")
        with suppress(KeyboardInterrupt), _playing(device, acts, trouble, repeat=file is None):
            threading.Event().wait(seconds)


def _driver(name: str) -> Driver:
    try:
        found = drivers.find(name)
    except KeyError as error:
        raise click.UsageError(str(error.args[0])) from error
    if name not in (*FAMILIES, *READERS):
        raise click.UsageError(f"There is no simulator for {name!r}; there are: {', '.join((*READERS, *FAMILIES))}.")
    return found


def _device(pty: Pty, driver: Driver, seed: int, pace: float) -> Detector | Reader:
    if driver.role == "document":
        return Reader(pty, driver.name, pace)
    return Detector(pty, FAMILIES[driver.name](), seed, pace)


def _script(file: IO[str], driver: Driver) -> tuple[Act, ...]:
    try:
        return scripts.script(file.read(), driver.role)
    except ScriptRefused as refused:
        raise click.ClickException(f"{file.name}: {refused}") from refused


def _usual(driver: Driver, source: float, every: float) -> tuple[Act, ...]:
    """A document, or a passage, time and again."""
    if not every:
        return ()
    return (Act(every, "document") if driver.role == "document" else Act(every, "passage", (source, _PASSAGE_S)),)


def _fault(driver: Driver, name: str, after: float, lasts: float | None) -> tuple[Act, ...]:
    known = scripts.READER_FAULTS if driver.role == "document" else scripts.DETECTOR_FAULTS
    if name not in known or (name == "tamper" and driver.name not in scripts.TELL_TROUBLE):
        raise click.UsageError(f"A {driver.name} device has no such fault; it has: {', '.join(known)}.")
    text = f"{after} {known[name].partition(' ')[2]}"
    if lasts is not None and name in _ENDS:
        text += f"\n{lasts} {_ENDS[name]}"
    return scripts.script(text, driver.role)


@contextmanager
def _playing(
    device: Detector | Reader, acts: tuple[Act, ...], trouble: tuple[Act, ...], *, repeat: bool
) -> Iterator[None]:
    """The device lives and things happen to it, each course in a thread of its own."""
    stopping = threading.Event()

    def happen() -> None:
        while acts and not stopping.is_set():
            scripts.perform(acts, device, stopping)
            if not repeat:
                return

    threads = [
        threading.Thread(target=happen, name="script", daemon=True),
        threading.Thread(target=scripts.perform, args=(trouble, device, stopping), name="fault", daemon=True),
    ]
    device.start()
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        device.stop()
        for thread in threads:
            thread.join(_PASSAGE_S)
