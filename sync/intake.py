"""From a publication in the spool to the mirror: everything is checked, then applied in one transaction.

The order is the safety: trust (TUF, from the held bytes), then the head against the floor, then the content key
against the head's commitment, then the payloads, then the mirror with its new floor. Whatever fails leaves the mirror
as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from failsafe.sync import feed as feeds
from failsafe.sync import trust
from failsafe.sync.binding import Bind
from failsafe.sync.errors import Missing, NotForThisBooth
from failsafe.sync.feed import Change, Floor, Operations
from failsafe.sync.mirror import Derive, Mirror
from failsafe.sync.records import TIMESTAMP_FILE, Head, HqKeys, Payload, key_file
from failsafe.sync.seal import SealSecret, content_key_digest
from failsafe.sync.spool import Spool
from failsafe.sync.trust import Publication

_KEY_FILE_LIMIT: Final = 8 * 1024


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads the feed: the booth, the feeds it is configured for, its sealing key, and the pinned root."""

    booth: str
    feeds: Sequence[str]
    sealing: SealSecret
    root: bytes
    workplace: Path


@dataclass(frozen=True, slots=True)
class Taken:
    """What an intake changed: the new floors of the feeds that moved, and the age's new beginning."""

    floors: Mapping[str, Floor]
    signed_at: float
    hq_keys: HqKeys
    newer: bool  # the timestamp is of a higher version than the one held


def take(
    spool: Spool,
    mirror: Mirror,
    ledger_floors: Mapping[str, Floor],
    reader: Reader,
    derive: Derive,
    bind: Bind | None = None,
) -> Taken:
    """Verify what lies in `spool` and apply it to `mirror`.

    Args:
        spool: the folder `spool/in`; not believed.
        mirror: a connection that may write.
        ledger_floors: the floors the ledger remembers; the higher of it and the mirror wins.
        reader: whose publication it must be.
        derive: the index rows of a notice, made in the same transaction.
        bind: the index's pages, made in it too.

    Raises:
        SyncError: why nothing, or nothing more, was taken; the last good state stays.
    """
    held = mirror.held_metadata()
    publication = trust.read_publication(spool, held, reader.root, reader.workplace, reader.feeds)
    # TUF has refused a version below the held one, so another timestamp is a newer one. A mirror that was wiped cannot
    # tell (the ledger remembers that there was one): then the age goes on from what was lived, until the next.
    known = bool(held) or not ledger_floors
    newer = known and publication.metadata[TIMESTAMP_FILE] != held.get(TIMESTAMP_FILE)
    floors = mirror.floors()
    # All feeds are verified before the first is applied: its transaction keeps the metadata that vouches for them all.
    steps = [
        _change(spool, publication, name, floors.get(name), ledger_floors.get(name), reader) for name in reader.feeds
    ]
    moved = {}
    for change in steps:
        if change is not None:
            mirror.apply(change, derive, bind)
            moved[change.feed] = mirror.floors()[change.feed]
    if not moved and publication.metadata[TIMESTAMP_FILE] != held.get(TIMESTAMP_FILE):
        mirror.acknowledge(publication.metadata, publication.signed_at)
    return Taken(floors=moved, signed_at=publication.signed_at, hq_keys=publication.hq_keys, newer=newer)


def _change(
    spool: Spool,
    publication: Publication,
    name: str,
    held: Floor | None,
    remembered: Floor | None,
    reader: Reader,
) -> Change | None:
    """The step from what the mirror holds to the published head; None if it is held already."""
    head, statement = publication.heads[name], publication.statements[name]
    feeds.check_head(head, statement, held)
    feeds.check_head(head, statement, remembered)
    payloads = feeds.way(head, held)
    if not payloads:
        return None
    key = _content_key(spool, head, reader)
    operations = Operations()
    for payload in payloads:
        operations += feeds.decode_payload(publication.payload(payload), payload, head, key)
    return _as_change(head, payloads, operations, publication)


def _content_key(spool: Spool, head: Head, reader: Reader) -> bytes:
    name = key_file(head.feed, head.epoch, reader.booth)
    try:
        box = spool.read(name, _KEY_FILE_LIMIT)
    except Missing as error:
        raise NotForThisBooth(f"There is no content key of feed {head.feed} epoch {head.epoch} for us.") from error
    key = reader.sealing.open(box, purpose="content-key", booth=reader.booth, about=f"{head.feed}/{head.epoch}")
    if content_key_digest(key) != head.content_key_sha256:
        raise NotForThisBooth(f"The content key of feed {head.feed} is not the one its head commits to.")
    return key


def _as_change(head: Head, payloads: Sequence[Payload], operations: Operations, publication: Publication) -> Change:
    """One change for the whole chain, so that it is applied in one transaction."""
    return Change(
        feed=head.feed,
        lineage=head.lineage,
        serial=head.serial,
        base_serial=payloads[0].base_serial,
        epoch=head.epoch,
        count=head.count,
        removed=head.removed,
        signed_at=publication.signed_at,
        operations=operations,
        metadata=publication.metadata,
    )
