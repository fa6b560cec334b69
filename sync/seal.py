"""Keys of a booth and of headquarters: sealing (HPKE), signing (Ed25519), content (AES-256-GCM).

HPKE here takes `info` and no associated data, and does not say who sealed; so `info` binds protocol, purpose,
booth and id, and a signature is made apart, over a domain and length-prefixed parts. The hybrid key of
`cryptography` does not serialise: its halves are kept (ML-KEM seed 64 bytes + X25519 32 bytes).
Sources: RFC 9180, RFC 8032, FIPS 203, https://cryptography.io/en/latest/hazmat/primitives/hpke/
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from failsafe.sync.errors import NotForThisBooth, Truncated, Unsigned
from failsafe.sync.records import Enrolment, SealPublic, encode

PROTOCOL: Final = "failsafe-edge/1"
CONTENT_MAGIC: Final = b"FSE1"
CONTENT_KEY_LENGTH: Final = 32
SEAL_SECRET_LENGTH: Final = 96
_NONCE_LENGTH: Final = 12
_TAG_LENGTH: Final = 16
_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class SealSecret:
    """The private halves of an MLKEM768_X25519 key; `repr` shows none of them."""

    secret: bytes

    def __post_init__(self) -> None:
        if len(self.secret) != SEAL_SECRET_LENGTH:
            raise ValueError(f"a sealing secret has {SEAL_SECRET_LENGTH} bytes, not {len(self.secret)}")

    def __repr__(self) -> str:
        return "SealSecret(...)"

    @classmethod
    def generate(cls) -> SealSecret:
        """A fresh secret from the system's randomness."""
        return cls(secrets.token_bytes(SEAL_SECRET_LENGTH))

    def _halves(self) -> tuple[mlkem.MLKEM768PrivateKey, x25519.X25519PrivateKey]:
        return (
            mlkem.MLKEM768PrivateKey.from_seed_bytes(self.secret[:64]),
            x25519.X25519PrivateKey.from_private_bytes(self.secret[64:]),
        )

    def public(self) -> SealPublic:
        """The halves that others seal to."""
        kem, curve = self._halves()
        return SealPublic(mlkem=kem.public_key().public_bytes_raw(), x25519=curve.public_key().public_bytes_raw())

    def open(self, box: bytes, *, purpose: str, booth: str, about: str) -> bytes:
        """What was sealed for this key, this purpose, this booth and this id.

        Raises:
            NotForThisBooth: any of them differs, or the box was changed on the way.
        """
        try:
            return _SUITE.decrypt(box, MLKEM768X25519PrivateKey(*self._halves()), info=_info(purpose, booth, about))
        except (InvalidTag, ValueError) as error:
            raise NotForThisBooth(f"A sealed {purpose} does not open with this booth's key.") from error


def seal(content: bytes, public: SealPublic, *, purpose: str, booth: str, about: str) -> bytes:
    """`content` sealed so that only the holder of `public`'s secret reads it, and only as what it was sealed for."""
    key = MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(public.mlkem),
        x25519.X25519PublicKey.from_public_bytes(public.x25519),
    )
    return _SUITE.encrypt(content, key, info=_info(purpose, booth, about))


def _info(purpose: str, booth: str, about: str) -> bytes:
    return framed(PROTOCOL.encode(), purpose.encode(), booth.encode(), about.encode())


def framed(*parts: bytes) -> bytes:
    """The parts, each behind its length, so that no two different lists give the same bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def sign(secret: bytes, domain: str, *parts: bytes) -> bytes:
    """Ed25519 signature (64 bytes) over domain and parts; `secret` is the 32-byte seed."""
    return Ed25519PrivateKey.from_private_bytes(secret).sign(framed(PROTOCOL.encode(), domain.encode(), *parts))


def verify(public: bytes, signature: bytes, domain: str, *parts: bytes) -> None:
    """Return if `signature` is that of `public` over domain and parts.

    Raises:
        Unsigned: it is not.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, framed(PROTOCOL.encode(), domain.encode(), *parts))
    except (InvalidSignature, ValueError) as error:
        raise Unsigned(f"The signature on a {domain} is not that of the expected key.") from error


def signing_public(secret: bytes) -> bytes:
    """The 32-byte Ed25519 public key of a 32-byte seed."""
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def enrolment_bytes(enrolment: Enrolment) -> bytes:
    """What the proof of an enrolment signs: the record without its proof."""
    return encode(msgspec.structs.replace(enrolment, proof=b""))


def prove_enrolment(enrolment: Enrolment, secret: bytes) -> bytes:
    """The proof that who asks for enrolment holds the signing key: a signature over the rest of the record."""
    return sign(secret, "enrolment", enrolment_bytes(enrolment))


def check_enrolment(enrolment: Enrolment) -> None:
    """Return if the enrolment's proof holds; raises Unsigned otherwise."""
    verify(enrolment.signing, enrolment.proof, "enrolment", enrolment_bytes(enrolment))


def new_content_key() -> bytes:
    """A content key for one epoch of a feed."""
    return secrets.token_bytes(CONTENT_KEY_LENGTH)


def content_key_digest(key: bytes) -> str:
    """What a signed head commits to: the key has 256 random bits, so its hash tells nothing of it."""
    return hashlib.sha256(b"failsafe-edge/content-key/1\0" + key).hexdigest()


def encrypt_content(plain: bytes, key: bytes, *about: str) -> bytes:
    """`plain` under a content key; `about` is bound to it and must be given again to decrypt."""
    nonce = secrets.token_bytes(_NONCE_LENGTH)
    return CONTENT_MAGIC + nonce + AESGCM(key).encrypt(nonce, plain, framed(*(part.encode() for part in about)))


def decrypt_content(box: bytes, key: bytes, *about: str) -> bytes:
    """What `encrypt_content` was given.

    Raises:
        Truncated: the bytes are not whole, not ours, or belong to another key or place.
    """
    header = len(CONTENT_MAGIC) + _NONCE_LENGTH
    if len(box) < header + _TAG_LENGTH or not box.startswith(CONTENT_MAGIC):
        raise Truncated("A payload is not in the form of this feed.")
    nonce = box[len(CONTENT_MAGIC) : header]
    try:
        return AESGCM(key).decrypt(nonce, memoryview(box)[header:], framed(*(part.encode() for part in about)))
    except InvalidTag as error:
        raise Truncated("A payload does not decrypt with its epoch's key.") from error
