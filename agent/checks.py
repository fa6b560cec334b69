"""The mirror read through after a start and then once a day, beside the booth's work.

Of a million notices that takes most of a minute. Who is sought is found meanwhile, by the index and single notices,
each of which is authenticated when it is read; but that nobody is sought can only be said of a mirror that is whole.
The check sees the mirror as it was when it began: what the intake writes meanwhile it has verified itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import structlog

from failsafe.agent.recorder import whereabouts
from failsafe.sync.errors import SyncError
from failsafe.sync.mirror import Mirror

# Verdicts and intake go first: reading through is nearly all arithmetic.
_NICENESS: Final = 5

# A page that went bad is found by then even if nobody asks for what is on it.
EVERY_S: Final = 24 * 3600.0

_log = structlog.get_logger("notices")


class Checks:
    """The mirror read through, each time in a thread of its own.

    Args:
        connect: opens the mirror for the thread that calls it.
        doubt: called from that thread where the mirror could not be read through; whoever is called examines it.
    """

    def __init__(self, connect: Callable[[], Mirror], doubt: Callable[[], None]) -> None:
        self._connect = connect
        self._doubt = doubt
        self._passed = threading.Event()
        self._reading = threading.Lock()
        self._thread = self._reader()
        self._due: float | None = None

    def _reader(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="checks", daemon=True)

    @property
    def passed(self) -> bool:
        """Whether the mirror is known to be whole, or nothing of it is left that could be doubted."""
        return self._passed.is_set()

    def begin(self) -> None:
        """Begin to read; the mirror is there by now."""
        self._thread.start()

    def repeat(self, now: float) -> None:
        """Read through again if a day has gone by since the last time; `now` by the monotonic clock."""
        if self._due is not None and now >= self._due and not self._thread.is_alive():
            self._due = None
            self._thread = self._reader()
            self._thread.start()
        if self._due is None:
            self._due = now + EVERY_S

    def wait(self, seconds: float) -> None:
        """Return once they have passed, or so many seconds later: a small mirror is read through at once."""
        if self._thread.is_alive():
            self._thread.join(timeout=seconds)

    def settle(self) -> None:
        """The mirror was examined otherwise and found whole, or nothing is held any more."""
        self._passed.set()

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Wait until nothing reads through the mirror: it may be replaced within."""
        with self._reading:
            yield

    def _run(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        try:
            with self._reading, self._connect() as held:
                held.check()
        except SyncError as error:
            _log.error("mirror not found whole", reason=error.reason, advice=error.advice)
            self._doubt()
        except Exception as error:  # a fault of ours must not leave the booth waiting for ever
            _log.error("checks met a fault of their own", fault=type(error).__name__, where=whereabouts(error))
            self._doubt()
        else:
            self._passed.set()
