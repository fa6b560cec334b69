"""Receipts of purges at headquarters: which booths confirm that nothing is left of what was removed, who owes it.

A booth's receipt names a step of a feed and that step's numbers. It confirms every step up to which nothing more was
removed: the running total `removed` decides. Numbers that are not those of headquarters' own step are no confirmation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from sqlalchemy import Connection, func, select

from failsafe.hq.ccc.view import PurgeState
from failsafe.hq.desk.last_words import PURGE, LastWords, Told
from failsafe.hq.desk.tables import HEARTBEATS
from failsafe.hq.feeds.tables import PUBLICATIONS, Booth, Supplement, booths, supplement
from failsafe.hq.keyring.keys import HeadquartersError
from failsafe.sync.records import Head
from failsafe.sync.reports import Heartbeat

Step = tuple[str, int]  # lineage and serial

_HEAD: Final = msgspec.json.Decoder(Head)
_HEARTBEAT: Final = msgspec.json.Decoder(Heartbeat)


class PurgesUnknown(HeadquartersError):
    usual_advice = "`failsafe-hq publish` says the serial of each step; --feed names a supplement."


class PurgeLine(msgspec.Struct, frozen=True):
    """How a booth stands to what a feed removed.

    Attributes:
        booth, feed: which.
        state: "confirmed": nothing is left there. "owed": it has not said so. "doubtful": it says so of a step with
            other numbers than headquarters'. "nothing removed": there is nothing to confirm.
        why: in words: of the owed how far the booth has come, of the confirmed what lies on its disk beside.
        serial: the step that its last receipt names; None where there is none.
        at: when the booth made that receipt, by its own clock.
        received_at: when it came.
    """

    booth: str
    feed: str
    state: Literal["confirmed", "owed", "doubtful", "nothing removed"]
    why: str = ""
    serial: int | None = None
    at: str = ""
    received_at: str = ""


# --- what was published ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Numbers:
    count: int
    removed: int
    published_at: str


class Published:
    """The steps of one feed that are out, and whose feed it is."""

    def __init__(self, feed: str, heads: Iterable[Head]) -> None:
        self.feed = feed
        self.steps: dict[Step, _Numbers] = {}
        self._serials: defaultdict[str, list[int]] = defaultdict(list)
        for head in sorted(heads, key=lambda head: head.serial):
            self.steps[head.lineage, head.serial] = _Numbers(head.count, head.removed, head.published_at)
            self._serials[head.lineage].append(head.serial)
        self.newest = max(self.steps, key=lambda step: (self.steps[step].published_at, step[1]), default=None)

    @property
    def is_of_one_lineage(self) -> bool:
        return len(self._serials) <= 1

    def removed_since(self, lineage: str, removed: int) -> str:
        """When the first step came out with more removals than these; "" where none did."""
        serials = self._serials[lineage]
        found = bisect_right(serials, removed, key=lambda serial: self.steps[lineage, serial].removed)
        return self.steps[lineage, serials[found]].published_at if found < len(serials) else ""


class Publications:
    """What the register has published, kept between two looks: a step that is out changes no more."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Published]] = {}

    def feeds(self, register: Connection) -> list[Published]:
        """Every feed of which anything is out, by id."""
        out = PUBLICATIONS.c
        query = select(out.feed, func.count().label("steps")).where(out.done).group_by(out.feed).order_by(out.feed)
        return [self._published(register, row.feed, row.steps) for row in register.execute(query).all()]

    def _published(self, register: Connection, feed: str, steps: int) -> Published:
        known = self._known.get(feed)
        if known is None or known[0] != steps:
            known = self._known[feed] = (steps, published(register, feed))
        return known[1]


def published(register: Connection, feed: str) -> Published:
    """The steps of a feed that are out."""
    query = select(PUBLICATIONS.c.head).where(PUBLICATIONS.c.feed == feed, PUBLICATIONS.c.done)
    return Published(feed, (_HEAD.decode(row.head) for row in register.execute(query)))


# --- how booths stand to it --------------------------------------------------------------------------------------


def lines(connection: Connection, register: Connection, feed: str, serial: int | None) -> list[PurgeLine]:
    """How each booth that takes part stands to what `feed` removed up to `serial` (None: its newest step).

    Args:
        connection: the desk's database.
        register: the register's.
        feed: the base feed or a supplement; of a supplement, the booths that read it, or once did.
        serial: in the feed's newest lineage.

    Raises:
        PurgesUnknown: the feed has no such step.
    """
    out = published(register, feed)
    asked = out.newest if out.newest is None or serial is None else (out.newest[0], serial)
    if asked not in out.steps:
        raise PurgesUnknown("Nothing was published of that feed with that serial.")
    beats = connection.execute(select(HEARTBEATS.c.booth, HEARTBEATS.c.heartbeat)).all()
    held = {row.booth: holds(_HEARTBEAT.decode(row.heartbeat)) for row in beats}
    taking_part = [booth for booth in booths(register) if booth.revoked_at is None]
    told = LastWords().look(connection).get(PURGE + feed, {})
    found = _Feed(out, asked, supplement(register, feed)).states(told, taking_part, held)
    return [
        PurgeLine(booth, feed, state.state, _why(state), state.serial, state.at, state.received_at)
        for booth, state in found
    ]


def overview(
    told: Mapping[str, Mapping[str, Told]],
    register: Connection,
    publications: Publications,
    taking_part: Sequence[Booth],
    held: Mapping[str, Mapping[str, Step]],
) -> Mapping[str, tuple[PurgeState, ...]]:
    """How each booth stands to the newest step of every feed that concerns it, by booth.

    Args:
        told: the last words by subject and booth, see `LastWords`.
        register: the register's database.
        publications: what it has published.
        taking_part: the booths.
        held: see `holds`; of the booths that were heard.
    """
    found: defaultdict[str, list[PurgeState]] = defaultdict(list)
    for out in publications.feeds(register):
        if (newest := out.newest) is not None:
            one = _Feed(out, newest, supplement(register, out.feed))
            for booth, state in one.states(told.get(PURGE + out.feed, {}), taking_part, held):
                found[booth].append(state)
    return {booth: tuple(states) for booth, states in found.items()}


def holds(heartbeat: Heartbeat) -> dict[str, Step]:
    """Which step of each feed a booth held when it was last heard."""
    return {one.feed: (one.lineage, one.serial) for one in heartbeat.mirror}


class _Feed:
    """One feed, asked about one of its steps; `apart` says whose it is where it is a supplement."""

    def __init__(self, out: Published, asked: Step, apart: Supplement | None) -> None:
        self._out, self._asked, self._apart = out, asked, apart
        self._numbers = out.steps[asked]
        self._is_trivial = self._numbers.removed == 0 and out.is_of_one_lineage

    def states(
        self,
        told: Mapping[str, Told],
        taking_part: Iterable[Booth],
        held: Mapping[str, Mapping[str, Step]],
    ) -> Iterator[tuple[str, PurgeState]]:
        """Of the booths that read it, or once did."""
        feed, nothing = self._out.feed, dict[str, Step]()
        for booth in taking_part:
            mine, last = self._is_read_by(booth), told.get(booth.name)
            step = held.get(booth.name, nothing).get(feed)
            if mine or last is not None or step is not None:
                yield booth.name, self._state(last, step) if mine else self._parted(last)

    def _is_read_by(self, booth: Booth) -> bool:
        return self._apart is None or (self._apart.retired is None and self._apart.admits(booth.country))

    def _state(self, last: Told | None, held: Step | None) -> PurgeState:
        lineage, _ = self._asked
        has = {"holds": None if held is None else held[1], "has_it": held is not None and self._has(held)}
        if last is None or not last.receipt.held or last.receipt.lineage != lineage:
            if self._is_trivial:
                return self._made("nothing removed", last)
            since = self._out.removed_since(lineage, 0) if self._out.is_of_one_lineage else ""
            return self._made("owed", last, since=since, **has)
        own = self._out.steps.get((lineage, last.receipt.serial))
        if own is None or (own.count, own.removed) != (last.receipt.count, last.receipt.removed):
            return self._made("doubtful", last)
        if own.removed < self._numbers.removed:
            left = self._numbers.removed - own.removed
            return self._made("owed", last, left=left, since=self._out.removed_since(lineage, own.removed), **has)
        return self._made("confirmed", last)

    def _has(self, held: Step) -> bool:
        return held[0] == self._asked[0] and held[1] >= self._asked[1]

    def _parted(self, last: Told | None) -> PurgeState:
        """Of a booth that had the feed and may have it no longer."""
        return self._made("owed" if last is None or last.receipt.held else "confirmed", last, parted=True)

    def _made(
        self, state: Literal["confirmed", "owed", "doubtful", "nothing removed"], last: Told | None, **more: object
    ) -> PurgeState:
        word = PurgeState(feed=self._out.feed, state=state)
        if last is not None:
            of = last.receipt
            more |= {"serial": of.serial, "at": of.at.wall, "received_at": last.received_at, "aside": of.set_aside}
        return msgspec.structs.replace(word, **more)


# --- for a terminal --------------------------------------------------------------------------------------------


def _why(state: PurgeState) -> str:
    match state.state:
        case "doubtful":
            return "the numbers of its receipt are not those of that step"
        case "owed" if state.parted:
            return "it may read this feed no longer, and has not said that it is gone"
        case "owed":
            return _how_far(state)
        case "confirmed":
            return " ".join(filter(None, ("the whole feed is gone." if state.parted else "", _beside(state.aside))))
    return ""


def _how_far(state: PurgeState) -> str:
    if state.holds is None:
        return "no heartbeat tells what it holds"
    if not state.has_it:
        return f"it holds serial {state.holds} yet"
    return f"it holds serial {state.holds}: its receipt is to be expected within hours"


def _beside(aside: int) -> str:
    return f"{aside} damaged mirror{'s' * (aside > 1)} set aside on its disk may hold it yet" if aside else ""


def in_one_line(line: PurgeLine) -> str:
    """A booth's standing: id, state, up to which serial since when, and why."""
    upto = f"up to serial {line.serial}, received {line.received_at}" if line.serial is not None else "no receipt"
    return "\t".join(filter(None, (line.booth, line.state, upto, line.why)))


def summary(found: Iterable[PurgeLine]) -> Iterator[str]:
    """How many booths are in each state, the open ones first."""
    states = [line.state for line in found]
    for state in ("owed", "doubtful", "confirmed", "nothing removed"):
        if state in states:
            yield f"{state}: {states.count(state)}"
