"""Zones: every layout, the traps of real documents, honest repair, and no text that raises."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers import mrz
from failsafe.drivers.layouts import ALPHABET, check_digit, has_zone_size
from failsafe.drivers.mrz import Zone, parse, split, zone_json

TD3 = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
TD2 = ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6")
TD1 = ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<")
MRVA = ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L8988901C4XXX7408122F96121096ZE184226B<<<<<<")
MRVB = ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "L8988901C4XXX7408122F9612109<<<<<<<<")
ALL = {"TD3": TD3, "TD2": TD2, "TD1": TD1, "MRVA": MRVA, "MRVB": MRVB}

LETTERS = st.text(string.ascii_uppercase, min_size=1, max_size=12)
NUMBERS = st.text(string.ascii_uppercase + string.digits, min_size=1, max_size=9)


def digit(text: str) -> str:
    value = check_digit(text)
    assert value is not None
    return str(value)


def passport(
    number: str = "L898902C3",
    birth: str = "740812",
    sex: str = "F",
    expiry: str = "320415",
    optional: str = "",
    name: str = "NOBODY<<IMAGINED",
    head: str = "P<UTO",
    nationality: str = "UTO",
) -> tuple[str, str]:
    """A TD3 zone whose check digits are right."""
    number, optional = number.ljust(9, "<"), optional.ljust(14, "<")
    number, birth, expiry = (field + digit(field) for field in (number, birth, expiry))
    optional += digit(optional)
    lower = f"{number}{nationality.ljust(3, '<')}{birth}{sex}{expiry}{optional}"
    return f"{head}{name}".ljust(44, "<"), lower + digit(number + birth + expiry + optional)


def card(number_field: str, optional: str) -> tuple[str, str, str]:
    """A TD1 zone around its first line's places 6 to 30."""
    upper = f"I<UTO{number_field}{optional}".ljust(30, "<")
    birth, expiry = "740812" + digit("740812"), "320415" + digit("320415")
    middle = f"{birth}F{expiry}UTO".ljust(29, "<")
    return upper, middle + digit(upper[5:] + birth + expiry + middle[18:]), "NOBODY<<IMAGINED".ljust(30, "<")


def with_char(lines: tuple[str, ...], row: int, place: int, char: str) -> tuple[str, ...]:
    changed = list(lines)
    changed[row] = changed[row][:place] + char + changed[row][place + 1 :]
    return tuple(changed)


def numbers(zone: Zone) -> list[str]:
    return [candidate["document_number"] for candidate in zone.repair.candidates]


# --- outside data --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def collected(shared: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (shared / "data" / "mrz" / "dev.jsonl").read_text().splitlines()]


NATIONAL = {"SVK_ID_2x34": "SVK_ID"}  # the names of the collection that are not ours


def test_collected_zones_are_valid_exactly_where_their_check_digits_hold(collected: list[dict[str, Any]]) -> None:
    wrong = [row["id"] for row in collected if parse(row["lines"]).valid != (row["cls"] != "invalid_check_digits")]
    assert len(collected) > 90
    assert wrong == []


def test_collected_zones_are_named(collected: list[dict[str, Any]]) -> None:
    formats = {row["id"]: (parse(row["lines"]).format, NATIONAL.get(row["format"], row["format"])) for row in collected}
    assert {each: pair for each, pair in formats.items() if pair[0] != pair[1]} == {}


def test_collected_zones_have_the_fields_that_a_person_cut_out_of_them(collected: list[dict[str, Any]]) -> None:
    for row in collected:
        cut, told = row["slice"], zone_json(parse(row["lines"]))
        if cut is None:  # a national layout: none of ICAO's
            assert row["cls"] == "national_variant", row["id"]
            continue
        expected = {**cut, "optional": [cut["optional"], *([cut["optional2"]] if "optional2" in cut else [])]}
        expected["sex"] = cut["sex"].replace("<", "")
        expected.pop("optional2", None)
        assert {name: told[name] for name in expected} == expected, row["id"]


def test_valid_collected_zones_say_what_their_own_libraries_expect(collected: list[dict[str, Any]]) -> None:
    """Libraries write years in full, sexes as words, and differ over the end of long numbers: those are left out."""
    told = 0
    for row in collected:
        if row["cls"] != "valid" or row["expected"] is None:
            continue
        zone = zone_json(parse(row["lines"]))
        for name, value in row["expected"].items():
            if name.startswith("optional"):
                continue
            short = value[2:] if name.endswith("_date") and len(value) == 8 else value
            assert zone[name] == {"male": "M", "female": "F"}.get(short, short), (row["id"], name)
            told += 1
    assert told > 100


def test_bad_collected_zones_are_never_said_to_be_sure_of_another_number(collected: list[dict[str, Any]]) -> None:
    for row in collected:
        zone = parse(row["lines"])
        if row["cls"] == "invalid_check_digits":
            assert zone.repair.status != "none", row["id"]
            assert zone.repair.status != "unique" or zone.repair.field in (*zone.checks.failed(), "composite"), row[
                "id"
            ]


def test_each_check_digit_of_collected_zones_is_judged_alone(collected: list[dict[str, Any]]) -> None:
    names = {"doc": "document_number", "dob": "birth_date", "exp": "expiry_date", "opt": "optional"}
    for row in collected:
        checks = zone_json(parse(row["lines"]))["checks"]
        for short, name in {**names, "comp": "composite"}.items():
            if short in (row["checks"] or {}):
                assert checks[name] is row["checks"][short], (row["id"], name)


# --- layouts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ALL))
def test_icao_specimens_are_valid(name: str) -> None:
    zone = parse(ALL[name])
    assert (zone.format, zone.valid) == (name, True)
    assert (zone.surname, zone.given_names) == ("ERIKSSON", "ANNA MARIA")
    assert (zone.birth_date, zone.sex) == ("740812", "F")
    assert zone.issuing_state == "UTO"


def test_a_passport_field_by_field() -> None:
    told = zone_json(parse(TD3))
    assert told == {
        "format": "TD3",
        "valid": True,
        "document_code": "P",
        "issuing_state": "UTO",
        "document_number": "L898902C3",
        "nationality": "UTO",
        "birth_date": "740812",
        "sex": "F",
        "expiry_date": "120415",
        "optional": ["ZE184226B"],
        "surname": "ERIKSSON",
        "given_names": "ANNA MARIA",
        "checks": dict.fromkeys(("document_number", "birth_date", "expiry_date", "optional", "composite"), True),
        "warnings": ["issuing_state_unknown", "nationality_unknown"],
        "repair": {"status": "none", "field": None, "best": None, "candidates": []},
    }
    assert json.loads(json.dumps(told)) == told


def test_checks_that_a_layout_has_not_are_none() -> None:
    assert parse(MRVA).checks == mrz.Checks(True, True, True, None, None)
    assert parse(TD1).checks == mrz.Checks(True, True, True, None, True)


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("",),
        TD3[:1],
        (TD3[0], TD3[1][:-1]),
        (*TD3, TD3[0]),
        TD1[:2],
        ("D1ESP13AA000026181231NOBODY<<9",),
        ("I<CZENOBODY<<IMAGINED<<<<<<<<<<<<<", "123456<AA5CZE8110251M1801020749313"),
    ],
)
def test_another_size_is_no_layout_of_ours(lines: tuple[str, ...]) -> None:
    zone = parse(lines)
    assert (zone.format, zone.valid, zone.repair.status) == (None, False, "reread")
    assert zone.warnings == ("layout_unknown",)
    assert zone.document_number == ""


@given(number=NUMBERS, surname=LETTERS, given=st.lists(LETTERS, max_size=2), optional=st.text("ABC123", max_size=14))
def test_what_is_written_is_read(number: str, surname: str, given: list[str], optional: str) -> None:
    zone = parse(passport(number=number, optional=optional, name=f"{surname}<<{'<'.join(given)}"[:39]))
    assert zone.valid
    assert (zone.document_number, zone.optional) == (number, (optional,))
    assert zone.surname == surname
    assert zone.given_names == " ".join(given)[: 39 - len(surname) - 2]


# --- traps ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "surname", "given", "warning"),
    [
        ("NOBODY<IMAGINED", "NOBODY IMAGINED", "", "given_names_empty"),
        ("<<IMAGINED<PERSON", "", "IMAGINED PERSON", "surname_empty"),
        ("NOBODY<<IMAGINED<<PERSON", "NOBODY", "IMAGINED PERSON", None),
        ("VAN<DER<NOBODY<<IMAGINED", "VAN DER NOBODY", "IMAGINED", None),
        ("", "", "", "surname_empty"),
    ],
)
def test_names(name: str, surname: str, given: str, warning: str | None) -> None:
    zone = parse(passport(name=name))
    assert (zone.surname, zone.given_names, zone.valid) == (surname, given, True)
    assert warning is None or warning in zone.warnings
    assert not zone.name_cut


def test_a_name_that_fills_its_field_may_be_cut() -> None:
    zone = parse(passport(name="NOBODY<<IMAGINED<PERSON".ljust(39, "X")))
    assert zone.name_cut
    assert "name_cut" in zone.warnings


@pytest.mark.parametrize(
    ("birth", "warning"),
    [
        ("740812", None),
        ("74<<<<", "birth_date_partial"),
        ("7408<<", "birth_date_partial"),
        ("740800", "birth_date_partial"),
        ("<<<<<<", "birth_date_unknown"),
        ("741301", "birth_date_impossible"),
        ("740431", "birth_date_impossible"),
        ("7A0401", "birth_date_impossible"),
        ("040229", None),
    ],
)
def test_dates_are_kept_as_printed_and_judged_by_a_warning(birth: str, warning: str | None) -> None:
    zone = parse(passport(birth=birth))
    assert (zone.birth_date, zone.valid) == (birth, True)
    assert [word for word in zone.warnings if word.startswith("birth")] == ([warning] if warning else [])


@pytest.mark.parametrize(("printed", "sex"), [("M", "M"), ("F", "F"), ("X", "X"), ("<", ""), ("U", "")])
def test_sex(printed: str, sex: str) -> None:
    zone = parse(passport(sex=printed))
    assert (zone.sex, "sex_unusual" in zone.warnings) == (sex, printed == "U")


@pytest.mark.parametrize("code", ["D", "GBO", "RKS", "XPO", "XOM", "UNK", "XXB", "EUE", "FRA"])
def test_codes_of_real_documents_are_known(code: str) -> None:
    zone = parse(passport(head=f"P<{code.ljust(3, '<')}", nationality=code))
    assert (zone.issuing_state, zone.nationality) == (code, code)
    assert not {"issuing_state_unknown", "nationality_unknown"} & set(zone.warnings)


def test_an_unknown_code_is_a_warning_and_refuses_nobody() -> None:
    zone = parse(passport(head="P<QQQ", nationality="QQR"))
    assert zone.valid
    assert {"issuing_state_unknown", "nationality_unknown"} <= set(zone.warnings)


@pytest.mark.parametrize("filled", ["<", "0"])
def test_an_empty_optional_field_may_have_a_filler_for_its_digit(filled: str) -> None:
    upper, lower = passport()
    lower = lower[:42] + filled
    covered = lower[:10] + lower[13:20] + lower[21:43]
    assert parse((upper, lower + digit(covered))).valid


def test_digits_of_a_russian_internal_passport_are_letters() -> None:
    zone = parse(passport(head="PNRUS", name="NIKTO3<<VYDUMANNY8", nationality="RUS"))
    assert zone.valid and "cyrillic_as_digits" in zone.warnings and "digit_in_name" not in zone.warnings
    assert "digit_in_name" in parse(passport(name="NIKT0<<VYDUMAN")).warnings


@given(st.text(string.digits + "ABCDEF", min_size=10, max_size=20))
def test_long_numbers_hold_under_both_conventions(number: str) -> None:
    field, rest = number[:9], number[9:]
    without = parse(card(f"{field}<", rest + digit(number)))
    with_filler = parse(card(f"{field}<", rest + digit(f"{field}<{rest}")))
    assert without.valid and with_filler.valid
    assert without.document_number == with_filler.document_number == number
    assert without.optional == ("", "")
    if digit(number) != digit(f"{field}<{rest}"):
        assert "long_number_without_filler" in without.warnings
        assert "long_number_with_filler" in with_filler.warnings
    else:
        assert "long_number" in without.warnings


def test_what_follows_a_long_number_is_optional_data() -> None:
    zone = parse(card("D23145890<", "734" + digit("D23145890734") + "<XY"))
    assert (zone.document_number, zone.optional) == ("D23145890734", ("XY", ""))


def test_a_long_number_in_td2() -> None:
    number = "D23145890734"
    lower = f"D23145890<UTO7408122F1204159{'734' + digit(number)}".ljust(35, "<")
    zone = parse((TD2[0], lower + digit(lower[:10] + lower[13:20] + lower[21:35])))
    assert (zone.valid, zone.document_number) == (True, number)


def test_an_empty_number_is_not_valid() -> None:
    zone = parse(card("<" * 10, ""))
    assert (zone.checks.document_number, zone.valid) == (False, False)


# --- repair --------------------------------------------------------------------------------------------------


def test_a_number_without_twins_has_nothing_to_mend() -> None:
    assert zone_json(parse(passport(number="L89890203")))["repair"]["status"] == "none"
    assert numbers(parse(passport(number="L89890203"))) == []


def test_a_valid_number_with_g_or_6_lists_what_no_check_digit_can_tell() -> None:
    zone = parse(passport(number="AG1260003"))
    assert (zone.valid, zone.repair.status) == (True, "none")
    assert zone.repair.best == {"document_number": "AG1260003"}
    assert numbers(zone) == ["AG1260003", "A61260003", "AG12G0003"]


@pytest.mark.parametrize(("read", "other"), [("AB12300K", "AB12300"), ("AB1<2300", "AB1K2300")])
def test_a_k_and_a_filler_are_the_same_to_a_check_digit(read: str, other: str) -> None:
    zone = parse(passport(number=read))
    assert numbers(zone) == [read.replace("<", " "), other]
    assert (zone.valid, zone.repair.best) == (True, {"document_number": read.replace("<", " ")})


def confusions() -> Iterator[tuple[str, str]]:
    for pair in ("O0", "Q0", "I1", "B8", "S5", "Z2", "G6", "K<", "C<"):
        yield pair[0], pair[1]
        if pair[1] != "<":
            yield pair[1], pair[0]


@pytest.mark.parametrize(("true", "read"), list(confusions()))
def test_the_truth_is_among_the_candidates_of_every_confusion(true: str, read: str) -> None:
    number = f"L3{true}94Y7H1"
    lines = passport(number=number)
    zone = parse(with_char(lines, 1, 2, read))
    assert number in numbers(zone)
    assert zone.valid == (zone.repair.status == "none")
    assert zone.repair.best == zone.repair.candidates[0]


def test_a_single_candidate_is_unique_and_several_are_ambiguous() -> None:
    single = parse(with_char(passport(number="AB1234567", head="P<POL"), 1, 3, "Z"))
    assert (single.repair.status, numbers(single)) == ("unique", ["AB1234567"])
    plausible = parse(with_char(passport(number="ZX4410923"), 1, 4, "I"))
    assert len(numbers(plausible)) > 1
    assert plausible.repair.best == {"document_number": "ZX4410923"}
    several = parse(with_char(passport(number="A000000B7"), 1, 1, "O"))
    assert several.repair.status == "ambiguous"
    assert len(numbers(several)) > 1


@given(number=st.text(string.ascii_uppercase + string.digits, min_size=9, max_size=9), data=st.data())
def test_every_candidate_makes_the_zone_valid(number: str, data: st.DataObject) -> None:
    place, char = data.draw(st.integers(0, 8)), data.draw(st.sampled_from("?O0Q1I8B5S2Z6G<"))
    zone = parse(with_char(passport(number=number), 1, place, char))
    for candidate in (text.replace(" ", "<") for text in numbers(zone)):
        assert parse(passport(number=candidate)).valid
        assert digit(candidate.ljust(9, "<")) == digit(number)
    if char == "?":
        assert number in numbers(zone)
    assert (zone.repair.status == "unique") <= (len(numbers(zone)) == 1)


def test_a_misread_check_digit_leaves_the_number_as_read() -> None:
    lines = passport(number="L3X94Y7H4")
    own = lines[1][9]
    confused = {"0": "O", "1": "I", "8": "B", "5": "S", "2": "Z", "6": "G"}
    assert own in confused, "choose a number whose check digit has a confusion"
    zone = parse(with_char(lines, 1, 9, confused[own]))
    assert not zone.valid
    assert "L3X94Y7H4" in numbers(zone)


def test_two_errors_are_never_mended() -> None:
    lines = with_char(passport(number="L3094Y7H1"), 1, 2, "O")
    zone = parse(with_char(lines, 1, 13, "I"))
    assert (zone.repair.status, zone.repair.field, zone.repair.candidates) == ("reread", None, ())
    two_rejected = parse(with_char(with_char(passport(), 1, 2, "?"), 1, 4, "?"))
    assert (two_rejected.repair.status, two_rejected.repair.best) == ("reread", None)


@pytest.mark.parametrize(
    ("row", "place", "field"),
    [
        (0, 1, "document_code"),
        (0, 3, "issuing_state"),
        (0, 8, "name"),
        (1, 11, "nationality"),
        (1, 20, "sex"),
        (1, 30, "optional"),
    ],
)
def test_a_rejected_character_that_no_check_digit_tells_asks_for_a_second_reading(
    row: int, place: int, field: str
) -> None:
    zone = parse(with_char(passport(), row, place, "?"))
    assert not zone.valid
    assert "rejected_characters" in zone.warnings
    assert (zone.repair.status, zone.repair.field, zone.repair.best) == ("reread", field, None)


def test_a_number_that_fails_while_the_composite_holds_was_not_misread() -> None:
    """One wrong character of the number would have spoilt the composite too: the document is printed so."""
    zone = parse(
        ("I<PRT0000414022<ZZ70<<<<<<<<<<", "8010100M2012294PRT<<<<<<<<<<<2", "NOBODY<<IMAGINED".ljust(30, "<"))
    )
    assert (zone.checks.document_number, zone.checks.composite) == (False, True)
    assert (zone.repair.status, zone.repair.field) == ("reread", "document_number")


# --- typed and sent zones ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("between", ["", "\n", "\r\n", "\r", " ", "\n\n", "\t"])
def test_a_zone_is_split_however_it_was_sent(name: str, between: str) -> None:
    assert split(between.join(ALL[name])) == ALL[name]
    assert split(f" {between.join(ALL[name]).lower()} \n") == ALL[name]


def test_spaces_and_guillemets_of_a_typed_zone_are_put_right() -> None:
    assert split("p<uto eriksson«anna‹maria «««««««««‹\n L898902C3 6UTO 740812 2F 120415 9ZE184226B <<<<< 1 0") == TD3


def test_lines_broken_at_the_wrong_place_are_joined_again() -> None:
    text = "".join(TD1)
    assert split(f"{text[:40]}\n{text[40:]}") == TD1


@pytest.mark.parametrize("text", ["", " \n ", "P<UTOERIKSSON", "A" * 87, "A" * 44 + "\n" + "B" * 43])
def test_what_fits_no_layout_is_given_back_by_its_lines(text: str) -> None:
    assert split(text) == tuple(text.split())
    assert parse(split(text)).format is None


# --- no text raises ------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=50), max_size=4))
def test_no_lines_raise(lines: list[str]) -> None:
    assert zone_json(parse(lines))["repair"]["status"] in ("none", "unique", "ambiguous", "reread")


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    lines = split(text)
    assert parse(lines).format is None or has_zone_size(lines)


ODD = st.characters() | st.sampled_from(sorted(ALPHABET)) | st.sampled_from("٣²Ⅷ?*")


@given(st.sampled_from([(2, 44), (2, 36), (3, 30)]), st.data())
def test_no_zone_of_the_right_size_raises(size: tuple[int, int], data: st.DataObject) -> None:
    rows, length = size
    lines = [data.draw(st.text(ODD, min_size=length, max_size=length)) for _ in range(rows)]
    zone = parse(lines)
    rejected = any(char not in ALPHABET for line in lines for char in line.strip())
    assert not (zone.valid and rejected)


@given(st.sampled_from(sorted(ALL)), st.data())
def test_a_spoilt_specimen_is_told_from_a_good_one(name: str, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(ALL[name]) - 1))
    place = data.draw(st.integers(0, len(ALL[name][row]) - 1))
    zone = parse(with_char(ALL[name], row, place, data.draw(ODD.filter(lambda char: char not in ALPHABET))))
    assert not zone.valid


def test_a_repr_says_nothing_of_the_person() -> None:
    valid, spoilt = parse(passport(number="AG1260003")), parse(with_char(TD3, 1, 2, "?"))
    for zone in (valid, spoilt):
        text = f"{zone!r} {zone.repair!r} {zone}"
        assert not any(value in text for value in ("ERIKSSON", "NOBODY", "898902", "AG126", "740812"))


@pytest.mark.parametrize(
    ("text", "value"), [("520727", 3), ("AB2134<<<", 5), ("", 0), ("<<<", 0), ("a", None), ("٣", None)]
)
def test_the_check_digit_of_doc_9303(text: str, value: int | None) -> None:
    assert check_digit(text) == value
