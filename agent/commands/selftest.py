"""`failsafe selftest`: one table of all that a booth stands on, each line with what to do next.

Of a running core is asked what only it knows, over its socket; its databases are never opened beside it. Where none
runs, ports are listened to and databases opened here, by the user they belong to. Nothing is recorded, no alert raised.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from failsafe.agent import config, disk_keys, keys
from failsafe.agent.commands import status
from failsafe.agent.commands.terminal import plain
from failsafe.agent.config import ConfigurationRefused
from failsafe.agent.control import CoreUnreachable, Visitor
from failsafe.agent.keys import KeysRefused
from failsafe.agent.tables import Configuration, DeviceTable
from failsafe.drivers import driver as drivers
from failsafe.drivers.line import LineState, SerialLine
from failsafe.drivers.reading import DeviceHealth, Malformed, Reading
from failsafe.sync.errors import SyncError
from failsafe.sync.ledger import Ledger
from failsafe.sync.mirror import Mirror

Word = Literal["OK", "ATTENTION", "FAULT"]

# An hour of everything that a booth can write fits into the first many times over.
_LITTLE_SPACE: Final = 1 << 30
_NO_SPACE: Final = 200 << 20
# A portal tells its background every five seconds.
LISTENS_S: Final = 12.0
_BUILT: Final = 1_767_225_600.0  # 2026: a clock before it was never set
_PATIENCE_S: Final = 10.0
_BY_MARK: Final[dict[str, Word]] = {"CLEAR": "OK", "CHECK": "ATTENTION", "CANNOT CLEAR": "FAULT", "STOP": "FAULT"}
_STYLES: Final[dict[Word, str]] = {"OK": "bold blue", "ATTENTION": "bold yellow", "FAULT": "bold red"}


@dataclass(frozen=True, slots=True)
class Line:
    """What was looked at, how it is, and what to do next (empty where nothing is)."""

    name: str
    word: Word
    told: str
    advice: str = ""


def run(path: Path, *, as_json: bool) -> int:
    """Test the booth of this configuration and print how it is; the exit code."""
    lines = list(_lines(path))
    word = worst(lines)
    if as_json:
        click.echo(json.dumps({"word": word, "lines": [asdict(line) for line in lines]}, ensure_ascii=False))
    else:
        show(lines, Console())
    return 1 if word == "FAULT" else 0


def worst(lines: list[Line]) -> Word:
    """The word of the whole."""
    words = {line.word for line in lines}
    return "FAULT" if "FAULT" in words else "ATTENTION" if "ATTENTION" in words else "OK"


def show(lines: list[Line], console: Console) -> None:
    """A table on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        for line in lines:
            click.echo(plain(f"{line.word}: {line.name}: {line.told} {line.advice}".rstrip()))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(max_width=max(12, console.width // 4))
    table.add_column(overflow="fold")
    for line in lines:
        told = plain(f"{line.told} {line.advice}".strip())
        table.add_row(Text(line.word, _STYLES[line.word]), Text(plain(line.name)), Text(told))
    console.print(table)


def _lines(path: Path) -> Iterator[Line]:
    try:
        text = config.read(path)
        configuration = config.parse(text, path)
    except ConfigurationRefused as refused:
        yield Line("configuration", "FAULT", str(refused))
        return
    cautions = config.cautions(text, path)
    yield Line("configuration", "OK", f"{path} is good.")
    yield from (Line("configuration", "ATTENTION", str(caution)) for caution in cautions)
    told = _asked(configuration)
    yield from _of_keys(configuration, core=told is not None)
    yield from _of_folders(configuration, core=told is not None)
    if told is None:
        yield Line("core", "ATTENTION", "It does not run.", "Start it: `systemctl start failsafe-core`.")
        yield _of_clock(_wall())
        yield from _of_databases(configuration)
        yield from _of_ports(configuration)
    else:
        yield from _of_core(told)
    yield from _of_proofs(configuration)


# --- the running core ----------------------------------------------------------------------------------------------


def _asked(configuration: Configuration) -> dict[str, Any] | None:
    """What a running core tells; None where none runs."""
    try:
        with Visitor(Path(configuration.core.socket), timeout_s=_PATIENCE_S) as core:
            return {"status": core.ask("status"), "recorder": core.ask("recorder")}
    except CoreUnreachable:
        return None


def _of_core(told: Mapping[str, Any]) -> Iterator[Line]:
    """What `failsafe status` says, and whether the ledger's writer answers."""
    try:
        report = status.report(told["status"])
    except CoreUnreachable as error:
        yield Line("core", "FAULT", str(error))
        return
    yield Line("core", "OK", f"It runs and answers: {report.title}.")
    for fact in report.facts:
        if fact.mark in _BY_MARK:
            yield Line(fact.name, _BY_MARK[fact.mark], fact.told)
    recorder = told["recorder"]
    if recorder.get("recorded"):
        yield Line("recorder", "OK", f"It wrote to the disk in {recorder['ms']} ms.")
    else:
        advice = recorder.get("advice") or "Look at the core's log: `journalctl -u failsafe-core`."
        yield Line("recorder", "FAULT", "The ledger's writer does not answer.", advice)


# --- files ---------------------------------------------------------------------------------------------------------


def _of_keys(configuration: Configuration, *, core: bool) -> Iterator[Line]:
    if not configuration.folders.keys and core:
        yield Line("keys", "OK", "systemd gives them to the core, which has opened its databases with them.")
        return
    try:
        keys.load(keys.folder(configuration.folders.keys))
    except KeysRefused as refused:
        unseen = not configuration.folders.keys
        yield Line("keys", "ATTENTION" if unseen else "FAULT", str(refused))
        return
    yield Line("keys", "OK", "All four can be read by their owner alone.")


def _of_folders(configuration: Configuration, *, core: bool) -> Iterator[Line]:
    state, spool = Path(configuration.folders.state), Path(configuration.folders.spool)
    owner = _owner(state)
    for name, folder in (("state", state), ("spool in", spool / "in"), ("spool out", spool / "out")):
        yield _of_folder(name, folder, owner if name == "spool out" else None, core=core)
    for folder in dict.fromkeys((state, spool)):
        yield from _of_space(folder)


def _owner(folder: Path) -> int | None:
    try:
        return folder.stat().st_uid
    except OSError:
        return None


def _of_folder(name: str, folder: Path, owner: int | None, *, core: bool) -> Line:
    """Whether a folder is there, is nobody's else, and is the core's where the core writes."""
    try:
        found = folder.stat()
    except FileNotFoundError:
        missing: Word = "FAULT" if core else "ATTENTION"
        return Line(name, missing, f"{folder} is not there.", "Install the booth, or start the core once.")
    except OSError as error:
        return Line(name, "ATTENTION", f"{folder}: {error.strerror}.", "Call it as the service's user, or as root.")
    if not stat.S_ISDIR(found.st_mode):
        return Line(name, "FAULT", f"{folder} is no folder.", "Remove what stands in its place.")
    if found.st_mode & stat.S_IWOTH:
        return Line(name, "FAULT", f"Everybody can write in {folder}.", f"chmod o-rwx {folder}")
    if owner is not None and found.st_uid != owner:
        advice = f"chown {_name(owner)} {folder}; systemd-tmpfiles --create does it, too."
        return Line(name, "FAULT", f"{folder} belongs to {_name(found.st_uid)}, not to the core.", advice)
    if found.st_mode & (stat.S_IROTH | stat.S_IXOTH):
        return Line(name, "ATTENTION", f"Everybody can look into {folder}.", f"chmod o-rwx {folder}")
    if found.st_uid == os.geteuid() and not os.access(folder, os.W_OK | os.X_OK):
        return Line(name, "FAULT", f"Its owner cannot write in {folder}.", f"chmod u+rwx {folder}")
    return Line(name, "OK", f"{folder} belongs to {_name(found.st_uid)}.")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"'#{uid}'"


def _of_space(folder: Path) -> Iterator[Line]:
    try:
        free = shutil.disk_usage(folder).free
        places = os.statvfs(folder)
    except OSError:
        return  # told above
    word: Word = "FAULT" if free < _NO_SPACE else "ATTENTION" if free < _LITTLE_SPACE else "OK"
    if places.f_files and places.f_favail < 1000:
        word = "FAULT"
    advice = "" if word == "OK" else "Free space; nothing that waits is ever deleted by the booth itself."
    yield Line("disk", word, f"{free / (1 << 30):.1f} GiB are free for {folder}.", advice)


def _of_clock(wall: float) -> Line:
    if wall < _BUILT:
        return Line("clock", "FAULT", "It shows a time before this program was made.", "Set it: `timedatectl`.")
    return Line("clock", "OK", "Set; the running core tells whether it can be trusted.")


# --- where no core runs --------------------------------------------------------------------------------------------


def _of_databases(configuration: Configuration) -> Iterator[Line]:
    try:
        held = keys.load(keys.folder(configuration.folders.keys))
    except KeysRefused:
        yield Line("databases", "ATTENTION", "Without the keys they cannot be opened.", "Start the core.")
        return
    state = Path(configuration.folders.state)
    with suppress(SyncError, OSError):  # what cannot be read is said below
        held = disk_keys.in_force(held, state)
    yield _of_database(state / "ledger.db", held.ledger)
    yield _of_database(state / "mirror.db", held.mirror)


def _of_database(path: Path, key: bytes) -> Line:
    """Whether it opens; by its owner alone, for a side file of another's would lock the core out."""
    name = path.stem
    try:
        owner = path.stat().st_uid
    except FileNotFoundError:
        return Line(name, "ATTENTION", f"There is no {path} yet.", "The core makes it when it is started.")
    except OSError as error:
        return Line(name, "ATTENTION", f"{path}: {error.strerror}.", "Call it as the service's user.")
    if owner != os.geteuid():
        advice = f"Call it as `runuser -u {_name(owner)} -- failsafe selftest`, or start the core."
        return Line(name, "ATTENTION", f"It belongs to {_name(owner)} and was not opened.", advice)
    try:
        if name == "ledger":
            with Ledger.open(path, key) as ledger:
                return Line(name, "OK", f"It opens; {ledger.length():,} records, {ledger.undelivered().entries} wait.")
        with Mirror.open(path, key) as mirror:
            counts = mirror.counts()
    except SyncError as error:
        return Line(name, "FAULT", error.detail, error.advice)
    if not counts.notices:
        return Line(name, "FAULT", "It opens and holds no notice.", "Bring a publication, by link or stick.")
    return Line(name, "OK", f"It opens; {counts.notices:,} notices. The running core tells how old they are.")


def _of_ports(configuration: Configuration) -> Iterator[Line]:
    tables = (*configuration.readers, *configuration.portals)
    if not tables:
        return
    with ThreadPoolExecutor(len(tables)) as listeners:
        yield from listeners.map(lambda table: _of_port(configuration, table), tables)


class _Ear:
    """What a port says: the line's state, and what decides about the device."""

    def __init__(self, role: str) -> None:
        self._role = role
        self.state: LineState | None = None
        self.spoke = False
        self.fault = ""
        self.malformed = 0
        self.decided = threading.Event()

    def report(self, state: LineState) -> None:
        self.state = state
        if state.state != "OK" or self._role == "document":
            self.decided.set()

    def hear(self, reading: Reading) -> None:
        if isinstance(reading, Malformed):
            self.malformed += 1
            return
        if isinstance(reading, DeviceHealth):
            self.fault = "" if reading.ok else f"It tells {reading.fault} of itself. {reading.detail}".strip()
        else:
            self.spoke = True
        if self._role == "radiation":
            self.decided.set()


def _of_port(configuration: Configuration, table: DeviceTable) -> Line:
    """Open a device's port as the core would, and hear whether it speaks."""
    driver = drivers.find(table.driver)
    ear = _Ear(driver.role)
    port = configuration.port_of(table)
    line = SerialLine(table.name, port, driver, table.line(driver.line), deliver=ear.hear, report=ear.report)
    line.start()
    try:
        ear.decided.wait(LISTENS_S)
    finally:
        line.stop()
    name = f"{'reader' if driver.role == 'document' else 'portal'} {table.name}, lane {table.lane}"
    if ear.state is None or ear.state.state != "OK":
        told = ear.state.detail if ear.state else "Its port does not open."
        return Line(name, "FAULT", told, ear.state.advice if ear.state else "Look at `port` in the configuration.")
    if ear.fault:
        return Line(name, "FAULT", ear.fault, "Look at the device, then at `failsafe watch`.")
    if driver.role == "document":
        return Line(name, "OK", "Its port opens. Lay a specimen on it: `failsafe watch --specimen`.")
    if ear.spoke:
        return Line(name, "OK", "It speaks; the running core tells whether it is well.")
    if ear.malformed:
        advice = "Check speed, parity and `driver`: `failsafe scan` finds them."
        return Line(name, "FAULT", "It speaks, and nothing of it can be read.", advice)
    return Line(name, "FAULT", f"It said nothing for {LISTENS_S:.0f} s.", "Check its power, cable, speed and parity.")


# --- played in memory ----------------------------------------------------------------------------------------------


def _of_proofs(configuration: Configuration) -> Iterator[Line]:
    from failsafe.agent.commands import proofs

    played = [("matching", proofs.matching())]
    for lane in configuration.lanes:
        if lane.radiation != "none":
            played.append((f"alarms, lane {lane.name}", proofs.alarms(lane)))
    for name, proof in played:
        if proof.failures:
            advice = "Clear nobody by this machine; install the package anew and report it."
            yield Line(name, "FAULT", " ".join(proof.failures), advice)
        else:
            yield Line(name, "OK", f"Proved on {proof.told}.")


def _wall() -> float:
    return time.time()  # noqa: TID251  whether it was ever set
