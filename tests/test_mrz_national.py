"""National layouts, Cyrillic in code, zones however they came, and the citizen's number that nobody keeps."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers import specimens
from failsafe.drivers.layouts import ALPHABET, RUS_INTERNAL, TD3, check_digit, layout_of
from failsafe.drivers.mrz import MASKED, parse, without_citizen_number, zone_json
from failsafe.drivers.national import cyrillic
from failsafe.drivers.zone import Names
from tests.bench.zones import misread

CARD = specimens.td1("Nobody", "Imagined", "XI8593511", "NLD", "740812", "F", "320415", optional="123456782")
PASSPORT = specimens.td3("Nobody", "Imagined", "XX1234567", "NLD", "740812", "F", "320415", optional="123456782")


def french_card(number: str = "880692310285", birth: str = "651206", office: str = "952042") -> tuple[str, str]:
    upper = "IDFRANOBODY".ljust(30, "<") + office
    lower = f"{number}{check_digit(number)}IMAGINED<<ANNE".ljust(27, "<") + f"{birth}{check_digit(birth)}F"
    return upper, f"{lower}{check_digit(upper + lower)}"


def french_licence(number: str = "13AB00002", name: str = "NOBODY") -> tuple[str]:
    line = f"D1FRA{number}"
    line = f"{line}{check_digit(line)}181231{name[:8]}".ljust(29, "<")
    return (f"{line}{check_digit(line)}",)


def slovak_card() -> tuple[str, str]:
    lower = f"123456<AB{check_digit('123456<AB')}SVK811025{check_digit('811025')}M180102{check_digit('180102')}749313"
    return "I<SVKNOBODY<<IMAGINED".ljust(34, "<"), lower


def russian_passport(optional: str = "4151218910003<", expiry: str = "<<<<<<<") -> tuple[str, str]:
    number, birth = f"391{'935349'}", "720723"
    lower = f"{number}{check_digit(number)}RUS{birth}{check_digit(birth)}M{expiry}{optional}{check_digit(optional)}"
    lower += str(check_digit(lower[:10] + lower[13:20] + lower[21:43]))
    return "PNRUSNIKTO3<<V9DUMANNYQ<I2LKOVI3".ljust(44, "<"), lower


SWISS = ("AAB001D<<", "FACHE305142128097<<800126<<<<<", "NOBODY<<IMAGINED".ljust(30, "<"))
ALL = {
    "FRA_ID": french_card(),
    "FRA_DL": french_licence(),
    "CHE_DL": SWISS,
    "SVK_ID": slovak_card(),
    "RUS_INTERNAL": russian_passport(),
}


@pytest.mark.parametrize("name", sorted(ALL))
def test_each_national_layout_is_named_and_valid(name: str) -> None:
    zone = parse(ALL[name])
    assert (zone.format, zone.valid) == (name, True)
    assert parse(["".join(ALL[name])]) == zone  # in one run
    assert parse([line.lower() for line in ALL[name]]) == zone  # typed


def test_an_old_french_card_field_by_field() -> None:
    told = zone_json(parse(french_card()))
    assert (told["document_code"], told["issuing_state"], told["nationality"]) == ("ID", "FRA", "")
    assert (told["document_number"], told["birth_date"], told["sex"]) == ("880692310285", "651206", "F")
    assert (told["surname"], told["given_names"]) == ("NOBODY", "IMAGINED ANNE")
    assert (told["expiry_date"], told["optional"]) == ("", ["952042"])
    assert told["checks"] == {
        "document_number": True,
        "birth_date": True,
        "expiry_date": None,
        "optional": None,
        "composite": True,
    }


def test_a_newer_french_card_of_the_same_size_is_td2() -> None:
    zone = parse(specimens.td2("Nobody", "Imagined", "X4RTBPFW4", "FRA", "740812", "F", "320415"))
    assert (zone.format, zone.valid) == ("TD2", True)


def test_a_misread_french_card_stays_a_french_card_and_is_mended() -> None:
    zone = parse(misread(french_card(), (1, 27), "G"))
    assert (zone.format, zone.repair.best) == ("FRA_ID", {"birth_date": "651206"})
    number = parse(misread(french_card(), (1, 2), "O"))
    assert (number.format, number.repair.status, number.repair.best) == (
        "FRA_ID",
        "unique",
        {"document_number": "880692310285"},
    )


def test_a_french_licence_field_by_field() -> None:
    zone = parse(french_licence(name="NOBODYLONG"))
    assert (zone.document_code, zone.issuing_state, zone.document_number) == ("D1", "FRA", "13AB00002")
    assert (zone.expiry_date, zone.surname, zone.given_names, zone.name_cut) == ("181231", "NOBODYLO", "", True)
    assert (zone.checks.document_number, zone.checks.expiry_date, zone.checks.composite) == (True, None, True)
    assert zone.optional == ()


def test_a_swiss_licence_has_no_check_digit_but_a_form() -> None:
    zone = parse(SWISS)
    assert (zone.document_number, zone.birth_date, zone.issuing_state) == ("305142128097", "800126", "CHE")
    assert (zone.surname, zone.given_names) == ("NOBODY", "IMAGINED")
    assert zone.checks.failed() == () and zone.checks.document_number is None
    assert zone.other_numbers == ("305142128", "AAB001D")
    spoilt = parse(misread(SWISS, (1, 7), "S"))
    assert (spoilt.format, spoilt.valid, spoilt.repair.status) == ("CHE_DL", False, "reread")


def test_a_slovak_card_has_tds_fields_without_a_composite() -> None:
    zone = parse(slovak_card())
    assert (zone.document_number, zone.birth_date, zone.expiry_date) == ("123456 AB", "811025", "180102")
    assert (zone.optional, zone.checks.composite) == (("749313",), None)


def test_a_russian_internal_passport_says_its_names_in_cyrillic_and_its_whole_number() -> None:
    zone = parse(russian_passport())
    assert (zone.surname, zone.given_names) == ("NIKTO3", "V9DUMANNYQ I2LKOVI3")
    assert zone.cyrillic is not None
    assert (zone.cyrillic.surname, zone.cyrillic.given) == ("НИКТОЧ", "ВЬДУМАННЫЙ ИЁЛКОВИЧ")
    assert (zone.asked, "digit_in_name" in zone.warnings) == (zone.cyrillic, False)
    assert (zone.document_number, zone.listed_number) == ("391935349", "3914935349")
    assert (zone.checks.expiry_date, zone.expiry_date, zone.valid) == (None, "<<<<<<", True)
    assert zone_json(zone)["cyrillic"] == {"surname": "НИКТОЧ", "given_names": "ВЬДУМАННЫЙ ИЁЛКОВИЧ"}


def test_every_letter_of_the_russian_alphabet_has_its_own_sign() -> None:
    signs = string.ascii_uppercase + "2346789"
    names = cyrillic(RUS_INTERNAL, Names(signs))
    assert names is not None
    assert len(set(names.surname)) == len(signs) == 33
    assert set(names.surname) == set("АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ")
    assert cyrillic(TD3, Names("IVANOV")) is None


# --- however they came ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["\ufeff", " ", "\t", "\r\n", "\x00", "\xa0", "\u200b"])
def test_what_is_not_seen_around_a_line_is_nothing(mark: str) -> None:
    assert parse([f"{mark}{line}{mark}" for line in CARD]) == parse(CARD)
    assert parse(["", *CARD, mark]) == parse(CARD)


def test_lower_case_among_capitals_is_a_rejected_character() -> None:
    zone = parse(misread(PASSPORT, (1, 3), "o"))
    assert not zone.valid and "rejected_characters" in zone.warnings


@given(st.lists(st.text(max_size=45), max_size=4))
def test_no_lines_raise_here_either(lines: list[str]) -> None:
    zone_json(parse(lines))
    masked = without_citizen_number(lines)
    assert parse(lines).format is not None or set("".join(masked)) <= {MASKED}


ODD = st.characters() | st.sampled_from(sorted(ALPHABET)) | st.sampled_from("٣²Ⅷ?*ı")


@given(st.sampled_from(sorted(ALL)), st.data())
def test_no_spoilt_national_zone_raises(name: str, data: st.DataObject) -> None:
    lines = ALL[name]
    for _ in range(data.draw(st.integers(0, 3))):
        row = data.draw(st.integers(0, len(lines) - 1))
        lines = misread(lines, (row, data.draw(st.integers(0, len(lines[row]) - 1))), data.draw(ODD))
    told = zone_json(parse(lines))
    assert len(told["repair"]["candidates"]) <= 16
    assert (told["repair"]["best"] is None) == (told["repair"]["candidates"] == [])


# --- the citizen's number ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [CARD, PASSPORT, slovak_card()])
def test_optional_data_is_masked_and_the_rest_of_the_zone_stays(lines: tuple[str, ...]) -> None:
    masked = without_citizen_number(lines)
    assert [len(line) for line in masked] == [len(line) for line in lines]
    assert not any(secret in "".join(masked) for secret in ("123456782", "749313"))
    assert MASKED in "".join(masked)
    told, before = parse(masked), parse(lines)
    assert (told.document_number, told.surname, told.birth_date) == (
        before.document_number,
        before.surname,
        before.birth_date,
    )
    assert not told.valid
    assert without_citizen_number(masked) == masked


def test_the_rest_of_a_long_number_is_the_documents_and_stays() -> None:
    lines = specimens.td1("Nobody", "Imagined", "000001115702", "BEL", "740812", "F", "320415", optional="XY")
    masked = without_citizen_number(lines)
    assert masked[0].startswith("I<BEL000001115<702") and "XY" not in masked[0]
    assert parse(masked).document_number == "000001115702"


def test_what_only_looks_like_a_long_number_is_masked() -> None:
    """A filler for the check digit, and behind it a citizen's number that no check digit makes a document's."""
    upper, lower, name = specimens.td1(
        "Nobody", "Imagined", "ABCDEF123", "SWE", "740812", "F", "320415", optional="1" * 12
    )
    upper = f"{upper[:14]}<{upper[15:]}"
    assert "111111" not in without_citizen_number((upper, lower, name))[0]


def test_a_russian_series_keeps_its_digit_and_loses_date_and_office() -> None:
    masked = without_citizen_number(russian_passport())
    assert masked[1][28:30] == f"4{MASKED}" and "151218910003" not in masked[1]


def test_where_nothing_is_optional_nothing_is_masked() -> None:
    lines = specimens.td3("Nobody", "Imagined", "AB1234567", "UTO", "740812", "F", "320415")
    assert without_citizen_number(lines) == lines
    assert without_citizen_number(SWISS) == SWISS


def test_lines_of_no_layout_are_masked_whole() -> None:
    assert without_citizen_number(("NOBODY<<IMAGINED", "")) == (MASKED * 16,)


@given(st.text(string.digits, min_size=1, max_size=14), st.sampled_from(["NLD", "EST", "ESP", "PRT", "TUR", "UTO"]))
def test_no_optional_data_of_any_state_stays(optional: str, state: str) -> None:
    lines = specimens.td3("Nobody", "Imagined", "AB1234567", state, "740812", "F", "320415", optional=optional)
    assert without_citizen_number(lines)[1][28:] == (MASKED * len(optional)).ljust(14, "<") + MASKED * 2
    assert layout_of(without_citizen_number(lines)) is layout_of(lines)
