"""Radiation portal monitors that speak TSA's lines: VM-250, PM-700, TPM-903, with SC-770 and SC-775 controllers. Pure.

Habits of these portals:

- They only talk: ASCII lines `TAG,f1,f2,f3,f4` with CR LF, no time stamps, no checksum. Fields are one a panel.
- Unoccupied, they send the backgrounds of gamma (`GB`) and neutrons (`NB`; newer firmware also `NB1` with decimals)
  every 5 s in counts per second. Occupied, they send none.
- Occupied, they send gamma every 0.2 s (`GS`, or `GA` where the portal alarms) and neutrons every second (`NS`, `NA`).
  The first six gamma scans come at once: they look back over the second before.
- `GX` ends the occupancy; its second field is the neutron background of all panels in thousandths of a count per
  second, which is all there is where `NB` is cut down to zeros. `SP` measures the speed between two beams, several
  times a vehicle and often wildly.
- `GH`, `GL`, `NH` come in place of a background that is too high or too low; `TT` is an open cabinet, `TC` a closed
  one.
- Set-up is told in `SG1` to `SG3` and `SN1` to `SN3`, seldom: at a start, after a change. The fifth field of SG1 is
  NSIGMA, the factor of the gamma alarm. Newer firmware adds letters and versions (`SG1,...,05.0,P`; `SG3,...,1.10.1`).
- There are many more tags (AA, AM, AS, AX, NZ ...). They are counted and passed over.

Sources: the vendor's simulator and daily-file reader; captures of 1,499 and 1,510 scan lines, and one of a whole day.
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
# A number, a mode's letters, or a version. Two lines that ran together make none of these.
_SETTING: Final = rf"(?:{_NUMBER}| *[A-Z]{{1,4}} *| *[0-9]+(?:\.[0-9]+){{2,3}} *)"
_NSIGMA_FIELD: Final = 4
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
    **{tag: re.compile(rf"(?:,{_NUMBER})*", re.ASCII) for tag in ("GX", *_FAULTS, "TT", "TC")},
    **{tag: re.compile(rf"(?:,{_SETTING})+", re.ASCII) for tag in _SETUP_TAGS},
    "SG1": re.compile(rf"(?:,{_NUMBER}){{5}}(?:,{_SETTING})*", re.ASCII),
}
# The stamps of recorders: a time of day; seconds or milliseconds since 1970; anything that begins with a date.
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3])[-:]([0-5][0-9])[-:]([0-5][0-9](?:\.[0-9]{1,9})?)", re.ASCII)
_SINCE_1970: Final = re.compile(r"([0-9]{10}|[0-9]{13})(?:\.[0-9]{1,9})?", re.ASCII)
_DATED: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", re.ASCII)
_SPACED_ZONE: Final = re.compile(r" ([-+Z])", re.ASCII)
_DAY_S: Final = 86_400.0

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
        self.setup: dict[str, tuple[float | str, ...]] = {}
        self._occupied = False
        self._gamma_scans = 0
        self._burst_at = 0.0
        self._speeds_km_h: list[float] = []
        self._fault_at: dict[tuple[DeviceFault, Channel], float] = {}

    @property
    def nsigma(self) -> float | None:
        """The factor of the portal's own gamma alarm, once a set-up line has told it."""
        return _nsigma("SG1", self.setup.get("SG1", ()))

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
            tag, rest = parsed
            if tag in _SETUP_TAGS:
                yield self._told_setup(tag, rest.split(",")[1:], now)
            else:
                yield from self._tagged(tag, tuple(float(field) for field in rest.split(",")[1:]), now)

    def _tagged(self, tag: str, fields: tuple[float, ...], now: float) -> Iterator[Reading]:
        if tag in _SCANS:
            yield from self._scan(tag, tuple(int(field) for field in fields), now)
        elif tag in ("GB", "NB", "NB1"):
            yield from self._background("gamma" if tag == "GB" else "neutron", fields, now)
        elif tag == "GX" and self._occupied:
            yield self._end(fields, now)
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

    def _end(self, fields: tuple[float, ...], now: float) -> Occupancy:
        self._occupied = False
        speed = statistics.median(self._speeds_km_h) * _KM_H if self._speeds_km_h else None
        neutron_cps = fields[1] / 1000.0 if len(fields) > 1 and fields[1] > 0.0 else None
        return Occupancy(now, "ended", speed, neutron_cps)

    def _told_setup(self, tag: str, fields: list[str], now: float) -> SetUp:
        self.setup[tag] = told = tuple(_setting(field.strip()) for field in fields)
        return SetUp(now, tag, told, _nsigma(tag, told))

    def _keep(self, tag: str, fields: tuple[float, ...], now: float) -> Reading:
        if tag == "SP" and self._occupied and len(self._speeds_km_h) < _KEEP_SPEEDS:
            self._speeds_km_h.append(fields[2])
        return Unknown(now, tag)


def strip_stamp(line: bytes) -> bytes:
    """A line of a capture without the time stamp that the recorder put behind its last comma."""
    return line.rstrip(b"\r\n").rpartition(b",")[0] + b"\r\n"


def stamp_of(line: bytes, before: float = 0.0) -> float | None:
    """The recorder's time stamp in seconds since 1970, None where there is none.

    Recorders differ: `2016-06-01 15:03:44.163 -07` (hours of the zone), ISO 8601, seconds or milliseconds since 1970,
    and `15-03-44.163`, the time of day alone, in seconds since the first midnight.

    Args:
        line: of a capture.
        before: the stamp of the line before; a time of day that falls behind it by far is of the next day.
    """
    stamp = line.rstrip(b"\r\n").rpartition(b",")[2].decode("ascii", "replace").strip()
    clock = _CLOCK.fullmatch(stamp)
    if clock:
        hours, minutes, seconds = (float(part) for part in clock.groups())
        of_day = hours * 3600.0 + minutes * 60.0 + seconds
        return of_day + max(before - of_day + _DAY_S / 2.0, 0.0) // _DAY_S * _DAY_S
    since = _SINCE_1970.fullmatch(stamp)
    if since:
        return float(stamp) if len(since[1]) == 10 else float(stamp) / 1000.0
    try:
        at = datetime.datetime.fromisoformat(_SPACED_ZONE.sub(r"\1", stamp)) if _DATED.match(stamp) else None
    except ValueError:
        return None
    if at is None:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).timestamp()


def _nsigma(tag: str, fields: tuple[float | str, ...]) -> float | None:
    """The factor of the gamma alarm in a set-up line; none where it cannot be one."""
    if tag != "SG1" or len(fields) <= _NSIGMA_FIELD:
        return None
    told = fields[_NSIGMA_FIELD]
    return told if isinstance(told, float) and told > 0.0 else None


def _setting(field: str) -> float | str:
    try:
        return float(field)
    except ValueError:
        return field


def _parsed(text: str) -> tuple[str, str] | None:
    """Tag and what follows it, nothing for tags that are not used; None where it is no line of this device."""
    line = _LINE.fullmatch(text.lstrip(" \0"))
    if line is None:
        return None
    tag, rest = line.groups()
    if tag not in _FIELDS:
        # Nothing is known of its fields, but a good line at its end means that two lines ran together.
        return None if _TAIL.search(text, 1) else (tag, "")
    return (tag, rest) if _FIELDS[tag].fullmatch(rest) else None


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
