"""`make nightly`: what the index misses, held against everything compared with everything. Seeded; one core.

    python -m tests.bench.nightly [--persons N] [--questions N]

At 5,000 persons each listed person is asked for as another clerk wrote them and laid beside every name of the list, of
the invented population of the benchmark and of the one that writes several scripts; at 1,000,000 persons as many are
asked for as some ten minutes allow. One question in ten is of a zone that was cut, three are of a name alone, the
others have a date of birth. Beside it stand the index's own time and rapidfuzz's WRatio over the whole list, in the
same run.
Rows go to standard output, one JSON object a line as they are measured; progress and one table to standard error.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process
from rich.progress import Progress

from failsafe.agent.commands.bench import standard_error
from failsafe.agent.commands.figures import Figure, Rival, figure, p50_p99, table
from failsafe.agent.person.index import Index
from failsafe.agent.person.names import fold
from failsafe.agent.person.segment import IndexRow, Segment
from tests.bench import papers
from tests.bench.exhaustive import Exhaustive, missed
from tests.bench.indexing import best_ms
from tests.bench.population import Population
from tests.grades import World, bounds

SEED = 31
EVERYBODY = 5_000  # so many are compared each with each
SIZES = (EVERYBODY, 1_000_000)
QUESTIONS = 600  # at a million: each takes a second
TIMED = 400  # questions to the index
WHOLE_LIST = 8  # questions to WRatio over all names: each takes seconds at a million
ROOM = 12  # letters of a zone that was cut
KINDS = ("with_birth", "name_only", "cut")


@dataclass(frozen=True)
class Question:
    """A traveller, as the index is asked for one."""

    kind: str
    tokens: tuple[str, ...]
    births: tuple[str, ...]

    @classmethod
    def of(cls, number: int, name: str, birth: str) -> Question:
        """The kinds take turns."""
        if number % 10 == 0:
            return cls("cut", fold(name[:ROOM]), (birth,))
        if number % 10 <= 3:
            return cls("name_only", fold(name), ())
        return cls("with_birth", fold(name), (birth,))

    def ask(self, index: Index) -> dict[str, float]:
        """The notices that the index gives."""
        found = index.search(self.tokens, self.births, cut=self.kind == "cut")
        return {each.name.entity_id: each.share for each in found}


@dataclass(frozen=True)
class Asked:
    """A list as the index holds it, and whom it is asked for."""

    rows: list[IndexRow]
    questions: list[Question]


def sampled(persons: int, questions: int, seed: int = SEED) -> Asked:
    """A list of so many, each with two spellings; three in five are listed, the others bear names like theirs."""
    population = Population.large(seed, persons)
    listed = population.persons(persons)
    some = min(questions * 3 // 5, persons)
    sought = [population.disguise(one) for one in listed[:: max(1, persons // max(some, 1))][:some]]
    come = [*sought, *population.persons(questions - len(sought), "innocent/")]
    random.Random(seed).shuffle(come)
    asked = [Question.of(number, f"{one.surname} {one.given}", one.birth) for number, one in enumerate(come)]
    return Asked(list(population.rows(listed)), asked)


def of_many_scripts(persons: int, questions: int, seed: int = SEED) -> Asked:
    """A list with names in several scripts; everybody asked for has two or three errors of papers."""
    world = World.of(seed, persons)
    come = [papers.disguised_hard(world.rng, one) for one in world.persons[:questions]]
    asked = [Question.of(number, f"{one.surname} {one.given}", one.birth) for number, one in enumerate(come)]
    return Asked(list(world.held.rows()), asked)


def figures(persons: int, questions: int, step: Callable[[str, int, int], None]) -> Iterator[Figure]:
    """Rows of one size; `step` is told what is measured, how much of it is done and how much there is."""
    small = persons <= EVERYBODY
    asked = sampled(persons, 2 * persons if small else questions)
    step(f"{persons} persons: the index", 0, 1)
    index = Index(Segment.build((number // 2 + 1, row) for number, row in enumerate(asked.rows)))
    yield from timed(index, asked, persons, step)
    yield from recall(index, asked, f"@{persons}", step)
    if small:
        scripts = of_many_scripts(persons, persons)
        yield from recall(Index.build(scripts.rows), scripts, f"_of_many_scripts@{persons}", step)


def timed(index: Index, asked: Asked, persons: int, step: Callable[[str, int, int], None]) -> Iterator[Figure]:
    """Milliseconds of a question with nothing remembered, beside WRatio over every name."""
    some = [question for question in asked.questions if question.kind != "cut"][:TIMED]
    spelled = [row[2] for row in asked.rows]
    step(f"{persons} persons: WRatio over {len(spelled)} names, {WHOLE_LIST} questions", 0, 1)
    beside = [(one.tokens, list(one.births)) for one in some[:WHOLE_LIST]]
    whole = best_ms(lambda one: _weighed_by_all(one[0], spelled), beside, lambda: None, times=1)
    step(f"{persons} persons: {len(some)} questions to the index", 0, 1)
    for name, births in (("with_birth", True), ("name_only", False)):
        plain = [(one.tokens, list(one.births) if births else []) for one in some if births == bool(one.births)]
        ours = best_ms(lambda one: index.search(*one), plain, index.forget)
        rival = f"rapidfuzz WRatio over all {len(spelled)} names"
        yield from p50_p99(f"index_search_{name}@{persons}", ours, "ms", (rival, whole))


def _weighed_by_all(tokens: Sequence[str], spelled: Sequence[str]) -> object:
    return process.extract(" ".join(tokens), spelled, scorer=fuzz.WRatio, limit=10)


def recall(index: Index, asked: Asked, at: str, step: Callable[[str, int, int], None]) -> Iterator[Figure]:
    """Of the notices that everything compared with everything gives, how many the index gives: each kind and all."""
    step(f"recall{at}: everything made ready", 0, 1)
    everything = Exhaustive(asked.rows)
    lost: dict[str, int] = defaultdict(int)
    held: dict[str, int] = defaultdict(int)
    for number, question in enumerate(asked.questions):
        must = everything.search(question.tokens, question.births, cut=question.kind == "cut")
        less, more = missed(question.ask(index), must)
        for kind in (question.kind, "all"):
            lost[kind] += less
            held[kind] += more
        step(f"recall{at}: {lost['all']} of {held['all']} missed", number + 1, len(asked.questions))
    for kind in ("all", *KINDS):
        name = f"index_recall{at}" if kind == "all" else f"index_recall_{kind}{at}"
        yield from _part_found(name, lost[kind], held[kind])


def _part_found(name: str, lost: int, held: int) -> Iterator[Figure]:
    """The part in %, and the least that it is with 95 %; `n` is how many notices there were to find."""
    stem, at, size = name.partition("@")
    most_lost = bounds(lost, held)[1] / 1e3 if held else 100.0
    everything = Rival("everything compared with everything", 100.0)
    yield from figure(name, 100.0 * (1 - lost / max(held, 1)), "%", held, everything)
    yield from figure(f"{stem}_lower95{at}{size}", 100.0 - most_lost, "%", held, everything)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each size; rows as they come, and one table."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.nightly", description=__doc__)
    options.add_argument("--persons", type=int, action="append", help=f"On the list; may be repeated. {SIZES}")
    options.add_argument("--questions", type=int, default=QUESTIONS, help=f"Where more than {EVERYBODY} are listed.")
    chosen = options.parse_args(arguments)
    console, rows = standard_error(), []
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("", total=1)

        def step(what: str, done: int, of: int) -> None:
            progress.update(bar, description=what, completed=done, total=of)

        for persons in chosen.persons or SIZES:
            for row in figures(persons, chosen.questions, step):
                rows.append(row)
                print(json.dumps(row), flush=True)
    console.print(table(rows))


if __name__ == "__main__":
    sys.exit(main())
