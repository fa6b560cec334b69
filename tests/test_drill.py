"""Lessons made by rule: who teaches the trees must itself be right."""

from __future__ import annotations

import pytest
from rapidfuzz.distance import OSA

from failsafe.agent.person.names import fold
from tests.drill import drill


@pytest.fixture(scope="module")
def made() -> list[tuple[str, str, bool]]:
    return list(drill(600, seed=5))


def test_the_same_seed_makes_the_same_lessons(made):
    assert list(drill(600, seed=5)) == made
    assert list(drill(600, seed=6)) != made


def test_about_as_many_are_one_person_as_two(made):
    one = sum(same for _, _, same in made)
    assert 0.4 < one / len(made) < 0.6


def test_no_lesson_is_two_equal_names_or_none(made):
    assert all(first != second and fold(first) and fold(second) for first, second, _ in made)


def test_two_persons_of_one_script_differ_by_more_than_a_slip(made):
    """A father and his son differ in the order only; all others in three letters of a name at least."""
    two = [(first, second) for first, second, same in made if not same and first.isascii() and second.isascii()]
    apart = [OSA.distance(first, second) for first, second in two]
    assert len(two) > 150
    assert min(apart) >= 3


def test_scripts_other_than_latin_are_taught_too(made):
    own = [lesson for lesson in made if not lesson[0].isascii()]
    across = [lesson for lesson in own if lesson[1].isascii()]
    assert len(own) > 40
    assert len(across) > 15
    assert {same for *_, same in own} == {True, False}


def test_more_lessons_than_can_be_made_are_refused():
    with pytest.raises(ValueError, match="more than"):
        list(drill(50_000, seed=5))
