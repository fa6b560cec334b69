"""A day of a portal's lines: everybody is answered, nothing is held for longer than it is needed."""

from __future__ import annotations

import pickle

import pytest

from failsafe.drivers import tsa
from failsafe.drivers.reading import Occupancy
from tests.bench.alarms import DAY_LINES, DAY_OCCUPANCIES, Replay, day_lines


def some(occupancies):
    return list(day_lines(occupancies, round(DAY_LINES * occupancies / DAY_OCCUPANCIES)))


def test_the_generated_day_is_as_long_as_the_real_one():
    lines = some(70)
    assert len(lines) == pytest.approx(DAY_LINES / 10, rel=0.01)
    assert sum(line.startswith(b"GX") for _, line in lines) == 70
    assert sum(after_s for after_s, _ in lines) == pytest.approx(86_400 / 10, rel=0.15)


def test_everybody_of_a_quiet_hour_is_quiet():
    replay = Replay()
    replay.play(some(30))
    assert sum(replay.columns.values()) == 30
    assert replay.columns["quiet"] >= 29, "one false alarm in a thousand is allowed"


def held(replay: Replay) -> int:
    """Bytes of all that decoder, monitor and lane refer to."""
    return len(pickle.dumps((replay.decoder, replay.monitor, replay.lane)))


def test_what_is_held_does_not_grow_with_the_day():
    """Once a lane's lessons are full, a further hundred vehicles leave nothing behind."""
    stream = some(330)
    cuts = [number for number, (_, line) in enumerate(stream) if line.startswith(b"GX")]
    replay = Replay()
    replay.play(stream[: cuts[219] + 1])
    before = held(replay)
    replay.play(stream[cuts[219] + 1 :])
    assert sum(replay.columns.values()) == 330
    assert held(replay) < before * 1.01


@pytest.mark.parametrize("name", ["S2-C0-NONE", "S2-C3-NORM2"])
def test_the_alarm_comes_with_its_line_and_the_answer_with_the_end(shared, name):
    """Never with a later line: what the officer sees changes before the portal says anything more."""
    replay, stamp, flagged = Replay(), 0.0, 0
    for line in (shared / "data" / "rpm" / f"{name}.csv").read_bytes().splitlines():
        before, stamp = stamp, tsa.stamp_of(line)
        replay.play([(stamp - before, tsa.strip_stamp(line))])
        if line.startswith((b"GA", b"NA")):
            flagged += 1
            assert replay.lane.column(replay.lane.current.id) == "alarm"
        if line.startswith(b"GX"):
            assert replay.lane.column(replay.lane.current.id) in ("alarm", "quiet")
    assert (flagged > 0) == (name == "S2-C3-NORM2")
    assert sum(replay.columns.values()) == 25
    assert replay.columns["alarm"] == (25 if flagged else 0)


def test_the_booths_own_alarm_comes_with_the_line_that_reaches_the_threshold():
    replay = Replay()
    replay.play(some(1)[:-200])
    quiet = b"GS,000075,000075,000075,000075\r\n"
    loud = b"GS,000275,000275,000275,000275\r\n"
    replay.play([(5.0, b"GB,000375,000375,000375,000375\r\n"), (1.0, quiet), *[(0.0, quiet)] * 5])
    lines = 0
    while not replay.monitor.passages()[-1].own and lines < 5:
        replay.play([(0.2, loud)])
        lines += 1
    (alarm, *_) = replay.monitor.passages()[-1].own
    assert (alarm.test, alarm.at) == ("window", replay.now)
    assert lines <= 3
    assert replay.lane.column(replay.lane.current.id) == "alarm"


def test_a_replay_sees_beginnings_and_ends_in_turn():
    decoder = tsa.TsaDecoder()
    phases, now = [], 0.0
    for after_s, line in some(5):
        now += after_s
        phases += [reading.phase for reading in decoder.receive(line, now) if isinstance(reading, Occupancy)]
    assert phases == ["began", "ended"] * 5
