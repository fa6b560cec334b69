"""The back room: a process of the core's own for long work on the notices, so that no verdict waits for it.

A large list is taken and the index is made anew in it: the core's interpreter stays free for verdicts, and the memory
that such work wants is given back when the process ends. What it does it does in the mirror's own transaction, as the
core would, and the core reads the index's pages afterwards. It gets its keys by a pipe and leaves nothing on the disk
but the mirror. It ends with the core, for the pipe then closes; if it ends before its time, the mirror is as it was,
and the core tries again.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import structlog

from failsafe.agent.person import names, pages
from failsafe.agent.person.segment import Segment
from failsafe.sync import intake
from failsafe.sync.binding import Numbered
from failsafe.sync.errors import Awaited, SyncError
from failsafe.sync.feed import Floor
from failsafe.sync.intake import Reader, Taken
from failsafe.sync.journal import whereabouts
from failsafe.sync.mirror import Mirror
from failsafe.sync.seal import SealSecret
from failsafe.sync.spool import Spool

# Memory for decrypted pages: trees that are filled in no order are then written once. To read, little does.
_CACHE_KIB: Final = 128 * 1024
_NICENESS: Final = 10
# Where memory runs out the kernel is to end this process, not the core: the unit's own score is -600.
_RATHER_ME: Final = b"300"
_ASK_EVERY_S: Final = 0.1
_LENGTH: Final = struct.Struct(">Q")

_log = structlog.get_logger("notices")


class Publication(msgspec.Struct, frozen=True):
    """What is to be taken and by whom: the arguments of `intake.take` that a pipe can carry; `repr` shows no key."""

    spool: str
    floors: Mapping[str, Floor]
    booth: str
    feeds: tuple[str, ...]
    sealing: bytes
    root: bytes
    workplace: str

    def __repr__(self) -> str:
        return "Publication(...)"

    @classmethod
    def of(cls, spool: Spool, floors: Mapping[str, Floor], reader: Reader) -> Publication:
        """What `take` would be called with here."""
        return cls(
            spool=str(spool.root),
            floors=dict(floors),
            booth=reader.booth,
            feeds=tuple(reader.feeds),
            sealing=reader.sealing.secret,
            root=reader.root,
            workplace=str(reader.workplace),
        )

    def take(self, held: Mirror) -> Taken:
        """Take it."""
        reader = Reader(self.booth, self.feeds, SealSecret(self.sealing), self.root, Path(self.workplace))
        return intake.take(Spool(Path(self.spool)), held, self.floors, reader, names.forms, _bind)


class _Work(msgspec.Struct, frozen=True):
    """What the core hands in; without a publication the index is made anew of what is held."""

    mirror: str
    key: bytes
    publication: Publication | None = None

    def __repr__(self) -> str:
        return "_Work(...)"


class _Outcome(msgspec.Struct, frozen=True):
    """What comes out: what was taken, the error that says why not, or where a fault of our own was met."""

    taken: Taken | None = None
    error: str = ""
    detail: str = ""
    advice: str = ""
    feeds: tuple[str, ...] = ()
    fault: str = ""
    where: str = ""
    cpu_s: float = 0.0
    peak_mb: float = 0.0


class BackroomLost(Exception):
    """The back room ended before its work was done; the mirror is as it was."""


class PutOff(BackroomLost):
    """It was ended for something that is not to wait for it."""


class Backroom:
    """The core's side: at most one piece of work at a time; belongs to the intake thread but for `end`."""

    def __init__(self, mirror: Path, key: bytes) -> None:
        self._mirror = mirror
        self._key = key
        self._ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def take(self, publication: Publication) -> Taken:
        """As `intake.take`, in the other process.

        Raises:
            SyncError: as there.
            BackroomLost: it ended before its time.
        """
        taken = self._do(publication, lambda: False)
        assert taken is not None
        return taken

    def merge(self, put_off: Callable[[], bool] = lambda: False) -> None:
        """Make the index's pages anew of all that is held.

        Args:
            put_off: asked again and again whether something has come that is not to wait.

        Raises:
            SyncError: the mirror cannot be read, or does not take them.
            PutOff: something has come.
            BackroomLost: it ended before its time.
        """
        self._do(None, put_off)

    def end(self) -> None:
        """End what is being done, and begin nothing more; the mirror stays as it is."""
        self._ended.set()
        if (process := self._process) is not None:
            process.kill()

    def _do(self, publication: Publication | None, put_off: Callable[[], bool]) -> Taken | None:
        order = msgspec.msgpack.encode(_Work(str(self._mirror), self._key, publication))
        with subprocess.Popen(
            [sys.executable, "-I", "-m", "failsafe.agent.backroom"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            self._process = process
            if self._ended.is_set():  # `end` may have come before there was anything to end
                process.kill()
            said = _converse(process, order, put_off)
            self._process = None
        try:
            outcome = msgspec.msgpack.decode(said, type=_Outcome)
        except msgspec.DecodeError:  # cut short
            raise BackroomLost from None
        if outcome.fault:
            _log.error("back room met a fault of its own", fault=outcome.fault, where=outcome.where)
            raise BackroomLost
        _log.info("back room done", cpu_s=round(outcome.cpu_s, 1), peak_mb=round(outcome.peak_mb))
        if outcome.error:
            raise _refusal(outcome)
        return outcome.taken


def _converse(process: subprocess.Popen[bytes], order: bytes, put_off: Callable[[], bool]) -> bytes:
    """Hand in the order and wait for what comes out; the pipe in stays open, for its end is the process's."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(_LENGTH.pack(len(order)) + order)
        process.stdin.flush()
    except BrokenPipeError:  # it is gone: what was not read is thrown away, or closing would try to write it again
        with suppress(BrokenPipeError):
            process.stdin.close()
    while not select.select([process.stdout], [], [], _ASK_EVERY_S)[0]:
        if put_off():
            process.kill()
            raise PutOff
    return process.stdout.read()


def _refusal(outcome: _Outcome) -> SyncError:
    kind = next(kind for kind in _kinds(SyncError) if kind.__name__ == outcome.error)
    return Awaited(outcome.detail, outcome.feeds) if kind is Awaited else kind(outcome.detail, outcome.advice)


def _kinds(of: type[SyncError]) -> Iterator[type[SyncError]]:
    yield of
    for kind in of.__subclasses__():
        yield from _kinds(kind)


# --- the other process ---------------------------------------------------------------------------------------------


def main() -> None:
    """Do the one piece of work that comes in, say what came of it, and end."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whoever prints must not print into the outcome
    pipe = sys.stdin.fileno()
    work = msgspec.msgpack.decode(_read(pipe, *_LENGTH.unpack(_read(pipe, _LENGTH.size))), type=_Work)
    threading.Thread(target=_end_with_the_core, args=(pipe,), daemon=True).start()
    _stand_back()
    gc.disable()  # millions of objects, none of them garbage
    with out:
        out.write(msgspec.msgpack.encode(_outcome(work)))


def _read(pipe: int, length: int) -> bytes:
    read = b""
    while len(read) < length and (more := os.read(pipe, length - len(read))):
        read += more
    return read


def _end_with_the_core(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(1)


def _stand_back() -> None:
    """Verdicts go first; where the system forbids it, the two share the processor evenly."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(_RATHER_ME)


def _outcome(work: _Work) -> _Outcome:
    try:
        taken = _done(work)
    except SyncError as error:
        feeds = error.feeds if isinstance(error, Awaited) else ()
        outcome = _Outcome(error=type(error).__name__, detail=error.detail, advice=error.advice, feeds=feeds)
    except Exception as error:  # its text may quote a notice: it is not repeated
        outcome = _Outcome(fault=type(error).__name__, where=whereabouts(error))
    else:
        outcome = _Outcome(taken=taken)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return msgspec.structs.replace(outcome, cpu_s=used.ru_utime + used.ru_stime, peak_mb=_peak_mb())


def _peak_mb() -> float:
    """The most memory so far; what `getrusage` tells begins with that of the process that started this one."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def _done(work: _Work) -> Taken | None:
    path = Path(work.mirror)
    if work.publication is None:
        with Mirror.open(path, work.key) as held:
            held.bind(_bind)
        return None
    with Mirror.open(path, work.key, cache_kib=_CACHE_KIB) as held:
        return work.publication.take(held)


def _bind(lines: Iterator[Numbered]) -> Iterable[bytes]:
    return pages.written(Segment.build(lines))


if __name__ == "__main__":
    main()
