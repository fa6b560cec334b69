"""Passages written as N42.42 documents: of the schema, and read by others and by ourselves as they were counted."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.agent.radiation import n42_record
from failsafe.agent.radiation.course import Course, Courses, Instrument, Interval, Level, Told
from failsafe.agent.radiation.detector import DetectorSettings, LaneMonitor
from failsafe.agent.radiation.n42_record import Recorded
from failsafe.agent.radiation.own_alarm import OwnAlarm
from failsafe.agent.radiation.passage import Passage, advice
from failsafe.drivers import n42, n42_document, tsa
from failsafe.drivers.reading import (
    Alarm,
    Background,
    Channel,
    Dose,
    Identification,
    Occupancy,
    Rate,
    Reading,
    Scan,
)
from failsafe.sync.reports import MEASUREMENT_LENGTH
from tests.n42_readers import Read, specutils, violations

ID = "01900000-0000-7000-8000-000000000001"
WALL = 1_795_000_000.0  # UTC seconds at monotonic zero
TSA = Instrument("tsa", tsa.DRIVER.makes, "0.1.0")
CAPTURES = ("S2-C3-NORM2", "S2-C0-NONE")


def recorded(course: Course, **more: object) -> Recorded:
    given: dict[str, object] = {"own": (), "health": "OK", **more}
    return Recorded(ID, "portal-1", TSA, course, wall_less_monotonic_s=WALL, **given)  # type: ignore[arg-type]


def of_passage(monitor: LaneMonitor, passage: Passage, wall: float = WALL) -> Recorded:
    course = monitor.course(passage.id)
    assert course is not None
    return Recorded(ID, monitor.detector, TSA, course, passage.own, passage.health, wall, advice=advice(passage.health))


def counted(readings: Sequence[Reading]) -> Course:
    """The course of one passage of these readings, without a detector's judgement."""
    courses = Courses()
    for reading in readings:
        courses.receive(reading, "one")
    course = courses.course("one")
    assert course is not None
    return course


def passages(shared: Path, name: str) -> Iterator[tuple[LaneMonitor, Passage]]:
    """Each passage of a capture, when it has just ended."""
    monitor = LaneMonitor("portal-1", "run", DetectorSettings(nsigma=4.0, instrument=TSA))
    decoder, now = tsa.DRIVER.decoder(), 0.0
    told: set[str] = set()
    for line in (shared / "data" / "rpm" / f"{name}.csv").read_bytes().splitlines(keepends=True):
        stamp = tsa.stamp_of(line, now)
        now = now if stamp is None else stamp
        for reading in decoder.receive(tsa.strip_stamp(line), now):
            monitor.receive(reading, now)
            for passage in monitor.passages():
                if passage.ended_at is not None and passage.id not in told:
                    told.add(passage.id)
                    yield monitor, passage


# --- the captures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "alarms"), [("S2-C3-NORM2", 25), ("S2-C0-NONE", 0)])
def test_every_alarm_of_the_captures_is_valid_and_read_back_as_it_was_counted(
    shared: Path, tmp_path: Path, name: str, alarms: int
) -> None:
    seen = 0
    for monitor, passage in passages(shared, name):
        if not passage.alarms:
            continue
        seen += 1
        of = of_passage(monitor, passage, wall=0.0)
        content, packed, summed = n42_record.fitting(of)
        assert violations(shared, content) == []
        assert summed == 1 and len(packed) < 8_000 and zlib.decompress(packed) == content
        _check_read_back(content, of.course, tmp_path / "passage.n42")
        assert ("Tests of the booth" in content.decode()) == bool(passage.own)
    assert seen == alarms


@pytest.mark.parametrize("name", CAPTURES)
def test_a_quiet_passage_could_be_written_too(shared: Path, tmp_path: Path, name: str) -> None:
    monitor, passage = next(passages(shared, name))
    of = of_passage(monitor, passage, wall=0.0)
    assert violations(shared, n42_record.document(of)) == []
    _check_read_back(n42_record.document(of), of.course, tmp_path / "passage.n42")


def _check_read_back(content: bytes, course: Course, path: Path) -> None:
    """SpecUtils and our own reader find the counts, live times and occupancy of every interval and panel."""
    wanted = [
        Read(f"{channel}{panel}", counts, one.live_s, True)
        for channel, strip in (("gamma", course.gamma), ("neutron", course.neutron))
        for one in strip
        for panel, counts in enumerate(one.counts, start=1)
    ]
    path.write_bytes(content)
    occupied = [one for one in specutils(path) if one.occupied]
    assert [(one.detector, one.counts) for one in occupied] == [(one.detector, one.counts) for one in wanted]
    assert [one.live_s for one in occupied] == pytest.approx([one.live_s for one in wanted], abs=1e-6)
    ours = [
        Read(count.detector, count.counts, count.live_s or 0.0, True)
        for one in n42_document.read(content).measurements
        if one.occupied
        for count in one.counts
    ]
    assert [(one.detector, one.counts) for one in ours] == [(one.detector, one.counts) for one in wanted]
    assert [one.live_s for one in ours] == pytest.approx([one.live_s for one in wanted], abs=1e-6)


def test_our_own_driver_finds_scans_backgrounds_occupancy_and_alarms(shared: Path) -> None:
    monitor, passage = next(one for one in passages(shared, "S2-C3-NORM2") if one[1].alarms)
    of = of_passage(monitor, passage)
    readings = n42.DRIVER.decoder().receive(n42_record.document(of), 1e6)
    scans = [one for one in readings if isinstance(one, Scan)]
    for channel, strip in (("gamma", of.course.gamma), ("neutron", of.course.neutron)):
        assert [one.counts for one in scans if one.channel == channel] == [one.counts for one in strip]
    assert {one.channel for one in readings if isinstance(one, Alarm)} == passage.alarms
    assert {one.channel for one in readings if isinstance(one, Background)} == {"gamma", "neutron"}
    assert [one.phase for one in readings if isinstance(one, Occupancy)][:1] == ["began"]


# --- simulated ------------------------------------------------------------------------------------------------------

NEUTRONS = (
    Background(0.0, "gamma", (380.0, 380.5, 379.0, 381.0)),
    Background(0.0, "neutron", (1.25, 0.75, 1.0, 0.5)),
    Occupancy(10.0, "began"),
    *(Scan(10.0 + 0.2 * place, "gamma", (76, 75, 77, 74), 0.2) for place in range(1, 31)),
    *(Scan(10.0 + place, "neutron", (9, 8, 10, 7), 1.0) for place in range(1, 7)),
    Alarm(12.0, "neutron", (9, 8, 10, 7)),
    Alarm(13.0, "neutron", (9, 8, 10, 7)),
    Occupancy(16.0, "ended"),
)
OWN = OwnAlarm(12.0, "neutron", "windows", 7.25, 5.5, (1, 3))
# A device on a desk: it tells a dose rate, identifies, and knows no panels.
STATIC = (
    *(Dose(float(second), 120.0 + 900.0 * (second == 4)) for second in range(8)),
    Rate(4.0, "gamma", 55.5, 10.0),
    Identification(5.0, "I-131", 9.0, "Medical"),
    Identification(6.0, "U-235", None, ""),
    Alarm(5.0, "gamma", ()),
)


@pytest.mark.parametrize(
    ("readings", "more"),
    [
        (NEUTRONS, {"own": (OWN,)}),
        (NEUTRONS, {"health": "LINK_DOWN", "advice": advice("LINK_DOWN"), "ends": "ended"}),
        (NEUTRONS[:20], {"ends": "standing"}),
        (NEUTRONS[:3], {"ends": "stopped"}),
        (STATIC, {"portal": False}),
        (STATIC, {"portal": False, "own": (OwnAlarm(4.0, "gamma", "dose", 3.0, 2.0, ()),), "health": "UNCALIBRATED"}),
        ((Alarm(5.0, "gamma", (1, 2)),), {}),
    ],
    ids=["neutrons", "line lost", "standing", "stopped", "static", "static, own", "an alarm alone"],
)
def test_simulated_alarms_are_valid(shared: Path, readings: Sequence[Reading], more: dict[str, object]) -> None:
    content = n42_record.document(recorded(counted(readings), **more))
    assert violations(shared, content) == []
    assert n42_document.read(content).model == "driver tsa"


def test_neutrons_are_read_back_by_others(shared: Path, tmp_path: Path) -> None:
    course = counted(NEUTRONS)
    _check_read_back(n42_record.document(recorded(course)), course, tmp_path / "neutrons.n42")


def test_the_devices_alarm_and_the_booths_stand_apart_with_strength_and_threshold() -> None:
    text = n42_record.document(recorded(counted(NEUTRONS), own=(OWN,))).decode()
    device, booth = text.split("<AnalysisResults>")[1:]
    assert "The detector itself" in device and "on 2 of its intervals" in device
    assert "Fail Safe Edge" in booth and "Own test windows: strength 7.25, threshold 5.5." in booth
    assert 'radDetectorInformationReferences="neutron1 neutron2 neutron3 neutron4"' in device
    assert 'radDetectorInformationReferences="neutron1 neutron3"' in booth


def test_what_a_detector_told_of_a_source_is_there() -> None:
    read = n42_document.read(n42_record.document(recorded(counted(STATIC), portal=False)))
    assert [(one.name, one.confidence, one.category) for one in read.nuclides] == [
        ("I-131", 9.0, "Medical"),
        ("U-235", None, ""),
    ]
    assert max(dose for one in read.measurements for dose in one.doses_nsv_h) == pytest.approx(1020.0)
    assert (
        "Highest mean gamma rate that the detector told: 55.5"
        in n42_record.document(recorded(counted(STATIC))).decode()
    )


@pytest.mark.parametrize(("health", "severity"), [("LINK_DOWN", "Error"), ("UNCALIBRATED", "Warning")])
def test_a_detector_that_was_not_well_is_a_fault(health: str, severity: str) -> None:
    content = n42_record.document(recorded(counted(NEUTRONS), health=health, advice="Look at it."))
    assert [(one.code, one.description, one.severity) for one in n42_document.read(content).faults] == [
        (health, "Look at it.", severity)
    ]
    assert n42_document.read(n42_record.document(recorded(counted(NEUTRONS)))).faults == ()


def test_moments_are_utc_and_follow_the_wall_clock() -> None:
    text = n42_record.document(recorded(counted(NEUTRONS))).decode()
    assert "<StartDateTime>2026-11-18T11:06:50.000Z</StartDateTime>" in text  # monotonic 10.0
    assert "<RadAlarmDateTime>2026-11-18T11:06:52.000Z</RadAlarmDateTime>" in text


def test_a_passage_of_hours_is_coarsened_and_no_count_is_lost(shared: Path) -> None:
    courses, total = Courses(), 0
    for place in range(5 * 3600 * 2):  # two hours
        counts = tuple((place * 7919 + panel * 104_729) % 997 for panel in range(4))
        total += sum(counts)
        courses.receive(Scan(10.0 + 0.2 * place, "gamma", counts, 0.2), "long")
    course = courses.course("long")
    assert course is not None and len(course.gamma) < 600 and course.summed == 64
    content, packed, summed = n42_record.fitting(recorded(course))
    assert len(packed) <= MEASUREMENT_LENGTH and summed >= 64
    assert violations(shared, content) == []
    told = n42_document.read(content)
    assert sum(count.counts for one in told.measurements for count in one.counts) == total
    assert sum(one.counts[0].live_s or 0.0 for one in told.measurements) == pytest.approx(7200.0)
    assert f"{summed} intervals of the detector are one here" in content.decode()


def test_a_limit_is_kept_and_the_coarsest_is_written_all_the_same() -> None:
    course = counted(NEUTRONS)
    for limit in (4000, 1500, 1):
        _, packed, summed = n42_record.fitting(recorded(course), limit)
        assert len(packed) <= limit or limit == 1
        assert summed > 1 or len(packed) <= limit


# --- whatever comes -------------------------------------------------------------------------------------------------

ODD_TEXT = st.text(st.characters(), max_size=40)
ODD_NUMBER = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 1e300, 5e-324])
TIME = st.floats(-1e6, 1e6)
COUNTS = st.lists(st.integers(-5, 10**12), max_size=8).map(tuple)
CHANNEL: st.SearchStrategy[Channel] = st.sampled_from(["gamma", "neutron"])
READINGS = st.lists(
    st.builds(Scan, TIME, CHANNEL, COUNTS, st.floats(0, 100))
    | st.builds(Background, TIME, CHANNEL, st.lists(ODD_NUMBER, max_size=6).map(tuple))
    | st.builds(Dose, TIME, ODD_NUMBER)
    | st.builds(Rate, TIME, CHANNEL, ODD_NUMBER)
    | st.builds(Identification, TIME, ODD_TEXT, st.none() | ODD_NUMBER, ODD_TEXT)
    | st.builds(Alarm, TIME, CHANNEL, COUNTS),
    min_size=1,
    max_size=30,
)
OWNS = st.lists(
    st.builds(OwnAlarm, TIME, CHANNEL, ODD_TEXT, ODD_NUMBER, ODD_NUMBER, st.lists(st.integers(-2, 99)).map(tuple)),
    max_size=4,
)


FIGURES = re.compile(rb"<(?:ChannelData|CountData|DoseRateValue|NuclideIDConfidenceValue)>([^<]*)<")


@settings(max_examples=150, deadline=None)
@given(readings=READINGS, own=OWNS, name=ODD_TEXT, makes=ODD_TEXT, health=ODD_TEXT.filter(lambda text: text != "OK"))
def test_no_value_of_a_device_makes_an_invalid_document(
    shared: Path, readings: list[Reading], own: list[OwnAlarm], name: str, makes: str, health: str
) -> None:
    courses = Courses()
    courses.receive(Occupancy(0.0, "began"), "one")
    for reading in readings:
        courses.receive(reading, "one")
    course = courses.course("one")
    assert course is not None
    of = Recorded(ID, name, Instrument(name, makes, name), course, tuple(own), health, WALL, name, remarks=(makes,))
    content = n42_record.document(of)
    assert violations(shared, content) == []
    for figure in FIGURES.findall(content):
        assert math.isfinite(float(figure)) and float(figure) >= 0
    n42_document.read(content)


@settings(max_examples=100, deadline=None)
@given(counts=st.lists(COUNTS.filter(bool), min_size=1, max_size=300), times=st.integers(1, 4))
def test_summing_intervals_keeps_every_count(counts: list[tuple[int, ...]], times: int) -> None:
    intervals = tuple(Interval(float(place), place + 1.0, 1.0, one) for place, one in enumerate(counts))
    course = Course(gamma=intervals, doses=(Level(0.0, 0.0, 5.0),), alarms=(("gamma", Told(0.0, 0.0, 1)),))
    coarse = course
    for _ in range(times):
        coarse = coarse.coarser()
    assert sum(map(sum, (one.counts for one in coarse.gamma))) == sum(map(sum, counts))
    assert sum(one.live_s for one in coarse.gamma) == len(counts)
    assert coarse.summed == 2**times and coarse.alarms == course.alarms and coarse.doses == course.doses
