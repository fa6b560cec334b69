"""The signed publication: a static TUF repository in `home/public/` that any web server, or a stick, carries.

    metadata/N.root.json  V.targets.json  V.bureau-<id>.json  V.snapshot.json  timestamp.json
    targets/hq/<sha256>.keys.json  targets/statements/<sha256>.<feed>.json  targets/feed/<feed>/<sha256>.<name>

Root and targets are signed offline by a threshold of keys. The targets role signs headquarters' keys, one statement a
base feed, and the delegations: `feed/<feed>/*`, and the supplements' `feed/<feed>-<12 digits>/*`, to the online key of
one bureau. So neither a publication nor a new supplement needs a ceremony, and a stolen online key can neither change a
feed's lineage nor speak for another bureau's feed.

Every file is written whole, `timestamp.json` last: a reader sees the old publication or the new one. Files that
neither the newest snapshot nor the one before it names are removed. Time comes in as an argument.
Source: https://theupdateframework.github.io/specification/latest/ (consistent snapshots, sections 3, 4 and 6)
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # documented there, not re-exported
from tuf.api.metadata import (  # type: ignore[attr-defined]  # documented there, not re-exported
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from failsafe.hq.feeds import published
from failsafe.hq.feeds.published import TARGETS, Published, RepositoryFault
from failsafe.hq.keyring import offline
from failsafe.hq.keyring.keys import SNAPSHOT, TIMESTAMP, KeyStore, bureau_role
from failsafe.sync.errors import Missing
from failsafe.sync.records import (
    FEED_ID,
    HQ_KEYS_TARGET,
    METADATA_FOLDER,
    SIGNED_AT_FIELD,
    TARGETS_FOLDER,
    TIMESTAMP_FILE,
    Head,
    Statement,
    base_of,
    encode,
    head_target,
    payloads_of,
    statement_target,
    supplement_targets,
)
from failsafe.sync.spool import Spool

PUBLIC_FOLDER: Final = "public"
ROOT_DAYS: Final = 730
TARGETS_DAYS: Final = 365
BUREAU_DAYS: Final = 90
SNAPSHOT_DAYS: Final = 30
# Time to bring custodians together.
RENEW_BEFORE: Final = dt.timedelta(days=90)
# A backstop only: how old a list may be is the booth's own rule on `signed_at`.
TIMESTAMP_DAYS: Final = 30
# Twenty thousand booths have a key file each in every feed's epoch.
_MAX_FILES: Final = 2_000_000
_MAX_BYTES: Final = 256 * 1024**3
S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


class Repository:
    """Publishes what the key store's headquarters says, into `home/public/`.

    Args:
        home: headquarters' folder.
        keys: its keys; the offline ones are read only by `create` and `sign_statement`.
    """

    def __init__(self, home: Path, keys: KeyStore) -> None:
        self.home = home
        self.keys = keys
        # Everything in it is signed or sealed, and a web server under another user serves it.
        self.public = Spool(home / PUBLIC_FOLDER, _MAX_FILES, _MAX_BYTES, file_mode=0o644, folder_mode=0o755)

    # --- ceremonies: the offline keys are needed -------------------------------------------------------------

    def create(
        self,
        statements: Sequence[Statement],
        *,
        passphrase: str,
        now: dt.datetime,
        bureau_of: Mapping[str, str] | None = None,
    ) -> None:
        """Sign the first publication: root, headquarters' keys, the statements, and bureaus with nothing yet.

        Args:
            statements: one for each feed that may be published.
            passphrase: of the offline keys.
            now: time of signing, UTC.
            bureau_of: which bureau publishes a feed; the first bureau where a feed is not named.

        Raises:
            KeyMissing, PassphraseWrong: the offline keys are not at hand.
            RepositoryFault: there is a publication already.
        """
        with self._alone():
            if self.public.holds(f"{METADATA_FOLDER}/{TIMESTAMP_FILE}"):
                raise RepositoryFault("There is a publication already.", "Use `publish`, or choose another folder.")
            root_signers = self.keys.root_signers(passphrase)
            targets_signers = self.keys.targets_signers(passphrase)
            root = self._first_root(root_signers, targets_signers, now)
            bureaus = {bureau_role(bureau): Metadata(Targets()) for bureau in self.keys.layout.bureaus}
            targets = Metadata(Targets(delegations=self._delegations(bureaus)))
            for statement in statements:
                self._state(targets.signed, statement, (bureau_of or {}).get(statement.feed))
            self._sign(targets, TARGETS_DAYS, now, targets_signers)
            for role, bureau in bureaus.items():
                self._sign(bureau, BUREAU_DAYS, now, self.keys.online_signers(role))
            self.public.write(f"{METADATA_FOLDER}/1.root.json", root.to_bytes())
            first = Published(root, Metadata(Timestamp()), Metadata(Snapshot()), targets, bureaus)
            self._write_out(first, [TARGETS, *bureaus], now)

    def sign_statement(
        self, statement: Statement, *, passphrase: str, now: dt.datetime, bureau: str | None = None
    ) -> None:
        """Publish the top-level targets' new word on a feed, which may be a new one.

        Raises:
            KeyMissing, PassphraseWrong: the offline keys are not at hand.
            RepositoryFault: no publication yet, or a bureau without a key.
        """
        with self._alone():
            publication = self._settled()
            signers = self._at_hand(TARGETS, publication, passphrase)
            self._state(publication.targets.signed, statement, bureau)
            self._sign(publication.targets, TARGETS_DAYS, now, signers)
            self._write_out(publication, [TARGETS], now)

    # --- every day: online keys only -------------------------------------------------------------------------

    def publish(self, head: Head, payloads: Mapping[str, bytes], *, now: dt.datetime) -> None:
        """Publish the next step of a feed; as `publish_together`, and every other feed stays as it is."""
        with self._alone():
            publication = self._settled()
            self._publish(publication, base_of(head.feed), (head,), payloads, now)

    def publish_together(
        self,
        base: str,
        heads: Sequence[Head],
        payloads: Mapping[str, bytes],
        *,
        supplements: Collection[str],
        now: dt.datetime,
    ) -> None:
        """Publish the next steps of a base feed and its supplements, so that no booth ever sees one without the other.

        Args:
            base: the base feed.
            heads: what the feeds hold now that have a step; they replace the feeds' heads.
            payloads: content by target path, of what `heads` name and was not published before.
            supplements: those that there are; any other of this base feed is taken out.
            now: time of signing, UTC.

        Raises:
            RepositoryFault: no bureau publishes these feeds, or a payload is not the one that its head names.
        """
        with self._alone():
            publication = self._settled()
            self._drop_supplements(publication, base, supplements)
            self._publish(publication, base, heads, payloads, now)

    @staticmethod
    def _drop_supplements(publication: Published, base: str, kept: Collection[str]) -> None:
        """Take the supplements of a base feed out that are not among those that there are."""
        bureau = publication.bureaus[published.bureau_for(publication.targets.signed, base)].signed
        for path in list(bureau.targets):
            feed = path.split("/")[1]
            if feed != base and base_of(feed) == base and feed not in kept:
                del bureau.targets[path]

    def _publish(
        self,
        publication: Published,
        base: str,
        heads: Sequence[Head],
        payloads: Mapping[str, bytes],
        now: dt.datetime,
    ) -> None:
        role = self._put(publication, base, heads, payloads)
        self._sign(publication.bureaus[role], BUREAU_DAYS, now, self.keys.online_signers(role))
        self._write_out(publication, [role], now)

    def _put(self, publication: Published, base: str, heads: Sequence[Head], payloads: Mapping[str, bytes]) -> str:
        """Put feeds' next steps into their bureau's metadata, which is then to be signed; the bureau's role."""
        role = published.bureau_for(publication.targets.signed, base)
        bureau = publication.bureaus[role].signed
        for head in heads:
            if published.bureau_for(publication.targets.signed, head.feed) != role:
                raise RepositoryFault(f"Feed {head.feed} is another bureau's.", "Publish it by itself.")
            bureau.targets = self._feed_targets(bureau, head, payloads)
        return role

    def touch_timestamp(self, *, now: dt.datetime) -> int:
        """Sign that what is published is still headquarters' word at `now`; the new timestamp's version.

        Bureaus and snapshot are signed again too when less than half of their time is left.

        Raises:
            RepositoryFault: no publication yet.
        """
        with self._alone():
            publication = self._settled()
            due = [role for role, bureau in publication.bureaus.items() if _is_due(bureau.signed, BUREAU_DAYS, now)]
            for role in due:
                self._sign(publication.bureaus[role], BUREAU_DAYS, now, self.keys.online_signers(role))
            if due or _is_due(publication.snapshot.signed, SNAPSHOT_DAYS, now):
                self._write_out(publication, due, now)
            else:
                self._write_timestamp(publication.timestamp, now)
            return publication.timestamp.signed.version

    # --- what is published -----------------------------------------------------------------------------------

    def root_bytes(self) -> bytes:
        """The newest root metadata, which an enrolled booth starts from.

        Raises:
            RepositoryFault: no publication yet.
        """
        return published.newest_root(self.public)

    def head(self, feed: str) -> Head | None:
        """The published head of a feed, None where nothing was published yet."""
        publication = published.load(self.public, self.keys)
        bureau = publication.bureaus[published.bureau_for(publication.targets.signed, feed)]
        return published.record(self.public, bureau.signed, head_target(feed), Head)

    def ends_soon(self, now: dt.datetime) -> list[str]:
        """What must be signed anew by hand, in words; a bureau that signs nothing for months is signed by itself."""
        publication = published.load(self.public, self.keys)
        found = []
        for role, signed in (("root", publication.root.signed), (TARGETS, publication.targets.signed)):
            if signed.expires - now < RENEW_BEFORE:
                found.append(
                    f"The {role} metadata ends {signed.expires:%Y-%m-%d}, and then booths believe nothing: bring the "
                    "offline keys and run `failsafe-hq keys renew`."
                )
        return found

    def heads(self, base: str) -> dict[str, Head]:
        """The published heads of a base feed and its supplements, by feed."""
        publication = published.load(self.public, self.keys)
        bureau = publication.bureaus[published.bureau_for(publication.targets.signed, base)].signed
        feeds = {path.split("/")[1] for path in bureau.targets}
        found = {
            feed: published.record(self.public, bureau, head_target(feed), Head)
            for feed in sorted(feeds)
            if base_of(feed) == base
        }
        return {feed: head for feed, head in found.items() if head is not None}

    def may_supplement(self, base: str) -> bool:
        """Whether the top-level targets let the bureau of a base feed publish supplements of it."""
        publication = published.load(self.public, self.keys)
        bureau = published.bureau_for(publication.targets.signed, base)
        delegations = publication.targets.signed.delegations
        roles = (delegations.roles if delegations else None) or {}
        return supplement_targets(base) in (roles[bureau].paths or ())

    def bureau_signer(self, feed: str) -> CryptoSigner:
        """Signer of the bureau that publishes a feed."""
        publication = published.load(self.public, self.keys)
        return self.keys.online_signer(published.bureau_for(publication.targets.signed, feed))

    def statement(self, feed: str) -> Statement | None:
        """The published statement on a feed, None where there is none."""
        targets = published.load(self.public, self.keys).targets
        return published.record(self.public, targets.signed, statement_target(feed), Statement)

    # --- signing ---------------------------------------------------------------------------------------------

    def _first_root(
        self, root_signers: list[CryptoSigner], targets_signers: list[CryptoSigner], now: dt.datetime
    ) -> Metadata[Root]:
        layout = self.keys.layout
        if len(root_signers) < layout.root_keys or len(targets_signers) < layout.targets_keys:
            raise RepositoryFault(
                "The first root must name every offline key, and some are not at hand.",
                "Bring all offline keys together for the first ceremony.",
            )
        signers = {
            "root": (root_signers, layout.root_threshold),
            TARGETS: (targets_signers, layout.targets_threshold),
            SNAPSHOT: ([self.keys.online_signer(SNAPSHOT)], 1),
            TIMESTAMP: ([self.keys.online_signer(TIMESTAMP)], 1),
        }
        root = Root(
            keys={signer.public_key.keyid: signer.public_key for some, _ in signers.values() for signer in some},
            roles={
                role: Role([signer.public_key.keyid for signer in some], threshold)
                for role, (some, threshold) in signers.items()
            },
            consistent_snapshot=True,
        )
        metadata = Metadata(root)
        self._sign(metadata, ROOT_DAYS, now, root_signers)
        return metadata

    def _delegations(self, roles: Iterable[str]) -> Delegations:
        """Each bureau's role, with its one online key and no feed yet."""
        public_keys = {role: self.keys.online_signer(role).public_key for role in roles}
        return Delegations(
            keys={key.keyid: key for key in public_keys.values()},
            roles={
                role: DelegatedRole(role, [key.keyid], threshold=1, terminating=True, paths=[])
                for role, key in public_keys.items()
            },
        )

    def _state(self, targets: Targets, statement: Statement, bureau: str | None) -> None:
        """Put a statement, headquarters' keys and the feed's delegation into the top-level targets."""
        if not FEED_ID.fullmatch(statement.feed):
            raise RepositoryFault("A feed id is 1 to 32 small letters, digits and hyphens.", "Choose another id.")
        if base_of(statement.feed) != statement.feed:
            raise RepositoryFault("An id that ends like this is a supplement's.", "Choose another id.")
        self._add_target(targets, HQ_KEYS_TARGET, encode(self.keys.hq_keys()))
        self._add_target(targets, statement_target(statement.feed), encode(statement))
        roles = targets.delegations.roles if targets.delegations else None
        if not roles:
            return
        pattern = head_target(statement.feed).replace("head.json", "*")
        chosen = next((role for role in roles.values() if pattern in (role.paths or ())), None)
        chosen = chosen or roles.get(bureau_role(bureau or self.keys.layout.bureaus[0]))
        if chosen is None or chosen.paths is None:
            raise RepositoryFault(
                "That bureau has no key at this headquarters.", "Name one of the bureaus in keys.json."
            )
        patterns = (pattern, supplement_targets(statement.feed))
        chosen.paths += [each for each in patterns if each not in chosen.paths]

    def _feed_targets(self, bureau: Targets, head: Head, payloads: Mapping[str, bytes]) -> dict[str, TargetFile]:
        """The bureau's targets with those of one feed replaced: its head and exactly the payloads that it names."""
        folder = head_target(head.feed).removesuffix("head.json")
        published = bureau.targets
        bureau.targets = {path: target for path, target in published.items() if not path.startswith(folder)}
        for payload in payloads_of(head):
            name = payload.path.removeprefix(folder)
            if not payload.path.startswith(folder) or "/" in name or name == "head.json":
                raise RepositoryFault("A payload lies outside its feed's folder.", "Name it feed/<feed>/<name>.")
            if payload.path in payloads:
                target = self._add_target(bureau, payload.path, payloads[payload.path])
            elif payload.path in published:
                target = bureau.targets[payload.path] = published[payload.path]
            else:
                raise RepositoryFault("The head names a payload that was neither given nor published before.")
            if (target.length, target.hashes["sha256"]) != (payload.length, payload.sha256):
                raise RepositoryFault("A payload is not the one that the head names.")
        self._add_target(bureau, head_target(head.feed), encode(head))
        return bureau.targets

    def _add_target(self, targets: Targets, path: str, content: bytes) -> TargetFile:
        """Write a target's file under its hash and enter it; nobody sees it before the metadata is there."""
        target = TargetFile.from_data(path, content, ["sha256"])
        self.public.write(published.target_file(target), content)
        targets.targets[path] = target
        return target

    @staticmethod
    def _sign(metadata: Metadata[S], days: int, now: dt.datetime, signers: Sequence[CryptoSigner]) -> None:
        """The next version, valid for `days`, signed by all of `signers` and nobody else."""
        if metadata.signatures:  # what was never signed is at its first version
            metadata.signed.version += 1
        metadata.signed.expires = now.astimezone(dt.UTC) + dt.timedelta(days=days)
        metadata.signatures.clear()
        for signer in signers:
            metadata.sign(signer, append=True)

    def _at_hand(self, role: str, publication: Published, passphrase: str) -> list[CryptoSigner]:
        """Signers of `root` or `targets` that are on the media and that the root names, at least the threshold."""
        named = publication.root.signed.roles[role]
        found = self.keys.shares(role, passphrase)
        usable = offline.at_hand(found, role, named.keyids, named.threshold, self.keys.folders())
        return [share.signer for share in usable]

    def _settled(self) -> Published:
        """The newest publication, after an exchange of keys that was broken off has been ended one way or the other.

        Booths have heard of a coming key if the publication names it: then it is the present one; else it is dropped.
        """
        publication = published.load(self.public, self.keys)
        for role in self.keys.coming():
            named = published.named_keys(self.public, publication, role)
            if self.keys.coming_id(role) in named:
                self.keys.promote(role, former_receipts=published.hq_keys(self.public, publication).former_receipts)
            else:
                self.keys.drop(role)
        return publication

    # --- writing ---------------------------------------------------------------------------------------------

    def _write_out(self, publication: Published, changed: Iterable[str], now: dt.datetime) -> None:
        """Write the changed roles' metadata, then a snapshot of all, then the timestamp; then prune."""
        before = publication.snapshot.signed.version
        snapshot = publication.snapshot
        roles = {TARGETS: publication.targets, **publication.bureaus}
        for role in changed:
            content = roles[role].to_bytes()
            version = roles[role].signed.version
            self.public.write(f"{METADATA_FOLDER}/{version}.{role}.json", content)
            snapshot.signed.meta[f"{role}.json"] = _meta_file(version, content)
        self._sign(snapshot, SNAPSHOT_DAYS, now, self.keys.online_signers(SNAPSHOT))
        content = snapshot.to_bytes()
        version = snapshot.signed.version
        self.public.write(f"{METADATA_FOLDER}/{version}.snapshot.json", content)
        publication.timestamp.signed.snapshot_meta = _meta_file(version, content)
        self._write_timestamp(publication.timestamp, now)
        self._prune(publication, before)

    def _write_timestamp(self, timestamp: Metadata[Timestamp], now: dt.datetime) -> None:
        signed_at = now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        timestamp.signed.unrecognized_fields[SIGNED_AT_FIELD] = signed_at
        self._sign(timestamp, TIMESTAMP_DAYS, now, self.keys.online_signers(TIMESTAMP))
        self.public.write(f"{METADATA_FOLDER}/{TIMESTAMP_FILE}", timestamp.to_bytes())

    def _prune(self, publication: Published, before: int) -> None:
        """Remove metadata and targets that neither this snapshot nor the one before names; roots stay."""
        kept = published.files_of(publication)
        with contextlib.suppress(Missing):
            kept |= published.files_of(published.at_snapshot(self.public, publication, before))
        for folder in (METADATA_FOLDER, TARGETS_FOLDER):
            for name in self.public.names(f"{folder}/"):
                if name not in kept and not name.endswith(".root.json"):
                    self.public.remove(name)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One publisher at a time: the ten minutes' timestamp and an operator's `publish` must not cross."""
        self.public.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(self.home / ".publishing", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _meta_file(version: int, content: bytes) -> MetaFile:
    """Version, length and hash: a metadata file that was cut on the way is told from one that is not signed."""
    return MetaFile(version, len(content), {"sha256": hashlib.sha256(content).hexdigest()})


def _is_due(signed: Signed, days: int, now: dt.datetime) -> bool:
    return signed.expires - now < dt.timedelta(days=days) / 2
