"""The text of a barcode as a reading: a zone, a driving licence, a boarding pass, or none of these. Pure."""

from __future__ import annotations

from failsafe.drivers import aamva, boarding, mrz
from failsafe.drivers.layouts import ALPHABET, has_zone_size
from failsafe.drivers.reading import DocumentRead, Reading, Unknown


def reading(text: str, now: float) -> Reading:
    """What a barcode of this text is, read at monotonic time `now`; `Unknown` where it is nobody's document."""
    if aamva.is_card(text):
        licence = aamva.licence(text)
        return DocumentRead(now, (), "licence", licence)  # without a holder where nothing could be read of it
    holder = boarding.boarding_pass(text)
    if holder is not None:
        return DocumentRead(now, (), "boarding pass", holder)
    lines = mrz.split(text)
    plain = all(char in ALPHABET for char in text.replace("\r", "").replace("\n", ""))
    if plain and has_zone_size(lines):
        return DocumentRead(now, lines, "barcode")
    return Unknown(now, "barcode")
