"""Imagers and plain text: Honeywell, Newland, Opticon and whatever else sends what it read as lines. Pure.

Habits of these devices:

- A zone comes as two or three lines that end with CR, LF or both, or run together as one; some are set to send no
  line end at all. Nothing frames it: a zone is there when lines of a zone's size are, and what does not become one
  within a silence was a document that could not be read.
- Before the text may stand an AIM identifier of the symbology: `]L0` PDF417, `]Q1` QR, `]z0` Aztec, `]d2` Data Matrix,
  `]C0` Code 128.
- A driving licence's barcode holds LF, CR and RS, so it comes as some thirty lines that belong together; it ends with
  the length in its own table, or with silence.
- Imagers are off until triggered, and stop by themselves after a while or a good read: the `honeywell` and `newland`
  drivers trigger them at the start, after each read, and again before they stop. `lines` only listens.
- Commands are answered on the same line (`OCRENA1` ACK `!`; SOH-framed by Newland): answers are cut out.

Sources: Honeywell OCR Programming Guide; Newland's sample code for its serial trigger. The intervals of the triggers
are from manuals; no hardware was at hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from failsafe.drivers import aamva, barcodes, mrz
from failsafe.drivers.driver import Driver, LineSettings
from failsafe.drivers.frames import FRAME_LIMIT, GAP_S, Frame, Junk, Lines
from failsafe.drivers.layouts import ALPHABET, FILLER, has_zone_size
from failsafe.drivers.reading import REJECTED, DocumentRead, Malformed, Reading, Unknown

# The longest line is a boarding pass of four legs with its airlines' own data.
_LINE_LIMIT: Final = 1024
_AIM: Final = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_ANSWERS: Final = re.compile(r"[\x01\x02]*[0-9A-Za-z@]{4,20}[\x06\x15\x05][!.;]\x03?")
# A Swiss driving licence has a first line of nine places and two of thirty; no other line of a zone is shorter.
_SWISS_FIRST: Final = re.compile(r"[A-Z]{3}[0-9]{3}[A-Z]<<")
_ZONE_LINE_FROM: Final = 20
_ZONE_LINE_SHARE: Final = 0.7  # of its places are recognised


@dataclass(frozen=True, slots=True)
class Trigger:
    """What an imager must be told.

    Attributes:
        start: sent once when the line is opened.
        read: starts a read.
        again_s: a read that found nothing has ended by itself after this time.
    """

    start: bytes
    read: bytes
    again_s: float


HONEYWELL_OCR: Final = b"\x16M\rocrena1!"
HONEYWELL_ON: Final = b"\x16T\r"
HONEYWELL_OFF: Final = b"\x16U\r"
NEWLAND_ON: Final = b"~\x010000@SCNTRG1;\x03"

HONEYWELL_TRIGGER: Final = Trigger(HONEYWELL_OCR, HONEYWELL_ON, 25.0)
NEWLAND_TRIGGER: Final = Trigger(b"", NEWLAND_ON, 2.5)


class LinesDecoder:
    """Lines in, documents out; tells imagers when to read where a `trigger` is given."""

    def __init__(self, trigger: Trigger | None = None, gap_s: float = GAP_S) -> None:
        self._trigger = trigger
        self._gap_s = gap_s
        self._lines = Lines(_LINE_LIMIT, gap_s, open_end=True)
        self._zone: list[str] = []  # lines that may become one
        self._card: list[str] | None = None  # lines of a licence
        self._heard_at = 0.0
        self._started = False
        self._read_at = float("-inf")

    def receive(self, chunk: bytes, now: float) -> list[Reading]:
        """See `Decoder.receive`."""
        readings: list[Reading] = []
        silence = now - self._heard_at > self._gap_s
        if silence:  # the rest of a line belongs to what was said before the silence
            for piece in self._lines.feed(b"", now):
                readings += self._piece(piece, now)
            readings += self._finish(now)
        if chunk:
            self._heard_at = now
            for piece in self._lines.feed(chunk, now):
                readings += self._piece(piece, now)
        return readings

    def to_send(self, now: float) -> bytes:
        """The imager's triggers; nothing where it needs none."""
        if self._trigger is None or now - self._read_at < self._trigger.again_s:
            return b""
        self._read_at = now
        start = b"" if self._started else self._trigger.start
        self._started = True
        return start + self._trigger.read

    # --- lines to readings ---------------------------------------------------------------------------------------

    def _piece(self, piece: Frame | Junk, now: float) -> list[Reading]:
        if isinstance(piece, Junk):
            return [Malformed(now, piece.why, piece.length)]
        if piece.cut:
            return [Malformed(now, "line too long", piece.cut + len(piece.body))]
        text = _ANSWERS.sub("", piece.body.decode("latin-1"))
        named = _AIM.match(text)
        text = text[named.end() :] if named else text
        if self._card is not None and not named and not _begins_a_card(text):
            return self._card_line(text, now)
        if not text.strip():
            return []
        return [*self._end_card(now), *self._line(text, now)]

    def _line(self, text: str, now: float) -> list[Reading]:
        """A line that belongs to no licence."""
        if _begins_a_card(text):
            self._card = []
            return [*self._end_zone(now), *self._card_line(text, now)]
        if _is_zone_line(text):
            return self._zone_line(text, now)
        reading = barcodes.reading(text, now)
        if isinstance(reading, Unknown):
            reading = Unknown(now, "text")
        return [*self._end_zone(now), self._done(reading)]

    def _zone_line(self, text: str, now: float) -> list[Reading]:
        other = bool(self._zone) and len(text) != len(self._zone[-1]) and not _SWISS_FIRST.fullmatch(self._zone[-1])
        before = self._end_zone(now) if other else []
        self._zone.append(_marked(text))
        lines = tuple(self._zone) if has_zone_size(self._zone) else mrz.split(self._zone[-1])
        if has_zone_size(lines):
            self._zone.clear()
            return [*before, self._done(DocumentRead(now, lines))]
        if len(self._zone) >= 3:
            return [*before, *self._end_zone(now)]
        return before

    def _card_line(self, text: str, now: float) -> list[Reading]:
        assert self._card is not None
        self._card.append(text)
        length = sum(map(len, self._card))
        if length > FRAME_LIMIT:
            self._card = None
            return [Malformed(now, "barcode too long", length)]
        # Line ends were lost in the cutting; the table's lengths count one for each, and the last is CR.
        if aamva.is_whole("\n".join(self._card) + "\r"):
            return self._end_card(now)
        return []

    def _finish(self, now: float) -> list[Reading]:
        """What a silence ends."""
        return [*self._end_card(now), *self._end_zone(now)]

    def _end_card(self, now: float) -> list[Reading]:
        if self._card is None:
            return []
        text, self._card = "\n".join(self._card) + "\r", None
        if not aamva.is_card(text):
            return [Malformed(now, "half a barcode", len(text))]
        return [self._done(barcodes.reading(text, now))]

    def _end_zone(self, now: float) -> list[Reading]:
        """Lines that became no zone are a document that was not read."""
        if not self._zone:
            return []
        self._zone.clear()
        return [self._done(DocumentRead(now, ()))]

    def _done(self, reading: Reading) -> Reading:
        """A read ended, whatever came of it: the imager must be triggered again."""
        self._read_at = float("-inf")
        return reading


def _begins_a_card(text: str) -> bool:
    return text.strip("\x1e ") == "@" or aamva.is_card(text)


def _is_zone_line(text: str) -> bool:
    """Whether a line was printed in a zone: mostly of its alphabet, with a filler, as no barcode's text is."""
    if _SWISS_FIRST.fullmatch(text.rstrip()):
        return True
    known = sum(char in ALPHABET for char in text)
    return len(text) >= _ZONE_LINE_FROM and FILLER in text and known >= _ZONE_LINE_SHARE * len(text)


def _marked(text: str) -> str:
    return "".join(char if char in ALPHABET else REJECTED for char in text.rstrip())


def _honeywell() -> LinesDecoder:
    return LinesDecoder(HONEYWELL_TRIGGER)


def _newland() -> LinesDecoder:
    return LinesDecoder(NEWLAND_TRIGGER)


DRIVER: Final = Driver(
    name="lines",
    makes="imagers and readers that send plain lines (Opticon, others)",
    role="document",
    line=LineSettings(),
    status="documented frames",
    decoder=LinesDecoder,
)
HONEYWELL: Final = Driver(
    name="honeywell",
    makes="Honeywell imagers with OCR",
    role="document",
    line=LineSettings(),
    status="documented frames",
    decoder=_honeywell,
)
NEWLAND: Final = Driver(
    name="newland",
    makes="Newland imagers with OCR",
    role="document",
    line=LineSettings(),
    status="documented frames",
    decoder=_newland,
)
