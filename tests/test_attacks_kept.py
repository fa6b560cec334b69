"""Attacks on what a booth keeps, and on its clock: files wiped and put back, 1970, an hour back, 2040 and home again.

No CLEAR comes of any of them that should not be, whoever is sought is stopped all the while, and the booth comes out
of each by itself with the next honest publication. Until then mirror, index and ledger are row by row what they were,
but for the clock's row and the records of what it is told here that headquarters hears of.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from failsafe.agent import booth as core
from failsafe.agent import checks, knowledge, notices
from tests.attacked import Attacked, changing_only, fed, only_told, quickly
from tests.far_hq import TIMESTAMP, FarHq, now

SOUGHT, NOBODY = 1, 4711
HOUR = 3600.0
quick = pytest.fixture(autouse=True)(quickly)


class Clocks:
    """The booth's clocks, turned by who holds the device: the wall clock, and the time that it has run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real_wall, self._real_boottime = knowledge.wall_clock, knowledge._boottime
        self.ahead_s = self.run_s = 0.0
        for module in (knowledge, core):
            monkeypatch.setattr(module, "wall_clock", self.wall)
        monkeypatch.setattr(knowledge, "_boottime", lambda: self._real_boottime() + self.run_s)
        monkeypatch.setattr("tuf.ngclient._internal.trusted_metadata_set.datetime", _Calendar(self))

    def wall(self) -> float:
        return self._real_wall() + self.ahead_s

    def at(self) -> dt.datetime:
        """The true time: what has run, from when the test began."""
        return now() + dt.timedelta(seconds=self.run_s)

    def run(self, hours: float) -> None:
        """So much time passes, and both clocks go."""
        self.ahead_s += hours * HOUR
        self.run_s += hours * HOUR

    def show(self, year: int) -> None:
        self.ahead_s = dt.datetime(year, 6, 1, tzinfo=dt.UTC).timestamp() - self._real_wall()

    def set_right(self) -> None:
        self.ahead_s = self.run_s


class _Calendar:
    """The module `datetime` as The Update Framework's client reads the time from it."""

    timezone = dt.timezone

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    @property
    def datetime(self) -> _Calendar:
        return self

    UTC = dt.UTC

    def now(self, zone: dt.tzinfo) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._clocks.wall(), zone)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.fixture
def booth(tmp_path: Path, clocks: Clocks) -> Iterator[Attacked]:
    """It has taken two steps: notice 1 in the first, 2 and 3 in the second."""
    with fed(tmp_path) as booth:
        yield booth


def shows(booth: Attacked, state: str) -> dict[str, Any]:
    """The notices are in that state."""
    return booth.wait(lambda told: told["mirror"]["state"] == state)


def stands(booth: Attacked, state: str) -> dict[str, Any]:
    """The notices are in that state, and the officer is told what follows of it."""
    told = shows(booth, state)
    usable = state in ("FRESH", "STALE")
    assert booth.word(NOBODY) == ("CLEAR" if usable else "CANNOT CLEAR")
    if state != "EMPTY":
        assert booth.word(SOUGHT) == "STOP"
    return told


# What headquarters hears of a clock that is not believed.
DOUBTED = (("clock", "NOT TRUSTED"), ("mirror", "UNKNOWN"))


def refuses(booth: Attacked, reason: str) -> dict[str, Any]:
    """What lies in the spool is refused as `reason`, and headquarters will hear of it."""
    told = booth.wait(lambda told: told["mirror"]["refused"] == reason)
    assert told["mirror"]["advice"]
    booth.wait(lambda _: ("feed", f"refused {reason}") in booth.health())
    return told


def heals(booth: Attacked, clocks: Clocks) -> None:
    """The next honest publication makes all well by itself, where the clock is right."""
    head = booth.hq.put_out(5, at=clocks.at())
    booth.bring()
    clocks.set_right()
    booth.holds(head.serial)
    stands(booth, "FRESH")
    assert booth.word(5) == "STOP"


# --- time goes by --------------------------------------------------------------------------------------------------


def test_notices_that_are_held_back_grow_old(booth: Attacked, clocks: Clocks):
    """A freeze: the same files again and again, rightly signed."""
    with changing_only(booth):
        clocks.run(23)
        shows(booth, "FRESH")
    stands(booth, "FRESH")
    with changing_only(booth, ("mirror", "STALE")):
        clocks.run(2)
        shows(booth, "STALE")
    stands(booth, "STALE")
    with changing_only(booth, ("mirror", "EXPIRED")):
        booth.bring()
        clocks.run(24)
        shows(booth, "EXPIRED")
    stands(booth, "EXPIRED")
    heals(booth, clocks)


def test_a_wall_clock_that_is_held_back_does_not_keep_notices_young(booth: Attacked, clocks: Clocks):
    with changing_only(booth, ("mirror", "EXPIRED")):
        clocks.run_s += 49 * HOUR
        shows(booth, "EXPIRED")
    stands(booth, "EXPIRED")
    heals(booth, clocks)


def test_time_that_passed_while_the_core_did_not_run_counts(booth: Attacked, clocks: Clocks):
    """The core was stopped for two days and the wall clock set to where it was: the device has run on."""
    with changing_only(booth, ("mirror", "EXPIRED"), restarted=True):
        booth.stop()
        clocks.run_s += 49 * HOUR
        booth.start_anew()
        shows(booth, "EXPIRED")
    stands(booth, "EXPIRED")
    heals(booth, clocks)


# --- the clock -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", [False, True])
def test_a_clock_of_1970(booth: Attacked, clocks: Clocks, restart: bool):
    with changing_only(booth, *DOUBTED, restarted=restart):
        if restart:
            booth.stop()
        clocks.show(1970)
        if restart:
            booth.start_anew()
        told = shows(booth, "UNKNOWN")
    assert not told["clock"]["trusted"] and told["mirror"]["age_s"] is None
    stands(booth, "UNKNOWN")
    with changing_only(booth):
        clocks.set_right()
        booth.bring()
    stands(booth, "UNKNOWN")
    heals(booth, clocks)


def test_a_first_start_in_1970(tmp_path: Path, clocks: Clocks):
    """A new booth with an empty battery takes its notices and clears nobody until its clock is set."""
    clocks.show(1970)
    booth = Attacked(tmp_path / "booth", FarHq())
    booth.start()
    try:
        booth.hq.put_out(SOUGHT)
        booth.bring()
        stands(booth, "UNKNOWN")
        clocks.set_right()
        stands(booth, "FRESH")
        heals(booth, clocks)
    finally:
        booth.stop()


@pytest.mark.parametrize("restart", [False, True])
def test_a_clock_set_back_an_hour(booth: Attacked, clocks: Clocks, restart: bool):
    with changing_only(booth, *DOUBTED):
        clocks.ahead_s -= HOUR
        shows(booth, "UNKNOWN")
    stands(booth, "UNKNOWN")
    with changing_only(booth, *(DOUBTED if restart else ()), restarted=restart):
        if restart:
            booth.stop()
            booth.start_anew()
        clocks.run(2)  # it shows more than ever before; nobody knows how much is missing
        shows(booth, "UNKNOWN")
    stands(booth, "UNKNOWN")
    booth.bring()  # the same word again is no newer one
    stands(booth, "UNKNOWN")
    heals(booth, clocks)


def test_a_clock_set_to_2040_and_back(booth: Attacked, clocks: Clocks, monkeypatch: pytest.MonkeyPatch):
    """In 2040 nothing that is signed is valid; what lies in the spool is looked at again when the clock is right."""
    monkeypatch.setattr(notices, "TRY_AGAIN_S", 0.05)
    with changing_only(booth, ("mirror", "EXPIRED")):
        clocks.show(2040)
        shows(booth, "EXPIRED")
    stands(booth, "EXPIRED")
    with changing_only(booth, ("feed", "refused expired")):
        head = booth.hq.put_out(5, at=clocks.at())
        booth.bring()
        refuses(booth, "expired")
    clocks.set_right()
    booth.holds(head.serial)
    stands(booth, "FRESH")
    heals(booth, clocks)


def test_a_clock_set_to_2040_and_back_with_nothing_new(booth: Attacked, clocks: Clocks):
    with changing_only(booth, ("mirror", "EXPIRED")):
        clocks.show(2040)
        shows(booth, "EXPIRED")
    with changing_only(booth, *DOUBTED):
        clocks.set_right()
        shows(booth, "UNKNOWN")
    stands(booth, "UNKNOWN")
    with changing_only(booth, *DOUBTED, restarted=True):
        booth.stop()
        booth.start_anew()
        shows(booth, "UNKNOWN")
    stands(booth, "UNKNOWN")
    heals(booth, clocks)


# --- headquarters' own key, stolen -----------------------------------------------------------------------------------


def test_a_timestamp_key_in_a_thiefs_hands(booth: Attacked, clocks: Clocks):
    """The web server's key signs a word that runs ahead of every version and of the calendar: a new key mends it."""
    thief = booth.hq.stolen()
    thief.timestamp.version = thief.snapshot.version = 1_000_000_000
    thief.touch(at=clocks.at().replace(year=2040))
    booth.bring(thief.files())
    booth.wait(lambda _: booth.timestamp_version() > 1_000_000_000)
    shows(booth, "UNKNOWN")
    booth.hq.put_out(4)
    with changing_only(booth, ("feed", "refused older")):
        booth.bring()
        refuses(booth, "older")
    stands(booth, "UNKNOWN")
    booth.hq.change_key("timestamp")
    booth.hq.change_key("snapshot")
    heals(booth, clocks)
    booth.stop()
    booth.start()
    stands(booth, "FRESH")


def test_the_new_keys_first_word_is_new_once(booth: Attacked, clocks: Clocks):
    """Put back each day, a mirror of before the exchange would have the same word count as the new key's first."""
    booth.stop()
    booth.keep_aside("mirror.db")
    booth.start()
    booth.hq.change_key("timestamp")
    booth.fed(4)
    clocks.run_s += 49 * HOUR  # and the wall clock is held
    stands(booth, "EXPIRED")
    booth.stop()
    booth.put_back("mirror.db")
    booth.start()
    booth.wait(lambda told: told["mirror"]["feeds"]["base"]["serial"] == 3)
    stands(booth, "EXPIRED")
    heals(booth, clocks)


# --- what is kept --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["deleted", "emptied"])
def test_a_wiped_mirror_and_an_older_publication(booth: Attacked, clocks: Clocks, how: str):
    old = booth.hq.files()
    booth.fed(4)
    booth.stop()
    wipe(booth, "mirror.db", how)
    booth.bring({})
    booth.start()
    stands(booth, "EMPTY")
    with changing_only(booth, ("feed", "refused older"), noted=3):
        booth.bring(old)
        refuses(booth, "older")
    stands(booth, "EMPTY")
    heals(booth, clocks)


def test_a_wiped_mirror_is_filled_again_and_no_younger_for_it(booth: Attacked, clocks: Clocks):
    """The word of two days ago is not a new one because the mirror does not know it; nor is the clock's any help."""
    clocks.run_s += 49 * HOUR
    stands(booth, "EXPIRED")
    booth.stop()
    wipe(booth, "mirror.db", "deleted")
    booth.start()
    stands(booth, "EXPIRED")
    heals(booth, clocks)


def wipe(booth: Attacked, name: str, how: str) -> None:
    for side in ("", "-wal", "-shm"):
        file = booth.state / f"{name}{side}"
        if how == "emptied" and not side:
            file.write_bytes(b"")
        else:
            file.unlink(missing_ok=True)


def test_the_mirror_of_yesterday(booth: Attacked, clocks: Clocks):
    """With the files of yesterday in the spool it is whole, signed and young enough: the ledger knows better."""
    old, (mirror, _) = booth.hq.files(), booth.rows()
    booth.stop()
    booth.keep_aside("mirror.db")
    booth.start()
    booth.fed(4)
    _, ledger = booth.rows()
    booth.stop()
    booth.put_back("mirror.db")
    booth.bring({})
    booth.start_anew()
    told = refuses(booth, "older")
    assert told["mirror"]["advice"] == "Bring the newest publication."
    assert told["mirror"]["feeds"]["base"]["serial"] == 2
    put_back = booth.rows(noted=3)
    only_told((mirror, ledger), put_back, ("feed", "refused older"), ("mirror", "UNKNOWN"), restarted=True)
    booth.bring(old)
    told = booth.wait(lambda told: "was accepted before" in (told["mirror"]["detail"] or ""))
    assert told["mirror"]["refused"] == "older"
    only_told(put_back, booth.rows(noted=3))
    stands(booth, "UNKNOWN")
    heals(booth, clocks)


def test_the_mirror_of_yesterday_under_the_publication_of_today(booth: Attacked, clocks: Clocks):
    booth.stop()
    booth.keep_aside("mirror.db")
    booth.start()
    booth.fed(4)
    booth.stop()
    booth.put_back("mirror.db")
    booth.start()
    booth.holds(3)
    stands(booth, "FRESH")
    heals(booth, clocks)


def test_the_mirror_of_yesterday_does_not_make_todays_word_a_new_one_tomorrow(booth: Attacked, clocks: Clocks):
    """Put back each day, the older mirror would take the same publication as news each day."""
    booth.stop()
    booth.keep_aside("mirror.db")
    booth.start()
    booth.fed(4)
    clocks.run_s += 49 * HOUR  # and the wall clock is held
    stands(booth, "EXPIRED")
    booth.stop()
    booth.put_back("mirror.db")
    booth.start()
    booth.wait(lambda told: told["mirror"]["feeds"]["base"]["serial"] == 3)
    stands(booth, "EXPIRED")
    heals(booth, clocks)


def test_the_ledger_of_yesterday_and_the_clock_too(booth: Attacked, clocks: Clocks):
    """It remembers an earlier time; the mirror has a later word."""
    booth.stop()
    booth.keep_aside("ledger.db")
    booth.start()
    clocks.run(10)
    booth.hq.put_out(4, at=clocks.at())
    booth.bring()
    booth.holds(3)
    mirror, _ = booth.rows()
    booth.stop()
    booth.put_back("ledger.db")
    clocks.ahead_s -= 5 * HOUR
    booth.start()
    shows(booth, "UNKNOWN")
    assert booth.rows()[0] == mirror
    stands(booth, "UNKNOWN")
    clocks.set_right()
    heals(booth, clocks)


def test_a_wiped_ledger(booth: Attacked, clocks: Clocks):
    """What was lived is lost with it, and an old publication still does not pass."""
    old = booth.hq.files()
    booth.fed(4)
    booth.stop()
    wipe(booth, "ledger.db", "deleted")
    booth.start_anew()
    shows(booth, "UNKNOWN")
    with changing_only(booth, ("feed", "refused older")):
        booth.bring(old)
        refuses(booth, "older")
    stands(booth, "UNKNOWN")
    heals(booth, clocks)


def test_mirror_and_ledger_of_yesterday(booth: Attacked, clocks: Clocks):
    """A whole device put back is as young as its word: headquarters sees its ledger shortened, the clock its age."""
    old, yesterday = booth.hq.files(), booth.rows()
    booth.stop()
    booth.keep_aside("mirror.db", "ledger.db")
    booth.start()
    clocks.run(30)
    booth.hq.put_out(4, at=clocks.at())
    booth.bring()
    booth.holds(3)
    booth.stop()
    booth.put_back("mirror.db", "ledger.db")
    booth.bring(old)
    booth.start_anew()
    shows(booth, "STALE")
    only_told(yesterday, booth.rows(), ("mirror", "STALE"), restarted=True)
    stands(booth, "STALE")
    with changing_only(booth, ("mirror", "EXPIRED")):
        clocks.run(19)
        shows(booth, "EXPIRED")
    stands(booth, "EXPIRED")
    heals(booth, clocks)


def test_an_older_timestamp_put_back_alone(booth: Attacked, clocks: Clocks):
    """All files of now under the timestamp of before."""
    before = booth.hq.files()[TIMESTAMP]
    booth.hq.touch(at=clocks.at() + dt.timedelta(seconds=1))
    booth.bring()
    booth.wait(lambda _: booth.timestamp_version() == booth.hq.timestamp.version)
    with changing_only(booth, ("feed", "refused older")):
        booth.bring({**booth.hq.files(), TIMESTAMP: before})
        refuses(booth, "older")
    stands(booth, "FRESH")
    heals(booth, clocks)


def test_a_page_that_goes_bad_while_the_booth_runs(booth: Attacked, clocks: Clocks, monkeypatch: pytest.MonkeyPatch):
    """Nobody asks for what is on it; it is found by the next reading through, and the notices are fetched anew."""
    monkeypatch.setattr(checks, "EVERY_S", 0.05)
    booth.stop()  # or the next one would only be due tomorrow
    booth.start()
    stands(booth, "FRESH")
    with (booth.state / "mirror.db").open("r+b") as opened:
        opened.seek(-100, 2)
        opened.write(b"not what was written")
    booth.wait(lambda _: list(booth.state.glob("mirror.db.damaged-1")))
    booth.holds(2)
    stands(booth, "FRESH")
    heals(booth, clocks)
