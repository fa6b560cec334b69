"""Operations of a feed on their way into the mirror's tables, in batches: a million notices are five million rows.

Call it within a transaction; what it is given goes in whole or is rolled back by whoever called.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from failsafe.sync.records import (
    ListedDocument,
    NameRow,
    Notice,
    Operation,
    PutListed,
    PutNotice,
    RemoveListed,
    RemoveNotice,
    encode,
)
from failsafe.sync.standing import Standing
from failsafe.sync.store import Store

Derive = Callable[[Notice], Iterable[NameRow]]

_BATCH: Final = 1_000  # notices; as objects they are some megabytes
_NOT_IN_A_NUMBER: Final = re.compile(r"[^A-Z0-9]+")


def fold_number(number: str) -> str:
    """A document number as it is compared: upper case, letters A-Z and digits only."""
    return _NOT_IN_A_NUMBER.sub("", number.upper())


class Filing:
    """Files the operations of one feed.

    Args:
        store: the mirror's file, in a transaction.
        feed: whose operations they are.
        derive: makes the names that the index is to find a notice by.
        anew: they are the feed's whole content; what is held and not among them goes.

    Attributes:
        put: rows of notices and listed documents that were added, also in place of another.
        gone: rows of them that were removed, also for another.
    """

    def __init__(self, store: Store, feed: str, derive: Derive, *, anew: bool = False) -> None:
        self._store = store
        self._feed = feed
        self._derive = derive
        self._standing = Standing(store, feed) if anew else None
        self.put = 0
        self.gone = 0
        self._notices: dict[str, Notice] = {}
        self._listed: dict[tuple[str, str, str], ListedDocument] = {}

    def take(self, operations: Iterable[Operation]) -> None:
        """File some operations; each finds what those before it left."""
        for operation in operations:
            match operation:
                case PutNotice(notice=notice):
                    self._notices.pop(notice.entity_id, None)
                    self._notices[notice.entity_id] = notice
                case RemoveNotice(entity_id=entity_id):
                    self._notices.pop(entity_id, None)
                    self._remove((entity_id,))
                case PutListed(document=document):
                    key = (document.number, document.issuing_country, document.document_type)
                    self._listed[key] = document
                    if self._standing:
                        self._standing.name_listed(key)
                case RemoveListed():
                    self._put_listed()
                    self._remove_listed(operation)
            if len(self._notices) >= _BATCH or len(self._listed) >= _BATCH:
                self._put()
        self._put()
        if self._standing:
            self.gone += self._standing.sweep()

    def _put(self) -> None:
        self._put_notices()
        self._put_listed()

    def _put_notices(self) -> None:
        if not self._notices:
            return
        notices, self._notices = self._notices, {}
        bodies = {entity_id: encode(notice) for entity_id, notice in notices.items()}
        for entity_id in self._standing.alike(bodies) if self._standing else ():
            del notices[entity_id]
        self._remove(notices)
        # Above every number that the pages or what stands know: SQLite alone would give that of a removed one again.
        row = self._store.row(
            "SELECT max(last, coalesce((SELECT max(id) FROM notice), 0), ?) + 1 FROM bound",
            (self._standing.last if self._standing else 0,),
        )
        numbered = list(enumerate(notices.values(), row[0] if row else 1))
        self.put += self._store.run_many(
            "INSERT INTO notice (id, feed, entity_id, tier, sex, births) VALUES (?, ?, ?, ?, ?, ?)",
            (
                (number, self._feed, notice.entity_id, notice.tier, notice.sex, " ".join(notice.births))
                for number, notice in numbered
            ),
        )
        self._store.run_many(
            "INSERT INTO body (notice, bytes) VALUES (?, ?)",
            [(number, bodies[notice.entity_id]) for number, notice in numbered],
        )
        put_names(self._store, ((number, self._derive(notice)) for number, notice in numbered))
        self._store.run_many(
            "INSERT INTO document (notice, place, folded, country) VALUES (?, ?, ?, ?)",
            (
                (number, place, fold_number(document.number), document.country)
                for number, notice in numbered
                for place, document in enumerate(notice.documents)
            ),
        )

    def _remove(self, entity_ids: Iterable[str]) -> None:
        # Body, names and documents go with it: their rows name it as their owner.
        self.gone += self._store.run_many(
            "DELETE FROM notice WHERE entity_id = ? AND feed = ?",
            ((entity_id, self._feed) for entity_id in entity_ids),
        )

    def _put_listed(self) -> None:
        listed, self._listed = self._listed, {}
        rows = [
            (
                each.fraud_type,
                fold_number(each.number),
                self._feed,
                each.number,
                each.issuing_country,
                each.document_type,
            )
            for each in listed.values()
        ]
        # What is known is told from what is new: how many rows there are is counted, not looked up among a million.
        self._store.run_many(
            "UPDATE listed SET fraud = ?1, folded = ?2 WHERE feed = ?3 AND number = ?4 AND country = ?5 AND type = ?6"
            " AND (fraud, folded) IS NOT (?1, ?2)",
            rows,
        )
        self.put += self._store.run_many(
            "INSERT INTO listed (fraud, folded, feed, number, country, type) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            rows,
        )

    def _remove_listed(self, gone: RemoveListed) -> None:
        if self._standing:
            self._standing.forget_listed((gone.number, gone.issuing_country, gone.document_type))
        self.gone += self._store.run(
            "DELETE FROM listed WHERE feed = ? AND number = ? AND country = ? AND type = ?",
            (self._feed, gone.number, gone.issuing_country, gone.document_type),
        )


def put_names(store: Store, derived: Iterable[tuple[int, Iterable[NameRow]]]) -> None:
    """Put the names of some notices, each with its notice's number, in their order."""
    rows: Iterator[tuple[int, int, str, str]] = (
        (number, place, row.tokens, row.kind) for number, names in derived for place, row in enumerate(names)
    )
    store.run_many("INSERT INTO name (notice, place, tokens, kind) VALUES (?, ?, ?, ?)", rows)
