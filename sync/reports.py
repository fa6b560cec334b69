"""What a booth reports and what headquarters answers: alerts, findings, heartbeats, and the envelopes they travel in.

Frozen, and unknown fields are refused, as in sync/records.py.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Final, Literal

from failsafe.sync.records import Record, Tier, encode, learn

AlertKind = Literal["notice_hit", "listed_document", "radiation_alarm", "person_and_radiation", "exercise"]
Urgency = Literal["urgent", "routine"]


class Moment(Record, frozen=True, kw_only=True):
    """When something happened, by both clocks, and whether the wall clock may be believed."""

    wall: str
    monotonic_s: float
    trusted: bool


def utc(wall_s: float) -> str:
    """UTC seconds since 1970 as ISO 8601 with milliseconds and `Z`."""
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Place(Record, frozen=True, kw_only=True):
    """Where the booth stands."""

    booth: str
    country: str
    crossing_point: str
    lane: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class PersonAsRead(Record, frozen=True, kw_only=True):
    """The traveller as document or officer gave them; `zone` is the raw zone, kept even where it was repaired."""

    source: Literal["zone", "manual"]
    surname: str | None = None
    given: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    nationality: str | None = None
    document_number: str | None = None
    issuing_state: str | None = None
    zone: tuple[str, ...] = ()
    repaired: bool = False


class MatchReason(Record, frozen=True, kw_only=True):
    """One field's part in a match: both sides as written, why they meet, and the points it added or took."""

    field: str
    query: str
    candidate: str
    why: str
    points: float


class MatchedNotice(Record, frozen=True, kw_only=True):
    entity_id: str
    tier: Tier
    grade: Literal["possible", "strong"]
    score: float
    reasons: tuple[MatchReason, ...] = ()


class MatchedDocument(Record, frozen=True, kw_only=True):
    """A listed document that was presented; `sure` is false where the number had to be repaired."""

    number: str
    issuing_country: str
    document_type: str
    fraud_type: str
    sure: bool = True


class ChannelSummary(Record, frozen=True, kw_only=True):
    """One channel of an occupancy: the highest interval and what it stood against."""

    channel: Literal["gamma", "neutron"]
    alarm: bool
    peak: float
    interval_s: float
    background_cps: float | None = None
    panels: tuple[int, ...] = ()


class OwnTest(Record, frozen=True, kw_only=True):
    """A test of the booth's own that alarmed: how strong, against which threshold, on which panels (from 1)."""

    channel: Literal["gamma", "neutron"]
    test: str
    strength: float
    threshold: float
    panels: tuple[int, ...] = ()


class RadiationSummary(Record, frozen=True, kw_only=True):
    """What the detector saw; `own` are the booth's own tests that alarmed, `nuclides` what the device recognised."""

    detector: str
    health: str
    occupancy: str | None = None
    duration_s: float | None = None
    channels: tuple[ChannelSummary, ...] = ()
    own: tuple[OwnTest, ...] = ()
    nuclides: tuple[str, ...] = ()


class FeedState(Record, frozen=True, kw_only=True):
    """Which word of headquarters a verdict was given on."""

    feed: str
    lineage: str
    serial: int


class Alert(Record, frozen=True, kw_only=True, tag_field="record", tag="alert"):
    """One alert as the CCC reads it.

    `crossing` is None for a radiation alarm that no traveller's document stands beside; `follows` names an earlier
    alert of the same crossing or passage.
    """

    id: str
    kind: AlertKind
    urgency: Urgency
    at: Moment
    place: Place
    verdict: str
    crossing: str | None = None
    follows: str | None = None
    person: PersonAsRead | None = None
    notices: tuple[MatchedNotice, ...] = ()
    listed: tuple[MatchedDocument, ...] = ()
    radiation: RadiationSummary | None = None
    mirror: tuple[FeedState, ...] = ()
    mirror_age_s: float | None = None


class HealthChange(Record, frozen=True, kw_only=True, tag_field="record", tag="health"):
    """A part of the booth changed its state; carries no person."""

    id: str
    at: Moment
    place: Place
    part: str
    was: str
    now: str
    detail: str = ""


FINDING_LENGTH: Final = 2000  # characters of any script: at four bytes each it still fits the second envelope size
FINDING_ALERTS: Final = 16  # more than any crossing raises
Category = Literal["norm", "medical", "industrial", "nuclear", "contaminated", "unknown", "instrument"]
Explanation = Literal["plausible", "unusual", "implausible"]
RADIATION_KINDS: Final = frozenset({"radiation_alarm", "person_and_radiation"})


class Finding(Record, frozen=True, kw_only=True, tag_field="record", tag="finding"):
    """What the second line found out about a crossing that had raised alerts; a correction is a further finding.

    `crossing` is the alerts' (None for a radiation alarm that no traveller's document stands beside), `text` is the
    officer's own words, at most `FINDING_LENGTH` characters, and empty only beside a category; `shift` is the name
    the search log has.

    Of radiation: `category` is what kind it was taken for, with `nuclide` and `days_since` the procedure where it is
    medical; `plausible` is what the booth told the officer of that explanation, and decides nothing. `person` is the
    traveller whom the officer attached to an alert that named nobody; `text` is then the reason.
    """

    id: str
    at: Moment
    place: Place
    alerts: tuple[str, ...]
    text: str
    crossing: str | None = None
    shift: str = ""
    category: Category | None = None
    nuclide: str | None = None
    days_since: float | None = None
    plausible: Explanation | None = None
    person: PersonAsRead | None = None


MEASUREMENT_LENGTH: Final = (
    32 * 1024
)  # compressed; twice in base64 and with all around it, it fits the largest envelope


class Measurement(Record, frozen=True, kw_only=True, tag_field="record", tag="measurement"):
    """What a detector counted in a passage whose alarm was reported: an ANSI N42.42-2011 document, and its outline.

    It follows its alerts, since it is complete only when the passage has ended; it names nobody.

    Attributes:
        alerts: about this passage, of which no earlier measurement speaks.
        radiation: the passage as it was when this was made.
        ends: the passage had `ended`, somebody was still `standing` in the detector, or the booth was `stopped`.
        summed: so many of the detector's intervals are one in the document: 1, or more for a very long passage.
        size: bytes of the document as such.
        document: the same compressed (zlib), at most `MEASUREMENT_LENGTH` bytes.
    """

    id: str
    at: Moment
    place: Place
    alerts: tuple[str, ...]
    radiation: RadiationSummary
    size: int
    document: bytes
    ends: Literal["ended", "standing", "stopped"] = "ended"
    summed: int = 1


class PurgeReceipt(Record, frozen=True, kw_only=True, tag_field="record", tag="purge"):
    """Of what a feed removed up to this step, nothing is left in the mirror's file: table, page, gap, free page, log.

    Alerts that were raised on it stay in the ledger, and what the publications in the spool hold is theirs, sealed.

    Attributes:
        feed, lineage, serial, count, removed: the step, with its head's numbers.
        purged: how many left since the receipt before, as those numbers tell.
        held: False where the feed itself is this booth's no longer; the step is then the last it had.
        set_aside: damaged mirrors that were set aside and still lie on the disk, with all that they held.
    """

    id: str
    at: Moment
    place: Place
    feed: str
    lineage: str
    serial: int
    count: int
    removed: int
    purged: int
    held: bool = True
    set_aside: int = 0


Body = Alert | HealthChange | Finding | Measurement | PurgeReceipt


class ChainEntry(Record, frozen=True, kw_only=True):
    """A link of the alert chain: `previous` is the hash of the entry before it (sixty-four zeros at the first)."""

    sequence: int
    previous: str
    body: Body

    def digest(self) -> str:
        """SHA-256 over the chain's domain and this entry's bytes, in hexadecimal."""
        return hashlib.sha256(b"failsafe-edge/chain/1\0" + encode(self)).hexdigest()


class SearchLine(Record, frozen=True, kw_only=True):
    """One line of the search log: who asked when on which word of HQ, never about whom."""

    at: str
    lane: str
    shift: str
    mirror: tuple[FeedState, ...]
    verdict: str


# --- what leaves the booth, and what comes back ---------------------------------------------------------------

ALERTS_FOLDER: Final = "alerts"  # in spool/out: one envelope a file
RECEIPTS_FOLDER: Final = "receipts"  # in spool/in: one receipt a file
HEARTBEAT_FILE: Final = "heartbeat.json"  # in spool/out: the newest only
WANT_FILE: Final = "want.json"  # in spool/out: what the link shall fetch
LINK_FILE: Final = "link.json"  # in spool/in: how the link stands
ENTRY_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Version 7 alone: an envelope shows its id, and another version would tell findings from alerts.
OWN_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def alert_file(urgency: Urgency, sequence: int, entry_id: str) -> str:
    """Where an envelope lies in `spool/out`: sorted by name, the urgent come first, then in the chain's order."""
    return f"{ALERTS_FOLDER}/{0 if urgency == 'urgent' else 1}-{sequence:012d}-{entry_id}.json"


def receipt_file(entry_id: str) -> str:
    """Where a receipt lies in `spool/in`."""
    return f"{RECEIPTS_FOLDER}/{entry_id}.json"


class Envelope(Record, frozen=True, kw_only=True):
    """What everybody on the way may see of an alert: id, booth, urgency, for which key it is sealed.

    `sealed` holds a `SignedEntry`, padded to 4, 16 or 64 KiB.
    """

    id: str
    booth: str
    urgency: Urgency
    recipient: str  # key id of headquarters' sealing key
    sealed: bytes


class SignedEntry(Record, frozen=True, kw_only=True):
    """A chain entry with the booth's signature over recipient, booth, sequence and the entry's bytes."""

    sequence: int
    entry: bytes
    signature: bytes
    padding: str = ""


class Receipt(Record, frozen=True, kw_only=True):
    """Headquarters has committed this entry. `digest` is the entry's; the signature covers all the rest."""

    id: str
    booth: str
    digest: str
    received_at: str
    signature: bytes = b""


class Refusal(Record, frozen=True, kw_only=True):
    """Headquarters could not take an envelope; the booth keeps it and goes on trying."""

    id: str
    reason: str


class Upload(Record, frozen=True, kw_only=True):
    """A batch that the link posts."""

    envelopes: tuple[Envelope, ...]


class Answer(Record, frozen=True, kw_only=True):
    """Headquarters' answer to a batch: one of the two for each envelope."""

    receipts: tuple[Receipt, ...] = ()
    refused: tuple[Refusal, ...] = ()


class PartState(Record, frozen=True, kw_only=True):
    part: str
    state: str


class Heartbeat(Record, frozen=True, kw_only=True):
    """What a booth is and holds now; made by the core every five minutes and at changes of health.

    `ledger_head` runs over every record of the ledger, the search log included, `ledger_length` counts them: a ledger
    that was rewound or shortened shows at headquarters.
    """

    booth: str
    at: Moment
    version: str
    ledger_head: str
    ledger_length: int
    sequence: int
    undelivered: int
    mirror: tuple[FeedState, ...]
    mirror_state: str
    mirror_age_s: float | None
    parts: tuple[PartState, ...] = ()
    oldest_undelivered_s: float | None = None  # how long the oldest of them has waited


class Want(Record, frozen=True, kw_only=True):
    """What the core tells the link of itself: whose key files to fetch, and what is held already."""

    booth: str
    feeds: tuple[str, ...]
    held: tuple[FeedState, ...] = ()


LinkWord = Literal["starting", "up", "down", "tls-refused", "hq-refuses", "feed-refused", "stopped"]


class LinkState(Record, frozen=True, kw_only=True):
    """How the link stands, in its own words; nobody signs it, so it is shown and never acted on.

    `since` and `last_contact` (the last good answer of headquarters, None before the first) are by the link's wall
    clock. `detail` says what was seen and what to do next.
    """

    state: LinkWord
    since: str
    last_contact: str | None = None
    detail: str = ""


learn(globals().values())
