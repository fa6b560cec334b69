"""What of a ledger is on its way: what waits for a receipt, findings, measurements, receipts of purges."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from failsafe.sync import ledger as ledgers
from failsafe.sync import ledger_post, ledger_tables
from failsafe.sync.errors import Malformed, StoreDamaged
from failsafe.sync.ledger import Kept, Ledger, Undelivered, Waiting
from failsafe.sync.records import HqKeys, SealPublic
from failsafe.sync.reports import (
    PurgeReceipt,
)
from failsafe.sync.store import Migrations, Store
from tests.ledgers import (
    KEY,
    PLACE,
    alert,
    fill,
    finding,
    health,
    measurement,
    moment,
    new_ledger,  # noqa: F401 - a fixture
    path_of_ledger,  # noqa: F401 - a fixture
)

# --- delivery ----------------------------------------------------------------------------------------------------


def test_what_has_no_receipt_is_counted_with_its_oldest(ledger: Ledger) -> None:
    fill(ledger)
    assert ledger.undelivered() == Undelivered(3, moment(1).wall)
    assert ledger.undelivered(only_alerts=True) == Undelivered(2, moment(1).wall)
    ledger.mark_delivered("alert-1", b"receipt", "2026-01-02T00:00:00Z")
    assert ledger.undelivered() == Undelivered(2, moment(3).wall)
    assert ledger.undelivered(only_alerts=True) == Undelivered(1, moment(6).wall), "a report of health is no alert"
    ledger.mark_delivered("health-3", b"receipt", "2026-01-02T00:00:00Z")
    ledger.mark_delivered("alert-6", b"receipt", "2026-01-02T00:00:00Z")
    assert ledger.undelivered() == ledger.undelivered(only_alerts=True) == Undelivered(0, None)
    assert ledger.verify() == 6


def test_the_most_urgent_wait_first_then_the_oldest(ledger: Ledger) -> None:
    for number, urgency in enumerate(["routine", "urgent", "routine", "urgent"]):
        ledger.append(alert(number, urgency))
    ledger.append(health(9))
    ledger.keep_sealed("alert-3", b"sealed")
    ledger.mark_delivered("alert-0", b"receipt", "2026-01-02T00:00:00Z")
    assert list(ledger.waiting()) == [
        Waiting("alert-1", "urgent", 2, False),
        Waiting("alert-3", "urgent", 4, True),
        Waiting("alert-2", "routine", 3, False),
        Waiting("health-9", "routine", 5, False),
    ]


def test_what_waits_is_read_without_opening_a_row(ledger: Ledger) -> None:
    """A booth that was cut off for a night reads this list with each alert; its rows hold kilobytes each."""
    (plan,) = {
        detail
        for *_, detail in ledger._store.rows(
            "EXPLAIN QUERY PLAN SELECT id, urgency, in_chain, sealed IS NOT NULL FROM delivery"
            " WHERE receipt IS NULL ORDER BY urgency DESC, number"
        )
        if "delivery" in detail
    }
    assert "COVERING INDEX delivery_waiting" in plan


def test_alerts_are_counted_without_opening_a_row(ledger: Ledger) -> None:
    plan = " ".join(str(row) for row in ledger._store.rows(f"EXPLAIN QUERY PLAN {ledger_post._WAITING_ALERTS}"))
    indexes = ("delivery_waiting", "record_of_health", "record_of_purge")
    assert all(f"COVERING INDEX {index}" in plan for index in indexes), plan


def test_a_ledger_from_before_that_index_tells_the_same(path: Path) -> None:
    before = Migrations("ledger")
    for step in (ledger_tables.first_tables, ledger_tables.keys_of_headquarters):
        before()(step)
    with closing(Store.open(path, KEY, ledgers.SETTINGS, before)) as store:
        for number, sequence in ((1, 1), (3, 2)):
            values = (number, f"alert-{number}", sequence)
            store.run("INSERT INTO record VALUES (?, 'alert', ?, ?, x'00', x'00')", values)
            store.run(
                "INSERT INTO delivery (number, id, urgency, wall) VALUES (?, ?, 'routine', '')",
                (number, f"alert-{number}"),
            )
    with Ledger.open(path, KEY) as ledger:
        assert [(one.id, one.sequence) for one in ledger.waiting()] == [("alert-1", 1), ("alert-3", 2)]


def test_headquarters_keys_are_kept_and_the_newest_count(ledger: Ledger) -> None:
    assert ledger.hq_keys() is None
    for receipt in (b"a" * 32, b"b" * 32):
        keys = HqKeys(receipt=receipt, seal=SealPublic(mlkem=b"m", x25519=b"x"))
        ledger.keep_hq_keys(keys)
    assert ledger.hq_keys() == keys


def test_entries_are_found_by_id_and_counted(ledger: Ledger) -> None:
    assert ledger.sequence() == 0
    entry = ledger.append(alert(1))
    ledger.append(health(2))
    assert ledger.entry("alert-1") == entry
    assert ledger.entry("alert-7") is None
    assert ledger.sequence() == 2


def test_the_first_sealed_form_is_the_one_that_is_kept(ledger: Ledger) -> None:
    ledger.append(alert(1))
    assert ledger.sealed("alert-1") is None
    assert ledger.keep_sealed("alert-1", b"first form") == b"first form"
    assert ledger.keep_sealed("alert-1", b"second form") == b"first form"
    assert ledger.sealed("alert-1") == b"first form"


def test_a_receipt_comes_twice_without_harm_and_for_a_stranger_not_at_all(ledger: Ledger) -> None:
    ledger.append(alert(1))
    ledger.mark_delivered("alert-1", b"first", "2026-01-02T00:00:00Z")
    ledger.mark_delivered("alert-1", b"second", "2026-01-03T00:00:00Z")
    assert ledger._store.row("SELECT receipt, delivered_at FROM delivery") == (b"first", "2026-01-02T00:00:00Z")
    with pytest.raises(Malformed):
        ledger.mark_delivered("alert-2", b"receipt", "2026-01-02T00:00:00Z")
    with pytest.raises(Malformed):
        ledger.keep_sealed("alert-2", b"sealed")


# --- findings ----------------------------------------------------------------------------------------------------


def test_a_finding_takes_its_place_in_the_chain_and_waits_like_an_alert(ledger: Ledger) -> None:
    first = ledger.append(alert(1))
    found = ledger.append(finding(2, "alert-1"))
    assert (found.sequence, found.previous) == (2, first.digest())
    assert [one.id for one in ledger.waiting()] == ["alert-1", "finding-2"]
    assert ledger.undelivered(only_alerts=True).entries == 2
    assert ledger.append(finding(2, "alert-1")) == found and ledger.verify() == 2


def test_the_findings_of_an_alert_are_found_oldest_first_with_how_far_they_have_come(ledger: Ledger) -> None:
    for number in (1, 2, 3):
        ledger.append(alert(number))
    both = ledger.append(finding(4, "alert-1", "alert-2", "alert-1"))
    later = ledger.append(finding(5, "alert-2", text="A correction."))
    ledger.append(finding(6, "alert-3"))
    ledger.mark_delivered("finding-4", b"receipt", "2026-01-02T00:00:00Z")
    delivered = Kept(both, "2026-01-02T00:00:00Z")
    assert list(ledger.findings(["alert-1"])) == [delivered]
    assert list(ledger.findings(["alert-2", "alert-1"])) == [delivered, Kept(later, None)]
    assert list(ledger.findings(["alert-9"])) == [] == list(ledger.findings([]))
    assert ledger.kept("finding-4") == delivered and ledger.kept("alert-9") is None
    waits = ledger.kept("alert-2")
    assert waits is not None and waits.entry.body == alert(2) and waits.delivered_at is None


def test_a_finding_that_was_cut_off_from_its_alert_is_damage(ledger: Ledger) -> None:
    fill(ledger)
    ledger.append(finding(7, "alert-1", "alert-6"))
    assert ledger.verify() == 7
    with pytest.raises(RuntimeError):
        ledger._store.run("DELETE FROM finding")
    ledger._store.run("DROP TRIGGER finding_stays")
    ledger._store.run("DELETE FROM finding WHERE alert = 'alert-6'")
    with pytest.raises(StoreDamaged, match="Record 7 of"):
        ledger.verify()


def test_a_measurement_has_its_place_in_both_chains_and_waits_for_its_receipt(path: Path) -> None:
    with Ledger.open(path, KEY) as ledger:
        first = ledger.append(alert(1, "urgent"))
        second = ledger.append(measurement(2, "alert-1"))
        assert ledger.append(measurement(2, "alert-1")) == second
        assert second.previous == first.digest()
        assert [one.id for one in ledger.waiting()] == ["alert-1", "measurement-2"]
        assert ledger.undelivered(only_alerts=True).entries == 2
        ledger.check()
        with pytest.raises(ValueError, match="twice"):
            ledger.append(measurement(2, "alert-1", document=b"another"))


# --- receipts of purges ------------------------------------------------------------------------------------------


def purge(number: int, feed: str = "base", **more) -> PurgeReceipt:
    numbers = {"lineage": "first", "serial": number, "count": 7, "removed": 3, "purged": 3} | more
    return PurgeReceipt(id=f"purge-{number}", at=moment(number), place=PLACE, feed=feed, **numbers)


def test_the_last_receipt_of_each_feeds_purges_is_known(ledger: Ledger) -> None:
    assert ledger.purges() == {}
    for receipt in (purge(1), purge(2, feed="base-00ff"), purge(3, removed=5)):
        ledger.append(receipt)
    assert ledger.purges() == {"base": purge(3, removed=5), "base-00ff": purge(2, feed="base-00ff")}
    assert [entry.body.id for entry in ledger.entries()] == ["purge-1", "purge-2", "purge-3"]
    ledger.check()


def test_a_receipt_of_a_purge_waits_for_headquarters_and_is_no_alert(ledger: Ledger) -> None:
    ledger.append(purge(1))
    assert ledger.undelivered().entries == 1 and ledger.undelivered(only_alerts=True).entries == 0
    assert [(one.id, one.urgency) for one in ledger.waiting()] == [("purge-1", "routine")]


def test_a_purge_that_is_not_recorded_is_not_remembered(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.together():
        ledger.append(purge(1))
        raise RuntimeError
    assert ledger.purges() == {} and ledger.length() == 0
