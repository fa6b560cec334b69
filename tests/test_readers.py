"""The other reader families: documented frames, faults, licences and boarding passes. All persons are invented."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers import aamva, barcodes, cute, elyctis, lines, specimens
from failsafe.drivers.boarding import boarding_pass
from failsafe.drivers.driver import Driver, built_in
from failsafe.drivers.elyctis import ARM, SERIAL, VERSION, ElyctisDecoder
from failsafe.drivers.lines import HONEYWELL_TRIGGER, NEWLAND_TRIGGER, LinesDecoder
from failsafe.drivers.readers import card_text, pass_text, zone_answer, zone_lines
from failsafe.drivers.reading import (
    REJECTED,
    BoardingPass,
    DeviceHealth,
    DocumentRead,
    Licence,
    Malformed,
    Reading,
    Unknown,
)
from failsafe.drivers.simulator import barcode_frame

FRAMES = {
    frame["name"]: bytes.fromhex(frame["hex"])
    for frame in json.loads((Path(__file__).parent / "transcripts" / "frames.json").read_text())
}
TD3 = (
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
)
TD1 = specimens.td1("SAMPLESON", "INVENTED", "D23145890", "UTO", "740812", "F", "320415")
TD2 = specimens.td2("SAMPLESON", "INVENTED", "D23145890", "UTO", "740812", "F", "320415")
NOW = 40.0
LICENCE = Licence("SAMPLESON", "INVENTED", "1970-02-13", "M", "2031-06-30", "T64235789", "USA")
CARD = card_text()


def read(decoder, *chunks: bytes, now: float = NOW) -> list[Reading]:
    """All readings of chunks at one time, and what the silence after them ends (at `now` too, to be compared)."""
    found = [reading for chunk in chunks for reading in decoder.receive(chunk, now)]
    return found + [restamped(reading, now) for reading in decoder.receive(b"", now + 5.0)]


def restamped(reading: Reading, at: float) -> Reading:
    return type(reading)(**{name: at if name == "at" else getattr(reading, name) for name in reading.__slots__})


# --- elyctis -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "lines"), [("elyctis I response TD3", TD3), ("elyctis I response empty", ())])
def test_elyctis_documented_answers_whole_and_byte_by_byte(name, lines):
    frame = FRAMES[name]
    assert read(ElyctisDecoder(), frame) == [DocumentRead(NOW, lines)]
    assert read(ElyctisDecoder(), *(bytes([byte]) for byte in frame)) == [DocumentRead(NOW, lines)]


def test_elyctis_commands_are_the_documented_bytes():
    assert FRAMES["elyctis continuous on"] == ARM
    assert FRAMES["elyctis continuous off"] == elyctis.DISARM
    assert FRAMES["elyctis version"] == VERSION
    assert FRAMES["elyctis serial number"] == SERIAL
    assert FRAMES["elyctis inquire"] == elyctis.INQUIRE


def test_elyctis_is_armed_at_the_start_and_after_each_read():
    decoder = ElyctisDecoder()
    assert decoder.to_send(NOW) == VERSION + SERIAL + ARM
    assert decoder.to_send(NOW + 0.2) == b""
    assert decoder.receive(elyctis.frame(b"V", b"1.07") + elyctis.frame(b"R", b"SIM1"), NOW + 0.3) == [
        DeviceHealth(NOW + 0.3, "DEVICE", True, "version 1.07"),
        DeviceHealth(NOW + 0.3, "DEVICE", True, "serial number SIM1"),
    ]
    decoder.receive(zone_answer(TD1), NOW + 1)
    assert decoder.to_send(NOW + 1) == ARM
    assert decoder.to_send(NOW + 1.2) == b""
    assert decoder.to_send(NOW + elyctis.ASK_EVERY_S) == VERSION + ARM


def test_elyctis_that_does_not_answer_is_a_fault_until_it_does():
    decoder = ElyctisDecoder()
    decoder.to_send(NOW)
    assert decoder.receive(b"", NOW + elyctis.ANSWER_S) == []
    (fault,) = decoder.receive(b"", NOW + elyctis.ANSWER_S + 0.1)
    assert isinstance(fault, DeviceHealth) and not fault.ok
    assert decoder.receive(b"", NOW + 10) == []  # told once
    assert decoder.to_send(NOW + elyctis.ASK_EVERY_S) == VERSION + SERIAL + ARM
    assert decoder.to_send(NOW + elyctis.ASK_EVERY_S + 1) == b""
    assert decoder.to_send(NOW + elyctis.ASK_EVERY_S + elyctis.ASK_AGAIN_S) == VERSION + SERIAL + ARM
    back, told = decoder.receive(elyctis.frame(b"V", b"2"), NOW + 50)
    assert isinstance(back, DeviceHealth) and back.ok
    assert isinstance(told, DeviceHealth) and told.detail == "version 2"
    assert decoder.to_send(NOW + 50) == VERSION + SERIAL + ARM  # it may have lost its power


def test_elyctis_marks_rejected_places():
    zone = (TD3[0], TD3[1][:4] + "*" + TD3[1][5:])
    assert read(ElyctisDecoder(), zone_answer(zone)) == [
        DocumentRead(NOW, (TD3[0], TD3[1][:4] + REJECTED + TD3[1][5:]))
    ]


def test_elyctis_other_answers_are_counted():
    assert read(ElyctisDecoder(), elyctis.frame(b"T", b"ID BOX")) == [Unknown(NOW, "T")]
    assert read(ElyctisDecoder(), elyctis.frame(b"C", b"")) == []


# --- lines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain lines CRLF TD3", "plain single run 88 chars CR"])
def test_plain_lines_whole_and_byte_by_byte(name):
    frame = FRAMES[name]
    assert read(LinesDecoder(), frame) == [DocumentRead(NOW, TD3)]
    assert read(LinesDecoder(), *(bytes([byte]) for byte in frame)) == [DocumentRead(NOW, TD3)]


@pytest.mark.parametrize("zone", [TD3, TD2, TD1], ids=["TD3", "TD2", "TD1"])
@pytest.mark.parametrize("ends", [b"\r", b"\n", b"\r\n"])
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("aim", ["", "]L0", "]Q1", "]z0"])
def test_zones_with_any_line_end_and_mark(zone, ends, together, aim):
    assert read(LinesDecoder(), zone_lines(zone, ends, together=together, aim=aim)) == [DocumentRead(NOW, zone)]


@pytest.mark.parametrize("ends", [b"\r", b"\r\n"])
@pytest.mark.parametrize(
    "zone",
    [
        ("ABC123D<<", "FACHE123456789012<<700102<<<<<", "SAMPLESON<<INVENTED<<<<<<<<<<<"),
        ("D1FRA13AA000026181231SAMPLES<4",),
    ],
    ids=["Swiss", "French"],
)
def test_driving_licences_with_a_zone(zone, ends):
    assert read(LinesDecoder(), zone_lines(zone, ends)) == [DocumentRead(NOW, zone)]
    assert read(LinesDecoder(), zone_lines(TD1, ends) + zone_lines(zone, ends)) == [
        DocumentRead(NOW, TD1),
        DocumentRead(NOW, zone),
    ]


def test_an_imager_without_line_ends_is_ended_by_silence():
    decoder = LinesDecoder()
    assert decoder.receive("".join(TD1).encode(), 1.0) == []
    assert decoder.receive(b"", 2.5) == [DocumentRead(2.5, TD1)]


def test_a_line_that_became_no_zone_is_a_document_that_was_not_read():
    assert read(LinesDecoder(), TD3[0].encode() + b"\r\n") == [DocumentRead(NOW, ())]
    assert read(LinesDecoder(), TD3[1][:40].encode() + b"\r") == [DocumentRead(NOW, ())]


def test_after_half_a_zone_the_next_document_is_read():
    decoder = LinesDecoder()
    assert decoder.receive(TD3[0].encode() + b"\r", 1.0) == []
    assert decoder.receive(zone_lines(TD2), 5.0) == [DocumentRead(5.0, ()), DocumentRead(5.0, TD2)]


def test_rejected_places_of_a_line_are_marked():
    zone = (TD3[0], TD3[1][:4] + "*" + TD3[1][5:])
    assert read(LinesDecoder(), zone_lines(zone)) == [DocumentRead(NOW, (TD3[0], TD3[1][:4] + REJECTED + TD3[1][5:]))]


@pytest.mark.parametrize(
    ("decoder", "first", "again"),
    [
        (lambda: LinesDecoder(HONEYWELL_TRIGGER), "honeywell OCR on (volatile)", "honeywell trigger"),
        (lambda: LinesDecoder(NEWLAND_TRIGGER), None, "newland-type trigger"),
    ],
    ids=["honeywell", "newland"],
)
def test_imagers_are_triggered_at_the_start_after_a_read_and_in_time(decoder, first, again):
    imager, trigger = decoder(), FRAMES[again]
    assert imager.to_send(NOW) == (FRAMES[first] if first else b"") + trigger
    assert imager.to_send(NOW + 0.2) == b""
    imager.receive(zone_lines(TD3), NOW + 1)
    assert imager.to_send(NOW + 1) == trigger
    assert imager.to_send(NOW + 2) == b""
    assert imager.to_send(NOW + 40) == trigger


def test_the_trigger_can_be_ended_with_the_documented_bytes():
    assert FRAMES["honeywell untrigger"] == lines.HONEYWELL_OFF


@pytest.mark.parametrize("answer", [b"OCRENA1\x06!", b"ocrena1\x06.", b"\x02\x010000@SCNTRG1\x06;\x03"])
def test_answers_to_commands_are_cut_out(answer):
    assert read(LinesDecoder(), answer + zone_lines(TD3)) == [DocumentRead(NOW, TD3)]
    assert read(LinesDecoder(), answer + b"\r\n" + zone_lines(TD3)) == [DocumentRead(NOW, TD3)]


def test_plain_listening_sends_nothing():
    assert LinesDecoder().to_send(NOW) == b""


def test_a_flood_without_line_ends_stays_bounded_and_a_document_is_read_after_it():
    decoder = LinesDecoder()
    found = [one for _ in range(40) for one in decoder.receive(b"A1<" * 1000, NOW)]
    assert found and all(isinstance(one, Malformed) for one in found)
    assert len(decoder._lines._buffer) <= 1024
    *_, last = read(decoder, b"\r", zone_lines(TD3))
    assert last == DocumentRead(NOW, TD3)


# --- licences and boarding passes ------------------------------------------------------------------------------


def test_a_licence_over_a_cute_frame():
    assert read(cute.DRIVER.decoder(), barcode_frame(CARD)) == [DocumentRead(NOW, (), "licence", LICENCE)]


@pytest.mark.parametrize("aim", ["]L0", ""])
def test_a_licence_over_lines_is_read_without_waiting_for_silence(aim):
    decoder = LinesDecoder()
    assert decoder.receive(f"{aim}{CARD}".encode() + b"\r\n", NOW)[0] == DocumentRead(NOW, (), "licence", LICENCE)


def test_the_documented_licence_with_a_wrong_table_is_read_after_silence():
    decoder = LinesDecoder()
    assert decoder.receive(FRAMES["AIM + AAMVA"], NOW) == []
    (reading,) = decoder.receive(b"", NOW + 2)
    assert isinstance(reading, DocumentRead) and reading.source == "licence"
    assert reading.holder == Licence("SAMPLE", "MICHAEL", "1986-06-06", "", "", "T64235789", "USA")


def test_a_document_right_behind_a_licence_is_read():
    stream = FRAMES["AIM + AAMVA"] + b"]L0" + CARD.encode()
    first, second = read(LinesDecoder(), stream)[:2]
    assert first.holder.surname == "SAMPLE" and second.holder == LICENCE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (card_text(birth="19700213", country="CAN", expiry="20310630"), ("1970-02-13", "CAN", "2031-06-30")),
        (card_text(birth="02131970", country="CAN", expiry="06302031"), ("1970-02-13", "CAN", "2031-06-30")),
        (card_text(birth="19700213", expiry="99999999"), ("1970-02-13", "USA", "")),
        (card_text(birth="00000000", expiry=""), ("", "USA", "")),
    ],
)
def test_dates_of_licences(text, expected):
    card = aamva.licence(text)
    assert (card.birth_date, card.country, card.expiry_date) == expected


@pytest.mark.parametrize(
    ("elements", "names"),
    [
        ("DAQ1\nDAASAMPLESON,INVENTED,QUILL\nDBB02131970", ("SAMPLESON", "INVENTED QUILL")),
        ("DAQ1\nDCSSampleson\nDCTInvented,Quill\nDBB02131970", ("SAMPLESON", "INVENTED QUILL")),
        ("DAQ1\nDABSAMPLESON\nDACINVENTED\nDADQUILL\nDBB02131970", ("SAMPLESON", "INVENTED QUILL")),
        ("DAQ1\nDCSSAMPLESON\nDACNONE\nDADunavl\nDBB02131970", ("SAMPLESON", "")),
        ("DAQ1", ("", "")),
    ],
)
def test_names_of_licences_of_every_version(elements, names):
    card = aamva.licence(f"@\n\x1e\rANSI 6360000101DL00290100DL{elements}\r")
    assert (card.surname, card.given_names) == names


def test_a_licence_of_which_nothing_can_be_read_is_an_unread_document():
    assert barcodes.reading("@\n\x1e\rANSI 636000080102DL0041", NOW) == DocumentRead(NOW, (), "licence", None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (pass_text(), BoardingPass("SAMPLESON", "INVENTED")),
        (pass_text("QUILLFEATHERSTONEHAUGH", "X"), BoardingPass("QUILLFEATHERSTONEHAU", "")),
        ("M1NOBODY/IMAGINED     EABC123 YULFRAAC 0834 326J001A0025 100", BoardingPass("NOBODY", "IMAGINED")),
        (pass_text(given="MR"), BoardingPass("SAMPLESON", "MR")),
    ],
)
def test_the_name_of_a_boarding_pass(text, name):
    assert boarding_pass(text) == name


@pytest.mark.parametrize("text", ["", "M1", "MAYBE THIS IS A NOTE AND NOT A PASS AT ALL, OR IS IT", "".join(TD3), CARD])
def test_other_text_is_no_boarding_pass(text):
    assert boarding_pass(text) is None


def test_the_documented_boarding_pass_over_cute_and_over_lines():
    framed = read(cute.DRIVER.decoder(), FRAMES["cute/access-is barcode"])
    plain = read(LinesDecoder(), b"]L0" + FRAMES["cute/access-is barcode"][3:-2] + b"\r")
    assert framed == plain
    assert [reading.source for reading in framed] == ["boarding pass"]


def test_no_holder_shows_in_a_repr():
    for driver, stream in ((cute.DRIVER, barcode_frame(CARD)), (lines.DRIVER, pass_text().encode() + b"\r")):
        (reading,) = read(driver.decoder(), stream)
        assert "SAMPLESON" not in f"{reading!r}{reading.holder!r}" and "1970" not in repr(reading.holder)


# --- every document driver, any bytes ---------------------------------------------------------------------------

READERS = [driver for driver in built_in() if driver.role == "document"]
SPOKEN = {
    "cute": [FRAMES["cute/access-is OCR TD1"], FRAMES["access-is MSR (ignore)"], barcode_frame(CARD)],
    "elyctis": [zone_answer(TD3), zone_answer(TD1), elyctis.frame(b"V", b"1.07"), elyctis.frame(b"T", b"X")],
    "lines": [zone_lines(TD3), zone_lines(TD1, b"\r"), b"]L0" + CARD.encode() + b"\r\n", pass_text().encode() + b"\r"],
}


def spoken(driver: Driver) -> list[bytes]:
    return SPOKEN.get(driver.name, SPOKEN["lines"])


@pytest.mark.parametrize("driver", READERS, ids=lambda driver: driver.name)
@given(data=st.data())
def test_frames_cut_anywhere_are_the_same_readings(driver, data):
    messages = data.draw(st.lists(st.one_of(st.sampled_from(spoken(driver)), st.binary(max_size=30)), max_size=4))
    stream = b"".join(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = read(driver.decoder(), stream)
    assert read(driver.decoder(), *pieces) == whole
    assert read(driver.decoder(), *(bytes([byte]) for byte in stream)) == whole


@pytest.mark.parametrize("driver", READERS, ids=lambda driver: driver.name)
@given(data=st.data())
def test_after_garbage_and_a_silence_every_message_is_read(driver, data):
    garbage, message = data.draw(st.binary(max_size=200)), data.draw(st.sampled_from(spoken(driver)))
    decoder = driver.decoder()
    read(decoder, garbage, now=NOW - 30)
    assert read(decoder, message) == read(driver.decoder(), message)


@given(garbage=st.binary(max_size=200), message=st.sampled_from([zone_answer(TD3), zone_answer(TD1)]))
def test_elyctis_after_garbage_without_a_silence(garbage, message):
    (expected,) = read(ElyctisDecoder(), message)
    assert expected in read(ElyctisDecoder(), garbage + message)


@pytest.mark.parametrize("driver", READERS, ids=lambda driver: driver.name)
@given(stream=st.binary(max_size=400), now=st.floats(0, 1e9))
def test_no_bytes_raise_and_every_reading_is_one(driver, stream, now):
    decoder = driver.decoder()
    for chunk in (stream, b"I\x00\x20" + stream, b"@\r\x1e\rANSI " + stream, b""):
        for reading in decoder.receive(chunk, now):
            assert isinstance(reading, DocumentRead | DeviceHealth | Unknown | Malformed)
        assert isinstance(decoder.to_send(now), bytes)
        now += 0.7


@given(st.text(max_size=300))
def test_no_text_of_a_barcode_raises(text):
    for begun in (text, f"@\n\x1e\rANSI {text}", f"{CARD[:60]}{text}", f"M1{text}"):
        assert isinstance(barcodes.reading(begun, NOW), DocumentRead | Unknown)
