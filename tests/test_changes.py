"""Changes of a booth's health at headquarters: kept once, told newest first, with what is not OK now."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest
from click.testing import CliRunner
from sqlalchemy import event, func, select

from failsafe.agent import keys as booth_keys
from failsafe.hq.cli import main
from failsafe.hq.desk.changes import is_well
from failsafe.hq.desk.tables import CHANGES
from failsafe.sync.reports import ENTRY_ID
from tests.ccc_page import Served, serving
from tests.screen import refusal
from tests.sending import AT, Booth, open_desk

STARTING = (("mirror", "unknown", "FRESH"), ("clock", "unknown", "OK"), ("portal-1", "unknown", "OK"))


def send(desk, booth, *changes):
    """Bring these changes (part, was, now) to headquarters, in the booth's order."""
    entries = [booth.health(*change) for change in changes]
    desk.take([booth.seal(entry) for entry in entries], AT)
    return entries


def parts(lines):
    return [(line.change.part, line.change.now) for line in lines]


def test_the_newest_stands_first_and_only_the_booth_s_own(desk, booth, hq, tmp_path):
    other = Booth(hq, tmp_path, "ZZ-TWO")
    send(desk, other, ("portal-9", "OK", "LATE"))
    send(desk, booth, *STARTING)
    desk.take([booth.seal(booth.alert())], AT)
    send(desk, booth, ("portal-1", "OK", "LATE"), ("portal-1 set-up", "changed", "accepted", "Fr: 4 -> 5"))
    found = desk.changes(booth.name, 50)
    assert found.total == 5
    assert parts(found.changes)[:3] == [("portal-1 set-up", "accepted"), ("portal-1", "LATE"), ("portal-1", "OK")]
    assert found.changes[0].change.detail == "Fr: 4 -> 5" and found.changes[0].chain == "whole"
    assert parts(desk.changes(booth.name, 2).changes) == parts(found.changes)[:2]
    assert desk.changes(booth.name, 2).total == 5


def test_a_change_sent_twice_is_told_once(desk, booth):
    (entry,) = send(desk, booth, ("portal-1", "OK", "LATE"))
    desk.take([booth.seal(entry)], AT)
    assert desk.changes(booth.name, 50).total == 1


def test_what_comes_late_stands_where_the_booth_wrote_it(desk, booth):
    late, soon = booth.health("portal-1", "OK", "LATE"), booth.health("portal-1", "LATE", "OK")
    desk.take([booth.seal(soon)], AT)
    desk.take([booth.seal(late)], AT)
    found = desk.changes(booth.name, 50)
    assert parts(found.changes) == [("portal-1", "OK"), ("portal-1", "LATE")]
    assert found.standing == ()


def test_what_is_not_ok_now_is_the_last_word_of_each_part(desk, booth):
    send(desk, booth, *STARTING, ("portal-1", "OK", "LATE"), ("mirror", "FRESH", "EXPIRED"), ("portal-1", "LATE", "OK"))
    assert parts(desk.changes(booth.name, 1).standing) == [("mirror", "EXPIRED")]
    send(desk, booth, ("feed", "OK", "refused rolled-back"))
    assert parts(desk.changes(booth.name, 1).standing) == [("feed", "refused rolled-back"), ("mirror", "EXPIRED")]


def test_a_start_begins_with_a_check_which_is_nothing_to_look_at(desk, booth):
    send(desk, booth, ("mirror", "unknown", "CHECKING"), *STARTING[1:])
    assert desk.changes(booth.name, 1).standing == ()
    send(desk, booth, ("mirror", "CHECKING", "EMPTY"))
    assert parts(desk.changes(booth.name, 1).standing) == [("mirror", "EMPTY")]


def test_a_start_tells_all_parts_anew_and_what_it_does_not_repeat_is_over(desk, booth):
    send(desk, booth, *STARTING, ("portal-2", "unknown", "LINK_DOWN"), ("booth", "unknown", "FAULT"))
    assert parts(desk.changes(booth.name, 1).standing) == [("booth", "FAULT"), ("portal-2", "LINK_DOWN")]
    send(desk, booth, ("mirror", "unknown", "STALE"), *STARTING[1:])
    assert parts(desk.changes(booth.name, 1).standing) == [("mirror", "STALE")]


def test_settings_are_neither_good_nor_bad_and_an_unknown_word_is_not_ok(desk, booth):
    settings = ("lane north", "", "portal-1 (radeye); portal lane")
    send(desk, booth, settings, ("portal-1 background", "stored", "stored anew"), ("portal-1", "OK", "SOMETHING NEW"))
    found = desk.changes(booth.name, 50)
    assert parts(found.standing) == [("portal-1", "SOMETHING NEW")]
    assert [is_well(line.change) for line in found.changes] == [False, True, True]


def test_a_booth_that_was_set_up_anew_begins_anew(desk, booth):
    send(desk, booth, ("portal-1", "OK", "LATE"))
    booth.revoke()
    booth.folder = booth.folder.with_name("set-up-anew")
    booth.enrolment = booth_keys.make(booth.folder, booth.name, "ZZ")
    booth.keys, booth.entries = booth_keys.load(booth.folder), []
    booth.enrol()
    send(desk, booth, ("portal-1", "unknown", "OK"))
    found = desk.changes(booth.name, 50)
    assert parts(found.changes) == [("portal-1", "OK"), ("portal-1", "LATE")] and found.standing == ()


def test_changes_that_were_stored_before_there_was_a_table_are_found(hq, booth):
    desk = open_desk(hq)
    desk.take([booth.seal(booth.alert()), booth.seal(booth.finding(booth.entries[0]))], AT)
    send(desk, booth, *STARTING, ("portal-1", "OK", "LATE"))
    before = desk.changes(booth.name, 50)
    with desk._engine.begin() as connection:
        CHANGES.drop(connection)
    desk.close()
    again = open_desk(hq)
    try:
        assert again.changes(booth.name, 50) == before and before.total == 4
        assert parts(before.standing) == [("portal-1", "LATE")]
        send(again, booth, ("portal-1", "LATE", "OK"))
        with again._engine.connect() as connection:
            assert connection.execute(select(func.count()).select_from(CHANGES)).scalar_one() == 5
    finally:
        again.close()


def test_the_alerts_list_does_not_read_changes(desk, booth):
    send(desk, booth, *STARTING)
    desk.take([booth.seal(booth.alert())], AT)
    asked = []
    event.listen(desk._engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    assert desk.list(200, "").total == 1
    assert asked and not any("changes" in statement for statement in asked)
    desk.changes(booth.name, 50)
    assert any("changes" in statement for statement in asked)


def test_the_newest_changes_are_found_by_an_index(desk, booth):
    send(desk, booth, *STARTING)
    asked = []
    event.listen(desk._engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    desk.changes(booth.name, 50)
    with desk._engine.connect() as connection:
        for statement, values in [one for one in asked if "changes" in one[0]]:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            assert not any(row[3].startswith(("SCAN changes", "SCAN entries")) for row in plan), (statement, plan)


# --- the command -----------------------------------------------------------------------------------------------


def run(hq, *words):
    return CliRunner().invoke(main, ["--home", str(hq.home), "booths", "changes", *words])


def test_the_operator_reads_what_is_not_ok_first_in_words(hq, booth):
    desk = open_desk(hq)
    send(desk, booth, *STARTING, ("portal-1", "OK", "LINK_DOWN", "no answer\x1b[2J"), ("clock", "OK", "NOT TRUSTED"))
    send(desk, booth, ("clock", "NOT TRUSTED", "OK"))
    desk.close()
    result = run(hq, booth.name, "--last", "2")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0 and len(lines) == 3
    assert "NOT OK  portal-1  OK -> no connection  no answer" in lines[0] and "\x1b" not in result.stdout
    assert "Clock  not trusted -> OK" in lines[1] and "NOT OK" not in "".join(lines[1:])
    assert "2 of 6 changes; not OK now: 1." in result.stderr


def test_programs_get_the_whole_record_each_once(hq, booth):
    desk = open_desk(hq)
    send(desk, booth, ("portal-1", "OK", "LATE"), ("mirror", "STALE", "FRESH"))
    desk.close()
    lines = [json.loads(line) for line in run(hq, booth.name, "--json").stdout.splitlines()]
    assert [(line["not_ok_now"], line["change"]["part"]) for line in lines] == [(True, "portal-1"), (False, "mirror")]
    assert ENTRY_ID.fullmatch(lines[0]["change"]["id"])


def test_a_booth_without_changes_is_an_empty_list_and_an_unknown_one_an_error(hq, booth):
    empty = run(hq, booth.name)
    assert empty.exit_code == 0 and empty.stdout == "" and "0 of 0 changes" in empty.stderr
    unknown = run(hq, "ZZ-NOWHERE")
    assert unknown.exit_code == 1 and "failsafe-hq booths list" in unknown.stderr


# --- the stream ------------------------------------------------------------------------------------------------


def views(events):
    return (json.loads(data) for name, data in events if name == "view")


def test_a_page_is_told_of_the_booth_that_is_open_and_of_no_other(desk, booth):
    send(desk, booth, ("portal-1", "OK", "LATE"))
    told = desk.changes(booth.name, 50)
    with serving() as served:
        served.desk.told[booth.name] = told
        with served.events() as events:
            assert next(views(events))["changes"] is None
        assert served.desk.asked_changes == []
        with served.events(booth=booth.name, changes=7) as events:
            pushes = views(events)
            assert next(pushes)["changes"] == json.loads(msgspec.json.encode(told))
            served.desk.booths = ()
            served.desk.change()
            assert next(pushes)["changes"] is None  # they have not changed
            send(desk, booth, ("portal-1", "LATE", "OK"))
            served.desk.told[booth.name] = desk.changes(booth.name, 50)
            served.desk.change()
            assert next(pushes)["changes"]["total"] == 2
        assert set(served.desk.asked_changes) == {(booth.name, 7)}


@pytest.mark.parametrize("asked", [{"booth": "zz one"}, {"booth": 7}, {"changes": 0}, {"changes": 1001}], ids=str)
def test_a_question_about_no_booth_is_refused(asked):
    served = Served()
    try:
        refusal(served.ask(asked), 400)
    finally:
        served.client.close()
        assert served.stop()


def test_a_change_that_arrives_rings_as_an_alert_does(desk, booth):
    before = desk.number
    send(desk, booth, ("portal-1", "OK", "LATE"))
    assert desk.number > before
    asyncio.run(asyncio.wait_for(desk.changed(before), 20))
