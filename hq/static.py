"""The publication over HTTP: plain files under names that a publication uses, and nothing else on the machine.

A file is opened once, step by step without following links, and served from that descriptor: a publication that
replaces it meanwhile changes nothing for who reads. Its ETag names those very bytes, so that a broken transfer goes on
with Range and If-Range, and a timestamp that did not change costs a 304 without a body.
Source: RFC 9110, sections 13 and 14
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from failsafe.sync.errors import Malformed
from failsafe.sync.records import KEYS_FOLDER, METADATA_FOLDER, TARGETS_FOLDER
from failsafe.sync.spool import check_name

FOLDERS: Final = (METADATA_FOLDER, TARGETS_FOLDER, KEYS_FOLDER)
_CHUNK: Final = 256 * 1024
_NO_LINK: Final = os.O_NOFOLLOW | os.O_CLOEXEC
_HASHED: Final = re.compile(rf"{TARGETS_FOLDER}/(.+/)?[0-9a-f]{{64}}\.[^/]+")
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"
_RANGE: Final = re.compile(r"bytes=(\d{1,18})-(\d{1,18})?|bytes=-(\d{1,18})")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes `start` to `stop` (not included) of a file of `length` bytes."""

    start: int
    stop: int
    length: int


class Publication:
    """Answers GET and HEAD for the files below one folder.

    Args:
        root: the public folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    async def answer(self, request: Request) -> Response:
        """The response to a request for a file of the publication; 404 for everything that is none."""
        name = str(request.scope["path"]).removeprefix("/")
        descriptor = await run_in_threadpool(self._open, name)
        if descriptor is None:
            return Response(status_code=404)  # no body: a booth asks for the next root at every refresh
        handed_over = False
        try:
            status = os.fstat(descriptor)
            headers = {
                "ETag": f'"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"',
                "Cache-Control": _FOR_EVER if _HASHED.fullmatch(name) else _ASK_AGAIN,
                "Accept-Ranges": "bytes",
            }
            if _is_held(request, headers["ETag"]):
                return Response(status_code=304, headers=headers)
            piece = _piece(request, headers["ETag"], status.st_size)
            if piece is None:
                return Response(status_code=416, headers={"Content-Range": f"bytes */{status.st_size}"})
            handed_over = request.method != "HEAD"
            return _response(descriptor, piece, headers, head_only=not handed_over)
        finally:
            if not handed_over:
                os.close(descriptor)

    def _open(self, name: str) -> int | None:
        """Descriptor of a published file, None where there is none."""
        try:
            *folders, file = check_name(name)
        except Malformed:
            return None
        if not folders or folders[0] not in FOLDERS:
            return None
        opened: list[int] = []
        try:
            opened.append(os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            for folder in folders:
                opened.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK, dir_fd=opened[-1]))
            found = os.open(file, os.O_RDONLY | os.O_NONBLOCK | _NO_LINK, dir_fd=opened[-1])
        except OSError:
            return None
        finally:
            for descriptor in opened:
                os.close(descriptor)
        if stat.S_ISREG(os.fstat(found).st_mode):
            return found
        os.close(found)
        return None


def _is_held(request: Request, etag: str) -> bool:
    held = request.headers.get("if-none-match", "")
    return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in held.split(","))


def _piece(request: Request, etag: str, length: int) -> _Piece | None:
    """What to send; None if a range was asked for that the file does not have. Odd ranges are answered whole."""
    whole = _Piece(0, length, length)
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or request.headers.get("if-range", etag) != etag:
        return whole
    first, last, suffix = asked.groups()
    if suffix is not None:
        return _Piece(max(0, length - int(suffix)), length, length) if int(suffix) and length else None
    start = int(first)
    stop = min(length, int(last) + 1) if last is not None else length
    if last is not None and int(last) < start:
        return whole
    return _Piece(start, stop, length) if start < length else None


def _response(descriptor: int, piece: _Piece, headers: Mapping[str, str], *, head_only: bool) -> Response:
    is_part = (piece.start, piece.stop) != (0, piece.length)
    sent = {**headers, "Content-Length": str(piece.stop - piece.start)}
    if is_part:
        sent["Content-Range"] = f"bytes {piece.start}-{piece.stop - 1}/{piece.length}"
    status = 206 if is_part else 200
    kind = "application/octet-stream"
    if head_only:
        return Response(status_code=status, headers=sent, media_type=kind)
    return _FileResponse(descriptor, piece, status, sent, kind)


class _FileResponse(StreamingResponse):
    """Sends a piece of an open file, and closes it whatever happens to the connection."""

    def __init__(self, descriptor: int, piece: _Piece, status: int, headers: Mapping[str, str], kind: str) -> None:
        super().__init__(_chunks(descriptor, piece), status_code=status, headers=headers, media_type=kind)
        self._descriptor = descriptor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            os.close(self._descriptor)


async def _chunks(descriptor: int, piece: _Piece) -> AsyncIterator[bytes]:
    at = piece.start
    while at < piece.stop:
        chunk = await run_in_threadpool(os.pread, descriptor, min(_CHUNK, piece.stop - at), at)
        if not chunk:
            return
        at += len(chunk)
        yield chunk
