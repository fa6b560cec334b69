"""Each family of detectors with each of its faults, through the real driver: what the booth makes of it is never OK."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from failsafe.agent.commands.live import monitor_of
from failsafe.agent.radiation.detector import DetectorSettings, LaneMonitor
from failsafe.agent.radiation.passage import Health
from failsafe.agent.radiation.static_monitor import StaticMonitor
from failsafe.drivers import driver, scripts
from failsafe.drivers.detectors import Detector
from failsafe.drivers.driver import Decoder
from failsafe.drivers.families import FAMILIES
from failsafe.drivers.line import LineState, SerialLine
from failsafe.drivers.reading import Alarm, Reading
from failsafe.drivers.simulator import Pty
from tests.test_detectors import Caught
from tests.test_simulator import PATIENCE_S

STEP_S: Final = 0.5
PORTALS: Final = ("tsa", "n42")
DESK: Final = tuple(name for name in FAMILIES if name not in PORTALS)


# A counter that tells means of a minute is learnt from some twenty of them.
WELL_WITHIN_S: Final = 7200.0


class Bench:
    """A simulated detector, its driver and the monitor of its lane, on a clock that is turned by hand."""

    def __init__(self, name: str, seed: int = 1) -> None:
        self.driver = driver.find(name)
        self.caught = Caught()
        self.detector = Detector(self.caught, FAMILIES[name](), seed)
        self.decoder = self.driver.decoder()
        settings = DetectorSettings(
            late_s=self.driver.late_s or 0.0,
            down_s=self.driver.down_s or 0.0,
            kind="vehicle" if name in PORTALS else "static",
        )
        self.monitor: LaneMonitor = (LaneMonitor if name in PORTALS else StaticMonitor)(name, "test", settings)
        self.monitor.line(True, 0.0)
        self.now = 100.0
        self.plugged = True
        self.alarms = 0
        self.seen: list[Health] = []

    def live(self, seconds: float) -> Health:
        """Let so much time pass; the state at its end."""
        for _ in range(round(seconds / STEP_S)):
            self.now += STEP_S
            self._listen()
            if self.now % self.detector.family.every_s < STEP_S:
                self.detector._tell(self.detector.beat())
            self._hear()
        return self.health

    def becomes_ok(self) -> bool:
        """Let time pass until it is OK."""
        return any(self.live(10) == "OK" for _ in range(round(WELL_WITHIN_S / 10)))

    def mend(self, fault: str) -> None:
        """The fault is over."""
        if fault == "unplug":
            self.plug()
        elif fault == "tamper":
            self.detector.mend()
        self.detector.silent = self.detector.noisy = self.detector.stuck = False
        self.detector.cps = self.detector.family.cps

    def somebody_comes(self, then: Callable[[], None] = lambda: None) -> str:
        """A traveller passes a portal, or is measured at a desk; `then` happens in the middle. The passage's id."""
        if isinstance(self.monitor, StaticMonitor):
            self.monitor.presented("crossing", self.now)
            begun = self.monitor.passages()[-1].id
            self.live(4)
            then()
            self.live(100)
            return begun
        begun = ""
        passage = self.detector.family.passage(self.detector.cps, 0.0, 10.0, stuck=self.detector.stuck)
        for number, line in enumerate(passage):
            self.now += line.after_s
            if number == 5:
                begun = self.monitor.passages()[-1].id if self.monitor.passages() else ""
                then()
            self.detector._tell(line.text)
            self._hear()
        return begun

    def unplug(self) -> None:
        self.plugged = False
        self.monitor.line(False, self.now)

    def plug(self) -> None:
        self.plugged = True
        self.decoder = self.driver.decoder()
        self.monitor.line(True, self.now)

    @property
    def health(self) -> Health:
        return self.monitor.health(self.now)

    def _listen(self) -> None:
        question = self.decoder.to_send(self.now)
        if question and not self.detector.silent:
            self.detector._tell(self.detector.family.hear(question))

    def _hear(self) -> None:
        said, self.caught.said = self.caught.said, b""
        if self.plugged:
            for reading in self.decoder.receive(said, self.now):
                self._take(reading)
        self.monitor.advance(self.now)
        if not self.seen or self.seen[-1] != self.health:
            self.seen.append(self.health)

    def _take(self, reading: Reading) -> None:
        self.alarms += isinstance(reading, Alarm)
        self.monitor.receive(reading, self.now)


# What each fault must lead to; where a family is not named, to the state under "".
EXPECTED: Final[dict[str, dict[str, tuple[Health, ...]]]] = {
    "silence": {"": ("LATE", "LINK_DOWN")},
    "garbage": {"": ("LATE", "LINK_DOWN")},
    "unplug": {"": ("LINK_DOWN",)},
    "stuck": {"": ("STUCK",)},
    "tamper": {"tsa": ("TAMPER",), "n42": ("DEVICE",), "radeye": ("DEVICE",), "gmc": ("LATE", "DEVICE")},
    "high-background": {"tsa": ("HIGH_BG",)},  # others call it an alarm
}
# Some states end by themselves: a meter that was switched off is asked to talk again.
LASTING: Final = {("radeye", "tamper"), ("gmc", "tamper")}
CASES: Final = [
    (name, fault) for fault in EXPECTED for name in FAMILIES if fault != "tamper" or name in EXPECTED[fault]
]


def happens(text: str, detector: Detector) -> None:
    scripts.perform(scripts.script(text), detector, threading.Event())


def inflict(bench: Bench, fault: str) -> None:
    if fault == "unplug":
        bench.unplug()
    else:
        happens(scripts.DETECTOR_FAULTS[fault], bench.detector)


@pytest.fixture(scope="module")
def healthy() -> Callable[[str], Bench]:
    """A detector that has long been well."""

    def make(name: str) -> Bench:
        bench = Bench(name)
        assert bench.becomes_ok(), bench.seen
        assert bench.live(840) == "OK", bench.seen
        bench.seen.clear()
        return bench

    return make


@pytest.mark.parametrize("name", FAMILIES)
def test_a_healthy_one_clears_whoever_passes_quietly(name, healthy):
    bench = healthy(name)
    bench.somebody_comes()
    assert [passage.quiet for passage in bench.monitor.passages()] == [True]


@pytest.mark.parametrize(("name", "fault"), CASES)
def test_a_fault_is_never_ok_clears_nobody_and_ends(name, fault, healthy):
    bench = healthy(name)
    inflict(bench, fault)
    state = bench.live(400)
    wanted = EXPECTED[fault].get(name) or EXPECTED[fault].get("", ())
    assert set(wanted) <= {*bench.seen}, bench.seen
    passages = {passage.id: passage for passage in bench.monitor.passages()}
    if (name, fault) not in LASTING:
        assert (state == wanted[-1]) if wanted else any(passage.alarms for passage in passages.values())
        bench.somebody_comes()
        assert not any(one.quiet for one in bench.monitor.passages() if one.id not in passages)
    bench.mend(fault)
    assert bench.becomes_ok(), bench.seen


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("fault", ["silence", "garbage", "unplug"])
def test_nobody_who_is_in_it_when_it_fails_is_clear(name, fault, healthy):
    """From the first second of the fault: no grace for what is late only later."""
    bench = healthy(name)
    begun = bench.somebody_comes(then=lambda: inflict(bench, fault))
    bench.live(120)
    passage = bench.monitor.passage(begun)
    assert passage is not None and not passage.quiet


# --- over a line -----------------------------------------------------------------------------------------------

PACE: Final = 0.05  # a second of the device's and of the booth's in this many of ours


class Hurried:
    """A decoder for which time passes faster, as it does for its simulated device."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def receive(self, chunk: bytes, now: float) -> Sequence[Reading]:
        return self._decoder.receive(chunk, now / PACE)

    def to_send(self, now: float) -> bytes:
        return self._decoder.to_send(now / PACE)


class Plugged:
    """A simulated detector at a pseudo-terminal, the real line that listens to it, and the lane's monitor."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.pty = Pty(folder / name)
        self.detector = Detector(self.pty, FAMILIES[name](), pace=PACE)
        self.monitor = monitor_of(name, driver.find(name), None)
        self._turn = threading.Lock()
        hurried = replace(driver.find(name), decoder=lambda: Hurried(driver.find(name).decoder()))
        self.line = SerialLine(name, str(self.pty.link), hurried, deliver=self._deliver, report=self._report)
        self.line.start()
        self.detector.start()

    def __enter__(self) -> Plugged:
        return self

    def __exit__(self, *_: object) -> None:
        self.detector.stop()
        self.line.stop()
        self.pty.unplug()

    def _deliver(self, reading: Reading) -> None:
        with self._turn:
            self.monitor.receive(reading, time.monotonic() / PACE)

    def _report(self, state: LineState) -> None:
        with self._turn:
            self.monitor.line(state.state == "OK", time.monotonic() / PACE)

    def becomes(self, *wanted: Health) -> bool:
        """Wait for one of these states."""
        for _ in range(round(3 * PATIENCE_S / 0.05)):
            with self._turn:
                now = time.monotonic() / PACE
                self.monitor.advance(now)
                if self.monitor.health(now) in wanted:
                    return True
            threading.Event().wait(0.05)
        return False


@pytest.mark.parametrize(
    ("fault", "names"),
    [
        ("silence", ("tsa", "n42", "radeye", "mightyohm")),
        ("garbage", ("tsa", "n42", "radeye", "mightyohm")),
        ("unplug", ("tsa", "n42", "radeye", "mightyohm")),
        ("tamper", ("tsa", "n42")),
        ("stuck", ("tsa", "n42")),
        ("high-background", ("tsa",)),
    ],
)
def test_a_fault_is_seen_over_a_line_and_ends(fault, names, tmp_path):
    with ExitStack() as stack:
        stations = [stack.enter_context(Plugged(name, tmp_path)) for name in names]
        assert all(station.becomes("OK") for station in stations)
        for station in stations:
            happens(scripts.DETECTOR_FAULTS[fault], station.detector)
            if (fault, station.name) == ("stuck", "tsa"):
                station.detector.passage(0.0, 10.0)
        for station in stations:
            wanted = EXPECTED[fault].get(station.name) or EXPECTED[fault][""]
            assert station.becomes(wanted[-1]), station.name
        for station in stations:
            happens("0 plug\n0 talk\n0 clear\n0 loose\n0 mend\n0 background 1", station.detector)
        assert all(station.becomes("OK") for station in stations)
