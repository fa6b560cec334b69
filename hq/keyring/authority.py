"""The authority of the booths' TLS: it signs the links' client certificates and the server's own.

It is changed in two steps, since no booth is visited for it. From `begin` on, links are given certificates of the new
authority and believe both; the server goes on with a certificate of the old one, which every link believes. `finish`
changes the server's certificate and ends the old authority; a link that has not come in between needs a courier.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from failsafe.hq.faults import KeyFault, KeyMissing, RequestRefused
from failsafe.hq.keyring import certificates
from failsafe.sync.errors import SyncError
from failsafe.sync.records import BOOTH_ID
from failsafe.sync.spool import Spool

CERTIFICATE_DAYS: Final = 365
_KEY: Final = "online/authority.pem"
_FILE: Final = "online/authority.crt"  # one certificate, or two while the authority is being changed
_FORMER_KEY: Final = "online/former/authority.pem"
_SERVER_FILE: Final = "online/server.pem"  # certificate and key in one file, so that they never differ
_LIMIT: Final = 64 * 1024
_MAKE_ONE: Final = "Make one for the names that booths call it by: `failsafe-hq keys server-certificate --name NAME`."


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority of the headquarters in `home`; its files are read when they are asked for."""

    home: Path

    def make(self, now: dt.datetime) -> None:
        """Make the first key and certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        self._folder().write(_KEY, _pem(key))
        self._folder().write(_FILE, certificates.for_authority(key, now).public_bytes(Encoding.PEM))

    def certificate(self) -> str:
        """What links and server believe, PEM: the authority's certificate, the newest first while there are two."""
        return self._read(_FILE).decode("ascii")

    def file(self) -> Path:
        """Where that lies: TLS reads files."""
        return self.home / _FILE

    def present(self) -> x509.Certificate:
        """The certificate of the authority that signs for links now."""
        return self._own(_KEY)[0]

    # --- the server's certificate --------------------------------------------------------------------------------

    def server_file(self) -> Path:
        """Where the server's certificate and key lie, in one PEM file.

        Raises:
            KeyMissing: they were never made.
        """
        if not Spool(self.home).holds(_SERVER_FILE):
            raise KeyMissing("There is no certificate for the server.", _MAKE_ONE)
        return self.home / _SERVER_FILE

    def server_certificate(self) -> x509.Certificate:
        """The server's certificate.

        Raises:
            KeyMissing: there is none, or the file holds no certificate.
        """
        self.server_file()
        try:
            return x509.load_pem_x509_certificate(self._read(_SERVER_FILE))
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
        self._write_server(server_names(names), now, days, _FORMER_KEY if self.is_changing() else _KEY)
        return self.server_certificate().not_valid_after_utc

    def _write_server(self, names: Sequence[x509.GeneralName], now: dt.datetime, days: int, signing: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer, _ = self._own(signing)
        made = certificates.for_server(key.public_key(), names, issuer, now, days)
        self._folder().write(_SERVER_FILE, self._signed(made, signing) + _pem(key))

    # --- the links' certificates ---------------------------------------------------------------------------------

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
        issuer, _ = self._own(_KEY)
        return self._signed(certificates.for_link(key, booth, issuer, now, days), _KEY).decode("ascii")

    def vouches_for(self, certificate_pem: str) -> bool:
        """Whether the present authority has signed a link's certificate."""
        try:
            x509.load_pem_x509_certificate(certificate_pem.encode()).verify_directly_issued_by(self.present())
        except Exception:  # cryptography answers what does not fit with several kinds of exception
            return False
        return True

    # --- another authority ---------------------------------------------------------------------------------------

    def is_changing(self) -> bool:
        """Whether a new authority has begun and the old one has not ended."""
        return Spool(self.home).holds(_FORMER_KEY)

    def begin(self, now: dt.datetime) -> None:
        """Make a new authority; the old one still vouches for the server and for the certificates that it signed.

        Raises:
            KeyFault: one has begun already.
        """
        if self.is_changing():
            raise KeyFault(
                "A new authority has begun already.", "End the old one: `failsafe-hq keys forget authority`."
            )
        key = ec.generate_private_key(ec.SECP256R1())
        made = certificates.for_authority(key, now).public_bytes(Encoding.PEM)
        # A certificate is found by its key, so that whoever is killed in between has one authority or the other.
        self._folder().write(_FILE, made + self.present().public_bytes(Encoding.PEM))
        self._folder().write(_FORMER_KEY, self._read(_KEY))
        self._folder().write(_KEY, _pem(key))

    def finish(self, now: dt.datetime) -> None:
        """End the old authority: the server's certificate is of the new one now, and nothing of the old one counts.

        Raises:
            KeyFault: no new one has begun.
        """
        if not self.is_changing():
            raise KeyFault("No new authority has begun.", "Begin one: `failsafe-hq keys rotate authority`.")
        named = self.server_certificate().extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self._write_server(list(named), now, CERTIFICATE_DAYS, _KEY)
        self._folder().write(_FILE, self.present().public_bytes(Encoding.PEM))
        self._folder().remove(_FORMER_KEY)  # last: whoever is killed before can finish again

    # --- files ---------------------------------------------------------------------------------------------------

    def _own(self, file: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """The key in a file, and the certificate that goes with it."""
        key = load_pem_private_key(self._read(file), None)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            for certificate in x509.load_pem_x509_certificates(self._read(_FILE)):
                if certificate.public_key() == key.public_key():
                    return certificate, key
        raise KeyMissing(f"{file} does not hold the authority's key.")

    def _signed(self, certificate: x509.CertificateBuilder, file: str) -> bytes:
        """The certificate signed by the authority whose key is in `file`, PEM."""
        _, key = self._own(file)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        signed = certificate.add_extension(issuer, critical=False).sign(key, hashes.SHA256())
        return signed.public_bytes(Encoding.PEM)

    def _folder(self) -> Spool:
        return Spool(self.home, file_mode=0o600, folder_mode=0o700)

    def _read(self, name: str) -> bytes:
        try:
            return Spool(self.home).read(name, _LIMIT)
        except SyncError as error:
            raise KeyMissing(f"{name} is not there or cannot be read.") from error


def server_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """The names as a certificate holds them.

    Raises:
        KeyFault: there is none, or one is neither a host name nor an address.
    """
    try:
        return certificates.server_names(names)
    except ValueError as error:
        raise KeyFault(
            "A name for the server is missing, or is neither a host name nor an address.",
            "Give what stands between https:// and the port in the booths' configuration.",
        ) from error


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
