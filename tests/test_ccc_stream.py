"""The command centre's event streams: what a page is told, when, and what nobody is told."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.hq.ccc import stream
from failsafe.hq.ccc.app import MOST_LINES
from failsafe.hq.ccc.stream import STREAM_LIMIT, Held, Push
from failsafe.hq.ccc.view import BoothLine, LateTimestamp
from failsafe.screens import streams
from failsafe.sync.reports import MatchReason, Urgency
from tests.ccc_page import AT, ModelPage, Served, in_order, line, next_push, numbers, ringing, serving, three, view
from tests.screen import refusal


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(*three()) as page:
        yield page


def test_stream_gives_the_list_at_once_urgent_first(served: Served) -> None:
    page = ModelPage()
    with served.events() as events:
        push = next_push(events, page)
    assert numbers(page.shown) == [2, 3, 1]
    assert page.shown[0] == served.desk.lines[1]
    assert (push.total, push.all, push.at) == (3, 3, AT)
    assert page.booths == {"XX-INVENTED-01": served.desk.booths[0]}


def test_an_arrival_crosses_alone(served: Served) -> None:
    page = ModelPage()
    with served.events() as events:
        next_push(events, page)
        served.desk.add(line(4))
        push = next_push(events, page)
    assert page.told[-1] == [4]
    assert push.booths == ()
    assert numbers(page.shown) == [2, 4, 3, 1]


def test_what_changes_of_an_alert_crosses_again(served: Served) -> None:
    page = ModelPage()
    with served.events() as events:
        next_push(events, page)
        for changed in (line(3, chain="gap before"), line(3, chain="fork"), line(3, tries=1), line(3, tries=2)):
            served.desk.add(changed)
            next_push(events, page)
            assert page.told[-1] == [changed.number]
            assert page.shown[1] == changed


def test_a_timestamp_that_is_late_is_told_though_nothing_else_changes(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BEATS_A_LOOK", 1)
    monkeypatch.setattr(streams, "BEAT_S", 0.05)
    page = ModelPage()
    with served.events() as events:
        assert next_push(events, page).late is None
        for late in (LateTimestamp(signed_at=AT), LateTimestamp(), None):
            served.late = late
            push = next_push(events, page)
            assert (push.late, push.lines, push.booths) == (late, (), ())
    assert numbers(page.shown) == [2, 3, 1]


def test_booths_come_change_and_go(served: Served) -> None:
    page, desk = ModelPage(), served.desk
    with served.events() as events:
        next_push(events, page)
        silent = BoothLine(booth="XX-INVENTED-02", country="XX", gaps=2, faults=("The portal is not heard.",))
        desk.booths = (*desk.booths, silent)
        desk.change()
        assert len(next_push(events, page).booths) == 1
        assert page.booths["XX-INVENTED-02"] == silent
        desk.booths = desk.booths[1:]
        desk.change()
        assert next_push(events, page).gone == ("XX-INVENTED-01",)
        assert set(page.booths) == {"XX-INVENTED-02"}


def test_limit_bounds_what_is_shown_and_says_how_much_there_is(served: Served) -> None:
    page = ModelPage()
    with served.events(limit=2) as events:
        push = next_push(events, page)
    assert numbers(page.shown) == [2, 3]
    assert push.total == 3


def test_search_is_asked_of_the_desk(served: Served) -> None:
    served.desk.add(line(4, surname="示例"))
    page = ModelPage()
    with served.events(search=" 示例 ") as events:
        push = next_push(events, page)
        assert numbers(page.shown) == [4]
        assert (push.total, push.all) == (1, 4)
        served.desk.add(line(5, surname="示例"), line(6))
        next_push(events, page)
        assert numbers(page.shown) == [5, 4]


def test_search_does_not_hide_an_urgent_alert(served: Served) -> None:
    page = ModelPage()
    with served.events(search="NOBODY OF THIS NAME") as events:
        next_push(events, page)
        assert page.shown == []
        assert numbers(page.waiting) == [2]
        served.desk.add(line(7, "urgent"))
        next_push(events, page)
        assert page.shown == []
        assert numbers(page.waiting) == [7, 2]


def test_a_short_list_does_not_hide_an_urgent_alert(served: Served) -> None:
    served.desk.add(*(line(number, "urgent") for number in range(10, 15)))
    page = ModelPage()
    with served.events(limit=1) as events:
        next_push(events, page)
    assert numbers(page.shown) == [14]
    assert numbers(page.waiting) == [14, 13, 12, 11, 10, 2]


def test_two_pages_are_told_each_what_it_lacks(served: Served) -> None:
    first, second = ModelPage(), ModelPage()
    with served.events() as early:
        next_push(early, first)
        served.desk.add(line(4))
        next_push(early, first)
        with served.events() as late:
            next_push(late, second)
            assert first.shown == second.shown
            assert len(second.told[0]) == 4
            served.desk.add(line(5))
            next_push(early, first)
            next_push(late, second)
    assert first.told[-1] == second.told[-1] == [5]


def test_flood_ends_with_every_alert_and_few_pushes(served: Served) -> None:
    page = ModelPage()
    with served.events(limit=MOST_LINES) as events:
        next_push(events, page)
        for number in range(10, 510):
            served.desk.add(line(number))
        while len(page.shown) < 503:
            next_push(events, page)
    assert numbers(page.shown) == [2, *range(509, 9, -1), 3, 1]
    told = [key for keys in page.told for key in keys]
    assert len(told) == len(set(told)) == 503  # each line once
    assert len(page.told) < 400


def test_stream_beats_while_nothing_changes_and_looks_again(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BEAT_S", 0.02)
    page = ModelPage()
    with served.events() as events:
        next_push(events, page)
        for _ in range(2 * stream.BEATS_A_LOOK):
            assert next(events)[0] == "beat"
        assert len(served.desk.asked) >= 2
        # A change that nobody rang for is found by looking.
        served.desk.lines.append(line(8))
        next_push(events, page)
    assert numbers(page.shown) == [2, 8, 3, 1]


def test_desk_that_falls_mute_without_a_ring_ends_the_stream(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BEAT_S", 0.02)
    with served.events() as events:
        next_push(events, ModelPage())
        served.desk.fault = RuntimeError("the register is gone")
        assert list(events)[-1] == ("stopped", "{}")


@pytest.mark.parametrize("fault", [RuntimeError("EXEMPLARI stands here"), OSError("EXEMPLARI stands here")])
@pytest.mark.parametrize("already_broken", [True, False])
def test_desk_that_gives_no_list_ends_the_stream_and_quotes_nobody(
    served: Served, caplog: pytest.LogCaptureFixture, already_broken: bool, fault: Exception
) -> None:
    with caplog.at_level(logging.DEBUG):
        if already_broken:
            served.desk.fault = fault
        with served.events() as events:
            if not already_broken:
                next_push(events, ModelPage())
                served.desk.fault = fault
                served.desk.change()
            assert list(events)[-1] == ("stopped", "{}")
    assert "told nothing more" in caplog.text
    assert "EXEMPLARI" not in caplog.text
    refusal(served.client.get("/healthz"), 503)
    served.desk.fault = None
    page = ModelPage()
    with served.events() as events:
        next_push(events, page)
    assert numbers(page.shown) == [2, 3, 1]


def test_slow_desk_holds_up_no_other_page(served: Served) -> None:
    served.desk.may_answer.clear()
    with served.events() as events:
        assert served.client.get("/").status_code == 200
        served.desk.may_answer.set()
        next_push(events, ModelPage())
    assert served.desk.threads.isdisjoint({served.thread, threading.get_ident()})


def test_stopping_server_ends_open_streams_whole() -> None:
    page = Served()
    with contextlib.closing(page.client), page.events() as events:
        next_push(events, ModelPage())
        assert page.stop()
        assert list(events) == []  # the answer ends, it does not break off


def test_streams_are_bounded_and_places_are_given_back(served: Served) -> None:
    with contextlib.ExitStack() as pages:
        open_pages = [pages.enter_context(served.events()) for _ in range(STREAM_LIMIT)]
        for events in open_pages:
            next_push(events, ModelPage())
        refusal(served.ask({}), 503)
    # The server hears of the closed connections in its own time: ask until it has.
    for _ in range(500):
        with contextlib.suppress(AssertionError), served.events() as events:
            next_push(events, ModelPage())
            return
    pytest.fail("no place was given back")


def test_neither_token_nor_search_is_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), served.events(search="EXEMPLARI") as events:
        next_push(events, ModelPage())
        refusal(served.ask({"search": "EXEMPLARI" * 100}), 400)
    said = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    assert served.token not in said and "EXEMPLARI" not in said


def test_health_says_the_number(served: Served) -> None:
    served.desk.number = 41
    assert served.client.get("/healthz").json() == {"ok": True, "number": 41}


# --- what a page holds ----------------------------------------------------------------------------------------


def test_an_empty_list_is_told_once() -> None:
    held = Held(limit=10)
    first = held.take(view(1, []), 0)
    assert first is not None and (first.order, first.total) == ((), 0)
    assert held.take(view(2, []), 0) is None
    assert held.number == 2


def test_what_rings_beyond_the_list_is_counted() -> None:
    lines = [line(number, "urgent") for number in range(1, 31)]
    few = msgspec.structs.replace(view(1, lines, limit=1), waiting=ringing(lines)[:20])
    push = Held(limit=1).take(few, 30)
    assert push is not None
    assert (push.order, push.waiting, push.waiting_total) == ((30,), tuple(range(30, 10, -1)), 30)
    assert len(push.lines) == 20


def test_total_that_changes_alone_is_told() -> None:
    held = Held(limit=1)
    held.take(view(1, [line(3), line(2)], limit=1), 2)
    push = held.take(view(2, [line(3), line(2), line(1)], limit=1), 3)
    assert push is not None
    assert (push.total, push.all, push.lines) == (3, 3, ())


STATES = st.lists(
    st.tuples(
        st.dictionaries(
            st.integers(1, 9),
            st.tuples(st.sampled_from(get_args(Urgency)), st.sampled_from(["whole", "fork"]), st.booleans()),
        ),
        st.dictionaries(st.sampled_from(["AA-1", "BB-2"]), st.integers(0, 1)),
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(STATES, st.integers(1, 5))
def test_pushes_always_lead_to_the_list_the_desk_holds(states, limit: int) -> None:
    held, page = Held(limit=limit, search="search"), ModelPage()
    for number, (alerts, gaps) in enumerate(states):
        lines = [line(one, urgency, chain=chain) for one, (urgency, chain, _) in alerts.items()]
        found = [line(one, urgency, chain=chain) for one, (urgency, chain, hit) in alerts.items() if hit]
        booths = tuple(BoothLine(booth=name, country="XX", gaps=many) for name, many in gaps.items())
        before = (page.shown, page.waiting, dict(page.booths)) if page.push else None
        push = held.take(view(number, found, booths, limit, lines), len(lines))
        if push is not None:
            page.take(msgspec.json.decode(msgspec.json.encode(push), type=Push))
        else:
            assert before == (page.shown, page.waiting, page.booths)
        assert page.push is not None
        assert page.shown == in_order(found)[:limit]
        assert page.waiting == list(ringing(lines))
        assert page.booths == {one.booth: one for one in booths}
        assert (page.push.total, page.push.all) == (len(found), len(lines))


def test_every_name_of_an_alert_is_sent_whole() -> None:
    names = ("示例", "النموذجي", "לדוגמה", "მაგალითაძე", "\u202eabc")
    for name in names:
        reason = MatchReason(field="name", query=name, candidate=name, why="the same", points=8.0)
        one = line(1, surname=name)
        notice = msgspec.structs.replace(one.alert.notices[0], reasons=(reason,))
        one = msgspec.structs.replace(one, alert=msgspec.structs.replace(one.alert, notices=(notice,)))
        push = Held(limit=1).take(view(1, [one]), 1)
        assert push is not None
        page = ModelPage()
        page.take(msgspec.json.decode(msgspec.json.encode(push), type=Push))
        assert page.shown == [one]
