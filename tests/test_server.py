"""Headquarters' server as booths meet it: a real process, real mTLS on loopback, real files."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import msgspec
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
from failsafe.sync.mailbag import BOOTHS_FOLDER
from failsafe.sync.records import ListedDocument, Welcome, encode
from failsafe.sync.reports import Answer, Upload, alert_file
from failsafe.sync.trust import read_publication
from tests import publishing
from tests.publishing import Desk as Headquarters
from tests.sending import REGISTER_FILE, Booth

WAIT_S = 30
REFUSED_BY_TLS = (httpx.RemoteProtocolError, httpx.ReadError, httpx.ConnectError, httpx.WriteError)


class Serving:
    """`failsafe-hq serve` in a process of its own."""

    def __init__(self, home: Path, *, script: Path | None = None) -> None:
        program = [str(script)] if script else ["-c", "from failsafe.hq.cli import main; main()"]
        command = [sys.executable, *program, "--home", str(home)]
        self.errors = home.parent / f"errors-{time.monotonic_ns()}"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*command, "serve", "--port", "0", "--ccc-port", "0"], stdout=subprocess.PIPE, stderr=errors
            )
        assert self.process.stdout is not None
        said = [self.process.stdout.readline().decode() for _ in range(2)]
        assert said[0].startswith("Booths: https://") and said[1].startswith("Command centre: http://127.0.0.1:"), (
            self.errors.read_text()
        )
        self.url, self.ccc = said[0].split()[-1], said[1].split()[-1]
        self.port = int(self.url.rpartition(":")[2])

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(WAIT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def hq(tmp_path_factory):
    made = Headquarters(tmp_path_factory.mktemp("served") / "hq")
    made.publish(1)
    return made


@pytest.fixture(scope="module")
def booth(hq, tmp_path_factory):
    return Booth(hq, tmp_path_factory.mktemp("booths"))


@pytest.fixture(scope="module")
def serving(hq, booth):
    running = Serving(hq.home)
    yield running
    running.end()
    assert "ZORVEKARIO" not in running.errors.read_text()


@pytest.fixture(scope="module")
def line(serving, booth):
    with booth.line(serving.url) as client:
        yield client


def upload(*envelopes):
    return encode(Upload(envelopes=tuple(envelopes)))


def stored(hq, table="entries"):
    with contextlib.closing(sqlite3.connect(hq.home / "desk.sqlite")) as connection:
        return connection.execute(f"select count(*) from {table}").fetchone()[0]


# --- alerts --------------------------------------------------------------------------------------------------


def test_a_batch_is_receipted(line, booth):
    sent = booth.alerts(50)
    response = line.post("/alerts", content=upload(*sent))
    answer = msgspec.json.decode(response.content, type=Answer)
    assert response.status_code == 200 and answer.refused == ()
    for receipt, entry in zip(answer.receipts, booth.entries[-50:], strict=True):
        envelope.check_receipt(receipt, entry, booth.public)


def test_the_same_upload_twice_gets_the_same_answer(line, booth):
    body = upload(*booth.alerts(3))
    assert line.post("/alerts", content=body).content == line.post("/alerts", content=body).content


def test_one_bad_envelope_is_refused_alone(line, booth):
    good, bad = booth.alerts(2)
    bad = msgspec.structs.replace(bad, sealed=b"x")
    answer = msgspec.json.decode(line.post("/alerts", content=upload(bad, good)).content, type=Answer)
    assert [one.id for one in answer.receipts] == [good.id] and [one.id for one in answer.refused] == [bad.id]


def test_nothing_sent_is_nothing_answered(line):
    assert line.post("/alerts", content=upload()).json() == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"envelopes": 1}',
        b'{"envelopes": [{}]}',
        b'{"envelopes": [], "more": 1}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"envelopes": [' + b'{"envelopes": [' * 50_000,
    ],
)
def test_garbage_is_answered_with_advice(line, body):
    for path in ("/alerts", "/heartbeat"):
        response = line.post(path, content=body)
        assert response.status_code == 400
        assert response.json()["error"] == "malformed" and response.json()["advice"].endswith(".")


def test_fifty_one_are_too_many_and_none_is_stored(hq, line, booth):
    before = stored(hq)
    sent = [booth.seal(booth.entries[0])] * 51
    response = line.post("/alerts", content=upload(*sent))
    assert (response.status_code, response.json()["error"]) == (413, "too-large")
    assert "50 envelopes" in response.json()["advice"] and stored(hq) == before


def test_four_mebibytes_are_the_limit_declared_or_not(serving, booth):
    def endless():
        for _ in range(5 * 16):
            yield b" " * 65536

    with booth.line(serving.url) as client:
        assert client.post("/alerts", content=b" " * (4 * 1024 * 1024)).status_code == 400
    for body in (b" " * (4 * 1024 * 1024 + 1), endless()):
        # The answer may come while the body is still being sent, and the connection then ends.
        with booth.line(serving.url) as client, contextlib.suppress(httpx.WriteError, httpx.ReadError):
            assert client.post("/alerts", content=body).status_code == 413


def test_a_declared_length_is_refused_before_a_byte_of_it(serving, booth):
    connection = http.client.HTTPSConnection("127.0.0.1", serving.port, context=booth.tls(), timeout=WAIT_S)
    connection.putrequest("POST", "/alerts")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413 and json.loads(response.read())["error"] == "too-large"
    connection.close()


def test_other_methods_and_paths(line):
    for method, path in (("PUT", "/alerts"), ("DELETE", "/metadata/timestamp.json"), ("POST", "/metadata/x")):
        response = line.request(method, path)
        assert response.status_code == 405 and set(response.json()) == {"error", "advice"}


# --- heartbeats ----------------------------------------------------------------------------------------------


def test_a_heartbeat_is_kept(hq, line, booth):
    response = line.post("/heartbeat", content=encode(booth.heartbeat(10, 5)))
    assert (response.status_code, response.content) == (204, b"")
    assert stored(hq, "heartbeats") == 1
    assert line.post("/heartbeat", content=encode(booth.heartbeat(20, 4))).status_code == 204
    assert stored(hq, "faults") == 1


def test_a_heartbeat_that_is_none(line, booth):
    bad = msgspec.structs.replace(booth.heartbeat(30, 6), sealed=b"x")
    response = line.post("/heartbeat", content=encode(bad))
    assert (response.status_code, response.json()["error"]) == (400, "not-for-this-booth")


# --- who comes in --------------------------------------------------------------------------------------------


def test_without_a_certificate_nobody_comes_in(serving, booth):
    context = ssl.create_default_context(cadata=booth.welcome.authority)
    with httpx.Client(verify=context, trust_env=False) as client, pytest.raises(REFUSED_BY_TLS):
        client.get(f"{serving.url}/metadata/timestamp.json")
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", serving.port), timeout=WAIT_S) as plain:
        plain.sendall(b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: x\r\n\r\n")
        if not plain.recv(100).startswith(b"HTTP"):
            raise ConnectionResetError


def self_made(folder: Path, name: str, issuer: Headquarters | None = None) -> tuple[Path, Path]:
    """A fresh key, and a certificate for it: self-signed, or issued by a headquarters."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    if issuer is None:
        at = publishing.now()
        certificate = (
            x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(at - dt.timedelta(hours=1))
            .not_valid_after(at + dt.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    else:
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        request_pem = request.public_bytes(serialization.Encoding.PEM).decode()
        pem = issuer.keys.authority.issue_certificate(request_pem, name, now=publishing.now())
    (folder / "own.crt").write_text(pem)
    (folder / "own.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "own.crt", folder / "own.key"


def shown(booth: Booth, certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=booth.welcome.authority)
    context.load_cert_chain(certificate, key)
    return context


def test_another_authoritys_certificate_does_not_come_in(serving, booth, tmp_path):
    context = shown(booth, *self_made(tmp_path, booth.name))
    with booth.line(serving.url, context) as client, pytest.raises(REFUSED_BY_TLS):
        client.get("/metadata/timestamp.json")


@pytest.mark.parametrize(("name", "word"), [("ZZ-NOBODY", "unknown-booth"), ("ZZ-ONE", "other-key")])
def test_a_certificate_that_the_register_does_not_hold(serving, booth, hq, tmp_path, name, word):
    """The authority's key is enough for TLS; it is not enough for the desk."""
    with booth.line(serving.url, shown(booth, *self_made(tmp_path, name, hq))) as client:
        for response in (client.get("/metadata/timestamp.json"), client.post("/alerts", content=upload())):
            assert (response.status_code, response.json()["error"]) == (403, word)


def test_a_revoked_booth_is_out_at_once(serving, hq, tmp_path):
    leaver = Booth(hq, tmp_path, "ZZ-LEAVER")
    with leaver.line(serving.url) as client:
        assert client.get("/metadata/timestamp.json").status_code == 200
        leaver.revoke()
        for response in (
            client.get("/metadata/timestamp.json"),
            client.post("/alerts", content=upload(*leaver.alerts(1))),
            client.post("/heartbeat", content=encode(leaver.heartbeat(1, 1))),
        ):
            assert (response.status_code, response.json()["error"]) == (403, "revoked")


def test_a_renewed_certificate_comes_in_beside_the_old_one(serving, hq, tmp_path):
    one = Booth(hq, tmp_path, "ZZ-RENEWED")
    old = one.tls()
    one.welcome = one.enrol()
    for context in (old, one.tls()):
        with one.line(serving.url, context) as client:
            assert client.get("/metadata/timestamp.json").status_code == 200


def test_the_server_is_headquarters_and_no_booth_can_pass_for_it(serving, booth, tmp_path):
    with httpx.Client(trust_env=False) as client, pytest.raises(httpx.ConnectError):
        client.get(f"{serving.url}/metadata/timestamp.json")
    pretender = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    booth.tls()
    pretender.load_cert_chain(booth.folder / "link.crt", booth.folder / "link-tls.key")
    context = ssl.create_default_context(cadata=booth.welcome.authority)
    context.check_hostname = False
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(pretender, context)


def _shake_hands(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server)
    served = server_side.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, served):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()


def test_tls_below_one_point_three_is_refused(serving, booth):
    context = booth.tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with booth.line(serving.url, context) as client, pytest.raises(REFUSED_BY_TLS):
        client.get("/metadata/timestamp.json")


# --- the publication -----------------------------------------------------------------------------------------


def test_the_whole_publication_is_served_byte_for_byte(hq, line):
    names = [name for name in hq.spool.names() if not name.endswith("timestamp.json")]
    assert len(names) >= 6
    for name in names:
        response = line.get(f"/{name}")
        assert response.content == (hq.public / name).read_bytes()
        immutable = "immutable" in response.headers["cache-control"]
        assert (
            immutable == name.startswith("targets/") and ("no-cache" in response.headers["cache-control"]) != immutable
        )


def test_what_did_not_change_costs_no_body(line):
    first = line.get("/metadata/1.root.json")
    again = line.get("/metadata/1.root.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = line.get("/metadata/1.root.json", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200 and other.content == first.content


def test_a_broken_transfer_goes_on_where_it_stopped(hq, line):
    name = hq.spool.names("targets/feed/")[0]
    content = (hq.public / name).read_bytes()
    etag = line.get(f"/{name}").headers["etag"]
    rest = line.get(f"/{name}", headers={"Range": "bytes=100-", "If-Range": etag})
    assert (rest.status_code, rest.content) == (206, content[100:])
    assert rest.headers["content-range"] == f"bytes 100-{len(content) - 1}/{len(content)}"
    whole = line.get(f"/{name}", headers={"Range": "bytes=100-", "If-Range": '"other"'})
    assert (whole.status_code, whole.content) == (200, content)


@pytest.mark.parametrize(
    ("asked", "status", "piece"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=5-5", 206, slice(5, 6)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=10-99999999", 206, slice(10, None)),
        ("bytes=-99999999", 200, slice(None)),
        ("bytes=0-", 200, slice(None)),
        ("bytes=99999999-", 416, slice(0, 0)),
        ("bytes=-0", 416, slice(0, 0)),
        ("bytes=9-5", 200, slice(None)),
        ("bytes=0-1,4-5", 200, slice(None)),
        ("lines=0-1", 200, slice(None)),
        ("bytes=" + "9" * 30 + "-", 200, slice(None)),
    ],
)
def test_ranges(hq, line, asked, status, piece):
    content = (hq.public / "metadata" / "1.root.json").read_bytes()
    response = line.get("/metadata/1.root.json", headers={"Range": asked})
    assert (response.status_code, response.content) == (status, content[piece])


def test_head_has_the_length_and_no_body(hq, line):
    response = line.head("/metadata/1.root.json")
    assert int(response.headers["content-length"]) == (hq.public / "metadata" / "1.root.json").stat().st_size
    assert response.content == b"" and response.status_code == 200


def raw(serving: Serving, booth: Booth, target: str) -> tuple[int, bytes]:
    """GET with the path exactly as given: no client tidies it up."""
    plain = socket.create_connection(("127.0.0.1", serving.port), timeout=WAIT_S)
    with plain, booth.tls().wrap_socket(plain, server_hostname="127.0.0.1") as secure:
        secure.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := secure.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/metadata",
        "/metadata/",
        "/targets/",
        "/keys.json",
        "/online/seal.key",
        "/metadata/9.root.json",
        "/metadata/../../online/seal.key",
        "/metadata/..%2f..%2fonline%2fseal.key",
        "/metadata/%2e%2e/%2e%2e/online/seal.key",
        "/metadata/..%252f..%252fonline/seal.key",
        "//etc/passwd",
        "/metadata//etc/passwd",
        "/metadata/./1.root.json",
        "/metadata/1.root.json%00",
        "/metadata/.publishing",
        "/register.sqlite",
        "/../desk.sqlite",
        "/metadata/link.json",
        "/metadata/folder.json",
        "/metadata/pipe.json",
        "/metadata/" + "a" * 5000,
    ],
)
def test_nothing_else_on_the_machine_is_served(hq, serving, booth, target):
    folder = hq.public / "metadata"
    if not (folder / "link.json").is_symlink():
        (folder / "link.json").symlink_to(hq.home / "online" / "seal.key")
        (folder / "folder.json").mkdir()
        os.mkfifo(folder / "pipe.json")
    assert raw(serving, booth, target) == (404, b"")


def test_a_reader_keeps_the_file_that_a_publication_replaces(hq, serving, booth):
    file = hq.public / "keys" / "base" / "1" / "ZZ-LARGE"
    file.parent.mkdir(parents=True, exist_ok=True)
    old, new = b"a" * 8_000_000, b"b" * 100
    file.write_bytes(old)
    with booth.line(serving.url) as client, client.stream("GET", "/keys/base/1/ZZ-LARGE") as response:
        pieces = response.iter_raw(65536)
        received = next(pieces)
        beside = file.with_name("ZZ-BESIDE")
        beside.write_bytes(new)
        beside.replace(file)
        received += b"".join(pieces)
        assert received == old
        assert client.get("/keys/base/1/ZZ-LARGE").content == new


def test_a_concurrent_publication_is_served_at_once(hq, line):
    hq.publish(2)
    timestamp = line.get("/metadata/timestamp.json").json()
    version = timestamp["signed"]["meta"]["snapshot.json"]["version"]
    assert line.get(f"/metadata/{version}.snapshot.json").status_code == 200


def test_the_timestamp_is_signed_anew_at_the_start(hq, line):
    signed = line.get("/metadata/timestamp.json").json()["signed"]
    assert signed["version"] > 1
    age = publishing.now() - dt.datetime.fromisoformat(signed["signed_at"])
    assert age < dt.timedelta(minutes=10)


# --- the process ---------------------------------------------------------------------------------------------


def test_the_command_centres_page_is_there_and_needs_no_certificate(serving):
    response = httpx.get(serving.ccc, trust_env=False)
    assert response.status_code == 200 and "text/html" in response.headers["content-type"]


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


def test_a_stick_brings_alerts_while_the_server_runs(hq, serving, booth, tmp_path):
    before = stored(hq)
    sent = booth.alerts(2)
    for one, entry in zip(sent, booth.entries[-2:], strict=True):
        file = tmp_path / "stick" / BOOTHS_FOLDER / booth.name / alert_file(one.urgency, entry.sequence, one.id)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(one))
    command = [sys.executable, "-c", "from failsafe.hq.cli import main; main()", "--home", str(hq.home)]
    done = subprocess.run(
        [*command, "courier", "import", str(tmp_path / "stick")], capture_output=True, text=True, check=True
    )
    assert "2 alerts are receipted" in done.stdout and stored(hq) == before + 2
    assert len(list((tmp_path / "stick" / "receipts").iterdir())) == 2


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
        _wait_for(lambda: _timestamp_version(hq) > 3)
        key.rename(tmp_path / "safe.pem")
        _wait_for(lambda: "timestamp is not signed" in running.errors.read_text())
        _wait_for(lambda: _late(running) is not None)
        assert _late(running) == {"signed_at": _signed_at(hq)}
        (tmp_path / "safe.pem").rename(key)
        before = _timestamp_version(hq)
        _wait_for(lambda: _timestamp_version(hq) > before + 1)
        _wait_for(lambda: _late(running) is None)
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
        _wait_for((hq.public / "keys" / "base" / "2" / booth.name).is_file)
        (hq.home / "hq.toml").write_text("[publish]\nepoch_days = 0\n")
        _wait_for(lambda: "what was due could not be done" in running.errors.read_text())
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
        _wait_for(lambda: "the certificates were loaded anew" in running.errors.read_text())
        with booth.line(running.url) as client:
            assert client.get("/metadata/timestamp.json").status_code == 200
        hq.keys.authority.finish(publishing.now())
        said = "the certificates were loaded anew"
        _wait_for(lambda: running.errors.read_text().count(said) > 1)
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
        _wait_for(lambda: _timestamp_version(hq) > before + 1)
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


def _wait_for(holds) -> None:
    until = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


# --- refusing to start ---------------------------------------------------------------------------------------


def refused(home: Path, *words: str) -> str:
    command = [sys.executable, "-c", "from failsafe.hq.cli import main; main()", "--home", str(home), "serve"]
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr and done.stdout == ""
    return done.stderr


def test_without_keys_it_says_what_to_do(tmp_path):
    assert "failsafe-hq keys init" in refused(tmp_path / "nothing")


def test_a_taken_port_is_said(hq, serving):
    said = refused(hq.home, "--port", str(serving.port))
    assert f"port {serving.port} cannot be listened at" in said and "another port" in said


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
