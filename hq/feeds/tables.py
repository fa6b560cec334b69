"""The register's tables, and the conditions by which its rows are read.

`held` has notices and listed documents. A row carries two marks: `pending`, it was put or changed since the last
publication, and `published`, booths have it in the base feed. What booths have in a supplement stands in `placed`. A
step of a feed is read off these marks.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    exists,
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
SUPPLEMENTS: Final = Table(
    "supplements",  # one for each restriction that was ever in use; a retired one does not come back
    SCHEMA,
    Column("feed", String(32), primary_key=True),
    Column("base", String(32), nullable=False),
    Column("deny", String, nullable=False),  # as in `held`
    Column("allow", String),
    Column("retired", Integer),  # None: in use; else how many notices left it in all
)
PLACED: Final = Table(
    "placed",
    SCHEMA,
    Column("feed", String(32), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("key", String(200), primary_key=True),
)


@dataclass(frozen=True, slots=True)
class Supplement:
    """A feed for the notices of one restriction: `deny` and `allow` are lists of countries, `allow` None: all."""

    feed: str
    deny: frozenset[str]
    allow: frozenset[str] | None
    retired: int | None = None

    def admits(self, country: str) -> bool:
        """Whether booths of a country may read it."""
        return country not in self.deny and (self.allow is None or country in self.allow)

    @property
    def written(self) -> tuple[str, str | None]:
        """Its restriction as `held` has it."""
        return written_countries(self.deny), None if self.allow is None else written_countries(self.allow)


def written_countries(countries: Iterable[str]) -> str:
    """Countries as a column holds them."""
    return " ".join(sorted(countries))


def lasts(now: str) -> ColumnElement[bool]:
    """Rows that are neither withdrawn nor expired at `now`."""
    return and_(~HELD.c.withdrawn, or_(HELD.c.expires_at.is_(None), HELD.c.expires_at > now))


def is_eligible(now: str, supplement: Supplement | None = None) -> ColumnElement[bool]:
    """Rows that belong at `now` into the feed of all booths, or into a supplement."""
    if supplement is None:
        return and_(lasts(now), ~HELD.c.restricted)
    deny, allow = supplement.written
    same = and_(HELD.c.deny == deny, HELD.c.allow.is_(None) if allow is None else HELD.c.allow == allow)
    return and_(lasts(now), HELD.c.restricted, same)


def is_out(supplement: Supplement | None = None) -> ColumnElement[bool]:
    """Rows that booths have in that feed."""
    if supplement is None:
        return and_(HELD.c.published)
    mine = and_(PLACED.c.feed == supplement.feed, PLACED.c.kind == HELD.c.kind, PLACED.c.key == HELD.c.key)
    return exists().where(mine)


def is_addition(now: str, supplement: Supplement | None = None) -> ColumnElement[bool]:
    return and_(is_eligible(now, supplement), or_(HELD.c.pending, ~is_out(supplement)))


def is_removal(now: str, supplement: Supplement | None = None) -> ColumnElement[bool]:
    return and_(is_out(supplement), ~is_eligible(now, supplement))


def is_step(now: str, supplement: Supplement | None = None) -> ColumnElement[bool]:
    return or_(is_addition(now, supplement), is_removal(now, supplement))


def waits(now: str) -> ColumnElement[bool]:
    """Rows whose news no publication has told yet."""
    placed = exists().where(and_(PLACED.c.kind == HELD.c.kind, PLACED.c.key == HELD.c.key))
    restricted = and_(HELD.c.restricted, lasts(now), or_(HELD.c.allow.is_(None), HELD.c.allow != ""))
    moved = and_(placed, ~restricted)
    return or_(is_step(now), and_(restricted, or_(HELD.c.pending, ~placed)), moved)


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
    country: str  # that of the enrolment, until headquarters moves the booth

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
            row.country,
        )
        for row in rows
    ]


def count(connection: Connection, where: ColumnElement[bool]) -> int:
    """How many rows of `held` are so."""
    return connection.execute(select(func.count()).select_from(HELD).where(where)).scalar_one()


def supplements(connection: Connection, base: str) -> list[Supplement]:
    """All supplements of a base feed, retired ones too, by id."""
    query = select(SUPPLEMENTS).where(SUPPLEMENTS.c.base == base).order_by(SUPPLEMENTS.c.feed)
    return [
        Supplement(row.feed, *_restriction(row.deny, row.allow), row.retired) for row in connection.execute(query).all()
    ]


def supplement(connection: Connection, feed: str) -> Supplement | None:
    """The supplement of that id, retired or not."""
    row = connection.execute(select(SUPPLEMENTS).where(SUPPLEMENTS.c.feed == feed)).first()
    return None if row is None else Supplement(row.feed, *_restriction(row.deny, row.allow), row.retired)


def restrictions(connection: Connection, now: str) -> list[tuple[frozenset[str], frozenset[str] | None]]:
    """(deny, allow) of the notices that are restricted at `now`, each once; those for nobody stay at headquarters."""
    somebody = or_(HELD.c.allow.is_(None), HELD.c.allow != "")
    query = select(HELD.c.deny, HELD.c.allow).where(and_(lasts(now), HELD.c.restricted, somebody)).distinct()
    return sorted((_restriction(row.deny, row.allow) for row in connection.execute(query).all()), key=repr)


def _restriction(deny: str, allow: str | None) -> tuple[frozenset[str], frozenset[str] | None]:
    return frozenset(deny.split()), None if allow is None else frozenset(allow.split())
