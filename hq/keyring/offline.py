"""The offline keys: shares of the root and targets roles, on media that lie apart and come together for a ceremony.

A medium's folder holds `salt` and `ROLE-NUMBER.pem` files. PKCS8 as `cryptography` writes it stretches a passphrase
with 2,048 rounds of PBKDF2, too few for a stick that is lost; so the passphrase goes through scrypt first, with that
salt. What counts is the public key: a share that no root names any more may lie on a medium and is passed over.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # documented there, not re-exported

from failsafe.hq.faults import KeyFault, KeyMissing, PassphraseWrong
from failsafe.sync.errors import SyncError
from failsafe.sync.spool import Spool

ROOT: Final = "root"
TARGETS: Final = "targets"
_SALT: Final = "salt"
_SALT_LENGTH: Final = 16
_KEY_LIMIT: Final = 16 * 1024
_SHARE: Final = re.compile(r"(root|targets)-(\d{1,4})\.pem")
# 32 MiB and a tenth of a second for each guess at the passphrase.
_SCRYPT_N: Final = 2**15


@dataclass(frozen=True, slots=True)
class Share:
    """One offline key at hand; `repr` shows only which."""

    role: str
    number: int
    file: Path
    signer: CryptoSigner = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.role}-{self.number}"

    @property
    def keyid(self) -> str:
        return self.signer.public_key.keyid


class Medium:
    """One folder of offline keys, opened with the passphrase.

    Raises:
        KeyMissing: there is no such folder, or no salt in it.
    """

    def __init__(self, folder: Path, passphrase: str) -> None:
        self.folder = folder
        try:
            salt = Spool(folder).read(_SALT, _KEY_LIMIT)
        except SyncError as error:
            raise KeyMissing(
                f"There are no offline keys in {folder}.",
                f"Bring the offline keys and put them into {folder}, or name their folders with --offline.",
            ) from error
        self._passphrase = _stretched(passphrase, salt)

    @classmethod
    def found(cls, folder: Path, passphrase: str) -> Medium:
        """A new medium, with a salt of its own."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise KeyFault(f"The folder of the offline keys cannot be made ({error.strerror}).") from error
        _private(folder).write(_SALT, secrets.token_bytes(_SALT_LENGTH))
        return cls(folder, passphrase)

    def shares(self, role: str) -> list[Share]:
        """The shares of a role that lie here.

        Raises:
            PassphraseWrong: they do not open.
            KeyMissing: a file holds no key.
        """
        found = []
        for name in Spool(self.folder).names():
            match = _SHARE.fullmatch(name)
            if match and match[1] == role:
                signer = signer_of(Spool(self.folder).read(name, _KEY_LIMIT), self._passphrase, name)
                found.append(Share(role, int(match[2]), self.folder / name, signer))
        return found

    def make(self, role: str, number: int) -> Share:
        """A new share of a role, written here.

        Raises:
            KeyFault: a file of that name is here already, or the medium refuses.
        """
        name = f"{role}-{number}.pem"
        if Spool(self.folder).holds(name):
            raise KeyFault(f"{self.folder} holds {name} already.", "Keys are never overwritten: take the file away.")
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(self._passphrase))
        try:
            _private(self.folder).write(name, pem)
        except SyncError as error:
            raise KeyFault(
                f"{self.folder} cannot be written to.", "Check the medium, its mode and its room."
            ) from error
        return Share(role, number, self.folder / name, CryptoSigner(key))


def shares(folders: Sequence[Path], passphrase: str, role: str) -> list[Share]:
    """The shares of a role on all media together, each key once, by number.

    Raises:
        KeyMissing, PassphraseWrong: see `Medium`.
    """
    found = {share.keyid: share for folder in folders for share in Medium(folder, passphrase).shares(role)}
    return sorted(found.values(), key=lambda share: share.number)


def at_hand(
    found: Iterable[Share], role: str, named: Iterable[str], threshold: int, folders: Sequence[Path]
) -> list[Share]:
    """Those shares that the root names, at least the threshold of them.

    Args:
        found: what lies on the media.
        role: `root` or `targets`.
        named: key ids that count for the role.
        threshold: how many must sign.
        folders: the media, for the advice.

    Raises:
        KeyMissing: there are fewer.
    """
    counted = set(named)
    usable = [share for share in found if share.keyid in counted]
    if len(usable) < threshold:
        places = ", ".join(str(folder) for folder in folders)
        raise KeyMissing(
            f"{threshold} {role} keys must sign, and {len(usable)} that count are in {places}.",
            "Bring the offline keys of another custodian: put them there, or name their folder with --offline.",
        )
    return usable


def signer_of(pem: bytes, passphrase: bytes | None, name: str) -> CryptoSigner:
    """The signer of an Ed25519 key in PEM.

    Raises:
        PassphraseWrong: it does not open.
        KeyMissing: there is no such key in it.
    """
    try:
        key = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError) as error:  # the text of the cause names no secret, but says nothing useful either
        if passphrase is not None and b"ENCRYPTED" in pem:
            raise PassphraseWrong("The passphrase does not open the offline keys.") from error
        raise KeyMissing(f"{name} does not hold a key.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyMissing(f"{name} does not hold an Ed25519 key.")
    return CryptoSigner(key)


def _private(folder: Path) -> Spool:
    return Spool(folder, file_mode=0o600, folder_mode=0o700)


def _stretched(passphrase: str, salt: bytes) -> bytes:
    """The passphrase that the PEM files really have: 64 hexadecimal digits."""
    stretched = hashlib.scrypt(
        passphrase.encode(), salt=salt, n=_SCRYPT_N, r=8, p=1, maxmem=2 * 128 * 8 * _SCRYPT_N, dklen=32
    )
    return stretched.hex().encode()
