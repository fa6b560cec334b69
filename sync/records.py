"""Notices, feeds and enrolment as they cross a wire or are kept in a file, and the names of the files they travel in.

What a booth reports, and what it is answered, is in sync/reports.py.

Everything here is frozen and refuses unknown fields. Dates of persons are partial ISO 8601 (`YYYY`, `YYYY-MM`,
`YYYY-MM-DD`); moments are UTC, ISO 8601 with `Z`; countries of notices are ISO 3166-1 alpha-2 or INTERPOL's
special codes (914, 916, 922, UNK).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

BOOTH_ID: Final = re.compile(r"[A-Z0-9][A-Z0-9-]{1,31}")
FEED_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
# A supplement's id says which base feed it belongs to, and nothing else: the digits are drawn.
SUPPLEMENT_ID: Final = re.compile(r"([a-z0-9][a-z0-9-]{0,18})-[0-9a-f]{12}")

# Where things lie in a publication, on a stick and in `spool/in`: the same layout everywhere.
METADATA_FOLDER: Final = "metadata"
TARGETS_FOLDER: Final = "targets"
KEYS_FOLDER: Final = "keys"
TIMESTAMP_FILE: Final = "timestamp.json"
WELCOME_FILE: Final = "welcome.json"
HQ_KEYS_TARGET: Final = "hq/keys.json"
SIGNED_AT_FIELD: Final = "signed_at"


def head_target(feed: str) -> str:
    """TUF target path of a feed's head."""
    return f"feed/{feed}/head.json"


def base_of(feed: str) -> str:
    """The base feed that a supplement belongs to; any other feed is its own."""
    supplement = SUPPLEMENT_ID.fullmatch(feed)
    return supplement[1] if supplement else feed


def supplement_targets(base: str) -> str:
    """Pattern of the TUF target paths of a base feed's supplements, as its bureau's delegation has it."""
    return f"feed/{base}-{12 * '?'}/*"


def statement_target(feed: str) -> str:
    """TUF target path of the top-level targets' statement on a feed."""
    return f"statements/{feed}.json"


def key_file(feed: str, epoch: int, booth: str) -> str:
    """Path of the content key of one epoch, sealed for one booth; no TUF target (design: Feed)."""
    return f"{KEYS_FOLDER}/{feed}/{epoch}/{booth}"


# What bytes that are no record may raise: to msgspec, text that is no UTF-8 and what is nested too deep are errors of
# other kinds than bad JSON. Whoever reads what a stranger may have written catches all of them.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A frozen struct that refuses fields it does not know."""


def learn(kinds: Iterable[object]) -> None:
    """Have the structs among `kinds` looked at by msgspec now, in the one thread that imports their module.

    Its first look at a struct is not safe among threads: another that decodes one meanwhile reads what is half made,
    and the process ends (seen with msgspec 0.22).
    """
    for kind in tuple(kinds):
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            msgspec.json.Decoder(kind)


def encode(record: Record) -> bytes:
    """The one byte form of a record: JSON, fields in the order of the class, defaults left out."""
    return msgspec.json.encode(record)


# --- notices -------------------------------------------------------------------------------------------------

Tier = Literal["rn", "red", "green", "blue", "yellow", "black", "orange", "purple", "un"]
NameKind = Literal["main", "at_birth", "good_alias", "low_alias"]
Sex = Literal["M", "F", "U"]


class PersonName(Record, frozen=True, kw_only=True):
    """One spelling of a person's name; the original script is a spelling of its own."""

    kind: NameKind = "main"
    surname: str | None = None
    given: str | None = None
    original_script: bool = False


class IdentityDocument(Record, frozen=True, kw_only=True):
    """A document of the notice's subject (TDAWN), not a stolen one."""

    number: str
    type: str | None = None
    country: str | None = None


class Description(Record, frozen=True, kw_only=True):
    """What an officer at second line compares with the person before them."""

    height_m: float | None = None
    weight_kg: float | None = None
    eyes: tuple[str, ...] = ()
    hair: tuple[str, ...] = ()
    marks: str | None = None
    languages: tuple[str, ...] = ()
    profession: str | None = None


class Notice(Record, frozen=True, kw_only=True):
    """A notice as booths keep it; restrictions stay at headquarters, since they decide the feed."""

    entity_id: str
    tier: Tier
    names: tuple[PersonName, ...]
    sex: Sex = "U"
    births: tuple[str, ...] = ()
    nationalities: tuple[str, ...] = ()
    birth_country: str | None = None
    birth_place: str | None = None
    documents: tuple[IdentityDocument, ...] = ()
    description: Description = Description()
    purposes: tuple[str, ...] = ()
    summary: str | None = None
    materials: tuple[str, ...] = ()
    charges: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    issuer: str | None = None
    handling: str | None = None
    published_at: str | None = None
    expires_at: str | None = None


class ListedDocument(Record, frozen=True, kw_only=True):
    """A stolen, lost or revoked document (SLTD): no person belongs to it."""

    number: str
    issuing_country: str
    document_type: str
    fraud_type: str


@dataclass(frozen=True, slots=True)
class NameRow:
    """One spelling of a notice's name as the index wants it: the caller derives it, the mirror only keeps it.

    Args:
        entity_id: of the notice it was derived from.
        tokens: folded tokens with a space between them.
        kind: what sort of name it is (`main`, `good_alias`, ...).
    """

    entity_id: str
    tokens: str
    kind: str


# --- the feed ------------------------------------------------------------------------------------------------


class PutNotice(Record, frozen=True, kw_only=True, tag_field="op", tag="notice"):
    notice: Notice


class RemoveNotice(Record, frozen=True, kw_only=True, tag_field="op", tag="remove_notice"):
    entity_id: str


class PutListed(Record, frozen=True, kw_only=True, tag_field="op", tag="listed"):
    document: ListedDocument


class RemoveListed(Record, frozen=True, kw_only=True, tag_field="op", tag="remove_listed"):
    number: str
    issuing_country: str
    document_type: str


Operation = PutNotice | RemoveNotice | PutListed | RemoveListed


class PayloadHeader(Record, frozen=True, kw_only=True):
    """First line of a payload: which step of which feed the lines behind it are."""

    feed: str
    lineage: str
    serial: int
    base_serial: int | None = None  # None: a snapshot
    lines: int = 0


class Payload(Record, frozen=True, kw_only=True):
    """A snapshot or delta as the head names it; `path` is a TUF target."""

    path: str
    serial: int
    base_serial: int | None = None
    length: int
    sha256: str


class Head(Record, frozen=True, kw_only=True):
    """What a feed holds now, signed by its bureau's online key.

    `count` is the number of notices and listed documents after `serial`, `removed` the running total of removals:
    their sum falls only with a statement of the top-level targets. A supplement's stand in `tally`, under its content
    key, since a head can be read by everybody (sync/feed.py).

    `roll`, of a base feed, is the file that says who reads which supplement (sync/roll.py).
    """

    feed: str
    lineage: str
    serial: int
    epoch: int
    count: int
    removed: int
    content_key_sha256: str
    snapshot: Payload
    deltas: tuple[Payload, ...] = ()
    published_at: str
    roll: Payload | None = None
    tally: bytes = b""


def payloads_of(head: Head) -> tuple[Payload, ...]:
    """All files that a head names."""
    return (head.snapshot, *head.deltas) if head.roll is None else (head.snapshot, *head.deltas, head.roll)


class Statement(Record, frozen=True, kw_only=True):
    """The top-level targets' word on a base feed and its supplements: their lineage, and where the base may shrink."""

    feed: str
    lineage: str
    may_shrink_at: tuple[int, ...] = ()


class SealPublic(Record, frozen=True, kw_only=True):
    """Public halves of an MLKEM768_X25519 key: 1,184 and 32 bytes."""

    mlkem: bytes
    x25519: bytes

    @property
    def key_id(self) -> str:
        """16 hexadecimal digits that name this key."""
        return hashlib.sha256(self.mlkem + self.x25519).hexdigest()[:16]


class HqKeys(Record, frozen=True, kw_only=True):
    """Headquarters' keys for alerts, a target of the top-level role."""

    receipt: bytes  # Ed25519, 32 bytes
    seal: SealPublic
    former_receipts: tuple[bytes, ...] = ()  # receipts that these keys signed are still on their way


# --- enrolment -----------------------------------------------------------------------------------------------


class Enrolment(Record, frozen=True, kw_only=True):
    """`BOOTH.enrol`: the public side of a booth's keys; `proof` signs the rest."""

    booth: str
    country: str
    signing: bytes  # Ed25519, 32 bytes
    seal: SealPublic
    certificate_request: str  # PEM, for the link's TLS client certificate
    proof: bytes = b""


class Welcome(Record, frozen=True, kw_only=True):
    """Headquarters' answer to an enrolment; the booth's configuration pins `root_sha256`."""

    booth: str
    root: bytes
    root_sha256: str
    certificate: str  # PEM, signed by the booths' certificate authority
    authority: str  # PEM of that authority


learn(globals().values())
