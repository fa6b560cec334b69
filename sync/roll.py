"""The roll: who reads which supplement, and with which keys. Pure.

A base feed's head names one roll. It has a portion for each country that has booths, under a key that these booths get
in their key file of the base feed; so a new supplement is a new roll, not a new key file for every booth. What a
booth's portion names it must have: the roll is signed with the head, so whoever carries the files can leave out neither
a portion nor a line of it without that being seen.

Nothing tells whose portion is whose, or what is in it: portions are found by a tag that only their readers can make,
all are of one length, and portions of nobody fill the roll up. The same words under the same keys are the same bytes
(AES-SIV), so that a roll without news is not published anew.

A key file says which country its booth belongs to, since it holds that country's key, and the bureau has signed it: a
booth of another country, which knows the content key too, could otherwise make one that leaves a supplement out.
Source: RFC 5297 (AES-SIV); each key is one HMAC over a domain.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from failsafe.sync.errors import Malformed, NotForThisBooth
from failsafe.sync.records import SUPPLEMENT_ID, UNREADABLE, base_of, learn
from failsafe.sync.seal import CONTENT_KEY_LENGTH, framed

ROLL_LIMIT: Final = 8 * 1024 * 1024
COUNTRY_KEY_LENGTH: Final = 32
SIGNATURE_LENGTH: Final = 64
_STEP: Final = 256  # of a portion's length
_FEWEST: Final = 16  # portions, and the step of their number
_TAG_LENGTH: Final = 16
_DOMAIN: Final = b"failsafe-edge/roll/1"


class Supplement(msgspec.Struct, frozen=True, array_like=True):
    """A supplement that a country's booths read, and the content key of its epoch."""

    feed: str
    epoch: int
    key: bytes

    def __repr__(self) -> str:
        return "Supplement(...)"


class Portion(msgspec.Struct, frozen=True, array_like=True):
    """One country's part of the roll.

    `retired` is the running total of removals in supplements of this country that are no more: with `count` and
    `removed` of all that are, it never falls.
    """

    country: str
    retired: int = 0
    supplements: tuple[Supplement, ...] = ()


class Roll(msgspec.Struct, frozen=True, array_like=True):
    """The file: (tag, box) of each portion, in the order of the tags."""

    portions: tuple[tuple[bytes, bytes], ...]


learn((Supplement, Portion, Roll))


@dataclass(frozen=True, slots=True)
class Place:
    """Of which base feed and lineage a roll is, and under which epoch's keys."""

    feed: str
    lineage: str
    epoch: int

    def bytes(self) -> bytes:
        """What tags and boxes are bound to."""
        return framed(_DOMAIN, self.feed.encode(), self.lineage.encode(), str(self.epoch).encode())


# --- the roll ------------------------------------------------------------------------------------------------


def country_key(epoch_secret: bytes, country: str) -> bytes:
    """The key of one country's portion; headquarters draws `epoch_secret` anew with each epoch of the base feed."""
    return _derived(epoch_secret, b"country", country.encode())


def seal_roll(place: Place, portions: Mapping[str, Portion], epoch_secret: bytes) -> bytes:
    """The roll as it is published; `portions` by country."""
    plain = {country: msgspec.msgpack.encode(portion) for country, portion in portions.items()}
    length = _up(max((len(one) + 4 for one in plain.values()), default=1), _STEP)
    boxes = []
    for country, one in plain.items():
        key = country_key(epoch_secret, country)
        filled = len(one).to_bytes(4, "big") + one
        boxes.append((_tag(key, place), _cipher(key).encrypt(filled.ljust(length, b"\0"), [place.bytes()])))
    for number in range(_up(len(boxes), _FEWEST) - len(boxes)):
        key = _derived(epoch_secret, b"nobody", str(number).encode())
        boxes.append((_tag(key, place), _cipher(key).encrypt(bytes(length), [place.bytes()])))
    return msgspec.msgpack.encode(Roll(tuple(sorted(boxes))))


def open_portion(content: bytes, place: Place, key: bytes) -> Portion:
    """The portion of the country whose key this is.

    Raises:
        NotForThisBooth: the roll has no portion for that country.
        Malformed: it is no roll, or names what is no supplement of its feed.
    """
    try:
        roll = msgspec.msgpack.decode(content, type=Roll)
    except UNREADABLE as error:
        raise Malformed("A signed roll is not in the shape this version reads.") from error
    tag = _tag(key, place)
    for found, box in roll.portions:
        if hmac.compare_digest(found, tag):
            return _opened(box, place, key)
    raise NotForThisBooth(f"The roll of feed {place.feed} has no portion for this booth's country.")


def _opened(box: bytes, place: Place, key: bytes) -> Portion:
    try:
        filled = _cipher(key).decrypt(box, [place.bytes()])
        portion = msgspec.msgpack.decode(filled[4 : 4 + int.from_bytes(filled[:4], "big")], type=Portion)
    except (InvalidTag, ValueError, *UNREADABLE) as error:
        raise Malformed("This country's portion of a signed roll cannot be read.") from error
    ids = {one.feed for one in portion.supplements}
    if len(ids) != len(portion.supplements) or any(
        not SUPPLEMENT_ID.fullmatch(feed) or base_of(feed) != place.feed for feed in ids
    ):
        raise Malformed(f"The roll of feed {place.feed} names what is no supplement of it.")
    return portion


def _tag(key: bytes, place: Place) -> bytes:
    return _derived(key, b"tag", place.bytes())[:_TAG_LENGTH]


def _cipher(key: bytes) -> AESSIV:
    return AESSIV(_derived(key, b"box 1") + _derived(key, b"box 2"))


def _derived(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, framed(_DOMAIN, *parts), hashlib.sha256)


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


# --- the key file --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What a booth's key file holds; files made before there were rolls have neither `country_key` nor `signature`."""

    content_key: bytes
    country_key: bytes = b""
    signature: bytes = b""

    def __repr__(self) -> str:
        return "KeyFile(...)"

    @classmethod
    def signed(
        cls, sign: Callable[[bytes], bytes], booth: str, about: str, content_key: bytes, country_key: bytes
    ) -> KeyFile:
        """The file for `booth`; `about` is `FEED/EPOCH`, `sign` signs with the bureau's key."""
        return cls(content_key, country_key, sign(_signed_bytes(booth, about, content_key, country_key)))

    @classmethod
    def read(cls, plain: bytes) -> KeyFile:
        """The parts of an opened key file.

        Raises:
            Malformed: it has another length.
        """
        if len(plain) not in (CONTENT_KEY_LENGTH, CONTENT_KEY_LENGTH + COUNTRY_KEY_LENGTH + SIGNATURE_LENGTH):
            raise Malformed("A key file is not in the shape this version reads.")
        rest = plain[CONTENT_KEY_LENGTH:]
        return cls(plain[:CONTENT_KEY_LENGTH], rest[:COUNTRY_KEY_LENGTH], rest[COUNTRY_KEY_LENGTH:])

    def plain(self) -> bytes:
        """What is sealed for the booth."""
        return self.content_key + self.country_key + self.signature

    def check(self, verify: Callable[[bytes, bytes], None], booth: str, about: str) -> None:
        """Return if the bureau gave this booth this country's key.

        Args:
            verify: called with signature and bytes; raises what a wrong signature is.
            booth: this booth.
            about: `FEED/EPOCH`.

        Raises:
            NotForThisBooth: there is no country's key in it.
        """
        if not self.country_key:
            raise NotForThisBooth("This booth's key file was made before there was a roll.")
        verify(self.signature, _signed_bytes(booth, about, self.content_key, self.country_key))


def _signed_bytes(booth: str, about: str, content_key: bytes, country_key: bytes) -> bytes:
    # The content key has 256 random bits, so these bytes, hashed by the signature, tell nothing of it.
    return framed(b"failsafe-edge/key-file/1", booth.encode(), about.encode(), content_key, country_key)
