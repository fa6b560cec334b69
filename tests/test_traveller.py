"""The person before the officer: from zones of every kind and from typing, with what is not sure kept apart."""

from __future__ import annotations

import dataclasses
import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.page.view import EntryRefused, ManualEntry
from failsafe.agent.traveller import UNREAD, Presented, birth_date, from_entry, from_reading, from_zone
from failsafe.drivers import cute, specimens
from failsafe.drivers.layouts import check_digit
from failsafe.drivers.reading import BoardingPass, DocumentRead, Licence
from tests.conftest import PROJECT

YEAR = 2026
NAME = ("Quillfeather", "Zzyzxbert Noone")
PASSPORT = specimens.td3(*NAME, "XA1234907", "FRA", "700102", "M", "300101")


def with_char(lines: tuple[str, ...], row: int, place: int, char: str) -> tuple[str, ...]:
    changed = list(lines)
    changed[row] = changed[row][:place] + char + changed[row][place + 1 :]
    return tuple(changed)


def entry(**fields: str) -> ManualEntry:
    return ManualEntry(lane="1", **fields)


# --- zones ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [specimens.td1, specimens.td2, specimens.td3])
def test_a_zone_of_each_layout_is_the_same_person(layout):
    lines = layout(*NAME, "XA1234907", "FRA", "700102", "M", "300101")
    presented = from_zone(lines, YEAR)
    assert presented.surely_read
    person, traveller = presented.person, presented.traveller
    assert (person.source, person.zone, person.repaired) == ("zone", lines, False)
    assert (person.surname, person.given) == ("QUILLFEATHER", "ZZYZXBERT NOONE")
    assert (person.birth_date, person.sex) == ("1970-01-02", "M")
    assert (person.document_number, person.nationality, person.issuing_state) == ("XA1234907", "FRA", "FRA")
    assert (traveller.surname, traveller.given_names) == (person.surname, person.given)
    assert (traveller.birth_date, traveller.sex, traveller.nationality) == ("1970-01-02", "M", "FRA")
    assert (traveller.document_number, traveller.issuing_country) == ("XA1234907", "FRA")
    assert traveller.number_sure and not traveller.name_cut


@pytest.mark.parametrize(
    "frame", ["cute/access-is OCR TD3", "cute/access-is OCR TD3 no last CR", "cute/access-is OCR TD1"]
)
def test_a_readers_frame_is_a_person(frame):
    frames = {one["name"]: one for one in json.loads((PROJECT / "tests/transcripts/frames.json").read_text("utf-8"))}
    readings = cute.DRIVER.decoder().receive(bytes.fromhex(frames[frame]["hex"]), 1.0)
    (read,) = (reading for reading in readings if isinstance(reading, DocumentRead))
    presented = from_zone(read.lines, YEAR)
    assert presented.surely_read
    assert (presented.person.surname, presented.person.given) == ("ERIKSSON", "ANNA MARIA")
    assert (presented.person.birth_date, presented.person.sex) == ("1974-08-12", "F")


def test_a_number_with_twins_is_sure_as_read_and_looked_for_in_every_reading():
    presented = from_zone(specimens.td3(*NAME, "XG1234567", "FRA", "700102", "M", "300101"), YEAR)
    assert presented.surely_read and presented.traveller.number_sure
    assert set(presented.traveller.number_candidates) == {"X61234567", "XG12345G7"}


def test_a_repair_that_is_unique_is_taken_and_marked():
    read = with_char(PASSPORT, 1, 7, "O")  # X A 1 2 3 4 9 0 7: the zero
    presented = from_zone(read, YEAR)
    assert presented.surely_read
    assert presented.person.document_number == "XA1234907" and presented.person.repaired
    assert presented.person.zone == read  # what was read is kept
    assert presented.traveller.document_number == "XA1234907"
    assert presented.traveller.number_sure is False  # a listed document is then a CHECK, not a STOP


@pytest.mark.parametrize(
    ("row", "place", "char", "field", "value"),
    [
        (1, 14, "O", "birth_date", "1970-01-02"),
        (1, 11, "K", "nationality", "D"),
        (0, 3, "<", "issuing_state", "D"),
        (1, 43, "O", "document_number", "C01X00T47"),
    ],
)
def test_what_is_mended_elsewhere_leaves_the_number_sure_and_is_marked(row, place, char, field, value):
    lines = specimens.td3(*NAME, "C01X00T47", "D", "700102", "M", "300101")
    if field == "issuing_state":
        lines = ("P<D<<" + lines[0][5:], lines[1])
        char = "C"
    if field == "document_number" and lines[1][43] != "0":
        char = "?"
    presented = from_zone(with_char(lines, row, place, char), YEAR)
    assert (presented.surely_read, presented.person.repaired) == (True, True)
    assert getattr(presented.person, field) == value
    assert presented.traveller.number_sure


def test_a_number_mended_in_any_way_is_never_sure_for_a_list():
    """A letter among digits, a rejected place, the check digit itself: a listed document is then a CHECK."""
    for place, chars in ((3, "IZ"), (7, "O?"), (9, "?OIZSGB")):
        for char in chars:
            read = with_char(PASSPORT, 1, place, char)
            presented = from_zone(read, YEAR)
            assert read == PASSPORT or not presented.traveller.number_sure


def test_a_citizens_number_is_not_kept_and_the_rest_of_the_zone_is():
    lines = specimens.td3(*NAME, "XA1234907", "NLD", "700102", "M", "300101", optional="123456782")
    person = from_zone(lines, YEAR).person
    assert "123456782" not in repr(dataclasses.asdict(from_zone(lines, YEAR).traveller))
    assert not any("123456782" in line for line in person.zone)
    assert (person.zone[0], person.zone[1][:28]) == (lines[0], lines[1][:28])


def test_a_russian_internal_passport_is_asked_for_in_cyrillic_by_its_whole_number():
    upper, lower = specimens.td3(
        "NIKTO3", "V9DUMANNYQ", "391935349", "RUS", "720723", "M", "300101", optional="4151218910003"
    )
    presented = from_zone(("PNRUS" + upper[5:], lower), YEAR)
    assert presented.surely_read and presented.traveller.number_sure
    assert (presented.person.surname, presented.person.given) == ("НИКТОЧ", "ВЬДУМАННЫЙ")
    assert (presented.traveller.surname, presented.traveller.document_number) == ("НИКТОЧ", "3914935349")
    assert presented.person.zone[1][28:30] == "4*"


def test_a_swiss_licence_whose_number_nothing_checks_is_never_surely_listed():
    lines = ("AAB001D<<", "FACHE305142128097<<800126<<<<<", "QUILLFEATHER<<ZZYZXBERT".ljust(30, "<"))
    traveller = from_zone(lines, YEAR).traveller
    assert traveller.document_number == "305142128097" and not traveller.number_sure


def test_digits_in_a_name_are_letters_to_the_search():
    presented = from_zone((PASSPORT[0].replace("NOONE", "N00NE"), PASSPORT[1]), YEAR)
    assert presented.traveller.given_names == "ZZYZXBERT NOONE"
    assert presented.person.given == "ZZYZXBERT N00NE"


def test_an_ambiguous_number_is_not_sure_and_every_candidate_is_asked():
    presented = from_zone(with_char(PASSPORT, 1, 3, "?"), YEAR)
    assert presented.surely_read is False and presented.traveller.number_sure is False
    assert "XA1234907" in presented.traveller.number_candidates
    assert len(presented.traveller.number_candidates) > 1
    assert presented.person.repaired is False
    assert presented.person.surname == "QUILLFEATHER"  # the name is searched for all the same


def test_two_damaged_fields_are_searched_for_and_never_sure():
    presented = from_zone(with_char(with_char(PASSPORT, 1, 0, "8"), 1, 14, "1"), YEAR)
    assert presented.surely_read is False
    assert presented.traveller.number_candidates == ()
    assert presented.traveller.surname == "QUILLFEATHER"


def test_a_zone_without_a_name_is_not_surely_read():
    lines = specimens.td3("", "", "XA1234907", "FRA", "700102", "M", "300101")
    presented = from_zone(lines, YEAR)
    assert presented.surely_read is False
    assert presented.traveller.document_number == "XA1234907" and presented.person.surname is None


def test_a_name_that_fills_its_field_may_be_cut():
    lines = specimens.td3("Quillfeather" * 3, "Zzyzxbert", "XA1234907", "FRA", "700102", "M", "300101")
    assert from_zone(lines, YEAR).traveller.name_cut


def test_germany_and_the_stateless_stay_as_printed():
    lines = specimens.td3(*NAME, "XA1234907", "D", "700102", "<", "300101", nationality="XXA")
    person = from_zone(lines, YEAR).person
    assert (person.issuing_state, person.nationality, person.sex) == ("D", "XXA", None)


@pytest.mark.parametrize("lines", [(), ("",), ("HELLO",), PASSPORT[:1], (*PASSPORT, PASSPORT[0]), ("<" * 43, "<" * 44)])
def test_lines_of_no_layout_are_unread(lines):
    presented = from_zone(lines, YEAR)
    assert presented is UNREAD
    assert (presented.person, presented.traveller, presented.token, presented.surely_read) == (None, None, None, False)


def test_a_token_tells_documents_apart_and_says_nothing():
    same = from_zone(PASSPORT, YEAR), from_zone(PASSPORT, YEAR + 1)
    assert same[0].token == same[1].token
    other = from_zone(specimens.td3(*NAME, "XA1234908", "FRA", "700102", "M", "300101"), YEAR)
    badly = from_zone(with_char(PASSPORT, 0, 6, "?"), YEAR)
    assert len({same[0].token, other.token, badly.token}) == 3
    assert len(other.token) == 16 and set(other.token) <= set(string.hexdigits)


ZONES = st.one_of(
    st.lists(st.text("ABO081I<5SG6K?7", min_size=44, max_size=44), min_size=2, max_size=2),
    st.lists(st.text("ABO081I<5SG6K?7", min_size=36, max_size=36), min_size=2, max_size=2),
    st.lists(st.text("ABO081I<5SG6K?7", min_size=30, max_size=30), min_size=3, max_size=3),
    st.lists(st.text(max_size=50), max_size=4),
)


@given(ZONES)
def test_whatever_the_lines_say_nothing_unsure_is_surely_read(lines):
    presented = from_zone(lines, YEAR)
    if presented.surely_read:
        assert presented.person.surname or presented.person.given
        assert presented.traveller.number_sure or presented.person.repaired
    assert (presented.person is None) == (presented.traveller is None) == (presented.token is None)
    if presented.person is not None and presented.person.birth_date is not None:
        assert _is_partial_date(presented.person.birth_date)


@given(st.integers(1, 8), st.sampled_from(string.ascii_uppercase + string.digits))
def test_one_wrong_character_never_makes_another_number_sure(place, char):
    """A check digit that still fits by chance cannot be seen; whatever is repaired is not sure for a list."""
    read = with_char(PASSPORT, 1, place, char)
    traveller = from_zone(read, YEAR).traveller
    if traveller.document_number != "XA1234907" and traveller.number_sure:
        assert check_digit(read[1][:9]) == int(read[1][9])


# --- dates ---------------------------------------------------------------------------------------------------


def _is_partial_date(text: str) -> bool:
    parts = text.split("-")
    whole = all(part.isascii() and part.isdecimal() for part in parts)
    return whole and [len(part) for part in parts] in ([4], [4, 2], [4, 2, 2])


@pytest.mark.parametrize(
    ("printed", "date"),
    [
        ("700102", "1970-01-02"),
        ("260101", "2026-01-01"),  # this year is not the future
        ("270101", "1927-01-01"),
        ("000101", "2000-01-01"),
        ("991231", "1999-12-31"),
        ("7001<<", "1970-01"),
        ("700100", "1970-01"),
        ("70<<<<", "1970"),
        ("700000", "1970"),
        ("70<<02", "1970"),  # a day without its month says nothing
        ("700<02", "1970"),
        ("70012<", "1970-01"),
        ("701302", "1970"),
        ("700132", "1970-01"),
        ("<<<<<<", None),
        ("<<0102", None),
        ("7<0102", None),
        ("", None),
        ("70010", None),
        ("19700102", None),
        ("70O102", None),
        ("٧٠0102", None),
    ],
)
def test_a_zones_date(printed, date):
    assert birth_date(printed, YEAR) == date


@given(st.integers(0, 99), st.integers(1950, 2199))
def test_a_birth_is_the_latest_that_is_not_in_the_future(two, year):
    born = int(birth_date(f"{two:02}0101", year)[:4])
    assert born % 100 == two and year - 100 < born <= year


@given(st.text("0123456789<", min_size=6, max_size=6))
def test_every_printed_date_is_a_partial_date_or_none(printed):
    found = birth_date(printed, YEAR)
    assert found is None or _is_partial_date(found)


# --- typed ---------------------------------------------------------------------------------------------------


def test_typed_fields_are_a_person():
    presented = from_entry(
        entry(
            surname=" Quillfeather ",
            given_names="Zzyzxbert",
            birth_date="1970-01",
            sex="m",
            nationality="fra",
            document_number=" xa 123 ",
            issuing_state="D",
        ),
        YEAR,
    )
    person, traveller = presented.person, presented.traveller
    assert presented.surely_read
    assert (person.source, person.surname, person.given, person.zone) == ("manual", "Quillfeather", "Zzyzxbert", ())
    assert (person.birth_date, person.sex, person.nationality, person.issuing_state) == ("1970-01", "M", "FR", "DE")
    assert person.document_number == traveller.document_number == "XA 123"
    assert (traveller.surname, traveller.birth_date, traveller.issuing_country) == ("Quillfeather", "1970-01", "DE")
    assert traveller.number_sure


@pytest.mark.parametrize("code", ["XXA", "xpo", "UNO"])
def test_the_stateless_and_organisations_can_be_typed(code):
    presented = from_entry(entry(surname="Quillfeather", nationality=code, issuing_state=code), YEAR)
    assert presented.traveller.nationality == presented.traveller.issuing_country == code.upper()


def test_a_number_alone_is_searched_for_and_clears_nobody():
    presented = from_entry(entry(document_number="XA1234907"), YEAR)
    assert presented.traveller.document_number == "XA1234907" and presented.surely_read is False


def test_given_names_alone_are_a_name():
    assert from_entry(entry(given_names="Zzyzxbert"), YEAR).surely_read


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Type a surname, given names or a document number"),
        ({"surname": "  ", "birth_date": "1970"}, "Type a surname"),
        ({"surname": "Quillfeather", "birth_date": "02.01.1970"}, "YYYY-MM-DD"),
        ({"surname": "Quillfeather", "birth_date": "1970-13"}, "YYYY-MM-DD"),
        ({"surname": "Quillfeather", "birth_date": "1970-31-01"}, "YYYY-MM-DD"),
        ({"surname": "Quillfeather", "birth_date": "1970-1-2"}, "YYYY-MM-DD"),
        ({"surname": "Quillfeather", "birth_date": "１９７０"}, "YYYY-MM-DD"),
        ({"surname": "Quillfeather", "sex": "male"}, "M, F or X"),
        ({"surname": "Quillfeather", "nationality": "Utopia"}, "The nationality is a country code"),
        ({"surname": "Quillfeather", "issuing_state": "QQQ"}, "The issuing state is a country code"),
        ({"zone": "HELLO"}, "not the lines of a zone"),
        ({"zone": PASSPORT[0]}, "2 lines of 44 or 36 characters"),
    ],
)
def test_an_entry_that_cannot_be_used_says_what_to_correct(fields, words):
    with pytest.raises(EntryRefused) as refused:
        from_entry(entry(**fields), YEAR)
    assert words in str(refused.value)
    assert "Quillfeather" not in str(refused.value)


@pytest.mark.parametrize(
    "typed",
    [
        "\n".join(PASSPORT),
        "\r\n".join(PASSPORT).lower(),
        "".join(PASSPORT),
        " ".join(PASSPORT).replace("<<", "«"),
        f"\n{PASSPORT[0][:22]} {PASSPORT[0][22:]}\n\n{PASSPORT[1]}\n",
    ],
)
def test_a_typed_zone_is_read_like_one_from_a_reader(typed):
    presented = from_entry(entry(zone=typed, surname="somebody else"), YEAR)
    read = from_zone(PASSPORT, YEAR)
    assert presented.token == read.token
    assert (presented.person, presented.traveller, presented.surely_read) == (read.person, read.traveller, True)


def test_a_slip_in_a_typed_zone_is_not_surely_read():
    slip = with_char(PASSPORT, 1, 14, "1")
    assert from_entry(entry(zone="\n".join(slip)), YEAR).surely_read is False


def test_the_same_fields_are_the_same_document_and_others_are_not():
    one = from_entry(entry(surname="Quillfeather", given_names="A"), YEAR)
    again = from_entry(entry(surname=" Quillfeather", given_names="A "), YEAR)
    moved = from_entry(entry(surname="Quillfeather A"), YEAR)
    assert one.token == again.token != moved.token


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        name: st.one_of(st.text(max_size=12), st.sampled_from(["M", "FR", "1970-01-02", "XA1", "Quill"]))
        for name in (
            "surname",
            "given_names",
            "birth_date",
            "sex",
            "nationality",
            "document_number",
            "issuing_state",
            "zone",
        )
    },
)


@given(FIELDS)
def test_an_entry_is_a_person_or_refused(fields):
    try:
        presented = from_entry(entry(**fields), YEAR)
    except EntryRefused as refused:
        assert str(refused).endswith((".", "30."))
    else:
        assert presented.person is not None and presented.traveller is not None
        if presented.person.birth_date is not None:
            assert _is_partial_date(presented.person.birth_date)


# --- barcodes ------------------------------------------------------------------------------------------------

CARD = Licence("QUILLFEATHER", "ZZYZXBERT", "1970-01-02", "M", "2031-06-30", "XA1234907", "USA")


def card_read(card: Licence | BoardingPass | None) -> Presented:
    return from_reading(DocumentRead(1.0, (), "licence", card), YEAR)


def test_a_driving_licence_is_a_traveller():
    presented = card_read(CARD)
    assert presented.surely_read and presented.person.zone == ()
    assert presented.traveller.birth_date == presented.person.birth_date == "1970-01-02"
    assert (presented.traveller.surname, presented.traveller.sex) == ("QUILLFEATHER", "M")
    assert presented.traveller.issuing_country == "USA" and presented.traveller.nationality is None


def test_a_licences_number_is_never_surely_a_listed_documents():
    """States of one country number alike: a listed document of this number is CHECK."""
    assert card_read(CARD).traveller.number_sure is False


@pytest.mark.parametrize("missing", ["birth_date", "number"])
def test_a_licence_that_lacks_a_field_clears_nobody(missing):
    assert not card_read(dataclasses.replace(CARD, **{missing: ""})).surely_read
    assert not card_read(dataclasses.replace(CARD, surname="", given_names="")).surely_read


def test_a_licence_of_which_nothing_was_read_is_unread():
    assert card_read(None) is UNREAD


def test_a_boarding_pass_is_a_hint_and_clears_nobody():
    presented = card_read(BoardingPass("QUILLFEATHER", "ZZYZXBERT"))
    assert presented.hint_only and not presented.surely_read
    assert presented.traveller.name_cut and presented.traveller.document_number == ""


def test_two_cards_are_told_apart_without_saying_whose_they_are():
    other = dataclasses.replace(CARD, number="XA1234908")
    assert card_read(CARD).token == card_read(CARD).token != card_read(other).token
    assert "QUILL" not in f"{card_read(CARD)!r}"


def test_a_zone_goes_the_way_of_zones():
    assert from_reading(DocumentRead(1.0, PASSPORT), YEAR) == from_zone(PASSPORT, YEAR)
    assert from_reading(DocumentRead(1.0, ()), YEAR) is UNREAD


# --- what is shown -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "presented", [from_zone(PASSPORT, YEAR), from_entry(entry(surname="Quillfeather"), YEAR), UNREAD]
)
def test_a_presented_person_shows_nothing_of_himself(presented: Presented):
    shown = f"{presented!r} {presented} {[presented]}".upper()
    for secret in ("QUILLFEATHER", "XA1234907", "1970", "FRA"):
        assert secret not in shown
    assert (presented.token or "-") not in shown


@pytest.mark.parametrize("name", ["...", "-", "1234", "٣"])
def test_a_name_without_a_letter_clears_nobody(name):
    presented = from_entry(entry(surname=name), YEAR)
    assert presented.surely_read is False and presented.person.surname == name
