"""The booth's hold on its notices: a real headquarters, a real spool, a real mirror, and the intake's own thread."""

from __future__ import annotations

import datetime as dt
import queue
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from failsafe.agent import config, notices
from failsafe.agent import keys as booth_keys
from failsafe.agent.holding import Holding
from failsafe.agent.notices import Edition, same_index
from failsafe.agent.person import names
from failsafe.agent.person.index import Index
from failsafe.sync import courier, intake
from failsafe.sync.errors import StoreBroken
from failsafe.sync.feed import Floor
from failsafe.sync.mirror import Mirror
from failsafe.sync.spool import Spool
from tests.notices_side import (
    BOOTH,
    DOCUMENT,
    PATIENCE_S,
    House,
    entry,
    found,
    house_of_notices,  # noqa: F401 - a fixture
)
from tests.publishing import now


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(notices, "LOOK_EVERY_S", 0.02)


@pytest.fixture
def fed(house) -> House:
    """The house, whose booth took one notice and a listed document and was stopped."""
    house.put_out(entry(1), listed=[DOCUMENT])
    house.carry()
    house.begin()
    assert house.hear().refusal is None
    house.end()
    return house


# --- taking --------------------------------------------------------------------------------------------------


def test_a_new_booth_holds_nothing_and_says_so(house):
    edition = house.begin()
    assert (edition.notices, edition.signed_at, len(edition.index), edition.feeds()) == (0, None, 0, ())
    assert not edition.holds(("base",))


def test_news_arrive_after_the_courier_came(house):
    house.begin()
    house.put_out(entry(1), entry(2, "IMAGINARIEVA"), listed=[DOCUMENT])
    house.carry()
    told = house.hear()
    assert told.refusal is None and told.taken.newer
    edition = told.edition
    assert (edition.notices, edition.listed) == (2, 1)
    assert edition.holds(("base",)) and not edition.holds(("base", "extra")) and not edition.holds(())
    assert edition.floors == told.taken.floors and edition.signed_at == told.taken.signed_at
    assert found(edition, "IMAGINARIEVA") == {"2026/2"}
    (state,) = edition.feeds()
    assert (state.feed, state.serial) == ("base", 1)


def test_a_second_publication_is_seen_by_itself(house):
    house.put_out(entry(1))
    house.carry()
    house.begin()
    house.hear()
    house.put_out(entry(2, "IMAGINARIEVA"))
    house.carry(welcome=False)
    edition = house.hear().edition
    assert found(edition, "IMAGINARIEVA") == {"2026/2"} and found(edition, "QUILLFEATHER") == {"2026/1"}


def test_what_is_held_is_there_after_a_restart_without_a_spool(fed):
    for name in Spool(fed.spool).names():
        Spool(fed.spool).remove(name)
    edition = fed.begin()
    assert (edition.notices, edition.listed) == (1, 1) and edition.holds(("base",))
    assert found(edition, "QUILLFEATHER") == {"2026/1"}


def test_a_newer_timestamp_keeps_the_index(fed):
    held = fed.begin()
    assert fed.hear().taken.newer is False  # what lies in the spool was taken before
    later = now() + dt.timedelta(seconds=30)
    fed.desk.repository.touch_timestamp(now=later)
    fed.carry(welcome=False)
    told = fed.hear()
    assert told.taken.newer and not told.taken.floors
    assert told.edition.signed_at == later.timestamp() > held.signed_at
    kept = same_index(held, told.edition)
    assert kept.index is held.index and found(kept, "QUILLFEATHER") == {"2026/1"}
    assert (kept.notices, kept.signed_at) == (1, told.edition.signed_at)


def test_an_edition_never_has_floors_without_their_index(fed):
    """A step that the booth did not hear of, then a timestamp alone: whoever shows FRESH must hold the names."""
    held = fed.begin()
    fed.hear()
    fed.put_out(entry(2, "IMAGINARIEVA"))
    with fed.open() as mirror:
        root = mirror.held_metadata()["root.json"]
        reader = intake.Reader(BOOTH, ("base",), fed.keys.sealing, root, fed.state / "trust")
        assert intake.take(fed.desk.spool, mirror, {}, reader, names.forms).floors
    fed.desk.repository.touch_timestamp(now=now() + dt.timedelta(seconds=30))
    fed.carry(welcome=False)
    told = fed.hear()
    assert told.taken.newer and not told.taken.floors
    shown = same_index(held, told.edition)
    assert shown.floors["base"].serial == 2 and shown.notices == 2
    assert found(shown, "QUILLFEATHER") == {"2026/1"} and found(shown, "IMAGINARIEVA") == {"2026/2"}


def test_same_index_takes_what_is_another_step():
    empty = Index.build(())
    held = Edition(empty, {"base": Floor("first", 1, 5)}, 1.0, 5, 0)
    fresh = Edition(Index.build(()), {"base": Floor("first", 2, 6)}, 2.0, 6, 0)
    assert same_index(held, fresh) is fresh
    assert same_index(Edition(empty), Edition(Index.build(()))).index is not empty


# --- refusals ------------------------------------------------------------------------------------------------


def test_without_a_welcome_the_root_is_missing(house):
    house.put_out(entry(1))
    house.carry(welcome=False)
    house.begin()
    told = house.hear()
    assert told.edition is None and told.refusal.reason == "missing" and told.refusal.advice
    house.carry()
    assert house.hear().edition.notices == 1


def test_another_root_than_the_pinned_one(house):
    hq = config.HqTable(root_sha256="0" * 64)
    house.configuration = config.Configuration(
        booth=house.configuration.booth, lanes=house.configuration.lanes, folders=house.configuration.folders, hq=hq
    )
    house.put_out(entry(1))
    house.carry()
    house.begin()
    assert house.hear().refusal.reason == "unsigned"


def test_a_refusal_leaves_what_is_held_and_names_nobody(fed, tmp_path):
    fed.put_out(entry(2, "IMAGINARIEVA"))
    fed.carry(welcome=False)
    for file in fed.spool.rglob("*.snapshot"):
        file.write_bytes(b"something else")
    for file in fed.spool.rglob("*.delta"):
        file.write_bytes(b"something else")
    with capture_logs() as logs:
        held = fed.begin()
        told = fed.hear()
    assert told.edition is None and told.refusal.reason == "truncated"
    assert held.notices == 1
    (line,) = (entry for entry in logs if entry["event"] == "publication refused")
    assert line["reason"] == "truncated" and line["advice"]
    assert "IMAGINARIEVA" not in str(logs)
    with fed.open() as mirror:
        mirror.check()
        assert mirror.counts().notices == 1


def test_the_ledgers_floor_binds_a_wiped_mirror(fed, tmp_path):
    old = fed.desk.copy(tmp_path / "old")
    fed.put_out(entry(2))
    fed.carry(welcome=False)
    fed.begin()
    fed.floors = dict(fed.hear().taken.floors)
    fed.end()
    fed.mirror.unlink()
    for name in Spool(fed.spool).names():
        Spool(fed.spool).remove(name)
    courier.import_folder(fed.welcome, Spool(fed.spool), BOOTH)
    courier.import_folder(old.root, Spool(fed.spool), BOOTH)
    assert fed.begin().notices == 0
    assert fed.hear().refusal.reason == "older"


def test_a_spool_that_is_not_there(house):
    house.spool.rmdir()
    assert house.begin().notices == 0
    house.put_out(entry(1))
    house.spool.mkdir()
    house.carry()
    while (told := house.hear()).edition is None:
        assert told.refusal is not None
    assert told.edition.notices == 1


def test_a_fault_of_our_own_is_told_and_the_thread_goes_on(house, monkeypatch):
    stumbles = [ZeroDivisionError("QUILLFEATHER")]
    forms = names.forms

    def stumbling(notice):
        if stumbles:
            raise stumbles.pop()
        return forms(notice)

    monkeypatch.setattr(names, "forms", stumbling)
    monkeypatch.setattr(notices, "TRY_AGAIN_S", 0.05)
    house.put_out(entry(1))
    house.carry()
    with capture_logs() as logs:
        house.begin()
        told = house.hear()
        assert "ZeroDivisionError" in told.refusal.detail and "QUILLFEATHER" not in str(told.refusal)
        assert house.hear().edition.notices == 1
    assert [line for line in logs if line["event"] == "intake met a fault of its own"]


# --- a damaged mirror ----------------------------------------------------------------------------------------


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(4096 + 100, len(content), 4096):
        content[place] ^= 0xFF
    path.write_bytes(content)


def test_a_damaged_mirror_is_set_aside_at_the_start_and_fetched_anew(fed):
    damage(fed.mirror)
    with capture_logs() as logs:
        edition = fed.begin()
        assert edition.notices == 0 and not edition.holds(("base",))
        told = fed.hear()
    assert told.edition.notices == 1 and found(told.edition, "QUILLFEATHER") == {"2026/1"}
    kept = [path for path in fed.state.iterdir() if path.name.startswith("mirror.db") and path != fed.mirror]
    assert kept
    assert [line["reason"] for line in logs if line["event"] == "mirror set aside"] == ["damaged"]


def test_a_mirror_that_is_damaged_while_it_runs(fed):
    fed.begin()
    fed.hear()
    damage(fed.mirror)
    fed.running[0].mistrust()
    told = fed.hear()
    assert told.refusal.reason == "damaged" and not told.edition.holds(("base",))
    while (told := fed.hear()).edition is None or not told.edition.notices:
        pass
    assert found(told.edition, "QUILLFEATHER") == {"2026/1"}


def test_mistrust_without_damage_changes_nothing(fed):
    fed.begin()
    fed.hear()
    fed.running[0].mistrust()
    told = fed.hear()
    assert told.refusal is None and told.edition.notices == 1
    assert not [path for path in fed.state.iterdir() if "damaged" in path.name]


def test_a_mirror_of_another_key_is_never_replaced(fed):
    before = fed.mirror.read_bytes()
    fed.keys = booth_keys.BoothKeys(bytes(32), fed.keys.ledger, fed.keys.signing, fed.keys.sealing)
    assert fed.begin().notices == 0
    assert fed.hear().refusal.reason == "wrong-key"
    fed.end()
    assert fed.mirror.read_bytes() == before


# --- names of an older software ------------------------------------------------------------------------------


def test_names_are_derived_anew_when_the_rules_have_changed(fed, monkeypatch):
    monkeypatch.setattr(names, "EDITION", "of the next software")
    forms = names.forms

    def newer(notice):
        for row in forms(notice):
            yield type(row)(row.entity_id, f"{row.tokens} NEWLYFOUND", row.kind)

    monkeypatch.setattr(names, "forms", newer)
    edition = fed.begin()
    assert found(edition, "NEWLYFOUND") == {"2026/1"}
    fed.end()
    with fed.open() as mirror:
        assert mirror.edition() == "of the next software"


def test_names_are_left_alone_while_the_rules_are_the_same(fed, monkeypatch):
    def never(notice):
        raise AssertionError("derived again")

    monkeypatch.setattr(names, "forms", never)
    assert fed.begin().notices == 1


def test_what_a_killed_core_left_in_the_workplace_is_removed(fed):
    left = fed.state / "trust" / "trust-left"
    left.mkdir()
    (left / "timestamp.json").write_text("{}")
    fed.begin()
    assert not left.exists()


# --- the index kept in the mirror ----------------------------------------------------------------------------


def forbid_building(monkeypatch):
    """From here on only a small segment may be built; a large one must come from the pages."""

    def never(self, lines):
        raise AssertionError("built again")

    monkeypatch.setattr(Holding, "bind", never)


def test_a_restart_reads_the_index_and_builds_none(fed, monkeypatch):
    forbid_building(monkeypatch)
    assert found(fed.begin(), "QUILLFEATHER") == {"2026/1"}


def test_a_delta_is_searched_beside_the_large_segment(house, monkeypatch):
    house.put_out(entry(1), entry(2, "IMAGINARIEVA"))
    house.carry()
    house.begin()
    turn = house.hear().edition.turn
    forbid_building(monkeypatch)
    house.put_out(entry(2, "NEVERWASOVA"), entry(3, "SPECIMENKO"))
    house.carry(welcome=False)
    edition = house.hear().edition
    assert edition.turn == turn and len(edition.index) == 3
    assert found(edition, "NEVERWASOVA") == {"2026/2"} and found(edition, "SPECIMENKO") == {"2026/3"}
    assert found(edition, "IMAGINARIEVA") == set()
    house.end()
    assert found(house.begin(), "NEVERWASOVA") == {"2026/2"}  # and so after a restart


def test_a_delta_that_has_grown_is_merged_without_another_publication(house, monkeypatch):
    monkeypatch.setattr("failsafe.agent.holding._GROWN_NOTICES", 0)
    house.put_out(entry(1))
    house.carry()
    house.begin()
    turn = house.hear().edition.turn
    house.put_out(entry(2, "IMAGINARIEVA"))
    house.carry(welcome=False)
    told = house.hear()
    assert told.edition.turn == turn and found(told.edition, "IMAGINARIEVA") == {"2026/2"}
    merged = house.hear()
    assert merged.taken is None and merged.edition.turn > turn
    assert same_index(told.edition, merged.edition) is merged.edition
    assert found(merged.edition, "IMAGINARIEVA") == {"2026/2"} and found(merged.edition, "QUILLFEATHER") == {"2026/1"}


@pytest.mark.parametrize("harm", ["DELETE FROM page WHERE place = 2", "UPDATE page SET bytes = x'00' WHERE place = 3"])
def test_damaged_pages_are_made_anew_and_it_is_said_once(fed, harm):
    with fed.open() as mirror:
        mirror._store.run(harm)
    with capture_logs() as logs:
        assert found(fed.begin(), "QUILLFEATHER") == {"2026/1"}
    assert [line["event"] for line in logs] == ["index is built anew"]
    fed.end()
    with fed.open() as mirror, capture_logs() as logs:
        assert found(Edition(Holding().index(mirror)), "QUILLFEATHER") == {"2026/1"}
    assert logs == []


def test_an_index_that_cannot_be_kept_is_used_all_the_same(fed, monkeypatch):
    def full(self, bind):
        raise StoreBroken("mirror.db has no room left.")

    with fed.open() as mirror:
        mirror._store.run("DELETE FROM page")
    monkeypatch.setattr(Mirror, "bind", full)
    assert found(fed.begin(), "QUILLFEATHER") == {"2026/1"}


def test_memory_that_an_intake_used_is_handed_back(house, monkeypatch):
    handed = queue.SimpleQueue()
    give_back = notices._give_back
    monkeypatch.setattr(notices, "_give_back", lambda: handed.put(give_back()))
    house.begin()
    house.put_out(entry(1))
    house.carry()
    assert house.hear().refusal is None
    while not handed.empty():
        handed.get()
    assert handed.get(timeout=PATIENCE_S) is None
