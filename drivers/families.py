"""How the devices of each family of detectors speak: what they tell by themselves, and what they answer.

`detectors` lets them live at the end of a pseudo-terminal. None of them reads a clock.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from operator import xor
from typing import Final, Protocol

import numpy as np

from failsafe.drivers import cpm_lines, gmc, radeye, tsa
from failsafe.drivers.simulator import Line, PortalScript


class Family(Protocol):
    """How the devices of a family speak. `every_s` is the time between two tellings; `cps` its usual background.

    `tells_means`: what it tells depends on periods before, so that one that is stuck repeats its words.
    """

    every_s: float
    cps: float
    tells_means: bool

    def tell(self, counts: int) -> bytes:
        """What it says by itself of the counts of one period; empty where it only answers."""
        ...

    def hear(self, said: bytes) -> bytes:
        """Its answer to what it is told."""
        ...

    def trouble(self) -> bytes:
        """What it says when its cabinet is opened or something in it fails; empty where the family knows no word."""
        ...

    def mend(self) -> bytes:
        """What it says when that is over."""
        ...

    def passage(self, cps: float, source_cps: float, seconds: float, *, stuck: bool) -> Iterator[Line]:
        """What it says while somebody passes, the end included; nothing where it knows no passages.

        Args:
            cps: the background now.
            source_cps: what a source adds when it is nearest, all panels.
            seconds: how long somebody is in it.
            stuck: it tells the same counts for ever.
        """
        ...


class _Counter:
    """It knows no passages, and no end of its troubles."""

    tells_means = False

    def mend(self) -> bytes:
        return b""

    def passage(self, cps: float, source_cps: float, seconds: float, *, stuck: bool) -> Iterator[Line]:
        return iter(())


class _Talker(_Counter):
    """It only talks, and has no word for its troubles."""

    def hear(self, said: bytes) -> bytes:
        return b""

    def trouble(self) -> bytes:
        return b""


class Tsa(_Talker):
    """A TSA portal; four panels share the counts. It tells its set-up when it is switched on."""

    every_s = tsa.BACKGROUND_EVERY_S
    cps = 1520.0
    high_cps = 4 * 900.0  # above it the portal calls its background too high

    def __init__(self) -> None:
        self._script = PortalScript(gamma_cps=(round(self.cps / 4),) * 4)
        self._told_setup = False

    def tell(self, counts: int) -> bytes:
        each = round(counts / self.every_s / 4)
        tag = b"GH" if 4 * each > self.high_cps else b"GB"
        if tag == b"GB":
            self._script.told_cps = (each,) * 4
        setup = b"" if self._told_setup else b"".join(line.text for line in self._script.setup())
        self._told_setup = True
        return setup + b"NB,000003,000000,000002,000000\r\n" + tag + b",%06d,%06d,%06d,%06d\r\n" % ((each,) * 4)

    def passage(self, cps: float, source_cps: float, seconds: float, *, stuck: bool) -> Iterator[Line]:
        self._script.gamma_cps = (round(cps / 4),) * 4
        return self._script.passage(source_cps=source_cps, seconds=seconds, stuck=stuck)

    def trouble(self) -> bytes:
        return b"TT,000000,000000,000000,000000\r\n"

    def mend(self) -> bytes:
        return b"TC,000000,000000,000000,000000\r\n"


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
        self._state = ""  # a fault, as long as it lasts

    def tell(self, counts: int) -> bytes:
        return self.document(counts, alarm=counts > self.alarm_cps * self.every_s)

    def trouble(self) -> bytes:
        fault = "<Fault><FaultCodeValue>9</FaultCodeValue><FaultDescription>Cabinet open</FaultDescription>"
        severity = "<FaultSeverityCode>Error</FaultSeverityCode>"
        self._state = f"<RadInstrumentState>{fault}{severity}</Fault></RadInstrumentState>"
        return self.document(int(self.cps))

    def mend(self) -> bytes:
        self._state = ""
        return self.document(int(self.cps))

    def passage(self, cps: float, source_cps: float, seconds: float, *, stuck: bool) -> Iterator[Line]:
        counts = np.random.default_rng(self._second)
        length = max(1, round(seconds))
        for second in range(length):
            near = np.exp(-0.5 * ((second + 0.5 - length / 2) / (length / 6)) ** 2)
            count = round(cps) if stuck else int(counts.poisson(cps + source_cps * near))
            yield Line(1.0, self.document(count, alarm=count > self.alarm_cps, occupied=True))
        yield Line(1.0, self.document(round(cps) if stuck else int(counts.poisson(cps)), occupied=False))

    def document(self, counts: int, *, alarm: bool = False, occupied: bool | None = None) -> bytes:
        """One second, framed for a line; `occupied` None: the instrument knows no passages."""
        self._second += 1
        indicator = "" if occupied is None else f"<OccupancyIndicator>{str(occupied).lower()}</OccupancyIndicator>"
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
        code = "Foreground" if alarm or occupied else "Background"
        hour, minute, second = self._second // 3600 % 24, self._second // 60 % 60, self._second % 60
        result = "<RadAlarm><RadAlarmCategoryCode>Gamma</RadAlarmCategoryCode></RadAlarm>"
        body = (
            "<RadInstrumentInformation><RadInstrumentManufacturerName>Simulated</RadInstrumentManufacturerName>"
            "<RadInstrumentModelName>N42</RadInstrumentModelName><RadInstrumentClassCode>Other"
            f"</RadInstrumentClassCode></RadInstrumentInformation>{detectors}"
            f'<RadMeasurement id="m"><MeasurementClassCode>{code}</MeasurementClassCode>'
            f"<StartDateTime>2026-01-01T{hour:02d}:{minute:02d}:{second:02d}Z</StartDateTime>"
            f"<RealTimeDuration>PT1S</RealTimeDuration>{gross}{self._state}{indicator}</RadMeasurement>"
            + (f"<AnalysisResults>{result}</AnalysisResults>" if alarm else "")
        )
        name = "RadInstrumentData"
        return f'\x02<?xml version="1.0"?><{name} xmlns="urn:simulated">{body}</{name}>\x03'.encode()


class RadEye(_Counter):
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


class Gmc(_Counter):
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


class RadPro(_Counter):
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
    """A NetIO GC10: tells the counts of the last minute, each second."""

    every_s = 1.0
    cps = 0.5
    tells_means = True

    def __init__(self) -> None:
        # It has been running for a while when somebody listens.
        self._minute = deque([0, 1] * 30, maxlen=round(cpm_lines.GC10_WINDOW_S))

    def tell(self, counts: int) -> bytes:
        self._minute.append(counts)
        return b"%d\r\n" % sum(self._minute)


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
