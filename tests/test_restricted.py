"""Notices that are restricted to some countries: whom they reach, whom never, and what anybody else can see.

A real headquarters, booths of several countries, and the link's own refresher over a folder that notes what is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from failsafe.agent import keys as booth_keys
from failsafe.agent.person import names
from failsafe.hq import courier as hq_courier
from failsafe.hq import enrol
from failsafe.hq.feeds import content_keys, publish
from failsafe.hq.feeds.content_keys import EpochSecrets
from failsafe.hq.feeds.publish import Outcome, PublishRefused
from failsafe.hq.feeds.register import BoothRefused, Register, Stock
from failsafe.hq.feeds.repository import Repository
from failsafe.hq.keyring.keys import HeadquartersError
from failsafe.hq.keyring.rotation import Ceremonies, Exchange
from failsafe.sync import courier, intake, roll
from failsafe.sync import feed as feeds
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
from failsafe.sync.feed import Floor
from failsafe.sync.intake import Taken
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import Head, Notice, Payload, PayloadHeader, PersonName, Statement, encode, key_file
from failsafe.sync.refresh import Fetched, Refresher
from failsafe.sync.reports import FeedState, Want
from failsafe.sync.seal import seal
from failsafe.sync.shape import Entry, Restrictions
from failsafe.sync.spool import Spool
from tests.publishing import PASSPHRASE, Desk, now

NOT_FOR_XB = Restrictions(deny=("XB",))
SECRET = "QUILLFEATHER"


def entry(number: int, restrictions: Restrictions = Restrictions(), surname: str = SECRET) -> Entry:  # noqa: B008
    notice = Notice(entity_id=f"2026/{number}", tier="red", names=(PersonName(surname=surname, given="NOONE"),))
    return Entry(notice, restrictions)


class Hq(Desk):
    """Headquarters with a register of invented notices."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.register = Register.in_file(home / "register.sqlite")

    def put_out(self, *notices: Entry, withdrawn: tuple[str, ...] = (), **options: bool) -> Outcome:
        self.register.take(notices, (), withdrawn)
        return publish.publish(self.register, self.repository, now=now(), **options)

    def supplements(self) -> list[str]:
        return [feed for feed in self.repository.heads("base") if feed != "base"]


class Line:
    """Headquarters' folder as the link sees it; `asked` is every name that was asked for."""

    def __init__(self, public: Spool) -> None:
        self._public = public
        self.asked: list[str] = []

    def get(self, path: str, limit: int, etag: str | None = None) -> Fetched:
        self.asked.append(path)
        return Fetched(self._public.read(path, limit))

    def resume(self, path: str, length: int, file: Path) -> None:
        self.asked.append(path)
        file.write_bytes(self._public.read(path, length))


class Booth:
    """A booth whose link and core are called in turn, with a spool of its own between them."""

    def __init__(self, folder: Path, name: str, country: str, hq: Hq) -> None:
        self.name, self.folder, self.hq = name, folder, hq
        self.enrolment = booth_keys.make(folder / "keys", name, country)
        self.keys = booth_keys.load(folder / "keys")
        enrol.enrol(encode(self.enrolment), hq.register, hq.keys, hq.repository, now=now())
        for sub in ("trust", "in", "link"):
            (folder / sub).mkdir()
        self.spool = Spool(folder / "in")
        self.line = Line(hq.spool)
        self.link = Refresher(self.line, self.spool, folder / "link", hq.root(), name)
        self.supplements: tuple[str, ...] = ()
        self.remembered: dict[str, Floor] = {}

    def mirror(self) -> Mirror:
        return Mirror.open(self.folder / "mirror.db", self.keys.mirror)

    def bring(self) -> None:
        """The link's turn."""
        with self.mirror() as mirror:
            held = mirror.floors()
        states = tuple(FeedState(feed=feed, lineage=at.lineage, serial=at.serial) for feed, at in held.items())
        self.link.refresh(Want(booth=self.name, feeds=("base", *self.supplements), held=states))

    def take(self, spool: Spool | None = None) -> Taken:
        """The core's turn."""
        reader = intake.Reader(self.name, ("base",), self.keys.sealing, self.hq.root(), self.folder / "trust")
        with self.mirror() as mirror:
            taken = intake.take(spool or self.spool, mirror, self.remembered, reader, names.forms)
            mirror.check()
            self.supplements = mirror.portions()["base"].feeds
        self.remembered |= taken.floors
        return taken

    def take_after_bringing(self) -> Taken:
        self.bring()
        return self.take()

    def follow(self) -> None:
        """Link and core in turn, as often as the core says that something is still to be brought."""
        for _ in range(3):
            self.bring()
            try:
                self.take()
            except Awaited as awaited:
                self.supplements = awaited.feeds
            else:
                return
        raise AssertionError("what is awaited never came")

    def holds(self) -> set[str]:
        with self.mirror() as mirror:
            return {line.entity_id for line in mirror.names()}

    def state(self) -> tuple[object, ...]:
        with self.mirror() as mirror:
            mirror.check()
            held = (mirror.floors(), mirror.portions(), mirror.held_metadata(), mirror.signed_at())
            return (*held, list(mirror.names()), mirror.counts())

    def files(self) -> list[str]:
        return self.spool.names()

    def refuses(self, kind: type[SyncError], spool: Spool | None = None) -> SyncError:
        """The refusal of what lies in the spool; everything held is as before."""
        before = self.state()
        with pytest.raises(SyncError) as refusal:
            self.take(spool)
        assert type(refusal.value) is kind, refusal.value
        assert self.state() == before
        return refusal.value


@pytest.fixture
def hq(tmp_path: Path) -> Iterator[Hq]:
    made = Hq(tmp_path / "hq")
    yield made
    made.register.close()


@pytest.fixture
def allowed(tmp_path: Path, hq: Hq) -> Booth:
    return Booth(tmp_path / "a", "XA-ONE", "XA", hq)


@pytest.fixture
def denied(tmp_path: Path, hq: Hq) -> Booth:
    return Booth(tmp_path / "b", "XB-ONE", "XB", hq)


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
