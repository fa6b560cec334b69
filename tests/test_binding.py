"""The mirror's pages: they come and go with the notices they are of, and are never taken for those of others."""

from __future__ import annotations

import pytest

from failsafe.sync.errors import Malformed
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import PutNotice, RemoveNotice
from tests.test_mirror import KEY, change, derive, notice


def bind(lines):
    """Pages that say which notices they were made of."""
    yield b"pages"
    yield " ".join(sorted({line[0] for _, line in lines})).encode()


@pytest.fixture
def held(tmp_path):
    with Mirror.open(tmp_path / "mirror.db", KEY) as mirror:
        mirror.apply(puts(range(5), serial=5), derive, bind)
        yield mirror


def puts(numbers, serial, base=None, count=None, **more):
    return change([PutNotice(notice=notice(number)) for number in numbers], serial, base, count, **more)


def ids(mirror, after):
    return {line[0] for _, line in mirror.numbered(after)}


def test_a_snapshot_brings_its_pages(held):
    assert list(held.pages()) == [b"pages", b"1900/0 1900/1 1900/2 1900/3 1900/4"]
    assert (held.bound().last, held.bound().gone) == (5, ())


def test_a_delta_keeps_them_and_tells_what_came_and_went(held):
    turn = held.bound().turn
    held.apply(change([RemoveNotice(entity_id="1900/1"), PutNotice(notice=notice(3, "Other"))], 6, 5, 4), derive, bind)
    bound = held.bound()
    assert bound.turn == turn and bound.gone == (2, 4)
    assert ids(held, bound.last) == {"1900/3"}


def test_no_number_is_given_twice(held):
    """The highest notice goes and another comes: SQLite alone would give it the number that the pages know."""
    held.apply(change([RemoveNotice(entity_id="1900/4")], 6, 5, 4), derive, bind)
    held.apply(puts([9], 7, 6, 5), derive, bind)
    bound = held.bound()
    assert bound.gone == (5,) and ids(held, bound.last) == {"1900/9"}
    held.bind(bind)
    held.apply(change([RemoveNotice(entity_id="1900/9")], 8, 7, 4), derive, bind)
    held.apply(puts([10], 9, 8, 5), derive, bind)
    assert ids(held, held.bound().last) == {"1900/10"}


def test_a_step_that_is_refused_leaves_the_pages_as_they_were(held):
    before = held.bound(), list(held.pages())
    for step in (puts([7], 6, 5, count=99), puts([7], 9, count=99)):
        with pytest.raises(Malformed):
            held.apply(step, derive, bind)
    assert (held.bound(), list(held.pages())) == before


def test_pages_that_cannot_be_made_undo_the_step(held):
    before = held.floors(), held.bound(), list(held.pages())

    def stumble(lines):
        yield b"half"
        raise OSError

    with pytest.raises(OSError):
        held.apply(puts(range(3), 9), derive, stumble)
    assert (held.floors(), held.bound(), list(held.pages())) == before


def test_without_a_binder_a_snapshot_has_no_pages(held):
    held.apply(puts(range(3), 6), derive)
    assert held.bound() is None and list(held.pages()) == []
    held.apply(puts([8], 7, 6, 4), derive, bind)
    assert list(held.pages())[1] == b"1900/0 1900/1 1900/2 1900/8"


def test_names_derived_anew_have_no_pages_yet(held):
    held.rederive(derive, "the next")
    assert held.bound() is None
    held.bind(bind)
    assert held.bound().last == 5


def test_what_an_older_software_changed_without_them_makes_them_nobodys(held):
    held._store.run("UPDATE feed SET serial = 6")
    assert held.bound() is None


def test_a_supplement_is_bound_with_the_rest(held):
    held.apply(puts([70], 1, feed="supplement"), derive, bind)
    assert b"1900/70" in list(held.pages())[1] and held.bound().gone == ()


def test_a_mirror_of_the_first_tables_opens_and_binds(tmp_path):
    from failsafe.sync import mirror as mirrors
    from failsafe.sync.store import Migrations, Store

    first = Migrations("mirror")
    first()(mirrors.first_tables)
    with_first_tables = Store.open(tmp_path / "old.db", KEY, mirrors.SETTINGS, first)
    with_first_tables.close()
    with Mirror.open(tmp_path / "old.db", KEY) as held:
        assert held.bound() is None
        held.apply(puts(range(3), 1), derive, bind)
        assert held.bound().last == 3
