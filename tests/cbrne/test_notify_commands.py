"""`failsafe-hq notify`: an exercise by each channel, and the key for the programme."""

from __future__ import annotations

import msgspec
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from failsafe.hq.cbrne import channels
from failsafe.hq.cli import main
from failsafe.sync.reports import Alert
from failsafe.sync.seal import signing_public
from tests.programme_side import free_port
from tests.publishing import Desk


def type_in(home, *words, code=0):
    result = CliRunner().invoke(main, ["--home", str(home), *words], env={"COLUMNS": "400"})
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def test_the_exercise_goes_by_each_channel_and_says_so(house, web, mail):
    house.configure(web=web.port, mail=mail.port)
    output = type_in(house.home, "notify", "test").output
    call, came = web.arrived(), mail.arrived()
    sent = msgspec.json.decode(call.body, type=Alert)
    assert (sent.kind, sent.person, call.headers["Idempotency-Key"]) == ("exercise", None, sent.id)
    assert came.message["Subject"].startswith("EXERCISE: ")
    assert f"webhook: sent as {sent.id}." in output
    assert f"e-mail: sent as {came.message['X-Failsafe-Alert']}." in output


def test_the_exercise_says_which_channel_did_not_take_it(house, mail):
    house.configure(web=free_port(), mail=mail.port)
    (house.home / "online/notify.key").unlink()
    output = type_in(house.home, "notify", "test", code=1).output
    assert "webhook: NOT sent." in output and "failsafe-hq notify key" in output
    assert "e-mail: sent as " in output
    assert "1 of 2 channels" in output


def test_an_exercise_needs_a_channel_and_right_settings(house):
    assert "No channel is configured" in type_in(house.home, "notify", "test", code=1).output
    (house.home / "hq.toml").write_text("[notify.webhook]\nurl = 1\n")
    assert "webhook.url" in type_in(house.home, "notify", "test", code=1).output


def test_the_key_for_the_programme_is_printed_the_same_each_time(tmp_path):
    home = Desk(tmp_path / "hq").home
    first = type_in(home, "notify", "key")
    assert type_in(home, "notify", "key").output == first.output
    public = load_pem_public_key(first.stdout.encode()).public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert public == signing_public((home / "online/notify.key").read_bytes())
    assert channels.telling.key_id(public) in first.stderr


def test_a_key_is_not_made_where_there_is_no_headquarters(tmp_path):
    assert "keys init" in type_in(tmp_path / "nowhere", "notify", "key", code=1).output
    assert not (tmp_path / "nowhere").exists()
