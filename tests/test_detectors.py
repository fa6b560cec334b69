"""Simulated detectors: each speaks what its driver understands, over a real line, with each fault of a script."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.drivers import driver, families
from failsafe.drivers.detectors import Detector
from failsafe.drivers.families import FAMILIES
from failsafe.drivers.line import LineState, SerialLine
from failsafe.drivers.reading import (
    Alarm,
    Background,
    DeviceHealth,
    Dose,
    Identification,
    Malformed,
    Rate,
    Reading,
    Scan,
)
from failsafe.drivers.simulator import Pty

PATIENCE_S = 20.0
PACE = 0.02
MEASURED = (Scan, Dose, Rate, Background)


class Station:
    """A simulated detector, and the real line and driver that listen to it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.pty = Pty(folder / name)
        self.detector = Detector(self.pty, FAMILIES[name](), pace=PACE)
        self.readings: queue.Queue[Reading] = queue.Queue()
        self.states: queue.Queue[LineState] = queue.Queue()
        self.line = SerialLine(
            name, str(self.pty.link), driver.find(name), deliver=self.readings.put, report=self.states.put
        )

    def __enter__(self) -> Station:
        self.line.start()
        assert self.states.get(timeout=PATIENCE_S).state == "OK"
        self.detector.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.detector.stop()
        self.line.stop()
        self.pty.unplug()

    def until(self, wanted: Callable[[Reading], bool]) -> Reading:
        """The next reading that is wanted; those before it are passed over."""
        while True:
            reading = self.readings.get(timeout=PATIENCE_S)
            if wanted(reading):
                return reading

    def measured(self) -> Reading:
        return self.until(lambda reading: isinstance(reading, MEASURED))


@pytest.fixture
def station(request, tmp_path) -> Iterator[Station]:
    with Station(tmp_path, request.param) as station:
        yield station


def every_family(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("station", names or tuple(FAMILIES), indirect=True)


# --- what they say -------------------------------------------------------------------------------------------


def test_there_is_one_for_each_driver_of_detectors():
    assert set(FAMILIES) == {one.name for one in driver.built_in() if one.role == "radiation"}


@every_family()
def test_its_driver_measures_what_it_tells(station):
    for _ in range(3):
        station.measured()


@every_family()
def test_after_noise_it_is_measured_again(station):
    station.measured()
    station.detector.garbage(60, seed=3)
    station.until(lambda reading: isinstance(reading, Malformed))
    station.measured()


@every_family()
def test_unplugged_and_plugged_in_it_comes_back(station):
    station.measured()
    station.pty.unplug()
    assert station.states.get(timeout=PATIENCE_S).state == "LOST"
    station.pty.plug()
    while station.states.get(timeout=PATIENCE_S).state != "OK":
        pass
    while not station.readings.empty():
        station.readings.get()
    station.measured()


@every_family("radpro")
def test_one_that_hangs_is_a_fault_and_its_answer_ends_it(station):
    station.measured()
    station.detector.silent = True
    assert not station.until(lambda reading: isinstance(reading, DeviceHealth) and "not answer" in reading.detail).ok
    station.detector.silent = False
    assert station.until(lambda reading: isinstance(reading, DeviceHealth) and "again" in reading.detail).ok
    station.measured()


@every_family("tsa", "n42", "radeye")
def test_trouble_is_told_where_the_family_has_a_word_for_it(station):
    station.measured()
    station.detector.trouble()
    assert not station.until(lambda reading: isinstance(reading, DeviceHealth) and not reading.ok).ok


@every_family("radeye", "gmc")
def test_one_that_lost_its_power_is_woken_again(station):
    station.measured()
    station.detector.trouble()
    station.until(lambda reading: isinstance(reading, DeviceHealth) and "not answer" in reading.detail)
    station.measured()


# --- by hand, without a line ---------------------------------------------------------------------------------


class Caught(Pty):
    """Where what is said is kept."""

    def __init__(self) -> None:
        self.said = b""

    def write(self, message: bytes, baud: int | None = None) -> int:
        self.said += message
        return len(message)


def beats(detector: Detector, name: str, periods: int = 5) -> list[Reading]:
    """What the driver makes of some periods; a device that must be asked is asked."""
    decoder, readings, now = driver.find(name).decoder(), [], 100.0
    for _ in range(periods + 3):
        told = detector.family.hear(decoder.to_send(now))
        readings += decoder.receive(told, now)
        told = detector.beat()
        now += detector.family.every_s
        readings += decoder.receive(told, now)
    return readings


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_same_seed_says_the_same(name):
    first, again, other = (beats(Detector(Caught(), FAMILIES[name](), seed), name) for seed in (5, 5, 6))
    assert first == again != other
    assert sum(isinstance(reading, MEASURED) for reading in first) >= 5


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_source_is_seen_and_a_stuck_one_never_changes(name):
    detector = Detector(Caught(), FAMILIES[name]())

    def amounts() -> list[float]:
        found = [reading for reading in beats(detector, name, 12) if isinstance(reading, MEASURED)]
        kind = next(kind for kind in (Scan, Background, Rate, Dose) if any(isinstance(one, kind) for one in found))
        gamma = [one for one in found if isinstance(one, kind) and getattr(one, "channel", "gamma") == "gamma"]
        return [_amount(one) for one in gamma]

    quiet = amounts()
    detector.cps += 200.0
    loud = amounts()
    assert min(loud[-8:]) > max(quiet)
    detector.stuck = True
    assert len(set(amounts()[-8:])) == 1


def _amount(reading: Reading) -> float:
    match reading:
        case Scan():
            return float(sum(reading.counts))
        case Background():
            return sum(reading.panels_cps)
        case Rate():
            return reading.cps
    assert isinstance(reading, Dose)
    return reading.nsv_h


def test_a_portal_calls_a_high_background_high():
    detector = Detector(Caught(), families.Tsa())
    assert not any(isinstance(reading, DeviceHealth) for reading in beats(detector, "tsa"))
    detector.cps *= 4
    fault = next(reading for reading in beats(detector, "tsa") if isinstance(reading, DeviceHealth))
    assert (fault.fault, fault.ok) == ("HIGH_BG", False)


def test_an_instrument_raises_its_own_alarm():
    detector = Detector(Caught(), families.N42())
    assert not any(isinstance(reading, Alarm | Identification) for reading in beats(detector, "n42"))
    detector.cps += 300.0
    assert {reading.channel for reading in beats(detector, "n42") if isinstance(reading, Alarm)} == {"gamma"}


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 300), st.sampled_from(sorted(FAMILIES)))
def test_noise_is_never_a_measurement(seed, length, name):
    caught = Caught()
    Detector(caught, FAMILIES[name]()).garbage(length, seed)
    decoder = driver.find(name).decoder()
    readings = [*decoder.receive(caught.said, 1.0), *decoder.receive(b"", 20.0)]
    assert readings and all(isinstance(reading, Malformed) for reading in readings)
