"""What a booth sends, carried on a stick: envelopes and heartbeats to headquarters, receipts back.

A stick may visit many booths, so each has a folder of its own on it, in the layout of `spool/out`:

    booths/<BOOTH>/alerts/<0|1>-<sequence>-<id>.json, booths/<BOOTH>/heartbeat.json, booths/<BOOTH>/want.json
    receipts/<id>.json                      written by headquarters, read by sync/courier.py

Neither side trusts the stick. Nothing is ever removed from a spool by an export: only headquarters' signed receipt does
that. Headquarters looks only at names that an export makes, at a bounded number of them, follows no link, and judges
each file alone: one that is bad is said and passed over.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from failsafe.sync.errors import Malformed, Missing, NotForThisBooth, SpoolFault, SyncError
from failsafe.sync.outbox import waiting
from failsafe.sync.records import BOOTH_ID, UNREADABLE, encode
from failsafe.sync.reports import (
    ALERTS_FOLDER,
    HEARTBEAT_FILE,
    RECEIPTS_FOLDER,
    WANT_FILE,
    Envelope,
    Receipt,
    receipt_file,
)
from failsafe.sync.spool import Spool

BOOTHS_FOLDER: Final = "booths"
ENVELOPE_LIMIT: Final = 128 * 1024  # 64 KiB sealed, as base64 in JSON
MAX_BOOTHS: Final = 1_000
MAX_ENVELOPES: Final = 100_000
_WANT_LIMIT: Final = 64 * 1024
_NO_QUOTA: Final = 2**62
_WRITE_AGAIN: Final = "Check that the medium is plugged in, writable and has room, then export again; nothing is lost."
_UNRECEIPTED: Final = "Check that it is plugged in, writable and has room, then import again: receipts go back on it."
_READ_AGAIN: Final = "Put the medium in again and import again; what headquarters has is stored once."


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export put on the stick, numbers of files; `present` were there already."""

    alerts: int = 0
    present: int = 0
    heartbeat: bool = False


@dataclass(frozen=True, slots=True)
class Mail:
    """One envelope from a stick; `name` is its file's, below the stick's folder."""

    kind: Literal["alert", "heartbeat"]
    name: str
    envelope: Envelope


def export_folder(
    out: Spool, folder: Path, booth: str, progress: Callable[[int, int], None] = lambda done, total: None
) -> Exported:
    """Copy what waits in `spool/out` to a stick, the most urgent first; a stick pulled out early has those.

    Args:
        out: `spool/out`; nothing in it is changed.
        folder: on the medium; made if it is not there.
        booth: id of this booth.
        progress: told (done, total) files.

    Raises:
        SpoolFault: the spool cannot be read or the medium not written.
    """
    if not BOOTH_ID.fullmatch(booth):
        raise Malformed("This booth's id is not a booth id.", "Correct `id` in [booth] of the configuration.")
    names = [name for name in out.names() if waiting(name) is not None or name in (HEARTBEAT_FILE, WANT_FILE)]
    names.sort(key=lambda name: (waiting(name) is None, name))
    alerts = present = 0
    heartbeat = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stick = Spool(folder, _NO_QUOTA, _NO_QUOTA, file_mode=0o644, folder_mode=0o755)
        for done, name in enumerate(names, start=1):
            try:
                content = out.read(name, ENVELOPE_LIMIT if name != WANT_FILE else _WANT_LIMIT)
            except Missing:  # its receipt came meanwhile
                continue
            fresh = _put(stick, f"{BOOTHS_FOLDER}/{booth}/{name}", content)
            present += not fresh
            alerts += fresh and waiting(name) is not None
            heartbeat |= name == HEARTBEAT_FILE
            progress(done, len(names))
    except OSError as error:
        raise SpoolFault("The medium cannot be written to.", _WRITE_AGAIN) from error
    return Exported(alerts, present, heartbeat)


def _put(stick: Spool, name: str, content: bytes) -> bool:
    """Write a file unless it is there with these bytes; sticks are slow and wear out."""
    if stick.holds(name) and stick.size(name) == len(content) and stick.read(name, len(content)) == content:
        return False
    stick.write(name, content)
    return True


# --- at headquarters -----------------------------------------------------------------------------------------------


def read_mail(folder: Path, refused: Callable[[str, SyncError], None]) -> Iterator[Mail]:
    """The envelopes on a stick, booth by booth, the urgent first; each one's shape is checked, no seal is opened.

    Args:
        folder: on the medium.
        refused: told (name, why) of each file that was passed over; the name is safe to print.

    Raises:
        Missing: there is no such folder, or no booth's on it.
        SpoolFault: the medium cannot be read.
    """
    stick = Spool(folder)
    booths = _booths(folder)
    if not booths:
        raise _nothing_in(folder)
    for booth in booths:
        for name in _alerts(folder, booth):
            yield from _mail(stick, "alert", booth, name, refused)
        yield from _mail(stick, "heartbeat", booth, f"{BOOTHS_FOLDER}/{booth}/{HEARTBEAT_FILE}", refused)


def _nothing_in(folder: Path) -> Missing:
    """Why a folder has no mail, and what its reader does about it."""
    nothing = "No booth has put anything on this medium."
    place = folder / BOOTHS_FOLDER
    if not folder.is_dir():
        return Missing(nothing, "Choose the folder on the medium that `failsafe courier export` was given.")
    if folder.name == BOOTHS_FOLDER or folder.parent.name == BOOTHS_FOLDER:
        return Missing(nothing, "Choose the folder above, which holds `booths`.")
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        what = "link" if place.is_symlink() else "file"
        return Missing(
            f"A {what} stands where the folder `booths` belongs.",
            "Move it off the medium, have the booth export again (`failsafe courier export`), and ask who has had it.",
        )
    if place.is_dir():
        return Missing(
            "The folder `booths` holds no booth's folder.", "Have the booth export again: `failsafe courier export`."
        )
    return Missing(nothing, "Choose the folder that holds `booths`; `failsafe courier export` makes it at a booth.")


def write_receipts(folder: Path, receipts: Iterable[Receipt]) -> int:
    """Put receipts on a stick for the booths it will visit; how many were not there yet.

    Their folder is made even for none of them: so a booth sees that its stick was here.

    Raises:
        SpoolFault: the medium cannot be written.
        Malformed: a link stands where the receipts belong.
    """
    place = folder / RECEIPTS_FOLDER
    try:
        if place.is_symlink():
            raise Malformed("A link stands where the receipts belong.", "Remove it, and ask who has had this medium.")
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise SpoolFault("The medium cannot be written to.", _UNRECEIPTED) from error
    stick = Spool(folder, _NO_QUOTA, _NO_QUOTA, file_mode=0o644, folder_mode=0o755)
    return sum(_put(stick, receipt_file(receipt.id), encode(receipt)) for receipt in receipts)


def _booths(folder: Path) -> list[str]:
    found = [name for name, is_folder in _entries(folder / BOOTHS_FOLDER) if is_folder and BOOTH_ID.fullmatch(name)]
    return sorted(found)[:MAX_BOOTHS]


def _alerts(folder: Path, booth: str) -> list[str]:
    """Names below the stick's folder, sorted: the urgent first, then in the chain's order."""
    place = f"{BOOTHS_FOLDER}/{booth}/{ALERTS_FOLDER}"
    if (folder / BOOTHS_FOLDER / booth).is_symlink():
        return []
    files = [name for name, is_folder in _entries(folder / place) if not is_folder]
    found = [name for name in files if waiting(f"{ALERTS_FOLDER}/{name}") is not None]
    return [f"{place}/{name}" for name in sorted(found)]


def _entries(folder: Path) -> list[tuple[str, bool]]:
    """Name and whether it is a folder, of plain files and folders; links, pipes and all beyond a limit are not seen."""
    found: list[tuple[str, bool]] = []
    try:
        if folder.is_symlink():
            return []
        with os.scandir(folder) as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                if is_folder or entry.is_file(follow_symlinks=False):
                    found.append((entry.name, is_folder))
                if len(found) >= MAX_ENVELOPES:
                    break
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SpoolFault("The medium cannot be read.", _READ_AGAIN) from error
    return found


def _mail(
    stick: Spool, kind: Literal["alert", "heartbeat"], booth: str, name: str, refused: Callable[[str, SyncError], None]
) -> Iterator[Mail]:
    try:
        yield Mail(kind, name, _envelope(stick.read(name, ENVELOPE_LIMIT), kind, booth, name))
    except SyncError as error:
        if not (kind == "heartbeat" and isinstance(error, Missing)):
            refused(name, error)


def _envelope(content: bytes, kind: str, booth: str, name: str) -> Envelope:
    try:
        envelope = msgspec.json.decode(content, type=Envelope)
    except UNREADABLE as error:
        raise Malformed("A file is not an envelope that this version reads.") from error
    if envelope.booth != booth:
        raise NotForThisBooth("An envelope lies in another booth's folder.", "Ask who has had this medium.")
    if kind == "alert" and not name.endswith(f"-{envelope.id}.json"):
        raise Malformed("An envelope is not the one its file is called after.")
    return envelope
