"""Every cell of the table of verdicts by its own expected value; the product of all inputs for what must never be."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent import fusion
from failsafe.agent.fusion import Action, AlertCall, Findings, Listed, MirrorState, Person, Radiation, judge

CALM = Findings(
    person="none", listed="none", radiation="quiet", mirror="FRESH", mirror_age_s=3600.0, recording=True, nuclear=False
)
ON_NOTICE = ("REFER_SECONDARY", "NOTIFY_CCC", "DO_NOT_DETAIN_ON_NOTICE_ALONE")

# person, radiation -> word, action codes, alerts (kind, urgency); with nothing listed, a fresh mirror and a ledger.
PERSON_CELLS = {
    ("strong", "quiet"): ("STOP", ON_NOTICE, [("notice_hit", "routine")]),
    ("strong", "none declared"): ("STOP", ON_NOTICE, [("notice_hit", "routine")]),
    ("strong", "awaited"): ("STOP", ON_NOTICE, [("notice_hit", "routine")]),
    ("strong", "alarm"): (
        "STOP",
        ("REFER_SECONDARY", "RADIATION_SCREEN", "NOTIFY_CCC", "DO_NOT_DETAIN_ON_NOTICE_ALONE"),
        [("person_and_radiation", "urgent")],
    ),
    ("strong", "not monitored"): (
        "STOP",
        ("REFER_SECONDARY", "RADIATION_SCREEN", "NOTIFY_CCC", "DO_NOT_DETAIN_ON_NOTICE_ALONE"),
        [("notice_hit", "routine")],
    ),
    ("possible", "quiet"): (
        "CHECK",
        ("REFER_SECONDARY", "DO_NOT_DETAIN_ON_NOTICE_ALONE"),
        [("notice_hit", "routine")],
    ),
    ("possible", "none declared"): (
        "CHECK",
        ("REFER_SECONDARY", "DO_NOT_DETAIN_ON_NOTICE_ALONE"),
        [("notice_hit", "routine")],
    ),
    ("possible", "awaited"): (
        "CHECK",
        ("REFER_SECONDARY", "DO_NOT_DETAIN_ON_NOTICE_ALONE"),
        [("notice_hit", "routine")],
    ),
    ("possible", "alarm"): (
        "STOP",
        ("REFER_SECONDARY", "RADIATION_SCREEN", "NOTIFY_CCC", "DO_NOT_DETAIN_ON_NOTICE_ALONE"),
        [("person_and_radiation", "routine")],
    ),
    ("possible", "not monitored"): (
        "CHECK",
        ("REFER_SECONDARY", "RADIATION_SCREEN", "DO_NOT_DETAIN_ON_NOTICE_ALONE"),
        [("notice_hit", "routine")],
    ),
    ("unreadable", "quiet"): ("CANNOT CLEAR", ("REREAD",), []),
    ("unreadable", "none declared"): ("CANNOT CLEAR", ("REREAD",), []),
    ("unreadable", "awaited"): ("CANNOT CLEAR", ("REREAD", "WAIT_PORTAL"), []),
    ("unreadable", "alarm"): (
        "STOP",
        ("REREAD", "REFER_SECONDARY", "RADIATION_SCREEN", "NOTIFY_CCC"),
        [("radiation_alarm", "routine")],
    ),
    ("unreadable", "not monitored"): ("CANNOT CLEAR", ("REREAD", "REFER_SECONDARY", "RADIATION_SCREEN"), []),
    ("none", "quiet"): ("CLEAR", ("PROCEED",), []),
    ("none", "none declared"): ("CLEAR", ("PROCEED",), []),
    ("none", "awaited"): ("CANNOT CLEAR", ("WAIT_PORTAL",), []),
    ("none", "alarm"): (
        "STOP",
        ("REFER_SECONDARY", "RADIATION_SCREEN", "NOTIFY_CCC"),
        [("radiation_alarm", "routine")],
    ),
    ("none", "not monitored"): ("CANNOT CLEAR", ("REFER_SECONDARY", "RADIATION_SCREEN"), []),
}

LISTED_CELLS = {
    ("sure", "quiet"): ("STOP", [("listed_document", "routine")]),
    ("sure", "none declared"): ("STOP", [("listed_document", "routine")]),
    ("sure", "awaited"): ("STOP", [("listed_document", "routine")]),
    ("sure", "alarm"): ("STOP", [("person_and_radiation", "urgent")]),
    ("sure", "not monitored"): ("STOP", [("listed_document", "routine")]),
    ("unsure", "quiet"): ("CHECK", [("listed_document", "routine")]),
    ("unsure", "none declared"): ("CHECK", [("listed_document", "routine")]),
    ("unsure", "awaited"): ("CHECK", [("listed_document", "routine")]),
    ("unsure", "alarm"): ("STOP", [("person_and_radiation", "routine")]),
    ("unsure", "not monitored"): ("CHECK", [("listed_document", "routine")]),
}

# What stands in the third row beside an unreadable document.
UNUSABLE = {
    "mirror expired": {"mirror": "EXPIRED", "mirror_age_s": 49 * 3600.0},
    "mirror empty": {"mirror": "EMPTY", "mirror_age_s": None},
    "mirror of unknown age": {"mirror": "UNKNOWN", "mirror_age_s": None},
    "mirror called fresh without an age": {"mirror": "FRESH", "mirror_age_s": None},
    "ledger cannot record": {"recording": False},
}
UNUSABLE_WORDS = {
    "quiet": "CANNOT CLEAR",
    "none declared": "CANNOT CLEAR",
    "awaited": "CANNOT CLEAR",
    "alarm": "STOP",
    "not monitored": "CANNOT CLEAR",
}


def calls(alerts):
    return tuple(AlertCall(kind, urgency) for kind, urgency in alerts)


@pytest.mark.parametrize("cell", PERSON_CELLS, ids="/".join)
def test_each_cell_of_the_person(cell):
    word, actions, alerts = PERSON_CELLS[cell]
    verdict = judge(replace(CALM, person=cell[0], radiation=cell[1]))
    assert (verdict.word, verdict.actions, verdict.alerts) == (word, actions, calls(alerts))


@pytest.mark.parametrize("cell", LISTED_CELLS, ids="/".join)
def test_each_cell_of_a_listed_document(cell):
    word, alerts = LISTED_CELLS[cell]
    verdict = judge(replace(CALM, listed=cell[0], radiation=cell[1]))
    assert (verdict.word, verdict.alerts) == (word, calls(alerts))
    assert "REFER_SECONDARY" in verdict.actions
    assert "DO_NOT_DETAIN_ON_NOTICE_ALONE" not in verdict.actions  # no notice, no person


@pytest.mark.parametrize("radiation", UNUSABLE_WORDS)
@pytest.mark.parametrize("reason", UNUSABLE)
def test_each_cell_without_a_usable_mirror_or_ledger(reason, radiation):
    verdict = judge(replace(CALM, radiation=radiation, **UNUSABLE[reason]))
    assert verdict.word == UNUSABLE_WORDS[radiation]
    assert "TELEPHONE_CCC" in verdict.actions or radiation == "alarm"
    assert "REFER_SECONDARY" in verdict.actions
    assert bool(verdict.alerts) == (radiation == "alarm")


@pytest.mark.parametrize("reason", UNUSABLE)
@pytest.mark.parametrize(("person", "word"), [("strong", "STOP"), ("possible", "CHECK")])
def test_a_candidate_counts_whatever_mirror_and_ledger_are(reason, person, word):
    assert judge(replace(CALM, person=person, **UNUSABLE[reason])).word == word


@pytest.mark.parametrize("radiation", UNUSABLE_WORDS)
def test_notices_that_are_being_checked_are_waited_for(radiation):
    verdict = judge(replace(CALM, radiation=radiation, mirror="CHECKING", mirror_age_s=60.0))
    assert verdict.word == UNUSABLE_WORDS[radiation]
    assert "The notices are being checked; wait." in verdict.notes
    assert ("WAIT_NOTICES" in verdict.actions) == (radiation != "alarm")
    assert "TELEPHONE_CCC" not in verdict.actions
    assert ("REFER_SECONDARY" in verdict.actions) == (radiation in ("alarm", "not monitored"))


@pytest.mark.parametrize(("person", "word"), [("strong", "STOP"), ("possible", "CHECK")])
def test_who_is_found_while_notices_are_checked_is_stopped(person, word):
    verdict = judge(replace(CALM, person=person, mirror="CHECKING"))
    assert verdict.word == word and "WAIT_NOTICES" not in verdict.actions


def test_of_notices_of_unknown_age_nobody_is_told_to_wait_for_a_check():
    verdict = judge(replace(CALM, mirror="CHECKING", mirror_age_s=None))
    assert verdict.word == "CANNOT CLEAR" and "WAIT_NOTICES" not in verdict.actions
    assert "TELEPHONE_CCC" in verdict.actions


def test_rows_are_tried_from_the_top():
    both = replace(CALM, person="possible", listed="sure")
    assert judge(both).word == "STOP"
    assert judge(replace(both, listed="unsure")).word == "CHECK"
    assert judge(replace(CALM, person="unreadable", listed="unsure")).word == "CHECK"
    assert judge(replace(CALM, person="unreadable", listed="sure", mirror="EXPIRED")).word == "STOP"


def test_a_stale_mirror_clears_and_says_its_age():
    verdict = judge(replace(CALM, mirror="STALE", mirror_age_s=30 * 3600.0 + 120))
    assert verdict.word == "CLEAR"
    assert verdict.notes == ("Notices are 30 h 2 min old, and stale.",)
    assert judge(replace(CALM, mirror_age_s=59.0)).notes == ("Notices are 0 min old.",)


def test_notes_of_the_columns():
    assert fusion.PERSON_ONLY in judge(replace(CALM, radiation="none declared")).notes
    assert fusion.WAIT_FOR_PORTAL in judge(replace(CALM, radiation="awaited")).notes
    assert fusion.NOT_MONITORED in judge(replace(CALM, person="possible", radiation="not monitored")).notes
    assert fusion.RADIATION_ALARM in judge(replace(CALM, radiation="alarm")).notes


def test_what_was_not_recorded_says_so_and_whom_to_call():
    verdict = judge(replace(CALM, person="strong", recording=False))
    assert verdict.word == "STOP"
    assert "TELEPHONE_CCC" in verdict.actions
    assert fusion.NOT_RECORDED in verdict.notes


def test_both_hits_raise_both_alerts_but_one_with_radiation():
    both = replace(CALM, person="possible", listed="sure")
    assert judge(both).alerts == calls([("notice_hit", "routine"), ("listed_document", "routine")])
    assert judge(replace(both, radiation="alarm")).alerts == calls([("person_and_radiation", "urgent")])


def test_the_nuclear_tier_is_urgent_at_any_grade():
    for person in ("possible", "strong"):
        nuclear = replace(CALM, person=person, nuclear=True)
        assert judge(nuclear).alerts == calls([("notice_hit", "urgent")])
        assert judge(replace(nuclear, radiation="alarm")).alerts == calls([("person_and_radiation", "urgent")])


# --- the whole product -----------------------------------------------------------------------------------------

EVERYTHING = [
    Findings(
        person=person, listed=listed, radiation=radiation, mirror=mirror, mirror_age_s=age, recording=rec, nuclear=rn
    )
    for person, listed, radiation, mirror, age, rec, rn in itertools.product(
        get_args(Person),
        get_args(Listed),
        get_args(Radiation),
        get_args(MirrorState),
        (None, 0.0, 1e6, -1.0, math.nan, math.inf),
        (True, False),
        (True, False),
    )
]


def test_nothing_but_the_bottom_row_is_ever_clear():
    clear = [findings for findings in EVERYTHING if judge(findings).word == "CLEAR"]
    assert {(each.person, each.listed, each.recording) for each in clear} == {("none", "none", True)}
    assert {each.radiation for each in clear} == {"quiet", "none declared"}
    assert {each.mirror for each in clear} == {"FRESH", "STALE"}
    assert {each.mirror_age_s for each in clear} == {0.0, 1e6}
    # two columns, two states, two ages, and the tier that plays no part where nobody was found
    assert len(clear) == 2 * 2 * 2 * 2


def test_an_alarm_always_stops_and_is_always_told():
    for findings in EVERYTHING:
        verdict = judge(findings)
        radiation_alerts = {"radiation_alarm", "person_and_radiation"} & {call.kind for call in verdict.alerts}
        assert bool(radiation_alerts) == (findings.radiation == "alarm")
        if findings.radiation == "alarm":
            assert verdict.word == "STOP"
            assert len(verdict.alerts) == 1


def test_stop_and_check_alert_and_cannot_clear_does_not():
    for findings in EVERYTHING:
        verdict = judge(findings)
        assert bool(verdict.alerts) == (verdict.word in ("STOP", "CHECK"))


def test_every_verdict_says_what_to_do():
    for findings in EVERYTHING:
        verdict = judge(findings)
        assert verdict.actions
        assert set(verdict.actions) <= set(get_args(Action))
        assert ("PROCEED" in verdict.actions) == (verdict.word == "CLEAR")
        assert len(set(verdict.actions)) == len(verdict.actions)


@given(st.text(), st.text(), st.text(), st.text())
def test_a_value_nobody_foresaw_never_clears(person, listed, radiation, mirror):
    known = (person == "none", listed == "none", radiation in ("quiet", "none declared"), mirror in ("FRESH", "STALE"))
    verdict = judge(replace(CALM, person=person, listed=listed, radiation=radiation, mirror=mirror))
    assert verdict.actions
    assert (verdict.word == "CLEAR") == all(known)


@pytest.mark.parametrize("person", get_args(Person))
def test_a_boarding_pass_alone_clears_nobody_and_says_so(person):
    verdict = judge(replace(CALM, person=person, hint_only=True))
    assert verdict.word != "CLEAR"
    assert fusion.HINT_ONLY in verdict.notes and fusion.UNREADABLE not in verdict.notes
