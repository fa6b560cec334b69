"""What happens to a simulated device, and when: a small text that people write and read.

    # a source in the lane, then the cable is pulled
    10 passage 0 4
    20 passage 600 4
    5 unplug
    3 plug

Each line: seconds after the line before, an act, and its values where it takes some. `#` begins a remark.

    detectors           passage SOURCE SECONDS (counts per second at its nearest), source CPS, background TIMES,
                        trouble (the cabinet is opened, or a part fails), mend, stuck, loose
    document readers    document, unreadable, half, barcode
    both                silence, talk, noise (in place of all that it says), clear, garbage BYTES, unplug, plug
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from failsafe.drivers.detectors import Detector
from failsafe.drivers.readers import Reader
from failsafe.drivers.simulator import Pty

Value = tuple[float, ...]


class Device(Protocol):
    """What every simulated device can be made to do."""

    pty: Pty
    pace: float
    silent: bool
    noisy: bool

    def garbage(self, length: int = 64, seed: int = 0) -> None: ...


@dataclass(frozen=True, slots=True)
class Act:
    """One line of a script: `after_s` seconds of the device's time after the one before."""

    after_s: float
    what: str
    values: Value = ()


class ScriptRefused(ValueError):
    """A script with a line that is none; the text names it and the acts there are."""


_BOTH: Final[Mapping[str, tuple[int, Callable[[Device, Value], None]]]] = {
    "silence": (0, lambda device, _: setattr(device, "silent", True)),
    "talk": (0, lambda device, _: setattr(device, "silent", False)),
    "noise": (0, lambda device, _: setattr(device, "noisy", True)),
    "clear": (0, lambda device, _: setattr(device, "noisy", False)),
    "garbage": (1, lambda device, values: device.garbage(int(values[0]))),
    "unplug": (0, lambda device, _: device.pty.unplug()),
    "plug": (0, lambda device, _: device.pty.plug()),
}
_OF_DETECTORS: Final[Mapping[str, tuple[int, Callable[[Detector, Value], None]]]] = {
    "passage": (2, lambda device, values: device.passage(*values)),
    "source": (1, lambda device, values: setattr(device, "cps", device.family.cps + values[0])),
    "background": (1, lambda device, values: setattr(device, "cps", device.family.cps * values[0])),
    "stuck": (0, lambda device, _: setattr(device, "stuck", True)),
    "loose": (0, lambda device, _: setattr(device, "stuck", False)),
    "trouble": (0, lambda device, _: device.trouble()),
    "mend": (0, lambda device, _: device.mend()),
}
_OF_READERS: Final[Mapping[str, tuple[int, Callable[[Reader, Value], None]]]] = {
    "document": (0, lambda device, _: device.document()),
    "unreadable": (0, lambda device, _: device.unreadable()),
    "half": (0, lambda device, _: device.half()),
    "barcode": (0, lambda device, _: device.barcode()),
}

# Whose devices have a word for an opened cabinet or a failed part, or show it when they come back.
TELL_TROUBLE: Final = ("tsa", "n42", "radeye", "gmc")
# The faults that a technician asks for by name, and the scripts that bring them about.
DETECTOR_FAULTS: Final[Mapping[str, str]] = {
    "silence": "0 silence",
    "garbage": "0 noise",
    "tamper": "0 trouble",
    "stuck": "0 stuck",
    "high-background": "0 background 4",
    "unplug": "0 unplug",
}
READER_FAULTS: Final[Mapping[str, str]] = {
    "silence": "0 silence",
    "garbage": "0 noise",
    "unreadable": "0 unreadable",
    "half": "0 half",
    "unplug": "0 unplug",
}


def script(text: str, role: str = "radiation") -> tuple[Act, ...]:
    """A script from its lines, for a detector, or for a reader where `role` is `document`.

    Raises:
        ScriptRefused: a line is none.
    """
    own = _OF_READERS if role == "document" else _OF_DETECTORS
    return tuple(_acts(text, {name: count for name, (count, _) in (*_BOTH.items(), *own.items())}))


def _acts(text: str, known: Mapping[str, int]) -> Iterator[Act]:
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            after, what, *values = words
            act = Act(float(after), what, tuple(map(float, values)))
        except ValueError:
            raise ScriptRefused(f"Line {number}: seconds, an act and its values are wanted.") from None
        if act.what not in known or not all(0 <= value < float("inf") for value in (act.after_s, *act.values)):
            raise ScriptRefused(f"Line {number}: the acts are {', '.join(known)}; times and values are no less than 0.")
        if len(act.values) != known[act.what]:
            raise ScriptRefused(f"Line {number}: {act.what} takes {known[act.what] or 'no'} values.")
        yield act


def perform(acts: tuple[Act, ...], device: Detector | Reader, stopping: threading.Event) -> None:
    """Let happen to a device what a script says, at its times and the device's pace, until `stopping`."""
    for act in acts:
        if stopping.wait(act.after_s * device.pace):
            return
        if act.what in _BOTH:
            _BOTH[act.what][1](device, act.values)
        elif isinstance(device, Detector):
            _OF_DETECTORS[act.what][1](device, act.values)
        else:
            _OF_READERS[act.what][1](device, act.values)
