"""The booth's parts alone, each beside the nearest thing that does less: no network, no process, one thread."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rapidfuzz import fuzz, process

from failsafe.agent.alerts import uuid7
from failsafe.agent.commands.figures import Figure, Rival, figure, p50_p99
from failsafe.agent.person import names
from failsafe.agent.person.index import Index
from failsafe.agent.person.matching import match
from failsafe.drivers import mrz
from failsafe.sync import mirror as mirrors
from failsafe.sync import shape
from failsafe.sync.feed import Change
from failsafe.sync.ledger import Ledger
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import Notice, PutNotice, encode
from failsafe.sync.reports import Alert, MatchedNotice, MatchReason, Moment, PersonAsRead, Place, utc
from tests.bench import zones as misread
from tests.bench.crowd import People, traveller, zone

QUERIES = 300
DELTA = 1_000
APPENDS = 500
ZONES = 2_000
FEED, LINEAGE = "base", "lineage-of-the-bench"


def figures(folder: Path, size: int) -> Iterator[Figure]:
    """Mirror and matching at one size; everything they write lies in `folder`."""
    people = People(size)
    notices = read_notices(people)
    with closing(Mirror.open(folder / "mirror.db", os.urandom(32))) as held:
        yield from _mirror(held, notices, folder, size)
        yield from _matching(held, people, size)


def figures_without_size(folder: Path) -> Iterator[Figure]:
    """What does not depend on how many notices there are."""
    yield from _ledger(folder)
    yield from _zones()
    yield from misread.figures()


def read_notices(people: People) -> list[Notice]:
    """The population's notices as headquarters reads them."""
    reading = shape.read("\n".join(json.dumps(record) for record in people.records()))
    assert not reading.faults, reading.faults[:3]
    return [entry.notice for entry in reading.notices]


def timed(act: Callable[[], object]) -> float:
    """Seconds."""
    began_at = time.perf_counter()
    act()
    return time.perf_counter() - began_at


def each_us(act: Callable[..., object], items: Iterable[object]) -> list[float]:
    """Microseconds of each call."""
    return [1e6 * timed(lambda item=item: act(item)) for item in items]


# --- mirror ----------------------------------------------------------------------------------------------------


def change(notices: Sequence[Notice], serial: int, base: int | None, count: int) -> Change:
    """A verified step, as intake hands it to the mirror."""
    return Change(
        feed=FEED,
        lineage=LINEAGE,
        serial=serial,
        base_serial=base,
        epoch=1,
        count=count,
        removed=0,
        signed_at=time.time(),
        operations=[PutNotice(notice=notice) for notice in notices],
        metadata={"timestamp.json": b"{}"},
    )


def altered(notices: Sequence[Notice]) -> list[Notice]:
    """Some notices with another summary, for a delta."""
    chosen = random.Random(1).sample(list(notices), min(DELTA, len(notices)))
    return [msgspec.structs.replace(notice, summary="Changed by headquarters.") for notice in chosen]


def _mirror(held: Mirror, notices: Sequence[Notice], folder: Path, size: int) -> Iterator[Figure]:
    delta = altered(notices)
    snapshot_s = timed(lambda: held.apply(change(notices, 1, None, size), names.forms))
    delta_s = timed(lambda: held.apply(change(delta, 2, 1, size), names.forms))
    lines = list(held.names())
    stream_s = timed(lambda: sum(1 for _ in held.names()))
    index_s = timed(lambda: Index.build(lines))
    with closing(Plain(folder / "plain.db")) as plain:
        rows, delta_rows = list(map(Row.of, notices)), list(map(Row.of, delta))
        plain_snapshot = Rival("the same inserts in plain sqlite3, names derived before", plain.insert_s(rows))
        plain_delta = Rival("the same inserts in plain sqlite3, names derived before", plain.insert_s(delta_rows))
        plain_stream = Rival("the same question to plain sqlite3", timed(plain.read_names))
    yield from figure(f"mirror_apply_snapshot@{size}", snapshot_s, "s", 1, plain_snapshot)
    yield from figure(f"mirror_apply_delta_of_{len(delta)}@{size}", delta_s, "s", 1, plain_delta)
    yield from figure(f"mirror_names@{size}", stream_s, "s", 1, plain_stream)
    yield from figure(f"index_build@{size}", index_s, "s", 1, Rival("the names streamed from the mirror", stream_s))


@dataclass(frozen=True, slots=True)
class Row:
    """A notice as the mirror's tables hold it, made ready beforehand."""

    entity_id: str
    tier: str
    sex: str
    births: str
    body: bytes
    names: tuple[tuple[int, str, str], ...]
    documents: tuple[tuple[int, str, str | None], ...]

    @classmethod
    def of(cls, notice: Notice) -> Row:
        """The rows that the mirror derives of a notice."""
        return cls(
            notice.entity_id,
            notice.tier,
            notice.sex,
            " ".join(notice.births),
            encode(notice),
            tuple((place, form.tokens, form.kind) for place, form in enumerate(names.forms(notice))),
            tuple((place, mirrors.fold_number(one.number), one.country) for place, one in enumerate(notice.documents)),
        )


class Plain:
    """The mirror's tables in the standard library's sqlite3: not encrypted, and as durable."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
            self._connection.execute(f"PRAGMA {setting}")
        mirrors.first_tables(self._connection)
        self._connection.execute("INSERT INTO feed VALUES (?, ?, 1, 1, 0, 0)", (FEED, LINEAGE))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def insert_s(self, rows: Sequence[Row]) -> float:
        """Seconds for one transaction with all rows, and the folding of its log."""

        def insert() -> None:
            self._connection.execute("BEGIN IMMEDIATE")
            for row in rows:
                self._insert(row)
            self._connection.execute("COMMIT")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        return timed(insert)

    def _insert(self, row: Row) -> None:
        run = self._connection.execute
        run("DELETE FROM notice WHERE entity_id = ? AND feed = ?", (row.entity_id, FEED))
        (number,) = run(
            "INSERT INTO notice (feed, entity_id, tier, sex, births) VALUES (?, ?, ?, ?, ?) RETURNING id",
            (FEED, row.entity_id, row.tier, row.sex, row.births),
        ).fetchone()
        run("INSERT INTO body (notice, bytes) VALUES (?, ?)", (number, row.body))
        for name in row.names:
            run("INSERT INTO name (notice, place, tokens, kind) VALUES (?, ?, ?, ?)", (number, *name))
        for paper in row.documents:
            run("INSERT INTO document (notice, place, folded, country) VALUES (?, ?, ?, ?)", (number, *paper))

    def read_names(self) -> int:
        """How many names there are, read as the mirror streams them."""
        rows = self._connection.execute(
            "SELECT entity_id, tier, tokens, kind, births, sex FROM name JOIN notice ON notice.id = name.notice"
            " ORDER BY name.notice, name.place"
        )
        return sum(1 for _ in rows)


# --- matching --------------------------------------------------------------------------------------------------


def _matching(held: Mirror, people: People, size: int) -> Iterator[Figure]:
    lines = list(held.names())
    index = Index.build(lines)
    spelled = [line.tokens for line in lines]
    come = [
        one for pair in zip(people.sought(QUERIES // 2), people.innocent(QUERIES // 2), strict=False) for one in pair
    ]
    ours = each_us(lambda one: match(traveller(one), index, held), come)
    few = [one.tokens for one in come[:20]]
    weighted = each_us(lambda name: process.extract(name, spelled, scorer=fuzz.WRatio, limit=10), few)
    plain = each_us(lambda name: process.extract(name, spelled, scorer=fuzz.ratio, limit=10), few)
    yield from p50_p99(
        f"match@{size}",
        ours,
        "us",
        ("rapidfuzz WRatio over all names, name only", weighted),
        ("rapidfuzz ratio over all names, name only", plain),
    )


# --- ledger ----------------------------------------------------------------------------------------------------


def _ledger(folder: Path) -> Iterator[Figure]:
    alerts = [alert(number) for number in range(APPENDS)]
    with closing(Ledger.open(folder / "ledger.db", os.urandom(32))) as ledger:
        ours = each_us(ledger.append, alerts)
    with closing(sqlite3.connect(folder / "rows.db", isolation_level=None)) as rows:
        rows.execute("PRAGMA journal_mode = WAL")
        rows.execute("PRAGMA synchronous = FULL")
        rows.execute("CREATE TABLE record (number INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")
        bodies = map(encode, alerts)
        plain = each_us(lambda body: rows.execute("INSERT INTO record (body) VALUES (?)", (body,)), bodies)
    yield from p50_p99("ledger_append", ours, "us", ("one insert in plain sqlite3, synchronous=FULL", plain))


def alert(number: int) -> Alert:
    """An alert about nobody, with two candidates."""
    reasons = tuple(
        MatchReason(field="surname", query=f"SPECIMEN{part}", candidate=f"SPECIMAN{part}", why="one letter", points=2.1)
        for part in range(4)
    )
    return Alert(
        id=uuid7(1.8e9 + number, number.to_bytes(10, "big")),
        kind="notice_hit",
        urgency="urgent" if number % 7 == 0 else "routine",
        at=Moment(wall=utc(1.8e9 + number), monotonic_s=float(number), trusted=True),
        place=Place(booth="ZZ-BENCH-01", country="ZZ", crossing_point="Northgate", lane="1"),
        verdict="STOP",
        person=PersonAsRead(source="zone", surname="SPECIMEN", given="SAMUEL", zone=("<" * 44, "<" * 44)),
        notices=tuple(
            MatchedNotice(entity_id=f"2026/{number}{part}", tier="red", grade="strong", score=0.93, reasons=reasons)
            for part in range(2)
        ),
    )


# --- zones -----------------------------------------------------------------------------------------------------


def _zones() -> Iterator[Figure]:
    zones = [zone(person, f"B{number}") for number, person in enumerate(People(ZONES).listed)]
    ours = each_us(mrz.parse, zones)
    assert all(slices(one) is not None for one in zones)
    plain = each_us(slices, zones)
    package = each_us(by_the_mrz_package, zones)
    yield from p50_p99(
        "mrz_parse",
        ours,
        "us",
        ("slices and check digits alone, no warnings, no repair", plain),
        ("the mrz package, fields and warnings", package),
    )


def by_the_mrz_package(lines: Sequence[str]) -> object:
    """A passport's fields by the package `mrz`, a development dependency only; it warns as ours does."""
    from mrz.checker.td3 import TD3CodeChecker

    return TD3CodeChecker("\n".join(lines), compute_warnings=True).fields()


def slices(lines: Sequence[str]) -> dict[str, str] | None:
    """The least that reads a passport's zone: fields by their places, None where a check digit is wrong."""
    first, second = lines
    surname, _, given = first[5:].partition("<<")
    covered = second[:10] + second[13:20] + second[21:43]
    checked = ((second[:9], second[9]), (second[13:19], second[19]), (second[21:27], second[27]), (covered, second[43]))
    optional, digit = second[28:42], second[42]
    bare = digit == "<" and not optional.strip("<")  # an empty field needs no digit
    if any(str(_check(part)) != digit for part, digit in checked) or not (bare or str(_check(optional)) == digit):
        return None
    return {
        "surname": surname.replace("<", " ").strip(),
        "given_names": given.replace("<", " ").strip(),
        "document_number": second[:9].rstrip("<"),
        "nationality": second[10:13].rstrip("<"),
        "birth_date": second[13:19],
        "sex": second[20],
        "expiry_date": second[21:27],
    }


def _check(text: str) -> int:
    return sum((7, 3, 1)[place % 3] * (0 if char == "<" else int(char, 36)) for place, char in enumerate(text)) % 10
