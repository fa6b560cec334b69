"""What a process writes about itself: one line an event, key and value, on standard error; the same everywhere.

Under systemd each line begins with its level (`<3>`), so that the journal sorts by it, and has no time of its own,
since the journal keeps one. What other libraries log, and faults that nobody foresaw, go through the same lines: of a
fault its kind and the places it came through, never its text, and of a strange library's message only what comes before
its first value. An exception's text and a value may quote a traveller; a log never does.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

# sd-daemon(3): what a line begins with, so that the journal knows its level.
_PRIORITIES: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_OURS: Final = "failsafe"
# A strange message ends where its first value may begin.
_VALUE_BEGINS: Final = "%<({['\"\n"


def whereabouts(error: BaseException) -> str:
    """Where an error came from, innermost first; never its text, which may quote a traveller."""
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))


def place(error: BaseException) -> str:
    """Its kind and where it was raised, for one sentence to a person."""
    return f"{type(error).__name__} in {whereabouts(error).partition(' < ')[0] or 'nowhere'}"


def kept_by_systemd(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether what is written to `stream` goes to systemd's journal: JOURNAL_STREAM names that very one.

    A process whose output was led elsewhere inherits the variable and not the stream.
    """
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM", "") == f"{status.st_dev}:{status.st_ino}"


def start(stream: TextIO | None = None) -> None:
    """Send everything that this process logs to `stream`, standard error if not given, from now on."""
    out = stream or sys.stderr
    for_journal = kept_by_systemd(out, os.environ)
    structlog.configure(
        processors=list(_processors(for_journal)),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Through()])
    if out is sys.__stderr__:  # this process is a command of ours, and not a test or a program around one
        sys.excepthook = _unforeseen
        threading.excepthook = _unforeseen_in_thread
        sys.unraisablehook = _unforeseen_at_the_end


def _processors(for_journal: bool) -> tuple[Processor, ...]:
    rendered = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], drop_missing=True)
    usual: tuple[Processor, ...] = (structlog.processors.add_log_level, _without_traceback, _printable)
    if for_journal:
        return (*usual, rendered, _with_priority)
    return (*usual, structlog.processors.TimeStamper(fmt="iso", utc=True), rendered)


def _without_traceback(_: object, __: str, event: EventDict) -> EventDict:
    """An exception becomes its kind and its places."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        event["fault"] = type(error).__name__
        event["where"] = whereabouts(error)
    return event


def _printable(_: object, __: str, event: EventDict) -> EventDict:
    """Device names and errors of the system come from outside: nothing in a line steers a terminal or ends the line."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[key] = "".join(one if one.isprintable() else repr(one)[1:-1] for one in value)
    return event


def _with_priority(_: object, method: str, line: Any) -> str:  # noqa: ANN401 - what the renderer gives is a line
    return f"<{_PRIORITIES.get(method, _PRIORITIES['info'])}>{line}"


class _Through(logging.Handler):
    """What goes to the standard library's logging, in the same lines."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        method = record.levelname.lower() if record.levelname.lower() in _PRIORITIES else "warning"
        more = {"exc_info": record.exc_info} if record.exc_info else {}
        getattr(log, method)(_message(record), logger=record.name, **more)


def _message(record: logging.LogRecord) -> str:
    """Ours in full; another library's up to its first value."""
    if record.name.partition(".")[0] == _OURS:
        return record.getMessage()
    text = str(record.msg)
    end = min((place for mark in _VALUE_BEGINS if (place := text.find(mark)) >= 0), default=len(text))
    return text[:end].strip() or "message"


# --- faults that nobody foresaw ------------------------------------------------------------------------------------


def _tell(error: BaseException | None, **more: str) -> None:
    structlog.get_logger().critical("an unexpected fault: report it with this line", exc_info=error, **more)


def _unforeseen(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    if not isinstance(error, KeyboardInterrupt):
        _tell(error)


def _unforeseen_in_thread(given: threading.ExceptHookArgs) -> None:
    if not isinstance(given.exc_value, SystemExit):
        _tell(given.exc_value, thread=given.thread.name if given.thread else "unknown")


def _unforeseen_at_the_end(given: sys.UnraisableHookArgs) -> None:
    _tell(given.exc_value)
