"""Why a candidate is one, as the second line and the command centre read it: a table of what met what, and how."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import sight
from tests.browser.chromium import BOOTH_SCREEN, DESK_SCREEN
from tests.browser.conftest import Visitor
from tests.browser.lane import Lane
from tests.browser.people import SUBJECTS
from tests.browser.scenes import LANGUAGES, speak, violations

# A passport that prints the name otherwise than the notice, and says more.
TRAVELLER = replace(SUBJECTS[2], given="OLEKSIJ EXTRA")
LAPTOP = {"width": 1366, "height": 768}


@pytest.fixture(scope="module", autouse=True)
def stopped(centre: Lane) -> None:
    """He has been stopped, and the alert has arrived."""
    centre.meet(TRAVELLER.zone(centre.next_number()), "STOP")
    centre.await_status(lambda status: status["ledger"]["undelivered"] == 0, "an empty queue", 60.0)


def at_second_line(visitor: Visitor, centre: Lane, screen: dict[str, int]) -> Page:
    return visitor.open(centre.port, "/second", viewport=screen)


def at_the_command_centre(visitor: Visitor, centre: Lane, screen: dict[str, int]) -> Page:
    page = visitor.open(centre.ccc_port, viewport=screen)
    page.locator("#alerts tr").first.click()
    return page


Opened = Callable[[Visitor, Lane, dict[str, int]], Page]
BOTH = pytest.mark.parametrize("opened", [at_second_line, at_the_command_centre])


def table_of(page: Page) -> Locator:
    table = page.locator("table.reasons").first
    expect(table).to_be_visible()
    return table


def points(cells: Locator) -> list[float]:
    return [float(text.replace("−", "-")) for text in cells.all_inner_texts()]


@BOTH
def test_each_line_says_which_word_met_which_and_how(opened: Opened, visitor: Visitor, centre: Lane) -> None:
    table = table_of(opened(visitor, centre, BOOTH_SCREEN))
    heads = table.get_by_role("columnheader").all_inner_texts()
    assert heads == ["Document", "Notice", "How they met", "Points"]
    line = table.get_by_role("row").filter(has=table.page.get_by_role("rowheader", name="OLEKSIJ", exact=True))
    expect(line.get_by_role("cell").first).to_have_text(re.compile(r"ОЛЕКСІЙ\s*OLEKSII", re.IGNORECASE))
    expect(line.get_by_role("cell").nth(1)).to_have_text("transliteration, speaks for it")
    left = table.get_by_role("row").filter(has=table.page.get_by_role("rowheader", name="EXTRA", exact=True))
    expect(left.get_by_role("cell").nth(1)).to_have_text("not in the notice's name, speaks against it")
    born = table.get_by_role("row").filter(has=table.page.get_by_role("rowheader", name=re.compile("Date of birth")))
    expect(born.get_by_role("cell").nth(1)).to_have_text("the same day, speaks for it")


@BOTH
def test_name_and_fields_are_groups_whose_points_add_up(opened: Opened, visitor: Visitor, centre: Lane) -> None:
    table = table_of(opened(visitor, centre, LAPTOP))
    titles, total = [], 0.0
    for group in table.locator("tbody").all():
        titles.append(group.locator("th[scope=rowgroup]").inner_text())
        whole, *lines = points(group.locator("td.points bdi"))
        assert sum(lines) == pytest.approx(whole, abs=0.006)
        ranked = lines[1:] if titles[-1] == "Name" else lines  # the whole name stands above its words
        assert [abs(one) for one in ranked] == sorted(map(abs, ranked), reverse=True)
        total += whole
    assert titles == ["Name", "Other fields"]
    assert points(table.locator("tfoot td.points bdi")) == [pytest.approx(total, abs=0.011)]


@BOTH
def test_what_speaks_against_is_told_by_shape_side_and_sign(opened: Opened, visitor: Visitor, centre: Lane) -> None:
    table = table_of(opened(visitor, centre, BOOTH_SCREEN))
    for line in table.locator("tbody tr:not(.group)").all():
        (figure,) = points(line.locator("td.points bdi"))
        assert line.locator(".shape.check").count() == (figure < 0)
        assert line.locator(".bar .contra").count() == (figure < 0)
        assert line.locator(".bar .for").count() == (figure > 0)
        assert line.locator(".bar").get_attribute("aria-hidden") == "true"


@BOTH
def test_names_keep_their_letters_their_direction_and_their_language(
    opened: Opened, visitor: Visitor, centre: Lane
) -> None:
    page = opened(visitor, centre, BOOTH_SCREEN)
    speak(page, "ar")
    table = table_of(page)
    names = table.locator("bdi[translate=no][lang=und]")
    assert names.count() > 6
    assert sight.tofu(table) == []
    assert (
        names.evaluate_all("(all) => all.map((one) => getComputedStyle(one).unicodeBidi)")
        == ["isolate"] * names.count()
    )
    document, notice = (table.get_by_role("columnheader").nth(place).bounding_box() for place in (0, 1))
    assert document is not None and notice is not None and document["x"] > notice["x"]


@BOTH
def test_it_fits_and_is_accessible(opened: Opened, visitor: Visitor, centre: Lane) -> None:
    page = opened(visitor, centre, BOOTH_SCREEN)
    for language in LANGUAGES:
        speak(page, language)
        table_of(page)
        for screen in (LAPTOP, DESK_SCREEN, BOOTH_SCREEN):
            page.set_viewport_size({"width": screen["width"], "height": screen["height"]})
            assert sight.crowded(page) == [], (language, screen)
            assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0, (language, screen)
        assert violations(page) == [], language  # the rules hang on what is shown, and the others show the same
