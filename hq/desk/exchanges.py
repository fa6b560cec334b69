"""Exchanges of the keys of booths' disks at headquarters: which booth has exchanged which key, and when.

A booth tells of it as of a setting: its part "mirror key" (or "ledger key") is "exchanged" and the moment by its
clock. It tells nothing of the key. What no booth has told of may have happened all the same, before booths told.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, get_args

import msgspec

from failsafe.hq.ccc.view import KeyExchange
from failsafe.hq.desk.last_words import KEY, Told

Key = Literal["mirror", "ledger"]

KEYS: Final[tuple[Key, ...]] = get_args(Key)
_EXCHANGED: Final = re.compile(r"exchanged (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z)")


class ExchangeLine(msgspec.Struct, frozen=True):
    """How far a booth has come with its disk's keys.

    Attributes:
        booth: which.
        state: "exchanged": all that were asked for. "partly": one of them. "owed": none that it told of.
        keys: the last exchange of each that it told of, whether it counts or not.
    """

    booth: str
    state: Literal["exchanged", "partly", "owed"]
    keys: tuple[KeyExchange, ...]


def last(told: Mapping[str, Mapping[str, Told]]) -> Mapping[str, tuple[KeyExchange, ...]]:
    """The last exchange of each key, by booth, of the booths that told of any; from `LastWords`."""
    found: defaultdict[str, list[KeyExchange]] = defaultdict(list)
    for key in KEYS:
        for booth, word in list(told.get(KEY + key, {}).items()):  # another thread's look may add to it
            found[booth].append(_exchange(key, word))
    return {booth: tuple(keys) for booth, keys in found.items()}


def _exchange(key: Key, word: Told) -> KeyExchange:
    change = word.change
    said = _EXCHANGED.fullmatch(change.now)
    at = said[1] if said else change.at.wall
    return KeyExchange(key=key, at=at, trusted=change.at.trusted, received_at=word.received_at)


def lines(told: Mapping[str, Sequence[KeyExchange]], since: dt.datetime | None) -> Iterator[ExchangeLine]:
    """How far each booth has come since a moment (None: ever), by booth; from `Desk.exchanges`."""
    for booth, keys in sorted(told.items()):
        counted = [one for one in keys if since is None or _counts(one, since)]
        state: Literal["exchanged", "partly", "owed"] = "partly" if counted else "owed"
        yield ExchangeLine(booth, "exchanged" if len(counted) == len(KEYS) else state, tuple(keys))


def _counts(one: KeyExchange, since: dt.datetime) -> bool:
    """Whether an exchange was after a moment: by the booth's clock, where that was right, and by headquarters' own."""
    try:
        moments = [dt.datetime.fromisoformat(text) for text in (one.at, one.received_at)]
        return one.trusted and all(moment >= since for moment in moments)
    except (ValueError, TypeError):
        return False


# --- for a terminal --------------------------------------------------------------------------------------------


def in_one_line(line: ExchangeLine) -> str:
    """A booth's standing: id, state, and for each key when it was exchanged."""
    known = {one.key: one for one in line.keys}
    return "\t".join((line.booth, line.state, *(f"{key}.key {_words(known.get(key))}" for key in KEYS)))


def _words(one: KeyExchange | None) -> str:
    if one is None:
        return "not told"
    doubt = "" if one.trusted else ", clock not trusted"
    return f"exchanged {one.at}{doubt}, received {one.received_at}".translate(_CONTROLS)


# A record is written by a machine far away: it must not write upon the operator's terminal.
_CONTROLS: Final = dict.fromkeys((*range(32), *range(127, 160)), " ")


def summary(found: Iterable[ExchangeLine]) -> Iterator[str]:
    """How many booths are in each state, the open ones first."""
    states = [line.state for line in found]
    for state in ("owed", "partly", "exchanged"):
        if state in states:
            yield f"{state}: {states.count(state)}"
