"""`booth.toml`: each kind of fault with its line, its key and what to do; nothing else comes of a text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent import config
from failsafe.agent.config import Configuration, ConfigurationRefused, Fault
from failsafe.agent.contradictions import RESERVED
from failsafe.drivers import cute
from failsafe.drivers.driver import LineSettings, built_in
from tests.conftest import PROJECT

SAMPLE = (PROJECT / "docs" / "booth.toml").read_text("utf-8")
READERS = ", ".join(sorted(driver.name for driver in built_in() if driver.role == "document"))
DETECTORS = ", ".join(sorted(driver.name for driver in built_in() if driver.role == "radiation"))
SMALL = """\
[booth]
id = "ZZ-TEST-01"
country = "ZZ"
crossing_point = "Invented Gate"

[[lanes]]
name = "1"
"""


def parse(text: str | bytes) -> Configuration:
    return config.parse(text.encode() if isinstance(text, str) else text, Path("booth.toml"))


def faults(text: str | bytes) -> tuple[Fault, ...]:
    with pytest.raises(ConfigurationRefused) as refused:
        parse(text)
    return refused.value.faults


def places(text: str | bytes) -> list[tuple[int, str]]:
    return [(fault.line, fault.key) for fault in faults(text)]


def line_of(text: str, beginning: str) -> int:
    return next(number for number, line in enumerate(text.split("\n"), 1) if line.startswith(beginning))


def sample_with(old: str, new: str) -> str:
    assert SAMPLE.count(old) == 1, old
    return SAMPLE.replace(old, new)


# --- what is good --------------------------------------------------------------------------------------------


def test_the_sample_is_good_but_for_its_enrolment():
    configuration = parse(SAMPLE)
    assert configuration.hq.root_sha256 == "0" * 64  # no root has this hash: a copied sample believes nobody
    assert [lane.name for lane in configuration.lanes] == ["1"]
    assert (configuration.readers[0].driver, configuration.portals[0].driver) == ("cute", "tsa")


def test_the_sample_shows_the_defaults():
    """Whoever leaves a key of the sample out changes nothing by it, except who and where the booth is."""
    sample, small = parse(SAMPLE), parse(SMALL)
    assert (sample.folders, sample.page, sample.core, sample.mirror, sample.link) == (
        small.folders,
        small.page,
        small.core,
        small.mirror,
        small.link,
    )
    assert sample.lanes == small.lanes
    assert sample.hq.feeds == small.hq.feeds == ("base",)
    assert small.hq.root_sha256 == ""


def test_a_device_takes_its_drivers_line_where_the_file_is_silent():
    reader = parse(sample_with("baud = 9600\n", "baud = 115200\n")).readers[0]
    assert reader.line(cute.DRIVER.line).baud == 115_200
    quiet = parse(SAMPLE).portals[0]
    assert quiet.line(LineSettings(19200, 7, "E", 2)) == LineSettings(19200, 7, "E", 2)


def test_a_lane_without_a_detector_is_declared():
    assert parse(SMALL + 'radiation = "none"\n').lanes[0].radiation == "none"


def test_a_lane_says_what_passes_it_and_a_portal_its_factor():
    plain = parse(SMALL).lanes[0]
    assert (plain.kind, plain.order, plain.false_alarms_gamma, plain.false_alarms_neutron, plain.measuring_s) == (
        "vehicle",
        "either",
        1e-3,
        1e-4,
        10.0,
    )
    lane = parse(SMALL + 'kind = "static"\nfalse_alarms_gamma = 0.0005\nmeasuring_s = 20\n').lanes[0]
    assert (lane.kind, lane.false_alarms_gamma, lane.measuring_s) == ("static", 5e-4, 20.0)
    assert parse(SAMPLE).portals[0].nsigma is None
    assert parse(SAMPLE.replace("# nsigma", "nsigma")).portals[0].nsigma == 4.0


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("false_alarms_gamma = 0.01", "lanes.1.false_alarms_gamma"),
        ("false_alarms_neutron = 0.00001", "lanes.1.false_alarms_neutron"),
        ("false_alarms_gamma = 0", "lanes.1.false_alarms_gamma"),
        ("measuring_s = 2", "lanes.1.measuring_s"),
        ('kind = "desk"', "lanes.1.kind"),
        ('order = "first"', "lanes.1.order"),
    ],
)
def test_what_a_lane_cannot_keep_is_a_fault(line, key):
    (fault,) = faults(SMALL + line + "\n")
    assert fault.key == key


def test_a_budget_beyond_the_tables_is_told_with_what_they_serve():
    (fault,) = faults(SMALL + "false_alarms_gamma = 0.5\n")
    assert "between 0.0001 and 0.001" in fault.advice


# --- what is wrong -------------------------------------------------------------------------------------------


def test_an_unknown_key_comes_with_its_line_and_the_nearest_word():
    text = sample_with("stale_after_h = 24.0", "stale_after_hours = 24.0")
    (fault,) = faults(text)
    assert (fault.line, fault.key) == (line_of(text, "stale_after_hours"), "mirror.stale_after_hours")
    assert fault.advice == "Did you mean `stale_after_h`?"
    assert str(fault).startswith(f"line {fault.line}, mirror.stale_after_hours: ")


def test_an_unknown_key_like_no_other_comes_with_those_there_are():
    (fault,) = faults(SMALL + "\n[page]\nxxxxxxxx = 1\n")
    assert fault.advice == "Known here: port, shift."


def test_an_unknown_table():
    text = sample_with("[mirror]", "[mirorr]")
    (fault,) = faults(text)
    assert (fault.line, fault.advice) == (line_of(text, "[mirorr]"), "Did you mean `mirror`?")


def test_all_faults_of_a_file_come_in_one_go_in_the_order_of_its_lines():
    text = sample_with('country = "ZZ"', 'countri = "ZZ"')
    text = text.replace("port = 8600", 'port = "8600"').replace("latitude = 41.5", "latitude = 141.5")
    text = text.replace("close_after_s", "closes_after_s").replace('parity = "N"', 'parity = "none"')
    text = text.replace('name = "portal-1"\n', "")
    assert places(text) == [
        (line_of(text, "[booth]"), "booth.country"),
        (line_of(text, "countri "), "booth.countri"),
        (line_of(text, "latitude"), "booth.latitude"),
        (line_of(text, 'port = "8600"'), "page.port"),
        (line_of(text, "closes_after_s"), "lanes.1.closes_after_s"),
        (line_of(text, "parity"), "readers.1.parity"),
        (line_of(text, "[[portals]]"), "portals.1.name"),
    ]


def test_each_faults_text_has_file_line_key_and_advice():
    with pytest.raises(ConfigurationRefused) as refused:
        parse(SMALL.replace('country = "ZZ"', 'country = "zz"\nshoe = 3'))
    lines = str(refused.value).split("\n")
    assert len(lines) == 2
    assert lines[0].startswith("booth.toml: line 3, booth.country: ") and "docs/configuration.md" in lines[0]
    assert lines[1].startswith("booth.toml: line 4, booth.shoe: ")


def test_what_is_missing_is_named_under_its_table():
    assert places("") == [(0, "booth"), (0, "lanes")]
    assert places("[booth]\n[[lanes]]\n") == [
        (1, "booth.id"),
        (1, "booth.country"),
        (1, "booth.crossing_point"),
        (2, "lanes.1.name"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('id = "ZZ-NORTHGATE-01"', 'id = "zz-northgate-01"', "booth.id"),
        ('id = "ZZ-NORTHGATE-01"', 'id = "ZZ-NORTHGATE-01\\n"', "booth.id"),
        ('id = "ZZ-NORTHGATE-01"', 'id = "../ZZ"', "booth.id"),
        ('country = "ZZ"', 'country = "ZZZ"', "booth.country"),
        ('country = "ZZ"', 'country = "ZZ\\n"', "booth.country"),
        ('crossing_point = "Northgate"', 'crossing_point = ""', "booth.crossing_point"),
        ("latitude = 41.5", "latitude = nan", "booth.latitude"),
        ("latitude = 41.5", "latitude = 1979-05-27", "booth.latitude"),
        ("longitude = 44.8", "longitude = -180.1", "booth.longitude"),
        ('feeds = ["base"]', 'feeds = ["Base"]', "hq.feeds.1"),
        ('feeds = ["base"]', "feeds = []", "hq.feeds"),
        (f'root_sha256 = "{"0" * 64}"', f'root_sha256 = "{"0" * 63}"', "hq.root_sha256"),
        (f'root_sha256 = "{"0" * 64}"', f'root_sha256 = "{"0" * 64}\\n"', "hq.root_sha256"),
        ('state = "/var/lib/failsafe"', "state = 5", "folders.state"),
        ("port = 8600", "port = 0", "page.port"),
        ("port = 8600", "port = 65536", "page.port"),
        ("port = 8600", "port = true", "page.port"),
        ("stale_after_h = 24.0", "stale_after_h = 24.1", "mirror.stale_after_h"),
        ("stale_after_h = 24.0", "stale_after_h = 0", "mirror.stale_after_h"),
        ("stale_after_h = 24.0", "stale_after_h = nan", "mirror.stale_after_h"),
        ("expired_after_h = 48.0", "expired_after_h = 48.5", "mirror.expired_after_h"),
        ("expired_after_h = 48.0", "expired_after_h = inf", "mirror.expired_after_h"),
        ('radiation = "portal"', 'radiation = "gate"', "lanes.1.radiation"),
        ("window_before_s = 20.0", "window_before_s = -1", "lanes.1.window_before_s"),
        ("window_after_s = 30.0", "window_after_s = 4000", "lanes.1.window_after_s"),
        ("baud = 9600", "baud = 96", "readers.1.baud"),
        ("byte_size = 8", "byte_size = 9", "readers.1.byte_size"),
        ("stop_bits = 1", "stop_bits = 1.5", "readers.1.stop_bits"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(old, new, key):
    text = sample_with(old, new)
    (fault,) = faults(text)
    assert (fault.line, fault.key) == (line_of(text, old.partition("=")[0]), key)
    assert "`" not in fault.what and "regex" not in fault.what  # words for people


def test_a_value_where_a_table_belongs():
    (fault, other) = faults("booth = 3\nlanes = 4\n")
    assert (fault.line, fault.key, fault.what) == (1, "booth", "Expected a table, got a whole number.")
    assert (other.line, other.key) == (2, "lanes")
    assert places("lanes = [1, 2]\n" + SMALL.partition("\n\n")[0]) == [(1, "lanes.1"), (1, "lanes.2")]


def test_a_key_called_like_a_table_is_found_where_it_stands():
    text = sample_with("[hq]", "mirror = 3\n[hq]")
    assert places(text) == [(line_of(text, "mirror = 3"), "booth.mirror")]


def test_the_second_of_two_tables_is_the_one_that_is_named():
    text = SMALL + '\n[[lanes]]\nname = "2"\nwindow_before_s = "long"\n'
    assert places(text) == [(line_of(text, "window_before_s"), "lanes.2.window_before_s")]


@pytest.mark.parametrize("hours", ["24.0", "1", "0.5"])
def test_the_laws_hours_can_be_shortened(hours):
    mirror = parse(sample_with("stale_after_h = 24.0", f"stale_after_h = {hours}")).mirror
    assert mirror.stale_after_h == float(hours)


# --- tables that contradict one another ----------------------------------------------------------------------


def test_notices_cannot_be_stale_after_they_expired():
    text = sample_with("expired_after_h = 48.0", "expired_after_h = 12.0")
    assert places(text) == [(line_of(text, "stale_after_h"), "mirror.stale_after_h")]


def test_a_device_in_a_lane_that_is_not_there():
    text = sample_with('name = "1"', 'name = "north"')
    text = text.replace('lane = "1"', 'lane = "nort"', 1).replace('lane = "1"', 'lane = "7"')
    first, second = faults(text)
    assert (first.line, first.key, first.advice) == (
        line_of(text, 'lane = "nort"'),
        "readers.1.lane",
        "Did you mean `north`?",
    )
    assert (second.key, second.advice) == ("portals.1.lane", "Known here: north.")


@pytest.mark.parametrize(
    ("old", "new", "key", "advice"),
    [
        ('driver = "cute"', 'driver = "cutte"', "readers.1.driver", "Did you mean `cute`?"),
        ('driver = "cute"', 'driver = "tsa"', "readers.1.driver", f"Known here: {READERS}."),
        ('driver = "tsa"', 'driver = "cute"', "portals.1.driver", f"Known here: {DETECTORS}."),
    ],
)
def test_a_driver_that_does_not_fit(old, new, key, advice):
    (fault,) = faults(sample_with(old, new))
    assert (fault.key, fault.advice) == (key, advice)


def test_a_lane_that_declares_no_detector_and_has_one():
    text = sample_with('radiation = "portal"', 'radiation = "none"')
    assert places(text) == [(line_of(text, "radiation"), "lanes.1.radiation")]


def test_a_name_or_a_port_that_stands_twice():
    text = SMALL + '\n[[lanes]]\nname = "1"\n'
    assert places(text) == [(10, "lanes.2.name")]
    text = sample_with('name = "portal-1"', 'name = "passport-1"')
    text = text.replace("/dev/failsafe/portal-1", "/dev/failsafe/passport-1")
    portal = line_of(text, "[[portals]]")
    assert places(text) == [(portal + 1, "portals.1.name"), (portal + 4, "portals.1.port")]


def test_contradictions_come_with_the_other_faults():
    """One round of corrections, not two: what can be read of a faulty table is still held against the others."""
    text = sample_with('driver = "cute"', 'driver = "cutte"')
    text = text.replace("baud = 9600", "boud = 9600").replace('lane = "1"', 'lane = "2"', 1)
    text = text.replace("expired_after_h = 48.0", "expired_after_h = 12.0").replace('country = "ZZ"', 'country = "zz"')
    assert places(text) == [
        (line_of(text, "country"), "booth.country"),
        (line_of(text, "stale_after_h"), "mirror.stale_after_h"),
        (line_of(text, "lane ="), "readers.1.lane"),
        (line_of(text, "driver ="), "readers.1.driver"),
        (line_of(text, "boud"), "readers.1.boud"),
    ]


def test_a_fault_of_one_table_makes_none_of_another():
    """A lane whose window is wrong is still there for its devices."""
    assert places(sample_with("window_before_s = 20.0", 'window_before_s = "long"')) == [
        (line_of(SAMPLE, "window_before_s"), "lanes.1.window_before_s")
    ]
    assert places(SAMPLE.replace("[[lanes]]", "[[lane]]"))[0][1] == "lanes"
    assert {key for _, key in places(SAMPLE.replace("[[lanes]]", "[[lane]]"))} == {"lanes", "lane"}


# --- the nearest word ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "advice"),
    [
        ('radiation = "portal"', 'radiation = "portel"', "Did you mean `portal`?"),
        ('radiation = "portal"', 'radiation = "Portal"', "Did you mean `portal`?"),
        ('radiation = "portal"', 'radiation = "NONE"', "Did you mean `none`?"),
        ('parity = "N"', 'parity = "n"', "Did you mean `N`?"),
        ('parity = "N"', 'parity = "mark"', "Known here: E, N, O."),
        ('parity = "N"', 'parity = "odd"', "Did you mean `O`?"),
        ("byte_size = 8", "byte_size = 9", "Known here: 7, 8."),
        ('driver = "cute"', 'driver = "CUTE"', "Did you mean `cute`?"),
        ("close_after_s = 120.0", "close-after-s = 120.0", "Did you mean `close_after_s`?"),
        ("close_after_s = 120.0", "Close_After_S = 120.0", "Did you mean `close_after_s`?"),
        ('shift = ""', 'telephone = ""', "It belongs into [booth]."),
        ("port = 8600", "port = 8600\nbaud = 9600", "It belongs into [[readers]] or [[portals]]."),
        ("port = 8600", 'port = "8600"', "Write the number without quotes."),
        ('id = "ZZ-NORTHGATE-01"', "id = 12", "Write it in double quotes."),
        ('country = "ZZ"', 'country = "zz"', "Write the two capital letters"),
        ('feeds = ["base"]', 'feeds = ["Base"]', "Write small letters"),
        ('url = ""', 'url = "http://desk.example"', 'Write "https://"'),
        (f'root_sha256 = "{"0" * 64}"', 'root_sha256 = "0"', "Copy the 64 characters"),
        ("[booth]", "[[booth]]", "Write its heading as [booth]."),
        ("[[readers]]", "[readers]", "Write its heading as [[readers]]"),
    ],
)
def test_what_to_write_instead(old, new, advice):
    told = [fault for fault in faults(sample_with(old, new)) if advice in fault.advice]
    assert told and told[0].line > 0, faults(sample_with(old, new))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (SMALL.replace('country = "ZZ"', '"countri" = "ZZ"'), (3, "booth.countri")),
        ("booth.countri = 'ZZ'\n", (1, "booth.countri")),
        ("lanes = [{name = '1', radiaton = 'none'}]\n", (1, "lanes.1.radiaton")),
        (SMALL + "\n  [ page ]\n  port = 0\n", (10, "page.port")),
    ],
)
def test_other_ways_to_write_the_same_have_lines_too(text, place):
    assert place in places(text)


# --- what is allowed and still a risk ------------------------------------------------------------------------


def risky(text: str) -> list[tuple[int, str]]:
    return [(one.line, one.key) for one in config.cautions(text.encode(), Path("booth.toml"))]


SAFE = SAMPLE.replace("0" * 64, "ab" * 32)


def test_a_careful_configuration_has_no_caution():
    assert risky(SAFE) == []


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('telephone = "+00 000 0000"', 'telephone = ""', "booth.telephone"),
        ("longitude = 44.8", "# no longitude", "booth.latitude"),
        ("ab" * 32, "0" * 64, "hq.root_sha256"),
        ("ab" * 32, "", "hq.root_sha256"),
        ("port = 8600", "port = 860", "page.port"),
        ("window_before_s = 20.0", "window_before_s = 0", "lanes.1.window_before_s"),
        ("window_after_s = 30.0", "window_after_s = 0", "lanes.1.window_after_s"),
        ("close_after_s = 120.0", "close_after_s = 30.0", "lanes.1.close_after_s"),
        ('port = "/dev/failsafe/portal-1"', 'port = "/dev/ttyUSB0"', "portals.1.port"),
        ("[[readers]]", '[[lanes]]\nname = "2"\n[[readers]]', "lanes.2.radiation"),
        ("false_alarms_neutron = 0.0001", "false_alarms_neutron = 0.001", "lanes.1.false_alarms_neutron"),
        ('driver = "tsa"', 'driver = "radeye"', "portals.1.driver"),
        ('kind = "vehicle"', 'kind = "static"', "portals.1.driver"),
        ('kind = "vehicle"', 'kind = "static"\nclose_after_s = 8.0', "lanes.1.close_after_s"),
        ('driver = "tsa"', 'driver = "gmc"\nnsigma = 4.0', "portals.1.nsigma"),
    ],
)
def test_each_risk_is_named_with_its_line_and_what_to_do(old, new, key):
    assert SAFE.count(old) == 1, old
    text = SAFE.replace(old, new)
    if "\nclose_after_s" in new:
        text = text.replace("close_after_s = 120.0", "", 1)
    found = config.cautions(text.encode(), Path("booth.toml"))
    assert key in [one.key for one in found]
    for one in found:
        assert one.line > 0 and one.what.endswith(".") and one.advice.endswith(".")


def test_a_lane_without_detector_or_reader_is_a_risk_each():
    text = SAFE[: SAFE.index("[[readers]]")].replace('radiation = "portal"', 'radiation = "none"')
    assert [key for _, key in risky(text)] == ["lanes.1.name", "lanes.1.radiation"]
    unguarded = SAFE[: SAFE.index("[[portals]]")]
    (one,) = config.cautions(unguarded.encode(), Path("booth.toml"))
    assert one.key == "lanes.1.radiation" and "nobody can be cleared" in one.what


def test_a_link_that_looks_less_often_than_notices_stay_fresh():
    text = SAFE.replace('url = ""', 'url = "https://desk.example"').replace(
        "stale_after_h = 24.0", "stale_after_h = 0.1"
    )
    assert [key for _, key in risky(text)] == ["link.refresh_every_s"]


def test_no_caution_is_told_of_a_faulty_file():
    with pytest.raises(ConfigurationRefused):
        config.cautions(b"lanes = 3", Path("booth.toml"))


# --- files ---------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationRefused) as refused:
        config.load(tmp_path / "booth.toml")
    assert "--config FILE" in str(refused.value) and str(tmp_path) in str(refused.value)


def test_a_folder_in_the_files_place(tmp_path):
    with pytest.raises(ConfigurationRefused, match=r"docs/booth\.toml"):
        config.load(tmp_path)


def test_a_file_that_is_far_too_long_is_not_read_to_its_end(tmp_path):
    file = tmp_path / "booth.toml"
    file.write_text(SAMPLE)
    os.truncate(file, 2**40)  # sparse: a terabyte of nothing
    with pytest.raises(ConfigurationRefused, match="256 KiB"):
        config.load(file)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = \n", 2),
        ("a = 1\n\n[booth\n", 3),
        ("a = 1\na = 2", 2),
        ("a = [", 1),
        (b"a = 1\nb = \xff\n", 2),
        (SMALL.replace("\n", "\r").encode(), 1),
    ],
)
def test_a_text_that_is_no_toml(text, line):
    (fault,) = faults(text)
    assert (fault.line, fault.key) == (line, "TOML")


def test_brackets_without_end():
    (fault,) = faults("a = " + "[" * 50_000)
    assert (fault.line, fault.key) == (0, "TOML")


# --- whatever the text ---------------------------------------------------------------------------------------


def refused_or_good(text: bytes) -> Configuration | None:
    try:
        return config.parse(text, Path("booth.toml"))
    except ConfigurationRefused as refused:
        assert refused.faults
        for fault in refused.faults:
            assert fault.what and fault.advice and fault.key
            assert 0 <= fault.line <= text.count(b"\n") + 1
        return None


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(text):
    refused_or_good(text)


VALUES = st.recursive(
    st.one_of(
        st.integers(-(2**70), 2**70).map(str),
        st.floats().map(str),
        st.sampled_from(["true", "1979-05-27", "07:32:00", '""', '"portal"', '"cute"', '"1"', '"N"']),
        st.from_regex(r'"[a-zA-Z0-9 -]{0,70}"', fullmatch=True),
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=4,
)
KEYS = st.sampled_from(
    sorted({line.partition(" =")[0] for line in SAMPLE.splitlines() if " = " in line} | {"x", '"é"'})
)
HEADERS = st.sampled_from(
    ["[booth]", "[hq]", "[folders]", "[page]", "[core]", "[mirror]", "[[lanes]]", "[[readers]]", "[[portals]]"]
)
LINES = st.one_of(HEADERS, st.tuples(KEYS, VALUES).map(" = ".join))


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_no_toml_raises_anything_else(text):
    refused_or_good(text.encode())


@given(st.lists(st.tuples(st.integers(0, SAMPLE.count("\n")), st.one_of(st.just(""), LINES)), max_size=3))
def test_what_a_slip_leaves_is_refused_or_still_within_the_law(slips):
    lines = SAMPLE.split("\n")
    for number, line in slips:
        lines[number] = line
    configuration = refused_or_good("\n".join(lines).encode())
    if configuration is not None:
        assert 0 < configuration.mirror.stale_after_h <= configuration.mirror.expired_after_h <= 48
        assert configuration.mirror.stale_after_h <= 24
        assert configuration.lanes and configuration.hq.feeds


def test_one_portal_a_lane() -> None:
    """A quiet passage of one portal must not stand for the other's."""
    second = '\n[[portals]]\nname = "portal-2"\nlane = "1"\ndriver = "tsa"\nport = "/dev/failsafe/portal-2"\n'
    text = SAMPLE + second
    assert places(text) == [(line_of(text, 'name = "portal-2"') + 1, "portals.2.lane")]


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_device_has_no_name_of_a_part(name: str) -> None:
    text = sample_with('name = "passport-1"', f'name = "{name}"')
    assert places(text) == [(line_of(text, f'name = "{name}"'), "readers.1.name")]
