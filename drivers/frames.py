"""Cutting a stream of bytes into frames, for every decoder: bounded memory, and a way back after garbage. Pure.

Two kinds of framing. `Enclosed` cuts frames that lie between marks of two bytes; `Lines` cuts lines that end with CR
or LF. Both promise the same three things:

- the pieces depend on the bytes and on the silences between them, never on how the bytes were cut into chunks;
- the buffer never grows beyond a limit, whatever arrives, and bytes given up are counted in a `Junk`;
- an unfinished frame that is followed by silence is given up, so that the next frame starts clean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

# Readers and portals send a frame without pauses; even a USB adapter's buffering stays far below this. Longer than
# any pause of our own thread on a busy booth, since that would look like silence of the line.
GAP_S: Final = 1.0

# The longest frame known is a 2 kB driving licence barcode.
FRAME_LIMIT: Final = 4096

# The longest line seen is 70 characters, time stamp included.
LINE_LIMIT: Final = 256

# While a flood without any line end lasts, one piece of junk is told for this many bytes.
_FLOOD_STEP: Final = 65536

_MARK: Final = 2  # every start and end mark has two bytes
_LINE_ENDS: Final = b"\r\n"
# A line at rest may carry these between frames: no sign of trouble.
_HARMLESS: Final = b"\r\n\0 "


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame without its marks. `start` is the mark it began with, empty for a line.

    `cut` is the number of bytes lost before `body` where a line was longer than the limit.
    """

    start: bytes
    body: bytes
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Junk:
    """Bytes given up: `length` of them, and why."""

    length: int
    why: str


Piece = Frame | Junk


class Framing(Protocol):
    """What a decoder asks of a framing."""

    def feed(self, chunk: bytes, now: float) -> Iterator[Piece]:
        """The pieces that `chunk`, arrived at monotonic time `now`, completes; an empty chunk lets time pass.

        The iterator must be exhausted before the next call.
        """
        ...


class Enclosed:
    """Frames between a start mark and the end mark that belongs to it.

    A start mark inside a frame means that the rest of that frame was lost: the frame is given up and a new one
    begins. So a document after half a barcode is read, at the price of barcodes that hold a start mark themselves.

    Args:
        marks: end mark by start mark, two bytes each.
        limit: longest body in bytes.
        gap_s: silence in seconds after which an unfinished frame is given up.
    """

    def __init__(self, marks: Mapping[bytes, bytes], limit: int = FRAME_LIMIT, gap_s: float = GAP_S) -> None:
        self._marks = dict(marks)
        self._limit = limit
        self._gap_s = gap_s
        self._buffer = bytearray()
        self._start = b""  # the mark of the frame we are in; empty between frames
        self._heard_at = 0.0

    def feed(self, chunk: bytes, now: float) -> Iterator[Piece]:
        """See `Framing.feed`."""
        if now - self._heard_at > self._gap_s:
            yield from self._give_up()
        if not chunk:
            return
        self._heard_at = now
        self._buffer += chunk
        while (step := self._step()) is not None:
            yield from step

    def _step(self) -> list[Piece] | None:
        """One move of the state machine: what it yields, or None where more bytes are needed."""
        marks = [*self._marks, self._marks[self._start]] if self._start else [*self._marks]
        at, mark = self._nearest(marks)
        if at > self._limit or (at < 0 and len(self._buffer) >= self._limit + _MARK):
            junk = self._take(self._limit)
            why = "frame too long" if self._start else "no frame"
            self._start = b""
            return _junk(junk, why)
        if at < 0:
            return None
        body, start = self._take(at), self._start
        del self._buffer[:_MARK]
        if start and mark == self._marks[start]:
            self._start = b""
            return [Frame(start, body)]
        self._start = mark
        return [Junk(len(body) + _MARK, "half a frame")] if start else _junk(body, "no frame")

    def _nearest(self, marks: list[bytes]) -> tuple[int, bytes]:
        found = [(at, mark) for mark in marks if (at := self._buffer.find(mark, 0, self._limit + 2 * _MARK)) >= 0]
        return min(found, default=(-1, b""))

    def _take(self, length: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken

    def _give_up(self) -> list[Piece]:
        body, start = self._take(len(self._buffer)), self._start
        self._start = b""
        return [Junk(len(body) + _MARK, "half a frame")] if start else _junk(body, "no frame")


class Lines:
    """Lines that end with CR, LF or both; empty lines are passed over.

    Of a line longer than the limit the last `limit` bytes are kept, since a good line may hang on its end after a
    flood: `Frame.cut` says how much went before.

    Args:
        limit: longest line in bytes.
        gap_s: silence in seconds after which an unfinished line is given up.
    """

    def __init__(self, limit: int = LINE_LIMIT, gap_s: float = GAP_S) -> None:
        self._limit = limit
        self._gap_s = gap_s
        self._buffer = bytearray()
        self._cut = 0
        self._heard_at = 0.0

    def feed(self, chunk: bytes, now: float) -> Iterator[Piece]:
        """See `Framing.feed`."""
        if now - self._heard_at > self._gap_s:
            yield from self._give_up()
        if not chunk:
            return
        self._heard_at = now
        *whole, rest = chunk.replace(b"\r", b"\n").split(b"\n")
        for part in whole:
            yield from self._append(part)
            if self._buffer:
                yield Frame(b"", bytes(self._buffer), self._cut)
            self._buffer.clear()
            self._cut = 0
        yield from self._append(rest)

    def _append(self, part: bytes) -> Iterator[Piece]:
        self._buffer += part
        over = len(self._buffer) - self._limit
        if over > 0:
            del self._buffer[:over]
            self._cut += over
        while self._cut >= _FLOOD_STEP:
            self._cut -= _FLOOD_STEP
            yield Junk(_FLOOD_STEP, "no line end")

    def _give_up(self) -> list[Piece]:
        body, cut = bytes(self._buffer), self._cut
        self._buffer.clear()
        self._cut = 0
        return [Junk(len(body) + cut, "half a line")] if body else []


def _junk(body: bytes, why: str) -> list[Piece]:
    return [Junk(len(body), why)] if body.strip(_HARMLESS) else []
