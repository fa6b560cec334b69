"""Names of many scripts folded, squashed, and the forms under which a notice is found. All persons are invented."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.person import countries
from failsafe.agent.person.names import consonants, fold, folds, forms, skeleton, squash, squash_all
from failsafe.sync.records import Notice, PersonName

TOKENS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Åsa O'Hara-Bjørk", ("ASA", "OHARA", "BJORK")),
        ("VAN DER BEISPIEL", ("VAN", "DER", "BEISPIEL")),
        ("Müßter, Jo\u0301zef", ("MUSSTER", "JOZEF")),
        ("Ｔｅｓｔｏｖ", ("TESTOV",)),
        ("D’Exemplo", ("DEXEMPLO",)),
        ("TESTOV<<IVAN<<<<", ("TESTOV", "IVAN")),
        ("Agent 007 Smithovsky", ("AGENT", "SMITHOVSKY")),
        ("Щукарёв Объедкин", ("SHCHUKAREV", "OBIEEDKIN")),
        ("Образцова Ольга", ("OBRAZTSOVA", "OLGA")),
        ("بن المثال", ("BN", "AL", "MTHL")),
        ("김보기", ("GIM", "BOGI")),
        ("김 보기", ("GIM", "BOGI")),
        ("王样本", ("WANG", "YANGBEN")),
        ("Παράδειγμα", ("PARADEIGMA",)),
    ],
)
def test_fold(text, tokens):
    assert fold(text) == tokens


@pytest.mark.parametrize("text", ["", "   ", "123", "<<<<", "-", "'’ʼ", "\u0000", "\U0001f600"[:0], "٣٤٥"])
def test_what_folds_to_nothing(text):
    assert fold(text) == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("KHRUSTOV", "HRUSTOV"),
        ("SHCHUKOV", "SCHUKOV"),
        ("YURIY", "IURII"),
        ("WALENTYN", "VALENTIN"),
        ("MUHAMMAD", "MUHAMAD"),
        ("PHILIPPOS", "FILIPOS"),
        ("CHERNIKH", "TSCHERNIKH"),
        ("SADDIQ", "SADIK"),
        ("ZHENYA", "ZENIA"),
        ("DJAMAL", "JAMAL"),
        ("YOUSSEF", "YUSEF"),
        ("MUELLEROV", "MULLEROV"),
        ("ABDULLAH", "ABDULLA"),
        ("ALEXEY", "ALEKSEI"),
    ],
)
def test_spellings_of_one_sound_meet(first, second):
    assert squash(first) == squash(second)


@pytest.mark.parametrize(
    ("first", "second"), [("IVANOV", "IVANENKO"), ("TESTOV", "TESTIN"), ("ANNA", "HANA"), ("MARAT", "MURAT")]
)
def test_different_names_stay_different(first, second):
    assert squash(first) != squash(second)


@pytest.mark.parametrize(
    ("written", "vowelless"),
    [("MOHAMMED", "محمد"), ("OMAR", "عمر"), ("IBRAHIM", "ابراهیم"), ("BINYAMIN", "בנימין"), ("MUSTAFA", "مصطفى")],
)
def test_scripts_without_vowels_meet_by_their_consonants(written, vowelless):
    (token,) = fold(vowelless)
    assert skeleton(written) == skeleton(token)


@given(st.text(max_size=60))
def test_folded_tokens_are_capital_letters_and_folding_twice_is_folding_once(text):
    tokens = fold(text)
    assert all(re.fullmatch("[A-Z]+", token) for token in tokens)
    assert fold(" ".join(tokens)) == tokens


@given(TOKENS)
def test_squashed_tokens_are_never_empty_nor_much_longer(token):
    assert re.fullmatch("[A-Z]+", squash(token))
    assert len(squash(token)) <= 2 * len(token)
    assert skeleton(token) == consonants(squash(token))


@given(TOKENS, st.integers(0, 11))
def test_a_doubled_letter_changes_nothing_of_a_single_sound(token, place):
    letter = token[place % len(token)]
    if letter in "LMNR":  # no digraph has these, so doubling makes none
        doubled = token.replace(letter, letter * 2)
        assert squash(doubled) == squash(token)


def test_a_text_that_is_no_name_stays_bounded():
    assert len(fold("ab " * 100_000)) == 40


# --- the ways documents print a name --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("Григорій Щерба", ("HRYHORII", "SHCHERBA")),
        ("Григорий Щерба", ("GRIGORII", "SHTERBA")),
        ("Ђорђе Примеровић", ("DORDE", "PRIMEROVIC")),
        ("حسن المثال", ("XHSN", "ALMXTHAL")),
        ("Μπάμπης Ψευδώνυμος", ("BAMPIS", "PSEVDONYMOS")),
        ("Åse Müßter", ("AASE", "MUESSTER")),
        ("חיים כהן", ("CHYYM", "CHHN")),
    ],
)
def test_a_name_in_its_own_script_has_the_form_of_the_zone(written, printed):
    found = folds(written)
    assert printed in found
    assert found[0] == fold(written)


def test_ways_that_sound_alike_are_kept_once():
    assert folds("Иванов") == (("IVANOV",),)
    assert folds("ERIKSSON ANNA") == (("ERIKSSON", "ANNA"),)
    assert folds("...") == ()


@pytest.mark.parametrize(("printed", "plain"), [("MUXXLLER", "MULLER"), ("PENXXA", "PENA"), ("XKHALD", "KHALD")])
def test_the_escapes_of_zones_sound_as_their_letters(printed, plain):
    assert squash(printed) == squash(plain)


@given(st.text(max_size=40))
def test_every_form_of_any_text_is_folded_and_stands_once(text):
    found = folds(text)
    assert len(set(found)) == len(found) <= 14
    assert all(re.fullmatch("[A-Z]+", token) for form in found for token in form)


# --- forms of a notice -----------------------------------------------------------------------------------------


def notice(*names):
    return Notice(entity_id="2026/1", tier="green", names=names)


def test_every_name_gives_a_form_of_its_kind():
    rows = list(
        forms(
            notice(
                PersonName(surname="Beispielov", given="Iwan"),
                PersonName(surname="Бейспилов", given="Иван", original_script=True),
                PersonName(kind="low_alias", surname=None, given="Der Maler"),
            )
        )
    )
    assert [(row.entity_id, row.tokens, row.kind) for row in rows] == [
        ("2026/1", "BEISPIELOV IWAN", "main"),
        ("2026/1", "BEYSPILOV IVAN", "main"),  # by ear
        ("2026/1", "BEISPILOV IVAN", "main"),  # as the zone prints it
        ("2026/1", "DER MALER", "low_alias"),
    ]


def test_a_form_comes_once_and_an_empty_name_never():
    rows = list(
        forms(
            notice(
                PersonName(surname="Exemplo", given="Ana"),
                PersonName(kind="good_alias", surname="EXEMPLO", given="ANA"),
                PersonName(surname=None, given="-"),
                PersonName(surname="12", given=None),
            )
        )
    )
    assert [row.tokens for row in rows] == ["EXEMPLO ANA"]


def test_a_notice_whose_names_fold_to_nothing_has_no_form():
    assert list(forms(notice(PersonName(surname="-", given=None)))) == []


# --- countries -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "two"),
    [
        ("D", "DE"),
        ("D<<", "DE"),
        ("GBR", "GB"),
        ("GBD", "GB"),
        ("GBN", "GB"),
        ("RKS", "XK"),
        ("XXK", "XK"),
        ("UTO", None),
        ("UNO", None),
        ("XXA", None),
        ("XPO", None),
        ("914", None),
        ("YU", None),
        ("fr", "FR"),
        ("XK", "XK"),
        ("", None),
        (None, None),
        ("ZZZ", None),
    ],
)
def test_countries_of_documents_in_two_letters(code, two):
    assert countries.alpha_2(code) == two


@pytest.mark.parametrize(("two", "three"), [("DE", "DEU"), ("gb", "GBR"), ("XK", "RKS"), ("ZZ", None), (None, None)])
def test_countries_in_three_letters(two, three):
    assert countries.alpha_3(two) == three


def test_both_ways_agree_for_every_country():
    for two in {
        countries.alpha_2(f"{a}{b}") for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    }:
        if two is not None:
            assert countries.alpha_2(countries.alpha_3(two)) == two


def test_there_are_as_many_countries_as_the_standard_has():
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    known = {f"{a}{b}" for a in letters for b in letters if countries.alpha_3(f"{a}{b}")}
    assert len(known) == 250  # ISO 3166-1 has 249, and Kosovo


@given(st.text(st.characters(max_codepoint=127), max_size=40))
def test_plain_letters_fold_as_letters_of_every_script_do(text):
    """A sign that is nothing takes the text the long way."""
    assert fold(text) == fold(f"{text} \u00b7") and folds(text) == folds(f"{text} \u00b7")


@given(st.lists(st.text("ACDEHIKNSTUXYZ", min_size=1, max_size=8), max_size=8))
def test_many_are_squashed_as_each_is(tokens):
    assert squash_all(tokens) == [squash(token) for token in tokens]
    lines = "\n".join(map(squash, tokens))
    assert consonants(lines).split("\n") == ([skeleton(token) for token in tokens] or [""])
