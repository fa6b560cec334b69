"""Repair: honest over every simulated misreading, sure only where the form of the field tells, silent about two."""

from __future__ import annotations

import string
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers import numbers, repair, specimens
from failsafe.drivers.layouts import check_digit
from failsafe.drivers.mrz import Zone, parse
from tests.bench import zones as bench

PERSON = {"surname": "Nobody", "given": "Imagined", "birth_date": "740812", "sex": "F", "expiry_date": "320415"}


def passport(number: str = "AB1034567", state: str = "POL", **other: str) -> tuple[str, str]:
    return specimens.td3(**{**PERSON, "number": number, "state": state, **other})


def spoilt(lines: tuple[str, ...], row: int, place: int, char: str) -> Zone:
    return parse(bench.misread(lines, (row, place), char))


# --- simulated misreadings ---------------------------------------------------------------------------------------


@cache
def tallies() -> dict[str, bench.Tally]:
    return bench.simulate([*bench.invented(each=3), *bench.collected()], twice=6)


@pytest.mark.parametrize("kind", ["dates, one confusion", "dates, one rejected"])
def test_one_error_in_a_date_or_its_check_digit_is_put_right(kind: str) -> None:
    tally = tallies()[kind]
    assert tally.total > 1000
    assert tally.share("wrong") == 0
    assert tally.share("first") >= 99
    assert tally.share("repaired") >= (99 if "confusion" in kind else 90)  # visas have no composite to confirm by


def test_one_confusion_in_a_number_leaves_the_truth_among_few_candidates() -> None:
    tally = tallies()["number, one confusion"]
    assert tally.total > 500
    assert tally.share("inside") >= 99
    assert tally.share("first") >= 80
    assert tally.share("wrong") <= 0.5
    assert tally.share("repaired") >= 50
    assert tally.most <= repair.MOST_CANDIDATES


def test_one_rejected_character_in_a_number_leaves_the_truth_among_the_candidates() -> None:
    tally = tallies()["number, one rejected"]
    assert tally.share("inside") >= 99
    assert tally.share("first") >= 80
    assert tally.share("wrong") <= 0.5
    assert tally.most <= repair.MOST_CANDIDATES


@pytest.mark.parametrize("kind", ["number, two confusions", "anywhere, two confusions"])
def test_two_confusions_are_hardly_ever_said_to_be_sure_of_the_wrong(kind: str) -> None:
    tally = tallies()[kind]
    assert tally.total > 500
    assert tally.share("wrong") < 5


# --- what is sure, and what is not --------------------------------------------------------------------------------


def test_a_letter_among_the_digits_of_a_known_form_is_sure() -> None:
    zone = spoilt(passport(), 1, 3, "O")
    assert (zone.repair.status, zone.repair.field) == ("unique", "document_number")
    assert zone.repair.candidates == ({"document_number": "AB1034567"},)
    assert not zone.valid


def test_the_same_misreading_of_a_state_without_known_forms_is_not_sure() -> None:
    zone = spoilt(passport(state="UTO"), 1, 3, "O")
    assert zone.repair.status == "ambiguous"
    assert {"document_number": "AB1034567"} in zone.repair.candidates


def test_a_visa_is_not_measured_by_the_passports_of_its_state() -> None:
    upper, lower = "V<POLNOBODY<<IMAGINED".ljust(44, "<"), passport()[1][:28].ljust(44, "<")
    assert parse((upper, lower)).valid
    assert spoilt((upper, lower), 1, 3, "O").repair.status == "ambiguous"


def test_a_misread_issuing_state_does_not_hide_the_form() -> None:
    upper, lower = passport(state="GBR", number="123456789")
    zone = spoilt((upper.replace("P<GBR", "P<G8R"), lower), 1, 0, "I")
    assert (zone.repair.status, zone.repair.best) == ("unique", {"document_number": "123456789"})


def test_a_valid_number_whose_twin_alone_has_the_form_names_the_twin_first() -> None:
    zone = parse(passport(number="AB12G4537"))
    assert zone.valid
    assert (zone.repair.status, zone.repair.best) == ("none", {"document_number": "AB1264537"})
    assert zone.other_numbers == ("AB1264537",)


def test_a_filler_before_a_number_may_be_a_k() -> None:
    upper, lower = passport(number="K12345678", state="CYP")
    zone = spoilt((upper, lower), 1, 0, "<")
    assert zone.valid  # a filler and a K are one to a check digit
    assert (zone.document_number, zone.repair.best) == ("12345678", {"document_number": "K12345678"})


def test_a_letter_for_the_numbers_check_digit_leaves_the_number_as_read() -> None:
    lines = passport(number="AB1034560")
    own = lines[1][9]
    letter = {"0": "O", "1": "I", "2": "Z", "5": "S", "6": "G", "8": "B"}[own]
    zone = spoilt(lines, 1, 9, letter)
    assert (zone.repair.status, zone.repair.best) == ("unique", {"document_number": "AB1034560"})


def test_a_digit_taken_for_another_in_a_date_is_found_by_both_check_digits() -> None:
    zone = spoilt(passport(), 1, 18, "7")
    assert {"birth_date": "740812"} in zone.repair.candidates
    assert zone.repair.field == "birth_date"
    assert all(repair.possible(candidate["birth_date"]) for candidate in zone.repair.candidates)


def test_a_letter_of_equal_value_in_a_date_is_seen_though_the_check_digit_holds() -> None:
    lines = passport(birth_date="760812")
    zone = spoilt(lines, 1, 14, "G")
    assert zone.checks.birth_date is True
    assert (zone.repair.status, zone.repair.best) == ("unique", {"birth_date": "760812"})


def test_an_unknown_part_of_a_date_misread_is_unknown_again() -> None:
    lines = passport(birth_date="74<<<<")
    zone = spoilt(lines, 1, 16, "K")
    assert (zone.repair.status, zone.repair.best) == ("unique", {"birth_date": "74<<<<"})


@pytest.mark.parametrize("char", ["?", "O", "Q", "W"])
def test_a_composite_digit_that_is_none_is_computed(char: str) -> None:
    lines = passport(number="XA1034562")
    zone = spoilt(lines, 1, 43, char)
    if char in "OQ" and lines[1][43] != "0":
        assert zone.repair.status == "reread"
    else:
        assert (zone.repair.status, zone.repair.field) == ("unique", "composite")
        assert zone.repair.best == {"composite": lines[1][43]}


def test_a_visas_rejected_date_is_not_sure_since_nothing_confirms_it() -> None:
    upper, lower = "V<POLNOBODY<<IMAGINED".ljust(44, "<"), passport()[1][:28].ljust(44, "<")
    zone = spoilt((upper, lower), 1, 15, "?")
    assert (zone.repair.status, zone.repair.best) == ("ambiguous", {"birth_date": "740812"})


# --- codes and names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "place", "true", "read", "code"),
    [
        ("nationality", (1, 11), "GBR", "8", "GBR"),
        ("nationality", (1, 10), "ISL", "1", "ISL"),
        ("nationality", (1, 11), "D", "K", "D"),
        ("issuing_state", (0, 3), "BOL", "0", "BOL"),
        ("issuing_state", (0, 2), "CHE", "<", "CHE"),
    ],
)
def test_a_misread_code_is_put_right_where_one_state_is_left(
    field: str, place: tuple[int, int], true: str, read: str, code: str
) -> None:
    zone = spoilt(passport(number="XY1234507", state=true, nationality=true), *place, read)
    assert zone.valid  # no check digit covers a code
    assert (zone.repair.status, zone.repair.field, zone.repair.best) == ("unique", field, {field: code})
    assert f"{field}_unknown" in zone.warnings


def test_an_unknown_code_without_a_misread_is_left_alone() -> None:
    assert parse(passport(number="XY1234507", state="UTO")).repair.status == "none"


def test_digits_in_a_name_are_letters_to_the_search_and_stay_as_printed() -> None:
    upper, lower = passport()
    zone = parse((upper.replace("NOBODY<<IMAGINED", "N0B0DY<<1MAG1NED"), lower))
    assert (zone.surname, zone.asked.surname, zone.asked.given) == ("N0B0DY", "NOBODY", "IMAGINED")
    assert "digit_in_name" in zone.warnings
    assert parse((upper, lower)).asked.surname == "NOBODY"


# --- long numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(10, 24))
@pytest.mark.parametrize("with_filler", [False, True])
def test_long_numbers_of_every_length_are_read_under_both_conventions(length: int, with_filler: bool) -> None:
    number = ("D0123456789" * 3)[:length]
    field, rest = number[:9], number[9:]
    digit = check_digit(f"{field}<{rest}" if with_filler else number)
    upper = f"I<BEL{field}<{rest}{digit}".ljust(30, "<")
    middle = "7408122F3204156BEL".ljust(29, "<")
    middle = f"740812{check_digit('740812')}F320415{check_digit('320415')}BEL".ljust(29, "<")
    composite = check_digit(upper[5:] + middle[:7] + middle[8:15] + middle[18:])
    lines = (upper, f"{middle}{composite}", "NOBODY<<IMAGINED".ljust(30, "<"))
    zone = parse(lines)
    assert (zone.valid, zone.document_number, zone.optional) == (True, number, ("", ""))
    for place in range(5, 15 + len(rest) + 1):
        for char in bench.CONFUSIONS.get(upper[place], ""):
            mended = spoilt(lines, 0, place, char)
            inside = [candidate.get("document_number") for candidate in mended.repair.candidates]
            assert number in [*inside, mended.document_number], (place, char)
    for place in range(5, 15 + len(rest)):
        rejected = spoilt(lines, 0, place, "?")
        assert {"document_number": number} in rejected.repair.candidates, place


# --- forms of numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "number", "fit"),
    [
        ("POL", "AB1234567", True),
        ("POL", "ABO23456I", False),
        ("D", "C01X00T47", True),
        ("D", "C01X00O47", False),
        ("NLD", "SPECI2021", True),
        ("UTO", "AB1234567", False),
        ("GBR", "", False),
    ],
)
def test_forms(state: str, number: str, fit: bool) -> None:
    assert numbers.fits(state, number) is fit


@given(st.text(string.ascii_uppercase + string.digits + " ", max_size=23), st.sampled_from(["POL", "UTO", "", "D"]))
def test_strangeness_is_never_negative_and_an_unfit_form_costs(number: str, state: str) -> None:
    assert numbers.strangeness(state, number) >= numbers.strangeness("", number) >= 0
