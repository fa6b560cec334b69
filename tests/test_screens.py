"""What both pages share: gate, token, shelf, streams and the texts of each language, over a small page of its own."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from babel.messages.catalog import Catalog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from failsafe.screens import texts as texts_module
from failsafe.screens.gate import Answer, Gate, Refused, Token, json_answer, order, refusals
from failsafe.screens.shelf import Shelf
from failsafe.screens.streams import EventStream, Line, Streams, TooMany
from failsafe.screens.texts import LANGUAGES, texts
from tests import wording

PORT = 8799
OURS = f"http://127.0.0.1:{PORT}"
LOG = logging.getLogger("tests.screens")
WAIT_S = 60.0


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    word: str


def small_page(token: Token) -> Starlette:
    """A page with one order, one fault and one refusal behind the gate."""

    async def take(request: Request) -> Response:
        given = await order(request, Order, token=token, limit=100, too_long=Answer("Too long.", "Say less."))
        return json_answer({"taken": given.word})

    async def fault(_request: Request) -> Response:
        raise LookupError("a fault that quotes EXEMPLARI")

    async def full(_request: Request) -> Response:
        raise TooMany

    return Starlette(
        routes=[Route("/take", take, methods=["POST"]), Route("/fault", fault), Route("/full", full)],
        middleware=[Middleware(Gate, port=PORT, log=LOG, broken=Answer("It broke.", "Try again."))],
        exception_handlers=refusals("Look elsewhere."),
    )


@asynccontextmanager
async def client(token: Token) -> AsyncIterator[httpx.AsyncClient]:
    # A fault is answered by the gate itself; the transport need not raise it.
    async with httpx.AsyncClient(transport=httpx.ASGITransport(small_page(token)), base_url=OURS) as one:
        yield one


def asked(method: str, path: str, **how: Any) -> httpx.Response:
    """One request to the small page; `token` and `headers` as given."""
    token = how.pop("token", None) or Token()

    async def ask() -> httpx.Response:
        async with client(token) as one:
            return await one.request(method, path, **how)

    return asyncio.run(ask())


def test_order_is_taken_with_token_type_and_origin() -> None:
    token = Token()
    headers = {"origin": OURS, "x-page-token": token.text, "content-type": "application/json; charset=utf-8"}
    answer = asked("POST", "/take", token=token, headers=headers, content=b'{"word": "now"}')
    assert (answer.status_code, answer.json()) == (200, {"taken": "now"})


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"x-page-token": "another"}, b'{"word": "now"}', 403),
        ({"content-type": "text/plain"}, b'{"word": "now"}', 415),
        ({}, b'{"word": "now", "more": 1}', 400),
        ({}, b'{"word": "\xff"}', 400),
        ({}, b'{"word": "' + b"a" * 100 + b'"}', 413),
        ({"origin": "http://elsewhere.example"}, b'{"word": "now"}', 403),
        ({"host": "elsewhere.example"}, b'{"word": "now"}', 421),
    ],
)
def test_order_is_refused_with_words_and_headers(headers: dict[str, str], content: bytes, status: int) -> None:
    token = Token()
    given = {"origin": OURS, "x-page-token": token.text, "content-type": "application/json"} | headers
    answer = asked("POST", "/take", token=token, headers=given, content=content)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "advice"}
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_fault_is_told_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    answer = asked("GET", "/fault")
    assert (answer.status_code, answer.json()["error"]) == (500, "It broke.")
    assert "LookupError" in caplog.text and "EXEMPLARI" not in caplog.text


def test_what_is_not_there_and_what_is_full_are_answers_too() -> None:
    assert asked("GET", "/nowhere").json() == {"error": "Not Found.", "advice": "Look elsewhere."}
    assert asked("GET", "/full").status_code == 503


def test_token_never_shows_in_a_repr() -> None:
    token = Token()
    assert token.text not in repr(token) and len(token.text) >= 40
    with pytest.raises(Refused):
        token.check(None)


# --- the shelf ------------------------------------------------------------------------------------------------


def shelf() -> Shelf:
    return Shelf("failsafe.agent.page", pages={"/": "first.html"}, words={"A": {"b": "c"}})


def test_shelf_holds_the_files_of_both_rooms_and_fills_the_html() -> None:
    async def ask() -> list[httpx.Response]:
        one = shelf()
        app = Starlette(routes=one.routes(), exception_handlers=refusals("Look elsewhere."))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=OURS) as browser:
            paths = ("/", "/first.js", "/draw.js", "/frame.css", "/words.js", "/languages.js", "/texts/xx.json")
            answers = [await browser.get(path) for path in paths]
        assert one.token.text in answers[0].text
        return answers

    html, *files, missing = asyncio.run(ask())
    assert "@@" not in html.text
    assert [file.status_code for file in files] == [200] * 5
    assert files[3].text == 'export const A = {"b":"c"};\n'
    assert [one["code"] for one in json.loads(files[4].text.partition("=")[2].rstrip(";\n"))] == [
        "en",
        "fr",
        "es",
        "ar",
    ]
    assert missing.status_code == 404


def test_file_may_not_hide_one_of_the_shared_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "a_page_of_its_own"
    package.mkdir()
    (package / "draw.js").write_text("// mine")
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"draw\.js"):
        Shelf("a_page_of_its_own", pages={}, words={})


# --- streams --------------------------------------------------------------------------------------------------


def streamed(
    fill: Callable[[Line], Awaitable[None]], *, breaks_at: int | None = None, streams: Streams | None = None
) -> list[bytes]:
    """What a browser gets of one stream; its connection breaks at the given piece."""
    pieces: list[bytes] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            if len(pieces) == breaks_at:
                raise OSError("gone")
            pieces.append(message["body"])

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def run() -> None:
        stream = EventStream(streams or Streams(1), fill, LOG)
        await asyncio.wait_for(stream({"type": "http"}, receive, send), WAIT_S)

    asyncio.run(run())
    return pieces


def test_stream_says_what_it_is_filled_with_and_ends_whole() -> None:
    async def fill(line: Line) -> None:
        await line.retry(1000)
        await line.say("view", b'{"a":1}')

    assert streamed(fill) == [b"retry: 1000\n\n", b'event: view\ndata: {"a":1}\n\n', b""]


def test_fault_of_a_stream_is_said_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async def fill(_line: Line) -> None:
        raise OSError("a disk that quotes EXEMPLARI")

    assert streamed(fill) == [b"event: stopped\ndata: {}\n\n", b""]
    assert "OSError" in caplog.text and "EXEMPLARI" not in caplog.text


def test_browser_that_goes_away_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    async def fill(line: Line) -> None:
        while True:
            await line.say("beat")

    assert len(streamed(fill, breaks_at=3)) == 3
    assert caplog.text == ""


def test_end_of_the_streams_ends_a_wait() -> None:
    async def run() -> list[bool]:
        streams, seen = Streams(1), []

        async def fill(line: Line) -> None:
            never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(streams.end)
            seen.append(await line.wait(never, WAIT_S))
            await line.rest(WAIT_S)
            seen.append(line.over)

        async def receive() -> Any:
            await asyncio.Event().wait()

        async def send(_message: Any) -> None: ...

        await asyncio.wait_for(EventStream(streams, fill, LOG)({"type": "http"}, receive, send), WAIT_S / 2)
        with pytest.raises(TooMany):
            async with streams.place():
                pass
        return seen

    assert asyncio.run(run()) == [False, True]


# --- texts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda one: one.code)
def test_each_language_is_served_in_its_form(language: texts_module.Language) -> None:
    told = json.loads(texts(language.code))
    assert told["language"] == language.code
    assert {"one", "other"} <= set(told["plurals"])
    assert all(isinstance(text, str | list) for text in told["texts"].values())


def test_text_without_words_is_left_out_so_that_the_page_shows_english(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Catalog(locale="ar")
    held.add("Wait.", string="انتظر.")
    held.add("Gone.", string="")
    held.add(("{n} day", "{n} days"), string=("", "يوم", "", "", "", ""))
    monkeypatch.setattr(texts_module, "catalogue", lambda _language: held)
    told = json.loads(texts.__wrapped__("ar"))
    assert told["texts"] == {"Wait.": "انتظر."}


def test_right_to_left_is_told() -> None:
    assert [one.code for one in LANGUAGES if one.dir == "rtl"] == ["ar"]
    assert all(one.name for one in LANGUAGES)


def test_catalogues_are_there_for_each_language() -> None:
    assert {file.stem for file in wording.LOCALE.glob("*.po")} == set(wording.LANGUAGES_KEPT)
