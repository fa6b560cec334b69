"""Scripts for simulated devices, and the simulators of `failsafe simulate`: each act, each fault by its name."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from failsafe.drivers import driver, families, mrz, scripts
from failsafe.drivers.detectors import Detector
from failsafe.drivers.families import FAMILIES
from failsafe.drivers.line import SerialLine
from failsafe.drivers.readers import DOCUMENTS, READERS, Reader
from failsafe.drivers.reading import Alarm, DocumentRead, Malformed, Occupancy, Reading, Scan
from failsafe.drivers.scripts import Act, ScriptRefused, perform, script
from failsafe.drivers.simulator import Pty
from tests.test_cli import typed
from tests.test_detectors import Caught
from tests.test_simulator import PATIENCE_S
from tests.test_technician import running


def happens(text: str, device: Detector | Reader, role: str = "radiation") -> None:
    perform(script(text, role), device, threading.Event())


# --- reading ---------------------------------------------------------------------------------------------------


def test_a_script_is_read():
    text = "# a patient\n10 passage 300 4\n5 background 2   # and so on\n\n0.5 unplug\n"
    assert script(text) == (
        Act(10.0, "passage", (300.0, 4.0)),
        Act(5.0, "background", (2.0,)),
        Act(0.5, "unplug"),
    )


@pytest.mark.parametrize(
    "line",
    [
        "source 300",
        "5",
        "5 explode",
        "-1 silence",
        "inf silence",
        "5 source many",
        "5 source nan",
        "5 source -3",
        "5 silence 3",
        "5 passage 3",
        "5 document",
    ],
)
def test_a_line_that_is_none_is_named(line):
    with pytest.raises(ScriptRefused, match="Line 2: "):
        script(f"1 silence\n{line}\n")


def test_readers_have_acts_of_their_own():
    assert script("3 document\n1 half", "document") == (Act(3.0, "document"), Act(1.0, "half"))
    with pytest.raises(ScriptRefused, match="document, unreadable"):
        script("3 passage 1 1", "document")


@pytest.mark.parametrize("fault", scripts.DETECTOR_FAULTS.values())
def test_every_fault_of_a_detector_is_a_script(fault):
    assert len(script(fault)) == 1


@pytest.mark.parametrize("fault", scripts.READER_FAULTS.values())
def test_every_fault_of_a_reader_is_a_script(fault):
    assert len(script(fault, "document")) == 1


# --- detectors -------------------------------------------------------------------------------------------------


def test_a_script_happens(tmp_path):
    with Pty(tmp_path / "device") as pty:
        detector = Detector(pty, families.Gc10(), pace=0.0)
        steps = [
            ("0 source 300", lambda: detector.cps == 300.5),
            ("0 background 4", lambda: detector.cps == 2.0),
            ("0 silence", lambda: detector.silent),
            ("0 talk", lambda: not detector.silent),
            ("0 noise", lambda: detector.noisy),
            ("0 clear", lambda: not detector.noisy),
            ("0 stuck", lambda: detector.stuck),
            ("0 loose", lambda: not detector.stuck),
            ("0 unplug", lambda: not pty.plugged),
            ("0 garbage 20", lambda: True),
            ("0 trouble", lambda: True),
            ("0 passage 300 4", lambda: detector.cps == 2.0),  # gone with who brought it
            ("5 plug", lambda: pty.plugged),
        ]
        for line, holds in steps:
            happens(line, detector)
            assert holds(), line


def test_a_script_ends_when_it_is_told_to(tmp_path):
    stopping = threading.Event()
    stopping.set()
    with Pty(tmp_path / "device") as pty:
        detector = Detector(pty, families.Gc10())
        perform(script("9999 unplug"), detector, stopping)
        assert pty.plugged


def passed(name: str, text: str) -> list[Reading]:
    """What the driver makes of a detector's background and a script."""
    detector, decoder = Detector(Caught(), FAMILIES[name](), pace=0.0), driver.find(name).decoder()
    detector.say(detector.beat())
    happens(text, detector)
    return list(decoder.receive(detector.pty.said, 100.0))


@pytest.mark.parametrize("name", ["tsa", "n42"])
def test_somebody_passes_a_portal_with_a_source_and_without(name):
    quiet = passed(name, "0 passage 0 6")
    assert [one.phase for one in quiet if isinstance(one, Occupancy)] == ["began", "ended"]
    assert not any(isinstance(one, Alarm | Malformed) for one in quiet)
    loud = passed(name, "0 passage 2000 6")
    assert any(isinstance(one, Alarm) and one.channel == "gamma" for one in loud)
    counts = [sum(one.counts) for one in loud if isinstance(one, Scan) and one.channel == "gamma"]
    assert counts.index(max(counts)) not in (0, len(counts) - 1), "a source comes and goes"


def test_a_portal_whose_counters_stand_still_repeats_itself():
    stuck = passed("tsa", "0 stuck\n0 passage 2000 6")
    assert len({one.counts for one in stuck if isinstance(one, Scan) and one.channel == "gamma"}) == 1


def test_noise_stands_in_place_of_all_that_is_said():
    detector = Detector(Caught(), families.MightyOhm())
    detector.noisy = True
    detector._tell(detector.beat())
    (reading,) = driver.find("mightyohm").decoder().receive(detector.pty.said + b"\r\n", 1.0)
    assert isinstance(reading, Malformed)


# --- readers ---------------------------------------------------------------------------------------------------


class Desk:
    """A simulated reader, and the real line and driver that listen to it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.pty = Pty(folder / name)
        self.reader = Reader(self.pty, name, pace=0.0)
        self.readings: queue.Queue[Reading] = queue.Queue()
        self.line = SerialLine(
            name, str(self.pty.link), driver.find(name), deliver=self.readings.put, report=lambda state: None
        )

    def until(self, wanted: Callable[[Reading], bool], text: str = "") -> Reading:
        """The next reading that is wanted; what a script says happens again and again until then."""
        for _ in range(round(PATIENCE_S / 2.5)):
            if text:
                happens(text, self.reader, "document")
            try:  # a silence ends what was half said
                while True:
                    reading = self.readings.get(timeout=2.5)
                    if wanted(reading):
                        return reading
            except queue.Empty:
                continue
        raise AssertionError(f"{text!r} brought about no such reading")


@pytest.fixture(params=READERS)
def desk(request, tmp_path) -> Iterator[Desk]:
    desk = Desk(tmp_path, request.param)
    desk.line.start()
    desk.reader.start()
    yield desk
    desk.reader.stop()
    desk.line.stop()
    desk.pty.unplug()


def is_document(reading: Reading) -> bool:
    return isinstance(reading, DocumentRead) and reading.lines in DOCUMENTS


def test_there_is_a_reader_for_each_driver_of_documents():
    assert set(READERS) == {one.name for one in driver.built_in() if one.role == "document"}


def test_invented_documents_are_valid():
    assert all(mrz.parse(zone).valid for zone in DOCUMENTS)


def test_a_reader_has_a_document_of_each_kind(desk):
    desk.until(is_document, "0 document")
    desk.until(lambda one: isinstance(one, DocumentRead) and not one.lines, "0 unreadable")
    if desk.reader.driver != "elyctis":
        desk.until(lambda one: isinstance(one, DocumentRead) and one.source == "licence", "0 barcode")
    desk.until(is_document, "0 document")


def test_a_reader_after_a_fault(desk):
    desk.until(is_document, "0 document")
    desk.until(lambda one: isinstance(one, Malformed | DocumentRead) and not is_document(one), "0 half")
    desk.until(lambda one: not is_document(one), "0 noise\n0 document")
    desk.until(is_document, "0 clear\n0 document")


def test_a_reader_that_hangs_says_nothing(desk):
    desk.until(is_document, "0 document")
    desk.reader.silent = True
    happens("0 document\n0 garbage 20", desk.reader, "document")
    with pytest.raises(queue.Empty):
        while not is_document(desk.readings.get(timeout=0.5)):
            pass
    desk.reader.silent = False
    if desk.reader.driver not in ("elyctis", "honeywell"):  # those are asked again after half a minute
        desk.until(is_document, "0 document")


# --- the command -----------------------------------------------------------------------------------------------


def test_a_simulated_portal_is_watched(tmp_path):
    port = tmp_path / "portal"
    with running("simulate", "tsa", "--port", port, "--pace", "0.05", "--every", "10", "--source", "3000") as child:
        assert f"{port} speaks as tsa" in child.stdout.readline()
        with running("watch", port, "--driver", "tsa", "--json") as watcher:
            kinds = set()
            while not {"background", "occupancy", "alarm"} <= kinds:
                kinds.add(re.search(r'"kind": "(\w+)"', watcher.stdout.readline())[1])


def test_a_simulated_plug_is_pulled_again_and_again(tmp_path):
    port, file = tmp_path / "meter", tmp_path / "script"
    file.write_text("2 unplug\n1 plug\n" * 60)  # so that it does not matter when the watcher comes
    with running("simulate", "mightyohm", "--port", port, "--script", file) as child:
        assert "speaks as mightyohm" in child.stdout.readline()
        with running("watch", port, "--driver", "mightyohm", "--json") as watcher:
            states = []
            while states[-2:] != ["LOST", "OK"]:
                told = re.search(r'"kind": "line".*"state": "(OK|LOST)"', watcher.stdout.readline())
                states += [told[1]] if told else []


def test_a_named_fault_comes_after_its_time_and_ends(tmp_path):
    done = typed("simulate", "gc10", "--fault", "unplug", "--after", "0", "--lasts", "0.1", "--seconds", "0.5")
    assert done.code == 0 and "speaks as gc10" in done.out


def test_a_script_file_is_played_and_one_that_is_none_is_named(tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text("0 document\n0 unreadable\n")
    bad.write_text("0 passage 1 1\n")
    done = typed("simulate", "cute", "--script", good, "--seconds", "0.3")
    assert done.code == 0 and "speaks as cute" in done.out
    done = typed("simulate", "cute", "--script", bad)
    assert done.code == 1 and "Line 1" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tss",), "There is no driver"),
        (("tsa", "--fault", "half"), "no such fault"),
        (("cute", "--fault", "tamper"), "no such fault"),
        (("gc10", "--fault", "tamper"), "no such fault"),
    ],
)
def test_what_cannot_be_simulated_is_misuse(words, said):
    done = typed("simulate", *words)
    assert done.code == 2 and said in done.err


def test_a_path_that_is_there_is_not_taken(tmp_path):
    done = typed("simulate", "tsa", "--port", tmp_path)
    assert done.code == 1 and "there already" in done.err
