"""What a decoder says it saw: the readings of documents and of radiation.

`at` is always the monotonic time, in seconds, that the caller gave when the bytes arrived (back-dated by the decoder
where the device sends a look-back burst). Panels keep the order of the device's line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

Channel = Literal["gamma", "neutron"]
OccupancyPhase = Literal["began", "ended"]
DeviceFault = Literal["HIGH_BG", "LOW_BG", "TAMPER", "DEVICE"]

# Stands in a zone's line for a character the reader rejected: in no zone's alphabet, and one character a place.
REJECTED: Final = "?"


@dataclass(frozen=True, slots=True, repr=False)
class Licence:
    """A driving licence or identity card of North America, from its barcode; what is not there is empty.

    Dates are ISO 8601; `sex` is M, F or X; `country` has three letters.
    """

    surname: str
    given_names: str
    birth_date: str
    sex: str
    expiry_date: str
    number: str
    country: str


@dataclass(frozen=True, slots=True, repr=False)
class BoardingPass:
    """The name on a boarding pass: a hint and no proof of anything, cut at 20 characters, a title often glued on."""

    surname: str
    given_names: str


@dataclass(frozen=True, slots=True)
class DocumentRead:
    """A document lay on a reader.

    `lines` are the zone's lines as the reader sent them; a character that is not of the zone's alphabet marks a place
    the reader rejected. Empty `lines` without a `holder` mean that the reader saw a document and could not read it.
    """

    kind: ClassVar[str] = "document"
    at: float
    lines: tuple[str, ...] = field(repr=False)  # a zone never reaches a log
    source: Literal["zone", "barcode", "licence", "boarding pass"] = "zone"
    holder: Licence | BoardingPass | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Background:
    """Background per panel in counts per second, as the device reports it between occupancies."""

    kind: ClassVar[str] = "background"
    at: float
    channel: Channel
    panels_cps: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """Counts per panel in one interval; `kind` is the channel.

    The interval is one of an occupancy, or, from a device that knows no occupancies, the one after its last.
    """

    at: float
    channel: Channel
    counts: tuple[int, ...]
    interval_s: float

    @property
    def kind(self) -> str:
        return self.channel


@dataclass(frozen=True, slots=True)
class Dose:
    """Ambient dose rate of a hand-held or static instrument."""

    kind: ClassVar[str] = "dose"
    at: float
    nsv_h: float


@dataclass(frozen=True, slots=True)
class Rate:
    """A mean count rate as a device tells it that tells no counts: each overlaps with those before it.

    `window_s` is the time it is taken over, None where the device does not say.
    """

    kind: ClassVar[str] = "rate"
    at: float
    channel: Channel
    cps: float
    window_s: float | None = None


@dataclass(frozen=True, slots=True)
class Identification:
    """A nuclide that the device says it recognised.

    `confidence` is the device's own figure, in its own scale; `category` its own word (NORM, Medical, SNM ...).
    """

    kind: ClassVar[str] = "identification"
    at: float
    nuclide: str
    confidence: float | None = None
    category: str = ""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """The detector's view of one passage began or ended.

    At the end `speed_m_s` where the device measures it, and `neutron_cps`, the neutron background of all panels
    together, where the device tells it there.
    """

    kind: ClassVar[str] = "occupancy"
    at: float
    phase: OccupancyPhase
    speed_m_s: float | None = None
    neutron_cps: float | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """The device's own alarm: it always counts, whatever the detector's health."""

    kind: ClassVar[str] = "alarm"
    at: float
    channel: Channel
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    """A fault the device reports of itself, or that it is over (`ok`)."""

    kind: ClassVar[str] = "health"
    at: float
    fault: DeviceFault
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A well-formed line with a tag this driver does not use: counted, never a fault."""

    kind: ClassVar[str] = "unknown"
    at: float
    tag: str


@dataclass(frozen=True, slots=True)
class SetUp(Unknown):
    """What a device tells of its own setting, field by field; `nsigma` is the factor of its gamma alarm, where told.

    A field that is no number (a mode's letter, a version) stands as its text.
    """

    fields: tuple[float | str, ...] = ()
    nsigma: float | None = None


@dataclass(frozen=True, slots=True)
class Malformed:
    """Bytes that are no line or frame of this device; `detail` carries no content of a document."""

    kind: ClassVar[str] = "malformed"
    at: float
    detail: str
    length: int


Reading = (
    DocumentRead
    | Background
    | Scan
    | Dose
    | Rate
    | Identification
    | Occupancy
    | Alarm
    | DeviceHealth
    | Unknown
    | Malformed
)
