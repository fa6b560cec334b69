"""A base feed and this booth's supplements of it: which steps lead from what is held to what is published.

The base feed's head names the roll, and the portion that this booth's key opens names its supplements (sync/roll.py).
One that is named and not there stops the whole family: the notices stay as they were and grow old, so that whoever
keeps a supplement back makes nobody clear. A new roll always comes with a new step of the base feed, so the floor of
that one is the roll's floor too.

That no list shrinks unsaid holds over the family as well: a supplement that nothing is left in is retired, and what
left it goes on being counted in the portion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec

from failsafe.sync import feed as feeds
from failsafe.sync import roll
from failsafe.sync.errors import Awaited, Malformed, Missing, NotForThisBooth, Shrunken
from failsafe.sync.feed import Change, Floor, Operations
from failsafe.sync.mirror import HeldPortion
from failsafe.sync.records import Head, Payload, key_file
from failsafe.sync.roll import KeyFile, Portion
from failsafe.sync.seal import SealSecret, content_key_digest
from failsafe.sync.spool import Spool
from failsafe.sync.trust import Publication

_KEY_FILE_LIMIT: Final = 8 * 1024


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads the feed: the booth, the base feeds it is configured for, its sealing key, and the pinned root."""

    booth: str
    feeds: Sequence[str]
    sealing: SealSecret
    root: bytes
    workplace: Path


@dataclass(frozen=True, slots=True)
class Known:
    """What this booth has accepted before: by the mirror, by the ledger, and its portions of the rolls."""

    held: Mapping[str, Floor]
    remembered: Mapping[str, Floor]
    portions: Mapping[str, HeldPortion]

    def floors(self, feed: str) -> tuple[Floor | None, Floor | None]:
        """Below none of these may a feed fall."""
        return self.held.get(feed), self.remembered.get(feed)


@dataclass(frozen=True, slots=True)
class Family:
    """The steps of a base feed and of this booth's supplements; `portion` None: it is as it was."""

    changes: tuple[Change, ...]
    portion: HeldPortion | None = None


def read(spool: Spool, publication: Publication, base: str, known: Known, reader: Reader) -> Family:
    """Verify what is published of a base feed and its supplements.

    Raises:
        Awaited: a supplement of this booth's is not in the spool.
        BytesRefused: anything is not as it should be.
    """
    head, lineage = publication.heads[base], publication.statements[base].lineage
    for floor in known.floors(base):
        feeds.check_head(head, publication.statements[base], floor)
    keys = _Keys(spool, publication, head, reader)
    first = _change(publication, head, known.held.get(base), lambda: keys.file.content_key)
    before = known.portions.get(base)
    if first is None and before is not None:
        return Family(_supplements(publication, lineage, before.feeds, known, keys))
    mine = _portion(head, keys, before)
    changes = _supplements(publication, lineage, mine.feeds, known, keys)
    if first is not None:
        changes = (first, *changes)
    _check_family(base, known, mine, changes)
    return Family(changes, mine)


def _portion(head: Head, keys: _Keys, before: HeldPortion | None) -> HeldPortion:
    if head.roll is not None:
        mine = keys.portion
        return HeldPortion(mine.country, mine.retired, tuple(one.feed for one in mine.supplements))
    return HeldPortion("", 0, ()) if before is None else before._replace(feeds=())


def _supplements(
    publication: Publication, lineage: str, named: Sequence[str], known: Known, keys: _Keys
) -> tuple[Change, ...]:
    heads = []
    for feed in named:
        try:
            heads.append(publication.supplement(feed))
        except Missing as error:
            raise Awaited("A supplement that is this booth's is not there yet.", tuple(named)) from error
    changes = (_supplement(publication, head, lineage, known, keys) for head in heads)
    return tuple(change for change in changes if change is not None)


def _supplement(publication: Publication, head: Head, lineage: str, known: Known, keys: _Keys) -> Change | None:
    held = known.held.get(head.feed)
    if held is not None and (held.lineage, held.serial) == (head.lineage, head.serial):
        opened = msgspec.structs.replace(head, count=held.count, removed=held.removed)
    else:
        opened = feeds.open_tally(head, keys.content_key(head))
    for floor in known.floors(head.feed):
        feeds.check_supplement(opened, lineage, floor)
    return _change(publication, opened, held, lambda: keys.content_key(head))


def _check_family(base: str, known: Known, mine: HeldPortion, changes: Sequence[Change]) -> None:
    """Return if nothing left this booth's lists without being counted, in the same lineage and country."""
    before, floor = known.portions.get(base), known.held.get(base)
    first = next((change for change in changes if change.feed == base), None)
    if before is None or floor is None or before.country != mine.country:
        return
    if first is not None and first.lineage != floor.lineage:
        return
    after = {feed: known.held[feed] for feed in (base, *mine.feeds) if feed in known.held}
    after |= {one.feed: Floor(one.lineage, one.serial, one.count, one.removed) for one in changes}
    were = (known.held[feed] for feed in (base, *before.feeds) if feed in known.held)
    if _accounted(after.values()) + mine.retired < _accounted(were) + before.retired:
        raise Shrunken(f"The supplements of feed {base} lost notices that are not counted as removed.")


def _accounted(floors: Iterable[Floor]) -> int:
    return sum(floor.count + floor.removed for floor in floors)


def _change(publication: Publication, head: Head, held: Floor | None, key: Callable[[], bytes]) -> Change | None:
    """The step from what the mirror holds to the published head; None if it is held already."""
    payloads = feeds.way(head, held)
    if not payloads:
        return None
    operations = Operations()
    for payload in payloads:
        operations += feeds.decode_payload(publication.payload(payload), payload, head, key())
    return _as_change(head, payloads, operations, publication)


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


class _Keys:
    """This booth's key file of a base feed, and what it opens; both are read when they are asked for."""

    def __init__(self, spool: Spool, publication: Publication, head: Head, reader: Reader) -> None:
        self._spool = spool
        self._publication = publication
        self._head = head
        self._reader = reader

    @cached_property
    def file(self) -> KeyFile:
        """The key file, its content key compared with the one that the head commits to."""
        head, booth = self._head, self._reader.booth
        try:
            box = self._spool.read(key_file(head.feed, head.epoch, booth), _KEY_FILE_LIMIT)
        except Missing as error:
            raise NotForThisBooth(f"There is no content key of feed {head.feed} epoch {head.epoch} for us.") from error
        file = KeyFile.read(
            self._reader.sealing.open(box, purpose="content-key", booth=booth, about=f"{head.feed}/{head.epoch}")
        )
        _check_committed(file.content_key, head)
        return file

    @cached_property
    def portion(self) -> Portion:
        """This country's portion of the roll that the head names."""
        head, booth, file = self._head, self._reader.booth, self.file
        if head.roll is None:
            raise Malformed(f"The head of feed {head.feed} names no roll.")
        verify = lambda signature, signed: self._publication.check_bureau(head.feed, signature, signed)  # noqa: E731
        file.check(verify, booth, f"{head.feed}/{head.epoch}")
        place = roll.Place(head.feed, head.lineage, head.epoch)
        return roll.open_portion(self._publication.payload(head.roll), place, file.country_key)

    def content_key(self, head: Head) -> bytes:
        """The content key of a supplement that the portion names."""
        for one in self.portion.supplements:
            if one.feed == head.feed and one.epoch == head.epoch:
                _check_committed(one.key, head)
                return one.key
        raise NotForThisBooth(f"The roll has no content key of feed {head.feed} epoch {head.epoch} for us.")


def _check_committed(key: bytes, head: Head) -> None:
    if content_key_digest(key) != head.content_key_sha256:
        raise NotForThisBooth(f"The content key of feed {head.feed} is not the one its head commits to.")
