"""The cute driver: documented frames, byte by byte, after garbage, and what a reader sends when it could not read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from failsafe.drivers import cute
from failsafe.drivers.cute import CuteDecoder
from failsafe.drivers.layouts import ALPHABET
from failsafe.drivers.reading import REJECTED, BoardingPass, DocumentRead, Malformed, Reading, Unknown
from failsafe.drivers.simulator import barcode_frame, zone_frame

FRAMES = json.loads((Path(__file__).parent / "transcripts" / "frames.json").read_text())
OURS = {frame["name"]: bytes.fromhex(frame["hex"]) for frame in FRAMES if "access-is" in frame["name"]}

TD3 = (
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
)
TD1 = ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<")
NOW = 40.0

EXPECTED: dict[str, Reading] = {
    "cute/access-is OCR TD3": DocumentRead(NOW, TD3),
    "cute/access-is OCR TD3 no last CR": DocumentRead(NOW, TD3),
    "cute/access-is OCR TD1": DocumentRead(NOW, TD1),
    "cute/access-is barcode": DocumentRead(NOW, (), "boarding pass", BoardingPass("DESMARAIS", "LUC")),
    "access-is MSR (ignore)": Unknown(NOW, "magstripe"),
}


def read(*chunks: bytes, now: float = NOW) -> list[Reading]:
    decoder = CuteDecoder()
    return [reading for chunk in chunks for reading in decoder.receive(chunk, now)]


def test_every_documented_frame_is_tried() -> None:
    assert set(OURS) == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_documented_frame_whole_and_byte_by_byte(name: str) -> None:
    frame = OURS[name]
    assert read(frame) == [EXPECTED[name]]
    assert read(*(bytes([byte]) for byte in frame)) == [EXPECTED[name]]


@given(names=st.lists(st.sampled_from(sorted(EXPECTED)), max_size=5), data=st.data())
def test_frames_cut_anywhere_are_the_same_readings(names: list[str], data: st.DataObject) -> None:
    stream = b"".join(OURS[name] for name in names)
    place = data.draw(st.integers(0, len(stream)))
    other = data.draw(st.integers(0, place))
    assert read(stream[:other], stream[other:place], stream[place:]) == [EXPECTED[name] for name in names]


@given(garbage=st.binary(max_size=200), name=st.sampled_from(sorted(EXPECTED)))
def test_after_garbage_a_frame_is_read_and_the_garbage_is_malformed(garbage: bytes, name: str) -> None:
    assume(b"\x02" not in garbage)  # no frame of its own
    *before, last = read(garbage, OURS[name])
    assert last == EXPECTED[name]
    assert all(isinstance(reading, Malformed) for reading in before)


@given(st.binary(max_size=400))
def test_no_bytes_raise(stream: bytes) -> None:
    for reading in read(stream, b"\x1c\x02" + stream, b"\x1e\x02" + stream + b"\x03\x1f"):
        assert isinstance(reading, DocumentRead | Unknown | Malformed)


@given(st.lists(st.binary(min_size=1, max_size=44), min_size=1, max_size=3))
def test_lines_keep_their_places_whatever_was_recognised(parts: list[bytes]) -> None:
    """A rejected character is one place: the line is as long as it was sent."""
    body = b"\r".join(part.translate(None, b"\r\n\x02\x03") for part in parts)
    readings = read(cute.ZONE_START + body + cute.ZONE_END)
    (document,) = readings
    assert isinstance(document, DocumentRead)
    if document.lines:
        assert [len(line) for line in document.lines] == [len(part) for part in body.split(b"\r") if part]
    assert all(char in ALPHABET or char == REJECTED for line in document.lines for char in line)


@pytest.mark.parametrize("rejected", ["*", " ", "?", "#", "a", "ö", "\x00"])
def test_a_rejected_character_is_marked_at_its_place(rejected: str) -> None:
    lines = (TD3[0], TD3[1][:4] + rejected + TD3[1][5:])
    assert read(zone_frame(lines)) == [DocumentRead(NOW, (TD3[0], f"L898{REJECTED}{TD3[1][5:]}"))]


@pytest.mark.parametrize(
    "body",
    [b"", b"\r", b"\r\r\r", b"*" * 44 + b"\r" + b"*" * 44 + b"\r", b"????"],
    ids=["nothing", "one CR", "only CR", "all rejected", "marks"],
)
def test_a_frame_without_any_usable_text_is_an_unread_document(body: bytes) -> None:
    assert read(b"\x1c\x02" + body + b"\x03\x1d") == [DocumentRead(NOW, ())]


def test_half_a_frame_and_silence_is_malformed_and_the_next_document_is_read() -> None:
    decoder, frame = CuteDecoder(), zone_frame(TD3)
    assert decoder.receive(frame[:50], 1.0) == []
    assert decoder.receive(b"", 1.9) == []
    assert decoder.receive(b"", 2.1) == [Malformed(2.1, "half a frame", 50)]
    assert decoder.receive(frame, 3.0) == [DocumentRead(3.0, TD3)]


def test_a_second_document_right_behind_half_a_first_is_read() -> None:
    frame = zone_frame(TD1)
    assert read(frame[:30], zone_frame(TD3)) == [Malformed(NOW, "half a frame", 30), DocumentRead(NOW, TD3)]


def test_a_malformed_reading_and_a_repr_carry_no_content() -> None:
    (malformed, document) = read(zone_frame(TD1)[:60], zone_frame(TD3))
    assert "ERIKSSON" not in f"{malformed}{document}"
    assert "D231458907" not in f"{malformed}{document}"


@pytest.mark.parametrize("text", ["".join(TD3), "\r".join(TD3), "\r\n".join(TD1), "".join(TD1)])
def test_a_zone_printed_as_a_barcode_is_a_document(text: str) -> None:
    (reading,) = read(barcode_frame(text))
    assert isinstance(reading, DocumentRead)
    assert reading.source == "barcode"
    assert reading.lines in (TD3, TD1)


@pytest.mark.parametrize(
    "text",
    [
        "ANSI 636000100102DL00410278ZV03190008DLDAQT64235789\nDCSSAMPLE\nDDEN\r",
        "M1NOBODY/IMAGINED                 YULFRAAC",
        "".join(TD3)[:-1],
        "".join(TD3).lower(),
        "",
    ],
    ids=["no head of a licence", "no boarding pass", "one short", "lower case", "empty"],
)
def test_any_other_barcode_is_counted_and_no_document(text: str) -> None:
    assert read(barcode_frame(text)) == [Unknown(NOW, "barcode")]


def test_the_reader_needs_no_word_from_us() -> None:
    decoder = cute.DRIVER.decoder()
    decoder.receive(zone_frame(TD3), 1.0)
    assert decoder.to_send(2.0) == b""


def test_the_driver_says_what_it_is() -> None:
    assert (cute.DRIVER.name, cute.DRIVER.role, cute.DRIVER.line.baud) == ("cute", "document", 9600)
    assert cute.DRIVER.late_s is None and cute.DRIVER.down_s is None
