"""What an officer sets for one screen: its language, its sound, its keys; and what none of them can take away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from failsafe.agent.page.view import LaneView, RadiationView, View
from tests.browser.conftest import Visitor
from tests.officer_page import CLEAR, HEADER, STOP, Served, view_of

# Words of a language as it is served; {0} stands for what a sentence was composed with.
CATALOGUE = {
    "language": "fr",
    "texts": {
        "Help": "Aide",
        "State of the booth": "État du poste",
        "STOP": "ARRÊT",
        "Lane {lane}": "Couloir {lane}",
        "{n} notice": ["{n} avis unique", "{n} avis"],
        "Feed {0} is {1} old.": "Le flux {0} est {1} vieux.",
        "very": "très",
        "Wait.": "Attendez.",
        "The link:": "La liaison :",
    },
    "plurals": {"one": 0, "other": 1, "many": 1},
}
ASK = """async () => {
  const { t, tn, tr } = await import("/texts.js");
  return [t("Lane {lane}", { lane: "north" }), t("Lane {lane}", { lane: "שער" }), tn("{n} notice", "{n} notices", 1),
    tn("{n} notice", "{n} notices", 12), tr("Feed 7 is very old. Wait."), tr("Somebody else's words. Wait."),
    tr("The link: Wait."), t("Not translated"), tr("Nothing of ours"), tr("constructor"), tr("")];
}"""


@pytest.fixture
def served() -> Iterator[Served]:
    with closing(Served()) as page:
        yield page


@pytest.fixture
def screen(served: Served, visitor: Visitor) -> Page:
    page = visitor.open(served.port)
    page.route(
        "**/texts/fr.json", lambda route: route.fulfill(body=json.dumps(CATALOGUE), content_type="application/json")
    )
    return page


def alarm(number: int, crossing: str | None = "c-9") -> View:
    lane = LaneView(lane="north", radiation=RadiationView(state="alarm"), crossing=crossing)
    return View(number=number, at="2026-11-21T10:00:10Z", header=HEADER, lanes=(lane,))


def language(page: Page) -> Any:
    return page.get_by_role("combobox", name="Language")


def test_language_changes_in_place_and_is_kept(screen: Page, served: Served) -> None:
    served.desk.show(view_of(2, STOP))
    expect(screen.get_by_role("heading", level=1)).to_have_text("STOP")
    language(screen).select_option("fr")
    expect(screen.locator("html")).to_have_attribute("lang", "fr")
    expect(screen.get_by_role("button", name="Aide")).to_be_visible()
    expect(screen.locator("#states")).to_have_attribute("aria-label", "État du poste")
    expect(screen.locator("#said")).to_contain_text("ARRÊT")
    expect(screen.locator("#said .english")).to_have_text("STOP")  # for radio and telephone
    screen.reload()
    expect(screen.get_by_role("button", name="Aide")).to_be_visible()
    language(screen).select_option("en")
    expect(screen.get_by_role("button", name="Help")).to_be_visible()
    expect(screen.locator("#said .english")).to_have_count(0)


def test_sentences_that_the_booth_composed_are_found(screen: Page) -> None:
    assert screen.evaluate(ASK)[:5] == [
        "Lane north",
        "Lane \u2068שער\u2069",
        "1 notice",
        "12 notices",
        "Feed 7 is very old. Wait.",
    ]
    language(screen).select_option("fr")
    expect(screen.locator("html")).to_have_attribute("lang", "fr")
    assert screen.evaluate(ASK) == [
        "Couloir north",
        "Couloir \u2068שער\u2069",
        "1 avis unique",
        "12 avis",
        "Le flux 7 est très vieux. Attendez.",
        "Somebody else's words. Attendez.",
        "La liaison : Attendez.",
        "Not translated",
        "Nothing of ours",
        "constructor",
        "",
    ]


def test_arabic_is_read_from_the_right_and_the_strip_chart_is_not(screen: Page, served: Served) -> None:
    served.desk.show(view_of(2, CLEAR))
    language(screen).select_option("ar")
    expect(screen.locator("html")).to_have_attribute("dir", "rtl")
    expect(screen.locator(".strip")).to_have_css("direction", "ltr")
    verdict, past = screen.locator("#verdict").bounding_box(), screen.locator(".past").bounding_box()
    assert verdict and past and verdict["x"] > past["x"]


def test_sound_is_said_to_be_missing_until_a_key_gives_it(screen: Page) -> None:
    tone = screen.locator("#tone")
    expect(tone).to_contain_text("No sound yet")
    screen.keyboard.press("Shift")
    expect(tone).to_contain_text("Tones on")
    screen.keyboard.press("t")
    expect(tone).to_contain_text("Tones off")
    expect(tone).to_have_attribute("aria-pressed", "false")


def test_radiation_alarm_waits_to_be_heard_whatever_was_turned_off(screen: Page, served: Served) -> None:
    screen.keyboard.press("Shift")
    screen.keyboard.press("t")
    heard = screen.get_by_role("button", name="Alarm heard")
    expect(heard).to_be_hidden()
    served.desk.show(alarm(2))
    expect(heard).to_be_visible()
    screen.keyboard.press("h")
    expect(heard).to_be_hidden()
    served.desk.show(alarm(3))
    expect(screen.locator("#said")).to_contain_text("Radiation alarm")
    expect(heard).to_be_hidden()
    served.desk.show(alarm(4, "c-10"))  # the next one is another alarm
    expect(heard).to_be_visible()
    served.desk.show(view_of(5, CLEAR))
    expect(heard).to_be_hidden()


def test_keys_of_one_letter_can_be_had_with_alt_or_not_at_all(screen: Page) -> None:
    entry = screen.get_by_role("dialog", name="Enter a traveller by hand")
    screen.keyboard.press("?")
    screen.get_by_role("radio", name="not at all").check()
    screen.keyboard.press("Escape")
    expect(screen.locator("#help")).to_be_hidden()  # while a window stands open, keys are its own
    screen.keyboard.press("m")
    expect(entry).to_be_hidden()
    screen.get_by_role("button", name="Help").click()
    screen.get_by_role("radio", name="with Alt").check()
    screen.keyboard.press("Escape")
    expect(screen.locator("#help")).to_be_hidden()  # while a window stands open, keys are its own
    screen.keyboard.press("m")
    expect(entry).to_be_hidden()
    screen.keyboard.press("Alt+m")
    expect(entry).to_be_visible()


def test_ages_that_grow_are_not_read_out_each_second(screen: Page, served: Served) -> None:
    served.desk.show(view_of(2, CLEAR))
    announced = screen.locator("#announced")
    expect(announced).to_contain_text("Notices: current.")
    assert "old" not in announced.inner_text()
    assert screen.locator("#states").get_attribute("aria-live") is None
    expect(screen.locator("#said")).to_have_attribute("aria-live", "assertive")


def test_second_line_goes_on_with_the_alarm_and_knows_what_was_heard(
    screen: Page, served: Served, visitor: Visitor
) -> None:
    served.desk.show(alarm(2))
    heard = screen.get_by_role("button", name="Alarm heard")
    expect(heard).to_be_visible()
    screen.goto(f"http://127.0.0.1:{served.port}/second?lane=north")
    expect(heard).to_be_visible()
    screen.keyboard.press("h")
    expect(heard).to_be_hidden()
    screen.goto(f"http://127.0.0.1:{served.port}/")
    expect(screen.locator("#said")).to_contain_text("Radiation alarm")
    expect(heard).to_be_hidden()
