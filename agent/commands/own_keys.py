"""`failsafe keys`: the booth's own keys, made, renewed and tried."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from failsafe.agent import config, keys
from failsafe.agent.commands.upkeep import with_config
from failsafe.agent.config import Configuration
from failsafe.sync.records import Enrolment, encode

_DATABASES = ("mirror", "ledger")
_FOLDER = click.Path(path_type=Path, file_okay=False)
_out = click.option("--out", type=_FOLDER, default=Path(), help="Where BOOTH.enrol goes.")


@click.group("keys")
def keys_group() -> None:
    """The booth's own keys."""


@keys_group.command("init")
@with_config
@click.option("--folder", type=_FOLDER, help="Where to write the keys.")
@_out
def keys_init(path: Path, folder: Path | None, out: Path) -> None:
    """Make the booth's keys and BOOTH.enrol, the file that headquarters enrols it with."""
    configuration = config.load(path)
    booth = configuration.booth
    place = folder or keys.folder(configuration.folders.keys)
    file = _written(keys.make(place, booth.id, booth.country), out)
    click.echo(f"Keys are in {place}. Protect them with `systemd-creds encrypt` before the booth is used.", err=True)
    click.echo(f"Give {file} to headquarters: failsafe-hq booths enrol {file.name}", err=True)


@keys_group.command("renew")
@with_config
@click.option("--folder", type=_FOLDER, help="An empty folder for the new keys.")
@_out
@click.option(
    "--disk",
    is_flag=False,
    flag_value="both",
    type=click.Choice([*_DATABASES, "both"]),
    help="Renew what opens the databases instead: `mirror`, `ledger`, or both.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would happen; nothing is changed.")
def keys_renew(path: Path, folder: Path | None, out: Path, disk: str | None, dry_run: bool) -> None:
    """Make new keys; the booth goes on with the present ones meanwhile.

    Those for signing, sealing and the link, which headquarters must enrol; with --disk those that open mirror and
    ledger, which are this booth's own affair.
    """
    configuration = config.load(path)
    if disk is not None:
        _renew_disk_keys(configuration, folder, _DATABASES if disk == "both" else (disk,), dry_run=dry_run)
        return
    if folder is None:
        raise click.UsageError("Give --folder: an empty folder for the new keys.")
    booth = configuration.booth
    if dry_run:
        _say(*_RENEWAL, dry_run=True)
        return
    file = _written(keys.renew(folder, booth.id, booth.country), out)
    click.echo(f"New keys are in {folder}; nothing else was changed.", err=True)
    click.echo(f"Give {file} to headquarters: failsafe-hq booths enrol --renew {file.name}", err=True)
    click.echo(
        "From then on the old ones are refused: bring the answer, then change them (docs/installation.md).", err=True
    )


_RENEWAL = (
    f"Makes {', '.join(keys.RENEWED)} and {keys.LINK_KEY} anew (they sign and open what goes between this booth and "
    "headquarters, and the link's TLS).",
    "Here: the new keys lie in the folder, BOOTH.enrol beside; nothing else is changed.",
    "Headquarters: from `failsafe-hq booths enrol --renew BOOTH.enrol` on it refuses the old keys.",
    "Alerts: they wait in the ledger until the new keys are in place, and are signed and sealed anew. Bring the answer "
    "within a day, or the notices grow too old to clear anybody.",
    "Whoever has the old keys: reads what they caught on its way before, and can send nothing any more.",
)


def _renew_disk_keys(
    configuration: Configuration, folder: Path | None, names: tuple[str, ...], *, dry_run: bool
) -> None:
    sealed = not configuration.folders.keys
    if folder is None and sealed:
        raise click.UsageError(
            "systemd gives the keys to the core: give --folder, a folder for the new ones, as /etc/failsafe/keys."
        )
    place = folder or Path(configuration.folders.keys)
    going = [f"{name}.key" for name in names]
    from failsafe.agent import disk_keys  # the link loads this file, and nothing that opens a database

    words = disk_keys.told(Path(configuration.folders.state), place, going, sealed=sealed)
    if not dry_run:
        keys.renew_disk_keys(place, going)
    _say(*words, dry_run=dry_run)


@keys_group.command("fits")
@with_config
@click.argument("database", type=click.Choice(_DATABASES))
def keys_fits(path: Path, database: str) -> None:
    """Say whether the key on standard input opens DATABASE as it lies there; exit code 1 if not."""
    from failsafe.sync.store import KEY_LENGTH, fits  # as above

    key = sys.stdin.buffer.read(KEY_LENGTH + 1)
    file = Path(config.load(path).folders.state) / f"{database}.db"
    if len(key) != KEY_LENGTH or not file.exists() or not file.stat().st_size or not fits(file, key):
        raise click.ClickException(f"This key does not open {file}. Keep it until the one that does is found.")
    click.echo(f"This key opens {file}.", err=True)


def _say(*lines: str, dry_run: bool) -> None:
    for line in lines:
        click.echo(line, err=not dry_run)
    if dry_run:
        click.echo("Nothing was changed.", err=True)


def _written(enrolment: Enrolment, out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{enrolment.booth}.enrol"
    file.write_bytes(encode(enrolment))
    return file
