"""The ledger on real files: what it acknowledged is there, in order, unreadable, and no break stays unseen."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.sync.errors import Older, StoreDamaged
from failsafe.sync.feed import Floor
from failsafe.sync.ledger import NOTHING, ClockMark, Ledger, Undelivered, higher
from failsafe.sync.records import encode
from failsafe.sync.reports import (
    ChainEntry,
    SearchLine,
)
from tests.ledgers import (
    FLOOR,
    KEY,
    alert,
    fill,
    finding,
    health,
    moment,
    new_ledger,  # noqa: F401 - a fixture
    path_of_ledger,  # noqa: F401 - a fixture
    search,
)

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
