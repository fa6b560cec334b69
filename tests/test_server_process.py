"""Headquarters' server as a process: how it ends, what it renews by itself, and when it refuses to start."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import shutil
import signal
import sqlite3
import ssl

import httpx
import msgspec
import pytest
from click.testing import CliRunner
from cryptography import x509

from failsafe.hq import server
from failsafe.hq.cli import main
from failsafe.hq.enrol import renew_certificates
from failsafe.hq.feeds import publish
from failsafe.hq.feeds.published import RepositoryFault
from failsafe.hq.feeds.register import Register
from failsafe.hq.feeds.repository import Repository
from failsafe.hq.keyring.keys import KeyFault, KeyMissing
from failsafe.hq.server import Server, ServerFault, tls_context
from failsafe.sync import envelope
from failsafe.sync.records import ListedDocument, Welcome, encode
from failsafe.sync.reports import Answer
from failsafe.sync.trust import read_publication
from tests import publishing
from tests.publishing import Desk as Headquarters
from tests.sending import REGISTER_FILE, Booth
from tests.serving import (
    Serving,
    refused,
    served_headquarters,  # noqa: F401 - a fixture
    stored,
    upload,
    wait_for,
)

# --- how it ends ---------------------------------------------------------------------------------------------


def test_sigterm_ends_cleanly_with_connections_open(tmp_path):
    hq = Headquarters(tmp_path / "hq")
    booth = Booth(hq, tmp_path)
    running = Serving(hq.home)
    with booth.line(running.url) as client:
        assert client.get("/metadata/timestamp.json").status_code == 200
        assert running.end() == 0
    assert "Traceback" not in running.errors.read_text()


@pytest.mark.parametrize("moment", ["insert", "commit"])
def test_killed_between_store_and_receipt(tmp_path, moment):
    """The kill falls in the same place every time: in the transaction, or after it and before the answer."""
    hq = Headquarters(tmp_path / "hq")
    booth = Booth(hq, tmp_path)
    sent = upload(*booth.alerts(5))
    doomed = _doomed(hq, moment)
    with booth.line(doomed.url) as client, pytest.raises(httpx.TransportError):
        client.post("/alerts", content=sent)
    assert doomed.end() == -signal.SIGKILL
    kept = stored(hq)
    assert kept == (5 if moment == "commit" else 0)
    running = Serving(hq.home)
    with booth.line(running.url) as client:
        first, again = client.post("/alerts", content=sent), client.post("/alerts", content=sent)
    assert running.end() == 0
    assert first.content == again.content
    answer = msgspec.json.decode(first.content, type=Answer)
    assert [one.id for one in answer.receipts] == [entry.body.id for entry in booth.entries]
    for receipt, entry in zip(answer.receipts, booth.entries, strict=True):
        envelope.check_receipt(receipt, entry, booth.public)
    assert stored(hq) == 5
    if kept:
        with contextlib.closing(sqlite3.connect(hq.home / "desk.sqlite")) as connection:
            rows = [row[0] for row in connection.execute("select receipt from entries order by number")]
        assert [encode(one) for one in answer.receipts] == rows


def _doomed(hq: Headquarters, moment: str) -> Serving:
    """A server that is killed at its first alerts: just before they are committed, or just after."""
    script = hq.home.parent / "doomed.py"
    script.write_text(
        "import os, signal\n"
        "from sqlalchemy import event, Engine\n"
        "def die(): os.kill(os.getpid(), signal.SIGKILL)\n"
        "wrote = []\n"
        "@event.listens_for(Engine, 'after_cursor_execute')\n"
        "def after(connection, cursor, statement, *more):\n"
        "    if statement.startswith('INSERT INTO entries'): wrote.append(1)\n"
        "@event.listens_for(Engine, 'commit')\n"
        "def committing(connection):\n"
        "    if wrote and MOMENT == 'insert': die()\n"
        "@event.listens_for(Engine, 'checkin')\n"
        "def back(connection, record):\n"
        "    if wrote and MOMENT == 'commit': die()\n"
        "from failsafe.hq.cli import main\n"
        "main()\n".replace("MOMENT", repr(moment))
    )
    return Serving(hq.home, script=script)


# --- what it renews by itself -------------------------------------------------------------------------------


def test_the_timestamp_goes_on_being_signed_and_outlives_a_lost_key(tmp_path):
    hq = Headquarters(tmp_path / "hq")
    script = tmp_path / "hasty.py"
    script.write_text(
        "import datetime as dt\n"
        "from failsafe.hq import server, upkeep\n"
        "server.TIMESTAMP_EVERY_S = server._TRY_AGAIN_S = 0.05\n"
        "upkeep.LATE_AFTER = dt.timedelta(seconds=3)\n"
        "from failsafe.hq.cli import main\n"
        "main()\n"
    )
    key = hq.home / "online" / "timestamp.pem"
    running = Serving(hq.home, script=script)
    try:
        wait_for(lambda: _timestamp_version(hq) > 3)
        key.rename(tmp_path / "safe.pem")
        wait_for(lambda: "timestamp is not signed" in running.errors.read_text())
        wait_for(lambda: _late(running) is not None)
        assert _late(running) == {"signed_at": _signed_at(hq)}
        (tmp_path / "safe.pem").rename(key)
        before = _timestamp_version(hq)
        wait_for(lambda: _timestamp_version(hq) > before + 1)
        wait_for(lambda: _late(running) is None)
    finally:
        assert running.end() == 0


def _signed_at(hq: Headquarters) -> str:
    return json.loads((hq.public / "metadata" / "timestamp.json").read_bytes())["signed"]["signed_at"]


def _late(running: Serving) -> dict[str, str] | None:
    """What the command centre's page is told first."""
    token = re.search(r'name="page-token" content="([^"]+)"', httpx.get(running.ccc, trust_env=False).text)[1]
    headers = {"x-page-token": token, "origin": running.ccc}
    with httpx.stream("POST", f"{running.ccc}/events", json={}, headers=headers, trust_env=False) as answer:
        return next(json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: "))["late"]


def test_an_epoch_that_is_over_is_changed_by_the_server(tmp_path):
    """By a process of its own; and what cannot be done is said, while booths are served."""
    hq = Headquarters(tmp_path / "hq")
    booth = Booth(hq, tmp_path / "booths")
    with contextlib.closing(Register.in_file(hq.home / REGISTER_FILE)) as register:
        listed = ListedDocument(number="ZX0001", issuing_country="GE", document_type="passport", fraud_type="lost")
        register.take(listed=[listed])
        publish.publish(register, hq.repository, now=publishing.now() - dt.timedelta(days=8))
    script = tmp_path / "hasty.py"
    script.write_text(
        "from failsafe.hq import upkeep\n"
        "upkeep.FIRST_AFTER_S, upkeep.EVERY_S = 0.0, 0.05\n"
        "from failsafe.hq.cli import main\n"
        "main()\n"
    )
    running = Serving(hq.home, script=script)
    try:
        wait_for((hq.public / "keys" / "base" / "2" / booth.name).is_file)
        (hq.home / "hq.toml").write_text("[publish]\nepoch_days = 0\n")
        wait_for(lambda: "what was due could not be done" in running.errors.read_text())
        with booth.line(running.url) as client:
            assert client.get("/metadata/timestamp.json").status_code == 200
    finally:
        assert running.end() == 0


def test_a_link_follows_another_authority_without_a_visit(tmp_path):
    """The server goes on running; links of the old authority, of both, and of the new one alone are let in."""
    hq = Headquarters(tmp_path / "hq")
    booth = Booth(hq, tmp_path / "booths")
    running = Serving(hq.home)
    try:
        with booth.line(running.url) as client:
            answer = client.get("/welcome")
            assert answer.content == encode(booth.welcome)
            held = client.get("/welcome", headers={"If-None-Match": answer.headers["etag"]})
            assert (held.status_code, held.content) == (304, b"")
        hq.keys.authority.begin(publishing.now())
        with contextlib.closing(Register.in_file(hq.home / REGISTER_FILE)) as register:
            assert renew_certificates(register, hq.keys, now=publishing.now()) == [booth.name]
        with booth.line(running.url) as client:  # by the old certificate still
            newer = msgspec.json.decode(client.get("/welcome").content, type=Welcome)
        assert newer != booth.welcome and newer.root == booth.welcome.root
        booth.welcome = newer
        wait_for(lambda: "the certificates were loaded anew" in running.errors.read_text())
        with booth.line(running.url) as client:
            assert client.get("/metadata/timestamp.json").status_code == 200
        hq.keys.authority.finish(publishing.now())
        said = "the certificates were loaded anew"
        wait_for(lambda: running.errors.read_text().count(said) > 1)
        with booth.line(running.url) as client:
            assert client.get("/metadata/timestamp.json").status_code == 200
    finally:
        assert running.end() == 0


def test_all_online_keys_are_exchanged_while_the_server_runs(tmp_path):
    """What lies in online/ is exchanged; booths that know the old keys and booths that know the new ones are served."""
    hq = Headquarters(tmp_path / "hq")
    booth = Booth(hq, tmp_path / "booths")
    with contextlib.closing(Register.in_file(hq.home / REGISTER_FILE)) as register:
        listed = ListedDocument(number="ZX0001", issuing_country="GE", document_type="passport", fraud_type="lost")
        register.take(listed=[listed])
        publish.publish(register, hq.repository, now=publishing.now())
    held = read_publication(hq.spool, {}, hq.root(), tmp_path).metadata
    (tmp_path / "passphrase").write_text(publishing.PASSPHRASE)
    script = tmp_path / "hasty.py"
    script.write_text(
        "from failsafe.hq import server\nserver.TIMESTAMP_EVERY_S = 0.05\nfrom failsafe.hq.cli import main\nmain()\n"
    )
    running = Serving(hq.home, script=script)
    try:
        waiting = booth.alerts(2)
        typed = ["--home", str(hq.home), "keys", "revoke", "online", "--yes"]
        done = CliRunner().invoke(main, [*typed, "--passphrase-file", str(tmp_path / "passphrase")])
        assert done.exit_code == 0, done.output
        before = _timestamp_version(hq)
        wait_for(lambda: _timestamp_version(hq) > before + 1)
        with booth.line(running.url) as client:
            old = msgspec.json.decode(client.post("/alerts", content=upload(*waiting)).content, type=Answer)
            assert len(old.receipts) == 2 and not old.refused
            found = read_publication(hq.spool, held, hq.root(), tmp_path)
            assert found.hq_keys != booth.public and found.heads["base"].epoch == 2
            for receipt, entry in zip(old.receipts, booth.entries, strict=True):
                envelope.check_receipt(receipt, entry, found.hq_keys)
            booth.public = found.hq_keys
            new = msgspec.json.decode(client.post("/alerts", content=upload(*booth.alerts(1))).content, type=Answer)
            assert len(new.receipts) == 1
            assert client.get("/welcome").content != encode(booth.welcome)
    finally:
        assert running.end() == 0


def _timestamp_version(hq: Headquarters) -> int:
    return json.loads((hq.public / "metadata" / "timestamp.json").read_bytes())["signed"]["version"]


# --- refusing to start --------------------------------------------------------------------------------------


def test_without_keys_it_says_what_to_do(tmp_path):
    assert "failsafe-hq keys init" in refused(tmp_path / "nothing")


def in_process(hq: Headquarters) -> None:
    with server.desk_of(hq.home, REGISTER_FILE) as (desk, _):
        Server(desk, Repository(hq.home, hq.keys), publishing.now).run(port=0, ccc_port=0)


def test_without_a_publication_it_does_not_start(tmp_path):
    hq = Headquarters(tmp_path / "hq")
    shutil.rmtree(hq.public)
    with pytest.raises(RepositoryFault, match="Nothing is published"):
        in_process(hq)


def test_without_a_server_certificate_it_does_not_start(tmp_path):
    hq = Headquarters(tmp_path / "hq")
    (hq.home / "online" / "server.pem").unlink()
    with pytest.raises(KeyMissing, match="server-certificate"):
        in_process(hq)
    (hq.home / "online" / "server.pem").write_text("no certificate")
    with pytest.raises(KeyFault):
        in_process(hq)


def test_an_ended_certificate_is_refused_and_a_new_one_is_for_its_names(hq):
    later = publishing.now() + dt.timedelta(days=366)
    with pytest.raises(ServerFault, match="ended"):
        tls_context(hq.keys, later)
    other = Headquarters(hq.home.parent / "other")
    ends = other.keys.authority.issue_server_certificate(["hq.example", "192.0.2.7", "hq.example"], now=later)
    assert ends > later and tls_context(other.keys, later).verify_mode == ssl.CERT_REQUIRED
    certificate = x509.load_pem_x509_certificate(other.keys.authority.server_file().read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["hq.example", "192.0.2.7"]
    assert other.keys.authority.server_file().stat().st_mode & 0o777 == 0o600


def test_the_certificate_is_made_by_the_command_line(tmp_path):
    hq = Headquarters(tmp_path / "hq")
    before = hq.keys.authority.server_file().read_bytes()
    words = ["--home", str(hq.home), "keys", "server-certificate"]
    made = CliRunner().invoke(main, [*words, "--name", "hq.example", "--name", "127.0.0.1"])
    assert made.exit_code == 0 and "hq.example, 127.0.0.1" in made.stdout and "next connection" in made.stderr
    assert hq.keys.authority.server_file().read_bytes() != before
    assert CliRunner().invoke(main, words).exit_code == 2
    assert CliRunner().invoke(main, [*words, "--name", "no name"]).exit_code == 1


@pytest.mark.parametrize("names", [[], [""], ["two words"], ["-x.example"], ["a..b"], ["x" * 64], ["*.example"]])
def test_names_that_no_server_has(hq, names):
    before = hq.keys.authority.server_file().read_bytes()
    with pytest.raises(KeyFault):
        hq.keys.authority.issue_server_certificate(names, now=publishing.now())
    assert hq.keys.authority.server_file().read_bytes() == before


def test_an_address_that_is_not_this_machines(hq):
    with server.desk_of(hq.home, REGISTER_FILE) as (desk, _), pytest.raises(ServerFault):
        Server(desk, Repository(hq.home, hq.keys), publishing.now).run(host="192.0.2.1", port=0, ccc_port=0)


def test_the_desks_file_can_be_anywhere_sqlalchemy_reaches(hq, tmp_path):
    with server.desk_of(hq.home, REGISTER_FILE, f"sqlite:///{tmp_path / 'elsewhere.sqlite'}") as (desk, _):
        assert desk.list(1, "").total == 0
    assert (tmp_path / "elsewhere.sqlite").is_file()
