"""Headquarters' figures: notices in, a publication out, and what a booth needs to believe it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import zstandard

from failsafe.agent import keys as booth_keys
from failsafe.agent.commands.figures import Figure, Rival, figure
from failsafe.agent.person import names
from failsafe.hq.enrol import enrol
from failsafe.hq.feeds import publish
from failsafe.hq.feeds.register import Register
from failsafe.sync import intake, shape
from failsafe.sync.intake import Reader
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import Notice, PutNotice, encode
from tests.bench.crowd import People
from tests.bench.parts import altered, change, timed
from tests.publishing import Desk, now

BOOTH = "ZZ-BENCH-01"


def figures(folder: Path, size: int) -> Iterator[Figure]:
    """One headquarters and one booth in one process, without the programs' starts."""
    desk = Desk(folder / "hq")
    records = [json.dumps(record) for record in People(size).records()]
    with closing(Register.in_file(folder / "register.sqlite")) as register:
        yield from _import(register, records, size)
        reader = _enrolled(desk, register, folder)
        notices = [entry.notice for entry in shape.read("\n".join(records)).notices]
        publish_s = timed(lambda: publish.publish(register, desk.repository, now=now()))
        packed = Rival("zstd of the same lines alone", _pack_s(notices))
        yield from figure(f"hq_publish@{size}", publish_s, "s", 1, packed)
        with closing(Mirror.open(folder / "mirror.db", os.urandom(32))) as mirror:
            yield _intake(f"intake_snapshot@{size}", desk, mirror, reader, _apply_s(folder, notices))
            delta = altered(notices)
            register.take([shape.Entry(notice) for notice in delta])
            delta_s = timed(lambda: publish.publish(register, desk.repository, now=now()))
            whole = Rival("the first publication", publish_s)
            yield from figure(f"hq_publish_delta_of_{len(delta)}@{size}", delta_s, "s", 1, whole)
            alone_s = _apply_s(folder, notices, delta)
            yield _intake(f"intake_delta_of_{len(delta)}@{size}", desk, mirror, reader, alone_s)


def _import(register: Register, records: Sequence[str], size: int) -> Iterator[Figure]:
    text = "\n".join(records)

    def read_and_keep() -> None:
        reading = shape.read(text)
        assert not reading.faults
        register.take(reading.notices, reading.listed)

    took_s = timed(read_and_keep)
    parsed_s = timed(lambda: [json.loads(line) for line in text.splitlines()])
    parsed = Rival("json.loads of the same lines", len(records) / parsed_s)
    yield from figure(f"hq_import@{size}", len(records) / took_s, "lines/s", len(records), parsed)


def _enrolled(desk: Desk, register: Register, folder: Path) -> Reader:
    enrolment = booth_keys.make(folder / "keys", BOOTH, "ZZ")
    enrol(encode(enrolment), register, desk.keys, desk.repository, now=now())
    workplace = folder / "trust"
    workplace.mkdir()
    return Reader(BOOTH, ("base",), booth_keys.load(folder / "keys").sealing, desk.root(), workplace)


def _intake(name: str, desk: Desk, mirror: Mirror, reader: Reader, alone_s: float) -> Figure:
    """Verify, decrypt and apply what lies in headquarters' public folder, as a booth does with its spool."""
    took_s = timed(lambda: intake.take(desk.spool, mirror, {}, reader, names.forms))
    (row,) = figure(name, took_s, "s", 1, Rival("apply alone, nothing verified or decrypted", alone_s))
    return row


def _apply_s(folder: Path, notices: Sequence[Notice], delta: Sequence[Notice] = ()) -> float:
    """Seconds that a mirror of its own takes for the same notices; with a delta, for the delta alone."""
    path = folder / f"alone-{len(delta)}.db"
    with closing(Mirror.open(path, os.urandom(32))) as mirror:
        took_s = timed(lambda: mirror.apply(change(notices, 1, None, len(notices)), names.forms))
        if delta:
            took_s = timed(lambda: mirror.apply(change(delta, 2, 1, len(notices)), names.forms))
    return took_s


def _pack_s(notices: Sequence[Notice]) -> float:
    lines = b"\n".join(msgspec.json.encode(PutNotice(notice=notice)) for notice in notices)
    return timed(lambda: zstandard.ZstdCompressor(level=3).compress(lines))
