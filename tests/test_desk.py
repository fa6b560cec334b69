"""The desk on real SQLite files: what is stored once, what is refused, what a booth cannot hide."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import sqlite3
import stat
import threading

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from structlog.testing import capture_logs

from failsafe.hq.desk import chain, tables
from failsafe.hq.desk.chain import Link, Pulse
from failsafe.hq.desk.desk import HeartbeatRefused
from failsafe.hq.desk.tables import DeskFault
from failsafe.sync import envelope
from failsafe.sync.errors import BytesRefused
from failsafe.sync.reports import ChainEntry, Envelope, Receipt
from tests.publishing import Desk as Headquarters
from tests.sending import AT, Booth, open_desk

LATER = AT + dt.timedelta(hours=1)


def count(hq, table):
    connection = sqlite3.connect(hq.home / "desk.sqlite")
    with connection:
        (number,) = connection.execute(f"select count(*) from {table}").fetchone()
    connection.close()
    return number


def line_of(desk, booth):
    return next(line for line in desk.list(10, "").booths if line.booth == booth.name)


def marks(desk):
    return {line.sequence: line.chain for line in desk.list(1000, "").alerts}


# --- receipts ------------------------------------------------------------------------------------------------


def test_every_envelope_gets_a_receipt_that_the_booth_believes(desk, booth):
    sent = booth.alerts(3)
    answer = desk.take(sent, AT)
    assert [receipt.id for receipt in answer.receipts] == [one.id for one in sent] and answer.refused == ()
    for receipt, entry in zip(answer.receipts, booth.entries, strict=True):
        envelope.check_receipt(receipt, entry, booth.public)
        assert receipt.received_at == "2026-11-21T12:00:00Z"


def test_the_same_alert_gets_the_same_receipt_and_is_stored_once(hq, desk, booth):
    entry = booth.alert()
    first = desk.take([booth.seal(entry)], AT)
    again = desk.take([booth.seal(entry), booth.seal(entry)], LATER)
    assert again.receipts == first.receipts * 2
    assert count(hq, "entries") == 1 and desk.list(10, "").total == 1


def test_twice_in_one_batch_is_stored_once(hq, desk, booth):
    entry = booth.alert()
    answer = desk.take([booth.seal(entry), booth.seal(entry)], AT)
    assert answer.receipts[0] == answer.receipts[1] and count(hq, "entries") == 1


def test_a_receipt_outlives_the_process_that_gave_it(hq, desk, booth):
    entry = booth.alert()
    first = desk.take([booth.seal(entry)], AT)
    desk.close()
    other = open_desk(hq)
    assert other.take([booth.seal(entry)], LATER) == first
    other.close()


def test_what_cannot_be_committed_is_not_receipted(hq, desk, booth):
    sent = booth.alerts(50)
    with desk._engine.connect() as connection:
        connection.exec_driver_sql("pragma max_page_count=1")  # the disk is full
    with pytest.raises(DeskFault) as caught:
        desk.take(sent, AT)
    assert "send them again" in caught.value.advice
    assert count(hq, "entries") == 0
    with desk._engine.connect() as connection:
        connection.exec_driver_sql("pragma max_page_count=1000000")
    assert len(desk.take(sent, AT).receipts) == 50


def test_changes_of_health_are_receipted_and_are_no_alerts(desk, booth):
    answer = desk.take([booth.seal(booth.health()), booth.seal(booth.alert())], AT)
    assert len(answer.receipts) == 2
    view = desk.list(10, "")
    assert view.total == 1 and [line.sequence for line in view.alerts] == [2] and view.alerts[0].chain == "whole"


def test_the_files_are_the_owners_alone_and_a_commit_is_on_the_disk(hq, desk, booth):
    desk.take(booth.alerts(1), AT)
    assert stat.S_IMODE((hq.home / "desk.sqlite").stat().st_mode) == 0o600
    with desk._engine.connect() as connection:
        assert connection.execute(text("pragma journal_mode")).scalar() == "wal"
        assert connection.execute(text("pragma synchronous")).scalar() == 2


def test_a_database_that_is_none(hq):
    (hq.home / "desk.sqlite").write_bytes(b"this is a letter, not a database" * 100)
    with pytest.raises(DeskFault, match="cannot be opened"):
        open_desk(hq)
    with pytest.raises(DeskFault, match="cannot be opened"):
        tables.open_database("nothing://nowhere")


# --- refusals ------------------------------------------------------------------------------------------------


def spoiled(sealed: bytes) -> bytes:
    return sealed[:-1] + bytes([sealed[-1] ^ 1])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda one: {"sealed": spoiled(one.sealed)}, "not-for-this-booth"),
        (lambda one: {"sealed": b""}, "not-for-this-booth"),
        (lambda one: {"sealed": b"x" * 3000}, "not-for-this-booth"),
        (lambda one: {"id": "01900000-0000-7000-8000-000000000001"}, "not-for-this-booth"),
        (lambda one: {"id": "../../etc/passwd"}, "malformed"),
        (lambda one: {"booth": "ZZ-NOBODY"}, "unknown-booth"),
        (lambda one: {"booth": "no booth's id' or 1=1"}, "unknown-booth"),
        (lambda one: {"recipient": "0" * 16}, "unsigned"),
    ],
)
def test_a_bad_envelope_is_refused_alone(desk, booth, change, reason):
    good, bad, last = booth.alerts(3)
    bad = msgspec.structs.replace(bad, **change(bad))
    answer = desk.take([good, bad, last], AT)
    assert [(one.id, one.reason) for one in answer.refused] == [(bad.id, reason)]
    assert [one.id for one in answer.receipts] == [good.id, last.id]


def test_one_booth_cannot_speak_for_another(hq, desk, booth, tmp_path):
    other = Booth(hq, tmp_path, "ZZ-TWO")
    entry = booth.alert()
    forged = envelope.close(entry, "routine", booth.name, other.keys.signing, other.public)
    assert desk.take([forged], AT).refused[0].reason == "unsigned"
    moved = envelope.close(entry, "routine", other.name, other.keys.signing, other.public)
    assert desk.take([moved], AT).refused[0].reason == "malformed"


def test_a_revoked_booth_is_refused_and_what_it_said_before_stays(hq, desk, booth):
    desk.take(booth.alerts(1), AT)
    booth.revoke()
    late = booth.alerts(1)
    assert desk.take(late, AT).refused[0].reason == "revoked"
    with pytest.raises(HeartbeatRefused):
        desk.hear(booth.heartbeat(1, 1), AT)
    assert desk.list(10, "").total == 1


def test_revoking_a_booth_hides_nothing_that_it_did(desk, booth):
    desk.take(booth.alerts(3)[1:], AT)
    booth.revoke()
    line = line_of(desk, booth)
    assert line.gaps == 1 and "takes no part any more" in line.faults


def test_another_booth_cannot_take_an_id_before_its_owner_comes(hq, desk, booth, tmp_path):
    thief = Booth(hq, tmp_path, "ZZ-TWO")
    entry = booth.alert()
    desk.take([thief.seal(thief.alert(id=entry.body.id, surname="NOBODYSKI"))], AT)
    answer = desk.take([booth.seal(entry)], AT)
    assert answer.refused == () and answer.receipts[0].booth == booth.name
    assert count(hq, "entries") == 2


def test_logs_hold_nothing_of_an_alert(desk, booth):
    entry = booth.alert(surname="ZORVEKARIO")
    fork = ChainEntry(sequence=1, previous=entry.previous, body=msgspec.structs.replace(entry.body, verdict="CHECK"))
    with capture_logs() as logs:
        desk.take([booth.seal(entry), booth.seal(fork)], AT)
        desk.take([msgspec.structs.replace(booth.seal(entry), sealed=b"x")], AT)
        desk.hear(booth.heartbeat(10, 9), AT)
        desk.hear(booth.heartbeat(20, 8), AT)
    assert len(logs) == 3
    assert "ZORVEKARIO" not in repr(logs) and "2026/7000001" not in repr(logs) and entry.body.id not in repr(logs)


@settings(max_examples=60, deadline=None)
@given(
    garbage=st.lists(
        st.tuples(st.text(max_size=40), st.text(max_size=40), st.text(max_size=20), st.binary(max_size=200))
    )
)
def test_no_garbage_stops_a_batch(garbage, tmp_path_factory):
    booth, desk = _shared_desk(tmp_path_factory)
    batch = [
        Envelope(id=one, booth=name, urgency="urgent", recipient=key, sealed=sealed)
        for one, name, key, sealed in garbage
    ]
    good = booth.alerts(1)
    answer = desk.take([*batch, *good], AT)
    assert len(answer.refused) == len(batch) and [one.id for one in answer.receipts] == [good[0].id]


_SHARED = []


def _shared_desk(tmp_path_factory):
    if not _SHARED:
        folder = tmp_path_factory.mktemp("shared-desk")
        hq = Headquarters(folder / "hq")
        _SHARED.append((Booth(hq, folder), open_desk(hq)))
    return _SHARED[0]


# --- forks ---------------------------------------------------------------------------------------------------


def other_content(entry: ChainEntry) -> ChainEntry:
    return msgspec.structs.replace(entry, body=msgspec.structs.replace(entry.body, verdict="CLEAR"))


def test_the_same_id_with_other_content_is_a_fork(hq, desk, booth):
    entry = booth.alert()
    fork = booth.seal(other_content(entry))
    first = desk.take([booth.seal(entry)], AT)
    for _ in range(3):
        answer = desk.take([fork], AT)
        assert [one.reason for one in answer.refused] == ["fork"] and answer.receipts == ()
    assert count(hq, "entries") == 1 and count(hq, "forks") == 1
    view = desk.list(10, "")
    assert view.alerts[0].chain == "fork" and view.alerts[0].alert.verdict == "STOP"
    assert line_of(desk, booth).forks == 1
    assert desk.take([booth.seal(entry)], LATER) == first


def test_a_fork_within_one_batch(hq, desk, booth):
    entry = booth.alert()
    answer = desk.take([booth.seal(entry), booth.seal(other_content(entry))], AT)
    assert len(answer.receipts) == 1 and answer.refused[0].reason == "fork"
    assert count(hq, "forks") == 1 and marks(desk) == {1: "fork"}


def test_two_alerts_at_one_place_of_the_chain_are_both_kept_and_marked(desk, booth):
    """A booth whose disk was put back writes new alerts under numbers that were given before."""
    desk.take(booth.alerts(3), AT)
    del booth.entries[1:]
    answer = desk.take(booth.alerts(1), AT)
    assert len(answer.receipts) == 1
    view = desk.list(10, "")
    assert sorted((line.sequence, line.chain) for line in view.alerts) == [
        (1, "whole"),
        (2, "fork"),
        (2, "fork"),
        (3, "whole"),
    ]
    assert line_of(desk, booth).forks == 1


def test_a_chain_that_does_not_join_is_a_fork(desk, booth):
    booth.alert()
    second = booth.alert()
    desk.take([booth.seal(booth.entries[0])], AT)
    desk.take([booth.seal(msgspec.structs.replace(second, previous="f" * 64))], AT)
    assert marks(desk) == {1: "whole", 2: "fork"}


def test_new_keys_start_a_new_chain(hq, desk, booth, tmp_path):
    desk.take(booth.alerts(2), AT)
    booth.revoke()
    again = Booth(hq, tmp_path / "anew", booth.name)
    desk.take(again.alerts(1), AT)
    assert [line.chain for line in desk.list(10, "").alerts] == ["whole"] * 3 and line_of(desk, again).forks == 0


# --- gaps ----------------------------------------------------------------------------------------------------


def test_a_gap_shows_and_heals(desk, booth):
    sent = booth.alerts(5)
    desk.take([sent[0], sent[3], sent[4]], AT)
    assert marks(desk) == {1: "whole", 4: "gap before", 5: "whole"} and line_of(desk, booth).gaps == 1
    desk.take([sent[1]], AT)
    assert marks(desk)[4] == "gap before"
    desk.take([sent[2]], AT)
    assert set(marks(desk).values()) == {"whole"} and line_of(desk, booth).gaps == 0


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(2, 9), st.integers(1, 4))
def test_any_order_in_any_batches_ends_whole(chance: random.Random, number, size):
    """The pure rule alone, as the desk calls it: links arrive in any order, some twice."""
    links = [Link(str(n), n, f"d{n - 1}" if n > 1 else "0" * 64, f"d{n}") for n in range(1, number + 1)]
    order = links.copy()
    chance.shuffle(order)
    held: dict[str, Link] = {}
    known: dict[str, str] = {}
    for start in range(0, number, size):
        came = order[start : start + size]
        held |= {link.id: link for link in came}
        near = chain.around(link.sequence for link in came)
        seen = [link for link in held.values() if link.sequence in near]
        known |= chain.marks(seen, chain.touched(link.sequence for link in came))
        expected = {
            link.id: "whole" if link.sequence == 1 or str(link.sequence - 1) in held else "gap before"
            for link in held.values()
        }
        assert known == expected
    assert set(known.values()) == {"whole"}


def test_shuffled_and_doubled_batches_end_whole_on_the_database(desk, booth):
    sent = booth.alerts(30)
    sent += random.Random(7).sample(sent, 10)
    random.Random(8).shuffle(sent)
    for start in range(0, len(sent), 7):
        desk.take(sent[start : start + 7], AT)
    view = desk.list(100, "")
    assert view.total == 30 and {line.chain for line in view.alerts} == {"whole"}


def test_a_first_link_with_a_past_is_a_fork():
    at = chain.touched([1])
    assert chain.marks([Link("a", 1, "f" * 64, "d")], at) == {"a": "fork"}
    assert chain.marks([Link("a", 0, "0" * 64, "d")], chain.touched([0])) == {"a": "fork"}


def test_two_desks_beside_each_other_store_once(hq, booth):
    """A stick's import runs while the server does: the same alerts through both at once."""
    desks = [open_desk(hq), open_desk(hq)]
    sent = booth.alerts(40)
    answers: list[list[Receipt]] = [[], []]

    def feed(number: int) -> None:
        for start in range(0, 40, 5):
            answers[number] += desks[number].take(sent[start : start + 5], AT).receipts

    threads = [threading.Thread(target=feed, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers[0] == answers[1] and len(answers[0]) == 40
    assert count(hq, "entries") == 40
    for desk in desks:
        desk.close()


# --- heartbeats ----------------------------------------------------------------------------------------------


def test_a_heartbeat_is_what_the_page_shows_of_a_booth(desk, booth):
    assert line_of(desk, booth).heard_at is None
    desk.hear(booth.heartbeat(10, 5, undelivered=2, oldest_undelivered_s=90.5), LATER)
    line = line_of(desk, booth)
    assert (line.heard_at, line.country, line.undelivered) == ("2026-11-21T13:00:00Z", "ZZ", 2)
    assert line.oldest_undelivered_s == 90.5
    assert (line.mirror_state, line.mirror_age_s) == ("FRESH", 60.0)
    assert line.faults == ("passport-1: LOST",)


def test_a_ledger_that_goes_back_is_raised_and_stays_raised(desk, booth):
    desk.hear(booth.heartbeat(10, 50), AT)
    desk.hear(booth.heartbeat(20, 40), AT)
    desk.hear(booth.heartbeat(30, 60), AT)
    assert any("rewound ledger" in fault for fault in line_of(desk, booth).faults)
    desk.hear(booth.heartbeat(40, 55), AT)
    assert any("rewound ledger" in fault and "2 times" in fault for fault in line_of(desk, booth).faults)


def test_a_ledger_as_long_as_before_with_another_head_is_raised(desk, booth):
    desk.hear(booth.heartbeat(10, 50, "a"), AT)
    desk.hear(booth.heartbeat(20, 50, "a"), AT)
    assert line_of(desk, booth).faults == ("passport-1: LOST",)
    desk.hear(booth.heartbeat(30, 50, "b"), AT)
    assert any("rewritten ledger" in fault for fault in line_of(desk, booth).faults)


def test_an_old_heartbeat_shown_again_accuses_nobody_and_revives_nobody(desk, booth):
    old, new = booth.heartbeat(10, 40), booth.heartbeat(20, 50)
    desk.hear(old, AT)
    desk.hear(new, AT)
    desk.hear(old, LATER)
    desk.hear(new, LATER)
    line = line_of(desk, booth)
    assert line.faults == ("passport-1: LOST",) and line.heard_at == "2026-11-21T12:00:00Z"


def test_a_booth_whose_clock_fell_back_is_still_heard(desk, booth):
    desk.hear(booth.heartbeat(1000, 40), AT)
    desk.hear(booth.heartbeat(-90000, 41), LATER)
    assert line_of(desk, booth).heard_at == "2026-11-21T13:00:00Z"


def test_a_heartbeat_is_believed_only_from_its_booth(hq, desk, booth, tmp_path):
    other = Booth(hq, tmp_path, "ZZ-TWO")
    with pytest.raises(BytesRefused):
        desk.hear(msgspec.structs.replace(other.heartbeat(1, 1), booth=booth.name), AT)
    with pytest.raises(BytesRefused):
        desk.hear(msgspec.structs.replace(booth.heartbeat(1, 1), sealed=b"x"), AT)
    with pytest.raises(BytesRefused):
        desk.hear(booth.seal(booth.alert()), AT)
    assert line_of(desk, booth).heard_at is None


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_only_a_later_word_can_accuse(wall_before, wall_now, length_before, length_now):
    went = chain.progress(Pulse(str(wall_before), length_before, "a"), Pulse(str(wall_now), length_now, "a"))
    assert (went == "rewound") == (wall_now > wall_before and length_now < length_before)
    assert went != "rewritten"


# --- the list ------------------------------------------------------------------------------------------------


def test_urgent_first_then_newest_first(desk, booth):
    kinds = [False, True, False, True]
    desk.take([booth.seal(booth.alert(urgent=urgent)) for urgent in kinds], AT)
    view = desk.list(3, "")
    assert [line.sequence for line in view.alerts] == [4, 2, 3] and view.total == 4
    assert desk.list(0, "").alerts == () and view.at == "2026-11-21T12:00:00Z"
    assert view.alerts[0].alert == booth.entries[3].body


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("grimtusk", 0),
        ("zorvekario", 2),
        ("LIMTUSK zorve", 2),
        ("öxtürk", 1),
        ("zorvekario öxtürk", 0),
        ("2026/7000001", 3),
        ("north", 3),
        ("notice_hit red", 3),
        ("%", 0),
        ("_", 3),
        ("' or 1=1 --", 0),
    ],
)
def test_search_finds_words_wherever_they_stand(desk, booth, search, found):
    entries = [booth.alert(), booth.alert(), booth.alert(surname="ÖXTÜRKSON")]
    desk.take([booth.seal(entry) for entry in entries], AT)
    view = desk.list(10, search)
    assert (view.total, len(view.alerts)) == (found, found)


def test_cbrne_is_told_with_the_alert(hq, desk, booth):
    entry = booth.alert(tier="rn", urgent=True)
    desk.take([booth.seal(entry), booth.seal(booth.alert())], AT)
    desk.take([booth.seal(entry)], LATER)
    told = {line.sequence: line.tellings for line in desk.list(10, "").alerts}
    assert {one.state for one in told[1]} == {"waiting"} and told[2] == ()
    assert count(hq, "outbox") == len(told[1]) > 0


def test_where_the_telling_cannot_be_kept_neither_is_the_alert(hq, desk, booth):
    """Alert, receipt and telling are one transaction."""
    sent = booth.seal(booth.alert(tier="rn"))
    with desk._engine.begin() as connection:
        connection.execute(text("alter table outbox rename to elsewhere"))
    with pytest.raises(DeskFault):
        desk.take([sent], AT)
    assert count(hq, "entries") == 0
    with desk._engine.begin() as connection:
        connection.execute(text("alter table elsewhere rename to outbox"))
    assert len(desk.take([sent], AT).receipts) == 1 and count(hq, "outbox") > 0


# --- the bell ------------------------------------------------------------------------------------------------


def test_the_bell_wakes_who_waits_on_any_loop(desk, booth):
    async def wait() -> int:
        before = desk.list(1, "").number
        waiting = asyncio.create_task(desk.changed(before))
        await asyncio.sleep(0)
        assert not waiting.done()
        await asyncio.to_thread(desk.take, booth.alerts(1), AT)
        await asyncio.wait_for(waiting, 10)
        await desk.changed(before)  # who comes too late does not wait
        return desk.list(1, "").number - before

    assert asyncio.run(wait()) == 1


def test_nothing_new_rings_no_bell(desk, booth):
    sent = booth.alerts(1)
    desk.take(sent, AT)
    before = desk.number
    desk.take(sent, AT)
    desk.take([msgspec.structs.replace(sent[0], booth="ZZ-NOBODY")], AT)
    assert desk.number == before
    desk.hear(booth.heartbeat(1, 1), AT)
    assert desk.number == before + 1


def test_what_another_process_stores_rings_too(hq, desk, booth):
    assert desk.look()
    assert not desk.look()
    other = open_desk(hq)
    other.take(booth.alerts(1), AT)
    other.close()
    before = desk.number
    assert desk.look() and desk.number == before + 1
    assert not desk.look()


def test_lists_are_read_while_another_transaction_writes(hq, desk, booth):
    desk.take(booth.alerts(1), AT)
    with desk._engine.begin() as connection:
        connection.execute(text("delete from entries"))
        assert desk.list(10, "").total == 1
        connection.rollback()
