"""What was withdrawn is gone: tables, the index's pages, the gaps between rows, free pages and log, read as raw bytes.

All persons are invented.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from failsafe.agent.holding import Holding
from failsafe.agent.person import names
from failsafe.sync import store as stores
from failsafe.sync.errors import StoreBroken
from failsafe.sync.feed import Change
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import (
    IdentityDocument,
    ListedDocument,
    Notice,
    Operation,
    PersonName,
    PutListed,
    PutNotice,
    RemoveListed,
    RemoveNotice,
)
from failsafe.sync.store import PAGE_BYTES

KEY = bytes(range(32, 64))
_WAL_HEADER, _FRAME_HEADER = 32, 24


def plain(path: Path, key: bytes = KEY) -> bytes:
    """The database file as it is under its encryption, and each page of its log: our own reading of the format."""
    pages = [_opened(page, key, first=place == 0) for place, page in enumerate(_cut(path.read_bytes(), 0))]
    log = path.with_name(f"{path.name}-wal")
    for frame in _cut(log.read_bytes()[_WAL_HEADER:], _FRAME_HEADER) if log.exists() else ():
        first = int.from_bytes(frame[:4], "big") == 1
        pages.append(_opened(frame[_FRAME_HEADER:], key, first=first))
    return b"\0".join(pages)


def _cut(raw: bytes, header: int) -> Iterator[bytes]:
    for start in range(0, len(raw) - PAGE_BYTES + 1, PAGE_BYTES + header):
        yield raw[start : start + PAGE_BYTES + header]


def _opened(page: bytes, key: bytes, *, first: bool) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(page[-80:-64])).decryptor()
    return decryptor.update(page[16 if first else 0 : -80]) + decryptor.finalize()


def unpacked(mirror: Mirror) -> bytes:
    """The index's pages without their compression."""
    pages = list(mirror.pages())
    return b"\0".join([*pages[:1], *(zstandard.ZstdDecompressor().decompress(page) for page in pages[1:])])


class Population:
    """Persons of nobody's name, in no order: as rows come and go the trees are balanced, and leave gaps."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._ids = list(range(100_000, 999_999))
        self._chance.shuffle(self._ids)
        self.notices: dict[str, Notice] = {}
        self.listed: list[ListedDocument] = []

    def born(self, count: int) -> list[Operation]:
        made = [self._notice() for _ in range(count)]
        listed = [self._listed() for _ in range(count)]
        self.notices |= {one.entity_id: one for one in made}
        self.listed += listed
        return [*(PutNotice(notice=one) for one in made), *(PutListed(document=one) for one in listed)]

    def leave(self, count: int) -> tuple[list[Operation], list[str]]:
        """Removals, and what only those who leave are known by."""
        gone = [self.notices.pop(one) for one in self._chance.sample(sorted(self.notices), count)]
        papers = [self.listed.pop(self._chance.randrange(len(self.listed))) for _ in range(count)]
        known = [word for one in gone for word in self._known(one)]
        away: list[Operation] = [RemoveNotice(entity_id=one.entity_id) for one in gone]
        away += [
            RemoveListed(number=one.number, issuing_country=one.issuing_country, document_type=one.document_type)
            for one in papers
        ]
        return away, [*known, *(one.number for one in papers)]

    @staticmethod
    def _known(one: Notice) -> tuple[str, ...]:
        return (one.entity_id, str(one.names[0].surname), one.documents[0].number)

    def _notice(self) -> Notice:
        surname = "".join(self._chance.choice("AEIOU" if place % 2 else "BDGKLMNRTVZ") for place in range(11))
        return Notice(
            entity_id=f"1900/{self._ids.pop()}",
            tier="green",
            names=(PersonName(surname=surname, given="NOONE"),),
            documents=(IdentityDocument(number=f"{self._chance.randrange(10**9):09d}Q", country="FR"),),
            summary=f"{surname} is invented.",
        )

    def _listed(self) -> ListedDocument:
        number = f"L{self._chance.randrange(10**9):09d}"
        return ListedDocument(number=number, issuing_country="FR", document_type="P", fraud_type="stolen")


class Feed:
    """Steps of one feed, counted as a head counts them."""

    def __init__(self, feed: str = "base") -> None:
        self.feed = feed
        self.serial = self.count = self.removed = 0

    def step(self, operations: Iterable[Operation], *, snapshot: bool = False) -> Change:
        operations = list(operations)
        before, self.serial = self.serial, self.serial + 1
        gone = sum(isinstance(one, RemoveNotice | RemoveListed) for one in operations)
        self.count = len(operations) if snapshot else self.count + len(operations) - 2 * gone
        self.removed += gone
        return Change(
            feed=self.feed,
            lineage="first",
            serial=self.serial,
            base_serial=None if snapshot or not before else before,
            epoch=1,
            count=self.count,
            removed=self.removed,
            signed_at=1000.0,
            operations=operations,
        )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mirror.db"


@pytest.fixture
def mirror(path: Path) -> Iterator[Mirror]:
    with Mirror.open(path, KEY) as mirror:
        yield mirror


def found(words: Iterable[str], *places: bytes) -> list[str]:
    """Which of these words stand anywhere, in the letters that were given or in those the index folds to."""
    return [word for word in words if any(word.encode() in place for place in places)]


def test_nothing_of_the_withdrawn_is_left_anywhere_in_the_file(mirror: Mirror, path: Path) -> None:
    population, feed, holding, gone = Population(2), Feed(), Holding(), list[str]()
    mirror.apply(feed.step(population.born(900)), names.forms, holding.bind)
    assert not mirror.owes_purge()
    for _ in range(10):
        away, known = population.leave(40)
        gone += known
        mirror.apply(feed.step([*away, *population.born(40)]), names.forms, holding.bind)
    assert mirror.owes_purge() and not mirror.purge()  # the index's pages have them yet
    assert found(gone, unpacked(mirror))
    old = [page[len(page) // 2 :][:64] for page in mirror.pages() if len(page) > 200]
    assert found(gone, plain(path))  # what deleting alone leaves, in the gaps

    mirror.bind(holding.bind)
    assert mirror.purge() and not mirror.owes_purge()
    raw = plain(path)
    assert not found(gone, raw, unpacked(mirror))
    new = b"".join(mirror.pages())
    differing = [piece for piece in old if piece not in new]
    assert differing and not [piece for piece in differing if piece in raw]
    assert mirror._store.row("PRAGMA freelist_count") == (0,)
    # In the log is the page that says so, and no other.
    assert path.with_name("mirror.db-wal").stat().st_size <= _WAL_HEADER + _FRAME_HEADER + PAGE_BYTES
    # Those who stay are all there, so that the looking itself is known to see.
    there = [word for one in population.notices.values() for word in population._known(one)]
    assert len(found(there, raw)) == len(there)
    mirror.check()
    assert {one.entity_id for one in mirror.names()} == population.notices.keys()


def test_what_is_listed_no_more_is_gone_too(mirror: Mirror, path: Path) -> None:
    feed = Feed()
    mirror.apply(feed.step(Population(1).born(3)), names.forms, Holding().bind)
    (number, *_) = next(iter(mirror._store.rows("SELECT number FROM listed")))
    away = RemoveListed(number=number, issuing_country="FR", document_type="P")
    mirror.apply(feed.step([away]), names.forms, Holding().bind)
    assert mirror.owes_purge() and mirror.purge()
    assert number.encode() not in plain(path)


def test_a_list_that_is_replaced_leaves_nothing_of_the_old_one(mirror: Mirror, path: Path) -> None:
    population, feed, holding = Population(3), Feed(), Holding()
    mirror.apply(feed.step(population.born(200)), names.forms, holding.bind)
    old = [word for one in population.notices.values() for word in population._known(one)]
    mirror.apply(feed.step(Population(4).born(200), snapshot=True), names.forms, holding.bind)
    assert mirror.owes_purge() and mirror.purge()
    assert not found(old, plain(path), unpacked(mirror))


def test_what_was_added_only_owes_nothing(mirror: Mirror) -> None:
    population, feed, holding = Population(5), Feed(), Holding()
    mirror.apply(feed.step(population.born(5)), names.forms, holding.bind)
    mirror.apply(feed.step(population.born(5)), names.forms, holding.bind)
    assert not mirror.owes_purge()


def test_a_reader_delays_the_end_and_is_not_disturbed(mirror: Mirror, path: Path) -> None:
    population, feed, holding = Population(6), Feed(), Holding()
    mirror.apply(feed.step(population.born(20)), names.forms, holding.bind)
    away, gone = population.leave(5)
    with Mirror.open(path, KEY) as reader:
        reading = reader.names()
        first = next(reading)
        mirror.apply(feed.step(away), names.forms, holding.bind)
        mirror.bind(holding.bind)
        assert not mirror.purge() and mirror.owes_purge()
        assert len({first.entity_id, *(one.entity_id for one in reading)}) == 20
    assert mirror.purge() and not mirror.owes_purge()
    assert not found(gone, plain(path), unpacked(mirror))


def test_a_removal_is_not_forgotten_by_a_restart(path: Path) -> None:
    population, feed = Population(7), Feed()
    with Mirror.open(path, KEY) as mirror:
        mirror.apply(feed.step(population.born(20)), names.forms, Holding().bind)
        away, gone = population.leave(5)
        mirror.apply(feed.step(away), names.forms, Holding().bind)
    with Mirror.open(path, KEY) as mirror:
        assert mirror.owes_purge()
        mirror.bind(Holding().bind)
        assert mirror.purge()
        assert not found(gone, plain(path), unpacked(mirror))


def test_a_step_that_is_refused_owes_nothing(mirror: Mirror) -> None:
    population, feed = Population(8), Feed()
    mirror.apply(feed.step(population.born(5)), names.forms, Holding().bind)
    away, _ = population.leave(2)
    feed.count += 1
    with pytest.raises(Exception, match="would hold"):
        mirror.apply(feed.step(away), names.forms, Holding().bind)
    assert not mirror.owes_purge()


def test_a_mirror_of_an_older_software_is_rid_of_what_it_left(path: Path) -> None:
    population, feed = Population(9), Feed()
    with Mirror.open(path, KEY) as mirror:
        mirror.apply(feed.step(population.born(5)), names.forms, Holding().bind)
        for statement in ("DROP TRIGGER notice_left", "DROP TRIGGER listed_left", "DROP TABLE purge"):
            mirror._store.run(statement)
        mirror._store.run("DELETE FROM _sqlite_migrations WHERE name = 'what_is_to_be_purged'")
    with Mirror.open(path, KEY) as mirror:
        assert mirror.owes_purge() and mirror.purge() and not mirror.owes_purge()


def test_the_copy_that_is_written_meanwhile_is_encrypted(mirror: Mirror) -> None:
    """SQLite writes the file anew by way of a temporary one; whoever has the disk may find its blocks."""
    mirror.apply(Feed().step(Population(10).born(1500)), names.forms, Holding().bind)
    mirror._store.row("PRAGMA cache_size = 10")  # or so few would never leave the memory
    seen, stop = list[bytes](), threading.Event()
    watching = threading.Thread(target=_watch, args=(stop, seen.append))
    watching.start()
    try:
        for _ in range(50):
            mirror._store.write_anew()
            if any(len(copy) > 100_000 for copy in seen):
                break
    finally:
        stop.set()
        watching.join()
    assert max(map(len, seen)) > 100_000
    assert not any(word in copy for copy in seen for word in (b"SQLite format", b"NOONE", b"is invented", b"1900/"))


def _watch(stop: threading.Event, tell: Callable[[bytes], None]) -> None:
    own = Path("/proc/self/fd")
    while not stop.is_set():
        for place in own.iterdir() if own.is_dir() else ():
            try:
                if "/etilqs_" in str(place.readlink()):  # as SQLite calls its temporary files
                    tell(place.read_bytes())
            except OSError:
                continue


def test_a_disk_without_room_for_it_keeps_what_is_held_and_owes_on(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    population, feed = Population(11), Feed()
    mirror.apply(feed.step(population.born(300)), names.forms, Holding().bind)
    away, _ = population.leave(5)
    mirror.apply(feed.step(away), names.forms, Holding().bind)
    mirror.bind(Holding().bind)
    monkeypatch.setattr(mirror._store, "write_anew", _no_room)
    with pytest.raises(StoreBroken):
        mirror.purge()
    assert mirror.owes_purge() and mirror.counts().notices == 295
    mirror.check()


def test_what_is_not_to_wait_puts_it_off_and_nothing_is_lost(
    mirror: Mirror, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_ASK_EVERY", 1000)
    population, feed = Population(12), Feed()
    mirror.apply(feed.step(population.born(1500)), names.forms, Holding().bind)
    away, gone = population.leave(5)
    mirror.apply(feed.step(away), names.forms, Holding().bind)
    mirror.bind(Holding().bind)
    asked = []

    def come() -> bool:
        asked.append(path.stat().st_size)
        return len(asked) > 1

    assert not mirror.purge(come) and mirror.owes_purge() and len(asked) == 2
    assert mirror.counts().notices == 1495
    mirror.check()
    assert mirror.purge(lambda: False) and not found(gone, plain(path), unpacked(mirror))


def _no_room(put_off: Callable[[], bool]) -> bool:
    raise StoreBroken("mirror.db has no room left.")
