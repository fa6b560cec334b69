"""The booth's own keys: made once on the device, read at each start, never shown.

`mirror.key` and `ledger.key` open the two databases (32 bytes), `signing.key` signs alerts (Ed25519 seed, 32 bytes),
`sealing.key` opens what headquarters seals for this booth (ML-KEM seed and X25519, 96 bytes). The link's TLS key lies
in a folder of its own, since the link may hold nothing else.
While a database's key is exchanged (agent/disk_keys.py) the next one lies beside it as `next_mirror.key`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from failsafe.sync import seal
from failsafe.sync.records import Enrolment
from failsafe.sync.seal import SEAL_SECRET_LENGTH, SealSecret

_LENGTHS: Final = {
    "mirror.key": 32,
    "ledger.key": 32,
    "signing.key": 32,
    "sealing.key": SEAL_SECRET_LENGTH,
}
LINK_KEY: Final = "link-tls.key"
RENEWED: Final = ("signing.key", "sealing.key")
DISK_KEYS: Final = ("mirror.key", "ledger.key")
NEXT: Final = "next_"


class KeysRefused(Exception):
    """The booth's keys cannot be used; the text says which and what to do, never what they are."""


@dataclass(frozen=True, slots=True)
class BoothKeys:
    """The core's four keys, and the databases' next ones where there are any; `repr` shows none of them."""

    mirror: bytes
    ledger: bytes
    signing: bytes
    sealing: SealSecret
    next_mirror: bytes | None = None
    next_ledger: bytes | None = None

    def __repr__(self) -> str:
        return "BoothKeys(...)"


def folder(configured: str) -> Path:
    """Where the keys lie: what the configuration says, else what systemd gives the service.

    Raises:
        KeysRefused: neither says.
    """
    named = configured or os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not named:
        raise KeysRefused(
            "No folder of keys: set `keys` in [folders], or start the service by systemd, which sets "
            "CREDENTIALS_DIRECTORY from the unit's LoadCredentialEncrypted."
        )
    return Path(named)


def load(place: Path) -> BoothKeys:
    """The keys in `place`.

    Raises:
        KeysRefused: one is missing, unreadable, of the wrong length, or open to other users.
    """
    found = {name: _read(place / name, length) for name, length in _LENGTHS.items()}
    return BoothKeys(
        mirror=found["mirror.key"],
        ledger=found["ledger.key"],
        signing=found["signing.key"],
        sealing=SealSecret(found["sealing.key"]),
        next_mirror=_read_next(place, "mirror.key"),
        next_ledger=_read_next(place, "ledger.key"),
    )


def _read_next(place: Path, name: str) -> bytes | None:
    """A database's next key; systemd gives a word of another length where there is none (failsafe-core.service)."""
    path = place / f"{NEXT}{name}"
    if not path.exists() or path.stat().st_size != _LENGTHS[name]:
        return None
    return _read(path, _LENGTHS[name])


def _read(path: Path, length: int) -> bytes:
    try:
        key = path.read_bytes()
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise KeysRefused(f"Key {path} is missing: make the keys with `failsafe keys init`.") from error
    except OSError as error:
        raise KeysRefused(f"Key {path} cannot be read ({error.strerror}): check its owner and mode.") from error
    if len(key) != length:
        raise KeysRefused(
            f"Key {path} has {len(key)} bytes, not {length}: put back the file that `failsafe keys init` made; "
            "new keys need a new enrolment and a new mirror."
        )
    if mode & _closed_bits(path.parent):
        raise KeysRefused(f"Key {path} is open to other users: chmod 600 it, and think of it as known.")
    return key


def _closed_bits(place: Path) -> int:
    """The bits of a key's mode that must not be set.

    In its own folder of credentials systemd lets the service's user in by an access list, which newer versions show as
    the group's bit; nobody else can enter that folder.
    """
    return 0o037 if str(place) == os.environ.get("CREDENTIALS_DIRECTORY") else 0o077


def make(place: Path, booth: str, country: str) -> Enrolment:
    """New keys in `place` (mode 0700, files 0600), and the enrolment that headquarters needs of them.

    Raises:
        KeysRefused: there are keys already, or the folder cannot be written.
    """
    present = [name for name in (*_LENGTHS, LINK_KEY) if (place / name).exists()]
    if present:
        raise KeysRefused(
            f"{place} already holds {', '.join(present)}; nothing was changed. Move them away first, if this booth "
            "is to be enrolled anew: its mirror and ledger cannot be opened without them."
        )
    return _made(place, booth, country, tuple(_LENGTHS))


def renew(place: Path, booth: str, country: str) -> Enrolment:
    """New keys for signing, sealing and the link in `place`, a folder of their own, and the enrolment for them.

    The databases keep their keys, and the ledger its chain. Until headquarters has answered the old keys count.

    Raises:
        KeysRefused: there are keys in that folder, or it cannot be written.
    """
    present = [name for name in (*_LENGTHS, LINK_KEY) if (place / name).exists()]
    if present:
        raise KeysRefused(
            f"{place} already holds {', '.join(present)}; nothing was changed. Choose an empty folder: the present "
            "keys are needed until headquarters has answered."
        )
    return _made(place, booth, country, RENEWED)


def renew_disk_keys(place: Path, names: Sequence[str] = DISK_KEYS) -> list[Path]:
    """Next keys for the databases in `place`; the next start of the core puts them to use (agent/disk_keys.py).

    Raises:
        KeysRefused: a next key lies there already, or the folder cannot be written.
    """
    from failsafe.sync.store import sync_folder  # the link loads this file, and nothing that opens a database

    files = [place / f"{NEXT}{name}" for name in names]
    if present := [file.name for file in files if file.exists()]:
        raise KeysRefused(
            f"{place} already holds {', '.join(present)}, which may open a database by now; nothing was changed. "
            "Finish that exchange first: restart the core, then see docs/installation.md."
        )
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in files:
            # Under its name it is whole: whoever is killed before leaves a file that nobody reads.
            part = file.with_name(f"{file.name}.part")
            part.unlink(missing_ok=True)
            _write_private(part, secrets.token_bytes(_LENGTHS[file.name.removeprefix(NEXT)]))
            part.rename(file)
        sync_folder(place)
    except OSError as error:
        raise KeysRefused(f"The keys cannot be written to {place} ({error.strerror}): check the folder.") from error
    return files


def _made(place: Path, booth: str, country: str, names: Sequence[str]) -> Enrolment:
    """Those of the core's keys, and the link's, written into `place`; `names` has at least those that are enrolled."""
    fresh = {name: secrets.token_bytes(_LENGTHS[name]) for name in names}
    tls = ec.generate_private_key(ec.SECP256R1())
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, key in fresh.items():
            _write_private(place / name, key)
        _write_private(
            place / LINK_KEY,
            tls.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
    except OSError as error:
        raise KeysRefused(f"The keys cannot be written to {place} ({error.strerror}): check the folder.") from error
    return _enrolment(booth, country, fresh["signing.key"], SealSecret(fresh["sealing.key"]), tls)


def _write_private(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _enrolment(
    booth: str, country: str, signing: bytes, sealing: SealSecret, tls: ec.EllipticCurvePrivateKey
) -> Enrolment:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, booth)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(tls, hashes.SHA256())
    unsigned = Enrolment(
        booth=booth,
        country=country,
        signing=seal.signing_public(signing),
        seal=sealing.public(),
        certificate_request=request.public_bytes(serialization.Encoding.PEM).decode("ascii"),
    )
    return msgspec.structs.replace(unsigned, proof=seal.prove_enrolment(unsigned, signing))
