"""What the CBRNE programme reads: calls it can check, mails that no name can break, in every script."""

from __future__ import annotations

import datetime as dt
import email
import re
import secrets
from email import policy
from pathlib import Path

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.hq.cbrne import telling
from failsafe.hq.cbrne.telling import Correspondence
from failsafe.sync.records import encode
from failsafe.sync.reports import (
    ChannelSummary,
    MatchedDocument,
    MatchReason,
    OwnTest,
    PersonAsRead,
    Place,
    RadiationSummary,
)
from failsafe.sync.seal import signing_public
from tests.programme_side import RECEIVED, alert

PROJECT = Path(__file__).resolve().parent.parent
SECRET = secrets.token_bytes(32)
AT = dt.datetime(2026, 11, 21, 12, 0, 10, tzinfo=dt.UTC)
WE = Correspondence("desk@ccc.example", ("duty@cbrne.example", "night@cbrne.example"))


def mail(body, correspondence=WE):
    return email.message_from_bytes(telling.mail(body, RECEIVED, correspondence), policy=policy.default)


def content(message):
    return message.get_content().replace("\r\n", "\n")


def text(body):
    return "\n".join(telling.text(body, RECEIVED))


# --- webhook --------------------------------------------------------------------------------------------------


def documented_check():
    """The check that the documentation gives to the programme, as it stands there."""
    page = (PROJECT / "docs/headquarters.md").read_text("utf-8")
    names = {}
    exec(page.split("```python\n")[1].split("```")[0], names)
    return names["check"]


def check_call(headers, body, public, now_s=None):
    """Check a call as the programme does."""
    pem = Ed25519PublicKey.from_public_bytes(public).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    created = int(re.search(r";created=(\d+)", headers["Signature-Input"])[1])
    documented_check()(headers, body, pem, created if now_s is None else now_s)


@pytest.fixture
def call():
    body = encode(alert())
    return telling.call_headers(alert().id, body, SECRET, AT), body


def test_a_call_can_be_checked_by_what_the_documentation_says(call):
    headers, body = call
    check_call(headers, body, signing_public(SECRET))
    assert headers["Idempotency-Key"] == alert().id
    assert f"created={int(AT.timestamp())};" in headers["Signature-Input"]
    assert f'keyid="{telling.key_id(signing_public(SECRET))}"' in headers["Signature-Input"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("Signature-Input", lambda text: text.replace("created=1", "created=2")),
        ("Idempotency-Key", lambda text: text.replace("0190", "0191")),
        ("Content-Digest", lambda text: text.replace("=:", "=:A")),
    ],
)
def test_whatever_is_signed_cannot_be_changed(call, name, change):
    headers, body = call
    changed = {**headers, name: change(headers[name])}
    assert changed != headers
    with pytest.raises((InvalidSignature, ValueError)):
        check_call(changed, body, signing_public(SECRET))


def test_another_body_or_another_key_is_seen(call):
    headers, body = call
    with pytest.raises(ValueError, match="body"):
        check_call(headers, body + b" ", signing_public(SECRET))
    with pytest.raises(InvalidSignature):
        check_call(headers, body, signing_public(secrets.token_bytes(32)))


@pytest.mark.parametrize("late_s", [-301, 301])
def test_a_call_kept_for_later_is_seen(call, late_s):
    headers, body = call
    with pytest.raises(ValueError, match="another time"):
        check_call(headers, body, signing_public(SECRET), AT.timestamp() + late_s)


def test_a_signature_over_less_is_seen(call):
    headers, body = call
    less = headers["Signature-Input"].replace(' "content-digest"', "")
    with pytest.raises(ValueError, match="does not cover"):
        check_call({**headers, "Signature-Input": less}, body, signing_public(SECRET))


def test_no_header_of_a_call_names_anybody(call):
    headers, _ = call
    assert "ZORVEKARIO" not in str(headers) and "Northgate" not in str(headers)


# --- ids ------------------------------------------------------------------------------------------------------


def test_an_id_of_the_house_goes_out_as_it_is():
    assert telling.public_id(alert().id) == alert().id


@given(st.text(max_size=60))
def test_no_other_id_reaches_a_header(alert_id):
    assert re.fullmatch(r"[0-9a-f]{64}", telling.public_id(alert_id))
    assert telling.public_id(alert_id) == telling.public_id(alert_id)


# --- mail: headers --------------------------------------------------------------------------------------------


def test_a_mail_is_the_same_however_often_it_is_made():
    assert telling.mail(alert(), RECEIVED, WE) == telling.mail(alert(), RECEIVED, WE)


def test_a_mail_says_who_sends_what_about_which_alert():
    message = mail(alert())
    assert message["From"] == "desk@ccc.example"
    assert message["To"] == "duty@cbrne.example, night@cbrne.example"
    assert message["Message-ID"] == f"<{alert().id}@ccc.example>"
    assert message["X-Failsafe-Alert"] == alert().id
    assert (message["X-Failsafe-Kind"], message["X-Failsafe-Urgency"]) == ("notice_hit", "urgent")
    assert message["Date"].datetime == dt.datetime(2026, 11, 21, 12, 0, 5, tzinfo=dt.UTC)
    assert message["Subject"] == "[CBRNE] URGENT, Notice hit, Northgate (ZZ)"
    assert message["X-Failsafe-Exercise"] is None


def test_the_message_id_is_one_word_even_in_a_long_domain():
    domain = ".".join(["a-long-part-of-a-name"] * 6) + ".example"
    raw = telling.mail(alert(), RECEIVED, Correspondence(f"desk@{domain}", WE.recipients))
    assert f"<{alert().id}@{domain}>".encode() in raw.replace(b"\r\n ", b" ")


def test_a_time_that_cannot_be_read_costs_the_date_only():
    raw = telling.mail(alert(), "yesterday", WE)
    assert b"\r\nDate:" not in raw and b"Message-ID" in raw


def test_the_subject_names_nobody_and_stays_short():
    message = mail(alert(place=Place(booth="ZZ-1", country="ZZ", crossing_point="N" * 900)))
    assert "ZORVEKARIO" not in message["Subject"] and len(message["Subject"]) <= 150


def test_an_exercise_says_so_first_and_everywhere():
    message = mail(alert(kind="exercise"))
    assert message["Subject"].startswith("EXERCISE: ")
    assert message["X-Failsafe-Exercise"] == "yes"
    assert content(message).startswith("EXERCISE EXERCISE EXERCISE\n")


HOSTILE = [
    "x\r\nBcc: thief@example.net",
    "x\nBcc: thief@example.net\n\nforged body",
    "x\r\n.\r\nMAIL FROM:<thief@example.net>",
    "x\u2028Surname: NOBODY",
    "x\u0085Surname: NOBODY",
    "x\x0b\x0c\x1c\x00Surname: NOBODY",
    "\u202eDEKCART",
    "=?utf-8?q?Bcc:_thief?=",
]


@pytest.mark.parametrize("text_", HOSTILE)
def test_nothing_a_booth_or_document_says_becomes_a_header_or_a_line(text_):
    usual = mail(alert())
    hostile = alert(
        id=text_,
        verdict=text_,
        crossing=text_,
        follows=text_,
        place=Place(booth=text_, country=text_, crossing_point=text_, lane=text_),
        person=PersonAsRead(source="manual", surname=text_, given=text_, zone=(text_,)),
        listed=(MatchedDocument(number=text_, issuing_country=text_, document_type=text_, fraud_type=text_),),
        radiation=RadiationSummary(detector=text_, health=text_),
    )
    raw = telling.mail(hostile, RECEIVED, WE)
    message = email.message_from_bytes(raw, policy=policy.default)
    assert sorted(message.keys()) == sorted(usual.keys())
    assert message["Bcc"] is None
    assert not re.search(rb"^(Bcc|MAIL FROM|\.\r\n)", raw, re.MULTILINE)
    lines = content(message).split("\n")
    assert sum(line.startswith("  Surname: ") for line in lines) == 1
    assert not any("NOBODY" in line and not re.search("x *Surname: NOBODY", line) for line in lines)
    assert "\u202e" not in content(message)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.text(max_size=120))
def test_every_name_and_place_gives_a_mail_in_seven_bits(name, place):
    body = alert(
        person=PersonAsRead(source="zone", surname=name, given=name),
        place=Place(booth="ZZ-1", country="ZZ", crossing_point=place),
    )
    raw = telling.mail(body, RECEIVED, WE)
    assert max(raw) < 128
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b"")
    message = email.message_from_bytes(raw, policy=policy.default)
    assert message["Message-ID"] == f"<{alert().id}@ccc.example>"
    if telling.clean(name):
        assert f"  Surname: {telling.clean(name)}\n" in content(message)


@given(st.text(max_size=200))
def test_clean_text_is_one_line_and_stays_as_it_is(given_text):
    once = telling.clean(given_text)
    assert len(once.splitlines()) <= 1
    assert telling.clean(once) == once


@pytest.mark.parametrize("name", ["ЗОРВЕКАРІО", "زورفيكاريو", "蘇維卡", "ZÖRVÉKÅRIØ", "ゾルヴェカリオ", "ज़ोरवेकारियो"])
def test_names_of_every_script_arrive_whole(name):
    message = mail(
        alert(
            person=PersonAsRead(source="zone", surname=name),
            place=Place(booth="ZZ-1", country="ZZ", crossing_point=name),
        )
    )
    assert f"  Surname: {name}\n" in content(message)
    assert name in message["Subject"]


# --- mail: text -----------------------------------------------------------------------------------------------


def test_the_text_says_where_when_who_why_and_how_old_the_notices_were():
    said = text(alert())
    for line in (
        "Notice hit. The booth said STOP.",
        "  Country: ZZ",
        "  Crossing point: Northgate",
        "  Position: 41.50000, 44.25000 (latitude, longitude)",
        "  Booth: ZZ-1, lane 2",
        "  At the booth: 2026-11-21T12:00:00.000Z",
        f"  At headquarters: {RECEIVED}",
        "  As read from a document.",
        "  Surname: ZORVEKARIO",
        "  Given names: LIMTUSK",
        "  Born: 1971-02-03",
        "  Strong candidate: notice 2026-99001 (radiological or nuclear), score 0.97",
        "  - name: ZORVEKARIO = ZORVEKARYO; one letter (+0.90)",
        "  Detector: portal-1, OK, passage of 4.2 s",
        "  Gamma: ALARM, 900 counts in 0.2 s at most, background 812.5 counts a second, panels 1, 3",
        "  Age: 1 h 30 min",
        "  Feed base: serial 7, lineage invented",
        f"  Alert: {alert().id}",
        "  Crossing: c-1",
    ):
        assert line in said.split("\n"), line


def test_what_is_not_known_is_said():
    bare = alert(
        kind="radiation_alarm",
        person=None,
        notices=(),
        radiation=None,
        mirror=(),
        mirror_age_s=None,
        crossing=None,
        place=Place(booth="ZZ-1", country="ZZ", crossing_point="Northgate"),
        at=msgspec.structs.replace(alert().at, trusted=False),
    )
    said = text(bare)
    for part in (
        "Position: not known",
        "clock is NOT to be trusted",
        "Nobody is named by this alert.",
        "No notice and no listed document.",
        "No measurement belongs to this alert.",
        "Age: not known",
        "Booth: ZZ-1\n",
    ):
        assert part in said
    assert "Crossing:" not in said and "Follows" not in said


def test_repairs_and_doubts_are_said():
    said = text(
        alert(
            person=PersonAsRead(
                source="zone", document_number="X1", issuing_state="ZZZ", zone=("P<ZZZ",), repaired=True
            ),
            listed=(
                MatchedDocument(
                    number="X1", issuing_country="ZZ", document_type="passport", fraud_type="stolen", sure=False
                ),
            ),
            follows="01900000-0000-7000-8000-000000000009",
        )
    )
    assert "with a repaired character: compare with the zone" in said
    assert "Document: X1, issued by ZZZ" in said and "Zone: P<ZZZ" in said
    assert "Listed document: X1 of ZZ (passport), stolen, read with a repaired character" in said
    assert "Follows alert: 01900000-0000-7000-8000-000000000009" in said


def test_a_quiet_channel_and_one_without_background():
    said = text(
        alert(
            radiation=RadiationSummary(
                detector="p",
                health="OK",
                channels=(ChannelSummary(channel="neutron", alarm=False, peak=3, interval_s=1),),
            )
        )
    )
    assert "  Neutron: quiet, 3 counts in 1 s at most\n" in said


def test_the_booths_own_alarm_is_told_with_its_strength():
    test = OwnTest(channel="gamma", test="contrast", strength=9.25, threshold=5.5, panels=(1, 3))
    said = text(alert(radiation=RadiationSummary(detector="p", health="OK", own=(test,), nuclides=("I-131", "K-40"))))
    assert "  The booth's own test (gamma, contrast): 9.25, threshold 5.5, panels 1, 3\n" in said
    assert "  The detector recognised: I-131, K-40\n" in said


def test_reasons_against_are_shown_as_such():
    against = MatchReason(field="sex", query="M", candidate="F", why="differs", points=-0.2)
    notice = msgspec.structs.replace(alert().notices[0], reasons=(against,), tier="red", grade="possible")
    said = text(alert(notices=(notice,)))
    assert "Possible candidate: notice 2026-99001 (red notice)" in said
    assert "- sex: M = F; differs (-0.20)" in said


def test_a_word_that_only_one_side_has_stands_alone():
    left = MatchReason(field="whole_name", query="", candidate="خالد (KHALID)", why="left over", points=-1.0)
    notice = msgspec.structs.replace(alert().notices[0], reasons=(left,))
    assert "- whole name: خالد (KHALID); left over (-1.00)" in text(alert(notices=(notice,)))
