"""Two names weighed by the booth and by what others use, on the same pairs in the same run.

    python -m tests.bench.pairs [--strangers N] [--plots docs/pictures]

The pairs are outside data (names/dev_pairs.jsonl of the shared folder). The booth's scores are those of trees that saw
neither name (tests/grow.py), and its threshold was set on other strangers than are asked here. The rivals' threshold
is the one of their best F1 on the cases that people judged, which is kinder to them: they are told the answers.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from anyascii import anyascii
from numpy.typing import NDArray
from rapidfuzz import fuzz, utils

from failsafe.agent.commands.bench import standard_error
from failsafe.agent.commands.figures import Figure, Rival, figure, table
from failsafe.agent.person.likeness import score_names
from tests import grow
from tests.bench import rival
from tests.bench.curves import Chart, Curve, charts

STRANGERS = grow.STRANGERS
OTHER_SEED = 1_007  # of strangers who neither taught nor set the threshold
LISTED_TWICE = 95.0
TIMED = 1_000
SCRIPTS = (
    ("original_script", "un_original_script"),
    ("hebrew", "wikidata_hebrew"),
    ("korean", "wikidata_korean"),
)
# Strangers for whom all scorers may be compared at one strictness.
STRICT = 0.001

Scores = NDArray[np.float64]
Truth = NDArray[np.bool_]


@dataclass(frozen=True)
class Scored:
    """What one scorer says of all pairs and of strangers, from where on it calls them alike, and its cost."""

    name: str
    scores: Scores
    strangers: Scores
    match_from: float
    us_a_pair: float


@dataclass(frozen=True)
class Compared:
    """The pairs, ours and the rivals; `missing`: rivals that are not installed, in words."""

    known: list[grow.Lesson]
    own: Scored
    rivals: list[Scored]
    missing: tuple[str, ...]

    @property
    def same(self) -> Truth:
        return np.array([one.same for one in self.known])

    @property
    def cases(self) -> Truth:
        """Those of nomenklatura's own, judged by people."""
        return np.array([one.category.startswith("nk_") for one in self.known])


def compare(shared: Path, strangers: int = STRANGERS) -> Compared:
    """Weigh every pair with everything that is installed."""
    known = grow.lessons(shared)
    others = [one for one in grow.strangers(known, strangers, OTHER_SEED) if not listed_twice(one)]
    own = _own(known, others)
    cheap = [
        _cheap("rapidfuzz WRatio", fuzz.WRatio, known, others),
        _cheap("rapidfuzz token_sort_ratio", fuzz.token_sort_ratio, known, others),
    ]
    answered = rival.ask([(one.query, one.candidate) for one in (*known, *others)])
    if answered is None:
        return Compared(known, own, cheap, (f"nomenklatura logic-v2: {rival.MISSING}",))
    scores = np.array(answered.scores)
    return Compared(known, own, [_told(answered.name, scores, known, answered.us_a_pair), *cheap], ())


def listed_twice(one: grow.Lesson) -> bool:
    """The same words but for a letter: no strangers, but one person in two lists, whom no scorer should miss."""
    return fuzz.token_sort_ratio(_plain(one.query), _plain(one.candidate)) >= LISTED_TWICE


def _own(known: list[grow.Lesson], others: list[grow.Lesson]) -> Scored:
    """Out of fold; the first half of the strangers teaches and sets the threshold, `others` are only asked."""
    setting = grow.strangers(known, max(len(others), grow.TEACHING))
    measured = grow.cross_validated(known, [*setting, *others])
    zero = float(np.quantile(measured.strangers[: len(setting)], 1.0 - grow.STRANGERS_MATCHED))
    timed = known[:: max(1, len(known) // TIMED)]
    began_at = time.process_time()
    for one in timed:
        score_names(one.query, one.candidate)
    us_a_pair = 1e6 * (time.process_time() - began_at) / len(timed)
    return Scored("booth", measured.scores - zero, measured.strangers[len(setting) :] - zero, 0.0, us_a_pair)


def _cheap(
    name: str, scorer: Callable[[str, str], float], known: list[grow.Lesson], others: list[grow.Lesson]
) -> Scored:
    """A scorer of Latin letters, given them by anyascii as most would."""
    pairs = [(one.query, one.candidate) for one in (*known, *others)]
    began_at = time.process_time()
    scores = np.array([scorer(_plain(query), _plain(candidate)) for query, candidate in pairs])
    return _told(name, scores, known, 1e6 * (time.process_time() - began_at) / len(pairs))


def _plain(name: str) -> str:
    return utils.default_process(anyascii(name))


def _told(name: str, scores: Scores, known: list[grow.Lesson], us_a_pair: float) -> Scored:
    pairs, strangers = scores[: len(known)], scores[len(known) :]
    judged = np.array([one.category.startswith("nk_") for one in known])
    same = np.array([one.same for one in known])
    return Scored(name, pairs, strangers, best_threshold(pairs[judged], same[judged]), us_a_pair)


def best_threshold(scores: Scores, same: Truth) -> float:
    """From where on to call two names alike for the best F1."""
    return float(max(np.unique(scores), key=lambda each: _f1(scores >= each, same)))


def _f1(called: Truth, same: Truth) -> float:
    return 2 * float((called & same).sum()) / float(called.sum() + same.sum())


# --- figures -----------------------------------------------------------------------------------------------------


def figures(shared: Path | None = None, strangers: int = STRANGERS) -> Iterator[Figure]:
    """Each figure beside each rival's; what is missing is said in a row of its own."""
    shared = shared or Path(os.environ.get("FAILSAFE_SHARED", "../shared"))
    if not (shared / "data" / "names").is_dir():
        yield from _words("names_pairs", 0, "no pairs of names: set FAILSAFE_SHARED to the shared folder")
        return
    yield from figures_of(compare(shared, strangers))


def figures_of(found: Compared) -> Iterator[Figure]:
    """The same of what was compared."""
    missing = "; ".join(found.missing) or "all rivals answered"
    yield from _words("names_pairs", len(found.known), missing)
    same, cases = found.same, found.cases
    strong = np.array([one.quality == "STRONG" for one in found.known])
    strange = len(found.own.strangers)

    def row(
        name: str, unit: str, n: int, of: Callable[[Scored], float], where: Callable[[Scored], str] = lambda _: ""
    ) -> Iterator[Figure]:
        beside = [Rival(f"{each.name}{where(each)}", of(each)) for each in found.rivals]
        return figure(f"names_{name}", of(found.own), unit, n, *beside)

    def area_of(which: Truth) -> Callable[[Scored], float]:
        return lambda each: grow.area(each.scores[which & same], each.scores[which & ~same])

    every = np.ones(len(same), np.bool_)
    yield from row("auc", "AUC", len(same), area_of(every))
    yield from row("recall_at_1pc_false", "recall", len(same), lambda each: grow.recall_at(each.scores, same, 0.01))
    yield from row("cases_f1", "F1", int(cases.sum()), lambda each: grow.best_f1(each.scores[cases], same[cases]))
    yield from row("cases_auc", "AUC", int(cases.sum()), area_of(cases))
    yield from row(
        "strong_cases_as_labelled",
        "%",
        int(strong.sum()),
        lambda each: 100.0 * float(np.mean((each.scores >= each.match_from)[strong] == same[strong])),
        _where,
    )
    for script, category in SCRIPTS:
        which = np.array([one.category == category for one in found.known])
        yield from row(f"{script}_auc", "AUC", int(which.sum()), area_of(which))
    yield from row("strangers_matched", "%", strange, lambda each: 100.0 * _called(each), _where)
    yield from row("true_pairs_matched", "%", int(same.sum()), lambda each: 100.0 * _met(each, same), _where)
    yield from row(
        "true_pairs_at_0.1pc_of_strangers", "%", int(same.sum()), lambda each: 100.0 * strict_recall(each, same)
    )
    yield from row("a_pair_cpu", "us", TIMED, lambda each: each.us_a_pair)


def _called(each: Scored) -> float:
    return float(np.mean(each.strangers >= each.match_from))


def _met(each: Scored, same: Truth) -> float:
    return float(np.mean(each.scores[same] >= each.match_from))


def strict_recall(each: Scored, same: Truth) -> float:
    """The part of true pairs above the score that one stranger in a thousand exceeds."""
    ordered = np.sort(each.strangers)[::-1]
    return float(np.mean(each.scores[same] > ordered[int(STRICT * len(ordered))]))


def _where(each: Scored) -> str:
    return f", alike from {each.match_from:.3g}"


def _words(name: str, count: int, words: str) -> Iterator[Figure]:
    yield {"name": name, "value": float(count), "unit": "pairs", "against": words, "ratio": None, "n": max(count, 1)}


# --- a picture ---------------------------------------------------------------------------------------------------


def drawing(found: Compared) -> str:
    """How the scores lie, with the threshold drawn, and true pairs found against strangers called alike."""
    same, own = found.same, found.own
    kinds = (
        ("unrelated names of one script", own.strangers),
        ("the most similar other listed person", own.scores[~same]),
        ("the same person", own.scores[same]),
    )
    grid = np.linspace(-8.0, 8.0, 129)
    lying = Chart(
        "Share of pairs that score so high or higher",
        [Curve(name, _reaching(part, grid)) for name, part in kinds],
        across=(-8.0, 8.0),
        up=(1e-4, 1.0),
        across_ticks=(-8, -4, 0, 4, 8),
        up_ticks=(1e-4, 1e-3, 1e-2, 0.1, 1.0),
        up_log=True,
        across_name="score, as logarithm of odds",
        marks=[(0.0, "match")],
    )
    trade = Chart(
        "Same persons found, by unrelated names matched",
        [Curve(each.name, _trade(each, same)) for each in (own, *found.rivals)],
        across=(1e-4, 1.0),
        up=(0.0, 1.0),
        across_ticks=(1e-4, 1e-3, 1e-2, 0.1, 1.0),
        up_ticks=(0.0, 0.25, 0.5, 0.75, 1.0),
        across_log=True,
        across_name="share of unrelated pairs matched",
        marks=[(STRICT, "promised")],
    )
    return charts("Scores of pairs of names, and what each scorer finds", (lying, trade))


def _reaching(part: Scores, grid: Scores) -> list[tuple[float, float]]:
    """The share that reaches each score, as far as anything does."""
    return [(float(x), float(np.mean(part >= x))) for x in grid if (part >= x).any()]


def _trade(each: Scored, same: Truth) -> list[tuple[float, float]]:
    ordered = np.sort(each.strangers)[::-1]
    ranks = np.unique(np.geomspace(1, len(ordered) - 1, 90).astype(int))
    return [(rank / len(ordered), float(np.mean(each.scores[same] > ordered[rank]))) for rank in ranks]


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print, and draw if asked to."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.pairs", description=__doc__)
    options.add_argument("--strangers", type=int, default=STRANGERS, help="Unrelated pairs of one script.")
    options.add_argument("--plots", type=Path, help="Folder that takes names.svg.")
    chosen = options.parse_args(arguments)
    found = compare(Path(os.environ["FAILSAFE_SHARED"]), chosen.strangers)
    standard_error().print(table(list(figures_of(found))))
    if chosen.plots:
        (chosen.plots / "names.svg").write_text(drawing(found), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
