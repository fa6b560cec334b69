"""Drivers of third parties: found by entry point, loaded when asked for, and no danger to the others.

The driver of docs/driver-howto.md is built from the text of the page, installed, and used.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.drivers import driver
from failsafe.drivers.driver import Driver, DriverRefused
from failsafe.drivers.reading import DeviceHealth, Dose, Malformed, Unknown
from tests.conftest import PROJECT
from tests.streams import after_garbage, assert_cutting_does_not_matter, good, heard
from tests.test_config import faults, parse, sample_with

PAGE = (PROJECT / "docs" / "driver-howto.md").read_text("utf-8")
(PACKAGE,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
(MODULE,) = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
(SESSION,) = re.findall(r"^```\n(\$.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)

LINE = b"$R,0.14,0*79\r\n"
FAULTY = b"$R,0.30,4*7B\r\n"
OTHER = b"$Q,1*4C\r\n"


def entry_point(folder: Path, name: str, value: str, module: str = "") -> None:
    """An installed distribution, as far as anybody asks: its metadata, and a module beside it."""
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{driver.ENTRY_POINTS}]\n{name} = {value}\n")
    if module:
        (folder / f"{value.partition(':')[0]}.py").write_text(module)


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A folder of installed packages that Python looks into."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


# --- finding -------------------------------------------------------------------------------------------------


def test_the_house_has_its_own_and_each_has_its_name():
    names = [one.name for one in driver.built_in()]
    assert len(names) == len(set(names)) >= 13
    assert all(driver.find(name).name == name for name in names)


def test_a_name_nobody_has_is_told_with_those_there_are(site):
    entry_point(site, "odd-meter", "odd_meter:DRIVER")
    with pytest.raises(KeyError, match=r"no driver 'geiger'.*odd-meter.*tsa"):
        driver.find("geiger")


def test_a_third_partys_driver_is_found(site):
    module = MODULE.replace('name="example-meter"', 'name="odd-meter"')
    entry_point(site, "odd-meter", "odd_meter_found:DRIVER", module)
    assert "odd-meter" in driver.installed()
    found = driver.find("odd-meter")
    assert isinstance(found, Driver) and (found.name, found.role) == ("odd-meter", "radiation")


@pytest.mark.parametrize(
    ("value", "module"),
    [
        ("no_such_module_anywhere:DRIVER", ""),
        ("meter_of_errors:DRIVER", "raise RuntimeError('secret of a third party')\n"),
        ("meter_of_syntax:DRIVER", "DRIVER = (\n"),
        ("meter_without:DRIVER", "PI = 3\n"),
        ("meter_of_another_kind:DRIVER", "DRIVER = 'a driver'\n"),
        ("meter_of_another_name:DRIVER", "from failsafe.drivers.tsa import DRIVER\n"),
    ],
)
def test_one_that_is_none_is_refused_with_advice_and_spoils_no_other(site, value, module):
    entry_point(site, "broken-meter", value, module)
    with pytest.raises(DriverRefused, match="broken-meter") as refused:
        driver.find("broken-meter")
    assert isinstance(refused.value, KeyError) and "secret" not in str(refused.value)
    assert str(refused.value).endswith("says what a driver is.")
    assert driver.find("tsa").name == "tsa"
    assert "broken-meter" in driver.installed()


def test_a_driver_of_the_house_cannot_be_replaced(site):
    entry_point(site, "tsa", "false_tsa:DRIVER", MODULE.replace('name="example-meter"', 'name="tsa"'))
    assert driver.find("tsa").makes.startswith("TSA")
    assert driver.installed().count("tsa") == 1


# --- the page ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Driver:
    """The page's driver, loaded from a file."""
    file = tmp_path_factory.mktemp("page") / "example_meter.py"
    file.write_text(MODULE)
    specification = spec_from_file_location("example_meter_of_the_page", file)
    module = module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.DRIVER


def test_the_pages_driver_has_sixty_lines():
    assert len(MODULE.splitlines()) <= 60


def test_the_pages_driver_built_and_installed_does_what_the_page_shows(tmp_path):
    """By pip and the entry point, through the real command, with the page's own input and output."""
    source, site = tmp_path / "example-meter", tmp_path / "site"
    source.mkdir()
    (source / "pyproject.toml").write_text(PACKAGE)
    (source / "example_meter.py").write_text(MODULE)
    words = ["install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", site, source]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, words)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    install, command, *answers = SESSION.splitlines()
    assert install.startswith("$ pip install")
    said, name = re.fullmatch(r"\$ printf '(.*)' \| failsafe decode (\S+)", command).groups()
    told = subprocess.run(
        [sys.executable, "-c", "from failsafe.agent.cli import main; main()", "decode", name],
        input=said.encode().decode("unicode_escape").encode(),
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert told.returncode == 0, told.stderr.decode()
    assert [json.loads(line) for line in told.stdout.splitlines()] == [json.loads(line) for line in answers]


def test_the_pages_driver_tells_states_and_counts_other_tags(example):
    assert heard(example.decoder, FAULTY, FAULTY, OTHER, LINE) == [
        DeviceHealth(50.0, "DEVICE", False, "state 4"),
        Dose(50.0, 300.0),
        Dose(50.0, 300.0),
        Unknown(50.0, "Q"),
        DeviceHealth(50.0, "DEVICE", True, "state 0"),
        Dose(50.0, 140.0),
    ]
    assert heard(example.decoder, LINE.replace(b"0.14", b"0.15")) == [Malformed(50.0, "no line of this device", 12)]


def test_the_pages_driver_asks_and_minds_a_silence(example):
    decoder = example.decoder()
    assert decoder.to_send(0.0) == b"START\r\n"
    assert decoder.receive(LINE, 1.0) == [Dose(1.0, 140.0)]
    assert decoder.receive(b"", 6.0) == [DeviceHealth(6.0, "DEVICE", False, "The device does not answer.")]
    assert decoder.to_send(6.0) == b"START\r\n"
    assert [reading.ok for reading in decoder.receive(FAULTY, 7.0)[:-1]] == [True, False]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_the_pages_driver_keeps_the_promises_of_the_page(example, garbage, places):
    assert_cutting_does_not_matter(example.decoder, LINE + FAULTY + garbage + LINE, places)
    assert good(after_garbage(example.decoder, garbage, LINE))[-1] == Dose(50.0, 140.0)


# --- in the configuration ------------------------------------------------------------------------------------


def test_a_third_partys_driver_may_stand_in_the_configuration_for_its_own_kind(site):
    module = MODULE.replace('name="example-meter"', 'name="desk-meter"')
    entry_point(site, "desk-meter", "desk_meter:DRIVER", module)
    parse(sample_with('driver = "tsa"', 'driver = "desk-meter"'))
    (fault,) = faults(sample_with('driver = "cute"', 'driver = "desk-meter"'))
    assert (fault.key, fault.what) == ("readers.1.driver", "`desk-meter` is no driver for readers.")


def test_one_that_does_not_load_is_a_fault_with_its_reason(site):
    entry_point(site, "torn-meter", "no_such_module_at_all:DRIVER")
    (fault,) = faults(sample_with('driver = "tsa"', 'driver = "torn-meter"'))
    assert fault.key == "portals.1.driver" and "does not load" in fault.what and "docs/driver-howto.md" in fault.advice
