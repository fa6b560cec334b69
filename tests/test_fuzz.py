"""The fuzz target itself, on inputs made by hand and for a moment by chance; `make fuzz` goes on from there."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT, missing_part

try:
    from tests.fuzz import zones
except ImportError:  # atheris has wheels for Linux only
    zones = None


@pytest.fixture(autouse=True)
def _atheris() -> None:
    if zones is None:
        missing_part("needs atheris: pip install atheris")


@pytest.mark.parametrize("kind", [0, 17, 95, 96, 127, *range(128, 134)])
def test_inputs_of_every_kind_hold_the_invariant(kind: int) -> None:
    chance = random.Random(kind)
    for length in (0, 1, 30, 90, 300):
        zones.one(bytes([kind, *chance.randbytes(length)]))


def test_a_broken_invariant_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones.mrz, "without_citizen_number", lambda lines: (*lines, "more"))
    with pytest.raises(AssertionError):
        zones.zone(("A", "B"))


def test_the_target_runs_for_a_moment(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.zones", "-runs=2000", "-seed=5", f"-artifact_prefix={tmp_path}/"]
    ran = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert list(tmp_path.iterdir()) == []
