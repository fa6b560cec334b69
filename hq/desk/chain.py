"""What headquarters can say of a booth's alert chain from the links it holds. Pure.

A chain is one booth under one signing key. Links arrive in any order and twice; a gap heals when what was missing
comes. A fork never heals: two links that say to be the same one cannot both be what the booth's ledger holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Mark = Literal["whole", "gap before", "fork"]
FIRST: Final = 1
_BEFORE_THE_FIRST: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Link:
    """One stored entry of a chain, without its content.

    Args:
        id: of the entry.
        sequence: its number at the booth, from 1.
        previous: digest of the entry before it, as the entry says.
        digest: its own.
        disputed: the booth has also signed other bytes under this id; they were kept aside.
    """

    id: str
    sequence: int
    previous: str
    digest: str
    disputed: bool = False


def around(sequences: Iterable[int]) -> frozenset[int]:
    """The sequences whose links `marks` must be given after links at `sequences` came."""
    return frozenset(near for sequence in sequences for near in (sequence - 1, sequence, sequence + 1))


def touched(sequences: Iterable[int]) -> frozenset[int]:
    """The sequences whose marks may change when links at `sequences` come."""
    return frozenset(near for sequence in sequences for near in (sequence, sequence + 1))


def marks(links: Iterable[Link], at: frozenset[int]) -> Mapping[str, Mark]:
    """The mark by id of each link at a sequence of `at`.

    Args:
        links: all that are held of one chain at those sequences and just before them.
        at: see `touched`.
    """
    places: defaultdict[int, list[Link]] = defaultdict(list)
    for link in links:
        places[link.sequence].append(link)
    return {
        link.id: _mark(link, len(places[sequence]) > 1, places.get(sequence - 1, []))
        for sequence in at
        for link in places.get(sequence, [])
    }


def _mark(link: Link, has_twin: bool, before: list[Link]) -> Mark:
    if link.disputed or has_twin:
        return "fork"
    if link.sequence <= FIRST:
        return "whole" if (link.sequence, link.previous) == (FIRST, _BEFORE_THE_FIRST) else "fork"
    if not before:
        return "gap before"
    return "whole" if any(link.previous == other.digest for other in before) else "fork"


# --- heartbeats ------------------------------------------------------------------------------------------------

Progress = Literal["forward", "same", "late", "rewound", "rewritten"]


@dataclass(frozen=True, slots=True)
class Pulse:
    """What two heartbeats of one booth are compared by: its latest wall clock so far, its ledger's length and head."""

    wall: str
    length: int
    head: str


def progress(before: Pulse | None, now: Pulse) -> Progress:
    """How a booth's ledger stands to what its last heartbeat said.

    A heartbeat can be held back and shown again by whoever carries it, so a shorter ledger counts as rewound only
    where the booth's clock went on; an old heartbeat is merely late. A longer ledger is news whatever the clock says.
    """
    if before is None or now.length > before.length:
        return "forward"
    if now.wall <= before.wall:
        return "late"
    if now.length < before.length:
        return "rewound"
    return "same" if now.head == before.head else "rewritten"
