"""A booth that has just started finds who is sought; it clears nobody before its notices have been read through."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from failsafe.agent import config, health, notices
from failsafe.agent.booth import Booth
from failsafe.agent.checks import Checks
from failsafe.agent.page.view import ManualEntry
from failsafe.sync.errors import StoreDamaged
from failsafe.sync.mirror import Mirror
from tests.test_notices import PATIENCE_S, House, damage, entry, found

CHECK = Mirror.check


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(notices, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(notices, "_AT_ONCE_S", 0.0)
    monkeypatch.setattr(health, "COALESCE_S", 0.0)


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    made.put_out(entry(1), entry(2, "IMAGINARIEVA"))
    made.carry()
    yield made
    made.end()
    made.register.close()


@pytest.fixture
def gate(monkeypatch):
    """Every check waits until it is opened."""
    opened = threading.Event()

    def held_back(mirror: Mirror) -> None:
        assert opened.wait(PATIENCE_S)
        CHECK(mirror)

    monkeypatch.setattr(Mirror, "check", held_back)
    yield opened
    opened.set()


class Core:
    """A whole core over the house's folders, with one lane that has no detector."""

    def __init__(self, house: House) -> None:
        lane = '[[lanes]]\nname = "1"\nradiation = "none"\n'
        held = house.configuration
        text = (
            f'booth = {{id = "{held.booth.id}", country = "ZZ", crossing_point = "Invented Gate"}}\n'
            f'hq = {{root_sha256 = "{held.hq.root_sha256}"}}\n'
            f'folders = {{state = "{house.state}", spool = "{house.spool.parent}"}}\n{lane}'
        )
        self.booth = Booth(config.parse(text.encode(), house.state / "booth.toml"), house.keys)

    def __enter__(self) -> Core:
        self.booth.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.booth.stop()

    def wait(self, told: Callable[[], Any]) -> None:
        """Until `told` holds, looked at with each view that the booth shows."""

        async def waiting() -> None:
            async with asyncio.timeout(PATIENCE_S):
                after = 0
                while not told():
                    await self.booth.changed(after)
                    after = self.booth.view().number

        asyncio.run(waiting())

    def state(self) -> str:
        return str(self.booth.status()["mirror"]["state"])

    def verdict(self):
        return self.booth.view().lanes[0].verdict

    def enter(self, surname: str, given: str = "NOONE") -> str:
        person = {"birth_date": "1980-01-01", "sex": "M", "document_number": "ZZ000001", "issuing_state": "UTO"}
        return self.booth.enter(ManualEntry(lane="1", surname=surname, given_names=given, **person))


@pytest.fixture
def grown(house):
    """The house, whose booth has taken the notices and was stopped."""
    with Core(house) as core:
        core.wait(lambda: core.state() == "FRESH")
    return house


def test_until_the_checks_have_passed_the_sought_are_found_and_nobody_is_cleared(grown, gate):
    with Core(grown) as core:
        core.wait(lambda: core.state() == "CHECKING")
        core.enter("QUILLFEATHER")
        assert core.verdict().word in ("STOP", "CHECK")
        crossing = core.enter("ZZYZWICK", "UNSOUGHT")
        given = core.verdict()
        assert (given.word, given.actions) == ("CANNOT CLEAR", ("WAIT_NOTICES",))
        assert "The notices are being checked; wait." in given.notes
        status = core.booth.status()
        assert status["ready"] == {"word": "CANNOT CLEAR", "why": ["The notices are being checked."]}
        gate.set()
        core.wait(lambda: core.verdict().word == "CLEAR")
        assert core.verdict().reissued and core.booth.view().lanes[0].crossing == crossing
        core.wait(lambda: core.state() == "FRESH")


def test_a_crossing_that_was_closed_meanwhile_is_not_cleared_behind_its_back(grown, gate):
    with Core(grown) as core:
        core.wait(lambda: core.state() == "CHECKING")
        core.enter("ZZYZWICK", "UNSOUGHT")
        core.booth.close("1")
        gate.set()
        core.wait(lambda: core.state() == "FRESH")
        assert core.verdict() is None
        assert [past.word for past in core.booth.view().lanes[0].history] == ["CANNOT CLEAR"]


def test_a_mirror_that_the_checks_find_damaged_clears_nobody_and_is_fetched_anew(grown, monkeypatch):
    reached, opened = threading.Event(), threading.Event()
    words: list[str] = []

    def found_damaged(mirror: Mirror) -> None:
        reached.set()
        assert opened.wait(PATIENCE_S)
        if not aside():
            raise StoreDamaged("A page was altered.")
        CHECK(mirror)

    def aside() -> list[str]:
        return [path.name for path in grown.state.iterdir() if "damaged" in path.name]

    monkeypatch.setattr(Mirror, "check", found_damaged)
    core = Core(grown)
    with core:
        assert reached.wait(PATIENCE_S)
        core.wait(lambda: core.state() == "CHECKING")
        core.enter("ZZYZWICK", "UNSOUGHT")
        words.append(core.verdict().word)
        opened.set()
        core.wait(lambda: core.state() == "FRESH")
        assert aside()
        core.wait(lambda: core.verdict() is not None and core.verdict().word == "CLEAR")
    assert words == ["CANNOT CLEAR"]


# --- the notices' side -------------------------------------------------------------------------------------------


def test_the_index_is_there_before_the_checks_are(grown, gate):
    edition = grown.begin()
    running = grown.running[0]
    assert found(edition, "QUILLFEATHER") == {"2026/1"} and not running.checked
    gate.set()
    running._checks.wait(PATIENCE_S)
    assert running.checked


def test_a_step_is_taken_while_the_checks_run(grown, gate):
    grown.begin()
    grown.put_out(entry(3, "GRIMBLESNATCH"))
    grown.carry(welcome=False)
    while (told := grown.hear()).edition is None or found(told.edition, "GRIMBLESNATCH") != {"2026/3"}:
        assert told.refusal is None
    assert not grown.running[0].checked


def test_what_is_damaged_is_set_aside_only_when_nothing_reads_it(grown, monkeypatch):
    reading, go, doubted, replaced = (threading.Event() for _ in range(4))

    def slow(mirror: Mirror) -> None:
        reading.set()
        assert go.wait(PATIENCE_S)
        CHECK(mirror)

    def replace() -> None:
        with checks.held_back():
            replaced.set()

    monkeypatch.setattr(Mirror, "check", slow)
    checks = Checks(grown.open, doubted.set)
    checks.begin()
    assert reading.wait(PATIENCE_S)
    waiting = threading.Thread(target=replace)
    waiting.start()
    assert not checks.passed and not replaced.is_set()
    go.set()
    waiting.join(PATIENCE_S)
    checks.wait(PATIENCE_S)
    assert replaced.is_set() and checks.passed and not doubted.is_set()


def test_a_fault_of_our_own_is_told_and_examined(grown):
    doubted = threading.Event()

    def connect():
        raise ZeroDivisionError

    with capture_logs() as logs:
        checks = Checks(connect, doubted.set)
        checks.begin()
        assert doubted.wait(PATIENCE_S)
        checks.wait(PATIENCE_S)
    assert not checks.passed and logs[0]["fault"] == "ZeroDivisionError"


def test_a_page_that_does_not_authenticate_is_doubted(grown):
    damage(grown.mirror)
    doubted = threading.Event()
    checks = Checks(grown.open, doubted.set)
    checks.begin()
    assert doubted.wait(PATIENCE_S) and not checks.passed
