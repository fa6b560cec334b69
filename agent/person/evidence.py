"""What the other fields say for or against two persons being one: birth date, sex, nationality, country of birth. Pure.

Points are of the size of natural logarithms of how much oftener something is seen where they are one than where they
are two, drawn towards 0 by judgement: lists err more than invented persons do. Where one in six bears a wrong date the
same day would be worth 9.7, and counts 5.5; docs/matching.md has the others. A date is evidence and never a gate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from failsafe.agent.person import countries
from failsafe.agent.person.reasons import reason_of
from failsafe.sync.records import Notice
from failsafe.sync.reports import MatchReason

_SAME_DAY: Final = 5.5
_EXCHANGED: Final = 4.0
# One slip in the year or in the month leaves the rest as it was; strangers share a day and month once in a year's days.
_YEAR_SLIPPED: Final = 2.4
_DIGIT_SLIPPED: Final = 1.5  # one digit of the year, or the month
_MONTH_IN_FULL: Final = 3.5  # as much as the one that says less can say
_YEAR_IN_FULL: Final = 2.5
_SAME_MONTH: Final = 2.5  # but another day
_SAME_YEAR: Final = 0.0  # but another month and day
_ONE_YEAR_IN_FULL, _TWO_YEARS_IN_FULL = 0.3, -1.0
_ONE_YEAR, _TWO_YEARS, _FIVE_YEARS, _TEN_YEARS, _GENERATION = -0.5, -1.5, -2.5, -3.5, -5.0
# From so many a date corroborates a name: the year agrees, and nothing that is known says otherwise.
TELLING_BIRTH: Final = 2.5
_SEX, _OTHER_SEX = 0.2, -2.0
# People change it and lists omit some: little for, less against.
_NATIONALITY, _BORN_THERE, _OTHER_NATIONALITY = 0.7, 0.2, -0.5


def compare_births(query: str, candidate: str) -> tuple[float, str]:
    """Points for two partial ISO dates, with the reason: +5.5 for the same day down to -5 for another generation."""
    asked, held = _parts(query), _parts(candidate)
    if not asked or not held:
        return 0.0, "no date to compare"
    gap = abs(asked[0] - held[0])
    if gap == 0:
        return _within_year(asked, held)
    if len(asked) == len(held) == 3 and asked[1:] == held[1:] and (slipped := _slipped_year(asked[0], held[0])):
        return slipped
    in_full = min(len(asked), len(held)) == 1
    if gap == 1:
        return _ONE_YEAR_IN_FULL if in_full else _ONE_YEAR, "one year apart"
    if gap == 2:
        return _TWO_YEARS_IN_FULL if in_full else _TWO_YEARS, "two years apart"
    return _FIVE_YEARS if gap <= 5 else _TEN_YEARS if gap <= 10 else _GENERATION, f"{gap} years apart"


def _slipped_year(asked: int, held: int) -> tuple[float, str] | None:
    """What the year says where day and month agree; None where no single slip makes one of the other."""
    if abs(asked - held) == 1:
        return _YEAR_SLIPPED, "the same day and month, one year apart"
    if sum(one != other for one, other in zip(f"{asked:04}", f"{held:04}", strict=True)) == 1:
        return _DIGIT_SLIPPED, "the same day and month, one digit of the year differs"
    return None


def _within_year(asked: tuple[int, ...], held: tuple[int, ...]) -> tuple[float, str]:
    known = min(len(asked), len(held))
    if known == 3:
        if asked == held:
            return _SAME_DAY, "the same day"
        if asked[1:] == (held[2], held[1]):
            return _EXCHANGED, "day and month exchanged"
    if known > 1 and asked[1] == held[1]:
        return _MONTH_IN_FULL if known == 2 else _SAME_MONTH, "the same month"
    if known == 3 and asked[2] == held[2]:
        return _DIGIT_SLIPPED, "the same day of another month"
    return _YEAR_IN_FULL if known == 1 else _SAME_YEAR, "the same year"


@lru_cache(maxsize=1024)  # each candidate's date is compared with the one that the document has
def _parts(date: str) -> tuple[int, ...]:
    """Year, month, day as far as they are known; a month or day of 00 is not known."""
    parts = []
    for text in re.split(r"[-/]", date.strip())[:3]:
        if not text.isdecimal() or int(text) == 0:
            break
        parts.append(int(text))
    return tuple(parts)


def birth_reason(asked: str | None, births: Iterable[str]) -> MatchReason | None:
    """The notice's date that speaks most for it; None where one of the two sides has none."""
    nearest = _nearest_birth(asked, births)
    if not asked or nearest is None:
        return None
    points, why, birth = nearest
    return reason_of("birth_date", asked, birth, why, points)


def birth_points(asked: str | None, births: Iterable[str]) -> float:
    """The points of `birth_reason`, without its words; 0 where there are none."""
    nearest = _nearest_birth(asked, births)
    return 0.0 if nearest is None else nearest[0]


def _nearest_birth(asked: str | None, births: Iterable[str]) -> tuple[float, str, str] | None:
    if not asked or not _parts(asked):
        return None
    return max(((*compare_births(asked, birth), birth) for birth in births if _parts(birth)), default=None)


def sex_points(asked: str | None, held: str) -> float | None:
    """Points of the two sexes; None where one of them says nothing."""
    if asked not in ("M", "F") or held not in ("M", "F"):
        return None
    return _SEX if asked == held else _OTHER_SEX


def field_reasons(sex: str | None, nationality: str | None, notice: Notice) -> Iterator[MatchReason]:
    """What sex and nationality say, each where both sides have it.

    Args:
        sex, nationality: as the traveller's document prints them.
        notice: the candidate. Someone of another nationality may be of the country in which the notice's subject was
            born.
    """
    points = sex_points(sex, notice.sex)
    if points is not None:
        yield reason_of("sex", sex or "", notice.sex, "the same" if points > 0 else "differs", points)
    mine, theirs = countries.alpha_2(nationality), _known(notice.nationalities)
    born = countries.alpha_2(notice.birth_country)
    if not mine or not (theirs or born):
        return
    if mine in theirs:
        yield reason_of("nationality", mine, " ".join(theirs), "the same", _NATIONALITY)
    elif mine == born:
        yield reason_of("nationality", mine, born, "the notice's country of birth", _BORN_THERE)
    elif theirs:
        yield reason_of("nationality", mine, " ".join(theirs), "not among the notice's", _OTHER_NATIONALITY)


def _known(nationalities: Sequence[str]) -> list[str]:
    return [code for code in map(countries.alpha_2, nationalities) if code]
