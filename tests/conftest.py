"""Fixtures every test may use."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

# A busy machine is no fault of the code: nothing here asserts a time.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

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


@pytest.fixture(name="missing_part", scope="session")
def _missing_part() -> Callable[[str], None]:
    """The function above, for tests in any folder."""
    return missing_part


@pytest.fixture(scope="session")
def own_mounts() -> list[str]:
    """The command that gives a child its own view of mounts, which ends with the child."""
    command = ["unshare", "--mount", "--map-root-user"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command, "true"], check=False, capture_output=True).returncode
    ):
        missing_part("needs `unshare --mount --map-root-user` (util-linux, and user namespaces allowed)")
    return command
