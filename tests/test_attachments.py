"""When an alert's measurement is written: with the end of its passage, whatever ends it, and never before its alert."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from failsafe.agent.radiation.attachments import STANDING_S, Attachments, Due
from failsafe.agent.radiation.detector import DetectorSettings
from failsafe.agent.radiation.passage import Passage
from failsafe.agent.radiation.static_monitor import StaticMonitor
from failsafe.drivers import n42_document
from failsafe.drivers.reading import Alarm, Occupancy, Scan
from failsafe.sync.ledger import Ledger
from failsafe.sync.reports import FINDING_ALERTS, Alert, Measurement
from tests.test_post import HIT, INNOCENT, Booth

GONE = Passage("p", 100.0, ended_at=112.0, alarms=frozenset({"gamma"}))
THERE = Passage("p", 100.0, alarms=frozenset({"gamma"}))


def due(attachments: Attachments, passage: Passage | None, now: float, *, stopping: bool = False) -> list[Due]:
    return list(attachments.due(lambda _: passage, now, stopping=stopping))


def test_it_is_due_with_the_end_of_the_passage_and_once() -> None:
    attachments = Attachments()
    attachments.raised("one", [THERE], 105.0)
    attachments.raised("two", [THERE], 106.0)
    assert due(attachments, THERE, 110.0) == []
    assert due(attachments, GONE, 112.0) == [Due(GONE, ("one", "two"), "ended")]
    assert due(attachments, GONE, 113.0) == []


def test_who_stands_in_the_detector_is_not_waited_for_any_longer() -> None:
    attachments = Attachments()
    attachments.raised("one", [THERE], 105.0)
    assert due(attachments, THERE, 105.0 + STANDING_S - 1) == []
    assert due(attachments, THERE, 105.0 + STANDING_S) == [Due(THERE, ("one",), "standing")]
    attachments.raised("two", [THERE], 300.0)
    assert due(attachments, GONE, 301.0) == [Due(GONE, ("two",), "ended")]


def test_a_stopping_booth_writes_what_is_there() -> None:
    attachments = Attachments()
    attachments.raised("one", [THERE], 105.0)
    assert due(attachments, THERE, 106.0, stopping=True) == [Due(THERE, ("one",), "stopped")]


def test_quiet_passages_and_forgotten_ones_have_none() -> None:
    attachments = Attachments()
    attachments.raised("one", [Passage("p", 100.0, ended_at=112.0)], 112.0)
    attachments.raised("two", [GONE], 112.0)
    assert due(attachments, None, 2000.0) == []
    assert due(attachments, GONE, 2001.0) == []


def test_no_record_names_more_alerts_than_it_may() -> None:
    attachments = Attachments()
    for number in range(FINDING_ALERTS + 3):
        attachments.raised(str(number), [GONE], 112.0)
    assert [len(one.alerts) for one in due(attachments, GONE, 113.0)] == [FINDING_ALERTS, 3]


# --- at a lane's post -------------------------------------------------------------------------------------------------


@pytest.fixture
def booth() -> Booth:
    return Booth()


def written(booth: Booth) -> list[Measurement]:
    return [draft.measurement() for draft in booth.shift.attached]


def alarm(booth: Booth) -> None:
    """An innocent lays down a document and raises an alarm in the portal, and is still in it."""
    booth.show(INNOCENT)
    for reading in (
        Occupancy(booth.now, "began"),
        Scan(booth.now, "gamma", (80, 80, 80, 80), 0.2),
        Alarm(booth.now, "gamma", (80, 80, 80, 80)),
    ):
        booth.post.receive("portal-1", reading, booth.now)


def test_an_alarm_is_told_at_once_and_its_measurement_follows_the_passage(booth: Booth) -> None:
    alarm(booth)
    (alert,) = booth.shift.recorded
    assert alert.kind == "radiation_alarm" and booth.shift.attached == []
    booth.post.receive("portal-1", Scan(booth.now + 0.2, "gamma", (70, 70, 70, 70), 0.2), booth.now + 0.2)
    booth.post.receive("portal-1", Occupancy(booth.now + 1.0, "ended"), booth.now + 1.0)
    (measurement,) = written(booth)
    assert measurement.alerts == (alert.id,) and measurement.ends == "ended"
    assert alert.radiation is not None and measurement.radiation.occupancy == alert.radiation.occupancy
    told = n42_document.read(zlib.decompress(measurement.document))
    assert [count.counts for one in told.measurements if one.occupied for count in one.counts] == [80.0] * 4 + [
        70.0
    ] * 4


def test_it_names_nobody(booth: Booth) -> None:
    booth.show(HIT)
    booth.passes("gamma")
    (measurement,) = written(booth)
    assert {alert.kind for alert in booth.shift.recorded} >= {"person_and_radiation"}
    content = zlib.decompress(measurement.document)
    for word in (b"EXAMPLOV", b"TESTIMIR", b"GE1000003", b"2026/99001"):
        assert word not in content and word not in repr(measurement).encode()


def test_a_person_read_after_the_alarm_gets_a_measurement_of_their_alert_too(booth: Booth) -> None:
    booth.passes("gamma")
    booth.wait(1.0)
    booth.show(HIT)
    booth.wait(30.0)
    named = [alert for measurement in written(booth) for alert in measurement.alerts]
    radiological = [alert.id for alert in booth.shift.recorded if alert.kind != "notice_hit"]
    assert sorted(named) == sorted(radiological) and len(radiological) >= 1


def test_a_lost_line_ends_the_passage_and_the_fault_is_said(booth: Booth) -> None:
    alarm(booth)
    booth.post.line("portal-1", False, booth.now + 2.0)
    (measurement,) = written(booth)
    told = n42_document.read(zlib.decompress(measurement.document))
    assert [fault.code for fault in told.faults] == ["LINK_DOWN"] == [measurement.radiation.health]
    assert any(one.occupied for one in told.measurements), "what was there is there"


def test_a_booth_that_stops_meanwhile_says_so(booth: Booth) -> None:
    booth.show(INNOCENT)
    for reading in (Occupancy(booth.now, "began"), Alarm(booth.now, "neutron", (5, 5, 5, 5))):
        booth.post.receive("portal-1", reading, booth.now)
    booth.post.finish(booth.now)
    booth.post.finish(booth.now)
    assert [measurement.ends for measurement in written(booth)] == ["stopped"]


def test_a_quiet_passage_writes_nothing(booth: Booth) -> None:
    booth.show(INNOCENT)
    booth.passes()
    booth.wait(20.0)
    assert booth.shift.attached == []


def test_it_is_recorded_once_behind_its_alert(booth: Booth, tmp_path: Path) -> None:
    """The recorder tries again what failed: the same draft gives the same record, and the ledger takes it once."""
    booth.show(INNOCENT)
    booth.passes("gamma")
    (draft,) = booth.shift.attached
    with Ledger.open(tmp_path / "ledger.db", bytes(32)) as ledger:
        for alert in booth.shift.recorded:
            ledger.append(alert)
        first = ledger.append(draft.measurement())
        assert ledger.append(draft.measurement()) == first
        assert [type(entry.body) for entry in ledger.entries()] == [Alert, Measurement]


def test_on_a_desk_each_of_two_travellers_at_once_has_all_that_was_counted() -> None:
    monitor = StaticMonitor("meter-1", "run", DetectorSettings(kind="static"))
    monitor.line(True, 0.0)
    for second in range(60):
        monitor.receive(Scan(float(second), "gamma", (2,), 1.0), float(second))
    monitor.presented("first", 60.0)
    monitor.receive(Scan(60.5, "gamma", (3,), 1.0), 60.5)
    monitor.presented("second", 61.0)
    monitor.receive(Scan(61.5, "gamma", (4,), 1.0), 61.5)
    first, second_one = (monitor.course(passage.id) for passage in monitor.passages())
    assert first is not None and second_one is not None
    assert [one.counts for one in first.gamma] == [(3,), (4,)]
    assert [one.counts for one in second_one.gamma] == [(4,)]
