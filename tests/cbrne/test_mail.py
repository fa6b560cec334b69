"""Mail over real lines: a mail server on loopback that does not always behave."""

from __future__ import annotations

import socket
import threading

import pytest

from failsafe.hq.cbrne.programme import ProgrammeFault
from tests.cbrne.house import RECIPIENTS, SHORT, STEADY, mailer, send
from tests.programme_side import PATIENCE_S, Authority, MailServer, WebServer, alert, closing, free_port


def test_a_mail_goes_over_starttls_to_everybody(house, mail):
    assert send(mailer(house.configure(mail=mail.port))).trouble == ""
    came = mail.arrived()
    assert came.was_secret and came.sender == "desk@ccc.example" and came.recipients == RECIPIENTS
    assert came.message["Message-ID"] == f"<{alert().id}@ccc.example>"
    assert "Surname: ZORVEKARIO" in came.message.get_content()


def test_a_mail_goes_over_tls_from_the_first_byte(house):
    with closing(MailServer(house.authority, security="tls")) as server:
        assert send(mailer(house.configure(mail=server.port, security="tls"))).trouble == ""
        assert server.arrived().was_secret


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_server_with_another_certificate_gets_nothing(house, tmp_path, security):
    with closing(MailServer(Authority(tmp_path / "stranger"), security=security)) as server:
        outcome = send(mailer(house.configure(mail=server.port, security=security)))
        assert "certificate is not trusted" in outcome.trouble and outcome.is_line_down
        assert server.all() == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_for_another_name_is_not_enough(house, security):
    with closing(MailServer(house.authority, security=security)) as server:
        outcome = send(mailer(house.configure(mail=server.port, security=security, host="127.0.0.2")))
        assert outcome.is_line_down and server.all() == []


def test_a_server_without_starttls_gets_nothing(house):
    with closing(MailServer(None)) as server:
        outcome = send(mailer(house.configure(mail=server.port)))
        assert "does not offer" in outcome.trouble and outcome.is_line_down
        assert server.all() == []


def test_it_signs_in_once_the_line_is_secret(house):
    (house.home / "mail.password").write_text("invented word\n")
    with closing(MailServer(house.authority, password="invented word")) as server:
        settings = house.configure(mail=server.port, username="desk", password_file="mail.password")
        assert send(mailer(settings)).trouble == ""
        assert server.arrived().user == "desk"
        (house.home / "mail.password").write_text("another word\n")
        outcome = send(mailer(settings))
        assert "refused user or password (535)" in outcome.trouble and outcome.is_line_down
        assert server.all() == []


def test_a_lost_password_or_authority_file_is_said(house, mail):
    settings = house.configure(mail=mail.port, username="desk", password_file="lost.password")
    with pytest.raises(ProgrammeFault, match=r"lost\.password cannot be read"):
        send(mailer(settings))
    for ca_file in ("lost.pem", "hq.toml"):
        with pytest.raises(ProgrammeFault, match="cannot be read as certificates"):
            send(mailer(house.configure(mail=mail.port, ca_file=ca_file)))
    assert mail.all() == []


@pytest.mark.parametrize(
    ("order", "said", "is_line_down"),
    [
        (451, "answered 451", False),
        (554, "answered 554", False),
        (421, "answered 421", True),
        ("drop", "The connection broke", True),
        ("hang", "No answer in time", True),
        ("drip", "No answer in time", True),
    ],
)
def test_whatever_happens_after_the_text_is_said(house, order, said, is_line_down):
    with closing(MailServer(house.authority, order)) as server:
        patience = SHORT if order in ("hang", "drip") else STEADY
        outcome = send(mailer(house.configure(mail=server.port), patience))
        assert said in outcome.trouble and outcome.is_line_down is is_line_down
        assert len(server.all()) == 1


def test_a_servers_words_are_not_repeated(house):
    with closing(MailServer(house.authority, refuses={"duty@cbrne.example": "550 ZORVEKARIO is unknown"})) as server:
        assert "ZORVEKARIO" not in send(mailer(house.configure(mail=server.port))).trouble


def test_who_has_it_is_not_asked_again(house):
    with closing(MailServer(house.authority, refuses={"night@cbrne.example": "452 full"})) as server:
        settings = house.configure(mail=server.port)
        outcome = send(mailer(settings))
        assert (outcome.trouble, outcome.told) == (
            "The mail server refused 1 of the recipients (452).",
            ("duty@cbrne.example",),
        )
        assert server.arrived().recipients == ["duty@cbrne.example"]
        outcome = send(mailer(settings), told=outcome.told)
        assert outcome.told == ("duty@cbrne.example",) and outcome.trouble  # nobody took it this time
        server.refuses.clear()
        assert send(mailer(settings), told=outcome.told).trouble == ""
        again = server.arrived()
        assert again.recipients == ["night@cbrne.example"]
        assert again.message["To"] == ", ".join(RECIPIENTS)


def test_all_have_it_already(house):
    settings = house.configure(mail=free_port())
    assert send(mailer(settings), told=RECIPIENTS).trouble == ""


def test_nobody_there_and_a_server_of_another_kind(house):
    assert "Nobody listens there" in send(mailer(house.configure(mail=free_port()))).trouble
    with closing(WebServer()) as server:
        assert send(mailer(house.configure(mail=server.port), SHORT)).is_line_down


def test_a_server_that_greets_with_a_refusal_is_asked_nothing(house):
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            line, _ = listener.accept()
            with line:
                line.sendall(b"554 no service here\r\n")
                heard.append(line.recv(1000))

        thread = threading.Thread(target=refuse)
        thread.start()
        outcome = send(mailer(house.configure(mail=listener.getsockname()[1])))
        thread.join(PATIENCE_S)
    assert outcome.trouble == "The mail server answered 554." and outcome.is_line_down
    assert heard == [b""]
