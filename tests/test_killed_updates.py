"""kill -9 of core and link at random moments of many updates: real processes, and nobody who lends a hand.

Each update replaces a pair of namesakes by another pair. Whoever asks for the name is told of one whole pair, or that
nobody can be cleared: a single one, or one of two pairs, would be a verdict from a half-applied list.
FAILSAFE_KILLS=200 is the night's size; `pytest -s` shows in which step of an update the kills fell.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from failsafe.agent import notices
from failsafe.agent.booth import Booth
from failsafe.agent.keys import BoothKeys
from failsafe.agent.tables import Configuration
from failsafe.sync import trust
from failsafe.sync.errors import Malformed, Missing, SyncError
from failsafe.sync.ledger import Ledger
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import METADATA_FOLDER, TARGETS_FOLDER
from failsafe.sync.refresh import Fetched, Refresher
from failsafe.sync.reports import WANT_FILE, Want
from failsafe.sync.spool import Spool
from tests.attacked import BOOTH, Attacked
from tests.far_hq import FEED, NAMESAKE, TIMESTAMP, FarHq, lay, notice

KILLS = int(os.environ.get("FAILSAFE_KILLS", "25"))
SEED = 20261122
PATIENCE_S = 60.0
SOUGHT = 7
OTHERS = range(100, 160)
PROCESSES = multiprocessing.get_context("forkserver")


def pair(serial: int) -> tuple[int, int]:
    """The numbers of the two namesakes of a step."""
    return 2 * serial * NAMESAKE + SOUGHT, (2 * serial + 1) * NAMESAKE + SOUGHT


# --- the two processes ---------------------------------------------------------------------------------------------


def core(configuration: Configuration, keys: BoothKeys, heard: Path) -> None:
    """The booth's core; asks itself for the pair without end and writes down what it is told."""
    notices.LOOK_EVERY_S, notices.TRY_AGAIN_S = 0.02, 0.5  # type: ignore[misc]  # many updates are to fit into a test
    booth = Booth(configuration, keys)
    booth.start()
    sought = notice(SOUGHT)
    person = {"surname": sought.names[0].surname, "given_names": sought.names[0].given, "sex": "M"}
    person |= {"id": "1", "birth_date": sought.births[0]}
    with heard.open("ab", buffering=0) as out:
        while True:
            answer = booth.screen(person)
            if "verdict" in answer:
                found = sorted(one["entity_id"] for one in answer["candidates"])
                serial = booth.status()["mirror"]["feeds"].get(FEED, {}).get("serial", 0)
                out.write(json.dumps([serial, answer["verdict"], found]).encode() + b"\n")
            time.sleep(0.002)


class Folder:
    """Headquarters' public folder as a `refresh.Source`."""

    def __init__(self, public: Path) -> None:
        self._spool = Spool(public)

    def get(self, path: str, limit: int, etag: str | None = None) -> Fetched:
        return Fetched(self._spool.read(path, limit))

    def resume(self, path: str, length: int, file: Path) -> None:
        """In small pieces, as a line brings them."""
        begun = file.stat().st_size if file.exists() else 0
        with file.open("ab") as out:
            content = self._spool.read(path, length)
            for at in range(begun, length, 256):
                out.write(content[at : at + 256])
                out.flush()


def link(public: Path, spool: Path, state: Path, root: bytes) -> None:
    """The link's refresh, again and again, for what the core says it wants."""
    refresher = Refresher(Folder(public), Spool(spool / "in"), state, root, BOOTH)
    out = Spool(spool / "out")
    while True:
        with suppress(SyncError):  # the core has not said anything yet, or a file was taken away while it was fetched
            refresher.refresh(msgspec.json.decode(out.read(WANT_FILE, 1 << 16), type=Want))
        time.sleep(0.005)


class Pair:
    """Core and link, each of which may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.hq = FarHq()
        self.attacked = Attacked(folder / "booth", self.hq)
        self.public, self.state, self.heard = folder / "public", folder / "link", folder / "heard"
        for made in (self.public, self.state):
            made.mkdir()
        self.running: dict[str, Any] = {}

    def start(self, name: str) -> None:
        """Start `core` or `link`."""
        booth = self.attacked
        arguments = {
            "core": (core, (booth.configuration, booth.keys, self.heard)),
            "link": (link, (self.public, booth.spool.root.parent, self.state, booth.welcome.root)),
        }[name]
        process = PROCESSES.Process(target=arguments[0], args=arguments[1], daemon=True)
        process.start()
        self.running[name] = process

    def kill(self, name: str) -> None:
        """As a power cut ends it."""
        process = self.running.pop(name)
        process.kill()
        process.join()

    def told(self) -> list[tuple[int, str, list[str]]]:
        """Every whole answer so far; the last line of a killed core may be a part."""
        lines = self.heard.read_bytes().splitlines(keepends=True) if self.heard.exists() else []
        return [tuple(json.loads(line)) for line in lines if line.endswith(b"]\n") and line.startswith(b"[")]

    def await_told(self, holds: Callable[[tuple[int, str, list[str]]], bool]) -> None:
        """Wait until the core gives such an answer."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            assert all(process.is_alive() for process in self.running.values()), "ended by itself"
            if any(holds(one) for one in self.told()[-20:]):
                return
            time.sleep(0.02)
        raise AssertionError(f"not told within {PATIENCE_S} s; last was {self.told()[-1:]}")

    def await_next_word(self) -> None:
        """Wait until the core gives another answer: it has started, and looks into its spool."""
        before = self.heard.stat().st_size
        until = time.monotonic() + PATIENCE_S
        while self.heard.stat().st_size == before:
            assert time.monotonic() < until, "the core says nothing"
            time.sleep(0.01)


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Pair]:
    PROCESSES.set_forkserver_preload(["tests.test_killed_updates"])
    both = Pair(tmp_path)
    yield both
    for name in list(both.running):
        both.kill(name)


# --- what must hold ------------------------------------------------------------------------------------------------


def test_updates_go_on_through_every_kill(both: Pair, tmp_path: Path):
    chance = random.Random(SEED)
    publish(both)
    for name in ("link", "core"):
        both.start(name)
    both.await_told(lambda told: told[0] == 1 and bool(told[2]))
    newest, killed, fell = 0, {"core": 0, "link": 0}, Counter[str]()
    for kill in range(KILLS):
        publish(both)
        if chance.random() < 0.6:  # else it may be killed while it starts, on a busy machine for ever
            both.await_next_word()
        time.sleep(chance.random() * 0.25)  # which moment it is does not matter, only that there are many
        victims = chance.choice([("core",), ("core",), ("link",), ("core", "link")])
        for name in victims:
            both.kill(name)
            killed[name] += 1
            fell[f"{name} {where_it_fell(both, name)}"] += 1
        if "link" in victims:
            spool_is_whole(both, tmp_path)
        if "core" in victims:
            newest = kept_is_whole(both, newest)
        for name in victims:
            both.start(name)
        if kill % 5 == 4:  # now and then it is left to come to rest, else nothing is ever applied
            last = both.hq.head.serial if both.hq.head else 0
            both.await_told(lambda told, last=last: told[0] == last)
    last = both.hq.head.serial if both.hq.head else 0
    both.await_told(lambda told: told[0] == last and bool(told[2]))
    wholly_told(both.told())
    print(f"{KILLS} kills with seed {SEED}: {dict(fell.most_common())}")
    assert killed["core"] > KILLS // 3 and killed["link"] > KILLS // 10
    amid = fell.total() - sum(fell[f"{name} between two updates"] for name in killed)
    assert amid > KILLS // 10, fell
    both.kill("core")
    assert kept_is_whole(both, newest) == last


def publish(both: Pair) -> None:
    """The next pair of namesakes in place of the last."""
    hq = both.hq
    if hq.head is None:
        hq.put_out(*OTHERS, *pair(1))
    else:
        hq.put_out(*pair(hq.head.serial + 1), withdrawn=pair(hq.head.serial))
    lay(Spool(both.public), hq.files(), instead=False)


def wholly_told(told: list[tuple[int, str, list[str]]]) -> None:
    """Every answer was of one whole pair, or cleared nobody."""
    pairs = {tuple(sorted(f"2026/{number}" for number in pair(serial))): serial for serial in range(1, KILLS + 2)}
    for _, word, found in told:
        assert word in ("STOP", "CHECK") if tuple(found) in pairs else (word, found) == ("CANNOT CLEAR", []), (
            word,
            found,
        )
    assert len({tuple(found) for _, _, found in told}) > KILLS // 5, "the kills came before anything was applied"


def where_it_fell(both: Pair, name: str) -> str:
    """In which step of an update a kill fell, by what lies on the disk before anybody mends it."""
    booth, newest = both.attacked, both.hq.head.serial if both.hq.head else 0
    if name == "link":
        if list(booth.spool.root.rglob("*.part")):
            return "while a file was put in place"
        if any((both.state / "partial").glob("*")):
            return "with payloads fetched and not in place"
        return "between two updates" if brought(both) == newest else "before a new publication was whole"
    if list((booth.state / "trust").glob("trust-*")):
        return "while it verified"
    with suppress(SyncError), Mirror.open(booth.state / "mirror.db", booth.keys.mirror) as mirror:
        held = mirror.floors()[FEED].serial if mirror.floors() else 0
        with Ledger.open(booth.state / "ledger.db", booth.keys.ledger) as ledger:
            noted = ledger.floors()[FEED].serial if ledger.floors() else 0
        if noted < held:
            return "with a step taken and not yet noted in the ledger"
        return "between two updates" if held >= brought(both) else "with a publication in the spool and not yet taken"
    return "before there was a mirror"


def brought(both: Pair) -> int:
    """The newest step whose head lies in the spool."""
    heads = (json.loads(file.read_bytes())["serial"] for file in both.attacked.spool.root.rglob("*.head.json"))
    return max(heads, default=0)


def kept_is_whole(both: Pair, newest: int) -> int:
    """Mirror and ledger as a killed core left them: a whole step, no older than the last; its serial."""
    booth = both.attacked
    with Mirror.open(booth.state / "mirror.db", booth.keys.mirror) as mirror:
        mirror.check()
        floors = mirror.floors()
        serial = floors[FEED].serial if floors else 0
        expected = {f"2026/{number}" for number in (*OTHERS, *pair(serial))} if serial else set()
        assert {line.entity_id for line in mirror.names()} == expected
        assert all(mirror.notice(entity_id) is not None for entity_id in expected)
    with Ledger.open(booth.state / "ledger.db", booth.keys.ledger) as ledger:
        ledger.check()
        noted = ledger.floors()
    assert (noted[FEED].serial if noted else 0) <= serial
    assert serial >= newest
    return serial


def spool_is_whole(both: Pair, folder: Path) -> None:
    """What a killed link left: every file that has a name is whole, and the timestamp's publication is complete."""
    spool = both.attacked.spool
    for name in spool.names(f"{TARGETS_FOLDER}/"):
        content = spool.read(name, 1 << 20)
        assert name.rpartition("/")[2].partition(".")[0] == hashlib.sha256(content).hexdigest()
    for name in spool.names(f"{METADATA_FOLDER}/"):
        assert json.loads(spool.read(name, 1 << 20))["signatures"]
    if not spool.holds(TIMESTAMP):
        return
    workplace = folder / "workplace"
    workplace.mkdir(exist_ok=True)
    found = trust.read_publication(spool, {}, both.attacked.welcome.root, workplace)
    head = found.heads[FEED]
    with suppress(Missing, Malformed):  # a delta that nobody needs is not brought
        found.payload(head.snapshot)
