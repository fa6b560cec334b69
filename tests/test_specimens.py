"""Printed specimens are what the parser reads."""

from __future__ import annotations

import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers.mrz import parse
from failsafe.drivers.specimens import td1, td2, td3

MAKERS = {"TD1": td1, "TD2": td2, "TD3": td3}
LETTERS = st.text(string.ascii_uppercase, min_size=1, max_size=10)


@pytest.mark.parametrize("name", sorted(MAKERS))
@given(
    surname=LETTERS,
    first=LETTERS,
    number=st.text(string.ascii_uppercase + string.digits, min_size=1, max_size=9),
    optional=st.text(string.digits, max_size=7),
)
def test_what_is_printed_is_read(name: str, surname: str, first: str, number: str, optional: str) -> None:
    zone = parse(MAKERS[name](surname, first, number, "D", "840612", "X", "310101", "GEO", optional))
    assert (zone.format, zone.valid) == (name, True)
    assert (zone.surname, zone.given_names, zone.document_number) == (surname, first, number)
    assert (zone.issuing_state, zone.nationality, zone.sex) == ("D", "GEO", "X")
    assert (zone.birth_date, zone.expiry_date, zone.optional[0]) == ("840612", "310101", optional)


def test_icao_specimens_are_printed_to_the_letter() -> None:
    assert td3("Eriksson", "Anna Maria", "L898902C3", "UTO", "740812", "F", "120415", optional="ZE184226B") == (
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
        "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
    )
    assert td1("Eriksson", "Anna Maria", "D23145890", "UTO", "740812", "F", "120415") == (
        "I<UTOD231458907<<<<<<<<<<<<<<<",
        "7408122F1204159UTO<<<<<<<<<<<6",
        "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
    )


@given(number=st.text(string.digits, min_size=10, max_size=20), optional=st.sampled_from(["", "AB"]))
def test_a_long_number_goes_on_in_the_optional_data(number: str, optional: str) -> None:
    zone = parse(td1("NOBODY", "IMAGINED", number, "BEL", "840612", "F", "310101", optional=optional))
    assert (zone.valid, zone.document_number, zone.optional) == (True, number, (optional, ""))


@pytest.mark.parametrize("make", [td1, td2, td3])
def test_names_are_written_as_a_zone_writes_them_and_cut_where_it_ends(make: Callable[..., tuple[str, ...]]) -> None:
    zone = parse(make("O'Nobody-Van Der", "Imagined", "X1", "UTO", "840612", "M", "310101"))
    assert (zone.surname, zone.given_names) == ("ONOBODY VAN DER", "IMAGINED")
    assert parse(make("N" * 25, "I" * 20, "X1", "UTO", "840612", "M", "310101")).name_cut


@pytest.mark.parametrize(
    "wrong", [{"number": "A" * 30}, {"state": "UTOP"}, {"birth_date": "1984-06-12"}, {"number": "ä"}]
)
def test_what_no_zone_can_hold_is_refused_without_being_repeated(wrong: dict[str, str]) -> None:
    good = {"number": "X1", "state": "UTO", "birth_date": "840612", "sex": "M", "expiry_date": "310101"}
    for make in (td2, td3):
        with pytest.raises(ValueError, match="places") as refused:
            make("NOBODY", "IMAGINED", **{**good, **wrong})
        assert not any(value in str(refused.value) for value in wrong.values())
