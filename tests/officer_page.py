"""The officer's page over a real server, with a small desk that hands out views."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from failsafe.agent.page.app import make_app
from failsafe.agent.page.view import (
    CandidateView,
    DetectorView,
    EntryRefused,
    FindingOrder,
    FindingRefused,
    FindingView,
    HeaderView,
    LaneView,
    ManualEntry,
    RadiationView,
    SecondView,
    Told,
    VerdictView,
    View,
)
from failsafe.screens.streams import Bell
from failsafe.sync.records import Notice, PersonName
from failsafe.sync.reports import MatchedNotice, MatchReason, PersonAsRead
from tests.screen import Screen, told

HEADER = HeaderView(
    booth="XX-INVENTED-01",
    crossing_point="Invented crossing",
    mirror="FRESH",
    mirror_age_s=120.0,
    notices=7,
    listed_documents=3,
    detectors=(DetectorView(name="Portal", lane="north", role="radiation", state="OK"),),
)
CLEAR = VerdictView(word="CLEAR", actions=("PROCEED",), at="2026-11-21T10:00:00Z")
STOP = VerdictView(word="STOP", actions=("REFER_SECONDARY", "NOTIFY_CCC"), at="2026-11-21T10:00:09Z")


def view_of(number: int, verdict: VerdictView | None = None) -> View:
    lane = LaneView(lane="north", radiation=RadiationView(state="quiet"), crossing="c-1", verdict=verdict)
    return View(number=number, at="2026-11-21T10:00:10Z", header=HEADER, lanes=(lane,))


SECOND = SecondView(
    lane="north",
    crossing="c-1",
    verdict=STOP,
    person=PersonAsRead(source="manual", surname="EXEMPLARI", given="TESTO"),
    candidates=(
        CandidateView(
            match=MatchedNotice(
                entity_id="2026/99001",
                tier="rn",
                grade="strong",
                score=0.9,
                reasons=(
                    MatchReason(field="surname", query="EXEMPLARI", candidate="ЕКЗЕМПЛАРИ", why="the same", points=8.0),
                ),
            ),
            notice=Notice(entity_id="2026/99001", tier="rn", names=(PersonName(surname="ЕКЗЕМПЛАРИ", given="ТЕСТО"),)),
        ),
    ),
)

# An order of the second line, as its page sends it.
FINDING = {"id": "f-1", "lane": "north", "alerts": ["a-1", "a-2"], "crossing": "c-1", "text": "Ärztlicher Brief \u202b"}


@dataclass
class InTestDesk:
    """Holds views and hands them out; notes the orders it was given."""

    held: View = field(default_factory=lambda: view_of(1))
    fault: Exception | None = None
    entered: list[ManualEntry] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    found: list[FindingOrder] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    bell: Bell = field(default_factory=Bell)

    def show(self, view: View) -> None:
        self.held = view
        self.bell.ring()

    def break_with(self, fault: Exception) -> None:
        self.fault = fault
        self.bell.ring()

    def view(self) -> View:
        if self.fault is not None:
            raise self.fault
        return self.held

    def second(self, lane: str) -> SecondView:
        return msgspec.structs.replace(SECOND, lane=lane)

    async def changed(self, after: int) -> None:
        await self.bell.past(after, lambda: self.view().number)

    def enter(self, entry: ManualEntry) -> str:
        self.threads.add(threading.get_ident())
        if not entry.surname and not entry.zone:
            raise EntryRefused("Type the lines of the zone, or at least a surname.")
        if entry.surname == "BREAKAGE":
            raise ValueError("a fault that quotes BREAKAGE")
        self.entered.append(entry)
        return f"c-{len(self.entered)}"

    def close(self, lane: str) -> None:
        self.threads.add(threading.get_ident())
        self.closed.append(lane)

    def find(self, order: FindingOrder) -> str:
        self.threads.add(threading.get_ident())
        if not order.text:
            raise FindingRefused("The finding is empty.", "Write what was found.")
        if not order.alerts:
            raise FindingRefused("NOT RECORDED: the ledger cannot record.", "Telephone the CCC.", booth=True)
        self.found.append(order)
        return order.id

    def told(self, alerts: Sequence[str]) -> Told:
        self.threads.add(threading.get_ident())
        if not alerts:
            raise FindingRefused("The ledger cannot be read.", "Telephone the technician.", booth=True)
        found = tuple(FindingView(id=order.id, at=STOP.at, text=order.text) for order in self.found)
        return Told(recorded=tuple(alerts), delivered={alerts[0]: STOP.at}, findings=found)


class Served(Screen):
    """The page, and its desk."""

    def __init__(self) -> None:
        self.desk = InTestDesk()
        super().__init__(lambda port: make_app(self.desk, port=port))

    @contextlib.contextmanager
    def events(self) -> Iterator[Iterator[tuple[str, str]]]:
        """(event, data) as they arrive; ends with the stream."""
        with self.client.stream("GET", "/events", params={"token": self.token}) as answer:
            yield told(answer)


def next_view(events: Iterator[tuple[str, str]]) -> View:
    return next(msgspec.json.decode(data, type=View) for name, data in events if name == "view")
