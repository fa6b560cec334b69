"""The duty log, on a real desk with real envelopes: what rings, what stops ringing, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from failsafe.hq.ccc.view import Acknowledgement
from failsafe.hq.desk import duty, tables
from failsafe.hq.desk.desk import Desk
from failsafe.hq.desk.tables import DeskFault
from tests import publishing, sending
from tests.sending import AT

STAMP = "2026-11-21T12:00:00Z"


@pytest.fixture
def hq(tmp_path: Path) -> publishing.Desk:
    return publishing.Desk(tmp_path / "hq")


@pytest.fixture
def booth(hq: publishing.Desk, tmp_path: Path) -> sending.Booth:
    return sending.Booth(hq, tmp_path / "keys")


@pytest.fixture
def desk(hq: publishing.Desk, booth: sending.Booth) -> Iterator[Desk]:
    desk = sending.open_desk(hq)
    yield desk
    desk.close()


def raised(desk: Desk, booth: sending.Booth, *urgent: bool) -> None:
    desk.take([booth.seal(booth.alert(urgent=one)) for one in urgent], AT)


def ringing(desk: Desk) -> list[int]:
    return [line.number for line in desk.list(1, "").waiting]


def test_only_urgent_alerts_ring_newest_first_whatever_is_shown(desk: Desk, booth: sending.Booth) -> None:
    raised(desk, booth, True, False, True)
    found = desk.list(1, "nobody of this name")
    assert found.alerts == ()
    assert [line.number for line in found.waiting] == [3, 1]
    assert found.waiting_total == 2


def test_an_acknowledged_alert_says_by_whom_and_when_and_rings_no_more(desk: Desk, booth: sending.Booth) -> None:
    raised(desk, booth, True, True)
    before = desk.number
    assert desk.acknowledge([1], "Invented Officer") == 1
    assert desk.number > before  # every screen is woken
    assert ringing(desk) == [2]
    seen = {line.number: line.acknowledged for line in desk.list(10, "").alerts}
    assert seen == {1: Acknowledgement(officer="Invented Officer", at=STAMP), 2: None}


def test_the_first_word_stands(desk: Desk, booth: sending.Booth) -> None:
    raised(desk, booth, True)
    desk.acknowledge([1], "First")
    before = desk.number
    assert desk.acknowledge([1, 1], "Second") == 0
    assert desk.number == before
    (line,) = desk.list(10, "").alerts
    assert line.acknowledged is not None and line.acknowledged.officer == "First"


def test_what_is_not_there_or_not_urgent_is_passed_over(desk: Desk, booth: sending.Booth) -> None:
    raised(desk, booth, False, True)
    assert desk.acknowledge([1, 2, 77], "Invented Officer") == 1
    lines = {line.number: line for line in desk.list(10, "").alerts}
    assert lines[1].acknowledged is None
    raised(desk, booth, True)  # takes the next number: what was said of a number that was not there holds for nobody
    assert ringing(desk) == [3]


def test_a_booth_cannot_choose_an_id_that_was_acknowledged(
    hq: publishing.Desk, desk: Desk, booth: sending.Booth, tmp_path: Path
) -> None:
    raised(desk, booth, True)
    desk.acknowledge([1], "Invented Officer")
    other = sending.Booth(hq, tmp_path / "keys", "ZZ-TWO")
    same_id = other.alert(urgent=True, id=booth.entries[0].body.id)
    desk.take([other.seal(same_id)], AT)
    assert ringing(desk) == [2]


def test_word_is_kept_and_given_back_when_the_desk_opens_again(hq: publishing.Desk, booth: sending.Booth) -> None:
    desk = sending.open_desk(hq)
    raised(desk, booth, True)
    desk.acknowledge([1], "Дежурный")
    desk.close()
    again = sending.open_desk(hq)
    assert ringing(again) == []
    (line,) = again.list(10, "").alerts
    assert line.acknowledged == Acknowledgement(officer="Дежурный", at=STAMP)
    again.close()


def test_a_database_without_the_log_gets_it(hq: publishing.Desk, booth: sending.Booth) -> None:
    desk = sending.open_desk(hq)
    raised(desk, booth, True)
    desk.close()
    engine = tables.open_file(hq.home / tables.DESK_FILE)
    duty.ACKNOWLEDGEMENTS.drop(engine)
    engine.dispose()
    again = sending.open_desk(hq)
    assert ringing(again) == [1]
    again.close()


def test_older_ones_come_up_when_the_newest_are_acknowledged(
    desk: Desk, booth: sending.Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duty, "WATCHED", 2)
    raised(desk, booth, True, True, True)
    found = desk.list(10, "")
    assert ([line.number for line in found.waiting], found.waiting_total) == ([3, 2], 3)
    desk.acknowledge([3, 2], "Invented Officer")
    assert ringing(desk) == [1]


def test_a_desk_that_cannot_write_says_so(hq: publishing.Desk, desk: Desk, booth: sending.Booth) -> None:
    raised(desk, booth, True)
    engine = tables.open_file(hq.home / tables.DESK_FILE)
    duty.ACKNOWLEDGEMENTS.drop(engine)
    engine.dispose()
    with pytest.raises(DeskFault) as caught:
        desk.acknowledge([1], "Invented Officer")
    assert "Invented" not in str(caught.value)
