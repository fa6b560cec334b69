"""Alerts signed, sealed and padded; every way in which an envelope or a receipt is not what it says."""

from __future__ import annotations

import secrets

import msgspec
import pytest

from failsafe.sync import envelope, seal
from failsafe.sync.errors import Malformed, NotForThisBooth, SyncError, Unsigned
from failsafe.sync.records import HqKeys
from failsafe.sync.reports import (
    FINDING_ALERTS,
    FINDING_LENGTH,
    MEASUREMENT_LENGTH,
    Alert,
    ChainEntry,
    ChannelSummary,
    Envelope,
    Finding,
    HealthChange,
    Heartbeat,
    Measurement,
    Moment,
    PersonAsRead,
    Place,
    RadiationSummary,
    Receipt,
    alert_file,
)
from failsafe.sync.seal import SealSecret

HQ = SealSecret.generate()
RECEIPTS = secrets.token_bytes(32)
KEYS = HqKeys(receipt=seal.signing_public(RECEIPTS), seal=HQ.public())
BOOTH = secrets.token_bytes(32)
SIGNER = seal.signing_public(BOOTH)
AT = Moment(wall="2026-11-21T12:00:00.000Z", monotonic_s=5.0, trusted=True)
PLACE = Place(booth="ZZ-1", country="ZZ", crossing_point="Northgate", lane="1")


def alert(summary: str = "", number: int = 1) -> ChainEntry:
    body = Alert(
        id=f"01900000-0000-7000-8000-{number:012d}",
        kind="notice_hit",
        urgency="urgent",
        at=AT,
        place=PLACE,
        verdict="STOP",
        person=PersonAsRead(source="zone", surname="EXAMPLOV", given=summary or None),
    )
    return ChainEntry(sequence=number, previous="0" * 64, body=body)


def closed(entry: ChainEntry) -> Envelope:
    return envelope.close(entry, "urgent", "ZZ-1", BOOTH, KEYS)


def test_headquarters_reads_what_the_booth_wrote() -> None:
    assert envelope.open_entry(closed(alert()), HQ, SIGNER) == alert()


def test_nothing_of_the_person_is_readable_on_the_way() -> None:
    wire = msgspec.json.encode(closed(alert()))
    assert b"EXAMPLOV" not in wire and b"notice_hit" not in wire and b"Northgate" not in wire


@pytest.mark.parametrize(("letters", "size"), [(0, 4096), (3000, 16 * 1024), (20_000, 64 * 1024)])
def test_three_sizes_and_no_others(letters: int, size: int) -> None:
    overhead = len(seal.seal(b"", HQ.public(), purpose="alert", booth="ZZ-1", about="x"))
    assert len(closed(alert("A" * letters)).sealed) == size + overhead


def test_one_letter_more_or_less_does_not_show() -> None:
    assert {len(closed(alert("A" * letters)).sealed) for letters in range(1, 40)} == {len(closed(alert()).sealed)}


def test_too_large_for_any_size_is_said() -> None:
    with pytest.raises(Malformed, match="larger"):
        closed(alert("A" * 70_000))


def test_sealing_twice_gives_other_bytes_and_the_same_entry() -> None:
    one, other = closed(alert()), closed(alert())
    assert one.sealed != other.sealed
    assert envelope.open_entry(one, HQ, SIGNER).digest() == envelope.open_entry(other, HQ, SIGNER).digest()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"id": "01900000-0000-7000-8000-000000000009"}, NotForThisBooth),
        ({"booth": "ZZ-2"}, NotForThisBooth),
        ({"recipient": "0" * 16}, Unsigned),
        ({"sealed": b"\0" * 2000}, NotForThisBooth),
    ],
)
def test_an_envelope_that_was_changed_is_refused(change: dict[str, object], error: type[SyncError]) -> None:
    with pytest.raises(error):
        envelope.open_entry(msgspec.structs.replace(closed(alert()), **change), HQ, SIGNER)


def test_another_booths_signature_is_refused() -> None:
    with pytest.raises(Unsigned):
        envelope.open_entry(closed(alert()), HQ, seal.signing_public(secrets.token_bytes(32)))


def test_an_entry_of_another_booth_in_an_own_envelope_is_refused() -> None:
    foreign = msgspec.structs.replace(PLACE, booth="ZZ-9")
    entry = msgspec.structs.replace(alert(), body=msgspec.structs.replace(alert().body, place=foreign))
    with pytest.raises(Malformed):
        envelope.open_entry(closed(entry), HQ, SIGNER)


def test_health_changes_travel_the_same_way() -> None:
    body = HealthChange(
        id="01900000-0000-7000-8000-000000000002", at=AT, place=PLACE, part="portal-1", was="OK", now="LINK_DOWN"
    )
    entry = ChainEntry(sequence=2, previous=alert().digest(), body=body)
    assert envelope.open_entry(closed(entry), HQ, SIGNER) == entry


def test_findings_travel_the_same_way_and_show_no_more_than_a_change_of_health() -> None:
    """Whoever carries them must not see that a finding was written: same fields, same urgency, same sizes."""
    named = "01900000-0000-7000-8000-000000000003"
    short = Finding(id=named, at=AT, place=PLACE, alerts=(alert().body.id,), text="He is not the subject.")
    health = HealthChange(id=named, at=AT, place=PLACE, part="portal-1", was="OK", now="LATE")
    entries = [ChainEntry(sequence=2, previous=alert().digest(), body=body) for body in (short, health)]
    first, second = (msgspec.to_builtins(closed(entry)) for entry in entries)
    assert envelope.open_entry(closed(entries[0]), HQ, SIGNER) == entries[0]
    assert {name: value for name, value in first.items() if name != "sealed"} == {
        name: value for name, value in second.items() if name != "sealed"
    }
    assert len(first["sealed"]) == len(second["sealed"])


def test_the_longest_finding_in_any_script_fits_the_second_size() -> None:
    ids = tuple(f"01900000-0000-7000-8000-{number:012}" for number in range(FINDING_ALERTS))
    widest = Finding(id=ids[0], at=AT, place=PLACE, alerts=ids, text="\U00020bb7" * FINDING_LENGTH)
    sealed = envelope.close(
        ChainEntry(sequence=2, previous="0" * 64, body=widest), "routine", "ZZ-1", secrets.token_bytes(32), KEYS
    )
    assert len(sealed.sealed) < envelope.SIZES[2]


def test_a_receipt_is_for_one_entry_only() -> None:
    entry = alert()
    receipt = envelope.sign_receipt(
        Receipt(id=entry.body.id, booth="ZZ-1", digest=entry.digest(), received_at=AT.wall), RECEIPTS
    )
    envelope.check_receipt(receipt, entry, KEYS)
    with pytest.raises(Malformed):
        envelope.check_receipt(receipt, alert("OTHER"), KEYS)
    with pytest.raises(Unsigned):
        envelope.check_receipt(msgspec.structs.replace(receipt, received_at="2026-11-22T00:00:00.000Z"), entry, KEYS)
    with pytest.raises(Unsigned):
        envelope.check_receipt(envelope.sign_receipt(receipt, secrets.token_bytes(32)), entry, KEYS)


def test_a_heartbeat_is_not_an_alert() -> None:
    beat = Heartbeat(
        booth="ZZ-1",
        at=AT,
        version="0",
        ledger_head="0" * 64,
        ledger_length=3,
        sequence=2,
        undelivered=0,
        mirror=(),
        mirror_state="FRESH",
        mirror_age_s=1.0,
    )
    wrapped = envelope.close_heartbeat(beat, BOOTH, KEYS)
    assert envelope.open_heartbeat(wrapped, HQ, SIGNER) == beat
    with pytest.raises(NotForThisBooth):
        envelope.open_entry(wrapped, HQ, SIGNER)


def test_files_sort_the_urgent_first_and_then_by_sequence() -> None:
    names = [alert_file("routine", 1, "a"), alert_file("urgent", 9, "b"), alert_file("urgent", 10, "c")]
    assert sorted(names) == [names[1], names[2], names[0]]


def test_the_longest_measurement_fits_an_envelope() -> None:
    channel = ChannelSummary(
        channel="neutron", alarm=True, peak=999_999.0, interval_s=0.2, background_cps=1e6 / 3, panels=(999_999,) * 16
    )
    body = Measurement(
        id="01900000-0000-7000-8000-000000000001",
        at=AT,
        place=msgspec.structs.replace(PLACE, crossing_point="Þ" * 200, lane="L" * 64, latitude=-12.345678901),
        alerts=("01900000-0000-7000-8000-000000000001",) * FINDING_ALERTS,
        radiation=RadiationSummary(
            detector="D" * 64, health="CONFIG_CHANGED", occupancy="o" * 90, duration_s=1e6 / 3, channels=(channel,) * 2
        ),
        ends="standing",
        summed=2**20,
        size=2**21,
        document=secrets.token_bytes(MEASUREMENT_LENGTH),
    )
    entry = ChainEntry(sequence=2**40, previous="0" * 64, body=body)
    assert len(closed(entry).sealed) > 64 * 1024
    assert envelope.open_entry(closed(entry), HQ, SIGNER) == entry
