"""What every decoder must hold to, whichever device's: the same readings however bytes are cut, and after garbage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from failsafe.drivers.driver import Decoder
from failsafe.drivers.reading import Malformed, Reading


def heard(make: Callable[[], Decoder], *chunks: bytes, now: float = 50.0) -> list[Reading]:
    """The readings of chunks that come at once."""
    decoder = make()
    return [reading for chunk in chunks for reading in decoder.receive(chunk, now)]


def good(readings: Sequence[Reading]) -> list[Reading]:
    """All but what was given up."""
    return [reading for reading in readings if not isinstance(reading, Malformed)]


def in_pieces(stream: bytes, places: Sequence[int]) -> list[bytes]:
    """The stream cut at these places."""
    ends = sorted(min(place, len(stream)) for place in places)
    return [stream[start:end] for start, end in zip([0, *ends], [*ends, len(stream)], strict=True)]


def assert_cutting_does_not_matter(make: Callable[[], Decoder], stream: bytes, places: Sequence[int]) -> None:
    """Whole, byte by byte and cut anywhere: the same readings, and any bytes give some without an exception."""
    whole = heard(make, stream)
    assert heard(make, *(bytes((byte,)) for byte in stream)) == whole
    assert heard(make, *in_pieces(stream, places)) == whole


def after_garbage(make: Callable[[], Decoder], garbage: bytes, stream: bytes) -> list[Reading]:
    """What a decoder reads that heard garbage first and then a silence; the garbage's own readings left out."""
    decoder = make()
    decoder.receive(garbage, 10.0)
    decoder.receive(b"", 30.0)
    return list(decoder.receive(stream, 50.0))
