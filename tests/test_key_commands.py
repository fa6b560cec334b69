"""`failsafe-hq keys`, `upkeep` and `booths revoke` as an operator types them: words first, then the deed."""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509

from failsafe.agent import keys as booth_keys
from failsafe.hq import key_commands, upkeep
from failsafe.hq.ccc.view import LateTimestamp
from failsafe.hq.feeds import epochs, published
from failsafe.hq.feeds.publish import moment
from failsafe.hq.feeds.register import Register
from failsafe.hq.feeds.repository import Repository
from failsafe.hq.keyring.keys import SERVER_NAMES, KeyStore
from failsafe.sync import envelope
from failsafe.sync.records import Head, encode
from failsafe.sync.reports import Heartbeat, Moment
from failsafe.sync.spool import Spool
from failsafe.sync.trust import read_publication
from tests.publishing import PASSPHRASE, Desk, now
from tests.sending import open_desk
from tests.test_hq_cli import PERSON, Terminal, enrolment_file, notice_file

ROLES = [
    *("root", "targets", "snapshot", "timestamp", "bureau-main", "receipt", "seal"),
    *("authority", "server", "content", "notify", "online"),
]


@pytest.fixture
def hq(tmp_path: Path) -> Terminal:
    """A headquarters with a booth and something published."""
    Desk(tmp_path / "hq")
    terminal = Terminal(tmp_path / "hq")
    terminal("booths", "enrol", enrolment_file(tmp_path), "--out", tmp_path)
    terminal("import", notice_file(tmp_path, PERSON))
    terminal("publish")
    return terminal


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    return file


def files(home: Path) -> dict[str, bytes]:
    return {str(file.relative_to(home)): file.read_bytes() for file in home.rglob("*") if file.is_file()}


def table(hq: Terminal, *words) -> dict[str, list[str]]:
    return {line.split("\t")[0]: line.split("\t")[1:] for line in hq("keys", "list", *words).stdout.splitlines()}


# --- the list ----------------------------------------------------------------------------------------------------


def test_every_key_stands_in_the_list(hq: Terminal):
    found = table(hq)
    offline = [f"{role}-{number}" for role in ("root", "targets") for number in (1, 2, 3)]
    online = ["snapshot", "timestamp", "bureau-main", "receipt", "seal", "authority", "server", "content base"]
    assert list(found) == [*offline, *online]
    assert all(re.fullmatch(r"since 20\d\d-\S+Z", line[2]) for line in found.values()), found
    for name in ("root-1", "targets-2", "timestamp", "authority", "server"):
        assert re.fullmatch(r"ends 20\d\d-\S+Z", found[name][3])
    assert found["root-1"][1].endswith("offline") and found["seal"][1] == "online/"
    assert "2 of 3 must sign" in found["root-1"][4]
    assert len({line[0] for line in found.values()}) == len(found)


def test_shares_that_are_not_here_are_said_to_be_elsewhere(hq: Terminal, tmp_path: Path):
    (hq.home / "offline").rename(tmp_path / "safe")
    assert table(hq)["root-2"][1] == "a medium that is not here"
    assert table(hq, "--offline", tmp_path / "safe")["root-2"][1] == str(tmp_path / "safe")


# --- words before deeds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("verb", ["rotate", "revoke"])
def test_a_dry_run_says_everything_and_changes_nothing(hq: Terminal, verb: str, role: str):
    before = files(hq.home)
    told = hq("keys", verb, role, "--dry-run")
    assert files(hq.home) == before
    begins = [line.split(":")[0] for line in told.stdout.splitlines()]
    for word in ("Here", "Booths", "Alerts", "To be brought"):
        assert word in begins, told.stdout
    assert (("A thief could" in begins) and ("Do further" in begins)) is (verb == "revoke")
    assert "Nothing was changed" in told.stderr and not re.search(r"\b[NV]\.\w+\.json", told.stdout)


def test_nobody_is_taken_by_surprise(hq: Terminal, passphrase: Path):
    before = files(hq.home)
    for words in (
        ("keys", "rotate", "timestamp", "--passphrase-file", passphrase),
        ("keys", "revoke", "content"),
        ("keys", "rotate", "nothing", "--yes"),
        ("keys", "rotate", "seal", "--share", "1", "--yes"),
    ):
        assert hq(*words, code=2).stderr
    assert files(hq.home) == before


def test_what_is_at_hand_is_said(hq: Terminal):
    (hq.home / "offline" / "root-2.pem").unlink()
    told = hq("keys", "revoke", "root", "--share", 2, "--dry-run").stdout
    assert "Revokes root-2" in told and "At hand: root-1, root-3 (2 of 3 must sign)." in told
    assert "public/metadata/2.root.json" in told


# --- deeds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_each_key_is_another_afterwards_and_booths_follow(hq: Terminal, passphrase: Path, tmp_path: Path, role: str):
    spool, root = publication_of(hq.home)
    held = dict(read_publication(spool, {}, root, tmp_path).metadata)
    before = table(hq)
    hq("keys", "rotate", role, "--yes", "--passphrase-file", passphrase)
    after = table(hq)
    hq("publish")
    assert read_publication(spool, held, root, tmp_path).heads["base"].count == 1
    expected = {
        "root": {"root-"},
        "targets": {"targets-"},
        "content": {"content base"},
        "authority": {"authority", "authority, former"},
        "bureau-main": {"bureau-main", "content base"},
        "notify": set(),
        "online": {
            *("snapshot", "timestamp", "bureau-main", "receipt", "receipt, former", "seal", "seal, former"),
            *("authority", "authority, former", "server", "content base"),
        },
        "seal": {"seal", "seal, former", "content base"},
        "receipt": {"receipt", "receipt, former"},
    }.get(role, {role})
    ids = {name: line[0] for name, line in before.items()}
    exchanged = {name.rstrip("0123456789") for name, line in after.items() if ids.get(name) != line[0]}
    assert exchanged == expected, exchanged


@pytest.mark.parametrize("role", ["bureau-main", "online"])
def test_a_bureaus_new_key_and_its_epoch_come_in_one_publication(hq: Terminal, passphrase: Path, role: str):
    """Between two there would be key files that the new key has not signed."""
    seen: list[tuple[set[str], int]] = []
    spool, _ = publication_of(hq.home)

    write = Repository._write_timestamp

    def watched(repository: Repository, *args: Any) -> None:
        write(repository, *args)
        loaded = published.load(spool, repository.keys)
        head = published.record(spool, loaded.bureaus["bureau-main"].signed, "feed/base/head.json", Head)
        assert head is not None and spool.holds(f"keys/base/{head.epoch}/GE-ONE")
        seen.append((published.named_keys(spool, loaded, "bureau-main"), head.epoch))

    old = KeyStore.open(hq.home).key_id("bureau-main")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Repository, "_write_timestamp", watched)
        hq("keys", "rotate", role, "--yes", "--passphrase-file", passphrase)
    new = KeyStore.open(hq.home).key_id("bureau-main")
    assert old != new and seen[-1] == ({new}, 2)
    assert all(keys != {new} or epoch == 2 for keys, epoch in seen) and len(seen) == (2 if role == "online" else 1)
    assert "Nothing is due" in hq("upkeep").stdout


@pytest.mark.parametrize("role", ["bureau-main", "seal", "online"])
def test_a_publication_that_fails_behind_an_exchange_is_due_and_said(hq: Terminal, passphrase: Path, role: str):
    """Key files are signed by the bureau: until the next epoch a booth that needs one would refuse the old key's."""
    hq("withdraw", PERSON["entity_id"])
    refused = hq("keys", "rotate", role, "--yes", "--passphrase-file", passphrase, code=1)
    assert f"{role} is exchanged" in refused.stdout
    assert ("A new authority has begun" in refused.stdout) is (role == "online"), "nothing is left out for it"
    assert "what booths need next is not published" in refused.stderr
    assert "would be empty" in refused.stderr and "failsafe-hq publish" in refused.stderr
    assert "would be empty" in hq("upkeep", code=1).stderr, "due, by itself, as long as it cannot be done"
    hq("import", notice_file(hq.home.parent, PERSON))
    assert "epoch 2" in hq("upkeep").stdout
    assert "Nothing is due" in hq("upkeep").stdout
    spool, _ = publication_of(hq.home)
    assert spool.names("keys/base/2/")


def test_a_kill_behind_an_exchange_leaves_a_publication_that_is_due(
    hq: Terminal, passphrase: Path, monkeypatch: pytest.MonkeyPatch
):
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    before = table(hq)
    with monkeypatch.context() as patch:
        patch.setattr(key_commands, "publish_now", kill)
        with pytest.raises((Killed, AssertionError)):
            hq("keys", "rotate", "bureau-main", "--yes", "--passphrase-file", passphrase)
        assert table(hq) == before, "a key that goes by a publication goes with it or not at all"
        with pytest.raises((Killed, AssertionError)):
            hq("keys", "revoke", "bureau-main", "--yes", "--passphrase-file", passphrase)
    after = table(hq)
    assert after["bureau-main"][0] != before["bureau-main"][0], "a stolen one is over at once"
    assert after["content base"][3] == "at the next publication"
    assert "epoch 2" in hq("upkeep").stdout


def test_a_kill_behind_the_one_publication_leaves_what_the_next_one_goes_on_from(
    hq: Terminal, passphrase: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    spool, root = publication_of(hq.home)
    old = table(hq)["bureau-main"][0]
    with monkeypatch.context() as patch:
        patch.setattr(Register, "finish", kill)
        with pytest.raises((Killed, AssertionError)):
            hq("keys", "rotate", "bureau-main", "--yes", "--passphrase-file", passphrase)
    assert table(hq)["bureau-main"][0] != old
    assert read_publication(spool, {}, root, tmp_path).heads["base"].epoch == 2
    assert "Nothing is due" in hq("upkeep").stdout
    hq("import", notice_file(tmp_path, {**PERSON, "entity_id": "2026/7000002"}))
    assert "serial 3, epoch 2" in hq("publish").stdout
    assert read_publication(spool, {}, root, tmp_path).heads["base"].count == 2


def publication_of(home: Path) -> tuple[Spool, bytes]:
    """The public folder, and the root that an enrolled booth began with."""
    spool = Spool(home / "public")
    return spool, (home / "public" / "metadata" / "1.root.json").read_bytes()


def test_a_lost_share_goes_and_the_others_stay(hq: Terminal, passphrase: Path):
    (hq.home / "offline" / "root-2.pem").unlink()
    hq("keys", "revoke", "root", "--share", 2, "--yes", "--passphrase-file", passphrase)
    assert [name for name in table(hq) if name.startswith("root")] == ["root-1", "root-3", "root-4"]
    hq("keys", "revoke", "root", "--share", 2, "--yes", "--passphrase-file", passphrase, code=1)


def test_a_former_sealing_key_is_kept_until_it_is_forgotten(hq: Terminal, passphrase: Path):
    old = table(hq)["seal"][0]
    assert "epoch 2" in hq("keys", "rotate", "seal", "--yes", "--passphrase-file", passphrase).stdout
    assert table(hq)["seal, former"][0] == old
    assert "seal them anew" in hq("keys", "forget", old, "--dry-run").stdout
    hq("keys", "forget", old, "--yes")
    assert "seal, former" not in table(hq)
    hq("keys", "forget", old, "--yes", code=1)
    assert "new timestamp" in hq("publish").stdout, "the register's content keys open without it"


def test_booths_that_were_not_heard_since_are_named(hq: Terminal, passphrase: Path, tmp_path: Path):
    desk = Desk.__new__(Desk)
    desk.home, desk.keys = hq.home, KeyStore.open(hq.home)
    hq("keys", "rotate", "seal", "--yes", "--passphrase-file", passphrase)
    old = next(iter(desk.keys.former("seal")))
    told = hq("keys", "forget", old, "--dry-run").stdout
    assert "Not heard since the exchange: 1 of 1 booths: GE-ONE." in told
    running = open_desk(desk)
    booth = booth_keys.load(tmp_path / "GE-ONE-keys")
    beat = Heartbeat(
        booth="GE-ONE",
        at=Moment(wall="2026-11-22T12:00:00.000Z", monotonic_s=1.0, trusted=True),
        version="1",
        ledger_head="0" * 64,
        ledger_length=1,
        sequence=0,
        undelivered=0,
        mirror=(),
        mirror_state="FRESH",
        mirror_age_s=1.0,
    )
    running.hear(envelope.close_heartbeat(beat, booth.signing, desk.keys.hq_keys()), now() + dt.timedelta(hours=1))
    running.close()
    assert "all 1 booths" in hq("keys", "forget", old, "--dry-run").stdout


def test_root_and_targets_are_renewed_before_they_end(hq: Terminal, passphrase: Path):
    assert "Root holds until" in hq("keys", "renew", "--passphrase-file", passphrase).stdout
    keys = KeyStore.open(hq.home)
    publication = published.load(publication_of(hq.home)[0], keys)
    assert publication.root.signed.version == 2 and publication.targets.signed.version == 2


def test_another_authority_in_two_steps(hq: Terminal):
    hq("keys", "forget", "authority", "--yes", code=1)
    first = x509.load_pem_x509_certificate(KeyStore.open(hq.home).authority.certificate().encode())
    assert "1 links have a new certificate" in hq("keys", "rotate", "authority", "--yes").stdout
    hq("keys", "rotate", "authority", "--yes", code=1)
    authority = KeyStore.open(hq.home).authority
    register = Register.in_file(hq.home / "register.sqlite")
    welcome = register.booth("GE-ONE").welcome
    register.close()
    assert authority.vouches_for(welcome.certificate) and welcome.authority == authority.certificate()
    authority.server_certificate().verify_directly_issued_by(first)
    hq("keys", "forget", "authority", "--yes")
    authority.server_certificate().verify_directly_issued_by(authority.present())
    assert authority.certificate().count("BEGIN CERTIFICATE") == 1 and authority.present() != first
    named = authority.server_certificate().extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(str(name.value) for name in named) == sorted(SERVER_NAMES)


# --- booths ------------------------------------------------------------------------------------------------------


def test_a_revoked_booth_has_no_key_file_and_a_new_epoch_begins(hq: Terminal, tmp_path: Path):
    hq("booths", "enrol", enrolment_file(tmp_path, "GE-TWO"), "--out", tmp_path)
    hq("publish")
    assert (hq.home / "public" / "keys" / "base" / "1" / "GE-TWO").is_file()
    before = files(hq.home)
    told = hq("booths", "revoke", "GE-ONE", "--dry-run").stdout
    assert files(hq.home) == before and "for the 1 other booths" in told
    assert "epoch 2" in hq("booths", "revoke", "GE-ONE").stdout  # a script is not asked
    assert sorted(file.name for file in (hq.home / "public").rglob("GE-*")) == ["GE-TWO", "GE-TWO"]
    hq("booths", "revoke", "GE-TWO", "--yes", "--no-publish")
    assert not list((hq.home / "public").rglob("GE-*"))


def test_a_booth_renews_its_keys_without_being_revoked(hq: Terminal, tmp_path: Path):
    """The old keys are refused, the new ones get a content key of a new epoch."""
    anew = tmp_path / "anew.enrol"
    anew.write_bytes(encode(booth_keys.make(tmp_path / "anew", "GE-ONE", "GE")))
    assert "--renew" in hq("booths", "enrol", anew, "--out", tmp_path, code=1).stderr
    hq("booths", "enrol", anew, "--out", tmp_path, "--renew")
    assert not list((hq.home / "public").rglob("keys/*/*/GE-ONE"))
    assert "epoch 2" in hq("publish").stdout
    assert (hq.home / "public" / "keys" / "base" / "2" / "GE-ONE").is_file()
    assert "revoked" in hq("booths", "enrol", tmp_path / "GE-ONE.enrol", "--renew", code=1).stderr


# --- the calendar --------------------------------------------------------------------------------------------------


def aged(hq: Terminal, days: float) -> None:
    at = (now() - dt.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with sqlite3.connect(hq.home / "register.sqlite") as register:
        register.execute("update epochs set made_at = ?", (at,))


def test_an_epoch_ends_by_the_calendar(hq: Terminal):
    assert "Nothing is due" in hq("upkeep").stdout
    aged(hq, 6.9)
    assert "Nothing is due" in hq("upkeep").stdout
    aged(hq, 7.1)
    assert "epoch 2" in hq("upkeep").stdout
    assert "Nothing is due" in hq("upkeep").stdout
    aged(hq, 8)
    assert "epoch 3" in hq("publish").stdout


# --- a timestamp that is late ------------------------------------------------------------------------------------


def test_a_late_timestamp_is_said_where_operators_look_and_signed_by_upkeep(hq: Terminal):
    for words in (("booths", "list"), ("keys", "list"), ("alerts",)):
        assert "no longer told" not in hq(*words).stderr
    then = now() - dt.timedelta(minutes=50)
    hq_repository(hq).touch_timestamp(now=then)
    for words in (("booths", "list"), ("keys", "list"), ("alerts",)):
        told = hq(*words).stderr
        assert f"last signed {moment(then)}" in told and "failsafe-hq upkeep" in told
    done = hq("upkeep")
    assert "signed anew" in done.stdout and "see that it runs" in done.stderr
    assert "Nothing is due" in hq("upkeep").stdout


def test_a_timestamp_that_cannot_be_signed_is_late_and_upkeep_says_why(hq: Terminal, tmp_path: Path):
    hq_repository(hq).touch_timestamp(now=now() - dt.timedelta(minutes=50))
    (hq.home / "online" / "timestamp.pem").rename(tmp_path / "timestamp.pem")
    refused = hq("upkeep", code=1)
    assert "online/timestamp.pem is not there or cannot be read" in refused.stderr
    (tmp_path / "timestamp.pem").rename(hq.home / "online" / "timestamp.pem")
    assert "signed anew" in hq("upkeep").stdout


@pytest.mark.parametrize(("minutes", "is_late"), [(0, False), (24, False), (26, True), (60 * 24, True), (-10, False)])
def test_lateness_is_counted_by_headquarters_clock(hq: Terminal, minutes: int, is_late: bool):
    signed = now().replace(microsecond=0)
    hq_repository(hq).touch_timestamp(now=signed)
    found = upkeep.late(hq_repository(hq), signed + dt.timedelta(minutes=minutes))
    assert found == (LateTimestamp(signed_at=moment(signed)) if is_late else None)


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b'{"signed": {"signed_at": 7}}', b'{"signed": {"signed_at": ""}}']
)
def test_a_timestamp_that_cannot_be_read_is_late(hq: Terminal, content: bytes | None):
    file = hq.home / "public" / "metadata" / "timestamp.json"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert upkeep.late(hq_repository(hq), now()) == LateTimestamp()


def hq_repository(hq: Terminal) -> Repository:
    return Repository(hq.home, KeyStore.open(hq.home))


# --- what is set -------------------------------------------------------------------------------------------------


def test_how_long_is_a_setting(hq: Terminal):
    (hq.home / "hq.toml").write_text("[publish]\nepoch_days = 2\n")
    aged(hq, 2.1)
    assert "epoch 2" in hq("upkeep").stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[publish]\nepoch_day = 2\n", "Did you mean `epoch_days`"),
        ("[publish]\nepoch_days = 0\n", "1"),
        ("[publish]\nepoch_days = '7'\n", "int"),
        ("[publish\n", "no TOML"),
    ],
)
def test_a_setting_that_cannot_be_is_named(hq: Terminal, text: str, words: str):
    (hq.home / "hq.toml").write_text(text)
    with pytest.raises(epochs.PublishSettingsFault, match=re.escape(words)):
        epochs.load(hq.home)
    hq("upkeep", code=1)


def test_links_get_new_certificates_before_theirs_end(hq: Terminal, tmp_path: Path):
    register = Register.in_file(hq.home / "register.sqlite")
    booth = register.booth("GE-ONE")
    keys = KeyStore.open(hq.home)
    old = keys.authority.issue_certificate(booth.enrolment.certificate_request, "GE-ONE", now=now(), days=100)
    register.keep_welcome(msgspec.structs.replace(booth.welcome, certificate=old))
    assert "1 links" in hq("upkeep").stdout
    fresh = register.booth("GE-ONE").welcome
    register.close()
    ends = x509.load_pem_x509_certificate(fresh.certificate.encode()).not_valid_after_utc
    assert ends - now() > dt.timedelta(days=360) and fresh.root == booth.welcome.root
