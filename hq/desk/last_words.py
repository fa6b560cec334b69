"""The last of what each booth told of a subject: of a feed's purges, of an exchange of its disk's keys.

The list shows them for every booth, so they lie apart from the entries: one row for a booth and a subject, whatever
there was before. Of a booth's chain the highest sequence is the last, whenever it came; a booth with a new key has a
new chain, and its word counts from the first on.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, insert, select

from failsafe.hq.desk.tables import LAST_WORDS
from failsafe.sync.records import FEED_ID, encode
from failsafe.sync.reports import Body, ChainEntry, HealthChange, PurgeReceipt

PURGE: Final = "purge "
KEY: Final = "key "
# The parts of which a booth tells as of settings: "mirror key" was and is "exchanged 2026-11-22T08:00:00.000Z".
KEY_PARTS: Final = {"mirror key": f"{KEY}mirror", "ledger key": f"{KEY}ledger"}
# Of two that are stored at once the one with the lower number may be there later: so many are looked at again.
_AGAIN: Final = 1_000
_WORD: Final = msgspec.json.Decoder(PurgeReceipt | HealthChange)


class Told(msgspec.Struct, frozen=True):
    """What a booth told, and when it came: on a purge its receipt, on a key a change."""

    body: PurgeReceipt | HealthChange
    received_at: str

    @property
    def receipt(self) -> PurgeReceipt:
        assert isinstance(self.body, PurgeReceipt)
        return self.body

    @property
    def change(self) -> HealthChange:
        assert isinstance(self.body, HealthChange)
        return self.body


def subject(body: Body) -> str | None:
    """What an entry is the booth's word on, where its last word is kept."""
    if isinstance(body, PurgeReceipt):
        return PURGE + body.feed if FEED_ID.fullmatch(body.feed) else None
    return KEY_PARTS.get(body.part) if isinstance(body, HealthChange) else None


def keep(connection: Connection, new: Iterable[tuple[str, str, ChainEntry]], received_at: str) -> None:
    """Keep what is newer than the last words so far: booth, signer and entry, in the storing transaction."""
    for booth, signer, entry in new:
        name = subject(entry.body)
        if name is None:
            continue
        mine = (LAST_WORDS.c.subject == name, LAST_WORDS.c.booth == booth)
        last = connection.execute(select(LAST_WORDS.c.signer, LAST_WORDS.c.sequence).where(*mine)).first()
        if last is not None and last.signer == signer and last.sequence >= entry.sequence:
            continue
        row = {
            "subject": name,
            "booth": booth,
            "signer": signer,
            "sequence": entry.sequence,
            "body": encode(entry.body),
            "received_at": received_at,
        }
        connection.execute(delete(LAST_WORDS).where(*mine))  # the new row's number tells `LastWords` that it is new
        connection.execute(insert(LAST_WORDS), row)


class LastWords:
    """All last words, kept in memory between two looks: a look reads only what is new. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen = 0
        self._told: defaultdict[str, dict[str, Told]] = defaultdict(dict)

    def look(self, connection: Connection) -> Mapping[str, Mapping[str, Told]]:
        """What was told by subject and booth; it goes on growing with later looks."""
        with self._lock:
            new = select(LAST_WORDS).where(LAST_WORDS.c.number > self._seen - _AGAIN).order_by(LAST_WORDS.c.number)
            for row in connection.execute(new):
                self._told[row.subject][row.booth] = Told(_WORD.decode(row.body), row.received_at)
                self._seen = row.number
            return self._told
