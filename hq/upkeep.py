"""What the server has done for it by the calendar: `failsafe-hq upkeep`, every hour, in a process of its own.

A new epoch of a million notices takes minutes of computing, and alerts do not wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from failsafe.hq.ccc.view import LateTimestamp
from failsafe.hq.faults import HeadquartersError
from failsafe.hq.feeds import published
from failsafe.hq.feeds.publish import moment
from failsafe.hq.feeds.repository import Repository
from failsafe.sync.errors import SyncError

# The server signs a timestamp every ten minutes; booths call their notices ageing after a day, by default.
LATE_AFTER: Final = dt.timedelta(minutes=25)
FIRST_AFTER_S: float = 60.0
EVERY_S: float = 3600.0
_TROUBLE: Final = "What was due could not be done: `failsafe-hq upkeep` says why."
_CODE: Final = "from failsafe.hq.cli import main; main()"

log = structlog.get_logger(__name__)


def late(repository: Repository, now: dt.datetime) -> LateTimestamp | None:
    """Whether booths have not been told for a while that what is published holds, by headquarters' own clock."""
    signed_at = published.signed_at(repository.public)
    if signed_at is None:
        return LateTimestamp()
    return LateTimestamp(signed_at=moment(signed_at)) if now - signed_at > LATE_AFTER else None


async def keep_up(
    repository: Repository, clock: Callable[[], dt.datetime], report: Callable[[str | None], None]
) -> None:
    """Do what is due, now and then, until cancelled.

    Args:
        repository: headquarters'.
        clock: UTC; says whether what the offline keys have signed ends soon.
        report: told each time what is wrong, None if nothing is.
    """
    await asyncio.sleep(FIRST_AFTER_S)
    while True:
        code = await _run(repository.home)
        if code:
            log.error("what was due could not be done", status=code, advice="Run `failsafe-hq upkeep`: it says why.")
        report(_TROUBLE if code else None)
        with contextlib.suppress(HeadquartersError, SyncError):  # who signs timestamps says that the folder is not well
            for advice in await asyncio.to_thread(repository.ends_soon, clock()):
                log.warning("what the offline keys have signed ends soon", advice=advice)
        await asyncio.sleep(EVERY_S)


async def _run(home: Path) -> int:
    """Exit code of one upkeep; its words are for who runs it by hand."""
    nothing = asyncio.subprocess.DEVNULL
    command = (sys.executable, "-c", _CODE, "--home", os.fspath(home), "upkeep")
    child = await asyncio.create_subprocess_exec(*command, stdin=nothing, stdout=nothing, stderr=nothing)
    try:
        return await child.wait()
    except asyncio.CancelledError:  # the server stops
        child.terminate()
        await child.wait()
        raise
