"""The officer's page: the stream that brings each view, and the bell that wakes it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from failsafe.agent.page.stream import STREAM_LIMIT
from failsafe.screens.streams import Bell
from tests.officer_page import CLEAR, STOP, Served, next_view, view_of
from tests.screen import WAIT_S, refusal


@pytest.fixture
def served() -> Iterator[Served]:
    with closing(Served()) as page:
        yield page


def test_stream_gives_the_view_at_once_and_each_change(served: Served) -> None:
    with served.events() as events:
        assert next(events) == ("retry", "1000")
        assert next_view(events) == view_of(1)
        served.desk.show(view_of(2, CLEAR))
        assert next_view(events) == view_of(2, CLEAR)
        served.desk.show(view_of(3, STOP))
        assert next_view(events) == view_of(3, STOP)


def test_two_pages_see_the_same_change(served: Served) -> None:
    with served.events() as first, served.events() as second:
        assert next_view(first) == next_view(second) == view_of(1)
        served.desk.show(view_of(2, STOP))
        assert next_view(first) == next_view(second) == view_of(2, STOP)


def test_flood_of_changes_ends_with_the_newest(served: Served) -> None:
    with served.events() as events:
        next_view(events)
        for number in range(2, 502):
            served.desk.show(view_of(number, CLEAR))
        numbers = []
        while not numbers or numbers[-1] != 501:
            numbers.append(next_view(events).number)
    assert numbers == sorted(set(numbers))
    assert len(numbers) < 400


def test_stream_beats_while_nothing_changes(served: Served) -> None:
    with served.events() as events:
        next_view(events)
        assert next(events) == ("beat", "1")
        assert next(events) == ("beat", "1")


@pytest.mark.parametrize("already_broken", [True, False])
def test_booth_that_gives_no_view_ends_the_stream_and_quotes_nobody(
    served: Served, caplog: pytest.LogCaptureFixture, already_broken: bool
) -> None:
    fault = RuntimeError("EXEMPLARI stands here")
    with caplog.at_level(logging.DEBUG):
        if already_broken:
            served.desk.fault = fault
        with served.events() as events:
            if not already_broken:
                next_view(events)
                served.desk.break_with(fault)
            assert list(events)[-1] == ("stopped", "{}")
    assert "RuntimeError" in caplog.text
    assert "EXEMPLARI" not in caplog.text
    refusal(served.client.get("/healthz"), 503)
    served.desk.fault = None
    with served.events() as events:
        assert next_view(events) == view_of(1)


def test_stopping_server_ends_open_streams_whole() -> None:
    page = Served()
    with contextlib.closing(page.client), page.events() as events:
        next_view(events)
        assert page.stop()
        assert list(events) == []  # the answer ends, it does not break off


def test_streams_are_bounded_and_places_are_given_back(served: Served) -> None:
    with contextlib.ExitStack() as pages:
        open_pages = [pages.enter_context(served.events()) for _ in range(STREAM_LIMIT)]
        assert {next_view(events) for events in open_pages} == {view_of(1)}
        with pytest.raises(AssertionError), served.events():
            pass
    # The server hears of the closed connections in its own time: ask until it has.
    for _ in range(500):
        with contextlib.suppress(AssertionError), served.events() as events:
            assert next_view(events) == view_of(1)
            return
    pytest.fail("no place was given back")


def test_first_line_stream_holds_no_name(served: Served) -> None:
    served.desk.show(view_of(2, STOP))
    with served.events() as events:
        text = next(data for name, data in events if name == "view")
    assert "EXEMPLARI" not in text and "2026/99001" not in text


# --- the bell -------------------------------------------------------------------------------------------------


def run_with_bell(ringer: Callable[[Bell, list[int]], None], after: int) -> int:
    """What `number` is when a wait for more than `after` ends, while `ringer` works in another thread."""
    bell, number = Bell(), [0]

    async def wait() -> int:
        thread = threading.Thread(target=ringer, args=(bell, number))
        waiting = asyncio.ensure_future(bell.past(after, lambda: number[0]))
        await asyncio.sleep(0)
        thread.start()
        await asyncio.wait_for(waiting, WAIT_S)
        thread.join()
        return number[0]

    return asyncio.run(wait())


def test_bell_wakes_only_when_the_number_is_high_enough() -> None:
    def ring(bell: Bell, number: list[int]) -> None:
        for _ in range(50):
            number[0] += 1
            bell.ring()

    assert run_with_bell(ring, 49) == 50


def test_bell_does_not_wait_for_what_has_happened() -> None:
    assert asyncio.run(asyncio.wait_for(Bell().past(3, lambda: 4), WAIT_S)) is None


def test_bell_forgets_a_waiter_that_gave_up_and_a_loop_that_closed() -> None:
    bell = Bell()

    async def give_up() -> None:
        waiting = asyncio.ensure_future(bell.past(0, lambda: 0))
        await asyncio.sleep(0)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting

    asyncio.run(give_up())
    assert bell._waiting == set()
    closed = asyncio.new_event_loop()
    bell._waiting.add((closed, asyncio.Event()))
    closed.close()
    bell.ring()
    assert bell._waiting == set()
