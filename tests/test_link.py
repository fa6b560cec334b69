"""The feed over a real TLS line: first fetch, nothing new, broken transfers, wrong certificates, hostile servers."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from failsafe.agent.keys import LINK_KEY
from failsafe.hq.keyring import keys
from failsafe.sync import delivery, link
from failsafe.sync import feed as feeds
from failsafe.sync.errors import (
    Expired,
    HqRefuses,
    LineDown,
    LineSlow,
    Malformed,
    Missing,
    NotForThisBooth,
    Older,
    SpoolFault,
    SyncError,
    TlsRefused,
    Truncated,
    Unsigned,
)
from failsafe.sync.link import ThreadSource, Wire, read_welcome, tls_context
from failsafe.sync.records import Head, Payload, encode
from failsafe.sync.refresh import Brought, Refresher
from failsafe.sync.reports import FeedState, Want
from failsafe.sync.rounds import asks_more
from failsafe.sync.spool import Spool
from failsafe.sync.trust import read_publication
from tests import publishing
from tests.far_end import FarEnd

WANT = Want(booth="ZZ-ONE", feeds=("base",))


@pytest.fixture
def far(tmp_path: Path) -> FarEnd:
    return FarEnd(tmp_path)


@contextlib.contextmanager
def refreshing(far: FarEnd, url: str, spool: Spool | None = None) -> Iterator[tuple[Refresher, Wire]]:
    """A link's refresher and its wire, with a loop of their own."""
    settings = far.settings(url)
    settings.state.mkdir(exist_ok=True)
    welcome = read_welcome(settings)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    wire = Wire(url, tls_context(settings, welcome))
    source = ThreadSource(wire, loop)
    try:
        yield Refresher(source, spool or far.spool_in, settings.state, welcome.root, settings.booth), wire
    finally:
        asyncio.run_coroutine_threadsafe(wire.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def refused(far: FarEnd, kind: type[SyncError], url: str, want: Want = WANT) -> SyncError:
    """A refresh fails as `kind`, and the spool is as it was."""
    before = far.brought()
    with refreshing(far, url) as (refresher, _), pytest.raises(SyncError) as caught:
        refresher.refresh(want)
    assert type(caught.value) is kind, repr(caught.value)
    assert caught.value.advice
    assert far.brought() == before
    return caught.value


def newest(far: FarEnd) -> dict[str, bytes]:
    """The files of the newest publication and all roots; headquarters keeps those of the one before too."""
    last = max(
        int(re.match(r"metadata/(\d+)\.snapshot", name)[1]) for name in far.publication() if ".snapshot." in name
    )
    old = {f"metadata/{version}.snapshot.json" for version in range(1, last)}
    old |= {f"metadata/{version}.bureau-main.json" for version in range(1, last)}
    return {name: content for name, content in far.publication().items() if name not in old}


def stamps(far: FarEnd) -> dict[str, tuple[int, int]]:
    paths = [path for path in far.spool_in.root.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


# --- what comes, and what does not -------------------------------------------------------------------------------


def test_the_first_fetch_brings_what_the_core_believes(far: FarEnd, tmp_path: Path):
    with far.served() as url, refreshing(far, url) as (refresher, _):
        brought = refresher.refresh(WANT)
    assert far.brought() == newest(far)
    assert brought.files == len(newest(far)) and brought.bytes == sum(map(len, newest(far).values()))
    publication = read_publication(far.spool_in, {}, far.hq.root(), tmp_path)
    assert publication.payload(publication.heads["base"].snapshot).startswith(b"snapshot 1")
    assert list((tmp_path / "link" / "partial").iterdir()) == []


def test_nothing_new_writes_nothing_and_costs_no_body(far: FarEnd):
    with far.served() as url, refreshing(far, url) as (refresher, wire):
        refresher.refresh(WANT)
        before, received = stamps(far), wire.received
        far.requests.clear()
        assert refresher.refresh(WANT) == Brought()
        assert wire.received == received
    assert stamps(far) == before
    assert far.requests == [("GET", "/metadata/2.root.json", 404), ("GET", "/metadata/timestamp.json", 304)]


def test_a_timestamp_signed_anew_costs_less_than_a_kilobyte(far: FarEnd):
    with far.served() as url, refreshing(far, url) as (refresher, wire):
        refresher.refresh(WANT)
        before, received = stamps(far), wire.received
        far.hq.repository.touch_timestamp(now=publishing.now())
        assert refresher.refresh(WANT).files == 1
        assert 0 < wire.received - received < 1000
    changed = {path for path, stamp in stamps(far).items() if before.get(path) != stamp}
    assert {Path(path).name for path in changed} == {"timestamp.json"}


def test_after_a_restart_only_the_timestamp_is_read_again(far: FarEnd):
    with far.served() as url:
        with refreshing(far, url) as (refresher, _):
            refresher.refresh(WANT)
        before = stamps(far)
        with refreshing(far, url) as (refresher, wire):
            assert refresher.refresh(WANT) == Brought()
            assert wire.received < 2500, "timestamp and key file"
    assert stamps(far) == before


def test_key_files_of_other_booths_are_not_asked_for(far: FarEnd):
    far.hq.spool.write("keys/base/1/ZZ-TWO", b"sealed for another")
    with far.served() as url, refreshing(far, url) as (refresher, _):
        refresher.refresh(WANT)
    assert [path for path in far.paths() if path.startswith("/keys/")] == ["/keys/base/1/ZZ-ONE"]


def test_a_key_file_that_is_not_there_yet_holds_nothing_back_and_comes_later(far: FarEnd):
    far.hq.spool.remove("keys/base/1/ZZ-ONE")
    with far.served() as url, refreshing(far, url) as (refresher, _):
        refresher.refresh(WANT)
        assert far.brought() == newest(far)
        far.hq.spool.write("keys/base/1/ZZ-ONE", b"sealed at last")
        assert refresher.refresh(WANT).files == 1
    assert far.brought()["keys/base/1/ZZ-ONE"] == b"sealed at last"


def test_what_the_core_holds_is_not_fetched_again(far: FarEnd):
    want = Want(booth="ZZ-ONE", feeds=("base",), held=(FeedState(feed="base", lineage=publishing.LINEAGE, serial=1),))
    with far.served() as url, refreshing(far, url) as (refresher, _):
        refresher.refresh(want)
        assert not any("snapshot-1" in path for path in far.paths())
        refresher.refresh(WANT)  # the mirror was lost
        assert any("snapshot-1" in path for path in far.paths())
    assert far.brought() == newest(far)


def test_a_target_that_was_damaged_in_the_spool_is_fetched_again(far: FarEnd):
    with far.served() as url, refreshing(far, url) as (refresher, _):
        refresher.refresh(WANT)
        name = next(name for name in far.brought() if name.endswith(".snapshot-1"))
        far.spool_in.write(name, bytes(far.spool_in.size(name)))
        assert refresher.refresh(WANT).files == 1
    assert far.brought() == newest(far)


def test_old_publications_go_when_the_core_has_had_time(far: FarEnd, tmp_path: Path):
    with far.served() as url, refreshing(far, url) as (refresher, _):
        refresher.refresh(WANT)
        for serial in range(2, 6):
            far.hq.publish(serial)
            refresher.refresh(WANT)
            held = read_publication(far.spool_in, {}, far.hq.root(), tmp_path)
            assert held.heads["base"].serial == serial
    snapshots = sorted(name.rpartition("-")[2] for name in far.brought() if ".snapshot-" in name)
    assert snapshots == ["4", "5"], "the newest, and the one that the core may be reading"
    assert far.spool_in.holds("welcome.json")


def test_the_timestamp_is_last_and_roots_are_late(far: FarEnd):
    watched = publishing.Watched(far.spool_in.root)
    with far.served() as url, refreshing(far, url, watched) as (refresher, _):
        refresher.refresh(WANT)
    assert watched.order[-2:] == ["metadata/1.root.json", "metadata/timestamp.json"]
    first = next(at for at, name in enumerate(watched.order) if name.startswith("metadata/"))
    assert all(name.startswith("metadata/") for name in watched.order[first:])


def test_while_a_courier_is_at_work_nothing_is_placed(far: FarEnd):
    with far.served() as url, refreshing(far, url) as (refresher, _):
        with delivery.alone(far.spool_in), pytest.raises(SpoolFault):
            refresher.refresh(WANT)
        assert far.brought() == {}
        assert refresher.refresh(WANT).files == len(newest(far))


# --- broken transfers --------------------------------------------------------------------------------------------


def cut_payload(far: FarEnd, keep: int) -> None:
    """The next time the snapshot is asked for, the line breaks after `keep` bytes; then all is well."""

    async def app(scope, receive, send):
        async def cutting(message):
            if message["type"] == "http.response.body" and ".snapshot-" in scope["path"]:
                far.instead = None
                await send({**message, "body": message["body"][:keep], "more_body": True})
                raise ConnectionResetError
            await send(message)

        await far.door(scope, receive, cutting)

    far.instead = app


def test_a_payload_that_was_cut_goes_on_where_it_broke(far: FarEnd):
    length = next(len(content) for name, content in newest(far).items() if ".snapshot-" in name)
    with far.served() as url:
        cut_payload(far, 100)
        refused(far, LineDown, url)
        far.requests.clear()
        far.sent.clear()
        with refreshing(far, url) as (refresher, _):  # a restart in between
            refresher.refresh(WANT)
        (path,) = [path for path in far.paths() if ".snapshot-" in path]
        assert ("GET", path, 206) in far.requests
        assert far.sent[path] == length - 100
    assert far.brought() == newest(far)


def test_a_file_that_changed_since_it_was_cut_is_begun_anew(far: FarEnd):
    with far.served() as url:
        cut_payload(far, 100)
        refused(far, LineDown, url)
        name = next(name for name in newest(far) if ".snapshot-" in name)
        content = far.hq.spool.read(name, 10_000)
        far.hq.spool.remove(name)
        far.hq.spool.write(name, content)  # another file, another ETag
        with refreshing(far, url) as (refresher, _):
            far.requests.clear()
            refresher.refresh(WANT)
    assert [status for _, path, status in far.requests if ".snapshot-" in path] == [200]
    assert far.brought() == newest(far)


def test_a_wrong_beginning_is_found_by_the_hash_and_begun_anew(far: FarEnd, tmp_path: Path):
    with far.served() as url:
        cut_payload(far, 100)
        refused(far, LineDown, url)
        (begun,) = [file for file in (tmp_path / "link" / "partial").iterdir() if file.stat().st_size == 100]
        begun.write_bytes(b"x" * 100)
        refused(far, Truncated, url)
        with refreshing(far, url) as (refresher, _):
            refresher.refresh(WANT)
    assert far.brought() == newest(far)


# --- certificates ------------------------------------------------------------------------------------------------


def server_context(file: Path, key: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context


def test_another_headquarters_is_not_believed(far: FarEnd, tmp_path: Path):
    foreign = keys.init(tmp_path / "foreign", passphrase=publishing.PASSPHRASE, now=publishing.now())
    with far.served(server_context(foreign.authority.server_file())) as url:
        fault = refused(far, TlsRefused, url)
    assert "authority" in fault.detail
    assert far.requests == []


def test_a_booths_own_certificate_makes_no_headquarters(far: FarEnd, tmp_path: Path):
    """An enrolled booth has a certificate of the same authority, for clients only."""
    certificate = tmp_path / "client.crt"
    certificate.write_text(far.booth.welcome.certificate)
    with far.served(server_context(certificate, far.booth.folder / LINK_KEY)) as url:
        assert "server" in refused(far, TlsRefused, url).detail


def test_a_certificate_for_another_name(far: FarEnd):
    far.hq.keys.authority.issue_server_certificate(["desk.example"], now=publishing.now())
    with far.served(server_context(far.hq.keys.authority.server_file())) as url:
        assert "another address" in refused(far, TlsRefused, url).detail


def test_a_certificate_that_has_ended_points_at_the_clock(far: FarEnd):
    far.hq.keys.authority.issue_server_certificate(["127.0.0.1"], now=publishing.now() - dt.timedelta(days=9), days=1)
    with far.served(server_context(far.hq.keys.authority.server_file())) as url:
        assert "clock" in refused(far, TlsRefused, url).advice


def test_headquarters_does_not_believe_the_link(far: FarEnd, tmp_path: Path):
    """With TLS 1.3 the client learns of it after the handshake, and may only see the connection end."""
    foreign = keys.init(tmp_path / "foreign", passphrase=publishing.PASSPHRASE, now=publishing.now())
    context = server_context(far.hq.keys.authority.server_file())
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=foreign.authority.file())
    with far.served(context) as url:
        assert "this booth's certificate" in refused(far, LineDown, url).advice
    assert far.requests == []


@pytest.mark.parametrize("reason", ["TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_CERTIFICATE_REVOKED"])
def test_an_alert_that_arrives_says_it_plainly(reason: str):
    alert = ssl.SSLError(1, "alert")
    alert.reason = reason
    error = httpx.ReadError("")
    error.__cause__ = alert
    fault = link.line_fault(error)
    assert type(fault) is TlsRefused and "this booth's certificate" in fault.detail


def test_a_revoked_booth_is_told_so(far: FarEnd):
    far.booth.revoke()
    with far.served() as url:
        assert "enrolled" in refused(far, HqRefuses, url).advice


@pytest.mark.parametrize("change", ["no key", "other key", "no certificate"])
def test_keys_that_do_not_fit(far: FarEnd, tmp_path: Path, change: str):
    settings = far.settings("https://127.0.0.1:1")
    settings.state.mkdir()
    (tmp_path / "junk").write_text("-----BEGIN NOTHING-----")
    settings = {
        "no key": replace(settings, key=tmp_path / "nowhere"),
        "other key": replace(settings, key=tmp_path / "junk"),
        "no certificate": replace(settings, certificate=tmp_path / "nowhere"),
    }[change]
    with pytest.raises(TlsRefused) as caught:
        tls_context(settings, read_welcome(settings))
    assert "enrol" in caught.value.advice or "keys init" in caught.value.advice


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda far: far.spool_in.remove("welcome.json"), Missing),
        (lambda far: far.spool_in.write("welcome.json", b"\xff{"), Malformed),
        (lambda far: far.spool_in.write("welcome.json", _welcome(far, booth="ZZ-TWO")), NotForThisBooth),
        (lambda far: far.spool_in.write("welcome.json", _welcome(far, root=b"{}")), Unsigned),
    ],
)
def test_a_welcome_file_that_is_not_ours(far: FarEnd, change, kind):
    change(far)
    with pytest.raises(kind):
        read_welcome(far.settings("https://127.0.0.1:1"))


def _welcome(far: FarEnd, **changes) -> bytes:
    return encode(msgspec.structs.replace(far.booth.welcome, **changes))


# --- hostile and broken servers ----------------------------------------------------------------------------------


def answering(status: int, body: bytes = b"", headers: tuple[tuple[bytes, bytes], ...] = ()):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": [*headers]})
        await send({"type": "http.response.body", "body": body})

    return app


async def endless(scope, receive, send):
    """Sends as long as somebody listens."""
    await receive()
    gone = asyncio.create_task(receive())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while not gone.done():
        await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
        await asyncio.sleep(0)


async def silent(scope, receive, send):
    message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()


@pytest.mark.parametrize(
    ("app", "kind"),
    [
        (answering(200, b"no json at all"), Truncated),
        (answering(200, b"{}"), Truncated),
        (answering(200, b"[" * 100_000), Truncated),
        (answering(302, headers=((b"location", b"https://127.0.0.1/elsewhere"),)), HqRefuses),
        (answering(500), HqRefuses),
        (answering(503), HqRefuses),
        (answering(206, b"x"), HqRefuses),
        (answering(304), HqRefuses),
        (answering(404), Missing),
        (answering(200, bytes(20), ((b"content-encoding", b"gzip"),)), Truncated),
        (endless, Truncated),
    ],
)
def test_an_answer_that_is_none(far: FarEnd, app, kind):
    far.instead = app
    with far.served() as url:
        refused(far, kind, url)
    assert len(far.requests) <= 2, "nothing is asked again, no redirect is followed"


def test_an_endless_answer_is_not_read_to_its_end(far: FarEnd):
    far.instead = endless
    with far.served() as url, refreshing(far, url) as (refresher, wire):
        with pytest.raises(Truncated):
            refresher.refresh(WANT)
        assert wire.received < 512_000 + 200_000, "the longest root, and what came with it"


def test_an_answer_that_does_not_come_in_time(far: FarEnd, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(link, "_WHOLE_S", 0.2)
    monkeypatch.setattr(link, "_METADATA_BYTES_S", 10**9)
    far.instead = silent
    with far.served() as url:
        refused(far, LineSlow, url)


def test_a_payload_longer_than_signed(far: FarEnd):
    async def app(scope, receive, send):
        await (endless if ".snapshot-" in scope["path"] else far.door)(scope, receive, send)

    far.instead = app
    with far.served() as url:
        refused(far, Truncated, url)


def test_nobody_there(far: FarEnd):
    with far.served() as url:
        pass
    assert "reached" in refused(far, LineDown, url).detail


def test_what_headquarters_did_not_sign_is_not_brought(far: FarEnd):
    with far.served() as url:
        with refreshing(far, url) as (refresher, _):
            refresher.refresh(WANT)
        far.hq.forge("targets", lambda signed: None, [])
        refused(far, Unsigned, url)


def test_a_timestamp_that_has_ended(far: FarEnd):
    def end(timestamp):
        timestamp.expires = publishing.now().replace(year=2020)

    far.hq.forge_timestamp(end)
    with far.served() as url:
        refused(far, Expired, url)


def test_an_older_publication_than_this_link_has_seen(far: FarEnd, tmp_path: Path):
    far.hq.copy(tmp_path / "old")
    far.hq.publish(2)
    with far.served() as url:
        with refreshing(far, url) as (refresher, _):
            refresher.refresh(WANT)
        for name in far.hq.spool.names():
            far.hq.spool.remove(name)
        old = Spool(tmp_path / "old")
        for name in old.names():
            far.hq.spool.write(name, old.read(name, 10_000_000))
        refused(far, Older, url)


def test_an_older_publication_than_the_core_holds_does_not_replace_a_newer_sticks(far: FarEnd):
    want = Want(booth="ZZ-ONE", feeds=("base",), held=(FeedState(feed="base", lineage=publishing.LINEAGE, serial=5),))
    with far.served() as url:
        refused(far, Older, url, want)


def test_a_feed_that_is_not_published(far: FarEnd):
    with far.served() as url:
        refused(far, Missing, url, Want(booth="ZZ-ONE", feeds=("base", "other")))


def test_a_publication_larger_than_the_spool(far: FarEnd):
    small = Spool(far.spool_in.root, max_bytes=200)
    with far.served() as url, refreshing(far, url, small) as (refresher, _), pytest.raises(SpoolFault):
        refresher.refresh(WANT)
    assert far.brought() == {}


# --- choices -----------------------------------------------------------------------------------------------------


def payload(serial: int, base: int | None, length: int) -> Payload:
    return Payload(path=f"feed/base/{base}-{serial}", serial=serial, base_serial=base, length=length, sha256="0" * 64)


@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 60)), max_size=12),
    st.none() | st.tuples(st.sampled_from(["one", "two"]), st.integers(0, 12)),
)
def test_the_link_fetches_what_the_core_will_ask_for(serial, deltas, held):
    head = Head(
        feed="base",
        lineage="one",
        serial=serial,
        epoch=1,
        count=1,
        removed=0,
        content_key_sha256="0" * 64,
        snapshot=payload(serial, None, 100),
        deltas=tuple(payload(to, base, length) for base, to, length in deltas),
        published_at="2026-11-21T00:00:00Z",
    )
    state = FeedState(feed="base", lineage=held[0], serial=held[1]) if held else None
    floor = feeds.Floor(held[0], held[1]) if held else None
    assert delivery.way(head, state) == feeds.way(head, floor)


def want(*held: tuple[str, str, int], feeds: tuple[str, ...] = ("base",)) -> Want:
    states = tuple(FeedState(feed=feed, lineage=lineage, serial=serial) for feed, lineage, serial in held)
    return Want(booth="ZZ-ONE", feeds=feeds, held=states)


@pytest.mark.parametrize(
    ("before", "after", "more"),
    [
        (want(), want(), False),
        (want(), want(("base", "one", 1)), False),
        (want(("base", "one", 1)), want(("base", "one", 2)), False),
        (want(("base", "one", 2)), want(("base", "one", 1)), True),
        (want(("base", "one", 2)), want(("base", "two", 3)), True),
        (want(("base", "one", 2)), want(), True),
        (want(), want(feeds=("base", "more")), True),
    ],
)
def test_the_core_coming_along_is_no_reason_to_ask_again(before, after, more):
    assert asks_more(before, after) is more
