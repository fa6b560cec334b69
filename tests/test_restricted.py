"""Notices that are restricted to some countries: whom they reach, whom never, and what anybody else can see.

A real headquarters, booths of several countries, and the link's own refresher over a folder that notes what is asked.
"""

from __future__ import annotations

import pytest

from failsafe.hq import courier as hq_courier
from failsafe.hq import enrol
from failsafe.hq.feeds import publish
from failsafe.hq.feeds.register import BoothRefused
from failsafe.hq.feeds.repository import Repository
from failsafe.hq.keyring.rotation import Ceremonies, Exchange
from failsafe.sync import courier
from failsafe.sync.errors import (
    Awaited,
    NotForThisBooth,
    Truncated,
)
from failsafe.sync.records import encode, key_file
from failsafe.sync.reports import Want
from failsafe.sync.shape import Restrictions
from failsafe.sync.spool import Spool
from tests.countries import (
    NOT_FOR_XB,
    SECRET,
    Booth,
    Hq,
    allowed_booth,  # noqa: F401 - a fixture
    denied_booth,  # noqa: F401 - a fixture
    entry,
    headquarters,  # noqa: F401 - a fixture
)
from tests.publishing import PASSPHRASE, now

# --- whom it reaches -----------------------------------------------------------------------------------------


def test_a_restricted_notice_reaches_the_allowed_booth_and_nothing_of_it_the_denied_one(hq, allowed, denied):
    hq.put_out(entry(1, surname="PLAIN"), entry(2, NOT_FOR_XB))
    allowed.follow()
    denied.follow()
    assert allowed.holds() == {"2026/1", "2026/2"}
    assert denied.holds() == {"2026/1"}
    (supplement,) = hq.supplements()
    assert allowed.supplements == (supplement,) and denied.supplements == ()
    assert not any(supplement in name for name in (*denied.line.asked, *denied.files()))
    assert any(supplement in name for name in allowed.files())
    assert not any(path.startswith(f"keys/{supplement}") for path in (*allowed.line.asked, *hq.spool.names()))
    assert denied.state()[0].keys() == {"base"}


def test_each_country_reads_what_it_may(hq, allowed, denied, tmp_path):
    third = Booth(tmp_path / "c", "XC-ONE", "XC", hq)
    plain, not_b = entry(1), entry(2, NOT_FOR_XB)
    only_a, only_bc = entry(3, Restrictions(allow=("XA",))), entry(4, Restrictions(allow=("XB", "XC")))
    but_c = entry(5, Restrictions(deny=("XC",), allow=("XA", "XC")))
    outcome = hq.put_out(plain, not_b, only_a, only_bc, but_c, entry(6, Restrictions(allow=())))
    assert len(outcome.supplements) == len(hq.supplements()) == 4
    for booth, numbers in ((allowed, {1, 2, 3, 5}), (denied, {1, 4}), (third, {1, 2, 4})):
        booth.follow()
        assert booth.holds() == {f"2026/{number}" for number in numbers}
        others = set(hq.supplements()) - set(booth.supplements)
        assert others and not any(feed in name for feed in others for name in (*booth.line.asked, *booth.files()))


def test_only_the_supplement_changes(hq, allowed, denied):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    allowed.follow()
    denied.follow()
    outcome = hq.put_out(entry(3, NOT_FOR_XB))
    assert outcome.head is None and [head.serial for head in outcome.supplements] == [2]
    taken = allowed.take_after_bringing()
    assert set(taken.floors) == set(hq.supplements())
    assert allowed.holds() == {"2026/1", "2026/2", "2026/3"}
    before = denied.state()[0]
    denied.follow()
    assert denied.state()[0] == before
    hq.put_out(withdrawn=("2026/2",))
    allowed.follow()
    assert allowed.holds() == {"2026/1", "2026/3"}
    assert hq.put_out().supplements == ()


def test_a_country_that_comes_later_finds_its_portion(hq, allowed, tmp_path):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    allowed.follow()
    later = Booth(tmp_path / "c", "XC-ONE", "XC", hq)
    assert hq.put_out().head.serial == 2
    later.follow()
    allowed.follow()
    assert later.holds() == allowed.holds() == {"2026/1", "2026/2"}


def test_before_there_is_any_supplement_a_booth_needs_none(hq, allowed):
    assert hq.put_out(entry(1)).head.roll is None
    allowed.follow()
    assert allowed.supplements == () and allowed.holds() == {"2026/1"}
    hq.put_out(entry(2, NOT_FOR_XB))
    allowed.follow()
    assert allowed.holds() == {"2026/1", "2026/2"}


# --- a restriction changes -----------------------------------------------------------------------------------


def test_a_notice_that_is_denied_later_is_purged_there_and_nowhere_missing_meanwhile(hq, allowed, denied):
    hq.put_out(entry(1, surname="PLAIN"), entry(2))
    allowed.follow()
    denied.follow()
    assert denied.holds() == {"2026/1", "2026/2"}
    outcome = hq.put_out(entry(2, NOT_FOR_XB))
    assert (outcome.head.count, outcome.head.removed) == (1, 1)
    denied.follow()
    assert denied.holds() == {"2026/1"}
    with denied.mirror() as mirror:
        assert mirror.notice("2026/2") is None
    allowed.bring()
    allowed.refuses(Awaited)  # the base feed without the supplement would have lost the notice
    assert allowed.holds() == {"2026/1", "2026/2"}
    allowed.follow()
    assert allowed.holds() == {"2026/1", "2026/2"}


def test_a_supplement_that_is_broken_leaves_the_base_feed_as_it_was(hq, allowed):
    hq.put_out(entry(1), entry(2))
    allowed.follow()
    hq.put_out(entry(2, NOT_FOR_XB))
    allowed.supplements = tuple(hq.supplements())
    allowed.bring()
    (name,) = [name for name in allowed.files() if hq.supplements()[0] in name and name.endswith(".snapshot")]
    whole = allowed.spool.read(name, 2**20)
    allowed.spool.write(name, whole[:-1] + bytes([whole[-1] ^ 1]))
    allowed.refuses(Truncated)
    allowed.spool.write(name, whole)
    allowed.take()
    assert allowed.holds() == {"2026/1", "2026/2"}


def test_a_lifted_restriction_needs_no_ceremony_and_ends_the_supplement(hq, allowed, denied):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB), entry(3, NOT_FOR_XB))
    allowed.follow()
    denied.follow()
    (first,) = hq.supplements()
    outcome = hq.put_out(entry(2), entry(3))
    assert outcome.retired == 1 and hq.supplements() == []
    allowed.follow()
    denied.follow()
    assert allowed.holds() == denied.holds() == {"2026/1", "2026/2", "2026/3"}
    assert allowed.supplements == () and set(allowed.state()[0]) == {"base"}
    with allowed.mirror() as mirror:
        assert mirror.portions()["base"].retired == 2
    hq.put_out(entry(3, NOT_FOR_XB))
    assert hq.supplements() != [first]
    allowed.follow()
    denied.follow()
    assert allowed.holds() == {"2026/1", "2026/2", "2026/3"} and denied.holds() == {"2026/1", "2026/2"}


def test_a_notice_goes_from_one_restriction_to_another(hq, allowed, denied, tmp_path):
    third = Booth(tmp_path / "c", "XC-ONE", "XC", hq)
    hq.put_out(entry(1), entry(2, NOT_FOR_XB), entry(3, NOT_FOR_XB))
    for booth in (allowed, denied, third):
        booth.follow()
    hq.put_out(entry(2, Restrictions(deny=("XB", "XC"))))
    for booth, numbers in ((allowed, {1, 2, 3}), (denied, {1}), (third, {1, 3})):
        booth.follow()
        assert booth.holds() == {f"2026/{number}" for number in numbers}


def test_a_booth_that_missed_everything_in_between_still_follows(hq, allowed):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    allowed.follow()
    for number in range(3, 6):
        hq.put_out(entry(number, NOT_FOR_XB))
    hq.put_out(*(entry(number) for number in range(2, 6)))
    hq.put_out(entry(7, Restrictions(allow=("XA",))))
    allowed.follow()
    assert allowed.holds() == {f"2026/{number}" for number in (1, 2, 3, 4, 5, 7)}


# --- a booth changes its country -----------------------------------------------------------------------------


def test_a_moved_booth_loses_what_is_no_longer_its_own(hq, allowed, denied, tmp_path):
    neighbour = Booth(tmp_path / "n", "XA-TWO", "XA", hq)
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    for booth in (allowed, denied, neighbour):
        booth.follow()
    (supplement,) = hq.supplements()
    hq.register.move("XA-ONE", "XB")
    outcome = hq.put_out()
    assert (outcome.head.epoch, outcome.retired) == (2, 1)
    (anew,) = hq.supplements()
    assert anew != supplement
    allowed.line.asked.clear()
    allowed.bring()  # as far as it knows, the old supplement is still its own
    allowed.take()
    assert allowed.holds() == {"2026/1"} and allowed.supplements == ()
    hq.put_out(entry(3, NOT_FOR_XB))
    allowed.follow()
    assert not any(feed in name for feed in (supplement, anew) for name in (*allowed.line.asked, *allowed.files()))
    neighbour.follow()
    assert neighbour.holds() == {"2026/1", "2026/2", "2026/3"}
    hq.register.move("XA-ONE", "XA")
    hq.put_out()
    allowed.follow()
    assert allowed.holds() == {"2026/1", "2026/2", "2026/3"}


def test_what_moves_no_booth(hq, allowed):
    for name, country in (("XA-ONE", "XA"), ("XA-ONE", "nowhere"), ("XZ-NONE", "XB")):
        with pytest.raises(BoothRefused):
            hq.register.move(name, country)
    hq.register.move("XA-ONE", "XB")
    with pytest.raises(BoothRefused, match="held for XB") as refused:
        enrol.enrol(encode(allowed.enrolment), hq.register, hq.keys, hq.repository, now=now())
    assert "booths move" in refused.value.advice


def test_a_revoked_booth_reads_no_supplement_any_more(hq, allowed, tmp_path):
    other = Booth(tmp_path / "n", "XA-TWO", "XA", hq)
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    allowed.follow()
    hq.register.revoke("XA-ONE", "2026-11-22T00:00:00Z")
    outcome = hq.put_out(entry(3, NOT_FOR_XB))
    assert (outcome.head.epoch, outcome.retired, len(outcome.supplements)) == (2, 1, 1)
    other.follow()
    assert other.holds() == {"2026/1", "2026/2", "2026/3"}
    allowed.bring()
    allowed.refuses(NotForThisBooth)


# --- what everybody can see ----------------------------------------------------------------------------------


def sizes(hq: Hq) -> list[int]:
    (supplement,) = hq.supplements()
    names = hq.spool.names(f"targets/feed/{supplement}/")
    return sorted(hq.spool.size(name) for name in names if name.endswith((".snapshot", ".delta")))


def test_sizes_do_not_tell_how_many_notices_there_are(hq, allowed, denied, tmp_path):
    other = Hq(tmp_path / "other")
    few = hq.put_out(entry(1), entry(2, NOT_FOR_XB)).supplements[0]
    Booth(tmp_path / "oa", "XA-ONE", "XA", other)
    Booth(tmp_path / "ob", "XB-ONE", "XB", other)
    many = other.put_out(entry(1), *(entry(number, NOT_FOR_XB) for number in range(2, 22))).supplements[0]
    assert (few.count, many.count) == (1, 20)
    assert sizes(hq) == sizes(other)
    assert hq.file("*.roll").stat().st_size == other.file("*.roll").stat().st_size
    other.register.close()


def test_key_files_are_one_a_booth_and_of_one_length(hq, allowed, denied):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB), entry(3, Restrictions(allow=("XA",))))
    names = hq.spool.names("keys/")
    assert names == [key_file("base", 1, "XA-ONE"), key_file("base", 1, "XB-ONE")]
    assert [hq.spool.size(name) for name in names] == [1264, 1264]


def test_nothing_public_names_a_country_or_a_restricted_notice(hq, allowed, denied):
    hq.put_out(entry(1, surname="PLAIN"), entry(2, NOT_FOR_XB))
    for name in hq.spool.names():
        content = hq.spool.read(name, 2**20)
        assert SECRET.encode() not in content and b"2026/2" not in content
        if not name.startswith("keys/"):  # which booths there are is known, not what they read
            assert "XB" not in name and b'"XB"' not in content and b"XB-ONE" not in content


def test_a_roll_without_news_is_not_published_anew(hq, allowed):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    before = hq.file("*.roll")
    head = hq.put_out(entry(3)).head
    assert hq.file("*.roll") == before and head.roll.serial == 1
    allowed.follow()
    assert allowed.holds() == {"2026/1", "2026/2", "2026/3"}


# --- by stick ------------------------------------------------------------------------------------------------


def test_a_stick_for_one_booth_has_its_supplements_and_no_others(hq, allowed, denied, tmp_path):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    (supplement,) = hq.supplements()
    for booth, numbers in ((allowed, {1, 2}), (denied, {1})):
        stick = tmp_path / f"stick-{booth.name}"
        known = hq.register.booth(booth.name)
        strange = hq.register.strange_supplements(known.country)
        hq_courier.export(hq.spool, stick, welcome=known.welcome, strange=strange)
        assert any(supplement in str(file) for file in stick.rglob("*")) is (booth is allowed)
        courier.import_folder(stick, booth.spool, booth.name)
        booth.take()
        assert booth.holds() == {f"2026/{number}" for number in numbers}


def test_a_bureaus_new_key_leaves_no_moment_in_which_a_booth_refuses_its_portion(hq, allowed, denied, tmp_path):
    """One that holds the list, and one that begins from nothing, take what is there behind each timestamp."""
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    allowed.follow()
    denied.follow()
    write, looks = Repository._write_timestamp, []

    def watched(repository: Repository, *args: object) -> None:
        write(repository, *args)
        looks.append(len(looks))
        for booth, numbers in ((allowed, {1, 2}), (denied, {1})):
            (booth.folder / "mirror.db").unlink()
            booth.supplements, booth.remembered = (), {}
            booth.follow()
            assert booth.holds() == {f"2026/{number}" for number in numbers}

    what = Exchange(online=("bureau-main",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Repository, "_write_timestamp", watched)
        Ceremonies(hq.home, hq.keys).exchange(
            what,
            passphrase=PASSPHRASE,
            now=now(),
            publish=lambda repository: publish.publish(hq.register, repository, now=now()),
        )
    assert looks == [0]
    hq.put_out(entry(3, NOT_FOR_XB))
    allowed.follow()
    assert allowed.holds() == {"2026/1", "2026/2", "2026/3"}


def test_from_a_stick_for_all_a_booth_takes_only_its_own(hq, allowed, denied, tmp_path):
    hq.put_out(entry(1), entry(2, NOT_FOR_XB))
    (supplement,) = hq.supplements()
    stick = tmp_path / "stick"
    hq_courier.export(hq.spool, stick, welcome=hq.register.booth("XB-ONE").welcome)
    hq_courier.export(hq.spool, stick)
    assert not (stick / "welcome.json").exists()
    for booth in (allowed, denied):
        (booth.folder / "out").mkdir()
        out = Spool(booth.folder / "out")
        courier.import_folder(stick, booth.spool, booth.name, out=out)
        assert not any(supplement in name for name in booth.files())
        if booth is denied:
            booth.take()
            assert booth.holds() == {"2026/1"}
            continue
        told = booth.refuses(Awaited)
        assert isinstance(told, Awaited) and "once more" in told.advice
        out.write("want.json", encode(Want(booth=booth.name, feeds=("base", *told.feeds))))
        courier.import_folder(stick, booth.spool, booth.name, out=out)
        booth.take()
        assert booth.holds() == {"2026/1", "2026/2"}
