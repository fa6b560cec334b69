"""What the bench says of names: the rival in its environment, and the figures of ours beside it."""

from __future__ import annotations

import zipfile

import pytest

from tests.bench import rival

PAIRS = [("Vladimir Putin", "Владимир Путин"), ("Vladimir Putin", "Ingrid Holm"), ("Ingrid Holm", "Ingrid Holm")]


@pytest.fixture
def rivals(missing_part):
    if not rival.installed():
        missing_part("logic-v2 is not installed: make rivals")


def test_logic_v2_answers_from_its_own_environment(rivals):
    answered = rival.ask(PAIRS)
    assert answered is not None and "logic-v2" in answered.name and answered.us_a_pair > 0
    same, other, itself = answered.scores
    assert itself == 1.0 and same > 0.7 > other


def test_a_missing_rival_is_none_and_a_broken_one_a_fault(tmp_path):
    python = tmp_path / "bin" / "python"
    assert rival.ask(PAIRS, python) is None
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho 1.0\nexit 3\n")
    python.chmod(0o700)
    assert rival.ask(PAIRS, python) is None  # begun, not ended
    (tmp_path / ".installed").touch()
    with pytest.raises(rival.RivalFault, match=r"ended with 3 .* make rivals") as told:
        rival.ask(PAIRS, python)
    assert "Putin" not in str(told.value)


def test_the_stand_in_is_a_wheel_with_nothing_in_it(tmp_path):
    with zipfile.ZipFile(rival.stand_in(tmp_path / "wheels")) as wheel:
        assert all(".dist-info/" in name for name in wheel.namelist())
        assert b"Name: pyicu" in wheel.read("pyicu-2.99.dist-info/METADATA")
