"""The demonstration as a whole: twenty crossings by one command, each with the verdict it should have."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from failsafe.agent.demo.cast import ACTS
from failsafe.agent.demo.house import program
from tests.story.journey import free_port

PATIENCE_S = 240


@pytest.mark.slow
def test_the_demonstration_ends_with_every_word_right() -> None:
    command = [program("failsafe"), "demo", "--once", "--json", "--port", str(free_port())]
    playing = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, told = playing.communicate(timeout=PATIENCE_S)
    finally:
        if playing.poll() is None:
            playing.send_signal(signal.SIGTERM)  # it then ends the house that it started
            playing.communicate(timeout=30)
    assert playing.returncode == 0, told
    assert out.count("\n") == 1, "one JSON object for programs, everything else for people"
    summary = json.loads(out)
    assert summary["crossings"] == len(ACTS) == 20
    assert summary["unexpected"] == 0, told
    words = summary["verdicts"]
    assert sum(words.values()) == 20
    assert set(words) == {word for act in ACTS for word in act.ends} & set(words) >= {"STOP", "CLEAR", "CANNOT CLEAR"}
    assert summary["alerts_raised"] >= words["STOP"] + words.get("CHECK", 0)
    assert 0 < summary["latency_us"]["p50"] <= summary["latency_us"]["p99"]
    for act in ACTS:
        assert act.title in told
    # What programs may rely on, by name.
    assert summary.keys() >= {"crossings", "verdicts", "alerts_raised", "alerts_at_hq_before", "alerts_at_hq_after"}
    assert summary.keys() >= {"cbrne_notified", "lost", "doubled", "latency_us"}
    assert (summary["lost"], summary["doubled"]) == (0, 0)
    assert summary["alerts_at_hq_after"] == summary["alerts_raised"]
    assert 0 < summary["alerts_at_hq_before"] < summary["alerts_raised"], "the line was cut for the second third"
    assert 0 < summary["cbrne_notified"] <= summary["alerts_raised"]


def test_a_demonstration_that_is_ended_early_clears_up_behind_itself(tmp_path: Path) -> None:
    """Its folder holds keys and a ledger: neither it nor a core may be left."""
    command = [program("failsafe"), "demo", "--once", "--json", "--port", str(free_port())]
    environment = {"TMPDIR": str(tmp_path), "PATH": str(Path(command[0]).parent), "LANG": "C.UTF-8"}
    playing = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert playing.stderr is not None
    try:
        line = b""
        while b"Officer's page" not in line:
            line = playing.stderr.readline()
            assert line, "the demonstration ended before its house stood"
        assert len(list(tmp_path.iterdir())) == 1
    finally:
        playing.send_signal(signal.SIGTERM)
        playing.communicate(timeout=60)
    assert playing.returncode == 1
    assert list(tmp_path.iterdir()) == []
