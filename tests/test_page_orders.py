"""The officer's page: the second line, and what an officer orders."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest

from failsafe.agent.page.view import (
    ManualEntry,
    SecondView,
)
from tests.officer_page import FINDING, SECOND, STOP, Served, next_view, view_of
from tests.screen import refusal


@pytest.fixture
def served() -> Iterator[Served]:
    with closing(Served()) as page:
        yield page


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
