"""A booth whose portal is on the network: verdicts through the relay, and nobody cleared while it cannot be heard."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from failsafe.agent.demo.house import kill, program
from tests.story.journey import Event, Journey, innocent
from tests.tcp_device import TcpDevice

PORTAL = "portal-1"


@dataclass(slots=True)
class Relay:
    """The relay's process beside the booth's core."""

    booth: Journey
    device: TcpDevice
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.booth.folder / "line.log").open("ab") as log:
            words = [program("failsafe"), "line", PORTAL, "--config", str(self.booth.configuration)]
            self.process = subprocess.Popen(words, stderr=log)

    def kill(self) -> None:
        kill(self.process)


@pytest.fixture(scope="module")
def relay(begin: Callable[..., Journey]) -> Iterator[Relay]:
    booth = begin()
    with TcpDevice() as device:
        serial = f'port = "{booth.portal_port}"'
        text = booth.configuration.read_text("utf-8")
        assert serial in text
        text = text.replace(serial, f'address = "{device.address}"')
        booth.configuration.write_text(text.replace("[folders]", f'[folders]\nlines = "{booth.folder}/lines"'), "utf-8")
        booth.portal_port.unlink(missing_ok=True)
        booth.plug_in()
        booth.portal.stop()
        booth.portal_line.unplug()
        booth.portal_line = device
        booth.new_portal()
        relay = Relay(booth, device)
        relay.start()
        try:
            booth.start_core()
            yield relay
        finally:
            relay.kill()
            booth.portal.stop()


@pytest.fixture
def booth(relay: Relay) -> Iterator[Journey]:
    """Sound before the test, and by itself sound again after it."""
    relay.booth.await_ready()
    relay.booth.listener.catch_up()
    yield relay.booth
    relay.booth.await_ready()
    relay.booth.verdicts_go_on()


def judged_unmonitored(booth: Journey) -> Event:
    """An innocent's last verdict, who was not monitored; nothing on the way there was CLEAR."""
    start = len(booth.listener.heard)
    booth.reader.present(innocent(booth.next_number()))
    last = booth.listener.await_verdict(lambda verdict: "RADIATION_SCREEN" in verdict["actions"], "not monitored")
    assert all(verdict["word"] == "CANNOT CLEAR" for verdict in booth.listener.heard[start:])
    return last


def test_verdicts_come_through_the_relay(booth: Journey) -> None:
    booth.verdicts_go_on()
    first = booth.meet_innocent()
    booth.portal.passage(gamma_alarm=True, seconds=1.0)
    stopped = booth.listener.await_verdict(lambda verdict: bool(verdict["alerts"]), "an alarm")
    assert (stopped["word"], stopped["recorded"]) == ("STOP", True)
    assert first["crossing"] == stopped["crossing"]
    # The alarm is everybody's who shows a document within the lane's window; a quiet passage is longer than that.
    booth.portal.passage(seconds=10.0)


def test_a_portal_that_hangs_up_clears_nobody(booth: Journey, relay: Relay) -> None:
    """In the middle of a passage: what was quiet until then is no quiet passage."""
    booth.meet_innocent()
    start = len(booth.listener.heard)
    script = booth.portal.script.passage(seconds=2.0)
    for _, line in zip(range(12), script, strict=False):
        relay.device.write(line.text)
    relay.device.unplug()
    booth.await_device(PORTAL, "ABSENT")
    assert "network cable" in booth.device(PORTAL)["advice"]
    judged_unmonitored(booth)
    assert not [verdict for verdict in booth.listener.heard[start:] if verdict["word"] == "CLEAR"]
    again = TcpDevice(relay.device.port)
    relay.device = booth.portal_line = again
    booth.portal.stop()
    booth.new_portal()


def test_a_killed_relay_clears_nobody_and_a_new_one_does(booth: Journey, relay: Relay) -> None:
    relay.kill()
    booth.await_device(PORTAL, "ABSENT")
    assert "systemctl status" in booth.device(PORTAL)["advice"]
    judged_unmonitored(booth)
    relay.start()


def test_the_core_is_killed_and_finds_its_portal_again(booth: Journey) -> None:
    booth.cut_down()
    booth.start_core()


def test_neither_logs_what_went_through(booth: Journey) -> None:
    booth.verdicts_go_on()
    log = booth.log() + (booth.folder / "line.log").read_text("utf-8")
    assert "state=connected" in log
    assert "GB,0" not in log and "GS,0" not in log and "SAMPLE" not in log
