"""From points to a grade: thresholds that keep a budget of false referrals. Pure.

The budget says how many of 100,000 innocent travellers may become a possible or a strong candidate of some notice.
The more names a list has, the more often one of them resembles an innocent by chance, so that thresholds belong to its
size. `make calibrate` finds them (tests/grades.py) and writes agent/person/grade_tables.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from failsafe.agent.person.grade_tables import NAMES, NUCLEAR, POSSIBLE, STRONG

Grade = Literal["none", "possible", "strong"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Points from which a candidate is possible, and strong."""

    possible: float
    strong: float

    def grade(self, points: float, *, corroborated: bool) -> Grade:
        """A candidate's grade; without corroboration it is never strong: a name alone is not."""
        if points < self.possible:
            return "none"
        return "strong" if corroborated and points >= self.strong else "possible"


@lru_cache(maxsize=16)  # asked for each candidate of each traveller; the list's size is the same for days
def thresholds(names: int, tier: str) -> Thresholds:
    """The thresholds for a candidate of this tier on a list of so many names (spellings and aliases counted).

    The radiological/nuclear tier, of some hundred persons whatever the list, has ten times the budget. Between the
    sizes of the table thresholds follow the logarithm of the size; beyond its last they go on as between the last two,
    below its first they stay.
    """
    strong = _between(names, STRONG)
    possible = NUCLEAR if tier == "rn" else _between(names, POSSIBLE)
    return Thresholds(min(possible, strong), strong)


def _between(names: int, values: tuple[float, ...]) -> float:
    if names <= NAMES[0]:
        return values[0]
    steps = list(zip(pairwise(NAMES), pairwise(values), strict=True))
    (low, high), (first, second) = next((step for step in steps if names <= step[0][1]), steps[-1])
    return first + (second - first) * math.log(names / low) / math.log(high / low)
