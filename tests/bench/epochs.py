"""A new epoch for many booths: one content key, sealed to each of them in a small file of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
from sqlalchemy import insert

from failsafe.agent import keys as booth_keys
from failsafe.agent.commands.figures import Figure, Rival, figure
from failsafe.hq.enrol import enrol
from failsafe.hq.feeds import publish
from failsafe.hq.feeds.register import Register
from failsafe.hq.feeds.tables import BOOTHS
from failsafe.sync import seal
from failsafe.sync.records import Enrolment, ListedDocument, SealPublic, Welcome, encode
from failsafe.sync.seal import SealSecret
from tests.bench.parts import timed
from tests.publishing import Desk, now

BOOTHS_USUAL = 20_000
_NAME = "ZZ-BENCH-{:05}"


def figures(folder: Path, booths: int = BOOTHS_USUAL) -> Iterator[Figure]:
    """Beside the sealing alone, in memory. The processor's seconds are of one process; disks differ."""
    desk = Desk(folder / "hq")
    with closing(Register.in_file(folder / "hq" / "register.sqlite")) as register:
        publics = _enrol(desk, register, folder, booths)
        lost = ListedDocument(number="ZX0001", issuing_country="ZZ", document_type="passport", fraud_type="lost")
        register.take(listed=[lost])
        publish.publish(register, desk.repository, now=now())
        began = time.process_time()
        took_s = timed(lambda: publish.publish(register, desk.repository, now=now(), new_epoch=True))
        worked_s = time.process_time() - began
    began = time.process_time()
    alone_s = timed(lambda: _seal(publics))
    alone_worked_s = time.process_time() - began
    yield from figure("epoch", took_s, "s", booths, Rival("sealing alone, in memory", alone_s))
    yield from figure("epoch_cpu", worked_s, "s", booths, Rival("sealing alone, in memory", alone_worked_s))
    files = list((desk.public / "keys" / "base" / "2").iterdir())
    assert len(files) == booths
    size = sum(file.stat().st_size for file in files) / booths
    yield from figure("epoch_bytes_a_booth", size, "B", booths, Rival("the content key", 32))


def _enrol(desk: Desk, register: Register, folder: Path, booths: int) -> list[SealPublic]:
    """Booths with sealing keys of their own; what an epoch does not need is all booths' alike."""
    first = booth_keys.make(folder / "keys", _NAME.format(0), "ZZ")
    _, welcome = enrol(encode(first), register, desk.keys, desk.repository, now=now())
    enrolled = [first]
    for number in range(1, booths):
        public = SealSecret.generate().public()
        enrolled.append(msgspec.structs.replace(first, booth=_NAME.format(number), seal=public))
    with register._begin() as connection:
        connection.execute(insert(BOOTHS), [_row(one, welcome) for one in enrolled[1:]])
    return [one.seal for one in enrolled]


def _row(enrolment: Enrolment, welcome: Welcome) -> dict[str, object]:
    answer = msgspec.structs.replace(welcome, booth=enrolment.booth)
    return {
        "booth": enrolment.booth,
        "country": enrolment.country,
        "enrolment": encode(enrolment),
        "welcome": encode(answer),
        "enrolled_at": "2026-11-22T00:00:00Z",
        "revoked_at": None,
    }


def _seal(publics: list[SealPublic]) -> None:
    key = seal.new_content_key()
    for public in publics:
        seal.seal(key, public, purpose="content-key", booth="ZZ-BENCH", about="base/1")
