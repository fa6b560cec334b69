"""Devices that are not there: pseudo-terminals and scripts that speak the readers' and portals' own protocols.

For the demonstration, for technicians without hardware and for tests. A simulated device talks to the same drivers
over the same pyserial as a real one; only the wire is missing (a pseudo-terminal takes any speed and parity).
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import threading
import time
import tty
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np

from failsafe.drivers import cute, tsa
from failsafe.drivers.transcript import Transcript

BITS_A_BYTE: Final = 10  # start, eight data, stop

# The kernel's buffer of a pseudo-terminal is small: a simulator waits so long for a reader, then its bytes are lost,
# as they are on a wire.
PATIENCE_S: Final = 2.0
_GLANCE_S: Final = 0.05  # and looks so often whether its plug was pulled meanwhile

_PACED_BITE: Final = 16


class Unplugged(OSError):
    """The simulated device was told to send while its plug is out."""


class Pty:
    """A pseudo-terminal behind a stable path, as udev's links in /dev/serial/by-id are.

    Args:
        link: the path that programs open. It is a symbolic link: it goes with `unplug` and comes back with `plug`.
    """

    def __init__(self, link: Path) -> None:
        self.link = link
        self._ends: tuple[int, int] | None = None
        # A descriptor closed by one thread while another writes to it could by then be somebody's file.
        self._using = threading.Lock()
        self.plug()

    def __enter__(self) -> Pty:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    @property
    def plugged(self) -> bool:
        return self._ends is not None

    def plug(self) -> None:
        """Make a new terminal and point the link at it; nothing happens where it is plugged already."""
        with self._using:
            if self._ends is not None:
                return
            master, slave = os.openpty()
            tty.setraw(slave)  # a fresh one echoes and translates line ends
            os.set_blocking(master, False)
            self._ends = (master, slave)
        beside = self.link.with_name(f"{self.link.name}.new")
        beside.unlink(missing_ok=True)
        beside.symlink_to(os.ttyname(slave))
        beside.replace(self.link)

    def unplug(self) -> None:
        """Pull the plug: who holds the terminal open is hung up, and the link is gone."""
        self.link.unlink(missing_ok=True)
        with self._using:
            ends, self._ends = self._ends, None
            for end in ends or ():
                os.close(end)

    def write(self, message: bytes, baud: int | None = None) -> int:
        """Send bytes; returns how many went before `PATIENCE_S` passed without anybody reading.

        Args:
            message: what the device says.
            baud: pace the bytes as a wire of this speed would; None: as fast as they are read.

        Raises:
            Unplugged: the plug is out.
        """
        sent = 0
        while sent < len(message):
            bite = message[sent:] if baud is None else message[sent : sent + _PACED_BITE]
            went = self._write_some(bite)
            if not went:
                break
            sent += went
            if baud is not None:
                time.sleep(went * BITS_A_BYTE / baud)
        return sent

    def read(self, most: int = 4096) -> bytes:
        """What was sent to the device so far; empty where nothing was."""
        with self._using, contextlib.suppress(BlockingIOError):
            return os.read(self._master(), most)
        return b""

    def _write_some(self, message: bytes) -> int:
        for _ in range(round(PATIENCE_S / _GLANCE_S)):
            with self._using:
                master = self._master()
                _, ready, _ = select.select([], [master], [], _GLANCE_S)
                if ready:
                    with contextlib.suppress(BlockingIOError):
                        return os.write(master, message)
        return 0

    def _master(self) -> int:
        if self._ends is None:
            raise Unplugged("The simulated device is unplugged; call plug() first.")
        return self._ends[0]


def play(transcript: Transcript, pty: Pty, stopping: threading.Event, pace: float = 1.0) -> None:
    """Say what a device said in a recording, at its times and its line's speed, until the end or `stopping`.

    Args:
        transcript: the recording; what was said to the device is passed over.
        pty: where the device is plugged in.
        stopping: ends it between two bursts.
        pace: seconds of ours for one of the recording's; 0 plays without any pause.
    """
    told_s = 0.0
    for burst in transcript.bursts:
        if stopping.wait((burst.at_s - told_s) * pace):
            return
        told_s = burst.at_s
        if burst.from_device:
            pty.write(burst.content, transcript.baud if pace else None)


# --- documents -----------------------------------------------------------------------------------------------


def zone_frame(lines: Sequence[str], last_cr: bool = True) -> bytes:
    """The frame in which a reader of the CUTE family sends a zone."""
    body = "\r".join(lines).encode("latin-1", "replace")
    return cute.ZONE_START + body + (b"\r" if last_cr and lines else b"") + cute.ZONE_END


def barcode_frame(text: str, symbology: str = "r") -> bytes:
    """The frame in which it sends a barcode."""
    return cute.BARCODE_START + symbology.encode("latin-1") + text.encode("latin-1", "replace") + cute.BARCODE_END


class DocumentReader:
    """A document reader of the CUTE family at the end of a `Pty`.

    Args:
        pty: where it is plugged in.
        baud: speed of its line; None sends as fast as it is read.
    """

    def __init__(self, pty: Pty, baud: int | None = 9600) -> None:
        self.pty = pty
        self.baud = baud

    def present(self, lines: Sequence[str]) -> None:
        """Somebody lays a document on the reader."""
        self.pty.write(zone_frame(lines), self.baud)

    def present_unreadable(self) -> None:
        """A document whose zone is covered: the frame comes, and every place in it was rejected."""
        self.pty.write(zone_frame(["*" * 44] * 2), self.baud)

    def present_barcode(self, text: str) -> None:
        """Somebody holds a barcode over the reader."""
        self.pty.write(barcode_frame(text), self.baud)

    def half_frame(self, lines: Sequence[str]) -> None:
        """The first half of a frame, and nothing after it."""
        frame = zone_frame(lines)
        self.pty.write(frame[: len(frame) // 2], self.baud)

    def garbage(self, length: int = 64, seed: int = 0) -> None:
        """Noise, as from a loose plug or a wrong speed; it holds no whole frame."""
        noise = random.Random(seed).randbytes(length).replace(b"\x02", b"\x82")
        self.pty.write(noise, self.baud)


# --- radiation -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a portal: `after_s` seconds of the portal's time after the line before it."""

    after_s: float
    text: bytes


class PortalScript:
    """What a TSA portal says, line by line, with Poisson counts. It reads no clock.

    Each passage and each background draws from a seed of its own: how often the portal told its background between
    two passages, which is a matter of time, does not change what the second one counts.

    Args:
        seed: the same seed gives the same lines. Under the usual one the booth's own tests are quiet for the first
            hundreds of quiet passages: they are allowed a false alarm in a thousand, and a script is to be the same
            each time it is played.
        gamma_cps, neutron_cps: background per panel.
        nsigma: factor of the portal's gamma alarm, told in its SG1 line.

    `told_cps` is the gamma background it told last, which its alarms are held against.
    """

    def __init__(
        self,
        seed: int = 1,
        gamma_cps: Sequence[int] = (380, 383, 403, 361),
        neutron_cps: Sequence[int] = (3, 0, 2, 0),
        nsigma: float = 4.0,
    ) -> None:
        self.gamma_cps = tuple(gamma_cps)
        self.neutron_cps = tuple(neutron_cps)
        self.nsigma = nsigma
        self._seed = seed
        self._random = np.random.default_rng(seed)
        self.told_cps = self.gamma_cps
        self._periods = 0
        self._occupancies = 0

    def setup(self) -> list[Line]:
        """The set-up a portal tells when it starts: faults high and low, intervals, hold-in, NSIGMA."""
        return [Line(0.0, b"SG1,003000,000050,000005,000010,%04.1f\r\n" % self.nsigma)]

    def background(self) -> list[Line]:
        """One period of an empty portal; the first line comes 5 s after the last of the period before."""
        # Portals tell a mean over about 20 s, so the last digit moves.
        self._periods += 1
        random = np.random.default_rng((self._seed, 0, self._periods))
        means = random.poisson(np.array(self.gamma_cps) * 20) // 20
        self.told_cps = tuple(means.tolist())
        return [
            Line(tsa.BACKGROUND_EVERY_S, _fields("NB", self.neutron_cps)),
            Line(0.0, _fields("GB", self.told_cps)),
        ]

    def passage(
        self,
        gamma_alarm: bool = False,
        neutron_alarm: bool = False,
        seconds: float = 4.0,
        *,
        source_cps: float = 0.0,
        stuck: bool = False,
    ) -> Iterator[Line]:
        """One vehicle or traveller: look-back, scans, speed, alarms, end of occupancy.

        Args:
            gamma_alarm: something as strong as a freshly treated patient passes.
            neutron_alarm: a neutron source passes.
            seconds: how long the portal is occupied, at least one.
            source_cps: what a gamma source adds when it is nearest, all panels.
            stuck: its counters stand still.
        """
        self._occupancies += 1
        self._random = np.random.default_rng((self._seed, 1, self._occupancies))
        scans = tsa.LOOK_BACK_SCANS + max(5, round(seconds / tsa.GAMMA_INTERVAL_S))
        window: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
        yield Line(0.0, self._neutrons(False))
        for index in range(scans):
            near = np.exp(-0.5 * ((index - scans / 2) / (scans / 6)) ** 2)  # of the source, 1 in the middle
            # A body of any kind hides a tenth of the background; a source doubles it at its nearest.
            panels = np.array(self.gamma_cps) * (0.9 + (2.0 * near if gamma_alarm else 0.0))
            panels += source_cps / len(panels) * near
            counts = self._random.poisson(panels * tsa.GAMMA_INTERVAL_S)
            if stuck:
                counts = np.array([round(cps * tsa.GAMMA_INTERVAL_S) for cps in self.gamma_cps])
            window = [*window[-4:], counts]
            tag = "GA" if index >= 4 and self._alarms(sum(window[1:], start=window[0])) else "GS"
            waited_s = 0.0 if 0 < index < tsa.LOOK_BACK_SCANS else tsa.GAMMA_INTERVAL_S
            yield Line(waited_s, _fields(tag, counts.tolist()))
            if index == tsa.LOOK_BACK_SCANS:
                yield Line(0.0, b"SP,0.1360,05.013,008.07,000000\r\n")
            if index >= tsa.LOOK_BACK_SCANS and (index - tsa.LOOK_BACK_SCANS) % 5 == 4:
                yield Line(0.0, self._neutrons(neutron_alarm))
        yield Line(tsa.GAMMA_INTERVAL_S, b"GX,%06d,%06d,000000,000000\r\n" % (self._occupancies, self._neutron_milli()))

    def _alarms(self, last_second: np.ndarray[tuple[int], np.dtype[np.int64]]) -> bool:
        """The vendor's rule as it was recovered from captures: all panels, or either pair, against NSIGMA."""
        background = np.array(self.told_cps)
        return any(
            (last_second[group].sum() - background[group].sum()) / background[group].sum() ** 0.5 >= self.nsigma
            for group in (slice(0, 4), slice(0, 2), slice(2, 4))
        )

    def _neutrons(self, alarm: bool) -> bytes:
        counts = self._random.poisson(np.array(self.neutron_cps) + (40 if alarm else 0))
        return _fields("NA" if alarm else "NS", counts.tolist())

    def _neutron_milli(self) -> int:
        return 1000 * sum(self.neutron_cps)


class Portal:
    """A TSA portal at the end of a `Pty`: a thread sends its backgrounds until `stop`, passages come on demand.

    Args:
        pty: where it is plugged in; while it is unplugged, what the portal says is lost.
        script: what it says.
        pace: seconds of ours for one of the portal's; 0.1 plays ten times faster, 0 without any pause.
    """

    def __init__(self, pty: Pty, script: PortalScript | None = None, pace: float = 1.0) -> None:
        self.pty = pty
        self.script = script or PortalScript()
        self.pace = pace
        self._occupied = threading.Lock()  # backgrounds are silent while it is held
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._idle, name="simulated portal", daemon=True)

    def start(self) -> None:
        """Tell the set-up and one background at once, then a background every 5 s of the portal's time."""
        self.background()
        self._thread.start()

    def stop(self) -> None:
        """Fall silent; may be called twice."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def background(self) -> None:
        """Tell set-up and background once, now."""
        with self._occupied:
            for line in (*self.script.setup(), *self.script.background()):
                self._say(line.text)

    def passage(self, gamma_alarm: bool = False, neutron_alarm: bool = False, seconds: float = 4.0) -> None:
        """Play one passage to its end; see `PortalScript.passage`."""
        with self._occupied:
            for line in self.script.passage(gamma_alarm, neutron_alarm, seconds):
                self._stopping.wait(line.after_s * self.pace)
                self._say(line.text)

    def say(self, line: str) -> None:
        """Send one line as it stands, for faults: `TT,000000,000000,000000,000000`."""
        self._say(f"{line}\r\n".encode("ascii"))

    def _idle(self) -> None:
        while True:
            lines = self.script.background()
            # A portal played without pauses still sends its backgrounds with some.
            if self._stopping.wait(max(lines[0].after_s * self.pace, 0.01)):
                return
            with self._occupied:
                for line in lines:
                    self._say(line.text)

    def _say(self, text: bytes) -> None:
        with contextlib.suppress(Unplugged):
            self.pty.write(text)


def _fields(tag: str, values: Sequence[int]) -> bytes:
    return ",".join([tag, *(f"{value:06d}" for value in values)]).encode("ascii") + b"\r\n"
