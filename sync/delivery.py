"""How a publication is put into `spool/in`, whoever brings it: in which order, what is there already, what may go.

Link and courier share this, so that the core cannot tell them apart. Until `timestamp.json` is in place a reader sees
the publication that lay there before, whole; only files of publications are ever removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from failsafe.sync.errors import SpoolFault
from failsafe.sync.records import KEYS_FOLDER, METADATA_FOLDER, TARGETS_FOLDER, TIMESTAMP_FILE, Head, Payload, base_of
from failsafe.sync.reports import FeedState
from failsafe.sync.spool import Spool

TIMESTAMP: Final = f"{METADATA_FOLDER}/{TIMESTAMP_FILE}"
METADATA_LIMIT: Final = 8 * 1024 * 1024
KEY_LIMIT: Final = 64 * 1024
WELCOME_LIMIT: Final = 1024 * 1024
RECEIPT_LIMIT: Final = 4 * 1024
_OF_PUBLICATIONS: Final = (f"{METADATA_FOLDER}/", f"{TARGETS_FOLDER}/", f"{KEYS_FOLDER}/")
_HASHED: Final = re.compile(r"([0-9a-f]{64})\..+")
_ROOT: Final = re.compile(rf"{METADATA_FOLDER}/([1-9][0-9]{{0,8}})\.root\.json")
# No folder is called as a file could be, or it would stand in that file's way for ever.
_LAYOUT: Final = re.compile(
    rf"{METADATA_FOLDER}/(?:timestamp|[1-9][0-9]{{0,17}}\.[^/]+)\.json"
    rf"|{TARGETS_FOLDER}/(?:(?![0-9a-f]{{64}}\.)[^/]+/)*[0-9a-f]{{64}}\.[^/]+"
)
# Longer than this nobody waits for whoever else puts a publication in place.
_PATIENCE_S: Final = 60.0
_STEP_S: Final = 0.1
_STOP_LINK: Final = "Stop the link (`systemctl stop failsafe-link`), import again, and have the link looked at."


def in_order(names: Iterable[str]) -> list[str]:
    """Names in the order in which they may appear: what others need comes first, `timestamp.json` last.

    Roots come late, since a new one may make the old timestamp unsigned.
    """
    return sorted(names, key=lambda name: (_rank(name), name))


def _rank(name: str) -> int:
    if name == TIMESTAMP:
        return 9
    if name.endswith(".root.json"):
        return 8
    return 5 if name.startswith(f"{METADATA_FOLDER}/") else 0


def is_of_publication(name: str) -> bool:
    """Whether metadata or a target may be called so (docs/wire.md, "The publication")."""
    return _LAYOUT.fullmatch(name) is not None


def drop_strange_roots(spool: Spool, brought: Iterable[str]) -> None:
    """Remove roots beyond the newest of those that a publication comes with.

    Every reader asks for the root after its own first. One that nobody signed, from a stick that nobody should have
    used, would be asked for before each publication from then on, and refused with it.
    """
    newest = max((int(found[1]) for name in brought if (found := _ROOT.fullmatch(name))), default=None)
    if newest is None:
        return
    for name in spool.names(f"{METADATA_FOLDER}/"):
        found = _ROOT.fullmatch(name)
        if found is not None and int(found[1]) > newest:
            spool.remove(name)


def target_hash(name: str) -> str | None:
    """The SHA-256 that a target's file carries in its name; None where `name` is no target's."""
    hashed = _HASHED.fullmatch(name.rpartition("/")[2])
    return hashed[1] if hashed is not None and name.startswith(f"{TARGETS_FOLDER}/") else None


def is_present(spool: Spool, name: str, length: int) -> bool:
    """Whether the spool has this target already, by length and the hash in its name; False for other files."""
    expected = target_hash(name)
    if expected is None or not spool.holds(name) or spool.size(name) != length:
        return False
    digest = hashlib.sha256()
    for piece in spool.chunks(name):
        digest.update(piece)
    return digest.hexdigest() == expected


def make_room(spool: Spool, names: Collection[str], size: int) -> None:
    """Where old and new do not fit together the old publication goes: its notices are in the mirror already.

    Args:
        spool: `spool/in`.
        names: the files that will be written; they stay if they are there.
        size: of them all, bytes.
    """
    usage = spool.usage()
    if usage.files + len(names) > spool.max_files or usage.bytes + size > spool.max_bytes:
        prune(spool, names)


def prune(spool: Spool, kept: Collection[str]) -> int:
    """Remove the files of publications that are not in `kept` and say how many that were.

    Roots stay, since a booth that was off for long follows them one by one, and so does all that is not a
    publication's: welcome, receipts, the link's own word.
    """
    removed = 0
    for name in spool.names():
        if name.startswith(_OF_PUBLICATIONS) and name not in kept and not _ROOT.fullmatch(name):
            spool.remove(name)
            removed += 1
    return removed


def supplement_in(name: str) -> str | None:
    """The supplement that a file of a publication is of; None where it is of a base feed, or of none."""
    folder, _, rest = name.removeprefix(f"{TARGETS_FOLDER}/").partition("/")
    feed = rest.partition("/")[0]
    return feed if folder == "feed" and base_of(feed) != feed else None


def drop_supplements(spool: Spool, kept: Collection[str]) -> None:
    """Remove at once what is of supplements that are not in `kept`: this booth may not read them, or no longer."""
    for name in spool.names(f"{TARGETS_FOLDER}/feed/"):
        if supplement_in(name) not in (None, *kept):
            spool.remove(name)


def way(head: Head, held: FeedState | None) -> tuple[Payload, ...]:
    """The payloads that lead from what a booth holds to `head`; the very choice that the core makes (sync/feed.py)."""
    if held is None or held.lineage != head.lineage:
        return (head.snapshot,)
    by_base = {delta.base_serial: delta for delta in head.deltas}
    chain: list[Payload] = []
    serial = held.serial
    while serial != head.serial:
        step = by_base.get(serial)
        if step is None or step.serial <= serial:
            return (head.snapshot,)
        chain.append(step)
        serial = step.serial
    return tuple(chain) if sum(step.length for step in chain) < head.snapshot.length or not chain else (head.snapshot,)


@contextlib.contextmanager
def alone(spool: Spool, *, wait: bool = True) -> Iterator[None]:
    """One deliverer at a time: a courier's import, or the link's placing.

    Args:
        spool: `spool/in`.
        wait: until the other is done, a minute at most; else that is a fault at once.

    Raises:
        SpoolFault: the folder cannot be opened, or the other is at work.
    """
    try:
        descriptor = os.open(spool.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SpoolFault(f"The spool folder cannot be used ({os.strerror(error.errno or 0)}).") from error
    try:
        until = time.monotonic() + _PATIENCE_S if wait else None  # noqa: TID251 - an edge: it waits for another process
        while not _locked(descriptor):
            if until is None:
                raise SpoolFault("A courier puts a publication into the spool.", "Nothing need be done.")
            if time.monotonic() > until:  # noqa: TID251 - as above
                raise SpoolFault("Another process keeps the spool to itself.", _STOP_LINK)
            time.sleep(_STEP_S)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
