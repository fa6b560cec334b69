"""A notice denied to this booth's country, and one denied to another's: link, core and headquarters are processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from failsafe.sync.mirror import Mirror
from tests.story.both_ends import BothEnds, both_ends
from tests.story.conftest import LATE_NOTICE
from tests.story.journey import Event, Journey, await_true

OWN, OTHER = "ZZ", "XQ"  # the booth's country, and another


def notice(number: int, surname: str, *denied: str) -> dict[str, object]:
    restrictions = {"fse": {"restrictions": {"deny_countries": list(denied)}}} if denied else {}
    return {**LATE_NOTICE, "entity_id": f"2026/{number}", "name": surname, **restrictions}


@pytest.fixture(scope="module")
def house(founded: Journey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothEnds]:
    with both_ends(founded, tmp_path_factory.mktemp("restricted")) as made:
        yield made


def supplements(status: Event) -> dict[str, Event]:
    return {name: feed for name, feed in status["mirror"]["feeds"].items() if name != "base"}


def serial(status: Event) -> int:
    return int(status["mirror"]["feeds"]["base"]["serial"])


def files_with(folder: Path, feed: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and feed in str(path.relative_to(folder))]


def published(house: BothEnds) -> set[str]:
    names = (path.name for path in (house.folder / "hq" / "public" / "targets" / "feed").iterdir())
    return {name for name in names if name != "base"}


def held(house: BothEnds) -> set[str]:
    """The restricted notices that the mirror holds, read beside the core."""
    with house.open_mirror() as mirror:
        assert isinstance(mirror, Mirror)
        return {number for number in ("2026/92001", "2026/92002") if mirror.notice(number) is not None}


def test_only_what_this_country_may_read_reaches_the_booth(house: BothEnds) -> None:
    before = serial(house.status())
    house.take_notices([notice(92001, "OURSOV", OTHER), notice(92002, "THEIRSOV", OWN)])
    house.hq("publish")
    status = house.await_status(lambda status: bool(supplements(status)), "its supplement")
    assert serial(status) == before + 1, "base feed and supplement came in one step"
    assert status["mirror"]["state"] == "FRESH" and status["mirror"]["refused"] is None
    (own,) = supplements(status)
    (other,) = published(house) - {own}
    assert supplements(status)[own]["notices"] == 1
    assert held(house) == {"2026/92001"}
    wanted = json.loads((house.folder / "spool" / "out" / "want.json").read_bytes())
    assert wanted["feeds"] == ["base", own]
    for folder in ("spool", "link", "state"):
        assert not files_with(house.folder / folder, other)
    assert files_with(house.folder / "spool", own)


def test_what_is_denied_later_is_gone_from_the_booth(house: BothEnds) -> None:
    (own,) = supplements(house.status())
    house.take_notices([notice(92001, "OURSOV", OTHER, OWN)])
    house.hq("publish")
    house.await_status(lambda status: not supplements(status), "the loss of its supplement")
    assert held(house) == set()
    await_true(lambda: not files_with(house.folder / "spool", own), "a spool without the supplement's files")
    house.take_notices([notice(92001, "OURSOV"), notice(92002, "THEIRSOV")])
    house.hq("publish")
    await_true(lambda: held(house) == {"2026/92001", "2026/92002"}, "the notices of a lifted restriction")
    assert not supplements(house.status())
