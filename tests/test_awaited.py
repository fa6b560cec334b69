"""A supplement that is this booth's and not yet in the spool: the core asks for it, and takes all once it is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from failsafe.agent.knowledge import Knowledge
from failsafe.agent.notices import Edition, News
from failsafe.agent.person.index import Index
from failsafe.hq.feeds import publish
from failsafe.sync.errors import Awaited, Missing
from failsafe.sync.feed import Floor
from failsafe.sync.shape import Restrictions
from failsafe.sync.spool import Spool
from tests.publishing import now
from tests.test_notices import House, entry, found

FIRST, SECOND = "base-000000000001", "base-000000000002"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.end()
    made.register.close()


def test_what_is_awaited_is_taken_when_it_comes_without_another_timestamp(house: House) -> None:
    hidden = replace(entry(2, "IMAGINARIEVA"), restrictions=Restrictions(deny=("XQ",)))
    house.register.take([entry(1), hidden])
    publish.publish(house.register, house.desk.repository, now=now())
    house.carry()
    house.begin()
    told = house.hear()
    assert isinstance(told.refusal, Awaited) and told.edition is None
    (own,) = told.refusal.feeds
    public, spool = house.desk.spool, Spool(house.spool)
    for name in public.names(f"targets/feed/{own}/"):
        spool.write(name, public.read(name, 2**20))
    while (told := house.hear()).refusal is not None:
        assert isinstance(told.refusal, Missing), "seen between its first file and its last"
    edition = told.edition
    assert edition is not None and edition.supplements == (own,) and edition.holds(("base",))
    assert {state.feed for state in edition.feeds()} == {"base", own}
    assert found(edition, "IMAGINARIEVA") == {"2026/2"}


def test_an_edition_without_its_supplement_clears_nobody() -> None:
    floors = {"base": Floor("l", 1, 5), FIRST: Floor("l", 1, 0)}
    whole = Edition(Index.build(()), floors, supplements=(FIRST,))
    assert whole.holds(("base",)), "a supplement may be empty"
    assert not replace(whole, floors={"base": floors["base"]}).holds(("base",))


def test_the_link_is_told_what_is_ours_and_people_only_when_it_stays_away(house: House) -> None:
    knowledge = Knowledge(house.configuration, house.keys, lambda task: None)
    knowledge.edition = Edition(Index.build(()), supplements=(FIRST,))
    assert knowledge.feeds() == ("base", FIRST)
    refused = News(refusal=Awaited("It is not there.", (FIRST, SECOND)))
    knowledge._on_news(refused)
    assert knowledge.feeds() == ("base", FIRST, SECOND) and knowledge.refusal is None
    knowledge._on_news(News(refusal=Missing("A file is not there.")))
    assert knowledge.feeds() == ("base", FIRST, SECOND) and isinstance(knowledge.refusal, Missing)
    knowledge._on_news(refused)
    assert knowledge.refusal is refused.refusal
