"""A page of ours over a real server on a free port of 127.0.0.1, and what both pages must hold."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType

import httpx
from starlette.applications import Starlette

from failsafe.screens.server import ScreenServer

WAIT_S = 60.0


class Screen:
    """The page of `make(port)`, served in a thread of its own."""

    def __init__(self, make: Callable[[int], Starlette], server: Callable[..., ScreenServer] = ScreenServer) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.app = make(self.port)
        self._server = server(self.app, port=self.port)
        self._up = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True)
        self._thread.start()
        assert self._up.wait(WAIT_S)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=WAIT_S, trust_env=False)
        found = re.search(r'name="page-token" content="([^"]{40,})"', self.client.get("/").text)
        assert found
        self.token = found[1]

    async def _serve(self) -> None:
        asyncio.get_running_loop().call_soon(self._up.set)
        await self._server.serve(sockets=[self._socket])

    @property
    def thread(self) -> int | None:
        return self._thread.ident

    def stop(self) -> bool:
        """Ask the server to stop; True when its thread has ended."""
        self._server.should_exit = True
        self._thread.join(WAIT_S)
        return not self._thread.is_alive()

    def close(self) -> None:
        """The end of it, which must come."""
        self.client.close()
        assert self.stop()

    def origin(self, name: str = "127.0.0.1") -> str:
        return f"http://{name}:{self.port}"

    def headers(self, **other: str) -> dict[str, str]:
        """As the page sends them; `other` replaces (or, when empty, removes) one of its own."""
        ours = {"origin": self.origin(), "x-page-token": self.token, "content-type": "application/json"}
        ours |= {name.replace("_", "-"): value for name, value in other.items()}
        return {name: value for name, value in ours.items() if value}

    def post(self, path: str, body: bytes | Mapping[str, object], **headers: str) -> httpx.Response:
        """A POST as the page makes it; `headers` replace (or, when empty, remove) one of its own."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, content=content, headers=self.headers(**headers))


def told(answer: httpx.Response) -> Iterator[tuple[str, str]]:
    """(event, data) of a stream as they arrive, and ("retry", milliseconds)."""
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.status_code
    return _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    name = data = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = line.removeprefix("data: ")
        elif line.startswith("retry: "):
            yield "retry", line.removeprefix("retry: ")
        elif not line and name:
            yield name, data
            name = data = ""


def refusal(answer: httpx.Response, status: int) -> dict[str, str]:
    """The body of a refusal, after its form was checked."""
    assert answer.status_code == status, answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    body: dict[str, str] = answer.json()
    assert set(body) == {"error", "advice"}
    assert all(text.endswith(".") for text in body.values())
    return body


def check_headers(answer: httpx.Response) -> None:
    """Nothing is loaded from elsewhere, nothing is kept, no other page sees it."""
    headers = answer.headers
    policy = {part.split()[0]: part.split()[1:] for part in headers["content-security-policy"].split("; ")}
    assert policy["default-src"] == ["'none'"]
    for directive in ("script-src", "style-src", "connect-src", "img-src", "form-action"):
        assert policy[directive] == ["'self'"]
    assert policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers


def check_hostless(screen: Screen) -> None:
    """Who does not say for whom a request is meant gets nothing."""
    with socket.create_connection(("127.0.0.1", screen.port), WAIT_S) as line:
        line.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b" 400 " in line.recv(4096).split(b"\r\n")[0]


def check_words(screen: Screen, words: ModuleType) -> None:
    """The room's tables of words reach the browser as they are."""
    text = screen.client.get("/words.js").text
    sent = dict(re.findall(r"^export const (\w+) = (.*);$", text, re.MULTILINE))
    assert {name: json.loads(table) for name, table in sent.items()} == json.loads(json.dumps(words.TABLES))


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast of two colours written #rrggbb."""

    def light(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    brighter, darker = sorted((light(one), light(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def colours(screen: Screen) -> dict[str, str]:
    """The pages' colours by name."""
    return dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", screen.client.get("/frame.css").text))
