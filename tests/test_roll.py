"""The roll by itself: who finds a portion in it, and what all others see."""

from __future__ import annotations

import hashlib
import itertools
import string

import msgspec
import pytest

from failsafe.sync.errors import Malformed, NotForThisBooth, Unsigned
from failsafe.sync.roll import KeyFile, Place, Portion, Roll, Supplement, country_key, open_portion, seal_roll

PLACE = Place("base", "lineage-1", 7)
SECRET = bytes(range(32))


def supplement(number: int) -> Supplement:
    return Supplement(f"base-{number:012x}", number + 1, bytes([number]) * 32)


def portions(*countries: str, supplements: int = 2) -> dict[str, Portion]:
    return {one: Portion(one, 5, tuple(map(supplement, range(supplements)))) for one in countries}


def test_each_country_opens_its_own_portion_and_no_other():
    words = {"XA": Portion("XA", 3, (supplement(1),)), "XB": Portion("XB")}
    content = seal_roll(PLACE, words, SECRET)
    for country, portion in words.items():
        assert open_portion(content, PLACE, country_key(SECRET, country)) == portion
    with pytest.raises(NotForThisBooth):
        open_portion(content, PLACE, country_key(SECRET, "XC"))


def test_the_same_words_are_the_same_bytes_and_others_are_not():
    content = seal_roll(PLACE, portions("XA", "XB"), SECRET)
    assert content == seal_roll(PLACE, portions("XB", "XA"), SECRET)
    assert content != seal_roll(PLACE, portions("XA", "XB", supplements=1), SECRET)
    assert content != seal_roll(PLACE, portions("XA", "XB"), bytes(32))


@pytest.mark.parametrize(
    "place", [Place("other", "lineage-1", 7), Place("base", "l", 7), Place("base", "lineage-1", 8)]
)
def test_a_roll_of_elsewhere_is_nobodys(place):
    content = seal_roll(PLACE, portions("XA"), SECRET)
    with pytest.raises(NotForThisBooth):
        open_portion(content, place, country_key(SECRET, "XA"))


def test_lengths_and_numbers_tell_nothing():
    few, many = (seal_roll(PLACE, words, SECRET) for words in (portions("XA"), portions("XA", "XB", "XC")))
    none = seal_roll(PLACE, {"XA": Portion("XA"), "XB": portions("XB")["XB"]}, SECRET)
    assert len(few) == len(many) == len(none)
    boxes = msgspec.msgpack.decode(many, type=Roll).portions
    assert len(boxes) == 16 and len({len(box) for _, box in boxes}) == 1
    assert [tag for tag, _ in boxes] == sorted(tag for tag, _ in boxes)
    assert b"XA" not in many and b"base" not in many


def test_a_portion_that_was_changed_or_is_no_roll():
    key = country_key(SECRET, "XA")
    boxes = msgspec.msgpack.decode(seal_roll(PLACE, portions("XA"), SECRET), type=Roll).portions
    changed = Roll(tuple((tag, box[:-1] + bytes([box[-1] ^ 1])) for tag, box in boxes))
    for content in (msgspec.msgpack.encode(changed), b"no roll", b""):
        with pytest.raises(Malformed):
            open_portion(content, PLACE, key)


@pytest.mark.parametrize(
    "ids", [("base",), ("other-000000000001",), ("base-00000000000g",), ("base-000000000001", "base-000000000001")]
)
def test_a_portion_may_name_supplements_of_its_own_feed_only_and_each_once(ids):
    words = {"XA": Portion("XA", 0, tuple(Supplement(one, 1, bytes(32)) for one in ids))}
    with pytest.raises(Malformed, match="no supplement of it"):
        open_portion(seal_roll(PLACE, words, SECRET), PLACE, country_key(SECRET, "XA"))


def test_keys_do_not_show_in_what_may_be_logged():
    assert "00" not in repr(supplement(0)) and repr(KeyFile(bytes(32))) == "KeyFile(...)"
    assert repr(portions("XA")["XA"].supplements) == "(Supplement(...), Supplement(...))"


@pytest.mark.parametrize(("supplements", "most"), [(4, 70_000), (16, 250_000)])
def test_the_roll_of_all_states_stays_small(supplements, most):
    states = ["".join(letters) for letters in itertools.product(string.ascii_uppercase, repeat=2)][:196]
    assert len(seal_roll(PLACE, portions(*states, supplements=supplements), SECRET)) < most


# --- the key file --------------------------------------------------------------------------------------------


def signed(content: bytes) -> bytes:
    return bytes(32) + hashlib.sha256(content).digest()


def verified(signature: bytes, content: bytes) -> None:
    if signature != signed(content):
        raise Unsigned("It is not.")


def test_a_key_file_is_for_one_booth_epoch_and_country():
    file = KeyFile.signed(signed, "XA-ONE", "base/7", b"k" * 32, b"c" * 32)
    assert KeyFile.read(file.plain()) == file and len(file.plain()) == 128
    file.check(verified, "XA-ONE", "base/7")
    other = KeyFile(file.content_key, b"d" * 32, file.signature)
    for one, booth, about in ((file, "XA-TWO", "base/7"), (file, "XA-ONE", "base/8"), (other, "XA-ONE", "base/7")):
        with pytest.raises(Unsigned):
            one.check(verified, booth, about)


def test_a_key_file_of_before_there_were_rolls_has_a_content_key_alone():
    file = KeyFile.read(b"k" * 32)
    assert file.content_key == b"k" * 32
    with pytest.raises(NotForThisBooth, match="before there was a roll"):
        file.check(verified, "XA-ONE", "base/7")
    for length in (0, 31, 33, 64, 127, 129):
        with pytest.raises(Malformed):
            KeyFile.read(bytes(length))
