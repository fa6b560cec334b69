"""What a technician sees of a device's line: readings as they come, with nobody in them unless it is a specimen.

The running core holds its devices' ports, so it tells what they say over its control socket; a port that nobody holds
is opened here. What is watched goes to the terminal and into no log.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import suppress
from typing import Any, Final

from failsafe.agent.commands.decoding import reading_json
from failsafe.drivers.driver import Driver, LineSettings
from failsafe.drivers.line import LineState, SerialLine
from failsafe.drivers.masking import masked_reading
from failsafe.drivers.reading import DocumentRead, Reading

# A terminal that does not keep up loses the oldest; the booth never waits for it.
_MOST_WAITING: Final = 256

Told = dict[str, Any]
_Listener = Callable[[Reading | LineState], None]


def told(seen: Reading | LineState, *, specimen: bool) -> Told:
    """A reading, or a change of the line, as an object whose first member is its `kind`."""
    if isinstance(seen, LineState):
        return {"kind": "line", "at": seen.at, "state": seen.state, "detail": seen.detail, "advice": seen.advice}
    if isinstance(seen, DocumentRead) and not specimen:
        return reading_json(masked_reading(seen))
    return reading_json(seen)


class Watchers:
    """Who watches which device of the running core. `tell` is for the booth's thread, `listen` for the door's loop."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[_Listener]] = {}

    def tell(self, device: str, seen: Reading | LineState) -> None:
        """A device of this name was heard, or its line changed."""
        for listener in tuple(self._listeners.get(device, ())):
            listener(seen)

    async def listen(self, device: str, *, specimen: bool) -> AsyncGenerator[Told, None]:
        """All that a device says from now on; the first is an assurance that it is listened to."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[Reading | LineState] = asyncio.Queue(_MOST_WAITING)

        def put(seen: Reading | LineState) -> None:
            if waiting.full():
                waiting.get_nowait()
            waiting.put_nowait(seen)

        def hear(seen: Reading | LineState) -> None:
            with suppress(RuntimeError):  # the loop has ended with the core
                loop.call_soon_threadsafe(put, seen)

        self._listeners.setdefault(device, set()).add(hear)
        try:
            yield {"ready": True}
            while True:
                yield told(await waiting.get(), specimen=specimen)
        finally:
            self._listeners[device].discard(hear)


def port_readings(driver: Driver, port: str, settings: LineSettings, *, specimen: bool) -> Generator[Told, None, None]:
    """All that a port says that nobody else holds, for ever; the port is closed with the iterator."""
    heard: queue.Queue[Reading | LineState] = queue.Queue()
    line = SerialLine("watch", port, driver, settings, deliver=heard.put, report=heard.put)
    line.start()
    try:
        while True:
            yield told(heard.get(), specimen=specimen)
    finally:
        line.stop()


def in_words(seen: Told) -> str:
    """One reading in a few lines for a terminal."""
    match seen["kind"]:
        case "line":
            return f"line {seen['state']}: {seen['detail']} {seen['advice']}".rstrip()
        case "malformed":
            return f"malformed: {seen['detail']}, {seen['length']} bytes"
        case "unknown":
            return f"unknown: {seen['tag']}"
        case "health":
            return f"device {'OK' if seen['ok'] else 'FAULT'}: {seen['detail']}"
        case "document":
            return "\n  ".join(_document_words(seen))
    values = (f"{name} {value}" for name, value in seen.items() if name not in ("kind", "at") and value is not None)
    return f"{seen['kind']}: {', '.join(values)}"


def _document_words(seen: Told) -> Iterator[str]:
    """A document: its lines, its fields, and each check digit's answer."""
    yield f"document by {seen['source']}" + ("" if seen["lines"] or seen["holder"] else ": could not be read")
    yield from seen["lines"]
    if seen["holder"]:
        yield ", ".join(f"{name} {value}" for name, value in seen["holder"].items() if value)
    zone = seen.get("zone")
    if not zone or not seen["lines"]:
        return
    words = {True: "ok", False: "WRONG", None: "none"}
    fields = ("document_number", "birth_date", "sex", "expiry_date", "surname", "given_names")
    yield f"{zone['format'] or 'no known layout'}, {'valid' if zone['valid'] else 'NOT VALID'}"
    yield ", ".join(f"{name} {zone[name]}" for name in fields if zone.get(name))
    yield "checks: " + ", ".join(f"{name} {words[held]}" for name, held in zone["checks"].items())
    if zone["warnings"]:
        yield "warnings: " + ", ".join(zone["warnings"])
