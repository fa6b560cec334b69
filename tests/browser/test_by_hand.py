"""The officer's page by keyboard alone: entry by hand in every script, closing, the second line, lanes, help."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from failsafe.drivers.specimens import td3
from tests.browser import sight
from tests.browser.conftest import Visitor
from tests.browser.lane import Lane
from tests.browser.people import SUBJECTS, Subject
from tests.browser.scenes import shows, violations

FIELDS = ("surname", "given_names", "birth_date", "sex", "document_number", "issuing_state", "nationality")


class TwoLanes(Lane):
    """The same booth with a second lane that has neither reader nor portal: its travellers are entered by hand."""

    def configure(self, root_sha256: str = "") -> None:
        super().configure(root_sha256)
        with self.configuration.open("a", encoding="utf-8") as file:
            file.write('\n[[lanes]]\nname = "2"\nradiation = "none"\n')


@pytest.fixture(scope="module")
def booth(founded: Lane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    begun = TwoLanes.begin(founded, tmp_path_factory.mktemp("two-lanes"))
    try:
        begun.open()
        yield begun
    finally:
        begun.end()


@pytest.fixture
def page(visitor: Visitor, booth: Lane) -> Page:
    """A fresh first line, the second lane chosen and nobody on it."""
    opened = visitor.open(booth.port)
    opened.keyboard.press("2")
    expect(opened.get_by_role("button", name="Lane 2")).to_have_attribute("aria-pressed", "true")
    close(opened)
    return opened


def close(page: Page) -> None:
    """N, and N again where it asks."""
    if page.locator("#verdict").get_attribute("data-word") == "WAITING":
        return
    page.keyboard.press("n")
    if page.locator("#order").inner_text():
        page.keyboard.press("n")
    expect(page.locator("#verdict")).to_have_attribute("data-word", "WAITING")


def enter_fields(page: Page, **values: str) -> None:
    """M, the second way, and each field in its order, without a pointer."""
    page.keyboard.press("m")
    expect(page.get_by_role("dialog", name="Enter a traveller by hand")).to_be_visible()
    page.keyboard.press("Shift+Tab")  # from the first field back to the choice of ways
    page.keyboard.press("ArrowDown")
    expect(page.locator('[name="surname"]')).to_be_focused()
    for name in FIELDS:
        expect(page.locator(f'[name="{name}"]')).to_be_focused()
        if name in values:
            page.keyboard.insert_text(values[name]) if name != "sex" else page.keyboard.press(values[name])
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Screen this traveller")).to_be_focused()
    page.keyboard.press("Enter")


def screen(page: Page, **values: str) -> None:
    """Enter the fields, and wait until the window is closed: the page's keys are not for what lies behind one."""
    enter_fields(page, **values)
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.script)
def test_a_name_is_typed_in_its_own_script(subject: Subject, page: Page) -> None:
    enter_fields(
        page,
        surname=subject.own_surname,
        given_names=subject.own_given,
        birth_date=subject.born,
        nationality=subject.state,
    )
    shows(page, "STOP")
    assert subject.own_surname not in page.locator("body").inner_text()


def test_an_innocent_is_cleared(page: Page) -> None:
    """On a lane that declares no detector, which the page then says."""
    screen(page, surname="SAMPLE", given_names="ANNA", birth_date="1974-08-12", sex="f", nationality="FR")
    shows(page, "CLEAR")
    expect(page.locator("#radiation")).to_contain_text("No detector on this lane")
    page.keyboard.press("n")  # what is clear is closed without a question
    expect(page.locator("#verdict")).to_have_attribute("data-word", "WAITING")


def test_the_zone_is_typed(page: Page) -> None:
    first, second = td3("AL MUTAKHAYYAL", "SAMIR", "XX7654321", "IRQ", "751102", "X", "351231")
    page.keyboard.press("m")
    expect(page.locator("#zone")).to_be_focused()
    page.keyboard.type(first.lower())
    page.keyboard.press("Enter")
    page.keyboard.type(second.lower())
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    shows(page, "STOP")


def test_what_is_refused_says_what_to_correct_and_keeps_what_was_typed(page: Page, visitor: Visitor) -> None:
    visitor.watch(page).forgive("status of 422")  # Chromium notes every refused order in its console
    enter_fields(page, surname="SAMPLE", given_names="ANNA", birth_date="1974-13-40")
    expect(page.get_by_role("alert").filter(visible=True)).not_to_be_empty()
    expect(page.locator('[name="surname"]')).to_have_value("SAMPLE")
    expect(page.locator('[name="surname"]')).to_be_focused()
    assert violations(page) == []
    assert sight.crowded(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_what_was_typed_and_left_is_forgotten(page: Page) -> None:
    page.keyboard.press("m")
    page.keyboard.type("mns?12")  # letters that are keys outside of a field
    expect(page.locator("#zone")).to_have_value("mns?12")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("m")
    expect(page.locator("#zone")).to_have_value("")


def test_a_crossing_that_is_not_clear_is_closed_only_when_asked_twice(page: Page) -> None:
    screen(page, surname=SUBJECTS[0].own_surname, given_names=SUBJECTS[0].own_given, birth_date=SUBJECTS[0].born)
    expect(page.locator("#verdict")).not_to_have_attribute("data-word", "WAITING")
    page.keyboard.press("n")
    expect(page.locator("#order[role=status]")).to_contain_text("not clear")
    expect(page.locator("#verdict")).not_to_have_attribute("data-word", "WAITING")
    page.keyboard.press("n")
    expect(page.locator("#verdict")).to_have_attribute("data-word", "WAITING")


@pytest.mark.parametrize("back", ["s", "Escape"])
def test_the_second_line_and_back(back: str, page: Page) -> None:
    page.keyboard.press("s")
    expect(page).to_have_title("Second line · Fail Safe Edge")
    expect(page.locator("body")).to_have_attribute("data-line", "up")
    expect(page.locator("#band")).to_contain_text("Lane 2")
    page.keyboard.press(back)
    expect(page).to_have_title("First line · Fail Safe Edge")
    expect(page.get_by_role("button", name="Lane 2")).to_have_attribute("aria-pressed", "true")


def test_help_opens_closes_and_gives_the_focus_back(page: Page) -> None:
    button = page.get_by_role("button", name="Help")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Keys and signs")
    expect(dialog).to_be_visible()
    assert violations(page) == []
    assert sight.crowded(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    page.keyboard.press("?")
    expect(dialog).to_be_visible()


def test_tab_goes_through_the_page_in_reading_order_and_is_seen(page: Page) -> None:
    """From the top down, and along each line; a ring stands round what has the focus."""
    page.locator("body").click(position={"x": 1, "y": 1})
    places: list[tuple[str, float]] = []
    while True:
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => {
              const one = document.activeElement;
              if (!one || one === document.body) return null;
              const { left, top, height } = one.getBoundingClientRect(), style = getComputedStyle(one);
              return { name: one.id || one.dataset.key || one.textContent, left, top: top + height / 2,
                ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
            }"""
        )
        if focus is None or (places and focus["name"] == places[0][0]):
            break
        assert focus["ring"], f"nothing shows that {focus['name']} has the focus"
        places.append((focus["name"], focus["top"]))
        assert len(places) < 40, places
    names = [name for name, _ in places]
    assert names.index("verdict") < names.index("m") < names.index("n") < names.index("s") < names.index("?")
    assert len(set(names)) == len(names)


def test_two_lanes_fit_on_the_smallest_screen(page: Page) -> None:
    enter_fields(page, surname=SUBJECTS[2].own_surname, given_names=SUBJECTS[2].own_given, birth_date=SUBJECTS[2].born)
    shows(page, "STOP")
    assert sight.scrolled(page, "#verdict") == []
    assert sight.overlaps(page, ".top", "#lanes", "#verdict", "main aside", "footer") == []
    assert sight.crowded(page) == []
    assert violations(page) == []
