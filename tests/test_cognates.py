"""Names that are one name in many tongues, names that are two, and names that many bear."""

from __future__ import annotations

from itertools import combinations

import pytest

from failsafe.agent.person import cognates
from failsafe.agent.person.names import PARTICLES


@pytest.mark.parametrize(
    "names",
    [
        ("JOHN", "IVAN", "JUAN", "YAHYA", "HANS"),
        ("THEODORE", "TED", "FYODOR"),
        ("ELIZABETH", "LIZ", "YELIZAVETA"),
        ("GALINA", "HALYNA"),
        ("MUHAMMAD", "MEHMET", "MAMADOU"),
    ],
)
def test_one_name_in_many_tongues(names):
    assert all(cognates.compare(first, second) is True for first, second in combinations(names, 2))


@pytest.mark.parametrize(
    ("first", "second"), [("DANIEL", "DONALD"), ("OLGA", "OLEG"), ("AHMED", "MOHAMED"), ("PETER", "PATRICK")]
)
def test_two_names_however_alike(first, second):
    assert cognates.compare(first, second) is False
    assert cognates.compare(second, first) is False


def test_of_a_name_that_nobody_knows_nothing_is_said():
    assert cognates.compare("BEISPIELOV", "IVAN") is None
    assert not cognates.common("BEISPIELOV")


def test_a_family_name_is_not_the_given_name_it_comes_from():
    assert cognates.compare("PETROV", "PETER") is not True
    assert cognates.compare("MOHAMMADI", "MUHAMMAD") is not True


@pytest.mark.parametrize("name", ["SMITH", "IVANOV", "KHAN", "GARCIA", "JOHN", "NGUYEN"])
def test_what_many_bear_is_common_in_any_spelling_of_its_sound(name):
    assert cognates.common(name)
    assert cognates.common(name.replace("I", "Y"))


def test_particles_are_no_names_but_for_two():
    """Ben is Benjamin too, and Y is a Korean family name of one letter."""
    assert {particle for particle in PARTICLES if cognates.groups(particle)} == {"BEN", "Y"}
