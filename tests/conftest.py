"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


def missing_part(what: str) -> None:
    """In CI a missing real part is a failure, elsewhere a skip that says what to install."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared folder with outside data."""
    folder = Path(os.environ.get("FAILSAFE_SHARED", PROJECT.parent / "shared"))
    if not (folder / "data").is_dir():
        missing_part(f"No outside data at {folder}: set FAILSAFE_SHARED to the shared folder.")
    return folder
