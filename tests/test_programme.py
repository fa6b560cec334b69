"""The notification settings: what is refused, in which words, and that secrets are read when they are needed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from failsafe.hq.cbrne import programme
from failsafe.hq.cbrne.programme import KEY_FILE, MailTable, NotifyTable, ProgrammeFault, WebhookTable

WHOLE = """
[serve]
port = 8643

[notify]
exercises = true

[notify.webhook]
url = "https://cbrne.example/alerts"
key_file = "keys/notify.key"

[notify.mail]
host = "mail.ccc.example"
port = 587
security = "starttls"
sender = "desk@ccc.example"
recipients = ["duty@cbrne.example"]
username = "desk"
password_file = "mail.password"
"""
MAIL = WHOLE[WHOLE.index("[notify.mail]") :]


def refused(text):
    with pytest.raises(ProgrammeFault) as caught:
        programme.parse(text.encode() if isinstance(text, str) else text)
    assert caught.value.advice
    return str(caught.value)


def test_a_whole_file():
    table = programme.parse(WHOLE.encode())
    assert table.exercises and table.webhook.key_file == "keys/notify.key"
    assert table.mail.recipients == ("duty@cbrne.example",)


def test_no_file_and_an_empty_one_configure_nobody(tmp_path):
    assert programme.load(tmp_path).channels() == {}
    (tmp_path / "hq.toml").write_text("")
    assert programme.load(tmp_path).channels() == {}


def test_channels_and_whether_they_hear_of_exercises(tmp_path):
    (tmp_path / "hq.toml").write_text(WHOLE)
    assert programme.load(tmp_path).channels() == {"webhook": True, "e-mail": True}
    (tmp_path / "hq.toml").write_text(MAIL)
    assert programme.load(tmp_path).channels() == {"e-mail": False}


def test_the_key_has_a_place_of_its_own_unless_the_file_says_where():
    table = programme.parse(b'[notify.webhook]\nurl = "https://cbrne.example"\n')
    assert table.webhook.key_file == KEY_FILE


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("exercises", "exercise", "`exercise` is not known in [notify]. Did you mean `exercises`?"),
        ("[notify.mail]", "[notify.male]", "`male` is not known in [notify]. Did you mean `mail`?"),
        ("recipients", "receivers", "`receivers` is not known in [notify.mail]"),
        ('url = "https', 'wombat = 1\nurl = "https', "`wombat` is not known in [notify.webhook]. Known here: ca_file"),
        ("port = 587", "port = 99999", "[notify] mail.port: Expected `int` <= 65535."),
        ("port = 587", 'port = "587"', "[notify] mail.port: Expected `int`, got `str`."),
        ('security = "starttls"', 'security = "none"', "mail.security: Invalid enum value 'none'"),
        ('sender = "desk@ccc.example"\n', "", "[notify] mail: Object missing required field `sender`."),
        ('["duty@cbrne.example"]', "[]", "mail.recipients: Expected `array` of length >= 1"),
        ('["duty@cbrne.example"]', '["Duty <duty@cbrne.example>"]', "recipients[0]: Expected text of another form."),
        ('["duty@cbrne.example"]', '["duty@cbrne.example\\n"]', "recipients[0]: Expected text of another form."),
        ('sender = "desk@ccc.example"', 'sender = "desk"', "mail.sender: Expected text of another form."),
        ('username = "desk"\n', "", "username and password_file go together"),
        ('password_file = "mail.password"\n', "", "username and password_file go together"),
        ("https://cbrne", "http://cbrne", "must begin with https://"),
        ("https://cbrne", "https://user:word@cbrne", "without user and password"),
        ("https://cbrne.example/alerts", "https://", "is no plain address"),
        ("https://cbrne.example/alerts", "https://cbrne.example:x/", "is no address"),
        ("https://cbrne.example/alerts", "https://cbrne.example/a\\nb", "is no plain address"),
        ("https://cbrne.example/alerts", "ftp://127.0.0.1/", "must begin with https://"),
    ],
)
def test_what_is_wrong_is_named(before, after, said):
    assert before in WHOLE
    assert said in refused(WHOLE.replace(before, after))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/x", "http://[::1]/x", "http://localhost/x"])
def test_only_to_this_machine_may_a_call_go_in_the_clear(url):
    assert programme.parse(f'[notify.webhook]\nurl = "{url}"\n'.encode()).webhook.url == url


@pytest.mark.parametrize("text", ["[notify", b"\xff\xfe", "x = " + "[" * 2000])
def test_what_is_no_toml_is_said(text):
    assert "is no TOML" in refused(text)


def test_notify_must_be_a_table():
    assert "[notify]: Expected `object`, got `int`" in refused("notify = 1")


def test_the_line_of_a_slip_is_named():
    assert "(line 3)" in refused("[notify]\nexercises = true\nwebhook = = 1\n")


def test_a_file_without_end_and_one_that_cannot_be_read(tmp_path):
    (tmp_path / "hq.toml").write_bytes(b"#" * 300_000)
    with pytest.raises(ProgrammeFault, match="over 256 KiB"):
        programme.load(tmp_path)
    (tmp_path / "hq.toml").unlink()
    (tmp_path / "hq.toml").mkdir()
    with pytest.raises(ProgrammeFault, match="cannot be read"):
        programme.load(tmp_path)


def test_secrets_are_read_at_each_use_and_their_absence_is_said(tmp_path):
    settings = programme.load(tmp_path)
    with pytest.raises(ProgrammeFault, match=r"mail\.password cannot be read"):
        settings.secret("mail.password")
    (tmp_path / "mail.password").write_text("first")
    assert settings.secret("mail.password") == b"first"
    (tmp_path / "mail.password").write_text("second")
    assert settings.secret("mail.password") == b"second"
    for content in (b"", b"x" * 5000):
        (tmp_path / "mail.password").write_bytes(content)
        with pytest.raises(ProgrammeFault, match="empty or no secret"):
            settings.secret("mail.password")


def test_a_secret_may_lie_elsewhere(tmp_path):
    elsewhere = tmp_path / "credentials" / "password"
    elsewhere.parent.mkdir()
    elsewhere.write_text("invented")
    assert programme.load(tmp_path / "hq").secret(str(elsewhere)) == b"invented"


def documentation():
    return (Path(__file__).resolve().parent.parent / "docs/headquarters.md").read_text("utf-8")


@pytest.mark.parametrize("table", [NotifyTable, WebhookTable, MailTable])
def test_every_key_is_documented(table):
    inner = {"webhook": "[notify.webhook]", "mail": "[notify.mail]"}
    for field in msgspec.structs.fields(table):
        assert f"`{inner.get(field.name, field.name)}`" in documentation(), field.name


def test_the_documented_sample_is_in_order():
    sample = documentation().split("```toml\n")[1].split("```")[0]
    table = programme.parse(sample.encode())
    assert table.webhook is not None and table.mail is not None and not table.exercises
