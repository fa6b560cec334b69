"""A segment of the index as pages of bytes, and read from them again. Pure.

The first page says which arrays follow, of which kind and length; each of them is cut into pieces of some megabytes,
compressed one by one with a checksum, so that reading never holds more than one beside the arrays. What was written by
other rules, or is not whole, is refused: the reader builds the segment anew.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
import numpy as np
import zstandard

from failsafe.agent.person import names
from failsafe.agent.person.segment import Segment
from failsafe.agent.person.vocabulary import Buckets, Texts, Vocabulary

PIECE: Final = 4 * 1024 * 1024  # bytes before compression
_SHAPE: Final = "2"  # of the arrays; another number has them built anew
_LEVEL: Final = 1


class PagesUnfit(ValueError):
    """Pages of another edition, or not whole; `why` is fixed words, so that no name is quoted."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    kind: str
    size: int  # bytes


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    edition: str
    parts: tuple[_Part, ...]


def written(segment: Segment) -> Iterator[bytes]:
    """The pages of a segment."""
    parts = dict(_parts(segment))
    head = _Head(_edition(), tuple(_Part(name, _kind(part), len(_raw(part))) for name, part in parts.items()))
    yield msgspec.json.encode(head)
    # The checksum is the page's own: the encrypted file vouches for its pages, not for their being all there.
    squeeze = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    for part in parts.values():
        raw = _raw(part)
        for place in range(0, len(raw), PIECE):
            yield squeeze.compress(raw[place : place + PIECE])


def read(pages: Iterable[bytes]) -> Segment:
    """The segment of some pages.

    Raises:
        PagesUnfit: they are of another edition, or damaged.
    """
    coming = iter(pages)
    try:
        head = msgspec.json.decode(next(coming), type=_Head)
        if head.edition != _edition():
            raise PagesUnfit("another edition")
        held = {part.name: _filled(part, coming) for part in head.parts}
        segment: Segment = _made(Segment, held, "")
    except PagesUnfit:
        raise
    except (StopIteration, KeyError, TypeError, ValueError, zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise PagesUnfit(type(error).__name__) from None
    if next(coming, None) is not None or not _whole(segment):
        raise PagesUnfit("not whole")
    return segment


def _edition() -> str:
    return f"{_SHAPE}/{names.EDITION}/{np.little_endian}"


def _parts(of: Any, before: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Arrays and letters by the way to them."""
    for field in filter(_kept, dataclasses.fields(of)):
        value = getattr(of, field.name)
        if dataclasses.is_dataclass(value):
            yield from _parts(value, f"{before}{field.name}.")
        else:
            yield f"{before}{field.name}", value


def _kept(field: dataclasses.Field[Any]) -> bool:
    return field.init  # the others follow from these


def _kind(part: Any) -> str:  # noqa: ANN401
    return "bytes" if isinstance(part, bytes) else str(part.dtype.str)


def _raw(part: Any) -> memoryview:  # noqa: ANN401
    return memoryview(part) if isinstance(part, bytes) else np.ascontiguousarray(part).view(np.uint8).data


def _filled(part: _Part, pages: Iterator[bytes]) -> Any:  # noqa: ANN401
    held = np.empty(part.size, np.uint8)
    expand = zstandard.ZstdDecompressor()
    for place in range(0, part.size, PIECE):
        piece = expand.decompress(next(pages), max_output_size=PIECE)
        held[place : place + PIECE] = np.frombuffer(piece, np.uint8)
    return held.tobytes() if part.kind == "bytes" else held.view(np.dtype(part.kind))


_WITHIN: Final = {"Texts": Texts, "Vocabulary": Vocabulary, "Buckets": Buckets}


def _made(kind: Any, held: dict[str, Any], before: str) -> Any:  # noqa: ANN401
    """A dataclass of the arrays that stand under its fields' names."""
    values = {}
    for field in filter(_kept, dataclasses.fields(kind)):
        within = _WITHIN.get(str(field.type))
        way = f"{before}{field.name}"
        values[field.name] = _made(within, held, f"{way}.") if within else held[way]
    return kind(**values)


def _whole(segment: Segment) -> bool:
    """Whether the arrays' lengths belong together, so that no search can reach behind an end."""
    rows, notices, sounds = len(segment.row_own), len(segment.number), len(segment.weights)
    texts = (segment.tokens, segment.entity_ids, segment.births, segment.words, segment.vocabulary.sounds)
    return (
        len(segment.row_start) == rows + 1
        and len(segment.posting) == sounds + 1 == len(segment.vocabulary) + 1
        and len(segment.cells) == segment.row_start[-1]
        and len(segment.rows_of) == segment.posting[-1]
        and int(segment.days.astype(np.uint32).max(initial=0)) <= max(notices - 1, 0)
        and len(segment.sound_of) == len(segment.tokens) == len(segment.bearers)
        and len(segment.entity_ids) == len(segment.births) == notices
        and len(segment.notice_start) == notices + 1
        and all(len(each) == rows for each in (segment.row_weight, segment.row_kind, segment.row_notice))
        and all(len(text.letters) == text.start[-1] for text in texts)
        and all(len(each.members) == each.start[-1] for each in (segment.spelled, segment.vocabulary.deletes))
    )
