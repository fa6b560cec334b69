"""The ledger on a thread of its own.

A verdict waits for its commit, but no longer than half a second; what could not be written stays here and is tried
again until it is, in order. Nothing that must be kept is ever dropped.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from failsafe.sync.errors import LedgerDamaged, StoreBroken, StoreDamaged, SyncError
from failsafe.sync.journal import whereabouts as whereabouts
from failsafe.sync.ledger import Ledger, Undelivered

RETRY_S: Final = 1.0
_TURN_S: Final = 1.0  # the longest rest, so that the watchdog can tell resting from being blocked
Task = Callable[[Ledger], object]

_log = structlog.get_logger("recorder")


@dataclass(slots=True, eq=False)
class Attempt:
    """One thing to write. `recorded` tells whether it is committed.

    `tried` is set after the first try, or where one must not be waited for; `ended` when nothing follows any more.
    """

    task: Task
    keep: bool
    tried: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    recorded: bool = False

    def wait(self, timeout_s: float) -> bool:
        """Whether it was committed within `timeout_s`."""
        self.tried.wait(timeout_s)
        return self.recorded


class Recorder:
    """Writes to the ledger in the order given.

    Args:
        open_ledger: opens the ledger; called on the recorder's own thread, again after a failure.

    `turns` grows at least once a second unless the thread is blocked, on a full disk as well. `begun` is set when the
    first task has been tried: by then the ledger is open, or `fault` says why not.
    """

    def __init__(self, open_ledger: Callable[[], Ledger]) -> None:
        self._open_ledger = open_ledger
        self._waiting: deque[Attempt] = deque()
        self._at_hand: Attempt | None = None
        self._wake = threading.Condition()
        self._stopping = False
        self._ledger: Ledger | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.fault: SyncError | None = None
        self.turns = 0
        self.begun = threading.Event()
        self.undelivered = Undelivered(0, None)
        self.alerts_waiting = Undelivered(0, None)
        self.head = ""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write what can be written, then close the ledger."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(timeout=5)

    @property
    def healthy(self) -> bool:
        """Whether the last try succeeded and nothing waits behind a failure."""
        return self.fault is None

    def submit(self, task: Task, *, keep: bool = True) -> Attempt:
        """Have `task` run on the ledger; with `keep` it is tried until it succeeds, so it must be idempotent."""
        attempt = Attempt(task, keep)
        if self.fault is not None:
            attempt.tried.set()  # behind a known failure nobody waits half a second to learn of it
        with self._wake:
            self._waiting.append(attempt)
            self._wake.notify()
        return attempt

    def try_once(self, task: Task, timeout_s: float) -> bool | None:
        """Have `task` run once, in its turn; whether it is committed, or None if it is being written at this moment.

        What was not begun within `timeout_s` is taken back: a "not recorded" that was told stays true.
        """
        attempt = self.submit(task, keep=False)
        if not attempt.ended.wait(timeout_s):
            with self._wake:
                if self._at_hand is attempt:
                    return None
                with suppress(ValueError):  # it ended in between
                    self._waiting.remove(attempt)
        return attempt.recorded

    def _run(self) -> None:
        last_failed = False  # what a stop finds waiting is tried once more: then it is lost with the process
        while True:
            with self._wake:
                if self.fault is not None and not self._stopping:
                    self._wake.wait(RETRY_S)
                self.turns += 1
                while not self._waiting and not self._stopping:
                    self._wake.wait(_TURN_S)
                    self.turns += 1
                if last_failed or (self._stopping and not self._waiting):
                    break
                attempt, stopping = self._waiting[0], self._stopping
                self._at_hand = attempt
            self._try(attempt)
            self._at_hand = None
            last_failed = stopping and self.fault is not None
        if self._ledger is not None:
            self._ledger.close()

    def _try(self, attempt: Attempt) -> None:
        try:
            if self._ledger is None:
                self._ledger = self._open_ledger()
            attempt.task(self._ledger)
        except SyncError as error:
            self._failed(attempt, error)
        except Exception as error:  # a fault of ours: keep the alert and say so, rather than lose it or the thread
            _log.error("recorder met a fault of its own", fault=type(error).__name__, where=whereabouts(error))
            self._failed(attempt, StoreBroken(f"The ledger's writer met {type(error).__name__}."))
        else:
            if self.fault is not None:
                _log.info("ledger writes again")
            self.fault = None
            attempt.recorded = True
            attempt.ended.set()
            attempt.tried.set()  # a verdict waits for this much, and not for the counting behind it
            self._drop(attempt)
            self._count()
        attempt.tried.set()
        self.begun.set()

    def _count(self) -> None:
        """What page and status say of the ledger, as of now; a fault of reading shows at the next write."""
        if self._ledger is not None:
            with suppress(SyncError):
                self.undelivered = self._ledger.undelivered()
                self.alerts_waiting = self._ledger.undelivered(only_alerts=True)
                self.head = self._ledger.head()

    def _failed(self, attempt: Attempt, error: SyncError) -> None:
        if isinstance(error, StoreDamaged):
            error = LedgerDamaged(error.detail)  # whose advice is another than a mirror's
        if self.fault is None or self.fault.reason != error.reason:
            _log.error("ledger cannot record", reason=error.reason, advice=error.advice)
        self.fault = error
        self._close_quietly()
        if attempt.keep:
            self._tell_those_behind()
        else:
            self._drop(attempt)
            attempt.ended.set()

    def _tell_those_behind(self) -> None:
        """Nobody behind a failed write waits half a second to learn that it cannot be written yet."""
        with self._wake:
            for behind in self._waiting:
                behind.tried.set()

    def _close_quietly(self) -> None:
        if self._ledger is None:
            return
        try:
            self._ledger.close()
        except SyncError as error:
            _log.warning("ledger did not close", reason=error.reason)
        self._ledger = None

    def _drop(self, attempt: Attempt) -> None:
        with self._wake:
            self._waiting.remove(attempt)
