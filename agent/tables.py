"""The tables of `booth.toml`, as values: what may stand in each, and the defaults, which stand nowhere else.

docs/configuration.md explains each key.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from failsafe.agent.radiation.alarm_tables import BUDGETS
from failsafe.agent.radiation.budget import GAMMA_PER_OCCUPANCY, NEUTRON_PER_OCCUPANCY
from failsafe.drivers.driver import LineSettings
from failsafe.drivers.relayed import SCHEME
from failsafe.sync.records import BOOTH_ID, FEED_ID

# `\Z`, since `$` lets a line end pass, and one in an id would reach file names and sealed envelopes.
# A description says what to write instead, to who wrote something else.
BoothId = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^{BOOTH_ID.pattern}\Z",
        description="Write it as headquarters enrolled it: 2 to 32 capital letters, digits and dashes.",
    ),
]
Country = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Z]{2}\Z", description="Write the two capital letters of ISO 3166-1.")
]
FeedId = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^{FEED_ID.pattern}\Z", description='Write small letters, digits and dashes, such as "base".'
    ),
]
RootHash = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([0-9a-f]{64})?\Z",
        description="Copy the 64 characters that `failsafe-hq booths enrol` printed, or leave it empty.",
    ),
]
Address = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(https://[^\s/?#@]+(/[^\s?#]*)?)?\Z",
        description='Write "https://", the host and the port, such as "https://desk.example:8643", or leave it empty.',
    ),
]
PeerAddress = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(\d[\d.]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}\Z",
        description='Write address and port in digits, such as "192.0.2.20:10001": no name is looked up.',
    ),
]
Port = Annotated[str, msgspec.Meta(min_length=1)]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
# The tables of the own tests were drawn up for these budgets; what lies beyond would be guessed.
FalseAlarms = Annotated[
    float,
    msgspec.Meta(
        ge=BUDGETS[-1],
        le=BUDGETS[0],
        description="Write a number between 0.0001 and 0.001: for these the tables of the tests were drawn up.",
    ),
]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class BoothTable(_Table, frozen=True, kw_only=True):
    """`[booth]`: who and where this booth is; every alert carries it."""

    id: BoothId
    country: Country
    crossing_point: Word
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    telephone: Annotated[str, msgspec.Meta(max_length=40)] = ""


class HqTable(_Table, frozen=True, kw_only=True):
    """`[hq]`: whom this booth believes. `failsafe-hq booths enrol` prints `root_sha256`; empty: not enrolled yet."""

    root_sha256: RootHash = ""
    feeds: Annotated[tuple[FeedId, ...], msgspec.Meta(min_length=1)] = ("base",)


class FoldersTable(_Table, frozen=True, kw_only=True):
    """`[folders]`: `keys` empty means the folder systemd gives in CREDENTIALS_DIRECTORY.

    In `lines` each relay of a portal's line has a folder of the portal's name, with its socket.
    """

    state: str = "/var/lib/failsafe"
    spool: str = "/var/spool/failsafe"
    keys: str = ""
    lines: str = "/run/failsafe-line"


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

    url: Address = ""
    refresh_every_s: Annotated[float, msgspec.Meta(ge=5, le=86_400)] = 600.0
    key: str = ""
    certificate: str = ""
    state: Annotated[str, msgspec.Meta(min_length=1)] = "/var/lib/failsafe-link"


class LaneTable(_Table, frozen=True, kw_only=True):
    """`[[lanes]]`: one traveller at a time passes here.

    `radiation` "none" declares that the lane has no detector; headquarters sees each change of it. `kind` says what
    passes the detector, and with it which tests run. The windows say how long before and after the document an
    occupancy still belongs to the crossing, `measuring_s` for how long a device on the desk measures each traveller.
    """

    name: Word
    radiation: Literal["portal", "none"] = "portal"
    kind: Literal["vehicle", "pedestrian", "static"] = "vehicle"
    order: Literal["either", "document first", "portal first"] = "either"
    false_alarms_gamma: FalseAlarms = GAMMA_PER_OCCUPANCY
    false_alarms_neutron: FalseAlarms = NEUTRON_PER_OCCUPANCY
    measuring_s: Annotated[float, msgspec.Meta(ge=5, le=60)] = 10.0
    window_before_s: Seconds = 20.0
    window_after_s: Seconds = 30.0
    close_after_s: Seconds = 120.0


class DeviceTable(_Table, frozen=True, kw_only=True):
    """`[[readers]]`: a device on a serial line; line settings default to the driver's own."""

    name: Word
    lane: Word
    driver: Word
    port: Port
    baud: Annotated[int, msgspec.Meta(ge=300, le=4_000_000)] | None = None
    byte_size: Literal[7, 8] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stop_bits: Literal[1, 2] | None = None

    @property
    def place(self) -> str:
        """Where the device is, as the file has it."""
        return self.port

    def line(self, usual: LineSettings) -> LineSettings:
        """The line's settings: what the file says, else the driver's."""
        return LineSettings(
            baud=self.baud or usual.baud,
            byte_size=self.byte_size or usual.byte_size,
            parity=self.parity or usual.parity,
            stop_bits=self.stop_bits or usual.stop_bits,
        )


class PortalTable(DeviceTable, frozen=True, kw_only=True):
    """`[[portals]]`: a radiation detector, of any kind of lane.

    It has a serial `port`, or speaks over TCP at `address`. `nsigma` is the factor of a portal's gamma alarm, for one
    that does not tell it itself.
    """

    port: Port = ""
    address: PeerAddress = ""
    nsigma: Annotated[float, msgspec.Meta(ge=2, le=20)] | None = None

    @property
    def place(self) -> str:
        """Its serial port, or its address in the network."""
        return self.address or self.port

    def peer(self) -> tuple[str, int]:
        """Host, as the system writes it, and port of `address`.

        Raises:
            ValueError: it is no address, or not one device's.
        """
        digits, _, port = self.address.rpartition(":")
        host = ip_address(digits.strip("[]"))
        if host.is_multicast or host.is_unspecified or not 0 < int(port) < 65536:
            raise ValueError("not one device's")
        return str(host), int(port)


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
    portals: tuple[PortalTable, ...] = ()

    def socket_of(self, portal: PortalTable) -> Path:
        """Where the relay of a portal on the network is reached."""
        return Path(self.folders.lines) / portal.name / "line.sock"

    def port_of(self, device: DeviceTable) -> str:
        """What the core opens for a device: its serial port, or its relay's socket."""
        if isinstance(device, PortalTable) and device.address:
            return f"{SCHEME}{self.socket_of(device)}"
        return device.port
