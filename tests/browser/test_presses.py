"""Presses that last over a drawing: the pointer, the space bar and the focus, on both pages in a real Chromium.

A duty officer's lost click is a silenced alert: each test holds a button down, has the page drawn anew, and lets go.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest
from playwright.sync_api import Locator, Page, expect

from failsafe.agent.page.view import LaneView, RadiationView, View
from failsafe.hq.ccc.view import BoothLine, FindingLine
from failsafe.sync.reports import Finding
from tests import officer_page
from tests.browser.chromium import DESK_SCREEN
from tests.browser.conftest import Visitor
from tests.ccc_page import AT, Served, line, serving
from tests.officer_page import CLEAR, HEADER, STOP

BOOTH, OTHER = "XX-INVENTED-01", "XX-INVENTED-02"
TROUBLED = BoothLine(booth=BOOTH, country="FR", heard_at="2026-11-21T08:00:00Z", gaps=2, undelivered=1)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(line(1), line(2)) as page:
        page.desk.booths = (TROUBLED, BoothLine(booth=OTHER, country="FR", heard_at=AT))
        yield page


@pytest.fixture
def ccc(served: Served, visitor: Visitor) -> Page:
    return visitor.open(served.port, viewport=DESK_SCREEN)


def hold(page: Page, what: Locator) -> None:
    """The pointer goes down on the middle of it, and stays."""
    box = what.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()


def news(served: Served, page: Page) -> None:
    """Each line of alerts and each booth changes, and the page has drawn it."""
    desk = served.desk
    desk.booths = tuple(msgspec.structs.replace(one, undelivered=one.undelivered + 3) for one in desk.booths)
    about = line(1).alert
    seen = Finding(id=f"{about.id[:-1]}9", at=about.at, place=about.place, alerts=(about.id,), text="Compared.")
    said = FindingLine(finding=seen, sequence=9, received_at=AT, chain="whole")
    desk.add(*(msgspec.structs.replace(one, findings=(said,)) for one in desk.lines), line(3))
    expect(page.locator("#shown")).to_contain_text("3 alerts")


def booth_button(page: Page, name: str = BOOTH) -> Locator:
    return page.locator(f'button[data-booth="{name}"]')


def booth_row(page: Page, name: str = BOOTH) -> Locator:
    return page.locator("#booths tr", has=booth_button(page, name))


def test_a_booth_opens_though_its_row_was_drawn_anew_under_the_pointer(served: Served, ccc: Page) -> None:
    hold(ccc, booth_button(ccc))
    news(served, ccc)
    ccc.mouse.up()
    expect(ccc.get_by_role("region", name="What changed at the booth")).to_contain_text(BOOTH)
    expect(booth_row(ccc).locator(".undelivered strong")).to_have_text("4")  # what waited is drawn


def test_an_alert_opens_though_its_row_was_drawn_anew_under_the_pointer(served: Served, ccc: Page) -> None:
    row = ccc.locator('#alerts tr[data-number="1"]')
    hold(ccc, row.locator(".who .name"))
    news(served, ccc)
    ccc.mouse.up()
    expect(ccc.get_by_role("region", name="The alert")).to_contain_text(line(1).alert.id)
    expect(ccc.locator("#alerts tr")).to_have_count(3)
    expect(row.locator(".finding")).to_be_visible()


def test_a_button_does_its_work_though_a_banner_has_moved_it_away(served: Served, ccc: Page) -> None:
    hold(ccc, ccc.locator("#duty-officer"))
    served.desk.add(line(4, "urgent"))
    expect(ccc.get_by_role("region", name="Urgent alerts")).to_be_visible()
    ccc.mouse.up()
    expect(ccc.get_by_label("Your name")).to_be_focused()


def test_the_first_press_that_wakes_the_sound_is_a_press_of_its_button(ccc: Page) -> None:
    sound = ccc.locator("#sound")
    expect(sound).to_contain_text("NO SOUND YET")
    hold(ccc, sound.locator("kbd"))
    expect(ccc.locator("body")).to_have_attribute("data-line", "up")
    ccc.mouse.up()
    expect(sound).to_contain_text("SOUND IS OFF")


def test_a_press_that_was_moved_away_does_nothing_and_the_list_goes_on(served: Served, ccc: Page) -> None:
    hold(ccc, booth_button(ccc))
    news(served, ccc)
    ccc.mouse.move(5, 300)
    ccc.mouse.up()
    expect(booth_row(ccc).locator(".undelivered strong")).to_have_text("4")
    expect(ccc.locator("#detail")).to_be_hidden()


def test_what_leans_on_the_screen_does_not_hold_the_list_for_ever(served: Served, ccc: Page) -> None:
    hold(ccc, booth_button(ccc))
    news(served, ccc)
    expect(booth_row(ccc).locator(".undelivered strong")).to_have_text("4")  # the pointer is still down
    ccc.mouse.up()


def test_the_space_bar_is_held_like_the_pointer(served: Served, ccc: Page) -> None:
    booth_button(ccc).focus()
    ccc.keyboard.down(" ")
    news(served, ccc)
    ccc.keyboard.up(" ")
    expect(ccc.get_by_role("region", name="What changed at the booth")).to_be_focused()


def test_a_key_counts_from_the_moment_that_the_window_is_closed(served: Served, ccc: Page) -> None:
    """Until the page is drawn again the closed window's field has the focus: nobody types there any more."""
    served.desk.add(line(4, "urgent"))
    expect(ccc.get_by_role("region", name="Urgent alerts")).to_be_visible()
    ccc.keyboard.press("d")
    ccc.get_by_label("Your name").fill("Duty Example")
    ccc.locator("#duty").evaluate(
        """(one) => one.addEventListener("close", () => document.activeElement.dispatchEvent(
          new KeyboardEvent("keydown", { key: "a", code: "KeyA", bubbles: true, cancelable: true })))"""
    )
    ccc.keyboard.press("Enter")
    expect(ccc.get_by_role("region", name="Urgent alerts")).to_be_hidden()
    assert served.desk.acknowledged == [((4,), "Duty Example")]


def test_the_focus_stays_on_what_a_row_and_the_detail_hold(served: Served, ccc: Page) -> None:
    rest = booth_row(ccc).locator("summary")
    rest.focus()
    news(served, ccc)
    expect(booth_row(ccc).locator(".undelivered strong")).to_have_text("4")
    expect(rest).to_be_focused()
    ccc.keyboard.press("Enter")
    expect(booth_row(ccc).locator("details")).to_have_attribute("open", "")
    ccc.locator('#alerts tr[data-number="1"]').click()
    record = ccc.locator("#detail-words summary")
    record.focus()
    ccc.keyboard.press("Enter")
    told = msgspec.structs.replace(served.desk.lines[0], chain="gap before")
    served.desk.add(told)
    expect(ccc.locator("#detail-words")).to_contain_text("gap before")
    expect(record).to_be_focused()
    expect(ccc.get_by_role("region", name="The record as JSON")).to_contain_text('"chain": "gap before"')


# --- the officer's page ---------------------------------------------------------------------------------------------


@pytest.fixture
def booth() -> Iterator[officer_page.Served]:
    with closing(officer_page.Served()) as page:
        page.desk.show(lanes(2))
        yield page


def lanes(number: int, *, told: bool = False) -> View:
    quiet = RadiationView(state="quiet")
    north = LaneView(lane="north", radiation=quiet, crossing="c-1" if told else None, verdict=STOP if told else None)
    south = LaneView(lane="south", radiation=quiet, crossing="c-2" if told else None, verdict=CLEAR if told else None)
    return View(number=number, at="2026-11-21T10:00:10Z", header=HEADER, lanes=(north, south))


def test_a_lane_is_chosen_though_a_verdict_was_drawn_meanwhile(booth: officer_page.Served, visitor: Visitor) -> None:
    page = visitor.open(booth.port)
    south = page.get_by_role("button", name="Lane south")
    hold(page, south.locator("span").first)
    booth.desk.show(lanes(3, told=True))
    expect(page.locator("#verdict")).to_have_attribute("data-word", "STOP")  # a verdict waits for no pointer
    page.mouse.up()
    expect(page.locator("#verdict")).to_have_attribute("data-word", "CLEAR")
    expect(south).to_have_attribute("aria-pressed", "true")
    expect(south).to_contain_text("CLEAR")


def test_a_lane_keeps_the_focus_when_it_is_drawn_anew(booth: officer_page.Served, visitor: Visitor) -> None:
    page = visitor.open(booth.port)
    south = page.get_by_role("button", name="Lane south")
    south.focus()
    booth.desk.show(lanes(3, told=True))
    expect(south).to_contain_text("CLEAR")
    expect(south).to_be_focused()
