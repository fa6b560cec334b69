"""`failsafe` as it is typed: what goes in, what comes out, exit codes, and never a traceback."""

from __future__ import annotations

import io
import json
import math
import os
import pty
import signal
import subprocess
import sys
import traceback
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failsafe.agent import cli, keys
from failsafe.drivers import specimens
from failsafe.drivers.driver import built_in
from failsafe.sync import seal
from failsafe.sync.ledger import Ledger
from failsafe.sync.records import Enrolment, Welcome, encode
from tests.conftest import PROJECT
from tests.test_control import Door
from tests.test_status import CONDITIONS, told

ZONE = specimens.td3("Quillfeather", "Zzyzxbert", "XA1234907", "FRA", "700102", "M", "300101")
PERSON = {"entity_id": "2026/7000001", "notice_type": "RED", "name": "QUILLFEATHER", "forename": "ZZYZXBERT"}
MRZ_FIELDS = {
    "format": ("TD1", "TD2", "TD3", "MRVA", "MRVB", "FRA_ID", "FRA_DL", "CHE_DL", "SVK_ID", "RUS_INTERNAL", None),
    "valid": bool,
    "document_code": str,
    "issuing_state": str,
    "document_number": str,
    "nationality": str,
    "birth_date": str,
    "sex": ("M", "F", "X", ""),
    "expiry_date": str,
    "optional": list,
    "surname": str,
    "given_names": str,
    "checks": dict,
    "warnings": list,
    "repair": dict,
}
# Until the filters read and write such lines: they end in a traceback.


class Done:
    """What a command did; an error that nobody foresaw ends the test."""

    def __init__(self, code: object, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        assert "Traceback" not in err, err

    @property
    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines()]


def typed(*words: object, stdin: bytes | str = b"") -> Done:
    """Run the command with its own standard streams, in this process, which spares a second an import."""
    content = stdin.encode() if isinstance(stdin, str) else stdin
    streams = [io.TextIOWrapper(io.BytesIO(given), encoding="utf-8", newline="\n") for given in (content, b"", b"")]
    code: object = 0
    with pytest.MonkeyPatch.context() as patch:
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            patch.setattr(sys, name, stream)
        patch.setattr(sys, "argv", ["failsafe", *map(str, words)])
        try:
            cli.main()
        except SystemExit as left:
            code = left.code or 0
        except Exception:
            traceback.print_exc(file=streams[2])
    for stream in streams[1:]:
        stream.flush()
    out, err = (stream.buffer.getvalue().decode() for stream in streams[1:])
    return Done(code, out, err)


def apart(*words: object, stdin: bytes = b"") -> Done:
    """Run the installed command in a process of its own, as a shell does."""
    command = [Path(sys.executable).parent / "failsafe", *map(str, words)]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=60)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def lines(*objects: object) -> str:
    return "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in objects)


@pytest.fixture
def configured(tmp_path) -> Path:
    """A `booth.toml` whose folders are in the test's own."""
    file = tmp_path / "booth.toml"
    file.write_text(
        f"""
        booth = {{id = "ZZ-TEST-01", country = "ZZ", crossing_point = "Invented Gate"}}
        folders = {{state = "{tmp_path}/state", spool = "{tmp_path}/spool", keys = "{tmp_path}/keys"}}
        core = {{socket = "{tmp_path}/core.sock"}}
        lanes = [{{name = "1"}}]
        """
    )
    return file


# --- mrz -----------------------------------------------------------------------------------------------------


def has_the_interfaces_shape(answer: dict) -> None:
    assert list(answer) == ["id", *MRZ_FIELDS]
    for name, kind in MRZ_FIELDS.items():
        assert answer[name] in kind if isinstance(kind, tuple) else isinstance(answer[name], kind), name
    assert list(answer["checks"]) == ["document_number", "birth_date", "expiry_date", "optional", "composite"]
    assert all(holds in (True, False, None) for holds in answer["checks"].values())
    repair = answer["repair"]
    assert list(repair) == ["status", "field", "best", "candidates"]
    assert repair["status"] in ("none", "unique", "ambiguous", "reread")
    assert (repair["best"] is None) == (not repair["candidates"])
    assert repair["status"] != "unique" or len(repair["candidates"]) == 1
    assert repair["best"] is None or repair["best"] == repair["candidates"][0]


def test_zones_are_answered_in_order_with_their_ids():
    done = typed("mrz", stdin=lines({"id": 1, "lines": ZONE}, {"id": "two", "lines": ["x"]}, {"id": [3], "lines": []}))
    assert done.code == 0 and done.err == ""
    assert [answer["id"] for answer in done.lines] == [1, "two", [3]]
    first, second, third = done.lines
    assert (first["format"], first["valid"], first["surname"], first["repair"]["status"]) == (
        *("TD3", True, "QUILLFEATHER", "none"),
    )
    assert first["checks"] == dict.fromkeys(
        ("document_number", "birth_date", "expiry_date", "optional", "composite"), True
    )
    assert (second["format"], second["valid"], third["format"]) == (None, False, None)
    for answer in done.lines:
        has_the_interfaces_shape(answer)


def test_zones_of_many_libraries(shared):
    """Development cases: every one answered in shape; the valid ones as their slices say."""
    file = shared / "data" / "mrz" / "dev.jsonl"
    cases = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    done = typed("mrz", file)
    assert done.code == 0 and len(done.lines) == len(cases) == 92
    for case, answer in zip(cases, done.lines, strict=True):
        assert answer["id"] == case["id"]
        has_the_interfaces_shape(answer)
        assert case["cls"] != "invalid_check_digits" or answer["valid"] is False, case["id"]
        assert case["cls"] != "valid" or answer["valid"] is True, case["id"]


# --- every filter --------------------------------------------------------------------------------------------


@pytest.fixture
def notices(tmp_path) -> Path:
    file = tmp_path / "notices.jsonl"
    file.write_text(json.dumps(PERSON))
    return file


@pytest.fixture(params=["mrz", "names", "screen"])
def words(request, notices) -> list[object]:
    """A filter, as it is called."""
    return [request.param, *(["--notices", notices] if request.param == "screen" else [])]


GOOD = {"lines": ZONE, "query": "A Name", "candidate": "Another", "name": "Somebody Harmless"}


def test_bad_lines_are_answered_with_what_to_correct(words):
    bad = ["hello", "{", "[1]", '"name"', "3", "null", {"id": 7}, {"id": 8, "lines": 3, "query": 3, "name": 3}]
    done = typed(*words, stdin=lines(*bad, "", {"id": 9, **GOOD}))
    assert done.code == 0 and done.err == ""
    assert [answer["id"] for answer in done.lines] == [None] * 6 + [7, 8, 9]
    for answer in done.lines[:-1]:
        assert set(answer) == {"id", "error"} and answer["error"].endswith(".")
    assert "error" not in done.lines[-1]


def test_a_good_line_behind_each_bad_one_is_answered(words):
    done = typed(*words, stdin=lines("{", {"id": 1, **GOOD}, "}", {"id": 2, **GOOD}))
    assert ["error" in answer for answer in done.lines] == [True, False, True, False]


def test_no_input_is_no_output(words):
    done = typed(*words, stdin="\n \n")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_ids_and_names_of_every_script_come_back_as_they_were(words):
    done = typed(*words, stdin=json.dumps({"id": "Größe ЖЖ 李", **GOOD}, ensure_ascii=False))
    assert "Größe ЖЖ 李" in done.out and done.lines[0]["id"] == "Größe ЖЖ 李"


def test_a_file_may_be_named(words, tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_text(lines({"id": 1, **GOOD}))
    assert [answer["id"] for answer in typed(*words, file).lines] == [1]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'{"id": 1, "lines": ["\xff"]}', id="not UTF-8"),
        pytest.param(b'{"id": "\\ud800"}', id="half a character"),
        pytest.param(b'{"id": NaN}', id="no JSON number"),
        pytest.param(b"[" * 100_000, id="brackets without end"),
        pytest.param(b'{"id": ' + b"9" * 5000 + b"}", id="a number without end"),
        pytest.param(b"\x00", id="nothing"),
    ],
)
def test_odd_bytes_are_a_line_with_an_error_and_the_next_is_answered(words, line):
    done = typed(*words, stdin=line + b"\n" + lines({"id": 2, **GOOD}).encode())
    assert done.code == 0
    first, second = done.lines
    assert "error" in first and second["id"] == 2 and "error" not in second
    json.dumps(first, allow_nan=False).encode()


def test_a_reader_that_leaves_is_no_fault(words):
    command = [Path(sys.executable).parent / "failsafe", *map(str, words)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    _, err = process.communicate(lines({"id": 1, **GOOD}).encode() * 2000, timeout=60)
    assert b"Traceback" not in err


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["id", "lines", "x"]), st.none() | st.integers() | st.lists(st.text()) | st.text())
)
def test_every_object_is_answered_once(line):
    def refusing(asked: dict) -> dict:
        if "x" in asked:
            raise cli.LineRefused("not so.")
        return {"good": True}

    answer = cli._answered(json.dumps(line), refusing)
    assert answer["id"] == line.get("id")
    assert ("error" in answer) == ("x" in line)


# --- names, screen -------------------------------------------------------------------------------------------


def test_names_have_a_score_and_reasons():
    pairs = [
        {"id": 1, "query": "Zzyzxbert Quillfeather", "candidate": "QUILLFEATHER Zzyzxbert"},
        {"id": 2, "query": "Zzyzxbert Quillfeather", "candidate": "Nowheria Imaginarieva"},
    ]
    same, other = typed("names", stdin=lines(*pairs)).lines
    assert list(same) == ["id", "score", "match", "reasons"]
    assert same["match"] and not other["match"] and same["score"] > other["score"]
    assert list(same["reasons"][0]) == ["query", "candidate", "why", "points"]


def test_names_of_zones_that_were_cut_may_go_on():
    pairs = [
        {"id": 1, "query": "QUILLFEATHER ZZYZX", "candidate": "Quillfeather Zzyzxbertine"},
        {"id": 2, "query": "QUILLFEATHER ZZYZX", "candidate": "Nowheria Zzyzxbertine"},
    ]
    (whole, _), (cut, other) = (typed("names", *options, stdin=lines(*pairs)).lines for options in ((), ("--cut",)))
    assert not whole["match"] and cut["match"] and not other["match"]
    assert cut["reasons"][1]["why"] == "cut off by the zone"
    told = sum(reason["points"] for reason in cut["reasons"])
    assert 1 / (1 + math.exp(-told)) == pytest.approx(cut["score"], abs=1e-3)


def test_screening_by_a_file(notices):
    him = {"id": 1, "surname": "Quillfeather", "given_names": "Zzyzxbert"}
    found, clear = typed("screen", "--notices", notices, stdin=lines(him, {"id": 2, "name": "Somebody Harmless"})).lines
    assert list(found)[:4] == ["id", "verdict", "actions", "candidates"] and "elapsed_us" in found
    assert found["verdict"] == "CHECK" and found["candidates"][0]["entity_id"] == "2026/7000001"
    assert (clear["verdict"], clear["actions"], clear["candidates"]) == ("CLEAR", ["PROCEED"], [])


def test_a_faulty_file_of_notices_names_each_fault_and_judges_nobody(tmp_path):
    file = tmp_path / "faulty.jsonl"
    file.write_text(lines({**PERSON, "sex_id": "Q"}, PERSON | {"entity_id": "2026/2"}, "{", {"entity_id": "2026/3"}))
    done = typed("screen", "--notices", file, stdin=lines({"id": 1, "name": "Somebody"}))
    assert done.code == 1 and done.out == ""
    told = done.err.splitlines()
    assert told[0].startswith("failsafe: faulty.jsonl: line 1, notice 2026/7000001, sex_id: ")
    assert any("line 3" in line for line in told) and any("line 4, notice 2026/3" in line for line in told)
    assert "QUILLFEATHER" not in done.err


def test_a_file_of_notices_that_is_not_utf_8(tmp_path):
    file = tmp_path / "odd.jsonl"
    file.write_bytes(json.dumps(PERSON).encode() + b"\n\xff\n")
    done = typed("screen", "--notices", file)
    assert done.code == 1 and "odd.jsonl: line 2: The file is not UTF-8" in done.err


def test_screening_by_the_running_core(configured, tmp_path):
    with Door(tmp_path / "core.sock") as door:
        asked = lines({"id": 5, "surname": "Somebody", "sex": "F"}, "{", {"id": 6})
        done = typed("screen", "--mirror", "--config", configured, stdin=asked)
        assert door.core.screened_on
    assert done.lines[0] == {"id": 5, "verdict": "CLEAR", "fields": ["id", "sex", "surname"]}
    assert "error" in done.lines[1] and done.lines[2]["id"] == 6


def test_no_core_is_one_sentence(configured):
    for words in (("status",), ("status", "--json"), ("screen", "--mirror")):
        done = typed(*words, "--config", configured)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("failsafe: No running core at") and "failsafe run" in done.err


# --- decode --------------------------------------------------------------------------------------------------


def test_decoding_a_file_and_standard_input(tmp_path):
    content = b"GB,000379,000371,000407,000371\r\nXX,1\r\n"
    (tmp_path / "line.bin").write_bytes(content)
    for done in (typed("decode", "tsa", tmp_path / "line.bin"), typed("decode", "tsa", stdin=content)):
        assert done.code == 0
        background, unknown, summary = done.lines
        assert list(background) == ["kind", "at", "channel", "panels_cps"]
        assert unknown["tag"] == "XX" and summary["readings"] == 1


def test_a_driver_that_is_not_there_is_misuse_and_names_those_that_are():
    done = typed("decode", "tsaa")
    assert (done.code, done.out) == (2, "")
    assert ", ".join(sorted(driver.name for driver in built_in())) in done.err


# --- misuse --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("mrs",),
        ("mrz", "--fast"),
        ("mrz", "/nowhere/in.jsonl"),
        ("names", "one", "two"),
        ("screen",),
        ("screen", "--notices", PROJECT / "docs" / "booth.toml", "--mirror"),
        ("screen", "--notices", "/nowhere"),
        ("decode",),
        ("keys",),
        ("courier", "import"),
        ("courier", "import", "/nowhere"),
        ("bench", "--persons", "many"),
        ("demo", "--port", "x"),
    ],
)
def test_misuse_is_exit_two_and_says_how(words):
    done = typed(*words)
    assert (done.code, done.out) == (2, "")
    assert "Usage:" in done.err


def test_help_and_version():
    assert "Commands:" in typed("-h").out
    assert apart("--version").out.startswith("failsafe, version")


def test_the_installed_command_reads_and_writes_lines():
    done = apart("mrz", stdin=lines({"id": "Ж", "lines": ZONE}).encode())
    assert (done.code, done.err) == (0, "") and done.lines[0]["id"] == "Ж" and done.lines[0]["valid"]


# --- setting up ----------------------------------------------------------------------------------------------


def test_checking_a_configuration(configured):
    done = typed("config", "check", "--config", configured)
    assert done.code == 0 and "good. Booth ZZ-TEST-01, 1 lane, 0 devices." in done.out
    assert f"{configured}: caution: line ?, hq.root_sha256: not enrolled yet" in done.err
    assert all(": caution: " in line for line in done.err.splitlines())
    configured.write_text(configured.read_text().replace("country", "countri"))
    done = typed("config", "check", "--config", configured)
    assert (done.code, done.out) == (1, "")
    assert "Did you mean `country`?" in done.err and f"{configured}: line 2, booth.countri" in done.err


def test_every_command_of_a_booth_tells_a_faulty_configuration(tmp_path):
    file = tmp_path / "booth.toml"
    file.write_text("lanes = 3")
    for words in (["status"], ["keys", "init"], ["config", "check"], ["courier", "import", str(tmp_path)]):
        done = typed(*words, "--config", file)
        assert done.code == 1 and f"failsafe: {file}: line ?, booth: is missing." in done.err


def test_making_keys_and_the_enrolment(configured, tmp_path):
    done = typed("keys", "init", "--config", configured, "--out", tmp_path / "out")
    assert done.code == 0 and "failsafe-hq booths enrol ZZ-TEST-01.enrol" in done.err
    enrolment = msgspec.json.decode((tmp_path / "out" / "ZZ-TEST-01.enrol").read_bytes(), type=Enrolment)
    seal.check_enrolment(enrolment)
    assert keys.load(tmp_path / "keys").sealing.public() == enrolment.seal
    again = typed("keys", "init", "--config", configured, "--out", tmp_path / "again")
    assert again.code == 1 and "already holds" in again.err and not (tmp_path / "again").exists()
    elsewhere = typed("keys", "init", "--config", configured, "--folder", tmp_path / "other", "--out", tmp_path)
    assert elsewhere.code == 0 and keys.load(tmp_path / "other") != keys.load(tmp_path / "keys")


def test_renewing_what_opens_the_databases(configured, tmp_path):
    typed("keys", "init", "--config", configured, "--out", tmp_path)
    before = sorted(file.name for file in (tmp_path / "keys").iterdir())
    dry = typed("keys", "renew", "--disk", "--dry-run", "--config", configured)
    assert dry.code == 0 and "they open mirror.db and ledger.db" in dry.out and "Nothing was changed" in dry.err
    assert sorted(file.name for file in (tmp_path / "keys").iterdir()) == before
    done = typed("keys", "renew", "--disk", "ledger", "--config", configured)
    assert done.code == 0 and "it opens ledger.db" in done.err and "restart the core" in done.err
    assert sorted({file.name for file in (tmp_path / "keys").iterdir()} - set(before)) == ["next_ledger.key"]
    again = typed("keys", "renew", "--disk", "--config", configured)
    assert again.code == 1 and "may open a database by now" in again.err


def test_renewing_the_other_keys_needs_a_folder(configured, tmp_path):
    assert typed("keys", "renew", "--config", configured).code == 2
    dry = typed("keys", "renew", "--dry-run", "--folder", tmp_path / "new", "--config", configured)
    assert dry.code == 0 and "signing.key" in dry.out and not (tmp_path / "new").exists()


def test_a_key_that_fits_and_one_that_does_not(configured, tmp_path):
    (tmp_path / "state").mkdir(exist_ok=True)
    Ledger.open(tmp_path / "state" / "ledger.db", bytes(32)).close()
    for key, code in ((bytes(32), 0), (bytes(31) + b"!", 1), (bytes(33), 1), (b"none", 1)):
        assert typed("keys", "fits", "ledger", "--config", configured, stdin=key).code == code, key
    assert typed("keys", "fits", "mirror", "--config", configured).code == 1


def test_running_without_keys(configured):
    done = apart("run", "--config", configured)
    assert done.code == 1 and "failsafe keys init" in done.err


def test_importing_a_welcome_and_what_is_none(configured, tmp_path):
    welcome = Welcome(booth="ZZ-TEST-01", root=b"{}", root_sha256="", certificate="", authority="")
    file = tmp_path / "ZZ-TEST-01.welcome.json"
    file.write_bytes(encode(welcome))
    done = typed("courier", "import", file, "--config", configured)
    assert done.code == 0 and "1 files are in the spool" in done.err
    assert (tmp_path / "spool" / "in" / "welcome.json").read_bytes() == file.read_bytes()
    (tmp_path / "empty").mkdir()
    done = typed("courier", "import", tmp_path / "empty", "--config", configured)
    assert done.code == 1 and "missing" in done.err and "metadata" in done.err


def test_status_for_programs_is_what_the_core_says(configured, tmp_path):
    with Door(tmp_path / "core.sock"):
        done = typed("status", "--json", "--config", configured)
    assert done.code == 0 and done.lines == [{"booth": "ZZ-TEST-01", "faults": ["Größe"]}]


def test_status_for_people(configured, tmp_path):
    """One plain line a fact where there is no terminal, and the exit code that was asked for."""
    answers = {0: CONDITIONS["well"], 3: CONDITIONS["expired"]}
    for code, condition in answers.items():
        with Door(tmp_path / "core.sock") as door:
            door.core.status = partial(told, condition)
            for words in ([], ["--check"], ["--check", "--json"]):
                done = typed("status", *words, "--config", configured)
                assert (done.code, done.err) == (code if words else 0, "")
                assert "--json" in words or done.out.startswith(condition.readiness().word)
                assert "\x1b" not in done.out
    assert "telephone: +00 123 4567" in typed_lines(configured, tmp_path, CONDITIONS["well"])


def typed_lines(configured, tmp_path, condition) -> list[str]:
    with Door(tmp_path / "core.sock") as door:
        door.core.status = partial(told, condition)
        return typed("status", "--config", configured).out.splitlines()


def test_watching_needs_a_terminal(configured):
    done = typed("status", "--watch", "--config", configured)
    assert done.code == 2 and "--watch needs a terminal" in done.err


def test_watching_on_a_terminal_until_it_is_interrupted(configured, tmp_path):
    ours, theirs = pty.openpty()
    command = [Path(sys.executable).parent / "failsafe", "status", "--watch", "--config", str(configured)]
    with Door(tmp_path / "core.sock") as door, os.fdopen(ours, "rb", buffering=0) as screen:
        door.core.status = partial(told, CONDITIONS["alerts wait"])
        # A job in the background has its shell ignore interrupts, and hands that down.
        heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, preexec_fn=heeds)
        os.close(theirs)
        shown = b""
        while shown.count(b"1,200 waiting") < 2:
            shown += screen.read(4096)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert b"READY" in shown and b"Traceback" not in err and process.returncode == 0


def test_a_core_of_another_version_is_no_traceback(configured, tmp_path):
    with Door(tmp_path / "core.sock"):
        done = typed("status", "--config", configured)
    assert done.code == 1 and "another version" in done.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["statsu"], "'status'"),
        (["config", "chek"], "'check'"),
        (["status", "--jsn"], "'--json'"),
        (["courier", "inport", "x"], "'import'"),
    ],
)
def test_a_slip_in_a_command_is_told_the_nearest_word(words, meant):
    done = typed(*words)
    assert done.code == 2 and "Did you mean" in done.err and meant in done.err


def test_a_fault_that_nobody_foresaw_is_one_line_without_its_text(configured, tmp_path):
    """The text of an error may quote a traveller; the place in the program is what helps."""

    def fail() -> dict:
        raise ValueError("QUILLFEATHER")

    with Door(tmp_path / "core.sock") as door:
        door.core.status = lambda: {**told(CONDITIONS["well"]), "ready": {"word": [], "why": 3}}
        done = typed("status", "--config", configured)
    assert done.code == 1 and done.err.count("\n") == 1 and "QUILL" not in done.err
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli.config, "load", lambda path: fail())
        done = typed("status")
    assert done.code == 1 and "QUILL" not in done.err
    assert "an unexpected fault (ValueError in test_cli.py:" in done.err and "Report it" in done.err
