"""What each table of a `booth.toml` allows alone and the whole does not, and what is legal and still a risk. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from failsafe.agent.radiation.budget import GAMMA_PER_OCCUPANCY, NEUTRON_PER_OCCUPANCY
from failsafe.agent.tables import Configuration, DeviceTable, LaneTable, MirrorTable, PortalTable
from failsafe.drivers.driver import DriverRefused, built_in, find

# Parts of the booth that have a state of their own, beside its devices.
RESERVED: Final = frozenset({"booth", "clock", "feed", "ledger", "link", "mirror", "spool"})

KeyPath = tuple[str | int, ...]

# Drivers of devices that know no passages, and of those that tell counts during passages only; `n42` may be either.
_WITHOUT_PASSAGES: Final = frozenset({"radeye", "gmc", "radpro", "bgeigie", "mightyohm", "gc10"})
_WITH_PASSAGES: Final = frozenset({"tsa"})
# So many times what is usual: then an alarm is soon taken for a false one.
_TOO_MANY_TIMES: Final = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """A fault before its line is looked up."""

    path: KeyPath
    what: str
    advice: str


@dataclass(frozen=True, slots=True)
class Readable:
    """What can be read of a file that may have faults, by the number of each table; faulty keys are left out."""

    mirror: MirrorTable | None
    lanes: Mapping[int, LaneTable]
    lane_names: tuple[str, ...]  # also of tables that cannot be read
    readers: Mapping[int, DeviceTable]
    portals: Mapping[int, PortalTable]
    unplaced: Sequence[int] = ()  # portals that are said to be nowhere

    def devices(self) -> dict[KeyPath, DeviceTable]:
        """Readers and portals, by their place in the file."""
        kinds = (("readers", self.readers), ("portals", self.portals))
        return {(kind, number): device for kind, tables in kinds for number, device in tables.items()}


def contradictions(whole: Readable) -> Iterator[Found]:
    """What each table allows alone and the whole does not; what could not be read is passed over."""
    mirror = whole.mirror
    if mirror is not None and mirror.stale_after_h > mirror.expired_after_h:
        yield Found(("mirror", "stale_after_h"), "is later than expired_after_h.", "Make it the shorter one.")
    yield from _repeated("name", {("lanes", number): lane.name for number, lane in whole.lanes.items()})
    devices = whole.devices()
    yield from _repeated("name", {place: device.name for place, device in devices.items()})
    yield from _repeated("port", {place: device.port for place, device in devices.items() if device.port})
    yield from _misplaced(whole)
    for place, device in devices.items():
        yield from _unfit(place, device, whole.lane_names)
    yield from _wrongly_guarded(whole)


def _unfit(place: KeyPath, device: DeviceTable, lanes: Sequence[str]) -> Iterator[Found]:
    """What a reader or portal names that is not there, or is not its own."""
    if lanes and device.lane not in lanes:
        yield Found((*place, "lane"), f"there is no lane `{device.lane}`.", nearest(device.lane, lanes))
    kind = str(place[0])
    yield from _wrongly_driven((*place, "driver"), device.driver, kind)
    if device.name in RESERVED:
        yield Found((*place, "name"), f"`{device.name}` is a part of the booth.", "Give the device another name.")


def _misplaced(whole: Readable) -> Iterator[Found]:
    """Portals that are nowhere, at two places, or at a place in the network that cannot be."""
    for number in whole.unplaced:
        advice = "Write `port` for a serial line, or `address` for a portal on the network."
        yield Found(("portals", number, "port"), "is missing.", advice)
    placed: dict[KeyPath, PortalTable] = {
        ("portals", number): portal for number, portal in whole.portals.items() if portal.address
    }
    yield from _repeated("address", {place: portal.address for place, portal in placed.items()})
    for place, portal in placed.items():
        if portal.port:
            yield Found((*place, "port"), "stands beside `address`.", "Keep the one that is the portal's.")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", portal.name):
            what = f"`{portal.name}` cannot be the name of a relay's unit."
            yield Found((*place, "name"), what, "Write it with letters, digits and dashes.")
        try:
            portal.peer()
        except ValueError:
            what = f"`{portal.address}` is no address of one device."
            yield Found((*place, "address"), what, 'Write its own, such as "192.0.2.20:10001".')


def _wrongly_driven(place: KeyPath, name: str, kind: str) -> Iterator[Found]:
    """A driver that there is not, that is of another kind of device, or a third party's that does not load."""
    role = "document" if kind == "readers" else "radiation"
    try:
        fits = find(name).role == role
    except DriverRefused as refused:
        yield Found(place, refused.detail, refused.advice)
        return
    except KeyError:
        fits = False
    if not fits:
        fitting = [driver.name for driver in built_in() if driver.role == role]
        yield Found(place, f"`{name}` is no driver for {kind}.", nearest(name, fitting))


def _wrongly_guarded(whole: Readable) -> Iterator[Found]:
    """Lanes whose word on radiation and whose portals do not agree."""
    guarded = [portal.lane for portal in whole.portals.values()]
    for number, lane in whole.lanes.items():
        if lane.radiation == "none" and lane.name in guarded:
            what, advice = "declares no detector and has a portal.", 'Set radiation = "portal", or take the portal out.'
            yield Found(("lanes", number, "radiation"), f"lane `{lane.name}` {what}", advice)
    for earlier, (number, portal) in enumerate(whole.portals.items()):
        if portal.lane in guarded[:earlier]:  # a quiet passage of one must not stand for the other's
            what = f"lane `{portal.lane}` has a portal already."
            yield Found(("portals", number, "lane"), what, "One portal a lane: give this one a lane of its own.")


def _repeated(key: str, words: Mapping[KeyPath, str]) -> Iterator[Found]:
    """A fault for each table whose word an earlier table has."""
    seen: set[str] = set()
    for place, word in words.items():
        if word in seen:
            yield Found((*place, key), f"`{word}` is given twice.", "It stands once; correct one of them.")
        seen.add(word)


def nearest(word: str, known: Iterable[str]) -> str:
    """Which of the known words was meant, whatever their case; else which there are."""
    spelt = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(word.casefold().replace("-", "_"), spelt, n=1, cutoff=0.5) or (
        difflib.get_close_matches(word.casefold(), spelt, n=1, cutoff=0.5)
    )
    return (
        f"Did you mean `{spelt[near[0]]}`?" if near else f"Known here: {', '.join(sorted(spelt.values())) or 'none'}."
    )


# --- what is legal and still a risk --------------------------------------------------------------------------------


def risks(configuration: Configuration) -> Iterator[Found]:
    """Settings that nothing forbids, each with what it means."""
    booth, hq, page = configuration.booth, configuration.hq, configuration.page
    if not booth.telephone:
        yield Found(("booth", "telephone"), "no number is shown on a STOP.", "Write the command centre's.")
    if (booth.latitude is None) != (booth.longitude is None):
        have = "latitude" if booth.longitude is None else "longitude"
        yield Found(("booth", have), "stands alone: alerts carry no position.", "Give latitude and longitude both.")
    if not hq.root_sha256 or set(hq.root_sha256) == {"0"}:
        what = "not enrolled yet: no publication is believed."
        yield Found(("hq", "root_sha256"), what, "Write what `failsafe-hq booths enrol` prints.")
    if page.port < 1024:
        yield Found(("page", "port"), "is a port of the system's.", "Take one from 1024 on, such as 8600.")
    if configuration.link.url and configuration.link.refresh_every_s > configuration.mirror.stale_after_h * 3600:
        what = "is longer than the notices stay fresh."
        yield Found(("link", "refresh_every_s"), what, "Take some minutes: 600.")
    yield from _of_lanes(configuration)
    yield from _of_addresses(configuration)
    yield from _of_detectors(configuration)
    for kind, tables in (("readers", configuration.readers), ("portals", configuration.portals)):
        for number, device in enumerate(tables):
            if re.match(r"/dev/tty(USB|ACM)\d", device.port):
                what = "may name another device after the next start."
                advice = "Take a stable name: /dev/serial/by-id/..., or a udev symlink."
                yield Found((kind, number, "port"), what, advice)


def _of_addresses(configuration: Configuration) -> Iterator[Found]:
    for number, portal in enumerate(configuration.portals):
        if not portal.address:
            continue
        for key in ("baud", "byte_size", "parity", "stop_bits"):
            if getattr(portal, key) is not None:
                advice = "Set it at the converter that has the portal's serial line, and take it out here."
                yield Found(("portals", number, key), "means nothing over the network.", advice)


def _of_lanes(configuration: Configuration) -> Iterator[Found]:
    guarded = {portal.lane for portal in configuration.portals}
    read = {reader.lane for reader in configuration.readers}
    for number, lane in enumerate(configuration.lanes):
        place: KeyPath = ("lanes", number)
        if lane.radiation == "none":
            what = f"lane {lane.name} is cleared without a detector, and headquarters is told."
            yield Found((*place, "radiation"), what, "Set it to portal once the lane has one.")
        elif lane.name not in guarded:
            what = f"nobody can be cleared in lane {lane.name}: it has no portal."
            yield Found((*place, "radiation"), what, "Give it a portal, or set it to none.")
        elif lane.kind != "static" and not (lane.window_before_s and lane.window_after_s):
            key = "window_after_s" if not lane.window_after_s else "window_before_s"
            what = "is zero: a passage on that side of the document never belongs to the crossing."
            yield Found(
                (*place, key), what, "Measure how long travellers walk between portal and reader; 20 and 30 are usual."
            )
        if lane.close_after_s <= lane.window_after_s and lane.radiation == "portal":
            what = "ends a crossing before its passage may begin."
            yield Found((*place, "close_after_s"), what, "Make it longer than window_after_s.")
        yield from _of_tests(place, lane)
        if lane.name not in read:
            what = f"lane {lane.name} has no document reader: everything is typed in."
            yield Found((*place, "name"), what, "Give it one in [[readers]], if there is one.")


def _of_tests(place: KeyPath, lane: LaneTable) -> Iterator[Found]:
    """What a lane allows its own tests."""
    usual = {"false_alarms_gamma": GAMMA_PER_OCCUPANCY, "false_alarms_neutron": NEUTRON_PER_OCCUPANCY}
    for key, allowed in usual.items():
        if getattr(lane, key) > _TOO_MANY_TIMES * allowed * 0.999:
            what = f"allows {_TOO_MANY_TIMES:.0f} times as many false alarms as usual: people stop believing them."
            yield Found((*place, key), what, f"Take {allowed:g}.")
    if lane.kind == "static" and lane.close_after_s <= lane.measuring_s:
        what = "ends a crossing before it was measured."
        yield Found((*place, "close_after_s"), what, "Make it longer than measuring_s.")


def _of_detectors(configuration: Configuration) -> Iterator[Found]:
    """Detectors that do not fit what passes their lane."""
    kinds = {lane.name: lane.kind for lane in configuration.lanes}
    for number, portal in enumerate(configuration.portals):
        place: KeyPath = ("portals", number)
        kind = kinds[portal.lane]
        if kind != "static" and portal.driver in _WITHOUT_PASSAGES:
            what = f"knows no passages: nobody can be cleared in the {kind} lane {portal.lane}."
            yield Found((*place, "driver"), what, 'Stand it on a desk and set the lane\'s kind = "static".')
        if kind == "static" and portal.driver in _WITH_PASSAGES:
            what = f"counts during passages only: nobody can be cleared in the static lane {portal.lane}."
            yield Found((*place, "driver"), what, 'Set the lane\'s kind to "vehicle" or "pedestrian".')
        if portal.nsigma is not None and (kind == "static" or portal.driver in _WITHOUT_PASSAGES):
            yield Found((*place, "nsigma"), "means nothing to this device.", "Leave it out.")
