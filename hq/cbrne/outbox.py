"""What the CBRNE programme is to be told: a row for each alert, or measurement, and channel, written in the
transaction that stores it.

Kept before sent: the row is committed with the alert, each try is counted before it is made, and a row is done only
when the other side has taken it. What a crash leaves half-way is sent again under the same id (hq/cbrne/telling.py). A
row that is done no longer holds the alert's body, for the desk keeps that.

Which channels are configured stands in the database too, so that whoever stores an alert, a running desk or an import
from a stick, writes the same rows. Where none is configured the alerts wait for the first one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, get_args

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    and_,
    case,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from failsafe.hq.ccc.view import Telling
from failsafe.hq.feeds.tables import SCHEMA
from failsafe.sync.records import encode
from failsafe.sync.reports import Alert, ChainEntry, Measurement, Urgency

Channel = Literal["webhook", "e-mail"]
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
NONE_CONFIGURED: Final = "No channel is configured: fill in [notify.webhook] or [notify.mail] of hq.toml."
_CHUNK: Final = 500  # a database takes a limited number of parameters

OUTBOX: Final = Table(
    "outbox",
    SCHEMA,
    Column("alert_id", String(64), primary_key=True),
    Column("channel", String(16), primary_key=True),
    Column("urgency", String(8), nullable=False),
    Column("body", LargeBinary, nullable=False),  # the alert's JSON, empty once it is sent
    Column("received_at", String(32), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("tried_at", String(32), nullable=False),
    Column("trouble", Text, nullable=False),
    Column("told", Text, nullable=False),  # addresses that have it already, separated by spaces
    Column("sent_at", String(32)),  # None: still to be told
    Index("outbox_waiting", "channel", "sent_at"),
)
OUTBOX_CHANNELS: Final = Table(
    "outbox_channels",
    SCHEMA,
    Column("channel", String(16), primary_key=True),
    Column("exercises", Boolean, nullable=False),
)


def concerns_cbrne(alert: Alert) -> bool:
    """Whether the CBRNE programme is told of it: real, and nuclear or radiological by notice or portal."""
    if alert.kind == "exercise":
        return False
    if alert.kind in ("radiation_alarm", "person_and_radiation"):
        return True
    return any(notice.tier == "rn" for notice in alert.notices)


# --- writing --------------------------------------------------------------------------------------------------


def declare(connection: Connection, channels: Mapping[Channel, bool]) -> None:
    """Keep which channels are configured from now on, and whether each is told of exercises."""
    connection.execute(delete(OUTBOX_CHANNELS))
    if channels:
        rows = [{"channel": channel, "exercises": exercises} for channel, exercises in channels.items()]
        connection.execute(insert(OUTBOX_CHANNELS), rows)


def enqueue(connection: Connection, entry: ChainEntry, received_at: str) -> None:
    """Write what is to be told of one stored entry, in the caller's transaction; nothing where it is not for CBRNE.

    The same alert once more changes nothing.

    Args:
        connection: inside the transaction that stores the alert.
        entry: of the booth's chain; a change of health is never told, of a measurement that it is here.
        received_at: when headquarters took it, UTC, ISO 8601 with Z.
    """
    told = entry.body
    if isinstance(told, Measurement):
        told = msgspec.structs.replace(told, document=b"")  # it is fetched at headquarters
    elif not isinstance(told, Alert) or not (told.kind == "exercise" or concerns_cbrne(told)):
        return
    body, urgency = encode(told), told.urgency if isinstance(told, Alert) else "routine"
    rows = [
        {"alert_id": told.id, "channel": channel, "urgency": urgency, "body": body, "received_at": received_at}
        for channel in _channels_for(connection, told)
    ]
    untried = {"tries": 0, "tried_at": "", "trouble": "", "told": "", "sent_at": None}
    if rows:
        connection.execute(_insert_once(connection), [{**row, **untried} for row in rows])


def _channels_for(connection: Connection, told: Alert | Measurement) -> Sequence[str]:
    declared = _declared(connection)
    if isinstance(told, Alert) and told.kind == "exercise":
        return [channel for channel, exercises in declared.items() if exercises]
    return list(declared) or CHANNELS


def _declared(connection: Connection) -> dict[str, bool]:
    return {row.channel: row.exercises for row in connection.execute(select(OUTBOX_CHANNELS))}


def _insert_once(connection: Connection) -> Any:  # noqa: ANN401 - the two dialects' inserts have no class in common
    if connection.dialect.name == "postgresql":
        return postgresql.insert(OUTBOX).on_conflict_do_nothing()
    return sqlite.insert(OUTBOX).on_conflict_do_nothing()


# --- sending --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row that is still to be told; `tries` is how often it was tried already."""

    alert_id: str
    channel: Channel
    urgency: Urgency
    tries: int


@dataclass(frozen=True, slots=True)
class Letter:
    """What a channel is given to send.

    Args:
        alert_id: under which the other side knows it again.
        body: the alert's JSON.
        received_at: when headquarters took the alert.
        told: addresses that have it already.
    """

    alert_id: str
    body: bytes
    received_at: str
    told: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Letter({self.alert_id})"  # the body has names in it


def waiting(connection: Connection, channel: Channel) -> list[Waiting]:
    """The rows of a channel that are still to be told: urgent ones first, then the less often tried, then by age."""
    columns = OUTBOX.c
    urgent_first = case((columns.urgency == "urgent", 0), else_=1)
    query = (
        select(columns.alert_id, columns.channel, columns.urgency, columns.tries)
        .where(columns.channel == channel, columns.sent_at.is_(None))
        .order_by(urgent_first, columns.tries, columns.received_at, columns.alert_id)
    )
    return [Waiting(*row) for row in connection.execute(query)]


def claim(connection: Connection, row: Waiting, at: str) -> Letter | None:
    """Count one more try and give what is to be sent; None if somebody else has sent or claimed the row meanwhile.

    Commit before sending: a message that kills its sender must not look untried afterwards.
    """
    unchanged = and_(_is(row), OUTBOX.c.sent_at.is_(None), OUTBOX.c.tries == row.tries)
    found = connection.execute(update(OUTBOX).where(unchanged).values(tries=row.tries + 1, tried_at=at))
    if found.rowcount == 0:
        return None
    kept = connection.execute(select(OUTBOX).where(_is(row))).one()
    return Letter(kept.alert_id, kept.body, kept.received_at, tuple(kept.told.split()))


def mark_sent(connection: Connection, row: Waiting, at: str) -> None:
    """The other side has it."""
    connection.execute(update(OUTBOX).where(_is(row)).values(sent_at=at, trouble="", told="", body=b""))


def mark_failed(connection: Connection, row: Waiting, trouble: str, told: Iterable[str]) -> None:
    """The other side, or some of its addresses, has it not: it goes on waiting.

    Args:
        trouble: why, in words that name no person; shown on the command centre's list.
        told: every address that has it, from this try and earlier ones.
    """
    still = and_(_is(row), OUTBOX.c.sent_at.is_(None))
    connection.execute(update(OUTBOX).where(still).values(trouble=trouble, told=" ".join(told)))


def _is(row: Waiting) -> ColumnElement[bool]:
    return and_(OUTBOX.c.alert_id == row.alert_id, OUTBOX.c.channel == row.channel)


# --- telling the list -----------------------------------------------------------------------------------------


def tellings(connection: Connection, alert_ids: Sequence[str]) -> dict[str, tuple[Telling, ...]]:
    """How far the programme was told of each of these alerts, by channel; alerts not for CBRNE are left out.

    A channel that is no longer configured shows only where it had been told.
    """
    declared = _declared(connection)
    found: dict[str, tuple[Telling, ...]] = {}
    columns = [column for column in OUTBOX.c if column.name != "body"]
    for chunk in _chunks(alert_ids):
        query = select(*columns).where(OUTBOX.c.alert_id.in_(chunk)).order_by(OUTBOX.c.channel.desc())
        for row in connection.execute(query):
            if row.sent_at is not None or row.channel in declared or not declared:
                found[row.alert_id] = (*found.get(row.alert_id, ()), _telling(row, is_configured=bool(declared)))
    return found


def _telling(row: Any, *, is_configured: bool) -> Telling:  # noqa: ANN401 - SQLAlchemy's rows have no static columns
    if row.sent_at is not None:
        return Telling(channel=row.channel, state="sent", tries=row.tries, at=row.sent_at)
    trouble = row.trouble if is_configured else NONE_CONFIGURED
    state: Literal["failing", "waiting"] = "failing" if row.trouble else "waiting"
    return Telling(channel=row.channel, state=state, tries=row.tries, at=row.tried_at, trouble=trouble)


def _chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    iterator = iter(ids)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
