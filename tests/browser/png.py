"""PNGs as Chromium writes them, read; and written again with a palette, at a fraction of the size."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

Pixels = np.ndarray[Any, np.dtype[np.uint8]]  # height x width x 3
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


def pixels(png: bytes) -> Pixels:
    """Height x width x 3 of a PNG as Chromium writes it: eight bits, RGB or RGBA, not interlaced.

    Raises:
        ValueError: it is another kind of PNG.
    """
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", png[16:29])
    if (depth, interlaced) != (8, 0) or kind not in (2, 6):
        raise ValueError("Chromium writes PNGs of eight bits, RGB or RGBA; this is none.")
    packed, place = b"", 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        if png[place + 4 : place + 8] == b"IDAT":
            packed += png[place + 8 : place + 8 + length]
        place += length + 12
    return _unfiltered(zlib.decompress(packed), width, height, 4 if kind == 6 else 3)[:, :, :3]


def _unfiltered(raw: bytes, width: int, height: int, channels: int) -> Pixels:
    """Undo the five filters of the PNG specification, 9.2, line by line."""
    stride = width * channels
    lines = np.frombuffer(raw, np.uint8).reshape(height, stride + 1)
    picture = np.zeros((height + 1, stride), np.uint8)
    for row in range(height):
        line, above = lines[row, 1:], picture[row]
        match lines[row, 0]:
            case 0:
                picture[row + 1] = line
            case 1:  # each channel is a running sum, modulo 256
                picture[row + 1] = np.cumsum(line.reshape(width, channels), axis=0, dtype=np.uint8).reshape(stride)
            case 2:
                picture[row + 1] = line + above
            case kind:
                picture[row + 1] = _slowly(kind, line.tolist(), above.tolist(), channels)
    return picture[1:].reshape(height, width, channels)


def _slowly(kind: int, line: Sequence[int], above: Sequence[int], channels: int) -> list[int]:
    """Filters 3 (mean) and 4 (Paeth), where each byte needs the one before it."""
    out = [0] * channels + list(line)
    over = [0] * channels + list(above)
    for place in range(channels, len(out)):
        left, up, corner = out[place - channels], over[place], over[place - channels]
        if kind == 3:
            guess = (left + up) // 2
        else:
            estimate = left + up - corner
            guess = min((left, up, corner), key=lambda one, at=estimate: abs(at - one))
        out[place] = (out[place] + guess) & 255
    return out[channels:]


def outline(png: bytes, side: int = 48) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The picture as ink and ground, `side` x `side`; the ground is what its border is mostly made of."""
    grey = pixels(png).astype(float).mean(axis=2)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = np.abs(grey - np.median(border)) > 40
    rows, columns = (np.linspace(0, size - 1, side).astype(int) for size in ink.shape)
    return ink[np.ix_(rows, columns)]


def small(png: bytes) -> bytes:
    """The same picture with a palette of at most 256 colours: the most frequent, and each other the nearest of them."""
    picture = pixels(png)
    height, width, _ = picture.shape
    codes = picture.reshape(-1, 3).astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    colours, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
    kept = np.sort(np.argsort(-counts, kind="stable")[:256])
    rgb = np.stack([colours >> 16, (colours >> 8) & 255, colours & 255], axis=1).astype(np.int32)
    nearest = np.array([((rgb[kept] - one) ** 2).sum(axis=1).argmin() for one in rgb], np.uint8)
    lines = np.zeros((height, width + 1), np.uint8)  # each begins with its filter: none
    lines[:, 1:] = nearest[places.reshape(-1)].reshape(height, width)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", rgb[kept].astype(np.uint8).tobytes()), (b"IDAT", zlib.compress(lines, 9)))
    return _SIGNATURE + b"".join(_chunk(name, body) for name, body in (*parts, (b"IEND", b"")))


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
