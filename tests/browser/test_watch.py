"""The watch and the eye of these tests see what they should: here each kind of fault is made on purpose."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import png, sight
from tests.browser.chromium import BOOTH_SCREEN, PATIENCE_MS
from tests.browser.lane import Lane
from tests.browser.watch import Watch


@pytest.fixture
def seen(chromium: Browser, booth: Lane) -> Iterator[tuple[Page, Watch]]:
    """The first line's page, and a watch that may note faults."""
    context = chromium.new_context(viewport=BOOTH_SCREEN)
    watch = Watch(context, booth.port)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{booth.port}/")
    expect(page.locator("body")).to_have_attribute("data-line", "up")
    assert watch.take_faults() == []
    yield page, watch
    context.close()


# The share of pixels that a browser shows more than a shade apart.
DIFFERING = """async (pictures) => {
  const [one, other] = await Promise.all(pictures.map(async (coded) => {
    const image = new Image();
    image.src = `data:image/png;base64,${coded}`;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
    const pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0);
    return pen.getImageData(0, 0, image.width, image.height).data;
  }));
  if (one.length !== other.length) return 1;
  return one.filter((value, place) => Math.abs(value - other[place]) > 24).length / one.length;
}"""
FAULTS = {
    "console error": "() => console.error('a fault on purpose')",
    "uncaught": "() => { setTimeout(() => { throw new Error('a fault on purpose') }) }",
    "Content Security Policy": "() => { document.body.insertAdjacentElement('beforeend', Object.assign("
    "document.createElement('div'), { id: 'x' })).setAttribute('style', 'color: red') }",
    "http://203.0.113.1": "() => { fetch('http://203.0.113.1/').catch(() => null) }",
    "http://127.0.0.1:9": "() => { new Image().src = 'http://127.0.0.1:9/' }",
}


@pytest.mark.parametrize("told", FAULTS)
def test_a_fault_is_noted(told: str, seen: tuple[Page, Watch]) -> None:
    page, watch = seen
    page.evaluate(FAULTS[told])
    faults = watch.take_faults()
    until = time.monotonic() + PATIENCE_MS / 1000
    while not any(told.casefold() in fault.casefold() for fault in faults):
        assert time.monotonic() < until, faults
        page.wait_for_timeout(50)  # the browser tells of it in its own time
        faults += watch.take_faults()


DISORDER = {
    "leaves": "(one) => { one.style.width = '4rem'; one.style.overflow = 'hidden'; one.style.whiteSpace = 'nowrap' }",
    "lies upon": "(one) => { one.style.cssText = 'position: fixed; top: 80px; left: 720px' }",
    "beyond the screen": "(one) => { one.style.position = 'fixed'; one.style.insetInlineEnd = '-60px' }",
}


@pytest.mark.parametrize("told", DISORDER)
def test_disorder_is_seen(told: str, seen: tuple[Page, Watch]) -> None:
    page, _ = seen
    assert sight.crowded(page) == []
    page.locator("footer button").first.evaluate(DISORDER[told])
    assert any(told in wrong for wrong in sight.crowded(page)), sight.crowded(page)


def test_regions_that_overlap_are_seen(seen: tuple[Page, Watch]) -> None:
    page, _ = seen
    assert sight.overlaps(page, "main", "footer") == []
    page.locator("footer").evaluate("(one) => { one.style.marginTop = '-40px' }")
    assert sight.overlaps(page, "main", "footer") != []


def test_a_picture_is_read_as_chromium_draws_it(seen: tuple[Page, Watch]) -> None:
    page, _ = seen
    page.evaluate("() => { document.body.replaceChildren(); document.body.style.background = 'rgb(10, 200, 30)' }")
    picture = png.pixels(page.screenshot())
    assert picture.shape == (BOOTH_SCREEN["height"], BOOTH_SCREEN["width"], 3)
    assert (picture.reshape(-1, 3) == (10, 200, 30)).all()


def test_a_character_that_no_font_has_is_seen(seen: tuple[Page, Watch]) -> None:
    page, _ = seen
    page.evaluate("() => { document.querySelector('#place').textContent = 'A\\u0378B' }")
    assert sight.tofu(page.locator("#place")) == ["\u0378"]


def test_a_picture_with_a_palette_is_the_same_picture(seen: tuple[Page, Watch]) -> None:
    """But for the rarest of its shades, and smaller."""
    page, _ = seen
    taken = page.screenshot()
    smaller = png.small(taken)
    page.goto("about:blank")
    differing = page.evaluate(DIFFERING, [base64.b64encode(one).decode() for one in (taken, smaller)])
    assert differing < 0.02
    assert len(smaller) < 60_000
