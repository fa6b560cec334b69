"""The ledger's own chain: a digest over each record and all before it, and the walk that finds a break. Pure."""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal

import msgspec

from failsafe.sync.errors import StoreDamaged
from failsafe.sync.reports import Alert, Body, ChainEntry, Finding, Measurement, PurgeReceipt

NOTHING: Final = "0" * 64  # the digest before the first
ENTRY: Final = msgspec.json.Decoder(ChainEntry)
_DOMAIN: Final = b"failsafe-edge/ledger/1\0"

IN_ALERT_CHAIN: Final = ("alert", "measurement", "finding", "health", "purge")
RecordKind = Literal["alert", "measurement", "finding", "health", "purge", "search", "setting", "floor"]


class Walk:
    """The state of a walk along both chains."""

    def __init__(self, number: int, head: bytes, entry: ChainEntry | None) -> None:
        self.number = number
        self._head = head
        self._sequence = entry.sequence if entry else 0
        self._digest = entry.digest() if entry else NOTHING

    def step(
        self,
        number: int,
        kind: str,
        subject: str,
        sequence: int | None,
        body: bytes,
        head: bytes,
        waiting: str | None,
        found: int,
    ) -> None:
        if number != self.number + 1:
            raise StoreDamaged(f"Record {self.number + 1} of the ledger is missing.")
        if head != next_head(self._head, number, kind, subject, body):
            raise StoreDamaged(f"Record {number} of the ledger does not follow the one before it.")
        if kind in IN_ALERT_CHAIN:
            entry = read(ENTRY, body, number)
            if (entry.sequence, entry.previous, entry.body.id) != (self._sequence + 1, self._digest, subject):
                raise StoreDamaged(f"Record {number} of the ledger does not follow the alert before it.")
            if (sequence, waiting) != (entry.sequence, subject):
                raise StoreDamaged(f"Record {number} of the ledger has lost its place on the way to headquarters.")
            if isinstance(entry.body, Finding) and found != len(set(entry.body.alerts)):
                raise StoreDamaged(f"Record {number} of the ledger, a finding, has lost the alerts it speaks of.")
            self._sequence, self._digest = entry.sequence, entry.digest()
        self.number, self._head = number, head


def kind_of(body: Body) -> RecordKind:
    if isinstance(body, Alert):
        return "alert"
    if isinstance(body, Measurement):
        return "measurement"
    if isinstance(body, PurgeReceipt):
        return "purge"
    return "finding" if isinstance(body, Finding) else "health"


def next_head(before: bytes, number: int, kind: str, subject: str, body: bytes) -> bytes:
    """SHA-256 over the head before and the record, each part behind its length."""
    parts = (before, str(number).encode(), kind.encode(), subject.encode(), body)
    return hashlib.sha256(_DOMAIN + b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()


def read(decoder: msgspec.json.Decoder[Any], body: bytes, number: int | None = None) -> Any:  # noqa: ANN401
    try:
        return decoder.decode(body)
    except msgspec.DecodeError:  # its text may quote the record: it is not repeated, not even as the cause
        if number is None:
            raise StoreDamaged("A record of the ledger is not in a shape this version reads.") from None
        raise StoreDamaged(f"Record {number} of the ledger is not in a shape this version reads.") from None
