"""Measurements at headquarters: which alert each belongs to, what the list tells of it, and the document itself.

The list is drawn again and again, so the outline lies beside the record, without the document.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, and_, insert, select

from failsafe.hq.cbrne import outbox
from failsafe.hq.ccc.view import MeasurementFile, MeasurementLine
from failsafe.hq.desk.tables import ENTRIES, MEASUREMENTS
from failsafe.sync.records import encode
from failsafe.sync.reports import ENTRY_ID, FINDING_ALERTS, Body, ChainEntry, Measurement

# A document of the most intervals that fit an envelope has less than a tenth of it; a booth that went bad sends more.
_MOST_BYTES: Final = 8 * 1024 * 1024
_ENTRY: Final = msgspec.json.Decoder(ChainEntry)
_OUTLINE: Final = msgspec.json.Decoder(Measurement)


def outline(measurement: Measurement) -> Measurement:
    """The same without the document."""
    return msgspec.structs.replace(measurement, document=b"")


def tie(connection: Connection, new: Iterable[tuple[str, Body]]) -> None:
    """Note which alerts the new measurements belong to: pairs of booth and body, in the storing transaction."""
    rows = [
        {"booth": booth, "alert": alert, "measurement": body.id, "outline": encode(outline(body))}
        for booth, body in new
        if isinstance(body, Measurement)
        for alert in dict.fromkeys(body.alerts[:FINDING_ALERTS])
        if ENTRY_ID.fullmatch(alert)
    ]
    if rows:
        connection.execute(insert(MEASUREMENTS), rows)


def lines(connection: Connection, alerts: Sequence[Any]) -> dict[tuple[str, str], list[MeasurementLine]]:
    """The measurements of these alerts (rows of `entries`), by booth and alert, in the booth's order."""
    tied, entry = MEASUREMENTS.c, ENTRIES.c
    joined = MEASUREMENTS.join(ENTRIES, and_(entry.booth == tied.booth, entry.id == tied.measurement))
    columns = (tied.booth, tied.alert, tied.measurement, tied.outline, entry.number, entry.received_at, entry.mark)
    wanted = select(*columns).select_from(joined).order_by(entry.sequence)
    rows = connection.execute(wanted.where(tied.alert.in_([row.id for row in alerts]))).all()
    told = outbox.tellings(connection, [row.measurement for row in rows])
    found: defaultdict[tuple[str, str], list[MeasurementLine]] = defaultdict(list)
    for row in rows:
        line = MeasurementLine(
            number=row.number,
            measurement=_OUTLINE.decode(row.outline),
            received_at=row.received_at,
            chain=row.mark,
            tellings=told.get(row.measurement, ()),
        )
        found[row.booth, row.alert].append(line)
    return found


def document(connection: Connection, number: int) -> MeasurementFile | None:
    """The document of the measurement that the list names by this number; None where there is none to be read."""
    row = connection.execute(select(ENTRIES.c.entry).where(ENTRIES.c.number == number)).first()
    body = _ENTRY.decode(row.entry).body if row is not None else None
    if not isinstance(body, Measurement):
        return None
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(body.document, _MOST_BYTES)
    except zlib.error:
        return None
    return MeasurementFile(name=f"{body.id}.n42", content=content) if unpacking.eof else None
