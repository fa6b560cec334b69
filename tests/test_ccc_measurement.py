"""A measurement over the page's door: as it was written, under its name, and to nobody else's page."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from failsafe.hq.ccc.view import MeasurementFile
from tests.ccc_page import Served, serving, three
from tests.screen import refusal

PATH = "/measurement"
FILE = MeasurementFile(name="01900000-0000-7000-8000-000000000001.n42", content=b'<?xml version="1.0"?><Invented/>')


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(*three()) as page:
        page.desk.files[7] = FILE
        yield page


def test_the_file_comes_as_it_was_written_to_be_saved_under_its_name(served: Served) -> None:
    answer = served.ask({"number": 7}, PATH)
    assert (answer.status_code, answer.content) == (200, FILE.content)
    assert answer.headers["content-type"] == "application/xml"
    assert answer.headers["content-disposition"] == f'attachment; filename="{FILE.name}"'
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_another_number_is_said_to_be_none(served: Served) -> None:
    assert "Reload" in refusal(served.ask({"number": 8}, PATH), 404)["advice"]


@pytest.mark.parametrize("body", [b"", b"7", b'{"number": 0}', b'{"number": "7"}', b'{"number": 7, "all": true}'])
def test_order_of_another_form_is_refused(served: Served, body: bytes) -> None:
    refusal(served.ask(body, PATH), 400)


def test_another_page_gets_nothing(served: Served) -> None:
    refusal(served.ask({"number": 7}, PATH, x_page_token=""), 403)
    refusal(served.ask({"number": 7}, PATH, origin="http://evil.example"), 403)
    refusal(served.client.get(PATH, params={"number": "7"}), 405)


def test_a_desk_that_cannot_read_is_said_and_nothing_is_quoted(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.desk.fault = RuntimeError("Invented Officer")
    with caplog.at_level(logging.DEBUG):
        refusal(served.ask({"number": 7}, PATH), 503)
    assert "measurement" in caplog.text and "Invented" not in caplog.text
