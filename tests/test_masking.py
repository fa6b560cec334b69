"""Recordings hold nobody: letters and digits are gone, layout and check results stay. All persons are invented."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers import cute, elyctis, lines, mrz, specimens
from failsafe.drivers.masking import masked_bytes, masked_reading, masked_text, masked_zone
from failsafe.drivers.readers import card_text, pass_text, zone_answer, zone_lines
from failsafe.drivers.reading import DocumentRead
from failsafe.drivers.simulator import barcode_frame, zone_frame

NAMES = st.text("ABCDEFGHIJKLMNOPQRSTUVWYZ", min_size=3, max_size=9)
NUMBERS = st.text("ABCDEFGHJKLMNPQRSTUVWYZ123456789", min_size=6, max_size=9)
ZONES = st.builds(
    lambda layout, *fields: layout(*fields),
    st.sampled_from([specimens.td1, specimens.td2, specimens.td3]),
    NAMES,
    NAMES,
    NUMBERS,
    st.just("UTO"),
    st.sampled_from(["620304", "991130", "7<<<<<"]),
    st.sampled_from("MF<"),
    st.sampled_from(["330708", "280229"]),
)


def secrets_of(zone) -> set[str]:
    """Words of the person that must not be left; the code of the invented state may, also between two single digits."""
    words = re.findall(r"[A-Z0-9]{3,}", " ".join(zone))
    nobodys = re.compile("[0-9X]{1,3}|[0-9]?UTO[0-9]?")  # a check digit before it, a decade behind it
    return {word for word in words if set(word) - set("XUTO0<") and not nobodys.fullmatch(word)}


@given(ZONES)
def test_a_masked_zone_has_the_layout_and_the_checks_and_nobody(zone):
    masked, was = masked_zone(zone), mrz.parse(zone)
    now = mrz.parse(masked)
    assert [len(line) for line in masked] == [len(line) for line in zone]
    assert [line.count("<") for line in masked] == [line.count("<") for line in zone]
    assert (now.format, now.checks, now.valid) == (was.format, was.checks, was.valid)
    assert (now.issuing_state, now.nationality, now.sex) == (was.issuing_state, was.nationality, was.sex)
    for field in ("surname", "given_names", "document_number"):
        assert set(getattr(now, field)) <= set("X0 ")
    assert now.birth_date[:2] in ("70", "7<")


@given(ZONES, st.data())
def test_a_wrong_check_digit_stays_wrong(zone, data):
    row = 1
    place = data.draw(st.integers(0, len(zone[row]) - 1))
    spoiled = list(zone)
    spoiled[row] = zone[row][:place] + data.draw(st.sampled_from("0189*")) + zone[row][place + 1 :]
    assert mrz.parse(masked_zone(spoiled)).checks == mrz.parse(spoiled).checks


@given(ZONES, st.data())
def test_frames_of_every_family_are_masked_whole(zone, data):
    for driver, message in (
        (cute.DRIVER, zone_frame(zone)),
        (elyctis.DRIVER, zone_answer(zone)),
        (lines.DRIVER, zone_lines(zone, data.draw(st.sampled_from([b"\r", b"\r\n"])))),
        (lines.DRIVER, zone_lines(zone, b"\r", together=True, aim="]L0")),
    ):
        masked = masked_bytes(message, driver.name)
        assert masked.kept and len(masked.content) == len(message)
        (reading,) = [*driver.decoder().receive(masked.content, 1.0)]
        assert reading == DocumentRead(1.0, masked_zone(zone))


@given(st.lists(ZONES, min_size=2, max_size=3), st.sampled_from(["cute", "elyctis", "lines"]))
def test_several_documents_in_one_go(zones, driver):
    make = {"cute": zone_frame, "elyctis": zone_answer, "lines": zone_lines}[driver]
    masked = masked_bytes(b"".join(map(make, zones)), driver)
    assert masked.kept and masked.content == b"".join(make(masked_zone(zone)) for zone in zones)


def test_a_rejected_place_stays_rejected():
    zone = specimens.td3("SAMPLESON", "INVENTED", "L898902C3", "UTO", "740812", "F", "320415")
    spoiled = (zone[0], zone[1][:4] + "*" + zone[1][5:])
    masked = masked_bytes(zone_frame(spoiled), "cute")
    assert b"*" in masked.content and masked.kept
    (reading,) = cute.DRIVER.decoder().receive(masked.content, 1.0)
    assert reading.lines[1][4] == "?"


@pytest.mark.parametrize("text", [card_text(), card_text(country="CAN", birth="19700213")])
def test_a_licence_keeps_its_elements_and_loses_its_holder(text):
    masked = masked_bytes(barcode_frame(text), "cute")
    (reading,) = cute.DRIVER.decoder().receive(masked.content, 1.0)
    assert masked.kept and reading.source == "licence"
    assert (reading.holder.surname, reading.holder.birth_date) == ("XXXXXXXXX", "1970-01-01")
    for word in (b"SAMPLESON", b"INVENTED", b"64235789", b"0213"):
        assert word not in masked.content


def test_a_boarding_pass_and_other_text_lose_every_letter():
    for message in (barcode_frame(pass_text()), pass_text().encode() + b"\r", b"\x0e\x02?TRACK1 4711\r\x03\x0f"):
        masked = masked_bytes(message, "cute").content
        assert len(masked) == len(message)
        assert not re.search(rb"[A-WYZ1-9]{2,}", masked.replace(b"\x1e\x02r", b""))


@given(st.binary(max_size=300), st.sampled_from(["cute", "elyctis", "lines"]))
def test_no_bytes_raise_and_no_letter_of_an_unknown_text_is_left(content, driver):
    masked = masked_bytes(content, driver)
    assert len(masked.content) == len(content)
    assert not re.search(rb"[A-HJ-WYZ][A-WYZ][A-WYZ1-9]{2,}", masked.content)


@given(ZONES, st.integers(1, 200))
def test_half_a_document_is_masked_too(zone, cut):
    for driver, message in (("cute", zone_frame(zone)), ("elyctis", zone_answer(zone)), ("lines", zone_lines(zone))):
        masked = masked_bytes(message[:cut], driver).content.decode("latin-1")
        assert not any(word in masked for word in secrets_of(zone))


def test_text_of_other_scripts_becomes_signs():
    assert masked_text("Ab1<é—Ж ") == "Xx0<??? "


CARD_ZONE = specimens.td1("SAMPLESON", "INVENTED", "D23145890", "UTO", "740812", "F", "320415")


@pytest.mark.parametrize(
    ("driver", "message"),
    [
        (cute.DRIVER, zone_frame(CARD_ZONE)),
        (lines.DRIVER, card_text().encode() + b"\r"),
        (lines.DRIVER, pass_text().encode() + b"\r"),
    ],
    ids=["zone", "licence", "boarding pass"],
)
def test_a_reading_is_masked_for_the_technicians_eyes(driver, message):
    (reading, *_) = driver.decoder().receive(message, 1.0)
    shown = masked_reading(reading)
    assert "SAMPLESON" not in f"{shown.lines}{shown.holder and shown.holder.surname}"
    assert shown.source == reading.source
