"""Kinds of travellers measured by themselves: found by what they carry, or like a listed person and innocent."""

from __future__ import annotations

import pytest

from tests.bench import kinds


@pytest.fixture(scope="module")
def stage():
    return kinds.Stage.of(5, 400)


@pytest.mark.parametrize(("name", "least"), [("cut_name_found", 0.9), ("low_alias_found", 0.95), ("document_found", 1)])
def test_who_is_listed_is_found(stage, name, least):
    found = kinds.answers(stage, kinds.LISTED[name], 150)
    assert len(found) > 25 and sum(each.found for each in found) >= least * len(found)


def test_a_document_that_was_not_surely_read_is_no_strong_candidate(stage):
    found = kinds.answers(stage, kinds.LISTED["unsure_document_found"], 150)
    assert all(each.found for each in found)
    assert sum(each.grade == "strong" for each in found) <= 0.05 * len(found)


@pytest.mark.parametrize(("name", "most"), [("siblings_referred", 0.05), ("family_and_year_referred", 0.08)])
def test_who_only_resembles_a_listed_person_goes_on(stage, name, most):
    found = kinds.answers(stage, kinds.INNOCENT[name], 150)
    assert len(found) > 100 and sum(each.grade != "none" for each in found) <= most * len(found)
    assert not any(each.grade == "strong" for each in found)


def test_a_namesake_of_another_year_is_never_a_strong_candidate_by_the_name_alone(stage):
    found = kinds.answers(stage, kinds.INNOCENT["namesakes_referred"], 150)
    assert sum(each.grade == "strong" for each in found) <= 0.02 * len(found)
