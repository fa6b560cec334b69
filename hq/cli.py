"""`failsafe-hq`: headquarters' command line.

Results go to standard output, progress and remarks to standard error. An error is one sentence with what to do next;
the exit code is 1, or 2 where the command itself was used wrongly.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import click

from failsafe.hq import invented
from failsafe.hq.booth_commands import booths
from failsafe.hq.desk_commands import alerts_command, courier, notify, serve_command
from failsafe.hq.feeds.publish import moment
from failsafe.hq.key_commands import keys
from failsafe.hq.office import FOLDER, Commands, Office, bar_of, note, utc_now
from failsafe.hq.publish_commands import publish_command, statement_command, upkeep_command
from failsafe.sync import shape
from failsafe.sync.fields import Fault

DEFAULT_HOME: Final = "/var/lib/failsafe-hq"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    type=FOLDER,
    envvar="FAILSAFE_HQ_HOME",
    default=DEFAULT_HOME,
    show_default=True,
    show_envvar=True,
    help="Folder of keys, register and publication.",
)
@click.version_option(package_name="failsafe-edge")
@click.pass_context
def main(ctx: click.Context, home: Path) -> None:
    """Headquarters of Fail Safe Edge: notices in, a signed and sealed publication out."""
    ctx.obj = Office(home)


for _command in (
    *(keys, booths, notify, courier),
    *(publish_command, statement_command, upkeep_command, serve_command, alerts_command),
):
    main.add_command(_command)


# --- notices -------------------------------------------------------------------------------------------------


@main.command()
@click.argument("number", type=click.IntRange(min=1))
@click.option("--seed", default=1, show_default=True, help="Another seed invents other persons.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write instead of the output.")
def invent(number: int, seed: int, out: Path | None) -> None:
    """Invent NUMBER notices, and listed documents, as lines for `import`."""
    lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in invented.invent(number, seed))
    if out is None:
        for line in lines:
            click.echo(line, nl=False)
        return
    beside = out.with_name(f".{out.name}.part")
    with beside.open("w", encoding="utf-8") as file:
        _write_lines(file, lines, number)
    beside.replace(out)
    note(f"{number} invented notices are in {out}.")


def _write_lines(file: IO[str], lines: Iterator[str], number: int) -> None:
    total = number + round(number / 10)
    with bar_of("Inventing") as bar:
        for done, line in enumerate(lines, start=1):
            file.write(line)
            bar(done, total)


@main.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--skip-bad", is_flag=True, help="Import the good ones although others have faults.")
@click.pass_obj
def import_command(office: Office, file: IO[bytes], skip_bad: bool) -> None:
    """Read notices and listed documents from FILE (- for standard input) into the register.

    Every fault of every line is named. While there is one, nothing is imported, unless --skip-bad says so.
    """
    with bar_of("Reading"):
        reading = _read_notices(file.read())
    for fault in reading.faults:
        note(str(fault))
    for text, times in Counter(f"{remark.field}: {remark.wrong} {remark.advice}" for remark in reading.remarks).items():
        note(f"remark, {times} times, {text}")
    good = len(reading.notices) + len(reading.listed) + len(reading.withdrawn)
    if reading.faults and not skip_bad:
        raise click.ClickException(
            f"{_faults(reading.faults)}; nothing was imported, and {good} good ones wait. Correct the file and import "
            "it again, or leave the bad ones out with --skip-bad."
        )
    with office.register() as register, bar_of("Importing") as bar:
        done = register.take(reading.notices, reading.listed, reading.withdrawn, progress=bar)
        stock = register.stock(moment(utc_now()))
    left_out = f" {_faults(reading.faults)}, left out." if reading.faults else ""
    click.echo(
        f"{done.added} new, {done.changed} changed, {done.unchanged} as before, {done.withdrawn} withdrawn.{left_out}"
    )
    if stock.pending:
        note(f"{stock.pending} changes wait for `failsafe-hq publish`.")


def _read_notices(content: bytes) -> shape.Reading:
    try:
        return shape.read(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise click.ClickException(f"The file is not UTF-8 from line {line} on. Export it again as UTF-8.") from None


def _faults(faults: tuple[Fault, ...]) -> str:
    lines = len({fault.line for fault in faults})
    return f"{len(faults)} fault{'s' * (len(faults) > 1)} in {lines} line{'s' * (lines > 1)}"


@main.command()
@click.argument("id_")
@click.option("--issued-by", metavar="COUNTRY", help="ID is the number of a listed document of this country.")
@click.pass_obj
def withdraw(office: Office, id_: str, issued_by: str | None) -> None:
    """Take the notice ID (2026/99002 or 2026-99002) out of what is published next."""
    with office.register() as register:
        if issued_by:
            found = register.withdraw_listed("".join(id_.split()).upper(), issued_by.upper()) > 0
        else:
            found = register.withdraw_notice(shape.canonical_id(id_))
    if not found:
        raise click.ClickException(
            "Nothing of that id is held. Compare it with the notice; for a listed document give --issued-by COUNTRY."
        )
    click.echo("Withdrawn. Booths drop it after `failsafe-hq publish`.")
    note("`failsafe-hq booths purges` then shows which booths have signed that nothing of it is left on their disks.")
