"""`failsafe decode`: bytes of a line as readings, whole or in any pieces, and a summary that adds up."""

from __future__ import annotations

import collections
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.agent.commands import decoding
from failsafe.drivers import cute, specimens, tsa
from tests.conftest import PROJECT

KINDS = {"document", "background", "gamma", "neutron", "dose", "rate", "identification"} | {
    "occupancy",
    "alarm",
    "health",
    "unknown",
    "malformed",
}
ZONE = specimens.td3("Quillfeather", "Zzyzxbert", "XA1234907", "FRA", "700102", "M", "300101")
FRAME = b"\x1c\x02" + "\r".join(ZONE).encode() + b"\r\x03\x1d"
PASSAGE = (
    b"GB,000379,000371,000407,000371\r\n"
    b"NB,000003,000000,000002,000000\r\n"
    b"GS,000080,000081,000082,000083\r\n"
    b"GA,000880,000881,000882,000883\r\n"
    b"NS,000001,000000,000000,000000\r\n"
    b"SP,0.2000,03.414,012.29,000000\r\n"
    b"XX,1,2,3\r\n"
    b"GS,0000\x80,broken\r\n"
    b"GX,0.2000,000003,000000,000000\r\n"
    b"TT,000000,000000,000000,000000\r\n"
)


def decode(driver, content: bytes, **options) -> tuple[list[dict], dict]:
    """The readings, and the summary behind them."""
    *readings, summary = decoding.decode(driver, io.BytesIO(content), **options)
    assert summary["kind"] == "summary"
    assert set(summary) == {"kind", "lines", "readings", "malformed", "unknown_tags"}
    json.dumps([*readings, summary])
    return readings, summary


def adds_up(readings: list[dict], summary: dict) -> None:
    kinds = collections.Counter(reading["kind"] for reading in readings)
    assert set(kinds) <= KINDS
    assert summary["malformed"] == kinds["malformed"]
    assert sum(summary["unknown_tags"].values()) == kinds["unknown"]
    assert summary["readings"] == len(readings) - kinds["malformed"] - kinds["unknown"]


# --- documents -----------------------------------------------------------------------------------------------


def test_a_document_comes_with_its_zone_read():
    (reading,), summary = decode(cute.DRIVER, FRAME)
    assert next(iter(reading)) == "kind"
    assert (reading["kind"], reading["lines"], reading["source"]) == ("document", ZONE, "zone")
    assert reading["zone"]["valid"] and reading["zone"]["document_number"] == "XA1234907"
    assert summary == {"kind": "summary", "lines": 0, "readings": 1, "malformed": 0, "unknown_tags": {}}


def test_frames_of_our_transcripts():
    frames = {one["name"]: one for one in json.loads((PROJECT / "tests/transcripts/frames.json").read_text("utf-8"))}
    stream = b"".join(
        bytes.fromhex(frames[name]["hex"])
        for name in (
            "cute/access-is OCR TD3",
            "cute/access-is barcode",
            "access-is MSR (ignore)",
            "cute/access-is OCR TD1",
        )
    )
    readings, summary = decode(cute.DRIVER, stream)
    assert [reading["kind"] for reading in readings] == ["document", "document", "unknown", "document"]
    assert [reading["zone"]["format"] for reading in readings if "zone" in reading] == ["TD3", "TD1"]
    assert readings[1]["source"] == "boarding pass" and readings[1]["holder"]["given_names"] == "LUC"
    assert summary["unknown_tags"] == {"magstripe": 1}
    adds_up(readings, summary)


def test_half_a_frame_at_the_end_is_told():
    readings, summary = decode(cute.DRIVER, FRAME + FRAME[:40])
    assert [reading["kind"] for reading in readings] == ["document", "malformed"]
    assert readings[1]["length"] == 40 and "QUILL" not in json.dumps(readings[1])
    assert summary["malformed"] == 1


# --- radiation -----------------------------------------------------------------------------------------------


def test_a_passage_line_by_line():
    readings, summary = decode(tsa.DRIVER, PASSAGE)
    assert [reading["kind"] for reading in readings] == [
        *("background", "background", "occupancy", "gamma", "gamma", "alarm", "neutron"),
        *("unknown", "unknown", "malformed", "occupancy", "health"),
    ]
    assert readings[0] == {
        "kind": "background",
        "at": 0.0,
        "channel": "gamma",
        "panels_cps": (379.0, 371.0, 407.0, 371.0),
    }
    assert readings[5]["channel"] == "gamma" and readings[5]["counts"] == (880, 881, 882, 883)
    assert (readings[2]["phase"], readings[10]["phase"]) == ("began", "ended")
    assert readings[10]["speed_m_s"] == pytest.approx(12.29 / 3.6)
    assert summary["lines"] == 10 and summary["unknown_tags"] == {"SP": 1, "XX": 1}
    adds_up(readings, summary)


def test_stamped_lines_have_their_recorders_time():
    lines = (
        b"GB,000379,000371,000407,000371,2016-05-31 09:30:00.974 -07\r\n"
        b"GB,000379,000371,000407,000371,2016-05-31 09:30:05.974 -07\r\n"
    )
    readings, summary = decode(tsa.DRIVER, lines, stamped=True)
    assert [reading["at"] for reading in readings] == [1464712200.974, 1464712205.974]
    assert summary["lines"] == 2 and summary["malformed"] == 0


def test_a_line_without_its_stamp_keeps_the_time_before():
    lines = b"GB,1,2,3,4,2016-05-31 09:30:00.974 -07\r\nGB,1,2,3,5\r\n"
    readings, _ = decode(tsa.DRIVER, lines, stamped=True)
    assert [(reading["at"], reading["panels_cps"][3]) for reading in readings] == [
        (1464712200.974, 4.0),
        (1464712200.974, 5.0),
    ]


def test_stamps_that_are_not_asked_for_are_fields_too_many():
    _, summary = decode(tsa.DRIVER, b"GB,000379,000371,000407,000371,2016-05-31 09:30:00.974 -07\r\n")
    assert summary["readings"] == 0 and summary["malformed"] == 1


def test_nothing_at_all():
    readings, summary = decode(tsa.DRIVER, b"")
    assert readings == []
    assert summary == {"kind": "summary", "lines": 0, "readings": 0, "malformed": 0, "unknown_tags": {}}


@pytest.mark.parametrize("name", ["S2-C0-NONE", "S2-C3-NORM2"])
def test_real_captures_hold_no_malformed_line(shared, name):
    content = (shared / "data" / "rpm" / f"{name}.csv").read_bytes()
    readings, summary = decode(tsa.DRIVER, content, stamped=True)
    assert summary["lines"] == content.count(b"\n") and summary["malformed"] == 0
    adds_up(readings, summary)
    tags = collections.Counter(line.partition(b",")[0].decode() for line in content.splitlines())
    kinds = collections.Counter(reading["kind"] for reading in readings)
    assert kinds["gamma"] == tags["GS"] + tags["GA"] and kinds["neutron"] == tags["NS"] + tags["NA"]
    assert kinds["background"] == tags["GB"] + tags["NB"] + tags["NB1"]
    assert kinds["alarm"] == tags["GA"] + tags["NA"]
    times = [reading["at"] for reading in readings if reading["kind"] == "background"]
    assert times == sorted(times)


# --- whatever comes ------------------------------------------------------------------------------------------


class Dribble(io.BytesIO):
    """A source that gives what it likes at a time, as a pipe does."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        super().__init__(content)
        self._sizes = iter(sizes)

    def read(self, size: int = -1) -> bytes:
        return super().read(min(size, next(self._sizes, size)))


@given(st.lists(st.integers(1, 40), max_size=60))
def test_pieces_do_not_matter(sizes):
    for driver, content in ((tsa.DRIVER, PASSAGE), (cute.DRIVER, FRAME * 2)):
        whole = list(decoding.decode(driver, io.BytesIO(content)))
        assert list(decoding.decode(driver, Dribble(content, sizes))) == whole


@settings(deadline=None)
@given(st.sampled_from([tsa.DRIVER, cute.DRIVER]), st.binary(max_size=300), st.booleans())
def test_no_bytes_end_without_a_summary(driver, content, stamped):
    readings, summary = decode(driver, content, stamped=stamped)
    adds_up(readings, summary)
    assert summary["lines"] == content.count(b"\n") or stamped
