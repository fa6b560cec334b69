"""The ledger on real files: what it acknowledged is there, in order, unreadable, and no break stays unseen."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.sync import ledger as ledgers
from failsafe.sync import ledger_post, ledger_tables
from failsafe.sync.errors import Malformed, Older, StoreBroken, StoreDamaged, WrongKey
from failsafe.sync.feed import Floor
from failsafe.sync.ledger import NOTHING, ClockMark, Kept, Ledger, Undelivered, Waiting, higher
from failsafe.sync.records import HqKeys, SealPublic, encode
from failsafe.sync.reports import (
    Alert,
    ChainEntry,
    FeedState,
    Finding,
    HealthChange,
    Measurement,
    Moment,
    PersonAsRead,
    Place,
    PurgeReceipt,
    RadiationSummary,
    SearchLine,
)
from failsafe.sync.store import Migrations, Store

KEY = bytes(range(64, 96))
PLACE = Place(booth="ZZ-TEST-1", country="ZZ", crossing_point="Quillbridge", lane="L1")
PERSON = PersonAsRead(source="zone", surname="QUILLFEATHER", given="ZZYZXBERT", zone=("P<UTOQUILLFEATHER",))
FLOOR = Floor("first", 7, 100, 3)


def moment(second: int) -> Moment:
    return Moment(wall=f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z", monotonic_s=float(second), trusted=True)


def alert(number: int, urgency: str = "routine", **more) -> Alert:
    return Alert(
        id=f"alert-{number}",
        kind="notice_hit",
        urgency=urgency,
        at=moment(number),
        place=PLACE,
        verdict="STOP",
        crossing=f"crossing-{number}",
        person=PERSON,
        **more,
    )


def health(number: int) -> HealthChange:
    return HealthChange(id=f"health-{number}", at=moment(number), place=PLACE, part="portal", was="OK", now="LATE")


def measurement(number: int, *alerts: str, document: bytes = b"compressed") -> Measurement:
    return Measurement(
        id=f"measurement-{number}",
        at=moment(number),
        place=PLACE,
        alerts=alerts,
        radiation=RadiationSummary(detector="portal-1", health="OK"),
        size=len(document),
        document=document,
    )


def finding(number: int, *alerts: str, text: str = "Papers and face agree; the notice is another's.") -> Finding:
    return Finding(id=f"finding-{number}", at=moment(number), place=PLACE, alerts=alerts, text=text)


def search(number: int) -> SearchLine:
    states = (FeedState(feed="base", lineage="first", serial=number),)
    return SearchLine(at=moment(number).wall, lane="L1", shift="early", mirror=states, verdict="CLEAR")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger.open(path, KEY) as ledger:
        yield ledger


def fill(ledger: Ledger) -> None:
    """One record of each kind, and a second alert: numbers 1 to 6."""
    ledger.append(alert(1))
    ledger.log_search(search(2))
    ledger.append(health(3))
    ledger.note_setting("2026-01-01T00:00:04Z", "L1", "portal-1 (tsa)")
    ledger.note_floor("base", FLOOR)
    ledger.append(alert(6))


# --- the alert chain ---------------------------------------------------------------------------------------------


def test_a_new_ledger_is_empty_and_whole(ledger: Ledger) -> None:
    assert (ledger.head(), ledger.length(), ledger.verify()) == (NOTHING, 0, 0)
    assert ledger.undelivered() == Undelivered(0, None)
    assert list(ledger.entries()) == [] and ledger.floors() == {} and ledger.clock() is None
    ledger.check()


def test_entries_are_counted_from_one_and_each_names_the_one_before(ledger: Ledger) -> None:
    first = ledger.append(alert(1))
    ledger.log_search(search(2))
    second = ledger.append(health(2))
    assert first == ChainEntry(sequence=1, previous=NOTHING, body=alert(1))
    assert second == ChainEntry(sequence=2, previous=first.digest(), body=health(2))
    assert list(ledger.entries()) == [first, second]
    assert list(ledger.entries(after=1)) == [second]


def test_appending_the_same_again_gives_the_entry_it_got_and_records_nothing(ledger: Ledger) -> None:
    first = ledger.append(alert(1))
    ledger.append(alert(2))
    before = ledger.head()
    assert ledger.append(alert(1)) == first
    assert (ledger.head(), ledger.length()) == (before, 2)


def test_an_id_used_for_two_bodies_is_refused_without_quoting_either(ledger: Ledger) -> None:
    ledger.append(alert(1))
    with pytest.raises(ValueError, match="twice") as caught:
        ledger.append(alert(1, mirror_age_s=3.0))
    assert "QUILLFEATHER" not in str(caught.value)
    assert ledger.length() == 1
    assert ledger.append(alert(2)).sequence == 2


def test_chain_and_head_go_on_after_a_restart(ledger: Ledger, path: Path) -> None:
    fill(ledger)
    last, head = list(ledger.entries())[-1], ledger.head()
    ledger.close()
    with Ledger.open(path, KEY) as again:
        assert again.head() == head
        following = again.append(alert(9))
        assert (following.sequence, following.previous) == (last.sequence + 1, last.digest())
        assert again.verify() == 7


# --- the other records -------------------------------------------------------------------------------------------


def test_the_search_log_keeps_its_lines_and_no_person(ledger: Ledger) -> None:
    for number in range(3):
        ledger.log_search(search(number))
    assert list(ledger.searches()) == [search(number) for number in range(3)]
    assert not set(SearchLine.__struct_fields__) & {"person", "surname", "zone", "document_number"}


def test_only_a_change_of_a_lanes_detector_is_recorded(ledger: Ledger) -> None:
    assert ledger.note_setting("2026-01-01T00:00:00Z", "L1", "portal-1")
    assert not ledger.note_setting("2026-01-01T00:01:00Z", "L1", "portal-1")
    assert ledger.note_setting("2026-01-01T00:02:00Z", "L2", "none declared")
    assert ledger.note_setting("2026-01-01T00:03:00Z", "L1", "none declared")
    assert ledger.settings() == {"L1": "none declared", "L2": "none declared"}
    assert ledger.length() == 3


def test_floors_only_rise_within_a_lineage(ledger: Ledger) -> None:
    ledger.note_floor("base", FLOOR)
    ledger.note_floor("base", FLOOR)
    ledger.note_floor("supplement", Floor("first", 1))
    ledger.note_floor("base", Floor("first", 8, 101, 3))
    with pytest.raises(Older, match="7 comes after 8"):
        ledger.note_floor("base", FLOOR)
    assert ledger.floors() == {"base": Floor("first", 8, 101, 3), "supplement": Floor("first", 1)}
    ledger.note_floor("base", Floor("second", 1, 90, 0))
    assert ledger.floors()["base"] == Floor("second", 1, 90, 0)
    assert ledger.length() == 4


@pytest.mark.parametrize(
    ("mirror", "noted", "holds"),
    [
        ({}, {}, {}),
        ({"base": Floor("a", 3)}, {}, {"base": Floor("a", 3)}),
        ({}, {"base": Floor("a", 3)}, {"base": Floor("a", 3)}),  # the mirror was wiped
        ({"base": Floor("a", 3)}, {"base": Floor("a", 5)}, {"base": Floor("a", 5)}),  # put back
        ({"base": Floor("a", 6)}, {"base": Floor("a", 5)}, {"base": Floor("a", 6)}),  # killed between the two
        ({"base": Floor("a", 9)}, {"base": Floor("b", 2)}, {"base": Floor("b", 2)}),  # put back over a new lineage
        ({"x": Floor("a", 1)}, {"y": Floor("a", 2)}, {"x": Floor("a", 1), "y": Floor("a", 2)}),
    ],
)
def test_the_higher_floor_holds(mirror: dict[str, Floor], noted: dict[str, Floor], holds: dict[str, Floor]) -> None:
    assert higher(mirror, noted) == holds


def test_the_clocks_mark_is_the_last_one_and_is_no_record(ledger: Ledger, path: Path) -> None:
    ledger.remember_clock(1000.5, 30.0)
    ledger.remember_clock(1060.5, 90.0)
    ledger.close()
    with Ledger.open(path, KEY) as again:
        assert again.clock() == ClockMark(1060.5, 90.0)
        mark = ClockMark(1120.5, 150.0, 33.0, True, 7, 990.0, 3, "0f")
        again.remember_clock(*mark)
        assert again.clock() == mark and again.clock().stepped_back is True
        assert again.length() == 0


def test_records_made_together_are_kept_or_dropped_together(ledger: Ledger) -> None:
    with ledger.together():
        ledger.append(alert(1))
        ledger.log_search(search(1))
    before = ledger.head()
    with pytest.raises(ZeroDivisionError), ledger.together():
        ledger.append(alert(2))
        raise ZeroDivisionError
    assert (ledger.head(), ledger.length()) == (before, 2)
    assert ledger.undelivered().entries == 1
    assert ledger.append(alert(3)).sequence == 2


# --- delivery ----------------------------------------------------------------------------------------------------


def test_what_has_no_receipt_is_counted_with_its_oldest(ledger: Ledger) -> None:
    fill(ledger)
    assert ledger.undelivered() == Undelivered(3, moment(1).wall)
    assert ledger.undelivered(only_alerts=True) == Undelivered(2, moment(1).wall)
    ledger.mark_delivered("alert-1", b"receipt", "2026-01-02T00:00:00Z")
    assert ledger.undelivered() == Undelivered(2, moment(3).wall)
    assert ledger.undelivered(only_alerts=True) == Undelivered(1, moment(6).wall), "a report of health is no alert"
    ledger.mark_delivered("health-3", b"receipt", "2026-01-02T00:00:00Z")
    ledger.mark_delivered("alert-6", b"receipt", "2026-01-02T00:00:00Z")
    assert ledger.undelivered() == ledger.undelivered(only_alerts=True) == Undelivered(0, None)
    assert ledger.verify() == 6


def test_the_most_urgent_wait_first_then_the_oldest(ledger: Ledger) -> None:
    for number, urgency in enumerate(["routine", "urgent", "routine", "urgent"]):
        ledger.append(alert(number, urgency))
    ledger.append(health(9))
    ledger.keep_sealed("alert-3", b"sealed")
    ledger.mark_delivered("alert-0", b"receipt", "2026-01-02T00:00:00Z")
    assert list(ledger.waiting()) == [
        Waiting("alert-1", "urgent", 2, False),
        Waiting("alert-3", "urgent", 4, True),
        Waiting("alert-2", "routine", 3, False),
        Waiting("health-9", "routine", 5, False),
    ]


def test_what_waits_is_read_without_opening_a_row(ledger: Ledger) -> None:
    """A booth that was cut off for a night reads this list with each alert; its rows hold kilobytes each."""
    (plan,) = {
        detail
        for *_, detail in ledger._store.rows(
            "EXPLAIN QUERY PLAN SELECT id, urgency, in_chain, sealed IS NOT NULL FROM delivery"
            " WHERE receipt IS NULL ORDER BY urgency DESC, number"
        )
        if "delivery" in detail
    }
    assert "COVERING INDEX delivery_waiting" in plan


def test_alerts_are_counted_without_opening_a_row(ledger: Ledger) -> None:
    plan = " ".join(str(row) for row in ledger._store.rows(f"EXPLAIN QUERY PLAN {ledger_post._WAITING_ALERTS}"))
    indexes = ("delivery_waiting", "record_of_health", "record_of_purge")
    assert all(f"COVERING INDEX {index}" in plan for index in indexes), plan


def test_a_ledger_from_before_that_index_tells_the_same(path: Path) -> None:
    before = Migrations("ledger")
    for step in (ledger_tables.first_tables, ledger_tables.keys_of_headquarters):
        before()(step)
    with closing(Store.open(path, KEY, ledgers.SETTINGS, before)) as store:
        for number, sequence in ((1, 1), (3, 2)):
            values = (number, f"alert-{number}", sequence)
            store.run("INSERT INTO record VALUES (?, 'alert', ?, ?, x'00', x'00')", values)
            store.run(
                "INSERT INTO delivery (number, id, urgency, wall) VALUES (?, ?, 'routine', '')",
                (number, f"alert-{number}"),
            )
    with Ledger.open(path, KEY) as ledger:
        assert [(one.id, one.sequence) for one in ledger.waiting()] == [("alert-1", 1), ("alert-3", 2)]


def test_headquarters_keys_are_kept_and_the_newest_count(ledger: Ledger) -> None:
    assert ledger.hq_keys() is None
    for receipt in (b"a" * 32, b"b" * 32):
        keys = HqKeys(receipt=receipt, seal=SealPublic(mlkem=b"m", x25519=b"x"))
        ledger.keep_hq_keys(keys)
    assert ledger.hq_keys() == keys


def test_entries_are_found_by_id_and_counted(ledger: Ledger) -> None:
    assert ledger.sequence() == 0
    entry = ledger.append(alert(1))
    ledger.append(health(2))
    assert ledger.entry("alert-1") == entry
    assert ledger.entry("alert-7") is None
    assert ledger.sequence() == 2


def test_the_first_sealed_form_is_the_one_that_is_kept(ledger: Ledger) -> None:
    ledger.append(alert(1))
    assert ledger.sealed("alert-1") is None
    assert ledger.keep_sealed("alert-1", b"first form") == b"first form"
    assert ledger.keep_sealed("alert-1", b"second form") == b"first form"
    assert ledger.sealed("alert-1") == b"first form"


def test_a_receipt_comes_twice_without_harm_and_for_a_stranger_not_at_all(ledger: Ledger) -> None:
    ledger.append(alert(1))
    ledger.mark_delivered("alert-1", b"first", "2026-01-02T00:00:00Z")
    ledger.mark_delivered("alert-1", b"second", "2026-01-03T00:00:00Z")
    assert ledger._store.row("SELECT receipt, delivered_at FROM delivery") == (b"first", "2026-01-02T00:00:00Z")
    with pytest.raises(Malformed):
        ledger.mark_delivered("alert-2", b"receipt", "2026-01-02T00:00:00Z")
    with pytest.raises(Malformed):
        ledger.keep_sealed("alert-2", b"sealed")


# --- findings ----------------------------------------------------------------------------------------------------


def test_a_finding_takes_its_place_in_the_chain_and_waits_like_an_alert(ledger: Ledger) -> None:
    first = ledger.append(alert(1))
    found = ledger.append(finding(2, "alert-1"))
    assert (found.sequence, found.previous) == (2, first.digest())
    assert [one.id for one in ledger.waiting()] == ["alert-1", "finding-2"]
    assert ledger.undelivered(only_alerts=True).entries == 2
    assert ledger.append(finding(2, "alert-1")) == found and ledger.verify() == 2


def test_the_findings_of_an_alert_are_found_oldest_first_with_how_far_they_have_come(ledger: Ledger) -> None:
    for number in (1, 2, 3):
        ledger.append(alert(number))
    both = ledger.append(finding(4, "alert-1", "alert-2", "alert-1"))
    later = ledger.append(finding(5, "alert-2", text="A correction."))
    ledger.append(finding(6, "alert-3"))
    ledger.mark_delivered("finding-4", b"receipt", "2026-01-02T00:00:00Z")
    delivered = Kept(both, "2026-01-02T00:00:00Z")
    assert list(ledger.findings(["alert-1"])) == [delivered]
    assert list(ledger.findings(["alert-2", "alert-1"])) == [delivered, Kept(later, None)]
    assert list(ledger.findings(["alert-9"])) == [] == list(ledger.findings([]))
    assert ledger.kept("finding-4") == delivered and ledger.kept("alert-9") is None
    waits = ledger.kept("alert-2")
    assert waits is not None and waits.entry.body == alert(2) and waits.delivered_at is None


def test_a_finding_that_was_cut_off_from_its_alert_is_damage(ledger: Ledger) -> None:
    fill(ledger)
    ledger.append(finding(7, "alert-1", "alert-6"))
    assert ledger.verify() == 7
    with pytest.raises(RuntimeError):
        ledger._store.run("DELETE FROM finding")
    ledger._store.run("DROP TRIGGER finding_stays")
    ledger._store.run("DELETE FROM finding WHERE alert = 'alert-6'")
    with pytest.raises(StoreDamaged, match="Record 7 of"):
        ledger.verify()


# --- no break stays unseen ---------------------------------------------------------------------------------------


def test_the_ledger_itself_cannot_change_or_drop_a_record(ledger: Ledger) -> None:
    fill(ledger)
    for statement in ("UPDATE record SET body = x'00' WHERE number = 3", "DELETE FROM record", "DELETE FROM delivery"):
        with pytest.raises(RuntimeError):
            ledger._store.run(statement)
    assert ledger.verify() == 6


def tamper(ledger: Ledger, statement: str, *values: object) -> None:
    """What somebody with the key and the file could do."""
    for trigger in ("record_stays", "record_holds", "delivery_stays"):
        ledger._store.run(f"DROP TRIGGER IF EXISTS {trigger}")
    ledger._store.run("PRAGMA foreign_keys = OFF")
    ledger._store.run(statement, values)


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("UPDATE record SET body = CAST('{}' AS BLOB) WHERE number = 1", 1),
        ("UPDATE record SET kind = 'setting' WHERE number = 2", 2),
        ("UPDATE record SET subject = 'L9' WHERE number = 2", 2),
        ("UPDATE record SET head = zeroblob(32) WHERE number = 4", 4),
        ("UPDATE record SET number = 99 WHERE number = 4", 4),
        ("UPDATE record SET sequence = 17 WHERE number = 6", 6),
        ("DELETE FROM record WHERE number = 1", 1),
        ("DELETE FROM record WHERE number = 5", 5),
        ("DELETE FROM delivery WHERE number = 3", 3),
    ],
)
def test_a_changed_or_missing_record_is_named_by_its_number(ledger: Ledger, statement: str, number: int) -> None:
    fill(ledger)
    tamper(ledger, statement)
    with pytest.raises(StoreDamaged, match=rf"Record {number} of"):
        ledger.verify()
    with pytest.raises(StoreDamaged):
        ledger.check()


def test_a_record_slipped_into_the_alert_chain_with_a_right_head_is_still_seen(ledger: Ledger) -> None:
    """The ledger's head can be computed by who has the key; the alert chain within must fit as well."""
    ledger.append(alert(1))
    forged = ChainEntry(sequence=2, previous=NOTHING, body=alert(2))
    with ledger._store.transaction():
        ledger._record("alert", "alert-2", encode(forged), 2)
    with pytest.raises(StoreDamaged, match=r"Record 2 .* alert before it"):
        ledger.verify()


def test_a_record_of_another_version_is_damage_and_is_not_quoted(ledger: Ledger) -> None:
    with ledger._store.transaction():
        ledger._record("alert", "x", b'{"sequence":1,"previous":"","body":{"record":"QUILLFEATHER"}}', 1)
    for ask in (ledger.verify, lambda: list(ledger.entries())):
        with pytest.raises(StoreDamaged) as caught:
            ask()
        assert "QUILLFEATHER" not in str(caught.value) and caught.value.__cause__ is None


def test_the_walk_may_start_behind_what_was_verified(ledger: Ledger) -> None:
    fill(ledger)
    for after in range(7):
        assert ledger.verify(after) == 6
    with pytest.raises(StoreDamaged, match="Record 7"):
        ledger.verify(7)
    tamper(ledger, "UPDATE record SET subject = 'L9' WHERE number = 2")
    assert ledger.verify(2) == 6
    with pytest.raises(StoreDamaged, match="Record 2"):
        ledger.verify(1)


def test_a_ledger_put_back_to_an_older_copy_has_another_head(ledger: Ledger, path: Path) -> None:
    fill(ledger)
    ledger.close()
    old = path.read_bytes()
    with Ledger.open(path, KEY) as again:
        again.append(alert(7))
        newer = again.head()
    path.write_bytes(old)
    with Ledger.open(path, KEY) as rewound:
        rewound.check()  # by itself it is whole: only who has seen the newer head can tell
        assert rewound.head() != newer
        rewound.append(alert(8))
        assert rewound.head() != newer


def test_the_head_is_the_documented_digest(ledger: Ledger) -> None:
    """Computed here a second time from the record's parts, as an examiner would."""
    ledger.log_search(search(1))
    parts = [bytes(32), b"1", b"search", b"L1", msgspec.json.encode(search(1))]
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    assert ledger.head() == hashlib.sha256(b"failsafe-edge/ledger/1\0" + framed).hexdigest()


STEPS: dict[str, Callable[[Ledger, int], object]] = {
    "alert": lambda ledger, n: ledger.append(alert(n)),
    "health": lambda ledger, n: ledger.append(health(n)),
    "search": lambda ledger, n: ledger.log_search(search(n)),
    "setting": lambda ledger, n: ledger.note_setting(moment(n).wall, "L1", f"portal-{n % 3}"),
    "finding": lambda ledger, n: ledger.append(finding(n, f"alert-{n}", "alert-0")),
    "floor": lambda ledger, n: ledger.note_floor("base", Floor(f"lineage-{n % 2}", 1000 + ledger.length(), n)),
    "receipt": lambda ledger, n: [ledger.mark_delivered(w.id, b"r", "") for w in list(ledger.waiting())[:1]],
    "clock": lambda ledger, n: ledger.remember_clock(float(n), 0.0),
}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 12)), max_size=15), st.data())
def test_any_story_verifies_until_one_byte_of_it_is_changed(story: list[tuple[str, int]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "l.db", KEY) as ledger:
        heads = {ledger.head()}
        for kind, number in story:
            before = ledger.length()
            STEPS[kind](ledger, number)
            heads.add(ledger.head())
            assert ledger.length() - before in ((0, 1) if kind not in ("receipt", "clock") else (0,))
        assert len(heads) == ledger.length() + 1
        assert ledger.verify() == ledger.length()
        assert [entry.sequence for entry in ledger.entries()] == list(range(1, len(list(ledger.entries())) + 1))
        if not ledger.length():
            return
        victim = data.draw(st.integers(1, ledger.length()))
        row = ledger._store.row("SELECT body FROM record WHERE number = ?", (victim,))
        assert row is not None
        body = bytearray(row[0])
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
        tamper(ledger, "UPDATE record SET body = ? WHERE number = ?", bytes(body), victim)
        with pytest.raises(StoreDamaged, match=rf"Record {victim} of"):
            ledger.verify()


# --- the file ----------------------------------------------------------------------------------------------------


def test_nothing_of_an_alert_is_readable_in_the_files(ledger: Ledger, path: Path) -> None:
    fill(ledger)
    ledger._store.fold_log()
    ledger.append(alert(7))
    files = sorted(path.parent.iterdir())
    assert [file.suffix for file in files] == [".db", ".db-shm", ".db-wal"]
    for file in files:
        raw = file.read_bytes().upper()
        for word in (b"QUILLFEATHER", b"ZZYZXBERT", b"QUILLBRIDGE", b"ALERT-", b"STOP", b"PORTAL"):
            assert word not in raw, file.name


def test_a_ledger_that_does_not_open_is_never_replaced(ledger: Ledger, path: Path) -> None:
    fill(ledger)
    ledger.close()
    raw = path.read_bytes()
    with pytest.raises(WrongKey):
        Ledger.open(path, bytes(32))
    assert path.read_bytes() == raw
    broken = b"\0" * 4096 + raw[4096:]
    path.write_bytes(broken)
    with pytest.raises(WrongKey) as caught:
        Ledger.open(path, KEY)
    assert path.read_bytes() == broken
    assert "do not delete" in caught.value.advice


def test_a_ledger_that_lost_its_last_pages_is_found(ledger: Ledger, path: Path) -> None:
    for number in range(30):
        ledger.append(alert(number))
    ledger.close()
    os.truncate(path, path.stat().st_size - 2 * 4096)
    with pytest.raises(StoreDamaged), Ledger.open(path, KEY) as cut:
        cut.check()


def test_two_writers_make_one_chain(ledger: Ledger, path: Path) -> None:
    with Ledger.open(path, KEY) as other:
        for number in range(10):
            (ledger if number % 2 else other).append(alert(number))
        with other.together(), pytest.raises(StoreBroken, match="another process"):
            ledger.append(alert(10))
        assert [entry.sequence for entry in other.entries()] == list(range(1, 11))
    assert ledger.verify() == 10


CHILD = """
import os, sys
from pathlib import Path
from failsafe.sync.errors import StoreBroken
from failsafe.sync.ledger import Ledger
from failsafe.sync.reports import Alert, Moment, Place, SearchLine

def alert(number):
    place = Place(booth="ZZ-TEST-1", country="ZZ", crossing_point="Quillbridge")
    at = Moment(wall="2026-01-01T00:00:00Z", monotonic_s=0.0, trusted=True)
    return Alert(id=f"alert-{number}", kind="exercise", urgency="routine", at=at, place=place, verdict="STOP",
                 crossing="x" * 400)

ledger = Ledger.open(Path(sys.argv[1]), bytes(range(64, 96)))
number = ledger.undelivered().entries
"""

ENDLESS = """
while True:
    entry = ledger.append(alert(number))
    print(entry.sequence, entry.digest(), flush=True)
    number += 1
    ledger.log_search(SearchLine(at="", lane="L1", shift="", mirror=(), verdict="STOP"))
"""


def kill_after(path: Path, entries: int, pause_s: float) -> dict[int, str]:
    """Let a child append, kill it, and return every entry that it was told is recorded."""
    told = []
    command = [sys.executable, "-c", CHILD + ENDLESS, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            told.append(line)
            if len(told) >= entries:
                break
        try:
            child.wait(pause_s)  # it runs on until it is killed: this only moves the moment
        except subprocess.TimeoutExpired:
            child.kill()
        told += child.stdout
    return {int(line.split()[0]): line.split()[1] for line in told if line.endswith("\n")}


def test_no_acknowledged_entry_is_lost_when_the_process_is_killed(path: Path) -> None:
    chance = random.Random(20261121)
    told: dict[int, str] = {}
    for _ in range(6):
        told |= kill_after(path, chance.randrange(1, 40), chance.random() * 0.02)
        with Ledger.open(path, KEY) as ledger:
            ledger.check()
            held = {entry.sequence: entry.digest() for entry in ledger.entries()}
            assert told.items() <= held.items()
            assert sorted(held) == list(range(1, len(held) + 1))
            assert ledger.undelivered().entries == len(held)
    assert len(told) > 20


def test_a_full_disk_records_nothing_it_does_not_acknowledge_and_takes_on_later(path: Path) -> None:
    body = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
try:
    while True:
        ledger.append(alert(number))
        number += 1
except StoreBroken as refusal:
    assert refusal.reason == "store" and refusal.advice
assert ledger.verify() == number > 5
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
entry = ledger.append(alert(number))
assert entry.sequence == number + 1, "the chain does not go on"
print(number + 1)
"""
    command = [sys.executable, "-c", CHILD + body, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    with Ledger.open(path, KEY) as ledger:
        ledger.check()
        assert ledger.length() == int(done.stdout)


def test_a_measurement_has_its_place_in_both_chains_and_waits_for_its_receipt(path: Path) -> None:
    with Ledger.open(path, KEY) as ledger:
        first = ledger.append(alert(1, "urgent"))
        second = ledger.append(measurement(2, "alert-1"))
        assert ledger.append(measurement(2, "alert-1")) == second
        assert second.previous == first.digest()
        assert [one.id for one in ledger.waiting()] == ["alert-1", "measurement-2"]
        assert ledger.undelivered(only_alerts=True).entries == 2
        ledger.check()
        with pytest.raises(ValueError, match="twice"):
            ledger.append(measurement(2, "alert-1", document=b"another"))


# --- receipts of purges ------------------------------------------------------------------------------------------


def purge(number: int, feed: str = "base", **more) -> PurgeReceipt:
    numbers = {"lineage": "first", "serial": number, "count": 7, "removed": 3, "purged": 3} | more
    return PurgeReceipt(id=f"purge-{number}", at=moment(number), place=PLACE, feed=feed, **numbers)


def test_the_last_receipt_of_each_feeds_purges_is_known(ledger: Ledger) -> None:
    assert ledger.purges() == {}
    for receipt in (purge(1), purge(2, feed="base-00ff"), purge(3, removed=5)):
        ledger.append(receipt)
    assert ledger.purges() == {"base": purge(3, removed=5), "base-00ff": purge(2, feed="base-00ff")}
    assert [entry.body.id for entry in ledger.entries()] == ["purge-1", "purge-2", "purge-3"]
    ledger.check()


def test_a_receipt_of_a_purge_waits_for_headquarters_and_is_no_alert(ledger: Ledger) -> None:
    ledger.append(purge(1))
    assert ledger.undelivered().entries == 1 and ledger.undelivered(only_alerts=True).entries == 0
    assert [(one.id, one.urgency) for one in ledger.waiting()] == [("purge-1", "routine")]


def test_a_purge_that_is_not_recorded_is_not_remembered(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.together():
        ledger.append(purge(1))
        raise RuntimeError
    assert ledger.purges() == {} and ledger.length() == 0
