"""The webhook over real lines: a web server on loopback that does not always behave."""

from __future__ import annotations

import stat

import msgspec
import pytest

from failsafe.hq.cbrne.channels import Webhook, make_key
from failsafe.hq.cbrne.programme import ProgrammeFault, WebhookTable
from failsafe.sync.reports import Alert
from failsafe.sync.seal import signing_public
from tests.cbrne.house import SHORT, STEADY, send, webhook
from tests.programme_side import Authority, WebServer, alert, closing, free_port
from tests.test_telling import check_call


def test_a_call_carries_the_alert_and_can_be_checked(house, web):
    settings = house.configure(web=web.port)
    assert send(webhook(settings)).trouble == ""
    call = web.arrived()
    assert call.path == "/cbrne"
    assert msgspec.json.decode(call.body, type=Alert) == alert()
    assert call.headers["Idempotency-Key"] == alert().id
    check_call(call.headers, call.body, signing_public((house.home / "online/notify.key").read_bytes()))


def test_over_tls_with_an_authority_of_ones_own(house):
    with closing(WebServer(authority=house.authority)) as server:
        assert send(webhook(house.configure(web=server.port, secure=True))).trouble == ""
        assert len(server.all()) == 1


def test_a_stranger_with_another_certificate_gets_nothing(house, tmp_path):
    with closing(WebServer(authority=Authority(tmp_path / "stranger"))) as server:
        outcome = send(webhook(house.configure(web=server.port, secure=True)))
        assert "certificate is not trusted" in outcome.trouble and outcome.is_line_down
        assert server.all() == []


@pytest.mark.parametrize(
    ("order", "said", "is_line_down"),
    [
        (400, "answered 400", False),
        (500, "answered 500", False),
        (503, "answered 503", True),
        (429, "answered 429", True),
        (301, "answered 301. Redirects are not followed", False),
        (307, "answered 307. Redirects are not followed", False),
        ("drop", "The connection broke", True),
        ("hang", "No answer in time", True),
        ("drip", "No answer in time", True),
    ],
)
def test_whatever_is_no_success_is_said(house, order, said, is_line_down):
    with closing(WebServer(order)) as server:
        patience = SHORT if order in ("hang", "drip") else STEADY
        outcome = send(webhook(house.configure(web=server.port), patience))
        assert said in outcome.trouble and outcome.is_line_down is is_line_down
        assert len(server.all()) == 1  # a redirect was not followed


def test_nobody_there_and_no_such_name(house):
    assert "Nobody listens there" in send(webhook(house.configure(web=free_port()))).trouble
    settings = house.configure()
    table = WebhookTable(url="https://nowhere.invalid/")
    assert send(Webhook(settings, table, STEADY)).is_line_down


def test_proxies_of_the_environment_are_not_asked(house, web, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert send(webhook(house.configure(web=web.port))).trouble == ""


@pytest.mark.parametrize("content", [None, b"short", b""])
def test_without_a_key_nothing_is_sent(house, web, content):
    settings = house.configure(web=web.port)
    file = house.home / "online/notify.key"
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(ProgrammeFault, match="notify key"):
        send(webhook(settings))
    assert web.all() == []


def test_the_key_is_made_once_and_is_the_owners_alone(house):
    settings = house.configure()
    first = make_key(settings, WebhookTable(url=""))
    assert make_key(settings, WebhookTable(url="")) == first
    assert stat.S_IMODE((house.home / "online/notify.key").stat().st_mode) == 0o600
    with pytest.raises(ProgrammeFault, match="cannot be written"):
        make_key(settings, WebhookTable(url="", key_file="nowhere/notify.key"))
