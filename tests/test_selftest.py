"""`failsafe selftest`: every line can fail, and where no core runs nothing of another user's is opened."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from failsafe.agent import keys
from failsafe.agent.commands import proofs, selftest
from failsafe.agent.commands.selftest import Line
from failsafe.agent.tables import LaneTable
from failsafe.drivers.simulator import Portal, PortalScript, Pty
from failsafe.sync.ledger import Ledger
from tests.test_cli import typed

BOOTH = """
booth = {{id = "ZZ-TEST-01", country = "ZZ", crossing_point = "Quillbridge", telephone = "+00 1"}}
hq = {{root_sha256 = "{root}"}}
folders = {{state = "{folder}/state", spool = "{folder}/spool", keys = "{folder}/keys"}}
core = {{socket = "{folder}/core.sock"}}
lanes = [{{name = "1"}}]
readers = [{{name = "passport-1", lane = "1", driver = "cute", port = "{folder}/reader"}}]
portals = [{{name = "portal-1", lane = "1", driver = "tsa", port = "{folder}/portal"}}]
"""


class House:
    """A booth's folders, and its devices on pseudo-terminals; no core runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "booth.toml"
        self.file.write_text(BOOTH.format(folder=folder, root="ab" * 32))
        keys.make(folder / "keys", "ZZ-TEST-01", "ZZ")
        for name in ("state", "spool", "spool/in", "spool/out"):
            (folder / name).mkdir(mode=0o750)
        Ledger.open(folder / "state" / "ledger.db", (folder / "keys" / "ledger.key").read_bytes()).close()

    def tested(self) -> dict[str, dict]:
        done = typed("selftest", "--config", self.file, "--json")
        told = json.loads(done.out)
        assert done.code == (1 if told["word"] == "FAULT" else 0)
        return {line["name"]: line for line in told["lines"]}


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    made = House(tmp_path)
    with Pty(tmp_path / "reader"), Pty(tmp_path / "portal") as pty:
        portal = Portal(pty, PortalScript(), pace=0.02)
        portal.start()
        try:
            yield made
        finally:
            portal.stop()


# --- where no core runs ----------------------------------------------------------------------------------------


def test_a_booth_that_stands_and_does_not_run_yet(house):
    told = house.tested()
    assert {name for name, line in told.items() if line["word"] == "FAULT"} == set()
    assert told["core"]["word"] == told["mirror"]["word"] == "ATTENTION"  # not started, so there is no mirror yet
    for name in ("keys", "state", "spool in", "spool out", "ledger", "clock", "matching", "alarms, lane 1"):
        assert told[name]["word"] == "OK", told[name]
    assert told["portal portal-1, lane 1"]["word"] == told["reader passport-1, lane 1"]["word"] == "OK"
    assert not (house.folder / "state" / "mirror.db").exists()


def test_each_fault_of_the_files_is_told(house):
    key = house.folder / "keys" / "signing.key"
    key.chmod(0o644)
    (house.folder / "spool" / "in").chmod(0o777)
    (house.folder / "spool" / "out").rmdir()
    (house.folder / "state").chmod(0o755)
    told = house.tested()
    assert "chmod 600" in told["keys"]["told"] and told["keys"]["word"] == "FAULT"
    assert (told["spool in"]["word"], told["spool out"]["word"], told["state"]["word"]) == (
        "FAULT",
        "ATTENTION",
        "ATTENTION",
    )
    assert told["databases"]["word"] == "ATTENTION"
    assert key.read_bytes().hex() not in json.dumps(told)


def test_another_key_opens_no_ledger(house):
    (house.folder / "keys" / "ledger.key").write_bytes(bytes(32))
    assert house.tested()["ledger"]["word"] == "FAULT"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away: run the tests as root")
def test_what_belongs_to_somebody_else_is_not_opened(house):
    state = house.folder / "state"
    os.chown(state / "ledger.db", 65534, 65534)
    os.chown(state, 65534, 65534)
    before = sorted(path.name for path in state.iterdir())
    told = house.tested()
    assert told["ledger"]["word"] == "ATTENTION" and "runuser" in told["ledger"]["advice"]
    assert (told["spool out"]["word"], "chown" in told["spool out"]["advice"]) == ("FAULT", True)
    assert sorted(path.name for path in state.iterdir()) == before


def test_a_port_that_is_not_there_and_one_that_says_nothing_good(house, monkeypatch):
    (house.folder / "reader").unlink()
    monkeypatch.setattr(selftest, "LISTENS_S", 0.5)
    text = house.file.read_text().replace('driver = "tsa"', 'driver = "radeye"')
    house.file.write_text(text)
    told = house.tested()
    assert told["reader passport-1, lane 1"]["word"] == "FAULT"
    portal = told["portal portal-1, lane 1"]
    assert portal["word"] == "FAULT" and portal["advice"]


def test_a_silent_port_is_no_detector(tmp_path, monkeypatch):
    house = House(tmp_path)
    monkeypatch.setattr(selftest, "LISTENS_S", 0.2)
    with Pty(tmp_path / "reader"), Pty(tmp_path / "portal"):
        told = house.tested()
    assert told["portal portal-1, lane 1"]["word"] == "FAULT"
    assert "said nothing" in told["portal portal-1, lane 1"]["told"]


def test_a_faulty_configuration_is_the_only_line(tmp_path):
    file = tmp_path / "booth.toml"
    file.write_text("[booth]\nid = 3\n")
    done = typed("selftest", "--config", file)
    assert done.code == 1 and done.out.startswith("FAULT: configuration")


def test_little_space_is_told(house, monkeypatch):
    monkeypatch.setattr(selftest, "_NO_SPACE", 1 << 60)
    assert house.tested()["disk"]["word"] == "FAULT"


def test_a_clock_that_was_never_set_is_a_fault():
    assert selftest._of_clock(0.0).word == "FAULT" and selftest._of_clock(1.8e9).word == "OK"


# --- the running core ------------------------------------------------------------------------------------------


def test_a_core_of_another_version_or_whose_recorder_is_blocked_is_a_fault():
    lines = list(selftest._of_core({"status": {"booth": "ZZ"}, "recorder": {"recorded": True, "ms": 1.0}}))
    assert [line.word for line in lines] == ["FAULT"]


# --- showing ---------------------------------------------------------------------------------------------------

LINES = [Line("keys", "OK", "All four."), Line("disk", "FAULT", "0.1 GiB [free]", "Free\x1b[31m space.")]


def test_the_table_has_each_word_and_steers_no_terminal(capsys):
    console = Console(record=True, width=80, force_terminal=True)
    selftest.show(LINES, console)
    shown = console.export_text()
    assert "FAULT" in shown and "0.1 GiB [free]" in shown and "\x1b[31m" not in shown
    capsys.readouterr()
    selftest.show(LINES, Console(force_terminal=False))
    assert capsys.readouterr().out.splitlines()[1] == "FAULT: disk: 0.1 GiB [free] Free [31m space."


def test_the_worst_word_is_that_of_the_whole():
    assert selftest.worst(LINES) == "FAULT" and selftest.worst(LINES[:1]) == "OK"
    assert selftest.worst([*LINES[:1], Line("x", "ATTENTION", "")]) == "ATTENTION"


# --- what is played in memory ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["vehicle", "pedestrian", "static"])
def test_a_sound_installation_proves_itself(kind):
    assert proofs.alarms(LaneTable(name="1", kind=kind)).failures == ()
    assert proofs.matching().failures == ()


def test_tests_that_alarm_at_everything_or_find_nothing_are_told(monkeypatch):
    nervous = LaneTable(name="1", false_alarms_neutron=0.99)  # no file may say so
    assert "It alarms on a mere background." in proofs.alarms(nervous).failures
    monkeypatch.setattr(proofs, "_SOURCE_CPS", proofs._DESK_CPS)
    assert proofs.alarms(LaneTable(name="1", kind="static")).failures == (
        "The booth's own tests do not find a source.",
    )


def test_a_matcher_that_finds_nobody_is_told(monkeypatch):
    monkeypatch.setitem(proofs._NOTICE, "name", "SOMEBODYELSE")
    assert proofs.matching().failures == ("The subject of a notice is not found by his document.",)
    told = {line.name: line for line in selftest._of_proofs(_lanes_without_detector())}
    assert told["matching"].word == "FAULT" and set(told) == {"matching"}


def _lanes_without_detector():
    from failsafe.agent.tables import BoothTable, Configuration

    booth = BoothTable(id="ZZ-TEST-01", country="ZZ", crossing_point="Quillbridge")
    return Configuration(booth=booth, lanes=(LaneTable(name="1", radiation="none"),))
