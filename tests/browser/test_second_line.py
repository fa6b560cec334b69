"""The second line: who it is about, in whatever script, why it matched, and that all of it can be read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser import sight
from tests.browser.lane import Lane
from tests.browser.people import SUBJECTS, Subject
from tests.browser.scenes import LANGUAGES, SCENES, Scene, speak, violations


@pytest.fixture(scope="module", params=SCENES, ids=lambda scene: scene.name)
def scene(request: pytest.FixtureRequest, booth: Lane) -> Iterator[Scene]:
    with request.param.at(booth) as played:
        yield played


def test_the_band_repeats_the_verdict(scene: Scene, second: Page) -> None:
    expect(second.locator("#band")).to_have_attribute("data-word", scene.word)
    expect(second.locator("#band").get_by_role("heading", level=1)).to_contain_text(scene.word)
    expect(second.locator("#band")).to_contain_text(scene.next_step)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_fits_and_is_accessible_in_each_language(language: str, scene: Scene, second: Page) -> None:
    expect(second.locator("#band")).to_have_attribute("data-word", scene.word)
    speak(second, language)
    try:
        assert second.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
        assert sight.crowded(second) == []
        assert violations(second) == []
    finally:
        speak(second, "en")


@pytest.fixture(scope="module", params=SUBJECTS, ids=lambda subject: subject.script)
def subject(request: pytest.FixtureRequest, booth: Lane) -> Subject:
    """The subject of a notice has just been stopped."""
    booth.strong(request.param)
    found: Subject = request.param
    return found


def test_a_name_stands_in_its_own_script(subject: Subject, second: Page) -> None:
    """Isolated from the text around it, and every character drawn by a font that has it."""
    name = second.locator("#found bdi").filter(has_text=subject.own_name).first
    expect(name).to_be_visible()
    assert sight.tofu(name) == []
    assert name.evaluate("(one) => getComputedStyle(one).unicodeBidi") in ("isolate", "plaintext")
    assert sight.crowded(second) == []
