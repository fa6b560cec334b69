"""One lane's crossings, and which of the detector's passages belong to which of them. Pure.

A crossing opens with a document or a manual entry and is closed by the next one, by the officer, or by time. While it
is open, the same document read again is the same crossing, and so is a document read soon after one that could not be
read. **Any other document opens a crossing of its own, also within one passage**: two people in one car are two
crossings, and both get the passage's answer. A document that cannot be read, after one that could, is another one's
until it is read: unknown is never clear.

Whose is a passage? Nobody at the lane says, so time does, in this order:

1. It belongs to every crossing that opened before it began, at most `after_s` before, and has no passage of its own
   yet: people who showed their documents and then went through. It is then *spent*.
2. It belongs to every crossing that opened while it lasted.
3. An unspent passage belongs to the crossings that open up to `before_s` after its end and before the next passage:
   people who went through first.

On a lane whose `order` is known, only 1 and 2 or only 2 and 3 are tried; on a lane with `shared` off (people on foot)
a passage answers for one crossing only, the first by these rules. On a *measured* lane, a device on a desk, there is
nothing to guess: a passage is measured for one crossing and names it, and one that names none is an alarm.

Only a passage of one's own clears. An alarm reaches further, since a wrong STOP is repaired in a minute: also to the
crossing that is open when it comes though it has had its passage, to one opened soon after a passage that is spent,
and to all that might share a passage on a lane with `shared` off. An alarm that reaches nobody is told as unclaimed,
at once. None of this depends on the order in which the news arrive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Final, Literal

from failsafe.agent.fusion import Radiation
from failsafe.agent.radiation.passage import Health, Passage
from failsafe.drivers.reading import Channel

# A reader that floods must not grow the memory; two hundred travellers in some minutes are no lane's traffic.
_KEEP_CROSSINGS: Final = 200


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """A lane as configured.

    Attributes:
        detector: False on a lane declared to have none; each change of it is a record that headquarters sees.
        order: what comes first on this lane, where the building forces it.
        shared: one passage may carry several travellers (vehicles).
        measured: passages name their crossings (a device on a desk).
        before_s: how long after the end of a passage a document may still claim it.
        after_s: how long after a document its passage may begin; then it is not monitored.
        closes_after_s: a crossing without any news closes after this; at least `after_s`.
        reread_s: a document read this soon after an unreadable one is the same traveller's.
    """

    detector: bool = True
    order: Literal["either", "document first", "portal first"] = "either"
    shared: bool = True
    measured: bool = False
    before_s: float = 20.0
    after_s: float = 60.0
    closes_after_s: float = 120.0
    reread_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Crossing:
    """One traveller's passage through one lane. `document` tells documents apart; None: it could not be read."""

    id: str
    opened_at: float
    document: str | None
    touched_at: float
    closed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What the lane's news mean: crossings to be judged again, crossings that closed, alarms that reach nobody."""

    rejudge: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    unclaimed: tuple[Passage, ...] = ()


@dataclass(slots=True)
class _Ties:
    """Passages of one crossing: those that answer for it, and those whose alarm reaches it."""

    own: list[Passage] = field(default_factory=list)
    near: list[Passage] = field(default_factory=list)


_Told = tuple[Radiation, frozenset[tuple[str, Channel]]]


class Lane:
    """The crossings of one lane. Every method takes monotonic seconds; call `advance` after readings and on ticks."""

    def __init__(self, name: str, settings: LaneSettings | None = None) -> None:
        self.name = name
        self.settings = settings or LaneSettings()
        self._crossings: list[Crossing] = []
        self._just_closed: list[str] = []
        self._passages: tuple[Passage, ...] = ()
        self._ties: dict[str, _Ties] = {}
        self._health: Health = "UNKNOWN"
        self._now = 0.0
        self._told: dict[str, _Told] = {}
        self._told_alarms: dict[str, frozenset[Channel]] = {}

    @property
    def current(self) -> Crossing | None:
        """The crossing that is open, if any."""
        return self._crossings[-1] if self._crossings and self._crossings[-1].closed_at is None else None

    def keeps(self, crossing_id: str) -> bool:
        """Whether an alarm can still reach this crossing."""
        return crossing_id in self._ties

    def present(self, crossing_id: str, now: float, document: str | None) -> tuple[Crossing, Changes]:
        """A document or a manual entry came.

        Args:
            crossing_id: id for a new crossing, used only if this opens one.
            now: monotonic seconds.
            document: what tells this document from others (its zone, or a digest of it); None if it was not read.

        Returns:
            The crossing it belongs to: a new one, or the open one where it is a re-read. The caller judges it in any
            case; `Changes.rejudge` names others only.
        """
        current = self.current
        if current is not None and self._same_traveller(current, document, now):
            self._crossings[-1] = replace(current, document=document, touched_at=now)
        else:
            self._close(now)
            self._crossings.append(Crossing(crossing_id, now, document, now))
        crossing = self._crossings[-1]
        changes = self.advance(now, self._passages, self._health)
        others = tuple(other for other in changes.rejudge if other != crossing.id)
        return crossing, replace(changes, rejudge=others)

    def close(self, now: float) -> Changes:
        """The officer is done with the open crossing. Its passage may still come, and so may its alarm."""
        self._close(now)
        return self.advance(now, self._passages, self._health)

    def configure(self, settings: LaneSettings, now: float) -> Changes:
        """Take a new configuration; crossings whose answer it changes are judged again."""
        self.settings = settings
        return self.advance(now, self._passages, self._health)

    def advance(self, now: float, passages: Sequence[Passage], health: Health) -> Changes:
        """Take the detector's passages and health as they are at `now` (nothing, and any health, without detector)."""
        self._now, self._passages, self._health = now, tuple(passages), health
        self._ties = self._tie()
        current = self.current
        if current is not None and self._times_out(current):
            self._close(now)
        closed, self._just_closed = tuple(self._just_closed), []
        changes = Changes(self._news(), closed, self._find_unclaimed())
        self._forget()
        return changes

    def column(self, crossing_id: str) -> Radiation:
        """The fusion column of a crossing, as of the last call; of a crossing no longer kept, that of a new one."""
        told = self._told.get(crossing_id)
        if told is None:
            return "not monitored" if self.settings.detector else "none declared"
        return told[0]

    def passages_of(self, crossing_id: str) -> tuple[Passage, ...]:
        """The passages behind a crossing's column: its own, then those whose alarm reaches it."""
        ties = self._ties.get(crossing_id, _Ties())
        return (*ties.own, *(passage for passage in ties.near if passage.alarms))

    def due(self) -> float | None:
        """When time alone may next change something; None if it cannot."""
        times = [crossing.opened_at + self.settings.after_s for crossing in self._crossings]
        if self.current is not None:
            times.append(self.current.touched_at + self._life_s)
        return min((time for time in times if time > self._now), default=None)

    # --- opening and closing -------------------------------------------------------------------------------------

    @property
    def _life_s(self) -> float:
        return max(self.settings.closes_after_s, self.settings.after_s)

    def _same_traveller(self, current: Crossing, document: str | None, now: float) -> bool:
        if current.document is None:
            return now - current.touched_at <= self.settings.reread_s
        return document == current.document

    def _close(self, now: float) -> None:
        current = self.current
        if current is not None:
            self._crossings[-1] = replace(current, closed_at=now)
            self._just_closed.append(current.id)

    def _times_out(self, current: Crossing) -> bool:
        return self._now - current.touched_at >= self._life_s and not self._in_detector(current)

    def _in_detector(self, crossing: Crossing) -> bool:
        return any(passage.ended_at is None for passage in self._ties[crossing.id].own)

    # --- whose passage -------------------------------------------------------------------------------------------

    def _tie(self) -> dict[str, _Ties]:
        ties = {crossing.id: _Ties() for crossing in self._crossings}
        passages = sorted(self._passages, key=lambda passage: (passage.began_at, passage.id))
        for passage, following in zip_longest(passages, passages[1:]):
            own, near = self._measured(passage) if self.settings.measured else self._guess(passage, following, ties)
            for crossing in own:
                ties[crossing.id].own.append(passage)
            for crossing in near:
                ties[crossing.id].near.append(passage)
        return ties

    def _measured(self, passage: Passage) -> tuple[list[Crossing], list[Crossing]]:
        """Whom it was measured for; an alarm in between reaches who is there, and who comes soon after it."""
        if passage.crossing:
            return [crossing for crossing in self._crossings if crossing.id == passage.crossing], []
        until = math.inf if passage.ended_at is None else passage.ended_at + self.settings.before_s
        there = [crossing for crossing in self._crossings if crossing.opened_at <= until]
        return [], [crossing for crossing in there if _open_at(crossing, passage.began_at)]

    def _guess(
        self, passage: Passage, following: Passage | None, ties: dict[str, _Ties]
    ) -> tuple[list[Crossing], list[Crossing]]:
        """Whom it answers for, and whom its alarm reaches, by the rules of time."""
        own: list[Crossing] = []
        near: list[Crossing] = []
        self._tie_earlier(passage, ties, own, near)
        spent = bool(own)
        own += [crossing for crossing in self._crossings if _opened_during(crossing, passage)]
        (near if spent else own).extend(self._later(passage, following))
        if not self.settings.shared:
            near += own[1:]
            del own[1:]
        return own, near

    def _tie_earlier(self, passage: Passage, ties: dict[str, _Ties], own: list[Crossing], near: list[Crossing]) -> None:
        """Rule 1; the open crossing that has had its passage still hears of an alarm."""
        reach_s = self.settings.after_s
        earlier = [crossing for crossing in self._crossings if 0.0 <= passage.began_at - crossing.opened_at <= reach_s]
        if self.settings.order != "portal first":
            own += [crossing for crossing in earlier if not ties[crossing.id].own]
        if not own:
            near += [crossing for crossing in earlier[-1:] if _open_at(crossing, passage.began_at)]

    def _later(self, passage: Passage, following: Passage | None) -> list[Crossing]:
        """Rule 3, spent or not."""
        if passage.ended_at is None or self.settings.order == "document first":
            return []
        until = passage.ended_at + self.settings.before_s
        if following is not None:
            until = min(until, following.began_at)
        return [crossing for crossing in self._crossings if passage.ended_at < crossing.opened_at <= until]

    # --- what it means -------------------------------------------------------------------------------------------

    def _column(self, crossing: Crossing) -> Radiation:
        ties = self._ties[crossing.id]
        if any(passage.alarms for passage in (*ties.own, *ties.near)):
            return "alarm"
        if not self.settings.detector:
            return "none declared"
        if any(not passage.monitored for passage in ties.own):
            return "not monitored"
        if ties.own and all(passage.quiet for passage in ties.own):
            return "quiet"  # said of the time the passage took: a fault that comes after it takes nothing back
        if self._health != "OK":
            return "not monitored"
        return "awaited" if ties.own or self._may_still_come(crossing) else "not monitored"

    def _may_still_come(self, crossing: Crossing) -> bool:
        return self.settings.order != "portal first" and self._now <= crossing.opened_at + self.settings.after_s

    def _news(self) -> tuple[str, ...]:
        changed = []
        for crossing in self._crossings:
            ties = self._ties[crossing.id]
            alarms = frozenset((each.id, channel) for each in (*ties.own, *ties.near) for channel in each.alarms)
            told = (self._column(crossing), alarms)
            before = self._told.get(crossing.id)
            if before is not None and self._settled(crossing) and alarms <= before[1]:
                continue  # its passage may be forgotten by now; what was said of it stands
            self._told[crossing.id] = told
            if before is not None and before != told:
                changed.append(crossing.id)
        return tuple(changed)

    def _settled(self, crossing: Crossing) -> bool:
        """Closed, and no passage can begin for it any more; an alarm may still come to one it has."""
        over = self._now > crossing.opened_at + self.settings.after_s + self.settings.before_s
        return over and crossing.closed_at is not None and self._told[crossing.id][0] != "awaited"

    def _find_unclaimed(self) -> tuple[Passage, ...]:
        claimed = {passage.id for ties in self._ties.values() for passage in (*ties.own, *ties.near)}
        told = {passage.id: self._told_alarms.get(passage.id, frozenset()) for passage in self._passages}
        news = [p for p in self._passages if p.id not in claimed and p.alarms - told[p.id]]
        # What was told with a crossing is not told a second time when that crossing is forgotten.
        self._told_alarms = {passage.id: told[passage.id] | passage.alarms for passage in self._passages}
        return tuple(news)

    def _forget(self) -> None:
        """Let go of closed crossings that no passage can reach any more, oldest first."""
        while len(self._crossings) > 1 and self._forgettable(self._crossings[0]):
            gone = self._crossings.pop(0)
            self._ties.pop(gone.id)
            self._told.pop(gone.id, None)

    def _forgettable(self, crossing: Crossing) -> bool:
        if crossing.closed_at is None or self._in_detector(crossing):
            return False
        if len(self._crossings) > _KEEP_CROSSINGS:
            return True
        last = max([crossing.closed_at, *(passage.ended_at or 0.0 for passage in self._ties[crossing.id].own)])
        reach_s = 2 * max(self._life_s, self.settings.before_s)
        # Whoever is open now must not inherit a passage that this one has spent.
        current = self.current
        return self._now - last > reach_s and (current is None or current.opened_at - last > reach_s)


def _opened_during(crossing: Crossing, passage: Passage) -> bool:
    return passage.began_at < crossing.opened_at and (
        passage.ended_at is None or crossing.opened_at <= passage.ended_at
    )


def _open_at(crossing: Crossing, at: float) -> bool:
    return crossing.closed_at is None or crossing.closed_at > at
