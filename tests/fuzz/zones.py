"""Coverage-guided fuzzing of zones and of every decoder, with one invariant each:

- any lines give a zone and its JSON, and masked lines of the same lengths; no exception, at most sixteen candidates,
  and a first guess whenever there are candidates;
- any bytes give readings, the same whole, byte by byte and after rubbish and a pause; no exception ever.

    make fuzz                                        # ten minutes
    python -m tests.fuzz.zones -max_total_time=60    # options of libFuzzer; a file replays a finding

The first byte of an input chooses what is fuzzed. Findings are written as `crash-*` where the command was started.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import atheris

with atheris.instrument_imports(include=["failsafe"], enable_loader_override=False):
    from failsafe.drivers import driver, mrz
    from failsafe.drivers.reading import DocumentRead, Malformed, Reading

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<<<<<<<<?*o \n\r"
_SHAPES = ((44, 44), (36, 36), (30, 30, 30), (34, 34), (9, 30, 30), (30,))
_HEADS = ("P<UTO", "V<UTO", "I<UTO", "IDFRA", "PNRUS", "I<SVK", "D1FRA", "FACHE")
_LONG_AFTER_S = 3600.0
_DRIVERS = driver.built_in()


def one(data: bytes) -> None:
    """One input: a zone of a known shape, any text, or the bytes of a device."""
    if not data:
        return
    kind, rest = data[0], data[1:]
    if kind < 96:
        zone(_shaped(kind, rest))
    elif kind < 128:
        zone(rest.decode("utf-8", "surrogateescape").split("\n"))
    else:
        line(_DRIVERS[kind % len(_DRIVERS)], rest)


def _shaped(kind: int, rest: bytes) -> list[str]:
    """Lines of a known layout's lengths, so that the fuzzer need not find those first."""
    text = "".join(_ALPHABET[byte % len(_ALPHABET)] if byte < 250 else chr(byte) for byte in rest)
    lengths = _SHAPES[kind % len(_SHAPES)]
    head = _HEADS[kind // len(_SHAPES) % len(_HEADS)]
    text = (head + text).ljust(sum(lengths), "<")
    starts = [sum(lengths[:place]) for place in range(len(lengths))]
    lines = [text[start : start + length] for start, length in zip(starts, lengths, strict=True)]
    if len(lengths) == 3 and lengths[0] == 9:
        lines[1] = "FACHE" + lines[1][5:]
    return lines


def zone(lines: Sequence[str]) -> None:
    """Any lines are answered."""
    read = mrz.parse(lines)
    told = json.loads(json.dumps(mrz.zone_json(read)))
    candidates = told["repair"]["candidates"]
    assert len(candidates) <= 16
    assert (told["repair"]["best"] is None) == (not candidates)
    assert not candidates or candidates[0] == told["repair"]["best"]
    assert told["repair"]["status"] != "unique" or len(candidates) == 1
    assert not (read.valid and read.checks.failed())
    masked = mrz.without_citizen_number(lines)
    twice = mrz.without_citizen_number(masked)
    # Masked digits may make a French card look like TD2, so that a second time hides more; it never shows anything.
    assert [len(row) for row in twice] == [len(row) for row in masked]
    pairs = zip("".join(masked), "".join(twice), strict=True)
    assert all(new in (old, mrz.MASKED) for old, new in pairs)
    repr(read)


def line(device: driver.Driver, data: bytes) -> None:
    """Any bytes give the same readings whole and byte by byte, and a decoder that goes on."""
    whole = device.decoder()
    once = _heard(whole.receive(data, 1.0))
    single = device.decoder()
    bytewise = _heard([reading for byte in data for reading in single.receive(bytes((byte,)), 1.0)])
    assert once == bytewise, device.name
    for decoder in (whole, single):
        decoder.receive(b"", 1.0 + _LONG_AFTER_S)
        decoder.to_send(1.0 + _LONG_AFTER_S)
    again = [_documents(decoder.receive(data, 2.0 + 2 * _LONG_AFTER_S)) for decoder in (whole, device.decoder())]
    assert again[0] == again[1], device.name


def _heard(readings: Sequence[Reading]) -> list[Reading]:
    """What must not depend on how the bytes were cut; rubbish may be told in other pieces."""
    return [reading for reading in readings if not isinstance(reading, Malformed)]


def _documents(readings: Sequence[Reading]) -> list[DocumentRead]:
    return [reading for reading in readings if isinstance(reading, DocumentRead)]


def main() -> None:
    """Fuzz until the options of libFuzzer say that it is enough."""
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
