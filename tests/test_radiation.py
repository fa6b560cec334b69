"""A lane's monitor: health by silence and faults, passages, alarms that cannot be lost, the strip and the summary."""

from __future__ import annotations

import dataclasses
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.radiation import passage as passage_nouns
from failsafe.agent.radiation.detector import DetectorSettings, LaneMonitor
from failsafe.agent.radiation.own_alarm import OwnAlarm
from failsafe.drivers import tsa
from failsafe.drivers.reading import (
    Alarm,
    Background,
    DeviceHealth,
    DocumentRead,
    Identification,
    Malformed,
    Occupancy,
    Scan,
    Unknown,
)
from failsafe.sync.records import encode
from failsafe.sync.reports import RadiationSummary


def background(at, cps=60.0, channel="gamma"):
    return Background(at, channel, (cps, cps, cps, cps))


def scan(at, counts=(12, 13, 11, 12), channel="gamma"):
    return Scan(at, channel, counts, 0.2 if channel == "gamma" else 1.0)


def alarm(at, channel="gamma", counts=(90, 95, 80, 88)):
    return Alarm(at, channel, counts)


def feed(monitor, *readings):
    for reading in readings:
        monitor.receive(reading, reading.at)


def ready(now=0.0, **settings):
    """A monitor that has just heard its first background."""
    monitor = LaneMonitor("P1", "r1", DetectorSettings(**settings))
    feed(monitor, background(now))
    return monitor


# --- health ----------------------------------------------------------------------------------------------------


def test_nothing_is_known_before_the_first_background():
    monitor = LaneMonitor("P1", "r1")
    assert monitor.health(0.0) == "LINK_DOWN"
    feed(monitor, Unknown(1.0, "NC"))
    assert monitor.health(1.0) == "UNKNOWN"
    feed(monitor, background(2.0))
    assert monitor.health(2.0) == "OK"


def test_every_expected_channel_must_have_been_heard():
    monitor = LaneMonitor("P1", "r1", DetectorSettings(channels=("gamma", "neutron")))
    feed(monitor, background(1.0))
    assert monitor.health(1.0) == "UNKNOWN"
    feed(monitor, background(1.1, 0.5, "neutron"))
    assert monitor.health(1.1) == "OK"


@pytest.mark.parametrize(
    ("silence_s", "health"), [(0.0, "OK"), (7.4, "OK"), (7.5, "LATE"), (14.9, "LATE"), (15.0, "LINK_DOWN")]
)
def test_silence_makes_late_and_then_down(silence_s, health):
    assert ready().health(silence_s) == health


def test_after_a_loss_the_background_must_come_again():
    monitor = ready()
    monitor.advance(20.0)
    feed(monitor, Unknown(21.0, "NX"))
    assert monitor.health(21.0) == "UNKNOWN"
    feed(monitor, background(22.0))
    assert monitor.health(22.0) == "OK"


def test_a_lost_port_is_down_at_once():
    monitor = ready()
    monitor.line(False, 1.0)
    assert monitor.health(1.0) == "LINK_DOWN"
    monitor.line(True, 2.0)
    assert monitor.health(2.0) == "UNKNOWN"


def test_noise_is_no_sign_of_life():
    monitor = ready()
    for at in (5.0, 10.0, 14.0):
        feed(monitor, Malformed(at, "not a line", 40))
    assert monitor.health(15.0) == "LINK_DOWN"


@pytest.mark.parametrize("fault", ["HIGH_BG", "LOW_BG", "TAMPER", "DEVICE"])
def test_a_fault_stands_until_the_device_takes_it_back(fault):
    monitor = ready()
    feed(monitor, DeviceHealth(1.0, fault, ok=False))
    assert monitor.health(1.0) == fault
    monitor.line(False, 2.0)
    monitor.line(True, 3.0)
    feed(monitor, background(4.0))
    assert monitor.health(4.0) == fault  # a cabinet does not close because a cable was pulled
    feed(monitor, DeviceHealth(5.0, fault, ok=True))
    assert monitor.health(5.0) == "OK"


def test_the_gravest_of_several_faults_is_shown():
    monitor = ready()
    feed(monitor, DeviceHealth(1.0, "HIGH_BG", ok=False), DeviceHealth(1.1, "TAMPER", ok=False))
    assert monitor.health(1.1) == "TAMPER"


def test_no_background_during_a_passage_is_no_fault():
    monitor = ready()
    scans = (
        scan(1.0 + step * 0.2, (11 + step % 2, 12 - step % 3, 11 + step % 2, 12 - step % 3)) for step in range(300)
    )
    feed(monitor, Occupancy(1.0, "began"), *scans)
    assert monitor.health(61.0) == "OK"
    feed(monitor, Occupancy(61.2, "ended"))
    assert monitor.health(61.2) == "OK"
    assert monitor.passages()[-1].quiet


def test_other_lines_without_a_background_are_late():
    monitor = ready()
    for at in range(1, 16):
        feed(monitor, Unknown(float(at), "AC"))
    assert monitor.health(14.9) == "OK"
    assert monitor.health(15.0) == "LATE"


def test_every_state_has_its_advice():
    assert passage_nouns.advice("OK") == ""
    for health in ("LATE", "LINK_DOWN", "HIGH_BG", "LOW_BG", "TAMPER", "DEVICE", "UNKNOWN"):
        assert len(passage_nouns.advice(health)) > 20


def test_documents_are_nobodys_here():
    monitor = ready()
    feed(monitor, DocumentRead(1.0, ()))
    assert monitor.passages() == ()


# --- passages --------------------------------------------------------------------------------------------------


def test_a_quiet_passage_with_its_peaks():
    monitor = ready()
    feed(
        monitor,
        Occupancy(1.0, "began"),
        scan(1.0),
        scan(1.2, (20, 21, 22, 23)),
        scan(1.4),
        scan(2.0, (1, 0), "neutron"),
        Occupancy(2.2, "ended"),
    )
    (passage,) = monitor.passages()
    assert (passage.began_at, passage.ended_at) == (1.0, 2.2)
    assert passage.quiet
    assert dict(passage.peaks)["gamma"].counts == 86
    assert dict(passage.peaks)["gamma"].panels == (20, 21, 22, 23)
    assert dict(passage.peaks)["neutron"].counts == 1


def test_passages_have_different_ids_also_after_a_restart():
    first, second = ready(), LaneMonitor("P1", "r2")
    for monitor in (first, second):
        feed(monitor, Occupancy(1.0, "began"), Occupancy(2.0, "ended"), Occupancy(3.0, "began"))
    ids = [passage.id for monitor in (first, second) for passage in monitor.passages()]
    assert len(set(ids)) == 4


@pytest.mark.parametrize("channel", ["gamma", "neutron"])
def test_the_alarm_is_kept_by_channel(channel):
    monitor = ready()
    feed(monitor, Occupancy(1.0, "began"), scan(1.2, channel=channel), alarm(1.2, channel), Occupancy(3.0, "ended"))
    (passage,) = monitor.passages()
    assert passage.alarms == {channel}
    assert not passage.quiet


@pytest.mark.parametrize("unwell", ["down", "tamper", "unknown", "noise"])
def test_an_alarm_counts_whatever_the_health(unwell):
    monitor = LaneMonitor("P1", "r1")
    if unwell == "tamper":
        feed(monitor, background(0.0), DeviceHealth(0.5, "TAMPER", ok=False))
    elif unwell == "down":
        monitor.line(False, 0.5)
    elif unwell == "noise":
        feed(monitor, Malformed(0.5, "noise", 3))
    feed(monitor, Occupancy(1.0, "began"), alarm(1.2))
    (passage,) = monitor.passages()
    assert passage.alarms == {"gamma"}
    assert not passage.monitored


def test_an_alarm_outside_any_passage_makes_one():
    monitor = ready()
    feed(monitor, alarm(1.0, "neutron"))
    (passage,) = monitor.passages()
    assert passage.alarms == {"neutron"}
    assert passage.ended_at is None


def test_a_back_dated_alarm_belongs_to_the_passage_that_just_ended():
    monitor = ready()
    feed(monitor, Occupancy(1.0, "began"), scan(1.0), Occupancy(3.0, "ended"))
    monitor.receive(alarm(2.8), 3.1)
    (passage,) = monitor.passages()
    assert passage.alarms == {"gamma"}
    assert passage.ended_at == 3.0


@pytest.mark.parametrize(
    "disturbance",
    [
        Malformed(1.5, "cut line", 12),
        DeviceHealth(1.5, "TAMPER", ok=False),
        DeviceHealth(1.5, "HIGH_BG", ok=False),
        Scan(9.0, "gamma", (10, 10, 10, 10), 0.2),  # 7.8 s of silence within a passage
    ],
    ids=["malformed", "tamper", "high background", "pause"],
)
def test_a_doubt_within_a_passage_stays(disturbance):
    monitor = ready()
    feed(monitor, Occupancy(1.0, "began"), scan(1.2), disturbance)
    feed(monitor, DeviceHealth(9.1, "TAMPER", ok=True), DeviceHealth(9.1, "HIGH_BG", ok=True))
    feed(monitor, Occupancy(9.2, "ended"))
    (passage,) = monitor.passages()
    assert passage.ended_at == 9.2
    assert not passage.monitored
    assert passage.health != "OK"
    assert not passage.quiet


def test_silence_cuts_a_passage_off_unmonitored():
    monitor = ready()
    feed(monitor, Occupancy(1.0, "began"), scan(1.2))
    monitor.advance(16.2)
    (passage,) = monitor.passages()
    assert passage.ended_at == 16.2
    assert not passage.monitored


@pytest.mark.parametrize("next_reading", [background(5.0), Occupancy(5.0, "began")], ids=["background", "began"])
def test_a_passage_whose_end_was_lost_is_not_monitored(next_reading):
    monitor = ready()
    feed(monitor, Occupancy(1.0, "began"), scan(1.2), next_reading)
    first = monitor.passages()[0]
    assert first.ended_at == 5.0
    assert not first.monitored


def test_scans_without_a_beginning_make_a_passage():
    monitor = ready()
    feed(monitor, scan(1.0))
    assert monitor.passages()[0].ended_at is None


def test_passages_are_let_go_after_ten_minutes_but_not_the_open_one():
    monitor = ready()
    feed(monitor, Occupancy(1.0, "began"), Occupancy(2.0, "ended"), Occupancy(3.0, "began"))
    old = monitor.passages()[0]
    assert monitor.passage(old.id) == old
    at = 4.0
    while at < 700.0:  # somebody stands in the portal
        feed(monitor, scan(at))
        at += 5.0
    assert [passage.ended_at for passage in monitor.passages()] == [None]
    assert monitor.passage(old.id) is None


# --- page and alert --------------------------------------------------------------------------------------------


def test_the_strip_is_the_last_minute_with_its_alarms():
    monitor = ready()
    feed(monitor, Occupancy(1.0, "began"), scan(1.0), scan(30.0), alarm(30.0), scan(61.5, (1, 2, 3, 4)))
    assert monitor.strip(62.0) == ((32.0, 48, True), (0.5, 10, False))
    assert monitor.strip(62.0, "neutron") == ()


def test_a_flood_does_not_grow_the_memory():
    monitor = ready()
    for step in range(20_000):
        feed(monitor, scan(1.0 + step * 0.001))
        feed(monitor, Occupancy(1.0 + step * 0.001, "began"))
    assert len(monitor.strip(21.0)) <= 1024
    assert len(monitor.passages()) <= 200


def test_the_threshold_is_drawn_only_where_the_factor_is_known():
    assert ready().threshold() is None
    monitor = ready(nsigma=4.0)
    assert monitor.threshold() == pytest.approx((240 + 4 * math.sqrt(240)) * 0.2)
    assert LaneMonitor("P1", "r1", DetectorSettings(nsigma=4.0)).threshold() is None


@pytest.mark.parametrize("kind", ["vehicle", "pedestrian", "static"])
def test_the_strip_shows_the_booths_own_threshold_where_the_portal_told_none(kind):
    monitor = ready(kind=kind)
    drawn = monitor.line_drawn()
    assert drawn is not None and 240 * 0.2 < drawn < (240 + 8 * math.sqrt(240)) * 0.2
    assert ready(kind=kind, nsigma=4.0).line_drawn() == ready(nsigma=4.0).threshold()
    assert LaneMonitor("P1", "r1", DetectorSettings(kind=kind)).line_drawn() is None, "no background yet"


def test_the_summary_of_an_alarm():
    monitor = ready()
    feed(monitor, background(0.5, 0.25, "neutron"))
    feed(monitor, Occupancy(1.0, "began"), scan(1.2, (90, 95, 80, 88)), alarm(1.2), Occupancy(2.0, "ended"))
    (passage,) = monitor.passages()
    summary = monitor.summary(9.0, passage)
    assert (summary.detector, summary.health, summary.occupancy) == ("P1", "OK", passage.id)
    assert summary.duration_s == 1.0
    (channel,) = summary.channels
    assert (channel.channel, channel.alarm, channel.peak, channel.interval_s) == ("gamma", True, 353.0, 0.2)
    assert channel.background_cps == 240.0
    assert channel.panels == (90, 95, 80, 88)


def test_an_alarm_without_scans_is_in_the_summary_too():
    monitor = ready()
    feed(monitor, alarm(1.0, "neutron"))
    (channel,) = monitor.summary(2.0, monitor.passages()[0]).channels
    assert (channel.channel, channel.alarm) == ("neutron", True)


def test_the_summary_without_a_passage_is_the_health():
    assert ready().summary(8.0).health == "LATE"
    assert ready().summary(8.0).occupancy is None


def test_the_summary_of_a_doubtful_passage_says_why():
    monitor = ready()
    feed(monitor, Occupancy(1.0, "began"), DeviceHealth(1.5, "TAMPER", ok=False))
    feed(monitor, DeviceHealth(2.0, "TAMPER", ok=True), Occupancy(3.0, "ended"))
    assert monitor.summary(4.0, monitor.passages()[0]).health == "TAMPER"


# --- whatever comes --------------------------------------------------------------------------------------------

READINGS = st.one_of(
    st.builds(lambda at: background(at), st.just(0.0)),
    st.builds(lambda at: scan(at), st.just(0.0)),
    st.sampled_from([alarm(0.0), alarm(0.0, "neutron")]),
    st.sampled_from([Occupancy(0.0, "began"), Occupancy(0.0, "ended")]),
    st.sampled_from([DeviceHealth(0.0, "TAMPER", ok=False), DeviceHealth(0.0, "TAMPER", ok=True)]),
    st.sampled_from([Malformed(0.0, "x", 1), Unknown(0.0, "AS")]),
)


@given(st.lists(st.tuples(st.floats(0.0, 20.0), READINGS), max_size=40))
def test_no_alarm_is_ever_lost_and_quiet_is_always_earned(steps):
    monitor = LaneMonitor("P1", "r1")
    now = 0.0
    for wait, reading in steps:
        now += wait
        reading = dataclasses.replace(reading, at=now)
        monitor.receive(reading, now)
        if isinstance(reading, Alarm):
            assert reading.channel in monitor.passages()[-1].alarms
        for passage in monitor.passages()[:-1]:
            assert passage.ended_at is not None
        if monitor.passages() and monitor.passages()[-1].ended_at is None and monitor.health(now) != "OK":
            assert not monitor.passages()[-1].monitored


@pytest.mark.parametrize(("name", "alarmed"), [("S2-C3-NORM2.csv", 25), ("S2-C0-NONE.csv", None)])
def test_a_real_capture_gives_its_passages(shared, name, alarmed):
    """25 passages each; the loads of natural activity alarm, the empty lane's portal mostly does not."""
    monitor, decoder = LaneMonitor("P1", "r1"), tsa.DRIVER.decoder()
    seen = {}
    for line in (shared / "data" / "rpm" / name).read_bytes().splitlines():
        now = tsa.stamp_of(line)
        assert now is not None
        for reading in decoder.receive(tsa.strip_stamp(line), now):
            monitor.receive(reading, now)
        seen.update({passage.id: passage for passage in monitor.passages()})
    doubtful = [passage for passage in seen.values() if not passage.monitored]
    assert len([passage for passage in seen.values() if passage.ended_at is not None]) == 25
    assert doubtful == []
    if alarmed is not None:
        assert sum(bool(passage.alarms) for passage in seen.values()) == alarmed


# --- whose alarm, and what was recognised ------------------------------------------------------------------------


def test_the_summary_tells_the_booths_own_alarm_with_strength_threshold_and_panels():
    monitor = ready(kind="pedestrian")
    feed(monitor, Occupancy(1.0, "started"), *(scan(1.2 + i / 5, (60, 14, 13, 12)) for i in range(10)))
    (passage,) = monitor.passages()
    assert passage.alarms == {"gamma"} and passage.told == frozenset()
    own = monitor.summary(4.0, passage).own
    assert own and {one.channel for one in own} == {"gamma"}
    assert all(one.strength >= one.threshold > 0 and one.panels == (1, 2, 3, 4) for one in own)
    assert encode(monitor.summary(4.0, passage))  # what is recorded has a byte form


def test_the_devices_alarm_is_kept_apart_from_the_booths():
    monitor = ready()
    feed(monitor, Occupancy(1.0, "started"), alarm(1.2, "neutron", (1, 0, 0, 0)))
    (passage,) = monitor.passages()
    assert passage.told == {"neutron"} == passage.alarms and monitor.summary(2.0, passage).own == ()


@pytest.mark.parametrize("strength", [math.inf, -math.inf, math.nan])
def test_a_strength_beyond_all_bounds_still_makes_a_record_that_can_be_read(strength):
    own = OwnAlarm(1.0, "gamma", "sums", strength, 5.0, (1,))
    passage = passage_nouns.Passage("p-1", 0.0, 2.0, frozenset({"gamma"}), own=(own,))
    written = encode(ready().summary(3.0, passage))
    assert math.isfinite(msgspec.json.decode(written, type=RadiationSummary).own[0].strength)


def test_a_nuclide_goes_with_its_passage_once():
    monitor = ready()
    feed(monitor, Identification(0.5, "Cs-137"))  # nobody had passed yet
    feed(monitor, Occupancy(1.0, "started"), scan(1.2), Identification(1.4, "I-131", 7.0, "Medical"))
    feed(monitor, Occupancy(2.0, "ended"), Identification(2.2, "I-131"), Identification(2.3, "K-40"))
    feed(monitor, *map(background, range(5, 70, 5)), Identification(70.0, "Cs-137"))  # somebody else's
    (passage,) = monitor.passages()
    assert passage.nuclides == ("I-131", "K-40") == monitor.summary(3.0, passage).nuclides
