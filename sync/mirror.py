"""The mirror: what headquarters' feeds hold, in an encrypted file, with the floor below which nothing is accepted.

A step of a feed is one transaction: its rows, the feed's lineage and serial, the raw TUF metadata that vouches for
it, and the names derived from its notices. After a crash the mirror is at the old step or the new one, whole.
A mirror that is missing or empty has no feeds. That never means that there are no notices.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, NamedTuple

import msgspec

from failsafe.sync.binding import Bind, Binding, Bound, Numbered, make_tables
from failsafe.sync.errors import Malformed, Older, StoreDamaged
from failsafe.sync.feed import Change, Floor
from failsafe.sync.filing import Derive, Filing, fold_number, put_names
from failsafe.sync.purging import Purging, make_purge_table
from failsafe.sync.records import (
    ListedDocument,
    Notice,
    base_of,
)
from failsafe.sync.standing import Standing
from failsafe.sync.store import Migrations, Store, StoreSettings
from failsafe.sync.store import set_aside as _set_aside

SETTINGS: Final = StoreSettings(purge=True, wait_ms=2000)
_NOTICE: Final = msgspec.json.Decoder(Notice)
_LISTED: Final = "number, country, type, fraud"
_FEW: Final = 5_000  # rows
_FEW_OF_ALL: Final = 0.1
_SNAPSHOT_FIRST: Final = "Take the feed's snapshot first."


class NameLine(NamedTuple):
    """A derived name with what the index keeps of its notice; `births` are partial ISO 8601 dates."""

    entity_id: str
    tier: str
    tokens: str
    kind: str
    births: tuple[str, ...]
    sex: str


class HeldPortion(NamedTuple):
    """What a roll said of this booth's supplements: its country, removals in those that are no more, and their ids."""

    country: str
    retired: int
    feeds: tuple[str, ...]


class Sizes(NamedTuple):
    """What is told of a mirror, over all feeds."""

    notices: int
    listed: int


class Counts(NamedTuple):
    """What the mirror holds, over all feeds."""

    notices: int
    listed: int
    names: int


MIGRATIONS: Final = Migrations("mirror")


@MIGRATIONS()
def first_tables(tables: Any) -> None:  # noqa: ANN401
    """Bodies lie apart from what the index reads at start, so that the start decrypts no body."""
    for statement in (
        "CREATE TABLE feed (feed TEXT PRIMARY KEY, lineage TEXT NOT NULL, serial INTEGER NOT NULL,"
        " epoch INTEGER NOT NULL, count INTEGER NOT NULL, removed INTEGER NOT NULL) STRICT",
        "CREATE TABLE trusted (file TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT",
        "CREATE TABLE word (id INTEGER PRIMARY KEY CHECK (id = 1), signed_at REAL, edition TEXT) STRICT",
        "INSERT INTO word (id) VALUES (1)",
        "CREATE TABLE notice (id INTEGER PRIMARY KEY, feed TEXT NOT NULL REFERENCES feed, entity_id TEXT NOT NULL,"
        " tier TEXT NOT NULL, sex TEXT NOT NULL, births TEXT NOT NULL, UNIQUE (entity_id, feed)) STRICT",
        "CREATE INDEX notice_of_feed ON notice (feed)",
        "CREATE TABLE body (notice INTEGER PRIMARY KEY REFERENCES notice ON DELETE CASCADE,"
        " bytes BLOB NOT NULL) STRICT",
        "CREATE TABLE name (notice INTEGER NOT NULL REFERENCES notice ON DELETE CASCADE, place INTEGER NOT NULL,"
        " tokens TEXT NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (notice, place)) STRICT, WITHOUT ROWID",
        "CREATE TABLE document (notice INTEGER NOT NULL REFERENCES notice ON DELETE CASCADE, place INTEGER NOT NULL,"
        " folded TEXT NOT NULL, country TEXT, PRIMARY KEY (notice, place)) STRICT, WITHOUT ROWID",
        "CREATE INDEX document_by_number ON document (folded)",
        "CREATE TABLE listed (feed TEXT NOT NULL REFERENCES feed, number TEXT NOT NULL, country TEXT NOT NULL,"
        " type TEXT NOT NULL, fraud TEXT NOT NULL, folded TEXT NOT NULL,"
        " PRIMARY KEY (feed, number, country, type)) STRICT, WITHOUT ROWID",
        "CREATE INDEX listed_by_number ON listed (folded)",
    ):
        tables.execute(statement)


@MIGRATIONS()
def pages_of_the_index(tables: Any) -> None:  # noqa: ANN401
    """The index is kept with the notices that it was made of."""
    make_tables(tables)


@MIGRATIONS()
def whose_supplements(tables: Any) -> None:  # noqa: ANN401
    """Which supplements are this booth's is known as long as no newer word of headquarters says otherwise."""
    tables.execute(
        "CREATE TABLE portion (base TEXT PRIMARY KEY, country TEXT NOT NULL, retired INTEGER NOT NULL,"
        " feeds TEXT NOT NULL) STRICT"
    )


@MIGRATIONS()
def what_is_to_be_purged(tables: Any) -> None:  # noqa: ANN401
    """That something was removed is remembered until nothing of it is left."""
    make_purge_table(tables)


def set_aside(path: Path) -> Path:
    """Rename a damaged mirror with its side files, so that a new one can be fetched; returns the new path.

    Raises:
        StoreBroken: it is not there, or its folder cannot be written.
    """
    return _set_aside(path)


def count_aside(path: Path) -> int:
    """How many damaged mirrors were set aside from there and lie beside it yet."""
    aside = re.compile(re.escape(path.name) + r"\.damaged-\d+")
    return sum(1 for found in path.parent.iterdir() if aside.fullmatch(found.name))


class Mirror:
    """One connection to the mirror; it belongs to the thread that opened it. Readers and one writer may be open."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._binding = Binding(store)
        self._purging = Purging(store)

    @classmethod
    def open(cls, path: Path, key: bytes, *, cache_kib: int = SETTINGS.cache_kib) -> Mirror:
        """Open the mirror, or make an empty one without feeds.

        Args:
            path: its file.
            key: 32 bytes.
            cache_kib: memory for decrypted pages.

        Raises:
            WrongKey: the key is another file's, or the file is damaged from its first page.
            StoreDamaged: the file is damaged; set it aside.
            StoreBroken: disk, folder, owner or mode forbid it.
        """
        return cls(Store.open(path, key, replace(SETTINGS, cache_kib=cache_kib), MIGRATIONS))

    def close(self) -> None:
        """Close this connection."""
        self._store.close()

    def __enter__(self) -> Mirror:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # --- whose word is held ----------------------------------------------------------------------------------

    def floors(self) -> dict[str, Floor]:
        """Lineage, serial, count and removed of each feed held; empty where nothing was ever accepted."""
        rows = self._store.rows("SELECT feed, lineage, serial, count, removed FROM feed ORDER BY feed")
        return {feed: Floor(lineage, serial, count, removed) for feed, lineage, serial, count, removed in rows}

    def epochs(self) -> dict[str, int]:
        """The content key's epoch under which each feed was last read."""
        return dict(self._store.rows("SELECT feed, epoch FROM feed ORDER BY feed"))

    def held_metadata(self) -> dict[str, bytes]:
        """The raw TUF files last accepted, by file name; every read of a publication starts from them."""
        return {file: bytes(held) for file, held in self._store.rows("SELECT file, bytes FROM trusted ORDER BY file")}

    def signed_at(self) -> float | None:
        """When headquarters signed the last trusted timestamp, in UTC seconds since 1970; None: never."""
        row = self._store.row("SELECT signed_at FROM word")
        return None if row is None else row[0]

    def holds_notices(self) -> bool:
        """Whether an accepted feed put at least one notice here; if not, nobody may be cleared on this mirror."""
        return self._store.row("SELECT 1 FROM notice LIMIT 1") is not None

    def sizes(self) -> Sizes:
        """How many notices and listed documents are held; of a million that is known at once, of their names not."""
        row = self._store.row("SELECT (SELECT coalesce(sum(count), 0) FROM feed), (SELECT count(*) FROM listed)")
        rows, listed = row or (0, 0)
        return Sizes(rows - listed, listed)

    def counts(self) -> Counts:
        """How many notices, listed documents and derived names are held."""
        row = self._store.row(
            "SELECT (SELECT count(*) FROM notice), (SELECT count(*) FROM listed), (SELECT count(*) FROM name)"
        )
        return Counts(*row) if row else Counts(0, 0, 0)

    def check(self) -> None:
        """Read every page, then count every feed's rows against what its signed head said.

        Raises:
            StoreDamaged: something is not as it was written; set the mirror aside and fetch it anew.
        """
        self._store.fold_log()  # of what is in the log already, nothing comes into the file while it is read
        with self._store.snapshot():
            self._store.check()
            for feed, floor in self.floors().items():
                if self._held(feed) != floor.count:
                    raise StoreDamaged(f"Feed {feed} does not hold the number of rows that its head was signed for.")
            if any(feed not in self.floors() for portion in self.portions().values() for feed in portion.feeds):
                raise StoreDamaged("A supplement that is this booth's is not held.")
        self._store.fold_log()  # a step that came meanwhile could not, and what it removed is still in the log

    # --- what is asked of it ---------------------------------------------------------------------------------

    def at_one_moment(self) -> AbstractContextManager[None]:
        """What is asked within is answered of one step, though another be taken meanwhile."""
        return self._store.at_one_moment()

    def notice(self, entity_id: str) -> Notice | None:
        """The notice, or None; where several feeds hold it, the nuclear tier wins, then the first feed by name."""
        row = self._store.row(
            "SELECT bytes FROM notice JOIN body ON body.notice = notice.id WHERE entity_id = ?"
            " ORDER BY tier = 'rn' DESC, feed LIMIT 1",
            (entity_id,),
        )
        return None if row is None else _read(row[0])

    def notices_by_document(self, number: str) -> tuple[Notice, ...]:
        """The notices whose subject holds a document of this number, however it is spaced; each subject once."""
        folded = fold_number(number)
        if not folded:
            return ()
        subjects = self._store.rows(
            "SELECT DISTINCT entity_id FROM document JOIN notice ON notice.id = document.notice WHERE folded = ?"
            " ORDER BY entity_id",
            (folded,),
        )
        found = (self.notice(entity_id) for (entity_id,) in list(subjects))
        return tuple(notice for notice in found if notice is not None)

    def listed(self, number: str) -> tuple[ListedDocument, ...]:
        """The stolen, lost or revoked documents of this number, whichever country and type."""
        folded = fold_number(number)
        if not folded:
            return ()
        rows = self._store.rows(
            f"SELECT DISTINCT {_LISTED} FROM listed WHERE folded = ? ORDER BY {_LISTED}",
            (folded,),
        )
        return tuple(
            ListedDocument(number=printed, issuing_country=country, document_type=sort, fraud_type=fraud)
            for printed, country, sort, fraud in rows
        )

    def names(self) -> Iterator[NameLine]:
        """Every derived name; a notice in two feeds comes twice."""
        for numbered in self.numbered():
            yield NameLine(*numbered.line)

    def numbered(self, after: int = 0) -> Iterator[Numbered]:
        """Derived names with their notices' numbers, streamed in that order, of notices behind `after`."""
        for number, entity_id, tier, tokens, kind, births, sex in self._store.rows(
            "SELECT name.notice, entity_id, tier, tokens, kind, births, sex FROM name"
            " JOIN notice ON notice.id = name.notice WHERE name.notice > ? ORDER BY name.notice, name.place",
            (after,),
        ):
            yield Numbered(number, (entity_id, tier, tokens, kind, tuple(births.split()), sex))

    def bound(self) -> Bound | None:
        """Which notices the pages are of; None where no pages are of the notices as they are."""
        return self._binding.held()

    def pages(self) -> Iterator[bytes]:
        """What `bind` gave, page by page."""
        return self._binding.pages()

    # --- how it changes --------------------------------------------------------------------------------------

    def apply(self, change: Change, derive: Derive, bind: Bind | None = None) -> None:
        """Take one verified step of a feed; as `apply_all`."""
        self.apply_all((change,), derive, bind)

    def apply_all(
        self,
        changes: Sequence[Change],
        derive: Derive,
        bind: Bind | None = None,
        *,
        portions: Mapping[str, HeldPortion] = MappingProxyType({}),
    ) -> None:
        """Take verified steps of several feeds, all of them whole or nothing.

        Args:
            changes: the steps; `base_serial` None replaces a feed's whole content.
            derive: makes the names that the index is to find a notice by.
            bind: makes pages of all names; asked where the pages that are held do not follow the steps.
            portions: by base feed, where they are news; supplements that a portion names no more are emptied.

        Raises:
            Older: a serial below the one held, in the same lineage.
            Malformed: a delta that does not start at what is held, or a count that does not come out.
            StoreBroken: the disk did not take it; what was held stays.
        """
        with self._store.transaction():
            floors = self.floors()
            for change in changes:
                _check_base(change, floors.get(change.feed))
            bound = self.bound() is not None
            moved = sum(self._drop(feed) for feed in self._lost(portions))
            for change in changes:
                moved += self._take(change, derive)
            self._keep_portions(portions)
            # Where whole lists moved few of all rows, the pages say which are gone, and the rest stands beside them, as
            # after a delta; what is much belongs in them.
            if bound and moved <= min(_FEW, _FEW_OF_ALL * sum(self.sizes())):
                self._binding.follow()
            elif bind is not None:
                self._binding.keep(bind(self.numbered()))
            else:
                self._binding.loosen()
        # What was removed is still in the log until it is folded in; a reader may delay that to the next step.
        self._store.fold_log()

    def _take(self, change: Change, derive: Derive) -> int:
        """File a step; returns how many rows came and went where it is the feed's whole content."""
        anew = change.base_serial is None
        # The floor's count was found when that step was taken, and is by every check.
        before = self._held(change.feed) if anew else self.floors().get(change.feed, Floor("", 0)).count
        self._note_feed(change)
        filing = Filing(self._store, change.feed, derive, anew=before > 0 and anew)
        filing.take(change.operations)
        held = before + filing.put - filing.gone
        if held != change.count:
            raise Malformed(
                f"Feed {change.feed} serial {change.serial} would hold {held} rows; its head says {change.count}."
            )
        self.acknowledge(change.metadata, change.signed_at)
        return filing.put + filing.gone if anew else 0

    def portions(self) -> dict[str, HeldPortion]:
        """By base feed, what its roll said last of this booth's supplements."""
        rows = self._store.rows("SELECT base, country, retired, feeds FROM portion ORDER BY base")
        return {base: HeldPortion(country, retired, tuple(feeds.split())) for base, country, retired, feeds in rows}

    def _keep_portions(self, portions: Mapping[str, HeldPortion]) -> None:
        for base, portion in portions.items():
            self._store.run(
                "INSERT OR REPLACE INTO portion (base, country, retired, feeds) VALUES (?, ?, ?, ?)",
                (base, portion.country, portion.retired, " ".join(portion.feeds)),
            )

    def _lost(self, portions: Mapping[str, HeldPortion]) -> list[str]:
        """Supplements that are held and no longer this booth's."""
        return [
            feed
            for feed in self.floors()
            if base_of(feed) != feed and base_of(feed) in portions and feed not in portions[base_of(feed)].feeds
        ]

    def bind(self, bind: Bind) -> None:
        """Make the pages anew of the notices as they are, in one transaction.

        Raises:
            StoreBroken: the disk did not take them; what was held stays.
        """
        with self._store.transaction():
            self._binding.keep(bind(self.numbered()))
        self._store.fold_log()

    def owes_purge(self) -> bool:
        """Whether something of what was removed may still lie in pages, gaps or log."""
        return self._purging.owed()

    def purge(self, put_off: Callable[[], bool] = lambda: False) -> bool:
        """Have nothing left of what was removed: in no gap, in no free page, and not in the log.

        Args:
            put_off: asked again and again whether something has come that is not to wait.

        Returns:
            Whether that is so. Where the index's pages are of notices since removed, have them bound anew first; where
            it was put off, or a reader delays the last of it, call again.

        Raises:
            StoreBroken: there is no room for it; what was held stays.
        """
        bound = self.bound()
        return bound is not None and not bound.gone and self._purging.settle(put_off)

    def acknowledge(self, metadata: Mapping[str, bytes], signed_at: float) -> None:
        """Keep newer trusted TUF files, and when the timestamp among them was signed.

        A file that is not in `metadata` stays as it was held, so that no call can lower the floor by omission.

        Args:
            metadata: raw bytes by file name.
            signed_at: UTC seconds since 1970.
        """
        with self._store.transaction():
            for file, held in metadata.items():
                self._store.run("INSERT OR REPLACE INTO trusted (file, bytes) VALUES (?, ?)", (file, held))
            self._store.run("UPDATE word SET signed_at = ?", (signed_at,))

    def edition(self) -> str | None:
        """Which edition of the folding rules the names were last derived by, as `rederive` was told."""
        row = self._store.row("SELECT edition FROM word")
        return None if row is None else row[0]

    def rederive(self, derive: Derive, edition: str) -> None:
        """Derive every name anew from the notices held, in one transaction.

        Names folded by the rules of an older software are not found by those of a newer one, so the booth calls this
        at start whenever `edition()` is not its own.
        """
        with self._store.transaction():
            self._binding.loosen()
            self._store.run("DELETE FROM name")
            held = self._store.rows("SELECT notice, bytes FROM body ORDER BY notice")
            put_names(self._store, ((number, derive(_read(body))) for number, body in held))
            self._store.run("UPDATE word SET edition = ?", (edition,))
        self._store.fold_log()

    def _held(self, feed: str) -> int:
        row = self._store.row(
            "SELECT (SELECT count(*) FROM notice WHERE feed = ?) + (SELECT count(*) FROM listed WHERE feed = ?)",
            (feed, feed),
        )
        return int(row[0]) if row else 0

    def _drop(self, feed: str) -> int:
        gone = Standing(self._store, feed).sweep()
        self._store.run("DELETE FROM feed WHERE feed = ?", (feed,))
        return gone

    def _note_feed(self, change: Change) -> None:
        self._store.run(
            "INSERT INTO feed (feed, lineage, serial, epoch, count, removed) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (feed) DO UPDATE SET lineage = excluded.lineage, serial = excluded.serial,"
            " epoch = excluded.epoch, count = excluded.count, removed = excluded.removed",
            (change.feed, change.lineage, change.serial, change.epoch, change.count, change.removed),
        )


def _read(body: bytes) -> Notice:
    try:
        return _NOTICE.decode(body)
    except msgspec.DecodeError:  # its text may quote the notice: it is not repeated, not even as the cause
        raise StoreDamaged("A notice in the mirror is not in a shape this version reads.") from None


def _check_base(change: Change, held: Floor | None) -> None:
    """Return if `change` may be applied over `held` (None: nothing of this feed is held)."""
    feed, serial = change.feed, change.serial
    follows = held is not None and held.lineage == change.lineage
    if held is not None and follows and change.serial < held.serial:
        raise Older(f"Feed {feed} serial {serial} comes after {held.serial} was accepted.")
    if change.base_serial is None:
        return
    if held is None:
        raise Malformed(f"Feed {feed} serial {serial} changes a list that is not held.", _SNAPSHOT_FIRST)
    if not follows:
        raise Malformed(f"Feed {feed} serial {serial} changes a list of another lineage.", _SNAPSHOT_FIRST)
    if change.base_serial != held.serial:
        raise Malformed(f"Feed {feed} serial {serial} starts at {change.base_serial}, and {held.serial} is held.")
