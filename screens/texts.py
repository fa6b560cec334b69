"""The texts of the pages in each language: message catalogues (gettext's .po files), read when they are asked for.

English is the message id, so a page has its texts at once and changes them in place when a catalogue arrives; what
a catalogue lacks stays English.
"""

from __future__ import annotations

import gettext
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog


class Language(msgspec.Struct, frozen=True):
    """One language of the pages: its code (BCP 47), its name in itself, and where its lines begin."""

    code: str
    name: str
    dir: Literal["ltr", "rtl"] = "ltr"


LANGUAGES: Final = (
    Language("en", "English"),
    Language("fr", "Français"),
    Language("es", "Español"),
    Language("ar", "العربية", "rtl"),
)
# One number of each plural category that CLDR knows, for every language there is.
_SAMPLES: Final = (*range(200), 1_000, 1_000_000)


class Texts(msgspec.Struct, frozen=True):
    """One language as the page takes it: `texts` has a list of forms where the English has a plural.

    `plurals` names, for each CLDR category (what a browser's Intl.PluralRules gives), the place of its form.
    """

    language: str
    texts: dict[str, str | tuple[str, ...]]
    plurals: dict[str, int]


def catalogue(language: str) -> Catalog:
    """The catalogue of a language.

    Raises:
        FileNotFoundError: there is none; English needs none.
    """
    from babel.messages.pofile import read_po  # takes a moment, and only who reads another language needs it

    with resources.files("failsafe.screens").joinpath("locale").joinpath(f"{language}.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


@cache
def texts(language: str) -> bytes:
    """The `Texts` of a language as JSON; English has none, for it is what the others are found by."""
    if language == "en":
        return msgspec.json.encode(Texts(language, {}, {"one": 0, "other": 1}))
    held: dict[str, str | tuple[str, ...]] = {}
    read = catalogue(language)
    for message in read:
        forms = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        if not message.id or not forms or not all(forms):
            continue
        if isinstance(message.id, str):
            held[message.id] = forms[0]
        else:
            held[message.id[0]] = forms
    return msgspec.json.encode(Texts(language, held, _plurals(read)))


def _plurals(read: Catalog) -> dict[str, int]:
    """CLDR's category -> place of the form, by asking both rules about the same numbers."""
    from babel import Locale

    category, place = Locale.parse(str(read.locale_identifier)).plural_form, gettext.c2py(read.plural_expr)
    return {category(number): place(number) for number in reversed(_SAMPLES)}
