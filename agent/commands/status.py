"""What `failsafe status` shows people: the head of the officer's page, in its words, as a table of a terminal.

Every mark is a word first; sign and colour stand beside it. Without a terminal it is one plain line a fact, `name:
what`, for grep and for a telephone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import click
import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from failsafe.agent import bulletin
from failsafe.agent.commands.terminal import MARKS, fitting, plain
from failsafe.agent.control import CoreUnreachable
from failsafe.agent.page.view import DetectorView, HeaderView, LinkView
from failsafe.agent.page.words import LINK, MIRROR
from failsafe.screens.words import DETECTORS

_READY: Final = {"READY": "CLEAR", "ATTENTION": "CHECK", "CANNOT CLEAR": "CANNOT CLEAR"}
_ROLES: Final = {"document": "reader", "radiation": "portal"}


_WATCH_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Fact:
    """One row: whose mark, the name of what is told, and what is told of it."""

    mark: str
    name: str
    told: str


@dataclass(frozen=True, slots=True)
class Report:
    """A booth at one moment, as `failsafe status` tells it."""

    title: str
    word: str
    why: tuple[str, ...]
    facts: tuple[Fact, ...]


def report(told: Mapping[str, Any]) -> Report:
    """The report of what a core answers to `status`.

    Raises:
        CoreUnreachable: it is a core of another version, whose words are not these.
    """
    try:
        head = bulletin.header_of(told)
        facts = (*_of_header(head), *_of_machine(told))
        ready = told["ready"]
        return Report(f"{head.booth}, Fail Safe Edge {told['version']}", ready["word"], tuple(ready["why"]), facts)
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise CoreUnreachable(
            "The running core is of another version than this command. Restart it (`systemctl restart failsafe-core`), "
            "or read `failsafe status --json`."
        ) from error


def _of_header(head: HeaderView) -> Iterator[Fact]:
    yield Fact("NONE", "place", f"{head.crossing_point}, {head.booth}")
    mark, word = MIRROR.get(head.mirror, ("CANNOT CLEAR", head.mirror))
    old = "" if head.mirror_age_s is None else f", {age(head.mirror_age_s)} old"
    held = f"{_count(head.notices, 'notice')}, {_count(head.listed_documents, 'document')}"
    yield Fact(mark, "notices", f"{word}{old}: {held}")
    if head.refused:
        yield Fact("CHECK", "last publication", f"refused, {head.refused}")
    yield _waiting("alerts to the CCC", head.alerts_waiting, head.oldest_alert_s)
    older = head.oldest_undelivered_s != head.oldest_alert_s  # the oldest of all is an alert, or it is one of these
    reports = head.undelivered - head.alerts_waiting
    yield _waiting("health reports", reports, head.oldest_undelivered_s if older else None)
    yield _of_link(head.link)
    for one in head.detectors:
        yield _of_device(one)
    recording = "recording" if head.recording else "CANNOT RECORD: clear nobody, telephone the CCC"
    yield Fact("CLEAR" if head.recording else "CANNOT CLEAR", "ledger", recording)
    for fault in head.faults:
        yield Fact("CHECK", "fault", fault)
    yield Fact("NONE", "telephone", head.telephone or "none: write the CCC's into [booth] of booth.toml")


def _of_machine(told: Mapping[str, Any]) -> Iterator[Fact]:
    clock = told["clock"]
    if clock["trusted"]:
        yield Fact("CLEAR", "clock", f"trusted, {clock['wall']}")
    else:
        yield Fact("CHECK", "clock", f"NOT TRUSTED, {clock['wall']}: times may be wrong")
    yield Fact("NONE", "page", told["page"])


def _waiting(name: str, number: int, oldest_s: float | None) -> Fact:
    if number <= 0:
        return Fact("CLEAR", name, "all delivered")
    return Fact("CHECK", name, f"{number:,} waiting" + ("" if oldest_s is None else f", oldest {age(oldest_s)}"))


def _of_link(link: LinkView | None) -> Fact:
    if link is None:
        return Fact("NONE", "link", "has said nothing: without one, publications and alerts go by stick")
    mark, word = LINK.get(link.state, ("CHECK", link.state))
    since = f" since {link.since}" + ("" if link.since_s is None else f" ({age(link.since_s)})")
    contact = "headquarters has not answered yet"
    if link.last_contact is not None:
        ago = "" if link.last_contact_s is None else f" ({age(link.last_contact_s)} ago)"
        contact = f"headquarters last answered {link.last_contact}{ago}"
    return Fact(mark, "link", f"{word}{since}, {contact}. {link.detail}".strip())


def _of_device(one: DetectorView) -> Fact:
    mark, word = DETECTORS.get(one.state, ("CHECK", one.state))
    told = word if one.state in (word, word.upper()) else f"{word} ({one.state})"
    return Fact(
        mark, f"{_ROLES[one.role]} {one.name}, lane {one.lane}", f"{told}. {one.advice}" if one.advice else told
    )


def age(seconds: float) -> str:
    """Seconds in the one unit that the page shows them in; days from the fifth on, so that 48 h can be told from 90."""
    for least, size, unit in ((345_600, 86_400, "d"), (3_600, 3_600, "h"), (60, 60, "min")):
        if seconds >= least:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def _count(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"


# --- on a console --------------------------------------------------------------------------------------------------


def draw(this: Report, console: Console) -> Group:
    """The report for a terminal as wide as `console`."""
    signs = console.encoding.lower().startswith("utf")

    def written(text: str, style: str = "") -> Text:
        return Text(fitting(plain(text), console.encoding), style)

    def sign(mark: str) -> Text:
        shape, stand_in, style = MARKS[mark]
        return Text(shape if signs else stand_in, style)

    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column(max_width=max(10, console.width // 3))
    table.add_column(overflow="fold")
    for fact in this.facts:
        table.add_row(sign(fact.mark), written(fact.name), written(fact.told))
    mark = _READY.get(this.word, "CHECK")
    top = Text.assemble(sign(mark), " ", written(this.word, MARKS[mark][2]), "  ", written(" ".join(this.why)))
    return Group(written(this.title, "dim"), top, table)


def lines(this: Report) -> Iterator[str]:
    """The report where there is no terminal: one line a fact."""
    yield plain(": ".join((this.word, " ".join(this.why))) if this.why else this.word)
    for fact in this.facts:
        yield plain(f"{fact.name}: {fact.told}")


def show(told: Mapping[str, Any], console: Console) -> None:
    """Print what a core told: a table on a terminal, plain lines elsewhere."""
    this = report(told)
    if console.is_terminal:
        console.print(draw(this, console))
        return
    for line in lines(this):
        click.echo(fitting(line, console.encoding))


def watch(ask: Callable[[], Mapping[str, Any]], console: Console) -> None:
    """Show what the core tells, again each second, until Ctrl-C."""
    with Live(draw(report(ask()), console), console=console, auto_refresh=False) as live, suppress(KeyboardInterrupt):
        while True:
            time.sleep(_WATCH_EVERY_S)
            live.update(draw(report(ask()), console), refresh=True)


def is_hindered(told: Mapping[str, Any]) -> bool:
    """Whether there is a lane in which nobody can be cleared, or the core does not say."""
    return report(told).word == "CANNOT CLEAR"
