"""`failsafe-hq`: headquarters' command line.

Results go to standard output, progress and remarks to standard error. An error is one sentence with what to do next;
the exit code is 1, or 2 where the command itself was used wrongly.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import secrets
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import click
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rich.console import Console
from rich.progress import Progress

from failsafe.hq import changes, channels, invented, outbox, programme, publish, telling
from failsafe.hq import courier as medium
from failsafe.hq import enrol as enrolment
from failsafe.hq.ccc.view import AlertLine
from failsafe.hq.keys import SERVER_NAMES, HeadquartersError, KeyMissing, KeyStore, init
from failsafe.hq.publish import BASE_FEED, moment
from failsafe.hq.register import BoothRefused, Register
from failsafe.hq.repository import Repository
from failsafe.sync import journal, shape
from failsafe.sync.errors import SyncError
from failsafe.sync.fields import Fault
from failsafe.sync.records import Statement

DEFAULT_HOME: Final = "/var/lib/failsafe-hq"
REGISTER_FILE: Final = "register.sqlite"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


class _Commands(click.Group):
    """A group that turns every error into one sentence with its advice."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except (HeadquartersError, SyncError) as error:
            raise click.ClickException(f"{error.detail} {error.advice}") from error
        except BrokenPipeError:
            raise click.exceptions.Exit(1) from None
        except OSError as error:
            advice = "Check the path, its owner and the free space."
            raise click.ClickException(
                f"{error.strerror or 'A file fails'}: {error.filename or ''} {advice}"
            ) from error
        except Exception as error:  # a text of its own could quote a notice
            raise click.ClickException(
                f"An unexpected fault ({journal.place(error)}). Report it with this line."
            ) from error


@dataclass(frozen=True, slots=True)
class Office:
    """The folder of one headquarters."""

    home: Path

    def keys(self) -> KeyStore:
        return KeyStore.open(self.home)

    def repository(self) -> Repository:
        return Repository(self.home, self.keys())

    def is_half_made(self) -> bool:
        """Whether the keys are whole and nothing else is there: the ceremony was interrupted."""
        try:
            self.keys()
        except KeyMissing:
            return False
        return not any((self.home / name).exists() for name in (f"public/{medium.TIMESTAMP}", REGISTER_FILE))

    @contextmanager
    def register(self) -> Iterator[Register]:
        """The register, held alone: two operators' commands must not cross."""
        self.keys()  # says what to do where there is no headquarters yet
        descriptor = os.open(self.home / ".register.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        register = Register.in_file(self.home / REGISTER_FILE)
        try:
            yield register
        finally:
            register.close()
            os.close(descriptor)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)  # noqa: TID251 - the command line is where headquarters asks the clock


def _note(text: str) -> None:
    click.echo(text, err=True)


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal's standard error, gone when it is done; it moves by itself while no number is known."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    type=_FOLDER,
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


# --- keys ----------------------------------------------------------------------------------------------------

_passphrase_file = click.option(
    "--passphrase-file",
    type=_FILE,
    help="File whose first line opens the offline keys; else FAILSAFE_HQ_PASSPHRASE, else a prompt.",
)


def _passphrase(file: Path | None, *, new: bool = False) -> str:
    if file is not None:
        first, *_ = file.read_text("utf-8").splitlines() or [""]
        found = first
    elif "FAILSAFE_HQ_PASSPHRASE" in os.environ:
        found = os.environ["FAILSAFE_HQ_PASSPHRASE"]
    elif sys.stdin.isatty():
        found = click.prompt("Passphrase of the offline keys", hide_input=True, confirmation_prompt=new, err=True)
    else:
        raise click.UsageError("The offline keys need a passphrase: give --passphrase-file.")
    if not found:
        raise click.UsageError("The passphrase is empty: give one of several words.")
    return found


@main.group()
def keys() -> None:
    """Keys of headquarters."""


@keys.command("init")
@_passphrase_file
@click.option("--root-keys", default=3, show_default=True, help="Offline keys of the root role.")
@click.option("--root-threshold", default=2, show_default=True, help="How many of them must sign.")
@click.option("--targets-keys", default=3, show_default=True, help="Offline keys of the top-level targets role.")
@click.option("--targets-threshold", default=2, show_default=True, help="How many of them must sign.")
@click.option(
    "--name",
    "names",
    multiple=True,
    default=SERVER_NAMES,
    show_default=True,
    help="Host name or address by which booths call the server; may be repeated.",
)
@click.pass_obj
def keys_init(
    office: Office,
    passphrase_file: Path | None,
    root_keys: int,
    root_threshold: int,
    targets_keys: int,
    targets_threshold: int,
    names: tuple[str, ...],
) -> None:
    """Make all keys, sign the first root, and start the feed of notices."""
    passphrase, now = _passphrase(passphrase_file, new=True), _now()
    with _bar("Making the keys"):
        if not office.is_half_made():
            init(
                office.home,
                passphrase=passphrase,
                now=now,
                root_keys=root_keys,
                root_threshold=root_threshold,
                targets_keys=targets_keys,
                targets_threshold=targets_threshold,
                server_names=names,
            )
        statement = Statement(feed=BASE_FEED, lineage=secrets.token_hex(8))
        office.repository().create([statement], passphrase=passphrase, now=now)
    with office.register():
        click.echo(f"Keys and first publication made in {office.home}.")
    _note(
        f"Copy {office.home / 'offline'} to two media, keep them apart, and remove the folder here: daily work does "
        "not need it. Next: `failsafe-hq import FILE`, then `failsafe-hq publish`."
    )


@keys.command("server-certificate")
@click.option("--name", "names", multiple=True, required=True, help="Host name or address; may be repeated.")
@click.pass_obj
def keys_server_certificate(office: Office, names: tuple[str, ...]) -> None:
    """Make a new key and certificate for the server that `serve` runs, for the names that booths call it by."""
    ends = office.keys().issue_server_certificate(names, now=_now())
    click.echo(f"The server's certificate is for {', '.join(names)} and holds until {moment(ends)}.")
    _note("Restart `failsafe-hq serve`; make the next one before this one ends.")


@main.command("statement")
@_passphrase_file
@click.option("--new-lineage", is_flag=True, help="Start the feed's count anew, after a restored register.")
@click.pass_obj
def statement_command(office: Office, passphrase_file: Path | None, new_lineage: bool) -> None:
    """Sign with the offline keys that the next serial may be empty or smaller."""
    repository, now = office.repository(), _now()
    with office.register() as register:
        if new_lineage:
            statement = Statement(feed=BASE_FEED, lineage=secrets.token_hex(8))
        else:
            statement = publish.next_statement(register, repository, now=now)
        repository.sign_statement(statement, passphrase=_passphrase(passphrase_file), now=now)
    said = "has a new lineage" if new_lineage else f"may shrink at serial {statement.may_shrink_at[-1]}"
    click.echo(f"Signed: feed {BASE_FEED} {said}. Publish next: `failsafe-hq publish`.")


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
    _note(f"{number} invented notices are in {out}.")


def _write_lines(file: IO[str], lines: Iterator[str], number: int) -> None:
    total = number + round(number / 10)
    with _bar("Inventing") as bar:
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
    with _bar("Reading"):
        reading = _read_notices(file.read())
    for fault in reading.faults:
        _note(str(fault))
    for text, times in Counter(f"{remark.field}: {remark.wrong} {remark.advice}" for remark in reading.remarks).items():
        _note(f"remark, {times} times, {text}")
    good = len(reading.notices) + len(reading.listed) + len(reading.withdrawn)
    if reading.faults and not skip_bad:
        raise click.ClickException(
            f"{_faults(reading.faults)}; nothing was imported, and {good} good ones wait. Correct the file and import "
            "it again, or leave the bad ones out with --skip-bad."
        )
    with office.register() as register, _bar("Importing") as bar:
        done = register.take(reading.notices, reading.listed, reading.withdrawn, progress=bar)
        stock = register.stock(moment(_now()))
    left_out = f" {_faults(reading.faults)}, left out." if reading.faults else ""
    click.echo(
        f"{done.added} new, {done.changed} changed, {done.unchanged} as before, {done.withdrawn} withdrawn.{left_out}"
    )
    if stock.pending:
        _note(f"{stock.pending} changes wait for `failsafe-hq publish`.")


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


@main.command("publish")
@click.option("--new-epoch", is_flag=True, help="Change the content key even if no booth was revoked.")
@click.pass_obj
def publish_command(office: Office, new_epoch: bool) -> None:
    """Sign and seal what changed; without a change, sign that the last publication still holds."""
    repository, now = office.repository(), _now()
    with office.register() as register:
        with _bar("Sealing for the booths") as bar:
            outcome = publish.publish(register, repository, now=now, new_epoch=new_epoch, progress=bar)
        stock, booths = register.stock(moment(now)), register.booths()
    head = outcome.head
    if head is None:
        click.echo(f"Nothing had changed: a new timestamp was signed. Key files written: {outcome.sealed}.")
    else:
        click.echo(
            f"Published feed {head.feed} serial {head.serial}, epoch {head.epoch}: {stock.notices} notices and "
            f"{stock.listed} listed documents. Key files written: {outcome.sealed}."
        )
    if stock.restricted:
        _note(f"{stock.restricted} notices restricted to some countries are not in the feed of all booths.")
    if not any(booth.revoked_at is None for booth in booths):
        _note("No booth is enrolled, so nobody can read this yet: `failsafe-hq booths enrol FILE`.")


# --- booths --------------------------------------------------------------------------------------------------


@main.group()
def booths() -> None:
    """Booths that take part."""


@booths.command("enrol")
@click.argument("file", type=_FILE)
@click.option("--out", type=_FOLDER, default=".", show_default=True, help="Folder for BOOTH.welcome.json.")
@click.pass_obj
def booths_enrol(office: Office, file: Path, out: Path) -> None:
    """Enrol the booth whose BOOTH.enrol file is FILE, and write its welcome."""
    with file.open("rb") as source:
        content = source.read(enrolment.ENROLMENT_LIMIT + 1)
    repository = office.repository()
    out.mkdir(parents=True, exist_ok=True)
    with office.register() as register:
        booth, welcome = enrolment.enrol(content, register, repository.keys, repository, now=_now())
    answer = out / f"{booth.booth}.welcome.json"
    answer.write_bytes(enrolment.welcome_bytes(welcome))
    click.echo(f'{booth.booth} of {booth.country} is enrolled.\nroot_sha256 = "{welcome.root_sha256}"')
    _note(
        f"Compare with the booth's own display: {enrolment.fingerprint(booth)}. Bring {answer} to the booth "
        "(`failsafe courier import FILE`), write root_sha256 into [hq] of its booth.toml, and publish: "
        "`failsafe-hq publish`."
    )


@booths.command("revoke")
@click.argument("booth")
@click.pass_obj
def booths_revoke(office: Office, booth: str) -> None:
    """End BOOTH's part; it keeps what it has read, and reads nothing published afterwards."""
    with office.register() as register:
        register.revoke(booth, moment(_now()))
    click.echo(f"{booth} is revoked. It is shut out by the next `failsafe-hq publish`.")


@booths.command("list")
@click.pass_obj
def booths_list(office: Office) -> None:
    """All booths, one a line: id, country, when enrolled, when revoked."""
    with office.register() as register:
        for booth in register.booths():
            state = f"revoked {booth.revoked_at}" if booth.revoked_at else "takes part"
            click.echo(f"{booth.name}\t{booth.enrolment.country}\tenrolled {booth.enrolled_at}\t{state}")


# --- notification ---------------------------------------------------------------------------------------------


@main.group()
def notify() -> None:
    """Telling the CBRNE programme, as [notify] of hq.toml says."""


@notify.command("key")
@click.pass_obj
def notify_key(office: Office) -> None:
    """Print the public key that webhook calls are checked with; make the key if there is none."""
    office.keys()
    settings = programme.load(office.home)
    table = settings.table.webhook or programme.WebhookTable(url="")
    public = channels.make_key(settings, table)
    pem = Ed25519PublicKey.from_public_bytes(public).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    click.echo(pem.decode("ascii"), nl=False)
    _note(f"keyid {telling.key_id(public)}. Give both to the programme; docs/headquarters.md says how they check.")


@notify.command("test")
@click.pass_obj
def notify_test(office: Office) -> None:
    """Send an EXERCISE by each configured channel, and say what came of it."""
    senders = channels.senders(programme.load(office.home))
    if not senders:
        raise click.ClickException(outbox.NONE_CONFIGURED)
    failed = 0
    for sender in senders:
        now, alert_id = _now(), str(uuid.uuid4())
        try:
            trouble = sender.send(channels.exercise(alert_id, moment(now)), now).trouble
        except HeadquartersError as error:
            trouble = str(error)
        click.echo(f"{sender.channel}: {f'NOT sent. {trouble}' if trouble else f'sent as {alert_id}.'}")
        failed += bool(trouble)
    if failed:
        raise click.ClickException(f"{failed} of {len(senders)} channels did not take it: correct hq.toml.")


# --- the desk ------------------------------------------------------------------------------------------------

_database = click.option(
    "--database",
    metavar="URL",
    help="Where alerts are stored, an address of SQLAlchemy (postgresql+psycopg://...); else desk.sqlite.",
)


@main.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address that booths come to, by TLS.")
@click.option("--port", default=8643, show_default=True, type=click.IntRange(0, 65535), help="Theirs; 0: a free one.")
@click.option(
    "--ccc-port",
    default=8700,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The command centre's page, on 127.0.0.1 only; 0: a free one.",
)
@_database
@click.pass_obj
def serve_command(office: Office, host: str, port: int, ccc_port: int, database: str | None) -> None:
    """Serve booths and the command centre's page until stopped, and tell the CBRNE programme."""
    from failsafe.hq import server  # its page and its TLS are slow to load, and no other command wants them

    journal.start()
    server.serve(
        office.home,
        REGISTER_FILE,
        _now,
        database=database,
        host=host,
        port=port,
        ccc_port=ccc_port,
        ready=lambda at: click.echo(f"Booths: {at.booths}\nCommand centre: {at.ccc}"),
    )


# --- courier -------------------------------------------------------------------------------------------------


@main.group()
def courier() -> None:
    """By hand, on a stick: the publication out, alerts in."""


@courier.command("export")
@click.argument("folder", type=_FOLDER)
@click.option("--booth", help="Only this booth's key files, and its welcome file with them.")
@click.pass_obj
def courier_export(office: Office, folder: Path, booth: str | None) -> None:
    """Copy the publication to FOLDER; a booth takes it with `failsafe courier import FOLDER`."""
    welcome = None
    if booth is not None:
        with office.register() as register:
            found = register.booth(booth)
        if found.revoked_at is not None:
            raise click.ClickException("This booth is revoked. Enrol it with new keys first.")
        welcome = found.welcome
    with _bar("Copying") as bar:
        files = medium.export(office.repository().public, folder, welcome=welcome, progress=bar)
    click.echo(f"{files} files are in {folder}. Unmount the medium before pulling it out.")


@courier.command("import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_database
@click.pass_obj
def courier_import(office: Office, folder: Path, database: str | None) -> None:
    """Take the alerts that `failsafe courier export` put into FOLDER, and leave the receipts there.

    Bring the same medium back to the booth: `failsafe courier import FOLDER` takes the receipts.
    """
    from failsafe.hq import server  # see `serve`

    journal.start()
    with server.desk_of(office.home, REGISTER_FILE, database) as (desk, _), _bar("Reading the mail"):
        taken = medium.take_mail(folder, desk, _now())
    click.echo(f"{taken.receipts} alerts are receipted and {taken.heartbeats} heartbeats kept.")
    for reason, times in sorted(taken.refused.items()):
        _note(f"refused, {times} times: {reason}. {medium.what_to_do(reason)}")
    _note("Unmount the medium before pulling it out, and bring it back to the booth: it holds the receipts.")


@booths.command("changes")
@click.argument("booth")
@click.option("--last", default=50, show_default=True, type=click.IntRange(1, changes.MOST_CHANGES), help="So many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, the whole record in it.")
@_database
@click.pass_obj
def booths_changes(office: Office, booth: str, last: int, as_json: bool, database: str | None) -> None:
    """What changed at BOOTH: what is not OK there now first, then its last changes, the newest first."""
    from failsafe.hq import server  # see `serve`

    with server.desk_of(office.home, REGISTER_FILE, database) as (desk, _):
        found = desk.changes(booth, last)
        if not found.total and desk.booth(booth) is None:
            raise BoothRefused("No booth of that id is enrolled, and nothing came from one.")
    standing = {line.number for line in found.standing}
    for line in (*found.standing, *(one for one in found.changes if one.number not in standing)):
        ill = line.number in standing
        told = msgspec.json.encode({"not_ok_now": ill, **msgspec.structs.asdict(line)}).decode() if as_json else None
        click.echo(told or changes.in_one_line(line, standing=ill))
    _note(f"{len(found.changes)} of {found.total} changes; not OK now: {len(standing)}.")


# --- what came in ----------------------------------------------------------------------------------------------


@main.command("alerts")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="At most so many, urgent first.")
@click.option("--search", default="", help="Only those that hold this text.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, the whole alert in it.")
@_database
@click.pass_obj
def alerts_command(office: Office, limit: int, search: str, as_json: bool, database: str | None) -> None:
    """List the alerts that headquarters holds, as the command centre's page does."""
    from failsafe.hq import server  # see `serve`

    with server.desk_of(office.home, REGISTER_FILE, database) as (desk, _):
        total, shown = desk.list(0, search).total, 0
        for line in desk.alerts(limit, search):
            click.echo(msgspec.json.encode(line).decode() if as_json else _in_one_line(line))
            shown += 1
    _note(f"{shown} of {total} alerts." + (" More with a larger --limit." if shown < total else ""))


def _in_one_line(line: AlertLine) -> str:
    """An alert for people, without its persons."""
    alert = line.alert
    told = ", ".join(f"{telling.channel}: {telling.state}" for telling in line.tellings)
    if line.findings:  # their words may name somebody
        told = ", ".join(filter(None, (told, f"findings: {len(line.findings)}")))
    return f"{alert.at.wall}  {alert.urgency:<7}  {alert.kind:<20}  {alert.place.booth}  {line.chain:<10}  {told}"
