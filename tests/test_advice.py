"""Every error a command, a page or a log can show says what its reader does next, and names only what is there."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from failsafe.agent.cli import failsafe
from failsafe.drivers.driver import DriverError
from failsafe.hq.cli import main as failsafe_hq
from failsafe.hq.keyring.keys import HeadquartersError
from failsafe.sync.errors import SyncError
from tests import sources

# Trees whose classes carry an advice of their own.
TREES = (SyncError, DriverError, HeadquartersError)
# Errors with one text for people, which must hold both: what is wrong, and what to do.
ONE_TEXT = {
    *("KeysRefused", "CoreUnreachable", "DemoFailed", "PortTaken", "EntryRefused", "FindingRefused", "LineRefused"),
    *("ClickException", "UsageError", "TranscriptRefused"),
}
# Their text is another error's, which is judged where it is made.
PASSED_ON = re.compile(r"^\{\}\.?$|^\{\} \{\}$|^\{\}; nothing was imported")


def modules() -> None:
    """Import every module, so that every class is known."""
    for file in sources.nodes():
        parts = Path(file).with_suffix("").parts
        if parts[-1] != "__main__" and "demo" not in parts:
            importlib.import_module(".".join(("failsafe", *parts)))


def below(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for one in kind.__subclasses__():
        yield from below(one)


modules()
KINDS = [one for tree in TREES for one in below(tree) if one.__module__.startswith("failsafe.")]


def texts_raised() -> Iterator[tuple[str, str]]:
    """Place and text of every error that has one text; a value in it stands as {}."""
    for file, nodes in sources.nodes().items():
        for node in nodes:
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                name = getattr(node.exc.func, "id", getattr(node.exc.func, "attr", ""))
                if name in ONE_TEXT and node.exc.args:
                    yield f"{file}:{node.lineno}", " ".join(map(told, node.exc.args))


def told(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    if isinstance(node, ast.BinOp):
        return told(node.left) + told(node.right)
    return "{}"


RAISED = dict(texts_raised())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_of_error_has_an_advice(kind: type[Exception]) -> None:
    error = kind("What was seen.") if not issubclass(kind, HeadquartersError) else kind("What was seen.", "Do this.")
    advice = error.advice  # type: ignore[attr-defined]  # every class of the trees has it
    assert re.match(r"[A-Z][^.]+", advice) and advice.endswith("."), advice
    assert advice in str(error) or kind.__module__.startswith("failsafe.hq"), "who prints it prints the advice"


def without_own_advice() -> set[str]:
    """Classes whose advice is only the tree's: who raises one says what to do."""
    return {
        kind.__name__
        for tree in TREES
        for kind in KINDS
        if kind.__dict__.get("usual_advice") is None
        and issubclass(kind, tree)
        and kind.usual_advice == tree.usual_advice
    } | {tree.__name__ for tree in TREES}  # type: ignore[attr-defined]


def test_who_raises_an_error_without_an_advice_of_its_own_gives_one() -> None:
    bare = without_own_advice()
    assert "RepositoryFault" in bare or bare
    missing = [
        f"{file}:{node.lineno}"
        for file, nodes in sources.nodes().items()
        for node in nodes
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and getattr(node.exc.func, "id", "") in bare
        and len(node.exc.args) < 2
    ]
    assert not missing


def test_there_are_errors_with_one_text() -> None:
    assert len(RAISED) > 30


@pytest.mark.parametrize("place", RAISED)
def test_each_text_says_what_is_wrong_and_what_to_do(place: str) -> None:
    text = RAISED[place]
    if PASSED_ON.match(text):
        return
    sentences = [one for one in re.split(r"(?<=[.?:])\s+|; ", text.strip()) if one]
    assert text.rstrip().endswith((".", "?", "{}")), f"{place}: {text}"
    by_example = "such as" in text or "left empty" in text
    assert len(sentences) >= 2 or by_example or re.match(r"(Give|Write|Choose|Name|Send|Type|Enter)\b", text), (
        f"{place}: {text}"
    )


# --- what advice names -------------------------------------------------------------------------------------------


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            yield from walk(one, f"{path} {name}")


COMMANDS = dict([*walk(failsafe, "failsafe"), *walk(failsafe_hq, "failsafe-hq")])


def named() -> Iterator[tuple[str, str]]:
    """Place and words of each command that a text in the program names between backticks."""
    for file, nodes in sources.nodes().items():
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for words in re.findall(r"`(failsafe(?:-hq)?(?: [^`]+)?)`", node.value):
                    yield f"{file}:{node.lineno} {words}", words


NAMED = dict(named())


@pytest.mark.parametrize("place", NAMED)
def test_each_command_that_a_text_names_is_there(place: str) -> None:
    words = NAMED[place].split()
    path = next(" ".join(words[:count]) for count in range(len(words), 0, -1) if " ".join(words[:count]) in COMMANDS)
    command, rest = COMMANDS[path], words[len(path.split()) :]
    assert not isinstance(command, click.Group) or not rest or rest[0].startswith("-") or rest == ["..."], place
    known = {option for one in command.params for option in one.opts}
    assert {word for word in rest if word.startswith("--")} <= known | {"--help"}, place
    assert Path(path.split()[0]).name in ("failsafe", "failsafe-hq")
