"""The next step of a feed and its supplements: from the register's marks to signed files that booths can take.

Notices that every country may have are in the base feed. For each restriction that is in use there is a supplement: a
feed of its own, whose id says nothing, and whose content key stands in the roll, in the portions of the countries that
may read it (sync/roll.py). A supplement that nothing is left in is retired. All steps are one publication, so that a
notice whose restriction changed leaves one feed and comes with the other.

The order is what makes a crash harmless. First the register records the step, then each booth's key file is put in
place, then the repository signs and writes, `timestamp.json` last. Whoever finds a recorded step that was not finished
cannot know what booths have seen: the next serial then comes without deltas, as a snapshot.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from failsafe.hq.feeds import content_keys
from failsafe.hq.feeds.content_keys import EpochSecrets, Progress
from failsafe.hq.feeds.content_keys import PublishRefused as PublishRefused
from failsafe.hq.feeds.register import Register
from failsafe.hq.feeds.repository import Repository
from failsafe.hq.feeds.step import Epoch, Step
from failsafe.hq.feeds.tables import Booth, Supplement
from failsafe.sync import roll, seal
from failsafe.sync.feed import encode_payload, seal_tally
from failsafe.sync.records import (
    Head,
    Operation,
    Payload,
    PayloadHeader,
    Statement,
    head_target,
)

BASE_FEED: Final = "base"
MAX_DELTAS: Final = 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a publication did. `head` None: nothing had changed in the base feed; without `supplements` too, the
    timestamp alone is new."""

    head: Head | None
    sealed: int  # key files written
    snapshot_bytes: int = 0
    delta_bytes: int = 0
    supplements: tuple[Head, ...] = ()  # those that have a step
    retired: int = 0


@dataclass(slots=True)
class _Draft:
    """A step that the register has recorded and nobody has seen yet."""

    step: Step
    head: Head | None
    epoch: Epoch
    secrets: EpochSecrets
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Family:
    """The steps of a base feed and its supplements."""

    base: _Draft
    booths: list[Booth]
    supplements: list[_Draft] = field(default_factory=list)
    retired: int = 0

    def drafts(self) -> list[_Draft]:
        return [*self.supplements, self.base]

    def heads(self) -> tuple[Head, ...]:
        return tuple(draft.head for draft in self.drafts() if draft.head is not None)

    def shown(self) -> tuple[Head, ...]:
        """The heads as everybody may see them."""
        own = () if self.base.head is None else (self.base.head,)
        sealed = [seal_tally(one.head, one.secrets.content_key) for one in self.supplements if one.head is not None]
        return (*sealed, *own)


def _no_progress(done: int, total: int) -> None:
    pass


def moment(now: dt.datetime) -> str:
    """`now` as the house writes moments."""
    return now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def publish(
    register: Register,
    repository: Repository,
    *,
    now: dt.datetime,
    feed: str = BASE_FEED,
    new_epoch: bool = False,
    progress: Progress = _no_progress,
) -> Outcome:
    """Publish what changed in the register since the last time; where nothing did, sign a new timestamp only.

    A notice restricted to some countries is never part of this feed, which every booth reads, but of a supplement.

    Args:
        register: where the notices are.
        repository: where the publication goes; its key store opens and seals the content keys.
        now: time of the publication, UTC; notices that have expired by then are taken out.
        feed: the base feed's id; the repository must have a statement on it.
        new_epoch: change the content keys even if no booth was revoked.
        progress: told (done, total) while key files are sealed.

    Raises:
        PublishRefused: the list is empty without a statement, or the register is older than what was published.
        HeadquartersError: a key, the register or the public folder fails.
    """
    statement = _statement(repository, feed)
    with register.step(feed, statement.lineage, moment(now)) as step:
        family = _family(step, repository, statement, new_epoch)
    sealed = content_keys.seal_for_booths(
        repository, feed, family.base.epoch.number, family.base.secrets, family.booths, progress
    )
    heads, base = family.heads(), family.base
    if not heads and not family.retired:
        repository.touch_timestamp(now=now)
        return Outcome(None, sealed)
    files = {path: content for draft in family.drafts() for path, content in draft.files.items()}
    present = {draft.step.feed for draft in family.supplements}
    repository.publish_together(feed, family.shown(), files, supplements=present, now=now)
    for head in heads:
        register.finish(head)
    changed = tuple(head for head in heads if head.feed != feed)
    if base.head is None:
        return Outcome(None, sealed, supplements=changed, retired=family.retired)
    content_keys.remove_old_keys(repository, base.head)
    delta = base.head.deltas[0].length if _has_new_delta(base.head) else 0
    return Outcome(base.head, sealed, base.head.snapshot.length, delta, changed, family.retired)


def next_statement(register: Register, repository: Repository, *, now: dt.datetime, feed: str = BASE_FEED) -> Statement:
    """The statement by which the feed's next serial may be empty, or smaller than it accounts for; not yet signed."""
    statement = _statement(repository, feed)
    with register.step(feed, statement.lineage, moment(now)) as step:
        serial = step.last.serial + 1 if step.last else 1
    allowed = tuple(sorted({*statement.may_shrink_at, serial}))
    return Statement(feed=feed, lineage=statement.lineage, may_shrink_at=allowed)


def _statement(repository: Repository, feed: str) -> Statement:
    statement = repository.statement(feed)
    if statement is None:
        raise PublishRefused(
            f"The top-level targets say nothing of feed {feed}.", "Sign a statement for it with the offline keys."
        )
    return statement


def _family(step: Step, repository: Repository, statement: Statement, new_epoch: bool) -> _Family:
    """All steps of this publication, drafted and recorded."""
    before = repository.heads(step.feed)
    ended = _end_supplements(step)
    step.begin_supplements(lambda: f"{step.feed}-{secrets.token_hex(6)}")
    used = [one for one in step.supplements() if one.retired is None]
    if used and not repository.may_supplement(step.feed):
        raise PublishRefused(
            "There are restricted notices, and the offline keys have not let this feed have supplements.",
            "Sign that once: `failsafe-hq statement`, then publish again.",
        )
    drafts = [_supplement(step.of(one), repository, before.get(one.feed), new_epoch) for one in used]
    supplements = [draft for draft in drafts if draft is not None]
    family = _Family(_base(step, repository, statement, before, supplements, new_epoch), step.booths(), supplements)
    family.retired = ended + len(drafts) - len(supplements)
    for draft in family.drafts():
        if draft.head is not None:
            draft.step.record(draft.head)
    if family.base.head is None and (family.heads() or family.retired):
        step.settle()
    return family


def _end_supplements(step: Step) -> int:
    """Retire the supplements that a booth has read which may not any more; how many that were.

    What is in them begins anew under other ids, so that its link, which still asks for the old ones, gets nothing.
    """
    ended = 0
    for part in [step.of(one) for one in step.supplements() if one.retired is None]:
        epoch = part.epoch()
        if epoch is not None and epoch.spent:
            part.retire((part.last.removed if part.last else 0) + part.placed())
            ended += 1
    return ended


def _base(
    step: Step,
    repository: Repository,
    statement: Statement,
    before: Mapping[str, Head],
    supplements: list[_Draft],
    new_epoch: bool,
) -> _Draft:
    _check_register(step, before.get(step.feed))
    epoch, kept, fresh = content_keys.kept(step, repository, new_epoch)
    signer = repository.bureau_signer(step.feed).public_key.keyid
    # Key files of another signer, or of before there were rolls, are not believed: a new epoch has new ones.
    if epoch is None or kept is None or fresh or kept.signer != signer:
        fresh = True
        number = 1 + _last_epoch(epoch, before.get(step.feed))
        made = EpochSecrets(
            content_key=seal.new_content_key(), countries=secrets.token_bytes(roll.COUNTRY_KEY_LENGTH), signer=signer
        )
        epoch, kept = Epoch(number, content_keys.own_box(repository, step.feed, number, made)), made
    draft = _Draft(step, None, epoch, kept)
    words = _roll(draft, supplements)
    same = words is None or _is_of(step.last, words)
    if not fresh and step.last is not None and step.last_is_out and step.is_empty() and same:
        return draft
    count, serial = step.count(), step.last.serial + 1 if step.last else 1
    if count == 0 and serial not in statement.may_shrink_at:
        raise PublishRefused(
            "The list would be empty, and booths refuse an empty list.",
            "Import notices first. If an empty list is meant, sign that with the offline keys: "
            "`failsafe-hq statement`, then publish again.",
        )
    if fresh:
        step.begin_epoch(epoch)
    head = _head(draft, serial, count)
    draft.head = head if words is None else msgspec.structs.replace(head, roll=_roll_file(draft, serial, words))
    return draft


def _supplement(step: Step, repository: Repository, published: Head | None, new_epoch: bool) -> _Draft | None:
    """A supplement's step; None where nothing is left in it and it is retired."""
    _check_register(step, published)
    count = step.count()
    if count == 0:
        step.retire((step.last.removed if step.last else 0) + step.removals())
        return None
    epoch, kept, fresh = content_keys.kept(step, repository, new_epoch)
    if epoch is None or kept is None or fresh:
        number = 1 + _last_epoch(epoch, published)
        kept = EpochSecrets(content_key=seal.new_content_key())
        epoch = Epoch(number, content_keys.own_box(repository, step.feed, number, kept))
        step.begin_epoch(epoch)
    elif step.last is not None and step.last_is_out and step.is_empty():
        return _Draft(step, None, epoch, kept)
    draft = _Draft(step, None, epoch, kept)
    serial = step.last.serial + 1 if step.last else 1
    draft.head = _head(draft, serial, count)
    return draft


def _last_epoch(epoch: Epoch | None, published: Head | None) -> int:
    return max(epoch.number if epoch else 0, published.epoch if published else 0)


def _check_register(step: Step, published: Head | None) -> None:
    """A register put back from a backup must not give a serial out twice."""
    known = step.last.serial if step.last else 0
    if published is not None and published.lineage == step.lineage and published.serial > known:
        raise PublishRefused(
            f"The register knows serial {known}, and {published.serial} is published: it is an older copy.",
            "Start a new lineage with the offline keys: `failsafe-hq statement --new-lineage`, then publish again.",
        )


def _head(draft: _Draft, serial: int, count: int) -> Head:
    """Encode the step's payloads into the draft, and the head that names them."""
    step = draft.step
    last = step.last
    snapshot = _payload(draft, serial, None, step.snapshot())
    deltas: tuple[Payload, ...] = ()
    if last is not None and step.last_is_out:
        # Those of an older epoch are under a key that this head does not commit to.
        older = last.deltas if last.epoch == draft.epoch.number else ()
        deltas = (_payload(draft, serial, last.serial, step.delta()), *older)[:MAX_DELTAS]
    return Head(
        feed=step.feed,
        lineage=step.lineage,
        serial=serial,
        epoch=draft.epoch.number,
        count=count,
        removed=(last.removed if last else 0) + step.removals(),
        content_key_sha256=seal.content_key_digest(draft.secrets.content_key),
        snapshot=snapshot,
        deltas=deltas,
        published_at=step.now,
    )


def _payload(draft: _Draft, serial: int, base: int | None, operations: Iterator[Operation]) -> Payload:
    step = draft.step
    header = PayloadHeader(feed=step.feed, lineage=step.lineage, serial=serial, base_serial=base)
    is_supplement = step.supplement is not None
    content = encode_payload(header, operations, draft.secrets.content_key, fill=is_supplement)
    name = f"{serial:08}.snapshot" if base is None else f"{base:08}-{serial:08}.delta"
    return _named(draft, name, serial, base, content)


def _named(draft: _Draft, name: str, serial: int, base: int | None, content: bytes) -> Payload:
    path = head_target(draft.step.feed).replace("head.json", name)
    draft.files[path] = content
    digest = hashlib.sha256(content).hexdigest()
    return Payload(path=path, serial=serial, base_serial=base, length=len(content), sha256=digest)


def _has_new_delta(head: Head) -> bool:
    return bool(head.deltas) and head.deltas[0].serial == head.serial


def _roll(draft: _Draft, supplements: list[_Draft]) -> bytes | None:
    """The roll for the countries that have booths; None as long as there never was a supplement."""
    retired = [one for one in draft.step.supplements() if one.retired is not None]
    if not supplements and not retired:
        return None
    place = roll.Place(draft.step.feed, draft.step.lineage, draft.epoch.number)
    countries = sorted({booth.country for booth in draft.step.booths()})
    portions = {country: _portion(country, supplements, retired) for country in countries}
    return roll.seal_roll(place, portions, draft.secrets.countries)


def _portion(country: str, supplements: list[_Draft], retired: list[Supplement]) -> roll.Portion:
    return roll.Portion(
        country,
        sum(one.retired or 0 for one in retired if one.admits(country)),
        tuple(
            roll.Supplement(draft.step.feed, draft.epoch.number, draft.secrets.content_key)
            for draft in supplements
            if draft.step.supplement is not None and draft.step.supplement.admits(country)
        ),
    )


def _is_of(head: Head | None, words: bytes) -> bool:
    """Whether that head named this very roll."""
    return head is not None and head.roll is not None and head.roll.sha256 == hashlib.sha256(words).hexdigest()


def _roll_file(draft: _Draft, serial: int, words: bytes) -> Payload:
    last = draft.step.last
    if last is None or last.roll is None or not _is_of(last, words):
        return _named(draft, f"{serial:08}.roll", serial, None, words)
    draft.files[last.roll.path] = words
    return last.roll
