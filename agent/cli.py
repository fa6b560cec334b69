"""The command line of a booth: `failsafe`.

Filters read JSON lines and answer each with one, in order; a line that cannot be answered gets an `error`, never a
traceback. What people read goes to standard error, what programs read to standard output.
"""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click
from rich.console import Console
from rich.progress import Progress

from failsafe.agent import config, keys
from failsafe.agent.commands import decoding, own_keys, scanning, simulating, technician, upkeep
from failsafe.agent.config import ConfigurationRefused
from failsafe.agent.control import CoreUnreachable, Visitor
from failsafe.agent.demo.house import DemoFailed
from failsafe.agent.keys import KeysRefused
from failsafe.drivers import driver as drivers
from failsafe.sync import journal
from failsafe.sync.errors import SyncError
from failsafe.sync.service import Service
from failsafe.sync.shape import FaultyNotices

if TYPE_CHECKING:
    from failsafe.agent.radiation.own_alarm import LaneKind

Answer = Mapping[str, Any]
_SWITCH_S = 0.0005
_HINDERED = 3
_EXPECTED = (ConfigurationRefused, KeysRefused, CoreUnreachable, DemoFailed, FaultyNotices, SyncError)

with_config = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=config.DEFAULT_PATH,
    show_default=True,
    help="The booth's configuration.",
)
# Bytes that are no UTF-8 come as lone surrogates, so that only their line is refused and not the whole input.
lines_in = click.argument("source", type=click.File("r", encoding="utf-8", errors="surrogateescape"), default="-")


def main() -> None:
    """Entry point: an error is one clear text with what to do next and exit code 1, never a traceback."""
    try:
        failsafe(standalone_mode=True)
    except _EXPECTED as error:
        click.echo(f"failsafe: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        named = f" {error.filename}:" if error.filename else ""
        advice = "Check the path, its owner and the free space."
        click.echo(f"failsafe:{named} {error.strerror or 'a file or device fails'}. {advice}", err=True)
        sys.exit(1)
    except Exception as error:  # a text of its own could quote a traveller
        click.echo(f"failsafe: an unexpected fault ({journal.place(error)}). Report it with this line.", err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="failsafe-edge")
def failsafe() -> None:
    """The booth agent: notices, travel documents and radiation, with or without a network."""


# --- running ---------------------------------------------------------------------------------------------------


@failsafe.command()
@with_config
def run(path: Path) -> None:
    """Run the booth's core until it is stopped."""
    from failsafe.agent import disk_keys
    from failsafe.agent.booth import Booth
    from failsafe.agent.serving import PortTaken, serve

    journal.start()
    # While an intake builds an index, a verdict must not wait for long slices of another thread.
    sys.setswitchinterval(_SWITCH_S)
    configuration = config.load(path)
    place, state = keys.folder(configuration.folders.keys), Path(configuration.folders.state)
    held = disk_keys.settle(keys.load(place), place, state, Service().starting)
    try:
        serve(Booth(configuration, held), configuration)
    except PortTaken as error:
        raise click.ClickException(str(error)) from error


@failsafe.command()
@with_config
def link(path: Path) -> None:
    """Run the booth's link to headquarters until it is stopped: the feed in, sealed alerts out."""
    from failsafe.sync import rounds
    from failsafe.sync.link import Settings

    journal.start()
    configuration = config.load(path)
    table, folders = configuration.link, configuration.folders
    if not table.url:
        raise click.ClickException(f"{path}: no network: set `url` in [link], or use `failsafe courier` and a stick.")
    rounds.run(
        Settings(
            url=table.url.rstrip("/"),
            booth=configuration.booth.id,
            feeds=configuration.hq.feeds,
            spool=Path(folders.spool),
            state=Path(table.state),
            key=Path(table.key) if table.key else keys.folder(folders.keys) / keys.LINK_KEY,
            certificate=Path(table.certificate) if table.certificate else None,
            root_sha256=configuration.hq.root_sha256,
            refresh_every_s=table.refresh_every_s,
        )
    )


@failsafe.command()
@with_config
@click.argument("name")
@click.option("--drop-in", is_flag=True, help="Print the unit's drop-in that allows this portal's address, and end.")
def line(path: Path, name: str, drop_in: bool) -> None:
    """Run the relay of the portal NAME, which speaks over TCP, until it is stopped."""
    from failsafe.agent import line_relay

    configuration = config.load(path)
    portals = {portal.name: portal for portal in configuration.portals if portal.address}
    if name not in portals:
        there = ", ".join(portals) or "none"
        raise click.UsageError(f"There is no portal {name!r} with an `address` in {path}; there are: {there}.")
    host, port = portals[name].peer()
    if drop_in:
        click.echo(line_relay.drop_in(name, host), nl=False)
        return
    journal.start()
    try:
        line_relay.run(line_relay.Settings(name, host, port, configuration.socket_of(portals[name])))
    except line_relay.SocketTaken as taken:
        raise click.ClickException(str(taken)) from taken


@failsafe.command()
@with_config
@click.option("--json", "as_json", is_flag=True, help="One JSON object for programs.")
@click.option("--watch", is_flag=True, help="Go on showing it, on a terminal, until Ctrl-C.")
@click.option("--check", is_flag=True, help="Exit code 3 where nobody can be cleared in a lane at least.")
def status(path: Path, as_json: bool, watch: bool, check: bool) -> None:
    """What the running core says of itself."""
    from failsafe.agent.commands import status as statuses

    console = Console()
    if watch and (as_json or not console.is_terminal):
        raise click.UsageError("--watch needs a terminal, and no --json. Without them, call `failsafe status` again.")
    with Visitor(Path(config.load(path).core.socket)) as core:
        if watch:
            statuses.watch(lambda: core.ask("status"), console)
            return
        told = core.ask("status")
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        statuses.show(told, console)
    if check and statuses.is_hindered(told):
        sys.exit(_HINDERED)


@failsafe.command()
@with_config
@click.option("--json", "as_json", is_flag=True, help="One JSON object for programs.")
def selftest(path: Path, as_json: bool) -> None:
    """Test all that the booth stands on, from its configuration to its alarm tests, with what to do next."""
    from failsafe.agent.commands import selftest as selftests

    sys.exit(selftests.run(path, as_json=as_json))


# --- setting up ------------------------------------------------------------------------------------------------


failsafe.add_command(own_keys.keys_group)


@failsafe.group("config")
def config_group() -> None:
    """The booth's configuration."""


@config_group.command("check")
@with_config
def config_check(path: Path) -> None:
    """Name every fault of a configuration with its line and what to do, and what is allowed and still a risk."""
    text = config.read(path)
    configuration = config.parse(text, path)
    for caution in config.cautions(text, path):
        click.echo(f"{path}: caution: {caution}", err=True)
    lanes, devices = len(configuration.lanes), len(configuration.readers) + len(configuration.portals)
    click.echo(
        f"{path}: good. Booth {configuration.booth.id}, {lanes} lane{'s' * (lanes != 1)}, "
        f"{devices} device{'s' * (devices != 1)}."
    )


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal's standard error, gone when it is done; it moves by itself while no number is known."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@failsafe.group("courier")
def courier_group() -> None:
    """Carry publications, alerts and receipts by stick where there is no network."""


@courier_group.command("import")
@with_config
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
def courier_import(path: Path, folder: Path) -> None:
    """Put the publication, receipts or welcome file in FOLDER into the booth's spool; the core checks them."""
    from failsafe.sync import courier
    from failsafe.sync.spool import Spool

    configuration = config.load(path)
    place = Path(configuration.folders.spool) / "in"
    place.mkdir(mode=0o750, parents=True, exist_ok=True)
    _refuse_to_own(place)
    with _bar("Copying") as show:
        out = Spool(place.parent / "out")
        carried = courier.import_folder(folder, Spool(place), configuration.booth.id, show, out=out)
    files = carried.metadata + carried.targets + carried.keys + carried.receipts + carried.welcome
    if files:
        click.echo(f"{files} files are in the spool. The core takes them by itself: failsafe status", err=True)
    else:
        click.echo(f"Nothing new for this booth; {carried.present} files were in the spool already.", err=True)


def _refuse_to_own(place: Path) -> None:
    """Root must not import into another user's folder: the link could not replace what root has made there."""
    owner = place.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = f"'#{owner}'"
        raise click.ClickException(
            f"{place} belongs to {name}: call it as `runuser -u {name} -- failsafe courier ...`."
        )


@courier_group.command("export")
@with_config
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def courier_export(path: Path, folder: Path) -> None:
    """Put the alerts that wait into FOLDER, sealed, for headquarters; nothing is deleted until its receipts come."""
    from failsafe.sync import mailbag
    from failsafe.sync.spool import Spool

    configuration = config.load(path)
    out = Spool(Path(configuration.folders.spool) / "out")
    with _bar("Copying") as show:
        exported = mailbag.export_folder(out, folder, configuration.booth.id, show)
    click.echo(f"{exported.alerts} new alerts are in {folder}, {exported.present} files were there already.", err=True)
    click.echo("Unmount the medium, bring it to headquarters (failsafe-hq courier import), and back.", err=True)


# --- filters ---------------------------------------------------------------------------------------------------


def answer_lines(source: IO[str], answer: Callable[[dict[str, Any]], Answer]) -> None:
    """Answer each JSON line of `source` with one on standard output, with the line's `id`."""
    for text in source:
        if not text.strip():
            continue
        click.echo(_as_line(_answered(text, answer)))


def _as_line(answer: Answer) -> str:
    """One line of JSON; half a character, which no UTF-8 has, stays the escape it came as."""
    told = json.dumps(answer, ensure_ascii=False)
    return told if told.isascii() or _is_utf_8(told) else json.dumps(answer)


def _is_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _answered(text: str, answer: Callable[[dict[str, Any]], Answer]) -> Answer:
    if not _is_utf_8(text):
        return {"id": None, "error": "This line is not UTF-8. Write it again as UTF-8."}
    try:
        # A mark of byte order may stand first. NaN is no JSON and would come back in the answer.
        line = json.loads(text.removeprefix("\ufeff"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return {"id": None, "error": "This line is not JSON. Give one object a line."}
    if not isinstance(line, dict):
        return {"id": None, "error": "This line is no JSON object. Give one object a line."}
    try:
        return {"id": line.get("id"), **answer(line)}
    except LineRefused as refused:
        return {"id": line.get("id"), "error": str(refused)}


class LineRefused(Exception):
    """A line of a filter's input cannot be answered; the text says what to correct."""


@failsafe.command("mrz")
@lines_in
def mrz_filter(source: IO[str]) -> None:
    """Read machine-readable zones: {"id", "lines": [...]} a line."""
    from failsafe.drivers import mrz

    def answer(line: dict[str, Any]) -> Answer:
        zone = line.get("lines")
        zone = [zone] if isinstance(zone, str) else zone
        if not isinstance(zone, list) or not all(isinstance(text, str) for text in zone):
            raise LineRefused('Give "lines", a list of the zone\'s lines.')
        return mrz.zone_json(mrz.parse(zone))

    answer_lines(source, answer)


@failsafe.command("names")
@click.option("--cut", is_flag=True, help="The zone had no room for the whole of each query.")
@lines_in
def names_filter(cut: bool, source: IO[str]) -> None:
    """Compare names: {"id", "query", "candidate"} a line."""
    from failsafe.agent.commands import screening

    def answer(line: dict[str, Any]) -> Answer:
        query, candidate = line.get("query"), line.get("candidate")
        if not isinstance(query, str) or not isinstance(candidate, str):
            raise LineRefused('Give "query" and "candidate", both text.')
        return screening.compare_names(query, candidate, cut=cut)

    answer_lines(source, answer)


@failsafe.command("screen")
@with_config
@click.option("--notices", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Notices to match with.")
@click.option("--mirror", "from_mirror", is_flag=True, help="Match with the running booth's own notices.")
@lines_in
def screen_filter(path: Path, notices: Path | None, from_mirror: bool, source: IO[str]) -> None:
    """Judge persons by the notices alone: {"id", "name" or "surname", "given_names", ...} a line."""
    from failsafe.agent.commands import screening

    if (notices is None) == (not from_mirror):
        raise click.UsageError("Give either --notices FILE or --mirror.")
    if notices is not None:
        with _bar("Reading the notices"):
            shelf = screening.Shelf.read(notices)
        answer_lines(source, lambda line: _screened(screening.screen_on_shelf(line, shelf)))
        return
    with Visitor(Path(config.load(path).core.socket), timeout_s=30.0) as core:
        answer_lines(source, lambda line: _screened(core.ask("screen", person=line)))


def _screened(answer: Answer) -> Answer:
    if "error" in answer:
        raise LineRefused(str(answer["error"]))
    return answer


@failsafe.command("decode")
@click.argument("driver")
@click.argument("source", type=click.File("rb"), default="-")
@click.option("--stamped", is_flag=True, help="Text lines with a trailing time stamp, as captures have them.")
def decode(driver: str, source: IO[bytes], stamped: bool) -> None:
    """Decode the raw bytes of a device's line: one reading a line, then a summary."""
    try:
        found = drivers.find(driver)
    except KeyError as error:
        raise click.UsageError(str(error.args[0])) from error
    _print_lines(decoding.decode(found, source, stamped=stamped))


@failsafe.command("alarms")
@click.argument("driver")
@click.argument("source", type=click.File("rb"), default="-")
@click.option("--k", "nsigma", type=click.FloatRange(min=0.0, min_open=True), help="The portal's NSIGMA.")
@click.option("--stamped", is_flag=True, help="Text lines with a trailing time stamp, as captures have them.")
@click.option(
    "--lane",
    type=click.Choice(["vehicle", "pedestrian", "static"]),
    default="vehicle",
    show_default=True,
    help="Its kind: which own tests run.",
)
@click.option(
    "--n42",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write an N42.42 document here for each passage that alarmed.",
)
def alarms(
    driver: str, source: IO[bytes], nsigma: float | None, stamped: bool, lane: LaneKind, folder: Path | None
) -> None:
    """Say of a detector's raw bytes which lines alarm: the portal's word, its rule's shadow, the booth's own tests."""
    from importlib.metadata import version

    from failsafe.agent.commands import alarming
    from failsafe.agent.commands.n42_files import FolderInUse, N42Files

    try:
        found = drivers.find(driver)
    except KeyError as error:
        raise click.UsageError(str(error.args[0])) from error
    if found.role != "radiation":
        raise click.UsageError(f"{driver} reads documents. Name the driver of a radiation detector, as `tsa`.")
    if folder is None:
        _print_lines(alarming.alarms(found, source, nsigma=nsigma, stamped=stamped, lane=lane))
        return
    files = N42Files(folder, found, nsigma=nsigma, lane=lane, stamped=stamped, version=version("failsafe-edge"))
    try:
        _print_lines(alarming.alarms(found, source, nsigma=nsigma, stamped=stamped, lane=lane, heard=files.take))
        written = files.close()
    except (FolderInUse, OSError) as error:
        raise click.UsageError(f"The documents cannot be written to {folder}: {error}") from error
    click.echo(f"{written} N42 documents in {folder}.", err=True)


def _print_lines(answers: Iterable[Answer]) -> None:
    for answer in answers:
        click.echo(json.dumps(answer, ensure_ascii=False))


failsafe.add_command(scanning.scan)
failsafe.add_command(technician.watch)
failsafe.add_command(technician.record)
failsafe.add_command(technician.replay)
failsafe.add_command(simulating.simulate)
failsafe.add_command(upkeep.background)
failsafe.add_command(upkeep.accept_setup)


# --- showing ---------------------------------------------------------------------------------------------------


@failsafe.command()
@click.option("--once", is_flag=True, help="End after the script.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with the outcome.")
@click.option("--port", default=8600, show_default=True, help="Of the officer's page.")
def demo(once: bool, as_json: bool, port: int) -> None:
    """Play a shift with simulated readers and a portal: everything else is real."""
    from failsafe.agent.demo import play

    sys.exit(play.play(once=once or not sys.stdout.isatty(), as_json=as_json, port=port))


@failsafe.command()
@click.option("--persons", type=int, multiple=True, help="Sizes of the notice base; 1000 and 50000 if not given.")
def bench(persons: tuple[int, ...]) -> None:
    """Measure this booth: each figure beside what it is compared with."""
    from failsafe.agent.commands import bench as benches

    _print_lines(benches.run(persons or (1_000, 50_000)))
