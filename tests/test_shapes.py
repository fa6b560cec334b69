"""What is measured by night and on other populations: small runs, and that what is missed shows. Nobody exists."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from failsafe.agent.person.index import Index
from tests.bench import nightly, shapes
from tests.bench.peoples import VIETNAM

SHAPES = {shape.name: shape for shape in shapes.SHAPES}


def silent(what, done, of):
    assert what and 0 <= done <= of


# --- by night ----------------------------------------------------------------------------------------------------


def test_small_lists_are_compared_each_with_each():
    rows = {row["name"]: row for row in nightly.figures(60, 10, silent)}
    kinds = [f"index_recall{kind}@60" for kind in ("", "_with_birth", "_name_only", "_cut")]
    assert all(rows[name]["value"] == 100.0 and rows[name]["n"] > 0 for name in kinds)
    assert sum(rows[name]["n"] for name in kinds[1:]) == rows[kinds[0]]["n"]
    assert 95.0 < rows["index_recall_lower95@60"]["value"] < 100.0
    assert rows["index_recall_of_many_scripts@60"]["n"] >= 50
    assert "WRatio over all 120 names, p50 of 8" in rows["index_search_name_only_p50@60"]["against"]


def test_what_an_index_misses_is_counted():
    asked = nightly.sampled(60, 60)
    whole, part = (Index.build(asked.rows[:end]) for end in (len(asked.rows), len(asked.rows) // 2))
    found, missed = (
        {row["name"]: row["value"] for row in nightly.recall(index, asked, "@60", silent)} for index in (whole, part)
    )
    assert found["index_recall@60"] == 100.0
    assert 20.0 < missed["index_recall@60"] < 80.0
    assert missed["index_recall_lower95@60"] < missed["index_recall@60"]


def test_questions_of_every_kind_are_asked():
    asked = nightly.sampled(300, 200).questions
    count = Counter(question.kind for question in asked)
    assert (count["cut"], count["name_only"], count["with_birth"]) == (20, 60, 120)
    assert all((question.kind == "name_only") != bool(question.births) for question in asked)


# --- other populations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(SHAPES))
def test_each_shape_has_innocents_and_finds_the_disguised(name):
    rows = {row["name"]: row for row in shapes.figures(SHAPES[name], 60, 30)}
    assert rows[f"{name}_found@60"]["value"] >= 80.0
    assert rows[f"{name}_referred@60"]["n"] == 30
    assert "most that is promised, 80" in rows[f"{name}_referred@60"]["against"]
    assert rows[f"{name}_strong@60"]["value"] <= rows[f"{name}_referred@60"]["value"]


def test_recombined_innocents_bear_the_names_of_the_list_and_nobodys_whole_name():
    stage = shapes.Stage.of(SHAPES["recombined"], 400, 200, 10)
    listed = stage.world.persons
    whole = {(one.surname, one.given) for one in listed}
    for one in stage.innocents:
        assert one.surname in {other.surname for other in listed} and one.given in {other.given for other in listed}
        assert (one.surname, one.given) not in whole and one.entity_id not in {other.entity_id for other in listed}


def test_of_common_names_there_are_few():
    people = SHAPES["vietnamese"].people(3)
    names = Counter(person.surname for person in people.persons(2_000))
    assert set(names) <= set(VIETNAM.family) and names["Nguyen"] > 600
    arabic = SHAPES["arabic"].people(3)
    assert all(" " not in person.surname and " " in person.given for person in arabic.persons(200))


def test_most_are_hardly_dated():
    rng, people = random.Random(1), SHAPES["hardly_dated"].people(4)
    lengths = Counter(len("".join(SHAPES["hardly_dated"].listed(rng, person).births)) for person in people.persons(450))
    assert set(lengths) == {0, 4, 10} and lengths[10] < 80 < lengths[0] < lengths[4]
