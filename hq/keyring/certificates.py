"""Certificates of the booths' authority: its own, the links' and the server's. Pure: keys and times come in.

One authority signs both ways. A link's certificate is for clients alone and the server's for servers alone, so that no
booth can pass for headquarters.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS: Final = 3650
BACKDATED: Final = dt.timedelta(hours=1)  # a booth's clock may run a little behind
PublicKey = Ed25519PublicKey | ec.EllipticCurvePublicKey
_HOST: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")


def for_authority(key: ec.EllipticCurvePrivateKey, now: dt.datetime) -> x509.Certificate:
    """The authority's own certificate."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fail Safe Edge booths")])
    return (
        _certificate(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def for_link(
    key: PublicKey, booth: str, authority: x509.Certificate, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    """A TLS client certificate for the link of `booth`, to be signed by the authority."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, booth)])
    return (
        _certificate(name, authority.subject, key, now, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )


def for_server(
    key: ec.EllipticCurvePublicKey,
    names: Sequence[x509.GeneralName],
    authority: x509.Certificate,
    now: dt.datetime,
    days: int,
) -> x509.CertificateBuilder:
    """A TLS server certificate for `names`, to be signed by the authority."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fail Safe Edge headquarters")])
    return (
        _certificate(name, authority.subject, key, now, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        # A booth's certificate lacks this use, so that no booth can pass for headquarters.
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )


def server_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """The names as a certificate holds them, each once.

    Raises:
        ValueError: one is neither a host name nor an address, or there is none.
    """
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys(names):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError as error:
            if not _HOST.fullmatch(name) or len(name) > 253:
                raise ValueError("neither a host name nor an address") from error
            found.append(x509.DNSName(name.lower()))
    if not found:
        raise ValueError("no name")
    return found


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
