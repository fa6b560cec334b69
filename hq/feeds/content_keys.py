"""Content keys: kept in the register for headquarters alone, and sealed for each booth that takes part.

The register has the secrets of a feed's epoch sealed to headquarters' own key, so that a copy of it opens no payload.
A booth has one key file an epoch, of the base feed; the supplements' content keys stand in the roll (sync/roll.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from failsafe.hq.feeds.repository import Repository
from failsafe.hq.feeds.step import Epoch, Step
from failsafe.hq.feeds.tables import Booth
from failsafe.hq.keyring.keys import HeadquartersError
from failsafe.sync import roll, seal
from failsafe.sync.errors import BytesRefused
from failsafe.sync.records import KEYS_FOLDER, Head, Record, encode, key_file, learn

_OWN_PURPOSE: Final = "content-key-in-register"
_OWN_NAME: Final = "HEADQUARTERS"

Progress = Callable[[int, int], None]


class PublishRefused(HeadquartersError):
    """Nothing was published; what booths hold stays in force."""


class EpochSecrets(Record, frozen=True, kw_only=True):
    """What the register keeps of an epoch, sealed to headquarters itself.

    `countries` makes the keys of the roll's portions, and `signer` is the id of the bureau's key that has signed the
    key files; a supplement's epoch has neither.
    """

    content_key: bytes
    countries: bytes = b""
    signer: str = ""


learn((EpochSecrets,))


def kept(step: Step, repository: Repository, new_epoch: bool) -> tuple[Epoch | None, EpochSecrets | None, bool]:
    """The feed's epoch with its secrets, and whether a new one must begin; then they need not be readable."""
    epoch = step.epoch()
    if epoch is None or new_epoch or epoch.spent:
        return epoch, None, True
    about = f"{step.feed}/{epoch.number}"
    try:
        plain = repository.keys.seal_secret().open(epoch.sealed_key, purpose=_OWN_PURPOSE, booth=_OWN_NAME, about=about)
    except BytesRefused as error:
        raise PublishRefused(
            "The register's content key does not open with headquarters' sealing key.",
            "Put the right online keys back, or publish with --new-epoch.",
        ) from error
    try:
        return epoch, msgspec.json.decode(plain, type=EpochSecrets), False
    except msgspec.DecodeError:  # of a software that knew no rolls: the content key alone
        return epoch, None, True


def own_box(repository: Repository, feed: str, number: int, kept: EpochSecrets) -> bytes:
    own = repository.keys.hq_keys().seal
    return seal.seal(encode(kept), own, purpose=_OWN_PURPOSE, booth=_OWN_NAME, about=f"{feed}/{number}")


def seal_for_booths(
    repository: Repository, feed: str, number: int, kept: EpochSecrets, booths: Sequence[Booth], progress: Progress
) -> int:
    """Write the key files of a base feed's epoch that are not there yet, one a booth; how many that were.

    There are none for supplements: whoever looks at the folder sees which booths take part, and nothing else.
    """
    folder = f"{KEYS_FOLDER}/{feed}/{number}"
    present = set(repository.public.names(f"{folder}/"))
    waiting = [booth for booth in booths if key_file(feed, number, booth.name) not in present]
    about = f"{feed}/{number}"
    signer = repository.bureau_signer(feed)
    sign = lambda content: bytes.fromhex(signer.sign(content).signature)  # noqa: E731 - it has no other name

    def sealed() -> Iterator[tuple[str, bytes]]:
        for done, booth in enumerate(waiting, start=1):
            own = roll.country_key(kept.countries, booth.country)
            file = roll.KeyFile.signed(sign, booth.name, about, kept.content_key, own)
            box = seal.seal(file.plain(), booth.enrolment.seal, purpose="content-key", booth=booth.name, about=about)
            yield booth.name, box
            progress(done, len(waiting))

    return repository.public.write_many(folder, sealed()) if waiting else 0


def remove_key_files(repository: Repository, booth: str) -> int:
    """Take a booth's key files, of whatever feed and epoch, out of the publication; how many there were."""
    files = [name for name in repository.public.names(f"{KEYS_FOLDER}/") if name.rpartition("/")[2] == booth]
    return repository.public.remove_many(files)


def remove_old_keys(repository: Repository, head: Head) -> None:
    """Remove the key files of epochs before the last one: a booth may still be reading the publication before."""
    names = repository.public.names(f"{KEYS_FOLDER}/{head.feed}/")
    epochs = ((name, name.split("/")[2]) for name in names)
    old = [name for name, epoch in epochs if epoch.isdecimal() and int(epoch) < head.epoch - 1]
    repository.public.remove_many(old)
