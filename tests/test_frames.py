"""Framing: the pieces depend on the bytes and the silences alone, and nothing grows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers.frames import Enclosed, Frame, Framing, Junk, Lines, Piece

MARKS = {b"\x1c\x02": b"\x03\x1d", b"\x1e\x02": b"\x03\x1f"}


def enclosed() -> Framing:
    return Enclosed(MARKS, limit=20, gap_s=1.0)


def lines() -> Framing:
    return Lines(limit=20, gap_s=1.0)


def fed(framing: Framing, *chunks: bytes, now: float = 5.0) -> list[Piece]:
    return [piece for chunk in chunks for piece in framing.feed(chunk, now)]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(stream) + 1) for place in places})
    return [stream[start:end] for start, end in zip([0, *ends], [*ends, len(stream)], strict=True)]


# Streams that are rich in marks, halves of marks and line ends.
STREAMS = st.lists(
    st.one_of(
        st.sampled_from(
            [b"\x1c\x02", b"\x1e\x02", b"\x03\x1d", b"\x03\x1f", b"\x1c", b"\x02", b"\x03", b"\r\n", b"\n"]
        ),
        st.binary(max_size=30),
    ),
    max_size=12,
).map(b"".join)


@pytest.mark.parametrize("framing", [enclosed, lines])
@given(stream=STREAMS, places=st.lists(st.integers(0, 400), max_size=6))
def test_pieces_do_not_depend_on_how_bytes_were_cut(
    framing: Callable[[], Framing], stream: bytes, places: list[int]
) -> None:
    whole = fed(framing(), stream)
    assert fed(framing(), *cut(stream, places)) == whole
    assert fed(framing(), *(bytes([byte]) for byte in stream)) == whole


@pytest.mark.parametrize("framing", [enclosed, lines])
@given(stream=STREAMS)
def test_no_byte_is_counted_twice_and_few_are_held(framing: Callable[[], Framing], stream: bytes) -> None:
    under = framing()
    pieces = fed(under, stream)
    pieces += under.feed(b"", 100.0)
    told = sum(piece.length if isinstance(piece, Junk) else len(piece.body) + piece.cut for piece in pieces)
    assert told <= len(stream)
    assert list(under.feed(b"", 200.0)) == []


@given(STREAMS)
def test_a_frame_behind_anything_is_found(garbage: bytes) -> None:
    """Whatever came before, half marks included, a start mark begins a frame."""
    assert fed(enclosed(), garbage, b"\x1c\x02ZONE\x03\x1d")[-1] == Frame(b"\x1c\x02", b"ZONE")


@given(STREAMS)
def test_a_line_behind_silence_is_whole(garbage: bytes) -> None:
    framing = lines()
    fed(framing, garbage)
    assert list(framing.feed(b"GS,1\r\n", 10.0))[-1] == Frame(b"", b"GS,1")


def test_a_frame_comes_without_its_marks() -> None:
    assert fed(enclosed(), b"\x1c\x02A\rB\x03\x1d") == [Frame(b"\x1c\x02", b"A\rB")]


def test_only_its_own_end_ends_a_frame() -> None:
    assert fed(enclosed(), b"\x1e\x02A\x03\x1dB\x03\x1f") == [Frame(b"\x1e\x02", b"A\x03\x1dB")]


def test_a_start_inside_a_frame_gives_the_half_up() -> None:
    pieces = fed(enclosed(), b"\x1e\x02AB\x1c\x02C\x03\x1d")
    assert pieces == [Junk(4, "half a frame"), Frame(b"\x1c\x02", b"C")]


def test_a_frame_too_long_is_given_up_at_the_limit() -> None:
    pieces = fed(enclosed(), b"\x1c\x02" + b"A" * 30 + b"\x03\x1d\x1c\x02B\x03\x1d")
    assert pieces[0] == Junk(20, "frame too long")
    assert pieces[-1] == Frame(b"\x1c\x02", b"B")


def test_a_frame_of_just_the_limit_is_taken() -> None:
    assert fed(enclosed(), b"\x1c\x02" + b"A" * 20 + b"\x03\x1d") == [Frame(b"\x1c\x02", b"A" * 20)]


def test_line_ends_between_frames_are_no_junk() -> None:
    assert fed(enclosed(), b"\r\n\0\x1c\x02A\x03\x1d\r\n") == [Frame(b"\x1c\x02", b"A")]


@pytest.mark.parametrize("silence_s", [0.5, 1.0])
def test_a_short_pause_does_not_break_a_frame(silence_s: float) -> None:
    framing = enclosed()
    assert list(framing.feed(b"\x1c\x02A", 5.0)) == []
    assert list(framing.feed(b"", 5.0 + silence_s)) == []
    assert list(framing.feed(b"B\x03\x1d", 5.0 + silence_s)) == [Frame(b"\x1c\x02", b"AB")]


def test_half_a_frame_is_given_up_once_when_silence_is_seen() -> None:
    framing = enclosed()
    assert list(framing.feed(b"\x1c\x02ABC", 5.0)) == []
    assert list(framing.feed(b"", 6.1)) == [Junk(5, "half a frame")]
    assert list(framing.feed(b"", 9.0)) == []


def test_silence_is_also_seen_by_the_next_bytes() -> None:
    framing = lines()
    assert list(framing.feed(b"GS,00", 5.0)) == []
    assert list(framing.feed(b"GA,1\r\n", 6.1)) == [Junk(5, "half a line"), Frame(b"", b"GA,1")]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n", b"\n\r\n"])
def test_every_line_end_ends_a_line(end: bytes) -> None:
    assert fed(lines(), b"GS,1" + end + b"GX" + end) == [Frame(b"", b"GS,1"), Frame(b"", b"GX")]


def test_of_a_long_line_the_end_is_kept_and_the_loss_counted() -> None:
    assert fed(lines(), b"x" * 100 + b"GA,1\n") == [Frame(b"", b"x" * 16 + b"GA,1", cut=84)]


@pytest.mark.parametrize("chunk", [1 << 16, 1 << 20])
def test_an_endless_line_is_told_in_steps(chunk: int) -> None:
    framing = lines()
    pieces = [piece for _ in range((1 << 21) // chunk) for piece in framing.feed(b"x" * chunk, 5.0)]
    assert pieces == [Junk(65536, "no line end")] * 31
    assert list(framing.feed(b"", 7.0)) == [Junk(65536, "half a line")]
