"""A booth whose detector is a meter on the desk: it learns its background, measures travellers, and is never trusted
while it does not speak."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from failsafe.drivers.detectors import Detector
from failsafe.drivers.families import RadEye
from failsafe.drivers.simulator import DocumentReader, Pty
from tests.story.journey import Event, Journey, await_true

LEARNS_S = 120.0
QUIET_CPS, SOURCE_CPS = 30.0, 400.0


class DeskBooth(Journey):
    """A journey whose lane is static, with a RadEye on the desk."""

    def equip(self, stack: ExitStack) -> None:
        text = self.configuration.read_text()
        text = text.replace('name = "1"\n', 'name = "1"\nkind = "static"\nmeasuring_s = 5.0\n', 1)
        self.configuration.write_text(text.replace('driver = "tsa"', 'driver = "radeye"'))
        self.reader = DocumentReader(stack.enter_context(Pty(self.reader_port)), baud=None)
        self.cable = stack.enter_context(Pty(self.portal_port))
        self.meter = Detector(self.cable, RadEye(), seed=4)
        stack.callback(self.meter.stop)
        self.meter.start()

    def await_health(self, state: str, patience_s: float = 20.0) -> None:
        await_true(lambda: self.device("portal-1")["state"] == state, f"a meter that is {state}", patience_s)

    def meet(self) -> Event:
        """A person about whom there is nothing lays down a document; the first verdict."""
        return self.meet_innocent()

    def await_word(self, crossing: str, word: str) -> Event:
        return self.listener.await_verdict(
            lambda verdict: (verdict["crossing"], verdict["word"]) == (crossing, word), f"{word}"
        )


@pytest.fixture(scope="module")
def desk(founded: Journey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskBooth]:
    booth = DeskBooth.begin(founded, tmp_path_factory.mktemp("desk"))
    with ExitStack() as stack:
        stack.callback(booth.end)
        booth.equip(stack)
        booth.start_core()
        yield booth


@pytest.mark.slow
def test_a_meter_on_the_desk(desk: DeskBooth) -> None:
    desk.await_health("UNKNOWN")
    assert desk.meet()["word"] == "CANNOT CLEAR", "nothing is known of its background yet"
    desk.await_health("OK", LEARNS_S)

    quiet = desk.meet()
    assert quiet["word"] == "CANNOT CLEAR", "the traveller is being measured"
    assert desk.await_word(quiet["crossing"], "CLEAR")["actions"] == ["PROCEED"]

    desk.meter.cps = SOURCE_CPS  # the traveller, already clear, puts a bag on the desk
    stopped = desk.await_word(quiet["crossing"], "STOP")
    assert stopped["reissued"] and [alert["kind"] for alert in stopped["alerts"]] == ["radiation_alarm"]
    # Who comes while it lies there is stopped as well.
    assert desk.meet()["word"] == "STOP"
    desk.meter.cps = QUIET_CPS

    desk.cable.unplug()
    desk.await_health("ABSENT")
    away = desk.meet()
    assert away["word"] == "CANNOT CLEAR" and "RADIATION_SCREEN" in away["actions"]
    desk.cable.plug()
    desk.await_health("UNKNOWN")
    assert not [
        verdict
        for verdict in desk.listener.catch_up()
        if verdict["crossing"] == away["crossing"] and verdict["word"] == "CLEAR"
    ]
