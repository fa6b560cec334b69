"""The register's tables, and the conditions by which its rows are read.

`held` has notices and listed documents. A row carries two marks: `pending`, it was put or changed since the last
publication, and `published`, booths have it. A step of the feed is read off the marks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    and_,
    func,
    or_,
    select,
)

from failsafe.sync.records import Enrolment, Head, Welcome

SCHEMA: Final = MetaData()
HELD: Final = Table(
    "held",
    SCHEMA,
    Column("kind", String(8), primary_key=True),  # notice, listed
    Column("key", String(200), primary_key=True),
    Column("record", LargeBinary, nullable=False),
    Column("deny", String, nullable=False),  # countries, separated by spaces
    Column("allow", String),  # None: every country
    Column("restricted", Boolean, nullable=False),
    Column("expires_at", String(20)),
    Column("pending", Boolean, nullable=False, index=True),
    Column("published", Boolean, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
)
BOOTHS: Final = Table(
    "booths",
    SCHEMA,
    Column("booth", String(32), primary_key=True),
    Column("country", String(3), nullable=False),
    Column("enrolment", LargeBinary, nullable=False),
    Column("welcome", LargeBinary, nullable=False),
    Column("enrolled_at", String(20), nullable=False),
    Column("revoked_at", String(20)),
)
BOOTH_KEYS: Final = Table(
    "booth_keys",  # every key that any booth ever had: none is accepted for another booth, or again after revocation
    SCHEMA,
    Column("key_id", String(64), primary_key=True),
    Column("booth", String(32), nullable=False),
    Column("revoked", Boolean, nullable=False),
)
EPOCHS: Final = Table(
    "epochs",
    SCHEMA,
    Column("feed", String(32), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("sealed_key", LargeBinary, nullable=False),
    Column("spent", Boolean, nullable=False),  # a booth was revoked: the next publication changes the content key
    Column("made_at", String(20), nullable=False),
)
PUBLICATIONS: Final = Table(
    "publications",
    SCHEMA,
    Column("feed", String(32), primary_key=True),
    Column("lineage", String(64), primary_key=True),
    Column("serial", Integer, primary_key=True),
    Column("head", LargeBinary, nullable=False),
    Column("done", Boolean, nullable=False),
)


def is_eligible(now: str) -> ColumnElement[bool]:
    """Rows that belong into the feed of all booths at `now`."""
    lasts = or_(HELD.c.expires_at.is_(None), HELD.c.expires_at > now)
    return and_(~HELD.c.withdrawn, ~HELD.c.restricted, lasts)


def is_addition(now: str) -> ColumnElement[bool]:
    return and_(is_eligible(now), or_(HELD.c.pending, ~HELD.c.published))


def is_removal(now: str) -> ColumnElement[bool]:
    return and_(HELD.c.published, ~is_eligible(now))


def is_step(now: str) -> ColumnElement[bool]:
    return or_(is_addition(now), is_removal(now))


def key_is(kind: str, key: str) -> ColumnElement[bool]:
    return and_(HELD.c.kind == kind, HELD.c.key == key)


def is_publication(head: Head) -> ColumnElement[bool]:
    table = PUBLICATIONS
    return and_(table.c.feed == head.feed, table.c.lineage == head.lineage, table.c.serial == head.serial)


@dataclass(frozen=True, slots=True)
class Booth:
    """A booth of the register; `revoked_at` None: it takes part."""

    enrolment: Enrolment
    welcome: Welcome
    enrolled_at: str
    revoked_at: str | None

    @property
    def name(self) -> str:
        return self.enrolment.booth


def booths(connection: Connection, name: str | None = None) -> list[Booth]:
    """All booths, revoked ones too, by name; only the one called `name` where it is given."""
    query = select(BOOTHS).order_by(BOOTHS.c.booth)
    rows = connection.execute(query if name is None else query.where(BOOTHS.c.booth == name)).all()
    return [
        Booth(
            msgspec.json.decode(row.enrolment, type=Enrolment),
            msgspec.json.decode(row.welcome, type=Welcome),
            row.enrolled_at,
            row.revoked_at,
        )
        for row in rows
    ]


def count(connection: Connection, where: ColumnElement[bool]) -> int:
    """How many rows of `held` are so."""
    return connection.execute(select(func.count()).select_from(HELD).where(where)).scalar_one()
