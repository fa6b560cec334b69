"""A booth as a machine: Debian booted by its own systemd in a container, the product installed in it from the wheel.

Headquarters stands outside, at the other end of a virtual network cable; reader and portal are pseudo-terminals that
drivers/simulator.py speaks over. What is started here is ended here, by its id.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from failsafe.agent.control import CoreUnreachable, Visitor
from failsafe.agent.demo.house import BOOTH, DemoFailed, House
from failsafe.drivers.simulator import DocumentReader, Portal, Pty
from tests.conftest import PROJECT

PATIENCE_S = 40.0
LOOK_AGAIN_S = 0.1
# Debian's release whose own Python the packages of this environment were built for.
RELEASES = {(3, 11): "bookworm", (3, 13): "trixie"}
PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3", "python3-venv", "faketime")
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "systemd-analyze": "systemd",
}
HQ_ADDRESS, BOOTH_ADDRESS = "10.231.77.1", "10.231.77.2"
PREFIX = Path("opt/failsafe")
HQ_EXTRA = Path("opt/failsafe-hq-extra")
DIALOUT = 20  # Debian's fixed number
WATCHDOG_S = 8
PROGRAM = f"/{PREFIX}/bin/failsafe"
UNITS = ("failsafe-core", "failsafe-link")


def run(*words: object, **more: Any) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, timeout=600, **more)
    if done.returncode:
        raise DemoFailed(f"`{' '.join(map(str, words))[:200]}` failed:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


def why_not() -> str | None:
    """Why no machine can be booted here, with what to do about it; None if one can."""
    if os.geteuid():
        return "booting a booth needs root"
    if sys.version_info[:2] not in RELEASES:
        return f"no release of Debian has this Python; use one of {RELEASES}"
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        return f"install {' '.join(missing)}"
    if not Path("/sys/fs/cgroup").is_mount():
        return "booting a booth needs a cgroup hierarchy at /sys/fs/cgroup"
    return None


# --- Debian, and the product in it -----------------------------------------------------------------------------


def debian() -> Path:
    """A minimal Debian, made once and kept; FAILSAFE_BOOTH_CACHE says where, else .cache of the tree."""
    release = RELEASES[sys.version_info[:2]]
    mark = hashlib.sha256(repr((release, PACKAGES)).encode()).hexdigest()[:12]
    shelf = Path(os.environ.get("FAILSAFE_BOOTH_CACHE", PROJECT / ".cache")) / "booth"
    kept = shelf / f"{release}-{mark}.tar"
    if not kept.exists():
        shelf.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(f".{os.getpid()}")
        words = ["--variant=minbase", "--mode=root", "--format=tar", f"--include={','.join(PACKAGES)}"]
        run("mmdebstrap", *words, "--aptopt=Acquire::Languages none", release, unfinished, *_sources(release))
        unfinished.rename(kept)
    return kept


def _sources(release: str) -> list[str]:
    """This machine's own sources of packages, where it runs the same release; else mmdebstrap's."""
    own = Path("/etc/apt/sources.list.d/debian.sources")
    return [str(own)] if own.exists() and release in own.read_text("utf-8") else []


def locked(what: str) -> dict[str, str]:
    """Name and version of everything that a booth, or headquarters, installs beside the wheel."""
    text = (PROJECT / "requirements" / f"{what}.txt").read_text("utf-8")
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", text, flags=re.MULTILINE))


def install_packages(site: Path, packages: Mapping[str, str]) -> None:
    """Copy the locked packages from this environment, which was installed by the same lock with its hashes."""
    for name, version in packages.items():
        found = importlib.metadata.distribution(name)
        assert found.version == version, f"{name} is {found.version} here and {version} in the lock: make setup"
        for file in found.files or ():
            if file.parts[0] != "..":  # no scripts: theirs name this environment's Python
                target = site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(str(file.locate()), target)


def wheel(folder: Path) -> Path:
    """The wheel, built offline from a copy of the tree."""
    source = folder / "source"
    ignored = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "tests", "docs")
    shutil.copytree(PROJECT, source, ignore=ignored)
    words = ("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source)
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", *words)
    (made,) = folder.glob("*.whl")
    return made


def install(root: Path, folder: Path) -> None:
    """Put the wheel and what it needs into `root` at /opt/failsafe, and the files of `systemd/` beside it."""
    run("chroot", root, "python3", "-m", "venv", "--without-pip", f"/{PREFIX}")
    (site,) = (root / PREFIX / "lib").glob("python3.*/site-packages")
    booth = locked("booth")
    install_packages(site, booth)
    # What headquarters has beyond a booth lies apart, so that the booth is tried without it.
    install_packages(root / HQ_EXTRA, {name: one for name, one in locked("hq").items() if name not in booth})
    made = shutil.copy(wheel(folder), root / "srv")
    words = ("install", "-q", "--no-deps", "--no-index", "--root-user-action=ignore", "--no-warn-script-location")
    run("chroot", root, f"/{PREFIX}/bin/python", "-m", "pip", *words, f"/srv/{Path(made).name}")
    shutil.copytree(PROJECT / "systemd", root / "srv" / "systemd")


def _is_first(process: str) -> bool:
    """Whether a process is the first of a machine of its own; nspawn has another for a moment, which makes that one."""
    try:
        status = Path("/proc", process, "status").read_text()
    except OSError:  # it has ended meanwhile
        return False
    numbers = re.search(r"^NSpid:\s+(.*)$", status, flags=re.MULTILINE)
    return numbers is not None and numbers[1].split()[-1] == "1"


# --- the machine ---------------------------------------------------------------------------------------------


class Machine(House):
    """A booth that boots, with a headquarters outside it.

    Args:
        folder: everything lies in it; `root/` is the booth's disk.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 8600)
        self.root = folder / "root"
        self.configuration = self.root / "etc/failsafe/booth.toml"
        self.name = f"fsb{os.getpid()}"
        self.hq_host = HQ_ADDRESS
        self.nspawn: subprocess.Popen[bytes] | None = None
        self.leader = 0
        self.ttys: dict[str, Pty] = {}
        self.reader: DocumentReader | None = None
        self.travellers = 0
        self.raised: list[str] = []
        self._stack = contextlib.ExitStack()

    # --- building ------------------------------------------------------------------------------------------------

    def build(self) -> None:
        """Debian and the product on the booth's disk; nothing of it is configured."""
        self.root.mkdir(parents=True)
        run("tar", "-C", self.root, "-xf", debian())
        install(self.root, self.folder)

    def lay_cable(self) -> None:
        """A network of two ends: headquarters' in this machine, the booth's in a namespace of its own."""
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", f"{self.name}h", "type", "veth", "peer", "name", "booth0", "netns", self.name)
        run("ip", "addr", "add", f"{HQ_ADDRESS}/30", "dev", f"{self.name}h")
        run("ip", "-n", self.name, "addr", "add", f"{BOOTH_ADDRESS}/30", "dev", "booth0")
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        run("ip", "-n", self.name, "link", "set", "booth0", "up")
        self.mend_cable()

    def cut_cable(self) -> None:
        """Pull the cable."""
        run("ip", "link", "set", f"{self.name}h", "down")

    def mend_cable(self) -> None:
        """Put it back."""
        run("ip", "link", "set", f"{self.name}h", "up")

    def plug_in(self) -> None:
        """A reader and a portal; each boot finds them as serial lines."""
        for name in ("passport-1", "portal-1"):
            pty = self._stack.enter_context(Pty(self.folder / name))
            terminal = pty.link.resolve()
            os.chown(terminal, 0, DIALOUT)
            terminal.chmod(0o660)
            self.ttys[name] = pty
        self.reader = DocumentReader(self.ttys["passport-1"], None)
        portal = Portal(self.ttys["portal-1"], pace=0.25)
        portal.start()
        self._stack.callback(portal.stop)

    # --- setting up, as docs/installation.md has it ----------------------------------------------------------------

    def found(self, records: Iterable[Mapping[str, object]]) -> None:
        """Found headquarters, install the running booth, enrol it, and start both."""
        self.hq("keys", "init", "--name", HQ_ADDRESS)
        self.take_notices(records)
        self.inside("/srv/systemd/install", "booth")
        self.configure()
        self.booth("keys", "init", "--folder", "/etc/failsafe/keys", "--out", "/root")
        self.hq("booths", "enrol", str(self.root / f"root/{BOOTH}.enrol"), "--out", str(self.root / "media"))
        welcome = f"media/{BOOTH}.welcome.json"
        self.hq("publish")
        self.serve_headquarters()
        self.link_url = f"https://{HQ_ADDRESS}:{self.hq_port}"
        self.configure(json.loads((self.root / welcome).read_bytes())["root_sha256"])
        self.inside("/srv/systemd/seal-keys")
        self.inside("runuser", "-u", "failsafe-link", "--", PROGRAM, "courier", "import", f"/{welcome}")
        # The container's serial lines are pseudo-terminals, which no booth has.
        self.drop_in("failsafe-core", "container", f"DeviceAllow=char-pts rw\nWatchdogSec={WATCHDOG_S}s")
        self.drop_in("failsafe-link", "container", f"WatchdogSec={WATCHDOG_S}s")
        self.inside("systemctl", "daemon-reload")
        self.inside("systemctl", "enable", "--now", "-q", "failsafe-core.socket", *UNITS)

    # --- power ---------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Boot, and wait until the booth's systemd has started what is enabled."""
        words = ["-q", "-D", str(self.root), "--register=no", "--keep-unit", "-b", "--console=pipe"]
        words += ["--kill-signal=SIGRTMIN+3", f"--network-namespace-path=/run/netns/{self.name}"]
        words += [f"--bind={pty.link.resolve()}:/dev/{name}" for name, pty in self.ttys.items()]
        with (self.folder / "console.log").open("ab") as log:
            self.nspawn = subprocess.Popen(
                ["systemd-nspawn", *words],
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.leader = self.await_true(self._first_child, "a first process")
        self.await_true(lambda: self._state() in ("running", "degraded", "starting"), "a systemd that answers")

    def _first_child(self) -> int:
        assert self.nspawn is not None
        assert self.nspawn.poll() is None, f"no boot:\n{(self.folder / 'console.log').read_text('utf-8')[-2000:]}"
        children = Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
        return next((int(child) for child in children if _is_first(child)), 0)

    def _state(self) -> str:
        words = ["nsenter", "-t", str(self.leader), "-a", "systemctl", "is-system-running"]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60).stdout.strip()

    def shut_down(self) -> None:
        """Switch off in order; what does not end is cut off."""
        if self.nspawn is not None and self.nspawn.poll() is None:
            os.kill(self.leader, signal.SIGRTMIN + 4)
            try:
                self.nspawn.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.cut_power()

    def cut_power(self) -> None:
        """Every process of the booth ends at once."""
        assert self.nspawn is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.leader, signal.SIGKILL)
        self.nspawn.wait(timeout=60)

    def take_away(self) -> None:
        """End everything, headquarters too, and the cable."""
        self.shut_down()
        self.stop()
        self._stack.close()
        subprocess.run(["ip", "link", "del", f"{self.name}h"], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)

    # --- inside --------------------------------------------------------------------------------------------------

    def inside(self, *words: object) -> str:
        """Run a command in the booth as root; its standard output."""
        return run("nsenter", "-t", self.leader, "-a", "--wd=/", *words)

    def booth(self, *words: str) -> str:
        """Run `failsafe` there."""
        return self.inside(PROGRAM, *words)

    def write(self, path: str, text: str) -> None:
        """Put a file on the booth's disk."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")

    def drop_in(self, unit: str, name: str, text: str) -> None:
        """Give a unit another setting; an empty text takes it away. `daemon-reload` is the caller's."""
        path = f"etc/systemd/system/{unit}.service.d/{name}.conf"
        if text:
            self.write(path, f"[Service]\n{text}\n")
        else:
            (self.root / path).unlink(missing_ok=True)

    def shown(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit."""
        told = self.inside("systemctl", "show", f"{unit}.service", f"--property={','.join(names)}")
        return dict(line.split("=", 1) for line in told.splitlines())

    def restarts(self, unit: str) -> int:
        """How often systemd has started a unit anew."""
        return int(self.shown(unit, "NRestarts")["NRestarts"])

    def send(self, unit: str, number: signal.Signals) -> None:
        """A signal to the main process of a unit."""
        self.inside("systemctl", "kill", "--kill-whom=main", f"--signal={number.name}", f"{unit}.service")

    def await_restart(self, unit: str, before: int) -> None:
        """Wait until systemd has started it anew and it said that it is ready."""

        def is_back() -> bool:
            shown = self.shown(unit, "NRestarts", "ActiveState")
            return int(shown["NRestarts"]) > before and shown["ActiveState"] == "active"

        self.await_true(is_back, f"{unit} started anew")

    def await_fed(self) -> None:
        """Wait until each service's watchdog was fed once more."""
        before = {unit: self.fed(unit) for unit in UNITS}
        self.await_true(lambda: all(self.fed(unit) != before[unit] for unit in UNITS), "watchdogs that are fed")

    def fed(self, unit: str) -> str:
        """When its watchdog was fed last."""
        return self.shown(unit, "WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"]

    def journal(self, unit: str) -> str:
        """What a unit and systemd have said about it since the boot."""
        return self.inside("journalctl", "-b", "--no-pager", "-o", "cat", "-u", unit)

    def visit(self, timeout_s: float | None = 5.0) -> Visitor:
        """A visit at the core's control socket, through the booth's own file system."""
        return Visitor(Path("/proc", str(self.leader), "root", "run", "failsafe", "core.sock"), timeout_s)

    def await_status(
        self, holds: Callable[[dict[str, Any]], bool], what: str, patience_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """The core's status once `holds` is true of it; a core that is being started anew is waited for."""
        last: dict[str, Any] = {}

        def asked() -> dict[str, Any] | None:
            try:
                last.update(self.status())
            except CoreUnreachable:
                return None
            return last if holds(last) else None

        try:
            return self.await_true(asked, what, patience_s)
        except DemoFailed as error:
            raise DemoFailed(f"{error}\n{json.dumps(last)}\n{self.journal('failsafe-core')[-3000:]}") from None

    def get(self, path: str, port: int = 8600) -> str:
        """Status and body that a page of this machine answers, asked in it; a page that does not answer raises."""
        script = (
            f"import http.client,sys;c=http.client.HTTPConnection('127.0.0.1',{port},timeout=60);"
            f"c.request('GET',{path!r});r=c.getresponse();print(r.status, r.read().decode())"
        )
        return self.inside(f"/{PREFIX}/bin/python", "-c", script)

    def await_true(self, look: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
        """What `look` gives once it is true.

        Raises:
            DemoFailed: it did not become so in time; `what` names it.
        """
        deadline = time.monotonic() + patience_s
        while not (found := look()):
            if time.monotonic() > deadline:
                raise DemoFailed(f"The booth did not come to {what}.")
            time.sleep(LOOK_AGAIN_S)
        return found

    # --- headquarters ----------------------------------------------------------------------------------------------

    def await_at_headquarters(self, ids: Sequence[str]) -> None:
        """Wait until headquarters holds the alerts of these ids."""
        self.await_true(lambda: set(ids) <= set(self.ids_at_headquarters()), f"headquarters holding {len(ids)} alerts")

    def ids_at_headquarters(self) -> list[str]:
        """The ids of all alerts there, one for each time it is stored."""
        return [line["alert"]["id"] for line in self.alerts_at_headquarters()]

    def configure(self, root_sha256: str = "") -> None:
        """Write `booth.toml`."""
        self.write("etc/failsafe/booth.toml", _BOOTH_TOML.format(root=root_sha256, url=self.link_url))


# A pseudo-terminal has no parity; asked for one again, it answers that nothing could be changed.
_BOOTH_TOML = f"""\
[booth]
id = "{BOOTH}"
country = "ZZ"
crossing_point = "Northgate"
telephone = "+00 000 0000"

[hq]
root_sha256 = "{{root}}"

[link]
url = "{{url}}"
refresh_every_s = 5.0

[[lanes]]
name = "1"
window_before_s = 0.2
window_after_s = 2.5

[[readers]]
name = "passport-1"
lane = "1"
driver = "cute"
port = "/dev/passport-1"

[[portals]]
name = "portal-1"
lane = "1"
driver = "tsa"
port = "/dev/portal-1"
parity = "N"
"""


@contextlib.contextmanager
def kept_machine(folder: Path) -> Iterator[Machine]:
    """A machine that is taken away whatever happens."""
    machine = Machine(folder)
    try:
        yield machine
    finally:
        machine.take_away()
