"""Headquarters' server in a process of its own, and a booth that comes to it."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from failsafe.sync.records import encode
from failsafe.sync.reports import Upload
from tests.publishing import Desk as Headquarters
from tests.sending import Booth

WAIT_S = 30


class Serving:
    """`failsafe-hq serve` in a process of its own."""

    def __init__(self, home: Path, *, script: Path | None = None) -> None:
        program = [str(script)] if script else ["-c", "from failsafe.hq.cli import main; main()"]
        command = [sys.executable, *program, "--home", str(home)]
        self.errors = home.parent / f"errors-{time.monotonic_ns()}"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*command, "serve", "--port", "0", "--ccc-port", "0"], stdout=subprocess.PIPE, stderr=errors
            )
        assert self.process.stdout is not None
        said = [self.process.stdout.readline().decode() for _ in range(2)]
        assert said[0].startswith("Booths: https://") and said[1].startswith("Command centre: http://127.0.0.1:"), (
            self.errors.read_text()
        )
        self.url, self.ccc = said[0].split()[-1], said[1].split()[-1]
        self.port = int(self.url.rpartition(":")[2])

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(WAIT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture(scope="module", name="hq")
def served_headquarters(tmp_path_factory):
    made = Headquarters(tmp_path_factory.mktemp("served") / "hq")
    made.publish(1)
    return made


@pytest.fixture(scope="module", name="booth")
def served_booth(hq, tmp_path_factory):
    return Booth(hq, tmp_path_factory.mktemp("booths"))


@pytest.fixture(scope="module", name="serving")
def running_server(hq, booth):
    running = Serving(hq.home)
    yield running
    running.end()
    assert "ZORVEKARIO" not in running.errors.read_text()


@pytest.fixture(scope="module", name="line")
def line_to_server(serving, booth):
    with booth.line(serving.url) as client:
        yield client


def upload(*envelopes):
    return encode(Upload(envelopes=tuple(envelopes)))


def stored(hq, table="entries"):
    with contextlib.closing(sqlite3.connect(hq.home / "desk.sqlite")) as connection:
        return connection.execute(f"select count(*) from {table}").fetchone()[0]


def wait_for(holds) -> None:
    until = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def refused(home: Path, *words: str) -> str:
    command = [sys.executable, "-c", "from failsafe.hq.cli import main; main()", "--home", str(home), "serve"]
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr and done.stdout == ""
    return done.stderr
