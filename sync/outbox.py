"""What waits in `spool/out`, what is posted next and when. Pure: names and monotonic times in, choices out.

There is no retry limit. Two kinds of failing are kept apart: the line fails for all (one back-off), or headquarters
cannot take one envelope (a back-off of its own, and the others go on). An envelope with a receipt is left alone until
the core has had time to verify it and take it away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from failsafe.sync.reports import ALERTS_FOLDER, ENTRY_ID

BATCH: Final = 50
FIRST_DELAY_S: Final = 1.0
LONGEST_DELAY_S: Final = 60.0
URGENT_DELAY_S: Final = 15.0
# How long the core has for a receipt; each time it does not take the envelope away, twice as long.
PATIENCE_S: Final = 60.0
LONGEST_PATIENCE_S: Final = 3600.0

_NAME: Final = re.compile(rf"{ALERTS_FOLDER}/([01])-\d{{12}}-({ENTRY_ID.pattern})\.json")

Stamp = tuple[int, ...]  # whatever tells one state of a file from another


@dataclass(frozen=True, slots=True, order=True)
class Waiting:
    """An envelope's file in `spool/out`; they sort in the order in which they go."""

    name: str
    id: str
    urgent: bool


def waiting(name: str) -> Waiting | None:
    """What a file's name says of it, None where it is no envelope's."""
    found = _NAME.fullmatch(name)
    return Waiting(name, found[2], found[1] == "0") if found else None


class Backoff:
    """Exponential back-off with full jitter, in monotonic time.

    Args:
        chance: a number from 0 to 1, drawn anew at each failure.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._failures = 0
        self._failed_at = float("-inf")
        self._drawn = 0.0

    def failed(self, now: float) -> None:
        """It failed at `now`: the next delay is drawn from twice the range."""
        self._failures += 1
        self._failed_at = now
        self._drawn = self._chance()

    def went_well(self) -> None:
        """It went well: no delay, and the next failure begins at the smallest."""
        self._failures = 0

    @property
    def has_failed(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def due(self, longest_s: float = LONGEST_DELAY_S) -> float:
        """Monotonic time of the next attempt; `longest_s` may change while one waits."""
        if not self._failures:
            return float("-inf")
        ceiling = FIRST_DELAY_S * 2.0 ** min(self._failures - 1, 16)
        return self._failed_at + self._drawn * min(ceiling, longest_s)


@dataclass(slots=True)
class _Receipted:
    stamp: Stamp
    at: float
    patience_s: float = PATIENCE_S


@dataclass(slots=True)
class Outbox:
    """Everything that waits, in order, with what has been tried.

    Args:
        chance: as `Backoff`.
    """

    chance: Callable[[], float]
    _waiting: list[Waiting] = field(default_factory=list)
    _receipted: dict[str, _Receipted] = field(default_factory=dict)
    _refused: dict[str, Backoff] = field(default_factory=dict)
    _line: Backoff = field(init=False)
    _size: int = BATCH

    def __post_init__(self) -> None:
        self._line = Backoff(self.chance)

    def __len__(self) -> int:
        return len(self._waiting)

    def look(self, names: Iterable[str], receipts: Mapping[str, Stamp], now: float) -> None:
        """Take in what lies in the spool now.

        Args:
            names: all files below `spool/out`.
            receipts: a stamp for each receipt in `spool/in` for any of them, by entry id.
            now: monotonic.
        """
        self._waiting = sorted(found for name in names if (found := waiting(name)) is not None)
        present = {one.id for one in self._waiting}
        self._refused = {known: held for known, held in self._refused.items() if known in present}
        self._receipted = {
            known: held for known, held in self._receipted.items() if known in present and known in receipts
        }
        for known in present & receipts.keys():
            held = self._receipted.get(known)
            if held is None or held.stamp != receipts[known]:
                patience_s = held.patience_s if held else PATIENCE_S
                self._receipted[known] = _Receipted(receipts[known], now, patience_s)

    def batch(self, now: float) -> tuple[Waiting, ...]:
        """What to post now, in order; urgent ones go alone, so that nothing slows them. Empty: nothing, or not yet."""
        ready = self._ready(now)
        urgent = [one for one in ready if one.urgent]
        if now < self._line.due(URGENT_DELAY_S if urgent else LONGEST_DELAY_S):
            return ()
        return tuple((urgent or ready)[: self._size])

    def preempts(self, batch: Collection[Waiting], now: float) -> bool:
        """Whether an urgent envelope has come while a batch without one is on its way."""
        return not any(one.urgent for one in batch) and any(one.urgent for one in self._ready(now))

    def answered(self, batch: Collection[Waiting], receipts: Mapping[str, Stamp], now: float) -> None:
        """Headquarters has answered; what it gave no receipt for, it could not take."""
        self._line.went_well()
        self._size = min(BATCH, self._size * 2)
        for one in batch:
            if one.id not in receipts:
                self.refused(one, now)
                continue
            before = self._receipted.get(one.id)
            patience_s = min(before.patience_s * 2, LONGEST_PATIENCE_S) if before else PATIENCE_S
            self._receipted[one.id] = _Receipted(receipts[one.id], now, patience_s)
            self._refused.pop(one.id, None)

    def refused(self, one: Waiting, now: float) -> None:
        """This envelope cannot go now; the others can."""
        self._refused.setdefault(one.id, Backoff(self.chance)).failed(now)

    def failed(self, now: float) -> None:
        """The line, or headquarters as a whole, has failed."""
        self._line.failed(now)

    def too_much(self, batch: Collection[Waiting], now: float) -> None:
        """The batch was too slow, too large or not to be read: half of it next; one alone waits for itself."""
        self._size = max(1, len(batch) // 2)
        if len(batch) == 1:
            for one in batch:
                self.refused(one, now)

    def _ready(self, now: float) -> list[Waiting]:
        return [one for one in self._waiting if self._is_ready(one, now)]

    def _is_ready(self, one: Waiting, now: float) -> bool:
        receipted = self._receipted.get(one.id)
        if receipted is not None and now - receipted.at < receipted.patience_s:
            return False
        refused = self._refused.get(one.id)
        return refused is None or now >= refused.due(URGENT_DELAY_S if one.urgent else LONGEST_DELAY_S)
