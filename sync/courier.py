"""The courier carries publications on a stick, where no network reaches; what it carries it cannot read.

A stick has the layout of a publication (sync/records.py). Its files go into the spool one by one, `timestamp.json`
last: until that one is there, a reader sees the publication that lay in the spool before. The courier verifies no
signature, the booth's core does; but it refuses what no publication has (links, pipes, odd names, too much), and it
notices a file that was cut on the way, since targets carry their hash in their name.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from failsafe.sync.errors import Malformed, Missing, NotForThisBooth, SpoolFault, Truncated
from failsafe.sync.records import (
    BOOTH_ID,
    KEYS_FOLDER,
    METADATA_FOLDER,
    TARGETS_FOLDER,
    TIMESTAMP_FILE,
    WELCOME_FILE,
    Welcome,
)
from failsafe.sync.spool import Spool, check_name

Progress = Callable[[int, int], None]  # bytes done, bytes in all

_TIMESTAMP: Final = f"{METADATA_FOLDER}/{TIMESTAMP_FILE}"
_METADATA_LIMIT: Final = 8 * 1024 * 1024
_KEY_LIMIT: Final = 64 * 1024
_WELCOME_LIMIT: Final = 1024 * 1024
_HASHED: Final = re.compile(r"([0-9a-f]{64})\..+")
_DEPTH: Final = 4
_NOTHING_HERE: Final = "Choose the folder in which `metadata` and `targets` lie, or this booth's welcome file."
_READ_AGAIN: Final = "Put the medium in again and start the import again; the spool holds what it held before."
_TOO_MUCH: Final = "Check that this is the right folder; if it is, raise the spool's quota."


@dataclass(frozen=True, slots=True)
class Carried:
    """What an import put into the spool: numbers of files, and bytes; `present` were there already."""

    metadata: int = 0
    targets: int = 0
    keys: int = 0
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

    def in_order(self) -> list[str]:
        """What others need comes first, roots late, since a new one makes the old timestamp unsigned; see `_rank`."""
        return sorted(self.files, key=lambda name: (_rank(name), name))


def _rank(name: str) -> int:
    if name == _TIMESTAMP:
        return 9
    if name.endswith(".root.json"):
        return 8
    return 5 if name.startswith(f"{METADATA_FOLDER}/") else 0


def import_folder(source: Path, spool: Spool, booth: str, progress: Progress | None = None) -> Carried:
    """Copy a publication, with this booth's key files and welcome file, or a single welcome file, into the spool.

    Args:
        source: folder with the layout of a publication, or a welcome file.
        spool: `spool/in`.
        booth: id of this booth; key files and welcome files of others are left where they are.
        progress: called after each piece with the bytes done and the bytes in all.

    Raises:
        Missing: there is nothing here that a booth takes.
        Malformed: a link, an odd name, or more than any publication has; nothing was copied.
        Truncated: a file does not have the hash in its name; the timestamp was not copied.
        NotForThisBooth: a single welcome file of another booth.
        SpoolFault: medium or spool cannot be read or written.
    """
    if not BOOTH_ID.fullmatch(booth):
        raise Malformed("This booth's id is not a booth id.", "Correct `booth` in the configuration.")
    if source.is_file() and not source.is_symlink():
        return _import_welcome(source, spool, booth)
    if not source.is_dir():
        raise Missing("There is no such folder.", _NOTHING_HERE)
    stick = Spool(source)
    load = _survey(source, stick, spool, booth)
    spool.sweep()
    _make_room(spool, load)
    return _copy(stick, spool, load, progress or (lambda done, total: None))


def _import_welcome(file: Path, spool: Spool, booth: str) -> Carried:
    try:
        with file.open("rb") as opened:
            content = opened.read(_WELCOME_LIMIT)
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
    except msgspec.DecodeError:
        return None


# --- what is on the stick ----------------------------------------------------------------------------------------


def _survey(source: Path, stick: Spool, spool: Spool, booth: str) -> _Load:
    """Everything that will be copied; refuses before the first byte is."""
    load = _Load()
    try:
        for folder, limit in ((METADATA_FOLDER, _METADATA_LIMIT), (TARGETS_FOLDER, spool.max_bytes)):
            for name, length in _plain_files(source / folder, folder, _DEPTH):
                _take(load, spool, name, name, length, limit)
        for name, length in _own_keys(source / KEYS_FOLDER, booth):
            _take(load, spool, name, name, length, _KEY_LIMIT)
    except OSError as error:
        raise SpoolFault("The medium cannot be read.", _READ_AGAIN) from error
    for name in (f"{booth}.{WELCOME_FILE}", WELCOME_FILE):
        if stick.holds(name) and _is_own_welcome(stick.read(name, _WELCOME_LIMIT), booth):
            _take(load, spool, WELCOME_FILE, name, stick.size(name), _WELCOME_LIMIT)
            break
    if _TIMESTAMP not in load.files and set(load.files) != {WELCOME_FILE}:
        raise Missing("There is no whole publication in this folder.", _NOTHING_HERE)
    return load


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
        elif entry.is_file(follow_symlinks=False):
            yield inside, entry.stat(follow_symlinks=False).st_size
        else:
            raise Malformed("There is a link, a pipe or too deep a folder where a publication has files.")


def _own_keys(folder: Path, booth: str) -> Iterator[tuple[str, int]]:
    """The booth's key files; `keys/<feed>/<epoch>/<booth>` of other booths are not even looked at."""
    for feed in _folders(folder):
        for epoch in _folders(feed):
            file = epoch / booth
            if file.is_symlink():
                raise Malformed("There is a link where a key file belongs.")
            if file.is_file():
                yield f"{KEYS_FOLDER}/{feed.name}/{epoch.name}/{booth}", file.stat().st_size


def _folders(folder: Path) -> list[Path]:
    if not _is_folder(folder):
        return []
    return sorted(inner for inner in folder.iterdir() if not inner.name.startswith(".") and _is_folder(inner))


def _is_folder(folder: Path) -> bool:
    if folder.is_symlink():
        raise Malformed("There is a link where a publication has a folder.")
    return folder.is_dir()


# --- into the spool ------------------------------------------------------------------------------------------------


def _make_room(spool: Spool, load: _Load) -> None:
    """Where old and new do not fit together the old one goes: its notices are in the mirror already."""
    usage = spool.usage()
    if usage.files + len(load.files) <= spool.max_files and usage.bytes + load.bytes <= spool.max_bytes:
        return
    for name in spool.names():
        if name not in load.files and name != WELCOME_FILE and not name.endswith(".root.json"):
            spool.remove(name)


def _copy(stick: Spool, spool: Spool, load: _Load, progress: Progress) -> Carried:
    counts = {METADATA_FOLDER: 0, TARGETS_FOLDER: 0, KEYS_FOLDER: 0, WELCOME_FILE: 0}
    done = present = copied = 0
    total = load.bytes
    for name in load.in_order():
        on_stick, length = load.files[name]
        if _is_present(spool, name, length):
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
        welcome=bool(counts[WELCOME_FILE]),
        present=present,
        bytes=copied,
    )


def _report(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def _is_present(spool: Spool, name: str, length: int) -> bool:
    """Whether the spool has this target already, by length and the hash in its name."""
    hashed = _HASHED.fullmatch(name.rpartition("/")[2])
    if hashed is None or not name.startswith(f"{TARGETS_FOLDER}/"):
        return False
    if not spool.holds(name) or spool.size(name) != length:
        return False
    return _sha256(spool.chunks(name)) == hashed[1]


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
    hashed = _HASHED.fullmatch(name.rpartition("/")[2]) if name.startswith(f"{TARGETS_FOLDER}/") else None
    if done != length or (hashed is not None and digest.hexdigest() != hashed[1]):
        raise Truncated("A file on the medium is not whole.")


def _sha256(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
