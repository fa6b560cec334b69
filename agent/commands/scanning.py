"""`failsafe scan`: what hangs on the serial ports of this machine, and the configuration for it.

A port is listened to at one setting after the other; only with `--ask` anything is sent. What a document reader sends
is never shown as it is.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from failsafe.agent import config
from failsafe.agent.config import ConfigurationRefused
from failsafe.agent.tables import Configuration
from failsafe.drivers import driver as drivers
from failsafe.drivers import ports as machine
from failsafe.drivers import scan as scans
from failsafe.drivers.driver import Driver, DriverRefused, LineSettings
from failsafe.drivers.line import LineState, SerialLine
from failsafe.drivers.ports import Port
from failsafe.drivers.scan import GRADES, Hearing, Judgement

# A portal tells its background every 5 s; instruments speak more often.
USUAL_SECONDS: Final = 6.0
# A device that was asked says something at once; some are told to talk first and then speak each second.
_ANSWER_S: Final = 1.0
_TALK_S: Final = 4.0
_GLANCE_S: Final = 0.1
_AT_ONCE: Final = 16

State = Literal["found", "noise", "silent", "held", "denied", "absent", "lost"]
_STATES: Final[dict[str, State]] = {"ABSENT": "absent", "LOCKED": "held", "DENIED": "denied", "LOST": "lost"}
_SILENT: Final = "Nothing was heard."
_SILENT_ADVICE: Final = (
    "Check cable and power. A document reader is silent until a document lies on it: lay a specimen on it and scan "
    "again with --seconds 30. Some devices speak only when asked: --ask."
)
_ASKED_ADVICE: Final = (
    "It answered no question either. Check cable and power, and whether receive and transmit are crossed; lay a "
    "specimen on a document reader meanwhile."
)
_NOISE_ADVICE: Final = (
    "Set the device to one of the speeds in docs/detectors.md or docs/document-readers.md; `failsafe record` keeps "
    "what it says, for help. A driver can be written: docs/driver-howto.md."
)
_HELD_ADVICE: Final = "End the other program, ModemManager for instance, and scan again."
_SERVICE_ADVICE: Final = "The running service listens to it: `failsafe watch {}` shows what it says."


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one port.

    Attributes:
        judgement: of the best driver, where there is one, and `settings` of the line it was heard at.
        others: what other drivers make of it.
        excerpt: the last that was heard, masked, where no driver knows it.
        known_as: the name that the configuration gives the port; empty where it has none.
    """

    port: Port
    state: State
    detail: str
    advice: str = ""
    judgement: Judgement | None = None
    settings: LineSettings | None = None
    others: tuple[Judgement, ...] = ()
    excerpt: str = ""
    known_as: str = ""


@dataclass(slots=True)
class Scan:
    """One port while it is scanned.

    Args:
        port: which.
        candidates: the drivers that judge.
        seconds: how long to listen at each setting.
        ask: whether the device may be asked.
        tell: called several times a second with what is being done.
    """

    port: Port
    candidates: Sequence[Driver]
    seconds: float
    ask: bool
    tell: Callable[[str], None]
    _best: tuple[Judgement, LineSettings, tuple[Judgement, ...]] | None = None
    _length: int = 0
    _excerpt: str = ""
    _fault: LineState | None = None

    def run(self) -> Finding:
        """Listen, ask where that is allowed, and say what was found."""
        holders = machine.holders(self.port.device)
        if holders:
            return Finding(self.port, "held", f"It is held by {', '.join(holders)}.", _HELD_ADVICE)
        self._listen_around()
        if self.ask and not self._sure and self._fault is None:
            self._ask_around()
        return self._finding()

    @property
    def _sure(self) -> bool:
        return self._best is not None and self._best[0].grade == "sure"

    @property
    def _clean(self) -> bool:
        return self._best is not None and self._best[0].clean

    def _listen_around(self) -> None:
        for settings in scans.line_settings(self.candidates):
            self._listen(settings, self.seconds)
            if self._clean or self._fault is not None or not self._length:
                break
        # Some ports take any speed, and a neighbouring parity lets much through: what the driver is used to, if it
        # does as well, is right.
        if self._fault is None and self._best is not None and self._best[1] != self._best[0].driver.line:
            self._listen(self._best[0].driver.line, self.seconds, prefer=True)

    def _ask_around(self) -> None:
        for driver, settings in scans.questions(self.candidates):
            self._listen(settings, _TALK_S, asked=driver)
            if self._sure or self._fault is not None:
                return

    def _listen(
        self, settings: LineSettings, seconds: float, *, asked: Driver | None = None, prefer: bool = False
    ) -> None:
        what = f"{scans.in_short(settings)}{f', asking as {asked.name}' if asked else ''}"
        hearing = Hearing(self.candidates, asked)
        self._fault = _heard(
            self.port.path, settings, hearing, seconds, _ANSWER_S if asked else seconds, lambda: self.tell(what)
        )
        self._length += hearing.length
        self._excerpt = hearing.excerpt or self._excerpt
        judgements = hearing.judgements
        if judgements and (self._best is None or _rank(judgements[0]) <= _rank(self._best[0], strict=not prefer)):
            self._best = (judgements[0], settings, judgements[1:])

    def _finding(self) -> Finding:
        if self._fault is not None and self._best is None:
            return Finding(self.port, _STATES[self._fault.state], self._fault.detail, self._fault.advice)
        if self._best is not None:
            judgement, settings, others = self._best
            return Finding(self.port, "found", judgement.why, "", judgement, settings, others)
        if self._length:
            detail = f"{self._length} bytes were heard that no driver knows, at any speed that was tried."
            return Finding(self.port, "noise", detail, _NOISE_ADVICE, excerpt=self._excerpt)
        return Finding(self.port, "silent", _SILENT, _ASKED_ADVICE if self.ask else _SILENT_ADVICE)


def _rank(judgement: Judgement, *, strict: bool = False) -> tuple[int, float, float]:
    """The lower, the better; with `strict`, only a better one is as low."""
    return GRADES.index(judgement.grade), judgement.lost, -1.0 if strict else 0.0


def _heard(
    port: str,
    settings: LineSettings,
    hearing: Hearing,
    seconds: float,
    silent_s: float,
    tell: Callable[[], None],
) -> LineState | None:
    """Let `hearing` hear a port until it is sure or the time is over; the fault where it could not be listened to."""
    faults: list[LineState] = []
    faulty = threading.Event()

    def report(state: LineState) -> None:
        if state.state != "OK":
            faults.append(state)
            faulty.set()

    listener = Driver("scan", "", "radiation", settings, "from documents, no hardware", lambda: hearing)
    line = SerialLine("scan", port, listener, settings, deliver=lambda reading: None, report=report)
    line.start()
    begun_at = _now()
    try:
        while _now() - begun_at < (seconds if hearing.length else silent_s) and not faulty.wait(_GLANCE_S):
            tell()
            judged = hearing.judgements
            if judged and judged[0].grade == "sure":
                break
    finally:
        line.stop()
    return faults[0] if faults else None


def _now() -> float:
    return time.monotonic()  # noqa: TID251  how long a person waits


# --- the command -----------------------------------------------------------------------------------------------


@click.command()
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=config.DEFAULT_PATH,
    show_default=True,
    help="The booth's configuration, if there is one: what is in it is named.",
)
@click.argument("ports", nargs=-1)
@click.option("--ask", is_flag=True, help="Put the drivers' questions to silent devices; else nothing is ever sent.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.5, max=3600),
    default=USUAL_SECONDS,
    show_default=True,
    help="How long to listen at each speed.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a port for programs.")
def scan(path: Path, ports: tuple[str, ...], ask: bool, seconds: float, as_json: bool) -> None:
    """Find what hangs on the serial ports, or on the PORTS named, and print configuration for it."""
    found = [machine.port(port) for port in ports] if ports else [*machine.ports()]
    if not found:
        raise click.ClickException("There is no serial port on this machine. Plug the device in, or name its PORT.")
    known = _known(path)
    named = _named(known)
    with _progress() as bar:
        findings = [
            replace(one, known_as=named.get(one.port.device, "")) for one in scan_all(found, seconds, ask=ask, bar=bar)
        ]
    names = _names(known)
    for finding in findings:
        text = _table(finding, names)
        if as_json:
            click.echo(json.dumps(as_object(finding, text), ensure_ascii=False))
            continue
        click.echo(in_words(finding), err=True)
        if text:
            click.echo(text)
    if not as_json and any(finding.judgement and not finding.known_as for finding in findings):
        click.echo("Put the tables into booth.toml, fill in the lanes, and call `failsafe config check`.", err=True)


def scan_all(found: Sequence[Port], seconds: float, *, ask: bool, bar: Progress) -> list[Finding]:
    """All ports at the same time, in their order."""
    candidates = _candidates()

    def one(port: Port) -> Finding:
        task = bar.add_task(port.path, total=_longest(candidates, seconds, ask=ask), at="")
        begun_at = _now()

        def tell(what: str) -> None:
            bar.update(task, at=what, completed=_now() - begun_at)

        finding = Scan(port, candidates, seconds, ask, tell).run()
        bar.update(task, at=finding.state, total=1.0, completed=1.0)
        return finding

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(one, found))


def _longest(candidates: Sequence[Driver], seconds: float, *, ask: bool) -> float:
    asked_s = _TALK_S * len(scans.questions(candidates)) if ask else 0.0
    return seconds * len(scans.line_settings(candidates)) + asked_s


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar a port on a terminal's standard error, gone when it is done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield bar


def _candidates() -> tuple[Driver, ...]:
    found = []
    for name in drivers.installed():
        try:
            found.append(drivers.find(name))
        except DriverRefused as refused:
            click.echo(str(refused), err=True)
    return tuple(found)


def _known(path: Path) -> Configuration | None:
    try:
        return config.load(path)
    except ConfigurationRefused:
        return None  # a technician scans before there is one


def _named(known: Configuration | None) -> dict[str, str]:
    """The configured devices' names by the device their port points at now."""
    tables = (*known.readers, *known.portals) if known else ()
    return {os.path.realpath(one.port): one.name for one in tables if one.port}


def _names(known: Configuration | None) -> Callable[[Driver], str]:
    """Names for new devices that the configuration does not have yet."""
    taken = {one.name for one in (*known.readers, *known.portals)} if known else set()

    def name(driver: Driver) -> str:
        word, number = "passport" if driver.role == "document" else "detector", 1
        while f"{word}-{number}" in taken:
            number += 1
        taken.add(f"{word}-{number}")
        return f"{word}-{number}"

    return name


def _table(finding: Finding, names: Callable[[Driver], str]) -> str:
    if finding.judgement is None or finding.settings is None or finding.known_as:
        return ""
    driver = finding.judgement.driver
    return scans.table(driver, finding.port.path, finding.settings, names(driver))


def _advice(finding: Finding) -> str:
    if finding.known_as and finding.state == "held":
        return _SERVICE_ADVICE.format(finding.known_as)
    return finding.advice


def in_words(finding: Finding) -> str:
    """One port for a person."""
    port = finding.port
    where = port.path if port.path == port.device else f"{port.path} ({port.device})"
    about = f", {port.description}" if port.description else ""
    known = f" It is {finding.known_as} of the configuration." if finding.known_as else ""
    if finding.judgement is None or finding.settings is None:
        excerpt = f" The last of them, masked: {finding.excerpt}" if finding.excerpt else ""
        return f"{where}{about}: {finding.state}. {finding.detail}{excerpt}{known} {_advice(finding)}".rstrip()
    judgement = finding.judgement
    alike = [one.driver.name for one in finding.others if one.grade == judgement.grade]
    more = f" It could as well be: {', '.join(alike)}." if alike else ""
    tried = "" if judgement.driver.status == "captures" else f" The driver's standing: {judgement.driver.status}."
    return (
        f"{where}{about}: {judgement.driver.name} ({judgement.driver.makes}), {judgement.grade}. "
        f"Heard at {scans.in_short(finding.settings)}: {finding.detail}.{more}{tried}{known}"
    )


def as_object(finding: Finding, text: str) -> dict[str, Any]:
    """One port for a program; `configuration` is the table as text, empty where there is none to write."""
    judgement, settings = finding.judgement, finding.settings
    line = settings and {
        "baud": settings.baud,
        "byte_size": settings.byte_size,
        "parity": settings.parity,
        "stop_bits": settings.stop_bits,
    }
    return {
        "port": finding.port.path,
        "device": finding.port.device,
        "description": finding.port.description,
        "state": finding.state,
        "driver": judgement.driver.name if judgement else None,
        "grade": judgement.grade if judgement else "no",
        "detail": finding.detail,
        "advice": _advice(finding),
        "line": line,
        "others": [{"driver": one.driver.name, "grade": one.grade} for one in finding.others],
        "known_as": finding.known_as or None,
        "configuration": text or None,
    }
