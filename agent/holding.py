"""The index over what the mirror holds: its large segment from the mirror's pages, what came since beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import structlog

from failsafe.agent.person import pages
from failsafe.agent.person.index import Index
from failsafe.agent.person.segment import Segment
from failsafe.agent.precedence import Precedence
from failsafe.sync.binding import Bound, Numbered
from failsafe.sync.errors import StoreBroken, StoreDamaged
from failsafe.sync.mirror import Mirror

# The small segment is made anew at each step and searched beside the large one: beyond this share of it, and this many
# notices, one large segment is made of both.
_GROWN_SHARE: Final = 0.01
_GROWN_NOTICES: Final = 5_000

_log = structlog.get_logger("notices")


class Holding:
    """The large segment in memory, and which turn of the mirror's pages it is; belongs to the intake thread.

    Args:
        precedence: given way to while a small segment is made beside a large one.

    Attributes:
        turn: of the mirror's pages; 0 before any.
        grown: so much came since that the segments should be merged.
    """

    def __init__(self, precedence: Precedence | None = None) -> None:
        self._precedence = precedence or Precedence()
        self.turn = 0
        self.grown = False
        self._main: Segment | None = None
        self._made: Segment | None = None

    def bind(self, lines: Iterator[Numbered]) -> Iterable[bytes]:
        """The pages of an index of all names, for the mirror to keep; the segment itself waits to be used."""
        self._made = Segment.build(lines)
        return pages.written(self._made)

    def index(self, held: Mirror) -> Index:
        """An index of what the mirror holds.

        Raises:
            SyncError: the mirror cannot be read, or does not take the pages where they must be made.
        """
        bound = held.bound()
        if bound is None or not self._have(held, bound):
            try:
                held.bind(self.bind)
            except StoreDamaged:
                raise
            except StoreBroken as error:  # a disk that is full must not leave the booth without notices
                _log.warning("index not kept", reason=error.reason, advice=error.advice)
                return self._unkept(held)
            bound = held.bound()
            if bound is None or not self._have(held, bound):
                raise RuntimeError("The mirror's pages are not those that were just kept.")
        assert self._main is not None
        recent = Segment.build(self._precedence.giving(held.numbered(after=bound.last)), beside=self._main)
        changed = max(len(recent.number), len(bound.gone))
        self.grown = changed > max(_GROWN_NOTICES, _GROWN_SHARE * len(self._main.number))
        return Index(self._main, recent, _masked(self._main, bound))

    def forget(self) -> None:
        """The step that a segment was made for was not taken."""
        self._made = None

    def _unkept(self, held: Mirror) -> Index:
        made, self._made = self._made, None
        self._main, self.turn, self.grown = None, 0, False
        return Index(Segment.build(held.numbered()) if made is None else made)

    def _have(self, held: Mirror, bound: Bound) -> bool:
        """Whether the large segment of these pages is at hand: from before, just made, or read from them."""
        made, self._made = self._made, None
        if self._main is not None and self.turn == bound.turn:
            return True
        if made is not None:
            self._main, self.turn = made, bound.turn
            return True
        try:
            self._main, self.turn = pages.read(held.pages()), bound.turn
        except pages.PagesUnfit as error:
            _log.warning("index is built anew", reason=error.why)
            return False
        return True


def _masked(main: Segment, bound: Bound) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    masked = np.zeros(len(main.number), np.bool_)
    gone = np.array(bound.gone, np.int64)
    # A notice without names stands in no segment.
    place = np.searchsorted(main.number, gone)
    there = place < len(main.number)
    place, gone = place[there], gone[there]
    masked[place[main.number[place] == gone]] = True
    return masked
