"""The officer's page: what it is made of, and whom its gate lets in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from importlib import resources

import pytest

from tests.officer_page import FINDING, Served
from tests.screen import check_headers, check_hostless, refusal


@pytest.fixture
def served() -> Iterator[Served]:
    with closing(Served()) as page:
        yield page


@pytest.mark.parametrize("path", ["/", "/second", "/page.css", "/first.js", "/words.js", "/healthz", "/nowhere"])
def test_every_answer_carries_the_strict_headers(served: Served, path: str) -> None:
    check_headers(served.client.get(path))


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
    check_hostless(served)


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
