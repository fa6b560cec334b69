"""The contract of a driver, and the drivers that come with the house.

A driver is one file: a `Driver` that describes the device, and a decoder, which turns bytes and a time into readings
and never touches a port. Third parties add one through the entry point group `failsafe.drivers`: a `Driver` under its
own name (docs/driver-howto.md walks through one).

DriverError
├── DriverRefused        a third party's driver cannot be used
├── FrameError           the bytes are bad; only a decoder's own tests see it, a decoder answers with Malformed
└── LineFault            the line is bad
    ├── LineAbsent       no such port: unplugged, not yet plugged, wrong name
    ├── LineLocked       another program holds the port
    ├── LineDenied       this user may not open the port
    └── LineLost         the port was open and went away
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import ClassVar, Final, Literal, Protocol

from failsafe.drivers.reading import Reading

ENTRY_POINTS: Final = "failsafe.drivers"


class DriverError(Exception):
    """Base of both trees; `advice` is what the technician does next."""

    reason: ClassVar[str] = "fault"
    usual_advice: ClassVar[str] = "Run `failsafe watch` on the port and see what arrives."

    def __init__(self, detail: str, advice: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.advice = advice or self.usual_advice

    def __str__(self) -> str:
        return f"{self.detail} {self.advice}"


class DriverRefused(DriverError, KeyError):
    """A driver from outside the house does not load, or is none."""

    reason = "driver"
    usual_advice = "Ask its maker for a version that fits, or uninstall it; docs/driver-howto.md says what a driver is."


class FrameError(DriverError):
    reason = "frame"


class LineFault(DriverError):
    reason = "line"


class LineAbsent(LineFault):
    reason = "absent"
    usual_advice = "Plug the device in, or correct `port` in the configuration; the booth tries again by itself."


class LineLocked(LineFault):
    reason = "locked"
    usual_advice = "End the other program that holds the port; the booth tries again by itself."


class LineDenied(LineFault):
    reason = "denied"
    usual_advice = "Add the service's user to the port's group (dialout), then restart the service."


class LineLost(LineFault):
    reason = "lost"
    usual_advice = "Check the cable and the device's power; the booth tries again by itself."


class Decoder(Protocol):
    """Bytes of one line in, readings out. A decoder keeps a bounded buffer and never raises for any bytes."""

    def receive(self, chunk: bytes, now: float) -> Sequence[Reading]:
        """The readings that `chunk`, arrived at monotonic time `now`, completes; an empty chunk lets time pass."""
        ...

    def to_send(self, now: float) -> bytes:
        """What the device must be told at `now`; empty where it only talks."""
        ...


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How the device's serial line is set unless the configuration says otherwise."""

    baud: int = 9600
    byte_size: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1


@dataclass(frozen=True, slots=True)
class Driver:
    """A device family.

    `late_s` and `down_s`: after how long a silence of the line its readings no longer count (None: the device is
    silent by nature, as a document reader is). `status` says honestly what the driver was tried on.
    """

    name: str
    makes: str
    role: Literal["document", "radiation"]
    line: LineSettings
    status: Literal["captures", "documented frames", "from documents, no hardware"]
    decoder: Callable[[], Decoder]
    late_s: float | None = None
    down_s: float | None = None


def built_in() -> tuple[Driver, ...]:
    """The drivers of the house, in the order technicians see them."""
    from failsafe.drivers import cpm_lines, cute, elyctis, gmc, lines, n42, radeye, tsa

    documents = (cute.DRIVER, elyctis.DRIVER, lines.DRIVER, lines.HONEYWELL, lines.NEWLAND)
    detectors = (tsa.DRIVER, n42.DRIVER, radeye.DRIVER, gmc.DRIVER)
    return (*documents, *detectors, cpm_lines.RADPRO, cpm_lines.BGEIGIE, cpm_lines.MIGHTYOHM, cpm_lines.GC10)


def installed() -> tuple[str, ...]:
    """The names of all drivers, third parties' too; nothing of theirs is loaded."""
    ours = [driver.name for driver in built_in()]
    return (*ours, *sorted({point.name for point in entry_points(group=ENTRY_POINTS)} - {*ours}))


def find(name: str) -> Driver:
    """The driver called `name`: one of the house, or a third party's, which is loaded now and only if it is asked for.

    Raises:
        KeyError: there is none; the message lists those there are.
        DriverRefused: a third party's, also a KeyError: it does not load, or what it gives is no driver of that name.
    """
    for driver in built_in():
        if driver.name == name:
            return driver
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return _loaded(point)
    raise KeyError(f"There is no driver {name!r}; there are: {', '.join(sorted(installed()))}.")


def _loaded(point: EntryPoint) -> Driver:
    """A third party's driver; whatever goes wrong in its code is a refusal, and no other driver minds."""
    try:
        driver = point.load()
    except Exception as error:
        raise DriverRefused(f"The driver {point.name!r} does not load ({type(error).__name__}).") from error
    if not isinstance(driver, Driver) or driver.name != point.name:
        raise DriverRefused(f"{point.value!r} is no driver of the name {point.name!r}.")
    return driver
