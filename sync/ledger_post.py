"""The ledger's side towards headquarters: what waits for a receipt, in which sealed form, and with whose keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from failsafe.sync.errors import Malformed
from failsafe.sync.ledger_chain import ENTRY, read
from failsafe.sync.ledger_tables import Kept, Undelivered, Waiting
from failsafe.sync.records import HqKeys, encode
from failsafe.sync.store import Store

_WAITING: Final = "SELECT count(*), min(number) FROM delivery WHERE receipt IS NULL"
_WAITING_ALERTS: Final = _WAITING + "".join(
    # Each as its partial index has it, word for word: only so is no row decrypted.
    f" AND NOT EXISTS (SELECT 1 FROM record INDEXED BY record_of_{kind}"
    f" WHERE record.kind = '{kind}' AND record.number = delivery.number)"
    for kind in ("health", "purge")
)


class LedgerPost:
    """What of a ledger is on its way, over its connection."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def undelivered(self, *, only_alerts: bool = False) -> Undelivered:
        """How many entries have no receipt, and when the oldest was made; the house's own reports too or not."""
        row = self._store.row(_WAITING_ALERTS if only_alerts else _WAITING)
        count, oldest = row or (0, None)
        made = self._store.row("SELECT wall FROM delivery WHERE number = ?", (oldest,))
        return Undelivered(count, made[0] if made else None)

    def waiting(self) -> Iterator[Waiting]:
        """The entries without a receipt, urgent ones first, then in the order they were made."""
        # Of the two words, `urgent` is the later one in the alphabet.
        for entry_id, urgency, sequence, sealed in self._store.rows(
            "SELECT id, urgency, in_chain, sealed IS NOT NULL FROM delivery INDEXED BY delivery_waiting"
            " WHERE receipt IS NULL ORDER BY urgency DESC, number"
        ):
            yield Waiting(entry_id, urgency, sequence, bool(sealed))

    def kept(self, entry_id: str) -> Kept | None:
        """The alert chain's entry of this id with how far it has come, or None."""
        row = self._store.row(
            "SELECT body, delivered_at FROM record JOIN delivery USING (number)"
            " WHERE subject = ? AND sequence IS NOT NULL",
            (entry_id,),
        )
        return None if row is None else Kept(read(ENTRY, row[0]), row[1])

    def findings(self, alerts: Sequence[str]) -> Iterator[Kept]:
        """The findings that speak of any of these alerts, oldest first."""
        marks = ", ".join("?" * len(alerts))
        for body, delivered_at in self._store.rows(
            "SELECT body, delivered_at FROM record JOIN delivery USING (number) WHERE number IN"
            f" (SELECT number FROM finding WHERE alert IN ({marks})) ORDER BY number",
            tuple(alerts),
        ):
            yield Kept(read(ENTRY, body), delivered_at)

    def sealed(self, entry_id: str) -> bytes | None:
        """The bytes an entry was sealed to, or None."""
        row = self._store.row("SELECT sealed FROM delivery WHERE id = ?", (entry_id,))
        return row[0] if row else None

    def keep_sealed(self, entry_id: str, sealed: bytes) -> bytes:
        """Keep the bytes an entry was sealed to; returns the bytes that are kept, which are those kept first.

        What is wiped on its way is written again with the same bytes; only `seal_anew` gives an entry another form.

        Raises:
            Malformed: there is no such entry.
        """
        with self._store.transaction():
            self._store.run("UPDATE delivery SET sealed = ? WHERE id = ? AND sealed IS NULL", (sealed, entry_id))
            held = self.sealed(entry_id)
        if held is None:
            raise Malformed("Sealed bytes came for an entry that the ledger does not hold.")
        return held

    def sealing(self) -> str | None:
        """The keys with which what waits is sealed, as `seal_anew` was told; None if nobody has said."""
        row = self._store.row("SELECT keys FROM sealing")
        return row[0] if row else None

    def seal_anew(self, keys: str) -> None:
        """Forget in which form everything that waits was sealed, since `keys` (ids, public) count from now on."""
        with self._store.transaction():
            self._store.run("UPDATE delivery SET sealed = NULL WHERE receipt IS NULL")
            self._store.run("INSERT OR REPLACE INTO sealing (id, keys) VALUES (1, ?)", (keys,))

    def mark_delivered(self, entry_id: str, receipt: bytes, at: str) -> None:
        """Keep headquarters' verified receipt; a second one for the same entry changes nothing.

        Args:
            entry_id: of the alert or health change.
            receipt: the receipt's bytes, verified by the caller.
            at: wall time, ISO 8601 UTC.

        Raises:
            Malformed: there is no such entry.
        """
        with self._store.transaction():
            self._store.run(
                "UPDATE delivery SET receipt = ?, delivered_at = ? WHERE id = ? AND receipt IS NULL",
                (receipt, at, entry_id),
            )
            if self._store.row("SELECT 1 FROM delivery WHERE id = ?", (entry_id,)) is None:
                raise Malformed("A receipt names an entry that the ledger does not hold.")

    def keep_hq_keys(self, keys: HqKeys) -> None:
        """Keep headquarters' keys for alerts, so that a booth that starts without notices can still seal to them."""
        self._store.run("INSERT OR REPLACE INTO headquarters (id, keys) VALUES (1, ?)", (encode(keys),))

    def hq_keys(self) -> HqKeys | None:
        """Headquarters' keys as last kept, or None."""
        row = self._store.row("SELECT keys FROM headquarters")
        return msgspec.json.decode(row[0], type=HqKeys) if row else None
