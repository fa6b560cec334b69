"""Geiger counters of GQ (GMC-280 to GMC-800): counts each second, two or four bytes without any frame. Pure.

Habits of these counters:

- Told `<HEARTBEAT1>>` they send the counts of each second, high byte first, until `<HEARTBEAT0>>` or until they are
  switched off. GMC-280, 300 and 320 (RFC1201) send two bytes, of which the two highest bits are reserved; GMC-500, 600
  and 800 (RFC1801) send four.
- Nothing marks a beginning. Bytes of one second come at once, so that 300 ms of silence end a number, whole or not.
- `<GETVER>>` is answered by model and firmware without a line end: `GMC-320Re 4.19`, `GMC-500+Re 1.22`. The model
  decides how long a number is, so that nothing is counted before it has been told: a two-byte counter whose numbers
  were taken by fours would alarm at once.
- 57600 baud for GMC-300 up to firmware 3, 115200 for the others. Unknown commands are passed over in silence.
- A tube of this size cannot count 65,536 in a second: a greater number is no number.

The counts are of a small Geiger tube: background is about one in three seconds, far too few for a lane, enough for a
desk. A dose rate would need the tube's calibration and is not told.

Sources: GQ-RFC1201, GQ-RFC1801. No hardware was at hand.
"""

from __future__ import annotations

import re
from typing import Final

from failsafe.drivers.asking import Asking
from failsafe.drivers.driver import Driver, LineSettings
from failsafe.drivers.reading import DeviceHealth, Malformed, Reading, Scan

VERSION: Final = b"<GETVER>>"
BEAT: Final = b"<HEARTBEAT1>>"
REST: Final = b"<HEARTBEAT0>>"
BEAT_S: Final = 1.0
IDLE_S: Final = 0.3

# One second is a hiccup, three are none.
LATE_S: Final = 3.5
DOWN_S: Final = 10.0

_VERSION: Final = re.compile(rb"GMC-([0-9]{3})[A-Z+]{0,3} ?Re? ?([0-9]\.[0-9]{2})")
_LONG_FROM: Final = 500  # the first model that sends four bytes
_RESERVED: Final = 0x3FFF
_MOST: Final = 0xFFFF
# Versions have 13 to 17 characters; more bytes than this without one are none of its answers.
_LIMIT: Final = 64
_TAIL: Final = 24


class GmcDecoder:
    """Bytes of a GQ counter in, counts per second out.

    Attributes:
        model: what the counter said it is, empty until then.
    """

    def __init__(self) -> None:
        self.model = ""
        self._width = 0
        self._buffer = bytearray()
        self._lost = 0
        self._heard_at = 0.0
        self._asking = Asking(LATE_S)
        self._start = False

    def receive(self, chunk: bytes, now: float) -> list[Reading]:
        """See `Decoder.receive`."""
        readings: list[Reading] = []
        if now - self._heard_at > IDLE_S:
            readings += self._give_up(now)
        if chunk:
            self._heard_at = now
        for byte in chunk:  # a few bytes a second: one at a time is the simplest that cannot differ
            self._buffer.append(byte)
            readings += self._step(now)
        return [*readings, *self._asking.silence(now)]

    def to_send(self, now: float) -> bytes:
        """The question for the version until it is known, then the order to tell counts; both again after a silence."""
        if self._start:
            self._start = False
            return BEAT
        if not self._asking.due(now):
            return b""
        self._width = 0  # another counter may have been plugged in: its version comes before its counts again
        return REST + VERSION

    def _step(self, now: float) -> list[Reading]:
        """What one more byte makes complete."""
        told = _VERSION.search(bytes(self._buffer))
        if told:
            return self._version(told, now)
        if self._width and not (self._buffer.startswith(b"GMC-"[: len(self._buffer)]) and len(self._buffer) < _TAIL):
            return self._number(now)  # else perhaps a version: no count of a small tube begins like one
        if len(self._buffer) > _LIMIT:
            self._lost += len(self._buffer) - _TAIL
            del self._buffer[:-_TAIL]
        return []

    def _version(self, told: re.Match[bytes], now: float) -> list[Reading]:
        before = self._lost + told.start()
        self._lost = 0
        self._buffer.clear()
        self._width = 4 if int(told[1]) >= _LONG_FROM else 2
        self._start = True
        model = told[0].decode("ascii")
        news = [] if model == self.model else [DeviceHealth(now, "DEVICE", ok=True, detail=model)]
        self.model = model
        lost = [Malformed(now, "no version", before)] if before else []
        return [*lost, *self._asking.heard(now), *news]

    def _number(self, now: float) -> list[Reading]:
        readings: list[Reading] = []
        while len(self._buffer) >= self._width:
            count = int.from_bytes(self._buffer[: self._width], "big")
            del self._buffer[: self._width]
            count = count & _RESERVED if self._width == 2 else count
            if count > _MOST:
                readings.append(Malformed(now, "no count", self._width))
            else:
                readings += [*self._asking.heard(now), Scan(now, "gamma", (count,), BEAT_S)]
        return readings

    def _give_up(self, now: float) -> list[Reading]:
        """A silence: what is left is no number."""
        left = self._lost + len(self._buffer)
        self._lost = 0
        self._buffer.clear()
        why = "half a number" if self._width else "no version"
        return [Malformed(now, why, left)] if left else []


DRIVER: Final = Driver(
    name="gmc",
    makes="GQ GMC-280 to GMC-800",
    role="radiation",
    line=LineSettings(baud=115200),
    status="from documents, no hardware",
    decoder=GmcDecoder,
    late_s=LATE_S,
    down_s=DOWN_S,
)
