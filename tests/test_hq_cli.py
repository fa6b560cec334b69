"""`failsafe-hq` as an operator types it: real files, real keys, exit codes and advice."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys

import pytest
from click.testing import CliRunner

from failsafe.agent import keys as booth_keys
from failsafe.hq.cli import main
from failsafe.sync.records import encode
from tests.publishing import PASSPHRASE, Desk

PERSON = {"entity_id": "2026/7000001", "notice_type": "RED", "name": "ZORVEKARIO", "forename": "LIMTUSK"}


class Terminal:
    """Types commands into one headquarters."""

    def __init__(self, home):
        self.home = home

    def __call__(self, *words, code=0, stdin=None, **environment):
        typed = ["--home", str(self.home), *map(str, words)]
        result = CliRunner().invoke(main, typed, input=stdin, env={"COLUMNS": "400", **environment})
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result


@pytest.fixture
def hq(tmp_path):
    """A headquarters with keys and a first publication."""
    Desk(tmp_path / "hq")
    return Terminal(tmp_path / "hq")


@pytest.fixture
def passphrase(tmp_path):
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    return file


def notice_file(tmp_path, *lines):
    file = tmp_path / "notices.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return file


def enrolment_file(tmp_path, booth="GE-ONE"):
    file = tmp_path / f"{booth}.enrol"
    file.write_bytes(encode(booth_keys.make(tmp_path / f"{booth}-keys", booth, "GE")))
    return file


# --- the first five minutes ----------------------------------------------------------------------------------


def test_from_no_keys_to_a_stick(tmp_path, passphrase):
    hq = Terminal(tmp_path / "new")
    made = hq("keys", "init", "--passphrase-file", passphrase, "--root-keys", 2, "--root-threshold", 1)
    assert "offline" in made.stderr and len(list((tmp_path / "new" / "offline").glob("root-*"))) == 2
    hq("invent", 40, "--out", tmp_path / "invented.jsonl")
    assert "44 new, 0 changed" in hq("import", tmp_path / "invented.jsonl").stdout
    enrolled = hq("booths", "enrol", enrolment_file(tmp_path), "--out", tmp_path / "answers")
    assert re.search(r'^root_sha256 = "[0-9a-f]{64}"$', enrolled.stdout, re.MULTILINE)
    welcome = json.loads((tmp_path / "answers" / "GE-ONE.welcome.json").read_text())
    assert welcome["root_sha256"] in enrolled.stdout
    assert "serial 1, epoch 1: 40 notices and 4 listed documents" in hq("publish").stdout
    assert "new timestamp" in hq("publish").stdout
    hq("courier", "export", tmp_path / "stick", "--booth", "GE-ONE")
    assert (tmp_path / "stick" / "metadata" / "timestamp.json").is_file()
    assert (tmp_path / "stick" / "keys" / "base" / "1" / "GE-ONE").is_file()
    assert json.loads((tmp_path / "stick" / "welcome.json").read_text())["booth"] == "GE-ONE"


def test_daily_work_needs_no_offline_keys(hq, tmp_path):
    (hq.home / "offline").rename(tmp_path / "safe")
    hq("import", notice_file(tmp_path, PERSON))
    hq("booths", "enrol", enrolment_file(tmp_path), "--out", tmp_path)
    hq("publish")
    refused = hq("statement", code=1, FAILSAFE_HQ_PASSPHRASE=PASSPHRASE)
    assert "Bring the offline keys" in refused.stderr


def test_everything_secret_is_the_owners_alone(hq, tmp_path):
    hq("import", notice_file(tmp_path, PERSON))
    hq("publish")
    for file in hq.home.rglob("*"):
        if file.is_file() and "public" not in file.parts:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


# --- passphrases ---------------------------------------------------------------------------------------------


def test_keys_are_never_overwritten(hq, passphrase):
    before = (hq.home / "online" / "timestamp.pem").read_bytes()
    refused = hq("keys", "init", "--passphrase-file", passphrase, code=1)
    assert "never overwritten" in refused.stderr
    assert (hq.home / "online" / "timestamp.pem").read_bytes() == before


def test_an_interrupted_ceremony_is_taken_up_again(hq, passphrase):
    before = (hq.home / "online" / "timestamp.pem").read_bytes()
    shutil.rmtree(hq.home / "public")
    hq("keys", "init", "--passphrase-file", passphrase)
    assert (hq.home / "public" / "metadata" / "timestamp.json").is_file()
    assert (hq.home / "online" / "timestamp.pem").read_bytes() == before
    shutil.rmtree(hq.home / "public")  # lost later, when the register already counts on it
    hq("keys", "init", "--passphrase-file", passphrase, code=1)


def test_without_a_passphrase_it_is_misuse(tmp_path):
    refused = Terminal(tmp_path / "new")("keys", "init", code=2)
    assert "--passphrase-file" in refused.stderr
    Terminal(tmp_path / "new")("keys", "init", code=2, FAILSAFE_HQ_PASSPHRASE="")
    assert not (tmp_path / "new").exists()


def test_thresholds_that_cannot_be(tmp_path, passphrase):
    typed = ("keys", "init", "--passphrase-file", passphrase, "--targets-keys", 2, "--targets-threshold", 3)
    assert "3 of 2 keys cannot be" in Terminal(tmp_path / "new")(*typed, code=1).stderr


def test_a_wrong_passphrase_signs_nothing(hq, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("not these words")
    assert "passphrase" in hq("statement", "--passphrase-file", wrong, code=1).stderr.lower()


# --- import --------------------------------------------------------------------------------------------------


def test_every_fault_is_named_and_the_good_ones_wait(hq, tmp_path):
    file = notice_file(
        tmp_path,
        PERSON,
        {**PERSON, "entity_id": "2026/2", "sex_id": "X", "date_of_birth": "1972/13"},
        '{"entity_id": "2026/3",,}',
        {**PERSON, "entity_id": "2026/4", "name": "12345"},
    )
    refused = hq("import", file, code=1)
    lines = refused.stderr.splitlines()
    assert [line.split(":")[0] for line in lines[:4]] == [
        "line 2, notice 2026/2, date_of_birth",
        "line 2, notice 2026/2, sex_id",
        "line 3, column 24",
        "line 4, notice 2026/4, name",
    ]
    assert "4 faults in 3 lines; nothing was imported, and 1 good ones wait" in lines[-1]
    assert "--skip-bad" in lines[-1] and "12345" not in refused.stderr
    assert "1 new" in hq("import", file, "--skip-bad").stdout


def test_the_examples_of_the_public_shape(hq, shared):
    for name in ("envelope_list", "red_public_detail", "green_fse_record"):
        hq("import", shared / "data" / "notices" / f"{name}.json")
    assert "2 notices" in hq("publish").stdout  # two of the examples are the same notice


def test_import_reads_standard_input(hq):
    assert "1 new" in hq("import", "-", stdin=json.dumps(PERSON)).stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b'{"name": "\xff"}', "not UTF-8 from line 1"),
        (b"\xff\xfe{\x00", "not UTF-8"),
        (b"\x00\x01\x02", "no JSON"),
    ],
)
def test_files_that_are_no_notices(hq, tmp_path, content, words):
    file = tmp_path / "odd"
    file.write_bytes(content)
    refused = hq("import", file, code=1)
    assert words in refused.stderr and "xport" in refused.stderr


def test_remarks_are_counted_and_keep_nothing_out(hq, tmp_path):
    file = notice_file(tmp_path, *({**PERSON, "entity_id": f"2026/{n}", "aliasses": []} for n in range(3)))
    done = hq("import", file)
    assert "3 new" in done.stdout and "remark, 3 times, aliasses" in done.stderr


def test_restricted_notices_are_said_to_be_in_supplements(hq, tmp_path):
    hq(
        "import",
        notice_file(
            tmp_path, PERSON, {**PERSON, "entity_id": "2026/2", "fse": {"restrictions": {"deny_countries": ["MD"]}}}
        ),
    )
    done = hq("publish")
    assert ": 1 notices" in done.stdout
    assert "1 notices are restricted" in done.stderr and "Supplements that changed: 1." in done.stderr
    third = {**PERSON, "entity_id": "2026/3", "fse": {"restrictions": {"deny_countries": ["MD"]}}}
    hq("import", notice_file(tmp_path, third))
    assert "for some countries only" in hq("publish").stdout


# --- withdraw, publish, statement ----------------------------------------------------------------------------


def test_withdrawing_by_either_form_of_the_id(hq, tmp_path):
    listed = {"number": "ZX 0001", "issuing_country_id": "GE", "document_type": "passport", "fraud_type": "lost"}
    hq("import", notice_file(tmp_path, PERSON, {**PERSON, "entity_id": "2026/2"}, listed))
    hq("publish")
    hq("withdraw", "2026-7000001")
    hq("withdraw", "zx 0001", "--issued-by", "ge")
    assert "serial 2, epoch 1: 1 notices and 0 listed" in hq("publish").stdout
    assert "--issued-by" in hq("withdraw", "2026/7000001", code=1).stderr


def test_an_empty_list_needs_the_offline_keys(hq, passphrase):
    refused = hq("publish", code=1)
    assert "failsafe-hq statement" in refused.stderr
    assert "may shrink at serial 1" in hq("statement", "--passphrase-file", passphrase).stdout
    assert "serial 1, epoch 1: 0 notices" in hq("publish").stdout


def test_a_new_lineage(hq, tmp_path, passphrase):
    hq("import", notice_file(tmp_path, PERSON))
    hq("publish")
    (hq.home / "register.sqlite").unlink()
    hq("import", notice_file(tmp_path, PERSON))
    assert "--new-lineage" in hq("publish", code=1).stderr
    hq("statement", "--new-lineage", "--passphrase-file", passphrase)
    assert "serial 1" in hq("publish").stdout


def test_publishing_for_nobody_is_remarked(hq, tmp_path):
    hq("import", notice_file(tmp_path, PERSON))
    assert "No booth is enrolled" in hq("publish").stderr


# --- booths --------------------------------------------------------------------------------------------------


def test_a_booth_is_moved_to_another_country(hq, tmp_path):
    file = enrolment_file(tmp_path)
    hq("booths", "enrol", file, "--out", tmp_path)
    hq("import", notice_file(tmp_path, PERSON))
    hq("publish")
    assert "two capital letters" in hq("booths", "move", "GE-ONE", "Utopia", code=1).stderr
    assert "held for MD" in hq("booths", "move", "GE-ONE", "MD").stdout
    assert re.fullmatch(r"GE-ONE\tMD\tenrolled \S+Z\ttakes part\n", hq("booths", "list").stdout)
    assert "epoch 2" in hq("publish").stdout
    assert "booths move" in hq("booths", "enrol", file, code=1).stderr


def test_booths_are_listed_and_revoked(hq, tmp_path):
    file = enrolment_file(tmp_path)
    hq("booths", "enrol", file, "--out", tmp_path)
    hq("booths", "enrol", file, "--out", tmp_path)
    hq("import", notice_file(tmp_path, PERSON))
    hq("publish")
    assert re.fullmatch(r"GE-ONE\tGE\tenrolled \S+Z\ttakes part\n", hq("booths", "list").stdout)
    assert "epoch 2" in hq("booths", "revoke", "GE-ONE", "--yes").stdout
    assert "revoked" in hq("booths", "list").stdout
    assert "already" in hq("booths", "revoke", "GE-ONE", "--yes", code=1).stderr
    assert "new keys" in hq("booths", "enrol", file, code=1).stderr
    assert "revoked" in hq("courier", "export", tmp_path / "stick", "--booth", "GE-ONE", code=1).stderr


def test_a_file_that_is_no_enrolment(hq, tmp_path):
    file = tmp_path / "odd.enrol"
    file.write_text("{}")
    assert "failsafe keys init" in hq("booths", "enrol", file, code=1).stderr
    assert "No booth" in hq("courier", "export", tmp_path / "stick", "--booth", "GE-ONE", code=1).stderr


# --- misuse and faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [("imprt",), ("import",), ("import", "/nowhere.jsonl"), ("invent", "none"), ("invent", "0"), ("publish", "--fast")],
)
def test_misuse_is_exit_two(hq, words):
    assert "Error" in hq(*words, code=2).stderr


@pytest.mark.parametrize(
    "words", [("publish",), ("booths", "list"), ("import", "-"), ("withdraw", "2026/1"), ("statement",)]
)
def test_before_there_are_keys(tmp_path, words):
    refused = Terminal(tmp_path / "nothing")(*words, code=1, stdin=json.dumps(PERSON), FAILSAFE_HQ_PASSPHRASE="x")
    assert "failsafe-hq keys init" in refused.stderr


def test_a_damaged_register_is_one_sentence(hq):
    (hq.home / "register.sqlite").write_bytes(b"this is a letter, not a database" * 100)
    refused = hq("booths", "list", code=1)
    assert "The register cannot be opened." in refused.stderr


def test_a_damaged_row_names_nobody(hq, tmp_path):
    hq("import", notice_file(tmp_path, PERSON))
    connection = sqlite3.connect(hq.home / "register.sqlite")
    connection.execute("update held set record = ?", (b'{"entity_id": "ZORVEKARIO"',))
    connection.commit()
    connection.close()
    refused = hq("publish", code=1)
    assert "unexpected fault" in refused.stderr and "ZORVEKARIO" not in refused.output


def test_the_command_is_installed_and_streams_lines(tmp_path):
    command = [sys.executable, "-c", "from failsafe.hq.cli import main; main()", "invent", "20", "--seed", "3"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert len(lines.stdout.splitlines()) == 22 and lines.stderr == ""
    assert json.loads(lines.stdout.splitlines()[0])["entity_id"]


@pytest.mark.parametrize(
    ("words", "meant"), [(["boots"], "'booths'"), (["booths", "lst"], "'list'"), (["serve", "--prt", "1"], "'--port'")]
)
def test_a_slip_in_a_command_is_told_the_nearest_word(words, meant):
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2 and "Did you mean" in result.stderr and meant in result.stderr
