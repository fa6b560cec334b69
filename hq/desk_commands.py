"""`failsafe-hq serve`, `alerts`, `notify` and `courier`: what comes in, who is told, and what goes by hand."""

from __future__ import annotations

import uuid
from pathlib import Path

import click
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from failsafe.hq import courier as medium
from failsafe.hq.cbrne import channels, outbox, programme, telling
from failsafe.hq.ccc.view import AlertLine
from failsafe.hq.feeds.publish import moment
from failsafe.hq.keyring.keys import HeadquartersError
from failsafe.hq.office import FOLDER, REGISTER_FILE, Office, bar_of, database_option, note, utc_now
from failsafe.sync import journal

# --- notification ---------------------------------------------------------------------------------------------


@click.group()
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
    note(f"keyid {telling.key_id(public)}. Give both to the programme; docs/headquarters.md says how they check.")


@notify.command("test")
@click.pass_obj
def notify_test(office: Office) -> None:
    """Send an EXERCISE by each configured channel, and say what came of it."""
    senders = channels.senders(programme.load(office.home))
    if not senders:
        raise click.ClickException(outbox.NONE_CONFIGURED)
    failed = 0
    for sender in senders:
        now, alert_id = utc_now(), str(uuid.uuid4())
        try:
            trouble = sender.send(channels.exercise(alert_id, moment(now)), now).trouble
        except HeadquartersError as error:
            trouble = str(error)
        click.echo(f"{sender.channel}: {f'NOT sent. {trouble}' if trouble else f'sent as {alert_id}.'}")
        failed += bool(trouble)
    if failed:
        raise click.ClickException(f"{failed} of {len(senders)} channels did not take it: correct hq.toml.")


# --- the desk ------------------------------------------------------------------------------------------------


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address that booths come to, by TLS.")
@click.option("--port", default=8643, show_default=True, type=click.IntRange(0, 65535), help="Theirs; 0: a free one.")
@click.option(
    "--ccc-port",
    default=8700,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The command centre's page, on 127.0.0.1 only; 0: a free one.",
)
@database_option
@click.pass_obj
def serve_command(office: Office, host: str, port: int, ccc_port: int, database: str | None) -> None:
    """Serve booths and the command centre's page until stopped, and tell the CBRNE programme."""
    from failsafe.hq import server  # its page and its TLS are slow to load, and no other command wants them

    journal.start()
    server.serve(
        office.home,
        REGISTER_FILE,
        utc_now,
        database=database,
        host=host,
        port=port,
        ccc_port=ccc_port,
        ready=lambda at: click.echo(f"Booths: {at.booths}\nCommand centre: {at.ccc}"),
    )


# --- courier -------------------------------------------------------------------------------------------------


@click.group()
def courier() -> None:
    """By hand, on a stick: the publication out, alerts in."""


@courier.command("export")
@click.argument("folder", type=FOLDER)
@click.option("--booth", help="Only this booth's feeds and key files, and its welcome file with them.")
@click.pass_obj
def courier_export(office: Office, folder: Path, booth: str | None) -> None:
    """Copy the publication to FOLDER; a booth takes it with `failsafe courier import FOLDER`."""
    welcome, strange = None, frozenset[str]()
    if booth is not None:
        with office.register() as register:
            found = register.booth(booth)
            strange = register.strange_supplements(found.country)
        if found.revoked_at is not None:
            raise click.ClickException("This booth is revoked. Enrol it with new keys first.")
        welcome = found.welcome
    with bar_of("Copying") as bar:
        files = medium.export(office.repository().public, folder, welcome=welcome, strange=strange, progress=bar)
    click.echo(f"{files} files are in {folder}. Unmount the medium before pulling it out.")


@courier.command("import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@database_option
@click.pass_obj
def courier_import(office: Office, folder: Path, database: str | None) -> None:
    """Take the alerts that `failsafe courier export` put into FOLDER, and leave the receipts there.

    Bring the same medium back to the booth: `failsafe courier import FOLDER` takes the receipts.
    """
    from failsafe.hq import server  # see `serve`

    journal.start()
    with server.desk_of(office.home, REGISTER_FILE, database) as (desk, _), bar_of("Reading the mail"):
        taken = medium.take_mail(folder, desk, utc_now())
    click.echo(f"{taken.receipts} alerts are receipted and {taken.heartbeats} heartbeats kept.")
    for reason, times in sorted(taken.refused.items()):
        note(f"refused, {times} times: {reason}. {medium.what_to_do(reason)}")
    note("Unmount the medium before pulling it out, and bring it back to the booth: it holds the receipts.")


# --- what came in ----------------------------------------------------------------------------------------------


@click.command("alerts")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="At most so many, urgent first.")
@click.option("--search", default="", help="Only those that hold this text.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, the whole alert in it.")
@database_option
@click.pass_obj
def alerts_command(office: Office, limit: int, search: str, as_json: bool, database: str | None) -> None:
    """List the alerts that headquarters holds, as the command centre's page does."""
    from failsafe.hq import server  # see `serve`

    with server.desk_of(office.home, REGISTER_FILE, database) as (desk, _):
        total, shown = desk.list(0, search).total, 0
        for line in desk.alerts(limit, search):
            click.echo(msgspec.json.encode(line).decode() if as_json else _in_one_line(line))
            shown += 1
    note(f"{shown} of {total} alerts." + (" More with a larger --limit." if shown < total else ""))
    office.warn_if_late()


def _in_one_line(line: AlertLine) -> str:
    """An alert for people, without its persons."""
    alert = line.alert
    told = ", ".join(f"{telling.channel}: {telling.state}" for telling in line.tellings)
    if line.findings:  # their words may name somebody
        told = ", ".join(filter(None, (told, f"findings: {len(line.findings)}")))
    return f"{alert.at.wall}  {alert.urgency:<7}  {alert.kind:<20}  {alert.place.booth}  {line.chain:<10}  {told}"
