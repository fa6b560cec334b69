"""Each family of detectors with each of its faults, through the real driver: what the booth makes of it is never OK."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import pytest

from failsafe.agent.radiation import DetectorSettings, Health, LaneMonitor
from failsafe.agent.static_monitor import StaticMonitor
from failsafe.drivers import driver, scripts
from failsafe.drivers.detectors import Detector
from failsafe.drivers.families import FAMILIES
from failsafe.drivers.reading import Alarm, Reading
from tests.test_detectors import Caught

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


def inflict(bench: Bench, fault: str) -> None:
    if fault == "unplug":
        bench.unplug()
    else:
        scripts.perform(scripts.script(scripts.DETECTOR_FAULTS[fault]), bench.detector, threading.Event())


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
