"""`failsafe mrz` answers every line, whatever it holds, in the order and with the id it came with."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from failsafe.drivers import specimens

ZONE = specimens.td3("Quillfeather", "Zzyzxbert", "XA1234907", "FRA", "700102", "M", "300101")


def answers(content: bytes) -> list[dict]:
    code = "import sys; from failsafe.agent.cli import main; sys.argv = ['failsafe', 'mrz']; main()"
    done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    assert b"Traceback" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    "lines",
    [list(ZONE), "".join(ZONE), "\r\n".join(ZONE), [f" {line}\t" for line in ZONE], [line.lower() for line in ZONE]],
)
def test_a_zone_is_read_however_its_lines_are_given(lines: list[str] | str) -> None:
    (answer,) = answers(b"\xef\xbb\xbf" + json.dumps({"id": "a", "lines": lines}).encode())
    assert (answer["id"], answer["format"], answer["valid"]) == ("a", "TD3", True)
    assert answer["document_number"] == "XA1234907"


def test_every_line_has_its_answer() -> None:
    good = json.dumps({"id": 7, "lines": list(ZONE)}).encode()
    odd = [
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        b'{"id": NaN, "lines": []}',
        b'{"id": 1, "lines": [1]}',
        b'{"id": 2}',
        b'{"id": 3, "lines": []}',
        b'{"id": 4, "lines": ["\\ud800", "\\u0000"]}',
        b'{"id": 5, "lines": {"a": 1}}',
        json.dumps({"id": 6, "lines": ["٣" * 44, "ß" * 44]}).encode(),
        good,
    ]
    told = answers(b"\n".join(odd))
    assert len(told) == len(odd)
    assert [answer["id"] for answer in told] == [None, None, None, None, 1, 2, 3, 4, 5, 6, 7]
    assert all("error" in answer for answer in (*told[:6], told[8]))
    assert [answer["format"] for answer in (told[6], told[7], told[9], told[10])] == [None, None, "TD3", "TD3"]
    assert told[10]["valid"] and not told[9]["valid"]
