"""What headquarters has published, read back from its public folder and verified.

A web server serves that folder and other programs copy it, so headquarters signs again only what carries its own
signatures: everything here goes from the newest root down, as a booth would go, but whatever the clock says.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import msgspec
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (  # type: ignore[attr-defined]  # documented there, not re-exported
    Metadata,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from failsafe.hq.keyring.keys import RECEIPT, SEAL, SNAPSHOT, TIMESTAMP, HeadquartersError, KeyStore, short_id
from failsafe.sync.errors import SyncError
from failsafe.sync.records import (
    HQ_KEYS_TARGET,
    METADATA_FOLDER,
    SIGNED_AT_FIELD,
    TARGETS_FOLDER,
    TIMESTAMP_FILE,
    HqKeys,
    Record,
    head_target,
)
from failsafe.sync.spool import Spool

TARGETS: Final = "targets"
_METADATA_LIMIT: Final = 8 * 1024 * 1024
_RECORD_LIMIT: Final = 1024 * 1024

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)
R = TypeVar("R", bound=Record)


class RepositoryFault(HeadquartersError):
    """The publication is not there, is not ours, or does not allow what was asked."""

    usual_advice = "Put the public folder back from its backup; nothing was published."


@dataclass(frozen=True, slots=True)
class Published:
    """The metadata that one timestamp names; the metadata objects themselves may be changed and signed anew."""

    root: Metadata[Root]
    timestamp: Metadata[Timestamp]
    snapshot: Metadata[Snapshot]
    targets: Metadata[Targets]
    bureaus: Mapping[str, Metadata[Targets]]  # by role name


def load(public: Spool, keys: KeyStore) -> Published:
    """The newest publication.

    Raises:
        RepositoryFault: there is none, or it is not whole, or not signed by this headquarters.
    """
    content = newest_root(public)
    try:
        root = _metadata(content, Root)
        root.signed.verify_delegate(Root.type, root.signed_bytes, root.signatures)
        _check_ours(root.signed, keys)
        timestamp = _signed(public, root, TIMESTAMP, TIMESTAMP_FILE, Timestamp)
        newest = Published(root, timestamp, Metadata(Snapshot()), Metadata(Targets()), {})
        return at_snapshot(public, newest, timestamp.signed.snapshot_meta.version)
    except (RepositoryError, SyncError) as error:
        raise RepositoryFault("The public folder is not whole, or not signed by this headquarters.") from error


def signed_at(public: Spool) -> dt.datetime | None:
    """For which moment booths were last told that what is published holds; None where nothing of it can be read.

    Nothing is verified: whoever shows it wants to know it also where keys are missing.
    """
    try:
        timestamp = msgspec.json.decode(public.read(f"{METADATA_FOLDER}/{TIMESTAMP_FILE}", _METADATA_LIMIT))
        at = dt.datetime.strptime(timestamp["signed"][SIGNED_AT_FIELD], "%Y-%m-%dT%H:%M:%SZ")
    except (SyncError, OSError, msgspec.DecodeError, ValueError, TypeError, LookupError):
        return None
    return at.replace(tzinfo=dt.UTC)


def newest_root(public: Spool) -> bytes:
    """The newest root metadata.

    Raises:
        RepositoryFault: nothing is published yet.
    """
    if public.root.is_dir() and public.holds(f"{METADATA_FOLDER}/{TIMESTAMP_FILE}"):
        roots = [name for name in public.names(f"{METADATA_FOLDER}/") if name.endswith(".root.json")]
        if roots:
            return public.read(max(roots, key=_root_version), _METADATA_LIMIT)
    raise RepositoryFault("Nothing is published yet.", "Make the first publication with the offline keys.")


def at_snapshot(public: Spool, publication: Published, version: int) -> Published:
    """The publication as its snapshot `version` has it.

    Raises:
        Missing: files of that snapshot are gone.
        RepositoryError: they are not signed as they should be.
    """
    snapshot = _signed(public, publication.root, SNAPSHOT, f"{version}.snapshot.json", Snapshot)
    meta = snapshot.signed.meta
    targets = _signed(public, publication.root, TARGETS, f"{meta['targets.json'].version}.targets.json", Targets)
    delegated = targets.signed.delegations.roles if targets.signed.delegations else None
    bureaus = {
        role: _signed(public, targets, role, f"{meta[f'{role}.json'].version}.{role}.json", Targets)
        for role in delegated or {}
    }
    return replace(publication, snapshot=snapshot, targets=targets, bureaus=bureaus)


def record(public: Spool, targets: Targets, path: str, kind: type[R]) -> R | None:
    """The record that a target's file holds, None where there is no such target.

    Raises:
        RepositoryFault: the file is not the one that was signed.
    """
    target = targets.targets.get(path)
    if target is None:
        return None
    content = public.read(target_file(target), _RECORD_LIMIT)
    if hashlib.sha256(content).hexdigest() != target.hashes["sha256"]:
        raise RepositoryFault("A published file is not the one that was signed.")
    return msgspec.json.decode(content, type=kind)


def hq_keys(public: Spool, publication: Published) -> HqKeys:
    """Headquarters' keys for alerts, as booths are told them."""
    found = record(public, publication.targets.signed, HQ_KEYS_TARGET, HqKeys)
    if found is None:
        raise RepositoryFault("Headquarters' keys for alerts are not published.")
    return found


def named_keys(public: Spool, publication: Published, role: str) -> set[str]:
    """The ids of the keys that count for a role, as booths are told: `KeyStore.coming_id` has the same form."""
    if role == RECEIPT:
        return {short_id(hq_keys(public, publication).receipt)}
    if role == SEAL:
        return {hq_keys(public, publication).seal.key_id}
    if role in publication.root.signed.roles:
        return set(publication.root.signed.roles[role].keyids)
    delegations = publication.targets.signed.delegations
    roles = delegations.roles if delegations else None
    return set(roles[role].keyids) if roles and role in roles else set()


def bureau_for(targets: Targets, feed: str) -> str:
    """Name of the role that publishes a feed.

    Raises:
        RepositoryFault: none does.
    """
    for role, _ in targets.delegations.get_roles_for_target(head_target(feed)) if targets.delegations else ():
        return role
    raise RepositoryFault(
        f"No bureau may publish feed {feed}.", "Sign a statement on the feed with the offline keys first."
    )


def target_file(target: TargetFile) -> str:
    """Where a target lies: consistent snapshots put its hash before its name."""
    folder, slash, name = target.path.rpartition("/")
    return f"{TARGETS_FOLDER}/{folder}{slash}{target.hashes['sha256']}.{name}"


def files_of(publication: Published) -> set[str]:
    """Every file, roots aside, that a reader of this publication may ask for."""
    roles = {TARGETS: publication.targets, **publication.bureaus}
    files = {f"{METADATA_FOLDER}/{TIMESTAMP_FILE}"}
    files.add(f"{METADATA_FOLDER}/{publication.snapshot.signed.version}.snapshot.json")
    for role, metadata in roles.items():
        files.add(f"{METADATA_FOLDER}/{metadata.signed.version}.{role}.json")
        files |= {target_file(target) for target in metadata.signed.targets.values()}
    return files


def _check_ours(root: Root, keys: KeyStore) -> None:
    """A root that names other online keys than ours was put there by somebody else."""
    for role in (SNAPSHOT, TIMESTAMP):
        ours = {signer.public_key.keyid for signer in keys.online_signers(role)}
        if not ours & set(root.roles[role].keyids):
            raise RepositoryFault("The public folder belongs to another headquarters.")


def _signed(
    public: Spool, delegator: Metadata[Root] | Metadata[Targets], role: str, file: str, kind: type[S]
) -> Metadata[S]:
    metadata = _metadata(public.read(f"{METADATA_FOLDER}/{file}", _METADATA_LIMIT), kind)
    delegator.signed.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    return metadata


def _metadata(content: bytes, kind: type[S]) -> Metadata[S]:
    metadata: Metadata[S] = Metadata.from_bytes(content)
    if not isinstance(metadata.signed, kind):
        raise RepositoryError("a role has the metadata of another role")
    return metadata


def _root_version(name: str) -> int:
    version = name.rpartition("/")[2].split(".")[0]
    return int(version) if version.isdigit() else 0
