"""The last of what each booth told of a subject: of a feed's purges, of an exchange of its disk's keys.

The list shows them for every booth, so they lie apart from the entries: one row for a booth and a subject, whatever
there was before. Of a booth's chain the highest sequence is the last, whenever it came; a booth with a new key has a
new chain, and its word counts from the first on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from failsafe.hq.desk.tables import LAST_WORDS
from failsafe.sync.records import FEED_ID, encode
from failsafe.sync.reports import Body, ChainEntry, HealthChange, PurgeReceipt

PURGE: Final = "purge "
KEY: Final = "key "
# The parts of which a booth tells as of settings: "mirror key" was and is "exchanged 2026-11-22T08:00:00.000Z".
KEY_PARTS: Final = {"mirror key": f"{KEY}mirror", "ledger key": f"{KEY}ledger"}


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
        row = {
            "subject": name,
            "booth": booth,
            "signer": signer,
            "sequence": entry.sequence,
            "body": encode(entry.body),
            "received_at": received_at,
        }
        if last is None:
            connection.execute(insert(LAST_WORDS), row)
        elif last.signer != signer or entry.sequence > last.sequence:
            connection.execute(update(LAST_WORDS).where(*mine).values(row))


def on(connection: Connection, subjects: Iterable[str]) -> Sequence[Any]:
    """The last words on these subjects: rows with subject, booth, body and received_at."""
    columns = (LAST_WORDS.c.subject, LAST_WORDS.c.booth, LAST_WORDS.c.body, LAST_WORDS.c.received_at)
    return connection.execute(select(*columns).where(LAST_WORDS.c.subject.in_([*subjects]))).all()
