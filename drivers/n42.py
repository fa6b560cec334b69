"""Instruments and portals that speak ANSI N42.42: XML documents on a line or in a file. Pure.

Habits of these devices:

- On a line each document stands between STX and ETX; a file is one document. Both end with the root's closing tag, so
  that a stream without STX and ETX is read too. A document holds one second of a line, or a whole passage.
- Measurements name their detectors, and each detector has a category (gamma, neutron ...). Portals give gross counts,
  often in windows of energy that overlap; spectrometers give spectra, whose zeros are counted instead of written.
- `OccupancyIndicator` tells whether somebody is in the portal. The standard's own portal example calls all of its
  measurements Background, the occupied ones too: what was measured while occupied is never taken as background. What
  is called Foreground and was measured while empty is a rate of nobody's.
- The instrument's alarms, nuclides and faults stand at the end or beside. A fault that is only a warning is counted.
- How often a document comes is the device's affair; with one every ten seconds or more set another device.

Source: NIST's schema of ANSI N42.42-2011 and the standard's annexes, all of which are read. Documents of 2006 are named
and refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from failsafe.drivers.driver import Driver, LineSettings
from failsafe.drivers.frames import GAP_S, Frame, Junk, Piece
from failsafe.drivers.n42_document import DOCUMENT_LIMIT, Count, Document, Fault, Measurement, N42Refused, read
from failsafe.drivers.reading import (
    Alarm,
    Background,
    Channel,
    DeviceHealth,
    Dose,
    Identification,
    Malformed,
    Occupancy,
    Rate,
    Reading,
    Scan,
    Unknown,
)

LATE_S: Final = 10.0
DOWN_S: Final = 30.0

# Nothing is back-dated further: the background of another hour is one of before, and that is all that matters.
_LONGEST_S: Final = 600.0
_ROOT: Final = rb"(?:[A-Za-z_][A-Za-z0-9_.-]{0,20}:)?(?:RadInstrumentData|N42InstrumentData)"
_END: Final = re.compile(rb"\x03+|</" + _ROOT + rb"\s{0,8}>")
_BEGINNINGS: Final = (re.compile(rb"\x02"), re.compile(rb"<\?xml\s"), re.compile(rb"<" + _ROOT + rb"[\s>]"))
_LONGEST_END: Final = 64
_CHANNELS: Final[dict[str, Channel]] = {"Gamma": "gamma", "Neutron": "neutron"}
_HARMLESS: Final = b"\x00\x02\x03 \t\r\n"


class Documents:
    """Cuts a stream into documents; see `frames` for what every framing promises.

    A document that begins inside another means that the rest of that one was lost.
    """

    def __init__(self, limit: int = DOCUMENT_LIMIT, gap_s: float = GAP_S) -> None:
        self._limit = limit
        self._gap_s = gap_s
        self._buffer = bytearray()
        self._heard_at = 0.0

    def feed(self, chunk: bytes, now: float) -> Iterator[Piece]:
        """See `frames.Framing.feed`."""
        if now - self._heard_at > self._gap_s:
            yield from _given_up(self._take(len(self._buffer)), "half a document")
        if chunk:
            self._heard_at = now
        while chunk:
            searched = max(0, len(self._buffer) - _LONGEST_END)
            room = self._limit - len(self._buffer)
            self._buffer += chunk[:room]
            chunk = chunk[room:]
            while (end := _END.search(self._buffer, searched)) is not None:
                yield from _document(self._take(end.end()))
                searched = 0
            if len(self._buffer) >= self._limit:
                yield from _given_up(self._take(self._limit), "document too long")

    def _take(self, length: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken


def _document(taken: bytes) -> Iterator[Piece]:
    """What stands before an end: the document, and what was lost before it."""
    for beginning in _BEGINNINGS:
        starts = [found.start() for found in beginning.finditer(taken)]
        if starts:
            yield from _given_up(taken[: starts[-1]], "half a document")
            body = taken[starts[-1] :].strip(_HARMLESS)
            if body:
                yield Frame(b"", body)
            return
    yield from _given_up(taken, "no document")


def _given_up(taken: bytes, why: str) -> list[Piece]:
    return [Junk(len(taken), why)] if taken.strip(_HARMLESS) else []


class N42Decoder:
    """Documents in; counts, backgrounds, occupancies, alarms, nuclides, dose rates and faults out.

    Within a document readings are in the order of their times, and back-dated by the distances of its measurements.
    """

    def __init__(self, gap_s: float = GAP_S) -> None:
        self._documents = Documents(gap_s=gap_s)
        self._occupied = False
        self._speed_m_s: float | None = None
        self._fault = ""
        self._model = ""

    def receive(self, chunk: bytes, now: float) -> list[Reading]:
        """See `Decoder.receive`."""
        readings: list[Reading] = []
        for piece in self._documents.feed(chunk, now):
            match piece:
                case Junk(length, why):
                    readings.append(Malformed(now, why, length))
                case Frame(_, body):
                    try:
                        readings += self._readings(read(body), now)
                    except N42Refused as refused:
                        readings.append(Malformed(now, refused.detail, len(body)))
        return readings

    def to_send(self, now: float) -> bytes:
        """Nothing: the device is set to send by itself."""
        return b""

    def _readings(self, document: Document, now: float) -> list[Reading]:
        ats = _times(document.measurements, now)
        told: list[Reading] = []
        for measurement, at in zip(document.measurements, ats, strict=True):
            told += self._measured(measurement, at)
        told += _alarms(document, ats, now)
        told.sort(key=lambda reading: reading.at)  # an alarm goes before the end of its passage
        nuclides = [Identification(now, one.name, one.confidence, one.category) for one in document.nuclides]
        return [*told, *nuclides, *self._health(document, now)]

    def _measured(self, measurement: Measurement, at: float) -> Iterator[Reading]:
        yield from self._occupancy(measurement, at)
        for channel in _CHANNELS.values():
            counts = [one for one in measurement.counts if _CHANNELS.get(one.category) == channel]
            if counts:
                yield _counted(measurement, channel, counts, at)
        for one in measurement.counts:
            if one.category not in _CHANNELS:
                yield Unknown(at, f"detector {one.category}")
        yield from (Dose(at, dose) for dose in measurement.doses_nsv_h)

    def _occupancy(self, measurement: Measurement, at: float) -> Iterator[Reading]:
        if measurement.occupied and measurement.speed_m_s is not None:
            self._speed_m_s = measurement.speed_m_s
        if measurement.occupied is None or measurement.occupied == self._occupied:
            return
        self._occupied = measurement.occupied
        if self._occupied:
            yield Occupancy(at, "began")
        else:
            speed, self._speed_m_s = self._speed_m_s, None
            yield Occupancy(at, "ended", speed)

    def _health(self, document: Document, now: float) -> Iterator[Reading]:
        """Changes of what the instrument says of itself; a document without a fault ends the one told before."""
        yield from (Unknown(now, "warning") for fault in document.faults if fault.severity == "Warning")
        fault = next((_words(fault) for fault in document.faults if fault.severity != "Warning"), "")
        model = f"{document.manufacturer} {document.model}".strip()
        if fault:
            if fault != self._fault:
                yield DeviceHealth(now, "DEVICE", ok=False, detail=fault)
        elif self._fault or model != self._model:
            yield DeviceHealth(now, "DEVICE", ok=True, detail=model)
            self._model = model
        self._fault = fault


def _counted(measurement: Measurement, channel: Channel, counts: list[Count], at: float) -> Reading:
    """What the detectors of one channel counted in one measurement, one panel a detector."""
    times = [time for one in counts if (time := one.live_s or measurement.real_s)]
    if len(times) != len(counts):
        return Unknown(at, "counts without a time")
    if measurement.class_code not in ("Foreground", "Background", "NotSpecified", ""):
        return Unknown(at, measurement.class_code)
    rates = tuple(one.counts / time for one, time in zip(counts, times, strict=True))
    if measurement.class_code == "Background" and not measurement.occupied:
        return Background(at, channel, rates)
    interval_s = measurement.real_s or max(times)
    if measurement.occupied is False:  # nobody's counts: too few for a background, and no passage's
        return Rate(at, channel, sum(rates), interval_s)
    return Scan(at, channel, tuple(round(one.counts) for one in counts), interval_s)


def _times(measurements: tuple[Measurement, ...], now: float) -> list[float]:
    """When each was taken, the last of them now; all of them now where one does not say."""
    starts = [one.started_s for one in measurements if one.started_s is not None]
    if len(starts) != len(measurements):
        return [now] * len(measurements)
    return [now - min(round(max(starts) - start, 3), _LONGEST_S) for start in starts]


def _alarms(document: Document, ats: list[float], now: float) -> Iterator[Alarm]:
    """The instrument's alarms, at the last measurement that was not of an empty detector; of any nuclide: gamma."""
    watched = [
        (one, at)
        for one, at in zip(document.measurements, ats, strict=True)
        if one.occupied or (one.occupied is None and one.class_code != "Background")
    ]
    last, at = watched[-1] if watched else (None, now)
    for category in document.alarms:
        channel: Channel = "neutron" if category == "Neutron" else "gamma"
        counts = [one.counts for one in last.counts if _CHANNELS.get(one.category) == channel] if last else []
        yield Alarm(at, channel, tuple(round(count) for count in counts))


def _words(fault: Fault) -> str:
    return f"fault {fault.code}: {fault.description}"


DRIVER: Final = Driver(
    name="n42",
    makes="instruments and portals that send ANSI N42.42 (2011)",
    role="radiation",
    line=LineSettings(baud=115200),
    status="from documents, no hardware",
    decoder=N42Decoder,
    late_s=LATE_S,
    down_s=DOWN_S,
)
