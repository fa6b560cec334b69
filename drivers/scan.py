"""Which driver a line's bytes speak for: every decoder reads them, and the readings are weighed. Pure.

Nobody knows from outside what hangs on a port. A line is listened to at the settings of the known drivers, one after
the other; what comes at a wrong speed is noise to every decoder. Bytes arrive at any speed, though: a line that is
silent at one is silent at all, and only asking can help.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal

from failsafe.drivers import masking, mrz
from failsafe.drivers.driver import Decoder, Driver, LineSettings
from failsafe.drivers.reading import DeviceHealth, DocumentRead, Malformed, Reading, SetUp, Unknown

Grade = Literal["sure", "likely", "possible", "no"]
GRADES: Final[tuple[Grade, ...]] = ("sure", "likely", "possible", "no")

# Speeds that devices of these families are set to beside their usual ones: GMC-300, GC10next, portals and readers
# that somebody has set otherwise.
_ALSO_SEEN: Final = (
    LineSettings(57600),
    LineSettings(19200),
    LineSettings(9600, parity="O"),
    LineSettings(9600, 7, "E"),
    LineSettings(38400),
    LineSettings(4800),
)
_ASKED_ALSO: Final[Mapping[str, tuple[LineSettings, ...]]] = {
    "gmc": (LineSettings(57600),),
    "elyctis": (LineSettings(115200),),
}
# Listening may begin in the middle of anything: so much before the first good reading is nobody's fault.
_TORN_BEGINNING: Final = 256
_CLEAN: Final = 0.05  # of the bytes are lost, at most, on a line that is set right
_BEARABLE: Final = 0.3
_SURE_FROM: Final = 2.0  # readings; one that proves itself, such as a zone whose check digits hold, counts for more
_PROVEN: Final = 3.0
_EXCERPT: Final = 60
_NUMBERS: Final = frozenset(b"0123456789 .\r\n\0")


def line_settings(drivers: Iterable[Driver]) -> tuple[LineSettings, ...]:
    """The settings to listen at, in this order: each driver's own, then what else is met with."""
    return tuple(dict.fromkeys((*(driver.line for driver in drivers), *_ALSO_SEEN)))


def questions(drivers: Iterable[Driver]) -> tuple[tuple[Driver, LineSettings], ...]:
    """With whose questions to ask at which settings, in order: each driver's own, then others it is met at."""
    asking = [driver for driver in drivers if _asks(driver)]
    own = [(driver, driver.line) for driver in asking]
    return (*own, *((driver, line) for driver in asking for line in _ASKED_ALSO.get(driver.name, ())))


def _asks(driver: Driver) -> bool:
    with suppress(Exception):  # a third party's may fail; then it is not asked with
        return bool(driver.decoder().to_send(0.0))
    return False


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one driver makes of a line.

    Attributes:
        driver: whose decoder it was.
        grade: how sure it is that the device is of this driver.
        points: how much was understood; for comparing.
        lost: the part of the bytes that was not understood.
        why: in words.
    """

    driver: Driver
    grade: Grade
    points: float
    lost: float
    why: str

    @property
    def clean(self) -> bool:
        """The line is set right for it: next to nothing is lost."""
        return self.lost <= _CLEAN


@dataclass(slots=True)
class _Pupil:
    """One decoder that reads along."""

    driver: Driver
    decoder: Decoder | None
    points: float = 0.0
    forgiven: int = 0
    lost: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def receive(self, chunk: bytes, now: float) -> None:
        if self.decoder is None:
            return
        try:
            readings = self.decoder.receive(chunk, now)
        except Exception:  # a third party's: it takes no part any more
            self.decoder = None
            return
        for reading in readings:
            self._take(reading)

    def _take(self, reading: Reading) -> None:
        if isinstance(reading, Malformed):
            if not self.points and self.forgiven + reading.length <= _TORN_BEGINNING:
                self.forgiven += reading.length
            else:
                self.lost += reading.length
            return
        points = _points(reading)
        if points:
            self.points += points
            self.kinds[_noun(reading)] += 1


class Hearing:
    """All drivers' decoders on one line; itself a decoder that says nothing of what it reads.

    Args:
        drivers: who judges.
        asked: the driver whose questions are put to the device; None: nothing is ever sent.
    """

    def __init__(self, drivers: Sequence[Driver], asked: Driver | None = None) -> None:
        self._pupils = [_pupil(driver) for driver in drivers]
        self._asked = next((one for one in self._pupils if asked is not None and one.driver is asked), None)
        self._bare_numbers = True
        self._excerpt = b""
        self.length = 0

    def receive(self, chunk: bytes, now: float) -> list[Reading]:
        """See `Decoder.receive`; there are never readings."""
        self.length += len(chunk)
        self._bare_numbers = self._bare_numbers and _NUMBERS.issuperset(chunk)
        self._excerpt = (self._excerpt + chunk)[-_EXCERPT:]
        for pupil in self._pupils:
            pupil.receive(chunk, now)
        return []

    def to_send(self, now: float) -> bytes:
        """The asked driver's questions, nothing else."""
        if self._asked is None or self._asked.decoder is None:
            return b""
        try:
            return self._asked.decoder.to_send(now)
        except Exception:
            self._asked.decoder = None
            return b""

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """Who understood anything, the best first; drivers that understood the same stand in their own order."""
        judged = [judgement for pupil in self._pupils if (judgement := self._judgement(pupil)) is not None]
        return tuple(sorted(judged, key=lambda one: (GRADES.index(one.grade), one.lost, -one.points)))

    @property
    def excerpt(self) -> str:
        """The last of what was heard, letters and digits masked: it may be a document."""
        text = masking.masked_text(self._excerpt.decode("latin-1"))
        return "".join(char if char.isprintable() else "." for char in text)

    def _judgement(self, pupil: _Pupil) -> Judgement | None:
        if not pupil.points:
            return None
        lost = pupil.lost / max(self.length, 1)
        grade: Grade = "sure" if pupil.points >= _SURE_FROM and lost <= _CLEAN else "likely"
        grade = "possible" if lost > _BEARABLE else grade
        why = ", ".join(f"{number} {kind}" for kind, number in sorted(pupil.kinds.items()))
        why += f"; {lost:.0%} of the bytes not understood" if lost else "; nothing malformed"
        if self._bare_numbers and grade == "sure":
            grade, why = "likely", f"{why}; bare numbers, which other devices may send too"
        return Judgement(pupil.driver, grade, pupil.points, lost, why)


def _pupil(driver: Driver) -> _Pupil:
    try:
        return _Pupil(driver, driver.decoder())
    except Exception:
        return _Pupil(driver, None)


def _points(reading: Reading) -> float:
    """How much a reading says for its driver; none where noise or another device could bring it about."""
    match reading:
        case DocumentRead(lines=lines, holder=holder):
            if holder is not None or mrz.parse(lines).valid:
                return _PROVEN
            return 1.0 if lines else 0.0
        case DeviceHealth(fault=fault, ok=ok):
            return 1.0 if ok or fault != "DEVICE" else 0.0  # its silence is told so too
        case SetUp():
            return 1.0
        case Unknown() | Malformed():
            return 0.0
    return 1.0


def _noun(reading: Reading) -> str:
    match reading:
        case SetUp():
            return "set-up"
        case DeviceHealth(ok=True, detail=detail) if detail:
            return f"word of itself ({detail})"
        case DeviceHealth(fault=fault):
            return f"word of its state ({fault})"
    return {"gamma": "gamma count", "neutron": "neutron count"}.get(reading.kind, reading.kind)


# --- ready-made configuration ----------------------------------------------------------------------------------


def table(driver: Driver, port: str, settings: LineSettings, name: str) -> str:
    """The table of booth.toml for a device that was found; `lane` is left to be filled in."""
    heading = "readers" if driver.role == "document" else "portals"
    rows = [
        f"[[{heading}]]",
        f"name = {_quoted(name)}",
        'lane = "?"  # put in the name of the lane it stands in',
        f"driver = {_quoted(driver.name)}",
        f"port = {_quoted(port)}",
        *_differing(settings, driver.line),
    ]
    return "\n".join(rows) + "\n"


def _differing(settings: LineSettings, usual: LineSettings) -> Iterator[str]:
    if settings.baud != usual.baud:
        yield f"baud = {settings.baud}"
    if settings.byte_size != usual.byte_size:
        yield f"byte_size = {settings.byte_size}"
    if settings.parity != usual.parity:
        yield f"parity = {_quoted(settings.parity)}"
    if settings.stop_bits != usual.stop_bits:
        yield f"stop_bits = {settings.stop_bits}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def in_short(settings: LineSettings) -> str:
    """As technicians write it: 19200 8O1."""
    return f"{settings.baud} {settings.byte_size}{settings.parity}{settings.stop_bits}"
