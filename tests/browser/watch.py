"""A page under watch: whatever a browser can complain of, and every address it asks, is noted until the test ends."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, WebSocket


class Watch:
    """Notes console errors (refusals by the Content-Security-Policy are among them), uncaught errors and strangers.

    Args:
        context: whose pages are watched, from their first request on.
        port: the only one, on 127.0.0.1, that they may ask anything of.
    """

    def __init__(self, context: BrowserContext, port: int) -> None:
        self._own = ("127.0.0.1", port)
        self._forgiven: list[re.Pattern[str]] = []
        self._noted: list[str] = []
        context.on("request", self._on_request)
        context.on("page", self._on_page)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self._noted.append(f"uncaught: {error.error}"))

    def forgive(self, pattern: str) -> None:
        """What the test itself brings about, such as requests that fail while the booth is killed."""
        self._forgiven.append(re.compile(pattern))

    def take_faults(self) -> list[str]:
        """What was noted since the last time, and not forgiven."""
        noted, self._noted = self._noted, []
        return [note for note in noted if not any(pattern.search(note) for pattern in self._forgiven)]

    def _on_page(self, page: Page) -> None:
        page.on("websocket", self._on_websocket)
        page.on("crash", lambda _: self._noted.append("the page crashed"))

    def _on_websocket(self, line: WebSocket) -> None:
        self._noted.append(f"websocket to {line.url}")

    def _on_request(self, request: Request) -> None:
        asked = urlsplit(request.url)
        if (asked.hostname, asked.port) != self._own or asked.scheme != "http":
            self._noted.append(f"request to {request.url}")

    def _on_console(self, message: ConsoleMessage) -> None:
        # A page asks for sound at once, for a booth's browser may be set to give it; if it is not, the page says so.
        if message.type in ("error", "warning", "assert") and "AudioContext was not allowed" not in message.text:
            self._noted.append(f"console {message.type}: {message.text}")
