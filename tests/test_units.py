"""The unit files as they are shipped: what systemd says of them, and that they agree with the program."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from click.testing import CliRunner

from failsafe.agent import keys
from failsafe.agent.cli import failsafe
from failsafe.agent.config import CoreTable, FoldersTable, LinkTable, PageTable
from failsafe.agent.demo.house import program as find_program
from failsafe.hq.cli import DEFAULT_HOME
from failsafe.hq.server import DEFAULT_CCC_PORT, DEFAULT_PORT
from tests.conftest import PROJECT

UNITS = PROJECT / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
# The most that `systemd-analyze security` may find exposed, of 10.
EXPOSURE = {"failsafe-core": 0.5, "failsafe-link": 1.0, "failsafe-line@": 0.9, "failsafe-hq": 2.0}
LINK_MAY_NOT = {"/var/lib/failsafe", "/run/failsafe", "/etc/failsafe/keys", "/etc/failsafe/credentials"}
RELAY_MAY_NOT = {*LINK_MAY_NOT, "/var/lib/failsafe-link", "/var/spool/failsafe"}


def settings(name: str) -> dict[str, list[str]]:
    """Every setting of a unit file, with all its values in order."""
    found = defaultdict(list)
    for line in (UNITS / name).read_text("utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


def words(name: str, key: str) -> list[str]:
    return " ".join(settings(name)[key]).split()


@pytest.fixture(scope="module")
def analyze(missing_part) -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        missing_part("needs systemd-analyze (systemd)")
    return found


# --- what systemd says ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", EXPOSURE)
def test_exposure(analyze, unit):
    threshold = f"--threshold={EXPOSURE[unit] * 10:.0f}"
    words = [analyze, "security", "--offline=true", "--no-pager", threshold, str(UNITS / f"{unit}.service")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)[1]) <= EXPOSURE[unit]


def test_verify_is_silent(analyze, tmp_path):
    """Over copies that name a program which is there: /opt/failsafe is not on every machine."""
    copies = []
    for unit in sorted([*SERVICES, *UNITS.glob("*.socket")]):
        copy = tmp_path / unit.name
        copy.write_text(re.sub(r"/opt/failsafe/bin/\S+", "/bin/true", unit.read_text("utf-8")), "utf-8")
        copies.append(str(copy))
    done = subprocess.run([analyze, "verify", "--man=no", *copies], capture_output=True, text=True, check=False)
    # What other units of this machine are like is not ours.
    said = [line for line in (done.stdout + done.stderr).splitlines() if "failsafe" in line]
    assert said == []
    assert done.returncode == 0, done.stderr


def test_every_service_is_measured():
    assert {service.stem for service in SERVICES} == set(EXPOSURE)


# --- what all services share -----------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.stem)
def test_it_is_started_again_for_ever_and_watched(service):
    found = settings(service.name)
    assert found["Type"] == ["notify"]
    assert found["NotifyAccess"] == ["main"]
    assert found["Restart"] == ["always"]
    assert found["StartLimitIntervalSec"] == ["0"]
    assert int(found["WatchdogSec"][0].removesuffix("s")) >= 20, "the slowest part, a lost line, turns each 5 s"


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.stem)
def test_it_waits_for_neither_network_nor_time(service):
    text = service.read_text("utf-8")
    assert not re.search(r"^[^#]*(network-online|time-sync|time-set)", text, flags=re.MULTILINE)


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.stem)
def test_no_core_file_can_hold_keys(service):
    assert settings(service.name)["LimitCORE"] == ["0"]


# --- that they agree with the program ----------------------------------------------------------------------------


def test_the_core_gets_exactly_its_keys():
    given = {value.partition(":")[0] for value in settings("failsafe-core.service")["LoadCredentialEncrypted"]}
    coming = {f"{keys.NEXT}{name}" for name in keys.DISK_KEYS}
    assert given == set(keys._LENGTHS) | coming
    # Without a word in its place a missing file would keep the core from starting.
    assert {value.partition(":")[0] for value in settings("failsafe-core.service")["SetCredential"]} == coming


def test_the_link_gets_its_own_key_and_no_other():
    given = [value.partition(":")[0] for value in settings("failsafe-link.service")["LoadCredentialEncrypted"]]
    assert given == [keys.LINK_KEY]


def test_seal_keys_seals_every_key():
    listed = re.search(r'^keys="([^"]+)"', (UNITS / "seal-keys").read_text("utf-8"), flags=re.MULTILINE)[1]
    assert set(listed.split()) == {*keys._LENGTHS, keys.LINK_KEY}


def test_plain_keys_are_the_same_keys():
    plain = (UNITS / "site" / "plain-keys.conf").read_text("utf-8")
    assert set(re.findall(r"^LoadCredential=([^:]+):", plain, flags=re.MULTILINE)) == {
        *keys._LENGTHS,
        *(f"{keys.NEXT}{name}" for name in keys.DISK_KEYS),
    }


def test_page_and_folders_are_the_configurations_own():
    assert settings("failsafe-core.socket")["ListenStream"] == [f"127.0.0.1:{PageTable().port}"]
    assert settings("failsafe-core.socket")["FileDescriptorName"] == ["page"]
    spool = FoldersTable().spool
    assert words("failsafe-core.service", "ReadWritePaths") == [f"{spool}/out", str(Path(CoreTable().socket).parent)]
    assert words("failsafe-core.service", "ReadOnlyPaths") == [f"{spool}/in"]
    assert words("failsafe-link.service", "ReadWritePaths") == [f"{spool}/in"]
    assert words("failsafe-link.service", "ReadOnlyPaths") == [f"{spool}/out"]
    assert FoldersTable().state == f"/var/lib/{settings('failsafe-core.service')['StateDirectory'][0]}"
    assert LinkTable().state == f"/var/lib/{settings('failsafe-link.service')['StateDirectory'][0]}"


def test_headquarters_listens_where_its_program_does():
    assert settings("failsafe-hq.socket")["ListenStream"] == [str(DEFAULT_PORT)]
    assert settings("failsafe-hq-page.socket")["ListenStream"] == [f"127.0.0.1:{DEFAULT_CCC_PORT}"]
    assert settings("failsafe-hq.service")["Environment"] == [f"FAILSAFE_HQ_HOME={DEFAULT_HOME}"]


def test_the_core_has_no_network():
    found = settings("failsafe-core.service")
    assert found["PrivateNetwork"] == ["yes"]
    assert found["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert found["IPAddressDeny"] == ["any"]


def test_the_link_sees_nothing_of_the_core():
    hidden = {path.removeprefix("-") for path in words("failsafe-link.service", "InaccessiblePaths")}
    assert hidden == LINK_MAY_NOT
    assert settings("failsafe-link.service")["PrivateDevices"] == ["yes"]
    assert not settings("failsafe-link.service")["DeviceAllow"]


def test_a_relay_has_neither_keys_nor_devices_nor_anything_of_core_and_link():
    found = settings("failsafe-line@.service")
    hidden = {path.removeprefix("-") for path in words("failsafe-line@.service", "InaccessiblePaths")}
    assert hidden == RELAY_MAY_NOT
    assert not [
        key for key in found if "Credential" in key or key in ("DeviceAllow", "ReadWritePaths", "StateDirectory")
    ]
    assert found["PrivateDevices"] == ["yes"]


def test_a_relay_may_call_nobody_until_it_is_told_whom():
    found = settings("failsafe-line@.service")
    assert (found["IPAddressDeny"], found["SocketBindDeny"]) == (["any"], ["any"])
    assert "IPAddressAllow" not in found


def test_a_relays_socket_lies_where_the_core_looks_for_it():
    found = settings("failsafe-line@.service")
    assert [f"/run/{folder}" for folder in found["RuntimeDirectory"]] == [f"{FoldersTable().lines}/%i"]
    assert found["RuntimeDirectoryMode"] == ["0750"]
    assert found["ExecStart"] == ["/opt/failsafe/bin/failsafe line %i"]


def test_only_the_core_is_let_into_the_relays_group():
    made = (UNITS / "sysusers.d" / "failsafe.conf").read_text("utf-8")
    members = re.findall(rf"^m (\S+)\s+{settings('failsafe-line@.service')['Group'][0]}$", made, flags=re.MULTILINE)
    assert members == settings("failsafe-core.service")["User"]


def test_install_writes_the_one_address_a_relay_may_call(tmp_path):
    configuration = tmp_path / "booth.toml"
    configuration.write_text(
        """
        booth = {id = "ZZ-TEST-01", country = "ZZ", crossing_point = "Invented Gate"}
        lanes = [{name = "1"}]
        portals = [{name = "portal-1", lane = "1", driver = "tsa", address = "[2001:0db8::20]:10001"}]
        """
    )
    program = tmp_path / "failsafe"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(find_program("failsafe"))} "$@" --config {configuration}\n')
    program.chmod(0o755)
    environment = {"DESTDIR": str(tmp_path), "PATH": "/usr/bin:/bin", "FAILSAFE": str(program)}
    subprocess.run([UNITS / "install", "line", "portal-1"], env=environment, check=True)
    drop_in = tmp_path / "etc/systemd/system/failsafe-line@portal-1.service.d/address.conf"
    applied = [line for line in drop_in.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert applied == ["[Service]", "IPAddressAllow=2001:db8::20"]
    done = subprocess.run([UNITS / "install", "line", "portal-2"], env=environment, capture_output=True, text=True)
    assert done.returncode != 0 and "portal-1" in done.stderr
    assert not drop_in.parent.with_name("failsafe-line@portal-2.service.d").exists()


def test_every_user_and_group_of_a_unit_is_made():
    made = "".join(path.read_text("utf-8") for path in (UNITS / "sysusers.d").iterdir())
    for service in SERVICES:
        for key in ("User", "Group"):
            (name,) = settings(service.name)[key]
            assert re.search(rf"^u {name}\s", made, flags=re.MULTILINE), name


def test_every_rule_names_a_serial_number():
    """A rule for an adapter's kind would take the next best device for a reader."""
    rules = (UNITS / "udev" / "70-failsafe.rules.example").read_text("utf-8")
    applied = [line for line in rules.splitlines() if line and not line.startswith("#")]
    assert applied
    for line in applied:
        assert "ID_SERIAL_SHORT}==" in line, line


def test_install_puts_everything_in_place(tmp_path):
    for what in ("booth", "hq"):
        subprocess.run([UNITS / "install", what], env={"DESTDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=True)
    there = {path.name for path in (tmp_path / "etc/systemd/system").iterdir()}
    assert there == {unit.name for unit in UNITS.glob("failsafe-*.*")}
    assert (tmp_path / "etc/sysusers.d/failsafe.conf").is_file()


def test_install_asks_which_machine_it_is():
    done = subprocess.run([UNITS / "install"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "booth" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can import into another user's folder")
def test_root_does_not_import_into_the_links_folder(tmp_path):
    """The link could not replace what root would have made there."""
    configuration = tmp_path / "booth.toml"
    configuration.write_text(
        f"""
        booth = {{id = "ZZ-TEST-01", country = "ZZ", crossing_point = "Invented Gate"}}
        folders = {{spool = "{tmp_path}/spool"}}
        lanes = [{{name = "1"}}]
        """
    )
    place = tmp_path / "spool" / "in"
    place.mkdir(parents=True)
    os.chown(place, 4711, 4711)
    stick = tmp_path / "stick"
    stick.mkdir()
    done = CliRunner().invoke(failsafe, ["courier", "import", str(stick), "--config", str(configuration)])
    assert done.exit_code == 1
    assert "runuser -u '#4711'" in done.output
    assert list(place.iterdir()) == []
