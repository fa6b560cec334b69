"""Radiation detectors that are not there, one a family, with their faults, and scripts of what happens to them.

For the demonstration, for technicians without hardware and for tests. TSA portals are `simulator.Portal`, whose
counterpart here is `Tsa`, for its faults; see `simulator` for the wire.
"""

from __future__ import annotations

import functools
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from operator import xor
from typing import Final, Protocol

import numpy as np

from failsafe.drivers import cpm_lines, gmc, radeye, tsa
from failsafe.drivers.simulator import Pty, Unplugged

_LISTEN_EVERY_S: Final = 0.02


class Family(Protocol):
    """How the devices of a family speak. `every_s` is the time between two tellings; `cps` its usual background."""

    every_s: float
    cps: float

    def tell(self, counts: int) -> bytes:
        """What it says by itself of the counts of one period; empty where it only answers."""
        ...

    def hear(self, said: bytes) -> bytes:
        """Its answer to what it is told."""
        ...

    def trouble(self) -> bytes:
        """What it says when its cabinet is opened or something in it fails; empty where the family knows no word."""
        ...


class Detector:
    """A detector of a family at the end of a `Pty`: tells or answers until `stop`, with Poisson counts.

    Args:
        pty: where it is plugged in; while it is unplugged, what it says is lost.
        family: how it speaks.
        seed: the same seed gives the same counts.
        pace: seconds of ours for one of the detector's; 0.1 plays ten times faster.

    Attributes:
        cps: counts per second now, background and source.
        silent: it hangs: neither tells nor answers.
        stuck: it tells the same counts for ever.
    """

    def __init__(self, pty: Pty, family: Family, seed: int = 1, pace: float = 1.0) -> None:
        self.pty = pty
        self.family = family
        self.pace = pace
        self.cps = family.cps
        self.silent = False
        self.stuck = False
        self._random = np.random.default_rng(seed)
        self._counts = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name="simulated detector", daemon=True)

    def start(self) -> None:
        """Begin to tell and to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Fall silent for good; may be called twice."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def beat(self) -> bytes:
        """What it says of one period."""
        if not self.stuck:
            self._counts = int(self._random.poisson(self.cps * self.family.every_s))
        return self.family.tell(self._counts)

    def garbage(self, length: int = 64, seed: int = 0) -> None:
        """Noise, as from a wrong speed; it has no line end, and no mark that begins a document or a version."""
        noise = random.Random(seed).randbytes(length)
        self.say(noise.translate(bytes.maketrans(b"\r\n\x02\x03<G", b"......")))

    def trouble(self) -> None:
        """Its cabinet is opened, or something in it fails."""
        self.say(self.family.trouble())

    def say(self, message: bytes) -> None:
        """Send bytes as they stand."""
        with suppress(Unplugged):
            self.pty.write(message)

    def _live(self) -> None:
        waited_s, period_s = 0.0, max(self.family.every_s * self.pace, _LISTEN_EVERY_S)
        while not self._stopping.wait(_LISTEN_EVERY_S):
            with suppress(Unplugged, OSError):
                heard = self.pty.read()
                if heard and not self.silent:
                    self.say(self.family.hear(heard))
            waited_s += _LISTEN_EVERY_S
            if waited_s >= period_s:
                waited_s -= period_s
                told = self.beat()
                if told and not self.silent:
                    self.say(told)


# --- the families --------------------------------------------------------------------------------------------


class _Talker:
    """It only talks, and has no word for its troubles."""

    def hear(self, said: bytes) -> bytes:
        return b""

    def trouble(self) -> bytes:
        return b""


class Tsa(_Talker):
    """A TSA portal while nobody is in it; passages are `simulator.Portal`'s. Four panels share the counts."""

    every_s = tsa.BACKGROUND_EVERY_S
    cps = 1520.0
    high_cps = 4 * 900.0  # above it the portal calls its background too high

    def tell(self, counts: int) -> bytes:
        each = round(counts / self.every_s / 4)
        tag = b"GH" if 4 * each > self.high_cps else b"GB"
        return b"NB,000003,000000,000002,000000\r\n" + tag + b",%06d,%06d,%06d,%06d\r\n" % ((each,) * 4)

    def trouble(self) -> bytes:
        return b"TT,000000,000000,000000,000000\r\n"


class N42(_Talker):
    """An instrument that sends a document a second, one gamma and one neutron detector; a source raises an alarm.

    Args:
        alarm_cps: from this rate on it alarms.
    """

    every_s = 1.0
    cps = 120.0

    def __init__(self, alarm_cps: float = 250.0) -> None:
        self.alarm_cps = alarm_cps
        self._second = 0

    def tell(self, counts: int) -> bytes:
        return self.document(counts, alarm=counts > self.alarm_cps * self.every_s)

    def trouble(self) -> bytes:
        fault = "<Fault><FaultCodeValue>9</FaultCodeValue><FaultDescription>Cabinet open</FaultDescription>"
        state = f"<RadInstrumentState>{fault}<FaultSeverityCode>Error</FaultSeverityCode></Fault></RadInstrumentState>"
        return self.document(int(self.cps), state=state)

    def document(self, counts: int, *, alarm: bool = False, state: str = "") -> bytes:
        """One second, framed for a line."""
        self._second += 1
        gross = "".join(
            f'<GrossCounts id="c{name}" radDetectorInformationReference="{name}"><LiveTimeDuration>PT1S'
            f"</LiveTimeDuration><CountData>{value}</CountData></GrossCounts>"
            for name, value in (("gamma", counts), ("neutron", 0))
        )
        detectors = "".join(
            f'<RadDetectorInformation id="{name}"><RadDetectorCategoryCode>{name.capitalize()}'
            "</RadDetectorCategoryCode><RadDetectorKindCode>Other</RadDetectorKindCode></RadDetectorInformation>"
            for name in ("gamma", "neutron")
        )
        code = "Foreground" if alarm else "Background"
        hour, minute, second = self._second // 3600 % 24, self._second // 60 % 60, self._second % 60
        result = "<RadAlarm><RadAlarmCategoryCode>Gamma</RadAlarmCategoryCode></RadAlarm>"
        body = (
            "<RadInstrumentInformation><RadInstrumentManufacturerName>Simulated</RadInstrumentManufacturerName>"
            "<RadInstrumentModelName>N42</RadInstrumentModelName><RadInstrumentClassCode>Other"
            f"</RadInstrumentClassCode></RadInstrumentInformation>{detectors}"
            f'<RadMeasurement id="m"><MeasurementClassCode>{code}</MeasurementClassCode>'
            f"<StartDateTime>2026-01-01T{hour:02d}:{minute:02d}:{second:02d}Z</StartDateTime>"
            f"<RealTimeDuration>PT1S</RealTimeDuration>{gross}{state}</RadMeasurement>"
            + (f"<AnalysisResults>{result}</AnalysisResults>" if alarm else "")
        )
        name = "RadInstrumentData"
        return f'\x02<?xml version="1.0"?><{name} xmlns="urn:simulated">{body}</{name}>\x03'.encode()


class RadEye:
    """A RadEye: must be announced to and told to talk, and forgets it when it is switched off.

    Args:
        nsv_h_a_cps: its sensitivity the other way round.
    """

    every_s = 1.0
    cps = 30.0

    def __init__(self, nsv_h_a_cps: float = 3.0) -> None:
        self.nsv_h_a_cps = nsv_h_a_cps
        self.talks = False

    def tell(self, counts: int) -> bytes:
        return self.line(counts) if self.talks else b""

    def line(self, counts: int, state: str = "00") -> bytes:
        """Its line of a second."""
        return f"\x02 {round(counts * self.nsv_h_a_cps / 10)} 0 0 {state}  PRD 1F \x03\r\n".encode()

    def hear(self, said: bytes) -> bytes:
        if radeye.TALK in said:
            self.talks = True
        return radeye.GO_AHEAD if radeye.ANNOUNCE in said else b""

    def trouble(self) -> bytes:
        self.talks = False
        return b"\x02@CIAO\r\n"


class Gmc:
    """A GQ counter.

    Args:
        version: what it says it is; it decides how long its numbers are.
    """

    every_s = gmc.BEAT_S
    cps = 0.5

    def __init__(self, version: str = "GMC-500+Re 1.22") -> None:
        self.version = version
        self.beats = False

    def tell(self, counts: int) -> bytes:
        return counts.to_bytes(4 if self.version[4] >= "5" else 2, "big") if self.beats else b""

    def hear(self, said: bytes) -> bytes:
        if gmc.REST in said:
            self.beats = False
        if gmc.BEAT in said:
            self.beats = True
        return self.version.encode() if gmc.VERSION in said else b""

    def trouble(self) -> bytes:
        self.beats = False  # it lost its power for a moment, and says nothing of it
        return b""


class RadPro:
    """A counter with Rad Pro firmware: only answers."""

    every_s = 1.0
    cps = 0.5

    def __init__(self) -> None:
        self.pulses = 1500

    def tell(self, counts: int) -> bytes:
        self.pulses += counts
        return b""

    def hear(self, said: bytes) -> bytes:
        answers = b""
        for question in said.splitlines():
            if question == cpm_lines.RADPRO_ID.strip():
                answers += b"OK Rad Pro simulator;Rad Pro 3.0/en;000000000000000000000000\r\n"
            elif question == cpm_lines.RADPRO_COUNT.strip():
                answers += b"OK %d\r\n" % self.pulses
            else:
                answers += b"ERROR\r\n"
        return answers

    def trouble(self) -> bytes:
        self.pulses = 0  # its memory was lost
        return b""


class BGeigie(_Talker):
    """A bGeigie Nano at an invented place."""

    every_s = cpm_lines.BGEIGIE_EVERY_S
    cps = 0.6

    def __init__(self) -> None:
        self._total = 0

    def tell(self, counts: int) -> bytes:
        self._total += counts
        text = (
            f"BNRDD,0300,2026-01-01T00:00:00Z,{12 * counts},{counts},{self._total},A,0000.0000,N,00000.0000,E,0,V,0,99"
        )
        return f"${text}*{functools.reduce(xor, text.encode()):02X}\r\n".encode()


class MightyOhm(_Talker):
    """A MightyOhm kit."""

    every_s = cpm_lines.MIGHTYOHM_EVERY_S
    cps = 0.5

    def tell(self, counts: int) -> bytes:
        return f"CPS, {counts}, CPM, {60 * counts}, uSv/hr, {0.342 * counts:.2f}, SLOW\r\n".encode()


class Gc10(_Talker):
    """A NetIO GC10."""

    every_s = 1.0
    cps = 0.5

    def tell(self, counts: int) -> bytes:
        return b"%d\r\n" % (60 * counts)


FAMILIES: Final[Mapping[str, Callable[[], Family]]] = {
    "tsa": Tsa,
    "n42": N42,
    "radeye": RadEye,
    "gmc": Gmc,
    "radpro": RadPro,
    "bgeigie": BGeigie,
    "mightyohm": MightyOhm,
    "gc10": Gc10,
}


# --- scripts -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Act:
    """One line of a script: `after_s` seconds of the detector's time after the one before."""

    after_s: float
    what: str
    value: float


class ScriptRefused(ValueError):
    """A script with a line that is none; the text names it and the acts there are."""


_ACTS: Final[Mapping[str, Callable[[Detector, float], None]]] = {
    "source": lambda detector, value: setattr(detector, "cps", detector.family.cps + value),
    "background": lambda detector, value: setattr(detector, "cps", detector.family.cps * value),
    "silence": lambda detector, _: setattr(detector, "silent", True),
    "talk": lambda detector, _: setattr(detector, "silent", False),
    "stuck": lambda detector, _: setattr(detector, "stuck", True),
    "loose": lambda detector, _: setattr(detector, "stuck", False),
    "trouble": lambda detector, _: detector.trouble(),
    "garbage": lambda detector, value: detector.garbage(int(value)),
    "unplug": lambda detector, _: detector.pty.unplug(),
    "plug": lambda detector, _: detector.pty.plug(),
}


def script(text: str) -> tuple[Act, ...]:
    """A script from its lines: seconds after the line before, an act, and a value where it takes one: `10 source 300`.

    Acts: `source` (counts per second above background), `background` (times the usual), `silence` and `talk`, `stuck`
    and `loose`, `trouble` (the cabinet is opened, or a part fails), `garbage` (bytes), `unplug` and `plug`.

    Raises:
        ScriptRefused: a line is none.
    """
    return tuple(_acts(text))


def _acts(text: str) -> Iterator[Act]:
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            after, what, *values = words
            act = Act(float(after), what, float(values[0]) if values else 0.0)
        except (ValueError, IndexError):
            raise ScriptRefused(f"Line {number}: seconds and an act are wanted.") from None
        if act.what not in _ACTS or not 0 <= act.after_s < float("inf"):
            raise ScriptRefused(f"Line {number}: the acts are {', '.join(_ACTS)}.")
        yield act


def perform(acts: tuple[Act, ...], detector: Detector, stopping: threading.Event) -> None:
    """Let happen to a detector what a script says, at its times and the detector's pace, until `stopping`."""
    for act in acts:
        if stopping.wait(act.after_s * detector.pace):
            return
        _ACTS[act.what](detector, act.value)
