"""The booth's hold on its notices: the mirror, its index, their age, and the taking of what the spool brings.

The intake thread looks into `spool/in`, verifies, applies and makes the new index: over the large segment
that is held a small one of what came since, or where that has grown, a new large one once nothing else is to do. It
follows removals through until nothing of them is left on the disk (`purging`).
Verdicts go on from the old index meanwhile, and what takes long is done in a process of its own (`backroom`). The
booth's own thread matches, over its own connection. After a start a
third one reads the mirror through (`checks`), and nobody is cleared until it has.
"""

from __future__ import annotations

import ctypes
import gc
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from failsafe.agent.backroom import Backroom, BackroomLost, Publication, PutOff
from failsafe.agent.checks import Checks
from failsafe.agent.config import Configuration
from failsafe.agent.holding import Holding
from failsafe.agent.keys import BoothKeys
from failsafe.agent.person import names
from failsafe.agent.person.index import Index
from failsafe.agent.precedence import Precedence
from failsafe.agent.purging import Purged, Turns
from failsafe.agent.recorder import whereabouts
from failsafe.sync import intake, mirror, trust
from failsafe.sync.errors import Awaited, Expired, Missing, SpoolFault, StoreBroken, StoreDamaged, SyncError
from failsafe.sync.feed import Floor
from failsafe.sync.intake import Taken
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import METADATA_FOLDER, TARGETS_FOLDER, TIMESTAMP_FILE, WELCOME_FILE, NameRow, Notice
from failsafe.sync.reports import FeedState
from failsafe.sync.spool import Spool

LOOK_EVERY_S: Final = 0.1  # three names in a folder; a delta is to be searched a second after it came
EXAMINE_EVERY_S: Final = 1.0
TRY_AGAIN_S: Final = 60.0
PURGE_AGAIN_S: Final = 600.0  # where the disk had no room for it
# What has been read through in this time needs no waiting for in a verdict.
_AT_ONCE_S: Final = 0.2
# More than this, of payloads or of notices, is taken and bound in the back room: to start it takes half a second.
_AT_ONCE_BYTES: Final = 128 * 1024
_AT_ONCE_NOTICES: Final = 10_000
_PUT_OFF_AT_MOST: Final = 3
_LEAVE_AFTER_S: Final = 2.0  # a reading through that takes longer is left alone when the booth stops
_TIMESTAMP: Final = f"{METADATA_FOLDER}/{TIMESTAMP_FILE}"

_log = structlog.get_logger("notices")


@dataclass(frozen=True, slots=True)
class Edition:
    """The notices as they stand after an intake; what the booth's thread matches against."""

    index: Index
    floors: Mapping[str, Floor] = field(default_factory=dict)
    signed_at: float | None = None
    notices: int = 0
    listed: int = 0
    turn: int = 0  # of the index's large segment
    supplements: tuple[str, ...] = ()  # this booth's, by headquarters' last word

    def feeds(self) -> tuple[FeedState, ...]:
        """The serials a verdict is given on."""
        return tuple(FeedState(feed=name, lineage=at.lineage, serial=at.serial) for name, at in self.floors.items())

    def holds(self, wanted: tuple[str, ...]) -> bool:
        """Whether every configured feed is held and holds anything, and every supplement of theirs is held."""
        full = all(self.floors.get(name, Floor("", 0)).count > 0 for name in wanted)
        return bool(wanted) and full and self.floors.keys() >= set(self.supplements)


@dataclass(frozen=True, slots=True)
class News:
    """What the intake thread tells the booth: a new edition, why there is none, or both."""

    edition: Edition | None = None
    taken: Taken | None = None
    refusal: SyncError | None = None


class Notices:
    """Opens the mirror, looks after the spool, and tells `deliver` what came of it.

    Args:
        configuration: the booth's.
        keys: the booth's.
        ledger_floors: the floors the ledger remembers, as of now.
        deliver: called from the intake thread with each piece of news.
        purged: called from it when nothing is left any more of what was removed.
    """

    def __init__(
        self,
        configuration: Configuration,
        keys: BoothKeys,
        ledger_floors: Callable[[], Mapping[str, Floor]],
        deliver: Callable[[News], None],
        purged: Callable[[Purged], None] = lambda purged: None,
    ) -> None:
        self._configuration = configuration
        self._keys = keys
        self._ledger_floors = ledger_floors
        self._deliver = deliver
        self._purged = purged
        self._path = Path(configuration.folders.state) / "mirror.db"
        self._workplace = Path(configuration.folders.state) / "trust"
        self._spool = Spool(Path(configuration.folders.spool) / "in")
        self._stopping = threading.Event()
        self._broken = threading.Event()
        self._latest = Edition(Index.build(()))  # what was loaded last: its index is of its floors
        self.precedence = Precedence()
        self._holding = Holding(self.precedence)
        self._backroom = Backroom(self._path, keys.mirror)
        self._seen: object = None  # the publication that was looked at last
        self._put_off = 0  # merges in a row that something newer did not wait for
        self._turns = Turns()
        self._owed = False  # a purge, of what is loaded
        self._clean: Mapping[str, Floor] = {}  # the floors that were told last with nothing owed
        self._said = ""
        self._untidy = True  # much memory was used and given back since
        self._worth_another_try = False  # after a fault of the disk or a file that may still come
        self._awaited: tuple[str, ...] = ()  # supplements that were not in the spool at the last try
        self._checks = Checks(self.connect, self._broken.set)
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    @property
    def checked(self) -> bool:
        """Whether what is held is known to be whole; nobody is cleared before."""
        return self._checks.passed

    def load(self) -> Edition:
        """What is held: the edition to start with. It is read through meanwhile: see `checked`."""
        self._workplace.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._workplace.iterdir():  # a crash may have left a private folder behind
            shutil.rmtree(left, ignore_errors=True)
        try:
            with self.connect() as held:
                edition = self._load(held)
                self._checks.begin()  # loading may write, and who is sought is to be found first
            self._checks.wait(_AT_ONCE_S)
        except StoreDamaged as error:
            edition = self._set_aside(error)
        except SyncError as error:
            _log.error("mirror does not open", reason=error.reason, advice=error.advice)
            edition = self._nothing()
            self._broken.set()
        return edition

    def watch(self) -> None:
        """Begin to look into the spool; the ledger's floors must be known by now."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the step at hand, unless it is a long one, then end."""
        self._stopping.set()
        self._backroom.end()
        if self._thread.is_alive():
            self._thread.join(timeout=30)
        self._checks.wait(_LEAVE_AFTER_S)

    def connect(self) -> Mirror:
        """A connection to the mirror for the calling thread."""
        return Mirror.open(self._path, self._keys.mirror)

    def mistrust(self) -> None:
        """A reading of the mirror failed: have it examined, and set aside if it is damaged."""
        self._broken.set()

    # --- the intake thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        tried: object = None
        tried_at = float("-inf")
        while not self._stopping.is_set():
            try:
                if self._broken.is_set():
                    self._examine()
                    self._seen = None
                shown = self._shown()
                now = time.monotonic()  # noqa: TID251 - an edge: this thread waits by this clock
                self._checks.repeat(now)
                if shown is not None and (
                    shown != self._seen or (now - tried_at >= TRY_AGAIN_S and self._worth_another_try)
                ):
                    if shown != tried:
                        self._said = ""
                    self._seen, tried, tried_at = shown, shown, now
                    self._turns.stirred(now)
                    held = self._holding.turn
                    self._take()
                    self._untidy = self._untidy or self._holding.turn != held
                elif self._untidy:
                    self._untidy = False
                    _give_back()
                elif self._holding.grown:
                    self._untidy = True
                    self._merge()
                elif self._checks.passed and self._latest.floors:
                    self._follow_removals(now)
            except Exception as error:  # a fault of ours: say so and go on, rather than let the notices age unseen
                if self._stopping.is_set() and isinstance(error, BackroomLost):
                    return
                _log.error("intake met a fault of its own", fault=type(error).__name__, where=whereabouts(error))
                self._worth_another_try = True
                self._deliver(News(refusal=StoreBroken(f"The intake met {type(error).__name__}.")))
            self._stopping.wait(EXAMINE_EVERY_S if self._broken.is_set() else LOOK_EVERY_S)

    def _shown(self) -> object:
        """What tells one publication in the spool from the next; None where there is none, but a welcome perhaps."""
        marks = {}
        # What is awaited comes without another timestamp: the folder of each supplement tells.
        for name in (_TIMESTAMP, WELCOME_FILE, *(f"{TARGETS_FOLDER}/feed/{feed}" for feed in self._awaited)):
            with suppress(OSError):
                about = (self._spool.root / name).lstat()
                marks[name] = (about.st_ino, about.st_size, about.st_mtime_ns)
        return marks if _TIMESTAMP in marks else None

    def _take(self) -> None:
        try:
            with self.connect() as held:
                self._settle_names(held)
                taken = self._taken(held, self._ledger_floors(), self._reader(held))
                edition = self._after(held)
        except StoreDamaged as error:
            self._deliver(News(edition=self._set_aside(error), refusal=error))
            self._broken.set()  # looked at again at once, and the publication taken anew
        except SyncError as error:
            self._holding.forget()
            # A file may still come, and a clock that made a publication look expired may be set right.
            self._worth_another_try = isinstance(error, StoreBroken | SpoolFault | Missing | Expired)
            if str(error) != self._said:  # a disk that stays broken is tried again and again, and said once
                _log.warning("publication refused", reason=error.reason, detail=error.detail, advice=error.advice)
            self._said = str(error)
            self._awaited = error.feeds if isinstance(error, Awaited) else self._awaited
            self._deliver(News(refusal=error))
        else:
            self._worth_another_try = False
            self._said = ""
            self._awaited = ()
            if taken.floors:
                _log.info("notices taken", serials={name: floor.serial for name, floor in taken.floors.items()})
            self._deliver(News(edition=edition, taken=taken))

    def _taken(self, held: Mirror, floors: Mapping[str, Floor], reader: intake.Reader) -> Taken:
        """What the spool brings, taken here or, where that takes long, in the back room."""
        bind = self._holding.bind
        try:
            return intake.take(self._spool, held, floors, reader, self._forms, bind, at_most=_AT_ONCE_BYTES)
        except intake.TooMuch:
            with suppress(OSError):  # of a system that lets us start no process
                return self._backroom.take(Publication.of(self._spool, floors, reader))
            return intake.take(self._spool, held, floors, reader, names.forms, bind)

    def _reader(self, held: Mirror) -> intake.Reader:
        booth, hq = self._configuration.booth, self._configuration.hq
        root = held.held_metadata().get("root.json") or trust.root_from_welcome(self._spool, hq.root_sha256, booth.id)
        return intake.Reader(booth.id, hq.feeds, self._keys.sealing, root, self._workplace)

    def _after(self, held: Mirror) -> Edition | None:
        """The edition after an intake; where only the age moved, the index loaded last; None if nothing did."""
        if dict(held.floors()) != dict(self._latest.floors):
            return self._load(held)
        if held.signed_at() == self._latest.signed_at:
            return None
        self._latest = replace(self._latest, signed_at=held.signed_at())
        return self._latest

    def _merge(self) -> None:
        """A large segment of all that is held, in place of the old one and what came since."""
        try:
            with self.connect() as held:
                self._bind_anew(held)
                edition = self._load(held)
        except PutOff:
            self._put_off += 1
        except SyncError as error:  # the old ones still serve; the next publication has it tried again
            self._holding.grown = False
            _log.warning("index not merged", reason=error.reason, advice=error.advice)
        except BackroomLost:
            self._holding.grown = False
            _log.warning("index not merged", reason="back room lost")
        else:
            _log.info("index merged", notices=edition.notices)
            self._deliver(News(edition=edition))

    def _bind_anew(self, held: Mirror) -> None:
        if held.sizes().notices > _AT_ONCE_NOTICES:
            with suppress(OSError):  # as above
                self._backroom.merge(self._is_to_be_put_off)
                self._put_off = 0
                return
        held.bind(self._holding.bind)

    def _is_to_be_put_off(self) -> bool:
        """Whether a publication has come; one after another must not put a merge off for ever."""
        return self._put_off < _PUT_OFF_AT_MOST and self._shown() not in (None, self._seen)

    def _follow_removals(self, now: float) -> None:
        """Rid the mirror of what was removed, when its turn has come, and say when nothing is left."""
        if not self._owed:
            if self._latest.floors != self._clean:
                self._tell_purged(followed=False)
        elif self._turns.due(now, self._latest.notices + self._latest.listed):
            self._untidy = True
            self._purge(now)

    def _purge(self, began: float) -> None:
        try:
            with self.connect() as held:
                bound = held.bound()
                if bound is None or bound.gone:
                    self._bind_anew(held)
                    self._deliver(News(edition=self._load(held)))
                done = held.purge(self._is_to_be_put_off)
        except StoreDamaged:
            self._broken.set()
        except PutOff:  # what has come is taken first
            self._put_off += 1
        except SyncError as error:
            _log.warning("removed notices not purged yet", reason=error.reason, advice=error.advice)
            self._turns.delayed(began, PURGE_AGAIN_S)
        except BackroomLost:
            _log.warning("removed notices not purged yet", reason="back room lost")
            self._turns.delayed(began, PURGE_AGAIN_S)
        else:
            now = time.monotonic()  # noqa: TID251 - as above
            self._put_off = 0 if done else self._put_off + self._is_to_be_put_off()
            if done:
                self._turns.done(began, now)
                _log.info("removed notices purged", seconds=round(now - began, 1))
                self._tell_purged(followed=True)
            else:
                self._turns.delayed(now)

    def _tell_purged(self, *, followed: bool) -> None:
        self._owed, self._clean = False, self._latest.floors
        self._purged(Purged(dict(self._clean), followed, mirror.count_aside(self._path)))

    def _nothing(self) -> Edition:
        self._owed, self._clean = False, {}
        self._holding = Holding(self.precedence)
        self._latest = Edition(Index.build(()))
        return self._latest

    def _forms(self, notice: Notice) -> Iterable[NameRow]:
        self.precedence.give()
        return names.forms(notice)

    def _load(self, held: Mirror) -> Edition:
        self._settle_names(held)
        sizes = held.sizes()
        with _no_collection():
            index = self._holding.index(held)
            len(index.nuclear)  # made here and not by the first traveller's verdict
        self._latest = Edition(
            index=index,
            floors=held.floors(),
            signed_at=held.signed_at(),
            notices=sizes.notices,
            listed=sizes.listed,
            turn=self._holding.turn,
            supplements=tuple(feed for portion in held.portions().values() for feed in portion.feeds),
        )
        self._owed = held.owes_purge()
        return self._latest

    def _settle_names(self, held: Mirror) -> None:
        """Have the names derived by today's rules; of an empty mirror that is said before anything is taken."""
        if held.edition() != names.EDITION:
            held.rederive(names.forms, names.EDITION)

    def _examine(self) -> None:
        self._broken.clear()
        try:
            with self.connect() as held:
                held.check()
                edition = self._load(held)
            self._checks.settle()
        except StoreDamaged as error:
            self._deliver(News(edition=self._set_aside(error), refusal=error))
        except SyncError as error:
            self._deliver(News(refusal=error))
            self._broken.set()
        else:
            self._deliver(News(edition=edition))

    def _set_aside(self, error: SyncError) -> Edition:
        """Put the damaged mirror where it can be examined; nothing is held then."""
        try:
            with self._checks.held_back():
                kept = mirror.set_aside(self._path)
        except StoreBroken as refused:  # the folder cannot be written: it is tried again with the next look
            _log.error("damaged mirror stays in place", reason=refused.reason, advice=refused.advice)
            self._broken.set()
        else:
            _log.error("mirror set aside", reason=error.reason, kept=kept.name, advice=error.advice)
            self._checks.settle()
        return self._nothing()


def same_index(held: Edition, fresh: Edition) -> Edition:
    """A fresh edition that only moved the age keeps the index that is in use."""
    if fresh.floors and dict(fresh.floors) == dict(held.floors) and fresh.turn == held.turn:
        return replace(fresh, index=held.index, notices=held.notices, listed=held.listed)
    return fresh


def _give_back() -> None:
    """Hand free memory back to the system, which the C library would keep: of a million notices some 120 MB."""
    with suppress(OSError, AttributeError):  # another library than glibc
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def _no_collection() -> Iterator[None]:
    """A hundred thousand names are made and none is garbage: looking for some would stop verdicts for 30 ms and more.

    What was made is then set apart from what later collections look at.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
