"""What the booth may believe of its own clock, its notices and its parts. Pure: every time comes in.

The age rule is design.md's: the older of what the wall clock says and of what the booth has lived through since it
accepted the last signed timestamp. A wall clock behind the time last written down is not believed, and then the age
is unknown, which is never clear.

A clock that went back is not believed either once it shows a later time again: who set it, and to what? It needs the
word of headquarters, a timestamp newer than the one accepted last. A clock that is merely slow, behind that word from
its acceptance on by no more than a minute, is believed, and a slower one as soon as it has come up with it: else each
timestamp would put a booth in doubt whose clock nobody sets.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from failsafe.agent.fusion import MirrorState

# A clock that is being slewed may step back this much without losing belief.
CLOCK_TOLERANCE_S: Final = 2.0
# A clock may be behind headquarters' by this much: nothing beside the hours that a list may be old.
SLOW_CLOCK_S: Final = 60.0
# A part that flaps writes at most one record in this time; the last state is never left out.
COALESCE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Chronicle:
    """What the booth has written down of time: UTC seconds, and seconds lived since the last acceptance.

    `last_wall` is the newest time known: the accepted timestamp's `signed_at`, then whatever the wall clock showed
    beyond it. `stepped_back` holds from the moment at which the wall clock was seen behind itself.
    """

    last_wall: float = 0.0
    elapsed_s: float = 0.0
    stepped_back: bool = False
    version: int = 0
    signed_at: float = 0.0
    root: int = 0
    keys: str = ""

    def lived(self, seconds: float, wall: float) -> Chronicle:
        """The chronicle after `seconds` more by the monotonic clock; a clock that went back moves nothing back."""
        behind_itself = self.last_wall > self.signed_at and wall < self.last_wall - CLOCK_TOLERANCE_S
        return replace(
            self,
            last_wall=max(self.last_wall, wall),
            elapsed_s=self.elapsed_s + max(0.0, seconds),
            stepped_back=self.stepped_back or behind_itself,
        )

    def slept(self, written_at: float | None, now: float) -> Chronicle:
        """The chronicle as it was written at `written_at`, read at `now`, both seconds since the device started.

        Where the device started anew in between, it has lived for `now` at least, and that is what can be known.
        """
        if written_at is None:
            return self
        return replace(self, elapsed_s=self.elapsed_s + (now - written_at if now >= written_at else now))

    def trusts(self, wall: float) -> bool:
        """Whether a wall clock that shows `wall` may be believed."""
        slow = self.last_wall <= self.signed_at
        return not self.stepped_back and wall >= self.last_wall - (SLOW_CLOCK_S if slow else CLOCK_TOLERANCE_S)

    def is_surpassed_by(self, version: int, signed_at: float, root: int = 0, keys: str = "") -> bool:
        """Whether a trusted timestamp is newer than the one accepted last, whatever the mirror remembers.

        Versions begin anew when headquarters changes the timestamp's key; times go back where its clock was wrong. Who
        stole the key may have run ahead in both: under a newer root that names other keys that is no floor, once.

        Args:
            version, signed_at: the timestamp's.
            root, keys: version of the root that it was verified under, and a digest of the keys that it names for it.
        """
        other_keys = bool(self.keys) and keys != self.keys and root > self.root
        return version > self.version or signed_at > self.signed_at or other_keys

    @classmethod
    def accepted(cls, signed_at: float, version: int = 0, root: int = 0, keys: str = "") -> Chronicle:
        """The chronicle from the acceptance of a newer signed timestamp on."""
        return cls(last_wall=signed_at, version=version, signed_at=signed_at, root=root, keys=keys)


def mirror_age_s(signed_at: float | None, chronicle: Chronicle, wall: float) -> float | None:
    """Seconds since headquarters' last trusted word; None if there is none or the clock is not believed.

    Nor is a clock behind that word: a ledger that was put back does not know how late it is, the mirror does. A
    chronicle without any acceptance beside notices that are held is a ledger that was lost, and what was lived with it.
    """
    if signed_at is None or not chronicle.signed_at:
        return None
    if not chronicle.trusts(wall) or wall < signed_at - SLOW_CLOCK_S:
        return None
    return max(wall - signed_at, chronicle.elapsed_s, 0.0)


def mirror_state(
    *, held: bool, age_s: float | None, stale_after_s: float, expired_after_s: float, checked: bool = True
) -> MirrorState:
    """The word for the notices held.

    Args:
        held: every configured feed is there and holds anything.
        age_s, stale_after_s, expired_after_s: seconds.
        checked: they are known to be whole; what is not current anyway is not waited for.
    """
    if not held:
        return "EMPTY"
    if age_s is None:
        return "UNKNOWN"
    if age_s > expired_after_s:
        return "EXPIRED"
    if not checked:
        return "CHECKING"
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
