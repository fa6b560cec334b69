"""From the tables of `booth.toml` to a lane: the rules of its crossings, and what follows its detector. Pure."""

from __future__ import annotations

import importlib.metadata
from typing import Final

from failsafe.agent.crossing import LaneSettings
from failsafe.agent.radiation.course import Instrument
from failsafe.agent.radiation.detector import DetectorSettings, LaneMonitor
from failsafe.agent.radiation.own_alarm import Budget
from failsafe.agent.radiation.static_monitor import StaticMonitor
from failsafe.agent.tables import LaneTable
from failsafe.drivers.driver import Driver

_USUAL: Final = DetectorSettings()


def version() -> str:
    """This program's, as it was installed."""
    return importlib.metadata.version("failsafe-edge")


def crossings(lane: LaneTable) -> LaneSettings:
    """A lane's rules of crossings: only a vehicle's passage answers for several travellers."""
    return LaneSettings(
        detector=lane.radiation == "portal",
        order=lane.order,
        shared=lane.kind == "vehicle",
        measured=lane.kind == "static",
        before_s=lane.window_before_s,
        after_s=lane.window_after_s,
        closes_after_s=lane.close_after_s,
    )


def monitor(lane: LaneTable, detector: str, driver: Driver, run: str, nsigma: float | None = None) -> LaneMonitor:
    """What follows a detector: a device on the desk knows no passages.

    Args:
        lane: where it stands.
        detector: its name.
        driver: says how long it may be silent.
        run: see `LaneMonitor`.
        nsigma: the factor of its own alarm, where it is configured.
    """
    settings = DetectorSettings(
        late_s=driver.late_s or _USUAL.late_s,
        down_s=driver.down_s or _USUAL.down_s,
        nsigma=nsigma,
        kind=lane.kind,
        budget=Budget(lane.false_alarms_gamma, lane.false_alarms_neutron),
        measuring_s=lane.measuring_s,
        instrument=Instrument(driver.name, driver.makes, version()),
    )
    return (StaticMonitor if lane.kind == "static" else LaneMonitor)(detector, run, settings)
