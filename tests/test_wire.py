"""docs/wire.md against the program: its vectors are made anew from the page's values, and its records are the house's.

Each vector is made twice: with primitives alone, as a second implementation that knows nothing but the page would, and
with this program.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import types
from pathlib import Path
from typing import Final, Literal, Union, get_args, get_origin

import msgspec
import pytest
import zstandard
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

from failsafe.hq import enrol
from failsafe.hq.desk import changes, last_words
from failsafe.sync import envelope, feed, records, reports, roll, seal
from failsafe.sync.errors import Malformed, NotForThisBooth, Truncated, Unsigned
from failsafe.sync.records import Enrolment, Head, HqKeys, Payload
from failsafe.sync.reports import ChainEntry, Receipt

PAGE: Final = Path(__file__).parents[1] / "docs" / "wire.md"
PROTOCOL: Final = b"failsafe-edge/1"


def _vectors() -> dict[str, dict[str, str]]:
    found = {}
    for name, body in re.findall(r"^```vector (\S+)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S):
        lines = re.sub(r"\n  ", "\n\t", body).splitlines()
        values: dict[str, str] = {}
        last = ""
        for line in lines:
            if line.startswith("\t"):
                # JSON Lines keep their line feed; hexadecimal digits and one object go on.
                values[last] += ("\n" if last == "lines" else "") + line[1:]
            else:
                last, _, value = line.partition(" = ")
                values[last] = value
        found[name] = values
    return found


VECTORS: Final = _vectors()


def text(vector: str, name: str) -> str:
    return VECTORS[vector][name]


def octets(vector: str, name: str) -> bytes:
    return bytes.fromhex(text(vector, name))


# --- the page alone --------------------------------------------------------------------------------------------


def framed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def signed(secret: bytes, domain: bytes, *parts: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(secret).sign(framed(PROTOCOL, domain, *parts))


def opened(box: bytes, secret: bytes, info: bytes) -> bytes:
    """RFC 9180, base mode, single shot, after the KEM that the page names."""
    suite = b"HPKE" + bytes.fromhex("647a") + b"\x00\x01" + b"\x00\x02"

    def extract(salt: bytes, label: bytes, material: bytes) -> bytes:
        return hmac.new(salt or bytes(32), b"HPKE-v1" + suite + label + material, "sha256").digest()

    def expand(key: bytes, label: bytes, context: bytes, length: int) -> bytes:
        about = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + context
        return hmac.new(key, about + b"\x01", "sha256").digest()[:length]

    kem = mlkem.MLKEM768PrivateKey.from_seed_bytes(secret[:64])
    curve = x25519.X25519PrivateKey.from_private_bytes(secret[64:])
    ours, theirs = curve.public_key().public_bytes_raw(), box[1088:1120]
    agreed = curve.exchange(x25519.X25519PublicKey.from_public_bytes(theirs))
    label = bytes.fromhex("5c2e2f2f5e5c")
    shared = hashlib.sha3_256(kem.decapsulate(box[:1088]) + agreed + theirs + ours + label).digest()
    context = b"\x00" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    key = extract(shared, b"secret", b"")
    return AESGCM(expand(key, b"key", context, 32)).decrypt(expand(key, b"base_nonce", context, 12), box[1120:], None)


def enrolment_bytes() -> bytes:
    """The record without its proof, written by hand."""
    secret = octets("enrolment", "seal_secret")
    kem = mlkem.MLKEM768PrivateKey.from_seed_bytes(secret[:64]).public_key().public_bytes_raw()
    curve = x25519.X25519PrivateKey.from_private_bytes(secret[64:]).public_key().public_bytes_raw()
    signing = Ed25519PrivateKey.from_private_bytes(octets("enrolment", "signing_secret")).public_key()
    halves = (base64.b64encode(half).decode() for half in (signing.public_bytes_raw(), kem, curve))
    booth, country = text("enrolment", "booth"), text("enrolment", "country")
    form = '{"booth":"%s","country":"%s","signing":"%s","seal":{"mlkem":"%s","x25519":"%s"},"certificate_request":"%s"}'
    return (form % (booth, country, *halves, text("enrolment", "certificate_request"))).encode()


def signed_entry() -> bytes:
    """The content of the envelope, padded, written by hand."""
    entry, signature = text("entry", "entry").encode(), octets("envelope", "signature")
    parts = (base64.b64encode(entry).decode(), base64.b64encode(signature).decode())
    bare = '{{"sequence":{},"entry":"{}","signature":"{}","padding":""}}'.format(text("envelope", "sequence"), *parts)
    padding = "." * (int(text("envelope", "length")) - len(bare))
    return bare.replace('"padding":""', f'"padding":"{padding}"').encode()


# --- each vector, by the page and by the program ---------------------------------------------------------------


def test_framed() -> None:
    parts = [part.encode() for part in text("framed", "parts").replace("(nothing)", "").split(", ")]
    assert framed(*parts).hex() == text("framed", "bytes")
    assert len(parts) == 3 and parts[2] == b""


def test_signed() -> None:
    secret, part, domain = octets("signed", "secret"), octets("signed", "part"), text("signed", "domain")
    signature = octets("signed", "signature")
    assert signed(secret, domain.encode(), part) == signature
    assert seal.sign(secret, domain, part) == signature
    public = octets("signed", "public")
    assert seal.signing_public(secret) == public
    seal.verify(public, signature, domain, part)
    with pytest.raises(Unsigned):
        seal.verify(public, signature, "alert", part)


def test_sealed() -> None:
    secret, box, content = (octets("sealed", name) for name in ("secret", "box", "content"))
    purpose, booth, about = (text("sealed", name) for name in ("purpose", "booth", "about"))
    info = framed(PROTOCOL, purpose.encode(), booth.encode(), about.encode())
    assert len(box) == len(content) + 1136
    assert opened(box, secret, info) == content
    ours = seal.SealSecret(secret)
    assert ours.public().key_id == text("sealed", "key_id")
    assert ours.open(box, purpose=purpose, booth=booth, about=about) == content
    with pytest.raises(NotForThisBooth):
        ours.open(box, purpose=purpose, booth=booth, about="base/8")
    again = seal.seal(content, ours.public(), purpose=purpose, booth=booth, about=about)
    assert again != box and opened(again, secret, info) == content


def test_payload() -> None:
    feed_id, lineage, serial, base = (text("payload", name) for name in ("feed", "lineage", "serial", "base"))
    key, nonce, packed, box = (octets("payload", name) for name in ("key", "nonce", "packed", "payload"))
    lines = (text("payload", "lines") + "\n").encode()
    place = framed(*(part.encode() for part in (feed_id, lineage, serial, base)))
    assert zstandard.ZstdDecompressor().decompress(packed) == lines
    assert b"FSE1" + nonce + AESGCM(key).encrypt(nonce, packed, place) == box
    named = Payload(path="-", serial=int(serial), base_serial=int(base), length=len(box), sha256="-")
    head = Head(
        feed=feed_id,
        lineage=lineage,
        serial=int(serial),
        epoch=7,
        count=1,
        removed=1,
        content_key_sha256="-",
        snapshot=named,
        published_at="2026-11-22T08:00:00Z",
    )
    operations = list(feed.decode_payload(box, named, head, key))
    assert [msgspec.json.encode(operation) for operation in operations] == lines.splitlines()[1:]
    with pytest.raises(Truncated):
        feed.decode_payload(box, msgspec.structs.replace(named, base_serial=None), head, key)


def test_key_digest() -> None:
    key, digest = octets("key-digest", "key"), text("key-digest", "sha256")
    assert hashlib.sha256(b"failsafe-edge/content-key/1\x00" + key).hexdigest() == digest
    assert seal.content_key_digest(key) == digest
    assert octets("sealed", "content") == key


def test_tally() -> None:
    feed_id, lineage, serial = (text("tally", name) for name in ("feed", "lineage", "serial"))
    key, nonce, tally = (octets("tally", name) for name in ("key", "nonce", "tally"))
    numbers = int(text("tally", "count")), int(text("tally", "removed"))
    plain = b"".join(number.to_bytes(8, "big") for number in numbers)
    place = framed(feed_id.encode(), lineage.encode(), serial.encode(), b"tally")
    assert b"FSE1" + nonce + AESGCM(key).encrypt(nonce, plain, place) == tally
    sealed = supplement_head(feed_id, lineage, int(serial), tally)
    opened_head = feed.open_tally(sealed, key)
    assert (opened_head.count, opened_head.removed) == numbers
    with pytest.raises(Truncated):
        feed.open_tally(supplement_head(feed_id, lineage, int(serial) + 1, tally), key)


def supplement_head(feed_id: str, lineage: str, serial: int, tally: bytes) -> Head:
    return Head(
        feed=feed_id,
        lineage=lineage,
        serial=serial,
        epoch=3,
        count=0,
        removed=0,
        content_key_sha256="-",
        snapshot=Payload(path="-", serial=serial, length=1, sha256="-"),
        published_at="2026-11-22T08:00:00Z",
        tally=tally,
    )


def test_roll() -> None:
    secret, country = octets("roll", "secret"), text("roll", "country")
    places = [text("roll", name).encode() for name in ("feed", "lineage", "epoch")]
    place = framed(b"failsafe-edge/roll/1", *places)
    key = derived(secret, b"country", country.encode())
    assert key == octets("roll", "key") == roll.country_key(secret, country)
    tag = derived(key, b"tag", place)[:16]
    assert tag == octets("roll", "tag")
    mine, other = portion("portion"), portion("other")
    where = roll.Place(text("roll", "feed"), text("roll", "lineage"), int(text("roll", "epoch")))
    file = roll.seal_roll(where, {mine.country: mine, other.country: other}, secret)
    assert (len(file), hashlib.sha256(file).hexdigest()) == (int(text("roll", "length")), text("roll", "sha256"))
    (portions,) = msgspec.msgpack.decode(file)
    assert len(portions) == 16 and sorted(portions) == portions
    (box,) = (box for found, box in portions if found == tag)
    plain = AESSIV(derived(key, b"box 1") + derived(key, b"box 2")).decrypt(box, [place])
    assert len(plain) % 256 == 0 and len(box) == len(plain) + 16
    assert msgspec.msgpack.decode(plain[4 : 4 + int.from_bytes(plain[:4], "big")], type=roll.Portion) == mine
    assert roll.open_portion(file, where, key) == mine
    with pytest.raises(NotForThisBooth):
        roll.open_portion(file, where, roll.country_key(secret, "XC"))


def derived(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, framed(b"failsafe-edge/roll/1", *parts), "sha256")


def portion(name: str) -> roll.Portion:
    country, retired, supplements = json.loads(text("roll", name))
    keys = tuple(roll.Supplement(one, epoch, bytes.fromhex(key)) for one, epoch, key in supplements)
    return roll.Portion(country, retired, keys)


def test_key_file() -> None:
    secret = Ed25519PrivateKey.from_private_bytes(octets("key-file", "bureau_secret"))
    booth, about = text("key-file", "booth"), text("key-file", "about")
    keys = octets("key-file", "content_key"), octets("key-file", "country_key")
    signature = octets("key-file", "signature")
    signed_bytes = framed(b"failsafe-edge/key-file/1", booth.encode(), about.encode(), *keys)
    assert secret.sign(signed_bytes) == signature
    file = roll.KeyFile.signed(secret.sign, booth, about, *keys)
    assert file.plain() == b"".join(keys) + signature
    read = roll.KeyFile.read(file.plain())
    read.check(lambda found, content: secret.public_key().verify(found, content), booth, about)
    with pytest.raises(InvalidSignature):
        read.check(lambda found, content: secret.public_key().verify(found, content), "XB-PASS-01", about)


def test_a_supplements_payload_is_filled_as_the_page_says() -> None:
    header = records.PayloadHeader(feed="base-00112233aabb", lineage="2026-11-a", serial=4)
    key = octets("tally", "key")
    box = feed.encode_payload(header, [], key, fill=True)
    place = framed(b"base-00112233aabb", b"2026-11-a", b"4", b"snapshot")
    packed = AESGCM(key).decrypt(box[4:16], box[16:], place)
    assert len(packed) == 4096
    start = packed.index(bytes.fromhex("502a4d18"))
    assert int.from_bytes(packed[start + 4 : start + 8], "little") == len(packed) - start - 8
    assert set(packed[start + 8 :]) == {0}


def test_enrolment() -> None:
    rest, proof = enrolment_bytes(), octets("enrolment", "proof")
    assert signed(octets("enrolment", "signing_secret"), b"enrolment", rest) == proof
    spaced = re.sub(r"(.{4})(?=.)", r"\1 ", hashlib.sha256(rest).hexdigest()[:32])
    assert spaced == text("enrolment", "fingerprint")
    enrolment = msgspec.structs.replace(msgspec.json.decode(rest, type=Enrolment), proof=proof)
    seal.check_enrolment(enrolment)
    assert seal.enrolment_bytes(enrolment) == rest
    assert enrol.fingerprint(enrolment) == spaced
    with pytest.raises(Unsigned):
        seal.check_enrolment(msgspec.structs.replace(enrolment, country="XB"))


def test_entry() -> None:
    entry, digest = text("entry", "entry").encode(), text("entry", "digest")
    assert hashlib.sha256(b"failsafe-edge/chain/1\x00" + entry).hexdigest() == digest
    read = msgspec.json.decode(entry, type=ChainEntry)
    assert records.encode(read) == entry
    assert read.digest() == digest


def test_key_exchanged() -> None:
    entry, digest = text("key-exchanged", "entry").encode(), text("key-exchanged", "digest")
    assert hashlib.sha256(b"failsafe-edge/chain/1\x00" + entry).hexdigest() == digest
    read = msgspec.json.decode(entry, type=ChainEntry)
    assert records.encode(read) == entry and read.digest() == digest
    body = read.body
    assert isinstance(body, reports.HealthChange) and body.now == f"exchanged {text('key-exchanged', 'moment')}"
    assert (last_words.subject(body), changes.is_state(body.part)) == ("key mirror", False)


def test_envelope() -> None:
    secret, booth, recipient = octets("envelope", "signing_secret"), text("envelope", "booth"), seal_key().key_id
    entry, sequence = text("entry", "entry").encode(), text("envelope", "sequence")
    signature = octets("envelope", "signature")
    assert recipient == text("envelope", "recipient")
    assert signed(secret, b"alert", recipient.encode(), booth.encode(), sequence.encode(), entry) == signature
    content = signed_entry()
    assert len(content) == envelope.SIZES[0]
    assert hashlib.sha256(content).hexdigest() == text("envelope", "sha256")
    read = msgspec.json.decode(entry, type=ChainEntry)
    headquarters = HqKeys(receipt=bytes(32), seal=seal_key())
    sent = envelope.close(read, "routine", booth, secret, headquarters)
    info = framed(PROTOCOL, b"alert", booth.encode(), read.body.id.encode())
    assert opened(sent.sealed, octets("sealed", "secret"), info) == content
    found = envelope.open_entry(sent, seal.SealSecret(octets("sealed", "secret")), seal.signing_public(secret))
    assert found == read


def seal_key() -> records.SealPublic:
    return seal.SealSecret(octets("sealed", "secret")).public()


def test_receipt() -> None:
    secret, bare, signature = octets("receipt", "secret"), text("receipt", "receipt"), octets("receipt", "signature")
    assert signed(secret, b"receipt", bare.encode()) == signature
    receipt = msgspec.json.decode(bare, type=Receipt)
    whole = envelope.sign_receipt(receipt, secret)
    assert whole.signature == signature
    read = msgspec.json.decode(text("entry", "entry"), type=ChainEntry)
    headquarters = HqKeys(receipt=seal.signing_public(secret), seal=seal_key())
    envelope.check_receipt(whole, read, headquarters)
    other = msgspec.structs.replace(read, sequence=2)
    with pytest.raises(Malformed):
        envelope.check_receipt(whole, other, headquarters)


def test_every_vector_is_made_anew() -> None:
    """A vector that nobody makes would prove nothing."""
    tests = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert set(VECTORS) <= tests and len(VECTORS) > 8


# --- the records -----------------------------------------------------------------------------------------------

_PLAIN: Final = {str: "text", int: "whole", float: "number", bool: "yes-no", bytes: "base64"}


def _kind(kind: object) -> str:
    if isinstance(kind, type) and kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind.__name__
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " / ".join(inner)
    if origin is tuple:
        return f"list of {_kind(inner[0])}"
    assert origin in (Union, types.UnionType), kind
    return " / ".join(_kind(one) for one in inner if one is not type(None))


def _field(field: msgspec.structs.FieldInfo) -> str:
    """Name and kind; where it may be left out with a question mark, and with what that means if it is not nothing."""
    kind = _kind(field.type)
    if field.required:
        return f"`{field.name}` {kind}" + (" / null" if type(None) in get_args(field.type) else "")
    plain = isinstance(field.default, (str, int)) and field.default not in ("", False)
    counted = isinstance(field.default, int) and not isinstance(field.default, bool)
    meant = f" = {str(field.default).lower() if field.default is True else field.default}" if plain or counted else ""
    return f"`{field.name}`? {kind}{meant}"


def _row(record: type[msgspec.Struct]) -> str:
    """The page's row of a record: each field with its kind; what tells it from its like comes first."""
    fields = []
    tag = record.__struct_config__.tag_field
    if tag:
        fields.append(f"`{tag}` {record.__struct_config__.tag}")
    fields.extend(map(_field, msgspec.structs.fields(record)))
    return f"| {record.__name__} | {', '.join(fields)} |"


def _records() -> list[type[msgspec.Struct]]:
    return [
        one
        for module in (records, reports)
        for one in vars(module).values()
        if isinstance(one, type)
        and one.__module__ == module.__name__
        and issubclass(one, records.Record)
        and one is not records.Record
        if one.__name__ not in ("SearchLine",)  # never leaves the ledger
    ]


@pytest.mark.parametrize("record", _records(), ids=lambda record: record.__name__)
def test_a_record_stands_on_the_page_as_it_is(record: type[msgspec.Struct]) -> None:
    assert _row(record) in PAGE.read_text(encoding="utf-8").splitlines(), _row(record)


def test_the_page_has_no_record_that_is_none() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Every record")[2]
    named = re.findall(r"^\| ([A-Z]\w+) \|", section, re.M)
    assert sorted(named) == sorted(record.__name__ for record in _records())
