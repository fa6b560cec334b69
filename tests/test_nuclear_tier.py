"""Every name of the nuclear tier is looked at, also one that shares no token with the traveller's. Invented persons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from failsafe.agent.person.index import Index
from failsafe.agent.person.matching import Traveller, match
from failsafe.agent.person.names import fold, forms
from failsafe.agent.person.nuclear_tier import MOST_NUCLEAR, NuclearTier
from failsafe.agent.person.segment import NoticeName, Segment
from failsafe.sync.records import Notice, PersonName
from tests.bench.population import Population

STRANGERS = [
    Notice(
        entity_id=one.entity_id,
        tier="red",
        names=(PersonName(surname=one.surname, given=one.given),),
        births=(one.birth,),
    )
    for one in Population(3, surnames=800, givens=300).persons(500, "stranger/")
]


def wanted(surname, given, tier="rn", birth="1975-03-14", entity_id="2026/7"):
    return Notice(
        entity_id=entity_id, tier=tier, names=(PersonName(surname=surname, given=given),), sex="M", births=(birth,)
    )


def rows(notices):
    for notice in notices:
        for row in forms(notice):
            yield notice.entity_id, notice.tier, row.tokens, row.kind, notice.births, notice.sex


class Held:
    def __init__(self, notices):
        self.notices = {notice.entity_id: notice for notice in notices}

    def notice(self, entity_id):
        return self.notices.get(entity_id)

    def notices_by_document(self, number):
        return ()

    def listed(self, number):
        return ()


def asked(surname, given, birth="1975-03-14"):
    return Traveller(surname=surname, given_names=given, birth_date=birth, sex="M")


# Of each pair the second is what somebody made of the first: every token has been changed by more than one letter.
DISGUISES = [
    (("Galusk", "Miroz"), ("Kalusg", "Mirutsch")),
    (("Vlikou", "Trepax"), ("Fligu", "Drepas")),
    (("Galuska", "Miroz"), ("Kalusgas", "Mirutsch")),
]


@pytest.mark.parametrize(("written", "shown"), DISGUISES)
def test_a_name_disguised_in_each_token_is_found_in_the_nuclear_tier(written, shown):
    notice = wanted(*written)
    index = Index.build(rows([notice, *STRANGERS]))
    found = {each.name.entity_id for each in index.search(fold(" ".join(shown)))}
    assert notice.entity_id not in found  # nothing that the index goes by is left
    finding = match(asked(*shown), index, Held([notice, *STRANGERS]))
    assert [candidate.entity_id for candidate in finding.candidates] == [notice.entity_id]
    assert finding.nuclear


@pytest.mark.parametrize(("written", "shown"), DISGUISES)
def test_other_tiers_are_found_as_before(written, shown):
    notice = wanted(*written, tier="red")
    index = Index.build(rows([notice, *STRANGERS]))
    assert len(index.nuclear) == 0
    assert match(asked(*shown), index, Held([notice, *STRANGERS])).grade == "none"


def test_strangers_do_not_become_candidates_of_the_tier():
    listed = [
        wanted(one.surname, one.given, birth=one.birth, entity_id=one.entity_id)
        for one in Population(9, surnames=900, givens=300).persons(300)
    ]
    index, held = Index.build(rows([*listed, *STRANGERS])), Held(listed)
    come = Population(10, surnames=900, givens=300).persons(200, "innocent/")
    referred = sum(match(asked(one.surname, one.given, one.birth), index, held).nuclear for one in come)
    assert referred <= 2


def test_a_nuclear_notice_that_came_with_a_delta_is_looked_at_and_one_that_went_is_not():
    old, new = wanted("Zorvek", "Brama"), wanted("Dubronik", "Teofan", entity_id="2026/8")
    main = Segment.build(enumerate(rows([old, *STRANGERS]), start=1))
    recent = Segment.build([(9_999, row) for row in rows([new])], beside=main)
    gone = np.zeros(len(main.number), np.bool_)
    gone[0] = True
    tier = Index(main, recent, gone).nuclear
    assert {name.entity_id for name in tier.nearest(("TUPRANIG", "DEOVAM"))} == {"2026/8"}
    assert not tier.nearest(("ZORVEK", "BRAMA"))
    assert {name.entity_id for name in Index(main).nuclear.nearest(("ZORVEK", "BRAMA"))} == {"2026/7"}


# --- what meets --------------------------------------------------------------------------------------------------


def tier_of(*names):
    return NuclearTier(
        NoticeName(f"2026/{number}", "rn", tuple(tokens.split()), "main", ("1975-03-14",), "M")
        for number, tokens in enumerate(names)
    )


@pytest.mark.parametrize(
    ("held", "shown"),
    [
        ("ABDEL RAHMAN QALBAT", "ABDELRAHMAN QALBAT"),
        ("ABDELRAHMAN QALBAT", "QALBAT ABDEL RAHMAN"),
        ("ZORVEK BRAMA", "BRAMA ZORVEK"),
        ("ZORVEK BRAMA", "ZORVEK B"),
        ("Z BRAMA", "ZORVEK BRAMA"),
        ("SHCHERBAK ZHUMTSEB", "SCERBAK JUMZEB"),
        ("TSEBZHUM ALI REZA", "TSEBZHUMALIREZA"),
    ],
)
def test_order_joining_initials_and_sound_meet(held, shown):
    tier = tier_of("LIMTUSK FENU", held, "GLOBPIR CHUZ")
    assert tier.nearest(tuple(shown.split()))[0].entity_id == "2026/1"


def test_a_zone_without_room_meets_the_longer_name():
    tier = tier_of("GOLDROMUZENKO KHLIUTSEB")
    assert tier.nearest(("GOLDROMUZ", "K"), cut=True)
    assert not tier.nearest(("GOLD", "X"))


def test_a_date_of_birth_orders_namesakes():
    one = NoticeName("2026/1", "rn", ("ZORVEK", "BRAMA"), "main", ("1950-01-01",), "M")
    other = replace(one, entity_id="2026/2", births=("1975-03-14",))
    assert [name.entity_id for name in NuclearTier([one, other]).nearest(one.tokens, "1975-03-14")] == [
        "2026/2",
        "2026/1",
    ]


def test_nobody_is_near_to_nothing_and_only_so_many_are_named():
    assert not tier_of("ZORVEK BRAMA").nearest(())
    assert not NuclearTier([]).nearest(("ZORVEK",))
    assert len(tier_of(*["ZORVEK BRAMA"] * (MOST_NUCLEAR + 5)).nearest(("ZORVEK", "BRAMA"))) == MOST_NUCLEAR
