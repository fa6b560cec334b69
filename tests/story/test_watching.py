"""A technician watches the running booth's reader: the core tells him, and nobody's name leaves it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from failsafe.drivers.masking import masked_zone
from tests.story.journey import Journey, innocent


def watch(booth: Journey, *options: str) -> subprocess.Popen[str]:
    """`failsafe watch` beside the core, once it says that it listens."""
    command = [str(Path(sys.executable).with_name("failsafe")), "watch", "passport-1", "--json", *options]
    child = subprocess.Popen(
        [*command, "--config", str(booth.configuration)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stderr is not None and "The core is listening" in child.stderr.readline()
    return child


def test_a_watched_traveller_is_masked_and_a_specimen_is_not(running: Journey):
    zone = innocent(running.next_number())
    with watch(running, "--count", "1") as masked, watch(running, "--count", "1", "--specimen") as plain:
        running.reader.present(zone)
        seen, shown = json.loads(masked.communicate()[0]), json.loads(plain.communicate()[0])
    assert tuple(seen["lines"]) == masked_zone(zone) and seen["zone"]["valid"]
    assert tuple(shown["lines"]) == tuple(zone)
    assert "watched" in running.log()
    assert zone[1][:9] not in running.log()


def test_a_device_that_is_not_there_is_named(running: Journey):
    with running.visit() as core:
        answer = core.ask("watch", device="passport-9")
    assert answer["error"] and "passport-1" in answer["advice"]


def test_a_detector_is_looked_at_by_the_cores_own_monitor(running: Journey):
    with running.visit() as core:
        seen = core.ask("detector", device="portal-1")
        assert (seen["detector"], seen["health"], seen["line"]["state"]) == ("portal-1", "OK", "OK")
        assert seen["background_cps"]["gamma"] > 0 and seen["threshold_cps"] > seen["background_cps"]["gamma"]
        for other in ("passport-1", "portal-9"):
            assert "no such detector" in core.ask("detector", device=other)["error"]
