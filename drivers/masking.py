"""What a document reader sent, with nobody in it: for recordings and for the technician's eyes. Pure.

Letters become X and digits 0, so that layout, fillers, line ends and rejected places stay. Document codes, states,
nationality and sex stay too, dates become one date, and each check digit holds in the masked zone exactly if it held
in the real one: a recording still shows what the reader did wrong. Where that cannot be done (a national layout whose
check goes another way, a text that is no zone) the bytes are masked all the same, and `Masked.kept` is False.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from failsafe.drivers import aamva, elyctis, mrz
from failsafe.drivers.boarding import boarding_pass
from failsafe.drivers.layouts import Layout, Span, check_digit, holds, layout_of
from failsafe.drivers.reading import BoardingPass, DocumentRead, Licence

# Small letters stay small: in a zone they are places that were rejected. Other scripts' letters become a sign.
_KINDS: Final = ((re.compile(r"[A-Z]"), "X"), (re.compile(r"[a-z]"), "x"), (re.compile(r"[0-9]"), "0"))
_OTHER: Final = re.compile(r"[\u0080-\U0010ffff]")
# A run of a zone's alphabet, rejected places and blanks aside; shorter ones are masked as any text is.
# A symbology's mark before it is no part of it.
_ZONE_ROW: Final = re.compile(rb"(?:\][A-Za-z][0-9A-Za-z]|\x1e\x02[A-Za-z0-9])?(?P<row>[A-Z0-9<][A-Z0-9<*?#]{27,})")
_CARD: Final = re.compile(rb"@[\n\r\x1e]{1,4}(?:ANSI |AAMVA).*", flags=re.DOTALL)
_CARD_ELEMENT: Final = re.compile(r"((?:^|(?<=[\n\r])|(?<=DL)|(?<=ID))[DZ][A-Z]{2})([^\n\r\x03]*)")


@dataclass(frozen=True, slots=True)
class Masked:
    """Bytes without a person; `kept`: every document in them answers its checks as the real one did."""

    content: bytes
    kept: bool


def masked_text(text: str) -> str:
    """Any text with its letters and digits masked."""
    for kind, sign in _KINDS:
        text = kind.sub(sign, text)
    return _OTHER.sub("?", text)


def masked_zone(lines: Sequence[str]) -> tuple[str, ...]:
    """A zone's lines masked; lines of no layout are masked as text, fillers kept."""
    layout = layout_of(lines)
    if layout is None:
        return tuple(map(masked_text, lines))
    rows = [list(masked_text(line)) for line in lines]
    for span in filter(None, (layout.nationality, layout.sex)):
        rows[span.row][span.start : span.end] = lines[span.row][span.start : span.end]
    rows[layout.head][:5] = lines[layout.head][:5]
    for date, digits in ((layout.birth, "700101"), (layout.expiry, "300101")):
        if date is not None and date.end - date.start == len(digits):
            _write_date(rows, lines, date, digits)
    _write_checks(layout, rows, lines)
    return tuple("".join(row) for row in rows)


def _write_date(rows: list[list[str]], lines: Sequence[str], span: Span, date: str) -> None:
    for place, digit in zip(range(span.start, span.end), date, strict=True):
        if lines[span.row][place].isdecimal():
            rows[span.row][place] = digit


def _write_checks(layout: Layout, rows: list[list[str]], lines: Sequence[str]) -> None:
    """Each digit as right or wrong as it was, the composite last since it covers the others."""
    for check in layout.checks:
        row, place = check.at
        held = holds(check, lines)
        if not lines[row][place].isdecimal():
            rows[row][place] = lines[row][place]
            continue
        right = check_digit(check.covered(["".join(one) for one in rows]))
        if right is not None:
            rows[row][place] = str(right if held else (right + 1) % 10)


def _answers(lines: Sequence[str]) -> tuple[object, ...]:
    zone = mrz.parse(lines)
    return (zone.format, zone.checks)


def masked_card(text: str) -> str:
    """A driving licence's barcode: the names of its elements and its head stay."""
    head = re.match(r"[\s\x1e]*@[\s\x1e]*(?:ANSI |AAMVA)[^\n\r]*?(?=(?:DL|ID)D[A-D][A-Z])", text)
    start = head.end() if head else 0

    def element(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name in ("DBB", "DBA") and value.strip().isdecimal() and len(value.strip()) == 8:
            canadian = value[:2] in ("18", "19", "20")
            return name + ("19700101" if canadian else "01011970")
        if name in ("DCG", "DBC"):
            return name + value
        return name + masked_text(value)

    return text[:start] + _CARD_ELEMENT.sub(element, text[start:]) if head else masked_text(text)


def masked_reading(reading: DocumentRead) -> DocumentRead:
    """A document as a technician may see it."""
    holder = reading.holder
    if isinstance(holder, Licence):
        words = {name: masked_text(value) for name, value in dataclasses.asdict(holder).items()}
        holder = Licence(**{**words, "sex": holder.sex, "country": holder.country})
    elif isinstance(holder, BoardingPass):
        holder = BoardingPass(masked_text(holder.surname), masked_text(holder.given_names))
    return dataclasses.replace(reading, lines=masked_zone(reading.lines), holder=holder)


# --- bytes of a line -------------------------------------------------------------------------------------------


def masked_bytes(content: bytes, driver: str) -> Masked:
    """What came over a document reader's line in one go, masked.

    Args:
        content: the bytes, best from one silence to the next: a document cut in two is masked and not kept.
        driver: the reader's driver, whose own letters and lengths stay.
    """
    if driver == "elyctis":
        return _masked_answers(content)
    card = _CARD.search(content)
    if card is not None:
        before = _masked_run(content[: card.start()])
        text = card.group().decode("latin-1")
        whole, end, rest = text.partition("\x03\x1f")
        after = _masked_run(rest.encode("latin-1"))
        changed = (masked_card(whole) + end).encode("latin-1", "replace")
        kept = aamva.licence(whole) is not None and before.kept and after.kept
        return Masked(before.content + changed + after.content, kept)
    return _masked_run(content)


def _masked_answers(content: bytes) -> Masked:
    """Elyctis: a letter and a length before each body; what is no frame is masked whole, letters too."""
    done, kept, at = bytearray(), True, 0
    while at < len(content):
        length = int.from_bytes(content[at + 1 : at + 3], "big")
        body = content[at + 3 : at + 3 + length]
        whole = len(content) >= at + 3 + length and content[at : at + 1] in b"ICVWRTS"
        if whole and elyctis.is_sound(content[at : at + 1], body):
            inside = _masked_run(body) if content[at : at + 1] == b"I" else Masked(body, True)
            done += content[at : at + 3] + inside.content
            kept, at = kept and inside.kept, at + 3 + length
        else:
            done += masked_text(chr(content[at])).encode("latin-1", "replace")
            kept, at = False, at + 1
    return Masked(bytes(done), kept)


def _masked_run(content: bytes) -> Masked:
    """Text with zones in it: rows are put together as a reader would, and masked as the zone they are."""
    rows = list(_ZONE_ROW.finditer(content))
    done, kept, at = bytearray(), True, 0
    while rows:
        group = _zone_of(rows, content)
        lines = [found["row"].decode("latin-1") for found in group]
        broken = mrz.split("\n".join(lines)) if layout_of(lines) is None else tuple(lines)
        hidden = masked_zone(broken)
        kept = kept and layout_of(broken) is not None and _answers(hidden) == _answers(broken)
        text = "".join(hidden)
        for found in group:
            done += _masked_rest(content[at : found.start("row")])
            done += text[: len(found["row"])].encode("latin-1", "replace")
            text, at = text[len(found["row"]) :], found.end("row")
        del rows[: len(group)]
    rest = content[at:]
    named = boarding_pass(rest.decode("latin-1").strip("\r\n")) is not None
    done += _masked_rest(rest)
    return Masked(bytes(done), kept and (named or not re.search(rb"[A-Za-z0-9]{20,}", rest)))


def _zone_of(rows: list[re.Match[bytes]], content: bytes) -> list[re.Match[bytes]]:
    """The rows at the beginning of the list that make one zone; the first alone where none do."""
    for count in (1, 2, 3):
        group = rows[:count]
        between = [content[one.end("row") : two.start("row")] for one, two in pairwise(group)]
        if any(gap.strip(b"\r\n") for gap in between):
            break
        lines = [found["row"].decode("latin-1") for found in group]
        if len(group) == count and (layout_of(lines) or (count == 1 and layout_of(mrz.split(lines[0])))):
            return group
    return rows[:1]


def _masked_rest(content: bytes) -> bytes:
    """What is no zone: symbology marks stay, every other letter and digit goes."""
    marks = re.compile(rb"(\x1e\x02[A-Za-z0-9]|\x0e\x02|\][A-Za-z][0-9A-Za-z])")
    parts = marks.split(content)
    return b"".join(
        part if place % 2 else masked_text(part.decode("latin-1")).encode("latin-1", "replace")
        for place, part in enumerate(parts)
    )
