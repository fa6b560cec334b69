"""What core and link may not do, tried from inside their own sandboxes on a booted booth."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from failsafe.agent import keys
from tests.booth.machine import HQ_ADDRESS, PREFIX, Machine

PROBE = Path(__file__).with_name("probe.py")
# Everything of the unit but what makes it the service that it is.
OWN = re.compile(r"^(Type|NotifyAccess|ExecStart|Restart|RestartSec|WatchdogSec|WatchdogSignal)=.*\n", re.MULTILINE)


def probed(machine: Machine, unit: str, setting: str = "") -> Mapping[str, Any]:
    """What the probe tells from inside the sandbox of a unit, which it shares to the letter but for one setting.

    The sandbox of a template is tried by an instance of its own, `probe`.
    """
    name, started = f"probe-{unit}", f"probe-{unit}probe" if unit.endswith("@") else f"probe-{unit}"
    shipped = (machine.root / f"etc/systemd/system/{unit}.service").read_text("utf-8")
    ours = re.sub(r"^(Requires|WantedBy)=.*\n", "", OWN.sub("", shipped), flags=re.MULTILINE)
    program = f"/{PREFIX}/bin/python /{PREFIX}/probe.py {HQ_ADDRESS} {machine.hq_port}"
    service = f"[Service]\nType=oneshot\nExecStart={program}\nStandardOutput=file:/run/{name}.json\n"
    machine.write(f"{PREFIX}/probe.py", PROBE.read_text("utf-8"))
    machine.write(f"etc/systemd/system/{name}.service", ours.replace("[Service]\n", service, 1))
    machine.drop_in(name, "container", "DeviceAllow=char-pts rw" if unit == "failsafe-core" else setting)
    machine.inside("systemctl", "daemon-reload")
    machine.inside("systemctl", "start", f"{started}.service")
    answer: Mapping[str, Any] = json.loads(machine.inside("cat", f"/run/{name}.json"))
    return answer


@pytest.fixture(scope="module")
def core(machine: Machine) -> Mapping[str, Any]:
    machine.await_ready()
    return probed(machine, "failsafe-core")


@pytest.fixture(scope="module")
def link(machine: Machine) -> Mapping[str, Any]:
    machine.await_ready()
    return probed(machine, "failsafe-link")


def assert_denied(told: Mapping[str, Any], *attempts: str) -> None:
    assert {name: told[name] for name in attempts if told[name] == "ok"} == {}, "went through"


def assert_allowed(told: Mapping[str, Any], *attempts: str) -> None:
    assert {name: told[name] for name in attempts if told[name] != "ok"} == {}, "was denied"


# --- the core ------------------------------------------------------------------------------------------------


def test_the_core_can_do_its_work(core):
    assert_allowed(core, "core state", "spool out", "read spool in", "reader", "configuration", "control folder")
    assert core["credentials"] == sorted([*keys._LENGTHS, *(f"{keys.NEXT}{name}" for name in keys.DISK_KEYS)])


def test_long_work_may_stand_back_and_go_first_and_no_more(core):
    assert_allowed(core, "stand back", "be the first to go")
    assert_denied(core, "step forward")


def test_the_core_has_no_network(core):
    assert_denied(core, "internet socket", "packet socket", "headquarters", "page", "bind")
    assert core["interfaces"] == ["lo"]


def test_the_core_cannot_touch_what_is_the_links(core):
    assert_denied(core, "link state", "spool in", "link credentials")


# --- the link ------------------------------------------------------------------------------------------------


def test_the_link_can_do_its_work(link):
    assert_allowed(link, "link state", "spool in", "read spool out", "configuration", "headquarters")
    assert link["credentials"] == [keys.LINK_KEY]


def test_the_link_sees_neither_notices_nor_ledger_nor_keys(link):
    assert_denied(link, "core state", "core credentials", "spool out")


def test_the_link_reaches_no_device_and_not_the_core(link):
    assert_denied(link, "reader", "control folder", "packet socket")


# --- both ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["core", "link"])
def test_neither_can_change_the_machine_or_itself(unit, request):
    told = request.getfixturevalue(unit)
    assert_denied(told, "sealed keys", "plain keys", "write configuration", "write program", "home", "kernel settings")
    assert_denied(told, "executable memory", "namespace", "root", "mount")
    assert told["processes"] == 1, "sees other processes than its own"
