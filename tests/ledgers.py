"""Ledgers on real files, and invented records for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from failsafe.sync.feed import Floor
from failsafe.sync.ledger import Ledger
from failsafe.sync.reports import (
    Alert,
    FeedState,
    Finding,
    HealthChange,
    Measurement,
    Moment,
    PersonAsRead,
    Place,
    RadiationSummary,
    SearchLine,
)

KEY = bytes(range(64, 96))
PLACE = Place(booth="ZZ-TEST-1", country="ZZ", crossing_point="Quillbridge", lane="L1")
PERSON = PersonAsRead(source="zone", surname="QUILLFEATHER", given="ZZYZXBERT", zone=("P<UTOQUILLFEATHER",))
FLOOR = Floor("first", 7, 100, 3)


def moment(second: int) -> Moment:
    return Moment(wall=f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z", monotonic_s=float(second), trusted=True)


def alert(number: int, urgency: str = "routine", **more) -> Alert:
    return Alert(
        id=f"alert-{number}",
        kind="notice_hit",
        urgency=urgency,
        at=moment(number),
        place=PLACE,
        verdict="STOP",
        crossing=f"crossing-{number}",
        person=PERSON,
        **more,
    )


def health(number: int) -> HealthChange:
    return HealthChange(id=f"health-{number}", at=moment(number), place=PLACE, part="portal", was="OK", now="LATE")


def measurement(number: int, *alerts: str, document: bytes = b"compressed") -> Measurement:
    return Measurement(
        id=f"measurement-{number}",
        at=moment(number),
        place=PLACE,
        alerts=alerts,
        radiation=RadiationSummary(detector="portal-1", health="OK"),
        size=len(document),
        document=document,
    )


def finding(number: int, *alerts: str, text: str = "Papers and face agree; the notice is another's.") -> Finding:
    return Finding(id=f"finding-{number}", at=moment(number), place=PLACE, alerts=alerts, text=text)


def search(number: int) -> SearchLine:
    states = (FeedState(feed="base", lineage="first", serial=number),)
    return SearchLine(at=moment(number).wall, lane="L1", shift="early", mirror=states, verdict="CLEAR")


@pytest.fixture(name="path")
def path_of_ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture(name="ledger")
def new_ledger(path: Path) -> Iterator[Ledger]:
    with Ledger.open(path, KEY) as ledger:
        yield ledger


def fill(ledger: Ledger) -> None:
    """One record of each kind, and a second alert: numbers 1 to 6."""
    ledger.append(alert(1))
    ledger.log_search(search(2))
    ledger.append(health(3))
    ledger.note_setting("2026-01-01T00:00:04Z", "L1", "portal-1 (tsa)")
    ledger.note_floor("base", FLOOR)
    ledger.append(alert(6))
