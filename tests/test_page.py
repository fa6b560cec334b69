"""The officer's page over a real server on a loopback port, with a small desk that hands out views."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import get_args

import httpx
import msgspec
import pytest

from failsafe.agent.page import words
from failsafe.agent.page.app import make_app
from failsafe.agent.page.stream import STREAM_LIMIT
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
    Word,
)
from failsafe.agent.radiation.passage import Health
from failsafe.drivers.line import LineWord
from failsafe.screens import words as shared_words
from failsafe.screens.server import ScreenServer
from failsafe.screens.streams import Bell
from failsafe.sync.records import Notice, PersonName, Tier
from failsafe.sync.reports import LinkWord, MatchedNotice, MatchReason, PersonAsRead

# What design.md allows, and what is waited for after a start; the page must have words for each.
ACTION_CODES = {
    "PROCEED",
    "WAIT_PORTAL",
    "WAIT_NOTICES",
    "REREAD",
    "REFER_SECONDARY",
    "RADIATION_SCREEN",
    "NOTIFY_CCC",
    "DO_NOT_DETAIN_ON_NOTICE_ALONE",
    "TELEPHONE_CCC",
}
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
WAIT_S = 20.0


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


class Served:
    """The page on a free port of 127.0.0.1, in its own thread."""

    def __init__(self) -> None:
        self.desk = InTestDesk()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.app = make_app(self.desk, port=self.port)
        self._server = ScreenServer(self.app, port=self.port)
        self._up = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True)
        self._thread.start()
        assert self._up.wait(WAIT_S)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=WAIT_S, trust_env=False)
        found = re.search(r'name="page-token" content="([^"]{40,})"', self.client.get("/").text)
        assert found
        self.token = found[1]

    async def _serve(self) -> None:
        asyncio.get_running_loop().call_soon(self._up.set)
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> bool:
        """Ask the server to stop; True when its thread has ended."""
        self._server.should_exit = True
        self._thread.join(WAIT_S)
        return not self._thread.is_alive()

    def origin(self, name: str = "127.0.0.1") -> str:
        return f"http://{name}:{self.port}"

    def post(self, path: str, body: bytes | dict[str, object], **headers: str) -> httpx.Response:
        """A POST as the page makes it; `headers` replace (or, when empty, remove) one of its own."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        ours = {"origin": self.origin(), "x-page-token": self.token, "content-type": "application/json"}
        ours |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, content=content, headers={name: value for name, value in ours.items() if value})

    @contextlib.contextmanager
    def events(self) -> Iterator[Iterator[tuple[str, str]]]:
        """(event, data) as they arrive; ends with the stream."""
        with self.client.stream("GET", "/events", params={"token": self.token}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream"), answer.status_code
            yield _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    name = data = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = line.removeprefix("data: ")
        elif line.startswith("retry: "):
            yield "retry", line.removeprefix("retry: ")
        elif not line and name:
            yield name, data
            name = data = ""


def next_view(events: Iterator[tuple[str, str]]) -> View:
    return next(msgspec.json.decode(data, type=View) for name, data in events if name == "view")


@pytest.fixture
def served() -> Iterator[Served]:
    page = Served()
    yield page
    page.client.close()
    assert page.stop()


def refusal(answer: httpx.Response, status: int) -> dict[str, str]:
    """The body of a refusal, after its form was checked."""
    assert answer.status_code == status, answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    body: dict[str, str] = answer.json()
    assert set(body) == {"error", "advice"}
    assert all(text.endswith(".") for text in body.values())
    return body


# --- headers, types, the gate ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/second", "/page.css", "/first.js", "/words.js", "/healthz", "/nowhere"])
def test_every_answer_carries_the_strict_headers(served: Served, path: str) -> None:
    headers = served.client.get(path).headers
    policy = {part.split()[0]: part.split()[1:] for part in headers["content-security-policy"].split("; ")}
    assert policy["default-src"] == ["'none'"]
    for directive in ("script-src", "style-src", "connect-src", "img-src", "form-action"):
        assert policy[directive] == ["'self'"]
    assert policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/second", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/wire.js", "text/javascript; charset=utf-8"),
        ("/words.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/healthz", "application/json"),
    ],
)
def test_each_file_has_its_type(served: Served, path: str, kind: str) -> None:
    answer = served.client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)


def test_everything_a_page_asks_for_is_there_and_ours(served: Served) -> None:
    asked, seen = ["/", "/second"], set()
    while asked:
        path = asked.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = served.client.get(path)
        assert answer.status_code == 200, path
        text = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), f"{path} names another place"
        asked += re.findall(r'(?:src|href)="([^"#]+)"', text)
        asked += [f"/{name}" for name in re.findall(r'from "\./([^"]+)"', text)]
    made = {"/", "/second", "/words.js", "/languages.js"}
    own = {f"/{file.name}" for file in resources.files("failsafe.agent.page").iterdir()}
    shared = {f"/{file.name}" for file in resources.files("failsafe.screens").iterdir()}
    assert {path for path in own if path.endswith((".js", ".css", ".svg"))} <= seen
    assert seen - made <= own | shared


def test_html_has_nothing_the_policy_would_refuse(served: Served) -> None:
    for path in ("/", "/second"):
        html = served.client.get(path).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", html)
        assert "@@" not in html


def test_page_says_no_connection_before_any_view_has_come(served: Served) -> None:
    for path in ("/", "/second"):
        html = served.client.get(path).text
        assert 'data-line="connecting"' in html
        assert "Treat as CANNOT CLEAR" in html
        assert html.index('id="lost"') < html.index("<main")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_page_answers_under_its_two_names(served: Served, name: str) -> None:
    assert served.client.get("/", headers={"host": f"{name}:{served.port}"}).status_code == 200


@pytest.mark.parametrize("host", ["rebound.example", "127.0.0.1", "127.0.0.1:1", "localhost.rebound.example:80", ""])
def test_foreign_host_is_refused(served: Served, host: str) -> None:
    refusal(served.client.get("/", headers={"host": host}), 421)


def test_request_without_host_is_refused(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), WAIT_S) as line:
        line.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b" 400 " in line.recv(4096).split(b"\r\n")[0]


def test_foreign_origin_is_refused_everywhere(served: Served) -> None:
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{served.port}", served.origin("localhost")):
        refusal(served.client.get("/events", params={"token": served.token}, headers={"origin": origin}), 403)
        refusal(served.client.get("/second.json", headers={"origin": origin}), 403)
        refusal(served.post("/enter", {"lane": "north", "surname": "EXEMPLARI"}, origin=origin), 403)
        refusal(served.post("/close", {"lane": "north"}, origin=origin), 403)
    assert served.desk.entered == [] and served.desk.closed == []


def test_order_without_origin_is_refused(served: Served) -> None:
    refusal(served.post("/close", {"lane": "north"}, origin=""), 403)
    assert served.desk.closed == []


def test_localhost_is_its_own_origin(served: Served) -> None:
    headers = {"host": f"localhost:{served.port}", "origin": served.origin("localhost")}
    assert served.post("/close", {"lane": "north"}, **headers).status_code == 200


@pytest.mark.parametrize("token", ["", "x" * 43, "\u00e9"])
def test_token_is_required_where_anything_is_told_or_done(served: Served, token: str) -> None:
    refusal(served.client.get("/events", params={"token": token}), 403)
    refusal(served.client.get("/second.json", params={"token": token, "lane": "north"}), 403)
    refusal(served.client.get("/told.json", params={"token": token, "alert": "a-1"}), 403)
    ascii_token = token.encode("ascii", "replace").decode()
    refusal(served.post("/enter", {"lane": "north", "surname": "EXEMPLARI"}, x_page_token=ascii_token), 403)
    refusal(served.post("/close", {"lane": "north"}, x_page_token=ascii_token), 403)
    refusal(served.post("/finding", FINDING, x_page_token=ascii_token), 403)
    assert served.desk.entered == [] and served.desk.closed == [] and served.desk.found == []


def test_each_process_has_its_own_token(served: Served) -> None:
    other = Served()
    try:
        assert other.token != served.token
        refusal(other.client.get("/second.json", params={"token": served.token, "lane": "north"}), 403)
    finally:
        other.client.close()
        assert other.stop()


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/"), ("GET", "/enter"), ("PUT", "/close"), ("DELETE", "/events")]
)
def test_other_methods_are_refused(served: Served, method: str, path: str) -> None:
    refusal(served.client.request(method, path, headers={"origin": served.origin()}), 405)


# --- the event stream -----------------------------------------------------------------------------------------


def test_stream_gives_the_view_at_once_and_each_change(served: Served) -> None:
    with served.events() as events:
        assert next(events) == ("retry", "1000")
        assert next_view(events) == view_of(1)
        served.desk.show(view_of(2, CLEAR))
        assert next_view(events) == view_of(2, CLEAR)
        served.desk.show(view_of(3, STOP))
        assert next_view(events) == view_of(3, STOP)


def test_two_pages_see_the_same_change(served: Served) -> None:
    with served.events() as first, served.events() as second:
        assert next_view(first) == next_view(second) == view_of(1)
        served.desk.show(view_of(2, STOP))
        assert next_view(first) == next_view(second) == view_of(2, STOP)


def test_flood_of_changes_ends_with_the_newest(served: Served) -> None:
    with served.events() as events:
        next_view(events)
        for number in range(2, 502):
            served.desk.show(view_of(number, CLEAR))
        numbers = []
        while not numbers or numbers[-1] != 501:
            numbers.append(next_view(events).number)
    assert numbers == sorted(set(numbers))
    assert len(numbers) < 400


def test_stream_beats_while_nothing_changes(served: Served) -> None:
    with served.events() as events:
        next_view(events)
        assert next(events) == ("beat", "1")
        assert next(events) == ("beat", "1")


@pytest.mark.parametrize("already_broken", [True, False])
def test_booth_that_gives_no_view_ends_the_stream_and_quotes_nobody(
    served: Served, caplog: pytest.LogCaptureFixture, already_broken: bool
) -> None:
    fault = RuntimeError("EXEMPLARI stands here")
    with caplog.at_level(logging.DEBUG):
        if already_broken:
            served.desk.fault = fault
        with served.events() as events:
            if not already_broken:
                next_view(events)
                served.desk.break_with(fault)
            assert list(events)[-1] == ("stopped", "{}")
    assert "RuntimeError" in caplog.text
    assert "EXEMPLARI" not in caplog.text
    refusal(served.client.get("/healthz"), 503)
    served.desk.fault = None
    with served.events() as events:
        assert next_view(events) == view_of(1)


def test_stopping_server_ends_open_streams_whole() -> None:
    page = Served()
    with contextlib.closing(page.client), page.events() as events:
        next_view(events)
        assert page.stop()
        assert list(events) == []  # the answer ends, it does not break off


def test_streams_are_bounded_and_places_are_given_back(served: Served) -> None:
    with contextlib.ExitStack() as pages:
        open_pages = [pages.enter_context(served.events()) for _ in range(STREAM_LIMIT)]
        assert {next_view(events) for events in open_pages} == {view_of(1)}
        with pytest.raises(AssertionError), served.events():
            pass
    # The server hears of the closed connections in its own time: ask until it has.
    for _ in range(500):
        with contextlib.suppress(AssertionError), served.events() as events:
            assert next_view(events) == view_of(1)
            return
    pytest.fail("no place was given back")


def test_first_line_stream_holds_no_name(served: Served) -> None:
    served.desk.show(view_of(2, STOP))
    with served.events() as events:
        text = next(data for name, data in events if name == "view")
    assert "EXEMPLARI" not in text and "2026/99001" not in text


# --- second line and orders -----------------------------------------------------------------------------------


def test_second_line_gives_candidates_and_reasons(served: Served) -> None:
    answer = served.client.get("/second.json", params={"token": served.token, "lane": "north"})
    assert answer.status_code == 200
    assert msgspec.json.decode(answer.content, type=SecondView) == SECOND


def test_unknown_lane_is_refused_before_the_booth_is_asked(served: Served) -> None:
    refusal(served.client.get("/second.json", params={"token": served.token, "lane": "south"}), 404)
    refusal(served.client.get("/second.json", params={"token": served.token}), 404)
    refusal(served.post("/enter", {"lane": "south", "surname": "EXEMPLARI"}), 404)
    refusal(served.post("/close", {"lane": "south"}), 404)
    assert served.desk.entered == [] and served.desk.closed == []


def test_entry_reaches_the_booth_off_the_event_loop(served: Served) -> None:
    body = {"lane": "north", "surname": "ПРИКЛАД", "given_names": "ТЕСТО", "birth_date": "1970-02"}
    answer = served.post("/enter", body)
    assert (answer.status_code, answer.json()) == (200, {"crossing": "c-1"})
    assert served.desk.entered == [
        ManualEntry(lane="north", surname="ПРИКЛАД", given_names="ТЕСТО", birth_date="1970-02")
    ]
    assert served.desk.threads.isdisjoint({served._thread.ident, threading.get_ident()})


def test_zone_keeps_its_lines(served: Served) -> None:
    zone = "P<UTOEXEMPLARI<<TESTO<<<<<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159<<<<<<<<<<<<<<00"
    assert served.post("/enter", {"lane": "north", "zone": zone}).status_code == 200
    assert served.desk.entered[0].zone == zone


def test_refused_entry_gives_the_officer_the_words(served: Served) -> None:
    body = refusal(served.post("/enter", {"lane": "north"}), 422)
    assert body["error"] == "Type the lines of the zone, or at least a surname."


FINDING = {"id": "f-1", "lane": "north", "alerts": ["a-1", "a-2"], "crossing": "c-1", "text": "Ärztlicher Brief \u202b"}


def test_finding_reaches_the_booth_off_the_event_loop_and_is_told_again(served: Served) -> None:
    answer = served.post("/finding", FINDING)
    assert (answer.status_code, answer.json()) == (200, {"finding": "f-1"})
    (order,) = served.desk.found
    assert (order.alerts, order.crossing, order.text) == (("a-1", "a-2"), "c-1", "Ärztlicher Brief \u202b")
    told = served.client.get("/told.json", params={"token": served.token, "alert": ["a-1", "a-2"]})
    assert told.json()["recorded"] == ["a-1", "a-2"] and told.json()["delivered"] == {"a-1": STOP.at}
    assert [found["text"] for found in told.json()["findings"]] == [order.text]
    assert served.desk.threads.isdisjoint({served._thread.ident, threading.get_ident()})


def test_the_longest_finding_fits_and_more_does_not(served: Served) -> None:
    assert served.post("/finding", {**FINDING, "text": "\U00020bb7" * 2000}).status_code == 200
    assert served.post("/finding", {**FINDING, "text": "\n" * 2000}).status_code == 200
    refused = served.post("/finding", {**FINDING, "text": "x" * 33_000})
    assert refused.status_code == 413 and "Shorten" in refused.json()["advice"]


def test_refused_finding_gives_the_officer_the_words(served: Served) -> None:
    empty = served.post("/finding", {**FINDING, "text": ""})
    assert empty.status_code == 422 and empty.json()["advice"] == "Write what was found."
    broken = served.post("/finding", {**FINDING, "alerts": []})
    assert broken.status_code == 503 and "NOT RECORDED" in broken.json()["error"]
    assert served.post("/finding", {**FINDING, "lane": "nowhere"}).status_code == 404
    assert served.post("/finding", {**FINDING, "category": "x"}).status_code == 400
    assert served.desk.found == []
    assert served.client.get("/told.json", params={"token": served.token}).status_code == 503


def test_a_finding_of_radiation_reaches_the_booth_whole(served: Served) -> None:
    told = {"category": "medical", "nuclide": "I-131", "days_since": 2.5, "attach": True}
    assert served.post("/finding", {**FINDING, **told}).status_code == 200
    (order,) = served.desk.found
    assert (order.category, order.nuclide, order.days_since, order.attach) == ("medical", "I-131", 2.5, True)


def test_close_reaches_the_booth(served: Served) -> None:
    assert served.post("/close", {"lane": "north"}).status_code == 200
    assert served.desk.closed == ["north"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"surname": "EXEMPLARI"}',
        b'{"lane": "north", "surname": 7}',
        b'{"lane": "north", "surname": "EXEMPLARI", "officer": "x"}',
        b'{"lane": "north", "surname": "EXEM\xffPLARI"}',
    ],
)
def test_order_of_another_form_is_refused(served: Served, body: bytes) -> None:
    refusal(served.post("/enter", body), 400)
    assert served.desk.entered == []


def test_close_refuses_unknown_fields(served: Served) -> None:
    refusal(served.post("/close", {"lane": "north", "force": True}), 400)
    assert served.desk.closed == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
def test_order_must_be_json_by_its_type(served: Served, kind: str) -> None:
    refusal(served.post("/close", {"lane": "north"}, content_type=kind), 415)


def test_body_has_a_bound(served: Served) -> None:
    refusal(served.post("/enter", {"lane": "north", "surname": "A" * 9000}), 413)
    assert served.post("/enter", {"lane": "north", "surname": "A" * 7000}).status_code == 200


def test_body_without_length_has_the_same_bound(served: Served) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(12):
            yield b" " * 1000

    headers = {"origin": served.origin(), "x-page-token": served.token, "content-type": "application/json"}
    refusal(served.client.post("/enter", content=chunks(), headers=headers), 413)


def test_fault_of_the_booth_is_told_without_its_text(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        body = refusal(served.post("/enter", {"lane": "north", "surname": "BREAKAGE"}), 500)
    assert "BREAKAGE" not in json.dumps(body)
    assert "ValueError" in caplog.text
    assert "BREAKAGE" not in caplog.text and served.token not in caplog.text


def test_no_request_is_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), served.events() as events:
        next_view(events)
        served.client.get("/second.json", params={"token": served.token, "lane": "north"})
    assert served.token not in "".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("http")
    )


def test_health_says_the_number(served: Served) -> None:
    served.desk.show(view_of(41))
    assert served.client.get("/healthz").json() == {"ok": True, "number": 41}


# --- the bell -------------------------------------------------------------------------------------------------


def run_with_bell(ringer: Callable[[Bell, list[int]], None], after: int) -> int:
    """What `number` is when a wait for more than `after` ends, while `ringer` works in another thread."""
    bell, number = Bell(), [0]

    async def wait() -> int:
        thread = threading.Thread(target=ringer, args=(bell, number))
        waiting = asyncio.ensure_future(bell.past(after, lambda: number[0]))
        await asyncio.sleep(0)
        thread.start()
        await asyncio.wait_for(waiting, WAIT_S)
        thread.join()
        return number[0]

    return asyncio.run(wait())


def test_bell_wakes_only_when_the_number_is_high_enough() -> None:
    def ring(bell: Bell, number: list[int]) -> None:
        for _ in range(50):
            number[0] += 1
            bell.ring()

    assert run_with_bell(ring, 49) == 50


def test_bell_does_not_wait_for_what_has_happened() -> None:
    assert asyncio.run(asyncio.wait_for(Bell().past(3, lambda: 4), WAIT_S)) is None


def test_bell_forgets_a_waiter_that_gave_up_and_a_loop_that_closed() -> None:
    bell = Bell()

    async def give_up() -> None:
        waiting = asyncio.ensure_future(bell.past(0, lambda: 0))
        await asyncio.sleep(0)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting

    asyncio.run(give_up())
    assert bell._waiting == set()
    closed = asyncio.new_event_loop()
    bell._waiting.add((closed, asyncio.Event()))
    closed.close()
    bell.ring()
    assert bell._waiting == set()


# --- words ----------------------------------------------------------------------------------------------------


def test_every_code_has_words() -> None:
    assert set(words.ACTIONS) == ACTION_CODES
    assert set(words.RADIATION) == set(literal_values(RadiationView, "state"))
    assert set(words.MIRROR) == set(literal_values(HeaderView, "mirror"))
    assert set(shared_words.TIERS) == set(get_args(Tier))
    assert set(words.LINK) == set(get_args(LinkWord))
    assert set(shared_words.DETECTORS) == {"STARTING", *get_args(Health), *get_args(LineWord)}
    assert set(shared_words.VERDICTS) == set(get_args(Word))
    assert all(text.endswith(".") for text in words.ACTIONS.values())


def literal_values(struct: type[msgspec.Struct], name: str) -> tuple[str, ...]:
    """The values a Literal field of a struct allows."""
    found = {one.name: one.type for one in msgspec.structs.fields(struct)}
    return tuple(get_args(found[name]))


def test_states_are_marked_by_a_shape_the_page_can_draw() -> None:
    shapes = {*get_args(Word), "NONE"}
    for table in (words.RADIATION, words.MIRROR, shared_words.DETECTORS, words.LINK):
        assert {row[0] for row in table.values()} <= shapes
    # Only what vouches for something carries the circle of CLEAR.
    assert [state for state, row in shared_words.DETECTORS.items() if row[0] == "CLEAR"] == ["OK"]
    assert [state for state, row in words.LINK.items() if row[0] == "CLEAR"] == ["up"]
    assert [state for state, row in words.MIRROR.items() if row[0] == "CLEAR"] == ["FRESH"]
    assert [state for state, row in words.RADIATION.items() if row[0] == "CLEAR"] == ["quiet"]


def test_words_reach_the_browser_as_they_are(served: Served) -> None:
    text = served.client.get("/words.js").text
    sent = dict(re.findall(r"^export const (\w+) = (.*);$", text, re.MULTILINE))
    assert {name: json.loads(table) for name, table in sent.items()} == json.loads(json.dumps(words.TABLES))


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast of two colours written #rrggbb."""

    def light(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    brighter, darker = sorted((light(one), light(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_colours_can_be_read(served: Served) -> None:
    colour = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", served.client.get("/frame.css").text))
    assert (colour["stop"], colour["check"]) == ("#8f1d14", "#f2b705")
    assert (colour["clear"], colour["unknown"]) == ("#0b4f7d", "#59636b")
    assert contrast(colour["stop"], "#ffffff") > 8
    assert contrast(colour["check"], colour["ink"]) > 8
    assert contrast(colour["clear"], "#ffffff") > 8
    assert contrast(colour["unknown"], colour["paper"]) > 6
    assert contrast(colour["soft"], colour["ground"]) > 6
