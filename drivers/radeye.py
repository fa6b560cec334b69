"""Pocket meters of Thermo (RadEye PRD, GN+, PRD-ER ...) on their serial cradle or cable. Pure.

Habits of these meters, as two public programs that read them tell:

- The line is 9600 baud with seven bits, even parity and two stop bits. Set to 8N1 an adapter hands on the parity bit
  too, and nothing is understood.
- A command must be announced: `@` is answered with `>`, then the command goes. `X1` makes the meter tell one line a
  second, `X0` ends that. It forgets when it is switched off.
- A line is STX, fields with one blank between them, ETX, CR, LF: ` 599 0 544 00  GN+ 09 `. The first number is the
  dose rate in 0.01 uSv/h; the type stands behind the empty field. A meter of type `PRDER` has its value in the third
  number; that its unit is the same is our guess, and a lane that compares it with its own background does not mind.
- The two digits before the type are a state. What they mean is not public, so that anything but `00` is taken as a
  fault of the meter: a lane with it is not monitored, and never clear.
- What the second number is, and where a GN+ tells its neutrons, is not public either: neutrons are not read.
- `@CIAO` is the last word of a meter that is being switched off.

Sources: itsmevjnk/radeye_ros, westpoint-robotics/radeye_detector. No hardware was at hand.
"""

from __future__ import annotations

import re
from typing import Final

from failsafe.drivers.asking import Asking
from failsafe.drivers.driver import Driver, LineSettings
from failsafe.drivers.frames import GAP_S, Frame, Junk, Lines
from failsafe.drivers.reading import DeviceHealth, Dose, Malformed, Reading

ANNOUNCE: Final = b"@"
GO_AHEAD: Final = b">"
TALK: Final = b"X1\r\n"

# It tells a line a second; three that are missing are no hiccup.
LATE_S: Final = 3.5
DOWN_S: Final = 10.0

_NSV_H_A_DIGIT: Final = 10.0  # a last digit is 0.01 uSv/h
_FAREWELL: Final = "@CIAO"
_WELL: Final = "00"
_TALKED: Final = bytes.maketrans(b"\x02\x03", b"\n\n")
_LINE: Final = re.compile(r" ([0-9]{1,9}) ([0-9]{1,9}) ([0-9]{1,9}) ([0-9A-F]{2})  ([A-Z0-9+-]{1,8}) ([0-9A-F]{2}) ?")


class RadEyeDecoder:
    """Lines of a RadEye in, dose rates and its own health out; it is asked to talk until it does."""

    def __init__(self, gap_s: float = GAP_S) -> None:
        self._lines = Lines(gap_s=gap_s)
        self._asking = Asking(LATE_S)
        self._may_ask = False
        self._fault = ""

    def receive(self, chunk: bytes, now: float) -> list[Reading]:
        """See `Decoder.receive`."""
        self._may_ask = self._may_ask or GO_AHEAD in chunk
        readings: list[Reading] = []
        # The answer to an announcement belongs to no line; STX and ETX part lines as well as line ends do.
        for piece in self._lines.feed(chunk.replace(GO_AHEAD, b"").translate(_TALKED), now):
            match piece:
                case Junk(length, why):
                    readings.append(Malformed(now, why, length))
                case Frame(_, body, cut):
                    readings += self._line(body.decode("latin-1"), cut, now)
        return [*readings, *self._asking.silence(now)]

    def to_send(self, now: float) -> bytes:
        """The announcement while the meter is silent; the command once it said that it listens."""
        if self._may_ask:
            self._may_ask = False
            return b"" if self._asking.answered else TALK
        return ANNOUNCE if self._asking.due(now) else b""

    def _line(self, text: str, cut: int, now: float) -> list[Reading]:
        if text.strip() == _FAREWELL:
            return self._health("The meter was switched off.", now)
        fields = None if cut else _LINE.fullmatch(text)
        if fields is None:
            return [Malformed(now, "no line of this device", cut + len(text))] if text.strip(" \0") else []
        first, _, third, state, kind, _ = fields.groups()
        back = self._asking.heard(now)
        self._fault = "" if back else self._fault  # its answer ended every fault: one that lasts is told again
        health = self._health("" if state == _WELL else f"The meter tells the state {state}.", now)
        value = third if kind == "PRDER" else first
        return [*back, *health, Dose(now, int(value) * _NSV_H_A_DIGIT)]

    def _health(self, fault: str, now: float) -> list[Reading]:
        """A change of what the meter says of itself."""
        if fault == self._fault:
            return []
        self._fault = fault
        return [DeviceHealth(now, "DEVICE", ok=not fault, detail=fault or "The meter is well again.")]


DRIVER: Final = Driver(
    name="radeye",
    makes="Thermo RadEye (PRD, GN+, PRD-ER)",
    role="radiation",
    line=LineSettings(byte_size=7, parity="E", stop_bits=2),
    status="from documents, no hardware",
    decoder=RadEyeDecoder,
    late_s=LATE_S,
    down_s=DOWN_S,
)
