"""The booth's own keys: made once, never overwritten, never shown, refused when others can read them."""

from __future__ import annotations

import os
import stat

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from failsafe.agent import keys
from failsafe.agent.keys import LINK_KEY, KeysRefused
from failsafe.sync import seal
from failsafe.sync.errors import Unsigned
from failsafe.sync.records import Enrolment, encode

CORE_KEYS = ("mirror.key", "ledger.key", "signing.key", "sealing.key")


@pytest.fixture
def place(tmp_path):
    return tmp_path / "credentials" / "keys"


@pytest.fixture
def enrolment(place):
    return keys.make(place, "ZZ-TEST-01", "ZZ")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def contents(place):
    return {path.name: path.read_bytes() for path in place.iterdir()}


# --- making --------------------------------------------------------------------------------------------------


def test_keys_are_their_owners_alone_whatever_the_umask(place):
    before = os.umask(0)
    try:
        keys.make(place, "ZZ-TEST-01", "ZZ")
    finally:
        os.umask(before)
    assert mode(place) == 0o700
    assert {path.name: mode(path) for path in place.iterdir()} == dict.fromkeys((*CORE_KEYS, LINK_KEY), 0o600)


def test_no_two_keys_are_alike(tmp_path):
    made = []
    for booth in ("ZZ-TEST-01", "ZZ-TEST-02"):
        keys.make(tmp_path / booth, booth, "ZZ")
        made += contents(tmp_path / booth).values()
    assert len(set(made)) == len(made) == 10


def test_the_enrolment_holds_the_public_halves_and_its_proof(place, enrolment):
    loaded = keys.load(place)
    assert (enrolment.booth, enrolment.country) == ("ZZ-TEST-01", "ZZ")
    assert enrolment.signing == seal.signing_public(loaded.signing)
    assert enrolment.seal == loaded.sealing.public()
    seal.check_enrolment(enrolment)
    box = seal.seal(b"word", enrolment.seal, purpose="content-key", booth="ZZ-TEST-01", about="base/1")
    assert loaded.sealing.open(box, purpose="content-key", booth="ZZ-TEST-01", about="base/1") == b"word"


@pytest.mark.parametrize("change", [{"booth": "ZZ-TEST-02"}, {"country": "YY"}, {"certificate_request": ""}])
def test_the_proof_holds_for_nothing_else(enrolment, change):
    with pytest.raises(Unsigned):
        seal.check_enrolment(msgspec.structs.replace(enrolment, **change))


def test_the_enrolment_goes_through_a_file_and_holds_nothing_secret(place, enrolment):
    content = encode(enrolment)
    assert msgspec.json.decode(content, type=Enrolment) == enrolment
    seal.check_enrolment(msgspec.json.decode(content, type=Enrolment))
    plain = content + b"".join(getattr(enrolment, name) for name in ("signing", "proof"))
    for name, key in contents(place).items():
        for form in (key, key.hex().encode(), msgspec.json.encode(key).strip(b'"')):
            assert form not in plain, name


def test_the_certificate_request_is_the_links_own(place, enrolment):
    request = x509.load_pem_x509_csr(enrolment.certificate_request.encode())
    assert request.is_signature_valid
    assert request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "ZZ-TEST-01"
    private = serialization.load_pem_private_key((place / LINK_KEY).read_bytes(), None)
    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert request.public_key().public_bytes(*spki) == private.public_key().public_bytes(*spki)


@pytest.mark.parametrize("name", (*CORE_KEYS, LINK_KEY))
def test_one_existing_key_keeps_all_as_they_are(place, name):
    place.mkdir(parents=True)
    (place / name).write_bytes(b"older")
    with pytest.raises(KeysRefused) as refused:
        keys.make(place, "ZZ-TEST-01", "ZZ")
    assert name in str(refused.value) and "nothing was changed" in str(refused.value)
    assert contents(place) == {name: b"older"}


def test_a_second_time_changes_nothing(place, enrolment):
    before = contents(place)
    with pytest.raises(KeysRefused, match="already holds"):
        keys.make(place, "ZZ-TEST-02", "ZZ")
    assert contents(place) == before


def test_a_file_in_the_folders_place(tmp_path):
    (tmp_path / "keys").write_text("")
    with pytest.raises(KeysRefused, match="check the folder"):
        keys.make(tmp_path / "keys", "ZZ-TEST-01", "ZZ")


def test_a_link_that_waits_for_a_key_is_not_followed(tmp_path, place):
    place.mkdir(parents=True)
    (place / "signing.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeysRefused):
        keys.make(place, "ZZ-TEST-01", "ZZ")
    assert not (tmp_path / "elsewhere").exists()


# --- loading -------------------------------------------------------------------------------------------------


def test_what_was_made_is_what_is_loaded(place, enrolment):
    loaded = keys.load(place)
    held = contents(place)
    found = (loaded.mirror, loaded.ledger, loaded.signing, loaded.sealing.secret)
    assert found == tuple(held[name] for name in CORE_KEYS)
    assert keys.load(place) == loaded


def test_the_core_does_not_need_the_links_key(place, enrolment):
    (place / LINK_KEY).unlink()
    assert keys.load(place).mirror


@pytest.mark.parametrize("name", CORE_KEYS)
def test_a_missing_key_is_named_with_the_way_to_make_it(place, enrolment, name):
    (place / name).unlink()
    with pytest.raises(KeysRefused) as refused:
        keys.load(place)
    assert name in str(refused.value) and "failsafe keys init" in str(refused.value)


@pytest.mark.parametrize("name", CORE_KEYS)
@pytest.mark.parametrize("change", [lambda key: key[:-1], lambda key: key + b"\n", lambda key: b""])
def test_a_key_of_another_length_is_named_and_not_quoted(place, enrolment, name, change):
    whole = (place / name).read_bytes()
    (place / name).write_bytes(change(whole))
    with pytest.raises(KeysRefused) as refused:
        keys.load(place)
    told = str(refused.value)
    assert name in told and f"not {len(whole)}" in told and "put back the file" in told
    assert whole.hex() not in told and repr(whole)[2:-1] not in told


@pytest.mark.parametrize("open_to", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_key_that_others_may_open_is_refused(place, enrolment, open_to):
    (place / "ledger.key").chmod(open_to)
    with pytest.raises(KeysRefused, match="chmod 600"):
        keys.load(place)


def test_keys_that_systemd_gives_may_be_read_only(place, enrolment):
    for name in CORE_KEYS:
        (place / name).chmod(0o400)
    assert keys.load(place).ledger


def test_an_access_list_of_systemds_own_is_no_open_key(place, enrolment, monkeypatch):
    """Newer versions let the service's user in by an access list, which shows as the group's bit."""
    for name in CORE_KEYS:
        (place / name).chmod(0o440)
    with pytest.raises(KeysRefused, match="chmod 600"):
        keys.load(place)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(place))
    assert keys.load(place).ledger
    (place / "ledger.key").chmod(0o444)
    with pytest.raises(KeysRefused, match="chmod 600"):
        keys.load(place)


def test_a_folder_in_a_keys_place(place, enrolment):
    (place / "mirror.key").unlink()
    (place / "mirror.key").mkdir()
    with pytest.raises(KeysRefused, match="check its owner and mode"):
        keys.load(place)


def test_nothing_shows_a_key(place, enrolment):
    loaded = keys.load(place)
    shown = f"{loaded!r} {loaded} {loaded.sealing!r} {[loaded]}"
    for key in contents(place).values():
        assert repr(key)[2:-1] not in shown and key.hex() not in shown
    assert repr(loaded) == "BoothKeys(...)"


# --- where they lie ------------------------------------------------------------------------------------------


def test_the_configuration_names_the_folder_before_systemd_does(tmp_path, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "systemd"))
    assert keys.folder(str(tmp_path / "own")) == tmp_path / "own"
    assert keys.folder("") == tmp_path / "systemd"


def test_no_folder_at_all(monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(KeysRefused) as refused:
        keys.folder("")
    assert "[folders]" in str(refused.value) and "CREDENTIALS_DIRECTORY" in str(refused.value)


# --- renewing ------------------------------------------------------------------------------------------------


def test_renewed_keys_lie_apart_and_the_present_ones_stay(place, enrolment, tmp_path):
    before = contents(place)
    renewed = keys.renew(tmp_path / "new", "ZZ-TEST-01", "ZZ")
    assert sorted(contents(tmp_path / "new")) == ["link-tls.key", "sealing.key", "signing.key"]
    assert contents(place) == before
    seal.check_enrolment(renewed)
    assert (renewed.booth, renewed.country) == (enrolment.booth, enrolment.country)
    assert renewed.signing != enrolment.signing and renewed.seal != enrolment.seal
    for name in contents(tmp_path / "new"):
        assert mode(tmp_path / "new" / name) == 0o600


def test_renewed_keys_overwrite_nothing(place, enrolment):
    before = contents(place)
    with pytest.raises(KeysRefused, match="needed until headquarters has answered"):
        keys.renew(place, "ZZ-TEST-01", "ZZ")
    assert contents(place) == before
