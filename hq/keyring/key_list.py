"""Every key of headquarters in one table: which it is, where it lies, since and until when, what it may sign."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from sqlalchemy import Row
from tuf.api.metadata import Signed  # type: ignore[attr-defined]  # documented there, not re-exported

from failsafe.hq.feeds.published import TARGETS, Published
from failsafe.hq.keyring.key_words import WORDS, kind_of
from failsafe.hq.keyring.keys import RECEIPT, SEAL, SNAPSHOT, TIMESTAMP, KeyStore
from failsafe.hq.keyring.offline import ROOT

NOT_KNOWN: Final = "-"


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key; moments are ISO 8601 UTC, `-` where there is none or nobody knows."""

    name: str
    key_id: str
    lies: str
    since: str
    ends: str
    signs: str


def key_lines(keys: KeyStore, publication: Published, epochs: list[Row[Any]]) -> Iterator[KeyLine]:
    """All keys, the offline ones first.

    Args:
        keys: whose.
        publication: its newest, which says what counts.
        epochs: the feeds' newest, as `Register.epochs`.
    """
    yield from _offline(keys, publication)
    yield from _online(keys, publication)
    yield from _for_alerts(keys)
    yield from _certificates(keys)
    for epoch in epochs:
        number = f"epoch {epoch.epoch}"
        ends = "at the next publication" if epoch.spent else NOT_KNOWN
        yield KeyLine(f"content {epoch.feed}", number, "register", epoch.made_at, ends, WORDS["content"].signs)


def _offline(keys: KeyStore, publication: Published) -> Iterator[KeyLine]:
    root = publication.root.signed
    names = {keyid: name for name, keyid in keys.layout.shares.items()}
    there = {file.stem: str(file.parent) for folder in keys.folders() for file in folder.glob("*.pem")}
    for role, signed in ((ROOT, root), (TARGETS, publication.targets.signed)):
        of = root.roles[role]
        must = f"{WORDS[role].signs}; {of.threshold} of {len(of.keyids)} must sign"
        for keyid in of.keyids:
            name = names.get(keyid, f"{role}-?")
            lies = there.get(name, "a medium that is not here")
            yield KeyLine(name, keyid[:16], lies, keys.layout.since.get(keyid, NOT_KNOWN), _ends(signed), must)


def _online(keys: KeyStore, publication: Published) -> Iterator[KeyLine]:
    roles: dict[str, Signed] = {SNAPSHOT: publication.snapshot.signed, TIMESTAMP: publication.timestamp.signed}
    roles |= {role: bureau.signed for role, bureau in publication.bureaus.items()}
    for role, signed in roles.items():
        keyid = keys.key_id(role)
        since = keys.layout.since.get(keyid, NOT_KNOWN)
        yield KeyLine(role, keyid[:16], "online/", since, _ends(signed), WORDS[kind_of(role)].signs)


def _for_alerts(keys: KeyStore) -> Iterator[KeyLine]:
    for role in (RECEIPT, SEAL):
        key_id = keys.key_id(role)
        since = keys.layout.since.get(key_id, NOT_KNOWN)
        yield KeyLine(role, key_id, "online/", since, NOT_KNOWN, WORDS[role].signs)
        for former in keys.former(role):
            since, ends = keys.layout.since.get(former, NOT_KNOWN), f"`failsafe-hq keys forget {former}`"
            yield KeyLine(f"{role}, former", former, "online/former/", since, ends, "what is still on its way")


def _certificates(keys: KeyStore) -> Iterator[KeyLine]:
    newest, *former = x509.load_pem_x509_certificates(keys.authority.certificate().encode())
    yield _certificate("authority", newest, WORDS["authority"].signs)
    for one in former:
        yield _certificate("authority, former", one, "the server's certificate, and links' that did not come yet")
    yield _certificate("server", keys.authority.server_certificate(), WORDS["server"].signs)


def _certificate(name: str, certificate: x509.Certificate, signs: str) -> KeyLine:
    digest = certificate.fingerprint(hashes.SHA256()).hex()[:16]
    since, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return KeyLine(name, digest, "online/", _moment(since), _moment(ends), signs)


def _ends(signed: Signed) -> str:
    return _moment(signed.expires)


def _moment(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
