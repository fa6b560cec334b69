"""Long work in a process of its own: the same rows and pages as the core would make, and its end only delays."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import msgspec
import pytest

from failsafe.agent import backroom, notices
from failsafe.agent.backroom import Backroom, BackroomLost, Publication
from failsafe.agent.notices import Notices, same_index
from failsafe.agent.person import names, pages
from failsafe.sync import trust
from failsafe.sync.errors import Awaited, NotForThisBooth, Older, StoreBroken
from failsafe.sync.intake import Reader
from failsafe.sync.mirror import Mirror
from failsafe.sync.seal import SealSecret
from failsafe.sync.spool import Spool
from tests.notices_side import (
    BOOTH,
    DOCUMENT,
    House,
    entry,
    found,
    house_of_notices,  # noqa: F401 - a fixture
)

PATIENCE_S = 60.0
MANY = 400
KILLS = max(4, int(os.environ.get("FAILSAFE_KILLS", "0")) // 5)
SEED = 20261122


@pytest.fixture
def never_at_once(monkeypatch):
    """Whatever comes counts as much."""
    monkeypatch.setattr(notices, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(notices, "_AT_ONCE_BYTES", 0)
    monkeypatch.setattr(notices, "_AT_ONCE_NOTICES", 0)


def publication(house: House, sealing: SealSecret | None = None) -> Publication:
    root = trust.root_from_welcome(Spool(house.spool), house.configuration.hq.root_sha256, BOOTH)
    workplace = house.state / "trust"
    workplace.mkdir(exist_ok=True)
    reader = Reader(BOOTH, ("base",), sealing or house.keys.sealing, root, workplace)
    return Publication.of(Spool(house.spool), house.floors, reader)


def room(house: House) -> Backroom:
    return Backroom(house.mirror, house.keys.mirror)


def content(mirror: Mirror) -> tuple[object, ...]:
    """Everything that a verdict rests on."""
    listed = mirror.listed(DOCUMENT.number)
    return list(mirror.numbered()), list(mirror.pages()), mirror.bound(), mirror.floors(), mirror.counts(), listed


def test_what_it_takes_is_what_the_core_would_take(house, tmp_path, never_at_once, monkeypatch):
    house.put_out(entry(1), entry(2, "IMAGINARIEVA"), entry(3, "Образцова"), listed=[DOCUMENT])
    house.carry()
    monkeypatch.setattr(Notices, "_bind_anew", None)  # nothing is merged here
    house.begin()
    told = house.hear()
    assert told.refusal is None and told.taken.newer and dict(told.taken.floors) == dict(told.edition.floors)
    assert found(told.edition, "IMAGINARIEVA") == {"2026/2"} and found(told.edition, "OBRAZTSOVA") == {"2026/3"}
    house.end()
    with house.open() as mirror:
        there = content(mirror)
    house.mirror.unlink()
    monkeypatch.setattr(notices, "_AT_ONCE_BYTES", 1 << 20)
    house.begin()
    house.hear()
    house.end()
    with house.open() as mirror:
        assert content(mirror) == there


def test_an_index_is_made_anew_in_it(house, never_at_once, monkeypatch):
    monkeypatch.setattr("failsafe.agent.holding._GROWN_NOTICES", 0)
    house.put_out(entry(1), entry(2, "NEVERWASOVA"))
    house.carry()
    house.begin()
    turn = house.hear().edition.turn
    house.put_out(entry(2, "IMAGINARIEVA"))
    house.carry(welcome=False)
    told = house.hear()
    assert told.edition.turn == turn and found(told.edition, "IMAGINARIEVA") == {"2026/2"}
    merged = house.hear()
    assert merged.edition.turn > turn and same_index(told.edition, merged.edition) is merged.edition
    assert found(merged.edition, "IMAGINARIEVA") == {"2026/2"} and found(merged.edition, "QUILLFEATHER") == {"2026/1"}
    assert found(merged.edition, "NEVERWASOVA") == set()


def test_why_it_refuses_comes_out_as_it_was_said(house):
    house.put_out(entry(1))
    house.carry()
    with pytest.raises(NotForThisBooth) as refused:
        room(house).take(publication(house, SealSecret.generate()))
    assert refused.value.detail and refused.value.advice == NotForThisBooth.usual_advice
    with house.open() as mirror:
        assert not mirror.floors()


def test_every_refusal_can_come_out():
    made = [backroom._refusal(backroom._Outcome(error=kind.__name__, detail="It is so.", advice="Do this."))
            for kind in backroom._kinds(Older)]  # fmt: skip
    assert [str(error) for error in made] == ["older: It is so. Do this."]
    awaited = backroom._refusal(backroom._Outcome(error="Awaited", detail="Not there.", feeds=("base.x",)))
    assert isinstance(awaited, Awaited) and awaited.feeds == ("base.x",)


def test_a_room_that_is_ended_leaves_the_mirror_and_another_goes_on(house):
    house.put_out(entry(1))
    house.carry()
    ended = room(house)
    ended.end()
    with pytest.raises(BackroomLost):
        ended.take(publication(house))
    with house.open() as mirror:
        assert not mirror.floors()
    assert room(house).take(publication(house)).floors["base"].serial == 1
    with house.open() as mirror:
        assert mirror.counts().notices == 1 and mirror.bound() is not None


def test_a_room_that_is_gone_before_it_is_told_is_lost_like_any_other(house, monkeypatch):
    """Nobody reads the order: the broken pipe is no fault of the core's."""

    def end_it_first(process, *words, converse=backroom._converse):
        process.kill()
        process.wait()
        return converse(process, *words)

    monkeypatch.setattr(backroom, "_converse", end_it_first)
    house.put_out(entry(1))
    house.carry()
    with pytest.raises(BackroomLost):
        room(house).take(publication(house))


def test_a_room_that_is_lost_is_only_a_delay(house, never_at_once, monkeypatch):
    monkeypatch.setattr(notices, "TRY_AGAIN_S", 0.1)
    lost = []

    def end_the_first(process, *words, converse=backroom._converse):
        if not lost:
            lost.append(process.kill())
        return converse(process, *words)

    monkeypatch.setattr(backroom, "_converse", end_the_first)
    house.put_out(entry(1))
    house.carry()
    house.begin()
    assert "BackroomLost" in str(house.hear().refusal)
    assert found(house.hear().edition, "QUILLFEATHER") == {"2026/1"}


def test_a_delta_does_not_wait_for_a_merge(house, monkeypatch):
    """The first merge never comes to an end; the delta puts it off, and then it is made."""
    monkeypatch.setattr(notices, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(notices, "_AT_ONCE_NOTICES", 0)
    monkeypatch.setattr("failsafe.agent.holding._GROWN_NOTICES", 0)
    held_up = threading.Event()

    def hold_the_first_up(process, *words, converse=backroom._converse):
        if not held_up.is_set():
            process.send_signal(signal.SIGSTOP)
            held_up.set()
        return converse(process, *words)

    monkeypatch.setattr(backroom, "_converse", hold_the_first_up)
    house.put_out(entry(1))
    house.carry()
    house.begin()
    turn = house.hear().edition.turn
    house.put_out(entry(2, "IMAGINARIEVA"))
    house.carry(welcome=False)
    assert house.hear().edition.turn == turn and held_up.wait(PATIENCE_S)
    house.put_out(entry(3, "NEVERWASOVA"))
    house.carry(welcome=False)
    told = house.hear()
    assert told.edition.turn == turn and found(told.edition, "NEVERWASOVA") == {"2026/3"}
    merged = house.hear().edition
    assert merged.turn > turn and found(merged, "NEVERWASOVA") == {"2026/3"}


def test_where_no_process_can_be_started_the_core_does_it(house, never_at_once, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    house.put_out(entry(1))
    house.carry()
    house.begin()
    assert found(house.hear().edition, "QUILLFEATHER") == {"2026/1"}


def test_it_ends_with_the_core(house):
    """The pipe is all that holds it: here it waits for a mirror that another writes to, when the pipe closes."""
    with house.open() as mirror, mirror._store.transaction():
        work = msgspec.msgpack.encode(backroom._Work(str(house.mirror), house.keys.mirror))
        words = [sys.executable, "-m", "failsafe.agent.backroom"]
        with subprocess.Popen(words, stdin=-1, stdout=-1, stderr=-1) as process:
            process.stdin.write(backroom._LENGTH.pack(len(work)) + work)
            process.stdin.close()
            assert process.wait(PATIENCE_S) == 1
            assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


_CORE = """
import sys
from pathlib import Path
import msgspec
from failsafe.agent.backroom import Backroom, Publication
publication = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Publication)
Backroom(Path(sys.argv[2]), Path(sys.argv[3]).read_bytes()).take(publication)
"""


def test_a_core_killed_meanwhile_leaves_the_old_step_or_the_new_one(house, tmp_path):
    """kill -9 of the core: the room ends with it, and whoever comes next can write."""
    house.put_out(*(entry(number, f"NEVERWAS{'ABCDEFGHIJ'[number % 10]}") for number in range(1, MANY + 1)))
    house.carry()
    order = tmp_path / "order"
    order.write_bytes(msgspec.msgpack.encode(publication(house)))
    words = [sys.executable, "-c", _CORE, str(order), str(house.mirror), str(tmp_path / "keys" / "mirror.key")]
    with house.open() as mirror:
        mirror.rederive(names.forms, names.EDITION)
    begun = time.monotonic()
    subprocess.run(words, check=True, timeout=PATIENCE_S)
    whole_s, chance = time.monotonic() - begun, random.Random(SEED)
    for _ in range(KILLS):
        house.mirror.unlink()
        with house.open() as mirror:
            mirror.rederive(names.forms, names.EDITION)
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as core:
            with suppress(subprocess.TimeoutExpired):
                core.wait(chance.uniform(0.3, 1.0) * whole_s)
            core.kill()
        with house.open() as mirror:
            await_a_writer(mirror)
            taken = bool(mirror.floors())
            assert mirror.counts().notices == (MANY if taken else 0) and (mirror.bound() is not None) == taken
            mirror.check()
    assert room(house).take(publication(house)).signed_at
    with house.open() as mirror:
        assert mirror.counts().notices == MANY and len(pages.read(mirror.pages()).number) == MANY


def await_a_writer(mirror: Mirror) -> None:
    """Return once the mirror can be written: who was at it is gone."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return mirror.acknowledge({}, 1.0)
        except StoreBroken:
            assert time.monotonic() < until, "somebody still holds the mirror"


def test_no_key_is_shown(house):
    house.put_out(entry(1))
    house.carry()
    given = publication(house)
    for shown in (repr(given), repr(backroom._Work(str(house.mirror), house.keys.mirror, given))):
        assert str(house.keys.sealing.secret) not in shown and str(house.keys.mirror) not in shown
