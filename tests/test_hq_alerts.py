"""`failsafe-hq alerts`: what the command centre holds, for a terminal and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from failsafe.hq.cli import main
from failsafe.hq.desk import listing
from tests.publishing import Desk as Headquarters
from tests.sending import AT, Booth, open_desk


@pytest.fixture
def hq(tmp_path: Path) -> Headquarters:
    return Headquarters(tmp_path / "hq")


def listed(hq: Headquarters, *words: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(hq.home), "alerts", *words])


@pytest.fixture
def booth(hq: Headquarters, tmp_path: Path) -> Booth:
    made = Booth(hq, tmp_path)
    desk = open_desk(hq)
    routine = made.seal(made.alert(surname="ZORVEKARIO"))
    urgent = made.seal(made.alert(urgent=True, surname="EXAMPLOV", tier="rn"))
    desk.take([routine, urgent, made.seal(made.health())], AT)
    desk.close()
    return made


def test_no_alert_is_an_empty_list_and_not_an_error(hq: Headquarters) -> None:
    result = listed(hq)
    assert result.exit_code == 0 and result.stdout == "" and "0 of 0 alerts" in result.stderr


def test_the_urgent_stand_first_and_the_table_names_nobody(hq: Headquarters, booth: Booth) -> None:
    result = listed(hq)
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    assert "urgent" in lines[0] and "routine" in lines[1]
    assert booth.name in lines[0] and "whole" in lines[0]
    assert "EXAMPLOV" not in result.stdout and "ZORVEKARIO" not in result.stdout


def test_programs_get_one_object_a_line(hq: Headquarters, booth: Booth) -> None:
    lines = [json.loads(line) for line in listed(hq, "--json").stdout.splitlines()]
    assert [line["alert"]["id"] for line in lines] == [booth.entries[1].body.id, booth.entries[0].body.id]
    assert lines[0]["alert"]["person"]["surname"] == "EXAMPLOV"
    assert [line["sequence"] for line in lines] == [2, 1]


def test_search_and_limit(hq: Headquarters, booth: Booth) -> None:
    found = [json.loads(line) for line in listed(hq, "--json", "--search", "zorvekario").stdout.splitlines()]
    assert [line["alert"]["id"] for line in found] == [booth.entries[0].body.id]
    assert len(listed(hq, "--limit", "1").stdout.splitlines()) == 1
    assert listed(hq, "--limit", "0").exit_code == 2


def test_more_alerts_than_one_portion_are_all_listed(
    hq: Headquarters, booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's list ends at its most lines; a program that asks for more gets more."""
    desk = open_desk(hq)
    desk.take([booth.seal(booth.alert(urgent=number % 3 == 0)) for number in range(9)], AT)
    desk.close()
    monkeypatch.setattr(listing, "MOST_LINES", 2)
    for limit, shown in ((100, 11), (5, 5), (11, 11)):
        result = listed(hq, "--json", "--limit", str(limit))
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        assert len(lines) == shown and f"{shown} of 11 alerts." in result.stderr
        assert ("--limit" in result.stderr) == (shown < 11)
        order = [(line["alert"]["urgency"], -line["number"]) for line in lines]
        assert order == sorted(order, key=lambda one: (one[0] != "urgent", one[1]))
    found = listed(hq, "--search", "examplov")
    assert len(found.stdout.splitlines()) == 1 and "1 of 1 alerts." in found.stderr


def test_findings_stand_with_their_alert_and_the_table_only_counts_them(hq: Headquarters, booth: Booth) -> None:
    desk = open_desk(hq)
    desk.take([booth.seal(booth.finding(booth.entries[0], text=text)) for text in ("ZORVEKARIO is a patient", "B")], AT)
    desk.close()
    routine = listed(hq).stdout.splitlines()[1]
    assert "findings: 2" in routine and "ZORVEKARIO" not in routine
    assert "findings" not in listed(hq).stdout.splitlines()[0]
    (found,) = [json.loads(line) for line in listed(hq, "--json", "--search", "patient").stdout.splitlines()]
    assert found["alert"]["id"] == booth.entries[0].body.id
    assert [one["finding"]["text"] for one in found["findings"]] == ["ZORVEKARIO is a patient", "B"]
