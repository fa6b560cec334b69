"""What may happen at the lane, by name, and what the officer must then see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from failsafe.screens import texts
from tests.browser.lane import Lane
from tests.browser.people import SUBJECTS

LANGUAGES: Final = tuple(language.code for language in texts.LANGUAGES)
ARABIC, CHINESE = SUBJECTS[1], SUBJECTS[3]


@dataclass(frozen=True, slots=True)
class Scene:
    """One crossing: how it comes about, the word, what to do next, and what else must be read.

    Attributes:
        during: something that holds as long as the scene is looked at.
    """

    name: str
    play: Callable[[Lane], object]
    word: str
    next_step: str
    also: tuple[str, ...] = ()
    alerts: bool = False
    during: Callable[[Lane], AbstractContextManager[None]] = lambda _: nullcontext()

    @contextmanager
    def at(self, lane: Lane) -> Iterator[Scene]:
        """Play it, and let it stand."""
        with self.during(lane):
            self.play(lane)
            yield self


@contextmanager
def _not_recording(lane: Lane) -> Iterator[None]:
    with lane.ledger_held():
        yield
    lane.await_recording()


SCENES: Final = (
    Scene("clear", Lane.clear, "CLEAR", "Let the traveller proceed"),
    Scene("strong candidate", Lane.strong, "STOP", "Refer the traveller to second line", alerts=True),
    Scene("listed document", Lane.listed, "STOP", "Refer the traveller to second line", alerts=True),
    Scene("repaired number", Lane.possible, "CHECK", "Refer the traveller to second line", alerts=True),
    Scene("covered zone", Lane.cannot_clear, "CANNOT CLEAR", "Read the document again"),
    Scene("radiation", Lane.alarm, "STOP", "Refer the traveller to second line", ("Radiation alarm",), alerts=True),
    Scene(
        "person and radiation",
        lambda lane: lane.alarm(CHINESE),
        "STOP",
        "Refer the traveller to second line",
        ("Screen traveller, luggage and vehicle", "Radiation alarm"),
        alerts=True,
    ),
    Scene(
        "not recorded",
        lambda lane: lane.strong(ARABIC),
        "STOP",
        "Refer the traveller to second line",
        ("NOT RECORDED", "+00 000 0000"),
        alerts=True,
        during=_not_recording,
    ),
)


def shows(page: Page, word: str) -> None:
    """The first line's page shows this word, as what it is and as what is read."""
    expect(page.locator("#verdict")).to_have_attribute("data-word", word)
    expect(page.locator("#said").get_by_role("heading", level=1)).to_contain_text(word.split()[-1])


def violations(page: Page) -> list[str]:
    """What axe-core finds on the page as it stands: each rule that is broken, and by which elements."""
    found: dict[str, Any] = Axe().run(page).response
    return [
        f"{rule['id']}: {rule['help']}: {[node['html'][:160] for node in rule['nodes'][:3]]}"
        for rule in found["violations"]
    ]


def speak(page: Page, language: str) -> None:
    """Choose a language in the page's head; returns when its texts and its direction stand."""
    page.locator("#language").select_option(language)
    root = page.locator("html")
    expect(root).to_have_attribute("lang", language)
    expect(root).to_have_attribute("dir", next(one.dir for one in texts.LANGUAGES if one.code == language))
