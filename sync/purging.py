"""What was removed leaves the file: tables and their gaps, free pages, and the write-ahead log.

A removed row is overwritten where it lay. Yet SQLite moves rows between pages to keep its trees in balance, and what a
row leaves in the gap of the page it came from is not overwritten when the row goes: of a thousand removals some three
left a number or an id behind. So the file is written anew after removals, and then the log is folded into it. That a
removal has not been followed through yet is noted by the file itself, so that no restart forgets it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from failsafe.sync.store import Store

_CLEAN: Final = 0
_FOLD: Final = 1  # written anew; the log still has pages from before
_REWRITE: Final = 2


def make_purge_table(tables: Any) -> None:  # noqa: ANN401
    """A file from before this table may hold remnants; a new one holds nothing."""
    for statement in (
        "CREATE TABLE purge (id INTEGER PRIMARY KEY CHECK (id = 1), owed INTEGER NOT NULL) STRICT",
        f"INSERT INTO purge (id, owed) VALUES (1, (SELECT {_REWRITE} * (count(*) > 0) FROM feed))",
        *(
            f"CREATE TRIGGER {table}_left AFTER DELETE ON {table} WHEN (SELECT owed FROM purge) < {_REWRITE}"
            f" BEGIN UPDATE purge SET owed = {_REWRITE}; END"
            for table in ("notice", "listed")
        ),
    ):
        tables.execute(statement)


class Purging:
    """The removals of one file that are still to be followed through, over its connection."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def owed(self) -> bool:
        """Whether something of a removed row may still be in the file or its log."""
        return self._state() != _CLEAN

    def settle(self, put_off: Callable[[], bool]) -> bool:
        """Write the file anew and empty its log; False where it is put off, or a reader delays it: then call it again.

        Raises:
            StoreBroken: there is no room for it; nothing is lost by that.
        """
        if self._state() == _REWRITE:
            self._store.fold_log()  # so that the log does not grow by both
            if not self._store.write_anew(put_off):
                return False
            self._store.run("UPDATE purge SET owed = ?", (_FOLD,))
        if not self._store.fold_log():
            return False
        self._store.run("UPDATE purge SET owed = ?", (_CLEAN,))
        return True

    def _state(self) -> int:
        row = self._store.row("SELECT owed FROM purge")
        return _REWRITE if row is None else int(row[0])
