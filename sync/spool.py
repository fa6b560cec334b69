"""Folders that one process writes and another, which does not trust it, reads.

A file appears whole or not at all: temporary file in the same folder, fsync, rename, fsync of the folder. A reader
never follows a link, never waits on a pipe and never reads past a limit: every folder on the way and the file itself
are opened with O_NOFOLLOW relative to the folder before, and only a regular file is read. Names are relative, made of
plain letters, and checked before anything touches the disk. An unfinished file starts with a dot and has no name here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
import threading
from collections import deque
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from failsafe.sync.errors import Malformed, Missing, SpoolFault, Truncated

# A percent sign, because TUF writes the names of its roles percent-encoded.
_PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._%-]{0,191}")
_MAX_PARTS: Final = 8
_CHUNK: Final = 256 * 1024
_NO_LINK: Final = os.O_NOFOLLOW | os.O_CLOEXEC
_SYNCED_AT_ONCE: Final = 16

_FULL: Final = "Remove old publications from the spool, or raise its quota, then bring the publication again."
_ODD: Final = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO})

MAX_FILES: Final = 20_000
MAX_BYTES: Final = 4 * 1024**3


Mark = tuple[int, int]  # a folder's inode, and when a file last came or went, in nanoseconds
Stamp = tuple[int, ...]  # by what a file is told from others of its name: inode, size, when it was changed, nanoseconds


@dataclass(frozen=True, slots=True)
class Usage:
    """What a spool holds, unfinished files included."""

    files: int
    bytes: int


def check_name(name: str) -> tuple[str, ...]:
    """The parts of a safe relative name, `metadata/1.root.json` for instance.

    Raises:
        Malformed: the name is absolute, climbs, is hidden, too deep, or has letters no publication uses.
    """
    parts = tuple(name.split("/"))
    if len(parts) > _MAX_PARTS or not all(_PART.fullmatch(part) for part in parts):
        raise Malformed("A file name is not one that a publication uses.")
    return parts


class Spool:
    """A folder tree of whole files.

    Args:
        root: the folder; it must exist before anything is written.
        max_files: quota on the number of files; only writing is refused when it is reached.
        max_bytes: quota on the total size.
        file_mode: mode of new files, whatever the umask.
        folder_mode: least mode of new folders; a set-group-ID bit is inherited, never set (systemd may forbid it).
    """

    def __init__(
        self,
        root: Path,
        max_files: int = MAX_FILES,
        max_bytes: int = MAX_BYTES,
        *,
        file_mode: int = 0o640,
        folder_mode: int = 0o750,
    ) -> None:
        self.root = root
        self.max_files = max_files
        self.max_bytes = max_bytes
        self._file_mode = file_mode
        self._folder_mode = folder_mode
        self._usage: Usage | None = None
        self._counting = threading.Lock()

    def read(self, name: str, limit: int) -> bytes:
        """The content of a file of at most `limit` bytes.

        Raises:
            Missing: there is no such file.
            Truncated: it is longer than `limit`.
            Malformed: it is a link, a folder, a pipe or a device, or the name is not safe.
            SpoolFault: the folder cannot be read.
        """
        with self._opened(name) as descriptor:
            if os.fstat(descriptor).st_size > limit:
                raise Truncated(f"A file is longer than the {limit} bytes it may have.")
            pieces: list[bytes] = []
            left = limit + 1
            while left > 0 and (piece := os.read(descriptor, min(left, _CHUNK))):
                pieces.append(piece)
                left -= len(piece)
        if left == 0:  # it grew while it was read
            raise Truncated(f"A file is longer than the {limit} bytes it may have.")
        return b"".join(pieces)

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a file piece by piece, for copying; errors as `read`."""
        with self._opened(name) as descriptor:
            while piece := os.read(descriptor, _CHUNK):
                yield piece

    def size(self, name: str) -> int:
        """Length of a file in bytes; errors as `read`."""
        with self._opened(name) as descriptor:
            return os.fstat(descriptor).st_size

    def holds(self, name: str) -> bool:
        """Whether a plain file of that name is there."""
        try:
            self.size(name)
        except (Missing, Malformed):
            return False
        return True

    def write(self, name: str, content: bytes | Iterable[bytes]) -> int:
        """Put a file in place, whole, and return its length; a file of that name is replaced.

        Raises:
            Malformed: the name is not safe, or a link or folder stands where the file or its folder belongs.
            SpoolFault: the disk refuses, or the quota is reached; nothing is left behind.
        """
        parts = check_name(name)
        pieces = (content,) if isinstance(content, bytes) else content
        try:
            with self._folder(parts[:-1], make=True) as folder:
                return self._replace(folder, parts[-1], pieces)
        except OSError as error:
            raise self._fault(error) from error

    def write_many(self, folder: str, files: Iterable[tuple[str, bytes]]) -> int:
        """Put many small files in place in one folder, each whole, and return how many; errors as `write`.

        They are synced side by side, and their folder once at the end: a disk takes many at a time as it takes one.
        What was put in place before an error stays.
        """
        parts = check_name(folder)
        try:
            with self._folder(parts, make=True) as opened, ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool:
                self._usage = self._usage or self.usage()
                written = 0
                waiting: deque[Future[None]] = deque()  # bounded, so that what is not yet written stays small
                for name, content in files:
                    waiting.append(pool.submit(self._put, opened, name, content))
                    written += 1
                    if len(waiting) > 4 * _SYNCED_AT_ONCE:
                        waiting.popleft().result()
                while waiting:
                    waiting.popleft().result()
                os.fsync(opened)
                return written
        except OSError as error:
            raise self._fault(error) from error

    def _put(self, folder: int, name: str, content: bytes) -> None:
        """One of many: as `write`, but whoever calls syncs the folder."""
        check_name(name)
        self._replace(folder, name, (content,), sync_folder=False)

    def remove_many(self, names: Iterable[str]) -> int:
        """Take many files away, and return how many; each folder is synced once. Errors as `remove`."""
        folders: dict[tuple[str, ...], list[str]] = {}
        for name in names:
            *parts, file = check_name(name)
            folders.setdefault(tuple(parts), []).append(file)
        removed = 0
        try:
            for place, files in folders.items():
                with self._folder(place) as folder, ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool:
                    removed += sum(pool.map(partial(_unlink, folder), files))
                    os.fsync(folder)
        except OSError as error:
            raise self._fault(error) from error
        finally:
            self._usage = None
        return removed

    def remove(self, name: str) -> None:
        """Take a file away; a file that is not there is fine.

        Raises:
            SpoolFault: the disk refuses.
        """
        parts = check_name(name)
        try:
            with self._folder(parts[:-1]) as folder:
                size = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_size
                os.unlink(parts[-1], dir_fd=folder)
                os.fsync(folder)
                self._count(-1, -size)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._fault(error) from error

    def names(self, prefix: str = "") -> list[str]:
        """The names of the plain files whose name starts with `prefix`, sorted; others are not listed.

        Only the prefix's folder is walked: `keys/` may hold a file for each of many thousand booths.

        Raises:
            Malformed: a link stands where the prefix has a folder.
            SpoolFault: the spool is not there or cannot be read.
        """
        below = self._walk(prefix.rpartition("/")[0])
        return sorted(name for name, _ in below if name.startswith(prefix) and _is_safe(name))

    def mark(self, folder: str) -> Mark | None:
        """By what a folder tells that a file in it came or went, not what is in them; None where it is not there.

        Raises:
            Malformed: a link stands where the folder should.
            SpoolFault: the spool is not there or cannot be read.
        """
        try:
            with self._folder(check_name(folder)) as descriptor:
                about = os.fstat(descriptor)
        except OSError as error:
            fault = self._fault(error)
            if isinstance(fault, Missing):
                return None
            raise fault from error
        return about.st_ino, about.st_mtime_ns

    def stamps(self, folder: str, files: Iterable[str]) -> dict[str, Stamp]:
        """The stamps of those of `files` that are plain files in this folder.

        It costs what is asked, however much lies there.

        Raises:
            Malformed: a link stands where the folder should.
            SpoolFault: the spool is not there or cannot be read.
        """
        found: dict[str, Stamp] = {}
        try:
            with self._folder(check_name(folder)) as descriptor:
                for file in files:
                    with contextlib.suppress(FileNotFoundError):
                        about = os.stat(file, dir_fd=descriptor, follow_symlinks=False)
                        if stat.S_ISREG(about.st_mode):
                            found[file] = (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        except OSError as error:
            fault = self._fault(error)
            if not isinstance(fault, Missing):
                raise fault from error
        return found

    def exceeds(self, folder: str, number: int) -> bool:
        """Whether more than `number` of anything lie in this folder; no more are looked at. Errors as `stamps`."""
        return len(list(self._entries(folder, number + 1))) > number

    def beside(self, folder: str, known: Container[str], at_most: int) -> list[str]:
        """What lies in a folder of one's own beside the files one knows of, unfinished files left out.

        As the disk has it, in no order, whatever it is: names may be none that a spool has, so only `drop` takes them.
        Errors as `stamps`.
        """
        others = (name for name in self._entries(folder) if not name.startswith(".") and name not in known)
        return list(islice(others, at_most))

    def drop(self, folder: str, entries: Iterable[str]) -> int:
        """Take away files, links and empty folders that `beside` found, and return how many.

        Raises:
            Malformed: a link stands where the folder should.
            SpoolFault: the disk refuses.
        """
        entries = tuple(entries)
        if not entries:
            return 0
        try:
            with self._folder(check_name(folder)) as descriptor:
                dropped = sum(_is_dropped(descriptor, entry) for entry in entries)
                os.fsync(descriptor)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._fault(error) from error
        finally:
            self._usage = None
        return dropped

    def usage(self) -> Usage:
        """Number and total size of all files, counted now.

        Raises:
            SpoolFault: the folder is not there or cannot be read.
        """
        sizes = [size for _, size in self._walk()]
        self._usage = Usage(len(sizes), sum(sizes))
        return self._usage

    def sweep(self) -> int:
        """Remove what killed writers left and say how many files that were; files being written stay."""
        swept = 0
        for name, _ in self._walk():
            if name.rpartition("/")[2].startswith(".") and _is_abandoned(self.root / name):
                (self.root / name).unlink(missing_ok=True)
                swept += 1
        self._usage = None
        return swept

    # --- below here: one file at a time, relative to open folders -------------------------------------------

    @contextlib.contextmanager
    def _folder(self, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
        """Descriptor of a folder below the root, opened step by step so that no link is followed."""
        # The root is the administrator's own choice and may be a link.
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts:
                if make:
                    self._make_folder(part, descriptor)
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def _make_folder(self, part: str, parent: int) -> None:
        try:
            os.mkdir(part, self._folder_mode, dir_fd=parent)
        except FileExistsError:
            return
        mode = stat.S_IMODE(os.stat(part, dir_fd=parent, follow_symlinks=False).st_mode)
        if mode & self._folder_mode != self._folder_mode:  # a strict umask took bits away
            os.chmod(part, mode | self._folder_mode, dir_fd=parent)
        os.fsync(parent)

    def _entries(self, folder: str, at_most: int | None = None) -> Iterator[str]:
        """What a folder has, as the disk gives it; nothing where there is no folder."""
        try:
            with self._folder(check_name(folder)) as descriptor, os.scandir(descriptor) as entries:
                yield from (entry.name for entry in islice(entries, at_most))
        except OSError as error:
            fault = self._fault(error)
            if not isinstance(fault, Missing):
                raise fault from error

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        """Descriptor of a regular file; O_NONBLOCK so that opening a pipe does not wait for its other end."""
        parts = check_name(name)
        try:
            with self._folder(parts[:-1]) as folder:
                descriptor = os.open(parts[-1], os.O_RDONLY | os.O_NONBLOCK | _NO_LINK, dir_fd=folder)
        except OSError as error:
            raise self._fault(error) from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Malformed("Something that is no plain file stands in a publication.")
            yield descriptor
        except OSError as error:
            raise self._fault(error) from error
        finally:
            os.close(descriptor)

    def _replace(self, folder: int, name: str, pieces: Iterable[bytes], *, sync_folder: bool = True) -> int:
        """Write beside, then rename over `name`; whatever goes wrong, the unfinished file is removed."""
        replaced = _size_of(name, folder)
        room = self._room(replaced)
        beside = f".{secrets.token_hex(8)}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK
        descriptor = os.open(beside, flags, self._file_mode, dir_fd=folder)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH)  # tells `sweep` that its writer lives
                os.fchmod(descriptor, self._file_mode)
                length = self._fill(descriptor, pieces, room)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside, dir_fd=folder)
            raise
        if sync_folder:
            os.fsync(folder)
        self._count(0 if replaced is not None else 1, length - (replaced or 0))
        return length

    def _room(self, replaced: int | None) -> int:
        """How many bytes a file may have that replaces one of `replaced` bytes (None: a new file)."""
        usage = self._usage or self.usage()
        if replaced is None and usage.files >= self.max_files:
            raise SpoolFault(f"The spool holds its {self.max_files} files.", _FULL)
        return self.max_bytes - usage.bytes + (replaced or 0)

    def _fill(self, descriptor: int, pieces: Iterable[bytes], room: int) -> int:
        """Write the pieces, `room` bytes at most; length in bytes."""
        length = 0
        for piece in pieces:
            length += len(piece)
            if length > room:
                raise SpoolFault(f"The spool's {self.max_bytes} bytes do not suffice.", _FULL)
            view = memoryview(piece)
            while view:
                view = view[os.write(descriptor, view) :]
        return length

    def _count(self, files: int, size: int) -> None:
        with self._counting:
            if self._usage is not None:
                self._usage = Usage(self._usage.files + files, self._usage.bytes + size)

    def _walk(self, below: str = "") -> Iterator[tuple[str, int]]:
        """Name and size of every regular file, of one folder's or all; links are neither listed nor entered."""
        parts = check_name(below) if below else ()
        try:
            with self._folder(parts) as top:
                for folder, folders, files, descriptor in os.fwalk(".", dir_fd=top):
                    inside = (*parts, *PurePosixPath(folder).parts)
                    if len(inside) >= _MAX_PARTS - 1:  # what lies deeper has no name here, and may have no end
                        folders.clear()
                    for file in files:
                        size = _size_of(file, descriptor)
                        if size is not None:
                            yield "/".join((*inside, file)), size
        except OSError as error:
            fault = self._fault(error)
            if not isinstance(fault, Missing):
                raise fault from error

    def _fault(self, error: OSError) -> Missing | Malformed | SpoolFault:
        """Our error for the system's; a root that is not there is a fault, a file that is not there is missing."""
        if isinstance(error, FileNotFoundError) and self.root.is_dir():
            return Missing("A file that should be in the publication is not there.")
        # ELOOP is a link, ENOTDIR a file or link in a folder's place, EISDIR a folder in a file's, ENXIO a socket.
        if error.errno in _ODD:
            return Malformed("A link or folder stands where a plain file belongs.")
        return SpoolFault(f"The spool folder cannot be used ({os.strerror(error.errno or 0)}).")


def _is_safe(name: str) -> bool:
    try:
        check_name(name)
    except Malformed:
        return False
    return True


def _size_of(name: str, folder: int) -> int | None:
    """Size of a regular file, None where there is none."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _unlink(folder: int, name: str) -> bool:
    """Whether there was such a file to take away."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def _is_dropped(folder: int, entry: str) -> bool:
    """Whether it could be taken away; a folder that holds anything cannot."""
    try:
        if not _unlink(folder, entry):
            return False
    except IsADirectoryError:
        try:
            os.rmdir(entry, dir_fd=folder)
        except OSError:
            return False
    return True


def _is_abandoned(file: Path) -> bool:
    """Whether nobody is writing an unfinished file: its writer holds a lock as long as it lives."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | _NO_LINK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
