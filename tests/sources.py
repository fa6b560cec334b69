"""The house's own Python, parsed once in a run for all tests that read it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

from tests.conftest import PROJECT

ROOMS: Final = ("agent", "sync", "drivers", "hq", "screens")


@cache
def nodes() -> dict[str, tuple[ast.AST, ...]]:
    """Every node of each file, by the file's path in the project. Nobody may change one."""
    files = sorted(path for room in ROOMS for path in (PROJECT / room).rglob("*.py"))
    return {_name(file): tuple(ast.walk(ast.parse(file.read_text("utf-8")))) for file in files}


def _name(file: Path) -> str:
    return str(file.relative_to(PROJECT))
