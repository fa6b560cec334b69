"""Measurements at headquarters: kept once, told under their alerts, given out as they were written."""

from __future__ import annotations

import datetime as dt
import email
import sqlite3
import zlib
from email import policy

import msgspec
import pytest
from sqlalchemy import func, select

from failsafe.hq.cbrne import outbox, telling
from failsafe.hq.cbrne.outbox import OUTBOX
from failsafe.hq.cbrne.telling import Correspondence
from failsafe.hq.desk import measured
from failsafe.hq.desk.tables import ENTRIES, MEASUREMENTS
from failsafe.sync.reports import FINDING_ALERTS, Measurement
from tests.sending import AT, Booth, open_desk

LATER = AT + dt.timedelta(minutes=1)
DOCUMENT = b'<RadInstrumentData xmlns="http://physics.nist.gov/N42/2011/N42"/>'


def under(desk, alert):
    """The measurements under one alert of the list."""
    (line,) = [line for line in desk.list(1000, "").alerts if line.alert.id == alert.body.id]
    return line.measurements


def count(desk, table):
    with desk._engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_a_measurement_is_receipted_kept_once_and_given_out_as_it_was_written(desk, booth):
    alert = booth.alert(kind="radiation_alarm")
    entry = booth.measurement(alert, content=DOCUMENT)
    first = desk.take([booth.seal(alert), booth.seal(entry)], AT)
    again = desk.take([booth.seal(entry), booth.seal(entry)], LATER)
    assert again.receipts == (first.receipts[1],) * 2 and again.refused == ()
    assert (desk.list(10, "").total, count(desk, ENTRIES), count(desk, MEASUREMENTS)) == (1, 2, 1)
    (line,) = under(desk, alert)
    assert (line.measurement.size, line.measurement.radiation.duration_s) == (len(DOCUMENT), 12.4)
    assert line.measurement.document == b"", "the list does not carry it"
    file = desk.measurement(line.number)
    assert file is not None and (file.name, file.content) == (f"{entry.body.id}.n42", DOCUMENT)


def test_it_belongs_to_each_of_its_alerts_whichever_comes_first(desk, booth):
    first, second, other = booth.alert(), booth.alert(), booth.alert()
    entry = booth.measurement(first, second)
    desk.take([booth.seal(one) for one in (entry, other)], AT)
    desk.take([booth.seal(one) for one in (second, first)], LATER)
    assert [line.measurement.id for alert in (first, second) for line in under(desk, alert)] == [entry.body.id] * 2
    assert under(desk, other) == ()


def test_a_missing_measurement_is_a_gap(desk, booth):
    alert = booth.alert()
    booth.measurement(alert)
    last = booth.alert()
    desk.take([booth.seal(alert), booth.seal(last)], AT)
    assert {line.sequence: line.chain for line in desk.list(10, "").alerts} == {1: "whole", 3: "gap before"}


def test_a_booth_measures_nothing_of_another_booths_alert(hq, desk, booth, tmp_path):
    other = Booth(hq, tmp_path, "ZZ-SOUTHGATE-02")
    alert = booth.alert()
    desk.take([booth.seal(alert), other.seal(other.measurement(alert))], AT)
    assert under(desk, alert) == ()


@pytest.mark.parametrize(
    "document",
    [b"no zlib", zlib.compress(b"cut" * 900)[:-6], zlib.compress(bytes(measured._MOST_BYTES + 1))],
    ids=["no zlib", "cut", "a bomb"],
)
def test_what_cannot_be_unpacked_is_kept_and_not_given_out(desk, booth, document):
    alert = booth.alert()
    answer = desk.take([booth.seal(alert), booth.seal(booth.measurement(alert, document=document))], AT)
    assert len(answer.receipts) == 2
    assert desk.measurement(under(desk, alert)[0].number) is None


def test_no_number_of_anything_else_gives_a_file(desk, booth):
    alert = booth.alert()
    desk.take([booth.seal(alert), booth.seal(booth.finding(alert))], AT)
    assert [desk.measurement(number) for number in range(4)] == [None] * 4


def test_what_no_booth_of_ours_writes_does_no_harm(desk, booth):
    alert = booth.alert()
    ids = [f"{number:08x}-0000-7000-8000-000000000000" for number in range(500)]
    many = booth.measurement(about=(alert.body.id, alert.body.id, "no id", *ids))
    assert len(desk.take([booth.seal(alert), booth.seal(many)], AT).receipts) == 2
    assert len(under(desk, alert)) == 1 and count(desk, MEASUREMENTS) <= FINDING_ALERTS


def test_the_programme_is_told_that_it_has_come_and_the_document_stays(desk, booth):
    alert = booth.alert(kind="radiation_alarm")
    entry = booth.measurement(alert, content=DOCUMENT)
    desk.take([booth.seal(alert), booth.seal(entry)], AT)
    with desk._engine.connect() as connection:
        rows = connection.execute(select(OUTBOX).where(OUTBOX.c.alert_id == entry.body.id)).all()
    assert {row.channel for row in rows} == set(outbox.CHANNELS)
    told = msgspec.json.decode(rows[0].body, type=Measurement)
    assert told == measured.outline(entry.body) and told.document == b""
    (line,) = under(desk, alert)
    assert {one.state for one in line.tellings} == {"waiting"}


def test_its_mail_names_alert_and_place_and_nobody(booth):
    alert = booth.alert(kind="radiation_alarm", surname="ZORVEKARIO")
    entry = booth.measurement(alert, content=DOCUMENT)
    sent = telling.mail(measured.outline(entry.body), "2026-11-21T12:00:00Z", Correspondence("a@b.example", ("c@d.e",)))
    message = email.message_from_bytes(sent, policy=policy.default)
    text = message.get_content()
    assert message["Subject"] == "[CBRNE] Measurement, Northgate (ZZ)"
    assert message["X-Failsafe-Measurement"] == entry.body.id and message["X-Failsafe-Alert"] is None
    assert f"Alert: {alert.body.id}" in text and f"{len(DOCUMENT)} bytes" in text and "12.4 s" in text
    assert "ZORVEKARIO" not in text
    assert sent == telling.mail(
        measured.outline(entry.body), "2026-11-21T12:00:00Z", Correspondence("a@b.example", ("c@d.e",))
    )


def test_a_database_from_before_measurements_takes_them(hq, desk, booth):
    alert = booth.alert()
    desk.take([booth.seal(alert)], AT)
    desk.close()
    with sqlite3.connect(hq.home / "desk.sqlite") as connection:
        connection.execute("drop table measurements")
    connection.close()
    again = open_desk(hq)
    again.take([booth.seal(booth.measurement(alert))], LATER)
    assert len(under(again, alert)) == 1
    again.close()
