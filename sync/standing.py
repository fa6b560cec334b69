"""What is held of a feed while a list comes in its place: what the list names as it is held stays where it is.

A booth takes the whole list again when it was away for too long, and each time headquarters revokes another booth. Most
of such a list is held already: to remove a million rows and put them again would take minutes, and nothing would be
gained. Call it within a transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from failsafe.sync.store import Store

# Where none of so many notices at a list's start is held as it is, it is another one, and the room is wanted for it.
_STRANGERS: Final = 20_000
_LOT: Final = 5_000  # removed in one statement: SQLite keeps the pages of a statement aside until it is done

ListedKey = tuple[str, str, str]  # number, issuing country, document type


class Standing:
    """The rows of a feed, of which those that are named stay and the others are swept away.

    Args:
        store: the mirror's file, in a transaction.
        feed: whose rows they are.

    Attributes:
        last: the highest number of its notices; what the list puts must get higher ones.
    """

    def __init__(self, store: Store, feed: str) -> None:
        self._store = store
        self._feed = feed
        first, last = store.row("SELECT min(id), max(id) FROM notice WHERE feed = ?", (feed,)) or (None, None)
        self._first, self.last = first or 1, last or 0
        self._named = bytearray(self.last - self._first + 1)
        self._listed: set[bytes] = set()
        self._known = self._strangers = 0
        self._gone = 0

    def alike(self, bodies: Mapping[str, bytes]) -> set[str]:
        """Name some notices by their ids and bodies; returns the ids of those that are held just so."""
        if not self._named:
            return set()
        held = self._store.rows(
            # CROSS: each is looked up, where SQLite's planner would hold every row of the feed against them.
            "SELECT entity_id, notice.id, body.bytes FROM json_each(?)"
            " CROSS JOIN notice ON entity_id = json_each.value AND feed = ?"
            " CROSS JOIN body ON body.notice = notice.id",
            (msgspec.json.encode(list(bodies)).decode(), self._feed),
        )
        same = {entity_id: number for entity_id, number, body in held if bodies[entity_id] == body}
        for number in same.values():
            if number <= self.last:  # the others came with this list
                self._named[number - self._first] = True
        self._known += len(same)
        self._strangers += len(bodies) - len(same)
        if not self._known and self._strangers >= _STRANGERS:
            self._sweep_notices()
        return set(same)

    def name_listed(self, key: ListedKey) -> None:
        """Name a listed document; whether it changed is its own statement's to see."""
        self._listed.add(_digest(key))

    def forget_listed(self, key: ListedKey) -> None:
        """It was named, and is not to stay."""
        self._listed.discard(_digest(key))

    def sweep(self) -> int:
        """Remove what was not named; returns how many rows went since the list began."""
        self._sweep_notices()
        rows = self._store.rows("SELECT number, country, type FROM listed WHERE feed = ?", (self._feed,))
        unnamed = [key for key in rows if _digest(key) not in self._listed]
        self._gone += self._store.run_many(
            "DELETE FROM listed WHERE feed = ? AND number = ? AND country = ? AND type = ?",
            ((self._feed, *key) for key in unnamed),
        )
        return self._gone

    def _sweep_notices(self) -> None:
        if not self._named:  # swept already, or there are none
            return
        rows = self._store.rows("SELECT id FROM notice WHERE feed = ? AND id <= ?", (self._feed, self.last))
        unnamed = [number for (number,) in rows if not self._named[number - self._first]]
        for place in range(0, len(unnamed), _LOT):
            lot = msgspec.json.encode(unnamed[place : place + _LOT]).decode()
            # They would go with their notice, one by one: that takes half as long again.
            for table in ("body", "name", "document"):
                self._store.run(f"DELETE FROM {table} WHERE notice IN (SELECT value FROM json_each(?))", (lot,))
            self._gone += self._store.run("DELETE FROM notice WHERE id IN (SELECT value FROM json_each(?))", (lot,))
        self._named = bytearray()


def _digest(key: ListedKey) -> bytes:
    """A key in sixteen bytes: of a million documents the keys themselves would be a quarter of a gigabyte."""
    return hashlib.blake2b(msgspec.json.encode(key), digest_size=16).digest()
