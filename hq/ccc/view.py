"""What the command centre's page shows, as values: the desk makes them, the page only draws them."""

from __future__ import annotations

from typing import Literal

import msgspec

from failsafe.sync.reports import Alert, Finding, HealthChange, Measurement

NoticeState = Literal["not for CBRNE", "waiting", "sent", "failing"]


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """How far the CBRNE programme has been told of an alert by one channel."""

    channel: Literal["webhook", "e-mail"]
    state: NoticeState
    tries: int = 0
    at: str = ""  # of the last try, or of success
    trouble: str = ""  # why the last try failed, in words


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """Who at the command centre has seen an urgent alert, and when by headquarters' clock."""

    officer: str
    at: str


class FindingLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a booth's second line found out about an alert; a later one may correct an earlier one."""

    finding: Finding
    sequence: int
    received_at: str
    chain: Literal["whole", "gap before", "fork"]


class MeasurementLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a booth's detector counted in an alert's passage; `number` names it, its document is not here."""

    number: int
    measurement: Measurement
    received_at: str
    chain: Literal["whole", "gap before", "fork"]
    tellings: tuple[Telling, ...] = ()


class MeasurementFile(msgspec.Struct, frozen=True, kw_only=True):
    """An ANSI N42.42 document to be saved under a name."""

    name: str
    content: bytes


class AlertLine(msgspec.Struct, frozen=True, kw_only=True):
    """One alert of the list; `number` grows with arrival, orders what came since, and names the alert here.

    An id is its booth's to choose, so two booths' alerts may carry the same one; two numbers are never the same.
    """

    number: int
    alert: Alert
    sequence: int
    received_at: str
    chain: Literal["whole", "gap before", "fork"]
    tellings: tuple[Telling, ...] = ()
    acknowledged: Acknowledgement | None = None
    findings: tuple[FindingLine, ...] = ()  # in the order the booth wrote them
    measurements: tuple[MeasurementLine, ...] = ()  # likewise


class ChangeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a booth's health, as the booth wrote it; it names nobody."""

    number: int
    change: HealthChange
    sequence: int
    received_at: str
    chain: Literal["whole", "gap before", "fork"]


class ChangesView(msgspec.Struct, frozen=True, kw_only=True):
    """What changed at one booth: the newest of `total` first. `standing` are the parts that are not OK now."""

    booth: str
    total: int
    changes: tuple[ChangeLine, ...] = ()
    standing: tuple[ChangeLine, ...] = ()


class PurgeState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a booth stands to what a feed removed.

    Attributes:
        state: "confirmed": nothing is left there. "owed": it has not said so. "doubtful": it says so of a step with
            other numbers than headquarters'. "nothing removed": there is nothing to confirm.
        left: of the owed, how many removals it has not confirmed; None: nobody knows.
        since: of the owed, when the first of them was published; "": nobody knows.
        holds: serial of the step that it held when it was last heard; `has_it`: that is the step asked for, or later.
        parted: the feed is this booth's no longer, and all of it is to go.
        serial, at: the step of its last receipt, and when it was made by the booth's clock; None: there is none.
        received_at: when that came.
        aside: damaged mirrors that lie on its disk, with all that they held.
    """

    feed: str
    state: Literal["confirmed", "owed", "doubtful", "nothing removed"]
    left: int | None = None
    since: str = ""
    holds: int | None = None
    has_it: bool = False
    parted: bool = False
    serial: int | None = None
    at: str = ""
    received_at: str = ""
    aside: int = 0


class KeyExchange(msgspec.Struct, frozen=True, kw_only=True):
    """A booth has exchanged the key of one of its databases: when by its own clock, and whether that was trusted."""

    key: Literal["mirror", "ledger"]
    at: str
    trusted: bool
    received_at: str


class BoothLine(msgspec.Struct, frozen=True, kw_only=True):
    """One booth: when it was last heard, what it holds, and what is wrong with its chain.

    `purges` has each feed that concerns it, `keys` the last exchange of each of its disk's keys that it told of.
    """

    booth: str
    country: str
    heard_at: str | None = None
    mirror_state: str = "unknown"
    mirror_age_s: float | None = None
    undelivered: int = 0
    oldest_undelivered_s: float | None = None  # when it was last heard
    gaps: int = 0
    forks: int = 0
    faults: tuple[str, ...] = ()
    purges: tuple[PurgeState, ...] = ()
    keys: tuple[KeyExchange, ...] = ()


class LateTimestamp(msgspec.Struct, frozen=True, kw_only=True):
    """Booths are not told any more that what is published is headquarters' word: their notices age.

    `signed_at` is the moment by headquarters' clock for which they were last told; "": nothing can be read.
    """

    signed_at: str = ""


class ListView(msgspec.Struct, frozen=True, kw_only=True):
    """The whole list; urgent first, then newest first; at most `limit` lines of `total`.

    `waiting` are the newest urgent alerts that nobody has acknowledged, whatever the search, of `waiting_total`.
    """

    number: int
    at: str
    alerts: tuple[AlertLine, ...]
    total: int
    booths: tuple[BoothLine, ...]
    waiting: tuple[AlertLine, ...] = ()
    waiting_total: int = 0
