"""Receipts of purges at headquarters: which booths have confirmed a withdrawal, which owe it, and who is believed."""

from __future__ import annotations

import datetime as dt
import json
import uuid

import pytest
from click.testing import CliRunner

from failsafe.hq.cli import main
from failsafe.hq.desk.purges import PurgesUnknown
from failsafe.hq.feeds import publish
from failsafe.hq.feeds.register import Register
from failsafe.sync.records import Notice, PersonName
from failsafe.sync.reports import FeedState, PurgeReceipt
from failsafe.sync.shape import Entry, Restrictions
from tests import publishing
from tests.publishing import LINEAGE
from tests.sending import AT, REGISTER_FILE, Booth, wall


def entry(number: int, **restrictions) -> Entry:
    notice = Notice(entity_id=f"2026/{number}", tier="red", names=(PersonName(surname="INVENTED", given="NOONE"),))
    return Entry(notice, Restrictions(**restrictions)) if restrictions else Entry(notice)


class Headquarters:
    """The register's side: puts out and withdraws; each publication is the next serial."""

    def __init__(self, hq: publishing.Desk) -> None:
        self._hq = hq
        self.register = Register.in_file(hq.home / REGISTER_FILE)
        self.out = [""]  # when each serial came out

    def publish(self, *entries: Entry, withdraw: tuple[int, ...] = ()) -> publish.Outcome:
        self.register.take(entries, (), [f"2026/{number}" for number in withdraw])
        self._at = getattr(self, "_at", publishing.now()) + dt.timedelta(seconds=1)
        self.out.append(publish.moment(self._at))
        return publish.publish(self.register, self._hq.repository, now=self._at)


@pytest.fixture
def office(hq, booth):
    """Serials 1 (three notices), 2 (one withdrawn), 3 (one more notice, none withdrawn)."""
    made = Headquarters(hq)
    made.publish(*(entry(number) for number in range(3)))
    made.publish(withdraw=(1,))
    made.publish(entry(7))
    yield made
    made.register.close()


def receipt(booth: Booth, serial: int, count: int, removed: int, **more) -> PurgeReceipt:
    values = {"feed": "base", "lineage": LINEAGE, "purged": removed} | more
    return PurgeReceipt(
        id=str(uuid.uuid4()),
        at=wall(len(booth.entries)),
        place=booth.place(),
        serial=serial,
        count=count,
        removed=removed,
        **values,
    )


def tell(desk, booth, *args, **more) -> None:
    answer = desk.take([booth.seal(booth.append(receipt(booth, *args, **more)))], AT)
    assert len(answer.receipts) == 1


def states(desk, feed="base", serial=None):
    return {line.booth: line.state for line in desk.purges(feed, serial)}


def test_a_booth_owes_until_it_has_confirmed(desk, booth, office, hq, tmp_path):
    other = Booth(hq, tmp_path, "ZZ-TWO")
    assert states(desk) == {booth.name: "owed", other.name: "owed"}
    tell(desk, booth, 2, 2, 1)
    assert states(desk) == {booth.name: "confirmed", other.name: "owed"}
    (line, _) = desk.purges("base")
    assert (line.serial, line.at, line.why) == (2, wall(0).wall, "")


def test_a_receipt_confirms_every_step_up_to_the_next_removal(desk, booth, office):
    tell(desk, booth, 2, 2, 1)
    assert [states(desk, serial=serial)[booth.name] for serial in (1, 2, 3)] == ["confirmed"] * 3
    office.publish(withdraw=(2,))
    assert states(desk)[booth.name] == "owed" and states(desk, serial=3)[booth.name] == "confirmed"
    tell(desk, booth, 4, 2, 2)
    assert states(desk)[booth.name] == "confirmed"


def test_where_nothing_was_removed_nothing_is_owed(desk, booth, office):
    assert states(desk, serial=1)[booth.name] == "nothing removed"


def test_a_step_that_was_not_published_is_not_told_of(desk, booth, office):
    for feed, serial in (("base", 9), ("nowhere", None)):
        with pytest.raises(PurgesUnknown):
            desk.purges(feed, serial)


@pytest.mark.parametrize(("serial", "count", "removed"), [(2, 5, 1), (2, 2, 9), (99, 2, 1)])
def test_numbers_that_are_not_headquarters_own_confirm_nothing(desk, booth, office, serial, count, removed):
    tell(desk, booth, serial, count, removed)
    (line,) = desk.purges("base")
    assert line.state == "doubtful" and "numbers" in line.why


def test_a_receipt_of_another_lineage_confirms_nothing(desk, booth, office):
    tell(desk, booth, 2, 2, 1, lineage="of before the restoration")
    assert states(desk)[booth.name] == "owed"


def test_no_number_of_a_booth_gone_bad_stops_the_desk(desk, booth, office):
    tell(desk, booth, 2**62, 2**63, 2**64 - 1, feed="ba\0se" * 40)
    tell(desk, booth, 2, 2, 1)
    assert states(desk)[booth.name] == "confirmed"


def test_the_last_of_the_chain_counts_whenever_it_came(desk, booth, office):
    office.publish(withdraw=(2,))
    early, late = (booth.append(receipt(booth, *numbers)) for numbers in ((2, 2, 1), (4, 2, 2)))
    desk.take([booth.seal(late)], AT)
    desk.take([booth.seal(early)], AT)
    assert states(desk)[booth.name] == "confirmed"


def test_a_receipt_is_no_alert_and_rings_nobody_up(desk, booth, office):
    tell(desk, booth, 2, 2, 1)
    shown = desk.list(10, "")
    assert shown.total == 0 and desk.changes(booth.name, 10).total == 0


def test_of_the_owed_it_is_told_how_far_they_have_come(desk, booth, office):
    (line,) = desk.purges("base")
    assert line.why == "no heartbeat tells what it holds"
    for second, serial, words in ((1, 1, "it holds serial 1 yet"), (2, 3, "it holds serial 3: its receipt")):
        desk.hear(
            booth.heartbeat(second, 5 + second, mirror=(FeedState(feed="base", lineage=LINEAGE, serial=serial),)), AT
        )
        (line,) = desk.purges("base", 2)
        assert line.why.startswith(words)


def test_mirrors_set_aside_are_told_of(desk, booth, office):
    tell(desk, booth, 2, 2, 1, set_aside=2)
    (line,) = desk.purges("base")
    assert line.state == "confirmed" and line.why == "2 damaged mirrors set aside on its disk may hold it yet"


def test_a_revoked_booth_is_not_waited_for(desk, booth, office):
    office.register.revoke(booth.name, "2026-11-22T12:00:00Z")
    assert states(desk) == {}


def test_a_supplement_is_owed_by_those_who_read_it_and_by_those_who_did(desk, booth, office, hq):
    outcome = office.publish(entry(20, allow=frozenset({"ZZ"})), entry(21, allow=frozenset({"ZZ"})))
    (head,) = outcome.supplements
    assert states(desk, head.feed) == {booth.name: "nothing removed"}
    office.publish(withdraw=(20,))
    assert states(desk, head.feed) == {booth.name: "owed"}
    tell(desk, booth, 2, 1, 1, feed=head.feed)
    assert states(desk, head.feed) == {booth.name: "confirmed"}
    office.register.move(booth.name, "XA")
    assert states(desk, head.feed) == {booth.name: "owed"}
    tell(desk, booth, 2, 1, 1, feed=head.feed, held=False)
    (line,) = desk.purges(head.feed)
    assert line.state == "confirmed" and line.why == "the whole feed is gone."


# --- the list ----------------------------------------------------------------------------------------------------


def listed(desk):
    return {line.booth: line.purges for line in desk.list(1, "").booths}


def test_the_list_says_of_each_booth_how_much_is_left_since_when(desk, booth, office, hq, tmp_path):
    other = Booth(hq, tmp_path, "ZZ-TWO")
    tell(desk, booth, 2, 2, 1, set_aside=1)
    (mine,), (theirs,) = listed(desk)[booth.name], listed(desk)[other.name]
    assert (mine.feed, mine.state, mine.serial, mine.at, mine.aside) == ("base", "confirmed", 2, wall(0).wall, 1)
    assert (theirs.state, theirs.left, theirs.serial) == ("owed", None, None)
    assert theirs.since == office.out[2], "that of the first withdrawal"
    office.publish(withdraw=(2,))
    office.publish(withdraw=(7,))
    (mine,) = listed(desk)[booth.name]
    assert (mine.state, mine.left, mine.serial, mine.holds) == ("owed", 2, 2, None)
    assert mine.since == office.out[4]
    held = (FeedState(feed="base", lineage=LINEAGE, serial=4),)
    desk.hear(booth.heartbeat(1, 9, mirror=held), AT)
    (mine,) = listed(desk)[booth.name]
    assert (mine.holds, mine.has_it) == (4, False)
    tell(desk, booth, 5, 0, 3)
    assert [one.state for one in listed(desk)[booth.name]] == ["doubtful"]


def test_the_list_names_a_supplement_only_with_booths_that_it_concerns(desk, booth, office):
    outcome = office.publish(entry(20, allow=frozenset({"ZZ"})), entry(21, allow=frozenset({"XA"})))
    mine = next(head.feed for head in outcome.supplements if head.feed in dict(_feeds(listed(desk)[booth.name])))
    assert dict(_feeds(listed(desk)[booth.name])) == {"base": "owed", mine: "nothing removed"}
    office.register.move(booth.name, "XA")
    assert mine not in dict(_feeds(listed(desk)[booth.name]))
    tell(desk, booth, 1, 1, 0, feed=mine)
    (parted,) = (one for one in listed(desk)[booth.name] if one.feed == mine)
    assert (parted.state, parted.parted) == ("owed", True)


def _feeds(states):
    return ((one.feed, one.state) for one in states)


def test_a_desk_that_publishes_nothing_knows_of_no_purge(desk, booth):
    assert listed(desk) == {booth.name: ()}
    tell(desk, booth, 2, 2, 1)
    assert listed(desk) == {booth.name: ()}


# --- the command -------------------------------------------------------------------------------------------------


def purges(hq, *words):
    return CliRunner().invoke(main, ["--home", str(hq.home), "booths", "purges", *words])


def test_the_command_names_who_owes(hq, desk, booth, office, tmp_path):
    other = Booth(hq, tmp_path, "ZZ-TWO")
    tell(desk, booth, 2, 2, 1)
    told = purges(hq)
    assert told.exit_code == 0, told.output
    assert f"{booth.name}\tconfirmed\tup to serial 2" in told.stdout
    assert f"{other.name}\towed\tno receipt" in told.stdout and "owed: 1. confirmed: 1. 2 booths in all." in told.stderr
    assert [line.split("\t")[0] for line in purges(hq, "--owed").stdout.splitlines()] == [other.name]
    lines = [json.loads(line) for line in purges(hq, "--json", "--serial", "1").stdout.splitlines()]
    assert [(line["booth"], line["state"]) for line in lines] == [
        (booth.name, "confirmed"),
        (other.name, "nothing removed"),
    ]


def test_the_command_says_what_to_do_where_there_is_no_such_step(hq, booth, office):
    told = purges(hq, "--serial", "99")
    assert told.exit_code != 0 and "failsafe-hq publish" in told.output


def test_withdrawing_tells_how_to_look(hq, office):
    told = CliRunner().invoke(main, ["--home", str(hq.home), "withdraw", "2026/2"])
    assert told.exit_code == 0 and "failsafe-hq booths purges" in told.output
