"""Telling the CBRNE programme of what the outbox holds: a thread for each channel, and none of them ever gives up.

A slow mail server does not hold up the webhook: each channel has its own thread. A failed try rests its row, longer
each time; where the line itself is down the whole channel rests, so that a thousand waiting alerts are not a thousand
knocks on a closed door. The row that failed rests longer than its channel: a message that kills the other side does
not stand before the others. All rests are monotonic, so a clock that jumps stops nothing.

At least once: a try is counted, then made, then marked. What is killed in between is sent again, the same bytes under
the same id. One notifier belongs to one database; two would send twice, under the same ids.
"""

from __future__ import annotations

import datetime as dt
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from failsafe.hq.cbrne import outbox
from failsafe.hq.cbrne.channels import USUAL_PATIENCE, Outcome, Sender, senders
from failsafe.hq.cbrne.outbox import Letter, Waiting
from failsafe.hq.cbrne.programme import Programme, ProgrammeFault
from failsafe.hq.feeds.tables import SCHEMA
from failsafe.hq.keyring.keys import HeadquartersError

POLL_S: Final = 1.0  # alerts also come by an import from a stick, in a process that cannot wake this one
_BATCH: Final = 4  # sent between two looks at the outbox, so that an urgent alert does not wait for all the rest
_log = structlog.get_logger("notify")


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks, given from outside."""

    wall: Callable[[], dt.datetime]
    monotonic: Callable[[], float]

    @classmethod
    def system(cls) -> Clock:
        """This machine's."""
        return cls(lambda: dt.datetime.now(dt.UTC), time.monotonic)  # noqa: TID251 - the edge that asks the clocks

    def moment(self) -> str:
        """The wall clock as the house writes moments."""
        return self.wall().astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Rest:
    """How long to wait after the n-th failure: doubled from `first_s` up to `most_s`, less up to half by chance."""

    first_s: float
    most_s: float

    def after(self, failures: int, chance: float) -> float:
        """Seconds; `failures` from 1, `chance` from 0 to 1."""
        doubled = self.first_s * 2.0 ** min(failures - 1, 32)
        return min(doubled, self.most_s) * (1 - chance / 2)


# A row may rest longest: its fault is its own. A channel is knocked at once a minute at least.
ROW_REST: Final = Rest(first_s=2.0, most_s=300.0)
CHANNEL_REST: Final = Rest(first_s=1.0, most_s=60.0)


# --- one channel ----------------------------------------------------------------------------------------------


class Messenger:
    """One channel's rows, sent one after another. `step` is all that it does; a thread calls it again and again."""

    def __init__(self, engine: Engine, sender: Sender, clock: Clock) -> None:
        self._engine = engine
        self._sender = sender
        self._clock = clock
        self._rest_until: dict[str, float] = {}  # by alert id, monotonic
        self._unmarked: dict[str, tuple[Waiting, Outcome]] = {}  # sent or failed, and the database did not take it
        self._channel_rests_until = float("-inf")
        self._channel_failures = 0

    def step(self) -> float:
        """Send what is due, some at a time.

        Returns:
            Seconds until there is something to do; 0 if there is more already.
        """
        try:
            self._mark_late()
            now = self._clock.monotonic()
            if now < self._channel_rests_until:
                return self._channel_rests_until - now
            rows = self._due(now)
            for row in rows[:_BATCH]:
                if not self._tell(row):
                    break
            else:
                return 0 if len(rows) > _BATCH else POLL_S
        except SQLAlchemyError as error:
            _log.warning("outbox cannot be used, trying again", kind=type(error).__name__)
            return POLL_S
        return max(0.0, self._channel_rests_until - self._clock.monotonic())

    def _due(self, now: float) -> list[Waiting]:
        with self._engine.connect() as connection:
            rows = outbox.waiting(connection, self._sender.channel)
        ids = {row.alert_id for row in rows}
        self._rest_until = {id_: until for id_, until in self._rest_until.items() if id_ in ids}
        due = [row for row in rows if self._rest_until.get(row.alert_id, now) <= now]
        if self._channel_failures:  # perhaps it was the messages: try one that has not failed
            due.sort(key=lambda row: row.tries)
        return due

    def _tell(self, row: Waiting) -> bool:
        """One try, counted before it is made; False if the channel is to rest."""
        with self._engine.begin() as connection:
            letter = outbox.claim(connection, row, self._clock.moment())
        if letter is None:
            return True
        outcome = self._try(letter)
        self._unmarked[row.alert_id] = (row, outcome)
        self._rest(row, outcome)
        said = _log.warning if outcome.trouble else _log.info
        said(
            "told" if not outcome.trouble else "not told", channel=row.channel, alert=row.alert_id, tries=row.tries + 1
        )
        self._mark_late()
        return not outcome.is_line_down

    def _try(self, letter: Letter) -> Outcome:
        try:
            return self._sender.send(letter, self._clock.wall())
        except HeadquartersError as error:
            return Outcome(str(error), is_line_down=True, told=letter.told)
        except Exception as error:  # a fault of ours in one message must not silence the channel
            return Outcome(f"An unexpected fault ({type(error).__name__}). Tell the maker.", told=letter.told)

    def _rest(self, row: Waiting, outcome: Outcome) -> None:
        now = self._clock.monotonic()
        if outcome.trouble:
            self._rest_until[row.alert_id] = now + ROW_REST.after(row.tries + 1, random.random())
        if outcome.is_line_down:
            self._channel_failures += 1
            self._channel_rests_until = now + CHANNEL_REST.after(self._channel_failures, random.random())
        else:
            self._channel_failures = 0

    def _mark_late(self) -> None:
        """Write down what came of tries; nothing else is sent before the database has taken it."""
        for alert_id, (row, outcome) in list(self._unmarked.items()):
            with self._engine.begin() as connection:
                if outcome.trouble:
                    outbox.mark_failed(connection, row, outcome.trouble, outcome.told)
                else:
                    outbox.mark_sent(connection, row, self._clock.moment())
            del self._unmarked[alert_id]


class Notifier:
    """Tells the programme of what the outbox holds, by every configured channel, until it is stopped.

    Args:
        engine: of the database that alerts are stored in.
        programme: the settings; what they configure is declared to the outbox here.
        clock: this machine's, but in tests.

    Raises:
        ProgrammeFault: the database does not take the outbox.
    """

    def __init__(self, engine: Engine, programme: Programme, clock: Clock | None = None) -> None:
        prepare(engine, programme)
        self._messengers = [Messenger(engine, sender, clock or Clock.system()) for sender in senders(programme)]
        self._bells = [threading.Event() for _ in self._messengers]
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin; what waited since before begins at once."""
        for messenger, bell in zip(self._messengers, self._bells, strict=True):
            thread = threading.Thread(target=self._run, args=(messenger, bell), name="notifier", daemon=True)
            self._threads.append(thread)
            thread.start()

    def wake(self) -> None:
        """An alert was committed: look now, not at the next second."""
        for bell in self._bells:
            bell.set()

    def stop(self, wait_s: float = USUAL_PATIENCE.total_s + 5.0) -> None:
        """End after the tries that are under way; one that takes longer than `wait_s` is left to itself."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join(wait_s)

    def _run(self, messenger: Messenger, bell: threading.Event) -> None:
        while not self._stopping.is_set():
            bell.clear()
            try:
                wait_s = messenger.step()
            except Exception as error:  # whatever it is, the next alert must still be told
                _log.error("notifier stumbled, going on", kind=type(error).__name__)
                wait_s = POLL_S
            if wait_s > 0:
                bell.wait(min(wait_s, POLL_S))


def prepare(engine: Engine, programme: Programme) -> None:
    """Make the outbox's tables, and declare what is configured: whoever stores alerts does this before the first.

    Raises:
        ProgrammeFault: the database does not take them.
    """
    try:
        SCHEMA.create_all(engine, tables=[outbox.OUTBOX, outbox.OUTBOX_CHANNELS])
        with engine.begin() as connection:
            outbox.declare(connection, programme.channels())
    except SQLAlchemyError as error:
        advice = "Check the database and its owner."
        raise ProgrammeFault(f"The outbox cannot be opened ({type(error).__name__}).", advice) from error
