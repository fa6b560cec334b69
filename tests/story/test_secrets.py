"""After a shift with hits: what anybody finds who takes the booth's files, the stick or the log, but not its keys.

No name, no zone, no document number, no key. And of a traveller about whom there was nothing, not even the booth with
its keys knows anything any more.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from failsafe.agent.demo.cast import LISTED, PERSONS
from failsafe.drivers.specimens import td3
from failsafe.sync.ledger import Ledger
from failsafe.sync.mirror import Mirror
from tests.story.journey import Journey

# Beside the booth in the journey's folder: headquarters, the keys themselves, and what only says who the booth is.
NOT_THE_BOOTHS = ("hq", "keys", "records.jsonl", "invented.jsonl")
SHORTEST = 6  # shorter ones could stand anywhere by chance

SUBJECT = td3("EXAMPLOV", "TESTIMIR", "GE5550001", "GEO", "690417", "M", "310101")
ALIAS = td3("VIDUMANENKO", "ALEXEI", "UA5550002", "UKR", "710930", "M", "310101")
THIEF = td3("UNLUCKYSON", "URSULINA", str(LISTED[0]["number"]), "FRA", "660101", "F", "310101")
PATIENT = td3("PATIENTSON", "PAULINETTE", "IT5550003", "ITA", "551231", "F", "310101")
INNOCENT = td3("GUILTLESSON", "PIAMARIA", "EE5550004", "SWE", "870506", "F", "310101")
UNREADABLE = ("P<GBRBLURREDSON<<BARTHOLOMEA<<<<<<<<<<<<<<<<<", "GB5550?0??GBR9001011F3101017<<<<<<<<<<<<<<?0")
FOUND = (SUBJECT, ALIAS, THIEF)
NOT_FOUND = (PATIENT, INNOCENT, UNREADABLE)


def spellings(*texts: str) -> set[bytes]:
    """A text as it might lie in a file: in each case, and in the encodings a program might use."""
    return {
        form.encode(encoding)
        for text in texts
        if len(text) >= SHORTEST
        for form in (text, text.lower(), text.title())
        for encoding in ("utf-8", "utf-16-le")
    }


def of_zone(zone: tuple[str, ...]) -> set[bytes]:
    """Zone lines, names and number of a traveller."""
    names = [part for part in zone[0][5:].split("<") if part]
    return spellings(*zone, *names, zone[1][:9].replace("?", ""))


def of_notices() -> set[bytes]:
    """Every name of the notices of this shift, aliases and original scripts included."""
    names = []
    for person in PERSONS:
        for one in (person, *person.get("aliases", ())):
            names += [str(value) for key, value in one.items() if "name" in key]
    assert "ВИДУМАНЕНКО" in names
    return spellings(*names)


def of_keys(folder: Path) -> set[bytes]:
    """Every key of a folder, whole and its parts of 32 bytes, raw and in the ways keys are written down."""
    found = set()
    for file in folder.glob("*.key"):
        key = file.read_bytes()
        for part in {key, *(key[start : start + 32] for start in range(0, len(key), 32))}:
            found |= {part, part.hex().encode(), part.hex().upper().encode(), base64.b64encode(part).rstrip(b"=")}
    return found


def files(booth: Journey) -> Iterator[Path]:
    """Everything that the booth, the courier or the shift left in the folder."""
    for file in sorted(booth.folder.rglob("*")):
        if file.is_file() and file.relative_to(booth.folder).parts[0] not in NOT_THE_BOOTHS:
            yield file


def check_nowhere(booth: Journey, needles: set[bytes]) -> int:
    """None of the needles is in any file; how many files that were."""
    assert needles
    seen = 0
    for file in files(booth):
        content = file.read_bytes()
        assert not [1 for needle in needles if needle in content], f"{file.relative_to(booth.folder)} tells too much"
        seen += 1
    return seen


def decrypted(store: Ledger | Mirror) -> bytes:
    """Every cell of every table, as who has the keys can read it."""
    tables = [name for (name,) in store._store.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert len(tables) > 3
    cells = []
    for table in tables:
        for row in store._store.rows(f"SELECT * FROM {table}"):
            cells += [cell if isinstance(cell, bytes) else str(cell).encode() for cell in row]
    return b"\n".join(cells)


@pytest.fixture(scope="module")
def booth(begin: Callable[..., Journey]) -> Journey:
    """A shift: three hits, a medical alarm, an innocent, a zone that could not be read; then the core ends."""
    journey = begin()
    journey.plug_in()
    journey.start_core()
    journey.await_ready()
    for zone in FOUND:
        journey.reader.present(zone)
        journey.listener.await_verdict(lambda verdict: bool(verdict["alerts"]), "a hit")
    journey.reader.present(INNOCENT)
    journey.portal.passage(seconds=1.0)
    journey.listener.await_verdict(lambda verdict: verdict["word"] == "CLEAR", "CLEAR")
    journey.reader.present(UNREADABLE)
    journey.listener.await_verdict(lambda verdict: "REREAD" in verdict["actions"], "unreadable")
    journey.reader.present(PATIENT)
    journey.portal.passage(gamma_alarm=True, seconds=1.0)
    alarm = journey.listener.await_verdict(lambda verdict: bool(verdict["alerts"]), "an alarm")
    assert [alert["kind"] for alert in alarm["alerts"]] == ["radiation_alarm"]
    assert (journey.folder / "state" / "ledger.db-wal").stat().st_size > 0
    check_nowhere(journey, set().union(*map(of_zone, (*FOUND, *NOT_FOUND))))  # while the log of writes lies there
    journey.bring(journey.folder / "stick")
    journey.stop_core()
    return journey


def test_no_file_names_a_traveller(booth: Journey) -> None:
    assert check_nowhere(booth, set().union(*map(of_zone, (*FOUND, *NOT_FOUND)))) > 10


def test_no_file_names_the_subject_of_a_notice(booth: Journey) -> None:
    check_nowhere(booth, of_notices() | spellings(*(str(one["number"]) for one in LISTED)))


def test_no_file_holds_a_key(booth: Journey) -> None:
    own = of_keys(booth.folder / "keys")
    assert len(own) >= 4 * 4
    check_nowhere(booth, own | of_keys(booth.folder / "hq" / "online"))


def test_the_log_tells_of_the_shift_without_telling_of_whom(booth: Journey) -> None:
    log = booth.log()
    assert log.count("event=verdict") >= 6 and "Traceback" not in log and "fault of its own" not in log
    assert "alerts=radiation_alarm" in log


def test_the_search_covers_what_it_should(booth: Journey) -> None:
    """Were one of these folders passed over, the tests above would pass for nothing."""
    searched = {str(file.relative_to(booth.folder)) for file in files(booth)}
    assert {"state/mirror.db", "state/ledger.db", "core.log", "spool/in/metadata/timestamp.json"} <= searched
    assert any(name.startswith("stick/targets/feed/base/") for name in searched)


def test_with_the_keys_the_ledger_knows_who_was_found_and_nobody_else(booth: Journey) -> None:
    with booth.open_ledger() as ledger:
        known = decrypted(ledger)
        searches = list(ledger.searches())
    for zone in FOUND:
        assert zone[0].encode() in known and zone[1].encode() in known  # an alert has the zone as it was read
    for zone in NOT_FOUND:
        assert not [needle for needle in of_zone(zone) if needle in known]
    assert b"radiation_alarm" in known
    assert {line.verdict for line in searches} >= {"STOP", "CLEAR", "CANNOT CLEAR"}


def test_with_the_keys_the_mirror_knows_the_notices_and_no_traveller(booth: Journey) -> None:
    with booth.open_mirror() as mirror:
        known = decrypted(mirror)
    assert b"EXAMPLOV" in known and "ВИДУМАНЕНКО".encode() in known
    for zone in (*FOUND, *NOT_FOUND):
        assert zone[0].encode() not in known and zone[1].encode() not in known
    for zone in NOT_FOUND:
        assert not [needle for needle in of_zone(zone) if needle in known]
