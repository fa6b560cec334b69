"""The link as a process: certificates and welcome files that change, a line that returns, and its end."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import pytest

from failsafe.agent import keys as booth_keys
from failsafe.hq import server
from failsafe.hq.enrol import renew_certificates
from failsafe.hq.feeds.register import Register
from failsafe.sync import rounds
from failsafe.sync.delivery import WELCOME_LIMIT
from failsafe.sync.errors import LineDown
from failsafe.sync.records import Welcome, encode
from failsafe.sync.reports import FeedState, LinkState, Want
from failsafe.sync.rounds import Link
from tests import publishing
from tests.far_end import FarEnd, serving
from tests.sending import REGISTER_FILE, Booth
from tests.test_rounds import ids, receipts, until


@pytest.fixture
def far(tmp_path: Path) -> FarEnd:
    return FarEnd(tmp_path)


def linking(far: FarEnd, url: str, test: Callable[[Link], Awaitable[None]], **changes) -> None:
    """Run a test beside the whole link."""

    async def run() -> None:
        link = Link(far.settings(url, **changes))
        working = asyncio.create_task(link.work())
        try:
            await test(link)
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    asyncio.run(run())


def told(far: FarEnd) -> LinkState:
    return msgspec.json.decode(far.spool_in.read("link.json", 4096), type=LinkState)


def welcome_of(far: FarEnd) -> Welcome:
    return msgspec.json.decode(far.spool_in.read("welcome.json", WELCOME_LIMIT), type=Welcome)


def renewed(far: FarEnd) -> Welcome:
    """Headquarters has another authority, and a certificate of it for the booth."""
    far.hq.keys.authority.begin(publishing.now())
    with closing(Register.in_file(far.hq.home / REGISTER_FILE)) as register:
        assert renew_certificates(register, far.hq.keys, now=publishing.now()) == [far.booth.name]
        return register.booth(far.booth.name).welcome


def test_a_renewed_certificate_is_fetched_and_used(far: FarEnd):
    """By a link that runs, over the line that its old certificate opens; then the old authority is over."""
    with far.served() as url:
        port = int(url.rpartition(":")[2])

        async def test(link: Link) -> None:
            await until(lambda: "/welcome" in far.paths())
            newer = renewed(far)
            await until(lambda: welcome_of(far) == newer)
            assert newer.certificate != far.booth.welcome.certificate

        linking(far, url, test, refresh_every_s=0.2)
    far.hq.keys.authority.finish(publishing.now())
    far.fill(2)

    async def afterwards(link: Link) -> None:
        with serving(far, server.tls_context(far.hq.keys, publishing.now()), port):
            await until(lambda: receipts(far) == ids(far))

    linking(far, url, afterwards, refresh_every_s=0.2)


@pytest.mark.parametrize("wrong", ["another booth's", "another root", "another key", "noise"])
def test_a_welcome_that_does_not_fit_is_left(far: FarEnd, wrong: str):
    held = far.booth.welcome
    other = Booth(far.hq, far.folder / "others", "ZZ-OTHER")
    given = {
        "another booth's": encode(other.welcome),
        "another root": encode(msgspec.structs.replace(held, root=b"{}", root_sha256="0" * 64)),
        "another key": encode(msgspec.structs.replace(held, certificate=other.welcome.certificate)),
        "noise": b"\x00" * 500,
    }[wrong]
    door = far.door

    async def liar(scope, receive, send):
        if scope["path"] != "/welcome":
            await door(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": given})

    far.instead = liar
    far.fill(1)

    async def test(link: Link) -> None:
        await until(lambda: far.paths().count("/welcome") > 2 and receipts(far) == ids(far))

    with far.served() as url:
        linking(far, url, test, refresh_every_s=0.2)
    assert welcome_of(far) == held


def test_the_line_returns(far: FarEnd):
    """Cut off from the start; then headquarters is there, at the same address, and all goes through."""
    far.fill(2)
    with far.served() as url:
        port = int(url.rpartition(":")[2])

    async def test(link: Link) -> None:
        await until(lambda: far.spool_in.holds("link.json") and told(far).state == "down")
        with serving(far, server.tls_context(far.hq.keys, publishing.now()), port):
            await until(lambda: receipts(far) == ids(far) and far.spool_in.holds("metadata/timestamp.json"))
            await until(lambda: told(far).state == "up")

    linking(far, url, test)
    assert told(far).state == "stopped" and told(far).last_contact is not None


def test_the_link_waits_for_a_welcome_file_and_takes_a_new_one(far: FarEnd):
    welcome = far.spool_in.read("welcome.json", 100_000)
    far.spool_in.remove("welcome.json")
    far.fill(1)

    async def test(link: Link) -> None:
        await until(lambda: far.spool_in.holds("link.json") and "welcome" in told(far).detail)
        assert far.requests == []
        far.spool_in.write("welcome.json", welcome)
        await until(lambda: receipts(far) == ids(far))
        far.spool_in.write("welcome.json", encode(far.booth.enrol()))  # a renewed certificate
        before = len(far.requests)
        await until(lambda: len(far.requests) > before)

    with far.served() as url:
        linking(far, url, test)


def test_a_welcome_file_that_goes_missing_is_said_although_the_line_was_down_before(far: FarEnd):
    """Whoever reads of cable and modem then looks in the wrong place."""
    with far.served() as url:
        pass  # nobody answers there any more

    async def test(link: Link) -> None:
        await until(lambda: far.spool_in.holds("link.json") and told(far).state == "down")
        far.spool_in.remove("welcome.json")
        await until(lambda: "welcome" in told(far).detail)
        assert "cable" not in told(far).detail

    linking(far, url, test)


def test_the_core_that_lost_its_mirror_gets_a_refresh_at_once(far: FarEnd):
    held = FeedState(feed="base", lineage="lineage-1", serial=1)
    far.out.write("want.json", encode(Want(booth="ZZ-ONE", feeds=("base",), held=(held,))))

    async def test(link: Link) -> None:
        await until(lambda: far.spool_in.holds("metadata/timestamp.json"))
        assert not any(".snapshot-1" in name for name in far.spool_in.names("targets/"))
        await until(lambda: link.standing.state().state == "up")
        far.out.write("want.json", encode(Want(booth="ZZ-ONE", feeds=("base",))))
        await until(lambda: any(".snapshot-1" in name for name in far.spool_in.names("targets/")))

    with far.served() as url:
        linking(far, url, test)


def test_the_command_runs_and_ends_cleanly(far: FarEnd, tmp_path: Path):
    """`failsafe link` as systemd runs it: SIGTERM ends it, and its log names nobody."""
    far.fill(3)
    with far.served() as url:
        config = tmp_path / "booth.toml"
        config.write_text(f"""
[booth]
id = "ZZ-ONE"
country = "ZZ"
crossing_point = "Invented Gate"
[folders]
spool = "{tmp_path / "spool"}"
keys = "{far.booth.folder}"
[link]
url = "{url}/"
state = "{tmp_path / "own"}"
[[lanes]]
name = "1"
radiation = "none"
""")
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("failsafe")), "link", "--config", str(config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            asyncio.run(until(lambda: receipts(far) == ids(far) and far.spool_in.holds("metadata/timestamp.json")))
            process.send_signal(signal.SIGTERM)
            log, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0, log
    assert told(far).state == "stopped"
    secrets = [(far.booth.folder / name).read_bytes() for name in ("signing.key", booth_keys.LINK_KEY)]
    assert b"ZORVEKARIO" not in log and not any(secret in log for secret in secrets)
    state = json.dumps(
        [path.read_bytes().decode("latin-1") for path in (tmp_path / "own").rglob("*") if path.is_file()]
    )
    assert "ZORVEKARIO" not in state


def test_without_an_address_there_is_no_link(tmp_path: Path):
    config = tmp_path / "booth.toml"
    config.write_text(
        '[booth]\nid = "ZZ-ONE"\ncountry = "ZZ"\ncrossing_point = "Gate"\n[[lanes]]\nname = "1"\nradiation = "none"\n'
    )
    done = subprocess.run(
        [str(Path(sys.executable).with_name("failsafe")), "link", "--config", str(config)], capture_output=True
    )
    assert done.returncode == 1 and b"[link]" in done.stderr and b"Traceback" not in done.stderr


def test_a_refresh_broken_off_is_no_fault_of_the_loop():
    """The thread ends with the line's error because it was told to; nobody awaits it, and nothing cries about it."""
    stopped = threading.Event()
    cries: list[dict[str, object]] = []

    def refresh() -> None:
        stopped.wait(5)
        raise LineDown("The link stops.")

    async def session() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, about: cries.append(about))
        running = asyncio.create_task(rounds.in_thread(refresh, stopped.set))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        del running
        gc.collect()

    asyncio.run(session())
    assert stopped.is_set()
    assert cries == []
