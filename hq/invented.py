"""Notices about nobody: invented persons in the public notice shape, for demonstrations, tests and measuring. Pure.

Names are put together from syllables of eight scripts, each with its Latin spelling, so that a notice has the original
script and a transliteration that belong together, as real ones do. A few names are very frequent and most are rare,
again as in life. The same seed gives the same lines.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

# Years and numbers of ids that the notices service has not given out: seven digits, from 7,000,001 on.
_FIRST_ID: Final = 7_000_001
_YEARS: Final = range(2021, 2027)
_RN_SHARE: Final = 0.02
_RN_MOST: Final = 500  # the radiological/nuclear tier is small, however long the list
_LISTED_SHARE: Final = 0.1
_COLOURS: Final = {"RED": 60, "BLUE": 18, "YELLOW": 12, "GREEN": 8, "BLACK": 2}
_MATERIALS: Final = ("Cs-137", "Co-60", "Ir-192", "Am-241", "Sr-90", "Ra-226", "HEU", "Pu-239")
_EYES: Final = ("BLA", "BLU", "BRO", "BROD", "GRE", "GRY")
_HAIR: Final = ("BLA", "BRO", "GRY", "RED", "YELB", "YELBD", "HAIB")
_DOCUMENT_TYPES: Final = ("passport", "identity card", "residence permit", "visa")
_FRAUDS: Final = ("stolen", "lost", "stolen blank", "revoked")
_ACTIONS: Final = ("REFER_SECONDARY", "DO_NOT_DETAIN_ON_NOTICE_ALONE", "RADIATION_SCREEN", "NOTIFY_CCC")


@dataclass(frozen=True, slots=True)
class Script:
    """A script: syllables with their Latin spelling, which countries write it, and how many syllables names have."""

    name: str
    countries: tuple[str, ...]
    languages: tuple[str, ...]
    syllables: tuple[tuple[str, str], ...]
    surname: tuple[int, int] = (2, 3)
    given: tuple[int, int] = (2, 3)
    endings: tuple[tuple[str, str], ...] = (("", ""),)


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs of `original=latin`, separated by spaces; a lone word is its own transliteration."""
    split = (pair.partition("=") for pair in text.split())
    return tuple((original, latin or original) for original, _, latin in split)


SCRIPTS: Final = (
    Script(
        "Latin",
        ("AL", "RO", "PT", "FR", "PL"),
        ("ENG", "FRE"),
        _pairs("ZOR VEK QUA LIM TUSK BRAM FENU JOX DREL WIMP YAST GLOB PIRN CHUZ ÑUL=NUL ŠTA=STA ÖFT=OEFT ÇIM=CIM"),
        endings=_pairs("ARIO ENBY UFF OLK ISTE"),
    ),
    Script(
        "Cyrillic",
        ("UA", "MD", "BG", "RU", "KZ"),
        ("RUS", "UKR"),
        _pairs(
            "ЗОР=ZOR ЩУ=SHCHU ВЯК=VIAK ХЛЮ=KHLIU ПРЫ=PRY ЖУМ=ZHUM ЦЕБ=TSEB ГОЛЬ=GOL ФЫК=FYK ДРО=DRO МУЗ=MUZ ТЮП=TIUP"
        ),
        endings=_pairs("ЕНКО=ENKO ОВИЧ=OVICH ЕСКУ=ESKU УКИН=UKIN"),
    ),
    Script(
        "Arabic",
        ("JO", "IQ", "MA", "LB"),
        ("ARA",),
        _pairs("زور=ZOR قل=QAL بط=BAT شف=SHAF نم=NAM كد=KAD غر=GHAR طس=TAS هم=HAM جو=JO لب=LAB سخ=SAKH"),
        endings=_pairs("ي=I اني=ANI اوي=AWI"),
    ),
    Script(
        "Hebrew",
        ("IL",),
        ("HEB",),
        _pairs("זור=ZOR קל=KAL בט=BAT שפ=SHAF נם=NAM גד=GAD טס=TAS הם=HAM לב=LAV פו=PO רק=RAK"),
        endings=_pairs("ון=ON י=I אלי=ELI"),
    ),
    Script(
        "Greek",
        ("GR", "CY"),
        ("GRE",),
        _pairs("ΖΟΡ=ZOR ΒΛΙ=VLI ΚΟΥ=KOU ΠΑΞ=PAX ΤΡΕ=TRE ΨΑΜ=PSAM ΛΩΝ=LON ΦΥΓ=FYG ΔΗΜ=DIM ΧΑΛ=CHAL ΣΤΟ=STO"),
        endings=_pairs("ΑΚΗΣ=AKIS ΟΠΟΥΛΟΣ=OPOULOS ΙΔΗΣ=IDIS"),
    ),
    Script(
        "Chinese",
        ("CN", "SG"),
        ("CHI",),
        # Chemical elements: characters that nobody is called by.
        _pairs("钴=GU 铯=SE 铱=YI 钚=BU 镭=LEI 锶=SI 钍=TU 镅=MEI 氡=DONG 钋=PO 碘=DIAN 氙=XIAN 铀=YOU 镎=NA"),
        surname=(1, 1),
        given=(2, 2),
    ),
    Script(
        "Korean",
        ("KR",),
        ("KOR",),
        _pairs("뵬=BYOL 쿤=KUN 뜰=TTEUL 핌=PIM 쟝=JYANG 볻=BOT 촉=CHOK 륨=RYUM 갑=GAP 뭉=MUNG 텁=TEOP 슝=SYUNG"),
        surname=(1, 1),
        given=(2, 2),
    ),
    Script(
        "Georgian",
        ("GE",),
        ("GEO",),
        _pairs("ზორ=ZOR კვი=KVI ბუ=BU ჩხა=CHKHA ტლი=TLI ღო=GHO წკე=TSKE პუმ=PUM დრა=DRA ჯიმ=JIM"),
        endings=_pairs("შვილი=SHVILI აძე=ADZE ული=ULI"),
    ),
)


@dataclass(frozen=True, slots=True)
class _Word:
    """A name in its own script and in Latin letters."""

    original: str
    latin: str


@dataclass(frozen=True, slots=True)
class _Names:
    """The surnames and given names of one script, the most frequent first, with their weights summed up."""

    script: Script
    surnames: tuple[_Word, ...]
    given: tuple[_Word, ...]
    weights: tuple[float, ...]

    def draw(self, chance: random.Random) -> tuple[_Word, _Word]:
        """A surname and a given name: the n-th is drawn n times more rarely than the first."""
        return self._one(self.surnames, chance), self._one(self.given, chance)

    def _one(self, words: Sequence[_Word], chance: random.Random) -> _Word:
        return chance.choices(words, cum_weights=self.weights[: len(words)])[0]


def _word(script: Script, length: tuple[int, int], chance: random.Random, ending: bool) -> _Word:
    pairs = [chance.choice(script.syllables) for _ in range(chance.randint(*length))]
    if ending:
        pairs.append(chance.choice(script.endings))
    return _Word("".join(original for original, _ in pairs), "".join(latin for _, latin in pairs))


def _names(script: Script, size: int, chance: random.Random) -> _Names:
    """A stock of names that grows with the number of notices, as rare names do in life."""
    surnames = {_word(script, script.surname, chance, True): None for _ in range(size)}
    given = {_word(script, script.given, chance, False): None for _ in range(size // 2 + 5)}
    longest = max(len(surnames), len(given))
    weights = tuple(itertools.accumulate(1 / rank for rank in range(1, longest + 1)))
    return _Names(script, tuple(surnames), tuple(given), weights)


def invent(number: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """`number` notices, and a tenth as many listed documents behind them, each a line for `failsafe-hq import`.

    Args:
        number: how many notices.
        seed: another seed gives other persons with the same ids.
    """
    chance = random.Random(seed)
    stocks = [_names(script, 20 + number // 8, chance) for script in SCRIPTS]
    for index in range(number):
        yield _notice(index, stocks[chance.randrange(len(stocks))], chance, min(_RN_SHARE, _RN_MOST / number))
    for index in range(round(number * _LISTED_SHARE)):
        yield _listed(index, chance)


def _notice(index: int, names: _Names, chance: random.Random, rn_share: float) -> dict[str, Any]:
    entity_id = f"{chance.choice(_YEARS)}/{_FIRST_ID + index}"
    is_rn = chance.random() < rn_share
    colour = "GREEN" if is_rn else chance.choices(tuple(_COLOURS), tuple(_COLOURS.values()))[0]
    surname, given = names.draw(chance)
    countries = chance.sample(names.script.countries, min(chance.choice((1, 1, 1, 2)), len(names.script.countries)))
    notice: dict[str, Any] = {
        "entity_id": entity_id,
        "notice_type": colour,
        **_spelt(names.script, surname, given, chance),
        "sex_id": chance.choices(("M", "F", "U"), (80, 17, 3))[0],
        "date_of_birth": _date(chance),
        "country_of_birth_id": countries[0],
        "nationalities": countries,
        "languages_spoken_ids": list(names.script.languages),
        **_body(chance),
        "aliases": [_alias(names, surname, given, chance) for _ in range(chance.choice((0, 0, 1, 1, 2)))] or None,
        "identity_documents": _documents(countries[0], chance),
        "_links": {"self": {"href": f"/notices/v1/{colour.lower()}/{entity_id.replace('/', '-')}"}},
    }
    return {**notice, "fse": _block(countries[0], chance)} if is_rn else notice


def _spelt(script: Script, surname: _Word, given: _Word, chance: random.Random) -> dict[str, Any]:
    """Main name, with its original script where that differs; some have no given name, as data has it."""
    unknown = chance.random() < 0.03 and script.surname[1] > 1
    fields: dict[str, Any] = {
        "name": surname.latin,
        "forename": chance.choice((None, "-")) if unknown else given.latin,
    }
    if surname.original != surname.latin or given.original != given.latin:
        fields["name_in_original_script"] = surname.original
        fields["forename_in_original_script"] = None if unknown else given.original
    return fields


def _alias(names: _Names, surname: _Word, given: _Word, chance: random.Random) -> dict[str, Any]:
    """Another spelling of the same name, or another given name, or a nickname alone."""
    kind = chance.choice(("spelling", "given", "nickname"))
    if kind == "nickname":
        nickname = _word(names.script, (1, 2), chance, True)
        return {"qualification": "Low", "name": None, "forename": nickname.latin, "date_of_birth": None}
    other = names.draw(chance)[1] if kind == "given" else _Word(given.original, _respelt(given.latin))
    alias = {
        "qualification": "Good",
        **_spelt(names.script, _Word(surname.original, _respelt(surname.latin)), other, chance),
    }
    return {**alias, "date_of_birth": chance.choice((None, _date(chance)))}


def _respelt(latin: str) -> str:
    """The same sounds, otherwise written."""
    for one, other in (("SHCH", "SCH"), ("KH", "H"), ("ZH", "J"), ("TS", "C"), ("IA", "YA"), ("IU", "JU"), ("OU", "U")):
        latin = latin.replace(one, other)
    return latin


def _date(chance: random.Random) -> str | None:
    """A date of birth as data has it: mostly whole, sometimes without day or month, rarely unknown."""
    year, month, day = chance.randint(1945, 2005), chance.randint(1, 12), chance.randint(1, 28)
    forms = (f"{year}/{month:02}/{day:02}", f"{year}", f"{year}/{month:02}", f"{year}/{month:02}/00", None)
    return chance.choices(forms, (80, 8, 4, 5, 3))[0]


def _body(chance: random.Random) -> dict[str, Any]:
    tall = round(chance.gauss(1.74, 0.09), 2)
    return {
        "height": chance.choices((tall, 0, None, "None"), (70, 15, 10, 5))[0],
        "weight": chance.choices((round(chance.gauss(79, 12)), 0, None), (50, 35, 15))[0],
        "eyes_colors_id": chance.choices(([chance.choice(_EYES)], None), (70, 30))[0],
        "hairs_id": chance.choices(([chance.choice(_HAIR)], None), (70, 30))[0],
    }


def _number(chance: random.Random) -> str:
    """A document number as no state gives them out: Z, two letters, seven digits."""
    letters = "".join(chance.choices("XQZJW", k=2))
    return f"Z{letters}{chance.randrange(10**7):07}"


def _documents(country: str, chance: random.Random) -> list[dict[str, Any]] | None:
    number = chance.choices((0, 1, 2), (55, 35, 10))[0]
    kinds = chance.sample(("Passport", "Identity card"), number)
    return [{"type": kind, "nr": _number(chance), "issuing_country_id": country} for kind in kinds] or None


def _block(country: str, chance: random.Random) -> dict[str, Any]:
    materials = chance.sample(_MATERIALS, chance.choice((1, 1, 2)))
    return {
        "schema": 1,
        "op": "upsert",
        "programme": ["FAIL_SAFE", "RN"],
        "topics": ["rn_trafficking"],
        "materials": materials,
        "issuer": {"ncb": country},
        "handling": "INVENTED, FOR EXERCISE ONLY",
        "officer_action": list(_ACTIONS),
        "restrictions": {"deny_countries": [], "allow_countries": None},
        "published_at": f"{chance.choice(_YEARS)}-01-01T00:00:00Z",
    }


def _listed(index: int, chance: random.Random) -> dict[str, Any]:
    """A listed document; the index within its number keeps every one different."""
    return {
        "kind": "listed_document",
        "number": f"Z{chance.choice('XQZJW')}{index:07}",
        "issuing_country_id": chance.choice(chance.choice(SCRIPTS).countries),
        "document_type": chance.choice(_DOCUMENT_TYPES),
        "fraud_type": chance.choice(_FRAUDS),
    }
