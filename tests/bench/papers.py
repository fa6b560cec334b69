"""What lists and papers make of an invented person: notices in two scripts, aliases, and single errors of clerks.

The rules are those of offices and keyboards, written apart from the matcher's own and by none of its tables.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date

from failsafe.sync.records import IdentityDocument, Notice, PersonName
from tests.bench.peoples import Drawn

# --- errors ------------------------------------------------------------------------------------------------------

# Pairs that stand for one another in print.
_SPELLINGS = (
    ("ii", "y"), ("iia", "ia"), ("iu", "yu"), ("ia", "ya"), ("ei", "ey"), ("kh", "h"), ("sh", "ch"), ("ou", "u"),
    ("oo", "u"), ("ee", "i"), ("q", "k"), ("v", "w"), ("ks", "x"), ("ss", "s"), ("mm", "m"), ("ue", "u"), ("ae", "a"),
    ("zh", "j"), ("j", "dj"), ("dh", "d"), ("th", "t"), ("ck", "k"), ("y", "i"), ("ie", "i"), ("o", "u"), ("e", "i"),
    ("Mohammed", "Muhammad"), ("Ahmed", "Ahmad"), ("Yousef", "Yusuf"), ("Hussein", "Husayn"), ("Abdul", "Abdel"),
)  # fmt: skip
Habit = Callable[[random.Random, Drawn], Drawn]


def disguised(rng: random.Random, person: Drawn) -> Drawn:
    """The same person on other papers, with one error of the name; one date in six errs too."""
    other = rng.choice(_HABITS)(rng, person)
    return replace(other, birth=_other_date(rng, person.birth)) if rng.random() < 1 / 6 else other


def disguised_hard(rng: random.Random, person: Drawn) -> Drawn:
    """Two or three errors of the name, and one date in two errs."""
    for habit in rng.sample(_HABITS, rng.choice((2, 2, 3))):
        person = habit(rng, person)
    return replace(person, birth=_other_date(rng, person.birth)) if rng.random() < 0.5 else person


def _other_date(rng: random.Random, birth: str) -> str:
    born = date.fromisoformat(birth)
    match rng.choice(("year", "exchanged", "digit", "year only")):
        case "year":
            return f"{born.year + rng.choice((-1, 1)):04}{birth[4:]}"
        case "exchanged" if born.day <= 12:
            return f"{born.year:04}-{born.day:02}-{born.month:02}"
        case "digit":
            return born.replace(day=rng.randint(1, 28)).isoformat()
        case _:
            return birth[:4]


def _spelled(rng: random.Random, person: Drawn) -> Drawn:
    """Another transliteration of one sound."""
    ways = [
        (field, old, new)
        for field in ("surname", "given")
        for pair in _SPELLINGS
        for old, new in (pair, pair[::-1])
        if old in getattr(person, field)
    ]
    if not ways:
        return _mistyped(rng, person)
    field, old, new = rng.choice(ways)
    return replace(person, **{field: getattr(person, field).replace(old, new, 1)})


def _mistyped(rng: random.Random, person: Drawn) -> Drawn:
    """One slip of the keyboard behind the first letter; names of two or three letters keep their length."""
    field = rng.choice(("surname", "given"))
    text = getattr(person, field)
    place = rng.randrange(1, len(text))
    match rng.choice(("drop", "double", "swap", "other")) if len(text) > 3 else "other":
        case "drop":
            text = text[:place] + text[place + 1 :]
        case "double":
            text = text[:place] + text[place] + text[place:]
        case "swap" if place + 1 < len(text):
            text = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        case _:
            text = text[:place] + rng.choice("aeioumnrst".replace(text[place], "")) + text[place + 1 :]
    return replace(person, **{field: text})


def _shortened(rng: random.Random, person: Drawn) -> Drawn:
    """A second given name, a father's or the second family name is left out."""
    family, given = person.surname.split(), person.given.split()
    if len(given) > 1:
        return replace(person, given=given[0])
    if len(family) > 1:
        return replace(person, surname=family[0])
    return _spelled(rng, person)


def _exchanged(rng: random.Random, person: Drawn) -> Drawn:
    """Family and given name change places."""
    return replace(person, surname=person.given, given=person.surname)


def _joined(rng: random.Random, person: Drawn) -> Drawn:
    """What is two words or hyphened becomes one, however long, and the other way round."""
    if " " in person.given:
        return replace(person, given=person.given.replace(" ", "", 1))
    if len(person.syllables) == 2 and person.given.replace("-", "").lower() == "".join(person.syllables):
        parted = "-" in person.given
        return replace(person, given=("" if parted else rng.choice(" -")).join(person.syllables).capitalize())
    if "-" in person.surname:
        return replace(person, surname=person.surname.replace("-", rng.choice(("", " ")), 1))
    return _mistyped(rng, person)


_HABITS: tuple[Habit, ...] = (_spelled, _spelled, _spelled, _mistyped, _shortened, _exchanged, _joined)


# --- lists -------------------------------------------------------------------------------------------------------


def listed(rng: random.Random, person: Drawn, tier: str = "red") -> Notice:
    """A notice as lists have it: some with an alias, some in their own script beside Latin, dates that may lack."""
    names = [PersonName(surname=person.surname, given=person.given)]
    if rng.random() < 0.3:
        alias = _spelled(rng, person) if rng.random() < 0.7 else _shortened(rng, person)
        names.append(PersonName(kind="good_alias", surname=alias.surname, given=alias.given))
    if rng.random() < 0.35 and (own := in_own_script(person)):
        names.append(PersonName(surname=own[0], given=own[1], original_script=True))
    if rng.random() < 0.04:
        names.append(PersonName(kind="low_alias", given=rng.choice(_BY_NAMES)))
    documents = ()
    if rng.random() < 0.2:
        number = f"{rng.choice('ABCEGHKLMNPRT')}{rng.randrange(10**7):07}"
        documents = (IdentityDocument(number=number, type="passport", country=person.nationality),)
    return Notice(
        entity_id=person.entity_id,
        tier=tier,
        names=tuple(names),
        sex=person.sex if rng.random() < 0.9 else "U",
        births=_births(rng, person.birth),
        nationalities=(person.nationality,) if rng.random() < 0.85 else (),
        birth_country=person.nationality if rng.random() < 0.5 else None,
        documents=documents,
    )


def _births(rng: random.Random, birth: str) -> tuple[str, ...]:
    chance = rng.random()
    if chance < 0.05:
        return ()
    if chance < 0.2:
        return (birth[:4],)
    if chance < 0.25:
        return (birth, f"{int(birth[:4]) + rng.choice((-3, -1, 1, 2))}")
    return (birth,)


_BY_NAMES = ("The Baker", "El Flaco", "Der Lange", "Abu Khaled", "Doktor", "Kurchavyi", "Le Petit", "Haji Saheb")
_CYRILLIC = (
    "iia ия shch щ zh ж kh х ts ц ch ч sh ш iu ю ia я ie є yi ї ii ий ei ей a а b б v в g г d д e е z з i и k к l л "
    "m м n н o о p п r р s с t т u у f ф y ы h х j дж w в c к q к x кс"
)
_UKRAINIAN = "skyi ський zh ж kh х ts ц ch ч sh ш iu ю ia я ii ій h г y и i і g ґ "
_ARABIC = (
    "mohammed محمد mohamed محمد muhammad محمد ahmed أحمد mahmoud محمود hassan حسن hussein حسين ibrahim إبراهيم "
    "abd عبد al- ال el- ال abou أبو sh ش kh خ th ث dh ذ gh غ ch تش ou و oo و ee ي aa ا a ا b ب t ت j ج h ه d د r ر "
    "z ز s س f ف q ق k ك l ل m م n ن w و y ي i ي u و o و g ج e - v ف p ب x كس"
)
_PERSIAN = "hossein حسین mohammad محمد sh ش ch چ zh ژ g گ p پ v و k ک y ی i ی ee ی "
_SHORT = frozenset("aeiu")
_HAN_READ = (
    "wang li zhang liu chen yang zhao huang zhou wu xu sun hu zhu gao lin he guo ma luo liang song zheng xie han "
    "tang feng yu dong xiao cheng cao yuan deng fu shen zeng peng lu wei jun lei qiang yong jie ming gang ping hui "
    "bin tao chao hao jian zhi wen ran zi xuan zhen hua shao hai tian long xin bo kai rui ze jia hong sheng guang "
    "xiang zhong yi fei fang na min jing yan xia juan xiu ying mei ling ruo xi gui shu fen lan qin xue"
)
_HAN = dict(
    zip(
        _HAN_READ.split(),
        "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓傅沈曾彭吕伟军磊强勇杰明刚平辉斌涛超浩建志文然子轩"
        "振华少海天龙鑫博凯瑞泽佳宏胜光祥忠毅飞芳娜敏静艳霞娟秀英美玲若曦桂淑芬兰琴雪",
        strict=True,
    )
)
_HANGUL_READ = (
    "kim lee park choi jung kang cho yoon jang lim han oh seo shin kwon hwang ahn song min jun ji hoon sung young "
    "ho jae hyun dong woo sang kyung soo tae hwan won bin in su jin eun hye yu na so mi yeon hee"
)
_HANGUL = dict(
    zip(
        _HANGUL_READ.split(),
        "김이박최정강조윤장임한오서신권황안송민준지훈성영호재현동우상경수태환원빈인수진은혜유나소미연희",
        strict=True,
    )
)


def in_own_script(person: Drawn) -> tuple[str, str] | None:
    """Family and given names as the person writes them; None where that is Latin, or not known here."""
    match person.nationality:
        case "RU":
            return _written(person, _CYRILLIC)
        case "UA":
            return _written(person, _UKRAINIAN + _CYRILLIC)
        case "SA" | "EG":
            return _written(person, _ARABIC, short=True)
        case "IR" | "PK":
            return _written(person, _PERSIAN + _ARABIC, short=True)
        case "CN" | "KR":
            return _by_syllables(person, _HAN if person.nationality == "CN" else _HANGUL)
    return None


def _by_syllables(person: Drawn, signs: dict[str, str]) -> tuple[str, str] | None:
    words = (person.surname.lower(), *(syllable.lower() for syllable in person.syllables))
    if not all(word in signs for word in words):
        return None
    family, *given = (signs[word] for word in words)
    return family, "".join(given)


def _written(person: Drawn, table: str, *, short: bool = False) -> tuple[str, str]:
    pairs = table.split()
    signs: dict[str, str] = {}
    for latin, own in zip(pairs[::2], pairs[1::2], strict=True):
        signs.setdefault(latin, own.strip("-"))
    return _letters(person.surname, signs, short=short), _letters(person.given, signs, short=short)


def _letters(text: str, signs: dict[str, str], *, short: bool) -> str:
    """Longest pieces first; where short vowels are not written, only those at a word's ends are."""
    written, place, lower = "", 0, text.lower()
    while place < len(lower):
        length = next((size for size in range(8, 0, -1) if lower[place : place + size] in signs), 0)
        piece = lower[place : place + max(length, 1)]
        inner = place > 0 and place + len(piece) < len(lower) and " " not in lower[place - 1 : place + 2]
        if not (short and piece in _SHORT and inner):
            written += signs.get(piece, piece if piece in " -" else "")
        place += len(piece)
    return written.title() if not short else written
