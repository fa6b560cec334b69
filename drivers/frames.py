"""Cutting a stream of bytes into frames, for every decoder: bounded memory, and a way back after garbage. Pure.

Three kinds of framing. `Enclosed` cuts frames that lie between marks of two bytes; `Prefixed` cuts frames that begin
with a letter and their length; `Lines` cuts lines that end with CR or LF. All promise the same three things:

- the pieces depend on the bytes and on the silences between them, never on how the bytes were cut into chunks;
- the buffer never grows beyond a limit, whatever arrives, and bytes given up are counted in a `Junk`;
- an unfinished frame that is followed by silence is given up, so that the next frame starts clean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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


class Prefixed:
    """Frames of one letter, the body's length in two bytes, and the body.

    Nothing marks an end, so a wrong length would swallow what follows: a frame counts only if its body is `sound`,
    else one byte is passed over and the rest is looked at anew. After a silence the same is done with what a wrong
    length still waits for, so that a whole frame inside it is found.

    Args:
        letters: those that frames begin with.
        sound: whether a body may belong to a letter.
        limit: longest body in bytes.
        gap_s: silence in seconds after which an unfinished frame is given up.
    """

    def __init__(
        self, letters: bytes, sound: Callable[[bytes, bytes], bool], limit: int = 1024, gap_s: float = GAP_S
    ) -> None:
        self._letters = letters
        self._sound = sound
        self._limit = limit
        self._gap_s = gap_s
        self._buffer = bytearray()
        self._lost = 0
        self._heard_at = 0.0

    def feed(self, chunk: bytes, now: float) -> Iterator[Piece]:
        """See `Framing.feed`."""
        if now - self._heard_at > self._gap_s:
            yield from self._give_up()
        if not chunk:
            return
        self._heard_at = now
        self._buffer += chunk
        yield from self._whole()

    def _whole(self) -> Iterator[Piece]:
        """The frames that are complete; stops where more bytes are needed."""
        while len(self._buffer) >= 3:
            length = int.from_bytes(self._buffer[1:3], "big")
            if self._buffer[0] not in self._letters or length > self._limit:
                yield from self._pass_over()
                continue
            if len(self._buffer) < 3 + length:
                return
            letter, body = bytes(self._buffer[:1]), bytes(self._buffer[3 : 3 + length])
            if not self._sound(letter, body):
                yield from self._pass_over()
                continue
            del self._buffer[: 3 + length]
            yield from self._tell_lost()
            yield Frame(letter, body)

    def _pass_over(self) -> Iterator[Piece]:
        """One byte is no beginning of a frame."""
        self._lost += self._buffer[0] not in _HARMLESS
        del self._buffer[:1]
        if self._lost >= _FLOOD_STEP:
            yield from self._tell_lost()

    def _tell_lost(self) -> Iterator[Piece]:
        lost, self._lost = self._lost, 0
        if lost:
            yield Junk(lost, "no frame")

    def _give_up(self) -> Iterator[Piece]:
        while self._buffer:
            yield from self._pass_over()
            yield from self._whole()
        yield from self._tell_lost()


class Lines:
    """Lines that end with CR, LF or both; empty lines are passed over.

    Of a line longer than the limit the last `limit` bytes are kept, since a good line may hang on its end after a
    flood: `Frame.cut` says how much went before.

    Args:
        limit: longest line in bytes.
        gap_s: silence in seconds after which an unfinished line is given up.
        open_end: silence ends a line as well as CR or LF do: for devices set to send neither.
    """

    def __init__(self, limit: int = LINE_LIMIT, gap_s: float = GAP_S, *, open_end: bool = False) -> None:
        self._open_end = open_end
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
        if body and self._open_end:
            return [Frame(b"", body, cut)]
        return [Junk(len(body) + cut, "half a line")] if body else []


def _junk(body: bytes, why: str) -> list[Piece]:
    return [Junk(len(body), why)] if body.strip(_HARMLESS) else []
