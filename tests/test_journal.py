"""What a process logs: one line an event, with its level for systemd's journal, and never the text of a fault."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import sources
from tests.conftest import PROJECT

SECRET = "QUILLFEATHER<<ZZYZXBERT"
BEGIN = "import structlog\nfrom failsafe.sync import journal\njournal.start()\nlog = structlog.get_logger('test')\n"


def logged(code: str, *, journal: bool = False, **environment: str) -> list[str]:
    """What a process that runs `code` writes to standard error."""
    ours, theirs = os.pipe()
    status = os.fstat(theirs)
    if journal:
        environment["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
    command = [sys.executable, "-c", BEGIN + code]
    process = subprocess.Popen(command, stderr=theirs, env={**os.environ, **environment}, cwd=PROJECT)
    os.close(theirs)
    with os.fdopen(ours, encoding="utf-8") as told:
        lines = told.read().splitlines()
    process.wait(60)
    return lines


# --- a line ----------------------------------------------------------------------------------------------------


def test_a_line_has_time_level_event_and_values() -> None:
    (line,) = logged("log.warning('publication refused', reason='older', serials={'base': 7})")
    assert re.fullmatch(
        r"timestamp=\d{4}-\d\d-\d\dT[\d:.]+Z level=warning event=\"publication refused\" "
        r"reason=older serials=\"\{'base': 7\}\"",
        line,
    )


def test_under_systemd_a_line_begins_with_its_level() -> None:
    lines = logged(
        "import logging\n"
        "for level in ('debug', 'info', 'warning', 'error', 'critical'):\n    getattr(log, level)('x')\n"
        "logging.getLogger('strange').error('also')",
        journal=True,
    )
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<2>", "<3>"]
    assert all("timestamp" not in line for line in lines), "the journal keeps the time"
    assert lines[0] == "<7>level=debug event=x"


@pytest.mark.parametrize("named", ["", "1:2", "odd words"])
def test_a_stream_that_is_not_the_journals_has_no_prefix(named: str) -> None:
    """JOURNAL_STREAM is inherited by children whose output goes elsewhere."""
    (line,) = logged("log.info('x')", JOURNAL_STREAM=named)
    assert line.startswith("timestamp=")


def test_nothing_in_a_value_ends_the_line_or_steers_a_terminal() -> None:
    (line,) = logged(r"log.info('line', device='a\nlevel=error event=forged\x1b[2J\x07', port='\u202eabc')")
    assert line.isprintable() and "level=info event=line" in line


# --- faults ----------------------------------------------------------------------------------------------------

RAISING = f"def judge():\n    raise ValueError('{SECRET}')\n"
FAULTS = {
    "a fault that was caught": "try:\n    judge()\nexcept ValueError as error:\n    log.error('met', exc_info=error)",
    "in the except branch": "try:\n    judge()\nexcept ValueError:\n    log.exception('met')",
    "another library's": (
        "import logging\ntry:\n    judge()\nexcept ValueError:\n    logging.getLogger('uvicorn.error').exception('met')"
    ),
    "in a thread": "import threading\nthread = threading.Thread(target=judge)\nthread.start()\nthread.join()",
    "in the main thread": "judge()",
    "in a destructor": "class One:\n    def __del__(self):\n        judge()\none = One()\ndel one",
    "in a task that nobody awaits": (
        "import asyncio, gc\nasync def later():\n    judge()\nasync def main():\n"
        "    task = asyncio.create_task(later())\n"
        "    await asyncio.sleep(0)\n    await asyncio.sleep(0)\n    del task\n    gc.collect()\nasyncio.run(main())"
    ),
    "in a callback with its arguments": (
        "import asyncio\nasync def main():\n"
        f"    asyncio.get_running_loop().call_soon(lambda person: judge(), '{SECRET}')\n    await asyncio.sleep(0)\n"
        "    await asyncio.sleep(0)\nasyncio.run(main())"
    ),
}


@pytest.mark.parametrize("code", FAULTS.values(), ids=lambda code: "")
def test_a_fault_is_told_by_kind_and_place_and_never_by_its_text(code: str) -> None:
    lines = logged(RAISING + code)
    assert len(lines) == 1, lines
    assert "fault=ValueError" in lines[0] and "where=" in lines[0] and "<string>:6" in lines[0]
    assert SECRET not in lines[0] and "QUILL" not in lines[0]


def test_another_librarys_message_ends_before_its_first_value() -> None:
    code = (
        "import logging\nlog = logging.getLogger('strange.part')\n"
        f"log.warning('Could not read %s', '{SECRET}')\nlog.error('Met ({SECRET})')\nlog.error('<{SECRET}>')\n"
        "log.info('not told')\nlogging.getLogger('failsafe.drivers.line').error('The state %s was lost', 'ABSENT')"
    )
    first, second, third, ours = logged(code)
    assert 'event="Could not read" logger=strange.part' in first and "event=Met" in second and "event=message" in third
    assert 'event="The state ABSENT was lost"' in ours
    assert not [line for line in (first, second, third) if "QUILL" in line]


# --- every place that logs -------------------------------------------------------------------------------------

# What a log line of ours may tell, by the name it has there; who adds one asks first whether it can hold a person.
ALLOWED = {
    *("reason", "detail", "advice", "fault", "where", "at", "still", "status", "state", "seconds", "kept", "ends"),
    *("lane", "device", "word", "actions", "recorded", "reissued", "alerts", "serials", "page", "booth", "signer"),
    *("files", "bytes", "pruned", "envelopes", "kind", "specimen", "notices", "cpu_s", "peak_mb"),
    *("file", "key"),  # what they are called: mirror.db, mirror.key
    *("folder", "more_than"),  # of the spool, and how much a link may lay down there
}
# Texts of our own error trees and of the system, which name files and no person.
EXCUSED = {"the timestamp is not signed: booths will call their notices old"}


def sites() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a logger's method in the house."""
    for file, nodes in sources.nodes().items():
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                owned = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
                method = node.func.attr in ("debug", "info", "warning", "error", "critical", "exception")
                if method and owned.strip("_").lower() in ("log", "logger"):
                    yield f"{file}:{node.lineno}", node


SITES = dict(sites())


def test_there_are_places_that_log() -> None:
    assert len(SITES) > 30 and {Path(place).parts[0] for place in SITES} >= {"agent", "sync", "hq"}


@pytest.mark.parametrize("place", SITES)
def test_each_place_logs_fixed_words_and_known_values(place: str) -> None:
    call = SITES[place]
    assert call.args and isinstance(call.args[0], ast.Constant), f"{place}: the event is a fixed text"
    unknown = {keyword.arg for keyword in call.keywords} - ALLOWED
    assert not unknown, f"{place}: can {unknown} hold a person, a zone or a key? If not, add it to ALLOWED."
    if call.args[0].value in EXCUSED:
        return
    called = [node.func for keyword in call.keywords for node in ast.walk(keyword.value) if isinstance(node, ast.Call)]
    texts = [one for one in called if isinstance(one, ast.Name) and one.id in ("str", "repr")]
    assert not texts, f"{place}: an error's text may quote somebody; log its kind, its reason or its advice"
