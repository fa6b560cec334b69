"""A feed's payloads and the rule by which a head may follow what a booth holds. Pure.

A payload is JSON Lines (a `PayloadHeader`, then operations), compressed with zstd, then encrypted with the epoch's
content key. A snapshot builds the feed from nothing, a delta goes from `base_serial` to `serial`.

A supplement has few notices, and how many is nobody's business who cannot read it: its payloads are filled up to steps,
and its head keeps its numbers under the content key.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import msgspec
import zstandard

from failsafe.sync import seal
from failsafe.sync.errors import ForeignLineage, Malformed, Older, Shrunken, Truncated
from failsafe.sync.records import UNREADABLE, Head, Operation, Payload, PayloadHeader, Statement

# A million notices are 600 MB of lines at most; three times that is the most a booth unpacks, piece by piece.
MAX_PLAIN_BYTES: Final = 2 * 1024 * 1024 * 1024
_LONGEST_LINE: Final = 16 * 1024 * 1024  # a notice is a thousandth of it
_PIECE: Final = 256 * 1024
_COMPRESSION_LEVEL: Final = 3
# The shortest payload of a supplement; each further step is twice the one before.
_FIRST_STEP: Final = 4096
# RFC 8878, section 3.1.2: a frame that every decoder passes over.
_SKIPPED: Final = bytes.fromhex("502a4d18")
_TALLY: Final = struct.Struct(">QQ")
_ENCODER: Final = msgspec.json.Encoder()
_HEADER: Final = msgspec.json.Decoder(PayloadHeader)
_OPERATION: Final = msgspec.json.Decoder(Operation)


@dataclass(frozen=True, slots=True)
class Floor:
    """The newest step of a feed that this booth has accepted; nothing below it is accepted again."""

    lineage: str
    serial: int
    count: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """A verified step of one feed, ready to be applied in one transaction.

    `base_serial` None replaces the feed's whole content. `metadata` are the raw TUF files that vouch for it.
    """

    feed: str
    lineage: str
    serial: int
    base_serial: int | None
    epoch: int
    count: int
    removed: int
    signed_at: float  # UTC seconds since 1970, of the trusted timestamp
    operations: Iterable[Operation]
    metadata: Mapping[str, bytes] = field(default_factory=dict)


def encode_payload(header: PayloadHeader, operations: Iterable[Operation], key: bytes, *, fill: bool = False) -> bytes:
    """The payload as it is published; `header.lines` is set to the number of operations.

    Args:
        header: which step it is.
        operations: its lines.
        key: the epoch's content key.
        fill: up to the next step of length, so that it does not tell how much is in it.
    """
    lines = [_ENCODER.encode(operation) for operation in operations]
    first = _ENCODER.encode(msgspec.structs.replace(header, lines=len(lines)))
    packed = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL).compress(b"\n".join([first, *lines]) + b"\n")
    if fill:
        packed = _filled(packed)
    return seal.encrypt_content(packed, key, *_place(header.feed, header.lineage, header.serial, header.base_serial))


def _filled(packed: bytes) -> bytes:
    """The frame, and behind it one that is passed over, so that both together are a step of length."""
    start = len(packed) + len(_SKIPPED) + 4
    length = _FIRST_STEP
    while length < start:
        length *= 2
    return packed + _SKIPPED + (length - start).to_bytes(4, "little") + bytes(length - start)


def seal_tally(head: Head, key: bytes) -> Head:
    """A supplement's head with its numbers where only its readers see them."""
    tally = seal.encrypt_content(_TALLY.pack(head.count, head.removed), key, *_tally_place(head))
    return msgspec.structs.replace(head, count=0, removed=0, tally=tally)


def open_tally(head: Head, key: bytes) -> Head:
    """The head as `seal_tally` was given it.

    Raises:
        Truncated: its numbers are not under this key, or of another step.
    """
    plain = seal.decrypt_content(head.tally, key, *_tally_place(head))
    if len(plain) != _TALLY.size:
        raise Truncated("The numbers of a supplement are not whole.")
    count, removed = _TALLY.unpack(plain)
    return msgspec.structs.replace(head, count=count, removed=removed, tally=b"")


def _tally_place(head: Head) -> tuple[str, ...]:
    return (head.feed, head.lineage, str(head.serial), "tally")


class Operations:
    """The operations of one or more payloads, unpacked and decoded as they are asked for.

    A million notices as objects would be gigabytes, and as lines most of one: what is held is what was packed. Every
    line has been decoded once before, so iterating raises nothing.
    """

    def __init__(self, *parts: bytes, length: int = 0) -> None:
        self._parts = parts
        self._length = length

    def __iter__(self) -> Iterator[Operation]:
        for part in self._parts:
            yield from map(_OPERATION.decode, islice(_lines(part), 1, None))

    def __len__(self) -> int:
        return self._length

    def __add__(self, other: Operations) -> Operations:
        return Operations(*self._parts, *other._parts, length=self._length + other._length)


def _lines(packed: bytes) -> Iterator[bytes]:
    """The lines of a payload, the header first.

    Raises:
        Truncated: it does not unpack, or to more than a booth takes.
    """
    unpacked = 0
    try:
        # One frame: what may stand behind it is filling.
        with zstandard.ZstdDecompressor().stream_reader(packed) as frame, io.BufferedReader(frame, _PIECE) as lines:
            while line := lines.readline(_LONGEST_LINE):
                unpacked += len(line)
                if unpacked > MAX_PLAIN_BYTES or not line.endswith(b"\n"):
                    raise Truncated("A payload is longer than a booth takes, or not whole.")
                yield line
    except zstandard.ZstdError as error:
        raise Truncated("A payload does not unpack.") from error


def decode_payload(box: bytes, payload: Payload, head: Head, key: bytes) -> Operations:
    """The operations of a payload that `head` names.

    Raises:
        Truncated: not whole, or not of this place in this feed.
        Malformed: whole, and not in the shape this version reads.
    """
    packed = seal.decrypt_content(box, key, *_place(head.feed, head.lineage, payload.serial, payload.base_serial))
    lines = _lines(packed)
    try:
        header = _HEADER.decode(next(lines, b""))
        length = sum(1 for _ in map(_OPERATION.decode, lines))
    except UNREADABLE as error:  # its text may quote a notice: it is not repeated here
        raise Malformed(f"A payload of feed {head.feed} has a line this version does not read.") from error
    named = (header.feed, header.lineage, header.serial, header.base_serial)
    if named != (head.feed, head.lineage, payload.serial, payload.base_serial):
        raise Malformed(f"A payload of feed {head.feed} says it is another step than its head does.")
    if header.lines != length:
        raise Truncated(f"A payload of feed {head.feed} has {length} of {header.lines} lines.")
    return Operations(packed, length=length)


def _place(feed: str, lineage: str, serial: int, base_serial: int | None) -> tuple[str, ...]:
    return (feed, lineage, str(serial), "snapshot" if base_serial is None else str(base_serial))


def check_head(head: Head, statement: Statement, floor: Floor | None) -> None:
    """Return if `head` may follow `floor` (None: the booth holds nothing of this feed).

    Raises:
        ForeignLineage: the top-level targets do not name the head's lineage.
        Older: its serial is below the floor's, in the same lineage.
        Shrunken: it is empty, or holds less than the floor accounts for, without a signed statement.
    """
    if statement.feed != head.feed or statement.lineage != head.lineage:
        raise ForeignLineage(f"Feed {head.feed} comes with lineage {head.lineage}, which is not the signed one.")
    follows = floor is not None and floor.lineage == head.lineage
    if follows and floor is not None and head.serial < floor.serial:
        raise Older(f"Feed {head.feed} comes with serial {head.serial}; {floor.serial} was accepted before.")
    if head.serial in statement.may_shrink_at:
        return
    if head.count == 0:
        raise Shrunken(f"Feed {head.feed} serial {head.serial} is empty.")
    if follows and floor is not None and head.count + head.removed < floor.count + floor.removed:
        raise Shrunken(f"Feed {head.feed} serial {head.serial} lost notices that it does not count as removed.")


def check_supplement(head: Head, lineage: str, floor: Floor | None) -> None:
    """Return if the supplement's `head`, its numbers opened, may follow `floor`; errors as `check_head`.

    It may be empty: that a booth has notices at all is its base feed's rule.
    """
    check_head(head, Statement(feed=head.feed, lineage=lineage, may_shrink_at=(head.serial,)), floor)
    if floor is not None and floor.lineage == lineage and head.count + head.removed < floor.count + floor.removed:
        raise Shrunken(f"Feed {head.feed} serial {head.serial} lost notices that it does not count as removed.")


def way(head: Head, floor: Floor | None) -> tuple[Payload, ...]:
    """The payloads that lead from `floor` to `head`, in order: the cheaper of the deltas' chain and the snapshot.

    Empty where the booth already holds the head's serial.
    """
    if floor is None or floor.lineage != head.lineage:
        return (head.snapshot,)
    if floor.serial == head.serial:
        return ()
    by_base = {delta.base_serial: delta for delta in head.deltas}
    chain: list[Payload] = []
    serial = floor.serial
    while serial != head.serial:
        step = by_base.get(serial)
        if step is None or step.serial <= serial:
            return (head.snapshot,)
        chain.append(step)
        serial = step.serial
    if sum(step.length for step in chain) >= head.snapshot.length:
        return (head.snapshot,)
    return tuple(chain)
