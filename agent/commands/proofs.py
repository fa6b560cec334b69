"""Whether this installation still finds what it is there to find: played in memory, with inventions only. Pure.

A simulated detector through the decoder, the monitor and the tests of each lane; an invented document through the
reading of its zone and the matching. No alert is raised, nothing is stored, and the running booth hears nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from failsafe.agent.commands.screening import Shelf
from failsafe.agent.person.matching import match
from failsafe.agent.radiation.detector import DetectorSettings, LaneMonitor
from failsafe.agent.radiation.own_alarm import Budget
from failsafe.agent.radiation.passage import Passage
from failsafe.agent.radiation.static_monitor import StaticMonitor
from failsafe.agent.tables import LaneTable
from failsafe.agent.traveller import from_reading
from failsafe.drivers import specimens, tsa
from failsafe.drivers.reading import DocumentRead, Scan
from failsafe.drivers.simulator import Line, PortalScript
from failsafe.sync import shape

# Before the first passage a minute of backgrounds; so many quiet passages, of which a false alarm may be one.
_PERIODS: Final = 12
_QUIET: Final = 5
_DESK_CPS, _SOURCE_CPS = 30.0, 300.0
_DESK_LEARNS_S: Final = 300
_SEED: Final = 1
_YEAR: Final = 2026


@dataclass(frozen=True, slots=True)
class Proof:
    """What failed, in sentences; nothing: all of it held. `told` says what was tried."""

    told: str
    failures: tuple[str, ...]


def alarms(lane: LaneTable) -> Proof:
    """Whether device's word and own tests alarm on a source in this lane, and leave a background alone."""
    budget = Budget(lane.false_alarms_gamma, lane.false_alarms_neutron)
    settings = DetectorSettings(kind=lane.kind, budget=budget, measuring_s=lane.measuring_s)
    failures = tuple(_desk(settings) if lane.kind == "static" else _portal(settings))
    return Proof(f"a simulated source and background on a {lane.kind} lane", failures)


def _portal(settings: DetectorSettings) -> Iterator[str]:
    portal = _Portal(settings)
    quiet = [portal.passage() for _ in range(_QUIET)]
    if sum(bool(passage.alarms) for passage in quiet) > 1:
        yield "It alarms on a mere background."
    if not all(passage.monitored for passage in quiet):
        yield "A quiet passage is not monitored."
    for channel, passage in (("gamma", portal.passage(gamma=True)), ("neutron", portal.passage(neutron=True))):
        if channel not in passage.alarms:
            yield f"The device's own {channel} alarm does not count."
        if channel not in {own.channel for own in passage.own}:
            yield f"The booth's own tests do not find a {channel} source."
    if portal.health() != "OK":
        yield f"A sound portal is {portal.health()}."


class _Portal:
    """A simulated portal before a monitor, in a time of its own."""

    def __init__(self, settings: DetectorSettings) -> None:
        self._script = PortalScript(seed=_SEED)
        self._decoder = tsa.DRIVER.decoder()
        self._monitor = LaneMonitor("selftest", "proof", settings)
        self._at = 0.0
        self._say(self._script.setup())

    def passage(self, *, gamma: bool = False, neutron: bool = False) -> Passage:
        """A minute of nobody, then somebody."""
        for _ in range(_PERIODS):
            self._say(self._script.background())
        self._say(self._script.passage(gamma_alarm=gamma, neutron_alarm=neutron, seconds=8.0))
        return self._monitor.passages()[-1]

    def health(self) -> str:
        self._say(self._script.background())
        return self._monitor.health(self._at)

    def _say(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._at += line.after_s
            for reading in self._decoder.receive(line.text, self._at):
                self._monitor.receive(reading, self._at)


def _desk(settings: DetectorSettings) -> Iterator[str]:
    monitor = StaticMonitor("selftest", "proof", settings)
    random = np.random.default_rng(_SEED)
    at = 0.0

    def measure(crossing: str, cps: float) -> Passage | None:
        nonlocal at
        for second in range(_DESK_LEARNS_S + round(settings.measuring_s) + 5):
            at += 1.0
            if second == _DESK_LEARNS_S:
                monitor.presented(crossing, at)
            mean = cps if second >= _DESK_LEARNS_S else _DESK_CPS
            monitor.receive(Scan(at, "gamma", (int(random.poisson(mean)),), 1.0), at)
        return next((one for one in monitor.passages() if one.crossing == crossing), None)

    quiet, loud = measure("quiet", _DESK_CPS), measure("loud", _SOURCE_CPS)
    if quiet is None or not quiet.quiet:
        yield "A traveller without a source is not measured as quiet."
    if loud is None or "gamma" not in loud.alarms:
        yield "The booth's own tests do not find a source."


# --- the person ----------------------------------------------------------------------------------------------------

_NOTICE: Final = {
    "entity_id": "2026/7999999",
    "notice_type": "GREEN",
    "name": "QUILLFEATHER",
    "forename": "ZZYZXBERT",
    "date_of_birth": "1970/01/02",
    "nationalities": ["UT"],
    "purposes": ["Warning about a person's criminal activities; possible threat to public safety"],
}


def matching() -> Proof:
    """Whether an invented person is found by the zone of an invented document, and nobody else is."""
    reading = shape.read(json.dumps(_NOTICE))
    shelf = Shelf(tuple(entry.notice for entry in reading.notices), reading.listed)
    wanted = specimens.td3("QUILLFEATHER", "ZZYZXBERT", "X0000001", "UTO", "700102", "M", "310101")
    other = specimens.td3("SAMPLE", "ANNA", "X0000002", "UTO", "740812", "F", "310101")
    torn = (wanted[0], wanted[1][:13] + "750102" + wanted[1][19:])  # a birth date that its check digit denies
    failures = []
    if _grade(wanted, shelf) != "strong":
        failures.append("The subject of a notice is not found by his document.")
    if _grade(other, shelf) != "none":
        failures.append("Somebody is found against whom there is no notice.")
    if _grade(torn, shelf) == "none":
        failures.append("A wrongly read zone clears the subject of a notice.")
    return Proof("an invented document and an invented notice", tuple(failures))


def _grade(lines: tuple[str, ...], shelf: Shelf) -> str:
    """The grade of what is found; `unreadable` where the zone is not believed."""
    presented = from_reading(DocumentRead(0.0, lines), _YEAR)
    if presented.traveller is None:
        return "unreadable"
    grade = match(presented.traveller, shelf.index, shelf).grade
    return "unreadable" if grade == "none" and not presented.surely_read else grade
