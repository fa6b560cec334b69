"""Mirror and ledger read through after a start and then once a day, beside the booth's work.

Of a million notices that takes most of a minute. Who is sought is found meanwhile, by the index and single notices,
each of which is authenticated when it is read; but that nobody is sought can only be said of a mirror that is whole.
The check sees the mirror as it was when it began: what the intake writes meanwhile it has verified itself.

The ledger holds alerts that headquarters may not have, so that a damaged one is never set aside: it is told, nobody is
cleared on it, and people take it out. Its check holds up no commit: it takes no lock that a writer waits for, and walks
the chain in short pieces.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import structlog

from failsafe.agent.recorder import whereabouts
from failsafe.sync.errors import LedgerDamaged, StoreDamaged, SyncError, WrongKey
from failsafe.sync.ledger import Ledger
from failsafe.sync.mirror import Mirror

# Verdicts and intake go first: reading through is nearly all arithmetic.
_NICENESS: Final = 5

# A page that went bad is found by then even if nobody asks for what is on it.
EVERY_S: Final = 24 * 3600.0
_LEAVE_AFTER_S: Final = 2.0

# What could not be read for another reason than damage is tried again sooner.
AGAIN_S: Final = 3600.0
# A page that is written to the file in the moment in which it is read looks damaged, and the next time it does not.
_LOOKS: Final = 3
_LOOK_AGAIN_S: Final = 2.0
# Records of the chain in one piece, some milliseconds' work, and the rest after each: verdicts go on meanwhile.
_PIECE: Final = 200
_REST_S: Final = 0.02
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
        _stand_back()
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


class LedgerChecks:
    """The ledger read through and its chains walked, each time in a thread of its own.

    Args:
        connect: opens the ledger for the thread that calls it.

    `fault` is what was found damaged, with advice, until the core is started anew: no later reading takes it back.
    """

    def __init__(self, connect: Callable[[], Ledger]) -> None:
        self._connect = connect
        self._stopping = threading.Event()
        self._thread = self._reader()
        self._due: float | None = None
        self._unread = False
        self.fault: LedgerDamaged | None = None
        self.walked = 0  # records, the last time

    def _reader(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="ledger checks", daemon=True)

    def repeat(self, now: float) -> None:
        """Read through at the first call, and when it is due again; `now` by the monotonic clock."""
        if self.fault is not None or self._thread.is_alive():
            return
        if self._due is None or now >= self._due:
            self._unread = False
            self._due = now + EVERY_S
            self._thread = self._reader()
            self._thread.start()
        elif self._unread:
            self._unread, self._due = False, min(self._due, now + AGAIN_S)

    def wait(self, seconds: float) -> None:
        """Return once it is done, or so many seconds later."""
        if self._thread.is_alive():
            self._thread.join(timeout=seconds)

    def stop(self) -> None:
        """End after the piece at hand; a reading of the pages that takes longer is left alone."""
        self._stopping.set()
        self.wait(_LEAVE_AFTER_S)

    def _run(self) -> None:
        _stand_back()
        damage: LedgerDamaged | None = None
        for _ in range(_LOOKS):
            try:
                with self._connect() as ledger:
                    self._look(ledger)
                return
            except (StoreDamaged, WrongKey) as error:  # a first page that is not as it was written fits no key
                damage = LedgerDamaged(error.detail)
            except SyncError as error:
                _log.warning("ledger not read through", reason=error.reason, advice=error.advice)
                self._unread = True
                return
            except Exception as error:  # a fault of ours says nothing of the ledger
                _log.error("checks met a fault of their own", fault=type(error).__name__, where=whereabouts(error))
                self._unread = True
                return
            if self._stopping.wait(_LOOK_AGAIN_S):
                return
        assert damage is not None
        _log.error("ledger is damaged", reason=damage.reason, detail=damage.detail, advice=damage.advice)
        self.fault = damage

    def _look(self, ledger: Ledger) -> None:
        ledger.check_pages()
        for walked in ledger.walk(_PIECE):
            self.walked = walked
            if self._stopping.wait(_REST_S):
                return


def _stand_back() -> None:
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
