"""A booth under attack: the whole core in this process, its spool in the attacker's hands, and all that it keeps.

`rows` reads both databases through their keys: an attack may leave nothing there but its refusal and the clock's row.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlcipher3 import dbapi2

from failsafe.agent import config, health, notices
from failsafe.agent import keys as booth_keys
from failsafe.agent.booth import Booth
from failsafe.agent.page.view import HeaderView, ManualEntry
from failsafe.sync.mirror import Mirror
from failsafe.sync.records import TIMESTAMP_FILE, Welcome, encode
from failsafe.sync.reports import ChainEntry, HealthChange
from failsafe.sync.spool import Spool
from tests.far_hq import FEED, FarHq, Files, lay, notice

BOOTH = "ZZ-TEST-01"
PATIENCE_S = 20.0
Rows = dict[str, Counter[tuple[Any, ...]]]
_ENTRY = msgspec.json.Decoder(ChainEntry)


def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A booth that looks into its spool at once, and records each change of its health."""
    monkeypatch.setattr(notices, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(health, "COALESCE_S", 0.0)


class Attacked:
    """A booth that is enrolled at `hq`; `start` it, `fall` it, and look at what it holds."""

    def __init__(self, folder: Path, hq: FarHq) -> None:
        self.hq = hq
        enrolment = booth_keys.make(folder / "keys", BOOTH, "ZZ")
        self.keys = booth_keys.load(folder / "keys")
        self.seal = enrolment.seal
        self.welcome: Welcome = hq.enrol(enrolment)
        self.state, self.spool = folder / "state", Spool(folder / "spool" / "in")
        self.state.mkdir()
        for side in ("in", "out"):
            (folder / "spool" / side).mkdir(parents=True)
        self.spool.write("welcome.json", encode(self.welcome))
        self.configuration = config.parse(
            f"""
            booth = {{id = "{BOOTH}", country = "ZZ", crossing_point = "Invented Gate"}}
            hq = {{root_sha256 = "{self.welcome.root_sha256}"}}
            folders = {{state = "{self.state}", spool = "{folder / "spool"}"}}
            lanes = [{{name = "1", radiation = "none"}}]
            """.encode(),
            folder / "booth.toml",
        )
        self.booth: Booth | None = None
        self.honest: Files = {}  # what it was fed last
        self._aside = folder / "aside"

    # --- its life ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.booth = Booth(self.configuration, self.keys)
        self.booth.start()

    def start_anew(self) -> None:
        """Start, and wait until it has written down how each of its parts stands."""
        before = self.health().count(("ledger", "OK")) if (self.state / "ledger.db").exists() else 0
        self.start()
        self.wait(lambda _: self.health().count(("ledger", "OK")) > before)

    def stop(self) -> None:
        if self.booth is not None:
            self.booth.stop()
            self.booth = None

    def wait(self, told: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The booth's status, once `told` holds of it; awaited from one view to the next."""
        return asyncio.run(self._wait(told))

    async def _wait(self, told: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        status: dict[str, Any] = {}
        assert self.booth is not None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not told(status := self.booth.status()):
                    try:
                        await self.booth.changed(self.booth.view().number)
                    except RuntimeError:  # it has shown nothing yet
                        await asyncio.sleep(0)
        except TimeoutError:
            raise AssertionError(f"the booth stays as it is: {json.dumps(status['mirror'])}") from None
        return status

    # --- what it is brought --------------------------------------------------------------------------------------

    def bring(self, files: Files | None = None) -> None:
        """A publication into the spool, the present one if none is given."""
        lay(self.spool, self.hq.files() if files is None else files)

    def fed(self, *numbers: int) -> None:
        """It takes the next honest step, with these notices in it."""
        head = self.hq.put_out(*numbers)
        self.honest = self.hq.files()
        self.bring(self.honest)
        self.holds(head.serial)

    def holds(self, serial: int) -> dict[str, Any]:
        """It has taken that step, and says so."""
        return self.wait(
            lambda told: (
                told["mirror"]["feeds"].get(FEED, {}).get("serial") == serial
                and told["mirror"]["refused"] is None
                and told["mirror"]["state"] == "FRESH"
            )
        )

    def keep_aside(self, *names: str) -> None:
        """A copy of files of the stopped booth, to be put back on a later day."""
        assert self.booth is None
        self._aside.mkdir(exist_ok=True)
        for name in names:
            shutil.copy2(self.state / name, self._aside / name)

    def put_back(self, *names: str) -> None:
        """The older files in place of what the stopped booth holds."""
        assert self.booth is None
        for name in names:
            for side in ("-wal", "-shm"):
                (self.state / f"{name}{side}").unlink(missing_ok=True)
            shutil.copy2(self._aside / name, self.state / name)

    def serial(self) -> int:
        """The step that it holds."""
        assert self.booth is not None
        return int(self.booth.status()["mirror"]["feeds"][FEED]["serial"])

    def timestamp_version(self) -> int:
        """The version of the timestamp that it holds."""
        with Mirror.open(self.state / "mirror.db", self.keys.mirror) as mirror:
            return int(json.loads(mirror.held_metadata()[TIMESTAMP_FILE])["signed"]["version"])

    # --- what an officer is told ---------------------------------------------------------------------------------

    def word(self, number: int) -> str:
        """The verdict on whom notice `number` seeks, or whom nobody seeks; it is a traveller like any other."""
        assert self.booth is not None
        sought = notice(number).names[0]
        self.booth.enter(
            ManualEntry(
                lane="1",
                surname=sought.surname,
                given_names=sought.given,
                birth_date=notice(number).births[0],
                sex="M",
                document_number=f"ZZ{number:06}",
                issuing_state="UTO",
            )
        )
        shown = self.booth.view().lanes[0].verdict
        assert shown is not None
        return shown.word

    def header(self) -> HeaderView:
        """The line above the lanes, as the officer sees it now."""
        assert self.booth is not None
        return self.booth.view().header

    # --- what it keeps -------------------------------------------------------------------------------------------

    def rows(self, noted: int | None = None) -> tuple[Rows, Rows]:
        """All rows of mirror and ledger, by table, once what was to be recorded of before is recorded and sealed.

        Args:
            noted: the last floor's serial, if it is not that of the step held.
        """
        self.wait(lambda told: self._is_at_rest(told, noted or told["mirror"]["feeds"][FEED]["serial"]))
        return (
            _rows(self.state / "mirror.db", self.keys.mirror),
            _rows(self.state / "ledger.db", self.keys.ledger),
        )

    def _is_at_rest(self, told: dict[str, Any], serial: int) -> bool:
        refused = told["mirror"]["refused"]
        parts = {
            "mirror": told["mirror"]["state"],
            "feed": f"refused {refused}" if refused else "OK",
            "clock": "OK" if told["clock"]["trusted"] else "NOT TRUSTED",
        }
        if parts.items() - dict(self.health()).items():
            return False
        with _opened(self.state / "ledger.db", self.keys.ledger) as ledger:
            unsealed = ledger.execute("SELECT 1 FROM delivery WHERE sealed IS NULL LIMIT 1").fetchone()
            noted = ledger.execute(
                "SELECT body FROM record WHERE kind = 'floor' ORDER BY number DESC LIMIT 1"
            ).fetchone()
        return unsealed is None and noted is not None and json.loads(noted[0])["serial"] == serial

    def health(self) -> list[tuple[str, str]]:
        """Part and new state of every health record of the ledger, in order."""
        try:
            with _opened(self.state / "ledger.db", self.keys.ledger) as ledger:
                found = ledger.execute("SELECT body FROM record WHERE kind = 'health' ORDER BY number").fetchall()
        except dbapi2.OperationalError:  # it was wiped, and the booth has not made another yet
            return []
        changes = [_ENTRY.decode(body).body for (body,) in found]
        return [(change.part, change.now) for change in changes if isinstance(change, HealthChange)]


@contextmanager
def fed(folder: Path) -> Iterator[Attacked]:
    """A running booth that has taken two steps: notice 1 in the first, 2 and 3 in the second."""
    booth = Attacked(folder / "booth", FarHq())
    booth.start()
    try:
        booth.fed(1)
        booth.fed(2, 3)
        booth.rows()
        yield booth
    finally:
        booth.stop()


class _opened:
    def __init__(self, path: Path, key: bytes) -> None:
        self._connection = dbapi2.connect(f"file:{path}?mode=rw", uri=True)  # never make one
        self._connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")

    def __enter__(self) -> Any:
        return self._connection

    def __exit__(self, *about: object) -> None:
        self._connection.close()


def _rows(path: Path, key: bytes) -> Rows:
    with _opened(path, key) as opened:
        named = opened.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        return {name: Counter(opened.execute(f'SELECT * FROM "{name}"').fetchall()) for (name,) in named}


@contextmanager
def changing_only(
    booth: Attacked, *told: tuple[str, str], noted: int | None = None, restarted: bool = False
) -> Iterator[None]:
    """What happens within leaves mirror, index and ledger row by row as they were, but for what `only_told` allows.

    Args:
        told: part and new state of each health record that it leaves, in any order.
        noted: see `Attacked.rows`.
        restarted: see `only_told`.
    """
    before = booth.rows(noted)
    yield
    only_told(before, booth.rows(noted), *told, restarted=restarted)


def only_refused(before: tuple[Rows, Rows], after: tuple[Rows, Rows], reason: str) -> None:
    """Row by row the same, but for the clock's row and the health record of the refusal."""
    only_told(before, after, ("feed", f"refused {reason}"))


def only_told(
    before: tuple[Rows, Rows], after: tuple[Rows, Rows], *told: tuple[str, str], restarted: bool = False
) -> None:
    """Mirror, index and ledger are row by row what they were, but for the clock's row and these health records.

    Args:
        before, after: `Attacked.rows`.
        told: part and new state of each record, in any order.
        restarted: a start writes that nothing is known yet, then how each part stands: the last of each part counts.
    """
    assert after[0] == before[0], sorted(name for name in before[0] if after[0].get(name) != before[0][name])
    was, became = dict(before[1]), dict(after[1])
    assert max(was.pop("clock").total(), became.pop("clock").total()) <= 1
    records, deliveries = became.pop("record") - was["record"], became.pop("delivery") - was["delivery"]
    assert not was.pop("record") - after[1]["record"] and not was.pop("delivery") - after[1]["delivery"]
    assert became == was, sorted(name for name in was if became.get(name) != was[name])
    bodies = [_ENTRY.decode(body).body for *_, body, _head in records.elements()]
    changes = [(body.part, body.now) for body in bodies if isinstance(body, HealthChange)]
    assert len(bodies) == deliveries.total() == len(changes)
    # Told once after each start, when the tray has looked for the first time.
    assert changes.count(("spool", "OK")) <= 1, changes
    changes = [change for change in changes if change != ("spool", "OK")]
    if restarted:
        assert dict(changes) == {"feed": "OK", "ledger": "OK", "clock": "OK"} | dict(told), changes
    else:
        assert sorted(changes) == sorted(told), changes
