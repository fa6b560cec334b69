"""When a device is asked, and what its silence means."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers.asking import Asking
from failsafe.drivers.reading import DeviceHealth


def test_a_recording_that_nobody_asks_has_no_silence() -> None:
    asking = Asking(3.0)
    assert asking.silence(1000.0) == []
    assert asking.heard(1000.0) == []
    assert asking.silence(5000.0) == []


def test_it_is_asked_at_once_and_then_now_and_again_until_it_answers() -> None:
    asking = Asking(3.0, again_s=5.0)
    assert [now for now in range(12) if asking.due(float(now))] == [0, 5, 10]
    asking.heard(11.0)
    assert asking.answered and not asking.due(100.0)


def test_silence_is_told_once_and_its_end_once() -> None:
    asking = Asking(3.0)
    asking.due(0.0)
    assert asking.silence(3.0) == []
    assert asking.silence(3.1) == [DeviceHealth(3.1, "DEVICE", ok=False, detail="The device does not answer.")]
    assert asking.silence(4.0) == [] and not asking.answered
    assert asking.heard(5.0) == [DeviceHealth(5.0, "DEVICE", ok=True, detail="The device answers again.")]
    assert asking.heard(6.0) == [] and asking.answered


def test_a_silence_after_answers_counts_from_the_last_of_them() -> None:
    asking = Asking(3.0)
    asking.due(0.0)
    asking.heard(10.0)
    assert asking.silence(13.0) == []
    assert len(asking.silence(13.5)) == 1
    assert asking.due(13.5)


@given(st.lists(st.tuples(st.floats(0.0, 4.0), st.sampled_from(["due", "heard", "silence"])), max_size=60))
def test_faults_and_their_ends_alternate(steps: list[tuple[float, str]]) -> None:
    """However it goes, nobody is told twice, and what is told last is how it stands."""
    asking, now, told = Asking(3.0), 0.0, []
    for after_s, act in steps:
        now += after_s
        if act == "due":
            asking.due(now)
        else:
            told += getattr(asking, act)(now)
    assert [health.ok for health in told] == [bool(place % 2) for place in range(len(told))]
    if told:
        assert asking.answered == told[-1].ok
