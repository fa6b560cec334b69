"""Small counters that tell text lines: Rad Pro, bGeigie, MightyOhm, NetIO GC10. Pure.

Habits of these counters:

- Rad Pro (firmware for FS2011, FS-600, FS-1000, GC-01 and others; 115200 baud) answers questions: `GET deviceId` with
  `OK hardware;software;id`, `GET tubePulseCount` with `OK` and all pulses of the tube's life, modulo 2 to the 32nd;
  `ERROR` where it does not know the question. It is asked each second, and the difference is what was counted. Old
  firmware knows other questions and answers `ERROR`: then it is not monitored.
- bGeigie Nano, Zen and CzechRad tell every 5 s `$BNRDD,id,time,cpm,counts,total,A,...*CK`, CK being the XOR of all
  between `$` and `*`. The counts of the last 5 s are taken; `V` in place of `A` only means that the minute behind
  `cpm` is not full yet. Where the counter is (it has a receiver for that) is passed over. The first firmware wrote no
  sum: its lines are malformed, since nothing would tell a torn one.
- MightyOhm's kit (9600 baud) tells each second `CPS, 1, CPM, 20, uSv/hr, 0.11, SLOW`. The dose rate is the kit's own
  reckoning from its usual tube.
- NetIO's GC10 (9600 baud, GC10next 115200) tells the counts of the last minute as a bare number. Nothing would tell a
  number that lost its first digit, so that the first line after a silence is passed over.

All of them are Geiger tubes with a fraction of a count a second: enough for a desk, far too few for a lane.

Sources: Gissio/radpro (its comm.md), Safecast/bGeigieNanoKit, MightyOhm's firmware, ESPGeiger. No hardware was at hand.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from operator import xor
from typing import Final

from failsafe.drivers.asking import Asking
from failsafe.drivers.driver import Driver, LineSettings
from failsafe.drivers.frames import GAP_S, Frame, Junk, Lines
from failsafe.drivers.reading import DeviceHealth, Dose, Malformed, Rate, Reading, Scan, Unknown

RADPRO_ID: Final = b"GET deviceId\r\n"
RADPRO_COUNT: Final = b"GET tubePulseCount\r\n"
RADPRO_EVERY_S: Final = 1.0
BGEIGIE_EVERY_S: Final = 5.0
MIGHTYOHM_EVERY_S: Final = 1.0
GC10_WINDOW_S: Final = 60.0

_PULSES_MODULO: Final = 2**32
# A tube that counted more in a second was not read right: it lost its power and began anew.
_MOST_CPS: Final = 65536
# Differences over a longer time span a silence: what was in it belongs to nobody.
_LONGEST_S: Final = 5.0

_RADPRO: Final = re.compile(r"OK(?: ([^\x00-\x1f\x7f-\xff]{1,120}))?|ERROR")
_BGEIGIE: Final = re.compile(r"\$([A-Z][A-Z0-9]{3,5}),([ -)+-~]*)\*([0-9A-Fa-f]{2})")
_COUNTS_OF: Final = re.compile(r"B[A-Z]{1,2}RDD|CZRA1")
_MIGHTYOHM: Final = re.compile(
    r"CPS, ?([0-9]{1,6}), ?CPM, ?[0-9]{1,8}, ?uSv/hr, ?([0-9]{1,6}(?:\.[0-9]{1,4})?), ?(?:SLOW|FAST|INST)"
)
_BARE: Final = re.compile(r"[0-9]{1,7}")


class TalkingDecoder:
    """Lines of a counter that only talks in, readings out.

    Args:
        read: what a line says, None where it is no line of the device.
        skip_first: the first line after a silence is passed over.
    """

    def __init__(
        self, read: Callable[[str, float], list[Reading] | None], *, skip_first: bool = False, gap_s: float = GAP_S
    ) -> None:
        self._lines = Lines(gap_s=gap_s)
        self._read = read
        self._skip_first = skip_first
        self._skip = skip_first

    def receive(self, chunk: bytes, now: float) -> list[Reading]:
        """See `Decoder.receive`."""
        readings: list[Reading] = []
        for piece in self._lines.feed(chunk, now):
            match piece:
                case Junk(length, why):
                    self._skip = self._skip_first
                    readings.append(Malformed(now, why, length))
                case Frame(_, body, cut):
                    readings += self._line(body.decode("latin-1").strip(" \0"), cut, now)
        return readings

    def to_send(self, now: float) -> bytes:
        """Nothing: these counters only talk."""
        return b""

    def _line(self, text: str, cut: int, now: float) -> list[Reading]:
        if self._skip:
            self._skip = False
            return [Unknown(now, "first line")]
        told = None if cut or not text else self._read(text, now)
        if told is None:
            return [Malformed(now, "no line of this device", cut + len(text))] if cut or text else []
        return told


class RadProDecoder:
    """Answers of a Rad Pro in, counts between them out; it is asked once a second."""

    def __init__(self, gap_s: float = GAP_S) -> None:
        self._lines = Lines(gap_s=gap_s)
        self._asking = Asking(3.5 * RADPRO_EVERY_S)
        self._asked_at = float("-inf")
        self._pulses: tuple[int, float] | None = None  # the last answer, and when it came
        self._model = ""

    def receive(self, chunk: bytes, now: float) -> list[Reading]:
        """See `Decoder.receive`."""
        readings: list[Reading] = []
        for piece in self._lines.feed(chunk, now):
            match piece:
                case Junk(length, why):
                    readings.append(Malformed(now, why, length))
                case Frame(_, body, cut):
                    readings += self._answer(body.decode("latin-1").strip(" \0"), cut, now)
        return [*readings, *self._asking.silence(now)]

    def to_send(self, now: float) -> bytes:
        """The question for the model until it is answered, then the one for its pulses, once a second."""
        if self._asking.due(now):
            return RADPRO_ID
        if self._asking.answered and now - self._asked_at >= RADPRO_EVERY_S:
            self._asked_at = now
            return RADPRO_COUNT
        return b""

    def _answer(self, text: str, cut: int, now: float) -> list[Reading]:
        told = None if cut else _RADPRO.fullmatch(text)
        if told is None:
            return [Malformed(now, "no line of this device", cut + len(text))] if cut or text else []
        value = told[1]
        if value is None:  # ERROR is no sign of a counter that counts
            return [Unknown(now, text)]
        if value.count(";") == 2:
            return [*self._asking.heard(now), *self._named(value.split(";"), now)]
        if value.isdecimal():
            return [*self._asking.heard(now), *self._counted(int(value) % _PULSES_MODULO, now)]
        return [Unknown(now, "answer")]

    def _named(self, names: list[str], now: float) -> list[Reading]:
        model = f"{names[0]}, {names[1]}"
        if model == self._model:
            return []
        self._model = model
        self._pulses = None  # another counter's pulses are no beginning of this one's
        return [DeviceHealth(now, "DEVICE", ok=True, detail=model)]

    def _counted(self, pulses: int, now: float) -> list[Reading]:
        before, self._pulses = self._pulses, (pulses, now)
        if before is None or not 0 < now - before[1] <= _LONGEST_S:
            return []
        counts, interval_s = (pulses - before[0]) % _PULSES_MODULO, now - before[1]
        return [Scan(now, "gamma", (counts,), interval_s)] if counts <= _MOST_CPS * interval_s else []


def bgeigie(text: str, now: float) -> list[Reading] | None:
    """A bGeigie's sentence; sentences of other kinds and the remarks at the head of its log are counted."""
    if text.startswith("# "):
        return [Unknown(now, "remark")]
    told = _BGEIGIE.fullmatch(text)
    if told is None or functools.reduce(xor, text[1:-3].encode("ascii")) != int(told[3], 16):
        return None
    if not _COUNTS_OF.fullmatch(told[1]):
        return [Unknown(now, told[1])]
    fields = told[2].split(",")
    if len(fields) < 6 or not all(_BARE.fullmatch(field) for field in fields[2:4]) or fields[5] not in ("A", "V"):
        return None
    return [Scan(now, "gamma", (int(fields[3]),), BGEIGIE_EVERY_S)]


def mightyohm(text: str, now: float) -> list[Reading] | None:
    """A MightyOhm's line."""
    told = _MIGHTYOHM.fullmatch(text)
    if told is None:
        return None
    return [Scan(now, "gamma", (int(told[1]),), MIGHTYOHM_EVERY_S), Dose(now, float(told[2]) * 1000)]


def gc10(text: str, now: float) -> list[Reading] | None:
    """A GC10's number: counts of the minute before."""
    return [Rate(now, "gamma", int(text) / GC10_WINDOW_S, GC10_WINDOW_S)] if _BARE.fullmatch(text) else None


def _driver(name: str, makes: str, baud: int, every_s: float, decoder: Callable[[], TalkingDecoder]) -> Driver:
    """A counter that tells a line every `every_s` seconds: one missing is a hiccup, three are none."""
    return Driver(
        name=name,
        makes=makes,
        role="radiation",
        line=LineSettings(baud=baud),
        status="from documents, no hardware",
        decoder=decoder,
        late_s=1.5 * every_s + 2.0,
        down_s=3.0 * every_s + 5.0,
    )


RADPRO: Final = Driver(
    name="radpro",
    makes="counters with Rad Pro firmware (FS2011, Bosean FS-600 and FS-1000, FNIRSI GC-01)",
    role="radiation",
    line=LineSettings(baud=115200),
    status="from documents, no hardware",
    decoder=RadProDecoder,
    late_s=3.5,
    down_s=10.0,
)
BGEIGIE: Final = _driver(
    "bgeigie", "Safecast bGeigie, CzechRad", 57600, BGEIGIE_EVERY_S, functools.partial(TalkingDecoder, bgeigie)
)
MIGHTYOHM: Final = _driver(
    "mightyohm", "MightyOhm Geiger kits", 9600, MIGHTYOHM_EVERY_S, functools.partial(TalkingDecoder, mightyohm)
)
GC10: Final = _driver(
    "gc10", "NetIO GC10, GC10next", 9600, 1.0, functools.partial(TalkingDecoder, gc10, skip_first=True)
)
