"""A portal's address in the configuration: what it may be, what it may not, and where its relay is then looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from failsafe.agent import config
from failsafe.agent.config import Configuration, ConfigurationRefused, Fault

HEAD = """
booth = {id = "ZZ-TEST-01", country = "ZZ", crossing_point = "Invented Gate", telephone = "+00"}
[[lanes]]
name = "1"
"""
PORTAL = '[[portals]]\nname = "portal-1"\nlane = "1"\ndriver = "tsa"\n'


def parsed(portal: str, head: str = HEAD) -> Configuration:
    return config.parse(f"{head}{PORTAL}{portal}\n".encode(), Path("booth.toml"))


def faults(portal: str) -> tuple[Fault, ...]:
    with pytest.raises(ConfigurationRefused) as refused:
        parsed(portal)
    return refused.value.faults


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("192.0.2.20:10001", ("192.0.2.20", 10001)),
        ("[2001:0DB8::20]:10001", ("2001:db8::20", 10001)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
    ],
)
def test_an_address_is_one_in_digits_with_its_port(address, peer):
    configuration = parsed(f'address = "{address}"')
    (portal,) = configuration.portals
    assert portal.peer() == peer
    assert configuration.port_of(portal) == "unix:/run/failsafe-line/portal-1/line.sock"


@pytest.mark.parametrize(
    "address",
    [
        "portal.example:10001",
        "192.0.2.20",
        "192.0.2.20:",
        "192.0.2.20:70000",
        "192.0.2.20:0",
        "192.0.2.256:10001",
        "192.0.2:10001",
        "0.0.0.0:10001",
        "224.0.0.1:10001",
        "[ff02::1]:10001",
        "[2001:db8::20:10001",
        "2001:db8::20:10001",
        "[fe80::1%eth0]:10001",
        "192.0.2.20:10001\\n",
        "",
    ],
)
def test_anything_else_is_a_fault_with_an_example(address):
    (fault,) = faults(f'address = "{address}"')
    assert fault.key == "portals.1.address"
    assert '"192.0.2.20:10001"' in fault.advice


def test_a_portal_is_at_one_place():
    (both,) = faults('port = "/dev/ttyS0"\naddress = "192.0.2.20:10001"')
    assert both.key == "portals.1.port" and "address" in both.what
    (neither,) = faults("")
    assert neither.key == "portals.1.port" and "`address`" in neither.advice
    assert parsed('port = "/dev/ttyS0"').port_of(parsed('port = "/dev/ttyS0"').portals[0]) == "/dev/ttyS0"


def test_a_place_that_is_written_wrongly_is_told_once():
    assert [fault.key for fault in faults("port = 5")] == ["portals.1.port"]
    assert [fault.key for fault in faults("address = 5")] == ["portals.1.address"]


def test_two_portals_do_not_share_an_address():
    second = PORTAL.replace("portal-1", "portal-2").replace('lane = "1"', 'lane = "2"')
    text = f'{HEAD}[[lanes]]\nname = "2"\n{PORTAL}address = "192.0.2.20:1"\n{second}address = "192.0.2.20:1"\n'
    with pytest.raises(ConfigurationRefused) as refused:
        config.parse(text.encode(), Path("booth.toml"))
    (fault,) = refused.value.faults
    assert fault.key == "portals.2.address" and "twice" in fault.what


@pytest.mark.parametrize("name", ["the portal", "../portal", "portal/1", "-p", "@1"])
def test_a_name_that_no_unit_can_have_is_a_fault_where_there_is_one(name):
    text = f'{HEAD}{PORTAL}address = "192.0.2.20:1"\n'.replace("portal-1", name)
    with pytest.raises(ConfigurationRefused) as refused:
        config.parse(text.encode(), Path("booth.toml"))
    (fault,) = refused.value.faults
    assert fault.key == "portals.1.name" and "unit" in fault.what


def test_a_reader_has_no_address():
    text = HEAD + '[[readers]]\nname = "r"\nlane = "1"\ndriver = "cute"\nport = "x"\naddress = "192.0.2.20:1"\n'
    with pytest.raises(ConfigurationRefused) as refused:
        config.parse(text.encode(), Path("booth.toml"))
    (fault,) = refused.value.faults
    assert fault.key == "readers.1.address"


def test_line_settings_mean_nothing_over_tcp():
    text = f'{HEAD}{PORTAL}address = "192.0.2.20:1"\nparity = "O"\n'
    (caution,) = (one for one in config.cautions(text.encode(), Path("booth.toml")) if "parity" in one.key)
    assert "network" in caution.what
    assert not [one for one in config.cautions(text.replace("parity", "# ").encode(), Path("x")) if "parity" in one.key]
