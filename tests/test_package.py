"""The wheel as a booth installs it: all rooms, the page's files, nothing of the tests, and it runs."""

from __future__ import annotations

import email
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import PROJECT

ROOMS = ("agent", "sync", "drivers", "hq", "screens")
SETTINGS = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))


def run(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built offline from a copy, so that nothing is left in the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(PROJECT / name, source)
    for room in (*ROOMS, "tests"):
        shutil.copytree(PROJECT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    words = ("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source)
    built = run(sys.executable, "-m", "pip", "--disable-pip-version-check", *words)
    assert built.returncode == 0, built.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The scripts of a fresh environment that has the wheel, and the running one's packages, not its rooms."""
    place = tmp_path_factory.mktemp("booth") / "venv"
    venv.create(place, with_pip=False)
    paths = {"base": str(place), "platbase": str(place)}
    site = Path(sysconfig.get_path("purelib", "venv", paths))
    words = ("install", "--no-deps", "--no-index", "--target", site, wheel)
    done = run(sys.executable, "-m", "pip", "--disable-pip-version-check", *words)
    assert done.returncode == 0, done.stderr
    (site / "running.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    for name, target in SETTINGS["project"]["scripts"].items():
        module, _, function = target.partition(":")
        script = place / "bin" / name
        script.write_text(
            f"#!{place}/bin/python\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
        )
        script.chmod(0o755)
    return place / "bin"


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


# --- what is in it -------------------------------------------------------------------------------------------


def test_every_module_is_in_the_wheel(wheel):
    packed = names_in(wheel)
    for room in ROOMS:
        for module in (PROJECT / room).rglob("*.py"):
            assert f"failsafe/{module.relative_to(PROJECT)}" in packed


def test_files_of_pages_and_types_are_in_the_wheel(wheel):
    packed = names_in(wheel)
    for room in ROOMS:
        assert f"failsafe/{room}/py.typed" in packed
        for file in (PROJECT / room).rglob("*"):
            if file.suffix in (".html", ".css", ".js", ".svg", ".po"):
                assert f"failsafe/{file.relative_to(PROJECT)}" in packed
    assert "failsafe/agent/page/first.html" in packed


def test_nothing_else_is_in_the_wheel(wheel):
    for name in names_in(wheel):
        top, _, rest = name.partition("/")
        assert top == "failsafe" or top.endswith(".dist-info"), name
        assert top != "failsafe" or rest.partition("/")[0] in ROOMS, name  # no tests, and no failsafe/__init__.py
        assert "test" not in Path(name).name.split("_"), name


def test_the_base_install_has_nothing_of_headquarters(wheel):
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (one for one in opened.namelist() if one.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(opened.read(name))
    needed = [one for one in metadata.get_all("Requires-Dist") if "extra ==" not in one]
    assert len(needed) == len(SETTINGS["project"]["dependencies"])
    assert not [one for one in needed if re.match("(?i)sqlalchemy|psycopg|litestar", one)]


# --- that it runs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SETTINGS["project"]["scripts"]))
def test_the_installed_commands_run(installed, name, tmp_path):
    done = run(installed / name, "--help", cwd=tmp_path)
    assert done.returncode == 0 and "Commands:" in done.stdout, done.stderr


def test_the_installed_package_is_the_wheels(installed, tmp_path):
    code = "import failsafe.agent.page.app as page, failsafe.hq.cli as hq; print(page.__file__, hq.__file__)"
    done = run(installed / "python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for place in done.stdout.split():
        assert place.startswith(str(installed.parent)), place


def test_the_booths_modules_load_nothing_of_headquarters(installed, tmp_path):
    code = (
        "import sys, failsafe.agent.cli, failsafe.agent.booth;"
        "print([name for name in sys.modules if name.startswith(('sqlalchemy', 'failsafe.hq'))])"
    )
    assert run(installed / "python", "-c", code, cwd=tmp_path).stdout.strip() == "[]"


# --- locks ---------------------------------------------------------------------------------------------------


def pins(name: str) -> dict[str, str]:
    text = (PROJECT / "requirements" / f"{name}.txt").read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("name", ["booth", "hq", "dev"])
def test_every_pin_has_hashes(name):
    text = (PROJECT / "requirements" / f"{name}.txt").read_text("utf-8")
    blocks = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(pins(name)) > 20
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_locks_agree_and_a_booths_is_the_smallest():
    booth, hq, dev = pins("booth"), pins("hq"), pins("dev")
    assert booth.items() <= hq.items() <= dev.items()
    assert "sqlalchemy" in hq and "sqlalchemy" not in booth
    assert not {"pytest", "hypothesis", "mypy", "ruff"} & booth.keys()
    for one in SETTINGS["project"]["dependencies"]:
        assert re.match(r"[a-z0-9-]+", one)[0] in booth


# --- what the tree gives away --------------------------------------------------------------------------------

# Put together here, so that this file does not hold what it looks for.
_HOMES = "|".join(("/" + "root/", "/" + "home/[a-z]", "/" + "Users/", "/" + "work/", "/" + "tmp/pytest-"))
_ADDRESSES = "|".join(("--(extra-)?index" + "-url", "--trusted" + "-host", "--find" + "-links", r"pypi\.[a-z]+/simple"))


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The tracked files of the project that are text."""
    if not (PROJECT / ".git").exists():
        pytest.skip("This is no clone: git knows what belongs to the project.")
    listed = run("git", "ls-files", "-z", cwd=PROJECT)
    assert listed.returncode == 0, listed.stderr
    files = [PROJECT / name for name in listed.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


def hits(files: list[Path], pattern: str) -> list[str]:
    looked_for = re.compile(pattern)
    return [
        f"{file.relative_to(PROJECT)}:{number}"
        for file in files
        for number, line in enumerate(file.read_text("utf-8", errors="replace").splitlines(), 1)
        if looked_for.search(line)
    ]


def test_no_file_names_a_path_of_one_machine(tracked):
    assert hits(tracked, _HOMES) == []


def test_no_file_but_the_makefile_names_an_index(tracked):
    """The Makefile's own words keep addresses out of the locks."""
    assert hits([file for file in tracked if file.name != "Makefile"], _ADDRESSES) == []
    assert "https://" not in "".join((PROJECT / "requirements" / f"{name}.txt").read_text() for name in ("booth", "hq"))


def test_the_search_finds_what_it_looks_for(tmp_path):
    file = PROJECT / "tests" / "test_package.py"
    assert hits([file], "def test_the_search_finds") and not hits([file], "nowhere in this" + " file")
    assert re.search(_HOMES, "/" + "home/somebody") and re.search(_ADDRESSES, "--index" + "-url x")
