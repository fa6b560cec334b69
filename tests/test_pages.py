"""The index's pages: what is read is what was written, and what is not whole is refused. All persons are invented."""

from __future__ import annotations

import dataclasses
import random

import pytest

from failsafe.agent.person import names, pages
from failsafe.agent.person.index import Index
from failsafe.agent.person.names import fold
from failsafe.agent.person.pages import PagesUnfit
from failsafe.agent.person.segment import Segment
from tests.bench.population import Population

POPULATION = Population(9, surnames=800, givens=300)
PERSONS = POPULATION.persons(500)
SEGMENT = Segment.build((7 + number // 2, row) for number, row in enumerate(POPULATION.rows(PERSONS)))


def answers(segment: Segment) -> list[object]:
    index = Index(segment)
    return [index.search(fold(f"{person.surname} {person.given}"), [person.birth]) for person in PERSONS[:60]]


def test_a_segment_read_answers_as_the_one_written(monkeypatch):
    monkeypatch.setattr(pages, "PIECE", 1000)  # so that arrays are cut
    written = list(pages.written(SEGMENT))
    assert len(written) > 30
    read = pages.read(written)
    assert answers(read) == answers(SEGMENT)
    assert read.number.tolist() == SEGMENT.number.tolist()


def test_an_empty_segment_has_pages_too():
    assert len(pages.read(pages.written(Segment.build(())))) == 0


@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_page_that_is_missing_is_refused(place):
    written = list(pages.written(SEGMENT))
    del written[place]
    with pytest.raises(PagesUnfit):
        pages.read(written)


def test_a_page_too_many_is_refused():
    written = list(pages.written(SEGMENT))
    with pytest.raises(PagesUnfit):
        pages.read([*written, written[-1]])


def test_no_flipped_byte_passes():
    written = list(pages.written(SEGMENT))
    chance = random.Random(3)
    for place in range(1, len(written)):
        page = bytearray(written[place])
        page[chance.randrange(len(page))] ^= 0x41
        with pytest.raises(PagesUnfit):
            pages.read([*written[:place], bytes(page), *written[place + 1 :]])


def test_lengths_that_do_not_belong_together_are_refused():
    shorter = dataclasses.replace(SEGMENT, rows_of=SEGMENT.rows_of[:-1])
    with pytest.raises(PagesUnfit):
        pages.read(pages.written(shorter))


def test_pages_of_other_folding_rules_are_refused(monkeypatch):
    written = list(pages.written(SEGMENT))
    monkeypatch.setattr(names, "EDITION", "of the next software")
    with pytest.raises(PagesUnfit, match="edition"):
        pages.read(written)


def test_a_refusal_names_nobody():
    written = list(pages.written(SEGMENT))
    with pytest.raises(PagesUnfit) as refused:
        pages.read([b'{"edition": "QUILLFEATHER"', *written[1:]])
    assert "QUILLFEATHER" not in repr(refused.value) and refused.value.__cause__ is None
