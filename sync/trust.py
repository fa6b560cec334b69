"""Whom the booth's core believes: a publication in the spool, verified by The Update Framework.

The link has checked the same files with the same roots, but the link has a network; the core believes neither it nor
a stick. Each read starts from the metadata accepted last (`held`), which the mirror keeps in the transaction of the
notices themselves. They are written into a fresh private folder, the held root as bootstrap, so that TUF refuses
whatever is older, even when the held timestamp has expired. With the root alone a rollback would pass.

Nothing unverified leaves this module: metadata is given back as TUF stored it after checking, records are decoded
from verified targets, and a payload is compared with its signed length and hash before it is returned.
Source: https://theupdateframework.github.io/specification/latest/ section 5 (client workflow)
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import hmac
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec
from securesystemslib.exceptions import UnverifiedSignatureError
from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import (  # type: ignore[attr-defined]  # documented there, not re-exported
    Key,
    Metadata,
    Root,
    Signature,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError
from tuf.ngclient import (  # type: ignore[attr-defined]  # documented there, not re-exported
    FetcherInterface,
    Updater,
    UpdaterConfig,
)

from failsafe.sync.errors import (
    BytesRefused,
    Expired,
    Malformed,
    Missing,
    NotForThisBooth,
    Older,
    SpoolFault,
    StoreDamaged,
    SyncError,
    Truncated,
    Unsigned,
)
from failsafe.sync.records import (
    HQ_KEYS_TARGET,
    METADATA_FOLDER,
    SIGNED_AT_FIELD,
    TARGETS_FOLDER,
    TIMESTAMP_FILE,
    UNREADABLE,
    WELCOME_FILE,
    Head,
    HqKeys,
    Payload,
    Record,
    Statement,
    Welcome,
    base_of,
    head_target,
    payloads_of,
    statement_target,
)
from failsafe.sync.spool import Spool

ROOT_FILE: Final = "root.json"
SNAPSHOT_FILE: Final = "snapshot.json"
TARGETS_FILE: Final = "targets.json"
# What a booth holds is all of these, with its feeds' bureaus, or nothing.
TOP_LEVEL: Final = (ROOT_FILE, TIMESTAMP_FILE, SNAPSHOT_FILE, TARGETS_FILE)

WELCOME_LIMIT: Final = 1024 * 1024
_RECORD_LIMIT: Final = 1024 * 1024
# A million notices are 51 MB. A payload is verified in memory: who has a bureau's key shall not fill it.
PAYLOAD_LIMIT: Final = 512 * 1024 * 1024
# Too few stop silently on an old root; a booth that was off for years follows them all.
_MAX_ROOT_ROTATIONS: Final = 10_000
_NOT_FOUND: Final = 404
_PRIVATE: Final = "trust-"

_NEW_WELCOME: Final = "Ask headquarters for this booth's welcome file and import it."
_COMPARE_ROOT: Final = "Compare `root_sha256` in the configuration with what headquarters printed at the enrolment."
_NOT_PUBLISHED: Final = "Ask headquarters whether this feed is published, and by which bureau."
_SHAPELESS: Final[dict[type[Record], str]] = {
    HqKeys: "The signed keys of headquarters are not in the shape this version reads.",
    Head: "A signed head is not in the shape this version reads.",
    Statement: "A signed statement is not in the shape this version reads.",
}
_CHECK_WORKPLACE: Final = "Check the owner, mode and free space of the service's runtime folder."

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Publication:
    """What one publication says, verified.

    `metadata` are the raw TUF files by name (`TOP_LEVEL` and the bureaus'), to be kept with the data and given to the
    next read. `signed_at` is UTC seconds since 1970. `timestamp_keys` is a digest of the keys that the root, of
    `root_version`, names for timestamps. `heads` and `statements` are by base feed; a supplement's head is
    asked for once the roll has said that it is this booth's.
    """

    metadata: Mapping[str, bytes] = field(repr=False)
    signed_at: float
    timestamp_version: int
    root_version: int
    timestamp_keys: str
    heads: Mapping[str, Head]
    statements: Mapping[str, Statement]
    hq_keys: HqKeys
    _spool: Spool = field(repr=False)
    _targets: Mapping[str, TargetFile] = field(repr=False)
    _bureaus: Mapping[str, Mapping[str, Key]] = field(repr=False)  # by base feed: who may sign for it

    def payload(self, payload: Payload) -> bytes:
        """The bytes of a snapshot, delta or roll that a head of this publication names.

        Raises:
            Missing: it is not in the spool.
            Truncated: it has not the signed length or hash.
            Malformed: its bureau does not name it, or says another length or hash than the head.
        """
        target = self._targets.get(payload.path)
        if target is None:
            raise Malformed("A payload was asked for that no head names.")
        if (target.length, target.hashes.get("sha256")) != (payload.length, payload.sha256):
            raise Malformed("A head and its bureau do not say the same of a payload.")
        if payload.length > PAYLOAD_LIMIT:
            raise Malformed("A payload is longer than any this version reads.")
        return _verified_target(self._spool, target)

    def supplement(self, feed: str) -> Head:
        """The head of a supplement of one of the base feeds.

        Raises:
            Missing: the bureau does not name it, or it is not in the spool.
            BytesRefused: it is not the one that the bureau has signed.
        """
        target = self._targets.get(head_target(feed))
        if target is None:
            raise Missing(f"No role that may sign {head_target(feed)} names it.", _NOT_PUBLISHED)
        head = _decoded(self._spool, target, Head)
        if head.feed != feed:
            raise Malformed(f"The head of feed {feed} says it is another feed's.")
        return head

    def check_bureau(self, base: str, signature: bytes, content: bytes) -> None:
        """Return if the bureau that publishes a base feed has signed `content`.

        Raises:
            Unsigned: it has not.
        """
        for keyid, key in self._bureaus[base].items():
            with contextlib.suppress(UnverifiedSignatureError):
                return key.verify_signature(Signature(keyid, signature.hex()), content)
        raise Unsigned("A key file is not signed by the bureau of its feed.")


def read_publication(
    spool: Spool, held: Mapping[str, bytes], root: bytes, workplace: Path, feeds: Sequence[str] = ("base",)
) -> Publication:
    """The publication that lies in `spool`, or held metadata's own if the spool has nothing newer.

    Args:
        spool: where link or courier put the files.
        held: `metadata` of the publication accepted last; empty at the first read.
        root: root metadata to start from when nothing is held.
        workplace: a folder of the core's own, for a private folder that is removed again.
        feeds: which feeds this booth reads; each must have a head and a statement.

    Raises:
        BytesRefused: the publication is not believed, by kind; what is held stays as it is.
        SpoolFault: the spool or the workplace cannot be used.
        StoreDamaged: `held` is not whole, so that it could not refuse an older publication.
    """
    _check_held(held)
    try:
        _sweep(workplace)
        with tempfile.TemporaryDirectory(prefix=_PRIVATE, dir=workplace) as private:  # made with mode 0700
            folder = Path(private)
            for name, content in held.items():
                if name != ROOT_FILE:  # TUF makes that one itself, from the bootstrap
                    (folder / name).write_bytes(content)
            updater = _updater(spool, folder, held.get(ROOT_FILE, root))
            updater.refresh()
            return _read(spool, updater, folder, feeds)
    except (RepositoryError, DownloadError) as error:
        raise _refusal(error) from error
    except OSError as error:
        raise SpoolFault("The folder in which publications are checked cannot be used.", _CHECK_WORKPLACE) from error


def root_from_welcome(spool: Spool, pinned_sha256: str, booth: str) -> bytes:
    """The root metadata of the welcome file, if it is the one whose hash this booth's configuration gives.

    Raises:
        Missing: there is no welcome file.
        Malformed: it is not one.
        NotForThisBooth: it welcomes another booth.
        Unsigned: it holds another root than the configuration pins.
    """
    try:
        welcome = msgspec.json.decode(spool.read(WELCOME_FILE, WELCOME_LIMIT), type=Welcome)
    except UNREADABLE as error:
        raise Malformed("The welcome file cannot be read.", _NEW_WELCOME) from error
    if welcome.booth != booth:
        raise NotForThisBooth("The welcome file is another booth's.", _NEW_WELCOME)
    found = hashlib.sha256(welcome.root).hexdigest()
    if not hmac.compare_digest(found.encode(), pinned_sha256.strip().lower().encode()):
        raise Unsigned("The welcome file holds another root than the configuration pins.", _COMPARE_ROOT)
    return welcome.root


def _sweep(workplace: Path) -> None:
    """Remove what a killed read left; there is one reader to a workplace."""
    for stale in workplace.glob(f"{_PRIVATE}*"):
        shutil.rmtree(stale, ignore_errors=True)


def _check_held(held: Mapping[str, bytes]) -> None:
    """All or nothing: TUF passes over a held file that is absent or unreadable, and its floor with it."""
    if not held:
        return
    if any(name not in held for name in TOP_LEVEL) or any(not _is_plain(name) for name in held):
        raise StoreDamaged("The metadata that this booth accepted last is not whole.")
    try:
        for name in held:
            Metadata.from_bytes(held[name])
    except DeserializationError as error:
        raise StoreDamaged("The metadata that this booth accepted last cannot be read.") from error


def _is_plain(name: str) -> bool:
    return name.endswith(".json") and "/" not in name and not name.startswith(".")


def _updater(spool: Spool, folder: Path, bootstrap: bytes) -> Updater:
    return Updater(
        metadata_dir=os.fspath(folder),
        metadata_base_url=METADATA_FOLDER,
        fetcher=_SpoolFetcher(spool),
        config=UpdaterConfig(max_root_rotations=_MAX_ROOT_ROTATIONS),
        bootstrap=bootstrap,
    )


def _read(spool: Spool, updater: Updater, folder: Path, feeds: Sequence[str]) -> Publication:
    """The records, after a refresh; every name and byte in them comes through verified metadata."""
    hq_keys = _record(spool, updater, HQ_KEYS_TARGET, HqKeys)
    heads = {feed: _record(spool, updater, head_target(feed), Head) for feed in feeds}
    statements = {feed: _record(spool, updater, statement_target(feed), Statement) for feed in feeds}
    for feed in feeds:
        if (heads[feed].feed, statements[feed].feed) != (feed, feed):
            raise Malformed(f"The head or statement of feed {feed} says it is another feed's.")
    targets = {
        payload.path: _payload_target(updater, payload) for head in heads.values() for payload in payloads_of(head)
    }
    bureaus = {feed: _bureau(folder, feed) for feed in feeds}
    for bureau in bureaus.values():
        targets |= bureau.supplements
    timestamp = _timestamp(folder)
    root = Metadata[Root].from_bytes((folder / ROOT_FILE).read_bytes()).signed
    return Publication(
        metadata=_accepted(folder, feeds),
        signed_at=_signed_at(timestamp),
        timestamp_version=timestamp.version,
        root_version=root.version,
        timestamp_keys=hashlib.sha256("\n".join(sorted(root.roles["timestamp"].keyids)).encode()).hexdigest(),
        heads=heads,
        statements=statements,
        hq_keys=hq_keys,
        _spool=spool,
        _targets=targets,
        _bureaus={feed: bureau.keys for feed, bureau in bureaus.items()},
    )


@dataclass(frozen=True, slots=True)
class _Bureau:
    """Who signs for a base feed, and what they say of its supplements, by target path."""

    keys: Mapping[str, Key]
    supplements: Mapping[str, TargetFile]


def _bureau(folder: Path, base: str) -> _Bureau:
    """The first role that may speak of the feed, from metadata that was verified in this read."""
    top = Metadata[Targets].from_bytes((folder / TARGETS_FILE).read_bytes()).signed
    if top.delegations is None or head_target(base) in top.targets:
        return _Bureau({}, {})
    role, _ = next(top.delegations.get_roles_for_target(head_target(base)))
    signed = Metadata[Targets].from_bytes((folder / f"{quote(role, safe='')}.json").read_bytes()).signed
    delegated = top.delegations.roles[role] if top.delegations.roles else None
    keys = {keyid: top.delegations.keys[keyid] for keyid in delegated.keyids} if delegated else {}
    supplements = {
        path: target
        for path, target in signed.targets.items()
        if _is_of_supplement(path, base)
        and next((name for name, _ in top.delegations.get_roles_for_target(path)), None) == role
    }
    return _Bureau(keys, supplements)


def _is_of_supplement(path: str, base: str) -> bool:
    folder, _, rest = path.partition("/")
    feed = rest.partition("/")[0]
    return folder == "feed" and feed != base and base_of(feed) == base


def _record(spool: Spool, updater: Updater, path: str, kind: type[R]) -> R:
    return _decoded(spool, _target(updater, path), kind)


def _decoded(spool: Spool, target: TargetFile, kind: type[R]) -> R:
    if target.length > _RECORD_LIMIT:
        raise Malformed("A signed record is longer than any this version reads.")
    try:
        return msgspec.json.decode(_verified_target(spool, target), type=kind)
    except UNREADABLE as error:
        raise Malformed(_SHAPELESS[kind]) from error


def _target(updater: Updater, path: str) -> TargetFile:
    """What the most trusted role that may speak of `path` says of it.

    Raises:
        Missing: no such role names it. A role that signs outside its own paths is not asked.
    """
    target = updater.get_targetinfo(path)
    if target is None:
        raise Missing(f"No role that may sign {path} names it.", _NOT_PUBLISHED)
    return target


def _payload_target(updater: Updater, payload: Payload) -> TargetFile:
    target = _target(updater, payload.path)
    if (target.length, target.hashes.get("sha256")) != (payload.length, payload.sha256):
        raise Malformed("A head and its bureau do not say the same of a payload.")
    return target


def _verified_target(spool: Spool, target: TargetFile) -> bytes:
    sha256 = target.hashes.get("sha256")
    if sha256 is None:
        raise Malformed("A target is signed without a SHA-256.")
    folder, slash, name = target.path.rpartition("/")
    content = spool.read(f"{TARGETS_FOLDER}/{folder}{slash}{sha256}.{name}", target.length)
    try:
        target.verify_length_and_hashes(content)
    except LengthOrHashMismatchError as error:
        raise _refusal(error) from error
    return content


def _accepted(folder: Path, feeds: Sequence[str]) -> dict[str, bytes]:
    """The metadata that was verified in this read: the top level, and the bureau of each feed.

    A held file of a bureau that was not asked this time is in the folder too, unverified, and is left out; the
    snapshot still remembers its version.
    """
    targets = Metadata[Targets].from_bytes((folder / TARGETS_FILE).read_bytes()).signed
    names = list(TOP_LEVEL)
    for path in map(head_target, feeds):
        if targets.delegations and path not in targets.targets:
            # The first role that may speak of the feed was asked; bureaus' roles are terminating.
            role, _ = next(targets.delegations.get_roles_for_target(path))
            names.append(f"{quote(role, safe='')}.json")
    return {name: (folder / name).read_bytes() for name in names}


def _timestamp(folder: Path) -> Timestamp:
    return Metadata[Timestamp].from_bytes((folder / TIMESTAMP_FILE).read_bytes()).signed


def _signed_at(timestamp: Timestamp) -> float:
    """UTC seconds since 1970 at which headquarters signed the timestamp."""
    value = timestamp.unrecognized_fields.get(SIGNED_AT_FIELD)
    try:
        return dt.datetime.strptime(value, "%Y-%m-%dT%H:%M:%S%z").timestamp()  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise Malformed("The timestamp does not say when it was signed.") from error


class _SpoolFetcher(FetcherInterface):
    """Gives TUF the spool's files; their names are TUF's `urls`."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """The content of a file; our own errors go through TUF as they are, but the end of the roots is its own."""
        try:
            return self._spool.read(url, max_length)
        except Missing as error:
            raise DownloadHTTPError("not in the spool", _NOT_FOUND) from error

    def _fetch(self, url: str) -> Iterator[bytes]:
        """Piecewise, for what TUF downloads as a file; in a generator nobody wraps the errors but we."""
        try:
            yield from self._spool.chunks(url)
        except Missing as error:
            raise DownloadHTTPError("not in the spool", _NOT_FOUND) from error
        except SyncError as error:
            raise DownloadError("the spool refused a file") from error


def _refusal(error: Exception) -> BytesRefused:
    """TUF's error in our words; the kinds are tried from the narrow to the wide."""
    for kinds, refusal, detail in _REFUSALS:
        if isinstance(error, kinds):
            return refusal(detail)
    return Malformed("The publication's metadata does not fit together.")


_REFUSALS: Final[tuple[tuple[tuple[type[Exception], ...], type[BytesRefused], str], ...]] = (
    ((UnsignedMetadataError,), Unsigned, "Too few of the signatures that count are on the metadata."),
    ((BadVersionNumberError,), Older, "The metadata's version is not the one that follows what this booth holds."),
    ((ExpiredMetadataError,), Expired, "The metadata is past its own expiry by this booth's clock."),
    (
        (LengthOrHashMismatchError, DownloadLengthMismatchError, DeserializationError),
        Truncated,
        "A file is not, byte for byte, the one that was signed.",
    ),
    ((DownloadHTTPError,), Missing, "A metadata file that the publication names is not there."),
)
