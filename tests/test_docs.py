"""What is documented is what there is: every command, every option, every key, every link."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, get_args, get_origin

import click
import msgspec
import pytest

from failsafe.agent.cli import failsafe
from failsafe.agent.config import Configuration
from failsafe.drivers import driver
from failsafe.hq.cli import main as failsafe_hq
from tests.conftest import PROJECT

DOCS = PROJECT / "docs"
COMMANDS = (DOCS / "commands.md").read_text("utf-8") + (PROJECT / "README.md").read_text("utf-8")
CONFIGURATION = (DOCS / "configuration.md").read_text("utf-8")
SAMPLE = (DOCS / "booth.toml").read_text("utf-8")
WRITTEN = sorted([*DOCS.rglob("*.md"), *PROJECT.glob("*.md"), *PROJECT.glob("*/README.md")])


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """A command and all below it, by the words that call them."""
    yield path, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from walk(below, f"{path} {name}")


TREE = dict([*walk(failsafe, "failsafe"), *walk(failsafe_hq, "failsafe-hq")])
LEAVES = {path: command for path, command in TREE.items() if not isinstance(command, click.Group)}
OPTIONS = sorted(
    (path, option)
    for path, command in TREE.items()
    for parameter in command.params
    if isinstance(parameter, click.Option)
    for option in parameter.opts
)


def section_of(path: str) -> str:
    """The part of docs/commands.md about a command: from its own heading, or its group's, to the next."""
    parts = re.split(r"^#{2,3} ", (DOCS / "commands.md").read_text("utf-8"), flags=re.MULTILINE)
    words = path.split()
    while words:
        found = [part for part in parts if re.match(rf"(.*: )?`{re.escape(' '.join(words))}( [A-Z]+)?`", part)]
        if found:
            return found[0]
        words.pop()
    return ""


# --- commands ------------------------------------------------------------------------------------------------


def test_there_are_commands():
    assert {"failsafe run", "failsafe screen", "failsafe-hq publish", "failsafe-hq booths enrol"} <= set(LEAVES)


@pytest.mark.parametrize("path", sorted(LEAVES))
def test_every_command_is_documented(path):
    assert re.search(rf"`{re.escape(path)}\b", COMMANDS), f"docs/commands.md does not tell of `{path}`"


@pytest.mark.parametrize(("path", "option"), OPTIONS)
def test_every_option_stands_where_its_command_does(path, option):
    if option == "--version":
        assert option in COMMANDS
    else:
        assert re.search(rf"`?{option}\b", section_of(path)), f"docs/commands.md: `{path}` has {option}"


def test_no_command_or_option_is_documented_that_is_not_there():
    told = re.findall(r"`(failsafe(?:-hq)?(?: [a-z][a-z-]*)+)", COMMANDS)
    for words in told:  # what follows a command is its argument
        parts = words.split()
        known = [" ".join(parts[:count]) for count in range(len(parts), 1, -1)]
        named = next((path for path in known if path in TREE), None)
        assert named is not None and (named == words or named in LEAVES), words
    known = {option for _, option in OPTIONS} | {"--help"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", (DOCS / "commands.md").read_text("utf-8"))) <= known


@pytest.mark.parametrize("path", sorted(TREE))
def test_every_command_says_what_it_does(path):
    assert TREE[path].help and TREE[path].help.rstrip().endswith("."), path


def test_the_drivers_are_named():
    for built_in in driver.built_in():
        assert f"`{built_in.name}`" in COMMANDS and f"`{built_in.name}`" in CONFIGURATION


# --- configuration -------------------------------------------------------------------------------------------


def keys_of(table: type[msgspec.Struct], name: str = "") -> Iterator[tuple[str, str]]:
    """Table and key of everything a configuration may hold."""
    for field in msgspec.structs.fields(table):
        inner = field.type
        while get_origin(inner) in (tuple, Annotated):
            inner = get_args(inner)[0]
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from keys_of(inner, field.name)
        else:
            yield name, field.name


KEYS = sorted(set(keys_of(Configuration)))


@cache
def sample() -> dict:
    return tomllib.loads(SAMPLE)


def test_there_are_keys():
    assert {("booth", "id"), ("lanes", "radiation"), ("readers", "port"), ("hq", "root_sha256")} <= set(KEYS)


@pytest.mark.parametrize(("table", "key"), KEYS)
def test_every_key_is_explained_and_in_the_sample(table, key):
    rows = [row for row in CONFIGURATION.splitlines() if row.startswith("|") and f"`{key}`" in row.split("|")[2]]
    assert rows, f"docs/configuration.md does not explain {table}.{key}"
    found = sample()[table]
    tables = found if isinstance(found, list) else [found]
    # A reader's line settings stand in the sample once; a portal's are the same keys.
    tables = [*tables, *sample()["readers"]] if table == "portals" else tables
    # A key that only some devices want is shown behind a number sign.
    shown = any(key in one for one in tables) or f"\n# {key} = " in SAMPLE
    assert shown, f"docs/booth.toml does not show {table}.{key}"


def test_no_key_is_explained_that_is_not_there():
    known = {key for _, key in KEYS} | {table for table, _ in KEYS}
    for row in CONFIGURATION.splitlines():
        if row.startswith("| ") and not row.startswith("| table"):
            for word in re.findall(r"`\[*(\w+)\]*`", "|".join(row.split("|")[1:3])):
                assert word in known, word


def defaults_told() -> dict[tuple[str, str], str]:
    """(table, key) -> default, from the documentation's rows; a row without a table belongs to the one above."""
    told, table = {}, ""
    for named, key, default in re.findall(r"^\|([^|]*)\|([^|]*)\|([^|]*)\|", CONFIGURATION, flags=re.MULTILINE):
        table = named.strip(" `[]") or table
        if re.fullmatch(r" `\w+` ", key) and re.fullmatch(r" `[^`]+` ", default):
            told[table, key.strip(" `")] = default.strip(" `")
    return told


def test_the_defaults_are_those_of_the_program():
    told = defaults_told()
    assert len(told) >= 10
    checked = 0
    for table in msgspec.structs.fields(Configuration):
        inner = table.type
        while get_origin(inner) in (tuple, Annotated):
            inner = get_args(inner)[0]
        for field in msgspec.structs.fields(inner):
            default = told.get((table.name, field.name))
            if default is not None and not field.required:
                value = tomllib.loads(f"x = {default}" if default[0] not in "/" else f'x = "{default}"')["x"]
                held = list(field.default) if isinstance(field.default, tuple) else field.default
                assert value == held, (table.name, field.name)
                checked += 1
    assert checked >= 10


# --- links and dependencies ----------------------------------------------------------------------------------


@cache
def tracked() -> frozenset[Path]:
    """Every file of the project, and every folder that holds one."""
    if not (PROJECT / ".git").exists():
        files = [path for path in PROJECT.rglob("*") if path.is_file()]
    else:
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=PROJECT, capture_output=True, check=True
        )
        files = [PROJECT / name for name in listed.stdout.decode().splitlines()]
    return frozenset([*files, *(folder for file in files for folder in file.parents)])


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: str(file.relative_to(PROJECT)))
def test_every_link_leads_somewhere(file):
    for text, target in re.findall(r"\[([^\]]+)\]\(([^)\s]+)\)", file.read_text("utf-8")):
        place, _, heading = target.partition("#")
        if re.match(r"https?:", target):
            continue
        assert not place.startswith("/"), f"{text}: {target}"
        there = (file.parent / place).resolve() if place else file
        assert there in tracked(), f"{file.name}: {target} is not in the project"
        if heading:
            headings = re.findall(r"^#+ (.+)$", there.read_text("utf-8"), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
            assert heading in slugs, f"{file.name}: {target}"


def test_advice_names_documents_that_are_there():
    """Errors send people to documents; each of them is in the project."""
    for file in sorted(path for room in ("agent", "sync", "drivers", "hq") for path in (PROJECT / room).rglob("*.py")):
        for name in re.findall(r"docs/[\w/]+\.(?:md|toml)", file.read_text("utf-8")):
            assert PROJECT / name in tracked(), f"{file.name} names {name}"


def test_every_dependency_is_decided_on():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.match(r"[A-Za-z0-9-]+", one)[0].lower() for one in wanted}
    rows = (DOCS / "decisions" / "dependencies.md").read_text("utf-8").splitlines()
    told = {
        name
        for row in rows
        if row.startswith("| ")
        for name in re.findall(r"[a-z0-9][a-z0-9-]+", row.split("|")[1].lower())
    }
    assert names <= told, names - told
