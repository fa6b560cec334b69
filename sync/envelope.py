"""Alerts on their way: signed by the booth, sealed to headquarters, padded; and the receipts that come back. Pure.

The signature binds recipient, booth and sequence, so that a sealed alert can neither be passed off as another booth's
nor be sealed anew for somebody else. Only the digest inside decides whether two envelopes are the same alert: sealing
is randomised, and a key of headquarters may change.
"""

from __future__ import annotations

import contextlib
from typing import Final

import msgspec

from failsafe.sync import seal
from failsafe.sync.errors import Malformed, Unsigned
from failsafe.sync.records import UNREADABLE, HqKeys, encode
from failsafe.sync.reports import ChainEntry, Envelope, Heartbeat, Receipt, SignedEntry, Urgency
from failsafe.sync.seal import SealSecret

# Three sizes tell no more than small, large, and with a measurement attached.
SIZES: Final = (4 * 1024, 16 * 1024, 64 * 1024)
_PURPOSE: Final = "alert"
_ENTRY: Final = msgspec.json.Decoder(ChainEntry)
_SIGNED: Final = msgspec.json.Decoder(SignedEntry)
_HEARTBEAT: Final = msgspec.json.Decoder(Heartbeat)


def close(entry: ChainEntry, urgency: Urgency, booth: str, signing: bytes, hq: HqKeys) -> Envelope:
    """The envelope of one chain entry.

    Args:
        entry: as the ledger holds it.
        urgency: told to whoever carries it, so that the most urgent goes first.
        booth: this booth's id.
        signing: the booth's Ed25519 seed.
        hq: headquarters' public keys.

    Raises:
        Malformed: the entry is larger than the largest size.
    """
    recipient = hq.seal.key_id
    plain = _signed(encode(entry), entry.sequence, booth, recipient, signing, _PURPOSE)
    sealed = seal.seal(plain, hq.seal, purpose=_PURPOSE, booth=booth, about=entry.body.id)
    return Envelope(id=entry.body.id, booth=booth, urgency=urgency, recipient=recipient, sealed=sealed)


def open_entry(envelope: Envelope, secret: SealSecret, signer: bytes) -> ChainEntry:
    """What an envelope holds, after every check that needs no memory.

    Args:
        envelope: as it came.
        secret: headquarters' sealing secret.
        signer: the Ed25519 public key of the booth that the envelope names.

    Raises:
        NotForThisBooth: it was not sealed for this key, this booth and this id.
        Unsigned: the booth's signature does not hold.
        Malformed: it is in no shape this version reads, or says another id or sequence inside than outside.
    """
    signed = _opened(envelope.sealed, envelope, secret, signer, _PURPOSE, envelope.id)
    try:
        entry = _ENTRY.decode(signed.entry)
    except UNREADABLE as error:
        raise Malformed("An alert is not in a shape this version reads.") from error
    if entry.body.id != envelope.id or entry.sequence != signed.sequence or entry.body.place.booth != envelope.booth:
        raise Malformed("An alert says another id, sequence or booth inside than on its envelope.")
    return entry


def close_heartbeat(heartbeat: Heartbeat, signing: bytes, hq: HqKeys) -> Envelope:
    """The envelope of a heartbeat; its id is the moment it was made at."""
    recipient, booth, about = hq.seal.key_id, heartbeat.booth, heartbeat.at.wall
    plain = _signed(encode(heartbeat), heartbeat.sequence, booth, recipient, signing, "heartbeat")
    sealed = seal.seal(plain, hq.seal, purpose="heartbeat", booth=booth, about=about)
    return Envelope(id=about, booth=booth, urgency="routine", recipient=recipient, sealed=sealed)


def open_heartbeat(envelope: Envelope, secret: SealSecret, signer: bytes) -> Heartbeat:
    """What a heartbeat's envelope holds; raises as `open_entry`."""
    signed = _opened(envelope.sealed, envelope, secret, signer, "heartbeat", envelope.id)
    try:
        heartbeat = _HEARTBEAT.decode(signed.entry)
    except UNREADABLE as error:
        raise Malformed("A heartbeat is not in a shape this version reads.") from error
    if heartbeat.booth != envelope.booth or heartbeat.at.wall != envelope.id:
        raise Malformed("A heartbeat says another booth or time inside than on its envelope.")
    return heartbeat


def _signed(entry: bytes, sequence: int, booth: str, recipient: str, signing: bytes, purpose: str) -> bytes:
    signature = seal.sign(signing, purpose, recipient.encode(), booth.encode(), str(sequence).encode(), entry)
    bare = encode(SignedEntry(sequence=sequence, entry=entry, signature=signature, padding="."))
    size = next((size for size in SIZES if len(bare) <= size), None)
    if size is None:
        raise Malformed("An alert is larger than any envelope.", "Tell the maker: this alert stays in the ledger.")
    padding = "." * (1 + size - len(bare))
    return encode(SignedEntry(sequence=sequence, entry=entry, signature=signature, padding=padding))


def _opened(
    sealed: bytes, envelope: Envelope, secret: SealSecret, signer: bytes, purpose: str, about: str
) -> SignedEntry:
    plain = secret.open(sealed, purpose=purpose, booth=envelope.booth, about=about)
    try:
        signed = _SIGNED.decode(plain)
    except UNREADABLE as error:
        raise Malformed("An envelope's content is not in a shape this version reads.") from error
    parts = (envelope.recipient.encode(), envelope.booth.encode(), str(signed.sequence).encode(), signed.entry)
    seal.verify(signer, signed.signature, purpose, *parts)
    return signed


# --- receipts ------------------------------------------------------------------------------------------------


def sign_receipt(receipt: Receipt, secret: bytes) -> Receipt:
    """The receipt with headquarters' signature over the rest of it."""
    return msgspec.structs.replace(receipt, signature=seal.sign(secret, "receipt", _receipt_bytes(receipt)))


def check_receipt(receipt: Receipt, entry: ChainEntry, hq: HqKeys) -> None:
    """Return if the receipt is headquarters' and for this very entry.

    Raises:
        Unsigned: the signature is not that of headquarters' receipt key, nor of a former one that still counts.
        Malformed: it is for another entry, or for other bytes of this one.
    """
    content = _receipt_bytes(receipt)
    for former in hq.former_receipts:
        with contextlib.suppress(Unsigned):
            seal.verify(former, receipt.signature, "receipt", content)
            break
    else:
        seal.verify(hq.receipt, receipt.signature, "receipt", content)
    if (receipt.id, receipt.booth, receipt.digest) != (entry.body.id, entry.body.place.booth, entry.digest()):
        raise Malformed("A receipt is not for the entry it names.")


def _receipt_bytes(receipt: Receipt) -> bytes:
    return encode(msgspec.structs.replace(receipt, signature=b""))
