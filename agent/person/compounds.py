"""Names put together of several words, and words that are none: `Abdurrahman` is ABD RAHMAN, `Nureddine` NUR DIN. Pure.

Servant-names (Arabic `abd`) and names in -din are written as one word, two or three, and their article takes on the
letter that follows it. Brought to one form, the servant's or faith's part weighs as little as it says: of Abdul Rahman
and Abdul Manan only the second words tell them apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from failsafe.agent.person.names import PARTICLES

Tokens = tuple[str, ...]

_TITLES: Final = """
SHAYKH SHEIKH SHEIK SHAIKH CHEIKH SHEKH HAJI HAJJ HAJJI HADJI HADJ ALHAJI ALHAJ DR PROF PROFESSOR MULLAH MULLA MOLLAH
MAULAVI MAULVI MAWLAWI MAULAWI MOLVI MAULANA MAWLANA SAYED QARI HAFIZ USTAD USTAZ AKHUND AKHOND AYATOLLAH HOJJAT IMAM
EMIR MR MRS MS SIR DAME LORD LADY BARON MONSIEUR MADAME MME HERR FRAU SENOR SENORA DON DONA SIGNOR PRESIDENT PRAESIDENT
PRESIDENTE GENERAL GEN COLONEL COL MAJOR CAPTAIN CAPT BRIGADIER ADMIRAL LIEUTENANT LT COMMANDER ENGINEER ENG PRINCE
PRINCESS KING QUEEN FATHER BISHOP REV JR SR II III IV
"""
_ABD: Final = "ABD ABDUL ABDEL ABDAL ABDOUL ABDOL ABDIL ABDUR ABDER ABDAR ABDUS ABDAS ABDES ABDU ABDE ABDEN ABDUZ ABDOU"
_AD_DIN: Final = "DIN DEEN DINE EDDINE EDDIN UDDIN UDDEEN ADDIN ALDIN ELDIN"
_AL: Final = "AL EL UL OL OUL UR AR ER UD AD ED US AS ES UZ AZ EZ"
_SERVANTS: Final = frozenset(_ABD.split())
_FAITHS: Final = frozenset(_AD_DIN.split())
_ARTICLES: Final = frozenset(_AL.split())
_SERVANT: Final = "ABD"
_FAITH: Final = "DIN"
# Words that say next to nothing: before or behind a name, or in the names of half a people.
SLIGHT: Final = PARTICLES | frozenset(_TITLES.split()) | _SERVANTS | _FAITHS
_TO_ITS_SERVANT: Final = re.compile(r"^ABD[AEIOUY]*(?:L(?=[^L])|([RSZDTN])(?=\1))?(?=[A-Z]{3})")
_TO_ITS_FAITH: Final = re.compile(r"^([A-Z]{3,}?)[AEIOU]+D*D[IE]+NE?$")
_ONE_WORD: Final = re.compile("^ABD[AEIOU]*L+A[HY]?[EI]?$")  # Abdullah, Abdoulaye
_SHORTEST_SERVANT: Final = 6


def parted(tokens: Tokens) -> Tokens:
    """Folded tokens with such names in one form; never fewer than one where one came in."""
    return tuple(_parted(tokens))


def _parted(tokens: Tokens) -> Iterator[str]:
    for place, token in enumerate(tokens):
        if token in _SERVANTS:
            yield _SERVANT
        elif token in _FAITHS:
            yield _FAITH
        elif not (0 < place < len(tokens) - 1 and _is_taken_on(tokens, place)):
            yield from _of_one(token)


def _is_taken_on(tokens: Tokens, place: int) -> bool:
    """Whether the token is an article that belongs to what stands beside it."""
    token, after = tokens[place], tokens[place + 1]
    if token not in _ARTICLES:
        return False
    return tokens[place - 1] in _SERVANTS or after in _FAITHS or (token[-1] != "L" and token[-1] == after[0])


@lru_cache(maxsize=8192)
def _of_one(token: str) -> Tokens:
    if token.startswith(_SERVANT) and len(token) >= _SHORTEST_SERVANT and not _ONE_WORD.match(token):
        rest = _TO_ITS_SERVANT.sub("", token)
        if rest != token:
            return _SERVANT, rest
    if match := _TO_ITS_FAITH.match(token):
        return match[1], _FAITH
    return (token,)
