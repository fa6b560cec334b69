"""The demonstration's script: persons who are nobody, and what happens to them at the lane."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from failsafe.drivers.simulator import DocumentReader, Portal
from failsafe.drivers.specimens import td1, td2, td3


def _notice(number: int, surname: str, given: str, born: str, **more: object) -> dict[str, object]:
    """A Green Notice in the public shape, about nobody."""
    return {
        "entity_id": f"2026/{90_000 + number}",
        "notice_type": "GREEN",
        "name": surname,
        "forename": given,
        "date_of_birth": born,
        "nationalities": ["UT"] if "nationalities" not in more else more.pop("nationalities"),
        "purposes": ["Warning about a person's criminal activities; possible threat to public safety"],
        "fse": {"schema": 1, "programme": ["FAIL_SAFE", "RN"], "topics": ["rn_trafficking"], "materials": ["Cs-137"]},
        **more,
    }


# Every person here is invented, and so are the numbers.
PERSONS: Final = (
    _notice(1, "EXAMPLOV", "TESTIMIR", "1969/04/17", sex_id="M", nationalities=["GE"]),
    _notice(
        2,
        "VYDUMANENKO",
        "OLEKSII",
        "1971/09/30",
        sex_id="M",
        nationalities=["UA"],
        name_in_original_script="ВИДУМАНЕНКО",
        forename_in_original_script="ОЛЕКСІЙ",
        aliases=[
            {
                "qualification": "Good",
                "name": "VYDUMANENKO",
                "forename": "ALEKSEY",
                "name_in_original_script": "ВЫДУМАНЕНКО",
                "forename_in_original_script": "АЛЕКСЕЙ",
            }
        ],
    ),
    _notice(3, "PRETENDIAN", "ARMEN", "1980/01/05", sex_id="M", nationalities=["AM"]),
    _notice(
        4,
        "AL MUTAKHAYYAL",
        "SAMIR",
        "1975/11/02",
        sex_id="M",
        nationalities=["IQ"],
        name_in_original_script="المتخيل",
        forename_in_original_script="سمير",
    ),
)
LISTED: Final = (
    {
        "kind": "listed_document",
        "number": "ZX4410923",
        "issuing_country_id": "FR",
        "document_type": "P",
        "fraud_type": "stolen",
    },
)


@dataclass(frozen=True, slots=True)
class Stage:
    """What an act may use."""

    reader: DocumentReader
    portal: Portal


@dataclass(frozen=True, slots=True)
class Act:
    """One crossing: what happens, and the words the officer may end up with."""

    title: str
    play: Callable[[Stage], None]
    ends: tuple[str, ...]


def _passes(zone: Sequence[str], **passage: bool) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        stage.reader.present(zone)
        stage.portal.passage(seconds=2.0, **passage)

    return play


def _innocent(
    surname: str, given: str, number: str, born: str, state: str = "FRA", sex: str = "F"
) -> Callable[..., None]:
    return _passes(td3(surname, given, number, state, born, sex, "310101"))


def _card(stage: Stage) -> None:
    stage.reader.present(td1("BEISPIEL", "RUTH", "L01X00T47", "D", "840612", "F", "310101"))
    stage.portal.passage(seconds=2.0)


def _small_passport(stage: Stage) -> None:
    stage.reader.present(td2("EJEMPLO", "PEDRO", "XB1122334", "ESP", "770708", "M", "300101"))
    stage.portal.passage(seconds=2.0)


def _covered(stage: Stage) -> None:
    stage.reader.present_unreadable()


def _never_walks(stage: Stage) -> None:
    stage.reader.present(td3("WAITING", "WILMA", "WW1000001", "GBR", "900101", "F", "310101"))


def _portal_pulled(stage: Stage) -> None:
    stage.portal.pty.unplug()
    time.sleep(0.6)
    stage.reader.present(td3("UNMONITORED", "UMA", "UU1000001", "GBR", "910101", "F", "310101"))


def _portal_back(stage: Stage) -> None:
    stage.portal.pty.plug()
    time.sleep(1.5)  # the core opens the line again by itself
    stage.portal.background()
    time.sleep(0.3)
    _innocent("RETURNED", "RITA", "RR1000001", "920202")(stage)


def _misread(stage: Stage) -> None:
    """The reader takes the first digit of the listed number for a letter; its check digit tells."""
    first, second = td3("MISREAD", "MAX", "ZX4410923", "FRA", "880808", "M", "310101")
    stage.reader.present((first, second.replace("ZX4410923", "ZX44I0923", 1)))
    stage.portal.passage(seconds=2.0)


ACTS: Final = (
    Act("an innocent traveller", _innocent("SAMPLE", "ANNA", "AA1000001", "740812"), ("CLEAR",)),
    Act("a family name many share", _innocent("MARTIN", "LUC", "BB1000002", "810305", sex="M"), ("CLEAR",)),
    Act(
        "the subject of a notice, exact",
        _passes(td3("EXAMPLOV", "TESTIMIR", "GE1000003", "GEO", "690417", "M", "310101")),
        ("STOP",),
    ),
    Act("an innocent traveller", _innocent("ILLUSTRATIONS", "IDA", "CC1000004", "990101"), ("CLEAR",)),
    Act(
        "an alias, spelt another way",
        _passes(td3("VIDUMANENKO", "ALEXEI", "UA1000005", "UKR", "710930", "M", "310101")),
        ("STOP", "CHECK"),
    ),
    Act(
        "a stolen passport",
        _passes(td3("UNLUCKY", "URSULA", "ZX4410923", "FRA", "660101", "F", "310101")),
        ("STOP",),
    ),
    Act(
        "a patient after treatment",
        _passes(td3("PATIENT", "PAULA", "DD1000007", "ITA", "551231", "F", "310101"), gamma_alarm=True),
        ("STOP",),
    ),
    Act("an innocent traveller", _innocent("PLACEHOLDER", "PIA", "EE1000008", "870506"), ("CLEAR",)),
    Act("a covered zone", _covered, ("CANNOT CLEAR",)),
    Act("the same traveller, read again", _innocent("COVERED", "CLARA", "FF1000009", "930303"), ("CLEAR",)),
    Act(
        "person and radiation",
        _passes(td3("PRETENDIAN", "ARMEN", "AM1000011", "ARM", "800105", "M", "310101"), gamma_alarm=True),
        ("STOP",),
    ),
    Act("an identity card", _card, ("CLEAR",)),
    Act(
        "a neutron source in a bag",
        _passes(td3("CARRIER", "CARL", "GG1000013", "SWE", "790909", "M", "310101"), neutron_alarm=True),
        ("STOP",),
    ),
    Act("nobody walks through the portal", _never_walks, ("CANNOT CLEAR",)),
    Act("the portal is unplugged", _portal_pulled, ("CANNOT CLEAR",)),
    Act("and plugged in again", _portal_back, ("CLEAR",)),
    Act(
        "a name from Arabic script",
        _passes(td3("AL MUTAKHAYAL", "SAMEER", "IQ1000017", "IRQ", "751102", "M", "310101")),
        ("STOP", "CHECK"),
    ),
    Act("a misread number of a stolen passport", _misread, ("CHECK", "CANNOT CLEAR")),
    Act("a small passport", _small_passport, ("CLEAR",)),
    Act("an innocent traveller", _innocent("FINALE", "FLORA", "HH1000020", "010203"), ("CLEAR",)),
)
