"""Findings on a real ledger: what is recorded under which alerts, what is refused, what the page is told of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from failsafe.agent.alerts import Circumstances, uuid7
from failsafe.agent.findings import Findings, printable
from failsafe.agent.page.view import FindingOrder, FindingRefused
from failsafe.agent.recorder import Recorder
from failsafe.sync.ledger import Ledger
from failsafe.sync.records import encode
from failsafe.sync.reports import (
    FINDING_ALERTS,
    FINDING_LENGTH,
    Alert,
    ChainEntry,
    ChannelSummary,
    Finding,
    HealthChange,
    Moment,
    PersonAsRead,
    Place,
    RadiationSummary,
)

KEY = bytes(range(32))
PATIENCE_S = 20.0
PLACE = Place(booth="ZZ-TEST-01", country="ZZ", crossing_point="Quillbridge", lane="1")
TEXT = "Doctor's letter: iodine-131 on Tuesday. Let go."


def fresh_id(number: int) -> str:
    return uuid7(1_800_000_000 + number, number.to_bytes(10, "big"))


def at(second: int) -> Moment:
    return Moment(wall=f"2026-01-01T00:00:{second:02}.000Z", monotonic_s=float(second), trusted=True)


def alert(number: int, crossing: str | None = "crossing-1", lane: str = "1") -> Alert:
    return Alert(
        id=fresh_id(number),
        kind="radiation_alarm",
        urgency="routine",
        at=at(number),
        place=msgspec.structs.replace(PLACE, lane=lane),
        verdict="STOP",
        crossing=crossing,
    )


def order(number: int, *alerts: Alert, **more: object) -> FindingOrder:
    named = tuple(one.id for one in alerts)
    return msgspec.structs.replace(
        FindingOrder(id=fresh_id(number), lane="1", alerts=named, text=TEXT, crossing="crossing-1"), **more
    )


class Booth:
    """A recorder on a ledger in a folder, as often as it is started; time goes on by a second with each look."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self.second = 30
        self.start()

    def start(self) -> None:
        self.recorder = Recorder(self.open_ledger)
        self.recorder.start()
        self.findings = Findings(self.recorder, self.open_ledger, self.circumstances, lambda: "early")

    def open_ledger(self) -> Ledger:
        return Ledger.open(self.path, KEY)

    def circumstances(self, lane: str) -> Circumstances:
        self.second += 1
        return Circumstances(at(self.second), msgspec.structs.replace(PLACE, lane=lane), (), None)

    def raises(self, *alerts: Alert) -> None:
        for one in alerts:
            attempt = self.recorder.submit(lambda ledger, one=one: ledger.append(one))
            assert attempt.ended.wait(PATIENCE_S) and attempt.recorded

    def kept(self) -> list[Finding]:
        with self.open_ledger() as ledger:
            ledger.check()
            return [entry.body for entry in ledger.entries() if isinstance(entry.body, Finding)]


@pytest.fixture
def booth(tmp_path: Path) -> Iterator[Booth]:
    made = Booth(tmp_path)
    yield made
    made.recorder.stop()


# --- what is recorded --------------------------------------------------------------------------------------------


def test_a_finding_is_in_the_ledger_when_its_id_comes_back(booth: Booth) -> None:
    first, second = alert(1), alert(2)
    booth.raises(first, second)
    assert booth.findings.record(order(3, first, second)) == fresh_id(3)
    (found,) = booth.kept()
    assert (found.id, found.text, found.alerts) == (fresh_id(3), TEXT, (first.id, second.id))
    assert (found.crossing, found.place.lane, found.shift, found.at) == ("crossing-1", "1", "early", at(31))


def test_the_same_order_again_is_recorded_once(booth: Booth) -> None:
    """The answer was lost on its way to the page, and the officer pressed once more."""
    booth.raises(alert(1))
    assert booth.findings.record(order(2, alert(1))) == booth.findings.record(order(2, alert(1)))
    assert len(booth.kept()) == 1


def test_a_correction_stands_beside_what_it_corrects(booth: Booth) -> None:
    booth.raises(alert(1))
    booth.findings.record(order(2, alert(1)))
    booth.findings.record(order(3, alert(1), text="It was technetium."))
    assert [found.text for found in booth.kept()] == [TEXT, "It was technetium."]


def test_a_finding_comes_after_the_core_was_started_anew(booth: Booth) -> None:
    booth.raises(alert(1))
    booth.recorder.stop()
    booth.start()
    booth.findings.record(order(2, alert(1)))
    assert len(booth.kept()) == 1


def test_an_alarm_that_was_nobodys_can_be_explained_too(booth: Booth) -> None:
    booth.raises(alert(1, crossing=None))
    booth.findings.record(order(2, alert(1), crossing=None))
    assert booth.kept()[0].crossing is None


def test_an_alarm_raised_before_the_document_was_shown_takes_the_findings_of_its_crossing(booth: Booth) -> None:
    booth.raises(alert(1, crossing=None))
    booth.findings.record(order(2, alert(1), attach=True), PERSON)
    (found,) = booth.kept()
    assert (found.crossing, found.person) == ("crossing-1", PERSON)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  two\r\nlines\rand three \n", "two\nlines\nand three"),
        ("a bell \x07 and a nul \x00.", "a bell   and a nul  ."),
        ("طبيب ومعه رسالة 医生的信", "طبيب ومعه رسالة 医生的信"),
        ("\t\x00 \n", ""),
    ],
)
def test_what_no_keyboard_types_is_taken_out(typed: str, kept: str) -> None:
    assert printable(typed) == kept


# --- what is refused ---------------------------------------------------------------------------------------------


def refused(booth: Booth, wanted: FindingOrder) -> FindingRefused:
    with pytest.raises(FindingRefused) as caught:
        booth.findings.record(wanted)
    assert booth.kept() == [] and booth.recorder.healthy
    assert TEXT not in str(caught.value) and TEXT not in caught.value.advice
    return caught.value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text": "  \n"}, "empty"),
        ({"text": "x" * (FINDING_LENGTH + 1)}, "2001 characters"),
        ({"alerts": ()}, "names no alert"),
        ({"alerts": ("not an id",)}, "names no alert"),
        ({"alerts": (fresh_id(1),) * (FINDING_ALERTS + 1)}, "names no alert"),
        ({"id": "x"}, "no id"),
        ({"id": "01900000-0000-4000-8000-000000000001"}, "no id"),  # its version would tell it from an alert
        ({"crossing": "crossing-2"}, "another crossing"),
        ({"crossing": None}, "another crossing"),
        ({"lane": "2"}, "another crossing"),
        ({"id": fresh_id(1)}, "taken"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_is_no_fault_of_the_ledgers(
    booth: Booth, change: dict[str, object], words: str
) -> None:
    booth.raises(alert(1))
    found = refused(booth, order(2, alert(1), **change))
    assert words in str(found) and found.advice and not found.booth


def test_the_longest_text_in_the_widest_letters_is_taken(booth: Booth) -> None:
    booth.raises(alert(1))
    booth.findings.record(order(2, alert(1), text="\U00020bb7" * FINDING_LENGTH))
    assert len(booth.kept()[0].text) == FINDING_LENGTH


def test_one_id_stands_for_one_text(booth: Booth) -> None:
    booth.raises(alert(1))
    booth.findings.record(order(2, alert(1)))
    with pytest.raises(FindingRefused, match="taken"):
        booth.findings.record(order(2, alert(1), text="Something else."))
    assert [found.text for found in booth.kept()] == [TEXT]


def test_an_alert_that_is_not_in_the_ledger_takes_no_finding(booth: Booth) -> None:
    booth.raises(alert(1))
    found = refused(booth, order(3, alert(1), alert(2)))
    assert found.booth and "Telephone the CCC" in found.advice


def test_a_change_of_health_takes_no_finding(booth: Booth) -> None:
    body = HealthChange(id=fresh_id(1), at=at(1), place=PLACE, part="portal-1", was="OK", now="LATE")
    assert booth.recorder.submit(lambda ledger: ledger.append(body)).wait(PATIENCE_S)
    assert "not in the ledger" in str(refused(booth, order(2, alert(1))))


def test_a_ledger_that_cannot_record_says_so_and_takes_nothing_later(
    booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("failsafe.agent.findings.ANSWER_S", PATIENCE_S)
    booth.raises(alert(1))
    with booth.open_ledger() as other, other.together():
        other.remember_clock(0.0, 0.0)  # another program holds the ledger, as a backup would
        with pytest.raises(FindingRefused, match="NOT RECORDED") as caught:
            booth.findings.record(order(2, alert(1)))
    assert caught.value.booth and "Telephone the CCC" in caught.value.advice and "stays" in caught.value.advice
    booth.raises(alert(3))
    assert booth.kept() == []
    booth.findings.record(order(2, alert(1)))
    assert len(booth.kept()) == 1


# --- what is told ------------------------------------------------------------------------------------------------


def test_the_page_is_told_what_is_at_headquarters_and_what_waits(booth: Booth) -> None:
    first, second, unknown = alert(1), alert(2), alert(9)
    booth.raises(first, second)
    booth.findings.record(order(3, first, second))
    booth.findings.record(order(4, second, text="And one more."))
    for entry in (first.id, fresh_id(3)):
        done = booth.recorder.submit(lambda ledger, entry=entry: ledger.mark_delivered(entry, b"r", at(50).wall))
        assert done.wait(PATIENCE_S)
    told = booth.findings.told([first.id, second.id, unknown.id])
    assert told.recorded == (first.id, second.id) and told.delivered == {first.id: at(50).wall}
    assert [(one.text, one.delivered_at, one.shift) for one in told.findings] == [
        (TEXT, at(50).wall, "early"),
        ("And one more.", "", "early"),
    ]
    assert [one.text for one in booth.findings.told([first.id]).findings] == [TEXT]
    assert booth.findings.told([unknown.id]).findings == ()


# --- what kind of radiation ---------------------------------------------------------------------------------------


def seen(*channels: ChannelSummary) -> RadiationSummary:
    return RadiationSummary(detector="portal-1", health="OK", channels=channels)


GAMMA = ChannelSummary(channel="gamma", alarm=True, peak=400.0, interval_s=0.2)
NEUTRONS = ChannelSummary(channel="neutron", alarm=True, peak=9.0, interval_s=1.0)


def test_a_category_goes_with_the_finding_and_needs_no_text(booth: Booth) -> None:
    booth.raises(alert(1))
    booth.findings.record(order(2, alert(1), text=" ", category="norm"))
    (found,) = booth.kept()
    assert (found.category, found.text, found.plausible) == ("norm", "", None)
    (told,) = booth.findings.told([alert(1).id]).findings
    assert (told.category, told.attached) == ("norm", False)


@pytest.mark.parametrize(
    ("channels", "days", "says"),
    [
        ((GAMMA,), 2.0, "plausible"),
        ((GAMMA,), 40.0, "implausible"),
        ((GAMMA, NEUTRONS), 2.0, "implausible"),
        ((GAMMA,), None, None),
    ],
)
def test_the_booth_says_whether_a_medical_explanation_fits(
    booth: Booth, channels: tuple[ChannelSummary, ...], days: float | None, says: str | None
) -> None:
    alarm = msgspec.structs.replace(alert(1), radiation=seen(*channels))
    booth.raises(alarm)
    wanted = order(2, alarm, category="medical", nuclide="Tc-99m", days_since=days)
    booth.findings.record(wanted)
    booth.findings.record(wanted)  # once more: the same
    (found,) = booth.kept()
    assert (found.nuclide, found.days_since, found.plausible) == ("Tc-99m", days, says)
    assert [one.plausible for one in booth.findings.told([alarm.id]).findings] == [says]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nuclide": "Tc-99m"}, "substance"),
        ({"category": "norm", "nuclide": "Tc-99m"}, "substance"),
        ({"category": "medical", "nuclide": "U-235"}, "substance"),
        ({"category": "medical", "days_since": -1.0}, "days"),
        ({"category": "medical", "days_since": float("nan")}, "days"),
        ({"category": "medical", "days_since": 1e9}, "days"),
    ],
)
def test_an_explanation_that_cannot_be_meant_is_refused(booth: Booth, change: dict[str, object], words: str) -> None:
    booth.raises(alert(1))
    assert words in str(refused(booth, order(2, alert(1), **change)))


def test_a_kind_of_radiation_belongs_to_an_alert_about_radiation(booth: Booth) -> None:
    hit = msgspec.structs.replace(alert(1), kind="notice_hit")
    booth.raises(hit)
    assert "no alert is about radiation" in str(refused(booth, order(2, hit, category="norm")))


# --- whose it was -------------------------------------------------------------------------------------------------

PERSON = PersonAsRead(
    source="zone", surname="ZQXWVUT", given="NOBODY", document_number="QX7654321", zone=("P<ZZZZQXWVUT",)
)


def test_an_identity_is_written_down_only_by_the_act(booth: Booth) -> None:
    """Neither in the ledger nor in clear in any file: before the act not at all, and after it sealed."""
    booth.raises(alert(1))
    booth.findings.record(order(2, alert(1)), PERSON)  # a finding without the act takes nobody along
    assert [one.person for one in booth.kept()] == [None]
    booth.findings.record(order(3, alert(1), text="Asked by the CCC.", attach=True), PERSON)
    found = booth.kept()[-1]
    assert (found.person, found.text, found.alerts) == (PERSON, "Asked by the CCC.", (alert(1).id,))
    assert [one.attached for one in booth.findings.told([alert(1).id]).findings] == [False, True]
    with booth.open_ledger() as ledger:
        assert isinstance(body := ledger.entry(alert(1).id), ChainEntry) and body.body == alert(1)
    files = list(booth.path.parent.iterdir())
    assert files and not [one.name for one in files if re.search(rb"ZQXWVUT|QX7654321", one.read_bytes())]


def test_the_same_act_again_is_recorded_once_though_the_lane_has_forgotten(booth: Booth) -> None:
    booth.raises(alert(1))
    act = order(2, alert(1), attach=True)
    assert booth.findings.record(act, PERSON) == booth.findings.record(act, None)
    assert len(booth.kept()) == 1
    with pytest.raises(FindingRefused, match="taken"):
        booth.findings.record(msgspec.structs.replace(act, attach=False))


def test_the_act_needs_a_reason_and_a_traveller_who_is_known(booth: Booth) -> None:
    booth.raises(alert(1))
    with pytest.raises(FindingRefused, match="reason"):
        booth.findings.record(order(2, alert(1), text=" ", category="norm", attach=True), PERSON)
    gone = refused(booth, order(2, alert(1), attach=True))
    assert "does not know this traveller" in str(gone) and "Telephone" in gone.advice


def test_an_alert_that_names_its_traveller_takes_no_other(booth: Booth) -> None:
    hit = msgspec.structs.replace(alert(1), kind="person_and_radiation")
    booth.raises(hit)
    with pytest.raises(FindingRefused, match="name their traveller already"):
        booth.findings.record(order(2, hit, attach=True), PERSON)
    booth.raises(alert(3))
    booth.findings.record(order(4, alert(3), attach=True), PERSON)
    with pytest.raises(FindingRefused, match="attached already"):
        booth.findings.record(order(5, alert(3), attach=True), PERSON)
    assert len(booth.kept()) == 1


# --- what older booths wrote -------------------------------------------------------------------------------------


def test_a_record_from_before_reads_and_writes_as_it_was() -> None:
    """Ledgers and headquarters keep records of older booths: what was added since is left out, so digests stay."""
    alert_before = (
        b'{"sequence":1,"previous":"00","body":{"record":"alert","id":"a","kind":"radiation_alarm","urgency":"routine",'
        b'"at":{"wall":"w","monotonic_s":1.0,"trusted":true},"place":{"booth":"B","country":"ZZ","crossing_point":"Q"},'
        b'"verdict":"STOP","radiation":{"detector":"p","health":"OK","channels":[{"channel":"gamma","alarm":true,'
        b'"peak":9.0,"interval_s":0.2,"panels":[4,5]}]}}}'
    )
    finding_before = (
        b'{"sequence":2,"previous":"00","body":{"record":"finding","id":"f","at":{"wall":"w","monotonic_s":1.0,'
        b'"trusted":true},"place":{"booth":"B","country":"ZZ","crossing_point":"Q"},"alerts":["a"],"text":"x"}}'
    )
    for before in (alert_before, finding_before):
        assert encode(msgspec.json.decode(before, type=ChainEntry)) == before
