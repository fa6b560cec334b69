"""`failsafe-hq booths`: who takes part."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import click
import msgspec

from failsafe.hq import enrol as enrolment
from failsafe.hq.desk import changes
from failsafe.hq.desk import exchanges as exchanged
from failsafe.hq.desk import purges as receipts
from failsafe.hq.feeds import content_keys
from failsafe.hq.feeds.publish import BASE_FEED, moment
from failsafe.hq.feeds.register import BoothRefused, Register
from failsafe.hq.office import (
    FILE,
    FOLDER,
    REGISTER_FILE,
    Office,
    database_option,
    dry_run_option,
    go_on,
    note,
    utc_now,
    yes_option,
)
from failsafe.hq.publish_commands import publish_now


@click.group()
def booths() -> None:
    """Booths that take part."""


@booths.command("enrol")
@click.argument("file", type=FILE)
@click.option("--out", type=FOLDER, default=".", show_default=True, help="Folder for BOOTH.welcome.json.")
@click.option("--renew", is_flag=True, help="The booth takes part and comes with new keys; its old ones end.")
@click.pass_obj
def booths_enrol(office: Office, file: Path, out: Path, renew: bool) -> None:
    """Enrol the booth whose BOOTH.enrol file is FILE, and write its welcome."""
    with file.open("rb") as source:
        content = source.read(enrolment.ENROLMENT_LIMIT + 1)
    repository = office.repository()
    out.mkdir(parents=True, exist_ok=True)
    with office.register() as register:
        booth, welcome = enrolment.enrol(content, register, repository.keys, repository, now=utc_now(), renews=renew)
        if renew:
            content_keys.remove_key_files(repository, booth.booth)  # sealed to the keys that have ended
    answer = out / f"{booth.booth}.welcome.json"
    answer.write_bytes(enrolment.welcome_bytes(welcome))
    click.echo(f'{booth.booth} of {booth.country} is enrolled.\nroot_sha256 = "{welcome.root_sha256}"')
    note(
        f"Compare with the booth's own display: {enrolment.fingerprint(booth)}. Bring {answer} to the booth "
        "(`failsafe courier import FILE`), write root_sha256 into [hq] of its booth.toml, and publish: "
        "`failsafe-hq publish`."
    )


@booths.command("revoke")
@click.argument("booth")
@click.option("--no-publish", is_flag=True, help="Leave the new epoch to the next `failsafe-hq publish`.")
@dry_run_option
@yes_option
@click.pass_obj
def booths_revoke(office: Office, booth: str, no_publish: bool, dry_run: bool, yes: bool) -> None:
    """End BOOTH's part: lost, stolen or given up. It keeps what it has read, and reads nothing published afterwards."""
    with office.register() as register:
        register.check_takes_part(booth)
        # A script that shuts a stolen booth out is not stopped to be asked.
        sure = yes or not sys.stdin.isatty()
        if not go_on(_revocation(register, booth, publishes=not no_publish), dry_run=dry_run, yes=sure):
            return
        register.revoke(booth, moment(utc_now()))
        removed = content_keys.remove_key_files(office.repository(), booth)
        click.echo(f"{booth} is revoked. Key files removed: {removed}.")
        if no_publish:
            note("It is shut out of new notices by the next `failsafe-hq publish`.")
        else:
            publish_now(office, register)


def _revocation(register: Register, booth: str, *, publishes: bool) -> list[str]:
    others = sum(one.revoked_at is None for one in register.booths()) - 1
    when = "at once" if publishes else "with the next `failsafe-hq publish`"
    return [
        f"Revokes {booth}: its signing, sealing and TLS keys are never accepted again, whatever the id.",
        f"Here: its key files are removed from public/keys/ at once; a new epoch is published {when}, with key files "
        f"for the {others} other booths.",
        "Booths: the others take the new key with their next refresh or stick. This one is refused by the server (403) "
        "and its notices grow old: within 48 hours it clears nobody.",
        "Alerts: what it still sends is refused as `revoked` and named in the log; what came before stays. If it is a "
        "true booth with alerts that wait, let them come first.",
        "A thief could: read the notices that it holds, for ever, and until now send alerts in its name: look through "
        "those since the theft. Where its machine has no TPM, think of its ledger as read.",
        "Do further: to set it up again, make new keys (`failsafe keys init`) and enrol it: its chain of alerts begins "
        "anew.",
    ]


@booths.command("move")
@click.argument("booth")
@click.argument("country")
@click.pass_obj
def booths_move(office: Office, booth: str, country: str) -> None:
    """Let BOOTH be a booth of COUNTRY (two letters): it reads what that country may, and nothing else any more."""
    with office.register() as register:
        register.move(booth, country)
    click.echo(f"{booth} is held for {country}. Supplements change by the next `failsafe-hq publish`, for all booths.")
    note("Every booth then takes a new snapshot under new content keys. Write the country into the booth's booth.toml.")


@booths.command("list")
@click.pass_obj
def booths_list(office: Office) -> None:
    """All booths, one a line: id, country, when enrolled, when revoked."""
    with office.register() as register:
        for booth in register.booths():
            state = f"revoked {booth.revoked_at}" if booth.revoked_at else "takes part"
            click.echo(f"{booth.name}\t{booth.country}\tenrolled {booth.enrolled_at}\t{state}")
    office.warn_if_late()


@booths.command("changes")
@click.argument("booth")
@click.option("--last", default=50, show_default=True, type=click.IntRange(1, changes.MOST_CHANGES), help="So many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, the whole record in it.")
@database_option
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
    note(f"{len(found.changes)} of {found.total} changes; not OK now: {len(standing)}.")


@booths.command("purges")
@click.option("--serial", type=click.IntRange(1), help="The step that told of the withdrawal; without: the newest.")
@click.option("--feed", default=BASE_FEED, show_default=True, help="Or a supplement, for notices of some countries.")
@click.option("--owed", is_flag=True, help="Only the booths that have not confirmed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@database_option
@click.pass_obj
def booths_purges(
    office: Office, serial: int | None, feed: str, owed: bool, as_json: bool, database: str | None
) -> None:
    """Which booths confirm that nothing is left of what was withdrawn or has expired, and which owe it."""
    from failsafe.hq import server  # see `serve`

    with server.desk_of(office.home, REGISTER_FILE, database) as (desk, _):
        found = desk.purges(feed, serial)
    for line in found:
        if not owed or line.state in ("owed", "doubtful"):
            click.echo(msgspec.json.encode(line).decode() if as_json else receipts.in_one_line(line))
    note(". ".join((*receipts.summary(found), f"{len(found)} booths in all.")))


@booths.command("disk-keys")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]),
    help="Count only exchanges since then, UTC: 2026-11-20, or 2026-11-20T08:00:00Z.",
)
@click.option("--owed", is_flag=True, help="Only the booths that have not told of both.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@database_option
@click.pass_obj
def booths_disk_keys(
    office: Office, since: dt.datetime | None, owed: bool, as_json: bool, database: str | None
) -> None:
    """Which booths have exchanged the keys that open their databases, and when."""
    from failsafe.hq import server  # see `serve`

    with server.desk_of(office.home, REGISTER_FILE, database) as (desk, _):
        told = desk.exchanges()
    found = list(exchanged.lines(told, since.replace(tzinfo=dt.UTC) if since else None))
    for line in found:
        if not owed or line.state != "exchanged":
            click.echo(msgspec.json.encode(line).decode() if as_json else exchanged.in_one_line(line))
    note(". ".join((*exchanged.summary(found), f"{len(found)} booths in all.")))
