"""`failsafe-hq booths`: who takes part."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from failsafe.hq import changes
from failsafe.hq import enrol as enrolment
from failsafe.hq.office import FILE, FOLDER, REGISTER_FILE, Office, database_option, note, utc_now
from failsafe.hq.publish import moment
from failsafe.hq.register import BoothRefused


@click.group()
def booths() -> None:
    """Booths that take part."""


@booths.command("enrol")
@click.argument("file", type=FILE)
@click.option("--out", type=FOLDER, default=".", show_default=True, help="Folder for BOOTH.welcome.json.")
@click.pass_obj
def booths_enrol(office: Office, file: Path, out: Path) -> None:
    """Enrol the booth whose BOOTH.enrol file is FILE, and write its welcome."""
    with file.open("rb") as source:
        content = source.read(enrolment.ENROLMENT_LIMIT + 1)
    repository = office.repository()
    out.mkdir(parents=True, exist_ok=True)
    with office.register() as register:
        booth, welcome = enrolment.enrol(content, register, repository.keys, repository, now=utc_now())
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
@click.pass_obj
def booths_revoke(office: Office, booth: str) -> None:
    """End BOOTH's part; it keeps what it has read, and reads nothing published afterwards."""
    with office.register() as register:
        register.revoke(booth, moment(utc_now()))
    click.echo(f"{booth} is revoked. It is shut out by the next `failsafe-hq publish`.")


@booths.command("list")
@click.pass_obj
def booths_list(office: Office) -> None:
    """All booths, one a line: id, country, when enrolled, when revoked."""
    with office.register() as register:
        for booth in register.booths():
            state = f"revoked {booth.revoked_at}" if booth.revoked_at else "takes part"
            click.echo(f"{booth.name}\t{booth.enrolment.country}\tenrolled {booth.enrolled_at}\t{state}")


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
