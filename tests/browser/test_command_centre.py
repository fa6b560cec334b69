"""The command centre's page with alerts that a real booth raised and a real link brought."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from failsafe.drivers.n42_document import read
from tests.browser import sight
from tests.browser.chromium import DESK_SCREEN
from tests.browser.conftest import Visitor
from tests.browser.lane import Lane
from tests.browser.people import SUBJECTS
from tests.browser.scenes import LANGUAGES, speak, violations

REGIONS = ("body > header", "#alert-panel", "#booth-panel")


@pytest.fixture(scope="module", autouse=True)
def alerts(centre: Lane) -> None:
    """One alert about each subject, a stolen passport, a patient and a person with radiation; all have arrived."""
    for subject in SUBJECTS:
        centre.strong(subject)
    centre.listed()
    centre.alarm()
    centre.alarm(SUBJECTS[3])
    centre.await_status(lambda status: status["ledger"]["undelivered"] == 0, "an empty queue", 60.0)


@pytest.fixture
def page(visitor: Visitor, centre: Lane) -> Page:
    """A page of its own, for tests that change what it shows."""
    return visitor.open(centre.ccc_port, viewport=DESK_SCREEN)


def rows(page: Page) -> list[str]:
    return page.locator("#alerts tr").all_inner_texts()


def test_every_alert_stands_in_the_list_urgent_first(ccc: Page, centre: Lane) -> None:
    expect(ccc.locator("#alerts tr")).to_have_count(len(centre.alerts_at_headquarters()))
    urgent = [
        "urgent" in name for name in ccc.locator("#alerts tr").evaluate_all("(all) => all.map((one) => one.className)")
    ]
    assert urgent == sorted(urgent, reverse=True) and any(urgent)
    for subject in SUBJECTS:
        expect(ccc.locator("#alerts bdi").filter(has_text=subject.surname).first).to_be_visible()


def test_an_urgent_alert_arrives_without_a_reload(ccc: Page, centre: Lane) -> None:
    before = ccc.locator("#alerts tr").count()
    centre.strong(SUBJECTS[5])
    expect(ccc.locator("#alerts tr")).to_have_count(before + 1)
    expect(ccc.locator("#ringing")).to_be_visible()
    expect(ccc.locator("#ringing-words")).not_to_be_empty()


@pytest.mark.parametrize("width", [1024, 1280, 1920])
def test_nothing_is_cut_or_lies_upon_another(width: int, visitor: Visitor, centre: Lane) -> None:
    page = visitor.open(centre.ccc_port, viewport={"width": width, "height": 800})
    expect(page.locator("#alerts tr").first).to_be_visible()
    assert sight.overlaps(page, *REGIONS) == []
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    assert sight.crowded(page) == []


def test_it_reflows_when_enlarged_twice(visitor: Visitor, centre: Lane) -> None:
    """A browser's zoom of 200 % on a screen of 1280 x 800 leaves 640 x 400: no sideways scrolling of the page."""
    page = visitor.open(centre.ccc_port, viewport={"width": 640, "height": 400}, device_scale_factor=2)
    expect(page.locator("#alerts tr").first).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    assert sight.crowded(page) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing_in_any_language(language: str, page: Page) -> None:
    """Neither on the list nor on an alert that is open; nothing is cut there either."""
    speak(page, language)
    assert violations(page) == []
    assert sight.crowded(page) == []
    page.locator("#alerts tr").first.click()
    expect(page.locator("#detail")).to_be_visible()
    assert violations(page) == []
    assert sight.crowded(page) == []


def test_an_alert_opens_by_keyboard_and_names_stand_in_their_script(page: Page) -> None:
    for subject in SUBJECTS:
        page.keyboard.press("/")
        expect(page.locator("#search")).to_be_focused()
        page.locator("#search").fill(f"{subject.surname} {subject.given}")
        page.keyboard.press("Enter")
        row = page.locator("#alerts tr[aria-current=true]")
        expect(row).to_contain_text(f"{subject.surname}, {subject.given}")
        row.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#detail-words")).to_contain_text(subject.surname)
        assert sight.tofu(page.locator("#detail-words")) == []
        page.keyboard.press("Escape")
        expect(page.locator("#detail")).to_be_hidden()
        page.keyboard.press("Escape")


def test_the_help_can_be_read_and_left(page: Page) -> None:
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys and signs")
    expect(dialog).to_be_visible()
    assert violations(page) == []
    assert sight.crowded(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_an_acknowledgement_on_one_screen_ends_the_signal_on_all(visitor: Visitor, centre: Lane) -> None:
    one, other = (visitor.open(centre.ccc_port, viewport=DESK_SCREEN) for _ in range(2))
    centre.strong(SUBJECTS[6])
    centre.await_status(lambda status: status["ledger"]["undelivered"] == 0, "an empty queue", 60.0)
    for page in (one, other):
        expect(page.locator("#ringing")).to_be_visible()
    one.keyboard.press("a")
    dialog = one.get_by_role("dialog", name="Who has the duty at this screen?")
    expect(dialog).to_be_visible()
    assert violations(one) == []
    one.keyboard.type("Duty Example")
    one.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    for _ in range(60):  # what this screen had not shown yet rings again
        if one.locator("#ringing").is_hidden():
            break
        one.keyboard.press("a")
        one.wait_for_timeout(500)
    for page in (one, other):
        expect(page.locator("#ringing")).to_be_hidden()
        expect(page.locator("#alerts .seen").first).to_contain_text("Duty Example")


def test_headquarters_falls_silent_and_comes_back(visitor: Visitor, centre: Lane) -> None:
    page = visitor.open(centre.ccc_port, viewport=DESK_SCREEN)
    visitor.watch(page).forgive(r"net::ERR_|TypeError: network error")
    centre.kill_headquarters()
    expect(page.locator("#lost")).to_be_visible()
    expect(page.locator("#lost")).to_contain_text("telephone")
    assert sight.crowded(page) == []
    assert violations(page) == []
    centre.serve_headquarters()
    expect(page.locator("#lost")).to_be_hidden()


def test_what_the_detector_counted_is_saved_as_a_file(page: Page, centre: Lane) -> None:
    page.locator("#alerts tr").filter(has_text="no identity").first.click()
    measurement = page.locator("#detail .measurement").first
    expect(measurement).to_contain_text("ALARM")
    with page.expect_download() as saving:
        measurement.get_by_role("button").click()
    assert saving.value.suggested_filename.endswith(".n42")
    told = read(Path(saving.value.path()).read_bytes())
    assert set(told.alarms) == {"Gamma"} and any(one.occupied for one in told.measurements)
    assert violations(page) == []


def test_what_changed_at_a_booth_opens_under_its_name(page: Page) -> None:
    """As the booth itself wrote it when it started: its notices, its detector and how its lane is watched."""
    page.locator("#booths button.opens").first.click()
    changes = page.get_by_role("table", name="Changes")
    for words in ("Settings of lane", "Notices held", "Clock"):
        expect(changes).to_contain_text(words)
    expect(page.locator("#detail .standing")).to_be_visible()
    assert violations(page) == []
    assert sight.crowded(page) == []
