"""Headquarters' keys, in a folder of two parts.

`offline/` holds the root and targets keys, encrypted with a passphrase; it can live on a stick and is only needed for
the ceremonies (the first repository, a statement, a new feed). `online/` holds what a publication needs every ten
minutes: the snapshot and timestamp keys, one key per publishing bureau, the receipt key, the secret to which alerts
are sealed, the authority that signs the booths' TLS client certificates, and the server's own certificate, which the
same authority signs. `keys.json` says how many keys there are.

PKCS8 as `cryptography` writes it stretches a passphrase with 2,048 rounds of PBKDF2, too few for a stick that is lost;
so the passphrase goes through scrypt first, with the salt that lies beside the keys.

HeadquartersError          each carries `advice`
├── KeyFault
│   ├── KeyMissing         a key file, or the whole offline folder, is not there
│   ├── PassphraseWrong    the offline keys do not open
│   ├── KeysExist          `init` would overwrite keys
│   └── RequestRefused     a certificate request that is not in order
└── RepositoryFault        (hq/repository.py)
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # documented there, not re-exported

from failsafe.hq import certificates
from failsafe.sync.errors import SyncError
from failsafe.sync.records import BOOTH_ID, FEED_ID, HqKeys, Record
from failsafe.sync.seal import SealSecret, signing_public
from failsafe.sync.spool import Spool

OFFLINE_FOLDER: Final = "offline"
SNAPSHOT: Final = "snapshot"
TIMESTAMP: Final = "timestamp"
CERTIFICATE_DAYS: Final = 365
SERVER_NAMES: Final = ("localhost", "127.0.0.1")
_AUTHORITY_KEY: Final = "online/authority.pem"
_AUTHORITY_FILE: Final = "online/authority.crt"
_SERVER_FILE: Final = "online/server.pem"  # certificate and key in one file, so that they never differ
_MAKE_ONE: Final = "Make one for the names that booths call it by: `failsafe-hq keys server-certificate --name NAME`."
_LAYOUT_FILE: Final = "keys.json"
_SALT_FILE: Final = f"{OFFLINE_FOLDER}/salt"
_KEY_LIMIT: Final = 16 * 1024
_SALT_LENGTH: Final = 16
# 32 MiB and a tenth of a second for each guess at the passphrase.
_SCRYPT_N: Final = 2**15


class HeadquartersError(Exception):
    """Base of what headquarters reports to the person at its command line; `advice` is what they do next."""

    usual_advice: ClassVar[str] = "Nothing was changed."

    def __init__(self, detail: str, advice: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.advice = advice or self.usual_advice

    def __str__(self) -> str:
        return f"{self.detail} {self.advice}"


class KeyFault(HeadquartersError):
    usual_advice = "Check the keys folder's owner and mode."


class KeyMissing(KeyFault):
    usual_advice = "Run `failsafe-hq keys init` once, or put the key's file back from its safe."


class PassphraseWrong(KeyFault):
    usual_advice = "Try the passphrase again; without it the offline keys cannot be used."


class KeysExist(KeyFault):
    usual_advice = "Choose another folder; keys are never overwritten."


class RequestRefused(KeyFault):
    usual_advice = "Run `failsafe keys init` at the booth again and bring the new enrolment file."


class Layout(Record, frozen=True, kw_only=True):
    """How many offline keys there are, how many must sign, and which bureaus publish online."""

    root_keys: int = 3
    root_threshold: int = 2
    targets_keys: int = 3
    targets_threshold: int = 2
    bureaus: tuple[str, ...] = ("main",)


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
    names = _server_names(server_names)
    if not passphrase:
        raise KeyFault("The offline keys need a passphrase.", "Give one of several words.")
    folder = _key_folder(home)
    if any(name == _LAYOUT_FILE or name.startswith(("offline/", "online/")) for name in folder.names()):
        raise KeysExist("This folder holds keys already.")
    _write_offline(folder, layout, passphrase)
    _write_online(folder, layout, now)
    KeyStore(home, layout)._write_server_certificate(names, now, CERTIFICATE_DAYS)
    # Last, so that a folder with this file holds every key.
    folder.write(_LAYOUT_FILE, msgspec.json.format(msgspec.json.encode(layout)))
    return KeyStore(home, layout)


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


def _write_offline(folder: Spool, layout: Layout, passphrase: str) -> None:
    salt = secrets.token_bytes(_SALT_LENGTH)
    folder.write(_SALT_FILE, salt)
    encryption = BestAvailableEncryption(_stretched(passphrase, salt))
    for role, count in (("root", layout.root_keys), ("targets", layout.targets_keys)):
        for number in range(1, count + 1):
            folder.write(_offline_file(role, number), _pem(Ed25519PrivateKey.generate(), encryption))


def _write_online(folder: Spool, layout: Layout, now: dt.datetime) -> None:
    for role in (SNAPSHOT, TIMESTAMP, *(bureau_role(bureau) for bureau in layout.bureaus)):
        folder.write(_online_file(role), _pem(Ed25519PrivateKey.generate(), NoEncryption()))
    folder.write("online/receipt.key", secrets.token_bytes(32))
    folder.write("online/seal.key", SealSecret.generate().secret)
    key = ec.generate_private_key(ec.SECP256R1())
    folder.write(_AUTHORITY_KEY, _pem(key, NoEncryption()))
    folder.write(_AUTHORITY_FILE, certificates.authority(key, now).public_bytes(Encoding.PEM))


def _offline_file(role: str, number: int) -> str:
    return f"{OFFLINE_FOLDER}/{role}-{number}.pem"


def _online_file(role: str) -> str:
    return f"online/{role}.pem"


def _pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, encryption: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _stretched(passphrase: str, salt: bytes) -> bytes:
    """The passphrase that the PEM files really have: 64 hexadecimal digits."""
    stretched = hashlib.scrypt(
        passphrase.encode(), salt=salt, n=_SCRYPT_N, r=8, p=1, maxmem=2 * 128 * 8 * _SCRYPT_N, dklen=32
    )
    return stretched.hex().encode()


@dataclass(frozen=True, slots=True)
class KeyStore:
    """The keys of one headquarters; each is read when it is asked for, none is kept."""

    home: Path
    layout: Layout

    @classmethod
    def open(cls, home: Path) -> KeyStore:
        """The keys that `init` made in `home`.

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
        return cls(home, layout)

    def root_signers(self, passphrase: str) -> list[CryptoSigner]:
        """Signers of all root keys that are at hand, at least the threshold.

        Raises:
            KeyMissing: fewer key files than the threshold are there.
            PassphraseWrong: they do not open.
        """
        return self._offline_signers("root", self.layout.root_keys, self.layout.root_threshold, passphrase)

    def targets_signers(self, passphrase: str) -> list[CryptoSigner]:
        """Signers of all targets keys that are at hand; as `root_signers`."""
        return self._offline_signers("targets", self.layout.targets_keys, self.layout.targets_threshold, passphrase)

    def online_signer(self, role: str) -> CryptoSigner:
        """Signer of `snapshot`, `timestamp` or a bureau's role.

        Raises:
            KeyMissing: its file is not there or does not hold an Ed25519 key.
        """
        return _signer(self._read(_online_file(role)), None, _online_file(role))

    def receipt_secret(self) -> bytes:
        """Seed (32 bytes) of the Ed25519 key that signs receipts."""
        return self._read("online/receipt.key")

    def seal_secret(self) -> SealSecret:
        """The secret that opens sealed alerts."""
        return SealSecret(self._read("online/seal.key"))

    def hq_keys(self) -> HqKeys:
        """The public keys that booths need for alerts and receipts."""
        return HqKeys(receipt=signing_public(self.receipt_secret()), seal=self.seal_secret().public())

    def authority_certificate(self) -> str:
        """Certificate of the booths' authority, PEM."""
        return self._read(_AUTHORITY_FILE).decode("ascii")

    def authority_file(self) -> Path:
        """Where that certificate lies: TLS reads files."""
        return self.home / _AUTHORITY_FILE

    def server_file(self) -> Path:
        """Where the server's certificate and key lie, in one PEM file.

        Raises:
            KeyMissing: they were never made.
        """
        if not Spool(self.home).holds(_SERVER_FILE):
            raise KeyMissing("There is no certificate for the server.", _MAKE_ONE)
        return self.home / _SERVER_FILE

    def server_certificate_ends(self) -> dt.datetime:
        """When the server's certificate ends, UTC.

        Raises:
            KeyMissing: there is none, or the file holds no certificate.
        """
        self.server_file()
        try:
            return x509.load_pem_x509_certificate(self._read(_SERVER_FILE)).not_valid_after_utc
        except ValueError as error:
            raise KeyMissing(f"{_SERVER_FILE} holds no certificate.", _MAKE_ONE) from error

    def issue_server_certificate(
        self, names: Sequence[str], *, now: dt.datetime, days: int = CERTIFICATE_DAYS
    ) -> dt.datetime:
        """Make a new key and certificate for the server, in place of those before; when the certificate ends.

        Args:
            names: host names and addresses that booths call it by.
            now: UTC.
            days: how long it holds.

        Raises:
            KeyFault: no name, or one that is neither a host name nor an address.
            KeyMissing: the authority's key is not there.
        """
        self._write_server_certificate(_server_names(names), now, days)
        return self.server_certificate_ends()

    def issue_certificate(self, request_pem: str, booth: str, *, now: dt.datetime, days: int = CERTIFICATE_DAYS) -> str:
        """A TLS client certificate (PEM) for the link of `booth`, for the key of its certificate request.

        Of the request only the key is taken; name, use and duration are headquarters' own.

        Raises:
            RequestRefused: the request does not parse, or is not signed by its own key.
        """
        if not BOOTH_ID.fullmatch(booth):
            raise RequestRefused("A booth id is 2 to 32 capital letters, digits and hyphens.")
        try:
            request = x509.load_pem_x509_csr(request_pem.encode())
            proven = request.is_signature_valid
        except Exception as error:  # cryptography answers odd requests with several kinds of exception
            raise RequestRefused("The certificate request cannot be read.") from error
        if not proven:
            raise RequestRefused("The certificate request is not signed by its own key.")
        key = request.public_key()
        if not isinstance(key, certificates.PublicKey):
            raise RequestRefused("The certificate request's key is neither Ed25519 nor of an elliptic curve.")
        certificate = certificates.for_link(key, booth, self.authority_certificate(), now, days)
        return self._issued(certificate).decode("ascii")

    def _write_server_certificate(self, names: Sequence[x509.GeneralName], now: dt.datetime, days: int) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = certificates.for_server(key.public_key(), names, self.authority_certificate(), now, days)
        _key_folder(self.home).write(_SERVER_FILE, self._issued(certificate) + _pem(key, NoEncryption()))

    def _issued(self, certificate: x509.CertificateBuilder) -> bytes:
        """The certificate signed by the authority, PEM."""
        key = load_pem_private_key(self._read(_AUTHORITY_KEY), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise KeyMissing(f"{_AUTHORITY_KEY} does not hold the authority's key.")
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        signed = certificate.add_extension(issuer, critical=False).sign(key, hashes.SHA256())
        return signed.public_bytes(Encoding.PEM)

    def _offline_signers(self, role: str, count: int, threshold: int, passphrase: str) -> list[CryptoSigner]:
        folder = Spool(self.home)
        present = [name for n in range(1, count + 1) if folder.holds(name := _offline_file(role, n))]
        if len(present) < threshold:
            raise KeyMissing(
                f"{threshold} {role} keys must sign, and {len(present)} are in the {OFFLINE_FOLDER} folder.",
                f"Bring the offline keys and put them into {self.home / OFFLINE_FOLDER}.",
            )
        stretched = _stretched(passphrase, self._read(_SALT_FILE))
        return [_signer(self._read(name), stretched, name) for name in present]

    def _read(self, name: str) -> bytes:
        try:
            return Spool(self.home).read(name, _KEY_LIMIT)
        except SyncError as error:
            raise KeyMissing(f"{name} is not there or cannot be read.") from error


def _signer(pem: bytes, passphrase: bytes | None, name: str) -> CryptoSigner:
    try:
        key = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError) as error:  # the text of the cause names no secret, but says nothing useful either
        if passphrase is not None and b"ENCRYPTED" in pem:
            raise PassphraseWrong("The passphrase does not open the offline keys.") from error
        raise KeyMissing(f"{name} does not hold a key.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyMissing(f"{name} does not hold an Ed25519 key.")
    return CryptoSigner(key)


def _server_names(names: Sequence[str]) -> list[x509.GeneralName]:
    try:
        return certificates.server_names(names)
    except ValueError as error:
        raise KeyFault(
            "A name for the server is missing, or is neither a host name nor an address.",
            "Give what stands between https:// and the port in the booths' configuration.",
        ) from error
