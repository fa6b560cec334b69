"""Invented subjects of notices, one for each script that a name may be written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from failsafe.drivers.specimens import td3


@dataclass(frozen=True, slots=True)
class Subject:
    """Nobody: the name in Latin letters as a zone has it, and as its own script writes it."""

    script: str
    surname: str
    given: str
    own_surname: str
    own_given: str
    born: str  # YYYY-MM-DD
    state: str  # two letters
    state_3: str

    @property
    def own_name(self) -> str:
        return f"{self.own_surname}, {self.own_given}"

    def notice(self, number: int) -> dict[str, object]:
        """A Green Notice about this person, in the public shape."""
        return {
            "entity_id": f"2026/{92_000 + number}",
            "notice_type": "GREEN",
            "name": self.surname,
            "forename": self.given,
            "name_in_original_script": self.own_surname,
            "forename_in_original_script": self.own_given,
            "date_of_birth": self.born.replace("-", "/"),
            "nationalities": [self.state],
            "purposes": ["Warning about a person's criminal activities; possible threat to public safety"],
            "fse": {"schema": 1, "programme": ["FAIL_SAFE", "RN"], "topics": ["rn_trafficking"]},
        }

    def zone(self, number: int) -> tuple[str, str]:
        """A passport of this person; another `number`, another document."""
        born = self.born.replace("-", "")[2:]
        return td3(self.surname, self.given, f"XX{number:07}", self.state_3, born, "X", "351231")


SUBJECTS: Final = (
    Subject("Latin", "SABLONOVA", "ZOFIE", "ŠABLONOVÁ", "ŽOFIE", "1979-03-08", "CZ", "CZE"),
    Subject("Arabic", "AL MUTAKHAYYAL", "SAMIR", "المتخيل", "سمير", "1975-11-02", "IQ", "IRQ"),
    Subject("Cyrillic", "VYDUMANENKO", "OLEKSII", "ВИДУМАНЕНКО", "ОЛЕКСІЙ", "1971-09-30", "UA", "UKR"),
    Subject("Chinese", "FAN", "SHILI", "范", "示例", "1983-05-21", "CN", "CHN"),
    Subject("Hebrew", "DUGMAI", "BIDYON", "דוגמאי", "בדיון", "1968-12-13", "IL", "ISR"),
    Subject("Greek", "DOKIMASTOPOULOS", "FANTASIOS", "ΔΟΚΙΜΑΣΤΌΠΟΥΛΟΣ", "ΦΑΝΤΆΣΙΟΣ", "1962-07-04", "GR", "GRC"),
    Subject("Korean", "YE", "SIIN", "예", "시인", "1990-02-27", "KR", "KOR"),
    Subject("Thai", "TUAYANGSAKUN", "SOMMOT", "ตัวอย่างสกุล", "สมมติ", "1986-10-19", "TH", "THA"),
)
