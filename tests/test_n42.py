"""N42 documents: the standard's own examples, exports that break the schema, attacks, and the stream they come in."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.agent.commands import decoding
from failsafe.drivers import n42
from failsafe.drivers.n42 import N42Decoder
from failsafe.drivers.n42_document import DOCUMENT_LIMIT, Document, N42Refused, read
from failsafe.drivers.reading import (
    Alarm,
    Background,
    DeviceHealth,
    Dose,
    Identification,
    Malformed,
    Occupancy,
    Rate,
    Reading,
    Scan,
    Unknown,
)
from tests.streams import after_garbage, assert_cutting_does_not_matter, good, heard

ANNEXES = ("B", "B_alternate_energy_calibration", "C", "D", "D_alarmed", "E", "F", "G", "H", "I")
NAMESPACE = "http://physics.nist.gov/N42/2011/N42"
DETECTORS = "".join(
    f'<RadDetectorInformation id="{name}"><RadDetectorCategoryCode>{category}</RadDetectorCategoryCode>'
    "</RadDetectorInformation>"
    for name, category in (("a", "Gamma"), ("n", "Neutron"), ("b", "Gamma"))
)


def counts(detector: str, value: object, extra: str = "") -> str:
    live = "<LiveTimeDuration>PT0.5S</LiveTimeDuration>"
    return (
        f'<GrossCounts radDetectorInformationReference="{detector}" {extra}>{live}'
        f"<CountData>{value}</CountData></GrossCounts>"
    )


def measured(*parts: str, kind: str = "Foreground", start: str = "2026-11-22T03:00:00Z", occupied: str = "") -> str:
    indicator = f"<OccupancyIndicator>{occupied}</OccupancyIndicator>" if occupied else ""
    return (
        f"<RadMeasurement><MeasurementClassCode>{kind}</MeasurementClassCode><StartDateTime>{start}</StartDateTime>"
        f"<RealTimeDuration>PT0.5S</RealTimeDuration>{''.join(parts)}{indicator}</RadMeasurement>"
    )


def document(*parts: str, before: str = '<?xml version="1.0"?>', namespace: str = NAMESPACE) -> bytes:
    instrument = (
        "<RadInstrumentInformation><RadInstrumentManufacturerName>Invented</RadInstrumentManufacturerName>"
        "<RadInstrumentModelName>One</RadInstrumentModelName></RadInstrumentInformation>"
    )
    body = "".join((instrument, DETECTORS, *parts))
    return f'{before}<RadInstrumentData xmlns="{namespace}">{body}</RadInstrumentData>'.encode()


def told(*parts: str) -> list[Reading]:
    """The readings of one document but for what the instrument says of itself."""
    return [reading for reading in heard(N42Decoder, document(*parts)) if reading.kind != "health"]


# --- the standard's examples ---------------------------------------------------------------------------------


def annex(shared: Path, name: str) -> bytes:
    return (shared / "data" / "n42" / f"Annex_{name}.n42").read_bytes()


@pytest.mark.parametrize("name", ANNEXES)
def test_every_annex_is_read_to_its_end(shared: Path, name: str) -> None:
    content = annex(shared, name)
    *readings, summary = decoding.decode(n42.DRIVER, io.BytesIO(content))
    assert summary["malformed"] == 0 and summary["readings"] >= 2
    assert len(read(content).measurements) == content.count(b"<RadMeasurement ")
    json.dumps(readings)


@pytest.mark.parametrize("name", ["D_alarmed", "I"])
def test_an_annex_is_the_same_byte_by_byte_framed_and_after_garbage(shared: Path, name: str) -> None:
    content = annex(shared, name)
    assert_cutting_does_not_matter(N42Decoder, b"\x02" + content + b"\x03", [100, 5000])
    assert heard(N42Decoder, b"\x02" + content + b"\x03") == heard(N42Decoder, content)
    assert good(after_garbage(N42Decoder, content[: len(content) // 2], content)) == heard(N42Decoder, content)


def test_the_standards_portal(shared: Path) -> None:
    """Annex D: four gamma and two neutron detectors, windows that overlap, alarms of both kinds, a speed."""
    readings = heard(N42Decoder, annex(shared, "D_alarmed"))
    assert [reading for reading in readings if isinstance(reading, Occupancy)] == [
        Occupancy(49.6, "began"),
        Occupancy(49.9, "ended", 15.0),
    ]
    assert [reading for reading in readings if isinstance(reading, Alarm)] == [
        Alarm(49.8, "gamma", (22, 11, 7, 7)),
        Alarm(49.8, "neutron", (0, 1)),
    ]
    places = [reading.kind for reading in readings]
    assert places.index("alarm") < len(places) - 1 - places[::-1].index("occupancy")
    assert Identification(50.0, "Unknown", None, "SNM") in readings
    assert Background(50.0, "neutron", (0.0, 10.0)) in readings
    assert Unknown(50.0, "warning") in readings


def test_the_standards_backpack_and_pager(shared: Path) -> None:
    doses = [reading for reading in heard(N42Decoder, annex(shared, "F")) if isinstance(reading, Dose)]
    assert doses == [Dose(48.0, 10200.0), Dose(49.0, 10000.0), Dose(50.0, 10400.0)]
    last = heard(N42Decoder, annex(shared, "I"))[-1]
    assert last == DeviceHealth(50.0, "DEVICE", ok=False, detail="fault 123: Stabilizer out of range fault")


def test_the_standards_identifier(shared: Path) -> None:
    """Annex C: a spectrum whose zeros are counted, and two nuclides."""
    found = read(annex(shared, "C"))
    assert [(one.name, one.confidence, one.category) for one in found.nuclides] == [
        ("Cs-137", 0.99, "Industrial"),
        ("K-40", 0.99, "NORM"),
    ]
    spectrum = found.measurements[1].counts[0]
    assert (spectrum.category, spectrum.counts, spectrum.live_s) == ("Gamma", 42479.0, 59.61)


@pytest.mark.parametrize("name", ANNEXES)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_half_an_annex_is_a_clear_error(shared: Path, name: str, share: float) -> None:
    content = annex(shared, name)
    half = content[: int(len(content) * share)]
    with pytest.raises(N42Refused, match=r"no XML: .*line [0-9]+.*2011"):
        read(half)
    *_, last, summary = decoding.decode(n42.DRIVER, io.BytesIO(half))
    assert (last["kind"], last["detail"], summary["readings"]) == ("malformed", "half a document", 0)


# --- what is taken -------------------------------------------------------------------------------------------


def test_panels_keep_the_order_in_which_detectors_are_introduced() -> None:
    assert told(measured(counts("b", 7), counts("n", 1), counts("a", 5))) == [
        Scan(50.0, "gamma", (5, 7), 0.5),
        Scan(50.0, "neutron", (1,), 0.5),
    ]


def test_a_background_is_a_rate_unless_it_was_occupied() -> None:
    panels = counts("a", 50), counts("b", 60)
    assert told(measured(*panels, kind="Background", occupied="false")) == [Background(50.0, "gamma", (100.0, 120.0))]
    assert told(measured(*panels, kind="Background", occupied="1")) == [
        Occupancy(50.0, "began"),
        Scan(50.0, "gamma", (50, 60), 0.5),
    ]


def test_a_foreground_of_an_empty_portal_begins_no_passage() -> None:
    assert told(measured(counts("a", 50), counts("b", 60), occupied="0")) == [Rate(50.0, "gamma", 220.0, 0.5)]


def test_a_passage_may_span_documents() -> None:
    decoder, seconds = N42Decoder(), []
    for index, occupied in enumerate(("false", "true", "true", "false")):
        part = document(measured(counts("a", 5), occupied=occupied, kind="Background"))
        seconds += [reading for reading in decoder.receive(part, 50.0 + index) if isinstance(reading, Occupancy | Scan)]
    assert [(reading.kind, reading.at) for reading in seconds] == [
        ("occupancy", 51.0),
        ("gamma", 51.0),
        ("gamma", 52.0),
        ("occupancy", 53.0),
    ]


def test_windows_that_overlap_are_counted_once() -> None:
    windows = (
        '<EnergyWindows id="w"><WindowStartEnergyValues>0 0 100</WindowStartEnergyValues>'
        "<WindowEndEnergyValues>100 3000 400</WindowEndEnergyValues></EnergyWindows>"
    )
    part = measured(counts("a", "5 22 200", 'energyWindowsReference="w"'))
    assert told(windows, part) == [Scan(50.0, "gamma", (22,), 0.5)]
    assert told(part) == [Scan(50.0, "gamma", (227,), 0.5)]


def test_counted_zeros_are_no_counts() -> None:
    spectrum = (
        '<Spectrum radDetectorInformationReference="a"><LiveTimeDuration>PT0.5S</LiveTimeDuration>'
        '<ChannelData compressionCode="{}">22 5 0 1 2 1 0 2 3 4 0 8 1</ChannelData></Spectrum>'
    )
    assert told(measured(spectrum.format("CountedZeroes"))) == [Scan(50.0, "gamma", (38,), 0.5)]
    assert told(measured(spectrum.format("None"))) == [Scan(50.0, "gamma", (49,), 0.5)]
    both = measured(spectrum.format("CountedZeroes"), counts("a", 40))
    assert told(both) == [Scan(50.0, "gamma", (40,), 0.5)]


@pytest.mark.parametrize(
    ("category", "channel"),
    [("Gamma", "gamma"), ("Neutron", "neutron"), ("Isotope", "gamma"), ("Other", "gamma"), ("Unheard", "gamma")],
)
def test_an_alarm_of_any_kind_is_an_alarm(category: str, channel: str) -> None:
    alarm = f"<AnalysisResults><RadAlarm><RadAlarmCategoryCode>{category}</RadAlarmCategoryCode></RadAlarm>"
    *_, last = told(measured(counts("a", 5), counts("n", 2)), alarm + "</AnalysisResults>")
    assert last == Alarm(50.0, channel, (5,) if channel == "gamma" else (2,))
    assert told(alarm + "</AnalysisResults>") == [Alarm(50.0, channel, ())]


def test_a_nuclide_counts_only_where_it_is_said_to_be_identified() -> None:
    nuclides = "".join(
        f"<Nuclide><NuclideIdentifiedIndicator>{said}</NuclideIdentifiedIndicator><NuclideName>{name}</NuclideName>"
        f"<NuclideIDConfidenceValue>{confidence}</NuclideIDConfidenceValue></Nuclide>"
        for said, name, confidence in (("true", "Tc-99m", "9.5"), ("false", "U-235", "1"), ("1", "I-131", "NaN"))
    )
    assert told(f"<AnalysisResults><NuclideAnalysisResults>{nuclides}</NuclideAnalysisResults></AnalysisResults>") == [
        Identification(50.0, "Tc-99m", 9.5),
        Identification(50.0, "I-131", None),
    ]


@pytest.mark.parametrize(
    ("units", "value", "nsv_h"),
    [("", "0.14", 140.0), ('units="nSv/h"', "90", 90.0), ('units="mSv/h"', "1", 1e6), ('units="µSv/h"', "2", 2000.0)],
)
def test_dose_rates_come_in_their_unit(units: str, value: str, nsv_h: float) -> None:
    part = measured(f"<DoseRate><DoseRateValue {units}>{value}</DoseRateValue></DoseRate>")
    assert told(part) == [Dose(50.0, pytest.approx(nsv_h))]


def test_a_fault_lasts_until_a_document_without_one() -> None:
    fault = "<RadInstrumentState><Fault><FaultCodeValue>7</FaultCodeValue><FaultDescription>High\n voltage"
    fault += "</FaultDescription><FaultSeverityCode>Fatal</FaultSeverityCode></Fault></RadInstrumentState>"
    assert heard(N42Decoder, document(), document(fault), document(fault), document(), document()) == [
        DeviceHealth(50.0, "DEVICE", ok=True, detail="Invented One"),
        DeviceHealth(50.0, "DEVICE", ok=False, detail="fault 7: High voltage"),
        DeviceHealth(50.0, "DEVICE", ok=True, detail="Invented One"),
    ]


@pytest.mark.parametrize(
    ("first", "second", "back_s"),
    [
        ("2026-11-22T03:00:00Z", "2026-11-22T03:00:02Z", 2.0),
        ("2026-11-22T03:00:00-0500", "2026-11-22T03:00:02-0500", 2.0),
        ("2026-11-22T03:00:00.25", "2026-11-22T03:00:02", 1.75),
        ("2026-11-22T03:00:00Z", "2026-11-22T04:00:01+01:00", 1.0),
        ("2026-11-21T03:00:00Z", "2026-11-22T03:00:00Z", 600.0),
        ("yesterday", "2026-11-22T03:00:00Z", 0.0),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", 600.0),
        ("", "", 0.0),
    ],
)
def test_times_serve_for_distances(first: str, second: str, back_s: float) -> None:
    early, late = told(measured(counts("a", 1), start=first), measured(counts("a", 2), start=second))
    assert (early.at, late.at) == (pytest.approx(50.0 - back_s), 50.0)


def test_what_is_not_used_is_counted() -> None:
    unknown = '<RadDetectorInformation id="x"><RadDetectorCategoryCode>Beta</RadDetectorCategoryCode>'
    assert told(f"{unknown}</RadDetectorInformation>", measured(counts("x", 3))) == [Unknown(50.0, "detector Beta")]
    assert told(measured(counts("a", 3), kind="Calibration")) == [Unknown(50.0, "Calibration")]
    untimed = counts("a", 3).replace("PT0.5S", "soon")
    bare = measured(untimed).replace("<RealTimeDuration>PT0.5S", "<RealTimeDuration>")
    assert told(bare) == [Unknown(50.0, "counts without a time")]


def test_namespaces_and_foreign_elements_do_not_matter() -> None:
    plain = heard(N42Decoder, document(measured(counts("a", 5))))
    assert heard(N42Decoder, document(measured("<Extra><Deep/></Extra>", counts("a", 5)), namespace="urn:x")) == plain
    prefixed = document(measured(counts("a", 5))).replace(b"<R", b"<n42:R").replace(b"</R", b"</n42:R")
    assert heard(N42Decoder, prefixed.replace(b"xmlns=", b"xmlns:n42=")) == plain


# --- what is refused -----------------------------------------------------------------------------------------

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
FETCH = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (document("&c;", before=LAUGHS), "document type"),
        (document("&e;", before=FETCH), "document type"),
        (document("&undefined;"), "no XML"),
        (document("<a>" * 50 + "</a>" * 50), "too deep"),
        (document("<a/>" * 60_000), "too many"),
        (b"<?xml version='1.0'?><N42InstrumentData></N42InstrumentData>", "2006"),
        (b"<html></html>", "no N42"),
        (b"", "no XML"),
        (b"\xff\xfe\x00", "no XML"),
        (document(before='<?xml version="1.0" encoding="klingon"?>'), "no XML|encoding"),
        (document(before='<?xml version="1.0" encoding="shift_jis"?>'), "no XML|encoding"),
        (document("x" * DOCUMENT_LIMIT), "longer"),
        (document(measured(counts("a", "many"))), "count"),
        (document(measured(counts("a", ""))), "count"),
        (document(measured(counts("a", "-3"))), "count"),
        (document(measured(counts("a", "NaN"))), "count"),
        (document(measured(counts("a", "1e999"))), "count"),
        (document(measured("<DoseRate><DoseRateValue>much</DoseRateValue></DoseRate>")), "dose"),
        (document(measured('<DoseRate><DoseRateValue units="R/h">1</DoseRateValue></DoseRate>')), "dose"),
    ],
)
def test_what_is_refused_says_why_and_what_to_do(content: bytes, why: str) -> None:
    with pytest.raises(N42Refused, match=why) as refused:
        read(content)
    assert "failsafe decode n42" in refused.value.advice
    if len(content) < DOCUMENT_LIMIT and content.endswith(b"InstrumentData>"):
        decoder = N42Decoder()
        (lost,) = decoder.receive(content, 50.0)
        assert isinstance(lost, Malformed) and lost.detail == refused.value.detail
        assert decoder.receive(document(measured(counts("a", 5))), 50.0)[0] == Scan(50.0, "gamma", (5,), 0.5)


# --- the stream ----------------------------------------------------------------------------------------------

SMALL = document(measured(counts("a", 5), counts("n", 0)))


def test_documents_follow_each_other_with_and_without_frames() -> None:
    for stream in (SMALL * 3, b"\x02" + b"\x03\r\n\x02".join([SMALL] * 3) + b"\x03", b"\n\n".join([SMALL] * 3)):
        kinds = [reading.kind for reading in heard(N42Decoder, stream)]
        assert (kinds.count("gamma"), kinds.count("malformed")) == (3, 0)


@pytest.mark.parametrize("start", [b"\x02", b""])
def test_a_document_that_was_cut_off_does_not_swallow_the_next(start: bytes) -> None:
    lost, *rest = heard(N42Decoder, start + SMALL[:200] + start + SMALL)
    assert isinstance(lost, Malformed) and lost.detail == "half a document"
    assert rest == heard(N42Decoder, SMALL)


def test_a_frame_that_ends_too_early_is_a_clear_error() -> None:
    (lost,) = heard(N42Decoder, b"\x02" + SMALL[:200] + b"\x03")
    assert isinstance(lost, Malformed) and lost.detail.startswith("This is no XML")


def test_a_flood_without_an_end_is_given_up_in_pieces() -> None:
    readings = heard(N42Decoder, b"\x02" + b"x" * (2 * DOCUMENT_LIMIT), SMALL)
    assert [reading.length for reading in readings if isinstance(reading, Malformed)][:2] == [DOCUMENT_LIMIT] * 2
    assert readings[-2].kind == "neutron" or readings[-1].kind == "health"


@settings(max_examples=40)
@given(st.binary(max_size=200), st.lists(st.integers(0, 2500), max_size=5))
def test_cut_anywhere_and_after_anything_it_is_the_same(garbage: bytes, places: list[int]) -> None:
    assert_cutting_does_not_matter(N42Decoder, garbage + SMALL + b"\x02" + SMALL + b"\x03" + garbage, places)
    assert good(after_garbage(N42Decoder, garbage, SMALL)) == heard(N42Decoder, SMALL)


@settings(max_examples=100)
@given(st.integers(0, len(SMALL)), st.integers(0, len(SMALL)), st.binary(max_size=8))
def test_any_bytes_are_a_document_or_refused(start: int, end: int, between: bytes) -> None:
    content = SMALL[:start] + between + SMALL[end:]
    try:
        assert isinstance(read(content), Document)
    except N42Refused as refused:
        assert str(refused).count(".") >= 2
    for reading in heard(N42Decoder, content):
        assert reading.at <= 50.0


def test_the_driver_says_what_it_is() -> None:
    assert (n42.DRIVER.role, n42.DRIVER.status) == ("radiation", "from documents, no hardware")
    assert n42.DRIVER.decoder().to_send(1.0) == b""
