"""Every trap of the notice shape, on persons who do not exist."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.sync import shape
from failsafe.sync.records import Description, IdentityDocument, ListedDocument, Notice, PersonName, encode
from failsafe.sync.shape import Restrictions, read

PERSON = {"entity_id": "2026/7000001", "notice_type": "RED", "name": "ZORVEKARIO", "forename": "LIMTUSK"}


def line(**fields):
    """A notice of nobody with some fields changed, as a line."""
    return json.dumps({**PERSON, **fields}, ensure_ascii=False)


def one(**fields) -> Notice:
    reading = read(line(**fields))
    assert reading.faults == ()
    (entry,) = reading.notices
    return entry.notice


def faults(text):
    """Field and words of each fault; nothing may have been accepted."""
    reading = read(text)
    assert reading.notices == () and reading.listed == ()
    return [(fault.field, fault.wrong) for fault in reading.faults]


def fields_at_fault(**fields):
    return [field for field, _ in faults(line(**fields))]


# --- names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [None, "-", "", " - ", "  "])
def test_a_forename_that_is_none(missing):
    assert one(forename=missing).names == (PersonName(surname="ZORVEKARIO"),)


def test_a_forename_alone_is_a_name():
    assert one(name=None).names == (PersonName(given="LIMTUSK"),)


def test_every_spelling_in_its_order():
    notice = one(
        name_at_birth="BRAMOLK",
        name_in_original_script="ЗОРВЯК",
        forename_in_original_script="ЩУМУЗ",
        aliases=[
            {"qualification": "Good", "name": "SORVIAK", "forename": None, "name_in_original_script": "ЗОРВЬЯК"},
            {"qualification": "Low", "name": None, "forename": "VEKO"},
            {"qualification": None, "name": "DRELUFF", "forename": "-"},
        ],
    )
    assert notice.names == (
        PersonName(surname="ZORVEKARIO", given="LIMTUSK"),
        PersonName(surname="ЗОРВЯК", given="ЩУМУЗ", original_script=True),
        PersonName(kind="at_birth", surname="BRAMOLK", given="LIMTUSK"),
        PersonName(kind="good_alias", surname="SORVIAK"),
        PersonName(kind="good_alias", surname="ЗОРВЬЯК", original_script=True),
        PersonName(kind="low_alias", given="VEKO"),
        PersonName(kind="good_alias", surname="DRELUFF"),
    )


def test_one_spelling_given_twice_is_one():
    alias = {"qualification": "Good", "name": "DRELUFF", "forename": "JOX"}
    assert len(one(aliases=[alias, alias]).names) == 2


@pytest.mark.parametrize("name", ["123", "???", ". .", "—", "٣٤"])
def test_a_name_without_a_letter_is_a_fault(name):
    assert fields_at_fault(name=name) == ["name"]


@pytest.mark.parametrize("name", ["زور", "זור", "钴", "뵬", "ზორ", "Ж"])
def test_a_letter_of_any_script_is_a_letter(name):
    assert one(name=name).names[0].surname == name


def test_nobody_named_at_all():
    assert faults(line(name=None, forename="-")) == [("name", "The notice names nobody.")]


def test_names_are_composed_and_on_one_line():
    assert one(name="C\u0327IM\r\n  OLK\x00").names[0].surname == "ÇIM OLK"


def test_an_alias_of_unknown_qualification():
    assert fields_at_fault(aliases=[{"qualification": "Excellent", "name": "OLK"}]) == ["aliases[0].qualification"]


# --- dates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "births"),
    [
        ("1972", ("1972",)),
        (1972, ("1972",)),
        ("1972/03", ("1972-03",)),
        ("1968/03/00", ("1968-03",)),
        ("1968/00/00", ("1968",)),
        ("1968/00/12", ("1968",)),
        ("1972/3/9", ("1972-03-09",)),
        ("1972-03-09", ("1972-03-09",)),
        ("0000/00/00", ()),
        ("2000/02/29", ("2000-02-29",)),
        (None, ()),
    ],
)
def test_dates_as_they_come(written, births):
    assert one(date_of_birth=written).births == births


@pytest.mark.parametrize("written", ["1972/13", "1900/02/29", "12.03.1972", "72", "1972/03/09/1", "0972", "2999", True])
def test_dates_that_are_none(written):
    assert fields_at_fault(date_of_birth=written) == ["date_of_birth"]


def test_birth_dates_of_aliases_count_once_each():
    aliases = [{"name": "OLK", "date_of_birth": date} for date in ("1968/03/00", "1971", None, "1968/03")]
    assert one(date_of_birth="1968/03", aliases=aliases).births == ("1968-03", "1971")


# --- the body ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unknown", [0, 0.0, None, "None", "0", ""])
def test_unknown_height_and_weight(unknown):
    assert one(height=unknown, weight=unknown).description == Description()


def test_height_and_weight_that_are_known():
    assert one(height="1.76", weight=81).description == Description(height_m=1.76, weight_kg=81)


@pytest.mark.parametrize("height", [176, -1, "tall", True, [1.8], "nan", "1e999"])
def test_a_height_that_is_no_height(height):
    assert fields_at_fault(height=height) == ["height"]


def test_former_codes_of_hair_become_todays():
    body = one(hairs_id=["YELBD", "BROL", "BLK"], eyes_colors_id=["BROL", "BLK"]).description
    assert (body.hair, body.eyes) == (("YELB", "BLA"), ("BROL", "BLA"))


def test_an_unknown_colour_is_remarked_and_keeps_nobody_out():
    reading = read(line(hairs_id=["PINK"]))
    assert reading.notices[0].notice.description.hair == ("PINK",)
    assert [(remark.field, remark.entity_id) for remark in reading.remarks] == [("hairs_id", "2026/7000001")]


def test_all_lists_null():
    names = ("nationalities", "languages_spoken_ids", "eyes_colors_id", "hairs_id", "aliases", "identity_documents")
    notice = one(**dict.fromkeys((*names, "arrest_warrants", "purposes", "fse", "_links"), None))
    assert notice == Notice(entity_id="2026/7000001", tier="red", names=notice.names)


def test_texts_lose_their_carriage_returns():
    notice = one(arrest_warrants=[{"charge": "One \r\nTwo", "charge_translation": None}], distinguishing_marks="Scar ")
    assert (notice.charges, notice.description.marks) == (("One\nTwo",), "Scar")


@pytest.mark.parametrize(("written", "sex"), [("M", "M"), ("f", "F"), ("U", "U"), (None, "U")])
def test_sexes(written, sex):
    assert one(sex_id=written).sex == sex


def test_a_sex_that_is_none():
    assert fields_at_fault(sex_id="X") == ["sex_id"]


# --- countries and documents ---------------------------------------------------------------------------------


def test_several_nationalities_and_countries_that_are_none():
    notice = one(nationalities=["GE", "914", 916, "922", "UNK", "YU", "ge", None], country_of_birth_id="YU")
    assert notice.nationalities == ("GE", "914", "916", "922", "UNK", "YU")
    assert notice.birth_country == "YU"


@pytest.mark.parametrize("country", ["GEO", "915", "G", "Georgia"])
def test_countries_in_another_code(country):
    assert fields_at_fault(nationalities=["GE", country]) == ["nationalities[1]"]


def test_documents_of_the_subject():
    document = {"type": "Passport", "nr": " ZX 0001 ", "issuing_country_id": "GE", "citizenship_id": "GE"}
    assert one(identity_documents=[document, {"type": "Visa", "nr": None}]).documents == (
        IdentityDocument(number="ZX 0001", type="Passport", country="GE"),
    )


def test_a_document_number_that_is_none():
    assert fields_at_fault(identity_documents=[{"nr": "--/--"}]) == ["identity_documents[0].nr"]


# --- id, tier, block -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("entity_id", ["2026/99002", "2026-99002", " 2026/99002"])
def test_both_forms_of_an_id_are_one(entity_id):
    assert one(entity_id=entity_id).entity_id == "2026/99002"


@pytest.mark.parametrize("entity_id", [None, "", 7, "a b", "/x", "x" * 65])
def test_ids_that_are_none(entity_id):
    assert fields_at_fault(entity_id=entity_id) == ["entity_id"]


@pytest.mark.parametrize(
    ("fields", "tier"),
    [
        ({"notice_type": "GREEN"}, "green"),
        ({"notice_type": "un"}, "un"),
        (
            {"notice_type": None, "_links": {"self": {"href": "https://example.test/notices/v1/yellow/2026-1"}}},
            "yellow",
        ),
        ({"notice_type": None, "_links": {"self": {"href": "/notices/v1/un/2026-1/"}}}, "un"),
        ({"notice_type": "GREEN", "fse": {"programme": ["FAIL_SAFE", "RN"]}}, "rn"),
        ({"notice_type": None, "fse": {"topics": ["rn_trafficking"]}}, "rn"),
        ({"notice_type": "BLUE", "fse": {"programme": ["FAIL_SAFE"], "topics": ["other"]}}, "blue"),
    ],
)
def test_the_tier(fields, tier):
    assert one(**fields).tier == tier


@pytest.mark.parametrize("fields", [{"notice_type": "PINK"}, {"notice_type": None}, {"notice_type": "rn"}])
def test_a_notice_without_a_colour_is_a_fault(fields):
    assert len(fields_at_fault(**fields)) == 1


def test_the_block_of_the_programme():
    block = {
        "schema": 1,
        "programme": ["RN"],
        "materials": ["Cs-137", None],
        "issuer": {"ncb": "GE", "originator_ref": "X"},
        "handling": "FOR EXERCISE",
        "officer_action": ["NOTIFY_CCC", "notify_ccc"],
        "restrictions": {"deny_countries": ["MD", "UA"], "allow_countries": None},
        "published_at": "2026-03-02T02:00:00+02:00",
        "expires_at": "2031-03-02",
    }
    (entry,) = read(line(fse=block)).notices
    notice = entry.notice
    assert (notice.materials, notice.actions, notice.issuer) == (("Cs-137",), ("NOTIFY_CCC",), "GE")
    assert (notice.published_at, notice.expires_at) == ("2026-03-02T00:00:00Z", "2031-03-02T00:00:00Z")
    assert entry.restrictions == Restrictions(deny=("MD", "UA")) and not entry.restrictions.none


@pytest.mark.parametrize(
    ("restrictions", "is_open"),
    [
        (None, True),
        ({"deny_countries": [], "allow_countries": None}, True),
        ({"deny_countries": None, "allow_countries": ["GE"]}, False),
    ],
)
def test_whom_restrictions_leave(restrictions, is_open):
    (entry,) = read(line(fse={"restrictions": restrictions})).notices
    assert entry.restrictions.none is is_open


@pytest.mark.parametrize(
    "restrictions", [{"allow_countries": []}, {"allow_countries": ["GE"], "deny_countries": ["GE"]}]
)
def test_a_notice_that_nobody_may_hold_is_a_fault(restrictions):
    assert fields_at_fault(fse={"restrictions": restrictions}) == ["fse.restrictions.allow_countries"]


@pytest.mark.parametrize("block", [{"op": "withdraw"}, {"withdrawn_at": "2026-10-01T00:00:00Z"}])
def test_a_withdrawal_in_the_file(block):
    reading = read(line(fse=block, name=None, forename=None))
    assert (reading.notices, reading.withdrawn, reading.faults) == ((), ("2026/7000001",), ())


@pytest.mark.parametrize("block", [{"schema": 2}, {"op": "erase"}, {"published_at": "yesterday"}, {"materials": "Cs"}])
def test_a_block_with_a_fault(block):
    (name,) = block
    assert fields_at_fault(fse=block) == [f"fse.{name}"]


# --- listed documents ----------------------------------------------------------------------------------------

LISTED = {"number": "zx 0001", "issuing_country_id": "GE", "document_type": "Passport", "fraud_type": "stolen"}


@pytest.mark.parametrize("kind", [{}, {"kind": "listed_document"}])
def test_a_listed_document_with_and_without_its_kind(kind):
    reading = read(json.dumps({**kind, **LISTED}))
    assert reading.listed == (
        ListedDocument(number="ZX0001", issuing_country="GE", document_type="passport", fraud_type="stolen"),
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"number": None}, "number"),
        ({"number": "---"}, "number"),
        ({"issuing_country_id": None}, "issuing_country_id"),
        ({"issuing_country_id": "Georgia"}, "issuing_country_id"),
        ({"fraud_type": 3}, "fraud_type"),
    ],
)
def test_listed_documents_with_a_fault(change, field):
    assert [where for where, _ in faults(json.dumps({"kind": "listed_document", **LISTED, **change}))] == [field]


def test_the_same_number_of_two_countries_is_two_documents():
    text = "\n".join(json.dumps({**LISTED, "issuing_country_id": country}) for country in ("GE", "MD", "GE"))
    reading = read(text)
    assert [document.issuing_country for document in reading.listed] == ["GE", "MD"]
    assert [(fault.line, fault.field) for fault in reading.faults] == [(3, "number")]


def test_an_unknown_kind():
    assert fields_at_fault(kind="vehicle") == ["kind"]


# --- the file ------------------------------------------------------------------------------------------------

TWO = [{**PERSON, "entity_id": f"2026/{number}"} for number in (1, 2)]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(json.dumps, TWO)),
        "\ufeff" + "\r\n\r\n".join(map(json.dumps, TWO)) + "\r\n",
        json.dumps(TWO),
        json.dumps(TWO, indent=2),
        json.dumps({"total": 2, "_embedded": {"notices": TWO}, "_links": {}}),
        "\n".join(json.dumps({"_embedded": {"notices": [notice]}}) for notice in TWO),
    ],
)
def test_every_form_of_file(text):
    reading = read(text)
    assert [entry.notice.entity_id for entry in reading.notices] == ["2026/1", "2026/2"]
    assert reading.faults == ()


def test_a_single_object_over_many_lines():
    assert len(read(json.dumps({**PERSON, "_embedded": {"links": []}}, indent=2)).notices) == 1


def test_lines_are_counted_in_every_form_of_file():
    bad = [*TWO, {**PERSON, "sex_id": "X"}]
    as_list, as_lines = json.dumps(bad, indent=1), "\n".join(map(json.dumps, bad))
    envelope = '{"_embedded":\n {"notices": [\n' + ",\n".join(map(json.dumps, bad)) + "]}}"
    assert [read(text).faults[0].line for text in (as_list, as_lines, envelope)] == [14, 3, 5]


def test_a_broken_line_names_line_and_column_and_spares_the_others():
    text = "\n".join([json.dumps(TWO[0]), '{"entity_id": 5,, }', json.dumps(TWO[1]), "nonsense", "[1, NaN]"])
    reading = read(text)
    assert [(fault.line, fault.column) for fault in reading.faults] == [(2, 17), (4, 1), (5, None)]
    assert len(reading.notices) == 2


def test_a_broken_document_over_many_lines_is_one_fault():
    text = json.dumps(PERSON, indent=2)[:-3] + ",,}"
    (fault,) = read(text).faults
    assert fault.line == 5 and fault.column


@pytest.mark.parametrize("text", ["", "   \n ", "[", "[1, 2]", '"ZORVEKARIO"', "[" * 5000, "1" * 5000, "null"])
def test_files_that_are_none(text):
    assert faults(text)


def test_an_id_given_twice_is_a_fault_of_the_second():
    reading = read("\n".join([line(), line(entity_id="2026-7000001"), line(entity_id="2026/5")]))
    assert [(fault.line, fault.field) for fault in reading.faults] == [(2, "entity_id")]
    assert "line 1" in reading.faults[0].wrong
    assert len(reading.notices) == 2


def test_everything_of_a_line_is_checked():
    found = fields_at_fault(
        sex_id="X", date_of_birth="1972/13", height="tall", nationalities="GE", aliases=[5], notice_type="PINK"
    )
    assert sorted(found) == ["aliases[0]", "date_of_birth", "height", "nationalities", "notice_type", "sex_id"]


def test_faults_advise_and_name_nobody():
    reading = read(line(name="12345678", identity_documents=[{"nr": "№№"}], sex_id="X", nationalities=["Zorland"]))
    text = "\n".join(map(str, reading.faults))
    assert not any(secret in text for secret in ("12345678", "№", "Zorland", "LIMTUSK"))
    assert all(fault.advice and fault.entity_id == "2026/7000001" for fault in reading.faults)
    assert "line 1, notice 2026/7000001, sex_id: This is no sex" in text


def test_half_a_character_is_a_fault_and_no_crash():
    text = '{"entity_id": "2026/1", "notice_type": "RED", "name": "OLK", "summary": "\\ud800"}'
    assert faults(text) == [("summary", "It holds half of a character.")]


def test_a_field_with_a_slip_in_its_name_is_remarked():
    (remark,) = read(line(aliasses=[])).remarks
    assert (remark.field, remark.wrong) == ("aliasses", "This field is not read.")


def test_relatives_and_associates_are_not_kept():
    reading = read(line(father_name="OLKUFF", associates=[{"name": "BRAMENBY"}]))
    assert reading.remarks == ()
    assert b"OLKUFF" not in encode(reading.notices[0].notice)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
known_fields = st.sampled_from(sorted({*PERSON, *shape._READ, "kind", "number", "issuing_country_id"}))


@given(st.dictionaries(known_fields, json_values, max_size=6))
def test_no_object_is_too_odd(fields):
    """Whatever a field holds, it is a notice that can be written, or it is a fault."""
    reading = read(json.dumps({**PERSON, **fields}))
    assert len(reading.notices) + len(reading.listed) + len(reading.withdrawn) == (0 if reading.faults else 1)
    for entry in reading.notices:
        assert encode(entry.notice)


@given(st.text())
def test_no_text_is_too_odd(text):
    reading = read(text)
    assert reading.faults and not reading.notices


@given(st.lists(st.sampled_from(["good", "bad", "broken", "blank"]), min_size=2, max_size=12))
def test_each_line_stands_for_itself(kinds):
    lines = {"good": line, "bad": lambda **fields: line(sex_id="X", **fields), "broken": lambda **_: "{"}
    text = "\n".join(
        "" if kind == "blank" else lines[kind](entity_id=f"2026/{index}") for index, kind in enumerate(kinds)
    )
    if kinds.count("good") + kinds.count("bad") + kinds.count("broken") < 2:
        return
    reading = read(text)
    assert [entry.line for entry in reading.notices] == [n for n, kind in enumerate(kinds, 1) if kind == "good"]
    assert [fault.line for fault in reading.faults] == [
        n for n, kind in enumerate(kinds, 1) if kind in ("bad", "broken")
    ]


# --- outside examples ----------------------------------------------------------------------------------------


def test_the_examples_of_the_public_shape(shared):
    tiers = {}
    for name in ("envelope_list", "green_fse_record", "red_public_detail"):
        reading = read((shared / "data" / "notices" / f"{name}.json").read_text("utf-8"))
        assert (reading.faults, reading.remarks, len(reading.notices)) == ((), (), 1)
        tiers[name] = reading.notices[0].notice.tier
    assert tiers == {"envelope_list": "red", "green_fse_record": "rn", "red_public_detail": "red"}


def test_the_published_codes_are_known(shared):
    codes = json.loads((shared / "data" / "notices" / "codes.json").read_text("utf-8"))
    former = codes["hairs_id"].pop("_legacy")
    assert set(codes["hairs_id"]) == shape.HAIR and set(codes["eyes_colors_id"]) == shape.EYES
    assert {old: one(hairs_id=[old]).description.hair for old in former} == {old: (new,) for old, new in former.items()}
    assert one(nationalities=list(codes["country_special"])).nationalities == tuple(codes["country_special"])
