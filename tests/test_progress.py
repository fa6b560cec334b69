"""Long work shows that it goes on: a bar on a terminal, nothing where standard error is a file or a pipe."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from failsafe.sync.spool import Spool

NOTICE = {"entity_id": "2026/7000001", "notice_type": "RED", "name": "QUILLFEATHER", "forename": "ZZYZXBERT"}


def run(words: list[str], *, terminal: bool, given: bytes = b"") -> tuple[int, str]:
    """Exit code of a command, and what it wrote to standard error, which is a terminal or a pipe."""
    command = [str(Path(sys.executable).parent / words[0]), *words[1:]]
    environment = {**os.environ, "TERM": "xterm"}
    if not terminal:
        done = subprocess.run(command, input=given, capture_output=True, env=environment, check=False, timeout=60)
        return done.returncode, done.stderr.decode()
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(given)
            process.stdin.close()
        shown = b""
        with os.fdopen(ours, "rb", buffering=0) as screen, contextlib.suppress(OSError):  # the other end closes
            while chunk := screen.read(4096):
                shown += chunk
    return process.returncode, shown.decode()


@pytest.fixture
def booth(tmp_path: Path) -> list[str]:
    """A booth's configuration, whose tray has one file to export."""
    (tmp_path / "spool" / "out").mkdir(parents=True)
    Spool(tmp_path / "spool" / "out").write("heartbeat.json", b"{}")
    file = tmp_path / "booth.toml"
    file.write_text(
        'lanes = [{name = "1"}]\n'
        'booth = {id = "ZZ-TEST-01", country = "ZZ", crossing_point = "Invented Gate"}\n'
        f'folders = {{spool = "{tmp_path}/spool"}}\n'
    )
    return ["--config", str(file)]


def test_a_booths_long_commands(booth: list[str], tmp_path: Path) -> None:
    notices = tmp_path / "notices.jsonl"
    notices.write_text(json.dumps(NOTICE))
    person = json.dumps({"id": 1, "name": "Somebody Harmless"}).encode()
    for label, words in (
        ("Copying", ["failsafe", "courier", "export", str(tmp_path / "stick"), *booth]),
        ("Reading the notices", ["failsafe", "screen", "--notices", str(notices)]),
    ):
        for terminal in (True, False):
            code, shown = run(words, terminal=terminal, given=person)
            assert code == 0 and (label in shown) == terminal, shown
            assert terminal or "\x1b" not in shown


def test_headquarters_long_commands(tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("invented words for a test")
    notices = tmp_path / "notices.jsonl"
    notices.write_text(json.dumps(NOTICE))
    for label, words in (
        ("Making the keys", ["keys", "init", "--passphrase-file", str(tmp_path / "pass")]),
        ("Importing", ["import", str(notices)]),
        ("Sealing for the booths", ["publish"]),
        ("Copying", ["courier", "export", str(tmp_path / "stick")]),
    ):
        for home in ("seen", "piped"):
            terminal = home == "seen"
            code, shown = run(["failsafe-hq", "--home", str(tmp_path / home), *words], terminal=terminal)
            assert code == 0 and (label in shown) == terminal, shown
            assert terminal or "\x1b" not in shown
