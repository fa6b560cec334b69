"""The databases' next keys, put to use when the core starts: before anything else opens the two files.

A key may lie in a folder of the booth's own, or systemd gives it to the service, which then cannot replace it: there
`systemd/seal-keys` does that afterwards. Both ways the core starts with whichever key opens a file, so that neither a
power cut nor a full disk needs a hand (sync/exchange.py); what could not be done is tried again with the next start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from failsafe.agent.keys import DISK_KEYS, NEXT, BoothKeys
from failsafe.sync import exchange
from failsafe.sync.errors import SyncError
from failsafe.sync.reports import utc
from failsafe.sync.store import exchanged_at, fits, sync_folder

_STEM: Final = ".key"
# As slow as a worn memory card writes; systemd waits so much longer for the start.
_SLOWEST_BYTES_A_S: Final = 1_000_000
_AT_LEAST_S: Final = 60.0
_log = structlog.get_logger("keys")


def database(state: Path, key: str) -> Path:
    """The file that a key opens: `mirror.db` for `mirror.key`."""
    return state / f"{key.removesuffix(_STEM)}.db"


def settle(
    held: BoothKeys, place: Path, state: Path, slowly: Callable[[str, float], None] = lambda words, within_s: None
) -> BoothKeys:
    """Encrypt what has a next key under that one, and say which keys are in force; nothing has the files open.

    Args:
        held: as `keys.load` found them.
        place: their folder; old keys are replaced in it, unless it is systemd's.
        state: folder of the databases.
        slowly: told what goes on and how many seconds it may take, before a file is encrypted anew.

    Returns:
        The keys to go on with, without next ones. A file that none of its keys opens keeps its present key: who opens
        it says so.
    """
    told = []
    for name, present, coming in _pairs(held):
        if coming is None:
            told.append(_found(database(state, name), (present,)) or present)
        else:
            told.append(_settled(database(state, name), present, coming, slowly))
            if told[-1] == coming:
                _take_over(place, name)
    return replace(held, mirror=told[0], ledger=told[1], next_mirror=None, next_ledger=None)


def in_force(held: BoothKeys, state: Path) -> BoothKeys:
    """The keys that open the two files as they lie there; nothing is changed, whoever has them open."""
    found = []
    for name, present, coming in _pairs(held):
        path = database(state, name)
        there = path.exists() and path.stat().st_size > 0
        found.append(coming if coming is not None and (not there or fits(path, coming)) else present)
    return replace(held, mirror=found[0], ledger=found[1], next_mirror=None, next_ledger=None)


def exchanged(held: BoothKeys, state: Path) -> Iterator[tuple[str, str]]:
    """Which keys were exchanged here, and when last by this machine's clock: `mirror.key`, `2026-11-22T08:00:00.000Z`.

    The moment stands in each file itself, so it outlives whatever cut the core off since.
    """
    for name, key in zip(DISK_KEYS, (held.mirror, held.ledger), strict=True):
        try:
            at = exchanged_at(database(state, name), key)
        except SyncError as error:
            # The file's own reader says so too; the next start looks again.
            _log.warning("whether a key was exchanged cannot be read", key=name, reason=error.reason)
            continue
        if at is not None:
            yield name, at


def told(state: Path, place: Path, names: Sequence[str], *, sealed: bool) -> list[str]:
    """What an exchange will do, a sentence or two a line, for the operator who reads it before.

    Args:
        state: folder of the databases.
        place: where the next keys will lie.
        names: of the keys that go.
        sealed: systemd gives the keys to the core.
    """
    keys = " and ".join(names)
    files = " and ".join(database(state, name).name for name in names)
    room = max((_length(database(state, name)) for name in names), default=0)
    after = (
        f"Next: `systemd/seal-keys {place}` as root. It seals them, restarts the core, and removes the old keys."
        if sealed
        else "Next: restart the core. It puts the new keys in the old ones' place, and overwrites the old ones."
    )
    return [
        f"Exchanges {keys} ({'they open' if len(names) > 1 else 'it opens'} {files}).",
        f"Here: {' and '.join(NEXT + name for name in names)} in {place}; nothing else is changed. The core encrypts "
        f"{files} anew when it is started next, and must be restarted for it: a copy beside the file, then in its "
        f"place in one step. That needs {room / 1e6:.0f} MB of free room and some seconds, for a million notices "
        "about a minute; nobody is judged meanwhile.",
        "If the power fails: the core starts with the key that opens each file, and finishes. If there is no room: it "
        "goes on with the old key, says so in its log, and tries again with the next start.",
        "Kept: every notice, every record and all that waits for headquarters. Damaged copies of the notices that were "
        "set aside are destroyed. Headquarters is told which key was exchanged and when, once the core has done it; "
        "nothing of the key itself.",
        "Whoever has the old keys: reads what they copied from this disk before, and nothing that is written from then "
        "on. If that must not be, the disk itself was lost: `failsafe-hq booths revoke BOOTH`.",
        after,
    ]


def _pairs(held: BoothKeys) -> Iterator[tuple[str, bytes, bytes | None]]:
    pairs = ((held.mirror, held.next_mirror), (held.ledger, held.next_ledger))
    for name, (present, coming) in zip(DISK_KEYS, pairs, strict=True):
        yield name, present, coming


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _found(path: Path, keys: Sequence[bytes]) -> bytes | None:
    try:
        return exchange.in_force(path, keys)
    except SyncError as error:
        _log.error("a key cannot be tried", file=path.name, reason=error.reason, advice=error.advice)
        return None


def _settled(path: Path, present: bytes, coming: bytes, slowly: Callable[[str, float], None]) -> bytes:
    found = _found(path, (present, coming))
    if found != present:
        return found or present
    if present == coming:
        return coming
    slowly(f"Encrypting {path.name} anew.", _AT_LEAST_S + 3 * _length(path) / _SLOWEST_BYTES_A_S)
    try:
        exchange.exchange(path, present, coming, utc(time.time()))  # noqa: TID251 - headquarters is told when
    except SyncError as error:
        _log.error("a key is not exchanged", file=path.name, reason=error.reason, advice=error.advice)
        # It may have come about all the same, and only the tidying behind it failed.
        return _found(path, (present, coming)) or present
    _log.info("a key is exchanged", file=path.name)
    return coming


def _take_over(place: Path, name: str) -> None:
    """Put a key that is in force in the old one's place, and overwrite the old one."""
    following = place / f"{NEXT}{name}"
    if str(place) == os.environ.get("CREDENTIALS_DIRECTORY") or not following.exists():
        return
    try:
        with (place / name).open("r+b", buffering=0) as old:
            following.rename(place / name)
            sync_folder(place)
            exchange.overwrite(old)
    except OSError as error:
        _log.warning("the new key is in force, and lies beside the old one", key=name, fault=error.strerror)
