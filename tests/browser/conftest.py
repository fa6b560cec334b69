"""Chromium, a booth behind a page, and a watch over every page that a test opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser import lane
from tests.browser.chromium import BOOTH_SCREEN, DESK_SCREEN, found, started
from tests.browser.lane import Lane
from tests.browser.watch import Watch


@pytest.fixture(scope="module")
def chromium(missing_part: Callable[[str], None]) -> Iterator[Browser]:
    """The system's Chromium, one a module.

    It goes before the worker turns to other tests: while it stands, its event loop runs in their thread.
    """
    if found() is None:
        missing_part("needs Chromium: apt install chromium fonts-noto-core fonts-noto-cjk")
    with sync_playwright() as playwright, started(playwright) as browser:
        yield browser


class Visitor:
    """Opens pages, each in a watched context of its own."""

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._opened: list[tuple[BrowserContext, Watch]] = []

    def open(self, port: int, path: str = "/", **options: Any) -> Page:
        """The page once it has its view; `options` are those of a Playwright context."""
        calm = {"viewport": BOOTH_SCREEN, "locale": "en-GB", "timezone_id": "UTC", "reduced_motion": "reduce"}
        context = self._chromium.new_context(**{**calm, **options})
        self._opened.append((context, Watch(context, port)))
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}{path}")
        expect(page.locator("body")).to_have_attribute("data-line", "up")
        return page

    def watch(self, page: Page) -> Watch:
        """The watch over this page."""
        return next(watch for context, watch in self._opened if context is page.context)

    def check(self) -> None:
        """Fail if anything was noted since the last check that was not forgiven."""
        faults = [fault for _, watch in self._opened for fault in watch.take_faults()]
        assert not faults, faults

    def close(self) -> None:
        """Close all contexts."""
        for context, _ in self._opened:
            context.close()


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Visitor]:
    """For pages of this test alone."""
    visitor = Visitor(chromium)
    yield visitor
    visitor.close()
    visitor.check()


@pytest.fixture(scope="module")
def _standing(chromium: Browser) -> Iterator[Visitor]:
    visitor = Visitor(chromium)
    yield visitor
    visitor.close()


@pytest.fixture(scope="session")
def founded(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Lane:
    """Headquarters and a booth, founded once; each module's lane goes on from a copy."""
    return Lane.at(made_once("founded-lane", lane.found))


@pytest.fixture(scope="module")
def booth(founded: Lane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    """A booth at work, the module's own."""
    begun = Lane.begin(founded, tmp_path_factory.mktemp("booth"))
    try:
        begun.open()
        yield begun
    finally:
        begun.end()


@pytest.fixture(scope="module")
def centre(founded: Lane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    """A booth at work whose link and headquarters run too."""
    begun = Lane.begin(founded, tmp_path_factory.mktemp("centre"))
    try:
        begun.open_line()
        begun.open()
        yield begun
    finally:
        begun.end()


@pytest.fixture(scope="module")
def _officer(_standing: Visitor, booth: Lane) -> Page:
    return _standing.open(booth.port)


@pytest.fixture
def officer(_officer: Page, _standing: Visitor) -> Iterator[Page]:
    """The first line's page, which stands open through all of a module's crossings, as it does in a booth."""
    yield _officer
    _standing.check()


@pytest.fixture(scope="module")
def _second(_standing: Visitor, booth: Lane) -> Page:
    return _standing.open(booth.port, "/second")


@pytest.fixture
def second(_second: Page, _standing: Visitor) -> Iterator[Page]:
    """The second line's page, opened anew: it shows the lane's crossing of now."""
    _second.reload()
    expect(_second.locator("body")).to_have_attribute("data-line", "up")
    yield _second
    _standing.check()


@pytest.fixture(scope="module")
def _ccc(_standing: Visitor, centre: Lane) -> Page:
    return _standing.open(centre.ccc_port, viewport=DESK_SCREEN)


@pytest.fixture
def ccc(_ccc: Page, _standing: Visitor) -> Iterator[Page]:
    """The command centre's page, which stands open."""
    yield _ccc
    _standing.check()
