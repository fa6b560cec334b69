"""Small counters: Rad Pro that is asked, bGeigie, MightyOhm and GC10 that talk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers.cpm_lines import BGEIGIE, GC10, MIGHTYOHM, RADPRO, RadProDecoder
from failsafe.drivers.driver import Driver
from failsafe.drivers.reading import DeviceHealth, Dose, Malformed, Rate, Reading, Scan, Unknown
from tests.streams import after_garbage, assert_cutting_does_not_matter, good, heard

BNRDD = b"$BNRDD,0300,2026-11-22T03:00:02Z,35,4,207,A,4618.9612,N,00658.4831,E,443.70,A,5,1.28*"
EARLY = BNRDD.replace(b",207,A,", b",11,V,")
OHM = b"CPS, 1, CPM, 20, uSv/hr, 0.11, SLOW\r\n"
ID = b"OK FS2011 (STM32F051C8);Rad Pro 2.0/en;000000000000000000000000\r\n"


def summed(sentence: bytes) -> bytes:
    """A sentence with the sum that belongs to it."""
    total = 0
    for byte in sentence.strip(b"$*"):
        total ^= byte
    return sentence + b"%02X\r\n" % total


# --- those that talk -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [b"BNRDD", b"BNXRDD", b"CZRA1"])
@pytest.mark.parametrize("sentence", [BNRDD, EARLY])
def test_a_bgeigie_tells_counts_of_five_seconds(make: bytes, sentence: bytes) -> None:
    line = summed(sentence.replace(b"BNRDD", make))
    small = line[:-4] + line[-4:].lower()  # CzechRad writes its sums so
    assert heard(BGEIGIE.decoder, line, small) == [Scan(50.0, "gamma", (4,), 5.0)] * 2


@pytest.mark.parametrize("position", range(len(BNRDD) - 1))
def test_a_bgeigies_sum_finds_every_changed_character(position: int) -> None:
    sentence = bytearray(summed(BNRDD))
    sentence[position] ^= 1
    kinds = {reading.kind for reading in heard(BGEIGIE.decoder, bytes(sentence))}
    assert kinds == {"malformed"}


@pytest.mark.parametrize("short", [b"$BNRDD,0300*", b"$BNRDD,0300,2026-11-22T03:00:02Z,35,many,207,A*"])
def test_a_right_sum_on_something_else_is_malformed(short: bytes) -> None:
    assert [reading.kind for reading in heard(BGEIGIE.decoder, summed(short))] == ["malformed"]


def test_a_bgeigies_other_sentences_and_remarks_are_counted() -> None:
    assert heard(BGEIGIE.decoder, b"# NEW LOG\r\n", summed(b"$BNXSTS,0300,v1*")) == [
        Unknown(50.0, "remark"),
        Unknown(50.0, "BNXSTS"),
    ]
    first_firmware = BNRDD[:-1] + b"\r\n"
    assert [reading.kind for reading in heard(BGEIGIE.decoder, first_firmware)] == ["malformed"]


def test_a_mightyohm_tells_counts_of_a_second_and_a_dose_rate() -> None:
    assert heard(MIGHTYOHM.decoder, OHM) == [Scan(50.0, "gamma", (1,), 1.0), Dose(50.0, 110.0)]
    fast = OHM.replace(b"SLOW", b"FAST").replace(b"\r", b"")
    assert len(heard(MIGHTYOHM.decoder, fast)) == 2


@pytest.mark.parametrize("start", range(1, 30, 3))
def test_a_torn_mightyohm_line_is_malformed(start: int) -> None:
    readings = heard(MIGHTYOHM.decoder, OHM[start:], OHM)
    assert [reading.kind for reading in readings] == ["malformed", "gamma", "dose"]


def test_a_gc10_tells_a_rate_after_the_first_line_that_may_be_torn() -> None:
    assert heard(GC10.decoder, b"0\r\n", b"60\r\n90\r\n") == [
        Unknown(50.0, "first line"),
        Rate(50.0, "gamma", 1.0, 60.0),
        Rate(50.0, "gamma", 1.5, 60.0),
    ]


def test_a_gc10_that_was_cut_off_may_begin_torn_again() -> None:
    decoder = GC10.decoder()
    decoder.receive(b"60\r\n6", 50.0)
    assert decoder.receive(b"", 52.0) == [Malformed(52.0, "half a line", 1)]
    assert decoder.receive(b"0\r\n60\r\n", 53.0) == [Unknown(53.0, "first line"), Rate(53.0, "gamma", 1.0, 60.0)]


# --- Rad Pro -------------------------------------------------------------------------------------------------


class Station:
    """A Rad Pro decoder and its time."""

    def __init__(self) -> None:
        self.decoder = RadProDecoder()

    def at(self, now: float, answer: bytes = b"") -> tuple[bytes, list[Reading]]:
        """What it is asked at `now`, and what the answer gives."""
        return self.decoder.to_send(now), list(self.decoder.receive(answer, now))


def test_a_radpro_is_asked_and_the_difference_is_what_was_counted() -> None:
    station = Station()
    assert station.at(0.0) == (b"GET deviceId\r\n", [])
    assert station.at(0.1, ID)[1] == [
        DeviceHealth(0.1, "DEVICE", ok=True, detail="FS2011 (STM32F051C8), Rad Pro 2.0/en")
    ]
    assert station.at(0.2, b"OK 1500\r\n") == (b"GET tubePulseCount\r\n", [])
    assert station.at(0.7) == (b"", [])
    assert station.at(1.2, b"OK 1503\r\n") == (b"GET tubePulseCount\r\n", [Scan(1.2, "gamma", (3,), 1.0)])


def test_pulses_begin_anew_at_the_end_of_their_range() -> None:
    station = Station()
    station.at(0.0, b"OK 4294967295\r\n")
    assert station.at(1.0, b"OK 1\r\n")[1] == [Scan(1.0, "gamma", (2,), 1.0)]


def test_a_counter_that_began_anew_or_was_silent_counts_nothing() -> None:
    station = Station()
    station.at(0.0, b"OK 1500\r\n")
    assert station.at(1.0, b"OK 3\r\n")[1] == []
    assert station.at(2.0, b"OK 5\r\n")[1] == [Scan(2.0, "gamma", (2,), 1.0)]
    station.at(8.0)
    assert [reading.kind for reading in station.at(8.1, b"OK 900\r\n")[1]] == ["health"]


def test_firmware_that_does_not_know_the_question_is_silent_to_us() -> None:
    station = Station()
    station.at(0.0)
    assert station.at(0.1, b"ERROR\r\n")[1] == [Unknown(0.1, "ERROR")]
    assert [reading.kind for reading in station.at(4.0)[1]] == ["health"]
    assert station.at(5.5)[0] == b"GET deviceId\r\n"


def test_other_answers_are_counted() -> None:
    assert heard(RadProDecoder, b"OK\r\nOK 142.857\r\n", b"KO 5\r\n") == [
        Unknown(50.0, "OK"),
        Unknown(50.0, "answer"),
        Malformed(50.0, "no line of this device", 4),
    ]


# --- whatever comes ------------------------------------------------------------------------------------------

STREAMS = {
    "bgeigie": summed(BNRDD) + summed(EARLY),
    "mightyohm": OHM * 3,
    "gc10": b"60\r\n61\r\n62\r\n",
    "radpro": ID + b"OK 1500\r\nOK 142.857\r\nERROR\r\nOK 1501\r\n",
}
FAMILIES = st.sampled_from([BGEIGIE, MIGHTYOHM, GC10, RADPRO])
PLACES = st.lists(st.integers(0, 300), max_size=6)


@given(FAMILIES, PLACES)
def test_cut_anywhere_it_is_the_same(driver: Driver, places: list[int]) -> None:
    assert_cutting_does_not_matter(driver.decoder, STREAMS[driver.name], places)


@given(FAMILIES, st.binary(max_size=300), PLACES)
def test_any_bytes_are_borne(driver: Driver, garbage: bytes, places: list[int]) -> None:
    assert_cutting_does_not_matter(driver.decoder, garbage, places)
    stream = STREAMS[driver.name]
    last = good(heard(driver.decoder, stream))[-1]
    assert good(after_garbage(driver.decoder, garbage, stream))[-1] == last


@pytest.mark.parametrize("driver", [BGEIGIE, MIGHTYOHM, GC10, RADPRO])
def test_the_drivers_say_what_they_are(driver: Driver) -> None:
    assert (driver.role, driver.status) == ("radiation", "from documents, no hardware")
    assert driver.late_s and driver.down_s and driver.late_s < driver.down_s
    assert driver is RADPRO or driver.decoder().to_send(1.0) == b""
