"""How long a content key is on duty: the table `[publish]` of `hq.toml` in headquarters' home.

A booth that was lost unnoticed, and a content key that leaked, read what is published until the epoch ends; so epochs
are short. A new one costs each booth a key file of 1.3 kB; those that keep up need not take the list again.
"""

from __future__ import annotations

import datetime as dt
import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy import Row

from failsafe.hq.faults import HeadquartersError
from failsafe.hq.feeds.publish import BASE_FEED

_FILE: Final = "hq.toml"
_LIMIT: Final = 256 * 1024


class PublishSettingsFault(HeadquartersError):
    """The table [publish] cannot be used."""

    usual_advice = "Correct it; docs/headquarters.md says what each key may be."


class PublishTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[publish]`: `epoch_days` is how long a content key is on duty before `publish` and `serve` change it."""

    epoch_days: Annotated[int, msgspec.Meta(ge=1, le=90)] = 7


def load(home: Path) -> PublishTable:
    """The settings in `home`; the defaults where there is no file or no such table.

    Raises:
        PublishSettingsFault: naming what is wrong.
    """
    try:
        with (home / _FILE).open("rb") as file:
            content = file.read(_LIMIT)
    except FileNotFoundError:
        return PublishTable()
    except OSError as error:
        raise PublishSettingsFault(f"{_FILE} cannot be read ({error.strerror}).", "Check its owner.") from error
    try:
        found = tomllib.loads(content.decode("utf-8")).get("publish", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PublishSettingsFault(f"{_FILE} is no TOML.", "Strings stand in double quotes.") from error
    try:
        return msgspec.convert(found, PublishTable)
    except msgspec.ValidationError as error:
        raise PublishSettingsFault(f"{_FILE}, [publish]: {_plain(error, found)}") from error


def is_due(epochs: Sequence[Row[Any]], settings: PublishTable, now: dt.datetime, feed: str = BASE_FEED) -> bool:
    """Whether a feed's content key has been on duty long enough, or its epoch is over already.

    Args:
        epochs: the newest of each feed, as `Register.epochs`.
        settings: how long that is.
        now: UTC.
        feed: a base feed; its supplements go with it. A feed that has no epoch yet is not due.
    """
    for epoch in epochs:
        if epoch.feed == feed:
            began = dt.datetime.strptime(epoch.made_at, "%Y-%m-%dT%H:%M:%S%z")
            return bool(epoch.spent) or now - began >= dt.timedelta(days=settings.epoch_days)
    return False


def _plain(error: msgspec.ValidationError, found: object) -> str:
    known = [field.encode_name for field in msgspec.structs.fields(PublishTable)]
    if isinstance(found, dict) and (odd := sorted(found.keys() - set(known))):
        near = difflib.get_close_matches(odd[0], known, n=1, cutoff=0.5)
        return f"`{odd[0]}` is not known. " + (f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(known)}.")
    return f"{str(error).partition(' - at ')[0]}."
