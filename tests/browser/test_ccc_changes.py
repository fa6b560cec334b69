"""What changed at a booth, on the command centre's page in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from playwright.sync_api import Page, ViewportSize, expect

from failsafe.hq.ccc.view import BoothLine, ChangeLine, ChangesView
from failsafe.hq.desk.changes import is_well
from failsafe.sync.reports import HealthChange, Moment, Place
from tests.browser import sight
from tests.browser.chromium import BOOTH_SCREEN, DESK_SCREEN
from tests.browser.conftest import Visitor
from tests.browser.scenes import LANGUAGES, speak, violations
from tests.ccc_page import AT, Served, line, serving

BOOTH, OTHER = "XX-INVENTED-01", "XX-INVENTED-02"
SETTINGS = "portal-1 (radeye, nsigma 4.2); portal lane; false alarms 0.001 gamma, 0.0001 neutron"


def change(number: int, part: str, was: str, now: str, detail: str = "", *, trusted: bool = True) -> ChangeLine:
    body = HealthChange(
        id=f"019aa000-0000-7000-a000-{number:012d}",
        at=Moment(wall=f"2026-11-21T09:{number % 60:02d}:00.000Z", monotonic_s=float(number), trusted=trusted),
        place=Place(booth=BOOTH, country="XX", crossing_point="Invented crossing"),
        part=part,
        was=was,
        now=now,
        detail=detail,
    )
    return ChangeLine(number=number, change=body, sequence=number, received_at=AT, chain="whole")


def told(*lines: ChangeLine) -> ChangesView:
    """As the desk tells it: newest first, what is not OK now apart."""
    newest = sorted(lines, key=lambda one: -one.number)
    last = {one.change.part: one for one in reversed(newest)}
    standing = tuple(one for one in newest if last[one.change.part] is one and not is_well(one.change))
    return ChangesView(booth=BOOTH, total=len(newest), changes=tuple(newest), standing=standing)


SIZES: tuple[ViewportSize, ...] = (DESK_SCREEN, BOOTH_SCREEN, {"width": 640, "height": 400})
ALL = (
    change(1, "lane north", "", SETTINGS),
    change(2, "mirror", "unknown", "FRESH"),
    change(3, "clock", "OK", "NOT TRUSTED", trusted=False),
    change(4, "clock", "NOT TRUSTED", "OK"),
    change(5, "portal-1 background", "stored", "stored anew", "was: gamma 380; is: gamma 395 counts per second"),
    change(6, "lane north", SETTINGS, SETTINGS.replace("4.2", "4.8")),
    change(7, "mirror", "FRESH", "EXPIRED"),
    change(8, "feed", "OK", "refused rolled-back"),
    change(9, "portal-1", "OK", "LINK_DOWN", "The line gives no answer."),
    change(10, "portal-1 set-up", "changed", "accepted", "Fr: 4 -> 5"),
)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(line(1), line(2)) as page:
        page.desk.booths = tuple(BoothLine(booth=name, country="FR", heard_at=AT) for name in (BOOTH, OTHER))
        page.desk.told[BOOTH] = told(*ALL)
        yield page


@pytest.fixture
def page(served: Served, visitor: Visitor) -> Page:
    return visitor.open(served.port, viewport=DESK_SCREEN)


def open_booth(page: Page, name: str = BOOTH) -> None:
    page.locator(f'button[data-booth="{name}"]').click()
    expect(page.locator("#detail-words")).to_contain_text(name)


def test_what_is_not_ok_stands_first_with_sign_and_word(page: Page) -> None:
    open_booth(page)
    expect(page.get_by_role("region", name="What changed at the booth")).to_be_visible()
    standing = page.locator("#detail .standing article")
    expect(standing).to_have_count(3)
    for place, (word, mark) in enumerate(
        (
            ("portal-1: no connection", "cannot-clear"),
            ("Feed: refused: rolled-back", "check"),
            ("Notices held: EXPIRED", "cannot-clear"),
        )
    ):
        expect(standing.nth(place)).to_contain_text(word)
        expect(standing.nth(place).locator(f"svg.shape.{mark}")).to_be_visible()
    first, table = page.locator("#detail section").first, page.get_by_role("table", name="Changes")
    expect(first).to_contain_text("Not OK now")
    expect(table.locator("tbody tr")).to_have_count(10)
    expect(table.locator("tbody tr").nth(1)).to_contain_text("The line gives no answer.")
    expect(table.locator("tbody tr").nth(4)).to_contain_text("Settings of lane north")
    expect(table.locator("tbody tr").nth(4).locator(".now bdi")).to_have_text(SETTINGS.replace("4.2", "4.8"))
    expect(table.locator("tbody tr").nth(7)).to_contain_text("clock not trusted")


def test_it_opens_and_closes_by_keyboard_and_the_focus_comes_back(page: Page) -> None:
    button = page.locator(f'button[data-booth="{BOOTH}"]')
    expect(button).to_have_attribute("aria-expanded", "false")
    button.focus()
    page.keyboard.press("Enter")
    detail = page.get_by_role("region", name="What changed at the booth")
    expect(detail).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "false")


def test_an_alert_takes_the_booth_s_place_and_the_other_way_round(served: Served, page: Page) -> None:
    open_booth(page)
    page.locator("#alerts tr").first.click()
    expect(page.get_by_role("heading", name="The alert")).to_be_visible()
    expect(page.locator("#detail .standing")).to_have_count(0)
    open_booth(page, OTHER)
    expect(page.get_by_role("heading", name="What changed at the booth")).to_be_visible()
    expect(page.locator("#detail-words")).to_contain_text("No change has come from this booth yet.")
    open_booth(page)
    expect(page.locator("#detail .standing article")).to_have_count(3)


def test_a_change_arrives_by_itself_and_the_focus_stays(served: Served, page: Page) -> None:
    open_booth(page)
    button = page.locator(f'button[data-booth="{BOOTH}"]')
    button.focus()
    served.desk.told[BOOTH] = told(*ALL, change(11, "portal-1", "LINK_DOWN", "OK"))
    served.desk.booths = tuple(msgspec.structs.replace(one, undelivered=3) for one in served.desk.booths)
    served.desk.change()
    expect(page.locator("#detail .standing article")).to_have_count(2)
    expect(page.get_by_role("table", name="Changes").locator("tbody tr")).to_have_count(11)
    expect(button).to_be_focused()


def test_older_changes_are_shown_when_asked_for(served: Served, page: Page) -> None:
    many = told(*(change(number, "portal-1", "OK", "LATE") for number in range(1, 71)))
    served.desk.told[BOOTH] = many
    open_booth(page)
    rows = page.get_by_role("table", name="Changes").locator("tbody tr")
    expect(rows).to_have_count(50)
    expect(page.locator("#detail-words")).to_contain_text("70 changes")
    page.get_by_role("button", name="Show 50 more").click()
    expect(rows).to_have_count(70)
    expect(page.get_by_role("button", name="Show 50 more")).to_be_hidden()


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_cut_and_axe_finds_nothing(page: Page, language: str) -> None:
    speak(page, language)
    open_booth(page)
    expect(page.locator("#detail .standing article")).to_have_count(3)
    assert violations(page) == []  # the rules hang on what is shown, and the other sizes show the same
    if language == "ar":
        expect(page.locator("html")).to_have_attribute("dir", "rtl")
        expect(page.locator("#detail-words")).not_to_contain_text("Not OK now")
    for size in SIZES:
        page.set_viewport_size(size)
        assert sight.crowded(page) == [], size
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0, size
