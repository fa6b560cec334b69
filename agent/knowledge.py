"""What the booth knows and keeps: notices in force, their age, its clock, and the ledger it writes to.

The posts ask it (it is their `Surroundings` but for showing verdicts). It belongs to the booth's thread; ledger and
intake work on threads of their own and answer through `deliver`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog

from failsafe.agent import alerts, disk_keys
from failsafe.agent.alerts import Circumstances
from failsafe.agent.checks import LedgerChecks
from failsafe.agent.config import Configuration, LaneTable
from failsafe.agent.fusion import MirrorState
from failsafe.agent.health import Change, Chronicle, mirror_age_s, mirror_state
from failsafe.agent.keys import BoothKeys
from failsafe.agent.notices import Edition, News, Notices, same_index
from failsafe.agent.person.matching import PersonFinding, match
from failsafe.agent.purging import Purged, noting
from failsafe.agent.radiation.n42_record import Draft
from failsafe.agent.recorder import Recorder
from failsafe.agent.traveller import Presented
from failsafe.sync.errors import Awaited, Older, StoreBroken, SyncError
from failsafe.sync.feed import Floor
from failsafe.sync.intake import Taken
from failsafe.sync.ledger import ClockMark, Ledger, higher
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import Notice
from failsafe.sync.reports import Alert, FeedState, HealthChange, Moment, Place, PurgeReceipt, SearchLine, utc

COMMIT_WAIT_S: Final = 0.5  # design: the ledger commit is tried before the verdict shows, at most this long
REMEMBER_CLOCK_S: Final = 60.0
_BUILT_IN: Final = 2026
_NOTHING: Final = PersonFinding(grade="none", candidates=(), listed=())

_NEWEST: Final = "Bring the newest publication."

_log = structlog.get_logger("booth")


class Knowledge:
    """Notices, clock and ledger of one booth.

    Args:
        configuration: the booth's.
        keys: the booth's.
        deliver: hands a call to the booth's thread; called from other threads.
    """

    def __init__(
        self, configuration: Configuration, keys: BoothKeys, deliver: Callable[[Callable[[float], None]], None]
    ) -> None:
        self.edition: Edition
        self.recorder = Recorder(self.open_ledger)
        self.refusal: SyncError | None = None
        self.mirror_fault: SyncError | None = None
        self._configuration = configuration
        self._keys = keys
        self._deliver = deliver
        self._state = Path(configuration.folders.state)
        self._notices = Notices(
            configuration,
            keys,
            self._floors,
            lambda news: deliver(lambda _: self._on_news(news)),
            lambda purged: deliver(lambda _: self._on_purged(purged)),
        )
        self._ledger_checks = LedgerChecks(self.open_ledger)
        self._mirror: Mirror | None = None
        self._awaited: tuple[str, ...] = ()  # supplements that headquarters says are ours and the spool has not
        # Until the ledger has been read, its floors and its last time are unknown: nothing is taken, nobody cleared.
        self._ledger_floors: dict[str, Floor] = {}
        self._chronicle = Chronicle(last_wall=float("inf"))
        self._lived_at = _boottime()
        self._remembered_at = float("-inf")
        self._changed: Callable[[], None] = lambda: None

    # --- beginning and end ---------------------------------------------------------------------------------------

    def open(self, changed: Callable[[], None]) -> None:
        """Load what is kept and begin to look into the spool; `changed` is called when verdicts may change by it."""
        self._changed = changed
        self.recorder.start()
        self.recorder.submit(self._read_ledger)
        self.edition = self._notices.load()
        self._declare_lanes()

    def close(self) -> None:
        """Finish what is being taken and written; what was recorded stays."""
        self._notices.stop()
        self._ledger_checks.stop()
        self._keep_clock()
        self.recorder.stop()

    def release(self) -> None:
        """Close what belongs to the calling (the booth's) thread."""
        if self._mirror is not None:
            self._mirror.close()
            self._mirror = None

    def open_ledger(self) -> Ledger:
        """A connection to the ledger for the calling thread.

        Raises:
            StoreBroken: folder, disk or key forbid it.
        """
        try:
            self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreBroken(f"The folder of the ledger cannot be made ({error.strerror}).") from error
        return Ledger.open(self._state / "ledger.db", self._keys.ledger)

    def _read_ledger(self, ledger: Ledger) -> None:
        mark, floors = ledger.clock(), ledger.floors()
        self._deliver(lambda _: self._remember(mark, floors))

    def _remember(self, mark: ClockMark | None, floors: Mapping[str, Floor]) -> None:
        self._ledger_floors = dict(floors)
        waited_s, self._chronicle = self._chronicle.elapsed_s, Chronicle()
        if mark is not None:
            known = Chronicle(mark.wall, mark.elapsed_s, mark.stepped_back, mark.version, mark.signed_at)
            known = replace(known, root=mark.root, keys=mark.keys)
            known = known.lived(waited_s, known.last_wall) if mark.boottime is None else known
            self._chronicle = known.slept(mark.boottime, self._lived_at)
        if self.is_put_back():
            self.refusal = Older("The notices on this device are older than those it has accepted.", _NEWEST)
            _log.error("mirror put back", reason=self.refusal.reason, advice=self.refusal.advice)
        self._hold_anew()
        self._declare_exchanges()  # not before: until here the clock is not trusted
        self._notices.watch()  # not before: without the ledger's floors nothing may be taken
        self._changed()

    def _floors(self) -> Mapping[str, Floor]:
        return dict(self._ledger_floors)

    def _declare_lanes(self) -> None:
        """Write down how each lane watches for radiation; what changed since the last start goes to headquarters."""
        for lane in self._configuration.lanes:
            self._declare(lane.name, f"lane {lane.name}", watched_with(self._configuration, lane))

    def _declare_exchanges(self) -> None:
        """Let headquarters know which of the databases' keys were exchanged, once for each time."""
        for key, at in disk_keys.exchanged(self._keys, self._state):
            self._declare(f"key {key}", f"{key.removesuffix('.key')} key", f"exchanged {at}")

    def _declare(self, subject: str, part: str, now: str) -> None:
        around = self.circumstances(None)
        declared = HealthChange(id=self.new_id(), at=around.at, place=around.place, part=part, was="", now=now)
        self.recorder.submit(declaring(subject, declared))

    # --- time ----------------------------------------------------------------------------------------------------

    def live(self, now: float) -> None:
        """Let time pass; what was lived is written down each minute."""
        boottime = _boottime()
        before, self._chronicle = self._chronicle, self._chronicle.lived(boottime - self._lived_at, wall_clock())
        self._lived_at = boottime
        stepped_back = self._chronicle.stepped_back and not before.stepped_back
        if stepped_back or now - self._remembered_at >= REMEMBER_CLOCK_S:
            self._remembered_at = now
            self._keep_clock()
        if self.recorder.begun.is_set():
            self._ledger_checks.repeat(now)

    def _keep_clock(self) -> None:
        kept, boottime = self._chronicle, self._lived_at
        if kept.last_wall == float("inf"):
            return
        mark = ClockMark(
            kept.last_wall,
            kept.elapsed_s,
            boottime,
            kept.stepped_back,
            kept.version,
            kept.signed_at,
            kept.root,
            kept.keys,
        )
        self.recorder.submit(lambda ledger: ledger.remember_clock(*mark), keep=False)

    @property
    def clock_trusted(self) -> bool:
        """Whether the wall clock may be believed."""
        return self._chronicle.trusts(wall_clock())

    def year(self) -> int:
        """The present year, for the century of a birth; never before this software was made."""
        return max(datetime.fromtimestamp(wall_clock(), UTC).year, _BUILT_IN)

    # --- notices -------------------------------------------------------------------------------------------------

    def feeds(self) -> tuple[str, ...]:
        """The feeds that the link shall bring: the configured ones, and this booth's supplements of them."""
        return (*self._configuration.hq.feeds, *(self._awaited or self.edition.supplements))

    def _on_news(self, news: News) -> None:
        self.refusal = news.refusal
        if isinstance(news.refusal, Awaited) and news.refusal.feeds != self._awaited:
            self._awaited = news.refusal.feeds
            self.refusal = None  # the link knows of it only from now on; if it stays away it is said
        if news.taken is not None:
            self._awaited = ()
        if news.edition is not None:
            self.edition = same_index(self.edition, news.edition)
            self.mirror_fault = None
            self._hold_anew()
        if news.taken is not None:
            hq_keys = news.taken.hq_keys
            self.recorder.submit(lambda ledger: ledger.keep_hq_keys(hq_keys))
            self._accept(news.taken)
            self._note_floors(news.taken)
        self._changed()

    def _accept(self, taken: Taken) -> None:
        """A new beginning of the age, where the timestamp is newer than any before and not only than the mirror's."""
        version, signed_at = taken.timestamp_version, taken.signed_at
        signer = (taken.root_version, taken.timestamp_keys)
        # The mirror may have it already, from a try that broke off behind it; a ledger that was lost cannot tell.
        news = taken.newer or self._chronicle.signed_at > 0
        if news and self._chronicle.is_surpassed_by(version, signed_at, *signer):
            self._lived_at = _boottime()  # what the device slept through before is not lived since
            self._chronicle = Chronicle.accepted(signed_at, version, *signer).lived(0.0, wall_clock())
            self._keep_clock()

    def _note_floors(self, taken: Taken) -> None:
        """Write down what is held now; a crash may have come between an earlier step and its note."""
        wanted = self._configuration.hq.feeds
        held = {feed: floor for feed, floor in self.edition.floors.items() if feed in wanted} | dict(taken.floors)
        for feed, floor in held.items():
            if self._ledger_floors.get(feed) != floor:
                self._ledger_floors[feed] = floor
                self.recorder.submit(_noting_floor(feed, floor))

    def _on_purged(self, purged: Purged) -> None:
        """Let headquarters know that nothing is left of what was removed; an older file put back proves nothing."""
        if self.is_put_back():
            return
        around = self.circumstances(None)
        receipt = lambda **step: PurgeReceipt(id=self.new_id(), at=around.at, place=around.place, **step)  # noqa: E731
        self.recorder.submit(noting(purged, receipt))

    def is_put_back(self) -> bool:
        """Whether the mirror holds less than this booth has accepted: an older file in its place clears nobody."""
        remembered = self._ledger_floors
        return any(higher({feed: at}, remembered)[feed] != at for feed, at in self.edition.floors.items())

    def match(self, presented: Presented) -> PersonFinding:
        """Ask index and mirror about a person; a mirror that cannot be read finds nothing and clears nobody."""
        if presented.traveller is None:
            return _NOTHING
        try:
            held = self.held()
            with held.at_one_moment(), self._notices.precedence.taken():
                return match(presented.traveller, self.edition.index, held)
        except SyncError as error:
            self._mirror_failed(error)
            return _NOTHING

    def notice(self, entity_id: str) -> Notice | None:
        """The whole notice, for second line."""
        try:
            return self.held().notice(entity_id)
        except SyncError as error:
            self._mirror_failed(error)
            return None

    def held(self) -> Mirror:
        """The booth's thread's own connection to the mirror.

        Raises:
            SyncError: it does not open.
        """
        if self._mirror is None:
            self._mirror = self._notices.connect()
        return self._mirror

    def _hold_anew(self) -> None:
        """Open the mirror before it is asked for, and the new one before the old one is closed.

        On a full disk a mirror that nobody has open cannot be opened: then every hit would pass as CANNOT CLEAR.
        """
        before, self._mirror = self._mirror, None
        try:
            self.held()
        except SyncError as error:
            self._mirror_failed(error)
        finally:
            if before is not None:
                before.close()

    def _mirror_failed(self, error: SyncError) -> None:
        _log.error("mirror cannot be read", reason=error.reason, advice=error.advice)
        self.mirror_fault = error
        self._mirror = None
        self._notices.mistrust()

    def mirror(self) -> tuple[MirrorState, float | None, tuple[FeedState, ...]]:
        """State and age of the notices now, and their serials."""
        limits = self._configuration.mirror
        age_s = mirror_age_s(self.edition.signed_at, self._chronicle, wall_clock())
        state = mirror_state(
            held=self.mirror_fault is None and self.edition.holds(self._configuration.hq.feeds),
            age_s=age_s,
            stale_after_s=limits.stale_after_h * 3600,
            expired_after_s=limits.expired_after_h * 3600,
            checked=self._notices.checked,
        )
        if state in ("FRESH", "STALE") and self.is_put_back():
            state, age_s = "UNKNOWN", None
        return state, age_s, self.edition.feeds()

    # --- records -------------------------------------------------------------------------------------------------

    def circumstances(self, lane: str | None) -> Circumstances:
        """When and where, for a record made now."""
        booth = self._configuration.booth
        wall = wall_clock()
        _, age_s, feeds = self.mirror()
        return Circumstances(
            at=Moment(wall=utc(wall), monotonic_s=round(monotonic(), 3), trusted=self._chronicle.trusts(wall)),
            place=Place(
                booth=booth.id,
                country=booth.country,
                crossing_point=booth.crossing_point,
                lane=lane,
                latitude=booth.latitude,
                longitude=booth.longitude,
            ),
            mirror=feeds,
            mirror_age_s=age_s,
        )

    def new_id(self) -> str:
        """A fresh UUID version 7."""
        return alerts.uuid7(wall_clock(), secrets.token_bytes(10))

    def recording(self) -> bool:
        """Whether the ledger takes records, and keeps those it took."""
        return self.ledger_fault is None

    @property
    def ledger_fault(self) -> SyncError | None:
        """Why the ledger does not take records, or what of it is damaged."""
        return self.recorder.fault or self._ledger_checks.fault

    def record(self, raised: Sequence[Alert], search: SearchLine) -> bool:
        """Commit alerts and search line together; False if that did not come about within half a second."""

        def write(ledger: Ledger) -> None:
            with ledger.together():
                for alert in raised:
                    ledger.append(alert)
                ledger.log_search(search)

        return self.recorder.submit(write).wait(COMMIT_WAIT_S)

    def attach(self, draft: Draft) -> None:
        """Record what was counted in an alert's passage, behind the alert itself."""
        self.recorder.submit(lambda ledger: ledger.append(draft.measurement()))

    def record_health(self, change: Change) -> None:
        """Write down that a part changed its state."""
        around = self.circumstances(None)
        body = HealthChange(
            id=self.new_id(),
            at=around.at,
            place=around.place,
            part=change.part,
            was=change.was,
            now=change.now,
            detail=change.detail,
        )
        self.recorder.submit(lambda ledger: ledger.append(body))

    def try_recorder(self, timeout_s: float) -> dict[str, object]:
        """Have the ledger's writer write something that changes nothing; for any thread but its own."""
        began = monotonic()
        written = self.recorder.try_once(_writing_nothing_new, timeout_s)
        fault = self.recorder.fault
        return {
            "recorded": written is True,
            "ms": round((monotonic() - began) * 1e3, 1),
            "advice": fault.advice if fault else "",
        }

    def shift(self) -> str:
        """The shift's name for the search log."""
        return self._configuration.page.shift


def watched_with(configuration: Configuration, lane: LaneTable) -> str:
    """What a lane watches for radiation with and how strictly, in one line: each change of it is one record."""
    if lane.radiation == "none":
        return "none declared"
    portals = [portal for portal in configuration.portals if portal.lane == lane.name]
    named = [
        f"{portal.name} ({portal.driver}{f', nsigma {portal.nsigma:g}' if portal.nsigma else ''})" for portal in portals
    ]
    measures = f", measuring {lane.measuring_s:g} s" if lane.kind == "static" else ""
    allowed = f"false alarms {lane.false_alarms_gamma:g} gamma, {lane.false_alarms_neutron:g} neutron"
    return f"{' '.join(named) or 'no detector'}; {lane.kind} lane{measures}; {allowed}"


def declaring(subject: str, declared: HealthChange) -> Callable[[Ledger], object]:
    """Writes how a lane (or a key) stands, and tells headquarters, if it is not what was written last of it."""

    def write(ledger: Ledger) -> None:
        with ledger.together():
            was = ledger.settings().get(subject, "")
            if ledger.note_setting(declared.at.wall, subject, declared.now):
                ledger.append(msgspec.structs.replace(declared, was=was))

    return write


def _writing_nothing_new(ledger: Ledger) -> None:
    """Write the clock's mark that is there again: that goes to the disk, and says nothing new."""
    mark = ledger.clock()
    ledger.remember_clock(*(mark or ClockMark(0.0, 0.0)))


def _noting_floor(feed: str, floor: Floor) -> Callable[[Ledger], object]:
    return lambda ledger: ledger.note_floor(feed, floor)


def monotonic() -> float:
    """Seconds of the monotonic clock: here and in the edges beside it is where time comes from."""
    return time.monotonic()  # noqa: TID251


def wall_clock() -> float:
    """UTC seconds since 1970 as the device believes them."""
    return time.time()  # noqa: TID251


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)  # goes on while the device sleeps
