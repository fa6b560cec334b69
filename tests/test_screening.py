"""Screening from a file of notices: the booth's own matching and verdict, asked without a booth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.commands.screening import Shelf, compare_names, screen, screen_on_shelf
from failsafe.sync.records import Notice, PersonName
from failsafe.sync.shape import FaultyNotices

QUILL = {
    "entity_id": "2026/7000001",
    "notice_type": "RED",
    "name": "QUILLFEATHER",
    "forename": "ZZYZXBERT",
    "date_of_birth": "1970/01/02",
    "sex_id": "M",
    "nationalities": ["GE"],
    "aliases": [{"name": "ВЫДУМАННЫЙ", "forename": "НЕКТО", "qualification": "Good"}],
    "identity_documents": [{"nr": "ZX 1234567", "type": "passport", "issuing_country_id": "GE"}],
}
NUCLEAR = {
    "entity_id": "2026/7000002",
    "notice_type": "GREEN",
    "name": "IMAGINARIEVA",
    "forename": "NOWHERIA",
    "date_of_birth": "1981",
    "fse": {"schema": 1, "programme": ["RN"]},
}
LISTED = {
    "kind": "listed_document",
    "number": "YY 0099",
    "issuing_country_id": "FR",
    "document_type": "passport",
    "fraud_type": "stolen",
}
HIM = {"surname": "Quillfeather", "given_names": "Zzyzxbert", "birth_date": "1970-01-02", "sex": "M"}


def notice_file(folder: Path, *lines: object) -> Path:
    file = folder / "notices.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), "utf-8")
    return file


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Shelf:
    return Shelf.read(notice_file(tmp_path_factory.mktemp("notices"), QUILL, NUCLEAR, LISTED))


# --- verdicts ------------------------------------------------------------------------------------------------


def test_the_answer_has_the_shape_of_the_interface(shelf):
    answer = screen_on_shelf({**HIM, "nationality": "GEO"}, shelf)
    assert set(answer) == {"verdict", "actions", "candidates", "listed", "elapsed_us"}
    assert (answer["verdict"], answer["listed"]) == ("STOP", [])
    assert "NOTIFY_CCC" in answer["actions"] and "DO_NOT_DETAIN_ON_NOTICE_ALONE" in answer["actions"]
    (candidate,) = answer["candidates"]
    assert set(candidate) == {"entity_id", "score", "grade", "reasons"}
    assert (candidate["entity_id"], candidate["grade"]) == ("2026/7000001", "strong")
    assert 0 < candidate["score"] <= 1
    assert all(set(reason) == {"field", "query", "candidate", "why", "points"} for reason in candidate["reasons"])
    assert {reason["field"] for reason in candidate["reasons"]} == {
        "whole_name",
        "name",
        "birth_date",
        "sex",
        "nationality",
    }
    assert isinstance(answer["elapsed_us"], int) and answer["elapsed_us"] >= 0
    assert json.loads(json.dumps(answer)) == answer


@pytest.mark.parametrize(
    ("person", "verdict"),
    [
        (HIM, "STOP"),
        ({"name": "Zzyzxbert QUILLFEATHER", "birth_date": "1970"}, "CHECK"),
        ({"name": "Nekto Vydumannyi", "birth_date": "1970-01-02"}, "STOP"),
        ({"name": "Выдуманный Некто", "birth_date": "1970-01-02"}, "STOP"),
        ({"name": "Quillfeather Zzyzxbert"}, "CHECK"),  # a name alone never stops anybody
        ({**HIM, "birth_date": "1971-01-02"}, "CHECK"),
        ({"name": "Ordinaria Harmless", "birth_date": "1970-01-02"}, "CLEAR"),
        ({"name": "Ordinaria", "document_number": "zx1234567", "issuing_state": "GEO"}, "STOP"),
        ({"document_number": "ZX 1234567", "issuing_state": "GE"}, "STOP"),
        ({"name": "Ordinaria Harmless", "document_number": "YY0099", "issuing_state": "FRA"}, "STOP"),
        ({"name": "Ordinaria Harmless", "document_number": "YY0099"}, "CHECK"),
        ({"name": "Ordinaria Harmless", "document_number": "YY0099", "issuing_state": "DEU"}, "CLEAR"),
        ({"document_number": "QQ5555555"}, "CANNOT CLEAR"),  # nobody was looked for
        ({"name": "..."}, "CANNOT CLEAR"),
        ({"name": "12345"}, "CANNOT CLEAR"),
    ],
)
def test_verdicts(shelf, person, verdict):
    assert screen_on_shelf(person, shelf)["verdict"] == verdict


def test_a_listed_document_is_named_with_what_is_wrong_with_it(shelf):
    answer = screen_on_shelf({"name": "Ordinaria", "document_number": "YY-0099", "issuing_state": "FR"}, shelf)
    assert answer["candidates"] == []
    (listed,) = answer["listed"]
    assert (listed["number"], listed["issuing_country"], listed["fraud_type"]) == ("YY0099", "FR", "stolen")


def test_candidates_are_the_graded_ones_alone(shelf):
    answer = screen_on_shelf({"name": "Nowheria Imaginarieva", "birth_date": "1981"}, shelf)
    assert [candidate["entity_id"] for candidate in answer["candidates"]] == ["2026/7000002"]
    assert all(one["grade"] in ("possible", "strong") for one in answer["candidates"])


@pytest.mark.parametrize(
    ("mirror", "age_s", "verdict"),
    [
        ("FRESH", 60.0, "CLEAR"),
        ("STALE", 90_000.0, "CLEAR"),
        ("EXPIRED", 200_000.0, "CANNOT CLEAR"),
        ("EMPTY", None, "CANNOT CLEAR"),
        ("UNKNOWN", None, "CANNOT CLEAR"),
    ],
)
def test_a_booths_own_mirror_judges_by_its_age(shelf, mirror, age_s, verdict):
    person = {"name": "Ordinaria Harmless"}
    assert screen(person, shelf.index, shelf, mirror=mirror, mirror_age_s=age_s)["verdict"] == verdict
    assert screen(HIM, shelf.index, shelf, mirror=mirror, mirror_age_s=age_s)["verdict"] == "STOP"


# --- persons that are none -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "words"),
    [
        ({}, '"name"'),
        ({"id": 7, "sex": "M"}, '"document_number"'),
        ({"name": "  ", "surname": None}, '"name"'),
        ({"name": 3}, '"name" must be text'),
        ({**HIM, "birth_date": 1970}, '"birth_date" must be text'),
        ({**HIM, "birth_date": "02.01.1970"}, "YYYY-MM-DD"),
        ({**HIM, "birth_date": "born 1970"}, "YYYY-MM-DD"),
        ({**HIM, "document_number": ["ZX"]}, '"document_number" must be text'),
    ],
)
def test_what_is_wrong_with_a_person_is_told_without_quoting_him(shelf, person, words):
    answer = screen_on_shelf(person, shelf)
    assert set(answer) == {"error"}
    assert words in answer["error"] and "Quillfeather" not in answer["error"] and "1970" not in answer["error"]


@pytest.mark.parametrize(
    "date", [None, "", "1970", "1970-01", "1970-01-02", "1970/01/02", "1970-00-00", " 1970-01-02 "]
)
def test_dates_that_are_read(shelf, date):
    assert screen_on_shelf({**HIM, "birth_date": date}, shelf)["verdict"] in ("STOP", "CHECK")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
KEYS = ("name", "surname", "given_names", "birth_date", "sex", "nationality", "document_number", "issuing_state", "x")


@given(st.dictionaries(st.sampled_from(KEYS), JSON | st.text(max_size=20), max_size=6))
def test_every_object_is_judged_or_told_what_is_wrong(shelf, person):
    answer = screen_on_shelf(person, shelf)
    if "error" in answer:
        assert set(answer) == {"error"} and answer["error"].endswith(".")
    else:
        assert answer["verdict"] in ("STOP", "CHECK", "CLEAR", "CANNOT CLEAR")


# --- files ---------------------------------------------------------------------------------------------------


def test_a_faulty_file_names_each_fault(tmp_path):
    file = notice_file(
        tmp_path, QUILL, {**NUCLEAR, "sex_id": "Q", "height": "tall"}, '{"entity_id": ', {**LISTED, "number": None}
    )
    with pytest.raises(FaultyNotices) as refused:
        Shelf.read(file)
    lines = str(refused.value).split("\n")
    assert [line.split(",")[0] for line in lines] == [
        "notices.jsonl: line 2",
        "notices.jsonl: line 2",
        "notices.jsonl: line 3",
        "notices.jsonl: line 4",
    ]
    assert "IMAGINARIEVA" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"", 1), (b"\xff\xfe", 1), (b'{"entity_id": "2026/1"}\n{"name": "\xff"}\n', 2), (b"\x00", 1)],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path, content, line):
    file = tmp_path / "odd.json"
    file.write_bytes(content)
    with pytest.raises(FaultyNotices, match=f"odd.json: line {line}"):
        Shelf.read(file)


@pytest.mark.parametrize("name", ["envelope_list", "green_fse_record", "red_public_detail"])
def test_the_public_examples_are_a_shelf(shared, name):
    shelf = Shelf.read(shared / "data" / "notices" / f"{name}.json")
    assert len(shelf.index) >= 1
    assert screen_on_shelf({"name": "Ordinaria Harmless"}, shelf)["verdict"] == "CLEAR"


# --- names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "candidate", "match"),
    [
        ("Zzyzxbert Quillfeather", "QUILLFEATHER ZZYZXBERT", True),
        ("Vydumannyj Nekto", "ВЫДУМАННЫЙ НЕКТО", True),
        ("Zzyzxbert Quillfeather", "Nowheria Imaginarieva", False),
        ("", "", False),
        ("...", "...", False),
    ],
)
def test_names_are_compared(query, candidate, match):
    answer = compare_names(query, candidate)
    assert set(answer) == {"score", "match", "reasons"}
    assert answer["match"] is match and 0 <= answer["score"] <= 1
    assert all(set(reason) == {"query", "candidate", "why", "points"} for reason in answer["reasons"])


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_two_texts_have_a_score(query, candidate):
    answer = compare_names(query, candidate)
    assert 0 <= answer["score"] <= 1 and isinstance(answer["match"], bool)
    json.dumps(answer)


# --- a notice in its own script ----------------------------------------------------------------------------------

WRITTEN = [
    ("Щербаков", "Георгий", ["SHCHERBAKOV GEORGII", "SCHERBAKOV GEORGY", "SHTERBAKOV GEORGI"]),
    ("Григоренко", "Олександр", ["HRYHORENKO OLEKSANDR", "HRIHORENKO OLEKSANDR", "GRIGORENKO ALEXANDER"]),
    ("Ђорђевић", "Жижа", ["DORDEVIC ZIZA", "DJORDJEVIC ZIZA", "DJORDJEVIC ZHIZHA"]),
    ("Цветковски", "Џеваир", ["CVETKOVSKI DJEVAIR", "TSVETKOVSKI DZEVAIR", "CVETKOVSKI DZHEVAIR"]),
    ("المثال", "محمد خالد", ["ALMXTHAL MXHMD XKHALD", "ALMITHAL MOHAMMED KHALED", "EL MITHAL MOHAMED KHALID"]),
    ("روحامی", "حسن", ["RWXHAMXYA XHSN", "ROHAMI HASSAN", "ROUHAMI HASAN"]),
    ("כהנוב", "חיים", ["CHHNVV CHYYM", "KAHANOV HAIM", "COHANOV HAYYIM"]),
    ("Ευαγγέλου", "Μπάμπης", ["EVANGELOU BAMPIS", "EYAGGELOY MPAMPIS"]),
    ("Müßter", "Jürgen", ["MUESSTER JUERGEN", "MUSSTER JURGEN", "MUXXSSTER JUXXRGEN"]),
    ("Åkerø", "Bjørn", ["AAKEROE BJOERN", "AKERO BJORN"]),
    ("Peñá", "Íñigo", ["PENA INIGO", "PENXXA INXXIGO"]),
]


@pytest.mark.parametrize(
    ("surname", "given", "zone"), [(surname, given, zone) for surname, given, zones in WRITTEN for zone in zones]
)
def test_a_notice_in_its_own_script_is_found_from_the_zone_of_any_country(surname, given, zone):
    names = (PersonName(surname=surname, given=given, original_script=True),)
    wanted = Notice(entity_id="2026/1", tier="green", names=names, births=("1970-01-02",))
    namesakes = [
        Notice(
            entity_id=f"2026/{number}", tier="green", names=(PersonName(surname=s, given=g),), births=("1950-03-04",)
        )
        for number, (s, g) in enumerate([("BERG", "OLA"), ("KHAN", "MOHAMMED"), ("ALI", "HASSAN")] * 30, 100)
    ]
    answer = screen_on_shelf({"name": zone, "birth_date": "1970-01-02"}, Shelf((wanted, *namesakes), ()))
    assert "2026/1" in [one["entity_id"] for one in answer["candidates"]]
