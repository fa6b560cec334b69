"""The key of an encrypted file is exchanged: it is encrypted anew beside itself and put in its place in one step.

    NAME.coming   a copy under the new key, until it is proven whole; whoever finds one drops it
    NAME.going    what lay in its place until then, under the old key; whoever finds one overwrites it

Until the rename the old key opens the file, from then on the new one: a power cut leaves one of the two, and `in_force`
says which. The file that lies there is never written: SQLCipher's own `PRAGMA rekey` would change it page by page under
a journal that only the old key plays back, and says nothing when it fails. So it is given the copy.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from failsafe.sync.store import SIDE_FILES, encrypt_anew, fits, held_alone, refusal, sync_folder

COMING: Final = ".coming"
GOING: Final = ".going"
_DAMAGED: Final = ".damaged-*"  # of `store.set_aside`
_BLOCK: Final = 1024 * 1024


def in_force(path: Path, keys: Sequence[bytes]) -> bytes | None:
    """Which of some keys opens a file, None if none does; the last one where there is no file yet.

    Nothing has the file open meanwhile. What an exchange that was cut off left beside it is tidied away.

    Raises:
        StoreBroken: disk, owner or mode forbid it.
    """
    with _said(path):
        going = _beside(path, GOING)
        if not path.exists() and going.exists():  # nothing of ours does that, and what it holds is never given up
            going.rename(path)
        if not _holds_something(path):
            return keys[-1]
        # With the log only where the file alone says nothing: a power cut may have torn its first page.
        found = next((key for whole in (False, True) for key in keys if fits(path, key, with_log=whole)), None)
        if found is not None:
            _tidy(path)
        return found


def exchange(path: Path, key: bytes, coming: bytes, at: str) -> None:
    """Encrypt a file under `coming` instead of `key`; damaged copies that were set aside under it are destroyed.

    The moment, `at`, stands in the file from then on (`store.exchanged_at`).
    It needs as much room again as the file takes.

    Raises:
        WrongKey: the key does not open it.
        StoreDamaged: it is damaged, or the copy would be: the file is as it was.
        StoreBroken: somebody has it open, there is no room, or the disk fails: the file is as it was.
    """
    copy, going = _beside(path, COMING), _beside(path, GOING)
    # Opened first and closed last: to close a file drops the locks that this process has on it.
    with _said(path), path.open("rb") as old, _dropped(copy), held_alone(path, key):
        _copy(old, copy)
        encrypt_anew(copy, key, coming, at)
        _make_durable(copy)
        for damaged in path.parent.glob(f"{path.name}{_DAMAGED}"):
            _overwrite(damaged)
        if going.exists():
            _overwrite(going)
        os.link(path, going)
        sync_folder(path.parent)
        copy.rename(path)
        sync_folder(path.parent)
    with _said(path):
        _tidy(path)


def overwrite(file: BinaryIO) -> None:
    """Fill a file with zeros, as far as its disk lets anybody: a flash memory may keep what was there elsewhere."""
    left = file.seek(0, os.SEEK_END)
    file.seek(0)
    while left > 0:
        left -= file.write(bytes(min(left, _BLOCK)))
    file.flush()
    os.fsync(file.fileno())


def _holds_something(path: Path) -> bool:
    log = _beside(path, SIDE_FILES[0])
    return (path.exists() and path.stat().st_size > 0) or (log.exists() and log.stat().st_size > 0)


def _tidy(path: Path) -> None:
    """Remove what an exchange that was cut off left beside a file that opens."""
    copy, going = _beside(path, COMING), _beside(path, GOING)
    for left in (copy, *(_beside(copy, side) for side in ("-journal", *SIDE_FILES))):
        left.unlink(missing_ok=True)
    if going.exists():
        if going.samefile(path):  # it was cut off before the copy took the place
            going.unlink()
        else:
            _overwrite(going)
        sync_folder(path.parent)


def _overwrite(path: Path) -> None:
    with path.open("r+b", buffering=0) as file:
        if os.fstat(file.fileno()).st_nlink == 1:  # else the same bytes have a name that somebody needs
            overwrite(file)
    path.unlink()


def _copy(old: BinaryIO, copy: Path) -> None:
    handle = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as new:
        shutil.copyfileobj(old, new, _BLOCK)


def _make_durable(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _dropped(copy: Path) -> Iterator[None]:
    """A copy that did not take its place is dropped, before the block as behind it."""
    copy.unlink(missing_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):
            copy.unlink(missing_ok=True)


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise refusal(path, error) from error


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
