"""Why a candidate is one: every word once, in its own letters, how it met the other, and points that add up."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.commands.screening import Shelf, compare_names
from failsafe.agent.person import meeting, reasons
from failsafe.agent.person.likeness import score_names, score_to_odds
from failsafe.agent.person.matching import PersonFinding, Traveller, match
from failsafe.agent.person.names import fold, folds
from failsafe.agent.person.reasons import WHOLE, shared
from failsafe.agent.person.spelling import beside, plain, script, written
from failsafe.sync import envelope
from failsafe.sync.records import IdentityDocument, Notice, PersonName
from failsafe.sync.reports import MatchReason

WAYS = {
    "same": ("ZORVEKARIO", "Zorvekario", meeting.SAME),
    "marks only": ("ASA", "Åsa", meeting.SAME),
    "Arabic": ("JUSUF", "يوسف (YUSUF)", meeting.TRANSLITERATION),
    "Arabic with its article": ("ALBAHIR", "البحير (AL BAHIR)", meeting.TRANSLITERATION),
    "Arabic vowels": ("FULAN", "فلان (FALAN)", meeting.ACROSS_VOWELS),
    "Cyrillic": ("OLEKSIJ", "ОЛЕКСІЙ (OLEKSIY)", meeting.TRANSLITERATION),
    "Greek": ("FANTASIOS", "ΦΑΝΤΆΣΙΟΣ (FANTASIOS)", meeting.TRANSLITERATION),
    "Hebrew": ("DUGMAI", "דוגמאי (DOGMAI)", meeting.ACROSS_VOWELS),
    "Chinese": ("SHILI", "示例 (SHILI)", meeting.TRANSLITERATION),
    "Korean": ("SIIN", "시인 (SIIN)", meeting.TRANSLITERATION),
    "Japanese": ("MIHON", "みほん (MIHON)", meeting.TRANSLITERATION),
    "Japanese, a long vowel": ("TARO", "たろう (TAROU)", meeting.ACROSS_ONE_LETTER),
    "Devanagari": ("UDAHARAN", "उदाहरण (UDAHRN)", meeting.ACROSS_NEARLY),
    "Thai": ("SOMMOT", "สมมติ (SMMTI)", meeting.ACROSS_NEARLY),
    "one sign of Korean, a letter of its reading": ("RI", "리 (LI)", meeting.ACROSS_ONE_LETTER),
    "one word and one with a hyphen": ("준일 (JUNIL)", "Jun-il", meeting.TRANSLITERATION),
    "an umlaut as documents print it": ("MUELLER", "Müller", meeting.TRANSLITERATION),
    "by ear": ("IVAN", "Iwan", meeting.BY_EAR),
    "misread letter": ("QUILLFEATHER", "OUILLFEATHER", meeting.MISREAD),
    "two letters read as one": ("ZORNEKARIO", "Zomekario", meeting.MISREAD),
    "misread digits": ("Z0RVEKARI0", "Zorvekario", meeting.MISREAD),
    "one letter": ("HERNANDES", "Hernandez", meeting.ONE_LETTER),
    "two exchanged": ("AVNI", "Avin", meeting.EXCHANGED),
    "consonants": ("ZORVEKARA", "Zurvikaro", meeting.CONSONANTS),
    "shorter": ("ALEKSANDR", "Aleksandrina", meeting.SHORTER),
    "nearly": ("ZORVEKARIO", "Zorbekarno", meeting.NEARLY),
    "initial": ("I", "Ivan", meeting.INITIAL),
    "joined": ("MARIALUISA", "María Luisa", meeting.JOINED),
    "three joined": ("ABD AL RAHMAN", "Abdulrahman", meeting.JOINED),
    "split": ("SHI LI", "示例 (SHILI)", meeting.JOINED),
    "another language": ("JOSEPH", "Yusuf", meeting.OTHER_LANGUAGE),
}


@pytest.mark.parametrize(("query", "shown", "why"), WAYS.values(), ids=WAYS)
def test_each_way_of_meeting_is_told_with_both_words(query: str, shown: str, why: str) -> None:
    lines = score_names(f"QUEXTIL {query.split(' (')[0]}", f"Quextil {shown.split(' (')[0]}").reasons
    assert (query, shown, why) in {(one.query, one.candidate, one.why) for one in lines}


def test_every_way_of_meeting_has_its_example() -> None:
    constants = {value for name, value in vars(meeting).items() if name.isupper() and isinstance(value, str)}
    assert constants - {meeting.CUT} == {why for _, _, why in WAYS.values()}


def test_a_word_that_cannot_be_parted_stands_in_one_line() -> None:
    lines = score_names("عبدالرحمان زاهد", "ABDUL RAHMAN ZAHED").reasons
    assert ("عبدالرحمان (ABDUL RAHMAN)", "ABDUL RAHMAN", meeting.JOINED) in {
        (one.query, one.candidate, one.why) for one in lines
    }
    (left,) = (one for one in score_names("عبدالرحمان زاهد", "RAHMAN ZAHED").reasons if not one.candidate)
    assert left.query == "ABDUL"


def test_what_is_left_over_is_told_on_its_side() -> None:
    lines = score_names("ZORVEKARIO IVAN EXTRA", "Zorvekario Petrowitsch de Iwan").reasons
    assert ("EXTRA", "", reasons.NOT_IN_NOTICE) in {(one.query, one.candidate, one.why) for one in lines}
    assert ("", "Petrowitsch de", reasons.NOT_IN_DOCUMENT) in {(one.query, one.candidate, one.why) for one in lines}


# --- every word once, and points that add up -----------------------------------------------------------------

SCRIPTS = st.sampled_from(
    [
        *("ZORVEKARIO IVAN", "Åsa O'Hara-Bjørk", "de la Quextil y Zorve", "Müller-Groß", "A. B. Zyx", "Z0RVE IVAN"),
        *("يوسف البحير", "عبد الرحمن بن خالد", "Кузнецов Алексей Иванович", "ΔΟΚΙΜΑΣΤΌΠΟΥΛΟΣ ΦΑΝΤΆΣΙΟΣ"),
        *(
            "范示例",
            "范 示例",
            "예시인",
            "見本 太郎",
            "みほん たろう",
            "ตัวอย่างสกุล สมมติ",
            "उदाहरण काल्पनिक",
            "דוגמאי בדיון",
        ),
    ]
)


def letters(text: str) -> Counter[str]:
    """Letters without their marks, however they are spaced and written."""
    return Counter(one for one in unicodedata.normalize("NFKC", text) if unicodedata.category(one)[0] in "LN")


def own(line: str) -> str:
    """What stands before the reading."""
    return re.sub(r" \([^()]*\)$", "", line)


@given(SCRIPTS, SCRIPTS)
def test_every_word_of_both_names_stands_in_one_line(query: str, candidate: str) -> None:
    lines = score_names(query, candidate).reasons
    assert letters("".join(own(one.query) for one in lines)) == letters(query)
    assert letters("".join(own(one.candidate) for one in lines)) == letters(candidate)


ANYTHING = st.text(min_size=0, max_size=30)


@given(SCRIPTS | ANYTHING, SCRIPTS | ANYTHING)
def test_points_of_all_lines_are_the_odds_of_the_score(query: str, candidate: str) -> None:
    scored = score_names(query, candidate)
    total = sum(one.points for one in scored.reasons)
    assert not scored.reasons or total == pytest.approx(score_to_odds(scored.score), abs=0.006)
    assert [one for one in scored.reasons if not one.query and not one.candidate] == []


@given(SCRIPTS | ANYTHING)
def test_a_word_knows_where_it_stands_or_says_so(text: str) -> None:
    for form in folds(text):
        found = written(text, form)
        assert len(found.spans) in (0, len(form))
        assert all(0 <= begin < end <= len(found.text) for begin, end in found.spans)
        assert found.word(range(len(form))) or not form


WEIGHTS = st.lists(st.floats(0.05, 5.0), max_size=6)


@given(st.floats(-20.0, 20.0), WEIGHTS, WEIGHTS)
def test_points_are_shared_whole_and_what_is_left_over_never_speaks_for_it(
    points: float, met: list[float], left: list[float]
) -> None:
    parts = shared(points, met, left)
    assert len(parts) == len(met) + len(left)
    if parts:
        assert sum(parts) == pytest.approx(points, abs=0.006)
    if met and left:
        assert all(part >= -0.06 for part in parts[: len(met)])  # a hundredth a line is rounding's
        assert all(part <= 0.06 for part in parts[len(met) :]) or (points > 0 and not met)


def test_names_keep_the_shape_that_others_read() -> None:
    answer = compare_names("JUSUF ALBAHIR", "يوسف البحير")
    assert [list(one) for one in answer["reasons"]] == [["query", "candidate", "why", "points"]] * 2


# --- how a name stands beside itself in other letters --------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Åsa O'Hara-Bjørk", ["Åsa", "O'Hara", "Bjørk"]),
        ("عبد السيد", ["عبد", "ال", "سيد"]),
        ("范示例", ["范", "示例"]),
        ("김철수", ["김", "철수"]),
        ("ЗОРВЕ, (Иван)", ["ЗОРВЕ", "Иван"]),
        ("สมมติ ตัวอย่าง", ["สมมติ", "ตัวอย่าง"]),
    ],
)
def test_each_token_has_its_word(text: str, words: list[str]) -> None:
    found = written(text, fold(text))
    assert [found.word([place]) for place in range(len(found.tokens))] == words


def test_a_name_that_cannot_be_traced_stands_as_it_was_compared() -> None:
    assert written("Ivan", ("OLGA",)).shown([0]) == "OLGA"


def test_a_reading_stands_only_where_the_word_does_not_show_it() -> None:
    assert beside("Ivan", "IVAN") == "Ivan"
    assert beside("O'Hara", "OHARA") == "O'Hara"
    assert beside("Иван", "IVAN") == "Иван (IVAN)"
    assert plain("Ça-va") == "CA VA"
    assert [script(word) for word in ("Ivan", "Иван", "يوسف", "示例", "-")] == [
        "LATIN",
        "CYRILLIC",
        "ARABIC",
        "CJK",
        "",
    ]


def test_arabic_is_read_as_it_sounds_and_not_letter_by_letter() -> None:
    assert written("عبد الرحمن", ("EBD", "ALRXHMN")).shown([0, 1]) == "عبد الرحمن (ABD AL RAHMAN)"


# --- the whole candidate -------------------------------------------------------------------------------------

SUBJECT = Notice(
    entity_id="2026/7",
    tier="green",
    names=(
        PersonName(surname="Al Bahir", given="Yusuf"),
        PersonName(surname="البحير", given="يوسف", original_script=True),
        PersonName(kind="low_alias", surname="Zorvekario", given="Quextil"),
    ),
    births=("1975-03-14",),
    sex="M",
    nationalities=("IQ",),
    documents=(IdentityDocument(number="AB1234567", country="IQ"),),
)
LONG = Notice(
    entity_id="2026/7",
    tier="green",
    names=(PersonName(surname="Zorvekariopoulos", given="Quextilander"),),
    births=("1975-03-14",),
)
STRANGERS = tuple(
    Notice(
        entity_id=f"2026/{90 + number}",
        tier="red",
        names=(PersonName(surname=f"Muster{'abcdefghij'[number]}o", given="Olga"),),
        births=("1950",),
    )
    for number in range(10)
)
TRAVELLER = Traveller(
    surname="ALBAHIR",
    given_names="JUSUF",
    birth_date="1975-03-14",
    sex="M",
    nationality="IRQ",
    document_number="ZZ9999999",
    issuing_country="IRQ",
)


def found(traveller: Traveller, *notices: Notice) -> PersonFinding:
    shelf = Shelf((*notices, *STRANGERS), ())
    return match(traveller, shelf.index, shelf)


def lines_of(traveller: Traveller, *notices: Notice) -> dict[tuple[str, str], MatchReason]:
    candidate = found(traveller, *notices).candidates[0]
    assert candidate.entity_id == "2026/7"
    return {(one.query, one.candidate): one for one in candidate.reasons}


def test_a_latin_name_of_the_notice_stands_behind_its_own_script() -> None:
    lines = lines_of(TRAVELLER, SUBJECT)
    assert lines["JUSUF", "يوسف (Yusuf)"].why == meeting.TRANSLITERATION
    assert lines["ALBAHIR", "البحير (Al Bahir)"].why in (meeting.TRANSLITERATION, meeting.JOINED)
    whole = lines["ALBAHIR, JUSUF", "البحير, يوسف (Al Bahir, Yusuf)"]
    assert (whole.field, whole.why.split(". ")[0]) == (WHOLE, "The notice's name")


def test_equal_latin_letters_are_the_same_whatever_the_notice_s_script() -> None:
    lines = lines_of(replace(TRAVELLER, surname="AL BAHIR", given_names="YUSUF"), SUBJECT)
    assert lines["YUSUF", "يوسف (Yusuf)"].why == meeting.SAME


def test_a_notice_that_has_only_its_own_script_is_read_in_latin() -> None:
    notice = Notice(entity_id="2026/7", tier="green", names=SUBJECT.names[1:2], births=SUBJECT.births)
    lines = lines_of(TRAVELLER, notice)
    assert lines["JUSUF", "يوسف (YUSUF)"].why == meeting.TRANSLITERATION


def test_it_is_said_which_of_the_names_it_was() -> None:
    traveller = replace(TRAVELLER, surname="ZORVEKARIO", given_names="QUEXTIL")
    whole = lines_of(traveller, SUBJECT)["ZORVEKARIO, QUEXTIL", "Zorvekario, Quextil"]
    assert whole.why.startswith("An alias of low quality. ")


def test_a_name_that_the_zone_had_no_room_for_is_said_to_be_cut() -> None:
    traveller = replace(TRAVELLER, surname="ZORVEKARIOPOULOS", given_names="QUEXTI", name_cut=True)
    assert lines_of(traveller, LONG)["QUEXTI", "Quextilander"].why == meeting.CUT


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"surname": "ALBAHIR BIN EXTRA"},
        {"surname": "ZORVEKARIO", "given_names": "QUEXTIL"},
        {"birth_date": "1999-01-01", "sex": "F", "surname": "AL BAHIR", "given_names": "YUSUF"},
        {"birth_date": "1976", "nationality": "FRA"},
        {"document_number": "AB1234567"},
        {"document_number": "AB1234567", "surname": "ANDERER", "given_names": "MANN"},
        {"document_number": "AB1234567", "surname": "ANDERER", "birth_date": "1999-01-01", "sex": "F"},
        {"document_number": "AB1234567", "surname": "", "given_names": ""},
    ],
    ids=str,
)
def test_points_of_all_lines_make_the_score(change: dict[str, str]) -> None:
    nuclear = Notice(entity_id="2026/7", tier="rn", names=SUBJECT.names, births=SUBJECT.births, sex="M",
                     nationalities=("IQ",), documents=SUBJECT.documents)  # fmt: skip
    for candidate in found(replace(TRAVELLER, **change), nuclear).candidates:
        total = sum(one.points for one in candidate.reasons)
        assert 1.0 / (1.0 + math.exp(3.5 - total)) == pytest.approx(candidate.score, abs=0.004)


def test_a_paper_of_the_subject_s_is_not_outweighed_and_it_is_said() -> None:
    traveller = replace(TRAVELLER, surname="ANDERER", given_names="MANN", birth_date="1999-01-01", sex="F")
    (candidate,) = found(replace(traveller, document_number="AB1234567"), SUBJECT).candidates
    told = {one.why: one.points for one in candidate.reasons}
    against = sum(points for points in told.values() if points < 0.0)
    assert told[reasons.NOT_ALIKE] == 0.0
    assert told[reasons.PAPER] == pytest.approx(-(against + told["the same"]), abs=0.011)
    assert candidate.reasons[-1].why == "the same document"


def test_ten_candidates_with_endless_names_fit_into_an_alert() -> None:
    latin = " ".join(f"Zorvekariopoulos{chr(97 + place % 26)}" for place in range(40))
    own = " ".join(f"Зорвекариопулос{chr(0x430 + place % 26)}" for place in range(40))
    names = (PersonName(surname=latin, given="Q"), PersonName(surname=own, original_script=True))
    endless = [Notice(entity_id=f"2026/{n}", tier="rn", names=names, births=("1975-03-14",)) for n in range(12)]
    candidates = found(replace(TRAVELLER, surname=latin, given_names="Q"), *endless).candidates
    assert len(candidates) == 10 and len(msgspec.json.encode(candidates)) < envelope.SIZES[-1] * 0.75
    assert reasons.FURTHER in {one.why for one in candidates[0].reasons}
    assert sum(one.points for one in candidates[0].reasons) > 3.5


def test_an_older_state_of_a_notice_still_gives_words() -> None:
    held = reasons.held_name(SUBJECT, reasons.NameRow("2026/7", "GONE SINCE", "main"))
    assert (held.whole, held.shown([0])) == ("GONE SINCE", "GONE")
