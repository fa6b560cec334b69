"""What an eye would find wrong with a page: text cut off, text upon text, something beyond the edge, an empty box."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Locator, Page

# Scrolls on purpose and says so to the keyboard, or lets whole lines go out of sight.
SCROLLS: Final = "#history, #faults, .scroll, #detail, textarea, dialog, pre"
_EYE: Final = (Path(__file__).parent / "eye.js").read_text(encoding="utf-8")


def _look(at: Page | Locator, how: str, *arguments: object) -> Any:
    """Call one function of eye.js: through the debugger, which the page's Content-Security-Policy does not bind."""
    return at.evaluate(f"(given) => ({_EYE}).{how}(given)", *arguments)


def crowded(page: Page) -> list[str]:
    """Texts that are cut, leave their frame or the screen's side, lie upon one another or break within a word."""
    wrong: list[str] = _look(page, "crowded", SCROLLS)
    return wrong


def scrolled(page: Page, *selectors: str) -> list[str]:
    """What does not fit without scrolling: the page itself, and each of these elements."""
    wrong: list[str] = _look(page, "scrolled", list(selectors))
    return wrong


def overlaps(page: Page, *selectors: str) -> list[str]:
    """Pairs of these regions that share more than an edge, and regions that reach beyond the screen."""
    boxes: list[list[float]] = _look(page, "boxes", list(selectors))
    size = page.viewport_size
    assert size is not None
    wrong = [
        f"{name} reaches beyond the screen: {box}"
        for name, box in zip(selectors, boxes, strict=True)
        if box[0] < -1 or box[1] < -1 or box[2] > size["width"] + 1 or box[3] > size["height"] + 1
    ]
    for place, one in enumerate(boxes):
        for other_place, other in enumerate(boxes[:place]):
            shared = (min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1]))
            if min(shared) > 1:
                wrong.append(f"{selectors[place]} lies upon {selectors[other_place]}")
    return wrong


def tofu(element: Locator) -> list[str]:
    """Characters of the element's text that no installed font draws."""
    missing: list[str] = _look(element, "tofu")
    return missing
