"""A booth booted by a real systemd; its tests run by `make booth-test` only."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from failsafe.agent.control import CoreUnreachable
from failsafe.agent.demo.cast import LISTED, PERSONS
from failsafe.drivers.specimens import td3
from tests.booth.machine import PATIENCE_S, Machine, kept_machine, why_not

if not os.environ.get("FAILSAFE_BOOTH_TEST"):
    collect_ignore_glob = ["test_*.py"]

Event = dict[str, Any]


class Ear:
    """Hears every verdict of the core, until that run of it ends."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._fresh: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._visit = machine.visit(timeout_s=None)
        self._visit.tell("verdicts")
        self._visit.next()  # ready: nothing issued from here on is missed
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        try:
            while True:
                event = self._visit.next()
                self._machine.raised += [alert["id"] for alert in event["alerts"]]
                self._fresh.put(event)
        except (CoreUnreachable, ValueError, OSError):
            self._visit.__exit__()

    def hear_alert(self) -> Event:
        """The next verdict that raised an alert."""
        while not (event := self._fresh.get(timeout=PATIENCE_S))["alerts"]:
            pass
        return event


class Lane:
    """Who comes to the booth, and what it says of them."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.ear = Ear(machine)

    def present_wanted(self) -> str:
        """The subject of a notice comes, each time on another document; the id of the alert."""
        self._machine.travellers += 1
        number = f"GE{self._machine.travellers:07}"
        assert self._machine.reader is not None
        self._machine.reader.present(td3("EXAMPLOV", "TESTIMIR", number, "GEO", "690417", "M", "310101"))
        event = self.ear.hear_alert()
        assert event["word"] == "STOP"
        return str(event["alerts"][0]["id"])


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory, missing_part: Callable[[str], None]) -> Iterator[Machine]:
    """A booth, installed as docs/installation.md says and enrolled; headquarters at the cable's other end."""
    reason = why_not()
    if reason:
        missing_part(f"No booth can be booted here: {reason}.")
    with kept_machine(tmp_path_factory.mktemp("machine")) as made:
        made.build()
        made.lay_cable()
        made.plug_in()
        made.boot()
        made.found([*PERSONS, *LISTED])
        yield made


@pytest.fixture
def lane(machine: Machine) -> Lane:
    """The booth at work with fresh notices and working devices, and somebody who listens."""
    machine.await_ready()
    return Lane(machine)
