"""Document readers of Elyctis (ID BOX One): they answer, and must be asked again after each document. Pure.

Habits of these readers:

- A frame is one letter, two bytes of length, the data. `I` carries a zone: lines that end with CR, and one CR more.
- Continuous reading (`C`) is one-shot: a good read switches it off, so it is switched on again after each, and beside
  each question, since a reader that lost its power for a moment comes back without it.
- We never inquire with `I`, so an empty `I` is a document that the reader saw and could not read.
- The reader answers `V` (version) and `R` (serial number). It is asked every half minute, since a document reader is
  silent by nature and nothing else would tell a dead one.
- Seen on USB as a serial port, or on a line of 9600 or 115200 baud; DTR must be on.

Source: Elyctis Scanner Command Set v1.7.
"""

from __future__ import annotations

from typing import Final

from failsafe.drivers.driver import Driver, LineSettings
from failsafe.drivers.frames import GAP_S, Frame, Junk, Piece, Prefixed
from failsafe.drivers.layouts import ALPHABET
from failsafe.drivers.reading import REJECTED, DeviceHealth, DocumentRead, Malformed, Reading, Unknown

ARM: Final = b"C\x00\x01\x01"
DISARM: Final = b"C\x00\x01\x00"
INQUIRE: Final = b"I\x00\x00"
VERSION: Final = b"V\x00\x00"
SERIAL: Final = b"R\x00\x00"

# A reader that takes longer over its version than this does not answer.
ANSWER_S: Final = 3.0
ASK_EVERY_S: Final = 30.0
ASK_AGAIN_S: Final = 5.0
# A zone is 93 bytes; versions and names are shorter than this by far.
_BODY_LIMIT: Final = 512
_PRINTED: Final = frozenset(range(0x20, 0x7F)) | frozenset(b"\r\n")


def frame(letter: bytes, body: bytes) -> bytes:
    """A frame as the reader sends it."""
    return letter + len(body).to_bytes(2, "big") + body


def is_sound(letter: bytes, body: bytes) -> bool:
    """Whether a body may belong to a frame of this letter."""
    if letter == b"C":
        return len(body) <= 4
    return all(byte in _PRINTED for byte in body) and (letter != b"I" or not body or body.endswith(b"\r"))


class ElyctisDecoder:
    """Frames of these readers in, documents and the reader's own health out; says when the reader must be asked."""

    def __init__(self, gap_s: float = GAP_S) -> None:
        self._frames = Prefixed(b"ICVWRTS", is_sound, _BODY_LIMIT, gap_s)
        self._asked_at: float | None = None  # since when an answer is awaited
        self._next_at = float("-inf")
        self._armed = False
        self._silent = False
        self._told: dict[bytes, str] = {}

    def receive(self, chunk: bytes, now: float) -> list[Reading]:
        """See `Decoder.receive`."""
        readings: list[Reading] = []
        for piece in self._frames.feed(chunk, now):
            readings += self._take(piece, now)
        if self._asked_at is not None and now - self._asked_at > ANSWER_S and not self._silent:
            self._silent = True
            readings.append(DeviceHealth(now, "DEVICE", False, "The reader does not answer."))
        return readings

    def to_send(self, now: float) -> bytes:
        """Version, serial number and continuous reading at the start; then what `receive` made necessary."""
        if now >= self._next_at:
            self._next_at = now + (ASK_AGAIN_S if self._silent else ASK_EVERY_S)
            self._asked_at = now if self._asked_at is None else self._asked_at
            self._armed = True
            return VERSION + (b"" if b"R" in self._told else SERIAL) + ARM
        if not self._armed:
            self._armed = True
            return ARM
        return b""

    def _take(self, piece: Piece, now: float) -> list[Reading]:
        match piece:
            case Junk(length, why):
                return [Malformed(now, why, length)]
            case Frame(letter, body):
                back = self._answered(now)
                return back + self._reading(letter, body, now)

    def _answered(self, now: float) -> list[Reading]:
        self._asked_at = None
        if not self._silent:
            return []
        self._silent = False
        self._next_at = now  # it may have been without power: ask and arm at once
        return [DeviceHealth(now, "DEVICE", True, "The reader answers again.")]

    def _reading(self, letter: bytes, body: bytes, now: float) -> list[Reading]:
        if letter == b"I":
            self._armed = False
            return [DocumentRead(now, _lines(body))]
        if letter in (b"V", b"R"):
            told = body.decode("ascii").strip()
            if self._told.get(letter) != told:
                self._told[letter] = told
                what = "version" if letter == b"V" else "serial number"
                return [DeviceHealth(now, "DEVICE", True, f"{what} {told}")]
            return []
        return [] if letter == b"C" else [Unknown(now, letter.decode("ascii"))]


def _lines(body: bytes) -> tuple[str, ...]:
    """The zone's lines with rejected places marked; empty where no character was recognised."""
    parts = [part for part in body.decode("ascii").replace("\n", "\r").split("\r") if part]
    lines = tuple("".join(char if char in ALPHABET else REJECTED for char in part) for part in parts)
    return lines if any(set(line) - {REJECTED} for line in lines) else ()


DRIVER: Final = Driver(
    name="elyctis",
    makes="Elyctis ID BOX One",
    role="document",
    line=LineSettings(),
    status="documented frames",
    decoder=ElyctisDecoder,
)
