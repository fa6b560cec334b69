"""What the booth says of itself, in one place, so that page, `failsafe status` and log agree. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from failsafe.agent.config import BoothTable, LaneTable
from failsafe.agent.fusion import MirrorState
from failsafe.agent.health import HealthBook
from failsafe.agent.notices import Edition
from failsafe.agent.page.view import DetectorView, HeaderView, LinkView
from failsafe.sync.errors import LedgerDamaged, SyncError
from failsafe.sync.ledger import Ledger, Undelivered
from failsafe.sync.reports import Heartbeat, LinkState, Moment, PartState, utc

# A line that is down is everyday life at a booth; these need somebody.
_LINK_FAULTS: Final = {
    "tls-refused": "The link cannot connect: a certificate is refused.",
    "hq-refuses": "Headquarters refuses what the link sends or asks for.",
    "feed-refused": "What the link brings is refused.",
}
_NOT_CURRENT: Final[dict[MirrorState, str]] = {
    "EXPIRED": "The notices are too old.",
    "EMPTY": "No notices are held.",
    "UNKNOWN": "The age of the notices is not known.",
    "CHECKING": "The notices are being checked.",
}


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the booth could say of the next traveller, in a word, and the sentences that tell why.

    CANNOT CLEAR: in a lane at least, nobody can be cleared. ATTENTION: people can, and somebody has something to do.
    """

    word: Literal["READY", "ATTENTION", "CANNOT CLEAR"]
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """The booth's parts at one moment; `wall` is UTC seconds, ages and waits are seconds."""

    booth: BoothTable
    wall: float
    clock_trusted: bool
    mirror: MirrorState
    mirror_age_s: float | None
    edition: Edition
    refusal: SyncError | None
    mirror_fault: SyncError | None
    ledger_fault: SyncError | None
    tray_fault: SyncError | None
    undelivered: Undelivered
    alerts_waiting: Undelivered
    ledger_head: str
    detectors: tuple[DetectorView, ...]
    own_fault: bool
    stands_still: bool = False  # the page says so by itself: it gets no view any more
    lanes: tuple[LaneTable, ...] = ()
    link: LinkState | None = None  # nobody signs it: shown, never acted on
    link_floods: bool | None = None  # None: nobody has looked yet

    @property
    def oldest_undelivered_s(self) -> float | None:
        """How long the oldest record has waited for headquarters' receipt."""
        return self.since(self.undelivered.oldest)

    @property
    def oldest_alert_s(self) -> float | None:
        """How long the oldest alert has waited for headquarters' receipt."""
        return self.since(self.alerts_waiting.oldest)

    def link_view(self) -> LinkView | None:
        """What may be shown of the link; its times are its own and nobody's signature stands for them."""
        if self.link is None:
            return None
        contact = self.link.last_contact
        return LinkView(
            state=self.link.state,
            detail=self.link.detail,
            since=self.link.since,
            since_s=self.since(self.link.since),
            last_contact=contact,
            last_contact_s=self.since(contact),
        )

    def since(self, moment: str | None) -> float | None:
        """Seconds from an ISO 8601 moment until now, never less than 0; None if it is no such moment."""
        if moment is None:
            return None
        try:
            return max(0.0, round(self.wall - datetime.fromisoformat(moment).timestamp(), 1))
        except (ValueError, OverflowError):
            return None

    def faults(self) -> tuple[str, ...]:
        """What is wrong with the booth, each with what to do, in words for people."""
        faults = []
        if self.ledger_fault is not None:
            damaged = isinstance(self.ledger_fault, LedgerDamaged)
            what = "The ledger is damaged." if damaged else "The ledger cannot record."
            faults.append(f"{what} {self.ledger_fault.advice}")
        if self.tray_fault is not None:
            faults.append(f"Alerts cannot be laid out for the link. {self.tray_fault.advice}")
        if self.mirror_fault is not None:
            faults.append(f"The notices cannot be read. {self.mirror_fault.advice}")
        if not self.clock_trusted:
            faults.append("The booth's clock went back or is late. Set it, then bring a newer publication.")
        if self.link is not None and self.link.state in _LINK_FAULTS:
            faults.append(f"{_LINK_FAULTS[self.link.state]} {self.link.detail}")
        if self.link_floods:
            faults.append("The link floods the spool. Telephone the technician: the link may have been taken over.")
        if self.stands_still:
            faults.append("The booth's loop stands still: no verdict changes. Restart failsafe-core.")
        if self.own_fault:
            faults.append("The booth met a fault of its own. Telephone the technician; the log names it.")
        return tuple(faults)

    def readiness(self) -> Readiness:
        """What would be said of the next traveller against whom there is nothing, as fusion's table has it."""
        hindered = tuple(self._hindrances())
        if hindered:
            return Readiness("CANNOT CLEAR", hindered)
        concerns = tuple(self._concerns())
        return Readiness("ATTENTION" if concerns else "READY", concerns)

    def _hindrances(self) -> Iterator[str]:
        if self.stands_still:
            yield "The booth's loop stands still."
        if self.mirror in _NOT_CURRENT:
            yield _NOT_CURRENT[self.mirror]
        if self.ledger_fault is not None:
            damaged = isinstance(self.ledger_fault, LedgerDamaged)
            yield "The ledger is damaged." if damaged else "The ledger cannot record."
        for lane in self.lanes:
            if lane.radiation == "none":
                continue
            portals = [one for one in self.detectors if one.role == "radiation" and one.lane == lane.name]
            if not portals:
                yield f"Lane {lane.name} has no portal."
            yield from (
                f"Lane {one.lane}: the portal {one.name} is {one.state}." for one in portals if one.state != "OK"
            )

    def _concerns(self) -> Iterator[str]:
        if self.mirror == "STALE":
            yield "The notices are ageing."
        if self.refusal is not None:
            yield "The last publication was refused."
        for one in self.detectors:
            if one.role == "document" and one.state != "OK":
                yield f"Lane {one.lane}: the reader {one.name} is {one.state}."
        if self.faults():
            yield "A fault is told below."

    def _ledger(self) -> tuple[str, str]:
        """The word for the ledger, and what is known of its damage."""
        if isinstance(self.ledger_fault, LedgerDamaged):
            return "DAMAGED", self.ledger_fault.detail
        return "OK" if self.ledger_fault is None else "CANNOT RECORD", ""

    def observe(self, book: HealthBook) -> None:
        """Enter every part's state into the book that decides what headquarters hears of."""
        book.observe("mirror", self.mirror)
        book.observe("feed", f"refused {self.refusal.reason}" if self.refusal else "OK")
        book.observe("clock", "OK" if self.clock_trusted else "NOT TRUSTED")
        book.observe("ledger", *self._ledger())
        if self.link_floods is not None:
            book.observe("spool", "FLOODED" if self.link_floods else "OK")
        for detector in self.detectors:
            book.observe(detector.name, detector.state)


def header(now: Condition) -> HeaderView:
    """The head of the officer's page."""
    return HeaderView(
        booth=now.booth.id,
        crossing_point=now.booth.crossing_point,
        mirror=now.mirror,
        mirror_age_s=None if now.mirror_age_s is None else round(now.mirror_age_s, 1),
        notices=now.edition.notices,
        listed_documents=now.edition.listed,
        refused=str(now.refusal) if now.refusal else "",
        undelivered=now.undelivered.entries,
        oldest_undelivered_s=now.oldest_undelivered_s,
        alerts_waiting=now.alerts_waiting.entries,
        oldest_alert_s=now.oldest_alert_s,
        link=now.link_view(),
        recording=now.ledger_fault is None,
        clock_trusted=now.clock_trusted,
        detectors=now.detectors,
        faults=now.faults(),
        telephone=now.booth.telephone,
    )


def heartbeat(now: Condition, ledger: Ledger, at: Moment, version: str) -> Heartbeat:
    """What headquarters hears of the booth every few minutes; `ledger` is the calling thread's connection."""
    waiting = ledger.undelivered()
    return Heartbeat(
        booth=now.booth.id,
        at=at,
        version=version,
        ledger_head=ledger.head(),
        ledger_length=ledger.length(),
        sequence=ledger.sequence(),
        undelivered=waiting.entries,
        oldest_undelivered_s=now.since(waiting.oldest),
        mirror=now.edition.feeds(),
        mirror_state=now.mirror,
        mirror_age_s=now.mirror_age_s,
        parts=tuple(PartState(part=one.name, state=one.state) for one in now.detectors),
    )


def status(now: Condition, version: str, page: str) -> dict[str, Any]:
    """The object of `failsafe status --json`."""
    age_s = None if now.mirror_age_s is None else round(now.mirror_age_s, 1)
    ready = now.readiness()
    return {
        "version": version,
        "booth": now.booth.id,
        "crossing_point": now.booth.crossing_point,
        "telephone": now.booth.telephone,
        "ready": {"word": ready.word, "why": list(ready.why)},
        "mirror": {
            "state": now.mirror,
            "age_s": age_s,
            "notices": now.edition.notices,
            "listed_documents": now.edition.listed,
            "refused": now.refusal.reason if now.refusal else None,
            "detail": now.refusal.detail if now.refusal else None,
            "advice": now.refusal.advice if now.refusal else None,
            "feeds": {
                name: {
                    "serial": floor.serial,
                    "lineage": floor.lineage,
                    "age_s": age_s,
                    "state": now.mirror,
                    "notices": floor.count,
                }
                for name, floor in now.edition.floors.items()
            },
        },
        "ledger": {
            "recording": now.ledger_fault is None,
            "undelivered": now.undelivered.entries,
            "oldest_s": now.oldest_undelivered_s,
            "alerts": now.alerts_waiting.entries,
            "oldest_alert_s": now.oldest_alert_s,
            "head": now.ledger_head,
        },
        "link": msgspec.to_builtins(now.link_view()),
        "detectors": [
            {"name": one.name, "lane": one.lane, "role": one.role, "state": one.state, "advice": one.advice}
            for one in now.detectors
        ],
        "clock": {"wall": utc(now.wall), "trusted": now.clock_trusted},
        "faults": list(now.faults()),
        "page": page,
    }


def header_of(told: Mapping[str, Any]) -> HeaderView:
    """The head of the page again, from what `status` gives: what the page says, a terminal says too.

    Raises:
        KeyError, TypeError, msgspec.ValidationError: these are not the words of a core of this version.
    """
    mirror, ledger, link = told["mirror"], told["ledger"], told["link"]
    return HeaderView(
        booth=told["booth"],
        crossing_point=told["crossing_point"],
        mirror=mirror["state"],
        mirror_age_s=mirror["age_s"],
        notices=mirror["notices"],
        listed_documents=mirror["listed_documents"],
        refused=f"{mirror['refused']}: {mirror['detail']} {mirror['advice']}" if mirror["refused"] else "",
        undelivered=ledger["undelivered"],
        oldest_undelivered_s=ledger["oldest_s"],
        alerts_waiting=ledger["alerts"],
        oldest_alert_s=ledger["oldest_alert_s"],
        link=None if link is None else msgspec.convert(link, LinkView),
        recording=ledger["recording"],
        clock_trusted=told["clock"]["trusted"],
        detectors=msgspec.convert(told["detectors"], tuple[DetectorView, ...]),
        faults=tuple(told["faults"]),
        telephone=told["telephone"],
    )
