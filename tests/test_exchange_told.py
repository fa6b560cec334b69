"""A booth exchanges its disk's keys, and headquarters is told which and when: once, and nothing of the key."""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from sqlalchemy import update
from structlog.testing import capture_logs

from failsafe.agent import disk_keys, health, keys, notices
from failsafe.agent.keys import BoothKeys
from failsafe.hq.cli import main
from failsafe.hq.desk import exchanges
from failsafe.hq.desk.desk import Desk
from failsafe.hq.desk.tables import DESK_FILE, LAST_WORDS, open_file, open_register
from failsafe.sync.ledger import Ledger
from failsafe.sync.records import encode
from failsafe.sync.reports import ALERTS_FOLDER, Envelope, HealthChange, Moment
from failsafe.sync.spool import Spool
from failsafe.sync.store import exchanged_at
from tests.publishing import now
from tests.sending import AT, Booth, open_desk
from tests.test_checks import Core
from tests.test_disk_keys import PROCESSES, Stock, _stop_at
from tests.test_notices import House, entry

PARTS = ("mirror key", "ledger key")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(notices, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(health, "COALESCE_S", 0.0)


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    made.put_out(entry(1))
    made.carry()
    yield made
    made.end()
    made.register.close()


def start(house: House, *names: str, until: Callable[[], bool] = lambda: True) -> BoothKeys:
    """Exchange these keys and start the core, as its service does, until it has notices; the keys in force."""
    place = house.state.parent / "keys"
    if names:
        keys.renew_disk_keys(place, [f"{name}.key" for name in names])
    house.keys = disk_keys.settle(keys.load(place), place, house.state)
    with Core(house) as core:
        core.wait(lambda: core.state() == "FRESH" and until())
    return house.keys


def told(house: House) -> list[HealthChange]:
    """What the booth's ledger has for headquarters of its keys."""
    with Ledger.open(house.state / "ledger.db", house.keys.ledger) as ledger:
        ledger.check()
        bodies = [one.body for one in ledger.entries()]
    return [body for body in bodies if isinstance(body, HealthChange) and body.part in PARTS]


# --- at the booth ------------------------------------------------------------------------------------------------


def test_the_moment_stands_in_the_file_that_was_exchanged(tmp_path: Path) -> None:
    stock = Stock.made(tmp_path, notices=3)
    assert dict(disk_keys.exchanged(stock.held(), stock.state)) == {}
    keys.renew_disk_keys(stock.place, ["ledger.key"])
    before = dt.datetime.now(dt.UTC) - dt.timedelta(milliseconds=1)  # a moment is cut to milliseconds
    settled = stock.settled()
    ((name, at),) = disk_keys.exchanged(settled, stock.state)
    assert name == "ledger.key"
    assert before < dt.datetime.fromisoformat(at) <= dt.datetime.now(dt.UTC)


def test_an_exchange_that_was_cut_off_behind_the_rename_is_known_too(tmp_path: Path) -> None:
    stock = Stock.made(tmp_path, notices=3)
    keys.renew_disk_keys(stock.place, ["mirror.key"])
    process = PROCESSES.Process(target=_stop_at, args=(stock, "tidy"))
    process.start()
    process.join()
    assert process.exitcode == -9
    settled = stock.settled()
    assert [name for name, _ in disk_keys.exchanged(settled, stock.state)] == ["mirror.key"]
    assert exchanged_at(stock.state / "nowhere.db", settled.mirror) is None


def test_a_file_that_cannot_be_read_is_said_and_stops_nothing(tmp_path: Path) -> None:
    stock = Stock.made(tmp_path, notices=3)
    keys.renew_disk_keys(stock.place)
    settled = stock.settled()
    with capture_logs() as logs:
        found = dict(disk_keys.exchanged(replace(settled, mirror=bytes(32)), stock.state))
    assert list(found) == ["ledger.key"]
    assert [(log["event"], log["key"]) for log in logs] == [
        ("whether a key was exchanged cannot be read", "mirror.key")
    ]


def test_the_core_tells_once_for_each_exchange(house: House) -> None:
    start(house)
    assert told(house) == []
    start(house, "mirror")
    start(house)  # a start without an exchange tells nothing again
    (first,) = told(house)
    assert (first.part, first.was) == ("mirror key", "") and first.now.startswith("exchanged 20")
    start(house, "mirror", "ledger")
    _, again, ledger = told(house)
    assert (again.part, again.was) == ("mirror key", first.now) and again.now > first.now
    assert (ledger.part, ledger.was) == ("ledger key", "")
    assert all(one.at.trusted for one in (first, again, ledger)), "the ledger's clock has been read before"


def test_nothing_of_a_key_is_told(house: House) -> None:
    start(house)
    place = house.state.parent / "keys"
    held = [start(house, "mirror", "ledger") for _ in range(2)]
    salts = [(house.state / name).read_bytes()[:16] for name in ("mirror.db", "ledger.db")]
    words = b"".join(encode(body) for body in told(house))
    for secret in [*(one for keys_ in held for one in (keys_.mirror, keys_.ledger)), *salts]:
        for form in (secret.hex().encode(), base64.b64encode(secret), secret):
            assert form[:8] not in words
    assert len(told(house)) == 4 and place.is_dir()


def test_headquarters_hears_of_it_and_shows_it(house: House, tmp_path: Path) -> None:
    desk = Desk(open_file(tmp_path / "desk.sqlite"), house.desk.keys, open_register(tmp_path / "register.sqlite"))
    start(house)
    (booth,) = desk.exchanges()

    def brought() -> bool:
        """What a stick would bring from the booth's spool, and whether headquarters knows of the exchange then."""
        out = Spool(house.spool.parent / "out")
        names = out.names(f"{ALERTS_FOLDER}/") if out.root.is_dir() else []
        answer = desk.take([msgspec.json.decode(out.read(name, 1 << 20), type=Envelope) for name in names], now())
        assert answer.refused == ()
        return desk.exchanges()[booth] != ()

    assert not brought()
    start(house, "mirror", until=brought)
    (told_of,) = desk.exchanges()[booth]
    assert told_of.key == "mirror" and told_of.at == told(house)[0].now.removeprefix("exchanged ")
    (line,) = desk.list(1, "").booths
    assert line.keys == (told_of,)
    desk.close()


# --- at headquarters ---------------------------------------------------------------------------------------------


def exchange(booth: Booth, key: str, moment: str, *, trusted: bool = True):
    """The next entry of the booth's chain: a key was exchanged at that moment."""
    at = Moment(wall=moment, monotonic_s=1.0, trusted=trusted)
    body = HealthChange(
        id=str(uuid.uuid4()), at=at, place=booth.place(), part=f"{key} key", was="", now=f"exchanged {moment}"
    )
    return booth.append(body)


def bring(desk: Desk, booth: Booth, *entries, at: dt.datetime = AT) -> None:
    assert desk.take([booth.seal(one) for one in entries], at).refused == ()


def test_the_last_word_of_the_chain_is_kept_whenever_it_came(desk, booth):
    early, late = (exchange(booth, "mirror", f"2026-11-{day}T08:00:00.000Z") for day in (19, 20))
    bring(desk, booth, late)
    bring(desk, booth, early)
    (told_of,) = desk.exchanges()[booth.name]
    assert (told_of.at, told_of.trusted) == ("2026-11-20T08:00:00.000Z", True)


def test_other_changes_of_a_booth_are_no_exchange(desk, booth):
    bring(desk, booth, booth.health("mirror", "FRESH", "STALE"), booth.health("lane key", "", "exchanged 2026"))
    assert desk.exchanges() == {booth.name: ()}


def test_a_moment_that_is_none_is_that_of_the_record(desk, booth):
    bring(desk, booth, booth.health("ledger key", "", "exchanged <yesterday>\x1b[2J"))
    (told_of,) = desk.exchanges()[booth.name]
    assert told_of.at == booth.entries[0].body.at.wall


def test_a_booth_that_was_revoked_is_not_waited_for(desk, booth):
    bring(desk, booth, exchange(booth, "mirror", "2026-11-20T08:00:00.000Z"))
    booth.revoke()
    assert desk.exchanges() == {}


SINCE = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


def states(desk, since=None):
    return {line.booth: line.state for line in exchanges.lines(desk.exchanges(), since)}


def test_only_what_came_after_the_incident_counts(desk, booth):
    assert states(desk) == states(desk, SINCE) == {booth.name: "owed"}
    bring(desk, booth, exchange(booth, "mirror", "2026-11-19T08:00:00.000Z"))
    assert states(desk) == {booth.name: "partly"} and states(desk, SINCE) == {booth.name: "owed"}
    bring(desk, booth, *(exchange(booth, key, "2026-11-20T08:00:00.000Z") for key in ("mirror", "ledger")))
    assert states(desk) == states(desk, SINCE) == {booth.name: "exchanged"}


@pytest.mark.parametrize(
    ("moment", "trusted", "came"),
    [
        ("2026-11-20T08:00:00.000Z", False, AT),  # the clock may have been anywhere
        ("2040-01-01T00:00:00.000Z", True, SINCE - dt.timedelta(hours=1)),  # it came before: it was before
        ("2026-99-99T99:99:99.000Z", True, AT),
    ],
)
def test_a_moment_that_may_be_wrong_does_not_count(desk, booth, moment, trusted, came):
    bring(desk, booth, *(exchange(booth, key, moment, trusted=trusted) for key in ("mirror", "ledger")), at=came)
    assert states(desk, SINCE) == {booth.name: "owed"}


def typed(hq, *words):
    return CliRunner().invoke(main, ["--home", str(hq.home), "booths", "disk-keys", *words])


def test_the_command_names_who_has_and_who_has_not(hq, desk, booth, tmp_path):
    other = Booth(hq, tmp_path, "ZZ-TWO")
    bring(desk, booth, *(exchange(booth, key, "2026-11-20T08:00:00.000Z") for key in ("mirror", "ledger")))
    bring(desk, other, exchange(other, "ledger", "2026-11-21T08:00:00.000Z", trusted=False))
    done = typed(hq)
    assert done.exit_code == 0, done.output
    received = "received 2026-11-21T12:00:00Z"
    assert done.stdout.splitlines() == [
        f"{booth.name}\texchanged\tmirror.key exchanged 2026-11-20T08:00:00.000Z, {received}"
        f"\tledger.key exchanged 2026-11-20T08:00:00.000Z, {received}",
        f"{other.name}\tpartly\tmirror.key not told"
        f"\tledger.key exchanged 2026-11-21T08:00:00.000Z, clock not trusted, {received}",
    ]
    assert "partly: 1. exchanged: 1. 2 booths in all." in done.stderr
    assert [line.split("\t")[0] for line in typed(hq, "--owed").stdout.splitlines()] == [other.name]
    since = typed(hq, "--since", "2026-11-20T09:00:00Z", "--json").stdout.splitlines()
    assert [json.loads(line)["state"] for line in since] == ["owed", "owed"]
    assert len(json.loads(since[0])["keys"]) == 2, "what does not count is shown all the same"
    assert typed(hq, "--since", "yesterday").exit_code != 0


def test_a_newer_word_is_seen_by_a_desk_that_has_looked_before(hq, desk, booth):
    """And by another process's desk: what is kept between two looks is never the last word."""
    other = open_desk(hq)
    for day in (19, 20):
        bring(desk, booth, exchange(booth, "mirror", f"2026-11-{day}T08:00:00.000Z"))
        for one in (desk, other):
            (line,) = one.list(1, "").booths
            assert [key.at for key in line.keys] == [f"2026-11-{day}T08:00:00.000Z"]
    other.close()


def test_a_word_that_got_its_number_first_and_came_last_is_seen(hq, desk, booth, tmp_path):
    """Two booths are stored at once: the database gives numbers when they begin, and shows them when they are done."""
    other = Booth(hq, tmp_path, "ZZ-TWO")
    bring(desk, booth, exchange(booth, "mirror", "2026-11-19T08:00:00.000Z"))
    engine = open_file(hq.home / DESK_FILE)
    with engine.begin() as connection:
        connection.execute(update(LAST_WORDS).values(number=9))
    desk.list(1, "")
    bring(desk, other, exchange(other, "mirror", "2026-11-20T08:00:00.000Z"))
    with engine.begin() as connection:
        connection.execute(update(LAST_WORDS).where(LAST_WORDS.c.booth == other.name).values(number=8))
    assert {line.booth: len(line.keys) for line in desk.list(1, "").booths} == {booth.name: 1, other.name: 1}
    engine.dispose()
