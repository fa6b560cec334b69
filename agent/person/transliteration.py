"""How documents print names of other scripts in Latin letters, by ICAO Doc 9303 part 3 section 6. Pure.

One script has several ways: Cyrillic goes by country, Arabic by the table's X-escapes where a State follows the table
and by ear where it does not. `ways` gives every way a text of this script may have been printed, so that a notice
written in its own script is found from any of the zones its subject may carry.

Sources: Doc 9303 part 3, tables A to C; Ukrainian and Bulgarian documents also by their national rules of 2010 and
2009; Greek by ELOT 743, as Greek passports are; Hebrew letter by letter, as the tables the tests compare with.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from failsafe.agent.person.vowels import by_ear

Country = Literal["ru", "be", "bg", "mk", "sr", "uk"]


def _pairs(table: str) -> dict[str, str]:
    """A table as it stands in this file: `letter=printed`, parted by blanks."""
    return dict(pair.split("=") for pair in table.split())


# --- Cyrillic ------------------------------------------------------------------------------------------------

_CYRILLIC: Final[dict[str, str]] = _pairs(
    """
    А=A Б=B В=V Г=G Д=D Е=E Ё=E Ж=ZH З=Z И=I Й=I К=K Л=L М=M Н=N О=O П=P Р=R С=S Т=T У=U Ф=F Х=KH Ц=TS Ч=CH Ш=SH Щ=SHCH
    Ъ=IE Ы=Y Ь= Э=E Ю=IU Я=IA Ґ=G Ў=U Ѫ=U Ђ=D Ѕ=DZ Ј=J Љ=LJ Њ=NJ Һ=C Ћ=C Џ=DZ Є=IE Ї=I Ѓ=G Ќ=K І=I
    """
)
_BY_COUNTRY: Final[dict[Country, dict[str, str]]] = {
    "ru": {},
    "be": {"Г": "H", "Ё": "IO"},
    "bg": {"Щ": "SHT"},
    "mk": {"Ѓ": "GJ", "Ќ": "KJ", "Х": "H", "Ц": "C", "Џ": "DJ"},
    "sr": {"Г": "H", "Ж": "Z", "Х": "H", "Ц": "C", "Ч": "C", "Ш": "S"},
    "uk": {"И": "Y"},
}
# National rules that documents follow though the table says otherwise.
_NATIONAL: Final[tuple[tuple[Country, dict[str, str]], ...]] = (
    ("uk", {"Г": "H"}),
    ("bg", {"Ъ": "A", "Х": "H", "Й": "Y", "Ю": "YU", "Я": "YA"}),
    ("sr", {"Г": "G"}),  # the Latin letters that Serbian itself is written with
)
# A text with a letter that a language lacks was not written in it.
_RUSSIAN: Final = frozenset("АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ")
_ALPHABETS: Final[dict[Country, frozenset[str]]] = {
    "ru": _RUSSIAN,
    "be": (_RUSSIAN | frozenset("ІЎ")) - frozenset("ИЩЪ"),
    "bg": (_RUSSIAN | frozenset("Ѫ")) - frozenset("ЁЫЭ"),
    "mk": frozenset("АБВГДЃЕЖЗЅИЈКЛЉМНЊОПРСТЌУФХЦЧЏШ"),
    "sr": frozenset("АБВГДЂЕЖЗИЈКЛЉМНЊОПРСТЋУФХЦЧЏШ"),
    "uk": (_RUSSIAN | frozenset("ІЇЄҐ")) - frozenset("ЁЫЭЪ"),
}
_CYRILLIC_LETTERS: Final = frozenset(_CYRILLIC)

# --- Latin ---------------------------------------------------------------------------------------------------

# Where the table recommends more than the letter without its marks.
_LATIN: Final[dict[str, str]] = {
    "Ä": "AE",
    "Å": "AA",
    "Æ": "AE",
    "Ð": "D",
    "Đ": "D",
    "Ħ": "H",
    "Ĳ": "IJ",
    "Ł": "L",
    "Ŋ": "N",
    "Ö": "OE",
    "Ø": "OE",
    "Œ": "OE",
    "Þ": "TH",
    "Ü": "UE",
    "ẞ": "SS",
    "ß": "SS",
    "Ə": "E",
    "Ŧ": "T",
}
_LATIN_LETTERS: Final = frozenset(_LATIN)

# --- Arabic --------------------------------------------------------------------------------------------------

_ARABIC: Final[dict[str, str]] = _pairs(
    """
    ء=XE آ=XAA أ=XAE ؤ=U إ=I ئ=XI ا=A ب=B ة=XTA ت=T ث=XTH ج=J ح=XH خ=XKH د=D ذ=XDH ر=R ز=Z س=S ش=XSH ص=XSS ض=XDZ
    ط=XTT ظ=XZZ ع=E غ=G ف=F ق=Q ك=K ل=L م=M ن=N ه=H و=W ى=XAY ي=Y ٱ=XXA ٹ=XXT ټ=XRT پ=P ځ=XKE څ=XXH چ=XC ڈ=XXD
    ډ=XDR ڑ=XXR ړ=XRR ږ=XRX ژ=XJ ښ=XXS ک=XKK ګ=XXK ڭ=XNG گ=XGG ں=XNN ڼ=XXN ھ=XDO ۀ=XYH ہ=XXG ۂ=XGE ۃ=XTG ی=XYA
    ۍ=XXY ې=Y ے=XYB ۓ=XBE
    """
)
_ARABIC_SIGNS: Final = {
    "\u064b": "F",
    "\u064c": "N",
    "\u064d": "K",
    "\u064e": "A",
    "\u064f": "U",
    "\u0650": "I",
    "\u0652": "O",
    "\u0670": "",
    "\u0640": "",  # stretches a word
}
_SHADDA: Final = "\u0651"
_ARABIC_LETTERS: Final = frozenset(_ARABIC)
_FEMININE_END: Final = re.compile(f"ة(?![{''.join(_ARABIC)}])")

# --- Hebrew --------------------------------------------------------------------------------------------------

_HEBREW: Final[dict[str, str]] = _pairs(
    """
    א= ב=V ג=G ד=D ה=H ו=V ז=Z ח=CH ט=T י=Y כ=CH ך=CH ל=L ם=M מ=M ן=N נ=N ס=S ע= ף=F פ=F ץ=TZ צ=TZ ק=Q ר=R ש=S ת=T
    """
)
_GERESH: Final = {"ג": "J", "ד": "DH", "ז": "ZH", "ץ": "TSH", "צ": "TSH", "ת": "T"}
_DAGESH: Final = {"ב": "B", "ף": "P", "פ": "P"}
_POINTS: Final = {
    "\u05b0": "E",
    "\u05b1": "E",
    "\u05b2": "A",
    "\u05b3": "O",
    "\u05b4": "I",
    "\u05b5": "E",
    "\u05b6": "E",
    "\u05b7": "A",
    "\u05b8": "O",
    "\u05b9": "O",
    "\u05bb": "U",
    "\u05bc": "",
    "\u05c1": "",
    "\u05c2": "",
}
_DAGESH_POINT: Final = "\u05bc"
_SHIN_POINT: Final = "\u05c1"
_SHVA: Final = "\u05b0"
# A point followed by yod is one sound with it, whatever shva the yod carries.
_DIPHTHONGS: Final = {
    "\u05b5": "EI",
    "\u05b6": "EI",
    "\u05b7": "AI",
    "\u05b8": "AI",
    "\u05b9": "OI",
    "\u05bb": "UI",
    "ו\u05bc": "UI",
}
_HEBREW_UNIT: Final = re.compile(
    r"(?P<diphthong>(?:[\u05b5-\u05b9\u05bb]|ו\u05bc)י\u05b0?)|(?P<letter>[א-ת])(?P<marks>[\u05bc\u05c1\u05c2]*)"
    r"(?P<geresh>[׳']?)|(?P<point>[\u05b0-\u05bc\u05c1\u05c2])"
)
_POINTED: Final = re.compile("[\u05b0-\u05bc\u05c1\u05c2׳']")
_HEBREW_LETTERS: Final = frozenset(_HEBREW)

# --- Greek ---------------------------------------------------------------------------------------------------

_GREEK_PAIRS: Final = (
    (re.compile("(?<![Α-Ω])ΜΠ"), "B"),
    (re.compile("ΓΓ"), "NG"),
    (re.compile("ΓΞ"), "NX"),
    (re.compile("ΓΧ"), "NCH"),
    (re.compile("ΟΥ"), "OU"),
    (re.compile("([ΑΕΗ])Υ(?=[ΑΕΗΙΟΥΩΒΓΔΖΛΜΝΡ])"), r"\1V"),
    (re.compile("([ΑΕΗ])Υ"), r"\1F"),
)
_GREEK_PAIR: Final = re.compile("ΜΠ|Γ[ΓΞΧ]|[ΑΕΗΟ]Υ")
_GREEK: Final[dict[str, str]] = _pairs(
    """
    Α=A Β=V Γ=G Δ=D Ε=E Ζ=Z Η=I Θ=TH Ι=I Κ=K Λ=L Μ=M Ν=N Ξ=X Ο=O Π=P Ρ=R Σ=S Τ=T Υ=Y Φ=F Χ=CH Ψ=PS Ω=O
    """
)
_GREEK_LETTERS: Final = frozenset(_GREEK)


def ways(text: str) -> Iterator[str]:
    """The Latin spellings under which documents may print `text`, in capitals; none for plain Latin letters.

    Letters of no table stay as they are: names of Han and Hangul have a sound and no table.
    """
    capitals = _capitals(text)
    letters = frozenset(capitals)
    if letters & _CYRILLIC_LETTERS:
        yield from _cyrillic_ways(capitals)
    if letters & _ARABIC_LETTERS:
        yield arabic(capitals)
        yield by_ear(capitals)
    if letters & _HEBREW_LETTERS:
        yield hebrew(capitals)
        yield by_ear(capitals)
    if letters & _GREEK_LETTERS:
        yield greek(capitals)
    if letters & _LATIN_LETTERS:
        yield latin(capitals)


def cyrillic(text: str, country: Country) -> str:
    """A Cyrillic text as the documents of `country` print it, by the table."""
    return _capitals(text).translate(_TABLES[country])


def _cyrillic_ways(capitals: str) -> Iterator[str]:
    written = frozenset(capitals) & _CYRILLIC_LETTERS
    fitting = [country for country, alphabet in _ALPHABETS.items() if written <= alphabet]
    for country in fitting or _BY_COUNTRY:
        yield capitals.translate(_TABLES[country])
    for country, table in _NATIONAL_TABLES:
        if country in fitting:
            yield capitals.translate(table)


def latin(text: str) -> str:
    """Latin letters with marks as the table recommends: Ä as AE, Ø as OE; other marks are dropped."""
    return unicodedata.normalize("NFD", _capitals(text).translate(_LATIN_TABLE)).translate(_MARKS)


def arabic(text: str) -> str:
    """Arabic and Persian letters with the X-escapes; a shadda doubles the letter before it.

    The feminine ending is XAH, and XTA where more of the word follows.
    """
    text = unicodedata.normalize("NFC", text)
    if _SHADDA not in text:
        return _FEMININE_END.sub("XAH", text).translate(_ARABIC_TABLE)
    printed: list[str] = []
    letter = 0  # the place of the last letter: in canonical order a vowel stands between it and its shadda
    for place, char in enumerate(text):
        if char == _SHADDA:
            printed[letter:letter] = printed[letter : letter + 1]
        elif char in _ARABIC_SIGNS:
            printed.append(_ARABIC_SIGNS[char])
        else:
            letter = len(printed)
            ends = char == "ة" and text[place + 1 : place + 2] not in _ARABIC_LETTERS
            printed.append("XAH" if ends else _ARABIC.get(char, char))
    return "".join(printed)


def hebrew(text: str) -> str:
    """Hebrew letters and points, letter by letter."""
    text = unicodedata.normalize("NFD", text)
    return _HEBREW_UNIT.sub(_hebrew_unit, text) if _POINTED.search(text) else text.translate(_HEBREW_TABLE)


def _hebrew_unit(unit: re.Match[str]) -> str:
    if diphthong := unit["diphthong"]:
        return _DIPHTHONGS[diphthong.rstrip(_SHVA)[:-1]]
    if unit["point"]:
        return _POINTS.get(unit["point"], "")
    letter, marks = unit["letter"], unit["marks"]
    if unit["geresh"] and letter in _GERESH:
        return _GERESH[letter]
    if letter == "ש" and _SHIN_POINT in marks:
        return "SH"
    if letter in _DAGESH and _DAGESH_POINT in marks:
        return _DAGESH[letter]
    return _HEBREW[letter] + ("'" if unit["geresh"] else "")


def greek(text: str) -> str:
    """Greek as Greek passports print it."""
    capitals = _capitals(text)
    bare = unicodedata.normalize("NFD", capitals).translate(_MARKS)
    if _GREEK_PAIR.search(bare):
        for pair, letters in _GREEK_PAIRS:
            bare = pair.sub(letters, bare)
    return bare.translate(_GREEK_TABLE)


def _capitals(text: str) -> str:
    return unicodedata.normalize("NFC", text).upper()


def _table(*parts: Mapping[str, str]) -> dict[int, str]:
    return {ord(letter): printed for part in parts for letter, printed in part.items()}


_TABLES: Final = {country: _table(_CYRILLIC, own) for country, own in _BY_COUNTRY.items()}
_NATIONAL_TABLES: Final = [(country, _table(_CYRILLIC, _BY_COUNTRY[country], own)) for country, own in _NATIONAL]
_GREEK_TABLE: Final = _table(_GREEK)
_LATIN_TABLE: Final = _table(_LATIN)
_ARABIC_TABLE: Final = _table(_ARABIC, _ARABIC_SIGNS)
_HEBREW_TABLE: Final = _table(_HEBREW)


class _Marks(dict[int, str | None]):
    """Drops what stands over or under a letter; it fills as it is asked."""

    def __missing__(self, letter: int) -> str | None:
        self[letter] = kept = None if unicodedata.combining(chr(letter)) else chr(letter)
        return kept


_MARKS: Final = _Marks()
