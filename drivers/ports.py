"""The serial ports of this machine: their lasting names, and which program holds them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from failsafe.drivers.line import listed_ports

# The best name first: one that a udev rule of this booth gave, the device's own number, the socket it is plugged into.
_LINKS: Final = (Path("/dev/failsafe"), Path("/dev/serial/by-id"), Path("/dev/serial/by-path"))
_PROCESSES: Final = Path("/proc")
# Who made a pseudo-terminal holds both of its ends; that keeps nobody away.
_NO_DEVICE: Final = "/dev/pts/"


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port.

    Attributes:
        path: to open it by, and to write into a configuration: the most lasting name it has.
        device: what that name points at now.
        description: what the adapter says of itself; may be empty.
    """

    path: str
    device: str
    description: str = ""


def ports(links: Iterable[Path] = _LINKS) -> tuple[Port, ...]:
    """All that this machine has."""
    lasting = dict(_lasting(links))
    found = {device: about for device, about in listed_ports() if about or not device.startswith("/dev/ttyS")}
    devices = dict.fromkeys((*found, *lasting))  # a link may point at what pyserial does not list
    return tuple(Port(lasting.get(device, device), device, found.get(device, "")) for device in devices)


def port(path: str, links: Iterable[Path] = _LINKS) -> Port:
    """The port that somebody names; a name that will not last gives way to one that does."""
    device = os.path.realpath(path)
    lasting = path if Path(path).is_symlink() else dict(_lasting(links)).get(device, path)
    about = next((about for listed, about in listed_ports() if listed == device), "")
    return Port(lasting, device, about)


def _lasting(links: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Devices with their links; the best one comes last, so that a dictionary keeps it."""
    for folder in reversed([*links]):
        with suppress(OSError):
            for link in sorted(folder.iterdir()):
                yield os.path.realpath(link), str(link)


def holders(device: str, processes: Path = _PROCESSES) -> tuple[str, ...]:
    """The programs that have the port open, as `name (pid 812)`, as far as this user may know; never ourselves."""
    return () if device.startswith(_NO_DEVICE) else tuple(_holders(device, processes))


def _holders(device: str, processes: Path) -> Iterator[str]:
    with suppress(OSError):
        for process in processes.iterdir():
            if process.name.isdecimal() and int(process.name) != os.getpid() and _has_open(process, device):
                with suppress(OSError):
                    name = (process / "comm").read_text("utf-8", "replace").strip()
                    yield f"{name} (pid {process.name})"


def _has_open(process: Path, device: str) -> bool:
    with suppress(OSError):  # another user's, or ended meanwhile
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if descriptor.readlink() == Path(device):
                    return True
    return False
