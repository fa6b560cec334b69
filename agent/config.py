"""The booth's configuration: `booth.toml`, read strictly.

Every fault of a file is found in one go, each with its line, its key and, for a word that is not known, the nearest
one that is. What may stand in it is in tables.py; what contradicts or endangers, in contradictions.py.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from failsafe.agent.contradictions import Found, KeyPath, Readable, contradictions, nearest, risks
from failsafe.agent.tables import (
    BoothTable,
    Configuration,
    CoreTable,
    DeviceTable,
    FoldersTable,
    HqTable,
    LaneTable,
    LinkTable,
    MirrorTable,
    PageTable,
    PortalTable,
)

__all__ = [
    "DEFAULT_PATH",
    "BoothTable",
    "Configuration",
    "ConfigurationRefused",
    "CoreTable",
    "DeviceTable",
    "Fault",
    "FoldersTable",
    "HqTable",
    "LaneTable",
    "LinkTable",
    "MirrorTable",
    "PageTable",
    "PortalTable",
    "cautions",
    "load",
    "parse",
    "read",
]

DEFAULT_PATH: Final = Path("/etc/failsafe/booth.toml")
_MAX_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a configuration: `line` is 1-based, 0 where no line can be named."""

    line: int
    key: str
    what: str
    advice: str

    def __str__(self) -> str:
        return f"line {self.line or '?'}, {self.key}: {self.what} {self.advice}"


class ConfigurationRefused(Exception):
    """A `booth.toml` cannot be used; `faults` are all that were found."""

    def __init__(self, path: Path, faults: Sequence[Fault]) -> None:
        self.path = path
        self.faults = tuple(faults)
        super().__init__("\n".join(f"{path}: {fault}" for fault in faults))


def load(path: Path) -> Configuration:
    """The configuration in `path`.

    Raises:
        ConfigurationRefused: with every fault of the file.
    """
    return parse(read(path), path)


def read(path: Path) -> bytes:
    """The file's bytes, not yet looked at.

    Raises:
        ConfigurationRefused: it cannot be read, or is far too long.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        advice = "Give the file with --config FILE; docs/booth.toml is a sample to start from."
        raise ConfigurationRefused(path, [Fault(0, "file", f"{error.strerror}.", advice)]) from error
    if len(text) > _MAX_BYTES:
        raise ConfigurationRefused(path, [Fault(0, "file", "is over 256 KiB.", "This is not a booth.toml.")])
    return text


def parse(text: bytes, path: Path) -> Configuration:
    """The configuration that `text` spells; `path` is for the faults' words only.

    Raises:
        ConfigurationRefused: with every fault of the text, also where tables contradict one another.
    """
    tree = _tree(text, path)
    found = [*_faults(tree, Configuration, ()), *contradictions(_readable(tree))]
    if not found:
        try:
            return msgspec.convert(tree, Configuration)
        except msgspec.ValidationError as error:
            found = [_wrong_value(str(error), ())]
    lines = text.decode("utf-8").split("\n")
    faults = dict.fromkeys(_named(fault, lines) for fault in found)
    raise ConfigurationRefused(path, sorted(faults, key=lambda fault: fault.line))


def cautions(text: bytes, path: Path) -> tuple[Fault, ...]:
    """What a good configuration allows and its writer may not have meant, in the order of the lines.

    Raises:
        ConfigurationRefused: it is not good.
    """
    configuration = parse(text, path)
    lines = text.decode("utf-8").split("\n")
    return tuple(sorted((_named(one, lines) for one in risks(configuration)), key=lambda fault: fault.line))


def _tree(text: bytes, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationRefused(path, [_unreadable(text, error)]) from error


def _unreadable(text: bytes, error: Exception) -> Fault:
    """Why the text is no TOML; the line from the parser's own words, which has none for the end of the file."""
    if isinstance(error, UnicodeDecodeError):
        line = text.count(b"\n", 0, error.start) + 1
        return Fault(line, "TOML", "the file is not UTF-8 from this line on.", "Save it as UTF-8.")
    if isinstance(error, RecursionError):
        return Fault(0, "TOML", "brackets stand inside brackets without end.", "Start from docs/booth.toml.")
    where = re.search(r"line (\d+)", str(error))
    line = int(where.group(1)) if where else text.count(b"\n") + 1
    return Fault(line, "TOML", f"{error}.", "Correct the line; strings stand in double quotes.")


def _faults(value: object, annotation: object, path: KeyPath) -> Iterator[Found]:
    """Every fault of `value`, at any depth, if it is to be what `annotation` says."""
    table = _struct_of(annotation)
    if table is not None and annotation is table and isinstance(value, Mapping):
        yield from _table_faults(value, table, path)
    elif table is not None and annotation is not table and isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _faults(item, table, (*path, number))
    else:
        try:
            msgspec.convert(value, annotation)
        except msgspec.ValidationError as error:
            choices = _choices(annotation)
            advice = nearest(str(value), choices) if choices else _form_of(annotation)
            yield _wrong_value(str(error), path, advice)


def _table_faults(tree: Mapping[str, Any], table: type[msgspec.Struct], path: KeyPath) -> Iterator[Found]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(table)}
    for key in sorted(tree.keys() - fields.keys()):
        yield Found((*path, key), f"`{key}` is not known here.", _where_else(key, table) or nearest(key, fields))
    for key, field in fields.items():
        if key in tree:
            yield from _faults(tree[key], field.type, (*path, key))
        elif field.required:
            yield Found((*path, key), "is missing.", "Add it; docs/configuration.md says what it is.")


def _where_else(key: str, table: type[msgspec.Struct]) -> str:
    """The advice for a key that another table knows; empty where none does."""
    homes = []
    for field in msgspec.structs.fields(Configuration):
        other = _struct_of(field.type)
        if other is not None and other is not table and key in other.__struct_fields__:
            homes.append(f"[{field.name}]" if field.type is other else f"[[{field.name}]]")
    return f"It belongs into {' or '.join(homes)}." if homes else ""


def _choices(annotation: object) -> tuple[str, ...]:
    """The words (or numbers) of a `Literal`, also of one that may be missing; none for other kinds."""
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    inner = get_args(annotation) if get_origin(annotation) in (UnionType, Union) else ()
    return tuple(choice for one in inner for choice in _choices(one))


def _form_of(annotation: object) -> str:
    """What to write where text of another form stands; empty where the annotation does not say."""
    if get_origin(annotation) is not Annotated:
        inner = get_args(annotation)
        return _form_of(inner[0]) if inner else ""
    told = [one.description for one in get_args(annotation)[1:] if isinstance(one, msgspec.Meta) and one.description]
    return told[0] if told else _form_of(get_args(annotation)[0])


def _struct_of(annotation: object) -> type[msgspec.Struct] | None:
    """The struct class inside `Annotated[tuple[X, ...], ...]`, `tuple[X, ...]` or `X`; None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    if get_origin(annotation) in (tuple, Annotated):
        return _struct_of(get_args(annotation)[0])
    return None


def _wrong_value(message: str, path: KeyPath, advice: str = "") -> Found:
    """A fault from msgspec's words, such as "Expected `int`, got `str` - at `$.page.port`", below `path`."""
    what, _, where = message.partition(" - at `$")
    steps = re.findall(r"\.(\w+)|\[(\d+)\]", where)
    inside: KeyPath = tuple(name or int(number) for name, number in steps)
    place = (*path, *inside)
    advice = _spelling(what, place) or advice or "Correct the value."
    return Found(place, f"{_plain(what)}.", f"{advice} docs/configuration.md says what it may be.")


def _spelling(what: str, path: KeyPath) -> str:
    """How TOML spells the kind of value that was expected, where another kind was written; else empty."""
    expected, _, got = what.partition(", got ")
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    if "`array" in expected and "`object`" in got:
        return f"Write its heading as [[{name}]], once for each."
    if "`object`" in expected and "`array`" in got:
        return f"Write its heading as [{name}]."
    if "`str`" in got and ("`int" in expected or "`float" in expected):
        return "Write the number without quotes."
    if "`str" in expected and ("`int`" in got or "`float`" in got):
        return "Write it in double quotes."
    return ""


def _plain(what: str) -> str:
    """msgspec's words for kinds of values, in those of a person who writes TOML."""
    shapeless = re.sub(r"`str` matching regex .*", "text of another form", what)
    shapeless = re.sub(r"Invalid enum value (.*)", r"\1 is not known here", shapeless)
    return re.sub(r"`(\w+)( \| null)?`", lambda kind: _KINDS.get(kind[1], kind[1]), shapeless)


_KINDS: Final = {
    "object": "a table",
    "array": "a list",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}


_T = TypeVar("_T", bound=msgspec.Struct)


def _readable(tree: Mapping[str, Any]) -> Readable:
    lanes, portals = tree.get("lanes"), tree.get("portals")
    named = [one.get("name") for one in lanes if isinstance(one, Mapping)] if isinstance(lanes, list) else []
    return Readable(
        mirror=_mirror(tree.get("mirror", {})),
        lanes=_those_good(lanes, LaneTable),
        lane_names=tuple(name for name in named if isinstance(name, str)),
        readers=_those_good(tree.get("readers"), DeviceTable),
        portals=_those_good(portals, PortalTable),
        unplaced=[
            number
            for number, table in enumerate(portals if isinstance(portals, list) else ())
            if isinstance(table, Mapping) and not {"port", "address"} & table.keys()
        ],
    )


def _mirror(table: object) -> MirrorTable | None:
    try:
        return msgspec.convert(table, MirrorTable)
    except msgspec.ValidationError:
        return None


def _those_good(tables: object, kind: type[_T]) -> dict[int, _T]:
    """The tables of a list that can be read once what is wrong in them is left out."""
    found: dict[int, _T] = {}
    for number, table in enumerate(tables if isinstance(tables, list) else ()):
        if isinstance(table, Mapping):
            wrong = {fault.path[0] for fault in _table_faults(table, kind, ())}
            with suppress(msgspec.ValidationError):
                found[number] = msgspec.convert({key: table[key] for key in table.keys() - wrong}, kind)
    return found


# --- where it stands -----------------------------------------------------------------------------------------------


def _named(found: Found, lines: Sequence[str]) -> Fault:
    """The fault with the line where its key, or else its table, stands."""
    key = ".".join(str(step + 1) if isinstance(step, int) else step for step in found.path) or "file"
    return Fault(_line_of(found.path, lines), key, found.what, found.advice)


def _line_of(path: KeyPath, lines: Sequence[str]) -> int:
    """The 1-based line of the last step of `path` that can be found; 0 if none can."""
    at = 0
    table = 0
    for position, step in enumerate(path):
        if isinstance(step, int):
            continue
        following = path[position + 1] if position + 1 < len(path) else 0
        nth = following if isinstance(following, int) else 0
        header = re.compile(rf"^\s*\[\[?\s*{re.escape(step)}\s*\]?\]")
        headers = [number for number, line in enumerate(lines, 1) if header.match(line)]
        if headers and position == 0:
            at = table = headers[min(nth, len(headers) - 1)]
            continue
        key = re.compile(rf"^\s*([\w\"-]+\s*\.\s*)*\"?{re.escape(step)}\"?\s*[.=]")
        for number in range(table + 1, len(lines) + 1):
            if number > table and table and re.match(r"^\s*\[", lines[number - 1]):
                break
            if key.match(lines[number - 1]):
                at = number
                break
    return at
