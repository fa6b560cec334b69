"""Headquarters' server as booths meet it: a real process, real mTLS on loopback, real files."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from failsafe.sync import envelope
from failsafe.sync.mailbag import BOOTHS_FOLDER
from failsafe.sync.records import encode
from failsafe.sync.reports import Answer, alert_file
from tests import publishing
from tests.publishing import Desk as Headquarters
from tests.sending import Booth
from tests.serving import (
    WAIT_S,
    Serving,
    line_to_server,  # noqa: F401 - a fixture
    refused,
    running_server,  # noqa: F401 - a fixture
    served_booth,  # noqa: F401 - a fixture
    served_headquarters,  # noqa: F401 - a fixture
    stored,
    upload,
)

REFUSED_BY_TLS = (httpx.RemoteProtocolError, httpx.ReadError, httpx.ConnectError, httpx.WriteError)


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


def test_a_taken_port_is_said(hq, serving):
    said = refused(hq.home, "--port", str(serving.port))
    assert f"port {serving.port} cannot be listened at" in said and "another port" in said
