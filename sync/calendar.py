"""Work by the calendar, and the guard that keeps a stepping wall clock from stalling it.

APScheduler plans by the wall clock: set back an hour it waits an hour, set forward it makes up for what it missed. So
it plans only what may be late (the feed's refresh), in a thread of its own that does nothing but call; and four times
a second wall and monotonic clock are compared, and after a step each job is planned anew, by the monotonic time that
is left. Uploads, heartbeats and back-offs never ask the wall clock.
Source: https://apscheduler.readthedocs.io/en/3.x/modules/triggers/interval.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

STEP_S: Final = 5.0
GUARD_EVERY_S: Final = 0.25
# Booths that were switched on together should not ask together for ever.
JITTER: Final = 0.1


class ClockStep:
    """Tells a step of the wall clock from its ordinary drift, by the monotonic clock beside it.

    Args:
        wall, monotonic: both clocks now, seconds.
    """

    def __init__(self, wall: float, monotonic: float) -> None:
        self._offset = wall - monotonic

    def seen(self, wall: float, monotonic: float) -> float:
        """Seconds by which the wall clock was set since the last step, 0.0 while that is no more than `STEP_S`."""
        step = wall - monotonic - self._offset
        if abs(step) <= STEP_S:
            return 0.0
        self._offset = wall - monotonic
        return step


class Calendar:
    """Calls `due` every `every_s` seconds, with jitter, whatever the wall clock does. Use it as a context.

    Args:
        due: called in the scheduler's thread: it may only hand on, by `loop.call_soon_threadsafe`.
        every_s: seconds from one call to the next.
        wall, monotonic: both clocks now, seconds.
    """

    def __init__(self, due: Callable[[], object], every_s: float, wall: float, monotonic: float) -> None:
        self._every_s = every_s
        self._step = ClockStep(wall, monotonic)
        self._last = monotonic
        defaults = {"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        self._scheduler: Any = BackgroundScheduler(timezone=dt.UTC, daemon=True, job_defaults=defaults)
        self._scheduler.add_job(due, self._trigger(wall + every_s), id="refresh")

    def __enter__(self) -> Self:
        self._scheduler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scheduler.shutdown(wait=False)

    def ran(self, monotonic: float) -> None:
        """The work was done just now, whoever asked for it."""
        self._last = monotonic

    def watch(self, wall: float, monotonic: float) -> float:
        """Look at both clocks; after a step of the wall clock plan anew, and return the step in seconds."""
        step = self._step.seen(wall, monotonic)
        if step:
            left_s = min(max(0.0, self._last + self._every_s - monotonic), self._every_s)
            self._scheduler.pause()
            self._scheduler.reschedule_job("refresh", trigger=self._trigger(wall + max(1.0, left_s)))
            self._scheduler.resume()
        return step

    def next_wall(self) -> float:
        """Wall time of the next call, UTC seconds since 1970."""
        moment: dt.datetime = self._scheduler.get_job("refresh").next_run_time
        return moment.timestamp()

    def _trigger(self, first: float) -> IntervalTrigger:
        start = dt.datetime.fromtimestamp(first, dt.UTC)
        return IntervalTrigger(seconds=self._every_s, start_date=start, timezone=dt.UTC, jitter=self._every_s * JITTER)
