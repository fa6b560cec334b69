"""The courier carries publications on a stick, where no network reaches; what it carries it cannot read.

A stick for one booth has this booth's feeds on it, one for all has every booth's: of that the courier takes the
supplements that the core has named in `want.json`, and leaves the others where they are.

A stick has the layout of a publication (sync/records.py). Its files go into the spool one by one, `timestamp.json`
last: until that one is there, a reader sees the publication that lay in the spool before. The courier verifies no
signature, the booth's core does; but it refuses what no publication has (links, pipes, odd names, too much), and it
notices a file that was cut on the way, since targets carry their hash in their name.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from failsafe.sync import delivery
from failsafe.sync.delivery import KEY_LIMIT, METADATA_LIMIT, RECEIPT_LIMIT, TIMESTAMP, WELCOME_LIMIT
from failsafe.sync.errors import Malformed, Missing, NotForThisBooth, SpoolFault, SyncError, Truncated
from failsafe.sync.mailbag import BOOTHS_FOLDER
from failsafe.sync.outbox import waiting
from failsafe.sync.records import (
    BOOTH_ID,
    KEYS_FOLDER,
    METADATA_FOLDER,
    TARGETS_FOLDER,
    UNREADABLE,
    WELCOME_FILE,
    Welcome,
)
from failsafe.sync.reports import ALERTS_FOLDER, RECEIPTS_FOLDER, WANT_FILE, Receipt, Want, receipt_file
from failsafe.sync.spool import Spool, check_name

Progress = Callable[[int, int], None]  # bytes done, bytes in all

_DEPTH: Final = 4
_WANT_LIMIT: Final = 64 * 1024
_CLEARED_AT_ONCE: Final = 10_000
_CLEARED_ROUNDS: Final = 200
_NOTHING_HERE: Final = "Choose the folder in which `metadata` and `targets` lie, or this booth's welcome file."
_READ_AGAIN: Final = "Put the medium in again and start the import again; the spool holds what it held before."
_STRANGE: Final = (
    "Do not use this medium; ask who has had it, and for a new one from headquarters (`failsafe-hq courier export`)."
)
_NOT_BACK_YET: Final = (
    "Bring it to headquarters first (`failsafe-hq courier import`), then import it here: the receipts come on it."
)
_TOO_MUCH: Final = "Check that this is the right folder; if it is, raise the spool's quota."


@dataclass(frozen=True, slots=True)
class Carried:
    """What an import put into the spool: numbers of files, and bytes; `present` were there already."""

    metadata: int = 0
    targets: int = 0
    keys: int = 0
    receipts: int = 0
    welcome: bool = False
    present: int = 0
    bytes: int = 0


@dataclass(slots=True)
class _Load:
    """The files of a stick that this booth wants: name in the spool -> (name on the stick, length)."""

    files: dict[str, tuple[str, int]] = field(default_factory=dict)
    bytes: int = 0

    def add(self, name: str, on_stick: str, length: int) -> None:
        self.files[name] = (on_stick, length)
        self.bytes += length


def import_folder(
    source: Path, spool: Spool, booth: str, progress: Progress | None = None, *, out: Spool | None = None
) -> Carried:
    """Copy a publication, with this booth's key files, welcome file and receipts, or a single welcome file.

    Args:
        source: folder with the layout of a publication, or a welcome file.
        spool: `spool/in`.
        booth: id of this booth; key files and welcome files of others are left where they are.
        progress: called after each piece with the bytes done and the bytes in all.
        out: `spool/out`; a receipt is taken while its envelope waits there, and no other, and it says which supplements
            are this booth's. None: no receipts, and supplements only from a stick for this booth alone.

    Raises:
        Missing: there is nothing here that a booth takes.
        Malformed: a link, an odd name, or more than any publication has; nothing was copied.
        Truncated: a file does not have the hash in its name; the timestamp was not copied.
        NotForThisBooth: a single welcome file of another booth.
        SpoolFault: medium or spool cannot be read or written.
    """
    if not BOOTH_ID.fullmatch(booth):
        raise Malformed("This booth's id is not a booth id.", "Correct `id` in [booth] of the configuration.")
    if source.is_file() and not source.is_symlink():
        return _import_welcome(source, spool, booth)
    if not source.is_dir():
        raise Missing("There is no such folder.", _NOTHING_HERE)
    stick = Spool(source)
    load = _survey(source, stick, spool, booth, _wanted(out, booth))
    with delivery.alone(spool):
        has_receipts = _add_receipts(load, source, stick, spool, booth, out)
        if not load.files and not has_receipts and _holds_own_mail(source, booth):
            raise Missing("This medium has this booth's alerts on it and nothing for it yet.", _NOT_BACK_YET)
        _check_whole(load, has_receipts=has_receipts)
        spool.sweep()
        delivery.drop_strange_roots(spool, load.files)
        delivery.make_room(spool, load.files, load.bytes)
        return _copy(stick, spool, load, progress or (lambda done, total: None))


def _import_welcome(file: Path, spool: Spool, booth: str) -> Carried:
    try:
        with file.open("rb") as opened:
            content = opened.read(WELCOME_LIMIT)
    except OSError as error:
        raise SpoolFault("The medium cannot be read.", _READ_AGAIN) from error
    welcome = _welcome(content)
    if welcome is None:
        raise Malformed("This file is no welcome file.", _NOTHING_HERE)
    if welcome.booth != booth:
        raise NotForThisBooth("This welcome file is another booth's.")
    return Carried(welcome=True, bytes=spool.write(WELCOME_FILE, content))


def _welcome(content: bytes) -> Welcome | None:
    try:
        return msgspec.json.decode(content, type=Welcome)
    except UNREADABLE:
        return None


# --- what is on the stick ----------------------------------------------------------------------------------------


def _wanted(out: Spool | None, booth: str) -> tuple[str, ...]:
    """The feeds that the core has named as this booth's."""
    try:
        want = None if out is None else msgspec.json.decode(out.read(WANT_FILE, _WANT_LIMIT), type=Want)
    except (SyncError, *UNREADABLE):
        return ()
    return want.feeds if want is not None and want.booth == booth else ()


def _survey(source: Path, stick: Spool, spool: Spool, booth: str, wanted: tuple[str, ...]) -> _Load:
    """Everything that will be copied; refuses before the first byte is."""
    load = _Load()
    alone = stick.holds(WELCOME_FILE) and _is_own_welcome(stick.read(WELCOME_FILE, WELCOME_LIMIT), booth)
    try:
        for folder, limit in ((METADATA_FOLDER, METADATA_LIMIT), (TARGETS_FOLDER, spool.max_bytes)):
            for name, length in _plain_files(source / folder, folder, _DEPTH):
                if alone or delivery.supplement_in(name) in (None, *wanted):
                    _take(load, spool, name, name, length, limit)
        for name, length in _own_keys(source / KEYS_FOLDER, booth):
            _take(load, spool, name, name, length, KEY_LIMIT)
    except OSError as error:
        raise SpoolFault("The medium cannot be read.", _READ_AGAIN) from error
    for name in (f"{booth}.{WELCOME_FILE}", WELCOME_FILE):
        if stick.holds(name) and _is_own_welcome(stick.read(name, WELCOME_LIMIT), booth):
            _take(load, spool, WELCOME_FILE, name, stick.size(name), WELCOME_LIMIT)
            break
    return load


def _check_whole(load: _Load, *, has_receipts: bool) -> None:
    """A publication has a timestamp; a welcome file or receipts may come alone, also receipts nobody waits for."""
    of_publications = [name for name in load.files if name != WELCOME_FILE and not name.startswith(RECEIPTS_FOLDER)]
    if TIMESTAMP not in load.files and (of_publications or not (load.files or has_receipts)):
        raise Missing("There is no whole publication in this folder.", _NOTHING_HERE)


def _add_receipts(load: _Load, source: Path, stick: Spool, spool: Spool, booth: str, out: Spool | None) -> bool:
    """The receipts for what waits in `out`; asked for by name, so that nothing else on a stick is looked at.

    Receipts in the spool whose envelope is gone have done their work and go too: without a link nobody else may.

    Returns:
        Whether headquarters has put receipts on this stick at all; they may all have been taken by now.
    """
    if out is None or not out.root.is_dir():
        return False
    ids = {one.id for name in out.names(f"{ALERTS_FOLDER}/") if (one := waiting(name)) is not None}
    awaited = {receipt_file(entry_id).rpartition("/")[2] for entry_id in ids}
    for _ in range(_CLEARED_ROUNDS):  # no more: a link gone bad may go on laying down
        strange = spool.beside(RECEIPTS_FOLDER, awaited, _CLEARED_AT_ONCE)
        if not strange or not spool.drop(RECEIPTS_FOLDER, strange):
            break
    if not _is_folder(source / RECEIPTS_FOLDER):
        return False
    for name in map(receipt_file, sorted(ids)):
        if _is_own_receipt(stick, name, booth):
            _take(load, spool, name, name, stick.size(name), RECEIPT_LIMIT)
    return True


def _holds_own_mail(source: Path, booth: str) -> bool:
    """Whether the booth's own export lies on the stick; only said, so a link may stand there."""
    return (source / BOOTHS_FOLDER / booth).is_dir()


def _is_own_receipt(stick: Spool, name: str, booth: str) -> bool:
    """Whether a plain file is a receipt for what it is called after; the core verifies its signature."""
    try:
        receipt = msgspec.json.decode(stick.read(name, RECEIPT_LIMIT), type=Receipt)
    except (SyncError, *UNREADABLE):
        return False
    return receipt.booth == booth and name == receipt_file(receipt.id)


def _is_own_welcome(content: bytes, booth: str) -> bool:
    welcome = _welcome(content)
    return welcome is not None and welcome.booth == booth


def _take(load: _Load, spool: Spool, name: str, on_stick: str, length: int, limit: int) -> None:
    check_name(name)
    if length > limit:
        raise Malformed("A file on the medium is larger than any publication's.", _TOO_MUCH)
    load.add(name, on_stick, length)
    if len(load.files) > spool.max_files or load.bytes > spool.max_bytes:
        raise Malformed("There is more on the medium than the spool may hold.", _TOO_MUCH)


def _plain_files(folder: Path, name: str, depth: int) -> Iterator[tuple[str, int]]:
    """Relative name and length of the plain files below; anything else but a folder is refused.

    Hidden files are what operating systems leave on a stick, and no publication's: they are passed over.
    """
    if not _is_folder(folder):
        return
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        inside = f"{name}/{entry.name}"
        check_name(inside)
        if entry.is_dir(follow_symlinks=False) and depth > 1:
            yield from _plain_files(folder / entry.name, inside, depth - 1)
        elif entry.is_file(follow_symlinks=False) and delivery.is_of_publication(inside):
            yield inside, entry.stat(follow_symlinks=False).st_size
        else:
            raise Malformed("There is something on the medium that is no file of a publication.", _STRANGE)


def _own_keys(folder: Path, booth: str) -> Iterator[tuple[str, int]]:
    """The booth's key files; `keys/<feed>/<epoch>/<booth>` of other booths are not even looked at."""
    for feed in _folders(folder):
        for epoch in _folders(feed):
            file = epoch / booth
            if file.is_symlink():
                raise Malformed("There is a link where a key file belongs.", _STRANGE)
            if file.is_file():
                yield f"{KEYS_FOLDER}/{feed.name}/{epoch.name}/{booth}", file.stat().st_size


def _folders(folder: Path) -> list[Path]:
    if not _is_folder(folder):
        return []
    return sorted(inner for inner in folder.iterdir() if not inner.name.startswith(".") and _is_folder(inner))


def _is_folder(folder: Path) -> bool:
    if folder.is_symlink():
        raise Malformed("There is a link where a publication has a folder.", _STRANGE)
    return folder.is_dir()


# --- into the spool ------------------------------------------------------------------------------------------------


def _copy(stick: Spool, spool: Spool, load: _Load, progress: Progress) -> Carried:
    counts = dict.fromkeys((METADATA_FOLDER, TARGETS_FOLDER, KEYS_FOLDER, RECEIPTS_FOLDER, WELCOME_FILE), 0)
    done = present = copied = 0
    total = load.bytes
    for name in delivery.in_order(load.files):
        on_stick, length = load.files[name]
        if delivery.is_present(spool, name, length):
            present += 1
        else:
            step = partial(_report, progress, done, total)
            copied += spool.write(name, _pieces(stick, on_stick, length, step))
            counts[name.partition("/")[0]] += 1
        done += length
        progress(done, total)
    return Carried(
        metadata=counts[METADATA_FOLDER],
        targets=counts[TARGETS_FOLDER],
        keys=counts[KEYS_FOLDER],
        receipts=counts[RECEIPTS_FOLDER],
        welcome=bool(counts[WELCOME_FILE]),
        present=present,
        bytes=copied,
    )


def _report(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def _pieces(stick: Spool, name: str, length: int, step: Callable[[int], None]) -> Iterator[bytes]:
    """A file's content from the stick, which has to be as long as surveyed and to have the hash in its name."""
    digest = hashlib.sha256()
    done = 0
    try:
        for piece in stick.chunks(name):
            done += len(piece)
            if done > length:
                break
            digest.update(piece)
            step(done)
            yield piece
    except SpoolFault as error:
        raise SpoolFault("The medium cannot be read.", _READ_AGAIN) from error
    expected = delivery.target_hash(name)
    if done != length or expected not in (None, digest.hexdigest()):
        raise Truncated("A file on the medium is not whole.")
