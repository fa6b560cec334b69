"""Headquarters and a booth in one folder of one machine, each program a process of its own.

For the demonstration, for tests of whole journeys and for benchmarks. Nothing here stands in for a part of the
product, it only starts them, in a folder that goes away afterwards.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from failsafe.agent.control import CoreUnreachable, Visitor

BOOTH: Final = "ZZ-NORTHGATE-01"
PATIENCE_S: Final = 60.0  # a small or busy machine starts its processes slowly
_LOOK_AGAIN_S: Final = 0.05
_RECORDS_A_FILE: Final = 50_000


class DemoFailed(Exception):
    """A program of the house did not do what it was asked; the text has its own words."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The lane's times: shorter than a real lane's, so that a journey is played in seconds."""

    before_s: float = 1.0
    after_s: float = 5.0


class House:
    """One headquarters and one booth.

    Args:
        folder: everything lies in it: `hq/`, `state/`, `spool/`, `keys/`, `passport-1`, `portal-1`, `core.log`.
        port: of the officer's page.
        windows: of the booth's lane.
    """

    def __init__(self, folder: Path, port: int, windows: Windows | None = None) -> None:
        self.folder = folder
        self.port = port
        self.windows = windows or Windows()
        self.configuration = folder / "booth.toml"
        self.core: subprocess.Popen[bytes] | None = None
        self.link: subprocess.Popen[bytes] | None = None
        self.server: subprocess.Popen[str] | None = None
        self.link_url = ""
        self.root_sha256 = ""
        self.held_before: list[str] = []
        self.hq_host = "127.0.0.1"
        self.hq_port = 0
        self.ccc_port = 0
        self._hq_environment = {**os.environ, "FAILSAFE_HQ_PASSPHRASE": secrets.token_urlsafe(16)}

    @property
    def reader_port(self) -> Path:
        """Where the document reader is plugged in."""
        return self.folder / "passport-1"

    @property
    def portal_port(self) -> Path:
        """Where the portal is plugged in."""
        return self.folder / "portal-1"

    # --- commands ------------------------------------------------------------------------------------------------

    def hq(self, *words: str) -> str:
        """Run `failsafe-hq`; its standard output.

        Raises:
            DemoFailed: it ended with an error.
        """
        return self._run("failsafe-hq", "--home", str(self.folder / "hq"), *words, environment=self._hq_environment)

    def booth(self, *words: str) -> str:
        """Run `failsafe` with the booth's configuration; its standard output.

        Raises:
            DemoFailed: it ended with an error.
        """
        return self._run("failsafe", *words, "--config", str(self.configuration), environment=dict(os.environ))

    def _run(self, name: str, *words: str, environment: Mapping[str, str]) -> str:
        done = subprocess.run([program(name), *words], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DemoFailed(f"`{name} {' '.join(words)}` failed:\n{done.stderr.strip()}")
        return done.stdout

    # --- setting up ----------------------------------------------------------------------------------------------

    def found_headquarters(self, records: Iterable[Mapping[str, object]]) -> None:
        """Make headquarters' keys and import `records` (notices and listed documents in the public shape)."""
        self.hq("keys", "init")
        self.take_notices(records)

    def take_notices(self, records: Iterable[Mapping[str, object]]) -> None:
        """Have headquarters import more records; they reach the booth with the next `publish` and `carry`.

        An import reads its file whole, so that very many come in several.
        """
        file = self.folder / "records.jsonl"
        lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in records)
        while part := "".join(itertools.islice(lines, _RECORDS_A_FILE)):
            file.write_text(part, encoding="utf-8")
            self.hq("import", str(file))
        file.unlink(missing_ok=True)

    def enrol(self) -> None:
        """Make the booth's keys, have headquarters enrol it, and bring the welcome back."""
        self.configure()
        self.booth("keys", "init", "--out", str(self.folder))
        self.hq("booths", "enrol", str(self.folder / f"{BOOTH}.enrol"), "--out", str(self.folder))
        welcome = self.folder / f"{BOOTH}.welcome.json"
        self.root_sha256 = json.loads(welcome.read_bytes())["root_sha256"]
        self.configure(self.root_sha256)
        self.booth("courier", "import", str(welcome))

    def carry(self) -> None:
        """Publish, and carry the publication to the booth by stick."""
        self.hq("publish")
        self.hq("courier", "export", str(self.folder / "stick"))
        self.booth("courier", "import", str(self.folder / "stick"))

    def configure(self, root_sha256: str = "") -> None:
        """Write `booth.toml`."""
        self.configuration.write_text(_booth_toml(self, root_sha256), encoding="utf-8")

    # --- headquarters' server and the link ----------------------------------------------------------------------

    def tell_programme(self, url: str) -> None:
        """Have headquarters tell the CBRNE programme at `url`."""
        self.hq("notify", "key")
        (self.folder / "hq" / "hq.toml").write_text(f'[notify.webhook]\nurl = "{url}"\n', encoding="utf-8")

    def serve_headquarters(self) -> None:
        """Start headquarters' server and wait until it listens; started again, it has the same ports.

        Raises:
            DemoFailed: it ended instead; the text has the end of its log.
        """
        words = ["serve", "--host", self.hq_host, "--port", str(self.hq_port), "--ccc-port", str(self.ccc_port)]
        with (self.folder / "hq.log").open("ab") as log:
            self.server = subprocess.Popen(
                [program("failsafe-hq"), "--home", str(self.folder / "hq"), *words],
                env=self._hq_environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.server.stdout is not None
        addresses = [self.server.stdout.readline().rpartition(":")[2].strip(" /\n") for _ in range(2)]
        if not all(address.isdecimal() for address in addresses):
            log_end = (self.folder / "hq.log").read_text(encoding="utf-8", errors="replace")[-2000:]
            raise DemoFailed(f"Headquarters' server did not start:\n{log_end}")
        self.hq_port, self.ccc_port = (int(address) for address in addresses)

    def start_link(self) -> None:
        """Start the booth's link."""
        with (self.folder / "link.log").open("ab") as log:
            self.link = subprocess.Popen(
                [program("failsafe"), "link", "--config", str(self.configuration)], stdout=log, stderr=log
            )

    def alerts_at_headquarters(self) -> list[dict[str, Any]]:
        """Every alert that headquarters holds, as its own command lists them."""
        return [json.loads(line) for line in self.hq("alerts", "--json", "--limit", "1000000").splitlines()]

    # --- the core ------------------------------------------------------------------------------------------------

    def start_core(self) -> None:
        """Start the core and wait until it answers.

        Raises:
            DemoFailed: it ended, or did not answer in time; the text has the end of its log.
        """
        with (self.folder / "core.log").open("ab") as log:
            self.core = subprocess.Popen(
                [program("failsafe"), "run", "--config", str(self.configuration)], stdout=log, stderr=log
            )
        deadline = _monotonic() + PATIENCE_S
        while self.core.poll() is None and _monotonic() < deadline:
            try:
                with self.visit():
                    return
            except CoreUnreachable:
                time.sleep(_LOOK_AGAIN_S)
        raise DemoFailed(f"The core did not start:\n{self.log()[-2000:]}")

    def visit(self, timeout_s: float | None = 20.0) -> Visitor:
        """A visit at the core's control socket."""
        return Visitor(self.folder / "core.sock", timeout_s)

    def status(self) -> dict[str, Any]:
        """What the core says of itself."""
        with self.visit() as core:
            return core.ask("status")

    def await_status(
        self, holds: Callable[[dict[str, Any]], bool], what: str, patience_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """The core's status once `holds` is true of it.

        Raises:
            DemoFailed: it did not become so in time; `what` names it.
        """
        deadline = _monotonic() + patience_s
        status = self.status()
        while not holds(status):
            if _monotonic() > deadline:
                raise DemoFailed(f"The booth did not come to {what}: {json.dumps(status)}")
            time.sleep(_LOOK_AGAIN_S)
            status = self.status()
        return status

    def await_ready(self) -> dict[str, Any]:
        """The core's status once its notices are fresh and all its devices are OK."""
        return self.await_status(
            lambda status: (
                status["mirror"]["state"] == "FRESH" and all(one["state"] == "OK" for one in status["detectors"])
            ),
            "fresh notices and working devices",
        )

    def log(self) -> str:
        """Everything the core has logged so far."""
        return (self.folder / "core.log").read_text(encoding="utf-8", errors="replace")

    def kill_core(self) -> None:
        """kill -9 of the core."""
        kill(self.core)

    def kill_link(self) -> None:
        """kill -9 of the link."""
        kill(self.link)

    def kill_headquarters(self) -> None:
        """kill -9 of headquarters' server."""
        kill(self.server)

    def stop(self) -> None:
        """End everything as systemd would; kill what does not end."""
        for process in (self.link, self.core, self.server):
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                kill(process)


def kill(process: subprocess.Popen[bytes] | subprocess.Popen[str] | None) -> None:
    """kill -9, and wait until it is gone."""
    if process is not None:
        process.send_signal(signal.SIGKILL)
        process.wait()


def program(name: str) -> str:
    """The full name of one of the product's commands.

    Raises:
        DemoFailed: it is not installed.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise DemoFailed(f"`{name}` is not installed here: install failsafe-edge with its extra [hq].")
    return found


def _booth_toml(house: House, root_sha256: str) -> str:
    return f"""\
[booth]
id = "{BOOTH}"
country = "ZZ"
crossing_point = "Northgate"
telephone = "+00 000 0000"

[hq]
root_sha256 = "{root_sha256}"

[folders]
state = "{house.folder}/state"
spool = "{house.folder}/spool"
keys = "{house.folder}/keys"

[page]
port = {house.port}

[core]
socket = "{house.folder}/core.sock"

[link]
url = "{house.link_url}"
refresh_every_s = 5.0
state = "{house.folder}/link"

[[lanes]]
name = "1"
window_before_s = {house.windows.before_s}
window_after_s = {house.windows.after_s}

[[readers]]
name = "passport-1"
lane = "1"
driver = "cute"
port = "{house.reader_port}"

[[portals]]
name = "portal-1"
lane = "1"
driver = "tsa"
port = "{house.portal_port}"
"""


def _monotonic() -> float:
    return time.monotonic()  # noqa: TID251 - whoever waits for processes lives by the clock
