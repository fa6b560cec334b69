"""Names aligned, evidence added up, documents compared, grades given. All persons are invented."""

from __future__ import annotations

import bisect
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.fuzz import WRatio

from failsafe.agent.person.alignment import align
from failsafe.agent.person.index import Index
from failsafe.agent.person.likeness import MATCH_FROM, score_names
from failsafe.agent.person.matching import Traveller, compare_births, fold_number, match
from failsafe.agent.person.names import fold, forms
from failsafe.sync.records import IdentityDocument, ListedDocument, Notice, PersonName
from tests.bench.population import Population

NAMES = st.text("ABEIKMNORSTUV ", max_size=24)


class Held:
    """A mirror in memory: the same questions, the same answers."""

    def __init__(self, notices=(), listed=()):
        self.notices = {notice.entity_id: notice for notice in notices}
        self.documents = listed
        self.asked = []

    def notice(self, entity_id):
        return self.notices.get(entity_id)

    def notices_by_document(self, number):
        self.asked.append(number)
        return tuple(
            notice
            for notice in self.notices.values()
            if any(fold_number(document.number) == number for document in notice.documents)
        )

    def listed(self, number):
        self.asked.append(number)
        return tuple(document for document in self.documents if fold_number(document.number) == number)


def index_of(notices):
    return Index.build(
        (row.entity_id, notice.tier, row.tokens, row.kind, notice.births, notice.sex)
        for notice in notices
        for row in forms(notice)
    )


def judge(traveller, notices=(), listed=()):
    # A handful of names makes every token common; ordinary strangers give the rarity of a real list.
    return match(traveller, index_of([*notices, *STRANGERS]), Held(notices, listed))


STRANGERS = [
    Notice(
        entity_id=person.entity_id,
        tier="red",
        names=(PersonName(surname=person.surname, given=person.given),),
        births=(person.birth,),
    )
    for person in Population(3, surnames=800, givens=300).persons(500, "stranger/")
]
WANTED = Notice(
    entity_id="2026/7",
    tier="green",
    names=(
        PersonName(surname="Beispielovsky", given="Iwan Petrowitsch"),
        PersonName(kind="low_alias", given="Der Maler", surname=None),
    ),
    sex="M",
    births=("1975-03-14",),
    nationalities=("UA", "MD"),
    documents=(IdentityDocument(number="AB 123-4567", type="passport", country="UA"),),
)
TRAVELLER = Traveller(
    surname="BEISPIELOVSKY",
    given_names="IWAN PETROWITSCH",
    birth_date="1975-03-14",
    sex="M",
    nationality="UKR",
    document_number="ZZ9999999",
    issuing_country="UKR",
)
STOLEN = ListedDocument(number="X1234567", issuing_country="DE", document_type="passport", fraud_type="stolen")


# --- names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "candidate"),
    [
        ("Beispielovsky Iwan", "IWAN BEISPIELOVSKY"),
        ("Бейспиловский Иван", "Beyspilovsky Ivan"),
        ("Al-Testi, Mohamed", "Muhammad AL TESTI"),
        ("Abd Allah Modeli", "ABDALLAH MODELI"),
        ("O'Hypothetic Sean", "OHYPOTHETIC SEAN"),
        ("I. P. Beispielovsky", "Ivan Petrowitsch Beispielovsky"),
        ("王样本", "WANG YANGBEN"),
        ("Maria Exemplo", "Maria Conceicao Exemplo"),
    ],
)
def test_these_names_match(query, candidate):
    result = score_names(query, candidate)
    assert result.match
    assert result.score >= MATCH_FROM


@pytest.mark.parametrize(
    ("query", "candidate"),
    [
        ("Muhammad Testi", "Muhammad Probandi"),
        ("Beispielovsky Iwan", "Musterova Olga"),
        ("Ivan", "Ivan Petrowitsch Beispielovsky Der Maler"),
        ("I B", "Ivan Beispielovsky Petrowitsch Modeli"),
        ("Al", "Al Testi"),
        ("", "Ivan Beispielovsky"),
        ("123", "123"),
        ("", ""),
    ],
)
def test_these_names_do_not(query, candidate):
    assert not score_names(query, candidate).match


def test_names_that_fold_to_nothing_are_never_equal():
    for query, candidate in (("", ""), ("٣٤٥", "٣٤٥"), ("-", "-")):
        assert score_names(query, candidate).score == 0.0


def test_every_token_has_its_reason():
    reasons = score_names("Iwan Beispielovsky Extra", "Ivan Beispielovsky").reasons
    why = {(reason.query, reason.candidate): (reason.why, reason.points > 0) for reason in reasons}
    assert why == {
        ("Iwan", "Ivan"): ("the same by ear", True),
        ("Beispielovsky", "Beispielovsky"): ("the same", True),
        ("Extra", ""): ("not in the notice's name", False),
    }


def test_a_token_is_used_once():
    once, _ = align(("IVAN", "IVAN"), ("IVAN", "PETROV"))
    both, _ = align(("IVAN", "PETROV"), ("IVAN", "PETROV"))
    assert once < MATCH_FROM < both == 1.0


def test_a_name_cut_by_the_zone_matches_by_its_beginning():
    whole, part = fold("Beispielovsky Aleksandrina"), fold("Beispielovsky Alek")
    assert align(part, whole, cut=True)[0] > align(part, whole)[0]


@given(NAMES)
def test_a_name_is_like_itself_unless_it_is_nothing(name):
    assert score_names(name, name).score == pytest.approx(1.0 if fold(name) else 0.0)


@given(NAMES, NAMES)
def test_scores_are_symmetric_and_between_nothing_and_all(first, second):
    there, back = score_names(first, second).score, score_names(second, first).score
    assert 0.0 <= there <= 1.0
    assert there == pytest.approx(back, abs=0.05)  # greedy choice may break a tie another way


@given(NAMES, NAMES, st.randoms(use_true_random=False))
def test_the_order_of_tokens_changes_little(first, second, shuffler):
    tokens = list(fold(first))
    shuffler.shuffle(tokens)
    if not any(len(token) <= 4 for token in tokens):  # neighbours written as one are the exception
        straight, mixed = align(fold(first), fold(second))[0], align(tokens, fold(second))[0]
        assert mixed == pytest.approx(straight, abs=0.35)


# --- birth dates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "candidate", "points"),
    [
        ("1975-03-14", "1975-03-14", 5.5),
        ("1975-03-04", "1975-04-03", 4.0),
        ("1975-03-14", "1975-03", 3.5),
        ("1975-03-14", "1975-03-20", 2.5),
        ("1975-03-14", "1975", 2.5),
        ("1975-03-14", "1975-08-01", 0.0),
        ("1975-03-14", "1976-03-14", 2.4),
        ("1975-03-14", "1965-03-14", 1.5),
        ("1975-03-14", "1975-08-14", 1.5),
        ("1975-03-14", "1976-08-01", -0.5),
        ("1975-03-14", "1976", 0.3),
        ("1975-03-14", "1973-08-01", -1.5),
        ("1975-03-14", "1973", -1.0),
        ("1975-03-14", "1970", -2.5),
        ("1975-03-14", "1985", -3.5),
        ("1975-03-14", "1990", -5.0),
        ("1975-00-00", "1975", 2.5),
        ("1975/03/00", "1975-03", 3.5),
        ("", "1975", 0.0),
        ("unknown", "1975", 0.0),
    ],
)
def test_points_of_birth_dates(query, candidate, points):
    assert compare_births(query, candidate)[0] == points
    assert compare_births(candidate, query)[0] == points


# --- the person ------------------------------------------------------------------------------------------------


def test_name_and_birth_make_a_strong_candidate():
    finding = judge(TRAVELLER, [WANTED])
    assert finding.grade == "strong"
    (candidate,) = finding.candidates
    assert (candidate.entity_id, candidate.tier) == ("2026/7", "green")
    assert 0.9 < candidate.score <= 1.0
    fields = {reason.field: reason.why for reason in candidate.reasons}
    assert fields["birth_date"] == "the same day"
    assert fields["sex"] == "the same"
    assert fields["nationality"] == "the same"


@pytest.mark.parametrize(
    ("change", "grade"),
    [
        ({"surname": "BEYSPILOVSKIY", "given_names": "IVAN PETROVICH"}, "strong"),
        ({"surname": "IWAN PETROWITSCH", "given_names": "BEISPIELOVSKY"}, "strong"),
        ({"given_names": "IWAN"}, "strong"),
        ({"birth_date": "1975"}, "strong"),
        ({"birth_date": None}, "possible"),
        ({"birth_date": "1990-01-01"}, "possible"),
        ({"birth_date": "1990-01-01", "sex": "F", "nationality": "FRA"}, "none"),
        ({"surname": "MUSTEROVSKY"}, "none"),
        ({"surname": "MUSTEROVSKY", "given_names": "OLGA"}, "none"),
        ({"surname": "", "given_names": ""}, "none"),
        ({"surname": "123", "given_names": "-"}, "none"),
    ],
)
def test_grades(change, grade):
    assert judge(replace(TRAVELLER, **change), [WANTED]).grade == grade


def test_a_name_alone_is_never_strong():
    assert judge(replace(TRAVELLER, birth_date=None, nationality=None, sex=None), [WANTED]).grade == "possible"


def test_a_notice_without_a_birth_date_is_possible_at_most():
    undated = Notice(entity_id="2026/8", tier="blue", names=WANTED.names)
    assert judge(TRAVELLER, [undated]).grade == "possible"


def test_the_best_of_several_dates_counts():
    dated = Notice(entity_id="2026/8", tier="blue", names=WANTED.names, births=("1960", "1975-03-14"))
    (candidate,) = judge(TRAVELLER, [dated]).candidates
    assert [reason.candidate for reason in candidate.reasons if reason.field == "birth_date"] == ["1975-03-14"]


def test_the_strong_stand_first_and_the_nuclear_tier_is_told():
    nuclear = Notice(entity_id="2026/9", tier="rn", names=WANTED.names, births=("1981",))
    finding = judge(TRAVELLER, [nuclear, WANTED])
    assert [(each.entity_id, each.grade) for each in finding.candidates] == [
        ("2026/7", "strong"),
        ("2026/9", "possible"),
    ]
    assert finding.nuclear
    assert not judge(TRAVELLER, [WANTED]).nuclear


def test_a_notice_withdrawn_since_the_index_was_built_is_no_candidate_and_clears_nobody():
    """Whoever stands in its place now is not in that index."""
    finding = match(TRAVELLER, index_of([WANTED, *STRANGERS]), Held())
    assert (finding.grade, finding.overtaken) == ("none", True)
    assert not judge(TRAVELLER, [WANTED]).overtaken


def test_an_empty_mirror_finds_nobody():
    finding = match(TRAVELLER, Index.build([]), Held())
    assert (finding.grade, finding.candidates, finding.listed) == ("none", (), ())


# --- documents -------------------------------------------------------------------------------------------------


def test_the_document_of_a_subject_is_strong_whatever_name_it_bears():
    traveller = replace(TRAVELLER, surname="ANDERER", given_names="MANN", birth_date="1999-01-01", sex="F")
    finding = judge(replace(traveller, document_number="AB1234567"), [WANTED])
    assert finding.grade == "strong"
    assert finding.candidates[0].reasons[-1].why == "the same document"


@pytest.mark.parametrize(
    ("change", "grade"),
    [
        ({"issuing_country": "POL"}, "none"),
        ({"issuing_country": None}, "possible"),
        ({"number_sure": False}, "possible"),
        ({"document_number": "AB12345G7", "number_candidates": ("AB1234567", "AB12345G7")}, "possible"),
        ({"document_number": "AB12345G7"}, "none"),
        ({"document_number": "567"}, "none"),
    ],
)
def test_the_document_of_a_subject_less_surely(change, grade):
    stranger = Traveller(surname="ANDERER", given_names="MANN", document_number="AB1234567", issuing_country="UKR")
    assert judge(replace(stranger, **change), [WANTED]).grade == grade


@pytest.mark.parametrize(
    ("change", "listed"),
    [
        ({}, "sure"),
        ({"document_number": "x 123-4567"}, "sure"),
        ({"issuing_country": "DEU"}, "sure"),
        ({"issuing_country": "DE"}, "sure"),
        ({"issuing_country": "FRA"}, "none"),
        ({"issuing_country": "UNO"}, "none"),
        ({"issuing_country": None}, "unsure"),
        ({"issuing_country": "ZZZ"}, "unsure"),
        ({"number_sure": False}, "unsure"),
        ({"document_number": "X1Z34567"}, "none"),
        ({"document_number": "X1Z34567", "number_candidates": ("X1234567",)}, "unsure"),
        ({"document_number": "X1Z34567", "number_candidates": ("X1234567",), "number_sure": False}, "unsure"),
        ({"number_candidates": ("X1234567", "X12345G7")}, "sure"),
        ({"document_number": ""}, "none"),
    ],
)
def test_listed_documents_by_number_and_issuing_country(change, listed):
    traveller = Traveller(surname="EXEMPLO", given_names="ANA", document_number="X1234567", issuing_country="D")
    finding = judge(replace(traveller, **change), [], [STOLEN])
    assert finding.listed_grade == listed
    assert finding.grade == "none"  # no person belongs to a listed document


def test_a_document_of_an_organisation_is_compared_by_its_own_code():
    laissez_passer = ListedDocument(
        number="UN55555", issuing_country="UNO", document_type="passport", fraud_type="lost"
    )
    traveller = Traveller(surname="EXEMPLO", document_number="UN55555", issuing_country="UNO")
    assert judge(traveller, [], [laissez_passer]).listed_grade == "sure"
    assert judge(replace(traveller, issuing_country="UNA"), [], [laissez_passer]).listed_grade == "none"


def test_a_document_without_a_number_asks_nothing():
    held = Held([WANTED], [STOLEN])
    match(replace(TRAVELLER, document_number="<<<", number_candidates=("", "-")), index_of([WANTED]), held)
    assert held.asked == []


# --- how good it is --------------------------------------------------------------------------------------------


def area(positive, negative):
    """Area under the curve: how often a true pair scores above a false one, ties counting half."""
    ordered = sorted(negative)
    below = sum(bisect.bisect_left(ordered, score) + bisect.bisect_right(ordered, score) for score in positive)
    return below / 2 / len(positive) / len(ordered)


@pytest.fixture(scope="session")
def pairs(shared):
    lines = (shared / "data" / "names" / "dev_pairs.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_better_than_a_plain_ratio_on_the_development_pairs(pairs):
    def halves(score):
        positive = [score(pair["query"], pair["candidate"]) for pair in pairs if pair["is_match"]]
        return area(positive, [score(pair["query"], pair["candidate"]) for pair in pairs if not pair["is_match"]])

    ours = halves(lambda query, candidate: score_names(query, candidate).score)
    plain = halves(lambda query, candidate: WRatio(" ".join(fold(query)), " ".join(fold(candidate))))
    print(f"AUC {ours:.3f}, WRatio on the same folded names {plain:.3f}")
    assert ours > 0.85
    assert ours > plain + 0.04


def test_disguises_are_graded_and_innocents_are_not():
    """5,000 listed persons; 100 innocents in 100,000 is the most this provisional grading may refer."""
    population = Population(1)
    persons = population.persons(5_000)
    index = Index.build(population.rows(persons))
    held = Held(
        Notice(
            entity_id=person.entity_id,
            tier=person.tier,
            names=(PersonName(surname=person.surname, given=person.given),),
            births=(person.birth,),
            sex=person.sex,
        )
        for person in persons
    )

    def ask(person):
        return match(
            Traveller(surname=person.surname, given_names=person.given, birth_date=person.birth, sex=person.sex),
            index,
            held,
        )

    disguised = [population.disguise(person) for person in persons[:800]]
    recalled = sum(any(each.entity_id == person.entity_id for each in ask(person).candidates) for person in disguised)
    innocents = population.persons(5_000, "innocent/")
    referred = [finding.grade for finding in map(ask, innocents) if finding.grade != "none"]
    print(f"recall {recalled / len(disguised):.4f}, innocents referred {len(referred)} of {len(innocents)}")
    assert recalled >= 0.975 * len(disguised)
    assert len(referred) <= 5
    assert "strong" not in referred
