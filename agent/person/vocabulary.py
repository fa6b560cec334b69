"""The distinct words of many names in a few arrays, and those of them that sound nearly like another. Pure.

Words are *sounds*: squashed tokens (`names.squash`), in which transliterations of one name are the same already. A
particle is a sound of its own, in small letters, so that the surname Wan does not weigh as little as `van`.

What is near is found without looking at every word: two words at most two edits apart share a key, that is what is
left of the first six letters of each when up to two are struck out. Keys lie in buckets, the words of a bucket are
compared by the letters they are made of, and only the few that are left by their edit distance.

One wrong letter of a short name may make another sound of it altogether (KILIC, KIIC; LEE, LER), so that short tokens
are also compared as they are spelled (`spelled_near`).
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

from failsafe.agent.person.names import PARTICLES, consonants, squash, squash_all

# A sound of this many letters may differ by one, by two letters; one of two letters by no missing letter.
ONE_EDIT_FROM: Final = 2
TWO_EDITS_FROM: Final = 7
SKELETON_FROM: Final = 3  # consonants; shorter skeletons belong to everybody
SKELETON_CLOSENESS: Final = 75  # of 100, as every closeness here: integers, since float ties lose hits
SPELLED_UP_TO: Final = 5  # letters of a token that is also looked for as it is spelled

_KEY_LETTERS: Final = 6
_LETTER_BITS: Final = 5
_SCATTER: Final = np.uint32(2654435769)  # Knuth's multiplier: 2^32 by the golden ratio

_SHIFTS: Final = np.arange(_LETTER_BITS * (_KEY_LETTERS - 1), -1, -_LETTER_BITS).astype(np.uint32)

Ids = NDArray[np.int32]
Closeness = NDArray[np.uint8]
_NOBODY: Final = (np.empty(0, np.int32), np.empty(0, np.uint8))


def sound(token: str) -> str:
    """The form of a folded token by which names meet."""
    return token.lower() if token in PARTICLES else squash(token)


def sounds_of(tokens: Sequence[str]) -> list[str]:
    """`sound` of many tokens, in their order."""
    return [
        token.lower() if token in PARTICLES else squashed
        for token, squashed in zip(tokens, squash_all(tokens), strict=True)
    ]


def edits_allowed(length: int) -> int:
    """How many letters a sound of so many may differ by."""
    return 2 if length >= TWO_EDITS_FROM else 1 if length >= ONE_EDIT_FROM else 0


# --- texts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Texts:
    """Many short texts behind each other: text `n` is `letters[start[n]:start[n + 1]]`."""

    letters: bytes
    start: NDArray[np.uint32]

    @classmethod
    def of(cls, texts: Iterable[bytes]) -> Texts:
        """Texts in their order."""
        held = list(texts)
        start = np.zeros(len(held) + 1, np.uint32)
        np.cumsum(np.fromiter(map(len, held), np.uint32, len(held)), out=start[1:])
        return cls(b"".join(held), start)

    def __len__(self) -> int:
        return len(self.start) - 1

    def __getitem__(self, number: int) -> bytes:
        return self.letters[self.start[number] : self.start[number + 1]]

    def several(self, numbers: Ids) -> list[bytes]:
        """Some of the texts; much faster than one by one."""
        bounds = zip(self.start[numbers].tolist(), self.start[numbers + 1].tolist(), strict=True)
        return [self.letters[first:last] for first, last in bounds]

    def lengths(self) -> NDArray[np.uint32]:
        """Of each text, in letters."""
        return np.diff(self.start)

    def letter(self, place: int) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
        """The texts that have a letter at this place, and that letter."""
        there = np.flatnonzero(self.lengths() > place)
        return there, np.frombuffer(self.letters, np.uint8)[self.start[there] + np.uint32(place)]

    def heads(self, width: int) -> NDArray[np.uint8]:
        """The first `width` letters of each as a row, filled up with 0."""
        head = np.zeros((len(self), width), np.uint8)
        for place in range(width):
            there, letter = self.letter(place)
            head[there, place] = letter
        return head


@dataclass(frozen=True, slots=True)
class Buckets:
    """Members by a 32-bit key: those of key `k` are among `members[start[b]:start[b + 1]]`, `b` the bucket of `k`."""

    start: NDArray[np.uint32]
    members: Ids

    @classmethod
    def of(cls, pieces: Iterable[tuple[NDArray[np.uint32], Ids]]) -> Buckets:
        """Members of some keys, given in pieces, in buckets of about three each."""
        # Sorted by the scattered key all buckets stand in their order, however many there are.
        packed = np.concatenate(
            [(keys * _SCATTER).astype(np.uint64) << np.uint64(32) | members.view(np.uint32) for keys, members in pieces]
        )
        packed.sort()
        bits = max(4, int(len(packed) // 3).bit_length())
        start = np.zeros((1 << bits) + 1, np.uint32)
        np.cumsum(np.bincount((packed >> np.uint64(64 - bits)).astype(np.int32), minlength=1 << bits), out=start[1:])
        return cls(start, packed.astype(np.uint32).view(np.int32))

    def among(self, keys: NDArray[np.uint32]) -> list[Ids]:
        """The buckets of some keys."""
        place = self._places(keys)
        return [
            self.members[first:last]
            for first, last in zip(self.start[place].tolist(), self.start[place + 1].tolist(), strict=True)
            if first != last
        ]

    def of_each(self, keys: NDArray[np.uint32]) -> tuple[NDArray[np.intp], Ids]:
        """The buckets of many keys behind each other: the place of each member's key, and the members."""
        place = self._places(keys)
        first = self.start[place].astype(np.int64)
        lengths = self.start[place + 1] - first
        owner = np.repeat(np.arange(len(keys)), lengths)
        before = np.cumsum(lengths) - lengths
        return owner, self.members[np.arange(len(owner)) + (first - before)[owner]]

    def _places(self, keys: NDArray[np.uint32]) -> NDArray[np.int64]:
        bits = (len(self.start) - 1).bit_length() - 1
        return ((keys * _SCATTER) >> np.uint32(32 - bits)).astype(np.int64)


# --- sounds ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Distinct sounds, made to be asked for those near to another; make one with `Vocabulary.of`."""

    sounds: Texts
    signatures: NDArray[np.uint64]
    deletes: Buckets
    skeletons: NDArray[np.uint64]  # key << 32 | number, sorted

    @classmethod
    def of(cls, sounds: Sequence[bytes]) -> Vocabulary:
        """A vocabulary whose sound `n` is the n-th given; none may come twice."""
        texts = Texts.of(sounds)
        bones = np.fromiter(_bones_keys(sounds), np.uint32, len(sounds))
        with_bones = np.flatnonzero(bones)
        return cls(
            sounds=texts,
            signatures=_signatures(texts),
            deletes=Buckets.of(_deletes(texts)),
            skeletons=np.sort(bones[with_bones].astype(np.uint64) << np.uint64(32) | with_bones.astype(np.uint64)),
        )

    def __len__(self) -> int:
        return len(self.sounds)

    def near(self, asked: str, *, by_consonants: bool = True) -> tuple[Ids, Closeness]:
        """The sounds that may be `asked` written otherwise, with how close they are (1 to 100), none twice."""
        sounded = asked.encode()
        edits = 0 if asked.islower() else edits_allowed(len(sounded))
        keys = _keys_of(sounded[:_KEY_LETTERS], edits)
        ids, close = self._edited(sounded, edits, _distinct(self.deletes.among(keys)))
        key = _bones_key(sounded) if by_consonants else 0
        if not key:
            return ids, close
        bounds = np.array([key << 32, (key + 1) << 32], np.uint64)
        first, last = np.searchsorted(self.skeletons, bounds).tolist()
        alike = (self.skeletons[first:last] & np.uint64(0xFFFFFFFF)).astype(np.int32)
        return _merged(ids, close, alike, SKELETON_CLOSENESS)

    def find(self, asked: str) -> int | None:
        """The number of a sound."""
        sounded = asked.encode()
        among = _distinct(self.deletes.among(_keys_of(sounded[:_KEY_LETTERS], 0)))
        alike = among[self.signatures[among] == _signature(sounded)]
        return next((number for number in alike.tolist() if self.sounds[number] == sounded), None)

    def find_all(self, asked: Texts) -> Ids:
        """`find` of many sounds at once; -1 stands for one that is not here."""
        owner, among = self.deletes.of_each(_whole_keys(asked))
        alike = np.flatnonzero(self.signatures[among] == _signatures(asked)[owner])
        found = np.full(len(asked), -1, np.int32)
        for at, number in zip(owner[alike].tolist(), among[alike].tolist(), strict=True):
            if self.sounds[number] == asked[at]:
                found[at] = number
        return found

    def _edited(self, sounded: bytes, edits: int, among: Ids) -> tuple[Ids, Closeness]:
        lengths = self.sounds.start[among + 1] - self.sounds.start[among]
        # One edit changes at most two counts of letters, and the length by at most one.
        bits = np.bitwise_count(self.signatures[among] ^ _signature(sounded))
        like = among[(bits <= 2 * edits) & (np.abs(lengths.astype(np.int64) - len(sounded)) <= edits)]
        if not len(like):
            return _NOBODY
        distances = cdist(
            [sounded], self.sounds.several(like), scorer=OSA.distance, score_cutoff=edits, dtype=np.uint8
        )[0]
        return _measured(self.sounds, like, sounded, distances, edits)


def _measured(texts: Texts, ids: Ids, asked: bytes, distances: NDArray[np.uint8], edits: int) -> tuple[Ids, Closeness]:
    """Of some texts those near enough, and how close; two letters bear another letter, but none more or less."""
    lengths = (texts.start[ids + 1] - texts.start[ids]).astype(np.int64)
    kept = (distances <= edits) & ((lengths == len(asked)) | (len(asked) > ONE_EDIT_FROM))
    longer = np.maximum(lengths[kept], len(asked))
    return ids[kept], (100 - 100 * distances[kept].astype(np.int64) // longer).astype(np.uint8)


def _merged(ids: Ids, close: Closeness, more: Ids, closeness: int | Closeness) -> tuple[Ids, Closeness]:
    """Both with the greater closeness where one stands in both."""
    both = np.concatenate((ids, more))
    closer = np.concatenate((close, np.broadcast_to(np.asarray(closeness, np.uint8), len(more))))
    if not len(both):
        return _NOBODY
    order = np.lexsort((closer, both))
    both, closer = both[order], closer[order]
    last = np.append(both[1:] != both[:-1], True)
    return both[last], closer[last]


def merged_near(ids: Ids, close: Closeness, more: Ids, closeness: int | Closeness) -> tuple[Ids, Closeness]:
    """The near sounds with some more that are so close at least; each once, with the greatest closeness."""
    return _merged(ids, close, more, closeness) if len(more) else (ids, close)


def spelled_near(tokens: Texts, spelled: Buckets, asked: str) -> tuple[Ids, Closeness]:
    """Short tokens that differ from a short one by one letter as they are spelled; `spelled` is `spelled_keys`'."""
    letters = asked.encode()
    among = _distinct(spelled.among(_keys_of(letters, 1)))
    if not len(among):
        return _NOBODY
    distances = cdist([letters], tokens.several(among), scorer=OSA.distance, score_cutoff=1, dtype=np.uint8)[0]
    return _measured(tokens, among, letters, distances, 1)


def _distinct(parts: Sequence[Ids]) -> Ids:
    if not parts:
        return _NOBODY[0]
    joined = np.sort(np.concatenate(parts))  # np.unique would cost more than all the rest here
    return joined[np.append(True, joined[1:] != joined[:-1])] if len(joined) else joined


# --- keys ------------------------------------------------------------------------------------------------------


def _bones_key(sounded: bytes) -> int:
    """The key of a sound's consonants; 0 where it has too few, and for particles."""
    return next(_bones_keys((sounded,)))


def _bones_keys(sounds: Sequence[bytes]) -> Iterator[int]:
    bones = consonants(b"\n".join(sounds).decode()).split("\n")
    for sounded, kept in zip(sounds, bones, strict=False):
        few = len(kept) < SKELETON_FROM or sounded.islower()
        yield 0 if few else zlib.crc32(kept.encode()) or 1


def _deletes(texts: Texts) -> Iterator[tuple[NDArray[np.uint32], Ids]]:
    """The keys of all words: what is left of their heads, and whose it is."""
    letters, small = _heads(texts)
    lengths = texts.lengths()
    for struck, longest in _strikes():
        # Two edits are allowed from seven letters on, so that only words of five and more can be two away.
        least = 0 if not struck else longest if len(struck) == 1 else max(longest, TWO_EDITS_FROM - 2)
        there = np.flatnonzero((lengths >= least) & ((small == 0) | (not struck)))
        yield _packed(letters[there], struck) | small[there], there.astype(np.int32)


def _whole_keys(texts: Texts) -> NDArray[np.uint32]:
    """The keys of words of which nothing is struck out."""
    letters, small = _heads(texts)
    return _packed(letters, ()) | small


def _heads(texts: Texts) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The first letters of each word as numbers, and the bit of those in small letters."""
    heads = texts.heads(_KEY_LETTERS)
    small = (heads[:, 0] >= ord("a")).astype(np.uint32) << np.uint32(31)
    return heads.astype(np.uint32) & np.uint32(31), small


def spelled_keys(tokens: Texts) -> Buckets:
    """Short tokens, but for particles, by what is left of them when up to one letter is struck out."""
    lengths = tokens.lengths()
    short = np.flatnonzero((lengths > 1) & (lengths <= SPELLED_UP_TO)).astype(np.int32)
    short = short[[text.decode() not in PARTICLES for text in tokens.several(short)]]
    heads, lengths = tokens.heads(_KEY_LETTERS)[short].astype(np.uint32) & np.uint32(31), lengths[short]
    ways = [(struck, longest) for struck, longest in _strikes() if len(struck) <= 1 and longest <= SPELLED_UP_TO]
    there = [np.flatnonzero(lengths >= longest) for _, longest in ways]
    return Buckets.of((_packed(heads[at], way[0]), short[at]) for way, at in zip(ways, there, strict=True))


@lru_cache(maxsize=1)
def _strikes() -> tuple[tuple[tuple[int, ...], int], ...]:
    """The places of up to two letters struck out, and how many letters a word must have for that."""
    ways = (way for number in range(3) for way in combinations(range(_KEY_LETTERS), number))
    return tuple((way, way[-1] + 1 if way else 0) for way in ways)


def _packed(heads: NDArray[np.uint32], struck: Sequence[int]) -> NDArray[np.uint32]:
    key = np.zeros(len(heads), np.uint32)
    for place in range(_KEY_LETTERS):
        if place not in struck:
            key = (key << np.uint32(_LETTER_BITS)) | heads[:, place]
    # Letters stand left: what ends early is filled up, as the shorter word that it equals is.
    return key << np.uint32(_LETTER_BITS * len(struck))


def _keys_of(head: bytes, edits: int) -> NDArray[np.uint32]:
    """The keys of one word; some may be equal."""
    padded = np.zeros(_KEY_LETTERS + 1, np.uint32)
    padded[: len(head)] = np.frombuffer(head, np.uint8) & 31
    keys: NDArray[np.uint32] = (padded[_left(len(head), edits)] << _SHIFTS).sum(axis=1, dtype=np.uint32)
    return keys | np.uint32(1 << 31) if head[:1].islower() else keys


@lru_cache(maxsize=32)
def _left(length: int, edits: int) -> NDArray[np.intp]:
    """For each way to strike out letters: the places that are left, then the one behind all letters."""
    ways = [set(way) for way, longest in _strikes() if len(way) <= edits and longest <= length]
    left = [[place for place in range(_KEY_LETTERS) if place not in way] + [_KEY_LETTERS] * len(way) for way in ways]
    return np.array(left, np.intp)


def _signatures(texts: Texts) -> NDArray[np.uint64]:
    """One bit for each letter that occurs, one for each that occurs twice or more."""
    once = np.zeros(len(texts), np.uint64)
    twice = np.zeros(len(texts), np.uint64)
    for place in range(int(texts.lengths().max(initial=0))):
        there, letter = texts.letter(place)
        bit = np.uint64(1) << (letter & 31).astype(np.uint64)
        twice[there] |= once[there] & bit
        once[there] |= bit
    return once | twice << np.uint64(32)


def _signature(sounded: bytes) -> np.uint64:
    once = twice = 0
    for letter in sounded:
        bit = 1 << (letter & 31)
        twice |= once & bit
        once |= bit
    return np.uint64(once | twice << 32)


def beginnings(texts: Texts, prefix: bytes) -> Iterator[int]:
    """The texts that begin with `prefix`, of texts in the order of the alphabet."""
    bounds = texts.start.data
    place = bisect_left(range(len(texts)), prefix, key=lambda at: texts.letters[bounds[at] : bounds[at + 1]])
    while place < len(texts) and texts[place].startswith(prefix):
        yield place
        place += 1
