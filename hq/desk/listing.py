"""The desk's rows as the command centre's page shows them: alerts by urgency, booths with what is wrong with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, FromClause, and_, func, or_, select, tuple_

from failsafe.hq.cbrne import outbox
from failsafe.hq.ccc.view import AlertLine, BoothLine, FindingLine, ListView
from failsafe.hq.desk import duty, exchanges, measured, purges
from failsafe.hq.desk.last_words import LastWords, Told
from failsafe.hq.desk.purges import Publications
from failsafe.hq.desk.tables import ENTRIES, FAULTS, FINDINGS, HEARTBEATS
from failsafe.hq.feeds.tables import booths
from failsafe.screens.words import CATEGORIES
from failsafe.sync.reports import Alert, Body, ChainEntry, Finding, Heartbeat, PersonAsRead

MOST_LINES: Final = 1000
_MOST_WORDS: Final = 8
# States of a booth's parts that need nobody's eye; every other is shown as the booth names it.
_WELL: Final = frozenset({"ok", "fresh"})
_ENTRY: Final = msgspec.json.Decoder(ChainEntry)
_HEARTBEAT: Final = msgspec.json.Decoder(Heartbeat)


def search_words(body: Body) -> str:
    """Everything of an alert or finding that an operator may search for, casefolded; a change of health has nothing."""
    if isinstance(body, Finding):
        return _finding_words(body)
    return _alert_words(body) if isinstance(body, Alert) else ""


def _finding_words(finding: Finding) -> str:
    kind = (finding.category, CATEGORIES[finding.category][1]) if finding.category else ()
    words = [finding.id, finding.text, *kind, finding.nuclide, *_person_words(finding.person)]
    return "\n".join(word for word in words if word).replace("\0", " ").casefold()


def _person_words(person: PersonAsRead | None) -> tuple[str | None, ...]:
    if person is None:
        return ()
    names = (person.given, person.surname, person.given, person.document_number)
    return (*names, person.nationality, person.issuing_state, person.birth_date)


def _alert_words(alert: Alert) -> str:
    place = alert.place
    words: list[str | None] = [alert.id, alert.kind, alert.verdict, place.booth, place.country, place.crossing_point]
    words += [place.lane, *_person_words(alert.person)]
    for notice in alert.notices:
        words += [notice.entity_id, notice.tier, notice.grade]
    words += [document.number for document in alert.listed]
    return "\n".join(word for word in words if word).casefold()


def list_view(
    connection: Connection,
    register: Connection,
    publications: Publications,
    last_words: LastWords,
    *,
    limit: int,
    search: str,
    number: int,
    at: str,
) -> ListView:
    """The list as `Desk.list` gives it: from its database, the register's, and what is kept of both between looks."""
    wanted = _wanted(search)
    total = connection.execute(select(func.count()).select_from(ENTRIES).where(wanted)).scalar_one()
    order = (ENTRIES.c.urgent.desc(), ENTRIES.c.number.desc())
    shown = select(ENTRIES).where(wanted).order_by(*order).limit(max(0, min(limit, MOST_LINES)))
    rows = connection.execute(shown).all()
    ringing, ringing_total = duty.waiting(connection)
    return ListView(
        number=number,
        at=at,
        alerts=_alert_lines(connection, rows),
        total=total,
        booths=_booths(connection, register, publications, last_words.look(connection)),
        waiting=_alert_lines(connection, ringing),
        waiting_total=ringing_total,
    )


def alert_lines(connection: Connection, *, limit: int, search: str) -> Iterator[AlertLine]:
    """The alerts of the list alone, as many as asked for, read in portions: for programs, which may want them all."""
    for urgent in (True, False):
        below: ColumnElement[bool] = ENTRIES.c.urgent == urgent
        while limit > 0:
            page = select(ENTRIES).where(_wanted(search), below).order_by(ENTRIES.c.number.desc())
            rows = connection.execute(page.limit(min(limit, MOST_LINES))).all()
            if not rows:
                break
            yield from _alert_lines(connection, rows)
            limit -= len(rows)
            below = and_(ENTRIES.c.urgent == urgent, ENTRIES.c.number < rows[-1].number)


def _wanted(search: str) -> ColumnElement[bool]:
    words = search.casefold().split()[:_MOST_WORDS]
    return and_(ENTRIES.c.is_alert, *(or_(_holds(ENTRIES, word), _found_to_hold(word)) for word in words))


def _holds(entries: FromClause, word: str) -> ColumnElement[bool]:
    return entries.c.words.contains(word, autoescape=True)


def _found_to_hold(word: str) -> ColumnElement[bool]:
    """Alerts of which a finding holds the word."""
    found = ENTRIES.alias("found")
    joined = FINDINGS.join(found, and_(found.c.booth == FINDINGS.c.booth, found.c.id == FINDINGS.c.finding))
    alerts = select(FINDINGS.c.booth, FINDINGS.c.alert).select_from(joined).where(_holds(found, word))
    return tuple_(ENTRIES.c.booth, ENTRIES.c.id).in_(alerts)


def _alert_lines(connection: Connection, rows: Sequence[Any]) -> tuple[AlertLine, ...]:
    told = outbox.tellings(connection, [row.id for row in rows])
    found = _findings(connection, rows)
    counted = measured.lines(connection, rows)
    seen = duty.acknowledged(connection, [row.number for row in rows if row.urgent])
    lines = []
    for row in rows:
        alert = _ENTRY.decode(row.entry).body
        if isinstance(alert, Alert):
            lines.append(
                AlertLine(
                    number=row.number,
                    alert=alert,
                    sequence=row.sequence,
                    received_at=row.received_at,
                    chain=row.mark,
                    tellings=told.get(row.id, ()),
                    acknowledged=seen.get(row.number),
                    findings=tuple(found.get((row.booth, row.id), ())),
                    measurements=tuple(counted.get((row.booth, row.id), ())),
                )
            )
    return tuple(lines)


def _findings(connection: Connection, rows: Sequence[Any]) -> dict[tuple[str, str], list[FindingLine]]:
    """The findings of these alerts, by booth and alert, in the order the booth wrote them."""
    joined = FINDINGS.join(ENTRIES, and_(ENTRIES.c.booth == FINDINGS.c.booth, ENTRIES.c.id == FINDINGS.c.finding))
    columns = (ENTRIES.c.entry, ENTRIES.c.sequence, ENTRIES.c.received_at, ENTRIES.c.mark)
    wanted = select(FINDINGS.c.booth, FINDINGS.c.alert, *columns).select_from(joined).order_by(ENTRIES.c.sequence)
    found: defaultdict[tuple[str, str], list[FindingLine]] = defaultdict(list)
    for row in connection.execute(wanted.where(FINDINGS.c.alert.in_([row.id for row in rows]))):
        finding = _ENTRY.decode(row.entry).body
        if isinstance(finding, Finding):
            line = FindingLine(finding=finding, sequence=row.sequence, received_at=row.received_at, chain=row.mark)
            found[row.booth, row.alert].append(line)
    return found


def _booths(
    connection: Connection,
    register: Connection,
    publications: Publications,
    told: Mapping[str, Mapping[str, Told]],
) -> tuple[BoothLine, ...]:
    """The enrolled booths, and others that anything is stored of: revoking a booth must not hide what it did."""
    enrolled = [booth for booth in booths(register) if booth.revoked_at is None]
    countries = {booth.name: booth.enrolment.country for booth in enrolled}
    heard = {row.booth: (row, _HEARTBEAT.decode(row.heartbeat)) for row in connection.execute(select(HEARTBEATS))}
    held = {name: purges.holds(heartbeat) for name, (_, heartbeat) in heard.items()}
    purged = purges.overview(told, register, publications, enrolled, held)
    keys = exchanges.last(told)
    gaps, forks = _marked(connection, "gap before"), _marked(connection, "fork")
    faults = _faults(connection)
    names = countries.keys() | heard.keys() | gaps.keys() | forks.keys() | faults.keys()
    return tuple(
        msgspec.structs.replace(
            _booth_line(name, countries.get(name), heard.get(name), faults[name]),
            gaps=gaps.get(name, 0),
            forks=forks.get(name, 0),
            purges=purged.get(name, ()),
            keys=keys.get(name, ()),
        )
        for name in sorted(names)
    )


def _booth_line(
    name: str, country: str | None, heard: tuple[Any, Heartbeat] | None, faults: Sequence[str]
) -> BoothLine:
    """A booth as its last heartbeat (with its row) has it, and its faults."""
    own = [] if country else ["takes no part any more"]
    if heard is None:
        return BoothLine(booth=name, country=country or "", faults=(*own, *faults))
    row, heartbeat = heard
    parts = [f"{part.part}: {part.state}" for part in heartbeat.parts if part.state.casefold() not in _WELL]
    return BoothLine(
        booth=name,
        country=country or "",
        heard_at=row.heard_at,
        mirror_state=row.mirror_state,
        mirror_age_s=row.mirror_age_s,
        undelivered=row.undelivered,
        oldest_undelivered_s=heartbeat.oldest_undelivered_s,
        faults=(*own, *faults, *parts),
    )


def _marked(connection: Connection, mark: str) -> dict[str, int]:
    """How many places of each booth's chains are marked so; both sides of a fork are one place."""
    places = select(ENTRIES.c.booth, ENTRIES.c.signer, ENTRIES.c.sequence).where(ENTRIES.c.mark == mark).distinct()
    found = places.subquery()
    counted = select(found.c.booth, func.count().label("places")).group_by(found.c.booth)
    return {row.booth: row.places for row in connection.execute(counted)}


def _faults(connection: Connection) -> defaultdict[str, list[str]]:
    """Each booth's faults, the newest of each word, with how often it was seen."""
    counted = (
        select(FAULTS.c.booth, FAULTS.c.word, func.count().label("times"), func.max(FAULTS.c.at).label("at"))
        .group_by(FAULTS.c.booth, FAULTS.c.word)
        .order_by(func.max(FAULTS.c.number).desc())
    )
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in connection.execute(counted):
        times = f", {row.times} times" if row.times > 1 else ""
        found[row.booth].append(f"{row.word} ({row.at}{times})")
    return found
