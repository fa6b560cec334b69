"""`failsafe status`: what the page's header says stands in the table and in the JSON, and nothing else does."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from failsafe.agent import bulletin
from failsafe.agent.bulletin import Condition
from failsafe.agent.commands import status
from failsafe.agent.config import BoothTable, LaneTable
from failsafe.agent.control import CoreUnreachable
from failsafe.agent.notices import Edition
from failsafe.agent.page.view import DetectorView, HeaderView
from failsafe.agent.person.index import Index
from failsafe.sync.errors import Older, SpoolFault, StoreBroken
from failsafe.sync.ledger import Undelivered
from failsafe.sync.reports import LinkState

NOON = 1_795_348_800.0
BOOTH = BoothTable(id="ZZ-TEST-01", country="ZZ", crossing_point="Invented Gate", telephone="+00 123 4567")
READER = DetectorView(name="passport-1", lane="1", role="document", state="OK")
PORTAL = DetectorView(name="portal-1", lane="1", role="radiation", state="OK")
WELL = Condition(
    booth=BOOTH,
    wall=NOON,
    clock_trusted=True,
    mirror="FRESH",
    mirror_age_s=754.26,
    edition=Edition(Index.build(()), notices=1003, listed=1),
    refusal=None,
    mirror_fault=None,
    ledger_fault=None,
    tray_fault=None,
    undelivered=Undelivered(0, None),
    alerts_waiting=Undelivered(0, None),
    ledger_head="9f2e",
    detectors=(READER, PORTAL),
    own_fault=False,
    lanes=(LaneTable(name="1"),),
    link=LinkState(state="up", since="2026-11-22T09:00:00Z", last_contact="2026-11-22T11:59:00Z"),
)


def changed(**fields: object) -> Condition:
    return replace(WELL, **fields)  # type: ignore[arg-type]  # each field by its name


LOST = DetectorView(name="passport-1", lane="1", role="document", state="ABSENT", advice="Plug the device in.")
LATE = DetectorView(name="portal-1", lane="1", role="radiation", state="LATE", advice="Look whether its cable sits.")
CONDITIONS = {
    "well": WELL,
    "stale": changed(mirror="STALE", mirror_age_s=100_000.0),
    "expired": changed(mirror="EXPIRED", mirror_age_s=400_000.0),
    "empty": changed(mirror="EMPTY", mirror_age_s=None, edition=Edition(Index.build(()))),
    "being checked": changed(mirror="CHECKING"),
    "age unknown": changed(mirror="UNKNOWN", mirror_age_s=None, clock_trusted=False),
    "refused": changed(refusal=Older("The publication is older than what is held.")),
    "alerts wait": changed(
        undelivered=Undelivered(1207, "2026-11-22T11:00:00Z"), alerts_waiting=Undelivered(1200, "2026-11-22T11:30:00Z")
    ),
    "only a report waits": changed(undelivered=Undelivered(1, "2026-11-22T11:59:18Z")),
    "no link": changed(link=None),
    "link down": changed(
        link=LinkState(state="down", since="2026-11-20T12:00:00Z", detail="No answer. Check the modem.")
    ),
    "link refused": changed(
        link=LinkState(state="tls-refused", since="odd words", detail="Not believed. Ask for more.")
    ),
    "reader absent": changed(detectors=(LOST, PORTAL)),
    "portal late": changed(detectors=(READER, LATE)),
    "cannot record": changed(ledger_fault=StoreBroken("The disk is full.")),
    "faults": changed(tray_fault=SpoolFault("Over its quota."), mirror_fault=StoreBroken("Damaged."), own_fault=True),
    "no telephone": changed(booth=msgspec.structs.replace(BOOTH, telephone="")),
    "no portal": changed(detectors=(READER,)),
    "standstill": changed(stands_still=True),
}


@pytest.fixture(params=CONDITIONS, ids=lambda name: name.replace(" ", "-"))
def condition(request: pytest.FixtureRequest) -> Condition:
    return CONDITIONS[request.param]


def told(of: Condition) -> dict:
    """What a program reads: through JSON, as over the core's socket."""
    answer: dict = json.loads(json.dumps(bulletin.status(of, "0.1.0", "http://127.0.0.1:8600")))
    return answer


def table(of: Condition, *, width: int = 100, terminal: bool = True, **more: object) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, **more)  # type: ignore[arg-type]
    console.print(status.draw(status.report(told(of)), console))
    written = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO from above
    assert isinstance(written, str)
    return written


def plain(of: Condition) -> str:
    return "\n".join(status.lines(status.report(told(of))))


def facts(head: HeaderView) -> Iterator[str]:
    """Each fact of the page's header, as words that must stand in the table."""
    yield from (head.booth, head.crossing_point, head.refused, head.telephone, *head.faults)
    yield f"{head.notices:,} notice"
    yield f"{head.listed_documents:,} document"
    yield status.MIRROR[head.mirror][1]
    yield from (status.age(one) for one in (head.mirror_age_s, head.oldest_alert_s, head.oldest_undelivered_s) if one)
    yield f"alerts to the CCC: {f'{head.alerts_waiting:,} waiting' if head.alerts_waiting else 'all delivered'}"
    reports = head.undelivered - head.alerts_waiting
    yield f"health reports: {f'{reports:,} waiting' if reports else 'all delivered'}"
    yield "ledger: recording" if head.recording else "ledger: CANNOT RECORD"
    yield "clock: trusted" if head.clock_trusted else "clock: NOT TRUSTED"
    if head.link is not None:
        link = head.link
        yield from (f" since {link.since}", link.detail, link.last_contact or "has not answered yet")
        yield from (status.age(one) for one in (link.since_s, link.last_contact_s) if one)
    for one in head.detectors:
        yield f"{one.name}, lane {one.lane}: "
        yield from (status.DETECTORS.get(one.state, ("", one.state))[1], one.advice)


# --- the same words --------------------------------------------------------------------------------------------


def test_every_fact_of_the_pages_header_is_in_the_table(condition: Condition) -> None:
    text = plain(condition)
    missing = [fact for fact in facts(bulletin.header(condition)) if fact not in text]
    assert not missing, text


def test_the_header_can_be_told_again_from_the_json(condition: Condition) -> None:
    """Both ways: nothing of the header is missing in the JSON, and a table made of it shows what the page does."""
    assert bulletin.header_of(told(condition)) == bulletin.header(condition)


def test_the_table_tells_nothing_beside_header_clock_page_and_answer(condition: Condition) -> None:
    other = changed(
        booth=BoothTable(id="ZZ-OTHER-02", country="ZZ", crossing_point="Elsewhere", telephone="+99"),
        ledger_head="another head",
        edition=Edition(Index.build(()), notices=5, listed=6),
    )
    head = bulletin.header(condition)
    assert bulletin.header(other) != head
    names = {line.partition(":")[0] for line in plain(condition).splitlines()[1:]}
    devices = {name for name in names if name.startswith(("reader ", "portal "))}
    assert len(devices) == len(head.detectors)
    rest = {"place", "notices", "last publication", "alerts to the CCC", "health reports", "link", "ledger", "fault"}
    assert names - devices <= rest | {"telephone", "clock", "page"}
    assert condition.ledger_head not in plain(condition), "a digest is for programs"


def test_the_drawn_table_holds_the_words_of_the_plain_one(condition: Condition) -> None:
    drawn = "".join(table(condition, terminal=False, width=400).split())
    for line in plain(condition).splitlines()[1:]:
        name, _, words = line.partition(": ")
        assert "".join(f"{name}{words}".split()) in drawn


# --- the answer at the top -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "word", "why"),
    [
        ("well", "READY", ""),
        ("no link", "READY", ""),
        ("link down", "READY", ""),
        ("alerts wait", "READY", ""),
        ("stale", "ATTENTION", "ageing"),
        ("refused", "ATTENTION", "refused"),
        ("reader absent", "ATTENTION", "passport-1"),
        ("link refused", "ATTENTION", "fault"),
        ("expired", "CANNOT CLEAR", "too old"),
        ("empty", "CANNOT CLEAR", "No notices"),
        ("age unknown", "CANNOT CLEAR", "not known"),
        ("portal late", "CANNOT CLEAR", "Lane 1: the portal portal-1 is LATE."),
        ("no portal", "CANNOT CLEAR", "Lane 1 has no portal."),
        ("cannot record", "CANNOT CLEAR", "cannot record"),
        ("standstill", "CANNOT CLEAR", "stands still"),
    ],
)
def test_the_answer_in_a_word(name: str, word: str, why: str) -> None:
    first, _, reasons = plain(CONDITIONS[name]).splitlines()[0].partition(": ")
    assert first == word and why in reasons and bool(reasons) == (word != "READY")
    assert status.is_hindered(told(CONDITIONS[name])) == (word == "CANNOT CLEAR")


def test_a_lane_that_declares_no_detector_hinders_nothing() -> None:
    assert changed(detectors=(), lanes=(LaneTable(name="1", radiation="none"),)).readiness().word == "READY"


# --- terminals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 60, 100])
def test_no_line_is_wider_than_the_terminal(condition: Condition, width: int) -> None:
    wide = replace(
        condition, booth=msgspec.structs.replace(BOOTH, crossing_point="友谊关口岸 出境大厅 東側 第二車道 " * 2)
    )
    for line in table(wide, width=width, no_color=True, color_system=None).splitlines():
        assert cell_len(line) <= width, line


def test_colour_stands_beside_words_only(condition: Condition) -> None:
    bare = table(condition, no_color=True, color_system=None)
    assert "\x1b" not in bare
    for fact in status.report(told(condition)).facts:
        assert fact.told and fact.name


def test_signs_fit_the_terminals_characters() -> None:
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii"), width=100, color_system=None)
    console.print(status.draw(status.report(told(replace(WELL, detectors=(READER, LATE)))), console))
    console.file.flush()
    assert b"! portal portal-1" in console.file.buffer.getvalue()  # type: ignore[attr-defined]  # the wrapper from above


def test_what_the_link_wrote_steers_no_terminal() -> None:
    """Nobody signs the link's words, and they are shown to a technician."""
    hostile = LinkState(state="down", since="\x1b]0;x\x07", detail="\x1b[2J\x1b[H READY \u202eyrtne\n: fault")
    text = plain(changed(link=hostile)) + table(changed(link=hostile), no_color=True, color_system=None)
    assert not [one for one in text if one in "\x1b\x07\u202e"]
    assert text.startswith("READY") and "\n: fault" not in plain(changed(link=hostile))


def test_square_brackets_are_no_markup() -> None:
    assert "[bold]Gate[/nothing]" in table(
        changed(booth=msgspec.structs.replace(BOOTH, crossing_point="[bold]Gate[/nothing]"))
    )


# --- ages and other versions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3600, "1 h"), (345_599, "95 h"), (345_600, "4 d"), (-3, "0 s")],
)
def test_ages_as_on_the_page(seconds: float, words: str) -> None:
    assert status.age(seconds) == words


def test_a_core_of_another_version_is_said_with_what_to_do() -> None:
    for answer in (
        {},
        {"booth": "ZZ"},
        {**told(WELL), "detectors": [{"name": 3}]},
        {**told(WELL), "link": {"state": 1}},
    ):
        with pytest.raises(CoreUnreachable, match="Restart it"):
            status.report(answer)
