"""Second line after a radiation alarm: what kind it was, whether a treatment explains it, and whose it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from failsafe.agent.radiation.adjudication import GUIDANCE, NEUTRONS
from failsafe.sync.reports import Alert, Finding
from tests.browser import sight
from tests.browser.chromium import DESK_SCREEN
from tests.browser.conftest import Visitor
from tests.browser.lane import Lane
from tests.browser.people import SUBJECTS
from tests.browser.scenes import LANGUAGES, speak, violations
from tests.story.test_secrets import check_nowhere, decrypted, of_zone

REASON = "The command centre asked for it by telephone."


def findings(booth: Lane) -> list[Finding]:
    with booth.open_ledger() as ledger:
        ledger.verify()
        return [entry.body for entry in ledger.entries() if isinstance(entry.body, Finding)]


def explanation(page: Page):
    return page.locator("#explained .says")


@pytest.fixture
def page(booth: Lane, visitor: Visitor) -> Iterator[Page]:
    """The second line with a patient before it: a gamma alarm, and nothing else."""
    booth.alarm()
    opened = visitor.open(booth.port, "/second")
    expect(opened.locator("#kind")).to_be_visible()
    return opened


# --- what kind ----------------------------------------------------------------------------------------------------


def test_a_medical_explanation_is_given_by_keyboard_alone(booth: Lane, page: Page) -> None:
    page.keyboard.press("c")
    expect(page.get_by_role("radio").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Medical")).to_be_checked()
    expect(page.locator("#guidance")).to_contain_text(GUIDANCE["medical"].ask)
    expect(page.locator("#guidance")).to_contain_text(GUIDANCE["medical"].then)
    page.keyboard.press("Tab")
    page.keyboard.type("Tc")
    page.keyboard.press("Tab")
    page.keyboard.type("1,5")
    expect(explanation(page)).to_contain_text("Plausible")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#findings .kind")).to_contain_text("Medical · Tc-99m · days since: 1.5")
    found = findings(booth)[-1]
    assert (found.category, found.nuclide, found.days_since, found.text) == ("medical", "Tc-99m", 1.5, "")
    assert found.plausible == "plausible"
    expect(page.get_by_role("radio", checked=True)).to_have_count(0)


def test_an_explanation_that_does_not_fit_is_told_and_changes_no_verdict(booth: Lane, page: Page) -> None:
    page.get_by_role("radio", name="Medical").check()
    page.locator("#nuclide").select_option("F-18")
    page.locator("#days").fill("9")
    expect(explanation(page)).to_contain_text("NOT PLAUSIBLE")
    expect(page.locator("#explained")).to_contain_text("This decides nothing")
    page.locator("#finding-text").fill("Says: PET scan nine days ago.")
    page.locator("#finding-text").press("Control+Enter")
    expect(page.locator("#findings .says")).to_contain_text("NOT PLAUSIBLE")
    assert findings(booth)[-1].plausible == "implausible"
    expect(page.locator("#band")).to_have_attribute("data-word", "STOP")


def test_days_that_cannot_be_are_said_beside_the_form(booth: Lane, page: Page) -> None:
    before = len(findings(booth))
    page.get_by_role("radio", name="Medical").check()
    page.locator("#days").fill("yesterday")
    page.locator("#finding-text").press("Control+Enter")
    expect(page.locator("#finding-error")).to_contain_text("cannot be right")
    expect(page.locator("#days")).to_be_focused()
    expect(page.locator("#days")).to_have_attribute("aria-invalid", "true")
    assert len(findings(booth)) == before
    page.get_by_role("radio", name="Not explained").check()
    page.locator("#finding-text").press("Control+Enter")
    expect(page.locator("#findings .kind")).to_have_text("Not explained")
    assert (findings(booth)[-1].category, findings(booth)[-1].days_since) == ("unknown", None)


def test_with_neutrons_no_kind_makes_the_advice_milder(booth: Lane, visitor: Visitor) -> None:
    booth.alarm(SUBJECTS[3])
    page = visitor.open(booth.port, "/second")
    expect(page.locator("#neutrons")).to_have_text(NEUTRONS)
    for radio in page.get_by_role("radio").all():
        radio.check()
        expect(page.locator("#guidance dd").last).to_have_text(NEUTRONS)
    page.get_by_role("radio", name="Medical").check()
    page.locator("#nuclide").select_option("Tc-99m")
    page.locator("#days").fill("0")
    expect(explanation(page)).to_contain_text("NOT PLAUSIBLE")
    expect(page.locator("#identity")).to_be_hidden()  # its alerts have the name already


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_kinds_fit_and_are_accessible_in_each_language(language: str, page: Page) -> None:
    page.get_by_role("radio").nth(1).check()
    page.locator("#nuclide").select_option("Lu-177")
    page.locator("#days").fill("60")
    speak(page, language)
    expect(page.locator("#nuclide")).to_have_value("Lu-177")
    expect(explanation(page)).to_be_visible()
    for width in (1024, 1280):
        page.set_viewport_size({"width": width, "height": 768})
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
        assert sight.crowded(page) == []
    assert violations(page) == []


def test_a_notice_hit_has_no_kind_of_radiation(booth: Lane, visitor: Visitor) -> None:
    booth.strong()
    page = visitor.open(booth.port, "/second")
    expect(page.locator("#finding")).to_be_visible()
    expect(page.locator("#kind")).to_be_hidden()
    expect(page.locator("#identity")).to_be_hidden()


def test_the_panels_are_a_picture_that_can_be_read_out(page: Page) -> None:
    picture = page.get_by_role("img", name="Panel 1, first pillar, low").first
    expect(picture).to_be_visible()
    said = picture.get_attribute("aria-label") or ""
    assert [f"Panel {number}" in said for number in range(1, 5)] == [True] * 4 and said.count("most") == 1
    most = picture.locator(".panel.most")
    expect(most).to_have_count(1)
    expect(picture.locator(".flag")).to_have_count(1)
    expect(page.locator(".channel").first).to_contain_text("Own tests")


# --- whose --------------------------------------------------------------------------------------------------------


def zone(page: Page) -> set[bytes]:
    """What must stand nowhere of the traveller whom the page shows."""
    lines = page.locator("#person pre").inner_text().split("\n")
    needles = of_zone((lines[0], lines[1])) - of_zone(("P<FRASAMPLE<<ANNA", "?????????"))
    assert len(needles) > 4
    return needles


def in_the_ledger(booth: Lane, needles: set[bytes]) -> bool:
    with booth.open_ledger() as ledger:
        known = decrypted(ledger)
    return any(needle in known for needle in needles)


def test_the_document_is_written_down_by_the_act_alone(booth: Lane, page: Page) -> None:
    needles, before = zone(page), len(findings(booth))
    page.locator("#finding-text").fill("Nothing of the person.")
    page.locator("#finding-text").press("Control+Enter")
    expect(page.locator("#findings li")).to_have_count(1)
    page.get_by_role("button", name="Attach this traveller").click()
    window = page.get_by_role("dialog")
    expect(window).to_contain_text("cannot be taken back")
    assert sight.crowded(page) == [] and violations(page) == []
    page.keyboard.press("Escape")
    assert not in_the_ledger(booth, needles) and check_nowhere(booth, needles) > 3

    page.get_by_role("button", name="Attach this traveller").click()
    expect(page.locator("#attach-reason")).to_be_focused()
    window.get_by_role("button", name="Attach the document").click()
    expect(window).to_contain_text("Write why")
    assert not in_the_ledger(booth, needles)
    page.locator("#attach-reason").fill(REASON)
    window.get_by_role("button", name="Attach the document").click()
    expect(page.locator("#identity-said")).to_have_text("The traveller’s document is attached to the alert.")
    expect(page.locator("#attach")).to_be_hidden()
    assert in_the_ledger(booth, needles) and check_nowhere(booth, needles) > 3
    _, act = findings(booth)[before:]
    assert act.person is not None and act.person.zone[0].startswith("P<FRASAMPLE") and act.text == REASON
    with booth.open_ledger() as ledger:
        alarm = ledger.entry(act.alerts[0])
    assert alarm is not None and isinstance(alarm.body, Alert) and alarm.body.person is None


def test_a_document_that_the_booth_has_forgotten_cannot_be_attached(booth: Lane, page: Page, visitor: Visitor) -> None:
    visitor.watch(page).forgive("ERR_|status of 403|status of 404|status of 422")
    booth.fall_silent()
    expect(page.locator("body")).to_have_attribute("data-line", "lost")
    booth.come_back()
    expect(page.locator("body")).to_have_attribute("data-line", "up")
    before = len(findings(booth))
    page.get_by_role("button", name="Attach this traveller").click()
    page.locator("#attach-reason").fill(REASON)
    page.get_by_role("button", name="Attach the document").click()
    expect(page.locator("#attach-error")).to_contain_text("does not know this traveller's document any more")
    assert len(findings(booth)) == before


def test_no_window_with_a_document_stands_over_a_lost_line(booth: Lane, page: Page, visitor: Visitor) -> None:
    visitor.watch(page).forgive("ERR_|status of 403|status of 404")
    page.get_by_role("button", name="Attach this traveller").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    booth.fall_silent()
    expect(page.locator("body")).to_have_attribute("data-line", "lost")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#attach-who")).to_be_empty()
    booth.come_back()


def test_the_command_centre_reads_kind_and_document_under_the_alert(centre: Lane, visitor: Visitor) -> None:
    centre.alarm()
    page = visitor.open(centre.port, "/second")
    page.get_by_role("radio", name="Medical").check()
    page.locator("#nuclide").select_option("Tl-201")
    page.locator("#days").fill("400")
    page.locator("#finding-text").press("Control+Enter")
    expect(page.locator("#findings .kind")).to_have_count(1)
    page.locator("#attach").click()
    page.locator("#attach-reason").fill(REASON)
    page.locator("#attach-form .primary").click()
    expect(page.locator("#findings li")).to_have_count(2)

    desk = visitor.open(centre.ccc_port, viewport=DESK_SCREEN)
    row = desk.locator("#alerts tr")
    expect(row).to_have_count(1)
    expect(row.locator(".why")).to_contain_text("Medical · 2 findings")
    expect(row.locator(".who")).to_contain_text("SAMPLE")
    expect(row.locator(".who")).to_contain_text("attached, no match")
    row.click()
    detail = desk.locator("#detail-words")
    expect(detail).to_contain_text("Medical")
    expect(detail).to_contain_text("Tl-201 · days since: 400")
    expect(detail).to_contain_text("NOT PLAUSIBLE")
    expect(detail).to_contain_text(f"no notice matched. Reason: {REASON}")
    expect(detail.get_by_role("img", name="Panel 3, second pillar, low").first).to_be_visible()
    assert sight.crowded(desk) == [] and violations(desk) == []
    for word, many in (("medical tl-201", 1), ("sample", 1), ("nuclear", 0)):
        desk.locator("#search").fill(word)
        expect(desk.locator("#said")).to_contain_text(f"{many} alert")
        expect(desk.locator("#alerts tr")).to_have_count(many)
    (line,) = centre.alerts_at_headquarters()
    assert line["alert"].get("person") is None and line["alert"].get("notices", []) == []
