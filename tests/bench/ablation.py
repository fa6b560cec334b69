"""What each part of weighing two names is worth: left out one at a time, trees grown anew, out of fold each time.

    python -m tests.bench.ablation [--rounds N] [--strangers N] [--only WORD]

Prints the table of docs/matching.md, a row as it is measured; some ten minutes of one core. The trees are grown as
`make calibrate` grows them (tests/grow.py), on the same folds, and asked about strangers who taught nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from failsafe.agent.person import alignment, cognates, ear, likeness, measures, names
from failsafe.agent.person.measures import MEASURES
from tests import grow
from tests.bench.pairs import OTHER_SEED, SCRIPTS, Scored, best_threshold, listed_twice, strict_recall

STRANGERS = 6_000
_PLACES = {name: place for place, (name, _) in enumerate(MEASURES)}
_CACHED = (
    alignment._closeness,
    cognates.groups,
    ear.latin_key,
    cognates.common,
    measures._near,
    measures._to_change,
    measures._soft,
    measures._weight,
    names.squash,
    names.skeleton,
)

_ROWS = grow.rows

Switch = tuple[ModuleType, str, Any]  # a room's name, and what stands for it while the part is out


@dataclass(frozen=True)
class Part:
    """Something that can be left out: measures that say nothing then, and names that mean something else."""

    name: str
    measures: tuple[str, ...] = ()
    switches: tuple[Switch, ...] = ()
    bare: bool = False  # no trees at all: the first measure is the score


def _no_initials(first: str, second: str, whole: Callable[[str, str], tuple[float, str]]) -> tuple[float, str]:
    return (0.0, "") if first != second and 1 in (len(first), len(second)) else whole(first, second)


def _nothing(*_: object) -> float:
    return 0.0


def _other_trees(*what: Any, whole: Callable[..., Any] = grow.grow) -> Any:
    table, same, weights, seed = what
    return whole(table, same, weights, seed + 1)


PARTS = (
    Part("nothing"),
    Part("nothing, other seed", (), ((grow, "grow", _other_trees),)),
    Part("rarity of words", ("rare conflict", "rare met"), ((measures, "_weight", lambda _: 1.0),)),
    Part(
        "consonants alone",
        ("run of consonants",),
        ((alignment, "_by_consonants", _nothing), (measures, "skeleton", lambda _: "")),
    ),
    Part(
        "vowels as one",
        ("run of sounds",),
        ((measures, "_soft", names.squash), (measures, "_VOWELS", re.compile("(?!)"))),
    ),
    Part("cognates (John, Ivan)", (), ((cognates, "groups", lambda _: frozenset()),)),
    Part("by ear, Hangul", ("heard by words", "heard as a run")),
    Part("words written as one", (), ((alignment, "_written_as_one", lambda *_: ()),)),
    Part("names put together (Abdul Rahman)", (), ((measures, "parted", tuple),)),
    Part("letters to change", ("letters to change", "most letters to change")),
    Part("beginnings and order", ("begun alike", "words exchanged")),
    Part("initials", (), ((alignment, "_closeness", partial(_no_initials, whole=alignment._closeness)),)),
    Part("habits of Hebrew and Arabic letters", (), ((names, "_HABITS", ()),)),
    Part("how documents print a script", (), ((likeness, "folds", lambda text: (names.fold(text),)),)),
    Part("the letters of their own script", ("own letters",)),
    Part(
        "what cannot be placed",
        ("conflict", "rare conflict", "heaviest left", "words in conflict", "more of one left", "less of one left"),
    ),
    Part("how near the unplaced are", ("nearest of the left", "farthest pair")),
    Part("what kind of names they are", tuple(name for name, direction in MEASURES if not direction)),
    Part("lessons by rule", (), ((grow, "DRILLED", 0),)),
    Part("strangers as teachers", (), ((grow, "TEACHING", 0),)),
    Part(
        "the bond to grow with likeness",
        (),
        ((grow, "GROWTH", {**grow.GROWTH, "monotone_constraints": [0] * len(MEASURES)}),),
    ),
    Part("the trees (aligner alone)", bare=True),
)


@dataclass(frozen=True)
class Worth:
    """What is left without a part.

    Attributes:
        strangers: the share called alike from the score on that is best for the cases.
        strict: the part of true pairs found where one stranger in a thousand is called alike.
    """

    auc: float
    recall: float
    cases_f1: float
    scripts: tuple[float, ...]
    strangers: float
    strict: float


def without(part: Part, known: list[grow.Lesson], strangers: int = STRANGERS) -> Worth:
    """Weigh all pairs out of fold, the part left out."""
    setting = grow.strangers(known, 4 * grow.TEACHING // 3)  # of whom each four folds have enough to teach
    others = [one for one in grow.strangers(known, strangers, OTHER_SEED) if not listed_twice(one)]
    with left_out(part):
        if part.bare:
            aligned = _PLACES["aligned"]
            scores, strange = (np.nan_to_num(grow.rows(some)[:, aligned]) for some in (known, others))
        else:
            measured = grow.cross_validated(known, [*setting, *others])
            scores, strange = measured.scores, measured.strangers[len(setting) :]
    return worth(known, scores, strange)


def worth(known: list[grow.Lesson], scores: NDArray[np.float64], strange: NDArray[np.float64]) -> Worth:
    """The figures of such scores."""
    same = np.array([one.same for one in known])
    cases = np.array([one.category.startswith("nk_") for one in known])
    threshold = best_threshold(scores[cases], same[cases])
    areas = []
    for _, category in SCRIPTS:
        which = np.array([one.category == category for one in known])
        areas.append(grow.area(scores[which & same], scores[which & ~same]))
    return Worth(
        grow.area(scores[same], scores[~same]),
        grow.recall_at(scores, same, 0.01),
        grow.best_f1(scores[cases], same[cases]),
        tuple(areas),
        float(np.mean(strange >= threshold)),
        strict_recall(Scored("", scores, strange, threshold, 0.0), same),
    )


@contextmanager
def left_out(part: Part) -> Iterator[None]:
    """Weigh without the part until the end, and as before from then on.

    Raises:
        AttributeError, KeyError: the house has no such name or measure any more.
    """
    dropped = [_PLACES[name] for name in part.measures]
    whole = grow.rows

    def rows(taught: Sequence[grow.Lesson]) -> grow.Rows:
        table = (whole(taught) if part.switches else _measured(tuple(taught))).copy()
        table[:, dropped] = 0.0
        return table

    with ExitStack() as stack:
        for room, name, instead in (*part.switches, (grow, "rows", rows)):
            stack.callback(setattr, room, name, getattr(room, name))
            setattr(room, name, instead)
        _forget()
        stack.callback(_forget)
        yield


@lru_cache(maxsize=8)
def _measured(taught: tuple[grow.Lesson, ...]) -> grow.Rows:
    """Their measures with nothing left out, once for all parts that only look away from some."""
    return _ROWS(taught)


def _forget() -> None:
    for each in _CACHED:
        each.cache_clear()


HEAD = (
    "| left out | AUC | recall at 1 % false | cases, best F1 | original script, Hebrew, Korean AUC "
    "| strangers matched | same persons at 0.1 % of strangers |\n|---|---|---|---|---|---|---|"
)


def told(part: Part, found: Worth) -> str:
    """One row of the table."""
    scripts = ", ".join(f"{each:.3f}" for each in found.scripts)
    return (
        f"| {part.name} | {found.auc:.3f} | {found.recall:.3f} | {found.cases_f1:.3f} | {scripts} "
        f"| {100 * found.strangers:.2g} % | {100 * found.strict:.0f} % |"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print, row by row."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.ablation", description=__doc__)
    options.add_argument("--rounds", type=int, default=grow.ROUNDS, help="Trees of each fold.")
    options.add_argument("--strangers", type=int, default=STRANGERS, help="Unrelated pairs that are asked about.")
    options.add_argument("--only", default="", help="Only parts whose name has this word.")
    chosen = options.parse_args(arguments)
    grow.ROUNDS = chosen.rounds
    known = grow.lessons(Path(os.environ["FAILSAFE_SHARED"]))
    print(HEAD, flush=True)
    for part in PARTS:
        if chosen.only in part.name:
            print(told(part, without(part, known, chosen.strangers)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
