"""One headquarters for all journeys, founded once; each journey goes on from a copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from failsafe.agent import keys
from failsafe.agent.demo.cast import LISTED, PERSONS
from failsafe.sync.records import encode
from tests.story.journey import WINDOWS, Journey

NEIGHBOUR = "ZZ-NORTHGATE-02"
LATE_NOTICE = {
    "entity_id": "2026/91001",
    "notice_type": "GREEN",
    "name": "SECONDOV",
    "forename": "SERIALBEK",
    "date_of_birth": "1981/12/13",
    "nationalities": ["UT"],
    "purposes": ["Warning about a person's criminal activities; possible threat to public safety"],
}


@pytest.fixture(scope="session")
def founded(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Journey:
    """Headquarters with 1,000 invented notices and two booths; ours has taken serial 2 and stands still.

    `old-stick` holds the publication of serial 1, `stick` that of serial 2.
    """
    return Journey.at(made_once("founded-story", _found))


def _found(folder: Path) -> None:
    house = Journey(folder)
    invented = Path(house.folder / "invented.jsonl")
    house.hq("keys", "init")
    house.hq("invent", "1000", "--out", str(invented))
    house.hq("import", str(invented))
    house.take_notices([*PERSONS, *LISTED])
    house.enrol()
    _enrol_neighbour(house)
    house.hq("publish")
    house.hq("courier", "export", str(house.folder / "old-stick"))
    house.take_notices([LATE_NOTICE])
    house.carry()
    try:
        house.start_core()
        house.await_status(lambda status: status["mirror"]["state"] == "FRESH", "fresh notices")
    finally:
        house.put_down()


def _enrol_neighbour(house: Journey) -> None:
    """Another booth of the same headquarters, of which only the enrolment matters."""
    file = house.folder / f"{NEIGHBOUR}.enrol"
    file.write_bytes(encode(keys.make(house.folder / "neighbour-keys", NEIGHBOUR, "ZZ")))
    house.hq("booths", "enrol", str(file), "--out", str(house.folder))


@pytest.fixture(scope="module")
def begin(founded: Journey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Journey]]:
    """Begins a journey; all of a module's journeys are ended with it, also after a failure."""
    begun: list[Journey] = []

    def begin_one(windows=WINDOWS) -> Journey:
        begun.append(Journey.begin(founded, tmp_path_factory.mktemp("journey"), windows))
        return begun[-1]

    yield begin_one
    for journey in begun:
        journey.end()


@pytest.fixture(scope="module")
def running(begin: Callable[..., Journey]) -> Journey:
    """A booth at work: fresh notices of serial 2, reader and portal OK. The module's tests share it."""
    journey = begin()
    journey.plug_in()
    journey.start_core()
    journey.await_ready()
    return journey


@pytest.fixture
def headquarters(founded: Journey, tmp_path: Path) -> Path:
    """A copy of headquarters' folder: what happens to it stays in one test."""
    return shutil.copytree(founded.folder / "hq", tmp_path / "hq")
