"""The booth falls silent under an open page: no old verdict stays, and the page comes back by itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import sight
from tests.browser.conftest import Visitor
from tests.browser.lane import Lane
from tests.browser.scenes import shows, violations

# What Chromium says of requests that nobody answers; the test kills the booth on purpose.
UNANSWERED = r"net::ERR_"


@pytest.mark.parametrize("path", ["/", "/second"])
def test_a_killed_booth_leaves_no_verdict_and_comes_back(path: str, visitor: Visitor, booth: Lane) -> None:
    booth.strong()
    page = visitor.open(booth.port, path)
    visitor.watch(page).forgive(UNANSWERED)
    expect(page.get_by_role("heading", name="STOP", level=1)).to_be_visible()

    booth.fall_silent()
    overlay = page.locator("#lost")
    expect(overlay).to_be_visible()
    expect(overlay).to_contain_text("NO CONNECTION TO THE BOOTH")
    expect(overlay).to_contain_text("CANNOT CLEAR")
    expect(overlay).to_have_attribute("role", "alert")
    expect(page.get_by_role("heading", name="STOP")).to_have_count(0)
    assert sight.crowded(page) == []
    assert violations(page) == []

    booth.come_back()
    expect(overlay).to_be_hidden()
    booth.strong()
    if path == "/":
        shows(page, "STOP")  # told by the new process: the page has its new token
    else:
        expect(page.locator("#band")).to_have_attribute("data-word", "STOP")


def test_what_was_being_typed_outlives_a_short_silence(visitor: Visitor, booth: Lane) -> None:
    page = visitor.open(booth.port)
    visitor.watch(page).forgive(UNANSWERED)
    page.keyboard.press("m")
    page.locator("#zone").fill("P<UTOSAMPLE")
    booth.fall_silent()
    expect(page.locator("#lost")).to_be_visible()
    booth.come_back()
    expect(page.locator("#lost")).to_be_hidden()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.locator("#zone")).to_have_value("P<UTOSAMPLE")
