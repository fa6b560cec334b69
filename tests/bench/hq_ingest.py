"""Headquarters' desk in figures: alerts taken in a second, opened, checked, stored and receipted, on a real disk."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from failsafe.agent.commands.figures import Figure, Rival, figure
from failsafe.hq.desk.desk import Desk
from failsafe.hq.desk.tables import DESK_FILE, open_file, open_register
from failsafe.sync import envelope
from failsafe.sync.outbox import BATCH
from failsafe.sync.records import encode
from failsafe.sync.reports import Envelope, Receipt
from tests.bench.parts import timed
from tests.publishing import Desk as Headquarters
from tests.sending import AT, REGISTER_FILE, Booth

ALERTS = 4_000
ONE_BY_ONE = 20  # so many times fewer alerts come one by one than in full batches


def figures(folder: Path, alerts: int = ALERTS) -> Iterator[Figure]:
    """Alerts in a second for each size of batch, beside the bare path, and the list's time."""
    hq = Headquarters(folder / "hq")
    booth = Booth(hq, folder)
    with_files = Desk(open_file(hq.home / DESK_FILE), hq.keys, open_register(hq.home / REGISTER_FILE))
    for size, number in ((1, max(1, alerts // ONE_BY_ONE)), (BATCH, alerts)):
        sent = [booth.seal(booth.alert(tier="rn" if each % 50 == 0 else "red")) for each in range(number)]
        took_s = timed(lambda: _take(with_files, sent, size, AT))  # noqa: B023 - called at once
        opened_s = timed(lambda: _open(hq, booth, sent))  # noqa: B023 - called at once
        bare_s = timed(lambda: _bare(hq, booth, sent, size, folder / f"bare-{size}.sqlite"))  # noqa: B023 - called at once
        rates = (
            Rival("opened, checked, receipted and inserted in plain sqlite3", number / bare_s),
            Rival("opened and checked alone", number / opened_s),
        )
        yield from figure(f"hq_ingest_batches_of_{size}", number / took_s, "alerts/s", number, *rates)
        again_s = timed(lambda: _take(with_files, sent, size, AT))  # noqa: B023 - called at once
        once = Rival("the first time", number / took_s)
        yield from figure(f"hq_ingest_again_batches_of_{size}", number / again_s, "alerts/s", number, once)
    total = with_files.list(1, "").total
    whole_s = min(timed(lambda: with_files.list(200, "")) for _ in range(5))
    found_s = min(timed(lambda: with_files.list(200, "zorvekario limtusk")) for _ in range(5))
    searched = Rival("the same with a search", found_s * 1000)
    yield from figure("ccc_list_of_200", whole_s * 1000, "ms", total, searched)


def _take(desk: Desk, sent: Sequence[Envelope], size: int, now: dt.datetime) -> None:
    for start in range(0, len(sent), size):
        answer = desk.take(sent[start : start + size], now)
        assert not answer.refused


def _bare(hq: Headquarters, booth: Booth, sent: Sequence[Envelope], size: int, file: Path) -> None:
    """The least that may be called ingest: each batch one transaction of one table, on the disk when it ends."""
    secret, receipting = hq.keys.seal_secret(), hq.keys.receipt_secret()
    with closing(sqlite3.connect(file, isolation_level=None)) as rows:
        for setting in ("journal_mode = WAL", "synchronous = FULL"):
            rows.execute(f"PRAGMA {setting}")
        rows.execute("CREATE TABLE entry (id TEXT PRIMARY KEY, entry BLOB NOT NULL, receipt BLOB NOT NULL) STRICT")
        for start in range(0, len(sent), size):
            rows.execute("BEGIN IMMEDIATE")
            for one in sent[start : start + size]:
                entry = envelope.open_entry(one, secret, booth.enrolment.signing)
                receipt = Receipt(id=one.id, booth=one.booth, digest=entry.digest(), received_at=str(AT))
                signed = envelope.sign_receipt(receipt, receipting)
                rows.execute("INSERT INTO entry VALUES (?, ?, ?)", (one.id, encode(entry), encode(signed)))
            rows.execute("COMMIT")


def _open(hq: Headquarters, booth: Booth, sent: Sequence[Envelope]) -> None:
    secret = hq.keys.seal_secret()
    for one in sent:
        envelope.open_entry(one, secret, booth.enrolment.signing)
