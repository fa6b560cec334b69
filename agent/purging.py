"""When the mirror is rid of what was removed, and what headquarters is told once it is. Pure.

To rid it of the last of a notice, the index's pages and the file are written anew: of ten thousand notices that is a
second's work, of a million minutes'. So it waits until the intake has been quiet for as long as it takes, and takes one
twentieth of the time at most; but never later than an hour after the removal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from failsafe.sync.feed import Floor
from failsafe.sync.ledger import Ledger
from failsafe.sync.reports import PurgeReceipt

WITHIN_S: Final = 3600.0
AGAIN_S: Final = 2.0  # a reader that delays the end of it is soon done
_SHARE: Final = 20
_GUESS_S: Final = 150e-6  # a notice, before the first time is known


class Turns:
    """When the next purge is due; times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._cost_s = 0.0
        self._owed_since: float | None = None
        self._stirred_at = float("-inf")
        self._ended_at = float("-inf")
        self._not_before = float("-inf")

    def stirred(self, now: float) -> None:
        """The intake has had something to do."""
        self._stirred_at = now

    def due(self, now: float, notices: int) -> bool:
        """Whether what is owed, of so many notices, is to be done now; ask as long as anything is owed."""
        self._owed_since = now if self._owed_since is None else self._owed_since
        if now < self._not_before:
            return False
        cost_s = self._cost_s or notices * _GUESS_S
        quiet = now - self._stirred_at >= cost_s and now - self._ended_at >= _SHARE * cost_s
        return quiet or now - self._owed_since >= WITHIN_S

    def done(self, began: float, now: float) -> None:
        """It was done."""
        self._cost_s = max(self._cost_s / 2, now - began)
        self._owed_since, self._ended_at = None, now

    def delayed(self, now: float, wait_s: float = AGAIN_S) -> None:
        """It was tried, and not to the end."""
        self._not_before = now + wait_s


@dataclass(frozen=True, slots=True)
class Purged:
    """Nothing is left of what these steps, and all before them, removed.

    `followed` tells that something was removed here and followed through; `set_aside` counts damaged mirrors that were
    set aside and lie on the disk yet, with all that they held.
    """

    floors: Mapping[str, Floor]
    followed: bool
    set_aside: int


@dataclass(frozen=True, slots=True)
class _Step:
    """What one receipt says of a feed."""

    feed: str
    floor: Floor
    purged: int
    held: bool = True


def noting(purged: Purged, receipt: Callable[..., PurgeReceipt]) -> Callable[[Ledger], object]:
    """Writes the receipts that are news into the ledger, each once however often it is tried.

    Args:
        purged: what was found to be gone.
        receipt: makes one of its fields, with id, time and place of its own.
    """

    def write(ledger: Ledger) -> None:
        with ledger.together():
            for step in _news(purged, ledger.purges(), ledger.floors()):
                ledger.append(
                    receipt(
                        feed=step.feed,
                        lineage=step.floor.lineage,
                        serial=step.floor.serial,
                        count=step.floor.count,
                        removed=step.floor.removed,
                        purged=step.purged,
                        held=step.held,
                        set_aside=purged.set_aside,
                    )
                )

    return write


def _news(purged: Purged, told: Mapping[str, PurgeReceipt], accepted: Mapping[str, Floor]) -> Iterator[_Step]:
    """What headquarters has not been told: of the feeds that are held, and of those that were accepted and are gone."""
    for feed, floor in purged.floors.items():
        last = told.get(feed)
        if last is None or not last.held or last.lineage != floor.lineage:
            # Of a list of which nothing was ever removed, there is nothing to say.
            if last is not None or floor.removed or purged.followed:
                yield _Step(feed, floor, floor.removed)
        elif (last.removed, last.set_aside) != (floor.removed, purged.set_aside):
            yield _Step(feed, floor, max(0, floor.removed - last.removed))
    for feed, floor in accepted.items():
        last = told.get(feed)
        if feed not in purged.floors and (last is None or last.held):
            before = last.removed if last is not None and last.lineage == floor.lineage else 0
            yield _Step(feed, floor, max(0, floor.removed - before) + floor.count, held=False)
