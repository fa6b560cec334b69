"""`failsafe decode`: the bytes of a device's line as readings, one JSON object each, and a summary."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import IO, Any, Final

from failsafe.drivers import mrz, tsa
from failsafe.drivers.driver import Driver
from failsafe.drivers.reading import DocumentRead, Malformed, Reading, Unknown

_CHUNK: Final = 4096
_LONG_AFTER_S: Final = 3600.0


def decode(driver: Driver, source: IO[bytes], *, stamped: bool = False) -> Iterator[dict[str, Any]]:
    """Readings of a device's raw bytes, then a summary with counts.

    Args:
        driver: whose decoder reads them.
        source: the bytes as they came over the line.
        stamped: each line ends in a recorder's time stamp, which becomes the readings' time; else time stands still.
    """
    decoder = driver.decoder()
    lines = readings = malformed = 0
    unknown: dict[str, int] = {}
    for chunk, now in _chunks(source, stamped=stamped):
        lines += chunk.count(b"\n")
        for reading in decoder.receive(chunk, now):
            if isinstance(reading, Malformed):
                malformed += 1
            elif isinstance(reading, Unknown):
                unknown[reading.tag] = unknown.get(reading.tag, 0) + 1
            else:
                readings += 1
            yield reading_json(reading)
    yield {
        "kind": "summary",
        "lines": lines,
        "readings": readings,
        "malformed": malformed,
        "unknown_tags": dict(sorted(unknown.items())),
    }


def _chunks(source: IO[bytes], *, stamped: bool) -> Iterator[tuple[bytes, float]]:
    now = 0.0
    pieces: Iterable[bytes] = source if stamped else iter(lambda: source.read(_CHUNK), b"")
    for piece in pieces:
        if not stamped:
            yield piece, now
            continue
        stamp = tsa.stamp_of(piece, now)
        now = now if stamp is None else stamp
        yield (piece if stamp is None else tsa.strip_stamp(piece)), now
    yield b"", now + _LONG_AFTER_S  # what is half said stays half: let it time out


def reading_json(reading: Reading) -> dict[str, Any]:
    """A reading as an object whose first member is its `kind`; documents with their parsed zone."""
    told: dict[str, Any] = {"kind": reading.kind, **dataclasses.asdict(reading)}
    if isinstance(reading, DocumentRead) and reading.source == "zone":
        told["zone"] = mrz.zone_json(mrz.parse(reading.lines))
    return told
