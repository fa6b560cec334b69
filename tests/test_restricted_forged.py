"""Supplements that others keep back or forge, and a headquarters that stops in the middle of one."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from failsafe.hq.feeds import content_keys
from failsafe.hq.feeds.content_keys import EpochSecrets
from failsafe.hq.feeds.publish import PublishRefused
from failsafe.hq.feeds.register import Stock
from failsafe.hq.keyring.keys import HeadquartersError
from failsafe.sync import feed as feeds
from failsafe.sync import roll
from failsafe.sync.errors import (
    Awaited,
    ForeignLineage,
    Malformed,
    Missing,
    NotForThisBooth,
    Older,
    Shrunken,
    SyncError,
    Truncated,
    Unsigned,
)
from failsafe.sync.records import Head, Payload, PayloadHeader, Statement, key_file
from failsafe.sync.seal import seal
from failsafe.sync.shape import Restrictions
from tests.countries import (
    NOT_FOR_XB,
    Hq,
    allowed_booth,  # noqa: F401 - a fixture
    denied_booth,  # noqa: F401 - a fixture
    entry,
    headquarters,  # noqa: F401 - a fixture
)
from tests.publishing import PASSPHRASE, now

# --- what others keep back or forge --------------------------------------------------------------------------


def test_a_supplement_that_is_kept_back_stops_everything(hq, allowed):
    """So the age counts, and nobody is cleared on a list without it."""
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    allowed.follow()
    signed_at = allowed.state()[3]
    hq.put_out(entry(3), entry(4, NOT_FOR_XB))
    kept_back = {}
    for name in hq.spool.names(f"targets/feed/{hq.supplements()[0]}/"):
        kept_back[name] = hq.spool.read(name, 2**20)
        hq.spool.remove(name)
    with pytest.raises(Missing):
        allowed.bring()
    told = allowed.refuses(Awaited, spool=hq.spool)
    assert told.feeds == allowed.supplements and "supplement" in told.detail
    assert allowed.state()[3] == signed_at
    for name, content in kept_back.items():
        hq.spool.write(name, content)
    allowed.follow()
    assert allowed.holds() == {f"2026/{number}" for number in range(1, 5)}


def test_a_roll_that_is_kept_back_or_changed(hq, allowed):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    file = hq.file("*.roll")
    content = file.read_bytes()
    file.unlink()
    allowed.refuses(Missing, spool=hq.spool)
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    allowed.refuses(Truncated, spool=hq.spool)
    file.write_bytes(content)
    allowed.supplements = tuple(hq.supplements())
    allowed.follow()
    assert allowed.holds() == {"2026/1", "2026/2"}


def test_a_booth_of_another_country_cannot_make_a_key_file_for_us(hq, allowed, denied):
    """It knows the content key and its own country's; with them it would hide from us what is denied to it."""
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    name = key_file("base", 1, "XB-ONE")
    known = denied.keys.sealing.open(hq.spool.read(name, 10_000), purpose="content-key", booth="XB-ONE", about="base/1")
    own = hq.spool.read(key_file("base", 1, "XA-ONE"), 10_000)
    for plain, kind in ((known, Unsigned), (known[:32], NotForThisBooth), (known[:-1], Malformed)):
        box = seal(plain, allowed.enrolment.seal, purpose="content-key", booth="XA-ONE", about="base/1")
        hq.spool.write(key_file("base", 1, "XA-ONE"), box)
        allowed.refuses(kind, spool=hq.spool)
    hq.spool.write(key_file("base", 1, "XA-ONE"), own)
    allowed.follow()
    assert allowed.holds() == {"2026/1", "2026/2"}


def test_an_older_supplement_is_refused_when_mirror_and_all_were_wiped(hq, allowed, tmp_path):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    old = hq.copy(tmp_path / "old")
    hq.put_out(entry(3, NOT_FOR_XB))
    allowed.follow()
    (allowed.folder / "mirror.db").unlink()
    told = allowed.refuses(Older, spool=old)
    assert hq.supplements()[0] in told.detail
    allowed.follow()
    assert allowed.holds() == {"2026/1", "2026/2", "2026/3"}


def header(head: Head) -> PayloadHeader:
    return PayloadHeader(feed=head.feed, lineage=head.lineage, serial=head.serial)


def named(files: dict[str, bytes], path: str, serial: int, base: int | None) -> Payload:
    digest = hashlib.sha256(files[path]).hexdigest()
    return Payload(path=path, serial=serial, base_serial=base, length=len(files[path]), sha256=digest)


def forged(hq: Hq, **changes: object) -> tuple[Head, EpochSecrets]:
    """The published head of the base feed with other words, and what a thief of the register and its keys knows."""
    with hq.register.step("base", hq.repository.statement("base").lineage, "2026-11-22T00:00:00Z") as step:
        _, kept, _ = content_keys.kept(step, hq.repository, False)
    head = hq.repository.head("base")
    return msgspec.structs.replace(head, serial=head.serial + 1, deltas=(), **changes), kept


def test_a_roll_that_forgets_a_supplement(hq, allowed):
    """A thief of the bureau's key, or a fault of headquarters: what was there is not accounted for."""
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    allowed.follow()
    head, kept = forged(hq)
    place = roll.Place("base", head.lineage, head.epoch)
    words = roll.seal_roll(place, {"XA": roll.Portion("XA")}, kept.countries)
    payload = feeds.encode_payload(
        msgspec.structs.replace(header(head), base_serial=head.serial - 1), (), kept.content_key
    )
    files = {"feed/base/forged.roll": words, "feed/base/forged.delta": payload}
    head = msgspec.structs.replace(
        head,
        roll=named(files, "feed/base/forged.roll", head.serial, None),
        deltas=(named(files, "feed/base/forged.delta", head.serial, head.serial - 1),),
    )
    hq.repository.publish(head, files, now=now())
    allowed.refuses(Shrunken, spool=hq.spool)
    assert allowed.holds() == {"2026/1", "2026/2"}


def test_a_supplement_that_shrinks_without_a_word(hq, allowed):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB), entry(3, NOT_FOR_XB))
    allowed.follow()
    (supplement,) = hq.supplements()
    file = allowed.keys.sealing.open(
        hq.spool.read(key_file("base", 1, "XA-ONE"), 10_000), purpose="content-key", booth="XA-ONE", about="base/1"
    )
    base = hq.repository.head("base")
    place = roll.Place("base", base.lineage, 1)
    portion = roll.open_portion(hq.file("*.roll").read_bytes(), place, file[32:64])
    key = portion.supplements[0].key
    shown = hq.repository.head(supplement)
    assert (shown.count, shown.removed) == (0, 0)
    head = feeds.open_tally(shown, key)
    assert (head.count, head.removed) == (2, 0)
    less = feeds.seal_tally(msgspec.structs.replace(head, serial=2, count=1), key)
    hq.repository.publish(less, {}, now=now())
    allowed.refuses(Shrunken, spool=hq.spool)
    elsewhere = feeds.seal_tally(msgspec.structs.replace(head, serial=2, lineage="elsewhere"), key)
    hq.repository.publish(elsewhere, {}, now=now())
    allowed.refuses(ForeignLineage, spool=hq.spool)
    hq.repository.publish(msgspec.structs.replace(less, tally=shown.tally), {}, now=now())
    allowed.refuses(Truncated, spool=hq.spool)


def test_a_supplement_of_another_epoch_than_the_roll_says(hq, allowed):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    shown = hq.repository.head(hq.supplements()[0])
    hq.repository.publish(msgspec.structs.replace(shown, serial=2, epoch=9), {}, now=now())
    assert "epoch 9" in allowed.refuses(NotForThisBooth, spool=hq.spool).detail


# --- headquarters --------------------------------------------------------------------------------------------


def test_a_crash_between_register_and_publication_costs_only_the_deltas(hq, allowed):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB), entry(3, NOT_FOR_XB))
    allowed.follow()
    place = hq.public / "keys" / "base" / "2"
    place.write_text("a file in a folder's place")
    with pytest.raises((SyncError, HeadquartersError)):
        hq.put_out(entry(2), new_epoch=True)
    place.unlink()
    outcome = hq.put_out()
    assert outcome.head is not None and outcome.head.deltas == ()
    allowed.follow()
    assert allowed.holds() == {"2026/1", "2026/2", "2026/3"}


def test_a_new_epoch_is_one_for_all_feeds(hq, allowed):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    allowed.follow()
    outcome = hq.put_out(new_epoch=True)
    assert [head.epoch for head in (outcome.head, *outcome.supplements)] == [2, 2]
    allowed.follow()
    with allowed.mirror() as mirror:
        assert set(mirror.epochs().values()) == {2}
    assert allowed.holds() == {"2026/1", "2026/2"}


def test_a_new_lineage_takes_the_supplements_along(hq, allowed):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    allowed.follow()
    hq.repository.sign_statement(Statement(feed="base", lineage="lineage-2"), passphrase=PASSPHRASE, now=now())
    outcome = hq.put_out()
    assert [(head.lineage, head.serial) for head in (outcome.head, *outcome.supplements)] == [("lineage-2", 1)] * 2
    allowed.follow()
    assert allowed.holds() == {"2026/1", "2026/2"}


def test_a_publication_of_before_supplements_says_what_to_sign(hq, allowed):
    def without_pattern(targets):
        targets.delegations.roles["bureau-main"].paths.remove("feed/base-????????????/*")

    hq.forge("targets", without_pattern, hq.keys.targets_signers(PASSPHRASE))
    with pytest.raises(PublishRefused) as refused:
        hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    assert "failsafe-hq statement" in refused.value.advice and hq.repository.head("base") is None
    statement = hq.repository.statement("base")
    hq.repository.sign_statement(statement, passphrase=PASSPHRASE, now=now())
    hq.put_out()
    allowed.follow()
    assert allowed.holds() == {"2026/1", "2026/2"}


def test_the_register_says_what_waits(hq, allowed):
    hq.register.take([entry(1), entry(2, NOT_FOR_XB), entry(3, Restrictions(allow=()))])
    assert hq.register.stock("2026-11-22T00:00:00Z").pending == 2
    hq.put_out()
    assert hq.register.stock("2026-11-22T00:00:00Z") == Stock(notices=1, listed=0, restricted=2, pending=0)
    hq.register.take([entry(2, Restrictions(deny=("XC",)))])
    assert hq.register.stock("2026-11-22T00:00:00Z").pending == 1
    hq.register.take([entry(2, NOT_FOR_XB)], withdrawn=("2026/1",))
    assert hq.register.stock("2026-11-22T00:00:00Z").pending == 2
