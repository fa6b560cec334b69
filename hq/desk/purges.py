"""Receipts of purges at headquarters: which booths confirm that nothing is left of what was removed, who owes it.

A booth's receipt names a step of a feed and that step's numbers. It confirms every step up to which nothing more was
removed: the running total `removed` decides. Numbers that are not those of headquarters' own step are no confirmation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, and_, func, insert, select

from failsafe.hq.desk.tables import ENTRIES, HEARTBEATS, PURGES
from failsafe.hq.feeds.tables import PUBLICATIONS, Booth, Supplement, booths, supplement
from failsafe.hq.keyring.keys import HeadquartersError
from failsafe.sync.records import Head
from failsafe.sync.reports import ChainEntry, Heartbeat, PurgeReceipt

State = Literal["confirmed", "owed", "doubtful", "nothing removed"]

_ENTRY: Final = msgspec.json.Decoder(ChainEntry)
_HEAD: Final = msgspec.json.Decoder(Head)
_HEARTBEAT: Final = msgspec.json.Decoder(Heartbeat)


class PurgesUnknown(HeadquartersError):
    usual_advice = "`failsafe-hq publish` says the serial of each step; --feed names a supplement."


class PurgeLine(msgspec.Struct, frozen=True):
    """How a booth stands to what a feed removed.

    Attributes:
        booth, feed: which.
        state: "confirmed": nothing is left there. "owed": it has not said so. "doubtful": it says so of a step with
            other numbers than headquarters'. "nothing removed": there is nothing to confirm.
        why: in words: of the owed how far the booth has come, of the confirmed what lies on its disk beside.
        serial: the step that its last receipt names; None where there is none.
        at: when the booth made that receipt, by its own clock.
        received_at: when it came.
    """

    booth: str
    feed: str
    state: State
    why: str = ""
    serial: int | None = None
    at: str = ""
    received_at: str = ""


class _Told(msgspec.Struct, frozen=True):
    receipt: PurgeReceipt
    received_at: str


# --- writing ---------------------------------------------------------------------------------------------------


def tie(connection: Connection, new: Iterable[tuple[str, str, ChainEntry]]) -> None:
    """Note of which feeds the new receipts are: booth, signer and entry, in the storing transaction."""
    rows = [
        {
            "booth": booth,
            "signer": signer,
            "id": body.id,
            "sequence": entry.sequence,
            "feed": body.feed.replace("\0", " "),
        }
        for booth, signer, entry in new
        if isinstance(body := entry.body, PurgeReceipt)
    ]
    if rows:
        connection.execute(insert(PURGES), rows)


# --- reading ---------------------------------------------------------------------------------------------------


def lines(connection: Connection, register: Connection, feed: str, serial: int | None) -> list[PurgeLine]:
    """How each booth that takes part stands to what `feed` removed up to `serial` (None: its newest step).

    Args:
        connection: the desk's database.
        register: the register's.
        feed: the base feed or a supplement; of a supplement, the booths that read it, or once did.
        serial: in the feed's newest lineage.

    Raises:
        PurgesUnknown: the feed has no such step.
    """
    heads = _heads(register, feed)
    newest = max(heads.values(), key=lambda head: (head.published_at, head.serial), default=None)
    asked = newest if newest is None or serial is None else heads.get((newest.lineage, serial))
    if asked is None:
        raise PurgesUnknown("Nothing was published of that feed with that serial.")
    trivial = asked.removed == 0 and all(head.lineage == asked.lineage for head in heads.values())
    apart = supplement(register, feed)
    told, held = _told(connection, feed), _held(connection, feed)
    found = []
    for booth in booths(register):
        if booth.revoked_at is not None:
            continue
        mine, last = _reads(apart, booth), told.get(booth.name)
        if not mine and last is None and booth.name not in held:
            continue
        if mine:
            line = _line(booth.name, asked, last, heads, held.get(booth.name), trivial=trivial)
        else:
            line = _parting(booth.name, feed, last)
        found.append(line)
    return found


def _reads(apart: Supplement | None, booth: Booth) -> bool:
    return apart is None or (apart.retired is None and apart.admits(booth.country))


def _line(
    booth: str,
    asked: Head,
    last: _Told | None,
    heads: Mapping[tuple[str, int], Head],
    held: tuple[str, int] | None,
    *,
    trivial: bool,
) -> PurgeLine:
    if last is None or not last.receipt.held or last.receipt.lineage != asked.lineage:
        state: State = "nothing removed" if trivial else "owed"
        return _made(booth, asked.feed, state, "" if trivial else _how_far(asked, held), last)
    own = heads.get((last.receipt.lineage, last.receipt.serial))
    if own is None or (own.count, own.removed) != (last.receipt.count, last.receipt.removed):
        return _made(booth, asked.feed, "doubtful", "the numbers of its receipt are not those of that step", last)
    if own.removed < asked.removed:
        return _made(booth, asked.feed, "owed", _how_far(asked, held), last)
    return _made(booth, asked.feed, "confirmed", _beside(last.receipt), last)


def _parting(booth: str, feed: str, last: _Told | None) -> PurgeLine:
    """Of a booth that had the feed and may have it no longer."""
    if last is None or last.receipt.held:
        return _made(booth, feed, "owed", "it may read this feed no longer, and has not said that it is gone", last)
    return _made(booth, feed, "confirmed", " ".join(("the whole feed is gone.", _beside(last.receipt))).strip(), last)


def _made(booth: str, feed: str, state: State, why: str, last: _Told | None) -> PurgeLine:
    if last is None:
        return PurgeLine(booth, feed, state, why)
    return PurgeLine(booth, feed, state, why, last.receipt.serial, last.receipt.at.wall, last.received_at)


def _how_far(asked: Head, held: tuple[str, int] | None) -> str:
    if held is None:
        return "no heartbeat tells what it holds"
    if held[0] != asked.lineage or held[1] < asked.serial:
        return f"it holds serial {held[1]} yet"
    return f"it holds serial {held[1]}: its receipt is to be expected within hours"


def _beside(receipt: PurgeReceipt) -> str:
    aside = receipt.set_aside
    return f"{aside} damaged mirror{'s' * (aside > 1)} set aside on its disk may hold it yet" if aside else ""


def _heads(register: Connection, feed: str) -> dict[tuple[str, int], Head]:
    """The published steps of a feed, by lineage and serial."""
    query = select(PUBLICATIONS.c.head).where(PUBLICATIONS.c.feed == feed, PUBLICATIONS.c.done)
    heads = (_HEAD.decode(row.head) for row in register.execute(query))
    return {(head.lineage, head.serial): head for head in heads}


def _told(connection: Connection, feed: str) -> dict[str, _Told]:
    """The last receipt of each booth: of the key that was heard last, the last of its chain."""
    table = PURGES.c
    last = (
        select(table.booth, table.signer, func.max(table.sequence).label("sequence"))
        .where(table.feed == feed)
        .group_by(table.booth, table.signer)
        .subquery()
    )
    same = and_(table.booth == last.c.booth, table.signer == last.c.signer, table.sequence == last.c.sequence)
    joined = PURGES.join(last, same).join(ENTRIES, and_(ENTRIES.c.booth == table.booth, ENTRIES.c.id == table.id))
    wanted = select(ENTRIES.c.booth, ENTRIES.c.entry, ENTRIES.c.received_at).select_from(joined)
    rows = connection.execute(wanted.where(table.feed == feed).order_by(ENTRIES.c.number))
    return {row.booth: told for row in rows if (told := _read(row)) is not None}


def _read(row: Any) -> _Told | None:  # noqa: ANN401 - SQLAlchemy's rows have no static columns
    body = _ENTRY.decode(row.entry).body
    return _Told(body, row.received_at) if isinstance(body, PurgeReceipt) else None


def _held(connection: Connection, feed: str) -> dict[str, tuple[str, int]]:
    """Lineage and serial of the feed at each booth whose last heartbeat names it."""
    rows = connection.execute(select(HEARTBEATS.c.booth, HEARTBEATS.c.heartbeat))
    return {
        row.booth: (one.lineage, one.serial)
        for row in rows
        for one in _HEARTBEAT.decode(row.heartbeat).mirror
        if one.feed == feed
    }


# --- for a terminal --------------------------------------------------------------------------------------------


def in_one_line(line: PurgeLine) -> str:
    """A booth's standing: id, state, up to which serial since when, and why."""
    upto = f"up to serial {line.serial}, received {line.received_at}" if line.serial is not None else "no receipt"
    return "\t".join(filter(None, (line.booth, line.state, upto, line.why)))


def summary(found: Iterable[PurgeLine]) -> Iterator[str]:
    """How many booths are in each state, the open ones first."""
    states = [line.state for line in found]
    for state in ("owed", "doubtful", "confirmed", "nothing removed"):
        if state in states:
            yield f"{state}: {states.count(state)}"
