"""What is remembered of a detector: kept in a real ledger, recalled after a restart, and never believed on its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from failsafe.agent.notebook import CHANGE_AFTER_S, WRITE_EVERY_S, Notebook
from failsafe.agent.radiation import remembered
from failsafe.agent.radiation.background import NEUTRON_MEMORY_S, BackgroundBook, Known, Measured, apart, far
from failsafe.agent.radiation.detector import LaneMonitor
from failsafe.agent.radiation.own_alarm import TAUGHT_AFTER
from failsafe.agent.radiation.remembered import Forgotten, Remembered
from failsafe.agent.recorder import Recorder
from failsafe.drivers.reading import Background, SetUp
from failsafe.sync.ledger import Ledger

KEY = bytes(range(32))
PATIENCE_S = 20.0
PORTAL = remembered.learnt_with("tsa", "/dev/serial/by-id/portal", "vehicle")
SET, RESET = (
    SetUp(0.0, "SG1", (3000.0, 50.0, 5.0, 10.0, 4.0), 4.0),
    SetUp(1.0, "SG1", (3000.0, 50.0, 5.0, 10.0, 9.0), 9.0),
)


def heard(*readings, monitor=None):
    monitor = monitor or LaneMonitor("portal-1", "r1")
    for reading in readings:
        monitor.receive(reading, reading.at)
    return monitor


def gamma(at, *panels):
    return Background(at, "gamma", tuple(map(float, panels or (380, 371, 407, 371))))


def neutron(at, *panels):
    return Background(at, "neutron", panels or (0.61, 0.55, 0.72, 0.58))


def again(monitor):
    """The monitor of the next start, which recalls what this one would have kept."""
    other = LaneMonitor("portal-1", "r2")
    other.recall(remembered.read(remembered.write(monitor.remembered(PORTAL)), PORTAL))
    return other


# --- what outlives a restart -----------------------------------------------------------------------------------


def test_a_setting_changed_while_the_service_was_down_is_seen():
    monitor = again(heard(SET, gamma(1.0)))
    heard(gamma(2.0), monitor=monitor)
    assert monitor.health(2.0) == "OK"
    heard(RESET, monitor=monitor)
    assert monitor.health(2.0) == "CONFIG_CHANGED"


def test_a_changed_setting_is_no_known_one_after_a_restart_even_if_the_device_does_not_tell_it_again():
    monitor = again(heard(SET, gamma(1.0), RESET))
    heard(gamma(2.0), monitor=monitor)
    assert monitor.health(2.0) == "CONFIG_CHANGED"
    heard(SET, monitor=monitor)
    assert monitor.health(2.0) == "OK"


def test_what_a_technician_accepts_stays_accepted():
    monitor = heard(SET, gamma(1.0), RESET)
    were, are = monitor.accept_setup()
    assert (were, are) == ({"SG1": SET.fields}, {"SG1": RESET.fields})
    assert monitor.health(1.0) == "OK" and monitor.accept_setup() == ({}, {})
    monitor = again(monitor)
    heard(gamma(2.0), RESET, monitor=monitor)
    assert monitor.health(2.0) == "OK"
    heard(SET, monitor=monitor)
    assert monitor.health(2.0) == "CONFIG_CHANGED"


def test_what_was_told_before_the_memory_came_is_held_against_it():
    early = heard(RESET, gamma(1.0))
    early.recall(heard(SET).remembered(PORTAL))
    assert early.health(1.0) == "CONFIG_CHANGED"


def test_the_portals_factor_is_known_before_it_is_told_again():
    monitor = again(heard(SET, gamma(1.0)))
    heard(gamma(2.0, 100, 100, 100, 100), monitor=monitor)
    assert monitor.threshold(1.0) == pytest.approx(400 + 4.0 * 20.0)


def test_lessons_are_learnt_again_and_what_came_since_follows_them():
    taught = Remembered(detector=PORTAL, excesses=((0.5, 0.1, -0.1),) * (TAUGHT_AFTER - 1) + ((0.7, 0.1, -0.1),))
    monitor = LaneMonitor("portal-1", "r1")
    monitor.recall(taught)
    assert monitor.remembered(PORTAL).excesses == taught.excesses
    far_off = Remembered(detector=PORTAL, excesses=((0.0, 3.0, 0.0),) * TAUGHT_AFTER)
    other = heard(gamma(0.0))
    assert other.health(0.0) == "OK"
    other.recall(far_off)
    assert other.health(0.0) == "UNCALIBRATED"


def test_a_lane_that_is_another_one_can_teach_anew():
    monitor = heard(gamma(0.0))
    monitor.recall(Remembered(detector=PORTAL, excesses=((0.0, 3.0, 0.0),) * TAUGHT_AFTER))
    assert monitor.health(0.0) == "UNCALIBRATED"
    assert monitor.relearn() == TAUGHT_AFTER
    assert monitor.health(0.0) == "OK" and monitor.remembered(PORTAL).excesses == ()


def test_a_memory_makes_no_silent_detector_ok():
    known = heard(SET, gamma(1.0), neutron(1.0))
    known.references["gamma"] = Measured((380.0,) * 4, (1.0,) * 4, 60.0)
    monitor = again(known)
    assert monitor.health(1.0) == "LINK_DOWN"
    heard(SET, monitor=monitor)
    assert monitor.health(1.0) == "UNKNOWN"
    assert monitor.background("neutron") is None and monitor.background("gamma") is None


def test_the_neutron_background_counts_again_once_the_device_tells_one_like_it():
    known = Known((0.6, 0.5, 0.7, 0.6), 290.0)
    book, other = BackgroundBook(NEUTRON_MEMORY_S, whole=True), BackgroundBook(NEUTRON_MEMORY_S, whole=True)
    for one in (book, other):
        one.recall(known)
        assert one.known is None
    book.told((0.61, 0.52, 0.69, 0.6))
    assert book.known.counted_s > 60.0  # its first mean alone would be worth twenty seconds
    other.told((9.6, 8.5, 9.7, 9.6))
    assert other.known == Known((9.6, 8.5, 9.7, 9.6), 20.0)
    late = BackgroundBook(NEUTRON_MEMORY_S, whole=True)
    late.recall(known)
    late.forget()  # a port that opens only after a while is told to be down first
    assert late.known is None
    late.told((0.61, 0.52, 0.69, 0.6))
    assert late.known.counted_s > 60.0


def test_a_lost_line_does_not_wipe_the_neutrons_from_the_memory():
    monitor = heard(gamma(1.0), neutron(1.0))
    held = monitor.background("neutron")
    monitor.line(False, 2.0)
    assert monitor.background("neutron") is None
    assert monitor.remembered(PORTAL).neutron == held


# --- a measured background -------------------------------------------------------------------------------------

REFERENCE = Measured((380.0, 371.0, 407.0, 371.0), (2.5, 2.5, 2.6, 2.5), 60.0)


@pytest.mark.parametrize(
    ("panels", "health"),
    [
        ((380, 371, 407, 371), "OK"),
        ((520, 510, 560, 505), "OK"),  # heavy rain
        ((285, 280, 300, 280), "OK"),  # a lorry beside the lane
        ((700, 680, 720, 690), "HIGH_BG"),
        ((380, 371, 900, 371), "HIGH_BG"),  # something lies at one panel
        ((380, 0, 407, 371), "LOW_BG"),  # a dead panel, which the sum would hide
        ((380, 371, 407), "LOW_BG"),  # a panel that is not told any more
        ((380, 100, 900, 371), "HIGH_BG"),
    ],
)
def test_a_background_far_from_its_reference_is_no_health(panels, health):
    monitor = heard(gamma(1.0, *panels))
    monitor.references["gamma"] = REFERENCE
    assert monitor.health(1.0) == health


def test_few_neutrons_are_far_from_nothing_until_they_have_been_counted():
    reference = Measured((0.6, 0.6, 0.6, 0.6), (0.05,) * 4, 120.0)
    assert far("neutron", Known((1.0, 1.0, 2.0, 0.9), 20.0), reference) is None
    assert far("neutron", Known((2.0, 1.0, 3.0, 2.0), 300.0), reference) == "HIGH_BG"
    assert far("neutron", Known((0.2, 0.1, 0.1, 0.1), 300.0), reference) == "LOW_BG"


def test_how_far_apart_two_measurements_are():
    one, other = Measured((100.0, 50.0), (3.0, 2.0), 60.0), Measured((90.0, 50.0), (4.0, 2.0), 60.0)
    assert apart(one, other) == pytest.approx((2.0, 0.0))
    assert apart(one, Measured((90.0,), (4.0,), 60.0)) == ()


# --- how it is kept --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[1]", b'{"detector": "x", "version": 2}', b'{"detector": "x", "excesses": [[1, 2]]}', b"\xff" * 99],
)
def test_a_memory_that_cannot_be_read_is_forgotten(content):
    with pytest.raises(Forgotten, match="another version"):
        remembered.read(content, "x")


def test_another_driver_port_or_kind_of_lane_begins_anew():
    content = remembered.write(Remembered(detector=PORTAL))
    for other in (("n42", "/dev/serial/by-id/portal"), ("tsa", "/dev/ttyS1")):
        with pytest.raises(Forgotten, match="another driver"):
            remembered.read(content, remembered.learnt_with(*other, "vehicle"))
    with pytest.raises(Forgotten, match="kind of lane"):
        remembered.read(content, remembered.learnt_with("tsa", "/dev/serial/by-id/portal", "pedestrian"))


FIELDS = st.dictionaries(st.text(max_size=4), st.lists(st.floats(allow_nan=False, allow_infinity=False)).map(tuple))


@given(accepted=FIELDS, told=FIELDS, nsigma=st.none() | st.floats(min_value=0.1, max_value=20.0))
def test_any_memory_that_can_be_read_can_be_recalled(accepted, told, nsigma):
    memory = Remembered(detector=PORTAL, accepted=accepted, told=told, nsigma=nsigma, neutron=Known((), 0.0))
    monitor = LaneMonitor("portal-1", "r1")
    monitor.recall(remembered.read(remembered.write(memory), PORTAL))
    heard(neutron(0.0), gamma(1.0), RESET, monitor=monitor)
    monitor.accept_setup()
    assert monitor.health(1.0) in ("OK", "CONFIG_CHANGED")


class Booth:
    """A notebook on a real ledger; calls for the booth's thread are run by `turn`."""

    def __init__(self, path: Path, *monitors: LaneMonitor) -> None:
        self.recorder = Recorder(lambda: Ledger.open(path, KEY))
        self._calls: list = []
        self._called = threading.Event()
        self.notebook = Notebook(self.recorder, self._deliver)
        for monitor in monitors:
            self.notebook.follow(monitor.detector, monitor, PORTAL)

    def _deliver(self, call) -> None:
        self._calls.append(call)
        self._called.set()

    def turn(self) -> None:
        assert self._called.wait(PATIENCE_S)
        while self._calls:
            self._calls.pop()(0.0)


@contextmanager
def booth(path: Path, *monitors: LaneMonitor) -> Iterator[Booth]:
    made = Booth(path, *monitors)
    made.notebook.open()
    made.recorder.start()
    try:
        yield made
    finally:
        made.recorder.stop()


def kept(path: Path) -> dict[str, bytes]:
    with Ledger.open(path, KEY) as ledger:
        return ledger.detectors()


def test_the_notebook_writes_seldom_and_a_changed_set_up_sooner(tmp_path):
    path = tmp_path / "ledger.db"
    monitor = heard(SET, gamma(1.0))
    with booth(path, monitor) as made:
        made.notebook.write(0.0)  # nothing has been recalled: it would wipe out what is kept
        made.turn()
        made.notebook.tick(0.0)
        made.recorder.try_once(lambda ledger: None, PATIENCE_S)
        first = kept(path)
        heard(neutron(2.0), monitor=monitor)
        made.notebook.tick(WRITE_EVERY_S - 1.0)
        made.recorder.try_once(lambda ledger: None, PATIENCE_S)
        assert kept(path) == first
        heard(RESET, monitor=monitor)
        made.notebook.tick(CHANGE_AFTER_S)
        made.recorder.try_once(lambda ledger: None, PATIENCE_S)
    assert remembered.read(first["portal-1"], PORTAL).told == {"SG1": SET.fields}
    assert remembered.read(kept(path)["portal-1"], PORTAL).told == {"SG1": RESET.fields}


def test_nothing_is_written_over_a_memory_that_was_not_read_yet(tmp_path):
    path = tmp_path / "ledger.db"
    with Ledger.open(path, KEY) as ledger:
        ledger.keep_detector("portal-1", b"what was kept")
    with booth(path, heard(SET)) as made:
        made.notebook.tick(0.0)
        made.notebook.write(100.0)
        made.recorder.try_once(lambda ledger: None, PATIENCE_S)
        assert kept(path) == {"portal-1": b"what was kept"}


def test_a_restart_recalls_and_what_cannot_be_read_is_told_once(tmp_path):
    path = tmp_path / "ledger.db"
    with Ledger.open(path, KEY) as ledger:
        ledger.keep_detector("portal-1", remembered.write(heard(SET).remembered(PORTAL)))
        ledger.keep_detector("portal-2", msgspec.json.encode({"version": 9}))
    known, strange = LaneMonitor("portal-1", "r2"), LaneMonitor("portal-2", "r2")
    with capture_logs() as logs, booth(path, known, strange) as made:
        made.turn()
    assert [(line["device"], line["detail"]) for line in logs if "detail" in line] == [
        ("portal-2", "written by another version, or damaged")
    ]
    heard(gamma(1.0), RESET, monitor=known)
    heard(gamma(1.0), RESET, monitor=strange)
    assert (known.health(1.0), strange.health(1.0)) == ("CONFIG_CHANGED", "OK")


def test_the_memory_is_no_record(tmp_path):
    with Ledger.open(tmp_path / "ledger.db", KEY) as ledger:
        head = ledger.head()
        ledger.keep_detector("portal-1", b"one")
        ledger.keep_detector("portal-1", b"two")
        assert ledger.detectors() == {"portal-1": b"two"}
        assert (ledger.head(), ledger.length()) == (head, 0)
        ledger.check()
