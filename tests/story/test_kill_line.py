"""kill -9 of core, link and headquarters, fifty times each, all three at once and each at moments of its own.

People keep coming all the while. In the end everything is left alone, and then what the booth acknowledged is in its
ledger, what is in its ledger is at headquarters, once and unbroken, and the programme was told under one id each.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from failsafe.agent.demo.house import kill
from failsafe.drivers.simulator import Unplugged
from tests.story.both_ends import BothEnds, both_ends, patient, thief
from tests.story.journey import Event, Journey, await_true, wanted

KILLS = 50
SEED = 20261121
KILLED_AT_START = 0.2  # share of lives that end before the program has shown a sign of life
LONGEST_START_S = 0.8
LONGEST_LIFE_S = 1.2  # from the first sign of life
USUAL_START_S = 2.0  # on a machine that takes longer, programs live longer too: they are to be killed at their work
ARRIVALS_EVERY_S = 0.2


@pytest.fixture
def booth(founded: Journey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothEnds]:
    with both_ends(founded, tmp_path_factory.mktemp("killed")) as begun:
        yield begun


@contextmanager
def travellers(booth: BothEnds) -> Iterator[Counter[str]]:
    """While the core is there, people keep coming; how many of each kind came."""
    ending = threading.Event()
    came: Counter[str] = Counter()

    def come() -> None:
        while not ending.wait(ARRIVALS_EVERY_S):
            if booth.is_open():
                number = booth.next_number()
                kind = ("wanted", "wanted", "thief", "carrier", "wanted", "patient")[number % 6]
                zone = {"thief": thief, "patient": patient}.get(kind, wanted)(number)
                with suppress(Unplugged):
                    booth.reader.present(zone)
                    came[kind] += 1
                if kind in ("carrier", "patient"):
                    booth.portal.passage(gamma_alarm=True, seconds=1.0)

    coming = threading.Thread(target=come, name="travellers", daemon=True)
    coming.start()
    try:
        yield came
    finally:
        ending.set()
        coming.join()


class Fate:
    """Kills one of the three programs again and again; its moments come from a seed of its own."""

    def __init__(
        self, seed: int, start: Callable[[], None], lives: Callable[[], bool], kill: Callable[[], None]
    ) -> None:
        self._chance = random.Random(seed)
        self._start, self._lives, self._kill = start, lives, kill
        self.lived = 0  # how many came to life before they were killed

    def run(self) -> None:
        for _ in range(KILLS):
            self._start()
            if self._chance.random() < KILLED_AT_START:
                threading.Event().wait(self._chance.uniform(0.0, LONGEST_START_S))
            else:
                began = time.monotonic()
                await_true(self._lives, "life")
                slower = max(1.0, (time.monotonic() - began) / USUAL_START_S)
                threading.Event().wait(self._chance.uniform(0.0, LONGEST_LIFE_S) * slower)
                self.lived += 1
            self._kill()


class CoreFate(Fate):
    """The core's: what it said before it died is kept, and its lines are pulled while it is dead."""

    def __init__(self, seed: int, booth: BothEnds) -> None:
        super().__init__(seed, self._launch, lambda: booth.is_open() or booth.listen_if_open() is not None, self._cut)
        self._booth = booth
        self.said: list[Event] = []

    def _launch(self) -> None:
        for line in (self._booth.reader.pty, self._booth.portal_line):
            line.plug()
        self._booth.launch()

    def _cut(self) -> None:
        self.said += self._booth.cut_down()
        for line in (self._booth.reader.pty, self._booth.portal_line):
            line.unplug()  # what nobody reads is lost on a wire, and would pile up here


def fates(booth: BothEnds) -> tuple[CoreFate, Fate, Fate]:
    def end_link() -> None:
        kill(booth.link)
        # Its word would outlive it, and the next one's first sign of life is its own.
        (booth.folder / "spool" / "in" / "link.json").unlink(missing_ok=True)

    link = Fate(SEED + 1, booth.start_link, lambda: booth.link_word() != "", end_link)
    headquarters = Fate(SEED + 2, booth.launch_headquarters, booth.headquarters_listens, booth.kill_headquarters)
    return CoreFate(SEED, booth), link, headquarters


@pytest.mark.slow
def test_a_hundred_and_fifty_kills_lose_nothing_and_double_nothing(booth: BothEnds) -> None:
    print(f"seeds {SEED}, {SEED + 1}, {SEED + 2}")
    booth.raise_alerts(2)
    all_three = fates(booth)
    core = all_three[0]
    core.said += booth.cut_down()
    booth.kill_link()
    booth.kill_headquarters()
    (booth.folder / "spool" / "in" / "link.json").unlink()
    with travellers(booth) as came, ThreadPoolExecutor(3) as pool:
        for running in [pool.submit(fate.run) for fate in all_three]:
            running.result()
    at_last_kill = booth.arrived()
    print(f"came to life: {[fate.lived for fate in all_three]} of {KILLS}; came: {dict(came)}")
    print(f"at headquarters when all three lay dead: {at_last_kill.entries}, alerts {at_last_kill.view.total}")
    assert min(fate.lived for fate in all_three) > KILLS // 2
    assert max(fate.lived for fate in all_three) < KILLS, "none was killed at its start"

    booth.mend_all()
    said = {alert["id"] for verdict in core.said if verdict["recorded"] is True for alert in verdict["alerts"]}
    kept = booth.check_all_arrived(said)
    calls, mails = booth.calls(), booth.mails()
    print(
        f"{len(kept.alerts)} alerts, {len(said)} of them acknowledged in time to be heard; {len(kept.health)} of health"
    )
    print(f"{len(calls)} told by {calls.total()} calls and {mails.total()} mails")
    assert {alert.kind for alert in kept.alerts} >= {"notice_hit", "listed_document", "radiation_alarm"}
    assert len(said) > KILLS, "the kills came when nothing was being recorded"
    # Of any kind: on a busy machine it is mostly the changes of health that come through between two kills.
    assert at_last_kill.entries > KILLS // 10, "the kills came when nothing was under way"
