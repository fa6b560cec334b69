"""Radiation detectors that are not there, one a family, with their passages and their faults.

For the demonstration, for technicians without hardware and for tests. The wire is `simulator`'s, what happens to a
detector is said by `scripts`. The demonstration's own portal is `simulator.Portal`.
"""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from typing import Final

import numpy as np

from failsafe.drivers.families import Family
from failsafe.drivers.simulator import Pty, Unplugged

_LISTEN_EVERY_S: Final = 0.02


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
        noisy: noise comes in place of all that it says, as at a wrong speed.
        stuck: it tells the same counts for ever.
    """

    def __init__(self, pty: Pty, family: Family, seed: int = 1, pace: float = 1.0) -> None:
        self.pty = pty
        self.family = family
        self.pace = pace
        self.cps = family.cps
        self.silent = False
        self.noisy = False
        self.stuck = False
        self._random = np.random.default_rng(seed)
        self._counts = 0
        self._told = b""
        self._stopping = threading.Event()
        self._occupied = threading.Lock()  # what it says by itself waits while somebody is in it
        self._noises = 0
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
        elif self.family.tells_means and self._told:
            return self._told
        self._told = self.family.tell(self._counts)
        return self._told

    def passage(self, source_cps: float = 0.0, seconds: float = 4.0) -> None:
        """Somebody passes, or stands there where the family knows no passages; `stop` ends it early.

        Args:
            source_cps: what a source adds when it is nearest, all panels.
            seconds: how long it takes.
        """
        with self._occupied:
            lines = 0
            for line in self.family.passage(self.cps, source_cps, seconds, stuck=self.stuck):
                lines += 1
                if self._stopping.wait(line.after_s * self.pace):
                    return
                self._tell(line.text)
        if not lines:
            self.cps += source_cps
            self._stopping.wait(seconds * self.pace)
            self.cps -= source_cps

    def garbage(self, length: int = 64, seed: int = 0) -> None:
        """Noise, as from a wrong speed; it has no line end, and no mark that begins a document or a version."""
        self.say(_noise(length, seed))

    def trouble(self) -> None:
        """Its cabinet is opened, or something in it fails."""
        self.say(self.family.trouble())

    def mend(self) -> None:
        """That is over."""
        self.say(self.family.mend())

    def say(self, message: bytes) -> None:
        """Send bytes as they stand."""
        with suppress(Unplugged):
            self.pty.write(message)

    def _tell(self, message: bytes) -> None:
        """Say it if it can be said: as noise where the line spoils all."""
        if self.silent or not message:
            return
        if self.noisy:
            self._noises += 1
            message = _noise(min(len(message), 64), self._noises)
        self.say(message)

    def _live(self) -> None:
        waited_s, period_s = 0.0, max(self.family.every_s * self.pace, _LISTEN_EVERY_S)
        while not self._stopping.wait(_LISTEN_EVERY_S):
            with suppress(Unplugged, OSError):
                heard = self.pty.read()
                if heard and not self.silent:
                    self._tell(self.family.hear(heard))
            waited_s += _LISTEN_EVERY_S
            if waited_s >= period_s:
                waited_s -= period_s
                if self._occupied.acquire(blocking=False):
                    try:
                        self._tell(self.beat())
                    finally:
                        self._occupied.release()


def _noise(length: int, seed: int) -> bytes:
    noise = random.Random(seed).randbytes(length)
    return noise.translate(bytes.maketrans(b"\r\n\x02\x03<G", b"......"))
