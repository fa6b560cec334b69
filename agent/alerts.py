"""Alerts as the booth raises them, from what one lane knows. Pure: times, randomness and ids come in.

A radiation alarm alone carries no identity: most alarms are patients, and they are innocent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from failsafe.agent.fusion import AlertCall
from failsafe.sync.reports import (
    Alert,
    FeedState,
    MatchedDocument,
    MatchedNotice,
    Moment,
    PersonAsRead,
    Place,
    RadiationSummary,
)


def uuid7(wall_s: float, random: bytes) -> str:
    """A UUID version 7 (RFC 9562, section 5.7): ordered by time, 74 bits from `random` (10 bytes)."""
    milliseconds = int(wall_s * 1000) & (2**48 - 1)
    bits = int.from_bytes(random[:10], "big")
    number = milliseconds << 80 | 0x7 << 76 | (bits >> 68 & 0xFFF) << 64 | 0b10 << 62 | bits & (2**62 - 1)
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What surrounds an alert, whatever its kind."""

    at: Moment
    place: Place
    mirror: tuple[FeedState, ...]
    mirror_age_s: float | None


@dataclass(frozen=True, slots=True)
class Known:
    """What one crossing knows of its traveller."""

    crossing: str | None
    person: PersonAsRead | None = None
    notices: Sequence[MatchedNotice] = ()
    listed: Sequence[MatchedDocument] = ()
    radiation: RadiationSummary | None = None


def compose(
    alert_id: str, call: AlertCall, word: str, known: Known, around: Circumstances, follows: str | None = None
) -> Alert:
    """The alert that `call` asks for."""
    named = call.kind != "radiation_alarm"
    return Alert(
        id=alert_id,
        kind=call.kind,
        urgency=call.urgency,
        at=around.at,
        place=around.place,
        verdict=word,
        crossing=known.crossing,
        follows=follows,
        person=known.person if named else None,
        notices=tuple(known.notices) if named else (),
        listed=tuple(known.listed) if named else (),
        radiation=known.radiation,
        mirror=around.mirror,
        mirror_age_s=around.mirror_age_s,
    )
