"""Runs inside a service's sandbox and tries what it may and may not; one JSON object on standard output.

Each attempt is told as `ok` or as the name of the error the system gave. It uses Python's own library alone.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HEADQUARTERS = sys.argv[1], int(sys.argv[2])
NET = Path("/proc/self/net/dev")
CREDENTIALS = (
    sorted(Path(os.environ["CREDENTIALS_DIRECTORY"]).iterdir()) if "CREDENTIALS_DIRECTORY" in os.environ else []
)


def attempt(what: Callable[[], object]) -> str:
    try:
        what()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "ok"


def write(path: str) -> None:
    file = Path(path) / "probe"
    file.write_bytes(b"x")
    file.unlink()


def listing(path: str) -> Callable[[], object]:
    return lambda: list(Path(path).iterdir())


def connect(address: tuple[str, int]) -> None:
    socket.create_connection(address, timeout=5).close()


def executable_memory() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def new_namespace() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000):  # CLONE_NEWUSER
        raise OSError(ctypes.get_errno(), "")


def bind() -> None:
    with socket.socket() as asked:
        asked.bind(("0.0.0.0", 0))


def become_root() -> None:
    os.setuid(0)


ATTEMPTS: dict[str, Callable[[], object]] = {
    "core state": lambda: write("/var/lib/failsafe"),
    "link state": lambda: write("/var/lib/failsafe-link"),
    "spool in": lambda: write("/var/spool/failsafe/in"),
    "spool out": lambda: write("/var/spool/failsafe/out"),
    "read spool in": listing("/var/spool/failsafe/in"),
    "read spool out": listing("/var/spool/failsafe/out"),
    "control folder": listing("/run/failsafe"),
    "sealed keys": listing("/etc/failsafe/credentials"),
    "plain keys": listing("/etc/failsafe/keys"),
    "core credentials": listing("/run/credentials/failsafe-core.service"),
    "link credentials": listing("/run/credentials/failsafe-link.service"),
    "configuration": lambda: Path("/etc/failsafe/booth.toml").read_bytes(),
    "write configuration": lambda: write("/etc/failsafe"),
    "write program": lambda: write("/opt/failsafe"),
    "home": listing("/root"),
    "kernel settings": lambda: Path("/proc/sys/kernel/hostname").write_text("probe"),
    "reader": lambda: os.close(os.open("/dev/passport-1", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)),
    "internet socket": lambda: socket.socket().close(),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "headquarters": lambda: connect(HEADQUARTERS),
    "page": lambda: connect(("127.0.0.1", 8600)),
    "bind": bind,
    "executable memory": executable_memory,
    "namespace": new_namespace,
    "root": become_root,
    "stand back": lambda: os.setpriority(os.PRIO_PROCESS, 0, 10),
    "step forward": lambda: os.setpriority(os.PRIO_PROCESS, 0, 5),
    "be the first to go": lambda: Path("/proc/self/oom_score_adj").write_text("900"),
    "mount": lambda: subprocess.run(["/bin/mount", "-t", "tmpfs", "none", "/mnt"], check=True, capture_output=True),
}

told = {}
for name, tried in ATTEMPTS.items():
    try:
        told[name] = attempt(tried)
    except subprocess.CalledProcessError:
        told[name] = "refused"
print(
    json.dumps(
        {
            **told,
            "credentials": [file.name for file in CREDENTIALS],
            "modes": sorted({oct(file.stat().st_mode & 0o777) for file in CREDENTIALS}),
            "interfaces": [line.split(":")[0].strip() for line in NET.read_text().splitlines()[2:]],
            "processes": len([one for one in Path("/proc").iterdir() if one.name.isdecimal()]),
        }
    )
)
