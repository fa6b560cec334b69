"""A passage as an ANSI N42.42-2011 document: what the detector counted, and who called it an alarm. Pure.

For whoever judges the alarm later, with instruments of their own. It names the detector and no person: alerts speak of
it by their ids. What is written here is strictly of the schema, whose order is that of the functions below.

- Gamma is a spectrum of one channel, 0 to 3000 keV: the usual reader (SpecUtils) takes gamma gross counts for 0.
- The background is a rate, as the device tells it; it stands here as the counts of one second.
- The device's own alarms and those of the booth's tests are two analyses with different names.
- Names have a pattern in the schema that few texts fit: the description beside them has the whole (`_name`).
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from xml.sax.saxutils import escape

from failsafe.agent.radiation.course import Course, Instrument, Interval, Level
from failsafe.agent.radiation.own_alarm import OwnAlarm
from failsafe.drivers.reading import Background, Channel, Identification
from failsafe.sync.reports import MEASUREMENT_LENGTH, Measurement, Moment, Place, RadiationSummary, utc

Ends = Literal["ended", "standing", "stopped"]
NAMESPACE: Final = "http://physics.nist.gov/N42/2011/N42"
CREATOR: Final = "Fail Safe Edge"
CONTENT_TYPE: Final = "application/xml"

_CHANNELS: Final[tuple[Channel, ...]] = ("gamma", "neutron")
_CODES: Final[dict[Channel, str]] = {"gamma": "Gamma", "neutron": "Neutron"}
_ERRORS: Final = frozenset({"LINK_DOWN", "TAMPER", "DEVICE", "STUCK", "UNKNOWN"})
_NSV: Final = 1000.0  # in a microsievert
_TEXT_LIMIT: Final = 200
_MOST_PANELS: Final = 64
_ENDS: Final[dict[Ends, str]] = {
    "ended": "",
    "standing": "The passage had not ended when this was written: somebody was standing in the detector.",
    "stopped": "Booth or recording ended during the passage.",
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A passage to be written down.

    Attributes:
        id: of the document, a UUID.
        detector: its configured name.
        portal: people or vehicles pass through it.
        wall_less_monotonic_s: added to a monotonic time it gives UTC seconds since 1970.
        health: of the detector over the passage; anything but OK becomes a fault.
        advice: what is done about it.
        remarks: whatever else a reader has to know.
    """

    id: str
    detector: str
    instrument: Instrument
    course: Course
    own: tuple[OwnAlarm, ...]
    health: str
    wall_less_monotonic_s: float
    advice: str = ""
    portal: bool = True
    ends: Ends = "ended"
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A measurement before its document is written, which takes some milliseconds."""

    recorded: Recorded
    at: Moment
    place: Place
    alerts: tuple[str, ...]
    radiation: RadiationSummary

    def measurement(self) -> Measurement:
        """The record; the same each time."""
        content, packed, summed = fitting(self.recorded)
        return Measurement(
            id=self.recorded.id,
            at=self.at,
            place=self.place,
            alerts=self.alerts,
            radiation=self.radiation,
            ends=self.recorded.ends,
            summed=summed,
            size=len(content),
            document=packed,
        )


def fitting(recorded: Recorded, limit: int = MEASUREMENT_LENGTH) -> tuple[bytes, bytes, int]:
    """The document, the same compressed to at most `limit` bytes, and how many intervals are one in it."""
    course = recorded.course
    while True:
        content = document(recorded, course)
        packed = zlib.compress(content, 9)
        if len(packed) <= limit or course.intervals <= 3:
            return content, packed, course.summed
        course = course.coarser()


def document(recorded: Recorded, course: Course | None = None) -> bytes:
    """The whole document in UTF-8; `course` stands for the record's own."""
    return "\n".join(_Writer(recorded, course or recorded.course).lines()).encode()


class _Writer:
    def __init__(self, recorded: Recorded, course: Course) -> None:
        self._of = recorded
        self._course = course
        self._panels = {channel: _panels(channel, course, recorded.own) for channel in _CHANNELS}
        if not any(self._panels.values()):
            self._panels["gamma"] = 1  # the schema wants one detector at least

    def lines(self) -> Iterator[str]:
        yield '<?xml version="1.0" encoding="UTF-8"?>'
        yield f'<RadInstrumentData xmlns="{NAMESPACE}" n42DocUUID="{self._of.id}">'
        yield from self._remarks()
        yield f"<RadInstrumentDataCreatorName>{CREATOR}</RadInstrumentDataCreatorName>"
        yield from self._instrument()
        yield from self._detectors()
        yield '<EnergyCalibration id="whole"><CoefficientValues>0 3000 0</CoefficientValues></EnergyCalibration>'
        yield from self._measurements()
        yield from self._analyses()
        yield "</RadInstrumentData>"

    def _remarks(self) -> Iterator[str]:
        summed = self._course.summed
        coarse = f"A long passage: {summed} intervals of the detector are one here." if summed > 1 else ""
        for text in (_ENDS[self._of.ends], coarse, *self._rates(), *self._of.remarks):
            if text:
                yield f"<Remark>{_text(text)}</Remark>"

    def _rates(self) -> Iterator[str]:
        for channel, rate in self._course.rates:
            yield f"Highest mean {channel} rate that the detector told: {rate.highest:g} counts a second."

    # --- instrument and detectors --------------------------------------------------------------------------------

    def _instrument(self) -> Iterator[str]:
        told = self._of.instrument
        yield '<RadInstrumentInformation id="instrument">'
        yield f"<RadInstrumentManufacturerName>{_name(told.makes)}</RadInstrumentManufacturerName>"
        yield f"<RadInstrumentIdentifier>{_name(self._of.detector)}</RadInstrumentIdentifier>"
        yield f"<RadInstrumentModelName>{_name(f'driver {told.driver}')}</RadInstrumentModelName>"
        yield f"<RadInstrumentDescription>{_text(f'{self._of.detector}: {told.makes}')}</RadInstrumentDescription>"
        yield f"<RadInstrumentClassCode>{'Portal Monitor' if self._of.portal else 'Other'}</RadInstrumentClassCode>"
        yield f"<RadInstrumentVersion><RadInstrumentComponentName>{CREATOR}</RadInstrumentComponentName>"
        yield f"<RadInstrumentComponentVersion>{_name(told.version)}</RadInstrumentComponentVersion>"
        yield "</RadInstrumentVersion>"
        yield "</RadInstrumentInformation>"

    def _detectors(self) -> Iterator[str]:
        for channel, count in self._panels.items():
            for panel in range(1, count + 1):
                yield (
                    f'<RadDetectorInformation id="{channel}{panel}">'
                    f"<RadDetectorName>{channel} panel {panel}</RadDetectorName>"
                    f"<RadDetectorCategoryCode>{_CODES[channel]}</RadDetectorCategoryCode>"
                    "<RadDetectorKindCode>Other</RadDetectorKindCode></RadDetectorInformation>"
                )
        if self._course.doses:
            yield (
                '<RadDetectorInformation id="dose"><RadDetectorName>dose rate</RadDetectorName>'
                "<RadDetectorCategoryCode>Gamma</RadDetectorCategoryCode>"
                "<RadDetectorKindCode>Other</RadDetectorKindCode></RadDetectorInformation>"
            )

    # --- measurements --------------------------------------------------------------------------------------------

    def _measurements(self) -> Iterator[str]:
        for channel, background in self._course.backgrounds:
            yield from self._background(channel, background)
        for channel in _CHANNELS:
            for number, interval in enumerate(_strip(self._course, channel), start=1):
                yield from self._interval(f"{channel[0]}{number}", channel, interval)
        for number, dose in enumerate(self._course.doses, start=1):
            yield from self._dose(f"d{number}", dose)
        yield from self._state()

    def _background(self, channel: Channel, background: Background) -> Iterator[str]:
        if not all(map(math.isfinite, background.panels_cps)):
            return  # better none than a wrong one
        yield from self._head(f"b{channel[0]}", "Background", background.at - 1.0, 1.0)
        yield from self._counts(f"b{channel[0]}", channel, background.panels_cps, 1.0)
        yield "<OccupancyIndicator>false</OccupancyIndicator></RadMeasurement>"

    def _interval(self, name: str, channel: Channel, interval: Interval) -> Iterator[str]:
        real_s = max(interval.ended_at - interval.began_at, interval.live_s)
        yield from self._head(name, "Foreground", interval.began_at, real_s)
        yield from self._counts(name, channel, interval.counts, interval.live_s)
        yield "<OccupancyIndicator>true</OccupancyIndicator></RadMeasurement>"

    def _dose(self, name: str, dose: Level) -> Iterator[str]:
        yield from self._head(name, "Foreground", dose.began_at, dose.ended_at - dose.began_at)
        yield f'<DoseRate id="{name}r" radDetectorInformationReference="dose">'
        yield f"<DoseRateValue>{_number(dose.highest / _NSV)}</DoseRateValue></DoseRate>"
        yield "<OccupancyIndicator>true</OccupancyIndicator></RadMeasurement>"

    def _head(self, name: str, kind: str, began_at: float, real_s: float) -> Iterator[str]:
        yield f'<RadMeasurement id="{name}"><MeasurementClassCode>{kind}</MeasurementClassCode>'
        yield f"<StartDateTime>{self._moment(began_at)}</StartDateTime>"
        yield f"<RealTimeDuration>{_duration(real_s)}</RealTimeDuration>"

    def _counts(self, name: str, channel: Channel, counts: Sequence[float], live_s: float) -> Iterator[str]:
        live = f"<LiveTimeDuration>{_duration(live_s)}</LiveTimeDuration>"
        for panel, count in enumerate(counts[:_MOST_PANELS], start=1):
            of = f'radDetectorInformationReference="{channel}{panel}"'
            if channel == "gamma":
                yield f'<Spectrum id="{name}-{panel}" {of} energyCalibrationReference="whole">{live}'
                yield f"<ChannelData>{_number(count)}</ChannelData></Spectrum>"
            else:
                yield f'<GrossCounts id="{name}-{panel}" {of}>{live}'
                yield f"<CountData>{_number(count)}</CountData></GrossCounts>"

    def _state(self) -> Iterator[str]:
        """The detector's fault, in a measurement of its own that measured nothing."""
        if self._of.health == "OK":
            return
        yield from self._head("state", "NotSpecified", self._last_at(), 0.0)
        yield '<RadInstrumentState radInstrumentInformationReference="instrument"><Fault>'
        yield f"<FaultCodeValue>{_text(self._of.health)}</FaultCodeValue>"
        yield f"<FaultDescription>{_text(self._of.advice)}</FaultDescription>"
        severity = "Error" if self._of.health in _ERRORS else "Warning"
        yield f"<FaultSeverityCode>{severity}</FaultSeverityCode></Fault></RadInstrumentState></RadMeasurement>"

    def _last_at(self) -> float:
        told = self._course
        ends = [one.ended_at for strip in (told.gamma, told.neutron, told.doses) for one in strip]
        return max(
            [*ends, *(one.at for _, one in told.backgrounds), *(one.last_at for _, one in told.alarms)], default=0.0
        )

    # --- analyses ------------------------------------------------------------------------------------------------

    def _analyses(self) -> Iterator[str]:
        if self._course.alarms or self._course.nuclides:
            yield "<AnalysisResults><AnalysisAlgorithmName>The detector itself</AnalysisAlgorithmName>"
            for channel, told in self._course.alarms:
                what = f"The detector's own alarm, on {told.times} of its intervals."
                yield from self._alarm(channel, told.first_at, what, ())
            yield from self._nuclides(self._course.nuclides)
            yield "</AnalysisResults>"
        if self._of.own:
            yield "<AnalysisResults><AnalysisAlgorithmName>Tests of the booth</AnalysisAlgorithmName>"
            yield f"<AnalysisAlgorithmCreatorName>{CREATOR}</AnalysisAlgorithmCreatorName>"
            for own in self._of.own:
                what = f"Own test {own.test}: strength {own.strength:.4g}, threshold {own.threshold:.4g}."
                yield from self._alarm(own.channel, own.at, what, own.panels)
            yield "</AnalysisResults>"

    def _alarm(self, channel: Channel, at: float, what: str, panels: Sequence[int]) -> Iterator[str]:
        count = self._panels[channel]
        of = [panel for panel in dict.fromkeys(panels) if 1 <= panel <= count] or range(1, count + 1)
        references = " ".join(f"{channel}{panel}" for panel in of)
        yield f'<RadAlarm radDetectorInformationReferences="{references}">'
        yield f"<RadAlarmDateTime>{self._moment(at)}</RadAlarmDateTime>"
        yield f"<RadAlarmCategoryCode>{_CODES[channel]}</RadAlarmCategoryCode>"
        yield f"<RadAlarmDescription>{_text(what)}</RadAlarmDescription></RadAlarm>"

    def _nuclides(self, nuclides: Iterable[Identification]) -> Iterator[str]:
        found = list(nuclides)
        if not found:
            return
        yield "<NuclideAnalysisResults>"
        for one in found:
            yield "<Nuclide><NuclideIdentifiedIndicator>true</NuclideIdentifiedIndicator>"
            yield f"<NuclideName>{_name(one.nuclide)}</NuclideName>{_confidence(one.confidence)}"
            if one.category:
                yield f"<NuclideCategoryDescription>{_text(one.category)}</NuclideCategoryDescription>"
            yield "</Nuclide>"
        yield "</NuclideAnalysisResults>"

    def _moment(self, at: float) -> str:
        return utc(at + self._of.wall_less_monotonic_s)


def _panels(channel: Channel, course: Course, own: Iterable[OwnAlarm]) -> int:
    """How many panels of a channel are spoken of."""
    told = [len(one.counts) for one in _strip(course, channel)]
    told += [len(one.panels_cps) for of, one in course.backgrounds if of == channel]
    told += [max(alarm.panels, default=1) for alarm in own if alarm.channel == channel]
    told += [1 for of, _ in course.alarms if of == channel]
    return min(max(told, default=0), _MOST_PANELS)


def _strip(course: Course, channel: Channel) -> tuple[Interval, ...]:
    return course.gamma if channel == "gamma" else course.neutron


def _confidence(confidence: float | None) -> str:
    if confidence is None or not 0.0 <= confidence <= 100.0:
        return "<NuclideIDConfidenceDescription>not told in per cent</NuclideIDConfidenceDescription>"
    return f"<NuclideIDConfidenceValue>{_number(confidence)}</NuclideIDConfidenceValue>"


def _number(value: float) -> str:
    """Counts and rates without an exponent where they are whole; what is no number is nothing."""
    if not math.isfinite(value) or value < 0:
        return "0"
    return str(int(value)) if float(value).is_integer() and value < 1e15 else f"{value:.6g}"


def _duration(seconds: float) -> str:
    """The schema wants some time: what took none took a millisecond."""
    told = f"{max(seconds, 0.001) if math.isfinite(seconds) else 0.001:.3f}".rstrip("0").rstrip(".")
    return f"PT{told}S"


def _text(text: str) -> str:
    """Any text on one line, with nothing in it that XML forbids."""
    shown = "".join(char for char in " ".join(text.split()) if char.isprintable())
    return escape(shown[:_TEXT_LIMIT].strip()) or "not told"


def _name(text: str) -> str:
    """A text for elements in which but one word may hold anything beside letters and figures."""
    words = "".join(char if char.isprintable() and char.isascii() else " " for char in text)[:_TEXT_LIMIT].split()
    if sum(not word.isalnum() for word in words) > 1:
        words = re.sub("[^A-Za-z0-9]+", " ", " ".join(words)).split()
    return escape(" ".join(words)) or "not told"
