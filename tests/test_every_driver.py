"""What every detector's driver promises, also the one that the page builds: one test for all of them.

A driver that joins the house must join `SAID`.
"""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_loader

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.drivers.driver import Decoder, Driver, built_in
from failsafe.drivers.reading import DeviceHealth, Malformed, Reading, Unknown
from tests.streams import assert_cutting_does_not_matter
from tests.test_cpm_lines import BNRDD, EARLY, ID, OHM, summed
from tests.test_driver import FAULTY, LINE, MODULE, OTHER
from tests.test_gmc import LONG
from tests.test_n42 import counts, document, measured
from tests.test_radeye import ALARMED, PRDER
from tests.test_radeye import LINE as RADEYE
from tests.test_tsa import GA, GB, GS, GX, NB, NEWER_SETUP

PASSAGE = document(
    measured(counts("g", 50), kind="Background", occupied="false"),
    measured(counts("g", 90), occupied="true", start="2026-11-22T03:00:01Z"),
    measured(counts("g", 50), kind="Background", occupied="false", start="2026-11-22T03:00:02Z"),
)
# What each says, in its own order, and a sentence that its driver does not use where there are such.
SAID: dict[str, tuple[bytes, bytes]] = {
    "tsa": (NB + GB + GS + GA + GS + GX + b"".join(NEWER_SETUP) + GB, b"QX,17,A-4,,9\r\n"),
    "n42": (b"\x02" + PASSAGE + b"\x03", b""),
    "radeye": (RADEYE + ALARMED + PRDER + RADEYE, b""),
    "gmc": (LONG + b"\0\0\0\x11" * 3, b""),
    "radpro": (ID + b"OK 1500\r\nOK 1501\r\n", b"ERROR\r\n"),
    "bgeigie": (summed(BNRDD) + summed(EARLY), summed(b"$BNXSTS,0300,2026-11-22T03:00:02Z,35*")),
    "mightyohm": (OHM * 3, b""),
    "gc10": (b"60\r\n61\r\n62\r\n63\r\n", b""),
    "page": (LINE + FAULTY + LINE, OTHER),
}


def third_party() -> Driver:
    """The driver of docs/driver-howto.md."""
    module = module_from_spec(spec_from_loader("example_meter_of_every_driver", loader=None))
    exec(compile(MODULE, "docs/driver-howto.md", "exec"), module.__dict__)
    return module.DRIVER


DRIVERS = {driver.name: driver for driver in built_in() if driver.role == "radiation"} | {"page": third_party()}
NAMES = st.sampled_from(sorted(DRIVERS))


def line_by_line(decoder: Decoder, said: bytes, now: float = 50.0) -> list[Reading]:
    """Half a second from line to line: who counts pulses has counts only between two answers."""
    readings: list[Reading] = []
    for number, line in enumerate(said.splitlines(keepends=True)):
        readings += decoder.receive(line, now + number * 0.5)
    return readings


def measuring(readings: list[Reading]) -> list[Reading]:
    return [reading for reading in readings if not isinstance(reading, Malformed | Unknown | DeviceHealth)]


def test_every_detectors_driver_is_here():
    assert set(SAID) == set(DRIVERS)


@pytest.mark.parametrize("name", sorted(DRIVERS))
def test_what_it_says_is_measured_and_nothing_of_it_is_malformed(name):
    readings = line_by_line(DRIVERS[name].decoder(), SAID[name][0])
    assert measuring(readings)
    assert not [reading for reading in readings if isinstance(reading, Malformed)]


@settings(deadline=None)
@given(NAMES, st.lists(st.integers(0, 3000), max_size=8), st.binary(max_size=60))
def test_cut_anywhere_it_says_the_same(name, places, garbage):
    assert_cutting_does_not_matter(DRIVERS[name].decoder, SAID[name][0] + garbage + SAID[name][0], places)


@settings(deadline=None)
@given(NAMES, st.binary(max_size=300))
def test_after_garbage_and_a_silence_it_measures_the_same(name, garbage):
    """Of what comes first one sentence may be lost: a device cut off in a word, or one that is asked anew."""
    said = SAID[name][0]
    alone = measuring(line_by_line(DRIVERS[name].decoder(), said * 3))
    decoder = DRIVERS[name].decoder()
    decoder.receive(garbage, 10.0)
    decoder.receive(b"", 30.0)
    after = measuring(line_by_line(decoder, said * 3))
    once = len(alone) // 3
    assert once and after[-once:] == alone[-once:]


@pytest.mark.parametrize("name", sorted(name for name, (_, other) in SAID.items() if other))
def test_what_it_does_not_use_is_counted_and_changes_nothing(name):
    said, other = SAID[name]
    decoder = DRIVERS[name].decoder()
    first = list(decoder.receive(said, 50.0))
    counted = list(decoder.receive(other, 50.0))
    assert [type(reading) for reading in counted] == [Unknown]
    plain = DRIVERS[name].decoder()
    assert first == list(plain.receive(said, 50.0))
    assert list(decoder.receive(said, 50.0)) == list(plain.receive(said, 50.0))
