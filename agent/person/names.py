"""Names of every script folded to comparable Latin tokens. Pure.

Two forms of a token are used. The *folded* form is what a zone would print: capital letters A-Z. The *squashed* form
lets transliterations meet: kh and h, shch and sh, y i and j, w and v, single and doubled letters. The *skeleton* keeps
the consonants alone, for scripts that do not write vowels.

`fold` is one form, by ear; `folds` adds the forms under which documents of several countries may print the same name.

A name that folds to nothing is an empty tuple, and whoever compares must treat two of them as different.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final

from anyascii import anyascii

from failsafe.agent.person.transliteration import ways
from failsafe.sync.records import NameRow, Notice, PersonName

# Where ICAO Doc 9303 part 3 writes a Cyrillic letter otherwise than anyascii does, and where it differs from the
# English habit only by y and i, which the squash evens out, nothing is listed.
_CYRILLIC: Final = str.maketrans(
    {"ъ": "ie", "Ъ": "IE", "ё": "e", "Ё": "E", "ь": "", "Ь": "", "є": "ie", "Є": "IE", "ґ": "g", "Ґ": "G"}
)
_APOSTROPHES: Final = re.compile(r"[’‘ʼʻʿʾ`´'ʹ′＇׳״]")
# Habits of scripts that hide sounds: Arabic's article is written to its word; Hebrew's bet and pe are hard at a
# word's beginning, its vav and yod are mostly vowels within one.
_HABITUAL: Final = re.compile(r"[א-ת]|ال")  # where none of them is, no habit applies
_HABITS: Final = (
    (re.compile(r"(?<!\w)ال(?=\w\w)"), "al "),
    (re.compile(r"(?<!\w)ב"), "b"),
    (re.compile(r"(?<!\w)פ"), "p"),
    (re.compile(r"(?<=[א-ת])וו"), "v"),
    (re.compile(r"(?<=[א-ת])ו"), "u"),
    (re.compile(r"(?<=[א-ת])י"), "i"),
)
# No name has more; a text that is none must not cost the aligner a minute.
_MOST_TOKENS: Final = 40
_LETTERS: Final = re.compile(r"[A-Z]+")
_SIGNS: Final = re.compile(r"[^A-Z]")
_HAN_OR_HANGUL: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]{2,4}")
# Name words, not titles: what notices and zones add or leave out at will.
_PARTICLES: Final = """
AL EL UL BIN IBN BEN BINT BT ABU ABI UM UMM DE DA DI DO DU DOS DAS DEL DELLA LA LE LOS VAN VON DER DEN TER ZU SAN ST MC
MAC O Y E AD AR AS AT AZ
"""
PARTICLES: Final = frozenset(_PARTICLES.split())

# In this order; what stands left is looked for in the text as it is then. X stands for the sound of `ch`.
_SQUASHES: Final[tuple[tuple[str, str], ...]] = (
    ("NXX", "N"),  # as some documents print a tilde and an umlaut
    ("UXX", "U"),
    ("XKH", "H"),  # the escapes of Doc 9303 for Arabic letters
    ("XSH", "SH"),
    ("XH", "H"),
    ("XD", "D"),
    ("XT", "T"),
    ("XZ", "Z"),
    ("X", "KS"),
    ("SHCH", "S"),
    ("SCHTSCH", "S"),
    ("TSCH", "X"),
    ("DSCH", "J"),
    ("DZH", "J"),
    ("DJ", "J"),
    ("TCH", "X"),
    ("SCH", "S"),
    ("CH", "X"),
    ("SH", "S"),
    ("SZ", "S"),
    ("CZ", "X"),
    ("ZH", "Z"),
    ("KH", "H"),
    ("GH", "G"),
    ("PH", "F"),
    ("TH", "T"),
    ("DH", "D"),
    ("BH", "B"),
    ("TZ", "TS"),
    ("CK", "K"),
    ("CE", "SE"),
    ("CI", "SI"),
    ("CY", "SI"),
    ("C", "K"),
    ("Q", "K"),
    ("OU", "U"),
    ("OO", "U"),
    ("EE", "I"),
    ("AE", "A"),
    ("OE", "O"),
    ("UE", "U"),
    ("W", "V"),
    ("Y", "I"),
    ("J", "I"),
    ("IE", "E"),
)
_DOUBLED: Final = re.compile(r"(.)\1+")
_LAST_H: Final = re.compile(r"(?m)(?<=[^\n]{2})H$")
_VOWELS_OUT: Final = str.maketrans("", "", "AEIOUVH")


# Which rules made the derived names of a mirror; another number has them made anew at the next start.
EDITION: Final = "2"


def fold(text: str) -> tuple[str, ...]:
    """The folded tokens of a name in any script, in its own order: `Åsa O'Hara-Bjørk` -> ASA OHARA BJORK.

    Digits and everything that is no letter are dropped; apostrophes join, hyphens and other signs part. A name that is
    one run of Han or Hangul is read as a family name of one character and the given name behind it. Nothing is kept:
    single tokens may be remembered for speed, the names of travellers are not.
    """
    if text.isascii():  # all that follows is for other letters; of a million names it would cost half a minute
        return tuple(_LETTERS.findall(_APOSTROPHES.sub("", text).upper())[:_MOST_TOKENS])
    parted = _APOSTROPHES.sub("", unicodedata.normalize("NFKC", text))
    if _HAN_OR_HANGUL.fullmatch(parted.strip()):
        parted = f"{parted.strip()[0]} {parted.strip()[1:]}"
    if _HABITUAL.search(parted):
        for pattern, letters in _HABITS:
            parted = pattern.sub(letters, parted)
    return tuple(parted.translate(_PRINTED).split()[:_MOST_TOKENS])


class _Printed(dict[int, str]):
    """Each letter of any script as capital letters A-Z; what is no letter as a blank. It fills as it is asked."""

    def __missing__(self, letter: int) -> str:
        latin = _APOSTROPHES.sub("", anyascii(chr(letter).translate(_CYRILLIC))).upper()
        self[letter] = printed = _SIGNS.sub(" ", latin)
        return printed


_PRINTED: Final = _Printed()


def folds(text: str) -> tuple[tuple[str, ...], ...]:
    """Every folded form of a name: by ear first, then as documents print its script, each once.

    Of several countries' ways only those are kept that the squash does not even out anyway.
    """
    first = fold(text)
    if text.isascii():  # printed in one way
        return (first,) if first else ()
    printed = [fold(way) for way in dict.fromkeys(ways(text))]
    kept = list(dict.fromkeys(tokens for tokens in (first, *printed[:1]) if tokens))
    others = [tokens for tokens in printed[1:] if tokens and tokens not in kept]
    if others:
        kept += _heard_otherwise(others, kept)
    return tuple(kept)


def _heard_otherwise(others: Sequence[tuple[str, ...]], kept: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Those of the others that the squash tells from what is kept, and from each other."""
    squashed = iter(squash_all(token for tokens in (*kept, *others) for token in tokens))
    heard = {tuple(islice(squashed, len(tokens))) for tokens in kept}
    for tokens in others:
        sounds = tuple(islice(squashed, len(tokens)))
        if sounds not in heard:
            heard.add(sounds)
            yield tokens


@lru_cache(maxsize=8192)
def squash(token: str) -> str:
    """The form in which transliterations of one sound meet; never empty for a folded token."""
    squashed = token
    for sound, letter in _SQUASHES:
        if sound in squashed:
            squashed = squashed.replace(sound, letter)
    squashed = _DOUBLED.sub(r"\1", squashed)
    if len(squashed) > 2 and squashed[-1] == "H":
        squashed = squashed[:-1]
    return squashed


def squash_all(tokens: Iterable[str]) -> list[str]:
    """`squash` of many tokens: all of them as the lines of one text, ten times faster than one by one."""
    lines = "\n".join(tokens)
    if not lines:
        return []
    for sound, letter in _SQUASHES:
        lines = lines.replace(sound, letter)
    return _LAST_H.sub("", _DOUBLED.sub(r"\1", lines)).split("\n")


@lru_cache(maxsize=8192)
def skeleton(token: str) -> str:
    """The consonants of a folded token, as `consonants` has them."""
    return consonants(squash(token))


def consonants(squashed: str) -> str:
    """The consonants of a squashed token, without v and h, which scripts use for vowels; may be empty.

    Of several, each on a line of its own, those of each.
    """
    return _DOUBLED.sub(r"\1", squashed.translate(_VOWELS_OUT))


def forms(notice: Notice) -> Iterator[NameRow]:
    """The forms under which a notice is found: each of its names once, in every script and way of printing.

    A name that folds to nothing gives no form; a notice may thus have none, and is then found by its documents only.
    """
    seen = set()
    for name in notice.names:
        for form in folds(_whole(name)):
            tokens = " ".join(form)
            if tokens not in seen:
                seen.add(tokens)
                yield NameRow(notice.entity_id, tokens, name.kind)


def _whole(name: PersonName) -> str:
    return f"{name.surname or ''} {name.given or ''}"
