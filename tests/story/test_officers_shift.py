"""A shift as an officer lives it: everything is seen and done through the browser, and only the world outside acts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser import lane
from tests.browser.conftest import Visitor, chromium, visitor  # noqa: F401 - fixtures
from tests.browser.lane import Lane
from tests.browser.people import SUBJECTS
from tests.browser.scenes import shows
from tests.story.journey import innocent

STALE_S, EXPIRED_S = 25.0, 50.0
FOUND = "Permit for a medical source, checked by telephone — تصريح"


class ShortMemory(Lane):
    """The same booth, whose notices age within the minute: the configuration may only shorten the two limits."""

    def configure(self, root_sha256: str = "") -> None:
        super().configure(root_sha256)
        with self.configuration.open("a", encoding="utf-8") as file:
            file.write(f"\n[mirror]\nstale_after_h = {STALE_S / 3600}\nexpired_after_h = {EXPIRED_S / 3600}\n")


@pytest.fixture
def booth(
    made_once: Callable[[str, Callable[[Path], object]], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lane]:
    founded = Lane.at(made_once("founded-lane", lane.found))
    begun = ShortMemory.begin(founded, tmp_path_factory.mktemp("shift"))
    try:
        begun.carry()  # a publication of this minute
        begun.open()
        yield begun
    finally:
        begun.end()


def state(page: Page, name: str, text: str) -> None:
    """The page's head says this of a device, or of the notices."""
    expect(page.locator("#states .state").filter(has_text=name)).to_contain_text(text, timeout=60_000)


def close(page: Page, times: int) -> None:
    """N: once where it is clear, twice where it is not, and anew where the verdict changed between the two."""
    waiting = page.locator('#verdict[data-word="WAITING"]')
    for _ in range(2):
        for _ in range(times):
            page.keyboard.press("n")
        with suppress(PlaywrightTimeout):
            waiting.wait_for(timeout=5_000)
            break
    expect(page.locator("#verdict")).to_have_attribute("data-word", "WAITING")


def cleared(page: Page, booth: Lane) -> None:
    """Somebody about whom there is nothing lays down a document, waits, walks through and may proceed."""
    booth.settle()
    booth.reader.present(innocent(booth.next_number()))
    shows(page, "CANNOT CLEAR")
    expect(page.locator("#said .next")).to_contain_text("Wait")
    booth.portal.passage(seconds=1.0)
    shows(page, "CLEAR")
    expect(page.locator("#said .next")).to_have_text("Let the traveller proceed.")
    close(page, 1)


def stopped_and_found_out(page: Page, booth: Lane) -> None:
    """The subject of a notice is referred; the second line compares, writes what it found, and comes back."""
    subject = SUBJECTS[1]
    booth.reader.present(subject.zone(booth.next_number()))
    shows(page, "STOP")
    expect(page.locator("#said .next")).to_have_text("Refer the traveller to second line.")
    page.keyboard.press("s")
    expect(page.locator("#band")).to_have_attribute("data-word", "STOP")
    expect(page.locator("#found bdi").filter(has_text=subject.own_name).first).to_be_visible()
    expect(page.locator("#found")).to_contain_text("the same day")
    page.keyboard.press("f")
    page.keyboard.insert_text(FOUND)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#findings")).to_contain_text(FOUND)
    page.get_by_role("button", name="Back to first line").click()
    shows(page, "STOP")
    close(page, 2)


def typed(page: Page, surname: str, given: str, born: str) -> None:
    """M, and the particulars of somebody whose document cannot be read."""
    page.keyboard.press("m")
    page.get_by_role("radio", name="Only the particulars").check()
    page.get_by_label("Surname").fill(surname)
    page.get_by_label("Given names").fill(given)
    page.get_by_label("Date of birth").fill(born)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)


def unreadable_then_by_hand(page: Page, booth: Lane) -> None:
    """A covered zone clears nobody; the same traveller by hand, and through the portal, may proceed."""
    booth.settle()
    booth.reader.present_unreadable()
    shows(page, "CANNOT CLEAR")
    expect(page.locator("#said .next")).to_contain_text("Read the document again")
    typed(page, "SAMPLE", "ANNA", "1974-08-12")
    expect(page.locator("#notes")).not_to_contain_text("could not be read")
    booth.portal.passage(seconds=1.0)
    shows(page, "CLEAR")
    close(page, 1)


def reader_unplugged_and_back(page: Page, booth: Lane) -> None:
    """The head says it, and what to do; a subject typed by hand is stopped all the same."""
    booth.reader.pty.unplug()
    state(page, "passport-1", "not connected")
    expect(page.locator("#faults")).to_contain_text("passport-1")
    subject = SUBJECTS[4]
    typed(page, subject.own_surname, subject.own_given, subject.born)
    shows(page, "STOP")
    close(page, 2)
    booth.reader.pty.plug()
    state(page, "passport-1", "OK")
    expect(page.locator("#faults")).not_to_contain_text("passport-1")


def notices_grow_old(page: Page, booth: Lane) -> None:
    """Ageing notices still clear, and their age is said; too old ones clear nobody, until a stick brings new ones."""
    state(page, "Notices", "ageing")
    cleared(page, booth)
    state(page, "Notices", "EXPIRED")
    booth.settle()
    booth.reader.present(innocent(booth.next_number()))
    shows(page, "CANNOT CLEAR")
    booth.portal.passage(seconds=1.0)
    expect(page.locator("#radiation")).to_contain_text("Quiet")
    shows(page, "CANNOT CLEAR")
    close(page, 2)
    booth.carry()
    state(page, "Notices", "current")
    cleared(page, booth)


@pytest.mark.slow
def test_a_shift(booth: Lane, visitor: Visitor) -> None:  # noqa: F811
    page = visitor.open(booth.port)
    expect(page.locator("#said")).to_contain_text("Waiting for a traveller")
    cleared(page, booth)
    stopped_and_found_out(page, booth)
    unreadable_then_by_hand(page, booth)
    reader_unplugged_and_back(page, booth)
    notices_grow_old(page, booth)

    past = page.locator("#history li").all_inner_texts()
    words = [re.sub(r"[\s\d:]+$", "", one).strip() for one in past]
    assert words[-1] == words[0] == "CLEAR" and words.count("STOP") == 2 and "CANNOT CLEAR" in words
    told = page.locator("body").inner_text().upper()
    assert not any(name in told for one in SUBJECTS for name in (one.surname, one.own_surname) if len(name) > 3)
    assert FOUND.upper() not in told
