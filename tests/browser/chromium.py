"""The system's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from typing import Final

from playwright.sync_api import Browser, Playwright, ViewportSize, expect

PATIENCE_MS: Final = 60_000
BOOTH_SCREEN: Final[ViewportSize] = {"width": 1024, "height": 768}  # the smallest screen that is promised
DESK_SCREEN: Final[ViewportSize] = {"width": 1280, "height": 800}


def found() -> str | None:
    """Where Chromium is installed; None where it is not."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def started(playwright: Playwright) -> Browser:
    """Start it; its sandbox does not work for root, who only tests and takes pictures."""
    expect.set_options(timeout=PATIENCE_MS)
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=found(), args=root)
