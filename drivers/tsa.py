"""Radiation portal monitors that speak TSA's lines: VM-250, PM-700, TPM-903, with SC-770 and SC-775 controllers. Pure.

Habits of these portals:

- They only talk: ASCII lines `TAG,f1,f2,f3,f4` with CR LF, no time stamps, no checksum. Fields are one a panel.
- Unoccupied, they send the backgrounds of gamma (`GB`) and neutrons (`NB`; newer firmware also `NB1` with decimals)
  every 5 s in counts per second. Occupied, they send none.
- Occupied, they send gamma every 0.2 s (`GS`, or `GA` where the portal alarms) and neutrons every second (`NS`, `NA`).
  The first six gamma scans come at once: they look back over the second before.
- `GX` ends the occupancy. `SP` measures the speed between two beams, several times a vehicle and often wildly.
- `GH`, `GL`, `NH` come in place of a background that is too high or too low; `TT` is an open cabinet, `TC` a closed
  one.
- Set-up is told in `SG1` to `SG3` and `SN1` to `SN3`; SG1 ends with NSIGMA, the factor of the gamma alarm.
- There are many more tags (AA, AM, AS, AX, NZ ...). They are counted and passed over.

Sources: the vendor's simulator and daily-file reader; two captures of 1,499 and 1,510 scan lines.
"""

from __future__ import annotations

import datetime
import re
import statistics
from collections.abc import Iterator, Mapping
from typing import Final

from failsafe.drivers.driver import Driver, LineSettings
from failsafe.drivers.frames import GAP_S, Frame, Junk, Lines
from failsafe.drivers.reading import (
    Alarm,
    Background,
    Channel,
    DeviceFault,
    DeviceHealth,
    Malformed,
    Occupancy,
    Reading,
    Scan,
    SetUp,
    Unknown,
)

GAMMA_INTERVAL_S: Final = 0.2
NEUTRON_INTERVAL_S: Final = 1.0
LOOK_BACK_SCANS: Final = 6
BACKGROUND_EVERY_S: Final = 5.0

# One background late, and three.
LATE_S: Final = 7.5
DOWN_S: Final = 15.0

# A vehicle gives about four speeds; a fault of the beams must not grow the memory.
_KEEP_SPEEDS: Final = 64
_KM_H: Final = 1 / 3.6

_NUMBER: Final = r" *[-+]?[0-9]+(?:\.[0-9]*)? *"
_COUNT: Final = r" *[0-9]+ *"
_LINE: Final = re.compile(r"([A-Z][A-Z0-9]{1,3})((?:,[ -+\--~]*)*)", re.ASCII)
_PANELS: Final = rf"(?:,{_COUNT}){{4}}"
_MEASURED: Final = rf"(?:,{_NUMBER}){{4}}"
_SETUP_TAGS: Final = frozenset({"SG1", "SG2", "SG3", "SN1", "SN2", "SN3"})
_FAULTS: Final[Mapping[str, tuple[DeviceFault, Channel]]] = {
    "GH": ("HIGH_BG", "gamma"),
    "GL": ("LOW_BG", "gamma"),
    "NH": ("HIGH_BG", "neutron"),
}
_SCANS: Final = ("GS", "GA", "NS", "NA")

# The tags this driver uses, and what must follow each of them; a known tag with other fields is malformed.
_FIELDS: Final[Mapping[str, re.Pattern[str]]] = {
    **{tag: re.compile(_PANELS, re.ASCII) for tag in _SCANS},
    **{tag: re.compile(_MEASURED, re.ASCII) for tag in ("GB", "NB", "NB1", "SP")},
    **{tag: re.compile(rf"(?:,{_NUMBER})*", re.ASCII) for tag in ("GX", *_FAULTS, "TT", "TC", *_SETUP_TAGS)},
}
# A good line behind a torn one: only tags whose loss would hide something are looked for.
_TAIL: Final = re.compile(rf"(?:(?:GS|GA|NS|NA){_PANELS}|(?:GX|GH|GL|NH|TT|TC)(?:,{_NUMBER})+)\Z", re.ASCII)


class TsaDecoder:
    """Lines of a TSA portal in; backgrounds, scans, alarms, occupancies and faults out.

    An occupancy begins with the first scan and ends with GX. If a background comes first, GX was lost: no end is
    told, since nobody knows what else was lost, and the next scan begins a new occupancy.

    Attributes:
        setup: the fields of the last set-up line by tag.
    """

    def __init__(self, gap_s: float = GAP_S) -> None:
        self._lines = Lines(gap_s=gap_s)
        self.setup: dict[str, tuple[float, ...]] = {}
        self._occupied = False
        self._gamma_scans = 0
        self._burst_at = 0.0
        self._speeds_km_h: list[float] = []
        self._fault_at: dict[tuple[DeviceFault, Channel], float] = {}

    @property
    def nsigma(self) -> float | None:
        """The factor of the portal's own gamma alarm, once a set-up line has told it."""
        fields = self.setup.get("SG1", ())
        return fields[-1] if fields else None

    def receive(self, chunk: bytes, now: float) -> list[Reading]:
        """See `Decoder.receive`."""
        readings: list[Reading] = []
        for piece in self._lines.feed(chunk, now):
            match piece:
                case Junk(length, why):
                    readings.append(Malformed(now, why, length))
                case Frame(_, body, cut):
                    readings.extend(self._line(body.decode("latin-1").rstrip(" \0"), cut, now))
        return readings

    def to_send(self, now: float) -> bytes:
        """Nothing: these portals only talk."""
        return b""

    def _line(self, text: str, cut: int, now: float) -> Iterator[Reading]:
        """The readings of one line; where the line is torn, an alarm or scan at its end is still saved."""
        parsed = None if cut else _parsed(text)
        if parsed is None:
            tail = _TAIL.search(text)
            lost = cut + (tail.start() if tail else len(text))
            if lost:
                yield Malformed(now, "no line of this device", lost)
            parsed = _parsed(tail[0]) if tail else None
        if parsed is not None:
            yield from self._tagged(*parsed, now)

    def _tagged(self, tag: str, fields: tuple[float, ...], now: float) -> Iterator[Reading]:
        if tag in _SCANS:
            yield from self._scan(tag, tuple(int(field) for field in fields), now)
        elif tag in ("GB", "NB", "NB1"):
            yield from self._background("gamma" if tag == "GB" else "neutron", fields, now)
        elif tag == "GX" and self._occupied:
            yield self._end(now)
        elif tag in _FAULTS:
            fault, channel = _FAULTS[tag]
            self._fault_at[fault, channel] = now
            yield DeviceHealth(now, fault, ok=False, detail=channel)
        elif tag in ("TT", "TC"):
            yield DeviceHealth(now, "TAMPER", ok=tag == "TC")
        else:
            yield self._keep(tag, fields, now)

    def _scan(self, tag: str, counts: tuple[int, ...], now: float) -> Iterator[Reading]:
        if not self._occupied:
            self._begin()
            yield Occupancy(now, "began")
        channel: Channel = "gamma" if tag[0] == "G" else "neutron"
        at = self._gamma_at(now) if channel == "gamma" else now
        yield Scan(at, channel, counts, GAMMA_INTERVAL_S if channel == "gamma" else NEUTRON_INTERVAL_S)
        if tag[1] == "A":
            yield Alarm(at, channel, counts)

    def _gamma_at(self, now: float) -> float:
        """When this scan was counted: the first six come at once and lie 0.2 s apart before that moment."""
        index, self._gamma_scans = self._gamma_scans, self._gamma_scans + 1
        if index == 0:
            self._burst_at = now
        if index >= LOOK_BACK_SCANS:
            return now
        return self._burst_at - (LOOK_BACK_SCANS - 1 - index) * GAMMA_INTERVAL_S

    def _background(self, channel: Channel, panels_cps: tuple[float, ...], now: float) -> Iterator[Reading]:
        self._occupied = False
        yield Background(now, channel, panels_cps)
        # A fault is over when a whole period has brought backgrounds alone, whether the portal sends fault lines in
        # place of backgrounds or beside them.
        for (fault, of), told_at in list(self._fault_at.items()):
            if of == channel and now - told_at > LATE_S:
                del self._fault_at[fault, of]
                yield from self._fault_over(fault, of, now)

    def _fault_over(self, fault: DeviceFault, channel: Channel, now: float) -> Iterator[Reading]:
        # Both channels share one fault word: it is over when neither has it.
        if all(left != fault for left, _ in self._fault_at):
            yield DeviceHealth(now, fault, ok=True, detail=channel)

    def _begin(self) -> None:
        self._occupied = True
        self._gamma_scans = 0
        self._speeds_km_h = []

    def _end(self, now: float) -> Occupancy:
        self._occupied = False
        speed = statistics.median(self._speeds_km_h) * _KM_H if self._speeds_km_h else None
        return Occupancy(now, "ended", speed)

    def _keep(self, tag: str, fields: tuple[float, ...], now: float) -> Reading:
        if tag in _SETUP_TAGS:
            self.setup[tag] = fields
            return SetUp(now, tag, fields, fields[-1] if tag == "SG1" and fields else None)
        if tag == "SP" and self._occupied and len(self._speeds_km_h) < _KEEP_SPEEDS:
            self._speeds_km_h.append(fields[2])
        return Unknown(now, tag)


def strip_stamp(line: bytes) -> bytes:
    """A line of a capture without the time stamp that the recorder put behind its last comma."""
    return line.rstrip(b"\r\n").rpartition(b",")[0] + b"\r\n"


def stamp_of(line: bytes) -> float | None:
    """The recorder's time stamp in seconds since 1970, None where there is none.

    It looks like `2016-06-01 15:03:44.163 -07`: a local time and the hours of its zone.
    """
    stamp = line.rstrip(b"\r\n").rpartition(b",")[2].decode("ascii", "replace")
    try:
        return datetime.datetime.strptime(f"{stamp}00", "%Y-%m-%d %H:%M:%S.%f %z").timestamp()
    except ValueError:
        return None


def _parsed(text: str) -> tuple[str, tuple[float, ...]] | None:
    """Tag and fields of a whole line, no fields for tags that are not used; None where it is no line of this device."""
    line = _LINE.fullmatch(text.lstrip(" \0"))
    if line is None:
        return None
    tag, rest = line.groups()
    if tag not in _FIELDS:
        # Nothing is known of its fields, but a good line at its end means that two lines ran together.
        return None if _TAIL.search(text, 1) else (tag, ())
    if not _FIELDS[tag].fullmatch(rest):
        return None
    return tag, tuple(float(field) for field in rest.split(",")[1:])


DRIVER: Final = Driver(
    name="tsa",
    makes="TSA/Rapiscan VM-250, PM-700, TPM-903; SC-770 and SC-775 controllers",
    role="radiation",
    line=LineSettings(baud=19200, parity="O"),
    status="captures",
    decoder=TsaDecoder,
    late_s=LATE_S,
    down_s=DOWN_S,
)
