"""`failsafe alarms --n42 DIR`: one N42.42 document for each passage of a recording that alarmed."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Final

from failsafe.agent.radiation import n42_record
from failsafe.agent.radiation.course import Instrument
from failsafe.agent.radiation.detector import DetectorSettings, LaneMonitor
from failsafe.agent.radiation.n42_record import Recorded
from failsafe.agent.radiation.own_alarm import LaneKind
from failsafe.agent.radiation.passage import Passage, advice
from failsafe.agent.radiation.static_monitor import StaticMonitor
from failsafe.drivers.driver import Driver
from failsafe.drivers.reading import Reading
from failsafe.sync.reports import utc

_DETECTOR: Final = "recording"
_NO_CLOCK: Final = "The recording has no clock: its beginning stands here as 1970-01-01T00:00:00Z."


class FolderInUse(Exception):
    """A document of this name is in the folder already."""


class N42Files:
    """Writes a document when a passage that alarmed has ended, and the last one at `close`.

    Args:
        folder: made if it is not there; nothing in it is overwritten.
        driver: whose readings they are.
        nsigma: as for `failsafe alarms`.
        lane: its kind.
        stamped: times are the recorder's, seconds since 1970; without that they only tell distances.
        version: this program's.
    """

    def __init__(
        self, folder: Path, driver: Driver, *, nsigma: float | None, lane: LaneKind, stamped: bool, version: str
    ) -> None:
        instrument = Instrument(driver.name, driver.makes, version)
        kind = StaticMonitor if lane == "static" else LaneMonitor
        self._monitor = kind(_DETECTOR, "1", DetectorSettings(nsigma=nsigma, kind=lane, instrument=instrument))
        self._folder = folder
        self._remarks = () if stamped else (_NO_CLOCK,)
        self._written: set[str] = set()

    def take(self, reading: Reading, now: float) -> None:
        """One reading of the recording, heard at `now`.

        Raises:
            FolderInUse: a document cannot be written under its name.
            OSError: nor for another reason.
        """
        self._monitor.receive(reading, now)
        self._write(ended=True)

    def close(self) -> int:
        """Write what has not ended; how many documents there are. Raises as `take`."""
        self._write(ended=False)
        return len(self._written)

    def _write(self, *, ended: bool) -> None:
        for passage in self._monitor.passages():
            if passage.alarms and passage.id not in self._written and (passage.ended_at is not None or not ended):
                self._written.add(passage.id)
                self._save(passage)

    def _save(self, passage: Passage) -> None:
        course = self._monitor.course(passage.id)
        if course is None:
            return
        recorded = Recorded(
            id=str(uuid.uuid4()),
            detector=_DETECTOR,
            instrument=self._monitor.settings.instrument,
            course=course,
            own=passage.own,
            health=passage.health,
            wall_less_monotonic_s=0.0,
            advice=advice(passage.health),
            portal=self._monitor.settings.kind != "static",
            ends="ended" if passage.ended_at is not None else "stopped",
            remarks=self._remarks,
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{len(self._written):04d}-{utc(passage.began_at).replace(':', '')[:17]}Z.n42"
        try:
            with (self._folder / name).open("xb") as file:
                file.write(n42_record.fitting(recorded)[0])
        except FileExistsError:
            raise FolderInUse(f"{name} is there already. Name an empty folder.") from None
