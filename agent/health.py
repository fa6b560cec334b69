"""What the booth may believe of its own clock, its notices and its parts. Pure: every time comes in.

The age rule is design.md's: the older of what the wall clock says and of what the booth has lived through since it
accepted the last signed timestamp. A wall clock behind the time last written down is not believed, and then the age
is unknown, which is never clear.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from failsafe.agent.fusion import MirrorState

# A clock that is being slewed may step back this much without losing belief.
CLOCK_TOLERANCE_S: Final = 2.0
# A part that flaps writes at most one record in this time; the last state is never left out.
COALESCE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Chronicle:
    """What the booth has written down of time: UTC seconds, and seconds lived since the last acceptance."""

    last_wall: float = 0.0
    elapsed_s: float = 0.0

    def lived(self, seconds: float, wall: float) -> Chronicle:
        """The chronicle after `seconds` more by the monotonic clock; a clock that went back moves nothing back."""
        return replace(self, last_wall=max(self.last_wall, wall), elapsed_s=self.elapsed_s + max(0.0, seconds))

    def trusts(self, wall: float) -> bool:
        """Whether a wall clock that shows `wall` may be believed."""
        return wall >= self.last_wall - CLOCK_TOLERANCE_S

    @classmethod
    def accepted(cls, signed_at: float) -> Chronicle:
        """The chronicle from the acceptance of a newer signed timestamp on."""
        return cls(last_wall=signed_at, elapsed_s=0.0)


def mirror_age_s(signed_at: float | None, chronicle: Chronicle, wall: float) -> float | None:
    """Seconds since headquarters' last trusted word; None if there is none or the clock is not believed."""
    if signed_at is None or not chronicle.trusts(wall):
        return None
    return max(wall - signed_at, chronicle.elapsed_s, 0.0)


def mirror_state(*, held: bool, age_s: float | None, stale_after_s: float, expired_after_s: float) -> MirrorState:
    """The word for the notices held; `held` is whether every configured feed is there and holds anything."""
    if not held:
        return "EMPTY"
    if age_s is None:
        return "UNKNOWN"
    if age_s > expired_after_s:
        return "EXPIRED"
    return "STALE" if age_s > stale_after_s else "FRESH"


@dataclass(frozen=True, slots=True)
class Change:
    """A part went from one state to another, as it is recorded."""

    part: str
    was: str
    now: str
    detail: str = ""


@dataclass(slots=True)
class _Part:
    recorded: str
    seen: str
    detail: str = ""
    recorded_at: float = float("-inf")


@dataclass(slots=True)
class HealthBook:
    """The states of the booth's parts, and which of their changes are worth a record."""

    parts: dict[str, _Part] = field(default_factory=dict)

    def observe(self, part: str, state: str, detail: str = "") -> None:
        """`part` is now in `state`; the first sight of a part counts as a change from "unknown"."""
        known = self.parts.setdefault(part, _Part(recorded="unknown", seen=state))
        known.seen = state
        known.detail = detail

    def due(self, now: float) -> tuple[Change, ...]:
        """The changes to record at monotonic time `now`, coalesced."""
        changes = []
        for name, part in self.parts.items():
            if part.seen != part.recorded and now - part.recorded_at >= COALESCE_S:
                changes.append(Change(name, part.recorded, part.seen, part.detail))
                part.recorded, part.recorded_at = part.seen, now
        return tuple(changes)

    def state(self, part: str) -> str:
        """The state last seen of `part`."""
        known = self.parts.get(part)
        return known.seen if known else "unknown"
