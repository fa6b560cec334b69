"""From `spool/out` to headquarters' desk, and the receipts back into `spool/in`; how the link stands, in one file.

Asyncio tasks of the link, on monotonic time only. What is posted next and when is sync/outbox.py's choice; here are the
folders and the wire. Nothing is ever removed from `spool/out`: the core does that, when it has verified a receipt.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from failsafe.sync.delivery import RECEIPT_LIMIT
from failsafe.sync.errors import (
    BytesRefused,
    HqRefuses,
    LineSlow,
    Malformed,
    Missing,
    SpoolFault,
    SyncError,
    TlsRefused,
    Truncated,
)
from failsafe.sync.mailbag import ENVELOPE_LIMIT
from failsafe.sync.outbox import Backoff, Outbox, Waiting, waiting
from failsafe.sync.records import UNREADABLE, encode
from failsafe.sync.reports import (
    ALERTS_FOLDER,
    HEARTBEAT_FILE,
    LINK_FILE,
    RECEIPTS_FOLDER,
    Answer,
    Envelope,
    LinkState,
    LinkWord,
    Upload,
    receipt_file,
)
from failsafe.sync.spool import Spool, Stamp

LOOK_EVERY_S: Final = 0.2
# Folders whose time stands still are looked through all the same, now and then.
LOOK_THROUGH_S: Final = 2.0
TELL_EVERY_S: Final = 60.0
BODY_LIMIT: Final = 4 * 1024 * 1024
ANSWER_LIMIT: Final = 50 * RECEIPT_LIMIT
_ALERTS_PATH: Final = "alerts"
_HEARTBEAT_PATH: Final = "heartbeat"
_TOO_MUCH: Final = frozenset({400, 408, 413})
_ANSWER: Final = msgspec.json.Decoder(Answer)
_ENVELOPE: Final = msgspec.json.Decoder(Envelope)
# What lies among the receipts and is none for what waits is cleared away, so much at a look.
_CLEARED_AT_ONCE: Final = 2_000
_ODD: Final = re.compile(r"[^a-z0-9 .,-]+", re.IGNORECASE)

_log = structlog.get_logger("link")


@dataclass(frozen=True, slots=True)
class Reply:
    """Headquarters' answer to a post: the status it gave, and the body of a good one."""

    status: int
    content: bytes = b""


class Desk(Protocol):
    """Where envelopes are left."""

    async def post(self, path: str, body: bytes, limit: int) -> Reply:
        """Post a JSON body; an answer longer than `limit` bytes is not read.

        Raises:
            LineDown: no answer; LineSlow, TlsRefused and HqRefuses (not 200, 204, 400, 408 or 413) say more.
            Truncated: the answer is too long.
        """


# --- how the link stands -------------------------------------------------------------------------------------------

_WORST: Final[tuple[tuple[type[SyncError], LinkWord], ...]] = (
    (TlsRefused, "tls-refused"),
    (HqRefuses, "hq-refuses"),
    (BytesRefused, "feed-refused"),
)
_RANK: Final[tuple[LinkWord, ...]] = ("tls-refused", "down", "hq-refuses", "feed-refused", "up", "starting")


class Standing:
    """What each of the link's activities came to last, put together as one word for the page. Pure but for `wall`.

    Args:
        wall: UTC seconds since 1970, for people; nothing is decided by it.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._faults: dict[str, SyncError] = {}
        self._contact: str | None = None
        self._state = LinkState(state="starting", since=_moment(wall()))

    def well(self, activity: str) -> None:
        """Headquarters gave a good answer."""
        self._faults.pop(activity, None)
        self._contact = _moment(self._wall())
        self._settle()

    def idle(self, activity: str) -> None:
        """There is nothing to do: what went wrong before matters no more."""
        if self._faults.pop(activity, None) is not None:
            self._settle()

    def fault(self, activity: str, error: SyncError) -> None:
        """It went wrong."""
        self._faults[activity] = error
        self._settle()

    def blocked(self, activity: str, error: SyncError) -> None:
        """It went wrong, and nothing else is tried until it is mended: what had failed before is not what to mend."""
        self._faults = {activity: error}
        self._settle()

    def state(self) -> LinkState:
        """How the link stands now."""
        return msgspec.structs.replace(self._state, last_contact=self._contact)

    def stopped(self) -> LinkState:
        """The link's last word."""
        return LinkState(state="stopped", since=_moment(self._wall()), last_contact=self._contact)

    def _settle(self) -> None:
        word, detail = min(
            ((_word(error), f"{error.detail} {error.advice}") for error in self._faults.values()),
            key=lambda found: _RANK.index(found[0]),
            default=(("up" if self._contact else "starting"), ""),
        )
        before = self._state
        if (word, detail) == (before.state, before.detail):
            return
        since = before.since if word == before.state else _moment(self._wall())
        self._state = LinkState(state=word, since=since, detail=detail)
        _log.info("link", state=word, detail=detail)


def _word(error: SyncError) -> LinkWord:
    return next((word for kind, word in _WORST if isinstance(error, kind)), "down")


def _moment(wall: float) -> str:
    # A clock far outside the calendar must not stop the alerts.
    bounded = min(max(wall, 0.0), 253_402_300_799.0)
    return dt.datetime.fromtimestamp(bounded, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- from the spool to the desk, and back --------------------------------------------------------------------------


class Dispatch:
    """Posts what lies in `spool/out` and writes what comes back into `spool/in`.

    Args:
        out, spool_in: the spool's two folders.
        standing: told of every outcome.
        clock: monotonic seconds.
        chance: draws from 0 to 1, for the back-off's jitter.
    """

    def __init__(
        self,
        out: Spool,
        spool_in: Spool,
        standing: Standing,
        clock: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._out = out
        self._in = spool_in
        self._standing = standing
        self._clock = clock
        self._outbox = Outbox(chance)
        self._heartbeat_backoff = Backoff(chance)
        self._heartbeat_sent = b""
        self._awaited: frozenset[str] = frozenset()  # files of receipts
        self._looked: tuple[int, ...] = ()
        self._looked_at = float("-inf")
        self._told: LinkState | None = None
        self._told_at = float("-inf")
        self.turns = {"state": 0, "alerts": 0}  # for the watchdog

    async def upload(self, desk: Desk) -> None:
        """Post envelopes, most urgent first, until cancelled."""
        while True:
            self.turns["alerts"] += 1
            try:
                await self._look()
                batch = self._outbox.batch(self._clock())
            except SyncError as error:
                self._standing.fault("alerts", error)
                batch = ()
            if batch:
                await self._post(desk, batch)
            else:
                await asyncio.sleep(LOOK_EVERY_S)

    async def beat(self, desk: Desk) -> None:
        """Post the heartbeat whenever it is another one, until cancelled."""
        while True:
            if self._clock() >= self._heartbeat_backoff.due():
                try:
                    await self._post_heartbeat(desk)
                except SyncError as error:
                    self._heartbeat_backoff.failed(self._clock())
                    self._standing.fault("heartbeat", error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def tell(self) -> None:
        """Keep `spool/in/link.json` at how the link stands, until cancelled."""
        while True:
            await self.tell_now(self._standing.state())
            self.turns["state"] += 1
            await asyncio.sleep(LOOK_EVERY_S)

    async def tell_now(self, state: LinkState) -> None:
        """Write the state if it is another; a newer contact alone is written once in a minute."""
        told, now = self._told, self._clock()
        if told is not None and now - self._told_at < TELL_EVERY_S:
            state = msgspec.structs.replace(state, last_contact=state.last_contact and told.last_contact)
        if state == told:
            return
        try:
            await asyncio.to_thread(self._in.write, LINK_FILE, encode(self._standing_now(state)))
        except SyncError as error:
            self._standing.fault("spool", error)
            return
        self._standing.idle("spool")
        self._told, self._told_at = state, now

    def _standing_now(self, state: LinkState) -> LinkState:
        return msgspec.structs.replace(state, last_contact=self._standing.state().last_contact)

    # --- looking -----------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Take in both folders if one of them changed; a receipt whose envelope is gone is cleared away."""
        now = self._clock()
        changed = (_changed_at(self._out.root / ALERTS_FOLDER), _changed_at(self._in.root / RECEIPTS_FOLDER))
        if changed == self._looked and now - self._looked_at < LOOK_THROUGH_S:
            return
        self._looked, self._looked_at = changed, now
        names, receipts = await asyncio.to_thread(self._survey)
        self._outbox.look(names, receipts, now)
        if not len(self._outbox):
            self._standing.idle("alerts")

    def _survey(self) -> tuple[list[str], dict[str, Stamp]]:
        """What waits, and its receipts by entry id; the folder of receipts is cleared of the rest, bit by bit.

        What is to go is found before what waits is looked up: else a courier's receipt for a new one might go with it.
        """
        strange = self._in.beside(RECEIPTS_FOLDER, self._awaited, _CLEARED_AT_ONCE)
        names = self._out.names(f"{ALERTS_FOLDER}/")
        ids = {_receipt_of(one.id): one.id for name in names if (one := waiting(name)) is not None}
        self._awaited = frozenset(ids)
        self._in.drop(RECEIPTS_FOLDER, [entry for entry in strange if entry not in ids])
        stamps = self._in.stamps(RECEIPTS_FOLDER, ids)
        return names, {ids[file]: stamp for file, stamp in stamps.items()}

    def _stamp(self, entry_id: str) -> Stamp:
        file = _receipt_of(entry_id)
        return self._in.stamps(RECEIPTS_FOLDER, [file]).get(file, ())

    # --- alerts ------------------------------------------------------------------------------------------------

    async def _post(self, desk: Desk, batch: tuple[Waiting, ...]) -> None:
        """Post a batch; a more urgent envelope that comes meanwhile goes first, and the batch once more later."""
        posted, body = await asyncio.to_thread(self._load, batch)
        if not posted:
            return
        sending = asyncio.create_task(desk.post(_ALERTS_PATH, body, ANSWER_LIMIT))
        try:
            while not (await asyncio.wait({sending}, timeout=LOOK_EVERY_S))[0]:
                self.turns["alerts"] += 1
                with contextlib.suppress(SpoolFault):
                    await self._look()
                if self._outbox.preempts(posted, self._clock()):
                    return
            await self._take(posted, sending.result())
        except (LineSlow, Truncated) as error:
            self._standing.fault("alerts", error)
            self._outbox.too_much(posted, self._clock())
            self._outbox.failed(self._clock())
        except SyncError as error:
            self._standing.fault("alerts", error)
            self._outbox.failed(self._clock())
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def _load(self, batch: tuple[Waiting, ...]) -> tuple[tuple[Waiting, ...], bytes]:
        """As many of a batch as one body takes, and that body; a file that is no envelope waits by itself."""
        posted: list[Waiting] = []
        envelopes: list[Envelope] = []
        size = 0
        for one in batch:
            try:
                content = self._out.read(one.name, ENVELOPE_LIMIT)
                if posted and size + len(content) > BODY_LIMIT - ENVELOPE_LIMIT:
                    break
                envelopes.append(_envelope(content, one))
            except Missing:  # the core took it away meanwhile
                self._looked = ()
                self._outbox.refused(one, self._clock())
                continue
            except SyncError as error:
                _log.warning("an envelope in the spool cannot be posted", reason=error.reason)
                self._outbox.refused(one, self._clock())
                continue
            size += len(content)
            posted.append(one)
        return tuple(posted), encode(Upload(envelopes=tuple(envelopes)))

    async def _take(self, posted: tuple[Waiting, ...], reply: Reply) -> None:
        """Receipts into the spool, refusals into the log; headquarters speaks only of what it was given."""
        if reply.status in _TOO_MUCH:
            if len(posted) == 1:
                _log.warning("headquarters cannot read an envelope", status=reply.status)
            self._standing.fault("alerts", HqRefuses(f"The desk cannot take {len(posted)} envelopes ({reply.status})."))
            self._outbox.too_much(posted, self._clock())
            return
        try:
            answer = _ANSWER.decode(reply.content)
        except UNREADABLE as error:
            raise HqRefuses("The desk's answer is in no shape this version reads.") from error
        asked = {one.id: one for one in posted}
        receipts = {}
        for receipt in answer.receipts:
            if receipt.id in asked and len(content := encode(receipt)) <= RECEIPT_LIMIT:
                await asyncio.to_thread(self._in.write, receipt_file(receipt.id), content)
                receipts[receipt.id] = self._stamp(receipt.id)
        for refusal in answer.refused:
            if refusal.id in asked:
                _log.warning("headquarters refuses an envelope", reason=_ODD.sub("?", refusal.reason)[:80])
        self._outbox.answered(posted, receipts, self._clock())
        self._conclude(len(posted), len(receipts))

    def _conclude(self, posted: int, received: int) -> None:
        if received:
            _log.info("delivered", envelopes=received)
        if received == posted:
            self._standing.well("alerts")
        else:
            detail = f"The desk gave no receipt for {posted - received} of {posted} envelopes."
            self._standing.fault("alerts", HqRefuses(detail))

    # --- heartbeat ---------------------------------------------------------------------------------------------

    async def _post_heartbeat(self, desk: Desk) -> None:
        try:
            content = self._out.read(HEARTBEAT_FILE, ENVELOPE_LIMIT)
        except Missing:
            return
        if content == self._heartbeat_sent:
            return
        reply = await desk.post(_HEARTBEAT_PATH, content, ANSWER_LIMIT)
        if reply.status in _TOO_MUCH:
            raise HqRefuses(f"The desk cannot take this booth's heartbeat ({reply.status}).")
        self._heartbeat_sent = content
        self._heartbeat_backoff.went_well()
        self._standing.well("heartbeat")


def _envelope(content: bytes, one: Waiting) -> Envelope:
    try:
        envelope = _ENVELOPE.decode(content)
    except UNREADABLE as error:
        raise Malformed("A file in the spool is no envelope.") from error
    if envelope.id != one.id:
        raise Malformed("An envelope in the spool is not the one its file is called after.")
    return envelope


def _receipt_of(entry_id: str) -> str:
    """Its file's name in the folder of receipts."""
    return receipt_file(entry_id).rpartition("/")[2]


def _changed_at(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
