"""Operations filed in batches: however they are cut, and by whichever way a list came, the same rows and index."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.agent.person import names, pages
from failsafe.agent.person.segment import Segment
from failsafe.sync import filing, standing
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import Notice, Operation, PutListed, PutNotice, RemoveNotice
from tests.test_mirror import KEY, OPERATIONS, change, listed, notice


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


@settings(max_examples=60, deadline=None)
@given(st.lists(OPERATIONS, max_size=8), st.lists(OPERATIONS, max_size=8), st.integers(1, 4), st.integers(1, 4))
def test_a_list_in_place_of_another_leaves_nothing_else(
    before: list[Operation], after: list[Operation], batch: int, strangers: int
) -> None:
    """Whatever both hold, however the new list says it, and wherever its batches are cut."""
    with tempfile.TemporaryDirectory() as folder:
        alone = held_after(Path(folder), [after], 1_000)
        with pytest.MonkeyPatch.context() as small, Mirror.open(Path(folder) / "both.db", KEY) as mirror:
            small.setattr(filing, "_BATCH", batch)
            small.setattr(standing, "_LOT", 2)
            small.setattr(standing, "_STRANGERS", strangers)
            for serial, operations in enumerate((before, after), 1):
                mirror.apply(change(operations, serial, None, len(known(operations))), names.forms, bind)
            mirror.check()
            assert mirror.counts()[:2] == tuple(mirror.sizes())
            mirror.bind(bind)
            assert content(mirror) == alone


def known(operations: list[Operation]) -> dict[object, Operation]:
    there: dict[object, Operation] = {}
    for one in operations:
        follow(there, one)
    return there


def rows_of(mirror: Mirror) -> dict[str, int]:
    return dict(mirror._store.rows("SELECT entity_id, id FROM notice"))


def test_what_both_lists_hold_stays_where_it_is(tmp_path: Path) -> None:
    """A booth that takes the whole list again, for a revocation or a long absence, has most of it already."""
    first = [PutNotice(notice=notice(number)) for number in range(100)] + [
        PutListed(document=listed(f"A{n}")) for n in range(9)
    ]
    with Mirror.open(tmp_path / "m.db", KEY) as mirror:
        mirror.apply(change(first, 1), names.forms, bind)
        rows, bound, pages_held = rows_of(mirror), mirror.bound(), list(mirror.pages())
        assert bound is not None
        mirror.apply(change(first, 2), names.forms, bind)
        assert (rows_of(mirror), mirror.bound(), list(mirror.pages())) == (rows, bound, pages_held)
        assert not mirror.owes_purge(), "nothing was removed, so nothing is to be overwritten"

        again = [PutNotice(notice=notice(7, "Other")), *(one for one in first[:-1] if one not in (first[3], first[7]))]
        mirror.apply(change(again, 3), names.forms, bind)
        there = rows_of(mirror)
        assert {key: there.get(key) for key in rows if there.get(key) != rows[key]} == {
            "1900/3": None,
            "1900/7": max(rows.values()) + 1,
        }
        held = mirror.bound()
        assert held is not None and (held.turn, set(held.gone)) == (bound.turn, {rows["1900/3"], rows["1900/7"]})
        assert not mirror.listed("A8") and mirror.listed("A7")
        assert mirror.owes_purge()


def test_a_list_that_moves_much_is_bound_anew(tmp_path: Path) -> None:
    first = [PutNotice(notice=notice(number)) for number in range(100)]
    with Mirror.open(tmp_path / "m.db", KEY) as mirror:
        mirror.apply(change(first, 1), names.forms, bind)
        bound = mirror.bound()
        mirror.apply(
            change([*first[:80], *(PutNotice(notice=notice(200 + n)) for n in range(20))], 2), names.forms, bind
        )
        held = mirror.bound()
        assert bound is not None and held is not None and held.turn > bound.turn and not held.gone
        assert {"1900/0", "1900/219"} <= rows_of(mirror).keys() and "1900/80" not in rows_of(mirror)


def test_another_list_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """Its room is free before the first of it is put: such a list needs no more disk than the old one."""
    with Mirror.open(tmp_path / "m.db", KEY) as mirror, pytest.MonkeyPatch.context() as small:
        small.setattr(filing, "_BATCH", 50)
        small.setattr(standing, "_STRANGERS", 100)
        mirror.apply(change([PutNotice(notice=notice(number)) for number in range(2_000)], 1), names.forms, bind)
        pages_before = mirror._store.row("PRAGMA page_count")
        mirror.apply(
            change([PutNotice(notice=notice(5_000 + number)) for number in range(2_000)], 2), names.forms, bind
        )
        pages_after = mirror._store.row("PRAGMA page_count")
        assert pages_before is not None and pages_after is not None and pages_after[0] < pages_before[0] * 1.1
        assert len(rows_of(mirror)) == 2_000 and "1900/1999" not in rows_of(mirror)
