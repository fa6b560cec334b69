"""A long walk of changes: whatever is denied, lifted, withdrawn or moved, each booth holds what it may and no more."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from failsafe.sync.shape import Restrictions
from tests.countries import (
    Booth,
    Hq,
    entry,
    headquarters,  # noqa: F401 - fixtures
)

COUNTRIES = ("XA", "XB", "XC")
STEPS = 16


def restrictions(chance: random.Random) -> Restrictions:
    """None, some denied, or some allowed of whom one may be denied."""
    some = tuple(one for one in COUNTRIES if chance.random() < 0.4)
    match chance.randrange(4):
        case 0 | 1:
            return Restrictions()
        case 2:
            return Restrictions(deny=some)
        case _:
            return Restrictions(allow=some or (chance.choice(COUNTRIES),), deny=some[:1])


def may_read(given: Restrictions, country: str) -> bool:
    return country not in given.deny and (given.allow is None or country in given.allow)


@pytest.mark.parametrize("seed", range(3))
def test_each_booth_holds_what_its_country_may_read_after_every_step(hq: Hq, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    booths = [Booth(tmp_path / country, f"{country}-ONE", country, hq) for country in COUNTRIES]
    country_of = {booth.name: booth.enrolment.country for booth in booths}
    given: dict[int, Restrictions] = {0: Restrictions()}  # the base feed is never empty
    for _ in range(STEPS):
        for number in chance.sample(range(1, 12), 3):
            given[number] = restrictions(chance)
        gone = [number for number in given if number and chance.random() < 0.15]
        for number in gone:
            del given[number]
        if chance.random() < 0.15:
            mover = chance.choice(booths).name
            country_of[mover] = chance.choice([one for one in COUNTRIES if one != country_of[mover]])
            hq.register.move(mover, country_of[mover])
        hq.put_out(
            *(entry(number, one) for number, one in given.items()),
            withdrawn=tuple(f"2026/{number}" for number in gone),
            new_epoch=chance.random() < 0.1,
        )
        for booth in booths:
            if chance.random() < 0.6:  # the others were off, and follow later
                booth.follow()
                mine = country_of[booth.name]
                assert booth.holds() == {f"2026/{number}" for number, one in given.items() if may_read(one, mine)}
                booth.bring()  # as the link does when the core names other feeds than before
                strange = hq.register.strange_supplements(mine)
                assert not any(feed in name for feed in strange for name in booth.files())
