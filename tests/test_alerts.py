"""Alerts as they are composed: ids that sort by time, and a radiation alarm that names nobody."""

from __future__ import annotations

import datetime as dt
import re
import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.alerts import Circumstances, Known, compose, uuid7
from failsafe.agent.fusion import AlertCall
from failsafe.sync.records import encode
from failsafe.sync.reports import (
    Alert,
    FeedState,
    MatchedDocument,
    MatchedNotice,
    Moment,
    PersonAsRead,
    Place,
    RadiationSummary,
    utc,
)

WALLS = st.floats(0, 4_000_000_000)
RANDOM = st.binary(min_size=10, max_size=10)
AROUND = Circumstances(
    at=Moment(wall="2026-11-21T12:00:00.000Z", monotonic_s=17.5, trusted=True),
    place=Place(booth="ZZ-TEST-01", country="ZZ", crossing_point="Quillbridge", lane="1"),
    mirror=(FeedState(feed="base", lineage="first", serial=7),),
    mirror_age_s=600.0,
)
PERSON = PersonAsRead(source="manual", surname="QUILLFEATHER", document_number="XA1234907")
NOTICE = MatchedNotice(entity_id="2026/99001", tier="red", grade="strong", score=0.98)
LISTED = MatchedDocument(number="XA1234907", issuing_country="FR", document_type="passport", fraud_type="stolen")
RADIATION = RadiationSummary(detector="portal-1", health="OK", occupancy="run-1")
KNOWN = Known("crossing-1", PERSON, [NOTICE], [LISTED], RADIATION)
ID = "01931e00-0000-7000-8000-000000000000"


# --- ids and moments -----------------------------------------------------------------------------------------


@given(WALLS, RANDOM)
def test_an_id_is_a_uuid_of_version_seven_with_its_time(wall, random):
    made = uuid.UUID(uuid7(wall, random))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == int(wall * 1000)
    assert str(made) == uuid7(wall, random)


@given(WALLS, st.floats(0.001, 1e6), RANDOM, RANDOM)
def test_a_later_id_sorts_behind_an_earlier_one(wall, later, one, other):
    assert uuid7(wall, one)[:13] <= uuid7(wall + later, other)[:13]
    if int((wall + later) * 1000) > int(wall * 1000):
        assert uuid7(wall, one) < uuid7(wall + later, other)


def test_seventy_four_bits_are_random():
    assert uuid7(0.0, bytes(10)) == "00000000-0000-7000-8000-000000000000"
    assert uuid7(0.0, b"\xff" * 10) == "00000000-0000-7fff-bfff-ffffffffffff"
    told = {uuid7(1.0, (1 << bit).to_bytes(10, "big")) for bit in range(80)}
    assert len(told) == 74 + 1  # six bits give way to version and variant


@given(WALLS)
def test_moments_are_utc_with_milliseconds(wall):
    told = utc(wall)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told)
    assert abs(dt.datetime.fromisoformat(told).timestamp() - wall) < 0.002


def test_a_moment_by_example():
    assert utc(0.0) == "1970-01-01T00:00:00.000Z"
    assert utc(1_790_000_000.25) == "2026-09-21T14:13:20.250Z"


# --- alerts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["notice_hit", "listed_document", "person_and_radiation"])
@pytest.mark.parametrize("urgency", ["urgent", "routine"])
def test_an_alert_on_a_person_holds_what_is_known(kind, urgency):
    alert = compose(ID, AlertCall(kind, urgency), "STOP", KNOWN, AROUND, follows="earlier")
    assert alert == Alert(
        id=ID,
        kind=kind,
        urgency=urgency,
        at=AROUND.at,
        place=AROUND.place,
        verdict="STOP",
        crossing="crossing-1",
        follows="earlier",
        person=PERSON,
        notices=(NOTICE,),
        listed=(LISTED,),
        radiation=RADIATION,
        mirror=AROUND.mirror,
        mirror_age_s=600.0,
    )


def test_a_radiation_alarm_carries_no_identity():
    alert = compose(ID, AlertCall("radiation_alarm", "routine"), "STOP", KNOWN, AROUND)
    assert (alert.person, alert.notices, alert.listed) == (None, (), ())
    assert alert.radiation == RADIATION and alert.crossing == "crossing-1"
    for secret in (b"QUILLFEATHER", b"XA1234907", b"2026/99001"):
        assert secret not in encode(alert)


def test_an_alarm_beside_which_nobody_stands():
    alert = compose(ID, AlertCall("radiation_alarm", "routine"), "STOP", Known(None, radiation=RADIATION), AROUND)
    assert alert.crossing is None and alert.follows is None and alert.place.lane == "1"


def test_notices_of_unknown_age_are_told_as_such():
    blind = Circumstances(at=AROUND.at, place=AROUND.place, mirror=(), mirror_age_s=None)
    alert = compose(ID, AlertCall("notice_hit", "routine"), "CHECK", KNOWN, blind)
    assert alert.mirror_age_s is None and alert.mirror == ()


def test_an_alert_goes_through_the_wire_as_it_was():
    alert = compose(ID, AlertCall("person_and_radiation", "urgent"), "STOP", KNOWN, AROUND)
    assert msgspec.json.decode(encode(alert), type=Alert) == alert
