"""The booth that is measured: the demonstration's house with a second lane, who comes to it, and who listens."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any, Final

from failsafe.agent.control import CoreUnreachable, Visitor
from failsafe.agent.demo.house import DemoFailed, House
from failsafe.agent.person.countries import alpha_3
from failsafe.drivers.simulator import Pty, zone_frame
from failsafe.drivers.specimens import td3

Zone = tuple[str, ...]
Told = dict[str, Any]  # a verdict as the control socket tells it

_PATIENCE_S: Final = 10.0
_INTAKE_PATIENCE_S: Final = 3600.0  # of a million notices on a machine that has more to do
_LAST_BYTE_AFTER_S: Final = 0.003  # the line has long taken the rest of the frame, as it has on a wire


# --- who is sought and who comes -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Crowd:
    """Invented persons: `records` for headquarters in the public shape, and the zones of those who come.

    Attributes:
        records: may be read again and again, and be too many to stand in memory at once.
        sought: zones of subjects of notices, as other clerks may have written them.
        innocent: zones of everybody else.
    """

    records: Iterable[Mapping[str, object]]
    sought: Sequence[Zone]
    innocent: Sequence[Zone]

    def arrivals(self) -> Iterator[Zone]:
        """Sought and innocent by turns; nobody comes twice running, which would be one crossing."""
        return chain.from_iterable(zip(cycle(self.sought), self.innocent, strict=False))


Gather = Callable[[House, int, int], Crowd]  # (house, notices, travellers that must come)


def invented(house: House, persons: int, crossings: int) -> Crowd:
    """Headquarters' own invented notices, and travellers invented from other names of the same kind."""
    records = _invent(house, persons, seed=1)
    strangers = _invent(house, 2 * crossings, seed=2)  # some have no passport to show, see `_zone`
    known = islice(records, min(2 * crossings, persons))
    return Crowd(
        records=records,
        sought=[zone for number, one in enumerate(known) for zone in _zone(one, f"S{number}")],
        innocent=[zone for number, one in enumerate(strangers) for zone in _zone(one, f"I{number}")],
    )


@dataclass(frozen=True, slots=True)
class _Lines:
    """Records in a file, read each time they are asked for: a million of them are gigabytes as objects."""

    file: Path

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self.file.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _invent(house: House, number: int, seed: int) -> _Lines:
    file = house.folder / f"invented-{seed}.jsonl"
    house.hq("invent", str(number), "--seed", str(seed), "--out", str(file))
    return _Lines(file)


def _zone(record: Mapping[str, Any], number: str) -> Iterator[Zone]:
    """The passport of a notice's subject; none where name or date of birth is not whole."""
    born = str(record.get("date_of_birth")).split("/")
    given = record.get("forename")
    if len(born) != 3 or "00" in born or not given or given == "-":
        return
    state = alpha_3(record["nationalities"][0]) or "UTO"
    sex = record["sex_id"] if record["sex_id"] in ("M", "F") else "X"
    yield td3(record["name"], given, number, state, "".join(born)[2:], sex, "351231")


# --- the booth that is measured --------------------------------------------------------------------------------


_SECOND_LANE: Final = """
[[lanes]]
name = "2"
radiation = "none"

[[readers]]
name = "passport-2"
lane = "2"
driver = "cute"
port = "{port}"
"""


class Station(House):
    """The demonstration's house with a second lane that has a reader and declares no detector."""

    @property
    def second_port(self) -> Path:
        """Where the second lane's reader is plugged in."""
        return self.folder / "passport-2"

    def configure(self, root_sha256: str = "") -> None:
        """Write `booth.toml` with both lanes."""
        super().configure(root_sha256)
        with self.configuration.open("a", encoding="utf-8") as file:
            file.write(_SECOND_LANE.format(port=self.second_port))

    def await_fresh(self) -> None:
        """Wait until the core has taken the publication, however large it is.

        Raises:
            DemoFailed: it refused, or did not come to an end.
        """
        deadline = _now() + _INTAKE_PATIENCE_S
        while (mirror := self.status()["mirror"])["state"] != "FRESH":
            if _now() > deadline or (self.core is not None and self.core.poll() is not None):
                raise DemoFailed(f"The core did not take the notices ({mirror['state']}):\n{self.log()[-2000:]}")
            time.sleep(0.2)

    def serials(self) -> dict[str, int]:
        """The serial at which the core holds each feed.

        Raises:
            DemoFailed: it refused what it was last given.
        """
        mirror = self.status()["mirror"]
        if mirror["refused"]:
            raise DemoFailed(f"The core refused the notices ({mirror['refused']}). {mirror['advice']}")
        return {name: feed["serial"] for name, feed in mirror["feeds"].items()}

    def cpu_s(self) -> float:
        """Seconds of processor time that the core has taken, with its processes that have ended."""
        assert self.core is not None
        return _cpu_s(Path(f"/proc/{self.core.pid}/stat").read_text(encoding="ascii"))

    def memory_mb(self) -> tuple[float, float]:
        """The core's peak of resident memory, and its own (anonymous) memory now, in MB."""
        assert self.core is not None
        return memory_mb(Path(f"/proc/{self.core.pid}/status").read_text(encoding="ascii"))


def memory_mb(status: str) -> tuple[float, float]:
    """VmHWM and RssAnon of a `/proc/PID/status`, in MB (the kernel's kB are 1,024 bytes)."""
    kib = {line.split(":")[0]: int(line.split()[1]) for line in status.splitlines() if line.endswith(" kB")}
    return kib["VmHWM"] * 1024 / 1e6, kib["RssAnon"] * 1024 / 1e6


def _cpu_s(stat: str) -> float:
    """Seconds of processor time of a `/proc/PID/stat`, its own and its ended children's; ticks are hundredths."""
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / 100.0


class Ear:
    """Hears the core's verdicts and notes when: those that a document caused wait in `heard`."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self.heard: queue.SimpleQueue[tuple[float, Told]] = queue.SimpleQueue()
        visitor.tell("verdicts")
        visitor.next()  # ready
        threading.Thread(target=self._listen, name="ear", daemon=True).start()

    def _listen(self) -> None:
        try:
            while True:
                verdict = self._visitor.next()
                if "verdict_us" in verdict:
                    self.heard.put((_now(), verdict))
        except (CoreUnreachable, ValueError, OSError):
            pass  # the core ended, or the bench did

    def next(self, timeout_s: float = _PATIENCE_S) -> tuple[float, Told]:
        """The next verdict that a document caused, and when it was heard.

        Raises:
            DemoFailed: none came.
        """
        try:
            return self.heard.get(timeout=timeout_s)
        except queue.Empty:
            raise DemoFailed(
                "A document was read and no verdict came. Play it again; report it if it happens twice."
            ) from None


@dataclass(slots=True)
class Timings:
    """Milliseconds from a zone's last byte to its verdict: of all documents, and of those that raised an alert."""

    verdicts: list[float] = field(default_factory=list)
    alerts: list[float] = field(default_factory=list)
    words: Counter[str] = field(default_factory=Counter)

    def cross(self, pty: Pty, ear: Ear, zone: Zone) -> tuple[float, Told]:
        """One traveller: everything but the last byte, then the last byte; the verdict and when it was heard."""
        frame = zone_frame(zone)
        pty.write(frame[:-1])
        time.sleep(_LAST_BYTE_AFTER_S)
        written_at = _now()
        pty.write(frame[-1:])
        heard_at, verdict = ear.next()
        self.words[verdict["word"]] += 1
        self.verdicts.append((heard_at - written_at) * 1e3)
        if verdict["alerts"] and verdict["recorded"]:  # a recorded verdict is told after its commit
            self.alerts.append((heard_at - written_at) * 1e3)
        return heard_at, verdict


def _now() -> float:
    return time.perf_counter()
