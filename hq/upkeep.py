"""What the server has done for it by the calendar: `failsafe-hq upkeep`, every hour, in a process of its own.

A new epoch of a million notices takes minutes of computing, and alerts do not wait for it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

FIRST_AFTER_S: float = 60.0
EVERY_S: float = 3600.0
_TROUBLE: Final = "What was due could not be done: `failsafe-hq upkeep` says why."
_CODE: Final = "from failsafe.hq.cli import main; main()"

log = structlog.get_logger(__name__)


async def keep_up(home: Path, report: Callable[[str | None], None]) -> None:
    """Do what is due, now and then, until cancelled.

    Args:
        home: headquarters' folder.
        report: told each time what is wrong, None if nothing is.
    """
    await asyncio.sleep(FIRST_AFTER_S)
    while True:
        code, words = await _run(home)
        if code:
            log.error("what was due could not be done", said=words)
        else:
            log.info("upkeep", said=words)
        report(_TROUBLE if code else None)
        await asyncio.sleep(EVERY_S)


async def _run(home: Path) -> tuple[int, str]:
    """Exit code and words of one upkeep; they name no notice and nobody."""
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    command = (sys.executable, "-c", _CODE, "--home", os.fspath(home), "upkeep")
    child = await asyncio.create_subprocess_exec(*command, stdin=nothing, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    try:
        said, _ = await child.communicate()
    except asyncio.CancelledError:  # the server stops
        child.terminate()
        await child.wait()
        raise
    return child.returncode or 0, said.decode("utf-8", "replace").strip()
