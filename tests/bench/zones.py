"""Repair measured over simulated misreadings of zones.

One or two characters of valid zones are replaced by what optical readers take them for, or one is rejected. The zones
are invented ones of many states, and the collected valid ones where the shared folder has them. Seeded: the same
figures each time, except the times.

    python -m tests.bench.zones
"""

from __future__ import annotations

import json
import os
import random
import statistics
import string
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from failsafe.agent.commands.figures import Figure, Rival, figure, p50_p99
from failsafe.drivers import specimens
from failsafe.drivers.fields import field_at
from failsafe.drivers.layouts import layout_of
from failsafe.drivers.mrz import parse
from failsafe.drivers.zone import Zone
from tests.conftest import PROJECT

Lines = tuple[str, ...]
SEED = 5
A_FORM = 6
CONFUSIONS = {"O": "0Q", "0": "OQ", "Q": "0O", "I": "1", "1": "I", "B": "8", "8": "B", "S": "5", "5": "S"} | {
    "Z": "2", "2": "Z", "G": "6", "6": "G", "<": "KC", "K": "<", "C": "<"
}  # fmt: skip
# Forms of real numbers, as their states publish them: written down apart from those that the repair knows.
FORMS = {
    "AUT": "AA0000000", "BEL": "AA000000", "BGR": "000000000", "CHE": "A0000000", "CZE": "00000000", "D": "Gggggggg0",
    "DNK": "000000000", "ESP": "AAA000000", "EST": "AA0000000", "FIN": "AA0000000", "FRA": "00AA00000",
    "GBR": "000000000", "GRC": "AA0000000", "HRV": "000000000", "HUN": "AA0000000", "IND": "A0000000",
    "IRL": "AA0000000", "ITA": "AA0000000", "JPN": "AA0000000", "KEN": "AA0000000", "KOR": "A000A0000",
    "LTU": "00000000", "LUX": "XXXXXXXX", "LVA": "AA0000000", "MEX": "A00000000", "NGA": "A00000000",
    "NLD": "AAXXXXXX0", "NOR": "AAA000000", "PAK": "AA0000000", "POL": "AA0000000", "PRT": "AA000000",
    "ROU": "000000000", "RUS": "000000000", "SRB": "000000000", "SVK": "AA0000000", "SWE": "00000000",
    "TUR": "A00000000", "UKR": "AA000000", "USA": "A00000000", "UTO": "XXXXXXXXX", "UNO": "A000000", "XXB": "AA0000000",
}  # fmt: skip
_PLACES = {
    "0": string.digits, "A": "ABCDEFGHJKLMNPRSTUVWXYZ", "X": string.ascii_uppercase.replace("O", "") + string.digits,
    "G": "CFGHJK", "g": "CFGHJKLMNPRTVWXYZ" + string.digits,
}  # fmt: skip


@dataclass
class Tally:
    """What became of misread zones of one kind.

    Attributes:
        repaired: said to be sure, and right.
        wrong: said to be sure, and wrong.
        inside: the truth is the first guess or among the candidates.
        unseen: every check digit held, and the number as read was taken.
        most: candidates at most.
    """

    total: int = 0
    repaired: int = 0
    wrong: int = 0
    inside: int = 0
    first: int = 0
    unseen: int = 0
    most: int = 0
    reread: int = 0
    times_us: list[float] = field(default_factory=list)

    def share(self, name: str) -> float:
        """Of all, in percent."""
        return 100.0 * getattr(self, name) / max(self.total, 1)


def invented(seed: int = SEED, each: int = A_FORM) -> list[Lines]:
    """Zones of passports and cards whose numbers have the forms of their states; persons and numbers are nobody's."""
    chance = random.Random(seed)
    zones: list[Lines] = []
    for state, form in FORMS.items():
        for turn in range(each):
            number = "".join(chance.choice(_PLACES[place]) for place in form)
            make = (specimens.td3, specimens.td1, specimens.td2)[turn % 3]
            birth, expiry = (
                f"{chance.randrange(100):02}{chance.randint(1, 12):02}{chance.randint(1, 28):02}" for _ in "be"
            )
            zones.append(make("Nobody", "Imagined", number, state, birth, chance.choice("MF"), expiry))
    return zones


def collected() -> list[Lines]:
    """The valid zones of the shared folder; none where it is missing."""
    file = Path(os.environ.get("FAILSAFE_SHARED", PROJECT.parent / "shared")) / "data" / "mrz" / "dev.jsonl"
    if not file.is_file():
        return []
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [tuple(row["lines"]) for row in rows if row["cls"] == "valid"]


def places_of(lines: Lines, name: str) -> list[tuple[int, int]]:
    """The places of a field and of its check digit; all of a long number."""
    layout = layout_of(lines)
    assert layout is not None
    return [
        (row, at) for row, line in enumerate(lines) for at in range(len(line)) if field_at(layout, (row, at)) == name
    ]


def misread(lines: Lines, place: tuple[int, int], char: str) -> Lines:
    """The zone with another character at a place."""
    row, at = place
    return (*lines[:row], lines[row][:at] + char + lines[row][at + 1 :], *lines[row + 1 :])


def single(lines: Lines, fields: Sequence[str]) -> Iterator[tuple[str, Lines]]:
    """Every single confusion in some fields, with the field."""
    for name in fields:
        for place in places_of(lines, name):
            for char in CONFUSIONS.get(lines[place[0]][place[1]], ""):
                yield name, misread(lines, place, char)


def rejected(lines: Lines, fields: Sequence[str]) -> Iterator[tuple[str, Lines]]:
    """Every single rejected character in some fields, with the field."""
    for name in fields:
        for place in places_of(lines, name):
            yield name, misread(lines, place, "?")


def double(lines: Lines, fields: Sequence[str], chance: random.Random, count: int) -> Iterator[tuple[str, Lines]]:
    """Some confusions of two places of some fields, with the field of the first."""
    places = [(name, place) for name in fields for place in places_of(lines, name)]
    places = [(name, place) for name, place in places if lines[place[0]][place[1]] in CONFUSIONS]
    for _ in range(count if len(places) > 1 else 0):
        (name, first), (_, second) = chance.sample(places, 2)
        spoilt = misread(lines, first, chance.choice(CONFUSIONS[lines[first[0]][first[1]]]))
        yield name, misread(spoilt, second, chance.choice(CONFUSIONS[lines[second[0]][second[1]]]))


def judge(truth: Zone, spoilt: Lines, tally: Tally, name: str) -> None:
    """Add what the parser makes of one misread zone."""
    began = time.perf_counter()
    zone = parse(spoilt)
    tally.times_us.append((time.perf_counter() - began) * 1e6)
    repair = zone.repair
    true = getattr(truth, name)
    values = [candidate[name] for candidate in repair.candidates if name in candidate]
    best = (repair.best or {}).get(name, getattr(zone, name) if repair.status != "reread" else None)
    sure = repair.status == "unique"
    right = all(getattr(truth, each) == value for each, value in (repair.best or {}).items() if each in _FIELDS)
    right = right and all(
        getattr(truth, each) == getattr(zone, each) for each in _FIELDS if each not in (repair.best or {})
    )
    tally.total += 1
    tally.repaired += sure and right
    tally.wrong += sure and not right
    tally.inside += true in values or (best == true)
    tally.first += best == true
    tally.unseen += repair.status == "none"
    tally.reread += repair.status == "reread"
    tally.most = max(tally.most, len(values))


_FIELDS = ("document_number", "birth_date", "expiry_date")


def simulate(zones: Iterable[Lines], seed: int = SEED, twice: int = 12) -> dict[str, Tally]:
    """Misread zones in every way: confusions once and twice, and rejected characters."""
    chance = random.Random(seed)
    dates, number = ("birth_date", "expiry_date"), ("document_number",)
    tallies: dict[str, Tally] = {}
    for lines in zones:
        truth = parse(lines)
        kinds: dict[str, Iterable[tuple[str, Lines]]] = {
            "dates, one confusion": single(lines, dates),
            "dates, one rejected": rejected(lines, dates),
            "number, one confusion": single(lines, number),
            "number, one rejected": rejected(lines, number),
            "number, two confusions": double(lines, number, chance, twice),
            "anywhere, two confusions": double(lines, (*dates, *number), chance, twice),
        }
        for kind, spoilt in kinds.items():
            tally = tallies.setdefault(kind, Tally())
            for name, each in spoilt:
                judge(truth, each, tally, name)
    return tallies


# Each share with what is asked of it, and whether it is asked as the least or as the most.
_ASKED = (
    ("zone_dates_repaired", ("dates, one confusion",), "repaired", 99.0),
    ("zone_number_inside", ("number, one confusion",), "inside", 99.0),
    ("zone_number_first", ("number, one confusion",), "first", 80.0),
    ("zone_number_wrong", ("number, one confusion",), "wrong", 0.5),
    ("zone_two_confusions_wrong", ("number, two confusions", "anywhere, two confusions"), "wrong", 5.0),
)


def figures() -> Iterator[Figure]:
    """What became of simulated misreadings, and how long each took."""
    zones = [*invented(), *collected()]
    tallies = simulate(zones)
    times = [took for tally in tallies.values() for took in tally.times_us]
    unspoilt = []
    for lines in zones:
        began = time.perf_counter()
        parse(lines)
        unspoilt.append((time.perf_counter() - began) * 1e6)
    yield from p50_p99("zone_repair", times, "us", ("the same zones well read", unspoilt))
    for name, kinds, what, asked in _ASKED:
        total = sum(tallies[kind].total for kind in kinds)
        share = sum(getattr(tallies[kind], what) for kind in kinds) / total * 100.0
        yield from figure(name, share, "%", total, Rival("asked", asked))


def main() -> None:
    """Print a table of the simulation."""
    for title, zones in (("invented", invented()), ("collected", collected())):
        print(f"{title}: {len(zones)} zones")
        for kind, tally in simulate(zones).items():
            took = statistics.median(tally.times_us or [0.0])
            shares = (f"{name} {tally.share(name):6.2f}" for name in _SHARES)
            print(f"  {kind:26} n {tally.total:6} {' '.join(shares)} most {tally.most} {took:.0f} us")


_SHARES = ("repaired", "inside", "first", "wrong", "unseen", "reread")


if __name__ == "__main__":
    sys.exit(main())
