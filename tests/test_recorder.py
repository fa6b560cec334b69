"""The recorder on real ledgers: what is submitted is written in order, and a ledger that fails loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from failsafe.agent.recorder import Attempt, Recorder
from failsafe.sync.errors import StoreBroken
from failsafe.sync.ledger import Ledger
from failsafe.sync.reports import Alert, HealthChange, Moment, PersonAsRead, Place, SearchLine

KEY = bytes(range(32))
PATIENCE_S = 20.0  # nothing here takes that long; a test that waits this long has failed
PLACE = Place(booth="ZZ-TEST-01", country="ZZ", crossing_point="Quillbridge", lane="1")


def moment(number: int) -> Moment:
    return Moment(wall=f"2026-01-01T00:00:{number % 60:02}Z", monotonic_s=float(number), trusted=True)


def alert(number: int) -> Alert:
    return Alert(
        id=f"alert-{number}",
        kind="notice_hit",
        urgency="routine",
        at=moment(number),
        place=PLACE,
        verdict="STOP",
        person=PersonAsRead(source="manual", surname="QUILLFEATHER"),
    )


def health(number: int) -> HealthChange:
    return HealthChange(id=f"health-{number}", at=moment(number), place=PLACE, part="portal", was="OK", now="LATE")


def appending(body: Alert | HealthChange) -> Callable[[Ledger], object]:
    return lambda ledger: ledger.append(body)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
def recorder(path: Path) -> Iterator[Recorder]:
    """A recorder that writes to `path`, whose folder is there."""
    path.parent.mkdir()
    with running(path) as made:
        yield made


@contextmanager
def running(path: Path) -> Iterator[Recorder]:
    made = Recorder(lambda: Ledger.open(path, KEY))
    made.start()
    try:
        yield made
    finally:
        made.stop()


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another connection holds the ledger's write lock, as a backup program would: every write fails meanwhile."""
    with Ledger.open(path, KEY) as other, other.together():
        other.remember_clock(0.0, 0.0)
        yield


def caught_up(recorder: Recorder) -> None:
    """Return when everything submitted so far has been written."""
    done = threading.Event()
    recorder.submit(lambda _: done.set())
    assert done.wait(PATIENCE_S)


def ids(path: Path) -> list[str]:
    with Ledger.open(path, KEY) as ledger:
        ledger.check()
        return [entry.body.id for entry in ledger.entries()]


# --- while all is well ---------------------------------------------------------------------------------------


def test_what_wait_says_is_recorded_is_on_the_disk(recorder, path):
    assert recorder.submit(appending(alert(1))).wait(PATIENCE_S) is True
    assert ids(path) == ["alert-1"]
    assert recorder.healthy


def test_the_order_of_submission_is_the_ledgers(recorder, path):
    bodies = [alert(number) if number % 3 else health(number) for number in range(40)]
    for body in bodies:
        last = recorder.submit(appending(body))
    assert last.wait(PATIENCE_S)
    assert ids(path) == [body.id for body in bodies]


def test_several_threads_lose_nothing_of_each_other(recorder, path):
    def submit(first: int) -> None:
        for number in range(first, first + 10):
            recorder.submit(appending(alert(number)))

    threads = [threading.Thread(target=submit, args=(first,)) for first in (0, 10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    caught_up(recorder)
    numbers = [int(name.removeprefix("alert-")) for name in ids(path)]
    assert sorted(numbers) == list(range(40))
    for first in (0, 10, 20, 30):  # each thread's own order holds
        assert [number for number in numbers if first <= number < first + 10] == list(range(first, first + 10))


def test_undelivered_and_head_are_the_ledgers(recorder, path):
    assert (recorder.undelivered, recorder.head) == ((0, None), "")
    recorder.submit(appending(alert(7)))
    recorder.submit(appending(alert(8)))
    caught_up(recorder)
    recorder.stop()
    assert tuple(recorder.undelivered) == (2, moment(7).wall)
    with Ledger.open(path, KEY) as ledger:
        assert recorder.head == ledger.head()


def test_a_task_is_one_commit_or_none(recorder, path):
    line = SearchLine(at=moment(2).wall, lane="1", shift="", mirror=(), verdict="STOP")

    def half(ledger: Ledger) -> None:
        with ledger.together():
            ledger.append(alert(1))
            ledger.log_search(line)
            raise StoreBroken("the disk was full here")

    assert recorder.submit(half, keep=False).wait(PATIENCE_S) is False
    caught_up(recorder)
    assert ids(path) == []


def test_stop_writes_what_was_submitted(path):
    path.parent.mkdir()
    with running(path) as recorder:
        for number in range(20):
            recorder.submit(appending(alert(number)))
    assert len(ids(path)) == 20


def test_what_is_submitted_before_the_start_is_written_first(path):
    path.parent.mkdir()
    recorder = Recorder(lambda: Ledger.open(path, KEY))
    early = recorder.submit(appending(alert(1)))
    assert early.wait(0) is False
    recorder.start()
    assert early.wait(PATIENCE_S) is True
    recorder.stop()


def test_wait_gives_up_when_its_time_is_over_and_the_record_still_comes(recorder, path):
    entered, go_on = threading.Event(), threading.Event()

    def slow(ledger: Ledger) -> None:
        entered.set()
        assert go_on.wait(PATIENCE_S)
        ledger.append(alert(1))

    attempt = recorder.submit(slow)
    assert entered.wait(PATIENCE_S)
    assert attempt.wait(0.01) is False  # the officer is told NOT RECORDED
    go_on.set()
    assert attempt.wait(PATIENCE_S) is True
    assert ids(path) == ["alert-1"]


# --- a ledger that fails -------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_yet(path):
    with running(path) as recorder:
        first, second = recorder.submit(appending(alert(1))), recorder.submit(appending(alert(2)))
        assert first.wait(PATIENCE_S) is False and second.wait(PATIENCE_S) is False
        assert not recorder.healthy
        assert recorder.fault.reason == "store" and recorder.fault.advice
        path.parent.mkdir()
        recorder.submit(appending(alert(3)))
        caught_up(recorder)
        assert first.recorded and second.recorded
    assert recorder.healthy
    assert ids(path) == ["alert-1", "alert-2", "alert-3"]


def test_it_tries_again_by_itself(path):
    with running(path) as recorder:
        attempt = recorder.submit(appending(alert(1)))
        assert attempt.wait(PATIENCE_S) is False
        attempt.tried.clear()
        path.parent.mkdir()
        assert attempt.wait(PATIENCE_S) is True


def test_a_file_in_the_folders_place(path):
    path.parent.write_text("somebody's notes")
    with running(path) as recorder:
        assert recorder.submit(appending(alert(1))).wait(PATIENCE_S) is False
        path.parent.unlink()
        path.parent.mkdir()
        caught_up(recorder)
    assert ids(path) == ["alert-1"]


def test_a_ledger_held_by_another_program(recorder, path):
    assert recorder.submit(appending(alert(1))).wait(PATIENCE_S)
    with held(path):
        attempt = recorder.submit(appending(alert(2)))
        assert attempt.wait(PATIENCE_S) is False
        assert not recorder.healthy and "another process" in recorder.fault.detail
    recorder.submit(appending(alert(3)))
    caught_up(recorder)
    assert attempt.recorded
    recorder.stop()
    assert recorder.healthy and ids(path) == ["alert-1", "alert-2", "alert-3"]


def test_a_ledger_of_another_key_is_left_as_it_is(path):
    path.parent.mkdir()
    with Ledger.open(path, bytes(32)) as other:
        other.append(alert(1))
    before = path.read_bytes()
    with running(path) as recorder:
        assert recorder.submit(appending(alert(2))).wait(PATIENCE_S) is False
        assert recorder.fault.reason == "wrong-key"
    assert path.read_bytes() == before


def test_behind_a_known_failure_nobody_waits(path):
    with running(path) as recorder:
        recorder.submit(appending(alert(1))).wait(PATIENCE_S)
        behind = recorder.submit(appending(alert(2)))
        assert behind.tried.is_set() and behind.wait(PATIENCE_S) is False


def test_who_waits_behind_is_told_when_the_first_fails(recorder, path):
    entered, go_on = threading.Event(), threading.Event()

    def failing(ledger: Ledger) -> None:
        entered.set()
        assert go_on.wait(PATIENCE_S)
        raise StoreBroken("the disk went away")

    recorder.submit(failing)
    assert entered.wait(PATIENCE_S)
    behind = recorder.submit(appending(alert(2)))
    assert not behind.tried.is_set()
    go_on.set()
    assert behind.tried.wait(PATIENCE_S) and behind.recorded is False


def test_what_need_not_be_kept_is_dropped_at_a_failure_and_holds_nothing_up(path):
    ran = []
    with running(path) as recorder:
        assert recorder.submit(ran.append, keep=False).wait(PATIENCE_S) is False
        recorder.submit(appending(alert(1)))
        path.parent.mkdir()
        caught_up(recorder)
    assert ran == [] and ids(path) == ["alert-1"]


def test_stop_tries_once_more(path):
    """An alert that only waits in memory is lost with the process: the last chance is taken."""
    with running(path) as recorder:
        assert recorder.submit(appending(alert(1))).wait(PATIENCE_S) is False
        assert recorder.submit(appending(alert(2))).wait(PATIENCE_S) is False
        path.parent.mkdir()
        recorder.stop()
    assert ids(path) == ["alert-1", "alert-2"]


def test_stop_ends_although_nothing_can_be_written(path):
    with running(path) as recorder:
        recorder.submit(appending(alert(1))).wait(PATIENCE_S)
    assert not recorder.healthy and not path.parent.exists()
    assert not any(thread.name == "recorder" and thread.is_alive() for thread in threading.enumerate())


# --- faults of our own ---------------------------------------------------------------------------------------


def test_a_fault_of_our_own_keeps_the_task_and_says_so(recorder, path):
    tries = []

    def stumbling(ledger: Ledger) -> None:
        tries.append(None)
        if len(tries) == 1:
            raise ZeroDivisionError("QUILLFEATHER")
        ledger.append(alert(1))

    with capture_logs() as logs:
        attempt = recorder.submit(stumbling)
        assert attempt.wait(PATIENCE_S) is False
        assert not recorder.healthy
        assert "ZeroDivisionError" in str(recorder.fault) and "QUILLFEATHER" not in str(recorder.fault)
        recorder.submit(appending(alert(2)))
        caught_up(recorder)
    assert attempt.recorded and recorder.submit(lambda _: None).wait(PATIENCE_S)
    assert ids(path) == ["alert-1", "alert-2"]
    events = [entry["event"] for entry in logs]
    assert "recorder met a fault of its own" in events and "ledger writes again" in events


def test_a_failure_that_lasts_is_logged_once(path):
    with capture_logs() as logs, running(path) as recorder:
        for number in range(5):
            recorder.submit(appending(alert(number)), keep=False).tried.wait(PATIENCE_S)
        recorder.submit(appending(alert(9)))
        path.parent.mkdir()
        caught_up(recorder)
    told = [entry for entry in logs if entry["event"] == "ledger cannot record"]
    assert len(told) == 1 and told[0]["reason"] == "store" and told[0]["advice"]
    assert not any("QUILLFEATHER" in str(entry) for entry in logs)


# --- whatever fails ------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(failures=st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_however_often_each_write_fails_all_are_there_in_order(tmp_path_factory, failures):
    path = tmp_path_factory.mktemp("state") / "ledger.db"
    left = dict(enumerate(failures))
    done = threading.Event()

    def failing_at_first(number: int) -> Callable[[Ledger], object]:
        def task(ledger: Ledger) -> None:
            if left[number]:
                left[number] -= 1
                raise StoreBroken("the disk was busy")
            ledger.append(alert(number))
            if number == len(left) - 1:
                done.set()

        return task

    with running(path) as recorder:
        attempts: list[Attempt] = [recorder.submit(failing_at_first(number)) for number in left]
        while not done.wait(0.002):
            recorder.submit(lambda _: None)  # wakes the recorder, so that nobody waits a second
    assert all(attempt.recorded for attempt in attempts)
    assert ids(path) == [f"alert-{number}" for number in left]


# --- once, or not at all -------------------------------------------------------------------------------------


def test_what_is_tried_once_and_succeeds_is_on_the_disk(recorder, path):
    assert recorder.try_once(appending(alert(1)), PATIENCE_S) is True
    assert ids(path) == ["alert-1"]


def test_what_is_tried_once_and_fails_is_not_written_later(recorder, path):
    caught_up(recorder)
    with held(path):
        assert recorder.try_once(appending(alert(1)), PATIENCE_S) is False
        assert not recorder.healthy
    assert recorder.submit(appending(alert(2))).ended.wait(PATIENCE_S)
    assert ids(path) == ["alert-2"]


def test_a_known_fault_does_not_spare_the_try(recorder, path):
    """The ledger may have come back meanwhile: "not recorded" is said of a try that was made, not of an old one."""
    caught_up(recorder)
    with held(path):
        assert recorder.try_once(appending(alert(1)), PATIENCE_S) is False
    assert recorder.try_once(appending(alert(2)), PATIENCE_S) is True
    assert ids(path) == ["alert-2"]


def test_what_stands_behind_a_failure_is_taken_back_when_its_time_is_over(recorder, path):
    caught_up(recorder)
    with held(path):
        kept = recorder.submit(appending(alert(1)))
        assert recorder.try_once(appending(alert(2)), 0.05) is False
    assert kept.ended.wait(PATIENCE_S)
    caught_up(recorder)
    assert ids(path) == ["alert-1"]


def test_of_what_is_being_written_nobody_says_that_it_is_not(recorder, path):
    begun, go_on, told = threading.Event(), threading.Event(), []

    def slow(ledger: Ledger) -> None:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        ledger.append(alert(1))

    asking = threading.Thread(target=lambda: told.append(recorder.try_once(slow, 0.05)))
    asking.start()
    assert begun.wait(PATIENCE_S)
    asking.join(PATIENCE_S)
    go_on.set()
    caught_up(recorder)
    assert told == [None] and ids(path) == ["alert-1"]
