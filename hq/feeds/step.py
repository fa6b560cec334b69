"""One step of a base feed and of its supplements, read off the register and recorded in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, literal, or_, select, update

from failsafe.hq.feeds import tables
from failsafe.hq.feeds.tables import (
    EPOCHS,
    HELD,
    PLACED,
    PUBLICATIONS,
    SUPPLEMENTS,
    Booth,
    Supplement,
    is_addition,
    is_eligible,
    is_removal,
    is_step,
    written_countries,
)
from failsafe.sync.records import (
    Head,
    ListedDocument,
    Notice,
    Operation,
    PutListed,
    PutNotice,
    RemoveListed,
    RemoveNotice,
    encode,
)


@dataclass(frozen=True, slots=True)
class Epoch:
    """A content key's time of duty; `sealed_key` is opaque here, `spent` says that a booth was revoked since."""

    number: int
    sealed_key: bytes
    spent: bool = False


class Step:
    """What lies between a feed's last publication and the next; only inside `Register.step`."""

    def __init__(
        self, connection: Connection, feed: str, lineage: str, now: str, supplement: Supplement | None = None
    ) -> None:
        self._connection = connection
        self.now = now
        self.feed = feed
        self.lineage = lineage
        self.supplement = supplement  # None: a base feed
        self.last, self.last_is_out = self._last()

    def supplements(self) -> list[Supplement]:
        """The base feed's supplements, retired ones too."""
        return tables.supplements(self._connection, self.feed)

    def begin_supplements(self, new_id: Callable[[], str]) -> None:
        """Keep a supplement for each restriction in use that has none."""
        known = {(one.deny, one.allow) for one in self.supplements() if one.retired is None}
        for deny, allow in tables.restrictions(self._connection, self.now):
            if (deny, allow) not in known:
                written = None if allow is None else written_countries(allow)
                row = {"feed": new_id(), "base": self.feed, "deny": written_countries(deny), "allow": written}
                self._connection.execute(insert(SUPPLEMENTS), {**row, "retired": None})

    def of(self, supplement: Supplement) -> Step:
        """The same publication's step of a supplement."""
        return Step(self._connection, supplement.feed, self.lineage, self.now, supplement)

    def placed(self) -> int:
        """How many rows booths have in this supplement."""
        query = select(func.count()).select_from(PLACED).where(PLACED.c.feed == self.feed)
        return self._connection.execute(query).scalar_one()

    def retire(self, removed: int) -> None:
        """End a supplement that nothing is left in; `removed` is the number of all that left it."""
        mine = SUPPLEMENTS.c.feed == self.feed
        self._connection.execute(update(SUPPLEMENTS).where(mine).values(retired=removed))
        self._connection.execute(delete(PLACED).where(PLACED.c.feed == self.feed))

    def _last(self) -> tuple[Head | None, bool]:
        """The lineage's newest head, and whether it is known to have reached the public folder."""
        mine = and_(PUBLICATIONS.c.feed == self.feed, PUBLICATIONS.c.lineage == self.lineage)
        query = select(PUBLICATIONS).where(mine).order_by(PUBLICATIONS.c.serial.desc()).limit(1)
        row = self._connection.execute(query).first()
        return (msgspec.json.decode(row.head, type=Head), bool(row.done)) if row else (None, True)

    def booths(self) -> list[Booth]:
        """The booths that take part."""
        return [booth for booth in tables.booths(self._connection) if booth.revoked_at is None]

    def count(self) -> int:
        """Notices and listed documents that the feed holds after this step."""
        return tables.count(self._connection, is_eligible(self.now, self.supplement))

    def removals(self) -> int:
        """How many the step takes out."""
        return tables.count(self._connection, is_removal(self.now, self.supplement))

    def is_empty(self) -> bool:
        """Whether no row changed."""
        return tables.count(self._connection, is_step(self.now, self.supplement)) == 0

    def snapshot(self) -> Iterator[Operation]:
        """The whole feed after this step."""
        return map(_put_operation, self._rows(is_eligible(self.now, self.supplement)))

    def delta(self) -> Iterator[Operation]:
        """From the last publication to this one."""
        yield from map(_put_operation, self._rows(is_addition(self.now, self.supplement)))
        yield from map(_remove_operation, self._rows(is_removal(self.now, self.supplement)))

    def _rows(self, where: ColumnElement[bool]) -> Iterator[Any]:
        query = select(HELD.c.kind, HELD.c.key, HELD.c.record).where(where).order_by(HELD.c.kind, HELD.c.key)
        yield from self._connection.execution_options(yield_per=1000).execute(query)

    def epoch(self) -> Epoch | None:
        """The newest epoch, None before the first."""
        query = select(EPOCHS).where(EPOCHS.c.feed == self.feed).order_by(EPOCHS.c.epoch.desc()).limit(1)
        row = self._connection.execute(query).first()
        return Epoch(row.epoch, row.sealed_key, row.spent) if row else None

    def begin_epoch(self, epoch: Epoch) -> None:
        """Keep a new epoch."""
        values = {"epoch": epoch.number, "sealed_key": epoch.sealed_key, "spent": epoch.spent}
        self._connection.execute(insert(EPOCHS), {"feed": self.feed, "made_at": self.now, **values})

    def record(self, head: Head) -> None:
        """Keep the head, and that booths have what it holds.

        The publication counts as unfinished until `Register.finish`: whoever comes after a crash in between cannot
        know what booths have seen and publishes the next serial without deltas. The supplements' heads are recorded
        first, since with the base feed's all marks are cleared.
        """
        row = {"feed": head.feed, "lineage": head.lineage, "serial": head.serial, "head": encode(head), "done": False}
        self._connection.execute(insert(PUBLICATIONS), row)
        if self.supplement is None:
            self.settle()
            return
        self._connection.execute(delete(PLACED).where(PLACED.c.feed == self.feed))
        fits = is_eligible(self.now, self.supplement)
        rows = select(literal(self.feed), HELD.c.kind, HELD.c.key).where(fits)
        self._connection.execute(insert(PLACED).from_select(["feed", "kind", "key"], rows))

    def settle(self) -> None:
        """Clear the marks, and delete what is no longer to be held: every feed's step is recorded."""
        fits = is_eligible(self.now)
        gone = or_(HELD.c.withdrawn, HELD.c.expires_at <= self.now)
        self._connection.execute(delete(HELD).where(gone))
        self._connection.execute(update(HELD).where(fits).values(pending=False, published=True))
        self._connection.execute(update(HELD).where(~fits).values(pending=False, published=False))


def _put_operation(row: Any) -> Operation:  # noqa: ANN401
    if row.kind == "notice":
        return PutNotice(notice=msgspec.json.decode(row.record, type=Notice))
    return PutListed(document=msgspec.json.decode(row.record, type=ListedDocument))


def _remove_operation(row: Any) -> Operation:  # noqa: ANN401
    if row.kind == "notice":
        return RemoveNotice(entity_id=row.key)
    number, country, kind = row.key.split("\x1f")
    return RemoveListed(number=number, issuing_country=country, document_type=kind)
