"""Exchange of the keys that sign and seal: new ones made, old ones ended, and no moment in which a booth is lost.

While a key is exchanged the old and the new one sign together, so that metadata is believed under the old root and
under the new one: `timestamp.json` first, the new root after it. Whoever is killed in between leaves a whole
publication, and the next act of the repository ends the exchange one way or the other (`Repository._settled`). A booth
follows any number of roots by itself, each signed by the one before.

Why a stolen key ends here: a booth that has the new root passes over what it holds of a role whose key is another, so
that not even versions driven up by a thief bind it (The Update Framework, 5.3.11).
"""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # documented there, not re-exported
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, Root  # type: ignore[attr-defined]  # documented there, not re-exported

from failsafe.hq.faults import KeyMissing
from failsafe.hq.feeds import published
from failsafe.hq.feeds.published import TARGETS, Published, RepositoryFault
from failsafe.hq.feeds.repository import BUREAU_DAYS, ROOT_DAYS, TARGETS_DAYS, Repository
from failsafe.hq.keyring.keys import SNAPSHOT, TIMESTAMP, KeyStore
from failsafe.hq.keyring.offline import ROOT, Medium, Share
from failsafe.sync.records import HQ_KEYS_TARGET, METADATA_FOLDER, Head, encode

IN_ROOT: Final = (SNAPSHOT, TIMESTAMP)


@dataclass(frozen=True, slots=True)
class Exchange:
    """Which keys go.

    Args:
        shares: offline ones by name, `root-2`.
        online: roles; `snapshot`, `timestamp`, a bureau's, `receipt`, `seal`.
        stolen: receipts that the old key signed count no more.
        into: medium that a new share goes to whose old one is not at hand; the first of the store's if None.
    """

    shares: tuple[str, ...] = ()
    online: tuple[str, ...] = ()
    stolen: bool = False
    into: Path | None = None

    @property
    def changes_root(self) -> bool:
        """Whether a new root is needed, and the offline root keys for it."""
        return bool(self.shares) or any(role in IN_ROOT for role in self.online)

    @property
    def changes_targets(self) -> bool:
        """Whether the offline targets keys sign."""
        return any(name.startswith(f"{TARGETS}-") for name in self.shares) or any(
            role not in IN_ROOT for role in self.online
        )

    @property
    def is_renewal(self) -> bool:
        """Whether nothing goes: root and targets are signed anew, for another time."""
        return not self.shares and not self.online


class Ceremonies(Repository):
    """The repository while its keys are exchanged: the offline keys are needed."""

    def exchange(
        self,
        what: Exchange,
        *,
        passphrase: str,
        now: dt.datetime,
        publish: Callable[[Repository], object] | None = None,
    ) -> KeyStore:
        """Exchange keys, publish that, and forget the old ones; the store that knows of it.

        Args:
            what: which; nothing: root and targets are only signed anew, for another term.
            passphrase: of the offline keys.
            now: time of signing, UTC.
            publish: publishes feeds of a bureau whose key goes by the repository that it is given; the exchange is part
                of that publication, so that what the old key has signed is never named beside the new one. What it
                raises before ends the exchange: nothing was changed.

        Raises:
            KeyMissing: too few offline keys are at hand, or a share is not known.
            PassphraseWrong: they do not open.
            RepositoryFault: no publication.
        """
        with self._alone():
            publication = self._settled()
            going = self._going(what, publication, passphrase)
            root = self._at_hand(ROOT, publication, passphrase) if what.changes_root or what.is_renewal else []
            targets = self._at_hand(TARGETS, publication, passphrase) if what.changes_targets or what.is_renewal else []
            with self._made(what, going, passphrase) as made, self._prepared(what.online):
                newest = self._newest_root(publication, what, going, made, root, now) if root else None

                def write() -> None:
                    roles = self._sign_roles(publication, what, targets, made, now)
                    _check(publication, newest)
                    self._write_out(publication, roles, now)
                    if newest is not None:
                        name = f"{METADATA_FOLDER}/{newest.signed.version}.root.json"
                        self.public.write(name, newest.to_bytes())

                if publish is None:
                    write()
                else:
                    publish(_InOneAct(self.home, self.keys, publication, write))
            self._settled()
            return self._noted(what, going, made, passphrase, now)

    # --- what goes, what comes -----------------------------------------------------------------------------------

    def _going(self, what: Exchange, publication: Published, passphrase: str) -> dict[str, str]:
        """The key ids of the shares that go, by name; a lost one is known from `keys.json`."""
        known: dict[str, str] = {}
        for role in (ROOT, TARGETS) if what.shares else ():
            known |= {share.name: share.keyid for share in self.keys.shares(role, passphrase)}
        known |= self.keys.layout.shares
        for name in what.shares:
            role, _, _ = name.rpartition("-")
            if role not in (ROOT, TARGETS) or known.get(name) not in publication.root.signed.roles[role].keyids:
                raise KeyMissing(f"The root names no share {name}.", "`failsafe-hq keys list` shows those that count.")
        return {name: known[name] for name in what.shares}

    @contextlib.contextmanager
    def _made(self, what: Exchange, going: Mapping[str, str], passphrase: str) -> Iterator[list[Share]]:
        """New shares for those that go, each on the medium of its predecessor; gone again if nobody heard of them."""
        made: list[Share] = []
        try:
            for name in going:
                made.append(self._make_share(name, what.into, passphrase))
            yield made
        except BaseException:
            root = published.load(self.public, self.keys).root.signed
            for share in made:
                if share.keyid not in root.roles[share.role].keyids:
                    share.file.unlink(missing_ok=True)
            raise

    def _make_share(self, name: str, into: Path | None, passphrase: str) -> Share:
        role, folders = name.rpartition("-")[0], self.keys.folders()
        places = {share.name: share.file.parent for share in self.keys.shares(role, passphrase)}
        taken = {*self.keys.layout.shares, *(file.stem for folder in folders for file in folder.glob(f"{role}-*.pem"))}
        number = 1 + max(int(one.rpartition("-")[2]) for one in taken if one.startswith(f"{role}-"))
        return Medium(places.get(name) or into or folders[0], passphrase).make(role, number)

    @contextlib.contextmanager
    def _prepared(self, roles: Sequence[str]) -> Iterator[None]:
        """The next keys of online roles, dropped if the block raises before booths could hear of them."""
        try:
            for role in roles:
                self.keys.prepare(role)
            yield
        except BaseException:
            self._settled()
            raise

    # --- signing -------------------------------------------------------------------------------------------------

    def _newest_root(
        self,
        publication: Published,
        what: Exchange,
        going: Mapping[str, str],
        made: Sequence[Share],
        signers: Sequence[CryptoSigner],
        now: dt.datetime,
    ) -> Metadata[Root]:
        """The next root, signed by the present one's keys that are at hand and by its own new ones."""
        newest = copy.deepcopy(publication.root)
        for name, keyid in going.items():
            newest.signed.revoke_key(keyid, name.rpartition("-")[0])
        for share in made:
            newest.signed.add_key(share.signer.public_key, share.role)
        for role in what.online:
            if role in IN_ROOT:
                present, coming = self.keys.online_signers(role)
                newest.signed.revoke_key(present.public_key.keyid, role)
                newest.signed.add_key(coming.public_key, role)
        self._sign(newest, ROOT_DAYS, now, [*signers, *(share.signer for share in made if share.role == ROOT)])
        return newest

    def _sign_roles(
        self,
        publication: Published,
        what: Exchange,
        signers: Sequence[CryptoSigner],
        made: Sequence[Share],
        now: dt.datetime,
    ) -> list[str]:
        """Sign targets and bureaus as the exchange wants it; the roles that changed."""
        if not signers:
            return []
        targets = publication.targets.signed
        bureaus = [role for role in what.online if role in publication.bureaus]
        for role in bureaus:
            present, coming = self.keys.online_signers(role)
            targets.revoke_key(present.public_key.keyid, role)
            targets.add_key(coming.public_key, role)
            self._sign(publication.bureaus[role], BUREAU_DAYS, now, [present, coming])
        self._add_target(targets, HQ_KEYS_TARGET, encode(self.keys.coming_hq_keys(stolen=what.stolen)))
        new = [share.signer for share in made if share.role == TARGETS]
        self._sign(publication.targets, TARGETS_DAYS, now, [*signers, *new])
        return [TARGETS, *bureaus]

    # --- afterwards ----------------------------------------------------------------------------------------------

    def _noted(
        self, what: Exchange, going: Mapping[str, str], made: Sequence[Share], passphrase: str, now: dt.datetime
    ) -> KeyStore:
        """Take the old shares off the media that are here, and write down which keys there are since when."""
        for role in {name.rpartition("-")[0] for name in going}:
            for folder in self.keys.folders():
                for share in Medium(folder, passphrase).shares(role):
                    if share.keyid in going.values():
                        share.file.unlink()
        at = now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ids = [*(share.keyid for share in made), *(self.keys.key_id(role) for role in what.online)]
        shares: dict[str, str | None] = dict.fromkeys(going)
        shares |= {share.name: share.keyid for share in made}
        return KeyStore.open(self.home, self.keys.media).noted(shares=shares, since=dict.fromkeys(ids, at))


class _InOneAct(Repository):
    """The repository for one publication in which keys are exchanged; who has it is alone already."""

    def __init__(self, home: Path, keys: KeyStore, publication: Published, write: Callable[[], None]) -> None:
        super().__init__(home, keys)
        self._publication = publication
        self._write = write

    def bureau_signer(self, feed: str) -> CryptoSigner:
        """The bureau's coming signer where there is one: key files that it signs count with this publication."""
        return self.keys.online_signers(published.bureau_for(self._publication.targets.signed, feed))[-1]

    def publish_together(
        self,
        base: str,
        heads: Sequence[Head],
        payloads: Mapping[str, bytes],
        *,
        supplements: Collection[str],
        now: dt.datetime,
    ) -> None:
        """As `Repository.publish_together`, with the exchange."""
        self._drop_supplements(self._publication, base, supplements)
        role = self._put(self._publication, base, heads, payloads)
        if role not in self.keys.coming():  # nobody would sign what was put there
            raise RepositoryFault("This bureau's key is not exchanged.", "Publish its feeds by themselves.")
        self._write()

    def touch_timestamp(self, *, now: dt.datetime) -> int:
        """The exchange alone, where nothing is to be published."""
        self._write()
        return self._publication.timestamp.signed.version


def _check(publication: Published, newest: Metadata[Root] | None) -> None:
    """Return if the present root and the next one believe the new root and the targets as they are signed now.

    Raises:
        KeyMissing: signatures would be missing.
    """
    roots = [publication.root.signed, *([newest.signed] if newest else [])]
    signed = {ROOT: newest, TARGETS: publication.targets}
    try:
        for root in roots:
            for role, metadata in signed.items():
                if metadata is not None:
                    root.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError as error:
        raise KeyMissing(
            "The new root would not have all the signatures that it needs.",
            "Bring one more offline key that stays; where too few are left, see docs/headquarters.md.",
        ) from error
