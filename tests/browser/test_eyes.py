"""Without colour, without motion, enlarged: the verdict is still told by its shape and its word."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser import png, sight
from tests.browser.conftest import Visitor
from tests.browser.lane import Lane
from tests.browser.scenes import SCENES, shows

DEFICIENCIES = ("achromatopsia", "protanopia", "deuteranopia", "tritanopia")
FIRST = {"STOP": "strong candidate", "CHECK": "repaired number", "CLEAR": "clear", "CANNOT CLEAR": "covered zone"}


def see_as(page: Page, deficiency: str) -> None:
    """Have Chromium show the page as somebody with this deficiency sees it."""
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setEmulatedVisionDeficiency", {"type": deficiency})


@pytest.fixture(scope="module")
def pictures(_officer: Page, booth: Lane) -> dict[tuple[str, str], bytes]:
    """The mark of each word as each eye sees it, and as `none` the whole mark in colour."""
    taken = {}
    for scene in SCENES:
        if scene.name not in FIRST.values():
            continue
        with scene.at(booth):
            shows(_officer, scene.word)
            for eye in ("none", *DEFICIENCIES):
                see_as(_officer, eye)
                taken[eye, scene.word] = _officer.locator("#said svg.shape").screenshot()
            see_as(_officer, "none")
    return taken


@pytest.mark.parametrize("eye", DEFICIENCIES)
def test_each_word_has_a_shape_that_is_told_without_colour(eye: str, pictures: dict[tuple[str, str], bytes]) -> None:
    shapes = {word: png.outline(pictures[eye, word]) for word in FIRST}
    for one, other in combinations(FIRST, 2):
        differing = float(np.mean(shapes[one] != shapes[other]))
        assert differing > 0.12, f"{one} and {other} differ in {differing:.0%} of their shape"


def test_the_shapes_are_what_the_help_calls_them(pictures: dict[tuple[str, str], bytes]) -> None:
    """A square fills its box, a triangle about half of it, a circle pi/4; a frame is empty within and has gaps."""
    ink = {word: png.outline(pictures["achromatopsia", word]) for word in FIRST}
    corners = {word: [bool(one[place]) for place in ((6, 6), (6, -7), (-7, 6), (-7, -7))] for word, one in ink.items()}
    assert corners["STOP"] == [True] * 4
    assert corners["CHECK"] == [False, False, True, True]
    assert corners["CLEAR"] == [False] * 4
    middle = ink["CANNOT CLEAR"][14:20, 14:34]
    assert not middle.any(), "the frame is empty but for its bar"
    top = ink["CANNOT CLEAR"][4:8].any(axis=0)
    assert np.count_nonzero(np.diff(top.astype(int))) >= 4, "the frame is dashed"


def test_the_verdict_does_not_move_for_who_wants_no_motion(visitor: Visitor, booth: Lane) -> None:
    calm, moving = visitor.open(booth.port), visitor.open(booth.port, reduced_motion="no-preference")
    for page in (calm, moving):  # what moves is over in a moment: it is written down
        page.evaluate("() => document.addEventListener('animationstart', () => { document.body.dataset.moved = '' })")
    booth.strong()
    for page in (calm, moving):
        shows(page, "STOP")
    expect(moving.locator("body[data-moved]")).to_have_count(1)
    count = "() => document.getAnimations().length + [...document.querySelectorAll('*')].filter((one) => "
    count += "parseFloat(getComputedStyle(one).transitionDuration) > 0.01).length"
    assert calm.evaluate(count) == 0
    expect(calm.locator("body[data-moved]")).to_have_count(0)


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (1280, 1024), (1920, 1080)])
def test_the_word_is_large_enough_for_two_metres(width: int, height: int, visitor: Visitor, booth: Lane) -> None:
    """20/40 at two metres needs letters of 6 mm; a screen of 1024 on 300 mm has 3.4 px a mm. Ours are far above."""
    page = visitor.open(booth.port, viewport={"width": width, "height": height})
    booth.strong()
    shows(page, "STOP")
    size = page.locator("#said h1").evaluate("(one) => parseFloat(getComputedStyle(one).fontSize)")
    assert size > width / 12
    step = page.locator("#said .next").evaluate("(one) => parseFloat(getComputedStyle(one).fontSize)")
    assert step > 28, "6 mm high capitals at 3.4 px a mm"
    assert sight.crowded(page) == []


def test_the_first_line_reflows_when_enlarged_twice(visitor: Visitor, booth: Lane) -> None:
    """A browser's zoom of 200 % leaves half the pixels: it may then scroll downwards, never sideways."""
    page = visitor.open(booth.port, viewport={"width": 512, "height": 384}, device_scale_factor=2)
    booth.strong()
    shows(page, "STOP")
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    assert sight.crowded(page) == []
