#!/usr/bin/env python
"""The link's client behind the command line that the public TUF conformance suite asks of a client.

`make conformance SUITE=FOLDER` runs the suite (theupdateframework/tuf-conformance, a checkout in FOLDER) against it.
What is asked goes over the link's own wire, Updater and root, to the suite's server on the loopback, without TLS.
Source: CLIENT-CLI.md of the suite
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import ssl
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from tuf.api.exceptions import DownloadError, LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Metadata, Root, TargetFile  # type: ignore[attr-defined]  # not re-exported
from tuf.ngclient import Updater  # type: ignore[attr-defined]  # documented there, not re-exported

from failsafe.sync.errors import Missing, SyncError
from failsafe.sync.link import ThreadSource, Wire
from failsafe.sync.records import METADATA_FOLDER, TARGETS_FOLDER
from failsafe.sync.refresh import Fetcher, Source, client

# Beside what is trusted and out of the suite's sight, as the link has its root from the welcome file.
_WELCOME = "welcome"


@contextmanager
def wired(url: str) -> Iterator[Source]:
    """The link's way to a server, with a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    wire = Wire(url, ssl.create_default_context())
    try:
        yield ThreadSource(wire, loop)
    finally:
        asyncio.run_coroutine_threadsafe(wire.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def begin(folder: Path, root: Path) -> None:
    """Keep the root that all begins with."""
    (folder / _WELCOME).mkdir()
    shutil.copyfile(root, folder / _WELCOME / "root")
    shutil.copyfile(root, folder / "root.json")


def refreshed(source: Source, folder: Path) -> Updater:
    """The link's client after a refresh."""
    updater = client(folder, Fetcher(source), (folder / _WELCOME / "root").read_bytes())
    updater.refresh()
    return updater


def fetch(source: Source, folder: Path, target: TargetFile, to: Path) -> None:
    """Have a target's file, whole and verified, or not at all."""
    file = to / quote(target.path, safe="")
    if file.exists() and _is_whole(file, target):
        return
    fresh = file.with_name(f"{file.name}.part")
    source.resume(f"{TARGETS_FOLDER}/{_published_as(folder, target)}", target.length, fresh)
    try:
        with fresh.open("rb") as opened:
            target.verify_length_and_hashes(opened)
        fresh.rename(file)
    finally:
        fresh.unlink(missing_ok=True)
        fresh.with_name(f"{fresh.name}.etag").unlink(missing_ok=True)


def _is_whole(file: Path, target: TargetFile) -> bool:
    try:
        with file.open("rb") as opened:
            target.verify_length_and_hashes(opened)
    except LengthOrHashMismatchError:
        return False
    return True


def _published_as(folder: Path, target: TargetFile) -> str:
    """Our own headquarters always puts the hash before the name; the suite also has repositories that do not."""
    root: Metadata[Root] = Metadata.from_file(str(folder / "root.json"))
    before, slash, name = target.path.rpartition("/")
    prefix = f"{next(iter(target.hashes.values()))}." if root.signed.consistent_snapshot else ""
    return f"{before}{slash}{prefix}{name}"


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--metadata-url", default="")
    parser.add_argument("--target-name", action="append", default=[])
    parser.add_argument("--target-dir", type=Path)
    parser.add_argument("--target-base-url", default="")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init").add_argument("trusted_root", type=Path)
    commands.add_parser("refresh")
    commands.add_parser("download")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Do what the suite asks; 0 if it was done, 1 if it was refused."""
    asked = _arguments(words)
    if asked.command == "init":
        begin(asked.metadata_dir, asked.trusted_root)
        return 0
    try:
        with wired(asked.metadata_url.rstrip("/").removesuffix(METADATA_FOLDER)) as source:
            updater = refreshed(source, asked.metadata_dir)
            for name in asked.target_name:
                target = updater.get_targetinfo(name)
                if target is None:
                    raise Missing("No role that may sign this target names it.")
                fetch(source, asked.metadata_dir, target, asked.target_dir)
    except (SyncError, RepositoryError, DownloadError) as error:
        print(f"refused: {type(error).__name__}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
