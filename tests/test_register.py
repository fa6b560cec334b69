"""The register on a real SQLite file: what counts as a change, what a step holds, whose keys are whose."""

from __future__ import annotations

import sqlite3
import stat

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.hq.feeds.register import BoothRefused, Imported, Register, RegisterFault, Stock
from failsafe.hq.feeds.step import Epoch
from failsafe.sync.records import (
    Enrolment,
    Head,
    ListedDocument,
    Notice,
    Payload,
    PersonName,
    PutListed,
    PutNotice,
    RemoveListed,
    RemoveNotice,
    SealPublic,
    Welcome,
)
from failsafe.sync.shape import Entry, Restrictions

NOW = "2026-11-21T12:00:00Z"
LATER = "2026-12-21T12:00:00Z"


def entry(number=1, restrictions=Restrictions(), **fields):  # noqa: B008 - frozen
    names = (PersonName(surname="ZORVEKARIO"),)
    return Entry(Notice(entity_id=f"2026/{number}", tier="red", names=names, **fields), restrictions)


def document(number="ZX0001", kind="passport"):
    return ListedDocument(number=number, issuing_country="GE", document_type=kind, fraud_type="stolen")


def enrolment(booth="GE-ONE", mark=1):
    public = SealPublic(mlkem=bytes([mark]) * 1184, x25519=bytes([mark]) * 32)
    return Enrolment(booth=booth, country="GE", signing=bytes([mark]) * 32, seal=public, certificate_request="")


def welcome(booth="GE-ONE"):
    return Welcome(booth=booth, root=b"{}", root_sha256="0" * 64, certificate="", authority="")


@pytest.fixture
def register(tmp_path):
    made = Register.in_file(tmp_path / "register.sqlite")
    yield made
    made.close()


def head(serial, lineage="l1", removed=0, count=1):
    payload = Payload(path="feed/base/x", serial=serial, length=1, sha256="0" * 64)
    return Head(
        feed="base",
        lineage=lineage,
        serial=serial,
        epoch=1,
        count=count,
        removed=removed,
        content_key_sha256="0" * 64,
        snapshot=payload,
        published_at=NOW,
    )


def publish(register, serial, now=NOW):
    """What a publication does with the register; the operations it would send out."""
    with register.step("base", "l1", now) as step:
        delta, count, removals = list(step.delta()), step.count(), step.removals()
        step.record(head(serial, removed=removals, count=count))
    register.finish(head(serial))
    return delta


# --- notices -------------------------------------------------------------------------------------------------


def test_only_a_difference_is_a_change(register):
    assert register.take([entry(1), entry(2)], [document()]) == Imported(added=3)
    assert register.take([entry(1), entry(2)], [document()]) == Imported(unchanged=3)
    assert register.take([entry(1, sex="F")], [document()]) == Imported(changed=1, unchanged=1)


def test_a_change_of_restrictions_is_a_change(register):
    register.take([entry(1)])
    assert register.take([entry(1, Restrictions(deny=("MD",)))]).changed == 1
    assert register.take([entry(1, Restrictions(allow=("MD", "GE")))]).changed == 1
    assert register.take([entry(1, Restrictions(allow=("GE", "MD")))]).unchanged == 1


def test_more_than_a_batch(register):
    seen = []
    entries = [entry(number) for number in range(1203)]
    assert register.take(entries, progress=lambda done, total: seen.append((done, total))).added == 1203
    assert seen[-1] == (1203, 1203) and len(seen) > 2
    assert register.stock(NOW).notices == 1203


def test_an_import_is_whole_or_nothing(register):
    def breaks():
        yield entry(1)
        raise OSError("the stick was pulled")

    with pytest.raises(OSError, match="stick"):
        register.take(breaks())
    with pytest.raises(RegisterFault) as refused:
        register.take([entry(1)], withdrawn=[object()])
    assert "ZORVEKARIO" not in str(refused.value)
    assert register.stock(NOW) == Stock(notices=0, listed=0, restricted=0, pending=0)


def test_the_file_is_its_owners_alone(register, tmp_path):
    register.take([entry(1)])
    assert stat.S_IMODE((tmp_path / "register.sqlite").stat().st_mode) == 0o600


def test_a_file_that_is_no_register(tmp_path):
    (tmp_path / "register.sqlite").write_bytes(b"this is a letter, not a database" * 40)
    with pytest.raises(RegisterFault):
        Register.in_file(tmp_path / "register.sqlite")
    with pytest.raises(RegisterFault, match="cannot be opened"):
        Register.in_file(tmp_path / "away" / "register.sqlite")


# --- steps ---------------------------------------------------------------------------------------------------


def test_a_step_holds_what_changed_since_the_last(register):
    register.take([entry(1), entry(2)], [document()])
    first = publish(register, 1)
    assert len(first) == 3
    with register.step("base", "l1", NOW) as step:
        assert step.is_empty()
    register.take([entry(1), entry(2, sex="F"), entry(3)], [document()])
    assert publish(register, 2) == [
        PutNotice(notice=entry(2, sex="F").notice),
        PutNotice(notice=entry(3).notice),
    ]


def test_a_withdrawal_is_a_removal_and_then_gone_from_the_file(register, tmp_path):
    register.take([entry(1), entry(2)], [document(), document(kind="visa"), document("ZX0002")])
    publish(register, 1)
    assert register.withdraw_notice("2026/1")
    assert not register.withdraw_notice("2026/1")
    assert register.withdraw_listed("ZX0001", "GE") == 2
    assert publish(register, 2) == [
        RemoveListed(number="ZX0001", issuing_country="GE", document_type="passport"),
        RemoveListed(number="ZX0001", issuing_country="GE", document_type="visa"),
        RemoveNotice(entity_id="2026/1"),
    ]
    rows = sqlite3.connect(tmp_path / "register.sqlite").execute("select count(*) from held").fetchone()
    assert rows == (2,)


def test_what_was_never_published_is_not_removed(register):
    register.take([entry(1), entry(2)])
    register.withdraw_notice("2026/2")
    assert publish(register, 1) == [PutNotice(notice=entry(1).notice)]


def test_a_withdrawn_notice_that_comes_again_is_put(register):
    register.take([entry(1)])
    publish(register, 1)
    register.withdraw_notice("2026/1")
    assert register.take([entry(1)]).changed == 1
    assert publish(register, 2) == [PutNotice(notice=entry(1).notice)]


def test_wildcards_in_a_number_withdraw_nothing_else(register):
    register.take(listed=[document("ZX0001")])
    assert register.withdraw_listed("ZX%", "GE") == 0
    assert register.withdraw_listed("ZX000_", "GE") == 0


def test_a_notice_leaves_the_feed_when_it_expires(register):
    register.take([entry(1, expires_at="2026-12-01T00:00:00Z"), entry(2)])
    assert len(publish(register, 1)) == 2
    assert publish(register, 2, LATER) == [RemoveNotice(entity_id="2026/1")]
    assert register.stock(LATER).notices == 1


@pytest.mark.parametrize("restrictions", [Restrictions(deny=("MD",)), Restrictions(allow=("GE",))])
def test_a_restricted_notice_is_in_no_feed_of_all_booths(register, restrictions):
    register.take([entry(1), entry(2, restrictions)])
    assert publish(register, 1) == [PutNotice(notice=entry(1).notice)]
    stock = register.stock(NOW)
    assert stock == Stock(notices=1, listed=0, restricted=1, pending=1), "it waits for a supplement"


def test_a_notice_that_becomes_restricted_is_taken_back(register):
    register.take([entry(1)])
    publish(register, 1)
    register.take([entry(1, Restrictions(deny=("MD",)))])
    assert publish(register, 2) == [RemoveNotice(entity_id="2026/1")]
    register.take([entry(1)])
    assert publish(register, 3) == [PutNotice(notice=entry(1).notice)]


def test_a_step_that_fails_leaves_no_trace(register):
    register.take([entry(1)])
    with pytest.raises(ValueError, match="no disk"), register.step("base", "l1", NOW) as step:
        step.begin_epoch(Epoch(1, b"sealed"))
        step.record(head(1))
        raise ValueError("no disk")
    with register.step("base", "l1", NOW) as step:
        assert (step.last, step.epoch(), step.is_empty()) == (None, None, False)


def test_an_unfinished_step_is_known_as_such(register):
    register.take([entry(1)])
    with register.step("base", "l1", NOW) as step:
        step.record(head(1))
    with register.step("base", "l1", NOW) as step:
        assert (step.last, step.last_is_out) == (head(1), False)
    register.finish(head(1))
    with register.step("base", "l1", NOW) as step:
        assert step.last_is_out
    with register.step("base", "another", NOW) as step:
        assert step.last is None


moves = st.lists(
    st.tuples(st.sampled_from(["put", "change", "withdraw", "restrict", "publish"]), st.integers(0, 4)), max_size=30
)


@settings(max_examples=40, deadline=None)
@given(moves)
def test_deltas_lead_where_the_snapshot_is(moves):
    """A booth that follows every delta holds what a booth that takes the snapshot holds; the count never falls."""
    register = Register("sqlite://")
    followed, serial, removed, accounted = {}, 0, 0, 0
    for turn, (move, number) in enumerate([*moves, ("publish", 0)]):
        if move == "put":
            register.take([entry(number)])
        elif move == "change":
            register.take([entry(number, summary=str(turn))])
        elif move == "restrict":
            register.take([entry(number, Restrictions(deny=("MD",)))])
        elif move == "withdraw":
            register.withdraw_notice(f"2026/{number}")
        else:
            serial += 1
            with register.step("base", "l1", NOW) as step:
                snapshot = {operation.notice.entity_id: operation.notice for operation in step.snapshot()}
                removed += step.removals()
                for operation in step.delta():
                    if isinstance(operation, PutNotice):
                        followed[operation.notice.entity_id] = operation.notice
                    else:
                        del followed[operation.entity_id]
                assert followed == snapshot and len(snapshot) == step.count()
                assert len(snapshot) + removed >= accounted
                accounted = len(snapshot) + removed
                step.record(head(serial))
    register.close()


# --- booths --------------------------------------------------------------------------------------------------


def test_a_booth_is_kept_and_listed(register):
    register.enrol(enrolment("GE-TWO", 2), welcome("GE-TWO"), NOW)
    register.enrol(enrolment(), welcome(), NOW)
    assert [booth.name for booth in register.booths()] == ["GE-ONE", "GE-TWO"]
    assert register.booth("GE-TWO").enrolment == enrolment("GE-TWO", 2)
    with pytest.raises(BoothRefused, match="No booth"):
        register.booth("GE-THREE")


def test_the_same_keys_again_renew_the_welcome(register):
    register.enrol(enrolment(), welcome(), NOW)
    renewed = msgspec.structs.replace(welcome(), certificate="new")
    register.enrol(enrolment(), renewed, LATER)
    assert [booth.welcome for booth in register.booths()] == [renewed]


def test_other_keys_do_not_take_an_id_over(register):
    register.enrol(enrolment(mark=1), welcome(), NOW)
    with pytest.raises(BoothRefused, match="other keys") as refused:
        register.enrol(enrolment(mark=2), welcome(), NOW)
    assert "revoke" in refused.value.advice
    register.revoke("GE-ONE", NOW)
    register.enrol(enrolment(mark=2), welcome(), LATER)
    assert register.booth("GE-ONE").revoked_at is None


def test_keys_belong_to_one_booth(register):
    register.enrol(enrolment("GE-ONE", 1), welcome(), NOW)
    with pytest.raises(BoothRefused, match="another booth"):
        register.enrol(enrolment("GE-TWO", 1), welcome("GE-TWO"), NOW)
    half = msgspec.structs.replace(enrolment("GE-TWO", 2), seal=enrolment(mark=1).seal)
    with pytest.raises(BoothRefused, match="another booth"):
        register.enrol(half, welcome("GE-TWO"), NOW)


def test_revoked_keys_never_come_back(register):
    register.enrol(enrolment(mark=1), welcome(), NOW)
    register.revoke("GE-ONE", NOW)
    with pytest.raises(BoothRefused, match="revoked"):
        register.enrol(enrolment(mark=1), welcome(), LATER)
    register.enrol(enrolment(mark=2), welcome(), LATER)
    with pytest.raises(BoothRefused, match="revoked"):
        register.enrol(enrolment("GE-TWO", 1), welcome("GE-TWO"), LATER)


def test_a_booth_is_revoked_once(register):
    with pytest.raises(BoothRefused):
        register.revoke("GE-ONE", NOW)
    register.enrol(enrolment(), welcome(), NOW)
    register.revoke("GE-ONE", NOW)
    with pytest.raises(BoothRefused, match="already"):
        register.revoke("GE-ONE", NOW)


def test_a_revocation_spends_the_epoch(register):
    register.enrol(enrolment(), welcome(), NOW)
    with register.step("base", "l1", NOW) as step:
        step.begin_epoch(Epoch(1, b"sealed"))
        assert [booth.name for booth in step.booths()] == ["GE-ONE"]
    register.revoke("GE-ONE", NOW)
    with register.step("base", "l1", NOW) as step:
        assert step.epoch() == Epoch(1, b"sealed", spent=True)
        assert step.booths() == []
        step.begin_epoch(Epoch(2, b"other"))
        assert step.epoch() == Epoch(2, b"other")


def test_put_listed_is_read_back(register):
    register.take(listed=[document()])
    assert publish(register, 1) == [PutListed(document=document())]
