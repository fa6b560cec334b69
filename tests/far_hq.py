"""A headquarters in memory: real keys and signatures, no disk and no socket; it signs what a test has changed.

The signed parts lie open (`root`, `targets`, `bureaus`, `snapshot`, `timestamp`): a test changes one thing in one of
them, chooses who signs it, and lays the files where link or stick would have put them.
"""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from failsafe.sync import feed as feeds
from failsafe.sync import seal
from failsafe.sync.records import (
    HQ_KEYS_TARGET,
    METADATA_FOLDER,
    SIGNED_AT_FIELD,
    TARGETS_FOLDER,
    TIMESTAMP_FILE,
    WELCOME_FILE,
    Enrolment,
    Head,
    HqKeys,
    Notice,
    Payload,
    PayloadHeader,
    PersonName,
    PutNotice,
    RemoveNotice,
    SealPublic,
    Statement,
    Welcome,
    encode,
    head_target,
    key_file,
    statement_target,
)
from failsafe.sync.seal import SealSecret
from failsafe.sync.spool import Spool

FEED = "base"
LINEAGE = "lineage-1"
BUREAU = "bureau-main"
TIMESTAMP = f"{METADATA_FOLDER}/{TIMESTAMP_FILE}"
DAYS = 30
NAMESAKE = 1_000_000

Files = dict[str, bytes]
Signers = Mapping[str, Sequence[CryptoSigner]]


def now() -> dt.datetime:
    """TUF compares expiries with the machine's own clock, so publications are signed by it."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def notice(number: int) -> Notice:
    """An invented notice whom no other resembles, but those that a million more or less is another number of."""
    person = number % NAMESAKE
    drawn = hashlib.sha256(person.to_bytes(4, "big")).digest()
    letters = "".join(
        "BDFGKLMNPRSTVZ"[one % 14] + "AEIOU"[other % 5] for one, other in zip(drawn, drawn[9:], strict=False)
    )
    names = (PersonName(surname=letters[:10], given=letters[10:18]),)
    return Notice(entity_id=f"2026/{number}", tier="red", names=names, sex="M", births=(f"19{60 + person % 30}-02-03",))


class FarHq:
    """Headquarters with the feed `base`, one bureau and no booth yet; `files()` is what it has published.

    `signers` are all keys by role, the thresholds of root and targets two of three.
    """

    def __init__(self) -> None:
        roles = {"root": 3, "targets": 3, "snapshot": 1, "timestamp": 1, BUREAU: 1}
        self.signers = {role: [CryptoSigner.generate_ed25519() for _ in range(count)] for role, count in roles.items()}
        self.root = Root(consistent_snapshot=True)
        for role, threshold in (("root", 2), ("targets", 2), ("snapshot", 1), ("timestamp", 1)):
            self.entrust(role, self.signers[role], threshold)
        self.targets = Targets(delegations=Delegations({}, {}))
        self.bureaus: dict[str, Targets] = {}
        self.snapshot, self.timestamp = Snapshot(), Timestamp()
        self.delegate(BUREAU, [f"feed/{FEED}/*"])
        self.receipts = secrets.token_bytes(32)  # what receipts are signed with
        self.hq_keys = HqKeys(receipt=seal.signing_public(self.receipts), seal=SealSecret.generate().public())
        self.contents: Files = {}
        self.state(Statement(feed=FEED, lineage=LINEAGE))
        self.held: dict[str, Notice] = {}
        self.booths: dict[str, SealPublic] = {}
        self.content_keys: dict[int, bytes] = {}
        self.boxes: Files = {}
        self.head: Head | None = None
        self._roots: Files = {}
        self.new_epoch()
        self.seal_root()

    def stolen(self) -> FarHq:
        """All of it in a thief's hands, keys too: what they sign and publish, headquarters does not know of."""
        thief = copy.copy(self)
        for name in ("root", "targets", "bureaus", "snapshot", "timestamp"):
            setattr(thief, name, copy.deepcopy(getattr(self, name)))
        for name in ("signers", "contents", "held", "booths", "content_keys", "boxes", "_roots"):
            setattr(thief, name, dict(getattr(self, name)))
        return thief

    # --- who may speak -------------------------------------------------------------------------------------------

    def entrust(self, role: str, signers: Sequence[CryptoSigner], threshold: int = 1) -> None:
        """Name the keys of a top-level role in the root, which is then to be sealed."""
        for signer in signers:
            self.root.keys[signer.public_key.keyid] = signer.public_key
        self.root.roles[role] = Role([signer.public_key.keyid for signer in signers], threshold)

    def seal_root(self, signers: Sequence[CryptoSigner] | None = None, *, renew: bool = True) -> bytes:
        """Sign the root as it is and publish it as its version; `renew` its expiry if it is not far off."""
        content = _signed(self.root, self.signers["root"] if signers is None else signers, renew)
        self._roots[f"{METADATA_FOLDER}/{self.root.version}.root.json"] = content
        return content

    def root_bytes(self) -> bytes:
        """The first root, which an enrolled booth starts from."""
        return self._roots[f"{METADATA_FOLDER}/1.root.json"]

    def change_key(self, role: str) -> None:
        """A new root with a new online key for `role`, which signs from now on."""
        self.signers[role] = [CryptoSigner.generate_ed25519()]
        self.entrust(role, self.signers[role])
        self.root.version += 1
        self.seal_root()

    def delegate(self, role: str, paths: list[str], signers: Sequence[CryptoSigner] = ()) -> None:
        """Let a bureau speak of `paths`."""
        delegations = self.targets.delegations
        assert delegations is not None and delegations.roles is not None
        self.signers[role] = list(signers or self.signers.get(role) or [CryptoSigner.generate_ed25519()])
        keys = [signer.public_key for signer in self.signers[role]]
        delegations.keys |= {key.keyid: key for key in keys}
        delegations.roles[role] = DelegatedRole(role, [key.keyid for key in keys], 1, True, paths)
        self.bureaus[role] = Targets()

    def state(self, statement: Statement) -> None:
        """Put a statement and headquarters' keys into the top-level targets."""
        self.add(self.targets, HQ_KEYS_TARGET, encode(self.hq_keys))
        self.add(self.targets, statement_target(statement.feed), encode(statement))

    def enrol(self, enrolment: Enrolment) -> Welcome:
        """Seal for a booth from now on; its welcome file."""
        self.booths[enrolment.booth] = enrolment.seal
        self._seal_boxes()
        root = self.root_bytes()
        sha256 = hashlib.sha256(root).hexdigest()
        return Welcome(booth=enrolment.booth, root=root, root_sha256=sha256, certificate="", authority="")

    # --- what is said --------------------------------------------------------------------------------------------

    def new_epoch(self) -> int:
        """A fresh content key, sealed for every booth; the next step is published under it."""
        epoch = len(self.content_keys) + 1
        self.content_keys[epoch] = seal.new_content_key()
        self._seal_boxes()
        return epoch

    def _seal_boxes(self) -> None:
        for epoch, key in self.content_keys.items():
            for booth, public in self.booths.items():
                name = key_file(FEED, epoch, booth)
                about = f"{FEED}/{epoch}"
                self.boxes.setdefault(name, seal.seal(key, public, purpose="content-key", booth=booth, about=about))

    def put_out(self, *numbers: int, withdrawn: Iterable[int] = (), at: dt.datetime | None = None, **head: Any) -> Head:
        """Publish the next step: invented notices of these numbers come, others go.

        Args:
            at: when the timestamp is signed.
            head: what the head shall say otherwise than it is.
        """
        before = self.head
        gone = [f"2026/{number}" for number in withdrawn]
        fresh = [notice(number) for number in numbers]
        self.held = {key: kept for key, kept in self.held.items() if key not in gone} | {n.entity_id: n for n in fresh}
        serial, epoch = (before.serial + 1 if before else 1), max(self.content_keys)
        changes = [PutNotice(notice=one) for one in fresh], [RemoveNotice(entity_id=one) for one in gone]
        deltas = (self._payload(serial, before.serial, [*changes[0], *changes[1]]),) if before else ()
        said = Head(
            feed=FEED,
            lineage=LINEAGE,
            serial=serial,
            epoch=epoch,
            count=len(self.held),
            removed=(before.removed if before else 0) + len(gone),
            content_key_sha256=seal.content_key_digest(self.content_keys[epoch]),
            snapshot=self._payload(serial, None, [PutNotice(notice=one) for one in self.held.values()]),
            deltas=deltas,
            published_at=now().isoformat(),
        )
        self.say(msgspec.structs.replace(said, **head), at=at)
        return self.head or said

    def _payload(self, serial: int, base: int | None, operations: Sequence[Any]) -> Payload:
        header = PayloadHeader(feed=FEED, lineage=LINEAGE, serial=serial, base_serial=base)
        content = feeds.encode_payload(header, operations, self.content_keys[max(self.content_keys)])
        path = f"feed/{FEED}/{serial}-{base or 'whole'}"
        target = self.add(self.bureaus[BUREAU], path, content)
        sha256 = target.hashes["sha256"]
        return Payload(path=path, serial=serial, base_serial=base, length=target.length, sha256=sha256)

    def say(self, head: Head, *, role: str = BUREAU, at: dt.datetime | None = None) -> None:
        """Publish `head` as a bureau's word."""
        self.head = head
        self.add(self.bureaus[role], head_target(head.feed), encode(head))
        self.bureaus[role].version += 1
        self.step(at=at)

    def step(self, *, at: dt.datetime | None = None) -> None:
        """The next snapshot and timestamp."""
        self.snapshot.version += 1
        self.touch(at=at)

    def touch(self, *, at: dt.datetime | None = None) -> float:
        """The next timestamp, signed at `at`; UTC seconds."""
        self.timestamp.version += 1
        self.timestamp.unrecognized_fields[SIGNED_AT_FIELD] = (at or now()).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.timestamp.expires = (at or now()) + dt.timedelta(days=DAYS)
        return (at or now()).timestamp()

    def add(self, role: Targets, path: str, content: bytes) -> TargetFile:
        """Enter a target and keep its content."""
        target = role.targets[path] = TargetFile.from_data(path, content, ["sha256"])
        folder, _, name = path.rpartition("/")
        self.contents[f"{TARGETS_FOLDER}/{folder}/{target.hashes['sha256']}.{name}"] = content
        return target

    # --- what is published ---------------------------------------------------------------------------------------

    def files(self, *, renew: bool = True, **signers: Sequence[CryptoSigner]) -> Files:
        """Everything, signed now.

        Args:
            renew: what is not valid for long any more.
            signers: sign a role in place of its own keys (`bureau_main` is `bureau-main`).
        """
        chosen = {role: signers.get(role.replace("-", "_"), own) for role, own in self.signers.items()}
        metadata = {}
        for role, signed in {"targets": self.targets, **self.bureaus}.items():
            content = _signed(signed, chosen[role], renew)
            metadata[f"{METADATA_FOLDER}/{signed.version}.{role}.json"] = content
            self.snapshot.meta[f"{role}.json"] = _meta(signed.version, content)
        content = _signed(self.snapshot, chosen["snapshot"], renew)
        metadata[f"{METADATA_FOLDER}/{self.snapshot.version}.snapshot.json"] = content
        self.timestamp.snapshot_meta = _meta(self.snapshot.version, content)
        metadata[TIMESTAMP] = _signed(self.timestamp, chosen["timestamp"], renew=False)
        return {**self.contents, **self.boxes, **self._roots, **metadata}


def _signed(signed: Any, signers: Sequence[CryptoSigner], renew: bool) -> bytes:
    if renew and signed.expires < now() + dt.timedelta(days=DAYS - 1):
        signed.expires = now() + dt.timedelta(days=DAYS)
    metadata = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def _meta(version: int, content: bytes) -> MetaFile:
    return MetaFile(version, len(content), {"sha256": hashlib.sha256(content).hexdigest()})


def lay(spool: Spool, files: Files, *, instead: bool = True) -> None:
    """Put a publication where link or stick puts it, the timestamp last.

    Args:
        spool: `spool/in`.
        files: its files.
        instead: of what lies there, the welcome file apart; else beside it.
    """
    for name in spool.names() if instead else ():
        if name not in files and name != WELCOME_FILE:
            spool.remove(name)
    for name in sorted(files, key=lambda name: name == TIMESTAMP):
        spool.write(name, files[name])
