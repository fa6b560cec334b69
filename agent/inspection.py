"""What a technician asks of the running core about its detectors: a background, the set-up, whether the ledger writes.

Measurements are fed on the booth's thread, which alone touches the detectors' monitors; the door's side asks for how
far they are. What a technician stores or accepts is a record that headquarters sees.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import structlog

from failsafe.agent.health import Change
from failsafe.agent.radiation import measurement
from failsafe.agent.radiation.detector import LaneMonitor
from failsafe.agent.radiation.measurement import Measurement
from failsafe.agent.radiation.passage import Health
from failsafe.agent.radiation.plausibility import SetUpLines
from failsafe.drivers.reading import Reading

GLANCE_S: Final = 0.25
SHORTEST_S, LONGEST_S = 2.0, 3600.0
# A background far from its reference, a set-up or a lane's lessons do not hinder measuring.
_FIT: Final[frozenset[Health]] = frozenset({"OK", "HIGH_BG", "LOW_BG", "CONFIG_CHANGED", "UNCALIBRATED", "UNKNOWN"})

Answer = dict[str, Any]
_log = structlog.get_logger("booth")


class Booth(Protocol):
    """What an inspection needs of the booth. All but `ask` is for the booth's thread."""

    def ask(self, act: Callable[[float], Answer]) -> Answer:
        """Run `act` on the booth's thread and wait for what it gives."""
        ...

    def monitor(self, device: str) -> LaneMonitor | None:
        """The monitor of a radiation detector of this name."""
        ...

    def is_occupied(self, device: str) -> bool:
        """Whether a traveller stands before a detector that only measures whoever does."""
        ...

    def note(self, change: Change) -> None:
        """Record a change for headquarters, and write down what the detectors remember."""
        ...

    def wall(self) -> str:
        """The wall time, ISO 8601 UTC."""
        ...


@dataclass(slots=True)
class _Course:
    """One measurement under way."""

    device: str
    began_at: float
    measurement: Measurement = field(default_factory=Measurement)
    over: bool = False  # the one thing that the door's side sets: whoever asked has gone


class Inspection:
    """The technician's requests to one booth."""

    def __init__(self, booth: Booth) -> None:
        self._booth = booth
        self._courses: list[_Course] = []

    # --- on the booth's thread -----------------------------------------------------------------------------------

    def receive(self, device: str, reading: Reading) -> None:
        """A reading of a device: whoever measures it is told."""
        self._courses = [course for course in self._courses if not course.over]
        for course in self._courses:
            if course.device == device:
                course.measurement.receive(reading)

    def _begin(self, device: str, now: float) -> Answer:
        monitor = self._booth.monitor(device)
        if monitor is None:
            return _refusal("This booth has no such detector.", "Name a portal of the configuration.")
        why = self._hindrance(device, monitor, now)
        if why:
            return _refusal("The background is not measured.", why)
        course = _Course(device, now)
        self._courses.append(course)
        return {"course": course}

    def _hindrance(self, device: str, monitor: LaneMonitor, now: float) -> str:
        if self._booth.is_occupied(device) or any(one.ended_at is None for one in monitor.passages()):
            return "Somebody is in the detector. Measure when nobody passes."
        if monitor.faults:
            return f"The device itself tells {' and '.join(sorted(monitor.faults))}: mend that first."
        health = monitor.health(now)
        return "" if health in _FIT else f"The detector is {health}: mend that first (`failsafe status`)."

    def _look(self, course: _Course, seconds: float, store: bool, now: float) -> Answer:
        monitor = self._booth.monitor(course.device)
        assert monitor is not None
        why = course.measurement.disturbed or self._hindrance(course.device, monitor, now)
        if why:
            return _refusal("The measurement was broken off.", why)
        if now - course.began_at < seconds:
            return {"elapsed_s": round(now - course.began_at, 1), "of_s": seconds}
        outcomes = course.measurement.outcomes()
        if not outcomes:
            return _refusal("The device told no background.", "Measure for longer; else look with `failsafe watch`.")
        answer = {"background": measurement.told(outcomes, monitor.references), "stored": store}
        if store:
            self._store(course.device, monitor, {name: one.measured for name, one in outcomes.items()})
        return answer

    def _store(self, device: str, monitor: LaneMonitor, measured: dict[Any, Any]) -> None:
        at = self._booth.wall()
        before = measurement.in_short(monitor.references)
        monitor.references = monitor.references | {name: replace(one, at=at) for name, one in measured.items()}
        now = measurement.in_short(monitor.references)
        _log.info("background stored", device=device)
        self._booth.note(Change(f"{device} background", "stored", "stored anew", f"was: {before}; is: {now}"))

    def _accept(self, device: str, relearn: bool) -> Answer:
        monitor = self._booth.monitor(device)
        if monitor is None:
            return _refusal("This booth has no such detector.", "Name a portal of the configuration.")
        were, are = monitor.accept_setup()
        forgotten = monitor.relearn() if relearn else 0
        if not were and not relearn:
            return _refusal("Nothing in its set-up has changed.", _nothing_changed(monitor))
        _log.info("set-up accepted", device=device)
        detail = "; ".join(_in_short(were, are) + ([f"{forgotten} lessons forgotten"] if relearn else []))
        self._booth.note(Change(f"{device} set-up", "changed", "accepted", detail))
        lines = [{"tag": tag, "was": list(were[tag]), "is": list(fields)} for tag, fields in are.items()]
        return {"device": device, "accepted": lines, "forgotten": forgotten}

    # --- on the door's -------------------------------------------------------------------------------------------

    def accept_setup(self, device: str, *, relearn: bool) -> Answer:
        """Take a changed set-up as the right one, and have the lane teach anew; blocks until the booth has."""
        return self._booth.ask(lambda now: self._accept(device, relearn))

    async def background(self, device: str, *, seconds: float, store: bool) -> AsyncGenerator[Answer, None]:
        """Measure a background: how far it is, again and again, and at the end what was measured or an error."""
        seconds = min(max(seconds, SHORTEST_S), LONGEST_S)
        begun = await asyncio.to_thread(self._booth.ask, lambda now: self._begin(device, now))
        if "error" in begun:
            yield begun
            return
        course = begun["course"]
        try:
            answer: Answer = {"elapsed_s": 0.0, "of_s": seconds}
            while "elapsed_s" in answer:
                yield answer
                await asyncio.sleep(GLANCE_S)
                answer = await asyncio.to_thread(self._booth.ask, lambda now: self._look(course, seconds, store, now))
            yield answer
        finally:
            course.over = True


def _refusal(error: str, advice: str) -> Answer:
    return {"error": error, "advice": advice}


def _nothing_changed(monitor: LaneMonitor) -> str:
    told = monitor.setup[1]
    if not told:
        return "The device has not told its set-up: switch it off and on, then look again."
    return "If it is CONFIG_CHANGED all the same, it tells another factor than `nsigma` in the configuration."


def _in_short(were: SetUpLines, are: SetUpLines) -> list[str]:
    """The changed lines, for a record that headquarters reads."""
    return [f"{tag}: {_fields(were[tag])} is now {_fields(are[tag])}" for tag in are]


def _fields(fields: tuple[float | str, ...]) -> str:
    return " ".join(one if isinstance(one, str) else f"{one:g}" for one in fields)
