"""The link as a whole: alerts out and receipts back over a real TLS line, whatever headquarters answers."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from failsafe.sync.dispatch import BODY_LIMIT, Dispatch, Standing
from failsafe.sync.envelope import check_receipt
from failsafe.sync.errors import HqRefuses, LineDown, LineSlow, Malformed, Older, TlsRefused
from failsafe.sync.link import Wire, read_welcome, tls_context
from failsafe.sync.records import encode
from failsafe.sync.reports import Answer, LinkState, Receipt, Refusal, Upload, receipt_file
from tests import publishing
from tests.far_end import FarEnd

PATIENCE_S = 60.0


@pytest.fixture
def far(tmp_path: Path) -> FarEnd:
    return FarEnd(tmp_path)


async def until(holds: Callable[[], object]) -> None:
    """Wait until something is so; it has to be within `PATIENCE_S`."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.02)


def dispatching(
    far: FarEnd, test: Callable[[Standing], Awaitable[None]], *, beat: bool = False, chance: float = 0.0
) -> Standing:
    """Run a test beside the upload (or the heartbeat), with back-offs that are over at once, or nearly."""

    async def run() -> Standing:
        standing = Standing(time.time)
        dispatch = Dispatch(far.out, far.spool_in, standing, time.monotonic, lambda: chance)
        with far.served() as url:
            settings = far.settings(url)
            settings.state.mkdir(exist_ok=True)
            async with Wire(url, tls_context(settings, read_welcome(settings))) as wire:
                working = asyncio.create_task((dispatch.beat if beat else dispatch.upload)(wire))
                try:
                    await test(standing)
                finally:
                    working.cancel()
                    with suppress(asyncio.CancelledError):
                        await working
        return standing

    return asyncio.run(run())


def receipts(far: FarEnd) -> set[str]:
    return {name.rpartition("/")[2].removesuffix(".json") for name in far.spool_in.names("receipts/")}


def ids(far: FarEnd) -> set[str]:
    return {entry.body.id for entry in far.booth.entries}


async def body_of(receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return body


class Listening:
    """Takes the door's place, remembers each upload's ids, and answers what it is told to."""

    def __init__(self, far: FarEnd, answer: Callable[[Upload, int], tuple[int, bytes]] | None = None) -> None:
        self.far, self.answer = far, answer
        self.uploads: list[list[str]] = []
        self.bodies: list[int] = []
        far.instead = self

    async def __call__(self, scope, receive, send):
        body = await body_of(receive)
        self.bodies.append(len(body))
        upload = msgspec.json.decode(body, type=Upload)
        self.uploads.append([envelope.id for envelope in upload.envelopes])
        if self.answer is None:
            status, content = 200, encode(self.far.desk.take(upload.envelopes, publishing.now()))
        else:
            status, content = self.answer(upload, len(self.uploads))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": content})


# --- delivery ----------------------------------------------------------------------------------------------------


def test_every_alert_gets_its_receipt_and_none_is_deleted(far: FarEnd):
    names = far.fill(7) + far.fill(2, urgent=True)

    async def test(standing: Standing) -> None:
        await until(lambda: receipts(far) == ids(far))

    standing = dispatching(far, test)
    assert far.out.names("alerts/") == sorted(names)
    for entry in far.booth.entries:
        receipt = msgspec.json.decode(far.spool_in.read(receipt_file(entry.body.id), 4096), type=Receipt)
        check_receipt(receipt, entry, far.booth.public)
    assert standing.state().state == "up"
    assert [path for path in far.paths() if path == "/alerts"] == ["/alerts", "/alerts"]


def test_what_lies_among_the_receipts_is_cleared_away_and_holds_nothing_up(far: FarEnd, tmp_path: Path):
    """What a link that was broken into has left behind: receipts for nobody, odd names, links, empty folders."""
    far.fill(3)
    place = far.spool_in.root / "receipts"
    place.mkdir()
    for number in range(3_000):
        (place / f"{uuid.UUID(int=number)}.json").touch()
    (place / "no name of ours \udcff").touch()
    (place / "link").symlink_to(tmp_path)
    (place / "folder").mkdir()

    async def test(_: Standing) -> None:
        await until(lambda: receipts(far) == ids(far) and len(list(place.iterdir())) == 3)

    assert dispatching(far, test).state().state == "up"


def test_the_urgent_go_first_and_batches_have_their_limits(far: FarEnd):
    far.fill(120)
    far.fill(2, urgent=True)
    listening = Listening(far)

    async def test(_: Standing) -> None:
        await until(lambda: receipts(far) == ids(far))

    dispatching(far, test)
    sent = [entry.body.id for entry in far.booth.entries]
    assert listening.uploads == [sent[120:], sent[:50], sent[50:100], sent[100:120]]


def test_large_envelopes_stay_below_the_bodys_limit(far: FarEnd):
    for number in range(1, 51):
        body = far.booth.seal(far.booth.alert())
        far.put(msgspec.structs.replace(body, sealed=os.urandom(66_000)), number)
    listening = Listening(far, lambda upload, _: (200, _receipt_all(upload)))

    async def test(_: Standing) -> None:
        await until(lambda: receipts(far) == ids(far))

    dispatching(far, test)
    assert max(listening.bodies) <= BODY_LIMIT
    assert sum(map(len, listening.uploads)) == 50 and len(listening.uploads) == 2


def _receipt_all(upload: Upload, *, only: Callable[[str], bool] = lambda _: True) -> bytes:
    given = tuple(
        Receipt(id=one.id, booth=one.booth, digest="0" * 64, received_at="2026-11-21T12:00:00Z")
        for one in upload.envelopes
        if only(one.id)
    )
    return encode(Answer(receipts=given))


def test_an_urgent_alert_does_not_wait_for_a_batch_that_hangs(far: FarEnd):
    far.fill(3)
    hanging = threading.Event()
    listening = Listening(far)

    async def hang_first(scope, receive, send):
        if not hanging.is_set():
            hanging.set()
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await listening(scope, receive, send)

    far.instead = hang_first

    async def test(_: Standing) -> None:
        await until(hanging.is_set)
        far.fill(1, urgent=True)
        await until(lambda: receipts(far) == ids(far))

    dispatching(far, test)
    urgent = far.booth.entries[-1].body.id
    assert listening.uploads[0] == [urgent], "it went while the others hung"
    assert len(listening.uploads) == 2 and len(listening.uploads[1]) == 3


def test_a_receipt_that_was_lost_is_fetched_again_and_one_that_is_done_is_cleared(far: FarEnd):
    names = far.fill(2)
    first, second = (entry.body.id for entry in far.booth.entries)

    async def test(_: Standing) -> None:
        await until(lambda: receipts(far) == {first, second})
        far.spool_in.remove(receipt_file(first))
        await until(lambda: receipts(far) == {first, second})
        far.out.remove(names[1])  # the core has verified the receipt
        await until(lambda: receipts(far) == {first})

    dispatching(far, test)
    assert len(far.desk.take([], publishing.now()).receipts) == 0


# --- headquarters that fails -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ((503, b'{"error": "unavailable", "advice": ""}'), "hq-refuses"),
        ((500, b""), "hq-refuses"),
        ((403, b""), "hq-refuses"),
        ((302, b""), "hq-refuses"),
        ((200, b"garbage"), "hq-refuses"),
        ((200, b"[" * 100_000), "hq-refuses"),
        ((200, b'{"receipts": 7}'), "hq-refuses"),
        ((200, bytes(1_000_000)), "feed-refused"),
        ((200, b"{}"), "hq-refuses"),
        ((413, b""), "hq-refuses"),
    ],
)
def test_whatever_headquarters_answers_alerts_arrive_when_it_is_well_again(far: FarEnd, answer, word):
    far.fill(3)
    words: list[str] = []

    async def test(standing: Standing) -> None:
        await until(lambda: standing.state().state not in ("starting", "up"))
        words.append(standing.state().state)
        assert receipts(far) == set()
        far.instead = None
        await until(lambda: receipts(far) == ids(far))
        await until(lambda: standing.state().state == "up")

    Listening(far, lambda upload, number: answer)
    dispatching(far, test)
    assert words == [word]


def test_one_envelope_that_headquarters_cannot_read_keeps_no_other_back(far: FarEnd):
    far.fill(20)
    bad = far.booth.entries[7].body.id

    def answer(upload: Upload, _: int) -> tuple[int, bytes]:
        if any(one.id == bad for one in upload.envelopes):
            return 400, b'{"error": "malformed", "advice": ""}'
        return 200, _receipt_all(upload)

    Listening(far, answer)

    async def test(_: Standing) -> None:
        await until(lambda: receipts(far) == ids(far) - {bad})

    dispatching(far, test, chance=0.3)
    assert len(far.out.names("alerts/")) == 20


def test_a_refusal_is_said_by_its_reason_and_tried_again(far: FarEnd, capsys: pytest.CaptureFixture[str]):
    far.fill(2)
    odd = far.booth.entries[0].body.id

    def answer(upload: Upload, number: int) -> tuple[int, bytes]:
        if number > 2:
            return 200, _receipt_all(upload)
        refusals = tuple(Refusal(id=one.id, reason="unsigned\n\x1b[2J") for one in upload.envelopes if one.id == odd)
        given = msgspec.json.decode(_receipt_all(upload, only=lambda known: known != odd), type=Answer)
        return 200, encode(Answer(receipts=given.receipts, refused=refusals))

    listening = Listening(far, answer)

    async def test(_: Standing) -> None:
        await until(lambda: receipts(far) == ids(far))

    dispatching(far, test)
    assert listening.uploads[1] == [odd]
    told = capsys.readouterr()
    assert "unsigned" in told.out + told.err and "\x1b[2J" not in told.out + told.err


def test_receipts_for_what_was_not_posted_are_not_written(far: FarEnd, tmp_path: Path):
    far.fill(1)
    (mine,) = ids(far)

    def answer(upload: Upload, _: int) -> tuple[int, bytes]:
        others = ("../../../escape", str(uuid.uuid4()), mine.upper(), "")
        given = [Receipt(id=other, booth="ZZ-ONE", digest="", received_at="") for other in (*others, mine)]
        return 200, encode(Answer(receipts=tuple(given)))

    Listening(far, answer)

    async def test(_: Standing) -> None:
        await until(lambda: receipts(far))

    dispatching(far, test)
    assert receipts(far) == {mine}
    assert not any("escape" in str(path) for path in tmp_path.rglob("*"))


def test_what_is_no_envelope_is_passed_over(far: FarEnd):
    (first,) = far.fill(1)
    odd = first.replace("000000000001", "000000000000").replace(first[-41:-5], str(uuid.uuid4()))
    far.out.write(odd, far.out.read(first, 100_000))  # another id inside than outside
    far.out.write(first.replace(first[-41:-5], str(uuid.uuid4())), b"no envelope")
    far.out.write("alerts/notes.txt", b"left by somebody")

    async def test(_: Standing) -> None:
        await until(lambda: receipts(far) == ids(far))

    dispatching(far, test)


# --- heartbeats --------------------------------------------------------------------------------------------------


def test_a_heartbeat_is_posted_once_and_the_next_when_it_comes(far: FarEnd):
    far.out.write("heartbeat.json", encode(far.booth.heartbeat(1, 4)))
    posted: list[bytes] = []

    async def app(scope, receive, send):
        posted.append(await body_of(receive))
        status = 503 if len(posted) == 1 else 204
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    far.instead = app
    second = encode(far.booth.heartbeat(2, 5))

    async def test(standing: Standing) -> None:
        await until(lambda: standing.state().state == "up")
        far.out.write("heartbeat.json", second)
        await until(lambda: len(posted) == 3)

    dispatching(far, test, beat=True)
    assert posted[0] == posted[1] and posted[2] == second


# --- how the link stands -----------------------------------------------------------------------------------------


def test_the_worst_is_said_until_it_is_over():
    standing = Standing(lambda: 0.0)
    assert standing.state() == LinkState(state="starting", since="1970-01-01T00:00:00Z")
    standing.fault("feed", Older("An older publication."))
    assert standing.state().state == "feed-refused"
    standing.fault("heartbeat", HqRefuses("No."))
    assert standing.state().state == "hq-refuses"
    standing.fault("alerts", LineSlow("Slow."))
    assert standing.state().state == "down"
    standing.fault("alerts", TlsRefused("Not believed."))
    assert (standing.state().state, standing.state().last_contact) == ("tls-refused", None)
    assert "Not believed. Check" in standing.state().detail
    standing.well("alerts")
    standing.idle("heartbeat")
    assert standing.state().state == "feed-refused"
    standing.well("feed")
    assert standing.state() == LinkState(
        state="up", since="1970-01-01T00:00:00Z", last_contact="1970-01-01T00:00:00Z", detail=""
    )
    assert standing.stopped().state == "stopped"


@pytest.mark.parametrize("wall", [-1e18, 1e18, 0.0])
def test_a_clock_out_of_its_mind_stops_nothing(wall):
    standing = Standing(lambda: wall)
    standing.well("alerts")
    standing.fault("feed", Malformed("Odd."))
    assert standing.state().state == "feed-refused"


def test_since_is_when_the_word_changed():
    seconds = itertools.count()
    standing = Standing(lambda: float(next(seconds)))
    standing.fault("alerts", LineDown("One."))
    since = standing.state().since
    standing.fault("alerts", LineDown("Two."))
    assert standing.state().since == since and standing.state().detail.startswith("Two.")
    standing.well("alerts")
    assert standing.state().since > since
