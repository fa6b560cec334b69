"""The duty log: which urgent alert was acknowledged, by whom and when.

An urgent alert rings on every screen of the command centre until one duty officer has acknowledged it. The first word
stands: a second one changes nothing, nothing is ever taken back, and the alert itself stays as it came.

The alert is named by its number at headquarters, not by its id: an id is its booth's to choose, and a booth must not
be able to choose one that was acknowledged already.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, Connection, Integer, String, Table, func, insert, select

from failsafe.hq.ccc.view import Acknowledgement
from failsafe.hq.desk.tables import ENTRIES
from failsafe.hq.feeds.tables import SCHEMA

# The urgent alerts that every page watches beside its list: the newest of those that nobody has acknowledged.
WATCHED: Final = 200
LONGEST_NAME: Final = 80

ACKNOWLEDGEMENTS: Final = Table(
    "acknowledgements",
    SCHEMA,
    Column("number", Integer, primary_key=True, autoincrement=False),  # of the alert in `entries`
    Column("officer", String(LONGEST_NAME), nullable=False),
    Column("at", String(20), nullable=False),
)
_WAITING: Final = (
    ENTRIES.c.is_alert,
    ENTRIES.c.urgent,
    ~select(ACKNOWLEDGEMENTS.c.number).where(ACKNOWLEDGEMENTS.c.number == ENTRIES.c.number).exists(),
)


def acknowledge(connection: Connection, numbers: Collection[int], officer: str, at: str) -> int:
    """Write down that `officer` has seen these alerts; those already acknowledged or not urgent are passed over.

    Args:
        connection: of a transaction that writes.
        numbers: of the alerts as the list names them.
        officer: the duty officer's name as it was typed.
        at: UTC, by headquarters' clock.

    Returns:
        How many were not acknowledged before.
    """
    open_ones = select(ENTRIES.c.number).where(*_WAITING, ENTRIES.c.number.in_(list(numbers)))
    rows = [{"number": number, "officer": officer, "at": at} for number in connection.scalars(open_ones)]
    if rows:
        connection.execute(insert(ACKNOWLEDGEMENTS), rows)
    return len(rows)


def acknowledged(connection: Connection, numbers: Collection[int]) -> Mapping[int, Acknowledgement]:
    """Who acknowledged which of these alerts, by number."""
    table = ACKNOWLEDGEMENTS.c
    rows = connection.execute(select(ACKNOWLEDGEMENTS).where(table.number.in_(list(numbers))))
    return {row.number: Acknowledgement(officer=row.officer, at=row.at) for row in rows}


def waiting(connection: Connection) -> tuple[Sequence[Any], int]:
    """The newest rows of `entries` that ring, at most `WATCHED`, and how many ring in all."""
    total = connection.execute(select(func.count()).select_from(ENTRIES).where(*_WAITING)).scalar_one()
    if not total:
        return (), 0
    newest = select(ENTRIES).where(*_WAITING).order_by(ENTRIES.c.number.desc()).limit(WATCHED)
    return connection.execute(newest).all(), total
