"""The next step of a feed: from the register's marks to signed files that every booth can take.

The order is what makes a crash harmless. First the register records the step, then each booth's key file is put in
place, then the repository signs and writes, `timestamp.json` last. Whoever finds a recorded step that was not finished
cannot know what booths have seen: the next serial then comes without deltas, as a snapshot.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from failsafe.hq.keys import HeadquartersError
from failsafe.hq.register import Register
from failsafe.hq.repository import Repository
from failsafe.hq.step import Epoch, Step
from failsafe.hq.tables import Booth
from failsafe.sync import seal
from failsafe.sync.errors import BytesRefused
from failsafe.sync.feed import encode_payload
from failsafe.sync.records import (
    KEYS_FOLDER,
    Head,
    Operation,
    Payload,
    PayloadHeader,
    Statement,
    head_target,
    key_file,
)

BASE_FEED: Final = "base"
MAX_DELTAS: Final = 30
# What seals a content key to headquarters itself, so that the register alone opens no payload.
_OWN_PURPOSE: Final = "content-key-in-register"
_OWN_NAME: Final = "HEADQUARTERS"

Progress = Callable[[int, int], None]


class PublishRefused(HeadquartersError):
    """Nothing was published; what booths hold stays in force."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a publication did. `head` None: nothing had changed and only the timestamp is new."""

    head: Head | None
    sealed: int  # key files written
    snapshot_bytes: int = 0
    delta_bytes: int = 0


@dataclass(slots=True)
class _Draft:
    """A step that the register has recorded and nobody has seen yet."""

    head: Head | None
    epoch: Epoch
    content_key: bytes
    booths: list[Booth]
    files: dict[str, bytes] = field(default_factory=dict)


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

    A notice restricted to some countries is never part of this feed, which every booth reads.

    Args:
        register: where the notices are.
        repository: where the publication goes; its key store opens and seals the content key.
        now: time of the publication, UTC; notices that have expired by then are taken out.
        feed: the feed's id; the repository must have a statement on it.
        new_epoch: change the content key even if no booth was revoked.
        progress: told (done, total) while key files are sealed.

    Raises:
        PublishRefused: the list is empty without a statement, or the register is older than what was published.
        HeadquartersError: a key, the register or the public folder fails.
    """
    statement = _statement(repository, feed)
    with register.step(feed, statement.lineage, moment(now)) as step:
        draft = _draft(step, repository, statement, new_epoch)
    sealed = _seal_keys(repository, draft, feed, progress)
    if draft.head is None:
        repository.touch_timestamp(now=now)
        return Outcome(None, sealed)
    repository.publish(draft.head, draft.files, now=now)
    register.finish(draft.head)
    _remove_old_keys(repository, draft.head)
    delta = draft.head.deltas[0].length if _has_new_delta(draft.head) else 0
    return Outcome(draft.head, sealed, draft.head.snapshot.length, delta)


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


def _draft(step: Step, repository: Repository, statement: Statement, new_epoch: bool) -> _Draft:
    before = repository.head(step.feed)
    _check_register(step, before)
    epoch = step.epoch()
    fresh = new_epoch or epoch is None or epoch.spent
    if epoch is not None and not fresh and step.last is not None and step.last_is_out and step.is_empty():
        return _Draft(None, epoch, _open_key(repository, step.feed, epoch), step.booths())
    count, serial = step.count(), step.last.serial + 1 if step.last else 1
    if count == 0 and serial not in statement.may_shrink_at:
        raise PublishRefused(
            "The list would be empty, and booths refuse an empty list.",
            "Import notices first. If an empty list is meant, sign that with the offline keys: "
            "`failsafe-hq statement`, then publish again.",
        )
    if fresh or epoch is None:
        number = 1 + max(epoch.number if epoch else 0, before.epoch if before else 0)
        epoch, content_key = _begin_epoch(step, repository, number)
    else:
        content_key = _open_key(repository, step.feed, epoch)
    draft = _Draft(None, epoch, content_key, step.booths())
    draft.head = _head(step, draft, serial, count)
    step.record(draft.head)
    return draft


def _check_register(step: Step, published: Head | None) -> None:
    """A register put back from a backup must not give a serial out twice."""
    known = step.last.serial if step.last else 0
    if published is not None and published.lineage == step.lineage and published.serial > known:
        raise PublishRefused(
            f"The register knows serial {known}, and {published.serial} is published: it is an older copy.",
            "Start a new lineage with the offline keys: `failsafe-hq statement --new-lineage`, then publish again.",
        )


def _head(step: Step, draft: _Draft, serial: int, count: int) -> Head:
    """Encode the step's payloads into the draft, and the head that names them."""
    last = step.last
    snapshot = _payload(step, draft, serial, None, step.snapshot())
    deltas: tuple[Payload, ...] = ()
    if last is not None and step.last_is_out:
        # Those of an older epoch are under a key that this head does not commit to.
        older = last.deltas if last.epoch == draft.epoch.number else ()
        deltas = (_payload(step, draft, serial, last.serial, step.delta()), *older)[:MAX_DELTAS]
    return Head(
        feed=step.feed,
        lineage=step.lineage,
        serial=serial,
        epoch=draft.epoch.number,
        count=count,
        removed=(last.removed if last else 0) + step.removals(),
        content_key_sha256=seal.content_key_digest(draft.content_key),
        snapshot=snapshot,
        deltas=deltas,
        published_at=step.now,
    )


def _payload(step: Step, draft: _Draft, serial: int, base: int | None, operations: Iterator[Operation]) -> Payload:
    header = PayloadHeader(feed=step.feed, lineage=step.lineage, serial=serial, base_serial=base)
    content = encode_payload(header, operations, draft.content_key)
    name = f"{serial:08}.snapshot" if base is None else f"{base:08}-{serial:08}.delta"
    path = head_target(step.feed).replace("head.json", name)
    draft.files[path] = content
    digest = hashlib.sha256(content).hexdigest()
    return Payload(path=path, serial=serial, base_serial=base, length=len(content), sha256=digest)


def _has_new_delta(head: Head) -> bool:
    return bool(head.deltas) and head.deltas[0].serial == head.serial


# --- content keys --------------------------------------------------------------------------------------------


def _begin_epoch(step: Step, repository: Repository, number: int) -> tuple[Epoch, bytes]:
    content_key = seal.new_content_key()
    own = repository.keys.hq_keys().seal
    about = f"{step.feed}/{number}"
    epoch = Epoch(number, seal.seal(content_key, own, purpose=_OWN_PURPOSE, booth=_OWN_NAME, about=about))
    step.begin_epoch(epoch)
    return epoch, content_key


def _open_key(repository: Repository, feed: str, epoch: Epoch) -> bytes:
    secret = repository.keys.seal_secret()
    about = f"{feed}/{epoch.number}"
    try:
        return secret.open(epoch.sealed_key, purpose=_OWN_PURPOSE, booth=_OWN_NAME, about=about)
    except BytesRefused as error:
        raise PublishRefused(
            "The register's content key does not open with headquarters' sealing key.",
            "Put the right online keys back, or publish with --new-epoch.",
        ) from error


def _seal_keys(repository: Repository, draft: _Draft, feed: str, progress: Progress) -> int:
    """Write the key files that are not there yet, one a booth; how many that were."""
    waiting = [
        booth for booth in draft.booths if not repository.public.holds(key_file(feed, draft.epoch.number, booth.name))
    ]
    about = f"{feed}/{draft.epoch.number}"
    for done, booth in enumerate(waiting, start=1):
        public = booth.enrolment.seal
        box = seal.seal(draft.content_key, public, purpose="content-key", booth=booth.name, about=about)
        repository.public.write(key_file(feed, draft.epoch.number, booth.name), box)
        progress(done, len(waiting))
    return len(waiting)


def _remove_old_keys(repository: Repository, head: Head) -> None:
    """Remove the key files of epochs before the last one: a booth may still be reading the publication before."""
    for name in repository.public.names(f"{KEYS_FOLDER}/{head.feed}/"):
        epoch = name.split("/")[2]
        if epoch.isdecimal() and int(epoch) < head.epoch - 1:
            repository.public.remove(name)
