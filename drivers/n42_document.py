"""What an ANSI N42.42 document says: bytes in, measurements, alarms, nuclides and faults out. Lenient and safe. Pure.

Real exports break the schema: time zones as `-0500` or none at all, elements out of order, foreign ones between. Only
what is needed is looked at, wherever it stands. But a count that is no number is refused with its document: passing it
over could hide a source.

The XML is read with the standard library's expat. A document type is refused before anything of it is read, so that
there are no entities to expand or to fetch; size, depth and number of elements are bounded.
"""

from __future__ import annotations

import datetime
import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from failsafe.drivers.driver import FrameError

# A passage of 12 s in four panels is 70 KB; a long spectrum 60 KB.
DOCUMENT_LIMIT: Final = 1 << 20
_MOST_ELEMENTS: Final = 50_000
_DEEPEST: Final = 40
_MOST_WINDOWS: Final = 64
_TEXT_LIMIT: Final = 60
_ADVICE: Final = "Ask for the file anew, or set the device to ANSI N42.42-2011; `failsafe decode n42 FILE` tries it."
_NOWHERE: Final = (1 << 30, "")  # where and what a detector is that was never introduced

_EPOCH: Final = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_DURATION: Final = re.compile(
    r"P(?:([0-9]{1,4})D)?(?:T(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,9}(?:\.[0-9]*)?|\.[0-9]+)S)?)?"
)
_SECONDS: Final = (86400.0, 3600.0, 60.0, 1.0)
# Units of dose rate as documents write them, in nSv/h; the schema's own is uSv/h.
_NSV_H: Final = {"": 1e3, "usv/h": 1e3, "µsv/h": 1e3, "μsv/h": 1e3, "nsv/h": 1.0, "msv/h": 1e6, "sv/h": 1e9}


class N42Refused(FrameError):
    """Bytes that are no N42 document this house can read; the text says why and holds nothing of the content."""

    reason = "n42"


@dataclass(frozen=True, slots=True)
class Count:
    """What one detector counted: its id, its category (Gamma, Neutron ...), the counts and the live time."""

    detector: str
    category: str
    counts: float
    live_s: float | None


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement.

    `class_code` is Foreground, Background, Calibration, IntrinsicActivity or NotSpecified; `started_s` are seconds
    since 2000 on the instrument's own clock, for distances alone; `counts` has one entry a detector, in the order in
    which the document introduces them.
    """

    class_code: str
    started_s: float | None
    real_s: float | None
    occupied: bool | None
    counts: tuple[Count, ...]
    doses_nsv_h: tuple[float, ...] = ()
    speed_m_s: float | None = None


@dataclass(frozen=True, slots=True)
class Nuclide:
    name: str
    confidence: float | None
    category: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault the instrument tells; `severity` is Fatal, Error or Warning."""

    code: str
    description: str
    severity: str


@dataclass(frozen=True, slots=True)
class Document:
    """All that is taken from a document, in its order; `alarms` are categories: Neutron, Gamma, Isotope, Other ..."""

    manufacturer: str
    model: str
    measurements: tuple[Measurement, ...]
    alarms: tuple[str, ...]
    nuclides: tuple[Nuclide, ...]
    faults: tuple[Fault, ...]


def read(content: bytes) -> Document:
    """A document.

    Raises:
        N42Refused: it is too large, no XML, has a document type, is another kind of document, or tells a count or a
            dose rate that is none.
    """
    root = _tree(content.strip(b"\x00\x02\x03 \r\n\t"))
    if root.name == "N42InstrumentData":
        raise _refused("This is a document of N42.42-2006, which is not read.")
    if root.name != "RadInstrumentData":
        raise _refused("This XML is no N42 document.")
    told = enumerate(root.all("RadDetectorInformation"))
    detectors = {one.get("id"): (place, _brief(one.below("RadDetectorCategoryCode"))) for place, one in told}
    windows = {one.get("id"): _windows(one) for one in root.all("EnergyWindows")}
    instrument = next(root.all("RadInstrumentInformation"), _Element(""))
    return Document(
        _brief(instrument.below("RadInstrumentManufacturerName")),
        _brief(instrument.below("RadInstrumentModelName")),
        tuple(_measurement(one, detectors, windows) for one in root.all("RadMeasurement")),
        tuple(_brief(one.below("RadAlarmCategoryCode")) for one in root.all("RadAlarm")),
        tuple(_nuclides(root)),
        tuple(_faults(root)),
    )


def _refused(detail: str) -> N42Refused:
    return N42Refused(detail, _ADVICE)


# --- the XML -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Element:
    """An element by its name without namespace."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[_Element] = field(default_factory=list)

    def all(self, name: str) -> Iterator[_Element]:
        """The elements of this name at any depth, in their order; those inside each other once."""
        for child in self.children:
            if child.name == name:
                yield child
            else:
                yield from child.all(name)

    def below(self, name: str) -> str:
        """The text of the first element of this name, empty where there is none."""
        found = next(self.all(name), None)
        return "" if found is None else found.text.strip()

    def get(self, name: str) -> str:
        return self.attributes.get(name, "")


class _Builder:
    """Elements from expat's calls, within bounds."""

    def __init__(self) -> None:
        self.root = _Element("")
        self._open = [self.root]
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MOST_ELEMENTS or len(self._open) > _DEEPEST:
            raise _refused("This XML has too many elements, or too deep ones.")
        element = _Element(_local(name), {_local(key): value for key, value in attributes.items()})
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        self._open[-1].text += text

    def refuse_type(self, *_: object) -> None:
        raise _refused("This XML has a document type: entities are not read.")


def _tree(content: bytes) -> _Element:
    if len(content) > DOCUMENT_LIMIT:
        raise _refused(f"This document is longer than {DOCUMENT_LIMIT} bytes.")
    builder, parser = _Builder(), expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = builder.refuse_type
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise _refused(f"This is no XML: {what}, line {error.lineno}.") from None
    except (LookupError, ValueError):  # an encoding that there is not, or one of several bytes
        raise _refused("This XML is in an encoding that is not read.") from None
    return builder.root.children[0]


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


# --- what is taken from it -----------------------------------------------------------------------------------


_Detectors = dict[str, tuple[int, str]]  # place and category by id
_Windows = dict[str, list[tuple[float, float]]]  # start and end in keV by id


def _measurement(element: _Element, detectors: _Detectors, windows: _Windows) -> Measurement:
    item = next(element.all("RadItemState"), _Element(""))
    return Measurement(
        _brief(element.below("MeasurementClassCode")),
        _time(element.below("StartDateTime")),
        _duration(element.below("RealTimeDuration")),
        {"true": True, "1": True, "false": False, "0": False}.get(element.below("OccupancyIndicator")),
        tuple(sorted(_counts(element, detectors, windows), key=lambda one: detectors.get(one.detector, _NOWHERE)[0])),
        tuple(_dose(one) for one in element.all("DoseRateValue")),
        _number(item.below("SpeedValue")),
    )


def _counts(element: _Element, detectors: _Detectors, windows: _Windows) -> Iterator[Count]:
    """One entry a detector: its gross counts, else its first spectrum, since others are the same seen otherwise."""
    told: set[str] = set()
    for one in itertools.chain(element.all("GrossCounts"), element.all("Spectrum")):
        detector = one.get("radDetectorInformationReference")
        if detector in told:
            continue
        told.add(detector)
        gross = one.name == "GrossCounts"
        counts = _gross(one, windows) if gross else _spectrum(one)
        category = detectors.get(detector, _NOWHERE)[1] or ("Other" if gross else "Gamma")
        yield Count(detector, category, counts, _duration(one.below("LiveTimeDuration")))


def _windows(element: _Element) -> list[tuple[float, float]]:
    starts = _numbers(element.below("WindowStartEnergyValues"))
    ends = _numbers(element.below("WindowEndEnergyValues"))
    if max(len(starts), len(ends)) > _MOST_WINDOWS:
        raise _refused("This document has too many windows of energy.")
    return list(zip(starts, ends, strict=False))


def _gross(element: _Element, windows: _Windows) -> float:
    """The counts of all windows that do not overlap with a wider one."""
    counts = _count_list(element.below("CountData"))
    told = windows.get(element.get("energyWindowsReference"), [])
    if len(told) != len(counts):
        return sum(counts)
    taken: list[tuple[float, float]] = []
    total = 0.0
    for (start, end), count in sorted(zip(told, counts, strict=True), key=lambda row: row[0][0] - row[0][1]):
        if all(end <= low or start >= high for low, high in taken):
            taken.append((start, end))
            total += count
    return total


def _spectrum(element: _Element) -> float:
    data = next(element.all("ChannelData"), _Element(""))
    channels = _count_list(data.text)
    if data.get("compressionCode") != "CountedZeroes":
        return sum(channels)
    total, rest = 0.0, iter(channels)
    for count in rest:
        if count == 0.0:
            next(rest, None)  # how many zeros stand here
        total += count
    return total


def _nuclides(root: _Element) -> Iterator[Nuclide]:
    for one in root.all("Nuclide"):
        if one.below("NuclideIdentifiedIndicator") in ("true", "1"):
            confidence = _number(one.below("NuclideIDConfidenceValue"))
            yield Nuclide(_brief(one.below("NuclideName")), confidence, _brief(one.below("NuclideCategoryDescription")))


def _faults(root: _Element) -> Iterator[Fault]:
    for one in root.all("Fault"):
        texts = (one.below(name) for name in ("FaultCodeValue", "FaultDescription", "FaultSeverityCode"))
        yield Fault(*map(_brief, texts))


# --- values --------------------------------------------------------------------------------------------------


def _brief(text: str) -> str:
    """A device's own words on one short line of printable characters."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())[:_TEXT_LIMIT]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _numbers(text: str) -> list[float]:
    """The numbers of a list; empty where one of them is none."""
    numbers = [_number(part) for part in text.split()]
    return [] if None in numbers else [number for number in numbers if number is not None]


def _count_list(text: str) -> list[float]:
    numbers = _numbers(text)
    if not numbers or min(numbers) < 0 or max(numbers) > 1e12:
        raise _refused("This document tells a count that is no number.")
    return numbers


def _dose(element: _Element) -> float:
    number = _number(element.text.strip())
    factor = _NSV_H.get(element.get("units").strip().casefold())
    if number is None or number < 0 or factor is None:
        raise _refused("This document tells a dose rate that is none, or in a unit that is not known.")
    return number * factor


def _duration(text: str) -> float | None:
    """Seconds of a duration such as PT0.1S; None where it is none, or nothing."""
    told = _DURATION.fullmatch(text)
    parts = told.groups() if told else ()
    seconds = sum(float(part) * unit for part, unit in zip(parts, _SECONDS, strict=bool(parts)) if part)
    return seconds or None


def _time(text: str) -> float | None:
    """Seconds since 2000; a time without a zone is taken as UTC, since it only serves for distances."""
    try:
        time = datetime.datetime.fromisoformat(text)
        return ((time if time.tzinfo else time.replace(tzinfo=datetime.UTC)) - _EPOCH).total_seconds()
    except (ValueError, OverflowError):
        return None
