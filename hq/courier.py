"""What goes by hand: publications out, the booths' alerts in, receipts back. Nothing is readable on the way.

A stick is as little trusted as a network: what it brings goes through the very desk that booths speak to.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from failsafe.hq.desk.desk import Desk
from failsafe.hq.keyring.keys import HeadquartersError
from failsafe.sync import delivery, mailbag
from failsafe.sync.errors import BytesRefused, Missing, SpoolFault
from failsafe.sync.records import (
    KEYS_FOLDER,
    METADATA_FOLDER,
    TARGETS_FOLDER,
    TIMESTAMP_FILE,
    UNREADABLE,
    WELCOME_FILE,
    Welcome,
    encode,
)
from failsafe.sync.spool import Spool

Progress = Callable[[int, int], None]
_NO_QUOTA: Final = 2**62
_BATCH: Final = 50
_TIMESTAMP_LIMIT: Final = 1024 * 1024
TIMESTAMP: Final = f"{METADATA_FOLDER}/{TIMESTAMP_FILE}"
# Only what is surely a file of a publication is ever removed from somebody's medium.
_OURS: Final = re.compile(
    rf"{METADATA_FOLDER}/\d+\.[a-z0-9%-]+\.json"
    rf"|{TARGETS_FOLDER}/[a-z0-9/-]+/[0-9a-f]{{64}}\.[a-z0-9.-]+"
    rf"|{KEYS_FOLDER}/[a-z0-9-]+/\d+/[A-Z0-9-]+"
)


_WHAT_TO_DO: Final = {
    "unknown-booth": "Enrol the booth first (`failsafe-hq booths enrol`), then import again.",
    "revoked": "The booth's part has ended: ask why it still sends.",
    "fork": "A booth sent two alerts as one: look at its line on the command centre's page, and call its technician.",
    "unsigned": "Signed by other keys than the enrolled ones: call the booth's technician; new keys are enrolled anew.",
    "not-for-this-booth": "Sealed elsewhere or put into another booth's folder: ask who has had this medium.",
    "malformed": "Not made by an export, or by a newer version: have the booth export again, then update headquarters.",
}


def what_to_do(reason: str) -> str:
    """What the operator does about envelopes that were refused for `reason`."""
    return _WHAT_TO_DO.get(reason, "Have the booth export again onto a new medium; it keeps what was not receipted.")


class CourierFault(HeadquartersError):
    """The publication cannot be copied; the medium may hold the old one still, and then whole."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a stick brought: numbers of alerts receipted, of heartbeats, and of what was refused, by reason."""

    receipts: int
    heartbeats: int
    refused: Counter[str]


def take_mail(folder: Path, desk: Desk, now: dt.datetime) -> Taken:
    """Take the alerts and heartbeats of all booths from a stick, and put the receipts on it.

    The receipts of each batch are on the stick before the next is read: one pulled out early loses none of them for
    good, since the same alert gets the same receipt again.

    Raises:
        Missing: there is nothing of a booth on it.
        SpoolFault: the medium cannot be read or written.
        DeskFault: the desk cannot store.
    """
    refused: Counter[str] = Counter()
    receipts = heartbeats = 0
    mail = mailbag.read_mail(folder, lambda _name, error: refused.update([error.reason]))
    while batch := list(islice(mail, _BATCH)):
        answer = desk.take([one.envelope for one in batch if one.kind == "alert"], now)
        refused.update(refusal.reason for refusal in answer.refused)
        mailbag.write_receipts(folder, answer.receipts)
        receipts += len(answer.receipts)
        for one in (one for one in batch if one.kind == "heartbeat"):
            try:
                desk.hear(one.envelope, now)
                heartbeats += 1
            except BytesRefused as error:
                refused[error.reason] += 1
    mailbag.write_receipts(folder, ())  # also for a stick with heartbeats alone
    return Taken(receipts, heartbeats, refused)


def export(
    public: Spool,
    folder: Path,
    *,
    welcome: Welcome | None = None,
    strange: Collection[str] = (),
    progress: Progress = lambda done, total: None,
) -> int:
    """Copy the newest publication into `folder`, its timestamp last, and remove what older ones left there.

    A booth that reads while this goes on, or a stick pulled out before the end, finds the publication before.

    Args:
        public: headquarters' public folder.
        folder: on the medium; made if it is not there.
        welcome: of the one booth the copy is for: its answer goes with it, other booths' key files do not.
        strange: supplements that this booth may not read; nothing of them goes with it.
        progress: told (done, total) files.

    Returns:
        How many files the copy has.

    Raises:
        CourierFault: nothing is published yet, or the medium refuses.
    """
    if not public.holds(TIMESTAMP):
        raise CourierFault("Nothing is published yet.", "Publish first: `failsafe-hq publish`.")
    # Read before the names: what this timestamp vouches for stays in place through the next publication.
    timestamp = public.read(TIMESTAMP, _TIMESTAMP_LIMIT)
    present = [name for name in public.names() if delivery.supplement_in(name) not in strange]
    names = [name for name in present if name != TIMESTAMP and _is_for(name, welcome)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stick = Spool(folder, max_files=_NO_QUOTA, max_bytes=_NO_QUOTA, file_mode=0o644, folder_mode=0o755)
        for done, name in enumerate(names, start=1):
            _copy(public, stick, name)
            progress(done, len(names) + 1)
        if welcome is not None:
            stick.write(WELCOME_FILE, encode(welcome))
        elif _is_welcome(stick):
            stick.remove(WELCOME_FILE)  # it would say that all on this medium is that booth's
        stick.write(TIMESTAMP, timestamp)
        _tidy(stick, set(present))
    except (OSError, SpoolFault) as error:
        raise CourierFault(
            "The medium cannot be written to.", "Check that it is plugged in, writable and has room, then export again."
        ) from error
    progress(len(names) + 1, len(names) + 1)
    return len(names) + 1


def _is_welcome(stick: Spool) -> bool:
    if not stick.holds(WELCOME_FILE):
        return False
    try:
        msgspec.json.decode(stick.read(WELCOME_FILE, _TIMESTAMP_LIMIT), type=Welcome)
    except (BytesRefused, *UNREADABLE):
        return False
    return True


def _copy(public: Spool, stick: Spool, name: str) -> None:
    # A target has its hash in its name: what is there need not be written again, and sticks are slow.
    if name.startswith(TARGETS_FOLDER) and stick.holds(name) and stick.size(name) == public.size(name):
        return
    with contextlib.suppress(Missing):  # a publication that came in between has just pruned it
        stick.write(name, public.chunks(name))


def _is_for(name: str, welcome: Welcome | None) -> bool:
    """Whether a file belongs into the copy: with a booth given, only that booth's key files do."""
    parts = name.split("/")
    return parts[0] != KEYS_FOLDER or welcome is None or parts[-1] == welcome.booth


def _tidy(stick: Spool, kept: set[str]) -> None:
    for name in stick.names():
        if name not in kept and _OURS.fullmatch(name):
            stick.remove(name)
