"""From a publication in the spool to the mirror: everything is checked, then applied in one transaction.

The order is the safety: trust (TUF, from the held bytes), then of each feed and its supplements (sync/family.py) the
head against the floor, the content key against the head's commitment, and the payloads, then the mirror with its new
floors. Whatever fails leaves the mirror as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from failsafe.sync import family, feed, trust
from failsafe.sync.binding import Bind
from failsafe.sync.errors import Older
from failsafe.sync.family import Known
from failsafe.sync.family import Reader as Reader
from failsafe.sync.feed import Floor
from failsafe.sync.filing import Derive
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import TIMESTAMP_FILE, Head, HqKeys
from failsafe.sync.spool import Spool


class TooMuch(Exception):
    """More is to be read than the caller takes at once; nothing was done."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What an intake changed: the new floors of the feeds that moved, and the age's new beginning."""

    floors: Mapping[str, Floor]
    signed_at: float
    hq_keys: HqKeys
    timestamp_version: int
    root_version: int
    timestamp_keys: str  # a digest of the keys that this root names for timestamps
    newer: bool  # the timestamp is another than the mirror held; whether it is the newest ever, the ledger knows


def take(
    spool: Spool,
    mirror: Mirror,
    ledger_floors: Mapping[str, Floor],
    reader: Reader,
    derive: Derive,
    bind: Bind | None = None,
    *,
    at_most: int | None = None,
) -> Taken:
    """Verify what lies in `spool` and apply it to `mirror`.

    Args:
        spool: the folder `spool/in`; not believed.
        mirror: a connection that may write.
        ledger_floors: the floors the ledger remembers; the higher of it and the mirror wins.
        reader: whose publication it must be.
        derive: the index rows of a notice, made in the same transaction.
        bind: the index's pages, made in it too.
        at_most: bytes of the base feeds' payloads that the caller has time for; None: as many as there are.

    Raises:
        TooMuch: there are more.
        SyncError: why nothing, or nothing more, was taken; the last good state stays.
    """
    held = mirror.held_metadata()
    publication = trust.read_publication(spool, held, reader.root, reader.workplace, reader.feeds)
    # TUF has refused a version below the held one, so another timestamp is newer than what the mirror holds.
    newer = publication.metadata[TIMESTAMP_FILE] != held.get(TIMESTAMP_FILE)
    known = Known(mirror.floors(), ledger_floors, mirror.portions())
    if at_most is not None and _length(publication, known, reader) > at_most:
        raise TooMuch
    epochs = mirror.epochs()
    for name in reader.feeds:
        _check_epoch(publication.heads[name], known.held.get(name), epochs.get(name, 0))
    # All feeds are verified before the first is applied, and all are applied in one transaction: a notice that moves
    # from one to another is in the old place or in the new one.
    families = [family.read(spool, publication, name, known, reader) for name in reader.feeds]
    changes = [change for one in families for change in one.changes]
    portions = {name: one.portion for name, one in zip(reader.feeds, families, strict=True) if one.portion}
    if changes or portions:
        mirror.apply_all(changes, derive, bind, portions=portions)
    if newer and not changes:
        mirror.acknowledge(publication.metadata, publication.signed_at)
    floors = mirror.floors()
    moved = {change.feed: floors[change.feed] for change in changes}
    return Taken(
        floors=moved,
        signed_at=publication.signed_at,
        hq_keys=publication.hq_keys,
        timestamp_version=publication.timestamp_version,
        root_version=publication.root_version,
        timestamp_keys=publication.timestamp_keys,
        newer=newer,
    )


def _length(publication: trust.Publication, known: Known, reader: Reader) -> int:
    """Bytes of the payloads that lead to what is published."""
    ways = (feed.way(publication.heads[name], known.held.get(name)) for name in reader.feeds)
    return sum(payload.length for way in ways for payload in way)


def _check_epoch(head: Head, held: Floor | None, epoch: int) -> None:
    """Return if the head is of no earlier epoch than the one read last: booths revoked since then know that key.

    Raises:
        Older: it is, in the same lineage.
    """
    if held is not None and held.lineage == head.lineage and head.epoch < epoch:
        raise Older(f"Feed {head.feed} comes with epoch {head.epoch}; {epoch} was read before.")
