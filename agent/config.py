"""The booth's configuration: `booth.toml`, read strictly.

Every fault of a file is found in one go, each with its line, its key and, for a word that is not known, the nearest
one that is. Defaults stand here and nowhere else; docs/configuration.md explains each key.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec

from failsafe.drivers.driver import LineSettings, built_in
from failsafe.sync.records import BOOTH_ID, FEED_ID

DEFAULT_PATH: Final = Path("/etc/failsafe/booth.toml")
# Parts of the booth that have a state of their own, beside its devices.
RESERVED: Final = frozenset({"booth", "clock", "feed", "ledger", "link", "mirror"})
_MAX_BYTES: Final = 256 * 1024

# `\Z`, since `$` lets a line end pass, and one in an id would reach file names and sealed envelopes.
BoothId = Annotated[str, msgspec.Meta(pattern=rf"^{BOOTH_ID.pattern}\Z")]
FeedId = Annotated[str, msgspec.Meta(pattern=rf"^{FEED_ID.pattern}\Z")]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class BoothTable(_Table, frozen=True, kw_only=True):
    """`[booth]`: who and where this booth is; every alert carries it."""

    id: BoothId
    country: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}\Z")]
    crossing_point: Word
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    telephone: Annotated[str, msgspec.Meta(max_length=40)] = ""


class HqTable(_Table, frozen=True, kw_only=True):
    """`[hq]`: whom this booth believes. `failsafe-hq booths enrol` prints `root_sha256`; empty: not enrolled yet."""

    root_sha256: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?\Z")] = ""
    feeds: Annotated[tuple[FeedId, ...], msgspec.Meta(min_length=1)] = ("base",)


class FoldersTable(_Table, frozen=True, kw_only=True):
    """`[folders]`: `keys` empty means the folder systemd gives in CREDENTIALS_DIRECTORY."""

    state: str = "/var/lib/failsafe"
    spool: str = "/var/spool/failsafe"
    keys: str = ""


class PageTable(_Table, frozen=True, kw_only=True):
    """`[page]`: the officer's page, on loopback only."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 8600
    shift: Annotated[str, msgspec.Meta(max_length=40)] = ""


class CoreTable(_Table, frozen=True, kw_only=True):
    """`[core]`: how the command line reaches the running core."""

    socket: str = "/run/failsafe/core.sock"


class MirrorTable(_Table, frozen=True, kw_only=True):
    """`[mirror]`: how old the notices may be; the law's 24 and 48 hours can only be shortened."""

    stale_after_h: Annotated[float, msgspec.Meta(gt=0, le=24)] = 24.0
    expired_after_h: Annotated[float, msgspec.Meta(gt=0, le=48)] = 48.0


class LinkTable(_Table, frozen=True, kw_only=True):
    """`[link]`: the one process with a network. `url` empty: there is none, publications and alerts go by stick.

    `key` empty means `link-tls.key` in the folder of the keys, `certificate` empty the one in the welcome file.
    """

    url: Annotated[str, msgspec.Meta(pattern=r"^(https://[^\s/?#@]+(/[^\s?#]*)?)?\Z")] = ""
    refresh_every_s: Annotated[float, msgspec.Meta(ge=5, le=86_400)] = 600.0
    key: str = ""
    certificate: str = ""
    state: Annotated[str, msgspec.Meta(min_length=1)] = "/var/lib/failsafe-link"


class LaneTable(_Table, frozen=True, kw_only=True):
    """`[[lanes]]`: one traveller at a time passes here.

    `radiation` "none" declares that the lane has no detector; headquarters sees each change of it. The window says
    how long before and after the document an occupancy still belongs to the crossing.
    """

    name: Word
    radiation: Literal["portal", "none"] = "portal"
    window_before_s: Seconds = 20.0
    window_after_s: Seconds = 30.0
    close_after_s: Seconds = 120.0


class DeviceTable(_Table, frozen=True, kw_only=True):
    """`[[readers]]` and `[[portals]]`: a device on a serial line; line settings default to the driver's own."""

    name: Word
    lane: Word
    driver: Word
    port: Annotated[str, msgspec.Meta(min_length=1)]
    baud: Annotated[int, msgspec.Meta(ge=300, le=4_000_000)] | None = None
    byte_size: Literal[7, 8] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stop_bits: Literal[1, 2] | None = None

    def line(self, usual: LineSettings) -> LineSettings:
        """The line's settings: what the file says, else the driver's."""
        return LineSettings(
            baud=self.baud or usual.baud,
            byte_size=self.byte_size or usual.byte_size,
            parity=self.parity or usual.parity,
            stop_bits=self.stop_bits or usual.stop_bits,
        )


class Configuration(_Table, frozen=True, kw_only=True):
    """A whole `booth.toml`."""

    booth: BoothTable
    lanes: Annotated[tuple[LaneTable, ...], msgspec.Meta(min_length=1)]
    hq: HqTable = HqTable()
    folders: FoldersTable = FoldersTable()
    page: PageTable = PageTable()
    core: CoreTable = CoreTable()
    mirror: MirrorTable = MirrorTable()
    link: LinkTable = LinkTable()
    readers: tuple[DeviceTable, ...] = ()
    portals: tuple[DeviceTable, ...] = ()


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
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        advice = "Give the file with --config FILE; docs/booth.toml is a sample to start from."
        raise ConfigurationRefused(path, [Fault(0, "file", f"{error.strerror}.", advice)]) from error
    if len(text) > _MAX_BYTES:
        raise ConfigurationRefused(path, [Fault(0, "file", "is over 256 KiB.", "This is not a booth.toml.")])
    return parse(text, path)


def parse(text: bytes, path: Path) -> Configuration:
    """The configuration that `text` spells; `path` is for the faults' words only.

    Raises:
        ConfigurationRefused: with every fault of the text; where tables contradict one another, that is found once
            each of them is right.
    """
    try:
        tree = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationRefused(path, [_unreadable(text, error)]) from error
    lines = text.decode("utf-8").split("\n")
    faults = [_named(fault, lines) for fault in _faults(tree, Configuration, ())]
    if not faults:
        try:
            configuration = msgspec.convert(tree, Configuration)
        except msgspec.ValidationError as error:
            faults = [_named(_wrong_value(str(error), ()), lines)]
        else:
            faults = [_named(fault, lines) for fault in _contradictions(configuration)]
            if not faults:
                return configuration
    raise ConfigurationRefused(path, sorted(faults, key=lambda fault: fault.line))


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


KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """A fault before its line is looked up."""

    path: KeyPath
    what: str
    advice: str


def _faults(value: object, annotation: object, path: KeyPath) -> Iterator[_Found]:
    """Every fault of `value`, at any depth, if it is to be what `annotation` says."""
    table = _struct_of(annotation)
    if table is not None and annotation is table and isinstance(value, Mapping):
        yield from _table_faults(value, table, path)
    elif table is not None and annotation is not table and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _faults(item, table, (*path, number))
    else:
        try:
            msgspec.convert(value, annotation)
        except msgspec.ValidationError as error:
            yield _wrong_value(str(error), path)


def _table_faults(tree: Mapping[str, Any], table: type[msgspec.Struct], path: KeyPath) -> Iterator[_Found]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(table)}
    for key in sorted(tree.keys() - fields.keys()):
        near = difflib.get_close_matches(key, fields, n=1, cutoff=0.5)
        hint = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(sorted(fields))}."
        yield _Found((*path, key), f"`{key}` is not known here.", hint)
    for key, field in fields.items():
        if key in tree:
            yield from _faults(tree[key], field.type, (*path, key))
        elif field.required:
            yield _Found((*path, key), "is missing.", "Add it; docs/configuration.md says what it is.")


def _struct_of(annotation: object) -> type[msgspec.Struct] | None:
    """The struct class inside `Annotated[tuple[X, ...], ...]`, `tuple[X, ...]` or `X`; None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    if get_origin(annotation) in (tuple, Annotated):
        return _struct_of(get_args(annotation)[0])
    return None


def _wrong_value(message: str, path: KeyPath) -> _Found:
    """A fault from msgspec's words, such as "Expected `int`, got `str` - at `$.page.port`", below `path`."""
    what, _, where = message.partition(" - at `$")
    steps = re.findall(r"\.(\w+)|\[(\d+)\]", where)
    inside: KeyPath = tuple(name or int(number) for name, number in steps)
    return _Found((*path, *inside), f"{_plain(what)}.", "Correct the value; docs/configuration.md says what it may be.")


def _plain(what: str) -> str:
    """msgspec's words for kinds of values, in those of a person who writes TOML."""
    shapeless = re.sub(r"`str` matching regex .*", "text of another form", what)
    return re.sub(r"`(\w+)( \| null)?`", lambda kind: _KINDS.get(kind[1], kind[1]), shapeless)


_KINDS: Final = {
    "object": "a table",
    "array": "a list",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}


def _contradictions(configuration: Configuration) -> Iterator[_Found]:
    """What each table allows alone and the whole does not."""
    if configuration.mirror.stale_after_h > configuration.mirror.expired_after_h:
        yield _Found(("mirror", "stale_after_h"), "is later than expired_after_h.", "Make it the shorter one.")
    lanes = [lane.name for lane in configuration.lanes]
    yield from _repeated("name", {("lanes", number): lane.name for number, lane in enumerate(configuration.lanes)})
    devices: dict[KeyPath, DeviceTable] = {
        **{("readers", number): reader for number, reader in enumerate(configuration.readers)},
        **{("portals", number): portal for number, portal in enumerate(configuration.portals)},
    }
    yield from _repeated("name", {place: device.name for place, device in devices.items()})
    yield from _repeated("port", {place: device.port for place, device in devices.items()})
    known = {driver.name: driver for driver in built_in()}
    for kind, role, tables in (
        ("readers", "document", configuration.readers),
        ("portals", "radiation", configuration.portals),
    ):
        for number, device in enumerate(tables):
            where: KeyPath = (kind, number)
            if device.lane not in lanes:
                yield _Found((*where, "lane"), f"there is no lane `{device.lane}`.", _nearest(device.lane, lanes))
            fitting = [name for name, driver in known.items() if driver.role == role]
            if device.driver not in fitting:
                yield _Found(
                    (*where, "driver"),
                    f"`{device.driver}` is no driver for {kind}.",
                    _nearest(device.driver, fitting),
                )
    yield from _wrongly_guarded(configuration)
    for place, device in devices.items():
        if device.name in RESERVED:
            yield _Found((*place, "name"), f"`{device.name}` is a part of the booth.", "Give the device another name.")


def _wrongly_guarded(configuration: Configuration) -> Iterator[_Found]:
    """Lanes whose word on radiation and whose portals do not agree."""
    portals = [portal.lane for portal in configuration.portals]
    for number, lane in enumerate(configuration.lanes):
        count = portals.count(lane.name)
        where: KeyPath = ("lanes", number, "radiation")
        if lane.radiation == "none" and count:
            what, advice = "declares no detector and has a portal.", 'Set radiation = "portal", or take the portal out.'
            yield _Found(where, f"lane `{lane.name}` {what}", advice)
    for number, portal in enumerate(configuration.portals):
        if portal.lane in portals[:number]:  # a quiet passage of one must not stand for the other's
            what = f"lane `{portal.lane}` has a portal already."
            yield _Found(("portals", number, "lane"), what, "One portal a lane: give this one a lane of its own.")


def _repeated(key: str, words: Mapping[KeyPath, str]) -> Iterator[_Found]:
    """A fault for each table whose word an earlier table has."""
    seen: set[str] = set()
    for place, word in words.items():
        if word in seen:
            yield _Found((*place, key), f"`{word}` is given twice.", "It stands once; correct one of them.")
        seen.add(word)


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    return f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(known) or 'none'}."


def _named(found: _Found, lines: Sequence[str]) -> Fault:
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
        key = re.compile(rf"^\s*{re.escape(step)}\s*=")
        for number in range(table + 1, len(lines) + 1):
            if number > table and table and re.match(r"^\s*\[", lines[number - 1]):
                break
            if key.match(lines[number - 1]):
                at = number
                break
    return at
