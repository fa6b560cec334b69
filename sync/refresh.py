"""The feed's way from headquarters into `spool/in`: what is new is chosen, checked with the public roots, put in place.

The link runs The Update Framework's client in a folder of its own, so that it spends no byte and no place on what
headquarters did not sign; the core believes none of it and checks again. Payloads go to that folder first, where a
broken transfer is taken up again, and only when everything is there does it appear in the spool, `timestamp.json`
last. Where nothing changed nothing is written.

Runs in a thread of its own: the source's answers may take as long as a slow line takes.
Source: https://theupdateframework.github.io/specification/latest/ section 5 (client workflow)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

import msgspec
from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import (  # type: ignore[attr-defined]  # documented there, not re-exported
    Metadata,
    Root,
    Snapshot,
    TargetFile,
    Targets,
)
from tuf.api.serialization import DeserializationError
from tuf.ngclient import (  # type: ignore[attr-defined]  # documented there, not re-exported
    FetcherInterface,
    Updater,
    UpdaterConfig,
)

from failsafe.sync import delivery
from failsafe.sync.delivery import KEY_LIMIT, METADATA_LIMIT, TIMESTAMP
from failsafe.sync.errors import (
    BytesRefused,
    Expired,
    Malformed,
    Missing,
    Older,
    SpoolFault,
    Truncated,
    Unsigned,
)
from failsafe.sync.records import (
    HQ_KEYS_TARGET,
    METADATA_FOLDER,
    TARGETS_FOLDER,
    UNREADABLE,
    Head,
    Payload,
    base_of,
    head_target,
    key_file,
    payloads_of,
    statement_target,
)
from failsafe.sync.reports import FeedState, Want
from failsafe.sync.spool import Spool, check_name

_RECORD_LIMIT: Final = 1024 * 1024
_MAX_ROOT_ROTATIONS: Final = 10_000
_NOT_FOUND: Final = 404
_CHECK_STATE: Final = "Check the owner, mode and free space of the folder that `state` in [link] names."
_AGAIN: Final = "The link goes on trying; if it stays so, ask headquarters to publish again."

Stamp = tuple[int, int, int]
T = TypeVar("T", Root, Snapshot, Targets)


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: `content` is None where what was held is still the newest. `etag` names this state of the file."""

    content: bytes | None = field(repr=False)
    etag: str | None = None


class Source(Protocol):
    """Where a publication comes from; each call may block."""

    def get(self, path: str, limit: int, etag: str | None = None) -> Fetched:
        """A file of at most `limit` bytes, or its unchanged state `etag`.

        Raises:
            Missing: there is no such file.
            Truncated: it is longer than `limit`.
            LineDown: no answer, or one that is no file.
        """

    def resume(self, path: str, length: int, file: Path) -> None:
        """Complete `file`, which may hold the beginning already, to `length` bytes; errors as `get`."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What a refresh put into the spool, and what it took out; all zero where nothing changed."""

    files: int = 0
    bytes: int = 0
    pruned: int = 0


@dataclass(slots=True)
class _Publication:
    """What one refresh found, verified; `targets` by the file's name in the spool."""

    heads: dict[str, Head] = field(default_factory=dict)
    targets: dict[str, TargetFile] = field(default_factory=dict)
    needed: set[str] = field(default_factory=set)
    metadata: dict[str, bytes] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)

    def names(self) -> set[str]:
        """Every file that a reader of this publication may ask for, needed now or not."""
        return {*self.targets, *self.metadata, *self.keys}


class Refresher:
    """Brings publications from a source into `spool/in`.

    Args:
        source: headquarters, by network.
        spool: `spool/in`.
        state: a folder of the link's own, for the metadata it trusts and unfinished payloads.
        root: root metadata from the welcome file.
        booth: this booth's id.
    """

    def __init__(self, source: Source, spool: Spool, state: Path, root: bytes, booth: str) -> None:
        self._source = source
        self._spool = spool
        self._metadata_dir = state / "trusted"
        self._partial = state / "partial"
        self._fetcher = Fetcher(source)
        self._root = root
        self._booth = booth
        self._placed: dict[str, Stamp] = {}
        self._kept_before: set[str] = set()
        self._asked: dict[str, tuple[bytes, str | None]] = {}  # a key file: under which timestamp, and its ETag

    def refresh(self, want: Want) -> Brought:
        """Bring what headquarters published, as far as this booth wants and lacks it.

        Args:
            want: which feeds, and what of them is held; another booth's is an error of the caller.

        Raises:
            BytesRefused: headquarters' files are not believed, or a file is missing; the spool stays as it was.
            LineDown: no answer, a spool that cannot be written, or the link's own folder.
        """
        try:
            self._metadata_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._partial.mkdir(mode=0o700, exist_ok=True)
            found = self._find(want)
            self._fetch_targets(found)
            self._fetch_keys(found, {state.feed: state for state in want.held})
            with delivery.alone(self._spool, wait=False):
                delivery.drop_supplements(self._spool, want.feeds)
                delivery.drop_strange_roots(self._spool, found.metadata)
                return self._place(found)
        except (RepositoryError, DownloadError) as error:
            raise refusal(error) from error
        except OSError as error:
            raise SpoolFault("The link's own folder cannot be used.", _CHECK_STATE) from error

    # --- what there is -------------------------------------------------------------------------------------------

    def _find(self, want: Want) -> _Publication:
        updater = client(self._metadata_dir, self._fetcher, self._root)
        updater.refresh()
        found = _Publication()
        self._need(found, updater, HQ_KEYS_TARGET)
        held = {state.feed: state for state in want.held}
        for feed in want.feeds:
            if base_of(feed) == feed:
                self._need(found, updater, statement_target(feed))
            elif updater.get_targetinfo(head_target(feed)) is None:
                continue  # retired: the core learns so from this very publication
            head = self._head(found, updater, feed)
            before = held.get(feed)
            if before is not None and before.lineage == head.lineage and before.serial > head.serial:
                raise Older(f"Headquarters' address has serial {head.serial} of feed {feed}, and more is held.")
            needed = (*delivery.way(head, before), head.roll)
            for payload in payloads_of(head):
                self._named(found, updater, payload, needed=payload in needed)
            found.heads[feed] = head
        found.metadata = self._trusted(want)
        return found

    def _head(self, found: _Publication, updater: Updater, feed: str) -> Head:
        """A feed's head, fetched and verified now, since it names the payloads."""
        name = self._need(found, updater, head_target(feed))
        content = self._target(name, found.targets[name])
        try:
            head = msgspec.json.decode(content, type=Head)
        except UNREADABLE as error:
            raise Malformed("A signed head is not in the shape this version reads.") from error
        if head.feed != feed:
            raise Malformed(f"The head of feed {feed} says it is another feed's.")
        return head

    def _need(self, found: _Publication, updater: Updater, path: str) -> str:
        """Take a signed record among the files to bring; its name in the spool."""
        target = _target_info(updater, path)
        if target.length > _RECORD_LIMIT:
            raise Malformed("A signed record is longer than any this version reads.")
        name = _file_of(target)
        found.targets[name] = target
        found.needed.add(name)
        return name

    def _named(self, found: _Publication, updater: Updater, payload: Payload, *, needed: bool) -> None:
        target = _target_info(updater, payload.path)
        if (target.length, target.hashes.get("sha256")) != (payload.length, payload.sha256):
            raise Malformed("A head and its bureau do not say the same of a payload.")
        name = _file_of(target)
        found.targets[name] = target
        if needed:
            found.needed.add(name)

    def _trusted(self, want: Want) -> dict[str, bytes]:
        """The metadata that was verified in this refresh, by its name in the spool."""
        place = self._metadata_dir
        root = _metadata(place / "root.json", Root)
        files = {}
        for version in range(_metadata_of(self._root, Root).version, root.version + 1):
            name = f"{version}.root.json"
            files[f"{METADATA_FOLDER}/{name}"] = (place / "root_history" / name).read_bytes()
        targets = _metadata(place / "targets.json", Targets)
        files[f"{METADATA_FOLDER}/{targets.version}.targets.json"] = (place / "targets.json").read_bytes()
        snapshot = _metadata(place / "snapshot.json", Snapshot)
        files[f"{METADATA_FOLDER}/{snapshot.version}.snapshot.json"] = (place / "snapshot.json").read_bytes()
        for path in map(head_target, sorted({base_of(feed) for feed in want.feeds})):
            if targets.delegations and path not in targets.targets:
                # The first role that may speak of the feed was asked; bureaus' roles are terminating.
                role = quote(next(targets.delegations.get_roles_for_target(path))[0], safe="")
                version = _metadata(place / f"{role}.json", Targets).version
                files[f"{METADATA_FOLDER}/{version}.{role}.json"] = (place / f"{role}.json").read_bytes()
        return files | {TIMESTAMP: (place / "timestamp.json").read_bytes()}

    # --- bringing it ---------------------------------------------------------------------------------------------

    def _fetch_targets(self, found: _Publication) -> None:
        """Complete in the link's own folder what the spool lacks; what nobody asks for any more goes."""
        lacking = {name for name in found.needed if not self._is_placed(name, found.targets[name])}
        size = sum(found.targets[name].length for name in lacking)
        if size > self._spool.max_bytes or len(lacking) > self._spool.max_files:
            raise SpoolFault("The publication is larger than the spool may be.", "Raise the spool's quota.")
        wanted = {_partial_name(found.targets[name]) for name in lacking}
        for file in self._partial.iterdir():
            if file.name.partition(".")[0] not in wanted:
                file.unlink()
        for name in sorted(lacking):
            self._complete(name, found.targets[name])

    def _target(self, name: str, target: TargetFile) -> bytes:
        """A small target's content, from the spool if it is there, else from the source."""
        if self._is_placed(name, target):
            return self._spool.read(name, target.length)
        return self._complete(name, target).read_bytes()

    def _complete(self, name: str, target: TargetFile) -> Path:
        """The whole and verified file in the link's own folder; the hash decides, whatever was joined."""
        file = self._partial / _partial_name(target)
        self._source.resume(name, target.length, file)
        try:
            with file.open("rb") as opened:
                target.verify_length_and_hashes(opened)
        except LengthOrHashMismatchError:
            file.unlink()
            raise
        return file

    def _fetch_keys(self, found: _Publication, held: Mapping[str, FeedState]) -> None:
        """This booth's key files; one that headquarters has not sealed yet is no reason to hold back the rest."""
        for feed, head in found.heads.items():
            if base_of(feed) != feed:
                continue  # a supplement's content key stands in the roll
            name = key_file(feed, head.epoch, self._booth)
            check_name(name)
            placed = self._placed.get(name, ()) == _stamp(self._spool, name)
            if placed:
                found.keys[name] = self._spool.read(name, KEY_LIMIT)
            # Nobody signs it: what the core could not use may be another's, and is asked for anew at each timestamp.
            asked_at, etag = self._asked.get(name, (b"", None)) if placed else (b"", None)
            taken = held.get(feed) is not None and held[feed].serial == head.serial
            if placed and (taken or asked_at == found.metadata[TIMESTAMP]):
                continue
            with suppress(Missing):
                answer = self._source.get(name, KEY_LIMIT, etag)
                self._asked[name] = (found.metadata[TIMESTAMP], answer.etag)
                if answer.content is not None:
                    found.keys[name] = answer.content

    def _is_placed(self, name: str, target: TargetFile) -> bool:
        """Whether the spool has it; hashed once, then known by its stamp as long as nobody touches it."""
        stamp = _stamp(self._spool, name)
        if stamp is not None and self._placed.get(name) == stamp:
            return True
        if stamp is None or not delivery.is_present(self._spool, name, target.length):
            return False
        self._placed[name] = stamp
        return True

    # --- into the spool ------------------------------------------------------------------------------------------

    def _place(self, found: _Publication) -> Brought:
        small = {**found.metadata, **found.keys}
        lacking = {name for name in found.needed if not self._is_placed(name, found.targets[name])}
        changed = {name for name, content in small.items() if not self._holds(name, content)}
        if not lacking and not changed:
            return Brought()
        size = sum(found.targets[name].length for name in lacking) + sum(len(small[name]) for name in changed)
        self._spool.sweep()
        # A courier may have been here: what the core may be reading now is kept as well.
        kept = found.names() | (self._kept_before or set(self._spool.names()))
        delivery.make_room(self._spool, found.names(), size)
        for name in delivery.in_order(lacking | changed):
            if name in small:
                self._spool.write(name, small[name])
            else:
                file = self._partial / _partial_name(found.targets[name])
                self._spool.write(name, _pieces(file))
                for done in (file, file.with_name(f"{file.name}.etag")):
                    done.unlink(missing_ok=True)
            self._remember(name)
        self._kept_before = found.names()
        return Brought(len(lacking) + len(changed), size, delivery.prune(self._spool, kept))

    def _holds(self, name: str, content: bytes) -> bool:
        stamp = _stamp(self._spool, name)
        if stamp is None or self._spool.read(name, METADATA_LIMIT) != content:
            return False
        self._placed[name] = stamp
        return True

    def _remember(self, name: str) -> None:
        stamp = _stamp(self._spool, name)
        if stamp is not None:
            self._placed[name] = stamp


def client(folder: Path, fetcher: FetcherInterface, root: bytes) -> Updater:
    """The Update Framework's client as the link runs it.

    Args:
        folder: where it keeps what it trusts.
        fetcher: gives it the files of `METADATA_FOLDER`.
        root: root metadata to start from; what `folder` holds is only believed as far as that one vouches for it.
    """
    return Updater(
        metadata_dir=os.fspath(folder),
        metadata_base_url=METADATA_FOLDER,
        fetcher=fetcher,
        config=UpdaterConfig(max_root_rotations=_MAX_ROOT_ROTATIONS),
        bootstrap=root,
    )


def _file_of(target: TargetFile) -> str:
    """Where a target lies, in a publication and in the spool: its hash before its name."""
    sha256 = target.hashes.get("sha256")
    if sha256 is None:
        raise Malformed("A target is signed without a SHA-256.")
    folder, slash, name = target.path.rpartition("/")
    file = f"{TARGETS_FOLDER}/{folder}{slash}{sha256}.{name}"
    check_name(file)
    return file


def _partial_name(target: TargetFile) -> str:
    return target.hashes["sha256"]


def _target_info(updater: Updater, path: str) -> TargetFile:
    target = updater.get_targetinfo(path)
    if target is None:
        raise Missing(f"No role that may sign {path} names it.", "Ask headquarters whether this feed is published.")
    return target


def _metadata(file: Path, kind: type[T]) -> T:
    return _metadata_of(file.read_bytes(), kind)


def _metadata_of(content: bytes, kind: type[T]) -> T:
    metadata: Metadata[T] = Metadata.from_bytes(content)
    if not isinstance(metadata.signed, kind):
        raise RepositoryError("a role has the metadata of another role")
    return metadata.signed


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(256 * 1024):
            yield piece


def _stamp(spool: Spool, name: str) -> Stamp | None:
    """What tells one state of a file from the next; None where no plain file is."""
    if not spool.holds(name):
        return None
    about = (spool.root / name).lstat()
    return (about.st_ino, about.st_size, about.st_mtime_ns)


class Fetcher(FetcherInterface):
    """Gives The Update Framework's client the source's metadata; an unchanged timestamp costs no body."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._timestamp = Fetched(None)

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """A metadata file; our own errors go through the client as they are, but the end of the roots is its own."""
        try:
            if url == TIMESTAMP:
                return self._get_timestamp(max_length)
            return self._source.get(url, max_length).content or b""
        except Missing as error:
            raise DownloadHTTPError("not published", _NOT_FOUND) from error

    def _get_timestamp(self, limit: int) -> bytes:
        answer = self._source.get(TIMESTAMP, limit, self._timestamp.etag)
        if answer.content is not None:
            self._timestamp = answer
        return self._timestamp.content or b""

    def _fetch(self, url: str) -> Iterator[bytes]:
        """Not used: what is downloaded as a file goes through `Source.resume`."""
        raise DownloadError(f"{url} is not fetched piecewise")


def refusal(error: Exception) -> BytesRefused:
    """The Update Framework's error in our words."""
    for kind, ours, detail in _REFUSALS:
        if isinstance(error, kind):
            return ours(detail, advice=_AGAIN if ours in (Missing, Truncated) else None)
    return Malformed("Headquarters' metadata does not fit together.")


_REFUSALS: Final[tuple[tuple[type[Exception], type[BytesRefused], str], ...]] = (
    (UnsignedMetadataError, Unsigned, "Too few of the signatures that count are on headquarters' metadata."),
    (BadVersionNumberError, Older, "Headquarters' address has older metadata than this booth has seen."),
    (ExpiredMetadataError, Expired, "Headquarters' metadata is past its own expiry by this booth's clock."),
    (LengthOrHashMismatchError, Truncated, "A file is not, byte for byte, the one that was signed."),
    (DeserializationError, Truncated, "A metadata file at headquarters' address is not whole."),
    (DownloadHTTPError, Missing, "A metadata file that headquarters names is not at its address."),
)
