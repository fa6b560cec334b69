"""What the second line found: by keyboard alone, through to the command centre, and no text lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest
from playwright.sync_api import Page, Route, expect

from failsafe.agent.page.view import AlertView, FindingOrder, FindingRefused
from failsafe.sync.reports import FINDING_LENGTH, Finding
from tests.browser import sight
from tests.browser.conftest import Visitor
from tests.browser.lane import Lane
from tests.browser.people import SUBJECTS
from tests.browser.scenes import violations
from tests.officer_page import SECOND, Served
from tests.story.journey import await_true

LETTER = "Ärztlicher Brief: Iod-131 — رسالة الطبيب — 医生的信"
REFUSED = "status of 503"


def kept(booth: Lane) -> list[Finding]:
    with booth.open_ledger() as ledger:
        ledger.verify()
        return [entry.body for entry in ledger.entries() if isinstance(entry.body, Finding)]


def field(page: Page):
    return page.locator("#finding-text")


def findings(page: Page):
    return page.locator("#findings .text")


@pytest.fixture
def page(booth: Lane, visitor: Visitor) -> Iterator[Page]:
    """The second line, opened by the key of the first, with a strong candidate before it."""
    booth.strong()
    opened = visitor.open(booth.port)
    opened.keyboard.press("s")
    expect(opened.locator("#finding")).to_be_visible()
    return opened


def test_a_finding_is_written_by_keyboard_alone_and_stands_in_the_ledger(booth: Lane, page: Page) -> None:
    before = len(kept(booth))
    page.keyboard.press("f")
    expect(field(page)).to_be_focused()
    page.keyboard.type("smug? no: 1 sum of funds")  # each of these letters is an order elsewhere on the page
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(findings(page)).to_have_text(["smug? no: 1 sum of funds"])
    expect(page.locator("#finding-said")).to_contain_text("Recorded")
    expect(field(page)).to_have_value("")
    (found,) = kept(booth)[before:]
    assert (found.text, found.place.lane) == ("smug? no: 1 sum of funds", "1")
    shown = page.locator("#alerts code").all_inner_texts()
    assert shown and list(found.alerts) == shown


def test_a_correction_stands_below_and_takes_nothing_away(booth: Lane, page: Page) -> None:
    for text in (LETTER, "Correction:\ntechnetium"):
        field(page).fill(text)
        field(page).press("Control+Enter")
        expect(findings(page).last).to_have_text(text)
    expect(findings(page)).to_have_count(2)
    assert [found.text for found in kept(booth)[-2:]] == [LETTER, "Correction:\ntechnetium"]
    assert sight.crowded(page) == [] and violations(page) == []


def test_a_finding_can_be_written_when_the_lane_has_gone_on(booth: Lane, page: Page) -> None:
    about = page.locator("#alerts code").all_inner_texts()
    booth.clear()
    expect(page.locator("#moved")).to_be_visible()
    field(page).fill(LETTER)
    page.get_by_role("button", name="Send to the command centre").click()
    expect(findings(page)).to_have_text([LETTER])
    assert list(kept(booth)[-1].alerts) == about
    page.get_by_role("button", name="Show the lane now").click()
    expect(page.locator("#finding")).to_be_hidden()
    expect(page.locator("#no-finding")).to_contain_text("No alert was raised")


def test_the_order_to_show_the_lane_now_is_not_lost_when_news_overtake_its_answer(booth: Lane, page: Page) -> None:
    booth.clear()
    expect(page.locator("#moved")).to_be_visible()
    overtaken: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if overtaken:
            route.continue_()
        else:
            overtaken.append(route)

    page.route("**/second.json?*", hold_the_first)
    with page.expect_request("**/second.json?*"):
        page.get_by_role("button", name="Show the lane now").click()
    with page.expect_response("**/second.json?*"):
        booth.cannot_clear()
    expect(page.locator("#moved")).to_be_hidden()
    expect(page.locator("#band")).to_have_attribute("data-word", "CANNOT CLEAR")
    overtaken[0].continue_()


def test_a_text_outlives_a_lost_line_and_a_new_start_of_the_core(booth: Lane, page: Page, visitor: Visitor) -> None:
    visitor.watch(page).forgive("ERR_|status of 403|status of 404")
    about = page.locator("#alerts code").all_inner_texts()
    field(page).fill(LETTER)
    booth.portal.stop()
    booth.portal_line.unplug()
    booth.cut_down()
    expect(page.locator("body")).to_have_attribute("data-line", "lost")
    expect(page.locator("#person")).to_be_empty()
    booth.portal_line.plug()
    booth.new_portal()
    booth.start_core()
    booth.await_ready()
    expect(page.locator("body")).to_have_attribute("data-line", "up")
    expect(field(page)).to_have_value(LETTER)
    field(page).press("Control+Enter")
    expect(findings(page)).to_have_text([LETTER])
    assert list(kept(booth)[-1].alerts) == about


def test_what_cannot_be_recorded_stays_in_the_field(booth: Lane, page: Page, visitor: Visitor) -> None:
    visitor.watch(page).forgive(REFUSED)
    before = kept(booth)
    field(page).fill(LETTER)
    with booth.ledger_held():
        field(page).press("Control+Enter")
        expect(page.locator("#finding-error")).to_contain_text("Telephone the CCC")
        expect(page.locator("#finding-error")).to_contain_text("+00 000 0000")
        expect(field(page)).to_have_value(LETTER)
    booth.await_recording()
    assert kept(booth) == before
    field(page).press("Control+Enter")
    expect(findings(page)).to_have_text([LETTER])
    assert len(kept(booth)) == len(before) + 1


@pytest.fixture
def served() -> Iterator[Served]:
    with closing(Served()) as page:
        yield page


def test_a_finding_that_was_recorded_late_leaves_the_field(served: Served, visitor: Visitor) -> None:
    """A busy ledger gave no answer in time, and had it a moment later: it is not to be sent once more."""

    def late(order: FindingOrder) -> str:
        served.desk.found.append(order)
        raise FindingRefused("The ledger has not answered yet.", "Send it again: it will be recorded once.", booth=True)

    alert = AlertView(id="a-1", kind="notice_hit", urgency="urgent", at="2026-11-21T10:00:09Z")
    stopped = msgspec.structs.replace(SECOND, lane="north", alerts=(alert,))
    served.desk.second = lambda _lane: stopped  # type: ignore[method-assign]
    served.desk.find = late  # type: ignore[method-assign]
    page = visitor.open(served.port, "/second?lane=north")
    visitor.watch(page).forgive(REFUSED)
    field(page).fill(LETTER)
    field(page).press("Control+Enter")
    expect(findings(page)).to_have_text([LETTER])
    expect(field(page)).to_have_value("")
    expect(page.locator("#finding-error")).to_be_empty()
    expect(page.locator("#finding-said")).to_contain_text("Recorded")
    assert len(served.desk.found) == 1


def test_an_empty_or_too_long_text_is_said_beside_the_field(booth: Lane, page: Page) -> None:
    before = kept(booth)
    field(page).press("Control+Enter")
    expect(page.locator("#finding-error")).to_contain_text("Write what was found")
    expect(field(page)).to_have_accessible_description(
        "In any language. It goes to the command centre under the alerts above and cannot be changed: "
        "a correction is a further finding. 2,000 characters left The finding is empty. Write what was found. "
        "+00 000 0000"
    )
    field(page).fill("\U00020bb7" * (FINDING_LENGTH + 3))
    expect(page.locator("#finding-left")).to_have_text("3 characters too many")
    expect(field(page)).to_have_attribute("aria-invalid", "true")
    field(page).press("Control+Enter")
    expect(page.locator("#finding-error")).to_contain_text("too long")
    assert kept(booth) == before
    field(page).fill("\U00020bb7" * FINDING_LENGTH)
    field(page).press("Control+Enter")
    expect(findings(page)).to_have_count(1)


def test_a_text_that_was_not_sent_is_left_only_when_asked_twice(booth: Lane, page: Page) -> None:
    field(page).fill("half a sentence")
    back = page.get_by_role("button", name="Back to first line")
    back.click()
    expect(page.locator("#refused")).to_contain_text("not sent")
    expect(field(page)).to_have_value("half a sentence")
    back.click()
    expect(page.locator("#verdict")).to_be_visible()


def test_a_traveller_without_an_alert_leaves_nothing_to_write_about(booth: Lane, visitor: Visitor) -> None:
    booth.clear()
    page = visitor.open(booth.port, "/second")
    expect(page.locator("#no-finding")).to_contain_text("Nothing about this traveller is stored")
    page.keyboard.press("f")
    expect(page.locator("#finding")).to_be_hidden()


def test_the_command_centre_reads_the_finding_under_its_alert(centre: Lane, visitor: Visitor) -> None:
    verdict = centre.strong(SUBJECTS[3])
    (alert,) = [one["id"] for one in verdict["alerts"]]
    page = visitor.open(centre.port, "/second")
    field(page).fill(LETTER)
    field(page).press("Control+Enter")
    expect(findings(page)).to_have_text([LETTER])
    expect(page.locator("#findings .meta")).to_contain_text("at headquarters")
    expect(page.locator("#finding-said")).to_contain_text("at headquarters")

    def at_headquarters() -> list[str]:
        lines = [line for line in centre.alerts_at_headquarters() if line["alert"]["id"] == alert]
        return [one["finding"]["text"] for line in lines for one in line.get("findings", [])]

    await_true(lambda: at_headquarters() == [LETTER], "the finding at headquarters")
