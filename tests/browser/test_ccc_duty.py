"""The command centre's list on two screens at once: what rings, who acknowledges, what the booths need."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec
import pytest
from playwright.sync_api import Locator, Page, expect

from failsafe.hq.ccc.view import AlertLine, BoothLine, FindingLine, LateTimestamp
from failsafe.sync.reports import Finding, Moment
from tests.browser import sight
from tests.browser.chromium import DESK_SCREEN
from tests.browser.conftest import Visitor
from tests.browser.scenes import LANGUAGES, speak, violations
from tests.ccc_page import AT, Served, line, serving

OFFICER = "Дежурная Примерова"
TROUBLED = BoothLine(
    booth="XX-INVENTED-02",
    country="FR",
    heard_at="2026-11-21T08:00:00Z",
    mirror_state="EXPIRED",
    mirror_age_s=400_000.0,
    undelivered=12,
    oldest_undelivered_s=3600.0,
    gaps=2,
    faults=("rewound ledger (2026-11-21T09:00:00Z, 2 times)", "portal-1: LINK_DOWN"),
)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(line(1), line(2, "urgent", "النموذجي"), line(3, "urgent", "示例")) as page:
        yield page


@pytest.fixture
def page(served: Served, visitor: Visitor) -> Page:
    return visitor.open(served.port, viewport=DESK_SCREEN)


def ringing(page: Page) -> Locator:
    return page.get_by_role("region", name="Urgent alerts")


def on_duty(page: Page, name: str = OFFICER) -> None:
    page.keyboard.press("d")
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=name)).to_be_visible()


def row(page: Page, number: int) -> Locator:
    return page.locator(f'#alerts tr[data-number="{number}"]')


def test_one_officer_acknowledges_for_all_screens(served: Served, page: Page, visitor: Visitor) -> None:
    other = visitor.open(served.port, viewport=DESK_SCREEN)
    expect(ringing(other)).to_contain_text("2 urgent alerts not acknowledged")
    page.keyboard.press("a")
    expect(page.get_by_role("dialog", name="Who has the duty at this screen?")).to_be_visible()
    page.get_by_label("Your name").fill(OFFICER)
    page.keyboard.press("Enter")
    for screen in (page, other):
        expect(ringing(screen)).to_be_hidden()
        expect(row(screen, 3)).to_contain_text("Acknowledged by")
        expect(row(screen, 3)).to_contain_text(OFFICER)
        expect(screen).not_to_have_title("URGENT")
    assert served.desk.acknowledged == [((3, 2), OFFICER)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_timestamp_that_is_late_stands_over_the_list(served: Served, visitor: Visitor, language: str) -> None:
    served.late = LateTimestamp(signed_at="2026-11-21T08:30:00Z")
    page = visitor.open(served.port, viewport={"width": 1440, "height": 900})
    told = page.locator("#late")
    expect(told).to_contain_text("no longer told that their notices are current")
    expect(told).to_contain_text("last signed 1 h ago, Sat, November 21, 2026 at 08:30:00 UTC")
    expect(told).to_contain_text("`failsafe-hq upkeep`")
    speak(page, language)
    for width, height in ((1440, 900), (1024, 768)):
        page.set_viewport_size({"width": width, "height": height})
        expect(told).to_be_in_viewport(ratio=1)
        if folder := os.environ.get("FAILSAFE_PICTURES"):
            page.screenshot(path=f"{folder}/late-{language}-{width}.png")
        expect(row(page, 3)).to_be_in_viewport()
        assert told.evaluate("one => one.scrollWidth <= one.clientWidth")
    assert violations(page) == []


def test_what_is_late_goes_again(served: Served, page: Page) -> None:
    expect(page.locator("#late")).to_be_hidden()
    served.late = LateTimestamp()
    served.desk.change()
    expect(page.locator("#late")).to_contain_text("cannot be read")
    served.late = None
    served.desk.change()
    expect(page.locator("#late")).to_be_hidden()


def test_the_alert_that_is_open_is_acknowledged_alone(served: Served, page: Page) -> None:
    on_duty(page)
    page.keyboard.press("g")
    expect(page.get_by_role("heading", name="The alert")).to_be_visible()
    page.get_by_role("button", name="Acknowledge this one").click()
    expect(ringing(page)).to_contain_text("1 urgent alert not acknowledged")
    assert served.desk.acknowledged == [((3,), OFFICER)]
    page.keyboard.press("g")  # the next that rings
    page.keyboard.press("a")
    expect(ringing(page)).to_be_hidden()
    assert served.desk.acknowledged[1:] == [((2,), OFFICER)]


def test_who_gives_no_name_acknowledges_nothing(served: Served, page: Page) -> None:
    page.keyboard.press("a")
    page.get_by_label("Your name").fill("   ")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Your name")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Your name")).to_be_hidden()
    expect(ringing(page)).to_be_visible()
    on_duty(page)  # the order that was given up is not sent after all
    expect(ringing(page)).to_be_visible()
    assert served.desk.acknowledged == []


def test_what_is_not_written_down_goes_on_ringing_and_is_said(served: Served, page: Page, visitor: Visitor) -> None:
    visitor.watch(page).forgive("503")
    served.desk.cannot_write = True
    on_duty(page)
    page.keyboard.press("a")
    expect(page.get_by_role("alert").filter(has_text="the signal goes on")).to_be_visible()
    expect(ringing(page)).to_contain_text("2 urgent alerts not acknowledged")
    served.desk.cannot_write = False
    page.keyboard.press("a")
    expect(ringing(page)).to_be_hidden()


def test_what_arrives_while_headquarters_writes_can_be_acknowledged_at_once(served: Served, page: Page) -> None:
    on_duty(page)
    served.desk.may_write.clear()
    page.keyboard.press("a")
    served.desk.add(line(4, "urgent"))
    expect(ringing(page)).to_contain_text("3 urgent alerts not acknowledged")
    page.keyboard.press("a")
    served.desk.may_write.set()
    expect(ringing(page)).to_be_hidden()
    assert {number for numbers, _ in served.desk.acknowledged for number in numbers} == {2, 3, 4}


def test_the_name_stays_at_the_screen_and_is_asked_again_after_a_shift(served: Served, page: Page) -> None:
    on_duty(page)
    page.reload()
    expect(page.get_by_role("button", name=OFFICER)).to_be_visible()
    page.evaluate(
        "() => localStorage.setItem('failsafe-ccc-officer', JSON.stringify({ name: 'Last Shift', since: 0 }))"
    )
    page.reload()
    expect(page.get_by_role("button", name="Take the duty")).to_be_visible()
    page.keyboard.press("a")
    expect(page.get_by_label("Your name")).to_have_value("")
    assert served.desk.acknowledged == []


def test_letters_are_no_keys_where_they_are_turned_off(served: Served, page: Page) -> None:
    on_duty(page)
    page.keyboard.press("?")
    page.get_by_label("not at all").check()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()  # while a window stands open, keys are its own
    page.keyboard.press("a")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The alert")).to_be_visible()
    assert served.desk.acknowledged == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Acknowledge all 2").click()
    expect(ringing(page)).to_be_hidden()


def found(one: AlertLine, text: str) -> AlertLine:
    at = Moment(wall="2026-11-21T10:05:00.000Z", monotonic_s=5.0, trusted=True)
    said = Finding(
        id=f"019aa000-0000-7000-9000-{one.number:012d}", at=at, place=one.alert.place, alerts=(one.alert.id,), text=text
    )
    told = FindingLine(finding=said, sequence=9, received_at=AT, chain="whole")
    return msgspec.structs.replace(one, findings=(*one.findings, told))


def test_findings_stand_under_their_alert_in_the_order_they_came(served: Served, page: Page) -> None:
    expect(row(page, 1)).not_to_contain_text("finding")
    served.desk.add(found(found(line(1), "قورنت الوثيقة: شخص آخر."), "Compared again:\nthe same person."))
    expect(row(page, 1)).to_contain_text("2 findings")
    row(page, 1).click()
    said = page.locator("#detail .found bdi")
    expect(said).to_have_text(["قورنت الوثيقة: شخص آخر.", "Compared again:\nthe same person."])


def test_each_trouble_of_a_booth_says_what_to_do_and_stays_open(served: Served, page: Page) -> None:
    served.desk.booths = (TROUBLED,)
    served.desk.change()
    booths = page.get_by_role("table", name="Booths")
    expect(booths).to_contain_text("Telephone the booth")
    page.get_by_text("and 5 more").click()
    expect(booths).to_contain_text("the oldest 3 h")  # an hour when it was heard, two hours ago
    for advice in (
        "Its ledger has become shorter",
        "portal-1: no connection",
        "2 gaps in its chain",
        "Send a stick",
    ):
        expect(booths).to_contain_text(advice)
    served.desk.booths = (msgspec.structs.replace(TROUBLED, undelivered=13),)
    served.desk.change()
    expect(booths).to_contain_text("13")
    expect(page.get_by_text("2 gaps in its chain")).to_be_visible()


@pytest.mark.parametrize("size", [(1920, 1080), (1280, 800), (1024, 768), (640, 400)], ids=str)
def test_nothing_is_cut_and_axe_finds_nothing_in_list_detail_and_windows(
    served: Served, visitor: Visitor, size: tuple[int, int]
) -> None:
    served.desk.booths = (*served.desk.booths, TROUBLED)
    served.desk.add(found(line(1, surname="VON BEISPIELHAUSEN-MUSTERSTADT"), "Let go."), line(4, chain="fork", tries=2))
    page = visitor.open(served.port, viewport={"width": size[0], "height": size[1]})
    for key in ("", "g", "r", "Escape", "?", "Escape", "d"):
        if key:
            page.keyboard.press(key)
        if size[0] in (1280, 640):  # the rules hang on what is shown, and the others show the same
            assert violations(page) == [], f"after {key!r}"
        if key != "r":  # the record is scrolled to: what lies above goes under the detail's head
            assert sight.crowded(page) == [], f"after {key!r}"
