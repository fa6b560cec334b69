"""Restricted notices over the real link and TLS: what the server is asked for, and what its log could tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from failsafe.agent.person import names
from failsafe.hq.feeds import publish
from failsafe.hq.feeds.register import Register
from failsafe.sync import intake
from failsafe.sync.errors import Awaited, SyncError
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import Notice, PersonName, encode
from failsafe.sync.reports import FeedState, Want
from failsafe.sync.rounds import Link
from failsafe.sync.shape import Entry, Restrictions
from tests.far_end import FarEnd
from tests.publishing import now
from tests.sending import REGISTER_FILE

PATIENCE_S = 60.0


def entry(number: int, *denied: str) -> Entry:
    notice = Notice(entity_id=f"2026/{number}", tier="red", names=(PersonName(surname="QUILLFEATHER"),))
    return Entry(notice, Restrictions(deny=denied))


class Core:
    """The booth's core between the link's two folders."""

    def __init__(self, far: FarEnd) -> None:
        self._far = far
        self._path = far.folder / "mirror.db"
        self._workplace = far.folder / "trust"
        self._workplace.mkdir()

    def take(self) -> bool:
        """One look into the spool, and what is wanted from now on; whether everything that is ours is held."""
        keys = self._far.booth.keys
        reader = intake.Reader(self._far.booth.name, ("base",), keys.sealing, self._far.hq.root(), self._workplace)
        with Mirror.open(self._path, keys.mirror) as mirror:
            try:
                intake.take(self._far.spool_in, mirror, {}, reader, names.forms)
                own = mirror.portions()["base"].feeds
            except Awaited as awaited:
                own = awaited.feeds
            except SyncError:  # the link has not brought a first publication
                return False
            floors = mirror.floors()
        states = tuple(FeedState(feed=feed, lineage=at.lineage, serial=at.serial) for feed, at in floors.items())
        self._far.out.write("want.json", encode(Want(booth=self._far.booth.name, feeds=("base", *own), held=states)))
        return set(own) < floors.keys()

    def holds(self) -> set[str]:
        with Mirror.open(self._path, self._far.booth.keys.mirror) as mirror:
            mirror.check()
            return {line.entity_id for line in mirror.names()}


@pytest.fixture
def far(tmp_path: Path) -> FarEnd:
    made = FarEnd(tmp_path, serial=0)
    made.hq.spool.remove("keys/base/1/ZZ-ONE")  # the one that stands for it where nothing is sealed
    return made


def put_out(far: FarEnd, *notices: Entry) -> None:
    register = Register.in_file(far.hq.home / REGISTER_FILE)
    register.take(notices)
    publish.publish(register, far.hq.repository, now=now())
    register.close()


def linked(far: FarEnd, holds: Callable[[], bool]) -> None:
    """Run the link until something is so."""

    async def run() -> None:
        with far.served() as url:
            working = asyncio.create_task(Link(far.settings(url, refresh_every_s=5.0)).work())
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while not await asyncio.to_thread(holds):
                        assert not working.done()
                        await asyncio.sleep(0.02)
            finally:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)

    asyncio.run(run())


def test_the_server_is_asked_for_what_is_ours_and_nothing_else(far: FarEnd) -> None:
    put_out(far, entry(1), entry(2, "XQ"), entry(3, "ZZ"))
    core = Core(far)
    linked(far, core.take)
    assert core.holds() == {"2026/1", "2026/2"}
    supplements = {feed for feed in far.hq.repository.heads("base") if feed != "base"}
    asked = {feed for feed in supplements if any(feed in path for path in far.paths())}
    assert len(supplements) == 2 and len(asked) == 1
    (other,) = supplements - asked
    assert not [path for path in far.folder.joinpath("spool").rglob("*") if other in str(path)]
    assert not [path for path in far.folder.joinpath("link").rglob("*") if other in path.name]
    assert {path for path in far.paths() if path.startswith("/keys/")} == {"/keys/base/1/ZZ-ONE"}
    first = next(at for at, path in enumerate(far.paths()) if next(iter(asked)) in path)
    assert any(path.endswith(".roll") for path in far.paths()[:first]), "before the roll was read nobody knew of it"


def test_a_restriction_that_changes_reaches_the_server_only_as_another_feed(far: FarEnd) -> None:
    core = Core(far)
    put_out(far, entry(1), entry(2, "XQ"))
    linked(far, core.take)
    far.requests.clear()
    put_out(far, entry(2, "XQ", "ZZ"))
    linked(far, lambda: core.take() and core.holds() == {"2026/1"})
    supplements = {feed for feed in far.hq.repository.heads("base") if feed != "base"}
    assert len(supplements) == 1
    assert not any(feed in path for feed in supplements for path in far.paths())


def test_the_server_gives_a_supplement_to_nobody_else_who_asks(far: FarEnd) -> None:
    """It is sealed; but a booth that was changed by somebody need not have it to try keys on."""
    put_out(far, entry(1), entry(2, "XQ"), entry(3, "ZZ"))
    files = [name for name in far.hq.spool.names("targets/feed/") if "/base/" not in name]
    assert len(files) == 4
    with far.served() as url, far.booth.line(url) as client:
        answers = {name: client.get(f"/{name}").status_code for name in files}
        heads = {name: client.head(f"/{name}").status_code for name in files}
    assert sorted(answers.values()) == [200, 200, 404, 404] and answers == heads
    given = {name.split("/")[2] for name, status in answers.items() if status == 200}
    register = Register.in_file(far.hq.home / REGISTER_FILE)
    assert given.isdisjoint(register.strange_supplements("ZZ")) and len(given) == 1
    register.move("ZZ-ONE", "XQ")
    register.close()
    with far.served() as url, far.booth.line(url) as client:
        assert {client.get(f"/{name}").status_code for name in files if name.split("/")[2] in given} == {404}
