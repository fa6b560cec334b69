"""How soon a portal's alarm stops somebody, and the end of a passage clears: on a running booth, over its line.

A real core with a reader's and a portal's line on pseudo-terminals. Time runs from the write of the line that alarms,
or that ends the passage, until the verdict is heard over the control socket; nothing is sent in between.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

import numpy as np

from failsafe.agent.commands import bench
from failsafe.agent.commands.figures import Figure, Rival, figure, quantile
from failsafe.agent.control import Visitor
from failsafe.agent.demo.station import Station
from failsafe.drivers import tsa
from failsafe.drivers.simulator import Portal, Pty, zone_frame
from tests.bench.crowd import gather
from tests.bench.line import open_headquarters

SCANS = 40
_PROMISED_MS = 1000.0


def figures(folder: Path, passages: int) -> Iterator[Figure]:
    """Milliseconds from line to verdict over so many passages with an alarm, and as many without."""
    with ExitStack() as stack:
        station = Station(folder, bench.free_port())
        stack.callback(station.stop)
        lane = _Lane(station, stack)
        alarmed = [lane.passes(b"GA") for _ in range(passages)]
        ended = [lane.passes(b"") for _ in range(passages)]
    for name, waits in (("portal_alarm", alarmed), ("portal_end", ended)):
        for share in (0.5, 0.99):
            promised = Rival("promised", _PROMISED_MS)
            yield from figure(f"{name}_p{share * 100:.0f}", quantile(waits, share), "ms", len(waits), promised)


class _Lane:
    """The first lane of a running booth, its portal played line by line."""

    def __init__(self, station: Station, stack: ExitStack) -> None:
        crowd = gather(None, 200, 40)
        open_headquarters(station, crowd.records)
        station.carry()
        self._reader = stack.enter_context(Pty(station.reader_port))
        stack.enter_context(Pty(station.second_port))
        self._line = stack.enter_context(Pty(station.portal_port))
        station.start_core()
        portal = Portal(self._line)
        portal.start()
        station.await_fresh()
        station.await_ready()
        portal.stop()
        self._panels_cps = np.array(portal.script.gamma_cps)
        self._alarms_reach_s = station.windows.before_s + 0.3  # until then the alarm stops the next traveller too
        self._zones = cycle(crowd.innocent)
        self._random = np.random.default_rng(11)
        self._visitor: Visitor = stack.enter_context(station.visit(timeout_s=20.0))
        self._visitor.tell("verdicts")
        self._visitor.next()

    def passes(self, alarm: bytes) -> float:
        """One traveller and one passage; milliseconds from the line that decides to the verdict."""
        self._line.write(_line(b"GB", self._panels_cps))
        self._reader.write(zone_frame(next(self._zones)))
        self._hear("CANNOT CLEAR")
        self._say(b"NS", np.full(4, 0.5))
        for _ in range(SCANS):
            self._say(b"GS", self._panels_cps * tsa.GAMMA_INTERVAL_S)
        if not alarm:
            return self._decides(b"GX,000001,004000,000000,000000\r\n", "CLEAR")
        waited = self._decides(_line(alarm, self._random.poisson(self._panels_cps * 2.0)), "STOP")
        self._line.write(b"GX,000001,004000,000000,000000\r\n")
        time.sleep(self._alarms_reach_s)
        return waited

    def _decides(self, line: bytes, word: str) -> float:
        time.sleep(0.2)  # what came before is read: the line decides alone, as a portal's does
        sent_at = time.perf_counter()
        self._line.write(line)
        self._hear(word)
        return (time.perf_counter() - sent_at) * 1e3

    def _hear(self, word: str) -> None:
        while self._visitor.next().get("word") != word:
            pass

    def _say(self, tag: bytes, means: np.ndarray) -> None:
        self._line.write(_line(tag, self._random.poisson(means)))


def _line(tag: bytes, counts: np.ndarray) -> bytes:
    return b",".join([tag, *(b"%06d" % count for count in counts)]) + b"\r\n"
