"""The RadEye driver: its lines as public programs show them, how it is woken, and what it says of itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers import radeye
from failsafe.drivers.radeye import RadEyeDecoder
from failsafe.drivers.reading import DeviceHealth, Dose, Malformed
from tests.streams import after_garbage, assert_cutting_does_not_matter, good, heard

LINE = b"\x02 599 0 544 00  GN+ 09 \x03\r\n"
PRDER = b"\x02 17 0 23 00  PRDER 1F \x03\r\n"
ALARMED = b"\x02 599 0 544 04  GN+ 09 \x03\r\n"
FAREWELL = b"\x02@CIAO\r\n"


def test_a_line_is_a_dose_rate() -> None:
    assert heard(RadEyeDecoder, LINE) == [Dose(50.0, 5990.0)]


def test_a_prder_has_its_value_elsewhere() -> None:
    assert heard(RadEyeDecoder, PRDER) == [Dose(50.0, 230.0)]


def test_a_line_without_control_characters_is_the_same() -> None:
    assert heard(RadEyeDecoder, LINE.replace(b"\x02", b"").replace(b"\x03", b"")) == heard(RadEyeDecoder, LINE)


def test_any_state_but_well_is_a_fault_until_it_is_well_again() -> None:
    faults = [reading for reading in heard(RadEyeDecoder, LINE, ALARMED, ALARMED, LINE, LINE) if reading.kind != "dose"]
    assert faults == [
        DeviceHealth(50.0, "DEVICE", ok=False, detail="The meter tells the state 04."),
        DeviceHealth(50.0, "DEVICE", ok=True, detail="The meter is well again."),
    ]


def test_a_farewell_is_a_fault_until_it_talks_again() -> None:
    assert [reading.kind for reading in heard(RadEyeDecoder, LINE, FAREWELL, LINE)] == [
        "dose",
        "health",
        "health",
        "dose",
    ]
    assert heard(RadEyeDecoder, FAREWELL) == [
        DeviceHealth(50.0, "DEVICE", ok=False, detail="The meter was switched off.")
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"99 0 544 00  GN+ 09 ",
        b" 599 0 544 00  GN+",
        b" -99 0 544 00  GN+ 09 ",
        b" ---- 0 544 00  GN+ 09 ",
        b" 599 0 544",
        b" 599 0 544 00 GN+ 09 ",
    ],
)
def test_what_is_no_line_is_malformed_and_the_next_is_read(line: bytes) -> None:
    assert heard(RadEyeDecoder, line + b"\r\n", LINE) == [
        Malformed(50.0, "no line of this device", len(line)),
        Dose(50.0, 5990.0),
    ]


def test_parity_bits_that_came_along_are_nothing_understood() -> None:
    """An adapter set to eight bits shows even parity as the highest bit."""
    stream = bytes(byte | (0x80 if byte.bit_count() % 2 else 0) for byte in LINE * 3) + b"\r\n"
    assert {reading.kind for reading in heard(RadEyeDecoder, stream)} == {"malformed"}


# --- waking it -----------------------------------------------------------------------------------------------


def test_it_is_announced_and_then_told_to_talk() -> None:
    decoder = RadEyeDecoder()
    assert decoder.to_send(0.0) == b"@"
    assert decoder.to_send(0.1) == b""
    assert decoder.receive(b">", 0.2) == []
    assert decoder.to_send(0.2) == b"X1\r\n"
    assert decoder.receive(LINE, 1.2) == [Dose(1.2, 5990.0)]
    assert decoder.to_send(60.0) == b""


def test_a_meter_that_says_nothing_is_a_fault_and_asked_again() -> None:
    decoder = RadEyeDecoder()
    assert decoder.to_send(0.0) == b"@"
    assert decoder.receive(b"", 3.0) == []
    assert decoder.receive(b"", 4.0) == [DeviceHealth(4.0, "DEVICE", ok=False, detail="The device does not answer.")]
    assert decoder.receive(b"", 5.0) == []
    assert decoder.to_send(5.0) == b"@"
    back, dose = decoder.receive(LINE, 6.0)
    assert back == DeviceHealth(6.0, "DEVICE", ok=True, detail="The device answers again.")
    assert dose == Dose(6.0, 5990.0)


def test_a_state_that_outlasts_a_silence_is_told_again() -> None:
    """The end of the silence must not end the other fault."""
    decoder = RadEyeDecoder()
    decoder.to_send(0.0)
    decoder.receive(ALARMED, 1.0)
    assert not decoder.receive(b"", 6.0)[0].ok
    healths = [reading for reading in decoder.receive(ALARMED, 7.0) if isinstance(reading, DeviceHealth)]
    assert [reading.ok for reading in healths] == [True, False]


def test_garbage_is_no_answer() -> None:
    decoder = RadEyeDecoder()
    decoder.to_send(0.0)
    decoder.receive(b"rubbish\r\n", 2.0)
    assert decoder.receive(b"", 4.0)[-1].kind == "health"


def test_an_answer_in_the_middle_of_lines_spoils_none() -> None:
    assert good(heard(RadEyeDecoder, LINE + b">" + LINE)) == [Dose(50.0, 5990.0)] * 2


# --- whatever comes ------------------------------------------------------------------------------------------

STREAM = LINE + ALARMED + PRDER + FAREWELL + LINE
PLACES = st.lists(st.integers(0, 400), max_size=6)


@given(PLACES)
def test_cut_anywhere_it_is_the_same(places: list[int]) -> None:
    assert_cutting_does_not_matter(RadEyeDecoder, STREAM, places)


@given(st.binary(max_size=300), PLACES)
def test_any_bytes_are_borne_and_do_not_spoil_what_follows(garbage: bytes, places: list[int]) -> None:
    assert_cutting_does_not_matter(RadEyeDecoder, garbage, places)
    assert good(after_garbage(RadEyeDecoder, garbage, LINE))[-1] == Dose(50.0, 5990.0)


def test_the_driver_says_what_it_is() -> None:
    line = radeye.DRIVER.line
    assert (line.baud, line.byte_size, line.parity, line.stop_bits) == (9600, 7, "E", 2)
    assert (radeye.DRIVER.role, radeye.DRIVER.status) == ("radiation", "from documents, no hardware")
