"""A headquarters with restricted notices, and booths of several countries whose link and core are called in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from failsafe.agent import keys as booth_keys
from failsafe.agent.person import names
from failsafe.hq import enrol
from failsafe.hq.feeds import publish
from failsafe.hq.feeds.publish import Outcome
from failsafe.hq.feeds.register import Register
from failsafe.sync import intake
from failsafe.sync.errors import (
    Awaited,
    SyncError,
)
from failsafe.sync.feed import Floor
from failsafe.sync.intake import Taken
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import Notice, PersonName, encode
from failsafe.sync.refresh import Fetched, Refresher
from failsafe.sync.reports import FeedState, Want
from failsafe.sync.shape import Entry, Restrictions
from failsafe.sync.spool import Spool
from tests.publishing import Desk, now

NOT_FOR_XB = Restrictions(deny=("XB",))
SECRET = "QUILLFEATHER"


def entry(number: int, restrictions: Restrictions = Restrictions(), surname: str = SECRET) -> Entry:  # noqa: B008
    notice = Notice(entity_id=f"2026/{number}", tier="red", names=(PersonName(surname=surname, given="NOONE"),))
    return Entry(notice, restrictions)


class Hq(Desk):
    """Headquarters with a register of invented notices."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.register = Register.in_file(home / "register.sqlite")

    def put_out(self, *notices: Entry, withdrawn: tuple[str, ...] = (), **options: bool) -> Outcome:
        self.register.take(notices, (), withdrawn)
        return publish.publish(self.register, self.repository, now=now(), **options)

    def supplements(self) -> list[str]:
        return [feed for feed in self.repository.heads("base") if feed != "base"]


class Line:
    """Headquarters' folder as the link sees it; `asked` is every name that was asked for."""

    def __init__(self, public: Spool) -> None:
        self._public = public
        self.asked: list[str] = []

    def get(self, path: str, limit: int, etag: str | None = None) -> Fetched:
        self.asked.append(path)
        return Fetched(self._public.read(path, limit))

    def resume(self, path: str, length: int, file: Path) -> None:
        self.asked.append(path)
        file.write_bytes(self._public.read(path, length))


class Booth:
    """A booth whose link and core are called in turn, with a spool of its own between them."""

    def __init__(self, folder: Path, name: str, country: str, hq: Hq) -> None:
        self.name, self.folder, self.hq = name, folder, hq
        self.enrolment = booth_keys.make(folder / "keys", name, country)
        self.keys = booth_keys.load(folder / "keys")
        enrol.enrol(encode(self.enrolment), hq.register, hq.keys, hq.repository, now=now())
        for sub in ("trust", "in", "link"):
            (folder / sub).mkdir()
        self.spool = Spool(folder / "in")
        self.line = Line(hq.spool)
        self.link = Refresher(self.line, self.spool, folder / "link", hq.root(), name)
        self.supplements: tuple[str, ...] = ()
        self.remembered: dict[str, Floor] = {}

    def mirror(self) -> Mirror:
        return Mirror.open(self.folder / "mirror.db", self.keys.mirror)

    def bring(self) -> None:
        """The link's turn."""
        with self.mirror() as mirror:
            held = mirror.floors()
        states = tuple(FeedState(feed=feed, lineage=at.lineage, serial=at.serial) for feed, at in held.items())
        self.link.refresh(Want(booth=self.name, feeds=("base", *self.supplements), held=states))

    def take(self, spool: Spool | None = None) -> Taken:
        """The core's turn."""
        reader = intake.Reader(self.name, ("base",), self.keys.sealing, self.hq.root(), self.folder / "trust")
        with self.mirror() as mirror:
            taken = intake.take(spool or self.spool, mirror, self.remembered, reader, names.forms)
            mirror.check()
            self.supplements = mirror.portions()["base"].feeds
        self.remembered |= taken.floors
        return taken

    def take_after_bringing(self) -> Taken:
        self.bring()
        return self.take()

    def follow(self) -> None:
        """Link and core in turn, as often as the core says that something is still to be brought."""
        for _ in range(3):
            self.bring()
            try:
                self.take()
            except Awaited as awaited:
                self.supplements = awaited.feeds
            else:
                return
        raise AssertionError("what is awaited never came")

    def holds(self) -> set[str]:
        with self.mirror() as mirror:
            return {line.entity_id for line in mirror.names()}

    def state(self) -> tuple[object, ...]:
        with self.mirror() as mirror:
            mirror.check()
            held = (mirror.floors(), mirror.portions(), mirror.held_metadata(), mirror.signed_at())
            return (*held, list(mirror.names()), mirror.counts())

    def files(self) -> list[str]:
        return self.spool.names()

    def refuses(self, kind: type[SyncError], spool: Spool | None = None) -> SyncError:
        """The refusal of what lies in the spool; everything held is as before."""
        before = self.state()
        with pytest.raises(SyncError) as refusal:
            self.take(spool)
        assert type(refusal.value) is kind, refusal.value
        assert self.state() == before
        return refusal.value


# --- fixtures; whoever imports one has it by its short name ---------------------------------------------------


@pytest.fixture(name="hq")
def headquarters(tmp_path: Path) -> Iterator[Hq]:
    """A new headquarters."""
    made = Hq(tmp_path / "hq")
    yield made
    made.register.close()


@pytest.fixture(name="allowed")
def allowed_booth(tmp_path: Path, hq: Hq) -> Booth:
    """A booth of a country to which nothing here is denied."""
    return Booth(tmp_path / "a", "XA-ONE", "XA", hq)


@pytest.fixture(name="denied")
def denied_booth(tmp_path: Path, hq: Hq) -> Booth:
    """A booth of the country that `NOT_FOR_XB` leaves out."""
    return Booth(tmp_path / "b", "XB-ONE", "XB", hq)
