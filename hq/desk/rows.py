"""The desk's rows: what a batch and a heartbeat write, in the transaction of whoever calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from sqlalchemy import Connection, bindparam, insert, select, update

from failsafe.hq.cbrne import outbox
from failsafe.hq.desk import chain, changes, last_words, measured
from failsafe.hq.desk.chain import Link, Pulse
from failsafe.hq.desk.listing import search_words
from failsafe.hq.desk.tables import ENTRIES, FAULTS, FINDINGS, FORKS, HEARTBEATS
from failsafe.sync.records import encode
from failsafe.sync.reports import ENTRY_ID, FINDING_ALERTS, Alert, ChainEntry, Finding, Heartbeat, Receipt, Refusal

log = structlog.get_logger(__name__)
_FAULT_WORDS: Final = {
    "rewound": "rewound ledger",  # a disk was put back to an earlier day, or records were cut off
    "rewritten": "rewritten ledger",  # as long as before, with another content
}


@dataclass(frozen=True, slots=True)
class Opened:
    """An envelope whose content is believed."""

    entry: ChainEntry
    booth: str
    signer: str
    digest: str


@dataclass(slots=True)
class Batch:
    """What one transaction will write."""

    entries: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)  # rows by booth and id
    new: list[Opened] = field(default_factory=list)  # the same, as they came
    forks: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def entry_row(item: Opened, receipt: Receipt) -> dict[str, Any]:
    """The row of `entries` for a new entry."""
    entry, body = item.entry, item.entry.body
    return {
        "booth": item.booth,
        "signer": item.signer,
        "id": body.id,
        "sequence": entry.sequence,
        "previous": entry.previous,
        "digest": item.digest,
        "mark": "whole",  # until `_mark` has looked around it
        "disputed": False,
        "is_alert": isinstance(body, Alert),
        "urgent": isinstance(body, Alert) and body.urgency == "urgent",
        "entry": encode(entry),
        "words": search_words(body),
        "received_at": receipt.received_at,
        "receipt": encode(receipt),
    }


def held(connection: Connection, opened: Iterable[Opened]) -> dict[tuple[str, str], tuple[str, bytes]]:
    """Digest and receipt of those entries that are stored already, by booth and id."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for item in opened:
        ids[item.booth].append(item.entry.body.id)
    table = ENTRIES.c
    return {
        (booth, row.id): (row.digest, row.receipt)
        for booth, wanted in ids.items()
        for row in connection.execute(
            select(table.id, table.digest, table.receipt).where(table.booth == booth, table.id.in_(wanted))
        )
    }


def write(connection: Connection, batch: Batch, received_at: str) -> None:
    """Write what a batch holds, and tell the CBRNE programme's outbox; the marks of the chains are right afterwards."""
    if batch.entries:
        connection.execute(insert(ENTRIES), list(batch.entries.values()))
    _tie_findings(connection, batch.new)
    measured.tie(connection, ((item.booth, item.entry.body) for item in batch.new))
    changes.tie(connection, ((item.booth, item.signer, item.entry) for item in batch.new))
    last_words.keep(connection, ((item.booth, item.signer, item.entry) for item in batch.new), received_at)
    _keep_aside(connection, batch.forks)
    for item in batch.new:
        outbox.enqueue(connection, item.entry, received_at)
    _mark(connection, batch)


def _tie_findings(connection: Connection, new: Iterable[Opened]) -> None:
    """Note which alerts the new findings speak of; what a booth could not have written is passed over."""
    rows = [
        {"booth": item.booth, "alert": alert, "finding": item.entry.body.id}
        for item in new
        if isinstance(item.entry.body, Finding)
        for alert in dict.fromkeys(item.entry.body.alerts[:FINDING_ALERTS])
        if ENTRY_ID.fullmatch(alert)
    ]
    if rows:
        connection.execute(insert(FINDINGS), rows)


def _keep_aside(connection: Connection, forks: Mapping[tuple[str, str, str], dict[str, Any]]) -> None:
    for (booth, entry_id, digest), row in forks.items():
        same = (FORKS.c.booth == booth, FORKS.c.id == entry_id)
        if connection.execute(select(FORKS.c.id).where(*same, FORKS.c.digest == digest)).first() is None:
            connection.execute(insert(FORKS), row)
            disputed = (ENTRIES.c.booth == booth, ENTRIES.c.id == entry_id)
            connection.execute(update(ENTRIES).where(*disputed).values(disputed=True, mark="fork"))
            log.warning("fork: an alert's id came with another content", booth=booth)


def _mark(connection: Connection, batch: Batch) -> None:
    """Mark the new entries, and those held ones that they heal or contradict."""
    came: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for row in batch.entries.values():
        came[row["booth"], row["signer"]].add(row["sequence"])
    table = ENTRIES.c
    for (booth, signer), sequences in came.items():
        in_chain = (table.booth == booth, table.signer == signer, table.sequence.in_(chain.around(sequences)))
        columns = (table.id, table.sequence, table.previous, table.digest, table.disputed, table.mark)
        rows = connection.execute(select(*columns).where(*in_chain)).all()
        before = _under_former_keys(connection, booth, signer, rows)
        links = [Link(row.id, row.sequence, row.previous, row.digest, row.disputed) for row in (*rows, *before)]
        found = chain.marks(links, chain.touched(sequences))
        changed = [{"i": row.id, "m": found[row.id]} for row in rows if found.get(row.id, row.mark) != row.mark]
        if any(one["m"] == "fork" for one in changed):
            log.warning("fork: the links of an alert chain contradict each other", booth=booth)
        if changed:
            named = (table.booth == booth, table.id == bindparam("i"))
            connection.execute(update(ENTRIES).where(*named).values(mark=bindparam("m")), changed)


def _under_former_keys(connection: Connection, booth: str, signer: str, rows: Sequence[Any]) -> Sequence[Any]:
    """What comes before the first links of a booth's renewed keys: a booth that renews its keys goes on with its chain.

    Only the very link that one names counts; a booth that was set up anew begins at 1 and names none.
    """
    present = {row.sequence for row in rows}
    lone = [row for row in rows if row.sequence - 1 not in present]
    table = ENTRIES.c
    columns = (table.id, table.sequence, table.previous, table.digest, table.disputed, table.mark)
    named = (table.digest.in_([row.previous for row in lone]), table.sequence.in_([row.sequence - 1 for row in lone]))
    query = select(*columns).where(table.booth == booth, table.signer != signer, *named)
    return connection.execute(query).all() if lone else ()


def keep_heartbeat(connection: Connection, heartbeat: Heartbeat, signer: str, heard_at: str) -> bool:
    """Store a heartbeat, and the fault it shows; False if it is an old one that came late."""
    named = HEARTBEATS.c.booth == heartbeat.booth
    last = connection.execute(select(HEARTBEATS).where(named)).first()
    before = Pulse(last.latest_wall, last.ledger_length, last.ledger_head) if last and last.signer == signer else None
    pulse = Pulse(heartbeat.at.wall, heartbeat.ledger_length, heartbeat.ledger_head)
    went = chain.progress(before, pulse)
    if went == "late":
        return False
    row = {
        "booth": heartbeat.booth,
        "signer": signer,
        "latest_wall": max(pulse.wall, before.wall) if before else pulse.wall,
        "ledger_length": pulse.length,
        "ledger_head": pulse.head,
        "mirror_state": heartbeat.mirror_state,
        "mirror_age_s": heartbeat.mirror_age_s,
        "undelivered": heartbeat.undelivered,
        "heartbeat": encode(heartbeat),
        "heard_at": heard_at,
    }
    connection.execute(update(HEARTBEATS).where(named).values(row) if last else insert(HEARTBEATS).values(row))
    if word := _FAULT_WORDS.get(went):
        fault = {"booth": heartbeat.booth, "signer": signer, "word": word, "at": heard_at}
        connection.execute(insert(FAULTS), fault)
        log.error("a booth's ledger is not what it was", booth=heartbeat.booth, fault=word)
    return True
