"""`failsafe-hq keys`: the keys of headquarters."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from failsafe.hq.keys import SERVER_NAMES, init
from failsafe.hq.office import Office, bar_of, note, passphrase_file_option, read_passphrase, utc_now
from failsafe.hq.publish import BASE_FEED, moment
from failsafe.sync.records import Statement


@click.group()
def keys() -> None:
    """Keys of headquarters."""


@keys.command("init")
@passphrase_file_option
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
    passphrase, now = read_passphrase(passphrase_file, new=True), utc_now()
    with bar_of("Making the keys"):
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
    note(
        f"Copy {office.home / 'offline'} to two media, keep them apart, and remove the folder here: daily work does "
        "not need it. Next: `failsafe-hq import FILE`, then `failsafe-hq publish`."
    )


@keys.command("server-certificate")
@click.option("--name", "names", multiple=True, required=True, help="Host name or address; may be repeated.")
@click.pass_obj
def keys_server_certificate(office: Office, names: tuple[str, ...]) -> None:
    """Make a new key and certificate for the server that `serve` runs, for the names that booths call it by."""
    ends = office.keys().authority.issue_server_certificate(names, now=utc_now())
    click.echo(f"The server's certificate is for {', '.join(names)} and holds until {moment(ends)}.")
    note("Restart `failsafe-hq serve`; make the next one before this one ends.")
