"""The ledger: everything the booth has to answer for, in an encrypted file to which rows are only ever added.

Two chains run through it. The alert chain (`ChainEntry`) runs over alerts, their measurements, the second line's
findings, changes of health and receipts of purges alone, and headquarters checks it. The ledger's own chain runs over
every record in the order it was made (these, searches, settings, floors); its head goes out with the heartbeats, so
that a ledger that was shortened or put back shows.
What may change later (receipts, sealed bytes, the clock's mark) lies in tables of its own, outside the chain.
A commit is on the disk when its call returns: whoever shows a verdict may rely on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import msgspec

from failsafe.sync.errors import Older, StoreDamaged
from failsafe.sync.feed import Floor
from failsafe.sync.ledger_chain import ENTRY, RecordKind, Walk, kind_of, next_head, read
from failsafe.sync.ledger_chain import NOTHING as NOTHING
from failsafe.sync.ledger_post import LedgerPost
from failsafe.sync.ledger_tables import MIGRATIONS, FloorNote, SettingNote
from failsafe.sync.ledger_tables import ClockMark as ClockMark
from failsafe.sync.ledger_tables import Kept as Kept
from failsafe.sync.ledger_tables import Undelivered as Undelivered
from failsafe.sync.ledger_tables import Waiting as Waiting
from failsafe.sync.records import encode
from failsafe.sync.reports import Alert, Body, ChainEntry, Finding, PurgeReceipt, SearchLine, Urgency
from failsafe.sync.store import Store, StoreSettings

# A verdict waits at most half a second for its record, so a lock may not cost more than half of that.
SETTINGS: Final = StoreSettings(wait_ms=250, cache_kib=2048)
_WALK: Final = (
    "SELECT number, kind, subject, sequence, body, head, id,"
    " (SELECT count(*) FROM finding WHERE finding.number = record.number) FROM record"
    " LEFT JOIN delivery USING (number) WHERE number > ? ORDER BY number LIMIT ?"
)
_SEARCH: Final = msgspec.json.Decoder(SearchLine)
_SETTING: Final = msgspec.json.Decoder(SettingNote)
_FLOOR: Final = msgspec.json.Decoder(FloorNote)
_CLOCK: Final = "wall, elapsed, boottime, stepped_back, version, signed_at, root, keys"


def higher(mirror: Mapping[str, Floor], ledger: Mapping[str, Floor]) -> dict[str, Floor]:
    """The floors that hold: of each feed the higher serial; where the lineages differ, the ledger's.

    The ledger notes a step after the mirror has taken it. Where only the lineage differs, either a crash came between
    (then the ledger's floor binds nothing of the new lineage, and the held TUF files still do), or an old mirror was
    put back (then the ledger is right).
    """
    floors = {**mirror, **ledger}
    for feed in mirror.keys() & ledger.keys():
        if mirror[feed].lineage == ledger[feed].lineage and mirror[feed].serial > ledger[feed].serial:
            floors[feed] = mirror[feed]
    return floors


class Ledger(LedgerPost):
    """One connection to the ledger; it belongs to the thread that opened it."""

    @classmethod
    def open(cls, path: Path, key: bytes) -> Ledger:
        """Open the ledger, or begin one where there is none; one that does not open is never replaced.

        Args:
            path: its file.
            key: 32 bytes, not the mirror's.

        Raises:
            WrongKey: the key is another file's, or the file is damaged from its first page.
            StoreDamaged: the file is damaged or gone from beside its log.
            StoreBroken: disk, folder, owner or mode forbid it.
        """
        return cls(Store.open(path, key, SETTINGS, MIGRATIONS))

    def close(self) -> None:
        """Close this connection."""
        self._store.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # --- what is recorded ------------------------------------------------------------------------------------

    def append(self, body: Body) -> ChainEntry:
        """Record what headquarters is to have as the alert chain's next entry; on the disk on return.

        The same body again gives the entry it got first, so a caller in doubt may repeat itself.

        Raises:
            ValueError: its id was recorded with another body.
            StoreBroken: the disk did not take it; nothing was recorded.
        """
        with self._store.transaction():
            held = self._entry(body.id)
            if held is not None:
                if held.body != body:
                    raise ValueError("an id of an entry was used twice, for two bodies")
                return held
            last = self._last_entry()
            entry = ChainEntry(
                sequence=last.sequence + 1 if last else 1, previous=last.digest() if last else NOTHING, body=body
            )
            number = self._record(kind_of(body), body.id, encode(entry), entry.sequence)
            if isinstance(body, Finding):
                for alert in dict.fromkeys(body.alerts):
                    self._store.run("INSERT INTO finding (number, alert) VALUES (?, ?)", (number, alert))
            if isinstance(body, PurgeReceipt):
                self._store.run("INSERT OR REPLACE INTO purged (feed, number) VALUES (?, ?)", (body.feed, number))
            urgency: Urgency = body.urgency if isinstance(body, Alert) else "routine"
            self._store.run(
                "INSERT INTO delivery (number, id, urgency, wall, in_chain) VALUES (?, ?, ?, ?, ?)",
                (number, body.id, urgency, body.at.wall, entry.sequence),
            )
        return entry

    def log_search(self, line: SearchLine) -> None:
        """Record that somebody was looked for: when, where, on which word of headquarters, never who.

        Raises:
            StoreBroken: the disk did not take it.
        """
        with self._store.transaction():
            self._record("search", line.lane, encode(line))

    def note_setting(self, at: str, lane: str, detector: str) -> bool:
        """Record what a lane watches for radiation with, if that is not what was recorded last.

        Args:
            at: wall time, ISO 8601 UTC.
            lane: the lane's name.
            detector: the detector's name and driver, or a word for having none.

        Returns:
            Whether it was a change: the caller then lets headquarters know.
        """
        with self._store.transaction():
            if self.settings().get(lane) == detector:
                return False
            self._record("setting", lane, encode(SettingNote(at=at, lane=lane, detector=detector)))
        return True

    def note_floor(self, feed: str, floor: Floor) -> None:
        """Record the step of a feed that the mirror has taken; the same step again records nothing.

        Raises:
            Older: below what was recorded, in the same lineage.
        """
        with self._store.transaction():
            held = self.floors().get(feed)
            if held == floor:
                return
            if held and held.lineage == floor.lineage and floor.serial < held.serial:
                raise Older(f"Feed {feed} serial {floor.serial} comes after {held.serial} was recorded.")
            note = FloorNote(
                feed=feed, lineage=floor.lineage, serial=floor.serial, count=floor.count, removed=floor.removed
            )
            self._record("floor", feed, encode(note))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make the records of a block one commit (an alert and its search line cost one write to the disk)."""
        with self._store.transaction():
            yield

    def _record(self, kind: RecordKind, subject: str, body: bytes, sequence: int | None = None) -> int:
        """Add one record at the end of the ledger's chain; returns its number, counted from 1."""
        last = self._store.row("SELECT number, head FROM record ORDER BY number DESC LIMIT 1")
        number, before = (last[0] + 1, last[1]) if last else (1, bytes.fromhex(NOTHING))
        head = next_head(before, number, kind, subject, body)
        self._store.run(
            "INSERT INTO record (number, kind, subject, sequence, body, head) VALUES (?, ?, ?, ?, ?, ?)",
            (number, kind, subject, sequence, body, head),
        )
        return int(number)

    # --- what is asked of it ---------------------------------------------------------------------------------

    def head(self) -> str:
        """The digest over every record so far, in hexadecimal; sixty-four zeros before the first."""
        row = self._store.row("SELECT head FROM record ORDER BY number DESC LIMIT 1")
        return row[0].hex() if row else NOTHING

    def length(self) -> int:
        """How many records there are."""
        row = self._store.row("SELECT max(number) FROM record")
        return int(row[0] or 0) if row else 0

    def sequence(self) -> int:
        """The sequence of the alert chain's last entry; 0 before the first."""
        last = self._last_entry()
        return last.sequence if last else 0

    def entries(self, after: int = 0) -> Iterator[ChainEntry]:
        """The alert chain's entries with a sequence above `after`, in order."""
        for (body,) in self._store.rows(
            "SELECT body FROM record WHERE sequence > ? ORDER BY sequence",
            (after,),
        ):
            yield read(ENTRY, body)

    def searches(self) -> Iterator[SearchLine]:
        """The search log, oldest first."""
        for (body,) in self._store.rows("SELECT body FROM record WHERE kind = 'search' ORDER BY number"):
            yield read(_SEARCH, body)

    def settings(self) -> dict[str, str]:
        """What each lane was last recorded to watch for radiation with; of `key NAME`, when that key was exchanged."""
        return {note.lane: note.detector for note in self._latest("setting", _SETTING)}

    def floors(self) -> dict[str, Floor]:
        """The last recorded step of each feed."""
        notes = self._latest("floor", _FLOOR)
        return {note.feed: Floor(note.lineage, note.serial, note.count, note.removed) for note in notes}

    def purges(self) -> dict[str, PurgeReceipt]:
        """The last receipt for the purges of each feed."""
        rows = self._store.rows("SELECT body FROM purged JOIN record USING (number) ORDER BY feed")
        entries = (read(ENTRY, body) for (body,) in rows)
        return {entry.body.feed: entry.body for entry in entries if isinstance(entry.body, PurgeReceipt)}

    def check_pages(self) -> None:
        """Read every page of the file, while others may write.

        Raises:
            StoreDamaged: something is not as it was written, or a page was being written as it was read: look again.
        """
        self._store.copy_log()  # what is in the file already is not written into it while it is read
        self._store.check()

    def check(self) -> None:
        """Read every page of the file, then both chains.

        Raises:
            StoreDamaged: something is not as it was written.
        """
        self._store.check()
        self.verify()

    def verify(self, after: int = 0) -> int:
        """Walk both chains and return how many records there are.

        Args:
            after: the number of a record up to which the chains were verified before; 0 walks from the start.

        Raises:
            StoreDamaged: the chain breaks; the text names the record's number.
        """
        number = after
        for number in self.walk(after=after):  # noqa: B007
            pass
        return number

    def walk(self, piece: int = 1000, after: int = 0) -> Iterator[int]:
        """As `verify`, so many records at a time: the number of the last one verified, after each piece.

        Nothing is held open between two pieces, so whoever takes his time delays no writer.
        """
        chain = Walk(*self._before(after))
        while rows := list(self._store.rows(_WALK, (chain.number, piece))):
            for row in rows:
                chain.step(*row)
            yield chain.number

    def entry(self, entry_id: str) -> ChainEntry | None:
        """The alert chain's entry of this id, or None."""
        return self._entry(entry_id)

    def _before(self, after: int) -> tuple[int, bytes, ChainEntry | None]:
        row = self._store.row("SELECT head FROM record WHERE number = ?", (after,))
        if row is None and after:
            raise StoreDamaged(f"Record {after} of the ledger is missing.")
        return after, row[0] if row else bytes.fromhex(NOTHING), self._last_entry(after)

    def _entry(self, entry_id: str) -> ChainEntry | None:
        row = self._store.row("SELECT body FROM record WHERE subject = ? AND sequence IS NOT NULL", (entry_id,))
        return None if row is None else read(ENTRY, row[0])

    def _last_entry(self, number: int | None = None) -> ChainEntry | None:
        """The alert chain's last entry (at or before record `number`)."""
        row = self._store.row(
            "SELECT body FROM record WHERE sequence IS NOT NULL AND number <= ifnull(?, number)"
            " ORDER BY sequence DESC LIMIT 1",
            (number,),
        )
        return None if row is None else read(ENTRY, row[0])

    def _latest(self, kind: RecordKind, decoder: msgspec.json.Decoder[Any]) -> list[Any]:
        rows = self._store.rows(
            "SELECT body FROM record WHERE number IN"
            # The first term is that of the partial index, word for word: only so does SQLite use it.
            f" (SELECT max(number) FROM record WHERE kind IN ('setting', 'floor') AND kind = '{kind}' GROUP BY subject)"
            " ORDER BY subject"
        )
        return [read(decoder, body) for (body,) in rows]

    # --- what detectors taught -------------------------------------------------------------------------------

    def keep_detector(self, name: str, memory: bytes) -> None:
        """Keep what a detector has taught, instead of what was kept of it."""
        self._store.run("INSERT OR REPLACE INTO detector (name, memory) VALUES (?, ?)", (name, memory))

    def detectors(self) -> dict[str, bytes]:
        """What was kept of each detector."""
        return dict(self._store.rows("SELECT name, memory FROM detector ORDER BY name"))

    # --- the clock's mark ------------------------------------------------------------------------------------

    def remember_clock(
        self,
        wall: float,
        elapsed_s: float,
        boottime: float | None = None,
        stepped_back: bool = False,
        version: int = 0,
        signed_at: float = 0.0,
        root: int = 0,
        keys: str = "",
    ) -> None:
        """Persist what a `ClockMark` holds, in its order and units."""
        self._store.run(
            f"INSERT OR REPLACE INTO clock (id, {_CLOCK}) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
            (wall, elapsed_s, boottime, int(stepped_back), version, signed_at, root, keys),
        )

    def clock(self) -> ClockMark | None:
        """What was last remembered of the clock, or None."""
        row = self._store.row(f"SELECT {_CLOCK} FROM clock")
        if row is None:
            return None
        wall, elapsed_s, boottime, stepped_back, *of_the_timestamp = row
        return ClockMark(wall, elapsed_s, boottime, bool(stepped_back), *of_the_timestamp)
