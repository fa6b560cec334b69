"""Headquarters' keys: two parts, nothing readable by others, nothing overwritten."""

from __future__ import annotations

import datetime as dt
import shutil
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from failsafe.hq.keyring import keys
from failsafe.hq.keyring.keys import KeyFault, KeyMissing, KeysExist, KeyStore, PassphraseWrong, RequestRefused
from failsafe.sync import seal
from tests.publishing import PASSPHRASE, Desk

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return Desk(tmp_path / "hq").keys


def contents(home: Path) -> dict[str, bytes]:
    return {str(file.relative_to(home)): file.read_bytes() for file in home.rglob("*") if file.is_file()}


def request(key: object = None, name: str = "DEMO-1") -> str:
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    algorithm = None if isinstance(key, Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.PEM).decode()


# --- making ------------------------------------------------------------------------------------------------------


def test_nobody_else_may_read_them(store: KeyStore):
    for path in [*(store.home / "online").rglob("*"), *(store.home / "offline").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in ("online", "offline"):
        assert stat.S_IMODE((store.home / folder).stat().st_mode) == 0o700


def test_thresholds_and_numbers(tmp_path: Path):
    made = keys.init(
        tmp_path / "hq",
        passphrase=PASSPHRASE,
        now=NOW,
        root_keys=4,
        root_threshold=3,
        targets_keys=1,
        targets_threshold=1,
        bureaus=["main", "north"],
    )
    assert len(made.root_signers(PASSPHRASE)) == 4
    assert len(made.targets_signers(PASSPHRASE)) == 1
    assert made.online_signer("bureau-north").public_key != made.online_signer("bureau-main").public_key
    assert KeyStore.open(tmp_path / "hq") == made


@pytest.mark.parametrize(
    "wrong",
    [
        {"root_threshold": 4},
        {"root_threshold": 0},
        {"targets_keys": 17},
        {"targets_keys": 0, "targets_threshold": 0},
        {"bureaus": ()},
        {"bureaus": ("../main",)},
        {"passphrase": ""},
    ],
)
def test_what_cannot_be_made(tmp_path: Path, wrong: dict[str, object]):
    with pytest.raises(KeyFault) as fault:
        keys.init(tmp_path / "hq", **{"passphrase": PASSPHRASE, "now": NOW, **wrong})
    assert fault.value.advice
    assert not (tmp_path / "hq").exists()


def test_keys_are_never_overwritten(store: KeyStore):
    before = contents(store.home)
    with pytest.raises(KeysExist):
        keys.init(store.home, passphrase=PASSPHRASE, now=NOW)
    (store.home / "keys.json").unlink()  # as an interrupted init would leave it
    with pytest.raises(KeysExist):
        keys.init(store.home, passphrase=PASSPHRASE, now=NOW)
    del before["keys.json"]
    assert contents(store.home) == before


# --- the offline part --------------------------------------------------------------------------------------------


def test_offline_keys_open_with_the_passphrase_only(store: KeyStore):
    assert len({signer.public_key.keyid for signer in store.root_signers(PASSPHRASE)}) == 3
    for wrong in ("", PASSPHRASE + " ", PASSPHRASE.upper()):
        with pytest.raises(PassphraseWrong) as fault:
            store.root_signers(wrong)
        assert PASSPHRASE not in str(fault.value)


def test_the_passphrase_itself_does_not_open_the_files(store: KeyStore):
    pem = (store.home / "offline" / "root-1.pem").read_bytes()
    assert b"ENCRYPTED" in pem
    with pytest.raises(ValueError):
        load_pem_private_key(pem, PASSPHRASE.encode())


def test_the_threshold_of_offline_keys_is_enough(store: KeyStore):
    (store.home / "offline" / "targets-2.pem").unlink()
    assert len(store.targets_signers(PASSPHRASE)) == 2
    (store.home / "offline" / "targets-1.pem").unlink()
    with pytest.raises(KeyMissing) as fault:
        store.targets_signers(PASSPHRASE)
    assert "offline" in fault.value.advice


def test_the_online_part_works_while_the_offline_part_is_away(store: KeyStore, tmp_path: Path):
    shutil.move(store.home / "offline", tmp_path / "stick")
    again = KeyStore.open(store.home)
    assert again.online_signer("timestamp").public_key == store.online_signer("timestamp").public_key
    assert again.hq_keys() == store.hq_keys()
    with pytest.raises(KeyMissing):
        again.root_signers(PASSPHRASE)
    shutil.move(tmp_path / "stick", store.home / "offline")
    assert len(again.root_signers(PASSPHRASE)) == 3


# --- the online part ---------------------------------------------------------------------------------------------


def test_every_signer_signs_for_its_public_key(store: KeyStore):
    signers = [store.online_signer(role) for role in ("snapshot", "timestamp", "bureau-main")]
    for signer in [*signers, *store.root_signers(PASSPHRASE), *store.targets_signers(PASSPHRASE)]:
        signer.public_key.verify_signature(signer.sign(b"a publication"), b"a publication")
    assert len({signer.public_key.keyid for signer in signers}) == 3


def test_alerts_sealed_to_headquarters_open_there(store: KeyStore):
    public = store.hq_keys()
    about = {"purpose": "alert", "booth": "DEMO-1", "about": "an id"}
    assert store.seal_secret().open(seal.seal(b"an alert", public.seal, **about), **about) == b"an alert"


def test_receipts_are_signed_by_the_published_key(store: KeyStore):
    signature = seal.sign(store.receipt_secret(), "receipt", b"an id")
    seal.verify(store.hq_keys().receipt, signature, "receipt", b"an id")


@pytest.mark.parametrize("role", ["snapshot", "timestamp", "bureau-main"])
def test_a_missing_or_broken_key_is_named(store: KeyStore, role: str):
    file = store.home / "online" / f"{role}.pem"
    content = file.read_bytes()
    file.write_bytes(content[:40])
    with pytest.raises(KeyMissing, match=role):
        store.online_signer(role)
    file.unlink()
    with pytest.raises(KeyMissing, match=role):
        store.online_signer(role)


def test_a_key_of_another_kind_is_refused(store: KeyStore):
    shutil.copy(store.home / "online" / "authority.pem", store.home / "online" / "snapshot.pem")
    with pytest.raises(KeyMissing, match="Ed25519"):
        store.online_signer("snapshot")


def test_no_headquarters_here(tmp_path: Path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(KeyMissing) as fault:
            KeyStore.open(folder)
        assert "keys init" in fault.value.advice
    (tmp_path / "keys.json").write_text('{"root_threshold": 9}')
    with pytest.raises(KeyFault):
        KeyStore.open(tmp_path)


def test_no_secret_shows_in_a_repr(store: KeyStore):
    shown = repr(store) + repr(store.seal_secret()) + str(KeyMissing("a file is missing."))
    assert store.receipt_secret().hex() not in shown
    assert str(store.receipt_secret()) not in shown
    assert "offline" not in shown


# --- certificates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP256R1()), Ed25519PrivateKey.generate()])
def test_a_certificate_for_a_booths_link(store: KeyStore, key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey):
    pem = store.authority.issue_certificate(request(key, "SOMEBODY ELSE"), "DEMO-1", now=NOW, days=30)
    certificate = x509.load_pem_x509_certificate(pem.encode())
    authority = x509.load_pem_x509_certificate(store.authority.certificate().encode())
    certificate.verify_directly_issued_by(authority)
    assert certificate.public_key() == key.public_key()
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert [name.value for name in names] == ["DEMO-1"], "the name is headquarters', not the request's"
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc == NOW + dt.timedelta(days=30)
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_the_authority_signs_certificates_and_nothing_else(store: KeyStore):
    authority = x509.load_pem_x509_certificate(store.authority.certificate().encode())
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign and not usage.digital_signature
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_requests_that_are_not_in_order(store: KeyStore):
    good = request()
    forged = x509.load_pem_x509_csr(good.encode()).public_bytes(Encoding.DER)
    changed = x509.load_der_x509_csr(forged[:-1] + bytes([forged[-1] ^ 1])).public_bytes(Encoding.PEM).decode()
    weak = request(rsa.generate_private_key(65537, 2048))
    for pem in ("", "no request", good[:200], changed, weak):
        with pytest.raises(RequestRefused):
            store.authority.issue_certificate(pem, "DEMO-1", now=NOW)
    for booth in ("", "demo", "A B", "X" * 40):
        with pytest.raises(RequestRefused):
            store.authority.issue_certificate(good, booth, now=NOW)
