"""The line is away and returns: whatever happened to messages, files and processes, each alert arrives, and once.

All tests share one booth and one headquarters, and each begins with nothing waiting; what came before stays in both
ledgers and is compared again each time.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections import Counter

import pytest

from tests.story.both_ends import BothEnds, both_ends, doomed, killed_by_itself
from tests.story.journey import Journey, await_true

NIGHT_CROSSINGS = 120


@pytest.fixture(scope="module")
def house(founded: Journey, tmp_path_factory: pytest.TempPathFactory):
    with both_ends(founded, tmp_path_factory.mktemp("line")) as begun:
        yield begun


@pytest.fixture
def booth(house: BothEnds) -> BothEnds:
    """Everything runs and nothing waits."""
    house.mend_all()
    return house


# --- the offline night -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_offline_night(booth: BothEnds) -> None:
    """Eight hours of a quiet crossing point's traffic, one crossing every four minutes, without the pauses."""
    before = booth.raise_alerts(1)
    booth.await_empty()
    booth.wire.cut()
    booth.await_link("down")
    heard = len(booth.listener.heard)
    for number in range(NIGHT_CROSSINGS):
        _one_of_the_night(booth, number)
    verdicts = booth.listener.heard[heard:]
    assert all(verdict["recorded"] for verdict in verdicts)
    raised = {alert["id"]: alert["urgency"] for verdict in verdicts for alert in verdict["alerts"]}
    assert len(raised) >= 100
    assert min(Counter(raised.values())[urgency] for urgency in ("urgent", "routine")) >= 10
    booth.await_laid_out(set(raised))
    status = booth.status()
    assert status["ledger"]["undelivered"] >= len(raised) and status["mirror"]["state"] == "FRESH"
    known = {line["alert"]["id"] for line in booth.alerts_at_headquarters()}
    assert before <= known and not known & raised.keys()

    booth.wire.mend()
    booth.await_empty()
    listed = [line for line in booth.alerts_at_headquarters() if line["alert"]["id"] in raised]
    assert len(listed) == len(raised), "each once"
    numbers = {line["alert"]["id"]: line["number"] for line in listed}
    last_urgent = max(numbers[one] for one, urgency in raised.items() if urgency == "urgent")
    first_routine = min(numbers[one] for one, urgency in raised.items() if urgency == "routine")
    assert last_urgent < first_routine, "the most urgent go first"
    kept = booth.check_all_arrived(before | raised.keys())
    assert {alert.kind for alert in kept.alerts} == {
        "notice_hit",
        "listed_document",
        "radiation_alarm",
        "person_and_radiation",
    }


def _one_of_the_night(booth: BothEnds, number: int) -> None:
    """Mostly hits, since a night's alerts are to be gathered in a minute."""
    if number % 12 in (0, 11):
        # An alarm reaches whoever comes just after it: these two come later than that.
        threading.Event().wait(booth.windows.before_s + 0.2)
    if number % 12 == 0:
        booth.clear_innocent()
    elif number % 12 == 11:
        booth.meet_thief()
    elif number % 12 == 1:
        booth.meet_patient()
    elif number % 12 == 7:
        booth.meet_carrier()
    else:
        booth.meet_wanted()


# --- receipts ----------------------------------------------------------------------------------------------------


def test_receipts_that_are_lost_before_the_core_takes_them(booth: BothEnds) -> None:
    raised = waiting_while_cut(booth, 3)
    booth.kill_core()
    booth.wire.mend()
    first = booth.await_receipts(raised)
    for lost in raised:
        (booth.receipts / f"{lost}.json").unlink()
    again = booth.await_receipts(raised)
    assert again == first, "the same alert has the same receipt, whenever it is asked for"
    booth.kill_link()
    for lost in raised:
        (booth.receipts / f"{lost}.json").unlink()
    booth.start_core()
    assert booth.status()["ledger"]["undelivered"] >= len(raised), "without a receipt nothing is delivered"
    booth.start_link()
    booth.await_empty()
    booth.check_all_arrived(raised)


def test_receipts_that_nobody_of_headquarters_signed(booth: BothEnds) -> None:
    """Whoever has the link has its folder: what it says headquarters said counts for nothing."""
    (delivered,) = booth.raise_alerts(1)
    booth.await_empty()
    genuine = json.loads(receipts_at_headquarters(booth)[delivered])
    raised = waiting_while_cut(booth, 2)
    one, other = sorted(raised)
    booth.receipts.mkdir(exist_ok=True)
    (booth.receipts / f"{one}.json").write_text(json.dumps({**genuine, "id": one}))
    (booth.receipts / f"{other}.json").write_bytes(b'{"id":' * 2000)
    await_true(lambda: 'event="receipt refused"' in booth.log(), "a refused receipt")
    assert raised <= booth.ids_laid_out()
    for forged in raised:
        (booth.receipts / f"{forged}.json").unlink()
    booth.wire.mend()
    booth.await_empty()
    booth.check_all_arrived(raised)


def receipts_at_headquarters(booth: BothEnds) -> dict[str, bytes]:
    """By alert, as headquarters signed and keeps them."""
    arrived = booth.arrived()
    with booth.desk() as (_, engine), engine.connect() as connection:
        rows = connection.exec_driver_sql("select id, receipt from entries where is_alert").all()
    assert {row.id for row in rows} == set(arrived.alerts)
    return {row.id: row.receipt for row in rows}


# --- processes that die in the worst moment ----------------------------------------------------------------------


def test_the_link_is_killed_between_post_and_write(booth: BothEnds) -> None:
    """Headquarters has it and has said so; the booth's link dies with the receipt in its hands."""
    raised = waiting_while_cut(booth, 3)
    booth.kill_link()
    booth.wire.mend()
    dies = (
        "def watch(event, about):\n"
        "    # A spool puts a file into place by a rename; only a receipt's name has the length of an id.\n"
        "    if event == 'os.rename' and len(str(about[1])) == 36 + len('.json'): die()\n"
        "sys.addaudithook(watch)"
    )
    booth.launch_link(*doomed(booth.folder, "doomed_link", dies, "failsafe.agent.cli"))
    assert killed_by_itself(booth.link)
    assert raised <= set(booth.arrived().alerts), "headquarters had committed"
    assert raised <= booth.ids_laid_out(), "and the booth knows nothing of it"
    booth.start_link()
    booth.await_empty()
    booth.check_all_arrived(raised)


@pytest.mark.parametrize("moment", ["commit", "checkin"])
def test_headquarters_is_killed_around_its_commit(booth: BothEnds, moment: str) -> None:
    """`commit`: everything is written and not yet durable; `checkin`: it is, and nobody has been told."""
    raised = waiting_while_cut(booth, 3)
    booth.kill_headquarters()
    dies = (
        "from sqlalchemy import Engine, event\n"
        "wrote = []\n"
        "@event.listens_for(Engine, 'after_cursor_execute')\n"
        "def after(connection, cursor, statement, *more):\n"
        "    if statement.startswith('INSERT INTO entries'): wrote.append(1)\n"
        f"@event.listens_for(Engine, '{moment}')\n"
        "def now(*about):\n"
        "    if wrote: die()"
    )
    booth.launch_headquarters(*doomed(booth.folder, f"doomed_{moment}", dies, "failsafe.hq.cli"))
    await_true(booth.headquarters_listens, "headquarters' server")
    booth.wire.mend()
    assert killed_by_itself(booth.server)
    stored = raised & set(booth.arrived().alerts)
    assert bool(stored) is (moment == "checkin")
    assert raised <= booth.ids_laid_out()
    booth.launch_headquarters()
    booth.await_empty()
    booth.check_all_arrived(raised)


# --- files that are not what the core laid out -------------------------------------------------------------------


def test_envelopes_in_disorder_and_doubled(booth: BothEnds) -> None:
    """Named anew so that the last comes first, each twice, the urgent as routine: the link believes the names."""
    raised = waiting_while_cut(booth, 5)
    booth.kill_core()
    names = sorted(booth.laid_out(), key=lambda name: name[len("0-") :])  # in the chain's order
    kept = {name: (booth.out / name).read_bytes() for name in names}
    for name in names:
        (booth.out / name).unlink()
    last = names[-1]
    (booth.out / last).write_bytes(kept.pop(last))
    booth.wire.mend()
    only = last[-len("00000000-0000-0000-0000-000000000000.json") : -len(".json")]
    booth.await_receipts({only})
    chains = {line.alert.id: line.chain for line in booth.arrived().view.alerts}
    assert chains[only] == "gap before", "headquarters sees that something before it is missing"

    for place, (name, content) in enumerate(reversed(kept.items())):
        entry_id = name[len("0-000000000000-") : -len(".json")]
        for number in (place, 700_000 + place):
            (booth.out / f"1-{number:012}-{entry_id}.json").write_bytes(content)
    booth.await_receipts(raised)
    chains = {line.alert.id: line.chain for line in booth.arrived().view.alerts}
    assert {chains[one] for one in raised} == {"whole"}, "the gap has closed"
    booth.start_core()
    booth.await_empty()
    booth.check_all_arrived(raised)


def test_what_was_delivered_long_ago_is_shown_again(booth: BothEnds) -> None:
    raised = waiting_while_cut(booth, 3)
    old = shutil.copytree(booth.out, booth.folder / "old")
    booth.wire.mend()
    booth.await_empty()
    before = booth.arrived()
    booth.kill_core()
    shutil.copytree(old, booth.out, dirs_exist_ok=True)
    again = booth.await_receipts(raised)
    receipts = receipts_at_headquarters(booth)
    assert {one: receipts[one] for one in raised} == again
    booth.start_core()
    booth.await_empty()
    await_true(lambda: not list(booth.receipts.iterdir()), "a link that has cleared its receipts away")
    after = booth.arrived()
    assert after.alerts == before.alerts
    shutil.rmtree(old)
    booth.check_all_arrived(raised)


def test_the_tray_is_wiped_again_and_again(booth: BothEnds) -> None:
    """`spool/out` is only a projection of the ledger."""
    raised = waiting_while_cut(booth, 5)
    contents = {name: (booth.out / name).read_bytes() for name in booth.laid_out()}
    for _ in range(3):
        assert booth.wipe("out") >= len(raised)
        booth.await_laid_out(raised)
    booth.out.parent.rename(booth.folder / "gone")  # at one stroke: the core writes into it meanwhile
    booth.await_laid_out(raised)
    await_true(lambda: contents.keys() <= set(booth.laid_out()), "every envelope")
    assert {name: (booth.out / name).read_bytes() for name in contents} == contents, "and it is the same envelope"
    booth.wire.mend()
    booth.await_empty()
    booth.check_all_arrived(raised)


def test_the_incoming_spool_is_wiped(booth: BothEnds) -> None:
    """Receipts, notices and welcome file are gone: the booth judges on, and a new welcome is all that it takes."""
    raised = waiting_while_cut(booth, 2)
    booth.kill_core()
    booth.wire.mend()
    booth.await_receipts(raised)
    assert booth.wipe("in") > len(raised)
    await_true(lambda: "welcome file" in link_detail(booth), "a link that asks for its welcome file")
    booth.start_core()
    assert booth.status()["ledger"]["undelivered"] >= len(raised)
    booth.await_ready()
    raised |= booth.raise_alerts(1)
    booth.welcome_again()
    booth.await_empty()
    await_true(
        lambda: (booth.folder / "spool" / "in" / "metadata" / "timestamp.json").is_file(),
        "the publication, fetched anew",
    )
    booth.check_all_arrived(raised)


def test_hostile_files_in_the_tray_hold_nothing_up(booth: BothEnds) -> None:
    """Links, pipes, huge files and another's name for an envelope: the good ones go, and nothing is read but they."""
    raised = waiting_while_cut(booth, 2)
    booth.kill_core()
    secret = booth.folder / "keys" / "signing.key"
    good = booth.laid_out()[0]
    names = [f"0-{number:012}-{number:08x}-0000-4000-8000-000000000000.json" for number in range(5)]
    (booth.out / names[0]).symlink_to(secret)
    os.mkfifo(booth.out / names[1])
    with (booth.out / names[2]).open("wb") as huge:
        huge.truncate(2**33)
    shutil.copy(booth.out / good, booth.out / names[3])
    (booth.out / names[4]).write_bytes(b"\xff" * 5000)
    (booth.out / "0-of-no-shape.json").write_bytes(b"{}")
    booth.wire.mend()
    booth.await_receipts(raised)
    assert link_detail(booth).count("key") == 0
    booth.start_core()
    booth.await_empty()
    assert secret.stat().st_size == 32, "what the link pointed at is untouched"
    booth.check_all_arrived(raised)


# --- what several of them need -----------------------------------------------------------------------------------


def waiting_while_cut(booth: BothEnds, number: int) -> set[str]:
    """Cut the line and raise alerts; their ids, all of them laid out and none at headquarters."""
    booth.wire.cut()
    booth.await_link("down")
    raised = booth.raise_alerts(number)
    booth.await_laid_out(raised)
    assert not raised & set(booth.arrived().alerts)
    return raised


def link_detail(booth: BothEnds) -> str:
    return str(booth.link_says().get("detail", ""))
