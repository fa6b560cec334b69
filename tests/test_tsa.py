"""The TSA driver: the grammar line by line, torn lines, and two captures of a real portal."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers import tsa
from failsafe.drivers.reading import (
    Alarm,
    Background,
    DeviceHealth,
    Malformed,
    Occupancy,
    Reading,
    Scan,
    SetUp,
    Unknown,
)
from failsafe.drivers.simulator import PortalScript
from failsafe.drivers.tsa import TsaDecoder, stamp_of, strip_stamp

GB = b"GB,000380,000383,000403,000361\r\n"
NB = b"NB,000003,000000,000002,000000\r\n"
GS = b"GS,000079,000071,000096,000069\r\n"
GA = b"GA,000179,000171,000196,000169\r\n"
NS = b"NS,000003,000000,000002,000000\r\n"
NA = b"NA,000043,000040,000042,000041\r\n"
GX = b"GX,000109,006383,000000,000000\r\n"


def heard(*lines: bytes, now: float = 50.0) -> list[Reading]:
    decoder = TsaDecoder()
    return [reading for line in lines for reading in decoder.receive(line, now)]


def kinds(readings: list[Reading]) -> Counter[str]:
    return Counter(reading.kind for reading in readings)


# --- the grammar ---------------------------------------------------------------------------------------------


def test_backgrounds_are_counts_per_second_of_each_panel() -> None:
    assert heard(GB, NB, b"NB1,3.86666703,0.00000000,2.91666674,0.00000000\r\n") == [
        Background(50.0, "gamma", (380.0, 383.0, 403.0, 361.0)),
        Background(50.0, "neutron", (3.0, 0.0, 2.0, 0.0)),
        Background(50.0, "neutron", (3.86666703, 0.0, 2.91666674, 0.0)),
    ]


def test_the_first_scan_begins_an_occupancy_and_gx_ends_it() -> None:
    assert heard(GB, NS, GS, GX, GB)[1:-1] == [
        Occupancy(50.0, "began"),
        Scan(50.0, "neutron", (3, 0, 2, 0), 1.0),
        Scan(49.0, "gamma", (79, 71, 96, 69), 0.2),
        Occupancy(50.0, "ended", neutron_cps=6.383),
    ]


@pytest.mark.parametrize(("line", "channel"), [(GA, "gamma"), (NA, "neutron")])
def test_an_alarm_line_is_a_scan_and_an_alarm_of_the_same_moment(line: bytes, channel: str) -> None:
    began, scan, alarm = heard(line)
    assert isinstance(began, Occupancy) and isinstance(scan, Scan) and isinstance(alarm, Alarm)
    assert scan.channel == alarm.channel == channel
    assert (scan.at, scan.counts) == (alarm.at, alarm.counts)


def test_the_first_six_gamma_scans_look_back_over_the_second_before() -> None:
    decoder, scans = TsaDecoder(), []
    for index in range(9):
        now = 50.0 + 0.004 * index if index < 6 else 50.0 + 0.2 * (index - 5)
        scans += [reading for reading in decoder.receive(GS, now) if isinstance(reading, Scan)]
    assert [scan.at for scan in scans] == pytest.approx([49.0, 49.2, 49.4, 49.6, 49.8, 50.0, 50.2, 50.4, 50.6])


def test_each_occupancy_has_its_own_look_back() -> None:
    readings = heard(*[GS] * 10, GX, *[GS] * 6)
    assert [reading.at for reading in readings if isinstance(reading, Scan)][10:] == pytest.approx(
        [49.0, 49.2, 49.4, 49.6, 49.8, 50.0]
    )


def test_a_neutron_scan_among_the_look_back_does_not_shift_it() -> None:
    gamma = [reading.at for reading in heard(NS, *[GS] * 3, NS, *[GS] * 3) if reading.kind == "gamma"]
    assert gamma == pytest.approx([49.0, 49.2, 49.4, 49.6, 49.8, 50.0])


def test_the_speed_is_the_median_of_those_measured() -> None:
    speeds = [b"SP,0.1221,05.584,009.00,000000\r\n", b"SP,0.0001,99.999,160.93,000000\r\n"]
    *_, ended = heard(GS, speeds[0], speeds[1], speeds[0], GX)
    assert isinstance(ended, Occupancy) and ended.speed_m_s == pytest.approx(2.5)


def test_the_speed_of_one_vehicle_is_not_the_next_ones() -> None:
    *_, ended = heard(GS, b"SP,0.1221,05.584,009.00,000000\r\n", GX, GS, GX)
    assert isinstance(ended, Occupancy) and ended.speed_m_s is None


@pytest.mark.parametrize(
    ("end", "cps"),
    [(b"GX,000594,002391,000000,000000", 2.391), (b"GX,000001,000000,000000,000000", None), (b"GX", None)],
)
def test_the_end_tells_the_neutron_background_with_its_decimals(end: bytes, cps: float | None) -> None:
    *_, ended = heard(GS, end + b"\r\n")
    assert isinstance(ended, Occupancy) and ended.neutron_cps == cps


def test_an_end_without_a_beginning_is_only_counted() -> None:
    assert heard(GX) == [Unknown(50.0, "GX")]


def test_a_background_after_a_lost_end_tells_no_end_and_the_next_scan_begins_anew() -> None:
    """Nobody knows what else was lost with GX: an end would make that passage look quiet."""
    readings = heard(GS, GB, GS)
    assert [reading.phase for reading in readings if isinstance(reading, Occupancy)] == ["began", "began"]


@pytest.mark.parametrize(
    ("tag", "fault", "channel", "background"),
    [("GH", "HIGH_BG", "gamma", GB), ("GL", "LOW_BG", "gamma", GB), ("NH", "HIGH_BG", "neutron", NB)],
)
def test_a_background_fault_lasts_until_a_period_brings_backgrounds_alone(
    tag: str, fault: str, channel: str, background: bytes
) -> None:
    decoder = TsaDecoder()
    told = f"{tag},000900,000900,000900,000900\r\n".encode()
    assert decoder.receive(told, 50.0) == [DeviceHealth(50.0, fault, ok=False, detail=channel)]
    assert kinds(decoder.receive(background, 50.1)) == {"background": 1}
    assert kinds(decoder.receive(background, 55.0)) == {"background": 1}
    assert decoder.receive(background, 60.0)[1:] == [DeviceHealth(60.0, fault, ok=True, detail=channel)]
    assert kinds(decoder.receive(background, 65.0)) == {"background": 1}


def test_a_high_background_of_one_channel_is_not_over_with_the_other() -> None:
    decoder = TsaDecoder()
    decoder.receive(b"GH,000900,000900,000900,000900\r\nNH,000090,000090,000090,000090\r\n", 50.0)
    assert kinds(decoder.receive(GB, 60.0)) == {"background": 1}
    assert kinds(decoder.receive(NB, 60.0)) == {"background": 1, "health": 1}


def test_the_cabinet() -> None:
    assert heard(b"TT,000000,000000,000000,000000\r\n", b"TC\r\n") == [
        DeviceHealth(50.0, "TAMPER", ok=False),
        DeviceHealth(50.0, "TAMPER", ok=True),
    ]


def test_set_up_is_kept_and_counted() -> None:
    decoder = TsaDecoder()
    assert decoder.nsigma is None
    told = decoder.receive(b"SG1,003000,000050,000005,000010,04.0\r\n", 50.0)
    assert told == [SetUp(50.0, "SG1", (3000.0, 50.0, 5.0, 10.0, 4.0), 4.0)]
    decoder.receive(b"SN1,000060,000005\r\n", 50.0)
    assert decoder.nsigma == 4.0
    assert decoder.setup == {"SG1": (3000.0, 50.0, 5.0, 10.0, 4.0), "SN1": (60.0, 5.0)}


@pytest.mark.parametrize(
    "line",
    [
        "AA,000001,000001,000001,11111A",
        "AX, -0.1242,  0.1434,  0.6573,  0.1374,  1.0091",
        "NZ,-2.34462261,-2.34462261",
        "ZZZZ",
    ],
)
def test_an_unknown_tag_is_counted_and_never_a_fault(line: str) -> None:
    assert heard(f"{line}\r\n".encode()) == [Unknown(50.0, line.partition(",")[0])]


# --- bytes that are bad --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"GS,000079,000071,000096",
        b"GS,000079,000071,000096,000069,000001",
        b"GS,000079,0000x1,000096,000069",
        b"GS,000079,-00071,000096,000069",
        b"GB",
        b"gs,000079,000071,000096,000069",
        b"\xff\xfe\xfd",
        b",,,,",
        b"SP,fast,faster,fastest,000000",
    ],
)
def test_what_is_no_line_is_malformed_and_the_next_is_read(line: bytes) -> None:
    assert heard(line + b"\r\n", GB) == [
        Malformed(50.0, "no line of this device", len(line)),
        Background(50.0, "gamma", (380.0, 383.0, 403.0, 361.0)),
    ]


@pytest.mark.parametrize("torn", [b"GS,0000", b"GB,000380,", b"AX, -0.12", b"\x00\xff\xc3", b"G", b"x" * 9000])
@pytest.mark.parametrize(("line", "kind"), [(GA, "alarm"), (NA, "alarm"), (GX, "occupancy"), (GS, "gamma")])
def test_no_alarm_is_swallowed_by_a_torn_line_before_it(torn: bytes, line: bytes, kind: str) -> None:
    malformed, *rest = heard(GS, torn + line)[2:]
    assert malformed == Malformed(50.0, "no line of this device", len(torn))
    assert kind in kinds(rest)


def test_half_a_line_and_silence_is_malformed() -> None:
    decoder = TsaDecoder()
    assert decoder.receive(b"GS,0000", 50.0) == []
    assert decoder.receive(b"", 51.5) == [Malformed(51.5, "half a line", 7)]
    assert kinds(list(decoder.receive(GB, 52.0))) == {"background": 1}


@given(st.binary(max_size=300))
def test_no_bytes_raise(stream: bytes) -> None:
    for reading in heard(stream, b"\r\n" + stream + b"\r\n"):
        assert reading.at <= 50.0


@given(seed=st.integers(0, 1000), alarm=st.booleans(), places=st.lists(st.integers(0, 2000), max_size=4))
def test_a_passage_cut_anywhere_is_the_same_readings(seed: int, alarm: bool, places: list[int]) -> None:
    lines = [line.text for line in PortalScript(seed).passage(gamma_alarm=alarm, seconds=1.0)]
    stream, ends = b"".join(lines), sorted(places)
    cut = [stream[start:end] for start, end in zip([0, *ends], [*ends, len(stream)], strict=True)]
    assert heard(*cut) == heard(stream) == heard(*lines)


@given(st.binary(max_size=100), st.sampled_from([GA, NA]))
def test_an_alarm_line_behind_anything_is_an_alarm(garbage: bytes, line: bytes) -> None:
    assert "alarm" in kinds(heard(garbage, line))


# As a controller of newer firmware tells it.
NEWER_SETUP = (
    b"SG1,002000,000068,05,10,05.0,P\r\n",
    b"SG2,1111,0.069,0.455,01,1010,A\r\n",
    b"SG3,0.069,0.455,020,000,1.10.1\r\n",
    b"SN1,000050,03,0004,1200,01,120\r\n",
    b"SN2,0.504,5.040,0.504,5.040,PP\r\n",
)


def test_newer_firmware_tells_letters_and_versions_in_its_set_up() -> None:
    first, *others = heard(*NEWER_SETUP)
    assert first == SetUp(50.0, "SG1", (2000.0, 68.0, 5.0, 10.0, 5.0, "P"), 5.0)
    assert [type(other) for other in others] == [SetUp] * 4
    assert others[1] == SetUp(50.0, "SG3", (0.069, 0.455, 20.0, 0.0, "1.10.1"))


@pytest.mark.parametrize(
    "torn", [b"SG1,002000,000068,05,10\r\n", b"SG1,002000,000068,05,10,05.SG2,1111,0.069\r\n", b"SG1\r\n", b"SG2,\r\n"]
)
def test_a_torn_set_up_is_no_other_setting(torn: bytes) -> None:
    (told,) = heard(torn)
    assert isinstance(told, Malformed)


def test_a_factor_of_nothing_is_none() -> None:
    (told,) = heard(b"SG1,002000,000068,05,10,00.0,P\r\n")
    assert isinstance(told, SetUp) and told.nsigma is None


# --- captures ------------------------------------------------------------------------------------------------


def test_a_stamp_is_taken_off_and_read() -> None:
    line = b"GS,000079,000071,000096,000069,2016-06-01 15:05:00.584 -07\r\n"
    assert strip_stamp(line) == GS
    assert stamp_of(line) == pytest.approx(1464818700.584)
    assert stamp_of(GS) is None
    assert stamp_of(b"") is None


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("2016-06-01T22:05:00.584Z", 1464818700.584),
        ("2016-06-01 15:05:00.584-07:00", 1464818700.584),
        ("2016-06-01 22:05:00", 1464818700.0),
        ("1464818700.584", 1464818700.584),
        ("1464818700584", 1464818700.584),
        ("03-35-15.175", 12915.175),
        ("03:35:15", 12915.0),
    ],
)
def test_recorders_write_their_stamps_in_several_ways(stamp: str, at: float) -> None:
    line = f"GS,000079,000071,000096,000069,{stamp}\r\n".encode()
    assert stamp_of(line) == pytest.approx(at, abs=1e-6)
    assert strip_stamp(line) == GS


@pytest.mark.parametrize("none", ["000069", "04.0", "P", "1.10.1", "2016-13-01 00:00:00", "25-00-00.000", ""])
def test_a_field_of_the_line_is_no_stamp(none: str) -> None:
    assert stamp_of(f"SG3,1,2,3,4,{none}\r\n".encode()) is None


def test_a_time_of_day_goes_on_after_midnight() -> None:
    assert stamp_of(b"GB,1,2,3,4,23-59-58.500") == 86398.5
    assert stamp_of(b"GB,1,2,3,4,00-00-03.500", 86398.5) == 86403.5
    assert stamp_of(b"GB,1,2,3,4,00-00-08.500", 2 * 86400.0 - 1.0) == 2 * 86400.0 + 8.5
    assert stamp_of(b"GB,1,2,3,4,12-00-00.000", 43201.0) == 43200.0, "two lines of one moment may be told in turn"


@pytest.mark.parametrize(
    ("name", "gamma", "neutron", "alarms", "background"),
    [("S2-C0-NONE.csv", 1510, 295, 0, 3 * 606), ("S2-C3-NORM2.csv", 1499, 292, 675, 594 + 2 * 595)],
)
def test_a_capture_is_read_to_the_last_line(
    shared: Path, name: str, gamma: int, neutron: int, alarms: int, background: int
) -> None:
    decoder, readings, lines = TsaDecoder(), [], (shared / "data" / "rpm" / name).read_bytes().splitlines(keepends=True)
    for line in lines:
        at = stamp_of(line)
        assert at is not None
        readings += decoder.receive(strip_stamp(line), at)
    counts = kinds(readings)
    assert counts["malformed"] == 0
    assert (counts["gamma"], counts["neutron"], counts["alarm"]) == (gamma, neutron, alarms)
    assert (counts["background"], counts["occupancy"]) == (background, 50)
    one_each = counts["gamma"] + counts["neutron"] + counts["background"] + counts["unknown"] + 25
    assert one_each == len(lines)
    assert len({reading.tag for reading in readings if isinstance(reading, Unknown)}) >= 11


def test_the_scans_of_a_capture_are_evenly_spaced_once_back_dated(shared: Path) -> None:
    """The proof that the first six look back: unmended they would all lie within 30 ms."""
    decoder, scans = TsaDecoder(), []
    for line in (shared / "data" / "rpm" / "S2-C0-NONE.csv").read_bytes().splitlines():
        stamp = stamp_of(line)
        assert stamp is not None
        for reading in decoder.receive(strip_stamp(line), stamp):
            if isinstance(reading, Occupancy) and reading.phase == "began":
                scans.append([])
            elif isinstance(reading, Scan) and reading.channel == "gamma":
                scans[-1].append(reading.at)
    assert len(scans) == 25
    for ats in scans:
        steps = [after - before for before, after in itertools.pairwise(ats)]
        assert steps[:5] == pytest.approx([0.2] * 5)
        assert ats == sorted(ats)
        assert (ats[-1] - ats[0]) / len(steps) == pytest.approx(0.2, abs=0.01)


def test_the_driver_says_what_it_is() -> None:
    assert (tsa.DRIVER.name, tsa.DRIVER.role, tsa.DRIVER.status) == ("tsa", "radiation", "captures")
    assert (tsa.DRIVER.late_s, tsa.DRIVER.down_s) == (7.5, 15.0)
    assert tsa.DRIVER.decoder().to_send(1.0) == b""
