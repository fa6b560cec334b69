"""How a lane watches for radiation is one record in the ledger at each change, and headquarters hears of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from failsafe.agent import config
from failsafe.agent.knowledge import declaring, watched_with
from failsafe.sync.ledger import Ledger
from failsafe.sync.reports import HealthChange, Moment, Place

SAMPLE = Path(__file__).parent.parent.joinpath("docs", "booth.toml").read_text("utf-8")


def watched(old: str = "", new: str = "") -> str:
    assert not old or SAMPLE.count(old) == 1
    configuration = config.parse(SAMPLE.replace(old, new).encode(), Path("booth.toml"))
    return watched_with(configuration, configuration.lanes[0])


def test_what_a_lane_watches_with_is_said_in_one_line():
    assert watched() == "portal-1 (tsa); vehicle lane; false alarms 0.001 gamma, 0.0001 neutron"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('kind = "vehicle"', 'kind = "pedestrian"'),
        ('kind = "vehicle"', 'kind = "static"'),
        ("false_alarms_gamma = 0.001", "false_alarms_gamma = 0.0005"),
        ("false_alarms_neutron = 0.0001", "false_alarms_neutron = 0.001"),
        ('driver = "tsa"', 'driver = "n42"'),
        ('name = "portal-1"', 'name = "portal-2"'),
        ("# nsigma = 4.0", "nsigma = 4.0"),
    ],
)
def test_kind_budgets_and_detector_each_make_another_line(old, new):
    assert watched(old, new) != watched()


def test_a_static_lane_says_how_long_it_measures():
    assert "measuring 10 s" in watched('kind = "vehicle"', 'kind = "static"')


def test_a_change_is_recorded_once_and_goes_to_headquarters(tmp_path):
    at, place = (
        Moment(wall="2026-01-01T00:00:00Z", monotonic_s=1.0, trusted=True),
        Place(booth="ZZ-X-01", country="ZZ", crossing_point="X"),
    )
    ledger = Ledger.open(tmp_path / "ledger.db", b"k" * 32)
    for number, now in enumerate(["portal-1", "portal-1", "none declared", "none declared", "portal-1"]):
        change = HealthChange(
            id=f"00000000-0000-7000-8000-00000000000{number}", at=at, place=place, part="lane 1", was="", now=now
        )
        declaring("1", change)(ledger)
    assert ledger.settings() == {"1": "portal-1"}
    told = [entry.body for entry in ledger.entries()]
    assert [(one.part, one.was, one.now) for one in told] == [
        ("lane 1", "", "portal-1"),
        ("lane 1", "portal-1", "none declared"),
        ("lane 1", "none declared", "portal-1"),
    ]
    assert ledger.undelivered().entries == 3
    ledger.check()
    ledger.close()
