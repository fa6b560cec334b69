"""Headquarters' register: notices, listed documents, booths, and what has been published of them.

SQLite by default, any database of SQLAlchemy by its address. Notices lie in it readable, for this is the one place
that must read them: its file is 0600, and the machine it is on is guarded. The content keys of the feeds' epochs do
not: they come and go sealed to headquarters' own key (hq/feeds/publish.py), so that a copied register opens no payload.

A step of the feed is read, and recorded with its head, in one transaction. What was withdrawn or has expired is deleted
as soon as a publication tells the booths so.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    create_engine,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from failsafe.hq.feeds import tables
from failsafe.hq.feeds.step import Step
from failsafe.hq.feeds.tables import (
    BOOTH_KEYS,
    BOOTHS,
    EPOCHS,
    HELD,
    PUBLICATIONS,
    SCHEMA,
    SUPPLEMENTS,
    Booth,
    is_eligible,
    is_publication,
    key_is,
    written_countries,
)
from failsafe.hq.keyring.keys import HeadquartersError
from failsafe.sync.records import (
    Enrolment,
    Head,
    ListedDocument,
    Welcome,
    encode,
)
from failsafe.sync.shape import Entry

_BATCH: Final = 500
_COUNTRY: Final = re.compile(r"[A-Z]{2}|UNK")


class RegisterFault(HeadquartersError):
    """The register cannot be used, or refuses what it is asked for."""

    usual_advice = "Check the register's folder, its owner and the free space; nothing was changed."


class BoothRefused(RegisterFault):
    usual_advice = "See `failsafe-hq booths list`."


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: numbers of notices and listed documents together."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    withdrawn: int = 0


@dataclass(frozen=True, slots=True)
class Stock:
    """What the register holds now. `pending` waits for the next publication, `restricted` is for some countries."""

    notices: int
    listed: int
    restricted: int
    pending: int


class Register:
    """The register behind one database address.

    Args:
        address: of SQLAlchemy, `sqlite:////var/lib/failsafe-hq/register.sqlite` for instance.

    Raises:
        RegisterFault: the database cannot be opened.
    """

    def __init__(self, address: str) -> None:
        # Without `hide_parameters` an error's text would quote the notice it failed on.
        self._engine = create_engine(address, hide_parameters=True)
        try:
            SCHEMA.create_all(self._engine)
        except SQLAlchemyError as error:
            raise RegisterFault("The register cannot be opened.") from error

    @classmethod
    def in_file(cls, path: Path) -> Register:
        """The register in an SQLite file, made with mode 0600 if it is not there."""
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise RegisterFault(f"The register's file cannot be opened ({error.strerror}).") from error
        return cls(f"sqlite:///{path}")

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        """A transaction: all of it or nothing."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise RegisterFault(f"The register refused ({type(error).__name__}).") from error

    # --- notices ---------------------------------------------------------------------------------------------

    def take(
        self,
        notices: Iterable[Entry] = (),
        listed: Iterable[ListedDocument] = (),
        withdrawn: Iterable[str] = (),
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Imported:
        """Put a file's content into the register, all of it or, on any error, nothing.

        A row counts as changed only if its content or its restrictions differ from what is held.
        """
        rows = (*map(_notice_row, notices), *map(_listed_row, listed))
        added = changed = seen = 0
        with self._begin() as connection:
            for batch in _batches(rows):
                new, differing = _put(connection, batch)
                added, changed, seen = added + new, changed + differing, seen + len(batch)
                progress(seen, len(rows))
            gone = sum(_withdraw(connection, key_is("notice", entity_id)) for entity_id in withdrawn)
        return Imported(added, changed, len(rows) - added - changed, gone)

    def withdraw_notice(self, entity_id: str) -> bool:
        """Take a notice out from the next publication on; False if none of that id is held."""
        with self._begin() as connection:
            return _withdraw(connection, key_is("notice", entity_id)) > 0

    def withdraw_listed(self, number: str, issuing_country: str) -> int:
        """Take the listed documents of a number and country out; how many there were."""
        prefix = HELD.c.key.startswith(f"{number}\x1f{issuing_country}\x1f", autoescape=True)
        with self._begin() as connection:
            return _withdraw(connection, and_(HELD.c.kind == "listed", prefix))

    def stock(self, now: str) -> Stock:
        """How much is held at `now` (UTC, ISO 8601 with Z)."""
        with self._begin() as connection:
            fits = is_eligible(now)
            return Stock(
                notices=tables.count(connection, and_(fits, HELD.c.kind == "notice")),
                listed=tables.count(connection, and_(fits, HELD.c.kind == "listed")),
                restricted=tables.count(connection, and_(HELD.c.restricted, ~HELD.c.withdrawn)),
                pending=tables.count(connection, tables.waits(now)),
            )

    # --- booths ----------------------------------------------------------------------------------------------

    def booths(self) -> list[Booth]:
        """All booths, revoked ones too, by name."""
        with self._begin() as connection:
            return tables.booths(connection)

    def booth(self, name: str) -> Booth:
        """The booth called `name`.

        Raises:
            BoothRefused: there is none.
        """
        with self._begin() as connection:
            found = tables.booths(connection, name)
        if not found:
            raise BoothRefused("No booth of that id is enrolled.")
        return found[0]

    def check_takes_part(self, name: str) -> None:
        """Return if the booth called `name` takes part.

        Raises:
            BoothRefused: there is none, or it is revoked.
        """
        if self.booth(name).revoked_at is not None:
            raise BoothRefused("This booth is revoked already.")

    def check_keys(self, enrolment: Enrolment, *, renews: bool = False) -> None:
        """Return if the booth may be enrolled with these keys; with `renews`, in place of those that it has.

        Raises:
            BoothRefused: the id is taken by other keys, or a key is another booth's or was revoked.
        """
        with self._begin() as connection:
            known = tables.booths(connection, enrolment.booth)
            rows = connection.execute(select(BOOTH_KEYS).where(BOOTH_KEYS.c.key_id.in_(_key_ids(enrolment)))).all()
        for booth in known:
            if booth.revoked_at is None and booth.country != enrolment.country:
                raise BoothRefused(
                    f"A booth of this id is held for {booth.country}, and the file says {enrolment.country}.",
                    "Correct `country` in the booth's booth.toml, or move it first: `failsafe-hq booths move`.",
                )
            if booth.revoked_at is None and _key_ids(booth.enrolment) != _key_ids(enrolment) and not renews:
                raise BoothRefused(
                    "A booth of this id is enrolled with other keys.",
                    "If its keys were renewed (`failsafe keys renew`), enrol it with --renew; if it was set up anew, "
                    "revoke it first: `failsafe-hq booths revoke ID`.",
                )
        if any(row.revoked for row in rows):
            raise BoothRefused("These keys were revoked.", "Make new keys at the booth: `failsafe keys init`.")
        if any(row.booth != enrolment.booth for row in rows):
            raise BoothRefused(
                "These keys are another booth's.", "One of two machines is a copy: make new keys on both."
            )

    def enrol(self, enrolment: Enrolment, welcome: Welcome, now: str, *, renews: bool = False) -> None:
        """Keep a booth; the same keys once more only renew its certificate.

        Keys that were another's before with `renews` end those: they are never accepted again, and the next publication
        has new content keys.

        Raises:
            BoothRefused: as `check_keys`.
        """
        self.check_keys(enrolment, renews=renews)
        row = {
            "booth": enrolment.booth,
            "country": enrolment.country,
            "enrolment": encode(enrolment),
            "welcome": encode(welcome),
            "enrolled_at": now,
            "revoked_at": None,
        }
        keys = [{"key_id": key, "booth": enrolment.booth, "revoked": False} for key in _key_ids(enrolment)]
        with self._begin() as connection:
            mine = and_(BOOTH_KEYS.c.booth == enrolment.booth, BOOTH_KEYS.c.key_id.not_in(_key_ids(enrolment)))
            if connection.execute(update(BOOTH_KEYS).where(mine, ~BOOTH_KEYS.c.revoked).values(revoked=True)).rowcount:
                connection.execute(update(EPOCHS).values(spent=True))
            connection.execute(delete(BOOTHS).where(BOOTHS.c.booth == enrolment.booth))
            connection.execute(insert(BOOTHS), row)
            connection.execute(delete(BOOTH_KEYS).where(BOOTH_KEYS.c.key_id.in_(_key_ids(enrolment))))
            connection.execute(insert(BOOTH_KEYS), keys)

    def keep_welcome(self, welcome: Welcome) -> None:
        """Keep a booth's new certificate, which its link fetches."""
        with self._begin() as connection:
            named = BOOTHS.c.booth == welcome.booth
            connection.execute(update(BOOTHS).where(named).values(welcome=encode(welcome)))

    def revoke(self, name: str, now: str) -> None:
        """End a booth's part: its keys are never accepted again, and the next publication has a new content key.

        Raises:
            BoothRefused: there is no such booth, or it is revoked already.
        """
        self.check_takes_part(name)
        with self._begin() as connection:
            connection.execute(update(BOOTHS).where(BOOTHS.c.booth == name).values(revoked_at=now))
            connection.execute(update(BOOTH_KEYS).where(BOOTH_KEYS.c.booth == name).values(revoked=True))
            connection.execute(update(EPOCHS).values(spent=True))

    def move(self, name: str, country: str) -> None:
        """Let a booth be another country's; the next publication has new content keys, and new keys of countries.

        Raises:
            BoothRefused: there is no such booth, it is revoked, it is that country's already, or that is no country.
        """
        if not _COUNTRY.fullmatch(country):
            raise BoothRefused("That is no country.", "Write two capital letters, or UNK.")
        booth = self.booth(name)
        if booth.revoked_at is not None:
            raise BoothRefused("This booth is revoked.")
        if booth.country == country:
            raise BoothRefused(f"This booth is held for {country} already.")
        with self._begin() as connection:
            connection.execute(update(BOOTHS).where(BOOTHS.c.booth == name).values(country=country))
            connection.execute(update(EPOCHS).values(spent=True))

    def strange_supplements(self, country: str) -> frozenset[str]:
        """The supplements that booths of a country may not read."""
        with self._begin() as connection:
            rows = connection.execute(select(SUPPLEMENTS.c.base).distinct()).all()
            known = [one for row in rows for one in tables.supplements(connection, row.base)]
        return frozenset(one.feed for one in known if not one.admits(country))

    # --- feeds -----------------------------------------------------------------------------------------------

    def epochs(self) -> list[Row[Any]]:
        """The newest epoch of each feed: `feed`, `epoch`, `made_at`, `spent`."""
        newest = select(EPOCHS.c.feed, func.max(EPOCHS.c.epoch).label("epoch")).group_by(EPOCHS.c.feed).subquery()
        same = and_(EPOCHS.c.feed == newest.c.feed, EPOCHS.c.epoch == newest.c.epoch)
        query = select(EPOCHS.c.feed, EPOCHS.c.epoch, EPOCHS.c.made_at, EPOCHS.c.spent).join(newest, same)
        with self._begin() as connection:
            return list(connection.execute(query.order_by(EPOCHS.c.feed)))

    def spend_epochs(self, feed: str | None = None) -> None:
        """Let the next publication have new content keys: of one feed, or of all."""
        spent = update(EPOCHS).values(spent=True)
        with self._begin() as connection:
            connection.execute(spent if feed is None else spent.where(EPOCHS.c.feed == feed))

    @contextmanager
    def step(self, feed: str, lineage: str, now: str) -> Iterator[Step]:
        """One step of a feed, read and recorded in one transaction; nothing is kept if the block raises."""
        with self._begin() as connection:
            yield Step(connection, feed, lineage, now)

    def finish(self, head: Head) -> None:
        """Note that a recorded step has reached the public folder."""
        with self._begin() as connection:
            connection.execute(update(PUBLICATIONS).where(is_publication(head)).values(done=True))


# --- rows ----------------------------------------------------------------------------------------------------


def _notice_row(entry: Entry) -> dict[str, Any]:
    restrictions = entry.restrictions
    return {
        **_row("notice", entry.notice.entity_id, encode(entry.notice)),
        "deny": written_countries(restrictions.deny),
        "allow": None if restrictions.allow is None else written_countries(restrictions.allow),
        "restricted": not restrictions.none,
        "expires_at": entry.notice.expires_at,
    }


def _listed_row(document: ListedDocument) -> dict[str, Any]:
    key = "\x1f".join((document.number, document.issuing_country, document.document_type))
    return _row("listed", key, encode(document))


def _row(kind: str, key: str, record: bytes) -> dict[str, Any]:
    marks = {"pending": True, "withdrawn": False}
    limits = {"deny": "", "allow": None, "restricted": False, "expires_at": None}
    return {"kind": kind, "key": key, "record": record, **marks, **limits}


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows of one kind, some hundreds at a time: a database takes a limited number of parameters."""
    iterator = iter(rows)
    while batch := list(islice(iterator, _BATCH)):
        for kind in ("notice", "listed"):
            if found := [row for row in batch if row["kind"] == kind]:
                yield found


def _put(connection: Connection, batch: list[dict[str, Any]]) -> tuple[int, int]:
    """Insert or change the rows of one kind; how many were added and changed."""
    named = and_(HELD.c.kind == batch[0]["kind"], HELD.c.key.in_([row["key"] for row in batch]))
    known = {row.key: row for row in connection.execute(select(HELD).where(named))}
    new = [row for row in batch if row["key"] not in known]
    changed = [row for row in batch if row["key"] in known and _differs(row, known[row["key"]])]
    if new:
        connection.execute(insert(HELD), [{**row, "published": False} for row in new])
    if changed:
        same = and_(HELD.c.kind == bindparam("k"), HELD.c.key == bindparam("i"))
        connection.execute(
            update(HELD).where(same),
            [{"k": row["kind"], "i": row["key"], **_without_key(row)} for row in changed],
        )
    return len(new), len(changed)


def _without_key(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("kind", "key")}


def _differs(row: dict[str, Any], known: Any) -> bool:  # noqa: ANN401 - SQLAlchemy's rows have no static columns
    fields = ("record", "deny", "allow", "withdrawn")
    return any(row[name] != getattr(known, name) for name in fields)


def _withdraw(connection: Connection, where: ColumnElement[bool]) -> int:
    return connection.execute(update(HELD).where(and_(where, ~HELD.c.withdrawn)).values(withdrawn=True)).rowcount


def _key_ids(enrolment: Enrolment) -> tuple[str, str]:
    return hashlib.sha256(enrolment.signing).hexdigest(), enrolment.seal.key_id
