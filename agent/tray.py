"""The booth's outgoing tray: `spool/out` is a projection of the ledger, and receipts come back through `spool/in`.

What is wiped from the tray is written again, until headquarters' signed receipt has been verified here; then it goes,
and only then. The thread that does this reads the ledger over a connection of its own and has the recorder write, so
that a long backlog holds up no verdict.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import structlog

from failsafe.agent.receipts import Receipts
from failsafe.agent.recorder import Recorder, Task, whereabouts
from failsafe.sync import envelope, seal
from failsafe.sync.errors import SpoolFault, SyncError
from failsafe.sync.ledger import Ledger, Waiting
from failsafe.sync.records import UNREADABLE, HqKeys, encode
from failsafe.sync.reports import (
    ALERTS_FOLDER,
    HEARTBEAT_FILE,
    LINK_FILE,
    WANT_FILE,
    Heartbeat,
    LinkState,
    Want,
    alert_file,
)
from failsafe.sync.spool import MAX_FILES, Mark, Spool

LOOK_EVERY_S: Final = 0.5
HEARTBEAT_EVERY_S: Final = 300.0
_WRITE_WAIT_S: Final = 10.0
_LOOKS_BETWEEN_WALKS: Final = 120  # a minute
# The rest stays in the ledger until its turn comes: one that is urgent finds room however much waits.
_LAID_OUT_AT_MOST: Final = 3 * MAX_FILES // 4
_LINK_LIMIT: Final = 4 * 1024
_SAID_LIMIT: Final = 400  # the longest that an honest link says of itself is half of it
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_LINK: Final = msgspec.json.Decoder(LinkState)

_log = structlog.get_logger("tray")


@dataclass(slots=True)
class _Seen:
    """What the last look found, and by what it can be told that nothing has changed since.

    `waiting` is all without a receipt, in the order in which it goes; `turn` what of it is to be in the tray, by name.
    """

    sequence: int
    mark: Mark | None
    waiting: tuple[Waiting, ...]
    turn: dict[str, Waiting]
    there: set[str]
    looks_left: int


class Tray:
    """Keeps `spool/out` as the ledger says, and takes receipts.

    Args:
        spool: the folder with `in/` and `out/`.
        booth: this booth's id.
        signing: its Ed25519 seed.
        open_ledger: opens a connection for the calling thread.
        recorder: writes.
        heartbeat: makes a heartbeat of now; None while the booth is not ready to.
        want: what the link shall fetch.
        wall: the wall clock as ISO 8601, for the record of a delivery.
    """

    def __init__(
        self,
        spool: Path,
        booth: str,
        signing: bytes,
        open_ledger: Callable[[], Ledger],
        recorder: Recorder,
        heartbeat: Callable[[Ledger], Heartbeat | None],
        want: Callable[[], Want],
        wall: Callable[[], str],
    ) -> None:
        self._root = spool
        self._in = Spool(spool / "in")
        self._out = Spool(spool / "out")
        self._booth = booth
        self._signing = signing
        self._open_ledger = open_ledger
        self._recorder = recorder
        self._heartbeat = heartbeat
        self._want = want
        self._wall = wall
        self._wanted: Want | None = None
        self._sealed_with = ""
        self._seen: _Seen | None = None
        self.receipts = Receipts(self._in, self._note_delivery)
        self._wake = threading.Event()
        self._beat = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="tray", daemon=True)
        self.fault: SyncError | None = None
        self.link: LinkState | None = None

    def start(self) -> None:
        """Start the thread."""
        self._beat.set()
        self._thread.start()

    def stop(self) -> None:
        """End after the step at hand."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def hurry(self) -> None:
        """Something was recorded: look at once."""
        self._wake.set()

    def beat(self) -> None:
        """A part changed its state: tell headquarters with a heartbeat now."""
        self._beat.set()
        self._wake.set()

    # --- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        waited_s = 0.0
        while not self._stopping:
            try:
                with self._open_ledger() as ledger:
                    while not self._stopping:
                        if self._beat.is_set() or waited_s >= HEARTBEAT_EVERY_S:
                            self._beat.clear()
                            waited_s = 0.0
                            self._write_heartbeat(ledger)
                        self._look(ledger)
                        self._become(None)
                        woken = self._wake.wait(LOOK_EVERY_S)
                        self._wake.clear()
                        waited_s += 0.0 if woken else LOOK_EVERY_S
            except SyncError as error:
                self._rest(error)
            except Exception as error:  # a fault of ours: the thread goes on, and page and log say that it met one
                _log.error("the tray met a fault of its own", fault=type(error).__name__, where=whereabouts(error))
                self._rest(SpoolFault(f"The tray's thread met {type(error).__name__}."))

    def _rest(self, fault: SyncError) -> None:
        self._seen = None
        self._become(fault)
        self._wake.wait(2 * LOOK_EVERY_S)
        self._wake.clear()

    def _become(self, fault: SyncError | None) -> None:
        if fault is not None and (self.fault is None or self.fault.reason != fault.reason):
            _log.error("alerts cannot be laid out", reason=fault.reason, detail=fault.detail, advice=fault.advice)
        self.fault = fault

    def _look(self, ledger: Ledger) -> None:
        self._make_tray()
        self.link = self._link_state()
        self.receipts.count()
        seen = self._tidy(ledger)
        self._tell_want()
        hq = ledger.hq_keys()
        if hq is None:
            return  # not one publication was taken yet: nobody to seal to, and the ledger keeps everything
        taken = self.receipts.take(seen.waiting, ledger, hq)
        if taken:
            self._seen = None
            seen = self._tidy(ledger)
        if self._sealed_for(hq, ledger, seen.there):
            self._fill(seen, ledger, hq)
        if taken:
            self._wake.set()  # where there was one, more may lie

    def _fill(self, seen: _Seen, ledger: Ledger, hq: HqKeys) -> None:
        """Lay out what is missing, the urgent first; what is recorded meanwhile may go before the rest of it."""
        for name in sorted(seen.turn.keys() - seen.there):
            if self._lay_out(name, seen.turn[name], ledger, hq):
                seen.there.add(name)
            if self._stopping or self._wake.is_set():
                return

    def _sealed_for(self, hq: HqKeys, ledger: Ledger, there: set[str]) -> bool:
        """See that what waits is sealed with the keys that count now; False if the recorder could not note it.

        The files go first: whoever is killed in between does it again.
        """
        keys = f"{hq.seal.key_id} {hashlib.sha256(seal.signing_public(self._signing)).hexdigest()[:16]}"
        if keys != self._sealed_with and ledger.sealing() != keys:
            for name in sorted(there):
                self._out.remove(name)
            there.clear()
            if not self._write(lambda ledger: ledger.seal_anew(keys)):
                return False
        self._sealed_with = keys
        return True

    def _tidy(self, ledger: Ledger) -> _Seen:
        """What waits, and which of it lies in the tray; what else lies there goes.

        Before anything is written: a stranger's file may have used up the quota that this would need. A tray of many
        thousand alerts is not walked twice a second for nothing: its folder tells when a file came or went, and what a
        folder cannot tell is seen with the next whole walk.
        """
        seen, self._seen = self._seen, None  # of a look that comes to no end nothing is believed
        sequence, mark = ledger.sequence(), self._out.mark(ALERTS_FOLDER)
        if seen is None or seen.looks_left == 0 or mark is None or (sequence, mark) != (seen.sequence, seen.mark):
            waiting = tuple(ledger.waiting())
            turn = {alert_file(one.urgency, one.sequence, one.id): one for one in waiting[:_LAID_OUT_AT_MOST]}
            there = set(self._out.names(f"{ALERTS_FOLDER}/"))
            for name in sorted(there - turn.keys()):
                self._out.remove(name)
            seen = _Seen(sequence, mark, waiting, turn, there & turn.keys(), _LOOKS_BETWEEN_WALKS)
        else:
            seen.looks_left -= 1
        self._seen = seen
        return seen

    def _make_tray(self) -> None:
        try:
            self._root.joinpath("out").mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise SpoolFault(f"The folder spool/out cannot be made ({error.strerror}).") from error

    # --- going out -----------------------------------------------------------------------------------------------

    def _lay_out(self, name: str, one: Waiting, ledger: Ledger, hq: HqKeys) -> bool:
        content = ledger.sealed(one.id)
        if content is None:
            entry = ledger.entry(one.id)
            assert entry is not None
            closed = encode(envelope.close(entry, one.urgency, self._booth, self._signing, hq))
            if not self._write(lambda ledger: ledger.keep_sealed(one.id, closed)):
                return False
            content = ledger.sealed(one.id) or closed
        self._out.write(name, content)
        return True

    def _note_delivery(self, entry_id: str, receipt: bytes) -> bool:
        return self._write(lambda ledger: ledger.mark_delivered(entry_id, receipt, self._wall()))

    def _write(self, task: Task) -> bool:
        return self._recorder.submit(task, keep=False).wait(_WRITE_WAIT_S)

    def _write_heartbeat(self, ledger: Ledger) -> None:
        hq = ledger.hq_keys()
        made = self._heartbeat(ledger) if hq is not None else None
        if hq is not None and made is not None:
            self._make_tray()
            self._out.write(HEARTBEAT_FILE, encode(envelope.close_heartbeat(made, self._signing, hq)))

    def _tell_want(self) -> None:
        want = self._want()
        if want != self._wanted or not self._out.holds(WANT_FILE):
            self._out.write(WANT_FILE, encode(want))
            self._wanted = want

    def _link_state(self) -> LinkState | None:
        """How the link says it stands; None where there is no link, or no word of it that can be read."""
        try:
            said = _LINK.decode(self._in.read(LINK_FILE, _LINK_LIMIT))
        except (SyncError, *UNREADABLE):
            return None
        # A link gone bad shall not draw on a technician's terminal, nor fill an officer's page.
        since, contact = (_MOMENT.fullmatch(moment or "") for moment in (said.since, said.last_contact))
        detail = "".join(letter for letter in said.detail[:_SAID_LIMIT] if letter.isprintable())
        return LinkState(
            state=said.state,
            since=since[0] if since else "",
            last_contact=contact[0] if contact else None,
            detail=detail,
        )
