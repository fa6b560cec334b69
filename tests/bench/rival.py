"""Names weighed by nomenklatura's logic-v2, which lives in an environment of its own (`make rivals`).

    python -m tests.bench.rival --stand-in FOLDER

Its dependencies never mix with ours: it is asked over standard input and output (tests/bench/rival_logic.py). All of
them have wheels but PyICU, which logic-v2 imports and does not use; `--stand-in` writes a wheel of that name and
nothing in it, so that `make lock` can pin the others.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PYTHON = Path(__file__).parents[2] / ".venv-rivals" / "bin" / "python"
MISSING = "not installed: make rivals"
_ANSWERER = Path(__file__).with_name("rival_logic.py")
_NAME, _VERSION = "pyicu", "2.99"


class RivalFault(Exception):
    """The rival is installed and did not answer."""


@dataclass(frozen=True)
class Answered:
    """Its name and version, a score from 0 to 1 for each pair, and the processor's microseconds for a pair."""

    name: str
    scores: list[float]
    us_a_pair: float


def installed(python: Path = PYTHON) -> bool:
    """Whether `make rivals` has been run to its end."""
    return python.exists() and (python.parents[1] / ".installed").exists()


def ask(pairs: Sequence[tuple[str, str]], python: Path = PYTHON) -> Answered | None:
    """What logic-v2 says of each pair; None where it is not installed.

    Raises:
        RivalFault: it is, and fails; run `make rivals` again.
    """
    if not installed(python):
        return None
    told = "".join(json.dumps(pair) + "\n" for pair in pairs)
    command = [str(python), "-I", str(_ANSWERER)]
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) != len(pairs) + 1:
        # Its last line says what went wrong without a name: the answerer never writes one.
        raise RivalFault(f"logic-v2 ended with {done.returncode} after {len(lines)} lines; run make rivals again")
    head = json.loads(lines[-1])
    return Answered(head["name"], [json.loads(line) for line in lines[:-1]], head["us_a_pair"])


def stand_in(folder: Path) -> Path:
    """A wheel named like PyICU, without anything in it."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel, inner = folder / f"{_NAME}-{_VERSION}-py3-none-any.whl", f"{_NAME}-{_VERSION}.dist-info"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr(f"{inner}/METADATA", f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: {_VERSION}\n")
        packed.writestr(f"{inner}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{inner}/RECORD", "")
    return wheel


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the empty wheel."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stand-in", type=Path, required=True, help="Folder that takes the empty wheel.")
    stand_in(options.parse_args(arguments).stand_in)


if __name__ == "__main__":
    main()
