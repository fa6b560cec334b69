"""The command centre's page over a real server on a loopback port, with a small desk that hands out lists."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import threading
from collections.abc import Iterator
from importlib import resources
from typing import get_args

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.hq.ccc import stream, words
from failsafe.hq.ccc.app import LONGEST_SEARCH, MOST_LINES, CccServer, make_app
from failsafe.hq.ccc.stream import STREAM_LIMIT, WATCHED, Bell, Held, Push
from failsafe.hq.ccc.view import AlertLine, BoothLine, ListView, NoticeState, Telling
from failsafe.sync.records import (
    Alert,
    AlertKind,
    ChannelSummary,
    MatchedNotice,
    MatchReason,
    Moment,
    PersonAsRead,
    Place,
    Tier,
    Urgency,
)

WAIT_S = 20.0
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
    told = () if tries is None else (Telling(channel="webhook", state="failing", tries=tries, at=AT),)
    return msgspec.convert(
        {"number": number, "alert": alert, "sequence": number, "received_at": AT, "chain": chain, "tellings": told},
        AlertLine,
    )


def in_order(lines: list[AlertLine]) -> list[AlertLine]:
    """As `ListDesk.list` promises it: urgent first, then the newest arrival first."""
    return sorted(lines, key=lambda one: (one.alert.urgency != "urgent", -one.number))


class InTestDesk:
    """Holds lines and booths and hands them out; finds a search in the surname."""

    def __init__(self, *lines: AlertLine) -> None:
        self.bell = Bell()
        self.number = 1
        self.lines = list(lines)
        self.booths: tuple[BoothLine, ...] = (BoothLine(booth="XX-INVENTED-01", country="XX", heard_at=AT),)
        self.fault: Exception | None = None
        self.threads: set[int] = set()
        self.asked: list[tuple[int, str]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def list(self, limit: int, search: str) -> ListView:
        self.threads.add(threading.get_ident())
        self.asked.append((limit, search))
        assert self.may_answer.wait(WAIT_S)
        if self.fault is not None:
            raise self.fault
        found = in_order([one for one in self.lines if search in (one.alert.person or PERSON).surname])
        return ListView(number=self.number, at=AT, alerts=tuple(found[:limit]), total=len(found), booths=self.booths)

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
        self.lines: dict[str, AlertLine] = {}
        self.booths: dict[str, BoothLine] = {}
        self.push: Push | None = None
        self.told: list[list[str]] = []

    def take(self, push: Push) -> None:
        fresh = [msgspec.json.decode(bytes(raw), type=AlertLine) for raw in push.lines]
        self.told.append([one.alert.id for one in fresh])
        self.lines |= {one.alert.id: one for one in fresh}
        booths = [msgspec.json.decode(bytes(raw), type=BoothLine) for raw in push.booths]
        self.booths |= {one.booth: one for one in booths}
        for name in push.gone:
            del self.booths[name]
        kept = {*push.order, *push.urgent}
        self.lines = {key: one for key, one in self.lines.items() if key in kept}
        self.push = push

    @property
    def shown(self) -> list[AlertLine]:
        assert self.push is not None
        return [self.lines[key] for key in self.push.order]

    @property
    def urgent(self) -> list[AlertLine]:
        assert self.push is not None
        return [self.lines[key] for key in self.push.urgent]


class Served:
    """The page on a free port of 127.0.0.1, in its own thread."""

    def __init__(self, *lines: AlertLine) -> None:
        self.desk = InTestDesk(*lines)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._server = CccServer(make_app(self.desk, port=self.port), port=self.port)
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

    @property
    def thread(self) -> int | None:
        return self._thread.ident

    def stop(self) -> bool:
        """Ask the server to stop; True when its thread has ended."""
        self.desk.may_answer.set()
        self._server.should_exit = True
        self._thread.join(WAIT_S)
        return not self._thread.is_alive()

    def origin(self, name: str = "127.0.0.1") -> str:
        return f"http://{name}:{self.port}"

    def headers(self, **other: str) -> dict[str, str]:
        """As the page sends them; `other` replaces (or, when empty, removes) one of its own."""
        ours = {"origin": self.origin(), "x-page-token": self.token, "content-type": "application/json"}
        ours |= {name.replace("_", "-"): value for name, value in other.items()}
        return {name: value for name, value in ours.items() if value}

    def ask(self, body: bytes | dict[str, object], **other: str) -> httpx.Response:
        """POST /events where it is to be refused."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post("/events", content=content, headers=self.headers(**other))

    @contextlib.contextmanager
    def events(self, **asked: object) -> Iterator[Iterator[tuple[str, str]]]:
        """(event, data) as they arrive; ends with the stream."""
        with self.client.stream("POST", "/events", json=asked, headers=self.headers()) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream"), answer.status_code
            yield _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    name = data = ""
    for text in lines:
        if text.startswith("event: "):
            name = text.removeprefix("event: ")
        elif text.startswith("data: "):
            data = text.removeprefix("data: ")
        elif not text and name:
            yield name, data
            name = data = ""


def next_push(events: Iterator[tuple[str, str]], page: ModelPage) -> Push:
    """The next view, taken by `page`."""
    push = next(msgspec.json.decode(data, type=Push) for name, data in events if name == "view")
    page.take(push)
    return push


def numbers(lines: list[AlertLine]) -> list[int]:
    return [one.number for one in lines]


@pytest.fixture
def served() -> Iterator[Served]:
    page = Served(line(1), line(2, "urgent", "ПРИКЛАД"), line(3))
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


@pytest.mark.parametrize("path", ["/", "/ccc.css", "/ccc.js", "/words.js", "/healthz", "/events", "/nowhere"])
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
    assert "server" not in headers


def test_everything_the_page_asks_for_is_there_and_ours(served: Served) -> None:
    asked, seen = ["/"], {}
    while asked:
        path = asked.pop()
        if path in seen:
            continue
        answer = served.client.get(path)
        assert answer.status_code == 200, path
        seen[path] = answer.headers["content-type"]
        text = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), f"{path} names another place"
        asked += re.findall(r'(?:src|href)="([^"#]+)"', text)
        asked += [f"/{name}" for name in re.findall(r'from "\./([^"]+)"', text)]
    kinds = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
    shipped = {f"/{file.name}" for file in resources.files("failsafe.hq.ccc").iterdir()}
    assert {path for path in shipped if path.endswith(tuple(kinds))} == seen.keys() - {"/", "/words.js"}
    for path in seen.keys() - {"/"}:
        assert seen[path] == kinds[path[path.rindex(".") :]]


def test_page_has_nothing_the_policy_would_refuse(served: Served) -> None:
    html = served.client.get("/").text
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", html)
    assert "@@" not in html


def test_text_only_ever_enters_the_page_as_text() -> None:
    for file in resources.files("failsafe.hq.ccc").iterdir():
        if file.name.endswith(".js"):
            script = file.read_text(encoding="utf-8")
            assert not re.search(
                r"innerHTML\s*=|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc", script
            ), file.name


def test_page_says_no_connection_before_any_list_has_come(served: Served) -> None:
    html = served.client.get("/").text
    assert 'data-line="connecting"' in html
    assert html.index('id="lost"') < html.index("<main")


def test_every_key_of_the_help_is_one_that_does_something(served: Served) -> None:
    keys = re.search(r'<dl class="keys">(.*?)</dl>', served.client.get("/").text, re.DOTALL)
    assert keys
    script = served.client.get("/ccc.js").text
    table = script[script.index("const orders = {") : script.index("};", script.index("const orders = {"))]
    arrows = {"↓": "arrowdown", "↑": "arrowup", "esc": "escape"}
    for key in re.findall(r"<kbd>(.*?)</kbd>", keys[1]):
        name = arrows.get(key.lower(), key.lower())
        assert re.search(rf'[\s"]{re.escape(name)}"?: ', table), key


@pytest.mark.parametrize("host", ["rebound.example", "127.0.0.1", "127.0.0.1:1", "localhost.rebound.example:80", ""])
def test_foreign_host_is_refused(served: Served, host: str) -> None:
    refusal(served.client.get("/", headers={"host": host}), 421)


def test_request_without_host_is_refused(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), WAIT_S) as wire:
        wire.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b" 400 " in wire.recv(4096).split(b"\r\n")[0]


def test_page_answers_under_its_two_names(served: Served) -> None:
    for name in ("127.0.0.1", "localhost"):
        assert served.client.get("/", headers={"host": f"{name}:{served.port}"}).status_code == 200


def test_foreign_origin_is_told_nothing(served: Served) -> None:
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{served.port}", served.origin("localhost"), ""):
        refusal(served.ask({}, origin=origin), 403)
    assert served.desk.asked == []


@pytest.mark.parametrize("token", ["", "x" * 43])
def test_nothing_is_told_without_the_token(served: Served, token: str) -> None:
    refusal(served.ask({}, x_page_token=token), 403)
    assert served.desk.asked == []


def test_each_process_has_its_own_token(served: Served) -> None:
    other = Served()
    try:
        assert other.token != served.token
        refusal(other.ask({}, x_page_token=served.token), 403)
    finally:
        other.client.close()
        assert other.stop()


def test_a_search_never_stands_in_an_address(served: Served) -> None:
    refusal(served.client.get("/events", params={"search": "EXEMPLARI"}), 405)
    assert served.desk.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"search": 7}',
        b'{"search": "EXEM\xffPLARI"}',
        b'{"limit": 0}',
        b'{"limit": "200"}',
        b'{"search": "", "officer": "x"}',
        json.dumps({"limit": MOST_LINES + 1}).encode(),
        json.dumps({"search": "A" * (LONGEST_SEARCH + 1)}).encode(),
    ],
)
def test_question_of_another_form_is_refused(served: Served, body: bytes) -> None:
    refusal(served.ask(body), 400)
    assert served.desk.asked == []


def test_question_must_be_json_by_its_type(served: Served) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        refusal(served.ask({}, content_type=kind), 415)


def test_question_has_a_bound(served: Served) -> None:
    refusal(served.ask({"search": "A" * 5000}), 413)


# --- the event stream -----------------------------------------------------------------------------------------


def test_stream_gives_the_list_at_once_urgent_first(served: Served) -> None:
    page = ModelPage()
    with served.events() as events:
        push = next_push(events, page)
    assert numbers(page.shown) == [2, 3, 1]
    assert page.shown[0] == served.desk.lines[1]
    assert (push.total, push.all, push.at) == (3, 3, AT)
    assert page.booths == {"XX-INVENTED-01": served.desk.booths[0]}


def test_an_arrival_crosses_alone(served: Served) -> None:
    page = ModelPage()
    with served.events() as events:
        next_push(events, page)
        served.desk.add(line(4))
        push = next_push(events, page)
    assert page.told[-1] == [line(4).alert.id]
    assert push.booths == ()
    assert numbers(page.shown) == [2, 4, 3, 1]


def test_what_changes_of_an_alert_crosses_again(served: Served) -> None:
    page = ModelPage()
    with served.events() as events:
        next_push(events, page)
        for changed in (line(3, chain="gap before"), line(3, chain="fork"), line(3, tries=1), line(3, tries=2)):
            served.desk.add(changed)
            next_push(events, page)
            assert page.told[-1] == [changed.alert.id]
            assert page.shown[1] == changed


def test_booths_come_change_and_go(served: Served) -> None:
    page, desk = ModelPage(), served.desk
    with served.events() as events:
        next_push(events, page)
        silent = BoothLine(booth="XX-INVENTED-02", country="XX", gaps=2, faults=("The portal is not heard.",))
        desk.booths = (*desk.booths, silent)
        desk.change()
        assert len(next_push(events, page).booths) == 1
        assert page.booths["XX-INVENTED-02"] == silent
        desk.booths = desk.booths[1:]
        desk.change()
        assert next_push(events, page).gone == ("XX-INVENTED-01",)
        assert set(page.booths) == {"XX-INVENTED-02"}


def test_limit_bounds_what_is_shown_and_says_how_much_there_is(served: Served) -> None:
    page = ModelPage()
    with served.events(limit=2) as events:
        push = next_push(events, page)
    assert numbers(page.shown) == [2, 3]
    assert push.total == 3


def test_search_is_asked_of_the_desk(served: Served) -> None:
    served.desk.add(line(4, surname="示例"))
    page = ModelPage()
    with served.events(search=" 示例 ") as events:
        push = next_push(events, page)
        assert numbers(page.shown) == [4]
        assert (push.total, push.all) == (1, 4)
        served.desk.add(line(5, surname="示例"), line(6))
        next_push(events, page)
        assert numbers(page.shown) == [5, 4]


def test_search_does_not_hide_an_urgent_alert(served: Served) -> None:
    page = ModelPage()
    with served.events(search="NOBODY OF THIS NAME") as events:
        next_push(events, page)
        assert page.shown == []
        assert numbers(page.urgent) == [2]
        served.desk.add(line(7, "urgent"))
        next_push(events, page)
        assert page.shown == []
        assert numbers(page.urgent) == [7, 2]


def test_a_short_list_does_not_hide_an_urgent_alert(served: Served) -> None:
    served.desk.add(*(line(number, "urgent") for number in range(10, 15)))
    page = ModelPage()
    with served.events(limit=1) as events:
        next_push(events, page)
    assert numbers(page.shown) == [14]
    assert numbers(page.urgent) == [14, 13, 12, 11, 10, 2]


def test_two_pages_are_told_each_what_it_lacks(served: Served) -> None:
    first, second = ModelPage(), ModelPage()
    with served.events() as early:
        next_push(early, first)
        served.desk.add(line(4))
        next_push(early, first)
        with served.events() as late:
            next_push(late, second)
            assert first.shown == second.shown
            assert len(second.told[0]) == 4
            served.desk.add(line(5))
            next_push(early, first)
            next_push(late, second)
    assert first.told[-1] == second.told[-1] == [line(5).alert.id]


def test_flood_ends_with_every_alert_and_few_pushes(served: Served) -> None:
    page = ModelPage()
    with served.events(limit=MOST_LINES) as events:
        next_push(events, page)
        for number in range(10, 510):
            served.desk.add(line(number))
        while len(page.shown) < 503:
            next_push(events, page)
    assert numbers(page.shown) == [2, *range(509, 9, -1), 3, 1]
    told = [key for keys in page.told for key in keys]
    assert len(told) == len(set(told)) == 503  # each line once
    assert len(page.told) < 400


def test_stream_beats_while_nothing_changes_and_looks_again(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BEAT_S", 0.02)
    page = ModelPage()
    with served.events() as events:
        next_push(events, page)
        for _ in range(2 * stream.BEATS_A_LOOK):
            assert next(events)[0] == "beat"
        assert len(served.desk.asked) >= 2
        # A change that nobody rang for is found by looking.
        served.desk.lines.append(line(8))
        next_push(events, page)
    assert numbers(page.shown) == [2, 8, 3, 1]


def test_desk_that_falls_mute_without_a_ring_ends_the_stream(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BEAT_S", 0.02)
    with served.events() as events:
        next_push(events, ModelPage())
        served.desk.fault = RuntimeError("the register is gone")
        assert list(events)[-1] == ("stopped", "{}")


@pytest.mark.parametrize("fault", [RuntimeError("EXEMPLARI stands here"), OSError("EXEMPLARI stands here")])
@pytest.mark.parametrize("already_broken", [True, False])
def test_desk_that_gives_no_list_ends_the_stream_and_quotes_nobody(
    served: Served, caplog: pytest.LogCaptureFixture, already_broken: bool, fault: Exception
) -> None:
    with caplog.at_level(logging.DEBUG):
        if already_broken:
            served.desk.fault = fault
        with served.events() as events:
            if not already_broken:
                next_push(events, ModelPage())
                served.desk.fault = fault
                served.desk.change()
            assert list(events)[-1] == ("stopped", "{}")
    assert "no list" in caplog.text
    assert "EXEMPLARI" not in caplog.text
    refusal(served.client.get("/healthz"), 503)
    served.desk.fault = None
    page = ModelPage()
    with served.events() as events:
        next_push(events, page)
    assert numbers(page.shown) == [2, 3, 1]


def test_slow_desk_holds_up_no_other_page(served: Served) -> None:
    served.desk.may_answer.clear()
    with served.events() as events:
        assert served.client.get("/").status_code == 200
        served.desk.may_answer.set()
        next_push(events, ModelPage())
    assert served.desk.threads.isdisjoint({served.thread, threading.get_ident()})


def test_stopping_server_ends_open_streams_whole() -> None:
    page = Served()
    with contextlib.closing(page.client), page.events() as events:
        next_push(events, ModelPage())
        assert page.stop()
        assert list(events) == []  # the answer ends, it does not break off


def test_streams_are_bounded_and_places_are_given_back(served: Served) -> None:
    with contextlib.ExitStack() as pages:
        open_pages = [pages.enter_context(served.events()) for _ in range(STREAM_LIMIT)]
        for events in open_pages:
            next_push(events, ModelPage())
        refusal(served.ask({}), 503)
    # The server hears of the closed connections in its own time: ask until it has.
    for _ in range(500):
        with contextlib.suppress(AssertionError), served.events() as events:
            next_push(events, ModelPage())
            return
    pytest.fail("no place was given back")


def test_neither_token_nor_search_is_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), served.events(search="EXEMPLARI") as events:
        next_push(events, ModelPage())
        refusal(served.ask({"search": "EXEMPLARI" * 100}), 400)
    said = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    assert served.token not in said and "EXEMPLARI" not in said


def test_health_says_the_number(served: Served) -> None:
    served.desk.number = 41
    assert served.client.get("/healthz").json() == {"ok": True, "number": 41}


# --- what a page holds ----------------------------------------------------------------------------------------


def view(number: int, lines: list[AlertLine], booths: tuple[BoothLine, ...] = (), limit: int = WATCHED) -> ListView:
    ordered = in_order(lines)
    return ListView(number=number, at=AT, alerts=tuple(ordered[:limit]), total=len(ordered), booths=booths)


def test_an_empty_list_is_told_once() -> None:
    held = Held(limit=10)
    first = held.take(view(1, []), view(1, []))
    assert first is not None and (first.order, first.total) == ((), 0)
    assert held.take(view(2, []), view(2, [])) is None
    assert held.number == 2


def test_what_came_between_the_two_questions_is_asked_for_again() -> None:
    held = Held(limit=10, search="EXEMPLARI")
    held.take(view(5, []), view(7, [line(1)]))
    assert held.number == 5


def test_only_the_newest_urgent_are_watched() -> None:
    lines = [line(number, "urgent") for number in range(1, WATCHED + 31)]
    push = Held(limit=1).take(view(1, lines, limit=1000), view(1, lines, limit=1000))
    assert push is not None
    assert len(push.urgent) == WATCHED
    assert push.urgent[0] == lines[-1].alert.id
    assert len(push.order) == 1


def test_total_that_changes_alone_is_told() -> None:
    held = Held(limit=1)
    few, more = view(1, [line(3), line(2)], limit=1), view(2, [line(3), line(2), line(1)], limit=1)
    held.take(few, few)
    push = held.take(more, more)
    assert push is not None
    assert (push.total, push.lines) == (3, ())


STATES = st.lists(
    st.tuples(
        st.dictionaries(
            st.integers(1, 9),
            st.tuples(st.sampled_from(get_args(Urgency)), st.sampled_from(["whole", "fork"]), st.booleans()),
        ),
        st.dictionaries(st.sampled_from(["AA-1", "BB-2"]), st.integers(0, 1)),
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(STATES, st.integers(1, 5))
def test_pushes_always_lead_to_the_list_the_desk_holds(states, limit: int) -> None:
    held, page = Held(limit=limit, search="search"), ModelPage()
    for number, (alerts, gaps) in enumerate(states):
        lines = [line(one, urgency, chain=chain) for one, (urgency, chain, _) in alerts.items()]
        found = [line(one, urgency, chain=chain) for one, (urgency, chain, hit) in alerts.items() if hit]
        booths = tuple(BoothLine(booth=name, country="XX", gaps=many) for name, many in gaps.items())
        before = (page.shown, page.urgent, dict(page.booths)) if page.push else None
        push = held.take(view(number, lines, booths), view(number, found, booths, limit))
        if push is not None:
            page.take(msgspec.json.decode(msgspec.json.encode(push), type=Push))
        else:
            assert before == (page.shown, page.urgent, page.booths)
        assert page.push is not None
        assert page.shown == in_order(found)[:limit]
        assert page.urgent == in_order([one for one in lines if one.alert.urgency == "urgent"])
        assert page.booths == {one.booth: one for one in booths}
        assert (page.push.total, page.push.all) == (len(found), len(lines))


# --- the bell -------------------------------------------------------------------------------------------------


def test_bell_wakes_only_when_the_number_is_high_enough() -> None:
    bell, number = Bell(), [0]

    def ring() -> None:
        for _ in range(50):
            number[0] += 1
            bell.ring()

    async def wait() -> int:
        thread = threading.Thread(target=ring)
        waiting = asyncio.ensure_future(bell.past(49, lambda: number[0]))
        await asyncio.sleep(0)
        thread.start()
        await asyncio.wait_for(waiting, WAIT_S)
        thread.join()
        return number[0]

    assert asyncio.run(wait()) == 50


def test_bell_does_not_wait_for_what_has_happened() -> None:
    assert asyncio.run(asyncio.wait_for(Bell().past(3, lambda: 4), WAIT_S)) is None


def test_bell_survives_a_waiter_that_gave_up_and_a_loop_that_closed() -> None:
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


def allowed(struct: type[msgspec.Struct], name: str) -> set[str]:
    """The values that a Literal field of a struct allows."""
    found = {one.name: one.type for one in msgspec.structs.fields(struct)}
    return set(get_args(found[name]))


def test_every_code_has_words() -> None:
    assert set(words.KINDS) == set(get_args(AlertKind))
    assert set(words.URGENCIES) == set(get_args(Urgency))
    assert set(words.TIERS) == set(get_args(Tier))
    assert set(words.GRADES) == allowed(MatchedNotice, "grade")
    assert set(words.CHAINS) == allowed(AlertLine, "chain")
    assert set(words.TELLINGS) == set(get_args(NoticeState))
    assert set(words.CHANNELS) == allowed(Telling, "channel")
    assert set(words.RADIATION_CHANNELS) == allowed(ChannelSummary, "channel")
    assert set(words.SOURCES) == allowed(PersonAsRead, "source")
    assert all(row[2].endswith(".") for row in (*words.CHAINS.values(), *words.TELLINGS.values()))


def test_states_are_marked_by_a_shape_the_page_can_draw(served: Served) -> None:
    drawn = served.client.get("/draw.js").text
    table = drawn[drawn.index("const SHAPES = {") : drawn.index("};")]
    tables = (words.URGENCIES, words.GRADES, words.DETECTORS, words.MIRRORS, words.CHAINS, words.TELLINGS)
    for shape in {row[0] for table in tables for row in table.values()}:
        assert f"{shape}: [" in table or f'"{shape}": [' in table
    # Only what is in order carries the circle.
    assert [state for rows in tables for state, row in rows.items() if row[0] == "CLEAR"] == [
        "OK",
        "FRESH",
        "whole",
        "sent",
    ]


def test_words_reach_the_browser_as_they_are(served: Served) -> None:
    text = served.client.get("/words.js").text
    sent = dict(re.findall(r"^export const (\w+) = (.*);$", text, re.MULTILINE))
    assert {name: json.loads(table) for name, table in sent.items()} == json.loads(json.dumps(words.TABLES))


def test_every_word_table_a_script_imports_is_there() -> None:
    for file in resources.files("failsafe.hq.ccc").iterdir():
        if file.name.endswith(".js"):
            for names in re.findall(r'import \{([^}]*)\} from "\./words\.js"', file.read_text(encoding="utf-8")):
                assert {name.strip() for name in names.split(",")} <= set(words.TABLES), file.name


def test_every_name_of_an_alert_is_sent_whole() -> None:
    names = ("示例", "النموذجي", "לדוגמה", "მაგალითაძე", "\u202eabc")
    for name in names:
        reason = MatchReason(field="name", query=name, candidate=name, why="the same", points=8.0)
        one = line(1, surname=name)
        notice = msgspec.structs.replace(one.alert.notices[0], reasons=(reason,))
        one = msgspec.structs.replace(one, alert=msgspec.structs.replace(one.alert, notices=(notice,)))
        push = Held(limit=1).take(view(1, [one]), view(1, [one]))
        assert push is not None
        page = ModelPage()
        page.take(msgspec.json.decode(msgspec.json.encode(push), type=Push))
        assert page.shown == [one]


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast of two colours written #rrggbb."""

    def light(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    brighter, darker = sorted((light(one), light(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_colours_can_be_read(served: Served) -> None:
    colour = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", served.client.get("/ccc.css").text))
    assert contrast(colour["stop"], "#ffffff") > 8
    assert contrast(colour["stop"], colour["blush"]) > 7
    for ground in ("ground", "paper", "blush", "cream"):
        assert contrast(colour["ink"], colour[ground]) > 8
        assert contrast(colour["soft"], colour[ground]) > 6
    assert contrast(colour["unknown"], colour["paper"]) > 6
