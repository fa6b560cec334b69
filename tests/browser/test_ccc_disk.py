"""What each booth's disk may still hold, and when its keys were exchanged, in a real Chromium. All is invented."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from playwright.sync_api import Page, expect

from failsafe.hq.ccc.view import BoothLine, KeyExchange, PurgeState
from tests.browser import sight
from tests.browser.chromium import BOOTH_SCREEN, DESK_SCREEN
from tests.browser.conftest import Visitor
from tests.browser.scenes import LANGUAGES, speak, violations
from tests.browser.test_ccc_changes import change, told
from tests.ccc_page import AT, Served, line, serving

EARLIER, NOW = "2026-11-20T08:00:00Z", "2026-11-21T09:00:00Z"
RECEIPT = {"serial": 7, "at": "2026-11-21T09:14:00.000Z", "received_at": "2026-11-21T09:14:31Z"}


def booth(name: str, *purges: PurgeState, keys: tuple[KeyExchange, ...] = (), heard: str | None = AT) -> BoothLine:
    return BoothLine(
        booth=f"XX-INVENTED-{name}",
        country="FR",
        heard_at=heard,
        mirror_state="FRESH",
        mirror_age_s=120.0,
        purges=purges,
        keys=keys,
    )


def state(word: str, feed: str = "base", **more: object) -> PurgeState:
    return msgspec.convert({"feed": feed, "state": word, **more}, PurgeState)


KEYS = (
    KeyExchange(key="mirror", at="2026-11-21T03:10:04.512Z", trusted=True, received_at="2026-11-21T03:12:31Z"),
    KeyExchange(key="ledger", at="1970-01-01T00:10:04.512Z", trusted=False, received_at="2026-11-21T03:12:31Z"),
)
PURGED = booth("01", state("confirmed", **RECEIPT, aside=2), keys=KEYS)
LATE = booth("02", state("owed", left=3, since=EARLIER, holds=5, **(RECEIPT | {"serial": 5})))
SOON = booth("03", state("owed", left=1, since=NOW, holds=7, has_it=True, **(RECEIPT | {"serial": 6})))
DOUBT = booth("04", state("doubtful", **RECEIPT))
NONE = booth("05", state("nothing removed"))
UNKNOWN = booth("06")
NEVER = booth("07", state("owed", since=EARLIER), heard=None)
MOVED = booth("08", state("confirmed", **RECEIPT), state("owed", "base-00112233aabb", parted=True))
ALL = (PURGED, LATE, SOON, DOUBT, NONE, UNKNOWN, NEVER, MOVED)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(line(1), line(2)) as page:
        page.desk.booths = ALL
        yield page


@pytest.fixture
def page(served: Served, visitor: Visitor) -> Page:
    return visitor.open(served.port, viewport=DESK_SCREEN)


def row(page: Page, of: BoothLine):
    return page.locator("#booths tr", has=page.locator(f'button[data-booth="{of.booth}"]'))


def open_booth(page: Page, of: BoothLine) -> None:
    page.locator(f'button[data-booth="{of.booth}"]').click()
    expect(page.locator("#detail-words .sentence")).to_have_text(of.booth)


@pytest.mark.parametrize(
    ("of", "mark", "words"),
    [
        (PURGED, "clear", "purgedup to serial 7Nov 21"),
        (LATE, "check", "not confirmed3 withdrawnsince Nov 20"),
        (SOON, "check", "not confirmed1 withdrawnsince Nov 21"),
        (DOUBT, "stop", "IN DOUBTup to serial 7Nov 21"),
        (NONE, "none", "none withdrawn"),
        (UNKNOWN, "cannot-clear", "not known"),
        (NEVER, "check", "not confirmedsince Nov 20"),
        (MOVED, "check", "not confirmed"),
    ],
    ids=lambda value: value.booth[-2:] if isinstance(value, BoothLine) else "",
)
def test_each_booth_says_by_sign_and_word_what_it_may_still_hold(page: Page, of, mark: str, words: str) -> None:
    cell = row(page, of).locator(".purged")
    expect(cell).to_have_text(words)
    expect(cell.locator(f"svg.shape.{mark}")).to_be_visible()


def test_what_is_to_be_done_is_said_only_where_something_is(page: Page) -> None:
    for of in (PURGED, SOON, NONE, UNKNOWN, MOVED):
        expect(row(page, of).locator(".todo")).to_have_text("nothing")
    expect(row(page, LATE).locator(".todo")).to_contain_text("Notices withdrawn on Nov 20 may still lie on its disk.")
    expect(row(page, DOUBT).locator(".todo")).to_contain_text("take nothing for purged there")
    expect(row(page, NEVER).locator(".todo")).to_contain_text("Nothing has come from it yet.")
    expect(row(page, NEVER).locator(".todo")).not_to_contain_text("withdrawn")


def test_the_column_sorts_the_gravest_first_by_keyboard(page: Page) -> None:
    head = page.locator("#booth-heads .purged button")
    expect(head).to_have_text("Withdrawn notices")
    head.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#booth-heads th.purged")).to_have_attribute("aria-sort", "ascending")
    names = page.locator("#booths button.opens bdi")
    order = (DOUBT, LATE, SOON, NEVER, MOVED, PURGED, NONE, UNKNOWN)
    expect(names).to_have_text([one.booth for one in order])


def test_the_booth_tells_it_in_sentences(page: Page) -> None:
    open_booth(page, PURGED)
    purges, keys = page.locator("#detail .purges"), page.locator("#detail .disk-keys")
    expect(purges.get_by_role("heading")).to_have_text("Withdrawn notices")
    expect(purges).to_contain_text("Nothing is left on its disk of what was withdrawn or has expired, up to serial 7.")
    expect(purges).to_contain_text(
        "Its last receipt is for serial 7: Sat, November 21, 2026 at 09:14:00 UTC by its clock"
    )
    expect(purges).to_contain_text("2 damaged copies of its notices lie on its disk")
    expect(keys.locator("dt")).to_have_text(["Key of the notices", "Key of the ledger"])
    expect(keys.locator("dd").first).to_contain_text("exchanged Sat, November 21, 2026 at 03:10:04 UTC by its clock")
    expect(keys.locator("dd").nth(1)).to_contain_text("clock not trusted")
    expect(keys.locator("dd").first).not_to_contain_text("clock not trusted")
    open_booth(page, LATE)
    expect(purges).to_contain_text("3 notices that were withdrawn or have expired may still lie on its disk.")
    expect(purges).to_contain_text("It holds serial 5 yet: bring it a newer publication")
    expect(keys).to_contain_text("no exchange told")
    open_booth(page, SOON)
    expect(purges).to_contain_text("1 notice that was withdrawn")
    expect(purges).to_contain_text("its receipt is to be expected within hours")
    open_booth(page, NEVER)
    expect(purges).to_contain_text("how many is not known. The first of them")
    expect(purges).to_contain_text("No receipt has come from it.")
    open_booth(page, MOVED)
    expect(purges.locator("article").first).to_contain_text("base-00112233aabb")
    expect(purges.locator("article").first).to_contain_text("It may read this feed no longer")
    expect(purges.locator("article").nth(1)).to_contain_text("up to serial 7")


def test_a_receipt_arrives_by_itself_and_the_focus_stays(served: Served, page: Page) -> None:
    open_booth(page, LATE)
    button = page.locator(f'button[data-booth="{LATE.booth}"]')
    button.focus()
    now = msgspec.structs.replace(LATE, purges=(state("confirmed", **RECEIPT),), keys=KEYS[:1])
    served.desk.booths = (now, *(one for one in ALL if one is not LATE))
    served.desk.change()
    expect(page.locator("#detail .purges")).to_contain_text("up to serial 7.")
    expect(page.locator("#detail .disk-keys dd").first).to_contain_text("exchanged")
    expect(button).to_be_focused()
    page.keyboard.press("Escape")
    expect(row(page, LATE).locator(".purged")).to_contain_text("purged")


def test_an_exchange_among_the_changes_is_said_in_words(served: Served, page: Page) -> None:
    first, then = ("exchanged 2026-03-02T02:58:40.100Z", "exchanged 2026-11-21T03:10:04.512Z")
    served.desk.told[PURGED.booth] = msgspec.structs.replace(
        told(change(1, "ledger key", "", first), change(2, "mirror key", first, then)), booth=PURGED.booth
    )
    open_booth(page, PURGED)
    rows = page.get_by_role("table", name="Changes").locator("tbody tr")
    expect(rows.first.locator("th")).to_have_text("Key of the notices")
    expect(rows.first.locator(".now")).to_have_text("exchanged Sat, November 21, 2026 at 03:10:04 UTC")
    expect(rows.nth(1).locator(".was")).to_have_text("–")
    expect(page.locator("#detail .standing")).to_contain_text("Nothing: each part was OK when it told last.")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", [DESK_SCREEN, BOOTH_SCREEN, {"width": 640, "height": 400}], ids=str)
def test_nothing_is_cut_and_axe_finds_nothing(served: Served, visitor: Visitor, size, language: str) -> None:
    page = visitor.open(served.port, viewport=size)
    speak(page, language)
    for pair in ((LATE, MOVED), (DOUBT, PURGED)):  # of more, some would lie under the table's heads
        served.desk.booths = pair
        served.desk.change()
        expect(page.locator("#booths tr")).to_have_count(2)
        expect(row(page, pair[0])).to_be_attached()
        assert sight.crowded(page) == []
        open_booth(page, pair[1])
        expect(page.locator("#detail .purges article").first).to_be_visible()
        assert sight.crowded(page) == []
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
        if size == DESK_SCREEN:  # the rules hang on what is shown, and the others show the same
            assert violations(page) == []
        page.keyboard.press("Escape")
    if language == "ar":
        expect(page.locator("html")).to_have_attribute("dir", "rtl")
        expect(page.locator("#booths")).not_to_contain_text("purged")
