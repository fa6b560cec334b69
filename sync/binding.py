"""Pages that another room derives of all notices, kept beside them in the mirror and in the same transaction.

What stands in the pages is not known here: the agent's index of names. Known is to which notices they belong: to all
with a number up to `last`, but those since removed (`gone`). A notice that comes later has a higher number, so that no
number ever means two notices. Pages of another generation than the feeds' are no pages: an older software has changed
the notices without them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from failsafe.sync.store import Store


class Numbered(NamedTuple):
    """A derived name with the number of its notice, and what the index keeps of that."""

    number: int
    line: tuple[str, str, str, str, tuple[str, ...], str]  # as NameLine


Bind = Callable[[Iterator[Numbered]], Iterable[bytes]]


class Bound(NamedTuple):
    """Which notices the pages are of."""

    turn: int  # each binding has a higher one
    last: int
    gone: tuple[int, ...]


def make_tables(tables: Any) -> None:  # noqa: ANN401
    """A removal is noted by the file itself, so that no way of removing can forget it."""
    for statement in (
        "CREATE TABLE page (place INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT",
        "CREATE TABLE bound (id INTEGER PRIMARY KEY CHECK (id = 1), turn INTEGER NOT NULL, last INTEGER NOT NULL,"
        " generation TEXT) STRICT",
        "INSERT INTO bound (id, turn, last) VALUES (1, 0, 0)",
        "CREATE TABLE gone (notice INTEGER PRIMARY KEY) STRICT",
        "CREATE TRIGGER notice_gone AFTER DELETE ON notice WHEN old.id <= (SELECT last FROM bound)"
        " BEGIN INSERT OR IGNORE INTO gone (notice) VALUES (old.id); END",
    ):
        tables.execute(statement)


class Binding:
    """The pages of one mirror, over its connection."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def held(self) -> Bound | None:
        """What the pages are of; None where there are none of the notices as they are."""
        row = self._store.row("SELECT turn, last, generation FROM bound")
        if row is None or row[2] is None or row[2] != self._generation():
            return None
        return Bound(row[0], row[1], tuple(number for (number,) in self._store.rows("SELECT notice FROM gone")))

    def pages(self) -> Iterator[bytes]:
        """The pages in their order, as they were given."""
        for (page,) in self._store.rows("SELECT bytes FROM page ORDER BY place"):
            yield bytes(page)

    def keep(self, pages: Iterable[bytes]) -> None:
        """Replace the pages by others, made of the notices as they are; call it within a transaction."""
        self._store.run("DELETE FROM page")
        for place, page in enumerate(pages):
            self._store.run("INSERT INTO page (place, bytes) VALUES (?, ?)", (place, page))
        self._store.run("UPDATE bound SET turn = turn + 1, last = coalesce((SELECT max(id) FROM notice), 0)")
        self._store.run("DELETE FROM gone")
        self.follow()

    def loosen(self) -> None:
        """Forget the pages: what they are of is about to be replaced."""
        self._store.run("DELETE FROM page")
        self._store.run("DELETE FROM gone")
        self._store.run("UPDATE bound SET last = 0, generation = NULL")

    def follow(self) -> None:
        """The pages, with what is noted as gone and added, belong to the notices as they now are."""
        self._store.run("UPDATE bound SET generation = ?", (self._generation(),))

    def _generation(self) -> str:
        digest = hashlib.sha256()
        for question in (
            "SELECT feed, lineage, serial, count, removed FROM feed ORDER BY feed",
            "SELECT edition FROM word",
        ):
            for row in self._store.rows(question):
                digest.update(repr(row).encode())
        return digest.hexdigest()
