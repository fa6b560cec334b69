"""The line in figures: a backlog through the real link to a real server, and a look for news where there is none.

Headquarters' server and the link are processes of their own, on loopback, over TLS with certificates. The look is
taken in this process, so that its processor time can be told from everybody else's.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

from failsafe.agent import keys as booth_keys
from failsafe.agent.commands import bench
from failsafe.agent.commands.figures import Figure, Rival, figure
from failsafe.agent.demo.house import BOOTH, DemoFailed, House
from failsafe.hq.feeds.repository import Repository
from failsafe.hq.keyring.keys import KeyStore
from failsafe.sync import envelope
from failsafe.sync.delivery import TIMESTAMP
from failsafe.sync.link import Settings, ThreadSource, Wire, read_welcome, tls_context
from failsafe.sync.outbox import BATCH
from failsafe.sync.records import Welcome, encode
from failsafe.sync.refresh import Fetched, Refresher
from failsafe.sync.reports import ALERTS_FOLDER, RECEIPTS_FOLDER, Answer, ChainEntry, Envelope, Upload, Want, alert_file
from failsafe.sync.spool import Spool
from tests.bench.crowd import People
from tests.bench.parts import alert, timed

ALERTS = 1_000
LOOKS = 20
PERSONS = 100
_PATIENCE_S = 180.0
_LOOK_EVERY_S = 0.005


def figures(folder: Path, alerts: int = ALERTS) -> Iterator[Figure]:
    """One headquarters that serves, and a booth of which only the link runs."""
    house = House(folder, bench.free_port())
    try:
        open_headquarters(house, People(PERSONS).records())
        yield from _looks(house)
        yield from _upload(house, alerts)
    finally:
        house.stop()


def open_headquarters(house: House, records: Iterable[Mapping[str, object]]) -> None:
    """Headquarters with its notices published and its server running, and a booth that knows its address."""
    house.found_headquarters(records)
    house.enrol()
    house.hq("publish")
    house.serve_headquarters()
    house.link_url = f"https://127.0.0.1:{house.hq_port}"
    house.configure(house.root_sha256)


class Sender:
    """A booth without a core: its keys, and a chain of invented alerts.

    Args:
        house: where its headquarters is.
        booth: its id.
        keys: the folder of its keys.
        welcome: what headquarters answered to its enrolment.
    """

    def __init__(self, house: House, booth: str, keys: Path, welcome: Welcome) -> None:
        self._booth = booth
        self._signing = booth_keys.load(keys).signing
        self._public = KeyStore.open(house.folder / "hq").hq_keys()
        self._last: ChainEntry | None = None
        self._url = f"https://127.0.0.1:{house.hq_port}"
        self.settings = Settings(
            url=self._url,
            booth=booth,
            feeds=("base",),
            spool=house.folder / "spool",
            state=keys.parent / f"{booth}-looks",
            key=keys / booth_keys.LINK_KEY,
        )
        self.settings.state.mkdir(exist_ok=True)
        self.context = tls_context(self.settings, welcome)

    def seal(self, number: int) -> list[tuple[int, Envelope]]:
        """The chain's next alerts with their sequence, each as long as one with two candidates."""
        return [self._next() for _ in range(number)]

    def _next(self) -> tuple[int, Envelope]:
        last = self._last
        sequence = last.sequence + 1 if last else 1
        body = alert(sequence)
        body = msgspec.structs.replace(body, place=msgspec.structs.replace(body.place, booth=self._booth))
        entry = self._last = ChainEntry(sequence=sequence, previous=last.digest() if last else "0" * 64, body=body)
        return sequence, envelope.close(entry, body.urgency, self._booth, self._signing, self._public)

    def line(self) -> httpx.Client:
        """A bare line to headquarters' server."""
        return httpx.Client(base_url=self._url, verify=self.context, trust_env=False, timeout=60)


def sender_of(house: House) -> Sender:
    """The house's own booth; its core must not run, or there are two chains."""
    welcome = msgspec.json.decode((house.folder / f"{BOOTH}.welcome.json").read_bytes(), type=Welcome)
    return Sender(house, BOOTH, house.folder / "keys", welcome)


def second_booth(house: House, booth: str = "ZZ-SOUTHGATE-02") -> Sender:
    """Another booth enrolled at the same headquarters."""
    folder = house.folder / "second"
    file = house.folder / f"{booth}.enrol"
    file.write_bytes(encode(booth_keys.make(folder, booth, "ZZ")))
    house.hq("booths", "enrol", str(file), "--out", str(house.folder))
    welcome = msgspec.json.decode((house.folder / f"{booth}.welcome.json").read_bytes(), type=Welcome)
    return Sender(house, booth, folder, welcome)


def body_of(sent: Sequence[tuple[int, Envelope]]) -> bytes:
    """What is posted for these envelopes."""
    return encode(Upload(envelopes=tuple(one for _, one in sent)))


def post(line: httpx.Client, body: bytes) -> Answer:
    """Headquarters' answer to a bare post.

    Raises:
        DemoFailed: there was none, or it refused.
    """
    reply = line.post("/alerts", content=body, headers={"Content-Type": "application/json"})
    if reply.status_code != 200:
        raise DemoFailed(f"Headquarters answered {reply.status_code} to a bare post.")
    answer = msgspec.json.decode(reply.content, type=Answer)
    if answer.refused:
        raise DemoFailed(f"Headquarters refused a bare post ({answer.refused[0].reason}).")
    return answer


# --- a look for news -----------------------------------------------------------------------------------------------


class Anew:
    """A source that gets a new connection for each look: the one of ten minutes ago has long been closed."""

    through: ThreadSource

    def get(self, path: str, limit: int, etag: str | None = None) -> Fetched:
        return self.through.get(path, limit, etag)

    def resume(self, path: str, length: int, file: Path) -> None:
        self.through.resume(path, length, file)


def _looks(house: House) -> Iterator[Figure]:
    """Processor time and bodies of a look, at the very timestamp of the last one and at one signed since."""
    sender = sender_of(house)
    home = house.folder / "hq"
    repository = Repository(home, KeyStore.open(home))
    plain = [plain_look(sender) for _ in range(LOOKS)]
    with background_loop() as loop:
        looker = _Looker(sender, loop)
        looker.look()  # the publication itself
        unchanged = [looker.look() for _ in range(LOOKS)]
        signed = []
        for _ in range(LOOKS):
            repository.touch_timestamp(now=dt.datetime.now(dt.UTC).replace(microsecond=0))
            signed.append(looker.look())
    rivals = [statistics.median(column) for column in zip(*plain, strict=True)]
    for name, looks in (("refresh_unchanged", unchanged), ("refresh_new_timestamp", signed)):
        ours = [statistics.median(column) for column in zip(*looks, strict=True)]
        for what, unit, value, rival in zip(("cpu", "bodies"), ("ms", "bytes"), ours, rivals, strict=True):
            against = Rival("a plain httpx GET of the timestamp", rival)
            yield from figure(f"{name}_{what}", value, unit, LOOKS, against)


class _Looker:
    """What the link does when it looks for news, in this process."""

    def __init__(self, sender: Sender, loop: asyncio.AbstractEventLoop) -> None:
        self._sender, self._loop = sender, loop
        self._source = Anew()
        settings = sender.settings
        root = read_welcome(settings).root
        self._refresher = Refresher(self._source, Spool(settings.spool / "in"), settings.state, root, settings.booth)
        self._want = Want(booth=settings.booth, feeds=settings.feeds)

    def look(self) -> tuple[float, float]:
        """Milliseconds of processor time of all our threads, and bytes of all bodies."""
        wire = Wire(self._sender.settings.url, self._sender.context)
        self._source.through = ThreadSource(wire, self._loop)
        began = time.process_time()
        self._refresher.refresh(self._want)
        took_ms = (time.process_time() - began) * 1e3
        asyncio.run_coroutine_threadsafe(wire.__aexit__(), self._loop).result()
        return took_ms, float(wire.received)


def plain_look(sender: Sender) -> tuple[float, float]:
    """The same of a bare GET over a new connection."""
    with sender.line() as line:
        began = time.process_time()
        content = line.get(f"/{TIMESTAMP}").raise_for_status().content
        return (time.process_time() - began) * 1e3, float(len(content))


@contextmanager
def background_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own, as the link's is beside its looking thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loop", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


# --- a backlog -----------------------------------------------------------------------------------------------------


def _upload(house: House, alerts: int) -> Iterator[Figure]:
    """Alerts a second until every receipt lies in the spool; the core, which would take them, does not run."""
    sender = sender_of(house)
    backlog, others = sender.seal(alerts), sender.seal(alerts)
    (house.folder / "spool" / "out").mkdir()  # as the core makes it
    house.start_link()
    _await(lambda: _link_word(house) == "up", house, "an upright line")
    aside = _put_aside(house, backlog)
    took_s = timed(lambda: _appear_and_wait(house, aside, alerts))
    bodies = [body_of(others[start : start + BATCH]) for start in range(0, alerts, BATCH)]
    with sender.line() as line:
        bare_s = timed(lambda: [post(line, body) for body in bodies])
    bare = Rival(f"bare posts of {BATCH} to the same server, no spool", alerts / bare_s)
    yield from figure("upload", alerts / took_s, "alerts/s", alerts, bare)


def _put_aside(house: House, backlog: Sequence[tuple[int, Envelope]]) -> Path:
    """The backlog's files in a folder that nobody looks into."""
    aside = house.folder / "aside"
    for sequence, one in backlog:
        file = aside / alert_file(one.urgency, sequence, one.id)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(one))
    return aside


def _appear_and_wait(house: House, aside: Path, number: int) -> None:
    """The whole backlog lies in the spool at once; return when so many receipts do."""
    spool = house.folder / "spool"
    (aside / ALERTS_FOLDER).rename(spool / "out" / ALERTS_FOLDER)
    receipts = spool / "in" / RECEIPTS_FOLDER
    _await(
        lambda: receipts.is_dir() and sum(1 for _ in receipts.iterdir()) >= number, house, "a receipt for each alert"
    )


def _await(holds: Callable[[], bool], house: House, what: str) -> None:
    deadline = time.perf_counter() + _PATIENCE_S
    while not holds():
        if time.perf_counter() > deadline:
            log = (house.folder / "link.log").read_text(errors="replace")[-2000:]
            raise DemoFailed(f"The link did not come to {what}:\n{log}")
        time.sleep(_LOOK_EVERY_S)


def _link_word(house: House) -> str:
    try:
        return str(json.loads((house.folder / "spool" / "in" / "link.json").read_bytes())["state"])
    except FileNotFoundError:
        return ""
