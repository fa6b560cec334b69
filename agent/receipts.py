"""Headquarters' receipts as they come back through `spool/in`, which belongs to a link that nobody trusts.

They are asked for by the names of what waits; whatever else lies there, a million files of it, is not looked at. In one
look so many are asked for and so many read, of those that go first and of all in turn: so neither what lies there nor
what is written there anew again and again keeps a true receipt waiting for ever, or takes the processor from verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from failsafe.sync import envelope
from failsafe.sync.errors import BytesRefused, Malformed, Missing, SpoolFault, SyncError
from failsafe.sync.ledger import Ledger, Waiting
from failsafe.sync.records import UNREADABLE, HqKeys
from failsafe.sync.reports import RECEIPTS_FOLDER, Receipt, receipt_file
from failsafe.sync.spool import MAX_FILES, Spool, Stamp

ASKED_AT_ONCE: Final = 500  # some 2 ms
READ_AT_ONCE: Final = 32  # some 10 ms with their signatures
_LOOKS_BETWEEN_COUNTS: Final = 120  # a minute
_RECEIPT_LIMIT: Final = 4 * 1024
_RECEIPT: Final = msgspec.json.Decoder(Receipt)

_log = structlog.get_logger("tray")


class Receipts:
    """Takes the receipts for what waits.

    Args:
        spool_in: `spool/in`.
        deliver: notes (entry id, receipt's bytes) in the ledger; False if it could not.
    """

    def __init__(self, spool_in: Spool, deliver: Callable[[str, bytes], bool]) -> None:
        self._in = spool_in
        self._deliver = deliver
        self._refused: dict[str, tuple[Stamp, HqKeys]] = {}  # by entry id: not read again while both are the same
        self._said: set[str] = set()
        self._next = 0  # where the turn of all stands
        self._looks_left = 0
        # More lies there than any link or courier of ours lays down; None: nobody has counted yet.
        self.flooded: bool | None = None

    @property
    def refused(self) -> int:
        """How many lie there that are not headquarters' word."""
        return len(self._refused)

    def count(self) -> None:
        """See now and then whether the folder is flooded; headquarters hears of that, and the log."""
        if self._looks_left:
            self._looks_left -= 1
            return
        self._looks_left = _LOOKS_BETWEEN_COUNTS
        try:
            flooded = self._in.exceeds(RECEIPTS_FOLDER, MAX_FILES)
        except SyncError:  # it is said when receipts are asked for
            return
        if flooded and not self.flooded:
            _log.warning("the link floods the spool", folder=f"in/{RECEIPTS_FOLDER}", more_than=MAX_FILES)
        self.flooded = flooded

    def take(self, waiting: Sequence[Waiting], ledger: Ledger, hq: HqKeys) -> bool:
        """Take receipts for some of what waits, in its order; whether any was delivered.

        Nothing that a link gone bad puts there, or forbids, may keep alerts from being laid out: a stick still comes.
        """
        settled: set[str] = set()
        if not waiting or not self._in.root.is_dir():
            return False
        start = self._next % len(waiting)
        try:
            self._go_through(waiting[:ASKED_AT_ONCE], settled, ledger, hq)
            self._next = start + self._go_through(waiting[start : start + ASKED_AT_ONCE], settled, ledger, hq)
        except (Malformed, SpoolFault) as error:
            self._warn(error)
        if settled:
            self._said.clear()
        return bool(settled)

    def _go_through(self, asked: Sequence[Waiting], settled: set[str], ledger: Ledger, hq: HqKeys) -> int:
        """How many of them could be gone through; those whose receipts are delivered are added to `settled`."""
        files = {one.id: receipt_file(one.id).rpartition("/")[2] for one in asked}
        stamps = self._in.stamps(RECEIPTS_FOLDER, files.values())
        read = 0
        for passed, one in enumerate(asked):
            stamp = stamps.get(files[one.id])
            if stamp is None:
                self._refused.pop(one.id, None)
            elif one.id not in settled and self._refused.get(one.id) != (stamp, hq):
                if read == READ_AT_ONCE:
                    return passed
                read += 1
                if self._take(one.id, stamp, ledger, hq):
                    settled.add(one.id)
        return len(asked)

    def _take(self, entry_id: str, stamp: Stamp, ledger: Ledger, hq: HqKeys) -> bool:
        try:
            content = self._in.read(receipt_file(entry_id), _RECEIPT_LIMIT)
            entry = ledger.entry(entry_id)
            assert entry is not None
            envelope.check_receipt(_decoded(content), entry, hq)
        except Missing:
            return False
        except (BytesRefused, SpoolFault) as error:
            if isinstance(error, BytesRefused):  # what a disk does not give now it may give at the next look
                self._refused[entry_id] = stamp, hq
            self._warn(error)
            return False
        self._refused.pop(entry_id, None)
        return self._deliver(entry_id, content)

    def _warn(self, error: SyncError) -> None:
        """Each reason is said once, until a receipt is good again: who writes them anew shall not fill the log."""
        if error.reason not in self._said:
            self._said.add(error.reason)
            _log.warning("receipt refused", reason=error.reason, detail=error.detail)


def _decoded(content: bytes) -> Receipt:
    try:
        return _RECEIPT.decode(content)
    except UNREADABLE as error:
        raise Malformed("A receipt is not in a shape this version reads.") from error
