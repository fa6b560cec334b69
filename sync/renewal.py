"""A new certificate for the link, fetched over the line that the old one opens: nobody visits a booth for it.

What comes is believed as far as the present authority vouches for who gave it, and no further: it must be for this
booth, hold the very root that the booth was enrolled with, and fit the link's own key. So who has stolen the
authority's key may shut a link out of headquarters, as they could before, and gains nothing else.
"""

from __future__ import annotations

import hashlib
from typing import Final, Protocol

import msgspec

from failsafe.sync.delivery import WELCOME_LIMIT
from failsafe.sync.errors import Malformed, NotForThisBooth, Unsigned
from failsafe.sync.records import UNREADABLE, Welcome, encode
from failsafe.sync.refresh import Fetched

PATH: Final = "welcome"


class Line(Protocol):
    """Where the welcome is asked for: `link.Wire`."""

    async def get(self, path: str, limit: int, etag: str | None) -> Fetched:
        """See `refresh.Source`."""


def etag(welcome: Welcome) -> str:
    """What names a welcome's bytes, at both ends of the line."""
    return f'"{hashlib.sha256(encode(welcome)).hexdigest()[:32]}"'


async def ask(line: Line, held: Welcome) -> Welcome | None:
    """Headquarters' newer welcome for this booth; None while the one that is held is the newest.

    Raises:
        Missing: headquarters is of a version that gives none.
        Malformed, NotForThisBooth, Unsigned: what it gives is not a welcome that may replace the held one.
        LineDown: no answer.
    """
    answer = await line.get(PATH, WELCOME_LIMIT, etag(held))
    if answer.content is None:
        return None
    try:
        welcome = msgspec.json.decode(answer.content, type=Welcome)
    except UNREADABLE as error:
        raise Malformed("Headquarters' answer is no welcome.") from error
    if welcome.booth != held.booth:
        raise NotForThisBooth("Headquarters gives the welcome of another booth.")
    if (welcome.root, welcome.root_sha256) != (held.root, held.root_sha256):
        raise Unsigned("A new welcome holds another root than the booth was enrolled with.")
    return None if welcome == held else welcome
