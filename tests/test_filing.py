"""Operations filed in batches: however they are cut, and by whichever way a list came, the same rows and index."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.agent.person import names, pages
from failsafe.agent.person.segment import Segment
from failsafe.sync import filing
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import Notice, Operation, PutNotice, RemoveNotice
from tests.test_mirror import KEY, OPERATIONS, change, notice


def bind(lines):
    return pages.written(Segment.build(lines))


def content(mirror: Mirror) -> tuple[object, ...]:
    """Everything but the numbers that rows were given, with what an index is built of."""
    rows = mirror._store.rows
    index = pages.read(mirror.pages()) if mirror.bound() is not None else Segment.build(mirror.numbered())
    return (
        sorted(rows("SELECT entity_id, feed, tier, sex, births, bytes FROM notice JOIN body ON body.notice = id")),
        sorted(rows("SELECT entity_id, place, tokens, kind FROM notice JOIN name ON name.notice = id")),
        sorted(rows("SELECT entity_id, place, folded, country FROM notice JOIN document ON document.notice = id")),
        sorted(rows("SELECT * FROM listed")),
        sorted(line for _, line in index.rows()),
        [(token, index.borne_by(token)) for token in tokens_of(index)],
    )


def tokens_of(index: Segment) -> list[str]:
    return [index.tokens[number].decode() for number in range(len(index.tokens))]


def held_after(folder: Path, steps: list[list[Operation]], batch: int) -> tuple[object, ...]:
    """What is held once these steps came one after another, the first as a snapshot, the index made at the end."""
    there: dict[object, Operation] = {}
    with pytest.MonkeyPatch.context() as small, Mirror.open(folder / f"{batch}-{len(steps)}.db", KEY) as mirror:
        small.setattr(filing, "_BATCH", batch)
        for serial, operations in enumerate(steps, 1):
            for one in operations:
                follow(there, one)
            base = None if serial == 1 else serial - 1
            mirror.apply(change(operations, serial, base, count=len(there)), names.forms, bind)
        mirror.bind(bind)
        mirror.check()
        return content(mirror)


def follow(there: dict[object, Operation], one: Operation) -> None:
    match one:
        case PutNotice(notice=put):
            there[put.entity_id] = one
        case RemoveNotice(entity_id=entity_id):
            there.pop(entity_id, None)
        case _ if hasattr(one, "document"):
            there[("listed", one.document.number)] = one
        case _:
            there.pop(("listed", one.number), None)


@settings(max_examples=25, deadline=None)
@given(st.lists(OPERATIONS, max_size=12), st.integers(1, 4))
def test_it_does_not_matter_where_batches_are_cut(operations: list[Operation], batch: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert held_after(Path(folder), [operations], batch) == held_after(Path(folder), [operations], 1_000)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(OPERATIONS, max_size=6), min_size=2, max_size=5))
def test_a_snapshot_gives_what_its_deltas_gave(steps: list[list[Operation]]) -> None:
    there: dict[object, Operation] = {}
    for one in (one for step in steps for one in step):
        follow(there, one)
    with tempfile.TemporaryDirectory() as folder:
        assert held_after(Path(folder), steps, 1_000) == held_after(Path(folder), [list(there.values())], 1_000)


def test_a_name_of_many_scripts_is_filed_with_its_forms(tmp_path: Path) -> None:
    put: Notice = notice(1, "Образцова")
    with Mirror.open(tmp_path / "m.db", KEY) as mirror:
        mirror.apply(change([PutNotice(notice=put)], 1, None, 1), names.forms, bind)
        assert [(line.tokens, line.kind) for line in mirror.names()] == [
            (row.tokens, row.kind) for row in names.forms(put)
        ]
