"""Every code the booth shows, in words for the officer: the page gets them as `/words.js`, a terminal may use them.

A code that is missing here is shown as it came: the page never drops what it does not know.
"""

from __future__ import annotations

from typing import Final

from failsafe.agent.radiation import adjudication
from failsafe.screens.words import SHARED

ACTIONS: Final = {
    "PROCEED": "Let the traveller proceed.",
    "WAIT_PORTAL": "Wait: the detector has not finished with this traveller.",
    "WAIT_NOTICES": "Wait: the notices are still being checked after the start.",
    "REREAD": "Read the document again, or enter it by hand (M).",
    "REFER_SECONDARY": "Refer the traveller to second line.",
    "RADIATION_SCREEN": "Screen traveller, luggage and vehicle for radiation.",
    "NOTIFY_CCC": "Notify the command centre (CCC).",
    "DO_NOT_DETAIN_ON_NOTICE_ALONE": "Do not detain on the notice alone.",
    "TELEPHONE_CCC": "Telephone the command centre (CCC) now.",
}

# State -> the verdict's word whose shape marks it (NONE: a plain dot), and what is said beside the shape.
RADIATION: Final = {
    "quiet": ("CLEAR", "Quiet", "The passage ended without an alarm."),
    "none declared": ("NONE", "No detector on this lane", "Verdicts here are about the person only."),
    "awaited": ("NONE", "Awaiting the portal", "The passage has not ended yet."),
    "alarm": ("STOP", "ALARM", "Radiation passed with this traveller or vehicle."),
    "not monitored": ("CANNOT CLEAR", "Not monitored", "No detector vouches for this passage."),
}
MIRROR: Final = {
    "FRESH": ("CLEAR", "current"),
    "STALE": ("CHECK", "ageing"),
    "EXPIRED": ("CANNOT CLEAR", "EXPIRED"),
    "EMPTY": ("CANNOT CLEAR", "NONE HELD"),
    "UNKNOWN": ("CANNOT CLEAR", "AGE UNKNOWN"),
    "CHECKING": ("CANNOT CLEAR", "BEING CHECKED"),
}
# The link's own word (`LinkWord`) -> the same; it is shown and never acted on.
LINK: Final = {
    "starting": ("NONE", "starting"),
    "up": ("CLEAR", "connected"),
    "down": ("CHECK", "no connection"),
    "tls-refused": ("CHECK", "certificate refused"),
    "hq-refuses": ("CHECK", "headquarters refuses"),
    "feed-refused": ("CHECK", "publication refused"),
    "stopped": ("CHECK", "stopped"),
}

GRADES: Final = {"strong": "Strong candidate", "possible": "Possible candidate"}
NAME_KINDS: Final = {
    "main": "Name",
    "at_birth": "Name at birth",
    "good_alias": "Alias",
    "low_alias": "Alias, low quality",
}
# Codes of eyes and hair in the public notice shape; BROL means light brown of eyes and blond of hair.
EYES: Final = {
    "BLA": "black",
    "BLU": "blue",
    "BLUL": "light blue",
    "BRO": "brown",
    "BROD": "dark brown",
    "BROH": "hazel",
    "BROL": "light brown",
    "GRE": "green",
    "GRY": "grey",
    "OTHC": "of different colours",
    "OTHD": "dark",
    "OTHL": "light",
}
HAIR: Final = {
    "BLA": "black",
    "BRO": "brown",
    "BROF": "fair",
    "BROL": "blond",
    "GRY": "grey",
    "GRYG": "greying",
    "HAIB": "bald",
    "HAID": "dyed",
    "OTHD": "dark",
    "RED": "red",
    "REDA": "auburn",
    "WHI": "white",
    "YELB": "blond",
    "YELBD": "blond",
}

# Category -> what it means, what to ask, what to look at, what to do next.
GUIDANCE: Final = {code: (one.means, one.ask, one.look, one.then) for code, one in adjudication.GUIDANCE.items()}
HAZARDS: Final = {"neutrons": adjudication.NEUTRONS}
# Nuclide -> name, procedures, until when a portal usually sees it and could at most, in days, and what was published.
MEDICINES: Final = {
    code: (one.name, one.procedures, one.usual_d, one.latest_d, one.published_d)
    for code, one in adjudication.MEDICINES.items()
}

TABLES: Final = {
    **SHARED,
    "ACTIONS": ACTIONS,
    "RADIATION": RADIATION,
    "MIRROR": MIRROR,
    "LINK": LINK,
    "GRADES": GRADES,
    "NAME_KINDS": NAME_KINDS,
    "EYES": EYES,
    "HAIR": HAIR,
    "GUIDANCE": GUIDANCE,
    "HAZARDS": HAZARDS,
    "MEDICINES": MEDICINES,
}
