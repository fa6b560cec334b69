"""Document readers that speak the CUTE family's frames: DESKO in CUTE mode, Access-IS OCR31x. Pure.

Habits of these readers:

- They only talk: a frame comes by itself when a document lies on the reader, and nothing has to be sent.
- A zone is `1C 02`, two or three lines each ended by CR, `03 1D`. The last CR may be missing.
- A frame comes even when recognition failed. Any character outside A-Z, 0-9 and `<` is a place the reader rejected:
  it stays in the line as `REJECTED`, since a known hole can be mended and a shifted line cannot.
- The same line carries barcodes (`1E 02`, one letter for the symbology, text, `03 1F`) and magnetic stripes
  (`0E 02`, type, text, `03 0F`), which are counted and ignored. A driving licence's barcode holds CR, LF and `1E`, so
  only `03 1F` ends it.
- At 9600 baud a passport's frame takes 98 ms on the wire.

Sources: DESKO document 7000310001 v2.12; Access-IS sample code for the OCR31x.
"""

from __future__ import annotations

from typing import Final

from failsafe.drivers import barcodes
from failsafe.drivers.driver import Driver, LineSettings
from failsafe.drivers.frames import GAP_S, Enclosed, Frame, Junk, Piece
from failsafe.drivers.layouts import ALPHABET
from failsafe.drivers.reading import REJECTED, DocumentRead, Malformed, Reading, Unknown

ZONE_START: Final = b"\x1c\x02"
ZONE_END: Final = b"\x03\x1d"
BARCODE_START: Final = b"\x1e\x02"
BARCODE_END: Final = b"\x03\x1f"
STRIPE_START: Final = b"\x0e\x02"
STRIPE_END: Final = b"\x03\x0f"


class CuteDecoder:
    """Frames of the CUTE family in, `DocumentRead`, `Unknown` and `Malformed` out."""

    def __init__(self, gap_s: float = GAP_S) -> None:
        marks = {ZONE_START: ZONE_END, BARCODE_START: BARCODE_END, STRIPE_START: STRIPE_END}
        self._frames = Enclosed(marks, gap_s=gap_s)

    def receive(self, chunk: bytes, now: float) -> list[Reading]:
        """See `Decoder.receive`."""
        return [_reading(piece, now) for piece in self._frames.feed(chunk, now)]

    def to_send(self, now: float) -> bytes:
        """Nothing: these readers only talk."""
        return b""


def _reading(piece: Piece, now: float) -> Reading:
    match piece:
        case Junk(length, why):
            return Malformed(now, why, length)
        case Frame(start, body) if start == ZONE_START:
            return DocumentRead(now, _zone_lines(body))
        case Frame(start, body) if start == BARCODE_START:
            return barcodes.reading(body[1:].decode("latin-1"), now)  # the first byte names the symbology
    return Unknown(now, "magstripe")


def _zone_lines(body: bytes) -> tuple[str, ...]:
    """The frame's lines with rejected places marked; empty where no character of a zone was recognised."""
    lines = tuple(_line(part) for part in body.replace(b"\n", b"\r").split(b"\r") if part)
    return lines if any(set(line) - {REJECTED} for line in lines) else ()


def _line(part: bytes) -> str:
    # One character a byte, so that places keep their numbers whatever the reader sent.
    return "".join(char if char in ALPHABET else REJECTED for char in part.decode("latin-1"))


DRIVER: Final = Driver(
    name="cute",
    makes="DESKO in CUTE mode, Access-IS OCR31x",
    role="document",
    line=LineSettings(),
    status="documented frames",
    decoder=CuteDecoder,
)
