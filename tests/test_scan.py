"""`failsafe scan`: bytes find their driver, nothing is sent unasked, and what is printed is configuration."""

from __future__ import annotations

import json
import os
import re
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.agent import config
from failsafe.drivers import driver as drivers
from failsafe.drivers import ports, scan, specimens
from failsafe.drivers.cute import DRIVER as CUTE
from failsafe.drivers.detectors import Detector
from failsafe.drivers.driver import Driver, LineSettings
from failsafe.drivers.families import FAMILIES
from failsafe.drivers.gmc import DRIVER as GMC
from failsafe.drivers.line import SerialLine
from failsafe.drivers.radeye import ANNOUNCE
from failsafe.drivers.readers import ElyctisReader, zone_lines
from failsafe.drivers.reading import Background
from failsafe.drivers.scan import Hearing
from failsafe.drivers.simulator import DocumentReader, Pty, zone_frame
from failsafe.drivers.tsa import DRIVER as TSA
from tests.test_cli import Done, typed
from tests.test_detectors import Caught
from tests.test_simulator import PATIENCE_S

ZONE = specimens.td3("SAMPLESON", "INVENTED", "L898902C3", "UTO", "740812", "F", "320415")
BUILT_IN = drivers.built_in()
TALKING = ("tsa", "n42", "bgeigie", "mightyohm")
PERIOD = b"NB,000003,000000,000002,000000\r\nGB,000380,000383,000403,000361\r\n"


def heard(*chunks: bytes, asked: Driver | None = None) -> Hearing:
    hearing = Hearing(BUILT_IN, asked)
    for second, chunk in enumerate(chunks):
        hearing.receive(chunk, 100.0 + second)
    hearing.receive(b"", 200.0)
    return hearing


def best(*chunks: bytes) -> tuple[str, str]:
    judged = heard(*chunks).judgements
    return (judged[0].driver.name, judged[0].grade) if judged else ("", "no")


# --- who speaks so ---------------------------------------------------------------------------------------------


def said_by(name: str, periods: int = 4) -> list[bytes]:
    """What a simulated detector says after its driver's questions were answered."""
    detector, decoder, told = Detector(Caught(), FAMILIES[name]()), drivers.find(name).decoder(), []
    for second in range(periods + 3):
        now = 100.0 + second * detector.family.every_s
        told.append(detector.family.hear(decoder.to_send(now)) + detector.beat())
        decoder.receive(told[-1], now)
    return told


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_family_is_found_by_what_it_says(name):
    grade = "likely" if name == "gc10" else "sure"
    assert best(*said_by(name)) == (name, grade)


def test_a_valid_zone_names_its_reader_at_once():
    assert best(zone_frame(ZONE)) == ("cute", "sure")
    assert best(b"".join(zone_lines([line]) for line in ZONE)) == ("lines", "sure")


def test_a_document_that_was_not_read_names_nobody():
    assert best(zone_frame(["*" * 44] * 2)) == ("", "no")


def test_a_torn_beginning_is_nobodys_fault_and_torn_lines_are():
    assert best(PERIOD[40:] + PERIOD + PERIOD) == ("tsa", "sure")
    torn = b"GB,0003\xff0,000383,000403,000361\r\n"
    assert best(PERIOD, torn, torn, PERIOD, torn)[1] == "possible"


def test_bare_numbers_are_not_sure():
    assert best(b"20\r\n", b"21\r\n", b"19\r\n", b"20\r\n", b"22\r\n") == ("gc10", "likely")


@settings(max_examples=60)
@given(st.binary(max_size=600))
def test_noise_is_never_sure(noise):
    assert best(noise[:200], noise[200:])[1] in ("no", "possible", "likely")


def test_a_driver_that_fails_spoils_no_other():
    class Failing:
        def receive(self, chunk, now):
            raise RuntimeError("a fault of its own")

        def to_send(self, now):
            raise RuntimeError("a fault of its own")

    def refuse():
        raise RuntimeError("not even that")

    bad = [
        Driver("bad", "", "radiation", LineSettings(), "from documents, no hardware", make)
        for make in (Failing, refuse)
    ]
    hearing = Hearing([*bad, TSA], asked=bad[0])
    assert hearing.to_send(1.0) == b""
    hearing.receive(PERIOD + PERIOD, 1.0)
    assert [one.driver.name for one in hearing.judgements] == ["tsa"]
    assert scan.questions([*bad, GMC]) == ((GMC, GMC.line), (GMC, LineSettings(57600)))


def test_a_driver_of_somebody_elses_takes_part():
    class Own:
        def receive(self, chunk, now):
            return [Background(now, "gamma", (1.0,))] if b"own" in chunk else []

        def to_send(self, now):
            return b""

    theirs = Driver("own", "", "radiation", LineSettings(1200), "from documents, no hardware", Own)
    hearing = Hearing([*BUILT_IN, theirs])
    hearing.receive(b"own", 1.0)
    hearing.receive(b"own", 2.0)
    assert hearing.judgements[0].driver is theirs and LineSettings(1200) in scan.line_settings([theirs])


def test_only_the_asked_driver_asks():
    assert heard(b"").to_send(1.0) == b""
    assert Hearing(BUILT_IN, drivers.find("radeye")).to_send(1.0) == ANNOUNCE


def test_settings_are_tried_once_and_begin_with_the_drivers_own():
    tried = scan.line_settings(BUILT_IN)
    assert len(tried) == len(set(tried)) and {one.line for one in BUILT_IN} == {
        *tried[: len({one.line for one in BUILT_IN})]
    }


def test_an_excerpt_names_nobody():
    said = heard(zone_frame(ZONE)).excerpt
    assert "SAMPLESON" not in said and not re.search(r"[1-9]", said) and said.isprintable()


# --- configuration ---------------------------------------------------------------------------------------------

BOOTH = 'booth = {id = "ZZ-TEST-01", country = "ZZ", crossing_point = "Gate"}\nlanes = [{name = "1"}]\n'


@pytest.mark.parametrize("line", [TSA.line, LineSettings(9600, 7, "E", 2)])
def test_the_table_is_configuration_once_its_lane_is_filled_in(line, tmp_path):
    text = scan.table(TSA, "/dev/serial/by-id/usb-A", line, "detector-1")
    with pytest.raises(config.ConfigurationRefused, match="lane"):
        config.parse((BOOTH + text).encode(), tmp_path)
    (device,) = config.parse((BOOTH + text.replace('"?"', '"1"')).encode(), tmp_path).portals
    assert (device.driver, device.port, device.line(TSA.line)) == ("tsa", "/dev/serial/by-id/usb-A", line)
    assert ("baud" in text) is (line != TSA.line)


def test_odd_names_are_quoted():
    assert tomllib.loads(scan.table(CUTE, 'a"\\b', CUTE.line, "x"))["readers"][0]["port"] == 'a"\\b'


# --- ports -----------------------------------------------------------------------------------------------------


def test_the_most_lasting_name_of_a_port_is_taken(tmp_path):
    device = tmp_path / "ttyUSB7"
    device.touch()
    folders = [tmp_path / name for name in ("failsafe", "by-id", "by-path")]
    for folder in folders:
        folder.mkdir()
        (folder / "link").symlink_to(device)
    for folder in folders:
        assert ports.port(str(device), folders).path == str(folder / "link")
        (folder / "link").unlink()
    assert ports.port(str(device), folders).path == str(device)
    assert ports.port(str(device), [tmp_path / "none"]).device == str(device)


def test_a_link_that_is_named_stays_the_name(tmp_path):
    (tmp_path / "mine").symlink_to("/dev/null")
    assert ports.port(str(tmp_path / "mine"), []) == ports.Port(str(tmp_path / "mine"), "/dev/null")


def test_links_without_a_listed_device_are_ports_too(tmp_path):
    (tmp_path / "usb-A").symlink_to("/dev/null")
    assert ports.Port(str(tmp_path / "usb-A"), "/dev/null") in ports.ports([tmp_path])


def test_who_holds_a_port_is_named(tmp_path):
    for number, name, opened in ((11, "ModemManager", "/dev/ttyUSB0"), (12, "bash", "/dev/null")):
        (tmp_path / f"{number}" / "fd").mkdir(parents=True)
        (tmp_path / f"{number}" / "comm").write_text(f"{name}\n")
        (tmp_path / f"{number}" / "fd" / "3").symlink_to(opened)
    (tmp_path / "net").mkdir()
    (tmp_path / "13").mkdir()  # ended meanwhile
    assert ports.holders("/dev/ttyUSB0", tmp_path) == ("ModemManager (pid 11)",)
    assert ports.holders("/dev/ttyUSB1", tmp_path) == ()


# --- the command -----------------------------------------------------------------------------------------------


@pytest.fixture
def pty(tmp_path) -> Iterator[Pty]:
    with Pty(tmp_path / "device") as pty:
        yield pty


@contextmanager
def living(pty: Pty, name: str) -> Iterator[Detector]:
    detector = Detector(pty, FAMILIES[name](), pace=0.1)
    detector.start()
    try:
        yield detector
    finally:
        detector.stop()


def scanned(*words: object) -> list[dict]:
    done = typed("scan", "--config", "/nowhere", "--json", *words)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_a_portal_is_found_and_its_table_is_printed(pty):
    with living(pty, "tsa"):
        done: Done = typed("scan", "--config", "/nowhere", "--seconds", "2", pty.link)
    (table,) = tomllib.loads(done.out)["portals"]
    assert table == {"name": "detector-1", "lane": "?", "driver": "tsa", "port": str(pty.link)}
    assert "sure" in done.err and "fill in the lanes" in done.err


def test_nothing_is_ever_sent_unasked(pty):
    stopping, sent = threading.Event(), bytearray()

    def overhear() -> None:
        while not stopping.wait(0.02):
            sent.extend(pty.read())
            pty.write(b"?!\r\n")  # noise, so that every speed is tried

    thread = threading.Thread(target=overhear)
    thread.start()
    (row,) = scanned("--seconds", "0.5", pty.link)
    stopping.set()
    thread.join()
    assert (row["state"], bytes(sent)) == ("noise", b"") and row["configuration"] is None


def test_a_silent_port_is_listened_to_at_one_speed_only(pty):
    (row,) = scanned("--seconds", "0.5", pty.link)
    assert row["state"] == "silent" and "--ask" in row["advice"] and pty.read() == b""


@pytest.mark.parametrize("name", ["radeye", "gmc"])
def test_a_device_that_waits_is_found_by_asking(pty, name):
    with living(pty, name):
        (row,) = scanned("--seconds", "0.5", "--ask", pty.link)
    assert (row["driver"], row["grade"]) == (name, "sure")
    assert tomllib.loads(row["configuration"])["portals"][0]["driver"] == name


def test_a_reader_that_waits_is_found_by_asking(pty):
    reader = ElyctisReader(pty)
    reader.start()
    (row,) = scanned("--seconds", "0.5", "--ask", pty.link)
    reader.stop()
    assert row["driver"] == "elyctis" and "version 1.07" in row["detail"]
    assert tomllib.loads(row["configuration"])["readers"][0]["name"] == "passport-1"


def test_a_document_on_a_reader_is_not_shown(pty):
    stopping = threading.Event()

    def lay() -> None:
        while not stopping.wait(0.1):
            DocumentReader(pty, None).present(ZONE)

    thread = threading.Thread(target=lay)
    thread.start()
    done = typed("scan", "--config", "/nowhere", "--seconds", "2", pty.link)
    stopping.set()
    thread.join()
    assert 'driver = "cute"' in done.out
    assert not re.search("SAMPLESON|L898902C3|740812", done.out + done.err)


def test_a_port_in_use_and_one_that_is_not_there_are_told(pty, tmp_path):
    opened = threading.Event()
    line = SerialLine("x", str(pty.link), TSA, deliver=lambda reading: None, report=lambda state: opened.set())
    line.start()
    assert opened.wait(PATIENCE_S)
    held, absent = scanned("--seconds", "0.5", pty.link, tmp_path / "none")
    line.stop()
    assert (held["state"], absent["state"]) == ("held", "absent") and held["advice"] and absent["advice"]


def test_what_is_configured_is_named_and_not_offered_again(pty, tmp_path):
    file = tmp_path / "booth.toml"
    file.write_text(BOOTH + scan.table(TSA, str(pty.link), TSA.line, "portal-1").replace('"?"', '"1"'))
    with living(pty, "tsa"):
        done = typed("scan", "--config", file, "--seconds", "2", pty.link)
    assert done.out == "" and "It is portal-1 of the configuration" in done.err
    opened = threading.Event()
    line = SerialLine("x", str(pty.link), TSA, deliver=lambda reading: None, report=lambda state: opened.set())
    line.start()
    assert opened.wait(PATIENCE_S)
    done = typed("scan", "--config", file, "--seconds", "0.5", pty.link)
    line.stop()
    assert "failsafe watch portal-1" in done.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every port")
def test_a_forbidden_port_is_told(tmp_path):
    with Pty(tmp_path / "device") as pty:
        Path(os.path.realpath(pty.link)).chmod(0)
        (row,) = scanned("--seconds", "0.5", pty.link)
    assert row["state"] == "denied" and "dialout" in row["advice"]
