"""Fixtures every test may use."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from failsafe.hq.desk.desk import Desk
    from tests import publishing, sending

# A busy machine is no fault of the code: nothing here asserts a time.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

PROJECT = Path(__file__).resolve().parent.parent
# About half of the suite's time is waiting: for processes that start, time limits that pass, browsers. With two workers
# for each core, limits were passed on a busy machine that hold otherwise.
WORKERS_BESIDE_CORES, MOST_WORKERS = 1, 8
BESIDE_A_JOURNEY = 5  # files of other tests


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many tests run at once with `-n auto`."""
    return min(len(os.sched_getaffinity(0)) + WORKERS_BESIDE_CORES, MOST_WORKERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers take file after file: the journeys, which mostly wait, are spread among those that compute.

    The long ones come first, so that no worker is alone with one in the end.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    journeys = [file for file in files if file.parent.name == "story"]
    journeys.sort(key=lambda file: all(item.get_closest_marker("slow") is None for item in files[file]))
    others = [file for file in files if file.parent.name != "story"]
    spread: list[Path] = []
    while journeys or others:
        spread += [*journeys[:1], *others[:BESIDE_A_JOURNEY]]
        del journeys[:1], others[:BESIDE_A_JOURNEY]
    items[:] = [item for file in spread for item in files[file]]


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


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Makes a costly folder once in a run: the worker that needs it first makes it, the others wait for it.

    Nobody may change what is in it: copy it.
    """
    own = tmp_path_factory.getbasetemp()
    base = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def make_once(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = base / name, base / f"{name}.made"
        with (base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # somebody failed at it
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return make_once


# --- a headquarters, its desk and one booth that sends to it --------------------------------------------------------
# What makes them is loaded only where they are asked for: most tests need no headquarters.


@pytest.fixture
def hq(tmp_path: Path) -> publishing.Desk:
    from tests import publishing

    return publishing.Desk(tmp_path / "hq")


@pytest.fixture
def booth(hq: publishing.Desk, tmp_path: Path) -> sending.Booth:
    from tests import sending

    return sending.Booth(hq, tmp_path)


@pytest.fixture
def desk(hq: publishing.Desk) -> Iterator[Desk]:
    from tests import sending

    made = sending.open_desk(hq)
    yield made
    made.close()
