"""A lane's post, driven by hand: whole crossings without a clock, a disk or a port."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import pytest

from failsafe.agent.alerts import Circumstances
from failsafe.agent.commands.screening import Shelf
from failsafe.agent.crossing import LaneSettings
from failsafe.agent.fusion import HINT_ONLY, WAIT_FOR_PORTAL, MirrorState
from failsafe.agent.person.matching import PersonFinding, match
from failsafe.agent.post import Issued, Post
from failsafe.agent.radiation.detector import LaneMonitor
from failsafe.agent.radiation.n42_record import Draft
from failsafe.agent.traveller import UNREAD, Presented, from_boarding_pass, from_zone
from failsafe.drivers.reading import Alarm, Background, BoardingPass, Occupancy, Scan
from failsafe.drivers.specimens import td3
from failsafe.sync.records import ListedDocument, Notice, PersonName
from failsafe.sync.reports import Alert, FeedState, Moment, Place, SearchLine

SUBJECT = Notice(
    entity_id="2026/99001",
    tier="rn",
    names=(PersonName(surname="EXAMPLOV", given="TESTIMIR"),),
    sex="M",
    births=("1969-04-17",),
    nationalities=("GE",),
)
STOLEN = ListedDocument(number="ZX4410923", issuing_country="FR", document_type="P", fraud_type="stolen")
HIT = td3("EXAMPLOV", "TESTIMIR", "GE1000003", "GEO", "690417", "M", "310101")
INNOCENT = td3("SAMPLE", "ANNA", "AA1000001", "FRA", "740812", "F", "310101")
WITH_STOLEN = td3("UNLUCKY", "URSULA", "ZX4410923", "FRA", "660101", "F", "310101")


@dataclass
class Shift:
    """A booth's surroundings as plain values: what is set is what the post is told, what it records is kept."""

    shelf: Shelf = field(default_factory=lambda: Shelf((SUBJECT,), (STOLEN,)))
    state: MirrorState = "FRESH"
    age_s: float | None = 60.0
    writes: bool = True
    recorded: list[Alert] = field(default_factory=list)
    searches: list[SearchLine] = field(default_factory=list)
    attached: list[Draft] = field(default_factory=list)
    issued: list[Issued] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def match(self, presented: Presented) -> PersonFinding:
        assert presented.traveller is not None
        return match(presented.traveller, self.shelf.index, self.shelf)

    def notice(self, entity_id: str) -> Notice | None:
        return self.shelf.notice(entity_id)

    def mirror(self) -> tuple[MirrorState, float | None, tuple[FeedState, ...]]:
        return self.state, self.age_s, (FeedState(feed="base", lineage="one", serial=7),)

    def circumstances(self, lane: str) -> Circumstances:
        at = Moment(wall="2026-11-21T12:00:00.000Z", monotonic_s=1.0, trusted=True)
        place = Place(booth="ZZ-1", country="ZZ", crossing_point="Northgate", lane=lane)
        return Circumstances(at, place, self.mirror()[2], self.age_s)

    def new_id(self) -> str:
        return f"id-{next(self.numbers)}"

    def recording(self) -> bool:
        return self.writes

    def record(self, raised: Sequence[Alert], search: SearchLine) -> bool:
        self.recorded += raised  # a failed write is kept and tried again by the booth: nothing is raised twice
        self.searches.append(search)
        return self.writes

    def attach(self, draft: Draft) -> None:
        self.attached.append(draft)

    def shift(self) -> str:
        return "night"


class Booth:
    """A post with one portal, and time that goes by hand."""

    def __init__(self, **settings: object) -> None:
        self.shift = Shift()
        self.now = 100.0
        self.monitor = LaneMonitor("portal-1", "run")
        wanted = LaneSettings(**{"before_s": 5.0, "after_s": 10.0, **settings})  # type: ignore[arg-type]
        monitors = {"portal-1": self.monitor} if wanted.detector else {}
        self.post = Post("1", wanted, monitors, self.shift, self.shift.issued.append)
        if wanted.detector:
            self.post.line("portal-1", True, self.now)
            self.background()

    def background(self) -> None:
        self.post.receive("portal-1", Background(self.now, "gamma", (380.0, 380.0, 380.0, 380.0)), self.now)

    def show(self, zone: Sequence[str]) -> str:
        return self.post.present(from_zone(zone, 2026), self.now, self.now)

    def passes(self, *alarms: str) -> None:
        """Somebody goes through the portal, which alarms on the channels named."""
        for reading in (
            Occupancy(self.now, "began"),
            Scan(self.now, "gamma", (80, 80, 80, 80), 0.2),
            *(Alarm(self.now, channel, (200, 200, 200, 200)) for channel in alarms),  # type: ignore[arg-type]
        ):
            self.post.receive("portal-1", reading, self.now)
        self.now += 1.0
        self.post.receive("portal-1", Occupancy(self.now, "ended"), self.now)

    def wait(self, seconds: float) -> None:
        """Time passes; the portal tells its background as it does."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 1.0)
            if "portal-1" in self.post.monitors:
                self.background()
            self.post.tick(self.now)

    @property
    def words(self) -> list[str]:
        return [event.verdict.word for event in self.shift.issued]

    @property
    def kinds(self) -> list[str]:
        return [alert.kind for alert in self.shift.recorded]


def test_an_innocent_waits_for_the_portal_and_is_cleared() -> None:
    booth = Booth()
    booth.show(INNOCENT)
    assert booth.words == ["CANNOT CLEAR"]
    assert "WAIT_PORTAL" in booth.shift.issued[0].verdict.actions
    booth.passes()
    assert booth.words == ["CANNOT CLEAR", "CLEAR"]
    assert booth.shift.recorded == []
    assert [line.verdict for line in booth.shift.searches] == ["CANNOT CLEAR", "CLEAR"]


def test_a_hit_is_one_alert_with_the_person_and_what_the_verdict_rests_on() -> None:
    booth = Booth()
    crossing = booth.show(HIT)
    booth.passes()
    assert booth.words[0] == "STOP"
    (alert,) = booth.shift.recorded
    assert (alert.kind, alert.urgency, alert.crossing) == ("notice_hit", "urgent", crossing)
    assert alert.person is not None and alert.person.surname == "EXAMPLOV" and alert.person.zone == tuple(HIT)
    assert alert.notices[0].entity_id == SUBJECT.entity_id and alert.notices[0].reasons
    assert alert.mirror == (FeedState(feed="base", lineage="one", serial=7),)
    assert alert.radiation is not None and alert.radiation.detector == "portal-1"


def test_a_hit_waits_for_the_portal_no_longer_once_it_has_spoken() -> None:
    booth = Booth()
    booth.show(HIT)
    shown = booth.post.view(booth.now).verdict
    assert shown is not None and WAIT_FOR_PORTAL in shown.notes
    issued = len(booth.shift.issued)
    booth.passes()
    shown = booth.post.view(booth.now).verdict
    assert shown is not None and shown.word == "STOP"
    assert WAIT_FOR_PORTAL not in shown.notes
    assert len(booth.shift.issued) == issued, "the verdict is the same: nobody is told anew"


def test_the_same_document_read_again_raises_nothing_new() -> None:
    booth = Booth()
    first = booth.show(HIT)
    booth.now += 2
    assert booth.show(HIT) == first
    assert booth.kinds == ["notice_hit"]


def test_an_alarm_after_a_hit_is_a_second_alert_that_follows_the_first() -> None:
    booth = Booth()
    booth.show(HIT)
    booth.passes("gamma")
    assert booth.kinds == ["notice_hit", "person_and_radiation"]
    assert booth.shift.recorded[1].follows == booth.shift.recorded[0].id
    assert booth.shift.recorded[1].urgency == "urgent"


def test_an_alarm_after_a_clear_takes_the_clear_back_and_names_nobody() -> None:
    booth = Booth()
    booth.show(INNOCENT)
    booth.passes()
    booth.passes("gamma")
    assert booth.words == ["CANNOT CLEAR", "CLEAR", "STOP"]
    assert booth.shift.issued[-1].reissued
    (alert,) = booth.shift.recorded
    assert alert.kind == "radiation_alarm" and alert.person is None and alert.notices == ()
    assert b"SAMPLE" not in msgspec.json.encode(alert)


def test_an_alarm_beside_which_no_document_stands_is_told_and_shown() -> None:
    booth = Booth()
    booth.passes("neutron")
    assert booth.words == ["STOP"]
    assert booth.kinds == ["radiation_alarm"] and booth.shift.recorded[0].crossing is None
    shown = booth.post.view(booth.now)
    assert shown.verdict is not None and shown.verdict.word == "STOP" and shown.crossing is None


def test_an_alarm_told_without_a_document_is_not_told_again_with_one() -> None:
    booth = Booth()
    booth.passes("gamma")
    booth.now += 1
    booth.show(INNOCENT)
    assert booth.words == ["STOP", "STOP"]
    assert booth.kinds == ["radiation_alarm"]


def test_second_line_can_attach_the_traveller_to_an_alarm_that_names_nobody() -> None:
    booth = Booth()
    crossing = booth.show(INNOCENT)
    assert not booth.post.second(booth.now).attachable  # no alert, nothing to attach to
    booth.passes("gamma")
    assert booth.post.second(booth.now).attachable
    person = booth.post.person(crossing)
    assert person is not None and person.surname == "SAMPLE"
    assert booth.post.person("another") is None
    assert b"SAMPLE" not in msgspec.json.encode(booth.shift.recorded)


def test_who_shows_the_document_after_the_alarm_gets_its_alert() -> None:
    booth = Booth()
    booth.passes("gamma")
    second = booth.post.second(booth.now)
    assert second.crossing is None and not second.attachable
    booth.now += 1
    booth.show(INNOCENT)
    shown = booth.post.second(booth.now)
    assert shown.alerts == second.alerts and shown.attachable
    booth.wait(2.0)
    assert booth.post.second(booth.now).alerts == second.alerts


def test_alerts_that_name_their_traveller_take_no_other_document() -> None:
    booth = Booth()
    booth.show(HIT)
    booth.passes("gamma")
    assert booth.post.second(booth.now).alerts and not booth.post.second(booth.now).attachable


def test_the_lane_forgets_the_traveller() -> None:
    booth = Booth(closes_after_s=10.0)
    crossing = booth.show(INNOCENT)
    booth.passes()
    booth.wait(60.0)
    booth.show(HIT)
    booth.wait(60.0)
    assert booth.post.person(crossing) is None


def test_a_second_channel_is_a_second_alert() -> None:
    booth = Booth()
    booth.show(INNOCENT)
    booth.passes("gamma", "neutron")
    assert booth.kinds == ["radiation_alarm", "radiation_alarm"]
    assert booth.shift.recorded[1].follows == booth.shift.recorded[0].id


def test_a_listed_document_stops_without_a_notice() -> None:
    booth = Booth()
    booth.show(WITH_STOLEN)
    assert booth.words == ["STOP"] and booth.kinds == ["listed_document"]
    assert booth.shift.recorded[0].listed[0].sure


def test_an_unread_document_is_not_cleared_and_the_reread_is_the_same_crossing() -> None:
    booth = Booth()
    first = booth.post.present(UNREAD, booth.now, booth.now)
    booth.passes()
    assert set(booth.words) == {"CANNOT CLEAR"}
    assert "REREAD" in booth.shift.issued[-1].verdict.actions
    booth.now += 2
    assert booth.show(INNOCENT) == first
    assert booth.words[-1] == "CLEAR"


def test_a_boarding_pass_clears_nobody_until_the_document_is_read() -> None:
    booth = Booth()
    booth.post.present(from_boarding_pass(BoardingPass("BYSTANDER", "ANNA")), booth.now, booth.now)
    booth.passes()
    assert set(booth.words) == {"CANNOT CLEAR"}
    assert HINT_ONLY in booth.shift.issued[-1].verdict.notes
    assert booth.kinds == []


def test_a_boarding_pass_of_a_subject_is_looked_at_and_never_a_stop_alone() -> None:
    booth = Booth()
    booth.post.present(from_boarding_pass(BoardingPass("EXAMPLOV", "TESTIMIR")), booth.now, booth.now)
    assert set(booth.words) <= {"CHECK", "CANNOT CLEAR"}


def test_nobody_walks_through_and_the_window_closes() -> None:
    booth = Booth()
    booth.show(INNOCENT)
    booth.wait(11)
    assert booth.words[-1] == "CANNOT CLEAR"
    assert "RADIATION_SCREEN" in booth.shift.issued[-1].verdict.actions


def test_a_lane_without_a_detector_clears_the_person_only() -> None:
    booth = Booth(detector=False)
    booth.show(INNOCENT)
    assert booth.words == ["CLEAR"]
    assert any("Person only" in note for note in booth.shift.issued[0].verdict.notes)


def test_without_a_record_a_hit_shows_at_once_and_nobody_is_cleared() -> None:
    booth = Booth(detector=False)
    booth.shift.writes = False
    booth.show(HIT)
    assert booth.words == ["STOP"]
    assert not booth.shift.issued[0].recorded and "TELEPHONE_CCC" in booth.shift.issued[0].verdict.actions
    booth.show(INNOCENT)
    assert booth.words[-1] == "CANNOT CLEAR"
    booth.shift.writes = True
    booth.post.judge_again(booth.now)
    assert booth.words[-1] == "CLEAR"
    assert booth.kinds == ["notice_hit"]


def test_a_write_that_fails_in_the_moment_itself_turns_a_clear_into_cannot_clear() -> None:
    booth = Booth(detector=False)
    booth.shift.recording = lambda: True  # type: ignore[method-assign]
    booth.shift.writes = False
    booth.show(INNOCENT)
    assert booth.words == ["CANNOT CLEAR"]


@pytest.mark.parametrize(("state", "age_s"), [("EXPIRED", 200_000.0), ("EMPTY", None), ("UNKNOWN", None)])
def test_notices_that_cannot_be_relied_on_clear_nobody(state: MirrorState, age_s: float | None) -> None:
    booth = Booth(detector=False)
    booth.shift.state, booth.shift.age_s = state, age_s
    booth.show(INNOCENT)
    assert booth.words == ["CANNOT CLEAR"]


def test_notices_that_expire_while_a_crossing_is_open_take_its_clear_back() -> None:
    booth = Booth(detector=False)
    booth.show(INNOCENT)
    booth.shift.state, booth.shift.age_s = "EXPIRED", 200_000.0
    booth.post.judge_again(booth.now)
    assert booth.words == ["CLEAR", "CANNOT CLEAR"]


def test_nobody_is_cleared_between_a_step_and_its_index() -> None:
    """The mirror has another notice in place of the one that the index still names; once that is made, it stops."""
    booth = Booth(detector=False)
    renamed, before = Shelf((msgspec.structs.replace(SUBJECT, entity_id="2026/999"),), ()), booth.shift.shelf.index
    after, renamed.index = renamed.index, before
    booth.shift.shelf = renamed
    booth.show(HIT)
    assert booth.words == ["CANNOT CLEAR"]
    renamed.index = after
    booth.post.judge_again(booth.now)
    assert booth.words == ["CANNOT CLEAR", "STOP"]


def test_what_was_found_stays_found_when_its_notice_goes() -> None:
    booth = Booth(detector=False)
    booth.show(HIT)
    booth.shift.shelf = Shelf((), (STOLEN,))
    booth.post.judge_again(booth.now)
    assert booth.words == ["STOP"]


def test_a_notice_that_arrives_while_a_crossing_is_open_stops_it() -> None:
    booth = Booth(detector=False)
    booth.shift.shelf = Shelf((), (STOLEN,))
    booth.show(HIT)
    assert booth.words == ["CLEAR"]
    booth.shift.shelf = Shelf((SUBJECT,), (STOLEN,))
    booth.post.judge_again(booth.now)
    assert booth.words == ["CLEAR", "STOP"] and booth.kinds == ["notice_hit"]


def test_the_first_line_sees_no_name_and_the_second_line_all_of_it() -> None:
    booth = Booth()
    booth.show(HIT)
    first = msgspec.json.encode(booth.post.view(booth.now))
    for part in (b"EXAMPLOV", b"TESTIMIR", b"GE1000003", b"690417", b"2026/99001"):
        assert part not in first
    second = booth.post.second(booth.now)
    assert second.person is not None and second.person.surname == "EXAMPLOV"
    assert second.candidates[0].notice == SUBJECT
    (alert,) = booth.shift.recorded
    (shown,) = second.alerts
    assert (shown.id, shown.kind, shown.urgency, shown.at) == (alert.id, "notice_hit", "urgent", alert.at.wall)


def test_the_second_line_sees_when_the_alarm_was_and_what_it_stood_against() -> None:
    booth = Booth()
    booth.show(INNOCENT)
    booth.passes("gamma")
    booth.now += 4.0
    second = booth.post.second(booth.now)
    (passage,) = second.passages
    assert (passage.detector, passage.monitored, passage.health) == ("portal-1", True, "OK")
    # It lasted a second and ended four seconds before now, which is 12:00:00 by the wall clock.
    assert (passage.began_at, passage.ended_at) == ("2026-11-21T11:59:55.000Z", "2026-11-21T11:59:56.000Z")
    assert passage.duration_s == 1.0
    (gamma,) = passage.channels
    assert (gamma.channel, gamma.alarm, gamma.peak_counts, gamma.panels) == ("gamma", True, 320, (80, 80, 80, 80))
    assert (gamma.interval_s, gamma.background_cps) == (0.2, 1520.0)
    assert gamma.times_background == pytest.approx(320 / (1520 * 0.2), abs=0.05)
    assert gamma.threshold_counts is None, "the portal's factor is not known here: nothing is made up"
    assert [(one.detector, one.health, one.advice) for one in second.detectors] == [("portal-1", "OK", "")]


def test_a_passage_under_way_has_no_end_and_a_channel_without_a_reading_no_peak() -> None:
    booth = Booth()
    booth.show(INNOCENT)
    booth.post.receive("portal-1", Occupancy(booth.now, "began"), booth.now)
    booth.post.receive("portal-1", Alarm(booth.now, "neutron", (3, 0, 0, 0)), booth.now)
    booth.now += 2.5
    (passage,) = booth.post.second(booth.now).passages
    assert passage.ended_at == "" and passage.duration_s == 2.5
    (neutron,) = passage.channels
    assert (neutron.channel, neutron.alarm, neutron.peak_counts, neutron.times_background) == (
        "neutron",
        True,
        None,
        None,
    )


def test_a_passage_that_was_cut_off_says_what_was_wrong_with_the_detector() -> None:
    booth = Booth()
    booth.show(INNOCENT)
    booth.post.receive("portal-1", Occupancy(booth.now, "began"), booth.now)
    booth.post.line("portal-1", False, booth.now + 1.0)
    second = booth.post.second(booth.now + 1.0)
    assert [(one.monitored, one.health) for one in second.passages] == [(False, "LINK_DOWN")]
    assert second.detectors[0].health == "LINK_DOWN" and "cable" in second.detectors[0].advice


def test_the_passage_of_an_alarm_that_is_nobodys_is_shown_with_it() -> None:
    booth = Booth()
    booth.passes("gamma")
    booth.wait(15.0)
    second = booth.post.second(booth.now)
    assert second.crossing is None and second.verdict is not None and second.verdict.word == "STOP"
    assert [channel.alarm for passage in second.passages for channel in passage.channels] == [True]
    assert [alert.kind for alert in second.alerts] == ["radiation_alarm"]


def test_closing_clears_the_page_and_keeps_the_word_in_the_history() -> None:
    booth = Booth()
    booth.show(INNOCENT)
    booth.passes()
    booth.post.close(booth.now)
    view = booth.post.view(booth.now)
    assert view.verdict is None and view.crossing is None
    assert [past.word for past in view.history] == ["CLEAR"]


def test_an_alarm_after_the_crossing_was_closed_still_stops() -> None:
    booth = Booth()
    booth.show(INNOCENT)
    booth.post.close(booth.now)
    booth.passes("gamma")
    assert booth.words[-1] == "STOP"
    shown = booth.post.view(booth.now)
    assert shown.verdict is not None and shown.verdict.word == "STOP"


def test_a_portal_that_falls_silent_is_never_clear() -> None:
    booth = Booth()
    booth.now += 60
    booth.post.tick(booth.now)
    booth.show(INNOCENT)
    booth.passes()
    assert "CLEAR" not in booth.words


def test_a_lost_line_is_not_monitored_until_a_background_has_come_again() -> None:
    booth = Booth()
    booth.post.line("portal-1", False, booth.now)
    booth.show(INNOCENT)
    assert "RADIATION_SCREEN" in booth.shift.issued[-1].verdict.actions
    booth.post.line("portal-1", True, booth.now)
    booth.passes()
    assert "CLEAR" not in booth.words


def test_an_alert_that_could_not_be_handed_over_is_raised_by_the_next_judgement() -> None:
    booth = Booth(detector=False)
    hand_over = booth.shift.record

    def fails(raised: Sequence[Alert], search: SearchLine) -> bool:
        raise RuntimeError("a fault of the booth's own")

    booth.shift.record = fails  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        booth.show(HIT)
    booth.shift.record = hand_over  # type: ignore[method-assign]
    booth.post.judge_again(booth.now)
    assert booth.words == ["STOP"] and booth.kinds == ["notice_hit"]
