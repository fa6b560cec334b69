"""Transcripts: written and read they are the same; what is none is refused with its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers import transcript
from failsafe.drivers.transcript import HEAD, Burst, Transcript, TranscriptRefused, parse

BURSTS = st.lists(st.tuples(st.integers(0, 10**6), st.booleans(), st.binary(max_size=60)), max_size=6).map(
    lambda rows: tuple(Burst(at / 1000, ours, content) for at, ours, content in sorted(rows))
)


@given(BURSTS, st.sampled_from(["cute", "elyctis", "lines"]), st.sampled_from([1200, 9600, 115200]))
def test_written_and_read_it_is_the_same(bursts, driver, baud):
    text = transcript.head(driver, baud) + "".join(map(transcript.line, bursts))
    assert text.isascii()
    assert parse(text) == Transcript(driver, baud, bursts)


def test_people_may_write_one_by_hand():
    text = f"{HEAD}\n# a remark\n\n0 rx \\x1c\\x02P<UTO\\r\\x03\\x1d\n1.5 tx \\\\ done\n"
    assert parse(text) == Transcript(
        "cute", 9600, (Burst(0.0, True, b"\x1c\x02P<UTO\r\x03\x1d"), Burst(1.5, False, b"\\ done"))
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "line 1"),
        ("a capture\n", "line 1"),
        (f"{HEAD}\n0.0 xx abc\n", "line 2"),
        (f"{HEAD}\n\n2.0 rx SECRET\n1.0 rx b\n", "line 4"),
        (f"{HEAD}\n0.0 rx SECRET\\q\n", "line 2"),
        (f"{HEAD}\n0.0 rx SECRET\\\n", "line 2"),
        (f"{HEAD}\n0.0 rx SECRETЖ\n", "line 2"),
        (f"{HEAD}\n-1 rx SECRET\n", "line 2"),
        (f"{HEAD}\n# baud fast\n", "baud"),
    ],
)
def test_what_is_none_is_refused_with_its_line_and_without_its_content(text, line):
    with pytest.raises(TranscriptRefused, match=line) as refused:
        parse(text)
    assert "SECRET" not in str(refused.value)


@given(st.text(max_size=200))
def test_any_text_is_a_transcript_or_refused(text):
    for content in (text, f"{HEAD}\n{text}", f"{HEAD}\n0 rx {text}"):
        try:
            assert isinstance(parse(content), Transcript)
        except TranscriptRefused as refused:
            assert str(refused).endswith(".") or "`" in str(refused)
