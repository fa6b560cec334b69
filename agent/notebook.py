"""What the detectors taught is kept in the ledger's file, seldom and behind everything else, and recalled at the start.

It belongs to the booth's thread; reading and writing are the recorder's. What cannot be read is forgotten: the detector
begins anew, and the log says so. Nothing is written before what was kept has been read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from failsafe.agent.radiation import remembered
from failsafe.agent.radiation.detector import LaneMonitor
from failsafe.agent.radiation.remembered import Forgotten
from failsafe.agent.recorder import Attempt, Recorder
from failsafe.sync.ledger import Ledger

WRITE_EVERY_S: Final = 60.0
# A set-up that changed would be taken as known if the machine failed before it was written down; a portal that told
# another one with each line would still write no more often than this.
CHANGE_AFTER_S: Final = 10.0

_log = structlog.get_logger("booth")


@dataclass(slots=True)
class _Page:
    """One detector: what is being written of it, and the set-up that this held."""

    monitor: LaneMonitor
    learnt_with: str
    written: bytes = b""
    setup: object = None
    attempt: Attempt | None = None


class Notebook:
    """Keeps what each detector has taught.

    Args:
        recorder: writes to the ledger.
        deliver: hands a call to the booth's thread; called on the recorder's.
    """

    def __init__(self, recorder: Recorder, deliver: Callable[[Callable[[float], None]], None]) -> None:
        self._recorder = recorder
        self._deliver = deliver
        self._pages: dict[str, _Page] = {}
        self._recalled = False
        self._wrote_at = float("-inf")

    def follow(self, name: str, monitor: LaneMonitor, learnt_with: str) -> None:
        """Remember this detector; `learnt_with` is `remembered.learnt_with`'s. Before `open`."""
        self._pages[name] = _Page(monitor, learnt_with)

    def open(self) -> None:
        """Have what was kept read; as long as the ledger cannot be read nobody is cleared, and this is tried again."""
        self._recorder.submit(self._read)

    def _read(self, ledger: Ledger) -> None:
        kept = ledger.detectors()
        self._deliver(lambda _: self._recall(kept))

    def _recall(self, kept: Mapping[str, bytes]) -> None:
        self._recalled = True
        for name, page in self._pages.items():
            if name not in kept:
                continue
            try:
                page.monitor.recall(remembered.read(kept[name], page.learnt_with))
            except Forgotten as forgotten:
                _log.warning("what a detector taught is forgotten", device=name, detail=forgotten.why)

    def tick(self, now: float) -> None:
        """Let time pass: once a minute what is new is written down, a changed set-up sooner."""
        since_s = now - self._wrote_at
        changed = any(page.setup != page.monitor.setup for page in self._pages.values())
        if since_s >= WRITE_EVERY_S or (changed and since_s >= CHANGE_AFTER_S):
            self.write(now)

    def write(self, now: float) -> None:
        """Write down at once what is new."""
        if not self._recalled:
            return
        self._wrote_at = now
        for name, page in self._pages.items():
            self._write(name, page)

    def _write(self, name: str, page: _Page) -> None:
        content = remembered.write(page.monitor.remembered(page.learnt_with))
        stands = page.attempt is not None and (page.attempt.recorded or not page.attempt.tried.is_set())
        page.setup = page.monitor.setup
        if stands and content == page.written:
            return
        page.written = content
        # Not kept for later: while the ledger cannot be written nobody is cleared, and the next minute tries anew.
        page.attempt = self._recorder.submit(lambda ledger: ledger.keep_detector(name, content), keep=False)
