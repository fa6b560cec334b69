"""A headquarters, and the notices' side of one booth: spool, mirror, and the intake's own thread."""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Iterator
from pathlib import Path

import pytest

from failsafe.agent import config
from failsafe.agent import keys as booth_keys
from failsafe.agent.notices import Edition, News, Notices
from failsafe.hq import enrol
from failsafe.hq.feeds import publish
from failsafe.hq.feeds.register import Register
from failsafe.sync import courier
from failsafe.sync.feed import Floor
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import ListedDocument, Notice, PersonName, encode
from failsafe.sync.shape import Entry
from failsafe.sync.spool import Spool
from tests.publishing import Desk, now

BOOTH = "ZZ-TEST-01"
PATIENCE_S = 60.0
DOCUMENT = ListedDocument(number="ZX0001", issuing_country="GE", document_type="passport", fraud_type="stolen")


def entry(number: int, surname: str = "QUILLFEATHER") -> Entry:
    return Entry(Notice(entity_id=f"2026/{number}", tier="red", names=(PersonName(surname=surname, given="NOONE"),)))


class House:
    """A headquarters, and the notices' side of one booth that is enrolled there."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder / "hq")
        self.register = Register.in_file(folder / "register.sqlite")
        enrolment = booth_keys.make(folder / "keys", BOOTH, "ZZ")
        repository = self.desk.repository
        _, welcome = enrol.enrol(encode(enrolment), self.register, self.desk.keys, repository, now=now())
        self.welcome = folder / f"{BOOTH}.welcome.json"
        self.welcome.write_bytes(enrol.welcome_bytes(welcome))
        self.keys = booth_keys.load(folder / "keys")
        self.state, self.spool = folder / "state", folder / "spool" / "in"
        self.state.mkdir()
        self.spool.mkdir(parents=True)
        self.configuration = config.parse(
            f"""
            booth = {{id = "{BOOTH}", country = "ZZ", crossing_point = "Invented Gate"}}
            hq = {{root_sha256 = "{hashlib.sha256(welcome.root).hexdigest()}"}}
            folders = {{state = "{self.state}", spool = "{folder / "spool"}"}}
            lanes = [{{name = "1"}}]
            """.encode(),
            folder / "booth.toml",
        )
        self.news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self.floors: dict[str, Floor] = {}
        self.running: list[Notices] = []

    @property
    def mirror(self) -> Path:
        return self.state / "mirror.db"

    def put_out(self, *entries: Entry, listed=()) -> None:
        self.register.take(entries, listed)
        publish.publish(self.register, self.desk.repository, now=now())

    def carry(self, welcome: bool = True) -> None:
        """What a technician does with a stick."""
        if welcome:
            courier.import_folder(self.welcome, Spool(self.spool), BOOTH)
        courier.import_folder(self.desk.public, Spool(self.spool), BOOTH)

    def begin(self) -> Edition:
        """Start the notices' side of the booth; the edition it starts with."""
        running = Notices(self.configuration, self.keys, lambda: self.floors, self.news.put)
        self.running.append(running)
        edition = running.load()
        running.watch()
        return edition

    def end(self) -> None:
        while self.running:
            self.running.pop().stop()

    def hear(self) -> News:
        return self.news.get(timeout=PATIENCE_S)

    def open(self) -> Mirror:
        return Mirror.open(self.mirror, self.keys.mirror)


@pytest.fixture(name="house")
def house_of_notices(tmp_path: Path) -> Iterator[House]:
    """Stopped at the end, whatever a test began."""
    made = House(tmp_path)
    yield made
    made.end()
    made.register.close()


def found(edition: Edition, *tokens: str) -> set[str]:
    return {each.name.entity_id for each in edition.index.search(tokens, [])}
