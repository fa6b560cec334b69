"""`failsafe alarms --n42`: a valid document for each passage of a recording that alarmed, and nothing overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from failsafe.agent import cli
from failsafe.drivers import n42_document
from tests.n42_readers import specutils, violations


def alarms(*arguments: str, given: bytes = b"") -> Result:
    return CliRunner().invoke(cli.failsafe, ["alarms", *arguments], input=given)


@pytest.mark.parametrize(("name", "count"), [("S2-C3-NORM2", 25), ("S2-C0-NONE", 0)])
def test_each_alarm_of_a_capture_gets_a_document(shared: Path, tmp_path: Path, name: str, count: int) -> None:
    capture = shared / "data" / "rpm" / f"{name}.csv"
    result = alarms("tsa", "--k", "4.0", "--stamped", "--n42", str(tmp_path / "out"), str(capture))
    assert result.exit_code == 0, result.output
    assert f"{count} N42 documents" in result.stderr
    files = sorted((tmp_path / "out").glob("*.n42"))
    assert len(files) == count
    for file in files:
        assert violations(shared, file.read_bytes()) == []
        assert any(one.occupied for one in specutils(file))
        assert "T" in file.stem and "1970" not in file.stem


def test_without_stamps_the_documents_say_that_nobody_knows_the_day(shared: Path, tmp_path: Path) -> None:
    recording = (
        b"GB,000100,000100,000100,000100\r\n"
        + b"GS,000020,000020,000020,000020\r\n" * 8
        + b"GA,000090,000090,000090,000090\r\n" * 3
        + b"GX,000001,000000,000000,000000\r\n"
        + b"GB,000100,000100,000100,000100\r\n"
    )
    result = alarms("tsa", "--k", "4.0", "--n42", str(tmp_path), given=recording)
    assert result.exit_code == 0, result.output
    (file,) = tmp_path.glob("*.n42")
    assert violations(shared, file.read_bytes()) == [] and b"The recording has no clock" in file.read_bytes()
    again = alarms("tsa", "--k", "4.0", "--n42", str(tmp_path), given=recording)
    assert again.exit_code == 2 and "empty folder" in again.output


def test_what_a_recording_cuts_off_is_written_as_cut_off(tmp_path: Path) -> None:
    recording = b"GB,000100,000100,000100,000100\r\n" + b"GA,000090,000090,000090,000090\r\n" * 3
    assert alarms("tsa", "--n42", str(tmp_path), given=recording).exit_code == 0
    (file,) = tmp_path.glob("*.n42")
    assert b"recording ended during the passage" in file.read_bytes()
    assert sum(one.occupied is True for one in n42_document.read(file.read_bytes()).measurements) == 3


def test_a_device_on_a_desk_has_its_background_in_it(shared: Path, tmp_path: Path) -> None:
    quiet = b"".join(b"CPS, %d, CPM, 30, uSv/hr, 0.17, SLOW\r\n" % (1 + place % 3) for place in range(900))
    loud = b"CPS, 90, CPM, 5400, uSv/hr, 30.8, SLOW\r\n" * 5
    result = alarms("mightyohm", "--lane", "static", "--n42", str(tmp_path), given=quiet + loud + quiet[:4000])
    assert result.exit_code == 0, result.output
    (file,) = tmp_path.glob("*.n42")
    assert violations(shared, file.read_bytes()) == []
    assert b"<RadInstrumentClassCode>Other<" in file.read_bytes()
    (background,) = [one for one in n42_document.read(file.read_bytes()).measurements if not one.occupied]
    assert background.class_code == "Background" and background.counts[0].counts == pytest.approx(2.0, abs=0.2)
