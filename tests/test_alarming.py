"""`failsafe alarms`: real captures line by line, in any pieces, and a summary that adds up."""

from __future__ import annotations

import collections
import io
import json

import pytest
from click.testing import CliRunner

from failsafe.agent import cli
from failsafe.agent.commands import alarming
from failsafe.drivers import cpm_lines, radeye, tsa

KEYS = {"kind", "line", "channel", "at", "strength", "threshold", "panels"}
BACKGROUND = b"GB,000100,000100,000100,000100\r\n"
QUIET = b"GS,000020,000020,000020,000020\r\n"
END = b"GX,000001,000000,000000,000000\r\n"
SETUP = b"SG1,003000,000050,000005,000010,04.0\r\n"


class Dripping(io.RawIOBase):
    """Bytes that come one at a time, as over a slow line."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, room):
        piece = self._content.read(1)
        room[: len(piece)] = piece
        return len(piece)


def alarms(content: bytes, **options):
    """The decisions, and the summary behind them."""
    *decided, summary = alarming.alarms(tsa.DRIVER, io.BytesIO(content), **options)
    assert summary["kind"] == "summary"
    assert all(set(one) == KEYS for one in decided)
    counted = collections.Counter((one["kind"], one["channel"]) for one in decided)
    for kind in ("vendor", "shadow", "own"):
        assert summary[kind] == {channel: counted[kind, channel] for channel in ("gamma", "neutron")}
    json.dumps([*decided, summary])
    return decided, summary


@pytest.mark.parametrize(
    ("name", "judged", "flags", "errors"), [("S2-C3-NORM2", 1399, 675, 2), ("S2-C0-NONE", 1410, 0, 0)]
)
def test_the_shadow_repeats_real_portals(shared, name, judged, flags, errors):
    content = (shared / "data" / "rpm" / f"{name}.csv").read_bytes()
    decided, summary = alarms(content, nsigma=4.0, stamped=True)
    assert (summary["judged"], summary["vendor"]["gamma"]) == (judged, flags)
    assert summary["scan_lines"] == judged + 4 * 25
    assert summary["disagreements"] <= errors
    lines = content.splitlines()
    for one in decided:
        tag = lines[one["line"] - 1][:2]
        assert tag == b"GA" if one["kind"] == "vendor" else tag in (b"GS", b"GA", b"NS", b"GX")
    # As the bytes came over the wire, without the recorder's stamps, and one at a time.
    wire = b"".join(tsa.strip_stamp(line) for line in content.splitlines(keepends=True))
    whole, again = alarms(wire, nsigma=4.0)
    assert again == summary
    assert [(one["kind"], one["line"], one["strength"]) for one in whole] == [
        (one["kind"], one["line"], one["strength"]) for one in decided
    ]
    assert list(alarming.alarms(tsa.DRIVER, io.BufferedReader(Dripping(wire), 1), nsigma=4.0)) == [*whole, again]


def test_the_factor_comes_from_the_set_up_unless_it_is_given():
    loud = BACKGROUND + 5 * b"GS,000090,000090,000090,000090\r\n" + END
    assert alarms(loud)[1]["judged"] == 0
    assert alarms(SETUP + loud)[1]["k"] == 4.0
    assert alarms(SETUP + loud)[1]["shadow"]["gamma"] == 1
    assert alarms(SETUP + loud, nsigma=99.0)[1]["shadow"]["gamma"] == 0


def test_a_flag_without_reason_and_a_reason_without_flag_are_told_apart():
    unfounded = BACKGROUND + 4 * QUIET + b"GA,000020,000020,000020,000020\r\n" + END
    unflagged = BACKGROUND + 4 * QUIET + b"GS,000220,000220,000220,000220\r\n" + END
    _, summary = alarms(unfounded + unflagged, nsigma=4.0)
    assert (summary["vendor_only"], summary["shadow_only"], summary["disagreements"]) == (1, 1, 2)


def test_a_neutron_alarm_has_no_shadow():
    decided, _ = alarms(BACKGROUND + b"NA,000040,000000,000000,000000\r\n" + END, nsigma=4.0)
    vendor = [one for one in decided if one["kind"] == "vendor"]
    assert [(one["channel"], one["line"], one["strength"], one["panels"]) for one in vendor] == [
        ("neutron", 2, None, [1, 2, 3, 4])
    ]


def test_time_is_counted_where_nobody_wrote_it_down():
    decided, _ = alarms(2 * BACKGROUND + 9 * QUIET + b"GA,000220,000220,000220,000220\r\n" + END, nsigma=4.0)
    # Two periods of 5 s; the look-back ends with the first scan's arrival; then four intervals more.
    times = [one["at"] for one in decided if one["kind"] != "own"]
    assert times == [pytest.approx(10.0 + 4 * 0.2)] * 2


def test_garbage_is_counted_and_nothing_breaks():
    _, summary = alarms(BACKGROUND + b"\x00\xff" * 3000 + b"\n" + 6 * QUIET + END, nsigma=4.0)
    assert summary["malformed"] >= 1
    assert summary["occupancies"] == 1


def test_the_command():
    run = CliRunner().invoke(cli.failsafe, ["alarms", "tsa", "--k", "4"], input=BACKGROUND + 6 * QUIET + END)
    assert run.exit_code == 0
    assert json.loads(run.stdout.splitlines()[-1])["judged"] == 2
    for wrong, said in ((["nosuch"], "nosuch"), (["cute"], "reads documents"), (["tsa", "--k", "0"], "--k")):
        run = CliRunner().invoke(cli.failsafe, ["alarms", *wrong], input=b"")
        assert run.exit_code == 2
        assert said in run.stderr


def meter(nsv_h: int) -> bytes:
    return b"\x02 %d 0 0 00  PRD 1F \x03\r\n" % (nsv_h // 10)


def test_a_meter_on_the_desk_is_judged_by_what_it_told_before():
    quiet = b"".join(meter(90 + 10 * (second % 3)) for second in range(300))
    *decided, summary = alarming.alarms(radeye.DRIVER, io.BytesIO(quiet + 5 * meter(900) + quiet), lane="static")
    assert {(one["kind"], one["channel"]) for one in decided} == {("own", "gamma")}
    assert min(one["line"] for one in decided) == 301
    assert summary["own"]["gamma"] == len(decided) == 4  # once for each window, however long it lasts
    assert all(one["strength"] >= one["threshold"] for one in decided)


def test_counts_on_the_desk_take_their_time_from_themselves():
    counts = b"".join(b"CPS, %d, CPM, 60, uSv/hr, 0.10, SLOW\r\n" % (second % 3) for second in range(300))
    strong = b"CPS, 40, CPM, 60, uSv/hr, 0.10, SLOW\r\n"
    first, *_ = alarming.alarms(cpm_lines.MIGHTYOHM, io.BytesIO(counts + strong), lane="static")
    assert (first["kind"], first["line"], first["at"]) == ("own", 301, 300.0)
