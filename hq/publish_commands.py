"""`failsafe-hq publish`, `statement` and `upkeep`: what booths are told, and what is due by the calendar."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from failsafe.hq import enrol as enrolment
from failsafe.hq import upkeep
from failsafe.hq.feeds import epochs, publish
from failsafe.hq.feeds.publish import BASE_FEED, moment
from failsafe.hq.feeds.register import Register
from failsafe.hq.feeds.repository import Repository
from failsafe.hq.office import Office, bar_of, media_option, note, passphrase_file_option, read_passphrase, utc_now
from failsafe.sync.records import Statement


@click.command("publish")
@click.option("--new-epoch", is_flag=True, help="Change the content key even if no booth was revoked.")
@click.pass_obj
def publish_command(office: Office, new_epoch: bool) -> None:
    """Sign and seal what changed; without a change, sign that the last publication still holds."""
    with office.register() as register:
        publish_now(office, register, new_epoch=new_epoch)


def publish_now(
    office: Office, register: Register, *, new_epoch: bool = False, repository: Repository | None = None
) -> None:
    """Publish, with a new epoch where one is due, and say what came of it; the office's repository if none is given."""
    repository, now = repository or office.repository(), utc_now()
    due = epochs.is_due(register.epochs(), epochs.load(office.home), now)
    with bar_of("Sealing for the booths") as bar:
        outcome = publish.publish(register, repository, now=now, new_epoch=new_epoch or due, progress=bar)
    stock, booths = register.stock(moment(now)), register.booths()
    head = outcome.head
    if head is None and (outcome.supplements or outcome.retired):
        click.echo(f"Published for some countries only. Key files written: {outcome.sealed}.")
    elif head is None:
        click.echo(f"Nothing had changed: a new timestamp was signed. Key files written: {outcome.sealed}.")
    else:
        click.echo(
            f"Published feed {head.feed} serial {head.serial}, epoch {head.epoch}: {stock.notices} notices and "
            f"{stock.listed} listed documents. Key files written: {outcome.sealed}."
        )
    if stock.restricted:
        note(
            f"{stock.restricted} notices are restricted to some countries: they are in supplements, which other "
            f"countries' booths are not told of. Supplements that changed: {len(outcome.supplements)}."
        )
    if not any(booth.revoked_at is None for booth in booths):
        note("No booth is enrolled, so nobody can read this yet: `failsafe-hq booths enrol FILE`.")


@click.command("statement")
@passphrase_file_option
@media_option
@click.option("--new-lineage", is_flag=True, help="Start the feed's count anew, after a restored register.")
@click.pass_obj
def statement_command(office: Office, passphrase_file: Path | None, media: tuple[Path, ...], new_lineage: bool) -> None:
    """Sign with the offline keys that the next serial may be empty or smaller."""
    repository, now = office.repository(media), utc_now()
    with office.register() as register:
        if new_lineage:
            statement = Statement(feed=BASE_FEED, lineage=secrets.token_hex(8))
        else:
            statement = publish.next_statement(register, repository, now=now)
        repository.sign_statement(statement, passphrase=read_passphrase(passphrase_file), now=now)
    said = "has a new lineage" if new_lineage else f"may shrink at serial {statement.may_shrink_at[-1]}"
    click.echo(f"Signed: feed {BASE_FEED} {said}. Publish next: `failsafe-hq publish`.")


@click.command("upkeep")
@click.pass_obj
def upkeep_command(office: Office) -> None:
    """Do what is due by the calendar: a new epoch, links' certificates, a timestamp that is late.

    `serve` calls this every hour.
    """
    now = utc_now()
    late = upkeep.late(office.repository(), now)
    with office.register() as register:
        renewed = enrolment.renew_certificates(register, office.keys(), now=now)
        if renewed:
            click.echo(f"Certificates of {len(renewed)} links were renewed; links fetch them by themselves.")
        if epochs.is_due(register.epochs(), epochs.load(office.home), now):
            publish_now(office, register)
        elif late is not None:
            office.repository().touch_timestamp(now=utc_now())
            click.echo(f"The timestamp is signed anew; it was last signed {late.signed_at or 'nobody knows when'}.")
        elif not renewed:
            click.echo("Nothing is due.")
    if late is not None:
        note("`failsafe-hq serve` signs the timestamp every ten minutes: see that it runs, and read its log.")
    for warning in office.repository().ends_soon(now):
        note(warning)
