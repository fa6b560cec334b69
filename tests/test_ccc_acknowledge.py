"""Acknowledging over the page's door: what is written, what every screen is told, and what is refused."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from failsafe.hq.ccc.app import LONGEST_OFFICER, MOST_AT_ONCE
from failsafe.hq.ccc.view import Acknowledgement
from tests.ccc_page import AT, ModelPage, Served, line, next_push, numbers, serving, three
from tests.screen import refusal

PATH = "/acknowledge"


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(*three()) as page:
        yield page


def test_every_screen_hears_who_acknowledged_and_stops_ringing(served: Served) -> None:
    first, second = ModelPage(), ModelPage()
    with served.events() as one, served.events(search="NOBODY OF THIS NAME") as other:
        next_push(one, first)
        next_push(other, second)
        assert numbers(first.waiting) == numbers(second.waiting) == [2]
        answer = served.ask({"officer": " Invented Officer ", "alerts": [2]}, PATH)
        assert (answer.status_code, answer.json()) == (200, {"acknowledged": 1})
        next_push(one, first)
        next_push(other, second)
    assert first.waiting == second.waiting == []
    assert first.shown[0].acknowledged == Acknowledgement(officer="Invented Officer", at=AT)


def test_an_alert_that_arrives_in_the_same_moment_goes_on_ringing(served: Served) -> None:
    page = ModelPage()
    with served.events() as events:
        next_push(events, page)
        shown_then = numbers(page.waiting)
        served.desk.add(line(4, "urgent"))
        served.ask({"officer": "Invented Officer", "alerts": shown_then}, PATH)
        while numbers(page.waiting) != [4]:
            next_push(events, page)
    assert served.desk.acknowledged == [((2,), "Invented Officer")]


def test_saying_it_twice_is_no_fault(served: Served) -> None:
    order = {"officer": "Invented Officer", "alerts": [2]}
    assert served.ask(order, PATH).json() == {"acknowledged": 1}
    assert served.ask(order, PATH).json() == {"acknowledged": 0}


@pytest.mark.parametrize("officer", ["", "   ", "\u0000", "two\nlines", "\u0085"])
def test_nobody_acknowledges_without_a_name(served: Served, officer: str) -> None:
    refusal(served.ask({"officer": officer, "alerts": [2]}, PATH), 422)
    assert served.desk.acknowledged == []


@pytest.mark.parametrize(
    "officer", ["名前", "عبد الرحمن", "Дежурный", "O\u2019Invented", "می\u200cنا", "X" * LONGEST_OFFICER]
)
def test_a_name_of_any_script_is_written_as_it_is(served: Served, officer: str) -> None:
    assert served.ask({"officer": officer, "alerts": [2]}, PATH).status_code == 200
    assert served.desk.acknowledged == [((2,), officer)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"alerts": [2]}',
        b'{"officer": "Invented Officer"}',
        b'{"officer": "Invented Officer", "alerts": 2}',
        b'{"officer": "Invented Officer", "alerts": ["2"]}',
        b'{"officer": "Invented Officer", "alerts": [0]}',
        b'{"officer": "Invented Officer", "alerts": [2.5]}',
        b'{"officer": "Invented Officer", "alerts": [9223372036854775808]}',
        b'{"officer": "Invented Officer", "alerts": [2], "all": true}',
        json.dumps({"officer": "X" * (LONGEST_OFFICER + 1), "alerts": [2]}).encode(),
        json.dumps({"officer": "X", "alerts": list(range(1, MOST_AT_ONCE + 2))}).encode(),
    ],
)
def test_order_of_another_form_is_refused(served: Served, body: bytes) -> None:
    refusal(served.ask(body, PATH), 400)
    assert served.desk.acknowledged == []


def test_another_page_acknowledges_nothing(served: Served) -> None:
    order: dict[str, object] = {"officer": "Invented Officer", "alerts": [2]}
    refusal(served.ask(order, PATH, x_page_token=""), 403)
    refusal(served.ask(order, PATH, x_page_token="x" * 43), 403)
    refusal(served.ask(order, PATH, origin="http://evil.example"), 403)
    refusal(served.ask(order, PATH, content_type="text/plain"), 415)
    refusal(served.client.get(PATH, params={"officer": "Invented Officer"}), 405)
    assert served.desk.acknowledged == []


@pytest.mark.parametrize("fault", [RuntimeError("Invented Officer"), OSError("Invented Officer")])
def test_a_desk_that_cannot_write_is_said_and_nobody_is_quoted(
    served: Served, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    served.desk.fault = fault
    with caplog.at_level(logging.DEBUG):
        body = refusal(served.ask({"officer": "Invented Officer", "alerts": [2]}, PATH), 503)
    assert "the signal goes on" in body["error"]
    assert "acknowledgement" in caplog.text and "Invented" not in caplog.text
