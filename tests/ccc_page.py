"""The command centre's page over a real server on a loopback port, with a small desk that hands out lists."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence

import httpx
import msgspec

from failsafe.hq.ccc.app import CccServer, make_app
from failsafe.hq.ccc.stream import Push
from failsafe.hq.ccc.view import (
    Acknowledgement,
    AlertLine,
    BoothLine,
    ChangesView,
    LateTimestamp,
    ListView,
    MeasurementFile,
    Telling,
)
from failsafe.hq.desk.duty import WATCHED
from failsafe.screens.streams import Bell
from failsafe.sync.reports import Alert, MatchedNotice, Moment, PersonAsRead, Place, Urgency
from tests.screen import WAIT_S, Screen, told

AT = "2026-11-21T10:00:10Z"


def line(
    number: int,
    urgency: Urgency = "routine",
    surname: str = "EXEMPLARI",
    chain: str = "whole",
    tries: int | None = None,
) -> AlertLine:
    """An alert of nobody; `tries` makes it one that the CBRNE programme is told of."""
    alert = Alert(
        id=f"019aa000-0000-7000-8000-{number:012d}",
        kind="notice_hit",
        urgency=urgency,
        at=Moment(wall="2026-11-21T10:00:00.000Z", monotonic_s=float(number), trusted=True),
        place=Place(booth="XX-INVENTED-01", country="XX", crossing_point="Invented crossing", lane="north"),
        verdict="STOP",
        person=PersonAsRead(source="manual", surname=surname, given="TESTO"),
        notices=(MatchedNotice(entity_id="2026/99001", tier="red", grade="strong", score=0.9),),
        mirror_age_s=120.0,
    )
    tellings = () if tries is None else (Telling(channel="webhook", state="failing", tries=tries, at=AT),)
    return msgspec.convert(
        {"number": number, "alert": alert, "sequence": number, "received_at": AT, "chain": chain, "tellings": tellings},
        AlertLine,
    )


def in_order(lines: list[AlertLine]) -> list[AlertLine]:
    """As `ListDesk.list` promises it: urgent first, then the newest arrival first."""
    return sorted(lines, key=lambda one: (one.alert.urgency != "urgent", -one.number))


def ringing(lines: Sequence[AlertLine]) -> tuple[AlertLine, ...]:
    """The urgent ones that nobody has acknowledged."""
    return tuple(one for one in in_order(list(lines)) if one.alert.urgency == "urgent" and not one.acknowledged)


def view(
    number: int,
    lines: Sequence[AlertLine],
    booths: tuple[BoothLine, ...] = (),
    limit: int = 1000,
    everything: Sequence[AlertLine] | None = None,
) -> ListView:
    """A list as the desk gives it: of what was found in `lines`, among `everything` there is."""
    ordered, rings = in_order(list(lines)), ringing(lines if everything is None else everything)
    return ListView(
        number=number,
        at=AT,
        alerts=tuple(ordered[:limit]),
        total=len(ordered),
        booths=booths,
        waiting=rings[:WATCHED],
        waiting_total=len(rings),
    )


class InTestDesk:
    """Holds lines and booths and hands them out; finds a search in the surname."""

    def __init__(self, *lines: AlertLine) -> None:
        self.bell = Bell()
        self.number = 1
        self.lines = list(lines)
        self.files: dict[int, MeasurementFile] = {}
        self.told: dict[str, ChangesView] = {}
        self.asked_changes: list[tuple[str, int]] = []
        self.booths: tuple[BoothLine, ...] = (BoothLine(booth="XX-INVENTED-01", country="XX", heard_at=AT),)
        self.fault: Exception | None = None
        self.cannot_write = False
        self.threads: set[int] = set()
        self.asked: list[tuple[int, str]] = []
        self.acknowledged: list[tuple[tuple[int, ...], str]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.may_write = threading.Event()
        self.may_write.set()

    def list(self, limit: int, search: str) -> ListView:
        self.threads.add(threading.get_ident())
        self.asked.append((limit, search))
        assert self.may_answer.wait(WAIT_S)
        if self.fault is not None:
            raise self.fault
        found = in_order([one for one in self.lines if search in (one.alert.person or PERSON).surname])
        return view(self.number, found, self.booths, limit, self.lines)

    def measurement(self, number: int) -> MeasurementFile | None:
        if self.fault is not None:
            raise self.fault
        return self.files.get(number)

    def changes(self, booth: str, limit: int) -> ChangesView:
        self.asked_changes.append((booth, limit))
        found = self.told.get(booth, ChangesView(booth=booth, total=0))
        return msgspec.structs.replace(found, changes=found.changes[:limit])

    def acknowledge(self, numbers: Sequence[int], officer: str) -> int:
        if self.fault is not None:
            raise self.fault
        assert self.may_write.wait(WAIT_S)
        if self.cannot_write:
            raise OSError
        self.acknowledged.append((tuple(numbers), officer))
        word = Acknowledgement(officer=officer, at=AT)
        mine = [one for one in self.lines if one.number in numbers and one.acknowledged is None]
        self.add(*(msgspec.structs.replace(one, acknowledged=word) for one in mine))
        return len(mine)

    async def changed(self, after: int) -> None:
        await self.bell.past(after, lambda: self.number)

    def add(self, *lines: AlertLine) -> None:
        """These lines come, or take the place of what has the same number."""
        numbers = {one.number for one in lines}
        self.lines = [one for one in self.lines if one.number not in numbers] + [*lines]
        self.change()

    def change(self) -> None:
        self.number += 1
        self.bell.ring()


PERSON = PersonAsRead(source="manual", surname="")


class ModelPage:
    """What wire.js keeps of the pushes, in the same words."""

    def __init__(self) -> None:
        self.lines: dict[int, AlertLine] = {}
        self.booths: dict[str, BoothLine] = {}
        self.push: Push | None = None
        self.told: list[list[int]] = []

    def take(self, push: Push) -> None:
        fresh = [msgspec.json.decode(bytes(raw), type=AlertLine) for raw in push.lines]
        self.told.append([one.number for one in fresh])
        self.lines |= {one.number: one for one in fresh}
        booths = [msgspec.json.decode(bytes(raw), type=BoothLine) for raw in push.booths]
        self.booths |= {one.booth: one for one in booths}
        for name in push.gone:
            del self.booths[name]
        kept = {*push.order, *push.waiting}
        self.lines = {key: one for key, one in self.lines.items() if key in kept}
        self.push = push

    @property
    def shown(self) -> list[AlertLine]:
        assert self.push is not None
        return [self.lines[key] for key in self.push.order]

    @property
    def waiting(self) -> list[AlertLine]:
        assert self.push is not None
        return [self.lines[key] for key in self.push.waiting]


class Served(Screen):
    """The page, and its desk."""

    def __init__(self, *lines: AlertLine) -> None:
        self.desk = InTestDesk(*lines)
        self.late: LateTimestamp | None = None
        super().__init__(lambda port: make_app(self.desk, port=port, late=lambda: self.late), CccServer)

    def stop(self) -> bool:
        """Let the desk answer, and ask the server to stop; True when its thread has ended."""
        self.desk.may_answer.set()
        self.desk.may_write.set()
        return super().stop()

    def ask(self, body: bytes | dict[str, object], path: str = "/events", **other: str) -> httpx.Response:
        """POST to `path`; for the event stream only where it is to be refused."""
        return self.post(path, body, **other)

    @contextlib.contextmanager
    def events(self, **asked: object) -> Iterator[Iterator[tuple[str, str]]]:
        """(event, data) as they arrive; ends with the stream."""
        with self.client.stream("POST", "/events", json=asked, headers=self.headers()) as answer:
            yield told(answer)


def next_push(events: Iterator[tuple[str, str]], page: ModelPage) -> Push:
    """The next view, taken by `page`."""
    push = next(msgspec.json.decode(data, type=Push) for name, data in events if name == "view")
    page.take(push)
    return push


def numbers(lines: list[AlertLine]) -> list[int]:
    return [one.number for one in lines]


def serving(*lines: AlertLine) -> contextlib.closing[Served]:
    """A served page with these alerts, until the end of the context."""
    return contextlib.closing(Served(*lines))


def three() -> tuple[AlertLine, ...]:
    """Two routine alerts, and an urgent one between them."""
    return line(1), line(2, "urgent", "ПРИКЛАД"), line(3)
