"""What every command of `failsafe-hq` stands on: its folder, the clock, words, errors and the passphrase."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import Progress

from failsafe.hq import courier as medium
from failsafe.hq import upkeep
from failsafe.hq.feeds.register import Register
from failsafe.hq.feeds.repository import Repository
from failsafe.hq.keyring.keys import HeadquartersError, KeyMissing, KeyStore
from failsafe.sync import journal
from failsafe.sync.errors import SyncError

REGISTER_FILE: Final = "register.sqlite"
FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER: Final = click.Path(file_okay=False, path_type=Path)


class Commands(click.Group):
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

    def keys(self, media: Sequence[Path] = ()) -> KeyStore:
        return KeyStore.open(self.home, media)

    def repository(self, media: Sequence[Path] = ()) -> Repository:
        return Repository(self.home, self.keys(media))

    def is_half_made(self) -> bool:
        """Whether the keys are whole and nothing else is there: the ceremony was interrupted."""
        try:
            self.keys()
        except KeyMissing:
            return False
        return not any((self.home / name).exists() for name in (f"public/{medium.TIMESTAMP}", REGISTER_FILE))

    def warn_if_late(self) -> None:
        """Say it where booths are no longer told that their notices are current."""
        if late := upkeep.late(self.repository(), utc_now()):
            note(
                "Booths are no longer told that their notices are current: the timestamp "
                f"{f'was last signed {late.signed_at}' if late.signed_at else 'cannot be read'}. `failsafe-hq upkeep` "
                "signs it anew, or says why that cannot be."
            )

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


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)  # noqa: TID251 - the command line is where headquarters asks the clock


def note(text: str) -> None:
    click.echo(text, err=True)


@contextmanager
def bar_of(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal's standard error, gone when it is done; it moves by itself while no number is known."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


passphrase_file_option = click.option(
    "--passphrase-file",
    type=FILE,
    help="File whose first line opens the offline keys; else FAILSAFE_HQ_PASSPHRASE, else a prompt.",
)


def read_passphrase(file: Path | None, *, new: bool = False) -> str:
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


media_option = click.option(
    "--offline",
    "media",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="Folder of offline keys, on a medium; may be repeated. Else `offline` in headquarters' folder.",
)
yes_option = click.option("--yes", is_flag=True, help="Do it without asking.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Only say what would happen; nothing is changed.")


def go_on(lines: Sequence[str], *, dry_run: bool, yes: bool) -> bool:
    """Say what will happen, and whether it shall: a person at a terminal is asked, nobody else without --yes is."""
    for line in lines:
        click.echo(line, err=not dry_run)
    if dry_run:
        note("Nothing was changed.")
        return False
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("Nothing was changed: see what would happen with --dry-run, then give --yes.")
        click.confirm("Do it?", abort=True, err=True)
    return True


database_option = click.option(
    "--database",
    metavar="URL",
    help="Where alerts are stored, an address of SQLAlchemy (postgresql+psycopg://...); else desk.sqlite.",
)
