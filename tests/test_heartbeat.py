"""What a heartbeat says of the ledger, from a real one: what waits, and for how long the oldest of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from failsafe.agent import bulletin
from failsafe.sync.ledger import Ledger
from failsafe.sync.reports import HealthChange, Moment, Place
from tests.test_status import NOON, WELL

NOW = Moment(wall="2026-11-22T12:00:00.000Z", monotonic_s=60.0, trusted=True)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db", bytes(32)) as ledger:
        yield ledger


def change(number: int, wall: str) -> HealthChange:
    place = Place(booth="ZZ-TEST-01", country="ZZ", crossing_point="Invented Gate")
    at = Moment(wall=wall, monotonic_s=float(number), trusted=True)
    return HealthChange(id=f"health-{number}", at=at, place=place, part="portal-1", was="OK", now="LATE")


def test_nothing_waits(ledger: Ledger) -> None:
    beat = bulletin.heartbeat(WELL, ledger, NOW, "0")
    assert (beat.undelivered, beat.oldest_undelivered_s) == (0, None)


def test_the_oldest_that_waits_is_told(ledger: Ledger) -> None:
    ledger.append(change(1, "2026-11-22T11:59:00.000Z"))
    ledger.append(change(2, "2026-11-22T11:59:50.000Z"))
    beat = bulletin.heartbeat(replace(WELL, wall=NOON), ledger, NOW, "0")
    assert (beat.undelivered, beat.oldest_undelivered_s) == (2, 60.0)


def test_a_clock_that_was_put_back_gives_no_negative_age(ledger: Ledger) -> None:
    ledger.append(change(1, "2026-11-22T12:30:00.000Z"))
    assert bulletin.heartbeat(WELL, ledger, NOW, "0").oldest_undelivered_s == 0.0
