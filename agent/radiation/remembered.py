"""What is remembered of a detector when the booth starts again. Pure.

Lessons of quiet occupancies, the set-up that is accepted and the one last told, the neutron background, and what a
technician measured. It is for comparison and for quicker tests: no detector is OK by what was remembered of it.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from failsafe.agent.radiation.background import Known, Measured
from failsafe.agent.radiation.own_alarm import REMEMBERS, LaneKind

VERSION: Final = 1
# 200 lessons, a dozen set-up lines and three backgrounds take 8 KB.
LONGEST: Final = 64 * 1024

Quantity = Literal["gamma", "neutron", "dose"]
_Setup = Annotated[dict[str, tuple[float | str, ...]], msgspec.Meta(max_length=64)]


class Forgotten(Exception):
    """What was remembered is of no use; `why` says it in a few words."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Remembered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One detector's memory.

    Attributes:
        detector: driver, port and kind of lane that it was learnt with; with others it begins anew.
        accepted, told: set-up lines by their tag: those that are held to be right, and those last told.
        nsigma: the factor of the portal's gamma alarm, as last told.
        excesses: see `own_alarm.Lessons`.
        neutron: the neutron background as last held.
        references: the backgrounds that a technician measured.
    """

    detector: str
    version: Literal[1] = 1
    accepted: _Setup = {}
    told: _Setup = {}
    nsigma: float | None = None
    excesses: Annotated[tuple[tuple[float, float, float], ...], msgspec.Meta(max_length=REMEMBERS)] = ()
    neutron: Known | None = None
    references: dict[Quantity, Measured] = {}


_DECODER: Final = msgspec.json.Decoder(Remembered)


def learnt_with(driver: str, port: str, kind: LaneKind) -> str:
    """What a memory is tied to: another device, or another kind of lane, teaches other things."""
    return f"{driver} at {port}, {kind} lane"


def write(memory: Remembered) -> bytes:
    """The memory as it is kept."""
    return msgspec.json.encode(memory)


def read(content: bytes, detector: str) -> Remembered:
    """The memory of this detector.

    Args:
        content: as `write` gave it, perhaps in another version of this program.
        detector: see `learnt_with`.

    Raises:
        Forgotten: it is of another version, damaged, or another detector's.
    """
    try:
        memory = _DECODER.decode(content[:LONGEST])
    except msgspec.DecodeError:
        raise Forgotten("written by another version, or damaged") from None
    if memory.detector != detector:
        raise Forgotten("another driver, port or kind of lane")
    return memory
