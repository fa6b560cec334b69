"""Which alerts still wait for the measurement of their passage. Pure.

An alert is recorded at once; what the detector counted is complete only when the passage has ended. So the measurement
is a record of its own that names its alerts: it is due with the end of the passage (a line that is lost ends it too),
or after two minutes while somebody stands in the detector. An alert that is raised about a passage later, about a
person who was read after it for instance, gets a measurement of its own. What a killed core had not yet written is
lost, and then the alert stands alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from failsafe.agent.radiation.n42_record import Ends
from failsafe.agent.radiation.passage import Passage
from failsafe.sync.reports import FINDING_ALERTS

STANDING_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Due:
    """A passage whose measurement is to be written, and the alerts it belongs to."""

    passage: Passage
    alerts: tuple[str, ...]
    ends: Ends


@dataclass(slots=True)
class _Waiting:
    since: float
    alerts: list[str] = field(default_factory=list)


class Attachments:
    """One lane's. Passages are known by their ids."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    def raised(self, alert: str, passages: Iterable[Passage], now: float) -> None:
        """An alert was recorded, or will be; it speaks of those of `passages` that alarmed."""
        for passage in passages:
            if passage.alarms:
                self._waiting.setdefault(passage.id, _Waiting(now)).alerts.append(alert)

    def due(self, find: Callable[[str], Passage | None], now: float, *, stopping: bool = False) -> Iterator[Due]:
        """What is to be written now; each is told once. `find` gives a passage as it is, None where it is forgotten."""
        for passage_id, waiting in list(self._waiting.items()):
            passage = find(passage_id)
            if passage is None:
                del self._waiting[passage_id]
            elif ends := _ends(passage, now - waiting.since, stopping=stopping):
                del self._waiting[passage_id]
                for place in range(0, len(waiting.alerts), FINDING_ALERTS):
                    yield Due(passage, tuple(waiting.alerts[place : place + FINDING_ALERTS]), ends)


def _ends(passage: Passage, waited_s: float, *, stopping: bool) -> Ends | None:
    if passage.ended_at is not None:
        return "ended"
    if stopping:
        return "stopped"
    return "standing" if waited_s >= STANDING_S else None
