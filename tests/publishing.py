"""A headquarters for tests: real keys, a real repository, and an attacker who has stolen some of the keys."""

from __future__ import annotations

import atexit
import datetime as dt
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from failsafe.hq.feeds import published
from failsafe.hq.feeds.repository import Repository
from failsafe.hq.keyring import keys
from failsafe.hq.keyring.keys import KeyStore
from failsafe.sync.records import Head, Payload, Statement
from failsafe.sync.spool import Spool
from failsafe.sync.trust import TOP_LEVEL

PASSPHRASE = "invented words for a test"
LINEAGE = "lineage-1"


def now() -> dt.datetime:
    """TUF compares expiries with the machine's own clock, so publications are signed by it."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


@cache
def _template(bureaus: tuple[str, ...]) -> Path:
    """Keys are costly (scrypt): each kind of headquarters is made once in a run and copied."""
    folder = Path(tempfile.mkdtemp(prefix="failsafe-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = folder / "hq"
    store = keys.init(home, passphrase=PASSPHRASE, now=now(), bureaus=bureaus)
    Repository(home, store).create([Statement(feed="base", lineage=LINEAGE)], passphrase=PASSPHRASE, now=now())
    return home


class Desk:
    """Headquarters in `home`, with feed `base` stated and nothing published yet."""

    def __init__(self, home: Path, bureaus: tuple[str, ...] = ("main",)) -> None:
        shutil.copytree(_template(bureaus), home)
        self.home = home
        self.keys = KeyStore.open(home)
        self.repository = Repository(home, self.keys)
        self.public = home / "public"
        self.spool = Spool(self.public)
        self._first_root = self.repository.root_bytes()

    def again(self, home: Path) -> Desk:
        """A copy of this headquarters as it is now."""
        shutil.copytree(self.home, home)
        other = Desk.__new__(Desk)
        other.home, other.keys, other.public = home, KeyStore.open(home), home / "public"
        other.repository, other.spool = Repository(home, other.keys), Spool(home / "public")
        other._first_root = self._first_root
        return other

    def publish(self, serial: int, feed: str = "base", *, at: dt.datetime | None = None) -> Head:
        """Publish an invented snapshot as the feed's step `serial`."""
        content = f"snapshot {serial} of {feed}".encode() * 20
        payload = Payload(
            path=f"feed/{feed}/snapshot-{serial}",
            serial=serial,
            length=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        head = Head(
            feed=feed,
            lineage=LINEAGE,
            serial=serial,
            epoch=1,
            count=serial,
            removed=0,
            content_key_sha256="0" * 64,
            snapshot=payload,
            published_at="2026-11-21T00:00:00Z",
        )
        self.repository.publish(head, {payload.path: content}, now=at or now())
        return head

    def root(self) -> bytes:
        """What an enrolled booth starts from."""
        return self._first_root

    def held(self) -> dict[str, bytes]:
        """What a booth holds that has accepted the present publication, however old it is."""
        publication = published.load(self.spool, self.keys)
        snapshot = publication.snapshot.signed
        names = {"root.json": "1.root.json", "timestamp.json": "timestamp.json"}
        names["snapshot.json"] = f"{snapshot.version}.snapshot.json"
        names |= {name: f"{meta.version}.{name}" for name, meta in snapshot.meta.items()}
        held = {name: (self.public / "metadata" / file).read_bytes() for name, file in names.items()}
        assert set(TOP_LEVEL) < set(held)
        return held

    def copy(self, to: Path) -> Spool:
        """The publication as it is now, put aside."""
        shutil.copytree(self.public, to)
        return Spool(to)

    def forge(self, role: str, change: Callable[[Any], None], signers: Sequence[Any]) -> None:
        """An attacker with the snapshot and timestamp keys publishes a role's changed metadata.

        Args:
            role: `targets` or a bureau's role.
            change: alters the signed part.
            signers: the keys the attacker signs it with.
        """
        publication = published.load(self.spool, self.keys)
        metadata = {"targets": publication.targets, **publication.bureaus}[role]
        change(metadata.signed)
        self.repository._sign(metadata, 30, now(), signers)
        self.repository._write_out(publication, [role], now())

    def forge_timestamp(self, change: Callable[[Any], None]) -> None:
        """An attacker with the timestamp key signs what they like."""
        publication = published.load(self.spool, self.keys)
        timestamp = publication.timestamp
        self.repository._sign(timestamp, 30, now(), [])
        change(timestamp.signed)
        timestamp.sign(self.keys.online_signer("timestamp"))
        (self.public / "metadata" / "timestamp.json").write_bytes(timestamp.to_bytes())

    def file(self, pattern: str) -> Path:
        """The one published file that matches."""
        found = sorted(self.public.rglob(pattern))
        assert len(found) == 1, found
        return found[0]


class Watched(Spool):
    """A spool that remembers in which order its files appeared."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.order: list[str] = []

    def write(self, name: str, content: bytes | Iterable[bytes]) -> int:
        length = super().write(name, content)
        self.order.append(name)
        return length
