"""`make pictures`: what the README shows, taken from a running booth and headquarters (docs/pictures/*.png).

The demonstration's own persons cross, by its own acts; nothing is drawn by hand, and every person is invented. Each
picture is 1280 wide and, where the page does not scroll, 800 high; a palette keeps it small.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, expect, sync_playwright
from rich.console import Console
from rich.text import Text

from failsafe.agent.demo.cast import ACTS, LISTED, PERSONS, Stage
from failsafe.agent.demo.house import Windows, program
from failsafe.drivers.simulator import Portal
from tests.browser import png
from tests.browser.chromium import DESK_SCREEN, started
from tests.browser.lane import Lane
from tests.browser.people import SUBJECTS
from tests.browser.scenes import speak
from tests.story.journey import free_port

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "pictures"
MOST_BYTES: Final = 150_000
NOTICES: Final = 1_000
PATIENCE_S: Final = 60.0
# Name of the picture -> the act of the demonstration after which it is taken, the word it then shows, and a text that
# comes last.
FIRST_LINE: Final = {
    "clear": ("an innocent traveller", "CLEAR", "Quiet"),
    "stop": ("the subject of a notice, exact", "STOP", "Quiet"),
    "check": ("a misread number of a stolen passport", "CHECK", "Quiet"),
    "cannot-clear": ("a covered zone", "CANNOT CLEAR", "Read the document again"),
    "radiation": ("a patient after treatment", "STOP", "Radiation alarm."),
}
SECOND_LINE: Final = {
    "second-line": ("a name from Arabic script", "Quiet"),
    "second-line-alarm": ("person and radiation", "Radiation alarm."),
}
# Whom the demonstration's cast does not have already.
OTHERS: Final = [one for one in SUBJECTS if one.script not in ("Arabic", "Cyrillic")]
_TERMINAL: Final = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; padding: 28px 34px; background: #14202b; color: #e8edf0; }
pre { margin: 0; font: 17px/1.36 "Noto Sans Mono", "DejaVu Sans Mono", monospace; }
</style>"""


class Stand(Lane):
    """A booth whose portal and lane have the times of a real one, so that the strip chart looks as it does there."""

    def new_portal(self) -> Portal:
        self.portal = Portal(self.portal_line, pace=1.0)
        self._stack.callback(self.portal.stop)
        self.portal.start()
        return self.portal

    def play(self, title: str) -> None:
        """One act of the demonstration, on a lane where nobody stands and nothing has just passed."""
        self.settle()
        next(act for act in ACTS if act.title == title).play(Stage(self.reader, self.portal))


def found(folder: Path) -> Stand:
    """Headquarters with the demonstration's notices and those of every script, and a booth that has taken them."""
    house = Stand(folder, Windows())
    invented = map(json.loads, house.hq("invent", str(NOTICES)).splitlines())
    subjects = [one.notice(number) for number, one in enumerate(OTHERS)]
    house.found_headquarters([*invented, *PERSONS, *LISTED, *subjects])
    house.enrol()
    house.carry()
    return house


def page_at(browser: Browser, port: int, path: str = "/") -> Page:
    """A page of 1280 x 800 with its view."""
    page = browser.new_page(viewport=DESK_SCREEN, locale="en-GB", timezone_id="UTC", reduced_motion="reduce")
    page.goto(f"http://127.0.0.1:{port}{path}")
    expect(page.locator("body")).to_have_attribute("data-line", "up")
    page.keyboard.press("Shift")  # a browser gives sound only to whom a key was pressed
    return page


def take(page: Page, name: str, whole: bool = False) -> None:
    """Write the picture of what the page shows now; `whole` takes a page that scrolls down to its end.

    Raises:
        AssertionError: it is larger than a README should load.
    """
    picture = png.small(page.screenshot(animations="disabled", full_page=whole))
    assert len(picture) <= MOST_BYTES, f"{name} has {len(picture)} bytes, and should have at most {MOST_BYTES}"
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.png").write_bytes(picture)
    print(f"{name}.png  {len(picture) // 1000} kB")


def of_the_booth(browser: Browser, house: Stand) -> None:
    """The first line at each verdict, in Arabic, and the second line."""
    house.await_status(lambda status: (status["link"] or {}).get("state") == "up", "a link", PATIENCE_S)
    first, second = page_at(browser, house.port), page_at(browser, house.port, "/second")
    for name, (title, word, text) in FIRST_LINE.items():
        house.play(title)
        expect(first.locator("#verdict")).to_have_attribute("data-word", word)
        expect(first.locator("body")).to_contain_text(text)
        take(first, name)
    for name, (title, text) in SECOND_LINE.items():
        house.play(title)
        expect(first.locator("body")).to_contain_text(text)
        second.reload()
        expect(second.locator("#band")).to_have_attribute("data-word", re.compile("STOP|CHECK"))
        second.keyboard.press("Shift")
        take(second, name, whole=True)
    speak(first, "ar")
    take(first, "arabic")


def of_the_command_centre(browser: Browser, house: Stand) -> None:
    """Its list, with the newest urgent alert not yet acknowledged."""
    for subject in OTHERS[1:3]:
        house.strong(subject)
    house.await_status(lambda status: status["ledger"]["undelivered"] == 0, "an empty queue", PATIENCE_S)
    page = page_at(browser, house.ccc_port)
    expect(page.locator("#alerts tr").first).to_be_visible()
    take(page, "command-centre")


def of_the_terminal(browser: Browser) -> None:
    """What `failsafe demo` prints, in its colours."""
    told = subprocess.run(
        [program("failsafe"), "demo", "--once", "--port", str(free_port())],
        env={**os.environ, "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "0", "COLORTERM": "truecolor", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=True,
    )
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(Text.from_ansi(f"$ make demo\n{told.stdout.rstrip()}"), soft_wrap=True)
    page = browser.new_page(viewport=DESK_SCREEN)
    page.set_content(_TERMINAL + console.export_html(inline_styles=True, code_format="<pre>{code}</pre>"))
    take(page, "demonstration")


def main() -> None:
    """Take all of them; the names on the command line choose some."""
    chosen = set(sys.argv[1:])
    with ExitStack() as stack:
        browser = stack.enter_context(started(stack.enter_context(sync_playwright())))
        if not chosen or "terminal" in chosen:
            of_the_terminal(browser)
        if chosen == {"terminal"}:
            return
        house = found(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="failsafe-pictures-"))))
        stack.callback(house.end)
        house.open_line()
        house.open()
        of_the_booth(browser, house)
        of_the_command_centre(browser, house)


if __name__ == "__main__":
    main()
