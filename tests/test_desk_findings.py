"""Findings at headquarters' desk: kept once, shown under their alerts, told to nobody, and nothing they hide."""

from __future__ import annotations

import datetime as dt
import sqlite3

from sqlalchemy import delete, func, select

from failsafe.hq.cbrne.outbox import OUTBOX
from failsafe.hq.desk.tables import ENTRIES, FINDINGS
from failsafe.sync import envelope
from failsafe.sync.reports import FINDING_ALERTS, PersonAsRead
from tests.sending import AT, Booth, open_desk

LATER = AT + dt.timedelta(hours=1)


def found(desk, alert, search=""):
    """The texts under one alert of the list."""
    (line,) = [line for line in desk.list(1000, search).alerts if line.alert.id == alert.body.id]
    return [one.finding.text for one in line.findings]


def count(desk, table):
    with desk._engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_a_finding_is_receipted_kept_once_and_no_alert(desk, booth):
    alert = booth.alert()
    finding = booth.finding(alert, text="The letter is genuine.")
    first = desk.take([booth.seal(alert), booth.seal(finding)], AT)
    again = desk.take([booth.seal(finding), booth.seal(finding)], LATER)
    assert [receipt.id for receipt in first.receipts] == [alert.body.id, finding.body.id]
    envelope.check_receipt(first.receipts[1], finding, booth.public)
    assert again.receipts == (first.receipts[1],) * 2 and again.refused == ()
    view = desk.list(10, "")
    assert view.total == 1 and found(desk, alert) == ["The letter is genuine."]
    assert count(desk, ENTRIES) == 2 and count(desk, FINDINGS) == 1


def test_findings_stand_under_each_of_their_alerts_in_the_order_they_were_written(desk, booth):
    first, second, other = booth.alert(), booth.alert(), booth.alert()
    one = booth.finding(first, second, text="Iodine.")
    correction = booth.finding(second, text="No: technetium.")
    desk.take([booth.seal(entry) for entry in (correction, one, other, second, first)], AT)
    assert found(desk, first) == ["Iodine."]
    assert found(desk, second) == ["Iodine.", "No: technetium."]
    assert found(desk, other) == []


def test_a_finding_that_comes_before_its_alert_waits_for_it(desk, booth):
    alert = booth.alert()
    finding = booth.finding(alert)
    desk.take([booth.seal(finding)], AT)
    assert desk.list(10, "").total == 0
    (line,) = [line for line in desk.list(10, "").booths if line.booth == booth.name]
    assert line.gaps == 1
    desk.take([booth.seal(alert)], LATER)
    (line,) = desk.list(10, "").alerts
    assert [(one.finding.text, one.sequence, one.chain) for one in line.findings] == [
        ("Papers and face agree.", 2, "whole")
    ]
    assert line.findings[0].received_at == "2026-11-21T12:00:00Z"


def test_a_missing_finding_is_a_gap_like_a_missing_alert(desk, booth):
    alert = booth.alert()
    booth.finding(alert, text="This one is kept back on the way.")
    last = booth.alert()
    desk.take([booth.seal(alert), booth.seal(last)], AT)
    assert {line.sequence: line.chain for line in desk.list(10, "").alerts} == {1: "whole", 3: "gap before"}


def test_one_id_for_two_texts_is_a_fork_and_the_first_stands(desk, booth):
    alert = booth.alert()
    finding = booth.finding(alert, text="Nothing found.")
    desk.take([booth.seal(alert), booth.seal(finding)], AT)
    booth.entries.pop()
    other = booth.finding(alert, text="Something found.", id=finding.body.id)
    answer = desk.take([booth.seal(other)], LATER)
    assert [refusal.reason for refusal in answer.refused] == ["fork"]
    (line,) = desk.list(10, "").alerts
    assert [(one.finding.text, one.chain) for one in line.findings] == [("Nothing found.", "fork")]


def test_a_booth_says_nothing_about_another_booths_alert(hq, desk, booth, tmp_path):
    other = Booth(hq, tmp_path, "ZZ-SOUTHGATE-02")
    alert = booth.alert()
    desk.take([booth.seal(alert), other.seal(other.finding(alert, text="It was nothing."))], AT)
    assert found(desk, alert) == []


def test_what_no_booth_of_ours_writes_does_no_harm(desk, booth):
    alert = booth.alert()
    ids = [f"{number:08x}-0000-7000-8000-000000000000" for number in range(500)]
    many = booth.finding(about=(alert.body.id, alert.body.id, "no id", *ids), text="x" * 20_000)
    answer = desk.take([booth.seal(alert), booth.seal(many)], AT)
    assert len(answer.receipts) == 2
    assert found(desk, alert) == ["x" * 20_000] and count(desk, FINDINGS) <= FINDING_ALERTS


def test_the_programme_is_told_of_the_alert_once_and_of_no_finding(desk, booth):
    """Who is told decides on the alert; what was found is read at the command centre, under it."""
    alert = booth.alert(kind="radiation_alarm")
    desk.take([booth.seal(alert)], AT)
    told = count(desk, OUTBOX)
    desk.take([booth.seal(booth.finding(alert))], LATER)
    assert told > 0 and count(desk, OUTBOX) == told


def test_the_list_is_searched_by_what_was_found(desk, booth):
    alert, other = booth.alert(), booth.alert()
    desk.take(
        [booth.seal(entry) for entry in (alert, other, booth.finding(alert, text="Iodine, Dr Őrző's LETTER"))], AT
    )
    assert [line.alert.id for line in desk.list(10, "letter őrző").alerts] == [alert.body.id]
    assert [line.alert.id for line in desk.list(10, "zorvekario letter").alerts] == [alert.body.id]
    assert desk.list(10, "letter nothing").total == 0 and desk.list(10, "").total == 2


def test_a_new_finding_rings_and_changes_its_alerts_line(desk, booth):
    alert = booth.alert()
    desk.take([booth.seal(alert)], AT)
    before, line = desk.number, desk.list(10, "").alerts[0]
    desk.take([booth.seal(booth.finding(alert))], LATER)
    assert desk.number > before and desk.list(10, "").alerts[0] != line
    assert desk.list(10, "").alerts[0].number == line.number, "it is no new alert"


def test_a_database_from_before_findings_takes_them(hq, desk, booth):
    alert = booth.alert()
    desk.take([booth.seal(alert)], AT)
    desk.close()
    with sqlite3.connect(hq.home / "desk.sqlite") as connection:
        connection.execute("drop table findings")
    connection.close()
    again = open_desk(hq)
    assert again.list(10, "").total == 1
    again.take([booth.seal(booth.finding(alert))], LATER)
    assert found(again, alert) == ["Papers and face agree."]
    with again._engine.begin() as connection:
        connection.execute(delete(FINDINGS))
    assert found(again, alert) == []
    again.close()


def test_the_list_is_searched_by_the_kind_of_radiation(desk, booth):
    alert, other = booth.alert(kind="radiation_alarm"), booth.alert(kind="radiation_alarm")
    kind = booth.finding(alert, text="", category="medical", nuclide="I-131", days_since=3.0, plausible="plausible")
    found_else = booth.finding(other, text="Tiles.", category="norm")
    desk.take([booth.seal(entry) for entry in (alert, other, kind, found_else)], AT)
    assert [line.alert.id for line in desk.list(10, "MEDICAL i-131").alerts] == [alert.body.id]
    assert [line.alert.id for line in desk.list(10, "natural radioactivity").alerts] == [other.body.id]
    (line,) = desk.list(10, "medical").alerts
    assert line.findings[0].finding == kind.body


def test_an_attached_identity_is_found_and_is_no_match(desk, booth):
    alert = booth.alert(kind="radiation_alarm", person=None, notices=())
    person = PersonAsRead(source="zone", surname="SAMPLE", given="ANNA", document_number="QX7654321")
    act = booth.finding(alert, text="Asked for by telephone.", person=person)
    desk.take([booth.seal(alert)], AT)
    assert desk.list(10, "qx7654321").total == 0
    told = count(desk, OUTBOX)
    desk.take([booth.seal(act)], LATER)
    (line,) = desk.list(10, "anna sample qx7654321").alerts
    assert line.alert == alert.body and line.alert.person is None and line.alert.notices == ()
    assert [one.finding.person for one in line.findings] == [person]
    assert count(desk, OUTBOX) == told
