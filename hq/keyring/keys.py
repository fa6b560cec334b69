"""Headquarters' keys, in a folder of two parts.

`offline/` holds the root and targets keys, encrypted with a passphrase (hq/keyring/offline.py); it can live on sticks
and is only needed for the ceremonies (the first repository, a statement, a rotation). `online/` holds what a
publication needs every ten minutes: the snapshot and timestamp keys, one key per publishing bureau, the receipt key,
the secret to which alerts are sealed, the authority that signs the booths' TLS client certificates, and the server's
own certificate, which the same authority signs. `keys.json` says how many keys there are, which, and since when.

While a key is being exchanged (hq/keyring/rotation.py) the coming one lies beside it as `NAME.next.*`, and both sign.
What is still needed of a key that has gone lies in `online/former/`: sealing secrets, since alerts sealed to them are
on their way, and the public halves of receipt keys.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # documented there, not re-exported

from failsafe.hq.faults import HeadquartersError, KeyFault, KeyMissing, KeysExist, PassphraseWrong, RequestRefused
from failsafe.hq.keyring import offline
from failsafe.hq.keyring.authority import Authority
from failsafe.hq.keyring.authority import server_names as names_in_order
from failsafe.hq.keyring.offline import ROOT, TARGETS
from failsafe.sync.errors import SyncError
from failsafe.sync.records import FEED_ID, HqKeys, Record, learn
from failsafe.sync.seal import SealSecret, signing_public
from failsafe.sync.spool import Spool

__all__ = [
    "HeadquartersError",
    "KeyFault",
    "KeyMissing",
    "KeyStore",
    "KeysExist",
    "PassphraseWrong",
    "RequestRefused",
    "init",
]

OFFLINE_FOLDER: Final = "offline"
SNAPSHOT: Final = "snapshot"
TIMESTAMP: Final = "timestamp"
RECEIPT: Final = "receipt"
SEAL: Final = "seal"
SERVER_NAMES: Final = ("localhost", "127.0.0.1")
_FORMER: Final = "online/former"
_LAYOUT_FILE: Final = "keys.json"
_KEY_LIMIT: Final = 64 * 1024


class Layout(Record, frozen=True, kw_only=True):
    """How many offline keys there are, how many must sign, and which bureaus publish online.

    `shares` are the key ids of the offline keys by name (`root-2`), `since` the moment of making by a key's id: that of
    the specification for keys that sign metadata, else the one that `failsafe-hq keys list` shows.
    """

    root_keys: int = 3
    root_threshold: int = 2
    targets_keys: int = 3
    targets_threshold: int = 2
    bureaus: tuple[str, ...] = ("main",)
    shares: dict[str, str] = msgspec.field(default_factory=dict)
    since: dict[str, str] = msgspec.field(default_factory=dict)


learn((Layout,))


def bureau_role(bureau: str) -> str:
    """Name of the TUF role that a publishing bureau signs."""
    return f"bureau-{bureau}"


def init(
    home: Path,
    *,
    passphrase: str,
    now: dt.datetime,
    root_keys: int = 3,
    root_threshold: int = 2,
    targets_keys: int = 3,
    targets_threshold: int = 2,
    bureaus: Sequence[str] = ("main",),
    server_names: Sequence[str] = SERVER_NAMES,
) -> KeyStore:
    """Make all keys of a headquarters in `home`, which is created if need be (folders 0700, files 0600).

    Raises:
        KeysExist: `home` already holds keys; none of them is touched.
        KeyFault: a threshold that cannot be met, an empty passphrase, or a folder that cannot be written.
    """
    layout = Layout(
        root_keys=root_keys,
        root_threshold=root_threshold,
        targets_keys=targets_keys,
        targets_threshold=targets_threshold,
        bureaus=tuple(bureaus),
    )
    _check_layout(layout)
    names_in_order(server_names)
    if not passphrase:
        raise KeyFault("The offline keys need a passphrase.", "Give one of several words.")
    folder = _key_folder(home)
    if any(name == _LAYOUT_FILE or name.startswith(("offline/", "online/")) for name in folder.names()):
        raise KeysExist("This folder holds keys already.")
    shares = _write_offline(home / OFFLINE_FOLDER, layout, passphrase)
    _write_online(folder, layout)
    store = KeyStore(home, layout)
    store.authority.make(now)
    store.authority.issue_server_certificate(server_names, now=now)
    ids = [*shares.values(), *(store.online_signer(role).public_key.keyid for role in store.online_roles())]
    ids += [short_id(store.hq_keys().receipt), store.hq_keys().seal.key_id]
    made = dict.fromkeys(ids, now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    # Last, so that a folder with this file holds every key.
    return store.noted(shares=shares, since=made)


def _check_layout(layout: Layout) -> None:
    for count, threshold in (
        (layout.root_keys, layout.root_threshold),
        (layout.targets_keys, layout.targets_threshold),
    ):
        if not 1 <= threshold <= count <= 16:
            raise KeyFault(
                f"{threshold} of {count} keys cannot be.", "Give a threshold from 1 to the number of keys, 16 at most."
            )
    if not layout.bureaus or not all(FEED_ID.fullmatch(bureau) for bureau in layout.bureaus):
        raise KeyFault("A bureau's id is missing or unusable.", "Use small letters, digits and hyphens.")


def _key_folder(home: Path) -> Spool:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyFault(f"The keys folder cannot be made ({error.strerror}).") from error
    return Spool(home, file_mode=0o600, folder_mode=0o700)


def _write_offline(folder: Path, layout: Layout, passphrase: str) -> dict[str, str]:
    """Make the first medium; the key ids by the shares' names."""
    medium = offline.Medium.found(folder, passphrase)
    counts = ((ROOT, layout.root_keys), (TARGETS, layout.targets_keys))
    made = [medium.make(role, number) for role, count in counts for number in range(1, count + 1)]
    return {share.name: share.keyid for share in made}


def _write_online(folder: Spool, layout: Layout) -> None:
    for role in (SNAPSHOT, TIMESTAMP, *(bureau_role(bureau) for bureau in layout.bureaus)):
        folder.write(_online_file(role), _fresh(role))
    for role in (RECEIPT, SEAL):
        folder.write(_online_file(role), _fresh(role))


def _online_file(role: str, *, coming: bool = False) -> str:
    return f"online/{role}{'.next' if coming else ''}.{'key' if role in (RECEIPT, SEAL) else 'pem'}"


def _fresh(role: str) -> bytes:
    """The content of a new online key's file."""
    if role == SEAL:
        return SealSecret.generate().secret
    return (
        secrets.token_bytes(32)
        if role == RECEIPT
        else Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


def short_id(public: bytes) -> str:
    """16 hexadecimal digits that name a public key."""
    return hashlib.sha256(public).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class DeskSecrets:
    """What the desk opens alerts and signs receipts with; `repr` shows none of it."""

    receipt: bytes = field(repr=False)
    present: SealSecret = field(repr=False)
    seals: Mapping[str, SealSecret] = field(repr=False)
    stamp: tuple[tuple[int, int], ...]

    def for_(self, key_id: str) -> SealSecret:
        """The secret of a sealing key, the present one where the id is none of ours."""
        return self.seals.get(key_id, self.present)

    def fresh(self, keys: KeyStore) -> DeskSecrets:
        """These, or those that were put in their place since; these too while the files cannot be read."""
        if keys.stamp() == self.stamp:
            return self
        with contextlib.suppress(KeyMissing):
            return keys.secrets()
        return self


@dataclass(frozen=True, slots=True)
class KeyStore:
    """The keys of one headquarters; each is read when it is asked for, none is kept."""

    home: Path
    layout: Layout
    media: tuple[Path, ...] = ()  # folders of the offline keys; `home/offline` if none is named

    @classmethod
    def open(cls, home: Path, media: Sequence[Path] = ()) -> KeyStore:
        """The keys that `init` made in `home`, with the offline ones on `media`.

        Raises:
            KeyMissing: there are none, or `keys.json` is not readable.
        """
        if not home.is_dir():
            raise KeyMissing("This folder holds no keys of a headquarters.")
        try:
            layout = msgspec.json.decode(Spool(home).read(_LAYOUT_FILE, _KEY_LIMIT), type=Layout)
        except (SyncError, msgspec.DecodeError) as error:
            raise KeyMissing(f"{_LAYOUT_FILE} is not there or not readable.") from error
        _check_layout(layout)
        return cls(home, layout, tuple(media))

    def noted(self, *, shares: Mapping[str, str | None], since: Mapping[str, str]) -> KeyStore:
        """Write into `keys.json` which offline keys there are (None: no more) and since when; the store that knows."""
        held = {name: keyid for name, keyid in {**self.layout.shares, **shares}.items() if keyid is not None}
        layout = msgspec.structs.replace(self.layout, shares=held, since={**self.layout.since, **since})
        _key_folder(self.home).write(_LAYOUT_FILE, msgspec.json.format(msgspec.json.encode(layout)))
        return KeyStore(self.home, layout, self.media)

    @property
    def authority(self) -> Authority:
        """Who signs the certificates of links and server."""
        return Authority(self.home)

    def folders(self) -> tuple[Path, ...]:
        """Where the offline keys are looked for."""
        return self.media or (self.home / OFFLINE_FOLDER,)

    def shares(self, role: str, passphrase: str) -> list[offline.Share]:
        """The offline keys of `root` or `targets` that are at hand, whether they still count or not.

        Raises:
            KeyMissing: a medium is not there.
            PassphraseWrong: they do not open.
        """
        return offline.shares(self.folders(), passphrase, role)

    def online_roles(self) -> list[str]:
        """The roles that sign metadata online."""
        return [SNAPSHOT, TIMESTAMP, *map(bureau_role, self.layout.bureaus)]

    def root_signers(self, passphrase: str) -> list[CryptoSigner]:
        """Signers of all root keys that are at hand, at least the threshold.

        Raises:
            KeyMissing: fewer key files than the threshold are there.
            PassphraseWrong: they do not open.
        """
        return self._offline_signers(ROOT, self.layout.root_threshold, passphrase)

    def targets_signers(self, passphrase: str) -> list[CryptoSigner]:
        """Signers of all targets keys that are at hand; as `root_signers`."""
        return self._offline_signers(TARGETS, self.layout.targets_threshold, passphrase)

    def online_signer(self, role: str) -> CryptoSigner:
        """Signer of `snapshot`, `timestamp` or a bureau's role.

        Raises:
            KeyMissing: its file is not there or does not hold an Ed25519 key.
        """
        return offline.signer_of(self._read(_online_file(role)), None, _online_file(role))

    def online_signers(self, role: str) -> list[CryptoSigner]:
        """The role's signer and, while its key is being exchanged, the coming one's too; raises as `online_signer`."""
        coming = _online_file(role, coming=True)
        signers = [self.online_signer(role)]
        if Spool(self.home).holds(coming):
            signers.append(offline.signer_of(self._read(coming), None, coming))
        return signers

    def receipt_secret(self) -> bytes:
        """Seed (32 bytes) of the Ed25519 key that signs receipts."""
        return self._read(_online_file(RECEIPT))

    def seal_secret(self) -> SealSecret:
        """The secret that opens sealed alerts."""
        return SealSecret(self._read(_online_file(SEAL)))

    def seal_secrets(self) -> list[SealSecret]:
        """All secrets that sealed alerts may need: the present one, a coming one, and former ones."""
        files = [_online_file(SEAL), _online_file(SEAL, coming=True), *self.former(SEAL).values()]
        return [SealSecret(self._read(file)) for file in files if Spool(self.home).holds(file)]

    def secrets(self) -> DeskSecrets:
        """What the desk needs, read now.

        Raises:
            KeyMissing: the receipt or sealing key is not there.
        """
        stamp, present = self.stamp(), self.seal_secret()  # the stamp first: what changes meanwhile is seen next time
        seals = {secret.public().key_id: secret for secret in self.seal_secrets()}
        return DeskSecrets(self.receipt_secret(), present, seals, stamp)

    def stamp(self) -> tuple[tuple[int, int], ...]:
        """Changes when a receipt or sealing key does."""
        found = []
        for name in (_online_file(RECEIPT), _online_file(SEAL), _online_file(SEAL, coming=True), _FORMER):
            with contextlib.suppress(OSError):
                about = (self.home / name).stat()
                found.append((about.st_ino, about.st_mtime_ns))
        return tuple(found)

    def hq_keys(self) -> HqKeys:
        """The public keys that booths need for alerts and receipts."""
        former = tuple(self._read(file) for file in self.former(RECEIPT).values())
        return HqKeys(
            receipt=signing_public(self.receipt_secret()), seal=self.seal_secret().public(), former_receipts=former
        )

    # --- keys that come and go (hq/keyring/rotation.py) --------------------------------------------------------------

    def coming(self) -> list[str]:
        """The roles whose next key lies beside the present one."""
        folder = Spool(self.home)
        return [role for role in (*self.online_roles(), RECEIPT, SEAL) if folder.holds(_online_file(role, coming=True))]

    def prepare(self, role: str) -> None:
        """Make the next key of a role, beside the present one."""
        _key_folder(self.home).write(_online_file(role, coming=True), _fresh(role))

    def key_id(self, role: str, *, coming: bool = False) -> str:
        """The id of a role's present key, or of its coming one.

        Raises:
            KeyMissing: its file is not there.
        """
        secret, name = self._read(_online_file(role, coming=coming)), _online_file(role, coming=coming)
        if role == SEAL:
            return SealSecret(secret).public().key_id
        if role == RECEIPT:
            return short_id(signing_public(secret))
        return offline.signer_of(secret, None, name).public_key.keyid

    def coming_id(self, role: str) -> str:
        """The id of a role's coming key."""
        return self.key_id(role, coming=True)

    def coming_hq_keys(self, *, stolen: bool) -> HqKeys:
        """The public keys as they are with the coming ones in place; a stolen receipt key counts no more."""
        keys, coming = self.hq_keys(), self.coming()
        if RECEIPT in coming:
            former = () if stolen else (*keys.former_receipts, keys.receipt)
            receipt = signing_public(self._read(_online_file(RECEIPT, coming=True)))
            keys = msgspec.structs.replace(keys, receipt=receipt, former_receipts=former)
        if SEAL in coming:
            seal = SealSecret(self._read(_online_file(SEAL, coming=True))).public()
            keys = msgspec.structs.replace(keys, seal=seal)
        return keys

    def promote(self, role: str, *, former_receipts: Sequence[bytes] = ()) -> None:
        """Put a role's next key in the present one's place.

        Args:
            role: one of `coming`.
            former_receipts: public halves of the receipt keys that still count, as they were published.
        """
        folder = _key_folder(self.home)
        if role == SEAL:
            secret = self.seal_secret()
            folder.write(f"{_FORMER}/{SEAL}-{secret.public().key_id}.key", secret.secret)
        if role == RECEIPT:
            for file in self.former(RECEIPT).values():
                folder.remove(file)
            for public in former_receipts:
                folder.write(f"{_FORMER}/{RECEIPT}-{short_id(public)}.key", public)
        folder.write(_online_file(role), self._read(_online_file(role, coming=True)))
        self.drop(role)

    def drop(self, role: str) -> None:
        """Forget a role's next key: nobody has been told of it."""
        _key_folder(self.home).remove(_online_file(role, coming=True))

    def former(self, role: str) -> dict[str, str]:
        """The files of `receipt` or `seal` keys that have gone and still count, by the keys' ids."""
        names = Spool(self.home).names(f"{_FORMER}/{role}-")
        return {name.rpartition("-")[2].removesuffix(".key"): name for name in names}

    def forget(self, role: str, key_id: str) -> None:
        """Remove a former key for good.

        Raises:
            KeyMissing: there is none of that id.
        """
        file = self.former(role).get(key_id)
        if file is None:
            raise KeyMissing(f"There is no former {role} key of that id.", "`failsafe-hq keys list` shows them.")
        _key_folder(self.home).remove(file)

    def _offline_signers(self, role: str, threshold: int, passphrase: str) -> list[CryptoSigner]:
        found = self.shares(role, passphrase)
        usable = offline.at_hand(found, role, (share.keyid for share in found), threshold, self.folders())
        return [share.signer for share in usable]

    def _read(self, name: str) -> bytes:
        try:
            return Spool(self.home).read(name, _KEY_LIMIT)
        except SyncError as error:
            raise KeyMissing(f"{name} is not there or cannot be read.") from error
