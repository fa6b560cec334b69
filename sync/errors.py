"""What can go wrong between headquarters and a booth.

Two trees. The bytes are bad: nobody need retry, somebody must send other bytes. The line is bad: the same bytes
may pass later. Every error says what its reader does next (`advice`) and carries one stable word (`reason`) that
page, log and `failsafe status` show alike.

SyncError
├── BytesRefused           what arrived is not believed; what was held stays
│   ├── Unsigned           too few signatures, or by a key that does not count
│   ├── Older              rolled back: below the floor this booth has already accepted
│   ├── Expired            metadata past its own expiry by this booth's clock
│   ├── Truncated          shorter or longer than the signed length, or other bytes
│   ├── Missing            a file that the signed metadata names is not there
│   │   └── Awaited        a supplement that is this booth's has not come yet; the link is told to fetch it
│   ├── NotForThisBooth    sealed to another booth, or another booth's bundle
│   ├── Shrunken           a list that lost notices without a signed statement, or is empty
│   ├── ForeignLineage     a feed whose lineage the top-level targets do not name
│   └── Malformed          signed, and still not in the shape this version reads
└── LineDown               the bytes may be good, the way to them or to the disk is not
    ├── LineSlow           no answer in time, or too few bytes a second
    ├── TlsRefused         one of the two certificates is not believed
    ├── HqRefuses          headquarters answers, and says no
    ├── SpoolFault         a spool folder cannot be read or written, or is over its quota
    └── StoreBroken        mirror or ledger cannot be opened, read or written
        ├── WrongKey       the key does not open the file, or the file is damaged from its first page
        └── StoreDamaged   an integrity check failed
"""

from __future__ import annotations

from typing import ClassVar


class SyncError(Exception):
    """Base of both trees.

    Args:
        detail: what was seen, without names, zones or keys.
        advice: what the person who reads it does next; the class's own advice where none is given.
    """

    reason: ClassVar[str] = "fault"
    usual_advice: ClassVar[str] = "Tell the technician; nothing that was held has changed."

    def __init__(self, detail: str, advice: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.advice = advice or self.usual_advice

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail} {self.advice}"


class BytesRefused(SyncError):
    reason = "refused"


class Unsigned(BytesRefused):
    reason = "unsigned"
    usual_advice = "Do not use this source again before headquarters has been asked; the notices held stay in force."


class Older(BytesRefused):
    reason = "older"
    usual_advice = "Bring the newest publication; this one is older than what the booth holds."


class Expired(BytesRefused):
    reason = "expired"
    usual_advice = "Check the booth's clock; if it is right, bring a newer publication."


class Truncated(BytesRefused):
    reason = "truncated"
    usual_advice = "Copy the publication again; the medium or the transfer broke it."


class Missing(BytesRefused):
    reason = "missing"
    usual_advice = "Copy the whole publication again; a file that it names was not there."


class Awaited(Missing):
    """Feeds that are this booth's by headquarters' signed word, and are not in the spool.

    Args:
        detail: as `SyncError`.
        feeds: their ids.
    """

    usual_advice = "The link fetches it now; where a stick is carried, import the same stick once more."

    def __init__(self, detail: str, feeds: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.feeds = feeds


class NotForThisBooth(BytesRefused):
    reason = "not-for-this-booth"
    usual_advice = "Ask headquarters whether this booth is enrolled, and for a publication made after it was."


class Shrunken(BytesRefused):
    reason = "shrunken"
    usual_advice = "Ask headquarters to sign a statement for the smaller list, if it is meant; the old list stays."


class ForeignLineage(BytesRefused):
    reason = "foreign-lineage"
    usual_advice = "Ask headquarters whether it was restored; a new lineage needs the signature of its targets keys."


class Malformed(BytesRefused):
    reason = "malformed"
    usual_advice = "Update the booth's software, or ask headquarters to publish again."


class LineDown(SyncError):
    reason = "line-down"
    usual_advice = "Check cable, modem and `url` in [link]; the link goes on trying, and a stick works meanwhile."


class LineSlow(LineDown):
    reason = "slow"
    usual_advice = "Nothing need be done: the link tries again with less at a time."


class TlsRefused(LineDown):
    reason = "tls-refused"
    usual_advice = "Check the booth's clock and `url` in [link]; if both are right, ask headquarters before going on."


class HqRefuses(LineDown):
    reason = "hq-refuses"
    usual_advice = "Ask headquarters whether its desk is well and this booth enrolled; the link goes on trying."


class SpoolFault(LineDown):
    reason = "spool"
    usual_advice = "Check the spool folder's owner, mode and free space."


class StoreBroken(LineDown):
    reason = "store"
    usual_advice = "Check the disk and its free space, then restart the service."


class WrongKey(StoreBroken):
    reason = "wrong-key"
    usual_advice = "Check that the keys belong to this booth's files; do not delete the files."


class StoreDamaged(StoreBroken):
    reason = "damaged"
    usual_advice = "Keep the file for examination; the service sets a damaged mirror aside and fetches it anew."


class LedgerDamaged(StoreDamaged):
    usual_advice = (
        "Telephone the technician: leave the core running until nothing waits for headquarters. Then stop it, keep "
        "ledger.db for examination and replace the disk."
    )
