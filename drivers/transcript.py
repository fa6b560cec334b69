"""A recording of a device's line as a text file: what was said, by whom, when. Pure.

    # failsafe transcript 1
    # driver cute
    # baud 9600
    0.000 rx \\x1c\\x02P<UTOXXXXXXXX<<XXXX...\\r\\x03\\x1d
    2.140 tx C\\x00\\x01\\x01

One burst a line: seconds since the beginning, `rx` from the device or `tx` to it, and the bytes: printable ones as they
are, the rest as `\\xNN`, `\\r`, `\\n`, `\\t`, a backslash twice. Lines that begin with `#` are remarks; the first three
say what was recorded. Simulators play such a file, and people read and correct it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

HEAD: Final = "# failsafe transcript 1"
# Days of a line, and more than a reader says at once: beyond these a file is no transcript.
_LATEST_S: Final = 10 * 86_400.0
_LONGEST: Final = 65_536
_LINE: Final = re.compile(r"(?P<at>[0-9]{1,6}(\.[0-9]{1,6})?) (?P<way>rx|tx) (?P<bytes>.*)")
_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|[rnt\\]|.?)")
_SHORT: Final = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}


class TranscriptRefused(Exception):
    """A file is no transcript; the text names the line and says what to do. It quotes nothing of the file."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Bytes that went over the line in one go: `at_s` seconds after the beginning."""

    at_s: float
    from_device: bool
    content: bytes


@dataclass(frozen=True, slots=True)
class Transcript:
    """A recording: whose line it was, at which speed, and its bursts in order."""

    driver: str
    baud: int
    bursts: tuple[Burst, ...]


def head(driver: str, baud: int) -> str:
    """The first lines of a transcript."""
    return f"{HEAD}\n# driver {driver}\n# baud {baud}\n"


def line(burst: Burst) -> str:
    """One burst as a line of the file, with its line end."""
    return f"{burst.at_s:.3f} {'rx' if burst.from_device else 'tx'} {_escaped(burst.content)}\n"


def parse(text: str) -> Transcript:
    """The transcript that a file's text spells.

    Raises:
        TranscriptRefused: it is none.
    """
    if not text.startswith(HEAD):
        raise TranscriptRefused(f"line 1: this is no transcript. The first line of one is `{HEAD}`.")
    told = dict(re.findall(r"^# (driver|baud) (\S+)\s*$", text, flags=re.MULTILINE))
    baud = told.get("baud", "9600")
    if not baud.isdecimal() or not 300 <= int(baud) <= 4_000_000:
        raise TranscriptRefused("The remark `# baud` holds no speed of a line. Write `# baud 9600`.")
    return Transcript(told.get("driver", "cute"), int(baud), tuple(_bursts(text)))


def _bursts(text: str) -> Iterator[Burst]:
    last_s = 0.0
    for number, row in enumerate(text.split("\n"), 1):
        if not row.strip() or row.startswith("#"):
            continue
        found = _LINE.fullmatch(row.rstrip("\r"))
        if found is None:
            raise TranscriptRefused(f"line {number}: write seconds, rx or tx, and the bytes, with one blank between.")
        at_s = float(found["at"])
        if not last_s <= at_s <= _LATEST_S:
            raise TranscriptRefused(f"line {number}: time goes backwards or beyond ten days. Put the lines in order.")
        last_s = at_s
        yield Burst(at_s, found["way"] == "rx", _bytes(found["bytes"], number))


def _escaped(content: bytes) -> str:
    names = {char: name for name, char in _SHORT.items()}
    return "".join(
        f"\\{names[char]}" if char in names else char if " " <= char <= "~" else f"\\x{ord(char):02x}"
        for char in content.decode("latin-1")
    )


def _bytes(text: str, number: int) -> bytes:
    def unescape(found: re.Match[str]) -> str:
        name = found[1]
        if name[:1] == "x" and len(name) == 3:
            return chr(int(name[1:], 16))
        if name not in _SHORT:
            raise TranscriptRefused(f"line {number}: a backslash stands alone. Write it twice, or \\xNN for a byte.")
        return _SHORT[name]

    try:
        content = _ESCAPE.sub(unescape, text).encode("latin-1")
    except UnicodeEncodeError:
        raise TranscriptRefused(f"line {number}: a character is no byte. Write bytes above 7E as \\xNN.") from None
    if len(content) > _LONGEST:
        raise TranscriptRefused(f"line {number}: over 64 KiB in one burst. Break it into several.")
    return content
