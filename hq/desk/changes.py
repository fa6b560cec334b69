"""Changes of a booth's health at headquarters: which came from each booth, and what is not OK there now.

Beside each stored change stands the part it is about, so that the last word of every part is found without opening the
others. They are read only where somebody asks for one booth: the alerts' list does not pass here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Engine, Select, and_, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from failsafe.hq.ccc.view import ChangeLine, ChangesView
from failsafe.hq.ccc.words import CONDITIONS, MIRRORS, PARTS
from failsafe.hq.desk.tables import CHANGES, ENTRIES, DeskFault, reading
from failsafe.screens.words import DETECTORS
from failsafe.sync.reports import ChainEntry, HealthChange

MOST_CHANGES: Final = 1000
# A booth has a dozen parts; one that went bad may invent thousands of names.
_MOST_STANDING: Final = 100
_BATCH: Final = 500
# States that need nobody's eye; a word that headquarters does not know is shown as not OK.
_WELL: Final = frozenset({"ok", "fresh", "checking"})  # each start begins with a check
_ENTRY: Final = msgspec.json.Decoder(ChainEntry)


def is_state(part: str) -> bool:
    """Whether a change of `part` tells a state; "lane north" and "portal-1 set-up" tell settings, never good or bad."""
    return " " not in part


def is_well(change: HealthChange) -> bool:
    """Whether a change left its part so that nobody needs to look at it."""
    return not is_state(change.part) or change.now.casefold() in _WELL


# --- writing ---------------------------------------------------------------------------------------------------


def tie(connection: Connection, new: Iterable[tuple[str, str, ChainEntry]]) -> None:
    """Note the parts that the new changes are about: booth, signer and entry, in the storing transaction."""
    rows = [
        {
            "booth": booth,
            "signer": signer,
            "id": body.id,
            "sequence": entry.sequence,
            "part": body.part.replace("\0", " "),
            "first": body.was == "unknown",
        }
        for booth, signer, entry in new
        if isinstance(body := entry.body, HealthChange)
    ]
    if rows:
        connection.execute(insert(CHANGES), rows)


def fill(engine: Engine) -> None:
    """Note the parts of all changes that were stored before headquarters noted any.

    Raises:
        DeskFault: the database refuses; nothing was noted.
    """
    with reading(engine) as connection:
        if connection.execute(select(CHANGES.c.id).limit(1)).first() or not _unnoted(connection, 0):
            return
    try:
        with engine.begin() as connection:
            if connection.execute(select(CHANGES.c.id).limit(1)).first():
                return  # another process was faster
            after = 0
            while rows := _unnoted(connection, after):
                tie(connection, ((row.booth, row.signer, _ENTRY.decode(row.entry)) for row in rows))
                after = rows[-1].number
    except SQLAlchemyError as error:
        raise DeskFault(f"The desk's database refused ({type(error).__name__}).") from error


def _unnoted(connection: Connection, after: int) -> Sequence[Any]:
    """The next rows of `entries` that are no alerts."""
    columns = (ENTRIES.c.number, ENTRIES.c.booth, ENTRIES.c.signer, ENTRIES.c.entry)
    wanted = select(*columns).where(~ENTRIES.c.is_alert, ENTRIES.c.number > after).order_by(ENTRIES.c.number)
    return connection.execute(wanted.limit(_BATCH)).all()


# --- reading ---------------------------------------------------------------------------------------------------


def changes_view(connection: Connection, booth: str, limit: int) -> ChangesView:
    """What changed at `booth`: its newest `limit` changes in the order of its chain, and what is not OK there now.

    A change that came late by a stick stands where the booth wrote it. A booth that was set up anew has a new key and
    a new chain: the newest chain stands first, and only its last words count as now.
    """
    signers = _signers(connection, booth)
    total = connection.execute(select(func.count()).select_from(CHANGES).where(CHANGES.c.booth == booth)).scalar_one()
    standing = _standing(connection, booth, signers[0]) if signers else ()
    shown: list[ChangeLine] = []
    for signer in signers:
        if (left := min(limit, MOST_CHANGES) - len(shown)) > 0:
            newest = _lines(booth, signer).order_by(CHANGES.c.sequence.desc(), ENTRIES.c.number.desc()).limit(left)
            shown += map(_line, connection.execute(newest))
    return ChangesView(booth=booth, total=total, changes=tuple(shown), standing=standing)


def _signers(connection: Connection, booth: str) -> list[str]:
    """The keys under which changes of this booth came, the one that was heard last first."""
    has_changes = select(CHANGES.c.signer).where(CHANGES.c.booth == booth).distinct()
    wanted = select(ENTRIES.c.signer).where(ENTRIES.c.booth == booth, ENTRIES.c.signer.in_(has_changes))
    return list(connection.scalars(wanted.group_by(ENTRIES.c.signer).order_by(func.max(ENTRIES.c.number).desc())))


def _lines(booth: str, signer: str) -> Select[Any]:
    joined = CHANGES.join(ENTRIES, and_(ENTRIES.c.booth == CHANGES.c.booth, ENTRIES.c.id == CHANGES.c.id))
    columns = (ENTRIES.c.number, ENTRIES.c.entry, ENTRIES.c.sequence, ENTRIES.c.received_at, ENTRIES.c.mark)
    return select(*columns).select_from(joined).where(CHANGES.c.booth == booth, CHANGES.c.signer == signer)


def _standing(connection: Connection, booth: str, signer: str) -> tuple[ChangeLine, ...]:
    """The last word of each part where it is not OK, newest first.

    A booth that starts tells the state of all its parts anew, its notices first: what it told before its last start
    and has not repeated is over (its own fault), or is no part of it any more (a detector that was taken away).
    """
    mine = and_(CHANGES.c.booth == booth, CHANGES.c.signer == signer)
    begins = select(func.max(CHANGES.c.sequence)).where(mine, CHANGES.c.part == "mirror", CHANGES.c.first)
    start = connection.execute(begins).scalar_one() or 0
    last = select(CHANGES.c.part, func.max(CHANGES.c.sequence).label("sequence")).where(mine).group_by(CHANGES.c.part)
    newest = last.subquery()
    wanted = _lines(booth, signer).join(
        newest, and_(newest.c.part == CHANGES.c.part, newest.c.sequence == CHANGES.c.sequence)
    )
    rows = connection.execute(wanted.where(CHANGES.c.sequence >= start).order_by(CHANGES.c.sequence.desc()))
    return tuple(line for line in map(_line, rows) if not is_well(line.change))[:_MOST_STANDING]


def _line(row: Any) -> ChangeLine:  # noqa: ANN401 - SQLAlchemy's rows have no static columns
    body = _ENTRY.decode(row.entry).body
    assert isinstance(body, HealthChange)
    return ChangeLine(
        number=row.number, change=body, sequence=row.sequence, received_at=row.received_at, chain=row.mark
    )


# --- for a terminal --------------------------------------------------------------------------------------------


def in_one_line(line: ChangeLine, *, standing: bool) -> str:
    """A change in the words of the page: when, whether it is not OK now, the part, was -> now, and the detail."""
    change = line.change
    went = f"{_state(change.part, change.was)} -> {_state(change.part, change.now)}"
    parts = (change.at.wall, "NOT OK" if standing else "      ", PARTS.get(change.part, change.part), went)
    doubts = ("clock not trusted" if not change.at.trusted else "", line.chain if line.chain != "whole" else "")
    return "  ".join(filter(None, (*parts, change.detail, *doubts))).translate(_CONTROLS)


# A record is written by a machine far away: it must not write upon the operator's terminal.
_CONTROLS: Final = dict.fromkeys((*range(32), *range(127, 160)), " ")


def _state(part: str, state: str) -> str:
    table: dict[str, tuple[str, ...]] = {**DETECTORS, **CONDITIONS, **(MIRRORS if part == "mirror" else {})}
    return table[state][1] if is_state(part) and state in table else state or "-"
