"""The command centre's page: its gate, what it is made of, and what it refuses to be asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources

import pytest

from failsafe.hq.ccc.app import LONGEST_SEARCH, MOST_LINES
from tests.ccc_page import Served, serving, three
from tests.screen import check_headers, check_hostless, refusal


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(*three()) as page:
        yield page


@pytest.mark.parametrize("path", ["/", "/ccc.css", "/ccc.js", "/words.js", "/healthz", "/events", "/nowhere"])
def test_every_answer_carries_the_strict_headers(served: Served, path: str) -> None:
    check_headers(served.client.get(path))


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
    rooms = (resources.files("failsafe.hq.ccc"), resources.files("failsafe.screens"))
    shipped = {f"/{file.name}" for room in rooms for file in room.iterdir()}
    assert {path for path in shipped if path.endswith(tuple(kinds))} == seen.keys() - {
        "/",
        "/words.js",
        "/languages.js",
    }
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
    check_hostless(served)


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
