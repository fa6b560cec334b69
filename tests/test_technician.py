"""`failsafe watch`, `record` and `replay` on real pseudo-terminals: what is shown and written holds nobody."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from failsafe.agent import control
from failsafe.agent.commands import watching
from failsafe.agent.commands.watching import Watchers, in_words, told
from failsafe.drivers import cute, elyctis, lines, specimens, transcript
from failsafe.drivers.line import LineState, SerialLine
from failsafe.drivers.masking import masked_zone
from failsafe.drivers.readers import ElyctisReader, Imager, card_text
from failsafe.drivers.reading import DeviceHealth, DocumentRead, Malformed, Reading, Unknown
from failsafe.drivers.recording import SILENCE_S, Recorder
from failsafe.drivers.simulator import DocumentReader, Pty, play, zone_frame
from tests.test_cli import typed
from tests.test_simulator import PATIENCE_S

ZONE = specimens.td3("SAMPLESON", "INVENTED", "L898902C3", "UTO", "740812", "F", "320415")
CARD = specimens.td1("SAMPLESON", "INVENTED", "D23145890", "UTO", "740812", "F", "320415")
COMMAND = str(Path(sys.executable).with_name("failsafe"))


@pytest.fixture
def pty(tmp_path) -> Iterator[Pty]:
    with Pty(tmp_path / "device") as pty:
        yield pty


@contextmanager
def running(*words: object) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, ended with the block."""
    command = [COMMAND, *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.terminate()


# --- watch -----------------------------------------------------------------------------------------------------


def watched(pty: Pty, *options: str) -> list[dict]:
    """What `failsafe watch` says of one document, after the line."""
    with running("watch", pty.link, "--json", "--count", "1", *options) as child:
        assert json.loads(child.stdout.readline())["state"] == "OK"
        DocumentReader(pty).present(ZONE)
        return [json.loads(line) for line in child.stdout]


def test_a_watched_document_is_masked_and_its_checks_are_shown(pty):
    (seen,) = watched(pty)
    assert (seen["kind"], tuple(seen["lines"])) == ("document", masked_zone(ZONE))
    assert seen["zone"]["valid"] and all(seen["zone"]["checks"].values())
    assert not re.search("SAMPLESON|L898902C3|740812", json.dumps(seen))


def test_a_watched_specimen_is_shown_as_it_is(pty):
    (seen,) = watched(pty, "--specimen")
    assert tuple(seen["lines"]) == ZONE and seen["zone"]["surname"] == "SAMPLESON"


def test_a_name_nobody_has_and_a_driver_nobody_has_are_misuse(tmp_path):
    file = tmp_path / "booth.toml"
    file.write_text('booth = {id = "ZZ-TEST-01", country = "ZZ", crossing_point = "Gate"}\nlanes = [{name = "1"}]\n')
    done = typed("watch", "--config", file, "passport-9")
    assert (done.code, done.out) == (2, "") and "A port is a path" in done.err
    done = typed("watch", "/dev/nothing", "--driver", "cutte")
    assert done.code == 2 and "elyctis" in done.err


SEEN: list[tuple[Reading | LineState, str]] = [
    (DocumentRead(1.0, ()), "could not be read"),
    (DocumentRead(1.0, ZONE), "checks: document_number ok"),
    (DocumentRead(1.0, (ZONE[0], ZONE[1][:9] + "0" + ZONE[1][10:])), "document_number WRONG"),
    (Malformed(1.0, "half a frame", 17), "half a frame, 17 bytes"),
    (Unknown(1.0, "magstripe"), "magstripe"),
    (DeviceHealth(1.0, "DEVICE", False, "The reader does not answer."), "FAULT"),
    (LineState("x", "LOCKED", "It is held.", "End it.", 1.0), "LOCKED"),
]


@pytest.mark.parametrize(("seen", "word"), SEEN, ids=[word for _, word in SEEN])
def test_what_is_seen_in_words(seen, word):
    words = in_words(told(seen, specimen=False))
    assert word in words and "SAMPLESON" not in words


def test_a_licence_in_words_is_masked():
    (reading,) = lines.DRIVER.decoder().receive(card_text().encode() + b"\r\n", 1.0)[:1]
    words = in_words(told(reading, specimen=False))
    assert "document by licence" in words and "XXXXXXXXX" in words and "SAMPLESON" not in words
    assert "SAMPLESON" in in_words(told(reading, specimen=True))


class WatchedCore:
    """The part of a core that is watched."""

    def __init__(self) -> None:
        self.watchers = Watchers()
        self.loop: asyncio.AbstractEventLoop | None = None

    def watch(self, device: str, *, specimen: bool):
        return self.watchers.listen(device, specimen=specimen)


@contextmanager
def served(core: WatchedCore, path: Path) -> Iterator[None]:
    opened, loops = threading.Event(), []

    async def serve() -> None:
        loops.append((asyncio.get_running_loop(), asyncio.Event()))
        server = await control.serve(core, path)
        opened.set()
        await loops[0][1].wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert opened.wait(PATIENCE_S)
    try:
        yield
    finally:
        loops[0][0].call_soon_threadsafe(loops[0][1].set)
        thread.join(PATIENCE_S)


def test_the_running_core_tells_who_watches_a_device_and_masks_by_itself(tmp_path):
    core = WatchedCore()
    with served(core, tmp_path / "core.sock"), control.Visitor(tmp_path / "core.sock") as visitor:
        assert visitor.ask("watch", device="passport-1") == {"ready": True}
        core.watchers.tell("passport-2", DocumentRead(1.0, CARD))
        core.watchers.tell("passport-1", DocumentRead(2.0, ZONE))
        seen = visitor.next()
        assert (seen["at"], tuple(seen["lines"])) == (2.0, masked_zone(ZONE))
        with control.Visitor(tmp_path / "core.sock") as other:
            other.ask("watch", device="passport-1", specimen=True)
            core.watchers.tell("passport-1", DocumentRead(3.0, ZONE))
            assert tuple(other.next()["lines"]) == ZONE
        assert tuple(visitor.next()["lines"]) == masked_zone(ZONE)


# --- record and replay -------------------------------------------------------------------------------------------


def test_a_recording_is_masked_and_can_be_played_to_a_booth(pty, tmp_path):
    file = tmp_path / "reader.transcript"
    with running("record", pty.link, file) as child:
        assert "OK" in child.stderr.readline()
        reader = DocumentReader(pty)
        reader.present(ZONE)
        reader.half_frame(ZONE)
        wait_for(file, lambda text: len(transcript.parse(text).bursts) == 1 and len(text) > 250)
        child.terminate()
        child.wait()
    text = file.read_text("ascii")
    assert not re.search("SAMPLESON|INVENTED|L898902C3|740812", text)
    played = transcript.parse(text)
    assert (played.driver, played.baud) == ("cute", 9600)
    decoder = cute.DRIVER.decoder()
    assert decoder.receive(played.bursts[0].content, 1.0)[0] == DocumentRead(1.0, masked_zone(ZONE))


def wait_for(file: Path, holds) -> None:
    """Look at a growing file until what it says holds; its writer flushes it several times a second."""
    looking = threading.Event()
    for _ in range(int(PATIENCE_S / 0.05)):
        if holds(file.read_text("ascii")):
            return
        looking.wait(0.05)
    raise AssertionError("the recording did not grow")


def test_a_recording_is_never_written_over_another(tmp_path):
    file = tmp_path / "old"
    file.write_text("old")
    done = typed("record", "/dev/nothing", file)
    assert done.code == 1 and "already" in done.err and file.read_text() == "old"


def test_a_recording_of_an_elyctis_reader_holds_both_sides(pty, tmp_path):
    reader, file = ElyctisReader(pty), tmp_path / "reader.transcript"
    reader.start()
    with running("record", pty.link, file, "--driver", "elyctis", "--specimen") as child:
        assert "OK" in child.stderr.readline()
        assert reader.armed.wait(PATIENCE_S)
        assert reader.present(CARD)
        wait_for(file, lambda text: "SAMPLESON" in text)
    reader.stop()
    bursts = transcript.parse(file.read_text("ascii")).bursts
    assert bursts[0].content == elyctis.VERSION + elyctis.SERIAL + elyctis.ARM and not bursts[0].from_device
    assert any(one.from_device and b"SAMPLESON" in one.content for one in bursts)


def test_a_played_recording_is_read_by_a_line(tmp_path):
    file, port = tmp_path / "one.transcript", tmp_path / "port"
    recorder = Recorder(cute.DRIVER, 9600, specimen=True)
    file.write_text(recorder.head + recorder.add(zone_frame(ZONE), True, 5.0) + recorder.rest())
    heard: list[Reading] = []
    arrived, opened = threading.Event(), threading.Event()

    def deliver(reading: Reading) -> None:
        heard.append(reading)
        arrived.set()

    with running("replay", file, "--port", port, "--after", "0.5", "--repeat", "0") as child:
        assert "speaks as cute" in child.stdout.readline()
        line = SerialLine("x", str(port), cute.DRIVER, deliver=deliver, report=lambda state: opened.set())
        line.start()
        assert opened.wait(PATIENCE_S) and arrived.wait(PATIENCE_S)
        line.stop()
    assert any(isinstance(one, DocumentRead) and one.lines == ZONE for one in heard)


@pytest.mark.parametrize(("content", "word"), [("no transcript", "line 1"), ("# failsafe transcript 1\nx\n", "line 2")])
def test_what_cannot_be_played_is_named(tmp_path, content, word):
    (tmp_path / "x").write_text(content)
    done = typed("replay", tmp_path / "x")
    assert done.code == 1 and word in done.err


def test_a_port_that_is_there_is_not_taken(tmp_path):
    recorder = Recorder(cute.DRIVER, 9600)
    (tmp_path / "x").write_text(recorder.head)
    done = typed("replay", tmp_path / "x", "--port", tmp_path / "x")
    assert done.code == 1 and "there already" in done.err


def test_playing_ends_when_told(pty):
    stopping = threading.Event()
    stopping.set()
    play(transcript.parse(f"{transcript.HEAD}\n0.0 rx abc\n90.0 rx def\n"), pty, stopping)


# --- recorder ----------------------------------------------------------------------------------------------------


def test_a_document_in_chunks_is_one_burst_and_silence_ends_it():
    recorder, frame = Recorder(cute.DRIVER, 9600), zone_frame(ZONE)
    assert recorder.add(frame[:40], True, 10.0) == recorder.add(frame[40:], True, 10.1) == ""
    assert recorder.idle(10.2) == ""
    text = recorder.head + recorder.idle(10.2 + SILENCE_S)
    assert text.startswith("# failsafe transcript 1\n# driver cute\n# baud 9600\n# letters")
    (burst,) = transcript.parse(text).bursts
    assert (burst.at_s, burst.content) == (0.0, zone_frame(masked_zone(ZONE)))


def test_half_a_document_is_masked_with_a_remark():
    recorder = Recorder(cute.DRIVER, 9600)
    text = recorder.add(zone_frame(ZONE)[:70], True, 1.0) + recorder.rest()
    assert text.startswith("# in the next burst") and "SAMPLESON" not in text


def test_a_portal_is_recorded_as_it_is():
    from failsafe.drivers import tsa

    recorder = Recorder(tsa.DRIVER, 9600)
    assert "GB,000379" in recorder.add(b"GB,000379,000371,000407,000371\r\n", True, 1.0) + recorder.rest()


# --- simulated readers ---------------------------------------------------------------------------------------------


@contextmanager
def listening(pty: Pty, driver) -> Iterator[tuple[list[Reading], threading.Event]]:
    heard: list[Reading] = []
    arrived = threading.Event()

    def deliver(reading: Reading) -> None:
        heard.append(reading)
        arrived.set()

    line = SerialLine("reader", str(pty.link), driver, deliver=deliver, report=lambda state: None)
    line.start()
    try:
        yield heard, arrived
    finally:
        line.stop()


def documents(heard: list[Reading]) -> list[tuple[str, ...]]:
    return [one.lines for one in heard if isinstance(one, DocumentRead)]


def test_an_elyctis_reader_is_armed_again_after_each_document(pty):
    reader = ElyctisReader(pty)
    reader.start()
    with listening(pty, elyctis.DRIVER) as (heard, _):
        for zone in (ZONE, CARD, ZONE):
            assert reader.armed.wait(PATIENCE_S)
            assert reader.present(zone)
        assert reader.armed.wait(PATIENCE_S)  # so the last was taken
    reader.stop()
    assert documents(heard) == [ZONE, CARD, ZONE]
    assert {one.detail for one in heard if isinstance(one, DeviceHealth)} == {
        "version 1.07",
        "serial number SIM00001",
    }


def test_an_elyctis_reader_after_noise(pty):
    reader = ElyctisReader(pty)
    reader.start()
    with listening(pty, elyctis.DRIVER) as (heard, _):
        assert reader.armed.wait(PATIENCE_S)
        reader.garbage()
        assert reader.present(ZONE)
        assert not reader.present(CARD)  # one-shot
        assert reader.armed.wait(PATIENCE_S)
        reader.present(CARD)
        assert reader.armed.wait(PATIENCE_S)
    reader.stop()
    assert documents(heard) == [ZONE, CARD]


@pytest.mark.parametrize("driver", [lines.HONEYWELL, lines.NEWLAND], ids=lambda driver: driver.name)
@pytest.mark.parametrize("together", [False, True])
def test_an_imager_reads_only_when_triggered_and_is_triggered_again(pty, driver, together):
    imager = Imager(pty, b"\r", together=together)
    imager.start()
    with listening(pty, driver) as (heard, _):
        for zone in (ZONE, CARD):
            assert imager.triggered.wait(PATIENCE_S)
            assert imager.present(zone)
        assert imager.triggered.wait(PATIENCE_S)
        assert imager.present_barcode(card_text())
        assert imager.triggered.wait(PATIENCE_S)
        assert imager.half(ZONE)
        assert imager.triggered.wait(PATIENCE_S)
    imager.stop()
    assert imager.ocr is (driver is lines.HONEYWELL)
    assert documents(heard) == [ZONE, CARD, (), ()]
    assert [one.source for one in heard if isinstance(one, DocumentRead)] == ["zone", "zone", "licence", "zone"]


def test_a_watcher_that_does_not_keep_up_loses_the_oldest():
    async def flood() -> list[float]:
        watchers = Watchers()
        heard = watchers.listen("x", specimen=False)
        await anext(heard)
        for at in range(watching._MOST_WAITING + 10):
            watchers.tell("x", Malformed(float(at), "x", 1))
        await asyncio.sleep(0)
        first = [(await anext(heard))["at"] for _ in range(3)]
        await heard.aclose()
        assert not watchers._listeners["x"]
        return first

    assert asyncio.run(flood()) == [10.0, 11.0, 12.0]
