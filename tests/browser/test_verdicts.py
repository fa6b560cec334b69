"""The first line at each verdict, brought about by a real crossing: the word, what to do, and that it can be read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser import sight
from tests.browser.lane import Lane
from tests.browser.people import SUBJECTS
from tests.browser.scenes import LANGUAGES, SCENES, Scene, shows, speak, violations

REGIONS = (".top", "#verdict", "main aside", "footer")


@pytest.fixture(scope="module", params=SCENES, ids=lambda scene: scene.name)
def scene(request: pytest.FixtureRequest, booth: Lane) -> Iterator[Scene]:
    """Each scene is played once, and all tests look at it."""
    with request.param.at(booth) as played:
        yield played


def test_word_and_next_step_are_said(scene: Scene, officer: Page) -> None:
    shows(officer, scene.word)
    expect(officer.locator("#said .next")).to_contain_text(scene.next_step)
    for text in scene.also:
        expect(officer.locator("#verdict")).to_contain_text(text)


def test_no_name_and_no_number_stands_on_the_first_line(scene: Scene, officer: Page) -> None:
    shows(officer, scene.word)
    text = officer.locator("body").inner_text().upper()
    secrets = [part for one in SUBJECTS for part in (one.surname, one.own_surname, one.given) if len(part) > 3]
    assert [part for part in (*secrets, "ZX4410923", "ZX44I0923", "UNLUCKY", "MISREAD") if part.upper() in text] == []


def test_a_screen_reader_is_told(scene: Scene, officer: Page) -> None:
    """The verdict interrupts, everything else waits its turn; what is said is what is seen."""
    shows(officer, scene.word)
    expect(officer.locator("#said")).to_have_attribute("aria-live", "assertive")
    heard = officer.locator("main").aria_snapshot()
    assert f'heading "{scene.word}" [level=1]' in heard, heard
    assert scene.next_step in heard
    for text in scene.also:
        assert text in heard
    assert "img" in heard and "The last 60 seconds" in heard, "the strip chart has words of its own"


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_fits_and_is_accessible_in_each_language(language: str, scene: Scene, officer: Page) -> None:
    """The English word stays beside its translation, for it is what radio and telephone use."""
    shows(officer, scene.word)
    speak(officer, language)
    try:
        if language != "en":
            expect(officer.locator("#said .english")).to_have_text(scene.word)
        assert sight.scrolled(officer, "#verdict", "main aside", "footer", ".top") == []
        assert sight.overlaps(officer, *REGIONS) == []
        assert sight.crowded(officer) == []
        assert violations(officer) == []
    finally:
        speak(officer, "en")
