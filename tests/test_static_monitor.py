"""A detector on the desk: health by its readings, measurements of travellers, alarms in between. And its lane."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.agent.crossing import Lane, LaneSettings
from failsafe.agent.radiation.detector import DetectorSettings, LaneMonitor
from failsafe.agent.radiation.quiet_time import LOOK_BACK_S
from failsafe.agent.radiation.static_monitor import StaticMonitor
from failsafe.drivers.reading import Alarm, DeviceHealth, Dose, Malformed, Occupancy, Scan, Unknown

ON_A_DESK = LaneSettings(shared=False, measured=True, before_s=20.0, after_s=30.0, closes_after_s=120.0)
SETTINGS = DetectorSettings(late_s=3.5, down_s=10.0, kind="static", measuring_s=10.0)


class Desk:
    """A monitor, its lane, and a device that speaks once a second."""

    def __init__(self, cps: float = 30.0, dose: bool = False) -> None:
        self.monitor = StaticMonitor("D1", "r1", SETTINGS)
        self.lane = Lane("L1", ON_A_DESK)
        self.cps, self.dose = cps, dose
        self.random = np.random.default_rng(5)
        self.at = 0.0
        self.unclaimed: list[str] = []
        self.ids = count(1)

    def tell(self, counts: int) -> None:
        if self.dose:
            self.monitor.receive(Dose(self.at, counts * 3.0), self.at)
        else:
            self.monitor.receive(Scan(self.at, "gamma", (counts,), 1.0), self.at)

    def hear(self, seconds: int, cps: float | None = None) -> None:
        for _ in range(seconds):
            self.at += 1.0
            self.tell(int(self.random.poisson(self.cps if cps is None else cps)))
            self.look()

    def silent(self, seconds: float) -> None:
        self.at += seconds
        self.monitor.advance(self.at)
        self.look()

    def look(self) -> None:
        changes = self.lane.advance(self.at, self.monitor.passages(), self.monitor.health(self.at))
        self.unclaimed += [passage.id for passage in changes.unclaimed]

    def present(self, document: str) -> str:
        crossing, _ = self.lane.present(f"c{next(self.ids)}", self.at, document)
        self.monitor.presented(crossing.id, self.at)
        self.look()
        return crossing.id

    def health(self) -> str:
        return self.monitor.health(self.at)


def ready(**device) -> Desk:
    desk = Desk(**device)
    desk.hear(300)
    assert desk.health() == "OK"
    return desk


# --- health ----------------------------------------------------------------------------------------------------


def test_health_from_the_first_reading_to_the_last():
    desk = Desk()
    assert desk.health() == "LINK_DOWN"
    desk.hear(30)
    assert desk.health() == "UNKNOWN"
    desk.hear(120)
    assert desk.health() == "OK"
    desk.silent(3.5)
    assert desk.health() == "LATE"
    desk.silent(6.5)
    assert desk.health() == "LINK_DOWN"
    desk.hear(30)
    assert desk.health() == "UNKNOWN"


def test_words_that_measure_nothing_keep_no_device_healthy():
    desk = ready()
    for _ in range(8):
        desk.at += 1.0
        desk.monitor.receive(Unknown(desk.at, "battery"), desk.at)
    assert desk.health() == "LATE"


def test_a_fault_of_the_device_comes_before_what_it_measures():
    desk = ready()
    desk.monitor.receive(DeviceHealth(desk.at, "DEVICE", ok=False), desk.at)
    assert desk.health() == "DEVICE"
    desk.monitor.receive(DeviceHealth(desk.at, "DEVICE", ok=True), desk.at)
    assert desk.health() == "OK"


def test_without_somebody_to_measure_there_are_no_passages():
    desk = ready()
    desk.monitor.receive(Occupancy(desk.at, "began"), desk.at)
    assert desk.monitor.passages() == ()


def test_a_portal_does_not_mind_documents():
    portal = LaneMonitor("P1", "r1")
    portal.presented("c1", 1.0)
    assert portal.passages() == ()


# --- a traveller is measured -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dose", [False, True])
def test_a_quiet_traveller(dose):
    desk = ready(dose=dose)
    crossing = desk.present("doc")
    (passage,) = desk.monitor.passages()
    assert (passage.crossing, passage.began_at, passage.ended_at) == (crossing, desk.at - LOOK_BACK_S, None)
    for _ in range(9):
        desk.hear(1)
        assert desk.lane.column(crossing) == "awaited"
    desk.hear(1)
    assert desk.lane.column(crossing) == "quiet"


@pytest.mark.parametrize("dose", [False, True])
def test_a_source_while_measured(dose):
    desk = ready(dose=dose)
    crossing = desk.present("doc")
    desk.hear(4)
    desk.hear(2, 150.0)
    assert desk.lane.column(crossing) == "alarm"
    desk.hear(10)
    assert desk.lane.column(crossing) == "alarm"
    (passage,) = desk.monitor.passages()
    assert passage.own and passage.own[0].strength >= passage.own[0].threshold
    assert desk.unclaimed == []


def test_a_source_after_the_measurement_reaches_who_stands_there():
    desk = ready()
    crossing = desk.present("doc")
    desk.hear(45)
    assert desk.lane.column(crossing) == "quiet"
    desk.hear(2, 300.0)
    assert desk.lane.column(crossing) == "alarm"


def test_a_source_just_before_the_document():
    desk = ready()
    desk.hear(1, 300.0)
    assert len(desk.unclaimed) == 1  # nobody has shown a document yet
    desk.hear(2)
    assert desk.lane.column(desk.present("doc")) == "alarm"


def test_an_alarm_of_nobody_ends_and_stops_nobody_after_it():
    desk = ready()
    desk.hear(3, 300.0)
    desk.hear(60)
    (passage,) = desk.monitor.passages()
    assert passage.ended_at is not None and passage.crossing == ""
    crossing = desk.present("doc")
    desk.hear(10)
    assert desk.lane.column(crossing) == "quiet"
    assert desk.unclaimed == [passage.id]


def test_a_source_that_stays_is_one_alarm():
    desk = ready()
    crossing = desk.present("doc")
    desk.hear(4)
    desk.hear(60, 300.0)
    assert desk.lane.column(crossing) == "alarm"
    desk.hear(30)
    (passage,) = desk.monitor.passages()
    assert passage.monitored and passage.ended_at is not None
    assert desk.unclaimed == []


def test_what_was_counted_is_kept_for_each_who_was_measured():
    desk = ready()
    for document in ("doc-a", "doc-b"):
        desk.present(document)
        desk.hear(4)
    desk.hear(30)
    first, second = (desk.monitor.course(passage.id) for passage in desk.monitor.passages())
    assert first is not None and second is not None
    assert (sum(one.live_s for one in first.gamma), sum(one.live_s for one in second.gamma)) == (10.0, 10.0)
    assert first.gamma[4].counts == second.gamma[0].counts
    assert dict(first.backgrounds)["gamma"].panels_cps[0] == pytest.approx(30.0, rel=0.1)


def test_an_alarm_of_nobody_has_its_course_too():
    desk = ready()
    desk.hear(3, 300.0)
    desk.hear(60)
    (passage,) = desk.monitor.passages()
    course = desk.monitor.course(passage.id)
    assert course is not None and max(one.counts[0] for one in course.gamma) > 200
    assert sum(one.live_s for one in course.gamma) < 25.0


def test_the_next_traveller_does_not_cut_the_measurement_short():
    desk = ready()
    first = desk.present("doc-a")
    desk.hear(4)
    second = desk.present("doc-b")
    assert [desk.lane.column(each) for each in (first, second)] == ["awaited", "awaited"]
    desk.hear(6)
    assert [desk.lane.column(each) for each in (first, second)] == ["quiet", "awaited"]
    desk.hear(4)
    assert [desk.lane.column(each) for each in (first, second)] == ["quiet", "quiet"]


def test_an_alarm_is_that_of_all_who_are_being_measured():
    desk = ready()
    first = desk.present("doc-a")
    desk.hear(4)
    second = desk.present("doc-b")
    desk.hear(1, 300.0)
    desk.hear(15)
    assert [desk.lane.column(each) for each in (first, second)] == ["alarm", "alarm"]


def test_the_same_document_again_is_not_measured_again():
    desk = ready()
    crossing = desk.present("doc")
    desk.hear(5)
    assert desk.present("doc") == crossing
    desk.hear(5)
    assert desk.lane.column(crossing) == "quiet"
    assert len(desk.monitor.passages()) == 1


def test_the_devices_own_alarm_counts_while_it_is_not_known():
    desk = Desk()
    desk.hear(10)
    crossing = desk.present("doc")
    desk.monitor.receive(Alarm(desk.at, "neutron", ()), desk.at)
    desk.look()
    assert desk.lane.column(crossing) == "alarm"


def test_a_flood_of_documents_is_measured_as_far_as_it_is_kept_and_then_forgotten():
    desk = ready()
    crossings = [desk.present(f"doc-{number}") for number in range(300)]
    desk.hear(12)
    columns = [desk.lane.column(crossing) for crossing in crossings]
    assert columns[-1] == "quiet" and "quiet" not in columns[:100]
    before = desk.monitor.background_cps()
    desk.hear(300, 36.0)
    after = desk.monitor.background_cps()
    assert before is not None and after is not None and after > before + 1.0  # quiet time is learnt again


# --- not monitored ---------------------------------------------------------------------------------------------


def test_before_enough_was_learnt_nobody_is_clear():
    desk = Desk()
    desk.hear(30)
    crossing = desk.present("doc")
    desk.hear(200)
    assert desk.lane.column(crossing) == "not monitored"


@pytest.mark.parametrize("silence_s", [3.5, 9.0, 30.0])
def test_a_pause_while_measured(silence_s):
    desk = ready()
    crossing = desk.present("doc")
    desk.hear(4)
    desk.silent(silence_s)
    assert desk.lane.column(crossing) == "not monitored"
    desk.hear(30)
    assert desk.lane.column(crossing) == "not monitored"
    assert all(passage.ended_at is not None for passage in desk.monitor.passages())


def test_a_device_that_never_speaks_again_ends_the_measurement():
    desk = ready()
    desk.present("doc")
    desk.silent(5.0)
    desk.silent(400.0)
    assert [passage.ended_at is None for passage in desk.monitor.passages()] == [False]
    assert desk.lane.current is None  # the crossing closed by time: nobody waits for a dead device


def test_a_document_while_the_line_is_down():
    desk = ready()
    desk.monitor.line(False, desk.at)
    crossing = desk.present("doc")
    (passage,) = desk.monitor.passages()
    assert (passage.ended_at, passage.monitored, passage.health) == (desk.at, False, "LINK_DOWN")
    desk.monitor.line(True, desk.at)
    desk.hear(200)
    assert desk.lane.column(crossing) == "not monitored"


def test_a_lost_line_may_have_been_the_alarm():
    desk = ready()
    crossing = desk.present("doc")
    desk.hear(3)
    desk.monitor.receive(Malformed(desk.at, "no line of this device", 12), desk.at)
    desk.hear(10)
    assert desk.lane.column(crossing) == "not monitored"


def test_a_background_that_has_crept_up():
    desk = ready(cps=100.0)
    desk.hear(600)
    for step in range(1, 100):
        desk.hear(240, 100.0 + step)
        if desk.health() == "HIGH_BG":
            break
    crossing = desk.present("doc")
    desk.hear(10, 100.0 + step)
    assert desk.lane.column(crossing) == "not monitored"


def test_a_passage_of_another_crossing_never_clears():
    desk = ready()
    first = desk.present("doc-a")
    desk.hear(11)
    crossing, _ = desk.lane.present("other", desk.at, "doc-b")  # and nobody tells the detector
    desk.hear(12)
    assert (desk.lane.column(first), desk.lane.column(crossing.id)) == ("quiet", "awaited")
    desk.hear(30)
    assert desk.lane.column(crossing.id) == "not monitored"


# --- whatever happens ------------------------------------------------------------------------------------------

HAPPENINGS = st.lists(
    st.sampled_from(["second", "second", "second", "strong", "garbage", "pause", "document", "again", "close"]),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(HAPPENINGS)
def test_quiet_means_ten_seconds_heard_and_nothing_strong_in_them(happenings):
    """Whatever happens: who is clear was measured for ten seconds without a pause, garbage or a strong reading."""
    desk = ready(cps=5.0)
    opened: dict[str, float] = {}
    spoilt: list[float] = []
    told = [desk.at]
    for happening in [*happenings, *["second"] * 3]:
        match happening:
            case "second":
                desk.hear(1, 0.0) if not desk.random.integers(2) else desk.hear(1)
                told.append(desk.at)
            case "strong":
                desk.hear(1, 400.0)
                told.append(desk.at)
                spoilt.append(desk.at)
            case "garbage":
                desk.monitor.receive(Malformed(desk.at, "noise", 3), desk.at)
                spoilt.append(desk.at)
            case "pause":
                desk.silent(4.0)
            case "document" | "again":
                document = "same" if happening == "again" else f"doc-{len(opened)}"
                opened.setdefault(desk.present(document), desk.at)
            case _:
                desk.lane.close(desk.at)
        desk.look()
        for crossing, at in opened.items():
            if desk.lane.column(crossing) == "quiet":
                until = at + 10.0
                heard = [at, *(each for each in told if at < each <= until)]
                assert heard[-1] == until
                assert max(np.diff(heard)) <= 3.5
                assert not [each for each in spoilt if at < each <= until]
