"""The GQ driver: counts of two and of four bytes, the model that decides between them, silence as the only frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers import gmc
from failsafe.drivers.gmc import GmcDecoder
from failsafe.drivers.reading import DeviceHealth, Malformed, Scan
from tests.streams import after_garbage, assert_cutting_does_not_matter, good, heard

SHORT = b"GMC-320Re 4.19"
LONG = b"GMC-500+Re 1.22"


def counted(*counts: int) -> list[Scan]:
    return [Scan(50.0, "gamma", (count,), 1.0) for count in counts]


@pytest.mark.parametrize(
    ("version", "width"),
    [
        (SHORT, 2),
        (b"GMC-280Re 2.11", 2),
        (b"GMC-300S Re1.03", 2),
        (LONG, 4),
        (b"GMC-600+Re 2.22", 4),
        (b"GMC-800Re1.08", 4),
    ],
)
def test_the_model_decides_how_long_a_number_is(version: bytes, width: int) -> None:
    stream = version + b"".join(count.to_bytes(width, "big") for count in (0, 28, 300))
    assert heard(GmcDecoder, stream) == [
        DeviceHealth(50.0, "DEVICE", ok=True, detail=version.decode()),
        *counted(0, 28, 300),
    ]


def test_reserved_bits_are_no_counts() -> None:
    assert heard(GmcDecoder, SHORT + b"\xc0\x1c\x80\x1c\x40\x1c")[1:] == counted(28, 28, 28)


def test_nothing_is_counted_before_the_model_is_known() -> None:
    """Two numbers of two bytes read as one of four would be an alarm."""
    assert heard(GmcDecoder, b"\x00\x1c\x00\x1d\x00\x1c\x00\x1d") == []
    decoder = GmcDecoder()
    decoder.receive(b"\x00\x1c\x00\x1d", 50.0)
    assert decoder.receive(b"", 50.4) == [Malformed(50.4, "no version", 4)]


def test_a_number_no_tube_can_count_is_none() -> None:
    assert heard(GmcDecoder, LONG + b"\x00\x01\x00\x00" + b"\x00\x00\x00\x07")[1:] == [
        Malformed(50.0, "no count", 4),
        *counted(7),
    ]


def test_silence_ends_a_number_whole_or_not() -> None:
    decoder = GmcDecoder()
    decoder.receive(SHORT + b"\x00", 50.0)  # of this number the second byte was lost
    assert decoder.receive(b"", 50.2) == []
    assert decoder.receive(b"", 50.5) == [Malformed(50.5, "half a number", 1)]
    assert decoder.receive(b"\x00\x1c", 51.0) == [Scan(51.0, "gamma", (28,), 1.0)]


# --- asking --------------------------------------------------------------------------------------------------


def test_it_is_asked_for_its_version_and_then_for_its_counts() -> None:
    decoder = GmcDecoder()
    assert decoder.to_send(0.0) == b"<HEARTBEAT0>><GETVER>>"
    assert decoder.to_send(0.1) == b""
    assert [reading.kind for reading in decoder.receive(SHORT, 0.2)] == ["health"]
    assert decoder.to_send(0.2) == b"<HEARTBEAT1>>"
    assert decoder.receive(b"\x00\x02", 1.2) == [Scan(1.2, "gamma", (2,), 1.0)]
    assert decoder.to_send(1.3) == b""


def test_a_counter_that_stops_is_a_fault_asked_again_and_must_say_anew_what_it_is() -> None:
    decoder = GmcDecoder()
    decoder.to_send(0.0)
    decoder.receive(SHORT + b"\x00\x02", 0.2)
    decoder.to_send(0.2)
    assert [reading.kind for reading in decoder.receive(b"", 4.0)] == ["health"]
    assert decoder.to_send(6.0) == b"<HEARTBEAT0>><GETVER>>"
    assert decoder.receive(b"\x00\x02", 6.1) == []  # another counter may have been plugged in
    assert decoder.receive(LONG, 6.1) == [
        Malformed(6.1, "no version", 2),
        DeviceHealth(6.1, "DEVICE", ok=True, detail="The device answers again."),
        DeviceHealth(6.1, "DEVICE", ok=True, detail=LONG.decode()),
    ]
    assert decoder.to_send(6.2) == b"<HEARTBEAT1>>"
    assert decoder.receive(b"\x00\x00\x00\x02", 7.1) == [Scan(7.1, "gamma", (2,), 1.0)]


# --- whatever comes ------------------------------------------------------------------------------------------

PLACES = st.lists(st.integers(0, 120), max_size=6)
COUNTS = st.lists(st.integers(0, 0x3FFF), max_size=20)


@given(st.sampled_from([(SHORT, 2), (LONG, 4)]), COUNTS, PLACES)
def test_cut_anywhere_it_is_the_same(device: tuple[bytes, int], counts: list[int], places: list[int]) -> None:
    version, width = device
    stream = version + b"".join(count.to_bytes(width, "big") for count in counts)
    assert_cutting_does_not_matter(GmcDecoder, stream, places)


@given(st.binary(max_size=300), st.booleans(), PLACES)
def test_any_bytes_are_borne(garbage: bytes, known: bool, places: list[int]) -> None:
    assert_cutting_does_not_matter(GmcDecoder, (SHORT if known else b"") + garbage, places)


@given(st.binary(max_size=300))
def test_after_garbage_and_a_silence_it_is_read(garbage: bytes) -> None:
    assert good(after_garbage(GmcDecoder, garbage, SHORT + b"\x00\x1c"))[-1:] == counted(28)


@given(st.binary(max_size=5000))
def test_memory_is_bounded(garbage: bytes) -> None:
    decoder = GmcDecoder()
    decoder.receive(garbage.replace(b"GMC-", b""), 1.0)
    assert len(decoder._buffer) <= 64


def test_the_driver_says_what_it_is() -> None:
    assert (gmc.DRIVER.role, gmc.DRIVER.status) == ("radiation", "from documents, no hardware")
