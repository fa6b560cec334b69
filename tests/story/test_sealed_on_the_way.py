"""Who has the link has nothing: its files, its log and both spool folders tell of nobody and of no alert.

Searched for are names, numbers, zones and ids of notices, kinds of alerts and keys, as they are, and as they would look
inside base64, wherever they might begin there.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Set
from pathlib import Path

import msgspec
import pytest

from failsafe.agent import keys
from failsafe.agent.demo.cast import LISTED, PERSONS
from failsafe.sync.reports import Envelope
from tests.story.both_ends import BothEnds, both_ends, patient, thief
from tests.story.conftest import LATE_NOTICE
from tests.story.journey import Journey, wanted
from tests.story.test_secrets import of_keys, of_notices, of_zone, spellings

KINDS = ("notice_hit", "listed_document", "radiation_alarm", "person_and_radiation")
STEPS = (4096, 16384, 65536)  # of what is sealed
TELLTALES = (b'"record"', b'"surname"', b'"zone"', b'"verdict"', b'"radiation"', b"CHECK", b"STOP", b'"tier"')


def in_base64(needle: bytes) -> set[bytes]:
    """What of `needle` stands in any base64 text that holds it, however many bytes come before it."""
    found = {needle}
    for before in range(3):
        coded = base64.b64encode(bytes(before) + needle)
        # The first and last characters share bits with what stands around the needle.
        core = coded[-(-8 * before // 6) : (8 * (before + len(needle))) // 6]
        if len(core) >= 8:
            found |= {core, core.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def test_the_search_finds_what_is_hidden_in_base64() -> None:
    """Were this wrong, all that follows would pass for nothing."""
    for before in range(7):
        for after in range(4):
            text = base64.b64encode(b"\xff" * before + b"EXAMPLOV" + b"\xaa" * after)
            assert [needle for needle in in_base64(b"EXAMPLOV") if needle in text]
    assert not [needle for needle in in_base64(b"EXAMPLOV") if needle in base64.b64encode(b"EXAMPLED" * 3)]


@pytest.fixture(scope="module")
def booth(founded: Journey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothEnds]:
    """Hits of each kind: some have arrived, some lie in the tray of a cut line, with the link alive beside them."""
    with both_ends(founded, tmp_path_factory.mktemp("sealed")) as house:
        for act in (house.meet_thief, house.meet_wanted, house.meet_patient, house.meet_carrier):
            act()
        house.await_empty()
        house.take_notices([{**LATE_NOTICE, "entity_id": "2026/91003", "name": "FOURTHOV"}])
        house.hq("publish")
        house.await_status(lambda status: status["mirror"]["feeds"]["base"]["serial"] == 3, "the feed, fetched")
        house.await_empty()
        house.wire.cut()
        house.await_link("down")
        house.listener.catch_up()
        waiting = set()
        for act in (house.meet_carrier, house.meet_patient, house.meet_thief, house.meet_wanted):
            waiting |= {alert["id"] for alert in act()["alerts"]}
        house.await_laid_out(waiting)
        yield house


def needles(booth: BothEnds) -> dict[str, set[bytes]]:
    """Everything that must not be found, by what it is."""
    alerts = booth.kept(booth.set_down(booth.folder / "state", booth.folder / "copy")).alerts
    assert {alert.kind for alert in alerts} == set(KINDS)
    numbers = range(1, booth.next_number())
    zones = set().union(*(of_zone(make(number)) for make in (wanted, thief, patient) for number in numbers))
    ids = spellings(*(str(person["entity_id"]) for person in PERSONS), *(str(one["number"]) for one in LISTED))
    crossings = {alert.crossing.encode() for alert in alerts if alert.crossing}
    assert len(crossings) >= 6
    own = of_keys(booth.folder / "keys") | {(booth.folder / "keys" / keys.LINK_KEY).read_bytes()}
    return {
        "a traveller": zones,
        "a notice": of_notices() | ids | spellings("FOURTHOV", "2026/91003"),
        "a kind": {kind.encode() for kind in KINDS},
        "a field or word": set(TELLTALES),
        "a crossing": crossings,
        "a key": own | of_keys(booth.folder / "hq" / "online"),
    }


def seen_by_the_link(booth: BothEnds) -> list[Path]:
    """The link's own folder, its log, and the spool."""
    places = [booth.folder / "link", booth.folder / "link.log", booth.folder / "spool"]
    return [file for place in places for file in (place, *sorted(place.rglob("*"))) if file.is_file()]


def check_tell_nothing(booth: BothEnds, secrets: dict[str, set[bytes]]) -> Set[str]:
    """None of them is in any file that the link sees; the names of those files."""
    searched = {what: set().union(*map(in_base64, raw)) for what, raw in secrets.items()}
    names = set()
    for file in seen_by_the_link(booth):
        try:
            content = file.read_bytes()
        except FileNotFoundError:  # a receipt that the link has just cleared away
            continue
        name = str(file.relative_to(booth.folder))
        for what, texts in searched.items():
            assert not [1 for text in texts if text in content], f"{name} tells {what}"
            assert not [1 for text in texts if text in name.encode()], f"the name {name} tells {what}"
        names.add(name)
    return names


@pytest.mark.slow
def test_files_of_link_and_spool_tell_nothing(booth: BothEnds) -> None:
    secrets = needles(booth)
    names = check_tell_nothing(booth, secrets)
    assert {"link.log", "link/client.pem", "spool/out/heartbeat.json", "spool/in/link.json"} <= names
    assert len([name for name in names if name.startswith("spool/out/alerts/")]) >= 4
    assert [name for name in names if name.startswith("spool/in/targets/feed/base/")]
    assert [name for name in names if name.startswith("spool/in/keys/base/")]


@pytest.mark.parametrize("name", ["core.log", "link.log", "hq.log"])
def test_no_log_tells_of_anybody(booth: BothEnds, name: str) -> None:
    """Core and headquarters read what they judge; neither writes it down beside its own books."""
    secrets = needles(booth)
    log = (booth.folder / name).read_bytes()
    assert b"event=" in log, "it logs"
    for what in ("a traveller", "a notice", "a key"):
        assert not [1 for text in secrets[what] if text in log], f"{name} tells {what}"


def test_the_same_search_finds_it_all_where_it_may_be(booth: BothEnds) -> None:
    """Headquarters, which may read, has it in its database: the needles are the right ones."""
    alerts = b"".join(msgspec.json.encode(line.alert) for line in booth.arrived().view.alerts)
    for what, texts in needles(booth).items():
        assert [1 for text in texts if text in alerts] or what == "a key", f"never even at headquarters: {what}"


def test_an_envelopes_size_tells_little(booth: BothEnds) -> None:
    """Padded to steps: whether it names a person, or how many notices it met, does not show."""
    alerts = {alert.id for alert in booth.kept(booth.set_down(booth.folder / "state", booth.folder / "copy")).alerts}
    sizes, others = set(), set()  # a measurement of a long passage is longer than an alert
    for name in booth.laid_out():
        envelope = msgspec.json.decode((booth.out / name).read_bytes(), type=Envelope)
        (sizes if envelope.id in alerts else others).add(len(envelope.sealed))
        assert set(msgspec.json.decode((booth.out / name).read_bytes())) == {
            "id",
            "booth",
            "urgency",
            "recipient",
            "sealed",
        }
    (size,) = sizes
    assert 4096 <= size < 4096 + 2048
    assert others <= {size - STEPS[0] + step for step in STEPS}


def test_the_link_has_no_file_of_the_core_open(booth: BothEnds) -> None:
    assert booth.link is not None
    opened = open_files(booth.link.pid)
    assert any(file == booth.folder / "link.log" for file in opened), "this looks at the right process"
    for secret in ("state", "keys", "hq"):
        assert not [file for file in opened if file.is_relative_to(booth.folder / secret)], secret
    assert not [file for file in opened if file.name in ("core.log", "core.sock")]
    assert booth.core is not None
    assert any(file.is_relative_to(booth.folder / "state") for file in open_files(booth.core.pid)), "the core has"


def open_files(pid: int) -> set[Path]:
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(descriptor.readlink())
        except FileNotFoundError:  # closed meanwhile
            continue
    return found


def test_the_link_has_not_even_loaded_what_opens_a_ledger(booth: BothEnds) -> None:
    assert booth.link is not None and booth.core is not None
    mapped = {
        who: Path(f"/proc/{process.pid}/maps").read_text()
        for who, process in (("link", booth.link), ("core", booth.core))
    }
    assert re.search(r"sqlcipher3/.*\.so", mapped["core"])
    assert not re.search(r"sqlcipher", mapped["link"])


def test_the_links_word_on_itself_names_nobody(booth: BothEnds) -> None:
    """It is shown on the officer's page: an address, a state, and what to do."""
    said = booth.link_says()
    assert said["state"] == "down" and set(said) <= {"state", "since", "last_contact", "detail"}
    assert str(booth.folder) not in said["detail"]


def test_receipts_and_what_delivery_leaves_tell_nothing_either(booth: BothEnds) -> None:
    secrets = needles(booth)
    booth.kill_core()  # so that the receipts stay where they are
    booth.wire.mend()
    booth.await_receipts(booth.ids_laid_out())
    names = check_tell_nothing(booth, secrets)
    assert len([name for name in names if name.startswith("spool/in/receipts/")]) >= 4
    booth.start_core()
    booth.await_empty()
    names = check_tell_nothing(booth, secrets)
    assert not [name for name in names if name.startswith("spool/out/alerts/")]
