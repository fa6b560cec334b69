"""kill -9 of the core, fifty times, at moments a seed chooses: of crossings, of an import, of its own start.

The core's word is what it said on its control socket. Whatever it had acknowledged there before it died must be in the
ledger, once; chain and mirror must be whole each time it is found dead, before anything repairs them.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from failsafe.drivers.simulator import Unplugged
from failsafe.hq import courier as export
from failsafe.hq.feeds import publish
from failsafe.hq.feeds.register import Register
from failsafe.hq.feeds.repository import Repository
from failsafe.hq.keyring.keys import KeyStore
from failsafe.sync import shape
from tests.publishing import now
from tests.story.journey import Event, Journey, Kept, wanted

KILLS = 50
SEED = 20261121
# A start takes most of a second, an import some tenths after it, and crossings come all the time.
LONGEST_LIFE_S = 2.0
NOTICES_A_STEP = 150


class Publisher:
    """Headquarters between two kills: every step is a real publication, exported and imported by stick."""

    def __init__(self, journey: Journey) -> None:
        self._journey = journey
        self._register = Register.in_file(journey.folder / "hq" / "register.sqlite")
        self._repository = Repository(journey.folder / "hq", KeyStore.open(journey.folder / "hq"))
        self.serial = 2
        self.notices = 0

    def close(self) -> None:
        self._register.close()

    def publish(self) -> None:
        """One more serial on the stick, with notices that nobody has held before."""
        self.serial += 1
        lines = "".join(_notice(self.serial, number) for number in range(NOTICES_A_STEP))
        reading = shape.read(lines)
        assert not reading.faults
        self._register.take(reading.notices, reading.listed, reading.withdrawn)
        outcome = publish.publish(self._register, self._repository, now=now())
        assert outcome.head is not None and outcome.head.serial == self.serial
        self.notices = outcome.head.count
        export.export(self._repository.public, self._journey.folder / "stick")


def _notice(serial: int, number: int) -> str:
    letters = "".join(chr(ord("A") + int(digit)) for digit in f"{serial:03}{number:04}")
    return (
        f'{{"entity_id": "2026/{serial * 1000 + number + 200_000}", "name": "INVENTOV{letters}",'
        ' "notice_type": "GREEN", "forename": "STEPAN", "date_of_birth": "1960/01/01", "nationalities": ["UT"],'
        ' "purposes": ["Warning about a person\'s criminal activities; possible threat to public safety"]}\n'
    )


@pytest.fixture
def booth(begin: Callable[..., Journey]) -> Journey:
    journey = begin()
    journey.plug_in()
    return journey


@contextmanager
def travellers(booth: Journey) -> Iterator[None]:
    """While the core is there, people keep coming: each is stopped once, some go through the portal."""
    ending = threading.Event()

    def come() -> None:
        while not ending.wait(0.02):
            if not booth.is_open():
                continue
            number = booth.next_number()
            with suppress(Unplugged):
                booth.reader.present(wanted(number))
            if number % 5 == 0:
                booth.portal.passage(seconds=1.0)

    coming = threading.Thread(target=come, name="travellers", daemon=True)
    coming.start()
    try:
        yield
    finally:
        ending.set()
        coming.join()


def acknowledged(heard: list[Event]) -> set[str]:
    """The id of every alert the core said it had recorded."""
    return {alert["id"] for verdict in heard if verdict["recorded"] is True for alert in verdict["alerts"]}


def check_found(before: Kept, found: Kept, said: set[str], newest: int) -> None:
    """`kept` has examined chains and mirror already; this is what they must hold."""
    assert found.alerts[: len(before.alerts)] == before.alerts
    assert found.health[: len(before.health)] == before.health
    assert found.records >= before.records
    held = Counter(alert.id for alert in found.alerts)
    assert not said - held.keys(), "acknowledged and lost"
    assert set(held.values()) <= {1}, "recorded more than once"
    # Each traveller of this test is stopped for one notice: a second alert would be the same one again.
    assert set(Counter(alert.crossing for alert in found.alerts).values()) <= {1}, "raised more than once"
    assert before.serials["base"] <= found.serials["base"] <= newest
    assert found.counts.names > 0


@pytest.mark.slow
def test_fifty_kills_lose_nothing(booth: Journey, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    publisher = Publisher(booth)
    said: set[str] = set()
    found = booth.kept(booth.set_down(booth.folder / "state", tmp_path / "found"))
    killed_at_start, longest_s = 0, LONGEST_LIFE_S
    try:
        for kill in range(KILLS):
            life_s = chance.uniform(0.2, longest_s)
            with travellers(booth):
                heard, first = one_life(booth, publisher, life_s, chance.random())
            said |= acknowledged(heard)
            killed_at_start += first is None
            # On a busy machine the core starts more slowly: it must live long enough to be killed at its work as well.
            longest_s = longest_s * 1.25 if first is None else max(LONGEST_LIFE_S, longest_s / 1.1)
            check_shows_no_less(first, found)
            before = found
            found = booth.kept(booth.set_down(booth.folder / "state", tmp_path / "found"))
            check_found(before, found, said, publisher.serial)
            print(f"kill {kill + 1} at {life_s:.2f} s: {len(found.alerts)} alerts, serial {found.serials['base']}")
    finally:
        publisher.close()
    assert 0 < killed_at_start < KILLS // 2
    assert len(said) > 3 * KILLS, "the kills came when nothing was being recorded"
    assert found.serials["base"] > KILLS // 4, "the kills came before anything was imported"
    check_last_start(booth, publisher, said, found)


def one_life(booth: Journey, publisher: Publisher, life_s: float, when: float) -> tuple[list[Event], Event | None]:
    """Start, import a new publication at some moment of the core's life (`when`, as a share of it), kill it.

    Returns:
        The verdicts it told of, and the first status it gave; None where it died before it could.
    """
    publisher.publish()
    for line in (booth.reader.pty, booth.portal_line):
        line.plug()
    booth.launch()
    began = time.monotonic()
    first: Event | None = None
    brought = False
    while (lived_s := time.monotonic() - began) < life_s:
        if not brought and lived_s >= life_s * when:
            booth.bring_quickly(booth.folder / "stick")
            brought = True
        first = first or booth.listen_if_open()
        threading.Event().wait(0.01)
    heard = booth.cut_down()
    for line in (booth.reader.pty, booth.portal_line):
        line.unplug()  # what nobody reads is lost on a wire, and would pile up here
    return heard, first


def check_shows_no_less(status: Event | None, found: Kept) -> None:
    """What a core says first, after a kill, against what lay in its files."""
    if status is not None:
        assert status["ledger"]["undelivered"] >= len(found.alerts) + len(found.health)
        assert status["mirror"]["feeds"]["base"]["serial"] >= found.serials["base"]


def check_last_start(booth: Journey, publisher: Publisher, said: set[str], found: Kept) -> None:
    """Left alone at last, the booth is at the newest serial, counts everything, and judges."""
    for line in (booth.reader.pty, booth.portal_line):
        line.plug()
    booth.start_core()
    booth.await_status(
        lambda status: status["mirror"]["feeds"].get("base", {}).get("serial") == publisher.serial, "the newest serial"
    )
    booth.await_ready()
    booth.verdicts_go_on()
    status = booth.status()
    assert status["mirror"]["feeds"]["base"]["notices"] == publisher.notices
    assert status["ledger"]["undelivered"] >= len(found.alerts) + len(found.health)
    assert status["faults"] == []
    booth.stop_core()
    last = booth.kept()
    check_found(found, last, said, publisher.serial)
    assert last.serials == {"base": publisher.serial}
    assert not list((booth.folder / "state" / "trust").iterdir())
    assert not [name for name in (booth.folder / "state").iterdir() if "damaged" in name.name]
